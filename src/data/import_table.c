// Item and user tables. They are joined to the log by the item or user column; the first table that gives a
// row a value wins, later ones fill what is missing.
#include "data/importer.h"

#include <string.h>

/// Reading one table.
typedef struct table_work {
    lode_importer *importer;
    lode_table table;
    lode_column_map map;
    lode_role id;
    size_t *builder; ///< [headings] index into the builders
    lode_builders *builders;
    uint64_t rows;
    lode_time_reader times;
} table_work;

lode_status lode__import_same_type(const lode_importer *importer, const lode_table *table,
                                   lode_column_builder *builder, const lode_use *use,
                                   lode_error *error) {
    if (builder->use.separator == 0) builder->use.separator = use->separator;
    if (builder->use.type == use->type || (use->guess && !builder->use.guess)) return LODE_OK;
    return lode__fail(
        error, LODE_E_INPUT,
        "%s:1:1: found column %s with type %s, expected %s as in the %s; set one type "
        "in a columns file",
        table->name, builder->name, lode__column_type_name(use->type),
        lode__column_type_name(builder->use.type), importer->old ? "data set" : "table before");
}

static lode_status prepare_columns(table_work *w, lode_error *error) {
    lode_arena *const arena = &w->importer->arena;
    w->builder = lode__arena_alloc(arena, w->table.heading_count, sizeof *w->builder);
    if (!w->builder) return lode__fail_memory(error);
    for (size_t k = 0; k < w->table.heading_count; ++k) {
        if (!w->map.uses[k].keep) continue;
        const char *const name = lode__arena_strdup(arena, w->table.headings[k].name);
        if (!name) return lode__fail_memory(error);
        lode_column_builder *builder;
        LODE_TRY(lode__builders_add(w->builders, name, w->map.uses[k], &builder, error));
        LODE_TRY(lode__import_same_type(w->importer, &w->table, builder, &w->map.uses[k], error));
        w->builder[k] = (size_t)(builder - w->builders->list);
    }
    return LODE_OK;
}

// One end of an item's validity; absent columns and empty cells leave it open.
static lode_status read_end(table_work *w, lode_role role, int64_t open, int64_t *out,
                            lode_error *error) {
    *out = open;
    const size_t column = w->map.role[role];
    if (column == LODE_NO_COLUMN || w->table.cells[column].length == 0) return LODE_OK;
    const lode_cell *const cell = &w->table.cells[column];
    const char *const expected = lode__time_read(&w->times, cell->text, cell->length, out);
    if (expected || w->times.unit == LODE_UNIT_ORDER)
        return lode__import_fail_cell(&w->table, cell, expected ? expected : "a time since 1973",
                                      error);
    return LODE_OK;
}

lode_status lode__import_set_valid(lode_importer *importer, uint32_t item, const int64_t ends[2],
                                   lode_error *error) {
    if (!lode__grow((void **)&importer->valid, &importer->valid_capacity, 2 * ((size_t)item + 1),
                    sizeof *importer->valid))
        return lode__fail_memory(error);
    for (; importer->valid_count <= item; ++importer->valid_count) {
        importer->valid[2 * importer->valid_count] = INT64_MIN;
        importer->valid[2 * importer->valid_count + 1] = INT64_MAX;
    }
    memcpy(importer->valid + 2 * (size_t)item, ends, 2 * sizeof *ends);
    return LODE_OK;
}

static lode_status add_table_row(table_work *w, lode_error *error) {
    lode_importer *const importer = w->importer;
    const lode_cell *const id = &w->table.cells[w->map.role[w->id]];
    const bool has_valid = w->map.role[LODE_ROLE_VALID_FROM] != LODE_NO_COLUMN ||
                           w->map.role[LODE_ROLE_VALID_UNTIL] != LODE_NO_COLUMN;
    int64_t ends[2];
    if (id->length == 0)
        return lode__table_fail(&w->table, w->table.line, id->column, error,
                                "found no %s, expected a token", lode__role_name(w->id));
    for (size_t k = 0; k < w->table.heading_count; ++k) {
        if (!w->map.uses[k].keep) continue;
        const lode_cell *const cell = &w->table.cells[k];
        const char *const expected = lode__column_check(&w->builders->list[w->builder[k]], cell);
        if (expected) return lode__import_fail_cell(&w->table, cell, expected, error);
    }
    LODE_TRY(read_end(w, LODE_ROLE_VALID_FROM, INT64_MIN, &ends[0], error));
    LODE_TRY(read_end(w, LODE_ROLE_VALID_UNTIL, INT64_MAX, &ends[1], error));
    if (ends[0] > ends[1])
        return lode__import_fail_cell(&w->table, &w->table.cells[w->map.role[LODE_ROLE_VALID_UNTIL]],
                                      "a time that is not before valid_from", error);
    uint32_t row = 0;
    LODE_TRY(lode__dictionary_add(w->id == LODE_ROLE_ITEM ? &importer->items : &importer->users,
                                  id->text, id->length, &row, error));
    LODE_TRY(lode__import_list(importer, w->id, row, error));
    for (size_t k = 0; k < w->table.heading_count; ++k) {
        if (!w->map.uses[k].keep) continue;
        lode_column_builder *const builder = &w->builders->list[w->builder[k]];
        uint32_t word;
        LODE_TRY(lode__column_encode(builder, &w->table.cells[k], &word, error));
        LODE_TRY(lode__column_set(builder, row, word, error));
    }
    if (has_valid) LODE_TRY(lode__import_set_valid(importer, row, ends, error));
    ++w->rows;
    return LODE_OK;
}

static lode_status read_rows(table_work *w, lode_error *error) {
    for (bool end = false;;) {
        lode_error problem = {0};
        lode_status status = lode__table_read(&w->table, &end, &problem);
        if (status == LODE_OK && end) return LODE_OK;
        if (status == LODE_OK) status = add_table_row(w, &problem);
        LODE_TRY(lode__import_forgive(w->importer, &w->table, status, &problem, error));
        if ((w->rows & 0xffff) == 0)
            LODE_TRY(lode__import_progress(w->importer, "import tables", w->rows, 0, error));
    }
}

lode_status lode__import_table(lode_importer *importer, const char *path, lode_role id,
                               lode_error *error) {
    table_work w = {.importer = importer, .id = id};
    w.builders = id == LODE_ROLE_ITEM ? &importer->item_columns : &importer->user_columns;
    const size_t max_line = (size_t)importer->options->max_line;
    lode_input *input;
    LODE_TRY(lode__input_open(&input, path, max_line, error));
    LODE_TRY(lode__table_open(&w.table, input, importer->reader, max_line, error));
    const lode_map_request request = {&w.table, importer->columns, importer->hooks, &importer->arena};
    lode_status status;
    LODE_GOTO(status, lode__map_table(&w.map, &request, id, error), done);
    LODE_GOTO(status, prepare_columns(&w, error), done);
    LODE_GOTO(status, read_rows(&w, error), done);
    lode__notice(importer->hooks, "%s (%s): %s = %s, %llu rows", w.table.name, w.table.reader->name,
                 lode__role_name(id), w.table.headings[w.map.role[id]].name,
                 (unsigned long long)w.rows);
done:
    lode__table_close(&w.table);
    return status;
}
