/// The reference table, and the kernels that are one loop over a vector.
#include "kernel/ref/ref.h"

#include <string.h>
#include <tgmath.h>

static void widen_all(size_t n, const stored *x, real *y) {
    for (size_t i = 0; i < n; i++) {
        y[i] = widen(x[i]);
    }
}

static void narrow_all(size_t n, const real *x, stored *y) {
    for (size_t i = 0; i < n; i++) {
        y[i] = narrow(x[i]);
    }
}

static void add(size_t n, const stored *x, stored *y) {
    for (size_t i = 0; i < n; i++) {
        y[i] = narrow(widen(y[i]) + widen(x[i]));
    }
}

static void add_wide(size_t n, const real *x, real *y) {
    for (size_t i = 0; i < n; i++) {
        y[i] += x[i];
    }
}

static void scaled_sum(size_t n, real scale, const stored *x, const stored *z, stored *y) {
    for (size_t i = 0; i < n; i++) {
        const real value = scale * widen(x[i]);
        y[i] = narrow(z != NULL ? value + widen(z[i]) : value);
    }
}

static void scale_add(size_t n, real scale, const stored *x, real *y) {
    for (size_t i = 0; i < n; i++) {
        y[i] += scale * widen(x[i]);
    }
}

static void multiply(size_t n, real scale, real *x) {
    for (size_t i = 0; i < n; i++) {
        x[i] *= scale;
    }
}

static real dot(size_t n, const stored *x, const stored *y) {
    real sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += widen(x[i]) * widen(y[i]);
    }
    return sum;
}

static real maximum(size_t n, const real *x) {
    real top = (real)-INFINITY;
    for (size_t i = 0; i < n; i++) {
        if (isnan(x[i])) return x[i];
        top = x[i] > top ? x[i] : top;
    }
    return top;
}

static real exp_sum(size_t n, real shift, real *x) {
    real sum = 0;
    for (size_t i = 0; i < n; i++) {
        x[i] = exp(x[i] - shift);
        sum += x[i];
    }
    return sum;
}

static void activation_backward(size_t n, lode_activation activation, const stored *y, stored *d) {
    for (size_t i = 0; i < n; i++) {
        if (activation == LODE_RELU) {
            d[i] = widen(y[i]) <= 0 ? 0 : d[i];
        } else if (activation == LODE_TANH) {
            d[i] = narrow(widen(d[i]) * (1 - widen(y[i]) * widen(y[i])));
        }
    }
}

/// t of gelu for an x within -10 .. 10.
static real gelu_inner(real x) {
    return (real)0.79788456080286535588 * (x + (real)0.044715 * x * x * x);
}

static real within_ten(real x) {
    return x < -10 ? -10 : x > 10 ? 10 : x; // NaN stays NaN
}

static void gelu(size_t n, const stored *x, stored *y) {
    for (size_t i = 0; i < n; i++) {
        const real t = gelu_inner(within_ten(widen(x[i])));
        y[i] = narrow(widen(x[i]) / (1 + exp(-2 * t)));
    }
}

static void gelu_backward(size_t n, const stored *x, stored *d) {
    for (size_t i = 0; i < n; i++) {
        const real c = within_ten(widen(x[i])), share = 1 / (1 + exp(-2 * gelu_inner(c)));
        const real rise = (real)0.79788456080286535588 * (1 + 3 * (real)0.044715 * c * c);
        d[i] = narrow(widen(d[i]) * (share + 2 * c * share * (1 - share) * rise));
    }
}

static void column_sum(size_t rows, size_t n, const stored *x, size_t row, real *out) {
    for (size_t j = 0; j < n; j++) {
        real sum = 0;
        for (size_t i = 0; i < rows; i++) {
            sum += widen(x[i * row + j]);
        }
        out[j] += sum;
    }
}

static void gather_sum(size_t n, size_t count, const int32_t *ids, const real *table, real scale,
                       stored *out) {
    for (size_t j = 0; j < n; j++) {
        real sum = 0;
        for (size_t i = 0; i < count; i++) {
            sum += table[(size_t)ids[i] * n + j];
        }
        out[j] = narrow(scale * sum);
    }
}

static void adam(size_t n, const lode_adam *args, real *value, real *first, real *second,
                 const real *gradient) {
    for (size_t i = 0; i < n; i++) {
        const real g = gradient[i] + args->decay * value[i];
        first[i] = args->beta1 * first[i] + (1 - args->beta1) * g;
        second[i] = args->beta2 * second[i] + (1 - args->beta2) * g * g;
        const real deviation = sqrt(second[i]) / sqrt(args->correction2) + args->epsilon;
        value[i] -= args->rate / args->correction1 * first[i] / deviation;
    }
}

static size_t above(size_t n, const real *x, real threshold, uint32_t *index) {
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        if (x[i] > threshold) index[count++] = (uint32_t)i;
    }
    return count;
}

const lode_kernels LODE_REAL(lode__kernels_ref) = {
    .level = "scalar",
    .panel = LODE_REF_PANEL,
    .depth = LODE_REF_DEPTH,
    .pack = LODE_REAL(lode__ref_pack),
    .pack_stored = LODE_REAL(lode__ref_pack_stored),
    .gemm = LODE_REAL(lode__ref_gemm),
    .widen = widen_all,
    .narrow = narrow_all,
    .add = add,
    .add_wide = add_wide,
    .scale_add = scale_add,
    .scale = multiply,
    .dot = dot,
    .max = maximum,
    .exp_sum = exp_sum,
    .activation_backward = activation_backward,
    .gelu = gelu,
    .gelu_backward = gelu_backward,
    .column_sum = column_sum,
    .scaled_sum = scaled_sum,
    .layer_norm = LODE_REAL(lode__ref_layer_norm),
    .layer_norm_backward = LODE_REAL(lode__ref_layer_norm_backward),
    .gather_sum = gather_sum,
    .attention = LODE_REAL(lode__ref_attention),
    .attention_backward = LODE_REAL(lode__ref_attention_backward),
    .contrast_softmax = LODE_REAL(lode__ref_contrast_softmax),
    .contrast_exp = LODE_REAL(lode__ref_contrast_exp),
    .contrast_logistic = LODE_REAL(lode__ref_contrast_logistic),
    .gather_dot = LODE_REAL(lode__ref_gather_dot),
    .weighted_sum = LODE_REAL(lode__ref_weighted_sum),
    .adam = adam,
    .above = above,
};
