/// Plan: which files of a source are the log, the item tables and the user tables.
#ifndef LODE_DATA_PLAN_H
#define LODE_DATA_PLAN_H

#include "data/columns.h"
#include "data/import.h"

typedef struct lode_plan_file {
    const char *path, *name; ///< to open; base name for reports
    const char *reason;      ///< why it is skipped
} lode_plan_file;

typedef struct lode_plan_list {
    lode_plan_file *files;
    size_t count;
} lode_plan_list;

/// A file of the log.
typedef struct lode_plan_log {
    const char *path, *name; ///< path or "-"; base name for reports
    int part;                ///< lode_given of all its rows, or -1 where the file does not say
} lode_plan_log;

typedef struct lode_plan {
    const char *log; ///< path of the first file, or "-"
    lode_plan_log logs[LODE_GIVEN_PARTS];
    size_t log_count;
    lode_plan_list item_tables, user_tables, skipped;
} lode_plan;

typedef struct lode_plan_request {
    const char *source;
    const lode_import_options *options;
    const lode_reader *reader; ///< NULL = recognise
    const lode_node *columns;  ///< root of the columns file, or NULL
    const lode_hooks *hooks;
    lode_arena *arena; ///< the plan lives here
} lode_plan_request;

/// LODE_E_USAGE when a folder holds several sets; the message lists them.
LODE_CHECK lode_status lode__plan_make(lode_plan *plan, const lode_plan_request *request,
                                       lode_error *error);

#endif
