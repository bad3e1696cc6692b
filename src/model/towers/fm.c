/// fm: a factorisation machine (Rendle, ICDM 2010) as two towers. With F embeddings e_f of a user (the mean of the
/// history's item embeddings, then the user's fields) and G of an item, each of d numbers, FM scores
///
///     b + sum_f w_f + sum_g w_g + sum_{pairs of user fields} + sum_{pairs of item fields} + <sum_f e_f, sum_g e_g>
///
/// b, the user's linear terms and pairs of the user's own fields are the same for every item: they change no ranking of
/// items for a user (and no softmax over items), and are left out. The rest is exact, as one inner product:
///
///     user = [sum_f e_f, 1]       item = [sum_g e_g, sum_g w_g + sum of <e_g, e_h> over pairs g < h]      d + 1 numbers
///
/// Under scorer: cosine, and under losses that compare a user's score with 0 (bce), what was left out would matter, or
/// the vectors are no longer a FM's. A multi-valued field is the mean of its values, in w too.
///
/// deepfm (Guo et al., IJCAI 2017): FM and MLP in parallel on the same embeddings, added inside each tower:
///
///     vector = W [s, p] + b + MLP([e_1 ... e_F])     s = sum_f e_f, p = sum of e_f * e_g (by element) over pairs f < g
///
/// A user without clicks has a mean of zeros; one without fields, too, has the vector [0, 1] under fm (a ranking by the
/// items' own terms) and the biases under deepfm.
#include <stdio.h>

#include "model/tower.h"

typedef struct lode_deepfm_config {
    lode_ints layers;
    double dropout;
    int activation;
} lode_deepfm_config;

typedef struct lode_fm {
    const lode_deepfm_config *config; ///< deepfm only
    size_t item_table, dim;
    size_t linear[LODE_FIELDS]; ///< fm items: tables of w, in the order of the fields
    lode_mlp deep, wide;        ///< deepfm
} lode_fm;

static const lode_key fm_keys[] = {{0}};

#define AT(member) .offset = offsetof(lode_deepfm_config, member)
static const lode_key deepfm_keys[] = {
    {.name = "layers",
     .type = LODE_KEY_INTS,
     AT(layers),
     .fallback = "[128, 64, 64]",
     .low = 1,
     .high = 65536,
     .help = "Widths of the MLP beside the FM part; the last is the dimension of the vector."},
    {.name = "dropout",
     .type = LODE_KEY_REAL,
     AT(dropout),
     .fallback = "0",
     .low = 0,
     .high = 0.95,
     .help = "Dropout on the MLP's input."},
    {.name = "activation",
     .type = LODE_KEY_CHOICE,
     AT(activation),
     .fallback = "relu",
     .choices = lode__activations,
     .help = "Of hidden layers; the last layer is linear."},
    {0}};
#undef AT

static lode_status declare_fm(void *state, const void *config, const lode_tower_setting *setting,
                              size_t *width, lode_error *error) {
    (void)config;
    lode_fm *self = state;
    const lode_vocabulary *vocabulary = setting->vocabulary;
    size_t count;
    LODE_TRY(lode__equal_parts(setting, "fm", &count, error));
    self->item_table = vocabulary->fields[vocabulary->item_id].table;
    self->dim = vocabulary->fields[vocabulary->item_id].dim;
    *width = self->dim + 1;
    if (setting->side != LODE_SIDE_ITEM) return LODE_OK;
    for (size_t i = 0, at = 0; i < vocabulary->count; i++) {
        const lode_field *field = &vocabulary->fields[i];
        if (field->side != LODE_SIDE_ITEM) continue;
        char name[160];
        (void)snprintf(name, sizeof name, "item.linear.%.120s", field->name);
        self->linear[at++] =
            lode__param_table(setting->params, name, field->rows, 1, LODE_INIT_ZERO, 0.0);
    }
    return LODE_OK;
}

static void apply_fm(const void *state, lode_graph *graph, const lode_params *params,
                     const lode_tower_inputs *inputs, lode_tower_outputs *outputs) {
    const lode_fm *self = state;
    lode_part_of_row parts[LODE_FIELDS + 1];
    size_t count =
        lode__pooled_parts(graph, params, inputs, lode__param(params, self->item_table), parts);
    lode_tensor *x = lode__concat(graph, parts, count);
    if (inputs->history != NULL) {
        outputs->vector = lode__factors(graph, x, self->dim, LODE_FACTORS_ONE, NULL);
        return;
    }
    outputs->raw_fields = x;
    if (inputs->raw_only) return;
    for (size_t i = 0; i < inputs->field_count; i++) {
        const lode_field_input *input = &inputs->fields[i];
        parts[i].tensor = lode__embedding(graph, lode__param(params, self->linear[i]), input->ids,
                                          input->lists, LODE_POOL_MEAN);
    }
    lode_tensor *linear = lode__concat(graph, parts, inputs->field_count);
    outputs->vector = lode__factors(graph, x, self->dim, LODE_FACTORS_SCORE, linear);
}

static lode_status declare_deepfm(void *state, const void *config, const lode_tower_setting *setting,
                                  size_t *width, lode_error *error) {
    lode_fm *self = state;
    self->config = config;
    const lode_vocabulary *vocabulary = setting->vocabulary;
    const lode_ints layers = self->config->layers;
    LODE_TRY(lode__mlp_check(layers, setting->prefix, error));
    size_t count;
    LODE_TRY(lode__equal_parts(setting, "deepfm", &count, error));
    self->item_table = vocabulary->fields[vocabulary->item_id].table;
    self->dim = vocabulary->fields[vocabulary->item_id].dim;
    const lode_ints last = {&layers.values[layers.count - 1], 1};
    char name[32];
    (void)snprintf(name, sizeof name, "%s.mlp", setting->prefix);
    lode__mlp_declare(&self->deep, setting->params, name, count * self->dim, layers,
                      (lode_activation)(self->config->activation + LODE_RELU));
    (void)snprintf(name, sizeof name, "%s.fm", setting->prefix);
    lode__mlp_declare(&self->wide, setting->params, name, 2 * self->dim, last, LODE_RELU);
    *width = (size_t)last.values[0];
    return LODE_OK;
}

static void apply_deepfm(const void *state, lode_graph *graph, const lode_params *params,
                         const lode_tower_inputs *inputs, lode_tower_outputs *outputs) {
    const lode_fm *self = state;
    lode_part_of_row parts[LODE_FIELDS + 1];
    const size_t count =
        lode__pooled_parts(graph, params, inputs, lode__param(params, self->item_table), parts);
    lode_tensor *x = lode__concat(graph, parts, count);
    if (inputs->history == NULL) outputs->raw_fields = x;
    if (inputs->raw_only) return;
    lode_tensor *pairs = lode__factors(graph, x, self->dim, LODE_FACTORS_PAIRS, NULL);
    lode_tensor *deep =
        lode__mlp_apply(&self->deep, graph, params, lode__dropout(graph, x, self->config->dropout));
    outputs->vector = lode__add(graph, deep, lode__mlp_apply(&self->wide, graph, params, pairs));
}

#define FM_TYPE(of_side)                                                                           \
    .name = "fm",                                                                                  \
    .help = "The sum of the fields' embeddings, of the history's mean too (users), with linear "   \
            "terms and pairs of fields in a column of its own (items); needs fm on both sides "    \
            "(Rendle 2010).",                                                                      \
    .side = of_side, .keys = fm_keys, .state_size = sizeof(lode_fm), .declare = declare_fm,        \
    .apply = apply_fm
#define DEEPFM_TYPE(of_side)                                                                       \
    .name = "deepfm",                                                                              \
    .help = "Sum and pairs of the fields' embeddings, and an MLP on them in parallel, added (Guo " \
            "et al. 2017). The mean of the history is one of a user's fields.",                    \
    .side = of_side, .keys = deepfm_keys, .config_size = sizeof(lode_deepfm_config),               \
    .state_size = sizeof(lode_fm), .declare = declare_deepfm, .apply = apply_deepfm

const lode_tower_type lode__tower_fm_user = {FM_TYPE(LODE_SIDE_USER), .gives = LODE_NEED_VECTOR};
const lode_tower_type lode__tower_fm_item = {FM_TYPE(LODE_SIDE_ITEM),
                                             .gives = LODE_NEED_VECTOR | LODE_NEED_RAW_FIELDS};
const lode_tower_type lode__tower_deepfm_user = {DEEPFM_TYPE(LODE_SIDE_USER),
                                                 .gives = LODE_NEED_VECTOR};
const lode_tower_type lode__tower_deepfm_item = {DEEPFM_TYPE(LODE_SIDE_ITEM),
                                                 .gives = LODE_NEED_VECTOR | LODE_NEED_RAW_FIELDS};
