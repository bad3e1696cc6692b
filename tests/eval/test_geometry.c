/// Uniformity on vectors whose value is known; alignment and the rest on a model stand in tests/cli.
#include "eval/geometry.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void expect_near(double got, double expected, double bound) {
    if (!(fabs(got - expected) <= bound)) {
        fail_msg("%.9f, expected %.9f", got, expected);
    }
}

static double measure(const float *vectors, size_t count, size_t dim, const uint32_t *group,
                      uint64_t seed) {
    return lode__uniformity(vectors, count, dim, group, LODE_GEOMETRY_PAIRS,
                            lode__random(seed, LODE_PURPOSE_SAMPLE, 0, 0));
}

/// Opposite vectors: |a - b|^2 = 4, so the value is -8; equal ones: 0.
static void test_two(void **state) {
    (void)state;
    static const float opposite[] = {1, 0, -1, 0}, equal[] = {0, 1, 0, 1};
    expect_near(measure(opposite, 2, 2, NULL, 1), -8, 1e-9);
    expect_near(measure(equal, 2, 2, NULL, 1), 0, 1e-9);
    assert_true(isnan(measure(equal, 1, 2, NULL, 1)));
    assert_true(isnan(measure(equal, 0, 2, NULL, 1)));
}

/// Four corners: a third of the pairs is opposite (4), two thirds are neighbours (2).
static void test_square(void **state) {
    (void)state;
    static const float corners[] = {1, 0, 0, 1, -1, 0, 0, -1};
    const double expected = log(exp(-8) / 3 + 2 * exp(-4) / 3);
    const double first = measure(corners, 4, 2, NULL, 1), second = measure(corners, 4, 2, NULL, 2);
    expect_near(first, expected, 0.02);
    expect_near(second, expected, 0.02);
    expect_near(measure(corners, 4, 2, NULL, 1), first, 0); // the seed alone decides
    assert_true(fabs(first - second) > 0);
}

/// Pairs within a group do not count: what is left is opposite.
static void test_groups(void **state) {
    (void)state;
    static const float vectors[] = {1, 0, 1, 0, -1, 0, -1, 0};
    static const uint32_t group[] = {7, 7, 9, 9}, one[] = {3, 3, 3, 3};
    expect_near(measure(vectors, 4, 2, group, 1), -8, 1e-9);
    assert_true(isnan(measure(vectors, 4, 2, one, 1)));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_two), cmocka_unit_test(test_square),
                                       cmocka_unit_test(test_groups)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
