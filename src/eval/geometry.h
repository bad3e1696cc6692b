/// Alignment and uniformity of a model's vectors (Wang & Isola 2020), as MIC measures them: how close users stand to
/// what they click next, and how evenly users and items spread over the sphere.
#ifndef LODE_EVAL_GEOMETRY_H
#define LODE_EVAL_GEOMETRY_H

#include "base/random.h"
#include "eval/protocol.h"
#include "model/encoder.h"

enum { LODE_GEOMETRY_CASES = 4096, LODE_GEOMETRY_PAIRS = 131072 };

typedef struct lode_geometry {
    double alignment;        ///< mean |u - v|^2 over (user, true item) pairs
    double uniformity_users; ///< log of the mean of exp(-2 |u - u'|^2) over pairs of users
    double uniformity_items; ///< the same over pairs of items
} lode_geometry;

/// Vectors are scaled to length 1 first. At most LODE_GEOMETRY_CASES cases are taken, evenly drawn without repeats, and
/// LODE_GEOMETRY_PAIRS pairs of different users and of different items; the seed says which. A value is NaN where there
/// is no pair.
LODE_CHECK lode_status lode__geometry_measure(lode_geometry *geometry, const lode_cases *cases,
                                              lode_encoder *encoder, const lode_binding *binding,
                                              uint64_t seed, lode_error *error);

/// log of the mean of exp(-2 |a - b|^2) over `pairs` drawn pairs of different groups; NaN when all are of one.
/// @param vectors  [count, dim] of length 1
/// @param group    [count] or NULL: every vector is a group of its own
double lode__uniformity(const float *vectors, size_t count, size_t dim, const uint32_t *group,
                        size_t pairs, lode_random random);

#endif
