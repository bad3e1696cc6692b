#include "data/column_build.h"

#include "base/text.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define BLOCK 8192

// Separator 0: any of the usual ones.
static bool is_separator(char c, char separator) {
    if (separator == 0) return c == ' ' || c == '|' || c == ',';
    return c == separator || (separator == ' ' && c == '\t');
}

// The next part of a sequence, blanks around it cut off; false at the end.
static bool next_part(const char *text, size_t length, char separator, size_t *position,
                      const char **part, size_t *part_length) {
    for (;;) {
        size_t at = *position;
        while (at < length && (is_separator(text[at], separator) || text[at] == ' '))
            ++at;
        if (at >= length) return false;
        size_t end = at;
        while (end < length && !is_separator(text[end], separator))
            ++end;
        *position = end;
        *part = text + at;
        while (end > at && text[end - 1] == ' ')
            --end;
        *part_length = end - at;
        if (end > at) return true;
    }
}

static bool parse_float(const char *text, size_t length, float *out) {
    double value;
    if (!lode__parse_real(text, length, &value) || !(fabs(value) <= 3.4e38)) return false;
    *out = (float)value;
    return true;
}

const char *lode__column_check(const lode_column_builder *builder, const lode_cell *cell) {
    float value;
    if (cell->length == 0) return NULL;
    if (builder->use.type == LODE_COLUMN_FLOAT)
        return parse_float(cell->text, cell->length, &value) ? NULL : "a number";
    if (builder->use.type != LODE_COLUMN_FLOATS) return NULL;
    size_t position = 0, length;
    const char *part;
    while (next_part(cell->text, cell->length, builder->use.separator, &position, &part, &length))
        if (!parse_float(part, length, &value)) return "numbers";
    return NULL;
}

uint32_t lode__column_missing(const lode_column_builder *builder) {
    if (builder->use.type != LODE_COLUMN_FLOAT) return LODE_CODE_NONE;
    const float missing = NAN;
    uint32_t word;
    memcpy(&word, &missing, sizeof word);
    return word;
}

lode_status lode__column_encode(lode_column_builder *builder, const lode_cell *cell, uint32_t *word,
                                lode_error *error) {
    *word = lode__column_missing(builder);
    if (cell->length == 0) return LODE_OK;
    if (builder->use.type != LODE_COLUMN_FLOAT)
        return lode__dictionary_add(&builder->texts, cell->text, cell->length, word, error);
    float value = NAN;
    if (parse_float(cell->text, cell->length, &value)) memcpy(word, &value, sizeof value);
    return LODE_OK;
}

lode_status lode__column_set(lode_column_builder *builder, uint32_t row, uint32_t word,
                             lode_error *error) {
    const uint32_t missing = lode__column_missing(builder);
    if (row >= builder->word_count) {
        if (!lode__grow((void **)&builder->words, &builder->word_capacity, (size_t)row + 1,
                        sizeof *builder->words))
            return lode__fail_memory(error);
        while (builder->word_count <= row)
            builder->words[builder->word_count++] = missing;
    }
    uint32_t *const held = &builder->words[row];
    if (*held == missing)
        *held = word;
    else
        builder->differing += word != missing && word != *held;
    return LODE_OK;
}

// "a|b", but not the "a | b" of prose.
static bool has_bar(const char *text) {
    for (const char *bar = strchr(text, '|'); bar; bar = strchr(bar + 1, '|'))
        if (bar > text && bar[-1] != ' ' && bar[1] != ' ') return true;
    return false;
}

// A table's column of numbers with fractions becomes float: words turn from texts into bits.
static void make_float(lode_column_builder *builder) {
    builder->use.type = LODE_COLUMN_FLOAT;
    const uint32_t missing = lode__column_missing(builder);
    for (size_t k = 0; k < builder->word_count; ++k) {
        uint32_t *const word = &builder->words[k];
        const char *const text =
            *word == LODE_CODE_NONE ? "" : lode__dictionary_token(&builder->texts, *word);
        float value;
        if (parse_float(text, strlen(text), &value))
            memcpy(word, &value, sizeof value);
        else
            *word = missing;
    }
}

void lode__column_settle(lode_column_builder *builder) {
    bool bars = false, commas = false, numbers = builder->texts.count > 0, fractions = false;
    for (uint32_t k = 0; k < builder->texts.count; ++k) {
        const char *const text = lode__dictionary_token(&builder->texts, k);
        float value;
        if (*text == LODE_PART_MARK) continue;
        bars = bars || has_bar(text);
        commas = commas || strchr(text, ',');
        numbers = numbers && parse_float(text, strlen(text), &value);
        fractions = fractions || strchr(text, '.');
    }
    if (builder->use.guess && bars)
        builder->use.type = LODE_COLUMN_TOKENS;
    else if (builder->use.guess && numbers && fractions)
        make_float(builder);
    builder->use.guess = false;
    if (builder->use.separator == 0 && builder->use.type == LODE_COLUMN_TOKENS)
        builder->use.separator = bars ? '|' : commas ? ',' : ' ';
}

lode_status lode__tokens_write(const lode_dictionary *dictionary, lode_container_writer *writer,
                               const char *name, const char *starts, lode_error *error) {
    static const uint64_t zero = 0;
    const bool any = dictionary->count > 0;
    LODE_TRY(lode__section_write(writer, name, any ? dictionary->bytes : "",
                                 any ? dictionary->byte_count : 0, error));
    return lode__section_write(writer, starts, any ? dictionary->offsets : &zero,
                               ((size_t)dictionary->count + 1) * sizeof(uint64_t), error);
}

/// Writing one column.
typedef struct work {
    lode_column_builder *builder;
    lode_container_writer *writer;
    const char *prefix;
    size_t number;
    uint64_t rows;
    lode_dictionary tokens; ///< of the parts of a token_seq
    uint64_t *starts;       ///< [texts + 1] parts of each text
    uint32_t *parts;        ///< codes, or bits of floats
    size_t part_count, part_capacity;
    uint32_t block[BLOCK];
    uint64_t wide[BLOCK];
} work;

// Words of rows at .. at + count.
static lode_status read_words(work *w, uint64_t at, size_t count, lode_error *error) {
    const lode_column_builder *const builder = w->builder;
    if (builder->spool.folder)
        return lode__spool_read(&builder->spool, at * sizeof(uint32_t), w->block,
                                count * sizeof(uint32_t), error);
    const uint32_t missing = lode__column_missing(builder);
    for (size_t k = 0; k < count; ++k)
        w->block[k] = at + k < builder->word_count ? builder->words[at + k] : missing;
    return LODE_OK;
}

static void section_name(const work *w, const char *part, char name[LODE_SECTION_NAME]) {
    snprintf(name, LODE_SECTION_NAME, "%s.%zu.%s", w->prefix, w->number, part);
}

// The words themselves: token codes, floats.
static lode_status write_words(work *w, const char *part, lode_error *error) {
    char name[LODE_SECTION_NAME];
    section_name(w, part, name);
    LODE_TRY(lode__section_begin(w->writer, name, error));
    for (uint64_t at = 0; at < w->rows; at += BLOCK) {
        const size_t count = (size_t)LODE_MIN((uint64_t)BLOCK, w->rows - at);
        LODE_TRY(read_words(w, at, count, error));
        LODE_TRY(lode__section_add(w->writer, w->block, count * sizeof(uint32_t), error));
    }
    return lode__section_end(w->writer, error);
}

static bool is_old(const work *w, uint32_t word) {
    return w->builder->old && word != LODE_CODE_NONE && (word & LODE_OLD_ROW) != 0;
}

// Parts of text `word`, or its bytes for a text column.
static uint64_t word_size(const work *w, uint32_t word) {
    if (w->builder->use.type == LODE_COLUMN_TEXT) {
        if (word == LODE_CODE_NONE) return 1;
        return w->builder->texts.offsets[word + 1] - w->builder->texts.offsets[word];
    }
    if (is_old(w, word)) {
        const uint64_t *const starts = w->builder->old->starts + (word & ~LODE_OLD_ROW);
        return starts[1] - starts[0];
    }
    if (w->builder->vectors.columns > 0)
        return word == LODE_CODE_NONE ? 0 : w->builder->vectors.columns;
    return word == LODE_CODE_NONE ? 0 : w->starts[word + 1] - w->starts[word];
}

static lode_status write_starts(work *w, lode_error *error) {
    char name[LODE_SECTION_NAME];
    section_name(w, "starts", name);
    uint64_t start = 0;
    LODE_TRY(lode__section_begin(w->writer, name, error));
    for (uint64_t at = 0; at < w->rows; at += BLOCK) {
        const size_t count = (size_t)LODE_MIN((uint64_t)BLOCK, w->rows - at);
        LODE_TRY(read_words(w, at, count, error));
        for (size_t k = 0; k < count; ++k) {
            w->wide[k] = start;
            start += word_size(w, w->block[k]);
        }
        LODE_TRY(lode__section_add(w->writer, w->wide, count * sizeof(uint64_t), error));
    }
    LODE_TRY(lode__section_add(w->writer, &start, sizeof start, error));
    return lode__section_end(w->writer, error);
}

static lode_status write_vector(work *w, uint32_t row, lode_error *error) {
    for (uint64_t k = 0; k < w->builder->vectors.columns; ++k) {
        const float value = lode__npy_value(&w->builder->vectors, row, k);
        LODE_TRY(lode__section_add(w->writer, &value, sizeof value, error));
    }
    return LODE_OK;
}

// What the starts point into: bytes of texts, or codes or floats of sequences.
static lode_status write_parts(work *w, const char *part, lode_error *error) {
    const bool text = w->builder->use.type == LODE_COLUMN_TEXT;
    char name[LODE_SECTION_NAME];
    section_name(w, part, name);
    LODE_TRY(lode__section_begin(w->writer, name, error));
    for (uint64_t at = 0; at < w->rows; at += BLOCK) {
        const size_t count = (size_t)LODE_MIN((uint64_t)BLOCK, w->rows - at);
        LODE_TRY(read_words(w, at, count, error));
        for (size_t k = 0; k < count; ++k) {
            const uint32_t word = w->block[k];
            const size_t size = (size_t)word_size(w, word);
            if (word == LODE_CODE_NONE)
                LODE_TRY(lode__section_add(w->writer, "", size, error));
            else if (is_old(w, word))
                LODE_TRY(lode__section_add(w->writer,
                                           w->builder->old->values +
                                               w->builder->old->starts[word & ~LODE_OLD_ROW],
                                           size * sizeof(float), error));
            else if (w->builder->vectors.columns > 0)
                LODE_TRY(write_vector(w, word, error));
            else if (text)
                LODE_TRY(lode__section_add(
                    w->writer, lode__dictionary_token(&w->builder->texts, word), size, error));
            else if (size > 0)
                LODE_TRY(lode__section_add(w->writer, w->parts + w->starts[word],
                                           size * sizeof(uint32_t), error));
        }
    }
    return lode__section_end(w->writer, error);
}

// Take every distinct text of a sequence column apart.
static lode_status split_texts(work *w, lode_error *error) {
    const lode_dictionary *const texts = &w->builder->texts;
    w->starts = lode__alloc((size_t)texts->count + 1, sizeof *w->starts);
    if (!w->starts) return lode__fail_memory(error);
    for (uint32_t k = 0; k < texts->count; ++k) {
        const char *const text = lode__dictionary_token(texts, k);
        const size_t size = strlen(text);
        const char separator = *text == LODE_PART_MARK ? LODE_PART_MARK : w->builder->use.separator;
        size_t position = 0, length;
        const char *part;
        while (next_part(text, size, separator, &position, &part, &length)) {
            if (!lode__grow((void **)&w->parts, &w->part_capacity, w->part_count + 1,
                            sizeof *w->parts))
                return lode__fail_memory(error);
            uint32_t *const out = &w->parts[w->part_count++];
            float value = 0;
            if (w->builder->use.type == LODE_COLUMN_TOKENS)
                LODE_TRY(lode__dictionary_add(&w->tokens, part, length, out, error));
            else if (parse_float(part, length, &value))
                memcpy(out, &value, sizeof value);
        }
        w->starts[k + 1] = w->part_count;
    }
    return LODE_OK;
}

static lode_status write_dictionary(work *w, const lode_dictionary *dictionary, lode_error *error) {
    char name[LODE_SECTION_NAME], starts[LODE_SECTION_NAME];
    section_name(w, "tokens", name);
    section_name(w, "tokens.starts", starts);
    return lode__tokens_write(dictionary, w->writer, name, starts, error);
}

static lode_status write_column(work *w, lode_error *error) {
    switch (w->builder->use.type) {
    case LODE_COLUMN_TOKEN:
        LODE_TRY(write_words(w, "codes", error));
        return write_dictionary(w, &w->builder->texts, error);
    case LODE_COLUMN_FLOAT:
        return write_words(w, "values", error);
    case LODE_COLUMN_TOKENS:
        LODE_TRY(split_texts(w, error));
        LODE_TRY(write_starts(w, error));
        LODE_TRY(write_parts(w, "codes", error));
        return write_dictionary(w, &w->tokens, error);
    case LODE_COLUMN_FLOATS:
        if (w->builder->vectors.columns == 0) LODE_TRY(split_texts(w, error));
        LODE_TRY(write_starts(w, error));
        return write_parts(w, "values", error);
    case LODE_COLUMN_TEXT:
        LODE_TRY(write_starts(w, error));
        return write_parts(w, "bytes", error);
    }
    return LODE_OK;
}

lode_status lode__column_write(lode_column_builder *builder, lode_container_writer *writer,
                               const char *prefix, size_t number, uint64_t rows, lode_error *error) {
    work *const w = lode__alloc(1, sizeof *w);
    if (!w) return lode__fail_memory(error);
    w->builder = builder;
    w->writer = writer;
    w->prefix = prefix;
    w->number = number;
    w->rows = rows;
    w->tokens = builder->parts;
    builder->parts = (lode_dictionary){0};
    const lode_status status = write_column(w, error);
    lode__dictionary_release(&w->tokens);
    lode__free(w->starts);
    lode__free(w->parts);
    lode__free(w);
    return status;
}

void lode__column_release(lode_column_builder *builder) {
    lode__dictionary_release(&builder->texts);
    lode__dictionary_release(&builder->parts);
    lode__text_release(&builder->key);
    lode__free(builder->words);
    lode__npy_close(&builder->vectors);
    lode__spool_release(&builder->spool);
}
