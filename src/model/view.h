/// Views: what is encoded in one pass of a tower, with each distinct thing encoded once.
///
/// An item view collects item rows while objectives draw (targets, negatives, ...), hands out a slot for each
/// distinct one, and then fills the item tower's inputs. A user view packs histories and user fields of many
/// states. Both are built into a graph for a capacity and filled before every run.
#ifndef LODE_MODEL_VIEW_H
#define LODE_MODEL_VIEW_H

#include "model/model.h"

/// What a view leaves out of the items that it encodes (MicRec 3.3, MIC 3.3.1). Each draw is a function of (seed, epoch,
/// step, purpose, item): an item is the same wherever it stands in a view, and two purposes leave out different things.
typedef struct lode_augment {
    double field;       ///< probability that a whole field is left out; one at least stays
    double categorical; ///< that a value of several is left out of their mean; one at least stays
    double element;     ///< that a number of the embeddings is 0
    uint32_t purpose;
} lode_augment;

typedef struct lode_item_view {
    const lode_model_core *model;
    const lode_graph *graph;
    bool augmented;
    lode_augment augment;
    lode_tower_inputs inputs;
    lode_tower_outputs outputs;
    uint32_t *rows; ///< [capacity] item id row of each slot
    uint32_t *slot; ///< [vocabulary items + 1] slot of a row, if `rows` agrees
    size_t count;   ///< slots in use
} lode_item_view;

/// Build inputs and apply the item tower with `params` in `graph`. NULL after a failure (graph->failed).
lode_item_view *lode__item_view_new(lode_graph *graph, const lode_model_core *model,
                                    const lode_params *params, size_t capacity);
/// The same for items of which `augment` leaves parts out. @param raw_only  outputs.raw_fields alone is wanted
lode_item_view *lode__item_view_augmented(lode_graph *graph, const lode_model_core *model,
                                          const lode_params *params, size_t capacity,
                                          const lode_augment *augment, bool raw_only);
/// A view without a tower: slots alone are handed out.
lode_item_view *lode__item_view_slots(lode_graph *graph, const lode_model_core *model,
                                      size_t capacity);
/// Forget all slots.
void lode__item_view_begin(lode_item_view *view);
/// Slot of an item row, given one when it has none; at most `capacity` distinct rows.
int32_t lode__item_view_slot(lode_item_view *view, uint32_t row);
/// Slot of a row that has one, or -1.
int32_t lode__item_view_find(const lode_item_view *view, uint32_t row);
/// Fill the tower's inputs from the slots.
void lode__item_view_fill(lode_item_view *view);
/// Fill them with the entities list[0 .. count - 1] of codes [LODE_FIELDS] by field instead; count <= capacity.
void lode__item_view_fill_codes(lode_item_view *view, const lode_codes *codes, const uint32_t *list,
                                size_t count);

/// Where a user view gets its users from.
typedef struct lode_user_source {
    void *self;
    /// Item rows of the history of user `index`, newest first, unknown items left out; at most `limit`. For a cloze
    /// view row 0 is a click that is masked.
    size_t (*history)(void *self, size_t index, size_t limit, uint32_t *rows);
    /// Rows of field `field` (number in the vocabulary), at most `limit`; a single-valued field gives one.
    size_t (*values)(void *self, size_t index, size_t field, size_t limit, uint32_t *rows);
    /// Ages in ms of the clicks that `history` gives, in its order, LODE_AGE_UNKNOWN among them; NULL = none is known.
    size_t (*ages)(void *self, size_t index, size_t limit, int64_t *ages);
} lode_user_source;

typedef struct lode_user_view {
    const lode_model_core *model;
    bool oldest_first; ///< as the tower wants histories
    bool masks;        ///< as the tower wants them: row 0 in inputs.clicks is a mask
    lode_tower_inputs inputs;
    lode_tower_outputs outputs;
    lode_click_wants wants;
    int64_t *ages; ///< [history] of one user
} lode_user_view;

lode_user_view *lode__user_view_new(lode_graph *graph, const lode_model_core *model,
                                    const lode_params *params, size_t capacity);
/// For a tower that `masks` the view above has a mask at the newest end of every history, after the `history` - 1 newest
/// clicks: what comes next. This one has masks where its source says, and outputs.positions are those of the masks.
/// @param most  masks of a run
lode_user_view *lode__user_view_cloze(lode_graph *graph, const lode_model_core *model,
                                      const lode_params *params, size_t capacity, size_t most);
void lode__user_view_fill(lode_user_view *view, const lode_user_source *source, size_t count);

/// Users of a data set at moments of their history.
typedef struct lode_log_source {
    const lode_binding *binding;
    const lode_log *log;
    const lode_state *states;
    bool no_context; ///< context fields are unknown: the click at the state's end is not what is predicted
} lode_log_source;

lode_user_source lode__log_source(lode_log_source *self);

#endif
