/// Reference layer norm of one row.
///
/// With z = (s - mean) * inverse and g = dy * gain, the gradient at s is
/// inverse * (g - mean(g) - z * mean(g z)).
#include "kernel/ref/ref.h"

#include <tgmath.h>

static real sum_at(const stored *x, const stored *residual, size_t j) {
    return residual != NULL ? widen(x[j]) + widen(residual[j]) : widen(x[j]);
}

void LODE_REAL(lode__ref_layer_norm)(size_t n, const stored *x, const stored *residual,
                                     const real *gain, const real *bias, real epsilon, stored *y,
                                     real *statistics) {
    real sum = 0;
    for (size_t j = 0; j < n; j++) {
        sum += sum_at(x, residual, j);
    }
    const real mean = sum / (real)n;
    real squares = 0;
    for (size_t j = 0; j < n; j++) {
        const real off = sum_at(x, residual, j) - mean;
        squares += off * off;
    }
    const real inverse = 1 / sqrt(squares / (real)n + epsilon);
    for (size_t j = 0; j < n; j++) {
        y[j] = narrow((sum_at(x, residual, j) - mean) * inverse * gain[j] + bias[j]);
    }
    statistics[0] = mean;
    statistics[1] = inverse;
}

void LODE_REAL(lode__ref_layer_norm_backward)(size_t n, const stored *x, const stored *residual,
                                              const stored *dy, const real *gain,
                                              const real *statistics, stored *ds, real *d_gain,
                                              real *d_bias) {
    const real mean = statistics[0], inverse = statistics[1];
    real sum = 0, product = 0;
    for (size_t j = 0; j < n; j++) {
        const real z = (sum_at(x, residual, j) - mean) * inverse;
        const real d = widen(dy[j]);
        sum += d * gain[j];
        product += d * gain[j] * z;
        d_gain[j] += d * z;
        d_bias[j] += d;
    }
    for (size_t j = 0; j < n; j++) {
        const real z = (sum_at(x, residual, j) - mean) * inverse;
        const real d = widen(dy[j]);
        ds[j] = narrow(inverse * (d * gain[j] - sum / (real)n - z * (product / (real)n)));
    }
}
