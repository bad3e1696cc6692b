#include "alloc_fail.h"

#include <errno.h>
#include <sys/mman.h>

#include "../check.h"

enum { LIVE_LIMIT = 1 << 16 };

static struct {
    bool armed;               ///< count, and fail where it is asked for
    size_t count;             ///< allocations since arming
    size_t fail;              ///< number of the one that fails
    bool all;                 ///< and all after it
    size_t live;              ///< places taken in `blocks`
    void *blocks[LIVE_LIMIT]; ///< what was allocated while armed and not given back
} state;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
void __real_free(void *memory);
void *__real_mmap(void *at, size_t length, int protection, int flags, int file, off_t offset);
int __real_munmap(void *at, size_t length);

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
void __wrap_free(void *memory);
void *__wrap_mmap(void *at, size_t length, int protection, int flags, int file, off_t offset);
int __wrap_munmap(void *at, size_t length);

/// Count an allocation; true when it has to fail.
static bool fails(void) {
    if (!state.armed) return false;
    const size_t number = state.count++;
    if (number != state.fail && !(state.all && number > state.fail)) return false;
    errno = ENOMEM;
    return true;
}

static void *taken(void *memory) {
    if (state.armed && memory != NULL && state.live < LIVE_LIMIT)
        state.blocks[state.live++] = memory;
    return memory;
}

/// Blocks that are not known were allocated before, or elsewhere.
static void given(const void *memory) {
    for (size_t i = state.live; memory != NULL && i-- > 0;) {
        if (state.blocks[i] != memory) continue;
        state.blocks[i] = state.blocks[--state.live];
        return;
    }
}

void *__wrap_malloc(size_t size) {
    return fails() ? NULL : taken(__real_malloc(size));
}

void *__wrap_calloc(size_t count, size_t size) {
    return fails() ? NULL : taken(__real_calloc(count, size));
}

void *__wrap_realloc(void *memory, size_t size) {
    if (fails()) return NULL;
    given(memory);
    return taken(__real_realloc(memory, size));
}

void *__wrap_aligned_alloc(size_t alignment, size_t size) {
    return fails() ? NULL : taken(__real_aligned_alloc(alignment, size));
}

void __wrap_free(void *memory) {
    given(memory);
    __real_free(memory);
}

/// Mappings of files are no allocations and never fail here.
void *__wrap_mmap(void *at, size_t length, int protection, int flags, int file, off_t offset) {
    if ((flags & MAP_ANONYMOUS) != 0 && fails()) return MAP_FAILED;
    return __real_mmap(at, length, protection, flags, file, offset);
}

int __wrap_munmap(void *at, size_t length) {
    return __real_munmap(at, length);
}

/// One run with the failure in one place; false when that place was not reached.
static bool run_once(alloc_task *task, void *cookie, size_t fail, bool all, size_t *refused) {
    lode_error error = {0};
    state.count = state.live = 0;
    state.fail = fail;
    state.all = all;
    state.armed = true;
    const lode_status status = task(cookie, &error);
    state.armed = false;
    const bool reached = state.count > fail;
    if (state.live != 0) {
        fail_msg("allocation %zu fails%s: %zu blocks are lost", fail,
                 all ? " like all later ones" : "", state.live);
    }
    if (status != LODE_OK && (!reached || status != LODE_E_MEMORY || error.status != status)) {
        fail_msg("allocation %zu fails%s: %s: %s", fail, all ? " like all later ones" : "",
                 lode_status_name(status), error.message);
    }
    *refused += status != LODE_OK;
    return reached;
}

void alloc_sweep(alloc_task *task, void *cookie, size_t least) {
    size_t refused = 0, fail = 0, ignored = 0;
    for (; run_once(task, cookie, fail, false, &refused); fail++) {
        (void)run_once(task, cookie, fail, true, &ignored);
    }
    if (refused < least) {
        fail_msg("%zu of %zu allocations made the task fail, at least %zu should", refused, fail,
                 least);
    }
}
