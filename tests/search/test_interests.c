/// Queries of several vectors: the lists of the largest score, by hand and against scores of every item, with left-out
/// lists that the vectors of a query share and more queries than a searcher takes at once.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/random.h"
#include "search/searcher.h"

static lode_searcher *open_searcher(lode_index **index, const float *vectors, size_t items,
                                    size_t dim, lode_index_kind kind, size_t batch, size_t k,
                                    size_t interests) {
    lode_error error = {0};
    lode_searcher *searcher;
    const lode_index_options options = {.kind = kind, .borrow = true};
    assert_int_equal(lode__index_build(index, vectors, items, dim, &options, NULL, &error), LODE_OK);
    assert_int_equal(lode__searcher_new(&searcher, *index, batch, k, NULL, &error), LODE_OK);
    assert_int_equal(lode__searcher_reserve(searcher, interests, &error), LODE_OK);
    return searcher;
}

/// Two interests on the axes. Items: (3, 0), (0, 2), (2, 2.5), (1, 1). Maxima for the first query: 3, 2, 2.5, 1.
static void test_by_hand(void **state) {
    (void)state;
    const float items[] = {3, 0, 0, 2, 2, 2.5f, 1, 1}, queries[] = {1, 0, 0, 1, 0, 1, 0, 1};
    const uint64_t starts[] = {0, 0, 1};
    const uint32_t out[] = {2};
    const lode_excluded excluded = {starts, out};
    for (int kind = LODE_INDEX_EXACT; kind <= LODE_INDEX_SCAN; kind++) {
        lode_index *index;
        lode_searcher *searcher = open_searcher(&index, items, 4, 2, (lode_index_kind)kind, 2, 3, 2);
        uint32_t ids[6];
        float scores[6];
        lode__searcher_search(searcher, &(lode_search){.queries = queries,
                                                       .count = 2,
                                                       .k = 3,
                                                       .interests = 2,
                                                       .excluded = &excluded,
                                                       .ids = ids,
                                                       .scores = scores});
        const uint32_t expected[] = {0, 2, 1, 1, 3, 0};
        const float score[] = {3, 2.5f, 2, 2, 1, 0};
        for (size_t i = 0; i < 6; i++) {
            assert_int_equal(ids[i], expected[i]);
            assert_true(scores[i] == score[i]);
        }
        lode__searcher_free(&searcher);
        lode__index_free(&index);
    }
}

static void test_every_item(void **state) {
    (void)state;
    enum { ITEMS = 300, DIM = 5, K = 17, QUERIES = 11, INTERESTS = 3 };
    static float items[ITEMS * DIM], queries[QUERIES * INTERESTS * DIM], scores[QUERIES * K];
    static uint32_t ids[QUERIES * K], out[QUERIES * 2];
    uint64_t starts[QUERIES + 1];
    lode_random random = lode__random(7, LODE_PURPOSE_USER, 0, 0);
    for (size_t i = 0; i < ITEMS * DIM; i++) // small integers: ties, and products without rounding
        items[i] = (float)lode__random_below(&random, 7) - 3;
    for (size_t i = 0; i < QUERIES * INTERESTS * DIM; i++)
        queries[i] = (float)lode__random_below(&random, 7) - 3;
    for (size_t q = 0; q <= QUERIES; q++)
        starts[q] = 2 * q;
    for (size_t i = 0; i < QUERIES * 2; i++)
        out[i] = (uint32_t)lode__random_below(&random, ITEMS);
    for (int kind = LODE_INDEX_EXACT; kind <= LODE_INDEX_SCAN; kind++) {
        lode_index *index;
        lode_searcher *searcher =
            open_searcher(&index, items, ITEMS, DIM, (lode_index_kind)kind, 7, K, INTERESTS);
        const lode_excluded excluded = {starts, out};
        lode__searcher_search(searcher, &(lode_search){.queries = queries,
                                                       .count = QUERIES,
                                                       .k = K,
                                                       .interests = INTERESTS,
                                                       .excluded = &excluded,
                                                       .ids = ids,
                                                       .scores = scores});
        for (size_t q = 0; q < QUERIES; q++) {
            bool taken[ITEMS] = {false};
            taken[out[2 * q]] = taken[out[2 * q + 1]] = true;
            for (size_t place = 0; place < K; place++) {
                size_t best = ITEMS;
                float top = 0;
                for (size_t item = 0; item < ITEMS; item++) {
                    float most = -1e9f;
                    for (size_t k = 0; k < INTERESTS; k++) {
                        float sum = 0;
                        for (size_t d = 0; d < DIM; d++)
                            sum += queries[(q * INTERESTS + k) * DIM + d] * items[item * DIM + d];
                        most = LODE_MAX(most, sum);
                    }
                    if (!taken[item] && (best == ITEMS || most > top)) {
                        best = item;
                        top = most;
                    }
                }
                taken[best] = true;
                assert_int_equal(ids[q * K + place], best);
                assert_true(scores[q * K + place] == top);
            }
        }
        lode__searcher_free(&searcher);
        lode__index_free(&index);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_by_hand),
                                       cmocka_unit_test(test_every_item)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
