#include "train/ahead.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>

/// What user views ask for, `each` numbers an example, of which count[i] are used.
typedef struct lode_rows {
    uint32_t *rows, *count;
    size_t each;
} lode_rows;

typedef struct lode_gathered {
    lode_batcher batcher;
    lode_rows history, fields[LODE_FIELDS]; ///< fields: of users and contexts
    int64_t *ages; ///< of clicks, as `history`; NULL unless the tower wants them
    uint64_t epoch, step;
    bool valid;
} lode_gathered;

struct lode_ahead {
    lode_gathered sets[2];
    size_t current; ///< the set that was taken last; the other one is the thread's while `busy`
    uint64_t seed, steps;
    lode_arena arena;
    pthread_t thread;
    bool started;
    pthread_mutex_t mutex;
    pthread_cond_t wake, done;
    bool busy, stop;
    size_t missed;
};

// --- gathering --------------------------------------------------------------------------------------------

static lode_log_source log_of(const lode_batcher *batcher) {
    return (lode_log_source){batcher->binding, &batcher->examples->split->log,
                             batcher->example_state, false};
}

static void gather(const lode_ahead *ahead, lode_gathered *set, uint64_t epoch, uint64_t step) {
    lode_batcher *batcher = &set->batcher;
    lode__batcher_gather(batcher, ahead->seed, epoch, step);
    lode_log_source log = log_of(batcher);
    const lode_user_source source = lode__log_source(&log);
    lode_rows *history = &set->history;
    for (size_t i = 0; i < batcher->example_count; i++) {
        history->count[i] = (uint32_t)lode__batcher_history(batcher, i, history->each,
                                                            history->rows + i * history->each);
    }
    for (size_t i = 0; i < batcher->example_count && set->ages != NULL; i++)
        (void)source.ages(source.self, i, history->each, set->ages + i * history->each);
    for (size_t f = 0; f < batcher->binding->vocabulary->count; f++) {
        lode_rows *field = &set->fields[f];
        for (size_t i = 0; i < batcher->example_count && field->each > 0; i++) {
            field->count[i] = (uint32_t)source.values(source.self, i, f, field->each,
                                                      field->rows + i * field->each);
        }
    }
    set->epoch = epoch;
    set->step = step;
    set->valid = true;
}

static size_t copy_rows(const lode_rows *from, size_t index, size_t limit, uint32_t *rows) {
    const size_t count = LODE_MIN((size_t)from->count[index], limit);
    memcpy(rows, from->rows + index * from->each, count * sizeof *rows);
    return count;
}

static size_t history(void *self, size_t index, size_t limit, uint32_t *rows) {
    const lode_ahead *ahead = self;
    return copy_rows(&ahead->sets[ahead->current].history, index, limit, rows);
}

static size_t values(void *self, size_t index, size_t field, size_t limit, uint32_t *rows) {
    const lode_ahead *ahead = self;
    return copy_rows(&ahead->sets[ahead->current].fields[field], index, limit, rows);
}

static size_t ages(void *self, size_t index, size_t limit, int64_t *out) {
    const lode_ahead *ahead = self;
    const lode_gathered *set = &ahead->sets[ahead->current];
    const size_t count = LODE_MIN((size_t)set->history.count[index], limit);
    memcpy(out, set->ages + index * set->history.each, count * sizeof *out);
    return count;
}

lode_user_source lode__ahead_source(lode_ahead *ahead) {
    const bool aged = ahead->sets[0].ages != NULL;
    return (lode_user_source){ahead, history, values, aged ? ages : NULL};
}

// --- the thread -------------------------------------------------------------------------------------------

static void *work(void *argument) {
    lode_ahead *ahead = argument;
    (void)pthread_mutex_lock(&ahead->mutex);
    for (;;) {
        while (!ahead->busy && !ahead->stop)
            (void)pthread_cond_wait(&ahead->wake, &ahead->mutex);
        if (ahead->stop) break;
        const lode_gathered *now = &ahead->sets[ahead->current];
        lode_gathered *next = &ahead->sets[1 - ahead->current];
        const bool last = now->step + 1 >= ahead->steps;
        const uint64_t epoch = now->epoch + last, step = last ? 0 : now->step + 1;
        (void)pthread_mutex_unlock(&ahead->mutex);
        gather(ahead, next, epoch, step);
        (void)pthread_mutex_lock(&ahead->mutex);
        ahead->busy = false;
        (void)pthread_cond_signal(&ahead->done);
    }
    (void)pthread_mutex_unlock(&ahead->mutex);
    return NULL;
}

const lode_batcher *lode__ahead_take(lode_ahead *ahead, uint64_t epoch, uint64_t step) {
    (void)pthread_mutex_lock(&ahead->mutex);
    while (ahead->busy)
        (void)pthread_cond_wait(&ahead->done, &ahead->mutex);
    lode_gathered *next = &ahead->sets[1 - ahead->current];
    if (!next->valid || next->epoch != epoch || next->step != step) {
        gather(ahead, next, epoch, step);
        ahead->missed++;
    }
    ahead->current = 1 - ahead->current;
    ahead->sets[1 - ahead->current].valid = false;
    ahead->busy = ahead->started;
    (void)pthread_cond_signal(&ahead->wake);
    (void)pthread_mutex_unlock(&ahead->mutex);
    return &ahead->sets[ahead->current].batcher;
}

size_t lode__ahead_missed(const lode_ahead *ahead) {
    return ahead->missed;
}

/// Signals are the business of the caller's threads. Without a thread everything is gathered when it is asked for.
static void start(lode_ahead *ahead) {
    sigset_t all, before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    ahead->started = pthread_create(&ahead->thread, NULL, work, ahead) == 0;
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static bool rows_new(lode_rows *rows, size_t batch, size_t each, lode_arena *arena) {
    rows->each = each;
    rows->count = lode__arena_alloc(arena, batch, sizeof *rows->count);
    rows->rows = lode__arena_alloc(arena, batch, each * sizeof *rows->rows);
    return rows->count != NULL && rows->rows != NULL;
}

static lode_status set_new(lode_gathered *set, const lode_batcher *pattern, size_t history_length,
                           lode_arena *arena, lode_error *error) {
    LODE_TRY(lode__batcher_new(&set->batcher, pattern->examples, pattern->binding, pattern->batch,
                               pattern->history, arena, error));
    const lode_vocabulary *vocabulary = pattern->binding->vocabulary;
    bool good = rows_new(&set->history, pattern->batch, history_length, arena);
    if (pattern->ages) {
        set->ages = lode__arena_alloc(arena, pattern->batch, history_length * sizeof *set->ages);
        good = good && set->ages != NULL;
    }
    for (size_t f = 0; f < vocabulary->count && good; f++) {
        const lode_field *field = &vocabulary->fields[f];
        if (field->side == LODE_SIDE_ITEM) continue;
        good = rows_new(&set->fields[f], pattern->batch, LODE_MAX(field->longest, (size_t)1), arena);
    }
    return good ? LODE_OK : lode__fail_memory(error);
}

lode_status lode__ahead_new(lode_ahead **out, const lode_batcher *pattern, size_t history_length,
                            uint64_t seed, uint64_t steps, bool thread, lode_error *error) {
    lode_ahead *ahead = lode__alloc(1, sizeof *ahead);
    if (ahead == NULL) return lode__fail_memory(error);
    ahead->seed = seed;
    ahead->steps = steps;
    (void)pthread_mutex_init(&ahead->mutex, NULL);
    (void)pthread_cond_init(&ahead->wake, NULL);
    (void)pthread_cond_init(&ahead->done, NULL);
    lode_status status = LODE_OK;
    for (size_t i = 0; i < 2 && status == LODE_OK; i++)
        status = set_new(&ahead->sets[i], pattern, history_length, &ahead->arena, error);
    if (status != LODE_OK) {
        lode__ahead_free(&ahead);
        return status;
    }
    if (thread) start(ahead);
    *out = ahead;
    return LODE_OK;
}

void lode__ahead_free(lode_ahead **ahead) {
    lode_ahead *self = *ahead;
    if (self == NULL) return;
    (void)pthread_mutex_lock(&self->mutex);
    self->stop = true;
    (void)pthread_cond_signal(&self->wake);
    (void)pthread_mutex_unlock(&self->mutex);
    if (self->started) (void)pthread_join(self->thread, NULL);
    (void)pthread_cond_destroy(&self->wake);
    (void)pthread_cond_destroy(&self->done);
    (void)pthread_mutex_destroy(&self->mutex);
    lode__arena_release(&self->arena);
    lode__free(self);
    *ahead = NULL;
}
