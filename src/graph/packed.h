/// Packed copies of dense weights: the form in which matrix products read them (kernel/table.inc).
///
/// A copy belongs to its weight and is shared by all ops, views and graphs that use it in the same precision; it is
/// made again at the first use after the values changed (lode_params.version), by the graph's threads. Of a model that
/// is only read it is made once, by whichever thread comes first.
#ifndef LODE_GRAPH_PACKED_H
#define LODE_GRAPH_PACKED_H

#include <stdatomic.h>

#include "graph/graph.h"

typedef struct lode_packed {
    struct lode_packed *next; ///< of the same weight
    const lode_param *param;
    const void *kernels; ///< whose form it is
    bool transposed;     ///< W^T, for the gradient at the input
    void *data;
    size_t count, size;       ///< elements, bytes of one
    _Atomic uint64_t version; ///< of the values it was made of; 0 = not made yet
} lode_packed;

/// While a graph is built: the copy of a weight [k, n] for products with it, or with its transpose. NULL and
/// graph->failed when there is no memory.
lode_packed *lode__packed(lode_graph *graph, lode_param *weight, bool transposed);

/// While a graph runs: the copy, made again if need be.
const void *lode__packed_data(const lode_graph *graph, lode_packed *packed);

/// Bytes of all copies of a set; not those of weights that a shadow borrows.
size_t lode__packed_bytes(lode_params *params);
/// Free the copies of a weight.
void lode__packed_release(lode_param *param);

#endif
