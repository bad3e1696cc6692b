/// Optimisers. `lazy_adam` is Adam with torch.optim.SparseAdam's semantics on tables: the bias correction uses
/// the global step, rows that were not touched stay frozen, moments included, and epsilon is added to sqrt(v)
/// before the correction (so that it counts as epsilon / sqrt(1 - beta2^step)). `adam_dense` treats tables as
/// dense weights: every row moves in every step. Dense weights get plain Adam under both.
#ifndef LODE_GRAPH_OPTIMISER_H
#define LODE_GRAPH_OPTIMISER_H

#include "graph/graph.h"
#include "graph/store.h"

typedef enum lode_optimiser_type { LODE_LAZY_ADAM, LODE_ADAM_DENSE } lode_optimiser_type;

typedef struct lode_optimiser {
    lode_optimiser_type type;
    double rate, beta1, beta2, epsilon;
    double decay; ///< L2 on what is updated
} lode_optimiser;

/// Update every parameter that has a gradient; `step` counts from 1. No allocation.
void lode__optimise(const lode_optimiser *optimiser, lode_params *params, uint64_t step,
                    lode_pool *pool);

/// Gradient of a table as a dense array [rows, columns] of the set's precision (tests).
void lode__store_dense_gradient(lode_store *store, lode_precision precision, void *out);

#endif
