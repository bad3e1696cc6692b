/// Kernels: arithmetic on arrays behind one table, chosen once at run time.
///
/// `table.inc` lists the entries with their numeric contracts and is read twice, for float and for double.
/// The double table is always the plain-C reference. The float table starts as the plain-C reference and is
/// overridden level by level as far as CPU, operating system and LODE_CPU (scalar | avx2 | avx512) allow.
/// Kernels are pure functions on arrays: no allocation, no threads, no state.
///
/// Determinism. An element of a matrix product is one chain of multiply-adds over k in increasing order,
/// however the caller cuts rows and columns into tiles; reductions have a fixed shape at each level.
#ifndef LODE_KERNEL_KERNEL_H
#define LODE_KERNEL_KERNEL_H

#include "base/error.h"

typedef enum lode_activation { LODE_LINEAR, LODE_RELU, LODE_TANH } lode_activation;

/// Elements of scratch memory that a matrix product may use (lode_gemm.scratch).
#define LODE_GEMM_SCRATCH (64 * 1024)

/// Elements of scratch memory that attention may use (lode_attention.scratch).
#define LODE_ATTENTION_SCRATCH(length, width) (2 * 32 * ((length) + (width)))

#define LODE_T            float
#define LODE_T_NAME(name) name##_f32
#include "kernel/table.inc"
#undef LODE_T
#undef LODE_T_NAME

#define LODE_T            double
#define LODE_T_NAME(name) name##_f64
#include "kernel/table.inc"
#undef LODE_T
#undef LODE_T_NAME

typedef enum lode_level {
    LODE_LEVEL_SCALAR,
    LODE_LEVEL_AVX2,
    LODE_LEVEL_AVX512,
    LODE_LEVELS
} lode_level;

/// The float table in use. The first call probes CPU and operating system (pthread_once) and reads LODE_CPU;
/// an unknown LODE_CPU is treated as "scalar".
const struct lode_kernels_f32 *lode__kernels_f32(void);
const struct lode_kernels_f64 *lode__kernels_f64(void);

/// The float table of a level for tests and bench, or NULL when this machine cannot run it (LODE_CPU is not asked).
const struct lode_kernels_f32 *lode__kernels_at(lode_level level);
const char *lode__level_name(lode_level level);

#endif
