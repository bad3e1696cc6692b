// Packing for products of bfloat16, by AVX-512, in pairs over k: the packed form of the levels avx512bf16 and amx.
//
// Panel q holds columns 32q .. 32q+31. For each two rows of B, 2p and 2p+1, it has 32 pairs (B[2p][j], B[2p+1][j]),
// 128 bytes, as the dot instructions want them: 16 such rows are also what two tiles of AMX load. Rows past k, up to
// a multiple of DEPTH, and columns past n are zero. The including file defines LODE_TARGET, LODE_INLINE and DEPTH.

enum { PANEL = 32 };

typedef __m512i bits;

LODE_INLINE size_t up(size_t n, size_t multiple) {
    return (n + multiple - 1) / multiple * multiple;
}

LODE_INLINE __mmask16 first16(size_t count) {
    return count >= 16 ? 0xffff : (__mmask16)((1u << count) - 1);
}

LODE_INLINE __mmask32 first32(size_t count) {
    return count >= 32 ? 0xffffffff : (__mmask32)((1u << count) - 1);
}

/// 32 columns of two rows as 32 pairs. `second` may be NULL: zeros.
LODE_INLINE void put_pairs(const lode_bf16 *first, const lode_bf16 *second, __mmask32 mask,
                           lode_bf16 *to) {
    const bits low = _mm512_set_epi64(0x002f000f002e000e, 0x002d000d002c000c, 0x002b000b002a000a,
                                      0x0029000900280008, 0x0027000700260006, 0x0025000500240004,
                                      0x0023000300220002, 0x0021000100200000);
    const bits half = _mm512_set1_epi16(16);
    const bits x = _mm512_maskz_loadu_epi16(mask, first);
    const bits y = second != NULL ? _mm512_maskz_loadu_epi16(mask, second) : _mm512_setzero_si512();
    _mm512_storeu_si512(to, _mm512_permutex2var_epi16(x, low, y));
    _mm512_storeu_si512(to + 32, _mm512_permutex2var_epi16(x, _mm512_add_epi16(low, half), y));
}

/// Pack k rows of up to 32 stored columns.
LODE_TARGET static void pack_rows(size_t k, size_t n, const lode_bf16 *b, size_t row,
                                  lode_bf16 *packed) {
    const __mmask32 mask = first32(n);
    size_t p = 0;
    for (; p + 2 <= k; p += 2, packed += 2 * PANEL) {
        put_pairs(b + p * row, b + (p + 1) * row, mask, packed);
    }
    if (p < k) {
        put_pairs(b + p * row, NULL, mask, packed);
        packed += 2 * PANEL;
        p += 2;
    }
    if (p < up(k, DEPTH)) memset(packed, 0, (up(k, DEPTH) - p) * PANEL * sizeof *packed);
}

/// Transpose 16 x 16 numbers of 32 bits.
LODE_INLINE void transpose16(bits *r) {
    bits t[16];
    for (size_t i = 0; i < 16; i += 4) {
        const bits a = _mm512_unpacklo_epi32(r[i], r[i + 1]),
                   b = _mm512_unpackhi_epi32(r[i], r[i + 1]);
        const bits c = _mm512_unpacklo_epi32(r[i + 2], r[i + 3]),
                   d = _mm512_unpackhi_epi32(r[i + 2], r[i + 3]);
        t[i] = _mm512_unpacklo_epi64(a, c);
        t[i + 1] = _mm512_unpackhi_epi64(a, c);
        t[i + 2] = _mm512_unpacklo_epi64(b, d);
        t[i + 3] = _mm512_unpackhi_epi64(b, d);
    }
    for (size_t i = 0; i < 4; i++) {
        const bits a = _mm512_shuffle_i32x4(t[i], t[i + 4], 0x88),
                   b = _mm512_shuffle_i32x4(t[i], t[i + 4], 0xdd);
        const bits c = _mm512_shuffle_i32x4(t[i + 8], t[i + 12], 0x88);
        const bits d = _mm512_shuffle_i32x4(t[i + 8], t[i + 12], 0xdd);
        r[i] = _mm512_shuffle_i32x4(a, c, 0x88);
        r[i + 4] = _mm512_shuffle_i32x4(b, d, 0x88);
        r[i + 8] = _mm512_shuffle_i32x4(a, c, 0xdd);
        r[i + 12] = _mm512_shuffle_i32x4(b, d, 0xdd);
    }
}

/// Pack k rows of up to 32 stored columns that are contiguous in memory.
LODE_TARGET static void pack_columns(size_t k, size_t n, const lode_bf16 *b, size_t column,
                                     lode_bf16 *packed) {
    for (size_t p = 0; p < up(k, DEPTH); p += 32) {
        const __mmask32 mask = p < k ? first32(k - p) : 0;
        const size_t pairs = LODE_MIN((up(k, DEPTH) - p) / 2, 16);
        for (size_t half = 0; half < PANEL; half += 16) {
            bits r[16];
            for (size_t j = 0; j < 16; j++) {
                const bool there = half + j < n && p < k;
                r[j] = _mm512_maskz_loadu_epi16(there ? mask : 0,
                                                there ? b + (half + j) * column + p : b);
            }
            transpose16(r);
            for (size_t q = 0; q < 16; q++) {
                if (q < pairs)
                    _mm512_storeu_si512(packed + (p / 2 + q) * 2 * PANEL + 2 * half, r[q]);
            }
        }
    }
}

LODE_TARGET static void pack_stored(size_t k, size_t n, const lode_bf16 *b, size_t row,
                                    size_t column, lode_bf16 *packed) {
    const size_t depth = up(k, DEPTH);
    for (size_t first = 0; first < n; first += PANEL, packed += depth * PANEL) {
        const size_t width = LODE_MIN(n - first, (size_t)PANEL);
        const lode_bf16 *from = b + first * column;
        if (column == 1) {
            pack_rows(k, width, from, row, packed);
        } else if (row == 1) {
            pack_columns(k, width, from, column, packed);
        } else {
            for (size_t at = 0; at < depth * PANEL; at++) {
                const size_t p = at / (2 * PANEL) * 2 + at % 2, j = at / 2 % PANEL;
                packed[at] = p < k && j < width ? from[p * row + j * column] : 0;
            }
        }
    }
}

/// Sixteen numbers rounded to bfloat16 (denormal ones become zero).
LODE_INLINE __m256i narrow16(__m512 x) {
    return (__m256i)_mm512_cvtneps_pbh(x);
}

LODE_INLINE __m512 widen16(__m256i x) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(x), 16));
}

/// Pack float weights: a few rows or columns at a time are rounded first.
LODE_TARGET static void pack(size_t k, size_t n, const float *b, size_t row, size_t column,
                             lode_bf16 *packed) {
    lode_bf16 rounded[32 * PANEL];
    const size_t depth = up(k, DEPTH);
    for (size_t first = 0; first < n; first += PANEL) {
        const size_t width = LODE_MIN(n - first, (size_t)PANEL);
        for (size_t p = 0; p < k; p += 32) {
            const size_t rows = LODE_MIN(k - p, 32);
            const float *from = b + p * row + first * column;
            if (row != 1 && column != 1) {
                for (size_t at = 0; at < rows * width; at++) {
                    rounded[at / width * PANEL + at % width] =
                        lode__bf16_narrow(from[at / width * row + at % width * column]);
                }
            }
            const bool turned = row == 1 && column != 1;
            const size_t lines = turned ? width : rows, length = turned ? rows : width;
            for (size_t i = 0; (row == 1 || column == 1) && i < lines; i++) {
                const float *line = from + i * (turned ? column : row);
                for (size_t j = 0; j < length; j += 16) {
                    const __m512 x = _mm512_maskz_loadu_ps(first16(length - j), line + j);
                    _mm256_storeu_si256((__m256i *)(void *)(rounded + i * PANEL + j), narrow16(x));
                }
            }
            lode_bf16 *to = packed + first * depth + p * PANEL;
            if (turned) {
                pack_columns(rows, width, rounded, PANEL, to);
            } else {
                pack_rows(rows, width, rounded, PANEL, to);
            }
        }
    }
}

/// Where sums start or end: floats or stored numbers, rows `row` elements apart.
typedef struct place {
    float *wide;
    lode_bf16 *stored;
    size_t row;
    bool padded; // there is room for whole tiles
} place;

LODE_INLINE place own_place(const struct lode_gemm_b16 *g, size_t i, size_t j) {
    const size_t c = i * g->c_row + j;
    return (place){g->wide != NULL ? g->wide + c : NULL, g->wide != NULL ? NULL : g->c + c,
                   g->c_row, false};
}

LODE_INLINE __m512 load_stored(__mmask16 mask, const lode_bf16 *p) {
    return widen16(_mm256_maskz_loadu_epi16(mask, p));
}

LODE_INLINE void store_stored(lode_bf16 *p, __mmask16 mask, __m512 x) {
    _mm256_mask_storeu_epi16(p, mask, narrow16(x));
}

LODE_INLINE __m512 load_place(const place *from, size_t i, size_t j, __mmask16 mask) {
    const size_t at = i * from->row + j;
    return from->wide != NULL ? _mm512_maskz_loadu_ps(mask, from->wide + at)
                              : load_stored(mask, from->stored + at);
}

LODE_INLINE void store_place(const place *to, size_t i, size_t j, __mmask16 mask, __m512 x) {
    const size_t at = i * to->row + j;
    if (to->wide != NULL) {
        _mm512_mask_storeu_ps(to->wide + at, mask, x);
    } else {
        store_stored(to->stored + at, mask, x);
    }
}

/// Add the bias to sums[rows, PANEL], apply the activation, store. tanh is that of the float kernels, whose product
/// over no k does the rest of the work as well.
LODE_TARGET static void finish(float *sums, size_t rows, size_t n, const float *bias,
                               lode_activation activation, const place *to) {
    if (activation == LODE_TANH) {
        const struct lode_gemm_f32 last = {.m = rows,
                                           .n = n,
                                           .a = sums,
                                           .b = sums,
                                           .c = sums,
                                           .c_row = PANEL,
                                           .accumulate = true,
                                           .bias = bias,
                                           .activation = LODE_TANH};
        lode__kernels_avx512.gemm(&last);
        bias = NULL;
    }
    const __m512 least = _mm512_set1_ps(activation == LODE_RELU ? 0 : -INFINITY);
    for (size_t j = 0; j < n; j += 16) {
        const __mmask16 mask = first16(n - j);
        const __m512 more =
            bias != NULL ? _mm512_maskz_loadu_ps(mask, bias + j) : _mm512_setzero_ps();
        for (size_t i = 0; i < rows; i++) {
            __m512 x = _mm512_loadu_ps(sums + i * PANEL + j);
            if (bias != NULL || activation == LODE_RELU)
                x = _mm512_max_ps(least, _mm512_add_ps(x, more));
            store_place(to, i, j, mask, x);
        }
    }
}
