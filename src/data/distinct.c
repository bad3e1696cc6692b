/// Draws without replacement: draw, and draw again what was there already, until `count` items are different.
///
/// The number of draws, T, is then random, and an item whose single draw has probability p is expected among T draws with
/// probability 1 - (1 - p)^T: what TensorFlow's samplers call its expected count, and what their log q is. With count 1
/// that is p itself.
///
/// The work is bounded. Where 100 draws for each item wanted are not expected to give enough different ones, `new` refuses;
/// where a draw needs twice as many as that, the rest are the next items of the sampler's list from a random one on. All
/// items that there are is no draw: T is infinite, and every log q is 0.
#include "data/distinct.h"

#include <math.h>
#include <string.h>

enum { DRAWS_EACH = 100 };

/// 1 - (1 - p)^draws.
static double expected_of(double log_p, double draws) {
    return -expm1(draws * log1p(-exp(log_p)));
}

lode_status lode__distinct_new(lode_distinct *self, const lode_sampler *sampler, size_t count,
                               uint32_t items, lode_arena *arena, lode_error *error) {
    if (count > sampler->count) {
        return lode__fail(error, LODE_E_CONFIG,
                          "negatives.unique: %zu different items cannot be drawn: only %u have a "
                          "training click; lower negatives.count",
                          count, sampler->count);
    }
    const double draws = (double)DRAWS_EACH * (double)count;
    double expected = 0;
    for (uint32_t i = 0; i < sampler->count; i++)
        expected += expected_of((double)sampler->log_q[sampler->items[i]], draws);
    if (count < sampler->count && expected < (double)count) {
        return lode__fail(
            error, LODE_E_CONFIG,
            "negatives.unique: %zu different items of %u are too many to draw from %s: "
            "%.0f draws give about %.0f; lower negatives.count",
            count, sampler->count, lode__sampler_names[sampler->type], draws, expected);
    }
    *self = (lode_distinct){
        .sampler = sampler, .count = count, .most = 2 * (uint64_t)draws, .catalogue = items};
    self->items = lode__arena_alloc(arena, count, sizeof *self->items);
    self->seen = lode__arena_alloc(arena, items, sizeof *self->seen);
    if (self->items == NULL || self->seen == NULL) return lode__fail_memory(error);
    if (count == sampler->count) memcpy(self->items, sampler->items, count * sizeof *self->items);
    return LODE_OK;
}

static size_t add(lode_distinct *self, size_t found, uint32_t item) {
    if (self->seen[item] == self->now) return found;
    self->seen[item] = self->now;
    self->items[found] = item;
    return found + 1;
}

double lode__distinct_draw(lode_distinct *self, lode_random *random) {
    const lode_sampler *sampler = self->sampler;
    if (self->count == sampler->count) return (double)INFINITY;
    if (++self->now == 0) { // the mark has gone round
        memset(self->seen, 0, self->catalogue * sizeof *self->seen);
        self->now = 1;
    }
    size_t found = 0;
    uint64_t draws = 0;
    for (; found < self->count && draws < self->most; draws++)
        found = add(self, found, lode__sampler_draw(sampler, random));
    if (found == self->count) return (double)draws;
    uint32_t at = (uint32_t)lode__random_below(random, sampler->count);
    for (; found < self->count; at = (at + 1) % sampler->count)
        found = add(self, found, sampler->items[at]);
    return (double)draws;
}

float lode__distinct_log_q(const lode_distinct *self, uint32_t item, double draws) {
    return (float)log(expected_of((double)self->sampler->log_q[item], draws));
}
