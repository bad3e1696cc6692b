/// Mining of small logs in tests: options as YAML, lists as text, comparison of all arrays.
#ifndef MINING_H
#define MINING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "../data/small_log.h"
#include "mine/mine.h"

typedef struct mining {
    const lode_dataset *data;
    const lode_split *split;
    lode_session_options sessions;
    size_t threads;
    int64_t memory;
    const char *cache;
    int (*progress)(void *mining, const lode_progress *progress); ///< or NULL
    char notice[1024];                                            ///< the last one
} mining;

static inline void mining_notice(void *cookie, const char *line) {
    mining *m = cookie;
    snprintf(m->notice, sizeof m->notice, "%s", line);
}

static inline lode_status mining_try(mining *m, const char *miner, const char *keys,
                                     lode_mined **out, lode_error *error) {
    lode_arena arena = {0};
    lode_node *map = NULL;
    lode_miner read;
    lode_pool *pool = NULL;
    const lode_hooks hooks = {m, m->progress, mining_notice};
    const lode_mine_options options = {m->cache != NULL ? m->cache : "none",
                                       m->memory > 0 ? m->memory : 1 << 24};
    *out = NULL;
    m->notice[0] = 0;
    assert_int_equal(lode__yaml_parse(&arena, keys, strlen(keys), "keys", &map, error), LODE_OK);
    assert_int_equal(lode__pool_new(&pool, m->threads > 0 ? m->threads : 1, error), LODE_OK);
    lode_status status = lode__miner_read(&read, miner, map, "", NULL, error);
    const lode_mine_input input = {m->data, m->split, &m->sessions, pool, &hooks, 0};
    if (status == LODE_OK) status = lode__mine(out, &read, &options, input, error);
    lode__miner_release(&read);
    lode__pool_free(&pool);
    lode__arena_release(&arena);
    return status;
}

static inline lode_mined *mining_run(mining *m, const char *miner, const char *keys) {
    lode_error error = {0};
    lode_mined *mined = NULL;
    if (mining_try(m, miner, keys, &mined, &error) != LODE_OK) fail_msg("%s", error.message);
    return mined;
}

static inline void mining_refuse(mining *m, const char *miner, const char *keys, const char *piece) {
    lode_error error = {0};
    lode_mined *mined = NULL;
    const lode_status status = mining_try(m, miner, keys, &mined, &error);
    if (status == LODE_OK || strstr(error.message, piece) == NULL)
        fail_msg("expected '%s', found %s: %s", piece, lode_status_name(status), error.message);
    assert_null(mined);
}

/// "2x3 5x1": the list of an item, partner x count.
static inline void expect_list(const lode_mined *mined, uint32_t item, const char *wanted) {
    char text[512] = "";
    size_t at = 0;
    for (uint64_t k = mined->starts[item]; k < mined->starts[item + 1]; k++)
        at += (size_t)snprintf(text + at, sizeof text - at, "%s%ux%u", at > 0 ? " " : "",
                               mined->partners[k], mined->counts[k]);
    assert_string_equal(text, wanted);
}

static inline void same_array(const void *a, const void *b, size_t bytes) {
    assert_true((a == NULL) == (b == NULL));
    if (a != NULL && bytes > 0) assert_memory_equal(a, b, bytes);
}

static inline void expect_same(const lode_mined *a, const lode_mined *b) {
    assert_int_equal(a->kind, b->kind);
    assert_int_equal(a->items, b->items);
    assert_int_equal(a->sessions, b->sessions);
    assert_int_equal(a->related_pairs, b->related_pairs);
    assert_int_equal(a->filter_blocks, b->filter_blocks);
    assert_int_equal(a->groups, b->groups);
    const size_t rows = (size_t)a->items + 1;
    same_array(a->starts, b->starts, rows * 8);
    if (a->starts != NULL) {
        const size_t pairs = (size_t)a->starts[a->items];
        same_array(a->partners, b->partners, pairs * 4);
        same_array(a->counts, b->counts, pairs * 4);
        same_array(a->similarity, b->similarity, pairs * 4);
    }
    same_array(a->related_starts, b->related_starts, rows * 8);
    if (a->related_starts != NULL)
        same_array(a->related, b->related, (size_t)a->related_starts[a->items] * 4);
    same_array(a->filter, b->filter, (size_t)a->filter_blocks * 64);
    same_array(a->group_starts, b->group_starts, ((size_t)a->groups + 1) * 8);
    same_array(a->item_starts, b->item_starts, rows * 8);
    if (a->group_starts != NULL) {
        same_array(a->members, b->members, (size_t)a->group_starts[a->groups] * 4);
        same_array(a->item_groups, b->item_groups, (size_t)a->item_starts[a->items] * 4);
    }
}

#endif
