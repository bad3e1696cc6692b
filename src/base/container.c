/// Reading trusts nothing: sizes are compared before they are used, and every checksum that is asked for.
/// Writing reserves room for the header and the whole table, streams the sections, and fills both in last;
/// a table that was announced larger than it became leaves zeros behind it.
#include "base/container.h"

#include <stdio.h>
#include <string.h>

#define XXH_STATIC_LINKING_ONLY // the size of a state, so that none is allocated behind our back
#include <xxhash.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "lodestone's files are little-endian and so must the machine be"
#endif

enum { HEADER = 32, ENTRY = 64, ALIGNMENT = 64, MOST_SECTIONS = 4096 };

struct lode_section_entry {
    char name[LODE_SECTION_NAME];
    uint64_t offset, size, checksum;
};
_Static_assert(sizeof(struct lode_section_entry) == ENTRY,
               "the section table is an array of 64 bytes");

typedef struct lode_header {
    char magic[4], kind[4];
    uint32_t version, sections;
    uint64_t size, checksum;
} lode_header;
_Static_assert(sizeof(lode_header) == HEADER, "the header is 32 bytes");

static uint64_t table_checksum(const lode_header *header, const void *entries) {
    XXH64_state_t state;
    (void)XXH64_reset(&state, 0);
    (void)XXH64_update(&state, header, HEADER - sizeof header->checksum);
    if (header->sections > 0) (void)XXH64_update(&state, entries, (size_t)header->sections * ENTRY);
    return XXH64_digest(&state);
}

static lode_status check_header(const lode_mapping *mapping, lode_header *header, const char *path,
                                const char *kind, uint32_t version, lode_error *error) {
    if (mapping->size < HEADER || memcmp(mapping->data, "LODE", 4) != 0) {
        return lode__fail(error, LODE_E_FORMAT,
                          "%s is not a lodestone file (it does not start with LODE%s)%s", path,
                          kind, strcmp(kind, "DATA") == 0 ? "; import the log first" : "");
    }
    memcpy(header, mapping->data, HEADER);
    if (memcmp(header->kind, kind, 4) != 0) {
        return lode__fail(error, LODE_E_FORMAT, "%s is a lodestone file of kind %.4s: expected %s",
                          path, header->kind, kind);
    }
    if (header->version < 1 || header->version > version) {
        return lode__fail(
            error, LODE_E_FORMAT,
            "%s has format version %u: this program reads versions 1 to %u; use a newer one", path,
            header->version, version);
    }
    if (header->size != mapping->size) {
        return lode__fail(error, LODE_E_FORMAT,
                          "%s has %zu bytes but its header says %llu: it was cut or damaged", path,
                          mapping->size, (unsigned long long)header->size);
    }
    const uint64_t table = (uint64_t)header->sections * ENTRY;
    if (header->sections > MOST_SECTIONS || HEADER + table > mapping->size ||
        header->checksum != table_checksum(header, mapping->data + HEADER)) {
        return lode__fail(error, LODE_E_FORMAT,
                          "%s is damaged: its table of sections does not match its checksum", path);
    }
    return LODE_OK;
}

static bool all_zero(const lode_mapping *mapping, uint64_t from, uint64_t to) {
    for (; from < to; from++) {
        if (mapping->data[from] != 0) return false;
    }
    return true;
}

static lode_status read_sections(lode_container *container, uint32_t count, bool verify,
                                 lode_error *error) {
    const lode_mapping *mapping = &container->mapping;
    const struct lode_section_entry *entries = (const void *)(mapping->data + HEADER);
    container->sections = lode__alloc(count, sizeof *container->sections);
    if (container->sections == NULL) return lode__fail_memory(error);
    container->count = count;
    uint64_t end =
        HEADER + (uint64_t)count * ENTRY; // of what was read so far; only zeros between sections
    for (uint32_t i = 0; i < count; i++) {
        const struct lode_section_entry *entry = &entries[i];
        if (memchr(entry->name, 0, sizeof entry->name) == NULL || entry->offset % ALIGNMENT != 0 ||
            entry->offset < HEADER + (uint64_t)count * ENTRY || entry->offset > mapping->size ||
            entry->size > mapping->size - entry->offset) {
            return lode__fail(error, LODE_E_FORMAT,
                              "%s is damaged: section %u does not lie within the file",
                              container->path, i);
        }
        const unsigned char *data = mapping->data + entry->offset;
        container->sections[i] = (lode_section){entry->name, data, entry->size, entry->checksum};
        if (verify && (XXH64(data, entry->size, 0) != entry->checksum ||
                       !all_zero(mapping, end, entry->offset))) {
            return lode__fail(error, LODE_E_FORMAT,
                              "%s is damaged: section %s does not match its checksum",
                              container->path, entry->name);
        }
        end = entry->offset + entry->size;
    }
    if (verify && !all_zero(mapping, end, mapping->size)) {
        return lode__fail(error, LODE_E_FORMAT, "%s is damaged behind its last section",
                          container->path);
    }
    return LODE_OK;
}

lode_status lode__container_open(lode_container *container, const char *path, const char *kind,
                                 uint32_t version, bool verify, lode_error *error) {
    *container = (lode_container){0};
    lode_header header;
    lode_status status;
    container->path = lode__strdup(path);
    if (container->path == NULL) return lode__fail_memory(error);
    LODE_GOTO(status, lode__mapping_open(&container->mapping, path, error), fail);
    LODE_GOTO(status, check_header(&container->mapping, &header, path, kind, version, error), fail);
    LODE_GOTO(status, read_sections(container, header.sections, verify, error), fail);
    return LODE_OK;
fail:
    lode__container_close(container);
    return status;
}

void lode__container_close(lode_container *container) {
    lode__mapping_close(&container->mapping);
    lode__free(container->sections);
    lode__free(container->path);
    *container = (lode_container){0};
}

const lode_section *lode__container_find(const lode_container *container, const char *name) {
    for (uint32_t i = 0; i < container->count; i++) {
        if (strcmp(container->sections[i].name, name) == 0) return &container->sections[i];
    }
    return NULL;
}

lode_status lode__container_array(const lode_container *container, const char *name, size_t element,
                                  uint64_t count, const void **out, lode_error *error) {
    const lode_section *section = lode__container_find(container, name);
    if (section == NULL) {
        return lode__fail(error, LODE_E_FORMAT, "%s is damaged: section %s is missing",
                          container->path, name);
    }
    size_t bytes;
    if (!lode__size_mul(element, count, &bytes) || section->size != bytes) {
        return lode__fail(error, LODE_E_FORMAT,
                          "%s is damaged: section %s has %llu bytes: expected %llu x %zu",
                          container->path, name, (unsigned long long)section->size,
                          (unsigned long long)count, element);
    }
    *out = section->data;
    return LODE_OK;
}

uint64_t lode__container_fingerprint(const lode_container *container) {
    uint64_t fingerprint = 0;
    for (uint32_t i = 0; i < container->count; i++) {
        const lode_section *section = &container->sections[i];
        fingerprint = XXH64(section->name, strlen(section->name), fingerprint ^ section->checksum);
    }
    return fingerprint;
}

// --- writing ----------------------------------------------------------------------------------------

static lode_status pad(lode_container_writer *writer, lode_error *error) {
    static const unsigned char zeros[ALIGNMENT] = {0};
    const size_t over = writer->file.written % ALIGNMENT;
    return over == 0 ? LODE_OK : lode__writer_add(&writer->file, zeros, ALIGNMENT - over, error);
}

lode_status lode__container_begin(lode_container_writer *writer, const char *path, const char *kind,
                                  uint32_t version, uint32_t capacity, lode_error *error) {
    assert(strlen(kind) == 4 && capacity <= MOST_SECTIONS);
    *writer = (lode_container_writer){.version = version, .capacity = capacity};
    writer->file.descriptor = -1;
    memcpy(writer->kind, kind, 5);
    writer->entries = lode__alloc(capacity, ENTRY);
    writer->hash = lode__alloc(1, sizeof(XXH64_state_t));
    if (writer->entries == NULL || writer->hash == NULL) {
        lode__container_abort(writer);
        return lode__fail_memory(error);
    }
    lode_status status = lode__writer_open(&writer->file, path, error);
    static const unsigned char zeros[ENTRY] = {0};
    if (status == LODE_OK) status = lode__writer_add(&writer->file, zeros, HEADER, error);
    for (uint32_t i = 0; i < capacity && status == LODE_OK; i++) {
        status = lode__writer_add(&writer->file, zeros, ENTRY, error);
    }
    if (status != LODE_OK) lode__container_abort(writer);
    return status;
}

lode_status lode__section_begin(lode_container_writer *writer, const char *name, lode_error *error) {
    assert(writer->count < writer->capacity && strlen(name) < LODE_SECTION_NAME);
    LODE_TRY(pad(writer, error));
    struct lode_section_entry *entry = &writer->entries[writer->count];
    (void)snprintf(entry->name, sizeof entry->name, "%s", name);
    writer->start = entry->offset = writer->file.written;
    (void)XXH64_reset(writer->hash, 0);
    return LODE_OK;
}

lode_status lode__section_add(lode_container_writer *writer, const void *bytes, size_t length,
                              lode_error *error) {
    if (length == 0) return LODE_OK;
    (void)XXH64_update(writer->hash, bytes, length);
    return lode__writer_add(&writer->file, bytes, length, error);
}

lode_status lode__section_end(lode_container_writer *writer, lode_error *error) {
    (void)error;
    struct lode_section_entry *entry = &writer->entries[writer->count++];
    entry->size = writer->file.written - writer->start;
    entry->checksum = XXH64_digest(writer->hash);
    return LODE_OK;
}

lode_status lode__section_write(lode_container_writer *writer, const char *name, const void *bytes,
                                size_t length, lode_error *error) {
    LODE_TRY(lode__section_begin(writer, name, error));
    LODE_TRY(lode__section_add(writer, bytes, length, error));
    return lode__section_end(writer, error);
}

lode_status lode__container_commit(lode_container_writer *writer, uint64_t *fingerprint,
                                   lode_error *error) {
    lode_header header = {.magic = {'L', 'O', 'D', 'E'},
                          .version = writer->version,
                          .sections = writer->count,
                          .size = writer->file.written};
    memcpy(header.kind, writer->kind, 4);
    header.checksum = table_checksum(&header, writer->entries);
    uint64_t sum = 0;
    for (uint32_t i = 0; i < writer->count; i++) {
        const struct lode_section_entry *entry = &writer->entries[i];
        sum = XXH64(entry->name, strlen(entry->name), sum ^ entry->checksum);
    }
    lode_status status = lode__writer_patch(&writer->file, 0, &header, HEADER, error);
    if (status == LODE_OK) {
        status = lode__writer_patch(&writer->file, HEADER, writer->entries,
                                    (size_t)writer->count * ENTRY, error);
    }
    if (status == LODE_OK) status = lode__writer_commit(&writer->file, error);
    if (status == LODE_OK && fingerprint != NULL) *fingerprint = sum;
    lode__container_abort(writer);
    return status;
}

void lode__container_abort(lode_container_writer *writer) {
    lode__writer_abort(&writer->file);
    lode__free(writer->entries);
    lode__free(writer->hash);
    *writer = (lode_container_writer){.file = {.descriptor = -1}};
}
