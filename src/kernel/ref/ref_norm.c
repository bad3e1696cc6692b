/// Reference layer norm of one row.
///
/// With z = (s - mean) * inverse and g = dy * gain, the gradient at s is
/// inverse * (g - mean(g) - z * mean(g z)).
#include "kernel/ref/ref.h"

#include <tgmath.h>

void LODE_REAL(lode__ref_layer_norm)(size_t n, const real *x, const real *residual, const real *gain,
                                     const real *bias, real epsilon, real *y, real *statistics) {
    real sum = 0;
    for (size_t j = 0; j < n; j++) {
        y[j] = residual != NULL ? x[j] + residual[j] : x[j];
        sum += y[j];
    }
    const real mean = sum / (real)n;
    real squares = 0;
    for (size_t j = 0; j < n; j++) {
        squares += (y[j] - mean) * (y[j] - mean);
    }
    const real inverse = 1 / sqrt(squares / (real)n + epsilon);
    for (size_t j = 0; j < n; j++) {
        y[j] = (y[j] - mean) * inverse * gain[j] + bias[j];
    }
    statistics[0] = mean;
    statistics[1] = inverse;
}

void LODE_REAL(lode__ref_layer_norm_backward)(size_t n, const real *x, const real *residual,
                                              const real *dy, const real *gain,
                                              const real *statistics, real *ds, real *d_gain,
                                              real *d_bias) {
    const real mean = statistics[0], inverse = statistics[1];
    real sum = 0, product = 0;
    for (size_t j = 0; j < n; j++) {
        const real z = ((residual != NULL ? x[j] + residual[j] : x[j]) - mean) * inverse;
        sum += dy[j] * gain[j];
        product += dy[j] * gain[j] * z;
        d_gain[j] += dy[j] * z;
        d_bias[j] += dy[j];
    }
    for (size_t j = 0; j < n; j++) {
        const real z = ((residual != NULL ? x[j] + residual[j] : x[j]) - mean) * inverse;
        ds[j] = inverse * (dy[j] * gain[j] - sum / (real)n - z * (product / (real)n));
    }
}
