/// What the measuring programs share: arrays, and timing in turns. Peaks are lode__bench_peak (src/bench/bench.h).
#ifndef LODE_BENCH_MEASURE_H
#define LODE_BENCH_MEASURE_H

#include "base/clock.h"
#include "kernel/kernel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

#endif
