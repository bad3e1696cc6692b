/// Exact top-k by inner product.
///
/// Items are scored in blocks of BLOCK; queries in groups of GROUP rows. A block is packed for the
/// matrix product once, then each group multiplies with it and offers the scores to its running
/// lists:
///
///     many queries:  for each block { pack it, all threads; score it, one task a group of queries
///     } few queries:   one task a block, on the thread's own packed copy and own lists; lists are
///     merged at the end
///
/// A running list is an unsorted buffer of the entries that beat its k-th best one so far; when it
/// is full it is cut back to the best k by quickselect, which raises the bar. Scores pass the bar
/// in the `above` kernel, so nearly all of them cost one vector comparison.
///
/// No two entries are equal (search/entry.h). So the k best are the same set in whatever order
/// blocks arrive and however they are spread over threads; the scores themselves are the same
/// because the matrix product is one chain of multiply-adds an element.
///
/// Left-out items of a query are overwritten by -INFINITY among its scores of a block, at one pass
/// over the query's left-out list a block. Memory: the packed block (a thread's own for few
/// queries), GROUP x BLOCK scores a thread, and lists of max(2 k, 256) entries a query.
#include "search/topk.h"

#include "base/memory.h"
#include "search/entry.h"

#include <assert.h>
#include <math.h>

#define BLOCK 4096 ///< items of a block; a multiple of every panel
#define CHUNK                                                                                      \
    512 ///< items of a matrix product, of a packing task, and between two looks at the bar
#define GROUP    32 ///< queries of a group
#define LIST_MIN 256

typedef struct entry_list {
    lode_entry *entries; ///< [capacity]
    size_t filled;
    lode_entry worst; ///< the k-th best so far, 0 before there are k
} entry_list;

/// One thread's scratch memory.
typedef struct worker {
    float *scores;     ///< [GROUP, BLOCK]
    float *gemm;       ///< [LODE_GEMM_SCRATCH]
    uint32_t *index;   ///< [CHUNK]
    float *packed;     ///< [BLOCK, dim], for few queries
    entry_list *lists; ///< [GROUP], for few queries
} worker;

struct lode_topk {
    const struct lode_kernels_f32 *kernels;
    lode_pool *pool;
    const float *vectors;
    const bool *allowed;
    size_t items, dim, batch, k_limit;
    size_t capacity;   ///< of a list
    float *packed;     ///< [BLOCK, dim], for many queries
    entry_list *lists; ///< [batch], for many queries
    worker *workers;
    size_t threads;
    lode_arena arena;
    // the search in progress
    const float *queries;
    size_t count, k, k_out, block;
    const lode_excluded *excluded;
    size_t each; ///< queries of one left-out list
    uint32_t *ids;
    float *scores;
};

// ------------------------------------------------------------------------------------------------
// Running lists
// ------------------------------------------------------------------------------------------------

static void list_cut(entry_list *list, size_t k) {
    if (list->filled >= k) {
        lode__entries_select(list->entries, list->filled, k);
        list->filled = k;
        list->worst = list->entries[k - 1];
    }
}

static void list_push(const lode_topk *topk, entry_list *list, lode_entry entry) {
    if (entry <= list->worst) {
        return;
    }
    list->entries[list->filled++] = entry;
    if (list->filled == topk->capacity) {
        list_cut(list, topk->k);
    }
}

/// The score that entries from index `first` on must exceed.
static float list_bar(const entry_list *list, size_t first) {
    if (list->worst == 0) {
        return -INFINITY;
    }
    const float score = lode__entry_score(list->worst);
    return first > lode__entry_item(list->worst)
               ? score
               : nextafterf(score, -INFINITY); // a tie may still win
}

/// Offer the scores of items first .. first + n - 1.
static void list_offer(const lode_topk *topk, worker *own, entry_list *list, const float *scores,
                       size_t first, size_t n) {
    for (size_t begin = 0; begin < n; begin += CHUNK) {
        const size_t size = LODE_MIN(n - begin, (size_t)CHUNK);
        const float *chunk = scores + begin;
        const float bar = list_bar(list, first + begin);
        const size_t found = topk->kernels->above(size, chunk, bar, own->index);
        for (size_t i = 0; i < found; i++) {
            const size_t id = first + begin + own->index[i];
            if (!topk->allowed || topk->allowed[id]) {
                list_push(topk, list, lode__entry_make(chunk[own->index[i]], (uint32_t)id));
            }
        }
    }
}

// ------------------------------------------------------------------------------------------------
// Blocks
// ------------------------------------------------------------------------------------------------

static void chunk_pack(const lode_topk *topk, size_t first, size_t n, float *packed) {
    topk->kernels->pack(topk->dim, n, topk->vectors + first * topk->dim, 1, topk->dim, packed);
}

/// Overwrite the scores of a query's left-out items of a block.
static void scores_mask(const lode_topk *topk, size_t query, size_t first, size_t n, float *scores) {
    const lode_excluded *excluded = topk->excluded;
    if (!excluded || !excluded->starts) {
        return;
    }
    query /= topk->each;
    for (uint64_t at = excluded->starts[query]; at < excluded->starts[query + 1]; at++) {
        const size_t place = (size_t)excluded->ids[at] - first; // wraps around below the block
        if (place < n) {
            scores[place] = -INFINITY;
        }
    }
}

/// Score queries begin .. begin + rows - 1 against a packed block and offer the scores to `lists`
/// [rows].
static void group_score(const lode_topk *topk, worker *own, size_t begin, size_t rows,
                        const float *packed, entry_list *lists) {
    const size_t first = topk->block * BLOCK, n = LODE_MIN(topk->items - first, (size_t)BLOCK);
    struct lode_gemm_f32 gemm = {.m = rows,
                                 .k = topk->dim,
                                 .a = topk->queries + begin * topk->dim,
                                 .a_row = topk->dim,
                                 .a_column = 1,
                                 .b_packed = true,
                                 .c_row = BLOCK,
                                 .scratch = own->gemm};
    for (size_t chunk = 0; chunk < n; chunk += CHUNK) {
        gemm.n = LODE_MIN(n - chunk, (size_t)CHUNK);
        gemm.b = packed + chunk * topk->dim;
        gemm.c = own->scores + chunk;
        topk->kernels->gemm(&gemm);
    }
    for (size_t row = 0; row < rows; row++) {
        float *scores = own->scores + row * BLOCK;
        scores_mask(topk, begin + row, first, n, scores);
        list_offer(topk, own, &lists[row], scores, first, n);
    }
}

/// Write a query's result from its list.
static void list_write(const lode_topk *topk, entry_list *list, size_t query) {
    uint32_t *ids = topk->ids + query * topk->k_out;
    float *scores = topk->scores + query * topk->k_out;
    list_cut(list, topk->k);
    lode__entries_sort(list->entries, list->filled);
    for (size_t i = 0; i < list->filled; i++) {
        ids[i] = lode__entry_item(list->entries[i]);
        scores[i] = lode__entry_score(list->entries[i]);
    }
    for (size_t i = list->filled; i < topk->k_out; i++) {
        ids[i] = LODE_NO_ITEM;
        scores[i] = -INFINITY;
    }
}

static void list_clear(entry_list *list) {
    list->filled = 0;
    list->worst = 0;
}

// ------------------------------------------------------------------------------------------------
// Many queries
// ------------------------------------------------------------------------------------------------

static void pack_task(void *context, size_t task, size_t thread) {
    const lode_topk *topk = context;
    const size_t first = topk->block * BLOCK + task * CHUNK;
    (void)thread;
    chunk_pack(topk, first, LODE_MIN(topk->items - first, (size_t)CHUNK),
               topk->packed + task * CHUNK * topk->dim);
}

static void group_task(void *context, size_t task, size_t thread) {
    const lode_topk *topk = context;
    const size_t begin = task * GROUP, rows = LODE_MIN(topk->count - begin, (size_t)GROUP);
    group_score(topk, &topk->workers[thread], begin, rows, topk->packed, topk->lists + begin);
}

static void write_task(void *context, size_t task, size_t thread) {
    const lode_topk *topk = context;
    const size_t end = LODE_MIN(topk->count, (task + 1) * GROUP);
    (void)thread;
    for (size_t query = task * GROUP; query < end; query++) {
        list_write(topk, &topk->lists[query], query);
    }
}

static void search_many(lode_topk *topk, size_t blocks) {
    const size_t groups = (topk->count + GROUP - 1) / GROUP;
    for (size_t query = 0; query < topk->count; query++) {
        list_clear(&topk->lists[query]);
    }
    for (topk->block = 0; topk->block < blocks; topk->block++) {
        const size_t n = LODE_MIN(topk->items - topk->block * BLOCK, (size_t)BLOCK);
        lode__pool_run(topk->pool, (n + CHUNK - 1) / CHUNK, pack_task, topk);
        lode__pool_run(topk->pool, groups, group_task, topk);
    }
    lode__pool_run(topk->pool, groups, write_task, topk);
}

// ------------------------------------------------------------------------------------------------
// Few queries
// ------------------------------------------------------------------------------------------------

static void block_task(void *context, size_t task, size_t thread) {
    lode_topk view = *(const lode_topk *)context; // its own `block`
    worker *own = &view.workers[thread];
    view.block = task;
    const size_t first = task * BLOCK, n = LODE_MIN(view.items - first, (size_t)BLOCK);
    for (size_t chunk = 0; chunk < n; chunk += CHUNK) {
        chunk_pack(&view, first + chunk, LODE_MIN(n - chunk, (size_t)CHUNK),
                   own->packed + chunk * view.dim);
    }
    group_score(&view, own, 0, view.count, own->packed, own->lists);
}

static void search_few(lode_topk *topk, size_t blocks) {
    for (size_t thread = 0; thread < topk->threads; thread++) {
        for (size_t query = 0; query < topk->count; query++) {
            list_clear(&topk->workers[thread].lists[query]);
        }
    }
    lode__pool_run(topk->pool, blocks, block_task, topk);
    for (size_t query = 0; query < topk->count; query++) {
        entry_list *list = &topk->workers[0].lists[query];
        for (size_t thread = 1; thread < topk->threads; thread++) {
            const entry_list *other = &topk->workers[thread].lists[query];
            for (size_t i = 0; i < other->filled; i++) {
                list_push(topk, list, other->entries[i]);
            }
        }
        list_write(topk, list, query);
    }
}

// ------------------------------------------------------------------------------------------------
// The searcher
// ------------------------------------------------------------------------------------------------

/// Lists over one array of entries; NULL when there is no memory.
static entry_list *lists_new(lode_topk *topk, size_t count) {
    entry_list *lists = lode__arena_alloc(&topk->arena, count, sizeof *lists);
    size_t total;
    if (!lode__size_mul(count, topk->capacity, &total)) {
        return NULL;
    }
    lode_entry *memory = lode__arena_alloc(&topk->arena, total, sizeof *memory);
    if (!lists || !memory) {
        return NULL;
    }
    for (size_t i = 0; i < count; i++) {
        lists[i].entries = memory + i * topk->capacity;
    }
    return lists;
}

static bool worker_init(lode_topk *topk, worker *own) {
    lode_arena *arena = &topk->arena;
    const size_t few = LODE_MIN(topk->batch, (size_t)GROUP);
    own->scores = lode__arena_alloc(arena, (size_t)GROUP * BLOCK, sizeof(float));
    own->gemm = lode__arena_alloc(arena, LODE_GEMM_SCRATCH, sizeof(float));
    own->index = lode__arena_alloc(arena, CHUNK, sizeof(uint32_t));
    own->packed = lode__arena_alloc(arena, topk->dim, BLOCK * sizeof(float));
    own->lists = lists_new(topk, few);
    return own->scores && own->gemm && own->index && own->packed && own->lists;
}

static bool topk_init(lode_topk *topk) {
    size_t twice;
    const size_t longest = LODE_MIN(topk->k_limit, topk->items);
    if (!lode__size_mul(longest, 2, &twice)) {
        return false;
    }
    topk->capacity = LODE_MAX(twice, (size_t)LIST_MIN);
    topk->workers = lode__arena_alloc(&topk->arena, topk->threads, sizeof *topk->workers);
    if (!topk->workers) {
        return false;
    }
    for (size_t thread = 0; thread < topk->threads; thread++) {
        if (!worker_init(topk, &topk->workers[thread])) {
            return false;
        }
    }
    if (topk->batch > GROUP) {
        topk->packed = lode__arena_alloc(&topk->arena, topk->dim, BLOCK * sizeof(float));
        topk->lists = lists_new(topk, topk->batch);
        return topk->packed && topk->lists;
    }
    return true;
}

lode_status lode__topk_new(lode_topk **out, const float *vectors, size_t items, size_t dim,
                           const bool *allowed, size_t batch, size_t k, lode_pool *pool,
                           lode_error *error) {
    *out = NULL;
    assert(items < LODE_NO_ITEM);
    lode_topk *topk = lode__alloc(1, sizeof *topk);
    if (!topk) {
        return lode__fail_memory(error);
    }
    topk->kernels = lode__kernels_f32();
    topk->pool = pool;
    topk->vectors = vectors;
    topk->each = 1;
    topk->allowed = allowed;
    topk->items = items;
    topk->dim = dim;
    topk->batch = batch;
    topk->k_limit = k;
    topk->threads = lode__pool_threads(pool);
    assert(CHUNK % topk->kernels->panel == 0);
    if (!topk_init(topk)) {
        lode__topk_free(&topk);
        return lode__fail_memory(error);
    }
    *out = topk;
    return LODE_OK;
}

void lode__topk_free(lode_topk **topk) {
    if (*topk) {
        lode__arena_release(&(*topk)->arena);
        lode__free(*topk);
        *topk = NULL;
    }
}

void lode__topk_share(lode_topk *topk, size_t queries) {
    topk->each = queries;
}

void lode__topk_search(lode_topk *topk, const float *queries, size_t count, size_t k,
                       const lode_excluded *excluded, uint32_t *ids, float *scores) {
    assert(count <= topk->batch && k <= topk->k_limit);
    if (count == 0 || k == 0) {
        return;
    }
    topk->queries = queries;
    topk->count = count;
    topk->k_out = k;
    topk->k = LODE_MAX(LODE_MIN(k, topk->items), (size_t)1);
    topk->excluded = excluded;
    topk->ids = ids;
    topk->scores = scores;
    const size_t blocks = (topk->items + BLOCK - 1) / BLOCK;
    if (count <= GROUP) {
        search_few(topk, blocks);
    } else {
        search_many(topk, blocks);
    }
}
