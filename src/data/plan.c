// A RecBole set X is X.inter with X.item and X.user beside it. In other folders every file is opened and its
// headings are looked at: user and item columns make a log, one of them alone makes a table, and tables of
// the folder are joined to the log. A second log stays out when the first one alone has ratings and both
// name users and items alike; otherwise the folder holds several sets, and the user has to choose.
#include "data/plan_survey.h"

#include <string.h>
#include <strings.h>

bool lode__name_ends(const char *name, const char *ending) {
    const size_t a = strlen(name), b = strlen(ending);
    return a > b && strcasecmp(name + a - b, ending) == 0;
}

const char *lode__name_without(lode_arena *arena, const char *name, const char *ending) {
    return lode__name_ends(name, ending)
               ? lode__arena_strndup(arena, name, strlen(name) - strlen(ending))
               : name;
}

const char *lode__name_plain(lode_arena *arena, const char *name) {
    name = lode__name_without(arena, name, ".gz");
    return name ? lode__name_without(arena, name, ".zst") : NULL;
}

// The kind of a RecBole file by its ending, and its set.
static file_kind recbole_kind(lode_arena *arena, const char *name, const char **stem) {
    static const char *const endings[] = {".inter", ".item", ".user"};
    static const file_kind kinds[] = {KIND_LOG, KIND_ITEM, KIND_USER};
    for (size_t k = 0; k < 3; ++k)
        if (lode__name_ends(name, endings[k])) {
            *stem = lode__name_without(arena, name, endings[k]);
            return kinds[k];
        }
    *stem = name;
    return KIND_SKIP;
}

int lode__name_part(lode_arena *arena, const char *plain, const char **set) {
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
    size_t user = lode__heading_id(table, r->columns, "log", LODE_ROLE_USER);
    const size_t item = lode__heading_id(table, r->columns, "log", LODE_ROLE_ITEM);
    if (user == LODE_NO_COLUMN) // sessions may stand for users
        user = lode__heading_id(table, r->columns, "log", LODE_ROLE_SESSION);
    if (user != LODE_NO_COLUMN && item != LODE_NO_COLUMN) {
        file->kind = KIND_LOG;
        file->user = lode__arena_strdup(r->arena, table->headings[user].name);
        file->item = lode__arena_strdup(r->arena, table->headings[item].name);
        file->labelled = lode__heading_role(table, LODE_ROLE_LABEL) != LODE_NO_COLUMN;
        file->tagged = lode__heading_find(table, "tag") != LODE_NO_COLUMN;
        file->guessed = table->note && !table->has_header && table->separator;
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
    if (!table->named && table->heading_count >= 2) {
        file->kind = KIND_UNKNOWN;
        return LODE_OK;
    }
    return skip(s, file,
                lode__arena_printf(r->arena, "none of its columns %s holds users or items",
                                   lode__heading_list(table, r->arena)));
}

static bool has_file(const survey *s, const char *name) {
    for (size_t k = 0; k < s->count; ++k)
        if (strcmp(s->files[k].name, name) == 0) return true;
    return false;
}

// Files of MovieLens that are neither log nor table, by name; or NULL.
static const char *movielens_extra(const survey *s, const char *name) {
    if (strncmp(name, "genome-", 7) == 0) return "relevances of tags are not read";
    if (strncmp(name, "links.", 6) == 0) return "it links to other sites and describes nothing";
    if (!has_file(s, "u.data")) return NULL;
    if (strcmp(name, "u.info") == 0 || strcmp(name, "u.genre") == 0 ||
        strcmp(name, "u.occupation") == 0)
        return "it lists what u.item and u.user hold already";
    const bool fold = *name == 'u' && name[1] && strchr("12345ab", name[1]) && name[2] == '.';
    return fold ? "it is a fold of u.data" : NULL;
}

// A file that holds one JSON object and is no table of JSON lines: a map from items to values.
static lode_status is_attribute_map(const lode_plan_request *r, const char *path, bool *found,
                                    lode_error *error) {
    lode_input *input;
    lode_sample sample;
    lode_status status = lode__input_open(&input, path, (size_t)r->options->max_line, error);
    if (status != LODE_OK) return status;
    status = lode__input_peek(input, &sample.text, &sample.length, &sample.whole, error);
    *found = status == LODE_OK && lode__attributes_detect(&sample);
    lode__input_free(&input);
    return status;
}

// Which section's names a file without a header takes: the first one that lists as many.
static const char *section_of(const survey *s, const candidate *file, const lode_table *table) {
    static const char *const sections[] = {"log", "item", "user"};
    const lode_plan_request *const r = s->request;
    if (table->has_header) return NULL;
    for (size_t k = 0; k < 3; ++k) {
        const lode_node *const section = lode__node_get(r->columns, sections[k]);
        const lode_node *const names = section ? lode__node_get(section, "names") : NULL;
        const bool other = k == 0 && r->options->log && strcmp(r->options->log, file->name) != 0;
        if (names && !other && lode__node_count(names) == table->heading_count) return sections[k];
    }
    return NULL;
}

static lode_status inspect(survey *s, candidate *file) {
    const lode_plan_request *const r = s->request;
    const char *const extra = movielens_extra(s, file->name);
    if (is_prose(file->name)) return skip(s, file, "it is no data");
    if (extra) return skip(s, file, extra);
    if (lode__name_ends(file->stem, ".yaml") || lode__name_ends(file->stem, ".yml"))
        return skip(s, file, "it is a configuration");
    if (lode__name_ends(file->stem, ".lode")) return skip(s, file, "it is a data set already");
    if (lode__name_ends(file->stem, ".json")) {
        bool map = false;
        lode_error unused = {0};
        if (is_attribute_map(r, file->path, &map, &unused) == LODE_E_MEMORY)
            return lode__fail_memory(s->error);
        if (map) {
            file->kind = KIND_ATTRIBUTES;
            return LODE_OK;
        }
    }
    lode_error problem = {0};
    lode_table table = {0};
    lode_status status = lode__plan_open(r, file->path, NULL, &table, &problem);
    const char *const section = status == LODE_OK ? section_of(s, file, &table) : NULL;
    if (section) {
        lode__table_close(&table);
        status = lode__plan_open(r, file->path, section, &table, &problem);
    }
    if (status == LODE_OK) {
        status = classify(s, file, &table);
        lode__table_close(&table);
        return status;
    }
    if (status == LODE_E_MEMORY) return lode__fail_memory(s->error);
    return skip(s, file, lode__arena_strdup(r->arena, problem.message));
}

// X.npy and X.ids, which `lodestone encode` writes.
static bool find_vectors(const survey *s, candidate *file) {
    char other[512];
    const size_t length = strlen(file->name);
    const bool npy = lode__name_ends(file->name, ".npy"), ids = lode__name_ends(file->name, ".ids");
    if ((!npy && !ids) || length >= sizeof other) return false;
    memcpy(other, file->name, length + 1);
    memcpy(other + length - 3, npy ? "ids" : "npy", 3);
    if (!has_file(s, other)) {
        file->kind = KIND_SKIP;
        file->reason = npy ? "there is no file of its ids beside it, with the ending .ids"
                           : "there is no .npy beside it";
        return true;
    }
    file->kind = npy ? KIND_VECTORS : KIND_IDS;
    return true;
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
        const char *const plain = lode__name_plain(r->arena, names[k]);
        if (plain) file->kind = recbole_kind(r->arena, plain, &file->stem);
        if (plain) file->part = lode__name_part(r->arena, plain, &file->set);
        if (!plain || !file->stem || !file->set) return lode__fail_memory(s->error);
        if (file->kind == KIND_LOG && file->part >= 0) // X.train.inter belongs to X
            file->stem = lode__name_without(r->arena, file->set, ".inter");
        if (!file->stem) return lode__fail_memory(s->error);
        s->recbole = s->recbole || file->kind == KIND_LOG;
        ++s->count;
    }
    for (size_t k = 0; k < s->count; ++k) {
        candidate *const file = &s->files[k];
        if (find_vectors(s, file)) continue;
        if (s->recbole && file->kind == KIND_SKIP)
            LODE_TRY(skip(s, file, "the folder holds RecBole files, and it is none of them"));
        else if (!s->recbole)
            LODE_TRY(inspect(s, file));
    }
    return LODE_OK;
}

// `item: {content: {npy: FILE, ids: FILE, column: NAME}}`: files are looked for beside the columns file.
static lode_status add_named_vectors(lode_plan *plan, const lode_plan_request *r, lode_role role,
                                     const lode_node *node, lode_error *error) {
    const lode_node *const npy = lode__node_get(node, "npy"), *const ids = lode__node_get(node, "ids"),
                           *const column = lode__node_get(node, "column");
    const size_t known = (npy != NULL) + (ids != NULL) + (column != NULL);
    if (!npy || !ids || !npy->text || !ids->text || (column && !column->text) ||
        known != lode__node_count(node))
        return lode__fail(error, LODE_E_CONFIG,
                          "%s: expected {npy: FILE, ids: FILE} and, where ids are a column of a "
                          "table, column: NAME",
                          lode__node_where(r->arena, node));
    const char *const path = r->options->columns, *const slash = strrchr(path, '/');
    const char *const folder =
        slash ? lode__arena_strndup(r->arena, path, (size_t)(slash - path) + 1) : "";
    if (plan->vectors.count >= LODE_COLUMNS_MAX)
        return lode__fail(error, LODE_E_CONFIG, "%s: found more than %d files of vectors",
                          lode__node_where(r->arena, node), LODE_COLUMNS_MAX);
    lode_plan_file *const out = &plan->vectors.files[plan->vectors.count++];
    if (!folder) return lode__fail_memory(error);
    *out = (lode_plan_file){.column = node->key, .role = (int)role};
    out->path = lode__arena_printf(r->arena, "%s%s", *npy->text == '/' ? "" : folder, npy->text);
    out->ids = lode__arena_printf(r->arena, "%s%s", *ids->text == '/' ? "" : folder, ids->text);
    out->ids_column = column ? column->text : NULL;
    if (!out->path || !out->ids) return lode__fail_memory(error);
    out->name = lode__path_base(out->path);
    return LODE_OK;
}

static lode_status plan_named_vectors(lode_plan *plan, const lode_plan_request *r, lode_error *error) {
    static const lode_role roles[] = {LODE_ROLE_ITEM, LODE_ROLE_USER};
    for (size_t k = 0; k < 2; ++k) {
        const lode_node *const section = lode__node_get(r->columns, lode__role_name(roles[k]));
        for (const lode_node *node = section ? section->child : NULL; node; node = node->next)
            if (node->kind == LODE_NODE_MAP)
                LODE_TRY(add_named_vectors(plan, r, roles[k], node, error));
    }
    return LODE_OK;
}

// The list `names` of a section of the columns file.
static lode_status read_names(const lode_plan_request *r, const char *section,
                              lode_table_options *out, lode_error *error) {
    const lode_node *const list =
        lode__node_get(section ? lode__node_get(r->columns, section) : NULL, "names");
    if (!list) return LODE_OK;
    const size_t count = list->kind == LODE_NODE_LIST ? lode__node_count(list) : 0;
    const char **const names = lode__arena_alloc(r->arena, count + 1, sizeof *names);
    if (!names) return lode__fail_memory(error);
    size_t filled = 0;
    for (const lode_node *node = list->child; node && count > 0; node = node->next)
        if (node->kind == LODE_NODE_SCALAR) names[filled++] = node->text;
    if (filled != count || count == 0)
        return lode__fail(error, LODE_E_CONFIG, "%s: expected a list of names",
                          lode__node_where(r->arena, list));
    out->names = names;
    out->name_count = count;
    return LODE_OK;
}

lode_status lode__plan_open(const lode_plan_request *r, const char *path, const char *section,
                            lode_table *table, lode_error *error) {
    lode_table_options options = {.reader = r->reader,
                                  .max_line = (size_t)r->options->max_line,
                                  .encoding = (lode_encoding)r->options->encoding,
                                  .third = (lode_third)r->options->third};
    LODE_TRY(read_names(r, section, &options, error));
    lode_input *input;
    LODE_TRY(lode__input_open(&input, path, options.max_line, error));
    return lode__table_open(table, input, &options, error);
}

lode_status lode__plan_make(lode_plan *plan, const lode_plan_request *request, lode_error *error) {
    *plan = (lode_plan){0};
    const bool standard = strcmp(request->source, "-") == 0;
    if (!standard && lode__is_folder(request->source)) {
        survey s = {.request = request, .error = error};
        LODE_TRY(survey_folder(&s));
        LODE_TRY(lode__plan_choose(plan, &s));
    } else {
        if (!standard && !lode__file_exists(request->source))
            return lode__fail(error, LODE_E_MISSING, "%s: there is no such file or folder",
                              request->source);
        LODE_TRY(lode__plan_beside(plan, request, error));
    }
    LODE_TRY(plan_named_vectors(plan, request, error));
    for (size_t k = 0; k < plan->skipped.count; ++k)
        lode__notice(request->hooks, "%s is skipped: %s", plan->skipped.files[k].name,
                     plan->skipped.files[k].reason);
    return LODE_OK;
}
