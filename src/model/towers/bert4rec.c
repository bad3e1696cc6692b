/// bert4rec: self-attention in both directions over clicks of which some are masked (Sun et al., CIKM 2019), with the
/// layers of BERT as the public code has them (FeiSun/BERT4Rec).
///
///     x = dropout(LN(E_item[click] + P[place]))         a masked click: the mask's own row instead of E_item
///     each block    x = LN(x + dropout(attention(x))),  x = LN(x + dropout(FF(x)))
///     state of a masked click = LN(gelu(W x + b))       the public code's output transform
///
/// FF(x) = W2 act(W1 x). The user vector is the state of a mask that stands behind the newest click, which takes one of
/// the `history` places. Views say what is masked by item row 0, which no history holds otherwise (view.h); row 0 of the
/// item table is never read. The public code drops attention weights as well (attention_dropout), and it adds a bias an
/// item to the scores: the item tower id with `bias: true`. Item embeddings are the item tower's own (`item.id`).
#include <stdio.h>

#include "model/tower.h"

enum { MOST_BLOCKS = 16 };
static const double epsilon = 1e-12; // BERT's

typedef struct lode_bert4rec_config {
    int64_t heads, blocks, feed_forward;
    double dropout, attention_dropout;
    int activation;
} lode_bert4rec_config;

typedef struct lode_bert4rec_norm {
    size_t gain, bias;
} lode_bert4rec_norm;

typedef struct lode_bert4rec_layer {
    size_t weight, bias;
} lode_bert4rec_layer;

typedef struct lode_bert4rec_block {
    lode_bert4rec_layer projections, output, hidden,
        back; ///< projections: query | key | value [d, 3d]
    lode_bert4rec_norm norm[2];
} lode_bert4rec_block;

typedef struct lode_bert4rec {
    const lode_bert4rec_config *config;
    size_t item_table, mask, positions;
    lode_bert4rec_norm norm; ///< of the rows
    lode_bert4rec_block blocks[MOST_BLOCKS];
    lode_bert4rec_layer transform;
    lode_bert4rec_norm transform_norm;
} lode_bert4rec;

#define AT(member) .offset = offsetof(lode_bert4rec_config, member)
static const lode_key keys[] = {
    {.name = "heads",
     .type = LODE_KEY_INT,
     AT(heads),
     .fallback = "2",
     .low = 1,
     .high = 64,
     .help = "Attention heads; must divide the item id dimension."},
    {.name = "blocks",
     .type = LODE_KEY_INT,
     AT(blocks),
     .fallback = "2",
     .low = 1,
     .high = MOST_BLOCKS,
     .help = "Attention blocks (BERT4Rec: 2)."},
    {.name = "feed_forward",
     .type = LODE_KEY_INT,
     AT(feed_forward),
     .fallback = "0",
     .low = 0,
     .high = 8192,
     .help = "Width of the hidden layer inside a block; 0 = four times the item id dimension, as "
             "BERT4Rec."},
    {.name = "dropout",
     .type = LODE_KEY_REAL,
     AT(dropout),
     .fallback = "0.2",
     .low = 0,
     .high = 0.95,
     .help = "Dropout on click rows and on both outputs of a block."},
    {.name = "attention_dropout",
     .type = LODE_KEY_REAL,
     AT(attention_dropout),
     .fallback = "0",
     .low = 0,
     .high = 0.95,
     .help = "Dropout on attention weights (BERT4Rec: as `dropout`)."},
    {.name = "activation",
     .type = LODE_KEY_CHOICE,
     AT(activation),
     .fallback = "gelu",
     .choices = lode__activations,
     .help = "Of the feed-forward layers and of the output transform."},
    {0}};
#undef AT

static lode_bert4rec_layer declare_layer(lode_params *params, const char *name, size_t from,
                                         size_t to) {
    char full[96];
    (void)snprintf(full, sizeof full, "user.%s.weight", name);
    lode_bert4rec_layer layer;
    layer.weight = lode__param_dense(params, full, from, to, LODE_INIT_XAVIER, 1.0);
    (void)snprintf(full, sizeof full, "user.%s.bias", name);
    layer.bias = lode__param_dense(params, full, 1, to, LODE_INIT_ZERO, 1.0);
    return layer;
}

static lode_bert4rec_norm declare_norm(lode_params *params, const char *name, size_t d) {
    char full[96];
    (void)snprintf(full, sizeof full, "user.%s.gain", name);
    lode_bert4rec_norm norm;
    norm.gain = lode__param_dense(params, full, 1, d, LODE_INIT_ONE, 1.0);
    (void)snprintf(full, sizeof full, "user.%s.bias", name);
    norm.bias = lode__param_dense(params, full, 1, d, LODE_INIT_ZERO, 1.0);
    return norm;
}

static void declare_block(lode_bert4rec_block *block, lode_params *params, size_t number, size_t d,
                          size_t hidden) {
    const struct {
        const char *name;
        lode_bert4rec_layer *at;
        size_t from, to;
    } layers[] = {{"projections", &block->projections, d, 3 * d},
                  {"output", &block->output, d, d},
                  {"feed_forward.0", &block->hidden, d, hidden},
                  {"feed_forward.1", &block->back, hidden, d}};
    char name[64];
    for (size_t i = 0; i < sizeof layers / sizeof *layers; i++) {
        (void)snprintf(name, sizeof name, "block%zu.%s", number, layers[i].name);
        *layers[i].at = declare_layer(params, name, layers[i].from, layers[i].to);
    }
    for (size_t i = 0; i < 2; i++) {
        (void)snprintf(name, sizeof name, "block%zu.norm%zu", number, i);
        block->norm[i] = declare_norm(params, name, d);
    }
}

static lode_status declare(void *state, const void *config, const lode_tower_setting *setting,
                           size_t *width, lode_error *error) {
    lode_bert4rec *self = state;
    self->config = config;
    const lode_field *item = &setting->vocabulary->fields[setting->vocabulary->item_id];
    const size_t d = item->dim;
    LODE_TRY(lode__check_heads(setting, (size_t)self->config->heads, d, "the item id has", error));
    if (setting->history < 2) {
        return lode__fail(error, LODE_E_CONFIG,
                          "data.history is %zu, but model.user.tower: bert4rec needs 2 places at "
                          "least: one for the mask, one for a click",
                          setting->history);
    }
    const size_t hidden = self->config->feed_forward > 0 ? (size_t)self->config->feed_forward : 4 * d;
    self->item_table = item->table;
    // As items are drawn, as in BERT: places that are louder than the items would drown them.
    const double deviation = lode__param(setting->params, item->table)->scale;
    self->positions = lode__param_table(setting->params, "user.history.position", setting->history,
                                        d, LODE_INIT_NORMAL, deviation);
    self->mask = lode__param_table(setting->params, "user.mask", 1, d, LODE_INIT_NORMAL, deviation);
    self->norm = declare_norm(setting->params, "norm", d);
    for (size_t i = 0; i < (size_t)self->config->blocks; i++)
        declare_block(&self->blocks[i], setting->params, i, d, hidden);
    self->transform = declare_layer(setting->params, "transform", d, d);
    self->transform_norm = declare_norm(setting->params, "transform.norm", d);
    *width = d;
    return LODE_OK;
}

/// Where a tower is applied.
typedef struct scene {
    const lode_bert4rec *self;
    lode_graph *graph;
    const lode_params *params;
    lode_lists *lists;
} scene;

static lode_tensor *linear(const scene *in, lode_tensor *x, const lode_bert4rec_layer *layer,
                           lode_activation activation) {
    return lode__linear(in->graph, x, lode__param(in->params, layer->weight),
                        lode__param(in->params, layer->bias), activation);
}

static lode_tensor *norm(const scene *in, lode_tensor *x, lode_tensor *residual,
                         const lode_bert4rec_norm *norm) {
    return lode__layer_norm(in->graph, x, residual, lode__param(in->params, norm->gain),
                            lode__param(in->params, norm->bias), epsilon);
}

static lode_tensor *apply_block(const scene *in, const lode_bert4rec_block *block, lode_tensor *x) {
    const lode_bert4rec_config *config = in->self->config;
    lode_tensor *y = linear(in, x, &block->projections, LODE_LINEAR);
    y = lode__attention(
        in->graph, y, in->lists,
        (lode_attending){.heads = (size_t)config->heads, .dropout = config->attention_dropout});
    y = linear(in, y, &block->output, LODE_LINEAR);
    x = norm(in, x, lode__dropout(in->graph, y, config->dropout), &block->norm[0]);
    y = linear(in, x, &block->hidden, (lode_activation)(config->activation + LODE_RELU));
    y = linear(in, y, &block->back, LODE_LINEAR);
    return norm(in, x, lode__dropout(in->graph, y, config->dropout), &block->norm[1]);
}

/// Item rows of the clicks that are seen, the mask's of the others, and those of their places.
static lode_tensor *rows_of(const scene *in, const lode_tower_inputs *inputs) {
    const lode_bert4rec *self = in->self;
    const lode_masked_inputs *masked = &inputs->masked;
    lode_tensor *x = lode__embedding(in->graph, lode__param(in->params, self->item_table),
                                     masked->seen, masked->seen_lists, LODE_POOL_SUM);
    x = lode__add(in->graph, x,
                  lode__embedding(in->graph, lode__param(in->params, self->mask), masked->masks,
                                  masked->mask_lists, LODE_POOL_SUM));
    x = lode__add(in->graph, x,
                  lode__embedding(in->graph, lode__param(in->params, self->positions),
                                  inputs->places, NULL, LODE_POOL_SUM));
    x = norm(in, x, NULL, &self->norm);
    return lode__dropout(in->graph, x, self->config->dropout);
}

static void apply(const void *state, lode_graph *graph, const lode_params *params,
                  const lode_tower_inputs *inputs, lode_tower_outputs *outputs) {
    const lode_bert4rec *self = state;
    const scene in = {self, graph, params, inputs->history};
    lode_tensor *x = rows_of(&in, inputs);
    for (size_t i = 0; i < (size_t)self->config->blocks; i++)
        x = apply_block(&in, &self->blocks[i], x);
    const bool cloze = inputs->masked.asked != NULL;
    x = cloze ? lode__gather(graph, x, inputs->masked.asked) : lode__last(graph, x, inputs->history);
    x = linear(&in, x, &self->transform, (lode_activation)(self->config->activation + LODE_RELU));
    x = norm(&in, x, NULL, &self->transform_norm);
    *(cloze ? &outputs->positions : &outputs->vector) = x;
}

const lode_tower_type lode__tower_bert4rec = {
    .name = "bert4rec",
    .help =
        "Self-attention in both directions over clicks and masks; a mask behind the newest click "
        "gives the user vector (Sun et al. 2019).",
    .side = LODE_SIDE_USER,
    .gives = LODE_NEED_VECTOR | LODE_NEED_CLOZE,
    .oldest_first = true,
    .masks = true,
    .keys = keys,
    .config_size = sizeof(lode_bert4rec_config),
    .state_size = sizeof(lode_bert4rec),
    .declare = declare,
    .apply = apply};
