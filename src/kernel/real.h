/// The number types of a file that is compiled three times: in float, in double, and in float on arrays of bfloat16.
///
/// The Makefile compiles reference kernels and ops with LODE_REAL_BITS=32, 64 and 16. `real` is what is computed in,
/// `stored` what activations and their gradients are kept in; they differ in the third pass only, and widen() and
/// narrow() go from one to the other. In such a file everything is static but the names that are wrapped in
/// LODE_REAL(), which become name_f32, name_f64 and name_b16.
#ifndef LODE_KERNEL_REAL_H
#define LODE_KERNEL_REAL_H

#include "kernel/kernel.h"

#if !defined(LODE_REAL_BITS)
#error "this file is compiled with LODE_REAL_BITS=32, =64 and =16: see THRICE in the Makefile"
#elif LODE_REAL_BITS == 32
typedef float real, stored;
typedef struct lode_kernels_f32 lode_kernels;
typedef struct lode_gemm_f32 lode_gemm;
typedef struct lode_attention_f32 lode_attention;
typedef struct lode_layer_norm_rows_f32 lode_layer_norm_rows;
typedef struct lode_adam_f32 lode_adam;
typedef struct lode_contrast_tile_f32 lode_contrast_tile;
typedef struct lode_weighted_sum_f32 lode_weighted_sum;
#define LODE_REAL(name) name##_f32
#define LODE_FIRST_PASS 1
#elif LODE_REAL_BITS == 64
typedef double real, stored;
typedef struct lode_kernels_f64 lode_kernels;
typedef struct lode_gemm_f64 lode_gemm;
typedef struct lode_attention_f64 lode_attention;
typedef struct lode_layer_norm_rows_f64 lode_layer_norm_rows;
typedef struct lode_adam_f64 lode_adam;
typedef struct lode_contrast_tile_f64 lode_contrast_tile;
typedef struct lode_weighted_sum_f64 lode_weighted_sum;
#define LODE_REAL(name) name##_f64
#define LODE_FIRST_PASS 0
#else
typedef float real;
typedef lode_bf16 stored;
typedef struct lode_kernels_b16 lode_kernels;
typedef struct lode_gemm_b16 lode_gemm;
typedef struct lode_attention_b16 lode_attention;
typedef struct lode_layer_norm_rows_b16 lode_layer_norm_rows;
typedef struct lode_adam_b16 lode_adam;
typedef struct lode_contrast_tile_b16 lode_contrast_tile;
typedef struct lode_weighted_sum_b16 lode_weighted_sum;
#define LODE_REAL(name) name##_b16
#define LODE_FIRST_PASS 0
#endif

static inline real widen(stored x) {
#if LODE_REAL_BITS == 16
    return lode__bf16_widen(x);
#else
    return x;
#endif
}

static inline stored narrow(real x) {
#if LODE_REAL_BITS == 16
    return lode__bf16_narrow(x);
#else
    return x;
#endif
}

#endif
