/// Files: written whole or not at all, read by mapping.
///
/// The temporary file of a writer is locked (flock) for as long as it is written. A "NAME.tmp.123"
/// that nobody has locked was left by a crash and is removed by the next writer of NAME; one that
/// is locked belongs to somebody alive and is left alone. A target that is a symbolic link is
/// followed first, so that the link stays; a target that is no plain file (a folder, /dev/null) is
/// refused before anything is written.
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"

#define BUFFER_SIZE ((size_t)256 << 10)
#define OPEN_TRIES  16

/// A name in memory of its own: the two pieces, one after the other.
static char *name_join(const char *first, size_t first_length, const char *second) {
    const size_t second_length = strlen(second);
    char *name = lode__alloc(first_length + second_length + 1, 1);
    if (name == NULL) return NULL;
    memcpy(name, first, first_length);
    memcpy(name + first_length, second, second_length);
    return name;
}

/// The folder that a path lies in; to be freed.
static char *folder_of(const char *path) {
    const size_t length = (size_t)(lode__path_base(path) - path);
    return length == 0 ? lode__strdup(".") : name_join(path, length, "");
}

/// Open a plain file. A pipe is not waited for, a folder or device is refused.
static lode_status open_plain(const char *path, int *descriptor, size_t *size, lode_error *error) {
    struct stat info;
    const int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file < 0) {
        const bool missing = errno == ENOENT || errno == ENOTDIR;
        const lode_status status = lode__fail_errno(error, "cannot read %s", path);
        if (missing && error != NULL) error->status = LODE_E_MISSING;
        return missing ? LODE_E_MISSING : status;
    }
    lode_status status = LODE_OK;
    if (fstat(file, &info) != 0) {
        status = lode__fail_errno(error, "cannot read %s", path);
    } else if (!S_ISREG(info.st_mode)) {
        status = lode__fail(error, LODE_E_INPUT, "cannot read %s: it is %s, not a file", path,
                            S_ISDIR(info.st_mode) ? "a folder" : "a pipe or device");
    }
    if (status != LODE_OK) {
        close(file);
        return status;
    }
    *descriptor = file;
    *size = (size_t)info.st_size;
    return LODE_OK;
}

// ------------------------------------------------------------------------------------------------
// Writing
// ------------------------------------------------------------------------------------------------

/// Remove a temporary file unless somebody holds its lock.
static void remove_if_stale(int folder, const char *name) {
    const int file = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
    if (file < 0) return;
    struct stat status;
    if (fstat(file, &status) == 0 && S_ISREG(status.st_mode) && flock(file, LOCK_EX | LOCK_NB) == 0) {
        unlinkat(folder, name, 0);
    }
    close(file);
}

/// Remove what crashed writers of `path` left. Failures do not matter here.
static void remove_stale(const char *path) {
    char *name = folder_of(path);
    DIR *folder = name == NULL ? NULL : opendir(name);
    lode__free(name);
    if (folder == NULL) return;
    const char *base = lode__path_base(path);
    const size_t length = strlen(base);
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        if (strncmp(entry->d_name, base, length) != 0) continue;
        const char *rest = entry->d_name + length;
        uint64_t process;
        if (strncmp(rest, ".tmp.", 5) == 0 && lode__parse_u64(rest + 5, strlen(rest + 5), &process)) {
            remove_if_stale(dirfd(folder), entry->d_name);
        }
    }
    closedir(folder);
}

/// Create and lock the temporary file. One that vanishes in between was taken for stale: try again.
static lode_status temporary_open(lode_writer *writer, lode_error *error) {
    for (int attempt = 0; attempt < OPEN_TRIES; attempt++) {
        const int file = open(writer->temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (file < 0 && errno == EEXIST) {
            return lode__fail(error, LODE_E_EXISTS, "%s is being written already (see %s)",
                              writer->path, writer->temporary);
        }
        if (file < 0) return lode__fail_errno(error, "cannot write %s", writer->temporary);
        struct stat status;
        if (flock(file, LOCK_EX) != 0 || (fstat(file, &status) == 0 && status.st_nlink > 0)) {
            writer->descriptor = file;
            return LODE_OK;
        }
        close(file);
    }
    return lode__fail(error, LODE_E_SYSTEM,
                      "cannot write %s: its temporary file is removed again and again",
                      writer->temporary);
}

/// The place to write: `path`, or what it links to.
static lode_status target_find(const char *path, char **target, lode_error *error) {
    struct stat status;
    if (*lode__path_base(path) == 0) {
        return lode__fail(error, LODE_E_USAGE, "%s is no name of a file", path);
    }
    if (stat(path, &status) == 0) {
        if (!S_ISREG(status.st_mode)) {
            return lode__fail(error, LODE_E_EXISTS,
                              "%s is %s and cannot be replaced; give the name of a file", path,
                              S_ISDIR(status.st_mode) ? "a folder" : "not a plain file");
        }
        char *real = realpath(path, NULL);
        if (real == NULL) return lode__fail_errno(error, "cannot write %s", path);
        *target = lode__strdup(real);
        free(real);
    } else {
        *target = lode__strdup(path);
    }
    return *target == NULL ? lode__fail_memory(error) : LODE_OK;
}

lode_status lode__writer_open(lode_writer *writer, const char *path, lode_error *error) {
    *writer = (lode_writer){.descriptor = -1};
    lode_status status;
    LODE_GOTO(status, target_find(path, &writer->path, error), fail);
    char suffix[32];
    snprintf(suffix, sizeof suffix, ".tmp.%ld", (long)getpid());
    char *temporary = name_join(writer->path, strlen(writer->path), suffix);
    writer->temporary = temporary;
    writer->buffer = lode__alloc(BUFFER_SIZE, 1);
    if (writer->temporary == NULL || writer->buffer == NULL) {
        status = lode__fail_memory(error);
        goto fail;
    }
    remove_stale(writer->path);
    LODE_GOTO(status, temporary_open(writer, error), fail);
    return LODE_OK;
fail:
    lode__writer_abort(writer);
    return status;
}

/// Write bytes at the end (offset < 0) or at an offset.
static lode_status write_all(const lode_writer *writer, const unsigned char *bytes, size_t length,
                             off_t offset, lode_error *error) {
    while (length > 0) {
        const ssize_t done = offset < 0 ? write(writer->descriptor, bytes, length)
                                        : pwrite(writer->descriptor, bytes, length, offset);
        if (done < 0 && errno == EINTR) continue;
        if (done < 0) return lode__fail_errno(error, "cannot write %s", writer->path);
        bytes += done;
        length -= (size_t)done;
        if (offset >= 0) offset += done;
    }
    return LODE_OK;
}

static lode_status writer_flush(lode_writer *writer, lode_error *error) {
    LODE_TRY(write_all(writer, writer->buffer, writer->filled, -1, error));
    writer->filled = 0;
    return LODE_OK;
}

lode_status lode__writer_add(lode_writer *writer, const void *bytes, size_t length,
                             lode_error *error) {
    if (length > BUFFER_SIZE - writer->filled) LODE_TRY(writer_flush(writer, error));
    if (length >= BUFFER_SIZE) {
        LODE_TRY(write_all(writer, bytes, length, -1, error));
    } else if (length > 0) {
        memcpy(writer->buffer + writer->filled, bytes, length);
        writer->filled += length;
    }
    writer->written += length;
    return LODE_OK;
}

lode_status lode__writer_patch(lode_writer *writer, uint64_t offset, const void *bytes,
                               size_t length, lode_error *error) {
    if (offset > writer->written || length > writer->written - offset) {
        return lode__fail(error, LODE_E_USAGE, "bytes after the end of %s cannot be patched",
                          writer->path);
    }
    LODE_TRY(writer_flush(writer, error));
    return write_all(writer, bytes, length, (off_t)offset, error);
}

/// Make a rename durable. File systems that cannot sync folders (EINVAL) are left to their ways.
static lode_status folder_sync(const char *name, lode_error *error) {
    lode_status status = LODE_OK;
    const int folder = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder >= 0 && fsync(folder) != 0 && errno != EINVAL) {
        status = lode__fail_errno(error, "cannot sync the folder %s", name);
    }
    if (folder >= 0) close(folder);
    return status;
}

lode_status lode__writer_commit(lode_writer *writer, lode_error *error) {
    if (writer->temporary == NULL) {
        return lode__fail(error, LODE_E_USAGE, "a file was committed that is not open");
    }
    char *folder =
        folder_of(writer->path); // now: nothing may fail for want of memory once it is renamed
    lode_status status = folder != NULL ? writer_flush(writer, error) : lode__fail_memory(error);
    if (status == LODE_OK && fsync(writer->descriptor) != 0 && errno != EINVAL) {
        status = lode__fail_errno(error, "cannot write %s", writer->path);
    }
    if (status == LODE_OK && rename(writer->temporary, writer->path) != 0) {
        status = lode__fail_errno(error, "cannot rename %s to %s", writer->temporary, writer->path);
    }
    if (status == LODE_OK) {
        lode__free(writer->temporary); // its name is gone: nothing to remove from here on
        writer->temporary = NULL;
        status = folder_sync(folder, error);
    }
    lode__free(folder);
    lode__writer_abort(writer);
    return status;
}

void lode__writer_abort(lode_writer *writer) {
    if (writer->temporary != NULL && writer->descriptor >= 0) unlink(writer->temporary);
    if (writer->path != NULL && writer->descriptor >= 0) close(writer->descriptor);
    lode__free(writer->path);
    lode__free(writer->temporary);
    lode__free(writer->buffer);
    *writer = (lode_writer){.descriptor = -1};
}

lode_status lode__file_write(const char *path, const void *bytes, size_t length, lode_error *error) {
    lode_writer writer;
    LODE_TRY(lode__writer_open(&writer, path, error));
    lode_status status;
    LODE_GOTO(status, lode__writer_add(&writer, bytes, length, error), done);
    status = lode__writer_commit(&writer, error);
done:
    lode__writer_abort(&writer);
    return status;
}

lode_status lode__file_append(const char *path, uint64_t offset, const void *bytes, size_t length,
                              lode_error *error) {
    const int descriptor = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0666);
    if (descriptor < 0) return lode__fail_errno(error, "cannot write %s", path);
    const unsigned char *from = bytes;
    bool failed = ftruncate(descriptor, (off_t)offset) != 0;
    while (!failed && length > 0) {
        const ssize_t done = pwrite(descriptor, from, length, (off_t)offset);
        if (done < 0 && errno == EINTR) continue;
        failed = done <= 0;
        if (failed) break;
        from += done;
        offset += (uint64_t)done;
        length -= (size_t)done;
    }
    failed = failed || fsync(descriptor) != 0;
    const lode_status status = failed ? lode__fail_errno(error, "cannot write %s", path) : LODE_OK;
    (void)close(descriptor);
    return status;
}

// ------------------------------------------------------------------------------------------------
// Reading
// ------------------------------------------------------------------------------------------------

lode_status lode__mapping_open(lode_mapping *mapping, const char *path, lode_error *error) {
    static const unsigned char nothing = 0;
    int file;
    size_t size;
    *mapping = (lode_mapping){0};
    LODE_TRY(open_plain(path, &file, &size, error));
    lode_status status = LODE_OK;
    void *data = size > 0 ? mmap(NULL, size, PROT_READ, MAP_PRIVATE, file, 0) : NULL;
    if (data == MAP_FAILED) {
        status = lode__fail_errno(error, "cannot map %s", path);
    } else {
        *mapping = (lode_mapping){size > 0 ? data : &nothing, size};
    }
    close(file);
    return status;
}

void lode__mapping_close(lode_mapping *mapping) {
    if (mapping->size > 0) {
        // munmap takes a pointer without const, though nothing is written through it
        munmap((void *)(uintptr_t)mapping->data, mapping->size);
    }
    *mapping = (lode_mapping){0};
}

void lode__mapping_forget(const lode_mapping *mapping, const void *from, size_t bytes) {
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), base = (uintptr_t)mapping->data;
    const uintptr_t begin = ((uintptr_t)from + page - 1) / page * page;
    const uintptr_t end = ((uintptr_t)from + bytes) / page * page;
    if ((uintptr_t)from < base || bytes > mapping->size ||
        (uintptr_t)from - base > mapping->size - bytes || begin >= end)
        return;
    (void)madvise((void *)begin, end - begin, MADV_DONTNEED); // of a file nothing is lost
}

/// Read until the end, which may have moved since the size was asked for; at most one byte over the limit.
static lode_status read_all(int file, const char *path, size_t limit, lode_text *text,
                            lode_error *error) {
    for (;;) {
        if (text->capacity - text->length < 2 &&
            !lode__grow((void **)&text->data, &text->capacity, text->length + 2, 1)) {
            return lode__fail_memory(error);
        }
        const size_t room = text->capacity - text->length - 1;
        const ssize_t got = read(file, text->data + text->length, room);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return lode__fail_errno(error, "cannot read %s", path);
        text->length += (size_t)got;
        if (text->length > limit) {
            return lode__fail(error, LODE_E_INPUT, "%s has more than %zu bytes", path, limit);
        }
        if (got == 0) break;
    }
    text->data[text->length] = 0;
    return LODE_OK;
}

lode_status lode__file_read(const char *path, size_t limit, char **out, size_t *length,
                            lode_error *error) {
    int file;
    size_t size;
    LODE_TRY(open_plain(path, &file, &size, error));
    lode_text text = {0};
    lode_status status;
    if (size > limit) {
        status = lode__fail(error, LODE_E_INPUT, "%s has %zu bytes: expected at most %zu", path,
                            size, limit);
    } else if (!lode__grow((void **)&text.data, &text.capacity, size + 2, 1)) {
        status = lode__fail_memory(error);
    } else {
        status = read_all(file, path, limit, &text, error);
    }
    close(file);
    if (status != LODE_OK) {
        lode__text_release(&text);
        return status;
    }
    *out = text.data;
    *length = text.length;
    return LODE_OK;
}

// ------------------------------------------------------------------------------------------------
// Names and folders
// ------------------------------------------------------------------------------------------------

bool lode__file_exists(const char *path) {
    struct stat status;
    return stat(path, &status) == 0;
}

bool lode__is_folder(const char *path) {
    struct stat status;
    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

lode_status lode__folder_make(const char *path, lode_error *error) {
    char *name = lode__strdup(path);
    if (name == NULL) return lode__fail_memory(error);
    lode_status status = LODE_OK;
    for (size_t at = 1; status == LODE_OK && name[0] != 0; at++) {
        const char here = name[at];
        if (here != '/' && here != 0) continue;
        name[at] = 0;
        const int refused = mkdir(name, 0777) != 0 ? errno : 0;
        if (refused != 0 && !lode__is_folder(name)) {
            errno = refused; // looking has changed it
            status = refused == EEXIST ? lode__fail(error, LODE_E_EXISTS,
                                                    "%s is in the way: it is not a folder", name)
                                       : lode__fail_errno(error, "cannot make the folder %s", name);
        }
        name[at] = here;
        if (here == 0) break;
    }
    lode__free(name);
    return status;
}

char *lode__path_join(lode_arena *arena, const char *folder, const char *name) {
    const size_t length = strlen(folder);
    const bool slash = length > 0 && folder[length - 1] != '/';
    return lode__arena_printf(arena, "%s%s%s", folder, slash ? "/" : "", name);
}

const char *lode__path_base(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}

static int name_compare(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

lode_status lode__folder_list(lode_arena *arena, const char *path, const char ***names,
                              size_t *count, lode_error *error) {
    DIR *folder = opendir(path);
    if (folder == NULL) {
        return errno == ENOENT ? lode__fail(error, LODE_E_MISSING, "there is no folder %s", path)
                               : lode__fail_errno(error, "cannot read the folder %s", path);
    }
    lode_status status = LODE_OK;
    const char **found = NULL;
    size_t filled = 0, capacity = 0;
    for (const struct dirent *entry; (errno = 0, entry = readdir(folder)) != NULL;) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        char *copy = lode__arena_strdup(arena, entry->d_name);
        if (copy == NULL || !lode__grow((void **)&found, &capacity, filled + 1, sizeof *found)) {
            status = lode__fail_memory(error);
            goto done;
        }
        found[filled++] = copy;
    }
    if (errno != 0) {
        status = lode__fail_errno(error, "cannot read the folder %s", path);
        goto done;
    }
    const char **sorted = lode__arena_alloc(arena, filled, sizeof *sorted);
    if (sorted == NULL) {
        status = lode__fail_memory(error);
        goto done;
    }
    if (filled > 0) {
        memcpy(sorted, found, filled * sizeof *sorted);
        qsort(sorted, filled, sizeof *sorted, name_compare);
    }
    *names = sorted;
    *count = filled;
done:
    lode__free(found);
    closedir(folder);
    return status;
}
