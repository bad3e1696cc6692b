/// What clrec.user queues under `store: attention` (CLRec C.4): of each key the items that it holds and the scores that the
/// heads of a user tower gave them. Its vector is made anew in every step from today's item table, with gradient to it.
#ifndef LODE_OBJECTIVE_HEAD_STORE_H
#define LODE_OBJECTIVE_HEAD_STORE_H

#include "objective/objective.h"

typedef struct lode_head_store {
    const lode_tower *tower;
    uint32_t items;          ///< rows are 1 .. items
    size_t capacity, clicks; ///< keys, and most clicks of one
    size_t heads;
    uint32_t *counts; ///< [capacity] clicks of a key
    uint32_t *rows;   ///< [capacity, clicks] their items
    float *scores;    ///< [capacity, clicks, heads]
    // of the scene: the keys of places 0, 1, ..., packed
    float *packed; ///< [capacity * clicks, heads]
    lode_dim *above, *positions;
    lode_lists *lists;
    lode_ids *ids;
} lode_head_store;

/// LODE_E_CONFIG where the user tower's vector is not made by heads from items alone. Memory comes from `arena`.
LODE_CHECK lode_status lode__head_store_new(lode_head_store *store, const lode_model_core *model,
                                            size_t capacity, size_t clicks, lode_arena *arena,
                                            lode_error *error);
/// The vectors of the keys [keys, d]; NULL after a failure (graph->failed).
lode_tensor *lode__head_store_build(lode_head_store *store, const lode_scene *scene, lode_dim *keys);
/// Keep user `index` of a view that has been encoded in `graph` at a place.
void lode__head_store_put(lode_head_store *store, const lode_graph *graph,
                          const lode_user_view *view, size_t index, size_t place);
/// Inputs of the first `length` places.
void lode__head_store_fill(lode_head_store *store, size_t length);
/// State for checkpoints: 3 arrays.
size_t lode__head_store_arrays(const lode_head_store *store, lode_state_array *arrays);
/// After arrays came from a file: LODE_E_MISMATCH unless the first `length` keys are of clicks of items.
LODE_CHECK lode_status lode__head_store_check(const lode_head_store *store, size_t length,
                                              lode_error *error);

#endif
