/// Item-kNN: the neighbourhood baseline that a learned model has to beat.
///
/// s(i, j) = c_ij / sqrt(c_i c_j), where c_i counts the users with i in the training part and c_ij
/// those with both; repeated clicks count once. The counts of one row i are made by walking i's
/// users and their items, in integers, so they do not depend on who walks; each row keeps its most
/// similar `neighbours` (ties by lower index). A case's scores are added up in double in the order
/// of its history. Rows and cases are tasks that write to places of their own: the same bits at any
/// thread count.
#include "eval/pairs.h"
#include "eval/protocol.h"
#include "search/entry.h"

#include <math.h>
#include <stdlib.h>

#define ROWS  64 ///< rows of a task when the neighbours are made
#define CASES 16 ///< cases of a task when they are ranked

/// One thread's scratch memory over the items.
typedef struct worker {
    uint32_t *common; ///< [items] c_ij of the row i in progress; all 0 between rows
    double *score;    ///< [items] all 0 between cases
    bool *seen;       ///< [items] all false between cases
    uint32_t *touched;
    lode_entry *entries;
} worker;

typedef struct item_knn {
    uint32_t items;
    uint64_t *starts;  ///< [items + 1] room of each row
    uint32_t *lengths; ///< [items] how much of it is filled
    uint32_t *ids;
    float *similarity;
    worker *workers;
    lode_pool *pool;
    lode_arena arena;
    lode_pairs pairs; ///< while neighbours are made
    size_t neighbours;
    // the ranking or scoring in progress
    const lode_cases *cases;
    const lode_scoring *scoring;
    size_t begin, count, k;
    bool exclude_seen;
    uint32_t *lists;
} item_knn;

static void knn_free(void *self) {
    item_knn *knn = self;
    if (knn) {
        lode__pairs_release(&knn->pairs);
        lode__arena_release(&knn->arena);
        lode__free(knn);
    }
}

// ------------------------------------------------------------------------------------------------
// Neighbours
// ------------------------------------------------------------------------------------------------

/// Room for each row: no more than `neighbours`, nor than pairs that could be met.
static bool rows_plan(item_knn *knn) {
    const lode_pairs *pairs = &knn->pairs;
    const uint64_t most = LODE_MIN((uint64_t)knn->neighbours, (uint64_t)knn->items);
    uint64_t total = 0;
    for (uint32_t item = 0; item < knn->items; item++) {
        uint64_t met = 0;
        knn->starts[item] = total;
        for (uint64_t at = pairs->item_starts[item];
             at < pairs->item_starts[item + 1] && met < most; at++) {
            const uint32_t user = pairs->item_users[at];
            met += pairs->user_starts[user + 1] - pairs->user_starts[user] - 1;
        }
        total += LODE_MIN(met, most);
    }
    knn->starts[knn->items] = total;
    knn->ids = lode__arena_alloc(&knn->arena, total, sizeof *knn->ids);
    knn->similarity = lode__arena_alloc(&knn->arena, total, sizeof *knn->similarity);
    return knn->ids && knn->similarity;
}

/// Count the users that item i shares with every other; returns how many others were met.
static uint32_t row_count(const item_knn *knn, worker *own, uint32_t i) {
    const lode_pairs *pairs = &knn->pairs;
    uint32_t met = 0;
    for (uint64_t at = pairs->item_starts[i]; at < pairs->item_starts[i + 1]; at++) {
        const uint32_t user = pairs->item_users[at];
        for (uint64_t to = pairs->user_starts[user]; to < pairs->user_starts[user + 1]; to++) {
            const uint32_t j = pairs->user_items[to];
            own->touched[met] = j;
            met += own->common[j]++ == 0;
        }
    }
    return met;
}

static void row_make(item_knn *knn, worker *own, uint32_t i) {
    const uint64_t *starts = knn->pairs.item_starts;
    const double users_i = (double)(starts[i + 1] - starts[i]);
    const uint32_t met = row_count(knn, own, i);
    size_t count = 0;
    for (uint32_t t = 0; t < met; t++) {
        const uint32_t j = own->touched[t];
        const double users_j = (double)(starts[j + 1] - starts[j]);
        if (j != i) {
            const double similarity = (double)own->common[j] / sqrt(users_i * users_j);
            own->entries[count++] = lode__entry_make((float)similarity, j);
        }
        own->common[j] = 0;
    }
    const size_t room = (size_t)(knn->starts[i + 1] - knn->starts[i]);
    if (count > room && room > 0) {
        lode__entries_select(own->entries, count, room);
    }
    count = LODE_MIN(count, room);
    for (size_t n = 0; n < count; n++) {
        knn->ids[knn->starts[i] + n] = lode__entry_item(own->entries[n]);
        knn->similarity[knn->starts[i] + n] = lode__entry_score(own->entries[n]);
    }
    knn->lengths[i] = (uint32_t)count;
}

static void rows_task(void *context, size_t task, size_t thread) {
    item_knn *knn = context;
    const size_t end = LODE_MIN((size_t)knn->items, (task + 1) * ROWS);
    for (size_t item = task * ROWS; item < end; item++) {
        row_make(knn, &knn->workers[thread], (uint32_t)item);
    }
}

// ------------------------------------------------------------------------------------------------
// Ranking
// ------------------------------------------------------------------------------------------------

/// Add up the similarities to everything in the history; returns how many items have a score.
static uint32_t history_add(const item_knn *knn, worker *own, lode_state state) {
    const lode_log *log = &knn->cases->split->log;
    uint32_t met = 0;
    for (uint64_t at = log->offsets[state.user]; at < state.end; at++) {
        const uint32_t i = log->item[at];
        if (own->seen[i]) {
            continue;
        }
        own->seen[i] = true;
        for (uint64_t n = knn->starts[i]; n < knn->starts[i] + knn->lengths[i]; n++) {
            const uint32_t j = knn->ids[n];
            if (own->score[j] <= 0) {
                own->touched[met++] = j;
            }
            own->score[j] += (double)knn->similarity[n];
        }
    }
    return met;
}

static void case_rank(const item_knn *knn, worker *own, lode_state state, uint32_t *list) {
    const lode_log *log = &knn->cases->split->log;
    const uint32_t met = history_add(knn, own, state);
    size_t count = 0;
    for (uint32_t t = 0; t < met; t++) {
        const uint32_t j = own->touched[t];
        if (!knn->exclude_seen || !own->seen[j]) {
            own->entries[count++] = lode__entry_make((float)own->score[j], j);
        }
        own->score[j] = 0;
    }
    for (uint64_t at = log->offsets[state.user]; at < state.end; at++) {
        own->seen[log->item[at]] = false;
    }
    if (count > knn->k) {
        lode__entries_select(own->entries, count, knn->k);
        count = knn->k;
    }
    lode__entries_sort(own->entries, count);
    for (size_t rank = 0; rank < knn->k; rank++) {
        list[rank] = rank < count ? lode__entry_item(own->entries[rank]) : LODE_NO_ITEM;
    }
}

static void cases_task(void *context, size_t task, size_t thread) {
    const item_knn *knn = context;
    const size_t end = LODE_MIN(knn->count, (task + 1) * CASES);
    for (size_t i = task * CASES; i < end; i++) {
        case_rank(knn, &knn->workers[thread], knn->cases->list[knn->begin + i].state,
                  knn->lists + i * knn->k);
    }
}

static lode_status knn_rank(void *self, const lode_cases *cases, size_t begin, size_t count,
                            size_t k, bool exclude_seen, uint32_t *lists, lode_error *error) {
    item_knn *knn = self;
    (void)error;
    knn->cases = cases;
    knn->begin = begin;
    knn->count = count;
    knn->k = k;
    knn->exclude_seen = exclude_seen;
    knn->lists = lists;
    lode__pool_run(knn->pool, (count + CASES - 1) / CASES, cases_task, knn);
    return LODE_OK;
}

static void group_score(const item_knn *knn, worker *own, size_t group) {
    const lode_scoring *scoring = knn->scoring;
    const lode_log *log = &knn->cases->split->log;
    const lode_state state = scoring->states[group];
    const uint32_t met = history_add(knn, own, state);
    for (uint64_t i = scoring->starts[group]; i < scoring->starts[group + 1]; i++) {
        scoring->scores[i] = (float)own->score[scoring->items[i]];
    }
    for (uint32_t t = 0; t < met; t++) {
        own->score[own->touched[t]] = 0;
    }
    for (uint64_t at = log->offsets[state.user]; at < state.end; at++) {
        own->seen[log->item[at]] = false;
    }
}

static void groups_task(void *context, size_t task, size_t thread) {
    const item_knn *knn = context;
    const size_t end = LODE_MIN(knn->scoring->count, (task + 1) * CASES);
    for (size_t group = task * CASES; group < end; group++) {
        group_score(knn, &knn->workers[thread], group);
    }
}

static lode_status knn_score(void *self, const lode_cases *cases, const lode_scoring *scoring,
                             lode_error *error) {
    item_knn *knn = self;
    (void)error;
    knn->cases = cases;
    knn->scoring = scoring;
    lode__pool_run(knn->pool, (scoring->count + CASES - 1) / CASES, groups_task, knn);
    return LODE_OK;
}

static bool workers_make(item_knn *knn) {
    const size_t threads = lode__pool_threads(knn->pool), items = knn->items;
    lode_arena *arena = &knn->arena;
    knn->workers = lode__arena_alloc(arena, threads, sizeof *knn->workers);
    for (size_t i = 0; knn->workers && i < threads; i++) {
        worker *own = &knn->workers[i];
        own->common = lode__arena_alloc(arena, items, sizeof *own->common);
        own->score = lode__arena_alloc(arena, items, sizeof *own->score);
        own->seen = lode__arena_alloc(arena, items, sizeof *own->seen);
        own->touched = lode__arena_alloc(arena, items + 1, sizeof *own->touched);
        own->entries = lode__arena_alloc(arena, items, sizeof *own->entries);
        if (!own->common || !own->score || !own->seen || !own->touched || !own->entries) {
            return false;
        }
    }
    return knn->workers != NULL;
}

lode_status lode__ranker_item_knn(lode_ranker *ranker, const lode_split *split, size_t neighbours,
                                  lode_pool *pool, lode_error *error) {
    if (neighbours == 0) {
        return lode__fail(error, LODE_E_CONFIG, "item_knn: 0 neighbours, expected 1 or more");
    }
    item_knn *knn = lode__alloc(1, sizeof *knn);
    if (!knn) {
        return lode__fail_memory(error);
    }
    knn->items = split->log.items;
    knn->neighbours = neighbours;
    knn->pool = pool;
    knn->starts = lode__arena_alloc(&knn->arena, (size_t)knn->items + 1, sizeof *knn->starts);
    knn->lengths = lode__arena_alloc(&knn->arena, knn->items, sizeof *knn->lengths);
    if (!knn->starts || !knn->lengths || !workers_make(knn) ||
        lode__pairs_new(&knn->pairs, split, NULL) != LODE_OK || !rows_plan(knn)) {
        knn_free(knn);
        return lode__fail_memory(error);
    }
    lode__pool_run(pool, ((size_t)knn->items + ROWS - 1) / ROWS, rows_task, knn);
    lode__pairs_release(&knn->pairs);
    *ranker = (lode_ranker){"item_knn", knn, knn_rank, knn_score, knn_free, 0};
    return LODE_OK;
}
