/// Kernels of the contrastive losses on bfloat16: every level against the plain-C reference on the same numbers.
#include "guarded.h"

static const size_t counts[] = {0, 1, 2, 7, 8, 9, 15, 16, 17, 31, 33, 50, 64, 127, 128};
enum { COUNTS = sizeof counts / sizeof *counts, ROWS = 3, STEP = 3 };

#define EVERY_LEVEL_B16(...)                                                                       \
    const struct lode_kernels_b16 *reference = lode__kernels_b16_at(LODE_LEVEL_SCALAR);            \
    for (lode_level level = LODE_LEVEL_AVX2; level < LODE_LEVELS; level++) {                       \
        const struct lode_kernels_b16 *kernels = lode__kernels_b16_at(level);                      \
        for (size_t case_ = 0; kernels != NULL && case_ < 2 * COUNTS; case_++) {                   \
            const size_t n = counts[case_ / 2];                                                    \
            const bool front = case_ % 2 != 0;                                                     \
            __VA_ARGS__                                                                            \
            guarded_release();                                                                     \
        }                                                                                          \
    }

static lode_bf16 *draw_stored(size_t n, bool front) {
    lode_bf16 *x = guarded(n * sizeof *x, front);
    for (size_t i = 0; i < n; i++)
        x[i] = lode__bf16_narrow((float)draw_real());
    return x;
}

static float *draw_wide(size_t n, double scale, bool front) {
    float *x = guarded(n * sizeof *x, front);
    for (size_t i = 0; i < n; i++)
        x[i] = (float)(scale * draw_real());
    return x;
}

/// Rounded once, both: half a step of eight bits apart at most, and a little.
static void check_stored(const lode_bf16 *got, const lode_bf16 *want, size_t n, double atol,
                         const char *what) {
    for (size_t i = 0; i < n; i++)
        check_one(lode__bf16_widen(got[i]), (double)lode__bf16_widen(want[i]), atol, 0.0079, what, i);
}

typedef void tile_kernel(const struct lode_contrast_tile_b16 *args);

static void check_tile(tile_kernel *kernel, tile_kernel *reference, size_t n, bool stored,
                       bool front) {
    const size_t row = n + STEP, size = (ROWS - 1) * row + n;
    float *z[2] = {draw_wide(size, 8, front), draw_wide(size, 8, front)};
    float *shift = draw_wide(n, 3, front), top[2][ROWS], sum[2][ROWS] = {{0}}, loss[2][ROWS] = {{0}};
    float kept[2][ROWS];
    lode_bf16 *weights[2] = {draw_stored(size, front), draw_stored(size, front)};
    for (size_t i = 0; i < size; i++)
        z[1][i] = z[0][i] = i % 11 == 3 ? -INFINITY : z[0][i];
    for (int which = 0; which < 2; which++) {
        for (size_t i = 0; i < ROWS; i++)
            top[which][i] = -INFINITY;
        (which == 0 ? kernel : reference)(
            &(struct lode_contrast_tile_b16){.rows = ROWS,
                                             .columns = n,
                                             .z = z[which],
                                             .z_row = row,
                                             .stored = stored ? weights[which] : NULL,
                                             .scale = 1.3f,
                                             .column_shift = shift,
                                             .top = top[which],
                                             .sum = sum[which],
                                             .loss = loss[which],
                                             .kept = kept[which]});
    }
    for (size_t i = 0; i < ROWS; i++) {
        check_one(sum[0][i], (double)sum[1][i], 1e-30, 1e-5, "sum", i);
        check_one(loss[0][i], (double)loss[1][i], 1e-30, 1e-5, "loss", i);
        if (stored) {
            check_stored(weights[0] + i * row, weights[1] + i * row, n, 1e-37, "stored weights");
            continue;
        }
        for (size_t j = 0; j < n; j++)
            check_one(z[0][i * row + j], (double)z[1][i * row + j], 1e-37, 6e-6, "weights", j);
    }
}

static void test_tiles(void **state) {
    (void)state;
    EVERY_LEVEL_B16({
        for (int stored = 0; stored < 2; stored++) {
            check_tile(kernels->contrast_softmax, reference->contrast_softmax, n, stored, front);
            check_tile(kernels->contrast_exp, reference->contrast_exp, n, stored, front);
            check_tile(kernels->contrast_logistic, reference->contrast_logistic, n, stored, front);
        }
    })
}

static void test_gather_dot(void **state) {
    (void)state;
    EVERY_LEVEL_B16({
        enum { WIDTH = 6, KEYS = 5 };
        lode_bf16 *x = draw_stored(ROWS * n, front), *table = draw_stored(KEYS * n, front);
        float *got = draw_wide(ROWS * WIDTH, 1, front), *want = draw_wide(ROWS * WIDTH, 1, front);
        int32_t *ids = guarded(ROWS * WIDTH * sizeof *ids, front);
        for (size_t i = 0; i < ROWS * WIDTH; i++)
            ids[i] = (int32_t)draw(KEYS);
        kernels->gather_dot(ROWS, WIDTH, n, x, ids, table, got);
        reference->gather_dot(ROWS, WIDTH, n, x, ids, table, want);
        for (size_t i = 0; i < ROWS * WIDTH; i++)
            check_one(got[i], (double)want[i], 1e-5, 1e-6, "gather_dot", i);
    })
}

static void test_weighted_sum(void **state) {
    (void)state;
    EVERY_LEVEL_B16({
        for (int way = 0; way < 4; way++) {
            enum { WIDTH = 4, KEYS = 5 };
            lode_bf16 *table = draw_stored(KEYS * n, front);
            lode_bf16 *out[2] = {draw_stored(ROWS * n, front), draw_stored(ROWS * n, front)};
            float *wide[2] = {draw_wide(ROWS * n, 1, front), draw_wide(ROWS * n, 1, front)};
            float *weights = draw_wide(ROWS * WIDTH, 1, front);
            int32_t *ids = guarded(ROWS * WIDTH * sizeof *ids, front);
            for (size_t i = 0; i < ROWS * WIDTH; i++)
                ids[i] = (int32_t)draw(KEYS);
            for (size_t i = 0; i < ROWS * n; i++) {
                out[1][i] = out[0][i];
                wide[1][i] = wide[0][i];
            }
            for (int which = 0; which < 2; which++) {
                (which == 0 ? kernels : reference)
                    ->weighted_sum(
                        &(struct lode_weighted_sum_b16){.rows = ROWS,
                                                        .n = n,
                                                        .width = WIDTH,
                                                        .ids = ids,
                                                        .weights = weights,
                                                        .table = table,
                                                        .scale = 0.7f,
                                                        .add = way % 2 != 0,
                                                        .out = out[which],
                                                        .wide = way / 2 != 0 ? wide[which] : NULL});
            }
            check_stored(out[0], out[1], ROWS * n, 2e-6, "weighted_sum");
            for (size_t i = 0; i < ROWS * n; i++)
                check_one(wide[0][i], (double)wide[1][i], 2e-6, 1e-6, "weighted_sum, wide", i);
        }
    })
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tiles),
        cmocka_unit_test(test_gather_dot),
        cmocka_unit_test(test_weighted_sum),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
