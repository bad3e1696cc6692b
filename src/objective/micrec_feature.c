/// micrec.feature: an item against itself with parts left out (MicRec 3.3, Eq. 1 and 2).
///
///     query P(f_i), positive P(aug(f_i)), negatives P(aug(f_j)) of drawn items; f: field embeddings before the tower
///
/// `drop` says what is left out, with probability `ratio` each: whole fields, values of fields that have several
/// (categorical), elements of embeddings. One field of an item stays in any case, and one value of a field that stays;
/// nothing is scaled up for it. RFM* is ican with this task (Yao et al. 2021, with MicRec's dropout).
#include <string.h>

#include "objective/item_task.h"

typedef struct feature_config {
    lode_item_options item;
    lode_texts drop;
    double ratio;
} feature_config;

typedef struct feature_state {
    lode_item_task task;
    const feature_config *config;
    bool field, categorical, element;
} feature_state;

static const char *const drops[] = {"field", "categorical", "element"};

static const lode_key keys[] = {
    {.name = "drop",
     .type = LODE_KEY_TEXTS,
     .offset = offsetof(feature_config, drop),
     .fallback = "[field, categorical]",
     .help = "What is left out of an item: field (whole fields), categorical (values of a field "
             "that has several), element (single numbers of embeddings)."},
    {.name = "ratio",
     .type = LODE_KEY_REAL,
     .offset = offsetof(feature_config, ratio),
     .fallback = "0.5",
     .low = 0,
     .high = 0.99,
     .help = "Probability of each to be left out (MicRec: .3, .5, .7, .9)."},
    LODE_ITEM_KEYS(feature_config),
    {0}};

static lode_status read_drops(feature_state *self, lode_error *error) {
    bool *const flags[] = {&self->field, &self->categorical, &self->element};
    enum { DROPS = sizeof drops / sizeof *drops };
    for (size_t i = 0; i < self->config->drop.count; i++) {
        size_t found = 0;
        while (found < DROPS && strcmp(drops[found], self->config->drop.values[i]) != 0)
            found++;
        if (found == DROPS) {
            return lode__fail_unknown(error, LODE_E_CONFIG, "micrec.feature: drop: unknown part",
                                      self->config->drop.values[i], drops, DROPS);
        }
        *flags[found] = true;
    }
    if (self->config->drop.count == 0)
        return lode__fail(error, LODE_E_CONFIG,
                          "micrec.feature: drop is empty: list field, categorical or element");
    return LODE_OK;
}

/// Whether anything of an item can be left out.
static bool has_parts(const feature_state *self) {
    const lode_model_core *model = self->task.training.model;
    const lode_vocabulary *vocabulary = model->vocabulary;
    const bool all = model->item.raw_width == lode__field_width(vocabulary, LODE_SIDE_ITEM);
    size_t fields = 0, several = 0;
    for (size_t i = 0; i < vocabulary->count; i++) {
        if (vocabulary->fields[i].side != LODE_SIDE_ITEM) continue;
        fields++;
        several += vocabulary->fields[i].multi ? 1 : 0;
    }
    return self->element ||
           (all && ((self->field && fields > 1) || (self->categorical && several > 0)));
}

static lode_status prepare(void *state, const void *config, const lode_training *training,
                           lode_arena *arena, lode_error *error) {
    feature_state *self = state;
    self->config = config;
    LODE_TRY(read_drops(self, error));
    LODE_TRY(lode__item_task_prepare(&self->task, &self->config->item, training, arena, error));
    if (!has_parts(self)) {
        self->task.active = false;
        lode__notice(training->hooks,
                     "micrec.feature is left out: items have their id alone, of which only "
                     "elements can be dropped (drop: [element])");
    }
    return LODE_OK;
}

static void declare(void *state, const lode_training *training, lode_params *heads,
                    const char *prefix) {
    feature_state *self = state;
    lode__item_task_declare(&self->task, training->model->item.raw_width, heads, prefix);
}

static lode_status build(void *state, const lode_scene *scene, double weight, lode_error *error) {
    (void)error;
    feature_state *self = state;
    if (!self->task.active) return LODE_OK;
    const lode_item_negatives *negatives = &self->config->item.negatives;
    const size_t most = LODE_MIN(scene->most, scene->items->inputs.rows->capacity);
    const size_t count = (size_t)negatives->count;
    const size_t rows = (size_t)self->task.training.model->vocabulary->items + 1;
    const double ratio = self->config->ratio;
    const lode_augment augment = {.field = self->field ? ratio : 0,
                                  .categorical = self->categorical ? ratio : 0,
                                  .element = self->element ? ratio : 0,
                                  .purpose = scene->purpose};
    lode_item_view *view = lode__item_view_augmented(
        scene->graph, self->task.training.model, scene->params,
        LODE_MIN(most + (negatives->scope == 0 ? count : count * most), rows), &augment, true);
    if (view == NULL) return LODE_OK; // graph->failed
    lode__item_task_build(&self->task, scene, view, scene->items->outputs.raw_fields,
                          view->outputs.raw_fields, weight);
    return LODE_OK;
}

static lode_status draw(void *state, const lode_batch *batch, lode_error *error) {
    (void)error;
    feature_state *self = state;
    if (!self->task.active) return LODE_OK;
    lode__item_view_begin(self->task.others);
    lode__item_task_draw(&self->task, batch);
    lode__item_view_fill(self->task.others);
    return LODE_OK;
}

const lode_objective_type lode__objective_micrec_feature = {
    .name = "micrec.feature",
    .help = "An item against itself with features left out, among drawn items (MicRec Eq. 1-2).",
    .item_needs = LODE_NEED_RAW_FIELDS,
    .keys = keys,
    .config_size = sizeof(feature_config),
    .state_size = sizeof(feature_state),
    .prepare = prepare,
    .declare = declare,
    .items = lode__item_task_items,
    .stages = {{build, draw}},
    .stage_count = 1,
    .release = lode__item_task_release};
