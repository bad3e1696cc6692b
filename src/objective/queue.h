/// The buffer of CLRec (3.1): keys of the latest steps, first in, first out; a ring of rows: of
/// items, or of what else the keys were made of.
#ifndef LODE_OBJECTIVE_QUEUE_H
#define LODE_OBJECTIVE_QUEUE_H

#include "objective/objective.h"

typedef struct lode_queue {
    size_t capacity;  ///< keys
    uint32_t items;   ///< rows are 1 .. items, whatever they number
    uint64_t *counts; ///< [2] keys that ever came in; steps
    uint32_t *rows;   ///< [capacity] key number n stands at n % capacity
    uint64_t *born;   ///< [capacity] the step in which it came
    size_t width;     ///< of vectors; 0 = none are kept
    float *vectors;   ///< [capacity, width] or NULL
} lode_queue;

/// What `capacity` means: `given`, or for 0 the paper's 2560 keys, a step's queries where these are more. LODE_E_CONFIG
/// where a step does not fit. @param objective  its name
LODE_CHECK lode_status lode__queue_capacity(const char *objective, int64_t given, size_t queries,
                                            size_t *capacity, lode_error *error);
/// An empty one; memory comes from `arena`.
LODE_CHECK lode_status lode__queue_new(lode_queue *queue, size_t capacity, uint32_t items,
                                       size_t width, lode_arena *arena, lode_error *error);
/// A new step: what is pushed from now on has age 0.
void lode__queue_step(lode_queue *queue);
/// One more key; the oldest makes room. Returns its place, whose vector the caller fills.
size_t lode__queue_push(lode_queue *queue, uint32_t row);
size_t lode__queue_length(const lode_queue *queue);
/// Place of key number `index`, 0 = the oldest that is left.
size_t lode__queue_place(const lode_queue *queue, size_t index);
/// Ages in steps: 0 = of the latest.
void lode__queue_ages(const lode_queue *queue, double *mean, double *oldest);
/// Its length and ages for metrics.jsonl: 3 figures.
size_t lode__queue_figures(const lode_queue *queue, lode_figure *figures);
size_t lode__queue_arrays(const lode_queue *queue, lode_state_array *arrays);
/// After arrays came from a file: LODE_E_MISMATCH unless they are a queue of this capacity.
LODE_CHECK lode_status lode__queue_check(const lode_queue *queue, lode_error *error);

/// What a query saw on average in an epoch: state for checkpoints, and a figure for metrics.jsonl.
typedef struct lode_tally {
    double *sums; ///< [2] queries; negatives of all of them
} lode_tally;

LODE_CHECK lode_status lode__tally_new(lode_tally *tally, lode_arena *arena, lode_error *error);
void lode__tally_add(lode_tally *tally, double queries, double negatives);
/// One array.
size_t lode__tally_arrays(const lode_tally *tally, lode_state_array *arrays);
/// One figure, `negatives`; begins the next epoch.
size_t lode__tally_figures(lode_tally *tally, lode_figure *figures);

#define LODE_CAPACITY_KEY(struct_name, where)                                                      \
    {                                                                                              \
        .name = "capacity", .type = LODE_KEY_INT, .offset = offsetof(struct_name, capacity),       \
        .fallback = "0", .low = 0, .high = 1 << 22,                                                \
        .help = "Keys of the queue, at least a step's queries" where                               \
                ". 0: 2560, or a step's queries where these are more."                             \
    }
#define LODE_MOMENTUM_KEY(struct_name, start)                                                      \
    {                                                                                              \
        .name = "momentum", .type = LODE_KEY_REAL, .offset = offsetof(struct_name, momentum),      \
        .fallback = "0.999", .low = 0, .high = 1,                                                  \
        .help = start "hare of the key encoder's weights that stays in a step (Eq. 5); 0 is a "    \
                      "memory bank. Tables are shared."                                            \
    }
#define LODE_COSINE_TEMPERATURE_KEY(struct_name)                                                    \
    {                                                                                               \
        .name = "temperature", .type = LODE_KEY_REAL,                                               \
        .offset = offsetof(struct_name, temperature), .fallback = "0.07", .low = 1e-4, .high = 1e4, \
        .help = "Scores are divided by it (Eq. 4); .07 is meant for model.scorer: cosine."          \
    }

#endif
