/// Allocations that fail on demand, for tests in this folder: their link line sends malloc, calloc, realloc,
/// aligned_alloc, free, mmap and munmap of the library and the test through alloc_fail.c (ld --wrap). What
/// shared libraries allocate for themselves is not touched.
#ifndef LODE_TESTS_ALLOC_FAIL_H
#define LODE_TESTS_ALLOC_FAIL_H

#include <lodestone.h>

/// Something that allocates, and cleans up after itself in every case. It may check its own promises.
typedef lode_status alloc_task(void *cookie, lode_error *error);

/// Run a task again and again: the first allocation fails, the second, ... until it runs through; then once
/// more with all allocations from that one on failing. Each run must end with LODE_OK or LODE_E_MEMORY (with
/// the error filled) and give back all it took; the last run must succeed. Fails the cmocka test otherwise.
/// @param least  fails too when fewer runs than that ended with LODE_E_MEMORY: the sweep must bite
void alloc_sweep(alloc_task *task, void *cookie, size_t least);

#endif
