/// `lode_bench`: what this machine can do, and how near to that the kernels come.
///
///     work.c      accounting: operations and bytes of a kernel call, its floor, repeats into a timing
///     peak.c      arithmetic on registers alone: f32, bf16, int8, by instruction level
///     memory.c    bandwidth: sequential at four sizes, random rows
///     cases.c     every kernel of the table on the shapes of training; compiled once a precision
///     bench.c     options, ceilings, warnings, the report
///
/// The floor of a call is the larger of two times: its operations at the measured arithmetic peak, and its bytes (each
/// operand once, as if caches were perfect) at the measured bandwidth of the level of memory that holds them. The
/// share of the roofline is floor / measured.
#ifndef LODE_BENCH_BENCH_H
#define LODE_BENCH_BENCH_H

#include "base/config.h"
#include "base/memory.h"
#include "base/pool.h"
#include "kernel/kernel.h"

#include <jansson.h>

// ---- work.c ----

/// What has to be done at least: operations (a multiply-add is two, an exponential LODE_BENCH_EXP), bytes.
#define LODE_BENCH_EXP 20.0

typedef struct lode_bench_work {
    double operations;
    double read, written;
    enum {
        LODE_BENCH_STREAM, ///< reads, and writes elsewhere
        LODE_BENCH_UPDATE, ///< writes what it has read
        LODE_BENCH_RANDOM  ///< reads rows of 256 bytes in random order, from far above the caches
    } pattern;
} lode_bench_work;

/// C[m,n] = A[m,k] B[k,n], with elements of A and B, and of C, of these sizes; `accumulate` reads C as well.
lode_bench_work lode__bench_product(size_t m, size_t n, size_t k, size_t operand, size_t result,
                                    bool accumulate);
/// Attention of one sequence, forward or backward. A causal one has length (length + 1) / 2 pairs.
lode_bench_work lode__bench_attention(size_t length, size_t heads, size_t width, bool causal,
                                      bool backward, size_t element);

typedef struct lode_bench_timing {
    double best, median, worst; ///< seconds of one call
} lode_bench_timing;

enum { LODE_BENCH_PASSES = 15 };

/// @param passes  [count] seconds, 1..LODE_BENCH_PASSES of them; sorted in place
lode_bench_timing lode__bench_summary(double *passes, size_t count);
/// (worst - best) / median
double lode__bench_spread(const lode_bench_timing *timing);

/// How often and how long something is repeated.
typedef struct lode_bench_effort {
    size_t passes;
    double seconds; ///< of a pass, at least
} lode_bench_effort;

lode_bench_timing lode__bench_measure(const lode_bench_effort *effort, void (*call)(void *),
                                      void *context);

enum { LODE_BENCH_NEAR, LODE_BENCH_SECOND, LODE_BENCH_THIRD, LODE_BENCH_FAR, LODE_BENCH_LEVELS };

/// Measured with one thread; 0 = not known.
typedef struct lode_bench_ceilings {
    double f32, b16;                 ///< operations per second
    size_t holds[LODE_BENCH_LEVELS]; ///< bytes that a level of memory holds, rising; the last holds all
    /// Bytes per second; in a copy and an update what is read and what is written count.
    double read[LODE_BENCH_LEVELS], copy[LODE_BENCH_LEVELS], update[LODE_BENCH_LEVELS];
    double rows; ///< bytes per second, random rows
} lode_bench_ceilings;

/// Seconds of `work` at best; *arithmetic says which of the two bounds it. 0 = no ceiling is known.
double lode__bench_floor(const lode_bench_ceilings *ceilings, double peak,
                         const lode_bench_work *work, bool *arithmetic);

// ---- bench.c ----

extern const lode_key lode__bench_keys[]; ///< options of lode_bench

typedef struct lode_benchmark {
    const lode_hooks *hooks;
    lode_pool *pool;
    lode_bench_effort effort;
    const char *only; ///< measure kernels whose names contain this; NULL = all
    bool listing;     ///< nothing is measured now: names are counted
    size_t matched;   ///< kernels that `only` names, when they were counted
    size_t far;       ///< bytes that are far above the caches: of the table of random rows
    lode_bench_ceilings ceilings;
    json_t *ceiling_rows, *kernel_rows;
    size_t noisy, measured; ///< lines whose repeats differ much, and all
    uint64_t done;
    struct {
        void *memory;
        size_t bytes;
    } held[16]; ///< of the case at hand
    size_t holding;
    uint64_t nothing[8];  ///< what is handed out after a failure
    bool failed, stopped; ///< out of memory; asked to stop
} lode_benchmark;

/// Memory of the case at hand, filled with numbers in (-scale, scale), or with zeros for scale 0; never NULL (after a
/// failure `failed` is set and the pointer must not be used).
void *lode__bench_hold(lode_benchmark *bench, size_t count, size_t size);
float *lode__bench_floats(lode_benchmark *bench, size_t count, float scale);
void lode__bench_let_go(lode_benchmark *bench);

/// Whether a kernel of that name is to be measured now.
bool lode__bench_wants(lode_benchmark *bench, const char *name);
/// A line of the ceilings: `amount` of work a call at these timings.
void lode__bench_ceiling(lode_benchmark *bench, const char *name, const char *unit, size_t threads,
                         double amount, const lode_bench_timing *timing);
/// Measure a kernel and add its line.
void lode__bench_case(lode_benchmark *bench, const char *name, const char *precision, double peak,
                      const lode_bench_work *work, void (*call)(void *), void *context);

// ---- peak.c, memory.c, cases.c ----

void lode__bench_peaks(lode_benchmark *bench);
LODE_CHECK lode_status lode__bench_bandwidth(lode_benchmark *bench, lode_error *error);
void lode__bench_cases_f32(lode_benchmark *bench);
void lode__bench_cases_b16(lode_benchmark *bench);

#endif
