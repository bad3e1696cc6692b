/// autoint: self-attention across the embeddings of a row's fields (Song et al., CIKM 2019, Eq. 5-8), in each tower.
///
///     x_1 ... x_F: field embeddings; of a user the mean of the history's item embeddings is the first
///     each block: a = attention(x W_q, x W_k, x W_v) over the F rows,  x = relu(a W_o + x W_res)
///     vector = W [x_1 ... x_F] + b
///
/// Two differences that change no function: queries and keys are divided by sqrt(d / heads), which W_q takes in, and
/// W_o stands behind the heads, which the paper has in W_v. All layers have d, the dimension of the fields, as their
/// width (`heads` of d / heads); the paper's are free. A user without clicks has a first row of zeros.
#include <stdio.h>

#include "model/tower.h"

enum { MOST_BLOCKS = 8 };

typedef struct lode_autoint_config {
    int64_t heads, blocks, width;
    double dropout;
} lode_autoint_config;

typedef struct lode_autoint {
    const lode_autoint_config *config;
    size_t item_table, fields;
    size_t projections[MOST_BLOCKS], output[MOST_BLOCKS];
    lode_mlp last;
} lode_autoint;

#define AT(member) .offset = offsetof(lode_autoint_config, member)
static const lode_key keys[] = {
    {.name = "heads",
     .type = LODE_KEY_INT,
     AT(heads),
     .fallback = "2",
     .low = 1,
     .high = 64,
     .help = "Attention heads; must divide the dimension of the fields (AutoInt: 2)."},
    {.name = "blocks",
     .type = LODE_KEY_INT,
     AT(blocks),
     .fallback = "3",
     .low = 1,
     .high = MOST_BLOCKS,
     .help = "Interacting layers (AutoInt: 3)."},
    {.name = "width",
     .type = LODE_KEY_INT,
     AT(width),
     .fallback = "64",
     .low = 1,
     .high = 65536,
     .help = "Dimension of the vector; must be the other tower's."},
    {.name = "dropout",
     .type = LODE_KEY_REAL,
     AT(dropout),
     .fallback = "0",
     .low = 0,
     .high = 0.95,
     .help = "Dropout on the field embeddings."},
    {0}};
#undef AT

static lode_status declare(void *state, const void *config, const lode_tower_setting *setting,
                           size_t *width, lode_error *error) {
    lode_autoint *self = state;
    self->config = config;
    const lode_vocabulary *vocabulary = setting->vocabulary;
    const size_t d = vocabulary->fields[vocabulary->item_id].dim;
    LODE_TRY(lode__equal_parts(setting, "autoint", &self->fields, error));
    LODE_TRY(lode__check_heads(setting, (size_t)self->config->heads, d, "fields have", error));
    self->item_table = vocabulary->fields[vocabulary->item_id].table;
    char name[64];
    for (size_t i = 0; i < (size_t)self->config->blocks; i++) {
        (void)snprintf(name, sizeof name, "%s.block%zu.projections.weight", setting->prefix, i);
        self->projections[i] =
            lode__param_dense(setting->params, name, d, 3 * d, LODE_INIT_XAVIER, 1.0);
        // W_o above W_res: one product with [a, x].
        (void)snprintf(name, sizeof name, "%s.block%zu.output.weight", setting->prefix, i);
        self->output[i] = lode__param_dense(setting->params, name, 2 * d, d, LODE_INIT_XAVIER, 1.0);
    }
    int64_t widths[1] = {self->config->width};
    (void)snprintf(name, sizeof name, "%s.mlp", setting->prefix);
    lode__mlp_declare(&self->last, setting->params, name, self->fields * d, (lode_ints){widths, 1},
                      LODE_RELU);
    *width = (size_t)self->config->width;
    return LODE_OK;
}

static void apply(const void *state, lode_graph *graph, const lode_params *params,
                  const lode_tower_inputs *inputs, lode_tower_outputs *outputs) {
    const lode_autoint *self = state;
    lode_part_of_row parts[LODE_FIELDS + 1];
    const size_t count =
        lode__pooled_parts(graph, params, inputs, lode__param(params, self->item_table), parts);
    lode_tensor *x = lode__concat(graph, parts, count);
    if (inputs->history == NULL) outputs->raw_fields = x;
    if (inputs->raw_only) return;
    x = lode__dropout(graph, x, self->config->dropout);
    lode_dim *positions = lode__graph_dim(graph, "fields", inputs->rows->capacity * self->fields);
    lode_lists *lists = lode__graph_lists(graph, inputs->rows, positions, self->fields);
    x = lode__unfold(graph, x, lists);
    for (size_t i = 0; i < (size_t)self->config->blocks; i++) {
        lode_tensor *a =
            lode__linear(graph, x, lode__param(params, self->projections[i]), NULL, LODE_LINEAR);
        a = lode__attention(graph, a, lists, (lode_attending){.heads = (size_t)self->config->heads});
        const lode_part_of_row both[] = {{.tensor = a}, {.tensor = x}};
        x = lode__linear(graph, lode__concat(graph, both, 2), lode__param(params, self->output[i]),
                         NULL, LODE_RELU);
    }
    x = lode__concat(graph, &(lode_part_of_row){x, lists}, 1);
    outputs->vector = lode__mlp_apply(&self->last, graph, params, x);
}

#define AUTOINT_TYPE(of_side)                                                                      \
    .name = "autoint",                                                                             \
    .help = "Self-attention across the fields' embeddings, flattened, linear to `width` (Song et " \
            "al. 2019). The mean of the history is one of a user's fields.",                       \
    .side = of_side, .keys = keys, .config_size = sizeof(lode_autoint_config),                     \
    .state_size = sizeof(lode_autoint), .declare = declare, .apply = apply

const lode_tower_type lode__tower_autoint_user = {AUTOINT_TYPE(LODE_SIDE_USER),
                                                  .gives = LODE_NEED_VECTOR};
const lode_tower_type lode__tower_autoint_item = {AUTOINT_TYPE(LODE_SIDE_ITEM),
                                                  .gives = LODE_NEED_VECTOR | LODE_NEED_RAW_FIELDS};
