/// What the fuzz targets of readers share: every row is read, and every cell lies where it says.
#ifndef READER_FUZZ_H
#define READER_FUZZ_H

#include "data/columns.h"
#include "data/reader.h"

#include <string.h>

#define FUZZ_MAX_LINE 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline void check(bool holds) {
    if (!holds) __builtin_trap();
}

static inline void check_failure(lode_status status, const lode_error *error) {
    check(status == LODE_E_INPUT || status == LODE_E_MEMORY);
    check(error->message[0] != 0 && strchr(error->message, '\n') == NULL);
}

static inline void check_row(const lode_table *table) {
    unsigned sum = 0;
    for (size_t k = 0; k < table->heading_count; ++k) {
        const lode_cell *cell = &table->cells[k];
        check(cell->column >= 1);
        check(cell->length <= 4 * FUZZ_MAX_LINE); // JSON and ISO-8859-1 may take more as text
        check(memchr(cell->text, 0, cell->length) == NULL);
        for (size_t at = 0; at < cell->length; ++at)
            sum += (unsigned char)cell->text[at];
    }
    __asm__ volatile("" : : "r"(sum)); // keep the reads
}

static inline void check_mapping(const lode_table *table) {
    lode_arena arena = {0};
    lode_error error = {0};
    lode_column_map map;
    const lode_map_request request = {table, NULL, NULL, &arena};
    if (lode__map_log(&map, &request, &error) == LODE_OK) {
        check(map.role[LODE_ROLE_USER] < table->heading_count);
        check(map.role[LODE_ROLE_ITEM] < table->heading_count);
        check(map.role[LODE_ROLE_USER] != map.role[LODE_ROLE_ITEM]);
    }
    lode__arena_release(&arena);
}

static inline lode_status open_table(lode_table *table, lode_input *input, const char *format,
                                     lode_error *error) {
    const lode_table_options options = {.reader = format ? lode__reader_find(format) : NULL,
                                        .max_line = FUZZ_MAX_LINE};
    return lode__table_open(table, input, &options, error);
}

/// @param format  name of a reader, or NULL to recognise it
static inline int fuzz_reader(const uint8_t *data, size_t size, const char *format) {
    lode_error error = {0};
    lode_input *input = NULL;
    lode_table table = {0};
    lode_status status = lode__input_memory(&input, data, size, "fuzz", FUZZ_MAX_LINE, &error);
    if (status == LODE_OK) status = open_table(&table, input, format, &error);
    if (status != LODE_OK) {
        check_failure(status, &error);
        return 0;
    }
    check(table.heading_count >= 1 && table.heading_count <= LODE_COLUMNS_MAX);
    check_mapping(&table);
    for (bool end = false; !end && !lode__input_broken(table.input);) {
        memset(&error, 0, sizeof error);
        status = lode__table_read(&table, &end, &error);
        if (status != LODE_OK)
            check_failure(status, &error);
        else if (!end)
            check_row(&table);
    }
    lode__table_close(&table);
    return 0;
}

#endif
