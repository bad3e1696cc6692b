/// Attention of every level against the double reference, and that against finite differences.
#include "guarded.h"

typedef struct sequence {
    size_t length, heads, width;
    bool causal;
    double scale;
    double rate; ///< of dropout
} sequence;

/// Bits of as many words as a call may read, or NULL.
static const uint32_t *draw_keep(sequence s, bool front) {
    if (!(s.rate > 0)) return NULL;
    const size_t words = s.heads * lode__keep_words(s.length, s.causal);
    uint32_t *keep = guarded(words * sizeof *keep, front);
    for (size_t i = 0; i < 32 * words; i++) {
        if (i % 32 == 0) keep[i / 32] = 0;
        keep[i / 32] |= (uint32_t)(draw(1000) >= (uint32_t)(1000 * s.rate)) << i % 32;
    }
    return keep;
}

static void run_sequence(const struct lode_kernels_f32 *kernels, sequence s, bool front) {
    const struct lode_kernels_f64 *reference = lode__kernels_f64();
    const size_t length = s.length, dim = s.heads * s.width;
    const size_t stride = 2 * dim + draw(3), output_stride = dim + draw(3);
    const size_t query_stride = draw(2) ? stride : dim + draw(3);
    const size_t inside = length > 0 ? (length - 1) * stride + dim : 0;
    const size_t asking = length > 0 ? (length - 1) * query_stride + dim : 0;
    const size_t outside = length > 0 ? (length - 1) * output_stride + dim : 0;
    pair query = pair_make(asking, s.scale, front), key = pair_make(inside, s.scale, front);
    pair value = pair_make(inside, 1, front), output = pair_make(outside, 1, front);
    pair lse = pair_make(length * s.heads, 1, front), d_output = pair_make(outside, 1, front);
    pair d_query = pair_make(asking, 1, front), d_key = pair_make(inside, 1, front);
    pair d_value = pair_make(inside, 1, front);
    const size_t scratch = LODE_ATTENTION_SCRATCH(length, s.width);
    const uint32_t *keep = draw_keep(s, front);
    struct lode_attention_f32 a = {length,
                                   s.heads,
                                   s.width,
                                   s.causal,
                                   query.f32,
                                   query_stride,
                                   key.f32,
                                   value.f32,
                                   stride,
                                   output.f32,
                                   output_stride,
                                   lse.f32,
                                   d_output.f32,
                                   d_query.f32,
                                   d_key.f32,
                                   d_value.f32,
                                   guarded(scratch * sizeof(float), front),
                                   keep,
                                   (float)(1 / (1 - s.rate))};
    struct lode_attention_f64 b = {length,
                                   s.heads,
                                   s.width,
                                   s.causal,
                                   query.f64,
                                   query_stride,
                                   key.f64,
                                   value.f64,
                                   stride,
                                   output.f64,
                                   output_stride,
                                   lse.f64,
                                   d_output.f64,
                                   d_query.f64,
                                   d_key.f64,
                                   d_value.f64,
                                   guarded(scratch * sizeof(double), front),
                                   keep,
                                   1 / (1 - s.rate)};
    memset(a.scratch, 0xff, scratch * sizeof(float)); // NaN
    kernels->attention(&a);
    reference->attention(&b);
    char what[120];
    snprintf(what, sizeof what, "%s length %zu heads %zu width %zu causal %d dropout %g",
             kernels->level, length, s.heads, s.width, s.causal, s.rate);
    const double slack = 1e-6 * (1 + s.scale * s.scale * sqrt((double)s.width));
    check(output, 4 * slack, 1e-5, what);
    check(lse, slack, 1e-6, what);

    memset(a.scratch, 0xff, scratch * sizeof(float));
    kernels->attention_backward(&a);
    reference->attention_backward(&b);
    const double steep = slack * s.scale * 20;
    check(d_query, steep, 1e-4, what);
    check(d_key, steep, 1e-4, what);
    check(d_value, 20 * slack, 1e-4, what);
}

static void test_against_reference(void **state) {
    (void)state;
    static const size_t lengths[] = {0,  1,  2,  3,  7,  8,  9,  13, 15, 16,
                                     17, 20, 31, 32, 33, 50, 64, 65, 70, 129};
    static const struct {
        size_t heads, width;
    } shapes[] = {{4, 16}, {1, 1}, {2, 10}, {1, 64}, {2, 33}, {1, 100}, {3, 8}, {2, 25}};
    for (size_t l = 0; l < sizeof lengths / sizeof *lengths; l++) {
        for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
            for (int causal = 0; causal < 2; causal++) {
                const sequence one = {lengths[l], shapes[s].heads, shapes[s].width, causal, 1, 0};
                sequence dropped = one;
                dropped.rate = 0.3;
                EVERY_LEVEL(kernels, front, {
                    run_sequence(kernels, one, front);
                    run_sequence(kernels, dropped, front);
                })
            }
        }
    }
}

static void test_long(void **state) {
    (void)state;
    const sequence one = {200, 2, 16, true, 1, 0}, wide = {200, 1, 64, false, 1, 0};
    const sequence dropped = {200, 2, 16, true, 1, 0.5};
    EVERY_LEVEL(kernels, front, {
        run_sequence(kernels, one, front);
        run_sequence(kernels, wide, front);
        run_sequence(kernels, dropped, front);
    })
}

/// Scores in the hundreds: softmax must not overflow.
static void test_large_scores(void **state) {
    (void)state;
    for (size_t length = 1; length < 80; length += 13) {
        const sequence one = {length, 2, 16, length % 2, 12, length % 3 / 4.0};
        EVERY_LEVEL(kernels, front, { run_sequence(kernels, one, front); })
    }
}

/// Rounded to bfloat16, in both arrays; returns them as bfloat16.
static lode_bf16 *shorten(pair *p, bool front) {
    lode_bf16 *out = guarded(p->n * sizeof *out, front);
    for (size_t i = 0; i < p->n; i++) {
        out[i] = lode__bf16_narrow(p->f32[i]);
        pair_set(p, i, lode__bf16_widen(out[i]));
    }
    return out;
}

static void check_short(const lode_bf16 *got, pair *want, double slack, const char *what) {
    for (size_t i = 0; i < want->n; i++) {
        want->f32[i] = lode__bf16_widen(got[i]);
    }
    check(*want, slack, 1.0 / 256, what);
}

static void run_short(const struct lode_kernels_b16 *kernels, sequence s, bool front) {
    const size_t length = s.length, dim = s.heads * s.width, stride = 2 * dim + 1;
    const size_t query_stride = dim + 3, asking = (length - 1) * query_stride + dim;
    const size_t inside = (length - 1) * stride + dim,
                 scratch = LODE_ATTENTION_SCRATCH(length, s.width);
    const uint32_t *keep = draw_keep(s, front);
    pair in[3] = {pair_make(asking, 1, front), pair_make(inside, 1, front),
                  pair_make(inside, 1, front)};
    pair d[3] = {pair_make(asking, 1, front), pair_make(inside, 1, front),
                 pair_make(inside, 1, front)};
    pair output = pair_make(length * dim, 1, front), d_output = pair_make(length * dim, 1, front);
    pair lse = pair_make(length * s.heads, 1, front);
    struct lode_attention_b16 a = {length,
                                   s.heads,
                                   s.width,
                                   s.causal,
                                   shorten(&in[0], front),
                                   query_stride,
                                   shorten(&in[1], front),
                                   shorten(&in[2], front),
                                   stride,
                                   shorten(&output, front),
                                   dim,
                                   lse.f32,
                                   shorten(&d_output, front),
                                   shorten(&d[0], front),
                                   shorten(&d[1], front),
                                   shorten(&d[2], front),
                                   guarded(scratch * sizeof(float), front),
                                   keep,
                                   (float)(1 / (1 - s.rate))};
    struct lode_attention_f64 b = {length,
                                   s.heads,
                                   s.width,
                                   s.causal,
                                   in[0].f64,
                                   query_stride,
                                   in[1].f64,
                                   in[2].f64,
                                   stride,
                                   output.f64,
                                   dim,
                                   lse.f64,
                                   d_output.f64,
                                   d[0].f64,
                                   d[1].f64,
                                   d[2].f64,
                                   guarded(scratch * sizeof(double), front),
                                   keep,
                                   1 / (1 - s.rate)};
    memset(a.scratch, 0xff, scratch * sizeof(float));
    kernels->attention(&a);
    lode__kernels_f64()->attention(&b);
    char what[120];
    snprintf(what, sizeof what, "%s bf16, length %zu heads %zu width %zu causal %d", kernels->level,
             length, s.heads, s.width, s.causal);
    check(lse, 1e-5, 1e-5, what);
    check_short(a.output, &output, 1e-4, what);
    kernels->attention_backward(&a);
    lode__kernels_f64()->attention_backward(&b);
    check_short(a.d_query, &d[0], 1e-4, what);
    check_short(a.d_key, &d[1], 1e-4, what);
    check_short(a.d_value, &d[2], 1e-4, what);
}

/// Of bfloat16: all sums are float, results are rounded once.
static void test_short_numbers(void **state) {
    (void)state;
    static const sequence sequences[] = {
        {1, 1, 1, false, 1, 0},    {20, 4, 16, false, 1, 0}, {20, 2, 25, true, 1, 0},
        {33, 3, 8, true, 1, 0},    {70, 1, 50, false, 1, 0}, {70, 1, 33, true, 1, 0},
        {16, 2, 10, true, 1, 0},   {129, 1, 64, true, 1, 0}, {20, 4, 16, false, 1, 0.2},
        {70, 2, 10, true, 1, 0.5}, {33, 3, 8, false, 1, 0.3}};
    for (lode_level level = 0; level < LODE_LEVELS; level++) {
        const struct lode_kernels_b16 *kernels = lode__kernels_b16_at(level);
        for (size_t i = 0; kernels != NULL && i < 2 * sizeof sequences / sizeof *sequences; i++) {
            run_short(kernels, sequences[i / 2], i % 2 == 1);
            guarded_release();
        }
    }
}

/// Scores beyond what exp or their own rounding can bear: weights stay between 0 and 1.
static void test_huge_scores(void **state) {
    (void)state;
    enum { LENGTH = 37, WIDTH = 19, SIZE = LENGTH * WIDTH };
    EVERY_LEVEL(kernels, front, {
        pair query = pair_make(SIZE, 1e6, front), key = pair_make(SIZE, 1e6, front);
        pair value = pair_make(SIZE, 1, front), output = pair_make(SIZE, 1, front);
        pair d[3] = {pair_make(SIZE, 1, front), pair_make(SIZE, 1, front), pair_make(SIZE, 1, front)};
        float *lse = guarded(LENGTH * sizeof *lse, front);
        float *scratch = guarded(LODE_ATTENTION_SCRATCH(LENGTH, WIDTH) * sizeof *scratch, front);
        struct lode_attention_f32 a = {LENGTH,   1,       WIDTH,     false,    query.f32,
                                       WIDTH,    key.f32, value.f32, WIDTH,    output.f32,
                                       WIDTH,    lse,     value.f32, d[0].f32, d[1].f32,
                                       d[2].f32, scratch, NULL,      0};
        kernels->attention(&a);
        kernels->attention_backward(&a);
        for (size_t i = 0; i < SIZE; i++) {
            assert_true(fabsf(output.f32[i]) <= 1.001f);
            assert_true(fabsf(d[2].f32[i]) <= 1.001f * LENGTH);
        }
    })
}

/// What a causal position gives does not depend on what comes after it, not even on its rounding.
static void test_causal(void **state) {
    (void)state;
    enum { LENGTH = 40, HEADS = 2, WIDTH = 16, DIM = HEADS * WIDTH };
    EVERY_LEVEL(kernels, front, {
        pair x = pair_make(LENGTH * DIM, 1, front);
        pair first = pair_make(LENGTH * DIM, 1, front), second = pair_make(LENGTH * DIM, 1, front);
        pair lse = pair_make(LENGTH * HEADS, 1, front);
        float *scratch = guarded(LODE_ATTENTION_SCRATCH(LENGTH, WIDTH) * sizeof *scratch, front);
        struct lode_attention_f32 a = {.length = LENGTH,
                                       .heads = HEADS,
                                       .width = WIDTH,
                                       .causal = true,
                                       .query = x.f32,
                                       .query_stride = DIM,
                                       .key = x.f32,
                                       .value = x.f32,
                                       .stride = DIM,
                                       .output = first.f32,
                                       .output_stride = DIM,
                                       .lse = lse.f32,
                                       .scratch = scratch};
        kernels->attention(&a);
        for (size_t i = 25 * DIM; i < LENGTH * DIM; i++) {
            x.f32[i] = (float)draw_real();
        }
        a.output = second.f32;
        kernels->attention(&a);
        assert_memory_equal(first.f32, second.f32, 25 * DIM * sizeof *first.f32);
        assert_memory_not_equal(first.f32 + 25 * DIM, second.f32 + 25 * DIM, DIM * sizeof(float));
    })
}

static void test_nan(void **state) {
    (void)state;
    enum { LENGTH = 21, WIDTH = 16 };
    EVERY_LEVEL(kernels, front, {
        pair query = pair_make(LENGTH * WIDTH, 1, front), key = pair_make(LENGTH * WIDTH, 1, front);
        pair output = pair_make(LENGTH * WIDTH, 1, front), lse = pair_make(LENGTH, 1, front);
        float *scratch = guarded(LODE_ATTENTION_SCRATCH(LENGTH, WIDTH) * sizeof *scratch, front);
        query.f32[5 * WIDTH + 3] = NAN;
        struct lode_attention_f32 a = {.length = LENGTH,
                                       .heads = 1,
                                       .width = WIDTH,
                                       .query = query.f32,
                                       .query_stride = WIDTH,
                                       .key = key.f32,
                                       .value = key.f32,
                                       .stride = WIDTH,
                                       .output = output.f32,
                                       .output_stride = WIDTH,
                                       .lse = lse.f32,
                                       .scratch = scratch};
        kernels->attention(&a);
        for (size_t i = 0; i < LENGTH * WIDTH; i++) {
            assert_true(isnan(output.f32[i]) == (i / WIDTH == 5));
        }
        for (size_t t = 0; t < LENGTH; t++) {
            assert_true(isnan(lse.f32[t]) == (t == 5));
        }
    })
}

/// The double reference is right: its gradients are those of its own forward pass.
static void test_differences(void **state) {
    (void)state;
    enum { LENGTH = 5, HEADS = 2, WIDTH = 3, DIM = HEADS * WIDTH, SIZE = LENGTH * DIM };
    const struct lode_kernels_f64 *reference = lode__kernels_f64();
    double inputs[3][SIZE], gradients[3][SIZE], output[SIZE], weight[SIZE], lse[LENGTH * HEADS];
    double scratch[LODE_ATTENTION_SCRATCH(LENGTH, WIDTH)];
    for (int kind = 0; kind < 4; kind++) {
        const bool causal = kind % 2 == 1;
        const sequence dropped = {LENGTH, HEADS, WIDTH, causal, 1, kind < 2 ? 0 : 0.4};
        for (int i = 0; i < SIZE; i++) {
            weight[i] = draw_real();
            for (int which = 0; which < 3; which++) {
                inputs[which][i] = 2 * draw_real();
            }
        }
        struct lode_attention_f64 a = {LENGTH,
                                       HEADS,
                                       WIDTH,
                                       causal,
                                       inputs[0],
                                       DIM,
                                       inputs[1],
                                       inputs[2],
                                       DIM,
                                       output,
                                       DIM,
                                       lse,
                                       weight,
                                       gradients[0],
                                       gradients[1],
                                       gradients[2],
                                       scratch,
                                       draw_keep(dropped, false),
                                       1 / (1 - dropped.rate)};
        reference->attention(&a);
        reference->attention_backward(&a);
        for (int at = 0; at < 3 * SIZE; at++) {
            double *x = &inputs[at / SIZE][at % SIZE], side[2];
            const double before = *x;
            for (int s = 0; s < 2; s++) {
                *x = before + (s == 0 ? -1e-5 : 1e-5);
                reference->attention(&a);
                side[s] = reference->dot(SIZE, weight, output);
            }
            *x = before;
            const double slope = (side[1] - side[0]) / 2e-5;
            const double got = gradients[at / SIZE][at % SIZE];
            if (!(fabs(slope - got) <= 1e-8 * (1 + fabs(slope)))) {
                fail_msg("input %d [%d]: %g, by differences %g", at / SIZE, at % SIZE, got, slope);
            }
        }
        guarded_release();
    }
}

/// Which bit is whose: with a one for a value, output is the weights themselves, each 0 or twice what it was.
static void test_bits(void **state) {
    (void)state;
    enum { LENGTH = 40, HEADS = 2, WIDTH = LENGTH, DIM = HEADS * WIDTH, SIZE = LENGTH * DIM };
    for (int causal = 0; causal < 2; causal++) {
        EVERY_LEVEL(kernels, front, {
            pair query = pair_make(SIZE, 1, front), key = pair_make(SIZE, 1, front);
            pair value = pair_make(SIZE, 1, front), lse = pair_make(LENGTH * HEADS, 1, front);
            pair whole = pair_make(SIZE, 1, front), dropped = pair_make(SIZE, 1, front);
            for (size_t i = 0; i < SIZE; i++)
                value.f32[i] = i % DIM % WIDTH == i / DIM ? 1 : 0;
            // Queries 0 .. 31 have a block, the others one more; a causal block has no words of keys behind it.
            const size_t words = causal ? 32 + LENGTH : 2 * LENGTH;
            assert_int_equal(lode__keep_words(LENGTH, causal), words);
            uint32_t *keep = guarded(HEADS * words * sizeof *keep, front);
            bool kept[HEADS][LENGTH][LENGTH];
            memset(keep, 0, HEADS * words * sizeof *keep);
            for (size_t i = 0; i < HEADS * LENGTH * LENGTH; i++) {
                const size_t head = i / (LENGTH * LENGTH);
                const size_t t = i / LENGTH % LENGTH, u = i % LENGTH;
                kept[head][t][u] = draw(3) > 0;
                if (causal && u > t) continue;
                const size_t first = t < 32 ? 0 : causal ? 32 : LENGTH;
                keep[head * words + first + u] |= (uint32_t)kept[head][t][u] << t % 32;
            }
            float *scratch = guarded(LODE_ATTENTION_SCRATCH(LENGTH, WIDTH) * sizeof *scratch, front);
            struct lode_attention_f32 a = {.length = LENGTH,
                                           .heads = HEADS,
                                           .width = WIDTH,
                                           .causal = causal,
                                           .query = query.f32,
                                           .query_stride = DIM,
                                           .key = key.f32,
                                           .value = value.f32,
                                           .stride = DIM,
                                           .output = whole.f32,
                                           .output_stride = DIM,
                                           .lse = lse.f32,
                                           .scratch = scratch};
            kernels->attention(&a);
            a.output = dropped.f32;
            a.keep = keep;
            a.keep_scale = 2;
            kernels->attention(&a);
            for (size_t i = 0; i < SIZE; i++) {
                const size_t t = i / DIM, head = i % DIM / WIDTH, u = i % WIDTH;
                assert_true(dropped.f32[i] == (kept[head][t][u] ? 2 * whole.f32[i] : 0));
                assert_true((whole.f32[i] > 0) == (!causal || u <= t));
            }
        })
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_reference),
        cmocka_unit_test(test_long),
        cmocka_unit_test(test_large_scores),
        cmocka_unit_test(test_short_numbers),
        cmocka_unit_test(test_huge_scores),
        cmocka_unit_test(test_causal),
        cmocka_unit_test(test_nan),
        cmocka_unit_test(test_differences),
        cmocka_unit_test(test_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
