/// A model as a ranker: encodes the cases' users and searches the items exactly.
#ifndef LODE_EVAL_MODEL_RANKER_H
#define LODE_EVAL_MODEL_RANKER_H

#include "eval/protocol.h"
#include "model/encoder.h"

/// Bytes of item vectors that are kept from batch to batch.
#define LODE_RANKING_ROOM ((size_t)64 << 20)

typedef struct lode_ranking {
    size_t longest; ///< list that will be asked for
    size_t room;    ///< bytes of vectors; 0 = LODE_RANKING_ROOM
} lode_ranking;

/// Items whose vectors do not fit into the room are encoded and searched block by block; lists and scores are the same.
/// After lode__binding_cold the items that training never saw are encoded too, and may be candidates.
LODE_CHECK lode_status lode__ranker_model(lode_ranker *ranker, lode_encoder *encoder,
                                          const lode_binding *binding, const lode_ranking *ranking,
                                          lode_pool *pool, lode_error *error);
/// The encoder's parameters have changed: encode the items anew when they are needed.
void lode__model_ranker_refresh(lode_ranker *ranker);

#endif
