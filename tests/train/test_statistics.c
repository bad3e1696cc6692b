/// Statistics against published tables and closed forms.
#include "train/statistics.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void near_to(double got, double wanted, double tolerance) {
    if (!(fabs(got - wanted) <= tolerance)) fail_msg("%.12g, expected %.12g", got, wanted);
}

static void test_mean_deviation(void **state) {
    (void)state;
    const double values[] = {2, 4, 4, 4, 5, 5, 7, 9};
    near_to(lode__mean(values, 8), 5, 1e-15);
    near_to(lode__deviation(values, 8), sqrt(32.0 / 7), 1e-15);
    near_to(lode__deviation(values, 2), sqrt(2), 1e-15);
    assert_true(isnan(lode__mean(values, 0)));
    assert_true(isnan(lode__deviation(values, 1)));
}

static void test_incomplete_beta(void **state) {
    (void)state;
    for (int i = 0; i <= 20; i++) {
        const double x = i / 20.0;
        near_to(lode__incomplete_beta(1, 1, x), x, 1e-14);
        near_to(lode__incomplete_beta(3.5, 1, x), pow(x, 3.5), 1e-14);
        near_to(lode__incomplete_beta(1, 4, x), 1 - pow(1 - x, 4), 1e-14);
        near_to(lode__incomplete_beta(2, 3, x), 6 * x * x - 8 * pow(x, 3) + 3 * pow(x, 4), 1e-14);
        near_to(lode__incomplete_beta(0.5, 0.5, x), 2 / M_PI * asin(sqrt(x)), 1e-14);
        near_to(lode__incomplete_beta(7, 0.3, x), 1 - lode__incomplete_beta(0.3, 7, 1 - x), 1e-14);
    }
    // The distribution of Binomial(10, 0.3): P(X >= 4) = I_0.3(4, 7) = 0.3503892816
    near_to(lode__incomplete_beta(4, 7, 0.3), 0.3503892816, 1e-10);
    assert_true(isnan(lode__incomplete_beta(0, 1, 0.5)));
    assert_true(isnan(lode__incomplete_beta(1, 1, 1.5)));
}

// Percentage points of the t distribution as printed (Abramowitz and Stegun, table 26.10).
static void test_student_table(void **state) {
    (void)state;
    static const struct {
        double freedom, t, cdf;
    } points[] = {{1, 1.000, 0.75},   {1, 6.314, 0.95},   {1, 12.706, 0.975},  {1, 63.657, 0.995},
                  {2, 0.816, 0.75},   {2, 2.920, 0.95},   {2, 4.303, 0.975},   {2, 9.925, 0.995},
                  {3, 3.182, 0.975},  {4, 2.776, 0.975},  {5, 2.015, 0.95},    {5, 4.032, 0.995},
                  {10, 2.228, 0.975}, {10, 3.169, 0.995}, {20, 2.086, 0.975},  {30, 2.042, 0.975},
                  {30, 2.750, 0.995}, {60, 2.000, 0.975}, {120, 1.980, 0.975}, {1e9, 1.960, 0.975}};
    for (size_t i = 0; i < sizeof points / sizeof *points; i++) {
        near_to(lode__student_cdf(points[i].t, points[i].freedom), points[i].cdf, 3e-4);
        near_to(lode__student_cdf(-points[i].t, points[i].freedom), 1 - points[i].cdf, 3e-4);
    }
    for (double t = -8; t <= 8; t += 0.25) { // closed forms for 1 and 2 degrees of freedom
        near_to(lode__student_cdf(t, 1), 0.5 + atan(t) / M_PI, 1e-14);
        near_to(lode__student_cdf(t, 2), 0.5 + t / (2 * sqrt(2 + t * t)), 1e-14);
    }
    near_to(lode__student_cdf(0, 7), 0.5, 0);
    near_to(lode__student_cdf(INFINITY, 7), 1, 0);
    near_to(lode__student_cdf(-INFINITY, 7), 0, 0);
    near_to(lode__student_cdf(1e-9, 1), 0.5 + 1e-9 / M_PI, 2e-16);
    assert_true(isnan(lode__student_cdf(1, 0)));
}

// Student's own data of 1908, hours of sleep gained with two drugs: t = -4.0621, 9 degrees, p = 0.002833.
static void test_paired(void **state) {
    (void)state;
    const double first[] = {0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0};
    const double second[] = {1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4};
    near_to(lode__paired_t_test(first, second, 10), 0.002833, 5e-7);
    near_to(lode__paired_t_test(second, first, 10), 0.002833, 5e-7);
    const double a[] = {1, 2, 4},
                 b[] = {0, 0, 1}; // differences 1, 2, 3: t = 2 sqrt 3, P = 1 - t / sqrt(2 + t^2)
    near_to(lode__paired_t_test(a, b, 3), 1 - sqrt(12.0 / 14), 1e-14);
}

static void test_paired_edges(void **state) {
    (void)state;
    const double a[] = {1, 2, 3}, shifted[] = {2, 3, 4};
    near_to(lode__paired_t_test(a, a, 3), 1, 0);
    near_to(lode__paired_t_test(a, shifted, 3), 0, 0);
    assert_true(isnan(lode__paired_t_test(a, shifted, 1)));
    assert_true(isnan(lode__paired_t_test(a, shifted, 0)));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mean_deviation), cmocka_unit_test(test_incomplete_beta),
        cmocka_unit_test(test_student_table), cmocka_unit_test(test_paired),
        cmocka_unit_test(test_paired_edges)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
