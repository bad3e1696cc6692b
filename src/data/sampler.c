/// Samplers of negative items.
///
/// Only items with a training click can be drawn. `items` lists them by index, or by falling count
/// (ties by lower index) for log_uniform. A draw is
///     uniform      an entry of the list
///     log_uniform  the rank floor(exp(x log(n + 1))) - 1 of a uniform x, whose distribution is
///     exactly the one above popularity   an entry, and then by its threshold itself or its alias.
///     The table is Vose's: entries with
///                  less than the mean share are filled up by one with more.
/// log_q is computed in double from the definition, not from the table, whose thresholds are
/// rounded to float.
#include "data/sampler.h"

#include <math.h>
#include <stdlib.h>

const char *const lode__sampler_names[] = {"uniform", "log_uniform", "popularity", NULL};

static int key_compare(const void *a, const void *b) {
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x < y) - (x > y); // falling
}

/// Items with a count, by falling count and then by index.
static lode_status items_by_count(lode_sampler *sampler, const uint32_t *count, uint32_t items,
                                  lode_error *error) {
    uint64_t *keys = lode__alloc(sampler->count, sizeof *keys);
    if (!keys) {
        return lode__fail_memory(error);
    }
    uint32_t filled = 0;
    for (uint32_t item = 0; item < items; item++) {
        if (count[item] > 0) {
            keys[filled++] = (uint64_t)count[item] << 32 | (UINT32_MAX - item);
        }
    }
    qsort(keys, filled, sizeof *keys, key_compare);
    for (uint32_t rank = 0; rank < filled; rank++) {
        sampler->items[rank] = UINT32_MAX - (uint32_t)keys[rank];
    }
    lode__free(keys);
    return LODE_OK;
}

static void items_by_index(lode_sampler *sampler, const uint32_t *count, uint32_t items) {
    uint32_t filled = 0;
    for (uint32_t item = 0; item < items; item++) {
        if (count[item] > 0) {
            sampler->items[filled++] = item;
        }
    }
}

/// Vose's alias table from shares with mean 1. `queue` [count]: entries below the mean from the
/// front, others from the back.
static void alias_fill(lode_sampler *sampler, double *share, uint32_t *queue) {
    const uint32_t count = sampler->count;
    uint32_t small = 0, large = count;
    for (uint32_t i = 0; i < count; i++) {
        queue[share[i] < 1 ? small++ : --large] = i;
    }
    // queue[0 .. small) are below the mean, queue[large .. count) are not
    while (small > 0 && large < count) {
        const uint32_t low = queue[--small], high = queue[large];
        sampler->threshold[low] = (float)share[low];
        sampler->alias[low] = high;
        share[high] -= 1 - share[low];
        if (share[high] < 1) {
            large++;
            queue[small++] = high;
        }
    }
    while (large < count) {
        const uint32_t i = queue[large++];
        sampler->threshold[i] = 1;
        sampler->alias[i] = i;
    }
    while (small > 0) { // left over by rounding: their share is 1
        const uint32_t i = queue[--small];
        sampler->threshold[i] = 1;
        sampler->alias[i] = i;
    }
}

static lode_status popularity_build(lode_sampler *sampler, double alpha, const uint32_t *count,
                                    lode_error *error) {
    lode_status status = LODE_OK;
    const uint32_t n = sampler->count;
    double *share = lode__alloc(n, sizeof *share);
    uint32_t *queue = lode__alloc(n, sizeof *queue);
    sampler->threshold = lode__arena_alloc(&sampler->arena, n, sizeof *sampler->threshold);
    sampler->alias = lode__arena_alloc(&sampler->arena, n, sizeof *sampler->alias);
    if (!share || !queue || !sampler->threshold || !sampler->alias) {
        status = lode__fail_memory(error);
        goto done;
    }
    double sum = 0;
    for (uint32_t i = 0; i < n; i++) {
        share[i] = pow((double)count[sampler->items[i]], alpha);
        sum += share[i];
    }
    for (uint32_t i = 0; i < n; i++) {
        sampler->log_q[sampler->items[i]] = (float)(log(share[i]) - log(sum));
        share[i] *= (double)n / sum;
    }
    alias_fill(sampler, share, queue);
done:
    lode__free(queue);
    lode__free(share);
    return status;
}

static void log_q_fill(lode_sampler *sampler) {
    const double n = (double)sampler->count;
    for (uint32_t rank = 0; rank < sampler->count; rank++) {
        const double q = sampler->type == LODE_SAMPLER_UNIFORM
                             ? 1 / n
                             : log1p(1 / ((double)rank + 1)) / log(n + 1);
        sampler->log_q[sampler->items[rank]] = (float)log(q);
    }
}

static lode_status sampler_build(lode_sampler *sampler, double alpha, const uint32_t *count,
                                 uint32_t items, lode_error *error) {
    for (uint32_t item = 0; item < items; item++) {
        sampler->count += count[item] > 0;
    }
    if (sampler->count == 0) {
        return lode__fail(error, LODE_E_CONFIG,
                          "negative items cannot be drawn: no item has a training click");
    }
    sampler->items = lode__arena_alloc(&sampler->arena, sampler->count, sizeof *sampler->items);
    sampler->log_q = lode__arena_alloc(&sampler->arena, items, sizeof *sampler->log_q);
    if (!sampler->items || !sampler->log_q) {
        return lode__fail_memory(error);
    }
    for (uint32_t item = 0; item < items; item++) {
        sampler->log_q[item] = -INFINITY;
    }
    switch (sampler->type) {
    case LODE_SAMPLER_LOG_UNIFORM:
        LODE_TRY(items_by_count(sampler, count, items, error));
        log_q_fill(sampler);
        return LODE_OK;
    case LODE_SAMPLER_POPULARITY:
        items_by_index(sampler, count, items);
        return popularity_build(sampler, alpha, count, error);
    case LODE_SAMPLER_UNIFORM:
    default:
        items_by_index(sampler, count, items);
        log_q_fill(sampler);
        return LODE_OK;
    }
}

lode_status lode__sampler_new(lode_sampler **out, lode_sampler_type type, double alpha,
                              const uint32_t *count, uint32_t items, lode_error *error) {
    *out = NULL;
    if (type == LODE_SAMPLER_POPULARITY && !(alpha >= 0 && alpha <= 2)) {
        return lode__fail(error, LODE_E_CONFIG, "the exponent of popularity is %g, expected 0 to 2",
                          alpha);
    }
    lode_sampler *sampler = lode__alloc(1, sizeof *sampler);
    if (!sampler) {
        return lode__fail_memory(error);
    }
    sampler->type = type;
    const lode_status status = sampler_build(sampler, alpha, count, items, error);
    if (status != LODE_OK) {
        lode__sampler_free(&sampler);
        return status;
    }
    *out = sampler;
    return LODE_OK;
}

void lode__sampler_free(lode_sampler **sampler) {
    if (*sampler) {
        lode__arena_release(&(*sampler)->arena);
        lode__free(*sampler);
        *sampler = NULL;
    }
}

uint32_t lode__sampler_draw(const lode_sampler *sampler, lode_random *random) {
    const uint32_t count = sampler->count;
    if (sampler->type == LODE_SAMPLER_LOG_UNIFORM) {
        const double power = exp(lode__random_real(random) * log((double)count + 1));
        const uint32_t rank = (uint32_t)power - 1; // 1 <= power <= count + 1, up to rounding
        return sampler->items[LODE_MIN(rank, count - 1)];
    }
    const uint32_t at = (uint32_t)lode__random_below(random, count);
    if (sampler->type == LODE_SAMPLER_POPULARITY &&
        lode__random_real(random) >= (double)sampler->threshold[at]) {
        return sampler->items[sampler->alias[at]];
    }
    return sampler->items[at];
}
