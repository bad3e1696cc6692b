/// Where the memory of a graph lies: tensors and work space by when they are needed.
///
/// Builders ask for *blocks*: a place that will point to so many bytes, and the moments between which the contents
/// matter. lode__layout_place() gives each an offset in one piece of memory, so that blocks which are alive at the
/// same moment never overlap, and others do. Op number i runs forward at moment i and backward at moment
/// LODE_BACKWARD_AT(i); nothing else needs to be known of the graph.
///
/// A block may be put *over* another of at least its size that is needed for the last time at the moment at which it
/// is written for the first: an op that works in place. The two are then one block.
#ifndef LODE_GRAPH_LAYOUT_H
#define LODE_GRAPH_LAYOUT_H

#include "base/memory.h"

#define LODE_MOMENT_LOSS     ((uint32_t)1 << 29) ///< between forward and backward
#define LODE_MOMENT_BACKWARD ((uint32_t)1 << 30)
#define LODE_MOMENT_END      (LODE_MOMENT_BACKWARD + 1) ///< when all has run: the optimiser, callers
#define LODE_MOMENT_NEVER    UINT32_MAX
#define LODE_BACKWARD_AT(i)  (LODE_MOMENT_BACKWARD - (uint32_t)(i))

typedef struct lode_block {
    void **place; ///< receives the address
    size_t bytes;
    uint32_t first,
        last; ///< moments; first = LODE_MOMENT_NEVER: nobody needs it, the place stays NULL
    size_t offset;
    struct lode_block *over; ///< the block it shares, or NULL
} lode_block;

/// A wish: put `block` over `under`, if that is legal.
typedef struct lode_wish {
    lode_block *block, *under;
} lode_wish;

typedef struct lode_layout {
    lode_block **blocks;
    size_t count, capacity;
    lode_wish *wishes;
    size_t wish_count, wish_capacity;
    void *memory;
    size_t bytes;  ///< of `memory`
    size_t spread; ///< bytes that the blocks would need without sharing
    bool apart;    ///< share nothing: some op did not say what it reads, or a test wants to compare
} lode_layout;

/// A block that nobody needs yet, in `arena`; NULL when there is no memory.
lode_block *lode__layout_block(lode_layout *layout, lode_arena *arena, void **place, size_t bytes);
/// The block's contents matter at `moment`. Accepts NULL.
void lode__layout_need(lode_block *block, uint32_t moment);
LODE_CHECK bool lode__layout_wish(lode_layout *layout, lode_block *block, lode_block *under);

/// Choose offsets, allocate, set all places. The same blocks give the same offsets.
LODE_CHECK bool lode__layout_place(lode_layout *layout);
/// Fill blocks whose contents become meaningless after `moment` (or, `before`, that are written first at it) with
/// NaN: a reader that did not declare itself then shows.
void lode__layout_poison(const lode_layout *layout, uint32_t moment, bool before);
void lode__layout_release(lode_layout *layout);

#endif
