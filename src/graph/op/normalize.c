/// normalize: y = x / max(|x|, 1e-12), a row at a time.
///
///     dx = (dy - y (y . dy)) / |x|
#include "graph/ops.h"
#include "kernel/real.h"

#include <math.h>

LODE_OP_DECLARE(normalize);

typedef struct lode_normalize {
    lode_graph *graph;
    lode_tensor *x, *output;
    void *inverse; ///< [m] 1 / |x|
    bool add;
} lode_normalize;

static void forward_tile(void *context, size_t task, size_t thread) {
    (void)thread;
    const lode_normalize *self = context;
    const lode_kernels *kernels = self->graph->kernels;
    const size_t d = self->output->columns;
    const size_t last = LODE_MIN((task + 1) * LODE_TILE, self->output->rows->size);
    for (size_t row = task * LODE_TILE; row < last; row++) {
        const stored *x = (const stored *)self->x->value + row * d;
        stored *y = (stored *)self->output->value + row * d;
        const real length = (real)sqrt((double)kernels->dot(d, x, x));
        const real inverse = (real)1 / LODE_MAX(length, (real)1e-12);
        ((real *)self->inverse)[row] = inverse;
        for (size_t j = 0; j < d; j++)
            y[j] = narrow(widen(x[j]) * inverse);
    }
}

static void forward(lode_graph *graph, void *context) {
    lode_normalize *self = context;
    lode__pool_run(graph->pool, (self->output->rows->size + LODE_TILE - 1) / LODE_TILE,
                   forward_tile, self);
}

static void backward_tile(void *context, size_t task, size_t thread) {
    (void)thread;
    const lode_normalize *self = context;
    const lode_kernels *kernels = self->graph->kernels;
    const size_t d = self->output->columns;
    const size_t last = LODE_MIN((task + 1) * LODE_TILE, self->output->rows->size);
    for (size_t row = task * LODE_TILE; row < last; row++) {
        const stored *y = (const stored *)self->output->value + row * d;
        const stored *dy = (const stored *)self->output->gradient + row * d;
        stored *dx = (stored *)self->x->gradient + row * d;
        const real inverse = ((const real *)self->inverse)[row];
        const real along = kernels->dot(d, y, dy);
        for (size_t j = 0; j < d; j++) {
            const real value = (widen(dy[j]) - widen(y[j]) * along) * inverse;
            dx[j] = narrow(self->add ? widen(dx[j]) + value : value);
        }
    }
}

static void backward(lode_graph *graph, void *context) {
    lode_normalize *self = context;
    if (lode__gradient(self->x, &self->add) == NULL) return;
    lode__pool_run(graph->pool, (self->output->rows->size + LODE_TILE - 1) / LODE_TILE,
                   backward_tile, self);
}

const lode_op LODE_REAL(lode__op_normalize) = {"normalize", forward, backward};

#if LODE_FIRST_PASS
lode_tensor *lode__normalize(lode_graph *graph, lode_tensor *x) {
    lode_normalize *self = lode__graph_alloc(graph, 1, sizeof *self);
    if (self == NULL || x == NULL) {
        graph->failed = true;
        return NULL;
    }
    lode_tensor *output = lode__graph_tensor(graph, x->rows, x->columns, true);
    *self = (lode_normalize){graph, x, output, NULL, false};
    lode__graph_work(graph, &self->inverse, x->rows->capacity, lode__real_size(graph->precision),
                     LODE_INTO_BACKWARD);
    lode__graph_reads(graph, x, LODE_FORWARD_ONLY);
    lode__graph_reads(graph, output, LODE_BACKWARD_ONLY);
    lode__graph_gradient_over(graph, x, output);
    return lode__graph_add(graph, LODE_OP(graph, normalize), self, output);
}
#endif
