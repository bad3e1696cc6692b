/// A thread pool whose results do not depend on the number of threads.
///
/// Work is cut into tasks by the *problem* (fixed tile sizes), never by the thread count, and each task
/// writes to places of its own; tasks are then handed to threads in contiguous runs, and whoever is done
/// helps the others. Sums over tasks are made afterwards, in task order. So the same bits come out at 1, 2 or 64
/// threads.
#ifndef LODE_BASE_POOL_H
#define LODE_BASE_POOL_H

#include "base/error.h"

typedef struct lode_pool lode_pool;

/// Task `task` of a parallel region; `thread` in 0..threads-1 selects scratch memory, and must not
/// influence results.
typedef void lode_task(void *context, size_t task, size_t thread);

/// @param threads  1..256; 1 starts no thread
LODE_CHECK lode_status lode__pool_new(lode_pool **out, size_t threads, lode_error *error);
/// Ends the threads; accepts NULL and sets the pointer to NULL.
void lode__pool_free(lode_pool **pool);
/// 1 for NULL: every function that takes a pool also runs without one.
size_t lode__pool_threads(const lode_pool *pool);

/// Run tasks 0..count-1 and wait for all; the caller's thread takes part. Not reentrant: a task must not
/// call it with the same pool. No allocation.
void lode__pool_run(lode_pool *pool, size_t count, lode_task *task, void *context);

/// Number of processors this process may use.
size_t lode__processor_count(void);

#endif
