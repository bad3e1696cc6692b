/// What the measuring programs share: arrays, timing in turns, and the peak of multiply-adds on registers.
#ifndef LODE_BENCH_MEASURE_H
#define LODE_BENCH_MEASURE_H

#include "base/clock.h"
#include "kernel/kernel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

enum { PASSES = 5 };

static inline int by_value(const void *x, const void *y) {
    const double a = *(const double *)x, b = *(const double *)y;
    return (a > b) - (a < b);
}

static inline double median(double *values, size_t count) {
    qsort(values, count, sizeof *values, by_value);
    return values[count / 2];
}

/// Calls of `call` that fill about `seconds`.
static inline size_t repeats_for(void (*call)(void *), void *argument, double seconds) {
    const double start = lode__clock();
    call(argument);
    const double once = lode__clock() - start;
    return once > seconds ? 1 : (size_t)(seconds / (once + 1e-9)) + 1;
}

/// Seconds of one call, the mean of `repeats`.
static inline double time_calls(void (*call)(void *), void *argument, size_t repeats) {
    const double start = lode__clock();
    for (size_t i = 0; i < repeats; i++) {
        call(argument);
    }
    return (lode__clock() - start) / (double)repeats;
}

typedef struct timing {
    double best, median;
} timing;

/// Seconds of one call, from PASSES passes of about 50 ms each.
static inline timing measure_all(void (*call)(void *), void *argument) {
    double passes[PASSES];
    const size_t repeats = repeats_for(call, argument, 0.05);
    for (size_t pass = 0; pass < PASSES; pass++) {
        passes[pass] = time_calls(call, argument, repeats);
    }
    const double middle = median(passes, PASSES);
    return (timing){passes[0], middle};
}

static inline double measure(void (*call)(void *), void *argument) {
    return measure_all(call, argument).median;
}

static inline void *bytes_or_exit(size_t bytes) {
    void *x = aligned_alloc(64, (bytes + 127) / 64 * 64);
    if (x == NULL) {
        fprintf(stderr, "bench: no memory for %zu bytes\n", bytes);
        exit(1);
    }
    return x;
}

static inline float *array(size_t n, float scale) {
    float *x = bytes_or_exit(n * sizeof *x);
    uint32_t state = 1;
    for (size_t i = 0; i < n; i++) {
        state = state * 1664525 + 1013904223;
        x[i] = scale * ((float)(state >> 8) * 0x1p-23f - 1);
    }
    return x;
}

// ------------------------------------------------------------------------------------------------
// The peak
// ------------------------------------------------------------------------------------------------

enum { PEAK_ROUNDS = 20000, PEAK_REPEATS = 4, PEAK_CHAINS = 12 };

typedef struct peak {
    float out[16];
} peak;

#if defined(__x86_64__)
#define PEAK_EACH(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11)
#define PEAK(name, features, vec, bits, kind, store)                                               \
    __attribute__((target(features))) static void name(void *argument) {                           \
        const vec y = _mm##bits##_set1_ps(0.999f), z = _mm##bits##_set1_ps(1e-3f);                 \
        vec x0 = z, x1 = z, x2 = z, x3 = z, x4 = z, x5 = z;                                        \
        vec x6 = z, x7 = z, x8 = z, x9 = z, x10 = z, x11 = z, sum = z;                             \
        for (int round = 0; round < PEAK_ROUNDS; round++) {                                        \
            PEAK_EACH(PEAK_STEP_##kind)                                                            \
            PEAK_EACH(PEAK_STEP_##kind) PEAK_EACH(PEAK_STEP_##kind) PEAK_EACH(PEAK_STEP_##kind)    \
        }                                                                                          \
        PEAK_EACH(PEAK_SUM_##bits)                                                                 \
        store(((peak *)argument)->out, sum);                                                       \
    }
// The empty assembly keeps the chains apart: equal ones would be merged.
#define PEAK_STEP_256(i)                                                                           \
    __asm__("" : "+x"(x##i));                                                                      \
    x##i = _mm256_fmadd_ps(x##i, y, z);
#define PEAK_SUM_256(i) sum = _mm256_fmadd_ps(sum, y, x##i);
#define PEAK_STEP_512(i)                                                                           \
    __asm__("" : "+v"(x##i));                                                                      \
    x##i = _mm512_fmadd_ps(x##i, y, z);
#define PEAK_STEP_b16(i)                                                                           \
    __asm__("" : "+v"(x##i));                                                                      \
    x##i = _mm512_dpbf16_ps(x##i, (__m512bh)y, (__m512bh)z);
#define PEAK_SUM_512(i) sum = _mm512_fmadd_ps(sum, y, x##i);
PEAK(peak_avx512, "avx512f", __m512, 512, 512, _mm512_storeu_ps)
PEAK(peak_avx512bf16, "avx512f,avx512bf16", __m512, 512, b16, _mm512_storeu_ps)
#endif

#endif
