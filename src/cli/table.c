/// Aligned tables. Columns whose cells all look like numbers stand right, others left.
#include "cli/cli.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void cli_cell(cli_table *table, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    char *cell = NULL;
    if (vasprintf(&cell, format, arguments) < 0) cell = cli_allocate(NULL, 0, 1);
    va_end(arguments);
    for (char *c = cell; *c != '\0'; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f) *c = '?';
    }
    if (table->count == table->capacity) {
        table->capacity = table->capacity * 2 + 64;
        table->cells = cli_allocate(table->cells, table->capacity, sizeof *table->cells);
    }
    table->cells[table->count++] = cell;
}

// Characters, not bytes: those that continue a UTF-8 sequence take no room.
static size_t width_of(const char *text) {
    size_t width = 0;
    for (; *text != '\0'; text++)
        width += ((unsigned char)*text & 0xc0) != 0x80;
    return width;
}

static bool is_number(const char *cell) {
    return cell[0] == '\0' || strcmp(cell, "-") == 0 ||
           cell[strspn(cell, "0123456789.,+-%e")] == '\0';
}

static void add_cell(cli_text *line, const char *cell, size_t width, bool right) {
    const int spaces = (int)(width - width_of(cell));
    if (right) cli_text_add(line, "%*s%s  ", spaces, "", cell);
    if (!right) cli_text_add(line, "%s%*s  ", cell, spaces, "");
}

void cli_table_print(cli_table *table, FILE *file, const char *indent) {
    const size_t columns = table->columns, rows = columns > 0 ? table->count / columns : 0;
    size_t *width = cli_allocate(NULL, columns, sizeof *width);
    bool *right = cli_allocate(NULL, columns, sizeof *right);
    for (size_t j = 0; j < columns; j++) {
        width[j] = 0;
        right[j] = rows > 1 && !table->headless;
        for (size_t i = 0; i < rows; i++) {
            const char *cell = table->cells[i * columns + j];
            const size_t cell_width = width_of(cell);
            if (cell_width > width[j]) width[j] = cell_width;
            if (i > 0 && !is_number(cell)) right[j] = false;
        }
    }
    for (size_t i = 0; i < rows; i++) {
        cli_text line = {0};
        for (size_t j = 0; j < columns; j++) {
            add_cell(&line, table->cells[i * columns + j], width[j], right[j]);
        }
        while (line.length > 0 && line.bytes[line.length - 1] == ' ')
            line.bytes[--line.length] = '\0';
        fprintf(file, "%s%s\n", indent, line.bytes != NULL ? line.bytes : "");
        cli_text_release(&line);
    }
    free(width);
    free(right);
    for (size_t i = 0; i < table->count; i++)
        free(table->cells[i]);
    free(table->cells);
    *table = (cli_table){0};
}

void cli_number(cli_text *text, double value) {
    char digits[64];
    const int length = snprintf(digits, sizeof digits, "%.0f", fabs(value));
    if (value < 0) cli_text_add(text, "-");
    for (int i = 0; i < length; i++) {
        cli_text_add(text, i > 0 && (length - i) % 3 == 0 ? ",%c" : "%c", digits[i]);
    }
}
