/// The fast levels on x86-64. Elsewhere this floor consists of the reference alone.
#ifndef LODE_KERNEL_X86_H
#define LODE_KERNEL_X86_H

#include "kernel/kernel.h"

#if defined(__x86_64__) && defined(__GNUC__)
#define LODE_KERNEL_X86 1
extern const struct lode_kernels_f32 lode__kernels_avx2;
extern const struct lode_kernels_f32 lode__kernels_avx512;

/// Put what a level does faster into a table of the level below.
void lode__override_avx512bf16(struct lode_kernels_b16 *table);
void lode__override_amx(struct lode_kernels_b16 *table);
#else
#define LODE_KERNEL_X86 0
#endif

#endif
