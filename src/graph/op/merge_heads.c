/// merge_heads: the H heads of a row made one. x [m, H d] holds h_1 ... h_H, y [m, d].
///
///     mean    y = 1/H sum_k h_k                          dh_k = dy / H
///     wha     g = 1/H sum_k h_k                          weighted head aggregation: He et al. 2017; CLRec Eq. 15
///             a_k = exp(h_k . g) / sum_j exp(h_j . g)
///             y = sum_k a_k h_k
///
/// g needs no memory: h_k . g = 1/H sum_j h_k . h_j. Backward, with da_k = dy . h_k and z_k = h_k . g:
///
///     dz_k = a_k (da_k - sum_j a_j da_j)                 dh_k = a_k dy + 1/H sum_j (dz_k + dz_j) h_j
#include <string.h>

#include "graph/ops.h"
#include "kernel/real.h"

LODE_OP_DECLARE(merge_heads);

typedef struct lode_merge_heads {
    lode_graph *graph;
    lode_tensor *x, *output;
    size_t heads;
    lode_merge_kind kind;
    bool add;
    void *weights; ///< [rows, heads] a; wha only
} lode_merge_heads;

static size_t tiles(const lode_merge_heads *self) {
    return (self->output->rows->size + LODE_TILE - 1) / LODE_TILE;
}

static real *row_weights(const lode_merge_heads *self, size_t row) {
    return self->weights != NULL ? (real *)self->weights + row * self->heads : NULL;
}

/// a of one row.
static void weigh(const lode_merge_heads *self, const stored *x, real *weights) {
    const lode_kernels *kernels = self->graph->kernels;
    const size_t heads = self->heads, d = self->output->columns;
    const real share = 1 / (real)heads;
    memset(weights, 0, heads * sizeof *weights);
    for (size_t k = 0; k < heads; k++) {
        weights[k] += share * kernels->dot(d, x + k * d, x + k * d);
        for (size_t j = 0; j < k; j++) {
            const real product = share * kernels->dot(d, x + k * d, x + j * d);
            weights[k] += product;
            weights[j] += product;
        }
    }
    const real sum = kernels->exp_sum(heads, kernels->max(heads, weights), weights);
    kernels->scale(heads, 1 / sum, weights);
}

static void forward_tile(void *context, size_t task, size_t thread) {
    const lode_merge_heads *self = context;
    const lode_kernels *kernels = self->graph->kernels;
    const size_t heads = self->heads, d = self->output->columns;
    const size_t last = LODE_MIN((task + 1) * LODE_TILE, self->output->rows->size);
    const bool wha = self->kind == LODE_MERGE_WHA;
    real *sum = lode__scratch(self->graph, thread);
    for (size_t row = task * LODE_TILE; row < last; row++) {
        const stored *x = (const stored *)self->x->value + row * heads * d;
        const real *weights = row_weights(self, row);
        if (wha) weigh(self, x, row_weights(self, row));
        memset(sum, 0, d * sizeof *sum);
        for (size_t k = 0; k < heads; k++)
            kernels->scale_add(d, wha ? weights[k] : 1 / (real)heads, x + k * d, sum);
        kernels->narrow(d, sum, (stored *)self->output->value + row * d);
    }
}

static void forward(lode_graph *graph, void *context) {
    lode__pool_run(graph->pool, tiles(context), forward_tile, context);
}

/// dz / H of one row.
static void backward_weights(const lode_merge_heads *self, size_t row, const stored *dy, real *dz) {
    const lode_kernels *kernels = self->graph->kernels;
    const size_t heads = self->heads, d = self->output->columns;
    const stored *x = (const stored *)self->x->value + row * heads * d;
    const real *weights = row_weights(self, row);
    real mean = 0;
    for (size_t k = 0; k < heads; k++) {
        dz[k] = kernels->dot(d, x + k * d, dy);
        mean += weights[k] * dz[k];
    }
    for (size_t k = 0; k < heads; k++)
        dz[k] = weights[k] * (dz[k] - mean) / (real)heads;
}

static void backward_row(const lode_merge_heads *self, size_t row, real *sum, real *dz) {
    const lode_kernels *kernels = self->graph->kernels;
    const size_t heads = self->heads, d = self->output->columns;
    const bool wha = self->kind == LODE_MERGE_WHA;
    const stored *x = (const stored *)self->x->value + row * heads * d;
    const stored *dy = (const stored *)self->output->gradient + row * d;
    const real *weights = row_weights(self, row);
    stored *dx = (stored *)self->x->gradient + row * heads * d;
    if (wha) backward_weights(self, row, dy, dz);
    for (size_t k = 0; k < heads; k++, dx += d) {
        if (self->add) {
            kernels->widen(d, dx, sum);
        } else {
            memset(sum, 0, d * sizeof *sum);
        }
        kernels->scale_add(d, wha ? weights[k] : 1 / (real)heads, dy, sum);
        for (size_t j = 0; j < heads && wha; j++)
            kernels->scale_add(d, dz[k] + dz[j], x + j * d, sum);
        kernels->narrow(d, sum, dx);
    }
}

static void backward_tile(void *context, size_t task, size_t thread) {
    const lode_merge_heads *self = context;
    const size_t last = LODE_MIN((task + 1) * LODE_TILE, self->output->rows->size);
    real *sum = lode__scratch(self->graph, thread), *dz = sum + self->output->columns;
    for (size_t row = task * LODE_TILE; row < last; row++)
        backward_row(self, row, sum, dz);
}

static void backward(lode_graph *graph, void *context) {
    lode_merge_heads *self = context;
    if (lode__gradient(self->x, &self->add) == NULL) return;
    lode__pool_run(graph->pool, tiles(self), backward_tile, self);
}

const lode_op LODE_REAL(lode__op_merge_heads) = {"merge_heads", forward, backward};

#if LODE_FIRST_PASS
lode_tensor *lode__merge_heads(lode_graph *graph, lode_tensor *x, size_t heads, lode_merge_kind kind) {
    lode_merge_heads *self = lode__graph_alloc(graph, 1, sizeof *self);
    if (self == NULL || x == NULL) {
        graph->failed = true;
        return NULL;
    }
    assert(heads > 0 && x->columns % heads == 0);
    const bool wha = kind == LODE_MERGE_WHA;
    const size_t d = x->columns / heads, size = lode__real_size(graph->precision);
    lode_tensor *output = lode__graph_tensor(graph, x->rows, d, true);
    *self =
        (lode_merge_heads){.graph = graph, .x = x, .output = output, .heads = heads, .kind = kind};
    if (wha) {
        lode__graph_work(graph, &self->weights, x->rows->capacity * heads, size, LODE_INTO_BACKWARD);
    }
    lode__graph_reads(graph, x, wha ? LODE_INTO_BACKWARD : LODE_FORWARD_ONLY);
    lode__graph_scratch(graph, (d + heads) * size);
    return lode__graph_add(graph, LODE_OP(graph, merge_heads), self, output);
}
#endif
