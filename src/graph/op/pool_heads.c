/// pool_heads: the rows of each list pooled by several heads of attention (Lin et al., ICLR 2017, Eq. 5 and 6). Scores
/// s [p, H] and values x [p, d] of the packed rows; y [m, H d], head by head; empty lists give 0.
///
///     a_th = exp(s_th) / sum_u exp(s_uh)         over the rows u of t's list
///     y_h = sum_t a_th x_t
///     da_th = x_t . dy_h                         ds_th = a_th (da_th - sum_u a_uh da_uh)
///     dx_t = sum_h a_th dy_h
///
/// Forward keeps a, of each list [H, length]. Sums run in `real` over rows, and over heads, in order.
#include <string.h>

#include "graph/ops.h"
#include "kernel/real.h"

LODE_OP_DECLARE(pool_heads);

enum { LISTS_PER_TASK = 8 };

typedef struct lode_pool_heads {
    lode_graph *graph;
    lode_tensor *scores, *values, *output;
    lode_lists *lists;
    size_t heads;
    bool add[2];   ///< to the gradients of scores, values
    void *weights; ///< a
} lode_pool_heads;

static size_t tasks(const lode_pool_heads *self) {
    return (self->output->rows->size + LISTS_PER_TASK - 1) / LISTS_PER_TASK;
}

/// Scores of a list into `weights` [heads, length], turned into a softmax each.
static void weigh(const lode_pool_heads *self, size_t begin, size_t length, real *weights) {
    const lode_kernels *kernels = self->graph->kernels;
    const size_t heads = self->heads;
    const stored *scores = (const stored *)self->scores->value + begin * heads;
    for (size_t h = 0; h < heads; h++, weights += length) {
        for (size_t t = 0; t < length; t++)
            weights[t] = widen(scores[t * heads + h]);
        const real sum = kernels->exp_sum(length, kernels->max(length, weights), weights);
        kernels->scale(length, 1 / sum, weights);
    }
}

static void forward_task(void *context, size_t task, size_t thread) {
    const lode_pool_heads *self = context;
    const lode_kernels *kernels = self->graph->kernels;
    const size_t d = self->values->columns, heads = self->heads;
    const size_t last = LODE_MIN((task + 1) * LISTS_PER_TASK, self->output->rows->size);
    real *sums = lode__scratch(self->graph, thread);
    for (size_t list = task * LISTS_PER_TASK; list < last; list++) {
        const size_t begin = (size_t)self->lists->offsets[list];
        const size_t length = (size_t)self->lists->offsets[list + 1] - begin;
        const stored *x = (const stored *)self->values->value + begin * d;
        real *weights = (real *)self->weights + begin * heads;
        memset(sums, 0, heads * d * sizeof *sums);
        if (length > 0) weigh(self, begin, length, weights);
        for (size_t t = 0; t < length; t++) {
            for (size_t h = 0; h < heads; h++)
                kernels->scale_add(d, weights[h * length + t], x + t * d, sums + h * d);
        }
        kernels->narrow(heads * d, sums, (stored *)self->output->value + list * heads * d);
    }
}

static void forward(lode_graph *graph, void *context) {
    lode__pool_run(graph->pool, tasks(context), forward_task, context);
}

static void put(stored *to, real value, bool add) {
    *to = narrow(add ? widen(*to) + value : value);
}

/// ds of one head of a list. @param products  [length] work space
static void backward_scores(const lode_pool_heads *self, size_t begin, size_t length, size_t head,
                            const stored *dy, real *products) {
    const lode_kernels *kernels = self->graph->kernels;
    const size_t d = self->values->columns, heads = self->heads;
    const stored *x = (const stored *)self->values->value + begin * d;
    const real *weights = (const real *)self->weights + begin * heads + head * length;
    stored *ds = (stored *)self->scores->gradient + begin * heads + head;
    real mean = 0;
    for (size_t t = 0; t < length; t++) {
        products[t] = kernels->dot(d, x + t * d, dy);
        mean += weights[t] * products[t];
    }
    for (size_t t = 0; t < length; t++)
        put(&ds[t * heads], weights[t] * (products[t] - mean), self->add[0]);
}

/// dx of a list. @param sum  [d] work space
static void backward_values(const lode_pool_heads *self, size_t begin, size_t length,
                            const stored *dy, real *sum) {
    const lode_kernels *kernels = self->graph->kernels;
    const size_t d = self->values->columns, heads = self->heads;
    const real *weights = (const real *)self->weights + begin * heads;
    stored *dx = (stored *)self->values->gradient + begin * d;
    for (size_t t = 0; t < length; t++, dx += d) {
        if (self->add[1]) {
            kernels->widen(d, dx, sum);
        } else {
            memset(sum, 0, d * sizeof *sum);
        }
        for (size_t h = 0; h < heads; h++)
            kernels->scale_add(d, weights[h * length + t], dy + h * d, sum);
        kernels->narrow(d, sum, dx);
    }
}

static void backward_task(void *context, size_t task, size_t thread) {
    const lode_pool_heads *self = context;
    const size_t d = self->values->columns, heads = self->heads;
    const size_t last = LODE_MIN((task + 1) * LISTS_PER_TASK, self->output->rows->size);
    real *work = lode__scratch(self->graph, thread);
    for (size_t list = task * LISTS_PER_TASK; list < last; list++) {
        const size_t begin = (size_t)self->lists->offsets[list];
        const size_t length = (size_t)self->lists->offsets[list + 1] - begin;
        const stored *dy = (const stored *)self->output->gradient + list * heads * d;
        for (size_t h = 0; h < heads && self->scores->gradient != NULL; h++)
            backward_scores(self, begin, length, h, dy + h * d, work);
        if (self->values->gradient != NULL) backward_values(self, begin, length, dy, work);
    }
}

static void backward(lode_graph *graph, void *context) {
    lode_pool_heads *self = context;
    (void)lode__gradient(self->scores, &self->add[0]);
    (void)lode__gradient(self->values, &self->add[1]);
    lode__pool_run(graph->pool, tasks(self), backward_task, self);
}

const lode_op LODE_REAL(lode__op_pool_heads) = {"pool_heads", forward, backward};

#if LODE_FIRST_PASS
lode_tensor *lode__pool_heads(lode_graph *graph, lode_tensor *scores, lode_tensor *values,
                              lode_lists *lists) {
    lode_pool_heads *self = lode__graph_alloc(graph, 1, sizeof *self);
    if (self == NULL || scores == NULL || values == NULL || lists == NULL) {
        graph->failed = true;
        return NULL;
    }
    assert(scores->rows == lists->positions && values->rows == lists->positions);
    assert(scores != values);
    const size_t heads = scores->columns, d = values->columns;
    const size_t size = lode__real_size(graph->precision);
    lode_tensor *output = lode__graph_tensor(graph, lists->rows, heads * d, true);
    *self = (lode_pool_heads){.graph = graph,
                              .scores = scores,
                              .values = values,
                              .output = output,
                              .lists = lists,
                              .heads = heads};
    lode__graph_work(graph, &self->weights, scores->rows->capacity * heads, size, LODE_INTO_BACKWARD);
    lode__graph_reads(graph, scores, LODE_FORWARD_ONLY);
    lode__graph_reads(graph, values, LODE_INTO_BACKWARD);
    lode__graph_scratch(graph, LODE_MAX(heads * d, LODE_MAX(d, lists->limit)) * size);
    return lode__graph_add(graph, LODE_OP(graph, pool_heads), self, output);
}
#endif
