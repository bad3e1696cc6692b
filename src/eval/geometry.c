/// Alignment and uniformity, on drawn cases and pairs: the cost does not grow with the data. Of users with several
/// vectors, alignment takes the one nearest the target, uniformity the first.
#include "eval/geometry.h"

#include <math.h>
#include <string.h>

enum { PURPOSE = 0x47454f /* draws of cases and pairs */, USERS = 1, ITEMS = 2 };

/// Copy scaled to length 1; a zero vector stays zero.
static void unit(const float *from, size_t dim, float *to) {
    double square = 0;
    for (size_t d = 0; d < dim; d++) {
        square += (double)from[d] * (double)from[d];
    }
    const double scale = 1 / fmax(sqrt(square), 1e-12);
    for (size_t d = 0; d < dim; d++) {
        to[d] = (float)((double)from[d] * scale);
    }
}

static double distance(const float *a, const float *b, size_t dim) {
    double square = 0;
    for (size_t d = 0; d < dim; d++) {
        const double gap = (double)a[d] - (double)b[d];
        square += gap * gap;
    }
    return square;
}

double lode__uniformity(const float *vectors, size_t count, size_t dim, const uint32_t *group,
                        size_t pairs, lode_random random) {
    double sum = 0;
    size_t taken = 0;
    for (size_t i = 0; i < pairs && count > 1; i++) {
        const size_t a = (size_t)lode__random_below(&random, count);
        size_t b = (size_t)lode__random_below(&random, count - 1);
        b += b >= a;
        if (group && group[a] == group[b]) {
            continue;
        }
        sum += exp(-2 * distance(vectors + a * dim, vectors + b * dim, dim));
        taken++;
    }
    return taken > 0 ? log(sum / (double)taken) : (double)NAN;
}

typedef struct sample {
    const lode_cases *cases;
    const lode_binding *binding;
    lode_encoder *encoder;
    size_t count, dim;
    uint64_t *numbers; ///< [count] of cases
    uint32_t *user;    ///< [count]
    float *vectors;    ///< [count, dim] of length 1
    float *all;        ///< [count, interests, dim] of length 1
    float *encoded;    ///< [batch, interests, dim]
    float *item;       ///< [model items in the data, dim] of length 1
    size_t item_count;
    lode_state *states; ///< [batch]
    uint32_t *truth;
    uint32_t *rows; ///< [batch] to encode
    size_t *pair;   ///< [batch] the user of each
    float *other;   ///< [dim]
    lode_arena arena;
} sample;

static bool sample_make(sample *own, uint64_t seed) {
    const size_t batch = own->encoder->batch, interests = own->encoder->interests;
    const size_t known = own->binding->vocabulary->items;
    lode_arena *arena = &own->arena;
    own->count = LODE_MIN(own->cases->count, (size_t)LODE_GEOMETRY_CASES);
    own->dim = own->encoder->dim;
    own->numbers = lode__arena_alloc(arena, own->count, sizeof *own->numbers);
    own->user = lode__arena_alloc(arena, own->count, sizeof *own->user);
    own->vectors = lode__arena_alloc(arena, own->count, own->dim * sizeof *own->vectors);
    own->all = lode__arena_alloc(arena, own->count, interests * own->dim * sizeof *own->all);
    own->encoded = lode__arena_alloc(arena, batch, interests * own->dim * sizeof *own->encoded);
    own->item = lode__arena_alloc(arena, LODE_MIN(known, (size_t)2 * LODE_GEOMETRY_PAIRS),
                                  own->dim * sizeof *own->item);
    own->states = lode__arena_alloc(arena, batch, sizeof *own->states);
    own->rows = lode__arena_alloc(arena, batch, sizeof *own->rows);
    own->pair = lode__arena_alloc(arena, batch, sizeof *own->pair);
    own->other = lode__arena_alloc(arena, own->dim, sizeof *own->other);
    own->truth = lode__arena_alloc(arena, own->cases->largest_truth, sizeof *own->truth);
    if (!own->numbers || !own->user || !own->vectors || !own->all || !own->encoded || !own->item ||
        !own->states || !own->truth || !own->rows || !own->pair || !own->other) {
        return false;
    }
    for (size_t i = 0; i < own->count; i++) {
        own->numbers[i] = own->count < own->cases->count
                              ? lode__permute(i, own->cases->count, seed, PURPOSE, 0)
                              : i;
        own->user[i] = own->cases->list[own->numbers[i]].state.user;
    }
    return true;
}

static void encode_sample(sample *own) {
    lode_log_source source = {own->binding, &own->cases->split->log, own->states, false};
    const lode_user_source users = lode__log_source(&source);
    const size_t each = own->encoder->interests;
    for (size_t done = 0; done < own->count; done += own->encoder->batch) {
        const size_t batch = LODE_MIN(own->count - done, own->encoder->batch);
        for (size_t i = 0; i < batch; i++) {
            own->states[i] = own->cases->list[own->numbers[done + i]].state;
        }
        lode__encode_users(own->encoder, &users, batch, own->encoded);
        for (size_t i = 0; i < batch; i++) {
            for (size_t k = 0; k < each; k++)
                unit(own->encoded + (i * each + k) * own->dim, own->dim,
                     own->all + ((done + i) * each + k) * own->dim);
            unit(own->encoded + i * each * own->dim, own->dim, own->vectors + (done + i) * own->dim);
        }
    }
}

/// Encode the rows that have come together.
static void encode_rows(sample *own, size_t count) {
    if (count > 0) lode__encode_rows(own->encoder, own->rows, count, own->encoded);
}

/// Add the distances of pairs of users and encoded rows, in order.
static void add_pairs(sample *own, size_t count, double *sum) {
    encode_rows(own, count);
    for (size_t i = 0; i < count; i++) {
        unit(own->encoded + i * own->dim, own->dim, own->other);
        const size_t each = own->encoder->interests;
        const float *user = own->all + own->pair[i] * each * own->dim;
        double nearest = distance(user, own->other, own->dim);
        for (size_t k = 1; k < each; k++)
            nearest = fmin(nearest, distance(user + k * own->dim, own->other, own->dim));
        *sum += nearest;
    }
}

static double alignment(sample *own) {
    double sum = 0;
    size_t pairs = 0, waiting = 0;
    for (size_t i = 0; i < own->count; i++) {
        const size_t truths = lode__case_truth(own->cases, own->numbers[i], own->truth);
        for (size_t t = 0; t < truths; t++) {
            const uint32_t row = own->binding->item_row[own->truth[t]];
            if (row == 0) {
                continue; // no vector
            }
            own->pair[waiting] = i;
            own->rows[waiting++] = row;
            pairs++;
            if (waiting == own->encoder->batch) {
                add_pairs(own, waiting, &sum);
                waiting = 0;
            }
        }
    }
    add_pairs(own, waiting, &sum);
    return pairs > 0 ? sum / (double)pairs : (double)NAN;
}

static void keep_items(sample *own, size_t count) {
    encode_rows(own, count);
    for (size_t i = 0; i < count; i++) {
        unit(own->encoded + i * own->dim, own->dim, own->item + own->item_count++ * own->dim);
    }
}

/// Unit vectors of the model items that are in this data set; of very many, evenly drawn ones.
static void item_sample(sample *own, uint64_t seed) {
    const size_t known = own->binding->vocabulary->items;
    const size_t most = LODE_MIN(known, (size_t)2 * LODE_GEOMETRY_PAIRS);
    size_t waiting = 0;
    for (size_t i = 0; i < known && own->item_count + waiting < most; i++) {
        const size_t row = most < known ? (size_t)lode__permute(i, known, seed, PURPOSE, ITEMS) : i;
        if (own->binding->item_of[row + 1] == LODE_CODE_NONE) {
            continue;
        }
        own->rows[waiting++] = (uint32_t)row + 1;
        if (waiting == own->encoder->batch) {
            keep_items(own, waiting);
            waiting = 0;
        }
    }
    keep_items(own, waiting);
}

lode_status lode__geometry_measure(lode_geometry *geometry, const lode_cases *cases,
                                   lode_encoder *encoder, const lode_binding *binding,
                                   uint64_t seed, lode_error *error) {
    sample own = {.cases = cases, .binding = binding, .encoder = encoder};
    if (!sample_make(&own, seed)) {
        lode__arena_release(&own.arena);
        return lode__fail_memory(error);
    }
    encode_sample(&own);
    item_sample(&own, seed);
    geometry->alignment = alignment(&own);
    geometry->uniformity_users =
        lode__uniformity(own.vectors, own.count, own.dim, own.user, LODE_GEOMETRY_PAIRS,
                         lode__random(seed, PURPOSE, USERS, 0));
    geometry->uniformity_items =
        lode__uniformity(own.item, own.item_count, own.dim, NULL, LODE_GEOMETRY_PAIRS,
                         lode__random(seed, PURPOSE, ITEMS, 0));
    lode__arena_release(&own.arena);
    return LODE_OK;
}
