/// Choosing an index: recall by hand, the smallest effort that is enough, the fastest of what was tried.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/memory.h"
#include "base/random.h"
#include "search/choose.h"

enum { ITEMS = 400, DIM = 8, QUERIES = 60, K = 10 };

typedef struct shop {
    float items[ITEMS * DIM], queries[QUERIES * DIM];
} shop;

static void fill(shop *self) {
    lode_random random = lode__random(5, LODE_PURPOSE_USER, 0, 0);
    for (size_t i = 0; i < ITEMS * DIM; i++)
        self->items[i] = (float)lode__random_normal(&random);
    for (size_t i = 0; i < QUERIES * DIM; i++)
        self->queries[i] = (float)lode__random_normal(&random);
}

static lode_choice choice_of(const shop *self, double recall) {
    return (lode_choice){.vectors = self->items,
                         .items = ITEMS,
                         .dim = DIM,
                         .queries = self->queries,
                         .query_count = QUERIES,
                         .k = K,
                         .recall = recall,
                         .seed = 1};
}

static void test_recall(void **state) {
    (void)state;
    // Of the first query's two, one is found, at another place; of the second's three, two; what is found besides
    // counts for nothing.
    const uint32_t wanted[] = {7, 8, LODE_NO_ITEM, 1, 2, 3},
                   found[] = {9, 7, 5, 3, 1, LODE_NO_ITEM};
    assert_true(fabs(lode__recall(wanted, found, 2, 3) - 3.0 / 5) < 1e-15);
    assert_true(lode__recall(wanted, wanted, 2, 3) >= 1);
    const uint32_t nothing[] = {LODE_NO_ITEM, LODE_NO_ITEM};
    assert_true(lode__recall(nothing, found, 1, 2) >= 1);
}

/// What an index finds of the best K with an effort, 0 = its own.
static double recall_of(const shop *self, const lode_index *index, const uint32_t *truth,
                        size_t effort) {
    static uint32_t ids[QUERIES * K];
    static float scores[QUERIES * K];
    lode_error error = {0};
    lode_searcher *searcher;
    assert_int_equal(lode__searcher_new(&searcher, index, QUERIES, K, NULL, &error), LODE_OK);
    const lode_search search = {.queries = self->queries,
                                .count = QUERIES,
                                .k = K,
                                .effort = effort,
                                .ids = ids,
                                .scores = scores};
    lode__searcher_search(searcher, &search);
    lode__searcher_free(&searcher);
    return lode__recall(truth, ids, QUERIES, K);
}

static void find_truth(const shop *self, uint32_t *truth) {
    static float scores[QUERIES * K];
    lode_error error = {0};
    lode_index *index;
    lode_searcher *searcher;
    const lode_index_options options = {.kind = LODE_INDEX_EXACT};
    assert_int_equal(lode__index_build(&index, self->items, ITEMS, DIM, &options, NULL, &error),
                     LODE_OK);
    assert_int_equal(lode__searcher_new(&searcher, index, QUERIES, K, NULL, &error), LODE_OK);
    lode__searcher_search(
        searcher,
        &(lode_search){
            .queries = self->queries, .count = QUERIES, .k = K, .ids = truth, .scores = scores});
    lode__searcher_free(&searcher);
    lode__index_free(&index);
}

/// The effort found lies above the smallest one that is enough by no more than an eighth of its last doubling, and is
/// the index's own from then on.
static void test_effort(void **state) {
    (void)state;
    static shop self;
    static uint32_t truth[QUERIES * K];
    fill(&self);
    find_truth(&self, truth);
    const lode_index_kind kinds[] = {LODE_INDEX_IVF, LODE_INDEX_GRAPH};
    for (size_t i = 0; i < 40; i++) {
        const lode_index_kind kind = kinds[i % 2];
        lode_choice choice = choice_of(&self, 0.6 + 0.02 * (double)(i / 2));
        choice.kinds[kind] = true;
        lode_index *index;
        lode_trial trials[LODE_INDEX_KINDS];
        lode_error error = {0};
        assert_int_equal(lode__index_choose(&index, &choice, trials, &error), LODE_OK);
        const size_t effort = trials[kind].effort;
        assert_true(trials[kind].tried && trials[kind].enough);
        assert_false(trials[LODE_INDEX_SCAN].tried); // it was there for the truth alone
        assert_int_equal(lode__index_effort(index), effort);
        const double recall = recall_of(&self, index, truth, 0);
        assert_true(recall >= choice.recall && fabs(recall - trials[kind].recall) < 1e-12);
        size_t least = 1, doubled = kind == LODE_INDEX_IVF ? 1 : 32;
        while (recall_of(&self, index, truth, least) < choice.recall)
            least++;
        const bool at_once = doubled >= least;
        while (doubled < least)
            doubled = 2 * doubled;
        const size_t span = at_once ? doubled : doubled / 2;
        if (effort > least + span / 8)
            fail_msg("kind %d, recall %g: effort %zu, %zu is enough", (int)kind, choice.recall,
                     effort, least);
        lode__index_free(&index);
    }
}

/// Recall of 1 is reached by those that find all; of several the fastest is kept, and the report says so.
static void test_fastest(void **state) {
    (void)state;
    static shop self;
    fill(&self);
    lode_choice choice = choice_of(&self, 1);
    for (size_t kind = 0; kind < LODE_INDEX_KINDS; kind++)
        choice.kinds[kind] = true;
    lode_index *index;
    lode_trial trials[LODE_INDEX_KINDS];
    lode_error error = {0};
    assert_int_equal(lode__index_choose(&index, &choice, trials, &error), LODE_OK);
    double best = (double)INFINITY;
    lode_index_kind fastest = LODE_INDEX_SCAN;
    for (size_t kind = 0; kind < LODE_INDEX_KINDS; kind++) {
        assert_true(trials[kind].tried);
        if (!trials[kind].enough || trials[kind].milliseconds >= best) continue;
        best = trials[kind].milliseconds;
        fastest = (lode_index_kind)kind;
    }
    assert_true(trials[LODE_INDEX_SCAN].enough && trials[LODE_INDEX_EXACT].enough);
    const lode_index_options options = {.kind = fastest};
    lode_index *same;
    assert_int_equal(lode__index_build(&same, self.items, ITEMS, DIM, &options, NULL, &error),
                     LODE_OK);
    assert_string_equal(lode__index_kind_name(index), lode__index_kind_name(same));
    lode__index_free(&same);
    lode__index_free(&index);

    choice.quick = 1e6; // the scan is quick enough
    assert_int_equal(lode__index_choose(&index, &choice, trials, &error), LODE_OK);
    assert_true(trials[LODE_INDEX_SCAN].tried && trials[LODE_INDEX_EXACT].tried);
    assert_false(trials[LODE_INDEX_IVF].tried || trials[LODE_INDEX_GRAPH].tried);
    lode__index_free(&index);
}

static int stop(void *cookie, const lode_progress *progress) {
    (void)progress;
    return --*(int *)cookie < 0;
}

static void test_nothing(void **state) {
    (void)state;
    static shop self;
    fill(&self);
    lode_choice choice = choice_of(&self, 0.9);
    lode_index *index;
    lode_trial trials[LODE_INDEX_KINDS];
    lode_error error = {0};
    assert_int_equal(lode__index_choose(&index, &choice, trials, &error), LODE_E_USAGE);
    assert_null(index);
    int left = 1; // the scan is built, and then it is enough
    const lode_hooks hooks = {.cookie = &left, .progress = stop};
    choice.hooks = &hooks;
    choice.kinds[LODE_INDEX_SCAN] = choice.kinds[LODE_INDEX_IVF] = true;
    assert_int_equal(lode__index_choose(&index, &choice, trials, &error), LODE_E_STOPPED);
    assert_null(index);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recall),
        cmocka_unit_test(test_effort),
        cmocka_unit_test(test_fastest),
        cmocka_unit_test(test_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
