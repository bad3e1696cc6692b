/// Entries of ranked lists: a score and an item in one 64-bit number.
///
/// The upper half holds the score's bits in an order-preserving form, the lower half the complement
/// of the index, so that a larger number is a better entry (higher score, then lower index) and no
/// two items give the same one. The k best entries of a set are therefore one well-defined set, in
/// whatever order they are found.
#ifndef LODE_SEARCH_ENTRY_H
#define LODE_SEARCH_ENTRY_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef uint64_t lode_entry;

/// @param score  not NaN; -0 counts as 0
static inline lode_entry lode__entry_make(float score, uint32_t item) {
    uint32_t bits;
    score += 0.0f;
    memcpy(&bits, &score, sizeof bits);
    bits = bits & 0x80000000u ? ~bits : bits | 0x80000000u;
    return (lode_entry)bits << 32 | (UINT32_MAX - item);
}

static inline uint32_t lode__entry_item(lode_entry entry) {
    return UINT32_MAX - (uint32_t)entry;
}

static inline float lode__entry_score(lode_entry entry) {
    uint32_t bits = (uint32_t)(entry >> 32);
    float score;
    bits = bits & 0x80000000u ? bits & 0x7fffffffu : ~bits;
    memcpy(&score, &bits, sizeof score);
    return score;
}

/// Reorder so that the best `k` of `count` entries come first, the worst of them at k - 1; 1 <= k
/// <= count. O(count) as a rule, O(count log count) at worst.
void lode__entries_select(lode_entry *entries, size_t count, size_t k);

/// Sort in place, best first.
void lode__entries_sort(lode_entry *entries, size_t count);

#endif
