// RecBole atomic files (.inter, .user, .item): tab-separated, and the header gives every column a type:
// "user_id:token", "timestamp:float", "genres:token_seq" (values separated by blanks), "vector:float_seq".
#include "data/reader.h"

#include <string.h>

static const char *const type_names[] = {[LODE_COLUMN_TOKEN] = "token",
                                         [LODE_COLUMN_TOKENS] = "token_seq",
                                         [LODE_COLUMN_FLOAT] = "float",
                                         [LODE_COLUMN_FLOATS] = "float_seq"};

#define TYPE_COUNT (sizeof type_names / sizeof *type_names)

// Type of "name:type", or -1; *name_length is the length before the last colon.
static int heading_type(const char *text, size_t length, size_t *name_length) {
    const char *const colon = memrchr(text, ':', length);
    *name_length = colon ? (size_t)(colon - text) : length;
    if (!colon || colon == text) return -1;
    const size_t rest = length - *name_length - 1;
    for (size_t k = 0; k < TYPE_COUNT; ++k)
        if (rest == strlen(type_names[k]) && memcmp(colon + 1, type_names[k], rest) == 0)
            return (int)k;
    return -1;
}

static bool recbole_detect(const lode_sample *sample) {
    size_t position = 0, length, name_length;
    const char *text;
    if (!lode__sample_line(sample, &position, &text, &length)) return false;
    const char *const tab = memchr(text, '\t', length);
    return heading_type(text, tab ? (size_t)(tab - text) : length, &name_length) >= 0;
}

static lode_status recbole_open(lode_table *table, lode_error *error) {
    lode_line line;
    LODE_TRY(lode__table_header(table, &line, error));
    const size_t count = lode__line_split(&line, '\t', NULL, 0);
    LODE_TRY(lode__table_columns(table, count, error));
    lode__line_split(&line, '\t', table->cells, count);
    for (size_t k = 0; k < count; ++k) {
        const lode_cell *const cell = &table->cells[k];
        size_t name_length;
        const int type = heading_type(cell->text, cell->length, &name_length);
        if (type < 0)
            return lode__table_fail(table, line.number, cell->column, error,
                                    "found the heading '%.*s', expected NAME:TYPE with type token, "
                                    "token_seq, float or float_seq",
                                    (int)LODE_MIN(cell->length, (size_t)80), cell->text);
        char *const name = lode__arena_strndup(&table->arena, cell->text, name_length);
        if (!name) return lode__fail_memory(error);
        table->headings[k] = (lode_heading){.name = name, .type = type};
    }
    table->named = true;
    return LODE_OK;
}

static lode_status recbole_read(lode_table *table, bool *end, lode_error *error) {
    lode_line line;
    LODE_TRY(lode__table_line(table, &line, end, error));
    if (*end) return LODE_OK;
    return lode__table_check_count(
        table, lode__line_split(&line, '\t', table->cells, table->heading_count), error);
}

const lode_reader lode__reader_recbole = {
    "recbole",    recbole_detect,
    recbole_open, recbole_read,
    NULL,         "RecBole atomic files: X.inter with X.user and X.item, headings 'name:type'"};
