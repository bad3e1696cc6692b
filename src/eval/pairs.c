/// Distinct pairs: each user's clicks are sorted and thinned, then a counting sort turns them by item.
#include "eval/pairs.h"
#include "base/order.h"

#include <stdlib.h>
#include <string.h>

/// user_starts and user_items: each user's distinct training items.
static void pairs_by_user(lode_pairs *pairs, const lode_split *split) {
    const lode_log *log = &split->log;
    uint64_t filled = 0;
    for (uint32_t user = 0; user < log->users; user++) {
        const uint64_t begin = log->offsets[user], clicks = split->train_end[user] - begin;
        uint32_t *own = pairs->user_items + filled;
        uint32_t distinct = 0;
        pairs->user_starts[user] = filled;
        if (clicks > 0) {
            memcpy(own, log->item + begin, clicks * sizeof *own);
            qsort(own, clicks, sizeof *own, lode__rising_u32);
        }
        for (uint64_t i = 0; i < clicks; i++) {
            if (distinct == 0 || own[distinct - 1] != own[i]) {
                own[distinct++] = own[i];
            }
        }
        filled += distinct;
    }
    pairs->user_starts[log->users] = filled;
}

/// item_starts and item_users, by counting sort.
static void pairs_by_item(lode_pairs *pairs) {
    const uint64_t total = pairs->user_starts[pairs->users];
    uint64_t *starts = pairs->item_starts; // [items + 2]: filled one place ahead, then shifted by use
    for (uint64_t at = 0; at < total; at++) {
        starts[pairs->user_items[at] + 2]++;
    }
    for (uint32_t item = 0; item < pairs->items; item++) {
        starts[item + 2] += starts[item + 1];
    }
    for (uint32_t user = 0; user < pairs->users; user++) {
        for (uint64_t at = pairs->user_starts[user]; at < pairs->user_starts[user + 1]; at++) {
            pairs->item_users[starts[pairs->user_items[at] + 1]++] = user;
        }
    }
}

lode_status lode__pairs_new(lode_pairs *pairs, const lode_split *split, lode_error *error) {
    lode_arena *arena = &pairs->arena;
    memset(pairs, 0, sizeof *pairs);
    pairs->users = split->log.users;
    pairs->items = split->log.items;
    pairs->user_starts = lode__arena_alloc(arena, (size_t)pairs->users + 1, sizeof(uint64_t));
    pairs->item_starts = lode__arena_alloc(arena, (size_t)pairs->items + 2, sizeof(uint64_t));
    pairs->user_items = lode__arena_alloc(arena, split->train_clicks, sizeof(uint32_t));
    if (pairs->user_starts && pairs->item_starts && pairs->user_items) {
        pairs_by_user(pairs, split);
        pairs->item_users =
            lode__arena_alloc(arena, pairs->user_starts[pairs->users], sizeof(uint32_t));
    }
    if (!pairs->item_users) {
        lode__pairs_release(pairs);
        return lode__fail_memory(error);
    }
    pairs_by_item(pairs);
    return LODE_OK;
}

void lode__pairs_release(lode_pairs *pairs) {
    lode__arena_release(&pairs->arena);
    memset(pairs, 0, sizeof *pairs);
}
