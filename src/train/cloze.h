/// Windows of data.examples: cloze (Sun et al., CIKM 2019, 3.6): the up to `history` clicks that end at an example's
/// training click, some of them masked, and each masked click a query that is to find itself.
#ifndef LODE_TRAIN_CLOZE_H
#define LODE_TRAIN_CLOZE_H

#include "base/random.h"
#include "data/split.h"
#include "model/vocabulary.h"

/// Masks of a window of so many clicks that has no more than its share: the nearest number to `probability` times
/// `length`, one at least, all but one at most (and the one of a window of a single click).
size_t lode__cloze_masks(double probability, size_t length);

/// One window, in order of time.
typedef struct lode_cloze_window {
    uint64_t *clicks; ///< [history] positions in the log, items that the model does not know left out
    bool *masked;     ///< [history]
    size_t length;
} lode_cloze_window;

/// The window that ends at `newest.end` itself, and what an epoch masks of it: in a share `mask_last` of the examples the
/// newest click alone, else so many without repetition as lode__cloze_masks says, all sets alike. A function of (seed,
/// epoch, example), where an example is a number of lode__example.
void lode__cloze_draw(lode_cloze_window *window, const lode_examples *examples,
                      const lode_binding *binding, const lode_state *newest, uint64_t seed,
                      uint64_t epoch, uint64_t example);

#endif
