/// Safetensors: writing and reading (safetensors.h says what the format is for).
///
///     0       8   u64 length N of the header
///     8       N   JSON {"name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, ...,
///                 "__metadata__": {"key": "text", ..., "xxh64": "16 hex digits"}}, spaces up to a multiple of 64
///     8 + N       the tensors' bytes, one after the other without holes; offsets count from here
///
/// Layout. Wider element types come first, so that every tensor is aligned to its element; within a width the
/// order is the caller's. Readers list tensors in the order of their bytes.
///
/// Checksum. "xxh64" is the sum of one XXH64 for each tensor (name, dtype, shape, bytes) and one for each text of the
/// metadata. It covers what the file says, not how it is laid out: a program that loads the file and saves it
/// again in another order, with its metadata, leaves a checksum that still holds.
///
/// Reading trusts nothing: the header is strict JSON without duplicates; each entry has exactly the three keys
/// above; shape x element must be the length of its range; ranges must be aligned and must cover the data exactly.
#include "base/safetensors.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/dictionary.h"
#include "base/text.h"

#define CHECKSUM "xxh64"
#define METADATA "__metadata__"

enum { ALIGNMENT = 64, LENGTH_BYTES = 8, WIDEST = 8 };
static const size_t LARGEST_HEADER = (size_t)8 << 20;

static const struct {
    const char *name;
    size_t size;
} dtypes[] = {[LODE_DTYPE_F32] = {"F32", 4},
              [LODE_DTYPE_F64] = {"F64", 8},
              [LODE_DTYPE_I32] = {"I32", 4},
              [LODE_DTYPE_I64] = {"I64", 8},
              [LODE_DTYPE_U8] = {"U8", 1}};
enum { DTYPES = sizeof dtypes / sizeof *dtypes };

static bool shape_bytes(const lode_tensor_view *tensor, size_t *bytes) {
    *bytes = dtypes[tensor->dtype].size;
    bool fits = true;
    for (size_t i = 0; i < tensor->rank; i++) {
        if (tensor->shape[i] == 0) { // nothing, whatever the other lengths are
            *bytes = 0;
            return true;
        }
        fits = fits && lode__size_mul(*bytes, tensor->shape[i], bytes);
    }
    return fits;
}

static uint64_t hash_text(const char *text, uint64_t seed) {
    return lode__hash(text, strlen(text) + 1, seed);
}

static uint64_t content_checksum(const lode_tensor_view *tensors, size_t count,
                                 const char *const *metadata, size_t metadata_count) {
    uint64_t sum = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t hash = hash_text(tensors[i].name, 1);
        hash = hash_text(dtypes[tensors[i].dtype].name, hash);
        for (size_t j = 0; j < tensors[i].rank; j++) {
            const uint64_t length = tensors[i].shape[j];
            hash = lode__hash(&length, sizeof length, hash);
        }
        sum += lode__hash(tensors[i].data, tensors[i].bytes, hash);
    }
    for (size_t i = 0; i < metadata_count; i++) {
        sum += hash_text(metadata[2 * i + 1], hash_text(metadata[2 * i], 2));
    }
    return sum;
}

// --- writing ------------------------------------------------------------------------------------

static void add_quoted(lode_text *text, const char *value) {
    lode__text_add(text, "\"");
    for (; *value != 0; value++) {
        const unsigned char letter = (unsigned char)*value;
        if (letter == '"' || letter == '\\') {
            lode__text_printf(text, "\\%c", letter);
        } else if (letter < 0x20) {
            lode__text_printf(text, "\\u%04x", (unsigned)letter);
        } else {
            lode__text_add_bytes(text, value, 1);
        }
    }
    lode__text_add(text, "\"");
}

static lode_status check_text(const char *path, const char *text, lode_error *error) {
    if (lode__utf8_valid(text, strlen(text))) return LODE_OK;
    return lode__fail(error, LODE_E_USAGE,
                      "cannot write %s: the name or text '%s' is not UTF-8; rename it", path, text);
}

static lode_status check_names(const char *path, const lode_tensor_view *tensors, size_t count,
                               const char *const *metadata, size_t metadata_count, lode_error *error) {
    for (size_t i = 0; i < count; i++) {
        LODE_TRY(check_text(path, tensors[i].name, error));
        bool taken = strcmp(tensors[i].name, METADATA) == 0;
        for (size_t j = 0; j < i && !taken; j++) {
            taken = strcmp(tensors[i].name, tensors[j].name) == 0;
        }
        if (taken) {
            return lode__fail(error, LODE_E_USAGE,
                              "cannot write %s: the tensor name %s is taken; give it another", path,
                              tensors[i].name);
        }
    }
    for (size_t i = 0; i < 2 * metadata_count; i++) {
        LODE_TRY(check_text(path, metadata[i], error));
        bool taken = strcmp(metadata[i], CHECKSUM) == 0;
        for (size_t j = 0; j < i && !taken; j += 2)
            taken = strcmp(metadata[i], metadata[j]) == 0;
        if (taken && i % 2 == 0) {
            return lode__fail(error, LODE_E_USAGE,
                              "cannot write %s: the metadata key %s is taken; give it another",
                              path, metadata[i]);
        }
    }
    return LODE_OK;
}

static void add_entry(lode_text *header, const lode_tensor_view *tensor, size_t offset) {
    add_quoted(header, tensor->name);
    lode__text_printf(header, ":{\"dtype\":\"%s\",\"shape\":[", dtypes[tensor->dtype].name);
    for (size_t i = 0; i < tensor->rank; i++) {
        lode__text_printf(header, "%s%zu", i > 0 ? "," : "", tensor->shape[i]);
    }
    lode__text_printf(header, "],\"data_offsets\":[%zu,%zu]},", offset, offset + tensor->bytes);
}

/// The whole header with its length in front.
static lode_status make_header(lode_text *header, const lode_tensor_view *tensors, size_t count,
                               const char *const *metadata, size_t metadata_count, lode_error *error) {
    lode__text_add_bytes(header, "01234567{", LENGTH_BYTES + 1);
    size_t offset = 0;
    for (size_t width = WIDEST; width > 0; width /= 2) {
        for (size_t i = 0; i < count; i++) {
            if (dtypes[tensors[i].dtype].size != width) continue;
            add_entry(header, &tensors[i], offset);
            offset += tensors[i].bytes;
        }
    }
    lode__text_add(header, "\"" METADATA "\":{");
    for (size_t i = 0; i < metadata_count; i++) {
        add_quoted(header, metadata[2 * i]);
        lode__text_add(header, ":");
        add_quoted(header, metadata[2 * i + 1]);
        lode__text_add(header, ",");
    }
    lode__text_printf(header, "\"" CHECKSUM "\":\"%016llx\"}}",
                      (unsigned long long)content_checksum(tensors, count, metadata, metadata_count));
    while (!header->failed && header->length % ALIGNMENT != 0)
        lode__text_add(header, " ");
    if (header->failed) return lode__fail_memory(error);
    const uint64_t length = header->length - LENGTH_BYTES;
    memcpy(header->data, &length, sizeof length);
    return LODE_OK;
}

static lode_status write_tensors(lode_writer *writer, const lode_tensor_view *tensors, size_t count,
                                 lode_error *error) {
    for (size_t width = WIDEST; width > 0; width /= 2) {
        for (size_t i = 0; i < count; i++) {
            if (dtypes[tensors[i].dtype].size != width || tensors[i].bytes == 0) continue;
            LODE_TRY(lode__writer_add(writer, tensors[i].data, tensors[i].bytes, error));
        }
    }
    return LODE_OK;
}

lode_status lode__safetensors_write(const char *path, const lode_tensor_view *tensors, size_t count,
                                    const char *const *metadata, size_t metadata_count,
                                    lode_error *error) {
    for (size_t i = 0; i < count; i++) {
        size_t bytes;
        const bool fits = shape_bytes(&tensors[i], &bytes);
        assert(fits && bytes == tensors[i].bytes && tensors[i].rank <= LODE_TENSOR_RANK);
        (void)fits;
    }
    LODE_TRY(check_names(path, tensors, count, metadata, metadata_count, error));
    lode_text header = {0};
    lode_writer writer = {.descriptor = -1};
    lode_status status;
    LODE_GOTO(status, make_header(&header, tensors, count, metadata, metadata_count, error), end);
    if (header.length - LENGTH_BYTES > LARGEST_HEADER) {
        status =
            lode__fail(error, LODE_E_USAGE,
                       "cannot write %s: its header would have %zu bytes, at most %zu can be read",
                       path, header.length - LENGTH_BYTES, LARGEST_HEADER);
        goto end;
    }
    LODE_GOTO(status, lode__writer_open(&writer, path, error), end);
    LODE_GOTO(status, lode__writer_add(&writer, header.data, header.length, error), end);
    LODE_GOTO(status, write_tensors(&writer, tensors, count, error), end);
    status = lode__writer_commit(&writer, error);
end:
    lode__writer_abort(&writer);
    lode__text_release(&header);
    return status;
}

// --- reading ------------------------------------------------------------------------------------

typedef struct lode_reading {
    lode_safetensors *file;
    const char *path;
    const unsigned char *data; ///< behind the header
    size_t size;               ///< bytes of it
    const char *checksum;      ///< as written, or NULL
    lode_error *error;
} lode_reading;

static lode_status parse_header(lode_reading *reading, json_t **root) {
    const lode_mapping *mapping = &reading->file->mapping;
    uint64_t length;
    if (mapping->size < sizeof length) {
        return lode__fail(
            reading->error, LODE_E_FORMAT,
            "%s is no safetensors file: it has %zu bytes and a header needs 10; was it cut?",
            reading->path, mapping->size);
    }
    memcpy(&length, mapping->data, sizeof length);
    const size_t rest = mapping->size - sizeof length;
    if (length > rest || length > LARGEST_HEADER) {
        return lode__fail(
            reading->error, LODE_E_FORMAT,
            "%s is no safetensors file or was cut: it announces a header of %llu bytes, "
            "expected at most %zu",
            reading->path, (unsigned long long)length, LODE_MIN(rest, LARGEST_HEADER));
    }
    json_error_t where;
    const char *text = (const char *)mapping->data + sizeof length;
    *root = json_loadb(text, (size_t)length, JSON_REJECT_DUPLICATES, &where);
    if (*root == NULL && json_error_code(&where) == json_error_out_of_memory) {
        return lode__fail_memory(reading->error);
    }
    if (!json_is_object(*root)) {
        return lode__fail(reading->error, LODE_E_FORMAT,
                          "%s is damaged: its header is no JSON map (byte %d: %s)", reading->path,
                          *root == NULL ? where.position : 0,
                          *root == NULL ? where.text : "something else begins");
    }
    reading->data = mapping->data + sizeof length + length;
    reading->size = rest - (size_t)length;
    return LODE_OK;
}

static lode_status refuse(const lode_reading *reading, const char *name, const char *found) {
    return lode__fail(reading->error, LODE_E_FORMAT, "%s is damaged: tensor %s has %s",
                      reading->path, name, found);
}

static bool read_size(const json_t *value, size_t *out) {
    if (!json_is_integer(value) || json_integer_value(value) < 0) return false;
    *out = (size_t)json_integer_value(value);
    return true;
}

static lode_status read_dtype(const lode_reading *reading, lode_tensor_view *tensor,
                              const json_t *value) {
    const char *text = json_string_value(value);
    if (text == NULL) return refuse(reading, tensor->name, "no dtype");
    for (size_t i = 0; i < DTYPES; i++) {
        if (strcmp(text, dtypes[i].name) == 0) {
            tensor->dtype = (lode_dtype)i;
            return LODE_OK;
        }
    }
    return lode__fail(reading->error, LODE_E_FORMAT,
                      "%s: tensor %s has dtype %s: expected F32, F64, I32, I64 or U8",
                      reading->path, tensor->name, text);
}

static lode_status read_shape(const lode_reading *reading, lode_tensor_view *tensor,
                              const json_t *shape) {
    tensor->rank = json_array_size(shape);
    if (!json_is_array(shape) || tensor->rank > LODE_TENSOR_RANK) {
        return refuse(reading, tensor->name, "no shape of at most 4 lengths");
    }
    for (size_t i = 0; i < tensor->rank; i++) {
        if (!read_size(json_array_get(shape, i), &tensor->shape[i])) {
            return refuse(reading, tensor->name, "a length in its shape that is no whole number");
        }
    }
    return LODE_OK;
}

static lode_status read_range(const lode_reading *reading, lode_tensor_view *tensor,
                              const json_t *range) {
    size_t begin, end, bytes;
    if (json_array_size(range) != 2 || !read_size(json_array_get(range, 0), &begin) ||
        !read_size(json_array_get(range, 1), &end)) {
        return refuse(reading, tensor->name, "no data_offsets of two whole numbers");
    }
    if (begin > end || end > reading->size) {
        return lode__fail(reading->error, LODE_E_FORMAT,
                          "%s was cut or is damaged: tensor %s is at bytes %zu to %zu of %zu",
                          reading->path, tensor->name, begin, end, reading->size);
    }
    if (!shape_bytes(tensor, &bytes) || bytes != end - begin) {
        return refuse(reading, tensor->name, "a shape that does not fit its data_offsets");
    }
    tensor->data = reading->data + begin;
    tensor->bytes = bytes;
    if ((uintptr_t)tensor->data % dtypes[tensor->dtype].size != 0) {
        return refuse(reading, tensor->name, "data that is not aligned to its elements");
    }
    return LODE_OK;
}

static lode_status read_tensor(const lode_reading *reading, lode_tensor_view *tensor,
                               const char *name, const json_t *entry) {
    tensor->name = lode__arena_strdup(&reading->file->arena, name);
    if (tensor->name == NULL) return lode__fail_memory(reading->error);
    if (json_object_size(entry) != 3) {
        return refuse(reading, name, "an entry that is not dtype, shape and data_offsets");
    }
    LODE_TRY(read_dtype(reading, tensor, json_object_get(entry, "dtype")));
    LODE_TRY(read_shape(reading, tensor, json_object_get(entry, "shape")));
    return read_range(reading, tensor, json_object_get(entry, "data_offsets"));
}

static lode_status read_metadata(lode_reading *reading, json_t *map) {
    lode_safetensors *file = reading->file;
    if (!json_is_object(map)) {
        return lode__fail(reading->error, LODE_E_FORMAT, "%s is damaged: " METADATA " is no map",
                          reading->path);
    }
    file->metadata =
        lode__arena_alloc(&file->arena, 2 * json_object_size(map), sizeof *file->metadata);
    if (file->metadata == NULL) return lode__fail_memory(reading->error);
    const char *key;
    json_t *value;
    json_object_foreach(map, key, value) {
        if (!json_is_string(value)) {
            return lode__fail(reading->error, LODE_E_FORMAT,
                              "%s is damaged: %s in " METADATA " is no text", reading->path, key);
        }
        const char *text = lode__arena_strdup(&file->arena, json_string_value(value));
        if (text == NULL) return lode__fail_memory(reading->error);
        if (strcmp(key, CHECKSUM) == 0) {
            reading->checksum = text;
            continue;
        }
        const char **pair = file->metadata + 2 * file->metadata_count++;
        pair[0] = lode__arena_strdup(&file->arena, key);
        pair[1] = text;
        if (pair[0] == NULL) return lode__fail_memory(reading->error);
    }
    return LODE_OK;
}

static lode_status read_entries(lode_reading *reading, json_t *root) {
    lode_safetensors *file = reading->file;
    file->tensors = lode__arena_alloc(&file->arena, json_object_size(root), sizeof *file->tensors);
    if (file->tensors == NULL) return lode__fail_memory(reading->error);
    const char *name;
    json_t *entry;
    json_object_foreach(root, name, entry) {
        if (strcmp(name, METADATA) == 0) {
            LODE_TRY(read_metadata(reading, entry));
        } else {
            LODE_TRY(read_tensor(reading, &file->tensors[file->count], name, entry));
            file->count++;
        }
    }
    return LODE_OK;
}

/// By place; tensors without bytes before the one that begins at the same place.
static int compare_places(const void *a, const void *b) {
    const lode_tensor_view *one = a, *other = b;
    if (one->data != other->data) return (uintptr_t)one->data < (uintptr_t)other->data ? -1 : 1;
    if (one->bytes != other->bytes) return one->bytes < other->bytes ? -1 : 1;
    return strcmp(one->name, other->name);
}

static lode_status check_layout(const lode_reading *reading) {
    lode_safetensors *file = reading->file;
    qsort(file->tensors, file->count, sizeof *file->tensors, compare_places);
    const unsigned char *expected = reading->data;
    for (size_t i = 0; i < file->count; i++) {
        const lode_tensor_view *tensor = &file->tensors[i];
        if (tensor->data != expected) {
            return refuse(reading, tensor->name, "data_offsets that overlap others or leave a hole");
        }
        expected += tensor->bytes;
    }
    if (expected != reading->data + reading->size) {
        return lode__fail(reading->error, LODE_E_FORMAT,
                          "%s is damaged: its tensors end at byte %zu of %zu", reading->path,
                          (size_t)(expected - reading->data), reading->size);
    }
    return LODE_OK;
}

static lode_status check_content(const lode_reading *reading) {
    const lode_safetensors *file = reading->file;
    if (reading->checksum == NULL) return LODE_OK;
    char expected[17];
    (void)snprintf(expected, sizeof expected, "%016llx",
                   (unsigned long long)content_checksum(file->tensors, file->count, file->metadata,
                                                        file->metadata_count));
    if (strcmp(expected, reading->checksum) == 0) return LODE_OK;
    return lode__fail(reading->error, LODE_E_FORMAT,
                      "%s is damaged: its content has checksum %s, its header says %s; "
                      "restore it from a copy",
                      reading->path, expected, reading->checksum);
}

lode_status lode__safetensors_open(lode_safetensors *file, const char *path, lode_error *error) {
    *file = (lode_safetensors){0};
    lode_reading reading = {.file = file, .path = path, .error = error};
    json_t *root = NULL;
    lode_status status;
    LODE_GOTO(status, lode__mapping_open(&file->mapping, path, error), end);
    LODE_GOTO(status, parse_header(&reading, &root), end);
    LODE_GOTO(status, read_entries(&reading, root), end);
    LODE_GOTO(status, check_layout(&reading), end);
    status = check_content(&reading);
end:
    json_decref(root);
    if (status != LODE_OK) lode__safetensors_close(file);
    return status;
}

void lode__safetensors_close(lode_safetensors *file) {
    lode__arena_release(&file->arena);
    lode__mapping_close(&file->mapping);
    *file = (lode_safetensors){0};
}

const lode_tensor_view *lode__safetensors_find(const lode_safetensors *file, const char *name) {
    for (size_t i = 0; i < file->count; i++) {
        if (strcmp(file->tensors[i].name, name) == 0) return &file->tensors[i];
    }
    return NULL;
}

const char *lode__safetensors_metadata(const lode_safetensors *file, const char *key) {
    for (size_t i = 0; i < file->metadata_count; i++) {
        if (strcmp(file->metadata[2 * i], key) == 0) return file->metadata[2 * i + 1];
    }
    return NULL;
}
