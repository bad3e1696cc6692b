#include "model/mlp.h"

#include <stdio.h>

const char *const lode__activations[] = {"relu", "tanh", "gelu", NULL};

lode_status lode__mlp_check(lode_ints layers, const char *side, lode_error *error) {
    if (layers.count >= 1 && layers.count <= LODE_MLP_LAYERS) return LODE_OK;
    return lode__fail(error, LODE_E_CONFIG, "model.%s.layers needs 1 to %d widths, not %zu", side,
                      LODE_MLP_LAYERS, layers.count);
}

void lode__mlp_declare(lode_mlp *mlp, lode_params *params, const char *prefix, size_t inputs,
                       lode_ints layers, lode_activation activation) {
    assert(layers.count >= 1 && layers.count <= LODE_MLP_LAYERS);
    mlp->count = layers.count;
    mlp->activation = activation;
    for (size_t i = 0; i < layers.count; i++) {
        const size_t width = (size_t)layers.values[i];
        char name[128];
        (void)snprintf(name, sizeof name, "%s.%zu.weight", prefix, i);
        mlp->weight[i] = lode__param_dense(params, name, inputs, width, LODE_INIT_XAVIER, 1.0);
        (void)snprintf(name, sizeof name, "%s.%zu.bias", prefix, i);
        mlp->bias[i] = lode__param_dense(params, name, 1, width, LODE_INIT_ZERO, 0.0);
        inputs = width;
    }
}

lode_tensor *lode__mlp_apply(const lode_mlp *mlp, lode_graph *graph, const lode_params *params,
                             lode_tensor *x) {
    for (size_t i = 0; i < mlp->count; i++) {
        const bool last = i + 1 == mlp->count;
        x = lode__linear(graph, x, lode__param(params, mlp->weight[i]),
                         lode__param(params, mlp->bias[i]), last ? LODE_LINEAR : mlp->activation);
    }
    return x;
}
