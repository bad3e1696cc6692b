/// The loop that ranks cases and adds up metrics, in batches, so that memory does not grow with
/// users x items.
///
/// Full rankings come from the ranker as lists. Given candidates (drawn ones, exposures) come from
/// here: the batch's candidates are laid one case after the other, scored by the ranker in groups of
/// one state, and sorted. Ties are broken against the true items, so that a ranker that scores
/// everything alike gains nothing from the order in which candidates stand.
#include "base/clock.h"
#include "eval/progress.h"
#include "eval/protocol.h"

#include "search/entry.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    BATCH = 1024,         ///< cases, unless the ranker says otherwise
    GIVEN_BATCH = 1024,   ///< cases of a batch with given candidates, at most
    GIVEN_ROWS = 1 << 20, ///< candidates of such a batch, unless one case has more
    SORT_CASES = 16       ///< cases of a task
};

/// The candidates of a batch.
typedef struct given {
    const lode_cases *cases;
    lode_drawer *drawer; ///< or NULL: exposures
    size_t begin, count; ///< cases
    size_t k;
    uint32_t *items;
    float *scores;
    bool *clicked; ///< which are true
    lode_entry *entries;
    size_t items_room, scores_room, clicked_room, entries_room, starts_room, states_room;
    uint64_t *starts; ///< [groups + 1]
    lode_state *states;
    size_t groups;
    uint64_t *case_starts; ///< [GIVEN_BATCH + 1] into items
    uint32_t *drawn;       ///< [GIVEN_BATCH] negatives of each case while they are drawn
    size_t width;          ///< room of a case while they are drawn
    uint32_t *truth;       ///< [threads, largest_truth]
    uint32_t *lists;       ///< [GIVEN_BATCH, k]
    uint8_t *mark;         ///< exposures: [items] 1 = a candidate already, 2 = true
} given;

static lode_status report(const lode_hooks *hooks, const char *task, uint64_t done, uint64_t total,
                          double seconds, lode_error *error) {
    const lode_progress progress = {.task = task, .unit = "cases", .done = done, .total = total};
    return lode__eval_progress(hooks, &progress, seconds, error);
}

/// A case's list against its true items and against what the user clicks next.
static void list_add(const lode_cases *cases, size_t index, const uint32_t *list, size_t length,
                     uint32_t *truth, lode_metrics *metrics) {
    uint32_t next[LODE_NEXT_CLICKS];
    const size_t truths = lode__case_truth(cases, index, truth);
    const size_t clicks = lode__case_next(cases, index, next);
    lode__metrics_add(metrics, list, length, truth, truths);
    if (clicks > 0) {
        lode__metrics_add_next(metrics, list, length, next, clicks, lode__cases_next(cases) == 1);
    }
}

// ------------------------------------------------------------------------------------------------
// Full rankings
// ------------------------------------------------------------------------------------------------

static lode_status evaluate_full(const lode_cases *cases, const lode_ranker *ranker,
                                 bool exclude_seen, lode_metrics *metrics, const lode_hooks *hooks,
                                 const char *task, lode_error *error) {
    lode_status status = LODE_OK;
    const size_t k = metrics->cutoffs[metrics->cutoff_count - 1];
    const size_t batch = LODE_MIN(cases->count, ranker->batch > 0 ? ranker->batch : (size_t)BATCH);
    const double start = lode__clock();
    size_t entries = SIZE_MAX;
    (void)lode__size_mul(batch, k, &entries);
    uint32_t *lists = lode__alloc(entries, sizeof *lists);
    uint32_t *truth = lode__alloc(cases->largest_truth, sizeof *truth);
    if (!lists || !truth) {
        status = lode__fail_memory(error);
        goto done;
    }
    for (size_t begin = 0; begin < cases->count; begin += batch) {
        const size_t count = LODE_MIN(cases->count - begin, batch);
        LODE_GOTO(status,
                  ranker->rank(ranker->self, cases, begin, count, k, exclude_seen, lists, error),
                  done);
        for (size_t i = 0; i < count; i++) {
            list_add(cases, begin + i, lists + i * k, k, truth, metrics);
        }
        LODE_GOTO(status,
                  report(hooks, task, begin + count, cases->count, lode__clock() - start, error),
                  done);
    }
done:
    lode__free(truth);
    lode__free(lists);
    return status;
}

// ------------------------------------------------------------------------------------------------
// Given candidates: collecting
// ------------------------------------------------------------------------------------------------

static bool given_grow(given *own, size_t rows) {
    return lode__grow((void **)&own->items, &own->items_room, rows, sizeof *own->items) &&
           lode__grow((void **)&own->scores, &own->scores_room, rows, sizeof *own->scores) &&
           lode__grow((void **)&own->clicked, &own->clicked_room, rows, sizeof *own->clicked) &&
           lode__grow((void **)&own->entries, &own->entries_room, rows, sizeof *own->entries) &&
           lode__grow((void **)&own->starts, &own->starts_room, rows + 1, sizeof *own->starts) &&
           lode__grow((void **)&own->states, &own->states_room, rows, sizeof *own->states);
}

/// Draw the negatives of a task's cases, each into the room of its own.
static void draw_task(void *context, size_t task, size_t thread) {
    given *own = context;
    const size_t end = LODE_MIN(own->count, (task + 1) * SORT_CASES);
    uint32_t *truth = own->truth + thread * own->cases->largest_truth;
    for (size_t i = task * SORT_CASES; i < end; i++) {
        const size_t truths = lode__case_truth(own->cases, own->begin + i, truth);
        uint32_t *items = own->items + i * own->width;
        const size_t negatives =
            lode__drawer_draw(own->drawer, thread, own->begin + i, truth, truths, items);
        memcpy(items + negatives, truth, truths * sizeof *items);
        own->drawn[i] = (uint32_t)negatives;
        own->case_starts[i + 1] = negatives + truths; // a length, until all are known
    }
}

/// One group a case: drawn negatives, then the true items.
static lode_status collect_drawn(given *own, lode_error *error) {
    const lode_cases *cases = own->cases;
    own->width = cases->largest_truth + cases->protocol.negatives;
    size_t most = GIVEN_ROWS / own->width;
    most = LODE_MIN(LODE_MAX(most, (size_t)1), (size_t)GIVEN_BATCH);
    own->count = LODE_MIN(cases->count - own->begin, most);
    if (!given_grow(own, own->count * own->width)) {
        return lode__fail_memory(error);
    }
    lode__pool_run(cases->pool, (own->count + SORT_CASES - 1) / SORT_CASES, draw_task, own);
    own->case_starts[0] = own->starts[0] = 0;
    own->groups = own->count;
    for (size_t i = 0; i < own->count; i++) {
        const size_t at = own->case_starts[i], length = own->case_starts[i + 1];
        memmove(own->items + at, own->items + i * own->width, length * sizeof *own->items);
        for (size_t j = 0; j < length; j++) {
            own->clicked[at + j] = j >= own->drawn[i];
        }
        own->case_starts[i + 1] = own->starts[i + 1] = at + length;
        own->states[i] = cases->list[own->begin + i].state;
    }
    return LODE_OK;
}

/// What a user knew when a row was shown: the clicks strictly before it.
static uint64_t known_at(const lode_log *log, const lode_dataset *data, uint32_t user, uint64_t row) {
    uint64_t end = lode__click_at_row(log, user, row);
    while (log->time && end > log->offsets[user] && log->time[end - 1] >= data->time[row]) {
        end--;
    }
    return end;
}

/// A case's exposures, each item once, in groups of one state.
static lode_status exposures_add(given *own, size_t index, size_t *rows, lode_error *error) {
    const lode_cases *cases = own->cases;
    const lode_split *split = cases->split;
    const lode_dataset *data = split->data;
    const lode_state frozen = cases->list[index].state;
    const uint32_t user = frozen.user;
    const bool test = cases->part == LODE_PART_TEST;
    const uint64_t begin = test ? split->test_row[user] : split->valid_row[user];
    const uint64_t end = test ? data->offsets[user + 1] : split->test_row[user];
    const size_t first = *rows, truths = lode__case_truth(cases, index, own->truth);
    if (!given_grow(own, *rows + (end - begin))) {
        return lode__fail_memory(error);
    }
    const lode_case *one = &cases->list[index];
    for (uint64_t at = one->truth_begin; at < one->truth_end; at++) {
        own->mark[split->log.item[at]] = 1; // clicked, but no true item that counts: left out
    }
    for (size_t i = 0; i < truths; i++) {
        own->mark[own->truth[i]] = 2;
    }
    for (uint64_t row = begin; row < end; row++) {
        const uint32_t item = data->item[row];
        const bool labelled = !data->behaviour || data->behaviour[row] == LODE_CLICK ||
                              data->behaviour[row] == LODE_EXPOSURE;
        const bool dropped =
            cases->protocol.unseen == LODE_UNSEEN_DROP && split->item_count[item] == 0;
        if (!labelled || own->mark[item] == 1 || dropped) {
            continue;
        }
        const bool rolling = cases->protocol.history == LODE_HISTORY_ROLLING;
        const uint64_t known = rolling ? known_at(&split->log, data, user, row) : frozen.end;
        if (*rows == first || own->states[own->groups - 1].end != known) {
            own->states[own->groups++] = (lode_state){user, known};
        }
        own->clicked[*rows] = own->mark[item] == 2;
        own->mark[item] = 1;
        own->items[(*rows)++] = item;
        own->starts[own->groups] = *rows;
    }
    for (uint64_t at = one->truth_begin; at < one->truth_end; at++) {
        own->mark[split->log.item[at]] = 0;
    }
    for (size_t i = first; i < *rows; i++) {
        own->mark[own->items[i]] = 0;
    }
    return LODE_OK;
}

static lode_status collect_exposures(given *own, lode_error *error) {
    size_t rows = 0;
    own->count = own->groups = 0;
    if (!given_grow(own, 1)) {
        return lode__fail_memory(error);
    }
    own->starts[0] = own->case_starts[0] = 0;
    while (own->begin + own->count < own->cases->count && own->count < GIVEN_BATCH &&
           rows < GIVEN_ROWS) {
        LODE_TRY(exposures_add(own, own->begin + own->count, &rows, error));
        own->case_starts[++own->count] = rows;
    }
    return LODE_OK;
}

// ------------------------------------------------------------------------------------------------
// Given candidates: ranking
// ------------------------------------------------------------------------------------------------

/// The list of a case from its scores: best first, false ones first among equals.
static void case_sort(const given *own, size_t index) {
    const uint64_t first = own->case_starts[index];
    const uint32_t count = (uint32_t)(own->case_starts[index + 1] - first);
    lode_entry *entries = own->entries + first;
    uint32_t *list = own->lists + index * own->k;
    size_t listed = 0;
    for (uint32_t i = 0; i < count; i++) {
        float *score = &own->scores[first + i];
        if (!own->cases->candidate[own->items[first + i]] || isnan(*score)) {
            *score = -INFINITY;
        }
        if (*score > -INFINITY) { // the later of two equals has the larger number: true ones come last
            entries[listed++] = lode__entry_make(*score, own->clicked[first + i] ? count + i : i);
        }
    }
    const size_t most = LODE_MIN(listed, own->k);
    if (listed > most) {
        lode__entries_select(entries, listed, most);
    }
    lode__entries_sort(entries, most);
    for (size_t rank = 0; rank < own->k; rank++) {
        list[rank] = rank < most ? own->items[first + lode__entry_item(entries[rank]) % count]
                                 : LODE_NO_ITEM;
    }
}

static void sort_task(void *context, size_t task, size_t thread) {
    const given *own = context;
    const size_t end = LODE_MIN(own->count, (task + 1) * SORT_CASES);
    (void)thread;
    for (size_t i = task * SORT_CASES; i < end; i++) {
        case_sort(own, i);
    }
}

static lode_status given_step(given *own, const lode_ranker *ranker, lode_metrics *metrics,
                              lode_error *error) {
    LODE_TRY(own->drawer ? collect_drawn(own, error) : collect_exposures(own, error));
    const lode_scoring scoring = {own->states, own->starts, own->items, own->groups, own->scores};
    LODE_TRY(ranker->score(ranker->self, own->cases, &scoring, error));
    lode__pool_run(own->cases->pool, (own->count + SORT_CASES - 1) / SORT_CASES, sort_task, own);
    for (size_t i = 0; i < own->count; i++) {
        const size_t first = own->case_starts[i], rows = own->case_starts[i + 1] - first;
        list_add(own->cases, own->begin + i, own->lists + i * own->k, own->k, own->truth, metrics);
        lode__metrics_add_scores(metrics, own->scores + first, own->clicked + first, rows);
    }
    return LODE_OK;
}

static lode_status given_new(given *own, const lode_cases *cases, const lode_metrics *metrics,
                             lode_error *error) {
    const size_t threads = lode__pool_threads(cases->pool);
    own->cases = cases;
    own->k = metrics->cutoffs[metrics->cutoff_count - 1];
    size_t truth_room = SIZE_MAX, list_room = SIZE_MAX;
    (void)lode__size_mul(threads, cases->largest_truth, &truth_room);
    (void)lode__size_mul(GIVEN_BATCH, own->k, &list_room);
    own->case_starts = lode__alloc(GIVEN_BATCH + 1, sizeof *own->case_starts);
    own->drawn = lode__alloc(GIVEN_BATCH, sizeof *own->drawn);
    own->truth = lode__alloc(truth_room, sizeof *own->truth);
    own->lists = lode__alloc(list_room, sizeof *own->lists);
    own->mark = lode__alloc(cases->split->log.items, sizeof *own->mark);
    if (!own->case_starts || !own->drawn || !own->truth || !own->lists || !own->mark) {
        return lode__fail_memory(error);
    }
    return lode__protocol_sampled(&cases->protocol)
               ? lode__drawer_new(&own->drawer, cases, threads, error)
               : LODE_OK;
}

static void given_release(given *own) {
    lode__drawer_free(&own->drawer);
    lode__free(own->items);
    lode__free(own->scores);
    lode__free(own->clicked);
    lode__free(own->entries);
    lode__free(own->starts);
    lode__free(own->states);
    lode__free(own->case_starts);
    lode__free(own->drawn);
    lode__free(own->truth);
    lode__free(own->lists);
    lode__free(own->mark);
}

static lode_status evaluate_given(const lode_cases *cases, const lode_ranker *ranker,
                                  lode_metrics *metrics, const lode_hooks *hooks, const char *task,
                                  lode_error *error) {
    if (!ranker->score) {
        return lode__fail(error, LODE_E_MISMATCH,
                          "%s ranks all items only; protocol %s wants scores of given candidates",
                          ranker->name, cases->protocol.name);
    }
    given own = {0};
    const double start = lode__clock();
    lode_status status = given_new(&own, cases, metrics, error);
    while (status == LODE_OK && own.begin < cases->count) {
        LODE_GOTO(status, given_step(&own, ranker, metrics, error), done);
        own.begin += own.count;
        status = report(hooks, task, own.begin, cases->count, lode__clock() - start, error);
    }
done:
    given_release(&own);
    return status;
}

lode_status lode__evaluate(const lode_cases *cases, const lode_ranker *ranker, bool exclude_seen,
                           lode_metrics *metrics, const lode_hooks *hooks, const char *task,
                           lode_error *error) {
    const lode_candidate_mode mode = cases->protocol.candidates;
    if (mode == LODE_CANDIDATES_ALL || mode == LODE_CANDIDATES_CATALOGUE) {
        return evaluate_full(cases, ranker, exclude_seen, metrics, hooks, task, error);
    }
    return evaluate_given(cases, ranker, metrics, hooks, task, error);
}
