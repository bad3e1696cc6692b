/// Arrays for kernel tests: between two pages that fault, flush with the one or the other, with a copy in
/// double for the reference.
#ifndef LODE_TESTS_KERNEL_GUARDED_H
#define LODE_TESTS_KERNEL_GUARDED_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "kernel/kernel.h"

enum { GUARDED_ARRAYS = 256 };

static struct guarded_page {
    void *base;
    size_t bytes;
} guarded_pages[GUARDED_ARRAYS];
static size_t guarded_count;
static uint64_t guarded_state = 1;

static inline uint32_t draw(uint32_t bound) {
    guarded_state = guarded_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(guarded_state >> 33) % bound;
}

static inline double draw_real(void) {
    return (double)draw(1 << 24) / (1 << 23) - 1;
}

/// `bytes` bytes that end (or, `front`, begin) where memory ends.
static inline void *guarded(size_t bytes, bool front) {
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    const size_t inside = (bytes + page - 1) / page * page;
    assert_true(guarded_count < GUARDED_ARRAYS);
    char *base = mmap(NULL, inside + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(base != MAP_FAILED);
    if (inside > 0) assert_int_equal(mprotect(base + page, inside, PROT_READ | PROT_WRITE), 0);
    guarded_pages[guarded_count++] = (struct guarded_page){base, inside + 2 * page};
    return front ? base + page : base + page + inside - bytes;
}

static inline void guarded_release(void) {
    while (guarded_count > 0) {
        guarded_count--;
        munmap(guarded_pages[guarded_count].base, guarded_pages[guarded_count].bytes);
    }
}

/// The same numbers twice.
typedef struct pair {
    size_t n;
    float *f32;
    double *f64;
} pair;

static inline pair pair_make(size_t n, double scale, bool front) {
    pair p = {n, guarded(n * sizeof(float), front), guarded(n * sizeof(double), false)};
    for (size_t i = 0; i < n; i++) {
        p.f32[i] = (float)(scale * draw_real());
        p.f64[i] = (double)p.f32[i];
    }
    return p;
}

static inline void pair_set(pair *p, size_t i, float x) {
    p->f32[i] = x;
    p->f64[i] = (double)x;
}

static inline void check_one(float got, double want, double atol, double rtol, const char *what,
                             size_t at) {
    if (isnan(want) ? isnan(got) : (double)got == want) return;
    const double error = fabs((double)got - want);
    if (isnan(want) || isinf(want) || !(error <= atol + rtol * fabs(want))) {
        fail_msg("%s: [%zu] is %.9g, expected %.9g", what, at, (double)got, want);
    }
}

static inline void check(pair p, double atol, double rtol, const char *what) {
    for (size_t i = 0; i < p.n; i++) {
        check_one(p.f32[i], p.f64[i], atol, rtol, what, i);
    }
}

/// Run `body` for the table of every level of this machine, as `kernels`, with arrays flush with the end
/// and with the beginning of memory, as `front`. Levels above AVX-512 have its float table.
#define EVERY_LEVEL(kernels, front, ...)                                                           \
    for (lode_level level = 0; level <= LODE_LEVEL_AVX512; level++) {                              \
        const struct lode_kernels_f32 *kernels = lode__kernels_at(level);                          \
        for (int front = 0; kernels != NULL && front < 2; front++) {                               \
            __VA_ARGS__                                                                            \
            guarded_release();                                                                     \
        }                                                                                          \
    }

#endif
