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

static lode_status read_table(table_work *w, lode_error *error) {
    lode_importer *const importer = w->importer;
    w->builders = w->id == LODE_ROLE_ITEM ? &importer->item_columns : &importer->user_columns;
    const lode_map_request request = {&w->table, importer->columns, importer->hooks,
                                      &importer->arena};
    LODE_TRY(lode__map_table(&w->map, &request, w->id, error));
    LODE_TRY(prepare_columns(w, error));
    LODE_TRY(read_rows(w, error));
    lode__notice(importer->hooks, "%s (%s): %s = %s, %llu rows", w->table.name,
                 w->table.reader->name, lode__role_name(w->id),
                 w->table.headings[w->map.role[w->id]].name, (unsigned long long)w->rows);
    return LODE_OK;
}

lode_status lode__import_table(lode_importer *importer, const char *path, lode_role id,
                               lode_error *error) {
    table_work w = {.importer = importer, .id = id};
    LODE_TRY(lode__import_open(importer, path, NULL, &w.table, error));
    if (!w.table.named) { // its columns stand in the columns file
        lode__table_close(&w.table);
        LODE_TRY(lode__import_open(importer, path, lode__role_name(id), &w.table, error));
    }
    const lode_status status = read_table(&w, error);
    lode__import_close(importer, &w.table);
    return status;
}

// ---- tables without a header

/// What the sample of such a table shows.
typedef struct first_column {
    size_t rows, items, users;
} first_column;

static lode_status look_up(const table_work *w, first_column *out, lode_error *error) {
    lode_sample sample;
    LODE_TRY(lode__input_peek(w->table.input, &sample.text, &sample.length, &sample.whole, error));
    size_t position = 0, length;
    const char *text;
    while (out->rows < 1000 && lode__sample_line(&sample, &position, &text, &length)) {
        const char *const cut = memchr(text, w->table.separator, length);
        if (!cut) continue;
        const size_t size = (size_t)(cut - text);
        ++out->rows;
        out->items += lode__dictionary_find(&w->importer->items, text, size) != LODE_DICTIONARY_NONE;
        out->users += lode__dictionary_find(&w->importer->users, text, size) != LODE_DICTIONARY_NONE;
    }
    return LODE_OK;
}

// Names of the columns behind the first: a cate of ComiRec, a title where most values have several words.
static lode_status name_columns(table_work *w, const char *file, lode_error *error) {
    enum { MOST = 1000 };
    lode_table *const table = &w->table;
    lode_sample sample;
    LODE_TRY(lode__input_peek(table->input, &sample.text, &sample.length, &sample.whole, error));
    table->headings[0].name = lode__role_name(w->id);
    if (table->heading_count == 2 && strstr(file, "_cate")) table->headings[1].name = "category";
    size_t *const wordy = lode__arena_alloc(&table->arena, table->heading_count, sizeof *wordy);
    lode_cell *const cells = lode__arena_alloc(&table->arena, table->heading_count, sizeof *cells);
    if (!wordy || !cells) return lode__fail_memory(error);
    size_t position = 0, length, rows = 0;
    const char *text;
    while (rows < MOST && lode__sample_line(&sample, &position, &text, &length)) {
        const lode_line line = {.text = (char *)(uintptr_t)text, .length = length};
        if (lode__line_split(&line, table->separator, cells, table->heading_count) !=
            table->heading_count)
            continue;
        ++rows;
        for (size_t k = 0; k < table->heading_count; ++k) {
            size_t blanks = 0;
            for (size_t at = 0; at < cells[k].length; ++at)
                blanks += cells[k].text[at] == ' ';
            wordy[k] += blanks >= 2;
        }
    }
    for (size_t k = 1; k < table->heading_count; ++k)
        if (rows > 0 && 2 * wordy[k] > rows) {
            table->headings[k].name = "title";
            break;
        }
    return LODE_OK;
}

lode_status lode__import_unknown(lode_importer *importer, const lode_plan_file *file,
                                 lode_error *error) {
    table_work w = {.importer = importer};
    first_column first = {0};
    LODE_TRY(lode__import_open(importer, file->path, NULL, &w.table, error));
    lode_status status;
    LODE_GOTO(status, look_up(&w, &first, error), done);
    const bool items = 2 * first.items >= first.rows, users = 2 * first.users >= first.rows;
    const bool says_user = strstr(file->name, "user") && !strstr(file->name, "item");
    if (w.table.separator && first.rows > 0 && (items || users)) {
        w.id = LODE_ROLE_ITEM;
        if (users &&
            (!items || says_user || (first.users > first.items && !strstr(file->name, "item"))))
            w.id = LODE_ROLE_USER;
    }
    if (w.id == LODE_ROLE_NONE) {
        lode_plan_list *const skipped = &importer->plan.skipped;
        lode_plan_file *const out = &skipped->files[skipped->count++];
        *out = *file;
        out->reason =
            "it has no header, and its first column holds neither items nor users of the log";
        lode__notice(importer->hooks, "%s is skipped: %s", out->name, out->reason);
        goto done;
    }
    lode__notice(
        importer->hooks,
        "%s has no header: %zu of the first %zu values of its first column are %ss of the log",
        file->name, w.id == LODE_ROLE_ITEM ? first.items : first.users, first.rows,
        lode__role_name(w.id));
    LODE_GOTO(status, name_columns(&w, file->name, error), done);
    status = read_table(&w, error);
done:
    lode__import_close(importer, &w.table);
    return status;
}

static lode_status each_file(lode_importer *importer, const lode_plan_list *list,
                             lode_status (*import)(lode_importer *, const lode_plan_file *,
                                                   lode_error *),
                             lode_error *error) {
    for (size_t k = 0; k < list->count; ++k)
        LODE_TRY(import(importer, &list->files[k], error));
    return LODE_OK;
}

static lode_status item_table(lode_importer *importer, const lode_plan_file *file, lode_error *error) {
    return lode__import_table(importer, file->path, LODE_ROLE_ITEM, error);
}

static lode_status user_table(lode_importer *importer, const lode_plan_file *file, lode_error *error) {
    return lode__import_table(importer, file->path, LODE_ROLE_USER, error);
}

lode_status lode__import_tables(lode_importer *importer, lode_error *error) {
    const lode_plan *const plan = &importer->plan;
    LODE_TRY(each_file(importer, &plan->item_tables, item_table, error));
    LODE_TRY(each_file(importer, &plan->user_tables, user_table, error));
    LODE_TRY(each_file(importer, &plan->unknown, lode__import_unknown, error));
    LODE_TRY(each_file(importer, &plan->tags, lode__import_tags, error));
    LODE_TRY(each_file(importer, &plan->attributes, lode__import_attributes, error));
    return each_file(importer, &plan->vectors, lode__import_vectors, error);
}
