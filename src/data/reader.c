// The table of readers, and what they share.
#include "data/reader.h"

#include "base/file.h"
#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const lode_reader *const readers[] = {
    &lode__reader_recbole, &lode__reader_jsonl, &lode__reader_movielens, &lode__reader_counted,
    &lode__reader_tsv,     &lode__reader_csv,   &lode__reader_lines,     &lode__reader_lists};

#define READER_COUNT (sizeof readers / sizeof *readers)

const lode_reader *lode__reader_at(size_t index) {
    return index < READER_COUNT ? readers[index] : NULL;
}

const lode_reader *lode__reader_find(const char *name) {
    for (size_t k = 0; k < READER_COUNT; ++k)
        if (strcmp(readers[k]->name, name) == 0) return readers[k];
    return NULL;
}

// Names from a columns file take the place of those that the reader made up.
static lode_status rename_columns(lode_table *table, lode_error *error) {
    const lode_table_options *const o = &table->options;
    if (!o->names) return LODE_OK;
    if (table->has_header)
        return lode__table_fail(table, 1, 1, error,
                                "found a file of format %s, which names its columns itself; take "
                                "names out of the columns file",
                                table->reader->name);
    if (table->heading_count != o->name_count)
        return lode__table_fail(
            table, 1, 1, error, "found %zu columns, expected %zu as under names in the columns file",
            table->heading_count, o->name_count);
    for (size_t k = 0; k < o->name_count; ++k) {
        table->headings[k] = (lode_heading){.type = -1};
        table->headings[k].name = lode__arena_strdup(&table->arena, o->names[k]);
        if (!table->headings[k].name) return lode__fail_memory(error);
    }
    table->named = true;
    table->note = NULL;
    return LODE_OK;
}

lode_status lode__table_open(lode_table *table, lode_input *input,
                             const lode_table_options *options, lode_error *error) {
    *table = (lode_table){
        .input = input, .reader = options->reader, .max_line = options->max_line, .options = *options};
    table->name = lode__input_name(input);
    lode_status status = LODE_OK;
    lode_sample sample = {0};
    LODE_GOTO(status, lode__input_peek(input, &sample.text, &sample.length, &sample.whole, error),
              done);
    if (sample.length == 0) {
        status = lode__fail(error, LODE_E_INPUT,
                            "%s:1:1: the file is empty, expected a log or a table", table->name);
        goto done;
    }
    for (size_t k = 0; !table->reader && k < READER_COUNT; ++k)
        if (readers[k]->detect(&sample)) table->reader = readers[k];
    if (!table->reader) {
        // A first line that is no text at all deserves the plainer message.
        lode_line line;
        bool end;
        LODE_GOTO(status, lode__input_line(input, &line, &end, error), done);
        status =
            lode__fail(error, LODE_E_INPUT,
                       "%s:1:1: the format is not recognised, expected RecBole atomic files, CSV, "
                       "TSV, JSON lines, MovieLens, or lines of 'user item [time]'; name it with "
                       "the option format",
                       table->name);
        goto done;
    }
    lode__input_encode(input, options->encoding, false);
    LODE_GOTO(status, table->reader->open(table, error), done);
    LODE_GOTO(status, rename_columns(table, error), done);
    LODE_GOTO(status, lode__table_check_names(table, error), done);
done:
    if (status != LODE_OK) lode__table_close(table);
    return status;
}

lode_status lode__table_read(lode_table *table, bool *end, lode_error *error) {
    *end = false;
    return table->reader->read(table, end, error);
}

void lode__table_close(lode_table *table) {
    if (table->reader && table->reader->close) table->reader->close(table);
    lode__input_free(&table->input);
    lode__free(table->record);
    lode__arena_release(&table->arena);
    *table = (lode_table){0};
}

lode_status lode__table_fail(const lode_table *table, uint64_t line, size_t column,
                             lode_error *error, const char *format, ...) {
    char text[768];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return lode__fail(error, LODE_E_INPUT, "%s:%llu:%zu: %s", table->name, (unsigned long long)line,
                      column, text);
}

bool lode__sample_line(const lode_sample *sample, size_t *position, const char **line,
                       size_t *length) {
    while (*position < sample->length) {
        const char *const start = sample->text + *position;
        const char *const stop = memchr(start, '\n', sample->length - *position);
        const bool first = *position == 0;
        size_t size = stop ? (size_t)(stop - start) : sample->length - *position;
        *position += size + 1;
        if (!stop && !sample->whole && !first) return false;
        if (size > 0 && start[size - 1] == '\r') --size;
        if (size == 0) continue;
        *line = start;
        *length = size;
        return true;
    }
    return false;
}

lode_status lode__table_columns(lode_table *table, size_t count, lode_error *error) {
    if (count > LODE_COLUMNS_MAX)
        return lode__table_fail(table, 1, 1, error, "found %zu columns, expected at most %d", count,
                                LODE_COLUMNS_MAX);
    table->headings = lode__arena_alloc(&table->arena, count, sizeof *table->headings);
    table->cells = lode__arena_alloc(&table->arena, count, sizeof *table->cells);
    if (!table->headings || !table->cells) return lode__fail_memory(error);
    for (size_t k = 0; k < count; ++k)
        table->headings[k] = (lode_heading){.name = "", .type = -1};
    table->heading_count = count;
    return LODE_OK;
}

lode_status lode__table_line(lode_table *table, lode_line *line, bool *end, lode_error *error) {
    do {
        LODE_TRY(lode__input_line(table->input, line, end, error));
    } while (!*end && line->length == 0);
    if (!*end) table->line = line->number;
    return LODE_OK;
}

size_t lode__line_split(const lode_line *line, char separator, lode_cell *cells, size_t capacity) {
    size_t count = 0;
    const char *at = line->text;
    const char *const stop = line->text + line->length;
    for (;;) {
        const char *cut = memchr(at, separator, (size_t)(stop - at));
        if (!cut) cut = stop;
        if (count < capacity)
            cells[count] = (lode_cell){at, (size_t)(cut - at), (size_t)(at - line->text) + 1};
        ++count;
        if (cut == stop) return count;
        at = cut + 1;
    }
}

lode_status lode__table_header(lode_table *table, lode_line *line, lode_error *error) {
    bool end = false;
    LODE_TRY(lode__table_line(table, line, &end, error));
    table->has_header = true;
    return end ? lode__table_fail(table, 1, 1, error,
                                  "the file holds empty lines only, expected a header")
               : LODE_OK;
}

lode_status lode__table_check_names(lode_table *table, lode_error *error) {
    for (size_t k = 0; k < table->heading_count; ++k) {
        if (!*table->headings[k].name)
            table->headings[k].name = lode__arena_printf(&table->arena, "column_%zu", k + 1);
        if (!table->headings[k].name) return lode__fail_memory(error);
        for (size_t before = 0; before < k; ++before)
            if (strcmp(table->headings[k].name, table->headings[before].name) == 0)
                return lode__table_fail(table, table->line, table->cells[k].column, error,
                                        "found a second column '%s' in the header, expected every "
                                        "name once; rename one of them",
                                        table->headings[k].name);
    }
    return LODE_OK;
}

lode_status lode__table_check_count(const lode_table *table, size_t found, lode_error *error) {
    if (found == table->heading_count) return LODE_OK;
    return lode__table_fail(
        table, table->line, 1, error,
        "found %zu field%s, expected %zu as in the %s; repair or remove the line", found,
        found == 1 ? "" : "s", table->heading_count, table->has_header ? "header" : "first line");
}
