#include "graph/graph.h"

#include <string.h>

#include "graph/store.h"

enum { HUGE_BYTES = 1 << 20 }; ///< blocks from this size on are huge allocations of their own

struct lode_huge {
    struct lode_huge *next;
    void *memory;
    size_t count, size;
};

static const void *kernels_of(lode_precision precision) {
    switch (precision) {
    case LODE_F32:
        return lode__kernels_f32();
    case LODE_BF16:
        return lode__kernels_b16();
    case LODE_F64:
        break;
    }
    return lode__kernels_f64();
}

lode_status lode__graph_new(lode_graph **out, lode_precision precision, bool gradients,
                            lode_pool *pool, lode_error *error) {
    lode_graph *graph = lode__alloc(1, sizeof *graph);
    if (graph == NULL) return lode__fail_memory(error);
    graph->precision = precision;
    graph->gradients = gradients;
    graph->pool = pool;
    graph->kernels = kernels_of(precision);
    graph->one = (lode_dim){"one", 1, 1};
    *out = graph;
    return LODE_OK;
}

void lode__graph_free(lode_graph **graph) {
    if (*graph == NULL) return;
    for (struct lode_huge *huge = (*graph)->huge; huge != NULL; huge = huge->next) {
        lode__huge_free(huge->memory, huge->count, huge->size);
    }
    lode__free((*graph)->nodes);
    lode__free((*graph)->losses);
    lode__free((*graph)->scratch);
    lode__layout_release(&(*graph)->layout);
    lode__arena_release(&(*graph)->arena);
    lode__free(*graph);
    *graph = NULL;
}

void *lode__graph_alloc(lode_graph *graph, size_t count, size_t size) {
    size_t bytes;
    void *memory = NULL;
    if (!graph->failed && lode__size_mul(count, size, &bytes)) {
        if (bytes < HUGE_BYTES) {
            memory = lode__arena_alloc(&graph->arena, count, size);
        } else {
            struct lode_huge *huge = lode__arena_alloc(&graph->arena, 1, sizeof *huge);
            memory = huge != NULL ? lode__huge_alloc(count, size) : NULL;
            if (memory != NULL) {
                *huge = (struct lode_huge){graph->huge, memory, count, size};
                graph->huge = huge;
            }
        }
    }
    if (memory == NULL) graph->failed = true;
    return memory;
}

lode_dim *lode__graph_dim(lode_graph *graph, const char *name, size_t capacity) {
    lode_dim *dim = lode__graph_alloc(graph, 1, sizeof *dim);
    if (dim != NULL) *dim = (lode_dim){name, capacity, 0};
    return dim;
}

lode_ids *lode__graph_ids(lode_graph *graph, lode_dim *dim, size_t width) {
    lode_ids *index = lode__graph_alloc(graph, 1, sizeof *index);
    if (index == NULL || dim == NULL) return NULL;
    index->dim = dim;
    index->width = width;
    index->data = lode__graph_alloc(graph, dim->capacity * width, sizeof *index->data);
    return index->data != NULL ? index : NULL;
}

lode_vector *lode__graph_vector(lode_graph *graph, lode_dim *dim) {
    lode_vector *vector = lode__graph_alloc(graph, 1, sizeof *vector);
    if (vector == NULL || dim == NULL) return NULL;
    vector->dim = dim;
    vector->data = lode__graph_alloc(graph, dim->capacity, sizeof *vector->data);
    return vector->data != NULL ? vector : NULL;
}

lode_lists *lode__graph_lists(lode_graph *graph, lode_dim *rows, lode_dim *positions, size_t limit) {
    lode_lists *lists = lode__graph_alloc(graph, 1, sizeof *lists);
    if (lists == NULL || rows == NULL || positions == NULL) return NULL;
    *lists = (lode_lists){rows, positions, NULL, limit};
    lists->offsets = lode__graph_alloc(graph, rows->capacity + 1, sizeof *lists->offsets);
    return lists->offsets != NULL ? lists : NULL;
}

/// A block of the layout; fails through graph->failed.
static lode_block *add_block(lode_graph *graph, void **place, size_t count, size_t size) {
    size_t bytes;
    lode_block *block = NULL;
    if (!graph->failed && lode__size_mul(count, size, &bytes)) {
        block = lode__layout_block(&graph->layout, &graph->arena, place, bytes);
    }
    if (block == NULL) graph->failed = true;
    return block;
}

static lode_tensor *make_tensor(lode_graph *graph, lode_precision elements, lode_dim *rows,
                                size_t columns, bool gradient) {
    lode_tensor *tensor = lode__graph_alloc(graph, 1, sizeof *tensor);
    if (tensor == NULL || rows == NULL) return NULL;
    tensor->rows = rows;
    tensor->columns = columns;
    tensor->elements = elements;
    size_t count;
    if (!lode__size_mul(rows->capacity, columns, &count)) graph->failed = true;
    const size_t size = lode__stored_size(elements);
    tensor->value_block = add_block(graph, &tensor->value, count, size);
    if (gradient && graph->gradients)
        tensor->gradient_block = add_block(graph, &tensor->gradient, count, size);
    return graph->failed ? NULL : tensor;
}

lode_tensor *lode__graph_tensor(lode_graph *graph, lode_dim *rows, size_t columns, bool gradient) {
    return make_tensor(graph, graph->precision, rows, columns, gradient);
}

lode_tensor *lode__graph_tensor_wide(lode_graph *graph, lode_dim *rows, size_t columns,
                                     bool gradient) {
    const lode_precision wide = graph->precision == LODE_BF16 ? LODE_F32 : graph->precision;
    return make_tensor(graph, wide, rows, columns, gradient);
}

static size_t round_up(size_t value, size_t multiple) {
    return (value + multiple - 1) / multiple * multiple;
}

size_t lode__graph_packed(const lode_graph *graph, size_t k, size_t n) {
    size_t panel = 0, depth = 0;
#define TAKE(suffix)                                                                               \
    panel = ((const struct lode_kernels_##suffix *)graph->kernels)->panel;                         \
    depth = ((const struct lode_kernels_##suffix *)graph->kernels)->depth
    switch (graph->precision) {
    case LODE_F32:
        TAKE(f32);
        break;
    case LODE_F64:
        TAKE(f64);
        break;
    case LODE_BF16:
        TAKE(b16);
        break;
    }
#undef TAKE
    return round_up(k, depth) * round_up(n, panel);
}

void lode__graph_reads(lode_graph *graph, lode_tensor *tensor, lode_life life) {
    if (tensor == NULL || graph->failed) return;
    graph->declared = true;
    lode__layout_need(tensor->value_block, (uint32_t)graph->node_count);
    if (!graph->gradients) return;
    const uint32_t backward = LODE_BACKWARD_AT(graph->node_count);
    if (life != LODE_FORWARD_ONLY) lode__layout_need(tensor->value_block, backward);
    lode__layout_need(tensor->gradient_block, backward);
}

void lode__graph_keep(lode_tensor *tensor) {
    if (tensor != NULL) lode__layout_need(tensor->value_block, LODE_MOMENT_END);
}

void lode__graph_keep_gradient(lode_graph *graph, lode_tensor *output) {
    if (output == NULL || graph->failed) return;
    graph->declared = true;
    lode__layout_need(output->gradient_block, LODE_MOMENT_END);
}

static void wish(lode_graph *graph, lode_block *block, lode_block *under) {
    if (block == NULL || under == NULL || graph->failed) return;
    if (!lode__layout_wish(&graph->layout, block, under)) graph->failed = true;
}

void lode__graph_value_over(lode_graph *graph, lode_tensor *output, lode_tensor *x) {
    if (output != NULL && x != NULL) wish(graph, output->value_block, x->value_block);
}

void lode__graph_gradient_over(lode_graph *graph, lode_tensor *x, lode_tensor *output) {
    if (output != NULL && x != NULL) wish(graph, x->gradient_block, output->gradient_block);
}

void lode__graph_work(lode_graph *graph, void **place, size_t count, size_t size, lode_life life) {
    if (life == LODE_BACKWARD_ONLY && !graph->gradients) return;
    lode_block *block = add_block(graph, place, count, size);
    if (life != LODE_BACKWARD_ONLY) lode__layout_need(block, (uint32_t)graph->node_count);
    if (life != LODE_FORWARD_ONLY && graph->gradients)
        lode__layout_need(block, LODE_BACKWARD_AT(graph->node_count));
}

lode_tensor *lode__graph_add(lode_graph *graph, const lode_op *op, void *self, lode_tensor *output) {
    if (self == NULL || output == NULL || graph->failed ||
        !lode__grow((void **)&graph->nodes, &graph->node_capacity, graph->node_count + 1,
                    sizeof *graph->nodes)) {
        graph->failed = true;
        return NULL;
    }
    lode__layout_need(output->value_block, (uint32_t)graph->node_count);
    lode__layout_need(output->gradient_block, LODE_BACKWARD_AT(graph->node_count));
    if (!graph->declared) graph->layout.apart = true;
    graph->declared = false;
    graph->nodes[graph->node_count++] = (lode_op_node){op, self, output};
    return output;
}

void lode__graph_scratch(lode_graph *graph, size_t bytes) {
    const size_t line = LODE_CACHE_LINE;
    graph->scratch_size = LODE_MAX(graph->scratch_size, (bytes + line - 1) / line * line);
}

void *lode__scratch(const lode_graph *graph, size_t thread) {
    return graph->scratch + thread * graph->scratch_size;
}

void lode__graph_loss(lode_graph *graph, lode_tensor *value, double weight) {
    if (value == NULL || !lode__grow((void **)&graph->losses, &graph->loss_capacity,
                                     graph->loss_count + 1, sizeof *graph->losses)) {
        graph->failed = true;
        return;
    }
    lode__graph_keep(value);
    lode__layout_need(value->gradient_block, LODE_MOMENT_LOSS);
    graph->losses[graph->loss_count++] = (lode_loss_term){value, weight};
}

lode_status lode__graph_finish(lode_graph *graph, lode_error *error) {
    if (!graph->failed && graph->scratch_size > 0) {
        graph->scratch = lode__alloc(lode__pool_threads(graph->pool), graph->scratch_size);
        if (graph->scratch == NULL) graph->failed = true;
    }
    assert(graph->node_count < LODE_MOMENT_LOSS);
    if (!graph->failed && !lode__layout_place(&graph->layout)) graph->failed = true;
    if (graph->failed) {
        return lode__fail(
            error, LODE_E_MEMORY,
            "no memory to build the graph (%zu MiB were had); a smaller batch needs less",
            lode__graph_bytes(graph) >> 20);
    }
    graph->finished = true;
    return LODE_OK;
}

void lode__graph_forward(lode_graph *graph) {
    assert(graph->finished);
    for (size_t i = 0; i < graph->node_count; i++) {
        graph->nodes[i].output->written = false;
        if (graph->poison) lode__layout_poison(&graph->layout, (uint32_t)i, true);
        graph->nodes[i].op->forward(graph, graph->nodes[i].self);
        if (graph->poison) lode__layout_poison(&graph->layout, (uint32_t)i, false);
    }
}

double lode__graph_loss_value(const lode_graph *graph) {
    double sum = 0.0;
    for (size_t i = 0; i < graph->loss_count; i++) {
        sum += graph->losses[i].weight * lode__tensor_get(graph, graph->losses[i].value, 0, 0);
    }
    return sum;
}

void lode__graph_backward(lode_graph *graph) {
    assert(graph->finished && graph->gradients);
    for (size_t i = 0; i < graph->loss_count; i++) {
        lode_tensor *value = graph->losses[i].value;
        lode__real_set(value->elements, value->gradient, 0, graph->losses[i].weight);
        value->written = true;
    }
    for (size_t i = graph->node_count; i-- > 0;) {
        const lode_op_node *node = &graph->nodes[i];
        if (graph->poison) lode__layout_poison(&graph->layout, LODE_BACKWARD_AT(i), true);
        if (node->output->written && node->op->backward != NULL) {
            node->op->backward(graph, node->self);
        }
        if (graph->poison) lode__layout_poison(&graph->layout, LODE_BACKWARD_AT(i), false);
    }
}

size_t lode__graph_bytes(const lode_graph *graph) {
    size_t bytes = graph->arena.bytes + graph->layout.bytes;
    for (const struct lode_huge *huge = graph->huge; huge != NULL; huge = huge->next) {
        bytes += huge->count * huge->size;
    }
    return bytes;
}

double lode__tensor_get(const lode_graph *graph, const lode_tensor *tensor, size_t row,
                        size_t column) {
    (void)graph;
    return lode__real_get(tensor->elements, tensor->value, row * tensor->columns + column);
}

void *lode__gradient(lode_tensor *tensor, bool *add) {
    *add = tensor->written;
    if (tensor->gradient != NULL) tensor->written = true;
    return tensor->gradient;
}

void *lode__param_gradient(lode_param *param, bool *add) {
    *add = param->has_gradient;
    if (param->gradient != NULL) param->has_gradient = true;
    return param->gradient;
}
