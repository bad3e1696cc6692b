#include "objective/head_store.h"

#include <string.h>

lode_status lode__head_store_new(lode_head_store *store, const lode_model_core *model,
                                 size_t capacity, size_t clicks, lode_arena *arena,
                                 lode_error *error) {
    const lode_tower *tower = &model->user;
    const size_t heads = tower->type->heads != NULL ? tower->type->heads(tower->state) : 0;
    size_t places = 0, numbers = 0;
    *store = (lode_head_store){.tower = tower,
                               .items = model->vocabulary->items,
                               .capacity = capacity,
                               .clicks = clicks,
                               .heads = heads};
    if (heads == 0) {
        return lode__fail(error, LODE_E_CONFIG,
                          "clrec.user: store: attention needs a user tower whose vector is merged "
                          "from heads alone, and model.user.tower: %s as configured is not: take "
                          "wha with merge: wha, no layers and fields.user: [], or store: vectors",
                          tower->type->name);
    }
    if (!lode__size_mul(capacity, clicks, &places) || places > INT32_MAX ||
        !lode__size_mul(places, heads, &numbers)) {
        return lode__fail(error, LODE_E_CONFIG,
                          "clrec.user: capacity: %zu keys of next: %zu clicks are too many",
                          capacity, clicks);
    }
    store->counts = lode__arena_alloc(arena, capacity, sizeof *store->counts);
    store->rows = lode__arena_alloc(arena, places, sizeof *store->rows);
    store->scores = lode__arena_alloc(arena, numbers, sizeof *store->scores);
    store->packed = lode__arena_alloc(arena, numbers, sizeof *store->packed);
    if (store->counts == NULL || store->rows == NULL || store->scores == NULL || store->packed == NULL)
        return lode__fail_memory(error);
    return LODE_OK;
}

lode_tensor *lode__head_store_build(lode_head_store *store, const lode_scene *scene, lode_dim *keys) {
    lode_graph *graph = scene->graph;
    store->above = lode__graph_dim(graph, "key_clicks", store->capacity * store->clicks);
    lode_tensor *scores = lode__stack(graph, store->above, store->packed, store->heads, NULL);
    if (scores == NULL) return NULL;
    store->positions = scores->rows;
    store->lists = lode__graph_lists(graph, keys, store->positions, store->clicks);
    store->ids = lode__graph_ids(graph, store->positions, 1);
    if (store->lists == NULL || store->ids == NULL) return NULL;
    const lode_tower *tower = store->tower;
    return tower->type->merge(tower->state, graph, scene->params, scores, store->ids, store->lists);
}

void lode__head_store_put(lode_head_store *store, const lode_graph *graph,
                          const lode_user_view *view, size_t index, size_t place) {
    const int32_t *offsets = view->inputs.history->offsets;
    const size_t first = (size_t)offsets[index], count = (size_t)offsets[index + 1] - first;
    assert(count <= store->clicks);
    uint32_t *rows = store->rows + place * store->clicks;
    float *scores = store->scores + place * store->clicks * store->heads;
    store->counts[place] = (uint32_t)count;
    for (size_t t = 0; t < count; t++) {
        rows[t] = (uint32_t)view->inputs.clicks->data[first + t];
        for (size_t h = 0; h < store->heads; h++)
            *scores++ = (float)lode__tensor_get(graph, view->outputs.scores, first + t, h);
    }
}

void lode__head_store_fill(lode_head_store *store, size_t length) {
    size_t at = 0;
    for (size_t place = 0; place < length; place++) {
        const size_t count = store->counts[place], begin = place * store->clicks;
        memcpy(store->packed + at * store->heads, store->scores + begin * store->heads,
               count * store->heads * sizeof *store->packed);
        for (size_t t = 0; t < count; t++)
            store->ids->data[at++] = (int32_t)store->rows[begin + t];
        store->lists->offsets[place + 1] = (int32_t)at;
    }
    store->above->size = store->positions->size = at;
}

size_t lode__head_store_arrays(const lode_head_store *store, lode_state_array *arrays) {
    const size_t places = store->capacity * store->clicks;
    arrays[0] =
        (lode_state_array){"heads.counts", store->counts, store->capacity * sizeof *store->counts};
    arrays[1] = (lode_state_array){"heads.rows", store->rows, places * sizeof *store->rows};
    arrays[2] = (lode_state_array){"heads.scores", store->scores,
                                   places * store->heads * sizeof *store->scores};
    return 3;
}

lode_status lode__head_store_check(const lode_head_store *store, size_t length, lode_error *error) {
    for (size_t place = 0; place < length; place++) {
        const size_t count = store->counts[place];
        bool sound = count <= store->clicks;
        for (size_t t = 0; t < count && sound; t++) {
            const uint32_t row = store->rows[place * store->clicks + t];
            sound = row >= 1 && row <= store->items;
        }
        if (sound) continue;
        return lode__fail(error, LODE_E_MISMATCH,
                          "the queue of the checkpoint is damaged: the clicks of key %zu", place);
    }
    return LODE_OK;
}
