/// The choice of an index by measurement: what finds `recall` of the best k fastest, on these vectors and queries.
///
/// Spread-out vectors are hard for every approximate index and clustered ones easy, and which is fastest also depends
/// on their number and the machine. So each kind is built and timed, one query at a time on one thread, with the
/// smallest effort that finds enough; the scan is exact, always tried, and the measure of recall.
#ifndef LODE_SEARCH_CHOOSE_H
#define LODE_SEARCH_CHOOSE_H

#include "search/searcher.h"

typedef struct lode_choice {
    const float *vectors; ///< [items, dim]
    size_t items, dim;
    const float *queries; ///< [query_count, interests, dim]
    size_t interests;     ///< vectors a query, 0 = 1
    size_t query_count, k;
    double recall;                ///< wanted, of the k best, on average over the queries
    double quick;                 ///< milliseconds: a scan that is as fast needs no rival
    bool kinds[LODE_INDEX_KINDS]; ///< which to try
    uint64_t seed;
    lode_pool *pool; ///< for building and for the truth
    const lode_hooks *hooks;
} lode_choice;

typedef struct lode_trial {
    lode_index_kind kind;
    bool tried;                  ///< built and measured
    bool enough;                 ///< reaches the recall
    size_t effort;               ///< 0 where there is none
    double recall, milliseconds; ///< median of a query
    double build_seconds;
} lode_trial;

/// @param trials  [LODE_INDEX_KINDS] what was measured, by kind
/// @param out     receives the index that won, with its effort
LODE_CHECK lode_status lode__index_choose(lode_index **out, const lode_choice *choice,
                                          lode_trial *trials, lode_error *error);

/// Fraction of the wanted ids that are among the found ones: [count, k] each, LODE_NO_ITEM where lists end.
double lode__recall(const uint32_t *wanted, const uint32_t *found, size_t count, size_t k);

#endif
