/// Draws without replacement: always different items, how often each is among them, log q by hand, where drawing ends, and
/// what cannot be drawn.
#include "data/distinct.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ITEMS = 60, DRAWABLE = 50, ROUNDS = 20000 };

static const lode_sampler_type types[] = {LODE_SAMPLER_UNIFORM, LODE_SAMPLER_LOG_UNIFORM,
                                          LODE_SAMPLER_POPULARITY};

typedef struct drawer {
    lode_sampler *sampler;
    lode_distinct distinct;
    lode_arena arena;
} drawer;

static void counts_make(uint32_t count[ITEMS]) {
    for (uint32_t item = 0; item < ITEMS; item++)
        count[item] = item % 6 == 5 ? 0 : 1 + 500 / (1 + (item * 37) % ITEMS);
}

static lode_status try_open(drawer *it, lode_sampler_type type, double alpha, const uint32_t *count,
                            uint32_t items, size_t wanted, lode_error *error) {
    *it = (drawer){0};
    assert_int_equal(lode__sampler_new(&it->sampler, type, alpha, count, items, error), LODE_OK);
    return lode__distinct_new(&it->distinct, it->sampler, wanted, items, &it->arena, error);
}

static void open_drawer(drawer *it, lode_sampler_type type, size_t wanted) {
    uint32_t count[ITEMS];
    lode_error error = {0};
    counts_make(count);
    if (try_open(it, type, 0.75, count, ITEMS, wanted, &error) != LODE_OK)
        fail_msg("%s", error.message);
}

static void close_drawer(drawer *it) {
    lode__sampler_free(&it->sampler);
    lode__arena_release(&it->arena);
}

static void check_different(const lode_distinct *distinct, size_t count) {
    bool seen[ITEMS] = {false};
    for (size_t i = 0; i < count; i++) {
        const uint32_t item = distinct->items[i];
        assert_true(item < ITEMS && item % 6 != 5 && !seen[item]);
        seen[item] = true;
    }
}

static void test_different(void **state) {
    (void)state;
    static const size_t wanted[] = {1, 2, 20, 45, DRAWABLE};
    for (size_t t = 0; t < 3; t++) {
        for (size_t w = 0; w < sizeof wanted / sizeof *wanted; w++) {
            drawer it;
            open_drawer(&it, types[t], wanted[w]);
            for (uint32_t round = 0; round < 200; round++) {
                lode_random random = lode__random(7, LODE_PURPOSE_NEGATIVES, 0, round);
                const double draws = lode__distinct_draw(&it.distinct, &random);
                check_different(&it.distinct, wanted[w]);
                if (wanted[w] == DRAWABLE) {
                    assert_true(isinf(draws));
                    assert_true(lode__distinct_log_q(&it.distinct, 3, draws) == 0);
                } else {
                    assert_true(draws >= (double)wanted[w]);
                }
            }
            close_drawer(&it);
        }
    }
}

/// The list is that of the sampler's own draws, repeats left out, and draws are those that it took.
static void test_order(void **state) {
    (void)state;
    drawer it;
    open_drawer(&it, LODE_SAMPLER_POPULARITY, 12);
    lode_random random = lode__random(5, LODE_PURPOSE_NEGATIVES, 0, 0), again = random;
    const double draws = lode__distinct_draw(&it.distinct, &random);
    size_t found = 0;
    double number = 0;
    for (; found < 12; number++) {
        const uint32_t item = lode__sampler_draw(it.sampler, &again);
        bool known = false;
        for (size_t i = 0; i < found; i++)
            known = known || it.distinct.items[i] == item;
        if (!known) assert_int_equal(it.distinct.items[found++], item);
    }
    assert_true(draws == number && draws > 12);
    close_drawer(&it);
}

/// The mark goes round: what it once marked is forgotten.
static void test_mark(void **state) {
    (void)state;
    drawer it, fresh;
    open_drawer(&it, LODE_SAMPLER_LOG_UNIFORM, 5);
    open_drawer(&fresh, LODE_SAMPLER_LOG_UNIFORM, 5);
    lode_random random = lode__random(2, LODE_PURPOSE_NEGATIVES, 0, 0), again = random;
    for (uint32_t item = 0; item < ITEMS; item += 2)
        it.distinct.seen[item] = 1;
    it.distinct.now = UINT32_MAX;
    const double draws = lode__distinct_draw(&it.distinct, &random);
    assert_true(draws == lode__distinct_draw(&fresh.distinct, &again));
    assert_memory_equal(it.distinct.items, fresh.distinct.items, 5 * sizeof(uint32_t));
    close_drawer(&it);
    close_drawer(&fresh);
}

/// How often an item is in a draw of `wanted`, against the mean of 1 - (1 - p)^T over the draws. Both have the same sum,
/// `wanted`, but are not the same, for T depends on what is drawn: here by less than 20,000 draws show.
static void check_frequencies(lode_sampler_type type, size_t wanted, double tolerance) {
    drawer it;
    double among[ITEMS] = {0}, expected[ITEMS] = {0}, sum = 0;
    open_drawer(&it, type, wanted);
    for (uint32_t round = 0; round < ROUNDS; round++) {
        lode_random random = lode__random(11, LODE_PURPOSE_NEGATIVES, 0, round);
        const double draws = lode__distinct_draw(&it.distinct, &random);
        for (size_t i = 0; i < wanted; i++)
            among[it.distinct.items[i]] += 1.0 / ROUNDS;
        for (uint32_t item = 0; item < ITEMS; item++) {
            if (item % 6 == 5) continue;
            const double q = exp((double)lode__distinct_log_q(&it.distinct, item, draws));
            const double p = exp((double)it.sampler->log_q[item]);
            assert_true(fabs(q - (1 - pow(1 - p, draws))) <= 1e-6);
            expected[item] += q / ROUNDS;
        }
    }
    for (uint32_t item = 0; item < ITEMS; item++) {
        const double spread = sqrt(expected[item] / ROUNDS);
        if (!(fabs(among[item] - expected[item]) <= 5 * spread + tolerance * expected[item])) {
            fail_msg("type %d, %zu: item %u is in %.5f of the draws, not in %.5f", (int)type,
                     wanted, item, among[item], expected[item]);
        }
        sum += expected[item];
    }
    if (!(fabs(sum - (double)wanted) <= (1e-5 + tolerance) * (double)wanted))
        fail_msg("type %d: %.4f expected items, not %zu", (int)type, sum, wanted);
    close_drawer(&it);
}

static void test_frequencies(void **state) {
    (void)state;
    for (size_t t = 0; t < 3; t++) {
        check_frequencies(types[t], 1, 0);
        check_frequencies(types[t], 5, 0.01);
        check_frequencies(types[t], 20, 0.01);
    }
}

/// Shares 4/7, 2/7, 1/7: after two draws 40/49, 24/49, 13/49.
static void test_by_hand(void **state) {
    (void)state;
    static const uint32_t count[] = {4, 2, 1};
    static const double expected[] = {40.0 / 49, 24.0 / 49, 13.0 / 49};
    drawer it;
    lode_error error = {0};
    assert_int_equal(try_open(&it, LODE_SAMPLER_POPULARITY, 1, count, 3, 2, &error), LODE_OK);
    for (uint32_t item = 0; item < 3; item++) {
        const double once = (double)lode__distinct_log_q(&it.distinct, item, 1);
        assert_true(fabs(once - (double)it.sampler->log_q[item]) <= 1e-6);
        const double twice = (double)lode__distinct_log_q(&it.distinct, item, 2);
        assert_true(fabs(twice - log(expected[item])) <= 1e-6);
    }
    close_drawer(&it);
}

/// Where the draws run out the list is filled from one item on, still without repeats.
static void test_draws_run_out(void **state) {
    (void)state;
    drawer it;
    open_drawer(&it, LODE_SAMPLER_LOG_UNIFORM, 30);
    assert_int_equal(it.distinct.most, 6000);
    it.distinct.most = 3;
    bool differ = false;
    uint32_t last = 0;
    for (uint32_t round = 0; round < 50; round++) {
        lode_random random = lode__random(3, LODE_PURPOSE_NEGATIVES, 0, round);
        assert_true(lode__distinct_draw(&it.distinct, &random) == 3);
        check_different(&it.distinct, 30);
        differ = differ || (round > 0 && last != it.distinct.items[29]);
        last = it.distinct.items[29];
    }
    assert_true(differ);
    close_drawer(&it);
}

static void refused(lode_sampler_type type, double alpha, const uint32_t *count, size_t wanted,
                    const char *fragment) {
    drawer it;
    lode_error error = {0};
    assert_int_equal(try_open(&it, type, alpha, count, 4, wanted, &error), LODE_E_CONFIG);
    if (strstr(error.message, fragment) == NULL) fail_msg("%s", error.message);
    close_drawer(&it);
}

static void test_refused(void **state) {
    (void)state;
    static const uint32_t even[] = {1, 0, 1, 1}, steep[] = {1000000, 1, 1, 1};
    refused(LODE_SAMPLER_UNIFORM, 0, even, 4, "4 different items cannot be drawn: only 3");
    refused(LODE_SAMPLER_POPULARITY, 1, steep, 3, "too many to draw from popularity: 300 draws");
    drawer it; // all there are is no draw
    lode_error error = {0};
    assert_int_equal(try_open(&it, LODE_SAMPLER_POPULARITY, 1, steep, 4, 4, &error), LODE_OK);
    close_drawer(&it);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_different), cmocka_unit_test(test_order),
        cmocka_unit_test(test_mark),      cmocka_unit_test(test_frequencies),
        cmocka_unit_test(test_by_hand),   cmocka_unit_test(test_draws_run_out),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
