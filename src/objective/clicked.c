#include "objective/clicked.h"

#include <math.h>

lode_status lode__clicked_prepare(lode_clicked *self, const lode_training *training,
                                  double correction, lode_arena *arena, lode_error *error) {
    self->training = *training;
    self->correction = correction;
    const uint32_t rows = training->model->vocabulary->items + 1;
    self->log_q = lode__arena_alloc(arena, rows, sizeof *self->log_q);
    if (self->log_q == NULL) return lode__fail_memory(error);
    for (uint32_t row = 1; row < rows; row++) {
        const uint32_t count = training->split->item_count[training->binding->item_of[row]];
        self->log_q[row] = (float)log((double)count / (double)training->split->train_clicks);
    }
    return LODE_OK;
}

lode_tensor *lode__clicked_build(lode_clicked *self, const lode_scene *scene, size_t most,
                                 const lode_clicked_loss *loss) {
    lode_graph *graph = scene->graph;
    self->items = self->names = scene->items;
    if (loss->beside) {
        const size_t rows = (size_t)self->training.model->vocabulary->items + 1;
        self->names = lode__item_view_slots(graph, self->training.model, LODE_MIN(most, rows));
        if (self->names == NULL) return NULL;
    } else {
        most = LODE_MIN(most, scene->items->inputs.rows->capacity);
    }
    lode_dim *dim = lode__graph_dim(graph, "negatives", most);
    if (dim == NULL) return NULL;
    self->negative = lode__graph_ids(graph, dim, 1);
    self->negative_shift = lode__graph_vector(graph, dim);
    self->positive_shift = lode__graph_vector(graph, scene->query->rows);
    self->counts = lode__graph_alloc(graph, most, sizeof *self->counts);
    self->slots = lode__graph_alloc(graph, most, sizeof *self->slots);
    self->place = lode__graph_alloc(graph, self->names->inputs.rows->capacity, sizeof *self->place);
    self->masker = (lode_masker){
        .mask = loss->mask, .shared = true, .most = loss->masked, .training = &self->training};
    lode_scene named = *scene;
    named.items = self->names;
    lode__masker_build(&self->masker, &named, most);
    lode_tensor *key = loss->key != NULL ? loss->key : scene->items->outputs.vector;
    lode_ids *positive = loss->positive != NULL ? loss->positive : scene->targets;
    return lode__contrast(
        graph, &(lode_contrast){.kind = LODE_CONTRAST_SOFTMAX,
                                .query = scene->query,
                                .key = key,
                                .positive = positive,
                                .negative = self->negative,
                                .shared = true,
                                .positive_shift = self->positive_shift,
                                .negative_shift = self->negative_shift,
                                .masked = self->masker.lists,
                                .masked_ids = self->masker.places,
                                .scale = 1.0 / loss->temperature,
                                .positive_in_denominator = loss->positive_in_denominator});
}

void lode__clicked_begin(lode_clicked *self) {
    self->negative->dim->size = 0;
    self->total = 0;
    if (self->names != self->items) lode__item_view_begin(self->names);
}

void lode__clicked_append(lode_clicked *self, uint32_t row, size_t key) {
    const size_t place = self->negative->dim->size++;
    self->slots[place] = lode__item_view_slot(self->names, row);
    self->negative->data[place] = (int32_t)key;
    self->counts[place] = 1;
    self->total += 1;
}

void lode__clicked_add(lode_clicked *self, uint32_t row) {
    const int32_t slot = lode__item_view_slot(self->names, row);
    const size_t place = (size_t)self->place[slot];
    if (place < self->negative->dim->size && self->slots[place] == slot) {
        self->counts[place] += 1;
        self->total += 1;
        return;
    }
    self->place[slot] = (int32_t)self->negative->dim->size;
    lode__clicked_append(self, row, self->above + (size_t)lode__item_view_slot(self->items, row));
}

static float corrected(const lode_clicked *self, uint32_t row) {
    return self->correction > 0 ? (float)self->correction * self->log_q[row] : 0.0F;
}

void lode__clicked_finish(lode_clicked *self, const lode_batch *batch) {
    const size_t distinct = self->negative->dim->size;
    for (size_t j = 0; j < distinct; j++) {
        const uint32_t row = self->names->rows[self->slots[j]];
        self->negative_shift->data[j] = corrected(self, row) - (float)log((double)self->counts[j]);
    }
    for (size_t i = 0; i < batch->count; i++)
        self->positive_shift->data[i] = corrected(self, batch->target_rows[i]);
    lode__masker_fill(&self->masker, batch, self->slots, distinct);
}

double lode__clicked_negatives(const lode_clicked *self, size_t queries) {
    double sum = self->total * (double)queries;
    if (self->masker.lists == NULL) return sum;
    const int32_t *offsets = self->masker.lists->offsets;
    for (int32_t at = offsets[0]; at < offsets[queries]; at++)
        sum -= (double)self->counts[self->masker.places->data[at]];
    return sum;
}
