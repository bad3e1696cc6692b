/// Gradients of a graph against central finite differences.
///
/// A case is a function that declares parameters, builds a graph and fills its inputs, given its options:
///
///     static void build(gradcheck *check, const void *options) {
///         lode_dim *rows = gradcheck_dim(check, "rows", 5);
///         lode_tensor *x = gradcheck_input(check, "x", rows, 3);
///         gradcheck_sum(check, lode__normalize(check->graph, x));
///     }
///
/// Inputs are rows of tables, so that their gradients are checked like those of weights. gradcheck_sum adds a
/// test-only op to the losses: the sum of all elements, each times a fixed number of its own.
///
/// gradcheck_run builds the case in double and compares every element of every parameter with
/// (L(v + h) - L(v - h)) / 2h, on the maximum and with explicit checks for NaN. Memory that the graph must write
/// is filled with NaN before it runs and whenever it is dead; the graph runs twice and must give the same bits, and so
/// must a graph in which nothing shares memory.
#ifndef LODE_TESTS_GRADCHECK_H
#define LODE_TESTS_GRADCHECK_H

#include "base/random.h"
#include "graph/ops.h"

typedef struct gradcheck {
    lode_params *params;
    lode_graph *graph;
    lode_random random; ///< for the case's inputs
    void *data;         ///< of the case, for its `verify`
} gradcheck;

typedef struct gradcase {
    const char *name;
    void (*build)(gradcheck *check, const void *options);
    /// After a forward run in double: compare values with an independent formula. NULL = none.
    void (*verify)(const gradcheck *check, const void *options);
    const void *options;
    bool flat;   ///< all gradients are 0, and that is right
    double deep; ///< many ops one after the other: bf16 may be so many times as far; 0 = 1
} gradcase;

// For `build`:

/// A dimension of size `size`, in a graph that has room for a few more.
lode_dim *gradcheck_dim(gradcheck *check, const char *name, size_t size);
/// A tensor of normal random numbers with gradients.
lode_tensor *gradcheck_input(gradcheck *check, const char *name, lode_dim *rows, size_t columns);
/// Weights or a table of normal random numbers.
lode_param *gradcheck_dense(gradcheck *check, const char *name, size_t rows, size_t columns);
lode_param *gradcheck_table(gradcheck *check, const char *name, size_t rows, size_t columns);
/// An index with random numbers below `bound`.
lode_ids *gradcheck_index(gradcheck *check, lode_dim *dim, size_t width, size_t bound);
/// Lists of the given lengths; `positions` gets their sum as its size.
lode_lists *gradcheck_lists(gradcheck *check, lode_dim *rows, const char *positions,
                            const size_t *lengths);
void gradcheck_sum(gradcheck *check, lode_tensor *tensor);

/// Build a case outside of gradcheck_run; `kernels` replaces the graph's table unless it is NULL; `apart` gives
/// every tensor memory of its own, so that values can be looked at after a run.
void gradcheck_open(gradcheck *check, const gradcase *item, lode_precision precision,
                    const void *kernels, bool apart);
void gradcheck_close(gradcheck *check);
/// One forward and backward run; leaves gradients where the graph put them.
double gradcheck_step(gradcheck *check);
/// Copy the gradient of a parameter as doubles (zeros when it got none) and forget it. Free with lode__free.
double *gradcheck_take(gradcheck *check, lode_param *param);

/// Fails unless |found - expected| <= absolute + relative * |expected|; NaN and infinity fail.
void gradcheck_near(double found, double expected, double absolute, double relative,
                    const char *what);

void gradcheck_run(const gradcase *item);
/// The same graph in float or bf16, at every level this machine has, against double on the same weights.
void gradcheck_run_rounded(const gradcase *item, lode_precision precision);

/// Run all of the above on every case as cmocka tests; returns the number of failures.
int gradcheck_main(const char *group, const gradcase *cases, size_t count);

#endif
