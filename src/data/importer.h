/// What the parts of the import share: import.c reads the log, import_table.c the tables, import_write.c
/// writes the data set.
#ifndef LODE_DATA_IMPORTER_H
#define LODE_DATA_IMPORTER_H

#include "base/clock.h"
#include "data/column_build.h"
#include "data/filter.h"
#include "data/import.h"
#include "data/plan.h"
#include "data/session_numbers.h"
#include "data/sorter.h"
#include "data/times.h"

#include <jansson.h>

/// A condition such as "rating>3".
typedef struct lode_condition {
    const char *name, *value;
    int operation;
    size_t column;
} lode_condition;

/// Words of a row behind LODE_ROW_REST; SIZE_MAX = not there.
typedef struct lode_slots {
    size_t behaviour, weight, session, label, part, context, words; ///< session: two words
} lode_slots;

typedef struct lode_builders {
    lode_column_builder *list;
    size_t count, capacity;
} lode_builders;

/// Users or items that a table names; false beyond the capacity.
typedef struct lode_listed {
    bool *rows;
    size_t capacity;
} lode_listed;

/// The last items of one user at one time.
typedef struct lode_repeat_window {
    uint32_t items[64];
    uint8_t parts[64];
    size_t count;
    uint32_t user;
    int64_t time;
} lode_repeat_window;

typedef struct lode_importer {
    const lode_import_options *options;
    const lode_hooks *hooks, *user_hooks; ///< ours, which keep notices, and the caller's
    lode_hooks own_hooks;
    json_t *notices;
    lode_plan_request request;
    lode_arena arena;
    const lode_node *columns; ///< root of the columns file, or NULL
    const lode_reader *reader;
    lode_plan plan;
    lode_table log;
    size_t log_next; ///< of plan.logs: the file after the one that is open
    lode_column_map map;
    lode_condition condition; ///< name NULL without one
    lode_time_reader times;
    lode_slots slots;
    uint32_t *row;
    lode_dictionary users, items;
    uint64_t *user_rows; ///< [users] rows of each, counted when they are sorted
    lode_builders context, user_columns, item_columns;
    size_t *context_column; ///< heading of each context column
    size_t *side_column;    ///< [headings of the log] builder of a column about the item or user
    lode_cell user;         ///< of the current row
    char *session_user;     ///< its text where the log names none
    size_t session_user_capacity;
    uint64_t anonymous; ///< rows that name no user
    int64_t *valid;     ///< [2 * items seen in a table with valid_from / valid_until]
    size_t valid_count, valid_capacity;
    lode_sorter sorter;
    lode_dataset *old; ///< that is appended to, or NULL
    uint64_t old_rows, old_repeats, new_rows, new_repeats;
    lode_filter filter;
    lode_listed listed_users, listed_items; ///< kept while filters are active
    uint32_t *user_map, *item_map;          ///< numbers before to numbers after the filters
    const char *output;
    const char *folder; ///< of temporary files
    lode_container_writer writer;
    uint64_t rows, errors, duplicates, behaviours[LODE_BEHAVIOURS];
    uint64_t parts[LODE_GIVEN_PARTS]; ///< rows of each part of the given split
    uint64_t part_conflicts;          ///< rows whose user, item and time also stand in another part
    uint64_t fingerprint;
    size_t runs; ///< that were merged
    uint32_t session_count;
    uint32_t log_items; ///< items of the log, before the tables add theirs
    double started, reported;
} lode_importer;

/// Forgive a bad row when max_errors allows it: counts it and returns LODE_OK.
LODE_CHECK lode_status lode__import_forgive(lode_importer *importer, const lode_table *table,
                                            lode_status status, const lode_error *problem,
                                            lode_error *error);
/// Add a column to a list; an existing one of that name is returned as it is.
LODE_CHECK lode_status lode__builders_add(lode_builders *builders, const char *name, lode_use use,
                                          lode_column_builder **out, lode_error *error);
/// LODE_E_INPUT for a cell: "found 'x', expected y".
lode_status lode__import_fail_cell(const lode_table *table, const lode_cell *cell,
                                   const char *expected, lode_error *error);

LODE_CHECK lode_status lode__import_progress(lode_importer *importer, const char *task,
                                             uint64_t done, uint64_t total, lode_error *error);

/// When the current file of the log has ended: open the next one, which must have the same columns, or set
/// *end when there is none.
LODE_CHECK lode_status lode__import_next_log(lode_importer *importer, bool *end, lode_error *error);

/// A notice about the split that came with the log.
void lode__import_say_parts(const lode_importer *importer);

/// Take the caller's hooks; notices are kept for the report as well.
LODE_CHECK lode_status lode__import_listen(lode_importer *importer, const lode_hooks *hooks,
                                           lode_error *error);
/// Open a file of the source and say what its reader guessed; see lode__plan_open.
LODE_CHECK lode_status lode__import_open(lode_importer *importer, const char *path,
                                         const char *section, lode_table *table, lode_error *error);
/// Say what a file that was read turned out to hold.
void lode__import_say_file(const lode_importer *importer, const lode_table *table);
/// The same, and close it.
void lode__import_close(lode_importer *importer, lode_table *table);

/// Columns of the log about items and users: builders, checks of the current row's cells, their values (the first
/// one wins), what is said of them.
LODE_CHECK lode_status lode__import_side_prepare(lode_importer *importer, lode_error *error);
LODE_CHECK lode_status lode__import_side_check(lode_importer *importer, lode_error *error);
LODE_CHECK lode_status lode__import_side_add(lode_importer *importer, lode_error *error);
void lode__import_side_say(const lode_importer *importer);
/// The user of the current row; a row without one belongs to its session.
LODE_CHECK lode_status lode__import_user(lode_importer *importer, lode_cell *user, lode_error *error);

/// The part of the current row: of its file, or of its cell.
LODE_CHECK lode_status lode__import_part(const lode_importer *importer, uint32_t *word,
                                         lode_error *error);

/// Read one item or user table.
LODE_CHECK lode_status lode__import_table(lode_importer *importer, const char *path, lode_role id,
                                          lode_error *error);

/// Read a table without a header whose first column holds items or users of the log; one that holds neither is
/// added to what is skipped.
LODE_CHECK lode_status lode__import_unknown(lode_importer *importer, const lode_plan_file *file,
                                            lode_error *error);
/// A log of tags becomes the item column `tag`.
LODE_CHECK lode_status lode__import_tags(lode_importer *importer, const lode_plan_file *file,
                                         lode_error *error);
/// A JSON map from items to values becomes an item column.
LODE_CHECK lode_status lode__import_attributes(lode_importer *importer, const lode_plan_file *file,
                                               lode_error *error);
/// Rows of a .npy become a float_seq column of items or users.
LODE_CHECK lode_status lode__import_vectors(lode_importer *importer, const lode_plan_file *file,
                                            lode_error *error);
/// All tables of the plan, in the order in which they complete each other.
LODE_CHECK lode_status lode__import_tables(lode_importer *importer, lode_error *error);

/// Whether the item of a row stands in the window already, and adds it; rows come in order. Of very large groups
/// the last 64 are looked at.
/// @param elsewhere  receives whether it stands there in another part; or NULL
bool lode__repeat_seen(lode_repeat_window *window, const uint32_t *row, uint8_t part,
                       bool *elsewhere);

/// A column that is there already must have the type that the new file gives it, unless the file lets it guess.
LODE_CHECK lode_status lode__import_same_type(const lode_importer *importer,
                                              const lode_table *table, lode_column_builder *builder,
                                              const lode_use *use, lode_error *error);
LODE_CHECK lode_status lode__import_set_valid(lode_importer *importer, uint32_t item,
                                              const int64_t ends[2], lode_error *error);

/// Open the data set that is appended to, when there is one. All that follows does nothing without it.
LODE_CHECK lode_status lode__append_open(lode_importer *importer, const char *output,
                                         lode_error *error);
/// Its columns, before those of the log.
LODE_CHECK lode_status lode__append_columns(lode_importer *importer, lode_error *error);
/// Whether the log fits it; says what is filled. When columns and slots are known.
LODE_CHECK lode_status lode__append_check(const lode_importer *importer, lode_error *error);
/// Its tokens and rows, before those of the log.
LODE_CHECK lode_status lode__append_rows(lode_importer *importer, lode_error *error);
/// Its values of users and items, where the new tables left them open.
LODE_CHECK lode_status lode__append_tables(lode_importer *importer, lode_error *error);
/// Bad lines of both.
uint64_t lode__append_bad_lines(const lode_importer *importer);
void lode__append_say(const lode_importer *importer);
/// For the report; null without append.
json_t *lode__append_describe(const lode_importer *importer);

/// The rules that the options ask for.
lode_filter_rules lode__import_rules(const lode_import_options *options);
/// Note that a table names a user or an item.
LODE_CHECK lode_status lode__import_list(lode_importer *importer, lode_role id, uint32_t row,
                                         lode_error *error);
/// Run the sorted rows through the filters and give users and items that stay new numbers.
LODE_CHECK lode_status lode__import_filter(lode_importer *importer, lode_error *error);
/// The next row that stays, with new numbers, or NULL; valid until the next call.
LODE_CHECK lode_status lode__import_filtered(lode_importer *importer, const uint32_t **row,
                                             lode_error *error);
/// For the report; null without filters.
json_t *lode__import_describe_filters(const lode_importer *importer);
void lode__import_filter_release(lode_importer *importer);

/// The report, when all is written.
LODE_CHECK lode_status lode__import_report(const lode_importer *importer, char **out,
                                           lode_error *error);

/// Sort, spool and write everything.
LODE_CHECK lode_status lode__import_write(lode_importer *importer, lode_error *error);

#endif
