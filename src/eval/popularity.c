/// The popularity baseline: one list for everybody, less what the user has seen.
#include "eval/protocol.h"
#include "search/entry.h"

#include <assert.h>
#include <string.h>

typedef struct popularity {
    const lode_split *split;
    uint32_t *ranked; ///< [items] most clicked in training first
    uint32_t count;
    bool *seen; ///< [items] all false between cases
    lode_arena arena;
} popularity;

static void popularity_free(void *self) {
    popularity *own = self;
    if (own) {
        lode__arena_release(&own->arena);
        lode__free(own);
    }
}

static void seen_set(const lode_log *log, lode_state state, bool *seen, bool value) {
    for (uint64_t at = log->offsets[state.user]; at < state.end; at++) {
        seen[log->item[at]] = value;
    }
}

static lode_status popularity_rank(void *self, const lode_cases *cases, size_t begin, size_t count,
                                   size_t k, bool exclude_seen, uint32_t *lists, lode_error *error) {
    const popularity *own = self;
    const lode_log *log = &cases->split->log;
    (void)error;
    for (size_t i = 0; i < count; i++) {
        const lode_state state = cases->list[begin + i].state;
        uint32_t *list = lists + i * k;
        size_t filled = 0;
        if (exclude_seen) {
            seen_set(log, state, own->seen, true);
        }
        for (uint32_t rank = 0; rank < own->count && filled < k; rank++) {
            if (!own->seen[own->ranked[rank]] && cases->candidate[own->ranked[rank]]) {
                list[filled++] = own->ranked[rank];
            }
        }
        while (filled < k) {
            list[filled++] = LODE_NO_ITEM;
        }
        if (exclude_seen) {
            seen_set(log, state, own->seen, false);
        }
    }
    return LODE_OK;
}

static lode_status popularity_score(void *self, const lode_cases *cases,
                                    const lode_scoring *scoring, lode_error *error) {
    const popularity *own = self;
    (void)cases, (void)error;
    for (uint64_t i = 0; i < scoring->starts[scoring->count]; i++) {
        scoring->scores[i] = (float)own->split->item_count[scoring->items[i]];
    }
    return LODE_OK;
}

lode_status lode__ranker_popularity(lode_ranker *ranker, const lode_split *split, lode_error *error) {
    const uint32_t items = split->log.items;
    popularity *own = lode__alloc(1, sizeof *own);
    lode_entry *entries = lode__alloc(items, sizeof *entries);
    if (own) {
        own->ranked = lode__arena_alloc(&own->arena, items, sizeof *own->ranked);
        own->seen = lode__arena_alloc(&own->arena, items, sizeof *own->seen);
    }
    if (!own || !entries || !own->ranked || !own->seen) {
        lode__free(entries);
        popularity_free(own);
        return lode__fail_memory(error);
    }
    own->split = split;
    own->count = items;
    for (uint32_t item = 0; item < items;
         item++) { // the count itself as the upper half: exact beyond 2^24
        entries[item] = (lode_entry)split->item_count[item] << 32 | (UINT32_MAX - item);
    }
    lode__entries_sort(entries, items);
    for (uint32_t rank = 0; rank < items; rank++) {
        own->ranked[rank] = lode__entry_item(entries[rank]);
    }
    lode__free(entries);
    *ranker =
        (lode_ranker){"popularity", own, popularity_rank, popularity_score, popularity_free, 0};
    return LODE_OK;
}
