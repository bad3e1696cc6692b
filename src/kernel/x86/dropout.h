/// Dropout at the fast levels; what the functions do, kernel/dropout.h says.
#ifndef LODE_KERNEL_X86_DROPOUT_H
#define LODE_KERNEL_X86_DROPOUT_H

#include "kernel/dropout.h"

void lode__noise_avx2(size_t n, const lode_noise *noise, uint32_t *keep);
void lode__noise_avx512(size_t n, const lode_noise *noise, uint32_t *keep);
void lode__keep_f32_avx2(size_t n, const uint32_t *keep, float scale, const float *x, bool add,
                         float *y);
void lode__keep_f32_avx512(size_t n, const uint32_t *keep, float scale, const float *x, bool add,
                           float *y);
void lode__keep_b16_avx512(size_t n, const uint32_t *keep, float scale, const lode_bf16 *x,
                           bool add, lode_bf16 *y);

#endif
