/// micrec.semantic and micrec.session: an item against one that is related to it (MicRec 3.4 and 3.5, Eq. 3 and 4).
///
///     query P(d_i), positive P(d_k) of a related item k, negatives P(d_j) of drawn items that are not related; d: vectors
///
/// semantic: related are the k items with the nearest titles or contents, or all that share a token of a taxonomy;
/// one of them is drawn, each alike. session: related are the k items that i met in most sessions, drawn by the
/// number of sessions; a negative never met i at all. Who is related a miner finds in the training part (mine/mine.h).
#include <stdio.h>
#include <string.h>

#include "objective/item_task.h"

enum { TITLE = 1, TAXONOMY, CONTENT };

typedef struct related_config {
    lode_item_options item;
    int positives; ///< semantic: 0 auto, TITLE ...
    int draw;      ///< lode_mined_draw
    int64_t k, window;
    const char *column, *file, *ids;
    lode_node *miner;
} related_config;

static const char *const kinds[] = {"auto", "title", "taxonomy", "content", NULL};
static const char *const draws[] = {"uniform", "weighted", NULL};

#define AT(member) .offset = offsetof(related_config, member)
#define K_KEY                                                                                      \
    {                                                                                              \
        .name = "k", .type = LODE_KEY_INT, AT(k), .fallback = "20", .low = 1, .high = 10000,       \
        .help = "Related items kept of each item."                                                 \
    }
#define DRAW_KEY(how)                                                                              \
    {                                                                                              \
        .name = "draw", .type = LODE_KEY_CHOICE, AT(draw), .fallback = how, .choices = draws,      \
        .help = "How the positive is drawn from them: each alike, or by similarity or number of "  \
                "sessions."                                                                        \
    }
#define MINER_KEY                                                                                  \
    {                                                                                              \
        .name = "miner", .type = LODE_KEY_NODE, AT(miner),                                         \
        .help = "More keys of the miner, as a map; `lodestone help miner NAME` lists them."        \
    }

static const lode_key semantic_keys[] = {
    {.name = "positives",
     .type = LODE_KEY_CHOICE,
     AT(positives),
     .fallback = "auto",
     .choices = kinds,
     .help = "Which items mean the same. title: nearest titles (of `file`, any language model's "
             "vectors, else of the titles' n-grams); taxonomy: those that share a token of "
             "`column`; content: nearest vectors of `column` or `file`; auto: the first of title, "
             "content, taxonomy that the data has."},
    K_KEY,
    DRAW_KEY("uniform"),
    {.name = "column",
     .type = LODE_KEY_TEXT,
     AT(column),
     .help = "Item column of the titles, tokens or vectors; by default the only one."},
    {.name = "file",
     .type = LODE_KEY_TEXT,
     AT(file),
     .help = "X.npy with vectors of titles or contents, in place of a column."},
    {.name = "ids",
     .type = LODE_KEY_TEXT,
     AT(ids),
     .help = "The items of the file's rows, one id a line; by default X.ids beside X.npy."},
    MINER_KEY,
    LODE_ITEM_KEYS(related_config),
    {0}};

static const lode_key session_keys[] = {
    K_KEY,
    DRAW_KEY("weighted"),
    {.name = "window",
     .type = LODE_KEY_DURATION,
     AT(window),
     .fallback = "1h",
     .low = 0,
     .help = "Two clicks of a session belong together when they are no further apart."},
    MINER_KEY,
    LODE_ITEM_KEYS(related_config),
    {0}};
#undef AT

// --- which miner ----------------------------------------------------------------------------------------

/// What a column says of meaning, by its type; 0: nothing.
static int kind_of_column(const lode_column *column) {
    switch (column->type) {
    case LODE_COLUMN_TEXT:
        return TITLE;
    case LODE_COLUMN_FLOATS:
        return CONTENT;
    case LODE_COLUMN_TOKEN:
    case LODE_COLUMN_TOKENS:
        return TAXONOMY;
    default:
        return 0;
    }
}

/// The item column of a kind that `auto` takes: the title, else the first one.
static const lode_column *first_of(const lode_dataset *data, int kind) {
    if (kind == TITLE && lode__title_column(data) != NULL) return lode__title_column(data);
    for (size_t i = 0; i < data->item_column_count; i++) {
        if (kind_of_column(&data->item_columns[i]) == kind) return &data->item_columns[i];
    }
    return NULL;
}

/// What `auto` comes to with this data; 0 where it has nothing that says what items mean.
static int kind_of(const related_config *config, const lode_dataset *data) {
    static const int order[] = {TITLE, CONTENT, TAXONOMY};
    if (config->positives != 0) return config->positives;
    if (config->file != NULL) return CONTENT;
    if (config->column != NULL) {
        const lode_column *column =
            lode__column_find(data->item_columns, data->item_column_count, config->column);
        return column != NULL ? kind_of_column(column) : TITLE; // whose miner says what there is
    }
    for (size_t i = 0; i < 3; i++) {
        if (first_of(data, order[i]) != NULL) return order[i];
    }
    return 0;
}

/// Of several columns `auto` takes the first: a choice that the keys override.
static const char *column_for(const related_config *config, const lode_dataset *data, int kind) {
    if (config->column != NULL || config->positives != 0 || config->file != NULL)
        return config->column;
    return first_of(data, kind)->name;
}

static lode_status add_key(lode_arena *arena, lode_node *map, const char *key, const char *value,
                           lode_error *error) {
    if (value == NULL || lode__node_get(map, key) != NULL) return LODE_OK;
    lode_node *node = lode__arena_alloc(arena, 1, sizeof *node);
    if (node == NULL) return lode__fail_memory(error);
    *node = (lode_node){.kind = LODE_NODE_SCALAR,
                        .key = key,
                        .text = lode__arena_strdup(arena, value),
                        .quoted = true,
                        .file = "objectives",
                        .next = map->child};
    if (node->text == NULL) return lode__fail_memory(error);
    map->child = node;
    return LODE_OK;
}

static lode_status add_number(lode_arena *arena, lode_node *map, const char *key, int64_t value,
                              lode_error *error) {
    char text[32];
    (void)snprintf(text, sizeof text, "%lld", (long long)value);
    return add_key(arena, map, key, text, error);
}

static lode_status start_map(const related_config *config, lode_arena *arena, lode_node **keys,
                             lode_error *error) {
    *keys = lode__arena_alloc(arena, 1, sizeof **keys);
    if (*keys == NULL) return lode__fail_memory(error);
    **keys = (lode_node){.kind = LODE_NODE_MAP, .file = "objectives"};
    if (config->miner != NULL && config->miner->kind == LODE_NODE_MAP)
        (*keys)->child = config->miner->child;
    return LODE_OK;
}

static lode_status semantic_miner(const void *options, const lode_dataset *data, lode_arena *arena,
                                  const char **name, lode_node **keys, lode_error *error) {
    const related_config *config = options;
    const int kind = kind_of(config, data);
    *name = NULL;
    if (kind == 0) return LODE_OK;
    const bool vectors = kind == CONTENT || config->file != NULL;
    *name = kind == TAXONOMY ? "taxonomy" : vectors ? "vectors" : "titles";
    LODE_TRY(start_map(config, arena, keys, error));
    if (kind != TAXONOMY) LODE_TRY(add_number(arena, *keys, "k", config->k, error));
    if (vectors) LODE_TRY(add_key(arena, *keys, "file", config->file, error));
    if (vectors) LODE_TRY(add_key(arena, *keys, "ids", config->ids, error));
    return add_key(arena, *keys, "column", column_for(config, data, kind), error);
}

static lode_status session_miner(const void *options, const lode_dataset *data, lode_arena *arena,
                                 const char **name, lode_node **keys, lode_error *error) {
    (void)data;
    const related_config *config = options;
    *name = "sessions";
    LODE_TRY(start_map(config, arena, keys, error));
    LODE_TRY(add_number(arena, *keys, "k", config->k, error));
    return add_number(arena, *keys, "window", config->window, error);
}

// --- the objective --------------------------------------------------------------------------------------

static bool found_something(const lode_mined *mined) {
    return mined->kind == LODE_MINED_GROUPS ? mined->item_starts[mined->items] > 0
                                            : mined->starts[mined->items] > 0;
}

static lode_status mine(lode_item_task *task, const char *name, const lode_node *keys,
                        const lode_training *training, lode_error *error) {
    lode_miner miner;
    const lode_mine_input input = {.data = training->data,
                                   .split = training->split,
                                   .sessions = training->sessions,
                                   .pool = training->pool,
                                   .hooks = training->hooks};
    lode_status status = lode__miner_read(&miner, name, keys, "", NULL, error);
    if (status == LODE_OK)
        status = lode__mine(&task->mined, &miner, training->mining, input, error);
    lode__miner_release(&miner);
    return status;
}

static lode_status prepare(lode_item_task *task, const related_config *config, const char *self,
                           const char *miner, const lode_node *keys, const lode_training *training,
                           lode_arena *arena, lode_error *error) {
    if (config->miner != NULL && config->miner->kind != LODE_NODE_MAP)
        return lode__fail(error, LODE_E_CONFIG, "%s: miner is a map of the miner's keys", self);
    if (miner == NULL) {
        task->options = &config->item;
        lode__notice(
            training->hooks,
            "%s is left out: items have no titles, vectors or tokens that say what they mean", self);
        return LODE_OK;
    }
    const lode_status status = mine(task, miner, keys, training, error);
    if (status != LODE_OK) return lode__error_prefix(error, status, "%s", self);
    task->by = config->draw == 0 ? LODE_DRAW_UNIFORM : LODE_DRAW_WEIGHTED;
    LODE_TRY(lode__item_task_prepare(task, &config->item, training, arena, error));
    if (!found_something(task->mined)) {
        task->active = false;
        lode__notice(training->hooks,
                     "%s is left out: the miner %s found no two items that belong together", self,
                     miner);
    }
    return LODE_OK;
}

static lode_status prepare_semantic(void *state, const void *config, const lode_training *training,
                                    lode_arena *arena, lode_error *error) {
    const char *name;
    lode_node *keys = NULL;
    LODE_TRY(semantic_miner(config, training->data, arena, &name, &keys, error));
    return prepare(state, config, "micrec.semantic", name, keys, training, arena, error);
}

static lode_status prepare_session(void *state, const void *config, const lode_training *training,
                                   lode_arena *arena, lode_error *error) {
    const char *name;
    lode_node *keys = NULL;
    LODE_TRY(session_miner(config, training->data, arena, &name, &keys, error));
    return prepare(state, config, "micrec.session", name, keys, training, arena, error);
}

static void declare(void *state, const lode_training *training, lode_params *heads,
                    const char *prefix) {
    lode__item_task_declare(state, training->model->item.width, heads, prefix);
}

static lode_status build(void *state, const lode_scene *scene, double weight, lode_error *error) {
    (void)error;
    lode_item_task *task = state;
    lode_tensor *vectors = scene->items->outputs.vector;
    if (task->active) lode__item_task_build(task, scene, scene->items, vectors, vectors, weight);
    return LODE_OK;
}

static lode_status draw(void *state, const lode_batch *batch, lode_error *error) {
    (void)error;
    lode_item_task *task = state;
    if (task->active) lode__item_task_draw(task, batch);
    return LODE_OK;
}

const lode_objective_type lode__objective_micrec_semantic = {
    .name = "micrec.semantic",
    .help = "An item against one of similar title, content or category, among drawn items that are "
            "not (MicRec Eq. 3).",
    .item_needs = LODE_NEED_VECTOR,
    .keys = semantic_keys,
    .config_size = sizeof(related_config),
    .state_size = sizeof(lode_item_task),
    .miner = semantic_miner,
    .prepare = prepare_semantic,
    .declare = declare,
    .items = lode__item_task_items,
    .stages = {{build, draw}},
    .stage_count = 1,
    .release = lode__item_task_release};

const lode_objective_type lode__objective_micrec_session = {
    .name = "micrec.session",
    .help = "An item against one that it met in many sessions, among drawn items that it never met "
            "(MicRec Eq. 4).",
    .item_needs = LODE_NEED_VECTOR,
    .keys = session_keys,
    .config_size = sizeof(related_config),
    .state_size = sizeof(lode_item_task),
    .miner = session_miner,
    .prepare = prepare_session,
    .declare = declare,
    .items = lode__item_task_items,
    .stages = {{build, draw}},
    .stage_count = 1,
    .release = lode__item_task_release};
