/// in_batch: softmax of the clicked item among the clicked items of the batch (Yi et al., RecSys 2019).
///
/// An item that was clicked c times in the batch stands for c negatives; it is encoded and scored once, with log c
/// added to its logit. With `log_q` the logarithm of its share of the training clicks is subtracted: items come into
/// a batch in proportion to their popularity, and this takes that bias out (CLRec leaves it in on purpose).
#include <math.h>

#include "objective/negatives.h"

typedef struct lode_in_batch_options {
    double temperature;
    bool log_q;
    int mask;
    int denominator;
} lode_in_batch_options;

typedef struct lode_in_batch {
    const lode_in_batch_options *options;
    lode_training training;
    lode_item_view *items;
    lode_ids *negative;
    lode_vector *negative_shift, *positive_shift;
    lode_masker masker;
    float *log_q; ///< [rows]
    double total; ///< training clicks
} lode_in_batch;

static const lode_key keys[] = {
    LODE_TEMPERATURE_KEY(lode_in_batch_options),
    {.name = "log_q",
     .type = LODE_KEY_BOOL,
     .offset = offsetof(lode_in_batch_options, log_q),
     .fallback = "true",
     .help = "Subtract the logarithm of the item's share of training clicks from its scores."},
    LODE_MASK_KEY(lode_in_batch_options),
    LODE_DENOMINATOR_KEY(lode_in_batch_options),
    {0}};

static lode_status prepare(void *state, const void *config, const lode_training *training,
                           lode_arena *arena, lode_error *error) {
    lode_in_batch *self = state;
    self->options = config;
    self->training = *training;
    const uint32_t rows = training->model->vocabulary->items + 1;
    self->log_q = lode__arena_alloc(arena, rows, sizeof *self->log_q);
    if (self->log_q == NULL) return lode__fail_memory(error);
    for (uint32_t row = 1; row < rows; row++) {
        const uint32_t count = training->split->item_count[training->binding->item_of[row]];
        self->log_q[row] = (float)log((double)count / (double)training->split->train_clicks);
    }
    return LODE_OK;
}

static size_t items(const void *state, size_t queries) {
    (void)state;
    (void)queries;
    return 0;
}

static lode_status build(void *state, const lode_scene *scene, double weight, lode_error *error) {
    (void)error;
    lode_in_batch *self = state;
    lode_graph *graph = scene->graph;
    self->items = scene->items;
    const size_t most = LODE_MIN(scene->most, scene->items->inputs.rows->capacity);
    lode_dim *dim = lode__graph_dim(graph, "negatives", most);
    if (dim == NULL) return LODE_OK;
    self->negative = lode__graph_ids(graph, dim, 1);
    self->negative_shift = lode__graph_vector(graph, dim);
    self->positive_shift = lode__graph_vector(graph, scene->query->rows);
    self->masker = (lode_masker){
        .mask = (lode_mask)self->options->mask, .shared = true, .training = &self->training};
    lode__masker_build(&self->masker, scene, most);
    lode_tensor *loss = lode__contrast(
        graph, &(lode_contrast){.kind = LODE_CONTRAST_SOFTMAX,
                                .query = scene->query,
                                .key = scene->items->outputs.vector,
                                .positive = scene->targets,
                                .negative = self->negative,
                                .shared = true,
                                .positive_shift = self->positive_shift,
                                .negative_shift = self->negative_shift,
                                .masked = self->masker.lists,
                                .masked_ids = self->masker.places,
                                .scale = 1.0 / self->options->temperature,
                                .positive_in_denominator = self->options->denominator == 0});
    lode__graph_loss(graph, loss, weight);
    return LODE_OK;
}

static lode_status draw(void *state, const lode_batch *batch, lode_error *error) {
    (void)error;
    lode_in_batch *self = state;
    // Targets have the first slots of the item view, in order of first appearance.
    size_t distinct = 0;
    float *shift = self->negative_shift->data;
    for (size_t i = 0; i < batch->count; i++) {
        const int32_t slot = lode__item_view_find(self->items, batch->target_rows[i]);
        if ((size_t)slot == distinct) {
            self->negative->data[distinct] = slot;
            shift[distinct++] = 0.0F;
        }
        shift[slot] += 1.0F;
    }
    self->negative->dim->size = distinct;
    const bool log_q = self->options->log_q;
    for (size_t j = 0; j < distinct; j++) {
        shift[j] = (log_q ? self->log_q[self->items->rows[j]] : 0.0F) - (float)log((double)shift[j]);
    }
    for (size_t i = 0; i < batch->count; i++) {
        self->positive_shift->data[i] = log_q ? self->log_q[batch->target_rows[i]] : 0.0F;
    }
    lode__masker_fill(&self->masker, batch, self->negative->data, distinct);
    return LODE_OK;
}

const lode_objective_type lode__objective_in_batch = {
    .name = "in_batch",
    .help = "Softmax of the clicked item among the batch's clicked items (Yi et al. 2019).",
    .user_needs = LODE_NEED_VECTOR,
    .item_needs = LODE_NEED_VECTOR,
    .keys = keys,
    .config_size = sizeof(lode_in_batch_options),
    .state_size = sizeof(lode_in_batch),
    .prepare = prepare,
    .items = items,
    .stages = {{build, draw}},
    .stage_count = 1};
