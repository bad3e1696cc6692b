/// Protocols: the cases of a test, and everything about them that changes numbers. A protocol has a name and
/// fixes its split and details; nothing is mixed silently.
#ifndef LODE_EVAL_PROTOCOL_H
#define LODE_EVAL_PROTOCOL_H

#include "data/split.h"
#include "eval/metrics.h"
#include "search/topk.h"

typedef enum lode_history_mode { LODE_HISTORY_FROZEN, LODE_HISTORY_ROLLING } lode_history_mode;
typedef enum lode_unseen_mode {
    LODE_UNSEEN_DROP,
    LODE_UNSEEN_MISS,
    LODE_UNSEEN_ENCODE
} lode_unseen_mode;

/// DESIGN: the table of protocols. `leave_one_out`, `micrec` (chronological cut, one case a test click, rolling
/// history, seen items not excluded, unseen items dropped).
typedef struct lode_protocol {
    const char *name;
    lode_split_type split;
    lode_history_mode history;
    lode_unseen_mode unseen;
    bool exclude_seen;
    bool also_other_exclusion; ///< print the other choice of exclude_seen too
    const char *help;
} lode_protocol;

/// By name, or NULL; `index` for walking the list until NULL.
const lode_protocol *lode__protocol_find(const char *name);
const lode_protocol *lode__protocol_at(size_t index);

typedef enum lode_part { LODE_PART_VALID, LODE_PART_TEST } lode_part;

/// One case: predict clicks truth_begin .. truth_end (positions in the log) from the state.
typedef struct lode_case {
    lode_state state;
    uint64_t truth_begin, truth_end;
} lode_case;

typedef struct lode_cases {
    const lode_split *split;
    lode_protocol protocol;
    lode_case *list;
    size_t count;
    uint64_t dropped; ///< test clicks left out because their item is unseen (LODE_UNSEEN_DROP)
    uint64_t missed;  ///< test clicks on unseen items that count as misses
    size_t largest_truth;
} lode_cases;

/// Build the cases of a part. An item is unseen when it has no training click. With LODE_UNSEEN_DROP such
/// truth clicks are removed (frozen: kept in the range but skipped by lode__case_truth).
LODE_CHECK lode_status lode__cases_new(lode_cases *cases, const lode_split *split,
                                       const lode_protocol *protocol, lode_part part,
                                       lode_error *error);
void lode__cases_release(lode_cases *cases);
/// Distinct true items of a case, without dropped ones. @return their number (>= 1)
size_t lode__case_truth(const lode_cases *cases, size_t index, uint32_t *items);

/// Given candidates to score: group g is the items items[starts[g]] .. items[starts[g + 1] - 1] as seen from
/// states[g]. Items are data-set items; any of the catalogue may stand there, those without a training click too.
typedef struct lode_scoring {
    const lode_state *states; ///< [count]
    const uint64_t *starts;   ///< [count + 1]
    const uint32_t *items;    ///< [starts[count]]
    size_t count;
    float *scores; ///< [starts[count]] output, never NaN; -INFINITY for what cannot be scored
} lode_scoring;

/// Something that ranks: a model, popularity, item-kNN.
typedef struct lode_ranker {
    const char *name;
    void *self;
    /// Lists [count, k] for cases begin .. begin + count - 1, padded with LODE_NO_ITEM. Only items with a training
    /// click are candidates. `exclude_seen` leaves out the items of log.offsets[user] .. state.end.
    lode_status (*rank)(void *self, const lode_cases *cases, size_t begin, size_t count, size_t k,
                        bool exclude_seen, uint32_t *lists, lode_error *error);
    /// Scores of given candidates, whatever order they stand in; NULL = this ranker cannot.
    lode_status (*score)(void *self, const lode_cases *cases, const lode_scoring *scoring,
                         lode_error *error);
    void (*free)(void *self);
} lode_ranker;

/// Popularity: items by training clicks, most clicked first, ties by lower index.
LODE_CHECK lode_status lode__ranker_popularity(lode_ranker *ranker, const lode_split *split,
                                               lode_error *error);
/// Item-kNN: score(j) = sum over distinct history items i of s(i, j), s = c_ij / sqrt(c_i c_j) over users of the
/// training part, kept for the `neighbours` most similar j of each i; history = the whole known one.
/// Memory is bounded by items x neighbours and one row of counts a thread.
LODE_CHECK lode_status lode__ranker_item_knn(lode_ranker *ranker, const lode_split *split,
                                             size_t neighbours, lode_pool *pool, lode_error *error);

/// Rank all cases in batches and add up the metrics. `progress` goes to the hooks as task `task`.
/// LODE_E_STOPPED when the hooks ask to stop.
LODE_CHECK lode_status lode__evaluate(const lode_cases *cases, const lode_ranker *ranker,
                                      bool exclude_seen, lode_metrics *metrics,
                                      const lode_hooks *hooks, const char *task, lode_error *error);

#endif
