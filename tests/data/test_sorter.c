/// The external sort against qsort, with and without runs, over narrow and wide times.
#include "data/sorter.h"

#include "../check.h"

enum { ROWS = 20000, WORDS = 5 };

typedef struct sample {
    uint32_t rows[ROWS][WORDS];
} sample;

static int by_key(const void *x, const void *y) {
    const uint32_t *const a = x, *const b = y;
    if (a[LODE_ROW_USER] != b[LODE_ROW_USER]) return a[LODE_ROW_USER] < b[LODE_ROW_USER] ? -1 : 1;
    const int64_t s = lode__row_time(a), t = lode__row_time(b);
    if (s != t) return s < t ? -1 : 1;
    return a[WORDS - 1] < b[WORDS - 1] ? -1 : 1;
}

/// @param user_mask, time_mask  which bits are random
static void fill(sample *s, uint32_t user_mask, uint64_t time_mask, bool by_time) {
    uint64_t x = 99;
    for (uint32_t k = 0; k < ROWS; ++k) {
        uint32_t *const row = s->rows[k];
        x = x * 6364136223846793005u + 1442695040888963407u;
        row[LODE_ROW_USER] = (uint32_t)(x >> 32) & user_mask;
        x = x * 6364136223846793005u + 1442695040888963407u;
        const uint64_t time = by_time ? k / 3 : 1500000000000u + ((x >> 7) & time_mask);
        row[LODE_ROW_ITEM] = (uint32_t)x;
        row[LODE_ROW_TIME] = (uint32_t)time;
        row[LODE_ROW_TIME + 1] = (uint32_t)(time >> 32);
        row[WORDS - 1] = k;
    }
}

static void sorted_like_qsort(void **state) {
    (void)state;
    static const struct {
        uint32_t users;
        uint64_t times;
        bool by_time;
    } shapes[] = {{0xff, 0xff, false},       {0xffffffff, 0, false},
                  {0, 0xffffffffffu, false}, {0x3fff, UINT64_C(0xffffffffffffff), false},
                  {0x7ff, 0, true},          {0, 0, true}};
    sample *const given = test_malloc(sizeof *given), *const expected = test_malloc(sizeof *expected);
    for (size_t k = 0; k < sizeof shapes / sizeof *shapes; ++k) {
        fill(given, shapes[k].users, shapes[k].times, shapes[k].by_time);
        memcpy(expected, given, sizeof *given);
        qsort(expected->rows, ROWS, sizeof expected->rows[0], by_key);
        for (size_t memory = 1000; memory < (size_t)1 << 30; memory *= 25) {
            lode_sorter sorter;
            lode_error error = {0};
            lode__sorter_begin(&sorter, WORDS, memory, "/tmp");
            for (size_t row = 0; row < ROWS; ++row)
                assert_ok(lode__sorter_add(&sorter, given->rows[row], &error), error);
            assert_ok(lode__sorter_finish(&sorter, &error), error);
            const uint32_t *found;
            for (size_t row = 0; row < ROWS; ++row) {
                assert_ok(lode__sorter_next(&sorter, &found, &error), error);
                assert_non_null(found);
                assert_memory_equal(found, expected->rows[row], sizeof expected->rows[row]);
            }
            assert_ok(lode__sorter_next(&sorter, &found, &error), error);
            assert_null(found);
            lode__sorter_release(&sorter);
        }
    }
    test_free(given);
    test_free(expected);
}

static void left_in_the_middle(void **state) {
    (void)state;
    sample *const given = test_malloc(sizeof *given);
    fill(given, 0xff, 0xff, false);
    lode_sorter sorter;
    lode_error error = {0};
    lode__sorter_begin(&sorter, WORDS, 1000, "/tmp");
    for (size_t row = 0; row < 1000; ++row)
        assert_ok(lode__sorter_add(&sorter, given->rows[row], &error), error);
    lode__sorter_release(&sorter); // a run may be on its way
    lode__sorter_begin(&sorter, WORDS, 1000, "/nowhere/at/all");
    lode_status status = LODE_OK;
    for (size_t row = 0; row < ROWS && status == LODE_OK; ++row)
        status = lode__sorter_add(&sorter, given->rows[row], &error);
    if (status == LODE_OK) status = lode__sorter_finish(&sorter, &error);
    assert_int_equal(status,
                     LODE_E_SYSTEM); // more than the buffer of a spool: the thread's error arrives
    assert_non_null(strstr(error.message, "/nowhere/at/all"));
    lode__sorter_release(&sorter);
    test_free(given);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(sorted_like_qsort),
                                       cmocka_unit_test(left_in_the_middle)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
