/// What this machine can do at best, for benches: multiply-adds on registers, exp on an array in the level 1 cache.
#ifndef LODE_BENCH_PEAK_H
#define LODE_BENCH_PEAK_H

#include <string.h>
#include <time.h>

#include "kernel/kernel.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

static inline double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static inline int by_value(const void *x, const void *y) {
    const double a = *(const double *)x, b = *(const double *)y;
    return (a > b) - (a < b);
}

#if defined(__x86_64__)
enum { PEAK_ROUNDS = 100000, PEAK_CHAINS = 12 };
#define PEAK_EACH(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11)
// The empty assembly keeps the chains apart: equal ones would be merged.
#define PEAK_STEP_256(i)                                                                           \
    __asm__("" : "+x"(x##i));                                                                      \
    x##i = _mm256_fmadd_ps(x##i, y, z);
#define PEAK_STEP_512(i)                                                                           \
    __asm__("" : "+v"(x##i));                                                                      \
    x##i = _mm512_fmadd_ps(x##i, y, z);
#define PEAK_SUM_256(i) sum = _mm256_add_ps(sum, x##i);
#define PEAK_SUM_512(i) sum = _mm512_add_ps(sum, x##i);
#define PEAK(bits, features)                                                                       \
    __attribute__((target(features))) static void peak_##bits(float *out) {                        \
        const __m##bits y = _mm##bits##_set1_ps(0.999f), z = _mm##bits##_set1_ps(1e-3f);           \
        __m##bits x0 = z, x1 = z, x2 = z, x3 = z, x4 = z, x5 = z;                                  \
        __m##bits x6 = z, x7 = z, x8 = z, x9 = z, x10 = z, x11 = z, sum = z;                       \
        for (int round = 0; round < PEAK_ROUNDS; round++) {                                        \
            PEAK_EACH(PEAK_STEP_##bits)                                                            \
        }                                                                                          \
        PEAK_EACH(PEAK_SUM_##bits)                                                                 \
        _mm##bits##_storeu_ps(out, sum);                                                           \
    }
PEAK(256, "avx2,fma")
PEAK(512, "avx512f")
#endif

/// Multiply-adds on registers of one core, in operations a second (two each); NAN where it is not known.
static inline double peak_flops(const struct lode_kernels_f32 *kernels) {
    double best = (double)NAN;
#if defined(__x86_64__)
    const bool wide = strncmp(kernels->level, "avx512", 6) == 0 || strcmp(kernels->level, "amx") == 0;
    if (!wide && strcmp(kernels->level, "avx2") != 0) return best;
    float out[16];
    best = 0.0;
    for (int pass = 0; pass < 20; pass++) {
        const double start = now();
        (wide ? peak_512 : peak_256)(out);
        const double speed = 2.0 * (wide ? 16 : 8) * PEAK_CHAINS * PEAK_ROUNDS / (now() - start);
        best = speed > best ? speed : best;
    }
#else
    (void)kernels;
#endif
    return best;
}

/// exp of one core, in elements a second.
static inline double peak_exps(const struct lode_kernels_f32 *kernels) {
    static float x[2048];
    double best = 0.0;
    for (int pass = 0; pass < 20; pass++) {
        const double start = now();
        for (int i = 0; i < 500; i++)
            (void)kernels->exp_sum(2048, 1.0F, x);
        const double speed = 500.0 * 2048.0 / (now() - start);
        best = speed > best ? speed : best;
    }
    return best;
}

#endif
