// Opening trusts nothing: every count of meta is held against the size of its sections, every offset, code
// and order is read once. What passes can be indexed without further checks.
#include "data/dataset.h"

#include "base/text.h"
#include "data/columns.h"
#include "data/dataset_limits.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { LARGE_LOG = 1 << 24 }; // rows: some hundreds of megabytes of file

/// Opening one data set.
typedef struct opening {
    lode_dataset *data;
    const char *path;
    json_t *meta;
    lode_error *error;
} opening;

static lode_status damaged(const opening *o, const char *section, const char *what) {
    return lode__fail(o->error, LODE_E_FORMAT,
                      "%s: section %s %s; the file is damaged, import the logs again", o->path,
                      section, what);
}

static lode_status array(const opening *o, const char *name, size_t element, uint64_t count,
                         const void **out) {
    return lode__container_array(&o->data->file, name, element, count, out, o->error);
}

// A section that may be absent: *out = NULL.
static lode_status optional(const opening *o, const char *name, size_t element, uint64_t count,
                            const void **out) {
    *out = NULL;
    return lode__container_find(&o->data->file, name) ? array(o, name, element, count, out) : LODE_OK;
}

static lode_status meta_count(const opening *o, const char *key, uint64_t limit, uint64_t *out) {
    const json_t *const value = json_object_get(o->meta, key);
    if (!json_is_integer(value) || json_integer_value(value) < 0 ||
        (uint64_t)json_integer_value(value) > limit) {
        char what[80];
        snprintf(what, sizeof what, "holds no sensible number of %s", key);
        return damaged(o, "meta", what);
    }
    *out = (uint64_t)json_integer_value(value);
    return LODE_OK;
}

// starts[0 .. count]: from 0, each step at least `least`, up to `end`.
static bool starts_valid(const uint64_t *starts, uint64_t count, uint64_t least, uint64_t end) {
    if (starts[0] != 0 || starts[count] != end) return false;
    for (uint64_t k = 0; k < count; ++k)
        if (starts[k + 1] < starts[k] || starts[k + 1] - starts[k] < least) return false;
    return true;
}

// Each piece ends with its only 0 byte and is UTF-8.
static bool texts_valid(const char *bytes, const uint64_t *starts, uint64_t count) {
    for (uint64_t k = 0; k < count; ++k) {
        const char *const text = bytes + starts[k];
        const size_t size = (size_t)(starts[k + 1] - starts[k]);
        if (memchr(text, 0, size) != text + size - 1 || !lode__utf8_valid(text, size - 1))
            return false;
    }
    return true;
}

static lode_status open_tokens(const opening *o, const char *bytes, const char *starts,
                               uint64_t count, lode_tokens *out) {
    const lode_section *const section = lode__container_find(&o->data->file, bytes);
    if (!section) return damaged(o, bytes, "is missing");
    const void *found;
    LODE_TRY(array(o, starts, sizeof(uint64_t), count + 1, &found));
    *out = (lode_tokens){(uint32_t)count, section->data, found, NULL};
    if (!starts_valid(found, count, 2, section->size))
        return damaged(o, starts, "holds offsets out of order");
    return texts_valid(out->bytes, out->starts, count) ? LODE_OK
                                                       : damaged(o, bytes, "holds a broken token");
}

static lode_status open_sorted(const opening *o, const char *name, lode_tokens *tokens) {
    const void *found;
    LODE_TRY(array(o, name, sizeof(uint32_t), tokens->count, &found));
    tokens->sorted = found;
    for (uint32_t k = 0; k < tokens->count; ++k) {
        if (tokens->sorted[k] >= tokens->count) return damaged(o, name, "holds a wrong index");
        if (k > 0 && strcmp(lode__token(tokens, tokens->sorted[k - 1]),
                            lode__token(tokens, tokens->sorted[k])) >= 0)
            return damaged(o, name, "is out of order");
    }
    return LODE_OK;
}

void lode__dataset_forget(const lode_dataset *data) {
    if (data->interactions < data->large) return;
    lode__mapping_forget(&data->file.mapping, data->file.mapping.data, data->file.mapping.size);
}

/// In a loop over all rows: give back what the last stretch read.
static void walked_to(const lode_dataset *data, uint64_t row) {
    if (row % data->large == data->large - 1) lode__dataset_forget(data);
}

static lode_status check_log(const opening *o) {
    lode_dataset *const data = o->data;
    const uint64_t n = data->interactions;
    if (!starts_valid(data->offsets, data->users.count, 0, n))
        return damaged(o, "log.offsets", "holds offsets out of order");
    for (uint64_t k = 0; k < n; ++k) {
        if (data->item[k] >= data->items.count) return damaged(o, "log.item", "holds a wrong item");
        if (data->behaviour && data->behaviour[k] >= LODE_BEHAVIOURS)
            return damaged(o, "log.behaviour", "holds a wrong behaviour");
        if (data->weight && !(isfinite(data->weight[k]) && data->weight[k] >= 0))
            return damaged(o, "log.weight", "holds a wrong weight");
        if (data->session && data->session[k] >= n)
            return damaged(o, "log.session", "holds a wrong session");
        if (data->part && data->part[k] >= LODE_GIVEN_PARTS)
            return damaged(o, "log.part", "holds a wrong part");
        if (data->label && isinf(data->label[k]))
            return damaged(o, "log.label", "holds an infinite label");
        walked_to(data, k);
    }
    for (uint32_t u = 0; data->time && u < data->users.count; ++u)
        for (uint64_t k = data->offsets[u]; k < data->offsets[u + 1]; ++k) {
            if (data->time[k] < 0 || data->time[k] > LODE_TIME_LIMIT)
                return damaged(o, "log.time", "holds a time out of range");
            if (k > data->offsets[u] && data->time[k] < data->time[k - 1])
                return damaged(o, "log.time", "is out of order");
            walked_to(data, k);
        }
    lode__dataset_forget(data);
    return LODE_OK;
}

static lode_status count_active(const opening *o) {
    lode_dataset *const data = o->data;
    bool *const seen = lode__alloc(data->items.count, sizeof *seen);
    if (!seen) return lode__fail_memory(o->error);
    for (uint64_t k = 0; k < data->interactions; ++k) {
        data->active_items += !seen[data->item[k]];
        seen[data->item[k]] = true;
        walked_to(data, k);
    }
    lode__free(seen);
    for (uint32_t u = 0; u < data->users.count; ++u)
        data->active_users += data->offsets[u + 1] > data->offsets[u];
    return LODE_OK;
}

static lode_status open_log(opening *o) {
    lode_dataset *const data = o->data;
    const uint64_t n = data->interactions;
    static const char *const kinds[] = {"none", "order", "real"};
    const char *const kind = json_string_value(json_object_get(o->meta, "time"));
    int found = -1;
    for (int k = 0; kind && k < 3; ++k)
        if (strcmp(kind, kinds[k]) == 0) found = k;
    if (found < 0) return damaged(o, "meta", "holds no kind of time");
    data->time_kind = (lode_time_kind)found;
    const void *offsets, *item, *time, *behaviour, *weight, *session, *label, *part, *valid;
    LODE_TRY(array(o, "log.offsets", sizeof(uint64_t), (uint64_t)data->users.count + 1, &offsets));
    LODE_TRY(array(o, "log.item", sizeof(uint32_t), n, &item));
    LODE_TRY(optional(o, "log.time", sizeof(int64_t), n, &time));
    LODE_TRY(optional(o, "log.behaviour", sizeof(uint8_t), n, &behaviour));
    LODE_TRY(optional(o, "log.weight", sizeof(float), n, &weight));
    LODE_TRY(optional(o, "log.session", sizeof(uint32_t), n, &session));
    LODE_TRY(optional(o, "log.label", sizeof(float), n, &label));
    LODE_TRY(optional(o, "log.part", sizeof(uint8_t), n, &part));
    LODE_TRY(optional(o, "item.valid", 2 * sizeof(int64_t), data->items.count, &valid));
    data->offsets = offsets;
    data->item = item;
    data->time = time;
    data->behaviour = behaviour;
    data->weight = weight;
    data->session = session;
    data->label = label;
    data->part = part;
    data->valid = valid;
    if ((data->time == NULL) != (data->time_kind == LODE_TIME_NONE))
        return damaged(o, "log.time", "does not fit the kind of time in meta");
    for (uint32_t k = 0; data->valid && k < data->items.count; ++k)
        if (data->valid[2 * k] > data->valid[2 * k + 1])
            return damaged(o, "item.valid", "holds an end before its beginning");
    LODE_TRY(check_log(o));
    return count_active(o);
}

static lode_status check_codes(const opening *o, const char *name, const lode_column *column,
                               uint64_t count) {
    const bool missing_allowed = column->type == LODE_COLUMN_TOKEN;
    for (uint64_t k = 0; k < count; ++k) {
        const uint32_t code = column->codes[k];
        if (code >= column->tokens.count && !(missing_allowed && code == LODE_CODE_NONE))
            return damaged(o, name, "holds a wrong code");
    }
    return LODE_OK;
}

static lode_status check_values(const opening *o, const char *name, const lode_column *column,
                                uint64_t count) {
    const bool missing_allowed = column->type == LODE_COLUMN_FLOAT;
    for (uint64_t k = 0; k < count; ++k)
        if (!isfinite(column->values[k]) && !(missing_allowed && isnan(column->values[k])))
            return damaged(o, name, "holds a number that is not finite");
    return LODE_OK;
}

/// Names of a column's sections.
typedef struct column_names {
    char codes[LODE_SECTION_NAME], starts[LODE_SECTION_NAME], values[LODE_SECTION_NAME],
        bytes[LODE_SECTION_NAME], tokens[LODE_SECTION_NAME], token_starts[LODE_SECTION_NAME];
} column_names;

static column_names names_of(const char *prefix, size_t number) {
    column_names n;
    snprintf(n.codes, sizeof n.codes, "%s.%zu.codes", prefix, number);
    snprintf(n.starts, sizeof n.starts, "%s.%zu.starts", prefix, number);
    snprintf(n.values, sizeof n.values, "%s.%zu.values", prefix, number);
    snprintf(n.bytes, sizeof n.bytes, "%s.%zu.bytes", prefix, number);
    snprintf(n.tokens, sizeof n.tokens, "%s.%zu.tokens", prefix, number);
    snprintf(n.token_starts, sizeof n.token_starts, "%s.%zu.tokens.starts", prefix, number);
    return n;
}

static lode_status open_dictionary(const opening *o, const column_names *names, lode_column *column) {
    const lode_section *const starts = lode__container_find(&o->data->file, names->token_starts);
    if (!starts || starts->size < sizeof(uint64_t))
        return damaged(o, names->token_starts, "is missing or empty");
    const uint64_t count = starts->size / sizeof(uint64_t) - 1;
    if (count >= LODE_CODE_NONE) return damaged(o, names->token_starts, "is too large");
    return open_tokens(o, names->tokens, names->token_starts, count, &column->tokens);
}

static lode_status open_column(const opening *o, const char *prefix, size_t number,
                               lode_column *column) {
    const column_names names = names_of(prefix, number);
    const bool single = column->type == LODE_COLUMN_TOKEN || column->type == LODE_COLUMN_FLOAT;
    const bool text = column->type == LODE_COLUMN_TEXT;
    const bool coded = column->type == LODE_COLUMN_TOKEN || column->type == LODE_COLUMN_TOKENS;
    const char *const name = text ? names.bytes : coded ? names.codes : names.values;
    uint64_t count = column->rows;
    const void *found;
    if (!single) {
        LODE_TRY(array(o, names.starts, sizeof(uint64_t), column->rows + 1, &found));
        column->starts = found;
        count = column->starts[column->rows];
        if (!starts_valid(column->starts, column->rows, text ? 1 : 0, count))
            return damaged(o, names.starts, "holds offsets out of order");
    }
    LODE_TRY(array(o, name, text ? 1 : sizeof(uint32_t), count, &found));
    if (text) {
        column->bytes = found;
        return texts_valid(column->bytes, column->starts, column->rows)
                   ? LODE_OK
                   : damaged(o, name, "holds a broken text");
    }
    if (!coded) {
        column->values = found;
        return check_values(o, name, column, count);
    }
    column->codes = found;
    LODE_TRY(open_dictionary(o, &names, column));
    return check_codes(o, name, column, count);
}

// The columns listed in meta under `key`, in sections PREFIX.K.*.
static lode_status open_columns(opening *o, const char *key, const char *prefix, uint64_t rows,
                                lode_column **out, size_t *count) {
    const json_t *const list = json_object_get(o->meta, key);
    if (!json_is_array(list) || json_array_size(list) > LODE_COLUMNS_LIMIT)
        return damaged(o, "meta", "holds no list of columns");
    *count = json_array_size(list);
    *out = lode__arena_alloc(&o->data->arena, *count, sizeof **out);
    if (!*out) return lode__fail_memory(o->error);
    for (size_t k = 0; k < *count; ++k) {
        const json_t *const entry = json_array_get(list, k);
        const char *const name = json_string_value(json_object_get(entry, "name"));
        const char *const type = json_string_value(json_object_get(entry, "type"));
        const int found = type ? lode__column_type_find(type) : -1;
        if (!name || !*name || found < 0) return damaged(o, "meta", "holds a broken column");
        lode_column *const column = &(*out)[k];
        column->name = lode__arena_strdup(&o->data->arena, name);
        if (!column->name) return lode__fail_memory(o->error);
        column->type = (lode_column_type)found;
        column->rows = rows;
        LODE_TRY(open_column(o, prefix, k, column));
    }
    return LODE_OK;
}

static lode_status open_meta(opening *o) {
    const lode_section *const section = lode__container_find(&o->data->file, "meta");
    if (!section) return damaged(o, "meta", "is missing");
    json_error_t problem;
    o->meta = json_loadb(section->data, (size_t)section->size, JSON_REJECT_DUPLICATES, &problem);
    if (!o->meta && json_error_code(&problem) == json_error_out_of_memory)
        return lode__fail_memory(o->error);
    return json_is_object(o->meta) ? LODE_OK : damaged(o, "meta", "is no JSON object");
}

static lode_status open_all(opening *o) {
    lode_dataset *const data = o->data;
    uint64_t users = 0, items = 0;
    LODE_TRY(open_meta(o));
    LODE_TRY(meta_count(o, "users", LODE_CODE_NONE - 1, &users));
    LODE_TRY(meta_count(o, "items", LODE_CODE_NONE - 1, &items));
    LODE_TRY(meta_count(o, "interactions", UINT64_MAX / 16, &data->interactions));
    LODE_TRY(open_tokens(o, "user.tokens", "user.starts", users, &data->users));
    LODE_TRY(open_tokens(o, "item.tokens", "item.starts", items, &data->items));
    LODE_TRY(open_sorted(o, "user.sorted", &data->users));
    LODE_TRY(open_sorted(o, "item.sorted", &data->items));
    LODE_TRY(open_log(o));
    LODE_TRY(open_columns(o, "context", "context", data->interactions, &data->context,
                          &data->context_count));
    LODE_TRY(open_columns(o, "user_columns", "user.column", users, &data->user_columns,
                          &data->user_column_count));
    return open_columns(o, "item_columns", "item.column", items, &data->item_columns,
                        &data->item_column_count);
}

lode_status lode__dataset_open(lode_dataset **out, const char *path, bool verify, lode_error *error) {
    return lode__dataset_open_as(out, path, verify, LARGE_LOG, error);
}

lode_status lode__dataset_open_as(lode_dataset **out, const char *path, bool verify, uint64_t large,
                                  lode_error *error) {
    *out = NULL;
    lode_dataset *data = lode__alloc(1, sizeof *data);
    if (!data) return lode__fail_memory(error);
    data->large = large;
    opening o = {data, path, NULL, error};
    lode_status status;
    LODE_GOTO(
        status,
        lode__container_open(&data->file, path, LODE_DATA_KIND, LODE_DATA_VERSION, verify, error),
        done);
    LODE_GOTO(status, open_all(&o), done);
    data->fingerprint = lode__container_fingerprint(&data->file);
done:
    json_decref(o.meta);
    if (status != LODE_OK) lode__dataset_free(&data);
    *out = data;
    return status;
}

void lode__dataset_free(lode_dataset **address) {
    lode_dataset *const data = *address;
    if (!data) return;
    *address = NULL;
    lode__container_close(&data->file);
    lode__arena_release(&data->arena);
    lode__free(data);
}

const char *lode__token(const lode_tokens *tokens, uint32_t index) {
    return tokens->bytes + tokens->starts[index];
}

uint32_t lode__token_find(const lode_tokens *tokens, const char *token) {
    uint32_t low = 0, high = tokens->count;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        const int order = strcmp(lode__token(tokens, tokens->sorted[middle]), token);
        if (order == 0) return tokens->sorted[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return LODE_CODE_NONE;
}

const lode_column *lode__column_find(const lode_column *columns, size_t count, const char *name) {
    for (size_t k = 0; k < count; ++k)
        if (strcmp(columns[k].name, name) == 0) return &columns[k];
    return NULL;
}

const lode_column *lode__title_column(const lode_dataset *data) {
    for (size_t k = 0; k < data->item_column_count; ++k) {
        const lode_column *const column = &data->item_columns[k];
        if (column->type == LODE_COLUMN_TEXT && lode__is_title_name(column->name)) return column;
    }
    return NULL;
}
