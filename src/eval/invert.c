/// Inversion by symmetric sweeps (Gauss-Jordan in blocks).
///
/// Sweeping the block K of rows out of a symmetric matrix A replaces, with D = A_KK and V = A_.K,
///
///     A_KK by -D^-1      A_iK by V_i D^-1      A_ij by A_ij - V_i D^-1 V_j'
///
/// and when every block was swept once, what stands there is -A^-1. Only the lower triangle is kept: n^3 / 2
/// multiply-adds in all, as many as by way of a Cholesky factor and its inverse, but in one kind of step. D is inverted
/// through a Cholesky factor in double; every D is a Schur complement of a positive definite matrix, so no pivoting is
/// needed. The bulk is the matrix product of the third rule, in tiles: a task takes a row of tiles from the top and one
/// from the bottom, which together always have as many tiles.
#include "eval/invert.h"

#include <math.h>

#include "kernel/kernel.h"

enum { BLOCK = 128, TILE = 128 };

#define SMALLEST 1e-7 ///< pivot over diagonal: below, float32 has nothing left of it

typedef struct sweep {
    const struct lode_kernels_f32 *kernels;
    float *matrix;
    size_t n, tiles;
    size_t begin, width;    ///< of the block
    double *block, *factor; ///< [BLOCK, BLOCK] D, its inverse; Cholesky factor
    float *minus;           ///< [BLOCK, BLOCK] -D^-1
    float *panel, *scaled;  ///< [n, BLOCK] V, 0 in the rows of K; -V D^-1
    float *packed;          ///< [tiles, packed_tile] V' for the matrix product
    size_t packed_tile;
    float **scratch; ///< [threads] of LODE_GEMM_SCRATCH
} sweep;

/// D = L L' in place of the lower triangle of `factor`; false when a pivot is lost in rounding.
static bool block_factor(sweep *own) {
    const size_t n = own->width;
    double *l = own->factor;
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j <= i; j++) {
            double sum = own->block[i * BLOCK + j];
            for (size_t p = 0; p < j; p++) {
                sum -= l[i * BLOCK + p] * l[j * BLOCK + p];
            }
            if (i == j && !(sum > SMALLEST * own->block[i * BLOCK + i])) {
                return false;
            }
            l[i * BLOCK + j] = i == j ? sqrt(sum) : sum / l[j * BLOCK + j];
        }
    }
    return true;
}

/// block = D^-1, column by column from L L' x = e.
static void block_solve(sweep *own) {
    const size_t n = own->width;
    const double *l = own->factor;
    double x[BLOCK];
    for (size_t column = 0; column < n; column++) {
        for (size_t i = 0; i < n; i++) {
            double sum = i == column ? 1 : 0;
            for (size_t p = column; p < i; p++) {
                sum -= l[i * BLOCK + p] * x[p];
            }
            x[i] = i < column ? 0 : sum / l[i * BLOCK + i];
        }
        for (size_t i = n; i-- > 0;) {
            double sum = x[i];
            for (size_t p = i + 1; p < n; p++) {
                sum -= l[p * BLOCK + i] * x[p];
            }
            x[i] = sum / l[i * BLOCK + i];
            own->block[i * BLOCK + column] = x[i];
        }
    }
}

static bool block_invert(sweep *own) {
    for (size_t i = 0; i < own->width; i++) {
        const float *row = own->matrix + (own->begin + i) * own->n + own->begin;
        for (size_t j = 0; j <= i; j++) {
            own->block[i * BLOCK + j] = (double)row[j];
        }
    }
    if (!block_factor(own)) {
        return false;
    }
    block_solve(own);
    for (size_t i = 0; i < own->width; i++) {
        for (size_t j = 0; j < own->width; j++) { // the lower triangle for both sides: exactly symmetric
            const double value = own->block[LODE_MAX(i, j) * BLOCK + LODE_MIN(i, j)];
            own->minus[i * BLOCK + j] = (float)-value;
        }
    }
    return true;
}

/// Row r of V, read from the lower triangle.
static void panel_row(const sweep *own, size_t r, float *row) {
    const size_t end = own->begin + own->width;
    for (size_t c = 0; c < own->width; c++) {
        const size_t k = own->begin + c;
        row[c] = r >= end         ? own->matrix[r * own->n + k]
                 : r < own->begin ? own->matrix[k * own->n + r]
                                  : 0;
    }
}

/// V, -V D^-1 and the packed V' of one tile of rows.
static void panel_task(void *context, size_t task, size_t thread) {
    sweep *own = context;
    const size_t first = task * TILE, rows = LODE_MIN(own->n - first, (size_t)TILE);
    float *panel = own->panel + first * BLOCK;
    for (size_t r = 0; r < rows; r++) {
        panel_row(own, first + r, panel + r * BLOCK);
    }
    own->kernels->gemm(&(struct lode_gemm_f32){.m = rows,
                                               .n = own->width,
                                               .k = own->width,
                                               .a = panel,
                                               .a_row = BLOCK,
                                               .a_column = 1,
                                               .b = own->minus,
                                               .b_row = BLOCK,
                                               .c = own->scaled + first * BLOCK,
                                               .c_row = BLOCK,
                                               .scratch = own->scratch[thread]});
    own->kernels->pack(own->width, rows, panel, 1, BLOCK, own->packed + task * own->packed_tile);
}

static void update_tiles(const sweep *own, size_t tile, size_t thread) {
    const size_t first = tile * TILE, rows = LODE_MIN(own->n - first, (size_t)TILE);
    for (size_t other = 0; other <= tile; other++) {
        const size_t column = other * TILE;
        own->kernels->gemm(&(struct lode_gemm_f32){.m = rows,
                                                   .n = LODE_MIN(own->n - column, (size_t)TILE),
                                                   .k = own->width,
                                                   .a = own->scaled + first * BLOCK,
                                                   .a_row = BLOCK,
                                                   .a_column = 1,
                                                   .b = own->packed + other * own->packed_tile,
                                                   .b_packed = true,
                                                   .c = own->matrix + first * own->n + column,
                                                   .c_row = own->n,
                                                   .accumulate = true,
                                                   .scratch = own->scratch[thread]});
    }
}

static void update_task(void *context, size_t task, size_t thread) {
    const sweep *own = context;
    const size_t last = own->tiles - 1 - task;
    update_tiles(own, task, thread);
    if (last != task) {
        update_tiles(own, last, thread);
    }
}

/// A_iK = V_i D^-1 for one tile of rows, and the block's own rows.
static void border_task(void *context, size_t task, size_t thread) {
    const sweep *own = context;
    const size_t end = own->begin + own->width, last = LODE_MIN(own->n, (task + 1) * TILE);
    (void)thread;
    for (size_t r = task * TILE; r < last; r++) {
        for (size_t c = 0; c < own->width; c++) {
            const size_t k = own->begin + c;
            if (r >= end) {
                own->matrix[r * own->n + k] = -own->scaled[r * BLOCK + c];
            } else if (r < own->begin) {
                own->matrix[k * own->n + r] = -own->scaled[r * BLOCK + c];
            } else {
                own->matrix[r * own->n + k] = own->minus[(r - own->begin) * BLOCK + c];
            }
        }
    }
}

static bool sweep_make(sweep *own, lode_arena *arena, size_t threads) {
    const size_t panel = own->kernels->panel;
    own->tiles = (own->n + TILE - 1) / TILE;
    own->packed_tile = (size_t)BLOCK * ((TILE + panel - 1) / panel * panel);
    const size_t rows = own->tiles * TILE;
    own->block = lode__arena_alloc(arena, (size_t)BLOCK * BLOCK, sizeof(double));
    own->factor = lode__arena_alloc(arena, (size_t)BLOCK * BLOCK, sizeof(double));
    own->minus = lode__arena_alloc(arena, (size_t)BLOCK * BLOCK, sizeof(float));
    own->panel = lode__arena_alloc(arena, rows, BLOCK * sizeof(float));
    own->scaled = lode__arena_alloc(arena, rows, BLOCK * sizeof(float));
    own->packed = lode__arena_alloc(arena, own->tiles, own->packed_tile * sizeof(float));
    own->scratch = lode__arena_alloc(arena, threads, sizeof *own->scratch);
    for (size_t i = 0; own->scratch && i < threads; i++) {
        own->scratch[i] = lode__arena_alloc(arena, LODE_GEMM_SCRATCH, sizeof(float));
        if (!own->scratch[i]) {
            return false;
        }
    }
    return own->block && own->factor && own->minus && own->panel && own->scaled && own->packed &&
           own->scratch;
}

lode_status lode__invert_negative(float *matrix, size_t n, lode_pool *pool, const lode_hooks *hooks,
                                  bool *singular, lode_error *error) {
    sweep own = {.kernels = lode__kernels_f32(), .matrix = matrix, .n = n};
    lode_arena arena = {0};
    *singular = false;
    if (n == 0) {
        return LODE_OK;
    }
    if (!sweep_make(&own, &arena, lode__pool_threads(pool))) {
        lode__arena_release(&arena);
        return lode__fail_memory(error);
    }
    lode_status status = LODE_OK;
    for (own.begin = 0; own.begin < n && !*singular; own.begin += BLOCK) {
        const lode_progress progress = {
            .task = "fit ease", .unit = "items", .done = own.begin, .total = n};
        status = lode__eval_progress(hooks, &progress, 0, error);
        if (status != LODE_OK) {
            break;
        }
        own.width = LODE_MIN(n - own.begin, (size_t)BLOCK);
        *singular = !block_invert(&own);
        if (*singular) {
            break;
        }
        lode__pool_run(pool, own.tiles, panel_task, &own);
        lode__pool_run(pool, (own.tiles + 1) / 2, update_task, &own);
        lode__pool_run(pool, own.tiles, border_task, &own);
    }
    lode__arena_release(&arena);
    return status;
}
