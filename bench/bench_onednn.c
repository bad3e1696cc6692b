/// Matrix products beside oneDNN's, in turns on the same operands: every shape of the towers, in one
/// thread and in two.
///
///     bench_onednn [f32 | bf16] [t1 | t2] [packed | plain | turned]
///
/// Two lines a shape: the share of the roofline, then `versus product-SHAPE-PRECISION OURS PEER RATIO TARGET`
/// with both in GFLOP/s, medians of rounds in turns. oneDNN gets its best way:
/// prepacked weights where ours are packed, and the faster of its matmul primitive and its sgemm. The
/// roofline is the smaller of two: multiply-adds on registers, and operands at the speed of memory where
/// they do not fit the caches. Built only where oneDNN 2 is installed (Debian: libdnnl-dev).
#include "bench/bench.h"
#include "measure.h"

#include "base/pool.h"

#include <immintrin.h>
#include <omp.h>
#include <oneapi/dnnl/dnnl.h>
#include <sched.h>
#include <stdatomic.h>

enum { ROUNDS = 5, TILE = 128, COLUMNS = 512, CACHE = 16 << 20 };
static const double TARGET = 1.0, SLICE = 0.02;

typedef struct shape {
    size_t m, n, k;
    bool transposed, packed;
    const char *note;
} shape;

static const shape shapes[] = {
    {4096, 4096, 64, false, true, "in-batch scores, written"},
    {4096, 128, 128, false, true, "item tower"},
    {4096, 128, 1280, false, true, "text projection"},
    {81920, 64, 64, false, true, "token layer"},
    {81920, 256, 64, false, true, "feed-forward up"},
    {81920, 64, 256, false, true, "feed-forward down"},
    {81920, 192, 64, false, true, "query, key, value"},
    {256, 262144, 64, false, true, "scores of a catalogue, written"},
    {1280, 128, 4096, true, false, "weight gradient"},
    {4096, 64, 4096, false, false, "scores' gradient"},
    {64, 4096, 64, false, true, "in-batch scores, a tile"},
    {64, 4096, 64, false, false, "the same, B not packed"},
    {64, 256, 2048, true, false, "weight gradient, a chunk"},
    {256, 64, 2048, true, false, "weight gradient, a chunk"},
    {64, 64, 2048, true, false, "weight gradient, a chunk"},
    {256, 64, 4096, false, false, "scores' gradient, a tile"},
    {20, 64, 64, false, true, "one sequence"},
    {1, 256, 64, false, true, "one row"},
};

// ------------------------------------------------------------------------------------------------
// Ours
// ------------------------------------------------------------------------------------------------

typedef struct product {
    const shape *s;
    const void *a, *b;
    void *c;
    bool wide;       // of bfloat16: C in floats
    bool by_columns; // tasks are columns, not rows
    lode_pool *pool;
    float *scratch[2];
} product;

/// The part of a task: rows i .. i + m, columns j .. j + n.
typedef struct part {
    size_t i, m, j, n;
} part;

static part part_of(const product *p, size_t task) {
    const size_t step = p->by_columns ? COLUMNS : TILE, first = task * step;
    if (p->by_columns) return (part){0, p->s->m, first, LODE_MIN(p->s->n - first, step)};
    return (part){first, LODE_MIN(p->s->m - first, step), 0, p->s->n};
}

/// Elements of packed B before column j.
static size_t packed_before(const product *p, size_t j, size_t depth) {
    return p->s->packed ? j * ((p->s->k + depth - 1) / depth * depth) : j;
}

static void task_f32(void *context, size_t task, size_t thread) {
    const product *p = context;
    const shape *s = p->s;
    const part at = part_of(p, task);
    const size_t a_row = s->transposed ? 1 : s->k;
    lode__kernels_f32()->gemm(&(struct lode_gemm_f32){
        .m = at.m,
        .n = at.n,
        .k = s->k,
        .a = (const float *)p->a + at.i * a_row,
        .a_row = a_row,
        .a_column = s->transposed ? s->m : 1,
        .b = (const float *)p->b + packed_before(p, at.j, 1),
        .b_row = s->n,
        .b_packed = s->packed,
        .c = (float *)p->c + at.i * s->n + at.j,
        .c_row = s->n,
        .scratch = p->scratch[thread],
    });
}

static void task_b16(void *context, size_t task, size_t thread) {
    const product *p = context;
    const shape *s = p->s;
    const part at = part_of(p, task);
    const struct lode_kernels_b16 *kernels = lode__kernels_b16();
    const size_t a_row = s->transposed ? 1 : s->k, c = at.i * s->n + at.j;
    kernels->gemm(&(struct lode_gemm_b16){
        .m = at.m,
        .n = at.n,
        .k = s->k,
        .a = (const lode_bf16 *)p->a + at.i * a_row,
        .a_row = a_row,
        .a_column = s->transposed ? s->m : 1,
        .b = (const lode_bf16 *)p->b + packed_before(p, at.j, kernels->depth),
        .b_row = s->n,
        .b_packed = s->packed,
        .c = p->wide ? NULL : (lode_bf16 *)p->c + c,
        .wide = p->wide ? (float *)p->c + c : NULL,
        .c_row = s->n,
        .scratch = p->scratch[thread],
    });
}

static void run_tasks(product *p, lode_task *task) {
    const size_t work = p->by_columns ? p->s->n : p->s->m, step = p->by_columns ? COLUMNS : TILE;
    lode__pool_run(p->pool, (work + step - 1) / step, task, p);
}

static void run_f32(void *argument) {
    run_tasks(argument, task_f32);
}

static void run_b16(void *argument) {
    run_tasks(argument, task_b16);
}

// ------------------------------------------------------------------------------------------------
// oneDNN's
// ------------------------------------------------------------------------------------------------

static void must(dnnl_status_t status, const char *what) {
    if (status == dnnl_success) return;
    fprintf(stderr, "bench_onednn: %s: status %d\n", what, (int)status);
    exit(1);
}

static dnnl_engine_t engine;
static dnnl_stream_t stream;

typedef struct matmul {
    dnnl_primitive_t primitive;
    dnnl_memory_t memory[3];
    dnnl_exec_arg_t arguments[3];
    const char *name;
} matmul;

static dnnl_memory_t memory_of(const dnnl_memory_desc_t *desc, void *data) {
    dnnl_memory_t memory;
    must(dnnl_memory_create(&memory, desc, engine, data), "memory");
    return memory;
}

static dnnl_memory_desc_t matrix(size_t rows, size_t columns, dnnl_data_type_t type,
                                 dnnl_format_tag_t tag) {
    const dnnl_dims_t dims = {(dnnl_dim_t)rows, (dnnl_dim_t)columns};
    dnnl_memory_desc_t desc;
    must(dnnl_memory_desc_init_by_tag(&desc, 2, dims, type, tag), "descriptor");
    return desc;
}

/// oneDNN's memory for the weights in the form that it likes best, if they are to be packed.
static dnnl_memory_t weights_for(const_dnnl_primitive_desc_t chosen,
                                 const dnnl_memory_desc_t *plain, void *b) {
    const dnnl_memory_desc_t *wanted = dnnl_primitive_desc_query_md(chosen, dnnl_query_weights_md, 0);
    if (dnnl_memory_desc_equal(wanted, plain)) return memory_of(plain, b);
    dnnl_memory_t from = memory_of(plain, b), to = memory_of(wanted, DNNL_MEMORY_ALLOCATE);
    dnnl_primitive_desc_t pd;
    must(dnnl_reorder_primitive_desc_create(&pd, plain, engine, wanted, engine, NULL), "reorder");
    dnnl_primitive_t reorder;
    must(dnnl_primitive_create(&reorder, pd), "reorder");
    const dnnl_exec_arg_t arguments[] = {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}};
    must(dnnl_primitive_execute(reorder, stream, 2, arguments), "reorder");
    must(dnnl_stream_wait(stream), "reorder");
    dnnl_primitive_destroy(reorder);
    dnnl_primitive_desc_destroy(pd);
    dnnl_memory_destroy(from);
    return to;
}

static void matmul_make(matmul *self, const shape *s, dnnl_data_type_t in, dnnl_data_type_t out,
                        void *a, void *b, void *c) {
    const dnnl_memory_desc_t src = matrix(s->m, s->k, in, s->transposed ? dnnl_ba : dnnl_ab);
    const dnnl_memory_desc_t plain = matrix(s->k, s->n, in, dnnl_ab);
    const dnnl_memory_desc_t any = matrix(s->k, s->n, in, dnnl_format_tag_any);
    const dnnl_memory_desc_t dst = matrix(s->m, s->n, out, dnnl_ab);
    dnnl_matmul_desc_t desc;
    must(dnnl_matmul_desc_init(&desc, &src, s->packed ? &any : &plain, NULL, &dst), "matmul");
    dnnl_primitive_desc_t pd;
    must(dnnl_primitive_desc_create(&pd, &desc, NULL, engine, NULL), "matmul");
    must(dnnl_primitive_create(&self->primitive, pd), "matmul");
    must(dnnl_primitive_desc_query(pd, dnnl_query_impl_info_str, 0, (void *)&self->name), "name");
    self->memory[0] = memory_of(&src, a);
    self->memory[1] = weights_for(pd, &plain, b);
    self->memory[2] = memory_of(&dst, c);
    self->arguments[0] = (dnnl_exec_arg_t){DNNL_ARG_SRC, self->memory[0]};
    self->arguments[1] = (dnnl_exec_arg_t){DNNL_ARG_WEIGHTS, self->memory[1]};
    self->arguments[2] = (dnnl_exec_arg_t){DNNL_ARG_DST, self->memory[2]};
    dnnl_primitive_desc_destroy(pd);
}

static void matmul_free(matmul *self) {
    dnnl_primitive_destroy(self->primitive);
    for (size_t i = 0; i < 3; i++) {
        dnnl_memory_destroy(self->memory[i]);
    }
}

static void run_matmul(void *argument) {
    matmul *self = argument;
    must(dnnl_primitive_execute(self->primitive, stream, 3, self->arguments), "execute");
    must(dnnl_stream_wait(stream), "wait");
}

typedef struct sgemm {
    const shape *s;
    const float *a, *b;
    float *c;
} sgemm;

static void run_sgemm(void *argument) {
    const sgemm *p = argument;
    const dnnl_dim_t m = (dnnl_dim_t)p->s->m, n = (dnnl_dim_t)p->s->n, k = (dnnl_dim_t)p->s->k;
    must(dnnl_sgemm(p->s->transposed ? 'T' : 'N', 'N', m, n, k, 1, p->a, p->s->transposed ? m : k,
                    p->b, n, 0, p->c, n),
         "sgemm");
}

// ------------------------------------------------------------------------------------------------
// Ceilings
// ------------------------------------------------------------------------------------------------

/// A thread of ours and one of oneDNN's on each processor, for good: a scheduler may leave two on one.
static void stay(size_t processor) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(processor, &set);
    (void)sched_setaffinity(0, sizeof set, &set);
}

/// Every thread has one of these: none ends before all have begun, so that nobody takes another's.
static void stay_task(void *context, size_t task, size_t thread) {
    atomic_size_t *missing = context;
    (void)task;
    stay(thread);
    atomic_fetch_sub(missing, 1);
    while (atomic_load(missing) > 0)
        (void)sched_yield();
}

static void pin(lode_pool *pool) {
    atomic_size_t missing = lode__pool_threads(pool);
    lode__pool_run(pool, lode__pool_threads(pool), stay_task, &missing);
#pragma omp parallel
    stay((size_t)omp_get_thread_num());
}

typedef struct sweep {
    lode_pool *pool;
    const float *from;
    float *to;
} sweep;

enum { SWEEP = 32 << 20, SWEEP_TASKS = 64 };

__attribute__((target("avx512f"))) static void sweep_task(void *context, size_t task, size_t thread) {
    (void)thread;
    const sweep *s = context;
    const size_t step = SWEEP / SWEEP_TASKS;
    for (size_t i = task * step; i < (task + 1) * step; i += 16) {
        _mm512_stream_ps(s->to + i, _mm512_load_ps(s->from + i));
    }
}

static void run_sweep(void *argument) {
    sweep *s = argument;
    lode__pool_run(s->pool, SWEEP_TASKS, sweep_task, s);
}

typedef struct ceilings {
    double flops, bytes; // 1e9 a second
} ceilings;

static ceilings measure_ceilings(lode_pool *pool, bool b16) {
    const lode_bench_effort effort = {15, 0.01};
    const double flops = lode__bench_peak(b16 ? LODE_BENCH_B16 : LODE_BENCH_F32, pool, &effort);
    sweep s = {pool, array(SWEEP, 1), array(SWEEP, 1)};
    const double seconds = measure(run_sweep, &s);
    free((void *)(uintptr_t)s.from), free(s.to);
    return (ceilings){1e-9 * flops, 2e-9 * SWEEP * sizeof(float) / seconds};
}

static double roofline(const shape *s, const ceilings *limit, double in, double out) {
    const double m = (double)s->m, n = (double)s->n, k = (double)s->k;
    const double bytes = in * (m * k + k * n) + out * m * n;
    if (bytes <= CACHE) return limit->flops;
    return LODE_MIN(limit->flops, 2 * m * n * k / bytes * limit->bytes);
}

// ------------------------------------------------------------------------------------------------
// In turns
// ------------------------------------------------------------------------------------------------

typedef struct contender {
    void (*run)(void *);
    void *argument;
    size_t repeats;
    double rounds[ROUNDS];
} contender;

static void take_turns(contender *all, size_t count) {
    for (size_t i = 0; i < count; i++) {
        all[i].run(all[i].argument);
        all[i].repeats = repeats_for(all[i].run, all[i].argument, SLICE);
    }
    for (size_t round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < count; i++) {
            all[i].rounds[round] = time_calls(all[i].run, all[i].argument, all[i].repeats);
        }
    }
}

typedef struct operands {
    void *a, *b, *c, *packed;
} operands;

static operands operands_f32(const shape *s) {
    const struct lode_kernels_f32 *kernels = lode__kernels_f32();
    const size_t padded = (s->n + kernels->panel - 1) / kernels->panel * kernels->panel;
    operands o = {array(s->m * s->k, 1), array(s->k * s->n, 1), array(s->m * s->n, 1),
                  array(s->k * padded, 1)};
    kernels->pack(s->k, s->n, o.b, s->n, 1, o.packed);
    return o;
}

static lode_bf16 *narrowed(float *x, size_t n) {
    lode_bf16 *y = bytes_or_exit(n * sizeof *y);
    lode__kernels_b16()->narrow(n, x, y);
    free(x);
    return y;
}

static operands operands_b16(const shape *s) {
    const struct lode_kernels_b16 *kernels = lode__kernels_b16();
    const size_t padded = (s->n + kernels->panel - 1) / kernels->panel * kernels->panel;
    const size_t depth = (s->k + kernels->depth - 1) / kernels->depth * kernels->depth;
    operands o = {narrowed(array(s->m * s->k, 1), s->m * s->k),
                  narrowed(array(s->k * s->n, 1), s->k * s->n), array(s->m * s->n, 1),
                  bytes_or_exit(depth * padded * sizeof(lode_bf16))};
    kernels->pack_stored(s->k, s->n, o.b, s->n, 1, o.packed);
    return o;
}

static float element(const void *c, bool stored, size_t i) {
    return stored ? lode__bf16_widen(((const lode_bf16 *)c)[i]) : ((const float *)c)[i];
}

/// The largest difference between our C and oneDNN's, as a share of the largest element.
static double difference(const shape *s, bool stored, void *c, contender *ours, contender *theirs) {
    const size_t count = s->m * s->n, size = stored ? sizeof(lode_bf16) : sizeof(float);
    void *other = bytes_or_exit(count * size);
    theirs->run(theirs->argument);
    memcpy(other, c, count * size);
    ours->run(ours->argument);
    double most = 0, largest = 0;
    for (size_t i = 0; i < count; i++) {
        const double x = (double)element(c, stored, i), y = (double)element(other, stored, i);
        const double apart = x > y ? x - y : y - x;
        most = LODE_MAX(most, apart);
        largest = LODE_MAX(largest, y);
    }
    free(other);
    return most / largest;
}

static void report(const shape *s, bool b16, size_t threads, const ceilings *limit,
                   const contender *all, size_t count, double apart) {
    const double work = 2e-9 * (double)s->m * (double)s->n * (double)s->k;
    double speed[3] = {0};
    for (size_t i = 0; i < count; i++) {
        double rounds[ROUNDS];
        memcpy(rounds, all[i].rounds, sizeof rounds);
        speed[i] = work / median(rounds, ROUNDS);
    }
    const double peer = LODE_MAX(speed[1], speed[2]);
    const double bound =
        b16 ? roofline(s, limit, 2, s->transposed ? 4 : 2) : roofline(s, limit, 4, 4);
    printf(
        "  %s, %zu thread%s, B %s: %.0f %% of the roofline; oneDNN's %s; results differ by %.1g\n",
        s->note, threads, threads > 1 ? "s" : "", s->packed ? "packed" : "plain",
        100 * speed[0] / bound, speed[1] >= speed[2] ? "matmul" : "sgemm", apart);
    printf("versus product-%zux%zux%zu%s-t%zu-%s %.1f %.1f %.2f %.2f\n", s->m, s->n, s->k,
           s->transposed ? "-turned"
           : s->packed   ? ""
                         : "-plain",
           threads, b16 ? "bf16" : "f32", speed[0], peer, speed[0] / peer, TARGET);
    fflush(stdout);
}

static void bench_shape(const shape *s, bool b16, lode_pool *pool, const ceilings *limit) {
    operands o = b16 ? operands_b16(s) : operands_f32(s);
    product ours = {.s = s, .a = o.a, .b = s->packed ? o.packed : o.b, .c = o.c, .pool = pool};
    ours.wide = s->transposed;
    ours.by_columns = s->m < 2 * TILE && s->n > COLUMNS;
    ours.scratch[0] = array(LODE_GEMM_SCRATCH, 0);
    ours.scratch[1] = array(LODE_GEMM_SCRATCH, 0);
    matmul theirs;
    matmul_make(&theirs, s, b16 ? dnnl_bf16 : dnnl_f32,
                b16 && !s->transposed ? dnnl_bf16 : dnnl_f32, o.a, o.b, o.c);
    sgemm blas = {s, o.a, o.b, o.c};
    contender all[3] = {{b16 ? run_b16 : run_f32, &ours, 0, {0}},
                        {run_matmul, &theirs, 0, {0}},
                        {run_sgemm, &blas, 0, {0}}};
    const size_t count = b16 ? 2 : 3;
    take_turns(all, count);
    const double apart = difference(s, b16 && !ours.wide, o.c, &all[0], &all[1]);
    report(s, b16, lode__pool_threads(pool), limit, all, count, apart);
    matmul_free(&theirs);
    free(o.a), free(o.b), free(o.c), free(o.packed), free(ours.scratch[0]), free(ours.scratch[1]);
}

static bool wanted(const char *what, int count, char **arguments, const char *const *all, size_t n) {
    bool any = false;
    for (int i = 1; i < count; i++) {
        for (size_t j = 0; j < n; j++) {
            any = any || strcmp(arguments[i], all[j]) == 0;
        }
    }
    for (int i = 1; any && i < count; i++) {
        if (strcmp(arguments[i], what) == 0) return true;
    }
    return !any;
}

int main(int count, char **arguments) {
    static const char *const precisions[] = {"f32", "bf16"}, *const pools[] = {"t1", "t2"};
    static const char *const kinds[] = {"packed", "plain", "turned"};
    must(dnnl_engine_create(&engine, dnnl_cpu, 0), "engine");
    must(dnnl_stream_create(&stream, engine, dnnl_stream_default_flags), "stream");
    for (size_t run = 0; run < 4; run++) {
        const size_t b16 = run / 2, threads = run % 2 + 1;
        if (!wanted(precisions[b16], count, arguments, precisions, 2)) continue;
        if (!wanted(pools[threads - 1], count, arguments, pools, 2)) continue;
        lode_pool *pool;
        lode_error error;
        if (lode__pool_new(&pool, threads, &error) != LODE_OK) return 1;
        omp_set_num_threads((int)threads);
        pin(pool);
        const ceilings limit = measure_ceilings(pool, b16);
        printf("# level %s, %s, threads %zu: peak %.1f GFLOP/s on registers, memory copies %.1f "
               "GB/s\n",
               lode_cpu_level(), precisions[b16], threads, limit.flops, limit.bytes);
        for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
            const shape *s = &shapes[i];
            const char *kind = kinds[s->transposed ? 2 : s->packed ? 0 : 1];
            const bool one_task = s->m <= TILE && s->n <= COLUMNS;
            if (threads > 1 && one_task) continue;
            if (wanted(kind, count, arguments, kinds, 3)) bench_shape(s, b16, pool, &limit);
        }
        lode__pool_free(&pool);
    }
    return 0;
}
