// Row sums with AVX2 and AVX-512 (16-bit products of even and odd bytes: nothing saturates) and with VNNI. Four
// rows at a time share the query's registers and the horizontal sums.
#include "kernel/x86/scan_x86.h"

#if LODE_KERNEL_X86
#include <immintrin.h>

#define AVX2      __attribute__((target("avx2")))
#define IN_AVX2   static inline __attribute__((always_inline, target("avx2")))
#define AVX512    __attribute__((target("avx2,avx512f,avx512bw")))
#define IN_AVX512 static inline __attribute__((always_inline, target("avx2,avx512f,avx512bw")))
#define VNNI      __attribute__((target("avx2,avx512f,avx512bw,avx512vnni")))

enum { TOGETHER = 4 };

static inline const uint8_t *row_at(const uint8_t *table, size_t width, const uint32_t *rows,
                                    size_t i) {
    return table + (rows ? rows[i] : i) * width;
}

/// The sums of the eight numbers of each register.
IN_AVX2 __m128i fold(const __m256i sum[TOGETHER]) {
    const __m256i pairs =
        _mm256_hadd_epi32(_mm256_hadd_epi32(sum[0], sum[1]), _mm256_hadd_epi32(sum[2], sum[3]));
    return _mm_add_epi32(_mm256_castsi256_si128(pairs), _mm256_extracti128_si256(pairs, 1));
}

IN_AVX2 void store(int32_t *sums, size_t count, __m128i four) {
    int32_t all[TOGETHER];
    _mm_storeu_si128((__m128i *)(void *)all, four);
    for (size_t i = 0; i < count; i++)
        sums[i] = all[i];
}

// --- AVX2 ---------------------------------------------------------------------------------------

IN_AVX2 __m256i step_avx2(__m256i sum, const uint8_t *row, __m256i even, __m256i odd) {
    const __m256i x = _mm256_loadu_si256((const __m256i *)(const void *)row);
    const __m256i low = _mm256_and_si256(x, _mm256_set1_epi16(0xff));
    sum = _mm256_add_epi32(sum, _mm256_madd_epi16(low, even));
    return _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_srli_epi16(x, 8), odd));
}

AVX2 void lode__rows_avx2(const uint8_t *table, size_t width, const uint32_t *rows, size_t count,
                          const int8_t *query, int32_t *sums) {
    for (size_t first = 0; first < count; first += TOGETHER) {
        const size_t left = LODE_MIN(count - first, (size_t)TOGETHER);
        const uint8_t *at[TOGETHER];
        __m256i sum[TOGETHER];
        for (size_t i = 0; i < TOGETHER; i++) {
            at[i] = row_at(table, width, rows, first + LODE_MIN(i, left - 1));
            sum[i] = _mm256_setzero_si256();
        }
        for (size_t d = 0; d < width; d += 32) {
            const __m256i q = _mm256_loadu_si256((const __m256i *)(const void *)(query + d));
            const __m256i even = _mm256_srai_epi16(_mm256_slli_epi16(q, 8), 8);
            const __m256i odd = _mm256_srai_epi16(q, 8);
            for (size_t i = 0; i < TOGETHER; i++)
                sum[i] = step_avx2(sum[i], at[i] + d, even, odd);
        }
        store(sums + first, left, fold(sum));
    }
}

// --- AVX-512 ------------------------------------------------------------------------------------

IN_AVX512 __m256i halves(__m512i x) {
    return _mm256_add_epi32(_mm512_castsi512_si256(x), _mm512_extracti64x4_epi64(x, 1));
}

IN_AVX512 __m512i step_avx512(__m512i sum, const uint8_t *row, __m512i even, __m512i odd) {
    const __m512i x = _mm512_loadu_si512(row);
    const __m512i low = _mm512_and_si512(x, _mm512_set1_epi16(0xff));
    sum = _mm512_add_epi32(sum, _mm512_madd_epi16(low, even));
    return _mm512_add_epi32(sum, _mm512_madd_epi16(_mm512_srli_epi16(x, 8), odd));
}

AVX512 void lode__rows_avx512(const uint8_t *table, size_t width, const uint32_t *rows,
                              size_t count, const int8_t *query, int32_t *sums) {
    for (size_t first = 0; first < count; first += TOGETHER) {
        const size_t left = LODE_MIN(count - first, (size_t)TOGETHER);
        const uint8_t *at[TOGETHER];
        __m512i sum[TOGETHER];
        __m256i half[TOGETHER];
        for (size_t i = 0; i < TOGETHER; i++) {
            at[i] = row_at(table, width, rows, first + LODE_MIN(i, left - 1));
            sum[i] = _mm512_setzero_si512();
        }
        for (size_t d = 0; d < width; d += 64) {
            const __m512i q = _mm512_loadu_si512(query + d);
            const __m512i even = _mm512_srai_epi16(_mm512_slli_epi16(q, 8), 8);
            const __m512i odd = _mm512_srai_epi16(q, 8);
            for (size_t i = 0; i < TOGETHER; i++)
                sum[i] = step_avx512(sum[i], at[i] + d, even, odd);
        }
        for (size_t i = 0; i < TOGETHER; i++)
            half[i] = halves(sum[i]);
        store(sums + first, left, fold(half));
    }
}

// --- VNNI ---------------------------------------------------------------------------------------

VNNI void lode__rows_vnni(const uint8_t *table, size_t width, const uint32_t *rows, size_t count,
                          const int8_t *query, int32_t *sums) {
    for (size_t first = 0; first < count; first += TOGETHER) {
        const size_t left = LODE_MIN(count - first, (size_t)TOGETHER);
        const uint8_t *at[TOGETHER];
        __m512i sum[TOGETHER];
        __m256i half[TOGETHER];
        for (size_t i = 0; i < TOGETHER; i++) {
            at[i] = row_at(table, width, rows, first + LODE_MIN(i, left - 1));
            sum[i] = _mm512_setzero_si512();
        }
        for (size_t d = 0; d < width; d += 64) {
            const __m512i q = _mm512_loadu_si512(query + d);
            for (size_t i = 0; i < TOGETHER; i++)
                sum[i] = _mm512_dpbusd_epi32(sum[i], _mm512_loadu_si512(at[i] + d), q);
        }
        for (size_t i = 0; i < TOGETHER; i++)
            half[i] = _mm256_add_epi32(_mm512_castsi512_si256(sum[i]),
                                       _mm512_extracti64x4_epi64(sum[i], 1));
        store(sums + first, left, fold(half));
    }
}
#endif
