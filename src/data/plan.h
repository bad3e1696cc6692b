/// Plan: which files of a source are the log, the item tables and the user tables.
#ifndef LODE_DATA_PLAN_H
#define LODE_DATA_PLAN_H

#include "data/columns.h"
#include "data/import.h"

typedef struct lode_plan_file {
    const char *path, *name; ///< to open; base name for reports
    const char *reason;      ///< why it is skipped
    const char *column;      ///< that it becomes: of attributes and vectors
    const char *ids;         ///< of vectors: file of the tokens of their rows
    const char *ids_column;  ///< column of that file, or NULL: one token a line
    int role; ///< of vectors: LODE_ROLE_ITEM or LODE_ROLE_USER, or LODE_ROLE_NONE: by their ids
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
    lode_plan_list tags;       ///< logs of tags, which describe items
    lode_plan_list attributes; ///< JSON maps from items to values
    lode_plan_list vectors;    ///< .npy
    lode_plan_list unknown;    ///< tables without a header: items' or users', by their ids
} lode_plan;

typedef struct lode_plan_request {
    const char *source;
    const lode_import_options *options;
    const lode_reader *reader; ///< NULL = recognise
    const lode_node *columns;  ///< root of the columns file, or NULL
    const lode_hooks *hooks;
    lode_arena *arena; ///< the plan lives here
} lode_plan_request;

/// Open a file of the source.
/// @param section  of the columns file, whose `names` are the columns of a file without a header: "log", "item",
///                 "user"; or NULL for none
LODE_CHECK lode_status lode__plan_open(const lode_plan_request *request, const char *path,
                                       const char *section, lode_table *table, lode_error *error);

/// LODE_E_USAGE when a folder holds several sets; the message lists them.
LODE_CHECK lode_status lode__plan_make(lode_plan *plan, const lode_plan_request *request,
                                       lode_error *error);

#endif
