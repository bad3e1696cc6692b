/// Files: written whole or not at all, read by mapping.
///
/// A writer writes to "NAME.tmp.PID", and commit() syncs it, renames it over NAME and syncs the folder. A
/// reader sees the old or the new file, never half of one; a crash leaves at most a temporary file, which
/// the next writer of that name removes.
#ifndef LODE_BASE_FILE_H
#define LODE_BASE_FILE_H

#include "base/memory.h"

typedef struct lode_writer {
    int descriptor; ///< -1 when closed
    char *path, *temporary;
    unsigned char *buffer;
    size_t filled;
    uint64_t written; ///< bytes so far, including what is buffered
} lode_writer;

/// Start writing `path`. On success the caller must commit or abort.
LODE_CHECK lode_status lode__writer_open(lode_writer *writer, const char *path, lode_error *error);
LODE_CHECK lode_status lode__writer_add(lode_writer *writer, const void *bytes, size_t length,
                                        lode_error *error);
/// Overwrite bytes that were added before (a header filled in last); offset + length <= written.
LODE_CHECK lode_status lode__writer_patch(lode_writer *writer, uint64_t offset, const void *bytes,
                                          size_t length, lode_error *error);
/// Make it durable and visible. The writer is closed in every case; on failure nothing is left behind.
LODE_CHECK lode_status lode__writer_commit(lode_writer *writer, lode_error *error);
/// Give up: close and remove the temporary file. Accepts a zeroed, closed or committed writer.
void lode__writer_abort(lode_writer *writer);

/// A whole small text or blob in one call.
LODE_CHECK lode_status lode__file_write(const char *path, const void *bytes, size_t length,
                                        lode_error *error);

/// Cut a log file at `offset` (0 for a new one) and append; synced. For files that grow line by line.
LODE_CHECK lode_status lode__file_append(const char *path, uint64_t offset, const void *bytes,
                                         size_t length, lode_error *error);

/// A read-only mapping; size 0 gives a valid pointer.
typedef struct lode_mapping {
    const unsigned char *data;
    size_t size;
} lode_mapping;

LODE_CHECK lode_status lode__mapping_open(lode_mapping *mapping, const char *path, lode_error *error);
void lode__mapping_close(lode_mapping *mapping);
/// Give the memory behind whole pages of a stretch back to the system; they are read again when they are next
/// touched. For long walks that do not come back soon. Nothing happens for memory outside the mapping.
void lode__mapping_forget(const lode_mapping *mapping, const void *from, size_t bytes);

/// The whole file in memory, with a 0 byte after its end; free with lode__free.
/// @param limit  refuse files that are larger
LODE_CHECK lode_status lode__file_read(const char *path, size_t limit, char **out, size_t *length,
                                       lode_error *error);

bool lode__file_exists(const char *path);
bool lode__is_folder(const char *path);
/// Make a folder and its parents; existing ones are fine.
LODE_CHECK lode_status lode__folder_make(const char *path, lode_error *error);
/// "folder/name" in the arena.
char *lode__path_join(lode_arena *arena, const char *folder, const char *name);
/// The part after the last slash.
const char *lode__path_base(const char *path);

/// Names in a folder (without . and ..), sorted bytewise, in the arena.
LODE_CHECK lode_status lode__folder_list(lode_arena *arena, const char *path, const char ***names,
                                         size_t *count, lode_error *error);

#endif
