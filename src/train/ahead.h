/// The next step's examples, and what the log says of their users, gathered while this step computes.
///
/// What is gathered is a function of (seed, epoch, step) and of the data set, of nothing that training changes; so it
/// may be thrown away and gathered again, and a checkpoint knows nothing of it. Draws of objectives and the views'
/// slots stay with the step: they are small, and later stages depend on earlier ones.
///
/// Two sets of buffers, allocated once: the step reads one, a thread of its own fills the other.
#ifndef LODE_TRAIN_AHEAD_H
#define LODE_TRAIN_AHEAD_H

#include "train/batcher.h"

typedef struct lode_ahead lode_ahead;

/// @param pattern  how to gather; borrowed, as what it borrows
/// @param thread   false: everything is gathered when it is asked for
LODE_CHECK lode_status lode__ahead_new(lode_ahead **out, const lode_batcher *pattern, size_t history,
                                       uint64_t seed, uint64_t steps, bool thread, lode_error *error);
void lode__ahead_free(lode_ahead **ahead);

/// The examples of a step, gathered before or now; the one after it is begun. Valid until the next call.
const lode_batcher *lode__ahead_take(lode_ahead *ahead, uint64_t epoch, uint64_t step);
/// How many steps were gathered only when they were asked for: of steps in order the first, where there is a thread.
size_t lode__ahead_missed(const lode_ahead *ahead);
/// The users of the step that was taken last.
lode_user_source lode__ahead_source(lode_ahead *ahead);

#endif
