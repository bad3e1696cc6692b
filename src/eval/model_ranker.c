#include "eval/model_ranker.h"

typedef struct lode_model_ranker {
    lode_encoder *encoder;
    const lode_binding *binding;
    lode_topk *topk;
    bool *allowed; ///< [model items] false: not in this data set
    float *items;  ///< [model items, dim]
    float *users;  ///< [batch, dim]
    float *scores; ///< [batch, k]
    lode_state *states;
    uint64_t *starts; ///< [batch + 1] of excluded
    uint32_t *excluded;
    size_t excluded_capacity;
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
            const uint32_t row = self->binding->item_row[log->item[click]];
            if (row != 0) self->excluded[at++] = row - 1;
        }
        self->starts[i + 1] = at;
    }
    return LODE_OK;
}

static lode_status rank(void *context, const lode_cases *cases, size_t begin, size_t count,
                        size_t k, bool exclude_seen, uint32_t *lists, lode_error *error) {
    lode_model_ranker *self = context;
    const lode_log *log = &cases->split->log;
    for (size_t done = 0; done < count;) {
        const size_t batch = LODE_MIN(count - done, self->encoder->batch);
        for (size_t i = 0; i < batch; i++)
            self->states[i] = cases->list[begin + done + i].state;
        lode_log_source source = {self->binding, log, self->states};
        const lode_user_source users = lode__log_source(&source);
        lode__encode_users(self->encoder, &users, batch, self->users);
        if (exclude_seen) LODE_TRY(collect_excluded(self, log, batch, error));
        const lode_excluded excluded = {exclude_seen ? self->starts : NULL, self->excluded};
        lode__topk_search(self->topk, self->users, batch, k, &excluded, lists + done * k,
                          self->scores);
        done += batch;
    }
    for (size_t i = 0; i < count * k; i++) {
        if (lists[i] != LODE_NO_ITEM) lists[i] = self->binding->item_of[lists[i] + 1];
    }
    return LODE_OK;
}

static void free_ranker(void *context) {
    lode_model_ranker *self = context;
    if (self == NULL) return;
    lode__topk_free(&self->topk);
    lode__free(self->allowed);
    lode__free(self->items);
    lode__free(self->users);
    lode__free(self->scores);
    lode__free(self->states);
    lode__free(self->starts);
    lode__free(self->excluded);
    lode__free(self);
}

lode_status lode__ranker_model(lode_ranker *ranker, lode_encoder *encoder,
                               const lode_binding *binding, size_t k, lode_pool *pool,
                               lode_error *error) {
    lode_model_ranker *self = lode__alloc(1, sizeof *self);
    if (self == NULL) return lode__fail_memory(error);
    const size_t items = binding->vocabulary->items, dim = encoder->dim, batch = encoder->batch;
    self->encoder = encoder;
    self->binding = binding;
    self->allowed = lode__alloc(items, sizeof *self->allowed);
    self->items = lode__alloc(items * dim, sizeof *self->items);
    self->users = lode__alloc(batch * dim, sizeof *self->users);
    self->scores = lode__alloc(batch * k, sizeof *self->scores);
    self->states = lode__alloc(batch, sizeof *self->states);
    self->starts = lode__alloc(batch + 1, sizeof *self->starts);
    lode_status status = LODE_OK;
    if (self->allowed == NULL || self->items == NULL || self->users == NULL ||
        self->scores == NULL || self->states == NULL || self->starts == NULL) {
        status = lode__fail_memory(error);
    } else {
        for (size_t i = 0; i < items; i++)
            self->allowed[i] = binding->item_of[i + 1] != LODE_CODE_NONE;
        status = lode__topk_new(&self->topk, self->items, items, dim, self->allowed, batch, k, pool,
                                error);
    }
    if (status != LODE_OK) {
        free_ranker(self);
        return status;
    }
    *ranker = (lode_ranker){"model", self, rank, NULL, free_ranker};
    return LODE_OK;
}

void lode__model_ranker_refresh(lode_ranker *ranker) {
    lode_model_ranker *self = ranker->self;
    lode__encode_items(self->encoder, self->items);
}
