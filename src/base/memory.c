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

void *lode__alloc(size_t count, size_t size) {
    if (count == 0 || size == 0) return calloc(1, 1);
    return calloc(count, size);
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
    if (!lode__size_mul(grown, size, &bytes)) return false;
    void *moved = realloc(*array, bytes);
    if (moved == NULL) return false;
    *array = moved;
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
    unsigned char *start = mmap(NULL, bytes + HUGE_PAGE, PROT_READ | PROT_WRITE,
                                MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
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
    if (!lode__size_mul(count, size, &bytes) || bytes > SIZE_MAX / 2) return NULL;
    if (bytes >= HUGE_FROM) return map_huge(round_up(bytes, HUGE_PAGE));
    void *memory = aligned_alloc(LODE_CACHE_LINE, round_up(LODE_MAX(bytes, (size_t)1), LODE_CACHE_LINE));
    if (memory != NULL) memset(memory, 0, bytes);
    return memory;
}

void lode__huge_free(void *memory, size_t count, size_t size) {
    if (memory == NULL) return;
    const size_t bytes = count * size;
    if (bytes >= HUGE_FROM) {
        (void)munmap(memory, round_up(bytes, HUGE_PAGE));
    } else {
        free(memory);
    }
}

struct lode_arena_block {
    struct lode_arena_block *before;
    size_t capacity, used; ///< of the bytes behind this header
};

static const size_t HEADER = (sizeof(struct lode_arena_block) + LODE_CACHE_LINE - 1) /
                             LODE_CACHE_LINE * LODE_CACHE_LINE;

static bool arena_extend(lode_arena *arena, size_t needed) {
    size_t capacity = arena->last != NULL ? LODE_MIN(arena->last->capacity * 2, (size_t)LARGEST_STEP)
                                          : (size_t)FIRST_BLOCK;
    capacity = round_up(LODE_MAX(capacity, needed), LODE_CACHE_LINE);
    struct lode_arena_block *block = aligned_alloc(LODE_CACHE_LINE, HEADER + capacity);
    if (block == NULL) return false;
    *block = (struct lode_arena_block){arena->last, capacity, 0};
    arena->last = block;
    return true;
}

void *lode__arena_alloc(lode_arena *arena, size_t count, size_t size) {
    size_t bytes;
    if (!lode__size_mul(count, size, &bytes) || bytes > SIZE_MAX / 2) return NULL;
    bytes = round_up(LODE_MAX(bytes, (size_t)1), LODE_CACHE_LINE);
    if ((arena->last == NULL || arena->last->capacity - arena->last->used < bytes) &&
        !arena_extend(arena, bytes)) {
        return NULL;
    }
    unsigned char *memory = (unsigned char *)arena->last + HEADER + arena->last->used;
    arena->last->used += bytes;
    arena->bytes += bytes;
    return memset(memory, 0, bytes);
}

char *lode__arena_strndup(lode_arena *arena, const char *text, size_t length) {
    char *copy = lode__arena_alloc(arena, length + 1, 1);
    if (copy != NULL) memcpy(copy, text, length);
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
