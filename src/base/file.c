#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BUFFER = 1 << 18 };

static lode_status close_writer(lode_writer *writer, lode_status status, bool remove) {
    if (writer->descriptor >= 0) (void)close(writer->descriptor);
    if (remove && writer->temporary != NULL) (void)unlink(writer->temporary);
    lode__free(writer->path);
    lode__free(writer->temporary);
    lode__free(writer->buffer);
    *writer = (lode_writer){.descriptor = -1};
    return status;
}

lode_status lode__writer_open(lode_writer *writer, const char *path, lode_error *error) {
    *writer = (lode_writer){.descriptor = -1};
    const size_t room = strlen(path) + 32;
    writer->path = lode__strdup(path);
    writer->temporary = lode__alloc(room, 1);
    writer->buffer = lode__alloc(BUFFER, 1);
    if (writer->path == NULL || writer->temporary == NULL || writer->buffer == NULL) {
        (void)close_writer(writer, LODE_OK, false);
        return lode__fail_memory(error);
    }
    (void)snprintf(writer->temporary, room, "%s.tmp.%ld", path, (long)getpid());
    writer->descriptor = open(writer->temporary, O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0666);
    if (writer->descriptor < 0) {
        const lode_status status = lode__fail_errno(error, "cannot write %s", path);
        return close_writer(writer, status, false);
    }
    return LODE_OK;
}

static lode_status write_all(lode_writer *writer, const unsigned char *bytes, size_t length,
                             lode_error *error) {
    while (length > 0) {
        const ssize_t done = write(writer->descriptor, bytes, length);
        if (done < 0 && errno == EINTR) continue;
        if (done <= 0) return lode__fail_errno(error, "cannot write %s", writer->path);
        bytes += done;
        length -= (size_t)done;
    }
    return LODE_OK;
}

static lode_status flush(lode_writer *writer, lode_error *error) {
    const size_t filled = writer->filled;
    writer->filled = 0;
    return write_all(writer, writer->buffer, filled, error);
}

lode_status lode__writer_add(lode_writer *writer, const void *bytes, size_t length,
                             lode_error *error) {
    assert(writer->descriptor >= 0);
    if (writer->filled + length > BUFFER) LODE_TRY(flush(writer, error));
    if (length >= BUFFER) {
        LODE_TRY(write_all(writer, bytes, length, error));
    } else {
        memcpy(writer->buffer + writer->filled, bytes, length);
        writer->filled += length;
    }
    writer->written += length;
    return LODE_OK;
}

lode_status lode__writer_patch(lode_writer *writer, uint64_t offset, const void *bytes,
                               size_t length, lode_error *error) {
    assert(offset + length <= writer->written);
    LODE_TRY(flush(writer, error));
    const unsigned char *from = bytes;
    while (length > 0) {
        const ssize_t done = pwrite(writer->descriptor, from, length, (off_t)offset);
        if (done < 0 && errno == EINTR) continue;
        if (done <= 0) return lode__fail_errno(error, "cannot write %s", writer->path);
        from += done;
        offset += (uint64_t)done;
        length -= (size_t)done;
    }
    return LODE_OK;
}

static lode_status sync_folder(const char *path, lode_error *error) {
    const char *slash = strrchr(path, '/');
    char *folder = slash == NULL ? lode__strdup(".") : lode__strdup(path);
    if (folder == NULL) return lode__fail_memory(error);
    if (slash != NULL) folder[slash == path ? 1 : slash - path] = 0;
    const int descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    lode__free(folder);
    if (descriptor < 0) return LODE_OK; // a folder that cannot be opened cannot be synced
    const int failed = fsync(descriptor);
    const int number = errno;
    (void)close(descriptor);
    errno = number;
    if (failed != 0 && number != EINVAL && number != EROFS) {
        return lode__fail_errno(error, "cannot sync the folder of %s", path);
    }
    return LODE_OK;
}

lode_status lode__writer_commit(lode_writer *writer, lode_error *error) {
    lode_status status = flush(writer, error);
    if (status == LODE_OK && fsync(writer->descriptor) != 0) {
        status = lode__fail_errno(error, "cannot write %s", writer->path);
    }
    const int descriptor = writer->descriptor;
    writer->descriptor = -1;
    if (close(descriptor) != 0 && status == LODE_OK) {
        status = lode__fail_errno(error, "cannot write %s", writer->path);
    }
    if (status == LODE_OK && rename(writer->temporary, writer->path) != 0) {
        status = lode__fail_errno(error, "cannot write %s", writer->path);
    }
    if (status != LODE_OK) return close_writer(writer, status, true);
    status = sync_folder(writer->path, error);
    return close_writer(writer, status, false);
}

void lode__writer_abort(lode_writer *writer) {
    if (writer->path == NULL) return;
    (void)close_writer(writer, LODE_OK, true);
}

lode_status lode__file_write(const char *path, const void *bytes, size_t length,
                             lode_error *error) {
    lode_writer writer;
    LODE_TRY(lode__writer_open(&writer, path, error));
    const lode_status status = lode__writer_add(&writer, bytes, length, error);
    if (status != LODE_OK) {
        lode__writer_abort(&writer);
        return status;
    }
    return lode__writer_commit(&writer, error);
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

static lode_status open_regular(const char *path, int *descriptor, size_t *size, lode_error *error) {
    *descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (*descriptor < 0) {
        const lode_status status = lode__fail_errno(error, "cannot read %s", path);
        return errno == ENOENT || errno == ENOTDIR ? (error != NULL ? (error->status = LODE_E_MISSING)
                                                                    : LODE_E_MISSING)
                                                   : status;
    }
    struct stat about;
    if (fstat(*descriptor, &about) != 0) {
        (void)close(*descriptor);
        return lode__fail_errno(error, "cannot read %s", path);
    }
    if (!S_ISREG(about.st_mode)) {
        (void)close(*descriptor);
        return lode__fail(error, LODE_E_SYSTEM, "cannot read %s: it is not a file", path);
    }
    *size = (size_t)about.st_size;
    return LODE_OK;
}

lode_status lode__mapping_open(lode_mapping *mapping, const char *path, lode_error *error) {
    int descriptor;
    size_t size;
    *mapping = (lode_mapping){0};
    LODE_TRY(open_regular(path, &descriptor, &size, error));
    static const unsigned char nothing = 0;
    void *data = NULL;
    if (size > 0) data = mmap(NULL, size, PROT_READ, MAP_PRIVATE, descriptor, 0);
    (void)close(descriptor);
    if (data == MAP_FAILED) return lode__fail_errno(error, "cannot map %s", path);
    *mapping = (lode_mapping){size > 0 ? data : &nothing, size};
    return LODE_OK;
}

void lode__mapping_close(lode_mapping *mapping) {
    if (mapping->size > 0) (void)munmap((void *)(uintptr_t)mapping->data, mapping->size);
    *mapping = (lode_mapping){0};
}

lode_status lode__file_read(const char *path, size_t limit, char **out, size_t *length,
                            lode_error *error) {
    int descriptor;
    size_t size;
    LODE_TRY(open_regular(path, &descriptor, &size, error));
    lode_status status = LODE_OK;
    char *text = NULL;
    if (size > limit) {
        status = lode__fail(error, LODE_E_INPUT, "%s has %zu bytes: expected at most %zu", path, size, limit);
    } else if ((text = lode__alloc(size + 1, 1)) == NULL) {
        status = lode__fail_memory(error);
    }
    size_t filled = 0;
    while (status == LODE_OK && filled < size) {
        const ssize_t got = read(descriptor, text + filled, size - filled);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) status = lode__fail_errno(error, "cannot read %s", path);
        if (got <= 0) break;
        filled += (size_t)got;
    }
    (void)close(descriptor);
    if (status != LODE_OK) {
        lode__free(text);
        return status;
    }
    text[filled] = 0;
    *out = text;
    *length = filled;
    return LODE_OK;
}

bool lode__file_exists(const char *path) {
    return access(path, F_OK) == 0;
}

bool lode__is_folder(const char *path) {
    struct stat about;
    return stat(path, &about) == 0 && S_ISDIR(about.st_mode);
}

lode_status lode__folder_make(const char *path, lode_error *error) {
    char *part = lode__strdup(path);
    if (part == NULL) return lode__fail_memory(error);
    lode_status status = LODE_OK;
    for (char *at = part + 1; status == LODE_OK && at[-1] != 0; at++) {
        if (*at != '/' && *at != 0) continue;
        const char kept = *at;
        *at = 0;
        if (mkdir(part, 0777) != 0 && (errno != EEXIST || !lode__is_folder(part))) {
            status = lode__fail_errno(error, "cannot make the folder %s", path);
        }
        *at = kept;
    }
    lode__free(part);
    return status;
}

char *lode__path_join(lode_arena *arena, const char *folder, const char *name) {
    const size_t length = strlen(folder);
    const bool slash = length > 0 && folder[length - 1] == '/';
    return lode__arena_printf(arena, "%s%s%s", folder, slash ? "" : "/", name);
}

const char *lode__path_base(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

static int compare_names(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

lode_status lode__folder_list(lode_arena *arena, const char *path, const char ***names,
                              size_t *count, lode_error *error) {
    DIR *folder = opendir(path);
    if (folder == NULL) return lode__fail_errno(error, "cannot read the folder %s", path);
    const char **list = NULL;
    size_t capacity = 0, found = 0;
    lode_status status = LODE_OK;
    for (struct dirent *entry = readdir(folder); entry != NULL && status == LODE_OK;
         entry = readdir(folder)) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        if (!lode__grow((void **)&list, &capacity, found + 1, sizeof *list) ||
            (list[found++] = lode__arena_strdup(arena, entry->d_name)) == NULL) {
            status = lode__fail_memory(error);
        }
    }
    (void)closedir(folder);
    *names = status == LODE_OK ? lode__arena_alloc(arena, found, sizeof *list) : NULL;
    if (status == LODE_OK && *names == NULL) status = lode__fail_memory(error);
    if (status == LODE_OK) {
        if (found > 0) memcpy(*names, list, found * sizeof *list);
        qsort(*names, found, sizeof **names, compare_names);
        *count = found;
    }
    lode__free(list);
    return status;
}
