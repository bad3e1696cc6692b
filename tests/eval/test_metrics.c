#include "eval/metrics.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "search/topk.h"

static void expect_near(double got, double expected) {
    if (!(fabs(got - expected) <= 1e-6)) {
        fail_msg("%.9f, expected %.9f", got, expected);
    }
}

static lode_metrics metrics_make(const size_t *cutoffs, size_t count, uint32_t items,
                                 const float *percentile) {
    lode_metrics metrics;
    lode_error error = {0};
    assert_int_equal(lode__metrics_new(&metrics, cutoffs, count, items, items, percentile, &error),
                     LODE_OK);
    return metrics;
}

/// Three cases over ten items, worked by hand from the definitions.
static void test_golden(void **state) {
    (void)state;
    static const uint32_t truth[] = {1, 2, 3, 4, 5, 6, 2, 7};
    static const size_t starts[] = {0, 5, 6}, counts[] = {5, 1, 2};
    static const uint32_t lists[3][4] = {{1, 9, 3, 8}, {7, 8, 6, 9}, {0, 1, 3, 9}};
    static const size_t cutoff = 4;
    lode_metrics metrics = metrics_make(&cutoff, 1, 10, NULL);
    for (int i = 0; i < 3; i++) {
        lode__metrics_add(&metrics, lists[i], 4, truth + starts[i], counts[i]);
    }
    expect_near(lode__metrics_value(&metrics, LODE_METRIC_HIT, 0), 2.0 / 3);
    expect_near(lode__metrics_value(&metrics, LODE_METRIC_RECALL, 0), 0.466666667);
    expect_near(lode__metrics_value(&metrics, LODE_METRIC_PRECISION, 0), 0.25);
    expect_near(lode__metrics_value(&metrics, LODE_METRIC_NDCG, 0), 0.361857);
    expect_near(lode__metrics_value(&metrics, LODE_METRIC_MRR, 0), 0.444444444);
    expect_near(lode__metrics_value(&metrics, LODE_METRIC_COVERAGE, 0), 0.7);
    expect_near(lode__metrics_value(&metrics, LODE_METRIC_DIVERSITY, 0), 7);
    assert_true(isnan(lode__metrics_value(&metrics, LODE_METRIC_POPULARITY_INDEX, 0)));
    expect_near(lode__metrics_value(&metrics, LODE_METRIC_RECALL_TRUNCATED, 0), 0.5);
    expect_near(lode__metrics_value(&metrics, LODE_METRIC_RECALL_MICRO, 0), 0.375);
    expect_near(lode__metrics_value(&metrics, LODE_METRIC_PRECISION_TRUNCATED, 0), 3.0 / 7);
    expect_near(lode__metrics_value(&metrics, LODE_METRIC_NDCG_HITS, 0), 0.473240);
    expect_near(lode__metrics_value(&metrics, LODE_METRIC_MAP, 0), 0.25);
    expect_near(lode__metrics_value(&metrics, LODE_METRIC_MAP_HITS, 0), 0.388889);
    expect_near(lode__metrics_value(&metrics, LODE_METRIC_MAP_ALL, 0), 0.222222);
    expect_near(lode__metrics_value(&metrics, LODE_METRIC_F1, 0),
                2 * 0.25 * 0.466666667 / 0.716666667);
    // h = 2, 1, 0 of |R| = 5, 1, 2
    expect_near(lode__metrics_value(&metrics, LODE_METRIC_F1_CASE, 0), (4.0 / 9 + 2.0 / 5 + 0) / 3);
    metrics.items = 11; // RecBole counts its padding item
    expect_near(lode__metrics_value(&metrics, LODE_METRIC_COVERAGE, 0), 0.636364);
    lode__metrics_release(&metrics);
}

/// Counts 5 0 2 2 9: four items count; the two 2s share ranks 0 and 1 of 0..3.
static void test_percentile(void **state) {
    (void)state;
    static const uint32_t count[] = {5, 0, 2, 2, 9};
    uint32_t scratch[5];
    float percentile[5];
    lode__popularity_percentile(count, 5, scratch, percentile);
    static const double expected[] = {2.0 / 3, 0, 0.5 / 3, 0.5 / 3, 1};
    for (int i = 0; i < 5; i++) {
        expect_near((double)percentile[i], expected[i]);
    }
    static const uint32_t alike[] = {3, 3, 3};
    lode__popularity_percentile(alike, 3, scratch, percentile);
    expect_near((double)percentile[0], 0.5);
    expect_near((double)percentile[2], 0.5);
    static const uint32_t single[] = {0, 4};
    lode__popularity_percentile(single, 2, scratch, percentile);
    expect_near((double)percentile[0], 0);
    expect_near((double)percentile[1], 0.5);
}

/// Two lists at cutoffs 1, 2 and 4, the second padded; truth 4 and {2, 0}.
static void test_cutoffs_by_hand(void **state) {
    (void)state;
    static const float percentile[] = {0.6f, 0, 0.2f, 0.2f, 1};
    static const size_t cutoffs[] = {1, 2, 4};
    static const uint32_t first[] = {0, 4, 2, 3}, second[] = {4, 2, LODE_NO_ITEM, LODE_NO_ITEM};
    static const uint32_t truth_first[] = {4}, truth_second[] = {2, 0};
    lode_metrics metrics = metrics_make(cutoffs, 3, 5, percentile);
    lode__metrics_add(&metrics, first, 4, truth_first, 1);
    lode__metrics_add(&metrics, second, 4, truth_second, 2);
    const double second_gain = 1 / log2(3), second_ideal = 1 + 1 / log2(3);
    static const double hit[] = {0, 1, 1}, recall[] = {0, 0.75, 0.75}, precision[] = {0, 0.5, 0.25},
                        mrr[] = {0, 0.5, 0.5}, coverage[] = {0.4, 0.6, 0.8},
                        diversity[] = {2, 3, 4}, popularity[] = {1.6 / 2, 2.8 / 4, 3.2 / 6};
    const double ndcg[] = {0, (1 / log2(3) + second_gain / second_ideal) / 2,
                           (1 / log2(3) + second_gain / second_ideal) / 2};
    for (size_t c = 0; c < 3; c++) {
        expect_near(lode__metrics_value(&metrics, LODE_METRIC_HIT, c), hit[c]);
        expect_near(lode__metrics_value(&metrics, LODE_METRIC_RECALL, c), recall[c]);
        expect_near(lode__metrics_value(&metrics, LODE_METRIC_PRECISION, c), precision[c]);
        expect_near(lode__metrics_value(&metrics, LODE_METRIC_NDCG, c), ndcg[c]);
        expect_near(lode__metrics_value(&metrics, LODE_METRIC_MRR, c), mrr[c]);
        expect_near(lode__metrics_value(&metrics, LODE_METRIC_COVERAGE, c), coverage[c]);
        expect_near(lode__metrics_value(&metrics, LODE_METRIC_DIVERSITY, c), diversity[c]);
        expect_near(lode__metrics_value(&metrics, LODE_METRIC_POPULARITY_INDEX, c), popularity[c]);
    }
    assert_int_equal(metrics.cases, 2);
    lode__metrics_release(&metrics);
}

/// An item first seen deep in one list and then high in another counts for the small cutoff too.
static void test_first_cutoff_falls(void **state) {
    (void)state;
    static const size_t cutoffs[] = {1, 3};
    static const uint32_t deep[] = {0, 1, 2}, high[] = {2, 1, 0}, truth[] = {3};
    lode_metrics metrics = metrics_make(cutoffs, 2, 4, NULL);
    lode__metrics_add(&metrics, deep, 3, truth, 1);
    expect_near(lode__metrics_value(&metrics, LODE_METRIC_DIVERSITY, 0), 1);
    lode__metrics_add(&metrics, high, 3, truth, 1);
    expect_near(lode__metrics_value(&metrics, LODE_METRIC_DIVERSITY, 0), 2);
    expect_near(lode__metrics_value(&metrics, LODE_METRIC_DIVERSITY, 1), 3);
    expect_near(lode__metrics_value(&metrics, LODE_METRIC_HIT, 1), 0);
    lode__metrics_release(&metrics);
}

static void test_nothing(void **state) {
    (void)state;
    static const size_t cutoff = 5;
    static const uint32_t empty[] = {LODE_NO_ITEM}, truth[] = {1};
    lode_metrics metrics = metrics_make(&cutoff, 1, 4, NULL);
    assert_true(isnan(lode__metrics_value(&metrics, LODE_METRIC_HIT, 0)));
    expect_near(lode__metrics_value(&metrics, LODE_METRIC_COVERAGE, 0), 0);
    lode__metrics_add(&metrics, empty, 1, truth, 1);
    expect_near(lode__metrics_value(&metrics, LODE_METRIC_HIT, 0), 0);
    expect_near(lode__metrics_value(&metrics, LODE_METRIC_NDCG, 0), 0);
    expect_near(lode__metrics_value(&metrics, LODE_METRIC_MRR, 0), 0);
    lode__metrics_release(&metrics);
}

static void test_names(void **state) {
    (void)state;
    for (int i = 0; i < LODE_METRICS; i++) {
        char text[64];
        enum lode_metric metric = LODE_METRICS;
        size_t cutoff = 1;
        const lode_metric_info *info = lode__metric_at((enum lode_metric)i);
        assert_non_null(info->name);
        assert_non_null(info->help);
        snprintf(text, sizeof text, "%s@%d", info->name, 10 + i);
        assert_int_equal(lode__metric_parse(text, &metric, &cutoff), info->cutoff);
        assert_int_equal(lode__metric_parse(info->cutoff ? text : info->name, &metric, &cutoff), 1);
        assert_int_equal(metric, i);
        assert_int_equal(cutoff, info->cutoff ? 10 + i : 0);
    }
    static const char *const bad[] = {
        "",      "hit",     "hit@", "hit@0", "hit@-1",         "hit@1x", "hits@5", "@5",  "hit@ 5",
        "HIT@5", "hit@5@6", "hi@5", "hit5",  "hit@5000000000", "auc@5",  "aucs",   "auc@"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        enum lode_metric metric;
        size_t cutoff;
        if (lode__metric_parse(bad[i], &metric, &cutoff)) {
            fail_msg("'%s' was read as a metric", bad[i]);
        }
    }
}

static void test_bad_cutoffs(void **state) {
    (void)state;
    static const size_t zero[] = {0}, falling[] = {10, 5}, twice[] = {5, 5},
                        many[] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
    lode_metrics metrics;
    lode_error error = {0};
    assert_int_equal(lode__metrics_new(&metrics, zero, 1, 4, 4, NULL, &error), LODE_E_CONFIG);
    assert_int_equal(lode__metrics_new(&metrics, falling, 2, 4, 4, NULL, &error), LODE_E_CONFIG);
    assert_int_equal(lode__metrics_new(&metrics, twice, 2, 4, 4, NULL, &error), LODE_E_CONFIG);
    assert_int_equal(lode__metrics_new(&metrics, many, 9, 4, 4, NULL, &error), LODE_E_CONFIG);
    assert_int_equal(lode__metrics_new(&metrics, many, 0, 4, 4, NULL, &error), LODE_E_CONFIG);
    lode__metrics_release(&metrics);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),          cmocka_unit_test(test_percentile),
        cmocka_unit_test(test_cutoffs_by_hand), cmocka_unit_test(test_first_cutoff_falls),
        cmocka_unit_test(test_nothing),         cmocka_unit_test(test_names),
        cmocka_unit_test(test_bad_cutoffs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
