/// The file `vocabulary` of a bundle: model/vocabulary.h has the layout.
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/container.h"
#include "model/vocabulary.h"

enum { SECTIONS = 6 * LODE_FIELDS + 4 };

static lode_status write_meta(const lode_vocabulary *vocabulary, lode_container_writer *writer,
                              lode_error *error) {
    json_t *fields = json_array();
    for (size_t i = 0; i < vocabulary->count; i++) {
        const lode_field *field = &vocabulary->fields[i];
        (void)json_array_append_new(
            fields, json_pack("{s:s, s:i, s:i, s:b, s:b, s:I, s:I, s:I, s:I}", "name", field->name,
                              "side", (int)field->side, "type", (int)field->type, "id",
                              (int)field->is_id, "multi", (int)field->multi, "dim",
                              (json_int_t)field->dim, "longest", (json_int_t)field->longest, "rows",
                              (json_int_t)field->rows, "bounds", (json_int_t)field->bound_count));
    }
    json_t *meta = json_pack("{s:I, s:o}", "items", (json_int_t)vocabulary->items, "fields", fields);
    char *text = meta != NULL ? json_dumps(meta, JSON_COMPACT) : NULL;
    json_decref(meta);
    if (text == NULL) return lode__fail_memory(error);
    const lode_status status = lode__section_write(writer, "meta", text, strlen(text), error);
    free(text);
    return status;
}

static lode_status write_field(const lode_vocabulary *vocabulary, size_t number,
                               lode_container_writer *writer, lode_error *error) {
    const lode_field *field = &vocabulary->fields[number];
    const lode_dictionary *tokens = &field->tokens;
    static const uint64_t zero = 0;
    char name[LODE_SECTION_NAME];
#define NAMED(suffix) ((void)snprintf(name, sizeof name, "%zu.%s", number, suffix), name)
    LODE_TRY(lode__section_write(writer, NAMED("tokens"), tokens->bytes, tokens->byte_count, error));
    LODE_TRY(lode__section_write(writer, NAMED("starts"), tokens->count > 0 ? tokens->offsets : &zero,
                                 ((size_t)tokens->count + 1) * sizeof(uint64_t), error));
    LODE_TRY(lode__section_write(writer, NAMED("bounds"), field->bounds,
                                 field->bound_count * sizeof(float), error));
    if (field->side != LODE_SIDE_ITEM) return LODE_OK;
    const size_t rows = (size_t)vocabulary->items + 1;
    LODE_TRY(lode__section_write(writer, NAMED("code.starts"), field->items.starts,
                                 (rows + 1) * sizeof(uint64_t), error));
    return lode__section_write(writer, NAMED("codes"), field->items.codes,
                               field->items.starts[rows] * sizeof(uint32_t), error);
#undef NAMED
}

lode_status lode__vocabulary_save(const lode_vocabulary *vocabulary, const char *path,
                                  lode_error *error) {
    lode_container_writer writer;
    LODE_TRY(lode__container_begin(&writer, path, LODE_VOCABULARY_KIND, LODE_VOCABULARY_VERSION,
                                   SECTIONS, error));
    lode_status status = write_meta(vocabulary, &writer, error);
    for (size_t i = 0; i < vocabulary->count && status == LODE_OK; i++) {
        status = write_field(vocabulary, i, &writer, error);
    }
    if (status == LODE_OK && vocabulary->title_starts != NULL) {
        status = lode__section_write(&writer, "title.starts", vocabulary->title_starts,
                                     ((size_t)vocabulary->items + 1) * sizeof(uint64_t), error);
        if (status == LODE_OK) {
            status = lode__section_write(&writer, "title.bytes", vocabulary->title_bytes,
                                         vocabulary->title_starts[vocabulary->items], error);
        }
    }
    if (status != LODE_OK) {
        lode__container_abort(&writer);
        return status;
    }
    return lode__container_commit(&writer, NULL, error);
}

// --- reading ------------------------------------------------------------------------------------------

typedef struct lode_loader {
    lode_vocabulary *vocabulary;
    const lode_container *file;
    lode_error *error;
} lode_loader;

static lode_status damaged(const lode_loader *loader, const char *what) {
    return lode__fail(loader->error, LODE_E_FORMAT, "%s is damaged: %s", loader->file->path, what);
}

static bool starts_fit(const uint64_t *starts, uint64_t count, uint64_t total) {
    if (starts[0] != 0 || starts[count] != total) return false;
    for (uint64_t i = 0; i < count; i++) {
        if (starts[i + 1] < starts[i] || starts[i + 1] > total) return false;
    }
    return true;
}

static lode_status load_tokens(const lode_loader *loader, size_t number, lode_field *field) {
    char name[LODE_SECTION_NAME];
    (void)snprintf(name, sizeof name, "%zu.tokens", number);
    const lode_section *bytes = lode__container_find(loader->file, name);
    (void)snprintf(name, sizeof name, "%zu.starts", number);
    const lode_section *section = lode__container_find(loader->file, name);
    if (bytes == NULL || section == NULL || section->size < 8 || section->size % 8 != 0) {
        return damaged(loader, "the tokens of a field are missing");
    }
    const uint64_t *starts = section->data;
    const uint64_t count = section->size / 8 - 1;
    if (!starts_fit(starts, count, bytes->size))
        return damaged(loader, "the tokens of a field do not fit");
    for (uint64_t i = 0; i < count; i++) {
        const char *token = (const char *)bytes->data + starts[i];
        const uint64_t length = starts[i + 1] - starts[i];
        if (length == 0 || memchr(token, 0, length) != token + length - 1) {
            return damaged(loader, "a token of a field does not end");
        }
        uint32_t index;
        LODE_TRY(lode__dictionary_add(&field->tokens, token, length - 1, &index, loader->error));
        if (index != i) return damaged(loader, "a token of a field stands twice");
    }
    return LODE_OK;
}

static lode_status load_codes(const lode_loader *loader, size_t number, lode_field *field) {
    char name[LODE_SECTION_NAME];
    const uint64_t rows = (uint64_t)loader->vocabulary->items + 1;
    const void *data;
    (void)snprintf(name, sizeof name, "%zu.code.starts", number);
    LODE_TRY(lode__container_array(loader->file, name, 8, rows + 1, &data, loader->error));
    const uint64_t *starts = data;
    (void)snprintf(name, sizeof name, "%zu.codes", number);
    if (!starts_fit(starts, rows, starts[rows]))
        return damaged(loader, "the codes of a field do not fit");
    LODE_TRY(lode__container_array(loader->file, name, 4, starts[rows], &data, loader->error));
    const uint32_t *codes = data;
    lode_arena *arena = &loader->vocabulary->arena;
    field->items.starts = lode__arena_alloc(arena, rows + 1, sizeof *starts);
    field->items.codes = lode__arena_alloc(arena, starts[rows], sizeof *codes);
    if (field->items.starts == NULL || field->items.codes == NULL)
        return lode__fail_memory(loader->error);
    memcpy(field->items.starts, starts, (rows + 1) * sizeof *starts);
    memcpy(field->items.codes, codes, starts[rows] * sizeof *codes);
    for (uint64_t row = 0; row < rows; row++) {
        const uint64_t values = starts[row + 1] - starts[row];
        if (values > field->longest || (!field->multi && values != 1)) {
            return damaged(loader, "an item has a wrong number of values");
        }
    }
    for (uint64_t i = 0; i < starts[rows]; i++) {
        if (codes[i] >= field->rows) return damaged(loader, "a code is beyond its field's rows");
    }
    return LODE_OK;
}

static lode_status load_field(const lode_loader *loader, size_t number, const json_t *meta) {
    lode_field *field = &loader->vocabulary->fields[number];
    const char *name = NULL;
    int side = 0, type = 0, is_id = 0, multi = 0;
    json_int_t dim = 0, longest = 0, rows = 0, bounds = 0;
    json_t *copy = json_copy((json_t *)(uintptr_t)meta);
    const int failed =
        copy == NULL ||
        json_unpack(copy, "{s:s, s:i, s:i, s:b, s:b, s:I, s:I, s:I, s:I}", "name", &name, "side",
                    &side, "type", &type, "id", &is_id, "multi", &multi, "dim", &dim, "longest",
                    &longest, "rows", &rows, "bounds", &bounds);
    field->name = failed ? NULL : lode__arena_strdup(&loader->vocabulary->arena, name);
    json_decref(copy);
    if (failed) return damaged(loader, "its description of a field cannot be read");
    if (field->name == NULL) return lode__fail_memory(loader->error);
    if (side < 0 || side > LODE_SIDE_CONTEXT || type < 0 || type > LODE_COLUMN_TEXT || dim < 1 ||
        dim > 65536 || longest < 1 || longest > 1000000 || rows < 1 || rows > UINT32_MAX ||
        bounds < 0 || bounds > LODE_BUCKETS) {
        return damaged(loader, "its description of a field is out of range");
    }
    field->side = (lode_side)side;
    field->type = (lode_column_type)type;
    field->is_id = is_id;
    field->multi = multi;
    field->dim = (size_t)dim;
    field->longest = (size_t)longest;
    field->rows = (uint32_t)rows;
    field->bound_count = (uint32_t)bounds;
    char section[LODE_SECTION_NAME];
    const void *data;
    (void)snprintf(section, sizeof section, "%zu.bounds", number);
    LODE_TRY(lode__container_array(loader->file, section, sizeof(float), (uint64_t)bounds, &data,
                                   loader->error));
    memcpy(field->bounds, data, (size_t)bounds * sizeof(float));
    loader->vocabulary->count = number + 1;
    LODE_TRY(load_tokens(loader, number, field));
    if (LODE_MAX(field->tokens.count, field->bound_count) + 1 != field->rows) {
        return damaged(loader, "the rows of a field do not fit its tokens");
    }
    return field->side == LODE_SIDE_ITEM ? load_codes(loader, number, field) : LODE_OK;
}

static lode_status load_titles(const lode_loader *loader) {
    lode_vocabulary *vocabulary = loader->vocabulary;
    const lode_section *bytes = lode__container_find(loader->file, "title.bytes");
    if (bytes == NULL) return LODE_OK;
    const uint64_t count = vocabulary->items;
    const void *data;
    LODE_TRY(lode__container_array(loader->file, "title.starts", 8, count + 1, &data, loader->error));
    const uint64_t *starts = data;
    if (!starts_fit(starts, count, bytes->size)) return damaged(loader, "the titles do not fit");
    vocabulary->title_bytes = lode__arena_alloc(&vocabulary->arena, bytes->size + 1, 1);
    vocabulary->title_starts = lode__arena_alloc(&vocabulary->arena, count + 1, sizeof *starts);
    if (vocabulary->title_bytes == NULL || vocabulary->title_starts == NULL) {
        return lode__fail_memory(loader->error);
    }
    memcpy(vocabulary->title_bytes, bytes->data, bytes->size);
    memcpy(vocabulary->title_starts, starts, (count + 1) * sizeof *starts);
    for (uint64_t i = 0; i < count; i++) {
        const uint64_t length = starts[i + 1] - starts[i];
        if (length == 0 || vocabulary->title_bytes[starts[i + 1] - 1] != 0) {
            return damaged(loader, "a title does not end");
        }
    }
    return LODE_OK;
}

static lode_status load(const lode_loader *loader) {
    const lode_section *section = lode__container_find(loader->file, "meta");
    json_t *meta = section != NULL
                       ? json_loadb(section->data, section->size, JSON_REJECT_DUPLICATES, NULL)
                       : NULL;
    const json_t *fields = json_object_get(meta, "fields");
    const json_int_t items = json_integer_value(json_object_get(meta, "items"));
    const size_t count = json_array_size(fields);
    lode_status status = LODE_OK;
    if (count < 1 || count > LODE_FIELDS || items < 0 || items >= UINT32_MAX - 1) {
        status = damaged(loader, "its description cannot be read");
    }
    loader->vocabulary->items = (uint32_t)items;
    for (size_t i = 0; i < count && status == LODE_OK; i++) {
        status = load_field(loader, i, json_array_get(fields, i));
    }
    json_decref(meta);
    if (status != LODE_OK) return status;
    const lode_field *item = &loader->vocabulary->fields[0];
    if (!item->is_id || item->side != LODE_SIDE_ITEM || item->rows != loader->vocabulary->items + 1) {
        return damaged(loader, "its first field is not the item id");
    }
    return load_titles(loader);
}

lode_status lode__vocabulary_load(lode_vocabulary **out, const char *path, lode_error *error) {
    lode_container file;
    LODE_TRY(lode__container_open(&file, path, LODE_VOCABULARY_KIND, LODE_VOCABULARY_VERSION, true,
                                  error));
    lode_vocabulary *vocabulary = lode__alloc(1, sizeof *vocabulary);
    lode_status status = vocabulary == NULL ? lode__fail_memory(error)
                                            : load(&(lode_loader){vocabulary, &file, error});
    lode__container_close(&file);
    if (status != LODE_OK) {
        lode__vocabulary_free(&vocabulary);
    } else {
        *out = vocabulary;
    }
    return status;
}
