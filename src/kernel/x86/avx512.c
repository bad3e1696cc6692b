/// The AVX-512 level (F, BW, DQ, VL): sixteen lanes, product tiles of 14 x 32.
///
/// The same alphabet as in avx2.c, for the same bodies.
#include "kernel/x86/x86.h"

#if LODE_KERNEL_X86
#include <immintrin.h>

#ifdef LODE_NARROWING
#define LODE_FEATURES "avx2,fma,popcnt,avx512f,avx512bw,avx512dq,avx512vl,avx512bf16"
#else
#define LODE_FEATURES "avx2,fma,popcnt,avx512f,avx512bw,avx512dq,avx512vl"
#endif
#define LODE_TARGET __attribute__((target(LODE_FEATURES)))
#define LODE_INLINE static inline __attribute__((always_inline, target(LODE_FEATURES)))

typedef __m512 vec;
typedef __mmask16 lanes;

enum { LANES = 16, TILE_ROWS = 14 };
#define LODE_TILE_LIST(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14)

LODE_INLINE lanes lanes_first(size_t count) {
    return (lanes)((1u << count) - 1);
}

/// Lane i where bit i is set.
LODE_INLINE lanes lanes_of(uint32_t bits) {
    return (lanes)(bits & 0xffff);
}

LODE_INLINE vec v_set(float x) {
    return _mm512_set1_ps(x);
}

LODE_INLINE vec v_load(const float *p) {
    return _mm512_loadu_ps(p);
}

LODE_INLINE vec v_load_lanes(lanes mask, const float *p) {
    return _mm512_maskz_loadu_ps(mask, p);
}

LODE_INLINE void v_store(float *p, vec x) {
    _mm512_storeu_ps(p, x);
}

LODE_INLINE void v_store_lanes(lanes mask, float *p, vec x) {
    _mm512_mask_storeu_ps(p, mask, x);
}

LODE_INLINE vec v_add(vec x, vec y) {
    return _mm512_add_ps(x, y);
}

LODE_INLINE vec v_sub(vec x, vec y) {
    return _mm512_sub_ps(x, y);
}

LODE_INLINE vec v_mul(vec x, vec y) {
    return _mm512_mul_ps(x, y);
}

LODE_INLINE vec v_div(vec x, vec y) {
    return _mm512_div_ps(x, y);
}

LODE_INLINE vec v_sqrt(vec x) {
    return _mm512_sqrt_ps(x);
}

/// x * y + z in one rounding.
LODE_INLINE vec v_fma(vec x, vec y, vec z) {
    return _mm512_fmadd_ps(x, y, z);
}

/// x * y - z in one rounding.
LODE_INLINE vec v_fms(vec x, vec y, vec z) {
    return _mm512_fmsub_ps(x, y, z);
}

/// z - x * y in one rounding.
LODE_INLINE vec v_fnma(vec x, vec y, vec z) {
    return _mm512_fnmadd_ps(x, y, z);
}

/// The larger (smaller) one; y where either is NaN.
LODE_INLINE vec v_max(vec x, vec y) {
    return _mm512_max_ps(x, y);
}

LODE_INLINE vec v_min(vec x, vec y) {
    return _mm512_min_ps(x, y);
}

/// Lanes where x <= y (x > y); false where either is NaN.
LODE_INLINE lanes v_at_most(vec x, vec y) {
    return _mm512_cmp_ps_mask(x, y, _CMP_LE_OQ);
}

LODE_INLINE uint32_t v_above_bits(vec x, vec y) {
    return _mm512_cmp_ps_mask(x, y, _CMP_GT_OQ);
}

LODE_INLINE bool v_has_nan(vec x) {
    return _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q) != 0;
}

LODE_INLINE vec v_select(lanes mask, vec yes, vec no) {
    return _mm512_mask_blend_ps(mask, no, yes);
}

LODE_INLINE vec v_absolute(vec x) {
    return _mm512_andnot_ps(_mm512_set1_ps(-0.0f), x);
}

/// |x| with the sign of y.
LODE_INLINE vec v_signed(vec x, vec y) {
    const vec sign = _mm512_set1_ps(-0.0f);
    return _mm512_or_ps(_mm512_andnot_ps(sign, x), _mm512_and_ps(sign, y));
}

LODE_INLINE vec v_round(vec x) {
    return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

/// x * 2^n for whole n.
LODE_INLINE vec v_scale(vec x, vec n) {
    return _mm512_scalef_ps(x, n);
}

/// x * 2^n for x in 0.5 .. 2 and whole n in -125..126.
LODE_INLINE vec v_scale_normal(vec x, vec n) {
    return _mm512_scalef_ps(x, n);
}

/// x = mantissa * 2^exponent with a mantissa in 1 .. 2, for normal positive x.
LODE_INLINE vec v_exponent(vec x) {
    return _mm512_getexp_ps(x);
}

LODE_INLINE vec v_mantissa(vec x) {
    return _mm512_getmant_ps(x, _MM_MANT_NORM_1_2, _MM_MANT_SIGN_zero);
}

/// p * 2^n, where the low bits of t hold n (t = 1.5 * 2^23 + n) and 2^n and the result are normal.
LODE_INLINE vec v_power(vec p, vec t) {
    const __m512i n = _mm512_slli_epi32(_mm512_castps_si512(t), 23);
    return _mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(p), n));
}

/// y, but 0 where x < limit; NaN is not less.
LODE_INLINE vec v_unless_below(vec x, vec limit, vec y) {
    return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(x, limit, _CMP_NLT_UQ), y);
}

LODE_INLINE __m256 v_upper(vec x) {
    return _mm512_extractf32x8_ps(x, 1);
}

LODE_INLINE float v_sum(vec x) {
    const __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(x), v_upper(x));
    __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    four = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(four, _mm_movehdup_ps(four)));
}

LODE_INLINE float v_largest(vec x) {
    const __m256 eight = _mm256_max_ps(_mm512_castps512_ps256(x), v_upper(x));
    __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    four = _mm_max_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_max_ss(four, _mm_movehdup_ps(four)));
}

/// Write `first + i` for every bit i of `bits`; all of index[0 .. LANES-1] may be overwritten.
/// Compressed in a register: compressing stores are microcoded on some CPUs.
LODE_INLINE void v_put_indices(uint32_t *index, uint32_t first, uint32_t bits) {
    const __m512i step = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const __m512i all = _mm512_add_epi32(step, _mm512_set1_epi32((int)first));
    _mm512_storeu_si512(index, _mm512_maskz_compress_epi32((__mmask16)bits, all));
}

#ifdef LODE_STORED_BF16
LODE_INLINE vec v_widen_half(__m256i half) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16));
}

LODE_INLINE vec v_widen(const lode_bf16 *p) {
    return v_widen_half(_mm256_loadu_si256((const __m256i *)(const void *)p));
}

LODE_INLINE vec v_widen_lanes(size_t count, const lode_bf16 *p) {
    return v_widen_half(_mm256_maskz_loadu_epi16(lanes_first(count), p));
}

LODE_INLINE __m256i v_narrow_half(vec x) {
#ifdef LODE_NARROWING
    return (__m256i)_mm512_cvtneps_pbh(x);
#else
    const __m512i bits = _mm512_castps_si512(x);
    const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    const __m512i up = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
    const __m512i quiet = _mm512_or_si512(bits, _mm512_set1_epi32(0x400000));
    const __mmask16 nan = _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q);
    const __m512i kept = _mm512_mask_blend_epi32(nan, up, quiet);
    return _mm512_cvtepi32_epi16(_mm512_srli_epi32(kept, 16));
#endif
}

LODE_INLINE void v_narrow(lode_bf16 *p, vec x) {
    _mm256_storeu_si256((__m256i *)(void *)p, v_narrow_half(x));
}

LODE_INLINE void v_narrow_lanes(size_t count, lode_bf16 *p, vec x) {
    _mm256_mask_storeu_epi16(p, lanes_first(count), v_narrow_half(x));
}
#endif

#ifdef LODE_NARROWING
#define LODE_TABLE lode__kernels_avx512bf16
#define LODE_LEVEL "avx512bf16"
#else
#ifdef LODE_STORED_BF16
#define LODE_TABLE lode__kernels_avx512_b16
#else
#define LODE_TABLE lode__kernels_avx512
#endif
#define LODE_LEVEL "avx512"
#endif
#include "kernel/x86/body_vector.h"

#include "kernel/x86/body_product.h"

#ifdef LODE_STORED_BF16
#include "kernel/x86/body_widened.h"
#endif

#include "kernel/x86/body_attention.h"

#include "kernel/x86/body_contrast.h"

#include "kernel/x86/body_table.h"
#endif
