/// mask: y[r, c] = x[r, c] where keep(r, c), else 0; nothing is scaled up for it (MicRec 3.3, element-level dropout).
///
/// keep is a function of (seed, epoch, step, purpose, ids[r], c) alone: rows of the same id lose the same elements, wherever
/// they stand. Backward reads it again: a bit an element. `rate` counts in 65536ths. Works in place in both directions.
/// A mask belongs to what is encoded and not to training: it is there in every graph that asks for it.
#include "graph/ops.h"
#include "kernel/dropout.h"
#include "kernel/real.h"

LODE_OP_DECLARE(mask);

typedef struct lode_mask_op {
    lode_graph *graph;
    lode_tensor *x, *output;
    lode_ids *ids;
    double rate;
    uint32_t purpose;
    bool add;
    void *keep; ///< [rows, row_words]
} lode_mask_op;

/// Words of a row's bits: whole groups of noise.
static size_t row_words(size_t columns) {
    return (columns + LODE_NOISE_GROUP - 1) / LODE_NOISE_GROUP * (LODE_NOISE_GROUP / 32);
}

static size_t tiles(const lode_mask_op *self) {
    return (self->output->rows->size + LODE_TILE - 1) / LODE_TILE;
}

static uint32_t *row_bits(const lode_mask_op *self, size_t row) {
    return (uint32_t *)self->keep + row * row_words(self->output->columns);
}

static void draw_row(const lode_mask_op *self, size_t row) {
    const lode_graph *graph = self->graph;
    const uint64_t key = graph->seed ^ (uint64_t)(uint32_t)self->ids->data[row] << 32;
    lode__dropout_kernels()->noise(self->output->columns,
                                   &(lode_noise){.key = {(uint32_t)key, (uint32_t)(key >> 32)},
                                                 .counter = {self->purpose, graph->epoch, graph->step},
                                                 .threshold = (uint32_t)(self->rate * 65536.0)},
                                   row_bits(self, row));
}

static void forward_tile(void *context, size_t task, size_t thread) {
    (void)thread;
    const lode_mask_op *self = context;
    const lode_dropout_kernels *kernels = lode__dropout_kernels();
    const size_t d = self->output->columns;
    const size_t last = LODE_MIN((task + 1) * LODE_TILE, self->output->rows->size);
    for (size_t row = task * LODE_TILE; row < last; row++) {
        draw_row(self, row);
        kernels->LODE_REAL(keep)(d, row_bits(self, row), 1, (const stored *)self->x->value + row * d,
                                 false, (stored *)self->output->value + row * d);
    }
}

static void forward(lode_graph *graph, void *context) {
    lode_mask_op *self = context;
    lode__pool_run(graph->pool, tiles(self), forward_tile, self);
}

static void backward_tile(void *context, size_t task, size_t thread) {
    (void)thread;
    const lode_mask_op *self = context;
    const lode_dropout_kernels *kernels = lode__dropout_kernels();
    const size_t d = self->output->columns;
    const size_t last = LODE_MIN((task + 1) * LODE_TILE, self->output->rows->size);
    for (size_t row = task * LODE_TILE; row < last; row++) {
        kernels->LODE_REAL(keep)(d, row_bits(self, row), 1,
                                 (const stored *)self->output->gradient + row * d, self->add,
                                 (stored *)self->x->gradient + row * d);
    }
}

static void backward(lode_graph *graph, void *context) {
    lode_mask_op *self = context;
    if (lode__gradient(self->x, &self->add) == NULL) return;
    lode__pool_run(graph->pool, tiles(self), backward_tile, self);
}

const lode_op LODE_REAL(lode__op_mask) = {"mask", forward, backward};

#if LODE_FIRST_PASS
lode_tensor *lode__mask(lode_graph *graph, lode_tensor *x, lode_ids *ids, double rate,
                        uint32_t purpose) {
    if (!(rate > 0.0)) return x;
    lode_mask_op *self = lode__graph_alloc(graph, 1, sizeof *self);
    if (self == NULL || x == NULL || ids == NULL) {
        graph->failed = true;
        return NULL;
    }
    assert(ids->width == 1 && ids->dim == x->rows);
    lode_tensor *output = lode__graph_tensor(graph, x->rows, x->columns, true);
    *self = (lode_mask_op){graph, x, output, ids, rate, purpose, false, NULL};
    lode__graph_work(graph, &self->keep, x->rows->capacity * row_words(x->columns),
                     sizeof(uint32_t), LODE_INTO_BACKWARD);
    lode__graph_reads(graph, x, LODE_FORWARD_ONLY);
    lode__graph_value_over(graph, output, x);
    lode__graph_gradient_over(graph, x, output);
    return lode__graph_add(graph, LODE_OP(graph, mask), self, output);
}
#endif
