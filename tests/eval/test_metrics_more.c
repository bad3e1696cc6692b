/// Metrics of how recommendations spread, of categories, and of scores: cases worked by hand, and what must hold for
/// any lists at all.
#include "eval/metrics.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "search/topk.h"

static void expect_near(double got, double expected) {
    if (!(fabs(got - expected) <= 1e-9)) {
        fail_msg("%.12f, expected %.12f", got, expected);
    }
}

static lode_metrics metrics_make(const size_t *cutoffs, size_t count, uint32_t items) {
    lode_metrics metrics;
    lode_error error = {0};
    assert_int_equal(lode__metrics_new(&metrics, cutoffs, count, items, items, NULL, &error),
                     LODE_OK);
    return metrics;
}

static double value(const lode_metrics *metrics, enum lode_metric metric, size_t c) {
    return lode__metrics_value(metrics, metric, c);
}

/// Twelve items with clicks 0, 1, 2, 4, 4, 8, 9, 16 ...; two lists of three.
static const uint32_t clicks[12] = {0, 1, 2, 4, 4, 8, 9, 16, 20, 30, 40, 5};
static const uint32_t first_list[] = {10, 9, 1}, second_list[] = {10, 0, 9};

/// Eleven items have a click: the tail is the one with fewest, item 1.
static void test_population(void **state) {
    (void)state;
    static const size_t cutoffs[] = {1, 3};
    static const uint32_t truth[] = {9};
    lode_metrics metrics = metrics_make(cutoffs, 2, 12);
    lode_error error = {0};
    assert_true(isnan(value(&metrics, LODE_METRIC_TAIL_SHARE, 0)));
    assert_true(isnan(value(&metrics, LODE_METRIC_GINI, 0)));
    assert_int_equal(lode__metrics_items(&metrics, clicks, NULL, 0, &error), LODE_OK);
    lode__metrics_add(&metrics, first_list, 3, truth, 1);
    lode__metrics_add(&metrics, second_list, 3, truth, 1);
    expect_near(value(&metrics, LODE_METRIC_AVERAGE_POPULARITY, 0), 40);
    expect_near(value(&metrics, LODE_METRIC_AVERAGE_POPULARITY, 1), (80 + 60 + 1 + 0) / 6.0);
    expect_near(value(&metrics, LODE_METRIC_TAIL_SHARE, 0), 0);
    expect_near(value(&metrics, LODE_METRIC_TAIL_SHARE, 1), 1.0 / 6);
    // K = 1: one item takes both places; places 12 of 12: (24 - 13) * 2 / (2 * 12)
    expect_near(value(&metrics, LODE_METRIC_GINI, 0), 11.0 / 12);
    // K = 3: 1, 1, 2, 2 at places 9 .. 12: (5 + 7 + 2 * 9 + 2 * 11) / (6 * 12)
    expect_near(value(&metrics, LODE_METRIC_GINI, 1), 52.0 / 72);
    const double total = -2 * (2.0 / 6) * log(2.0 / 6) - 2 * (1.0 / 6) * log(1.0 / 6);
    expect_near(value(&metrics, LODE_METRIC_ENTROPY_TOTAL, 1), total);
    expect_near(value(&metrics, LODE_METRIC_ENTROPY, 1), total / 4);
    expect_near(value(&metrics, LODE_METRIC_ENTROPY_TOTAL, 0), 0);
    lode__metrics_release(&metrics);
}

static void test_impressions(void **state) {
    (void)state;
    static const size_t cutoffs[] = {1, 3};
    static const uint32_t truth[] = {9};
    static const uint64_t edges[] = {0, 1, 2, 4, 8, 16, 32}, items[] = {1, 1, 1, 3, 2, 3, 1},
                          slots[] = {1, 1, 0, 0, 0, 2, 2};
    lode_metrics metrics = metrics_make(cutoffs, 2, 12);
    lode_impressions counted;
    lode_error error = {0};
    assert_false(lode__metrics_impressions(&metrics, &counted));
    assert_int_equal(lode__metrics_items(&metrics, clicks, NULL, 0, &error), LODE_OK);
    lode__metrics_add(&metrics, first_list, 3, truth, 1);
    lode__metrics_add(&metrics, second_list, 3, truth, 1);
    assert_true(lode__metrics_impressions(&metrics, &counted));
    assert_int_equal(counted.buckets, 7);
    assert_memory_equal(counted.edges, edges, sizeof edges);
    assert_memory_equal(counted.items, items, sizeof items);
    assert_memory_equal(counted.slots, slots, sizeof slots);
    lode__metrics_release(&metrics);
}

/// Categories a a b ? over items 0 .. 3; the unknown item makes no pair.
static void test_category(void **state) {
    (void)state;
    static const size_t cutoffs[] = {1, 2, 4};
    static const uint32_t category[] = {0, 0, 1, UINT32_MAX}, list[] = {0, 1, 3, 2},
                          lone[] = {3, 2}, truth[] = {1};
    lode_metrics metrics = metrics_make(cutoffs, 3, 4);
    lode_error error = {0};
    assert_int_equal(lode__metrics_items(&metrics, NULL, category, 2, &error), LODE_OK);
    for (int repeat = 0; repeat < 2; repeat++) { // what one case leaves behind would show
        lode__metrics_add(&metrics, list, 4, truth, 1);
        lode__metrics_add(&metrics, lone, 2, truth, 1);
        assert_true(isnan(value(&metrics, LODE_METRIC_CATEGORY_DIVERSITY, 0)));
        expect_near(value(&metrics, LODE_METRIC_CATEGORY_DIVERSITY, 1), 0);
        expect_near(value(&metrics, LODE_METRIC_CATEGORY_DIVERSITY, 2), 2.0 / 3);
    }
    lode__metrics_release(&metrics);
}

/// Three cases of scored candidates: one with a tie, one with all clicked, one with none.
static void test_scores(void **state) {
    (void)state;
    static const size_t cutoffs[] = {2, 10};
    static const float first[] = {0.5f, 2, 0.5f, -1}, second[] = {3, 1}, third[] = {0, -INFINITY, 7};
    static const bool clicked_first[] = {true, false, false, true}, all[] = {true, true},
                      none[] = {false, false, false};
    lode_metrics metrics = metrics_make(cutoffs, 2, 4);
    for (int m = LODE_METRIC_AUC; m <= LODE_METRIC_NDCG_THACIL; m++) {
        assert_true(isnan(value(&metrics, (enum lode_metric)m, 0)));
    }
    lode__metrics_add_scores(&metrics, first, clicked_first, 4);
    lode__metrics_add_scores(&metrics, second, all, 2);
    lode__metrics_add_scores(&metrics, third, none, 3);
    // in the first: .5 beats none of 2, ties with .5; -1 beats none
    expect_near(value(&metrics, LODE_METRIC_AUC_USER, 0), 0.5 / 4);
    expect_near(value(&metrics, LODE_METRIC_AUC_CLICKS, 0), 0.5 / 4);
    expect_near(value(&metrics, LODE_METRIC_AUC_EXPOSURES, 0), 0.5 / 4);
    // clicked .5 -1 3 1; unclicked 2 .5 0 -inf 7: wins 2.5 + 1 + 4 + 3
    expect_near(value(&metrics, LODE_METRIC_AUC, 0), 10.5 / 20);
    expect_near(value(&metrics, LODE_METRIC_AUC, 0), 10.5 / 20); // asking again changes nothing
    // the first clicked stands third, behind the unclicked of its score
    expect_near(value(&metrics, LODE_METRIC_MRR_FULL, 0), (1.0 / 3 + 1) / 2);
    expect_near(value(&metrics, LODE_METRIC_PRECISION_ALPINE, 0), (0 + 1 + 0) / 3.0);
    expect_near(value(&metrics, LODE_METRIC_PRECISION_ALPINE, 1), (2.0 / 4 + 1 + 0) / 3);
    expect_near(value(&metrics, LODE_METRIC_RECALL_ALPINE, 0), 1.0 / 3);
    expect_near(value(&metrics, LODE_METRIC_RECALL_ALPINE, 1), 2.0 / 3);
    expect_near(value(&metrics, LODE_METRIC_F1_ALPINE, 1), 2 * 0.5 * (2.0 / 3) / (0.5 + 2.0 / 3));
    // only the first case has both labels
    expect_near(value(&metrics, LODE_METRIC_PRECISION_THACIL, 1), 2.0 / 10);
    expect_near(value(&metrics, LODE_METRIC_RECALL_THACIL, 0), 0);
    const double gain = 1 / log2(4) + 1 / log2(5), ideal = 1 + 1 / log2(3);
    expect_near(value(&metrics, LODE_METRIC_NDCG_THACIL, 1), gain / ideal);
    assert_true(isnan(value(&metrics, LODE_METRIC_HIT, 0)));
    lode__metrics_release(&metrics);
}

/// Weights differ: 1 of 2 candidates clicked and found, 1 of 4 clicked and last.
static void test_score_weights(void **state) {
    (void)state;
    static const size_t cutoff = 2;
    static const float first[] = {1, 0}, second[] = {3, 2, 1, 0};
    static const bool clicked_first[] = {true, false}, clicked_second[] = {false, false, false, true};
    lode_metrics metrics = metrics_make(&cutoff, 1, 4);
    metrics.skip_auc = true;
    lode__metrics_add_scores(&metrics, first, clicked_first, 2);
    lode__metrics_add_scores(&metrics, second, clicked_second, 4);
    expect_near(value(&metrics, LODE_METRIC_AUC_USER, 0), 0.5);
    expect_near(value(&metrics, LODE_METRIC_AUC_CLICKS, 0), 0.5);
    expect_near(value(&metrics, LODE_METRIC_AUC_EXPOSURES, 0), 2.0 / 6);
    expect_near(value(&metrics, LODE_METRIC_PRECISION_THACIL, 0), (2 * 0.5 + 4 * 0) / 6);
    expect_near(value(&metrics, LODE_METRIC_RECALL_THACIL, 0), 2.0 / 6);
    expect_near(value(&metrics, LODE_METRIC_NDCG_THACIL, 0), 2.0 / 4);
    assert_true(isnan(value(&metrics, LODE_METRIC_AUC, 0))); // nothing was kept
    lode__metrics_release(&metrics);
}

/// A constant scorer: half of all pairs, and no hit before the unclicked are used up.
static void test_constant_scores(void **state) {
    (void)state;
    static const size_t cutoff = 3;
    static const float scores[] = {1, 1, 1, 1};
    static const bool clicked[] = {true, false, false, false};
    lode_metrics metrics = metrics_make(&cutoff, 1, 4);
    lode__metrics_add_scores(&metrics, scores, clicked, 4);
    expect_near(value(&metrics, LODE_METRIC_AUC, 0), 0.5);
    expect_near(value(&metrics, LODE_METRIC_AUC_USER, 0), 0.5);
    expect_near(value(&metrics, LODE_METRIC_RECALL_ALPINE, 0), 0);
    expect_near(value(&metrics, LODE_METRIC_MRR_FULL, 0), 0.25);
    lode__metrics_release(&metrics);
}

enum { ITEMS = 300, LENGTH = 40 };

/// A random list and a random R of up to 120 items.
static size_t draw_case(lode_random *random, uint32_t *list, uint32_t *truth) {
    uint32_t order[ITEMS];
    for (int side = 0; side < 2; side++) {
        for (uint32_t i = 0; i < ITEMS; i++) {
            order[i] = i;
        }
        for (uint32_t i = 0; i < 120; i++) {
            const uint32_t other = i + (uint32_t)lode__random_below(random, ITEMS - i);
            const uint32_t swap = order[i];
            order[i] = order[other];
            order[other] = swap;
        }
        memcpy(side ? truth : list, order, (side ? 120 : LENGTH) * sizeof *order);
    }
    const uint64_t room = lode__random_below(random, 4) ? 8 : 120;
    return 1 + (size_t)lode__random_below(random, room);
}

/// Orders among metrics, for every single case; and the long and the short way to look up R agree.
static void test_properties(void **state) {
    (void)state;
    static const size_t cutoffs[] = {1, 3, 10, 40};
    lode_random random = lode__random(5, LODE_PURPOSE_SAMPLE, 0, 0);
    for (int round = 0; round < 300; round++) {
        uint32_t list[LENGTH], truth[ITEMS];
        const size_t count = draw_case(&random, list, truth);
        lode_metrics metrics = metrics_make(cutoffs, 4, ITEMS);
        lode__metrics_add(&metrics, list, LENGTH, truth, count);
        for (size_t c = 0; c < 4; c++) {
            size_t hits = 0;
            for (size_t i = 0; i < cutoffs[c]; i++) {
                for (size_t t = 0; t < count; t++) {
                    hits += list[i] == truth[t];
                }
            }
            expect_near(value(&metrics, LODE_METRIC_RECALL, c), (double)hits / (double)count);
            for (int m = 0; m <= LODE_METRIC_MAP_ALL; m++) {
                const double got = value(&metrics, (enum lode_metric)m, c);
                assert_true(got >= 0 && got <= 1 + 1e-12);
                assert_true((got > 0) == (hits > 0));
            }
            assert_true(value(&metrics, LODE_METRIC_NDCG_HITS, c) + 1e-12 >=
                        value(&metrics, LODE_METRIC_NDCG, c));
            assert_true(value(&metrics, LODE_METRIC_RECALL_TRUNCATED, c) >=
                        value(&metrics, LODE_METRIC_RECALL, c));
            assert_true(value(&metrics, LODE_METRIC_MAP_HITS, c) + 1e-12 >=
                        value(&metrics, LODE_METRIC_MAP, c));
            assert_true(value(&metrics, LODE_METRIC_MAP, c) >=
                        value(&metrics, LODE_METRIC_MAP_ALL, c));
            expect_near(value(&metrics, LODE_METRIC_RECALL_MICRO, c),
                        value(&metrics, LODE_METRIC_RECALL, c)); // of one case
            expect_near(value(&metrics, LODE_METRIC_F1, c), value(&metrics, LODE_METRIC_F1_CASE, c));
        }
        lode__metrics_release(&metrics);
    }
}

/// R of 120 items in one case must not be known in the next.
static void test_marks_are_cleared(void **state) {
    (void)state;
    static const size_t cutoff = 40;
    uint32_t list[LENGTH], truth[ITEMS], other[5];
    for (uint32_t i = 0; i < LENGTH; i++) {
        list[i] = i;
    }
    for (uint32_t i = 0; i < ITEMS; i++) {
        truth[i] = i;
    }
    for (uint32_t i = 0; i < 5; i++) {
        other[i] = 200 + i;
    }
    lode_metrics metrics = metrics_make(&cutoff, 1, ITEMS);
    lode__metrics_add(&metrics, list, LENGTH, truth, ITEMS);
    lode__metrics_add(&metrics, list, LENGTH, other, 5);
    assert_int_equal(metrics.hits[0], LENGTH);
    lode__metrics_release(&metrics);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_population),    cmocka_unit_test(test_impressions),
        cmocka_unit_test(test_category),      cmocka_unit_test(test_scores),
        cmocka_unit_test(test_score_weights), cmocka_unit_test(test_constant_scores),
        cmocka_unit_test(test_properties),    cmocka_unit_test(test_marks_are_cleared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
