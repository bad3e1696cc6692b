// JSON lines: one object a line. The columns are the keys of the objects in the sample (64 KiB of text).
//
// An object within the object is flattened one level, as a.b. A list becomes a sequence: token_seq, or float_seq
// where its elements are numbers and some have a fraction; lists in lists are flattened, each element once. What lies
// deeper, and keys that the sample does not have, are left out and counted. null is a missing value.
#include "data/reader.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define JOIN     '\x1f' // between the elements of a list: it stands in no text
#define ROWS     1000
#define PROSE    5 // words of a value, on average, from which it is free text
#define NESTING  8
#define NO_KEY   SIZE_MAX
#define ELEMENTS 64 // of a list that are compared with each other

/// What the sample shows of a key.
typedef struct key_shape {
    size_t values, words;
    bool list, text, numbers, fractions; ///< text: only strings; numbers: of lists
} key_shape;

typedef struct json_state {
    key_shape *shapes; ///< while opening: [LODE_COLUMNS_MAX]
    size_t *starts;    ///< of each cell in the record; NO_KEY = missing
    size_t used;       ///< bytes of the record
    size_t next;       ///< where the next key is looked for first
    uint64_t left_out;
    char late[200];
} json_state;

/// Amazon's columns that describe the review or the page, not the user or the item.
static const struct left_out {
    const char *name;
    const char *reason;
} amazon[] = {
    {"reviewText", "it is about the review"},   {"summary", "it is about the review"},
    {"reviewerName", "it is about the review"}, {"reviewTime", "it is about the review"},
    {"helpful", "it is about the review"},      {"vote", "it is about the review"},
    {"style.*", "it is about the review"},      {"image", "it is about the page"},
    {"imageURL", "it is about the page"},       {"imageURLHighRes", "it is about the page"},
    {"imUrl", "it is about the page"},          {"related.*", "it lists other items"},
    {"also_buy", "it lists other items"},       {"also_view", "it lists other items"},
    {"similar_item", "it lists other items"},   {"salesRank.*", "it is about the page"},
    {"tech1", "it is about the page"},          {"tech2", "it is about the page"}};

static bool jsonl_detect(const lode_sample *sample) {
    size_t position = 0, length;
    const char *text;
    if (!lode__sample_line(sample, &position, &text, &length)) return false;
    while (length > 0 && (text[length - 1] == ' ' || text[length - 1] == '\t'))
        --length;
    const char *at = text + 1;
    while (at < text + length && *at == ' ')
        ++at;
    if (*text == '[') return at == text + length || *at == '{';
    return *text == '{' && length > 1 && text[length - 1] == '}';
}

static lode_status parse_line(const lode_table *table, const lode_line *line, json_t **out,
                              lode_error *error) {
    json_error_t problem;
    *out = json_loadb(line->text, line->length, JSON_REJECT_DUPLICATES, &problem);
    if (json_is_object(*out)) return LODE_OK;
    const bool parsed = *out != NULL;
    json_decref(*out);
    *out = NULL;
    if (!parsed && json_error_code(&problem) == json_error_out_of_memory)
        return lode__fail_memory(error);
    if (parsed || *line->text == '[')
        return lode__table_fail(table, line->number, 1, error,
                                "found JSON that is no object, expected one object a line (of an "
                                "array: jq -c '.[]')");
    return lode__table_fail(table, line->number, problem.column > 0 ? (size_t)problem.column : 1,
                            error, "found broken JSON (%s), expected one object a line",
                            problem.text);
}

static size_t count_words(const char *text) {
    size_t words = 1;
    for (; *text; ++text)
        words += *text == ' ';
    return words;
}

static void see_elements(key_shape *shape, const json_t *list) {
    size_t k;
    json_t *element;
    json_array_foreach(list, k, element) {
        shape->numbers = shape->numbers && json_is_number(element);
        shape->fractions = shape->fractions || json_is_real(element);
    }
}

static lode_status see_value(lode_table *table, const char *name, const json_t *value,
                             lode_error *error) {
    json_state *const state = table->state;
    size_t k = 0;
    while (k < table->heading_count && strcmp(table->headings[k].name, name) != 0)
        ++k;
    if (k == LODE_COLUMNS_MAX)
        return lode__table_fail(table, 1, 1, error,
                                "found more than %d keys in the objects, expected fewer",
                                LODE_COLUMNS_MAX);
    key_shape *const shape = &state->shapes[k];
    if (k == table->heading_count) {
        *shape = (key_shape){.text = true, .numbers = true};
        table->headings[k] = (lode_heading){.type = -1};
        table->headings[k].name = lode__arena_strdup(&table->arena, name);
        if (!table->headings[k].name) return lode__fail_memory(error);
        ++table->heading_count;
    }
    if (json_is_null(value)) return LODE_OK;
    ++shape->values;
    shape->text = shape->text && json_is_string(value);
    if (json_is_string(value)) shape->words += count_words(json_string_value(value));
    if (json_is_array(value)) {
        shape->list = true;
        see_elements(shape, value);
    }
    return LODE_OK;
}

static const char *join_key(lode_arena *arena, const char *outer, const char *inner) {
    return lode__arena_printf(arena, "%s.%s", outer, inner);
}

static lode_status see_object(lode_table *table, json_t *object, lode_error *error) {
    const char *key, *inner;
    json_t *value, *nested;
    json_object_foreach(object, key, value) {
        if (!json_is_object(value)) {
            LODE_TRY(see_value(table, key, value, error));
            continue;
        }
        json_object_foreach(value, inner, nested) {
            if (json_is_object(nested)) continue;
            const char *const name = join_key(&table->arena, key, inner);
            if (!name) return lode__fail_memory(error);
            LODE_TRY(see_value(table, name, nested, error));
        }
    }
    return LODE_OK;
}

static bool matches(const char *name, const char *pattern) {
    const size_t length = strlen(pattern);
    if (length > 1 && pattern[length - 1] == '*') return strncmp(name, pattern, length - 1) == 0;
    return strcmp(name, pattern) == 0;
}

// Types and fates of the columns, from what the sample showed.
static void settle_columns(lode_table *table) {
    const json_state *const state = table->state;
    bool asin = false;
    for (size_t k = 0; k < table->heading_count; ++k)
        asin = asin || strcmp(table->headings[k].name, "asin") == 0;
    for (size_t k = 0; k < table->heading_count; ++k) {
        lode_heading *const heading = &table->headings[k];
        const key_shape *const shape = &state->shapes[k];
        if (shape->list) {
            const bool vector = shape->numbers && shape->fractions;
            heading->type = vector ? LODE_COLUMN_FLOATS : LODE_COLUMN_TOKENS;
            heading->separator = JOIN;
        } else if (shape->text && shape->values > 0 && shape->words >= PROSE * shape->values) {
            heading->type = LODE_COLUMN_TEXT;
        }
        for (size_t a = 0; asin && a < sizeof amazon / sizeof *amazon; ++a)
            if (matches(heading->name, amazon[a].name)) {
                heading->about = LODE_ABOUT_NOTHING;
                heading->reason = amazon[a].reason;
            }
    }
}

static lode_status jsonl_open(lode_table *table, lode_error *error) {
    lode_sample sample;
    LODE_TRY(lode__input_peek(table->input, &sample.text, &sample.length, &sample.whole, error));
    json_state *const state = lode__arena_alloc(&table->arena, 1, sizeof *state);
    if (!state) return lode__fail_memory(error);
    table->state = state;
    table->has_header = table->named = true;
    LODE_TRY(lode__table_columns(table, LODE_COLUMNS_MAX, error));
    table->heading_count = 0;
    state->shapes = lode__arena_alloc(&table->arena, LODE_COLUMNS_MAX, sizeof *state->shapes);
    state->starts = lode__arena_alloc(&table->arena, LODE_COLUMNS_MAX, sizeof *state->starts);
    if (!state->shapes || !state->starts) return lode__fail_memory(error);
    size_t position = 0, length;
    const char *text;
    for (uint64_t row = 1; row <= ROWS && lode__sample_line(&sample, &position, &text, &length);
         ++row) {
        const lode_line line = {(char *)(uintptr_t)text, length, row};
        json_t *object;
        lode_error problem = {0};
        lode_status status = parse_line(table, &line, &object, &problem);
        if (status == LODE_E_INPUT && row > 1) continue; // reading will come to it
        if (status != LODE_OK) return lode__fail(error, status, "%s", problem.message);
        status = see_object(table, object, error);
        json_decref(object);
        if (status != LODE_OK) return status;
    }
    if (table->heading_count == 0)
        return lode__table_fail(table, 1, 1, error, "found no keys, expected objects with keys");
    settle_columns(table);
    return LODE_OK;
}

static lode_status put_bytes(lode_table *table, const char *bytes, size_t length, lode_error *error) {
    json_state *const state = table->state;
    if (!lode__grow((void **)&table->record, &table->record_capacity, state->used + length + 1, 1))
        return lode__fail_memory(error);
    memcpy(table->record + state->used, bytes, length);
    state->used += length;
    return LODE_OK;
}

static lode_status put_scalar(lode_table *table, const json_t *value, lode_error *error) {
    char number[40];
    if (json_is_string(value))
        return put_bytes(table, json_string_value(value), json_string_length(value), error);
    if (json_is_boolean(value))
        return put_bytes(table, json_is_true(value) ? "true" : "false", json_is_true(value) ? 4 : 5,
                         error);
    if (json_is_integer(value)) {
        snprintf(number, sizeof number, "%lld", (long long)json_integer_value(value));
    } else {
        const double real = json_real_value(value);
        snprintf(number, sizeof number, "%.15g", real);
        if (strtod(number, NULL) != real) snprintf(number, sizeof number, "%.17g", real);
    }
    return put_bytes(table, number, strlen(number), error);
}

static void leave_out(lode_table *table, const char *key, const char *why) {
    json_state *const state = table->state;
    if (state->left_out++ == 0)
        snprintf(state->late, sizeof state->late, "first '%.60s' in line %llu: %s", key,
                 (unsigned long long)table->line, why);
}

/// A list that is being written into the record.
typedef struct joining {
    const char *key;
    char separator;
    size_t starts[ELEMENTS], ends[ELEMENTS], count;
} joining;

static bool seen_before(const lode_table *table, const joining *j, size_t start, size_t end) {
    for (size_t k = 0; k < j->count; ++k)
        if (j->ends[k] - j->starts[k] == end - start &&
            memcmp(table->record + j->starts[k], table->record + start, end - start) == 0)
            return true;
    return false;
}

static lode_status put_list(lode_table *table, const json_t *list, joining *j, int depth,
                            lode_error *error) {
    json_state *const state = table->state;
    size_t k;
    json_t *element;
    json_array_foreach(list, k, element) {
        if (json_is_null(element)) continue;
        if (json_is_array(element) && depth < NESTING) {
            LODE_TRY(put_list(table, element, j, depth + 1, error));
            continue;
        }
        if (json_is_object(element) || json_is_array(element)) {
            leave_out(table, j->key, "an object in a list");
            continue;
        }
        const size_t before = state->used;
        if (j->count > 0) LODE_TRY(put_bytes(table, &j->separator, 1, error));
        const size_t start = state->used;
        LODE_TRY(put_scalar(table, element, error));
        if (depth > 0 && seen_before(table, j, start, state->used)) {
            state->used = before;
            continue;
        }
        const size_t place = LODE_MIN(j->count, (size_t)ELEMENTS - 1);
        j->starts[place] = start;
        j->ends[place] = state->used;
        j->count = place + 1;
    }
    return LODE_OK;
}

static lode_status put_value(lode_table *table, const char *key, const json_t *value,
                             lode_error *error) {
    json_state *const state = table->state;
    size_t column = NO_KEY;
    for (size_t k = 0; k < table->heading_count && column == NO_KEY; ++k) {
        const size_t at = (state->next + k) % table->heading_count;
        if (strcmp(table->headings[at].name, key) == 0) column = at;
    }
    if (column == NO_KEY) {
        leave_out(table, key, "a key that the first lines do not have");
        return LODE_OK;
    }
    state->next = column + 1;
    if (json_is_null(value)) return LODE_OK;
    lode_cell *const cell = &table->cells[column];
    const size_t start = state->used;
    if (json_is_array(value)) {
        joining j = {.key = key, .separator = table->headings[column].separator};
        if (!j.separator) j.separator = '|';
        LODE_TRY(put_list(table, value, &j, 0, error));
    } else {
        LODE_TRY(put_scalar(table, value, error));
    }
    state->starts[column] = start;
    cell->length = state->used - start;
    return LODE_OK;
}

static lode_status put_object(lode_table *table, json_t *object, lode_error *error) {
    const char *key, *inner;
    json_t *value, *nested;
    json_object_foreach(object, key, value) {
        if (!json_is_object(value)) {
            LODE_TRY(put_value(table, key, value, error));
            continue;
        }
        json_object_foreach(value, inner, nested) {
            char name[512];
            const int length = snprintf(name, sizeof name, "%s.%s", key, inner);
            if (json_is_object(nested) || length < 0 || (size_t)length >= sizeof name)
                leave_out(table, key, "an object within an object");
            else
                LODE_TRY(put_value(table, name, nested, error));
        }
    }
    return LODE_OK;
}

static lode_status jsonl_read(lode_table *table, bool *end, lode_error *error) {
    json_state *const state = table->state;
    lode_line line;
    LODE_TRY(lode__table_line(table, &line, end, error));
    if (*end) {
        if (state->left_out > 0)
            table->late = lode__arena_printf(&table->arena, "%llu values are left out, %s",
                                             (unsigned long long)state->left_out, state->late);
        return LODE_OK;
    }
    json_t *object;
    LODE_TRY(parse_line(table, &line, &object, error));
    state->used = state->next = 0;
    for (size_t k = 0; k < table->heading_count; ++k) {
        table->cells[k] = (lode_cell){"", 0, 1};
        state->starts[k] = NO_KEY;
    }
    const lode_status status = put_object(table, object, error);
    json_decref(object);
    for (size_t k = 0; k < table->heading_count; ++k)
        if (state->starts[k] != NO_KEY) table->cells[k].text = table->record + state->starts[k];
    return status;
}

const lode_reader lode__reader_jsonl = {
    "jsonl",    jsonl_detect,
    jsonl_open, jsonl_read,
    NULL,       "JSON lines: one object a line, its keys are the columns; lists become sequences"};
