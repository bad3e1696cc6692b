/// The model: two towers, a scorer and their parameters.
#ifndef LODE_MODEL_MODEL_H
#define LODE_MODEL_MODEL_H

#include "model/tower.h"

typedef enum lode_scorer { LODE_SCORER_DOT, LODE_SCORER_COSINE } lode_scorer;

/// Section `model` of a configuration.
typedef struct lode_model_options {
    int64_t dim;
    int scorer;
    double init;     ///< standard deviation of embedding tables
    lode_node *user; ///< tower: NAME and its keys
    lode_node *item;
} lode_model_options;

extern const lode_key lode__model_keys[];

typedef struct lode_model_core {
    lode_model_options options;
    size_t history; ///< longest history (data.history)
    lode_vocabulary *vocabulary;
    lode_params *params;
    lode_tower user, item;
    lode_arena arena;
} lode_model_core;

/// Declare field tables and towers, and initialise all parameters from the seed. Takes over `vocabulary` on
/// success and on failure. `options` and its nodes must outlive the model.
LODE_CHECK lode_status lode__model_core_new(lode_model_core **out, const lode_model_options *options,
                                            size_t history, lode_vocabulary *vocabulary,
                                            uint64_t seed, lode_error *error);
void lode__model_core_free(lode_model_core **model);

/// Apply a side's tower and what the scorer wants of its vector (cosine: unit length; of users, lode__user_ready).
void lode__tower_apply(const lode_model_core *model, lode_side side, lode_graph *graph,
                       const lode_params *params, const lode_tower_inputs *inputs,
                       lode_tower_outputs *outputs);
/// What the user tower wants to know of clicks; all zeros for nothing.
lode_click_wants lode__model_click_wants(const lode_model_core *model);
/// What training compares with items in place of a user [users, d]: its vector, or of a tower with several the label-aware
/// attention for the user's target. @param items  vectors of items; `targets` [users] are rows of them
lode_tensor *lode__tower_query(const lode_model_core *model, lode_graph *graph,
                               const lode_tower_outputs *outputs, lode_tensor *items,
                               lode_ids *targets);
/// Vectors of users [m, d] as a score takes them: with a 1 behind them where the item tower has a bias (d is one more then), of
/// unit length under cosine. @param vectors  NULL gives NULL
lode_tensor *lode__user_ready(const lode_model_core *model, lode_graph *graph, lode_tensor *vectors);
/// The positions of a user tower as the scorer wants its vector.
lode_tensor *lode__tower_states(const lode_model_core *model, lode_graph *graph,
                                const lode_tower_outputs *outputs);

#endif
