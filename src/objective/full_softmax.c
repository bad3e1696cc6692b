/// full_softmax: softmax of the clicked item over all training items, the likelihood itself (CLRec Eq. 1).
///
/// The positive is one of the items: with all of them in the sum and nothing masked, nothing has to be added for it.
/// Where the user's items or the positive are masked, the positive's own place is the first of a query's list, so that it
/// is masked however many there are, and the op adds the positive (denominator: all) or does not.
#include "objective/full_softmax.h"

#include <string.h>

const char *const lode__full_masks[] = {"none", "user_items", NULL};

lode_status lode__full_softmax_prepare(lode_full_softmax *self, const lode_full_options *options,
                                       const lode_training *training, lode_arena *arena,
                                       lode_error *error) {
    self->options = options;
    self->training = *training;
    const size_t rows = (size_t)training->model->vocabulary->items + 1;
    self->seen = lode__arena_alloc(arena, rows, sizeof *self->seen);
    return self->seen != NULL ? LODE_OK : lode__fail_memory(error);
}

size_t lode__full_softmax_items(const void *state, size_t queries) {
    (void)queries;
    return ((const lode_full_softmax *)state)->training.model->vocabulary->items;
}

static bool masks(const lode_full_softmax *self) {
    return self->options->mask != 0 || self->options->denominator != 0;
}

void lode__full_softmax_build(lode_full_softmax *self, const lode_scene *scene,
                              lode_vector *query_weight, double weight) {
    lode_graph *graph = scene->graph;
    const size_t items = self->training.model->vocabulary->items;
    const size_t most = self->options->mask != 0 ? LODE_MIN(items, (size_t)LODE_MASKED) : 1;
    self->items = scene->items;
    lode_dim *dim = lode__graph_dim(graph, "catalogue", items);
    lode_dim *positions = lode__graph_dim(graph, "masked", scene->most * most);
    if (dim == NULL || positions == NULL) return;
    self->negative = lode__graph_ids(graph, dim, 1);
    if (masks(self)) {
        self->masked = lode__graph_lists(graph, scene->query->rows, positions, most);
        self->places = lode__graph_ids(graph, positions, 1);
        if (self->masked == NULL || self->places == NULL) return;
    }
    lode_tensor *loss =
        lode__contrast(graph, &(lode_contrast){.kind = LODE_CONTRAST_SOFTMAX,
                                               .query = scene->query,
                                               .key = scene->items->outputs.vector,
                                               .positive = scene->targets,
                                               .negative = self->negative,
                                               .shared = true,
                                               .masked = self->masked,
                                               .masked_ids = self->places,
                                               .weight = query_weight,
                                               .scale = 1.0 / self->options->temperature,
                                               .positive_in_denominator =
                                                   masks(self) && self->options->denominator == 0});
    lode__graph_loss(graph, loss, weight);
}

/// Places of a query: its positive, and the other items that its user clicked in training.
static size_t mask_query(lode_full_softmax *self, const lode_state *state, uint32_t positive,
                         size_t at) {
    const lode_split *split = self->training.split;
    int32_t *places = self->places->data;
    const size_t end = at + self->masked->limit;
    places[at++] = (int32_t)positive - 1;
    if (self->options->mask == 0) return at;
    if (++self->now == 0) { // the mark has gone round
        memset(self->seen, 0, ((size_t)self->negative->dim->capacity + 1) * sizeof *self->seen);
        self->now = 1;
    }
    self->seen[positive] = self->now;
    const uint64_t last = split->train_end[state->user];
    for (uint64_t click = split->log.offsets[state->user]; click < last && at < end; click++) {
        const uint32_t row = self->training.binding->item_row[split->log.item[click]];
        if (self->seen[row] == self->now) continue;
        self->seen[row] = self->now;
        places[at++] = (int32_t)row - 1;
    }
    return at;
}

void lode__full_softmax_draw(lode_full_softmax *self, const lode_batch *batch) {
    const uint32_t items = self->training.model->vocabulary->items;
    self->negative->dim->size = items;
    for (uint32_t row = 1; row <= items; row++)
        self->negative->data[row - 1] = lode__item_view_slot(self->items, row);
    if (!masks(self)) return;
    size_t at = 0;
    for (size_t i = 0; i < batch->count; i++) {
        at = mask_query(self, &batch->states[i], batch->target_rows[i], at);
        self->masked->offsets[i + 1] = (int32_t)at;
    }
    self->places->dim->size = at;
}

// --- the objective --------------------------------------------------------------------------------------

static const lode_key keys[] = {LODE_TEMPERATURE_KEY(lode_full_options),
                                LODE_FULL_MASK_KEY,
                                LODE_DENOMINATOR_KEY(lode_full_options),
                                {0}};

static lode_status prepare(void *state, const void *config, const lode_training *training,
                           lode_arena *arena, lode_error *error) {
    return lode__full_softmax_prepare(state, config, training, arena, error);
}

static lode_status build(void *state, const lode_scene *scene, double weight, lode_error *error) {
    (void)error;
    lode__full_softmax_build(state, scene, NULL, weight);
    return LODE_OK;
}

static lode_status draw(void *state, const lode_batch *batch, lode_error *error) {
    (void)error;
    lode__full_softmax_draw(state, batch);
    return LODE_OK;
}

const lode_objective_type lode__objective_full_softmax = {
    .name = "full_softmax",
    .help = "Softmax of the clicked item over all training items.",
    .user_needs = LODE_NEED_VECTOR,
    .item_needs = LODE_NEED_VECTOR,
    .keys = keys,
    .config_size = sizeof(lode_full_options),
    .state_size = sizeof(lode_full_softmax),
    .prepare = prepare,
    .items = lode__full_softmax_items,
    .stages = {{build, draw}},
    .stage_count = 1};
