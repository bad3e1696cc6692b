/// Selecting and sorting in place, without recursion or memory: quickselect and quicksort with medians of three,
/// and a heap (whose top is the worst) where a series of pivots is bad.
#include "search/entry.h"

#include <stdbool.h>

static void entry_swap(lode_entry *a, lode_entry *b) {
    const lode_entry t = *a;
    *a = *b;
    *b = t;
}

static void heap_sink(lode_entry *entries, size_t at, size_t count) {
    for (size_t child = 2 * at + 1; child < count; child = 2 * at + 1) {
        if (child + 1 < count && entries[child + 1] < entries[child]) {
            child++;
        }
        if (entries[at] <= entries[child]) {
            return;
        }
        entry_swap(&entries[at], &entries[child]);
        at = child;
    }
}

static void heap_sort(lode_entry *entries, size_t count) {
    for (size_t at = count / 2; at-- > 0;) {
        heap_sink(entries, at, count);
    }
    for (size_t left = count; left > 1; left--) {
        entry_swap(&entries[0], &entries[left - 1]);
        heap_sink(entries, 0, left - 1);
    }
}

static void insertion_sort(lode_entry *entries, size_t count) {
    for (size_t i = 1; i < count; i++) {
        const lode_entry entry = entries[i];
        size_t at = i;
        for (; at > 0 && entries[at - 1] < entry; at--) {
            entries[at] = entries[at - 1];
        }
        entries[at] = entry;
    }
}

/// Put the largest of entries[low .. high] before and the smallest behind a pivot; returns the
/// pivot's place.
static size_t entries_part(lode_entry *entries, size_t low, size_t high) {
    const size_t middle = low + (high - low) / 2;
    if (entries[middle] > entries[low]) entry_swap(&entries[middle], &entries[low]);
    if (entries[high] > entries[low]) entry_swap(&entries[high], &entries[low]);
    if (entries[high] > entries[middle]) entry_swap(&entries[high], &entries[middle]);
    const lode_entry pivot = entries[middle]; // the median of three
    entry_swap(&entries[middle], &entries[high]);
    size_t place = low;
    for (size_t at = low; at < high; at++) {
        const lode_entry entry = entries[at];
        entries[at] = entries[place];
        entries[place] = entry;
        place += entry > pivot;
    }
    entry_swap(&entries[place], &entries[high]);
    return place;
}

void lode__entries_sort(lode_entry *entries, size_t count) {
    enum { SHORT = 16, STACK = 64 };
    size_t lows[STACK], highs[STACK], waiting = 0, low = 0, high = count, work = 0;
    for (;;) { // [low, high) is at hand; of two parts the larger one waits, so that few ever do
        work += high - low;
        const bool bad = work / STACK > count; // pivots: sort the rest so that the time stays bounded
        if (high - low <= SHORT || bad) {
            if (high - low <= SHORT) {
                insertion_sort(entries + low, high - low);
            } else {
                heap_sort(entries + low, high - low);
            }
            if (waiting-- == 0) return;
            low = lows[waiting];
            high = highs[waiting];
            continue;
        }
        const size_t place = entries_part(entries, low, high - 1);
        const bool left_larger = place - low > high - place;
        lows[waiting] = left_larger ? low : place + 1;
        highs[waiting++] = left_larger ? place : high;
        low = left_larger ? place + 1 : low;
        high = left_larger ? high : place;
    }
}

void lode__entries_select(lode_entry *entries, size_t count, size_t k) {
    size_t low = 0, high = count - 1;
    for (int rounds = 0; low < high; rounds++) {
        if (rounds == 48) { // a bad series of pivots: sort the rest, so that the time stays bounded
            heap_sort(entries + low, high - low + 1);
            return;
        }
        const size_t place = entries_part(entries, low, high);
        if (place == k - 1) {
            return;
        }
        if (place < k - 1) {
            low = place + 1;
        } else {
            high = place - 1;
        }
    }
}
