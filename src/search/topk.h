/// Exact top-k by inner product: all items are scored in tiles with a running list a query, so memory is
/// bounded by tiles x threads and never by queries x items.
#ifndef LODE_SEARCH_TOPK_H
#define LODE_SEARCH_TOPK_H

#include "base/pool.h"
#include "kernel/kernel.h"

#define LODE_NO_ITEM UINT32_MAX

/// Scratch memory for searches over one set of vectors; one search at a time.
typedef struct lode_topk lode_topk;

/// @param vectors  [items, dim]; stays the caller's and must outlive the searcher
/// @param allowed  [items] false = never returned; or NULL
/// @param batch    most queries of one search
/// @param k        longest list
LODE_CHECK lode_status lode__topk_new(lode_topk **out, const float *vectors, size_t items,
                                      size_t dim, const bool *allowed, size_t batch, size_t k,
                                      lode_pool *pool, lode_error *error);
void lode__topk_free(lode_topk **topk);

/// Per-query items to leave out: query q's are ids[starts[q]] .. ids[starts[q + 1] - 1], in any order,
/// repeats allowed. NULL starts = none.
typedef struct lode_excluded {
    const uint64_t *starts;
    const uint32_t *ids;
} lode_excluded;

/// From now on so many consecutive queries share a left-out list; 1 at first.
void lode__topk_share(lode_topk *topk, size_t queries);

/// The k best items of each query by inner product, best first, ties by lower index; the same at any
/// thread count. Lists are padded with LODE_NO_ITEM / -INFINITY. NaN scores are never returned. No allocation.
/// @param queries  [count, dim], count <= batch
/// @param ids, scores  [count, k], k <= the searcher's
void lode__topk_search(lode_topk *topk, const float *queries, size_t count, size_t k,
                       const lode_excluded *excluded, uint32_t *ids, float *scores);

#endif
