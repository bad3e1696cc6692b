/// Metrics: their table, the sums over ranked lists, and the door to all values.
///
/// A case is added in one walk down its list: hits so far, gain so far and the first hit's rank are enough for all
/// cutoffs, because cutoffs increase. Where an item stood is counted once, under the smallest cutoff that held it;
/// everything about how recommendations spread over items is made of these counts at the end
/// (metrics_population.c). A long R is a row of bits while its case is added, a short one is compared.
#include "eval/metrics.h"

#include "base/config.h"
#include "search/topk.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#define SHORT_TRUTH 4 ///< R up to here is compared item by item
#define UNKNOWN     UINT32_MAX

#define LISTS      LODE_METRIC_OF_LISTS, true, false
#define POPULATION LODE_METRIC_OF_POPULATION, true
#define SCORES     LODE_METRIC_OF_SCORES
#define VECTORS    LODE_METRIC_OF_VECTORS, false, false

static const lode_metric_info metric_table[LODE_METRICS] = {
    [LODE_METRIC_HIT] = {"hit", LISTS, "mean of [h > 0]"},
    [LODE_METRIC_RECALL] = {"recall", LISTS, "mean of h / |R|"},
    [LODE_METRIC_PRECISION] = {"precision", LISTS, "mean of h / K"},
    [LODE_METRIC_NDCG] = {"ndcg", LISTS,
                          "mean of DCG / sum_{i=1..min(K,|R|)} 1/log2(i+1), DCG = sum over hits of "
                          "1/log2(rank+1) (Jarvelin & Kekalainen 2002)"},
    [LODE_METRIC_MRR] = {"mrr", LISTS, "mean of 1 / rank of the first hit, 0 without one"},
    [LODE_METRIC_RECALL_MICRO] = {"recall_micro", LISTS, "sum of h / sum of |R|"},
    [LODE_METRIC_RECALL_TRUNCATED] = {"recall_truncated", LISTS, "mean of h / min(K,|R|)"},
    [LODE_METRIC_PRECISION_TRUNCATED] = {"precision_truncated", LISTS, "sum of h / sum of min(K,|R|)"},
    [LODE_METRIC_F1] = {"f1", LISTS, "2 P R / (P + R) of the means precision and recall"},
    [LODE_METRIC_F1_CASE] = {"f1_case", LISTS, "mean of 2 h / (K + |R|): f1 of each case"},
    [LODE_METRIC_NDCG_HITS] = {"ndcg_hits", LISTS,
                               "mean of DCG / sum_{i=1..h} 1/log2(i+1), 0 where h = 0: the ideal "
                               "list holds the hits only, so ndcg_hits >= ndcg"},
    [LODE_METRIC_MAP] =
        {"map", LISTS, "mean of AP / min(K,|R|), AP = sum over hits of (hits down to it / its rank)"},
    [LODE_METRIC_MAP_HITS] = {"map_hits", LISTS, "mean of AP / h, 0 where h = 0"},
    [LODE_METRIC_MAP_ALL] = {"map_all", LISTS, "mean of AP / |R|"},
    [LODE_METRIC_PRED1_HR] =
        {"pred1-hr", LISTS,
         "mean of [the state's next click stands in L] (CLRec: Zhou et al. 2021, Table 4)"},
    [LODE_METRIC_PRED5_HR] =
        {"pred5-hr",
         LISTS, "mean of the share of the next five clicks that stand in L, repeats counted; of fewer where the part ends"},
    [LODE_METRIC_COVERAGE] = {"coverage", POPULATION, false,
                              "distinct items recommended / items of the catalogue"},
    [LODE_METRIC_DIVERSITY] = {"diversity", POPULATION, true, "distinct items recommended"},
    [LODE_METRIC_POPULARITY_INDEX] = {"popularity_index", POPULATION, false,
                                      "mean popularity percentile of what is recommended, 1 = the "
                                      "most clicked (after Zhou et al. 2021)"},
    [LODE_METRIC_AVERAGE_POPULARITY] = {"average_popularity", POPULATION, false,
                                        "mean training clicks of what is recommended"},
    [LODE_METRIC_GINI] = {"gini", POPULATION, false,
                          "Gini index of the recommendations an item gets, over all n items: sum_i "
                          "(2 i - n - 1) x_i / (n sum x), x rising; 0 = all alike"},
    [LODE_METRIC_ENTROPY] =
        {"entropy", POPULATION, false,
         "Shannon entropy of recommendations over items, in nats, divided by the "
         "number of distinct items (as RecBole)"},
    [LODE_METRIC_ENTROPY_TOTAL] = {"entropy_total", POPULATION, false,
                                   "the same, not divided: -sum p log p"},
    [LODE_METRIC_TAIL_SHARE] = {"tail_share", POPULATION, false,
                                "share of recommendations that go to the tail: the tenth of the "
                                "training items with fewest clicks (ties: lower index first)"},
    [LODE_METRIC_CATEGORY_DIVERSITY] = {"category_diversity", LISTS,
                                        "mean share of pairs in a list with different category "
                                        "(eval.category; ComiRec: Cen et al. 2020)"},
    [LODE_METRIC_AUC] =
        {"auc", SCORES, false, false,
         "share of (clicked, unclicked) pairs of all cases together with the clicked "
         "scored higher; ties count half"},
    [LODE_METRIC_AUC_USER] = {"auc_user", SCORES, false, false,
                              "mean over cases with both labels of the auc within the case"},
    [LODE_METRIC_AUC_CLICKS] = {"auc_clicks", SCORES, false, false,
                                "the same mean, cases weighted by their clicked candidates"},
    [LODE_METRIC_AUC_EXPOSURES] = {"auc_exposures", SCORES, false, false,
                                   "the same mean, cases weighted by their candidates"},
    [LODE_METRIC_MRR_FULL] = {"mrr_full", SCORES, false, false,
                              "mean over cases with a clicked candidate of 1 / rank of the first "
                              "among all candidates"},
    [LODE_METRIC_PRECISION_ALPINE] = {"precision_alpine", SCORES, true, false,
                                      "mean over all cases of h / min(K, candidates)"},
    [LODE_METRIC_RECALL_ALPINE] = {"recall_alpine", SCORES, true, false,
                                   "mean over all cases of h / |R|, 0 where R is empty"},
    [LODE_METRIC_F1_ALPINE] = {"f1_alpine", SCORES, true, false, "2 P R / (P + R) of these two"},
    [LODE_METRIC_PRECISION_THACIL] = {"precision_thacil", SCORES, true, false,
                                      "mean of h / K over cases with both labels, weighted by "
                                      "their candidates"},
    [LODE_METRIC_RECALL_THACIL] = {"recall_thacil", SCORES, true, false, "the same of h / |R|"},
    [LODE_METRIC_NDCG_THACIL] = {"ndcg_thacil", SCORES, true, false,
                                 "the same of ndcg by hits, weighted by min(K, candidates)"},
    [LODE_METRIC_ALIGNMENT] =
        {"alignment", VECTORS,
         "mean |u - v|^2 over (user, true item) pairs of unit vectors (Wang & "
         "Isola 2020); lower = closer"},
    [LODE_METRIC_UNIFORMITY_USERS] = {"uniformity_users", VECTORS,
                                      "log of the mean of exp(-2 |u - u'|^2) over pairs of users, "
                                      "unit vectors; lower = more spread"},
    [LODE_METRIC_UNIFORMITY_ITEMS] = {"uniformity_items", VECTORS, "the same over pairs of items"},
};

const lode_metric_info *lode__metric_at(enum lode_metric metric) {
    return &metric_table[metric];
}

const char *lode__metric_name(enum lode_metric metric) {
    return metric_table[metric].name;
}

bool lode__metric_find(const char *name, size_t length, enum lode_metric *metric) {
    for (int i = 0; i < LODE_METRICS; i++) {
        const char *own = metric_table[i].name;
        if (strlen(own) == length && memcmp(own, name, length) == 0) {
            *metric = (enum lode_metric)i;
            return true;
        }
    }
    return false;
}

lode_status lode__metric_check(const char *key, const char *name, lode_error *error) {
    const char *names[LODE_METRICS];
    enum lode_metric found;
    if (lode__metric_find(name, strlen(name), &found)) {
        return LODE_OK;
    }
    for (int i = 0; i < LODE_METRICS; i++) {
        names[i] = metric_table[i].name;
    }
    const char *nearest = lode__nearest(name, names, LODE_METRICS);
    return lode__fail(error, LODE_E_CONFIG, "%s: unknown metric \"%s\"%s%s%s (`help metrics`)", key,
                      name, nearest ? "; did you mean \"" : "", nearest ? nearest : "",
                      nearest ? "\"?" : "");
}

bool lode__metric_parse(const char *text, enum lode_metric *metric, size_t *cutoff) {
    const char *at = strchr(text, '@');
    uint64_t number = 0;
    if (at &&
        (!lode__parse_u64(at + 1, strlen(at + 1), &number) || number < 1 || number > UINT32_MAX)) {
        return false;
    }
    enum lode_metric found;
    if (!lode__metric_find(text, at ? (size_t)(at - text) : strlen(text), &found) ||
        metric_table[found].cutoff != (at != NULL)) {
        return false;
    }
    *metric = found;
    *cutoff = (size_t)number;
    return true;
}

// ------------------------------------------------------------------------------------------------
// Making and releasing
// ------------------------------------------------------------------------------------------------

static lode_status cutoffs_take(lode_metrics *metrics, const size_t *cutoffs, size_t count,
                                lode_error *error) {
    if (count < 1 || count > LODE_CUTOFFS) {
        return lode__fail(error, LODE_E_CONFIG, "%zu cutoffs, expected 1 to %d", count, LODE_CUTOFFS);
    }
    for (size_t i = 0; i < count; i++) {
        if (cutoffs[i] < 1 || (i > 0 && cutoffs[i] <= cutoffs[i - 1])) {
            return lode__fail(error, LODE_E_CONFIG,
                              "cutoff %zu is %zu; cutoffs are whole numbers from 1 on, increasing",
                              i + 1, cutoffs[i]);
        }
        metrics->cutoffs[i] = cutoffs[i];
    }
    metrics->cutoff_count = count;
    return LODE_OK;
}

lode_status lode__metrics_new(lode_metrics *metrics, const size_t *cutoffs, size_t cutoff_count,
                              uint32_t index_space, uint32_t items, const float *percentile,
                              lode_error *error) {
    memset(metrics, 0, sizeof *metrics);
    LODE_TRY(cutoffs_take(metrics, cutoffs, cutoff_count, error));
    metrics->index_space = index_space;
    metrics->items = items;
    metrics->percentile = percentile;
    for (int i = 0; i < 3; i++) {
        metrics->vectors[i] = (double)NAN;
    }
    const size_t longest = LODE_MIN(cutoffs[cutoff_count - 1], (size_t)index_space);
    size_t places = SIZE_MAX;
    (void)lode__size_mul(cutoff_count, index_space, &places);
    metrics->discount_count = longest + 1;
    metrics->slots = lode__alloc(places, sizeof *metrics->slots);
    metrics->discounts = lode__alloc(longest + 1, sizeof *metrics->discounts);
    metrics->marks = lode__alloc((size_t)index_space / 64 + 1, sizeof *metrics->marks);
    metrics->scratch = lode__alloc(index_space, sizeof *metrics->scratch);
    if (!metrics->scratch || !metrics->slots || !metrics->discounts || !metrics->marks) {
        lode__metrics_release(metrics);
        return lode__fail_memory(error);
    }
    for (size_t rank = 1; rank <= longest; rank++) {
        metrics->discounts[rank] = metrics->discounts[rank - 1] + 1 / log2((double)rank + 1);
    }
    return LODE_OK;
}

lode_status lode__metrics_items(lode_metrics *metrics, const uint32_t *clicks,
                                const uint32_t *category, uint32_t categories, lode_error *error) {
    metrics->clicks = clicks;
    if (category) {
        lode__free(metrics->tally);
        metrics->tally = lode__alloc(categories, sizeof *metrics->tally);
        if (!metrics->tally) {
            return lode__fail_memory(error);
        }
    }
    metrics->category = category;
    return LODE_OK;
}

void lode__metrics_release(lode_metrics *metrics) {
    lode__free(metrics->slots);
    lode__free(metrics->discounts);
    lode__free(metrics->marks);
    lode__free(metrics->scratch);
    lode__free(metrics->tally);
    lode__free(metrics->scores.pool);
    lode__free(metrics->scores.entries);
    memset(metrics, 0, sizeof *metrics);
}

lode_status lode__metrics_check(const lode_metrics *metrics, lode_error *error) {
    return metrics->failed ? lode__fail_memory(error) : LODE_OK;
}

// ------------------------------------------------------------------------------------------------
// Adding a case
// ------------------------------------------------------------------------------------------------

/// What has been seen of a list down to some rank.
typedef struct walk {
    const uint32_t *truth;
    size_t truth_count;
    size_t hits, first_hit; ///< first_hit: its rank, 0 = none
    double gain, precisions;
    uint64_t known, alike; ///< items with a category; pairs of them with the same
} walk;

static void truth_mark(lode_metrics *metrics, const walk *at, bool set) {
    if (at->truth_count <= SHORT_TRUTH) {
        return;
    }
    for (size_t i = 0; i < at->truth_count; i++) {
        const uint32_t item = at->truth[i];
        assert(item < metrics->index_space);
        if (set) {
            metrics->marks[item / 64] |= UINT64_C(1) << item % 64;
        } else {
            metrics->marks[item / 64] = 0;
        }
    }
}

static bool is_true(const lode_metrics *metrics, const walk *at, uint32_t item) {
    if (at->truth_count > SHORT_TRUTH) {
        return metrics->marks[item / 64] >> item % 64 & 1;
    }
    for (size_t i = 0; i < at->truth_count; i++) {
        if (at->truth[i] == item) {
            return true;
        }
    }
    return false;
}

static void walk_step(walk *at, lode_metrics *metrics, uint32_t item, size_t rank) {
    if (is_true(metrics, at, item)) {
        at->hits++;
        at->gain += 1 / log2((double)rank + 1);
        at->precisions += (double)at->hits / (double)rank;
        at->first_hit = at->first_hit ? at->first_hit : rank;
    }
    if (metrics->category && metrics->category[item] != UNKNOWN) {
        at->known++;
        at->alike += metrics->tally[metrics->category[item]]++;
    }
}

static double share(double part, size_t whole) {
    return whole > 0 ? part / (double)whole : 0;
}

/// Add what was seen down to cutoff `c`.
static void walk_add(const walk *at, lode_metrics *metrics, size_t c) {
    const size_t cutoff = metrics->cutoffs[c], h = at->hits, r = at->truth_count;
    const size_t reach = LODE_MIN(cutoff, r);
    double value[LODE_METRICS] = {0};
    value[LODE_METRIC_HIT] = h > 0 ? 1 : 0;
    value[LODE_METRIC_RECALL] = (double)h / (double)r;
    value[LODE_METRIC_PRECISION] = (double)h / (double)cutoff;
    value[LODE_METRIC_MRR] = at->first_hit ? 1 / (double)at->first_hit : 0;
    value[LODE_METRIC_RECALL_TRUNCATED] = (double)h / (double)reach;
    value[LODE_METRIC_F1_CASE] = 2 * (double)h / (double)(cutoff + r);
    if (h > 0) {
        value[LODE_METRIC_NDCG] = at->gain / metrics->discounts[reach];
        value[LODE_METRIC_NDCG_HITS] = at->gain / metrics->discounts[h];
        value[LODE_METRIC_MAP] = share(at->precisions, reach);
        value[LODE_METRIC_MAP_HITS] = share(at->precisions, h);
        value[LODE_METRIC_MAP_ALL] = share(at->precisions, r);
    }
    for (int m = 0; m <= LODE_METRIC_MAP_ALL; m++) {
        metrics->sums[m][c] += value[m];
    }
    metrics->hits[c] += h;
    metrics->reachable[c] += reach;
    if (at->known > 1) {
        const double pairs = (double)at->known * (double)(at->known - 1) / 2;
        metrics->sums[LODE_METRIC_CATEGORY_DIVERSITY][c] += 1 - (double)at->alike / pairs;
        metrics->paired[c]++;
    }
}

void lode__metrics_add(lode_metrics *metrics, const uint32_t *list, size_t length,
                       const uint32_t *truth, size_t truth_count) {
    assert(truth_count >= 1 && truth_count <= metrics->index_space);
    walk at = {.truth = truth, .truth_count = truth_count};
    size_t listed = 0;
    truth_mark(metrics, &at, true);
    for (size_t c = 0; c < metrics->cutoff_count; c++) {
        uint32_t *slots = metrics->slots + c * metrics->index_space;
        while (listed < length && listed < metrics->cutoffs[c] && list[listed] != LODE_NO_ITEM) {
            const uint32_t item = list[listed++];
            assert(item < metrics->index_space);
            slots[item]++;
            walk_step(&at, metrics, item, listed);
        }
        walk_add(&at, metrics, c);
        metrics->listed[c] += listed;
    }
    truth_mark(metrics, &at, false);
    for (size_t i = 0; metrics->category && i < listed; i++) {
        if (metrics->category[list[i]] != UNKNOWN) {
            metrics->tally[metrics->category[list[i]]] = 0;
        }
    }
    metrics->truths += truth_count;
    metrics->cases++;
}

// ------------------------------------------------------------------------------------------------
// Values
// ------------------------------------------------------------------------------------------------

static double ratio(double part, double whole) {
    return whole > 0 ? part / whole : (double)NAN;
}

static double of_lists(const lode_metrics *metrics, enum lode_metric metric, size_t c) {
    const double hits = (double)metrics->hits[c], cases = (double)metrics->cases;
    switch (metric) {
    case LODE_METRIC_RECALL_MICRO:
        return ratio(hits, (double)metrics->truths);
    case LODE_METRIC_PRECISION_TRUNCATED:
        return ratio(hits, (double)metrics->reachable[c]);
    case LODE_METRIC_CATEGORY_DIVERSITY:
        return ratio(metrics->sums[metric][c], (double)metrics->paired[c]);
    case LODE_METRIC_F1: {
        const double precision = ratio(metrics->sums[LODE_METRIC_PRECISION][c], cases);
        const double recall = ratio(metrics->sums[LODE_METRIC_RECALL][c], cases);
        return precision + recall <= 0 ? 0 : 2 * precision * recall / (precision + recall);
    }
    case LODE_METRIC_PRED1_HR:
    case LODE_METRIC_PRED5_HR:
        return lode__metrics_next(metrics, metric, c);
    default:
        return ratio(metrics->sums[metric][c], cases);
    }
}

double lode__metrics_value(const lode_metrics *metrics, enum lode_metric metric, size_t cutoff_index) {
    assert(cutoff_index < metrics->cutoff_count);
    switch (metric_table[metric].group) {
    case LODE_METRIC_OF_LISTS:
        return of_lists(metrics, metric, cutoff_index);
    case LODE_METRIC_OF_POPULATION:
        return lode__metrics_population(metrics, metric, cutoff_index);
    case LODE_METRIC_OF_SCORES:
        return lode__metrics_of_scores(metrics, metric, cutoff_index);
    default:
        return metrics->vectors[metric - LODE_METRIC_ALIGNMENT];
    }
}
