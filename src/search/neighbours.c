// Each batch of items queries all items, with itself left out. Cosine is the inner product of copies that have
// length 1; lengths are summed in double, so that long vectors of small numbers do not lose theirs.
#include "search/neighbours.h"

#include "base/memory.h"

#include <math.h>
#include <string.h>

enum { BATCH = 512 };

typedef struct finding {
    const lode_neighbours *search;
    float *unit;      ///< [items, dim] for cosine
    bool *allowed;    ///< [items]
    uint64_t *bits;   ///< the same as the searcher wants it
    uint64_t *starts; ///< [BATCH + 1] 0, 1, 2, ...: one left-out item a query
    uint32_t *self;   ///< [BATCH]
    lode_arena arena;
} finding;

static lode_status make(finding *f, lode_error *error) {
    const lode_neighbours *search = f->search;
    size_t numbers;
    if (!lode__size_mul(search->items, search->dim, &numbers)) return lode__fail_memory(error);
    f->unit = search->cosine ? lode__arena_alloc(&f->arena, numbers, sizeof *f->unit) : NULL;
    f->allowed = lode__arena_alloc(&f->arena, search->items, sizeof *f->allowed);
    f->starts = lode__arena_alloc(&f->arena, BATCH + 1, sizeof *f->starts);
    f->self = lode__arena_alloc(&f->arena, BATCH, sizeof *f->self);
    f->bits = lode__arena_alloc(&f->arena, search->items / 64 + 1, sizeof *f->bits);
    if ((search->cosine && !f->unit) || !f->allowed || !f->bits || !f->starts || !f->self)
        return lode__fail_memory(error);
    for (size_t k = 0; k <= BATCH; k++)
        f->starts[k] = k;
    for (size_t item = 0; item < search->items; item++) {
        const float *from = search->vectors + item * search->dim;
        double sum = 0;
        for (size_t d = 0; d < search->dim; d++)
            sum += (double)from[d] * (double)from[d];
        f->allowed[item] =
            (!search->allowed || search->allowed[item]) && !(search->cosine && sum <= 0);
        if (f->allowed[item]) f->bits[item / 64] |= (uint64_t)1 << (item % 64);
        if (!search->cosine || !f->allowed[item]) continue;
        const double scale = 1 / sqrt(sum);
        for (size_t d = 0; d < search->dim; d++)
            f->unit[item * search->dim + d] = (float)((double)from[d] * scale);
    }
    return LODE_OK;
}

/// Lists of items that are not allowed are empty.
static void clear(const finding *f, size_t first, size_t count, uint32_t *ids, float *scores) {
    const size_t k = f->search->k;
    for (size_t row = 0; row < count; row++) {
        for (size_t at = row * k; !f->allowed[first + row] && at < (row + 1) * k; at++) {
            ids[at] = LODE_NO_ITEM;
            scores[at] = -INFINITY;
        }
    }
}

static lode_status find_all(finding *f, lode_searcher *searcher, uint32_t *ids, float *scores,
                            lode_error *error) {
    const lode_neighbours *search = f->search;
    const float *vectors = search->cosine ? f->unit : search->vectors;
    for (size_t first = 0; first < search->items; first += BATCH) {
        const size_t count = LODE_MIN(search->items - first, (size_t)BATCH);
        for (size_t row = 0; row < count; row++)
            f->self[row] = (uint32_t)(first + row);
        const lode_excluded excluded = {f->starts, f->self};
        lode__searcher_search(searcher, &(lode_search){.queries = vectors + first * search->dim,
                                                       .count = count,
                                                       .k = search->k,
                                                       .allowed = f->bits,
                                                       .excluded = &excluded,
                                                       .effort = search->effort,
                                                       .ids = ids + first * search->k,
                                                       .scores = scores + first * search->k});
        clear(f, first, count, ids + first * search->k, scores + first * search->k);
        if (search->step != NULL)
            LODE_TRY(search->step(search->cookie, first + count, search->items, error));
    }
    return LODE_OK;
}

lode_status lode__neighbours_find(const lode_neighbours *search, lode_pool *pool, uint32_t *ids,
                                  float *scores, lode_error *error) {
    finding f = {.search = search};
    lode_index *index = NULL;
    lode_searcher *searcher = NULL;
    lode_status status;
    const bool exact = search->kind == LODE_INDEX_EXACT || search->kind == LODE_INDEX_SCAN;
    const lode_index_options options = {.kind = exact ? LODE_INDEX_SCAN : search->kind,
                                        .borrow = exact};
    LODE_GOTO(status, make(&f, error), done);
    LODE_GOTO(status,
              lode__index_build(&index, search->cosine ? f.unit : search->vectors, search->items,
                                search->dim, &options, pool, error),
              done);
    LODE_GOTO(status, lode__searcher_new(&searcher, index, BATCH, search->k, pool, error), done);
    status = find_all(&f, searcher, ids, scores, error);
done:
    lode__searcher_free(&searcher);
    lode__index_free(&index);
    lode__arena_release(&f.arena);
    return status;
}
