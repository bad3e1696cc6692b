/// sasrec: causal self-attention over the clicks in order of time (Kang & McAuley, ICDM 2018), as the public PyTorch
/// code has it (pmixer/SASRec.pytorch).
///
///     x = dropout(sqrt(d) E_item[click] + P[place])         place 0 = the newest
///     each block, by `norm`:
///       query   q = LN(x),  x = LN(q + attention(q; x, x)),  x = x + FF(x)        the public code
///       pre     x = x + attention(LN(x)),                    x = x + FF(LN(x))
///       post    x = LN(x + attention(x)),                    x = LN(x + FF(x))    the paper's Eq. 7 turned round
///     positions = LN(x) (post: x); the user vector is the newest of them
///
/// FF(x) = W2 dropout(relu(W1 x)); dropout stands behind the attention's output layer and behind FF too (the paper). The
/// public code drops attention weights instead of the attention's output (attention_dropout, output_dropout: false). Position t sees the clicks up to t and no later one, so
/// that every position of a window can be trained to find the next click (data.examples: all_positions). Item
/// embeddings are the item tower's own (`item.id`). Lists are packed: no work is done for padding.
#include <math.h>
#include <stdio.h>

#include "model/tower.h"

enum { MOST_BLOCKS = 16 };
enum norm { NORM_QUERY, NORM_PRE, NORM_POST };

typedef struct lode_sasrec_config {
    int64_t heads, blocks, feed_forward;
    double dropout, attention_dropout;
    int activation, norm;
    bool scale, output_dropout;
} lode_sasrec_config;

typedef struct lode_sasrec_block {
    size_t query, query_bias, pair, pair_bias; ///< NORM_QUERY: [d, d], and key | value [d, 2d]
    size_t projections, projections_bias;      ///< else: query | key | value [d, 3d]
    size_t output, output_bias;
    size_t gain[2], bias[2];
    size_t hidden, hidden_bias, back, back_bias;
} lode_sasrec_block;

typedef struct lode_sasrec {
    const lode_sasrec_config *config;
    size_t positions, item_table;
    lode_sasrec_block blocks[MOST_BLOCKS];
    size_t gain, bias; ///< of the last norm
} lode_sasrec;

static const char *const norms[] = {"query", "pre", "post", NULL};

#define AT(member) .offset = offsetof(lode_sasrec_config, member)
static const lode_key keys[] = {
    {.name = "heads",
     .type = LODE_KEY_INT,
     AT(heads),
     .fallback = "1",
     .low = 1,
     .high = 64,
     .help = "Attention heads; must divide the item id dimension."},
    {.name = "blocks",
     .type = LODE_KEY_INT,
     AT(blocks),
     .fallback = "2",
     .low = 1,
     .high = MOST_BLOCKS,
     .help = "Attention blocks (SASRec: 2)."},
    {.name = "feed_forward",
     .type = LODE_KEY_INT,
     AT(feed_forward),
     .fallback = "0",
     .low = 0,
     .high = 8192,
     .help = "Width of the hidden layer inside a block; 0 = the item id dimension, as SASRec."},
    {.name = "dropout",
     .type = LODE_KEY_REAL,
     AT(dropout),
     .fallback = "0.2",
     .low = 0,
     .high = 0.95,
     .help =
         "Dropout on click rows, attention outputs and inside and behind the feed-forward layers."},
    {.name = "attention_dropout",
     .type = LODE_KEY_REAL,
     AT(attention_dropout),
     .fallback = "0",
     .low = 0,
     .high = 0.95,
     .help = "Dropout on attention weights; the public code has it in place of that on attention "
             "outputs."},
    {.name = "output_dropout",
     .type = LODE_KEY_BOOL,
     AT(output_dropout),
     .fallback = "true",
     .help = "Whether `dropout` is on attention outputs as well (the paper's section 3.3); the "
             "public code: false."},
    {.name = "activation",
     .type = LODE_KEY_CHOICE,
     AT(activation),
     .fallback = "relu",
     .choices = lode__activations,
     .help = "Of the feed-forward layers."},
    {.name = "norm",
     .type = LODE_KEY_CHOICE,
     AT(norm),
     .fallback = "query",
     .choices = norms,
     .help = "Where layers are normalised. query: queries alone before attention, as the public "
             "code; pre: before attention and feed-forward; post: behind their residuals."},
    {.name = "scale",
     .type = LODE_KEY_BOOL,
     AT(scale),
     .fallback = "true",
     .help = "Item embeddings times the square root of their dimension, as in the Transformer."},
    {0}};
#undef AT

static void declare_block(lode_sasrec_block *block, const lode_sasrec_config *config,
                          lode_params *params, size_t number, size_t d) {
    const bool query = config->norm == NORM_QUERY;
    const size_t hidden = config->feed_forward > 0 ? (size_t)config->feed_forward : d;
    const struct {
        const char *name;
        size_t *at, rows, columns;
        lode_init init;
        bool used;
    } list[] = {{"query.weight", &block->query, d, d, LODE_INIT_XAVIER, query},
                {"query.bias", &block->query_bias, 1, d, LODE_INIT_ZERO, query},
                {"key_value.weight", &block->pair, d, 2 * d, LODE_INIT_XAVIER, query},
                {"key_value.bias", &block->pair_bias, 1, 2 * d, LODE_INIT_ZERO, query},
                {"projections.weight", &block->projections, d, 3 * d, LODE_INIT_XAVIER, !query},
                {"projections.bias", &block->projections_bias, 1, 3 * d, LODE_INIT_ZERO, !query},
                {"output.weight", &block->output, d, d, LODE_INIT_XAVIER, true},
                {"output.bias", &block->output_bias, 1, d, LODE_INIT_ZERO, true},
                {"norm0.gain", &block->gain[0], 1, d, LODE_INIT_ONE, true},
                {"norm0.bias", &block->bias[0], 1, d, LODE_INIT_ZERO, true},
                {"norm1.gain", &block->gain[1], 1, d, LODE_INIT_ONE, true},
                {"norm1.bias", &block->bias[1], 1, d, LODE_INIT_ZERO, true},
                {"feed_forward.0.weight", &block->hidden, d, hidden, LODE_INIT_XAVIER, true},
                {"feed_forward.0.bias", &block->hidden_bias, 1, hidden, LODE_INIT_ZERO, true},
                {"feed_forward.1.weight", &block->back, hidden, d, LODE_INIT_XAVIER, true},
                {"feed_forward.1.bias", &block->back_bias, 1, d, LODE_INIT_ZERO, true}};
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        if (!list[i].used) continue;
        char name[96];
        (void)snprintf(name, sizeof name, "user.block%zu.%s", number, list[i].name);
        *list[i].at =
            lode__param_dense(params, name, list[i].rows, list[i].columns, list[i].init, 1.0);
    }
}

static lode_status declare(void *state, const void *config, const lode_tower_setting *setting,
                           size_t *width, lode_error *error) {
    lode_sasrec *self = state;
    self->config = config;
    const lode_field *item = &setting->vocabulary->fields[setting->vocabulary->item_id];
    const size_t d = item->dim;
    LODE_TRY(lode__check_heads(setting, (size_t)self->config->heads, d, "the item id has", error));
    self->item_table = item->table;
    self->positions =
        lode__param_table(setting->params, "user.history.position", setting->history, d,
                          LODE_INIT_NORMAL, sqrt(2.0 / (double)(setting->history + d)));
    for (size_t i = 0; i < (size_t)self->config->blocks; i++)
        declare_block(&self->blocks[i], self->config, setting->params, i, d);
    if (self->config->norm != NORM_POST) {
        self->gain = lode__param_dense(setting->params, "user.norm.gain", 1, d, LODE_INIT_ONE, 1.0);
        self->bias = lode__param_dense(setting->params, "user.norm.bias", 1, d, LODE_INIT_ZERO, 1.0);
    }
    *width = d;
    return LODE_OK;
}

/// Where a tower is applied.
typedef struct scene {
    const lode_sasrec *self;
    lode_graph *graph;
    const lode_params *params;
    lode_lists *lists;
} scene;

static lode_tensor *linear(const scene *in, lode_tensor *x, size_t weight, size_t bias,
                           lode_activation activation) {
    return lode__linear(in->graph, x, lode__param(in->params, weight),
                        lode__param(in->params, bias), activation);
}

static lode_tensor *norm(const scene *in, lode_tensor *x, lode_tensor *residual, size_t gain,
                         size_t bias) {
    return lode__layer_norm(in->graph, x, residual, lode__param(in->params, gain),
                            lode__param(in->params, bias), 1e-8);
}

/// Attention of `query` (and of keys and values from `x`), through its output layer and dropout.
static lode_tensor *attend(const scene *in, const lode_sasrec_block *block, lode_tensor *query,
                           lode_tensor *x) {
    const lode_sasrec_config *config = in->self->config;
    const lode_attending how = {
        .heads = (size_t)config->heads, .causal = true, .dropout = config->attention_dropout};
    lode_tensor *y;
    if (config->norm == NORM_QUERY) {
        query = linear(in, query, block->query, block->query_bias, LODE_LINEAR);
        y = linear(in, x, block->pair, block->pair_bias, LODE_LINEAR);
        y = lode__attention_of(in->graph, query, y, in->lists, how);
    } else {
        y = linear(in, query, block->projections, block->projections_bias, LODE_LINEAR);
        y = lode__attention(in->graph, y, in->lists, how);
    }
    y = linear(in, y, block->output, block->output_bias, LODE_LINEAR);
    return lode__dropout(in->graph, y, config->output_dropout ? config->dropout : 0.0);
}

static lode_tensor *feed_forward(const scene *in, const lode_sasrec_block *block, lode_tensor *x) {
    const lode_sasrec_config *config = in->self->config;
    x = linear(in, x, block->hidden, block->hidden_bias,
               (lode_activation)(config->activation + LODE_RELU));
    x = lode__dropout(in->graph, x, config->dropout);
    x = linear(in, x, block->back, block->back_bias, LODE_LINEAR);
    return lode__dropout(in->graph, x, config->dropout);
}

/// One block; the last one is followed by the last norm, which takes the residual in.
static lode_tensor *apply_block(const scene *in, const lode_sasrec_block *block, lode_tensor *x,
                                bool last) {
    const lode_sasrec *self = in->self;
    if (self->config->norm == NORM_POST) {
        x = norm(in, x, attend(in, block, x, x), block->gain[0], block->bias[0]);
        return norm(in, x, feed_forward(in, block, x), block->gain[1], block->bias[1]);
    }
    lode_tensor *query = norm(in, x, NULL, block->gain[0], block->bias[0]), *y;
    if (self->config->norm == NORM_QUERY) {
        x = norm(in, query, attend(in, block, query, x), block->gain[1], block->bias[1]);
        y = feed_forward(in, block, x);
    } else {
        x = lode__add(in->graph, x, attend(in, block, query, query));
        y = feed_forward(in, block, norm(in, x, NULL, block->gain[1], block->bias[1]));
    }
    return last ? norm(in, x, y, self->gain, self->bias) : lode__add(in->graph, x, y);
}

static void apply(const void *state, lode_graph *graph, const lode_params *params,
                  const lode_tower_inputs *inputs, lode_tower_outputs *outputs) {
    const lode_sasrec *self = state;
    const scene in = {self, graph, params, inputs->history};
    lode_param *items = lode__param(params, self->item_table);
    lode_tensor *x = lode__embedding(graph, items, inputs->clicks, NULL, LODE_POOL_SUM);
    x = lode__add_scaled(graph, x, self->config->scale ? sqrt((double)items->columns) : 1.0,
                         lode__embedding(graph, lode__param(params, self->positions),
                                         inputs->places, NULL, LODE_POOL_SUM));
    x = lode__dropout(graph, x, self->config->dropout);
    const size_t blocks = (size_t)self->config->blocks;
    for (size_t i = 0; i < blocks; i++)
        x = apply_block(&in, &self->blocks[i], x, i + 1 == blocks);
    outputs->positions = x;
    outputs->vector = lode__last(graph, x, inputs->history);
}

const lode_tower_type lode__tower_sasrec = {
    .name = "sasrec",
    .help = "Causal self-attention over the last clicks; the newest position is the user vector "
            "(Kang & McAuley 2018).",
    .side = LODE_SIDE_USER,
    .gives = LODE_NEED_VECTOR | LODE_NEED_POSITIONS | LODE_NEED_STATES,
    .oldest_first = true,
    .keys = keys,
    .config_size = sizeof(lode_sasrec_config),
    .state_size = sizeof(lode_sasrec),
    .declare = declare,
    .apply = apply};
