// JSON attribute maps: one object, an item a key, its value a token or a list of tokens:
//
//     {"4": [1, 2, 3], "83": "red"}
//
// They become a token_seq column. Keys that neither the log nor a table names are counted and left out.
#include "data/importer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define JOIN    '\x1f'
#define LARGEST ((size_t)1 << 30)

bool lode__attributes_detect(const lode_sample *sample) {
    const char *at = sample->text, *const stop = sample->text + sample->length;
    while (at < stop && strchr(" \t\r\n", *at))
        ++at;
    if (at == stop || *at != '{') return false;
    if (!lode__reader_jsonl.detect(sample)) {
        ++at;
        while (at < stop && strchr(" \t\r\n", *at))
            ++at;
        return at < stop && *at == '"';
    }
    if (!sample->whole) return false;
    json_error_t problem;
    json_t *const object = json_loadb(sample->text, sample->length, 0, &problem);
    if (!object && json_error_code(&problem) == json_error_out_of_memory)
        return true; // reading will say so
    bool map = json_is_object(object) && json_object_size(object) > 0;
    const char *key;
    json_t *value;
    json_object_foreach(object, key, value) {
        const lode_role role = lode__role_of(key, NULL);
        map = map && !json_is_object(value) && role == LODE_ROLE_NONE;
    }
    json_decref(object);
    return map;
}

/// Reading one map.
typedef struct map_work {
    lode_importer *importer;
    const lode_plan_file *file;
    lode_column_builder *builder;
    lode_text text;
    uint64_t used, unknown;
} map_work;

static lode_status fail_value(const map_work *w, const char *key, lode_error *error) {
    return lode__fail(
        error, LODE_E_INPUT,
        "%s: found another value than a token, a number or a list of them for '%.60s'",
        w->file->path, key);
}

static bool add_scalar(map_work *w, const json_t *value) {
    if (w->text.length > 0) lode__text_add_bytes(&w->text, (const char[]){JOIN}, 1);
    if (json_is_string(value))
        lode__text_add_bytes(&w->text, json_string_value(value), json_string_length(value));
    else if (json_is_integer(value))
        lode__text_printf(&w->text, "%lld", (long long)json_integer_value(value));
    else if (json_is_real(value))
        lode__text_printf(&w->text, "%.15g", json_real_value(value));
    else
        return false;
    return true;
}

static lode_status add_item(map_work *w, const char *key, const json_t *value, lode_error *error) {
    lode_importer *const importer = w->importer;
    w->text.length = 0;
    size_t k;
    json_t *element;
    bool good = json_is_array(value) || add_scalar(w, value);
    json_array_foreach(value, k, element) good = good && add_scalar(w, element);
    if (w->text.failed) return lode__fail_memory(error);
    if (!good) return fail_value(w, key, error);
    const uint32_t item = lode__dictionary_find(&importer->items, key, strlen(key));
    if (item == LODE_DICTIONARY_NONE) {
        ++w->unknown;
        return LODE_OK;
    }
    ++w->used;
    const lode_cell cell = {w->text.length ? w->text.data : "", w->text.length, 1};
    uint32_t word;
    LODE_TRY(lode__column_encode(w->builder, &cell, &word, error));
    return lode__column_set(w->builder, item, word, error);
}

// The whole text of a file that may be compressed.
static lode_status read_all(const map_work *w, lode_text *text, lode_error *error) {
    lode_input *input;
    LODE_TRY(lode__input_open(&input, w->file->path, LARGEST, error));
    lode_status status = LODE_OK;
    for (bool end = false; status == LODE_OK && !end;) {
        lode_line line;
        status = lode__input_line(input, &line, &end, error);
        if (status != LODE_OK || end) break;
        lode__text_add_bytes(text, line.text, line.length);
        lode__text_add(text, "\n");
        if (text->failed) status = lode__fail_memory(error);
        if (text->length > LARGEST)
            status = lode__fail(error, LODE_E_INPUT, "%s: found more than %zu bytes of JSON",
                                w->file->path, LARGEST);
    }
    lode__input_free(&input);
    return status;
}

static lode_status parse_map(const map_work *w, json_t **out, lode_error *error) {
    lode_text text = {0};
    json_error_t problem = {0};
    const lode_status status = read_all(w, &text, error);
    if (status == LODE_OK)
        *out =
            json_loadb(text.length ? text.data : "", text.length, JSON_REJECT_DUPLICATES, &problem);
    lode__text_release(&text);
    if (status != LODE_OK || json_is_object(*out)) return status;
    if (!*out && json_error_code(&problem) == json_error_out_of_memory)
        return lode__fail_memory(error);
    return lode__fail(error, LODE_E_INPUT,
                      "%s:%d:%d: found %s, expected one object of item to values", w->file->path,
                      LODE_MAX(problem.line, 1), LODE_MAX(problem.column, 1),
                      *out ? "JSON that is no object" : problem.text);
}

lode_status lode__import_attributes(lode_importer *importer, const lode_plan_file *file,
                                    lode_error *error) {
    map_work w = {.importer = importer, .file = file};
    const lode_use use = {.keep = true, .type = LODE_COLUMN_TOKENS, .separator = JOIN};
    json_t *object = NULL;
    lode_status status;
    LODE_GOTO(status, parse_map(&w, &object, error), done);
    LODE_GOTO(status,
              lode__builders_add(&importer->item_columns, file->column, use, &w.builder, error),
              done);
    if (w.builder->use.separator == 0) w.builder->use.separator = JOIN; // of the data set before
    if (w.builder->use.separator != JOIN || w.builder->use.type != LODE_COLUMN_TOKENS) {
        status = lode__fail(error, LODE_E_INPUT,
                            "%s: found a column %s in another table already, expected one of them",
                            file->path, file->column);
        goto done;
    }
    const char *key;
    json_t *value;
    json_object_foreach(object, key, value) LODE_GOTO(status, add_item(&w, key, value, error), done);
    lode__notice(importer->hooks, "%s: column %s of %llu items%s", file->name, file->column,
                 (unsigned long long)w.used, w.unknown ? "" : ", all of them known");
    if (w.unknown > 0)
        lode__notice(importer->hooks, "%s: %llu items stand in no log or table and are left out",
                     file->name, (unsigned long long)w.unknown);
done:
    json_decref(object);
    lode__text_release(&w.text);
    return status;
}
