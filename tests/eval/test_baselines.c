/// Popularity and item-kNN against their definitions, on logs with repeats and ties.
#include "eval/protocol.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../data/small_log.h"

enum { USERS = 150, ITEMS = 60, K = 25 };

static small_log logs;
static const lode_split_options leave_one_out = {.type = LODE_SPLIT_LEAVE_ONE_OUT};

static void random_make(uint64_t seed) {
    small_log_init(&logs, USERS, ITEMS);
    for (uint32_t user = 0; user < USERS; user++) {
        const uint32_t clicks = small_random(&seed, 20);
        const uint32_t taste = small_random(&seed, 3) * 20;
        for (uint32_t i = 0; i < clicks; i++) {
            const uint32_t item = small_random(&seed, 4) ? taste + small_random(&seed, 20)
                                                         : small_random(&seed, ITEMS);
            small_log_add(&logs, user, item, i, LODE_CLICK);
        }
    }
}

static void setting_make(lode_split **split, lode_cases *cases) {
    lode_error error = {0};
    if (lode__split_new(split, &logs.data, &leave_one_out, &error) != LODE_OK ||
        lode__cases_new(cases, *split, lode__protocol_find("leave_one_out"), LODE_PART_TEST,
                        &error) != LODE_OK) {
        fail_msg("%s", error.message);
    }
}

/// Users of the training part with an item; computed from the rows.
static bool has(const lode_split *split, uint32_t user, uint32_t item) {
    for (uint64_t at = split->log.offsets[user]; at < split->train_end[user]; at++) {
        if (split->log.item[at] == item) {
            return true;
        }
    }
    return false;
}

static bool knows(const lode_log *log, lode_state state, uint32_t item) {
    for (uint64_t at = log->offsets[state.user]; at < state.end; at++) {
        if (log->item[at] == item) {
            return true;
        }
    }
    return false;
}

/// Check a list against a score an item: falling scores, ties (up to rounding) aside the set is
/// right, no item that must not stand there, and padding only where nothing is left.
static void check_list(const double *score, const bool *out, const uint32_t *list) {
    bool listed[ITEMS] = {false};
    double last = HUGE_VAL;
    size_t filled = 0;
    for (; filled < K && list[filled] != LODE_NO_ITEM; filled++) {
        const uint32_t item = list[filled];
        assert_true(item < ITEMS && !out[item] && !listed[item] && score[item] > 0);
        assert_true(score[item] <= last + 1e-5);
        listed[item] = true;
        last = score[item];
    }
    for (uint32_t item = 0; item < ITEMS; item++) {
        if (!listed[item] && !out[item] && score[item] > 0) {
            assert_int_equal(filled, K);
            assert_true(score[item] <= last + 1e-5);
        }
    }
    for (; filled < K; filled++) {
        assert_int_equal(list[filled], LODE_NO_ITEM);
    }
}

static void rank_all(const lode_ranker *ranker, const lode_cases *cases, bool exclude_seen,
                     uint32_t *lists) {
    lode_error error = {0};
    const size_t half = cases->count / 2; // two calls, so that remains of the first would show
    assert_int_equal(ranker->rank(ranker->self, cases, 0, half, K, exclude_seen, lists, &error),
                     LODE_OK);
    assert_int_equal(ranker->rank(ranker->self, cases, half, cases->count - half, K, exclude_seen,
                                  lists + half * K, &error),
                     LODE_OK);
}

static void test_popularity(void **state) {
    (void)state;
    static uint32_t lists[USERS * K];
    lode_split *split;
    lode_cases cases;
    lode_ranker ranker;
    lode_error error = {0};
    random_make(1);
    setting_make(&split, &cases);
    assert_int_equal(lode__ranker_popularity(&ranker, split, &error), LODE_OK);
    assert_string_equal(ranker.name, "popularity");
    for (int exclude = 0; exclude < 2; exclude++) {
        rank_all(&ranker, &cases, exclude, lists);
        for (size_t i = 0; i < cases.count; i++) {
            double score[ITEMS];
            bool out[ITEMS];
            for (uint32_t item = 0; item < ITEMS; item++) {
                // the index breaks ties
                score[item] = split->item_count[item] ? split->item_count[item] - 0.001 * item : 0;
                out[item] = exclude && knows(&split->log, cases.list[i].state, item);
            }
            check_list(score, out, lists + i * K);
        }
    }
    ranker.free(ranker.self);
    lode__cases_release(&cases);
    lode__split_free(&split);
}

/// similarity[i][j] by definition, cut to the best neighbours of each i.
static void similarity_make(const lode_split *split, size_t neighbours,
                            double similarity[ITEMS][ITEMS]) {
    for (uint32_t i = 0; i < ITEMS; i++) {
        for (uint32_t j = 0; j < ITEMS; j++) {
            double with_i = 0, with_j = 0, with_both = 0;
            for (uint32_t user = 0; user < USERS; user++) {
                const bool has_i = has(split, user, i), has_j = has(split, user, j);
                with_i += has_i;
                with_j += has_j;
                with_both += has_i && has_j;
            }
            similarity[i][j] = i != j && with_both > 0 ? with_both / sqrt(with_i * with_j) : 0;
        }
    }
    for (uint32_t i = 0; i < ITEMS; i++) {
        double row[ITEMS];
        memcpy(row, similarity[i], sizeof row);
        for (uint32_t j = 0; j < ITEMS; j++) {
            size_t better = 0;
            for (uint32_t other = 0; other < ITEMS; other++) {
                const float a = (float)row[other], b = (float)row[j];
                better += a > b || (a >= b && other < j);
            }
            similarity[i][j] = better < neighbours ? row[j] : 0;
        }
    }
}

static void check_knn(const lode_split *split, const lode_cases *cases, size_t neighbours,
                      bool exclude, const uint32_t *lists) {
    static double similarity[ITEMS][ITEMS];
    similarity_make(split, neighbours, similarity);
    for (size_t c = 0; c < cases->count; c++) {
        double score[ITEMS] = {0};
        bool out[ITEMS];
        for (uint32_t i = 0; i < ITEMS; i++) {
            out[i] = exclude && knows(&split->log, cases->list[c].state, i);
            for (uint32_t j = 0; knows(&split->log, cases->list[c].state, i) && j < ITEMS; j++) {
                score[j] += similarity[i][j];
            }
        }
        check_list(score, out, lists + c * K);
    }
}

static void test_item_knn(void **state) {
    (void)state;
    static const size_t neighbours[] = {1, 3, 20, 1000};
    static uint32_t lists[USERS * K], more[USERS * K];
    for (size_t n = 0; n < 4; n++) {
        lode_split *split;
        lode_cases cases;
        random_make(n + 2);
        setting_make(&split, &cases);
        for (size_t threads = 1; threads <= 3; threads++) {
            lode_pool *pool = NULL;
            lode_ranker ranker;
            lode_error error = {0};
            assert_int_equal(lode__pool_new(&pool, threads, &error), LODE_OK);
            assert_int_equal(lode__ranker_item_knn(&ranker, split, neighbours[n], pool, &error),
                             LODE_OK);
            assert_string_equal(ranker.name, "item_knn");
            for (int exclude = 0; exclude < 2; exclude++) {
                rank_all(&ranker, &cases, exclude, more);
                check_knn(split, &cases, neighbours[n], exclude, more);
            }
            if (threads == 1) {
                memcpy(lists, more, sizeof lists);
            }
            assert_memory_equal(lists, more, cases.count * K * sizeof *lists);
            ranker.free(ranker.self);
            lode__pool_free(&pool);
        }
        lode__cases_release(&cases);
        lode__split_free(&split);
    }
}

static void test_no_neighbours(void **state) {
    (void)state;
    lode_split *split;
    lode_cases cases;
    lode_ranker ranker;
    lode_error error = {0};
    random_make(1);
    setting_make(&split, &cases);
    assert_int_equal(lode__ranker_item_knn(&ranker, split, 0, NULL, &error), LODE_E_CONFIG);
    lode__cases_release(&cases);
    lode__split_free(&split);
}

static bool list_holds(const uint32_t *list, uint32_t item) {
    for (size_t rank = 0; rank < K; rank++) {
        if (list[rank] == item) {
            return true;
        }
    }
    return false;
}

/// Planted: everybody's validation click is PLANTED_VALID and everybody's test click is
/// PLANTED_TEST, which stand nowhere in training; and items 0 and 1 are clicked by the same users,
/// but 1 only in their test part. A baseline that counts beyond training would put all of them on
/// top.
static void test_no_leak(void **state) {
    (void)state;
    enum { PLANTED_VALID = 50, PLANTED_TEST = 51 };
    static uint32_t lists[USERS * K];
    uint64_t seed = 8;
    small_log_init(&logs, USERS, ITEMS);
    for (uint32_t user = 0; user < USERS; user++) {
        const bool pair = user % 2 == 0;
        small_log_add(&logs, user, pair ? 0 : 2 + small_random(&seed, 40), 0, LODE_CLICK);
        small_log_add(&logs, user, 2 + small_random(&seed, 40), 1, LODE_CLICK);
        if (user == 1) { // once in training, by somebody without item 0: a legal candidate
            small_log_add(&logs, user, 1, 2, LODE_CLICK);
        }
        small_log_add(&logs, user, PLANTED_VALID, 3, LODE_CLICK);
        small_log_add(&logs, user, pair ? 1 : PLANTED_TEST, 4, LODE_CLICK);
    }
    lode_split *split;
    lode_cases cases;
    lode_error error = {0};
    setting_make(&split, &cases);
    assert_int_equal(cases.count, USERS);
    lode_ranker rankers[2];
    assert_int_equal(lode__ranker_popularity(&rankers[0], split, &error), LODE_OK);
    assert_int_equal(lode__ranker_item_knn(&rankers[1], split, 200, NULL, &error), LODE_OK);
    for (int r = 0; r < 2; r++) {
        rank_all(&rankers[r], &cases, true, lists);
        for (size_t i = 0; i < cases.count; i++) {
            assert_false(list_holds(lists + i * K, PLANTED_VALID));
            assert_false(list_holds(lists + i * K, PLANTED_TEST));
        }
        if (r == 1) { // no similarity of 0 and 1: whoever has 0 and nothing of user 1 does not get 1
            double similarity[ITEMS][ITEMS];
            similarity_make(split, 200, similarity);
            assert_true(similarity[0][1] <= 0);
            check_knn(split, &cases, 200, true, lists);
        }
        rankers[r].free(rankers[r].self);
    }
    lode__cases_release(&cases);
    lode__split_free(&split);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_popularity),
        cmocka_unit_test(test_item_knn),
        cmocka_unit_test(test_no_neighbours),
        cmocka_unit_test(test_no_leak),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
