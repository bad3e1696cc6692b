/// pred1-hr and pred5-hr (CLRec: Zhou et al. 2021, Table 4): how much of what a user clicks next stands in a list.
///
/// They look at clicks, not at R: a click on an item that came before counts again, and under a rolling history a case
/// has one true item but up to five clicks behind its state.
#include "eval/metrics.h"

#include <assert.h>
#include <math.h>

/// 1 for the best, SIZE_MAX where the item is not listed.
static size_t rank_of(const uint32_t *list, size_t length, uint32_t item) {
    for (size_t i = 0; i < length; i++) {
        if (list[i] == item) {
            return i + 1;
        }
    }
    return SIZE_MAX;
}

void lode__metrics_add_next(lode_metrics *metrics, const uint32_t *list, size_t length,
                            const uint32_t *next, size_t count, bool first_alone) {
    size_t rank[LODE_NEXT_CLICKS];
    assert(count >= 1 && count <= LODE_NEXT_CLICKS);
    for (size_t i = 0; i < count; i++) {
        rank[i] = rank_of(list, length, next[i]);
    }
    for (size_t c = 0; c < metrics->cutoff_count; c++) {
        size_t found = 0;
        for (size_t i = 0; i < count; i++) {
            found += rank[i] <= metrics->cutoffs[c];
        }
        metrics->sums[LODE_METRIC_PRED1_HR][c] += rank[0] <= metrics->cutoffs[c] ? 1 : 0;
        metrics->sums[LODE_METRIC_PRED5_HR][c] += (double)found / (double)count;
    }
    metrics->next_cases[0]++;
    metrics->next_cases[1] += !first_alone;
}

double lode__metrics_next(const lode_metrics *metrics, enum lode_metric metric, size_t cutoff_index) {
    const uint64_t cases = metrics->next_cases[metric == LODE_METRIC_PRED5_HR];
    return cases > 0 ? metrics->sums[metric][cutoff_index] / (double)cases : (double)NAN;
}
