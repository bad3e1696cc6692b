/// The few statistics that a table of experiments needs.
#ifndef LODE_TRAIN_STATISTICS_H
#define LODE_TRAIN_STATISTICS_H

#include <stddef.h>

/// NaN for no values.
double lode__mean(const double *values, size_t count);
/// The sample's standard deviation (n - 1); NaN for fewer than two values.
double lode__deviation(const double *values, size_t count);

/// The regularised incomplete beta function I_x(a, b), a and b > 0, x in 0..1; NaN outside.
double lode__incomplete_beta(double a, double b, double x);

/// P(T <= t) of Student's t with `freedom` > 0 degrees of freedom (need not be whole).
double lode__student_cdf(double t, double freedom);

/// Paired t-test, two-sided: the probability of a mean difference at least this large if there were none.
/// NaN for fewer than two pairs; with no variance it is 1 for equal means, else 0.
double lode__paired_t_test(const double *a, const double *b, size_t count);

#endif
