// Two formats without a header, words separated by blanks or tabs.
//
//     lines    user item [time]                  SASRec, BERT4Rec; without a time the order of lines counts
//     lists    user item item item ...           S3-Rec: one line a user, items in time order
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

static bool lines_detect(const lode_sample *sample) {
    const shape found = sample_shape(sample);
    if (found.lines == 0 || found.mixed || found.fewest != found.most) return false;
    return found.most == 2 || (found.most == 3 && found.third_number);
}

static bool lists_detect(const lode_sample *sample) {
    const shape found = sample_shape(sample);
    return found.lines > 1 && !found.mixed && found.digits && found.fewest >= 2 &&
           found.fewest != found.most;
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
    return LODE_OK;
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

const lode_reader lode__reader_lines = {
    "lines", lines_detect, lines_open, lines_read,
    "lines of 'user item' or 'user item time' without a header"};
const lode_reader lode__reader_lists = {
    "lists", lists_detect, lists_open, lists_read,
    "one line a user: 'user item item ...' in time order, without a header"};
