/// stack: rows of an array that needs no gradient above the rows of a tensor,
///
///     y = [c; x]        dx = the rows of dy below the first n, which nobody reads (`detached`)
///
/// c [n, d] are floats of a queue or another memory of earlier steps, n the size that the run gives its dimension; x [m, d]
/// may be left out. The array is read when the graph runs and never written.
#include <string.h>

#include "graph/ops.h"
#include "kernel/real.h"

LODE_OP_DECLARE(stack);

typedef struct lode_stack {
    lode_graph *graph;
    lode_dim *above; ///< n
    const float *constants;
    lode_tensor *x, *output; ///< x or NULL
} lode_stack;

static size_t tiles(size_t rows) {
    return (rows + LODE_TILE - 1) / LODE_TILE;
}

static void constant_tile(void *context, size_t task, size_t thread) {
    (void)thread;
    const lode_stack *self = context;
    const size_t d = self->output->columns;
    const size_t last = LODE_MIN((task + 1) * LODE_TILE, self->above->size) * d;
    stored *y = self->output->value;
    for (size_t i = task * LODE_TILE * d; i < last; i++)
        y[i] = narrow((real)self->constants[i]);
}

static void forward_tile(void *context, size_t task, size_t thread) {
    (void)thread;
    const lode_stack *self = context;
    const size_t d = self->output->columns, first = task * LODE_TILE;
    const size_t rows = LODE_MIN((size_t)LODE_TILE, self->x->rows->size - first);
    memcpy((stored *)self->output->value + (self->above->size + first) * d,
           (const stored *)self->x->value + first * d, rows * d * sizeof(stored));
}

static void forward(lode_graph *graph, void *context) {
    lode_stack *self = context;
    const size_t below = self->x != NULL ? self->x->rows->size : 0;
    self->output->rows->size = self->above->size + below;
    lode__pool_run(graph->pool, tiles(self->above->size), constant_tile, self);
    lode__pool_run(graph->pool, tiles(below), forward_tile, self);
}

static void copy_tile(void *context, size_t task, size_t thread) {
    (void)thread;
    const lode_stack *self = context;
    const size_t d = self->output->columns, first = task * LODE_TILE;
    const size_t rows = LODE_MIN((size_t)LODE_TILE, self->x->rows->size - first);
    memcpy((stored *)self->x->gradient + first * d,
           (const stored *)self->output->gradient + (self->above->size + first) * d,
           rows * d * sizeof(stored));
}

static void add_tile(void *context, size_t task, size_t thread) {
    (void)thread;
    const lode_stack *self = context;
    const lode_kernels *kernels = self->graph->kernels;
    const size_t d = self->output->columns, first = task * LODE_TILE;
    const size_t rows = LODE_MIN((size_t)LODE_TILE, self->x->rows->size - first);
    kernels->add(rows * d, (const stored *)self->output->gradient + (self->above->size + first) * d,
                 (stored *)self->x->gradient + first * d);
}

static void backward(lode_graph *graph, void *context) {
    lode_stack *self = context;
    bool add;
    if (self->x == NULL || lode__gradient(self->x, &add) == NULL) return;
    lode__pool_run(graph->pool, tiles(self->x->rows->size), add ? add_tile : copy_tile, self);
}

const lode_op LODE_REAL(lode__op_stack) = {"stack", forward, backward};

#if LODE_FIRST_PASS
lode_tensor *lode__stack(lode_graph *graph, lode_dim *above, const float *constants, size_t columns,
                         lode_tensor *x) {
    lode_stack *self = lode__graph_alloc(graph, 1, sizeof *self);
    size_t capacity = above != NULL ? above->capacity : 0;
    if (x != NULL) capacity += x->rows->capacity;
    lode_dim *rows = lode__graph_dim(graph, "stacked", capacity);
    if (self == NULL || above == NULL || rows == NULL) {
        graph->failed = true;
        return NULL;
    }
    assert(x == NULL || x->columns == columns);
    lode_tensor *output = lode__graph_tensor(graph, rows, columns, x != NULL);
    *self = (lode_stack){graph, above, constants, x, output};
    if (x != NULL) {
        if (output != NULL) output->detached = above;
        lode__graph_reads(graph, x, LODE_FORWARD_ONLY);
    } else {
        graph->declared = true; // that it reads no tensor
    }
    return lode__graph_add(graph, LODE_OP(graph, stack), self, output);
}
#endif
