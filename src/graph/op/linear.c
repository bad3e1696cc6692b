/// linear: y = act(x W + b), with x [m, k], W [k, n], b [n], y [m, n].
///
///     dz = dy * act'(y)      in place in dy; gelu: act'(x W + b), which is kept for it
///     dx = dz W^T
///     dW = x^T dz            summed over chunks of rows, each with a buffer of its own, then in chunk order
///     db = column sums of dz, the same way
///
/// W is read in its packed form (packed.h). Rows are cut into tiles of LODE_TILE, so results do not depend on the threads.
#include <string.h>

#include "graph/ops.h"
#include "graph/packed.h"
#include "kernel/real.h"

LODE_OP_DECLARE(linear);

enum { CHUNK_ROWS = 1024, CHUNKS = 8, BACKWARD_ROWS = 128 };

typedef struct lode_linear {
    lode_graph *graph;
    lode_tensor *x, *output;
    lode_param *weight, *bias;
    lode_activation activation;
    lode_packed *packed, *packed_back; ///< W, and W^T of graphs with gradients
    void *partial;                     ///< [CHUNKS, k * n + n]
    void *before;                      ///< gelu: x W + b [m, n]; else NULL
    size_t chunk_rows, chunks;         ///< of the current run
    bool add;
} lode_linear;

static void forward_tile(void *context, size_t task, size_t thread) {
    const lode_linear *self = context;
    const lode_kernels *kernels = self->graph->kernels;
    const size_t k = self->x->columns, n = self->output->columns;
    const size_t first = task * LODE_TILE;
    const size_t rows = LODE_MIN((size_t)LODE_TILE, self->output->rows->size - first);
    const bool gelu = self->activation == LODE_GELU;
    stored *y = (stored *)self->output->value + first * n;
    stored *z = gelu ? (stored *)self->before + first * n : y;
    kernels->gemm(&(lode_gemm){.m = rows,
                               .n = n,
                               .k = k,
                               .a = (const stored *)self->x->value + first * k,
                               .a_row = k,
                               .a_column = 1,
                               .b = self->packed->data,
                               .b_packed = true,
                               .c = z,
                               .c_row = n,
                               .bias = self->bias != NULL ? self->bias->value : NULL,
                               .activation = gelu ? LODE_LINEAR : self->activation,
                               .scratch = lode__scratch(self->graph, thread)});
    if (gelu) kernels->gelu(rows * n, z, y); // while the tile is in the cache
}

static void forward(lode_graph *graph, void *context) {
    lode_linear *self = context;
    (void)lode__packed_data(graph, self->packed);
    lode__pool_run(graph->pool, (self->x->rows->size + LODE_TILE - 1) / LODE_TILE, forward_tile,
                   self);
}

/// Backward of the rows from `first` on, while they are in the cache: dz in place, dW += x^T dz, db, dx.
static void backward_tile(const lode_linear *self, size_t first, size_t rows, bool add,
                          real *partial, void *scratch) {
    const lode_kernels *kernels = self->graph->kernels;
    const size_t k = self->x->columns, n = self->output->columns;
    const stored *x = (const stored *)self->x->value + first * k;
    stored *dz = (stored *)self->output->gradient + first * n;
    if (self->activation == LODE_GELU) {
        kernels->gelu_backward(rows * n, (const stored *)self->before + first * n, dz);
    } else if (self->activation != LODE_LINEAR) {
        kernels->activation_backward(rows * n, self->activation,
                                     (const stored *)self->output->value + first * n, dz);
    }
    if (self->bias != NULL) kernels->column_sum(rows, n, dz, n, partial + k * n);
    kernels->gemm(&(lode_gemm){.m = k,
                               .n = n,
                               .k = rows,
                               .a = x,
                               .a_row = 1,
                               .a_column = k,
                               .b = dz,
                               .b_row = n,
                               .c_row = n,
                               .wide = partial,
                               .accumulate = add,
                               .scratch = scratch});
    if (self->x->gradient == NULL) return;
    kernels->gemm(&(lode_gemm){.m = rows,
                               .n = k,
                               .k = n,
                               .a = dz,
                               .a_row = n,
                               .a_column = 1,
                               .b = self->packed_back->data,
                               .b_packed = true,
                               .c = (stored *)self->x->gradient + first * k,
                               .c_row = k,
                               .accumulate = self->add,
                               .scratch = scratch});
}

static void backward_chunk(void *context, size_t task, size_t thread) {
    const lode_linear *self = context;
    const size_t k = self->x->columns, n = self->output->columns;
    const size_t first = task * self->chunk_rows;
    const size_t last = LODE_MIN(first + self->chunk_rows, self->x->rows->size);
    real *partial = (real *)self->partial + task * (k + 1) * n;
    memset(partial + k * n, 0, n * sizeof *partial);
    for (size_t row = first; row < last; row += BACKWARD_ROWS) {
        backward_tile(self, row, LODE_MIN((size_t)BACKWARD_ROWS, last - row), row > first, partial,
                      lode__scratch(self->graph, thread));
    }
}

static void add_partials(const lode_linear *self, lode_param *param, size_t offset) {
    const lode_kernels *kernels = self->graph->kernels;
    const size_t elements = param->rows * param->columns;
    const size_t stride = (self->x->columns + 1) * self->output->columns;
    bool add;
    real *gradient = lode__param_gradient(param, &add);
    if (!add) memset(gradient, 0, elements * sizeof *gradient);
    for (size_t chunk = 0; chunk < self->chunks; chunk++) {
        kernels->add_wide(elements, (const real *)self->partial + chunk * stride + offset, gradient);
    }
}

static void backward(lode_graph *graph, void *context) {
    lode_linear *self = context;
    const size_t k = self->x->columns, n = self->output->columns, m = self->x->rows->size;
    self->chunk_rows = LODE_MAX((m + CHUNKS - 1) / CHUNKS, (size_t)CHUNK_ROWS);
    self->chunks = (m + self->chunk_rows - 1) / self->chunk_rows;
    if (lode__gradient(self->x, &self->add) != NULL) {
        (void)lode__packed_data(graph, self->packed_back);
    }
    lode__pool_run(graph->pool, self->chunks, backward_chunk, self);
    add_partials(self, self->weight, 0);
    if (self->bias != NULL) add_partials(self, self->bias, k * n);
}

const lode_op LODE_REAL(lode__op_linear) = {"linear", forward, backward};

#if LODE_FIRST_PASS
lode_tensor *lode__linear(lode_graph *graph, lode_tensor *x, lode_param *weight, lode_param *bias,
                          lode_activation activation) {
    lode_linear *self = lode__graph_alloc(graph, 1, sizeof *self);
    if (self == NULL || x == NULL || weight == NULL) {
        graph->failed = true;
        return NULL;
    }
    assert(x->columns == weight->rows);
    const size_t k = weight->rows, n = weight->columns;
    const size_t size = lode__real_size(graph->precision);
    lode_tensor *output = lode__graph_tensor(graph, x->rows, n, true);
    *self = (lode_linear){.graph = graph,
                          .x = x,
                          .output = output,
                          .weight = weight,
                          .bias = bias,
                          .activation = activation};
    self->packed = lode__packed(graph, weight, false);
    if (graph->gradients) self->packed_back = lode__packed(graph, weight, true);
    const size_t chunks = LODE_MIN((size_t)CHUNKS, (x->rows->capacity + CHUNK_ROWS - 1) / CHUNK_ROWS);
    lode__graph_work(graph, &self->partial, chunks * (k + 1) * n, size, LODE_BACKWARD_ONLY);
    lode__graph_reads(graph, x, LODE_INTO_BACKWARD);
    if (activation == LODE_GELU) {
        const lode_life life = graph->gradients ? LODE_INTO_BACKWARD : LODE_FORWARD_ONLY;
        lode__graph_work(graph, &self->before, x->rows->capacity * n, size, life);
    } else if (activation != LODE_LINEAR) {
        lode__graph_reads(graph, output, LODE_BACKWARD_ONLY);
    }
    lode__graph_scratch(graph, LODE_GEMM_SCRATCH * size);
    return lode__graph_add(graph, LODE_OP(graph, linear), self, output);
}
#endif
