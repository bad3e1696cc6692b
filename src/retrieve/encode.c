/// lode_encode: vectors as .npy with the original ids beside them, for any vector database.
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "retrieve/model.h"

enum { BATCH = 512 };

typedef struct lode_encode_options {
    const char *items, *users, *data;
} lode_encode_options;

const lode_key lode__encode_keys[] = {
    {.name = "items",
     .type = LODE_KEY_TEXT,
     .offset = offsetof(lode_encode_options, items),
     .help =
         "Where the item vectors go: X.npy (float32 [items, dim]) and X.ids (tokens, one a line)."},
    {.name = "users",
     .type = LODE_KEY_TEXT,
     .offset = offsetof(lode_encode_options, users),
     .help = "Where the user vectors go: every user of the data set, after all of the user's "
             "clicks; of "
             "towers of several interests [users, interests, dim]."},
    {.name = "data",
     .type = LODE_KEY_TEXT,
     .offset = offsetof(lode_encode_options, data),
     .help = "The data set; the default is the one that the bundle was trained on."},
    {0}};

/// "X.npy" -> "X.ids"
static const char *ids_path(lode_arena *arena, const char *path) {
    const size_t length = strlen(path);
    const bool npy = length > 4 && strcmp(path + length - 4, ".npy") == 0;
    return lode__arena_printf(arena, "%.*s.ids", (int)(npy ? length - 4 : length), path);
}

static lode_status write_ids(const lode_model *model, const char *path, bool users,
                             lode_error *error) {
    lode_writer writer;
    LODE_TRY(lode__writer_open(&writer, path, error));
    const size_t count = users ? lode_model_user_count(model) : lode_model_item_count(model);
    lode_status status = LODE_OK;
    for (size_t i = 0; i < count && status == LODE_OK; i++) {
        const char *token = users ? lode_model_user(model, i) : lode_model_item(model, i);
        status = lode__writer_add(&writer, token, strlen(token), error);
        if (status == LODE_OK) status = lode__writer_add(&writer, "\n", 1, error);
    }
    if (status != LODE_OK) {
        lode__writer_abort(&writer);
        return status;
    }
    return lode__writer_commit(&writer, error);
}

static lode_status write_items(const lode_model *model, const char *path, lode_error *error) {
    lode_npy_writer writer;
    const size_t count = lode_model_item_count(model);
    LODE_TRY(lode__npy_begin(&writer, path, count, model->dim, error));
    const lode_status status = lode__npy_add(&writer, model->items, count, error);
    if (status != LODE_OK) {
        lode__npy_abort(&writer);
        return status;
    }
    return lode__npy_commit(&writer, error);
}

static lode_status add_users(const lode_model *model, lode_npy_writer *writer,
                             const lode_hooks *hooks, lode_error *error) {
    const size_t users = lode_model_user_count(model);
    lode_session *session = NULL;
    lode_query *queries = lode__alloc(BATCH, sizeof *queries);
    float *vectors = lode__alloc(BATCH, model->interests * model->dim * sizeof *vectors);
    lode_status status = queries == NULL || vectors == NULL
                             ? lode__fail_memory(error)
                             : lode_session_new(&session, model, BATCH, 1, error);
    for (size_t first = 0; first < users && status == LODE_OK; first += BATCH) {
        const size_t count = LODE_MIN((size_t)BATCH, users - first);
        for (size_t i = 0; i < count; i++)
            queries[i] = (lode_query){.user = lode_model_user(model, first + i)};
        status = lode_session_encode(session, queries, count, vectors, error);
        if (status == LODE_OK) status = lode__npy_add(writer, vectors, count, error);
        const lode_progress progress = {
            .task = "encode", .unit = "users", .done = first + count, .total = users};
        if (status == LODE_OK && hooks != NULL && hooks->progress != NULL &&
            hooks->progress(hooks->cookie, &progress) != 0) {
            status = lode__fail(error, LODE_E_STOPPED, "stopped; nothing was written");
        }
    }
    lode_session_free(&session);
    lode__free(queries);
    lode__free(vectors);
    return status;
}

static lode_status write_users(const lode_model *model, const char *path, const lode_hooks *hooks,
                               lode_error *error) {
    lode_npy_writer writer;
    LODE_TRY(lode__npy_begin_parts(&writer, path, lode_model_user_count(model), model->interests,
                                   model->dim, error));
    const lode_status status = add_users(model, &writer, hooks, error);
    if (status != LODE_OK) {
        lode__npy_abort(&writer);
        return status;
    }
    return lode__npy_commit(&writer, error);
}

static lode_status encode(const lode_model *model, const lode_encode_options *options,
                          lode_arena *arena, const lode_hooks *hooks, lode_error *error) {
    if (options->items != NULL) {
        const char *ids = ids_path(arena, options->items);
        if (ids == NULL) return lode__fail_memory(error);
        LODE_TRY(write_items(model, options->items, error));
        LODE_TRY(write_ids(model, ids, false, error));
    }
    if (options->users != NULL) {
        const char *ids = ids_path(arena, options->users);
        if (ids == NULL) return lode__fail_memory(error);
        LODE_TRY(write_users(model, options->users, hooks, error));
        LODE_TRY(write_ids(model, ids, true, error));
    }
    return LODE_OK;
}

static lode_status make_report(const lode_model *model, const lode_encode_options *options,
                               char **report, lode_error *error) {
    if (report == NULL) return LODE_OK;
    json_t *json = json_pack("{s:I}", "dim", (json_int_t)model->dim);
    if (model->interests > 1)
        (void)json_object_set_new(json, "interests", json_integer((json_int_t)model->interests));
    if (options->items != NULL) {
        (void)json_object_set_new(json, "items",
                                  json_integer((json_int_t)lode_model_item_count(model)));
    }
    if (options->users != NULL) {
        (void)json_object_set_new(json, "users",
                                  json_integer((json_int_t)lode_model_user_count(model)));
    }
    char *text = json != NULL ? json_dumps(json, JSON_INDENT(1)) : NULL;
    json_decref(json);
    *report = text != NULL ? lode__strdup(text) : NULL;
    free(text);
    return *report != NULL ? LODE_OK : lode__fail_memory(error);
}

lode_status lode_encode(const char *run, const char *options, const lode_hooks *hooks,
                        char **report, lode_error *error) {
    lode_arena arena = {0};
    lode_node *root = NULL;
    lode_encode_options chosen;
    lode_model *model = NULL;
    lode_status status;
    if (options == NULL) options = "";
    LODE_GOTO(status, lode__yaml_parse(&arena, options, strlen(options), "options", &root, error),
              done);
    LODE_GOTO(status, lode__config_read(&arena, root, "", lode__encode_keys, NULL, &chosen, error),
              done);
    if (chosen.items == NULL && chosen.users == NULL) {
        status = lode__fail(error, LODE_E_USAGE,
                            "nothing to encode: give items, users or both, as X.npy");
        goto done;
    }
    LODE_GOTO(status,
              lode_model_open(&model, run, chosen.users != NULL ? chosen.data : "", hooks, error),
              done);
    LODE_GOTO(status, encode(model, &chosen, &arena, hooks, error), done);
    status = make_report(model, &chosen, report, error);
done:
    lode_model_free(&model);
    lode__arena_release(&arena);
    return status;
}
