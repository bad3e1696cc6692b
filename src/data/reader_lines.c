// Three formats without a header, words separated by blanks or tabs.
//
//     lines    user item [time]                  SASRec, BERT4Rec; without a time the order of lines counts
//              user item weight                  SELFRec
//     lists    user item item item ...           S3-Rec: one line a user, items in time order
//     counted  user TAB items TAB n TAB n TAB n  the same with the sizes of three parts: the first n items are of
//                                                training, the next of validation, the last of test
#include "data/reader.h"

#include "base/text.h"

#include <string.h>

static bool is_blank(char c) {
    return c == ' ' || c == '\t';
}

// The next word of a line from *position on; false at its end.
static bool next_word(const char *text, size_t length, size_t *position, lode_cell *word) {
    size_t at = *position;
    while (at < length && is_blank(text[at]))
        ++at;
    const size_t start = at;
    while (at < length && !is_blank(text[at]))
        ++at;
    *position = at;
    *word = (lode_cell){text + start, at - start, start + 1};
    return at > start;
}

static bool has_digit(const lode_cell *word) {
    for (size_t k = 0; k < word->length; ++k)
        if (word->text[k] >= '0' && word->text[k] <= '9') return true;
    return false;
}

/// What the words of a sample look like.
typedef struct shape {
    size_t fewest, most, lines; ///< words a line
    bool digits;                ///< every word holds a digit: these are ids, not prose
    bool third_number;          ///< third words are numbers
    bool mixed;                 ///< a line with blanks and tabs, or commas: not for us
} shape;

static shape sample_shape(const lode_sample *sample) {
    shape out = {SIZE_MAX, 0, 0, true, true, false};
    size_t position = 0, length;
    const char *text;
    while (out.lines < 1000 && lode__sample_line(sample, &position, &text, &length)) {
        if (memchr(text, '\t', length) && memchr(text, ' ', length)) out.mixed = true;
        if (memchr(text, ',', length)) out.mixed = true;
        size_t at = 0, words = 0;
        lode_cell word;
        while (next_word(text, length, &at, &word)) {
            double number;
            if (words++ == 2 && !lode__parse_real(word.text, word.length, &number))
                out.third_number = false;
            if (!has_digit(&word)) out.digits = false;
        }
        if (words == 0) continue;
        out.fewest = LODE_MIN(out.fewest, words);
        out.most = LODE_MAX(out.most, words);
        ++out.lines;
    }
    return out;
}

bool lode__lines_detect(const lode_sample *sample) {
    const shape found = sample_shape(sample);
    if (found.lines == 0 || found.mixed || found.fewest != found.most) return false;
    return found.most == 2 || (found.most == 3 && found.third_number);
}

static bool lists_detect(const lode_sample *sample) {
    const shape found = sample_shape(sample);
    return found.lines > 1 && !found.mixed && found.digits && found.fewest >= 2 &&
           found.fewest != found.most;
}

// Time or weight.
static lode_status name_third(lode_table *table, const lode_sample *sample, lode_error *error) {
    enum { ROWS = 1000 };
    lode_cell *const users = lode__arena_alloc(&table->arena, 2 * (size_t)ROWS, sizeof *users);
    if (!users) return lode__fail_memory(error);
    size_t position = 0, length, count = 0;
    const char *text;
    while (count < ROWS && lode__sample_line(sample, &position, &text, &length)) {
        size_t at = 0;
        lode_cell item;
        if (next_word(text, length, &at, &users[count]) && next_word(text, length, &at, &item) &&
            next_word(text, length, &at, &users[ROWS + count]))
            ++count;
    }
    const bool said = table->options.third != LODE_THIRD_AUTO;
    const lode_third third =
        said ? table->options.third : lode__shape_third(users, users + ROWS, count);
    if (third != LODE_THIRD_AUTO) table->headings[2].name = lode__third_name(third);
    if (!said && third == LODE_THIRD_WEIGHT)
        table->note = "the third column is taken for a weight (the numbers are small and repeat); "
                      "the key third says otherwise";
    return LODE_OK;
}

static lode_status lines_open(lode_table *table, lode_error *error) {
    lode_sample sample;
    LODE_TRY(lode__input_peek(table->input, &sample.text, &sample.length, &sample.whole, error));
    size_t position = 0, length = 0, at = 0, count = 0;
    const char *text = NULL;
    lode_cell word;
    if (lode__sample_line(&sample, &position, &text, &length))
        while (next_word(text, length, &at, &word))
            ++count;
    if (count < 2 || count > 3)
        return lode__table_fail(table, 1, 1, error,
                                "found %zu word%s, expected 'user item' or 'user item time'", count,
                                count == 1 ? "" : "s");
    static const char *const names[] = {"user", "item", "time"};
    LODE_TRY(lode__table_columns(table, count, error));
    for (size_t k = 0; k < count; ++k)
        table->headings[k].name = names[k];
    table->named = true;
    return count == 3 ? name_third(table, &sample, error) : LODE_OK;
}

static lode_status lines_read(lode_table *table, bool *end, lode_error *error) {
    lode_line line;
    LODE_TRY(lode__table_line(table, &line, end, error));
    if (*end) return LODE_OK;
    size_t at = 0, count = 0;
    lode_cell word;
    while (next_word(line.text, line.length, &at, &word)) {
        if (count < table->heading_count) table->cells[count] = word;
        ++count;
    }
    return lode__table_check_count(table, count, error);
}

static lode_status lists_open(lode_table *table, lode_error *error) {
    LODE_TRY(lode__table_columns(table, 2, error));
    table->headings[0].name = "user";
    table->headings[1].name = "item";
    table->named = true;
    return LODE_OK;
}

static lode_status lists_read(lode_table *table, bool *end, lode_error *error) {
    lode_cell word;
    if (table->rest.text && next_word(table->rest.text, table->rest.length, &table->position, &word)) {
        table->cells[1] = word;
        return LODE_OK;
    }
    table->rest.text = NULL;
    lode_line line;
    LODE_TRY(lode__table_line(table, &line, end, error));
    if (*end) return LODE_OK;
    size_t at = 0;
    if (!next_word(line.text, line.length, &at, &table->cells[0]) ||
        !next_word(line.text, line.length, &at, &table->cells[1]))
        return lode__table_fail(table, line.number, 1, error,
                                "found a line without items, expected 'user item item ...'");
    table->rest = line;
    table->position = at;
    return LODE_OK;
}

/// A line of the format `counted`.
typedef struct counted {
    lode_cell fields[5];
    uint64_t parts[3], items;
} counted;

// NULL, or what is wrong with the line.
static const char *take_counted(const char *text, size_t length, counted *out) {
    const lode_line line = {.text = (char *)(uintptr_t)text, .length = length};
    if (lode__line_split(&line, '\t', out->fields, 5) != 5)
        return "'user TAB items TAB n_train TAB n_valid TAB n_test'";
    uint64_t sum = 0;
    for (size_t k = 0; k < 3; ++k) {
        const lode_cell *const cell = &out->fields[2 + k];
        if (!lode__parse_u64(cell->text, cell->length, &out->parts[k]) || out->parts[k] > UINT32_MAX)
            return "three numbers of items behind the items";
        sum += out->parts[k];
    }
    lode_cell word;
    out->items = 0;
    for (size_t at = 0; next_word(out->fields[1].text, out->fields[1].length, &at, &word);)
        ++out->items;
    if (out->items != sum) return "as many items as the three numbers behind them say together";
    return out->items > 0 && out->fields[0].length > 0 ? NULL : "a user and items";
}

static bool counted_detect(const lode_sample *sample) {
    size_t position = 0, length, lines = 0;
    const char *text;
    counted line;
    while (lines < 1000 && lode__sample_line(sample, &position, &text, &length)) {
        if (take_counted(text, length, &line)) return false;
        ++lines;
    }
    return lines > 0;
}

static lode_status counted_open(lode_table *table, lode_error *error) {
    static const char *const names[] = {"user", "item", "part"};
    LODE_TRY(lode__table_columns(table, 3, error));
    for (size_t k = 0; k < 3; ++k)
        table->headings[k].name = names[k];
    table->named = true;
    table->state = lode__arena_alloc(&table->arena, 1, sizeof(counted));
    return table->state ? LODE_OK : lode__fail_memory(error);
}

static lode_status counted_read(lode_table *table, bool *end, lode_error *error) {
    static const char *const parts[] = {"train", "valid", "test"};
    counted *const line = table->state;
    const lode_cell *const items = &line->fields[1];
    if (!table->rest.text ||
        !next_word(items->text, items->length, &table->position, &table->cells[1])) {
        table->rest.text = NULL;
        lode_line next;
        LODE_TRY(lode__table_line(table, &next, end, error));
        if (*end) return LODE_OK;
        const char *const expected = take_counted(next.text, next.length, line);
        if (expected)
            return lode__table_fail(table, next.number, 1, error, "found '%.*s', expected %s",
                                    (int)LODE_MIN(next.length, (size_t)40), next.text, expected);
        table->rest = next;
        table->position = 0;
        next_word(items->text, items->length, &table->position, &table->cells[1]);
    }
    size_t part = 0;
    while (part < 2 && line->parts[part] == 0)
        ++part;
    --line->parts[part];
    const size_t start = items->column - 1;
    table->cells[0] = line->fields[0];
    table->cells[1].column += start;
    table->cells[2] = (lode_cell){parts[part], strlen(parts[part]), line->fields[2 + part].column};
    return LODE_OK;
}

const lode_reader lode__reader_counted = {
    "counted",
    counted_detect,
    counted_open,
    counted_read,
    NULL,
    "one line a user: 'user TAB items TAB n_train TAB n_valid TAB n_test', without a header"};
const lode_reader lode__reader_lines = {
    "lines",    lode__lines_detect,
    lines_open, lines_read,
    NULL,       "lines of 'user item', 'user item time' or 'user item weight' without a header"};
const lode_reader lode__reader_lists = {
    "lists",    lists_detect,
    lists_open, lists_read,
    NULL,       "one line a user: 'user item item ...' in time order, without a header"};
