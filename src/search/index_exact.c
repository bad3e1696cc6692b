// Exact search behind the handle. Filters become the byte an item that lode__topk wants; appended vectors are
// merged into its lists.
#include "search/index.h"

typedef struct exact_scratch {
    lode_topk *topk;
    bool *allowed; ///< [items]
} exact_scratch;

static lode_status exact_build(lode_index *index, const float *vectors,
                               const lode_index_options *options, lode_pool *pool, lode_error *error) {
    (void)options;
    index->table.vectors = vectors;
    return index->borrowed ? LODE_OK : lode__index_copy(index, vectors, pool, error);
}

static lode_status exact_start(lode_searcher *searcher, lode_error *error) {
    const lode_index *index = searcher->index;
    exact_scratch *own = lode__arena_alloc(&searcher->arena, 1, sizeof *own);
    if (!own) return lode__fail_memory(error);
    searcher->state = own;
    own->allowed = lode__arena_alloc(&searcher->arena, index->items, sizeof *own->allowed);
    if (!own->allowed) return lode__fail_memory(error);
    return lode__topk_new(&own->topk, index->table.vectors, index->items, index->dim, own->allowed,
                          searcher->batch, searcher->k_limit, searcher->pool, error);
}

static void exact_stop(lode_searcher *searcher) {
    exact_scratch *own = searcher->state;
    if (own) lode__topk_free(&own->topk);
}

static void merge_tail(lode_searcher *searcher, size_t query) {
    const lode_search *search = searcher->search;
    const uint32_t *ids = search->ids + query * search->k;
    const float *scores = search->scores + query * search->k;
    lode__searcher_begin(searcher, 0, 0, query);
    for (size_t i = 0; i < search->k && ids[i] != LODE_NO_ITEM; i++)
        lode__best_push(&searcher->scanners[0].quests[0].best, lode__entry_make(scores[i], ids[i]));
    lode__searcher_end(searcher, 0, 0, query);
}

static void exact_search(lode_searcher *searcher) {
    const lode_search *search = searcher->search;
    const lode_index *index = searcher->index;
    const exact_scratch *own = searcher->state;
    for (size_t id = 0; id < index->items; id++)
        own->allowed[id] =
            !lode__bit(index->deleted, id) && (!search->allowed || lode__bit(search->allowed, id));
    lode__topk_share(own->topk, LODE_MAX(search->interests, (size_t)1));
    lode__topk_search(own->topk, search->queries, search->count, search->k, search->excluded,
                      search->ids, search->scores);
    for (size_t query = 0; index->tail_count > 0 && query < search->count; query++)
        merge_tail(searcher, query);
}

const lode_index_class lode__index_exact = {.name = "exact",
                                            .build = exact_build,
                                            .start = exact_start,
                                            .stop = exact_stop,
                                            .search = exact_search};
