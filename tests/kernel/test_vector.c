/// Vector and row kernels of every level against the same kernel in double.
#include "guarded.h"

static const size_t sizes[] = {0,  1,  2,  3,  7,  8,  9,  15,  16,  17,  23,  31,  32,
                               33, 47, 63, 64, 65, 95, 97, 127, 128, 129, 200, 1000};
enum { SIZES = sizeof sizes / sizeof *sizes };

#define EVERY_SIZE(...)                                                                            \
    const struct lode_kernels_f64 *reference = lode__kernels_f64();                                \
    for (size_t case_ = 0; case_ < SIZES; case_++) {                                               \
        const size_t n = sizes[case_];                                                             \
        EVERY_LEVEL(kernels, front, __VA_ARGS__)                                                   \
    }

static void test_elementwise(void **state) {
    (void)state;
    EVERY_SIZE({
        pair x = pair_make(n, 1, front);
        pair y = pair_make(n, 1, front);
        kernels->add(n, x.f32, y.f32);
        reference->add(n, x.f64, y.f64);
        check(y, 1e-6, 1e-6, "add");
        kernels->scale_add(n, 0.3f, x.f32, y.f32);
        reference->scale_add(n, (double)0.3f, x.f64, y.f64);
        check(y, 1e-6, 1e-6, "scale_add");
        kernels->scaled_sum(n, 0.6f, x.f32, y.f32, x.f32);
        reference->scaled_sum(n, (double)0.6f, x.f64, y.f64, x.f64);
        check(x, 1e-6, 1e-6, "scaled_sum");
        kernels->scaled_sum(n, 0.6f, x.f32, NULL, y.f32);
        reference->scaled_sum(n, (double)0.6f, x.f64, NULL, y.f64);
        check(y, 1e-6, 1e-6, "scaled_sum of one");
        kernels->scale(n, -1.7f, y.f32);
        reference->scale(n, (double)-1.7f, y.f64);
        check(y, 1e-6, 1e-6, "scale");
    })
}

static void test_reductions(void **state) {
    (void)state;
    EVERY_SIZE({
        pair x = pair_make(n, 1, front);
        pair y = pair_make(n, 1, front);
        const double slack = 1e-6 + 1e-7 * (double)n;
        check_one(kernels->dot(n, x.f32, y.f32), reference->dot(n, x.f64, y.f64), slack, 1e-6,
                  "dot", n);
        check_one(kernels->max(n, x.f32), reference->max(n, x.f64), 0, 0, "max", n);
        check_one(kernels->exp_sum(n, 0.5f, x.f32), reference->exp_sum(n, 0.5, x.f64), 0, 1e-5,
                  "exp_sum", n);
        check(x, 0, 3e-7, "exp");
    })
}

static void test_max_values(void **state) {
    (void)state;
    EVERY_SIZE({
        (void)reference;
        pair x = pair_make(n, 1, front);
        for (size_t i = 0; i < n; i++) {
            const float before = x.f32[i];
            x.f32[i] = 2; // the largest is found wherever it is
            assert_true(kernels->max(n, x.f32) == 2.0f);
            x.f32[i] = NAN;
            assert_true(isnan(kernels->max(n, x.f32)));
            x.f32[i] = before;
        }
        for (size_t i = 0; i < n; i++) {
            x.f32[i] = -5 - (float)i; // no zero of a short last vector may win
        }
        assert_true(kernels->max(n, x.f32) == (n > 0 ? -5.0f : -INFINITY));
    })
}

/// Distance to the true value in units of the last place of a float near it.
static double ulps(float got, double want) {
    int exponent;
    frexp(want, &exponent);
    const double unit = ldexp(1, exponent - 24 > -149 ? exponent - 24 : -149);
    return fabs((double)got - want) / unit;
}

static void test_exp_accuracy(void **state) {
    (void)state;
    enum { N = 1009 };
    EVERY_LEVEL(kernels, front, {
        double worst = 0;
        for (int pass = 0; pass < 300; pass++) {
            float *x = front ? NULL : guarded(N * sizeof *x, false);
            if (x == NULL) break;
            float input[N];
            for (int i = 0; i < N; i++) {
                input[i] = (float)(-7.5 + 96.3 * draw_real()); // -103.8 .. 88.8
                if (pass % 4 == 0) input[i] = (float)(draw_real() * 0.4);
                x[i] = input[i];
            }
            kernels->exp_sum(N, 0, x);
            for (int i = 0; i < N; i++) {
                const double want = exp((double)input[i]);
                if (want > 3.4028235e38) {
                    assert_true(isinf(x[i]));
                } else {
                    worst = fmax(worst, ulps(x[i], want));
                }
            }
            guarded_release();
        }
        if (!(worst <= 2)) fail_msg("%s: exp is off by %.2f ulp", kernels->level, worst);
    })
}

static void test_exp_ends(void **state) {
    (void)state;
    static const float inputs[] = {-INFINITY, -1e30f, -104,     -103.9f, -103.3f, -90,
                                   -87.4f,    -0.0f,  0,        1e-30f,  88.7f,   88.8f,
                                   89,        1000,   INFINITY, NAN,     1,       -1};
    enum { N = sizeof inputs / sizeof *inputs };
    EVERY_LEVEL(kernels, front, {
        float *x = guarded(sizeof inputs, front);
        memcpy(x, inputs, sizeof inputs);
        assert_true(isnan(kernels->exp_sum(N, 0, x)));
        for (int i = 0; i < N; i++) {
            const float want = (float)exp((double)inputs[i]); // rounds to denormals and infinity
            if (isnan(want)                ? !isnan(x[i])
                : isinf(want) || want == 0 ? x[i] != want
                                           : ulps(x[i], (double)want) > 2) {
                fail_msg("%s: exp(%g) is %g", kernels->level, (double)inputs[i], (double)x[i]);
            }
        }
        memcpy(x, inputs, sizeof inputs);
        x[0] = INFINITY;
        assert_true(isinf(kernels->exp_sum(1, 0, x)));
    })
}

static void test_activation_backward(void **state) {
    (void)state;
    EVERY_SIZE({
        for (lode_activation a = LODE_LINEAR; a <= LODE_TANH; a++) {
            pair y = pair_make(n, 1, front);
            pair d = pair_make(n, 1, front);
            if (n > 1) pair_set(&y, 1, 0);
            if (n > 2) pair_set(&y, 2, NAN);
            kernels->activation_backward(n, a, y.f32, d.f32);
            reference->activation_backward(n, a, y.f64, d.f64);
            check(d, 1e-7, 1e-6, "activation_backward");
        }
    })
}

/// Far from 0, where gelu is x or 0 and its slope 1 or 0, NaN, and everything between.
static void test_gelu(void **state) {
    (void)state;
    static const float far[] = {0, NAN, 9.9f, -9.9f, 10.1f, -10.1f, 1e20f, -1e20f, 3e-5f};
    EVERY_SIZE({
        pair x = pair_make(n, 1, front);
        pair y = pair_make(n, 1, front);
        for (size_t i = 0; i < n; i++)
            pair_set(&x, i, i < 9 && n > 20 ? far[i] : 4 * x.f32[i]);
        kernels->gelu(n, x.f32, y.f32);
        reference->gelu(n, x.f64, y.f64);
        check(y, 1e-6, 1e-6, "gelu");
        if (n > 20) {
            assert_true(y.f32[6] == 1e20f && fabsf(y.f32[5]) < 1e-30f && y.f32[4] == 10.1f);
            assert_true(isnan(y.f32[1]));
        }
        kernels->gelu_backward(n, x.f32, y.f32);
        reference->gelu_backward(n, x.f64, y.f64);
        check(y, 1e-6, 1e-6, "gelu_backward");
    })
}

static void test_column_sum(void **state) {
    (void)state;
    static const size_t rows[] = {0, 1, 2, 127, 128, 129, 300};
    EVERY_SIZE({
        if (n > 200) continue;
        for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
            const size_t row = n + draw(3);
            const size_t size = rows[r] > 0 ? (rows[r] - 1) * row + n : 0;
            pair x = pair_make(size, 1, front);
            pair out = pair_make(n, 1, front);
            kernels->column_sum(rows[r], n, x.f32, row, out.f32);
            reference->column_sum(rows[r], n, x.f64, row, out.f64);
            check(out, 3e-5, 1e-6, "column_sum");
        }
    })
}

/// What receives the gradient: written over, added to, or written over the gradient it is made from.
enum { OVERWRITE, ADD, IN_PLACE, NOWHERE, RECEIVERS };

static void run_layer_norm(const struct lode_kernels_f32 *kernels, size_t rows, size_t n, int with,
                           int way, bool front) {
    const struct lode_kernels_f64 *reference = lode__kernels_f64();
    const size_t size = rows * n;
    pair x = pair_make(size, 2, front), residual = pair_make(size, 1, front);
    pair gain = pair_make(n, 1, front), bias = pair_make(n, 1, front);
    pair y = pair_make(size, 1, front), kept = pair_make(2 * rows, 1, front);
    for (size_t i = 0; i < size; i++)
        pair_set(&x, i, x.f32[i] + 3); // a mean that is not small
    pair_set(&gain, n / 2, 0);         // any gain will do
    pair dy = pair_make(size, 1, front), d_x = pair_make(size, 1, front);
    pair d_residual = pair_make(size, 1, front);
    pair d_gain = pair_make(n, 1, front), d_bias = pair_make(n, 1, front);
    pair *to = way == IN_PLACE ? &dy : &d_x;
    struct lode_layer_norm_rows_f32 a = {.rows = rows,
                                         .n = n,
                                         .x = x.f32,
                                         .residual = with ? residual.f32 : NULL,
                                         .gain = gain.f32,
                                         .bias = bias.f32,
                                         .epsilon = 1e-3f,
                                         .y = y.f32,
                                         .statistics = kept.f32,
                                         .dy = dy.f32,
                                         .d_x = way == NOWHERE ? NULL : to->f32,
                                         .d_residual = with ? d_residual.f32 : NULL,
                                         .add_x = way == ADD,
                                         .add_residual = way != ADD,
                                         .d_gain = d_gain.f32,
                                         .d_bias = d_bias.f32};
    struct lode_layer_norm_rows_f64 b = {.rows = rows,
                                         .n = n,
                                         .x = x.f64,
                                         .residual = with ? residual.f64 : NULL,
                                         .gain = gain.f64,
                                         .bias = bias.f64,
                                         .epsilon = (double)1e-3f,
                                         .y = y.f64,
                                         .statistics = kept.f64,
                                         .dy = dy.f64,
                                         .d_x = way == NOWHERE ? NULL : to->f64,
                                         .d_residual = with ? d_residual.f64 : NULL,
                                         .add_x = way == ADD,
                                         .add_residual = way != ADD,
                                         .d_gain = d_gain.f64,
                                         .d_bias = d_bias.f64};
    kernels->layer_norm(&a);
    reference->layer_norm(&b);
    check(y, 2e-5, 2e-5, "layer_norm");
    check(kept, 1e-5, 1e-4, "layer_norm statistics");
    double steepest = 1;
    for (size_t i = 0; i < 2 * rows; i++) {
        pair_set(&kept, i, kept.f32[i]);
        if (i % 2 == 1) steepest = fmax(steepest, kept.f64[i]);
    }
    kernels->layer_norm_backward(&a);
    reference->layer_norm_backward(&b);
    check(*to, 2e-5 * steepest, 2e-5, "layer_norm d_x");
    check(d_residual, 2e-5 * steepest, 2e-5, "layer_norm d_residual");
    check(d_gain, 1e-5 * (double)(rows + 1), 1e-5, "layer_norm d_gain");
    check(d_bias, 1e-6 * (double)(rows + 1), 1e-6, "layer_norm d_bias");
}

static void test_layer_norm(void **state) {
    (void)state;
    EVERY_SIZE({
        (void)reference;
        for (int i = 0; n > 0 && i < 2 * RECEIVERS; i++) {
            run_layer_norm(kernels, 1 + draw(9), n, i % 2, i / 2, front);
            guarded_release();
        }
    })
}

/// What a row gives does not depend on how many rows there are, nor on where among them it stands.
static void test_layer_norm_rows(void **state) {
    (void)state;
    enum { ROWS = 11, N = 50 };
    EVERY_LEVEL(kernels, front, {
        pair x = pair_make(ROWS * N, 1, front), y = pair_make(ROWS * N, 1, front);
        pair gain = pair_make(N, 1, front), bias = pair_make(N, 1, front);
        pair kept = pair_make(2 * ROWS, 1, front), one = pair_make(N, 1, front);
        struct lode_layer_norm_rows_f32 a = {.rows = ROWS,
                                             .n = N,
                                             .x = x.f32,
                                             .gain = gain.f32,
                                             .bias = bias.f32,
                                             .epsilon = 1e-5f,
                                             .y = y.f32,
                                             .statistics = kept.f32};
        kernels->layer_norm(&a);
        for (size_t row = 0; row < ROWS; row++) {
            a.rows = 1;
            a.x = x.f32 + row * N;
            a.y = one.f32;
            kernels->layer_norm(&a);
            assert_memory_equal(one.f32, y.f32 + row * N, N * sizeof(float));
        }
    })
}

/// The double reference is right: its gradient is that of its own forward pass.
static void test_layer_norm_differences(void **state) {
    (void)state;
    enum { N = 7 };
    const struct lode_kernels_f64 *reference = lode__kernels_f64();
    double x[N], gain[N], bias[N], weight[N], y[N], ds[N], d_gain[N] = {0}, d_bias[N] = {0};
    double kept[2];
    for (int i = 0; i < N; i++) {
        x[i] = draw_real();
        gain[i] = draw_real();
        bias[i] = draw_real();
        weight[i] = draw_real();
    }
    struct lode_layer_norm_rows_f64 args = {.rows = 1,
                                            .n = N,
                                            .x = x,
                                            .gain = gain,
                                            .bias = bias,
                                            .epsilon = 1e-5,
                                            .y = y,
                                            .statistics = kept,
                                            .dy = weight,
                                            .d_x = ds,
                                            .d_gain = d_gain,
                                            .d_bias = d_bias};
    reference->layer_norm(&args);
    reference->layer_norm_backward(&args);
    double *const inputs[] = {x, gain, bias};
    const double *const gradients[] = {ds, d_gain, d_bias};
    for (int which = 0; which < 3; which++) {
        for (int i = 0; i < N; i++) {
            double side[2];
            const double before = inputs[which][i];
            for (int s = 0; s < 2; s++) {
                inputs[which][i] = before + (s == 0 ? -1e-5 : 1e-5);
                reference->layer_norm(&args);
                side[s] = reference->dot(N, weight, y);
            }
            inputs[which][i] = before;
            const double slope = (side[1] - side[0]) / 2e-5;
            if (!(fabs(slope - gradients[which][i]) <= 1e-7 * (1 + fabs(slope)))) {
                fail_msg("input %d [%d]: %g, by differences %g", which, i, gradients[which][i],
                         slope);
            }
        }
    }
}

static void test_gather_sum(void **state) {
    (void)state;
    static const size_t counts[] = {0, 1, 2, 7, 9, 20, 50};
    EVERY_SIZE({
        if (n > 200) continue;
        for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
            const size_t count = counts[c], rows = 5;
            pair table = pair_make(rows * n, 1, front);
            pair out = pair_make(n, 1, front);
            int32_t *ids = guarded(count * sizeof *ids, front);
            for (size_t i = 0; i < count; i++) {
                ids[i] = (int32_t)draw((uint32_t)rows);
            }
            kernels->gather_sum(n, count, ids, table.f32, 0.7f, out.f32);
            reference->gather_sum(n, count, ids, table.f64, (double)0.7f, out.f64);
            check(out, 2e-5, 1e-6, "gather_sum");
        }
    })
}

static void test_adam(void **state) {
    (void)state;
    EVERY_SIZE({
        pair value = pair_make(n, 1, front), first = pair_make(n, 0.1, front);
        pair second = pair_make(n, 0.1, front), gradient = pair_make(n, 1, front);
        for (size_t i = 0; i < n; i++) {
            pair_set(&second, i, fabsf(second.f32[i]));
            if (i % 5 == 0) pair_set(&second, i, 0);
            if (i % 10 == 0) pair_set(&gradient, i, 0);
        }
        const struct lode_adam_f32 a = {0.01f, 0.9f, 0.999f, 1e-8f, 0.19f, 0.002f, 0.01f};
        const struct lode_adam_f64 b = {
            (double)a.rate,        (double)a.beta1,       (double)a.beta2, (double)a.epsilon,
            (double)a.correction1, (double)a.correction2, (double)a.decay,
        };
        kernels->adam(n, &a, value.f32, first.f32, second.f32, gradient.f32);
        reference->adam(n, &b, value.f64, first.f64, second.f64, gradient.f64);
        check(first, 1e-7, 1e-6, "adam first moment");
        check(second, 1e-9, 1e-4, "adam second moment");
        check(value, 1e-6, 1e-5, "adam value");
    })
}

/// One step by hand: with both moments 0 the first step is rate * sign(gradient).
static void test_adam_first_step(void **state) {
    (void)state;
    EVERY_LEVEL(kernels, front, {
        pair p = pair_make(4, 0, front);
        float gradient[3] = {0.5f, -2, 0};
        const struct lode_adam_f32 a = {0.1f, 0.9f, 0.999f, 1e-8f, 0.1f, 0.001f, 0};
        float second[3] = {0};
        kernels->adam(3, &a, p.f32, (float[3]){0}, second, gradient);
        assert_true(fabsf(p.f32[0] + 0.1f) < 1e-6f);
        assert_true(fabsf(p.f32[1] - 0.1f) < 1e-6f);
        assert_true(p.f32[2] == 0.0f && p.f32[3] == 0.0f);
    })
}

static void test_above(void **state) {
    (void)state;
    static const float thresholds[] = {-2, -0.5f, 0, 0.9f, 2, NAN, -INFINITY};
    EVERY_SIZE({
        for (size_t t = 0; t < sizeof thresholds / sizeof *thresholds; t++) {
            pair x = pair_make(n, 1, front);
            for (size_t i = 3; i < n; i += 11) {
                pair_set(&x, i, i % 2 ? NAN : thresholds[t]); // neither is above
            }
            uint32_t *index = guarded(n * sizeof *index, front);
            uint32_t *want = guarded(n * sizeof *want, front);
            const size_t count = kernels->above(n, x.f32, thresholds[t], index);
            assert_int_equal(count, reference->above(n, x.f64, (double)thresholds[t], want));
            assert_memory_equal(index, want, count * sizeof *index);
        }
    })
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_elementwise),
        cmocka_unit_test(test_reductions),
        cmocka_unit_test(test_max_values),
        cmocka_unit_test(test_exp_accuracy),
        cmocka_unit_test(test_exp_ends),
        cmocka_unit_test(test_activation_backward),
        cmocka_unit_test(test_gelu),
        cmocka_unit_test(test_column_sum),
        cmocka_unit_test(test_layer_norm),
        cmocka_unit_test(test_layer_norm_rows),
        cmocka_unit_test(test_layer_norm_differences),
        cmocka_unit_test(test_gather_sum),
        cmocka_unit_test(test_adam),
        cmocka_unit_test(test_adam_first_step),
        cmocka_unit_test(test_above),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
