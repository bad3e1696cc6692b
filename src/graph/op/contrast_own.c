/// contrast, continued: each query with negatives of its own.
///
/// The positive is column 0 of the query's list. All logits of a tile of queries are gathered dot products; they
/// become weights in place, in `own`, from which backward sums the rows that pull at each query and at each key.
#include <math.h>

#include "graph/op/contrast.h"

static size_t columns_of(const lode_contrast_op *self) {
    return 1 + self->spec.negative->width;
}

static void take_logits(const lode_contrast_op *self, size_t first, size_t rows, real *z) {
    const lode_contrast *spec = &self->spec;
    const lode_kernels *kernels = self->graph->kernels;
    const size_t width = spec->negative->width, columns = columns_of(self), d = spec->query->columns;
    int32_t *keys = self->own_keys + first * columns;
    for (size_t i = 0; i < rows; i++) {
        keys[i * columns] = spec->positive->data[first + i];
        for (size_t j = 0; j < width; j++)
            keys[i * columns + 1 + j] = spec->negative->data[(first + i) * width + j];
    }
    kernels->gather_dot(rows, columns, d, (const stored *)spec->query->value + first * d, keys,
                        spec->key->value, z);
    LODE_REAL(lode__contrast_positives)(self, first, rows, columns, z);
    const real scale = (real)spec->scale;
    for (size_t i = 0; i < rows; i++) {
        real *negative = z + i * columns + 1;
        const float *shift =
            spec->negative_shift != NULL ? spec->negative_shift->data + (first + i) * width : NULL;
        for (size_t j = 0; j < width; j++)
            negative[j] = scale * negative[j] - (shift != NULL ? (real)shift[j] : 0);
        if (spec->masked == NULL) continue;
        const int32_t *offsets = spec->masked->offsets;
        for (int32_t at = offsets[first + i]; at < offsets[first + i + 1]; at++) {
            const size_t place = (size_t)spec->masked_ids->data[at];
            if (place < width) negative[place] = -(real)INFINITY;
        }
    }
}

/// bce: softplus is all there is to every logit, once that of the positive is turned round.
static void finish_bce(const lode_contrast_op *self, size_t first, size_t rows, real *z,
                       real *scratch) {
    const lode_kernels *kernels = self->graph->kernels;
    const size_t columns = columns_of(self);
    for (size_t i = 0; i < rows; i++)
        z[i * columns] = -z[i * columns];
    real sum = 0;
    for (size_t at = 0; self->spec.weight != NULL && at < rows * columns; at++)
        scratch[at] = (real)self->spec.weight->data[first + at / columns];
    kernels->contrast_logistic(
        &(lode_contrast_tile){.rows = 1,
                              .columns = rows * columns,
                              .z = z,
                              .scale = 1,
                              .column_factor = self->spec.weight != NULL ? scratch : NULL,
                              .loss = &sum});
    for (size_t i = 0; i < rows; i++) {
        z[i * columns] = -z[i * columns];
        ((real *)self->loss)[first + i] = 0;
    }
    ((real *)self->loss)[first] = sum; // of the tile
}

/// bpr: softplus again, of differences that count for 1 / (negatives of their query); the positive counts for nothing.
static void finish_bpr(const lode_contrast_op *self, size_t first, size_t rows, real *z,
                       real *scratch) {
    const lode_kernels *kernels = self->graph->kernels;
    const size_t columns = columns_of(self);
    real *shift = scratch, *share = scratch + rows * columns, sum = 0;
    for (size_t i = 0; i < rows; i++) {
        real *row = z + i * columns;
        size_t counted = 0;
        const real weight = self->spec.weight != NULL ? (real)self->spec.weight->data[first + i] : 1;
        for (size_t j = 1; j < columns; j++)
            counted += row[j] != -(real)INFINITY;
        for (size_t j = 0; j < columns; j++) {
            shift[i * columns + j] = row[0];
            share[i * columns + j] = counted > 0 ? weight / (real)counted : 0;
        }
        row[0] = -(real)INFINITY;
        shift[i * columns] = 0;
        ((real *)self->loss)[first + i] = 0;
    }
    kernels->contrast_logistic(&(lode_contrast_tile){.rows = 1,
                                                     .columns = rows * columns,
                                                     .z = z,
                                                     .scale = 1,
                                                     .column_shift = shift,
                                                     .column_factor = share,
                                                     .loss = &sum});
    for (size_t i = 0; i < rows; i++) {
        for (size_t j = 1; j < columns; j++)
            z[i * columns] -= z[i * columns + j];
    }
    ((real *)self->loss)[first] = sum; // of the tile
}

static void finish_softmax(const lode_contrast_op *self, size_t first, size_t rows, real *z) {
    const lode_kernels *kernels = self->graph->kernels;
    const size_t columns = columns_of(self), width = self->spec.negative->width;
    real top[LODE_TILE], sum[LODE_TILE] = {0}, kept[LODE_TILE];
    for (size_t i = 0; i < rows; i++)
        top[i] = -(real)INFINITY;
    kernels->contrast_softmax(&(lode_contrast_tile){.rows = rows,
                                                    .columns = width,
                                                    .z = z + 1,
                                                    .z_row = columns,
                                                    .scale = 1,
                                                    .top = top,
                                                    .sum = sum,
                                                    .kept = kept});
    for (size_t i = 0; i < rows; i++) {
        const real factor = LODE_REAL(lode__contrast_finish)(
            self, first + i, width, &(lode_contrast_sums){.top = top[i], .sum = sum[i]});
        z[i * columns] = ((const real *)self->d_positive)[first + i];
        for (size_t j = 1; j < columns; j++)
            z[i * columns + j] *= factor;
    }
}

static void forward_tile(void *context, size_t task, size_t thread) {
    const lode_contrast_op *self = context;
    const size_t first = task * LODE_TILE;
    const size_t rows = LODE_MIN((size_t)LODE_TILE, self->spec.query->rows->size - first);
    real *z = (real *)self->own + first * columns_of(self);
    take_logits(self, first, rows, z);
    switch (self->spec.kind) {
    case LODE_CONTRAST_SOFTMAX:
        finish_softmax(self, first, rows, z);
        break;
    case LODE_CONTRAST_BCE:
        finish_bce(self, first, rows, z, lode__scratch(self->graph, thread));
        break;
    case LODE_CONTRAST_BPR:
        finish_bpr(self, first, rows, z, lode__scratch(self->graph, thread));
        break;
    }
}

void LODE_REAL(lode__contrast_own_forward)(lode_contrast_op *self) {
    lode__pool_run(self->graph->pool, (self->spec.query->rows->size + LODE_TILE - 1) / LODE_TILE,
                   forward_tile, self);
}

static void query_tile(void *context, size_t task, size_t thread) {
    (void)thread;
    const lode_contrast_op *self = context;
    const lode_kernels *kernels = self->graph->kernels;
    const lode_tensor *query = self->spec.query;
    const size_t d = query->columns, columns = columns_of(self), first = task * LODE_TILE;
    kernels->weighted_sum(
        &(lode_weighted_sum){.rows = LODE_MIN((size_t)LODE_TILE, query->rows->size - first),
                             .n = d,
                             .width = columns,
                             .ids = self->own_keys + first * columns,
                             .weights = (const real *)self->own + first * columns,
                             .table = self->spec.key->value,
                             .scale = LODE_REAL(lode__contrast_each)(self),
                             .add = self->add_query,
                             .out = (stored *)query->gradient + first * d});
}

static void key_tile(void *context, size_t task, size_t thread) {
    (void)thread;
    const lode_contrast_op *self = context;
    const lode_kernels *kernels = self->graph->kernels;
    const lode_tensor *key = self->spec.key;
    const size_t d = key->columns, first = task * LODE_TILE;
    kernels->weighted_sum(
        &(lode_weighted_sum){.rows = LODE_MIN((size_t)LODE_TILE, key->rows->size - first),
                             .n = d,
                             .starts = self->by_key.starts + first,
                             .ids = self->by_key.from,
                             .weights = self->by_key.weights,
                             .table = self->spec.query->value,
                             .scale = LODE_REAL(lode__contrast_each)(self),
                             .add = self->add_key,
                             .out = (stored *)key->gradient + first * d});
}

void LODE_REAL(lode__contrast_own_backward)(lode_contrast_op *self) {
    lode_tensor *query = self->spec.query, *key = self->spec.key;
    lode_pool *pool = self->graph->pool;
    if (lode__gradient(query, &self->add_query) != NULL)
        lode__pool_run(pool, (query->rows->size + LODE_TILE - 1) / LODE_TILE, query_tile, self);
    if (lode__gradient(key, &self->add_key) == NULL) return;
    LODE_REAL(lode__contrast_order)
    (&self->by_key, key->rows->size, query->rows->size, columns_of(self), self->own_keys, self->own);
    lode__pool_run(pool, (key->rows->size + LODE_TILE - 1) / LODE_TILE, key_tile, self);
}
