// What was mined, asked by objectives. Nothing here allocates.
#include "mine/mine.h"

#include <math.h>
#include <stdatomic.h>

enum { FILTER_WORDS = 8, FILTER_BITS = 6 };

void lode__mined_free(lode_mined **mined) {
    if (*mined != NULL) {
        lode__container_close(&(*mined)->file);
        lode__arena_release(&(*mined)->arena);
        lode__free(*mined);
        *mined = NULL;
    }
}

// ------------------------------------------------------------------------------------------------
// Membership
// ------------------------------------------------------------------------------------------------

/// A 64-bit mix whose bits all depend on all of its input (the finaliser of SplitMix64).
static uint64_t mix(uint64_t x) {
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

/// The block of a pair, and `bits`: 6 x 9 bits that choose places in it.
static uint64_t filter_block(uint64_t blocks, uint32_t i, uint32_t j, uint64_t *bits) {
    const uint64_t hash = mix((uint64_t)LODE_MIN(i, j) << 32 | LODE_MAX(i, j));
    *bits = mix(hash);
    return (hash >> 32) * blocks >> 32;
}

void lode__related_add(uint64_t *filter, uint64_t blocks, uint32_t i, uint32_t j) {
    uint64_t bits;
    uint64_t *block = filter + filter_block(blocks, i, j, &bits) * FILTER_WORDS;
    for (int k = 0; k < FILTER_BITS; k++, bits >>= 9) {
        _Atomic uint64_t *word = (_Atomic uint64_t *)&block[bits >> 6 & 7];
        atomic_fetch_or_explicit(word, (uint64_t)1 << (bits & 63), memory_order_relaxed);
    }
}

static bool filter_has(const lode_mined *mined, uint32_t i, uint32_t j) {
    uint64_t bits;
    const uint64_t *block =
        mined->filter + filter_block(mined->filter_blocks, i, j, &bits) * FILTER_WORDS;
    for (int k = 0; k < FILTER_BITS; k++, bits >>= 9) {
        if (!(block[bits >> 6 & 7] >> (bits & 63) & 1)) return false;
    }
    return true;
}

double lode__mined_false_rate(const lode_mined *mined) {
    if (mined->filter == NULL) return 0;
    double rate = 0; // mean over blocks of the chance that six bits are all set
    for (uint64_t block = 0; block < mined->filter_blocks; block++) {
        int set = 0;
        for (int word = 0; word < FILTER_WORDS; word++)
            set += __builtin_popcountll(mined->filter[block * FILTER_WORDS + (uint64_t)word]);
        rate += pow(set / 512.0, FILTER_BITS);
    }
    return rate / (double)mined->filter_blocks;
}

static bool row_has(const uint32_t *row, uint64_t count, uint32_t wanted) {
    while (count > 0) {
        const uint64_t half = count / 2;
        if (row[half] == wanted) return true;
        if (row[half] < wanted) {
            row += half + 1;
            count -= half + 1;
        } else {
            count = half;
        }
    }
    return false;
}

static bool list_has(const lode_mined *mined, uint32_t i, uint32_t j) {
    for (uint64_t at = mined->starts[i]; at < mined->starts[i + 1]; at++) {
        if (mined->partners[at] == j) return true;
    }
    return false;
}

static bool share_group(const lode_mined *mined, uint32_t i, uint32_t j) {
    uint64_t a = mined->item_starts[i], b = mined->item_starts[j];
    while (a < mined->item_starts[i + 1] && b < mined->item_starts[j + 1]) {
        const uint32_t x = mined->item_groups[a], y = mined->item_groups[b];
        if (x == y) return true;
        a += x < y;
        b += y < x;
    }
    return false;
}

bool lode__mined_related(const lode_mined *mined, uint32_t i, uint32_t j) {
    if (i == j) return true;
    if (mined->kind == LODE_MINED_GROUPS) return share_group(mined, i, j);
    if (mined->filter != NULL) return filter_has(mined, i, j);
    if (mined->related_starts == NULL) return list_has(mined, i, j) || list_has(mined, j, i);
    const uint32_t low = LODE_MIN(i, j);
    const uint64_t begin = mined->related_starts[low];
    return row_has(mined->related + begin, mined->related_starts[low + 1] - begin, LODE_MAX(i, j));
}

// ------------------------------------------------------------------------------------------------
// Draws
// ------------------------------------------------------------------------------------------------

static double weight_of(const lode_mined *mined, uint64_t at) {
    const double weight =
        mined->counts != NULL ? (double)mined->counts[at] : (double)mined->similarity[at];
    return LODE_MAX(weight, 0);
}

static uint32_t draw_pair(const lode_mined *mined, uint32_t item, lode_mined_draw how,
                          lode_random *random) {
    const uint64_t begin = mined->starts[item], end = mined->starts[item + 1];
    double sum = 0;
    if (begin == end) return LODE_NO_ITEM;
    for (uint64_t at = begin; how == LODE_DRAW_WEIGHTED && at < end; at++)
        sum += weight_of(mined, at);
    if (!(sum > 0)) return mined->partners[begin + lode__random_below(random, end - begin)];
    double left = lode__random_real(random) * sum;
    uint64_t at = begin;
    for (; at + 1 < end; at++) {
        left -= weight_of(mined, at);
        if (left < 0) break;
    }
    while (!(weight_of(mined, at) > 0)) // rounding may lead past the last weight above 0
        at--;
    return mined->partners[at];
}

static uint64_t group_size(const lode_mined *mined, uint64_t at) {
    const uint32_t group = mined->item_groups[at];
    return mined->group_starts[group + 1] - mined->group_starts[group];
}

// Every group of an item has another member (taxonomy.c leaves the others out).
static uint32_t draw_member(const lode_mined *mined, uint32_t item, lode_mined_draw how,
                            lode_random *random) {
    const uint64_t begin = mined->item_starts[item], end = mined->item_starts[item + 1];
    if (begin == end) return LODE_NO_ITEM;
    uint64_t at = begin, place = 0;
    if (how == LODE_DRAW_WEIGHTED) {
        uint64_t others = 0;
        for (uint64_t k = begin; k < end; k++)
            others += group_size(mined, k) - 1;
        for (place = lode__random_below(random, others); place >= group_size(mined, at) - 1; at++)
            place -= group_size(mined, at) - 1;
    } else {
        at = begin + lode__random_below(random, end - begin);
        place = lode__random_below(random, group_size(mined, at) - 1);
    }
    // the place among the others: from the item itself on everything moves by one
    const uint32_t *members = mined->members + mined->group_starts[mined->item_groups[at]];
    return members[place] < item ? members[place] : members[place + 1];
}

uint32_t lode__mined_draw(const lode_mined *mined, uint32_t item, lode_mined_draw how,
                          lode_random *random) {
    return mined->kind == LODE_MINED_GROUPS ? draw_member(mined, item, how, random)
                                            : draw_pair(mined, item, how, random);
}
