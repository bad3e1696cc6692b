/// Speed of the kernels on this machine, level by level: matrix products in GFLOP/s and as a share
/// of the multiply-add peak (a loop on registers alone), attention and vector kernels in time and
/// bytes. Medians of five (of the peak: the best); everything in one thread.
#include "kernel/kernel.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

enum { PASSES = 5 };

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int by_value(const void *x, const void *y) {
    const double a = *(const double *)x, b = *(const double *)y;
    return (a > b) - (a < b);
}

typedef struct timing {
    double best, median;
} timing;

/// Seconds of one call, from PASSES passes of about 50 ms each.
static timing measure_all(void (*call)(void *), void *argument) {
    double passes[PASSES];
    double start = now();
    call(argument);
    const double once = now() - start;
    const size_t repeats = once > 0.05 ? 1 : (size_t)(0.05 / (once + 1e-9)) + 1;
    for (size_t pass = 0; pass < PASSES; pass++) {
        start = now();
        for (size_t i = 0; i < repeats; i++) {
            call(argument);
        }
        passes[pass] = (now() - start) / (double)repeats;
    }
    qsort(passes, PASSES, sizeof *passes, by_value);
    return (timing){passes[0], passes[PASSES / 2]};
}

static double measure(void (*call)(void *), void *argument) {
    return measure_all(call, argument).median;
}

static float *array(size_t n, float scale) {
    float *x = aligned_alloc(64, (n * sizeof *x + 127) / 64 * 64);
    if (x == NULL) {
        fprintf(stderr, "bench_kernels: no memory for %zu floats\n", n);
        exit(1);
    }
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

enum { PEAK_ROUNDS = 50000, PEAK_REPEATS = 4, PEAK_CHAINS = 12 };

typedef struct peak {
    float out[16];
} peak;

#if defined(__x86_64__)
#define PEAK_EACH(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11)
#define PEAK(name, features, vec, bits, store)                                                     \
    __attribute__((target(features))) static void name(void *argument) {                           \
        const vec y = _mm##bits##_set1_ps(0.999f), z = _mm##bits##_set1_ps(1e-3f);                 \
        vec x0 = z, x1 = z, x2 = z, x3 = z, x4 = z, x5 = z;                                        \
        vec x6 = z, x7 = z, x8 = z, x9 = z, x10 = z, x11 = z, sum = z;                             \
        for (int round = 0; round < PEAK_ROUNDS; round++) {                                        \
            PEAK_EACH(PEAK_STEP_##bits)                                                            \
            PEAK_EACH(PEAK_STEP_##bits) PEAK_EACH(PEAK_STEP_##bits) PEAK_EACH(PEAK_STEP_##bits)    \
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
#define PEAK_SUM_512(i) sum = _mm512_fmadd_ps(sum, y, x##i);
PEAK(peak_avx2, "avx2,fma", __m256, 256, _mm256_storeu_ps)
PEAK(peak_avx512, "avx512f", __m512, 512, _mm512_storeu_ps)
#endif

/// GFLOP/s of multiply-adds on registers, or 0 where it is not known.
static double peak_at(lode_level level) {
#if defined(__x86_64__)
    peak p;
    const double lanes = level == LODE_LEVEL_AVX512 ? 16 : 8;
    const double work = 2e-9 * lanes * PEAK_CHAINS * PEAK_REPEATS * PEAK_ROUNDS;
    if (level == LODE_LEVEL_AVX2) return work / measure_all(peak_avx2, &p).best;
    if (level == LODE_LEVEL_AVX512) return work / measure_all(peak_avx512, &p).best;
#endif
    (void)level;
    return 0;
}

// ------------------------------------------------------------------------------------------------
// Matrix products
// ------------------------------------------------------------------------------------------------

typedef struct product {
    const struct lode_kernels_f32 *kernels;
    struct lode_gemm_f32 gemm;
} product;

static void run_product(void *argument) {
    const product *p = argument;
    p->kernels->gemm(&p->gemm);
}

typedef struct shape {
    size_t m, n, k;
    bool transposed, packed;
    const char *note;
} shape;

static const shape shapes[] = {
    {4096, 128, 1280, false, true, "text projection"},
    {81920, 64, 64, false, true, "token layer"},
    {81920, 256, 64, false, true, "feed-forward up"},
    {81920, 64, 256, false, true, "feed-forward down"},
    {81920, 192, 64, false, true, "query, key, value"},
    {64, 4096, 64, false, true, "in-batch scores"},
    {64, 4096, 64, false, false, "in-batch scores, B not packed"},
    {64, 256, 2048, true, false, "weight gradient"},
    {256, 64, 2048, true, false, "weight gradient"},
    {64, 64, 2048, true, false, "weight gradient"},
    {256, 64, 4096, false, false, "scores' gradient, B not packed"},
    {20, 64, 64, false, true, "one sequence"},
    {1, 256, 64, false, true, "one row"},
};

static double product_speed(const struct lode_kernels_f32 *kernels, const shape *s) {
    const size_t n_padded = (s->n + kernels->panel - 1) / kernels->panel * kernels->panel;
    float *a = array(s->m * s->k, 1), *b = array(s->k * s->n, 1);
    float *packed = array(s->k * n_padded, 1), *c = array(s->m * s->n, 1);
    float *bias = array(s->n, 1), *scratch = array(LODE_GEMM_SCRATCH, 1);
    kernels->pack(s->k, s->n, b, s->n, 1, packed);
    product p = {kernels, {.m = s->m, .n = s->n, .k = s->k, .a = a, .a_row = s->k, .a_column = 1}};
    if (s->transposed) {
        p.gemm.a_row = 1;
        p.gemm.a_column = s->m;
        p.gemm.accumulate = true;
    } else {
        p.gemm.bias = bias;
        p.gemm.activation = LODE_RELU;
    }
    p.gemm.b = s->packed ? packed : b;
    p.gemm.b_row = s->n;
    p.gemm.b_packed = s->packed;
    p.gemm.c = c;
    p.gemm.c_row = s->n;
    p.gemm.scratch = scratch;
    const double seconds = measure(run_product, &p);
    free(a), free(b), free(packed), free(c), free(bias), free(scratch);
    return 2e-9 * (double)s->m * (double)s->n * (double)s->k / seconds;
}

// ------------------------------------------------------------------------------------------------
// Attention
// ------------------------------------------------------------------------------------------------

typedef struct sequence {
    const struct lode_kernels_f32 *kernels;
    struct lode_attention_f32 attention;
} sequence;

static void run_forward(void *argument) {
    const sequence *s = argument;
    s->kernels->attention(&s->attention);
}

static void run_backward(void *argument) {
    const sequence *s = argument;
    s->kernels->attention_backward(&s->attention);
}

static void bench_attention(const struct lode_kernels_f32 *kernels, size_t length, size_t heads,
                            size_t width, bool causal) {
    const size_t dim = heads * width, size = length * 3 * dim;
    float *inputs = array(size, 1), *gradients = array(size, 1), *output = array(size, 1);
    float *d_output = array(size, 1), *lse = array(length * heads, 1);
    float *scratch = array(LODE_ATTENTION_SCRATCH(length, width), 1);
    sequence s = {kernels,
                  {.length = length,
                   .heads = heads,
                   .width = width,
                   .causal = causal,
                   .query = inputs,
                   .key = inputs + dim,
                   .value = inputs + 2 * dim,
                   .stride = 3 * dim,
                   .output = output,
                   .output_stride = dim,
                   .lse = lse,
                   .d_output = d_output,
                   .d_query = gradients,
                   .d_key = gradients + dim,
                   .d_value = gradients + 2 * dim,
                   .scratch = scratch}};
    const double forward = measure(run_forward, &s), backward = measure(run_backward, &s);
    const double work = 4e-9 * (double)length * (double)length * (double)dim;
    printf("  attention length %3zu heads %zu width %2zu%s  forward %8.2f us (%5.1f GFLOP/s)  "
           "backward %8.2f us (%5.1f)\n",
           length, heads, width, causal ? " causal" : "       ", forward * 1e6, work / forward,
           backward * 1e6, 2.5 * work / backward);
    free(inputs), free(gradients), free(output), free(d_output), free(lse), free(scratch);
}

// ------------------------------------------------------------------------------------------------
// Vectors
// ------------------------------------------------------------------------------------------------

typedef struct vectors {
    const struct lode_kernels_f32 *kernels;
    size_t n, row;
    float *x, *y, *z, *w;
    int32_t *ids;
    uint32_t *index;
    float result[2];
} vectors;

static void run_add(void *argument) {
    vectors *v = argument;
    v->kernels->add(v->n, v->x, v->y);
}

static void run_dot(void *argument) {
    vectors *v = argument;
    v->result[0] = v->kernels->dot(v->n, v->x, v->y);
}

static void run_max(void *argument) {
    vectors *v = argument;
    v->result[0] = v->kernels->max(v->n, v->x);
}

static void run_exp_sum(void *argument) {
    vectors *v = argument;
    v->result[0] = v->kernels->exp_sum(v->n, 1, v->y);
}

static void run_above(void *argument) {
    vectors *v = argument;
    v->result[0] = (float)v->kernels->above(v->n, v->x, 0.999f, v->index);
}

static void run_column_sum(void *argument) {
    vectors *v = argument;
    v->kernels->column_sum(v->n / v->row, v->row, v->x, v->row, v->y);
}

static void run_layer_norm(void *argument) {
    vectors *v = argument;
    for (size_t i = 0; i + v->row <= v->n; i += v->row) {
        v->kernels->layer_norm(v->row, v->x + i, v->y + i, v->x, v->y, 1e-5f, v->z + i, v->result);
    }
}

static void run_layer_norm_backward(void *argument) {
    vectors *v = argument;
    const float statistics[2] = {0.1f, 1};
    for (size_t i = 0; i + v->row <= v->n; i += v->row) {
        v->kernels->layer_norm_backward(v->row, v->x + i, NULL, v->y + i, v->x, statistics,
                                        v->z + i, v->w, v->w + v->row);
    }
}

static void run_gather_sum(void *argument) {
    vectors *v = argument;
    for (size_t i = 0; i < v->n / v->row; i += 16) {
        v->kernels->gather_sum(v->row, 16, v->ids + i, v->x, 1, v->y + i);
    }
}

static void run_adam(void *argument) {
    vectors *v = argument;
    const struct lode_adam_f32 adam = {1e-3f, 0.9f, 0.999f, 1e-8f, 0.1f, 0.001f, 0};
    v->kernels->adam(v->n, &adam, v->x, v->y, v->z, v->w);
}

static void bench_vectors(const struct lode_kernels_f32 *kernels, size_t n) {
    const size_t row = 64;
    vectors v = {kernels,         n,    row,  array(n, 1), array(n, 1), array(n, 1),
                 array(n, 1e-3f), NULL, NULL, {0}};
    v.ids = (int32_t *)(void *)array(n, 1);
    v.index = (uint32_t *)(void *)array(n, 1);
    for (size_t i = 0; i < n / row; i++) {
        v.ids[i] = (int32_t)(i * 7919 % (n / row));
    }
    const struct {
        const char *name;
        void (*run)(void *);
        double bytes;
    } kernel[] = {
        {"add", run_add, 12},
        {"dot", run_dot, 8},
        {"max", run_max, 4},
        {"exp_sum", run_exp_sum, 8},
        {"above", run_above, 4},
        {"column_sum", run_column_sum, 4},
        {"layer_norm rows of 64", run_layer_norm, 12},
        {"layer_norm_backward rows of 64", run_layer_norm_backward, 12},
        {"gather_sum 16 rows of 64", run_gather_sum, 4},
        {"adam", run_adam, 28},
    };
    for (size_t i = 0; i < sizeof kernel / sizeof *kernel; i++) {
        memset(v.z, 0, n * sizeof *v.z);
        const double seconds = measure(kernel[i].run, &v);
        printf("  %-30s n %7zu  %7.3f ns/element  %6.1f GB/s\n", kernel[i].name, n,
               seconds * 1e9 / (double)n, kernel[i].bytes * (double)n * 1e-9 / seconds);
    }
    free(v.x), free(v.y), free(v.z), free(v.w), free(v.ids), free(v.index);
}

static void bench_level(lode_level level) {
    const struct lode_kernels_f32 *kernels = lode__kernels_at(level);
    if (kernels == NULL) {
        printf("level %s: this machine cannot run it\n", lode__level_name(level));
        return;
    }
    const double limit = peak_at(level);
    printf("level %s, compiler " __VERSION__ ", 1 thread, median of %d\n", kernels->level, PASSES);
    if (limit > 0) printf("  multiply-add peak %.1f GFLOP/s\n", limit);
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        const shape *s = &shapes[i];
        const double speed = product_speed(kernels, s);
        printf("  gemm m %5zu n %4zu k %4zu %s  %6.1f GFLOP/s", s->m, s->n, s->k,
               s->transposed ? "A'B" : "A B", speed);
        if (limit > 0) printf("  %3.0f %%", 100 * speed / limit);
        printf("  %s\n", s->note);
    }
    bench_attention(kernels, 20, 4, 16, true);
    bench_attention(kernels, 20, 4, 16, false);
    bench_attention(kernels, 50, 4, 16, true);
    bench_attention(kernels, 200, 4, 16, true);
    bench_attention(kernels, 200, 2, 64, true);
    bench_vectors(kernels, 4096);
    bench_vectors(kernels, 4 << 20);
}

/// bench_kernels [level ...]
int main(int count, char **arguments) {
    for (lode_level level = 0; level < LODE_LEVELS; level++) {
        bool wanted = count < 2;
        for (int i = 1; i < count; i++) {
            wanted = wanted || strcmp(arguments[i], lode__level_name(level)) == 0;
        }
        if (wanted) bench_level(level);
    }
    return 0;
}
