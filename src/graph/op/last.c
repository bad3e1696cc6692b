/// last: y[r] = the last row of list r of a packed tensor x [s, d]; empty lists give 0.
#include <string.h>

#include "graph/ops.h"
#include "kernel/real.h"

LODE_OP_DECLARE(last);

typedef struct lode_last_op {
    lode_graph *graph;
    lode_tensor *x, *output;
    lode_lists *lists;
    bool add;
} lode_last_op;

static void forward(lode_graph *graph, void *context) {
    (void)graph;
    const lode_last_op *self = context;
    const size_t d = self->output->columns;
    const int32_t *offsets = self->lists->offsets;
    stored *y = self->output->value;
    for (size_t row = 0; row < self->output->rows->size; row++, y += d) {
        if (offsets[row + 1] > offsets[row]) {
            const size_t at = (size_t)offsets[row + 1] - 1;
            memcpy(y, (const stored *)self->x->value + at * d, d * sizeof *y);
        } else {
            memset(y, 0, d * sizeof *y);
        }
    }
}

static void clear_tile(void *context, size_t task, size_t thread) {
    (void)thread;
    const lode_last_op *self = context;
    const size_t d = self->output->columns, first = task * LODE_TILE;
    const size_t rows = LODE_MIN((size_t)LODE_TILE, self->x->rows->size - first);
    memset((stored *)self->x->gradient + first * d, 0, rows * d * sizeof(stored));
}

static void backward(lode_graph *graph, void *context) {
    lode_last_op *self = context;
    const lode_kernels *kernels = graph->kernels;
    const size_t d = self->output->columns;
    const int32_t *offsets = self->lists->offsets;
    if (lode__gradient(self->x, &self->add) == NULL) return;
    if (!self->add) {
        lode__pool_run(graph->pool, (self->x->rows->size + LODE_TILE - 1) / LODE_TILE, clear_tile,
                       self);
    }
    for (size_t row = 0; row < self->output->rows->size; row++) {
        if (offsets[row + 1] == offsets[row]) continue;
        const size_t at = (size_t)offsets[row + 1] - 1;
        kernels->add(d, (const stored *)self->output->gradient + row * d,
                     (stored *)self->x->gradient + at * d);
    }
}

const lode_op LODE_REAL(lode__op_last) = {"last", forward, backward};

#if LODE_FIRST_PASS
lode_tensor *lode__last(lode_graph *graph, lode_tensor *x, lode_lists *lists) {
    lode_last_op *self = lode__graph_alloc(graph, 1, sizeof *self);
    if (self == NULL || x == NULL || lists == NULL) {
        graph->failed = true;
        return NULL;
    }
    assert(x->rows == lists->positions);
    lode_tensor *output = lode__graph_tensor(graph, lists->rows, x->columns, true);
    *self = (lode_last_op){graph, x, output, lists, false};
    lode__graph_reads(graph, x, LODE_FORWARD_ONLY);
    return lode__graph_add(graph, LODE_OP(graph, last), self, output);
}
#endif
