/// Metrics of how recommendations spread over items: coverage, popularity, concentration.
///
/// All of them are made of one number an item and cutoff: the lists in which the item stands. The numbers are whole, so
/// nothing here depends on the order in which cases came.
#include "base/order.h"
#include "eval/metrics.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define TAIL 0.1 ///< share of the training items that is the tail

/// In how many lists, cut at cutoff number `c`, the item stands.
static uint64_t slots_of(const lode_metrics *metrics, uint32_t item, size_t c) {
    uint64_t slots = 0;
    for (size_t i = 0; i <= c; i++) {
        slots += metrics->slots[i * metrics->index_space + item];
    }
    return slots;
}

static int count_compare(const void *a, const void *b, void *context) {
    const uint32_t *count = context;
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    if (count[x] != count[y]) {
        return count[x] < count[y] ? -1 : 1;
    }
    return (x > y) - (x < y);
}

/// Items with a count into `ranked`, fewest first, ties by lower index. @return how many
static uint32_t items_by_count(const uint32_t *count, uint32_t items, uint32_t *ranked) {
    uint32_t n = 0;
    for (uint32_t item = 0; item < items; item++) {
        if (count[item] > 0) {
            ranked[n++] = item;
        }
    }
    union {
        const uint32_t *given;
        void *context;
    } counts = {.given = count};
    qsort_r(ranked, n, sizeof *ranked, count_compare, counts.context);
    return n;
}

/// Items that nobody was recommended have 0 and stand in front: they only count in n.
static double gini(const lode_metrics *metrics, size_t c, double total) {
    uint64_t *sorted = metrics->scratch;
    size_t distinct = 0;
    for (uint32_t item = 0; item < metrics->index_space; item++) {
        const uint64_t slots = slots_of(metrics, item, c);
        if (slots > 0) {
            sorted[distinct++] = slots;
        }
    }
    qsort(sorted, distinct, sizeof *sorted, lode__rising_u64);
    const double n = (double)LODE_MAX((size_t)metrics->items, distinct);
    double sum = 0;
    for (size_t i = 0; i < distinct; i++) {
        const double place = n - (double)distinct + (double)i + 1;
        sum += (2 * place - n - 1) * (double)sorted[i];
    }
    return sum / (n * total);
}

static double tail_share(const lode_metrics *metrics, size_t c, double total) {
    uint64_t *ranked = metrics->scratch; // clicks above, item below
    size_t n = 0;
    for (uint32_t item = 0; item < metrics->index_space; item++) {
        if (metrics->clicks[item] > 0) {
            ranked[n++] = (uint64_t)metrics->clicks[item] << 32 | item;
        }
    }
    qsort(ranked, n, sizeof *ranked, lode__rising_u64);
    const size_t tail = LODE_MIN(n, LODE_MAX((size_t)(TAIL * (double)n), (size_t)1));
    uint64_t slots = 0;
    for (size_t i = 0; i < tail; i++) {
        slots += slots_of(metrics, (uint32_t)ranked[i], c);
    }
    return (double)slots / total;
}

/// A sum over recommended items.
static double sum_items(const lode_metrics *metrics, enum lode_metric metric, size_t c, double total) {
    double sum = 0;
    for (uint32_t item = 0; item < metrics->index_space; item++) {
        const double slots = (double)slots_of(metrics, item, c);
        if (slots <= 0) {
            continue;
        }
        if (metric == LODE_METRIC_POPULARITY_INDEX) {
            sum += slots * (double)metrics->percentile[item];
        } else if (metric == LODE_METRIC_AVERAGE_POPULARITY) {
            sum += slots * (double)metrics->clicks[item];
        } else if (metric == LODE_METRIC_ENTROPY || metric == LODE_METRIC_ENTROPY_TOTAL) {
            sum -= slots / total * log(slots / total);
        } else {
            sum += 1;
        }
    }
    return sum;
}

double lode__metrics_population(const lode_metrics *metrics, enum lode_metric metric,
                                size_t cutoff_index) {
    const size_t c = cutoff_index;
    const double total = (double)metrics->listed[c], undefined = (double)NAN;
    switch (metric) {
    case LODE_METRIC_COVERAGE:
        return metrics->items
                   ? sum_items(metrics, LODE_METRIC_DIVERSITY, c, total) / (double)metrics->items
                   : undefined;
    case LODE_METRIC_DIVERSITY:
        return sum_items(metrics, metric, c, total);
    case LODE_METRIC_POPULARITY_INDEX:
        return metrics->percentile && total > 0 ? sum_items(metrics, metric, c, total) / total
                                                : undefined;
    case LODE_METRIC_AVERAGE_POPULARITY:
        return metrics->clicks && total > 0 ? sum_items(metrics, metric, c, total) / total
                                            : undefined;
    case LODE_METRIC_GINI:
        return total > 0 ? gini(metrics, c, total) : undefined;
    case LODE_METRIC_ENTROPY:
        return total > 0 ? sum_items(metrics, metric, c, total) /
                               sum_items(metrics, LODE_METRIC_DIVERSITY, c, total)
                         : undefined;
    case LODE_METRIC_ENTROPY_TOTAL:
        return total > 0 ? sum_items(metrics, metric, c, total) : undefined;
    case LODE_METRIC_TAIL_SHARE:
        return metrics->clicks && total > 0 ? tail_share(metrics, c, total) : undefined;
    default:
        assert(false);
        return undefined;
    }
}

void lode__popularity_percentile(const uint32_t *count, uint32_t items, uint32_t *scratch,
                                 float *percentile) {
    memset(percentile, 0, items * sizeof *percentile);
    const uint32_t n = items_by_count(count, items, scratch);
    for (uint32_t begin = 0, end; begin < n; begin = end) {
        for (end = begin + 1; end < n && count[scratch[end]] == count[scratch[begin]];) {
            end++;
        }
        const double less = (double)begin, alike = (double)(end - begin - 1);
        const double percent = n > 1 ? (less + alike / 2) / (double)(n - 1) : 0.5;
        for (uint32_t i = begin; i < end; i++) {
            percentile[scratch[i]] = (float)percent;
        }
    }
}

/// 0 for 0 clicks, 1 for 1, 2 for 2 and 3, 3 for 4 .. 7, ...
static size_t bucket_of(uint32_t clicks) {
    size_t bucket = 0;
    while (clicks > 0) {
        bucket++;
        clicks >>= 1;
    }
    return bucket;
}

bool lode__metrics_impressions(const lode_metrics *metrics, lode_impressions *impressions) {
    memset(impressions, 0, sizeof *impressions);
    if (!metrics->clicks) {
        return false;
    }
    for (uint32_t item = 0; item < metrics->index_space; item++) {
        const size_t bucket = bucket_of(metrics->clicks[item]);
        impressions->items[bucket]++;
        impressions->slots[bucket] += slots_of(metrics, item, metrics->cutoff_count - 1);
        impressions->buckets = LODE_MAX(impressions->buckets, bucket + 1);
    }
    for (size_t bucket = 1; bucket < impressions->buckets; bucket++) {
        impressions->edges[bucket] = UINT64_C(1) << (bucket - 1);
    }
    return true;
}
