/// The queue of CLRec's public code: clicked items, first in, first out. Negatives are taken off its front, and where it
/// runs short it is filled from a random stretch of the training clicks.
#ifndef LODE_OBJECTIVE_CLICK_FIFO_H
#define LODE_OBJECTIVE_CLICK_FIFO_H

#include "objective/objective.h"

typedef struct lode_click_fifo {
    size_t capacity;
    const lode_training *training;
    uint64_t *counts; ///< [4] clicks that ever came in; that left; that came in this epoch; from stretches of them
    uint32_t *rows;       ///< [capacity] item rows; click number n stands at n % capacity
    uint64_t *starts;     ///< [users + 1] training clicks of the users before each
    uint32_t *taken, now; ///< [item rows] == now: not to be taken (again) now
} lode_click_fifo;

/// An empty one; `training` is borrowed, memory comes from `arena`. @param capacity  at least 1
LODE_CHECK lode_status lode__click_fifo_new(lode_click_fifo *fifo, const lode_training *training,
                                            size_t capacity, lode_arena *arena, lode_error *error);
size_t lode__click_fifo_length(const lode_click_fifo *fifo);
/// Item row of click number `index`, 0 = the front.
uint32_t lode__click_fifo_row(const lode_click_fifo *fifo, size_t index);
/// One more click at the back; where it is full the front makes room.
void lode__click_fifo_push(lode_click_fifo *fifo, uint32_t row);
/// Push so many training clicks, users one after the other, from a random one on; behind the last comes the first.
void lode__click_fifo_fill(lode_click_fifo *fifo, size_t clicks, lode_random *random);
/// Take different items off the front that `user` has no training click on; whenever the queue is empty it is filled by
/// `count` clicks. Ends with fewer items when it has seen 20 x `count` clicks. @param count  at most the capacity
/// @param rows  [count]  @return how many
size_t lode__click_fifo_take(lode_click_fifo *fifo, uint32_t user, size_t count,
                             lode_random *random, uint32_t *rows);
/// Two arrays.
size_t lode__click_fifo_arrays(const lode_click_fifo *fifo, lode_state_array *arrays);
/// After arrays came from a file: LODE_E_MISMATCH unless they are a queue of this capacity and these items.
LODE_CHECK lode_status lode__click_fifo_check(const lode_click_fifo *fifo, lode_error *error);
/// Its length, different items among its clicks, and the share of stretches in what came in: 3 figures; begins the next
/// epoch.
size_t lode__click_fifo_figures(lode_click_fifo *fifo, lode_figure *figures);

#endif
