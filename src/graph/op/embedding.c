/// embedding: rows of a table, plain or pooled.
///
///     without lists   y[r] = T[ids[r]]                       ids [m], y [m, d]
///     with lists      y[r] = sum or mean of T[ids[p]] over the positions p of list r; empty lists give 0
///
/// Backward notes the gradient rows with the table's store, which sums them per table row when the optimiser
/// runs (store.h); nothing of the table's size is touched.
#include "graph/ops.h"
#include "graph/store.h"
#include "kernel/real.h"

LODE_OP_DECLARE(embedding);

typedef struct lode_embedding {
    lode_param *table;
    lode_ids *ids;
    lode_lists *lists;
    bool mean;
    lode_tensor *output;
    lode_graph *graph;
} lode_embedding;

enum { AHEAD = 32 }; ///< rows that are fetched before they are needed

static void fetch_row(const lode_embedding *self, size_t place) {
    const size_t bytes = self->output->columns * sizeof(real);
    const size_t row = (size_t)self->ids->data[place];
    lode__fetch_ahead((const char *)self->table->value + row * bytes, bytes);
}

static void forward_tile(void *context, size_t task, size_t thread) {
    (void)thread;
    const lode_embedding *self = context;
    const lode_kernels *kernels = self->graph->kernels;
    const size_t d = self->output->columns;
    const size_t first = task * LODE_TILE;
    const size_t last = LODE_MIN(first + LODE_TILE, self->output->rows->size);
    stored *out = self->output->value;
    const size_t rows = self->output->rows->size;
    const size_t places = self->lists != NULL ? (size_t)self->lists->offsets[rows] : rows;
    for (size_t row = first; row < last; row++) {
        const size_t begin = self->lists != NULL ? (size_t)self->lists->offsets[row] : row;
        const size_t end = self->lists != NULL ? (size_t)self->lists->offsets[row + 1] : row + 1;
        for (size_t place = begin + AHEAD; place < LODE_MIN(end + AHEAD, places); place++)
            fetch_row(self, place);
        const real scale = self->mean && end > begin ? (real)1 / (real)(end - begin) : (real)1;
        kernels->gather_sum(d, end - begin, self->ids->data + begin, self->table->value, scale,
                            out + row * d);
    }
}

static void forward(lode_graph *graph, void *context) {
    lode_embedding *self = context;
    lode__pool_run(graph->pool, (self->output->rows->size + LODE_TILE - 1) / LODE_TILE,
                   forward_tile, self);
}

static void backward(lode_graph *graph, void *context) {
    (void)graph;
    const lode_embedding *self = context;
    lode__store_add_gradient(self->table->store, &(lode_scatter){.ids = self->ids,
                                                                 .lists = self->lists,
                                                                 .mean = self->mean,
                                                                 .output = self->output});
}

const lode_op LODE_REAL(lode__op_embedding) = {"embedding", forward, backward};

#if LODE_FIRST_PASS
lode_tensor *lode__embedding(lode_graph *graph, lode_param *table, lode_ids *ids, lode_lists *lists,
                             lode_pooling pooling) {
    lode_embedding *self = lode__graph_alloc(graph, 1, sizeof *self);
    if (self == NULL || table == NULL || ids == NULL) {
        graph->failed = true;
        return NULL;
    }
    lode_dim *rows = lists != NULL ? lists->rows : ids->dim;
    lode_tensor *output = lode__graph_tensor(graph, rows, table->columns, true);
    *self = (lode_embedding){table,  ids,  lists, lists != NULL && pooling == LODE_POOL_MEAN,
                             output, graph};
    if (graph->gradients && !lode__store_reserve(table->store, ids->dim->capacity)) {
        graph->failed = true;
    }
    lode__graph_keep_gradient(graph, output);
    return lode__graph_add(graph, LODE_OP(graph, embedding), self, output);
}
#endif
