/// Linear baselines: EASE where the catalogue allows its matrix, else implicit-feedback ALS.
#ifndef LODE_EVAL_LINEAR_H
#define LODE_EVAL_LINEAR_H

#include "eval/protocol.h"

/// EASE (Steck 2019): score(j) = sum of B_ij over the distinct items i of the known history, with B = I - P diag(1 /
/// diag P), P = (X'X + regularisation I)^-1 and X the distinct pairs of the training part. Items without a training click
/// are no candidates. Memory: (training items)^2 x 4 bytes; time: (training items)^3 / 2 multiply-adds. LODE_E_CONFIG
/// when the regularisation is too small for the matrix to be inverted in float32.
LODE_CHECK lode_status lode__ranker_ease(lode_ranker *ranker, const lode_split *split,
                                         double regularisation, lode_pool *pool,
                                         const lode_hooks *hooks, lode_error *error);
/// B_ij of an EASE ranker, by items of the data set; 0 where one of them has no training click.
double lode__ease_weight(const lode_ranker *ranker, uint32_t i, uint32_t j);

/// Bytes that EASE needs for so many training items.
uint64_t lode__ease_bytes(uint32_t train_items);

typedef struct lode_als_options {
    size_t factors, iterations;
    double regularisation; ///< L2 of every factor vector
    double alpha;          ///< confidence of a click is 1 + alpha
    uint64_t seed;
    double *objective; ///< [iterations] receives what is minimised, after each iteration; or NULL
    const lode_hooks *hooks; ///< told of every iteration, and may stop it; or NULL
} lode_als_options;

/// ALS for implicit feedback (Hu, Koren, Volinsky 2008): the sum over all users and items of c (p - x.y)^2, with p = 1
/// and c = 1 + alpha for pairs of the training part, p = 0 and c = 1 elsewhere, plus regularisation x (sum |x|^2 + sum
/// |y|^2). A half-iteration takes three conjugate-gradient steps a row from where the row was (Takacs et al. 2011). A
/// case is folded in: its user's vector is solved from the known history, so users unseen in training are served alike.
/// Memory: (users + items) x factors x 4 bytes while training, the items' half of it after.
/// @param k  longest list that will be asked for
LODE_CHECK lode_status lode__ranker_als(lode_ranker *ranker, const lode_split *split,
                                        const lode_als_options *options, size_t k, lode_pool *pool,
                                        lode_error *error);

#endif
