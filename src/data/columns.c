#include "data/columns.h"

#include <string.h>
#include <strings.h>

// Synonyms without case and punctuation, the most telling first.
static const char *const user_names[] = {
    "user",       "userid",    "uid",        "visitor",   "visitorid", "reviewer",
    "reviewerid", "customer",  "customerid", "member",    "memberid",  "account",
    "accountid",  "profileid", "useridx",    "userindex", "clientid",  NULL};
static const char *const item_names[] = {
    "item",           "itemid", "iid",        "movie",   "movieid",   "article",   "articleid",
    "clickarticleid", "asin",   "parentasin", "product", "productid", "sku",       "skuid",
    "book",           "bookid", "isbn",       "video",   "videoid",   "news",      "newsid",
    "song",           "songid", "track",      "trackid", "artist",    "artistid",  "business",
    "businessid",     "goods",  "goodsid",    "game",    "gameid",    "appid",     "recipe",
    "recipeid",       "poi",    "poiid",      "venueid", "content",   "contentid", "clickitemid",
    "itemidx",        "adid",   "anime",      "animeid", NULL};
static const char *const time_names[] = {
    "time",     "timestamp", "ts",     "clicktimestamp", "eventtime", "clicktime", "unixreviewtime",
    "datetime", "date",      "timems", "eventtimestamp", "createdat", "eventdate", NULL};
static const char *const label_names[] = {"rating",  "label",   "score", "stars", "overall",
                                          "isclick", "clicked", "click", NULL};
static const char *const session_names[] = {"session", "sessionid", "sid", NULL};
static const char *const behaviour_names[] = {"behaviour",    "behavior",   "behaviourtype",
                                              "behaviortype", "event",      "eventtype",
                                              "action",       "actiontype", NULL};
static const char *const weight_names[] = {"weight", "confidence", "playcount", "plays", NULL};
static const char *const part_names[] = {"split", "part", "fold", "subset", "partition", NULL};
static const char *const from_names[] = {"validfrom", NULL};
static const char *const until_names[] = {"validuntil", "validto", NULL};
static const char *const offset_names[] = {"timeframe", NULL};
static const char *const about_session_names[] = {"sessionstart", "sessionsize", "sessionlength",
                                                  "sessionend", NULL};

static const struct role_names {
    const char *name;
    const char *const *synonyms;
} roles[LODE_ROLES] = {[LODE_ROLE_NONE] = {"none", NULL},
                       [LODE_ROLE_USER] = {"user", user_names},
                       [LODE_ROLE_ITEM] = {"item", item_names},
                       [LODE_ROLE_TIME] = {"time", time_names},
                       [LODE_ROLE_LABEL] = {"label", label_names},
                       [LODE_ROLE_SESSION] = {"session", session_names},
                       [LODE_ROLE_BEHAVIOUR] = {"behaviour", behaviour_names},
                       [LODE_ROLE_WEIGHT] = {"weight", weight_names},
                       [LODE_ROLE_PART] = {"part", part_names},
                       [LODE_ROLE_VALID_FROM] = {"valid_from", from_names},
                       [LODE_ROLE_VALID_UNTIL] = {"valid_until", until_names},
                       [LODE_ROLE_OFFSET] = {"offset", offset_names},
                       [LODE_ROLE_ABOUT_SESSION] = {"about_session", about_session_names}};

static const char *const type_names[] = {[LODE_COLUMN_TOKEN] = "token",
                                         [LODE_COLUMN_TOKENS] = "token_seq",
                                         [LODE_COLUMN_FLOAT] = "float",
                                         [LODE_COLUMN_FLOATS] = "float_seq",
                                         [LODE_COLUMN_TEXT] = "text"};

#define TYPE_COUNT ((int)(sizeof type_names / sizeof *type_names))

int lode__part_of(const char *word, size_t length) {
    static const struct {
        const char *word;
        lode_given part;
    } words[] = {{"train", LODE_GIVEN_TRAIN}, {"training", LODE_GIVEN_TRAIN},
                 {"valid", LODE_GIVEN_VALID}, {"validation", LODE_GIVEN_VALID},
                 {"val", LODE_GIVEN_VALID},   {"dev", LODE_GIVEN_VALID},
                 {"test", LODE_GIVEN_TEST},   {"testing", LODE_GIVEN_TEST}};
    for (size_t k = 0; k < sizeof words / sizeof *words; ++k)
        if (strlen(words[k].word) == length && strncasecmp(words[k].word, word, length) == 0)
            return (int)words[k].part;
    return -1;
}

const char *lode__part_name(lode_given part) {
    static const char *const names[LODE_GIVEN_PARTS] = {"train", "valid", "test"};
    return names[part];
}

const char *lode__role_name(lode_role role) {
    return roles[role].name;
}

const char *lode__column_type_name(lode_column_type type) {
    return type_names[type];
}

int lode__column_type_find(const char *name) {
    for (int k = 0; k < TYPE_COUNT; ++k)
        if (strcmp(type_names[k], name) == 0) return k;
    return -1;
}

// Letters and digits in lower case; names that are too long stay unknown.
static void plain_name(const char *name, char out[64]) {
    size_t length = 0;
    for (; *name && length < 63; ++name) {
        const char c = *name >= 'A' && *name <= 'Z' ? (char)(*name - 'A' + 'a') : *name;
        if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) out[length++] = c;
    }
    out[*name ? 0 : length] = 0;
}

lode_role lode__role_of(const char *heading, size_t *rank) {
    char plain[64];
    plain_name(heading, plain);
    for (int role = 1; role < LODE_ROLES; ++role)
        for (size_t k = 0; roles[role].synonyms[k]; ++k)
            if (strcmp(roles[role].synonyms[k], plain) == 0) {
                if (rank) *rank = k;
                return (lode_role)role;
            }
    return LODE_ROLE_NONE;
}

static bool ends_with(const char *name, const char *ending) {
    const size_t a = strlen(name), b = strlen(ending);
    return a >= b && strcasecmp(name + a - b, ending) == 0;
}

bool lode__is_title_name(const char *name) {
    if (strcasecmp(name, "title") == 0 || strcasecmp(name, "name") == 0) return true;
    if (ends_with(name, "_title") || ends_with(name, "_name")) return true;
    const size_t length = strlen(name); // movieTitle, itemName
    return (length > 5 && strcmp(name + length - 5, "Title") == 0) ||
           (length > 4 && strcmp(name + length - 4, "Name") == 0);
}

size_t lode__heading_find(const lode_table *table, const char *name) {
    for (size_t k = 0; k < table->heading_count; ++k)
        if (strcmp(table->headings[k].name, name) == 0) return k;
    char wanted[64], found[64];
    plain_name(name, wanted);
    for (size_t k = 0; *wanted && k < table->heading_count; ++k) {
        plain_name(table->headings[k].name, found);
        if (strcmp(found, wanted) == 0) return k;
    }
    return LODE_NO_COLUMN;
}

size_t lode__heading_role(const lode_table *table, lode_role role) {
    size_t best = LODE_NO_COLUMN, best_rank = SIZE_MAX, rank = 0;
    for (size_t k = 0; k < table->heading_count; ++k)
        if (lode__role_of(table->headings[k].name, &rank) == role && rank < best_rank) {
            best = k;
            best_rank = rank;
        }
    return best;
}

size_t lode__heading_id(const lode_table *table, const lode_node *root, const char *section,
                        lode_role role) {
    const lode_node *const map = lode__node_get(root, section);
    const lode_node *const node =
        lode__node_get(map, strcmp(section, "log") == 0 ? lode__role_name(role) : "id");
    if (node && node->text) return lode__heading_find(table, node->text);
    return lode__heading_role(table, role);
}

const char *lode__heading_list(const lode_table *table, lode_arena *arena) {
    const char *list = "";
    const size_t shown = LODE_MIN(table->heading_count, (size_t)12);
    for (size_t k = 0; k < shown; ++k) {
        list = lode__arena_printf(arena, "%s%s'%.40s'", list, k ? ", " : "", table->headings[k].name);
        if (!list) return "";
    }
    if (shown < table->heading_count) list = lode__arena_printf(arena, "%s, ...", list);
    return list ? list : "";
}

static lode_status map_new(lode_column_map *map, const lode_map_request *request, lode_error *error) {
    for (int role = 0; role < LODE_ROLES; ++role)
        map->role[role] = LODE_NO_COLUMN;
    map->uses = lode__arena_alloc(request->arena, request->table->heading_count, sizeof *map->uses);
    return map->uses ? LODE_OK : lode__fail_memory(error);
}

static lode_status fail_node(const lode_map_request *request, const lode_node *node,
                             lode_error *error, const char *name) {
    return lode__fail(error, LODE_E_CONFIG, "%s: found the column '%s', expected one of %s: %s",
                      lode__node_where(request->arena, node), name, request->table->name,
                      lode__heading_list(request->table, request->arena));
}

// The column a scalar node names.
static lode_status node_column(const lode_map_request *request, const lode_node *node,
                               size_t *column, lode_error *error) {
    if (node->kind != LODE_NODE_SCALAR)
        return lode__fail(error, LODE_E_CONFIG, "%s: expected the name of a column",
                          lode__node_where(request->arena, node));
    *column = lode__heading_find(request->table, node->text);
    return *column == LODE_NO_COLUMN ? fail_node(request, node, error, node->text) : LODE_OK;
}

// Default use of a column that is kept.
static lode_use use_of(const lode_table *table, size_t column, bool guess) {
    const lode_heading *const heading = &table->headings[column];
    const bool title = lode__is_title_name(heading->name), typed = heading->type >= 0;
    lode_use use = {.keep = true,
                    .guess = guess && !typed && !title,
                    .about = heading->about,
                    .type = LODE_COLUMN_TOKEN,
                    .separator = typed && !heading->separator ? ' ' : heading->separator};
    if (typed) use.type = (lode_column_type)heading->type;
    if (title && (use.type == LODE_COLUMN_TOKENS || (guess && !typed))) use.type = LODE_COLUMN_TEXT;
    return use;
}

// "NAME" or "NAME:TYPE" of a list of context, item or user columns.
static lode_status read_column(lode_column_map *map, const lode_map_request *request,
                               const lode_node *item, lode_about about, lode_error *error) {
    if (item->kind != LODE_NODE_SCALAR)
        return lode__fail(error, LODE_E_CONFIG, "%s: expected a list of columns",
                          lode__node_where(request->arena, item));
    size_t column = lode__heading_find(request->table, item->text);
    int type = -1;
    const char *const colon = strrchr(item->text, ':');
    if (column == LODE_NO_COLUMN && colon) {
        const char *const name =
            lode__arena_strndup(request->arena, item->text, (size_t)(colon - item->text));
        if (!name) return lode__fail_memory(error);
        column = lode__heading_find(request->table, name);
        type = lode__column_type_find(colon + 1);
        if (type < 0)
            return lode__fail(error, LODE_E_CONFIG,
                              "%s: found the type '%s', expected token, token_seq, float, "
                              "float_seq or text",
                              lode__node_where(request->arena, item), colon + 1);
    }
    if (column == LODE_NO_COLUMN) return fail_node(request, item, error, item->text);
    map->uses[column] = use_of(request->table, column, about != LODE_ABOUT_ROW && type < 0);
    map->uses[column].about = about;
    if (type >= 0) map->uses[column].type = (lode_column_type)type;
    return LODE_OK;
}

static bool is_log_role(lode_role role) {
    return role >= LODE_ROLE_USER && role <= LODE_ROLE_LOG_LAST;
}

static bool *columns_used(const lode_map_request *request) {
    return lode__arena_alloc(request->arena, request->table->heading_count, sizeof(bool));
}

// What the columns of a list of the section `log` describe, or LODE_ABOUT_NOTHING.
static lode_about list_about(const char *key) {
    if (strcmp(key, "context") == 0) return LODE_ABOUT_ROW;
    if (strcmp(key, "item_columns") == 0) return LODE_ABOUT_ITEM;
    return strcmp(key, "user_columns") == 0 ? LODE_ABOUT_USER : LODE_ABOUT_NOTHING;
}

// The `log` section of a columns file; `used` marks columns whose fate is settled.
static lode_status read_log_section(lode_column_map *map, const lode_map_request *request,
                                    const lode_node *section, bool *used, lode_error *error) {
    for (const lode_node *node = section ? section->child : NULL; node; node = node->next) {
        size_t column = LODE_NO_COLUMN;
        int role = 1;
        while (role < LODE_ROLES && strcmp(roles[role].name, node->key) != 0)
            ++role;
        if (role < LODE_ROLES && is_log_role((lode_role)role)) {
            LODE_TRY(node_column(request, node, &column, error));
            map->role[role] = column;
            used[column] = true;
        } else if (strcmp(node->key, "ignore") == 0) {
            for (const lode_node *item = node->child; item; item = item->next) {
                LODE_TRY(node_column(request, item, &column, error));
                used[column] = true;
            }
        } else if (list_about(node->key) < LODE_ABOUT_NOTHING) {
            for (const lode_node *item = node->child; item; item = item->next)
                LODE_TRY(read_column(map, request, item, list_about(node->key), error));
        } else if (strcmp(node->key, "names") != 0) {
            return lode__fail(
                error, LODE_E_CONFIG,
                "%s: found the key '%s', expected user, item, time, label, session, "
                "behaviour, weight, part, context, item_columns, user_columns, names or "
                "ignore",
                lode__node_where(request->arena, node), node->key);
        }
    }
    return LODE_OK;
}

static lode_status require(const lode_column_map *map, const lode_map_request *request,
                           lode_role role, lode_error *error) {
    if (map->role[role] != LODE_NO_COLUMN) return LODE_OK;
    return lode__fail(error, LODE_E_INPUT,
                      "%s:1:1: found the columns %s, expected one that holds the %s; name it in a "
                      "columns file: log: {%s: NAME}",
                      request->table->name, lode__heading_list(request->table, request->arena),
                      lode__role_name(role), lode__role_name(role));
}

// Why a column of a log is not kept, or NULL.
static const char *why_left_out(const lode_table *table, size_t column) {
    const lode_heading *const heading = &table->headings[column];
    if (heading->about == LODE_ABOUT_NOTHING) return heading->reason;
    if (lode__role_of(heading->name, NULL) == LODE_ROLE_ABOUT_SESSION)
        return "it describes the session";
    if (heading->type == LODE_COLUMN_TEXT && heading->about == LODE_ABOUT_ROW)
        return "it holds free text";
    return NULL;
}

lode_status lode__map_log(lode_column_map *map, const lode_map_request *request, lode_error *error) {
    const lode_table *const table = request->table;
    const lode_node *const section = lode__node_get(request->root, "log");
    LODE_TRY(map_new(map, request, error));
    bool *const used = columns_used(request);
    if (!used) return lode__fail_memory(error);
    LODE_TRY(read_log_section(map, request, section, used, error));
    for (int role = LODE_ROLE_USER; is_log_role((lode_role)role); ++role) {
        if (map->role[role] != LODE_NO_COLUMN) continue;
        const size_t column = lode__heading_role(table, (lode_role)role);
        if (column == LODE_NO_COLUMN || used[column] || map->uses[column].keep) continue;
        map->role[role] = column;
        used[column] = true;
    }
    if (map->role[LODE_ROLE_USER] == LODE_NO_COLUMN &&
        map->role[LODE_ROLE_SESSION] != LODE_NO_COLUMN) {
        map->role[LODE_ROLE_USER] = map->role[LODE_ROLE_SESSION];
        lode__notice(request->hooks, "%s: no column holds users; every session counts as a user",
                     table->name);
    }
    LODE_TRY(require(map, request, LODE_ROLE_USER, error));
    LODE_TRY(require(map, request, LODE_ROLE_ITEM, error));
    const bool chosen = lode__node_get(section, "context") != NULL;
    const size_t offset = lode__heading_role(table, LODE_ROLE_OFFSET);
    if (map->role[LODE_ROLE_TIME] != LODE_NO_COLUMN && offset != LODE_NO_COLUMN && !used[offset] &&
        !map->uses[offset].keep) {
        map->role[LODE_ROLE_OFFSET] = offset;
        used[offset] = true;
        lode__notice(request->hooks, "%s: column %s is added to the time, as milliseconds",
                     table->name, table->headings[offset].name);
    }
    for (size_t k = 0; k < table->heading_count; ++k) {
        if (used[k]) {
            map->uses[k].keep = false;
            continue;
        }
        if (chosen || map->uses[k].keep) continue;
        const char *const reason = why_left_out(table, k);
        if (reason)
            lode__notice(request->hooks, "%s: column %s is left out: %s", table->name,
                         table->headings[k].name, reason);
        else
            map->uses[k] = use_of(table, k, table->headings[k].about != LODE_ABOUT_ROW);
    }
    return LODE_OK;
}

// One "COLUMN: type" of an `item` or `user` section.
static lode_status read_table_column(lode_column_map *map, const lode_map_request *request,
                                     const lode_node *node, bool *used, lode_error *error) {
    const size_t column = lode__heading_find(request->table, node->key);
    if (column == LODE_NO_COLUMN) return LODE_OK; // it may stand in another table of the folder
    const char *const text = node->text ? node->text : "";
    const int type = lode__column_type_find(text);
    if (type < 0 && strcmp(text, "ignore") != 0)
        return lode__fail(error, LODE_E_CONFIG,
                          "%s: found the type '%s' of column %s, expected token, token_seq, float, "
                          "float_seq, text or ignore",
                          lode__node_where(request->arena, node), text, node->key);
    used[column] = true;
    if (type < 0) return LODE_OK;
    map->uses[column] = use_of(request->table, column, false);
    map->uses[column].type = (lode_column_type)type;
    return LODE_OK;
}

lode_status lode__map_table(lode_column_map *map, const lode_map_request *request, lode_role id,
                            lode_error *error) {
    const lode_table *const table = request->table;
    const char *const name = lode__role_name(id);
    const lode_node *const section = lode__node_get(request->root, name);
    LODE_TRY(map_new(map, request, error));
    bool *const used = columns_used(request);
    if (!used) return lode__fail_memory(error);
    const size_t column = lode__heading_id(table, request->root, name, id);
    if (column == LODE_NO_COLUMN)
        return lode__fail(
            error, LODE_E_INPUT,
            "%s:1:1: found the columns %s, expected one that holds the %s; name it in "
            "a columns file: %s: {id: NAME}",
            table->name, lode__heading_list(table, request->arena), name, name);
    map->role[id] = column;
    used[column] = true;
    for (const lode_node *node = section ? section->child : NULL; node; node = node->next)
        if (strcmp(node->key, "id") != 0 && strcmp(node->key, "names") != 0 &&
            node->kind == LODE_NODE_SCALAR)
            LODE_TRY(read_table_column(map, request, node, used, error));
    for (int role = LODE_ROLE_VALID_FROM; role <= LODE_ROLE_VALID_UNTIL; ++role) {
        const size_t found = lode__heading_role(table, (lode_role)role);
        if (id != LODE_ROLE_ITEM || found == LODE_NO_COLUMN || used[found]) continue;
        map->role[role] = found;
        used[found] = true;
    }
    for (size_t k = 0; k < table->heading_count; ++k) {
        if (used[k]) continue;
        if (table->headings[k].about == LODE_ABOUT_NOTHING)
            lode__notice(request->hooks, "%s: column %s is left out: %s", table->name,
                         table->headings[k].name, table->headings[k].reason);
        else
            map->uses[k] = use_of(table, k, true);
    }
    return LODE_OK;
}
