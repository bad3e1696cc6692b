/// The whole configuration of a run: one struct, one table of keys (DESIGN: "a whole config").
#ifndef LODE_TRAIN_CONFIG_H
#define LODE_TRAIN_CONFIG_H

#include "data/sessions.h"
#include "eval/metrics.h"
#include "eval/protocol.h"
#include "graph/optimiser.h"
#include "model/model.h"
#include "objective/objective.h"

typedef struct lode_data_config {
    int64_t history, min_history;
    int examples;                       ///< lode_example_kind
    int windows;                        ///< of all_positions and cloze: 0 the last of a user, 1 all
    double mask_probability, mask_last; ///< of cloze
    lode_session_options sessions;
    lode_split_options split;
} lode_data_config;

typedef struct lode_fields_config {
    lode_node *item, *user, *context;
} lode_fields_config;

typedef struct lode_train_config {
    int64_t batch, epochs, seed, threads, checkpoint_every;
    double learning_rate, beta1, beta2, epsilon, weight_decay;
    int optimiser; ///< lode_optimiser_type
    int precision; ///< 0 f32, 1 bf16
} lode_train_config;

typedef struct lode_eval_config {
    const char *protocol; ///< auto, or a name
    const char *valid;    ///< metric that chooses the best epoch
    int64_t patience, every, valid_cases;
    lode_ints cutoffs;
    lode_texts metrics;
    int exclude_seen; ///< 0 as the protocol says, 1 yes, 2 no
    int64_t neighbours;
    lode_texts baselines; ///< popularity, item_knn, linear or auto, ease, als
    int64_t ease_items, als_factors, als_iterations;
    double ease_regularisation, als_regularisation, als_alpha;
    lode_protocol_details details;
    lode_texts slices;
    int64_t short_history;
    const char *category; ///< item column of category_diversity; "" = none
} lode_eval_config;

typedef struct lode_config {
    lode_data_config data;
    lode_fields_config fields;
    lode_model_options model;
    lode_node *objectives_node;
    lode_mine_options mine;
    lode_train_config train;
    lode_eval_config eval;
    lode_objective objectives[LODE_OBJECTIVES];
    size_t objective_count;
    lode_node *root;
    lode_arena arena;
} lode_config;

extern const lode_key lode__config_keys[];

/// Parse a text, apply settings ("train.epochs=5"), check every key of every part. Release in every case.
/// @param yaml  may be NULL: all defaults
LODE_CHECK lode_status lode__config_load(lode_config *config, const char *yaml, const char *name,
                                         const char *const *sets, size_t set_count,
                                         lode_error *error);
/// The same from a tree, so that messages name the files and lines its nodes came from. The tree belongs to the
/// caller and must live as long as the configuration.
LODE_CHECK lode_status lode__config_load_tree(lode_config *config, lode_node *root,
                                              lode_error *error);
void lode__config_release(lode_config *config);

/// Write it with every default, so that loading the text gives the same configuration.
void lode__config_print(lode_text *text, const lode_config *config);

/// The protocol of section `eval`: the one named (auto: the split's), with the details that its keys override.
lode_protocol lode__config_protocol(const lode_eval_config *eval, const lode_split *split);

/// Slices by name: bit 1 << lode_slice of each. LODE_E_CONFIG names the unknown one and `path`.
LODE_CHECK lode_status lode__config_slices(const lode_texts *names, const char *path,
                                           unsigned *slices, lode_error *error);

/// What train.precision asks of graphs.
lode_precision lode__config_precision(const lode_config *config);
const char *lode__config_precision_name(const lode_config *config);

/// The metric and cutoff of eval.valid; checked by lode__config_load.
void lode__config_valid(const lode_config *config, enum lode_metric *metric, size_t *cutoff);

#endif
