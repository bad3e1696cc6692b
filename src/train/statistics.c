/// Mean, deviation and the paired t-test.
///
/// Student's distribution comes from the incomplete beta function: with x = n / (n + t^2),
///
///     P(|T| > |t|) = I_x(n / 2, 1 / 2)
///
/// and I_x(a, b) from its continued fraction (Abramowitz and Stegun 26.5.8), evaluated from the front by the modified
/// Lentz method. It converges fast for x < (a + 1) / (a + b + 2); beyond, I_x(a, b) = 1 - I_{1-x}(b, a).
#include "train/statistics.h"

#include <math.h>

enum { MOST_TERMS = 10000 };

double lode__mean(const double *values, size_t count) {
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += values[i];
    return count > 0 ? sum / (double)count : (double)NAN;
}

double lode__deviation(const double *values, size_t count) {
    if (count < 2) return (double)NAN;
    const double mean = lode__mean(values, count);
    double squares = 0;
    for (size_t i = 0; i < count; i++)
        squares += (values[i] - mean) * (values[i] - mean);
    return sqrt(squares / (double)(count - 1));
}

/// The logarithm of gamma for positive arguments; lgamma itself writes a global sign.
static double log_gamma(double x) {
    int sign;
    return lgamma_r(x, &sign);
}

static double away_from_zero(double x) {
    return fabs(x) < 1e-300 ? 1e-300 : x;
}

/// The continued fraction 1 / (1 + d_1 / (1 + d_2 / (1 + ...))) of I_x(a, b).
static double beta_fraction(double a, double b, double x) {
    double c = 1, d = 1 / away_from_zero(1 - (a + b) * x / (a + 1)), value = d;
    for (int m = 1; m <= MOST_TERMS; m++) {
        const double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
        const double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
        d = 1 / away_from_zero(1 + even * d);
        c = away_from_zero(1 + even / c);
        value *= c * d;
        d = 1 / away_from_zero(1 + odd * d);
        c = away_from_zero(1 + odd / c);
        value *= c * d;
        if (fabs(c * d - 1) < 1e-15) break;
    }
    return value;
}

double lode__incomplete_beta(double a, double b, double x) {
    if (!(a > 0) || !(b > 0) || !(x >= 0) || !(x <= 1)) return (double)NAN;
    if (x <= 0) return 0;
    if (x >= 1) return 1;
    const double front =
        exp(log_gamma(a + b) - log_gamma(a) - log_gamma(b) + a * log(x) + b * log1p(-x));
    if (x < (a + 1) / (a + b + 2)) return front * beta_fraction(a, b, x) / a;
    return 1 - front * beta_fraction(b, a, 1 - x) / b;
}

/// P(|T| > |t|)
static double two_sided(double t, double freedom) {
    if (isinf(t)) return 0;
    const double square = t * t;
    if (square < freedom) { // 1 - x without cancellation for small t
        return 1 - lode__incomplete_beta(0.5, freedom / 2, square / (freedom + square));
    }
    return lode__incomplete_beta(freedom / 2, 0.5, freedom / (freedom + square));
}

double lode__student_cdf(double t, double freedom) {
    if (isnan(t) || !(freedom > 0)) return (double)NAN;
    const double tail = two_sided(t, freedom) / 2;
    return t > 0 ? 1 - tail : tail;
}

double lode__paired_t_test(const double *a, const double *b, size_t count) {
    if (count < 2) return (double)NAN;
    double mean = 0, squares = 0;
    for (size_t i = 0; i < count; i++)
        mean += (a[i] - b[i]) / (double)count;
    for (size_t i = 0; i < count; i++)
        squares += (a[i] - b[i] - mean) * (a[i] - b[i] - mean);
    const double freedom = (double)(count - 1);
    const double error = sqrt(squares / freedom / (double)count);
    if (!(error > 0)) return fabs(mean) > 0 ? 0 : 1;
    return two_sided(mean / error, freedom);
}
