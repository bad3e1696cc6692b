#include "eval/protocol.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../data/small_log.h"

static small_log logs;

static lode_split *split_make(const lode_split_options *options) {
    lode_split *split = NULL;
    lode_error error = {0};
    if (lode__split_new(&split, &logs.data, options, &error) != LODE_OK) {
        fail_msg("%s", error.message);
    }
    return split;
}

static lode_cases cases_make(const lode_split *split, const lode_protocol *protocol, lode_part part) {
    lode_cases cases;
    lode_error error = {0};
    if (lode__cases_new(&cases, split, protocol, part, &error) != LODE_OK) {
        fail_msg("%s", error.message);
    }
    return cases;
}

static const lode_split_options leave_one_out = {.type = LODE_SPLIT_LEAVE_ONE_OUT};
static const lode_split_options from_100 = {
    .type = LODE_SPLIT_CHRONOLOGICAL, .test_from = "100", .valid_from = "90"};

static void test_list_of_protocols(void **state) {
    (void)state;
    size_t count = 0;
    for (const lode_protocol *at; (at = lode__protocol_at(count)); count++) {
        assert_ptr_equal(lode__protocol_find(at->name), at);
        assert_non_null(at->help);
    }
    assert_int_equal(count, 7);
    assert_null(lode__protocol_at(1000));
    assert_null(lode__protocol_find("micre"));
    const lode_protocol *one = lode__protocol_find("leave_one_out");
    assert_true(one->exclude_seen && one->unseen == LODE_UNSEEN_MISS);
    assert_true(lode__protocol_fits(one, LODE_SPLIT_LEAVE_ONE_OUT));
    const lode_protocol *micrec = lode__protocol_find("micrec");
    assert_true(!micrec->exclude_seen && micrec->also_other_exclusion);
    assert_true(micrec->history == LODE_HISTORY_ROLLING && micrec->unseen == LODE_UNSEEN_DROP);
    assert_int_equal(micrec->splits, 1 << LODE_SPLIT_CHRONOLOGICAL);
    assert_ptr_equal(lode__protocol_find("bert4rec"), lode__protocol_find("clrec"));
    assert_ptr_equal(lode__protocol_find("comirec"), lode__protocol_find("mic"));
}

/// User 0: 0 1 2 3; user 1: 4 5; user 2: 0 1 9 (9 is clicked nowhere else).
static void trio_make(void) {
    small_log_init(&logs, 3, 10);
    for (uint32_t i = 0; i < 4; i++) {
        small_log_add(&logs, 0, i, i, LODE_CLICK);
    }
    small_log_add(&logs, 1, 4, 0, LODE_CLICK);
    small_log_add(&logs, 1, 5, 1, LODE_CLICK);
    small_log_add(&logs, 2, 0, 0, LODE_CLICK);
    small_log_add(&logs, 2, 1, 1, LODE_CLICK);
    small_log_add(&logs, 2, 9, 2, LODE_CLICK);
}

static void test_leave_one_out_cases(void **state) {
    (void)state;
    trio_make();
    lode_split *split = split_make(&leave_one_out);
    const lode_protocol *protocol = lode__protocol_find("leave_one_out");
    lode_cases test = cases_make(split, protocol, LODE_PART_TEST);
    uint32_t truth[4];
    assert_int_equal(test.count, 2);
    assert_int_equal(test.list[0].state.user, 0);
    assert_int_equal(test.list[0].state.end, 3);
    assert_int_equal(test.list[1].state.user, 2);
    assert_int_equal(test.list[1].state.end, 8);
    assert_int_equal(lode__case_truth(&test, 0, truth), 1);
    assert_int_equal(truth[0], 3);
    assert_int_equal(lode__case_truth(&test, 1, truth), 1);
    assert_int_equal(truth[0], 9); // unseen in training, and kept as a miss
    assert_int_equal(test.missed, 2);
    assert_int_equal(test.dropped, 0);
    assert_int_equal(test.largest_truth, 1);
    lode_cases valid = cases_make(split, protocol, LODE_PART_VALID);
    assert_int_equal(valid.count, 2);
    assert_int_equal(valid.list[0].state.end, 2);
    assert_int_equal(valid.list[1].state.end, 7);
    lode__cases_release(&valid);
    lode__cases_release(&test);
    lode__split_free(&split);
}

/// Training: 0 1 1 (user 0), 2 (user 1). Validation (90..99): 0. Test: 1 1 7 2 (user 0), 7 (user
/// 1), 0 (user 2).
static void chronicle_make(void) {
    small_log_init(&logs, 3, 10);
    static const uint32_t items[] = {0, 1, 1, 0, 1, 1, 7, 2};
    static const int64_t times[] = {1, 2, 3, 95, 100, 101, 102, 103};
    for (int i = 0; i < 8; i++) {
        small_log_add(&logs, 0, items[i], times[i], LODE_CLICK);
    }
    small_log_add(&logs, 1, 2, 50, LODE_CLICK);
    small_log_add(&logs, 1, 7, 200, LODE_CLICK);
    small_log_add(&logs, 2, 0, 300, LODE_CLICK); // no history at all
}

static void test_micrec_cases(void **state) {
    (void)state;
    chronicle_make();
    lode_split *split = split_make(&from_100);
    lode_cases cases = cases_make(split, lode__protocol_find("micrec"), LODE_PART_TEST);
    static const uint32_t user[] = {0, 0, 0, 2}, item[] = {1, 1, 2, 0};
    static const uint64_t end[] = {4, 5, 7, 10};
    assert_int_equal(cases.count, 4);
    assert_int_equal(cases.dropped, 2); // item 7, twice
    assert_int_equal(cases.missed, 0);
    for (size_t i = 0; i < 4; i++) {
        uint32_t truth[1];
        assert_int_equal(cases.list[i].state.user, user[i]);
        assert_int_equal(cases.list[i].state.end, end[i]);
        assert_int_equal(cases.list[i].truth_begin, end[i]);
        assert_int_equal(lode__case_truth(&cases, i, truth), 1);
        assert_int_equal(truth[0], item[i]);
    }
    lode__cases_release(&cases);
    cases = cases_make(split, lode__protocol_find("micrec"), LODE_PART_VALID);
    assert_int_equal(cases.count, 1);
    assert_int_equal(cases.list[0].state.end, 3);
    lode__cases_release(&cases);
    lode__split_free(&split);
}

/// A frozen history under the other choices for unseen items: repeats are found once.
static void test_frozen_and_unseen(void **state) {
    (void)state;
    chronicle_make();
    lode_split *split = split_make(&from_100);
    lode_protocol protocol = *lode__protocol_find("micrec");
    protocol.history = LODE_HISTORY_FROZEN;
    uint32_t truth[4];
    lode_cases cases = cases_make(split, &protocol, LODE_PART_TEST);
    assert_int_equal(cases.count, 2); // user 1 has nothing but item 7
    assert_int_equal(cases.dropped, 2);
    assert_int_equal(cases.largest_truth, 4);
    assert_int_equal(cases.list[0].state.end, 4);
    assert_int_equal(lode__case_truth(&cases, 0, truth), 2);
    assert_int_equal(truth[0], 1);
    assert_int_equal(truth[1], 2);
    lode__cases_release(&cases);
    protocol.unseen = LODE_UNSEEN_MISS;
    cases = cases_make(split, &protocol, LODE_PART_TEST);
    assert_int_equal(cases.count, 3);
    assert_int_equal(cases.missed, 2);
    assert_int_equal(cases.dropped, 0);
    assert_int_equal(lode__case_truth(&cases, 0, truth), 3);
    assert_int_equal(truth[2], 7);
    lode__cases_release(&cases);
    protocol.unseen = LODE_UNSEEN_ENCODE;
    cases = cases_make(split, &protocol, LODE_PART_TEST);
    assert_int_equal(cases.count, 3);
    assert_int_equal(cases.missed + cases.dropped, 0);
    lode__cases_release(&cases);
    lode__split_free(&split);
}

static void test_wrong_split(void **state) {
    (void)state;
    trio_make();
    lode_split *split = split_make(&leave_one_out);
    lode_cases cases;
    lode_error error = {0};
    assert_int_equal(
        lode__cases_new(&cases, split, lode__protocol_find("micrec"), LODE_PART_TEST, &error),
        LODE_E_MISMATCH);
    assert_non_null(strstr(error.message, "chronological"));
    lode__cases_release(&cases);
    lode__split_free(&split);
}

// ------------------------------------------------------------------------------------------------
// The evaluation loop
// ------------------------------------------------------------------------------------------------

/// Ranks the truth at (case number % 5), behind items that are wrong.
typedef struct oracle {
    size_t calls, fail_at;
} oracle;

static lode_status oracle_rank(void *self, const lode_cases *cases, size_t begin, size_t count,
                               size_t k, bool exclude_seen, uint32_t *lists, lode_error *error) {
    oracle *own = self;
    if (++own->calls == own->fail_at) {
        return lode__fail(error, LODE_E_MISSING, "the oracle is gone");
    }
    for (size_t i = 0; i < count; i++) {
        uint32_t truth[1];
        (void)lode__case_truth(cases, begin + i, truth);
        for (size_t rank = 0; rank < k; rank++) {
            const bool here = rank == (begin + i) % 5 && exclude_seen;
            lists[i * k + rank] = here ? truth[0] : (truth[0] + 1 + (uint32_t)rank) % 50;
        }
    }
    return LODE_OK;
}

typedef struct watcher {
    uint64_t calls, done, total, stop_at;
} watcher;

static int watch(void *cookie, const lode_progress *progress) {
    watcher *own = cookie;
    own->calls++;
    assert_true(progress->done > own->done);
    assert_true(isnan(progress->loss));
    assert_string_equal(progress->task, "exam");
    own->done = progress->done;
    own->total = progress->total;
    return own->calls == own->stop_at;
}

static lode_metrics metrics_make(const lode_split *split, const size_t *cutoffs, size_t count) {
    lode_metrics metrics;
    lode_error error = {0};
    assert_int_equal(lode__metrics_new(&metrics, cutoffs, count, split->log.items,
                                       split->train_items, NULL, &error),
                     LODE_OK);
    return metrics;
}

static void test_evaluate(void **state) {
    (void)state;
    small_log_init(&logs, 1, 50);
    for (uint32_t i = 0; i < 2600; i++) { // 2500 test clicks: three batches
        small_log_add(&logs, 0, i % 50, i, LODE_CLICK);
    }
    lode_split *split = split_make(&from_100);
    lode_cases cases = cases_make(split, lode__protocol_find("micrec"), LODE_PART_TEST);
    assert_int_equal(cases.count, 2500);
    static const size_t cutoffs[] = {1, 2, 4};
    lode_metrics metrics = metrics_make(split, cutoffs, 3);
    oracle truth = {0};
    watcher eyes = {0};
    const lode_ranker ranker = {"oracle", &truth, oracle_rank, NULL, NULL, 0};
    const lode_hooks hooks = {&eyes, watch, NULL};
    lode_error error = {0};
    assert_int_equal(lode__evaluate(&cases, &ranker, true, &metrics, &hooks, "exam", &error),
                     LODE_OK);
    assert_int_equal(metrics.cases, 2500);
    assert_true(fabs(lode__metrics_value(&metrics, LODE_METRIC_HIT, 0) - 0.2) < 1e-9);
    assert_true(fabs(lode__metrics_value(&metrics, LODE_METRIC_HIT, 1) - 0.4) < 1e-9);
    assert_true(fabs(lode__metrics_value(&metrics, LODE_METRIC_HIT, 2) - 0.8) < 1e-9);
    assert_int_equal(eyes.calls, 3);
    assert_int_equal(eyes.done, 2500);
    assert_int_equal(eyes.total, 2500);
    lode__metrics_release(&metrics);

    metrics = metrics_make(split, cutoffs, 3); // stopped, failed, and the other exclusion
    eyes = (watcher){.stop_at = 2};
    assert_int_equal(lode__evaluate(&cases, &ranker, true, &metrics, &hooks, "exam", &error),
                     LODE_E_STOPPED);
    truth = (oracle){.fail_at = 2};
    assert_int_equal(lode__evaluate(&cases, &ranker, true, &metrics, NULL, "exam", &error),
                     LODE_E_MISSING);
    assert_string_equal(error.message, "the oracle is gone");
    lode__metrics_release(&metrics);
    metrics = metrics_make(split, cutoffs, 3);
    assert_int_equal(lode__evaluate(&cases, &ranker, false, &metrics, NULL, "exam", &error), LODE_OK);
    assert_true(lode__metrics_value(&metrics, LODE_METRIC_HIT, 2) <= 0);
    lode__metrics_release(&metrics);
    lode__cases_release(&cases);
    lode__split_free(&split);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_list_of_protocols), cmocka_unit_test(test_leave_one_out_cases),
        cmocka_unit_test(test_micrec_cases),      cmocka_unit_test(test_frozen_and_unseen),
        cmocka_unit_test(test_wrong_split),       cmocka_unit_test(test_evaluate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
