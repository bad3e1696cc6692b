/// Reference matrix product.
///
/// Packed B: panel q holds columns 8q .. 8q+7, all k rows of it one after the other, so element (p,
/// j) is at packed[(j / 8) * 8 * k + p * 8 + j % 8]; columns past n are zero.
#include "kernel/ref/ref.h"

#include <tgmath.h>

static size_t padded(size_t k) {
    return (k + LODE_REF_DEPTH - 1) / LODE_REF_DEPTH * LODE_REF_DEPTH;
}

void LODE_REAL(lode__ref_pack)(size_t k, size_t n, const real *b, size_t row, size_t column,
                               stored *packed) {
    for (size_t first = 0; first < n; first += LODE_REF_PANEL) {
        for (size_t p = 0; p < padded(k); p++) {
            for (size_t j = first; j < first + LODE_REF_PANEL; j++) {
                *packed++ = narrow(p < k && j < n ? b[p * row + j * column] : 0);
            }
        }
    }
}

void LODE_REAL(lode__ref_pack_stored)(size_t k, size_t n, const stored *b, size_t row,
                                      size_t column, stored *packed) {
    for (size_t first = 0; first < n; first += LODE_REF_PANEL) {
        for (size_t p = 0; p < padded(k); p++) {
            for (size_t j = first; j < first + LODE_REF_PANEL; j++) {
                *packed++ = p < k && j < n ? b[p * row + j * column] : 0;
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
    case LODE_GELU: // has kernels of its own
    case LODE_LINEAR:
        break;
    }
    return x;
}

void LODE_REAL(lode__ref_gemm)(const lode_gemm *args) {
    for (size_t i = 0; i < args->m; i++) {
        for (size_t j = 0; j < args->n; j++) {
            const stored *a = args->a + i * args->a_row;
            const stored *b = args->b + j;
            size_t b_row = args->b_row;
            if (args->b_packed) {
                b = args->b + j / LODE_REF_PANEL * LODE_REF_PANEL * padded(args->k) +
                    j % LODE_REF_PANEL;
                b_row = LODE_REF_PANEL;
            }
            const size_t at = i * args->c_row + j;
            real sum = 0;
            if (args->accumulate) sum = args->wide != NULL ? args->wide[at] : widen(args->c[at]);
            for (size_t p = 0; p < args->k; p++) {
                sum += widen(a[p * args->a_column]) * widen(b[p * b_row]);
            }
            sum = activate(args->activation, args->bias != NULL ? sum + args->bias[j] : sum);
            if (args->wide != NULL) {
                args->wide[at] = sum;
            } else {
                args->c[at] = narrow(sum);
            }
        }
    }
}
