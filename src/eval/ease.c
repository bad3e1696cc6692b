/// EASE: a linear item-item model with a closed form, and on many sets as good as anything deep.
///
/// The training items get columns. X'X is counted row by row, which gives whole numbers (exact in float32 up to 2^24
/// users), and inverted in place (invert.h). B is never stored: B_ij = -P_ij / P_jj, so a case adds up rows of -P in the
/// order of its history and divides once. Rows, tiles and cases are tasks that write to places of their own: the same
/// bits at any thread count.
#include "eval/invert.h"
#include "eval/linear.h"
#include "eval/pairs.h"
#include "search/entry.h"

#include <math.h>
#include <stdlib.h>

#define ROWS   16 ///< rows of a task when pairs are counted
#define MIRROR 64 ///< rows of a task when the upper triangle is filled in
#define CASES  16 ///< cases of a task when they are ranked or scored
#define NONE   UINT32_MAX

/// One thread's scratch memory over the columns.
typedef struct worker {
    float *score;
    bool *seen; ///< all false between cases
    lode_entry *entries;
} worker;

typedef struct ease {
    const struct lode_kernels_f32 *kernels;
    lode_pool *pool;
    lode_arena arena;
    uint32_t count;      ///< training items
    uint32_t *column_of; ///< [items] or NONE
    uint32_t *item_of;   ///< [count]
    float *matrix;       ///< [count, count] -P
    size_t matrix_count;
    float *scale; ///< [count] 1 / P_jj
    worker *workers;
    lode_pairs pairs; ///< while they are counted
    // the ranking in progress
    const lode_cases *cases;
    size_t begin, number, k;
    bool exclude_seen;
    uint32_t *lists;
    const lode_scoring *scoring;
} ease;

static void ease_free(void *self) {
    ease *own = self;
    if (own) {
        lode__pairs_release(&own->pairs);
        lode__huge_free(own->matrix, own->matrix_count, sizeof *own->matrix);
        lode__arena_release(&own->arena);
        lode__free(own);
    }
}

uint64_t lode__ease_bytes(uint32_t train_items) {
    return (uint64_t)train_items * train_items * sizeof(float);
}

// ------------------------------------------------------------------------------------------------
// Fitting
// ------------------------------------------------------------------------------------------------

/// Rows of X'X: the items i shares users with, in the lower triangle.
static void count_task(void *context, size_t task, size_t thread) {
    ease *own = context;
    const lode_pairs *pairs = &own->pairs;
    const size_t end = LODE_MIN((size_t)own->count, (task + 1) * ROWS);
    (void)thread;
    for (size_t row = task * ROWS; row < end; row++) {
        const uint32_t i = own->item_of[row];
        float *out = own->matrix + row * own->count;
        for (uint64_t at = pairs->item_starts[i]; at < pairs->item_starts[i + 1]; at++) {
            const uint32_t user = pairs->item_users[at];
            for (uint64_t to = pairs->user_starts[user]; to < pairs->user_starts[user + 1]; to++) {
                const uint32_t j = pairs->user_items[to];
                if (j > i) {
                    break; // items rise, and columns with them
                }
                out[own->column_of[j]] += 1;
            }
        }
    }
}

/// The upper triangle from the lower one, in squares that fit the cache.
static void mirror_task(void *context, size_t task, size_t thread) {
    ease *own = context;
    const size_t n = own->count, first = task * MIRROR, end = LODE_MIN(n, first + MIRROR);
    (void)thread;
    for (size_t square = first; square < n; square += MIRROR) {
        const size_t last = LODE_MIN(n, square + MIRROR);
        for (size_t row = first; row < end; row++) {
            for (size_t column = LODE_MAX(row + 1, square); column < last; column++) {
                own->matrix[row * n + column] = own->matrix[column * n + row];
            }
        }
    }
}

static lode_status ease_fit(ease *own, const lode_split *split, double regularisation,
                            const lode_hooks *hooks, lode_error *error) {
    const size_t n = own->count;
    bool singular = false;
    LODE_TRY(lode__pairs_new(&own->pairs, split, error));
    lode__pool_run(own->pool, (n + ROWS - 1) / ROWS, count_task, own);
    lode__pairs_release(&own->pairs);
    for (size_t j = 0; j < n; j++) {
        own->matrix[j * n + j] += (float)regularisation;
    }
    LODE_TRY(lode__invert_negative(own->matrix, n, own->pool, hooks, &singular, error));
    for (size_t j = 0; j < n && !singular; j++) {
        own->scale[j] = -1 / own->matrix[j * n + j];
        singular = !(own->scale[j] > 0) || !isfinite(own->scale[j]);
    }
    if (singular) {
        return lode__fail(error, LODE_E_CONFIG,
                          "ease: the matrix of %zu items cannot be inverted with "
                          "eval.ease_regularisation %g; raise it",
                          n, regularisation);
    }
    lode__pool_run(own->pool, (n + MIRROR - 1) / MIRROR, mirror_task, own);
    return LODE_OK;
}

static bool ease_make(ease *own, const lode_split *split) {
    const uint32_t items = split->log.items;
    const size_t threads = lode__pool_threads(own->pool), n = split->train_items;
    lode_arena *arena = &own->arena;
    size_t entries = SIZE_MAX;
    (void)lode__size_mul(n, n, &entries);
    own->column_of = lode__arena_alloc(arena, items, sizeof *own->column_of);
    own->item_of = lode__arena_alloc(arena, n, sizeof *own->item_of);
    own->scale = lode__arena_alloc(arena, n, sizeof *own->scale);
    own->workers = lode__arena_alloc(arena, threads, sizeof *own->workers);
    own->matrix = lode__huge_alloc(entries, sizeof *own->matrix);
    own->matrix_count = entries;
    if (!own->column_of || !own->item_of || !own->scale || !own->workers || !own->matrix) {
        return false;
    }
    for (size_t i = 0; i < threads; i++) {
        worker *one = &own->workers[i];
        one->score = lode__arena_alloc(arena, n, sizeof *one->score);
        one->seen = lode__arena_alloc(arena, n, sizeof *one->seen);
        one->entries = lode__arena_alloc(arena, n, sizeof *one->entries);
        if (!one->score || !one->seen || !one->entries) {
            return false;
        }
    }
    for (uint32_t item = 0; item < items; item++) {
        own->column_of[item] = split->item_count[item] > 0 ? own->count : NONE;
        if (split->item_count[item] > 0) {
            own->item_of[own->count++] = item;
        }
    }
    return true;
}

// ------------------------------------------------------------------------------------------------
// Ranking and scoring
// ------------------------------------------------------------------------------------------------

/// score[j] = -sum of P_ij over the history without j itself; marks the history as seen.
static void history_add(const ease *own, worker *one, const lode_log *log, lode_state state) {
    const size_t n = own->count;
    for (size_t j = 0; j < n; j++) {
        one->score[j] = 0;
    }
    for (uint64_t at = log->offsets[state.user]; at < state.end; at++) {
        const uint32_t i = own->column_of[log->item[at]];
        if (i == NONE || one->seen[i]) {
            continue;
        }
        const float *row = own->matrix + i * n;
        one->seen[i] = true;
        own->kernels->add(i, row, one->score);
        own->kernels->add(n - i - 1, row + i + 1, one->score + i + 1);
    }
}

static void history_clear(const ease *own, worker *one, const lode_log *log, lode_state state) {
    for (uint64_t at = log->offsets[state.user]; at < state.end; at++) {
        if (own->column_of[log->item[at]] != NONE) {
            one->seen[own->column_of[log->item[at]]] = false;
        }
    }
}

static void case_rank(const ease *own, worker *one, lode_state state, uint32_t *list) {
    const lode_log *log = &own->cases->split->log;
    size_t count = 0;
    history_add(own, one, log, state);
    for (uint32_t j = 0; j < own->count; j++) {
        if (!own->exclude_seen || !one->seen[j]) {
            one->entries[count++] = lode__entry_make(one->score[j] * own->scale[j], own->item_of[j]);
        }
    }
    history_clear(own, one, log, state);
    if (count > own->k) {
        lode__entries_select(one->entries, count, own->k);
        count = own->k;
    }
    lode__entries_sort(one->entries, count);
    for (size_t rank = 0; rank < own->k; rank++) {
        list[rank] = rank < count ? lode__entry_item(one->entries[rank]) : LODE_NO_ITEM;
    }
}

static void rank_task(void *context, size_t task, size_t thread) {
    const ease *own = context;
    const size_t end = LODE_MIN(own->number, (task + 1) * CASES);
    for (size_t i = task * CASES; i < end; i++) {
        case_rank(own, &own->workers[thread], own->cases->list[own->begin + i].state,
                  own->lists + i * own->k);
    }
}

static lode_status ease_rank(void *self, const lode_cases *cases, size_t begin, size_t count,
                             size_t k, bool exclude_seen, uint32_t *lists, lode_error *error) {
    ease *own = self;
    (void)error;
    own->cases = cases;
    own->begin = begin;
    own->number = count;
    own->k = k;
    own->exclude_seen = exclude_seen;
    own->lists = lists;
    lode__pool_run(own->pool, (count + CASES - 1) / CASES, rank_task, own);
    return LODE_OK;
}

static void score_task(void *context, size_t task, size_t thread) {
    const ease *own = context;
    const lode_scoring *scoring = own->scoring;
    worker *one = &own->workers[thread];
    const lode_log *log = &own->cases->split->log;
    const size_t end = LODE_MIN(scoring->count, (task + 1) * CASES);
    for (size_t g = task * CASES; g < end; g++) {
        history_add(own, one, log, scoring->states[g]);
        history_clear(own, one, log, scoring->states[g]);
        for (uint64_t at = scoring->starts[g]; at < scoring->starts[g + 1]; at++) {
            const uint32_t j = own->column_of[scoring->items[at]];
            scoring->scores[at] = j == NONE ? -INFINITY : one->score[j] * own->scale[j];
        }
    }
}

static lode_status ease_score(void *self, const lode_cases *cases, const lode_scoring *scoring,
                              lode_error *error) {
    ease *own = self;
    (void)error;
    own->cases = cases;
    own->scoring = scoring;
    lode__pool_run(own->pool, (scoring->count + CASES - 1) / CASES, score_task, own);
    return LODE_OK;
}

double lode__ease_weight(const lode_ranker *ranker, uint32_t i, uint32_t j) {
    const ease *own = ranker->self;
    const uint32_t row = own->column_of[i], column = own->column_of[j];
    if (row == NONE || column == NONE || row == column) {
        return 0;
    }
    return (double)own->matrix[(size_t)row * own->count + column] * (double)own->scale[column];
}

lode_status lode__ranker_ease(lode_ranker *ranker, const lode_split *split, double regularisation,
                              lode_pool *pool, const lode_hooks *hooks, lode_error *error) {
    ease *own = lode__alloc(1, sizeof *own);
    if (!own) {
        return lode__fail_memory(error);
    }
    own->kernels = lode__kernels_f32();
    own->pool = pool;
    lode_status status = ease_make(own, split) ? LODE_OK : lode__fail_memory(error);
    if (status == LODE_OK) {
        status = ease_fit(own, split, regularisation, hooks, error);
    }
    if (status != LODE_OK) {
        ease_free(own);
        return status;
    }
    *ranker = (lode_ranker){"ease", own, ease_rank, ease_score, ease_free, 0};
    return LODE_OK;
}
