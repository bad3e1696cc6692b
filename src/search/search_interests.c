// Queries of several vectors: each vector is searched, and lists are merged by the largest score of an item. The k best of
// the maximum are among the k best of some vector: what beats an item in the list of its best vector beats it in the
// maximum too.
#include "search/index.h"

lode_status lode__searcher_reserve(lode_searcher *searcher, size_t interests, lode_error *error) {
    const size_t vectors = searcher->batch, k = searcher->k_limit;
    assert(interests <= vectors);
    size_t cells;
    if (interests <= 1) return LODE_OK;
    if (!lode__size_mul(vectors, k, &cells)) return lode__fail_memory(error);
    searcher->own_ids = lode__arena_alloc(&searcher->arena, cells, sizeof *searcher->own_ids);
    searcher->own_scores = lode__arena_alloc(&searcher->arena, cells, sizeof *searcher->own_scores);
    searcher->entries = lode__arena_alloc(&searcher->arena, searcher->threads,
                                          interests * k * sizeof *searcher->entries);
    searcher->interests = interests;
    return searcher->own_ids && searcher->own_scores && searcher->entries ? LODE_OK
                                                                          : lode__fail_memory(error);
}

typedef struct merging {
    lode_searcher *searcher;
    const lode_search *search; ///< of the vectors
    size_t first;              ///< query
    const lode_search *whole;
} merging;

/// Score and item change places, so that entries sort by item and then by score.
static lode_entry turned(lode_entry entry) {
    return entry << 32 | entry >> 32;
}

static void merge_task(void *context, size_t task, size_t thread) {
    const merging *self = context;
    const size_t k = self->whole->k, lists = self->whole->interests;
    const uint32_t *ids = self->search->ids + task * lists * k;
    const float *scores = self->search->scores + task * lists * k;
    const lode_searcher *searcher = self->searcher;
    lode_entry *entries = searcher->entries + thread * searcher->interests * searcher->k_limit;
    size_t count = 0, kept = 0;
    for (size_t i = 0; i < lists * k; i++) {
        if (ids[i] != LODE_NO_ITEM) entries[count++] = turned(lode__entry_make(scores[i], ids[i]));
    }
    lode__entries_sort(entries, count);
    for (size_t i = 0; i < count; i++) {
        const lode_entry entry = turned(entries[i]);
        if (kept == 0 || lode__entry_item(entries[kept - 1]) != lode__entry_item(entry))
            entries[kept++] = entry;
    }
    lode__entries_sort(entries, kept);
    uint32_t *to = self->whole->ids + (self->first + task) * k;
    float *score = self->whole->scores + (self->first + task) * k;
    for (size_t i = 0; i < k; i++) {
        to[i] = i < kept ? lode__entry_item(entries[i]) : LODE_NO_ITEM;
        score[i] = i < kept ? lode__entry_score(entries[i]) : -INFINITY;
    }
}

void lode__search_interests(lode_searcher *searcher, const lode_search *search) {
    const size_t each = search->interests, most = searcher->batch / each;
    assert(each <= searcher->interests && search->k <= searcher->k_limit);
    for (size_t first = 0; first < search->count; first += most) {
        const size_t count = LODE_MIN(most, search->count - first);
        const lode_excluded *all = search->excluded;
        const lode_excluded excluded = {.starts = all && all->starts ? all->starts + first : NULL,
                                        .ids = all ? all->ids : NULL};
        lode_search vectors = *search;
        vectors.queries += first * each * searcher->index->dim;
        vectors.count = count * each;
        vectors.excluded = &excluded;
        if (vectors.floors != NULL) vectors.floors += first;
        vectors.ids = searcher->own_ids;
        vectors.scores = searcher->own_scores;
        searcher->search = &vectors;
        searcher->index->class->search(searcher);
        merging self = {searcher, &vectors, first, search};
        lode__pool_run(searcher->pool, count, merge_task, &self);
    }
    searcher->search = NULL;
}
