/// Protocols of the papers, worked by hand: drawn candidates, exposures, held-out users, slices, given truth.
#include "../check.h"
#include "eval/protocol.h"

#include "../data/small_log.h"
#include "base/pool.h"

static small_log logs;

static lode_split *split_make(const lode_split_options *options) {
    lode_split *split = NULL;
    lode_error error = {0};
    assert_ok(lode__split_new(&split, &logs.data, options, &error), error);
    return split;
}

static lode_cases cases_make(const lode_split *split, const lode_protocol *protocol) {
    lode_cases cases;
    lode_error error = {0};
    assert_ok(lode__cases_new(&cases, split, protocol, LODE_PART_TEST, &error), error);
    return cases;
}

static const lode_split_options leave_one_out = {.type = LODE_SPLIT_LEAVE_ONE_OUT};

/// Users with five clicks among `items` items.
static void crowd_make(uint32_t users, uint32_t items, uint64_t seed) {
    small_log_init(&logs, users, items);
    for (uint32_t user = 0; user < users; user++) {
        for (int i = 0; i < 5; i++) {
            small_log_add(&logs, user, small_random(&seed, items), i, LODE_CLICK);
        }
    }
}

static bool clicked(const lode_log *log, uint64_t begin, uint64_t end, uint32_t item) {
    for (uint64_t at = begin; at < end; at++) {
        if (log->item[at] == item) {
            return true;
        }
    }
    return false;
}

/// Draw for a case; checks what holds under every protocol.
static size_t draw(lode_drawer *drawer, const lode_cases *cases, size_t index, uint32_t *items) {
    uint32_t truth[8];
    const size_t truths = lode__case_truth(cases, index, truth);
    const size_t count = lode__drawer_draw(drawer, 0, index, truth, truths, items);
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < truths; j++) {
            assert_int_not_equal(items[i], truth[j]);
        }
        for (size_t j = 0; j < i; j++) {
            assert_int_not_equal(items[i], items[j]);
        }
    }
    return count;
}

/// 100 negatives, none of the user's training items, and the validation item now and then.
static void test_sasrec_negatives(void **state) {
    (void)state;
    crowd_make(200, 400, 3);
    lode_split *split = split_make(&leave_one_out);
    lode_cases cases = cases_make(split, lode__protocol_find("sasrec"));
    lode_drawer *drawer = NULL;
    lode_error error = {0};
    uint32_t items[100];
    size_t valid_drawn = 0;
    assert_ok(lode__drawer_new(&drawer, &cases, 1, &error), error);
    for (size_t i = 0; i < cases.count; i++) {
        const uint32_t user = cases.list[i].state.user;
        const uint64_t first = split->log.offsets[user], valid = split->valid_begin[user];
        assert_int_equal(draw(drawer, &cases, i, items), 100);
        for (size_t n = 0; n < 100; n++) {
            assert_false(clicked(&split->log, first, split->train_end[user], items[n]));
            assert_true(clicked(&split->log, 0, split->clicks, items[n])); // an item of the log
            valid_drawn += items[n] == split->log.item[valid];
        }
    }
    assert_in_range(valid_drawn, 20, 90); // a quarter of 200, as any other item
    lode__drawer_free(&drawer);
    lode__cases_release(&cases);
    lode__split_free(&split);
}

/// None of the user's own items, in any part; items without a click never; those of the test only by
/// popularity_from: all.
static void test_clrec_negatives(void **state) {
    (void)state;
    crowd_make(200, 300, 5);
    logs.item[4] = 299; // user 0's test click, and nobody else's
    for (uint32_t row = 0; row < 1000; row++) {
        if (row != 4 && logs.item[row] == 299) {
            logs.item[row] = 0;
        }
    }
    for (int from = LODE_POPULARITY_ALL; from <= LODE_POPULARITY_TRAIN; from++) {
        lode_split *split = split_make(&leave_one_out);
        lode_protocol protocol = *lode__protocol_find("clrec");
        protocol.popularity_from = from;
        lode_cases cases = cases_make(split, &protocol);
        lode_drawer *drawer = NULL;
        lode_error error = {0};
        uint32_t items[100];
        size_t planted = 0;
        assert_ok(lode__drawer_new(&drawer, &cases, 1, &error), error);
        for (size_t i = 0; i < cases.count; i++) {
            const uint32_t user = cases.list[i].state.user;
            assert_int_equal(draw(drawer, &cases, i, items), 100);
            for (size_t n = 0; n < 100; n++) {
                assert_false(clicked(&split->log, split->log.offsets[user],
                                     split->log.offsets[user + 1], items[n]));
                planted += items[n] == 299;
                assert_true(from == LODE_POPULARITY_ALL || split->item_count[items[n]] > 0);
            }
        }
        assert_true(from == LODE_POPULARITY_ALL ? planted > 0 : planted == 0);
        lode__drawer_free(&drawer);
        lode__cases_release(&cases);
        lode__split_free(&split);
    }
}

/// Draws depend on the seed and the user's token: not on the order of users, and not on who else is there.
static void test_draws_follow_tokens(void **state) {
    (void)state;
    static small_log other;
    static uint64_t starts[SMALL_USERS + 1];
    crowd_make(60, 200, 7);
    memcpy(&other, &logs, sizeof logs);
    lode_split *split = split_make(&leave_one_out);
    lode_cases cases = cases_make(split, lode__protocol_find("sasrec"));
    static uint32_t first[60][100];
    lode_drawer *drawer = NULL;
    lode_error error = {0};
    assert_ok(lode__drawer_new(&drawer, &cases, 1, &error), error);
    for (size_t i = 0; i < 60; i++) {
        (void)draw(drawer, &cases, i, first[i]);
    }
    uint32_t again[100];
    (void)draw(drawer, &cases, 17, again); // in whatever order
    assert_memory_equal(again, first[17], sizeof again);
    lode__drawer_free(&drawer);
    lode__cases_release(&cases);
    lode__split_free(&split);

    small_log_init(&logs, 60, 200); // the same users from the last to the first
    for (uint32_t user = 0; user < 60; user++) {
        for (uint32_t i = 0; i < 5; i++) {
            small_log_add(&logs, user, other.item[5 * (59 - user) + i], i, LODE_CLICK);
        }
        starts[user] = logs.token_starts[59 - user];
    }
    logs.data.users.starts = starts;
    split = split_make(&leave_one_out);
    cases = cases_make(split, lode__protocol_find("sasrec"));
    assert_ok(lode__drawer_new(&drawer, &cases, 1, &error), error);
    for (size_t i = 0; i < 60; i++) {
        (void)draw(drawer, &cases, i, again);
        assert_memory_equal(again, first[59 - i], sizeof again);
    }
    lode__drawer_free(&drawer);
    lode__cases_release(&cases);
    lode_protocol protocol = *lode__protocol_find("sasrec");
    protocol.seed = 2;
    cases = cases_make(split, &protocol);
    assert_ok(lode__drawer_new(&drawer, &cases, 1, &error), error);
    (void)draw(drawer, &cases, 0, again);
    assert_memory_not_equal(again, first[59], sizeof again);
    lode__drawer_free(&drawer);
    lode__cases_release(&cases);
    lode__split_free(&split);
}

/// Two of the items 1..4 with weights 1, 2, 3, 4, one after the other: the probability that item i is among them is
/// p_i + sum_{j != i} p_j p_i / (1 - p_j). Everybody owns item 0, which takes `own` clicks of a user, so that the
/// draws are accepted at once (few) or end in the exact pass (many).
static void check_shares(uint32_t own) {
    enum { USERS = 100, SEEDS = 100 };
    static const double weight[] = {0, 1, 2, 3, 4};
    small_log_init(&logs, USERS, 6);
    for (uint32_t user = 0; user < USERS; user++) {
        for (uint32_t i = 0; i < own; i++) {
            small_log_add(&logs, user, 0, i, LODE_CLICK);
        }
        small_log_add(&logs, user, 5, own, LODE_CLICK); // the true item
        if (user < 4) { // weights 1..4 come from four users of whom nothing is asked
            for (uint32_t i = 0; i <= user; i++) {
                small_log_add(&logs, user, user + 1, own + 1 + i, LODE_CLICK);
            }
        }
    }
    lode_split *split = split_make(&leave_one_out);
    double drawn[6] = {0}, draws = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        lode_protocol protocol = *lode__protocol_find("clrec");
        protocol.negatives = 2;
        protocol.seed = seed;
        lode_cases cases = cases_make(split, &protocol);
        lode_drawer *drawer = NULL;
        lode_error error = {0};
        assert_ok(lode__drawer_new(&drawer, &cases, 1, &error), error);
        for (size_t i = 0; i < cases.count; i++) {
            uint32_t items[2];
            if (cases.list[i].state.user < 4) {
                continue;
            }
            assert_int_equal(draw(drawer, &cases, i, items), 2);
            drawn[items[0]]++;
            drawn[items[1]]++;
            draws++;
        }
        lode__drawer_free(&drawer);
        lode__cases_release(&cases);
    }
    for (int i = 1; i <= 4; i++) {
        double expected = weight[i] / 10;
        for (int j = 1; j <= 4; j++) {
            expected += j != i ? weight[j] / 10 * weight[i] / (10 - weight[j]) : 0;
        }
        const double deviation = sqrt(expected * (1 - expected) / draws);
        assert_close(drawn[i] / draws, expected, 4 * deviation, 0);
    }
    lode__split_free(&split);
}

static void test_shares(void **state) {
    (void)state;
    check_shares(2);
    check_shares(100);
}

static void test_few_items(void **state) {
    (void)state;
    crowd_make(10, 20, 11);
    lode_split *split = split_make(&leave_one_out);
    lode_cases cases = cases_make(split, lode__protocol_find("clrec"));
    lode_drawer *drawer = NULL;
    lode_error error = {0};
    uint32_t items[100];
    uint64_t few = 0;
    assert_ok(lode__drawer_new(&drawer, &cases, 1, &error), error);
    for (size_t i = 0; i < cases.count; i++) {
        const uint32_t user = cases.list[i].state.user;
        size_t eligible = 0;
        for (uint32_t item = 0; item < 20; item++) {
            eligible +=
                clicked(&split->log, 0, split->clicks, item) &&
                !clicked(&split->log, split->log.offsets[user], split->log.offsets[user + 1], item);
        }
        assert_int_equal(draw(drawer, &cases, i, items), eligible);
    }
    assert_ok(lode__drawer_short(drawer, &few, &error), error);
    assert_int_equal(few, 10);
    lode__drawer_free(&drawer);
    lode__cases_release(&cases);
    lode__split_free(&split);
}

// ------------------------------------------------------------------------------------------------
// Given candidates
// ------------------------------------------------------------------------------------------------

/// Scores an item by a table and remembers what it was asked.
typedef struct judge {
    float score[SMALL_USERS];
    size_t groups;
    lode_state states[64];
    uint64_t starts[65];
    uint32_t items[256];
} judge;

static lode_status judge_score(void *self, const lode_cases *cases, const lode_scoring *scoring,
                               lode_error *error) {
    judge *own = self;
    (void)cases, (void)error;
    for (uint64_t i = 0; i < scoring->starts[scoring->count]; i++) {
        scoring->scores[i] = own->score[scoring->items[i]];
    }
    if (scoring->count <= 64 && scoring->starts[scoring->count] <= 256) {
        own->groups = scoring->count;
        memcpy(own->states, scoring->states, scoring->count * sizeof *own->states);
        memcpy(own->starts, scoring->starts, (scoring->count + 1) * sizeof *own->starts);
        memcpy(own->items, scoring->items, scoring->starts[scoring->count] * sizeof *own->items);
    }
    return LODE_OK;
}

static double measure(const lode_cases *cases, judge *self, enum lode_metric metric, size_t cutoff) {
    const lode_ranker ranker = {"judge", self, NULL, judge_score, NULL, 0};
    lode_metrics metrics;
    lode_error error = {0};
    assert_ok(lode__metrics_new(&metrics, &cutoff, 1, cases->split->log.items,
                                cases->split->log.items, NULL, &error),
              error);
    assert_ok(lode__evaluate(cases, &ranker, false, &metrics, NULL, "judge", &error), error);
    const double value = lode__metrics_value(&metrics, metric, 0);
    lode__metrics_release(&metrics);
    return value;
}

/// Everything scored alike puts the true item last: 1 of 101. A true item that training never saw is not listed.
static void test_ties_are_against_us(void **state) {
    (void)state;
    static judge flat;
    crowd_make(60, 300, 13);
    lode_split *split = split_make(&leave_one_out);
    lode_protocol protocol = *lode__protocol_find("clrec");
    protocol.unseen = LODE_UNSEEN_ENCODE; // all candidates can be scored
    lode_cases cases = cases_make(split, &protocol);
    assert_close(measure(&cases, &flat, LODE_METRIC_MRR, 101), 1.0 / 101, 1e-9, 0);
    assert_close(measure(&cases, &flat, LODE_METRIC_HIT, 100), 0, 0, 0);
    lode_pool *pool = NULL; // the same at any number of threads
    lode_error error = {0};
    assert_ok(lode__pool_new(&pool, 3, &error), error);
    for (uint32_t item = 0; item < 300; item++) {
        flat.score[item] = (float)(item % 7);
    }
    const double one = measure(&cases, &flat, LODE_METRIC_MRR, 101);
    cases.pool = pool;
    assert_true(measure(&cases, &flat, LODE_METRIC_MRR, 101) == one);
    lode__pool_free(&pool);
    lode__cases_release(&cases);
    cases = cases_make(split, lode__protocol_find("clrec"));
    assert_close(measure(&cases, &flat, LODE_METRIC_HIT, 101),
                 1 - (double)cases.missed / (double)cases.count, 1e-9, 0);
    assert_true(cases.missed > 0);
    lode__cases_release(&cases);
    lode__split_free(&split);
}

/// One user. Training: clicks 0 1, exposure 2. Test: time 10 exposure 3, click 4; time 20 click 6 and exposure 5 in
/// one moment; time 30 exposure 4 again, exposure 7, a purchase of 8; time 40 exposure 3 again, click 7.
static void exposures_make(void) {
    small_log_init(&logs, 2, 12);
    small_log_add(&logs, 0, 0, 1, LODE_CLICK);
    small_log_add(&logs, 0, 1, 2, LODE_CLICK);
    small_log_add(&logs, 0, 2, 3, LODE_EXPOSURE);
    small_log_add(&logs, 0, 0, 4, LODE_CLICK);
    small_log_add(&logs, 0, 3, 10, LODE_EXPOSURE);
    small_log_add(&logs, 0, 4, 11, LODE_CLICK);
    small_log_add(&logs, 0, 6, 20, LODE_CLICK);
    small_log_add(&logs, 0, 5, 20, LODE_EXPOSURE);
    small_log_add(&logs, 0, 4, 30, LODE_EXPOSURE);
    small_log_add(&logs, 0, 7, 31, LODE_EXPOSURE);
    small_log_add(&logs, 0, 8, 32, LODE_BUY);
    small_log_add(&logs, 0, 3, 40, LODE_EXPOSURE);
    small_log_add(&logs, 0, 7, 41, LODE_CLICK);
    for (uint32_t i = 0; i < 9; i++) { // exposures without a click in the test: no case
        small_log_add(&logs, 1, i, i, i < 5 ? LODE_CLICK : LODE_EXPOSURE);
    }
}

static const lode_split_options rows_split = {
    .type = LODE_SPLIT_RATIO, .of = LODE_OF_ROWS, .test = 0.7, .valid = 0};

static void test_exposures(void **state) {
    (void)state;
    static judge own;
    exposures_make();
    // User 0: 12 labelled rows, the last 8 are the test; user 1: 9 rows, the last 6.
    lode_split *split = split_make(&rows_split);
    assert_int_equal(split->test_row[0], 4);
    lode_cases cases = cases_make(split, lode__protocol_find("ccl4rec"));
    uint32_t truth[8];
    assert_int_equal(cases.count, 2);
    lode__cases_release(&cases);
    logs.behaviour[13 + 3] = logs.behaviour[13 + 4] = LODE_EXPOSURE;
    lode__split_free(&split);
    split = split_make(&rows_split);
    cases = cases_make(split, lode__protocol_find("ccl4rec"));
    assert_int_equal(cases.count, 1);
    assert_int_equal(cases.without_positives, 1);
    assert_int_equal(cases.without_negatives, 0);
    assert_int_equal(lode__case_truth(&cases, 0, truth), 3); // 4 6 7
    own.score[3] = 5, own.score[4] = 4, own.score[5] = 3, own.score[6] = 2, own.score[7] = 1;
    // 3 4* 5 6* 7*: of the first two, one is true.
    assert_close(measure(&cases, &own, LODE_METRIC_PRECISION, 2), 0.5, 1e-9, 0);
    assert_close(measure(&cases, &own, LODE_METRIC_MRR, 5), 0.5, 1e-9, 0);
    assert_close(measure(&cases, &own, LODE_METRIC_RECALL, 4), 2.0 / 3, 1e-9, 0);
    // Positions of user 0's clicks: 0 1 0 | 4 6 7. States: 3 and 4 know three clicks; 5 and 6, shown in the moment in
    // which 6 was clicked, know 4 too; 7, shown before it was clicked, knows 6 as well.
    static const uint64_t ends[] = {3, 4, 5}, starts[] = {0, 2, 4, 5};
    static const uint32_t items[] = {3, 4, 6, 5, 7};
    assert_int_equal(own.groups, 3);
    for (size_t g = 0; g < 3; g++) {
        assert_int_equal(own.states[g].end, ends[g]);
    }
    assert_memory_equal(own.starts, starts, sizeof starts);
    assert_memory_equal(own.items, items, sizeof items);
    lode__cases_release(&cases);
    lode_protocol frozen = *lode__protocol_find("ccl4rec");
    frozen.history = LODE_HISTORY_FROZEN;
    cases = cases_make(split, &frozen);
    (void)measure(&cases, &own, LODE_METRIC_HIT, 1);
    assert_int_equal(own.groups, 1);
    assert_int_equal(own.states[0].end, 3);
    lode__cases_release(&cases);
    lode__split_free(&split);
}

static void test_scores_are_needed(void **state) {
    (void)state;
    crowd_make(60, 300, 13);
    lode_split *split = split_make(&leave_one_out);
    lode_cases cases = cases_make(split, lode__protocol_find("sasrec"));
    const lode_ranker mute = {"mute", NULL, NULL, NULL, NULL, 0};
    lode_metrics metrics;
    lode_error error = {0};
    const size_t cutoff = 10;
    assert_ok(lode__metrics_new(&metrics, &cutoff, 1, 300, 300, NULL, &error), error);
    assert_fails(lode__evaluate(&cases, &mute, false, &metrics, NULL, "mute", &error),
                 LODE_E_MISMATCH, error, "mute ranks all items only");
    lode__metrics_release(&metrics);
    lode__cases_release(&cases);
    lode__split_free(&split);
}

/// The baselines score as they rank: the order of the scores of all items is the list.
static void test_baselines_score(void **state) {
    (void)state;
    enum { ITEMS = 40 };
    crowd_make(150, ITEMS, 17);
    lode_split *split = split_make(&leave_one_out);
    lode_cases cases = cases_make(split, lode__protocol_find("leave_one_out"));
    lode_ranker rankers[2];
    lode_error error = {0};
    assert_ok(lode__ranker_popularity(&rankers[0], split, &error), error);
    assert_ok(lode__ranker_item_knn(&rankers[1], split, 10, NULL, &error), error);
    for (int r = 0; r < 2; r++) {
        for (size_t c = 0; c < cases.count; c++) {
            uint32_t list[ITEMS], items[ITEMS];
            float scores[ITEMS];
            const uint64_t starts[] = {0, ITEMS};
            for (uint32_t item = 0; item < ITEMS; item++) {
                items[item] = item;
            }
            const lode_scoring scoring = {&cases.list[c].state, starts, items, 1, scores};
            assert_ok(rankers[r].rank(rankers[r].self, &cases, c, 1, ITEMS, false, list, &error),
                      error);
            assert_ok(rankers[r].score(rankers[r].self, &cases, &scoring, &error), error);
            for (size_t rank = 1; rank < ITEMS && list[rank] != LODE_NO_ITEM; rank++) {
                assert_true(scores[list[rank - 1]] >= scores[list[rank]]);
            }
        }
        rankers[r].free(rankers[r].self);
    }
    lode__cases_release(&cases);
    lode__split_free(&split);
}

// ------------------------------------------------------------------------------------------------
// Users, slices, given truth
// ------------------------------------------------------------------------------------------------

static void test_max_users(void **state) {
    (void)state;
    crowd_make(300, 200, 19);
    lode_split *split = split_make(&leave_one_out);
    lode_protocol protocol = *lode__protocol_find("sasrec");
    bool chosen[2][300] = {{false}};
    for (uint64_t seed = 1; seed <= 2; seed++) {
        protocol.max_users = 40;
        protocol.seed = seed;
        lode_cases cases = cases_make(split, &protocol);
        assert_int_equal(cases.count, 40);
        assert_int_equal(cases.users, 40);
        assert_int_equal(cases.unchosen_users, 260);
        for (size_t i = 0; i < 40; i++) {
            chosen[seed - 1][cases.list[i].state.user] = true;
        }
        lode__cases_release(&cases);
    }
    assert_memory_not_equal(chosen[0], chosen[1], 300);
    size_t in_front = 0;
    for (uint32_t user = 0; user < 100; user++) {
        in_front += chosen[0][user];
    }
    assert_in_range(in_front, 4, 24); // 13.3 expected
    protocol.max_users = 300;         // enough for all
    lode_cases cases = cases_make(split, &protocol);
    assert_int_equal(cases.count, 300);
    assert_int_equal(cases.unchosen_users, 0);
    lode__cases_release(&cases);
    lode__split_free(&split);
}

/// Item counts of the training: 0 has 8, 1 has 6, 2 has 3, 3 has 2, 4 has 1 of 20 clicks. Test clicks: 2, 3, 4, 9, 9.
static void shop_make(void) {
    static const uint32_t train[5][8] = {
        {0, 0, 0, 0, 0, 0, 0, 0}, {1, 1, 1, 1, 1, 1}, {2, 2, 2}, {3, 3}, {4}};
    static const uint32_t counts[] = {8, 6, 3, 2, 1}, test[] = {2, 3, 4, 9, 9};
    small_log_init(&logs, 5, 11);
    for (uint32_t user = 0; user < 5; user++) {
        for (uint32_t i = 0; i < counts[user]; i++) {
            small_log_add(&logs, user, train[user][i], i, LODE_CLICK);
        }
        small_log_add(&logs, user, test[user], 100, LODE_CLICK);
    }
}

static const lode_split_options from_100 = {
    .type = LODE_SPLIT_CHRONOLOGICAL, .test_from = "100", .valid_from = "100"};

static void test_slices(void **state) {
    (void)state;
    shop_make();
    lode_split *split = split_make(&from_100);
    const lode_protocol *micrec = lode__protocol_find("micrec");
    lode_cases cases;
    lode_error error = {0};
    uint32_t truth[1];
    assert_ok(
        lode__cases_slice(&cases, split, micrec, LODE_PART_TEST, LODE_SLICE_COLD_ITEMS, 5, &error),
        error);
    assert_int_equal(cases.count, 2);
    assert_int_equal(cases.list[0].state.user, 3);
    assert_int_equal(cases.protocol.unseen, LODE_UNSEEN_ENCODE);
    assert_int_equal(lode__case_truth(&cases, 0, truth), 1);
    assert_int_equal(truth[0], 9);
    assert_true(cases.candidate[9]);
    assert_false(cases.candidate[10]); // in no log at all
    lode__cases_release(&cases);
    // 20% of 20 clicks are 4: item 4 (1) and item 3 (2) take 3, item 2 would make it 6.
    assert_ok(lode__cases_slice(&cases, split, micrec, LODE_PART_TEST, LODE_SLICE_TAIL, 5, &error),
              error);
    assert_int_equal(cases.count, 2);
    assert_int_equal(cases.list[0].state.user, 1);
    assert_int_equal(cases.list[1].state.user, 2);
    assert_int_equal(cases.dropped, 0); // the rest is not in the slice, nor dropped
    lode__cases_release(&cases);
    assert_ok(
        lode__cases_slice(&cases, split, micrec, LODE_PART_TEST, LODE_SLICE_COLD_USERS, 4, &error),
        error);
    assert_int_equal(cases.count, 1); // user 2 with three known clicks; 3 and 4 find what was never seen
    assert_int_equal(cases.list[0].state.user, 2);
    assert_int_equal(cases.dropped, 2);
    lode__cases_release(&cases);
    lode_protocol catalogue = *micrec;
    catalogue.candidates = LODE_CANDIDATES_CATALOGUE;
    cases = cases_make(split, &catalogue);
    assert_true(cases.candidate[10]);
    lode__cases_release(&cases);
    lode__split_free(&split);
}

static void test_given_truth(void **state) {
    (void)state;
    shop_make();
    lode_split *split = split_make(&from_100);
    static const uint64_t starts[] = {0, 2, 2, 3, 3, 3};
    static const uint32_t items[] = {4, 9, 9};
    lode_cases cases;
    lode_error error = {0};
    uint32_t truth[2];
    assert_ok(lode__cases_given(&cases, split, lode__protocol_find("micrec"), starts, items, &error),
              error);
    assert_int_equal(cases.count, 1); // user 2's item was never seen, and is dropped
    assert_int_equal(cases.dropped, 2);
    assert_int_equal(cases.list[0].state.end, 8); // everything in front of the test
    assert_int_equal(lode__case_truth(&cases, 0, truth), 1);
    assert_int_equal(truth[0], 4);
    lode__cases_release(&cases);
    lode__split_free(&split);
}

/// Ten held-out users with five clicks each: four are given, the fifth is to be found, and nothing of them trains.
static void test_held_out_users(void **state) {
    (void)state;
    enum { PLANTED = 50, USERS = 100 };
    const lode_split_options options = {
        .type = LODE_SPLIT_USERS, .test = 0.2, .valid = 0, .history = 0.8, .seed = 1};
    uint64_t seed = 23;
    crowd_make(USERS, 40, seed);
    lode_split *split = split_make(&options);
    bool held[USERS];
    for (uint32_t user = 0; user < USERS; user++) {
        held[user] = split->train_end[user] == split->log.offsets[user];
    }
    lode__split_free(&split);
    small_log_init(&logs, USERS, 52); // held-out users click PLANTED in their given part
    for (uint32_t user = 0; user < USERS; user++) {
        for (int i = 0; i < 5; i++) {
            small_log_add(&logs, user, held[user] && i == 2 ? PLANTED : small_random(&seed, 40), i,
                          LODE_CLICK);
        }
    }
    split = split_make(&options);
    lode_cases cases = cases_make(split, lode__protocol_find("mic"));
    assert_int_equal(split->item_count[PLANTED], 0);
    assert_in_range(cases.count, 8, 35);
    lode_ranker rankers[2];
    lode_error error = {0};
    assert_ok(lode__ranker_popularity(&rankers[0], split, &error), error);
    assert_ok(lode__ranker_item_knn(&rankers[1], split, 100, NULL, &error), error);
    for (size_t i = 0; i < cases.count; i++) {
        const uint32_t user = cases.list[i].state.user;
        uint32_t list[52];
        assert_true(held[user]);
        assert_int_equal(cases.list[i].state.end, split->log.offsets[user] + 4);
        assert_int_equal(cases.list[i].truth_end, split->log.offsets[user] + 5);
        for (int r = 0; r < 2; r++) {
            assert_ok(rankers[r].rank(rankers[r].self, &cases, i, 1, 52, false, list, &error), error);
            for (size_t rank = 0; rank < 52; rank++) {
                assert_int_not_equal(list[rank], PLANTED);
            }
        }
    }
    rankers[0].free(rankers[0].self);
    rankers[1].free(rankers[1].self);
    lode__cases_release(&cases);
    lode__split_free(&split);
}

/// No case of any protocol sees its own truth or what comes after it.
static void test_states_end_before_the_truth(void **state) {
    (void)state;
    static const lode_split_options splits[] = {
        {.type = LODE_SPLIT_LEAVE_ONE_OUT},
        {.type = LODE_SPLIT_CHRONOLOGICAL, .test = 0.3, .valid = 0.1},
        {.type = LODE_SPLIT_RATIO, .test = 0.3, .valid = 0.1},
        {.type = LODE_SPLIT_USERS, .test = 0.3, .valid = 0.1, .history = 0.8}};
    uint64_t seed = 29;
    small_log_init(&logs, 80, 50);
    for (uint32_t user = 0; user < 80; user++) {
        for (int i = 0; i < 12; i++) {
            small_log_add(&logs, user, small_random(&seed, 50), 10 * i + (int64_t)user % 10,
                          i % 4 == 3 ? LODE_EXPOSURE : LODE_CLICK);
        }
    }
    for (size_t s = 0; s < sizeof splits / sizeof *splits; s++) {
        lode_split *split = split_make(&splits[s]);
        for (size_t p = 0; lode__protocol_at(p); p++) {
            if (!lode__protocol_fits(lode__protocol_at(p), split->type)) {
                continue;
            }
            lode_cases cases = cases_make(split, lode__protocol_at(p));
            assert_true(cases.count > 0);
            for (size_t i = 0; i < cases.count; i++) {
                const lode_case *one = &cases.list[i];
                assert_true(one->state.end <= one->truth_begin);
                assert_true(one->truth_begin >= split->test_begin[one->state.user]);
                for (uint64_t at = split->log.offsets[one->state.user]; at < one->state.end; at++) {
                    assert_true(split->log.time[at] <= split->log.time[one->truth_begin]);
                }
            }
            lode__cases_release(&cases);
        }
        lode__split_free(&split);
    }
}

// ------------------------------------------------------------------------------------------------
// Which protocol for which split
// ------------------------------------------------------------------------------------------------

static void expect_auto(const lode_split_options *options, const char *name) {
    lode_split *split = split_make(options);
    assert_string_equal(lode__protocol_auto(split)->name, name);
    lode__split_free(&split);
}

static void test_auto(void **state) {
    (void)state;
    exposures_make();
    expect_auto(&leave_one_out, "leave_one_out");
    expect_auto(&rows_split, "ccl4rec");
    const lode_split_options clicks = {.type = LODE_SPLIT_RATIO, .test = 0.3};
    expect_auto(&clicks, "recbole");
    const lode_split_options time = {.type = LODE_SPLIT_CHRONOLOGICAL, .test = 0.3};
    expect_auto(&time, "micrec");
    const lode_split_options given = {.type = LODE_SPLIT_GIVEN, .history = 0.8};
    small_log_init(&logs, 2, 5);
    small_log_add_part(&logs, 0, 1, 0, LODE_GIVEN_TRAIN);
    small_log_add_part(&logs, 0, 2, 1, LODE_GIVEN_TEST);
    small_log_add_part(&logs, 1, 2, 1, LODE_GIVEN_TRAIN);
    expect_auto(&given, "recbole");
    logs.part[1] = LODE_GIVEN_TRAIN;
    logs.part[2] = LODE_GIVEN_TEST;
    expect_auto(&given, "mic");
}

static void test_refusals(void **state) {
    (void)state;
    lode_cases cases;
    lode_error error = {0};
    crowd_make(60, 300, 13);
    lode_split *split = split_make(&leave_one_out);
    assert_fails(lode__cases_new(&cases, split, lode__protocol_find("mic"), LODE_PART_TEST, &error),
                 LODE_E_MISMATCH, error,
                 "protocol mic needs split type users or given, but the data is split by "
                 "leave_one_out, which fits: leave_one_out, sasrec, clrec, recbole");
    lode_protocol exposures = *lode__protocol_find("leave_one_out");
    exposures.candidates = LODE_CANDIDATES_EXPOSURES;
    assert_fails(lode__cases_new(&cases, split, &exposures, LODE_PART_TEST, &error),
                 LODE_E_MISMATCH, error, "exposures needs split type ratio");
    lode__split_free(&split);
    const lode_split_options clicks = {.type = LODE_SPLIT_RATIO, .test = 0.3};
    split = split_make(&clicks);
    assert_fails(
        lode__cases_new(&cases, split, lode__protocol_find("ccl4rec"), LODE_PART_TEST, &error),
        LODE_E_MISMATCH, error, "--label");
    lode__split_free(&split);
}

static void test_override(void **state) {
    (void)state;
    lode_protocol protocol = *lode__protocol_find("sasrec");
    const lode_protocol before = protocol;
    const lode_protocol_details none = {.max_users = -1, .seed = -1};
    lode__protocol_override(&protocol, &none);
    assert_memory_equal(&protocol, &before, sizeof before);
    const lode_protocol_details catalogue = {
        .candidates = LODE_CANDIDATES_CATALOGUE + 1, .max_users = -1, .seed = -1};
    lode__protocol_override(&protocol, &catalogue);
    assert_int_equal(protocol.unseen, LODE_UNSEEN_ENCODE); // what is a candidate is no miss
    const lode_protocol_details all = {.history = LODE_HISTORY_ROLLING + 1,
                                       .unseen = LODE_UNSEEN_ENCODE + 1,
                                       .candidates = LODE_CANDIDATES_POPULARITY + 1,
                                       .negatives = 7,
                                       .popularity_from = LODE_POPULARITY_TRAIN + 1,
                                       .max_users = 0,
                                       .seed = 9};
    lode__protocol_override(&protocol, &all);
    assert_int_equal(protocol.history, LODE_HISTORY_ROLLING);
    assert_int_equal(protocol.unseen, LODE_UNSEEN_ENCODE);
    assert_int_equal(protocol.candidates, LODE_CANDIDATES_POPULARITY);
    assert_int_equal(protocol.negatives, 7);
    assert_int_equal(protocol.popularity_from, LODE_POPULARITY_TRAIN);
    assert_int_equal(protocol.max_users, 0);
    assert_int_equal(protocol.seed, 9);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sasrec_negatives),
        cmocka_unit_test(test_clrec_negatives),
        cmocka_unit_test(test_draws_follow_tokens),
        cmocka_unit_test(test_shares),
        cmocka_unit_test(test_few_items),
        cmocka_unit_test(test_ties_are_against_us),
        cmocka_unit_test(test_exposures),
        cmocka_unit_test(test_scores_are_needed),
        cmocka_unit_test(test_baselines_score),
        cmocka_unit_test(test_max_users),
        cmocka_unit_test(test_slices),
        cmocka_unit_test(test_given_truth),
        cmocka_unit_test(test_held_out_users),
        cmocka_unit_test(test_states_end_before_the_truth),
        cmocka_unit_test(test_auto),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_override),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
