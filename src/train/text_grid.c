#include "train/text_grid.h"

#include <math.h>
#include <string.h>

lode_status lode__grid_new(lode_text_grid *grid, lode_arena *arena, size_t rows, size_t columns,
                           size_t left, lode_error *error) {
    *grid =
        (lode_text_grid){.arena = arena, .columns = columns, .left = left, .room = rows * columns};
    grid->cells = lode__arena_alloc(arena, grid->room, sizeof *grid->cells);
    return grid->cells != NULL ? LODE_OK : lode__fail_memory(error);
}

void lode__grid_put(lode_text_grid *grid, const char *text) {
    assert(grid->count < grid->room);
    grid->failed = grid->failed || text == NULL;
    grid->cells[grid->count++] = text != NULL ? text : "";
}

const char *lode__grid_number(lode_arena *arena, double value) {
    if (!isfinite(value)) return "-";
    return lode__arena_printf(arena, fabs(value) >= 100 ? "%.1f" : "%.4f", value);
}

const char *lode__grid_probability(lode_arena *arena, double p) {
    if (isnan(p)) return "-";
    return p < 0.001 ? "<0.001" : lode__arena_printf(arena, "%.3f", p);
}

/// Characters of a UTF-8 text.
static size_t width_of(const char *text) {
    size_t width = 0;
    for (; *text != 0; text++)
        width += ((unsigned char)*text & 0xc0) != 0x80;
    return width;
}

/// A cell of Markdown: | would end it.
static void add_escaped(lode_text *out, const char *cell) {
    for (const char *bar; (bar = strchr(cell, '|')) != NULL; cell = bar + 1)
        lode__text_printf(out, "%.*s\\|", (int)(bar - cell), cell);
    lode__text_add(out, cell);
}

static void print_lines(lode_text *out, const lode_text_grid *grid, const size_t *widths,
                        bool markdown) {
    for (size_t i = 0; i < grid->count; i++) {
        const size_t column = i % grid->columns;
        const int blank = (int)(widths[column] - width_of(grid->cells[i]));
        const bool last = column + 1 == grid->columns, left = column < grid->left;
        lode__text_printf(out, "%s%*s",
                          markdown     ? "| "
                          : column > 0 ? "  "
                                       : "",
                          left ? 0 : blank, "");
        if (markdown) add_escaped(out, grid->cells[i]);
        if (!markdown) lode__text_add(out, grid->cells[i]);
        lode__text_printf(out, "%*s", left ? blank : 0, "");
        lode__text_add(out, markdown ? last ? " |\n" : " " : last ? "\n" : "");
        if (!markdown || i + 1 != grid->columns) continue;
        for (size_t c = 0; c < grid->columns; c++)
            lode__text_add(out, c < grid->left ? "|---" : "|---:");
        lode__text_add(out, "|\n");
    }
}

lode_status lode__grid_print(const lode_text_grid *grid, lode_text *text, lode_text *markdown,
                             lode_error *error) {
    size_t *widths = lode__arena_alloc(grid->arena, grid->columns, sizeof *widths);
    if (widths == NULL || grid->failed) return lode__fail_memory(error);
    assert(grid->count == grid->room);
    for (size_t i = 0; i < grid->count; i++) {
        const size_t width = width_of(grid->cells[i]);
        widths[i % grid->columns] = LODE_MAX(widths[i % grid->columns], width);
    }
    print_lines(text, grid, widths, false);
    print_lines(markdown, grid, widths, true);
    return text->failed || markdown->failed ? lode__fail_memory(error) : LODE_OK;
}
