/// The number type of a file that is compiled twice: once in float, once in double.
///
/// The Makefile compiles reference kernels and ops with LODE_REAL_BITS=32 and 64. In such a file everything
/// is static but the names that are wrapped in LODE_REAL(), which become name_f32 and name_f64.
#ifndef LODE_KERNEL_REAL_H
#define LODE_KERNEL_REAL_H

#include "kernel/kernel.h"

#if !defined(LODE_REAL_BITS)
#error "this file is compiled twice, with LODE_REAL_BITS=32 and =64: see TWICE in the Makefile"
#elif LODE_REAL_BITS == 32
typedef float real;
typedef struct lode_kernels_f32 lode_kernels;
typedef struct lode_gemm_f32 lode_gemm;
typedef struct lode_attention_f32 lode_attention;
typedef struct lode_adam_f32 lode_adam;
#define LODE_REAL(name) name##_f32
#define LODE_FIRST_PASS 1
#else
typedef double real;
typedef struct lode_kernels_f64 lode_kernels;
typedef struct lode_gemm_f64 lode_gemm;
typedef struct lode_attention_f64 lode_attention;
typedef struct lode_adam_f64 lode_adam;
#define LODE_REAL(name) name##_f64
#define LODE_FIRST_PASS 0
#endif

#endif
