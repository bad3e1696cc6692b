/// The embedding store: the only door to embedding tables.
///
/// gather reads pooled rows; add_gradient notes where gradients of a step will be found; apply sums the
/// gradients of each touched row, in a fixed order, and updates that row. This is the seam for tables on another
/// device or spread over machines: nothing else touches table memory between load and save.
#ifndef LODE_GRAPH_STORE_H
#define LODE_GRAPH_STORE_H

#include "graph/graph.h"

/// Gradient rows of one op for one step: list r (or row r) of ids pulled `gradient` row r, times 1 / length
/// when pooled by mean.
typedef struct lode_scatter {
    const lode_ids *ids;
    const lode_lists *lists; ///< or NULL
    bool mean;
    const lode_tensor *output;
} lode_scatter;

#define LODE_SCATTERS 32 // 1 << LODE_SCATTER_BITS

enum { LODE_SCATTER_BITS = 5, LODE_LENGTH_BITS = 32 - LODE_SCATTER_BITS };

/// One id of one scatter, with what its update needs: the sort moves it whole, so that the gradient row can be fetched
/// ahead without another random read to find it.
typedef struct lode_entry {
    uint32_t id, row;
    uint32_t scatter : LODE_SCATTER_BITS;
    uint32_t length
        : LODE_LENGTH_BITS; ///< the gradient row is divided by it: 1, or the length of the list pooled by mean
} lode_entry;

/// A long row's entries are summed in pieces of this many, the pieces' sums in order: one id that everybody clicked
/// keeps no thread waiting.
#define LODE_PIECE 256

/// Entries begin .. end - 1 of a distinct id that has more than LODE_PIECE.
typedef struct lode_piece {
    uint32_t begin, end;
} lode_piece;

typedef struct lode_store {
    lode_param *param;
    lode_scatter scatters[LODE_SCATTERS]; ///< of the current step
    size_t scatter_count;
    size_t capacity; ///< most ids of one step; grows while graphs are built
    // Work space of apply, [capacity] each:
    lode_entry *entries, *entries_other; ///< sorted by id, and room for a pass of the sort
    uint32_t *segments;                  ///< [capacity + 1] first place of each distinct id
    uint32_t *digits; ///< [1 + chunks, DIGITS] where each digit begins; how often it is in the chunks before each
    lode_piece *pieces; ///< of long rows, by place
    size_t piece_count, distinct;
    void *partial; ///< [pieces, columns] their sums, in the parameter's precision
    size_t reserved;
    unsigned shift, bits;        ///< of the sort's current pass
    size_t chunk;                ///< entries of a task of the sort
    const lode_scatter *scatter; ///< being listed, its entries from `base` on
    size_t base, count;
} lode_store;

/// Called while a graph with gradients is built: `capacity` more ids may come in one step.
LODE_CHECK bool lode__store_reserve(lode_store *store, size_t capacity);
void lode__store_add_gradient(lode_store *store, const lode_scatter *scatter);
void lode__store_forget(lode_store *store);
void lode__store_release(lode_store *store);

/// Sort this step's ids; returns the number of distinct rows. entries segments[i] .. segments[i + 1] - 1 are
/// those of the i-th distinct id, in order of arrival.
size_t lode__store_sort(lode_store *store, lode_pool *pool);
/// Number of the piece that begins at a place.
size_t lode__store_piece(const lode_store *store, uint32_t begin);

#endif
