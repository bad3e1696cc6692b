/// A thread pool: one caller, and threads that wait for a generation number to change.
///
/// lode__pool_run writes down the job, counts the generation up and takes part as thread 0. Each worker sees
/// the new number, runs its contiguous share of the tasks, then what is left of the others' shares, and counts
/// `running` down; the last one wakes the caller. Who runs a task changes nothing but time: tasks of unequal
/// length, and a thread whose processor does something else, keep nobody waiting. Both sides spin for some microseconds before they sleep on a condition variable, as regions
/// follow each other closely during training; with more threads than processors they sleep at once.
#include "base/pool.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>

#include "base/memory.h"

enum { SPINS = 2000, MOST_THREADS = 256 };

typedef struct lode_worker {
    pthread_t thread;
    lode_pool *pool;
    size_t number;
} lode_worker;

/// Tasks next .. end - 1 of one thread's share are still to be run; a cache line of its own.
typedef struct lode_share {
    _Alignas(LODE_CACHE_LINE) atomic_size_t next;
    size_t end;
} lode_share;

struct lode_pool {
    size_t threads;
    lode_worker *workers; ///< [threads - 1], numbers 1 ..
    lode_share *shares;   ///< [threads] of the current region
    size_t started;
    int spins;
    pthread_mutex_t mutex;
    pthread_cond_t wake, done;
    atomic_uint_fast64_t generation; ///< counts regions; workers wait for it to change
    atomic_size_t running;           ///< workers that have not finished the current region
    bool stop;
    // The current region; written before `generation`, read after it.
    lode_task *task;
    void *context;
};

size_t lode__processor_count(void) {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
    return LODE_MAX((size_t)CPU_COUNT(&set), (size_t)1);
}

static void deal(lode_pool *pool, size_t count) {
    const size_t each = count / pool->threads, rest = count % pool->threads;
    size_t first = 0;
    for (size_t thread = 0; thread < pool->threads; thread++) {
        lode_share *share = &pool->shares[thread];
        atomic_store_explicit(&share->next, first, memory_order_relaxed);
        first += each + (thread < rest);
        share->end = first;
    }
}

static void run_shares(const lode_pool *pool, size_t thread) {
    for (size_t other = 0; other < pool->threads; other++) {
        lode_share *share = &pool->shares[(thread + other) % pool->threads];
        while (atomic_load_explicit(&share->next, memory_order_relaxed) < share->end) {
            const size_t task = atomic_fetch_add_explicit(&share->next, 1, memory_order_relaxed);
            if (task < share->end) pool->task(pool->context, task, thread);
        }
    }
}

static void spin(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

static void *work(void *argument) {
    const lode_worker *worker = argument;
    lode_pool *pool = worker->pool;
    uint_fast64_t seen = 0;
    for (;;) {
        int spins = pool->spins;
        while (atomic_load_explicit(&pool->generation, memory_order_acquire) == seen && spins > 0) {
            spins--;
            spin();
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
        run_shares(pool, worker->number);
        if (atomic_fetch_sub_explicit(&pool->running, 1, memory_order_acq_rel) == 1) {
            (void)pthread_mutex_lock(&pool->mutex);
            (void)pthread_cond_signal(&pool->done);
            (void)pthread_mutex_unlock(&pool->mutex);
        }
    }
}

/// Start the workers with every signal blocked: signals are the business of the caller's threads.
static lode_status start_workers(lode_pool *pool, lode_error *error) {
    sigset_t all, before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    for (size_t i = 1; i < pool->threads; i++) {
        lode_worker *worker = &pool->workers[i - 1];
        *worker = (lode_worker){.pool = pool, .number = i};
        if (pthread_create(&worker->thread, NULL, work, worker) != 0) break;
        pool->started++;
    }
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (pool->started == pool->threads - 1) return LODE_OK;
    return lode__fail(error, LODE_E_SYSTEM, "cannot start thread %zu of %zu; ask for fewer threads",
                      pool->started + 2, pool->threads);
}

lode_status lode__pool_new(lode_pool **out, size_t threads, lode_error *error) {
    *out = NULL;
    if (threads < 1 || threads > MOST_THREADS) {
        return lode__fail(error, LODE_E_CONFIG, "%zu threads: expected 1 to %d", threads,
                          MOST_THREADS);
    }
    lode_pool *pool = lode__alloc(1, sizeof *pool);
    if (pool == NULL) return lode__fail_memory(error);
    pool->threads = threads;
    pool->workers = lode__alloc(threads, sizeof *pool->workers);
    pool->shares = lode__huge_alloc(threads, sizeof *pool->shares);
    if (pool->workers == NULL || pool->shares == NULL) {
        lode__huge_free(pool->shares, threads, sizeof *pool->shares);
        lode__free(pool->workers);
        lode__free(pool);
        return lode__fail_memory(error);
    }
    (void)pthread_mutex_init(&pool->mutex, NULL);
    (void)pthread_cond_init(&pool->wake, NULL);
    (void)pthread_cond_init(&pool->done, NULL);
    pool->spins = threads <= lode__processor_count() ? SPINS : 0;
    const lode_status status = start_workers(pool, error);
    if (status != LODE_OK) lode__pool_free(&pool);
    *out = pool;
    return status;
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
    lode__huge_free((*pool)->shares, (*pool)->threads, sizeof *(*pool)->shares);
    lode__free((*pool)->workers);
    lode__free(*pool);
    *pool = NULL;
}

size_t lode__pool_threads(const lode_pool *pool) {
    return pool != NULL ? pool->threads : 1;
}

void lode__pool_run(lode_pool *pool, size_t count, lode_task *task, void *context) {
    if (pool == NULL || pool->threads == 1 || count <= 1) {
        for (size_t i = 0; i < count; i++)
            task(context, i, 0);
        return;
    }
    pool->task = task;
    pool->context = context;
    deal(pool, count);
    atomic_store_explicit(&pool->running, pool->threads - 1, memory_order_relaxed);
    announce(pool);
    run_shares(pool, 0);
    for (int spins = pool->spins; spins > 0; spins--) {
        if (atomic_load_explicit(&pool->running, memory_order_acquire) == 0) return;
        spin();
    }
    (void)pthread_mutex_lock(&pool->mutex);
    while (atomic_load_explicit(&pool->running, memory_order_acquire) != 0) {
        (void)pthread_cond_wait(&pool->done, &pool->mutex);
    }
    (void)pthread_mutex_unlock(&pool->mutex);
}
