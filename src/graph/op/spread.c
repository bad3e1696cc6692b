/// spread: a row of x [m, c] for every position of its list: y[p] = x[r] for the positions p of list r.
///
///     dx[r] = sum over the positions of list r of dy[p]
#include <string.h>

#include "graph/ops.h"
#include "kernel/real.h"

LODE_OP_DECLARE(spread);

typedef struct lode_spread {
    lode_graph *graph;
    lode_tensor *x, *output;
    lode_lists *lists;
    bool add;
} lode_spread;

static size_t tiles(const lode_spread *self) {
    return (self->x->rows->size + LODE_TILE - 1) / LODE_TILE;
}

static void forward_tile(void *context, size_t task, size_t thread) {
    (void)thread;
    const lode_spread *self = context;
    const size_t columns = self->x->columns;
    const size_t last = LODE_MIN((task + 1) * LODE_TILE, self->x->rows->size);
    for (size_t row = task * LODE_TILE; row < last; row++) {
        const stored *x = (const stored *)self->x->value + row * columns;
        for (int32_t p = self->lists->offsets[row]; p < self->lists->offsets[row + 1]; p++)
            memcpy((stored *)self->output->value + (size_t)p * columns, x, columns * sizeof *x);
    }
}

static void forward(lode_graph *graph, void *context) {
    lode_spread *self = context;
    lode__pool_run(graph->pool, tiles(self), forward_tile, self);
}

static void backward_tile(void *context, size_t task, size_t thread) {
    (void)thread;
    const lode_spread *self = context;
    const size_t columns = self->x->columns;
    const size_t last = LODE_MIN((task + 1) * LODE_TILE, self->x->rows->size);
    for (size_t row = task * LODE_TILE; row < last; row++) {
        stored *dx = (stored *)self->x->gradient + row * columns;
        for (size_t c = 0; c < columns; c++) {
            real sum = self->add ? widen(dx[c]) : 0;
            for (int32_t p = self->lists->offsets[row]; p < self->lists->offsets[row + 1]; p++)
                sum += widen(((const stored *)self->output->gradient)[(size_t)p * columns + c]);
            dx[c] = narrow(sum);
        }
    }
}

static void backward(lode_graph *graph, void *context) {
    lode_spread *self = context;
    if (lode__gradient(self->x, &self->add) == NULL) return;
    lode__pool_run(graph->pool, tiles(self), backward_tile, self);
}

const lode_op LODE_REAL(lode__op_spread) = {"spread", forward, backward};

#if LODE_FIRST_PASS
lode_tensor *lode__spread(lode_graph *graph, lode_tensor *x, lode_lists *lists) {
    lode_spread *self = lode__graph_alloc(graph, 1, sizeof *self);
    if (self == NULL || x == NULL || lists == NULL) {
        graph->failed = true;
        return NULL;
    }
    assert(x->rows == lists->rows);
    lode_tensor *output = lode__graph_tensor(graph, lists->positions, x->columns, true);
    *self = (lode_spread){graph, x, output, lists, false};
    lode__graph_reads(graph, x, LODE_FORWARD_ONLY);
    return lode__graph_add(graph, LODE_OP(graph, spread), self, output);
}
#endif
