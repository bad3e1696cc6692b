/// The distinct (user, item) pairs of a training part, by user and by item: what the baselines count.
#ifndef LODE_EVAL_PAIRS_H
#define LODE_EVAL_PAIRS_H

#include "data/split.h"

typedef struct lode_pairs {
    uint32_t users, items;
    uint64_t *user_starts; ///< [users + 1]
    uint32_t *user_items;  ///< each user's items, rising
    uint64_t *item_starts; ///< [items + 1] used of [items + 2]
    uint32_t *item_users;  ///< each item's users, rising
    lode_arena arena;
} lode_pairs;

/// Memory: 8 bytes a pair, and 8 a user and an item. Release after success only.
LODE_CHECK lode_status lode__pairs_new(lode_pairs *pairs, const lode_split *split, lode_error *error);
void lode__pairs_release(lode_pairs *pairs);

#endif
