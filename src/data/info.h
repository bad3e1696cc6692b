/// Describing a data set: numbers and pictures.
#ifndef LODE_DATA_INFO_H
#define LODE_DATA_INFO_H

#include <jansson.h>

#include "base/config.h"
#include "data/dataset.h"

/// Options of lode_info; lode__info_keys (data/import.h) is their table.
typedef struct lode_info_options {
    bool verify;
    int64_t session_gap; ///< milliseconds
    const char *svg;     ///< where the picture goes, or NULL
} lode_info_options;

/// Counts, time span, sessions, popularity and columns as members of `out`.
LODE_CHECK lode_status lode__info_describe(const lode_dataset *data, const lode_info_options *options,
                                           json_t *out, lode_error *error);

/// Add the picture of a data set to `svg`: popularity, clicks over time where times are real, lengths of histories, and of
/// sessions where there are some.
LODE_CHECK lode_status lode__info_draw(const lode_dataset *data, const lode_info_options *options,
                                       lode_text *svg, lode_error *error);

#endif
