/// Every allocation of indexes and searchers fails once: building, appending, saving, opening, searching, also with
/// several vectors a query.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "alloc_fail.h"
#include "search/searcher.h"

enum { ITEMS = 90, DIM = 5, COUNT = 2, INTERESTS = 2, K = 3 };
enum { BATCH = 64, LONGEST = 1024 }; // lists of a searcher do not fit the first block of its arena

typedef struct task {
    lode_index_options options;
    float vectors[ITEMS * DIM];
    char path[64];
} task;

static lode_status search(const lode_index *index, const task *own, lode_error *error) {
    uint32_t ids[COUNT * K];
    float scores[COUNT * K];
    lode_searcher *searcher;
    LODE_TRY(lode__searcher_new(&searcher, index, BATCH, LONGEST, NULL, error));
    lode_search wanted = {
        .queries = own->vectors, .count = COUNT, .k = K, .ids = ids, .scores = scores};
    lode__searcher_search(searcher, &wanted);
    const lode_status status = lode__searcher_reserve(searcher, INTERESTS, error);
    wanted.interests = status == LODE_OK ? INTERESTS : 1; // refused, it still searches as before
    lode__searcher_search(searcher, &wanted);
    lode__searcher_free(&searcher);
    return status;
}

static lode_status run(void *cookie, lode_error *error) {
    const task *own = cookie;
    lode_index *index = NULL, *opened = NULL;
    lode_status status =
        lode__index_build(&index, own->vectors, ITEMS, DIM, &own->options, NULL, error);
    if (status == LODE_OK) status = lode__index_append(index, own->vectors, 40, error);
    if (status == LODE_OK) status = search(index, own, error);
    if (status == LODE_OK) status = lode__index_save(index, own->path, error);
    if (status == LODE_OK) status = lode__index_open(&opened, own->path, true, error);
    if (status == LODE_OK) status = search(opened, own, error);
    lode__index_free(&opened);
    lode__index_free(&index);
    (void)unlink(own->path);
    return status;
}

static void test_sweeps(void **state) {
    (void)state;
    static task own;
    (void)snprintf(own.path, sizeof own.path, "/tmp/test_oom_index.%d", (int)getpid());
    for (size_t i = 0; i < ITEMS * DIM; i++)
        own.vectors[i] = (float)(i * 7 % 31) - 15;
    for (lode_index_kind kind = 0; kind < LODE_INDEX_KINDS; kind++) {
        own.options = (lode_index_options){.kind = kind, .lists = 4};
        alloc_sweep(run, &own, 10);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_sweeps)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
