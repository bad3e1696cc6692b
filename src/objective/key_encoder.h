/// The key encoder of CLRec-moco: a tower with weights that follow the trained ones (Eq. 5), forward only.
///
/// Tables are the model's own; what has a momentum copy are the other weights that the tower reads. With momentum 0, or
/// where there are none, the key encoder is the tower as it stands: a memory bank. Nothing is dropped out.
#ifndef LODE_OBJECTIVE_KEY_ENCODER_H
#define LODE_OBJECTIVE_KEY_ENCODER_H

#include "objective/objective.h"

typedef struct lode_key_encoder {
    const lode_model_core *model;
    lode_side side; ///< which tower
    double momentum;
    lode_params *keys; ///< theta_k; its block is state for checkpoints
    lode_graph *graph;
    lode_item_view *view;  ///< of the item side, or NULL
    lode_user_view *users; ///< of the user side, or NULL
} lode_key_encoder;

/// @param strict  item side: LODE_E_CONFIG, naming it, when the item tower reads a weight that the user tower does not
LODE_CHECK lode_status lode__key_encoder_prepare(lode_key_encoder *self,
                                                 const lode_model_core *model, lode_side side,
                                                 double momentum, bool strict, lode_error *error);
/// Its own graph, for `capacity` distinct items, or so many users.
LODE_CHECK lode_status lode__key_encoder_build(lode_key_encoder *self, const lode_graph *like,
                                               size_t capacity, lode_error *error);
/// Item side: encode item rows, repeats allowed; then the vector [d] of one of them.
void lode__key_encoder_run(lode_key_encoder *self, const uint32_t *rows, size_t count);
void lode__key_encoder_vector(const lode_key_encoder *self, uint32_t row, float *vector);
/// User side: encode the users 0 .. count - 1 of a source; then the vector [d] of one of them.
void lode__key_encoder_run_users(lode_key_encoder *self, const lode_user_source *users, size_t count);
void lode__key_encoder_user(const lode_key_encoder *self, size_t index, float *vector);
void lode__key_encoder_follow(lode_key_encoder *self, const lode_params *params);
/// State for checkpoints: one array, or none where nothing has a momentum copy.
size_t lode__key_encoder_arrays(const lode_key_encoder *self, lode_state_array *arrays);
/// Bytes of its graph and of weights packed for it. The momentum copy is what `arrays` lists.
size_t lode__key_encoder_bytes(const lode_key_encoder *self);
void lode__key_encoder_restored(lode_key_encoder *self);
void lode__key_encoder_release(lode_key_encoder *self);

#endif
