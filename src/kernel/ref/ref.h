/// The reference kernels, spread over a few files that are each compiled three times (see kernel/real.h).
///
/// They say what every kernel means: plain loops in the order of the contract, no tricks. The
/// double table consists of nothing else; the others fall back to them level by level.
#ifndef LODE_KERNEL_REF_H
#define LODE_KERNEL_REF_H

#include "kernel/real.h"

void LODE_REAL(lode__ref_pack)(size_t k, size_t n, const real *b, size_t row, size_t column,
                               stored *packed);
void LODE_REAL(lode__ref_pack_stored)(size_t k, size_t n, const stored *b, size_t row,
                                      size_t column, stored *packed);
void LODE_REAL(lode__ref_gemm)(const lode_gemm *args);

void LODE_REAL(lode__ref_layer_norm)(const lode_layer_norm_rows *args);
void LODE_REAL(lode__ref_layer_norm_backward)(const lode_layer_norm_rows *args);

void LODE_REAL(lode__ref_attention)(const lode_attention *args);
void LODE_REAL(lode__ref_attention_backward)(const lode_attention *args);

void LODE_REAL(lode__ref_contrast_softmax)(const lode_contrast_tile *args);
void LODE_REAL(lode__ref_contrast_exp)(const lode_contrast_tile *args);
void LODE_REAL(lode__ref_contrast_logistic)(const lode_contrast_tile *args);
void LODE_REAL(lode__ref_gather_dot)(size_t rows, size_t width, size_t n, const stored *x,
                                     const int32_t *ids, const stored *table, real *out);
void LODE_REAL(lode__ref_weighted_sum)(const lode_weighted_sum *args);

extern const lode_kernels LODE_REAL(lode__kernels_ref);

/// Columns of a packed panel of the reference, and what its k is rounded up to.
#define LODE_REF_PANEL 8
#define LODE_REF_DEPTH (LODE_REAL_BITS == 16 ? 2 : 1)

#endif
