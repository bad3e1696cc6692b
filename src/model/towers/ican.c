/// ican: the base user tower of MicRec (Eq. 5; SYSTEMS.md 1.3).
///
///     rows: clicks   row of a click = item id embedding + position embedding, newest first, and by `history_fields`
///                    + a linear map of the embeddings of the item's other fields
///     rows: fields   row of an item field (the id, category, ...) = its mean over the history  (the authors' code)
///     one Transformer block: x = LN(x + attention(x)), x = LN(x + W2 relu(W1 x))      (post-norm)
///     flatten (history x dim, zeros behind short histories; or fields x dim), user fields beside it, MLP
///
/// The mean of a multi-valued field is over all values of all clicks: a click with three tags counts three times. A
/// history without a value has zeros. Item embeddings are the item tower's own. All sequence work is packed; flatten
/// pads last.
#include <stdio.h>

#include "model/click_fields.h"

enum { MOST_BLOCKS = 8, HEADS_OF_CLICKS = 4, HEADS_OF_FIELDS = 8 };
enum rows { ROWS_CLICKS, ROWS_FIELDS };

typedef struct lode_ican_config {
    int64_t heads, blocks, feed_forward;
    double dropout;
    lode_ints layers;
    int activation, rows;
    lode_texts history_fields;
} lode_ican_config;

typedef struct lode_ican_block {
    size_t projections, projections_bias, output, output_bias;
    size_t gain[2], bias[2];
    lode_mlp feed_forward;
} lode_ican_block;

typedef struct lode_ican {
    const lode_ican_config *config;
    size_t heads;
    size_t positions; ///< table
    size_t item_table;
    lode_click_fields click_fields;
    lode_ican_block blocks[MOST_BLOCKS];
    lode_mlp mlp;
} lode_ican;

static const char *const rows[] = {"clicks", "fields", NULL};

#define AT(member) .offset = offsetof(lode_ican_config, member)
static const lode_key keys[] = {
    {.name = "rows",
     .type = LODE_KEY_CHOICE,
     AT(rows),
     .fallback = "clicks",
     .choices = rows,
     .help =
         "What attention runs over: clicks, a row each; or fields, a row each for the id and every "
         "other item field, its mean over the history (ICAN's code). With fields the order of "
         "clicks does not count."},
    LODE_HISTORY_FIELDS_KEY(lode_ican_config),
    {.name = "heads",
     .type = LODE_KEY_INT,
     AT(heads),
     .fallback = "0",
     .low = 0,
     .high = 64,
     .help = "Attention heads; must divide the item id dimension. 0: 4, with rows: fields 8."},
    {.name = "blocks",
     .type = LODE_KEY_INT,
     AT(blocks),
     .fallback = "1",
     .low = 1,
     .high = MOST_BLOCKS,
     .help = "Transformer blocks (MicRec: one)."},
    {.name = "feed_forward",
     .type = LODE_KEY_INT,
     AT(feed_forward),
     .fallback = "256",
     .low = 1,
     .high = 8192,
     .help = "Width of the hidden layer inside a block."},
    {.name = "dropout",
     .type = LODE_KEY_REAL,
     AT(dropout),
     .fallback = "0",
     .low = 0,
     .high = 0.95,
     .help = "Dropout on rows and on both outputs of a block."},
    {.name = "layers",
     .type = LODE_KEY_INTS,
     AT(layers),
     .fallback = "[128, 64, 64]",
     .low = 1,
     .high = 65536,
     .help = "Widths of the MLP on top; the last is the dimension of the user vector (MicRec: "
             "128-64-64)."},
    {.name = "activation",
     .type = LODE_KEY_CHOICE,
     AT(activation),
     .fallback = "relu",
     .choices = lode__activations,
     .help = "Of hidden layers; the last layer is linear."},
    {0}};
#undef AT

static void declare_block(lode_ican_block *block, const lode_ican_config *config,
                          lode_params *params, size_t number, size_t d) {
    char name[96], base[32];
    (void)snprintf(base, sizeof base, "user.block%zu", number);
    const struct {
        const char *name;
        size_t *at, rows, columns;
        lode_init init;
    } list[] = {{"projections.weight", &block->projections, d, 3 * d, LODE_INIT_XAVIER},
                {"projections.bias", &block->projections_bias, 1, 3 * d, LODE_INIT_ZERO},
                {"output.weight", &block->output, d, d, LODE_INIT_XAVIER},
                {"output.bias", &block->output_bias, 1, d, LODE_INIT_ZERO},
                {"norm0.gain", &block->gain[0], 1, d, LODE_INIT_ONE},
                {"norm0.bias", &block->bias[0], 1, d, LODE_INIT_ZERO},
                {"norm1.gain", &block->gain[1], 1, d, LODE_INIT_ONE},
                {"norm1.bias", &block->bias[1], 1, d, LODE_INIT_ZERO}};
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        (void)snprintf(name, sizeof name, "%s.%s", base, list[i].name);
        *list[i].at =
            lode__param_dense(params, name, list[i].rows, list[i].columns, list[i].init, 1.0);
    }
    (void)snprintf(name, sizeof name, "%s.feed_forward", base);
    int64_t widths[2] = {config->feed_forward, (int64_t)d};
    lode__mlp_declare(&block->feed_forward, params, name, d, (lode_ints){widths, 2}, LODE_RELU);
}

/// Rows of fields are attended to side by side: equal dimensions.
static lode_status declare_fields(lode_ican *self, const lode_tower_setting *setting,
                                  lode_error *error) {
    const lode_field *item = &setting->vocabulary->fields[setting->vocabulary->item_id];
    if (self->config->history_fields.count > 0) {
        return lode__fail(
            error, LODE_E_CONFIG,
            "model.user.history_fields adds to rows of clicks, but model.user.rows is "
            "fields, where every item field is a row: leave one of them out");
    }
    lode__click_fields_all(&self->click_fields, setting->vocabulary);
    self->click_fields.pooled = true;
    for (size_t i = 0; i < self->click_fields.count; i++) {
        const lode_field *field = self->click_fields.fields[i];
        if (field->dim == item->dim) continue;
        return lode__fail(
            error, LODE_E_CONFIG,
            "model.user.rows: fields needs item fields of equal dimension, but field %s "
            "has %zu and the item id %zu: leave out its dim in section fields",
            field->name, field->dim, item->dim);
    }
    return LODE_OK;
}

static lode_status declare_rows(lode_ican *self, const lode_tower_setting *setting, size_t *width,
                                lode_error *error) {
    const lode_field *item = &setting->vocabulary->fields[setting->vocabulary->item_id];
    if (self->config->rows == ROWS_FIELDS) {
        LODE_TRY(declare_fields(self, setting, error));
        *width = (self->click_fields.count + 1) * item->dim;
        return LODE_OK;
    }
    self->positions = lode__param_table(setting->params, "user.history.position", setting->history,
                                        item->dim, LODE_INIT_ZERO, 0.0);
    *width = setting->history * item->dim;
    return lode__click_rows_declare(&self->click_fields, &self->config->history_fields, setting,
                                    error);
}

static lode_status declare(void *state, const void *config, const lode_tower_setting *setting,
                           size_t *width, lode_error *error) {
    lode_ican *self = state;
    self->config = config;
    const lode_field *item = &setting->vocabulary->fields[setting->vocabulary->item_id];
    const size_t d = item->dim;
    self->heads = self->config->heads > 0             ? (size_t)self->config->heads
                  : self->config->rows == ROWS_FIELDS ? HEADS_OF_FIELDS
                                                      : HEADS_OF_CLICKS;
    LODE_TRY(lode__check_heads(setting, self->heads, d, "the item id has", error));
    LODE_TRY(lode__mlp_check(self->config->layers, setting->prefix, error));
    self->item_table = item->table;
    size_t inputs;
    LODE_TRY(declare_rows(self, setting, &inputs, error));
    for (size_t i = 0; i < (size_t)self->config->blocks; i++) {
        declare_block(&self->blocks[i], self->config, setting->params, i, d);
    }
    inputs += lode__field_width(setting->vocabulary, LODE_SIDE_USER);
    lode__mlp_declare(&self->mlp, setting->params, "user.mlp", inputs, self->config->layers,
                      (lode_activation)(self->config->activation + LODE_RELU));
    *width = (size_t)self->config->layers.values[self->config->layers.count - 1];
    return LODE_OK;
}

static lode_tensor *apply_block(const lode_ican *self, const lode_ican_block *block,
                                lode_graph *graph, const lode_params *params, lode_lists *lists,
                                lode_tensor *x) {
    lode_tensor *y = lode__linear(graph, x, lode__param(params, block->projections),
                                  lode__param(params, block->projections_bias), LODE_LINEAR);
    y = lode__attention(graph, y, lists, (lode_attending){.heads = self->heads});
    y = lode__linear(graph, y, lode__param(params, block->output),
                     lode__param(params, block->output_bias), LODE_LINEAR);
    y = lode__dropout(graph, y, self->config->dropout);
    x = lode__layer_norm(graph, x, y, lode__param(params, block->gain[0]),
                         lode__param(params, block->bias[0]), 1e-5);
    y = lode__mlp_apply(&block->feed_forward, graph, params, x);
    y = lode__dropout(graph, y, self->config->dropout);
    return lode__layer_norm(graph, x, y, lode__param(params, block->gain[1]),
                            lode__param(params, block->bias[1]), 1e-5);
}

/// [positions, d] in the lists of the history.
static lode_tensor *rows_of_clicks(const lode_ican *self, lode_graph *graph,
                                   const lode_params *params, const lode_tower_inputs *inputs) {
    lode_tensor *x = lode__embedding(graph, lode__param(params, self->item_table), inputs->clicks,
                                     NULL, LODE_POOL_SUM);
    x = lode__add(graph, x,
                  lode__embedding(graph, lode__param(params, self->positions), inputs->places, NULL,
                                  LODE_POOL_SUM));
    return lode__click_rows_add(&self->click_fields, graph, params, inputs, x);
}

/// [users x fields, d]; `lists` receives a list a user.
static lode_tensor *rows_of_fields(const lode_ican *self, lode_graph *graph,
                                   const lode_params *params, const lode_tower_inputs *inputs,
                                   lode_lists **lists) {
    lode_part_of_row parts[LODE_FIELDS];
    const size_t count = lode__click_means(&self->click_fields, graph, params, inputs,
                                           lode__param(params, self->item_table), parts);
    lode_dim *positions = lode__graph_dim(graph, "fields", inputs->rows->capacity * count);
    *lists = lode__graph_lists(graph, inputs->rows, positions, count);
    return lode__unfold(graph, lode__concat(graph, parts, count), *lists);
}

static void apply(const void *state, lode_graph *graph, const lode_params *params,
                  const lode_tower_inputs *inputs, lode_tower_outputs *outputs) {
    const lode_ican *self = state;
    const bool clicks = self->config->rows == ROWS_CLICKS;
    lode_lists *lists = inputs->history;
    lode_tensor *x = clicks ? rows_of_clicks(self, graph, params, inputs)
                            : rows_of_fields(self, graph, params, inputs, &lists);
    x = lode__dropout(graph, x, self->config->dropout);
    for (size_t i = 0; i < (size_t)self->config->blocks; i++) {
        x = apply_block(self, &self->blocks[i], graph, params, lists, x);
    }
    lode_part_of_row parts[LODE_FIELDS + 1] = {{x, lists}};
    const size_t count = 1 + lode__field_parts(graph, params, inputs, parts + 1);
    if (clicks) outputs->positions = x;
    outputs->vector = lode__mlp_apply(&self->mlp, graph, params, lode__concat(graph, parts, count));
}

static unsigned lacks(const void *config) {
    const lode_ican_config *own = config;
    return own->rows == ROWS_FIELDS ? LODE_NEED_POSITIONS : 0;
}

static const lode_click_fields *click_fields(const void *state) {
    const lode_ican *self = state;
    return &self->click_fields;
}

const lode_tower_type lode__tower_ican = {.name = "ican",
                                          .help = "The last clicks (or, by `rows`, their fields) "
                                                  "through a Transformer block, flattened, with "
                                                  "the user's fields into an MLP (MicRec Eq. 5).",
                                          .side = LODE_SIDE_USER,
                                          .gives = LODE_NEED_VECTOR | LODE_NEED_POSITIONS,
                                          .lacks = lacks,
                                          .keys = keys,
                                          .config_size = sizeof(lode_ican_config),
                                          .state_size = sizeof(lode_ican),
                                          .declare = declare,
                                          .apply = apply,
                                          .click_fields = click_fields};
