// The walk: a sorted beam of the best entries seen; the best one whose links were not followed yet is next.
#include "search/network.h"

#include <assert.h>
#include <string.h>

enum { UNDO_A_STEP = LODE_DEGREE + 1 };

bool lode__walker_init(lode_walker *walker, lode_arena *arena, size_t items, size_t doors,
                       size_t most, bool keep_followed) {
    *walker = (lode_walker){.capacity = most, .rows = lode__rows_kernel()};
    walker->undo_capacity = LODE_MIN(items, most * UNDO_A_STEP) + LODE_STARTS;
    walker->beam = lode__arena_alloc(arena, most + 1, sizeof *walker->beam);
    walker->done = lode__arena_alloc(arena, most + 1, sizeof *walker->done);
    walker->seen = lode__arena_alloc(arena, items / 64 + 1, sizeof *walker->seen);
    walker->undo = lode__arena_alloc(arena, walker->undo_capacity, sizeof *walker->undo);
    walker->door_sums = lode__arena_alloc(arena, doors, sizeof *walker->door_sums);
    if (keep_followed) walker->followed = lode__arena_alloc(arena, most, sizeof *walker->followed);
    return walker->beam && walker->done && walker->seen && walker->undo && walker->door_sums &&
           (!keep_followed || walker->followed);
}

/// True the first time.
static bool visit(lode_walker *walker, uint32_t item) {
    const uint64_t bit = (uint64_t)1 << (item % 64);
    if (walker->seen[item / 64] & bit) return false;
    walker->seen[item / 64] |= bit;
    walker->undo[walker->undo_count++] = item;
    return true;
}

static void forget(lode_walker *walker) {
    for (size_t i = 0; i < walker->undo_count; i++)
        walker->seen[walker->undo[i] / 64] = 0;
    walker->undo_count = 0;
}

static lode_entry judge(const lode_goal *goal, int32_t sum, uint32_t item) {
    float score = (float)sum + goal->offset;
    if (goal->extra) score += goal->own_extra * goal->extra[item];
    return lode__entry_make(score, item);
}

/// Insert; returns its place, or `beam` when it is not good enough.
static size_t keep(lode_walker *walker, lode_entry entry, size_t beam) {
    if (walker->count == beam && entry < walker->beam[beam - 1]) return beam;
    size_t low = 0, high = walker->count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (walker->beam[middle] > entry) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    const size_t last = walker->count < beam ? walker->count++ : beam - 1;
    memmove(walker->beam + low + 1, walker->beam + low, (last - low) * sizeof *walker->beam);
    memmove(walker->done + low + 1, walker->done + low, (last - low) * sizeof *walker->done);
    walker->beam[low] = entry;
    walker->done[low] = false;
    return low;
}

/// The best doors go into the beam.
static void enter(const lode_network *network, lode_walker *walker, const lode_goal *goal,
                  size_t beam) {
    lode_entry best[LODE_STARTS];
    size_t count = 0;
    walker->rows(network->door_codes, network->width, NULL, network->door_count, goal->codes,
                 walker->door_sums);
    for (size_t door = 0; door < network->door_count; door++) {
        const lode_entry entry = judge(goal, walker->door_sums[door], network->doors[door]);
        if (count == LODE_STARTS && entry < best[count - 1]) continue;
        size_t at = count < LODE_STARTS ? count++ : count - 1;
        for (; at > 0 && best[at - 1] < entry; at--)
            best[at] = best[at - 1];
        best[at] = entry;
    }
    for (size_t i = 0; i < count; i++) {
        if (visit(walker, lode__entry_item(best[i]))) (void)keep(walker, best[i], beam);
    }
}

static void prefetch_row(const lode_network *network, uint32_t item) {
    const uint8_t *row = network->codes + item * network->width;
    for (size_t at = 0; at < LODE_MIN(network->width, (size_t)256); at += 64)
        __builtin_prefetch(row + at);
}

/// Look at what `item` links to; returns the best place that something new took.
static size_t follow(const lode_network *network, lode_walker *walker, const lode_goal *goal,
                     uint32_t item, size_t beam) {
    const uint32_t *links = network->links + (size_t)item * LODE_DEGREE;
    uint32_t fresh[LODE_DEGREE];
    int32_t sums[LODE_DEGREE];
    size_t count = 0, best = beam;
    for (size_t i = 0; i < LODE_DEGREE && links[i] != UINT32_MAX; i++) {
        if (!visit(walker, links[i])) continue;
        prefetch_row(network, links[i]);
        fresh[count++] = links[i];
    }
    walker->rows(network->codes, network->width, fresh, count, goal->codes, sums);
    for (size_t i = 0; i < count; i++) {
        const size_t place = keep(walker, judge(goal, sums[i], fresh[i]), beam);
        best = LODE_MIN(best, place);
    }
    return best;
}

void lode__network_walk(const lode_network *network, lode_walker *walker, const lode_goal *goal,
                        size_t effort, size_t beam) {
    assert(effort <= beam && beam <= walker->capacity);
    walker->count = walker->followed_count = 0;
    enter(network, walker, goal, beam);
    size_t at = 0;
    for (size_t left = effort; left > 0; left--) {
        while (at < walker->count && walker->done[at])
            at++;
        if (at == walker->count) break;
        walker->done[at] = true;
        if (walker->followed) walker->followed[walker->followed_count++] = walker->beam[at];
        const uint32_t item = lode__entry_item(walker->beam[at]);
        if (at + 1 < walker->count) {
            const uint32_t next = lode__entry_item(walker->beam[at + 1]);
            const char *links = (const char *)(network->links + (size_t)next * LODE_DEGREE);
            __builtin_prefetch(links);
            __builtin_prefetch(links + 64);
            __builtin_prefetch(links + 128);
        }
        const size_t best = follow(network, walker, goal, item, beam);
        at = LODE_MIN(at, best);
    }
    forget(walker);
}
