/// Kernels: arithmetic on arrays behind one table, chosen once at run time.
///
/// `table.inc` lists the entries with their numeric contracts and is read three times: for float, for double, and for
/// float arithmetic on arrays of bfloat16 (b16). The double table is always the plain-C reference. The float and the
/// b16 table start as the plain-C reference and are overridden level by level as far as CPU, operating system and
/// LODE_CPU (scalar | avx2 | avx512 | avx512bf16 | amx) allow; the last two differ from avx512 in the b16 table
/// alone. Kernels are pure functions on arrays: no allocation, no threads, no state.
///
/// Determinism. An element of a matrix product is one chain of multiply-adds over k in increasing order,
/// however the caller cuts rows and columns into tiles; reductions have a fixed shape at each level.
#ifndef LODE_KERNEL_KERNEL_H
#define LODE_KERNEL_KERNEL_H

#include <string.h>

#include "base/error.h"

/// Products apply those up to LODE_TANH; GELU has kernels of its own, as its slope is no function of its output.
typedef enum lode_activation { LODE_LINEAR, LODE_RELU, LODE_TANH, LODE_GELU } lode_activation;

/// Elements of scratch memory that a matrix product may use (lode_gemm.scratch).
#define LODE_GEMM_SCRATCH (64 * 1024)

/// Elements of scratch memory that attention may use (lode_attention.scratch).
#define LODE_ATTENTION_SCRATCH(length, width)                                                      \
    (2 * (length) * (length) + 64 * ((length) + (width)) + 8 * (length) * (width))

/// Bits of dropped attention weights (lode_attention.keep), a word for 32 queries: block b of a head holds the word of
/// each key that one of queries 32 b .. 32 b + 31 sees, from word lode__keep_block(b) on.
static inline size_t lode__keep_block(size_t length, bool causal, size_t block) {
    return causal ? 16 * block * (block + 1) : block * length;
}

/// Words of a head.
static inline size_t lode__keep_words(size_t length, bool causal) {
    return length == 0 ? 0 : lode__keep_block(length, causal, (length - 1) / 32) + length;
}

/// bfloat16: the upper half of a float.
typedef uint16_t lode_bf16;

static inline float lode__bf16_widen(lode_bf16 x) {
    const uint32_t bits = (uint32_t)x << 16;
    float wide;
    memcpy(&wide, &bits, sizeof wide);
    return wide;
}

/// To nearest, ties to even; too large becomes infinity, NaN stays NaN.
static inline lode_bf16 lode__bf16_narrow(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    if ((bits & 0x7fffffff) > 0x7f800000) return (lode_bf16)(bits >> 16 | 0x40);
    return (lode_bf16)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

#define LODE_T            float
#define LODE_S            float
#define LODE_T_NAME(name) name##_f32
#include "kernel/table.inc"
#undef LODE_T
#undef LODE_S
#undef LODE_T_NAME

#define LODE_T            double
#define LODE_S            double
#define LODE_T_NAME(name) name##_f64
#include "kernel/table.inc"
#undef LODE_T
#undef LODE_S
#undef LODE_T_NAME

#define LODE_T            float
#define LODE_S            lode_bf16
#define LODE_T_NAME(name) name##_b16
#include "kernel/table.inc"
#undef LODE_T
#undef LODE_S
#undef LODE_T_NAME

typedef enum lode_level {
    LODE_LEVEL_SCALAR,
    LODE_LEVEL_AVX2,
    LODE_LEVEL_AVX512,
    LODE_LEVEL_AVX512BF16, ///< AVX512_BF16 and VNNI
    LODE_LEVEL_AMX,        ///< AMX-BF16 besides
    LODE_LEVELS
} lode_level;

/// The tables in use. The first call probes CPU and operating system (pthread_once) and reads LODE_CPU; an
/// unknown LODE_CPU is treated as "scalar".
const struct lode_kernels_f32 *lode__kernels_f32(void);
const struct lode_kernels_f64 *lode__kernels_f64(void);
const struct lode_kernels_b16 *lode__kernels_b16(void);

/// The level in use.
lode_level lode__level(void);

/// The tables of a level for tests and bench, or NULL when this machine cannot run it (LODE_CPU is not asked).
const struct lode_kernels_f32 *lode__kernels_at(lode_level level);
const struct lode_kernels_b16 *lode__kernels_b16_at(lode_level level);
const char *lode__level_name(lode_level level);

#endif
