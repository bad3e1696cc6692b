#include "data/split.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "small_log.h"

static small_log logs; // too large for the stack

static lode_split *split_make(const lode_split_options *options) {
    lode_split *split = NULL;
    lode_error error = {0};
    const lode_status status = lode__split_new(&split, &logs.data, options, &error);
    if (status != LODE_OK) {
        fail_msg("%s", error.message);
    }
    return split;
}

static void expect_refused(const lode_split_options *options, const char *piece) {
    lode_split *split = NULL;
    lode_error error = {0};
    assert_int_equal(lode__split_new(&split, &logs.data, options, &error), LODE_E_CONFIG);
    assert_null(split);
    if (!strstr(error.message, piece)) {
        fail_msg("'%s' is not in '%s'", piece, error.message);
    }
}

static const lode_split_options leave_one_out = {.type = LODE_SPLIT_LEAVE_ONE_OUT};

/// Users with 0, 1, 2, 3 and 5 clicks; item = 10 x user + number of the click.
static void stairs_make(void) {
    static const int clicks[] = {0, 1, 2, 3, 5};
    small_log_init(&logs, 5, 50);
    for (uint32_t user = 0; user < 5; user++) {
        for (int i = 0; i < clicks[user]; i++) {
            small_log_add(&logs, user, 10 * user + (uint32_t)i, i, LODE_CLICK);
        }
    }
}

static void test_leave_one_out(void **state) {
    (void)state;
    stairs_make();
    lode_split *split = split_make(&leave_one_out);
    static const uint64_t train_end[] = {0, 1, 3, 4, 9}, valid_end[] = {0, 1, 3, 5, 10};
    for (uint32_t user = 0; user < 5; user++) {
        assert_int_equal(split->train_end[user], train_end[user]);
        assert_int_equal(split->valid_end[user], valid_end[user]);
    }
    assert_int_equal(split->clicks, 11);
    assert_int_equal(split->train_clicks, 7);
    assert_int_equal(split->valid_clicks, 2);
    assert_int_equal(split->test_clicks, 2);
    assert_int_equal(split->train_items, 7);
    assert_int_equal(split->item_count[32], 0); // user 3's test click
    assert_int_equal(split->item_count[44], 0);
    assert_int_equal(split->item_count[42], 1);
    assert_ptr_equal(split->log.item, logs.item); // nothing was copied
    assert_null(split->log.row);
    lode__split_refit(split);
    assert_int_equal(split->train_clicks, 9);
    assert_int_equal(split->valid_clicks, 0);
    assert_int_equal(split->test_clicks, 2);
    assert_int_equal(split->train_end[4], 10);
    assert_int_equal(split->item_count[43], 1);
    assert_int_equal(split->item_count[44], 0);
    assert_int_equal(split->train_items, 9);
    lode__split_free(&split);
    assert_null(split);
}

static void test_only_clicks_are_kept(void **state) {
    (void)state;
    small_log_init(&logs, 3, 20);
    small_log_add(&logs, 0, 1, 10, LODE_EXPOSURE);
    small_log_add(&logs, 0, 2, 11, LODE_CLICK);
    small_log_add(&logs, 0, 3, 12, LODE_CLICK);
    small_log_add(&logs, 0, 4, 13, LODE_BUY);
    small_log_add(&logs, 0, 5, 14, LODE_CLICK);
    small_log_add(&logs, 1, 6, 15, LODE_EXPOSURE); // a user without clicks
    small_log_add(&logs, 2, 7, 16, LODE_CLICK);
    small_log_add(&logs, 2, 8, 17, LODE_EXPOSURE); // the last row is no test
    lode_split *split = split_make(&leave_one_out);
    static const uint64_t offsets[] = {0, 3, 3, 4}, row[] = {1, 2, 4, 6};
    static const uint32_t item[] = {2, 3, 5, 7};
    static const int64_t time[] = {11, 12, 14, 16};
    assert_int_equal(split->clicks, 4);
    assert_memory_equal(split->log.offsets, offsets, sizeof offsets);
    assert_memory_equal(split->log.item, item, sizeof item);
    assert_memory_equal(split->log.time, time, sizeof time);
    assert_memory_equal(split->log.row, row, sizeof row);
    assert_int_equal(split->item_count[2], 1);
    assert_int_equal(split->item_count[1], 0);
    assert_int_equal(split->item_count[8], 0);
    lode__split_free(&split);

    logs.data.time = NULL; // without times there are none in the copy either
    logs.data.time_kind = LODE_TIME_NONE;
    split = split_make(&leave_one_out);
    assert_null(split->log.time);
    assert_memory_equal(split->log.item, item, sizeof item);
    lode__split_free(&split);
}

/// Random users, few distinct times, so that there are many ties.
static void random_make(uint32_t users, uint32_t items, uint32_t times, uint64_t seed) {
    small_log_init(&logs, users, items);
    for (uint32_t user = 0; user < users; user++) {
        const uint32_t clicks = small_random(&seed, 30);
        int64_t time = (int64_t)small_random(&seed, times);
        for (uint32_t i = 0; i < clicks; i++) {
            small_log_add(&logs, user, small_random(&seed, items), time - 1000, LODE_CLICK);
            time += (int64_t)small_random(&seed, times / 10 + 1);
        }
    }
}

static int time_compare(const void *a, const void *b) {
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/// The parts of a chronological split by definition: before valid, before test, the rest.
static void check_cuts(const lode_split *split, int64_t valid, int64_t test) {
    uint64_t parts[3] = {0};
    for (uint32_t user = 0; user < split->log.users; user++) {
        for (uint64_t at = split->log.offsets[user]; at < split->log.offsets[user + 1]; at++) {
            const int64_t time = split->log.time[at];
            const int part = time >= test ? 2 : time >= valid ? 1 : 0;
            const int got = at >= split->valid_end[user] ? 2 : at >= split->train_end[user] ? 1 : 0;
            assert_int_equal(got, part);
            parts[part]++;
        }
    }
    assert_int_equal(split->train_clicks, parts[0]);
    assert_int_equal(split->valid_clicks, parts[1]);
    assert_int_equal(split->test_clicks, parts[2]);
    assert_int_equal(split->test_time, test);
}

static void test_chronological_shares(void **state) {
    (void)state;
    static const uint32_t times[] = {1, 7, 100, 1000000};
    static int64_t sorted[SMALL_ROWS];
    for (size_t t = 1; t < 4; t++) {
        random_make(200, 50, times[t], t);
        const uint64_t n = logs.data.interactions;
        memcpy(sorted, logs.time, n * sizeof *sorted);
        qsort(sorted, n, sizeof *sorted, time_compare);
        const lode_split_options options = {
            .type = LODE_SPLIT_CHRONOLOGICAL, .test = 0.2, .valid = 0.25};
        const int64_t test = sorted[n - (uint64_t)(0.2 * (double)n + 0.5)];
        uint64_t before = 0;
        while (before < n && sorted[before] < test) {
            before++;
        }
        const int64_t valid = sorted[before - (uint64_t)(0.25 * (double)before + 0.5)];
        if (sorted[0] == valid) {
            continue; // nothing left to train on: refused, see below
        }
        lode_split *split = split_make(&options);
        check_cuts(split, valid, test);
        assert_true(split->test_clicks >= n / 5);
        lode__split_free(&split);
    }
}

static void test_chronological_zero_shares(void **state) {
    (void)state;
    random_make(50, 20, 100, 3);
    const lode_split_options options = {.type = LODE_SPLIT_CHRONOLOGICAL};
    lode_split *split = split_make(&options);
    assert_int_equal(split->train_clicks, split->clicks);
    assert_int_equal(split->valid_clicks, 0);
    assert_int_equal(split->test_clicks, 0);
    lode__split_free(&split);
}

static void check_moment(const char *text, int64_t expected) {
    small_log_init(&logs, 1, 3);
    small_log_add(&logs, 0, 0, INT64_C(-100000000000000), LODE_CLICK);
    small_log_add(&logs, 0, 1, expected - 1, LODE_CLICK);
    small_log_add(&logs, 0, 2, expected, LODE_CLICK);
    const lode_split_options options = {.type = LODE_SPLIT_CHRONOLOGICAL, .test_from = text};
    lode_split *split = split_make(&options);
    if (split->test_time != expected) {
        fail_msg("%s: %lld, expected %lld", text, (long long)split->test_time, (long long)expected);
    }
    assert_int_equal(split->test_clicks, 1);
    lode__split_free(&split);
}

static void test_moments(void **state) {
    (void)state;
    check_moment("1970-01-01", 0);
    check_moment("1970-01-02", 86400000);
    check_moment("1969-12-31T23:59:59.999Z", -1);
    check_moment("2017-10-15T03:00:00Z", INT64_C(1508036400000));
    check_moment("2017-10-15T03:00", INT64_C(1508036400000));
    check_moment("2017-10-15 05:00:00+02:00", INT64_C(1508036400000));
    check_moment("2017-10-14T21:30-05:30", INT64_C(1508036400000));
    check_moment("2000-02-29T12:30:15.250Z", INT64_C(951827415250));
    check_moment("2024-12-31", INT64_C(1735603200000));
    check_moment("1508036400000", INT64_C(1508036400000));
    check_moment("-5", -5);
}

static void test_bad_moments(void **state) {
    (void)state;
    static const char *const bad[] = {"",
                                      "yesterday",
                                      "2001-02-29",
                                      "2017-13-01",
                                      "2017-00-01",
                                      "2017-10-32",
                                      "2017-10-15T",
                                      "2017-10-15T25:00",
                                      "2017-10-15T03:60",
                                      "2017-10-15T03:00:61",
                                      "2017-10-15T03:00:00.1Z",
                                      "2017-10-15Zulu",
                                      "2017-10-15T03:00+2",
                                      "17-10-15",
                                      "2017-10-15x",
                                      "1e9",
                                      "0000-01-01"};
    random_make(50, 20, 100, 3);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const lode_split_options options = {.type = LODE_SPLIT_CHRONOLOGICAL, .test_from = bad[i]};
        expect_refused(&options, "split.test_from");
    }
    lode_split_options options = {
        .type = LODE_SPLIT_CHRONOLOGICAL, .test_from = "-900", .valid_from = "soon"};
    expect_refused(&options, "split.valid_from: found 'soon'");
    options.valid_from = "-899";
    expect_refused(&options, "before the test");
}

static void test_refusals(void **state) {
    (void)state;
    const lode_split_options half = {.type = LODE_SPLIT_CHRONOLOGICAL, .test = 0.5, .valid = 0.1};
    random_make(50, 20, 100, 3);
    const lode_split_options late = {.type = LODE_SPLIT_CHRONOLOGICAL, .test_from = "2030-01-01"};
    expect_refused(&late, "after the last click");
    const lode_split_options early = {.type = LODE_SPLIT_CHRONOLOGICAL, .test_from = "1960-01-01"};
    expect_refused(&early, "no click is left for training");
    const lode_split_options share = {.type = LODE_SPLIT_CHRONOLOGICAL, .test = 1.5};
    expect_refused(&share, "1.5");

    logs.data.time_kind = LODE_TIME_ORDER;
    const lode_split_options date = {.type = LODE_SPLIT_CHRONOLOGICAL, .test_from = "2017-10-15"};
    expect_refused(&date, "row numbers");
    const lode_split_options number = {.type = LODE_SPLIT_CHRONOLOGICAL, .test_from = "-950"};
    lode_split *split = split_make(&number);
    assert_int_equal(split->test_time, -950);
    lode__split_free(&split);

    logs.data.time = NULL;
    logs.data.time_kind = LODE_TIME_NONE;
    expect_refused(&half, "needs the time");

    small_log_init(&logs, 2, 5);
    small_log_add(&logs, 0, 1, 5, LODE_EXPOSURE);
    expect_refused(&leave_one_out, "no clicks");
    small_log_add(&logs, 1, 1, 5, LODE_CLICK);
    small_log_add(&logs, 1, 2, 5, LODE_CLICK);
    expect_refused(&leave_one_out, "at least 3 clicks");
    expect_refused(&half, "no click is left for training"); // all clicks at one moment
}

static void test_defaults(void **state) {
    (void)state;
    lode_arena arena = {0};
    lode_node *root = NULL;
    lode_error error = {0};
    lode_split_options options;
    memset(&options, 0xff, sizeof options);
    assert_int_equal(lode__yaml_parse(&arena, "", 0, "test", &root, &error), LODE_OK);
    assert_int_equal(lode__config_read(&arena, root, "", lode__split_keys, NULL, &options, &error),
                     LODE_OK);
    assert_int_equal(options.type, LODE_SPLIT_LEAVE_ONE_OUT);
    assert_true(options.test > 0.09 && options.test < 0.11);
    assert_true(options.valid > 0.09 && options.valid < 0.11);
    assert_null(options.test_from);
    assert_null(options.valid_from);
    assert_false(options.refit);
    lode__arena_release(&arena);
}

static void check_examples(const lode_split *split, uint64_t min_history) {
    lode_examples examples;
    lode_error error = {0};
    assert_int_equal(lode__examples_new(&examples, split,
                                        &(lode_example_options){.min_history = min_history}, &error),
                     LODE_OK);
    uint64_t index = 0;
    for (uint32_t user = 0; user < split->log.users; user++) {
        for (uint64_t at = split->log.offsets[user] + min_history; at < split->train_end[user]; at++) {
            assert_true(index < examples.count);
            const lode_state state = lode__example(&examples, index++, 0);
            assert_int_equal(state.user, user);
            assert_int_equal(state.end, at);
        }
    }
    assert_int_equal(index, examples.count);
    lode__examples_release(&examples);
}

static void test_examples(void **state) {
    (void)state;
    random_make(300, 40, 1000, 9);
    lode_split *split = split_make(&leave_one_out);
    for (uint64_t min_history = 0; min_history < 4; min_history++) {
        check_examples(split, min_history);
    }
    check_examples(split, 1000); // none at all
    lode__split_free(&split);
    stairs_make();
    split = split_make(&leave_one_out);
    check_examples(split, 0);
    check_examples(split, 1);
    lode__split_free(&split);
}

/// Users of `stairs` have 0, 1, 2, 1 and 3 training clicks, at positions 0, 0, 1, 3 and 6.
static void expect_states(const lode_split *split, const lode_example_options *options,
                          size_t count, const lode_state *expected) {
    lode_examples examples;
    lode_error error = {0};
    assert_int_equal(lode__examples_new(&examples, split, options, &error), LODE_OK);
    assert_int_equal(examples.count, count);
    for (size_t i = 0; i < count; i++) {
        const lode_state state = lode__example(&examples, i, 0);
        assert_int_equal(state.user, expected[i].user);
        assert_int_equal(state.end, expected[i].end);
    }
    lode__examples_release(&examples);
}

static void test_example_kinds(void **state) {
    (void)state;
    stairs_make();
    lode_split *split = split_make(&leave_one_out);
    // A window needs a click before its target; a user's last window ends at the last training click.
    lode_example_options options = {.kind = LODE_ALL_POSITIONS, .min_history = 1, .history = 2};
    expect_states(split, &options, 2, (const lode_state[]){{2, 2}, {4, 8}});
    options.min_history = 0;
    expect_states(split, &options, 2, (const lode_state[]){{2, 2}, {4, 8}});
    options.min_history = 2;
    expect_states(split, &options, 1, (const lode_state[]){{4, 8}});
    options = (lode_example_options){.kind = LODE_ALL_POSITIONS, .history = 1, .all_windows = true};
    expect_states(split, &options, 3, (const lode_state[]){{2, 2}, {4, 8}, {4, 7}});
    options.history = 2; // two inputs fill one window
    expect_states(split, &options, 2, (const lode_state[]){{2, 2}, {4, 8}});
    options = (lode_example_options){.kind = LODE_LAST, .min_history = 1};
    expect_states(split, &options, 2, (const lode_state[]){{2, 2}, {4, 8}});
    options.min_history = 0;
    expect_states(split, &options, 4, (const lode_state[]){{1, 0}, {2, 2}, {3, 3}, {4, 8}});
    lode__split_free(&split);
}

/// Windows of all users: each training click but a user's first is in exactly one window as a target.
static void test_windows(void **state) {
    (void)state;
    random_make(300, 40, 1000, 9);
    lode_split *split = split_make(&leave_one_out);
    for (uint64_t history = 1; history < 6; history++) {
        lode_examples examples;
        lode_error error = {0};
        const lode_example_options options = {
            .kind = LODE_ALL_POSITIONS, .min_history = 1, .history = history, .all_windows = true};
        assert_int_equal(lode__examples_new(&examples, split, &options, &error), LODE_OK);
        uint8_t targets[SMALL_ROWS] = {0};
        for (uint64_t i = 0; i < examples.count; i++) {
            const lode_state last = lode__example(&examples, i, 0);
            const uint64_t first = split->log.offsets[last.user];
            assert_true(last.end > first && last.end < split->train_end[last.user]);
            for (uint64_t n = 0; n < history && last.end - n > first; n++)
                targets[last.end - n]++;
        }
        for (uint32_t user = 0; user < split->log.users; user++) {
            for (uint64_t at = split->log.offsets[user]; at < split->log.offsets[user + 1]; at++) {
                const bool target = at > split->log.offsets[user] && at < split->train_end[user];
                assert_int_equal(targets[at], target);
            }
        }
        lode__examples_release(&examples);
    }
    lode__split_free(&split);
}

/// Every cut of a user comes up, in about equal shares over the epochs, and other users have other cuts.
static void test_random_cut(void **state) {
    (void)state;
    enum { USERS = 20, CLICKS = 8, EPOCHS = 400 };
    small_log_init(&logs, USERS, CLICKS);
    for (uint32_t user = 0; user < USERS; user++) {
        for (int i = 0; i < CLICKS; i++)
            small_log_add(&logs, user, (uint32_t)i, i, LODE_CLICK);
    }
    lode_split *split = split_make(&leave_one_out);
    lode_examples examples;
    lode_error error = {0};
    const lode_example_options options = {.kind = LODE_RANDOM_CUT, .min_history = 2, .seed = 3};
    assert_int_equal(lode__examples_new(&examples, split, &options, &error), LODE_OK);
    assert_int_equal(examples.count, USERS);
    size_t cuts[CLICKS] = {0}, unlike = 0;
    for (uint32_t epoch = 0; epoch < EPOCHS; epoch++) {
        for (uint32_t user = 0; user < USERS; user++) {
            const lode_state at = lode__example(&examples, user, epoch);
            assert_int_equal(at.user, user);
            cuts[at.end - split->log.offsets[user]]++;
            const lode_state other = lode__example(&examples, 0, epoch);
            unlike += at.end - split->log.offsets[user] != other.end;
        }
    }
    for (size_t cut = 0; cut < CLICKS; cut++) { // 2..5 of 8 clicks: the last two are no training
        if (cut >= 2 && cut < 6) {
            assert_in_range(cuts[cut], EPOCHS * USERS / 4 - 160, EPOCHS * USERS / 4 + 160);
        } else {
            assert_int_equal(cuts[cut], 0);
        }
    }
    assert_in_range(unlike, EPOCHS * USERS / 2, EPOCHS * USERS);
    lode__examples_release(&examples);
    lode__split_free(&split);
}

/// A planted leak: items that stand in validation and test only must not be counted or become
/// targets.
static void test_no_leak(void **state) {
    (void)state;
    enum { PLANTED_VALID = 90, PLANTED_TEST = 91 };
    uint64_t seed = 4;
    for (int chronological = 0; chronological < 2; chronological++) {
        small_log_init(&logs, 100, 92);
        for (uint32_t user = 0; user < 100; user++) {
            for (int i = 0; i < 8; i++) {
                small_log_add(&logs, user, small_random(&seed, 90), i, LODE_CLICK);
            }
            small_log_add(&logs, user, PLANTED_VALID, 8, LODE_CLICK);
            small_log_add(&logs, user, PLANTED_TEST, 9, LODE_CLICK);
        }
        const lode_split_options by_time = {
            .type = LODE_SPLIT_CHRONOLOGICAL, .test_from = "9", .valid_from = "8"};
        lode_split *split = split_make(chronological ? &by_time : &leave_one_out);
        assert_int_equal(split->item_count[PLANTED_VALID], 0);
        assert_int_equal(split->item_count[PLANTED_TEST], 0);
        for (int refit = 0; refit < 2; refit++) {
            lode_examples examples;
            lode_error error = {0};
            assert_int_equal(lode__examples_new(&examples, split,
                                                &(lode_example_options){.min_history = 0}, &error),
                             LODE_OK);
            assert_int_equal(examples.count, refit ? 900 : 800);
            for (uint64_t i = 0; i < examples.count; i++) {
                const lode_state at = lode__example(&examples, i, 0);
                assert_true(split->log.item[at.end] < (refit ? 91 : 90));
            }
            lode__examples_release(&examples);
            lode__split_refit(split);
        }
        assert_int_equal(split->item_count[PLANTED_VALID], 100);
        assert_int_equal(split->item_count[PLANTED_TEST], 0);
        lode__split_free(&split);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_leave_one_out),
        cmocka_unit_test(test_only_clicks_are_kept),
        cmocka_unit_test(test_chronological_shares),
        cmocka_unit_test(test_chronological_zero_shares),
        cmocka_unit_test(test_moments),
        cmocka_unit_test(test_bad_moments),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_examples),
        cmocka_unit_test(test_example_kinds),
        cmocka_unit_test(test_windows),
        cmocka_unit_test(test_random_cut),
        cmocka_unit_test(test_no_leak),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
