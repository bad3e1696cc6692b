/// k nearest neighbours of a set of vectors among themselves, by inner product or cosine, in batches, so that memory is one
/// copy of the vectors (cosine), the index and the lists, never items x items. Exact, unless an index of another kind
/// is asked for.
#ifndef LODE_SEARCH_NEIGHBOURS_H
#define LODE_SEARCH_NEIGHBOURS_H

#include "search/searcher.h"

/// Called between batches; a status other than LODE_OK ends the search with it.
typedef lode_status lode_neighbours_step(void *cookie, size_t done, size_t total, lode_error *error);

typedef struct lode_neighbours {
    const float *vectors; ///< [items, dim], finite
    size_t items, dim;
    const bool *allowed; ///< [items] others neither have neighbours nor are any; NULL = all
    bool cosine; ///< else inner product; vectors of length 0 then have no neighbours and are none
    size_t k;    ///< 1 or more
    lode_index_kind kind; ///< exact and scan give the same lists; ivf and graph find most of them
    size_t effort;        ///< of ivf and graph, 0 = their own
    lode_neighbours_step *step; ///< or NULL
    void *cookie;
} lode_neighbours;

/// The k best of each item, never itself, best first, ties by lower item; the same at any thread count.
/// Lists are padded with LODE_NO_ITEM / -INFINITY. NaN products (of overflowing numbers) are left out.
/// @param ids, scores  [items, k]
LODE_CHECK lode_status lode__neighbours_find(const lode_neighbours *search, lode_pool *pool,
                                             uint32_t *ids, float *scores, lode_error *error);

#endif
