#include "mine/nearest.h"

#include <math.h>

const char *const lode__nearest_searches[] = {"exact", "approximate", NULL};

static lode_status step(void *cookie, size_t done, size_t total, lode_error *error) {
    const lode_hooks *hooks = cookie;
    if (hooks == NULL || hooks->progress == NULL) return LODE_OK;
    const lode_progress progress = {
        .task = "mine", .unit = "items", .done = done, .total = total, .loss = (double)NAN};
    return hooks->progress(hooks->cookie, &progress) == 0
               ? LODE_OK
               : lode__fail(error, LODE_E_STOPPED, "mining was stopped");
}

lode_status lode__mine_nearest(lode_neighbours search, int approximate,
                               const lode_mine_input *input, lode_arena *arena, uint32_t **ids,
                               float **scores, size_t *k, lode_error *error) {
    lode_hooks none = {0};
    lode_hooks hooks = input->hooks != NULL ? *input->hooks : none;
    size_t places;
    search.k = *k = LODE_MIN(search.k, LODE_MAX(search.items, (size_t)2) - 1);
    search.step = step;
    search.cookie = &hooks;
    search.kind = approximate ? LODE_INDEX_GRAPH : LODE_INDEX_SCAN;
    if (!lode__size_mul(search.items, search.k, &places)) return lode__fail_memory(error);
    *ids = lode__arena_alloc(arena, places, sizeof **ids);
    *scores = lode__arena_alloc(arena, places, sizeof **scores);
    if (*ids == NULL || *scores == NULL) return lode__fail_memory(error);
    return lode__neighbours_find(&search, input->pool, *ids, *scores, error);
}

uint64_t lode__nearest_bytes(const lode_neighbours *search) {
    return (uint64_t)search->items *
           (search->k * 8 + search->dim * (search->cosine ? 5 : 1)); // lists, copies, bytes of the scan
}
