/// Dropout with AVX2 and with AVX-512: sixteen Philox blocks at a time, a word of each in a register.
#include "kernel/x86/dropout.h"
#include "kernel/x86/x86.h"

#if LODE_KERNEL_X86
#include <immintrin.h>

#define LODE_AVX2   __attribute__((target("avx2")))
#define LODE_AVX512 __attribute__((target("avx2,avx512f,avx512bw,avx512dq,avx512vl")))

enum { ROUNDS = 10, BLOCKS = 16 };
#define MULTIPLY_0 0xD2511F53U
#define MULTIPLY_2 0xCD9E8D57U
#define KEY_STEP_0 0x9E3779B9U
#define KEY_STEP_1 0xBB67AE85U

// --- AVX2: two halves of eight blocks ---------------------------------------------------------------

/// Lower and upper words of x * factor.
LODE_AVX2 static inline __m256i multiply_avx2(__m256i x, __m256i factor, __m256i *high) {
    const __m256i even = _mm256_mul_epu32(x, factor);
    const __m256i odd = _mm256_mul_epu32(_mm256_srli_epi64(x, 32), factor);
    *high = _mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xAA);
    return _mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0xAA);
}

/// One bit for each of the sixteen halves of x that is >= threshold, lowest first.
LODE_AVX2 static inline uint32_t kept_avx2(__m256i x, __m256i threshold) {
    const __m256i kept = _mm256_cmpeq_epi16(_mm256_max_epu16(x, threshold), x);
    const __m256i bytes = _mm256_packs_epi16(kept, _mm256_setzero_si256());
    const uint32_t bits = (uint32_t)_mm256_movemask_epi8(bytes);
    return (bits & 0xff) | (bits >> 8 & 0xff00);
}

LODE_AVX2 static void noise_eight(const lode_noise *noise, uint32_t first, uint32_t words[4]) {
    const __m256i factor0 = _mm256_set1_epi32((int)MULTIPLY_0);
    const __m256i factor2 = _mm256_set1_epi32((int)MULTIPLY_2);
    __m256i c0 =
        _mm256_add_epi32(_mm256_set1_epi32((int)first), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
    __m256i c1 = _mm256_set1_epi32((int)noise->counter[0]);
    __m256i c2 = _mm256_set1_epi32((int)noise->counter[1]);
    __m256i c3 = _mm256_set1_epi32((int)noise->counter[2]);
    uint32_t k0 = noise->key[0], k1 = noise->key[1];
    for (int round = 0; round < ROUNDS; round++) {
        __m256i high0, high2;
        const __m256i low0 = multiply_avx2(c0, factor0, &high0);
        const __m256i low2 = multiply_avx2(c2, factor2, &high2);
        c0 = _mm256_xor_si256(_mm256_xor_si256(high2, c1), _mm256_set1_epi32((int)k0));
        c2 = _mm256_xor_si256(_mm256_xor_si256(high0, c3), _mm256_set1_epi32((int)k1));
        c1 = low2;
        c3 = low0;
        k0 += KEY_STEP_0;
        k1 += KEY_STEP_1;
    }
    const __m256i threshold = _mm256_set1_epi16((short)noise->threshold);
    words[0] = kept_avx2(c0, threshold);
    words[1] = kept_avx2(c1, threshold);
    words[2] = kept_avx2(c2, threshold);
    words[3] = kept_avx2(c3, threshold);
}

LODE_AVX2 void lode__noise_avx2(size_t n, const lode_noise *noise, uint32_t *keep) {
    for (size_t group = 0; group * LODE_NOISE_GROUP < n; group++) {
        uint32_t low[4], high[4];
        noise_eight(noise, (uint32_t)group * BLOCKS, low);
        noise_eight(noise, (uint32_t)group * BLOCKS + BLOCKS / 2, high);
        for (int w = 0; w < 4; w++)
            keep[4 * group + (size_t)w] = low[w] | high[w] << 16;
    }
}

LODE_AVX2 void lode__keep_f32_avx2(size_t n, const uint32_t *keep, float scale, const float *x,
                                   bool add, float *y) {
    const __m256 factor = _mm256_set1_ps(scale);
    const __m256i bit = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        const __m256i bits = _mm256_set1_epi32((int)(keep[i / 32] >> i % 32));
        const __m256i mask = _mm256_cmpeq_epi32(_mm256_and_si256(bits, bit), bit);
        __m256 value =
            _mm256_and_ps(_mm256_castsi256_ps(mask), _mm256_mul_ps(factor, _mm256_loadu_ps(x + i)));
        if (add) value = _mm256_add_ps(_mm256_loadu_ps(y + i), value);
        _mm256_storeu_ps(y + i, value);
    }
    for (; i < n; i++) {
        const float value = keep[i / 32] >> i % 32 & 1 ? scale * x[i] : 0.0F;
        y[i] = add ? y[i] + value : value;
    }
}

// --- AVX-512 ----------------------------------------------------------------------------------------

LODE_AVX512 static inline __m512i multiply_avx512(__m512i x, __m512i factor, __m512i *high) {
    const __m512i even = _mm512_mul_epu32(x, factor);
    const __m512i odd = _mm512_mul_epu32(_mm512_srli_epi64(x, 32), factor);
    *high = _mm512_mask_mov_epi32(_mm512_srli_epi64(even, 32), 0xAAAA, odd);
    return _mm512_mask_mov_epi32(even, 0xAAAA, _mm512_slli_epi64(odd, 32));
}

LODE_AVX512 void lode__noise_avx512(size_t n, const lode_noise *noise, uint32_t *keep) {
    const __m512i factor0 = _mm512_set1_epi32((int)MULTIPLY_0);
    const __m512i factor2 = _mm512_set1_epi32((int)MULTIPLY_2);
    const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const __m512i threshold = _mm512_set1_epi16((short)noise->threshold);
    for (size_t group = 0; group * LODE_NOISE_GROUP < n; group++) {
        __m512i c0 = _mm512_add_epi32(_mm512_set1_epi32((int)((uint32_t)group * BLOCKS)), lane);
        __m512i c1 = _mm512_set1_epi32((int)noise->counter[0]);
        __m512i c2 = _mm512_set1_epi32((int)noise->counter[1]);
        __m512i c3 = _mm512_set1_epi32((int)noise->counter[2]);
        uint32_t k0 = noise->key[0], k1 = noise->key[1];
        for (int round = 0; round < ROUNDS; round++) {
            __m512i high0, high2;
            const __m512i low0 = multiply_avx512(c0, factor0, &high0);
            const __m512i low2 = multiply_avx512(c2, factor2, &high2);
            c0 = _mm512_ternarylogic_epi32(high2, c1, _mm512_set1_epi32((int)k0), 0x96);
            c2 = _mm512_ternarylogic_epi32(high0, c3, _mm512_set1_epi32((int)k1), 0x96);
            c1 = low2;
            c3 = low0;
            k0 += KEY_STEP_0;
            k1 += KEY_STEP_1;
        }
        keep[4 * group] = _mm512_cmpge_epu16_mask(c0, threshold);
        keep[4 * group + 1] = _mm512_cmpge_epu16_mask(c1, threshold);
        keep[4 * group + 2] = _mm512_cmpge_epu16_mask(c2, threshold);
        keep[4 * group + 3] = _mm512_cmpge_epu16_mask(c3, threshold);
    }
}

LODE_AVX512 void lode__keep_f32_avx512(size_t n, const uint32_t *keep, float scale, const float *x,
                                       bool add, float *y) {
    const __m512 factor = _mm512_set1_ps(scale);
    for (size_t i = 0; i < n; i += 16) {
        const __mmask16 inside = n - i >= 16 ? 0xffff : (__mmask16)((1U << (n - i)) - 1);
        const __mmask16 kept = (__mmask16)(keep[i / 32] >> i % 32) & inside;
        __m512 value = _mm512_maskz_mul_ps(kept, factor, _mm512_maskz_loadu_ps(kept, x + i));
        if (add) value = _mm512_add_ps(_mm512_maskz_loadu_ps(inside, y + i), value);
        _mm512_mask_storeu_ps(y + i, inside, value);
    }
}

LODE_AVX512 static inline __m512 widen_avx512(__mmask16 mask, const lode_bf16 *x) {
    const __m512i wide = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(mask, x));
    return _mm512_castsi512_ps(_mm512_slli_epi32(wide, 16));
}

/// As lode__bf16_narrow.
LODE_AVX512 static inline __m256i narrow_avx512(__m512 x) {
    const __m512i bits = _mm512_castps_si512(x);
    const __m512i upper = _mm512_srli_epi32(bits, 16);
    const __m512i odd = _mm512_and_si512(upper, _mm512_set1_epi32(1));
    const __m512i rounded = _mm512_srli_epi32(
        _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff))), 16);
    const __mmask16 nan = _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q);
    const __m512i quiet = _mm512_or_si512(upper, _mm512_set1_epi32(0x40));
    return _mm512_cvtepi32_epi16(_mm512_mask_mov_epi32(rounded, nan, quiet));
}

LODE_AVX512 void lode__keep_b16_avx512(size_t n, const uint32_t *keep, float scale,
                                       const lode_bf16 *x, bool add, lode_bf16 *y) {
    const __m512 factor = _mm512_set1_ps(scale);
    for (size_t i = 0; i < n; i += 16) {
        const __mmask16 inside = n - i >= 16 ? 0xffff : (__mmask16)((1U << (n - i)) - 1);
        const __mmask16 kept = (__mmask16)(keep[i / 32] >> i % 32) & inside;
        __m512 value = _mm512_maskz_mul_ps(kept, factor, widen_avx512(kept, x + i));
        if (add) value = _mm512_add_ps(widen_avx512(inside, y + i), value);
        _mm256_mask_storeu_epi16(y + i, inside, narrow_avx512(value));
    }
}
#endif
