/// pred1-hr and pred5-hr, worked by hand: which clicks follow a state, what counts of them, and where they are not defined.
#include "../check.h"
#include "eval/protocol.h"

#include "../data/small_log.h"

static small_log logs;

/// Training: 0 1 2 (user 0), 3 4 5 6 (user 1). Validation (90 .. 99): 2 3 (user 0). Test: 4 5 7 4 0 6 1 (user 0),
/// 3 (user 1). Item 7 is clicked nowhere else.
static void diary_make(void) {
    static const uint32_t first[] = {0, 1, 2, 2, 3, 4, 5, 7, 4, 0, 6, 1}, second[] = {3, 4, 5, 6, 3};
    static const int64_t first_time[] = {1, 2, 3, 95, 96, 100, 101, 102, 103, 104, 105, 106},
                         second_time[] = {1, 2, 3, 4, 100};
    small_log_init(&logs, 2, 8);
    for (int i = 0; i < 12; i++) {
        small_log_add(&logs, 0, first[i], first_time[i], LODE_CLICK);
    }
    for (int i = 0; i < 5; i++) {
        small_log_add(&logs, 1, second[i], second_time[i], LODE_CLICK);
    }
}

static lode_split *diary_split(void) {
    static const lode_split_options options = {
        .type = LODE_SPLIT_CHRONOLOGICAL, .test_from = "100", .valid_from = "90"};
    lode_split *split = NULL;
    lode_error error = {0};
    diary_make();
    assert_ok(lode__split_new(&split, &logs.data, &options, &error), error);
    return split;
}

static lode_protocol micrec_with(lode_history_mode history, lode_unseen_mode unseen) {
    lode_protocol protocol = *lode__protocol_find("micrec");
    protocol.history = history;
    protocol.unseen = unseen;
    return protocol;
}

static lode_cases cases_make(const lode_split *split, lode_protocol protocol, lode_part part) {
    lode_cases cases;
    lode_error error = {0};
    assert_ok(lode__cases_new(&cases, split, &protocol, part, &error), error);
    return cases;
}

/// @param expected  digits: the items of the clicks that follow
static void expect_next(const lode_cases *cases, size_t index, const char *expected) {
    uint32_t items[LODE_NEXT_CLICKS];
    char got[LODE_NEXT_CLICKS + 1] = {0};
    const size_t count = lode__case_next(cases, index, items);
    assert_true(count <= LODE_NEXT_CLICKS);
    for (size_t i = 0; i < count; i++) {
        got[i] = (char)('0' + items[i]);
    }
    assert_string_equal(got, expected);
}

static void expect_all_next(lode_cases cases, const char *const *expected, size_t count) {
    assert_int_equal(cases.count, count);
    for (size_t i = 0; i < count; i++) {
        expect_next(&cases, i, expected[i]);
    }
    lode__cases_release(&cases);
}

#define EXPECT(cases, ...)                                                                         \
    do {                                                                                           \
        static const char *const expected[] = {__VA_ARGS__};                                       \
        expect_all_next(cases, expected, sizeof expected / sizeof *expected);                      \
    } while (0)

static void test_clicks_behind_a_state(void **state) {
    (void)state;
    lode_split *split = diary_split();
    const lode_history_mode rolling = LODE_HISTORY_ROLLING, frozen = LODE_HISTORY_FROZEN;
    const lode_unseen_mode drop = LODE_UNSEEN_DROP, miss = LODE_UNSEEN_MISS;
    EXPECT(cases_make(split, micrec_with(rolling, drop), LODE_PART_TEST), "45406", "54061", "4061",
           "061", "61", "1", "3");
    EXPECT(cases_make(split, micrec_with(rolling, miss), LODE_PART_TEST), "45740", "57406", "74061",
           "4061", "061", "61", "1", "3");
    EXPECT(cases_make(split, micrec_with(frozen, drop), LODE_PART_TEST), "45406", "3");
    EXPECT(cases_make(split, micrec_with(frozen, miss), LODE_PART_TEST), "45740", "3");
    EXPECT(cases_make(split, micrec_with(rolling, drop), LODE_PART_VALID), "23",
           "3"); // no look at the test
    lode__split_free(&split);
}

/// Each item of the training is clicked once: the tail is item 6, the highest of equals.
static void test_slices(void **state) {
    (void)state;
    lode_split *split = diary_split();
    const lode_protocol *micrec = lode__protocol_find("micrec");
    static const struct {
        lode_slice slice;
        uint64_t bound;
        size_t count;
        const char *next[2];
    } slices[] = {{LODE_SLICE_TAIL, 0, 1, {"6"}},
                  {LODE_SLICE_COLD_ITEMS, 0, 1, {"7"}},
                  {LODE_SLICE_COLD_USERS, 6, 2, {"45406", "3"}}};
    for (size_t s = 0; s < sizeof slices / sizeof *slices; s++) {
        lode_cases cases;
        lode_error error = {0};
        assert_ok(lode__cases_slice(&cases, split, micrec, LODE_PART_TEST, slices[s].slice,
                                    slices[s].bound, &error),
                  error);
        expect_all_next(cases, slices[s].next, slices[s].count);
    }
    lode__split_free(&split);
}

static lode_metrics metrics_make(const size_t *cutoffs, size_t count) {
    lode_metrics metrics;
    lode_error error = {0};
    assert_ok(lode__metrics_new(&metrics, cutoffs, count, 8, 8, NULL, &error), error);
    return metrics;
}

static void expect_pred(const lode_metrics *metrics, size_t c, double one, double five) {
    assert_close(lode__metrics_value(metrics, LODE_METRIC_PRED1_HR, c), one, 1e-12, 0);
    assert_close(lode__metrics_value(metrics, LODE_METRIC_PRED5_HR, c), five, 1e-12, 0);
}

/// Every case gets the list 4 6 0.
static lode_status same_list(void *self, const lode_cases *cases, size_t begin, size_t count,
                             size_t k, bool exclude_seen, uint32_t *lists, lode_error *error) {
    (void)self, (void)cases, (void)begin, (void)exclude_seen, (void)error;
    for (size_t i = 0; i < count * k; i++) {
        lists[i] = i % k < 3 ? (uint32_t[]){4, 6, 0}[i % k] : LODE_NO_ITEM;
    }
    return LODE_OK;
}

/// Scores that make the same list of given candidates.
static lode_status same_scores(void *self, const lode_cases *cases, const lode_scoring *scoring,
                               lode_error *error) {
    static const float scores[] = {1, 0, 0, 0, 3, 0, 2, 0};
    (void)self, (void)cases, (void)error;
    for (size_t i = 0; i < scoring->starts[scoring->count]; i++) {
        scoring->scores[i] = scores[scoring->items[i]];
    }
    return LODE_OK;
}

static const lode_ranker same = {"same", NULL, same_list, same_scores, NULL, 0};

/// Lists of 4 and of 4 6 0, and a cutoff beyond the list.
static void test_values(void **state) {
    (void)state;
    static const size_t cutoffs[] = {1, 3, 6};
    lode_split *split = diary_split();
    lode_error error = {0};
    lode_metrics metrics = metrics_make(cutoffs, 3);
    assert_true(isnan(lode__metrics_value(&metrics, LODE_METRIC_PRED1_HR, 0)));
    lode_cases cases =
        cases_make(split, micrec_with(LODE_HISTORY_ROLLING, LODE_UNSEEN_DROP), LODE_PART_TEST);
    assert_ok(lode__evaluate(&cases, &same, false, &metrics, NULL, "exam", &error), error);
    // next clicks 45406, 54061, 4061, 061, 61, 1, 3
    expect_pred(&metrics, 0, 2.0 / 7, (2.0 / 5 + 1.0 / 5 + 1.0 / 4) / 7);
    const double three = 4.0 / 5 + 3.0 / 5 + 3.0 / 4 + 2.0 / 3 + 1.0 / 2;
    expect_pred(&metrics, 1, 4.0 / 7, three / 7);
    expect_pred(&metrics, 2, 4.0 / 7, three / 7);
    assert_close(lode__metrics_value(&metrics, LODE_METRIC_HIT, 1), 4.0 / 7, 1e-12, 0);
    lode__metrics_release(&metrics);
    lode__cases_release(&cases);
    lode__split_free(&split);
}

/// Popularity ranks all items; what was clicked before the state is left out, what is clicked behind it is not.
static void test_seen_items(void **state) {
    (void)state;
    static const size_t cutoff = 8;
    lode_split *split = diary_split();
    lode_error error = {0};
    lode_ranker popularity;
    assert_ok(lode__ranker_popularity(&popularity, split, &error), error);
    lode_cases cases =
        cases_make(split, micrec_with(LODE_HISTORY_ROLLING, LODE_UNSEEN_DROP), LODE_PART_TEST);
    lode_metrics metrics = metrics_make(&cutoff, 1);
    assert_ok(lode__evaluate(&cases, &popularity, true, &metrics, NULL, "exam", &error), error);
    // user 0 knows 0 1 2 3: of 45406 all but the 0 are new; then 4, 5 and 6 are known, one after the other
    expect_pred(&metrics, 0, 3.0 / 7, (4.0 / 5 + 2.0 / 5 + 1.0 / 4 + 1.0 / 3 + 1.0 / 2) / 7);
    lode__metrics_release(&metrics);
    metrics = metrics_make(&cutoff, 1);
    assert_ok(lode__evaluate(&cases, &popularity, false, &metrics, NULL, "exam", &error), error);
    expect_pred(&metrics, 0, 1, 1);
    lode__metrics_release(&metrics);
    lode__cases_release(&cases);
    popularity.free(popularity.self);
    lode__split_free(&split);
}

/// One click follows, so that hit says the same; among drawn candidates, too.
static void test_leave_one_out(void **state) {
    (void)state;
    static const size_t cutoffs[] = {1, 3};
    static const char *const protocols[] = {"leave_one_out", "sasrec"};
    lode_error error = {0};
    lode_split *split = NULL;
    diary_make();
    logs.item[11] = 0; // user 0's last click
    assert_ok(lode__split_new(&split, &logs.data,
                              &(lode_split_options){.type = LODE_SPLIT_LEAVE_ONE_OUT}, &error),
              error);
    for (int p = 0; p < 2; p++) {
        lode_cases cases = cases_make(split, *lode__protocol_find(protocols[p]), LODE_PART_TEST);
        lode_metrics metrics = metrics_make(cutoffs, 2);
        assert_ok(lode__evaluate(&cases, &same, false, &metrics, NULL, "exam", &error), error);
        assert_close(lode__metrics_value(&metrics, LODE_METRIC_HIT, 1), 0.5, 0, 0);
        for (size_t c = 0; c < 2; c++) {
            const double hit = lode__metrics_value(&metrics, LODE_METRIC_HIT, c);
            expect_pred(&metrics, c, hit, hit);
        }
        lode__metrics_release(&metrics);
        EXPECT(cases, "0", "3");
    }
    lode__split_free(&split);
}

/// Drawn candidates of a rolling case hold one of the user's clicks; exposures and given truth have no next click.
static void test_where_undefined(void **state) {
    (void)state;
    static const size_t cutoff = 3;
    static const uint64_t starts[] = {0, 2, 2};
    static const uint32_t items[] = {4, 6};
    lode_split *split = diary_split();
    lode_error error = {0};
    lode_protocol drawn = micrec_with(LODE_HISTORY_ROLLING, LODE_UNSEEN_DROP);
    drawn.candidates = LODE_CANDIDATES_UNIFORM;
    drawn.negatives = 2;
    lode_cases cases = cases_make(split, drawn, LODE_PART_TEST);
    lode_metrics metrics = metrics_make(&cutoff, 1);
    assert_ok(lode__evaluate(&cases, &same, false, &metrics, NULL, "exam", &error), error);
    assert_close(lode__metrics_value(&metrics, LODE_METRIC_PRED1_HR, 0),
                 lode__metrics_value(&metrics, LODE_METRIC_HIT, 0), 0, 0);
    assert_true(isnan(lode__metrics_value(&metrics, LODE_METRIC_PRED5_HR, 0)));
    assert_ok(lode__cases_define(&cases, LODE_METRIC_PRED1_HR, "pred1-hr@3", &error), error);
    assert_fails(lode__cases_define(&cases, LODE_METRIC_PRED5_HR, "pred5-hr@3", &error),
                 LODE_E_CONFIG, error, "clicks after the next are not among");
    lode__metrics_release(&metrics);
    EXPECT(cases, "4", "5", "4", "0", "6", "1", "3");
    drawn.history = LODE_HISTORY_FROZEN; // all clicks of the part are candidates
    cases = cases_make(split, drawn, LODE_PART_TEST);
    assert_ok(lode__cases_define(&cases, LODE_METRIC_PRED5_HR, "pred5-hr@3", &error), error);
    EXPECT(cases, "45406", "3");
    assert_ok(lode__cases_given(&cases, split, lode__protocol_find("micrec"), starts, items, &error),
              error);
    metrics = metrics_make(&cutoff, 1);
    assert_ok(lode__evaluate(&cases, &same, false, &metrics, NULL, "exam", &error), error);
    assert_close(lode__metrics_value(&metrics, LODE_METRIC_HIT, 0), 1, 0, 0);
    assert_true(isnan(lode__metrics_value(&metrics, LODE_METRIC_PRED1_HR, 0)));
    assert_fails(lode__cases_define(&cases, LODE_METRIC_PRED1_HR, "pred1-hr@3", &error),
                 LODE_E_CONFIG, error, "next click of a state is not among");
    assert_ok(lode__cases_define(&cases, LODE_METRIC_HIT, "hit@3", &error), error);
    EXPECT(cases, "");
    lode__metrics_release(&metrics);
    lode_cases shown = {.split = split};
    shown.protocol.candidates = LODE_CANDIDATES_EXPOSURES;
    assert_int_equal(lode__cases_next(&shown), 0);
    lode__split_free(&split);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clicks_behind_a_state),
        cmocka_unit_test(test_slices),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_seen_items),
        cmocka_unit_test(test_leave_one_out),
        cmocka_unit_test(test_where_undefined),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
