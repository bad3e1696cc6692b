/// Metrics of ranked lists, with the definitions of the field written out.
///
/// R is the set of true items of a case, L its list cut at K, h = |L and R|, rel_i = 1 where entry i is true.
///
///     hit        [h > 0]                                recall     h / |R|
///     precision  h / K                                  mrr        1 / rank of the first hit, else 0
///     ndcg       sum rel_i / log2(i + 1)  over  sum_{i=1..min(K, |R|)} 1 / log2(i + 1)
///     (each the mean over cases)
///     coverage          share of the items that stand in some list (MicRec: item coverage)
///     diversity         number of distinct items recommended (CLRec: aggregate diversity)
///     popularity_index  mean popularity percentile of what is recommended, 0 = least clicked, 1 = most (CLRec 3.6)
#ifndef LODE_EVAL_METRICS_H
#define LODE_EVAL_METRICS_H

#include "base/memory.h"

#define LODE_CUTOFFS 8

enum lode_metric {
    LODE_METRIC_HIT,
    LODE_METRIC_RECALL,
    LODE_METRIC_PRECISION,
    LODE_METRIC_NDCG,
    LODE_METRIC_MRR,
    LODE_METRIC_COVERAGE,
    LODE_METRIC_DIVERSITY,
    LODE_METRIC_POPULARITY_INDEX,
    LODE_METRICS
};

/// "hit", "recall", ...
const char *lode__metric_name(enum lode_metric metric);
/// Read "hit@50"; false when it is no metric. Any cutoff >= 1.
bool lode__metric_parse(const char *text, enum lode_metric *metric, size_t *cutoff);

/// Sums over cases. Zero-fill with lode__metrics_new, add each case in order, then read values.
typedef struct lode_metrics {
    size_t cutoffs[LODE_CUTOFFS], cutoff_count; ///< increasing
    uint32_t items;                             ///< denominator of coverage
    double sums[LODE_METRICS][LODE_CUTOFFS];
    uint64_t cases;
    uint64_t listed[LODE_CUTOFFS]; ///< entries recommended
    uint32_t *first_cutoff; ///< [index_space] smallest cutoff number + 1 at which the item was listed; 0 = never
    uint32_t index_space;
    const float *percentile; ///< [index_space] popularity percentile in [0, 1], or NULL
} lode_metrics;

/// @param index_space  item indices are below this
/// @param items        how many items count as the catalogue (denominator of coverage)
LODE_CHECK lode_status lode__metrics_new(lode_metrics *metrics, const size_t *cutoffs,
                                         size_t cutoff_count, uint32_t index_space, uint32_t items,
                                         const float *percentile, lode_error *error);
void lode__metrics_release(lode_metrics *metrics);
/// @param list  [length] best first, LODE_NO_ITEM entries at the end are padding
/// @param truth [truth_count] distinct true items, truth_count >= 1
void lode__metrics_add(lode_metrics *metrics, const uint32_t *list, size_t length,
                       const uint32_t *truth, size_t truth_count);
/// The scores of a case's given candidates, for metrics over scores (AUC).
/// @param clicked  [count] which of them are true
void lode__metrics_add_scores(lode_metrics *metrics, const float *scores, const bool *clicked,
                              size_t count);
double lode__metrics_value(const lode_metrics *metrics, enum lode_metric metric, size_t cutoff_index);

/// Popularity percentile of every item with a count: share of the other such items that are clicked less, ties
/// at their middle; items without a count get 0.
void lode__popularity_percentile(const uint32_t *count, uint32_t items, uint32_t *scratch,
                                 float *percentile);

#endif
