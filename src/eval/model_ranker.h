/// A model as a ranker: encodes the cases' users and searches the items exactly.
#ifndef LODE_EVAL_MODEL_RANKER_H
#define LODE_EVAL_MODEL_RANKER_H

#include "eval/protocol.h"
#include "model/encoder.h"

/// @param k  longest list that will be asked for
/// The encoder's item vectors are refreshed by lode__model_ranker_refresh; call it before ranking. After
/// lode__binding_cold the items that training never saw are encoded too, and may be candidates.
LODE_CHECK lode_status lode__ranker_model(lode_ranker *ranker, lode_encoder *encoder,
                                          const lode_binding *binding, size_t k, lode_pool *pool,
                                          lode_error *error);
void lode__model_ranker_refresh(lode_ranker *ranker);
/// The refreshed vectors: [vocabulary items, dim] first; the ranker's.
const float *lode__model_ranker_items(const lode_ranker *ranker);

#endif
