/// mind: several interests a user by dynamic routing (Li et al., CIKM 2019).
///
///     x_i = E_item[click i] S                     one matrix for all clicks and interests
///     u_1 .. u_K = routing(x_1 .. x_n)            op routing; adaptive: max(1, min(K, floor(log2 n))) of them
///     e_k = MLP([u_k, user fields])               ReLU between layers, the last one linear
///     training:  the user's vector for a target v is the label-aware attention of e_1 .. e_K (op readout)
///     serving:   score(user, item) = max_k e_k . v
///
/// A user without known clicks has capsules of 0, so that the fields alone tell. Clicks are packed newest first; routing
/// logits begin with a fixed normal draw by (place, interest). Item embeddings are the item tower's own (`item.id`).
#include "model/tower.h"

typedef struct lode_mind_config {
    lode_interests interests;
    int64_t iterations;
    bool adaptive;
    double deviation;
    lode_ints layers;
} lode_mind_config;

typedef struct lode_mind {
    const lode_mind_config *config;
    size_t item_table, bilinear;
    lode_mlp mlp;
} lode_mind;

static const char *const attentions[] = {"hard", "soft", NULL};

#define AT(member) .offset = offsetof(lode_mind_config, member)
static const lode_key keys[] = {
    {.name = "interests",
     .type = LODE_KEY_INT,
     AT(interests.count),
     .fallback = "4",
     .low = 1,
     .high = LODE_INTERESTS,
     .help = "Most interests of a user (K)."},
    {.name = "iterations",
     .type = LODE_KEY_INT,
     AT(iterations),
     .fallback = "3",
     .low = 1,
     .high = 16,
     .help = "Of the routing (MIND: 3)."},
    {.name = "adaptive",
     .type = LODE_KEY_BOOL,
     AT(adaptive),
     .fallback = "true",
     .help = "A user of n clicks has max(1, min(K, floor(log2 n))) interests, as MIND; else K."},
    {.name = "deviation",
     .type = LODE_KEY_REAL,
     AT(deviation),
     .fallback = "1",
     .low = 0.001,
     .high = 100,
     .help = "Standard deviation of the routing logits at the start; the draw is fixed."},
    {.name = "attention",
     .type = LODE_KEY_CHOICE,
     AT(interests.attention),
     .fallback = "hard",
     .choices = attentions,
     .help = "What training takes for a target: hard: the nearest interest; soft: all, weighted by "
             "softmax of their products with it to a power."},
    {.name = "power",
     .type = LODE_KEY_REAL,
     AT(interests.power),
     .fallback = "2",
     .low = 1,
     .high = 100,
     .help = "That power (p of MIND's Eq. 9); the larger, the harder."},
    {.name = "layers",
     .type = LODE_KEY_INTS,
     AT(layers),
     .fallback = "[128, 64]",
     .low = 1,
     .high = 65536,
     .help = "Widths of the MLP on an interest and the user's fields; the last is the dimension of "
             "the user vectors."},
    {0}};
#undef AT

static lode_status declare(void *state, const void *config, const lode_tower_setting *setting,
                           size_t *width, lode_error *error) {
    lode_mind *self = state;
    self->config = config;
    const lode_field *item = &setting->vocabulary->fields[setting->vocabulary->item_id];
    const lode_ints layers = self->config->layers;
    LODE_TRY(lode__mlp_check(layers, setting->prefix, error));
    self->item_table = item->table;
    self->bilinear = lode__param_dense(setting->params, "user.routing.weight", item->dim, item->dim,
                                       LODE_INIT_XAVIER, 1.0);
    lode__mlp_declare(&self->mlp, setting->params, "user.mlp",
                      item->dim + lode__field_width(setting->vocabulary, LODE_SIDE_USER), layers,
                      LODE_RELU);
    *width = (size_t)layers.values[layers.count - 1];
    return LODE_OK;
}

static void apply(const void *state, lode_graph *graph, const lode_params *params,
                  const lode_tower_inputs *inputs, lode_tower_outputs *outputs) {
    const lode_mind *self = state;
    const size_t most = (size_t)self->config->interests.count;
    lode_dim *dim = lode__graph_dim(graph, "interests", inputs->rows->capacity * most);
    lode_lists *lists = dim != NULL ? lode__graph_lists(graph, inputs->rows, dim, most) : NULL;
    const lode_routing routing = {.count = most,
                                  .iterations = (size_t)self->config->iterations,
                                  .adaptive = self->config->adaptive,
                                  .deviation = self->config->deviation,
                                  .interests = lists};
    lode_tensor *x = lode__embedding(graph, lode__param(params, self->item_table), inputs->clicks,
                                     NULL, LODE_POOL_SUM);
    x = lode__linear(graph, x, lode__param(params, self->bilinear), NULL, LODE_LINEAR);
    x = lode__routing(graph, x, inputs->history, &routing);
    lode_part_of_row parts[LODE_FIELDS];
    const size_t fields = lode__field_parts(graph, params, inputs, parts);
    if (fields > 0) {
        lode_tensor *own = lode__spread(graph, lode__concat(graph, parts, fields), lists);
        x = lode__concat(graph, (lode_part_of_row[]){{.tensor = x}, {.tensor = own}}, 2);
    }
    outputs->interests = lode__mlp_apply(&self->mlp, graph, params, x);
    outputs->interest_lists = lists;
}

static const lode_interests *interests(const void *config) {
    const lode_mind_config *own = config;
    return &own->interests;
}

const lode_tower_type lode__tower_mind = {
    .name = "mind",
    .help =
        "Several interests a user by dynamic routing of the last clicks, the user's fields beside "
        "each, an MLP (Li et al. 2019).",
    .side = LODE_SIDE_USER,
    .gives = LODE_NEED_VECTOR | LODE_NEED_INTERESTS,
    .keys = keys,
    .config_size = sizeof(lode_mind_config),
    .state_size = sizeof(lode_mind),
    .declare = declare,
    .apply = apply,
    .interests = interests};
