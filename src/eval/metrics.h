/// Metrics: rankings and scores in, numbers out, with the definitions of the field written out.
///
/// R is the set of true items of a case, L its list cut at K, h = |L and R|. What each metric is stands in one table
/// (lode__metric_at): name, what it needs, formula. Projects use one name for different formulas; here every formula
/// has a name of its own, and `definitions.h` says which of them a project means.
///
///     lists       a value a case from its list and R, averaged over cases; or pooled over cases first (micro)
///     population  from how often each item stands in lists: counts, so the order of cases changes nothing
///     scores      from the scores of given candidates (AUC ...): undefined under full ranking
///     vectors     of the model's vectors (alignment, uniformity): measured elsewhere, stored here
///
/// Use: lode__metrics_new, by choice lode__metrics_items, then every case in order, then values. Adding a case costs
/// O(K + |R| + cutoffs) and about a third of a microsecond for K = 100, so the loop that ranks in parallel may add
/// serially: sums are made in the order of cases, and the thread count changes no bit.
#ifndef LODE_EVAL_METRICS_H
#define LODE_EVAL_METRICS_H

#include "base/memory.h"

#define LODE_CUTOFFS        8
#define LODE_IMPRESSION_MAX 34 ///< buckets of log popularity, at most
#define LODE_NEXT_CLICKS    5  ///< clicks that pred5-hr looks ahead

enum lode_metric {
    LODE_METRIC_HIT,
    LODE_METRIC_RECALL,
    LODE_METRIC_PRECISION,
    LODE_METRIC_NDCG,
    LODE_METRIC_MRR,
    LODE_METRIC_RECALL_MICRO,
    LODE_METRIC_RECALL_TRUNCATED,
    LODE_METRIC_PRECISION_TRUNCATED,
    LODE_METRIC_F1,
    LODE_METRIC_F1_CASE,
    LODE_METRIC_NDCG_HITS,
    LODE_METRIC_MAP,
    LODE_METRIC_MAP_HITS,
    LODE_METRIC_MAP_ALL,
    LODE_METRIC_PRED1_HR,
    LODE_METRIC_PRED5_HR,
    LODE_METRIC_COVERAGE,
    LODE_METRIC_DIVERSITY,
    LODE_METRIC_POPULARITY_INDEX,
    LODE_METRIC_AVERAGE_POPULARITY,
    LODE_METRIC_GINI,
    LODE_METRIC_ENTROPY,
    LODE_METRIC_ENTROPY_TOTAL,
    LODE_METRIC_TAIL_SHARE,
    LODE_METRIC_CATEGORY_DIVERSITY,
    LODE_METRIC_AUC,
    LODE_METRIC_AUC_USER,
    LODE_METRIC_AUC_CLICKS,
    LODE_METRIC_AUC_EXPOSURES,
    LODE_METRIC_MRR_FULL,
    LODE_METRIC_PRECISION_ALPINE,
    LODE_METRIC_RECALL_ALPINE,
    LODE_METRIC_F1_ALPINE,
    LODE_METRIC_PRECISION_THACIL,
    LODE_METRIC_RECALL_THACIL,
    LODE_METRIC_NDCG_THACIL,
    LODE_METRIC_ALIGNMENT,
    LODE_METRIC_UNIFORMITY_USERS,
    LODE_METRIC_UNIFORMITY_ITEMS,
    LODE_METRICS
};

typedef enum lode_metric_group {
    LODE_METRIC_OF_LISTS,
    LODE_METRIC_OF_POPULATION,
    LODE_METRIC_OF_SCORES,
    LODE_METRIC_OF_VECTORS
} lode_metric_group;

typedef struct lode_metric_info {
    const char *name;
    lode_metric_group group;
    bool cutoff;      ///< written NAME@K; else NAME alone, one value a run
    bool whole;       ///< a whole number
    const char *help; ///< formula and source
} lode_metric_info;

const lode_metric_info *lode__metric_at(enum lode_metric metric);
/// "hit", "recall", ...
const char *lode__metric_name(enum lode_metric metric);
/// By name alone ("hit"); false when there is none.
bool lode__metric_find(const char *name, size_t length, enum lode_metric *metric);
/// LODE_E_CONFIG, naming `key` and the nearest name, when `name` is no metric.
LODE_CHECK lode_status lode__metric_check(const char *key, const char *name, lode_error *error);
/// Read "hit@50", any cutoff >= 1, or "auc", cutoff 0; false when it is no metric, when a cutoff is missing, or when
/// one stands where the metric has none.
bool lode__metric_parse(const char *text, enum lode_metric *metric, size_t *cutoff);

/// What metrics over scores add up; see metrics_scores.c.
typedef struct lode_score_sums {
    uint64_t cases, both; ///< all; with clicked and unclicked candidates
    double auc, clicks, auc_clicks, exposures, auc_exposures;
    double reciprocal;
    uint64_t clicked_cases;
    double precision[LODE_CUTOFFS], recall[LODE_CUTOFFS]; ///< ALPINE's sums
    double weighted_precision[LODE_CUTOFFS], weighted_recall[LODE_CUTOFFS];
    double weighted_ndcg[LODE_CUTOFFS], ndcg_weight[LODE_CUTOFFS]; ///< THACIL's
    uint64_t *pool; ///< all candidates as lode_entry of (score, clicked), for the global AUC
    size_t pool_count, pool_capacity;
    uint64_t *entries; ///< scratch of one case
    size_t entry_capacity;
} lode_score_sums;

/// Sums over cases.
typedef struct lode_metrics {
    size_t cutoffs[LODE_CUTOFFS], cutoff_count; ///< increasing
    uint32_t items;                             ///< denominator of coverage
    uint32_t index_space;
    double sums[LODE_METRICS][LODE_CUTOFFS];
    uint64_t cases, truths;           ///< added; true items of them
    uint64_t hits[LODE_CUTOFFS];      ///< sum of h
    uint64_t reachable[LODE_CUTOFFS]; ///< sum of min(K, |R|)
    uint64_t listed[LODE_CUTOFFS];    ///< entries recommended
    uint64_t paired[LODE_CUTOFFS];    ///< lists with two or more items of known category
    uint64_t next_cases[2];           ///< cases whose next click, whose next five clicks are known
    uint32_t *slots; ///< [cutoff_count, index_space] lists in which the item stood between the last cutoff and this
    double *discounts; ///< [discount_count] sum of 1 / log2(i + 1) over i = 1 .. n, by n
    size_t discount_count;
    uint64_t *scratch; ///< [index_space] of values that sort
    uint64_t *marks; ///< [index_space / 64 + 1] bits of the true items of a long R; all 0 between cases
    const float *percentile;  ///< [index_space] popularity percentile in [0, 1], or NULL
    const uint32_t *clicks;   ///< [index_space] training clicks, or NULL
    const uint32_t *category; ///< [index_space] below `categories`, UINT32_MAX = unknown; or NULL
    uint32_t *tally;          ///< [categories] all 0 between cases
    bool skip_auc;            ///< set before adding: keep no candidate for the global AUC
    lode_score_sums scores;
    double vectors[3]; ///< alignment, uniformity_users, uniformity_items; NaN = not measured
    bool failed;       ///< no memory for a case's scores; lode__metrics_check
} lode_metrics;

/// @param index_space  item indices are below this
/// @param items        how many items count as the catalogue (denominator of coverage)
LODE_CHECK lode_status lode__metrics_new(lode_metrics *metrics, const size_t *cutoffs,
                                         size_t cutoff_count, uint32_t index_space, uint32_t items,
                                         const float *percentile, lode_error *error);
/// What is known of items; both stay the caller's.
/// @param clicks    [index_space] training clicks, for average_popularity, tail_share and impressions; or NULL
/// @param category  [index_space] below `categories`, UINT32_MAX where unknown, for category_diversity; or NULL
LODE_CHECK lode_status lode__metrics_items(lode_metrics *metrics, const uint32_t *clicks,
                                           const uint32_t *category, uint32_t categories,
                                           lode_error *error);
void lode__metrics_release(lode_metrics *metrics);
/// @param list  [length] best first, distinct; LODE_NO_ITEM entries at the end are padding
/// @param truth [truth_count] distinct true items in any order, truth_count >= 1
void lode__metrics_add(lode_metrics *metrics, const uint32_t *list, size_t length,
                       const uint32_t *truth, size_t truth_count);
/// The clicks that follow a case's state, for pred1-hr and pred5-hr. Beside lode__metrics_add, with the same list.
/// Costs one walk down the list a click.
/// @param next  [count] the user's clicks from the state on, in their order; an item may come again. 1 <= count <=
///              LODE_NEXT_CLICKS, fewer only where the user's part of the log ends
/// @param first_alone  what comes behind the first is not known: the case counts for pred1-hr only
void lode__metrics_add_next(lode_metrics *metrics, const uint32_t *list, size_t length,
                            const uint32_t *next, size_t count, bool first_alone);
/// The scores of a case's given candidates, for metrics over scores. Beside lode__metrics_add, not instead of it: a
/// case may come through both. Candidates of one score count half where pairs are compared; where a list is cut the
/// unclicked stand before the clicked, so that a constant scorer earns nothing.
/// @param scores   [count] not NaN
/// @param clicked  [count] which of them are true; none is possible
void lode__metrics_add_scores(lode_metrics *metrics, const float *scores, const bool *clicked,
                              size_t count);
/// LODE_E_MEMORY when a case could not be added.
LODE_CHECK lode_status lode__metrics_check(const lode_metrics *metrics, lode_error *error);
/// NaN where the metric is not defined for what was added. `cutoff_index` is ignored by metrics without a cutoff.
double lode__metrics_value(const lode_metrics *metrics, enum lode_metric metric, size_t cutoff_index);

/// Popularity percentile of every item with a count: share of the other such items that are clicked less, ties
/// at their middle; items without a count get 0.
void lode__popularity_percentile(const uint32_t *count, uint32_t items, uint32_t *scratch,
                                 float *percentile);

/// Buckets of log popularity: bucket b holds the items with edges[b] <= training clicks < edges[b + 1], the edges
/// being 0, 1, 2, 4, 8, ...; the last bucket has no upper end.
typedef struct lode_impressions {
    size_t buckets;
    uint64_t edges[LODE_IMPRESSION_MAX];
    uint64_t items[LODE_IMPRESSION_MAX]; ///< items of the catalogue in each
    uint64_t slots[LODE_IMPRESSION_MAX]; ///< places in lists, cut at the largest cutoff, that went to them
} lode_impressions;

/// @return false without clicks (lode__metrics_items)
bool lode__metrics_impressions(const lode_metrics *metrics, lode_impressions *impressions);

// Parts of lode__metrics_value.
double lode__metrics_next(const lode_metrics *metrics, enum lode_metric metric, size_t cutoff_index);
double lode__metrics_population(const lode_metrics *metrics, enum lode_metric metric,
                                size_t cutoff_index);
double lode__metrics_of_scores(const lode_metrics *metrics, enum lode_metric metric,
                               size_t cutoff_index);

#endif
