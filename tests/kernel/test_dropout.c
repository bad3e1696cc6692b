/// Kernels of dropout: the same bits at every level, the noise of Philox, edges of arrays.
#include "guarded.h"

#include "base/random.h"
#include "kernel/dropout.h"

static const size_t sizes[] = {0,  1,  7,  8,   15,  16,  17,  31,  32,   33,
                               63, 64, 65, 127, 128, 129, 255, 257, 1000, 6400};
enum { SIZES = sizeof sizes / sizeof *sizes };

static const lode_noise noise = {
    .key = {7, 0x80000001}, .counter = {4, 0xfffffff0, 12345}, .threshold = 13107};

/// An element's bit, straight from the description.
static bool expected_bit(const lode_noise *of, size_t i) {
    const size_t group = i / LODE_NOISE_GROUP, word = i % LODE_NOISE_GROUP / 32, half = i % 32;
    const uint32_t counter[4] = {(uint32_t)(16 * group + half / 2), of->counter[0], of->counter[1],
                                 of->counter[2]};
    uint32_t out[4];
    lode__philox(counter, of->key, out);
    return (half % 2 == 0 ? out[word] & 0xffff : out[word] >> 16) >= of->threshold;
}

static void check_noise(const lode_dropout_kernels *kernels, size_t n, uint32_t threshold) {
    const size_t groups = (n + LODE_NOISE_GROUP - 1) / LODE_NOISE_GROUP;
    uint32_t *keep = guarded(groups * 4 * sizeof *keep, false);
    lode_noise own = noise;
    own.threshold = threshold;
    kernels->noise(n, &own, keep);
    for (size_t i = 0; i < groups * LODE_NOISE_GROUP; i++)
        assert_int_equal(keep[i / 32] >> i % 32 & 1, expected_bit(&own, i));
    guarded_release();
}

static void test_noise(void **state) {
    (void)state;
    for (int level = 0; level < LODE_LEVELS; level++) {
        const lode_dropout_kernels *kernels = lode__dropout_kernels_at((lode_level)level);
        for (size_t i = 0; i < SIZES && kernels != NULL; i++) {
            check_noise(kernels, sizes[i], 13107);
            check_noise(kernels, sizes[i], 0);
            check_noise(kernels, sizes[i], 40000); // above what a signed comparison can tell
            check_noise(kernels, sizes[i], 65535);
        }
    }
}

static void check_f32(const lode_dropout_kernels *kernels, size_t n, bool front, bool add) {
    float *x = guarded(n * sizeof *x, front), *y = guarded(n * sizeof *y, front);
    uint32_t *keep = guarded((n + 31) / 32 * sizeof *keep, front);
    for (size_t i = 0; i < n; i++) {
        x[i] = (float)draw_real();
        y[i] = (float)draw_real();
    }
    for (size_t i = 0; i < (n + 31) / 32; i++)
        keep[i] = draw(1u << 31) ^ draw(1u << 31) << 1;
    float wanted[6400];
    for (size_t i = 0; i < n; i++) {
        volatile float value = (keep[i / 32] >> i % 32 & 1) != 0 ? 1.25F * x[i] : 0.0F;
        wanted[i] = add ? y[i] + value : value;
    }
    kernels->keep_f32(n, keep, 1.25F, x, add, y);
    assert_memory_equal(y, wanted, n * sizeof *y);
    if (!add) {
        kernels->keep_f32(n, keep, 1.25F, x, false, x); // in place
        assert_memory_equal(x, wanted, n * sizeof *x);
    }
    guarded_release();
}

static void check_b16(const lode_dropout_kernels *kernels, size_t n, bool front, bool add) {
    lode_bf16 *x = guarded(n * sizeof *x, front), *y = guarded(n * sizeof *y, front);
    uint32_t *keep = guarded((n + 31) / 32 * sizeof *keep, front);
    for (size_t i = 0; i < n; i++) {
        x[i] = lode__bf16_narrow((float)draw_real());
        y[i] = lode__bf16_narrow((float)draw_real());
    }
    if (n > 2) x[1] = 0x7fc1, x[2] = 0x7f80; // NaN, infinity
    for (size_t i = 0; i < (n + 31) / 32; i++)
        keep[i] = draw(1u << 31) ^ draw(1u << 31) << 1;
    lode_bf16 wanted[6400];
    for (size_t i = 0; i < n; i++) {
        const bool kept = (keep[i / 32] >> i % 32 & 1) != 0;
        volatile float value = kept ? 1.3F * lode__bf16_widen(x[i]) : 0.0F;
        wanted[i] = lode__bf16_narrow(add ? lode__bf16_widen(y[i]) + value : value);
    }
    kernels->keep_b16(n, keep, 1.3F, x, add, y);
    assert_memory_equal(y, wanted, n * sizeof *y);
    guarded_release();
}

static void test_keep(void **state) {
    (void)state;
    for (int level = 0; level < LODE_LEVELS; level++) {
        const lode_dropout_kernels *kernels = lode__dropout_kernels_at((lode_level)level);
        for (size_t i = 0; i < 4 * SIZES && kernels != NULL; i++) {
            check_f32(kernels, sizes[i / 4], i % 2 == 0, i % 4 < 2);
            check_b16(kernels, sizes[i / 4], i % 2 == 0, i % 4 < 2);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_noise), cmocka_unit_test(test_keep)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
