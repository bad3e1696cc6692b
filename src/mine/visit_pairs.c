// The clicks of a session are sorted by (item, place), so that each item is a run of places. An anchor's
// partners are the items of all places within the window of one of its places: the windows of its places
// overlap, but they only move forward, so every place is looked at once an anchor.
#include "mine/visit_pairs.h"
#include "base/order.h"

#include <stdlib.h>

lode_status lode__pair_finder_make(lode_pair_finder *finder, const lode_log *log, bool timed,
                                   int64_t window, size_t longest, lode_error *error) {
    *finder = (lode_pair_finder){.log = log, .timed = timed, .window = window};
    finder->sorted = lode__alloc(longest, sizeof *finder->sorted);
    finder->local = lode__alloc(longest, sizeof *finder->local);
    finder->starts = lode__alloc(longest + 1, sizeof *finder->starts);
    finder->stamp = lode__alloc(longest, sizeof *finder->stamp);
    finder->partners = lode__alloc(longest, sizeof *finder->partners);
    if (finder->sorted && finder->local && finder->starts && finder->stamp && finder->partners)
        return LODE_OK;
    lode__pair_finder_release(finder);
    return lode__fail_memory(error);
}

void lode__pair_finder_release(lode_pair_finder *finder) {
    lode__free(finder->sorted);
    lode__free(finder->local);
    lode__free(finder->starts);
    lode__free(finder->stamp);
    lode__free(finder->partners);
    *finder = (lode_pair_finder){0};
}

static void sort_keys(uint64_t *keys, size_t count) {
    if (count > 32) {
        qsort(keys, count, sizeof *keys, lode__rising_u64);
        return;
    }
    for (size_t k = 1; k < count; k++) {
        const uint64_t moved = keys[k];
        size_t at = k;
        for (; at > 0 && keys[at - 1] > moved; at--)
            keys[at] = keys[at - 1];
        keys[at] = moved;
    }
}

uint32_t lode__pair_finder_visit(lode_pair_finder *finder, const lode_visit *visit) {
    const size_t count = finder->count = visit->count;
    for (size_t k = 0; k < count; k++)
        finder->sorted[k] = (uint64_t)finder->log->item[visit->positions[k]] << 32 | k;
    sort_keys(finder->sorted, count);
    uint32_t distinct = 0;
    for (size_t k = 0; k < count; k++) {
        if (k == 0 || finder->sorted[k] >> 32 != finder->sorted[k - 1] >> 32) {
            finder->stamp[distinct] = UINT32_MAX;
            finder->starts[distinct++] = (uint32_t)k;
        }
        finder->local[(uint32_t)finder->sorted[k]] = distinct - 1;
    }
    finder->starts[distinct] = (uint32_t)count;
    finder->next = 0;
    return finder->distinct = distinct;
}

static bool apart(const lode_pair_finder *finder, const lode_visit *visit, size_t a, size_t b) {
    if (!finder->timed) return false;
    const int64_t *time = finder->log->time;
    return time[visit->positions[b]] - time[visit->positions[a]] > finder->window;
}

static uint32_t partners_of(lode_pair_finder *finder, const lode_visit *visit, uint32_t anchor) {
    uint32_t found = 0;
    size_t walked = 0; // places before it have been looked at
    for (uint32_t run = finder->starts[anchor]; run < finder->starts[anchor + 1]; run++) {
        const size_t place = (uint32_t)finder->sorted[run];
        size_t begin = place, end = LODE_MAX(place, walked);
        while (begin > walked && !apart(finder, visit, begin - 1, place))
            begin--;
        begin = LODE_MAX(begin, walked);
        while (end < finder->count && !apart(finder, visit, place, end))
            end++;
        for (size_t at = begin; at < end; at++) {
            const uint32_t other = finder->local[at];
            if (other == anchor || finder->stamp[other] == anchor) continue;
            finder->stamp[other] = anchor;
            finder->partners[found++] = (uint32_t)(finder->sorted[finder->starts[other]] >> 32);
        }
        walked = LODE_MAX(walked, end);
    }
    return found;
}

uint32_t lode__pair_finder_next(lode_pair_finder *finder, const lode_visit *visit, uint32_t first,
                                uint32_t last, uint32_t *anchor) {
    while (finder->next < finder->distinct) {
        const uint32_t local = finder->next++;
        const uint32_t item = (uint32_t)(finder->sorted[finder->starts[local]] >> 32);
        if (item < first) continue;
        if (item >= last) break; // items rise
        const uint32_t found = partners_of(finder, visit, local);
        if (found > 0) {
            *anchor = item;
            return found;
        }
    }
    return 0;
}
