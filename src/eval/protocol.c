/// Protocols, their cases, and the loop that ranks them.
///
/// A case costs a state and two positions; nothing of the log is copied. Cases are ranked in
/// batches of BATCH, so memory does not grow with users x items.
#include "eval/protocol.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BATCH 1024

static const lode_protocol protocols[] = {
    {"leave_one_out", LODE_SPLIT_LEAVE_ONE_OUT, LODE_HISTORY_FROZEN, LODE_UNSEEN_MISS, true, false,
     "Each user's last click is found among all items, from everything before it. Items the user "
     "clicked before are left out; a true item that training never saw counts as a miss."},
    {"micrec", LODE_SPLIT_CHRONOLOGICAL, LODE_HISTORY_ROLLING, LODE_UNSEEN_DROP, false, true,
     "Every click after one moment in time is found among all items, from the clicks before it "
     "(those of the test included). Items clicked before may be recommended again (the other "
     "choice "
     "is printed too); test clicks on items that training never saw are dropped."},
};

const lode_protocol *lode__protocol_at(size_t index) {
    return index < sizeof protocols / sizeof *protocols ? &protocols[index] : NULL;
}

const lode_protocol *lode__protocol_find(const char *name) {
    for (size_t i = 0; lode__protocol_at(i); i++) {
        if (strcmp(protocols[i].name, name) == 0) {
            return &protocols[i];
        }
    }
    return NULL;
}

// ------------------------------------------------------------------------------------------------
// Cases
// ------------------------------------------------------------------------------------------------

static bool click_unseen(const lode_split *split, uint64_t at) {
    return split->item_count[split->log.item[at]] == 0;
}

/// Add a case if anything is left to find; with `list` NULL only count it.
static void case_add(lode_cases *cases, lode_case one) {
    uint64_t unseen = 0;
    for (uint64_t at = one.truth_begin; at < one.truth_end; at++) {
        unseen += click_unseen(cases->split, at);
    }
    const uint64_t clicks = one.truth_end - one.truth_begin;
    const bool drop = cases->protocol.unseen == LODE_UNSEEN_DROP;
    cases->dropped += drop ? unseen : 0;
    if (clicks == 0 || (drop && unseen == clicks)) {
        return;
    }
    cases->missed += cases->protocol.unseen == LODE_UNSEEN_MISS ? unseen : 0;
    cases->largest_truth = LODE_MAX(cases->largest_truth, (size_t)clicks);
    if (cases->list) {
        cases->list[cases->count] = one;
    }
    cases->count++;
}

static void cases_walk(lode_cases *cases, lode_part part) {
    const lode_split *split = cases->split;
    cases->count = cases->largest_truth = 0;
    cases->dropped = cases->missed = 0;
    for (uint32_t user = 0; user < split->log.users; user++) {
        const bool test = part == LODE_PART_TEST;
        const uint64_t begin = test ? split->test_begin[user] : split->valid_begin[user];
        const uint64_t end = test ? split->log.offsets[user + 1] : split->valid_end[user];
        if (cases->protocol.history == LODE_HISTORY_FROZEN) {
            case_add(cases, (lode_case){{user, begin}, begin, end});
            continue;
        }
        for (uint64_t at = begin; at < end; at++) {
            case_add(cases, (lode_case){{user, at}, at, at + 1});
        }
    }
}

lode_status lode__cases_new(lode_cases *cases, const lode_split *split,
                            const lode_protocol *protocol, lode_part part, lode_error *error) {
    memset(cases, 0, sizeof *cases);
    if (protocol->split != split->type) {
        return lode__fail(error, LODE_E_MISMATCH,
                          "protocol %s needs split type %s, but the data is split by %s; choose "
                          "another protocol or train on that split",
                          protocol->name, lode__split_name(protocol->split),
                          lode__split_name(split->type));
    }
    cases->split = split;
    cases->protocol = *protocol;
    cases_walk(cases, part);
    cases->list = lode__alloc(cases->count, sizeof *cases->list);
    if (!cases->list) {
        return lode__fail_memory(error);
    }
    cases_walk(cases, part);
    return LODE_OK;
}

void lode__cases_release(lode_cases *cases) {
    lode__free(cases->list);
    memset(cases, 0, sizeof *cases);
}

static int item_compare(const void *a, const void *b) {
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

size_t lode__case_truth(const lode_cases *cases, size_t index, uint32_t *items) {
    const lode_case *one = &cases->list[index];
    size_t count = 0, distinct = 0;
    for (uint64_t at = one->truth_begin; at < one->truth_end; at++) {
        if (cases->protocol.unseen != LODE_UNSEEN_DROP || !click_unseen(cases->split, at)) {
            items[count++] = cases->split->log.item[at];
        }
    }
    qsort(items, count, sizeof *items, item_compare);
    for (size_t i = 0; i < count; i++) {
        if (distinct == 0 || items[distinct - 1] != items[i]) {
            items[distinct++] = items[i];
        }
    }
    return distinct;
}

// ------------------------------------------------------------------------------------------------
// Evaluation
// ------------------------------------------------------------------------------------------------

static double seconds_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/// Tell the hooks how far the evaluation is; LODE_E_STOPPED when they ask to stop.
static lode_status report(const lode_hooks *hooks, const char *task, uint64_t done, uint64_t total,
                          double seconds, lode_error *error) {
    if (!hooks || !hooks->progress) {
        return LODE_OK;
    }
    lode_progress progress = {.task = task, .unit = "cases", .done = done, .total = total};
    progress.rate = seconds > 0 ? (double)done / seconds : 0;
    progress.loss = (double)NAN;
    if (hooks->progress(hooks->cookie, &progress) != 0) {
        return lode__fail(error, LODE_E_STOPPED, "%s stopped on request after %llu of %llu cases",
                          task, (unsigned long long)done, (unsigned long long)total);
    }
    return LODE_OK;
}

lode_status lode__evaluate(const lode_cases *cases, const lode_ranker *ranker, bool exclude_seen,
                           lode_metrics *metrics, const lode_hooks *hooks, const char *task,
                           lode_error *error) {
    lode_status status = LODE_OK;
    const size_t k = metrics->cutoffs[metrics->cutoff_count - 1];
    const size_t batch = LODE_MIN(cases->count, (size_t)BATCH);
    const double start = seconds_now();
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
            const size_t truths = lode__case_truth(cases, begin + i, truth);
            lode__metrics_add(metrics, lists + i * k, k, truth, truths);
        }
        LODE_GOTO(status,
                  report(hooks, task, begin + count, cases->count, seconds_now() - start, error),
                  done);
    }
done:
    lode__free(truth);
    lode__free(lists);
    return status;
}
