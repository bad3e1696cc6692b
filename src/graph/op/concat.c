/// concat: columns side by side. A part with lists is packed [s, c] and is flattened here, where padding can no
/// longer be avoided: row r holds its list's positions one after the other, then zeros up to limit * c columns.
///
/// Backward copies each part's columns back; padding gives nothing.
#include <string.h>

#include "graph/ops.h"
#include "kernel/real.h"

LODE_OP_DECLARE(concat);

typedef struct lode_concat {
    lode_graph *graph;
    lode_part_of_row parts[LODE_CONCAT_PARTS];
    size_t count;
    lode_tensor *output;
    bool add[LODE_CONCAT_PARTS];
} lode_concat;

static size_t part_width(const lode_part_of_row *part) {
    return part->tensor->columns * (part->lists != NULL ? part->lists->limit : 1);
}

/// Elements of row `row` in a part, and where they start in it.
static size_t part_row(const lode_part_of_row *part, size_t row, size_t *offset) {
    const size_t columns = part->tensor->columns;
    if (part->lists == NULL) {
        *offset = row * columns;
        return columns;
    }
    const size_t begin = (size_t)part->lists->offsets[row];
    *offset = begin * columns;
    return ((size_t)part->lists->offsets[row + 1] - begin) * columns;
}

static void forward_tile(void *context, size_t task, size_t thread) {
    (void)thread;
    const lode_concat *self = context;
    const size_t last = LODE_MIN((task + 1) * LODE_TILE, self->output->rows->size);
    for (size_t row = task * LODE_TILE; row < last; row++) {
        stored *out = (stored *)self->output->value + row * self->output->columns;
        for (size_t i = 0; i < self->count; i++) {
            const lode_part_of_row *part = &self->parts[i];
            size_t offset;
            const size_t count = part_row(part, row, &offset);
            const size_t width = part_width(part);
            memcpy(out, (const stored *)part->tensor->value + offset, count * sizeof *out);
            memset(out + count, 0, (width - count) * sizeof *out);
            out += width;
        }
    }
}

static void forward(lode_graph *graph, void *context) {
    lode_concat *self = context;
    lode__pool_run(graph->pool, (self->output->rows->size + LODE_TILE - 1) / LODE_TILE,
                   forward_tile, self);
}

static void backward_tile(void *context, size_t task, size_t thread) {
    (void)thread;
    const lode_concat *self = context;
    const lode_kernels *kernels = self->graph->kernels;
    const size_t last = LODE_MIN((task + 1) * LODE_TILE, self->output->rows->size);
    for (size_t row = task * LODE_TILE; row < last; row++) {
        const stored *dy = (const stored *)self->output->gradient + row * self->output->columns;
        for (size_t i = 0; i < self->count; i++) {
            const lode_part_of_row *part = &self->parts[i];
            size_t offset;
            const size_t count = part_row(part, row, &offset);
            stored *dx = part->tensor->gradient;
            if (dx != NULL && self->add[i]) kernels->add(count, dy, dx + offset);
            if (dx != NULL && !self->add[i]) memcpy(dx + offset, dy, count * sizeof *dx);
            dy += part_width(part);
        }
    }
}

static void backward(lode_graph *graph, void *context) {
    lode_concat *self = context;
    for (size_t i = 0; i < self->count; i++) {
        (void)lode__gradient(self->parts[i].tensor, &self->add[i]);
    }
    lode__pool_run(graph->pool, (self->output->rows->size + LODE_TILE - 1) / LODE_TILE,
                   backward_tile, self);
}

const lode_op LODE_REAL(lode__op_concat) = {"concat", forward, backward};

#if LODE_FIRST_PASS
lode_tensor *lode__concat(lode_graph *graph, const lode_part_of_row *parts, size_t count) {
    if (count == 1 && parts[0].lists == NULL) return parts[0].tensor;
    assert(count >= 1 && count <= LODE_CONCAT_PARTS);
    lode_concat *self = lode__graph_alloc(graph, 1, sizeof *self);
    lode_dim *rows = NULL;
    size_t columns = 0;
    for (size_t i = 0; i < count; i++) {
        if (self == NULL || parts[i].tensor == NULL) {
            graph->failed = true;
            return NULL;
        }
        self->parts[i] = parts[i];
        lode__graph_reads(graph, parts[i].tensor, LODE_FORWARD_ONLY);
        columns += part_width(&parts[i]);
        rows = parts[i].lists != NULL ? parts[i].lists->rows : parts[i].tensor->rows;
    }
    self->graph = graph;
    self->count = count;
    self->output = lode__graph_tensor(graph, rows, columns, true);
    return lode__graph_add(graph, LODE_OP(graph, concat), self, self->output);
}
#endif
