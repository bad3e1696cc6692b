/// The encoder: vectors of items and users from a trained (or training) model, without gradients.
#ifndef LODE_MODEL_ENCODER_H
#define LODE_MODEL_ENCODER_H

#include "model/view.h"

typedef struct lode_encoder {
    const lode_model_core *model;
    lode_graph *item_graph, *user_graph;
    lode_item_view *items;
    lode_user_view *users;
    size_t batch, dim;
    size_t interests; ///< vectors a user
} lode_encoder;

/// @param params  the set to read (the model's own, or one of the same layout); read at every encoding
/// @param batch   most users or items of one run
LODE_CHECK lode_status lode__encoder_new(lode_encoder **out, const lode_model_core *model,
                                         const lode_params *params, size_t batch, lode_pool *pool,
                                         lode_error *error);
void lode__encoder_free(lode_encoder **encoder);

/// Vectors of all model items, row r - 1 = item id row r: [vocabulary items, dim].
void lode__encode_items(lode_encoder *encoder, float *vectors);
/// Vectors [count, dim] of item id rows, in any order, repeats allowed; count <= batch. No allocation.
void lode__encode_rows(lode_encoder *encoder, const uint32_t *rows, size_t count, float *vectors);
/// Vectors [count, dim] of cold items of the binding, by number; count <= batch. After lode__binding_cold. No allocation.
void lode__encode_cold(lode_encoder *encoder, const lode_binding *binding, const uint32_t *numbers,
                       size_t count, float *vectors);
/// Vectors [count, interests, dim] of users; count <= batch. A user with fewer interests has the first one again in the
/// place of those that are missing, which no maximum over them notices. No allocation.
void lode__encode_users(lode_encoder *encoder, const lode_user_source *source, size_t count,
                        float *vectors);

#endif
