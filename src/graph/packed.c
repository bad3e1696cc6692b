#include "graph/packed.h"

enum { COLUMNS_PER_TASK = 128 }; // whole panels at every level

lode_packed *lode__packed(lode_graph *graph, lode_param *weight, bool transposed) {
    pthread_mutex_t *lock = &weight->set->lock;
    pthread_mutex_lock(lock);
    lode_packed *packed = weight->packed;
    while (packed != NULL && (packed->kernels != graph->kernels || packed->transposed != transposed)) {
        packed = packed->next;
    }
    if (packed == NULL && (packed = lode__alloc(1, sizeof *packed)) != NULL) {
        packed->param = weight;
        packed->kernels = graph->kernels;
        packed->transposed = transposed;
        packed->size = lode__stored_size(graph->precision);
        packed->count = transposed ? lode__graph_packed(graph, weight->columns, weight->rows)
                                   : lode__graph_packed(graph, weight->rows, weight->columns);
        packed->data = lode__huge_alloc(packed->count, packed->size);
        if (packed->data == NULL) {
            lode__free(packed);
            packed = NULL;
        } else {
            packed->next = weight->packed;
            weight->packed = packed;
        }
    }
    pthread_mutex_unlock(lock);
    if (packed == NULL) graph->failed = true;
    return packed;
}

typedef struct packing {
    const lode_graph *graph;
    lode_packed *packed;
} packing;

static void pack_task(void *context, size_t task, size_t thread) {
    (void)thread;
    const packing *self = context;
    const lode_packed *packed = self->packed;
    const lode_param *param = packed->param;
    const size_t k = packed->transposed ? param->columns : param->rows;
    const size_t n = packed->transposed ? param->rows : param->columns;
    const size_t row = packed->transposed ? 1 : n, column = packed->transposed ? k : 1;
    const size_t first = task * COLUMNS_PER_TASK;
    const size_t width = LODE_MIN((size_t)COLUMNS_PER_TASK, n - first);
    void *to = (char *)packed->data + lode__graph_packed(self->graph, k, first) * packed->size;
    switch (self->graph->precision) {
    case LODE_F32:
        ((const struct lode_kernels_f32 *)packed->kernels)
            ->pack(k, width, (const float *)param->value + first * column, row, column, to);
        break;
    case LODE_F64:
        ((const struct lode_kernels_f64 *)packed->kernels)
            ->pack(k, width, (const double *)param->value + first * column, row, column, to);
        break;
    case LODE_BF16:
        ((const struct lode_kernels_b16 *)packed->kernels)
            ->pack(k, width, (const float *)param->value + first * column, row, column, to);
        break;
    }
}

const void *lode__packed_data(const lode_graph *graph, lode_packed *packed) {
    lode_params *set = packed->param->set;
    const uint64_t version = set->version;
    if (atomic_load_explicit(&packed->version, memory_order_acquire) == version)
        return packed->data;
    pthread_mutex_lock(&set->lock);
    if (atomic_load_explicit(&packed->version, memory_order_relaxed) != version) {
        const size_t n = packed->transposed ? packed->param->rows : packed->param->columns;
        packing self = {graph, packed};
        lode__pool_run(graph->pool, (n + COLUMNS_PER_TASK - 1) / COLUMNS_PER_TASK, pack_task, &self);
        atomic_store_explicit(&packed->version, version, memory_order_release);
    }
    pthread_mutex_unlock(&set->lock);
    return packed->data;
}

size_t lode__packed_bytes(lode_params *params) {
    size_t bytes = 0;
    pthread_mutex_lock(&params->lock);
    for (size_t i = 0; i < params->count; i++) {
        if (params->borrowed != NULL && params->borrowed[i]) continue;
        for (const lode_packed *p = params->list[i]->packed; p != NULL; p = p->next)
            bytes += p->count * p->size;
    }
    pthread_mutex_unlock(&params->lock);
    return bytes;
}

void lode__packed_release(lode_param *param) {
    while (param->packed != NULL) {
        lode_packed *packed = param->packed;
        param->packed = packed->next;
        lode__huge_free(packed->data, packed->count, packed->size);
        lode__free(packed);
    }
}
