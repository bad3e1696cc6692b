/// One handle for every way to search: exact, quantised scan, inverted lists, and what else joins them.
///
/// An index is read-only while it is searched and may be shared by threads; a searcher holds one caller's
/// scratch (of one thread, or of a pool that works for it). Ids are the numbers of the vectors in the order in
/// which they were given; scores are inner products, with the bits of exact search.
///
///     exact  every vector is scored in f32 (search/topk.h): the truth
///     scan   every vector is looked at as bytes, with bounds, and those that can matter are scored in f32: the
///            same results as exact, ids and scores; see search/codes.h
///     ivf    vectors in lists around centroids; a query visits the `effort` lists whose centroids have the
///            largest inner product with it, and is exact within them
///     graph  vectors linked to near ones; a query walks along the links of `effort` vectors (search/network.h)
///
/// Deleted vectors keep their ids and are skipped inside the search. Appended ones go to a side list that every
/// search scores exactly, whatever the kind: results stay right and time grows with the list, so an index is
/// built anew once a few per cent were appended.
///
/// Saved files (docs/formats.md) are written whole or not at all, and used where they are mapped.
#ifndef LODE_SEARCH_SEARCHER_H
#define LODE_SEARCH_SEARCHER_H

#include "search/topk.h"

typedef struct lode_index lode_index;
typedef struct lode_searcher lode_searcher;

typedef enum lode_index_kind {
    LODE_INDEX_EXACT,
    LODE_INDEX_SCAN,
    LODE_INDEX_IVF,
    LODE_INDEX_GRAPH,
    LODE_INDEX_KINDS
} lode_index_kind;

typedef struct lode_index_options {
    lode_index_kind kind;
    bool borrow; ///< exact and scan: use the caller's vectors, which must outlive the index; cannot be saved
    size_t lists;  ///< ivf: 0 = 4 sqrt(items)
    size_t effort; ///< ivf: lists that a query visits unless it says otherwise, 0 = lists / 64
    uint64_t seed;
} lode_index_options;

/// @param vectors  [items, dim]
LODE_CHECK lode_status lode__index_build(lode_index **out, const float *vectors, size_t items,
                                         size_t dim, const lode_index_options *options,
                                         lode_pool *pool, lode_error *error);
void lode__index_free(lode_index **index);

LODE_CHECK lode_status lode__index_save(const lode_index *index, const char *path, lode_error *error);
/// @param verify  read everything and check every checksum; structure is checked in any case
LODE_CHECK lode_status lode__index_open(lode_index **out, const char *path, bool verify,
                                        lode_error *error);

/// While nobody searches. Ids that are out of range or deleted already are ignored.
LODE_CHECK lode_status lode__index_delete(lode_index *index, const uint32_t *ids, size_t count,
                                          lode_error *error);
/// While nobody searches, and before the searchers are made. The new ids go on where the old ones end.
LODE_CHECK lode_status lode__index_append(lode_index *index, const float *vectors, size_t count,
                                          lode_error *error);

/// Vectors, deleted ones included; ids are below it.
size_t lode__index_size(const lode_index *index);
size_t lode__index_dim(const lode_index *index);
/// Does it hold exactly these vectors [items, dim], id by id, to the bit? Not after deletions or appending.
bool lode__index_holds(const lode_index *index, const float *vectors, size_t items, size_t dim);
const char *lode__index_kind_name(const lode_index *index);
size_t lode__index_effort(const lode_index *index);
/// What searches that do not say otherwise take.
void lode__index_set_effort(lode_index *index, size_t effort);

/// @param batch  most queries of one search
/// @param k      longest list
/// @param pool   or NULL
LODE_CHECK lode_status lode__searcher_new(lode_searcher **out, const lode_index *index, size_t batch,
                                          size_t k, lode_pool *pool, lode_error *error);
void lode__searcher_free(lode_searcher **searcher);
/// Room for searches with up to so many vectors a query, which must not be more than the searcher's batch; such a
/// search may have any number of queries.
LODE_CHECK lode_status lode__searcher_reserve(lode_searcher *searcher, size_t interests,
                                              lode_error *error);

typedef struct lode_search {
    const float *queries; ///< [count, dim]
    size_t count, k;
    const uint64_t *allowed; ///< bit id % 64 of word id / 64 set = may be returned; NULL = all
    const lode_excluded *excluded; ///< or NULL
    /// [count] what scores no more than this may be missing, so that a search over further vectors is short; NULL = none
    const float *floors;
    size_t effort; ///< 0 = the index's own
    uint32_t *ids; ///< [count, k] best first, ties by lower id; padded with LODE_NO_ITEM
    float *scores; ///< [count, k] padded with -INFINITY
    /// Vectors a query, 0 = 1: queries [count, interests, dim], an item's score is the largest over them. Lists are those
    /// of the maximum, exactly, where the index is exact. After lode__searcher_reserve.
    size_t interests;
} lode_search;

/// The same results at any thread count and whatever queries are beside one. NaN scores are never returned.
/// No allocation.
void lode__searcher_search(lode_searcher *searcher, const lode_search *search);

#endif
