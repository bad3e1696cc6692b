/// What projects and papers mean by their metric names: tables from their names to our metrics.
///
/// A run is measured once and can be printed under several names, so that a number is compared with a published one only
/// where the formula is the same. A row says what differs from the usual meaning of the name.
#ifndef LODE_EVAL_DEFINITIONS_H
#define LODE_EVAL_DEFINITIONS_H

#include "eval/metrics.h"

typedef struct lode_definition_row {
    const char *name; ///< there
    enum lode_metric metric;
    bool padded;        ///< its catalogue counts a padding item
    const char *remark; ///< or NULL
} lode_definition_row;

typedef struct lode_definition {
    const char *name;
    const char *help;
    const lode_definition_row *rows; ///< until one without a name
} lode_definition;

/// By number from 0, or NULL behind the last.
const lode_definition *lode__definition_at(size_t index);
/// By name; LODE_E_USAGE, naming the nearest and the list, when there is none.
LODE_CHECK lode_status lode__definition_find(const char *name, const lode_definition **definition,
                                             lode_error *error);
/// As lode__metrics_value, as the project counts.
double lode__definition_value(const lode_definition_row *row, const lode_metrics *metrics,
                              size_t cutoff_index);

#endif
