/// The fast levels on x86-64. Elsewhere this floor consists of the reference alone.
#ifndef LODE_KERNEL_X86_H
#define LODE_KERNEL_X86_H

#include "kernel/dropout.h"

#if defined(__x86_64__) && defined(__GNUC__)
#define LODE_KERNEL_X86 1
extern const struct lode_kernels_f32 lode__kernels_avx2;
extern const struct lode_kernels_f32 lode__kernels_avx512;

// dropout.c
void lode__noise_avx2(size_t n, const lode_noise *noise, uint32_t *keep);
void lode__noise_avx512(size_t n, const lode_noise *noise, uint32_t *keep);
void lode__keep_f32_avx2(size_t n, const uint32_t *keep, float scale, const float *x, bool add,
                         float *y);
void lode__keep_f32_avx512(size_t n, const uint32_t *keep, float scale, const float *x, bool add,
                           float *y);
void lode__keep_b16_avx512(size_t n, const uint32_t *keep, float scale, const lode_bf16 *x,
                           bool add, lode_bf16 *y);
#else
#define LODE_KERNEL_X86 0
#endif

#endif
