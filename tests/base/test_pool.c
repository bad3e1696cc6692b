#include "base/pool.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#include "../check.h"

enum { TASKS = 1000 };

typedef struct job {
    int runs[TASKS];
    size_t thread[TASKS];
} job;

static void mark(void *context, size_t task, size_t thread) {
    job *out = context;
    out->runs[task]++;
    out->thread[task] = thread;
}

static void test_every_task_runs_once(void **state) {
    (void)state;
    static const size_t threads[] = {1, 2, 3, 8}, counts[] = {0, 1, 2, 7, 8, 9, TASKS};
    for (size_t t = 0; t < 4; t++) {
        lode_pool *pool = NULL;
        lode_error error = {0};
        assert_ok(lode__pool_new(&pool, threads[t], &error), error);
        assert_int_equal(lode__pool_threads(pool), threads[t]);
        for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
            job out = {0};
            lode__pool_run(pool, counts[c], mark, &out);
            for (size_t i = 0; i < TASKS; i++) {
                assert_int_equal(out.runs[i], i < counts[c]);
                assert_true(out.thread[i] < threads[t]);
            }
        }
        lode__pool_free(&pool);
        assert_null(pool);
    }
}

static void add(void *context, size_t task, size_t thread) {
    (void)thread;
    ((size_t *)context)[task]++;
}

/// Many short regions one after the other: no wake-up is lost, no region overlaps the next.
static void test_many_regions(void **state) {
    (void)state;
    for (size_t threads = 2; threads <= 4; threads++) {
        lode_pool *pool = NULL;
        lode_error error = {0};
        size_t counts[5] = {0};
        assert_ok(lode__pool_new(&pool, threads, &error), error);
        for (int i = 0; i < 3000; i++) {
            lode__pool_run(pool, 5, add, counts);
            if (i % 1000 == 999) usleep(2000); // the workers go to sleep
        }
        for (int i = 0; i < 5; i++)
            assert_int_equal(counts[i], 3000);
        lode__pool_free(&pool);
    }
}

/// Two threads can only meet when both run tasks at the same time.
static void meet(void *context, size_t task, size_t thread) {
    (void)task, (void)thread;
    atomic_int *here = context;
    atomic_fetch_add(here, 1);
    for (int i = 0; i < 5000 && atomic_load(here) < 2; i++)
        usleep(1000);
}

typedef struct masks {
    atomic_int here;
    int blocked[2];
} masks;

static void note_mask(void *context, size_t task, size_t thread) {
    masks *out = context;
    sigset_t mask;
    meet(&out->here, task, thread); // so that both threads have one
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    out->blocked[thread] = sigismember(&mask, SIGINT);
}

typedef struct helpers {
    atomic_int done;
    size_t thread[4];
} helpers;

/// A task that ends when all others have: someone must take the rest of its share.
static void wait_for_others(void *context, size_t task, size_t thread) {
    helpers *self = context;
    self->thread[task] = thread;
    for (int i = 0; task == 2 && i < 5000 && atomic_load(&self->done) < 3; i++)
        usleep(1000);
    if (task != 2 || atomic_load(&self->done) == 3) atomic_fetch_add(&self->done, 1);
}

static void test_others_help(void **state) {
    (void)state;
    lode_pool *pool = NULL;
    lode_error error = {0};
    assert_ok(lode__pool_new(&pool, 2, &error), error);
    for (int i = 0; i < 20; i++) {
        helpers self = {0}; // tasks 0 and 1 are the caller's, 2 and 3 the worker's
        lode__pool_run(pool, 4, wait_for_others, &self);
        assert_int_equal(atomic_load(&self.done), 4);
        assert_true(self.thread[2] != self.thread[3]); // a helper keeps its number, and so its scratch
    }
    lode__pool_free(&pool);
}

static void test_threads_run_beside_each_other(void **state) {
    (void)state;
    lode_pool *pool = NULL;
    lode_error error = {0};
    assert_ok(lode__pool_new(&pool, 2, &error), error);
    atomic_int here = 0;
    lode__pool_run(pool, 2, meet, &here);
    assert_int_equal(atomic_load(&here), 2);
    masks out = {.blocked = {-1, -1}};
    lode__pool_run(pool, 2, note_mask, &out);
    assert_int_equal(out.blocked[0], 0); // the caller takes part and keeps its signals
    assert_int_equal(out.blocked[1], 1);
    lode__pool_free(&pool);
}

static void test_limits(void **state) {
    (void)state;
    static const size_t wrong[] = {0, 257, SIZE_MAX};
    for (size_t i = 0; i < 3; i++) {
        lode_pool *pool = NULL;
        lode_error error = {0};
        assert_fails(lode__pool_new(&pool, wrong[i], &error), LODE_E_CONFIG, error, "1 to 256");
        assert_null(pool);
    }
    lode_pool *none = NULL;
    lode__pool_free(&none);
    assert_int_equal(lode__pool_threads(NULL), 1);
    job out = {0};
    lode__pool_run(NULL, 3, mark, &out);
    assert_int_equal(out.runs[0] + out.runs[1] + out.runs[2], 3);
    assert_int_equal(out.runs[3], 0);
    assert_true(lode__processor_count() >= 1 && lode__processor_count() < 100000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_task_runs_once),
        cmocka_unit_test(test_many_regions),
        cmocka_unit_test(test_threads_run_beside_each_other),
        cmocka_unit_test(test_others_help),
        cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
