/// Samplers of negative items: where they are drawn from, and with which probability.
#ifndef LODE_DATA_SAMPLER_H
#define LODE_DATA_SAMPLER_H

#include "base/random.h"
#include "data/split.h"

typedef enum lode_sampler_type {
    LODE_SAMPLER_UNIFORM, ///< every training item alike
    LODE_SAMPLER_LOG_UNIFORM, ///< by falling frequency: P(rank) = log((rank + 2) / (rank + 1)) / log(items + 1)
    LODE_SAMPLER_POPULARITY ///< proportional to count^alpha (alias table, Walker 1977; Vose 1991)
} lode_sampler_type;

/// Names of lode_sampler_type in order, ended by NULL.
extern const char *const lode__sampler_names[];

typedef struct lode_sampler {
    lode_sampler_type type;
    uint32_t count;  ///< items that can be drawn: those with a training click
    uint32_t *items; ///< [count]
    float *log_q; ///< [all items] natural logarithm of the probability of one draw; -INFINITY if never drawn
    float *threshold; ///< [count] alias table
    uint32_t *alias;  ///< [count]
    lode_arena arena;
} lode_sampler;

/// @param count  [items] how often each item was clicked in training
/// @param alpha  exponent of `popularity`, 0..2
LODE_CHECK lode_status lode__sampler_new(lode_sampler **out, lode_sampler_type type, double alpha,
                                         const uint32_t *count, uint32_t items, lode_error *error);
void lode__sampler_free(lode_sampler **sampler);
uint32_t lode__sampler_draw(const lode_sampler *sampler, lode_random *random);

#endif
