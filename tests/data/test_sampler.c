#include "data/sampler.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "small_log.h"

enum { ITEMS = 60, DRAWS = 200000 };

/// Counts with zeros, ties and a long tail.
static void counts_make(uint32_t count[ITEMS]) {
    for (uint32_t item = 0; item < ITEMS; item++) {
        count[item] = item % 6 == 5 ? 0 : 1 + 2000 / (1 + (item * 37) % ITEMS);
    }
    count[7] = count[8] = count[9];
}

static lode_sampler *sampler_make(lode_sampler_type type, double alpha, const uint32_t *count,
                                  uint32_t items) {
    lode_sampler *sampler = NULL;
    lode_error error = {0};
    if (lode__sampler_new(&sampler, type, alpha, count, items, &error) != LODE_OK) {
        fail_msg("%s", error.message);
    }
    return sampler;
}

/// The probability of every item by the definition.
static void expected_make(lode_sampler_type type, double alpha, const uint32_t *count,
                          uint32_t items, double *q) {
    uint32_t n = 0;
    double sum = 0;
    for (uint32_t item = 0; item < items; item++) {
        n += count[item] > 0;
        sum += count[item] > 0 ? pow(count[item], alpha) : 0;
    }
    for (uint32_t item = 0; item < items; item++) {
        uint32_t rank = 0;
        for (uint32_t other = 0; other < items; other++) {
            rank += count[other] > count[item] || (count[other] == count[item] && other < item);
        }
        if (count[item] == 0) {
            q[item] = 0;
        } else if (type == LODE_SAMPLER_UNIFORM) {
            q[item] = 1.0 / n;
        } else if (type == LODE_SAMPLER_LOG_UNIFORM) {
            q[item] = log((rank + 2.0) / (rank + 1.0)) / log(n + 1.0);
        } else {
            q[item] = pow(count[item], alpha) / sum;
        }
    }
}

static void check_draws(const lode_sampler *sampler, const double *q, uint32_t items) {
    static uint32_t drawn[ITEMS];
    memset(drawn, 0, sizeof drawn);
    lode_random random = lode__random(7, LODE_PURPOSE_NEGATIVES, 0, 0);
    for (int i = 0; i < DRAWS; i++) {
        const uint32_t item = lode__sampler_draw(sampler, &random);
        assert_true(item < items);
        drawn[item]++;
    }
    double chi = 0;
    int freedom = -1;
    for (uint32_t item = 0; item < items; item++) {
        if (q[item] <= 0) {
            assert_int_equal(drawn[item], 0);
            continue;
        }
        const double expected = q[item] * DRAWS;
        chi += (drawn[item] - expected) * (drawn[item] - expected) / expected;
        freedom++;
    }
    if (!(chi <= freedom + 5 * sqrt(2.0 * freedom) && chi >= freedom - 5 * sqrt(2.0 * freedom))) {
        fail_msg("chi-square is %g for %d degrees of freedom", chi, freedom);
    }
}

static void check_sampler(lode_sampler_type type, double alpha) {
    uint32_t count[ITEMS];
    double q[ITEMS];
    counts_make(count);
    expected_make(type, alpha, count, ITEMS, q);
    lode_sampler *sampler = sampler_make(type, alpha, count, ITEMS);
    assert_int_equal(sampler->count, 50);
    double sum = 0;
    for (uint32_t item = 0; item < ITEMS; item++) {
        const double got = (double)sampler->log_q[item];
        if (q[item] <= 0) {
            assert_true(isinf(got) && got < 0);
        } else {
            assert_true(fabs(got - log(q[item])) <= 1e-6 * fabs(log(q[item])));
            sum += exp(got);
        }
    }
    assert_true(fabs(sum - 1) < 1e-5);
    check_draws(sampler, q, ITEMS);
    lode__sampler_free(&sampler);
    assert_null(sampler);
}

static void test_uniform(void **state) {
    (void)state;
    check_sampler(LODE_SAMPLER_UNIFORM, 0);
}

static void test_log_uniform(void **state) {
    (void)state;
    check_sampler(LODE_SAMPLER_LOG_UNIFORM, 0);
}

static void test_popularity(void **state) {
    (void)state;
    static const double alphas[] = {0, 0.5, 0.75, 1, 2};
    for (size_t i = 0; i < sizeof alphas / sizeof *alphas; i++) {
        check_sampler(LODE_SAMPLER_POPULARITY, alphas[i]);
    }
}

/// What the alias table really gives, added up entry by entry, on a large and very uneven list.
static void test_alias_table(void **state) {
    (void)state;
    enum { MANY = 20000 };
    uint32_t *count = calloc(MANY, sizeof *count);
    double *got = calloc(MANY, sizeof *got);
    double sum = 0;
    for (uint32_t i = 0; i < MANY; i++) {
        count[i] = 1 + (i % 100 == 0 ? 4000000 / (i + 1) : i % 3);
        sum += pow(count[i], 1.5);
    }
    lode_sampler *sampler = sampler_make(LODE_SAMPLER_POPULARITY, 1.5, count, MANY);
    for (uint32_t i = 0; i < MANY; i++) {
        const double threshold = (double)sampler->threshold[i];
        assert_true(threshold >= 0 && threshold <= 1);
        got[sampler->items[i]] += threshold / MANY;
        got[sampler->items[sampler->alias[i]]] += (1 - threshold) / MANY;
    }
    for (uint32_t i = 0; i < MANY; i++) {
        const double q = pow(count[i], 1.5) / sum;
        if (!(fabs(got[i] - q) <= 1e-6 * q + 1e-12)) {
            fail_msg("item %u: %g, expected %g", i, got[i], q);
        }
    }
    lode__sampler_free(&sampler);
    free(got);
    free(count);
}

static void test_one_item(void **state) {
    (void)state;
    const uint32_t count[] = {0, 0, 9};
    for (int type = LODE_SAMPLER_UNIFORM; type <= LODE_SAMPLER_POPULARITY; type++) {
        lode_sampler *sampler = sampler_make((lode_sampler_type)type, 1, count, 3);
        lode_random random = lode__random(1, LODE_PURPOSE_NEGATIVES, 0, 0);
        for (int i = 0; i < 100; i++) {
            assert_int_equal(lode__sampler_draw(sampler, &random), 2);
        }
        assert_true(fabs((double)sampler->log_q[2]) < 1e-6);
        lode__sampler_free(&sampler);
    }
}

static void test_refusals(void **state) {
    (void)state;
    const uint32_t none[] = {0, 0, 0}, some[] = {1, 2, 3};
    static const double bad[] = {-0.5, 2.5, (double)NAN};
    lode_sampler *sampler = NULL;
    lode_error error = {0};
    for (int type = LODE_SAMPLER_UNIFORM; type <= LODE_SAMPLER_POPULARITY; type++) {
        assert_int_equal(lode__sampler_new(&sampler, (lode_sampler_type)type, 1, none, 3, &error),
                         LODE_E_CONFIG);
        assert_non_null(strstr(error.message, "training click"));
        assert_null(sampler);
    }
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(lode__sampler_new(&sampler, LODE_SAMPLER_POPULARITY, bad[i], some, 3, &error),
                         LODE_E_CONFIG);
        assert_null(sampler);
    }
}

/// An item of the test part only must never be drawn.
static void test_no_leak(void **state) {
    (void)state;
    static small_log logs;
    small_log_init(&logs, 50, 12);
    uint64_t seed = 2;
    for (uint32_t user = 0; user < 50; user++) {
        for (int i = 0; i < 5; i++) {
            small_log_add(&logs, user, small_random(&seed, 10), i, LODE_CLICK);
        }
        small_log_add(&logs, user, 10, 5, LODE_CLICK); // validation
        small_log_add(&logs, user, 11, 6, LODE_CLICK); // test
    }
    const lode_split_options options = {.type = LODE_SPLIT_LEAVE_ONE_OUT};
    lode_split *split = NULL;
    lode_error error = {0};
    assert_int_equal(lode__split_new(&split, &logs.data, &options, &error), LODE_OK);
    for (int type = LODE_SAMPLER_UNIFORM; type <= LODE_SAMPLER_POPULARITY; type++) {
        lode_sampler *sampler = sampler_make((lode_sampler_type)type, 1, split->item_count, 12);
        lode_random random = lode__random(3, LODE_PURPOSE_NEGATIVES, 0, 0);
        assert_int_equal(sampler->count, 10);
        for (int i = 0; i < 20000; i++) {
            assert_true(lode__sampler_draw(sampler, &random) < 10);
        }
        lode__sampler_free(&sampler);
    }
    lode__split_free(&split);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_uniform),    cmocka_unit_test(test_log_uniform),
        cmocka_unit_test(test_popularity), cmocka_unit_test(test_alias_table),
        cmocka_unit_test(test_one_item),   cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_no_leak),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
