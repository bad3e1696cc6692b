/// What the parts of `lode_eval` share: measure.c reads the options, the protocol and the cases; measure_table.c ranks
/// and writes tables; measure_also.c makes those beside the named protocol, measure_truth.c reads a file of true items;
/// measure_draw.c draws.
#ifndef LODE_TRAIN_MEASURE_H
#define LODE_TRAIN_MEASURE_H

#include <jansson.h>

#include "eval/definitions.h"
#include "train/trainer.h"

enum { LODE_RANKERS = 8 };

typedef struct lode_measure_options {
    const char *data, *protocol, *category;
    int part;
    lode_ints cutoffs;
    lode_texts metrics, definitions;
    int exclude_seen;
    bool baselines;
    const char *svg; ///< where the picture goes, or NULL
    int64_t threads;
    lode_protocol_details details;
    lode_texts slices;
    int64_t short_history;
    const char *truth;
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
    unsigned slices; ///< bit 1 << lode_slice
    lode_ranker rankers[LODE_RANKERS];
    size_t ranker_count;
    char linear[256]; ///< which linear baseline, and why; "" = none
    size_t cutoffs[LODE_CUTOFFS], cutoff_count;
    float *percentile;
    const lode_definition **definitions; ///< [definition_count] that tables are printed under too
    size_t definition_count;
    uint32_t *category; ///< [items] code of eval.category, UINT32_MAX = unknown; or NULL
    uint32_t categories;
    const lode_hooks *hooks;
    lode_arena arena;
} lode_measure;

/// The model and the baselines beside it.
LODE_CHECK lode_status lode__measure_rankers(lode_measure *measure, lode_error *error);

/// Read the categories of items that eval.category names; LODE_E_MISMATCH where there is no such column.
LODE_CHECK lode_status lode__measure_category(lode_measure *measure, lode_error *error);

/// Look up options.definitions.
LODE_CHECK lode_status lode__measure_definitions(lode_measure *measure, lode_error *error);

/// One table: what was measured, and `rows` with the metrics of every ranker. The same run under the names of each
/// definition is appended to `also`.
LODE_CHECK lode_status lode__measure_table(const lode_measure *measure, bool exclude, json_t *table,
                                           json_t *also, lode_error *error);

/// What coverage is a share of: the items with an interaction, or under candidates: catalogue all.
static inline uint32_t lode__measure_items(const lode_measure *measure) {
    const bool catalogue = measure->cases.protocol.candidates == LODE_CANDIDATES_CATALOGUE;
    return catalogue ? measure->data->items.count : measure->data->active_items;
}

/// A table of the same rankers for other cases, with the details of their protocol.
LODE_CHECK lode_status lode__measure_cases(const lode_measure *measure, const lode_cases *cases,
                                           bool exclude, json_t *table, json_t *also,
                                           lode_error *error);
/// Append the tables beside the named protocol.
LODE_CHECK lode_status lode__measure_also(const lode_measure *measure, json_t *also,
                                          lode_error *error);

/// True items of users from a file.
typedef struct lode_truth {
    uint64_t *starts; ///< [users + 1]
    uint32_t *items;  ///< [starts[users]] distinct for each user
    uint64_t rows, unknown_users,
        unknown_items; ///< rows left out because the data set lacks the user, else the item
    lode_arena arena;
} lode_truth;

LODE_CHECK lode_status lode__truth_read(lode_truth *truth, const char *path,
                                        const lode_dataset *data, lode_error *error);
void lode__truth_release(lode_truth *truth);

/// Add the picture of a table to `svg`: impressions by popularity where the table has them, metrics against cutoffs.
LODE_CHECK lode_status lode__measure_draw(json_t *table, lode_text *svg, lode_error *error);

#endif
