/// The training loop: from a data set and a configuration to a bundle.
///
/// Everything that training does is a function of (configuration, data set, counters): example order, draws and
/// dropout come from counter-based random numbers, so a checkpoint is weights, optimiser state, objectives' declared
/// state and a few counters, and stop + resume gives the bits of a run that was never stopped.
#ifndef LODE_TRAIN_TRAINER_H
#define LODE_TRAIN_TRAINER_H

#include "eval/model_ranker.h"
#include "train/ahead.h"
#include "train/batcher.h"
#include "train/bundle.h"
#include "train/memory.h"

/// What a checkpoint counts.
typedef struct lode_counters {
    uint64_t epoch;       ///< finished epochs
    uint64_t step;        ///< finished steps of the current epoch
    uint64_t global_step; ///< finished steps of all
    uint64_t best_epoch;  ///< number of epochs finished at the best validation; 0 = none yet
    uint64_t since_best;  ///< validations since then
    uint64_t log_bytes;   ///< length of metrics.jsonl
    double best;          ///< NaN = none yet
    double loss_sum;      ///< over the steps of the current epoch
    double own_sums[LODE_OBJECTIVES]; ///< the same of each objective's own loss, without its weight
} lode_counters;

typedef struct lode_trainer {
    const lode_config *config;
    const lode_hooks *hooks;
    const char *run;
    uint64_t epochs; ///< of this run at most
    // data
    lode_dataset *data;
    lode_split *split;
    lode_examples examples;
    lode_binding *binding;
    lode_ahead *ahead;
    lode_batcher batcher; ///< the current step's
    uint64_t steps;       ///< an epoch
    // model
    lode_model_core *model;
    lode_params *heads; ///< of objectives; no part of the bundle
    lode_pool *pool;
    lode_scene scenes[LODE_STAGES]; ///< one graph a stage; the last has gradients
    size_t stages;
    lode_objective *objectives;
    size_t objective_count;
    size_t loss_end[LODE_OBJECTIVES]; ///< of each: its loss terms in the last scene's graph end there, where the next's begin
    lode_optimiser optimiser;
    // validation
    lode_encoder *encoder;
    lode_ranker ranker;
    lode_cases cases;
    bool exclude_seen;
    enum lode_metric metric;
    size_t cutoff;
    // progress
    lode_counters counters;
    double seconds, timed_seconds; ///< in steps; without the first three
    double input_now,
        input_seconds; ///< spent before a step's graphs can run: of this step, of the timed ones
    uint64_t timed_examples; ///< positives: queries, not windows
    double validation;       ///< of the last one
    lode_arena arena;
} lode_trainer;

/// One pass of training: a run has one, or with data.split.refit two (choose the number of epochs, then train on
/// training + validation for that many).
typedef struct lode_phase {
    const char *data;   ///< the data set
    const char *folder; ///< the bundle
    uint64_t epochs;
    bool refit; ///< validation belongs to training; nothing is validated, the last epoch is kept
} lode_phase;

/// Prepare everything up to the first step. The configuration's objectives are prepared in place.
LODE_CHECK lode_status lode__trainer_new(lode_trainer **out, lode_config *config,
                                         const lode_phase *phase, const lode_hooks *hooks,
                                         lode_error *error);
void lode__trainer_free(lode_trainer **trainer);

/// One step on the next batch of the current epoch. @param loss  receives the weighted sum of the objectives
LODE_CHECK lode_status lode__trainer_step(lode_trainer *trainer, double *loss, lode_error *error);

/// Train until the end, or until the hooks ask to stop (LODE_E_STOPPED, with a checkpoint).
LODE_CHECK lode_status lode__trainer_run(lode_trainer *trainer, lode_error *error);

lode_memory lode__trainer_memory(const lode_trainer *trainer);

/// Options of lode_train and lode_eval.
extern const lode_key lode__train_option_keys[], lode__measure_keys[];

/// epoch_log.c: add the line of the epoch that ended to metrics.jsonl.
LODE_CHECK lode_status lode__epoch_log(lode_trainer *trainer, lode_error *error);

/// checkpoint.c
LODE_CHECK lode_status lode__checkpoint_save(const lode_trainer *trainer, lode_error *error);
LODE_CHECK lode_status lode__checkpoint_load(lode_trainer *trainer, lode_error *error);

#endif
