/// The one binary container: named sections with checksums, for data sets and vocabularies.
///
///     offset  size
///     0       8     magic: "LODE" + four letters that say what the file is ("DATA", "VOCA")
///     8       4     u32 version of that kind of file
///     12      4     u32 number of sections
///     16      8     u64 size of the whole file
///     24      8     u64 XXH64 of bytes 0..23 and of the section table
///     32      64*n  section table: name (40 bytes, 0-padded), u64 offset, u64 size, u64 XXH64 of the bytes
///     ...           sections, each at a multiple of 64, zero padding between
///
/// All numbers are little-endian (so is every machine we run on; big-endian is refused at compile time).
/// Opening checks magic, version, sizes, the table's checksum and that no section leaves the file, before
/// anything else is read; `verify` also checks the checksum of every section. Hostile files are safe.
#ifndef LODE_BASE_CONTAINER_H
#define LODE_BASE_CONTAINER_H

#include "base/file.h"

#define LODE_SECTION_NAME 40

typedef struct lode_section {
    const char *name;
    const void *data; ///< aligned to 64 bytes within the mapping
    uint64_t size;
    uint64_t checksum;
} lode_section;

typedef struct lode_container {
    lode_mapping mapping;
    lode_section *sections;
    uint32_t count;
    char *path;
} lode_container;

/// @param kind     four letters
/// @param version  the newest version that is understood; older ones from 1 are accepted
/// @param verify   read everything and check every checksum
LODE_CHECK lode_status lode__container_open(lode_container *container, const char *path,
                                            const char *kind, uint32_t version, bool verify,
                                            lode_error *error);
void lode__container_close(lode_container *container);

/// A section by name, or NULL.
const lode_section *lode__container_find(const lode_container *container, const char *name);

/// A section as an array of `count` elements of `element` bytes; LODE_E_FORMAT when it is missing or of another size.
LODE_CHECK lode_status lode__container_array(const lode_container *container, const char *name,
                                             size_t element, uint64_t count, const void **out,
                                             lode_error *error);

/// Writing: begin, any number of sections (each begun, added to in pieces, and ended), commit.
typedef struct lode_container_writer {
    lode_writer file;
    struct lode_section_entry *entries;
    uint32_t count, capacity;
    void *hash; ///< running checksum of the open section, NULL between sections
    uint64_t start;
    char kind[5];
    uint32_t version;
} lode_container_writer;

/// @param capacity  the largest number of sections
LODE_CHECK lode_status lode__container_begin(lode_container_writer *writer, const char *path,
                                             const char *kind, uint32_t version, uint32_t capacity,
                                             lode_error *error);
LODE_CHECK lode_status lode__section_begin(lode_container_writer *writer, const char *name,
                                           lode_error *error);
LODE_CHECK lode_status lode__section_add(lode_container_writer *writer, const void *bytes,
                                         size_t length, lode_error *error);
LODE_CHECK lode_status lode__section_end(lode_container_writer *writer, lode_error *error);
/// begin + add + end
LODE_CHECK lode_status lode__section_write(lode_container_writer *writer, const char *name,
                                           const void *bytes, size_t length, lode_error *error);
/// @param fingerprint  receives the checksum of all checksums, or NULL
LODE_CHECK lode_status lode__container_commit(lode_container_writer *writer, uint64_t *fingerprint,
                                              lode_error *error);
void lode__container_abort(lode_container_writer *writer);

/// The same fingerprint, of an open container.
uint64_t lode__container_fingerprint(const lode_container *container);

#endif
