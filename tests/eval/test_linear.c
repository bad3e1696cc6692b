/// EASE and ALS: cases worked by hand, a dense float64 reference, what each step must do, and the same bits at any
/// thread count.
#include "eval/linear.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../data/small_log.h"
#include "eval/invert.h"

enum { USERS = 250, ITEMS = 280, K = 20 }; // more items than two blocks of the inversion

static small_log logs;
static const lode_split_options leave_one_out = {.type = LODE_SPLIT_LEAVE_ONE_OUT};

static void setting_make(lode_split **split, lode_cases *cases) {
    lode_error error = {0};
    if (lode__split_new(split, &logs.data, &leave_one_out, &error) != LODE_OK ||
        lode__cases_new(cases, *split, lode__protocol_find("leave_one_out"), LODE_PART_TEST,
                        &error) != LODE_OK) {
        fail_msg("%s", error.message);
    }
}

static void setting_end(lode_split **split, lode_cases *cases) {
    lode__cases_release(cases);
    lode__split_free(split);
}

/// Users like one of four groups of items; three items are never clicked.
static void random_make(uint64_t seed) {
    small_log_init(&logs, USERS, ITEMS);
    for (uint32_t user = 0; user < USERS; user++) {
        const uint32_t clicks = 3 + small_random(&seed, 40), group = user % 4 * 69;
        for (uint32_t i = 0; i < clicks; i++) {
            const uint32_t item =
                small_random(&seed, 5) ? group + small_random(&seed, 69) : small_random(&seed, 276);
            small_log_add(&logs, user, item + 1, i, LODE_CLICK);
        }
    }
}

static void expect_near(double got, double expected, double bound) {
    if (!(fabs(got - expected) <= bound)) {
        fail_msg("%.9f, expected %.9f", got, expected);
    }
}

/// A user who can be split, with an item that nobody else has.
static void add_apart(uint32_t user, uint32_t item) {
    for (int64_t time = 0; time < 3; time++) {
        small_log_add(&logs, user, item, time, LODE_CLICK);
    }
}

/// Users {0,1} {0,1} {1,2}, too short to be split; lambda 1: X'X + I = [3 2 0; 2 4 1; 0 1 2], determinant 13, 13 P = [7
/// -4 2; -4 6 -3; 2 -3 8].
static void test_ease_by_hand(void **state) {
    (void)state;
    static const uint32_t clicks[3][2] = {{0, 1}, {1, 0}, {1, 2}};
    static const double expected[3][3] = {
        {0, 4.0 / 6, -2.0 / 8}, {4.0 / 7, 0, 3.0 / 8}, {-2.0 / 7, 3.0 / 6, 0}};
    lode_split *split;
    lode_cases cases;
    lode_ranker ranker;
    lode_error error = {0};
    small_log_init(&logs, 4, 5);
    for (uint32_t user = 0; user < 3; user++) {
        small_log_add(&logs, user, clicks[user][0], 0, LODE_CLICK);
        small_log_add(&logs, user, clicks[user][1], 1, LODE_CLICK);
    }
    add_apart(3, 4);
    setting_make(&split, &cases);
    assert_int_equal(lode__ranker_ease(&ranker, split, 1, NULL, NULL, &error), LODE_OK);
    for (uint32_t i = 0; i < 3; i++) {
        for (uint32_t j = 0; j < 3; j++) {
            expect_near(lode__ease_weight(&ranker, i, j), expected[i][j], 1e-6);
        }
        expect_near(lode__ease_weight(&ranker, i, 3), 0, 0); // never clicked
        expect_near(lode__ease_weight(&ranker, i, 4), 0, 0); // never together
    }
    ranker.free(ranker.self);
    setting_end(&split, &cases);
}

static bool has(const lode_split *split, uint32_t user, uint32_t item, uint64_t end) {
    for (uint64_t at = split->log.offsets[user]; at < end; at++) {
        if (split->log.item[at] == item) {
            return true;
        }
    }
    return false;
}

/// B in float64: Gauss-Jordan on the dense matrix.
static void reference_make(const lode_split *split, double lambda, double b[ITEMS][ITEMS]) {
    static double a[ITEMS][2 * ITEMS];
    static bool pair[USERS][ITEMS];
    memset(a, 0, sizeof a);
    for (uint32_t user = 0; user < USERS; user++) {
        for (uint32_t i = 0; i < ITEMS; i++) {
            pair[user][i] = has(split, user, i, split->train_end[user]);
        }
    }
    for (uint32_t i = 0; i < ITEMS; i++) {
        for (uint32_t j = 0; j < ITEMS; j++) {
            for (uint32_t user = 0; user < USERS; user++) {
                a[i][j] += pair[user][i] && pair[user][j];
            }
        }
        a[i][i] += lambda;
        a[i][ITEMS + i] = 1;
    }
    for (uint32_t p = 0; p < ITEMS; p++) {
        const double pivot = a[p][p];
        for (uint32_t j = 0; j < 2 * ITEMS; j++) {
            a[p][j] /= pivot;
        }
        for (uint32_t i = 0; i < ITEMS; i++) {
            const double factor = a[i][p];
            for (uint32_t j = p; i != p && j < 2 * ITEMS; j++) {
                a[i][j] -= factor * a[p][j];
            }
        }
    }
    for (uint32_t i = 0; i < ITEMS; i++) {
        for (uint32_t j = 0; j < ITEMS; j++) {
            b[i][j] = i == j ? 0 : -a[i][ITEMS + j] / a[j][ITEMS + j];
        }
    }
}

/// All lists, twice, and the scores of some candidates of every case.
static void run_all(const lode_ranker *ranker, const lode_cases *cases, uint32_t *lists,
                    float *scores) {
    lode_error error = {0};
    const size_t half = cases->count / 2;
    static lode_state states[USERS];
    static uint64_t starts[USERS + 1];
    static uint32_t items[USERS * ITEMS];
    assert_int_equal(ranker->rank(ranker->self, cases, 0, half, K, true, lists, &error), LODE_OK);
    assert_int_equal(ranker->rank(ranker->self, cases, half, cases->count - half, K, true,
                                  lists + half * K, &error),
                     LODE_OK);
    for (size_t i = 0; i < cases->count; i++) {
        states[i] = cases->list[i].state;
        starts[i + 1] = (i + 1) * ITEMS;
        for (uint32_t item = 0; item < ITEMS; item++) {
            items[i * ITEMS + item] = item;
        }
    }
    const lode_scoring scoring = {states, starts, items, cases->count, scores};
    assert_int_equal(ranker->score(ranker->self, cases, &scoring, &error), LODE_OK);
}

/// Lists and scores tell the same story: no score falls short of the next, and nothing better was left out.
static void check_lists(const lode_cases *cases, const uint32_t *lists, const float *scores) {
    for (size_t c = 0; c < cases->count; c++) {
        const float *score = scores + c * ITEMS;
        const lode_state state = cases->list[c].state;
        bool listed[ITEMS] = {false};
        for (size_t rank = 0; rank < K; rank++) {
            const uint32_t item = lists[c * K + rank];
            assert_true(item < ITEMS && !listed[item]);
            assert_false(has(cases->split, state.user, item, state.end));
            listed[item] = true;
            if (rank > 0) {
                assert_true(score[item] <= score[lists[c * K + rank - 1]] + 1e-5f);
            }
        }
        for (uint32_t item = 0; item < ITEMS; item++) {
            assert_int_equal(isinf(score[item]) != 0, cases->split->item_count[item] == 0);
            if (!listed[item] && !has(cases->split, state.user, item, state.end)) {
                assert_true(score[item] <= score[lists[c * K + K - 1]] + 1e-5f);
            }
        }
    }
}

static void test_ease_reference(void **state) {
    (void)state;
    static double b[ITEMS][ITEMS];
    static uint32_t lists[USERS * K], more[USERS * K];
    static float scores[USERS * ITEMS], others[USERS * ITEMS];
    lode_split *split;
    lode_cases cases;
    lode_error error = {0};
    random_make(3);
    setting_make(&split, &cases);
    reference_make(split, 5, b);
    for (size_t threads = 1; threads <= 3; threads++) {
        lode_pool *pool = NULL;
        lode_ranker ranker;
        assert_int_equal(lode__pool_new(&pool, threads, &error), LODE_OK);
        assert_int_equal(lode__ranker_ease(&ranker, split, 5, pool, NULL, &error), LODE_OK);
        assert_string_equal(ranker.name, "ease");
        run_all(&ranker, &cases, more, others);
        for (uint32_t i = 0; i < ITEMS && threads == 1; i++) {
            for (uint32_t j = 0; j < ITEMS; j++) {
                expect_near(lode__ease_weight(&ranker, i, j), b[i][j], 1e-5);
            }
        }
        if (threads == 1) {
            memcpy(lists, more, sizeof lists);
            memcpy(scores, others, sizeof scores);
        }
        assert_memory_equal(lists, more, cases.count * K * sizeof *lists);
        assert_memory_equal(scores, others, cases.count * ITEMS * sizeof *scores);
        ranker.free(ranker.self);
        lode__pool_free(&pool);
    }
    check_lists(&cases, lists, scores);
    for (size_t c = 0; c < cases.count; c++) {
        const lode_state at = cases.list[c].state;
        for (uint32_t j = 0; j < ITEMS; j++) {
            double expected = 0;
            for (uint32_t i = 0; i < ITEMS; i++) {
                expected += has(split, at.user, i, at.end) ? b[i][j] : 0;
            }
            if (split->item_count[j] > 0) {
                expect_near((double)scores[c * ITEMS + j], expected, 1e-4);
            }
        }
    }
    setting_end(&split, &cases);
}

/// Two items that are always clicked together: without regularisation nothing can be inverted.
static void test_ease_singular(void **state) {
    (void)state;
    lode_split *split;
    lode_cases cases;
    lode_ranker ranker;
    lode_error error = {0};
    small_log_init(&logs, 3, 3);
    for (uint32_t user = 0; user < 2; user++) {
        small_log_add(&logs, user, 0, 0, LODE_CLICK);
        small_log_add(&logs, user, 1, 1, LODE_CLICK);
    }
    add_apart(2, 2);
    setting_make(&split, &cases);
    assert_int_equal(lode__ranker_ease(&ranker, split, 1e-30, NULL, NULL, &error), LODE_E_CONFIG);
    assert_non_null(strstr(error.message, "eval.ease_regularisation"));
    setting_end(&split, &cases);
}

/// Sizes around the blocks of the inversion, against A (-A^-1) = -I.
static void test_invert(void **state) {
    (void)state;
    static const size_t sizes[] = {0, 1, 2, 127, 128, 129, 257};
    uint64_t seed = 11;
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        const size_t n = sizes[s];
        float *matrix = calloc(n * n + 1, sizeof *matrix), *full = calloc(n * n + 1, sizeof *full);
        lode_error error = {0};
        bool singular;
        for (size_t i = 0; i < n; i++) {
            for (size_t j = 0; j <= i; j++) {
                full[i * n + j] = full[j * n + i] = matrix[i * n + j] =
                    (float)small_random(&seed, 100) / 100 + (i == j ? (float)n : 0);
            }
        }
        assert_int_equal(lode__invert_negative(matrix, n, NULL, NULL, &singular, &error), LODE_OK);
        assert_false(singular);
        for (size_t i = 0; i < n; i++) {
            for (size_t j = 0; j < n; j++) {
                double sum = 0;
                for (size_t p = 0; p < n; p++) {
                    sum += (double)full[i * n + p] *
                           (double)matrix[LODE_MAX(p, j) * n + LODE_MIN(p, j)];
                }
                expect_near(sum, i == j ? -1 : 0, 1e-5);
            }
        }
        free(matrix);
        free(full);
    }
}

/// One user, one item, one factor: x = y at the minimum, and x y = 1 - lambda / (1 + alpha) there.
static void test_als_by_hand(void **state) {
    (void)state;
    lode_split *split;
    lode_cases cases;
    lode_ranker ranker;
    lode_error error = {0};
    double objective[60];
    small_log_init(&logs, 1, 2);
    add_apart(0, 1);
    setting_make(&split, &cases);
    const lode_als_options options = {.factors = 1,
                                      .iterations = 60,
                                      .regularisation = 1,
                                      .alpha = 3,
                                      .seed = 1,
                                      .objective = objective};
    assert_int_equal(lode__ranker_als(&ranker, split, &options, 1, NULL, &error), LODE_OK);
    const lode_state at = {0, 2};
    const uint64_t starts[] = {0, 2};
    const uint32_t items[] = {1, 0};
    float scores[2];
    const lode_scoring scoring = {&at, starts, items, 1, scores};
    assert_int_equal(ranker.score(ranker.self, &cases, &scoring, &error), LODE_OK);
    expect_near((double)scores[0], 0.75, 1e-5);
    assert_true(isinf(scores[1])); // never clicked
    expect_near(objective[59], 4 * 0.25 * 0.25 + 2 * 0.75, 1e-5);
    ranker.free(ranker.self);
    setting_end(&split, &cases);
}

static void test_als(void **state) {
    (void)state;
    static uint32_t lists[USERS * K], more[USERS * K];
    static float scores[USERS * ITEMS], others[USERS * ITEMS];
    enum { ITERATIONS = 8 };
    lode_split *split;
    lode_cases cases;
    lode_error error = {0};
    random_make(4);
    setting_make(&split, &cases);
    for (size_t threads = 1; threads <= 3; threads++) {
        lode_pool *pool = NULL;
        lode_ranker ranker;
        double objective[ITERATIONS];
        const lode_als_options options = {.factors = 12,
                                          .iterations = ITERATIONS,
                                          .regularisation = 2,
                                          .alpha = 4,
                                          .seed = 7,
                                          .objective = objective};
        assert_int_equal(lode__pool_new(&pool, threads, &error), LODE_OK);
        assert_int_equal(lode__ranker_als(&ranker, split, &options, K, pool, &error), LODE_OK);
        assert_string_equal(ranker.name, "als");
        for (int i = 1; i < ITERATIONS; i++) {
            assert_true(objective[i] < objective[i - 1]);
        }
        run_all(&ranker, &cases, more, others);
        if (threads == 1) {
            memcpy(lists, more, sizeof lists);
            memcpy(scores, others, sizeof scores);
        }
        assert_memory_equal(lists, more, cases.count * K * sizeof *lists);
        assert_memory_equal(scores, others, cases.count * ITEMS * sizeof *scores);
        ranker.free(ranker.self);
        lode__pool_free(&pool);
    }
    check_lists(&cases, lists, scores);
    size_t own = 0;
    for (size_t c = 0; c < cases.count;
         c++) { // 69 of 276 items are of the user's group: by chance a quarter
        for (size_t rank = 0; rank < 10; rank++) {
            own += (lists[c * K + rank] - 1) / 69 == cases.list[c].state.user % 4;
        }
    }
    assert_true((double)own > 0.8 * 10 * (double)cases.count);
    setting_end(&split, &cases);
}

static void test_als_options(void **state) {
    (void)state;
    lode_split *split;
    lode_cases cases;
    lode_ranker ranker;
    lode_error error = {0};
    random_make(4);
    setting_make(&split, &cases);
    const lode_als_options bad[] = {{.factors = 0, .iterations = 1, .regularisation = 1},
                                    {.factors = 4, .iterations = 1, .regularisation = 0},
                                    {.factors = 4, .iterations = 1, .regularisation = (double)NAN},
                                    {.factors = 4, .iterations = 1, .regularisation = 1, .alpha = -1}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(lode__ranker_als(&ranker, split, &bad[i], K, NULL, &error), LODE_E_CONFIG);
    }
    setting_end(&split, &cases);
}

static int stop_at_second(void *cookie, const lode_progress *progress) {
    unsigned *calls = cookie;
    assert_true(progress->done <= progress->total && strncmp(progress->task, "fit ", 4) == 0);
    return ++*calls == 2;
}

/// Both fits tell how far they are and stop when they are asked to.
static void test_stop(void **state) {
    (void)state;
    lode_split *split;
    lode_cases cases;
    lode_ranker ranker;
    lode_error error = {0};
    unsigned calls = 0;
    const lode_hooks hooks = {.cookie = &calls, .progress = stop_at_second};
    small_log_init(&logs, 2, 400);
    for (uint32_t item = 0; item < 399; item++) {
        small_log_add(&logs, 0, item, item, LODE_CLICK);
    }
    add_apart(1, 399);
    setting_make(&split, &cases);
    const lode_als_options als = {
        .factors = 4, .iterations = 5, .regularisation = 1, .alpha = 1, .seed = 1, .hooks = &hooks};
    assert_int_equal(lode__ranker_als(&ranker, split, &als, 5, NULL, &error), LODE_E_STOPPED);
    assert_non_null(strstr(error.message, "fit als stopped on request after 1 of 5 sweeps"));
    assert_int_equal(calls, 2);
    calls = 0;
    assert_int_equal(lode__ranker_ease(&ranker, split, 10, NULL, &hooks, &error), LODE_E_STOPPED);
    assert_non_null(strstr(error.message, "fit ease stopped on request"));
    assert_int_equal(calls, 2);
    setting_end(&split, &cases);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ease_by_hand),  cmocka_unit_test(test_ease_reference),
        cmocka_unit_test(test_ease_singular), cmocka_unit_test(test_invert),
        cmocka_unit_test(test_als_by_hand),   cmocka_unit_test(test_als),
        cmocka_unit_test(test_als_options),   cmocka_unit_test(test_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
