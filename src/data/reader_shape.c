// Delimited files without a header: is the first line a row, and what are the columns?
//
// A first line is a header when one of its cells is the name of a user or item column (data/columns.h), or when
// none of its cells can only be data (a number, a date, an id such as B000A1, a long phrase). The columns are
// named by the first shape that fits every line of the sample:
//
//     user,item,category,behaviour,time     five columns, the fourth pv, buy, cart or fav (Taobao); the category
//                                           describes the item
//     session,time,item,category            four columns, the second an ISO 8601 time (yoochoose)
//     user,item,rating,time                 four columns, the third numbers below 1e8, the fourth times
//     user,item,time | weight               three columns of which the third is a number; which of both:
//                                           lode__shape_third
//
// Any other file has columns column_1, column_2, ...
#include "data/columns.h"
#include "data/reader.h"

#include "base/text.h"
#include "data/times.h"

#include <string.h>

#define ROWS  1000 // that are looked at
#define WIDTH 5    // columns of the widest shape
#define TIMES 1e8  // numbers from here on are times: seconds in March 1973

/// What the cells of a column have in common.
typedef struct column_shape {
    bool number, time, iso, behaviour;
} column_shape;

static bool is_iso(const lode_cell *cell) {
    int64_t time;
    return lode__time_parse_iso(cell->text, cell->length, &time);
}

static bool is_behaviour(const lode_cell *cell) {
    static const char *const words[] = {"pv", "buy", "cart", "fav"};
    for (size_t k = 0; k < sizeof words / sizeof *words; ++k)
        if (strlen(words[k]) == cell->length && memcmp(words[k], cell->text, cell->length) == 0)
            return true;
    return false;
}

static bool is_known_heading(const lode_cell *cell) {
    const char *text = cell->text;
    size_t length = cell->length;
    while (length > 0 && (*text == '"' || *text == ' '))
        ++text, --length;
    while (length > 0 && (text[length - 1] == '"' || text[length - 1] == ' '))
        --length;
    char name[64];
    if (length == 0 || length >= sizeof name) return false;
    memcpy(name, text, length);
    name[length] = 0;
    const lode_role role = lode__role_of(name, NULL);
    return role == LODE_ROLE_USER || role == LODE_ROLE_ITEM || role == LODE_ROLE_SESSION;
}

// A number, a date, an id with three digits or more, more than four words: no heading looks like that.
static bool is_data(const lode_cell *cell) {
    double number;
    if (cell->length == 0) return false;
    if (lode__parse_real(cell->text, cell->length, &number) || is_iso(cell)) return true;
    size_t digits = 0, blanks = 0;
    for (size_t k = 0; k < cell->length; ++k) {
        digits += cell->text[k] >= '0' && cell->text[k] <= '9';
        blanks += cell->text[k] == ' ';
    }
    return digits >= 3 || blanks >= 4;
}

bool lode__shape_known(const lode_sample *sample, char separator) {
    size_t position = 0, length;
    const char *text;
    if (!lode__sample_line(sample, &position, &text, &length)) return false;
    for (const char *const stop = text + length; text <= stop;) {
        const char *cut = memchr(text, separator, (size_t)(stop - text));
        if (!cut) cut = stop;
        const lode_cell cell = {text, (size_t)(cut - text), 1};
        if (is_known_heading(&cell)) return true;
        text = cut + 1;
    }
    return false;
}

bool lode__shape_headless(const lode_sample *sample, char separator) {
    size_t position = 0, length;
    const char *text;
    if (!lode__sample_line(sample, &position, &text, &length)) return false;
    bool data = false;
    if (lode__shape_known(sample, separator)) return false;
    for (const char *const stop = text + length; text <= stop;) {
        const char *cut = memchr(text, separator, (size_t)(stop - text));
        if (!cut) cut = stop;
        const lode_cell cell = {text, (size_t)(cut - text), 1};
        data = data || is_data(&cell);
        text = cut + 1;
    }
    return data;
}

static size_t count_fields(const char *text, size_t length, char separator) {
    size_t count = 1;
    for (size_t k = 0; k < length; ++k)
        count += text[k] == separator;
    return count;
}

bool lode__shape_constant(const lode_sample *sample, char separator, size_t *lines) {
    size_t position = 0, length, fields = 0;
    const char *text;
    *lines = 0;
    while (*lines < ROWS && lode__sample_line(sample, &position, &text, &length)) {
        const size_t count = count_fields(text, length, separator);
        if (count < 2 || (fields > 0 && count != fields)) return false;
        fields = count;
        ++*lines;
    }
    return fields > 0;
}

const char *lode__third_name(lode_third third) {
    return third == LODE_THIRD_WEIGHT ? "weight" : third == LODE_THIRD_RATING ? "rating" : "time";
}

static bool same_cell(const lode_cell *a, const lode_cell *b) {
    return a->length == b->length && memcmp(a->text, b->text, a->length) == 0;
}

// Numbers that order the clicks of a user, such as row numbers, never repeat within one.
static bool repeats(const lode_cell *users, const lode_cell *thirds, size_t count) {
    for (size_t k = 0; k < count; ++k)
        for (size_t before = 0; before < k; ++before)
            if (same_cell(&thirds[k], &thirds[before]) && same_cell(&users[k], &users[before]))
                return true;
    return false;
}

lode_third lode__shape_third(const lode_cell *users, const lode_cell *thirds, size_t count) {
    bool fraction = false, large = false, equal = count > 1;
    for (size_t k = 0; k < count; ++k) {
        double number;
        if (is_iso(&thirds[k])) return LODE_THIRD_TIME;
        if (!lode__parse_real(thirds[k].text, thirds[k].length, &number)) return LODE_THIRD_AUTO;
        fraction = fraction || memchr(thirds[k].text, '.', thirds[k].length);
        large = large || number >= TIMES;
        equal = equal && same_cell(&thirds[k], &thirds[0]);
    }
    if (count == 0) return LODE_THIRD_AUTO;
    if (large) return LODE_THIRD_TIME;
    return fraction || equal || repeats(users, thirds, count) ? LODE_THIRD_WEIGHT : LODE_THIRD_TIME;
}

/// The cells of a sample.
typedef struct sheet {
    lode_cell *cells; ///< [rows, width]
    size_t rows, width;
    column_shape shapes[WIDTH];
} sheet;

static void see_cell(column_shape *shape, const lode_cell *cell) {
    double number = 0;
    const bool parsed = lode__parse_real(cell->text, cell->length, &number);
    const bool iso = is_iso(cell);
    shape->number = shape->number && parsed && number < TIMES;
    shape->iso = shape->iso && iso;
    shape->time = shape->time && (iso || (parsed && number >= TIMES));
    shape->behaviour = shape->behaviour && is_behaviour(cell);
}

static lode_status read_sheet(lode_table *table, const lode_sample *sample, sheet *out,
                              lode_error *error) {
    out->cells = lode__arena_alloc(&table->arena, ROWS * out->width, sizeof *out->cells);
    if (!out->cells) return lode__fail_memory(error);
    for (size_t c = 0; c < out->width; ++c)
        out->shapes[c] = (column_shape){true, true, true, true};
    size_t position = 0, length;
    const char *text;
    while (out->rows < ROWS && lode__sample_line(sample, &position, &text, &length)) {
        const lode_line line = {.text = (char *)(uintptr_t)text, .length = length};
        lode_cell *const row = out->cells + out->rows * out->width;
        if (lode__line_split(&line, table->separator, row, out->width) != out->width) continue;
        for (size_t c = 0; c < out->width; ++c)
            see_cell(&out->shapes[c], &row[c]);
        ++out->rows;
    }
    return LODE_OK;
}

static void set_names(lode_table *table, const char *const *names, const char *note) {
    for (size_t k = 0; k < table->heading_count; ++k)
        table->headings[k].name = names[k];
    table->named = true;
    table->note = note;
}

static lode_status name_three(lode_table *table, const sheet *s, lode_error *error) {
    const lode_third wanted = table->options.third;
    lode_cell *const users = lode__arena_alloc(&table->arena, 2 * (size_t)ROWS, sizeof *users);
    if (!users) return lode__fail_memory(error);
    for (size_t k = 0; k < s->rows; ++k) {
        users[k] = s->cells[3 * k];
        users[ROWS + k] = s->cells[3 * k + 2];
    }
    const lode_third third = lode__shape_third(users, users + ROWS, s->rows);
    if (third == LODE_THIRD_AUTO) return LODE_OK;
    const lode_third used = wanted != LODE_THIRD_AUTO ? wanted : third;
    const char *const names[] = {"user", "item", lode__third_name(used)};
    set_names(table, names,
              used == LODE_THIRD_WEIGHT
                  ? "it has no header: taken for user, item, weight; the key third or names in a "
                    "columns file say otherwise"
                  : "it has no header: taken for user, item, time; the key third or names in a "
                    "columns file say otherwise");
    return LODE_OK;
}

lode_status lode__shape_name(lode_table *table, const lode_sample *sample, size_t count,
                             lode_error *error) {
    static const char *const taobao[] = {"user", "item", "category", "behaviour", "time"};
    static const char *const yoochoose[] = {"session", "time", "item", "category"};
    static const char *const rated[] = {"user", "item", "rating", "time"};
    LODE_TRY(lode__table_columns(table, count, error));
    if (count < 3 || count > WIDTH) return LODE_OK;
    sheet s = {.width = count};
    LODE_TRY(read_sheet(table, sample, &s, error));
    if (s.rows == 0) return LODE_OK;
    const column_shape *const c = s.shapes;
    if (count == 5 && c[3].behaviour && c[4].time) {
        set_names(table, taobao,
                  "it has no header: taken for user, item, category, behaviour, time; names in a "
                  "columns file say otherwise");
        table->headings[2].about = LODE_ABOUT_ITEM;
    } else if (count == 4 && c[1].iso) {
        set_names(table, yoochoose,
                  "it has no header: taken for session, time, item, category; names in a columns "
                  "file say otherwise");
    } else if (count == 4 && c[2].number && c[3].time) {
        set_names(table, rated,
                  "it has no header: taken for user, item, rating, time; names in a columns file "
                  "say otherwise");
    } else if (count == 3) {
        return name_three(table, &s, error);
    }
    return LODE_OK;
}
