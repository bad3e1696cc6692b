// Products of bfloat16 where no instruction multiplies them, in the alphabet of the including file: blocks of A, B and C
// are widened into scratch and go through the float tiles of body_product.h.
//
// A block of C stays in scratch until its k is through, so that every element is one chain over k, rounded once at its
// end (or not at all: `wide`). Packed B is that of the float kernels, rounded: panels of k rows of PANEL columns.

enum {
    WIDE_ROWS = 8 * TILE_ROWS, // of a block
    WIDE_K = 128,
    WIDE_COLUMNS = 128,
    WIDE_A = WIDE_ROWS * WIDE_K, // elements of scratch, in this order
    WIDE_B = WIDE_K * WIDE_COLUMNS,
    WIDE_C = WIDE_ROWS * WIDE_COLUMNS
};
_Static_assert(WIDE_A + WIDE_B + WIDE_C + WIDE_K * TILE_ROWS <= LODE_GEMM_SCRATCH, "scratch");

LODE_TARGET static void pack_widened(size_t k, size_t n, const float *b, size_t row, size_t column,
                                     lode_bf16 *packed) {
    float panel[WIDE_K * PANEL];
    for (size_t first = 0; first < n; first += PANEL) {
        for (size_t p = 0; p < k; p += WIDE_K) {
            const size_t rows = LODE_MIN(k - p, (size_t)WIDE_K);
            pack(rows, LODE_MIN(n - first, (size_t)PANEL), b + p * row + first * column, row,
                 column, panel);
            narrow(rows * PANEL, panel, packed);
            packed += rows * PANEL;
        }
    }
}

LODE_TARGET static void pack_stored(size_t k, size_t n, const lode_bf16 *b, size_t row,
                                    size_t column, lode_bf16 *packed) {
    for (size_t first = 0; first < n; first += PANEL) {
        const size_t width = LODE_MIN(n - first, (size_t)PANEL);
        for (size_t p = 0; p < k; p++, packed += PANEL) {
            for (size_t j = 0; j < PANEL; j++)
                packed[j] = j < width ? b[p * row + (first + j) * column] : 0;
        }
    }
}

/// Rows of `count` numbers, `from_row` apart, next to each other.
LODE_INLINE void widen_rows(size_t rows, size_t count, const lode_bf16 *from, size_t from_row,
                            float *to) {
    for (size_t i = 0; i < rows; i++)
        widen(count, from + i * from_row, to + i * count);
}

/// The part of A in a block; by rows, or by columns where those are contiguous.
LODE_TARGET static void take_a(const struct lode_gemm_b16 *g, const block *at, float *wide,
                               struct lode_gemm_f32 *part) {
    const size_t rows = at->i1 - at->i0, k = at->p1 - at->p0;
    const lode_bf16 *a = g->a + at->i0 * g->a_row + at->p0 * g->a_column;
    part->a = wide;
    part->a_row = k;
    part->a_column = 1;
    if (g->a_column == 1) {
        widen_rows(rows, k, a, g->a_row, wide);
    } else if (g->a_row == 1) {
        widen_rows(k, rows, a, g->a_column, wide);
        part->a_row = 1;
        part->a_column = rows;
    } else {
        for (size_t i = 0; i < rows; i++) {
            for (size_t p = 0; p < k; p++)
                wide[i * k + p] = lode__bf16_widen(a[i * g->a_row + p * g->a_column]);
        }
    }
}

LODE_TARGET static void take_b(const struct lode_gemm_b16 *g, const block *at, float *wide,
                               struct lode_gemm_f32 *part) {
    const size_t columns = at->j1 - at->j0, k = at->p1 - at->p0;
    part->b = wide;
    part->b_row = columns;
    part->b_packed = g->b_packed;
    if (!g->b_packed) {
        widen_rows(k, columns, g->b + at->p0 * g->b_row + at->j0, g->b_row, wide);
        return;
    }
    for (size_t j = 0; j < columns; j += PANEL) {
        widen(k * PANEL, g->b + (at->j0 + j) * g->k + at->p0 * PANEL, wide + j * k);
    }
}

/// Rows i0 .. i1 and columns j0 .. j1 of C through all of k.
LODE_TARGET static void run_widened(const struct lode_gemm_b16 *g, block at) {
    float *a = g->scratch, *b = a + WIDE_A, *c = b + WIDE_B;
    const size_t rows = at.i1 - at.i0, columns = at.j1 - at.j0;
    const size_t corner = at.i0 * g->c_row + at.j0;
    struct lode_gemm_f32 part = {.m = rows, .n = columns, .scratch = c + WIDE_C};
    part.c = g->wide != NULL ? g->wide + corner : c;
    part.c_row = g->wide != NULL ? g->c_row : columns;
    part.accumulate = g->accumulate;
    if (g->wide == NULL && g->accumulate) widen_rows(rows, columns, g->c + corner, g->c_row, c);
    do {
        at.p1 = LODE_MIN(at.p0 + WIDE_K, g->k);
        take_a(g, &at, a, &part);
        take_b(g, &at, b, &part);
        part.k = at.p1 - at.p0;
        if (at.p1 == g->k) {
            part.bias = g->bias != NULL ? g->bias + at.j0 : NULL;
            part.activation = g->activation;
        }
        gemm(&part);
        part.accumulate = true;
        at.p0 = at.p1;
    } while (at.p0 < g->k);
    for (size_t i = 0; i < rows && g->wide == NULL; i++) {
        narrow(columns, c + i * columns, g->c + corner + i * g->c_row);
    }
}

LODE_TARGET static void gemm_widened(const struct lode_gemm_b16 *g) {
    for (size_t j = 0; j < g->n; j += WIDE_COLUMNS) {
        for (size_t i = 0; i < g->m; i += WIDE_ROWS) {
            run_widened(g, (block){.i0 = i,
                                   .i1 = LODE_MIN(i + WIDE_ROWS, g->m),
                                   .j0 = j,
                                   .j1 = LODE_MIN(j + WIDE_COLUMNS, g->n)});
        }
    }
}
