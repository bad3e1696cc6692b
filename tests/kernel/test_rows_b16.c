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

static void test_layer_norm(void **state) {
    (void)state;
    EVERY_SIZE(n) {
        if (n == 0) continue;
        EVERY_B16(kernels, front, {
            for (int with = 0; with < 2; with++) {
                twin x = twin_make(n, front), r = twin_make(n, front), y = twin_make(n, front);
                twin dy = twin_make(n, front), ds = twin_make(n, front);
                wide_twin gain = wide_make(n, front), bias = wide_make(n, front);
                wide_twin statistics = wide_make(2, front);
                wide_twin d_gain = wide_make(n, front), d_bias = wide_make(n, front);
                kernels->layer_norm(n, x.fast, with ? r.fast : NULL, gain.fast, bias.fast, 0.01f,
                                    y.fast, statistics.fast);
                plain()->layer_norm(n, x.plain, with ? r.plain : NULL, gain.plain, bias.plain,
                                    0.01f, y.plain, statistics.plain);
                check_stored(y, "layer_norm");
                check_wide(statistics, 2e-5, "layer_norm, statistics");
                kernels->layer_norm_backward(n, x.fast, with ? r.fast : NULL, dy.fast, gain.fast,
                                             statistics.fast, ds.fast, d_gain.fast, d_bias.fast);
                plain()->layer_norm_backward(n, x.plain, with ? r.plain : NULL, dy.plain, gain.plain,
                                             statistics.plain, ds.plain, d_gain.plain, d_bias.plain);
                check_stored(ds, "layer_norm_backward");
                check_wide(d_gain, 3e-5, "layer_norm_backward, gain");
                check_wide(d_bias, 1e-6, "layer_norm_backward, bias");
            }
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
