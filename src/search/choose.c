// Each kind in turn: build, look for the smallest effort that finds enough (doubling, then halving the last step), time
// it. An effort that is already slower than the best index so far ends the search for that kind.
#include "search/choose.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/order.h"

enum { REFINE = 3, FIRST_GRAPH = 32, TRUTH_BATCH = 256 };

typedef struct choosing {
    const lode_choice *choice;
    uint32_t *wanted, *found; ///< [query_count, k]
    float *scores;            ///< [query_count, k]
    uint64_t *nanoseconds;    ///< [query_count]
    double best;              ///< milliseconds of the fastest index that finds enough
    lode_arena arena;
} choosing;

double lode__recall(const uint32_t *wanted, const uint32_t *found, size_t count, size_t k) {
    size_t there = 0, hits = 0;
    for (size_t query = 0; query < count; query++) {
        const uint32_t *want = wanted + query * k, *got = found + query * k;
        for (size_t i = 0; i < k && want[i] != LODE_NO_ITEM; i++, there++) {
            for (size_t j = 0; j < k; j++) {
                if (got[j] != want[i]) continue;
                hits++;
                break;
            }
        }
    }
    return there > 0 ? (double)hits / (double)there : 1;
}

static size_t vectors_of(const lode_choice *choice) {
    return LODE_MAX(choice->interests, (size_t)1);
}

static lode_search search_of(const choosing *c, size_t query, size_t count, size_t effort,
                             uint32_t *ids) {
    const lode_choice *choice = c->choice;
    return (lode_search){.queries = choice->queries + query * vectors_of(choice) * choice->dim,
                         .interests = choice->interests,
                         .count = count,
                         .k = choice->k,
                         .effort = effort,
                         .ids = ids + query * choice->k,
                         .scores = c->scores + query * choice->k};
}

static lode_status find_truth(choosing *c, const lode_index *scan, lode_error *error) {
    const lode_choice *choice = c->choice;
    lode_searcher *searcher;
    LODE_TRY(lode__searcher_new(&searcher, scan, TRUTH_BATCH, choice->k, choice->pool, error));
    const lode_status status = lode__searcher_reserve(searcher, vectors_of(choice), error);
    for (size_t query = 0; query < choice->query_count && status == LODE_OK; query += TRUTH_BATCH) {
        const size_t count = LODE_MIN(choice->query_count - query, (size_t)TRUTH_BATCH);
        const lode_search search = search_of(c, query, count, 0, c->wanted);
        lode__searcher_search(searcher, &search);
    }
    lode__searcher_free(&searcher);
    return status;
}

/// Recall and median time of one effort, query by query on this thread.
static void measure(choosing *c, lode_searcher *searcher, size_t effort, lode_trial *trial) {
    const lode_choice *choice = c->choice;
    for (size_t query = 0; query < choice->query_count; query++) {
        const lode_search search = search_of(c, query, 1, effort, c->found);
        const double start = lode__clock();
        lode__searcher_search(searcher, &search);
        c->nanoseconds[query] = (uint64_t)((lode__clock() - start) * 1e9);
    }
    qsort(c->nanoseconds, choice->query_count, sizeof *c->nanoseconds, lode__rising_u64);
    trial->effort = effort;
    trial->milliseconds = (double)c->nanoseconds[choice->query_count / 2] * 1e-6;
    trial->recall = lode__recall(c->wanted, c->found, choice->query_count, choice->k);
    trial->enough = trial->recall >= choice->recall;
}

/// The smallest effort that is enough, as far as it can still win.
static void look_for_effort(choosing *c, lode_searcher *searcher, size_t first, size_t most,
                            lode_trial *trial) {
    size_t low = 0;
    for (size_t effort = first;; effort = LODE_MIN(2 * effort, most)) {
        measure(c, searcher, effort, trial);
        if (trial->enough || effort == most || trial->milliseconds > 2 * c->best) break;
        low = effort;
    }
    for (int step = 0; step < REFINE && trial->enough && trial->effort - low > 1; step++) {
        lode_trial lower = *trial;
        measure(c, searcher, low + (trial->effort - low) / 2, &lower);
        if (lower.enough) {
            *trial = lower;
        } else {
            low = lower.effort;
        }
    }
}

static lode_status try_index(choosing *c, const lode_index *index, lode_trial *trial,
                             lode_error *error) {
    const size_t items = c->choice->items;
    lode_searcher *searcher;
    const size_t vectors = vectors_of(c->choice);
    LODE_TRY(lode__searcher_new(&searcher, index, vectors, c->choice->k, NULL, error));
    const lode_status status = lode__searcher_reserve(searcher, vectors, error);
    if (status != LODE_OK) {
        lode__searcher_free(&searcher);
        return status;
    }
    if (trial->kind == LODE_INDEX_IVF) {
        look_for_effort(c, searcher, 1, items, trial); // more lists than there are: all of them
    } else if (trial->kind == LODE_INDEX_GRAPH) {
        look_for_effort(c, searcher, LODE_MIN((size_t)FIRST_GRAPH, items), items, trial);
    } else {
        measure(c, searcher, 0, trial);
    }
    lode__searcher_free(&searcher);
    trial->tried = true;
    return LODE_OK;
}

static lode_status announce(const lode_choice *choice, const char *name, lode_error *error) {
    const lode_progress progress = {.task = name, .unit = "indexes", .done = 0, .total = 1};
    if (choice->hooks != NULL && choice->hooks->progress != NULL &&
        choice->hooks->progress(choice->hooks->cookie, &progress) != 0)
        return lode__fail(error, LODE_E_STOPPED, "stopped; no index was written");
    return LODE_OK;
}

static lode_status run_kind(choosing *c, lode_index_kind kind, lode_trial *trial, lode_index **best,
                            lode_error *error) {
    static const char *const names[LODE_INDEX_KINDS] = {"exact", "scan", "ivf", "graph"};
    const lode_choice *choice = c->choice;
    const lode_index_options options = {.kind = kind, .seed = choice->seed};
    lode_index *index;
    LODE_TRY(announce(choice, names[kind], error));
    const double start = lode__clock();
    LODE_TRY(lode__index_build(&index, choice->vectors, choice->items, choice->dim, &options,
                               choice->pool, error));
    trial->build_seconds = lode__clock() - start;
    lode_status status = kind == LODE_INDEX_SCAN ? find_truth(c, index, error) : LODE_OK;
    if (status == LODE_OK) status = try_index(c, index, trial, error);
    if (status == LODE_OK && trial->enough && (*best == NULL || trial->milliseconds < c->best)) {
        lode__index_free(best);
        lode__index_set_effort(index, trial->effort);
        c->best = trial->milliseconds;
        *best = index;
        return LODE_OK;
    }
    lode__index_free(&index);
    return status;
}

static lode_status run(choosing *c, lode_trial *trials, lode_index **best, lode_error *error) {
    static const lode_index_kind order[] = {LODE_INDEX_SCAN, LODE_INDEX_EXACT, LODE_INDEX_IVF,
                                            LODE_INDEX_GRAPH};
    const lode_choice *choice = c->choice;
    size_t cells;
    if (!lode__size_mul(choice->query_count, choice->k, &cells)) return lode__fail_memory(error);
    c->wanted = lode__arena_alloc(&c->arena, cells, sizeof *c->wanted);
    c->found = lode__arena_alloc(&c->arena, cells, sizeof *c->found);
    c->scores = lode__arena_alloc(&c->arena, cells, sizeof *c->scores);
    c->nanoseconds = lode__arena_alloc(&c->arena, choice->query_count, sizeof *c->nanoseconds);
    if (!c->wanted || !c->found || !c->scores || !c->nanoseconds) return lode__fail_memory(error);
    for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
        const lode_index_kind kind = order[i];
        trials[kind].kind = kind;
        if (kind != LODE_INDEX_SCAN && !choice->kinds[kind]) continue;
        const bool rival = kind == LODE_INDEX_IVF || kind == LODE_INDEX_GRAPH;
        if (rival && choice->kinds[LODE_INDEX_SCAN] &&
            trials[LODE_INDEX_SCAN].milliseconds <= choice->quick)
            continue;
        LODE_TRY(run_kind(c, kind, &trials[kind], best, error));
        if (kind == LODE_INDEX_SCAN && !choice->kinds[kind]) { // only the truth was wanted
            lode__index_free(best);
            trials[kind].tried = false;
            c->best = (double)INFINITY;
        }
    }
    if (*best != NULL) return LODE_OK;
    return lode__fail(error, LODE_E_USAGE,
                      "no index of the kinds that may be tried finds %g of the best %zu; ask for "
                      "less, or let the "
                      "scan take part, which finds all",
                      choice->recall, choice->k);
}

lode_status lode__index_choose(lode_index **out, const lode_choice *choice, lode_trial *trials,
                               lode_error *error) {
    choosing c = {.choice = choice, .best = (double)INFINITY};
    assert(choice->query_count > 0 && choice->k > 0 && choice->items > 0);
    memset(trials, 0, LODE_INDEX_KINDS * sizeof *trials);
    *out = NULL;
    const lode_status status = run(&c, trials, out, error);
    lode__arena_release(&c.arena);
    if (status != LODE_OK) lode__index_free(out);
    return status;
}
