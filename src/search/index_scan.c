// The quantised scan. Many queries: one task a group of quests, which goes over all blocks. Few: every thread takes
// the group over blocks of its own, and what the others found is added to the first one's lists.
#include "search/index.h"

#include <math.h>

static lode_status scan_build(lode_index *index, const float *vectors,
                              const lode_index_options *options, lode_pool *pool, lode_error *error) {
    (void)options;
    LODE_TRY(lode__index_code(index, vectors, NULL, 1, NULL, pool, error));
    return index->borrowed ? LODE_OK : lode__index_copy(index, vectors, pool, error);
}

static lode_status scan_read(lode_index *index, lode_error *error) {
    return lode__index_read_codes(index, error);
}

static void begin_group(lode_searcher *searcher, size_t thread, size_t first, size_t count) {
    for (size_t q = 0; q < count; q++)
        lode__searcher_begin(searcher, thread, q, first + q);
}

static void group_task(void *context, size_t task, size_t thread) {
    lode_searcher *searcher = context;
    const size_t first = task * LODE_QUESTS;
    const size_t count = LODE_MIN(searcher->search->count - first, (size_t)LODE_QUESTS);
    begin_group(searcher, thread, first, count);
    lode__quests_scan(&searcher->scanners[thread], count, lode__searcher_k(searcher), 0, 1);
    for (size_t q = 0; q < count; q++)
        lode__searcher_end(searcher, thread, q, first + q);
}

/// Every task has a scanner of its own: there are as many as threads.
static void part_task(void *context, size_t task, size_t thread) {
    lode_searcher *searcher = context;
    const size_t count = searcher->search->count;
    (void)thread;
    begin_group(searcher, task, 0, count);
    lode__quests_scan(&searcher->scanners[task], count, lode__searcher_k(searcher), task,
                      searcher->threads);
}

static void search_few(lode_searcher *searcher) {
    const size_t count = searcher->search->count;
    lode__pool_run(searcher->pool, searcher->threads, part_task, searcher);
    for (size_t q = 0; q < count; q++) {
        lode_best *best = &searcher->scanners[0].quests[q].best;
        for (size_t thread = 1; thread < searcher->threads; thread++) {
            lode_scanner *scanner = &searcher->scanners[thread];
            size_t out_count;
            const uint32_t *out = lode__search_out(searcher->search, q, &out_count);
            lode__quest_end(scanner, &scanner->quests[q], out, out_count);
            for (size_t i = 0; i < scanner->quests[q].best.filled; i++)
                lode__best_push(best, scanner->quests[q].best.entries[i]);
        }
        lode__searcher_end(searcher, 0, q, q);
    }
}

static void scan_search(lode_searcher *searcher) {
    const size_t groups = (searcher->search->count + LODE_QUESTS - 1) / LODE_QUESTS;
    if (groups == 1 && searcher->threads > 1) {
        search_few(searcher);
    } else {
        lode__pool_run(searcher->pool, groups, group_task, searcher);
    }
}

const lode_index_class lode__index_scan = {.name = "scan",
                                           .build = scan_build,
                                           .write = lode__index_write_codes,
                                           .read = scan_read,
                                           .search = scan_search};
