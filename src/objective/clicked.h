/// Clicked items as keys that all queries share: what in_batch and clrec.contrast have in common.
///
/// An item that was clicked c times stands for c keys: it is encoded and scored once, with log c added to its logit. From a
/// logit (`correction`) log q(item) is subtracted, q being the item's share of the training clicks, which is what clicked
/// items are distributed as.
#ifndef LODE_OBJECTIVE_CLICKED_H
#define LODE_OBJECTIVE_CLICKED_H

#include "objective/negatives.h"

typedef struct lode_clicked {
    lode_training training;
    double correction;             ///< 0 none .. 1 all of log q
    float *log_q;                  ///< [rows]
    lode_item_view *items, *names; ///< which encodes them; which says what item a place is
    size_t above;                  ///< rows of the key tensor above those of `items`
    lode_ids *negative;            ///< rows of the key tensor
    int32_t *slots;                ///< [places] in `names`
    lode_vector *negative_shift, *positive_shift;
    lode_masker masker;
    float *counts;  ///< [places] keys that each stands for
    int32_t *place; ///< [slots] of a slot, if `slots` agrees
    double total;   ///< keys
} lode_clicked;

/// `training` is copied; memory comes from `arena`.
LODE_CHECK lode_status lode__clicked_prepare(lode_clicked *self, const lode_training *training,
                                             double correction, lode_arena *arena, lode_error *error);
/// How the keys enter a loss.
typedef struct lode_clicked_loss {
    lode_mask mask;
    double temperature;
    bool positive_in_denominator;
    lode_tensor *key;   ///< NULL = the vectors of the scene's item view
    lode_ids *positive; ///< rows of it; NULL = the scene's targets
    bool beside;        ///< keys are added beside the scene's items (lode__clicked_append)
    size_t masked;      ///< most places masked of a query; 0 = LODE_MASKED
} lode_clicked_loss;

/// Inputs and the softmax loss of every query's target among at most `most` distinct keys. Fails through graph->failed.
lode_tensor *lode__clicked_build(lode_clicked *self, const lode_scene *scene, size_t most,
                                 const lode_clicked_loss *loss);

/// Of a step: begin, add keys (item rows; an item again counts once more), finish.
void lode__clicked_begin(lode_clicked *self);
void lode__clicked_add(lode_clicked *self, uint32_t row);
/// A key of its own, in a row of the key tensor; after those that are added.
void lode__clicked_append(lode_clicked *self, uint32_t row, size_t key);
void lode__clicked_finish(lode_clicked *self, const lode_batch *batch);
/// Keys that count, masks taken off, summed over the queries; after finish.
double lode__clicked_negatives(const lode_clicked *self, size_t queries);

#endif
