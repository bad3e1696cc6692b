// Products of bfloat16 on tiles, in the alphabet of the including file: AMX (amx.c), or a software model of its
// eight tiles, with which the tests run this file everywhere.
//
//     tiles_begin() tiles_end()        eight tiles of 16 rows x 64 bytes; nothing is left in them afterwards
//     tile_zero(t)                     t is a digit
//     tile_load(t, from, bytes) tile_store(t, to, bytes)    16 rows, `bytes` from row to row
//     tile_dot(c, a, b)                c += a b: 16 x 16 floats from 16 x 32 and, in pairs over k, 32 x 16 bfloat16
//
// A block of 32 x 32 of C is four tiles, with two of A and two of packed B (body_pairs.h: 16 rows of a panel are two
// tiles of B side by side); at most 16 rows take half of them. k runs 32 at a time, so every element is one chain of
// steps of 32. A is read in place where the block's rows and steps are whole; otherwise, and where A is given by
// columns, it is copied to scratch first, padded with zeros. Where anything is packed, k is cut into blocks, and the
// chain goes on through a float as in avx512bf16.c.

enum {
    TILE = 16,
    BLOCK = 2 * TILE,      // rows of C at a time
    BLOCK_K = 512,         // k of one block where something is packed
    BLOCK_COLUMNS = 128,   // of plain B in one block
    BLOCK_B = 1024 * 1024, // bytes of packed B in one block of columns
    BLOCK_C = 32 * 1024,   // elements of C in one block where k has several
    CROWDED = 1024,        // rows of A a multiple of 2 KiB apart meet in few cache sets
    // scratch, in floats: partial sums, copied A, one block of C, packed B
    PARTIAL_ROWS = 128,
    COPIED_A = PARTIAL_ROWS * BLOCK_COLUMNS,
    SUMS = COPIED_A + BLOCK * BLOCK_K / 2,
    PACKED_B = LODE_GEMM_SCRATCH - BLOCK_K * BLOCK_COLUMNS / 2,
};
_Static_assert(SUMS + BLOCK * PANEL <= PACKED_B, "scratch");

/// Rows i0 .. i1, columns j0 .. j1, k from p0 to p1.
typedef struct block {
    size_t i0, i1, j0, j1, p0, p1;
    const lode_bf16 *b; // its part of plain B, packed, or NULL
} block;

/// One block of C: up to 32 rows, up to 32 columns.
typedef struct tile_task {
    size_t steps; // of 32
    const lode_bf16 *a;
    size_t a_row;
    const lode_bf16 *b;
    size_t rows, n;
    bool accumulate; // start at `from` instead of at 0
    place from, to;
    float *sums; // [BLOCK, PANEL], for what tiles cannot load or store
} tile_task;

/// Tiles can load and store it: floats that are there for whole tiles.
LODE_INLINE bool direct(const tile_task *t, const place *c) {
    return c->wide != NULL && (c->padded || (t->n == PANEL && t->rows % TILE == 0));
}

LODE_INLINE void start_tiles(const tile_task *t, bool two) {
    if (!t->accumulate) {
        tile_zero(0);
        tile_zero(1);
        if (two) {
            tile_zero(2);
            tile_zero(3);
        }
        return;
    }
    const float *c = t->from.wide;
    size_t row = t->from.row;
    if (!direct(t, &t->from)) {
        for (size_t i = 0; i < t->rows; i++) {
            for (size_t j = 0; j < t->n; j += 16) {
                _mm512_storeu_ps(t->sums + i * PANEL + j,
                                 load_place(&t->from, i, j, first16(t->n - j)));
            }
        }
        c = t->sums;
        row = PANEL;
    }
    tile_load(0, c, row * sizeof *c);
    tile_load(1, c + TILE, row * sizeof *c);
    if (two) {
        tile_load(2, c + TILE * row, row * sizeof *c);
        tile_load(3, c + TILE * row + TILE, row * sizeof *c);
    }
}

/// The block's sums to `to`, or to the floats of the task.
LODE_INLINE void run_tiles(const tile_task *t, bool two, bool store_direct) {
    const size_t a_bytes = t->a_row * sizeof *t->a, b_bytes = 2 * PANEL * sizeof *t->b;
    const lode_bf16 *a = t->a, *b = t->b, *lower = a + TILE * t->a_row;
    start_tiles(t, two);
    for (size_t step = t->steps; step > 0; step--) {
        tile_load(6, b, b_bytes);
        tile_load(4, a, a_bytes);
        tile_dot(0, 4, 6);
        tile_load(7, b + 2 * TILE, b_bytes);
        tile_dot(1, 4, 7);
        if (two) {
            tile_load(5, lower, a_bytes);
            tile_dot(2, 5, 6);
            tile_dot(3, 5, 7);
            lower += 32;
        }
        a += 32;
        b += 32 * PANEL;
    }
    float *c = store_direct ? t->to.wide : t->sums;
    const size_t row = store_direct ? t->to.row : PANEL;
    tile_store(0, c, row * sizeof *c);
    tile_store(1, c + TILE, row * sizeof *c);
    if (two) {
        tile_store(2, c + TILE * row, row * sizeof *c);
        tile_store(3, c + TILE * row + TILE, row * sizeof *c);
    }
}

/// Copy rows of A, k numbers of each, with zeros up to whole tiles and steps.
LODE_TARGET static void copy_rows(const struct lode_gemm_b16 *g, const lode_bf16 *a, size_t k,
                                  size_t rows, lode_bf16 *to) {
    const size_t padded = up(k, DEPTH);
    for (size_t i = 0; i < up(rows, TILE); i++, to += padded) {
        for (size_t p = 0; p < padded; p += 32) {
            const __mmask32 mask = i < rows && p < k ? first32(k - p) : 0;
            _mm512_storeu_si512(to + p,
                                _mm512_maskz_loadu_epi16(mask, a + (mask ? i * g->a_row + p : 0)));
        }
    }
}

/// The same from rows whose neighbours in memory are the next rows' numbers: 16 rows and 32 numbers at a time.
LODE_TARGET static void turn_rows(const struct lode_gemm_b16 *g, const lode_bf16 *a, size_t k,
                                  size_t rows, lode_bf16 *to) {
    const size_t padded = up(k, DEPTH);
    for (size_t i = 0; i < rows; i += 16) {
        const __mmask16 mask = first16(rows - i);
        for (size_t p = 0; p < padded; p += 32) {
            bits r[16];
            for (size_t q = 0; q < 16; q++) {
                const size_t at = p + 2 * q;
                const __mmask16 first = at < k ? mask : 0, second = at + 1 < k ? mask : 0;
                const lode_bf16 *from = a + i + (first ? at * g->a_column : 0);
                const bits x = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(first, from));
                const bits y = _mm512_cvtepu16_epi32(
                    _mm256_maskz_loadu_epi16(second, from + (second ? g->a_column : 0)));
                r[q] = _mm512_or_si512(x, _mm512_slli_epi32(y, 16));
            }
            transpose16(r);
            for (size_t q = 0; q < 16; q++) {
                _mm512_storeu_si512(to + (i + q) * padded + p, r[q]);
            }
        }
    }
}

/// The same from anywhere.
LODE_TARGET static void collect_rows(const struct lode_gemm_b16 *g, const lode_bf16 *a, size_t k,
                                     size_t rows, lode_bf16 *to) {
    const size_t padded = up(k, DEPTH);
    for (size_t i = 0; i < up(rows, TILE); i++) {
        for (size_t p = 0; p < padded; p++) {
            *to++ = i < rows && p < k ? a[i * g->a_row + p * g->a_column] : 0;
        }
    }
}

/// How the product reads A: in place, or copied into scratch block by block.
typedef enum reading { IN_PLACE, COPIED, TURNED, COLLECTED } reading;

LODE_INLINE void take_rows(tile_task *t, const struct lode_gemm_b16 *g, const block *at,
                           reading how, size_t i) {
    const lode_bf16 *a = g->a + i * g->a_row + at->p0 * g->a_column;
    const size_t k = at->p1 - at->p0;
    lode_bf16 *scratch = (lode_bf16 *)(g->scratch + COPIED_A);
    t->rows = LODE_MIN(at->i1 - i, (size_t)BLOCK);
    if (how == IN_PLACE && t->rows % TILE == 0) {
        t->a = a;
        t->a_row = g->a_row;
        return;
    }
    t->a = scratch;
    t->a_row = up(k, DEPTH);
    if (how == TURNED) {
        turn_rows(g, a, k, t->rows, scratch);
    } else if (how == COLLECTED) {
        collect_rows(g, a, k, t->rows, scratch);
    } else {
        copy_rows(g, a, k, t->rows, scratch);
    }
}

LODE_TARGET static void run_block(const struct lode_gemm_b16 *g, const block *at, reading how) {
    const size_t k = at->p1 - at->p0;
    const bool final = at->p1 == g->k;
    tile_task t = {.steps = up(k, DEPTH) / DEPTH,
                   .accumulate = g->accumulate || at->p0 > 0,
                   .sums = g->scratch + SUMS};
    for (size_t i = at->i0; i < at->i1; i += BLOCK) {
        take_rows(&t, g, at, how, i);
        for (size_t j = at->j0; j < at->j1; j += PANEL) {
            const place own = own_place(g, i, j);
            const place partial = {g->scratch + (i - at->i0) * BLOCK_COLUMNS + j - at->j0, NULL,
                                   BLOCK_COLUMNS, true};
            const float *bias = final && g->bias != NULL ? g->bias + j : NULL;
            t.n = LODE_MIN(at->j1 - j, (size_t)PANEL);
            t.b = at->b != NULL ? at->b + (j - at->j0) * up(k, DEPTH)
                                : g->b + j * up(g->k, DEPTH) + at->p0 * PANEL;
            t.from = at->p0 > 0 && g->wide == NULL ? partial : own;
            t.to = final || g->wide != NULL ? own : partial;
            const bool plain = bias == NULL && (!final || g->activation == LODE_LINEAR);
            const bool straight = plain && direct(&t, &t.to);
            if (t.rows > TILE) {
                run_tiles(&t, true, straight);
            } else {
                run_tiles(&t, false, straight);
            }
            if (!straight)
                finish(t.sums, t.rows, t.n, bias, final ? g->activation : LODE_LINEAR, &t.to);
        }
    }
}

LODE_INLINE reading choose_reading(const struct lode_gemm_b16 *g) {
    if (g->a_column == 1 || g->k <= 1) {
        const bool crowded = g->a_row % CROWDED == 0 && g->n > 2 * PANEL;
        return crowded || g->k % DEPTH != 0 ? COPIED : IN_PLACE;
    }
    return g->a_row == 1 ? TURNED : COLLECTED;
}

LODE_TARGET static void gemm(const struct lode_gemm_b16 *g) {
    const reading how = choose_reading(g);
    const bool whole = g->b_packed && how == IN_PLACE && g->m % TILE == 0;
    const size_t k_blocks = whole ? 1 : LODE_MAX((g->k + BLOCK_K - 1) / BLOCK_K, 1);
    const size_t k_step = up((g->k + k_blocks - 1) / k_blocks, DEPTH);
    const bool partial = k_blocks > 1 && g->wide == NULL;
    size_t j_step = LODE_MAX(BLOCK_B / 2 / LODE_MAX(k_step, 1) / PANEL, 1) * PANEL;
    if (!g->b_packed || partial) j_step = BLOCK_COLUMNS;
    j_step = LODE_MIN(j_step, g->n);
    size_t i_step = g->m;
    if (k_blocks > 1 && j_step > 0) i_step = LODE_MAX(BLOCK_C / j_step / BLOCK, 1) * BLOCK;
    if (partial) i_step = PARTIAL_ROWS;
    tiles_begin();
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
    tiles_end();
}
