#include "retrieve/model.h"

#include "model/click_ages.h"

#include <string.h>

enum { OPEN_BATCH = 512, MOST_QUERIES = 4096, MOST_CANDIDATES = 10000 };

// --- model ----------------------------------------------------------------------------------------------

static lode_status open_data(lode_model *model, const char *data, const lode_hooks *hooks,
                             lode_error *error) {
    if (data != NULL && *data == 0) return LODE_OK;
    LODE_TRY(lode__bundle_data(model->bundle, data, &model->data, hooks, error));
    const lode_split_options any = {.type = LODE_SPLIT_RATIO}; // shares of 0: for its log of clicks
    LODE_TRY(lode__split_new(&model->split, model->data, &any, error));
    return lode__binding_new(&model->binding, model->bundle->model->vocabulary, model->data, error);
}

static lode_status encode_all(lode_model *model, lode_error *error) {
    const lode_model_core *core = model->bundle->model;
    model->dim = core->item.width;
    model->interests = core->user.interests;
    model->items = lode__huge_alloc(core->vocabulary->items, model->dim * sizeof *model->items);
    if (model->items == NULL) return lode__fail_memory(error);
    lode_pool *pool = NULL;
    lode_encoder *encoder = NULL;
    lode_status status = lode__pool_new(&pool, LODE_MIN(lode__processor_count(), (size_t)256), error);
    if (status == LODE_OK)
        status = lode__encoder_new(&encoder, core, core->params, OPEN_BATCH, pool, error);
    if (status == LODE_OK) {
        const lode_index_options exact = {.kind = LODE_INDEX_SCAN, .borrow = true};
        lode__encode_items(encoder, model->items);
        status = lode__index_build(&model->index, model->items, core->vocabulary->items, model->dim,
                                   &exact, pool, error);
    }
    lode__encoder_free(&encoder);
    lode__pool_free(&pool);
    return status;
}

lode_status lode_model_open(lode_model **out, const char *run, const char *data,
                            const lode_hooks *hooks, lode_error *error) {
    lode_model *model = lode__alloc(1, sizeof *model);
    if (model == NULL) return lode__fail_memory(error);
    lode_status status = lode__bundle_open(&model->bundle, run, error);
    if (status == LODE_OK) status = open_data(model, data, hooks, error);
    if (status == LODE_OK) status = encode_all(model, error);
    if (status != LODE_OK) {
        lode_model_free(&model);
    } else {
        *out = model;
    }
    return status;
}

void lode_model_free(lode_model **model) {
    if (model == NULL || *model == NULL) return;
    lode_model *self = *model;
    if (self->items != NULL) {
        lode__huge_free(self->items, self->bundle->model->vocabulary->items,
                        self->dim * sizeof *self->items);
    }
    lode__index_free(&self->index);
    lode__binding_free(&self->binding);
    lode__split_free(&self->split);
    lode__dataset_free(&self->data);
    lode__bundle_free(&self->bundle);
    lode__free(self);
    *model = NULL;
}

size_t lode_model_dim(const lode_model *model) {
    return model->dim;
}

size_t lode_model_interests(const lode_model *model) {
    return model->interests;
}

size_t lode_model_item_count(const lode_model *model) {
    return model->bundle->model->vocabulary->items;
}

const char *lode_model_item(const lode_model *model, size_t index) {
    assert(index < lode_model_item_count(model));
    return lode__item_token(model->bundle->model->vocabulary, (uint32_t)index + 1);
}

const float *lode_model_item_vector(const lode_model *model, size_t index) {
    assert(index < lode_model_item_count(model));
    return model->items + index * model->dim;
}

const char *lode_model_item_title(const lode_model *model, const char *item) {
    const lode_vocabulary *vocabulary = model->bundle->model->vocabulary;
    return lode__item_title(vocabulary, lode__item_row(vocabulary, item));
}

size_t lode_model_user_count(const lode_model *model) {
    return model->data != NULL ? model->data->users.count : 0;
}

const char *lode_model_user(const lode_model *model, size_t index) {
    assert(index < lode_model_user_count(model));
    return lode__token(&model->data->users, (uint32_t)index);
}

size_t lode_model_history(const lode_model *model, const char *user, const char **items,
                          size_t capacity) {
    const uint32_t known =
        model->data != NULL ? lode__token_find(&model->data->users, user) : LODE_CODE_NONE;
    if (known == LODE_CODE_NONE) return 0;
    const lode_log *log = &model->split->log;
    const uint64_t first = log->offsets[known], last = log->offsets[known + 1];
    for (uint64_t at = first; at < last && at - first < capacity; at++) {
        items[at - first] = lode__token(&model->data->items, log->item[at]);
    }
    return (size_t)(last - first);
}

// --- session --------------------------------------------------------------------------------------------

lode_status lode_session_new(lode_session **out, const lode_model *model, size_t batch, size_t k,
                             lode_error *error) {
    if (batch < 1 || batch > MOST_QUERIES || k < 1 || k > MOST_CANDIDATES) {
        return lode__fail(error, LODE_E_USAGE,
                          "a session of %zu queries x %zu candidates: expected 1 to %d x 1 to %d",
                          batch, k, MOST_QUERIES, MOST_CANDIDATES);
    }
    lode_session *session = lode__alloc(1, sizeof *session);
    if (session == NULL) return lode__fail_memory(error);
    const lode_model_core *core = model->bundle->model;
    session->model = model;
    session->batch = batch;
    session->k = k;
    session->vectors = lode__alloc(batch * model->interests * model->dim, sizeof *session->vectors);
    session->scores = lode__alloc(batch * k, sizeof *session->scores);
    session->ids = lode__alloc(batch * k, sizeof *session->ids);
    session->starts = lode__alloc(batch + 1, sizeof *session->starts);
    session->states = lode__alloc(batch, sizeof *session->states);
    lode_status status = LODE_OK;
    if (session->vectors == NULL || session->scores == NULL || session->ids == NULL ||
        session->starts == NULL || session->states == NULL) {
        status = lode__fail_memory(error);
    }
    if (status == LODE_OK) {
        status = lode__encoder_new(&session->encoder, core, core->params, batch, NULL, error);
    }
    if (status == LODE_OK) {
        status = lode__searcher_new(&session->searcher, model->index,
                                    LODE_MAX(batch, model->interests), k, NULL, error);
    }
    if (status == LODE_OK) {
        status = lode__searcher_reserve(session->searcher, model->interests, error);
    }
    if (status != LODE_OK) {
        lode_session_free(&session);
    } else {
        *out = session;
    }
    return status;
}

void lode_session_free(lode_session **session) {
    if (session == NULL || *session == NULL) return;
    lode__encoder_free(&(*session)->encoder);
    lode__searcher_free(&(*session)->searcher);
    lode__free((*session)->vectors);
    lode__free((*session)->scores);
    lode__free((*session)->ids);
    lode__free((*session)->starts);
    lode__free((*session)->excluded);
    lode__free((*session)->states);
    lode__free(*session);
    *session = NULL;
}

/// Queries as the users of a view.
typedef struct lode_query_source {
    const lode_session *session;
    const lode_query *queries;
    lode_log_source known; ///< for users of the data set
} lode_query_source;

static bool has_own_history(const lode_query *query) {
    return query->history != NULL || query->user == NULL;
}

static size_t query_history(void *context, size_t index, size_t limit, uint32_t *rows) {
    lode_query_source *self = context;
    const lode_query *query = &self->queries[index];
    if (!has_own_history(query)) {
        return lode__log_source(&self->known).history(&self->known, index, limit, rows);
    }
    size_t count = 0;
    for (size_t at = query->history_count; at-- > 0 && count < limit;) {
        const uint32_t row =
            lode__item_row(self->session->model->bundle->model->vocabulary, query->history[at]);
        if (row != 0) rows[count++] = row;
    }
    return count;
}

/// Rows of the values that a query gives for a field as "name=value"; several for a multi-valued one.
static size_t given_values(const lode_query *query, const lode_field *field, size_t limit,
                           uint32_t *rows, bool *given) {
    const size_t length = strlen(field->name);
    size_t count = 0;
    *given = false;
    for (size_t i = 0; i < query->field_count; i++) {
        const char *text = query->fields[i];
        if (strncmp(text, field->name, length) != 0 || text[length] != '=') continue;
        *given = true;
        const uint32_t row = lode__field_row(field, text + length + 1);
        if (count < limit && (row != 0 || !field->multi)) rows[count++] = row;
    }
    return count;
}

static size_t query_values(void *context, size_t index, size_t number, size_t limit, uint32_t *rows) {
    lode_query_source *self = context;
    const lode_query *query = &self->queries[index];
    const lode_field *field = &self->session->model->bundle->model->vocabulary->fields[number];
    bool given;
    const size_t count = given_values(query, field, limit, rows, &given);
    if (given) return count;
    if (self->session->states[index].user != LODE_CODE_NONE) {
        return lode__log_source(&self->known).values(&self->known, index, number, limit, rows);
    }
    if (field->multi) return 0;
    rows[0] = 0;
    return 1;
}

/// Without times of the request a history of its own has no ages.
static size_t query_ages(void *context, size_t index, size_t limit, int64_t *ages) {
    lode_query_source *self = context;
    const lode_query *query = &self->queries[index];
    int64_t moment = query->now != 0 ? query->now : LODE_MOMENT_UNKNOWN;
    if (!has_own_history(query)) return lode__log_ages(&self->known, index, moment, limit, ages);
    const lode_vocabulary *vocabulary = self->session->model->bundle->model->vocabulary;
    for (size_t i = 0; i < query->history_count && query->times != NULL && query->now == 0; i++)
        moment = LODE_MAX(moment, query->times[i]);
    size_t count = 0;
    for (size_t at = query->history_count; at-- > 0 && count < limit;) {
        if (lode__item_row(vocabulary, query->history[at]) == 0) continue;
        ages[count++] =
            query->times != NULL ? lode__age_between(moment, query->times[at]) : LODE_AGE_UNKNOWN;
    }
    return count;
}

static lode_status find_users(lode_session *session, const lode_query *queries, size_t count,
                              lode_error *error) {
    const lode_model *model = session->model;
    for (size_t i = 0; i < count; i++) {
        session->states[i] = (lode_state){LODE_CODE_NONE, 0};
        if (queries[i].now < 0) {
            return lode__fail(
                error, LODE_E_USAGE,
                "a query's now is %lld: expected milliseconds since 1970, or 0 for the "
                "moment of the newest click",
                (long long)queries[i].now);
        }
        if (queries[i].user == NULL) continue;
        if (model->data == NULL) {
            return lode__fail(
                error, LODE_E_USAGE,
                "the query names user \"%s\", but the model was opened without a data set",
                queries[i].user);
        }
        const uint32_t user = lode__token_find(&model->data->users, queries[i].user);
        if (user == LODE_CODE_NONE) {
            return lode__fail(error, LODE_E_MISSING,
                              "user \"%s\" is not in %s; give a history instead", queries[i].user,
                              model->data->file.path);
        }
        session->states[i] = (lode_state){user, model->split->log.offsets[user + 1]};
    }
    return LODE_OK;
}

lode_status lode_session_encode(lode_session *session, const lode_query *queries, size_t count,
                                float *vectors, lode_error *error) {
    if (count > session->batch) {
        return lode__fail(error, LODE_E_USAGE, "%zu queries: this session takes at most %zu", count,
                          session->batch);
    }
    LODE_TRY(find_users(session, queries, count, error));
    lode_query_source self = {.session = session, .queries = queries};
    if (session->model->data != NULL) {
        self.known = (lode_log_source){session->model->binding, &session->model->split->log,
                                       session->states, false};
    }
    const lode_user_source source = {&self, query_history, query_values, query_ages};
    lode__encode_users(session->encoder, &source, count, vectors);
    return LODE_OK;
}

/// Item rows that must not be recommended to query i, behind those of the queries before it.
static lode_status exclude(lode_session *session, const lode_query *query, size_t i,
                           lode_error *error) {
    const lode_model *model = session->model;
    const lode_vocabulary *vocabulary = model->bundle->model->vocabulary;
    const bool own = has_own_history(query);
    const lode_state *state = &session->states[i];
    const uint64_t first = own ? 0 : model->split->log.offsets[state->user];
    const size_t seen = !query->exclude_seen ? 0
                        : own                ? query->history_count
                                             : (size_t)(state->end - first);
    size_t at = (size_t)session->starts[i];
    if (!lode__grow((void **)&session->excluded, &session->excluded_capacity,
                    at + seen + query->exclude_count, sizeof *session->excluded)) {
        return lode__fail_memory(error);
    }
    for (size_t s = 0; s < seen; s++) {
        const uint32_t row = own ? lode__item_row(vocabulary, query->history[s])
                                 : model->binding->item_row[model->split->log.item[first + s]];
        if (row != 0) session->excluded[at++] = row - 1;
    }
    for (size_t e = 0; e < query->exclude_count; e++) {
        const uint32_t row = lode__item_row(vocabulary, query->exclude[e]);
        if (row != 0) session->excluded[at++] = row - 1;
    }
    session->starts[i + 1] = at;
    return LODE_OK;
}

lode_status lode_session_recommend(lode_session *session, const lode_query *queries, size_t count,
                                   size_t k, lode_candidate *candidates, size_t *found,
                                   lode_error *error) {
    if (k > session->k) {
        return lode__fail(error, LODE_E_USAGE,
                          "%zu candidates a query: this session gives at most %zu", k, session->k);
    }
    LODE_TRY(lode_session_encode(session, queries, count, session->vectors, error));
    for (size_t i = 0; i < count; i++)
        LODE_TRY(exclude(session, &queries[i], i, error));
    const lode_excluded excluded = {.starts = session->starts, .ids = session->excluded};
    lode__searcher_search(session->searcher, &(lode_search){.queries = session->vectors,
                                                            .interests = session->model->interests,
                                                            .count = count,
                                                            .k = k,
                                                            .excluded = &excluded,
                                                            .ids = session->ids,
                                                            .scores = session->scores});
    for (size_t i = 0; i < count; i++) {
        found[i] = 0;
        for (size_t j = 0; j < k && session->ids[i * k + j] != LODE_NO_ITEM; j++) {
            candidates[i * k + j] =
                (lode_candidate){lode_model_item(session->model, session->ids[i * k + j]),
                                 session->scores[i * k + j]};
            found[i]++;
        }
    }
    return LODE_OK;
}
