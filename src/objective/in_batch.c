/// in_batch: softmax of the clicked item among the clicked items of the batch (Yi et al., RecSys 2019).
///
/// An item that was clicked c times in the batch stands for c negatives; it is encoded and scored once, with log c
/// added to its logit. With `log_q` the logarithm of its share of the training clicks is subtracted: items come into
/// a batch in proportion to their popularity, and this takes that bias out (CLRec leaves it in on purpose).
#include "objective/clicked.h"

typedef struct lode_in_batch_options {
    double temperature;
    bool log_q;
    int mask;
    int denominator;
} lode_in_batch_options;

typedef struct lode_in_batch {
    const lode_in_batch_options *options;
    lode_clicked keys;
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
    return lode__clicked_prepare(&self->keys, training, self->options->log_q ? 1 : 0, arena, error);
}

static size_t items(const void *state, size_t queries) {
    (void)state;
    (void)queries;
    return 0;
}

static lode_status build(void *state, const lode_scene *scene, double weight, lode_error *error) {
    (void)error;
    lode_in_batch *self = state;
    const lode_in_batch_options *options = self->options;
    lode_tensor *loss = lode__clicked_build(
        &self->keys, scene, scene->most,
        &(lode_clicked_loss){.mask = (lode_mask)options->mask,
                             .temperature = options->temperature,
                             .positive_in_denominator = options->denominator == 0});
    lode__graph_loss(scene->graph, loss, weight);
    return LODE_OK;
}

static lode_status draw(void *state, const lode_batch *batch, lode_error *error) {
    (void)error;
    lode_in_batch *self = state;
    lode__clicked_begin(&self->keys);
    for (size_t i = 0; i < batch->count; i++)
        lode__clicked_add(&self->keys, batch->target_rows[i]);
    lode__clicked_finish(&self->keys, batch);
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
