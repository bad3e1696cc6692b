/// Row kernels on bfloat16 at every level against the plain-C ones: rounding in bits, the rest as close as the order of
/// float sums and one rounding allow. Sizes around every vector, arrays flush with memory's end and beginning.
#include "guarded.h"

/// The same bfloat16 numbers twice: for the level and for the reference.
typedef struct twin {
    size_t n;
    lode_bf16 *fast, *plain;
} twin;

/// The same floats twice.
typedef struct wide_twin {
    size_t n;
    float *fast, *plain;
} wide_twin;

static twin twin_make(size_t n, bool front) {
    twin t = {n, guarded(n * sizeof(lode_bf16), front), guarded(n * sizeof(lode_bf16), false)};
    for (size_t i = 0; i < n; i++)
        t.fast[i] = t.plain[i] = lode__bf16_narrow((float)draw_real());
    return t;
}

static wide_twin wide_make(size_t n, bool front) {
    wide_twin t = {n, guarded(n * sizeof(float), front), guarded(n * sizeof(float), false)};
    for (size_t i = 0; i < n; i++)
        t.fast[i] = t.plain[i] = (float)draw_real();
    return t;
}

/// Two roundings of nearly the same number: one step of bfloat16 apart at most.
static void check_stored(twin t, const char *what) {
    for (size_t i = 0; i < t.n; i++) {
        check_one(lode__bf16_widen(t.fast[i]), (double)lode__bf16_widen(t.plain[i]), 1e-5, 0.008,
                  what, i);
    }
}

static void check_wide(wide_twin t, double slack, const char *what) {
    for (size_t i = 0; i < t.n; i++)
        check_one(t.fast[i], (double)t.plain[i], slack, 2e-6, what, i);
}

#define EVERY_B16(kernels, front, ...)                                                             \
    for (lode_level level = 0; level < LODE_LEVELS; level++) {                                     \
        const struct lode_kernels_b16 *kernels = lode__kernels_b16_at(level);                      \
        for (int front = 0; kernels != NULL && front < 2; front++) {                               \
            __VA_ARGS__                                                                            \
            guarded_release();                                                                     \
        }                                                                                          \
    }

static const struct lode_kernels_b16 *plain(void) {
    return lode__kernels_b16_at(LODE_LEVEL_SCALAR);
}

static const size_t sizes[] = {0,  1,  2,  3,  7,  8,  9,  15, 16, 17, 23,  31,  32,
                               33, 47, 48, 49, 63, 64, 65, 70, 96, 97, 127, 128, 200};

#define EVERY_SIZE(n)                                                                              \
    for (size_t at = 0, n; at < sizeof sizes / sizeof *sizes && (n = sizes[at], 1); at++)

/// Widening is exact for all 65,536 numbers; narrowing rounds to nearest, ties to even, and keeps NaN, at every
/// number's both neighbours and the middles between them. Denormal numbers may be taken for zeros.
static void test_rounding(void **state) {
    (void)state;
    enum { ALL = 1 << 16 };
    EVERY_B16(kernels, front, {
        lode_bf16 *all = guarded(ALL * sizeof *all, front);
        lode_bf16 *back = guarded(ALL * sizeof *back, front);
        float *wide = guarded(ALL * sizeof *wide, front);
        for (uint32_t i = 0; i < ALL; i++)
            all[i] = (lode_bf16)i;
        kernels->widen(ALL, all, wide);
        for (uint32_t i = 0; i < ALL; i++) {
            const uint32_t bits = i << 16;
            assert_memory_equal(&wide[i], &bits, sizeof bits);
        }
        static const uint32_t below[] = {0, 1, 0x7fff, 0x8000, 0x8001, 0xffff};
        for (size_t b = 0; b < sizeof below / sizeof *below; b++) {
            for (uint32_t i = 0; i < ALL; i++) {
                const uint32_t bits = i << 16 | below[b];
                memcpy(&wide[i], &bits, sizeof bits);
            }
            kernels->narrow(ALL, wide, back);
            for (uint32_t i = 0; i < ALL; i++) {
                const uint32_t exponent = i >> 7 & 0xff;
                const bool up = below[b] > 0x8000 || (below[b] == 0x8000 && (i & 1) != 0);
                const lode_bf16 want = (lode_bf16)(i + (up ? 1 : 0));
                if (isnan(wide[i])) {
                    assert_true(isnan(lode__bf16_widen(back[i])));
                } else if (exponent == 0) {
                    assert_true(back[i] == want || (back[i] & 0x7fff) == 0);
                } else {
                    assert_int_equal(back[i], want);
                }
                assert_true(lode__bf16_narrow(wide[i]) == want || isnan(wide[i]));
            }
        }
    })
}

static void test_sums(void **state) {
    (void)state;
    EVERY_SIZE(n) {
        EVERY_B16(kernels, front, {
            twin x = twin_make(n, front), y = twin_make(n, front);
            wide_twin z = wide_make(n, front), w = wide_make(n, front);
            kernels->add(n, x.fast, y.fast);
            plain()->add(n, x.plain, y.plain);
            check_stored(y, "add");
            kernels->scaled_sum(n, 0.7f, x.fast, y.fast, y.fast);
            plain()->scaled_sum(n, 0.7f, x.plain, y.plain, y.plain);
            check_stored(y, "scaled_sum");
            kernels->scaled_sum(n, 0.7f, y.fast, NULL, y.fast);
            plain()->scaled_sum(n, 0.7f, y.plain, NULL, y.plain);
            check_stored(y, "scaled_sum of one");
            kernels->add_wide(n, w.fast, z.fast);
            plain()->add_wide(n, w.plain, z.plain);
            check_wide(z, 0, "add_wide");
            kernels->scale_add(n, 0.7f, x.fast, z.fast);
            plain()->scale_add(n, 0.7f, x.plain, z.plain);
            check_wide(z, 1e-7, "scale_add");
            kernels->scale(n, 0.3f, z.fast);
            plain()->scale(n, 0.3f, z.plain);
            check_wide(z, 1e-7, "scale");
            check_one(kernels->dot(n, x.fast, y.fast), (double)plain()->dot(n, x.plain, y.fast),
                      1e-5, 1e-5, "dot", n);
            kernels->narrow(n, z.fast, x.fast);
            plain()->narrow(n, z.plain, x.plain);
            check_stored(x, "narrow");
            kernels->widen(n, x.fast, z.fast);
            plain()->widen(n, x.fast, z.plain);
            check_wide(z, 0, "widen");
        })
    }
}

static void test_columns(void **state) {
    (void)state;
    EVERY_SIZE(n) {
        EVERY_B16(kernels, front, {
            const size_t rows = draw(300), row = n + draw(3);
            twin x = twin_make(rows > 0 ? (rows - 1) * row + n : 0, front);
            wide_twin out = wide_make(n, front);
            kernels->column_sum(rows, n, x.fast, row, out.fast);
            plain()->column_sum(rows, n, x.plain, row, out.plain);
            check_wide(out, 2e-5, "column_sum");
        })
    }
}

static void test_activation(void **state) {
    (void)state;
    EVERY_SIZE(n) {
        EVERY_B16(kernels, front, {
            for (lode_activation a = LODE_LINEAR; a <= LODE_TANH; a++) {
                twin y = twin_make(n, front), d = twin_make(n, front);
                kernels->activation_backward(n, a, y.fast, d.fast);
                plain()->activation_backward(n, a, y.plain, d.plain);
                check_stored(d, "activation_backward");
            }
        })
    }
}

/// Bit 0 of `way`: with a residual; 1: gradients are added; 2: d_x is dy, unless it is added to.
static void run_layer_norm(const struct lode_kernels_b16 *kernels, size_t rows, size_t n, int way,
                           bool front) {
    const size_t size = rows * n;
    const bool with = way & 1, add = way & 2, over = way == 4 || way == 5;
    twin x = twin_make(size, front), r = twin_make(size, front), y = twin_make(size, front);
    twin dy = twin_make(size, front), d_x = twin_make(size, front), d_r = twin_make(size, front);
    wide_twin gain = wide_make(n, front), bias = wide_make(n, front);
    wide_twin statistics = wide_make(2 * rows, front);
    wide_twin d_gain = wide_make(n, front), d_bias = wide_make(n, front);
    struct lode_layer_norm_rows_b16 fast = {.rows = rows,
                                            .n = n,
                                            .x = x.fast,
                                            .residual = with ? r.fast : NULL,
                                            .gain = gain.fast,
                                            .bias = bias.fast,
                                            .epsilon = 0.01f,
                                            .y = y.fast,
                                            .statistics = statistics.fast,
                                            .dy = dy.fast,
                                            .d_x = over ? dy.fast : d_x.fast,
                                            .d_residual = with ? d_r.fast : NULL,
                                            .add_x = add,
                                            .add_residual = !add,
                                            .d_gain = d_gain.fast,
                                            .d_bias = d_bias.fast};
    struct lode_layer_norm_rows_b16 slow = fast;
    slow.x = x.plain;
    slow.residual = with ? r.plain : NULL;
    slow.gain = gain.plain;
    slow.bias = bias.plain;
    slow.y = y.plain;
    slow.statistics = statistics.plain;
    slow.dy = dy.plain;
    slow.d_x = over ? dy.plain : d_x.plain;
    slow.d_residual = with ? d_r.plain : NULL;
    slow.d_gain = d_gain.plain;
    slow.d_bias = d_bias.plain;
    kernels->layer_norm(&fast);
    plain()->layer_norm(&slow);
    check_stored(y, "layer_norm");
    check_wide(statistics, 2e-5, "layer_norm, statistics");
    kernels->layer_norm_backward(&fast);
    plain()->layer_norm_backward(&slow);
    check_stored(over ? dy : d_x, "layer_norm_backward, x");
    check_stored(d_r, "layer_norm_backward, residual");
    check_wide(d_gain, 3e-5 * (double)rows, "layer_norm_backward, gain");
    check_wide(d_bias, 1e-6 * (double)rows, "layer_norm_backward, bias");
}

static void test_layer_norm(void **state) {
    (void)state;
    EVERY_SIZE(n) {
        if (n == 0) continue;
        EVERY_B16(kernels, front, {
            for (int i = 0; i < 8; i++)
                run_layer_norm(kernels, 1 + draw(7), n, i, front);
        })
    }
}

static void test_gather(void **state) {
    (void)state;
    enum { ROWS = 40 };
    EVERY_SIZE(n) {
        EVERY_B16(kernels, front, {
            const size_t count = draw(30);
            wide_twin table = wide_make(ROWS * n, front);
            twin out = twin_make(n, front);
            int32_t *ids = guarded(count * sizeof *ids, front);
            for (size_t i = 0; i < count; i++)
                ids[i] = (int32_t)draw(ROWS);
            kernels->gather_sum(n, count, ids, table.fast, 0.25f, out.fast);
            plain()->gather_sum(n, count, ids, table.plain, 0.25f, out.plain);
            check_stored(out, "gather_sum");
        })
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rounding),   cmocka_unit_test(test_sums),
        cmocka_unit_test(test_columns),    cmocka_unit_test(test_activation),
        cmocka_unit_test(test_layer_norm), cmocka_unit_test(test_gather),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
