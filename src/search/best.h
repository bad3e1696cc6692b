/// The k best entries seen so far: an unsorted buffer of those that beat the k-th best one; when it is full it is
/// cut back to the best k, which raises the bar.
#ifndef LODE_SEARCH_BEST_H
#define LODE_SEARCH_BEST_H

#include "search/entry.h"

#include <math.h>

#include "search/topk.h"

typedef struct lode_best {
    lode_entry *entries; ///< [capacity], capacity > k
    size_t k, capacity, filled;
    lode_entry worst; ///< the k-th best at the last cut, or the floor before there are k
} lode_best;

/// A capacity for lists of k: cuts are few, and the bar is not much behind.
static inline size_t lode__best_capacity(size_t k) {
    return k + k / 4 + 32;
}

/// Start over. Entries up to `floor` (0 = none) are not taken.
static inline void lode__best_clear(lode_best *best, size_t k, lode_entry floor) {
    best->k = k;
    best->filled = 0;
    best->worst = floor;
}

static inline void lode__best_cut(lode_best *best) {
    if (best->filled < best->k) return;
    lode__entries_select(best->entries, best->filled, best->k);
    best->filled = best->k;
    best->worst = best->entries[best->k - 1];
}

static inline void lode__best_push(lode_best *best, lode_entry entry) {
    if (entry <= best->worst) return;
    best->entries[best->filled++] = entry;
    if (best->filled == best->capacity || (best->worst == 0 && best->filled == best->k))
        lode__best_cut(best);
}

/// Scores below it cannot enter; equal ones may.
static inline float lode__best_bar(const lode_best *best) {
    return best->worst == 0 ? -INFINITY : lode__entry_score(best->worst);
}

/// The final list, best first, padded to `length`.
static inline void lode__best_write(lode_best *best, size_t length, uint32_t *ids, float *scores) {
    lode__best_cut(best);
    lode__entries_sort(best->entries, best->filled);
    for (size_t i = 0; i < length; i++) {
        const bool there = i < best->filled;
        ids[i] = there ? lode__entry_item(best->entries[i]) : LODE_NO_ITEM;
        scores[i] = there ? lode__entry_score(best->entries[i]) : -INFINITY;
    }
}

#endif
