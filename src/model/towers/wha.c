/// wha: CLRec's production encoder (Zhou et al., KDD 2021, appendix B; SYSTEMS.md 3.2).
///
///     b_t = E_item[click] + W [e_1; ...; e_n]               the clicked item's other fields, by `history_fields`
///     x_t = b_t + P[place] + T[bucket of age]               by `position` and `time_buckets`
///     S = act(x W_1 + b_1) W_2                              H scores a click; a last bias would change nothing
///     h_k = sum_t softmax_t(S_tk) x_t                       `values: plain`: b_t instead of x_t
///     wha     u = sum_k a_k h_k,  a = softmax_k(h_k . g),  g = mean_k h_k
///     mean    u = MLP(mean_k h_k)         concat    u = MLP([h_1; ...; h_H])
///
/// The paper has no user fields: where there are some, they stand beside the merged heads under an MLP, with wha too.
/// A click without a known age has no T. A history without clicks has heads of zeros.
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "model/click_ages.h"
#include "model/click_fields.h"

enum position { POSITION_REVERSED, POSITION_FORWARD, POSITION_NONE };
enum merge { MERGE_WHA, MERGE_MEAN, MERGE_CONCAT };
enum values { VALUES_WITH_POSITION, VALUES_PLAIN };

typedef struct lode_wha_config {
    int64_t heads, feed_forward;
    int activation, merge, position, values;
    lode_ints time_buckets, layers;
    lode_texts history_fields;
    bool share_fields;
} lode_wha_config;

typedef struct lode_wha {
    const lode_wha_config *config;
    size_t item_table, positions, times, hidden, hidden_bias, scores;
    lode_click_fields click_fields;
    bool on_top;
    lode_mlp mlp;
} lode_wha;

static const char *const positions[] = {"reversed", "forward", "none", NULL};
static const char *const merges[] = {"wha", "mean", "concat", NULL};
static const char *const values[] = {"with_position", "plain", NULL};

#define AT(member) .offset = offsetof(lode_wha_config, member)
static const lode_key keys[] = {
    {.name = "heads",
     .type = LODE_KEY_INT,
     AT(heads),
     .fallback = "4",
     .low = 1,
     .high = 64,
     .help = "Heads of attention, each a weighted mean of the clicks (CLRec: 4)."},
    {.name = "merge",
     .type = LODE_KEY_CHOICE,
     AT(merge),
     .fallback = "wha",
     .choices = merges,
     .help = "How heads become one vector. wha: weighted by a softmax of their products with their "
             "mean (CLRec Eq. 15); mean and concat: followed by an MLP."},
    {.name = "position",
     .type = LODE_KEY_CHOICE,
     AT(position),
     .fallback = "reversed",
     .choices = positions,
     .help = "Embedding of a click's place, counted from the newest (reversed), from the oldest of "
             "the window (forward), or none."},
    {.name = "time_buckets",
     .type = LODE_KEY_INTS,
     AT(time_buckets),
     .fallback = "[5, 10, 15, 30, 60, 120, 240, 480, 960, 1920, 3840]",
     .low = 1,
     .high = 1e9,
     .help = "Bounds in minutes of the buckets of a click's age, rising; [] = no time embedding."},
    {.name = "values",
     .type = LODE_KEY_CHOICE,
     AT(values),
     .fallback = "with_position",
     .choices = values,
     .help =
         "What is pooled: rows with position and time (the paper), or plain ones, with position "
         "and time in the scores alone (the authors' code)."},
    LODE_HISTORY_FIELDS_KEY(lode_wha_config),
    {.name = "share_fields",
     .type = LODE_KEY_BOOL,
     AT(share_fields),
     .fallback = "true",
     .help =
         "Where the item tower is `projected` and both sides see the same fields, one linear map "
         "of them serves both, as in the paper."},
    {.name = "feed_forward",
     .type = LODE_KEY_INT,
     AT(feed_forward),
     .fallback = "512",
     .low = 1,
     .high = 8192,
     .help = "Width of the layer that scores clicks."},
    {.name = "activation",
     .type = LODE_KEY_CHOICE,
     AT(activation),
     .fallback = "tanh",
     .choices = lode__activations,
     .help = "Of that layer, and of hidden layers on top."},
    {.name = "layers",
     .type = LODE_KEY_INTS,
     AT(layers),
     .fallback = "[]",
     .low = 1,
     .high = 65536,
     .help = "Widths of the MLP on top. []: one linear layer to the item id's dimension with mean, "
             "concat or user fields, else none."},
    {0}};
#undef AT

/// The item tower's map where it is of the same fields, else one of our own.
static lode_status declare_fields(lode_wha *self, const lode_tower_setting *setting,
                                  lode_error *error) {
    lode_params *params = setting->params;
    const lode_texts *names = &self->config->history_fields;
    lode_click_fields all;
    lode__click_fields_all(&all, setting->vocabulary);
    const bool whole = names->count == 1 && strcmp(names->values[0], "auto") == 0;
    for (size_t i = 0; i < params->count && self->config->share_fields && whole; i++) {
        if (params->list[i]->name == NULL || strcmp(params->list[i]->name, "item.fields.weight") != 0)
            continue;
        self->click_fields = all;
        self->click_fields.pooled = false;
        self->click_fields.weight = i;
        return LODE_OK;
    }
    return lode__click_rows_declare(&self->click_fields, names, setting, error);
}

/// Glorot normal (Glorot & Bengio 2010).
static size_t dense(const lode_tower_setting *setting, const char *name, size_t rows, size_t columns) {
    return lode__param_dense(setting->params, name, rows, columns, LODE_INIT_NORMAL,
                             sqrt(2.0 / (double)(rows + columns)));
}

static size_t table(const lode_tower_setting *setting, const char *name, size_t rows, size_t d) {
    return lode__param_table(setting->params, name, rows, d, LODE_INIT_NORMAL,
                             sqrt(2.0 / (double)(rows + d)));
}

static lode_status declare_top(lode_wha *self, const lode_tower_setting *setting, size_t d,
                               size_t *width, lode_error *error) {
    const lode_wha_config *config = self->config;
    const size_t fields = lode__field_width(setting->vocabulary, LODE_SIDE_USER);
    self->on_top = config->layers.count > 0 || config->merge != MERGE_WHA || fields > 0;
    *width = d;
    if (!self->on_top) return LODE_OK;
    int64_t one = (int64_t)d;
    const lode_ints layers = config->layers.count > 0 ? config->layers : (lode_ints){&one, 1};
    LODE_TRY(lode__mlp_check(layers, setting->prefix, error));
    const size_t merged = config->merge == MERGE_CONCAT ? (size_t)config->heads * d : d;
    lode__mlp_declare(&self->mlp, setting->params, "user.mlp", merged + fields, layers,
                      (lode_activation)(config->activation + LODE_RELU));
    *width = (size_t)layers.values[layers.count - 1];
    return LODE_OK;
}

static lode_status declare(void *state, const void *config, const lode_tower_setting *setting,
                           size_t *width, lode_error *error) {
    lode_wha *self = state;
    self->config = config;
    const lode_field *item = &setting->vocabulary->fields[setting->vocabulary->item_id];
    const lode_ints edges = self->config->time_buckets;
    const size_t d = item->dim, hidden = (size_t)self->config->feed_forward;
    LODE_TRY(lode__age_edges_check(edges, "model.user.time_buckets", error));
    self->item_table = item->table;
    LODE_TRY(declare_fields(self, setting, error));
    if (self->config->position != POSITION_NONE)
        self->positions = table(setting, "user.history.position", setting->history, d);
    if (edges.count > 0) self->times = table(setting, "user.history.time", edges.count + 1, d);
    self->hidden = dense(setting, "user.attention.0.weight", d, hidden);
    self->hidden_bias =
        lode__param_dense(setting->params, "user.attention.0.bias", 1, hidden, LODE_INIT_ZERO, 1.0);
    self->scores = dense(setting, "user.attention.1.weight", hidden, (size_t)self->config->heads);
    return declare_top(self, setting, d, width, error);
}

static void apply(const void *state, lode_graph *graph, const lode_params *params,
                  const lode_tower_inputs *inputs, lode_tower_outputs *outputs) {
    const lode_wha *self = state;
    const lode_wha_config *config = self->config;
    const size_t heads = (size_t)config->heads;
    lode_tensor *plain = lode__embedding(graph, lode__param(params, self->item_table),
                                         inputs->clicks, NULL, LODE_POOL_SUM);
    plain = lode__click_rows_add(&self->click_fields, graph, params, inputs, plain);
    lode_tensor *x = plain;
    if (config->position != POSITION_NONE) {
        lode_ids *places =
            config->position == POSITION_FORWARD ? inputs->from_oldest : inputs->places;
        x = lode__add(graph, x,
                      lode__embedding(graph, lode__param(params, self->positions), places, NULL,
                                      LODE_POOL_SUM));
    }
    if (config->time_buckets.count > 0) {
        x = lode__add(graph, x,
                      lode__embedding(graph, lode__param(params, self->times), inputs->ages,
                                      inputs->aged, LODE_POOL_SUM));
    }
    lode_tensor *scores = lode__linear(graph, x, lode__param(params, self->hidden),
                                       lode__param(params, self->hidden_bias),
                                       (lode_activation)(config->activation + LODE_RELU));
    scores = lode__linear(graph, scores, lode__param(params, self->scores), NULL, LODE_LINEAR);
    lode_tensor *u =
        lode__pool_heads(graph, scores, config->values == VALUES_PLAIN ? plain : x, inputs->history);
    if (config->merge != MERGE_CONCAT) {
        u = lode__merge_heads(graph, u, heads,
                              config->merge == MERGE_WHA ? LODE_MERGE_WHA : LODE_MERGE_MEAN);
    }
    if (self->on_top) {
        lode_part_of_row parts[LODE_FIELDS + 1] = {{u, NULL}};
        const size_t count = 1 + lode__field_parts(graph, params, inputs, parts + 1);
        u = lode__mlp_apply(&self->mlp, graph, params, lode__concat(graph, parts, count));
    }
    outputs->vector = u;
    outputs->scores = scores;
}

static size_t heads_of(const void *state) {
    const lode_wha *self = state;
    return self->on_top ? 0 : (size_t)self->config->heads;
}

/// Values are plain item embeddings: what fields, places and ages have to say is in the scores.
static lode_tensor *merge(const void *state, lode_graph *graph, const lode_params *params,
                          lode_tensor *scores, lode_ids *clicks, lode_lists *lists) {
    const lode_wha *self = state;
    lode_tensor *x =
        lode__embedding(graph, lode__param(params, self->item_table), clicks, NULL, LODE_POOL_SUM);
    x = lode__pool_heads(graph, scores, x, lists);
    return lode__merge_heads(graph, x, (size_t)self->config->heads, LODE_MERGE_WHA);
}

static const lode_click_fields *click_fields(const void *state) {
    const lode_wha *self = state;
    return &self->click_fields;
}

static lode_click_wants click_wants(const void *state) {
    const lode_wha *self = state;
    return (lode_click_wants){.ages = self->config->time_buckets.count > 0,
                              .age_edges = self->config->time_buckets,
                              .from_oldest = self->config->position == POSITION_FORWARD};
}

const lode_tower_type lode__tower_wha = {
    .name = "wha",
    .help = "Heads of attention over the last clicks, with their ages and places, merged by weight "
            "(CLRec's production encoder).",
    .side = LODE_SIDE_USER,
    .gives = LODE_NEED_VECTOR,
    .keys = keys,
    .config_size = sizeof(lode_wha_config),
    .state_size = sizeof(lode_wha),
    .declare = declare,
    .apply = apply,
    .click_fields = click_fields,
    .click_wants = click_wants,
    .heads = heads_of,
    .merge = merge};
