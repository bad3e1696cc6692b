/// Softmax over the whole catalogue: what full_softmax and clrec.ipw share.
///
///     l_i = log sum over training items y of e^z_iy - z_i+        z_iy = s(u_i, v_y) / temperature
///
/// Every item with a training click is encoded in every step, in the item view that all objectives share; the
/// contrast op goes through it block by block, so that queries x items is never stored. Beside the view's own inputs and
/// outputs a step keeps about five times items x d numbers.
#ifndef LODE_OBJECTIVE_FULL_SOFTMAX_H
#define LODE_OBJECTIVE_FULL_SOFTMAX_H

#include "objective/negatives.h"

/// The first member of a configuration.
typedef struct lode_full_options {
    double temperature;
    int mask; ///< 0 none, 1 user_items
    int denominator;
} lode_full_options;

/// The first member of a state.
typedef struct lode_full_softmax {
    const lode_full_options *options;
    lode_training training;
    lode_item_view *items;
    lode_ids *negative; ///< [items] place j is item id row j + 1
    lode_lists *masked; ///< or NULL
    lode_ids *places;
    uint32_t *seen, now; ///< [rows] == now: a row whose place is masked for the query at hand
} lode_full_softmax;

extern const char *const lode__full_masks[];

/// @param options  borrowed, as long as the state
LODE_CHECK lode_status lode__full_softmax_prepare(lode_full_softmax *self,
                                                  const lode_full_options *options,
                                                  const lode_training *training, lode_arena *arena,
                                                  lode_error *error);
size_t lode__full_softmax_items(const void *state, size_t queries);
/// A failure shows in graph->failed. @param query_weight  [queries] of each query's loss, or NULL
void lode__full_softmax_build(lode_full_softmax *self, const lode_scene *scene,
                              lode_vector *query_weight, double weight);
void lode__full_softmax_draw(lode_full_softmax *self, const lode_batch *batch);

#define LODE_FULL_MASK_KEY                                                                         \
    {                                                                                              \
        .name = "mask", .type = LODE_KEY_CHOICE, .offset = offsetof(lode_full_options, mask),      \
        .fallback = "none", .choices = lode__full_masks,                                           \
        .help = "user_items: what else the user clicked in training (at most 255 items) is left "  \
                "out of the sum."                                                                  \
    }

#endif
