/// Mining: which items belong together, found in the training part of a data set.
///
/// A *miner* is one file and one line in miners.c. What it finds is one read-only structure of either kind:
///
///     pairs    for each item a short list of items with weights, best first (sessions, vectors), and a
///              *membership*: which pairs are related at all, for negatives that must not be
///     groups   sets of items that share a token (taxonomy); an item may stand in several
///
/// Objectives ask three things of it: a related item by chance (lode__mined_draw), whether two items are
/// related (lode__mined_related), and the list of an item. All take numbers of the data set's items.
///
/// Miners see training clicks alone: nothing at or after a user's train_end. What they find depends on the
/// data set, the split, the miner and its keys, and on nothing else; so it is kept in a cache, one file for
/// each such combination (mine/cache.h), and comes out the same at any thread count and memory budget.
#ifndef LODE_MINE_MINE_H
#define LODE_MINE_MINE_H

#include "base/container.h"
#include "base/pool.h"
#include "base/random.h"
#include "data/sessions.h"
#include "search/topk.h"

typedef enum lode_mined_kind { LODE_MINED_PAIRS, LODE_MINED_GROUPS } lode_mined_kind;

/// What was found; read-only, shared by threads. Arrays that do not apply are NULL.
typedef struct lode_mined {
    lode_mined_kind kind;
    uint32_t items; ///< of the data set's catalogue

    // pairs: item i's list is partners[starts[i]] .. partners[starts[i + 1] - 1], best first, ties by item
    const uint64_t *starts; ///< [items + 1]
    const uint32_t *partners;
    const uint32_t *counts;  ///< sessions of each pair, or NULL
    const float *similarity; ///< of each pair, or NULL

    // membership of pairs: exact, or a filter, or neither (then an item's list is all there is)
    const uint64_t *related_starts; ///< [items + 1]
    const uint32_t *related; ///< partners above i, rising: the pair (i, j), i < j, stands in row i
    const uint64_t *filter;  ///< [filter_blocks, 8], see lode__related_add
    uint64_t filter_blocks;
    uint64_t related_pairs; ///< distinct unordered pairs that are related

    // groups: group g's members are members[group_starts[g]] .., rising; item i's groups are likewise rising
    uint32_t groups;
    const uint64_t *group_starts, *item_starts; ///< [groups + 1], [items + 1]
    const uint32_t *members, *item_groups;

    uint64_t sessions;      ///< that were looked at
    uint64_t too_long;      ///< of them left out (key `longest`)
    uint64_t memory;        ///< bytes that mining held at most; 0 when it came from the cache
    uint32_t passes;        ///< over the log; 0 when it came from the cache
    bool cached;            ///< read from the cache
    bool stored;            ///< written to the cache, or read from it
    const char *cache_path; ///< or NULL

    lode_container file; ///< the mapping behind the arrays when cached
    lode_arena arena;    ///< what is behind them otherwise
} lode_mined;

void lode__mined_free(lode_mined **mined);

/// How a related item is drawn.
typedef enum lode_mined_draw {
    LODE_DRAW_UNIFORM, ///< pairs: each of the list alike; groups: a group of the item, then a member
    LODE_DRAW_WEIGHTED ///< pairs: by count or similarity (those above 0); groups: every (group, member) alike
} lode_mined_draw;

/// A related item of `item` (never itself), or LODE_NO_ITEM where it has none. O(1) for groups and uniform
/// draws (plus the number of the item's groups), O(length of the list) for weighted ones.
uint32_t lode__mined_draw(const lode_mined *mined, uint32_t item, lode_mined_draw how,
                          lode_random *random);

/// Whether i and j are related: they met in a session at all; one stands in the other's list; they share a
/// group. True for i == j. Never false for a related pair; with a filter it is true for a few unrelated ones,
/// too, which as negatives are skipped. Symmetric.
bool lode__mined_related(const lode_mined *mined, uint32_t i, uint32_t j);

/// Share of unrelated pairs that the filter takes for related, about; 0 without a filter.
double lode__mined_false_rate(const lode_mined *mined);

/// The filter: blocks of 512 bits, one a pair, six bits set in it (a blocked Bloom filter). Adding may
/// happen from several threads and in any order: the bits come out the same.
void lode__related_add(uint64_t *filter, uint64_t blocks, uint32_t i, uint32_t j);

// ------------------------------------------------------------------------------------------------
// Miners
// ------------------------------------------------------------------------------------------------

/// What a miner works on.
typedef struct lode_mine_input {
    const lode_dataset *data;
    const lode_split *split;
    const lode_session_options *sessions;
    lode_pool *pool;
    const lode_hooks *hooks;
    uint64_t memory; ///< bytes for counting, about
} lode_mine_input;

typedef struct lode_miner_type {
    const char *name, *help;
    const lode_key *keys; ///< all of them change what is found
    size_t config_size;
    /// Add to the key of the cache what it depends on besides data, split and keys; or NULL.
    lode_status (*identify)(const void *config, const lode_mine_input *input, lode_text *key,
                            lode_error *error);
    lode_status (*mine)(const void *config, const lode_mine_input *input, lode_mined *mined,
                        lode_error *error);
    /// The item column whose codes number the groups; NULL for miners of pairs.
    const lode_column *(*column)(const void *config, const lode_dataset *data);
} lode_miner_type;

/// The registry, ended by NULL.
extern const lode_miner_type *const lode__miners[];

/// A miner by name, or NULL.
const lode_miner_type *lode__miner_find(const char *name);

/// A miner with its keys read.
typedef struct lode_miner {
    const lode_miner_type *type;
    void *config;
    lode_arena arena;
} lode_miner;

/// Read the keys of the miner called `name` from a map (or NULL: all defaults). Release in every case.
/// @param skip  keys of the map that someone else reads, ended by NULL; or NULL
LODE_CHECK lode_status lode__miner_read(lode_miner *miner, const char *name, const lode_node *map,
                                        const char *path, const char *const *skip, lode_error *error);
void lode__miner_release(lode_miner *miner);

/// Keys of mining that change no result: where the cache is and how much memory counting takes.
typedef struct lode_mine_options {
    const char *cache; ///< folder; "auto" = beside the data set, X.lode.cache; "none"
    int64_t memory;
} lode_mine_options;

extern const lode_key lode__mine_keys[];

/// Mine, or take it from the cache. A cache that is damaged, foreign or cannot be written is a notice.
/// @param input  its `memory` is filled in from the options
LODE_CHECK lode_status lode__mine(lode_mined **out, const lode_miner *miner,
                                  const lode_mine_options *options, lode_mine_input input,
                                  lode_error *error);

#endif
