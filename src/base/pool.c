#include "base/pool.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "base/memory.h"

/// Workers spin this many times before they sleep: regions follow each other closely during training.
enum { SPINS = 2000, MOST_THREADS = 256 };

typedef struct lode_worker {
    pthread_t thread;
    lode_pool *pool;
    size_t number;
} lode_worker;

struct lode_pool {
    size_t threads;
    lode_worker *workers; ///< [threads - 1], numbers 1 ..
    size_t started;
    pthread_mutex_t mutex;
    pthread_cond_t wake, done;
    atomic_uint_fast64_t generation; ///< counts regions; workers wait for it to change
    atomic_size_t running;           ///< workers that have not finished the current region
    bool stop;
    // The current region; written before `generation`, read after it.
    lode_task *task;
    void *context;
    size_t count;
};

size_t lode__processor_count(void) {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
    return LODE_MAX((size_t)CPU_COUNT(&set), (size_t)1);
}

static void run_share(const lode_pool *pool, size_t thread) {
    const size_t first = pool->count * thread / pool->threads;
    const size_t last = pool->count * (thread + 1) / pool->threads;
    for (size_t task = first; task < last; task++) pool->task(pool->context, task, thread);
}

static void *work(void *argument) {
    const lode_worker *worker = argument;
    lode_pool *pool = worker->pool;
    uint_fast64_t seen = 0;
    for (;;) {
        int spins = SPINS;
        while (atomic_load_explicit(&pool->generation, memory_order_acquire) == seen && spins > 0) {
            spins--;
#if defined(__x86_64__)
            __builtin_ia32_pause();
#endif
        }
        if (spins == 0) {
            (void)pthread_mutex_lock(&pool->mutex);
            while (atomic_load_explicit(&pool->generation, memory_order_acquire) == seen) {
                (void)pthread_cond_wait(&pool->wake, &pool->mutex);
            }
            (void)pthread_mutex_unlock(&pool->mutex);
        }
        seen = atomic_load_explicit(&pool->generation, memory_order_acquire);
        if (pool->stop) return NULL;
        run_share(pool, worker->number);
        if (atomic_fetch_sub_explicit(&pool->running, 1, memory_order_acq_rel) == 1) {
            (void)pthread_mutex_lock(&pool->mutex);
            (void)pthread_cond_signal(&pool->done);
            (void)pthread_mutex_unlock(&pool->mutex);
        }
    }
}

lode_status lode__pool_new(lode_pool **out, size_t threads, lode_error *error) {
    if (threads < 1 || threads > MOST_THREADS) {
        return lode__fail(error, LODE_E_CONFIG, "%zu threads: expected 1 to %d", threads, MOST_THREADS);
    }
    lode_pool *pool = lode__alloc(1, sizeof *pool);
    if (pool == NULL) return lode__fail_memory(error);
    pool->threads = threads;
    pool->workers = lode__alloc(threads, sizeof *pool->workers);
    if (pool->workers == NULL) {
        lode__free(pool);
        return lode__fail_memory(error);
    }
    (void)pthread_mutex_init(&pool->mutex, NULL);
    (void)pthread_cond_init(&pool->wake, NULL);
    (void)pthread_cond_init(&pool->done, NULL);
    for (size_t i = 1; i < threads; i++) {
        lode_worker *worker = &pool->workers[i - 1];
        *worker = (lode_worker){.pool = pool, .number = i};
        if (pthread_create(&worker->thread, NULL, work, worker) != 0) {
            lode__pool_free(&pool);
            return lode__fail(error, LODE_E_SYSTEM, "cannot start thread %zu of %zu", i + 1, threads);
        }
        pool->started++;
    }
    *out = pool;
    return LODE_OK;
}

/// Let the workers see what was written before: a new region, or the end.
static void announce(lode_pool *pool) {
    (void)pthread_mutex_lock(&pool->mutex);
    (void)atomic_fetch_add_explicit(&pool->generation, 1, memory_order_release);
    (void)pthread_cond_broadcast(&pool->wake);
    (void)pthread_mutex_unlock(&pool->mutex);
}

void lode__pool_free(lode_pool **pool) {
    if (*pool == NULL) return;
    (*pool)->stop = true;
    announce(*pool);
    for (size_t i = 0; i < (*pool)->started; i++) {
        (void)pthread_join((*pool)->workers[i].thread, NULL);
    }
    (void)pthread_cond_destroy(&(*pool)->done);
    (void)pthread_cond_destroy(&(*pool)->wake);
    (void)pthread_mutex_destroy(&(*pool)->mutex);
    lode__free((*pool)->workers);
    lode__free(*pool);
    *pool = NULL;
}

size_t lode__pool_threads(const lode_pool *pool) {
    return pool != NULL ? pool->threads : 1;
}

void lode__pool_run(lode_pool *pool, size_t count, lode_task *task, void *context) {
    if (pool == NULL || pool->threads == 1 || count <= 1) {
        for (size_t i = 0; i < count; i++) task(context, i, 0);
        return;
    }
    pool->task = task;
    pool->context = context;
    pool->count = count;
    atomic_store_explicit(&pool->running, pool->threads - 1, memory_order_relaxed);
    announce(pool);
    run_share(pool, 0);
    for (int spins = SPINS; spins > 0; spins--) {
        if (atomic_load_explicit(&pool->running, memory_order_acquire) == 0) return;
    }
    (void)pthread_mutex_lock(&pool->mutex);
    while (atomic_load_explicit(&pool->running, memory_order_acquire) != 0) {
        (void)pthread_cond_wait(&pool->done, &pool->mutex);
    }
    (void)pthread_mutex_unlock(&pool->mutex);
}
