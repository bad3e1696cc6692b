/// Splits by ratio, by users and as given: worked examples, what they refuse, and a checker of leaks that finds
/// the ones planted.
#include "../check.h"
#include "data/split.h"

#include "leak_check.h"
#include "small_log.h"

static small_log logs;

static lode_split *split_make(const lode_split_options *options) {
    lode_split *split = NULL;
    lode_error error = {0};
    assert_ok(lode__split_new(&split, &logs.data, options, &error), error);
    return split;
}

static void expect_refused(const lode_split_options *options, const char *piece) {
    lode_split *split = NULL;
    lode_error error = {0};
    assert_fails(lode__split_new(&split, &logs.data, options, &error), LODE_E_CONFIG, error, piece);
    assert_null(split);
}

/// The positions of a user, counted from its first click.
static void check_user(const lode_split *split, uint32_t user, uint64_t train_end,
                       uint64_t valid_begin, uint64_t valid_end, uint64_t test_begin) {
    const uint64_t first = split->log.offsets[user];
    assert_int_equal(split->train_end[user] - first, train_end);
    assert_int_equal(split->valid_begin[user] - first, valid_begin);
    assert_int_equal(split->valid_end[user] - first, valid_end);
    assert_int_equal(split->test_begin[user] - first, test_begin);
}

static void clicks_add(uint32_t user, int clicks) {
    for (int i = 0; i < clicks; i++) {
        small_log_add(&logs, user, (uint32_t)i, i, LODE_CLICK);
    }
}

static void test_ratio_of_clicks(void **state) {
    (void)state;
    static const int clicks[] = {0, 1, 2, 3, 10, 25};
    small_log_init(&logs, 6, 30);
    for (uint32_t user = 0; user < 6; user++) {
        clicks_add(user, clicks[user]);
    }
    const lode_split_options options = {.type = LODE_SPLIT_RATIO, .test = 0.2, .valid = 0.1};
    lode_split *split = split_make(&options);
    check_user(split, 0, 0, 0, 0, 0);
    check_user(split, 1, 1, 1, 1, 1);     // a single click trains
    check_user(split, 2, 1, 1, 1, 1);     // the test comes first
    check_user(split, 3, 1, 1, 2, 2);     // then validation
    check_user(split, 4, 7, 7, 8, 8);     // 2 of 10, 1 of 10
    check_user(split, 5, 18, 18, 20, 20); // 5 of 25, 2.5 of 25 rounded down
    assert_int_equal(split->train_clicks, 28);
    assert_int_equal(split->valid_clicks, 4);
    assert_int_equal(split->test_clicks, 9);
    assert_int_equal(split->given_clicks, 0);
    lode__split_refit(split);
    check_user(split, 5, 20, 20, 20, 20);
    assert_int_equal(split->train_clicks, 32);
    lode__split_free(&split);
}

/// One user, rows: click exposure exposure click click exposure click exposure buy click.
static void rows_make(void) {
    static const lode_behaviour kinds[] = {LODE_CLICK, LODE_EXPOSURE, LODE_EXPOSURE, LODE_CLICK,
                                           LODE_CLICK, LODE_EXPOSURE, LODE_CLICK,    LODE_EXPOSURE,
                                           LODE_BUY,   LODE_CLICK};
    small_log_init(&logs, 1, 10);
    for (uint32_t i = 0; i < 10; i++) {
        small_log_add(&logs, 0, i, i, kinds[i]);
    }
}

static void test_ratio_of_rows(void **state) {
    (void)state;
    rows_make();
    // Nine labelled rows (the purchase is none). Test: 3 of 9, rows 6 7 9; validation: 2 of 9, rows 4 5.
    lode_split_options options = {
        .type = LODE_SPLIT_RATIO, .of = LODE_OF_ROWS, .test = 0.34, .valid = 0.25};
    lode_split *split = split_make(&options);
    assert_int_equal(split->test_row[0], 6);
    assert_int_equal(split->valid_row[0], 4);
    check_user(split, 0, 2, 2, 3, 3); // clicks 0 3 | 4 | 6 9
    lode__split_free(&split);
    // By clicks: 5 clicks, test 1, validation 1; the exposures in front of the test click are the test's.
    options.of = LODE_OF_CLICKS;
    options.test = options.valid = 0.2;
    split = split_make(&options);
    check_user(split, 0, 3, 3, 4, 4);
    assert_int_equal(split->valid_row[0], 5); // right after click 4
    assert_int_equal(split->test_row[0], 7);  // right after click 6
    lode__split_free(&split);
}

static void test_users(void **state) {
    (void)state;
    small_log_init(&logs, 500, 12);
    for (uint32_t user = 0; user < 500; user++) {
        clicks_add(user, 10);
    }
    const lode_split_options options = {
        .type = LODE_SPLIT_USERS, .test = 0.1, .valid = 0.1, .history = 0.8, .seed = 1};
    lode_split *split = split_make(&options);
    uint32_t parts[3] = {0};
    bool held[500];
    for (uint32_t user = 0; user < 500; user++) {
        const uint64_t first = split->log.offsets[user];
        held[user] = split->train_end[user] == first;
        if (split->train_end[user] == first + 10) {
            check_user(split, user, 10, 10, 10, 10);
            parts[0]++;
        } else if (split->valid_end[user] == first + 10) {
            check_user(split, user, 0, 8, 10, 10);
            parts[1]++;
        } else {
            check_user(split, user, 0, 0, 0, 8);
            parts[2]++;
        }
    }
    assert_in_range(parts[1], 30, 70); // 50 expected, standard deviation 6.7
    assert_in_range(parts[2], 30, 70);
    assert_int_equal(split->train_clicks, 10 * parts[0]);
    assert_int_equal(split->valid_clicks, 2 * parts[1]);
    assert_int_equal(split->test_clicks, 2 * parts[2]);
    assert_int_equal(split->given_clicks, 8 * (parts[1] + parts[2]));
    lode__split_refit(split);
    assert_int_equal(split->train_clicks, 10 * (parts[0] + parts[1]));
    assert_int_equal(split->given_clicks, 8 * parts[2]);
    lode__split_free(&split);

    small_log_init(&logs, 250, 12); // the first half alone: everybody stays where they were
    for (uint32_t user = 0; user < 250; user++) {
        clicks_add(user, 10);
    }
    split = split_make(&options);
    for (uint32_t user = 0; user < 250; user++) {
        assert_int_equal(held[user], split->train_end[user] == split->log.offsets[user]);
    }
    lode__split_free(&split);
    lode_split_options other = options; // another seed, other users
    other.seed = 2;
    split = split_make(&other);
    uint32_t changed = 0;
    for (uint32_t user = 0; user < 250; user++) {
        changed += held[user] != (split->train_end[user] == split->log.offsets[user]);
    }
    assert_true(changed > 10);
    lode__split_free(&split);
}

/// User 0: training, validation and test mixed in time. User 1: the test alone, 5 clicks. User 2: validation
/// alone. User 3: training alone. User 4: validation and test.
static void given_make(void) {
    small_log_init(&logs, 5, 20);
    static const lode_given mixed[] = {LODE_GIVEN_TRAIN, LODE_GIVEN_TEST, LODE_GIVEN_VALID,
                                       LODE_GIVEN_TRAIN, LODE_GIVEN_TEST};
    for (uint32_t i = 0; i < 5; i++) {
        small_log_add_part(&logs, 0, i, i, mixed[i]);
    }
    for (uint32_t i = 0; i < 5; i++) {
        small_log_add_part(&logs, 1, 5 + i, i, LODE_GIVEN_TEST);
    }
    for (uint32_t i = 0; i < 3; i++) {
        small_log_add_part(&logs, 2, 10 + i, i, LODE_GIVEN_VALID);
    }
    small_log_add_part(&logs, 3, 13, 0, LODE_GIVEN_TRAIN);
    small_log_add_part(&logs, 4, 14, 0, LODE_GIVEN_VALID);
    small_log_add_part(&logs, 4, 15, 1, LODE_GIVEN_VALID);
    small_log_add_part(&logs, 4, 16, 2, LODE_GIVEN_TEST);
}

static void test_given(void **state) {
    (void)state;
    given_make();
    const lode_split_options options = {.type = LODE_SPLIT_GIVEN, .history = 0.8};
    lode_split *split = split_make(&options);
    static const uint32_t item[] = {0, 3, 2, 1, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
    static const uint64_t row[] = {0, 3, 2, 1, 4};
    assert_memory_equal(split->log.item, item, sizeof item);
    assert_memory_equal(split->log.row, row, sizeof row);
    check_user(split, 0, 2, 2, 3, 3);
    check_user(split, 1, 0, 0, 0, 4); // 4 of 5 given
    check_user(split, 2, 0, 2, 3, 3); // 2.4 of 3 given
    check_user(split, 3, 1, 1, 1, 1);
    check_user(split, 4, 0, 1, 2, 2); // all of the validation is known at the test
    assert_int_equal(split->train_clicks, 3);
    assert_int_equal(split->valid_clicks, 3);
    assert_int_equal(split->test_clicks, 4);
    assert_int_equal(split->given_clicks, 7);
    assert_int_equal(split->item_count[3], 1);
    assert_int_equal(split->item_count[1], 0); // a test click that comes before a training click
    lode__split_refit(split);
    check_user(split, 4, 2, 2, 2, 2);
    assert_int_equal(split->train_clicks, 9);
    lode__split_free(&split);

    small_log_init(&logs, 1, 20); // parts in order: nothing is copied
    small_log_add_part(&logs, 0, 1, 0, LODE_GIVEN_TRAIN);
    small_log_add_part(&logs, 0, 2, 1, LODE_GIVEN_TEST);
    split = split_make(&options);
    assert_ptr_equal(split->log.item, logs.item);
    lode__split_free(&split);
}

static void test_refusals(void **state) {
    (void)state;
    small_log_init(&logs, 2, 20);
    clicks_add(0, 5);
    clicks_add(1, 5);
    lode_split_options options = {.type = LODE_SPLIT_RATIO, .test = 0.5, .valid = 0.5};
    expect_refused(&options, "split.test (0.5) and split.valid (0.5)");
    options.type = LODE_SPLIT_USERS;
    expect_refused(&options, "split.test (0.5) and split.valid (0.5)");
    options = (lode_split_options){.type = LODE_SPLIT_USERS, .test = 0.1, .history = 1};
    expect_refused(&options, "split.history is 1");
    options = (lode_split_options){.type = LODE_SPLIT_RATIO, .of = LODE_OF_ROWS, .test = 0.1};
    expect_refused(&options, "--label");
    options = (lode_split_options){.type = LODE_SPLIT_LEAVE_ONE_OUT, .test_from = "2017-01-01"};
    expect_refused(&options,
                   "split.test_from is a moment for all users, but split.type is leave_one_out");
    options = (lode_split_options){.type = LODE_SPLIT_USERS, .valid_from = "2017-01-01"};
    expect_refused(&options, "split.valid_from");
    options = (lode_split_options){.type = LODE_SPLIT_USERS, .of = LODE_OF_ROWS};
    expect_refused(&options, "split.of: rows");
    options = (lode_split_options){.type = LODE_SPLIT_GIVEN};
    expect_refused(&options, "import the files of all parts together");
    options = (lode_split_options){.type = LODE_SPLIT_CHRONOLOGICAL, .test = -0.1};
    expect_refused(&options, "split.test is -0.1");
    small_log_init(&logs, 1, 3);
    clicks_add(0, 1);
    options = (lode_split_options){.type = LODE_SPLIT_RATIO, .test = 0.5};
    expect_refused(&options, "at least 2 clicks");
    small_log_init(&logs, 1, 3);
    small_log_add_part(&logs, 0, 1, 0, LODE_GIVEN_TEST);
    options = (lode_split_options){.type = LODE_SPLIT_GIVEN};
    expect_refused(&options, "no click is left for training");
}

// ------------------------------------------------------------------------------------------------
// Leaks
// ------------------------------------------------------------------------------------------------

/// By definition, from the rows of the data set: about is the options.
static bool hidden_by_type(const lode_split *split, uint32_t user, uint64_t at, const void *about) {
    const lode_split_options *options = about;
    const uint64_t first = split->log.offsets[user], clicks = split->log.offsets[user + 1] - first;
    switch (options->type) {
    case LODE_SPLIT_CHRONOLOGICAL: // valid_from "90"
        return split->log.time[at] >= 90;
    case LODE_SPLIT_LEAVE_ONE_OUT:
        return clicks >= 3 && at - first + 2 >= clicks;
    case LODE_SPLIT_RATIO: // a fifth and a fifth of ten
        return at - first >= 6;
    case LODE_SPLIT_USERS:
        return split->test_begin[user] < first + clicks ||
               split->valid_begin[user] < split->valid_end[user];
    default:
        return logs.part[leak_row(&split->log, at)] != LODE_GIVEN_TRAIN;
    }
}

static void leaks_make(void) {
    uint64_t seed = 6;
    small_log_init(&logs, 60, 40);
    for (uint32_t user = 0; user < 60; user++) {
        for (int i = 0; i < 10; i++) {
            const lode_given part = i == 3 || i == 9 ? LODE_GIVEN_TEST
                                    : i == 8         ? LODE_GIVEN_VALID
                                                     : LODE_GIVEN_TRAIN;
            small_log_add_part(&logs, user, small_random(&seed, 40), 10 * i + user % 10, part);
        }
    }
}

/// Every type is clean; then one user's position is moved by one click, as a mistake in the code would, and the
/// checker must say so.
static void test_leaks_are_found(void **state) {
    (void)state;
    static const lode_split_options types[] = {
        {.type = LODE_SPLIT_LEAVE_ONE_OUT},
        {.type = LODE_SPLIT_CHRONOLOGICAL, .test_from = "95", .valid_from = "90"},
        {.type = LODE_SPLIT_RATIO, .test = 0.2, .valid = 0.2},
        {.type = LODE_SPLIT_USERS, .test = 0.2, .valid = 0.1, .history = 0.8, .seed = 3},
        {.type = LODE_SPLIT_GIVEN, .history = 0.8}};
    for (size_t t = 0; t < sizeof types / sizeof *types; t++) {
        leaks_make();
        lode_split *split = split_make(&types[t]);
        const char *found = leak_find(split, hidden_by_type, &types[t]);
        if (found) {
            fail_msg("%s: %s", lode__split_name(split->type), found);
        }
        uint32_t user = 0; // one with something to hide
        while (split->test_begin[user] == split->log.offsets[user + 1]) {
            user++;
        }
        const uint64_t train_end = split->train_end[user], test_begin = split->test_begin[user];
        split->train_end[user] = test_begin + 1;
        assert_non_null(leak_find(split, hidden_by_type, &types[t])); // a test click trains
        split->train_end[user] = train_end;
        assert_null(leak_find(split, hidden_by_type, &types[t]));
        const uint32_t item = split->log.item[test_begin];
        split->item_count[item]++; // it is counted
        assert_non_null(leak_find(split, hidden_by_type, &types[t]));
        split->item_count[item]--;
        split->train_end[user] = split->valid_begin[user] = split->log.offsets[user + 1];
        assert_non_null(leak_find(split, hidden_by_type, &types[t])); // parts overlap
        lode__split_free(&split);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ratio_of_clicks), cmocka_unit_test(test_ratio_of_rows),
        cmocka_unit_test(test_users),           cmocka_unit_test(test_given),
        cmocka_unit_test(test_refusals),        cmocka_unit_test(test_leaks_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
