/// Reference layer norm, row by row.
#include "kernel/ref/ref.h"

#include <tgmath.h>

/// x + residual, element j of row `row`.
static real sum_at(const lode_layer_norm_rows *args, size_t row, size_t j) {
    const size_t at = row * args->n + j;
    const real x = widen(args->x[at]);
    return args->residual != NULL ? x + widen(args->residual[at]) : x;
}

static void norm_row(const lode_layer_norm_rows *args, size_t row) {
    const size_t n = args->n;
    real sum = 0;
    for (size_t j = 0; j < n; j++) {
        sum += sum_at(args, row, j);
    }
    const real mean = sum / (real)n;
    real squares = 0;
    for (size_t j = 0; j < n; j++) {
        const real off = sum_at(args, row, j) - mean;
        squares += off * off;
    }
    const real inverse = 1 / sqrt(squares / (real)n + args->epsilon);
    for (size_t j = 0; j < n; j++) {
        const real z = (sum_at(args, row, j) - mean) * inverse;
        args->y[row * n + j] = narrow(z * args->gain[j] + args->bias[j]);
    }
    args->statistics[2 * row] = mean;
    args->statistics[2 * row + 1] = inverse;
}

void LODE_REAL(lode__ref_layer_norm)(const lode_layer_norm_rows *args) {
    for (size_t row = 0; row < args->rows; row++) {
        norm_row(args, row);
    }
}

static void receive(stored *to, bool add, size_t at, real ds) {
    if (to != NULL) to[at] = narrow(add ? widen(to[at]) + ds : ds);
}

static void norm_row_backward(const lode_layer_norm_rows *args, size_t row) {
    const size_t n = args->n;
    const real mean = args->statistics[2 * row], inverse = args->statistics[2 * row + 1];
    real sum = 0, product = 0;
    for (size_t j = 0; j < n; j++) {
        const real z = (sum_at(args, row, j) - mean) * inverse;
        const real d = widen(args->dy[row * n + j]);
        sum += d * args->gain[j];
        product += d * args->gain[j] * z;
        args->d_gain[j] += d * z;
        args->d_bias[j] += d;
    }
    for (size_t j = 0; j < n; j++) {
        const real z = (sum_at(args, row, j) - mean) * inverse;
        const real d = widen(args->dy[row * n + j]);
        const real ds = inverse * (d * args->gain[j] - sum / (real)n - z * (product / (real)n));
        receive(args->d_x, args->add_x, row * n + j, ds);
        receive(args->d_residual, args->add_residual, row * n + j, ds);
    }
}

void LODE_REAL(lode__ref_layer_norm_backward)(const lode_layer_norm_rows *args) {
    for (size_t row = 0; row < args->rows; row++) {
        norm_row_backward(args, row);
    }
}
