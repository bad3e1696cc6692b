/// One step's examples and queries (objective.h): which states the user view encodes, and what each query of theirs
/// is to find.
#ifndef LODE_TRAIN_BATCHER_H
#define LODE_TRAIN_BATCHER_H

#include "model/view.h"
#include "objective/objective.h"
#include "train/cloze.h"

typedef struct lode_batcher {
    const lode_examples *examples;
    const lode_binding *binding;
    bool positions;        ///< all_positions, cloze: queries are positions of windows
    size_t batch, history; ///< most examples; longest window
    size_t most;           ///< most queries
    bool ages; ///< of clicks are gathered ahead, for a tower that wants them; set by the owner
    size_t example_count;      ///< of the current step
    size_t count;              ///< queries of the current step
    lode_state *example_state; ///< [batch]
    lode_state *states;       ///< [most] of the queries; the same array where a query is an example
    uint32_t *target_rows;    ///< [most] item id rows
    uint32_t *example_of;     ///< [most], or NULL where a query is an example
    lode_cloze_window window; ///< cloze: work space
    uint32_t *window_rows,
        *window_lengths; ///< cloze: [batch, history], [batch] histories of the examples, in order of time
} lode_batcher;

/// Memory comes from `arena`; `examples` and `binding` are borrowed.
LODE_CHECK lode_status lode__batcher_new(lode_batcher *batcher, const lode_examples *examples,
                                         const lode_binding *binding, size_t batch, size_t history,
                                         lode_arena *arena, lode_error *error);

/// History of example `index` of the step as user views want it (view.h): newest first, at most `limit`; of cloze its
/// window, row 0 where a click is masked.
size_t lode__batcher_history(const lode_batcher *batcher, size_t index, size_t limit, uint32_t *rows);

/// Gather the examples of step `step` of an epoch.
void lode__batcher_gather(lode_batcher *batcher, uint64_t seed, uint64_t epoch, uint64_t step);

#endif
