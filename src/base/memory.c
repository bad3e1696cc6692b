/// Allocation at the edges, arenas in between.
///
/// An arena is a list of blocks, newest first:
///
///     arena.last -> [header 64 | used ........ | free ....] -> [header | used] -> NULL
///
/// Blocks double from 64 KiB to 16 MiB. A request of more than half a new block gets a block of its own
/// *behind* the newest one, whose free part stays in use.
///
/// No size over PTRDIFF_MAX reaches an allocator: sanitizers and compilers take such a call for a mistake.
#include "base/memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { FIRST_BLOCK = 64 * 1024, LARGEST_STEP = 16 * 1024 * 1024 };

static const size_t HUGE_PAGE = (size_t)2 << 20;
static const size_t HUGE_FROM = (size_t)4 << 20;

bool lode__size_mul(size_t a, size_t b, size_t *out) {
    if (__builtin_mul_overflow(a, b, out)) {
        *out = SIZE_MAX;
        return false;
    }
    return true;
}

/// Bytes of an array, at least 1 and rounded up to `multiple`; false when no allocator could grant them.
static bool array_bytes(size_t count, size_t size, size_t multiple, size_t *out) {
    size_t bytes;
    if (!lode__size_mul(count, size, &bytes) || bytes > PTRDIFF_MAX - 2 * HUGE_PAGE) return false;
    *out = (LODE_MAX(bytes, (size_t)1) + multiple - 1) / multiple * multiple;
    return true;
}

void *lode__alloc(size_t count, size_t size) {
    size_t bytes;
    return array_bytes(count, size, 1, &bytes) ? calloc(1, bytes) : NULL;
}

void lode__free(void *memory) {
    free(memory);
}

bool lode__grow(void **array, size_t *capacity, size_t needed, size_t size) {
    if (needed <= *capacity) return true;
    size_t grown = LODE_MAX(*capacity, (size_t)8);
    while (grown < needed) {
        if (grown > SIZE_MAX / 2) return false;
        grown *= 2;
    }
    size_t bytes;
    if (!array_bytes(grown, size, 1, &bytes)) return false;
    // The caller's pointer has a type of its own: copied as bytes, no aliasing rule is bent.
    void *old;
    memcpy(&old, array, sizeof old);
    unsigned char *moved = realloc(old, bytes);
    if (moved == NULL) return false;
    memset(moved + *capacity * size, 0, bytes - *capacity * size);
    memcpy(array, &moved, sizeof moved);
    *capacity = grown;
    return true;
}

char *lode__strdup(const char *text) {
    const size_t length = strlen(text) + 1;
    char *copy = lode__alloc(length, 1);
    if (copy != NULL) memcpy(copy, text, length);
    return copy;
}

void lode_text_free(char **text) {
    if (text == NULL) return;
    lode__free(*text);
    *text = NULL;
}

static size_t round_up(size_t value, size_t multiple) {
    return (value + multiple - 1) / multiple * multiple;
}

/// A mapping of `bytes` that starts at a multiple of HUGE_PAGE.
static void *map_huge(size_t bytes) {
    unsigned char *start =
        mmap(NULL, bytes + HUGE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (start == MAP_FAILED) return NULL;
    const size_t before = round_up((uintptr_t)start, HUGE_PAGE) - (uintptr_t)start;
    if (before > 0) (void)munmap(start, before);
    const size_t after = HUGE_PAGE - before;
    if (after > 0) (void)munmap(start + before + bytes, after);
    (void)madvise(start + before, bytes, MADV_HUGEPAGE);
    return start + before;
}

void *lode__huge_alloc(size_t count, size_t size) {
    size_t bytes;
    if (!array_bytes(count, size, LODE_CACHE_LINE, &bytes)) return NULL;
    if (bytes > HUGE_FROM) return map_huge(round_up(bytes, HUGE_PAGE));
    void *memory = aligned_alloc(LODE_CACHE_LINE, bytes);
    if (memory != NULL) memset(memory, 0, bytes);
    return memory;
}

void lode__huge_free(void *memory, size_t count, size_t size) {
    size_t bytes;
    if (memory == NULL || !array_bytes(count, size, LODE_CACHE_LINE, &bytes)) return;
    if (bytes > HUGE_FROM) {
        (void)munmap(memory, round_up(bytes, HUGE_PAGE));
    } else {
        free(memory);
    }
}

struct lode_arena_block {
    struct lode_arena_block *before;
    size_t capacity, used; ///< of the bytes behind this header
};

static const size_t HEADER =
    (sizeof(struct lode_arena_block) + LODE_CACHE_LINE - 1) / LODE_CACHE_LINE * LODE_CACHE_LINE;

/// The block in which `needed` bytes are free, made when necessary; NULL when there is no memory.
static struct lode_arena_block *arena_block(lode_arena *arena, size_t needed) {
    struct lode_arena_block *last = arena->last;
    if (last != NULL && last->capacity - last->used >= needed) return last;
    const size_t usual =
        last == NULL ? (size_t)FIRST_BLOCK : LODE_MIN(last->capacity * 2, (size_t)LARGEST_STEP);
    const bool alone = needed > usual / 2;
    const size_t capacity = alone ? needed : usual;
    struct lode_arena_block *block = aligned_alloc(LODE_CACHE_LINE, HEADER + capacity);
    if (block == NULL) return NULL;
    if (alone && last != NULL) {
        *block = (struct lode_arena_block){last->before, capacity, 0};
        last->before = block;
    } else {
        *block = (struct lode_arena_block){last, capacity, 0};
        arena->last = block;
    }
    return block;
}

void *lode__arena_alloc(lode_arena *arena, size_t count, size_t size) {
    size_t bytes;
    if (!array_bytes(count, size, LODE_CACHE_LINE, &bytes)) return NULL;
    struct lode_arena_block *block = arena_block(arena, bytes);
    if (block == NULL) return NULL;
    unsigned char *memory = (unsigned char *)block + HEADER + block->used;
    block->used += bytes;
    arena->bytes += bytes;
    return memset(memory, 0, bytes);
}

char *lode__arena_strndup(lode_arena *arena, const char *text, size_t length) {
    char *copy = length < SIZE_MAX ? lode__arena_alloc(arena, length + 1, 1) : NULL;
    if (copy != NULL && length > 0) memcpy(copy, text, length);
    return copy;
}

char *lode__arena_strdup(lode_arena *arena, const char *text) {
    return lode__arena_strndup(arena, text, strlen(text));
}

char *lode__arena_printf(lode_arena *arena, const char *format, ...) {
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    const int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    char *text = length < 0 ? NULL : lode__arena_alloc(arena, (size_t)length + 1, 1);
    if (text != NULL) (void)vsnprintf(text, (size_t)length + 1, format, again);
    va_end(again);
    return text;
}

void lode__arena_release(lode_arena *arena) {
    while (arena->last != NULL) {
        struct lode_arena_block *before = arena->last->before;
        free(arena->last);
        arena->last = before;
    }
    arena->bytes = 0;
}
