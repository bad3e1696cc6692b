/// Accounting: what a call has to do at least, how long that takes at best, and repeats into one timing.
#include "base/clock.h"
#include "bench/bench.h"
#include "kernel/scan.h"

#include <math.h>
#include <stdlib.h>

#define MOST 0.5 // seconds for all passes, roughly: slow calls get fewer of them

lode_bench_work lode__bench_product(size_t m, size_t n, size_t k, size_t operand, size_t result,
                                    bool accumulate) {
    const double rows = (double)m, columns = (double)n, depth = (double)k;
    const double output = rows * columns * (double)result;
    return (lode_bench_work){.operations = 2 * rows * columns * depth,
                             .read = (rows * depth + depth * columns) * (double)operand +
                                     (accumulate ? output : 0),
                             .written = output,
                             .pattern = accumulate ? LODE_BENCH_UPDATE : LODE_BENCH_STREAM};
}

lode_bench_work lode__bench_attention(size_t length, size_t heads, size_t width, bool causal,
                                      bool backward, size_t element) {
    const double rows = (double)length, h = (double)heads, dim = h * (double)width;
    const double pairs = causal ? rows * (rows + 1) / 2 : rows * rows;
    // Forward q.k and p.v; backward q.k again, dp, dq, dk, dv.
    const double products = backward ? 5 : 2;
    const double array = rows * dim * (double)element;
    return (lode_bench_work){.operations = 2 * products * pairs * dim + LODE_BENCH_EXP * pairs * h,
                             .read = array * (backward ? 5 : 3),
                             .written = array * (backward ? 3 : 1)};
}

lode_bench_work lode__bench_contrast(size_t m, size_t n, size_t r, size_t width, bool own,
                                     size_t element) {
    const double pairs = (double)m * ((double)r + 1);
    // Logits, gradients of queries and of keys; logits once more where keys are shared.
    const double products = own ? 3 : 4, exponentials = own ? 1 : 2;
    const double arrays = ((double)m + (double)n) * (double)width * (double)element;
    return (lode_bench_work){.operations = 2 * products * pairs * (double)width +
                                           exponentials * LODE_BENCH_EXP * pairs,
                             .read = 2 * arrays,
                             .written = arrays};
}

lode_bench_work lode__bench_gather(size_t rows, size_t width, size_t element) {
    const double elements = (double)rows * (double)width;
    return (lode_bench_work){.operations = 2 * elements,
                             .read = elements * (double)element,
                             .pattern = LODE_BENCH_RANDOM};
}

lode_bench_work lode__bench_lazy_adam(size_t entries, size_t distinct, size_t width, size_t element) {
    const double summed = (double)entries * (double)width;
    const double updated = (double)distinct * (double)width;
    const double state = 3 * updated * (double)sizeof(float); // value and two moments
    return (lode_bench_work){.operations = 2 * summed + LODE_BENCH_ADAM * updated,
                             .read = (double)entries * (double)sizeof(int32_t) +
                                     summed * (double)element + state,
                             .written = state,
                             .pattern = LODE_BENCH_RANDOM_UPDATE};
}

lode_bench_work lode__bench_scan(size_t queries, size_t words, size_t groups) {
    const double q = (double)queries, w = (double)words, dim = 4 * (double)groups;
    const double items = w * LODE_SCAN_WORD;
    return (lode_bench_work){.operations = 2 * q * items * dim,
                             .read = items * dim + q * (dim + (double)sizeof(int32_t)),
                             .written = q * w * (double)sizeof(uint64_t)};
}

static int rising(const void *x, const void *y) {
    const double a = *(const double *)x, b = *(const double *)y;
    return (a > b) - (a < b);
}

lode_bench_timing lode__bench_summary(double *passes, size_t count) {
    qsort(passes, count, sizeof *passes, rising);
    const double median =
        count % 2 ? passes[count / 2] : (passes[count / 2 - 1] + passes[count / 2]) / 2;
    return (lode_bench_timing){passes[0], median, passes[count - 1]};
}

double lode__bench_spread(const lode_bench_timing *timing) {
    return timing->median > 0 ? (timing->worst - timing->best) / timing->median : 0;
}

lode_bench_timing lode__bench_measure(const lode_bench_effort *effort, void (*call)(void *),
                                      void *context) {
    double passes[LODE_BENCH_PASSES];
    double start = lode__clock();
    call(context); // warms caches and pages
    double once = lode__clock() - start;
    if (once < MOST / 4) {
        start = lode__clock();
        call(context);
        once = lode__clock() - start;
    }
    const size_t affordable = LODE_MAX((size_t)(MOST / fmax(once, 1e-8)), (size_t)1);
    const size_t count = LODE_MIN(LODE_MIN(effort->passes, (size_t)LODE_BENCH_PASSES), affordable);
    const size_t repeats =
        once >= effort->seconds ? 1 : (size_t)(effort->seconds / fmax(once, 1e-8)) + 1;
    for (size_t pass = 0; pass < count; pass++) {
        start = lode__clock();
        for (size_t i = 0; i < repeats; i++) {
            call(context);
        }
        passes[pass] = (lode__clock() - start) / (double)repeats;
    }
    return lode__bench_summary(passes, count);
}

double lode__bench_floor(const lode_bench_ceilings *ceilings, double peak,
                         const lode_bench_work *work, bool *arithmetic) {
    const double bytes = work->read + work->written;
    size_t level = 0;
    while (level + 1 < LODE_BENCH_LEVELS && bytes > (double)ceilings->holds[level]) {
        level++;
    }
    const double bandwidth = work->pattern == LODE_BENCH_RANDOM          ? ceilings->rows
                             : work->pattern == LODE_BENCH_RANDOM_UPDATE ? ceilings->update_rows
                             : work->pattern == LODE_BENCH_UPDATE        ? ceilings->update[level]
                             : work->written > 0                         ? ceilings->copy[level]
                                                                         : ceilings->read[level];
    const double by_arithmetic = peak > 0 ? work->operations / peak : 0;
    const double by_bytes = bandwidth > 0 ? bytes / bandwidth : 0;
    *arithmetic = by_arithmetic >= by_bytes;
    return fmax(by_arithmetic, by_bytes);
}
