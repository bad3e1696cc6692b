/// A network of neighbours: every vector has links to some others, and a search walks along them towards the query
/// (the navigable graphs of Malkov & Yashunin 2018, in the flat form with pruned links of Subramanya et al. 2019,
/// DiskANN; built in batches as Manohar et al. 2024, ParlayANN, so that the result does not depend on threads).
///
/// Vectors are bytes of one common scale, one cache line at 64 dimensions; a walk looks at nothing else, and what it
/// found is scored in f32 afterwards. Inner products of vectors with different lengths are no metric, so links are
/// chosen among vectors that carry one more coordinate which brings all of them to the same length (Bachrach et al.
/// 2014): for a query that coordinate is 0, and the nearest are those with the largest inner product.
///
/// Walks start at the best of some `doors`, the vectors that came first (a random sample), which are scanned from
/// end to end: no layers, and clusters far apart are found all the same.
#ifndef LODE_SEARCH_NETWORK_H
#define LODE_SEARCH_NETWORK_H

#include "base/memory.h"
#include "base/pool.h"
#include "kernel/rows.h"
#include "search/entry.h"

enum {
    LODE_DEGREE = 48,        ///< most links of a vector
    LODE_STARTS = 8,         ///< doors at which a walk begins
    LODE_WALK_MOST = 1 << 15 ///< longest beam
};

/// Read-only while it is walked.
typedef struct lode_network {
    size_t items, width;       ///< vectors; bytes of a row
    const uint8_t *codes;      ///< [items, width]
    const uint32_t *links;     ///< [items, LODE_DEGREE], UINT32_MAX after the last
    const uint32_t *doors;     ///< [door_count]
    const uint8_t *door_codes; ///< [door_count, width]
    size_t door_count;
} lode_network;

/// One walk's scratch. After a walk `beam` has the best it saw, by sums, best first.
typedef struct lode_walker {
    lode_entry *beam;
    bool *done; ///< [capacity] links of that entry were followed
    size_t count, capacity;
    uint64_t *seen; ///< a bit an item
    uint32_t *undo; ///< items whose bit is set
    size_t undo_count, undo_capacity;
    lode_entry *followed; ///< entries whose links were followed, or NULL: not kept
    size_t followed_count;
    int32_t *door_sums; ///< [door_count]
    lode_rows_kernel *rows;
} lode_walker;

/// What is walked towards: codes [width], and for building the extra coordinates times each other are added.
typedef struct lode_goal {
    const int8_t *codes;
    float offset;       ///< added to every sum
    const float *extra; ///< [items], or NULL
    float own_extra;
} lode_goal;

static inline size_t lode__network_width(size_t dim) {
    return (dim + LODE_ROW_UNIT - 1) / LODE_ROW_UNIT * LODE_ROW_UNIT;
}

/// @param most  longest beam, up to LODE_WALK_MOST
/// @return false when there is no memory
LODE_CHECK bool lode__walker_init(lode_walker *walker, lode_arena *arena, size_t items,
                                  size_t doors, size_t most, bool keep_followed);

/// @param effort  entries whose links are followed, the best first
/// @param beam    entries that are kept, at least effort
void lode__network_walk(const lode_network *network, lode_walker *walker, const lode_goal *goal,
                        size_t effort, size_t beam);

typedef struct lode_network_plan {
    size_t items, dim, width;
    const uint8_t *codes;
    const float *extra;  ///< [items] the extra coordinate, in steps of the codes
    const float *offset; ///< [items] -128 times the sum of a vector's codes
    float length;        ///< the common squared length, in squared steps
    uint64_t seed;
    size_t breadth; ///< beam of the walks that choose links
} lode_network_plan;

/// How many doors a network of that size has.
size_t lode__network_doors(size_t items);

/// @param links       [items, LODE_DEGREE] receives the links
/// @param doors       [lode__network_doors(items)]
/// @param door_codes  the same, `width` bytes each
LODE_CHECK lode_status lode__network_build(const lode_network_plan *plan, lode_pool *pool,
                                           uint32_t *links, uint32_t *doors, uint8_t *door_codes,
                                           lode_error *error);

#endif
