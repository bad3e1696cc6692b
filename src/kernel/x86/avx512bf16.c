/// Products of bfloat16 by the dot instruction of AVX512_BF16 (Zen 4 and 5, Cooper Lake): two multiply-adds a lane.
///
/// A tile of C, at most 14 rows x 2 vectors of float, stays in registers while k runs two at a time: every element is
/// one chain of dots over the pairs of k in increasing order, from packed B (body_pairs.h). The pairs of A are 32 bits
/// of a row as it lies in memory, or are packed first: rows that crowd few cache sets, and columns (a weight's
/// gradient: X'dY). Where anything is packed, k is cut into blocks and the chain goes on through a float: C's own, or
/// one in scratch if C is stored rounded. So the bits do not depend on how C is cut. An odd last k is a pair with zero.
///
/// The instruction takes denormal numbers for zeros, and so does the rounding of C.
#include "kernel/x86/x86.h"

#if LODE_KERNEL_X86
#include <immintrin.h>
#include <math.h>

#define LODE_FEATURES "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl,avx512bf16"
#define LODE_TARGET   __attribute__((target(LODE_FEATURES)))
#define LODE_INLINE   static inline __attribute__((always_inline, target(LODE_FEATURES)))

enum { DEPTH = 2 };
#include "kernel/x86/body_pairs.h"

enum {
    TILE_ROWS = 14,
    BLOCK_K = 512,        // k of one block where something is packed
    BLOCK_COLUMNS = 128,  // of plain B in one block
    BLOCK_B = 256 * 1024, // bytes of packed B in one block of columns
    BLOCK_C = 32 * 1024,  // elements of C in one block where k has several
    CROWDED = 1024,       // rows of A a multiple of 2 KiB apart meet in few cache sets
    COPIED_STEP = BLOCK_K + 32,
    LINE = 32, // elements of a line of the caches
    // scratch, in floats: partial sums, packed A (one tile; copied rows), packed B
    PARTIAL = 126 * BLOCK_COLUMNS,
    PACKED_A = PARTIAL,
    PACKED_B = LODE_GEMM_SCRATCH - BLOCK_K * BLOCK_COLUMNS / 2,
};
_Static_assert(PACKED_A + TILE_ROWS * COPIED_STEP / 2 + TILE_ROWS * PANEL <= PACKED_B, "scratch");

typedef struct pair_task {
    size_t k; // packed A and B have zeros up to an even one
    const lode_bf16 *a;
    size_t a_step; // from row to row; packed: 2 * rows of the tile
    const lode_bf16 *b;
    size_t n;        // columns, 1 .. PANEL
    bool accumulate; // start at `from` instead of at 0
    place from, to;
    const float *bias; // added at the end, or NULL
    bool relu;
    const lode_bf16 *next; // what to prefetch while k runs, a line a step, in rows of `lines` lines
    size_t lines, next_row; // lines 0: nothing
} pair_task;

#define LODE_TILE_EACH_ROW(X)                                                                      \
    X(0, 0, 0)                                                                                     \
    X(1, 0, 1)                                                                                     \
    X(2, 0, 2)                                                                                     \
    X(3, 3, 0)                                                                                     \
    X(4, 3, 1)                                                                                     \
    X(5, 3, 2)                                                                                     \
    X(6, 6, 0) X(7, 6, 1) X(8, 6, 2) X(9, 9, 0) X(10, 9, 1) X(11, 9, 2) X(12, 12, 0) X(13, 12, 1)

/// Two neighbours of a row in each lane; `odd`: the last of the row and zero.
LODE_INLINE __m512bh pair_of(const lode_bf16 *a, bool odd) {
    uint32_t pair = *a;
    if (!odd) memcpy(&pair, a, sizeof pair);
    return (__m512bh)_mm512_set1_epi32((int)pair);
}

LODE_INLINE __m512 dot(__m512 sum, __m512bh a, __m512bh b) {
    return _mm512_dpbf16_ps(sum, a, b);
}

/// Row i of a tile: x and, the last, masked vector, y.
LODE_INLINE void load(__m512 *x, __m512 *y, const place *from, size_t i, size_t vectors,
                      __mmask16 mask, bool wide) {
    const size_t at = i * from->row, last = at + (vectors - 1) * 16;
    if (vectors > 1) {
        *x = wide ? _mm512_loadu_ps(from->wide + at) : load_stored(0xffff, from->stored + at);
    }
    *y = wide ? _mm512_maskz_loadu_ps(mask, from->wide + last)
              : load_stored(mask, from->stored + last);
}

LODE_INLINE void store(__m512 x, __m512 y, const place *to, size_t i, size_t vectors,
                       __mmask16 mask, bool wide) {
    const size_t at = i * to->row, last = at + (vectors - 1) * 16;
    if (wide) {
        if (vectors > 1) _mm512_storeu_ps(to->wide + at, x);
        _mm512_mask_storeu_ps(to->wide + last, mask, y);
    } else if (mask == 0xffff && vectors > 1) {
        _mm512_storeu_si512(to->stored + at, (bits)_mm512_cvtne2ps_pbh(y, x));
    } else {
        if (vectors > 1) store_stored(to->stored + at, 0xffff, x);
        store_stored(to->stored + last, mask, y);
    }
}

LODE_INLINE void fetch(const place *to, size_t i) {
    if (to->wide == NULL) {
        __builtin_prefetch(to->stored + i * to->row, 1);
    } else {
        __builtin_prefetch(to->wide + i * to->row, 1);
        __builtin_prefetch(to->wide + i * to->row + 16, 1);
    }
}

LODE_INLINE void tile(const pair_task *t, const size_t rows, const size_t vectors, const bool full,
                      const bool packed) {
    const __mmask16 last_mask = full ? 0xffff : first16(t->n - (vectors - 1) * 16);
    const size_t last = (vectors - 1) * 16, a_step = t->a_step;

#define DECLARE(i, base, offset) __m512 x##i = _mm512_setzero_ps(), y##i = _mm512_setzero_ps();
    LODE_TILE_EACH_ROW(DECLARE)
#undef DECLARE

#define LOAD_WIDE(i, base, offset)                                                                 \
    if (rows > i) load(&x##i, &y##i, &t->from, i, vectors, last_mask, true);
#define LOAD_STORED(i, base, offset)                                                               \
    if (rows > i) load(&x##i, &y##i, &t->from, i, vectors, last_mask, false);
#define FETCH(i, base, offset)                                                                     \
    if (rows > i) fetch(&t->to, i);
    if (!t->accumulate) {
        LODE_TILE_EACH_ROW(FETCH)
    } else if (t->from.wide != NULL) {
        LODE_TILE_EACH_ROW(LOAD_WIDE)
    } else {
        LODE_TILE_EACH_ROW(LOAD_STORED)
    }
#undef LOAD_WIDE
#undef LOAD_STORED
#undef FETCH

    const lode_bf16 *b = t->b;
    const lode_bf16 *a0 = t->a, *a3 = a0 + 3 * a_step, *a6 = a3 + 3 * a_step;
    const lode_bf16 *a9 = a6 + 3 * a_step, *a12 = a9 + 3 * a_step;
#define STEP(i, odd, base, offset)                                                                 \
    if (rows > i) {                                                                                \
        const __m512bh a =                                                                         \
            packed ? pair_of(a0 + 2 * i, false) : pair_of(a##base + offset * a_step, odd);         \
        if (vectors > 1) x##i = dot(x##i, a, first);                                               \
        y##i = dot(y##i, a, second);                                                               \
    }
#define EVEN(i, base, offset) STEP(i, false, base, offset)
#define ODD(i, base, offset)  STEP(i, true, base, offset)
    const size_t pairs = packed ? (t->k + 1) / 2 : t->k / 2;
    const size_t lines = t->lines > 0 ? t->lines : pairs;
    const size_t next_step = t->lines > 0 ? LINE * sizeof *b : 0;
    const size_t next_jump = t->lines > 0 ? (t->next_row - t->lines * LINE) * sizeof *b : 0;
    uintptr_t next = (uintptr_t)(t->lines > 0 ? t->next : t->b);
    for (size_t left = pairs; left > 0; next += next_jump) {
        const size_t steps = LODE_MIN(left, lines);
        left -= steps;
        for (size_t p = steps; p > 0; p--) {
            const __m512bh first = (__m512bh)_mm512_loadu_si512(b);
            const __m512bh second = (__m512bh)_mm512_loadu_si512(b + 2 * last);
            b += 2 * PANEL;
            __builtin_prefetch((const void *)next);
            next += next_step;
            LODE_TILE_EACH_ROW(EVEN)
            if (packed) {
                a0 += a_step;
            } else {
                a0 += 2, a3 += 2, a6 += 2, a9 += 2, a12 += 2;
            }
        }
    }
    if (!packed && t->k % 2 != 0) {
        const __m512bh first = (__m512bh)_mm512_loadu_si512(b);
        const __m512bh second = (__m512bh)_mm512_loadu_si512(b + 2 * last);
        LODE_TILE_EACH_ROW(ODD)
    }
#undef EVEN
#undef ODD
#undef STEP

    // the larger of a number and NaN, given second, is NaN
    const __m512 least = _mm512_set1_ps(t->relu ? 0 : -INFINITY);
    __m512 first_bias = _mm512_setzero_ps(), last_bias = first_bias;
    if (t->bias != NULL) {
        if (vectors > 1) first_bias = _mm512_loadu_ps(t->bias);
        last_bias = _mm512_maskz_loadu_ps(last_mask, t->bias + last);
    }
#define FINISH(i, base, offset)                                                                    \
    x##i = _mm512_max_ps(least, _mm512_add_ps(x##i, first_bias));                                  \
    y##i = _mm512_max_ps(least, _mm512_add_ps(y##i, last_bias));
#define STORE_WIDE(i, base, offset)                                                                \
    if (rows > i) store(x##i, y##i, &t->to, i, vectors, last_mask, true);
#define STORE_STORED(i, base, offset)                                                              \
    if (rows > i) store(x##i, y##i, &t->to, i, vectors, last_mask, false);
    if (t->bias != NULL || t->relu) {
        LODE_TILE_EACH_ROW(FINISH)
    }
    if (t->to.wide != NULL) {
        LODE_TILE_EACH_ROW(STORE_WIDE)
    } else {
        LODE_TILE_EACH_ROW(STORE_STORED)
    }
#undef FINISH
#undef STORE_WIDE
#undef STORE_STORED
}

typedef void (*tile_function)(const pair_task *);

#define LODE_TILE_LIST(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14)
#define LODE_TILE(rows)                                                                            \
    LODE_TARGET static void tile_##rows##_0(const pair_task *t) {                                  \
        tile(t, rows, 1, false, false);                                                            \
    }                                                                                              \
    LODE_TARGET static void tile_##rows##_1(const pair_task *t) {                                  \
        tile(t, rows, 2, false, false);                                                            \
    }                                                                                              \
    LODE_TARGET static void tile_##rows##_2(const pair_task *t) {                                  \
        tile(t, rows, 2, true, false);                                                             \
    }                                                                                              \
    LODE_TARGET static void tile_##rows##_3(const pair_task *t) {                                  \
        tile(t, rows, 1, false, true);                                                             \
    }                                                                                              \
    LODE_TARGET static void tile_##rows##_4(const pair_task *t) {                                  \
        tile(t, rows, 2, false, true);                                                             \
    }                                                                                              \
    LODE_TARGET static void tile_##rows##_5(const pair_task *t) {                                  \
        tile(t, rows, 2, true, true);                                                              \
    }
LODE_TILE_LIST(LODE_TILE)

#define LODE_TILE_LINE(rows)                                                                       \
    {tile_##rows##_0, tile_##rows##_1, tile_##rows##_2,                                            \
     tile_##rows##_3, tile_##rows##_4, tile_##rows##_5},
static const tile_function tiles[TILE_ROWS][6] = {LODE_TILE_LIST(LODE_TILE_LINE)};

/// Rows of the next tile where `left` rows are to be cut into as few and as even tiles as possible.
LODE_INLINE size_t tile_rows(size_t left) {
    const size_t count = (left + TILE_ROWS - 1) / TILE_ROWS;
    return (left + count - 1) / count;
}

/// How the product reads A: in place, or copied or packed into scratch tile by tile.
typedef enum reading { BY_ROWS, COPIED, PACKED } reading;

/// One block: rows i0 .. i1, columns j0 .. j1, k from p0 to p1.
typedef struct block {
    size_t i0, i1, j0, j1, p0, p1;
    const lode_bf16 *b; // its part of plain B, packed, or NULL
} block;

/// Pack rows of A, k columns of them: pair p of row i is the 32 bits at packed[2 * (p * rows + i)].
LODE_TARGET static void pack_tile(const struct lode_gemm_b16 *g, const lode_bf16 *a, size_t k,
                                  size_t rows, lode_bf16 *packed) {
    const __mmask16 mask = first16(rows);
    for (size_t p = 0; p < k; p += 2, packed += 2 * rows, a += 2 * g->a_column) {
        if (g->a_row == 1) {
            const bits x = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(mask, a));
            const __mmask16 there = p + 1 < k ? mask : 0;
            const bits y = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(there, a + g->a_column));
            _mm512_mask_storeu_epi32(packed, mask, _mm512_or_si512(x, _mm512_slli_epi32(y, 16)));
            continue;
        }
        for (size_t i = 0; i < rows; i++) {
            packed[2 * i] = a[i * g->a_row];
            packed[2 * i + 1] = p + 1 < k ? a[i * g->a_row + g->a_column] : 0;
        }
    }
}

LODE_TARGET static void copy_tile(const struct lode_gemm_b16 *g, const lode_bf16 *a, size_t k,
                                  size_t rows, lode_bf16 *to) {
    for (size_t i = 0; i < rows; i++, a += g->a_row, to += COPIED_STEP) {
        for (size_t p = 0; p < k; p += 32) {
            const __mmask32 mask = first32(k - p);
            _mm512_mask_storeu_epi16(to + p, mask, _mm512_maskz_loadu_epi16(mask, a + p));
        }
    }
}

/// The operand A of rows i .. i + rows.
LODE_INLINE void take_rows(pair_task *t, const struct lode_gemm_b16 *g, const block *at,
                           reading how, size_t i, size_t rows) {
    const lode_bf16 *a = g->a + i * g->a_row + at->p0 * g->a_column;
    lode_bf16 *scratch = (lode_bf16 *)(g->scratch + PACKED_A);
    if (how == BY_ROWS) {
        t->a = a;
        t->a_step = g->a_row;
    } else if (how == COPIED) {
        copy_tile(g, a, t->k, rows, scratch);
        t->a = scratch;
        t->a_step = COPIED_STEP;
    } else {
        pack_tile(g, a, t->k, rows, scratch);
        t->a = scratch;
        t->a_step = 2 * rows;
    }
    t->lines = 0;
    if (how != PACKED && i + rows < at->i1) { // the first panel fetches the next tile's rows
        const bool dense = g->a_row < g->k + LINE && g->k <= BLOCK_K;
        t->next = a + rows * g->a_row;
        t->lines = dense ? t->k : (t->k + LINE - 1) / LINE;
        t->next_row = dense ? t->k * LINE : g->a_row;
    }
}

/// Where the chain of an element starts in a block of k, and where it ends.
LODE_INLINE void aim(pair_task *t, const struct lode_gemm_b16 *g, const block *at, size_t i,
                     size_t j) {
    const bool final = at->p1 == g->k, tanh = final && g->activation == LODE_TANH;
    const place own = own_place(g, i, j);
    const place partial = {g->scratch + (i - at->i0) * BLOCK_COLUMNS + j - at->j0, NULL,
                           BLOCK_COLUMNS, true};
    t->n = LODE_MIN(at->j1 - j, (size_t)PANEL);
    t->b = at->b != NULL ? at->b + (j - at->j0) * up(t->k, 2)
                         : g->b + j * up(g->k, 2) + at->p0 * PANEL;
    t->accumulate = g->accumulate || at->p0 > 0;
    t->from = at->p0 > 0 && g->wide == NULL ? partial : own;
    t->to = final || g->wide != NULL ? own : partial;
    t->bias = final && !tanh && g->bias != NULL ? g->bias + j : NULL;
    t->relu = final && g->activation == LODE_RELU;
    if (tanh) t->to = (place){g->scratch + PACKED_B - TILE_ROWS * PANEL, NULL, PANEL, true};
}

LODE_TARGET static void run_block(const struct lode_gemm_b16 *g, const block *at, reading how) {
    pair_task t = {.k = at->p1 - at->p0};
    const bool tanh = at->p1 == g->k && g->activation == LODE_TANH;
    for (size_t i = at->i0, rows; i < at->i1; i += rows) {
        rows = tile_rows(at->i1 - i);
        take_rows(&t, g, at, how, i, rows);
        for (size_t j = at->j0; j < at->j1; j += PANEL, t.lines = 0) {
            aim(&t, g, at, i, j);
            const size_t way = t.n <= 16 ? 0 : t.n < PANEL ? 1 : 2;
            tiles[rows - 1][(how == PACKED ? 3 : 0) + way](&t);
            if (tanh) {
                const place own = own_place(g, i, j);
                const float *bias = g->bias != NULL ? g->bias + j : NULL;
                finish(t.to.wide, rows, t.n, bias, LODE_TANH, &own);
            }
        }
    }
}

LODE_TARGET static void gemm(const struct lode_gemm_b16 *g) {
    const bool rowwise = g->a_column == 1 || g->k <= 1;
    const reading how = !rowwise                                              ? PACKED
                        : g->a_row % CROWDED == 0 && g->n > PANEL && g->k > 1 ? COPIED
                                                                              : BY_ROWS;
    const bool whole = g->b_packed && how == BY_ROWS;
    const size_t k_blocks = whole ? 1 : LODE_MAX((g->k + BLOCK_K - 1) / BLOCK_K, 1);
    const size_t k_step = up((g->k + k_blocks - 1) / k_blocks, 2);
    const bool partial = k_blocks > 1 && g->wide == NULL;
    size_t j_step = LODE_MAX(BLOCK_B / 2 / LODE_MAX(k_step, 1) / PANEL, 1) * PANEL;
    if (!g->b_packed || partial) j_step = BLOCK_COLUMNS;
    j_step = LODE_MIN(j_step, g->n);
    size_t i_step = g->m;
    if (k_blocks > 1 && j_step > 0) i_step = LODE_MAX(BLOCK_C / j_step / TILE_ROWS, 1) * TILE_ROWS;
    if (partial) i_step = PARTIAL / BLOCK_COLUMNS;
    for (size_t j = 0; j < g->n; j += j_step) {
        for (size_t i = 0; i < g->m; i += i_step) {
            for (size_t p = 0, b = 0; b < k_blocks; b++, p += k_step) {
                block at = {.i0 = i,
                            .i1 = LODE_MIN(i + i_step, g->m),
                            .j0 = j,
                            .j1 = LODE_MIN(j + j_step, g->n),
                            .p0 = LODE_MIN(p, g->k),
                            .p1 = LODE_MIN(p + k_step, g->k)};
                if (!g->b_packed) {
                    lode_bf16 *packed = (lode_bf16 *)(g->scratch + PACKED_B);
                    pack_stored(at.p1 - at.p0, at.j1 - at.j0, g->b + at.p0 * g->b_row + j, g->b_row,
                                1, packed);
                    at.b = packed;
                }
                run_block(g, &at, how);
            }
        }
    }
}

void lode__override_avx512bf16(struct lode_kernels_b16 *table) {
    table->panel = PANEL;
    table->depth = DEPTH;
    table->pack = pack;
    table->pack_stored = pack_stored;
    table->gemm = gemm;
}
#endif
