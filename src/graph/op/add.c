/// add: y = scale x + z, same shapes; dx = scale dy, dz = dy. y may lie over x, and the gradient of one of them over dy.
#include <string.h>

#include "graph/ops.h"
#include "kernel/real.h"

LODE_OP_DECLARE(add);

typedef struct lode_addition {
    lode_graph *graph;
    lode_tensor *x, *z, *output;
    double scale;
    bool add[2];
} lode_addition;

static void forward_tile(void *context, size_t task, size_t thread) {
    (void)thread;
    const lode_addition *self = context;
    const lode_kernels *kernels = self->graph->kernels;
    const size_t d = self->output->columns;
    const size_t first = task * LODE_TILE;
    const size_t count = LODE_MIN((size_t)LODE_TILE, self->output->rows->size - first) * d;
    kernels->scaled_sum(count, (real)self->scale, (const stored *)self->x->value + first * d,
                        (const stored *)self->z->value + first * d,
                        (stored *)self->output->value + first * d);
}

static void forward(lode_graph *graph, void *context) {
    lode_addition *self = context;
    lode__pool_run(graph->pool, (self->output->rows->size + LODE_TILE - 1) / LODE_TILE,
                   forward_tile, self);
}

static void pass(const lode_addition *self, lode_tensor *input, double scale, bool add, size_t task) {
    if (input->gradient == NULL) return;
    const lode_kernels *kernels = self->graph->kernels;
    const size_t d = self->output->columns;
    const size_t first = task * LODE_TILE;
    const size_t count = LODE_MIN((size_t)LODE_TILE, self->output->rows->size - first) * d;
    const stored *dy = (const stored *)self->output->gradient + first * d;
    stored *dx = (stored *)input->gradient + first * d;
    if (add || scale != 1.0) {
        kernels->scaled_sum(count, (real)scale, dy, add ? dx : NULL, dx);
    } else if (dx != dy) {
        memcpy(dx, dy, count * sizeof *dx);
    }
}

static void backward_tile(void *context, size_t task, size_t thread) {
    (void)thread;
    const lode_addition *self = context;
    pass(self, self->z, 1.0, self->add[1], task); // before dy may become dx
    pass(self, self->x, self->scale, self->add[0], task);
}

static void backward(lode_graph *graph, void *context) {
    lode_addition *self = context;
    (void)lode__gradient(self->z, &self->add[1]);
    (void)lode__gradient(self->x, &self->add[0]);
    lode__pool_run(graph->pool, (self->output->rows->size + LODE_TILE - 1) / LODE_TILE,
                   backward_tile, self);
}

const lode_op LODE_REAL(lode__op_add) = {"add", forward, backward};

#if LODE_FIRST_PASS
lode_tensor *lode__add(lode_graph *graph, lode_tensor *x, lode_tensor *z) {
    return lode__add_scaled(graph, x, 1.0, z);
}

lode_tensor *lode__add_scaled(lode_graph *graph, lode_tensor *x, double scale, lode_tensor *z) {
    lode_addition *self = lode__graph_alloc(graph, 1, sizeof *self);
    if (self == NULL || x == NULL || z == NULL) {
        graph->failed = true;
        return NULL;
    }
    assert(x->rows == z->rows && x->columns == z->columns);
    lode_tensor *output = lode__graph_tensor(graph, x->rows, x->columns, true);
    *self = (lode_addition){.graph = graph, .x = x, .z = z, .output = output, .scale = scale};
    lode__graph_reads(graph, x, LODE_FORWARD_ONLY);
    lode__graph_reads(graph, z, LODE_FORWARD_ONLY);
    lode__graph_value_over(graph, output, x);
    lode__graph_gradient_over(graph, x, output);
    lode__graph_gradient_over(graph, z, output);
    return lode__graph_add(graph, LODE_OP(graph, add), self, output);
}
#endif
