// The scan with AVX2 and AVX-512 (16-bit products of even and odd bytes: nothing saturates) and with VNNI.
//
// A tile is a few queries x a few registers of items, all sums in registers. Without VNNI, bytes 0 and 2 of a
// group meet the query's bytes 0 and 2, bytes 1 and 3 the others; vpmaddwd adds each pair in 32 bits.
#include "kernel/x86/scan_x86.h"

#if LODE_KERNEL_X86
#include <immintrin.h>
#include <string.h>

enum { GROUP_BYTES = 4 * LODE_SCAN_WORD };

static inline int32_t load_group(const int8_t *query, size_t group) {
    int32_t four;
    memcpy(&four, query + 4 * group, sizeof four);
    return four;
}

// ------------------------------------------------------------------------------------------------
// AVX2: eight items a register, tiles of four queries x two registers
// ------------------------------------------------------------------------------------------------

#define AVX2    __attribute__((target("avx2")))
#define IN_AVX2 static inline __attribute__((always_inline, target("avx2")))
#define FOUR(X) X(0) X(1) X(2) X(3)

IN_AVX2 __m256i step_avx2(__m256i sum, __m256i x, __m256i q_even, __m256i q_odd) {
    const __m256i even = _mm256_and_si256(x, _mm256_set1_epi16(0xff));
    sum = _mm256_add_epi32(sum, _mm256_madd_epi16(even, q_even));
    return _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_srli_epi16(x, 8), q_odd));
}

IN_AVX2 uint64_t hits_avx2(__m256i sum, int32_t bar) {
    const __m256i above = _mm256_cmpgt_epi32(sum, _mm256_set1_epi32(bar));
    return (uint32_t)_mm256_movemask_ps(_mm256_castsi256_ps(above));
}

/// Sixteen items, quarter `part` of a word.
IN_AVX2 void tile_avx2(const struct lode_scan *s, const uint8_t *items, size_t row, size_t word,
                       const size_t rows, size_t part) {
#define DECLARE(r) __m256i a##r = _mm256_setzero_si256(), b##r = a##r;
    FOUR(DECLARE)
#undef DECLARE
    items += 64 * part;
    for (size_t g = 0; g < s->groups; g++, items += GROUP_BYTES) {
        const __m256i x = _mm256_loadu_si256((const __m256i *)(const void *)items);
        const __m256i y = _mm256_loadu_si256((const __m256i *)(const void *)(items + 32));
#define STEP(r)                                                                                    \
    if (rows > r) {                                                                                \
        const __m256i q = _mm256_set1_epi32(load_group(s->queries[row + r], g));                   \
        const __m256i even = _mm256_srai_epi16(_mm256_slli_epi16(q, 8), 8);                        \
        const __m256i odd = _mm256_srai_epi16(q, 8);                                               \
        a##r = step_avx2(a##r, x, even, odd);                                                      \
        b##r = step_avx2(b##r, y, even, odd);                                                      \
    }
        FOUR(STEP)
#undef STEP
    }
#define WRITE(r)                                                                                   \
    if (rows > r) {                                                                                \
        const int32_t bar = s->bars[row + r];                                                      \
        uint64_t *to = &s->hits[(row + r) * s->words + word];                                      \
        *to = (part == 0 ? 0 : *to) | (hits_avx2(a##r, bar) | hits_avx2(b##r, bar) << 8)           \
                                          << (16 * part);                                          \
    }
    FOUR(WRITE)
#undef WRITE
}

AVX2 void lode__scan_avx2(const struct lode_scan *s) {
    for (size_t word = 0; word < s->words; word++) {
        const uint8_t *items = s->items + word * s->groups * GROUP_BYTES;
        for (size_t part = 0; part < 4; part++) {
            size_t row = 0;
            for (; row + 4 <= s->rows; row += 4)
                tile_avx2(s, items, row, word, 4, part);
            for (; row < s->rows; row++)
                tile_avx2(s, items, row, word, 1, part);
        }
    }
}

// ------------------------------------------------------------------------------------------------
// AVX-512 without VNNI: sixteen items a register, tiles of four queries x four registers
// ------------------------------------------------------------------------------------------------

#define AVX512    __attribute__((target("avx512f,avx512bw")))
#define IN_AVX512 static inline __attribute__((always_inline, target("avx512f,avx512bw")))

IN_AVX512 __m512i step_avx512(__m512i sum, __m512i x, __m512i q_even, __m512i q_odd) {
    const __m512i even = _mm512_and_si512(x, _mm512_set1_epi16(0xff));
    sum = _mm512_add_epi32(sum, _mm512_madd_epi16(even, q_even));
    return _mm512_add_epi32(sum, _mm512_madd_epi16(_mm512_srli_epi16(x, 8), q_odd));
}

IN_AVX512 uint64_t hits_avx512(__m512i a, __m512i b, __m512i c, __m512i d, int32_t bar) {
    const __m512i wide = _mm512_set1_epi32(bar);
    return _mm512_cmpgt_epi32_mask(a, wide) | (uint64_t)_mm512_cmpgt_epi32_mask(b, wide) << 16 |
           (uint64_t)_mm512_cmpgt_epi32_mask(c, wide) << 32 |
           (uint64_t)_mm512_cmpgt_epi32_mask(d, wide) << 48;
}

IN_AVX512 void tile_avx512(const struct lode_scan *s, const uint8_t *items, size_t row, size_t word,
                           const size_t rows) {
#define DECLARE(r) __m512i a##r = _mm512_setzero_si512(), b##r = a##r, c##r = a##r, d##r = a##r;
    FOUR(DECLARE)
#undef DECLARE
    for (size_t g = 0; g < s->groups; g++, items += GROUP_BYTES) {
        const __m512i x = _mm512_loadu_si512(items), y = _mm512_loadu_si512(items + 64);
        const __m512i z = _mm512_loadu_si512(items + 128), w = _mm512_loadu_si512(items + 192);
#define STEP(r)                                                                                    \
    if (rows > r) {                                                                                \
        const __m512i q = _mm512_set1_epi32(load_group(s->queries[row + r], g));                   \
        const __m512i even = _mm512_srai_epi16(_mm512_slli_epi16(q, 8), 8);                        \
        const __m512i odd = _mm512_srai_epi16(q, 8);                                               \
        a##r = step_avx512(a##r, x, even, odd);                                                    \
        b##r = step_avx512(b##r, y, even, odd);                                                    \
        c##r = step_avx512(c##r, z, even, odd);                                                    \
        d##r = step_avx512(d##r, w, even, odd);                                                    \
    }
        FOUR(STEP)
#undef STEP
    }
#define WRITE(r)                                                                                   \
    if (rows > r)                                                                                  \
        s->hits[(row + r) * s->words + word] =                                                     \
            hits_avx512(a##r, b##r, c##r, d##r, s->bars[row + r]);
    FOUR(WRITE)
#undef WRITE
}

AVX512 void lode__scan_avx512(const struct lode_scan *s) {
    for (size_t word = 0; word < s->words; word++) {
        const uint8_t *items = s->items + word * s->groups * GROUP_BYTES;
        size_t row = 0;
        for (; row + 4 <= s->rows; row += 4)
            tile_avx512(s, items, row, word, 4);
        for (; row < s->rows; row++)
            tile_avx512(s, items, row, word, 1);
    }
}

// ------------------------------------------------------------------------------------------------
// VNNI: tiles of six queries x a whole word
// ------------------------------------------------------------------------------------------------

#define VNNI    __attribute__((target("avx512f,avx512bw,avx512vnni")))
#define IN_VNNI static inline __attribute__((always_inline, target("avx512f,avx512bw,avx512vnni")))
#define SIX(X)  FOUR(X) X(4) X(5)

/// The instruction itself: gcc 12 spills the sums around its intrinsic.
IN_VNNI void add_products(__m512i *sum, __m512i items, __m512i query) {
    __asm__("vpdpbusd %2, %1, %0" : "+v"(*sum) : "v"(items), "v"(query));
}

IN_VNNI uint64_t hits_vnni(__m512i a, __m512i b, __m512i c, __m512i d, int32_t bar) {
    const __m512i wide = _mm512_set1_epi32(bar);
    const __mmask32 low =
        _mm512_kunpackw(_mm512_cmpgt_epi32_mask(b, wide), _mm512_cmpgt_epi32_mask(a, wide));
    const __mmask32 high =
        _mm512_kunpackw(_mm512_cmpgt_epi32_mask(d, wide), _mm512_cmpgt_epi32_mask(c, wide));
    return _mm512_kunpackd(high, low);
}

IN_VNNI void tile_vnni(const struct lode_scan *s, const uint8_t *items, size_t row, size_t word,
                       const size_t rows) {
#define DECLARE(r)                                                                                 \
    __m512i a##r = _mm512_setzero_si512(), b##r = a##r, c##r = a##r, d##r = a##r;                  \
    const int8_t *const q##r = s->queries[row + (rows > r ? r : 0)];
    SIX(DECLARE)
#undef DECLARE
    for (size_t g = 0; g < s->groups; g++, items += GROUP_BYTES) {
        const __m512i x = _mm512_loadu_si512(items), y = _mm512_loadu_si512(items + 64);
        const __m512i z = _mm512_loadu_si512(items + 128), w = _mm512_loadu_si512(items + 192);
#define STEP(r)                                                                                    \
    if (rows > r) {                                                                                \
        const __m512i q = _mm512_set1_epi32(load_group(q##r, g));                                  \
        add_products(&a##r, x, q);                                                                 \
        add_products(&b##r, y, q);                                                                 \
        add_products(&c##r, z, q);                                                                 \
        add_products(&d##r, w, q);                                                                 \
    }
        SIX(STEP)
#undef STEP
    }
#define WRITE(r)                                                                                   \
    if (rows > r)                                                                                  \
        s->hits[(row + r) * s->words + word] = hits_vnni(a##r, b##r, c##r, d##r, s->bars[row + r]);
    SIX(WRITE)
#undef WRITE
}

VNNI void lode__scan_vnni(const struct lode_scan *s) {
    for (size_t word = 0; word < s->words; word++) {
        const uint8_t *items = s->items + word * s->groups * GROUP_BYTES;
        size_t row = 0;
        for (; row + 6 <= s->rows; row += 6)
            tile_vnni(s, items, row, word, 6);
        switch (s->rows - row) {
#define REST(r)                                                                                    \
    case r:                                                                                        \
        tile_vnni(s, items, row, word, r);                                                         \
        break;
            REST(5)
            REST(4)
            REST(3)
            REST(2)
            REST(1)
#undef REST
        default:
            break;
        }
    }
}

// ------------------------------------------------------------------------------------------------
// Scores: sixteen rows at a time, transposed eight dimensions by eight rows; fused like the levels above plain C
// ------------------------------------------------------------------------------------------------

#define FMA    __attribute__((target("avx2,fma")))
#define IN_FMA static inline __attribute__((always_inline, target("avx2,fma")))

/// sum += query[0 .. columns - 1] . eight rows from dimension d on, in order.
IN_FMA __m256 add_eight(__m256 sum, const float *query, const float *const *rows, size_t d,
                        const size_t columns, __m256i mask) {
#define LOAD(i)                                                                                    \
    const __m256 r##i =                                                                            \
        columns == 8 ? _mm256_loadu_ps(rows[i] + d) : _mm256_maskload_ps(rows[i] + d, mask)
#define PAIRS(i, j)                                                                                \
    const __m256 l##i = _mm256_unpacklo_ps(r##i, r##j), h##i = _mm256_unpackhi_ps(r##i, r##j)
#define QUADS(i, j)                                                                                \
    const __m256 a##i = _mm256_shuffle_ps(l##i, l##j, 0x44);                                       \
    const __m256 b##i = _mm256_shuffle_ps(l##i, l##j, 0xee);                                       \
    const __m256 c##i = _mm256_shuffle_ps(h##i, h##j, 0x44);                                       \
    const __m256 d##i = _mm256_shuffle_ps(h##i, h##j, 0xee)
#define ADD(p, x, half)                                                                            \
    sum = columns > p ? _mm256_fmadd_ps(_mm256_broadcast_ss(query + d + p),                        \
                                        _mm256_permute2f128_ps(x##0, x##4, half), sum)             \
                      : sum
    LOAD(0);
    LOAD(1);
    LOAD(2);
    LOAD(3);
    LOAD(4);
    LOAD(5);
    LOAD(6);
    LOAD(7);
    PAIRS(0, 1);
    PAIRS(2, 3);
    PAIRS(4, 5);
    PAIRS(6, 7);
    QUADS(0, 2);
    QUADS(4, 6);
    ADD(0, a, 0x20);
    ADD(1, b, 0x20);
    ADD(2, c, 0x20);
    ADD(3, d, 0x20);
    ADD(4, a, 0x31);
    ADD(5, b, 0x31);
    ADD(6, c, 0x31);
    ADD(7, d, 0x31);
    return sum;
}

FMA static void score_sixteen(size_t dim, const float *query, const float *const *rows,
                              float *scores) {
    static const int32_t edge[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
    const __m256i all = _mm256_set1_epi32(-1);
    __m256 low = _mm256_setzero_ps(), high = _mm256_setzero_ps();
    size_t d = 0;
    for (; d + 8 <= dim; d += 8) {
        low = add_eight(low, query, rows, d, 8, all);
        high = add_eight(high, query, rows + 8, d, 8, all);
    }
    if (d < dim) {
        const __m256i mask =
            _mm256_loadu_si256((const __m256i *)(const void *)(edge + 8 - (dim - d)));
        low = add_eight(low, query, rows, d, dim - d, mask);
        high = add_eight(high, query, rows + 8, d, dim - d, mask);
    }
    _mm256_storeu_ps(scores, low);
    _mm256_storeu_ps(scores + 8, high);
}

FMA void lode__scores_avx2(size_t dim, const float *query, size_t count, const float *const *rows,
                           float *scores) {
    size_t i = 0;
    for (; i + 16 <= count; i += 16)
        score_sixteen(dim, query, rows + i, scores + i);
    if (i == count) return;
    const float *some[16];
    float found[16];
    for (size_t r = 0; r < 16; r++)
        some[r] = rows[LODE_MIN(i + r, count - 1)];
    score_sixteen(dim, query, some, found);
    memcpy(scores + i, found, (count - i) * sizeof *scores);
}

#endif
