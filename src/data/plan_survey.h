/// What the two halves of planning share: plan.c looks at every file of a folder, plan_choose.c decides which of them
/// belong together.
#ifndef LODE_DATA_PLAN_SURVEY_H
#define LODE_DATA_PLAN_SURVEY_H

#include "data/plan.h"

typedef enum file_kind {
    KIND_SKIP,
    KIND_LOG,
    KIND_ITEM,
    KIND_USER,
    KIND_TAGS,       ///< user, item, tag: the tags describe the items
    KIND_ATTRIBUTES, ///< one JSON object: item to values
    KIND_VECTORS,    ///< X.npy with X.ids beside it
    KIND_IDS,        ///< that X.ids
    KIND_UNKNOWN     ///< a table without a header: its ids will tell
} file_kind;

/// A file of a folder.
typedef struct candidate {
    const char *name, *path, *stem; ///< stem: name without .gz, .zst and the RecBole ending
    file_kind kind;
    const char *reason; ///< of KIND_SKIP
    bool labelled, tagged;
    bool guessed;            ///< a log by its shape alone
    int part;                ///< of a given split, by the name of the file, or -1
    const char *set;         ///< its name without the part; parts of one set share it
    bool member;             ///< a part that is read after its set's training part
    const char *user, *item; ///< headings of a log
} candidate;

/// The look through a folder.
typedef struct survey {
    const lode_plan_request *request;
    candidate *files;
    size_t count;
    bool recbole;
    lode_error *error;
} survey;

/// True when a name ends so, whatever the case, and is longer.
bool lode__name_ends(const char *name, const char *ending);
/// The name without that ending; NULL when there is no memory.
const char *lode__name_without(lode_arena *arena, const char *name, const char *ending);
/// Without .gz and .zst.
const char *lode__name_plain(lode_arena *arena, const char *name);
/// "X.train.inter", "X_test.txt", "valid.csv": the part that the last word before the ending names, or -1; *set
/// is the rest of the name, or NULL when there is no memory.
int lode__name_part(lode_arena *arena, const char *plain, const char **set);

/// Which of the files in the survey become the log, its parts and its tables.
LODE_CHECK lode_status lode__plan_choose(lode_plan *plan, survey *s);
/// The files that stand beside a single file and belong to it.
LODE_CHECK lode_status lode__plan_beside(lode_plan *plan, const lode_plan_request *request,
                                         lode_error *error);

#endif
