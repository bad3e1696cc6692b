#include "graph/optimiser.h"

// graph/update.c, compiled for both precisions
void lode__update_f32(const lode_optimiser *optimiser, lode_params *params, uint64_t step,
                      lode_pool *pool);
void lode__update_f64(const lode_optimiser *optimiser, lode_params *params, uint64_t step,
                      lode_pool *pool);
void lode__store_dense_f32(lode_store *store, void *out);
void lode__store_dense_f64(lode_store *store, void *out);

void lode__optimise(const lode_optimiser *optimiser, lode_params *params, uint64_t step,
                    lode_pool *pool) {
    params->version++;
    if (params->precision == LODE_F32) {
        lode__update_f32(optimiser, params, step, pool);
    } else {
        lode__update_f64(optimiser, params, step, pool);
    }
}

void lode__store_dense_gradient(lode_store *store, lode_precision precision, void *out) {
    if (precision == LODE_F32) {
        lode__store_dense_f32(store, out);
    } else {
        lode__store_dense_f64(store, out);
    }
}
