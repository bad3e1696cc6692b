/// Metrics over the scores of given candidates: areas under the curve, and two papers' averages.
///
/// A case's candidates are sorted once, as numbers that hold score and label (search/entry.h). Among candidates of one
/// score the unclicked stand in front. The global AUC needs all candidates together: they are kept, 8 bytes each, unless
/// `skip_auc` says that nobody asks.
#include "eval/metrics.h"

#include "search/entry.h"

#include <assert.h>
#include <math.h>

#define CLICKED 0x80000000u ///< in an entry's item: stands behind the unclicked of the same score

/// An entry that sorts clicked candidates behind unclicked ones of the same score.
static lode_entry entry_of(float score, bool clicked, size_t index) {
    return lode__entry_make(score, (uint32_t)index | (clicked ? CLICKED : 0));
}

static bool is_clicked(lode_entry entry) {
    return lode__entry_item(entry) & CLICKED;
}

/// Pairs (clicked, unclicked) won by the clicked one, ties half, of entries sorted best first.
static double pairs_won(const lode_entry *entries, size_t count) {
    double won = 0, above = 0; // above: clicked ones with a higher score
    for (size_t begin = 0, end; begin < count; begin = end) {
        double clicked = 0, unclicked = 0;
        for (end = begin; end < count && entries[end] >> 32 == entries[begin] >> 32; end++) {
            if (is_clicked(entries[end])) {
                clicked++;
            } else {
                unclicked++;
            }
        }
        won += unclicked * (above + clicked / 2);
        above += clicked;
    }
    return won;
}

static size_t count_clicked(const lode_entry *entries, size_t count) {
    size_t clicked = 0;
    for (size_t i = 0; i < count; i++) {
        clicked += is_clicked(entries[i]);
    }
    return clicked;
}

static void add_areas(lode_score_sums *sums, const lode_entry *entries, size_t count, size_t clicked) {
    if (clicked == 0 || clicked == count) {
        return;
    }
    const double area = pairs_won(entries, count) / ((double)clicked * (double)(count - clicked));
    sums->both++;
    sums->auc += area;
    sums->clicks += (double)clicked;
    sums->auc_clicks += (double)clicked * area;
    sums->exposures += (double)count;
    sums->auc_exposures += (double)count * area;
}

/// Precision, recall and gain at every cutoff, in one walk.
static void add_cutoffs(lode_metrics *metrics, const lode_entry *entries, size_t count,
                        size_t clicked) {
    lode_score_sums *sums = &metrics->scores;
    const bool both = clicked > 0 && clicked < count;
    size_t listed = 0, hits = 0;
    double gain = 0, ideal = 0;
    for (size_t c = 0; c < metrics->cutoff_count; c++) {
        const size_t cutoff = metrics->cutoffs[c], reach = LODE_MIN(cutoff, count);
        for (; listed < reach; listed++) {
            if (is_clicked(entries[listed])) {
                gain += 1 / log2((double)listed + 2);
                ideal += 1 / log2((double)++hits + 1);
            }
        }
        const double recall = clicked > 0 ? (double)hits / (double)clicked : 0;
        sums->precision[c] += (double)hits / (double)reach;
        sums->recall[c] += recall;
        if (both) {
            sums->weighted_precision[c] += (double)count * (double)hits / (double)cutoff;
            sums->weighted_recall[c] += (double)count * recall;
            sums->weighted_ndcg[c] += hits > 0 ? (double)reach * gain / ideal : 0;
            sums->ndcg_weight[c] += (double)reach;
        }
    }
}

void lode__metrics_add_scores(lode_metrics *metrics, const float *scores, const bool *clicked,
                              size_t count) {
    lode_score_sums *sums = &metrics->scores;
    assert(count < CLICKED);
    if (count == 0) {
        return;
    }
    const size_t kept = metrics->skip_auc ? 0 : count;
    if (!lode__grow((void **)&sums->entries, &sums->entry_capacity, count, sizeof *sums->entries) ||
        !lode__grow((void **)&sums->pool, &sums->pool_capacity, sums->pool_count + kept,
                    sizeof *sums->pool)) {
        metrics->failed = true;
        return;
    }
    lode_entry *entries = sums->entries;
    for (size_t i = 0; i < count; i++) {
        entries[i] = entry_of(scores[i], clicked[i], i);
    }
    lode__entries_sort(entries, count);
    for (size_t i = 0; i < kept; i++) {
        sums->pool[sums->pool_count++] = entries[i];
    }
    const size_t true_count = count_clicked(entries, count);
    for (size_t i = 0; i < count && true_count > 0; i++) {
        if (is_clicked(entries[i])) {
            sums->reciprocal += 1 / (double)(i + 1);
            sums->clicked_cases++;
            break;
        }
    }
    sums->cases++;
    add_areas(sums, entries, count, true_count);
    add_cutoffs(metrics, entries, count, true_count);
}

static double ratio(double part, double whole) {
    return whole > 0 ? part / whole : (double)NAN;
}

/// Sorts the pool in place: its order means nothing.
static double global_area(const lode_score_sums *sums) {
    lode__entries_sort(sums->pool, sums->pool_count);
    const double clicked = (double)count_clicked(sums->pool, sums->pool_count);
    const double unclicked = (double)sums->pool_count - clicked;
    return ratio(pairs_won(sums->pool, sums->pool_count), clicked * unclicked);
}

double lode__metrics_of_scores(const lode_metrics *metrics, enum lode_metric metric,
                               size_t cutoff_index) {
    const lode_score_sums *sums = &metrics->scores;
    const size_t c = cutoff_index;
    const double cases = (double)sums->cases;
    const double precision = ratio(sums->precision[c], cases), recall = ratio(sums->recall[c], cases);
    switch (metric) {
    case LODE_METRIC_AUC:
        return global_area(sums);
    case LODE_METRIC_AUC_USER:
        return ratio(sums->auc, (double)sums->both);
    case LODE_METRIC_AUC_CLICKS:
        return ratio(sums->auc_clicks, sums->clicks);
    case LODE_METRIC_AUC_EXPOSURES:
        return ratio(sums->auc_exposures, sums->exposures);
    case LODE_METRIC_MRR_FULL:
        return ratio(sums->reciprocal, (double)sums->clicked_cases);
    case LODE_METRIC_PRECISION_ALPINE:
        return precision;
    case LODE_METRIC_RECALL_ALPINE:
        return recall;
    case LODE_METRIC_F1_ALPINE:
        return precision + recall <= 0 ? 0 : 2 * precision * recall / (precision + recall);
    case LODE_METRIC_PRECISION_THACIL:
        return ratio(sums->weighted_precision[c], sums->exposures);
    case LODE_METRIC_RECALL_THACIL:
        return ratio(sums->weighted_recall[c], sums->exposures);
    case LODE_METRIC_NDCG_THACIL:
        return ratio(sums->weighted_ndcg[c], sums->ndcg_weight[c]);
    default:
        assert(false);
        return (double)NAN;
    }
}
