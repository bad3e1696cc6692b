// A RecBole set X is X.inter with X.item and X.user beside it. In other folders every file is opened and its
// headings are looked at: user and item columns make a log, one of them alone makes a table, and tables of
// the folder are joined to the log. A second log stays out when the first one alone has ratings and both
// name users and items alike; otherwise the folder holds several sets, and the user has to choose.
#include "data/plan.h"

#include <string.h>
#include <strings.h>

typedef enum file_kind { KIND_SKIP, KIND_LOG, KIND_ITEM, KIND_USER } file_kind;

/// A file of a folder.
typedef struct candidate {
    const char *name, *path, *stem; ///< stem: name without .gz, .zst and the RecBole ending
    file_kind kind;
    const char *reason; ///< of KIND_SKIP
    bool labelled;
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

static bool has_ending(const char *name, const char *ending) {
    const size_t a = strlen(name), b = strlen(ending);
    return a > b && strcasecmp(name + a - b, ending) == 0;
}

static const char *without(lode_arena *arena, const char *name, const char *ending) {
    return has_ending(name, ending) ? lode__arena_strndup(arena, name, strlen(name) - strlen(ending))
                                    : name;
}

static const char *without_codec(lode_arena *arena, const char *name) {
    name = without(arena, name, ".gz");
    return name ? without(arena, name, ".zst") : NULL;
}

// The kind of a RecBole file by its ending, and its set.
static file_kind recbole_kind(lode_arena *arena, const char *name, const char **stem) {
    static const char *const endings[] = {".inter", ".item", ".user"};
    static const file_kind kinds[] = {KIND_LOG, KIND_ITEM, KIND_USER};
    for (size_t k = 0; k < 3; ++k)
        if (has_ending(name, endings[k])) {
            *stem = without(arena, name, endings[k]);
            return kinds[k];
        }
    *stem = name;
    return KIND_SKIP;
}

// "X.train.inter", "X_test.txt", "valid.csv": the part that the last word before the ending names, or -1; *set
// is the rest of the name.
static int part_of_name(lode_arena *arena, const char *plain, const char **set) {
    const char *const dot = strrchr(plain, '.');
    const char *const stop = dot && dot > plain ? dot : plain + strlen(plain);
    const char *start = stop;
    while (start > plain && !strchr("._- ", start[-1]))
        --start;
    const int part = lode__part_of(start, (size_t)(stop - start));
    const size_t head = start > plain ? (size_t)(start - plain) - 1 : 0;
    *set = part < 0 ? plain : lode__arena_printf(arena, "%.*s%s", (int)head, plain, stop);
    return part;
}

static bool is_prose(const char *name) {
    static const char *const names[] = {"readme",  "license",   "licence", "notice",
                                        "copying", "changelog", "authors", "citation"};
    for (size_t k = 0; k < sizeof names / sizeof *names; ++k)
        if (strncasecmp(name, names[k], strlen(names[k])) == 0) return true;
    return false;
}

static lode_status skip(survey *s, candidate *file, const char *reason) {
    file->kind = KIND_SKIP;
    file->reason = reason;
    return reason ? LODE_OK : lode__fail_memory(s->error);
}

// Look at the headings of a file that is open.
static lode_status classify(survey *s, candidate *file, const lode_table *table) {
    const lode_plan_request *const r = s->request;
    const size_t user = lode__heading_id(table, r->columns, "log", LODE_ROLE_USER);
    const size_t item = lode__heading_id(table, r->columns, "log", LODE_ROLE_ITEM);
    if (user != LODE_NO_COLUMN && item != LODE_NO_COLUMN) {
        file->kind = KIND_LOG;
        file->user = lode__arena_strdup(r->arena, table->headings[user].name);
        file->item = lode__arena_strdup(r->arena, table->headings[item].name);
        file->labelled = lode__heading_role(table, LODE_ROLE_LABEL) != LODE_NO_COLUMN;
        return file->user && file->item ? LODE_OK : lode__fail_memory(s->error);
    }
    const bool item_table =
        lode__heading_id(table, r->columns, "item", LODE_ROLE_ITEM) != LODE_NO_COLUMN;
    const bool user_table =
        lode__heading_id(table, r->columns, "user", LODE_ROLE_USER) != LODE_NO_COLUMN;
    if (item_table || user_table) {
        file->kind = item_table ? KIND_ITEM : KIND_USER;
        return LODE_OK;
    }
    return skip(s, file,
                lode__arena_printf(r->arena, "none of its columns %s holds users or items",
                                   lode__heading_list(table, r->arena)));
}

static lode_status inspect(survey *s, candidate *file) {
    const lode_plan_request *const r = s->request;
    if (is_prose(file->name)) return skip(s, file, "it is no data");
    if (has_ending(file->stem, ".json") || has_ending(file->stem, ".jsonl"))
        return skip(s, file, "JSON is not read yet");
    if (has_ending(file->stem, ".lode")) return skip(s, file, "it is a data set already");
    lode_error problem = {0};
    lode_input *input = NULL;
    lode_table table = {0};
    const size_t max_line = (size_t)r->options->max_line;
    lode_status status = lode__input_open(&input, file->path, max_line, &problem);
    if (status == LODE_OK) status = lode__table_open(&table, input, r->reader, max_line, &problem);
    if (status == LODE_OK) {
        status = classify(s, file, &table);
        lode__table_close(&table);
        return status;
    }
    if (status == LODE_E_MEMORY) return lode__fail_memory(s->error);
    return skip(s, file, lode__arena_strdup(r->arena, problem.message));
}

static lode_status survey_folder(survey *s) {
    const lode_plan_request *const r = s->request;
    const char **names;
    size_t count;
    LODE_TRY(lode__folder_list(r->arena, r->source, &names, &count, s->error));
    s->files = lode__arena_alloc(r->arena, count, sizeof *s->files);
    if (!s->files) return lode__fail_memory(s->error);
    for (size_t k = 0; k < count; ++k) {
        candidate *const file = &s->files[s->count];
        file->name = names[k];
        file->path = lode__path_join(r->arena, r->source, names[k]);
        if (!file->path) return lode__fail_memory(s->error);
        if (names[k][0] == '.' || strstr(names[k], ".tmp.") || lode__is_folder(file->path))
            continue;
        const char *const plain = without_codec(r->arena, names[k]);
        if (plain) file->kind = recbole_kind(r->arena, plain, &file->stem);
        if (plain) file->part = part_of_name(r->arena, plain, &file->set);
        if (!plain || !file->stem || !file->set) return lode__fail_memory(s->error);
        if (file->kind == KIND_LOG && file->part >= 0) // X.train.inter belongs to X
            file->stem = without(r->arena, file->set, ".inter");
        if (!file->stem) return lode__fail_memory(s->error);
        s->recbole = s->recbole || file->kind == KIND_LOG;
        ++s->count;
    }
    for (size_t k = 0; k < s->count; ++k) {
        if (s->recbole && s->files[k].kind == KIND_SKIP)
            LODE_TRY(skip(s, &s->files[k], "the folder holds RecBole files, and it is none of them"));
        else if (!s->recbole)
            LODE_TRY(inspect(s, &s->files[k]));
    }
    return LODE_OK;
}

// The file of a given split's part, or NULL.
static candidate *find_part(const survey *s, const char *set, int part) {
    for (size_t k = 0; k < s->count; ++k) {
        candidate *const file = &s->files[k];
        if (file->kind == KIND_LOG && file->part == part && strcmp(file->set, set) == 0)
            return file;
    }
    return NULL;
}

// Logs that are parts of one split become one log: the training part, which has the others behind it.
static lode_status join_parts(survey *s) {
    for (size_t k = 0; k < s->count; ++k) {
        candidate *const file = &s->files[k];
        if (file->kind != KIND_LOG || file->part < 0) continue;
        candidate *const other = find_part(s, file->set, file->part);
        if (other != file)
            return lode__fail(
                s->error, LODE_E_USAGE,
                "%s: found %s and %s, expected one file for the part %s; name the log "
                "with the option log after moving one of them away",
                s->request->source, other->name, file->name, lode__part_name((lode_given)file->part));
        file->member = file->part != LODE_GIVEN_TRAIN && find_part(s, file->set, LODE_GIVEN_TRAIN);
    }
    for (size_t k = 0; k < s->count; ++k) { // one part alone is no split
        candidate *const file = &s->files[k];
        if (file->kind != KIND_LOG || file->member || file->part < 0) continue;
        if (file->part != LODE_GIVEN_TRAIN || (!find_part(s, file->set, LODE_GIVEN_VALID) &&
                                               !find_part(s, file->set, LODE_GIVEN_TEST)))
            file->part = -1;
    }
    return LODE_OK;
}

static void plan_logs(lode_plan *plan, const survey *s, const candidate *log) {
    plan->log = log->path;
    plan->logs[plan->log_count++] = (lode_plan_log){log->path, log->name, log->part};
    for (int part = LODE_GIVEN_VALID; log->part >= 0 && part < LODE_GIVEN_PARTS; ++part) {
        const candidate *const file = find_part(s, log->set, part);
        if (file) plan->logs[plan->log_count++] = (lode_plan_log){file->path, file->name, part};
    }
}

static lode_status fail_several(const survey *s) {
    const lode_plan_request *const r = s->request;
    const char *list = "";
    for (size_t k = 0; k < s->count && list; ++k)
        if (s->files[k].kind == KIND_LOG && !s->files[k].member)
            list = lode__arena_printf(r->arena, "%s%s%s", list, *list ? ", " : "", s->files[k].name);
    return lode__fail(s->error, LODE_E_USAGE,
                      "%s: found several sets: %s; pass one of these files, or name it with the "
                      "option log",
                      r->source, list ? list : "...");
}

static lode_status fail_none(const survey *s) {
    const lode_plan_request *const r = s->request;
    const char *list = "";
    for (size_t k = 0; k < s->count && k < 4 && list; ++k)
        list = lode__arena_printf(r->arena, "%s; %s: %s", list, s->files[k].name,
                                  s->files[k].reason ? s->files[k].reason : "a table");
    return lode__fail(s->error, LODE_E_INPUT,
                      "%s: found no log (a file with a user and an item column) among %zu file%s%s",
                      r->source, s->count, s->count == 1 ? "" : "s", list ? list : "");
}

// The log of a folder.
static lode_status choose_log(const survey *s, candidate **log) {
    const char *const wanted = s->request->options->log;
    candidate *first = NULL, *labelled = NULL;
    size_t logs = 0, with_label = 0;
    bool alike = true;
    for (size_t k = 0; k < s->count; ++k) {
        candidate *const file = &s->files[k];
        if (wanted && strcmp(file->name, wanted) == 0) {
            *log = file->member ? find_part(s, file->set, LODE_GIVEN_TRAIN) : file;
            return LODE_OK;
        }
        if (file->kind != KIND_LOG || file->member) continue;
        ++logs;
        with_label += file->labelled;
        if (file->labelled) labelled = file;
        if (!first)
            first = file;
        else if (s->recbole || strcmp(first->user, file->user) != 0 ||
                 strcmp(first->item, file->item) != 0)
            alike = false;
    }
    if (wanted)
        return lode__fail(s->error, LODE_E_MISSING,
                          "%s: found no file '%s', which the option log names", s->request->source,
                          wanted);
    if (logs == 0) return fail_none(s);
    *log = first;
    if (logs == 1) return LODE_OK;
    *log = labelled;
    return alike && with_label == 1 ? LODE_OK : fail_several(s);
}

static void list_add(lode_plan_list *list, const candidate *file, const char *reason) {
    list->files[list->count++] = (lode_plan_file){file->path, file->name, reason};
}

static lode_status plan_folder(lode_plan *plan, survey *s) {
    const lode_plan_request *const r = s->request;
    LODE_TRY(survey_folder(s));
    LODE_TRY(join_parts(s));
    candidate *log = NULL;
    LODE_TRY(choose_log(s, &log));
    lode_plan_list *const lists[] = {&plan->item_tables, &plan->user_tables, &plan->skipped};
    for (size_t k = 0; k < 3; ++k) {
        lists[k]->files = lode__arena_alloc(r->arena, s->count, sizeof *lists[k]->files);
        if (!lists[k]->files) return lode__fail_memory(s->error);
    }
    plan_logs(plan, s, log);
    for (size_t k = 0; k < s->count; ++k) {
        const candidate *const file = &s->files[k];
        const bool together = log->part >= 0 && file->part >= 0 && strcmp(file->set, log->set) == 0;
        if (file == log || (file->kind == KIND_LOG && together)) continue;
        const bool other_set = s->recbole && strcmp(file->stem, log->stem) != 0;
        if (file->kind == KIND_ITEM && !other_set)
            list_add(&plan->item_tables, file, NULL);
        else if (file->kind == KIND_USER && !other_set)
            list_add(&plan->user_tables, file, NULL);
        else if (file->kind == KIND_SKIP)
            list_add(&plan->skipped, file, file->reason);
        else if (file->kind == KIND_LOG)
            list_add(&plan->skipped, file, "it is another log of the same users and items");
        else
            list_add(&plan->skipped, file, "it belongs to another set");
    }
    return LODE_OK;
}

// A single X.inter: X.item and X.user beside it belong to it.
static lode_status plan_file(lode_plan *plan, const lode_plan_request *r, lode_error *error) {
    static const char *const codecs[] = {"", ".gz", ".zst"};
    plan->log = r->source;
    plan->logs[plan->log_count++] = (lode_plan_log){r->source, lode__path_base(r->source), -1};
    const char *const plain = without_codec(r->arena, r->source);
    if (!plain) return lode__fail_memory(error);
    if (strcmp(r->source, "-") == 0 || !has_ending(plain, ".inter")) return LODE_OK;
    const char *set; // X.train.inter has X.item and X.user too
    part_of_name(r->arena, plain, &set);
    const char *const stem = set ? without(r->arena, set, ".inter") : NULL;
    lode_plan_list *const lists[] = {&plan->item_tables, &plan->user_tables};
    for (size_t k = 0; k < 2; ++k) {
        lists[k]->files = lode__arena_alloc(r->arena, 1, sizeof *lists[k]->files);
        if (!stem || !lists[k]->files) return lode__fail_memory(error);
        for (size_t c = 0; c < 3 && lists[k]->count == 0; ++c) {
            const char *const path =
                lode__arena_printf(r->arena, "%s.%s%s", stem, k == 0 ? "item" : "user", codecs[c]);
            if (!path) return lode__fail_memory(error);
            if (lode__file_exists(path))
                lists[k]->files[lists[k]->count++] =
                    (lode_plan_file){path, lode__path_base(path), NULL};
        }
    }
    return LODE_OK;
}

lode_status lode__plan_make(lode_plan *plan, const lode_plan_request *request, lode_error *error) {
    *plan = (lode_plan){0};
    const bool standard = strcmp(request->source, "-") == 0;
    if (!standard && lode__is_folder(request->source)) {
        survey s = {.request = request, .error = error};
        LODE_TRY(plan_folder(plan, &s));
    } else {
        if (!standard && !lode__file_exists(request->source))
            return lode__fail(error, LODE_E_MISSING, "%s: there is no such file or folder",
                              request->source);
        LODE_TRY(plan_file(plan, request, error));
    }
    for (size_t k = 0; k < plan->skipped.count; ++k)
        lode__notice(request->hooks, "%s is skipped: %s", plan->skipped.files[k].name,
                     plan->skipped.files[k].reason);
    return LODE_OK;
}
