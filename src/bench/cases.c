/// Every kernel of the table on shapes of training, in one thread, in the precision that this file is compiled in.
///
/// `stored` is what activations are kept in, `real` what parameters and statistics are (kernel/real.h). A new kernel gets
/// a case here: what it has to do at least, and a call.
#include "bench/bench.h"
#include "kernel/dropout.h"
#include "kernel/real.h"

#include <string.h>

#if LODE_REAL_BITS != 64

#if LODE_REAL_BITS == 32
#define PRECISION "f32"
#define KERNELS   lode__kernels_f32
#define KEEP      keep_f32
#define PEAK      f32
#else
#define PRECISION "bf16"
#define KERNELS   lode__kernels_b16
#define KEEP      keep_b16
#define PEAK      b16
#endif

enum { SMALL = 4096, LARGE = 16 << 20, WIDTH = 64, BAG = 16 };

typedef struct call {
    const lode_kernels *kernels;
    lode_gemm gemm;
    lode_attention attention;
    size_t n; // elements
    stored *x, *y;
    real *u, *v, *w, *g;
    int32_t *ids;
    uint32_t *index;
    size_t count;
    real result[2];
} call;

static stored *numbers(lode_benchmark *bench, size_t count) {
    real *wide = lode__bench_floats(bench, count, 1);
#if LODE_REAL_BITS == 32
    return wide;
#else
    stored *narrow = lode__bench_hold(bench, count, sizeof *narrow);
    if (!bench->failed) KERNELS()->narrow(count, wide, narrow);
    return narrow;
#endif
}

static void add_case(lode_benchmark *bench, const char *name, lode_bench_work work,
                     void (*run)(void *), call *c) {
    if (!bench->failed)
        lode__bench_case(bench, name, PRECISION, bench->ceilings.PEAK, &work, run, c);
    lode__bench_let_go(bench);
}

// ------------------------------------------------------------------------------------------------
// Matrix products
// ------------------------------------------------------------------------------------------------

static const struct shape {
    const char *name;
    size_t m, n, k;
    enum {
        PACKED,
        PLAIN,
        GRADIENT
    } kind; // GRADIENT: A transposed, the result in full and added to
} shapes[] = {
    {"product 4096x128x1280, user MLP", 4096, 128, 1280, PACKED},
    {"product 4096x128x512, item MLP", 4096, 128, 512, PACKED},
    {"product 4096x64x128, MLP", 4096, 64, 128, PACKED},
    {"product 81920x64x64, token layer", 81920, 64, 64, PACKED},
    {"product 81920x192x64, query key value", 81920, 192, 64, PACKED},
    {"product 81920x256x64, feed-forward up", 81920, 256, 64, PACKED},
    {"product 81920x64x256, feed-forward down", 81920, 64, 256, PACKED},
    {"product 64x4096x64, scores, B plain", 64, 4096, 64, PLAIN},
    {"product 256x64x4096, their gradient, B plain", 256, 64, 4096, PLAIN},
    {"product 1280x128x4096, weight gradient", 1280, 128, 4096, GRADIENT},
    {"product 64x256x2048, weight gradient", 64, 256, 2048, GRADIENT},
    {"product 64x64x2048, weight gradient", 64, 64, 2048, GRADIENT},
    {"product 20x64x64, one sequence", 20, 64, 64, PACKED},
    {"product 1x256x64, one row", 1, 256, 64, PACKED},
};

static void run_product(void *context) {
    const call *c = context;
    c->kernels->gemm(&c->gemm);
}

static void product(lode_benchmark *bench, const struct shape *s) {
    call c = {.kernels = KERNELS()};
    const size_t n_packed = (s->n + c.kernels->panel - 1) / c.kernels->panel * c.kernels->panel;
    const size_t k_packed = (s->k + c.kernels->depth - 1) / c.kernels->depth * c.kernels->depth;
    stored *b = numbers(bench, s->k * s->n);
    stored *packed = lode__bench_hold(bench, k_packed * n_packed, sizeof *packed);
    c.gemm = (lode_gemm){.m = s->m,
                         .n = s->n,
                         .k = s->k,
                         .a = numbers(bench, s->m * s->k),
                         .a_row = s->k,
                         .a_column = 1,
                         .b = b,
                         .b_row = s->n,
                         .c_row = s->n,
                         .scratch = lode__bench_floats(bench, LODE_GEMM_SCRATCH, 0)};
    if (s->kind == GRADIENT) {
        c.gemm.a_row = 1;
        c.gemm.a_column = s->m;
        c.gemm.wide = lode__bench_floats(bench, s->m * s->n, 1);
        c.gemm.accumulate = true;
    } else {
        c.gemm.c = lode__bench_hold(bench, s->m * s->n, sizeof(stored));
        c.gemm.bias = lode__bench_floats(bench, s->n, 1);
        c.gemm.activation = LODE_RELU;
    }
    if (s->kind == PACKED && !bench->failed) {
        c.kernels->pack_stored(s->k, s->n, b, s->n, 1, packed);
        c.gemm.b = packed;
        c.gemm.b_packed = true;
    }
    add_case(bench, s->name,
             lode__bench_product(s->m, s->n, s->k, sizeof(stored),
                                 s->kind == GRADIENT ? sizeof(real) : sizeof(stored),
                                 s->kind == GRADIENT),
             run_product, &c);
}

// ------------------------------------------------------------------------------------------------
// Attention
// ------------------------------------------------------------------------------------------------

static const struct sequence {
    const char *forward, *backward;
    size_t length, heads, width;
    bool causal;
} sequences[] = {
    {"attention 20, 4 heads of 16", "attention_backward 20, 4 heads of 16", 20, 4, 16, false},
    {"attention 20, 4 heads of 16, causal", "attention_backward 20, 4 heads of 16, causal", 20, 4,
     16, true},
    {"attention 50, 4 heads of 16, causal", "attention_backward 50, 4 heads of 16, causal", 50, 4,
     16, true},
    {"attention 200, 2 heads of 32, causal", "attention_backward 200, 2 heads of 32, causal", 200,
     2, 32, true},
};

static void run_attention(void *context) {
    const call *c = context;
    c->kernels->attention(&c->attention);
}

static void run_attention_backward(void *context) {
    const call *c = context;
    c->kernels->attention_backward(&c->attention);
}

static void attention(lode_benchmark *bench, const struct sequence *s, bool backward) {
    const size_t dim = s->heads * s->width, size = s->length * 3 * dim;
    stored *inputs = numbers(bench, size);
    stored *gradients = lode__bench_hold(bench, size, sizeof *gradients);
    call c = {.kernels = KERNELS(),
              .attention = {.length = s->length,
                            .heads = s->heads,
                            .width = s->width,
                            .causal = s->causal,
                            .query = inputs,
                            .query_stride = 3 * dim,
                            .key = inputs + dim,
                            .value = inputs + 2 * dim,
                            .stride = 3 * dim,
                            .output = lode__bench_hold(bench, s->length * dim, sizeof(stored)),
                            .output_stride = dim,
                            .lse = lode__bench_floats(bench, s->length * s->heads, 0),
                            .d_output = numbers(bench, s->length * dim),
                            .d_query = gradients,
                            .d_key = gradients + dim,
                            .d_value = gradients + 2 * dim,
                            .scratch = lode__bench_floats(
                                bench, LODE_ATTENTION_SCRATCH(s->length, s->width), 0)}};
    if (backward && !bench->failed) run_attention(&c);
    add_case(bench, backward ? s->backward : s->forward,
             lode__bench_attention(s->length, s->heads, s->width, s->causal, backward, sizeof(stored)),
             backward ? run_attention_backward : run_attention, &c);
}

// ------------------------------------------------------------------------------------------------
// Rows and vectors
// ------------------------------------------------------------------------------------------------

#define RUN(name, body)                                                                            \
    static void run_##name(void *context) {                                                        \
        call *c = context;                                                                         \
        body;                                                                                      \
    }
RUN(add, c->kernels->add(c->n, c->x, c->y))
RUN(scaled_sum, c->kernels->scaled_sum(c->n, (real)0.5, c->x, c->y, (stored *)c->index))
RUN(scale_add, c->kernels->scale_add(c->n, 0, c->x, c->u))
RUN(dot, c->result[0] = c->kernels->dot(c->n, c->x, c->y))
RUN(max, c->result[0] = c->kernels->max(c->n, c->u))
RUN(exp_sum, c->result[0] = c->kernels->exp_sum(c->n, 0, c->u))
RUN(above, c->count = c->kernels->above(c->n, c->u, (real)0.999, c->index))
RUN(widen, c->kernels->widen(c->n, c->x, c->u))
RUN(narrow, c->kernels->narrow(c->n, c->u, c->x))
RUN(activation_backward, c->kernels->activation_backward(c->n, LODE_RELU, c->x, c->y))
RUN(gelu, c->kernels->gelu(c->n, c->x, c->y))
RUN(gelu_backward, c->kernels->gelu_backward(c->n, c->x, c->y))
RUN(column_sum, c->kernels->column_sum(c->n / WIDTH, WIDTH, c->x, WIDTH, c->u))

static void run_noise(void *context) {
    const call *c = context;
    const lode_noise noise = {{1, 2}, {3, 4, 5}, 6554};
    lode__dropout_kernels()->noise(c->n, &noise, c->index);
}

static void run_dropout(void *context) {
    const call *c = context;
    lode__dropout_kernels()->KEEP(c->n, c->index, (real)1.1, c->x, false, c->y);
}

static void run_layer_norm(void *context) {
    call *c = context;
    const lode_layer_norm_rows norm = {.rows = c->n / WIDTH,
                                       .n = WIDTH,
                                       .x = c->x,
                                       .residual = c->y,
                                       .gain = c->u,
                                       .bias = c->v,
                                       .epsilon = (real)1e-5,
                                       .y = (stored *)c->index,
                                       .statistics = c->g};
    c->kernels->layer_norm(&norm);
}

static void run_layer_norm_backward(void *context) {
    call *c = context;
    const lode_layer_norm_rows norm = {.rows = c->n / WIDTH,
                                       .n = WIDTH,
                                       .x = c->x,
                                       .gain = c->u,
                                       .statistics = c->g,
                                       .dy = c->y,
                                       .d_x = (stored *)c->index,
                                       .d_gain = c->v,
                                       .d_bias = c->w};
    c->kernels->layer_norm_backward(&norm);
}

static void run_gather_sum(void *context) {
    call *c = context;
    for (size_t i = 0; i < c->count; i += BAG) {
        c->kernels->gather_sum(WIDTH, BAG, c->ids + i, c->g, 1, c->y + i / BAG % WIDTH * WIDTH);
    }
}

static void run_adam(void *context) {
    call *c = context;
    const lode_adam adam = {(real)1e-3,  (real)0.9, (real)0.999, (real)1e-8, (real)0.1,
                            (real)0.001, 0};
    c->kernels->adam(c->n, &adam, c->u, c->v, c->w, c->g);
}

// A block of Philox is 128 bits for 8 elements: ten rounds of two products, four exclusive ors and two additions; a
// comparison each. A bit is a 32nd of a float.
#define NOISE 11
#define BIT   (1 / 32.0)

// Operations, and elements stored or real that are read and written, for each of n.
static const struct vector {
    const char *name;
    void (*run)(void *);
    double operations, read_stored, read_real, written_stored, written_real;
    bool update, parameters; // writes what it reads; of real alone: measured once, in f32
} vectors[] = {
    {"add", run_add, 1, 2, 0, 1, 0, true, false},
    {"scaled_sum", run_scaled_sum, 2, 2, 0, 1, 0, false, false},
    {"scale_add", run_scale_add, 2, 1, 1, 0, 1, true, false},
    {"dot", run_dot, 2, 2, 0, 0, 0, false, false},
    {"max", run_max, 1, 0, 1, 0, 0, false, true},
    {"above", run_above, 1, 0, 1, 0, 0, false, true},
    {"widen", run_widen, 0, 1, 0, 0, 1, false, false},
    {"narrow", run_narrow, 0, 0, 1, 1, 0, false, false},
    {"activation_backward", run_activation_backward, 1, 2, 0, 1, 0, true, false},
    {"gelu", run_gelu, LODE_BENCH_EXP + 6, 1, 0, 1, 0, false, false},
    {"gelu_backward", run_gelu_backward, LODE_BENCH_EXP + 12, 2, 0, 1, 0, true, false},
    {"column_sum rows of 64", run_column_sum, 1, 1, 0, 0, 0, false, false},
    {"layer_norm rows of 64", run_layer_norm, 8, 2, 0, 1, 0, false, false},
    {"layer_norm_backward rows of 64", run_layer_norm_backward, 14, 2, 0, 1, 0, false, false},
    {"noise of dropout", run_noise, NOISE, 0, 0, 0, BIT, false, true},
    {"dropout", run_dropout, 1, 1, BIT, 1, 0, false, false},
    {"adam", run_adam, LODE_BENCH_ADAM, 0, 4, 0, 3, true, true},
    {"exp_sum", run_exp_sum, LODE_BENCH_EXP, 0, 1, 0, 1, true, true},
};

static bool wants_vector(lode_benchmark *bench, const struct vector *v, size_t n, char name[64]) {
    (void)snprintf(name, 64, "%s, %zu", v->name, n);
    return lode__bench_wants(bench, name) && (!v->parameters || LODE_REAL_BITS == 32);
}

static bool wants_any(lode_benchmark *bench, size_t n) {
    char name[64];
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        if (wants_vector(bench, &vectors[i], n, name)) return true;
    }
    return false;
}

// All vector kernels on arrays of n elements, which stay for all of them.
static void vectors_of(lode_benchmark *bench, size_t n) {
    if (!wants_any(bench, n)) return;
    call c = {.kernels = KERNELS(),
              .n = n,
              .x = numbers(bench, n),
              .y = numbers(bench, n),
              .u = lode__bench_floats(bench, n, 1),
              .v = lode__bench_floats(bench, n, 0),
              .w = lode__bench_floats(bench, n, 0),
              .g = lode__bench_floats(bench, n, (float)1e-3),
              .index = lode__bench_hold(bench, n, sizeof *c.index)};
    const double count = (double)n;
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        const struct vector *v = &vectors[i];
        char name[64];
        if (!wants_vector(bench, v, n, name)) continue;
        const lode_bench_work work = {.operations = v->operations * count,
                                      .read = count * (v->read_stored * (double)sizeof(stored) +
                                                       v->read_real * (double)sizeof(real)),
                                      .written = count * (v->written_stored * (double)sizeof(stored) +
                                                          v->written_real * (double)sizeof(real)),
                                      .pattern = v->update ? LODE_BENCH_UPDATE : LODE_BENCH_STREAM};
        lode__bench_case(bench, name, PRECISION, bench->ceilings.PEAK, &work, v->run, &c);
    }
    lode__bench_let_go(bench);
}

// ------------------------------------------------------------------------------------------------
// Random rows of a table of 2^21
// ------------------------------------------------------------------------------------------------

enum { TABLE = 2 << 20, PICKED = 1 << 18, CANDIDATES = 50 };

static void run_gather_dot(void *context) {
    const call *c = context;
    c->kernels->gather_dot(c->count / CANDIDATES, CANDIDATES, WIDTH, c->x, c->ids, c->y, c->u);
}

static void run_weighted_sum(void *context) {
    const call *c = context;
    const lode_weighted_sum sum = {.rows = c->count / CANDIDATES,
                                   .n = WIDTH,
                                   .width = CANDIDATES,
                                   .ids = c->ids,
                                   .weights = c->u,
                                   .table = c->x,
                                   .scale = 1,
                                   .out = c->y};
    c->kernels->weighted_sum(&sum);
}

static int32_t *random_ids(lode_benchmark *bench) {
    int32_t *ids = lode__bench_hold(bench, PICKED, sizeof *ids);
    uint64_t state = 1;
    for (size_t i = 0; i < PICKED && !bench->failed; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        ids[i] = (int32_t)((state >> 32) % TABLE);
    }
    return ids;
}

static void *zeros(lode_benchmark *bench, size_t rows, size_t element) {
    void *memory = lode__bench_hold(bench, rows * WIDTH, element);
    if (!bench->failed) memset(memory, 0, rows * WIDTH * element);
    return memory;
}

static void gather_sum(lode_benchmark *bench) {
    const char *name = "gather_sum bags of 16 rows of 64, random";
    if (!lode__bench_wants(bench, name)) return;
    call c = {.kernels = KERNELS(),
              .count = PICKED,
              .g = zeros(bench, TABLE, sizeof(real)),
              .y = zeros(bench, WIDTH, sizeof(stored)),
              .ids = random_ids(bench)};
    lode_bench_work work = lode__bench_gather(c.count, WIDTH, sizeof(real));
    work.operations /= 2; // additions alone
    add_case(bench, name, work, run_gather_sum, &c);
}

static void gather_dot(lode_benchmark *bench) {
    const char *name = "gather_dot 50 rows of 64 a query, random";
    if (!lode__bench_wants(bench, name)) return;
    call c = {.kernels = KERNELS(),
              .count = PICKED / CANDIDATES * CANDIDATES,
              .y = zeros(bench, TABLE, sizeof(stored)),
              .x = numbers(bench, PICKED / CANDIDATES * WIDTH),
              .u = lode__bench_floats(bench, PICKED, 0),
              .ids = random_ids(bench)};
    add_case(bench, name, lode__bench_gather(c.count, WIDTH, sizeof(stored)), run_gather_dot, &c);
}

static void weighted_sum(lode_benchmark *bench) {
    const char *name = "weighted_sum 50 rows of 64 a query, random";
    if (!lode__bench_wants(bench, name)) return;
    call c = {.kernels = KERNELS(),
              .count = PICKED / CANDIDATES * CANDIDATES,
              .x = zeros(bench, TABLE, sizeof(stored)),
              .y = zeros(bench, PICKED / CANDIDATES, sizeof(stored)),
              .u = lode__bench_floats(bench, PICKED, 1),
              .ids = random_ids(bench)};
    add_case(bench, name, lode__bench_gather(c.count, WIDTH, sizeof(stored)), run_weighted_sum, &c);
}

void LODE_REAL(lode__bench_cases)(lode_benchmark *bench) {
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        if (lode__bench_wants(bench, shapes[i].name)) product(bench, &shapes[i]);
    }
    for (size_t i = 0; i < sizeof sequences / sizeof *sequences; i++) {
        if (lode__bench_wants(bench, sequences[i].forward)) attention(bench, &sequences[i], false);
        if (lode__bench_wants(bench, sequences[i].backward)) attention(bench, &sequences[i], true);
    }
    vectors_of(bench, SMALL);
    vectors_of(bench, LARGE);
    gather_sum(bench);
    gather_dot(bench);
    weighted_sum(bench);
}

#else
typedef int lode__bench_measures_no_doubles;
#endif
