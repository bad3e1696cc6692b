// CSV with a header, quoted as RFC 4180 says (a quoted field may hold commas, line ends and doubled quotes),
// and TSV with a header, without quotes.
#include "data/columns.h"
#include "data/reader.h"

#include <string.h>

static lode_status fail_quote(const lode_table *table, const lode_line *line, const char *at,
                              lode_error *error) {
    return lode__table_fail(table, line->number, (size_t)(at - line->text) + 1, error,
                            "found '%c' after a closing quote, expected a comma or the end of the "
                            "line; double quotes within a quoted field",
                            *at);
}

// Append the next line of the input to the record, for a quoted field that spans lines.
static lode_status record_extend(lode_table *table, lode_line *line, lode_error *error) {
    const size_t held = line->length;
    if (line->text != table->record) {
        if (!lode__grow((void **)&table->record, &table->record_capacity, held + 1, 1))
            return lode__fail_memory(error);
        memcpy(table->record, line->text, held);
    }
    lode_line next;
    bool end = false;
    LODE_TRY(lode__input_line(table->input, &next, &end, error));
    if (end || held + 1 + next.length > table->max_line)
        return lode__table_fail(table, line->number, 1, error,
                                "found a quoted field that %s, expected a closing quote",
                                end ? "is never closed" : "is longer than max_line");
    if (!lode__grow((void **)&table->record, &table->record_capacity, held + 1 + next.length, 1))
        return lode__fail_memory(error);
    table->record[held] = '\n';
    memcpy(table->record + held + 1, next.text, next.length);
    line->text = table->record;
    line->length = held + 1 + next.length;
    return LODE_OK;
}

// Make the record complete: extend it while a quote is open. Only quotes that open a field count.
static lode_status record_complete(lode_table *table, lode_line *line, lode_error *error) {
    if (!memchr(line->text, '"', line->length)) return LODE_OK;
    bool quoted = false, start = true;
    size_t at = 0;
    for (;;) {
        for (; at < line->length; ++at) {
            const char c = line->text[at];
            if (quoted) {
                quoted = c != '"'; // a doubled quote closes and opens again
                start = !quoted;   // so that a quote right after a closing one re-opens
            } else if (c == '"' && start) {
                quoted = true;
            } else {
                start = c == ',';
            }
        }
        if (!quoted) return LODE_OK;
        LODE_TRY(record_extend(table, line, error));
    }
}

// Cut a complete record into cells, unquoting in place.
static lode_status record_split(const lode_table *table, lode_line *line, lode_cell *cells,
                                size_t capacity, size_t *count, lode_error *error) {
    char *at = line->text;
    char *const stop = line->text + line->length;
    *count = 0;
    for (;;) {
        lode_cell cell = {at, 0, (size_t)(at - line->text) + 1};
        if (at < stop && *at == '"') {
            char *out = ++at;
            cell.text = at;
            while (at < stop) {
                if (*at == '"' && !(at + 1 < stop && at[1] == '"')) break;
                if (*at == '"') ++at;
                *out++ = *at++;
            }
            cell.length = (size_t)(out - cell.text);
            if (at < stop) ++at;
            if (at < stop && *at != ',') return fail_quote(table, line, at, error);
        } else {
            char *const cut = memchr(at, ',', (size_t)(stop - at));
            at = cut ? cut : stop;
            cell.length = (size_t)(at - cell.text);
        }
        if (*count < capacity) cells[*count] = cell;
        ++*count;
        if (at >= stop) return LODE_OK;
        ++at;
    }
}

// The headings from cells of the first line; `split` was done once to count, so quotes are gone already.
static lode_status name_columns(lode_table *table, const lode_cell *cells, size_t count,
                                lode_error *error) {
    for (size_t k = 0; k < count; ++k) {
        const char *text = cells[k].text;
        size_t length = cells[k].length;
        while (length > 0 && *text == ' ')
            ++text, --length;
        while (length > 0 && text[length - 1] == ' ')
            --length;
        table->headings[k].name = lode__arena_strndup(&table->arena, text, length);
        if (!table->headings[k].name) return lode__fail_memory(error);
    }
    return LODE_OK;
}

static bool known_heading(const char *text, size_t length) {
    while (length > 0 && (*text == '"' || *text == ' '))
        ++text, --length;
    while (length > 0 && (text[length - 1] == '"' || text[length - 1] == ' '))
        --length;
    char name[64];
    if (length == 0 || length >= sizeof name) return false;
    memcpy(name, text, length);
    name[length] = 0;
    const lode_role role = lode__role_of(name, NULL);
    return role == LODE_ROLE_USER || role == LODE_ROLE_ITEM;
}

static bool csv_detect(const lode_sample *sample) {
    size_t position = 0, length;
    const char *text;
    if (!lode__sample_line(sample, &position, &text, &length)) return false;
    return *text != '{' && *text != '[' && memchr(text, ',', length) && !memchr(text, '\t', length);
}

static bool tsv_detect(const lode_sample *sample) {
    size_t position = 0, length;
    const char *text;
    if (!lode__sample_line(sample, &position, &text, &length) || !memchr(text, '\t', length))
        return false;
    for (const char *const stop = text + length; text < stop;) {
        const char *cut = memchr(text, '\t', (size_t)(stop - text));
        if (!cut) cut = stop;
        if (known_heading(text, (size_t)(cut - text))) return true;
        text = cut + 1;
    }
    return false;
}

static lode_status csv_open(lode_table *table, lode_error *error) {
    lode_line line;
    LODE_TRY(lode__table_header(table, &line, error));
    LODE_TRY(record_complete(table, &line, error));
    size_t count = 1;
    for (size_t k = 0; k < line.length; ++k)
        count += line.text[k] == ',';
    LODE_TRY(lode__table_columns(table, LODE_MIN(count, (size_t)LODE_COLUMNS_MAX), error));
    const size_t capacity = table->heading_count;
    LODE_TRY(record_split(table, &line, table->cells, capacity, &count, error));
    if (count > capacity) return lode__table_columns(table, count, error);
    table->heading_count = count;
    return name_columns(table, table->cells, count, error);
}

static lode_status csv_read(lode_table *table, bool *end, lode_error *error) {
    lode_line line;
    LODE_TRY(lode__table_line(table, &line, end, error));
    if (*end) return LODE_OK;
    LODE_TRY(record_complete(table, &line, error));
    size_t count;
    LODE_TRY(record_split(table, &line, table->cells, table->heading_count, &count, error));
    return lode__table_check_count(table, count, error);
}

static lode_status tsv_open(lode_table *table, lode_error *error) {
    lode_line line;
    LODE_TRY(lode__table_header(table, &line, error));
    const size_t count = lode__line_split(&line, '\t', NULL, 0);
    LODE_TRY(lode__table_columns(table, count, error));
    lode__line_split(&line, '\t', table->cells, count);
    return name_columns(table, table->cells, count, error);
}

static lode_status tsv_read(lode_table *table, bool *end, lode_error *error) {
    lode_line line;
    LODE_TRY(lode__table_line(table, &line, end, error));
    if (*end) return LODE_OK;
    return lode__table_check_count(
        table, lode__line_split(&line, '\t', table->cells, table->heading_count), error);
}

const lode_reader lode__reader_csv = {
    "csv", csv_detect, csv_open, csv_read,
    "comma-separated values with a header, quotes as in RFC 4180"};
const lode_reader lode__reader_tsv = {"tsv", tsv_detect, tsv_open, tsv_read,
                                      "tab-separated values with a header, no quotes"};
