/// Draws without replacement from a sampler, as TensorFlow's candidate samplers make them with `unique`.
#ifndef LODE_DATA_DISTINCT_H
#define LODE_DATA_DISTINCT_H

#include "data/sampler.h"

typedef struct lode_distinct {
    const lode_sampler *sampler; ///< borrowed
    uint32_t *items;             ///< [count] the last draw, all different
    size_t count;
    uint64_t most;       ///< draws after which the rest is taken without any
    uint32_t catalogue;  ///< items that `seen` has room for
    uint32_t *seen, now; ///< [catalogue] == now: in the draw at hand
} lode_distinct;

/// Memory comes from `arena`.
/// @param count  1 .. sampler->count
/// @param items  of the catalogue: those that `log_q` of the sampler is about
/// @return LODE_E_CONFIG where there are fewer items than that, or finding them would take too many draws
LODE_CHECK lode_status lode__distinct_new(lode_distinct *self, const lode_sampler *sampler,
                                          size_t count, uint32_t items, lode_arena *arena,
                                          lode_error *error);
/// Fill `items`. @return how many draws it took; infinity where `count` is all there are
double lode__distinct_draw(lode_distinct *self, lode_random *random);
/// log(1 - (1 - p)^draws): natural logarithm of how often the item is expected among the different ones of so many draws.
float lode__distinct_log_q(const lode_distinct *self, uint32_t item, double draws);

#endif
