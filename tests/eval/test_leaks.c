/// Nothing that training makes depends on a held-out click.
///
/// The held-out clicks of a log are changed, each to another item, and all that training makes is made from both
/// logs: examples, counts, popularity, similarities, vocabulary. Any difference is a leak. To know that the check can
/// find one, the same is done with a split that lets the held-out clicks in.
#include "../check.h"
#include "eval/protocol.h"
#include "model/view.h"

#include "../data/small_log.h"

#include <xxhash.h>

enum { USERS = 120, ITEMS = 60, CLICKS = 10 };

static small_log logs;

static const lode_split_options types[] = {
    {.type = LODE_SPLIT_LEAVE_ONE_OUT},
    {.type = LODE_SPLIT_CHRONOLOGICAL, .test_from = "850", .valid_from = "750"},
    {.type = LODE_SPLIT_RATIO, .test = 0.2, .valid = 0.2},
    {.type = LODE_SPLIT_USERS, .test = 0.2, .valid = 0.1, .history = 0.8, .seed = 3},
    {.type = LODE_SPLIT_GIVEN, .history = 0.8},
};

/// Every fifth user is of the test alone; the others' parts are mixed in time.
static void logs_make(void) {
    uint64_t seed = 31;
    small_log_init(&logs, USERS, ITEMS);
    for (uint32_t user = 0; user < USERS; user++) {
        const uint32_t taste = small_random(&seed, 3) * 20;
        for (int i = 0; i < CLICKS; i++) {
            const bool test = user % 5 == 4 || i == 3 || i == 9;
            const uint32_t item = small_random(&seed, 3) ? taste + small_random(&seed, 20)
                                                         : small_random(&seed, ITEMS);
            small_log_add_part(&logs, user, item, 100 * i + (int64_t)(user * 7 % 100),
                               test     ? LODE_GIVEN_TEST
                               : i == 8 ? LODE_GIVEN_VALID
                                        : LODE_GIVEN_TRAIN);
        }
    }
}

static uint64_t rows_digest(const lode_ranker *ranker, const lode_split *split, uint64_t digest) {
    static uint32_t items[ITEMS];
    float scores[ITEMS];
    const uint64_t starts[] = {0, ITEMS};
    lode_cases cases = {.split = split};
    lode_error error = {0};
    for (uint32_t item = 0; item < ITEMS; item++) {
        items[item] = item;
    }
    for (uint32_t user = 0; user < USERS; user++) {
        const lode_state state = {user, split->log.offsets[user]};
        lode_state full = state; // what training saw of the user, as a history
        while (full.end < split->log.offsets[user + 1] && full.end < state.end + 2 &&
               full.end < split->train_end[user]) {
            full.end++;
        }
        const lode_scoring scoring = {&full, starts, items, 1, scores};
        assert_ok(ranker->score(ranker->self, &cases, &scoring, &error), error);
        digest = XXH64(scores, sizeof scores, digest);
    }
    return digest;
}

/// One number for everything that training makes.
static uint64_t training_digest(const lode_split *split) {
    lode_error error = {0};
    uint64_t digest = XXH64(split->item_count, ITEMS * sizeof *split->item_count, 0);
    lode_examples examples;
    assert_ok(lode__examples_new(&examples, split, &(lode_example_options){.min_history = 0}, &error),
              error);
    for (uint64_t i = 0; i < examples.count; i++) {
        const lode_state state = lode__example(&examples, i, 0);
        const uint64_t first = split->log.offsets[state.user];
        digest = XXH64(split->log.item + first, (state.end + 1 - first) * sizeof(uint32_t), digest);
    }
    lode__examples_release(&examples);
    lode_ranker rankers[2];
    assert_ok(lode__ranker_popularity(&rankers[0], split, &error), error);
    assert_ok(lode__ranker_item_knn(&rankers[1], split, 20, NULL, &error), error);
    for (int r = 0; r < 2; r++) {
        digest = rows_digest(&rankers[r], split, digest);
        rankers[r].free(rankers[r].self);
    }
    lode_vocabulary *vocabulary = NULL;
    assert_ok(lode__vocabulary_new(&vocabulary, split, NULL, NULL, NULL, 4, NULL, &error), error);
    for (uint32_t row = 1; row <= vocabulary->items; row++) {
        const char *token = lode__item_token(vocabulary, row);
        digest = XXH64(token, strlen(token), digest);
    }
    lode__vocabulary_free(&vocabulary);
    return digest;
}

/// Whether a row must not train, by the definition of the split; a held-out user's rows are hidden, all of them.
static bool is_hidden(const lode_split_options *options, bool refit, uint64_t row, bool held_out) {
    const uint64_t place = row % CLICKS; // of the user's
    switch (options->type) {
    case LODE_SPLIT_LEAVE_ONE_OUT:
        return place >= CLICKS - (refit ? 1 : 2);
    case LODE_SPLIT_CHRONOLOGICAL:
        return logs.time[row] >= (refit ? 850 : 750);
    case LODE_SPLIT_RATIO:
        return place >= CLICKS - (refit ? 2 : 4);
    case LODE_SPLIT_USERS:
        return held_out;
    default:
        return logs.part[row] == LODE_GIVEN_TEST || (!refit && logs.part[row] == LODE_GIVEN_VALID);
    }
}

/// Let everything train, as a mistake might.
static void split_corrupt(lode_split *split) {
    for (uint32_t user = 0; user < USERS; user++) {
        split->valid_end[user] = split->test_begin[user] = split->log.offsets[user + 1];
    }
    lode__split_refit(split);
}

/// What training makes, and with `change` the held-out clicks changed in the log afterwards.
static uint64_t digest_of(const lode_split_options *options, bool corrupt, bool refit, bool change) {
    lode_split *split = NULL;
    lode_error error = {0};
    assert_ok(lode__split_new(&split, &logs.data, options, &error), error);
    if (refit) {
        lode__split_refit(split);
    }
    bool hidden[USERS * CLICKS];
    for (uint32_t user = 0; user < USERS; user++) {
        const uint64_t first = split->log.offsets[user], end = split->log.offsets[user + 1];
        for (uint64_t at = first; at < end; at++) {
            const uint64_t row = split->log.row ? split->log.row[at] : at;
            hidden[row] = is_hidden(options, refit, row, split->train_end[user] < end);
        }
    }
    if (corrupt) {
        split_corrupt(split);
    }
    const uint64_t digest = training_digest(split);
    lode__split_free(&split);
    for (size_t row = 0; change && row < USERS * CLICKS; row++) {
        logs.item[row] = hidden[row] ? (logs.item[row] + 7) % ITEMS : logs.item[row];
    }
    return digest;
}

static void test_training_sees_nothing(void **state) {
    (void)state;
    for (size_t t = 0; t < sizeof types / sizeof *types; t++) {
        for (int refit = 0; refit < 2; refit++) {
            logs_make();
            const uint64_t before = digest_of(&types[t], false, refit, true);
            const uint64_t after = digest_of(&types[t], false, refit, false);
            if (before != after) {
                fail_msg("%s: a held-out click changes what training makes",
                         lode__split_name((lode_split_type)types[t].type));
            }
        }
    }
}

static void test_a_leak_is_found(void **state) {
    (void)state;
    for (size_t t = 0; t < sizeof types / sizeof *types; t++) {
        logs_make();
        const uint64_t before = digest_of(&types[t], true, false, true);
        assert_true(before != digest_of(&types[t], true, false, false));
    }
}

/// The context of the click at a state's end is known where that click is what is predicted, and not where the state
/// ends before something else: an exposure, an item of a given truth.
static void test_context(void **state) {
    (void)state;
    static lode_vocabulary vocabulary;
    static lode_binding binding = {.vocabulary = &vocabulary};
    static uint64_t starts[] = {0, 1, 2, 3}, offsets[] = {0, 3};
    static uint32_t codes[] = {5, 6, 7}, rows[1];
    vocabulary.count = 1;
    vocabulary.fields[0] = (lode_field){.side = LODE_SIDE_CONTEXT, .longest = 1};
    binding.context[0] = (lode_codes){starts, codes};
    const lode_log log = {.users = 1, .items = 1, .offsets = offsets};
    const lode_state states[] = {{0, 1}, {0, 3}};
    lode_log_source self = {&binding, &log, states, false};
    const lode_user_source source = lode__log_source(&self);
    assert_int_equal(source.values(source.self, 0, 0, 1, rows), 1);
    assert_int_equal(rows[0], 6);
    assert_int_equal(source.values(source.self, 1, 0, 1, rows), 1);
    assert_int_equal(rows[0], 0); // after all clicks
    self.no_context = true;
    assert_int_equal(source.values(source.self, 0, 0, 1, rows), 1);
    assert_int_equal(rows[0], 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_training_sees_nothing),
        cmocka_unit_test(test_a_leak_is_found),
        cmocka_unit_test(test_context),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
