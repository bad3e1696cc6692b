// Delimited files. CSV: commas, semicolons or bars, quoted as RFC 4180 says (a quoted field may hold separators,
// line ends and doubled quotes). TSV: tabs, without quotes. With a header, or without one (reader_shape.c).
#include "data/columns.h"
#include "data/reader.h"

#include <string.h>

static lode_status fail_quote(const lode_table *table, const lode_line *line, const char *at,
                              lode_error *error) {
    return lode__table_fail(table, line->number, (size_t)(at - line->text) + 1, error,
                            "found '%c' after a closing quote, expected a %s or the end of the "
                            "line; double quotes within a quoted field",
                            *at,
                            table->separator == ';'   ? "semicolon"
                            : table->separator == '|' ? "bar"
                                                      : "comma");
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
                start = c == table->separator;
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
            if (at < stop && *at != table->separator) return fail_quote(table, line, at, error);
        } else {
            char *const cut = memchr(at, table->separator, (size_t)(stop - at));
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

static size_t count_of(const char *text, size_t length, char c) {
    size_t count = 0;
    for (size_t k = 0; k < length; ++k)
        count += text[k] == c;
    return count;
}

// The separator of a CSV file, or 0: the comma, unless the first line has more semicolons, or the same number of
// bars as all lines after it.
static char separator_of(const lode_sample *sample) {
    size_t position = 0, length, lines;
    const char *text;
    if (!lode__sample_line(sample, &position, &text, &length)) return 0;
    if (*text == '{' || *text == '[' || memchr(text, '\t', length)) return 0;
    const size_t commas = count_of(text, length, ','), semicolons = count_of(text, length, ';'),
                 bars = count_of(text, length, '|');
    if (semicolons > commas) return ';';
    if (bars > commas && lode__shape_constant(sample, '|', &lines) && lines > 1) return '|';
    return commas > 0 ? ',' : 0;
}

static bool csv_detect(const lode_sample *sample) {
    return separator_of(sample) != 0;
}

// With a header that names users or items, or where all lines have as many tabs and are no `lines`.
static bool tsv_detect(const lode_sample *sample) {
    size_t position = 0, length, lines;
    const char *text;
    if (!lode__sample_line(sample, &position, &text, &length) || !memchr(text, '\t', length))
        return false;
    if (lode__shape_known(sample, '\t')) return true;
    return lode__shape_constant(sample, '\t', &lines) && !lode__lines_detect(sample);
}

// A file without a header: its columns are named by their shape, and the first line stays a row.
static lode_status open_headless(lode_table *table, const lode_sample *sample, lode_error *error) {
    size_t position = 0, length = 0;
    const char *text = "";
    if (!lode__sample_line(sample, &position, &text, &length))
        return lode__table_fail(table, 1, 1, error, "the file holds empty lines only, expected rows");
    return lode__shape_name(table, sample, count_of(text, length, table->separator) + 1, error);
}

static lode_status take_sample(const lode_table *table, lode_sample *sample, bool *headless,
                               lode_error *error) {
    LODE_TRY(lode__input_peek(table->input, &sample->text, &sample->length, &sample->whole, error));
    *headless = table->options.names || lode__shape_headless(sample, table->separator);
    return LODE_OK;
}

static lode_status csv_open(lode_table *table, lode_error *error) {
    lode_line line;
    lode_sample sample;
    bool headless;
    LODE_TRY(lode__input_peek(table->input, &sample.text, &sample.length, &sample.whole, error));
    const char separator = separator_of(&sample);
    table->separator = separator ? separator : ',';
    LODE_TRY(take_sample(table, &sample, &headless, error));
    if (headless) return open_headless(table, &sample, error);
    LODE_TRY(lode__table_header(table, &line, error));
    LODE_TRY(record_complete(table, &line, error));
    size_t count = 1;
    for (size_t k = 0; k < line.length; ++k)
        count += line.text[k] == table->separator;
    LODE_TRY(lode__table_columns(table, LODE_MIN(count, (size_t)LODE_COLUMNS_MAX), error));
    const size_t capacity = table->heading_count;
    LODE_TRY(record_split(table, &line, table->cells, capacity, &count, error));
    if (count > capacity) return lode__table_columns(table, count, error);
    table->heading_count = count;
    table->named = true;
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
    lode_sample sample;
    bool headless;
    table->separator = '\t';
    LODE_TRY(take_sample(table, &sample, &headless, error));
    if (headless) return open_headless(table, &sample, error);
    LODE_TRY(lode__table_header(table, &line, error));
    const size_t count = lode__line_split(&line, '\t', NULL, 0);
    LODE_TRY(lode__table_columns(table, count, error));
    lode__line_split(&line, '\t', table->cells, count);
    table->named = true;
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
    "csv",    csv_detect, csv_open,
    csv_read, NULL,       "values separated by commas, semicolons or bars, quotes as in RFC 4180"};
const lode_reader lode__reader_tsv = {"tsv",    tsv_detect, tsv_open,
                                      tsv_read, NULL,       "values separated by tabs, no quotes"};
