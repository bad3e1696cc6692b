/// dropout: y = x * keep / (1 - rate) while training, y = x otherwise (Srivastava et al. 2014).
///
/// keep is a function of (seed, epoch, step, number of the dropout in its graph, element), so it is the same at any
/// thread count and level and after a resume, whatever other ops there are. Backward reads it again: a bit an element. `rate` counts in 65536ths. Works in place in
/// both directions.
#include <string.h>

#include "base/random.h"
#include "graph/ops.h"
#include "kernel/dropout.h"
#include "kernel/real.h"

LODE_OP_DECLARE(dropout);

typedef struct lode_dropout {
    lode_graph *graph;
    lode_tensor *x, *output;
    double rate;
    uint32_t number; ///< among the dropouts of its graph
    bool add;
    void *keep; ///< a bit an element, tile by tile
} lode_dropout;

/// Words of a tile's bits: a tile is whole groups.
static size_t tile_words(size_t columns) {
    return LODE_TILE * columns / 32;
}

/// to = from masked, or to += it.
static void mask_tile(const lode_dropout *self, size_t task, const stored *from, stored *to,
                      bool add) {
    const size_t d = self->output->columns, first = task * LODE_TILE;
    const size_t count = LODE_MIN((size_t)LODE_TILE, self->output->rows->size - first) * d;
    const uint32_t *keep = (const uint32_t *)self->keep + task * tile_words(d);
    const real scale = (real)(1.0 / (1.0 - self->rate));
    const lode_dropout_kernels *kernels = lode__dropout_kernels();
    kernels->LODE_REAL(keep)(count, keep, scale, from + first * d, add, to + first * d);
}

static void draw_tile(const lode_dropout *self, size_t task) {
    const lode_graph *graph = self->graph;
    const uint64_t key = graph->seed ^ ((uint64_t)self->number << 32 | (uint64_t)task);
    const size_t d = self->output->columns;
    lode__dropout_kernels()->noise(
        LODE_MIN((size_t)LODE_TILE, self->output->rows->size - task * LODE_TILE) * d,
        &(lode_noise){.key = {(uint32_t)key, (uint32_t)(key >> 32)},
                      .counter = {LODE_PURPOSE_DROPOUT, graph->epoch, graph->step},
                      .threshold = (uint32_t)(self->rate * 65536.0)},
        (uint32_t *)self->keep + task * tile_words(d));
}

static void forward_tile(void *context, size_t task, size_t thread) {
    (void)thread;
    const lode_dropout *self = context;
    const size_t d = self->output->columns;
    const size_t first = task * LODE_TILE;
    const stored *x = self->x->value;
    stored *y = self->output->value;
    if (self->graph->training) {
        draw_tile(self, task);
        mask_tile(self, task, x, y, false);
    } else if (x != y) {
        const size_t rows = LODE_MIN((size_t)LODE_TILE, self->output->rows->size - first);
        memcpy(y + first * d, x + first * d, rows * d * sizeof *y);
    }
}

static void forward(lode_graph *graph, void *context) {
    lode_dropout *self = context;
    lode__pool_run(graph->pool, (self->output->rows->size + LODE_TILE - 1) / LODE_TILE,
                   forward_tile, self);
}

static void backward_tile(void *context, size_t task, size_t thread) {
    (void)thread;
    const lode_dropout *self = context;
    mask_tile(self, task, self->output->gradient, self->x->gradient, self->add);
}

static void backward(lode_graph *graph, void *context) {
    lode_dropout *self = context;
    assert(graph->training);
    if (lode__gradient(self->x, &self->add) == NULL) return;
    lode__pool_run(graph->pool, (self->output->rows->size + LODE_TILE - 1) / LODE_TILE,
                   backward_tile, self);
}

const lode_op LODE_REAL(lode__op_dropout) = {"dropout", forward, backward};

#if LODE_FIRST_PASS
lode_tensor *lode__dropout(lode_graph *graph, lode_tensor *x, double rate) {
    if (!(rate > 0.0) || !graph->gradients) return x;
    lode_dropout *self = lode__graph_alloc(graph, 1, sizeof *self);
    if (self == NULL || x == NULL) {
        graph->failed = true;
        return NULL;
    }
    lode_tensor *output = lode__graph_tensor(graph, x->rows, x->columns, true);
    *self = (lode_dropout){graph, x, output, rate, graph->dropouts++, false, NULL};
    const size_t tiles = (x->rows->capacity + LODE_TILE - 1) / LODE_TILE;
    lode__graph_work(graph, &self->keep, tiles * tile_words(x->columns), sizeof(uint32_t),
                     LODE_INTO_BACKWARD);
    lode__graph_reads(graph, x, LODE_FORWARD_ONLY);
    lode__graph_value_over(graph, output, x);
    lode__graph_gradient_over(graph, x, output);
    return lode__graph_add(graph, LODE_OP(graph, dropout), self, output);
}
#endif
