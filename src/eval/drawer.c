/// Negatives of sampled protocols, drawn without replacement.
///
/// One draw after another from what is left, each in proportion to weight: most draws come from an
/// alias table and are repeated when they hit an item that is taken or not eligible. When that
/// happens too often (a user who knows nearly all that is popular), the rest is drawn exactly, in
/// one pass over all items: the smallest -log(u) / weight come first, which is the same
/// distribution (Efraimidis & Spirakis 2006). The stream of a case is a function of the seed, the
/// user's token and the case's number among the user's, so no order and no thread changes a draw.
#include "eval/protocol.h"

#include "data/sampler.h"
#include "search/entry.h"

#include <math.h>
#include <string.h>
#include <xxhash.h>

enum { PURPOSE_CANDIDATES = 0x63616e64, TRIES = 20 };

typedef struct scratch {
    uint32_t *stamp; ///< [items] = now: taken, or not eligible
    uint32_t now;
    lode_entry *entries; ///< [population]
} scratch;

struct lode_drawer {
    const lode_cases *cases;
    uint32_t *weight; ///< [items]; 0 = not in the population
    lode_sampler *sampler;
    scratch *scratches;
    lode_arena arena;
};

/// uniform: every item with a click; popularity: its clicks, in all parts or in training.
static void weights_count(const lode_cases *cases, uint32_t *weight) {
    const lode_split *split = cases->split;
    const lode_log *log = &split->log;
    const bool popularity = cases->protocol.candidates == LODE_CANDIDATES_POPULARITY;
    if (popularity && cases->protocol.popularity_from == LODE_POPULARITY_TRAIN) {
        memcpy(weight, split->item_count, log->items * sizeof *weight);
        return;
    }
    for (uint64_t at = 0; at < split->clicks; at++) {
        weight[log->item[at]] = popularity ? weight[log->item[at]] + 1 : 1;
    }
}

lode_status lode__drawer_new(lode_drawer **out, const lode_cases *cases, size_t threads,
                             lode_error *error) {
    *out = NULL;
    lode_drawer *drawer = lode__alloc(1, sizeof *drawer);
    if (!drawer) {
        return lode__fail_memory(error);
    }
    const size_t items = cases->split->log.items;
    const bool popularity = cases->protocol.candidates == LODE_CANDIDATES_POPULARITY;
    lode_status status = LODE_E_MEMORY;
    drawer->cases = cases;
    drawer->weight = lode__arena_alloc(&drawer->arena, items, sizeof *drawer->weight);
    drawer->scratches = lode__arena_alloc(&drawer->arena, threads, sizeof *drawer->scratches);
    if (!drawer->weight || !drawer->scratches) {
        goto fail;
    }
    weights_count(cases, drawer->weight);
    LODE_GOTO(status,
              lode__sampler_new(&drawer->sampler,
                                popularity ? LODE_SAMPLER_POPULARITY : LODE_SAMPLER_UNIFORM, 1,
                                drawer->weight, (uint32_t)items, error),
              fail);
    for (size_t i = 0; i < threads; i++) {
        scratch *own = &drawer->scratches[i];
        own->stamp = lode__arena_alloc(&drawer->arena, items, sizeof *own->stamp);
        own->entries =
            lode__arena_alloc(&drawer->arena, drawer->sampler->count, sizeof *own->entries);
        if (!own->stamp || !own->entries) {
            status = LODE_E_MEMORY;
            goto fail;
        }
    }
    *out = drawer;
    return LODE_OK;
fail:
    lode__drawer_free(&drawer);
    return status == LODE_E_MEMORY ? lode__fail_memory(error) : status;
}

void lode__drawer_free(lode_drawer **drawer) {
    if (*drawer) {
        lode__sampler_free(&(*drawer)->sampler);
        lode__arena_release(&(*drawer)->arena);
        lode__free(*drawer);
        *drawer = NULL;
    }
}

static lode_random case_random(const lode_cases *cases, size_t index) {
    const lode_case *one = &cases->list[index];
    const char *token = lode__token(&cases->split->data->users, one->state.user);
    const uint64_t number = one->state.end - cases->split->log.offsets[one->state.user];
    const uint64_t hash = XXH64(token, strlen(token), number);
    return lode__random(cases->protocol.seed, PURPOSE_CANDIDATES, (uint32_t)hash,
                        (uint32_t)(hash >> 32));
}

/// Mark what must not be drawn; returns how many items of the population that are.
static uint32_t mark(const lode_drawer *drawer, scratch *own, const lode_case *one,
                     const uint32_t *truth, size_t truths) {
    const lode_split *split = drawer->cases->split;
    const uint32_t user = one->state.user;
    const bool train = drawer->cases->protocol.own == LODE_OWN_TRAIN;
    const uint64_t end = train ? split->train_end[user] : split->log.offsets[user + 1];
    uint32_t marked = 0;
    if (++own->now == 0) {
        memset(own->stamp, 0, split->log.items * sizeof *own->stamp);
        own->now = 1;
    }
    for (size_t i = 0; i < truths; i++) {
        marked += drawer->weight[truth[i]] > 0 && own->stamp[truth[i]] != own->now;
        own->stamp[truth[i]] = own->now;
    }
    for (uint64_t at = split->log.offsets[user]; at < end; at++) {
        const uint32_t item = split->log.item[at];
        marked += drawer->weight[item] > 0 && own->stamp[item] != own->now;
        own->stamp[item] = own->now;
    }
    return marked;
}

lode_status lode__drawer_short(lode_drawer *drawer, uint64_t *count, lode_error *error) {
    const lode_cases *cases = drawer->cases;
    uint32_t *truth = lode__alloc(cases->largest_truth, sizeof *truth);
    if (!truth) {
        return lode__fail_memory(error);
    }
    *count = 0;
    for (size_t i = 0; i < cases->count; i++) {
        const size_t truths = lode__case_truth(cases, i, truth);
        const uint32_t marked = mark(drawer, &drawer->scratches[0], &cases->list[i], truth, truths);
        *count += drawer->sampler->count - marked < cases->protocol.negatives;
    }
    lode__free(truth);
    return LODE_OK;
}

/// The rest of a draw, exactly.
static size_t draw_exact(const lode_drawer *drawer, scratch *own, lode_random *random,
                         size_t wanted, uint32_t *items) {
    size_t count = 0;
    for (uint32_t i = 0; i < drawer->sampler->count; i++) {
        const uint32_t item = drawer->sampler->items[i];
        if (own->stamp[item] != own->now) {
            const double u = 1 - lode__random_real(random); // in (0, 1]
            const float key = (float)(log(u) / (double)drawer->weight[item]);
            own->entries[count++] = lode__entry_make(key, item);
        }
    }
    if (count > wanted) {
        lode__entries_select(own->entries, count, wanted);
        count = wanted;
    }
    lode__entries_sort(own->entries, count);
    for (size_t i = 0; i < count; i++) {
        items[i] = lode__entry_item(own->entries[i]);
    }
    return count;
}

size_t lode__drawer_draw(lode_drawer *drawer, size_t thread, size_t index, const uint32_t *truth,
                         size_t truths, uint32_t *items) {
    const lode_cases *cases = drawer->cases;
    scratch *own = &drawer->scratches[thread];
    const uint32_t marked = mark(drawer, own, &cases->list[index], truth, truths);
    const size_t eligible = drawer->sampler->count - marked;
    const size_t wanted = LODE_MIN(cases->protocol.negatives, eligible);
    lode_random random = case_random(cases, index);
    size_t filled = 0;
    for (size_t tries = 0; wanted < eligible && filled < wanted && tries < TRIES * wanted; tries++) {
        const uint32_t item = lode__sampler_draw(drawer->sampler, &random);
        if (own->stamp[item] != own->now) {
            own->stamp[item] = own->now;
            items[filled++] = item;
        }
    }
    return filled < wanted
               ? filled + draw_exact(drawer, own, &random, wanted - filled, items + filled)
               : filled;
}
