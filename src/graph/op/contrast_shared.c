/// contrast, continued: negatives that all queries share.
///
/// Forward, a task takes a tile of queries through the keys, COLUMNS at a time: a block of dot products, which stays
/// in the caches, becomes weights and goes at once into the sum of keys that pull at each query,
///
///     pull_i = sum_j w_ij k_j,    rescaled when the largest logit of the row grows (softmax)
///
/// which is all that the query gradient needs. Backward, the roles are changed: a task takes a tile of keys through the
/// queries, computes the dot products again, now with what is known about each query (lse, z+, count) along the columns,
/// and sums d_k_j = sum_i w_ij q_i. So every sum has one owner, and nothing but [m, d] and [r, d] is kept.
///
/// Keys whose gradient nobody reads (`detached`) are left out backward where a whole tile is of them: clrec.contrast has
/// the queued ones side by side.
///
/// Keys and queries are packed block by block, in both forms that the products read: across ([d, columns]) for the dot
/// products and along ([columns, d]) for the sums.
#include <math.h>
#include <string.h>

#include "graph/op/contrast.h"

enum { ROWS = LODE_CONTRAST_ROWS, COLUMNS = LODE_CONTRAST_COLUMNS, SHARES = 8, LEAST_ROWS = 14 };
enum {
    PUT_ROWS = 32
}; ///< gradient rows of a task: what they pass through stays in the level 1 cache

/// Scratch of a task: for the products | z [ROWS, COLUMNS] | rows [LODE_TILE, d] | weights or rows as stored.
static real *scratch_z(const lode_contrast_op *self, size_t thread) {
    return (real *)lode__scratch(self->graph, thread) + LODE_GEMM_SCRATCH;
}

static real *scratch_rows(const lode_contrast_op *self, size_t thread) {
    return scratch_z(self, thread) + ROWS * COLUMNS;
}

static stored *scratch_stored(const lode_contrast_op *self, size_t thread) {
    return (stored *)(scratch_rows(self, thread) + LODE_TILE * self->spec.query->columns);
}

/// Rows of a task: few enough that there are some tasks.
static size_t rows_of_task(size_t count) {
    if (count >= SHARES * ROWS) return ROWS;
    const size_t each = (count + SHARES - 1) / SHARES;
    return LODE_MAX((each + LEAST_ROWS - 1) / LEAST_ROWS, 1) * LEAST_ROWS;
}

static size_t tasks_of(size_t count, size_t each) {
    return (count + each - 1) / each;
}

static size_t across_size(const lode_contrast_op *self) {
    return lode__graph_packed(self->graph, self->spec.query->columns, COLUMNS);
}

static size_t along_size(const lode_contrast_op *self) {
    return lode__graph_packed(self->graph, COLUMNS, self->spec.query->columns);
}

/// Pack rows [columns, d] as block `block`; `summed`: the same rows, as they go into sums.
static void pack_block(const lode_contrast_op *self, const lode_contrast_packed *packed,
                       size_t block, size_t columns, const stored *rows, const stored *summed) {
    const lode_kernels *kernels = self->graph->kernels;
    const size_t d = self->spec.query->columns;
    kernels->pack_stored(d, columns, rows, 1, d,
                         (stored *)packed->across + block * across_size(self));
    if (packed->along == NULL) return;
    kernels->pack_stored(columns, d, summed, d, 1,
                         (stored *)packed->along + block * along_size(self));
}

static void gather_keys(const lode_contrast_op *self, size_t first, size_t count, stored *rows) {
    const size_t d = self->spec.query->columns;
    const stored *keys = self->spec.key->value;
    for (size_t j = 0; j < count; j++) {
        const size_t key = (size_t)self->spec.negative->data[first + j];
        memcpy(rows + j * d, keys + key * d, d * sizeof *rows);
    }
}

static void pack_keys(void *context, size_t task, size_t thread) {
    const lode_contrast_op *self = context;
    const size_t first = task * COLUMNS;
    const size_t columns = LODE_MIN((size_t)COLUMNS, self->spec.negative->dim->size - first);
    stored *rows = (stored *)scratch_rows(self, thread);
    gather_keys(self, first, columns, rows);
    pack_block(self, &self->packed_keys, task, columns, rows, rows);
    for (size_t j = first; self->shift != NULL && j < first + columns; j++)
        ((real *)self->shift)[j] = (real)self->spec.negative_shift->data[j];
}

/// Queries go into the sums of keys times their weights.
static void pack_queries(void *context, size_t task, size_t thread) {
    const lode_contrast_op *self = context;
    const size_t first = task * COLUMNS, d = self->spec.query->columns;
    const size_t columns = LODE_MIN((size_t)COLUMNS, self->spec.query->rows->size - first);
    const stored *rows = (const stored *)self->spec.query->value + first * d, *summed = rows;
    if (self->spec.weight != NULL) {
        stored *weighted = (stored *)scratch_rows(self, thread);
        for (size_t at = 0; at < columns * d; at++) {
            const real weight = (real)self->spec.weight->data[first + at / d];
            weighted[at] = narrow(weight * widen(rows[at]));
        }
        summed = weighted;
    }
    pack_block(self, &self->packed_queries, task, columns, rows, summed);
}

/// A tile of rows on its way through the columns.
typedef struct walk {
    const lode_contrast_op *self;
    size_t first, rows;
    const stored *a; ///< [rows, d]
    const lode_contrast_packed *b;
    lode_contrast_tile tile; ///< its weights replace the dot products where the sizes of both are equal
    real *products;          ///< scratch
    const lode_contrast_order *masks; ///< or NULL
    int32_t cursors[ROWS];            ///< where each row is in its list of masks
} walk;

static void walk_start(walk *w, const lode_contrast_op *self, size_t first, size_t rows,
                       const stored *a, size_t thread) {
    w->self = self;
    w->first = first;
    w->rows = rows;
    w->a = a;
    w->products = lode__scratch(self->graph, thread);
    w->tile = (lode_contrast_tile){
        .rows = rows, .z = scratch_z(self, thread), .z_row = COLUMNS, .scale = (real)self->spec.scale};
    const bool in_place = sizeof(stored) == sizeof(real);
    w->tile.stored = in_place ? (stored *)(void *)w->tile.z : scratch_stored(self, thread);
    w->masks = NULL;
}

/// What the rows walk through.
static void walk_columns(walk *w, const lode_contrast_packed *b, const lode_contrast_order *masks) {
    w->b = b;
    if (w->self->spec.masked == NULL) return;
    w->masks = masks;
    for (size_t i = 0; i < w->rows; i++)
        w->cursors[i] = masks->starts[w->first + i];
}

/// Dot products with columns `column` .. of block column / COLUMNS, -infinity where masked.
static void walk_products(walk *w, size_t column, size_t columns) {
    const lode_contrast_op *self = w->self;
    const lode_kernels *kernels = self->graph->kernels;
    const size_t d = self->spec.query->columns;
    w->tile.columns = columns;
    kernels->gemm(
        &(lode_gemm){.m = w->rows,
                     .n = columns,
                     .k = d,
                     .a = w->a,
                     .a_row = d,
                     .a_column = 1,
                     .b = (const stored *)w->b->across + column / COLUMNS * across_size(self),
                     .b_packed = true,
                     .wide = w->tile.z,
                     .c_row = COLUMNS,
                     .scratch = w->products});
    for (size_t i = 0; w->masks != NULL && i < w->rows; i++) {
        const int32_t end = w->masks->starts[w->first + i + 1];
        int32_t at = w->cursors[i];
        for (; at < end && (size_t)w->masks->from[at] < column + columns; at++)
            w->tile.z[i * COLUMNS + ((size_t)w->masks->from[at] - column)] = -(real)INFINITY;
        w->cursors[i] = at;
    }
}

/// sums [rows, d] (+)= weights of the block times its rows.
static void walk_sum(const walk *w, size_t column, bool add, real *sums) {
    const lode_contrast_op *self = w->self;
    const lode_kernels *kernels = self->graph->kernels;
    const size_t d = self->spec.query->columns;
    kernels->gemm(&(lode_gemm){.m = w->rows,
                               .n = d,
                               .k = w->tile.columns,
                               .a = w->tile.stored,
                               .a_row = COLUMNS,
                               .a_column = 1,
                               .b = (const stored *)w->b->along + column / COLUMNS * along_size(self),
                               .b_packed = true,
                               .wide = sums,
                               .c_row = d,
                               .accumulate = add,
                               .scratch = w->products});
}

// --- forward --------------------------------------------------------------------------------------

/// Negatives that count for a query.
static size_t counted_of(const lode_contrast_op *self, size_t query) {
    size_t counted = self->spec.negative->dim->size;
    if (self->spec.masked == NULL) return counted;
    const lode_contrast_order *masks = &self->mask_by_query;
    for (int32_t at = masks->starts[query]; at < masks->starts[query + 1]; at++)
        counted -= at == masks->starts[query] || masks->from[at] != masks->from[at - 1];
    return counted;
}

static void through_keys(walk *w, real *pull) {
    const lode_contrast_op *self = w->self;
    const lode_kernels *kernels = self->graph->kernels;
    const size_t r = self->spec.negative->dim->size, d = self->spec.query->columns;
    const bool softmax = self->spec.kind == LODE_CONTRAST_SOFTMAX;
    for (size_t column = 0; column < r; column += COLUMNS) {
        walk_products(w, column, LODE_MIN((size_t)COLUMNS, r - column));
        if (self->shift != NULL) w->tile.column_shift = (const real *)self->shift + column;
        if (softmax) {
            kernels->contrast_softmax(&w->tile);
        } else {
            kernels->contrast_logistic(&w->tile);
        }
        if (pull == NULL) continue;
        for (size_t i = 0; softmax && column > 0 && i < w->rows; i++) {
            if (w->tile.kept[i] != 1) kernels->scale(d, w->tile.kept[i], pull + i * d);
        }
        walk_sum(w, column, column > 0, pull);
    }
}

static void forward_task(void *context, size_t task, size_t thread) {
    const lode_contrast_op *self = context;
    const lode_contrast *spec = &self->spec;
    const lode_kernels *kernels = self->graph->kernels;
    const size_t d = spec->query->columns, each = rows_of_task(spec->query->rows->size);
    const size_t first = task * each, rows = LODE_MIN(each, spec->query->rows->size - first);
    const stored *queries = (const stored *)spec->query->value + first * d;
    real *positive = (real *)self->positive + first;
    kernels->gather_dot(rows, 1, d, queries, spec->positive->data + first, spec->key->value,
                        positive);
    LODE_REAL(lode__contrast_positives)(self, first, rows, 1, positive);

    real top[ROWS], sum[ROWS] = {0}, loss[ROWS] = {0}, kept[ROWS];
    for (size_t i = 0; i < rows; i++)
        top[i] = -(real)INFINITY;
    walk w;
    walk_start(&w, self, first, rows, queries, thread);
    walk_columns(&w, &self->packed_keys, &self->mask_by_query);
    w.tile.top = top;
    w.tile.sum = sum;
    w.tile.loss = loss;
    w.tile.kept = kept;
    if (spec->kind == LODE_CONTRAST_BPR) w.tile.row_shift = positive;
    real *pull = self->pull != NULL ? (real *)self->pull + first * d : NULL;
    if (pull != NULL && spec->negative->dim->size == 0) memset(pull, 0, rows * d * sizeof *pull);
    through_keys(&w, pull);
    for (size_t i = 0; i < rows; i++) {
        const real factor =
            LODE_REAL(lode__contrast_finish)(self, first + i, counted_of(self, first + i),
                                             &(lode_contrast_sums){top[i], sum[i], loss[i]});
        if (pull == NULL) continue;
        const size_t key = (size_t)spec->positive->data[first + i];
        if (factor != 1) kernels->scale(d, factor, pull + i * d);
        kernels->scale_add(d, ((const real *)self->d_positive)[first + i],
                           (const stored *)spec->key->value + key * d, pull + i * d);
    }
}

void LODE_REAL(lode__contrast_shared_forward)(lode_contrast_op *self) {
    const size_t m = self->spec.query->rows->size, r = self->spec.negative->dim->size;
    lode_pool *pool = self->graph->pool;
    if (self->spec.masked != NULL) LODE_REAL(lode__contrast_order_masks)(self, r);
    lode__pool_run(pool, tasks_of(r, COLUMNS), pack_keys, self);
    lode__pool_run(pool, tasks_of(m, rows_of_task(m)), forward_task, self);
}

// --- backward -------------------------------------------------------------------------------------

/// values * each into (or onto) a gradient; values are spent.
static void put_gradient(const lode_contrast_op *self, size_t n, real *values, bool add,
                         stored *gradient) {
    const lode_kernels *kernels = self->graph->kernels;
    kernels->scale(n, LODE_REAL(lode__contrast_each)(self), values);
    if (!add) {
        kernels->narrow(n, values, gradient);
        return;
    }
    for (size_t i = 0; i < n; i++)
        gradient[i] = narrow(widen(gradient[i]) + values[i]);
}

static void query_task(void *context, size_t task, size_t thread) {
    const lode_contrast_op *self = context;
    const lode_tensor *query = self->spec.query;
    const size_t d = query->columns, first = task * PUT_ROWS;
    const size_t n = LODE_MIN((size_t)PUT_ROWS, query->rows->size - first) * d;
    real *values = scratch_rows(self, thread);
    memcpy(values, (const real *)self->pull + first * d, n * sizeof *values);
    put_gradient(self, n, values, self->add_query, (stored *)query->gradient + first * d);
}

/// First rows of the keys whose gradient nobody reads.
static size_t detached(const lode_tensor *key) {
    return key->detached != NULL ? key->detached->size : 0;
}

static bool all_detached(const lode_contrast_op *self, size_t first, size_t rows) {
    const size_t end = detached(self->spec.key);
    size_t count = 0;
    while (count < rows && (size_t)self->spec.negative->data[first + count] < end)
        count++;
    return count == rows;
}

static void negative_task(void *context, size_t task, size_t thread) {
    const lode_contrast_op *self = context;
    const lode_contrast *spec = &self->spec;
    const lode_kernels *kernels = self->graph->kernels;
    const size_t m = spec->query->rows->size, r = spec->negative->dim->size;
    const size_t d = spec->query->columns, each = rows_of_task(r);
    const size_t first = task * each, rows = LODE_MIN(each, r - first);
    if (all_detached(self, first, rows)) return;
    stored *keys = (stored *)scratch_rows(self, thread);
    gather_keys(self, first, rows, keys);
    walk w;
    walk_start(&w, self, first, rows, keys, thread);
    walk_columns(&w, &self->packed_queries, &self->mask_by_place);
    if (self->shift != NULL) w.tile.row_shift = (const real *)self->shift + first;
    for (size_t column = 0; column < m; column += COLUMNS) {
        walk_products(&w, column, LODE_MIN((size_t)COLUMNS, m - column));
        if (spec->kind == LODE_CONTRAST_SOFTMAX) {
            w.tile.column_shift = (const real *)self->lse + column;
            kernels->contrast_exp(&w.tile);
        } else {
            if (spec->kind == LODE_CONTRAST_BPR) {
                w.tile.column_shift = (const real *)self->positive + column;
                w.tile.column_factor = (const real *)self->share + column;
            }
            kernels->contrast_logistic(&w.tile);
        }
        walk_sum(&w, column, column > 0, (real *)self->d_keys + first * d);
    }
}

/// Of each key: what the queries whose positive it is, and its places among the negatives, have pulled.
static void key_task(void *context, size_t task, size_t thread) {
    const lode_contrast_op *self = context;
    const lode_kernels *kernels = self->graph->kernels;
    const lode_tensor *key = self->spec.key;
    const size_t d = key->columns, first = detached(key) + task * PUT_ROWS;
    const size_t rows = LODE_MIN((size_t)PUT_ROWS, key->rows->size - first);
    real *values = scratch_rows(self, thread);
    kernels->weighted_sum(&(lode_weighted_sum){.rows = rows,
                                               .n = d,
                                               .starts = self->by_key.starts + first,
                                               .ids = self->by_key.from,
                                               .weights = self->by_key.weights,
                                               .table = self->spec.query->value,
                                               .scale = 1,
                                               .wide = values});
    const int32_t *starts = self->by_place.starts + first;
    for (size_t i = 0; i < rows; i++) {
        for (int32_t at = starts[i]; at < starts[i + 1]; at++) {
            const size_t place = (size_t)self->by_place.from[at];
            kernels->add_wide(d, (const real *)self->d_keys + place * d, values + i * d);
        }
    }
    put_gradient(self, rows * d, values, self->add_key, (stored *)key->gradient + first * d);
}

void LODE_REAL(lode__contrast_shared_backward)(lode_contrast_op *self) {
    lode_contrast *spec = &self->spec;
    lode_pool *pool = self->graph->pool;
    const size_t m = spec->query->rows->size, r = spec->negative->dim->size;
    const size_t n = spec->key->rows->size;
    if (lode__gradient(spec->query, &self->add_query) != NULL)
        lode__pool_run(pool, tasks_of(m, PUT_ROWS), query_task, self);
    if (lode__gradient(spec->key, &self->add_key) == NULL) return;
    lode__pool_run(pool, tasks_of(m, COLUMNS), pack_queries, self);
    lode__pool_run(pool, tasks_of(r, rows_of_task(r)), negative_task, self);
    LODE_REAL(lode__contrast_order)(&self->by_key, n, m, 1, spec->positive->data, self->d_positive);
    LODE_REAL(lode__contrast_order)(&self->by_place, n, r, 1, spec->negative->data, NULL);
    lode__pool_run(pool, tasks_of(n - detached(spec->key), PUT_ROWS), key_task, self);
}
