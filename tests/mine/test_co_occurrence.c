/// Co-occurrence: by hand, against brute force, at several thread counts and memories, and with a planted leak.
#include "mining.h"

#define HOUR ((int64_t)3600000)

static small_log small;
static uint32_t column[SMALL_ROWS];

static lode_split *split_of(const char *type) {
    lode_split *split = NULL;
    lode_error error = {0};
    lode_split_options options = {.type = LODE_SPLIT_LEAVE_ONE_OUT, .test = 0.2, .valid = 0};
    if (strcmp(type, "chronological") == 0) options.type = LODE_SPLIT_CHRONOLOGICAL;
    if (lode__split_new(&split, &small.data, &options, &error) != LODE_OK)
        fail_msg("%s", error.message);
    return split;
}

/// A click of a session; two clicks are added behind each user, which leave_one_out takes for its tests.
static void click(uint32_t user, uint32_t item, uint32_t session, int64_t time) {
    column[small.data.interactions] = session;
    small_log_add(&small, user, item, time, LODE_CLICK);
}

static void user_end(uint32_t user) {
    click(user, 9, 90 + user, 1000 * HOUR);
    click(user, 9, 90 + user, 1001 * HOUR);
}

static void test_by_hand(void **state) {
    (void)state;
    small_log_init(&small, 3, 10);
    small.data.session = column;
    // session 0: 1 and 2 are an hour apart (the edge counts), 3 is too far from 1, near to 2; 2 comes twice
    click(0, 1, 0, 0);
    click(0, 2, 0, HOUR);
    click(0, 3, 0, HOUR + 1);
    click(0, 2, 0, HOUR + 2);
    // session 1: the pair again; 1 twice; and in between a click of session 2
    click(0, 1, 1, 10 * HOUR);
    click(0, 4, 2, 10 * HOUR);
    click(0, 2, 1, 10 * HOUR);
    click(0, 1, 1, 10 * HOUR + 5);
    click(0, 5, 2, 10 * HOUR + 6);
    user_end(0);
    // session 3: only the same item; session 4: 6 meets 7 through its second click only
    click(1, 1, 3, 0);
    click(1, 1, 3, 1);
    click(1, 6, 4, 20 * HOUR);
    click(1, 6, 4, 22 * HOUR);
    click(1, 7, 4, 23 * HOUR);
    user_end(1);
    click(2, 2, 5, 0);
    click(2, 1, 5, HOUR + 1); // one ms too late
    user_end(2);
    lode_split *split = split_of("leave_one_out");
    mining m = {.data = &small.data, .split = split, .sessions = {0, HOUR}};
    lode_mined *mined = mining_run(&m, "sessions", "{}");
    expect_list(mined, 1, "2x2");
    expect_list(mined, 2, "1x2 3x1");
    expect_list(mined, 3, "2x1");
    expect_list(mined, 4, "5x1");
    expect_list(mined, 6, "7x1");
    expect_list(mined, 9, "");
    assert_int_equal(mined->sessions, 6);
    assert_int_equal(mined->related_pairs, 4);
    assert_true(lode__mined_related(mined, 1, 2) && lode__mined_related(mined, 7, 6));
    assert_false(lode__mined_related(mined, 1, 3) || lode__mined_related(mined, 4, 1));
    assert_true(lode__mined_related(mined, 9, 9));
    lode__mined_free(&mined);
    mined = mining_run(&m, "sessions", "{window: 2h, min_count: 2}");
    expect_list(mined, 1, "2x3");
    expect_list(mined, 3, ""); // not listed, yet related
    assert_true(lode__mined_related(mined, 1, 3));
    lode__mined_free(&mined);
    mined = mining_run(&m, "sessions", "{k: 1, longest: 3}"); // session 0 has 4 clicks
    expect_list(mined, 2, "1x1");
    assert_int_equal(mined->too_long, 1);
    assert_non_null(strstr(m.notice, "longest"));
    lode__mined_free(&mined);
    // by gap sessions 1 and 2 are one
    m.sessions.source = LODE_SESSIONS_GAP;
    mined = mining_run(&m, "sessions", "{}");
    expect_list(mined, 4, "1x1 2x1 5x1");
    lode__mined_free(&mined);
    lode__split_free(&split);
}

// Nothing at or after train_end: the last two clicks of a user belong to a training session, and are not seen.
static void test_no_leak(void **state) {
    (void)state;
    small_log_init(&small, 2, 10);
    small.data.session = column;
    for (uint32_t user = 0; user < 2; user++) {
        click(user, 1, user, 100 * user);
        click(user, 2, user, 100 * user + 1);
        click(user, 7, user, 100 * user + 2); // validation
        click(user, 8, user, 100 * user + 3); // test
    }
    lode_split *split = split_of("leave_one_out");
    mining m = {.data = &small.data, .split = split, .sessions = {0, HOUR}};
    lode_mined *mined = mining_run(&m, "sessions", "{}");
    expect_list(mined, 1, "2x2");
    expect_list(mined, 7, "");
    assert_false(lode__mined_related(mined, 1, 8) || lode__mined_related(mined, 7, 8));
    lode__mined_free(&mined);
    lode__split_free(&split);
    // the cut goes through a session: two of the first user's clicks are before it
    split = split_of("chronological");
    assert_true(split->train_clicks < split->clicks);
    m.split = split;
    mined = mining_run(&m, "sessions", "{}");
    for (uint32_t i = 0; i < 10; i++)
        assert_true(!lode__mined_related(mined, i, 8) || i == 8 || split->item_count[8] > 0);
    expect_list(mined, 1, "2x2 7x1 8x1"); // the second user's 7 and 8 are the test
    lode__mined_free(&mined);
    lode__split_free(&split);
}

// Exposures are no clicks: an item that was shown in a session is no partner.
static void test_clicks_only(void **state) {
    (void)state;
    small_log_init(&small, 1, 10);
    small.data.session = column;
    click(0, 1, 0, 0);
    column[1] = 0;
    small_log_add(&small, 0, 5, 1, LODE_EXPOSURE);
    click(0, 2, 0, 2);
    user_end(0);
    lode_split *split = split_of("leave_one_out");
    mining m = {.data = &small.data, .split = split, .sessions = {0, HOUR}};
    lode_mined *mined = mining_run(&m, "sessions", "{}");
    expect_list(mined, 1, "2x1");
    expect_list(mined, 5, "");
    lode__mined_free(&mined);
    lode__split_free(&split);
}

enum { USERS = 120, ITEMS = 60 };

/// Sessions of a random log, some of them interleaved; items of skewed popularity.
static void random_log(uint64_t seed) {
    uint32_t next = 0;
    small_log_init(&small, USERS, ITEMS);
    small.data.session = column;
    for (uint32_t user = 0; user < USERS; user++) {
        const uint32_t clicks = 3 + small_random(&seed, 90);
        int64_t time = 0;
        for (uint32_t k = 0; k < clicks; k++) {
            time += small_random(&seed, 100);
            const uint32_t a = small_random(&seed, ITEMS), b = small_random(&seed, ITEMS);
            click(user, LODE_MIN(a, b), next - (next > 0 && small_random(&seed, 5) == 0), time);
            next += small_random(&seed, 6) == 0;
        }
        next += 2;
    }
}

static uint32_t truth[ITEMS][ITEMS];

/// Every pair of clicks of one user and session within the window, once a session.
static void brute_force(const lode_split *split, int64_t window) {
    static bool met[ITEMS][ITEMS];
    memset(truth, 0, sizeof truth);
    for (uint32_t user = 0; user < USERS; user++) {
        const uint64_t begin = split->log.offsets[user], end = split->train_end[user];
        for (uint64_t s = begin; s < end; s++) {
            bool first = true;
            for (uint64_t a = begin; a < s; a++)
                first = first && column[a] != column[s];
            if (!first) continue;
            memset(met, 0, sizeof met);
            for (uint64_t a = begin; a < end; a++) {
                for (uint64_t b = begin; b < end; b++) {
                    const int64_t apart = small.time[a] - small.time[b];
                    if (column[a] == column[s] && column[b] == column[s] && apart <= window &&
                        apart >= -window)
                        met[small.item[a]][small.item[b]] = true;
                }
            }
            for (uint32_t i = 0; i < ITEMS; i++) {
                for (uint32_t j = 0; j < ITEMS; j++)
                    truth[i][j] += i != j && met[i][j];
            }
        }
    }
}

static void check_truth(const lode_mined *mined, size_t k) {
    for (uint32_t i = 0; i < ITEMS; i++) {
        bool listed[ITEMS] = {false};
        uint64_t at = mined->starts[i];
        for (size_t place = 0; place < k; place++) { // the best not listed yet, lowest first
            uint32_t best = ITEMS;
            for (uint32_t j = 0; j < ITEMS; j++) {
                if (!listed[j] && truth[i][j] > 0 && (best == ITEMS || truth[i][j] > truth[i][best]))
                    best = j;
            }
            if (best == ITEMS) break;
            listed[best] = true;
            assert_true(at < mined->starts[i + 1]);
            assert_int_equal(mined->partners[at], best);
            assert_int_equal(mined->counts[at], truth[i][best]);
            at++;
        }
        assert_int_equal(at, mined->starts[i + 1]);
        for (uint32_t j = 0; j < ITEMS; j++) {
            const bool related = lode__mined_related(mined, i, j);
            if (mined->filter == NULL) assert_int_equal(related, i == j || truth[i][j] > 0);
            if (truth[i][j] > 0) assert_true(related);
        }
    }
}

static void test_brute_force(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 6; seed++) {
        random_log(seed);
        lode_split *split = split_of(seed % 2 == 0 ? "chronological" : "leave_one_out");
        mining m = {.data = &small.data, .split = split, .sessions = {0, HOUR}};
        for (int wide = 0; wide < 2; wide++) {
            brute_force(split, wide ? HOUR : 120);
            lode_mined *mined = mining_run(&m, "sessions", wide ? "{}" : "{window: 120ms, k: 7}");
            check_truth(mined, wide ? 20 : 7);
            lode__mined_free(&mined);
        }
        lode__split_free(&split);
    }
}

// The same bytes at any thread count and memory; little memory takes several walks; and with a filter.
static void test_same_bytes(void **state) {
    (void)state;
    random_log(77);
    lode_split *split = split_of("leave_one_out");
    brute_force(split, HOUR);
    static const char *const keys[] = {"{}", "{membership: 256}"};
    for (int filter = 0; filter < 2; filter++) {
        mining m = {.data = &small.data, .split = split, .sessions = {0, HOUR}};
        lode_mined *one = mining_run(&m, "sessions", keys[filter]);
        assert_int_equal(one->passes, 1);
        assert_true((one->filter != NULL) == (filter == 1));
        assert_int_equal(one->filter_blocks, filter ? 4 : 0);
        check_truth(one, 20);
        for (size_t threads = 1; threads <= 5; threads += 2) {
            m.threads = threads;
            m.memory = 1;
            lode_mined *other = mining_run(&m, "sessions", keys[filter]);
            assert_true(other->passes > 10);
            assert_true(other->memory < one->memory || threads > 1);
            expect_same(one, other);
            lode__mined_free(&other);
        }
        lode__mined_free(&one);
    }
    lode__split_free(&split);
}

// One long session of many items, in falling order: lists cut ties by item, memberships are sorted.
static void test_many_partners(void **state) {
    (void)state;
    enum { MANY = 300, CATALOGUE = SMALL_ITEMS };
    small_log_init(&small, 1, CATALOGUE);
    small.data.session = column;
    for (uint32_t k = 0; k < MANY; k++)
        click(0, 3 * (MANY - 1 - k), 0, k);
    click(0, 1, 90, HOUR);
    click(0, 1, 90, HOUR + 1);
    lode_split *split = split_of("leave_one_out");
    mining m = {.data = &small.data, .split = split, .sessions = {0, HOUR}};
    lode_mined *mined = mining_run(&m, "sessions", "{k: 3}");
    expect_list(mined, 3, "0x1 6x1 9x1");
    assert_int_equal(mined->related_pairs, MANY * (MANY - 1) / 2);
    for (uint32_t i = 0; i < MANY; i++) {
        for (uint64_t at = mined->related_starts[3 * i]; at < mined->related_starts[3 * i + 1]; at++)
            assert_int_equal(mined->related[at],
                             3 * (i + 1 + (uint32_t)(at - mined->related_starts[3 * i])));
    }
    assert_true(lode__mined_related(mined, 3 * 299, 3 * 3));
    assert_false(lode__mined_related(mined, 4, 3));
    lode__mined_free(&mined);
    lode__split_free(&split);
}

// More than 65,536 items: partners are sorted by all bytes of their numbers.
static void test_large_numbers(void **state) {
    (void)state;
    enum { MANY = 100, APART = 701 };
    small_log_init(&small, 1, 10);
    small.data.items.count = MANY * APART;
    small.data.session = column;
    for (uint32_t k = 0; k < MANY; k++)
        click(0, APART * (k * 37 % MANY), 0, k);
    user_end(0);
    lode_split *split = split_of("leave_one_out");
    mining m = {.data = &small.data, .split = split, .sessions = {0, HOUR}};
    lode_mined *mined = mining_run(&m, "sessions", "{k: 2}");
    assert_int_equal(mined->related_pairs, MANY * (MANY - 1) / 2);
    for (uint32_t i = 0; i < MANY; i++) {
        const uint64_t begin = mined->related_starts[APART * i];
        assert_int_equal(mined->related_starts[APART * i + 1] - begin, MANY - 1 - i);
        for (uint32_t j = i + 1; j < MANY; j++)
            assert_int_equal(mined->related[begin + j - i - 1], APART * j);
    }
    lode__mined_free(&mined);
    lode__split_free(&split);
}

// Where limits are met exactly: every item in a list, a relation that just fits, bytes of a filter.
static void test_limits(void **state) {
    (void)state;
    small_log_init(&small, 1, 5);
    small.data.session = column;
    for (uint32_t k = 0; k < 7; k++) // the last two are no training
        click(0, k % 5, k < 5 ? 0 : 1, k);
    lode_split *split = split_of("leave_one_out");
    mining m = {.data = &small.data, .split = split, .sessions = {0, HOUR}};
    lode_mined *mined = mining_run(&m, "sessions", "{membership: 40}"); // ten pairs of four bytes
    expect_list(mined, 0, "1x1 2x1 3x1 4x1");
    expect_list(mined, 4, "0x1 1x1 2x1 3x1");
    assert_true(mined->related_starts != NULL && mined->filter == NULL);
    lode__mined_free(&mined);
    mined = mining_run(&m, "sessions", "{membership: 39}");
    assert_true(mined->related_starts == NULL && mined->filter != NULL);
    assert_int_equal(mined->filter_blocks, 1);
    lode__mined_free(&mined);
    lode__split_free(&split);
}

// The filter lets few unrelated pairs through when it has room, and says about how many.
static void test_filter(void **state) {
    (void)state;
    enum { BLOCKS = 64, PAIRS = 2000, TRIES = 20000 };
    static uint64_t bits[BLOCKS * 8];
    for (uint32_t k = 0; k < PAIRS; k++)
        lode__related_add(bits, BLOCKS, k, 100000 + 7 * k);
    const lode_mined mined = {
        .kind = LODE_MINED_PAIRS, .items = 1 << 20, .filter = bits, .filter_blocks = BLOCKS};
    for (uint32_t k = 0; k < PAIRS; k++) {
        assert_true(lode__mined_related(&mined, k, 100000 + 7 * k));
        assert_true(lode__mined_related(&mined, 100000 + 7 * k, k));
    }
    size_t wrong = 0;
    for (uint32_t k = 0; k < TRIES; k++)
        wrong += lode__mined_related(&mined, 300000 + k, 500000 + 3 * k);
    const double rate = (double)wrong / TRIES, said = lode__mined_false_rate(&mined);
    assert_true(rate < 0.02 && said < 0.02 && rate < 2 * said + 0.001 && said < 2 * rate + 0.001);
}

static void test_draws(void **state) {
    (void)state;
    const uint64_t starts[] = {0, 3, 3, 3};
    const uint32_t partners[] = {1, 2, 3}, counts[] = {6, 3, 1};
    const lode_mined mined = {
        .kind = LODE_MINED_PAIRS, .items = 3, .starts = starts, .partners = partners, .counts = counts};
    lode_random random = lode__random(1, LODE_PURPOSE_USER, 0, 0);
    size_t seen[2][4] = {{0}};
    for (int k = 0; k < 10000; k++) {
        seen[0][lode__mined_draw(&mined, 0, LODE_DRAW_UNIFORM, &random)]++;
        seen[1][lode__mined_draw(&mined, 0, LODE_DRAW_WEIGHTED, &random)]++;
    }
    const double wanted[2][4] = {{0, 1 / 3.0, 1 / 3.0, 1 / 3.0}, {0, 0.6, 0.3, 0.1}};
    for (int how = 0; how < 2; how++) {
        for (int j = 0; j < 4; j++) {
            const double share = (double)seen[how][j] / 10000, off = share - wanted[how][j];
            assert_true(off < 0.02 && off > -0.02);
        }
    }
    assert_int_equal(lode__mined_draw(&mined, 1, LODE_DRAW_WEIGHTED, &random), LODE_NO_ITEM);
}

static void test_refused(void **state) {
    (void)state;
    small_log_init(&small, 1, 10);
    click(0, 1, 0, 0);
    click(0, 2, 0, 1);
    user_end(0);
    lode_split *split = split_of("leave_one_out");
    mining m = {.data = &small.data, .split = split, .sessions = {0, HOUR}};
    mining_refuse(&m, "session", "{}", "did you mean \"sessions\"?");
    mining_refuse(&m, "sessions", "{k: 0}", "1 to 10000");
    mining_refuse(&m, "sessions", "{k: many}", "whole number");
    mining_refuse(&m, "sessions", "{window: soon}", "duration");
    mining_refuse(&m, "sessions", "{longest: 1}", "2 to");
    mining_refuse(&m, "sessions", "{min_count: 0}", "1 to");
    mining_refuse(&m, "sessions", "{membership: 0}", "1 to");
    mining_refuse(&m, "sessions", "{windw: 1h}", "did you mean \"window\"?");
    small.data.time_kind = LODE_TIME_ORDER;
    mining_refuse(&m, "sessions", "{}", "no sessions");
    m.sessions.source = LODE_SESSIONS_COLUMN;
    small.data.session = column; // whole sessions, and a word about it
    lode_mined *mined = mining_run(&m, "sessions", "{}");
    expect_list(mined, 1, "2x1");
    assert_non_null(strstr(m.notice, "however far apart"));
    lode__mined_free(&mined);
    lode__split_free(&split);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_by_hand),       cmocka_unit_test(test_no_leak),
        cmocka_unit_test(test_clicks_only),   cmocka_unit_test(test_brute_force),
        cmocka_unit_test(test_same_bytes),    cmocka_unit_test(test_many_partners),
        cmocka_unit_test(test_large_numbers), cmocka_unit_test(test_limits),
        cmocka_unit_test(test_filter),        cmocka_unit_test(test_draws),
        cmocka_unit_test(test_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
