/// mlp: an item's field embeddings side by side into an MLP (MicRec: f_i, then 128-64-64).
///
/// id: the item id's embedding is the vector: the output layer of a plain softmax over items. With `bias` a number of the
/// item's own stands behind it, which users' vectors meet with a 1: score = u . E_item[i] + b_i, an inner product still.
#include "model/tower.h"

typedef struct lode_item_config {
    lode_ints layers;
    double dropout;
    int activation;
} lode_item_config;

typedef struct lode_id_config {
    bool bias;
} lode_id_config;

typedef struct lode_item_tower {
    const lode_item_config *config;
    size_t id_width;
    bool bias; ///< id
    size_t bias_table;
    lode_mlp mlp;
} lode_item_tower;

static const lode_key mlp_keys[] = {{.name = "layers",
                                     .type = LODE_KEY_INTS,
                                     .offset = offsetof(lode_item_config, layers),
                                     .fallback = "[128, 64, 64]",
                                     .low = 1,
                                     .high = 65536,
                                     .help = "Widths of the MLP; the last is the dimension of the "
                                             "item vector and must be the user tower's."},
                                    {.name = "dropout",
                                     .type = LODE_KEY_REAL,
                                     .offset = offsetof(lode_item_config, dropout),
                                     .fallback = "0",
                                     .low = 0,
                                     .high = 0.95,
                                     .help = "Dropout on the MLP's input."},
                                    {.name = "activation",
                                     .type = LODE_KEY_CHOICE,
                                     .offset = offsetof(lode_item_config, activation),
                                     .fallback = "relu",
                                     .choices = lode__activations,
                                     .help = "Of hidden layers; the last layer is linear."},
                                    {0}};

static const lode_key id_keys[] = {
    {.name = "bias",
     .type = LODE_KEY_BOOL,
     .offset = offsetof(lode_id_config, bias),
     .fallback = "false",
     .help =
         "A bias an item, added to its scores (BERT4Rec's output layer): one more number in the "
         "vectors of items, met by a 1 in those of users. Needs model.scorer: dot."},
    {0}};

static lode_status declare_mlp(void *state, const void *config, const lode_tower_setting *setting,
                               size_t *width, lode_error *error) {
    lode_item_tower *self = state;
    self->config = config;
    const lode_ints layers = self->config->layers;
    LODE_TRY(lode__mlp_check(layers, setting->prefix, error));
    lode__mlp_declare(&self->mlp, setting->params, "item.mlp",
                      lode__field_width(setting->vocabulary, LODE_SIDE_ITEM), layers,
                      (lode_activation)(self->config->activation + LODE_RELU));
    *width = (size_t)layers.values[layers.count - 1];
    return LODE_OK;
}

static void apply_mlp(const void *state, lode_graph *graph, const lode_params *params,
                      const lode_tower_inputs *inputs, lode_tower_outputs *outputs) {
    const lode_item_tower *self = state;
    lode_part_of_row parts[LODE_FIELDS];
    const size_t count = lode__field_parts(graph, params, inputs, parts);
    outputs->raw_fields = lode__concat(graph, parts, count);
    if (inputs->raw_only) return;
    lode_tensor *x = lode__dropout(graph, outputs->raw_fields, self->config->dropout);
    outputs->vector = lode__mlp_apply(&self->mlp, graph, params, x);
}

static lode_status declare_id(void *state, const void *config, const lode_tower_setting *setting,
                              size_t *width, lode_error *error) {
    (void)error;
    lode_item_tower *self = state;
    const lode_field *item = &setting->vocabulary->fields[setting->vocabulary->item_id];
    self->id_width = *width = item->dim;
    self->bias = ((const lode_id_config *)config)->bias;
    if (!self->bias) return LODE_OK;
    self->bias_table =
        lode__param_table(setting->params, "item.bias", item->rows, 1, LODE_INIT_ZERO, 0.0);
    *width += 1;
    return LODE_OK;
}

static size_t id_width(const void *state) {
    const lode_item_tower *self = state;
    return self->id_width;
}

static void apply_id(const void *state, lode_graph *graph, const lode_params *params,
                     const lode_tower_inputs *inputs, lode_tower_outputs *outputs) {
    const lode_item_tower *self = state;
    outputs->vector = lode__field_part(graph, params, inputs, 0);
    outputs->raw_fields = outputs->vector;
    if (!self->bias || inputs->raw_only) return;
    lode_tensor *bias = lode__embedding(graph, lode__param(params, self->bias_table),
                                        inputs->fields[0].ids, NULL, LODE_POOL_SUM);
    const lode_part_of_row parts[] = {{.tensor = outputs->raw_fields}, {.tensor = bias}};
    outputs->vector = lode__concat(graph, parts, 2);
}

static bool biased(const void *config) {
    return ((const lode_id_config *)config)->bias;
}

const lode_tower_type lode__tower_mlp = {.name = "mlp",
                                         .help = "Field embeddings side by side (multi-valued "
                                                 "fields: their mean) into an MLP (MicRec, d_i).",
                                         .side = LODE_SIDE_ITEM,
                                         .gives = LODE_NEED_VECTOR | LODE_NEED_RAW_FIELDS,
                                         .keys = mlp_keys,
                                         .config_size = sizeof(lode_item_config),
                                         .state_size = sizeof(lode_item_tower),
                                         .declare = declare_mlp,
                                         .apply = apply_mlp};

const lode_tower_type lode__tower_id = {
    .name = "id",
    .help = "The embedding of the item id alone is the item vector, with or without a bias.",
    .side = LODE_SIDE_ITEM,
    .gives = LODE_NEED_VECTOR | LODE_NEED_RAW_FIELDS,
    .keys = id_keys,
    .biased = biased,
    .config_size = sizeof(lode_id_config),
    .state_size = sizeof(lode_item_tower),
    .raw_width = id_width,
    .declare = declare_id,
    .apply = apply_id};
