/// A stack of fully connected layers: ReLU (or tanh) on hidden layers, linear last (SYSTEMS.md, decisions).
#ifndef LODE_MODEL_MLP_H
#define LODE_MODEL_MLP_H

#include "base/config.h"
#include "graph/ops.h"

#define LODE_MLP_LAYERS 8

typedef struct lode_mlp {
    size_t count;
    size_t weight[LODE_MLP_LAYERS], bias[LODE_MLP_LAYERS]; ///< numbers of parameters
    lode_activation activation;
} lode_mlp;

/// LODE_E_CONFIG unless there are 1 .. LODE_MLP_LAYERS widths. @param side  "user" or "item"
LODE_CHECK lode_status lode__mlp_check(lode_ints layers, const char *side, lode_error *error);
/// Declare "PREFIX.0.weight", "PREFIX.0.bias", ...; `layers` are the output widths (1 .. LODE_MLP_LAYERS of them).
void lode__mlp_declare(lode_mlp *mlp, lode_params *params, const char *prefix, size_t inputs,
                       lode_ints layers, lode_activation activation);
lode_tensor *lode__mlp_apply(const lode_mlp *mlp, lode_graph *graph, const lode_params *params,
                             lode_tensor *x);

/// The choices of a key `activation`, in the order of lode_activation from LODE_RELU on.
extern const char *const lode__activations[];

#endif
