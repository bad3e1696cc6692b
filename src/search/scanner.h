/// Queries on their way over a coded table: one thread's scratch, shared by every kind of index.
///
/// A quest is one query with its running list. `visit` takes some quests over one block: the scan kernel gives
/// the rows that can reach each quest's bar, those that are not filtered wait until a few have come together,
/// and then get their f32 scores, with the bits of the matrix product of exact search.
#ifndef LODE_SEARCH_SCANNER_H
#define LODE_SEARCH_SCANNER_H

#include "kernel/kernel.h"
#include "search/best.h"
#include "search/codes.h"

enum {
    LODE_BLOCK_ROWS = 512, ///< most rows of a block
    LODE_BLOCK_WORDS = LODE_BLOCK_ROWS / LODE_SCAN_WORD,
    LODE_QUESTS = 48, ///< most quests of one visit
    LODE_WAITING = 32 ///< rows that are scored together
};

/// What is scanned; read-only.
typedef struct lode_table {
    size_t dim, rows, count, words; ///< count: blocks
    const lode_block *blocks;
    const uint8_t *bytes;
    const uint32_t *ids;  ///< [rows]
    const float *vectors; ///< [rows, dim], or [ids, dim] when by_id
    bool by_id;
    const uint64_t *deleted; ///< a bit an id, or NULL
} lode_table;

typedef struct lode_quest {
    const float *query;
    lode_coded_query coded;
    int8_t *codes;
    lode_entry floor; ///< entries up to it are not wanted; 0 = all are
    uint64_t *marks;  ///< a bit an id: left out for this query
    lode_best best;
    size_t waiting;
    uint32_t *ids;         ///< [LODE_WAITING] of those that wait for their scores
    const float **vectors; ///< [LODE_WAITING]
} lode_quest;

typedef struct lode_scanner {
    const lode_table *table;
    lode_scan_kernel *scan;
    lode_scores_kernel *score;
    const uint64_t *allowed; ///< a bit an id, or NULL
    size_t groups;
    size_t ids;         ///< bound of the ids
    lode_quest *quests; ///< [count]
    size_t count;
    uint64_t *hits;          ///< [count, LODE_BLOCK_WORDS]
    const int8_t **pointers; ///< [count] ...
    int32_t *bars;
    uint32_t *active;
} lode_scanner;

/// @param count  quests, up to LODE_QUESTS
/// @param ids    bound of the ids, 0 = nothing is ever left out
/// @param k      longest list
/// @return false when there is no memory
LODE_CHECK bool lode__scanner_init(lode_scanner *scanner, lode_arena *arena,
                                   const lode_table *table, size_t count, size_t ids, size_t k);

/// Start quest `number`.
/// @param floor  scores up to it are not wanted; -INFINITY = all are
/// @param out    [out_count] ids to leave out; ids past the bound are ignored
void lode__quest_begin(lode_scanner *scanner, size_t number, const float *query, size_t k,
                       float floor, const uint32_t *out, size_t out_count);

/// Words `first` .. `first + words - 1` of a block, within it; words 0 = all from `first` on.
typedef struct lode_visit {
    size_t block, first, words;
} lode_visit;

/// Take `count` quests over a block. Nothing is scanned for those that have no hope there.
void lode__quests_visit(lode_scanner *scanner, const uint32_t *quests, size_t count,
                        lode_visit visit);

/// Score one row, as if the scan had found it.
void lode__quest_take(lode_scanner *scanner, lode_quest *quest, uint32_t row);

/// Offer vectors that are not in the table, with ids first_id ..
void lode__quest_offer(lode_scanner *scanner, lode_quest *quest, const float *vectors, size_t count,
                       size_t first_id);

/// Score what still waits, and forget what was left out (the same list as at the beginning).
void lode__quest_end(lode_scanner *scanner, lode_quest *quest, const uint32_t *out, size_t out_count);

/// Take the first `count` quests, for lists of k, over the blocks first, first + step, ..., whose norms fall: a quest
/// without hope is done. A scan of everything (step 1) of many rows first looks at a sample, which gives each quest
/// a bar that is nearly always right; where the list does not fill above it, the quest goes again without.
void lode__quests_scan(lode_scanner *scanner, size_t count, size_t k, size_t first, size_t step);

static inline bool lode__bit(const uint64_t *bits, size_t at) {
    return bits[at / 64] >> (at % 64) & 1;
}

#endif
