/// The choice of a level. It is made once a process, so every case runs in a process of its own.
#include "guarded.h"

#include <sys/wait.h>

/// The level (0 ..) that a fresh process chooses under LODE_CPU = mask, NULL for unset.
static int chosen_under(const char *mask) {
    fflush(NULL);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (mask != NULL) {
            setenv("LODE_CPU", mask, 1);
        } else {
            unsetenv("LODE_CPU");
        }
        int level = 0;
        while (level < LODE_LEVELS &&
               strcmp(lode_cpu_level(), lode__level_name((lode_level)level)) != 0) {
            level++;
        }
        const bool same = level < LODE_LEVELS &&
                          lode__kernels_f32() == lode__kernels_at((lode_level)level) &&
                          lode__kernels_b16() == lode__kernels_b16_at((lode_level)level);
        _exit(same ? level : 99);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int highest(void) {
    int level = LODE_LEVELS - 1;
    while (lode__kernels_at((lode_level)level) == NULL) {
        level--;
    }
    return level;
}

static void test_mask(void **state) {
    (void)state;
    assert_int_equal(chosen_under(NULL), highest());
    assert_int_equal(chosen_under(""), highest());
    assert_int_equal(chosen_under("scalar"), 0);
    assert_int_equal(chosen_under("avx2"), LODE_MIN(1, highest()));
    assert_int_equal(chosen_under("avx512"), LODE_MIN(2, highest()));
    assert_int_equal(chosen_under("avx512bf16"), LODE_MIN(3, highest()));
    assert_int_equal(chosen_under("amx"), LODE_MIN(4, highest()));
    assert_int_equal(chosen_under("no such level"), 0);
    assert_int_equal(chosen_under("AVX2"), 0);
}

/// No entry is missing: the functions fill the table from `pack` to its end.
static void check_entries(const void *table, size_t from, size_t size) {
    void (*entry)(void);
    for (size_t at = from; at < size; at += sizeof entry) {
        memcpy(&entry, (const char *)table + at, sizeof entry);
        assert_true(entry != NULL);
    }
}

static void test_tables(void **state) {
    (void)state;
    assert_non_null(lode__kernels_at(LODE_LEVEL_SCALAR));
    assert_null(lode__kernels_at(LODE_LEVELS));
    for (lode_level level = 0; level < LODE_LEVELS; level++) {
        const struct lode_kernels_f32 *kernels = lode__kernels_at(level);
        if (kernels == NULL) continue;
        const lode_level floats = LODE_MIN(level, LODE_LEVEL_AVX512); // the highest with its own
        assert_string_equal(kernels->level, lode__level_name(floats));
        check_entries(kernels, offsetof(struct lode_kernels_f32, pack), sizeof *kernels);
        const struct lode_kernels_b16 *short_kernels = lode__kernels_b16_at(level);
        assert_non_null(short_kernels);
        check_entries(short_kernels, offsetof(struct lode_kernels_b16, pack), sizeof *short_kernels);
    }
    assert_null(lode__kernels_b16_at(LODE_LEVELS));
    assert_string_equal(lode__kernels_f64()->level, "scalar");
    assert_string_equal(lode__level_name(LODE_LEVELS), "unknown");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mask),
        cmocka_unit_test(test_tables),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
