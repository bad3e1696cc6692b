/// The vectors are those of the model items, then those of the cold items (model/cold.c) where the binding has
/// them; place p of both lists together is data item `item_at[p]`. Cases say which items are candidates.
#include "eval/model_ranker.h"

#include <math.h>
#include <string.h>

#include "search/searcher.h"

#define NO_PLACE UINT32_MAX

enum { SCORE_GROUPS = 16 };

typedef struct lode_model_ranker {
    lode_encoder *encoder;
    const lode_binding *binding;
    lode_pool *pool;
    lode_index *index; ///< over `items`; NULL: they have changed
    lode_searcher *searcher;
    size_t places;
    uint32_t *item_at; ///< [places] data item, or LODE_CODE_NONE: not in this data set
    uint32_t *place;   ///< [data items] or NO_PLACE
    uint64_t *allowed; ///< a bit a place: candidates of the cases at hand
    size_t longest;    ///< list
    float *items;      ///< [places, dim]
    float *users;      ///< [batch, dim]
    float *scores;     ///< [batch, k]
    lode_state *states;
    uint64_t *starts; ///< [batch + 1] of excluded
    uint32_t *excluded;
    size_t excluded_capacity;
    bool sequence; ///< the user tower reads histories
    // the scoring in progress
    const lode_scoring *scoring;
    size_t first_group, group_count;
} lode_model_ranker;

static lode_status collect_excluded(lode_model_ranker *self, const lode_log *log, size_t count,
                                    lode_error *error) {
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        const lode_state *state = &self->states[i];
        const uint64_t first = log->offsets[state->user];
        if (!lode__grow((void **)&self->excluded, &self->excluded_capacity,
                        at + (state->end - first), sizeof *self->excluded)) {
            return lode__fail_memory(error);
        }
        for (uint64_t click = first; click < state->end; click++) {
            const uint32_t place = self->place[log->item[click]];
            if (place != NO_PLACE) self->excluded[at++] = place;
        }
        self->starts[i + 1] = at;
    }
    return LODE_OK;
}

static void encode_states(lode_model_ranker *self, const lode_cases *cases, size_t count) {
    lode_log_source source = {.binding = self->binding,
                              .log = &cases->split->log,
                              .states = self->states,
                              .no_context = cases->truth_items != NULL ||
                                            cases->protocol.candidates == LODE_CANDIDATES_EXPOSURES};
    const lode_user_source users = lode__log_source(&source);
    lode__encode_users(self->encoder, &users, count, self->users);
}

/// The index follows the vectors when lists are first asked for: scoring given candidates needs none.
static lode_status index_items(lode_model_ranker *self, lode_error *error) {
    if (self->index != NULL) return LODE_OK;
    const lode_index_options options = {.kind = LODE_INDEX_SCAN, .borrow = true};
    LODE_TRY(lode__index_build(&self->index, self->items, self->places, self->encoder->dim,
                               &options, self->pool, error));
    return lode__searcher_new(&self->searcher, self->index, self->encoder->batch, self->longest,
                              self->pool, error);
}

static void forget_index(lode_model_ranker *self) {
    lode__searcher_free(&self->searcher);
    lode__index_free(&self->index);
}

static lode_status rank(void *context, const lode_cases *cases, size_t begin, size_t count,
                        size_t k, bool exclude_seen, uint32_t *lists, lode_error *error) {
    lode_model_ranker *self = context;
    const lode_log *log = &cases->split->log;
    if (cases->protocol.sequence_keeps_seen && self->sequence) exclude_seen = false;
    const lode_status status = index_items(self, error);
    if (status != LODE_OK) {
        forget_index(self);
        return status;
    }
    memset(self->allowed, 0, (self->places / 64 + 1) * sizeof *self->allowed);
    for (size_t p = 0; p < self->places; p++) {
        const uint32_t item = self->item_at[p];
        if (item != LODE_CODE_NONE && cases->candidate[item])
            self->allowed[p / 64] |= (uint64_t)1 << (p % 64);
    }
    for (size_t done = 0; done < count;) {
        const size_t batch = LODE_MIN(count - done, self->encoder->batch);
        for (size_t i = 0; i < batch; i++)
            self->states[i] = cases->list[begin + done + i].state;
        encode_states(self, cases, batch);
        if (exclude_seen) LODE_TRY(collect_excluded(self, log, batch, error));
        const lode_excluded excluded = {exclude_seen ? self->starts : NULL, self->excluded};
        lode__searcher_search(self->searcher, &(lode_search){.queries = self->users,
                                                             .count = batch,
                                                             .k = k,
                                                             .allowed = self->allowed,
                                                             .excluded = &excluded,
                                                             .ids = lists + done * k,
                                                             .scores = self->scores});
        done += batch;
    }
    for (size_t i = 0; i < count * k; i++) {
        if (lists[i] != LODE_NO_ITEM) lists[i] = self->item_at[lists[i]];
    }
    return LODE_OK;
}

static void score_task(void *context, size_t task, size_t thread) {
    const lode_model_ranker *self = context;
    const lode_scoring *scoring = self->scoring;
    const size_t dim = self->encoder->dim;
    const size_t end = LODE_MIN(self->group_count, (task + 1) * SCORE_GROUPS);
    const struct lode_kernels_f32 *kernels = lode__kernels_f32();
    (void)thread;
    for (size_t g = task * SCORE_GROUPS; g < end; g++) {
        const size_t group = self->first_group + g;
        for (uint64_t i = scoring->starts[group]; i < scoring->starts[group + 1]; i++) {
            const uint32_t place = self->place[scoring->items[i]];
            scoring->scores[i] =
                place == NO_PLACE
                    ? -INFINITY
                    : kernels->dot(dim, self->users + g * dim, self->items + (size_t)place * dim);
        }
    }
}

static lode_status score(void *context, const lode_cases *cases, const lode_scoring *scoring,
                         lode_error *error) {
    lode_model_ranker *self = context;
    (void)error;
    self->scoring = scoring;
    for (size_t first = 0; first < scoring->count; first += self->group_count) {
        self->first_group = first;
        self->group_count = LODE_MIN(scoring->count - first, self->encoder->batch);
        for (size_t g = 0; g < self->group_count; g++)
            self->states[g] = scoring->states[first + g];
        encode_states(self, cases, self->group_count);
        lode__pool_run(self->pool, (self->group_count + SCORE_GROUPS - 1) / SCORE_GROUPS,
                       score_task, self);
    }
    return LODE_OK;
}

static void free_ranker(void *context) {
    lode_model_ranker *self = context;
    if (self == NULL) return;
    forget_index(self);
    lode__free(self->item_at);
    lode__free(self->place);
    lode__free(self->allowed);
    lode__free(self->items);
    lode__free(self->users);
    lode__free(self->scores);
    lode__free(self->states);
    lode__free(self->starts);
    lode__free(self->excluded);
    lode__free(self);
}

static void fill_places(lode_model_ranker *self) {
    const lode_binding *binding = self->binding;
    const uint32_t known = binding->vocabulary->items;
    for (uint32_t item = 0; item < binding->data->items.count; item++)
        self->place[item] = NO_PLACE;
    for (size_t p = 0; p < self->places; p++) {
        self->item_at[p] = p < known ? binding->item_of[p + 1] : binding->cold_items[p - known];
        if (self->item_at[p] != LODE_CODE_NONE) self->place[self->item_at[p]] = (uint32_t)p;
    }
}

static lode_status make(lode_model_ranker *self, size_t k, lode_error *error) {
    const lode_binding *binding = self->binding;
    const size_t dim = self->encoder->dim, batch = self->encoder->batch;
    const size_t items = binding->data->items.count;
    self->places = (size_t)binding->vocabulary->items + binding->cold_count;
    self->item_at = lode__alloc(self->places, sizeof *self->item_at);
    self->place = lode__alloc(items, sizeof *self->place);
    self->allowed = lode__alloc(self->places / 64 + 1, sizeof *self->allowed);
    self->longest = k;
    self->items = lode__alloc(self->places * dim, sizeof *self->items);
    self->users = lode__alloc(batch * dim, sizeof *self->users);
    self->scores = lode__alloc(batch * k, sizeof *self->scores);
    self->states = lode__alloc(batch, sizeof *self->states);
    self->starts = lode__alloc(batch + 1, sizeof *self->starts);
    if (self->item_at == NULL || self->place == NULL || self->allowed == NULL ||
        self->items == NULL || self->users == NULL || self->scores == NULL ||
        self->states == NULL || self->starts == NULL) {
        return lode__fail_memory(error);
    }
    fill_places(self);
    return LODE_OK;
}

lode_status lode__ranker_model(lode_ranker *ranker, lode_encoder *encoder,
                               const lode_binding *binding, size_t k, lode_pool *pool,
                               lode_error *error) {
    lode_model_ranker *self = lode__alloc(1, sizeof *self);
    if (self == NULL) return lode__fail_memory(error);
    const lode_tower *user = &encoder->model->user;
    self->encoder = encoder;
    self->binding = binding;
    self->pool = pool;
    self->sequence = user->type->reads_history == NULL || user->type->reads_history(user->config);
    const lode_status status = make(self, k, error);
    if (status != LODE_OK) {
        free_ranker(self);
        return status;
    }
    *ranker = (lode_ranker){"model", self, rank, score, free_ranker};
    return LODE_OK;
}

void lode__model_ranker_refresh(lode_ranker *ranker) {
    lode_model_ranker *self = ranker->self;
    const size_t known = self->binding->vocabulary->items;
    forget_index(self);
    lode__encode_items(self->encoder, self->items);
    if (self->binding->cold_count > 0)
        lode__encode_cold(self->encoder, self->binding, self->items + known * self->encoder->dim);
}

const float *lode__model_ranker_items(const lode_ranker *ranker) {
    const lode_model_ranker *self = ranker->self;
    return self->items;
}
