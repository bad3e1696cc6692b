/// contrast, continued: lists turned round (queries by key, masks by place), by counting.
#include <string.h>

#include "graph/op/contrast.h"

/// Counts at starts[row + 2] become starts at starts[row + 1], which placing moves on to where the next row starts.
static void add_up(int32_t *starts, size_t rows) {
    for (size_t row = 0; row < rows; row++)
        starts[row + 2] += starts[row + 1];
}

void LODE_REAL(lode__contrast_order)(const lode_contrast_order *order, size_t rows, size_t queries,
                                     size_t width, const int32_t *ids, const real *weights) {
    int32_t *starts = order->starts;
    memset(starts, 0, (rows + 2) * sizeof *starts);
    for (size_t entry = 0; entry < queries * width; entry++)
        starts[ids[entry] + 2]++;
    add_up(starts, rows);
    size_t entry = 0;
    for (size_t query = 0; query < queries; query++) {
        for (size_t j = 0; j < width; j++, entry++) {
            const size_t at = (size_t)starts[ids[entry] + 1]++;
            order->from[at] = (int32_t)query;
            if (weights != NULL) ((real *)order->weights)[at] = weights[entry];
        }
    }
}

/// The lists by query are turned round to be by place, and back: counting sorts both.
void LODE_REAL(lode__contrast_order_masks)(const lode_contrast_op *self, size_t places) {
    const lode_contrast *spec = &self->spec;
    const int32_t *offsets = spec->masked->offsets, *masked = spec->masked_ids->data;
    const size_t queries = spec->query->rows->size;
    int32_t *starts = self->mask_by_place.starts, *by_place = self->mask_by_place.from;
    memset(starts, 0, (places + 2) * sizeof *starts);
    for (int32_t at = offsets[0]; at < offsets[queries]; at++) {
        if ((size_t)masked[at] < places) starts[masked[at] + 2]++;
    }
    add_up(starts, places);
    for (size_t query = 0; query < queries; query++) {
        for (int32_t at = offsets[query]; at < offsets[query + 1]; at++) {
            if ((size_t)masked[at] < places) by_place[starts[masked[at] + 1]++] = (int32_t)query;
        }
    }
    int32_t *back = self->mask_by_query.starts;
    memset(back, 0, (queries + 2) * sizeof *back);
    for (int32_t at = 0; at < starts[places]; at++)
        back[by_place[at] + 2]++;
    add_up(back, queries);
    for (size_t place = 0; place < places; place++) {
        for (int32_t at = starts[place]; at < starts[place + 1]; at++)
            self->mask_by_query.from[back[by_place[at] + 1]++] = (int32_t)place;
    }
}
