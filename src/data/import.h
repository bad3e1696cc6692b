/// Import: raw logs and tables in, one X.lode out.
///
/// Readers turn a source into rows; the import maps columns, numbers tokens, spills rows to a temporary folder
/// in sorted runs and merges them into the data set, so that memory is bounded by the dictionaries and by
/// `memory`, not by the log.
#ifndef LODE_DATA_IMPORT_H
#define LODE_DATA_IMPORT_H

#include "base/config.h"
#include "data/dataset.h"

typedef struct lode_import_options {
    int format;          ///< index into the formats: auto, recbole, csv, tsv, lines, ...
    const char *columns; ///< file with the column mapping, or NULL
    const char *label; ///< condition such as "rating>3": rows that meet it are clicks, others exposures
    const char *log;       ///< file of a folder to read as the log, or NULL
    int encoding;          ///< lode_encoding
    int third;             ///< lode_third
    const char *temporary; ///< folder for spilled runs; NULL = beside the output
    int64_t memory;        ///< bytes of rows held before a run is spilled
    int64_t max_errors;    ///< bad lines that are skipped and counted; 0 = the first one stops
    int64_t max_line;      ///< bytes of the longest legal line
    bool append;           ///< add to the data set that stands at the output
    int duplicates;        ///< lode_repeats (data/filter.h)
    int64_t min_count, min_user_count; ///< least clicks of an item and a user, counted once; 0 = none
    int64_t core, user_core, item_core; ///< least clicks until nothing changes; 0 = as core, 0 = none
} lode_import_options;

/// Keys of the verbs import, info and synth.
extern const lode_key lode__import_keys[], lode__info_keys[], lode__synth_keys[];

/// Write the list of formats.
void lode__import_help(lode_text *text);

/// @param source  a file, a folder, or "-" (standard input)
/// @param report  JSON: counts, the mapping chosen, what was skipped, seconds; NULL if not wanted
LODE_CHECK lode_status lode__import(const char *source, const char *output,
                                    const lode_import_options *options, const lode_hooks *hooks,
                                    char **report, lode_error *error);

#endif
