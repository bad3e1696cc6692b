#include "data/spool.h"

#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BUFFER_SIZE ((size_t)256 << 10)

static lode_status fail_write(const lode_spool *spool, lode_error *error) {
    return lode__fail_errno(error,
                            "cannot write temporary data in %s (give another folder as temporary)",
                            spool->folder);
}

static lode_status file_make(lode_spool *spool, lode_error *error) {
    spool->descriptor = open(spool->folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (spool->descriptor >= 0) return LODE_OK;
    if (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT) return fail_write(spool, error);
    lode_text name = {0};
    lode__text_printf(&name, "%s/lodestone-XXXXXX", spool->folder);
    lode_status status = LODE_OK;
    if (name.failed) {
        status = lode__fail_memory(error);
    } else {
        spool->descriptor = mkostemp(name.data, O_CLOEXEC);
        if (spool->descriptor < 0)
            status = fail_write(spool, error);
        else
            unlink(name.data);
    }
    lode__text_release(&name);
    return status;
}

static lode_status store(lode_spool *spool, const unsigned char *bytes, size_t length,
                         lode_error *error) {
    if (spool->stored == 0) LODE_TRY(file_make(spool, error));
    while (length > 0) {
        const ssize_t put = pwrite(spool->descriptor, bytes, length, (off_t)spool->stored);
        if (put < 0 && errno == EINTR) continue;
        if (put <= 0) {
            const lode_status status = fail_write(spool, error);
            if (spool->stored == 0) close(spool->descriptor);
            return status;
        }
        spool->stored += (uint64_t)put;
        bytes += put;
        length -= (size_t)put;
    }
    return LODE_OK;
}

lode_status lode__spool_reserve(lode_spool *spool, lode_error *error) {
    if (!spool->buffer) spool->buffer = lode__alloc(BUFFER_SIZE, 1);
    return spool->buffer ? LODE_OK : lode__fail_memory(error);
}

lode_status lode__spool_add(lode_spool *spool, const void *bytes, size_t length, lode_error *error) {
    if (!spool->buffer) LODE_TRY(lode__spool_reserve(spool, error));
    spool->size += length;
    if (length > BUFFER_SIZE - spool->filled) {
        LODE_TRY(store(spool, spool->buffer, spool->filled, error));
        spool->filled = 0;
        if (length >= BUFFER_SIZE) return store(spool, bytes, length, error);
    }
    memcpy(spool->buffer + spool->filled, bytes, length);
    spool->filled += length;
    return LODE_OK;
}

lode_status lode__spool_read(const lode_spool *spool, uint64_t offset, void *bytes, size_t length,
                             lode_error *error) {
    unsigned char *out = bytes;
    while (length > 0 && offset < spool->stored) {
        const size_t part = (size_t)LODE_MIN(length, spool->stored - offset);
        const ssize_t got = pread(spool->descriptor, out, part, (off_t)offset);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0)
            return lode__fail_errno(error, "cannot read temporary data in %s", spool->folder);
        out += got;
        offset += (uint64_t)got;
        length -= (size_t)got;
    }
    if (length > 0) memcpy(out, spool->buffer + (offset - spool->stored), length);
    return LODE_OK;
}

void lode__spool_clear(lode_spool *spool) {
    if (spool->stored > 0) close(spool->descriptor);
    spool->filled = 0;
    spool->size = spool->stored = 0;
}

void lode__spool_release(lode_spool *spool) {
    if (spool->stored > 0) close(spool->descriptor);
    lode__free(spool->buffer);
    *spool = (lode_spool){.folder = spool->folder};
}
