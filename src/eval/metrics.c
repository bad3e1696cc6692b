/// Metrics of ranked lists; the definitions stand in the header.
///
/// A case is added in one walk down its list: hits so far, gain so far and the first hit's rank are
/// enough for all cutoffs, because cutoffs increase. Items recommended are remembered by the
/// smallest cutoff that held them, so one number an item serves coverage and diversity at every
/// cutoff.
#include "eval/metrics.h"

#include "base/text.h"
#include "search/topk.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const metric_names[LODE_METRICS] = {
    [LODE_METRIC_HIT] = "hit",
    [LODE_METRIC_RECALL] = "recall",
    [LODE_METRIC_PRECISION] = "precision",
    [LODE_METRIC_NDCG] = "ndcg",
    [LODE_METRIC_MRR] = "mrr",
    [LODE_METRIC_COVERAGE] = "coverage",
    [LODE_METRIC_DIVERSITY] = "diversity",
    [LODE_METRIC_POPULARITY_INDEX] = "popularity_index",
};

const char *lode__metric_name(enum lode_metric metric) {
    return metric_names[metric];
}

bool lode__metric_parse(const char *text, enum lode_metric *metric, size_t *cutoff) {
    const char *at = strchr(text, '@');
    uint64_t number;
    if (!at || !lode__parse_u64(at + 1, strlen(at + 1), &number) || number < 1 ||
        number > UINT32_MAX) {
        return false;
    }
    const size_t length = (size_t)(at - text);
    for (int i = 0; i < LODE_METRICS; i++) {
        if (strlen(metric_names[i]) == length && memcmp(metric_names[i], text, length) == 0) {
            *metric = (enum lode_metric)i;
            *cutoff = (size_t)number;
            return true;
        }
    }
    return false;
}

lode_status lode__metrics_new(lode_metrics *metrics, const size_t *cutoffs, size_t cutoff_count,
                              uint32_t index_space, uint32_t items, const float *percentile,
                              lode_error *error) {
    memset(metrics, 0, sizeof *metrics);
    if (cutoff_count < 1 || cutoff_count > LODE_CUTOFFS) {
        return lode__fail(error, LODE_E_CONFIG, "%zu cutoffs, expected 1 to %d", cutoff_count,
                          LODE_CUTOFFS);
    }
    for (size_t i = 0; i < cutoff_count; i++) {
        if (cutoffs[i] < 1 || (i > 0 && cutoffs[i] <= cutoffs[i - 1])) {
            return lode__fail(error, LODE_E_CONFIG,
                              "cutoff %zu is %zu; cutoffs are whole numbers from 1 on, increasing",
                              i + 1, cutoffs[i]);
        }
        metrics->cutoffs[i] = cutoffs[i];
    }
    metrics->cutoff_count = cutoff_count;
    metrics->index_space = index_space;
    metrics->items = items;
    metrics->percentile = percentile;
    metrics->first_cutoff = lode__alloc(index_space, sizeof *metrics->first_cutoff);
    return metrics->first_cutoff ? LODE_OK : lode__fail_memory(error);
}

void lode__metrics_release(lode_metrics *metrics) {
    lode__free(metrics->first_cutoff);
    memset(metrics, 0, sizeof *metrics);
}

static bool is_true(uint32_t item, const uint32_t *truth, size_t truth_count) {
    for (size_t i = 0; i < truth_count; i++) {
        if (truth[i] == item) {
            return true;
        }
    }
    return false;
}

/// What has been seen of a list down to some rank.
typedef struct walk {
    size_t rank, hits, first_hit; ///< first_hit: its rank, 0 = none
    double gain, ideal, percentiles;
} walk;

static void walk_step(walk *at, lode_metrics *metrics, uint32_t item, uint32_t cutoff_number,
                      bool hit) {
    if (hit) {
        at->hits++;
        at->gain += 1 / log2((double)at->rank + 1);
        at->first_hit = at->first_hit ? at->first_hit : at->rank;
    }
    assert(item < metrics->index_space);
    uint32_t *first = &metrics->first_cutoff[item];
    if (*first == 0 || *first > cutoff_number) {
        *first = cutoff_number;
    }
    if (metrics->percentile) {
        at->percentiles += (double)metrics->percentile[item];
    }
}

void lode__metrics_add(lode_metrics *metrics, const uint32_t *list, size_t length,
                       const uint32_t *truth, size_t truth_count) {
    assert(truth_count >= 1);
    walk at = {0};
    size_t listed = 0;
    for (size_t c = 0; c < metrics->cutoff_count; c++) {
        const size_t cutoff = metrics->cutoffs[c];
        while (listed < length && listed < cutoff && list[listed] != LODE_NO_ITEM) {
            const uint32_t item = list[listed++];
            at.rank = listed;
            walk_step(&at, metrics, item, (uint32_t)c + 1, is_true(item, truth, truth_count));
        }
        at.ideal = 0;
        for (size_t rank = 1; rank <= LODE_MIN(cutoff, truth_count); rank++) {
            at.ideal += 1 / log2((double)rank + 1);
        }
        metrics->sums[LODE_METRIC_HIT][c] += at.hits > 0 ? 1 : 0;
        metrics->sums[LODE_METRIC_RECALL][c] += (double)at.hits / (double)truth_count;
        metrics->sums[LODE_METRIC_PRECISION][c] += (double)at.hits / (double)cutoff;
        metrics->sums[LODE_METRIC_NDCG][c] += at.gain / at.ideal;
        metrics->sums[LODE_METRIC_MRR][c] += at.first_hit ? 1 / (double)at.first_hit : 0;
        metrics->sums[LODE_METRIC_POPULARITY_INDEX][c] += at.percentiles;
        metrics->listed[c] += listed;
    }
    metrics->cases++;
}

void lode__metrics_add_scores(lode_metrics *metrics, const float *scores, const bool *clicked,
                              size_t count) {
    (void)metrics, (void)scores, (void)clicked, (void)count; // no metric over scores yet
}

static uint32_t distinct_items(const lode_metrics *metrics, size_t cutoff_index) {
    uint32_t distinct = 0;
    for (uint32_t item = 0; item < metrics->index_space; item++) {
        distinct +=
            metrics->first_cutoff[item] != 0 && metrics->first_cutoff[item] <= cutoff_index + 1;
    }
    return distinct;
}

double lode__metrics_value(const lode_metrics *metrics, enum lode_metric metric, size_t cutoff_index) {
    assert(cutoff_index < metrics->cutoff_count);
    const double distinct = (double)distinct_items(metrics, cutoff_index);
    const double sum = metrics->sums[metric][cutoff_index];
    double parts = (double)metrics->cases;
    switch (metric) {
    case LODE_METRIC_COVERAGE:
        return metrics->items ? distinct / (double)metrics->items : (double)NAN;
    case LODE_METRIC_DIVERSITY:
        return distinct;
    case LODE_METRIC_POPULARITY_INDEX:
        parts = metrics->percentile ? (double)metrics->listed[cutoff_index] : 0;
        break;
    default:
        break;
    }
    return parts > 0 ? sum / parts : (double)NAN;
}

static int count_compare(const void *a, const void *b, void *context) {
    const uint32_t *count = context;
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    if (count[x] != count[y]) {
        return count[x] < count[y] ? -1 : 1;
    }
    return (x > y) - (x < y);
}

void lode__popularity_percentile(const uint32_t *count, uint32_t items, uint32_t *scratch,
                                 float *percentile) {
    uint32_t n = 0;
    for (uint32_t item = 0; item < items; item++) {
        percentile[item] = 0;
        if (count[item] > 0) {
            scratch[n++] = item;
        }
    }
    union {
        const uint32_t *given;
        void *context;
    } counts = {.given = count};
    qsort_r(scratch, n, sizeof *scratch, count_compare, counts.context);
    for (uint32_t begin = 0, end; begin < n; begin = end) {
        for (end = begin + 1; end < n && count[scratch[end]] == count[scratch[begin]];) {
            end++;
        }
        const double less = (double)begin, alike = (double)(end - begin - 1);
        const double share = n > 1 ? (less + alike / 2) / (double)(n - 1) : 0.5;
        for (uint32_t i = begin; i < end; i++) {
            percentile[scratch[i]] = (float)share;
        }
    }
}
