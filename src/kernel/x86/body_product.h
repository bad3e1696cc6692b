// Matrix product in the alphabet of the including file.
//
// A tile of C, at most TILE_ROWS x 2 vectors, stays in registers while k runs: every element is one
// chain of fused multiply-adds in increasing k. Longer k is cut into blocks and the chain continues
// through C, which holds the exact partial sum; bias and activation follow the last block. Every
// row count and every edge has its own tile function with the same chain, so the bits do not depend
// on how C is cut.
//
// Around the tiles: column blocks, whose part of B stays in the level 2 cache; row blocks, whose
// part of C stays there while the k blocks pass; k blocks; tiles of rows; tiles of columns.
//
// A tile reads A in one of two ways: by rows (elements of a row are neighbours, `a_step` from row
// to row) or by columns (elements of a column are neighbours, `a_step` from column to column).
// Packed A is read by columns, with a_step = rows of the tile. Rows that crowd few cache sets are
// copied to where they do not, and read by rows.

enum {
    PANEL = 2 * LANES,
    BLOCK_K = 256,              // k of one block
    BLOCK_B = 64 * 1024,        // elements of B in one block: 256 KiB
    BLOCK_C = 32 * 1024,        // elements of C in one block where k has several blocks
    ALIASING_STEP = 512,        // rows of A that lie a multiple of 2 KiB apart crowd few cache sets
    COPIED_STEP = BLOCK_K + 16, // between rows that were copied: a line more than such a multiple
    LINE = 16,                  // elements
    TILE_WAYS = 6               // one partial, two partial or two full vectors; by rows or columns
};

typedef struct tile_task {
    size_t k;
    const float *a;
    size_t a_step;
    const float *b;
    size_t b_row;
    float *c;
    size_t c_row;
    size_t n;          // columns, 1 .. PANEL
    bool accumulate;   // start from C instead of from 0
    const float *bias; // added at the end, or NULL
    bool relu;
    const float *next; // what to prefetch while k runs, or NULL: a line a step,
    size_t next_step;  // so many elements further at each,
    size_t lines;      // and after so many of them
    size_t next_row;   // so many elements further
} tile_task;

#define LODE_TILE_EACH_ROW(X)                                                                      \
    X(0, 0, 0)                                                                                     \
    X(1, 0, 1)                                                                                     \
    X(2, 0, 2)                                                                                     \
    X(3, 3, 0)                                                                                     \
    X(4, 3, 1)                                                                                     \
    X(5, 3, 2)                                                                                     \
    X(6, 6, 0) X(7, 6, 1) X(8, 6, 2) X(9, 9, 0) X(10, 9, 1) X(11, 9, 2) X(12, 12, 0) X(13, 12, 1)

LODE_INLINE void tile(const tile_task *t, const size_t rows, const size_t vectors,
                      const bool partial, const bool by_rows) {
    const lanes mask = lanes_first(partial ? t->n - (vectors - 1) * LANES : 0);
    const size_t last = (vectors - 1) * LANES, c_row = t->c_row, a_step = t->a_step;
    float *c = t->c;

#define DECLARE(i, base, offset) vec x##i = v_set(0), y##i = v_set(0);
    LODE_TILE_EACH_ROW(DECLARE)
#undef DECLARE

    if (t->accumulate) {
#define LOAD(i, base, offset)                                                                      \
    if (rows > i) {                                                                                \
        if (vectors > 1) x##i = v_load(c + i * c_row);                                             \
        y##i = partial ? v_load_lanes(mask, c + i * c_row + last) : v_load(c + i * c_row + last);  \
    }
        LODE_TILE_EACH_ROW(LOAD)
#undef LOAD
    }

    if (!t->accumulate) {
#define FETCH(i, base, offset)                                                                     \
    if (rows > i) {                                                                                \
        __builtin_prefetch(c + i * c_row, 1);                                                      \
        if (vectors > 1) __builtin_prefetch(c + i * c_row + last, 1);                              \
    }
        LODE_TILE_EACH_ROW(FETCH)
#undef FETCH
    }

    const size_t b_row = t->b_row, next_step = t->next_step * sizeof(float);
    const float *b = t->b;
    const size_t lines = t->lines, next_row = t->next_row * sizeof(float);
    size_t fetched = 0;
    uintptr_t next = (uintptr_t)(t->next != NULL ? t->next : t->b);
    const float *a0 = t->a, *a3 = a0 + 3 * a_step, *a6 = a3 + 3 * a_step;
    const float *a9 = a6 + 3 * a_step, *a12 = a9 + 3 * a_step;
    for (size_t p = t->k; p > 0; p--) {
        const vec first = vectors > 1 ? v_load(b) : v_set(0);
        const vec second = partial ? v_load_lanes(mask, b + last) : v_load(b + last);
        b += b_row;
        __builtin_prefetch((const void *)next);
        next += next_step;
        if (++fetched == lines) {
            fetched = 0;
            next += next_row;
        }
#define STEP(i, base, offset)                                                                      \
    if (rows > i) {                                                                                \
        const vec a = v_set(by_rows ? a##base[offset * a_step] : a0[i]);                           \
        if (vectors > 1) x##i = v_fma(a, first, x##i);                                             \
        y##i = v_fma(a, second, y##i);                                                             \
    }
        LODE_TILE_EACH_ROW(STEP)
#undef STEP
        if (by_rows) {
            a0++, a3++, a6++, a9++, a12++;
        } else {
            a0 += a_step;
        }
    }

    const vec zero = v_set(0);
    if (t->bias != NULL) {
        const vec first = vectors > 1 ? v_load(t->bias) : zero;
        const vec second = partial ? v_load_lanes(mask, t->bias + last) : v_load(t->bias + last);
#define BIAS(i, base, offset)                                                                      \
    if (rows > i) {                                                                                \
        x##i = v_add(x##i, first);                                                                 \
        y##i = v_add(y##i, second);                                                                \
    }
        LODE_TILE_EACH_ROW(BIAS)
#undef BIAS
    }
    if (t->relu) {
#define RELU(i, base, offset)                                                                      \
    if (rows > i) {                                                                                \
        x##i = v_max(zero, x##i);                                                                  \
        y##i = v_max(zero, y##i);                                                                  \
    }
        LODE_TILE_EACH_ROW(RELU)
#undef RELU
    }
#define STORE(i, base, offset)                                                                     \
    if (rows > i) {                                                                                \
        if (vectors > 1) v_store(c + i * c_row, x##i);                                             \
        if (partial) {                                                                             \
            v_store_lanes(mask, c + i * c_row + last, y##i);                                       \
        } else {                                                                                   \
            v_store(c + i * c_row + last, y##i);                                                   \
        }                                                                                          \
    }
    LODE_TILE_EACH_ROW(STORE)
#undef STORE
}

typedef void (*tile_function)(const tile_task *);

#define LODE_TILE(rows)                                                                            \
    LODE_TARGET static void tile_##rows##_0(const tile_task *t) {                                  \
        tile(t, rows, 1, true, false);                                                             \
    }                                                                                              \
    LODE_TARGET static void tile_##rows##_1(const tile_task *t) {                                  \
        tile(t, rows, 2, true, false);                                                             \
    }                                                                                              \
    LODE_TARGET static void tile_##rows##_2(const tile_task *t) {                                  \
        tile(t, rows, 2, false, false);                                                            \
    }                                                                                              \
    LODE_TARGET static void tile_##rows##_3(const tile_task *t) {                                  \
        tile(t, rows, 1, true, true);                                                              \
    }                                                                                              \
    LODE_TARGET static void tile_##rows##_4(const tile_task *t) {                                  \
        tile(t, rows, 2, true, true);                                                              \
    }                                                                                              \
    LODE_TARGET static void tile_##rows##_5(const tile_task *t) {                                  \
        tile(t, rows, 2, false, true);                                                             \
    }
LODE_TILE_LIST(LODE_TILE)

#define LODE_TILE_LINE(rows)                                                                       \
    {tile_##rows##_0, tile_##rows##_1, tile_##rows##_2,                                            \
     tile_##rows##_3, tile_##rows##_4, tile_##rows##_5},
static const tile_function tiles[TILE_ROWS][TILE_WAYS] = {LODE_TILE_LIST(LODE_TILE_LINE)};

/// Run the tile that fits: `rows` 1 .. TILE_ROWS.
LODE_INLINE void tile_run(const tile_task *t, size_t rows, bool by_rows) {
    const size_t way = t->n <= LANES ? 0 : t->n < PANEL ? 1 : 2;
    tiles[rows - 1][(by_rows ? 3 : 0) + way](t);
}

/// Rows of the next tile where `left` rows are to be cut into as few and as even tiles as possible.
LODE_INLINE size_t tile_rows(size_t left) {
    const size_t count = (left + TILE_ROWS - 1) / TILE_ROWS;
    return (left + count - 1) / count;
}

/// Transpose 8 x 8: out[j * out_row + i] = in[i * in_row + j] for i < 8 and j < columns; rows from
/// `rows` on read as 0.
LODE_INLINE void transpose8(const float *in, size_t in_row, size_t rows, size_t columns, float *out,
                            size_t out_row) {
    static const int32_t edge[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
    const __m256i mask = _mm256_loadu_si256((const __m256i *)(const void *)(edge + 8 - columns));
    __m256 r[8], s[8];
    for (size_t i = 0; i < 8; i++) {
        r[i] = i < rows ? _mm256_maskload_ps(in + i * in_row, mask) : _mm256_setzero_ps();
    }
    for (size_t i = 0; i < 8; i += 2) {
        s[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
        s[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
    }
    for (size_t i = 0; i < 8; i += 4) {
        r[i] = _mm256_shuffle_ps(s[i], s[i + 2], 0x44);
        r[i + 1] = _mm256_shuffle_ps(s[i], s[i + 2], 0xee);
        r[i + 2] = _mm256_shuffle_ps(s[i + 1], s[i + 3], 0x44);
        r[i + 3] = _mm256_shuffle_ps(s[i + 1], s[i + 3], 0xee);
    }
    for (size_t i = 0; i < 4; i++) {
        s[i] = _mm256_permute2f128_ps(r[i], r[i + 4], 0x20);
        s[i + 4] = _mm256_permute2f128_ps(r[i], r[i + 4], 0x31);
    }
    for (size_t j = 0; j < 8; j++) {
        if (j < columns) _mm256_storeu_ps(out + j * out_row, s[j]);
    }
}

/// One panel from columns that are contiguous in memory: packed[p * PANEL + j] = b[j * column + p];
/// columns n .. fill are zero.
LODE_TARGET static void pack_columns(size_t k, size_t n, const float *b, size_t column, size_t fill,
                                     float *packed) {
    for (size_t j = 0; j < fill; j += 8) {
        const size_t rows = j < n ? n - j : 0;
        const float *from = rows > 0 ? b + j * column : b;
        size_t p = 0;
        if (rows >= 8) {
            for (; p + 8 <= k; p += 8) {
                transpose8(from + p, column, 8, 8, packed + p * PANEL + j, PANEL);
            }
        }
        for (; p < k; p += 8) {
            transpose8(from + p, column, rows, LODE_MIN(k - p, 8), packed + p * PANEL + j, PANEL);
        }
    }
}

LODE_TARGET static void pack(size_t k, size_t n, const float *b, size_t row, size_t column,
                             float *packed) {
    for (size_t first = 0; first < n; first += PANEL, packed += k * PANEL) {
        const size_t width = LODE_MIN(n - first, (size_t)PANEL);
        const float *from = b + first * column;
        if (row == 1) {
            pack_columns(k, width, from, column, PANEL, packed);
            continue;
        }
        for (size_t p = 0; p < k; p++) {
            for (size_t j = 0; j < width; j++) {
                packed[p * PANEL + j] = from[p * row + j * column];
            }
            for (size_t j = width; j < PANEL; j++) {
                packed[p * PANEL + j] = 0;
            }
        }
    }
}

/// One block: rows i0 .. i1, columns j0 .. j1, k from p0 to p1.
typedef struct block {
    size_t i0, i1, j0, j1, p0, p1;
} block;

/// How the product reads A: in place, or copied or packed into scratch tile by tile.
typedef enum reading { BY_ROWS, BY_COLUMNS, COPIED, PACKED } reading;

LODE_INLINE reading choose_reading(const struct lode_gemm_f32 *g) {
    const bool wide = g->n > PANEL && g->scratch != NULL;
    if (g->a_column == 1) {
        const bool crowded = g->a_row % ALIASING_STEP == 0 && g->k > 1;
        return crowded && wide ? COPIED : BY_ROWS;
    }
    if (g->a_row == 1) return wide ? PACKED : BY_COLUMNS;
    return PACKED;
}

/// Copy `rows` rows of A, k columns each, to packed[p * rows + i].
LODE_TARGET static void pack_rows(size_t k, size_t rows, const float *a, size_t a_row,
                                  size_t a_column, float *packed) {
    size_t p = 0;
    if (a_row == 1) {
        // whole vectors where the next columns will overwrite what is too much
        for (; (k - p) * rows >= LANES; p++, packed += rows) {
            v_store(packed, v_get(a + p * a_column, rows));
        }
    }
    if (a_column == 1 && rows > 8) {
        // the second half overlaps the first, so that both are whole
        for (; p + 8 <= k; p += 8, packed += 8 * rows) {
            transpose8(a + p, a_row, 8, 8, packed, rows);
            transpose8(a + (rows - 8) * a_row + p, a_row, 8, 8, packed + rows - 8, rows);
        }
    }
    for (; p < k; p++) {
        for (size_t i = 0; i < rows; i++) {
            *packed++ = a[i * a_row + p * a_column];
        }
    }
}

LODE_TARGET static void copy_rows(size_t k, size_t rows, const float *a, size_t a_row, float *to) {
    for (size_t i = 0; i < rows; i++, a += a_row, to += COPIED_STEP) {
        LODE_EACH(p, k, v_put(to + p, left, v_get(a + p, left)););
    }
}

/// The operand A of rows i .. i + rows.
LODE_INLINE void take_rows(tile_task *t, const struct lode_gemm_f32 *g, const block *at,
                           reading how, size_t i, size_t rows) {
    const float *a = g->a + i * g->a_row + at->p0 * g->a_column;
    t->a = a;
    t->a_step = how == BY_ROWS ? g->a_row : g->a_column;
    if (how == COPIED) {
        copy_rows(t->k, rows, a, g->a_row, g->scratch);
        t->a = g->scratch;
        t->a_step = COPIED_STEP;
    } else if (how == PACKED) {
        pack_rows(t->k, rows, a, g->a_row, g->a_column, g->scratch);
        t->a = g->scratch;
        t->a_step = rows;
    }
    // The first panel fetches the next tile's rows, where they follow each other in memory or are copied.
    const bool dense = how == BY_ROWS && g->a_row < g->k + LINE && g->k <= BLOCK_K;
    const bool more = (dense || how == COPIED) && i + rows < at->i1;
    t->next = more ? a + rows * g->a_row : NULL;
    t->next_step = more ? LINE : 0;
    t->lines = dense ? 0 : (t->k + LINE - 1) / LINE;
    t->next_row = dense || !more ? 0 : g->a_row - t->lines * LINE;
}

/// The operands of columns j .. of a block.
LODE_INLINE void aim(tile_task *t, const struct lode_gemm_f32 *g, const block *at, size_t i,
                     size_t j) {
    t->n = LODE_MIN(at->j1 - j, (size_t)PANEL);
    t->b = g->b_packed ? g->b + j * g->k + at->p0 * PANEL : g->b + at->p0 * g->b_row + j;
    t->c = (g->wide != NULL ? g->wide : g->c) + i * g->c_row + j;
    t->bias = at->p1 == g->k && g->bias != NULL ? g->bias + j : NULL;
}

LODE_TARGET static void run_block(const struct lode_gemm_f32 *g, const block *at, reading how) {
    const bool final = at->p1 == g->k;
    tile_task t = {
        .k = at->p1 - at->p0,
        .b_row = g->b_packed ? PANEL : g->b_row,
        .c_row = g->c_row,
        .accumulate = g->accumulate || at->p0 > 0,
        .relu = final && g->activation == LODE_RELU,
    };
    for (size_t i = at->i0; i < at->i1;) {
        const size_t rows = tile_rows(at->i1 - i);
        take_rows(&t, g, at, how, i, rows);
        for (size_t j = at->j0; j < at->j1; j += PANEL, t.next_step = t.next_row = 0) {
            aim(&t, g, at, i, j);
            tile_run(&t, rows, how == BY_ROWS || how == COPIED);
        }
        for (size_t r = i; final && g->activation == LODE_TANH && r < i + rows; r++) {
            float *c = (g->wide != NULL ? g->wide : g->c) + r * g->c_row + at->j0;
            LODE_EACH(j, at->j1 - at->j0, v_put(c + j, left, v_tanh(v_get(c + j, left))););
        }
        i += rows;
    }
}

LODE_TARGET static void gemm(const struct lode_gemm_f32 *g) {
    const reading how = choose_reading(g);
    const size_t k_blocks = LODE_MAX((g->k + BLOCK_K - 1) / BLOCK_K, 1);
    const size_t k_step = (g->k + k_blocks - 1) / k_blocks;
    size_t j_step = BLOCK_B / LODE_MAX(k_step, 1) / PANEL * PANEL;
    j_step = LODE_MIN(j_step, g->n);
    size_t i_step = g->m;
    if (k_blocks > 1 && j_step > 0) {
        i_step = LODE_MAX(BLOCK_C / j_step / TILE_ROWS, 1) * TILE_ROWS;
    }
    for (size_t j = 0; j < g->n; j += j_step) {
        for (size_t i = 0; i < g->m; i += i_step) {
            for (size_t p = 0, b = 0; b < k_blocks; b++, p += k_step) {
                const block at = {.i0 = i,
                                  .i1 = LODE_MIN(i + i_step, g->m),
                                  .j0 = j,
                                  .j1 = LODE_MIN(j + j_step, g->n),
                                  .p0 = LODE_MIN(p, g->k),
                                  .p1 = LODE_MIN(p + k_step, g->k)};
                run_block(g, &at, how);
            }
        }
    }
}
