/// youtubednn: mean of the embeddings of the last clicks, the user's fields beside it, an MLP
/// (Covington, Adams & Sargin, RecSys 2016).
///
/// dssm: the same with everything by key: the user's fields alone are the original two-tower (Huang et al. 2013);
/// `history` adds the pooled clicks, so that it also serves data without user fields.
#include "model/tower.h"

typedef struct lode_pooled_config {
    bool history; ///< dssm only; youtubednn always has it
    lode_ints layers;
    double dropout;
    int activation;
} lode_pooled_config;

typedef struct lode_pooled {
    const lode_pooled_config *config;
    bool history;
    size_t item_table;
    lode_mlp mlp;
} lode_pooled;

#define SHARED_KEYS                                                                                \
    {.name = "layers",                                                                             \
     .type = LODE_KEY_INTS,                                                                        \
     .offset = offsetof(lode_pooled_config, layers),                                               \
     .fallback = "[128, 64, 64]",                                                                  \
     .low = 1,                                                                                     \
     .high = 65536,                                                                                \
     .help = "Widths of the MLP; the last is the dimension of the user vector."},                  \
        {.name = "dropout",                                                                        \
         .type = LODE_KEY_REAL,                                                                    \
         .offset = offsetof(lode_pooled_config, dropout),                                          \
         .fallback = "0",                                                                          \
         .low = 0,                                                                                 \
         .high = 0.95,                                                                             \
         .help = "Dropout on the MLP's input."},                                                   \
    {                                                                                              \
        .name = "activation", .type = LODE_KEY_CHOICE,                                             \
        .offset = offsetof(lode_pooled_config, activation), .fallback = "relu",                    \
        .choices = lode__activations, .help = "Of hidden layers; the last layer is linear."        \
    }

static const lode_key youtubednn_keys[] = {SHARED_KEYS, {0}};
static const lode_key dssm_keys[] = {
    {.name = "history",
     .type = LODE_KEY_BOOL,
     .offset = offsetof(lode_pooled_config, history),
     .fallback = "true",
     .help = "Mean of the embeddings of the last clicks as one more input."},
    SHARED_KEYS,
    {0}};

static lode_status declare(lode_pooled *self, const lode_pooled_config *config, bool history,
                           const lode_tower_setting *setting, size_t *width, lode_error *error) {
    self->config = config;
    self->history = history;
    const lode_field *item = &setting->vocabulary->fields[setting->vocabulary->item_id];
    self->item_table = item->table;
    const size_t fields = lode__field_width(setting->vocabulary, LODE_SIDE_USER);
    if (!history && fields == 0) {
        return lode__fail(
            error, LODE_E_CONFIG,
            "the dssm tower has no input: the data set has no user fields that are used; set "
            "model.user.history: true, or fields.user: [id]");
    }
    LODE_TRY(lode__mlp_check(config->layers, setting->prefix, error));
    lode__mlp_declare(&self->mlp, setting->params, "user.mlp", fields + (history ? item->dim : 0),
                      config->layers, (lode_activation)(config->activation + LODE_RELU));
    *width = (size_t)config->layers.values[config->layers.count - 1];
    return LODE_OK;
}

static lode_status declare_youtubednn(void *state, const void *config,
                                      const lode_tower_setting *setting, size_t *width,
                                      lode_error *error) {
    return declare(state, config, true, setting, width, error);
}

static lode_status declare_dssm(void *state, const void *config, const lode_tower_setting *setting,
                                size_t *width, lode_error *error) {
    const lode_pooled_config *own = config;
    return declare(state, own, own->history, setting, width, error);
}

static bool reads_history(const void *config) {
    const lode_pooled_config *own = config;
    return own->history;
}

static void apply(const void *state, lode_graph *graph, const lode_params *params,
                  const lode_tower_inputs *inputs, lode_tower_outputs *outputs) {
    const lode_pooled *self = state;
    lode_part_of_row parts[LODE_FIELDS + 1];
    size_t count = 0;
    if (self->history) {
        parts[count++] = (lode_part_of_row){
            .tensor = lode__embedding(graph, lode__param(params, self->item_table), inputs->clicks,
                                      inputs->history, LODE_POOL_MEAN)};
    }
    count += lode__field_parts(graph, params, inputs, parts + count);
    lode_tensor *x = lode__dropout(graph, lode__concat(graph, parts, count), self->config->dropout);
    outputs->vector = lode__mlp_apply(&self->mlp, graph, params, x);
}

const lode_tower_type lode__tower_youtubednn = {
    .name = "youtubednn",
    .help =
        "Mean of the last clicks' embeddings with the user's fields into an MLP (Covington et al. "
        "2016).",
    .side = LODE_SIDE_USER,
    .gives = LODE_NEED_VECTOR,
    .keys = youtubednn_keys,
    .config_size = sizeof(lode_pooled_config),
    .state_size = sizeof(lode_pooled),
    .declare = declare_youtubednn,
    .apply = apply};

const lode_tower_type lode__tower_dssm = {
    .name = "dssm",
    .help =
        "The user's fields (fields.user: [id, ...] adds the user id) and by key the pooled history "
        "into an MLP (Huang et al. 2013).",
    .side = LODE_SIDE_USER,
    .gives = LODE_NEED_VECTOR,
    .keys = dssm_keys,
    .reads_history = reads_history,
    .config_size = sizeof(lode_pooled_config),
    .state_size = sizeof(lode_pooled),
    .declare = declare_dssm,
    .apply = apply};
