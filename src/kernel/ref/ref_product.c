/// Reference matrix product.
///
/// Packed B: panel q holds columns 8q .. 8q+7, all k rows of it one after the other, so element (p,
/// j) is at packed[(j / 8) * 8 * k + p * 8 + j % 8]; columns past n are zero.
#include "kernel/ref/ref.h"

#include <tgmath.h>

void LODE_REAL(lode__ref_pack)(size_t k, size_t n, const real *b, size_t row, size_t column,
                               real *packed) {
    for (size_t first = 0; first < n; first += LODE_REF_PANEL) {
        for (size_t p = 0; p < k; p++) {
            for (size_t j = first; j < first + LODE_REF_PANEL; j++) {
                *packed++ = j < n ? b[p * row + j * column] : 0;
            }
        }
    }
}

static real activate(lode_activation activation, real x) {
    switch (activation) {
    case LODE_RELU:
        return x < 0 ? 0 : x; // NaN stays NaN
    case LODE_TANH:
        return tanh(x);
    case LODE_LINEAR:
        break;
    }
    return x;
}

void LODE_REAL(lode__ref_gemm)(const lode_gemm *args) {
    for (size_t i = 0; i < args->m; i++) {
        for (size_t j = 0; j < args->n; j++) {
            const real *a = args->a + i * args->a_row;
            const real *b = args->b + j;
            size_t b_row = args->b_row;
            if (args->b_packed) {
                b = args->b + j / LODE_REF_PANEL * LODE_REF_PANEL * args->k + j % LODE_REF_PANEL;
                b_row = LODE_REF_PANEL;
            }
            real *c = &args->c[i * args->c_row + j];
            real sum = args->accumulate ? *c : 0;
            for (size_t p = 0; p < args->k; p++) {
                sum += a[p * args->a_column] * b[p * b_row];
            }
            *c = activate(args->activation, args->bias != NULL ? sum + args->bias[j] : sum);
        }
    }
}
