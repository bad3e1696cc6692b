/// contrast: queries against their positive and negatives, without ever holding the m x r logits.
///
///     z+_i = scale <q_i, k_pos(i)> - shift+_i        z_ij = scale <q_i, k_neg(j)> - shift_j   (-inf where masked)
///
///     softmax   l_i = lse_i - z+_i,  lse_i = log([e^z+_i] + sum_j e^z_ij)       InfoNCE; sampled softmax
///               dl/dz_ij = e^(z_ij - lse_i)          dl/dz+_i = [e^(z+_i - lse_i)] - 1
///               [..] only with positive_in_denominator (SYSTEMS.md: the default for every paper)
///     bce       l_i = softplus(-z+_i) + sum_j softplus(z_ij)
///     bpr       l_i = mean over unmasked j of softplus(z_ij - z+_i)
///
/// The value is the mean of l_i over the m queries. Negatives shared by all queries go through matrix products:
/// a task takes ROWS queries through the keys in blocks of COLUMNS, keeping a running maximum and sum; backward
/// computes the block again, turns it into dl/dz in place and multiplies it into both gradients. Key gradients
/// are summed in GROUPS buffers of fixed extent, then in group order. A query's own negatives (`shared` false)
/// are plain dot products, whose derivatives are kept ([m, w]).
///
/// The logits of a query that has no negative left are its positive's alone: softmax and bpr then give 0.
#include <math.h>
#include <string.h>

#include "graph/ops.h"
#include "kernel/real.h"

LODE_OP_DECLARE(contrast);

enum { ROWS = 64, COLUMNS = 256, GROUPS = 8, SCATTER_COLUMNS = 16 };

typedef struct lode_contrast_op {
    lode_contrast spec;
    lode_graph *graph;
    lode_tensor *output;
    void *positive;   ///< [m] z+
    void *lse;        ///< [m]; infinity: no negative is left
    void *counted;    ///< [m] negatives that are not masked, as reals (bpr)
    void *loss;       ///< [m]
    void *d_positive; ///< [m] dL/dz+ * scale
    void *keys;       ///< shared: [r, d] the negatives' keys
    void *packed;     ///< shared: keys^T
    void *d_keys;     ///< shared: [GROUPS, r, d]
    void *d_own;      ///< own negatives: [m, w] dL/dz * scale
    void *d_key_wide; ///< [n, d] bf16 only: where key gradients are summed before they are stored
    bool add_query;
} lode_contrast_op;

static size_t query_count(const lode_contrast_op *self) {
    return self->spec.query->rows->size;
}

static real softplus(real x) {
    return LODE_MAX(x, (real)0) + (real)log1p(exp(-fabs((double)x)));
}

static real sigmoid(real x) {
    return (real)(1.0 / (1.0 + exp(-(double)x)));
}

static const stored *row_of(const lode_tensor *tensor, size_t row) {
    return (const stored *)tensor->value + row * tensor->columns;
}

/// Turn dot products of query `query` with negatives first .. first + count - 1 of its list into logits.
static void finish_logits(const lode_contrast_op *self, size_t query, size_t first, size_t count,
                          real *z) {
    const lode_contrast *spec = &self->spec;
    const real scale = (real)spec->scale;
    const float *shift = NULL;
    if (spec->negative_shift != NULL) {
        shift =
            spec->negative_shift->data + (spec->shared ? 0 : query * spec->negative->width) + first;
    }
    for (size_t j = 0; j < count; j++)
        z[j] = shift != NULL ? scale * z[j] - (real)shift[j] : scale * z[j];
    if (spec->masked == NULL) return;
    const int32_t *places = spec->masked_ids->data;
    for (int32_t at = spec->masked->offsets[query]; at < spec->masked->offsets[query + 1]; at++) {
        const size_t place = (size_t)places[at];
        if (place >= first && place < first + count) z[place - first] = -(real)INFINITY;
    }
}

static void positive_logit(const lode_contrast_op *self, size_t query) {
    const lode_contrast *spec = &self->spec;
    const lode_kernels *kernels = self->graph->kernels;
    const real dot = kernels->dot(spec->query->columns, row_of(spec->query, query),
                                  row_of(spec->key, (size_t)spec->positive->data[query]));
    const float shift = spec->positive_shift != NULL ? spec->positive_shift->data[query] : 0.0F;
    ((real *)self->positive)[query] = (real)spec->scale * dot - (real)shift;
}

/// Running state of one query over its negatives.
typedef struct lode_running {
    real max, sum; ///< softmax: of e^(z - max)
    real loss;     ///< bce, bpr
    size_t counted;
} lode_running;

static void take_logits(const lode_contrast_op *self, size_t query, size_t count, real *z,
                        lode_running *state) {
    const lode_kernels *kernels = self->graph->kernels;
    if (self->spec.kind == LODE_CONTRAST_SOFTMAX) {
        const real max = LODE_MAX(state->max, kernels->max(count, z));
        if (max == -(real)INFINITY) return;
        const real kept =
            state->max == -(real)INFINITY ? 0 : state->sum * (real)exp((double)(state->max - max));
        state->sum = kept + kernels->exp_sum(count, max, z);
        state->max = max;
        return;
    }
    const bool bpr = self->spec.kind == LODE_CONTRAST_BPR;
    const real base = bpr ? ((const real *)self->positive)[query] : 0;
    for (size_t j = 0; j < count; j++) {
        if (z[j] == -(real)INFINITY) continue;
        state->loss += softplus(z[j] - base);
        state->counted++;
    }
}

static void finish_query(const lode_contrast_op *self, size_t query, lode_running *state) {
    const real positive = ((const real *)self->positive)[query];
    real loss = 0, lse = -(real)INFINITY;
    switch (self->spec.kind) {
    case LODE_CONTRAST_SOFTMAX:
        if (state->max == -(real)INFINITY) { // nothing left to contrast with
            lse = (real)INFINITY;
            break;
        }
        if (self->spec.positive_in_denominator) {
            const real max = LODE_MAX(state->max, positive);
            state->sum = state->sum * (real)exp((double)(state->max - max)) +
                         (real)exp((double)(positive - max));
            state->max = max;
        }
        lse = state->max + (real)log((double)state->sum);
        loss = lse - positive;
        break;
    case LODE_CONTRAST_BCE:
        loss = softplus(-positive) + state->loss;
        break;
    case LODE_CONTRAST_BPR:
        loss = state->counted > 0 ? state->loss / (real)state->counted : 0;
        break;
    }
    ((real *)self->lse)[query] = lse;
    ((real *)self->counted)[query] = (real)state->counted;
    ((real *)self->loss)[query] = loss;
}

/// Elements a packed key takes.
static size_t padded_width(const lode_contrast_op *self) {
    const lode_kernels *kernels = self->graph->kernels;
    return (self->spec.query->columns + kernels->depth - 1) / kernels->depth * kernels->depth;
}

/// Dot products of queries first .. first + rows - 1 with shared negatives from `column` on, into z [rows, columns].
static void shared_block(const lode_contrast_op *self, size_t first, size_t rows, size_t column,
                         size_t columns, real *z, real *scratch) {
    const lode_kernels *kernels = self->graph->kernels;
    const size_t d = self->spec.query->columns;
    assert(COLUMNS % kernels->panel == 0);
    kernels->gemm(&(lode_gemm){.m = rows,
                               .n = columns,
                               .k = d,
                               .a = row_of(self->spec.query, first),
                               .a_row = d,
                               .a_column = 1,
                               .b = (const stored *)self->packed + column * padded_width(self),
                               .b_packed = true,
                               .wide = z,
                               .c_row = COLUMNS,
                               .scratch = scratch});
}

static void own_block(const lode_contrast_op *self, size_t query, real *z) {
    const lode_contrast *spec = &self->spec;
    const lode_kernels *kernels = self->graph->kernels;
    const int32_t *ids = spec->negative->data + query * spec->negative->width;
    for (size_t j = 0; j < spec->negative->width; j++) {
        z[j] = kernels->dot(spec->query->columns, row_of(spec->query, query),
                            row_of(spec->key, (size_t)ids[j]));
    }
}

static void forward_task(void *context, size_t task, size_t thread) {
    const lode_contrast_op *self = context;
    const lode_contrast *spec = &self->spec;
    const size_t first = task * ROWS;
    const size_t rows = LODE_MIN((size_t)ROWS, query_count(self) - first);
    real *scratch = lode__scratch(self->graph, thread);
    real *z = scratch + LODE_GEMM_SCRATCH;
    lode_running states[ROWS];
    for (size_t i = 0; i < rows; i++) {
        states[i] = (lode_running){.max = -(real)INFINITY};
        positive_logit(self, first + i);
    }
    if (spec->shared) {
        const size_t total = spec->negative->dim->size;
        for (size_t column = 0; column < total; column += COLUMNS) {
            const size_t columns = LODE_MIN((size_t)COLUMNS, total - column);
            shared_block(self, first, rows, column, columns, z, scratch);
            for (size_t i = 0; i < rows; i++) {
                finish_logits(self, first + i, column, columns, z + i * COLUMNS);
                take_logits(self, first + i, columns, z + i * COLUMNS, &states[i]);
            }
        }
    } else {
        for (size_t i = 0; i < rows; i++) {
            own_block(self, first + i, z);
            finish_logits(self, first + i, 0, spec->negative->width, z);
            take_logits(self, first + i, spec->negative->width, z, &states[i]);
        }
    }
    for (size_t i = 0; i < rows; i++)
        finish_query(self, first + i, &states[i]);
}

static void gather_task(void *context, size_t task, size_t thread) {
    (void)thread;
    const lode_contrast_op *self = context;
    const size_t d = self->spec.query->columns;
    const size_t last = LODE_MIN((task + 1) * LODE_TILE, self->spec.negative->dim->size);
    for (size_t j = task * LODE_TILE; j < last; j++) {
        memcpy((stored *)self->keys + j * d,
               row_of(self->spec.key, (size_t)self->spec.negative->data[j]), d * sizeof(stored));
    }
}

static void forward(lode_graph *graph, void *context) {
    lode_contrast_op *self = context;
    const lode_kernels *kernels = graph->kernels;
    const size_t d = self->spec.query->columns, m = query_count(self);
    if (self->spec.shared) {
        const size_t r = self->spec.negative->dim->size;
        lode__pool_run(graph->pool, (r + LODE_TILE - 1) / LODE_TILE, gather_task, self);
        kernels->pack_stored(d, r, self->keys, 1, d, self->packed);
    }
    lode__pool_run(graph->pool, (m + ROWS - 1) / ROWS, forward_task, self);
    double sum = 0.0;
    for (size_t i = 0; i < m; i++)
        sum += (double)((const real *)self->loss)[i];
    *(real *)self->output->value = (real)(m > 0 ? sum / (double)m : 0.0);
}

/// dL/dz+ times the scale, for the query and key gradients.
static void positive_derivative(const lode_contrast_op *self, size_t query, real each) {
    const real positive = ((const real *)self->positive)[query];
    const real lse = ((const real *)self->lse)[query];
    real derivative = 0; // bpr: minus the sum over its negatives, added by negative_derivatives
    if (self->spec.kind == LODE_CONTRAST_SOFTMAX && lse != (real)INFINITY) {
        derivative =
            (self->spec.positive_in_denominator ? (real)exp((double)(positive - lse)) : 0) - 1;
    } else if (self->spec.kind == LODE_CONTRAST_BCE) {
        derivative = -sigmoid(-positive);
    }
    ((real *)self->d_positive)[query] = derivative * each;
}

/// z = dL/dz times the scale, in place.
static void negative_derivatives(const lode_contrast_op *self, size_t query, real each,
                                 size_t count, real *z) {
    const lode_kernels *kernels = self->graph->kernels;
    if (self->spec.kind == LODE_CONTRAST_SOFTMAX) {
        (void)kernels->exp_sum(count, ((const real *)self->lse)[query], z);
        kernels->scale(count, each, z);
        return;
    }
    if (self->spec.kind == LODE_CONTRAST_BCE) {
        for (size_t j = 0; j < count; j++)
            z[j] = sigmoid(z[j]) * each;
        return;
    }
    const real positive = ((const real *)self->positive)[query];
    const real share = each / LODE_MAX(((const real *)self->counted)[query], (real)1);
    real sum = 0;
    for (size_t j = 0; j < count; j++) {
        z[j] = sigmoid(z[j] - positive) * share;
        sum += z[j];
    }
    ((real *)self->d_positive)[query] -= sum;
}

/// Scratch of a task: for the products | z [ROWS, COLUMNS] | gradients of the queries [ROWS, d] | z as stored.
static real *query_gradients(real *scratch) {
    return scratch + LODE_GEMM_SCRATCH + ROWS * COLUMNS;
}

/// Gradient of one tile of queries through the shared negatives, added to `d_query` [rows, d]; the tile's share of
/// the key gradients goes into `d_keys` [r, d].
static void shared_tile(const lode_contrast_op *self, size_t first, real each, real *d_query,
                        real *d_keys, bool add_keys, real *scratch) {
    const lode_contrast *spec = &self->spec;
    const lode_kernels *kernels = self->graph->kernels;
    const size_t d = spec->query->columns, total = spec->negative->dim->size;
    const size_t rows = LODE_MIN((size_t)ROWS, query_count(self) - first);
    real *z = scratch + LODE_GEMM_SCRATCH;
    stored *z_stored = (stored *)(query_gradients(scratch) + ROWS * d);
    lode_gemm product = {.b_row = d, .scratch = scratch, .c_row = d, .n = d};
    for (size_t column = 0; column < total; column += COLUMNS) {
        const size_t columns = LODE_MIN((size_t)COLUMNS, total - column);
        shared_block(self, first, rows, column, columns, z, scratch);
        for (size_t i = 0; i < rows; i++) {
            finish_logits(self, first + i, column, columns, z + i * COLUMNS);
            negative_derivatives(self, first + i, each, columns, z + i * COLUMNS);
        }
        for (size_t i = 0; i < rows; i++) {
            kernels->narrow(columns, z + i * COLUMNS, z_stored + i * COLUMNS);
        }
        product.a = z_stored;
        if (spec->query->gradient != NULL) {
            product.m = rows;
            product.k = columns;
            product.a_row = COLUMNS;
            product.a_column = 1;
            product.b = (const stored *)self->keys + column * d;
            product.wide = d_query;
            product.accumulate = true;
            kernels->gemm(&product);
        }
        product.m = columns;
        product.k = rows;
        product.a_row = 1;
        product.a_column = COLUMNS;
        product.b = row_of(spec->query, first);
        product.wide = d_keys + column * d;
        product.accumulate = add_keys;
        kernels->gemm(&product);
    }
}

static void own_tile(const lode_contrast_op *self, size_t first, real each, real *d_query) {
    const lode_contrast *spec = &self->spec;
    const lode_kernels *kernels = self->graph->kernels;
    const size_t d = spec->query->columns, width = spec->negative->width;
    const size_t last = LODE_MIN(first + ROWS, query_count(self));
    for (size_t query = first; query < last; query++) {
        real *z = (real *)self->d_own + query * width;
        own_block(self, query, z);
        finish_logits(self, query, 0, width, z);
        negative_derivatives(self, query, each, width, z);
        if (spec->query->gradient == NULL) continue;
        for (size_t j = 0; j < width; j++) {
            const size_t key = (size_t)spec->negative->data[query * width + j];
            kernels->scale_add(d, z[j], row_of(spec->key, key), d_query + (query - first) * d);
        }
    }
}

static real each_query(const lode_contrast_op *self) {
    const real outer = *(const real *)self->output->gradient;
    return outer * (real)self->spec.scale / (real)query_count(self);
}

static size_t tiles_of_group(size_t queries) {
    const size_t tiles = (queries + ROWS - 1) / ROWS;
    return (tiles + GROUPS - 1) / GROUPS;
}

static void backward_task(void *context, size_t task, size_t thread) {
    const lode_contrast_op *self = context;
    const lode_contrast *spec = &self->spec;
    const lode_kernels *kernels = self->graph->kernels;
    const size_t d = spec->query->columns, m = query_count(self);
    const size_t group = tiles_of_group(m) * ROWS;
    const real each = each_query(self);
    real *d_keys =
        spec->shared ? (real *)self->d_keys + task * spec->negative->dim->capacity * d : NULL;
    real *scratch = lode__scratch(self->graph, thread), *d_query = query_gradients(scratch);
    for (size_t first = task * group; first < LODE_MIN((task + 1) * group, m); first += ROWS) {
        const size_t last = LODE_MIN(first + ROWS, m);
        for (size_t query = first; query < last; query++)
            positive_derivative(self, query, each);
        stored *gradient = spec->query->gradient;
        if (gradient != NULL && self->add_query) {
            kernels->widen((last - first) * d, gradient + first * d, d_query);
        } else {
            memset(d_query, 0, (last - first) * d * sizeof *d_query);
        }
        if (spec->shared) {
            shared_tile(self, first, each, d_query, d_keys, first > task * group, scratch);
        } else {
            own_tile(self, first, each, d_query);
        }
        if (gradient == NULL) continue;
        for (size_t query = first; query < last; query++) {
            kernels->scale_add(d, ((const real *)self->d_positive)[query],
                               row_of(spec->key, (size_t)spec->positive->data[query]),
                               d_query + (query - first) * d);
        }
        kernels->narrow((last - first) * d, d_query, gradient + first * d);
    }
}

/// Key gradients, a few columns a task: every task walks all contributions in the same order.
static void scatter_task(void *context, size_t task, size_t thread) {
    (void)thread;
    const lode_contrast_op *self = context;
    const lode_contrast *spec = &self->spec;
    const size_t d = spec->query->columns, m = query_count(self);
    const size_t begin = task * SCATTER_COLUMNS, end = LODE_MIN(begin + SCATTER_COLUMNS, d);
    real *out = self->d_key_wide != NULL ? self->d_key_wide : spec->key->gradient;
    for (size_t query = 0; query < m; query++) {
        const real weight = ((const real *)self->d_positive)[query];
        real *row = out + (size_t)spec->positive->data[query] * d;
        const stored *q = row_of(spec->query, query);
        for (size_t c = begin; c < end; c++)
            row[c] += weight * widen(q[c]);
        if (spec->shared) continue;
        const size_t width = spec->negative->width;
        for (size_t j = 0; j < width; j++) {
            const real own = ((const real *)self->d_own)[query * width + j];
            real *other = out + (size_t)spec->negative->data[query * width + j] * d;
            for (size_t c = begin; c < end; c++)
                other[c] += own * widen(q[c]);
        }
    }
    if (!spec->shared) return;
    const size_t groups = (m + tiles_of_group(m) * ROWS - 1) / (tiles_of_group(m) * ROWS);
    for (size_t j = 0; j < spec->negative->dim->size; j++) {
        real *row = out + (size_t)spec->negative->data[j] * d;
        for (size_t group = 0; group < groups; group++) {
            const real *part =
                (const real *)self->d_keys + (group * spec->negative->dim->capacity + j) * d;
            for (size_t c = begin; c < end; c++)
                row[c] += part[c];
        }
    }
}

static void backward(lode_graph *graph, void *context) {
    lode_contrast_op *self = context;
    const lode_contrast *spec = &self->spec;
    const size_t m = query_count(self), d = spec->query->columns;
    if (m == 0) return;
    (void)lode__gradient(spec->query, &self->add_query);
    const size_t group = tiles_of_group(m) * ROWS;
    lode__pool_run(graph->pool, (m + group - 1) / group, backward_task, self);
    bool add;
    stored *d_key = lode__gradient(spec->key, &add);
    if (d_key == NULL) return;
    const lode_kernels *kernels = graph->kernels;
    const size_t elements = spec->key->rows->size * d;
    if (!add) memset(d_key, 0, elements * sizeof *d_key);
    if (self->d_key_wide != NULL) kernels->widen(elements, d_key, self->d_key_wide);
    lode__pool_run(graph->pool, (d + SCATTER_COLUMNS - 1) / SCATTER_COLUMNS, scatter_task, self);
    if (self->d_key_wide != NULL) kernels->narrow(elements, self->d_key_wide, d_key);
}

const lode_op LODE_REAL(lode__op_contrast) = {"contrast", forward, backward};

#if LODE_FIRST_PASS
static void allocate_shared(lode_graph *graph, lode_contrast_op *self, size_t size) {
    const size_t kept = lode__stored_size(graph->precision);
    const size_t d = self->spec.query->columns;
    const size_t r = self->spec.negative->dim->capacity;
    const size_t padded = (r + COLUMNS - 1) / COLUMNS * COLUMNS;
    lode__graph_work(graph, &self->keys, r * d, kept, LODE_INTO_BACKWARD);
    lode__graph_work(graph, &self->packed, lode__graph_packed(graph, d, padded), kept,
                     LODE_INTO_BACKWARD);
    lode__graph_work(graph, &self->d_keys, GROUPS * r * d, size, LODE_BACKWARD_ONLY);
    lode__graph_scratch(graph, (LODE_GEMM_SCRATCH + ROWS * (2 * COLUMNS + d)) * size);
}

lode_tensor *lode__contrast(lode_graph *graph, const lode_contrast *contrast) {
    lode_contrast_op *self = lode__graph_alloc(graph, 1, sizeof *self);
    if (self == NULL || contrast->query == NULL || contrast->key == NULL ||
        contrast->positive == NULL || contrast->negative == NULL) {
        graph->failed = true;
        return NULL;
    }
    assert(contrast->query->columns == contrast->key->columns);
    const size_t size = lode__real_size(graph->precision);
    const size_t m = contrast->query->rows->capacity;
    self->spec = *contrast;
    self->graph = graph;
    self->output = lode__graph_tensor_wide(graph, &graph->one, 1, true);
    lode__graph_work(graph, &self->positive, m, size, LODE_INTO_BACKWARD);
    lode__graph_work(graph, &self->lse, m, size, LODE_INTO_BACKWARD);
    lode__graph_work(graph, &self->counted, m, size, LODE_INTO_BACKWARD);
    lode__graph_work(graph, &self->loss, m, size, LODE_FORWARD_ONLY);
    lode__graph_work(graph, &self->d_positive, m, size, LODE_BACKWARD_ONLY);
    lode__graph_reads(graph, self->spec.query, LODE_INTO_BACKWARD);
    lode__graph_reads(graph, self->spec.key, LODE_INTO_BACKWARD);
    if (graph->precision == LODE_BF16) {
        lode__graph_work(graph, &self->d_key_wide,
                         contrast->key->rows->capacity * contrast->key->columns, size,
                         LODE_BACKWARD_ONLY);
    }
    if (contrast->shared) {
        allocate_shared(graph, self, size);
    } else {
        const size_t width = contrast->negative->width;
        lode__graph_work(graph, &self->d_own, m * width, size, LODE_BACKWARD_ONLY);
        const size_t block = LODE_MAX((size_t)ROWS * COLUMNS, width);
        lode__graph_scratch(graph,
                            (LODE_GEMM_SCRATCH + block + ROWS * contrast->query->columns) * size);
    }
    return lode__graph_add(graph, LODE_OP(graph, contrast), self, self->output);
}
#endif
