/// Bandwidth of memory: reading, writing and copying arrays of four sizes, one for each level of memory, and random rows of
/// 256 bytes from a table far above the caches.
///
/// Loops over 64-byte vectors, compiled for the widest registers; far above the caches memset and memcpy of the C library
/// are tried too, which avoid reading what they overwrite, and the better counts (a copy counts what is read and what
/// is written). Rows are copied to a few rows that stay in the first level, requested some ahead; the table has huge
/// pages where the system gives them. With several threads each has an array of its own; rows come from the one table.
#include "bench/bench.h"

#include <string.h>
#include <unistd.h>

enum { ROW = 256, RING = 16, AHEAD = 12 };

static const char *const level_names[LODE_BENCH_LEVELS] = {"L1", "L2", "L3", "memory"};

typedef uint64_t lanes __attribute__((vector_size(64)));

typedef struct loops {
    uint64_t (*read)(const uint8_t *array, size_t bytes);
    void (*write)(uint8_t *array, size_t bytes);
    void (*update)(uint8_t *array, size_t bytes);
    void (*copy)(const uint8_t *from, uint8_t *to, size_t bytes);
    void (*rows)(const uint8_t *table, const uint32_t *rows, size_t count, uint8_t *ring);
    void (*update_rows)(uint8_t *table, const uint32_t *rows, size_t count);
} loops;

typedef struct memory {
    lode_pool *pool;
    const loops *loops;
    size_t bytes, repeats; // of an array; how often a call goes over it
    uint8_t *arrays;       // [threads, stride]
    size_t stride;
    uint64_t sum; // so that reading is not left out
    uint8_t *table;
    const uint32_t *rows; // [threads, count]
    size_t count;
} memory;

#define LOOPS(level, attribute)                                                                     \
    attribute static uint64_t read_##level(const uint8_t *array, size_t bytes) {                    \
        lanes a = {0}, b = {0}, c = {0}, d = {0};                                                   \
        for (size_t i = 0; i + 256 <= bytes; i += 256) {                                            \
            const lanes *x = (const lanes *)(const void *)(array + i);                              \
            a += x[0], b += x[1], c += x[2], d += x[3];                                             \
        }                                                                                           \
        a += b, c += d, a += c;                                                                     \
        return a[0] + a[1] + a[2] + a[3] + a[4] + a[5] + a[6] + a[7];                               \
    }                                                                                               \
    attribute static void write_##level(uint8_t *array, size_t bytes) {                             \
        const lanes value = {1, 2, 3, 4, 5, 6, 7, 8};                                               \
        for (size_t i = 0; i + 256 <= bytes; i += 256) {                                            \
            lanes *x = (lanes *)(void *)(array + i);                                                \
            x[0] = value, x[1] = value, x[2] = value, x[3] = value;                                 \
            __asm__ volatile("" ::: "memory");                                                      \
        }                                                                                           \
    }                                                                                               \
    attribute static void update_##level(uint8_t *array, size_t bytes) {                            \
        const lanes value = {1, 2, 3, 4, 5, 6, 7, 8};                                               \
        for (size_t i = 0; i + 256 <= bytes; i += 256) {                                            \
            lanes *x = (lanes *)(void *)(array + i);                                                \
            x[0] += value, x[1] += value, x[2] += value, x[3] += value;                             \
            __asm__ volatile("" ::: "memory");                                                      \
        }                                                                                           \
    }                                                                                               \
    attribute static void copy_##level(const uint8_t *from, uint8_t *to, size_t bytes) {            \
        for (size_t i = 0; i + 256 <= bytes; i += 256) {                                            \
            const lanes *x = (const lanes *)(const void *)(from + i);                               \
            lanes *y = (lanes *)(void *)(to + i);                                                   \
            y[0] = x[0], y[1] = x[1], y[2] = x[2], y[3] = x[3];                                     \
            __asm__ volatile("" ::: "memory");                                                      \
        }                                                                                           \
    }                                                                                               \
    attribute static void rows_##level(const uint8_t *table, const uint32_t *rows, size_t count,    \
                                       uint8_t *ring) {                                             \
        for (size_t i = 0; i < count; i++) {                                                        \
            const uint8_t *next = table + (size_t)rows[i + AHEAD < count ? i + AHEAD : i] * ROW;    \
            __builtin_prefetch(next), __builtin_prefetch(next + 64);                                \
            __builtin_prefetch(next + 128), __builtin_prefetch(next + 192);                         \
            copy_##level(table + (size_t)rows[i] * ROW, ring + i % RING * ROW, ROW);                \
        }                                                                                           \
    }                                                                                               \
    attribute static void update_rows_##level(uint8_t *table, const uint32_t *rows, size_t count) { \
        for (size_t i = 0; i < count; i++) {                                                        \
            const uint8_t *next = table + (size_t)rows[i + AHEAD < count ? i + AHEAD : i] * ROW;    \
            __builtin_prefetch(next, 1), __builtin_prefetch(next + 64, 1);                          \
            __builtin_prefetch(next + 128, 1), __builtin_prefetch(next + 192, 1);                   \
            update_##level(table + (size_t)rows[i] * ROW, ROW);                                     \
        }                                                                                           \
    }                                                                                               \
    static const loops loops_##level = {read_##level, write_##level, update_##level,                \
                                        copy_##level, rows_##level,  update_rows_##level};

LOOPS(plain, )
#if defined(__x86_64__)
LOOPS(avx2, __attribute__((target("avx2"))))
LOOPS(avx512, __attribute__((target("avx512f"))))
#endif

static const loops *widest(void) {
#if defined(__x86_64__)
    if (lode__kernels_at(LODE_LEVEL_AVX512)) return &loops_avx512;
    if (lode__kernels_at(LODE_LEVEL_AVX2)) return &loops_avx2;
#endif
    return &loops_plain;
}

static void set_library(uint8_t *array, size_t bytes) {
    memset(array, 2, bytes);
    __asm__ volatile("" ::: "memory");
}

static void copy_library(const uint8_t *from, uint8_t *to, size_t bytes) {
    memcpy(to, from, bytes);
    __asm__ volatile("" ::: "memory");
}

static const loops loops_library = {read_plain,   set_library, update_plain,
                                    copy_library, rows_plain,  update_rows_plain};

static void read_task(void *context, size_t task, size_t thread) {
    memory *m = context;
    (void)thread;
    for (size_t i = 0; i < m->repeats; i++) {
        const uint64_t sum = m->loops->read(m->arrays + task * m->stride, m->bytes);
        if (sum == 1) __atomic_store_n(&m->sum, sum, __ATOMIC_RELAXED);
    }
}

static void write_task(void *context, size_t task, size_t thread) {
    const memory *m = context;
    (void)thread;
    for (size_t i = 0; i < m->repeats; i++) {
        m->loops->write(m->arrays + task * m->stride, m->bytes);
    }
}

static void update_task(void *context, size_t task, size_t thread) {
    const memory *m = context;
    (void)thread;
    for (size_t i = 0; i < m->repeats; i++) {
        m->loops->update(m->arrays + task * m->stride, m->bytes);
    }
}

static void copy_task(void *context, size_t task, size_t thread) {
    const memory *m = context;
    (void)thread;
    uint8_t *array = m->arrays + task * m->stride;
    for (size_t i = 0; i < m->repeats; i++) {
        m->loops->copy(array + m->bytes / 2, array, m->bytes / 2);
    }
}

static void rows_task(void *context, size_t task, size_t thread) {
    const memory *m = context;
    (void)thread;
    _Alignas(64) uint8_t ring[RING * ROW];
    m->loops->rows(m->table, m->rows + task * m->count, m->count, ring);
}

static void one_update_rows(void *context) {
    const memory *m = context;
    m->loops->update_rows(m->table, m->rows, m->count);
}

#define ONE_AND_ALL(name)                                                                          \
    static void one_##name(void *context) {                                                        \
        name##_task(context, 0, 0);                                                                \
    }                                                                                              \
    static void all_##name(void *context) {                                                        \
        memory *m = context;                                                                       \
        lode__pool_run(m->pool, lode__pool_threads(m->pool), name##_task, m);                      \
    }
ONE_AND_ALL(read)
ONE_AND_ALL(write)
ONE_AND_ALL(update)
ONE_AND_ALL(copy)
ONE_AND_ALL(rows)

// Bytes per second of one thread at best.
static double one(lode_benchmark *bench, const char *what, const char *where, double bytes,
                  void (*single)(void *), void (*every)(void *), memory *m) {
    char name[64];
    const size_t threads = lode__pool_threads(bench->pool);
    const lode_bench_effort effort = {LODE_MIN(bench->effort.passes, (size_t)5),
                                      bench->effort.seconds / 2};
    (void)snprintf(name, sizeof name, "%s, %s", what, where);
    lode_bench_timing timing = lode__bench_measure(&effort, single, m);
    lode__bench_ceiling(bench, name, "GB/s", 1, bytes, &timing);
    const double speed = bytes / timing.best;
    if (threads > 1) {
        timing = lode__bench_measure(&effort, every, m);
        lode__bench_ceiling(bench, name, "GB/s", threads, bytes * (double)threads, &timing);
    }
    return speed;
}

static size_t cache_bytes(int name, size_t fallback) {
    const long bytes = sysconf(name);
    return bytes > 0 ? (size_t)bytes : fallback;
}

static lode_status sequential(lode_benchmark *bench, lode_error *error) {
    lode_bench_ceilings *c = &bench->ceilings;
    const size_t threads = lode__pool_threads(bench->pool);
    c->holds[0] = cache_bytes(_SC_LEVEL1_DCACHE_SIZE, 32 << 10);
    c->holds[1] = cache_bytes(_SC_LEVEL2_CACHE_SIZE, 1 << 20);
    c->holds[2] = cache_bytes(_SC_LEVEL3_CACHE_SIZE, 16 << 20);
    c->holds[3] = SIZE_MAX;
    const size_t far = bench->far / 8;
    const size_t sizes[LODE_BENCH_LEVELS] = {c->holds[0] / 2, c->holds[1] / 2,
                                             c->holds[2] / 2 / threads, far};
    memory m = {.pool = bench->pool, .stride = far, .loops = widest()};
    m.arrays = lode__huge_alloc(threads, far);
    if (m.arrays == NULL) return lode__fail_memory(error);
    memset(m.arrays, 3, threads * far);
    for (size_t level = 0; level < LODE_BENCH_LEVELS; level++) {
        m.bytes = LODE_MIN(sizes[level], far) / 512 * 512;
        m.repeats = LODE_MAX(((size_t)128 << 20) / m.bytes, (size_t)1);
        const double bytes = (double)m.bytes * (double)m.repeats;
        const char *where = level_names[level];
        c->read[level] = one(bench, "read", where, bytes, one_read, all_read, &m);
        (void)one(bench, "write", where, bytes, one_write, all_write, &m);
        c->update[level] = one(bench, "update", where, 2 * bytes, one_update, all_update, &m);
        c->copy[level] = one(bench, "copy", where, bytes, one_copy, all_copy, &m);
    }
    m.loops = &loops_library;
    (void)one(bench, "memset", "memory", (double)m.bytes, one_write, all_write, &m);
    const double copy = one(bench, "memcpy", "memory", (double)m.bytes, one_copy, all_copy, &m);
    c->copy[LODE_BENCH_FAR] = LODE_MAX(c->copy[LODE_BENCH_FAR], copy);
    lode__huge_free(m.arrays, threads, far);
    return LODE_OK;
}

static lode_status random_rows(lode_benchmark *bench, lode_error *error) {
    const size_t threads = lode__pool_threads(bench->pool);
    const size_t bytes = bench->far;
    memory m = {.pool = bench->pool, .loops = widest(), .count = (size_t)1 << 19};
    uint8_t *table = lode__huge_alloc(bytes, 1);
    uint32_t *rows = lode__alloc(m.count * threads, sizeof *rows);
    lode_status status = LODE_OK;
    if (table == NULL || rows == NULL) {
        status = lode__fail_memory(error);
    } else {
        memset(table, 1, bytes);
        uint64_t state = 1;
        for (size_t i = 0; i < m.count * threads; i++) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            rows[i] = (uint32_t)((state >> 32) % (bytes / ROW));
        }
        m.table = table;
        m.rows = rows;
        bench->ceilings.rows = one(bench, "random rows of 256 bytes", "memory",
                                   (double)m.count * ROW, one_rows, all_rows, &m);
        const lode_bench_timing timing = lode__bench_measure(&bench->effort, one_update_rows, &m);
        const double moved = 2 * (double)m.count * ROW;
        lode__bench_ceiling(bench, "update of random rows of 256 bytes, memory", "GB/s", 1, moved,
                            &timing);
        bench->ceilings.update_rows = moved / timing.best;
    }
    lode__huge_free(table, bytes, 1);
    lode__free(rows);
    return status;
}

lode_status lode__bench_bandwidth(lode_benchmark *bench, lode_error *error) {
    LODE_TRY(sequential(bench, error));
    return random_rows(bench, error);
}
