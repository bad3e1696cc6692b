/// lode_build_index: the bundle's index, chosen by measurement on the vectors of its users.
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "retrieve/model.h"
#include "search/choose.h"

enum { BATCH = 256 };

typedef struct lode_make_options {
    int type; ///< 0 auto, then lode_index_kind + 1
    int64_t k, queries, threads, seed;
    double recall, quick;
    const char *data;
} lode_make_options;

static const char *const types[] = {"auto", "exact", "scan", "ivf", "graph", NULL};

const lode_key lode__index_keys[] = {
    {.name = "type",
     .type = LODE_KEY_CHOICE,
     .offset = offsetof(lode_make_options, type),
     .fallback = "auto",
     .choices = types,
     .help = "auto: the fastest of scan, ivf and graph that finds enough, by measurement; or one "
             "of them."},
    {.name = "recall",
     .type = LODE_KEY_REAL,
     .offset = offsetof(lode_make_options, recall),
     .fallback = "0.99",
     .low = 0,
     .high = 1,
     .help = "How many of the best k the index must find, on average; exact and scan find all."},
    {.name = "k",
     .type = LODE_KEY_INT,
     .offset = offsetof(lode_make_options, k),
     .fallback = "100",
     .low = 1,
     .high = 10000,
     .help = "Candidates a query, for recall and time."},
    {.name = "queries",
     .type = LODE_KEY_INT,
     .offset = offsetof(lode_make_options, queries),
     .fallback = "500",
     .low = 1,
     .high = 100000,
     .help = "Users of the data set whose vectors are the queries, evenly spread."},
    {.name = "quick",
     .type = LODE_KEY_REAL,
     .offset = offsetof(lode_make_options, quick),
     .fallback = "0.05",
     .low = 0,
     .high = 1e6,
     .help =
         "Milliseconds: where the scan, which is exact, takes no longer, auto tries nothing else."},
    {.name = "threads",
     .type = LODE_KEY_INT,
     .offset = offsetof(lode_make_options, threads),
     .fallback = "0",
     .low = 0,
     .high = 256,
     .help = "Threads that build; 0 = one a processor. Queries are timed on one."},
    {.name = "seed",
     .type = LODE_KEY_INT,
     .offset = offsetof(lode_make_options, seed),
     .fallback = "1",
     .low = 0,
     .high = 9e15,
     .help = "Of the centroids and of the order in which a graph grows."},
    {.name = "data",
     .type = LODE_KEY_TEXT,
     .offset = offsetof(lode_make_options, data),
     .help = "The data set of the users; the default is the one that the bundle was trained on."},
    {0}};

/// Vectors of `count` users, evenly spread over the data set.
static lode_status encode_queries(const lode_model *model, size_t count, float *vectors,
                                  lode_error *error) {
    const size_t users = lode_model_user_count(model);
    lode_query queries[BATCH];
    lode_session *session;
    LODE_TRY(lode_session_new(&session, model, BATCH, 1, error));
    lode_status status = LODE_OK;
    for (size_t first = 0; first < count && status == LODE_OK; first += BATCH) {
        const size_t batch = LODE_MIN(count - first, (size_t)BATCH);
        for (size_t i = 0; i < batch; i++) {
            const size_t user = (size_t)((double)(first + i) * (double)users / (double)count);
            queries[i] = (lode_query){.user = lode_model_user(model, user)};
        }
        status = lode_session_encode(session, queries, batch,
                                     vectors + first * model->interests * model->dim, error);
    }
    lode_session_free(&session);
    return status;
}

static json_t *trial_json(const lode_trial *trial, bool chosen) {
    return json_pack("{s:s, s:f, s:f, s:I, s:f, s:b}", "index", types[trial->kind + 1], "recall",
                     trial->recall, "milliseconds", trial->milliseconds, "effort",
                     (json_int_t)trial->effort, "build_seconds", trial->build_seconds, "chosen",
                     (int)chosen);
}

static json_t *describe(const lode_choice *choice, const lode_index *index, const lode_trial *trials) {
    const char *name = lode__index_kind_name(index);
    json_t *list = json_array();
    for (size_t kind = 0; kind < LODE_INDEX_KINDS; kind++) {
        if (!trials[kind].tried) continue;
        const bool chosen = strcmp(types[kind + 1], name) == 0;
        (void)json_array_append_new(list, trial_json(&trials[kind], chosen));
    }
    return json_pack("{s:s, s:I, s:I, s:I, s:I, s:f, s:I, s:o}", "index", name, "effort",
                     (json_int_t)lode__index_effort(index), "items", (json_int_t)choice->items,
                     "dim", (json_int_t)choice->dim, "k", (json_int_t)choice->k, "recall_wanted",
                     choice->recall, "queries", (json_int_t)choice->query_count, "tried", list);
}

static lode_status write_all(const char *run, const lode_index *index, json_t *json,
                             lode_arena *arena, char **report, lode_error *error) {
    const char *folder = lode__path_join(arena, run, LODE_INDEX_FOLDER);
    const char *path = folder ? lode__path_join(arena, folder, LODE_INDEX_FILE) : NULL;
    const char *about = folder ? lode__path_join(arena, folder, LODE_INDEX_REPORT) : NULL;
    if (path == NULL || about == NULL || json == NULL) return lode__fail_memory(error);
    char *text = json_dumps(json, JSON_INDENT(1));
    if (text == NULL) return lode__fail_memory(error);
    lode_status status = lode__folder_make(folder, error);
    if (status == LODE_OK) status = lode__index_save(index, path, error);
    if (status == LODE_OK) status = lode__file_write(about, text, strlen(text), error);
    if (status == LODE_OK && report != NULL) {
        *report = lode__strdup(text);
        if (*report == NULL) status = lode__fail_memory(error);
    }
    free(text);
    return status;
}

static lode_status choose_and_write(const lode_model *model, const char *run,
                                    const lode_make_options *options, const lode_hooks *hooks,
                                    lode_pool *pool, lode_arena *arena, char **report,
                                    lode_error *error) {
    const size_t users = lode_model_user_count(model);
    const size_t count = LODE_MIN((size_t)options->queries, users);
    if (count == 0)
        return lode__fail(error, LODE_E_INPUT, "the data set has no users to measure with");
    float *queries = lode__arena_alloc(arena, count, model->interests * model->dim * sizeof *queries);
    if (queries == NULL) return lode__fail_memory(error);
    LODE_TRY(encode_queries(model, count, queries, error));
    lode_choice choice = {.vectors = model->items,
                          .items = lode_model_item_count(model),
                          .dim = model->dim,
                          .queries = queries,
                          .query_count = count,
                          .interests = model->interests,
                          .k = LODE_MIN((size_t)options->k, lode_model_item_count(model)),
                          .recall = options->recall,
                          .quick = options->quick,
                          .seed = (uint64_t)options->seed,
                          .pool = pool,
                          .hooks = hooks};
    for (size_t kind = 0; kind < LODE_INDEX_KINDS;
         kind++) // auto leaves exact out: the scan finds the same
        choice.kinds[kind] =
            options->type == 0 ? kind != LODE_INDEX_EXACT : (size_t)options->type == kind + 1;
    lode_trial trials[LODE_INDEX_KINDS];
    lode_index *index = NULL;
    LODE_TRY(lode__index_choose(&index, &choice, trials, error));
    json_t *json = describe(&choice, index, trials);
    const lode_status status = write_all(run, index, json, arena, report, error);
    json_decref(json);
    lode__index_free(&index);
    return status;
}

lode_status lode_build_index(const char *run, const char *options, const lode_hooks *hooks,
                             char **report, lode_error *error) {
    lode_arena arena = {0};
    lode_node *root = NULL;
    lode_make_options chosen;
    lode_model *model = NULL;
    lode_pool *pool = NULL;
    lode_status status;
    if (options == NULL) options = "";
    LODE_GOTO(status, lode__yaml_parse(&arena, options, strlen(options), "options", &root, error),
              done);
    LODE_GOTO(status, lode__config_read(&arena, root, "", lode__index_keys, NULL, &chosen, error),
              done);
    LODE_GOTO(status, lode_model_open(&model, run, chosen.data, hooks, error), done);
    const size_t threads = chosen.threads > 0 ? (size_t)chosen.threads : lode__processor_count();
    LODE_GOTO(status, lode__pool_new(&pool, LODE_MIN(threads, (size_t)256), error), done);
    status = choose_and_write(model, run, &chosen, hooks, pool, &arena, report, error);
done:
    lode__pool_free(&pool);
    lode_model_free(&model);
    lode__arena_release(&arena);
    return status;
}

lode_status lode_model_use_index(lode_model *model, lode_error *error) {
    lode_arena arena = {0};
    lode_status status = LODE_OK;
    const char *folder = lode__path_join(&arena, model->bundle->path, LODE_INDEX_FOLDER);
    const char *path = folder ? lode__path_join(&arena, folder, LODE_INDEX_FILE) : NULL;
    lode_index *index = NULL;
    if (path == NULL) {
        status = lode__fail_memory(error);
    } else {
        status = lode__index_open(&index, path, true, error);
        if (status == LODE_E_MISSING)
            status = lode__fail(error, LODE_E_MISSING,
                                "%s has no index: make one with lodestone index %s",
                                model->bundle->path, model->bundle->path);
        if (status == LODE_OK &&
            !lode__index_holds(index, model->items, lode_model_item_count(model), model->dim))
            status = lode__fail(error, LODE_E_INPUT,
                                "%s holds other vectors than this model's; build it anew with "
                                "lodestone index %s",
                                path, model->bundle->path);
    }
    if (status == LODE_OK) {
        lode__index_free(&model->index);
        model->index = index;
    } else {
        lode__index_free(&index);
    }
    lode__arena_release(&arena);
    return status;
}
