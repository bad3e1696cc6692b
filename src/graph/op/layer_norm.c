/// layer_norm: s = x + residual, y = (s - mean(s)) / sqrt(var(s) + epsilon) * gain + bias, a row at a time
/// (Ba, Kiros & Hinton 2016). x, residual, y [m, d]; gain, bias [d].
///
/// Backward works from x, residual and the kept mean and inverse deviation of each row; gain and bias gradients are summed over chunks of rows, each with a buffer of its own.
#include <string.h>

#include "graph/ops.h"
#include "kernel/real.h"

LODE_OP_DECLARE(layer_norm);

enum { CHUNK_ROWS = 1024 };

typedef struct lode_layer_norm {
    lode_graph *graph;
    lode_tensor *x, *residual, *output;
    lode_param *gain, *bias;
    double epsilon;
    void *statistics; ///< [m, 2] mean and 1 / standard deviation
    void *partial;    ///< [chunks, 2, d]
    bool add[2];
} lode_layer_norm;

/// Rows first .. first + rows - 1, for both directions.
static lode_layer_norm_rows arguments(const lode_layer_norm *self, size_t first, size_t rows) {
    const size_t d = self->output->columns;
    const lode_tensor *residual = self->residual;
    return (lode_layer_norm_rows){
        .rows = LODE_MIN(rows, self->output->rows->size - first),
        .n = d,
        .x = (const stored *)self->x->value + first * d,
        .residual = residual != NULL ? (const stored *)residual->value + first * d : NULL,
        .gain = self->gain->value,
        .bias = self->bias->value,
        .epsilon = (real)self->epsilon,
        .statistics = (real *)self->statistics + 2 * first};
}

static void forward_tile(void *context, size_t task, size_t thread) {
    (void)thread;
    const lode_layer_norm *self = context;
    const lode_kernels *kernels = self->graph->kernels;
    const size_t first = task * LODE_TILE;
    lode_layer_norm_rows args = arguments(self, first, LODE_TILE);
    args.y = (stored *)self->output->value + first * self->output->columns;
    kernels->layer_norm(&args);
}

static void forward(lode_graph *graph, void *context) {
    lode_layer_norm *self = context;
    lode__pool_run(graph->pool, (self->output->rows->size + LODE_TILE - 1) / LODE_TILE,
                   forward_tile, self);
}

static stored *gradient_row(const lode_tensor *input, size_t row) {
    if (input == NULL || input->gradient == NULL) return NULL;
    return (stored *)input->gradient + row * input->columns;
}

static void backward_chunk(void *context, size_t task, size_t thread) {
    (void)thread;
    const lode_layer_norm *self = context;
    const lode_kernels *kernels = self->graph->kernels;
    const size_t d = self->output->columns, first = task * CHUNK_ROWS;
    real *d_gain = (real *)self->partial + task * 2 * d;
    memset(d_gain, 0, 2 * d * sizeof *d_gain);
    lode_layer_norm_rows args = arguments(self, first, CHUNK_ROWS);
    args.dy = (const stored *)self->output->gradient + first * d;
    args.d_x = gradient_row(self->x, first);
    args.d_residual = gradient_row(self->residual, first);
    args.add_x = self->add[0];
    args.add_residual = self->add[1];
    args.d_gain = d_gain;
    args.d_bias = d_gain + d;
    kernels->layer_norm_backward(&args);
}

static void add_partials(const lode_layer_norm *self, lode_param *param, size_t chunks,
                         size_t offset) {
    const lode_kernels *kernels = self->graph->kernels;
    const size_t d = self->output->columns;
    bool add;
    real *gradient = lode__param_gradient(param, &add);
    if (!add) memset(gradient, 0, d * sizeof *gradient);
    for (size_t chunk = 0; chunk < chunks; chunk++) {
        kernels->add_wide(d, (const real *)self->partial + chunk * 2 * d + offset, gradient);
    }
}

static void backward(lode_graph *graph, void *context) {
    lode_layer_norm *self = context;
    const size_t chunks = (self->output->rows->size + CHUNK_ROWS - 1) / CHUNK_ROWS;
    (void)lode__gradient(self->x, &self->add[0]);
    if (self->residual != NULL) (void)lode__gradient(self->residual, &self->add[1]);
    lode__pool_run(graph->pool, chunks, backward_chunk, self);
    add_partials(self, self->gain, chunks, 0);
    add_partials(self, self->bias, chunks, self->output->columns);
}

const lode_op LODE_REAL(lode__op_layer_norm) = {"layer_norm", forward, backward};

#if LODE_FIRST_PASS
lode_tensor *lode__layer_norm(lode_graph *graph, lode_tensor *x, lode_tensor *residual,
                              lode_param *gain, lode_param *bias, double epsilon) {
    lode_layer_norm *self = lode__graph_alloc(graph, 1, sizeof *self);
    if (self == NULL || x == NULL || gain == NULL || bias == NULL) {
        graph->failed = true;
        return NULL;
    }
    const size_t size = lode__real_size(graph->precision);
    const size_t chunks = (x->rows->capacity + CHUNK_ROWS - 1) / CHUNK_ROWS;
    lode_tensor *output = lode__graph_tensor(graph, x->rows, x->columns, true);
    *self = (lode_layer_norm){.graph = graph,
                              .x = x,
                              .residual = residual,
                              .output = output,
                              .gain = gain,
                              .bias = bias,
                              .epsilon = epsilon};
    lode__graph_work(graph, &self->statistics, 2 * x->rows->capacity, size, LODE_INTO_BACKWARD);
    lode__graph_work(graph, &self->partial, chunks * 2 * x->columns, size, LODE_BACKWARD_ONLY);
    lode__graph_reads(graph, x, LODE_INTO_BACKWARD);
    lode__graph_reads(graph, residual, LODE_INTO_BACKWARD);
    lode__graph_gradient_over(graph, residual, output);
    lode__graph_gradient_over(graph, x, output);
    return lode__graph_add(graph, LODE_OP(graph, layer_norm), self, output);
}
#endif
