/// The arithmetic peak by instruction level: loops on registers alone, enough independent chains to hide latencies.
///
/// Empty assembly keeps the chains apart (equal ones would be merged). AMX is written in assembly throughout:
/// the intrinsics of gcc 12 tell the compiler too little about the configuration they load.
#include "bench/bench.h"
#include "kernel/scan.h"

#include <string.h>

enum {
    ROUNDS = 20000,
    CHAINS = 12,
    LOOPS = 32
}; // LOOPS: of a thread, to hide how long waking it takes

typedef struct sink {
    float out[16];
} sink;

#if defined(__x86_64__)
#include <immintrin.h>

#define EACH(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11)
#define LOOP(name, features, vector, bits, first, second, sum, step)                               \
    __attribute__((target(features))) static void name(void *context) {                            \
        const vector y = first, z = second;                                                        \
        vector x0 = z, x1 = z, x2 = z, x3 = z, x4 = z, x5 = z;                                     \
        vector x6 = z, x7 = z, x8 = z, x9 = z, x10 = z, x11 = z;                                   \
        for (int round = 0; round < ROUNDS; round++) {                                             \
            EACH(step)                                                                             \
        }                                                                                          \
        vector total = x0;                                                                         \
        EACH(sum)                                                                                  \
        memcpy(((sink *)context)->out, &total, bits / 8);                                          \
    }

#define SUM_128(i)     total = _mm_add_ps(total, x##i);
#define SUM_256(i)     total = _mm256_add_ps(total, x##i);
#define SUM_512(i)     total = _mm512_add_ps(total, x##i);
#define SUM_INT_128(i) total = _mm_add_epi32(total, x##i);
#define SUM_INT_256(i) total = _mm256_add_epi32(total, x##i);
#define SUM_INT(i)     total = _mm512_add_epi32(total, x##i);

#define STEP_SSE(i)                                                                                \
    __asm__("" : "+x"(x##i));                                                                      \
    x##i = _mm_add_ps(_mm_mul_ps(x##i, y), z);
#define STEP_FMA_256(i)                                                                            \
    __asm__("" : "+x"(x##i));                                                                      \
    x##i = _mm256_fmadd_ps(x##i, y, z);
#define STEP_FMA_512(i)                                                                            \
    __asm__("" : "+v"(x##i));                                                                      \
    x##i = _mm512_fmadd_ps(x##i, y, z);
#define STEP_BF16(i) __asm__("vdpbf16ps %1, %2, %0" : "+v"(x##i) : "v"(y), "v"(z));
#define STEP_INT8(i) __asm__("vpdpbusd %1, %2, %0" : "+v"(x##i) : "v"(y), "v"(z));
#define STEP_INT16_128(i)                                                                          \
    __asm__("" : "+x"(x##i));                                                                      \
    x##i = _mm_add_epi32(_mm_madd_epi16(x##i, y), z);
#define STEP_INT16_256(i)                                                                          \
    __asm__("" : "+x"(x##i));                                                                      \
    x##i = _mm256_add_epi32(_mm256_madd_epi16(x##i, y), z);
#define STEP_INT16_512(i)                                                                          \
    __asm__("" : "+v"(x##i));                                                                      \
    x##i = _mm512_add_epi32(_mm512_madd_epi16(x##i, y), z);

LOOP(loop_sse, "sse2", __m128, 128, _mm_set1_ps(0.999f), _mm_set1_ps(1e-3f), SUM_128, STEP_SSE)
LOOP(loop_avx2, "avx2,fma", __m256, 256, _mm256_set1_ps(0.999f), _mm256_set1_ps(1e-3f), SUM_256,
     STEP_FMA_256)
LOOP(loop_avx512, "avx512f", __m512, 512, _mm512_set1_ps(0.999f), _mm512_set1_ps(1e-3f), SUM_512,
     STEP_FMA_512)
LOOP(loop_bf16, "avx512f,avx512bf16", __m512, 512, _mm512_setzero_ps(), _mm512_setzero_ps(),
     SUM_512, STEP_BF16)
LOOP(loop_int8, "avx512f,avx512vnni", __m512i, 512, _mm512_set1_epi8(1), _mm512_set1_epi8(1),
     SUM_INT, STEP_INT8)
LOOP(loop_int16_sse, "sse2", __m128i, 128, _mm_set1_epi8(1), _mm_set1_epi8(1), SUM_INT_128,
     STEP_INT16_128)
LOOP(loop_int16_avx2, "avx2", __m256i, 256, _mm256_set1_epi8(1), _mm256_set1_epi8(1), SUM_INT_256,
     STEP_INT16_256)
LOOP(loop_int16_avx512, "avx512f,avx512bw", __m512i, 512, _mm512_set1_epi8(1), _mm512_set1_epi8(1),
     SUM_INT, STEP_INT16_512)

// Four accumulators (0..3) from two tiles of A (4, 5) and two of B (6, 7), as a product uses them.
#define TILES(name, instruction)                                                                   \
    __attribute__((target("amx-tile,amx-bf16,amx-int8"))) static void name(void *context) {        \
        _Alignas(64) uint8_t shape[64] = {1};                                                      \
        for (size_t tile = 0; tile < 8; tile++) {                                                  \
            shape[16 + 2 * tile] = 64;                                                             \
            shape[48 + tile] = 16;                                                                 \
        }                                                                                          \
        __asm__ volatile("ldtilecfg (%0)" ::"r"(shape) : "memory");                                \
        __asm__ volatile("tilezero %%tmm0\n\ttilezero %%tmm1\n\ttilezero %%tmm2\n\t"               \
                         "tilezero %%tmm3\n\ttilezero %%tmm4\n\ttilezero %%tmm5\n\t"               \
                         "tilezero %%tmm6\n\ttilezero %%tmm7" ::                                   \
                             : "memory");                                                          \
        for (int round = 0; round < ROUNDS / 4; round++) {                                         \
            __asm__ volatile(instruction " %%tmm6, %%tmm4, %%tmm0\n\t" instruction                 \
                                         " %%tmm7, %%tmm4, %%tmm1\n\t" instruction                 \
                                         " %%tmm6, %%tmm5, %%tmm2\n\t" instruction                 \
                                         " %%tmm7, %%tmm5, %%tmm3" ::                              \
                                             : "memory");                                          \
        }                                                                                          \
        __asm__ volatile("tilerelease" ::: "memory");                                              \
        ((sink *)context)->out[0] = 0;                                                             \
    }
TILES(loop_amx_bf16, "tdpbf16ps")
TILES(loop_amx_int8, "tdpbssd")

static const struct peak {
    const char *name;
    lode_level level;
    double lanes; // multiply-adds of one instruction
    double instructions;
    void (*loop)(void *);
    bool f32, b16;          // whether kernels of that precision compute with it
    lode_scan_variant scan; // the scan that does, or LODE_SCAN_VARIANTS
} peaks[] = {
    {"f32 sse", LODE_LEVEL_SCALAR, 4, CHAINS *ROUNDS, loop_sse, true, true, LODE_SCAN_VARIANTS},
    {"f32 avx2", LODE_LEVEL_AVX2, 8, CHAINS *ROUNDS, loop_avx2, true, true, LODE_SCAN_VARIANTS},
    {"f32 avx512", LODE_LEVEL_AVX512, 16, CHAINS *ROUNDS, loop_avx512, true, true, LODE_SCAN_VARIANTS},
    {"bf16 avx512bf16", LODE_LEVEL_AVX512BF16, 32, CHAINS *ROUNDS, loop_bf16, false, true,
     LODE_SCAN_VARIANTS},
    {"int16 sse", LODE_LEVEL_SCALAR, 8, CHAINS *ROUNDS, loop_int16_sse, false, false, LODE_SCAN_PLAIN},
    {"int16 avx2", LODE_LEVEL_AVX2, 16, CHAINS *ROUNDS, loop_int16_avx2, false, false, LODE_SCAN_AVX2},
    {"int16 avx512", LODE_LEVEL_AVX512, 32, CHAINS *ROUNDS, loop_int16_avx512, false, false,
     LODE_SCAN_AVX512},
    {"int8 avx512vnni", LODE_LEVEL_AVX512, 64, CHAINS *ROUNDS, loop_int8, false, false,
     LODE_SCAN_VNNI},
    {"bf16 amx", LODE_LEVEL_AMX, 16 * 16 * 32, ROUNDS, loop_amx_bf16, false, true, LODE_SCAN_VARIANTS},
    {"int8 amx", LODE_LEVEL_AMX, 16 * 16 * 64, ROUNDS, loop_amx_int8, false, false,
     LODE_SCAN_VARIANTS},
};

static bool can_run(const struct peak *p) {
    if (p->scan != LODE_SCAN_VARIANTS) return lode__scan_at(p->scan) != NULL;
    return lode__kernels_at(p->level) != NULL;
}

// Whether kernels of the level in use compute with it.
static bool in_use(const struct peak *p, lode_bench_arithmetic arithmetic) {
    if (!can_run(p)) return false;
    if (arithmetic == LODE_BENCH_INT8)
        return p->scan != LODE_SCAN_VARIANTS && lode__scan_at(p->scan) == lode__scan_kernel();
    return p->level <= lode__level() && (arithmetic == LODE_BENCH_F32 ? p->f32 : p->b16);
}

static double work_of(const struct peak *p) {
    return 2 * p->lanes * p->instructions;
}

typedef struct everywhere {
    lode_pool *pool;
    const struct peak *peak;
} everywhere;

static void one_thread(void *context, size_t task, size_t thread) {
    (void)task, (void)thread;
    sink s;
    for (int i = 0; i < LOOPS; i++) {
        ((const everywhere *)context)->peak->loop(&s);
    }
}

static void all_threads(void *context) {
    const everywhere *e = context;
    lode__pool_run(e->pool, lode__pool_threads(e->pool), one_thread, context);
}

double lode__bench_peak(lode_bench_arithmetic arithmetic, lode_pool *pool,
                        const lode_bench_effort *effort) {
    double best = 0;
    for (size_t i = 0; i < sizeof peaks / sizeof *peaks; i++) {
        if (!in_use(&peaks[i], arithmetic)) continue;
        everywhere e = {pool, &peaks[i]};
        const lode_bench_timing timing = lode__bench_measure(effort, all_threads, &e);
        const double work = work_of(&peaks[i]) * LOOPS * (double)lode__pool_threads(pool);
        best = LODE_MAX(best, work / timing.best);
    }
    return best;
}

void lode__bench_peaks(lode_benchmark *bench) {
    const size_t threads = lode__pool_threads(bench->pool);
    const lode_bench_effort effort = {bench->effort.passes, bench->effort.seconds / 2};
    double *const ceilings[LODE_BENCH_ARITHMETICS] = {&bench->ceilings.f32, &bench->ceilings.b16,
                                                      &bench->ceilings.int8};
    for (size_t i = 0; i < sizeof peaks / sizeof *peaks; i++) {
        const struct peak *p = &peaks[i];
        if (!can_run(p)) continue;
        sink s;
        const double work = work_of(p);
        lode_bench_timing timing = lode__bench_measure(&effort, p->loop, &s);
        lode__bench_ceiling(bench, p->name, "Gop/s", 1, work, &timing);
        for (size_t a = 0; a < LODE_BENCH_ARITHMETICS; a++) {
            if (in_use(p, (lode_bench_arithmetic)a))
                *ceilings[a] = LODE_MAX(*ceilings[a], work / timing.best);
        }
        if (threads == 1) continue;
        everywhere e = {bench->pool, p};
        timing = lode__bench_measure(&effort, all_threads, &e);
        lode__bench_ceiling(bench, p->name, "Gop/s", threads, work * LOOPS * (double)threads,
                            &timing);
    }
}
#else
double lode__bench_peak(lode_bench_arithmetic arithmetic, lode_pool *pool,
                        const lode_bench_effort *effort) {
    (void)arithmetic, (void)pool, (void)effort;
    return 0;
}

void lode__bench_peaks(lode_benchmark *bench) {
    (void)bench;
}
#endif
