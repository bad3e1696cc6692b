/// The AVX2 + FMA level: eight lanes, product tiles of 6 x 16.
///
/// This file gives the bodies their alphabet: a vector type and a dozen operations on it. What is
/// done with them is written once, in body_*.h, and compiled here and in avx512.c.
#include "kernel/x86/x86.h"

#if LODE_KERNEL_X86
#include <immintrin.h>

#define LODE_TARGET __attribute__((target("avx2,fma,popcnt")))
#define LODE_INLINE static inline __attribute__((always_inline, target("avx2,fma,popcnt")))

typedef __m256 vec;
typedef __m256i lanes; // all bits set in the lanes that are meant

enum { LANES = 8, TILE_ROWS = 6 };
#define LODE_TILE_LIST(X) X(1) X(2) X(3) X(4) X(5) X(6)

LODE_INLINE lanes lanes_first(size_t count) {
    static const int32_t edge[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
    return _mm256_loadu_si256((const __m256i *)(const void *)(edge + 8 - count));
}

/// Lane i where bit i is set.
LODE_INLINE lanes lanes_of(uint32_t bits) {
    const __m256i bit = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
    return _mm256_cmpeq_epi32(_mm256_and_si256(_mm256_set1_epi32((int)bits), bit), bit);
}

LODE_INLINE vec v_set(float x) {
    return _mm256_set1_ps(x);
}

LODE_INLINE vec v_load(const float *p) {
    return _mm256_loadu_ps(p);
}

LODE_INLINE vec v_load_lanes(lanes mask, const float *p) {
    return _mm256_maskload_ps(p, mask);
}

LODE_INLINE void v_store(float *p, vec x) {
    _mm256_storeu_ps(p, x);
}

LODE_INLINE void v_store_lanes(lanes mask, float *p, vec x) {
    _mm256_maskstore_ps(p, mask, x);
}

LODE_INLINE vec v_add(vec x, vec y) {
    return _mm256_add_ps(x, y);
}

LODE_INLINE vec v_sub(vec x, vec y) {
    return _mm256_sub_ps(x, y);
}

LODE_INLINE vec v_mul(vec x, vec y) {
    return _mm256_mul_ps(x, y);
}

LODE_INLINE vec v_div(vec x, vec y) {
    return _mm256_div_ps(x, y);
}

LODE_INLINE vec v_sqrt(vec x) {
    return _mm256_sqrt_ps(x);
}

/// x * y + z in one rounding.
LODE_INLINE vec v_fma(vec x, vec y, vec z) {
    return _mm256_fmadd_ps(x, y, z);
}

/// x * y - z in one rounding.
LODE_INLINE vec v_fms(vec x, vec y, vec z) {
    return _mm256_fmsub_ps(x, y, z);
}

/// z - x * y in one rounding.
LODE_INLINE vec v_fnma(vec x, vec y, vec z) {
    return _mm256_fnmadd_ps(x, y, z);
}

/// The larger (smaller) one; y where either is NaN.
LODE_INLINE vec v_max(vec x, vec y) {
    return _mm256_max_ps(x, y);
}

LODE_INLINE vec v_min(vec x, vec y) {
    return _mm256_min_ps(x, y);
}

/// Lanes where x <= y (x > y); false where either is NaN.
LODE_INLINE lanes v_at_most(vec x, vec y) {
    return _mm256_castps_si256(_mm256_cmp_ps(x, y, _CMP_LE_OQ));
}

LODE_INLINE uint32_t v_above_bits(vec x, vec y) {
    return (uint32_t)_mm256_movemask_ps(_mm256_cmp_ps(x, y, _CMP_GT_OQ));
}

LODE_INLINE bool v_has_nan(vec x) {
    return _mm256_movemask_ps(_mm256_cmp_ps(x, x, _CMP_UNORD_Q)) != 0;
}

LODE_INLINE vec v_select(lanes mask, vec yes, vec no) {
    return _mm256_blendv_ps(no, yes, _mm256_castsi256_ps(mask));
}

LODE_INLINE vec v_absolute(vec x) {
    return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), x);
}

/// |x| with the sign of y.
LODE_INLINE vec v_signed(vec x, vec y) {
    const vec sign = _mm256_set1_ps(-0.0f);
    return _mm256_or_ps(_mm256_andnot_ps(sign, x), _mm256_and_ps(sign, y));
}

LODE_INLINE vec v_round(vec x) {
    return _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

/// x * 2^n for whole n in -151..129, in two steps, so that 2^n itself may be out of range.
LODE_INLINE vec v_scale(vec x, vec n) {
    const __m256i whole = _mm256_cvtps_epi32(n);
    const __m256i half = _mm256_srai_epi32(whole, 1);
    const __m256i rest = _mm256_sub_epi32(whole, half);
    const __m256i bias = _mm256_set1_epi32(127);
    const __m256i first = _mm256_slli_epi32(_mm256_add_epi32(half, bias), 23);
    const __m256i second = _mm256_slli_epi32(_mm256_add_epi32(rest, bias), 23);
    return _mm256_mul_ps(_mm256_mul_ps(x, _mm256_castsi256_ps(first)), _mm256_castsi256_ps(second));
}

/// x * 2^n for x in 0.5 .. 2 and whole n in -125..126.
LODE_INLINE vec v_scale_normal(vec x, vec n) {
    const __m256i power = _mm256_slli_epi32(_mm256_cvtps_epi32(n), 23);
    return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(x), power));
}

/// x = mantissa * 2^exponent with a mantissa in 1 .. 2, for normal positive x.
LODE_INLINE vec v_exponent(vec x) {
    const __m256i biased = _mm256_srli_epi32(_mm256_castps_si256(x), 23);
    return _mm256_cvtepi32_ps(_mm256_sub_epi32(biased, _mm256_set1_epi32(127)));
}

LODE_INLINE vec v_mantissa(vec x) {
    const __m256 digits = _mm256_and_ps(x, _mm256_castsi256_ps(_mm256_set1_epi32(0x7fffff)));
    return _mm256_or_ps(digits, _mm256_set1_ps(1));
}

/// p * 2^n, where the low bits of t hold n (t = 1.5 * 2^23 + n) and 2^n and the result are normal.
LODE_INLINE vec v_power(vec p, vec t) {
    const __m256i n = _mm256_slli_epi32(_mm256_castps_si256(t), 23);
    return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(p), n));
}

/// y, but 0 where x < limit; NaN is not less.
LODE_INLINE vec v_unless_below(vec x, vec limit, vec y) {
    return _mm256_and_ps(_mm256_cmp_ps(x, limit, _CMP_NLT_UQ), y);
}

LODE_INLINE float v_sum(vec x) {
    __m128 half = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    half = _mm_add_ps(half, _mm_movehl_ps(half, half));
    return _mm_cvtss_f32(_mm_add_ss(half, _mm_movehdup_ps(half)));
}

LODE_INLINE float v_largest(vec x) {
    __m128 half = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    half = _mm_max_ps(half, _mm_movehl_ps(half, half));
    return _mm_cvtss_f32(_mm_max_ss(half, _mm_movehdup_ps(half)));
}

/// Write `first + i` for every bit i of `bits`; all of index[0 .. LANES-1] may be overwritten.
LODE_INLINE void v_put_indices(uint32_t *index, uint32_t first, uint32_t bits) {
    for (; bits != 0; bits &= bits - 1) {
        *index++ = first + (uint32_t)__builtin_ctz(bits);
    }
}

#ifdef LODE_STORED_BF16
LODE_INLINE vec v_widen(const lode_bf16 *p) {
    const __m128i half = _mm_loadu_si128((const __m128i *)(const void *)p);
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(half), 16));
}

LODE_INLINE vec v_widen_lanes(size_t count, const lode_bf16 *p) {
    lode_bf16 edge[8] = {0};
    for (size_t i = 0; i < count; i++)
        edge[i] = p[i];
    return v_widen(edge);
}

LODE_INLINE void v_narrow(lode_bf16 *p, vec x) {
    const __m256i bits = _mm256_castps_si256(x);
    const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    const __m256i up = _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
    const __m256i quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x400000));
    const __m256 nan = _mm256_cmp_ps(x, x, _CMP_UNORD_Q);
    const vec kept = _mm256_blendv_ps(_mm256_castsi256_ps(up), _mm256_castsi256_ps(quiet), nan);
    const __m256i half = _mm256_srli_epi32(_mm256_castps_si256(kept), 16);
    const __m256i packed = _mm256_permute4x64_epi64(_mm256_packus_epi32(half, half), 0x08);
    _mm_storeu_si128((__m128i *)(void *)p, _mm256_castsi256_si128(packed));
}

LODE_INLINE void v_narrow_lanes(size_t count, lode_bf16 *p, vec x) {
    lode_bf16 edge[8];
    v_narrow(edge, x);
    for (size_t i = 0; i < count; i++)
        p[i] = edge[i];
}
#endif

#ifdef LODE_STORED_BF16
#define LODE_TABLE lode__kernels_avx2_b16
#else
#define LODE_TABLE lode__kernels_avx2
#endif
#define LODE_LEVEL "avx2"
#include "kernel/x86/body_vector.h"

#include "kernel/x86/body_product.h"

#ifdef LODE_STORED_BF16
#include "kernel/x86/body_widened.h"
#endif

#include "kernel/x86/body_attention.h"

#include "kernel/x86/body_contrast.h"

#include "kernel/x86/body_table.h"
#endif
