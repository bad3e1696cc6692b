// Vectors from elsewhere: the rows of X.npy belong to the tokens of X.ids, one a line, or to those in a named column
// of a table, row by row. They become a float_seq column of constant width, which is written straight from the mapped
// file; items without a vector have an empty sequence. Tokens that no log or table names are counted and left out.
#include "data/importer.h"

#include <math.h>
#include <string.h>

/// Joining one file of vectors.
typedef struct vector_work {
    lode_importer *importer;
    const lode_plan_file *file;
    lode_npy npy;
    lode_dictionary ids; ///< tokens in the order of rows
} vector_work;

static lode_status add_id(vector_work *w, const char *text, size_t length, uint64_t line,
                          lode_error *error) {
    const uint32_t before = w->ids.count;
    uint32_t index;
    if (length == 0)
        return lode__fail(error, LODE_E_INPUT, "%s:%llu:1: found no id, expected a token",
                          w->file->ids, (unsigned long long)line);
    LODE_TRY(lode__dictionary_add(&w->ids, text, length, &index, error));
    if (index == before) return LODE_OK;
    return lode__fail(error, LODE_E_INPUT,
                      "%s:%llu:1: found the id '%.*s' again, expected each once", w->file->ids,
                      (unsigned long long)line, (int)LODE_MIN(length, (size_t)60), text);
}

// One token a line.
static lode_status read_lines(vector_work *w, lode_error *error) {
    lode_input *input;
    LODE_TRY(lode__input_open(&input, w->file->ids, (size_t)w->importer->options->max_line, error));
    lode_status status = LODE_OK;
    for (bool end = false; status == LODE_OK;) {
        lode_line line;
        status = lode__input_line(input, &line, &end, error);
        if (status != LODE_OK || end) break;
        status = add_id(w, line.text, line.length, line.number, error);
    }
    lode__input_free(&input);
    return status;
}

static lode_status read_column(vector_work *w, lode_error *error) {
    lode_table table;
    LODE_TRY(lode__import_open(w->importer, w->file->ids, NULL, &table, error));
    const size_t column = lode__heading_find(&table, w->file->ids_column);
    lode_status status = LODE_OK;
    if (column == LODE_NO_COLUMN)
        status = lode__fail(error, LODE_E_CONFIG, "%s: found no column '%s', expected one of %s",
                            w->file->ids, w->file->ids_column,
                            lode__heading_list(&table, &w->importer->arena));
    for (bool end = false; status == LODE_OK;) {
        status = lode__table_read(&table, &end, error);
        if (status != LODE_OK || end) break;
        status = add_id(w, table.cells[column].text, table.cells[column].length, table.line, error);
    }
    lode__import_close(w->importer, &table);
    return status;
}

// Every number must be finite: NaN in a feature would spoil whatever is trained on it.
static lode_status check_numbers(const vector_work *w, lode_error *error) {
    for (uint64_t row = 0; row < w->npy.rows; ++row)
        for (uint64_t k = 0; k < w->npy.columns; ++k)
            if (!isfinite(lode__npy_value(&w->npy, row, k)))
                return lode__fail(error, LODE_E_INPUT,
                                  "%s: row %llu ('%.60s'), column %llu: found a number that is not "
                                  "finite in float32",
                                  w->file->path, (unsigned long long)row + 1,
                                  lode__dictionary_token(&w->ids, (uint32_t)row),
                                  (unsigned long long)k + 1);
    return LODE_OK;
}

static uint32_t count_known(const vector_work *w, const lode_dictionary *dictionary) {
    uint32_t known = 0;
    for (uint32_t k = 0; k < w->ids.count; ++k) {
        const char *const token = lode__dictionary_token(&w->ids, k);
        known += lode__dictionary_find(dictionary, token, strlen(token)) != LODE_DICTIONARY_NONE;
    }
    return known;
}

// Items or users, whichever has more of the ids; the name decides between equals.
static lode_role choose_role(const vector_work *w) {
    if (w->file->role != LODE_ROLE_NONE) return (lode_role)w->file->role;
    const uint32_t items = count_known(w, &w->importer->items),
                   users = count_known(w, &w->importer->users);
    if (items != users) return items > users ? LODE_ROLE_ITEM : LODE_ROLE_USER;
    return strstr(w->file->name, "user") ? LODE_ROLE_USER : LODE_ROLE_ITEM;
}

// Vectors that are appended to must have one width.
static lode_status check_width(const vector_work *w, const lode_column *old, lode_error *error) {
    for (uint64_t row = 0; old && row < old->rows; ++row) {
        const uint64_t width = old->starts[row + 1] - old->starts[row];
        if (width == 0 || width == w->npy.columns) continue;
        return lode__fail(error, LODE_E_INPUT,
                          "%s: found vectors of width %llu, expected %llu as in the data set",
                          w->file->path, (unsigned long long)w->npy.columns,
                          (unsigned long long)width);
    }
    return LODE_OK;
}

static lode_status join_rows(vector_work *w, lode_role role, lode_error *error) {
    lode_importer *const importer = w->importer;
    const bool item = role == LODE_ROLE_ITEM;
    const lode_dictionary *const known = item ? &importer->items : &importer->users;
    lode_builders *const builders = item ? &importer->item_columns : &importer->user_columns;
    const lode_use use = {.keep = true, .type = LODE_COLUMN_FLOATS, .separator = ' '};
    const size_t before = builders->count;
    lode_column_builder *builder;
    LODE_TRY(lode__builders_add(builders, w->file->column, use, &builder, error));
    const lode_column *const old = builder->old;
    if (builders->count == before && (!old || builder->word_count > 0))
        return lode__fail(error, LODE_E_INPUT,
                          "%s: found a column %s in another table already, expected one of them",
                          w->file->path, w->file->column);
    LODE_TRY(check_width(w, old, error));
    uint32_t joined = 0;
    for (uint32_t row = 0; row < w->ids.count; ++row) {
        const char *const token = lode__dictionary_token(&w->ids, row);
        const uint32_t index = lode__dictionary_find(known, token, strlen(token));
        if (index == LODE_DICTIONARY_NONE) continue;
        ++joined;
        LODE_TRY(lode__column_set(builder, index, row, error));
    }
    builder->vectors = w->npy; // the builder closes it
    w->npy = (lode_npy){0};
    lode__notice(
        importer->hooks,
        "%s: %s column %s of width %llu: %u of %u %ss have a vector; %u vector(s) belong to "
        "none and are left out",
        w->file->name, lode__role_name(role), w->file->column,
        (unsigned long long)builder->vectors.columns, joined, known->count, lode__role_name(role),
        w->ids.count - joined);
    return LODE_OK;
}

lode_status lode__import_vectors(lode_importer *importer, const lode_plan_file *file,
                                 lode_error *error) {
    vector_work w = {.importer = importer, .file = file};
    lode_status status;
    LODE_GOTO(status, lode__npy_open(&w.npy, file->path, error), done);
    LODE_GOTO(status, file->ids_column ? read_column(&w, error) : read_lines(&w, error), done);
    if (w.ids.count != w.npy.rows) {
        status = lode__fail(error, LODE_E_INPUT, "%s: found %u ids, expected %llu as rows in %s",
                            file->ids, w.ids.count, (unsigned long long)w.npy.rows, file->name);
        goto done;
    }
    LODE_GOTO(status, check_numbers(&w, error), done);
    status = join_rows(&w, choose_role(&w), error);
done:
    lode__npy_close(&w.npy);
    lode__dictionary_release(&w.ids);
    return status;
}
