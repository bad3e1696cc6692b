/// unfold: x [m, F d] seen as packed lists of F rows of d: y [m F, d], the same numbers in the same order. The op sets the
/// lists' offsets and the size of their positions. y may lie over x, and dx over dy: then nothing is copied.
#include <string.h>

#include "graph/ops.h"
#include "kernel/real.h"

LODE_OP_DECLARE(unfold);

typedef struct lode_unfold {
    lode_graph *graph;
    lode_tensor *x, *output;
    lode_lists *lists;
    bool add;
} lode_unfold;

static void forward_tile(void *context, size_t task, size_t thread) {
    (void)thread;
    const lode_unfold *self = context;
    const size_t columns = self->x->columns, first = task * LODE_TILE;
    const size_t rows = LODE_MIN((size_t)LODE_TILE, self->x->rows->size - first);
    memcpy((stored *)self->output->value + first * columns,
           (const stored *)self->x->value + first * columns, rows * columns * sizeof(stored));
}

static void forward(lode_graph *graph, void *context) {
    lode_unfold *self = context;
    const size_t rows = self->x->rows->size, limit = self->lists->limit;
    self->lists->positions->size = rows * limit;
    for (size_t row = 0; row <= rows; row++)
        self->lists->offsets[row] = (int32_t)(row * limit);
    if (self->output->value == self->x->value) return;
    lode__pool_run(graph->pool, (rows + LODE_TILE - 1) / LODE_TILE, forward_tile, self);
}

static void backward_tile(void *context, size_t task, size_t thread) {
    (void)thread;
    const lode_unfold *self = context;
    const lode_kernels *kernels = self->graph->kernels;
    const size_t columns = self->x->columns, first = task * LODE_TILE;
    const size_t count = LODE_MIN((size_t)LODE_TILE, self->x->rows->size - first) * columns;
    const stored *dy = (const stored *)self->output->gradient + first * columns;
    stored *dx = (stored *)self->x->gradient + first * columns;
    if (self->add) {
        kernels->add(count, dy, dx);
    } else {
        memcpy(dx, dy, count * sizeof *dx);
    }
}

static void backward(lode_graph *graph, void *context) {
    lode_unfold *self = context;
    const void *dx = lode__gradient(self->x, &self->add);
    if (dx == NULL || dx == self->output->gradient) return;
    lode__pool_run(graph->pool, (self->x->rows->size + LODE_TILE - 1) / LODE_TILE, backward_tile,
                   self);
}

const lode_op LODE_REAL(lode__op_unfold) = {"unfold", forward, backward};

#if LODE_FIRST_PASS
lode_tensor *lode__unfold(lode_graph *graph, lode_tensor *x, lode_lists *lists) {
    lode_unfold *self = lode__graph_alloc(graph, 1, sizeof *self);
    if (self == NULL || x == NULL || lists == NULL) {
        graph->failed = true;
        return NULL;
    }
    assert(x->rows == lists->rows && x->columns % lists->limit == 0);
    lode_tensor *output =
        lode__graph_tensor(graph, lists->positions, x->columns / lists->limit, true);
    *self = (lode_unfold){graph, x, output, lists, false};
    lode__graph_reads(graph, x, LODE_FORWARD_ONLY);
    lode__graph_value_over(graph, output, x);
    lode__graph_gradient_over(graph, x, output);
    return lode__graph_add(graph, LODE_OP(graph, unfold), self, output);
}
#endif
