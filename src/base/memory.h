/// Memory: checked allocation at the edges, arenas in between.
///
/// All sizes are counts x element sizes and are multiplied here, with overflow checks, and nowhere else.
/// An arena hands out zeroed memory that is freed all at once: one per phase (model, graph, request).
#ifndef LODE_BASE_MEMORY_H
#define LODE_BASE_MEMORY_H

#include "base/error.h"

#define LODE_CACHE_LINE 64

/// Multiply sizes; false on overflow (then *out is SIZE_MAX, which no allocator grants).
bool lode__size_mul(size_t a, size_t b, size_t *out);

/// Zeroed memory for `count` x `size` bytes, or NULL; count 0 gives a valid pointer. Freed by lode__free.
void *lode__alloc(size_t count, size_t size);
void lode__free(void *memory);

/// Grow an array of `size`-byte elements so that it holds at least `needed`; capacities double.
/// On failure the array is as it was.
LODE_CHECK bool lode__grow(void **array, size_t *capacity, size_t needed, size_t size);

/// Copy of a string, or NULL.
char *lode__strdup(const char *text);

/// Large zeroed memory for tables: 2 MiB aligned with huge pages asked for above 4 MiB, cache-line
/// aligned below. Freed by lode__huge_free with the same count and size.
void *lode__huge_alloc(size_t count, size_t size);
void lode__huge_free(void *memory, size_t count, size_t size);

/// Ask for memory that will be needed some rows later, into the second level cache: more lines can be on their way to it than
/// to the first. The empty assembly keeps gcc from dropping calls of a function that, to it, does nothing.
static inline void lode__fetch_ahead(const void *memory, size_t size) {
    for (size_t at = 0; at < size; at += LODE_CACHE_LINE)
        __builtin_prefetch((const char *)memory + at, 0, 2);
    __asm__ volatile("");
}

/// A stack of blocks. Zero-initialise, use, release.
typedef struct lode_arena {
    struct lode_arena_block *last;
    size_t bytes; ///< handed out so far, for reports
} lode_arena;

/// Zeroed, aligned to LODE_CACHE_LINE; NULL when there is no memory. Lives until the arena is released.
void *lode__arena_alloc(lode_arena *arena, size_t count, size_t size);
char *lode__arena_strdup(lode_arena *arena, const char *text);
char *lode__arena_strndup(lode_arena *arena, const char *text, size_t length);
char *lode__arena_printf(lode_arena *arena, const char *format, ...) LODE_FORMAT(2, 3);
void lode__arena_release(lode_arena *arena);

#endif
