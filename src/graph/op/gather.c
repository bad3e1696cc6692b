/// gather: rows of a tensor, y[i] = x[ids[i]]. No row may be asked for twice, so that backward can add rows side by side:
///
///     dx[ids[i]] += dy[i], and 0 for the rows that nobody asked for
#include <string.h>

#include "graph/ops.h"
#include "kernel/real.h"

LODE_OP_DECLARE(gather);

typedef struct lode_gather {
    lode_graph *graph;
    lode_tensor *x, *output;
    lode_ids *ids;
} lode_gather;

static size_t tiles(const lode_tensor *tensor) {
    return (tensor->rows->size + LODE_TILE - 1) / LODE_TILE;
}

static void forward_tile(void *context, size_t task, size_t thread) {
    (void)thread;
    const lode_gather *self = context;
    const size_t d = self->output->columns;
    const size_t last = LODE_MIN((task + 1) * LODE_TILE, self->output->rows->size);
    for (size_t row = task * LODE_TILE; row < last; row++) {
        const size_t from = (size_t)self->ids->data[row];
        memcpy((stored *)self->output->value + row * d, (const stored *)self->x->value + from * d,
               d * sizeof(stored));
    }
}

static void forward(lode_graph *graph, void *context) {
    lode_gather *self = context;
    lode__pool_run(graph->pool, tiles(self->output), forward_tile, self);
}

static void clear_tile(void *context, size_t task, size_t thread) {
    (void)thread;
    const lode_gather *self = context;
    const size_t d = self->output->columns, first = task * LODE_TILE;
    const size_t rows = LODE_MIN((size_t)LODE_TILE, self->x->rows->size - first);
    memset((stored *)self->x->gradient + first * d, 0, rows * d * sizeof(stored));
}

static void add_tile(void *context, size_t task, size_t thread) {
    (void)thread;
    const lode_gather *self = context;
    const lode_kernels *kernels = self->graph->kernels;
    const size_t d = self->output->columns;
    const size_t last = LODE_MIN((task + 1) * LODE_TILE, self->output->rows->size);
    for (size_t row = task * LODE_TILE; row < last; row++) {
        const size_t to = (size_t)self->ids->data[row];
        kernels->add(d, (const stored *)self->output->gradient + row * d,
                     (stored *)self->x->gradient + to * d);
    }
}

static void backward(lode_graph *graph, void *context) {
    lode_gather *self = context;
    bool add;
    if (lode__gradient(self->x, &add) == NULL) return;
    if (!add) lode__pool_run(graph->pool, tiles(self->x), clear_tile, self);
    lode__pool_run(graph->pool, tiles(self->output), add_tile, self);
}

const lode_op LODE_REAL(lode__op_gather) = {"gather", forward, backward};

#if LODE_FIRST_PASS
lode_tensor *lode__gather(lode_graph *graph, lode_tensor *x, lode_ids *ids) {
    lode_gather *self = lode__graph_alloc(graph, 1, sizeof *self);
    if (self == NULL || x == NULL || ids == NULL) {
        graph->failed = true;
        return NULL;
    }
    assert(ids->width == 1);
    lode_tensor *output = lode__graph_tensor(graph, ids->dim, x->columns, true);
    *self = (lode_gather){graph, x, output, ids};
    lode__graph_reads(graph, x, LODE_FORWARD_ONLY);
    return lode__graph_add(graph, LODE_OP(graph, gather), self, output);
}
#endif
