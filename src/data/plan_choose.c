// Which files of a folder belong together: parts of one split make one log; a second log stays out when the first one
// alone has ratings and both name users and items alike; tables, tags, attributes and vectors go with the log.
#include "data/plan_survey.h"

#include <string.h>
#include <strings.h>

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

// Logs of tags describe items, and logs that were recognised by their shape alone are tables, where another log is.
static void settle_logs(survey *s) {
    bool plain = false, certain = false;
    for (size_t k = 0; k < s->count; ++k) {
        const candidate *const file = &s->files[k];
        plain = plain || (file->kind == KIND_LOG && !file->tagged);
        certain = certain || (file->kind == KIND_LOG && !file->guessed);
    }
    for (size_t k = 0; k < s->count; ++k) {
        candidate *const file = &s->files[k];
        if (file->kind != KIND_LOG) continue;
        if (certain && file->guessed)
            file->kind = KIND_UNKNOWN;
        else if (plain && file->tagged)
            file->kind = KIND_TAGS;
    }
}

static lode_plan_file *list_add(lode_plan_list *list, const candidate *file, const char *reason) {
    lode_plan_file *const out = &list->files[list->count++];
    *out = (lode_plan_file){.path = file->path, .name = file->name, .reason = reason};
    return out;
}

static lode_status make_lists(lode_plan *plan, lode_arena *arena, size_t count, lode_error *error) {
    lode_plan_list *const lists[] = {&plan->item_tables, &plan->user_tables, &plan->skipped,
                                     &plan->tags,        &plan->attributes,  &plan->vectors,
                                     &plan->unknown};
    for (size_t k = 0; k < sizeof lists / sizeof *lists; ++k) {
        lists[k]->files = lode__arena_alloc(arena, count, sizeof *lists[k]->files);
        if (!lists[k]->files) return lode__fail_memory(error);
    }
    return LODE_OK;
}

// "X_item2attributes.json" describes the items of X, in a column "attributes"; other maps are called as their file.
static lode_status add_attributes(lode_plan *plan, const survey *s, const candidate *file,
                                  const candidate *log) {
    static const char marker[] = "item2";
    lode_arena *const arena = s->request->arena;
    const char *const stem = lode__name_without(arena, file->stem, ".json");
    const char *const log_dot = strrchr(log->set, '.');
    const size_t log_length = log_dot ? (size_t)(log_dot - log->set) : strlen(log->set);
    if (!stem) return lode__fail_memory(s->error);
    const char *const found = strstr(stem, marker);
    const size_t head = found && found > stem ? (size_t)(found - stem) - 1 : 0;
    if (head > 0 && (head != log_length || strncmp(stem, log->set, head) != 0)) {
        list_add(&plan->skipped, file, "it belongs to another set");
        return LODE_OK;
    }
    const char *const name = found && found[sizeof marker - 1] ? found + sizeof marker - 1 : stem;
    list_add(&plan->attributes, file, NULL)->column = name;
    return LODE_OK;
}

// X.content.npy beside the log X is the column "content"; others are called as their file.
static lode_status add_vectors(lode_plan *plan, const survey *s, const candidate *file,
                               const candidate *log) {
    lode_arena *const arena = s->request->arena;
    lode_plan_file *const out = list_add(&plan->vectors, file, NULL);
    const size_t head_length = strcspn(log->set, ".");
    out->column = lode__name_without(arena, file->stem, ".npy");
    if (out->column && strncmp(out->column, log->set, head_length) == 0 &&
        out->column[head_length] == '.' && out->column[head_length + 1])
        out->column += head_length + 1;
    const char *const head = lode__name_without(arena, file->path, ".npy");
    if (!out->column || !head) return lode__fail_memory(s->error);
    out->ids = lode__arena_printf(arena, "%s.ids", head);
    return out->ids ? LODE_OK : lode__fail_memory(s->error);
}

static lode_status add_file(lode_plan *plan, const survey *s, const candidate *file,
                            const candidate *log) {
    const bool other_set = s->recbole && file->kind != KIND_SKIP && file->kind != KIND_VECTORS &&
                           file->kind != KIND_IDS && strcmp(file->stem, log->stem) != 0;
    if (other_set && file->kind != KIND_LOG) {
        list_add(&plan->skipped, file, "it belongs to another set");
        return LODE_OK;
    }
    switch (file->kind) {
    case KIND_ITEM:
        list_add(&plan->item_tables, file, NULL);
        return LODE_OK;
    case KIND_USER:
        list_add(&plan->user_tables, file, NULL);
        return LODE_OK;
    case KIND_TAGS:
        list_add(&plan->tags, file, NULL);
        return LODE_OK;
    case KIND_ATTRIBUTES:
        return add_attributes(plan, s, file, log);
    case KIND_VECTORS:
        return add_vectors(plan, s, file, log);
    case KIND_UNKNOWN:
        list_add(&plan->unknown, file, NULL);
        return LODE_OK;
    case KIND_LOG:
        list_add(&plan->skipped, file,
                 other_set ? "it belongs to another set"
                           : "it is another log of the same users and items");
        return LODE_OK;
    case KIND_SKIP:
        list_add(&plan->skipped, file, file->reason);
        return LODE_OK;
    case KIND_IDS:
        return LODE_OK;
    }
    return LODE_OK;
}

lode_status lode__plan_choose(lode_plan *plan, survey *s) {
    settle_logs(s);
    LODE_TRY(join_parts(s));
    candidate *log = NULL;
    LODE_TRY(choose_log(s, &log));
    LODE_TRY(make_lists(plan, s->request->arena, s->count + LODE_COLUMNS_MAX, s->error));
    plan_logs(plan, s, log);
    for (size_t k = 0; k < s->count; ++k) {
        const candidate *const file = &s->files[k];
        const bool together = log->part >= 0 && file->part >= 0 && strcmp(file->set, log->set) == 0;
        if (file != log && !(file->kind == KIND_LOG && together))
            LODE_TRY(add_file(plan, s, file, log));
    }
    return LODE_OK;
}

static lode_status add_beside(lode_plan_list *list, lode_arena *arena, const char *stem,
                              const char *ending, const char *column, lode_error *error) {
    static const char *const codecs[] = {"", ".gz", ".zst"};
    for (size_t c = 0; c < sizeof codecs / sizeof *codecs; ++c) {
        const char *const path = lode__arena_printf(arena, "%s%s%s", stem, ending, codecs[c]);
        if (!path) return lode__fail_memory(error);
        if (!lode__file_exists(path)) continue;
        list->files[list->count++] =
            (lode_plan_file){.path = path, .name = lode__path_base(path), .column = column};
        return LODE_OK;
    }
    return LODE_OK;
}

// X.inter has X.item and X.user, and any X.ENDING may have X_item2attributes.json.
lode_status lode__plan_beside(lode_plan *plan, const lode_plan_request *r, lode_error *error) {
    plan->log = r->source;
    plan->logs[plan->log_count++] = (lode_plan_log){r->source, lode__path_base(r->source), -1};
    LODE_TRY(make_lists(plan, r->arena, LODE_COLUMNS_MAX, error));
    if (strcmp(r->source, "-") == 0) return LODE_OK;
    const char *const plain = lode__name_plain(r->arena, r->source);
    const char *set = NULL; // X.train.inter has X.item and X.user too
    if (plain) lode__name_part(r->arena, plain, &set);
    if (!set) return lode__fail_memory(error);
    const char *const base = lode__path_base(set);
    const char *const dot = strrchr(base, '.');
    const char *const stem =
        dot && dot > base ? lode__arena_strndup(r->arena, set, (size_t)(dot - set)) : set;
    if (!stem) return lode__fail_memory(error);
    if (lode__name_ends(plain, ".inter")) {
        LODE_TRY(add_beside(&plan->item_tables, r->arena, stem, ".item", NULL, error));
        LODE_TRY(add_beside(&plan->user_tables, r->arena, stem, ".user", NULL, error));
    }
    return add_beside(&plan->attributes, r->arena, stem, "_item2attributes.json", "attributes",
                      error);
}
