// Inverted lists. The lists to visit are found by exact search among the centroids (a scan index of its own), then
// visited from the most promising on, so that the bar is high early; a list is a run of blocks.
#include "search/index.h"
#include "search/kmeans.h"

#include <math.h>
#include <string.h>

enum { ROUNDS = 10, SAMPLE = 64, QUERIES = 8 }; ///< SAMPLE: vectors a list; QUERIES: of a task

typedef struct ivf {
    size_t lists;
    const float *centroids; ///< [lists, dim]
    const uint32_t *starts; ///< [lists + 1] blocks of each list
    lode_index *coarse;     ///< over the centroids
} ivf;

typedef struct ivf_scratch {
    lode_scanner *coarse; ///< [threads]
    uint32_t **lists;     ///< [threads][lists]
    float **scores;
    size_t effort; ///< of the search in progress
} ivf_scratch;

static lode_status build_coarse(ivf *own, size_t dim, lode_error *error) {
    const lode_index_options options = {.kind = LODE_INDEX_SCAN, .borrow = true};
    return lode__index_build(&own->coarse, own->centroids, own->lists, dim, &options, NULL, error);
}

static lode_status ivf_build(lode_index *index, const float *vectors,
                             const lode_index_options *options, lode_pool *pool, lode_error *error) {
    const size_t items = index->items, dim = index->dim;
    const size_t wanted = options->lists > 0 ? options->lists : (size_t)(4 * sqrt((double)items)) + 1;
    const size_t lists = LODE_MIN(wanted, items);
    ivf *own = lode__arena_alloc(&index->arena, 1, sizeof *own);
    if (!own) return lode__fail_memory(error);
    index->state = own;
    own->lists = lists;
    float *centroids = lode__arena_alloc(&index->arena, lists, dim * sizeof *centroids);
    uint32_t *starts = lode__arena_alloc(&index->arena, lists + 1, sizeof *starts);
    uint32_t *assigned = lode__alloc(items, sizeof *assigned);
    lode_status status = LODE_OK;
    if (!centroids || !starts || !assigned) status = lode__fail_memory(error);
    own->centroids = centroids;
    own->starts = starts;
    const lode_kmeans task = {vectors, items, dim, lists, ROUNDS, SAMPLE * lists, options->seed};
    if (status == LODE_OK && lists > 0)
        status = lode__kmeans(&task, pool, centroids, assigned, error);
    if (status == LODE_OK)
        status = lode__index_code(index, vectors, assigned, lists, starts, pool, error);
    lode__free(assigned);
    LODE_TRY(status);
    index->effort = options->effort > 0 ? options->effort : lists / 64 + 1;
    LODE_TRY(build_coarse(own, dim, error));
    return lode__index_copy(index, vectors, pool, error);
}

static void ivf_release(lode_index *index) {
    ivf *own = index->state;
    if (own) lode__index_free(&own->coarse);
}

static lode_status ivf_write(const lode_index *index, lode_container_writer *writer,
                             lode_error *error) {
    const ivf *own = index->state;
    LODE_TRY(lode__section_write(writer, "centroids", own->centroids,
                                 own->lists * index->dim * sizeof(float), error));
    LODE_TRY(lode__section_write(writer, "lists", own->starts, (own->lists + 1) * sizeof(uint32_t),
                                 error));
    return lode__index_write_codes(index, writer, error);
}

static lode_status ivf_read(lode_index *index, lode_error *error) {
    ivf *own = lode__arena_alloc(&index->arena, 1, sizeof *own);
    if (!own) return lode__fail_memory(error);
    index->state = own;
    LODE_TRY(lode__index_read_codes(index, error));
    const lode_section *lists = lode__container_find(&index->file, "lists");
    if (!lists || lists->size < sizeof(uint32_t) || lists->size % sizeof(uint32_t) != 0 ||
        lists->size / sizeof(uint32_t) > (uint64_t)index->items + 1)
        return lode__fail(error, LODE_E_FORMAT,
                          "%s is damaged: its section of lists is missing or of a wrong size",
                          index->file.path);
    own->lists = (size_t)(lists->size / sizeof(uint32_t)) - 1;
    own->starts = lists->data;
    bool sound =
        own->starts[0] == 0 && own->starts[own->lists] == index->table.count && index->effort > 0;
    for (size_t list = 0; list < own->lists; list++)
        sound = sound && own->starts[list] <= own->starts[list + 1];
    if (!sound)
        return lode__fail(error, LODE_E_FORMAT, "%s is damaged: its lists do not cover its blocks",
                          index->file.path);
    LODE_TRY(lode__container_array(&index->file, "centroids", index->dim * sizeof(float),
                                   own->lists, (const void **)&own->centroids, error));
    return build_coarse(own, index->dim, error);
}

static lode_status ivf_start(lode_searcher *searcher, lode_error *error) {
    const ivf *own = searcher->index->state;
    lode_arena *arena = &searcher->arena;
    ivf_scratch *scratch = lode__arena_alloc(arena, 1, sizeof *scratch);
    if (!scratch) return lode__fail_memory(error);
    searcher->state = scratch;
    scratch->coarse = lode__arena_alloc(arena, searcher->threads, sizeof *scratch->coarse);
    scratch->lists = lode__arena_alloc(arena, searcher->threads, sizeof *scratch->lists);
    scratch->scores = lode__arena_alloc(arena, searcher->threads, sizeof *scratch->scores);
    if (!scratch->coarse || !scratch->lists || !scratch->scores) return lode__fail_memory(error);
    for (size_t thread = 0; thread < searcher->threads; thread++) {
        scratch->lists[thread] = lode__arena_alloc(arena, own->lists, sizeof(uint32_t));
        scratch->scores[thread] = lode__arena_alloc(arena, own->lists, sizeof(float));
        if (!scratch->lists[thread] || !scratch->scores[thread] ||
            !lode__scanner_init(&scratch->coarse[thread], arena, &own->coarse->table, 1, 0,
                                own->lists))
            return lode__fail_memory(error);
    }
    return LODE_OK;
}

/// The `effort` lists with the best centroids, best first.
static size_t choose_lists(lode_searcher *searcher, size_t thread, size_t query) {
    ivf_scratch *scratch = searcher->state;
    const ivf *own = searcher->index->state;
    lode_scanner *coarse = &scratch->coarse[thread];
    const size_t effort = LODE_MIN(scratch->effort, own->lists);
    if (effort == own->lists) { // all of them, also those whose centroids have no score
        for (size_t list = 0; list < effort; list++)
            scratch->lists[thread][list] = (uint32_t)list;
        return effort;
    }
    lode__quest_begin(coarse, 0, searcher->search->queries + query * searcher->index->dim, effort,
                      -INFINITY, NULL, 0);
    lode__quests_scan(coarse, 1, effort, 0, 1);
    lode__quest_end(coarse, &coarse->quests[0], NULL, 0);
    lode__best_write(&coarse->quests[0].best, effort, scratch->lists[thread],
                     scratch->scores[thread]);
    size_t found = 0;
    while (found < effort && scratch->lists[thread][found] != LODE_NO_ITEM)
        found++;
    return found;
}

static void query_task(void *context, size_t task, size_t thread) {
    lode_searcher *searcher = context;
    const ivf_scratch *scratch = searcher->state;
    const ivf *own = searcher->index->state;
    lode_scanner *scanner = &searcher->scanners[thread];
    const uint32_t quest = 0;
    const size_t end = LODE_MIN(searcher->search->count, (task + 1) * QUERIES);
    for (size_t query = task * QUERIES; query < end; query++) {
        const size_t found = choose_lists(searcher, thread, query);
        lode__searcher_begin(searcher, thread, 0, query);
        for (size_t i = 0; i < found; i++) {
            const uint32_t list = scratch->lists[thread][i];
            for (uint32_t block = own->starts[list]; block < own->starts[list + 1]; block++)
                lode__quests_visit(scanner, &quest, 1, (lode_visit){block, 0, 0});
        }
        lode__searcher_end(searcher, thread, 0, query);
    }
}

static void ivf_search(lode_searcher *searcher) {
    ivf_scratch *scratch = searcher->state;
    scratch->effort =
        searcher->search->effort > 0 ? searcher->search->effort : searcher->index->effort;
    lode__pool_run(searcher->pool, (searcher->search->count + QUERIES - 1) / QUERIES, query_task,
                   searcher);
}

const lode_index_class lode__index_ivf = {.name = "ivf",
                                          .build = ivf_build,
                                          .write = ivf_write,
                                          .read = ivf_read,
                                          .release = ivf_release,
                                          .start = ivf_start,
                                          .search = ivf_search};
