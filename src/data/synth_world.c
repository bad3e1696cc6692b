// Items. Interest and topic are two independent balanced colourings (keyed permutations), popularity is a third
// permutation: weight of rank r = 1 / (r + 10)^zipf, exposure = weight^bias with mean 1. Alias tables draw by exposure
// among all items, among those of an interest and among those of a topic, in constant time.
//
// Complements: for each of the `complements` rounds a random matching of items of different categories. The items come
// in a random order; one that meets a waiting item of another category is paired with it, else it waits (so those that
// wait are always of one category). Every item gets one complement a round, unless a category holds more than half of
// all items. Nothing else of the items is looked at: features, titles and content know nothing of it.
#include "data/synth.h"

#include <math.h>

/// Keyed permutations of the items, by the epoch of their keys; complements take MATCHING and the following.
enum { ORDER_RANK = 1, ORDER_INTEREST, ORDER_TOPIC, ORDER_MATCHING };

lode_random lode__synth_stream(const lode_synth_options *options, uint32_t kind, uint32_t number) {
    return lode__random((uint64_t)options->seed, LODE_PURPOSE_SYNTH, kind, number);
}

static uint32_t permuted(const lode_synth_options *options, uint32_t item, uint32_t order) {
    return (uint32_t)lode__permute(item, (uint64_t)options->items, (uint64_t)options->seed,
                                   LODE_PURPOSE_SYNTH, order);
}

uint32_t lode__synth_rank(const lode_synth_options *options, uint32_t item) {
    return permuted(options, item, ORDER_RANK);
}

// A place in a group of `size`, and 32 bits for the choice within its column.
static uint32_t draw_place(uint32_t size, lode_random *random, uint32_t *fraction) {
    const uint64_t high = lode__random_u32(random), bits = high << 32 | lode__random_u32(random);
    const uint64_t low = (uint32_t)bits * (uint64_t)size;
    const uint64_t product = (bits >> 32) * size + (low >> 32);
    *fraction = (uint32_t)product;
    return (uint32_t)(product >> 32);
}

static uint32_t member(const lode_synth_groups *groups, uint32_t place) {
    return groups->members ? groups->members[place] : place;
}

uint32_t lode__synth_draw(const lode_synth_groups *groups, size_t group, lode_random *random) {
    const uint32_t start = groups->starts[group];
    uint32_t fraction, place = draw_place(groups->starts[group + 1] - start, random, &fraction);
    const lode_synth_alias *const column = &groups->alias[start + place];
    if ((float)(fraction >> 8) * 0x1p-24f >= column->keep) place = column->other;
    return member(groups, start + place);
}

uint32_t lode__synth_draw_even(const lode_synth_groups *groups, size_t group, lode_random *random) {
    const uint32_t start = groups->starts[group];
    uint32_t fraction;
    return member(groups, start + draw_place(groups->starts[group + 1] - start, random, &fraction));
}

bool lode__synth_complements(const lode_synth_world *world, uint32_t from, uint32_t item) {
    const size_t count = (size_t)world->options.complements;
    for (size_t k = 0; k < count; ++k)
        if (world->complements[from * count + k] == item) return true;
    return false;
}

// Vose's construction for one group. `left` and `work` hold as many elements as the group.
static void alias_fill(const lode_synth_world *world, const lode_synth_groups *groups, size_t group,
                       double *left, uint32_t *work) {
    const uint32_t start = groups->starts[group], size = groups->starts[group + 1] - start;
    lode_synth_alias *const alias = groups->alias + start;
    const double mean = groups->mass[group];
    uint32_t small = 0, large = size; // small ones from the front of `work`, large ones from its end
    for (uint32_t k = 0; k < size; ++k) {
        left[k] = (double)world->exposure[member(groups, start + k)] / mean;
        alias[k] = (lode_synth_alias){1.0F, k};
        if (left[k] < 1)
            work[small++] = k;
        else
            work[--large] = k;
    }
    while (small > 0 && large < size) {
        const uint32_t low = work[--small], high = work[large];
        alias[low] = (lode_synth_alias){(float)left[low], high};
        left[high] -= 1 - left[low];
        if (left[high] >= 1) continue;
        ++large;
        work[small++] = high;
    }
}

// Group the items by a colouring (NULL: all in one).
static lode_status groups_make(lode_synth_groups *groups, const lode_synth_world *world,
                               const uint16_t *colour, size_t count, lode_error *error) {
    const uint32_t items = world->items;
    groups->count = count;
    groups->starts = lode__alloc(count + 2, sizeof *groups->starts);
    groups->members = colour ? lode__alloc(items, sizeof *groups->members) : NULL;
    groups->alias = lode__alloc(items, sizeof *groups->alias);
    groups->mass = lode__alloc(count, sizeof *groups->mass);
    double *const left = lode__alloc(items, sizeof *left);
    uint32_t *const work = lode__alloc(items, sizeof *work);
    const bool fine = groups->starts && (groups->members || !colour) && groups->alias &&
                      groups->mass && left && work;
    if (fine) {
        uint32_t *const next = groups->starts + 1; // runs from the start of a group to its end
        for (uint32_t i = 0; i < items; ++i) {
            const size_t group = colour ? colour[i] : 0;
            ++next[group + 1];
            groups->mass[group] += (double)world->exposure[i];
        }
        for (size_t k = 0; k < count; ++k) {
            groups->mass[k] /= (double)LODE_MAX(next[k + 1], 1U);
            next[k + 1] += next[k];
        }
        for (uint32_t i = 0; colour && i < items; ++i)
            groups->members[next[colour[i]]++] = i;
        if (!colour) next[0] = items;
        for (size_t k = 0; k < count; ++k)
            alias_fill(world, groups, k, left, work);
    }
    lode__free(left);
    lode__free(work);
    return fine ? LODE_OK : lode__fail_memory(error);
}

static void groups_release(lode_synth_groups *groups) {
    lode__free(groups->starts);
    lode__free(groups->members);
    lode__free(groups->alias);
    lode__free(groups->mass);
}

// One random matching: complement number `round` of every item.
static void match(lode_synth_world *world, uint32_t round, uint32_t *waiting) {
    const size_t width = (size_t)world->options.complements;
    uint32_t count = 0;
    for (uint32_t k = 0; k < world->items; ++k) {
        const uint32_t item = permuted(&world->options, k, ORDER_MATCHING + round);
        uint32_t *const own = &world->complements[item * width + round];
        *own = LODE_SYNTH_NONE;
        if (count == 0 || world->category[waiting[count - 1]] == world->category[item]) {
            waiting[count++] = item;
            continue;
        }
        const uint32_t other = waiting[--count];
        if (lode__synth_complements(world, item, other)) continue; // a pair of an earlier round
        *own = other;
        world->complements[other * width + round] = item;
    }
}

static lode_status complements_make(lode_synth_world *world, lode_error *error) {
    const size_t rounds = (size_t)world->options.complements;
    world->complements = lode__alloc(world->items * rounds, sizeof *world->complements);
    uint32_t *const waiting = lode__alloc(world->items, sizeof *waiting);
    if (!world->complements || !waiting) {
        lode__free(waiting);
        return lode__fail_memory(error);
    }
    for (size_t k = 0; k < world->items * rounds; ++k)
        world->complements[k] = LODE_SYNTH_NONE;
    for (uint32_t round = 0; round < rounds; ++round)
        match(world, round, waiting);
    lode__free(waiting);
    return LODE_OK;
}

lode_status lode__synth_world_make(lode_synth_world *world, const lode_synth_options *options,
                                   lode_error *error) {
    const uint32_t items = (uint32_t)options->items;
    *world = (lode_synth_world){.options = *options, .items = items};
    world->interest = lode__alloc(items, sizeof *world->interest);
    world->topic = lode__alloc(items, sizeof *world->topic);
    world->category = lode__alloc(items, sizeof *world->category);
    world->exposure = lode__alloc(items, sizeof *world->exposure);
    if (!world->interest || !world->topic || !world->category || !world->exposure)
        return lode__fail_memory(error);
    const double power = -options->zipf * options->bias;
    double sum = 0;
    for (uint32_t k = 0; k < items; ++k)
        sum += pow((double)k + 10.0, power);
    for (uint32_t i = 0; i < items; ++i) {
        world->interest[i] =
            (uint16_t)(permuted(options, i, ORDER_INTEREST) % (uint32_t)options->interests);
        world->topic[i] = (uint16_t)(permuted(options, i, ORDER_TOPIC) % (uint32_t)options->topics);
        world->exposure[i] =
            (float)(pow((double)lode__synth_rank(options, i) + 10.0, power) * items / sum);
        lode_random random = lode__synth_stream(options, LODE_SYNTH_CATEGORY, i);
        world->category[i] = lode__random_real(&random) < options->feature_noise
                                 ? (uint16_t)lode__random_below(&random, (uint64_t)options->interests)
                                 : world->interest[i];
    }
    LODE_TRY(complements_make(world, error));
    LODE_TRY(groups_make(&world->all, world, NULL, 1, error));
    LODE_TRY(groups_make(&world->by_interest, world, world->interest, (size_t)options->interests,
                         error));
    return groups_make(&world->by_topic, world, world->topic, (size_t)options->topics, error);
}

void lode__synth_world_release(lode_synth_world *world) {
    lode__free(world->interest);
    lode__free(world->topic);
    lode__free(world->category);
    lode__free(world->exposure);
    lode__free(world->complements);
    groups_release(&world->all);
    groups_release(&world->by_interest);
    groups_release(&world->by_topic);
    *world = (lode_synth_world){0};
}
