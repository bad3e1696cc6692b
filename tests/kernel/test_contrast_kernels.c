/// Kernels of the contrastive losses at every level against the same kernel in double, and the accuracy that they promise.
#include "guarded.h"

enum { STEP = 3 }; ///< elements between the end of a row and the next

static const size_t row_counts[] = {0, 1, 2, 5};
static const size_t column_counts[] = {0, 1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 50, 64, 127, 128};
enum { ROW_COUNTS = 4, COLUMN_COUNTS = sizeof column_counts / sizeof *column_counts };

/// A tile twice: with random logits, shifts and factors where asked for.
typedef struct tiles {
    pair z, row_shift, column_shift, column_factor, top, sum, loss, kept;
    struct lode_contrast_tile_f32 f32;
    struct lode_contrast_tile_f64 f64;
} tiles;

static tiles tiles_make(size_t rows, size_t columns, bool shifted, bool front) {
    const size_t row = columns + STEP;
    tiles t = {.z = pair_make(rows > 0 ? (rows - 1) * row + columns : 0, 8, front),
               .row_shift = pair_make(rows, 3, front),
               .column_shift = pair_make(columns, 3, front),
               .column_factor = pair_make(columns, 2, front),
               .top = pair_make(rows, 0, front),
               .sum = pair_make(rows, 0, front),
               .loss = pair_make(rows, 0, front),
               .kept = pair_make(rows, 1, front)};
    for (size_t i = 0; i < rows; i++)
        pair_set(&t.top, i, -INFINITY);
    t.f32 = (struct lode_contrast_tile_f32){rows,      columns,    t.z.f32,   row,  NULL,
                                            1.7f,      NULL,       NULL,      NULL, t.top.f32,
                                            t.sum.f32, t.loss.f32, t.kept.f32};
    t.f64 = (struct lode_contrast_tile_f64){rows,         columns,    t.z.f64,   row,  NULL,
                                            (double)1.7f, NULL,       NULL,      NULL, t.top.f64,
                                            t.sum.f64,    t.loss.f64, t.kept.f64};
    if (shifted) {
        t.f32.row_shift = t.row_shift.f32;
        t.f64.row_shift = t.row_shift.f64;
        t.f32.column_shift = t.column_shift.f32;
        t.f64.column_shift = t.column_shift.f64;
        t.f32.column_factor = t.column_factor.f32;
        t.f64.column_factor = t.column_factor.f64;
    }
    return t;
}

/// Every third element of the second row is masked, and all of the last one.
static void tiles_mask(tiles *t) {
    for (size_t i = 0; i < t->f32.rows; i++) {
        for (size_t j = 0; j < t->f32.columns; j++) {
            if (i + 1 == t->f32.rows || (i == 1 && j % 3 == 0))
                pair_set(&t->z, i * t->f32.z_row + j, -INFINITY);
        }
    }
}

#define EVERY_TILE(...)                                                                            \
    const struct lode_kernels_f64 *reference = lode__kernels_f64();                                \
    for (size_t case_ = 0; case_ < ROW_COUNTS * COLUMN_COUNTS * 4; case_++) {                      \
        const size_t rows = row_counts[case_ % ROW_COUNTS];                                        \
        const size_t columns = column_counts[case_ / ROW_COUNTS % COLUMN_COUNTS];                  \
        const bool shifted = case_ / ROW_COUNTS / COLUMN_COUNTS % 2 != 0;                          \
        const bool masked = case_ / ROW_COUNTS / COLUMN_COUNTS / 2 != 0;                           \
        EVERY_LEVEL(kernels, front, __VA_ARGS__)                                                   \
    }

/// Weights of rounded logits: x of size 20 is rounded to 2e-6.
static void check_weights(const tiles *t, const char *what) {
    for (size_t i = 0; i < t->f32.rows; i++) {
        for (size_t at = i * t->f32.z_row; at < i * t->f32.z_row + t->f32.columns; at++)
            check_one(t->z.f32[at], t->z.f64[at], 1e-37, 6e-6, what, at);
    }
    for (size_t at = 0; at < t->z.n; at++) { // between the rows nothing happens
        if (at % t->f32.z_row >= t->f32.columns)
            check_one(t->z.f32[at], t->z.f64[at], 0, 0, what, at);
    }
}

static void test_softmax(void **state) {
    (void)state;
    EVERY_TILE({
        tiles t = tiles_make(rows, columns, shifted, front);
        for (int block = 0; block < 3; block++) { // tops rise, stay, and rise
            for (size_t at = 0; at < t.z.n; at++)
                pair_set(&t.z, at, (float)((block == 1 ? 1 : 8 + block) * draw_real()));
            if (masked) tiles_mask(&t);
            kernels->contrast_softmax(&t.f32);
            reference->contrast_softmax(&t.f64);
            check_weights(&t, "contrast_softmax");
            check(t.kept, 1e-37, 6e-6, "contrast_softmax kept");
            check(t.top, 0, 1e-6, "contrast_softmax top");
            check(t.sum, 1e-37, 1e-5, "contrast_softmax sum");
        }
        if (masked && rows > 0) {
            assert_true(t.sum.f32[rows - 1] == 0.0f && t.top.f32[rows - 1] == -INFINITY);
        }
    })
}

static void test_exp(void **state) {
    (void)state;
    EVERY_TILE({
        tiles t = tiles_make(rows, columns, shifted, front);
        for (size_t at = 0; at < t.z.n; at++)
            pair_set(&t.z, at, t.z.f32[at] - 12);
        if (masked) tiles_mask(&t);
        kernels->contrast_exp(&t.f32);
        reference->contrast_exp(&t.f64);
        check_weights(&t, "contrast_exp");
    })
}

static void test_logistic(void **state) {
    (void)state;
    EVERY_TILE({
        for (int sums = 0; sums < 2; sums++) {
            tiles t = tiles_make(rows, columns, shifted, front);
            if (masked) tiles_mask(&t);
            if (!sums) {
                t.f32.sum = t.f32.loss = NULL;
                t.f64.sum = t.f64.loss = NULL;
            }
            kernels->contrast_logistic(&t.f32);
            reference->contrast_logistic(&t.f64);
            check_weights(&t, "contrast_logistic");
            check(t.sum, 1e-37, 1e-5, "contrast_logistic sum");
            check(t.loss, 1e-37, 1e-5, "contrast_logistic loss");
        }
    })
}

/// Weights that go elsewhere, as those of bf16 do, are the same.
static void test_stored(void **state) {
    (void)state;
    EVERY_TILE({
        (void)reference;
        tiles here = tiles_make(rows, columns, shifted, front);
        if (masked) tiles_mask(&here);
        for (int kind = 0; kind < 3; kind++) {
            tiles there = tiles_make(rows, columns, shifted, front);
            pair out = pair_make(here.z.n, 1, front);
            for (size_t at = 0; at < here.z.n; at++) {
                pair_set(&here.z, at, (float)(2 * draw_real() - 8));
                pair_set(&there.z, at, here.z.f32[at]);
            }
            for (size_t i = 0; i < rows; i++) {
                pair_set(&here.top, i, -INFINITY);
                pair_set(&there.row_shift, i, here.row_shift.f32[i]);
            }
            for (size_t j = 0; j < columns; j++) {
                pair_set(&there.column_shift, j, here.column_shift.f32[j]);
                pair_set(&there.column_factor, j, here.column_factor.f32[j]);
            }
            there.f32.stored = out.f32;
            void (*const kernel[])(const struct lode_contrast_tile_f32 *) = {
                kernels->contrast_softmax, kernels->contrast_exp, kernels->contrast_logistic};
            kernel[kind](&here.f32);
            kernel[kind](&there.f32);
            for (size_t i = 0; i < rows; i++) {
                for (size_t at = i * here.f32.z_row; at < i * here.f32.z_row + columns; at++)
                    assert_true(out.f32[at] == here.z.f32[at]);
            }
        }
    })
}

/// e^x within 2e-7, softplus and its derivative within 4e-7: what the table and the files promise.
static void test_accuracy(void **state) {
    (void)state;
    enum { N = 1009 };
    EVERY_LEVEL(kernels, front, {
        for (int pass = 0; pass < 300 && !front; pass++) {
            float *x = guarded(N * sizeof *x, false), input[N];
            struct lode_contrast_tile_f32 tile = {
                .rows = 1, .columns = N, .z = x, .z_row = N, .scale = 1};
            for (int i = 0; i < N; i++) {
                input[i] = x[i] = (float)((pass % 4 == 0 ? 0.4 : 43.5) * (draw_real() - 1));
            }
            kernels->contrast_exp(&tile);
            for (int i = 0; i < N; i++)
                check_one(x[i], exp((double)input[i]), 0, 2e-7, "e^x", (size_t)i);
            for (int i = 0; i < N; i++) {
                input[i] = x[i] = (float)((pass % 4 == 0 ? 0.9 : 80) * draw_real());
            }
            kernels->contrast_logistic(&tile);
            for (int i = 0; i < N; i++)
                check_one(x[i], 1 / (1 + exp(-(double)input[i])), 0, 4e-7, "logistic", (size_t)i);
            for (int i = 0; i < 60; i++) {
                float loss = 0, one = input[i];
                tile = (struct lode_contrast_tile_f32){
                    .rows = 1, .columns = 1, .z = &one, .scale = 1, .loss = &loss};
                kernels->contrast_logistic(&tile);
                const double want = fmax((double)input[i], 0) + log1p(exp(-fabs((double)input[i])));
                check_one(loss, want, 0, 4e-7, "softplus", (size_t)i);
            }
            guarded_release();
        }
    })
}

static void test_ends(void **state) {
    (void)state;
    static const float inputs[] = {-INFINITY, -1e30f, -200, -88, 0, 1e-30f, 0.5f, NAN};
    static const float exps[] = {0, 0, 0, 0, 1, 1, 1, NAN};
    enum { N = sizeof inputs / sizeof *inputs };
    EVERY_LEVEL(kernels, front, {
        pair x = pair_make(N, 1, front);
        struct lode_contrast_tile_f32 tile = {.rows = 1, .columns = N, .z = x.f32, .scale = 1};
        memcpy(x.f32, inputs, sizeof inputs);
        kernels->contrast_exp(&tile);
        for (size_t i = 0; i < N; i++)
            check_one(x.f32[i], (double)exps[i], 1e-37, 0, "e^x at its ends", i);
        assert_true(x.f32[0] == 0.0f && x.f32[4] == 1.0f && x.f32[6] == 1.0f);

        // of a NaN or an infinity among the logits the sums must tell, whatever else is there
        for (size_t bad = 0; bad < N; bad++) {
            for (int infinite = 0; infinite < 2; infinite++) {
                float top = -INFINITY, sum = 0, loss = 0, kept;
                for (size_t i = 0; i < N; i++)
                    x.f32[i] = i < 3 ? -INFINITY : -(float)i;
                x.f32[bad] = infinite ? INFINITY : NAN;
                tile.top = &top;
                tile.sum = &sum;
                tile.loss = &loss;
                tile.kept = &kept;
                kernels->contrast_softmax(&tile);
                assert_true(isnan(sum));
                x.f32[bad] = infinite ? INFINITY : NAN;
                kernels->contrast_logistic(&tile);
                assert_true(infinite ? isinf(loss) : isnan(loss));
            }
        }
    })
}

static void test_gather_dot(void **state) {
    (void)state;
    static const size_t widths[] = {0, 1, 2, 7, 50};
    EVERY_TILE({
        if (shifted || masked) continue;
        for (size_t w = 0; w < sizeof widths / sizeof *widths; w++) {
            const size_t width = widths[w], n = columns;
            pair x = pair_make(rows * n, 1, front), table = pair_make(5 * n, 1, front);
            pair out = pair_make(rows * width, 1, front);
            int32_t *ids = guarded(rows * width * sizeof *ids, front);
            for (size_t i = 0; i < rows * width; i++)
                ids[i] = (int32_t)draw(5);
            kernels->gather_dot(rows, width, n, x.f32, ids, table.f32, out.f32);
            reference->gather_dot(rows, width, n, x.f64, ids, table.f64, out.f64);
            check(out, 1e-5, 1e-6, "gather_dot");
        }
    })
}

static void test_weighted_sum(void **state) {
    (void)state;
    EVERY_TILE({
        const bool lists = shifted, add = masked;
        for (int wide = 0; wide < 2; wide++) {
            const size_t n = columns, width = 6, entries = rows * width;
            pair table = pair_make(5 * n, 1, front), weights = pair_make(entries, 1, front);
            pair out = pair_make(rows * n, 1, front);
            int32_t *ids = guarded(entries * sizeof *ids, front);
            int32_t *starts = guarded((rows + 1) * sizeof *starts, front);
            for (size_t i = 0; i < entries; i++)
                ids[i] = (int32_t)draw(5);
            for (size_t i = 0; i <= rows; i++) // uneven, some empty, from 1 on
                starts[i] = (int32_t)(entries > 0 ? 1 + i * i % 3 * 2 + (i > 2 ? 6 : 0) : 0);
            for (size_t i = 1; i <= rows; i++)
                starts[i] = LODE_MAX(starts[i], starts[i - 1]);
            const struct lode_weighted_sum_f32 a = {rows,
                                                    n,
                                                    lists ? starts : NULL,
                                                    width,
                                                    ids,
                                                    weights.f32,
                                                    table.f32,
                                                    0.3f,
                                                    add,
                                                    wide ? NULL : out.f32,
                                                    wide ? out.f32 : NULL};
            const struct lode_weighted_sum_f64 b = {rows,
                                                    n,
                                                    lists ? starts : NULL,
                                                    width,
                                                    ids,
                                                    weights.f64,
                                                    table.f64,
                                                    (double)0.3f,
                                                    add,
                                                    wide ? NULL : out.f64,
                                                    wide ? out.f64 : NULL};
            kernels->weighted_sum(&a);
            reference->weighted_sum(&b);
            check(out, 1e-5, 1e-6, "weighted_sum");
        }
    })
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_softmax),    cmocka_unit_test(test_exp),
        cmocka_unit_test(test_logistic),   cmocka_unit_test(test_stored),
        cmocka_unit_test(test_accuracy),   cmocka_unit_test(test_ends),
        cmocka_unit_test(test_gather_dot), cmocka_unit_test(test_weighted_sum),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
