/// What the parts of `lode_eval` share: measure.c reads the options, the protocol and the cases; measure_table.c ranks
/// and writes tables; measure_draw.c draws them.
#ifndef LODE_TRAIN_MEASURE_H
#define LODE_TRAIN_MEASURE_H

#include <jansson.h>

#include "train/trainer.h"

enum { LODE_RANKERS = 8 };

typedef struct lode_measure_options {
    const char *data, *protocol;
    int part;
    lode_ints cutoffs;
    int exclude_seen;
    bool baselines;
    const char *svg; ///< where the picture goes, or NULL
    int64_t threads;
} lode_measure_options;

typedef struct lode_measure {
    lode_measure_options options;
    lode_bundle *bundle;
    lode_dataset *data;
    lode_split *split;
    lode_binding *binding;
    lode_pool *pool;
    lode_encoder *encoder;
    lode_cases cases;
    lode_protocol protocol;
    lode_ranker rankers[LODE_RANKERS];
    size_t ranker_count;
    size_t cutoffs[LODE_CUTOFFS], cutoff_count;
    float *percentile;
    const lode_hooks *hooks;
    lode_arena arena;
} lode_measure;

/// The model and the baselines beside it.
LODE_CHECK lode_status lode__measure_rankers(lode_measure *measure, lode_error *error);

/// One table: what was measured, and `rows` with the metrics of every ranker.
LODE_CHECK lode_status lode__measure_table(const lode_measure *measure, bool exclude, json_t *table,
                                           lode_error *error);

/// Add the picture of a table to `svg`: impressions by popularity where the table has them, metrics against cutoffs.
LODE_CHECK lode_status lode__measure_draw(json_t *table, lode_text *svg, lode_error *error);

#endif
