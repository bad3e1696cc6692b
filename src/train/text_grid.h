/// A grid of short texts, printed for terminals and as a Markdown table.
#ifndef LODE_TRAIN_TEXT_GRID_H
#define LODE_TRAIN_TEXT_GRID_H

#include "base/text.h"

/// Cells are put row by row, the heading first. Everything lives in the arena.
typedef struct lode_text_grid {
    lode_arena *arena;
    const char **cells; ///< [rows, columns]
    size_t columns, count, room;
    size_t left; ///< so many columns at the start are words, the others numbers
    bool failed;
} lode_text_grid;

LODE_CHECK lode_status lode__grid_new(lode_text_grid *grid, lode_arena *arena, size_t rows,
                                      size_t columns, size_t left, lode_error *error);
/// Add a cell; NULL stands for a text that there was no memory for.
void lode__grid_put(lode_text_grid *grid, const char *text);
/// Print all cells: aligned lines to `text`, a table to `markdown`.
LODE_CHECK lode_status lode__grid_print(const lode_text_grid *grid, lode_text *text,
                                        lode_text *markdown, lode_error *error);

/// Four decimals, one from 100 on; "-" for what is not finite. NULL without memory.
const char *lode__grid_number(lode_arena *arena, double value);
/// Three decimals or "<0.001"; "-" for NaN.
const char *lode__grid_probability(lode_arena *arena, double p);

#endif
