/// Matrix products: values against a plain loop in double, bits against other ways to cut the same
/// product.
#include "guarded.h"

typedef struct problem {
    size_t m, n, k;
    bool packed, accumulate, bias;
    lode_activation activation;
    enum { ROWS, COLUMNS, GENERAL } reading;
    size_t a_gap, b_gap, c_gap;
} problem;

typedef struct operands {
    pair a, b, c, bias;
    size_t a_row, a_column, b_row, c_row;
    float *packed, *scratch;
} operands;

static size_t strided(size_t count, size_t step, size_t width) {
    return count > 0 && width > 0 ? (count - 1) * step + width : 0;
}

static operands operands_make(const struct lode_kernels_f32 *kernels, const problem *p, bool front) {
    operands o = {.b_row = p->n + p->b_gap, .c_row = p->n + p->c_gap};
    if (p->reading == ROWS) {
        o.a_row = p->k + p->a_gap;
        o.a_column = 1;
        o.a = pair_make(strided(p->m, o.a_row, p->k), 1, front);
    } else if (p->reading == COLUMNS) {
        o.a_row = 1;
        o.a_column = p->m + p->a_gap;
        o.a = pair_make(strided(p->k, o.a_column, p->m), 1, front);
    } else {
        o.a_row = 2 * p->k + 1;
        o.a_column = 2;
        o.a = pair_make(strided(p->m, o.a_row, p->k > 0 ? 2 * p->k - 1 : 0), 1, front);
    }
    o.b = pair_make(strided(p->k, o.b_row, p->n), 1, front);
    o.c = pair_make(strided(p->m, o.c_row, p->n), 1, front);
    o.bias = pair_make(p->n, 1, front);
    const size_t padded = (p->n + kernels->panel - 1) / kernels->panel * kernels->panel;
    o.packed = guarded(padded * p->k * sizeof *o.packed, front);
    memset(o.packed, 0xff, padded * p->k * sizeof *o.packed); // NaN
    o.scratch = guarded(LODE_GEMM_SCRATCH * sizeof *o.scratch, front);
    return o;
}

static struct lode_gemm_f32 fill(const problem *p, const operands *o) {
    return (struct lode_gemm_f32){
        .m = p->m,
        .n = p->n,
        .k = p->k,
        .a = o->a.f32,
        .a_row = o->a_row,
        .a_column = o->a_column,
        .b = p->packed ? o->packed : o->b.f32,
        .b_row = o->b_row,
        .b_packed = p->packed,
        .c = o->c.f32,
        .c_row = o->c_row,
        .accumulate = p->accumulate,
        .bias = p->bias ? o->bias.f32 : NULL,
        .activation = p->activation,
        .scratch = o->scratch,
    };
}

static void expect(const problem *p, const operands *o) {
    for (size_t i = 0; i < p->m; i++) {
        for (size_t j = 0; j < p->n; j++) {
            double *c = &o->c.f64[i * o->c_row + j];
            double sum = p->accumulate ? *c : 0;
            for (size_t q = 0; q < p->k; q++) {
                sum += o->a.f64[i * o->a_row + q * o->a_column] * o->b.f64[q * o->b_row + j];
            }
            sum += p->bias ? o->bias.f64[j] : 0;
            if (p->activation == LODE_RELU) sum = fmax(sum, 0);
            if (p->activation == LODE_TANH) sum = tanh(sum);
            *c = sum;
        }
    }
}

static void run_problem(const struct lode_kernels_f32 *kernels, const problem *p, bool front) {
    operands o = operands_make(kernels, p, front);
    // packed from rows or, given transposed, from columns
    if (draw(2) == 0) {
        kernels->pack(p->k, p->n, o.b.f32, o.b_row, 1, o.packed);
    } else {
        float *turned = guarded(p->k * p->n * sizeof *turned, front);
        for (size_t q = 0; q < p->k; q++) {
            for (size_t j = 0; j < p->n; j++) {
                turned[j * p->k + q] = o.b.f32[q * o.b_row + j];
            }
        }
        kernels->pack(p->k, p->n, turned, 1, p->k, o.packed);
    }
    const struct lode_gemm_f32 gemm = fill(p, &o);
    kernels->gemm(&gemm);
    expect(p, &o);
    char what[160];
    snprintf(what, sizeof what, "%s m %zu n %zu k %zu packed %d reading %d accumulate %d act %d",
             kernels->level, p->m, p->n, p->k, p->packed, (int)p->reading, p->accumulate,
             (int)p->activation);
    check(o.c, 2e-6 + 4e-8 * (double)p->k, 2e-6, what);
    guarded_release();
}

static void vary(problem *p) {
    p->packed = draw(2);
    p->accumulate = draw(2);
    p->bias = draw(2);
    p->activation = (lode_activation)draw(3);
    p->reading = draw(3);
    p->a_gap = draw(3);
    p->b_gap = draw(3);
    p->c_gap = draw(3);
}

static void test_shapes(void **state) {
    (void)state;
    static const size_t ms[] = {0, 1, 2, 5, 6, 7, 13, 14, 15, 29, 61};
    static const size_t ns[] = {0, 1, 7, 8, 9, 15, 16, 17, 31, 32, 33, 50, 64, 100};
    static const size_t ks[] = {0, 1, 2, 8, 17, 64, 257, 300};
    for (size_t m = 0; m < sizeof ms / sizeof *ms; m++) {
        for (size_t n = 0; n < sizeof ns / sizeof *ns; n++) {
            for (size_t k = 0; k < sizeof ks / sizeof *ks; k++) {
                problem p = {.m = ms[m], .n = ns[n], .k = ks[k]};
                EVERY_LEVEL(kernels, front, {
                    vary(&p);
                    run_problem(kernels, &p, front);
                })
            }
        }
    }
}

/// Shapes with several blocks, and rows of A that lie 2 KiB and 4 KiB apart.
static void test_blocks(void **state) {
    (void)state;
    static const problem problems[] = {
        {.m = 150, .n = 450, .k = 300}, {.m = 61, .n = 70, .k = 512}, {.m = 29, .n = 70, .k = 1024},
        {.m = 33, .n = 1100, .k = 64},  {.m = 3, .n = 40, .k = 2048},
    };
    for (size_t i = 0; i < sizeof problems / sizeof *problems; i++) {
        EVERY_LEVEL(kernels, front, {
            for (int reading = ROWS; reading <= GENERAL; reading++) {
                problem p = problems[i];
                vary(&p);
                p.reading = reading;
                p.a_gap = 0;
                run_problem(kernels, &p, front);
            }
        })
    }
}

/// The whole product and the same product in pieces, from packed and from plain B, with A read in every
/// way, have the same bits.
static void compare_cuts(const struct lode_kernels_f32 *kernels, problem p, bool front) {
    p.packed = true;
    p.reading = ROWS;
    operands whole = operands_make(kernels, &p, front);
    kernels->pack(p.k, p.n, whole.b.f32, whole.b_row, 1, whole.packed);
    float *start = guarded(whole.c.n * sizeof *start, front);
    float *turned = guarded(whole.a.n * sizeof *turned, front);
    memcpy(start, whole.c.f32, whole.c.n * sizeof *start);
    for (size_t i = 0; i < p.m; i++) {
        for (size_t q = 0; q < p.k; q++) {
            turned[q * p.m + i] = whole.a.f32[i * whole.a_row + q];
        }
    }
    struct lode_gemm_f32 gemm = fill(&p, &whole);
    kernels->gemm(&gemm);

    float *pieces = guarded(whole.c.n * sizeof *pieces, front);
    for (int round = 0; round < 4; round++) {
        const bool packed = round % 2, transposed = round / 2;
        memcpy(pieces, start, whole.c.n * sizeof *pieces);
        for (size_t i = 0, rows; i < p.m; i += rows) {
            rows = 1 + draw(20);
            rows = LODE_MIN(rows, p.m - i);
            for (size_t j = 0, columns; j < p.n; j += columns) {
                columns = packed ? kernels->panel * (1 + draw(3)) : 1 + draw(70);
                columns = LODE_MIN(columns, p.n - j);
                gemm = fill(&p, &whole);
                gemm.m = rows;
                gemm.n = columns;
                gemm.a = transposed ? turned + i : whole.a.f32 + i * whole.a_row;
                gemm.a_row = transposed ? 1 : whole.a_row;
                gemm.a_column = transposed ? p.m : 1;
                gemm.b = packed ? whole.packed + j * p.k : whole.b.f32 + j;
                gemm.b_packed = packed;
                gemm.c = pieces + i * whole.c_row + j;
                gemm.bias = p.bias ? whole.bias.f32 + j : NULL;
                kernels->gemm(&gemm);
            }
        }
        if (memcmp(pieces, whole.c.f32, whole.c.n * sizeof *pieces) != 0) {
            fail_msg("%s: m %zu n %zu k %zu differs in pieces (packed %d, transposed %d)",
                     kernels->level, p.m, p.n, p.k, packed, transposed);
        }
    }
}

static void test_cuts(void **state) {
    (void)state;
    static const problem problems[] = {
        {.m = 61, .n = 100, .k = 600, .accumulate = true, .bias = true},
        {.m = 61, .n = 100, .k = 512, .activation = LODE_TANH},
        {.m = 100, .n = 450, .k = 300, .bias = true, .activation = LODE_RELU},
        {.m = 64, .n = 1100, .k = 64, .accumulate = true, .bias = true, .activation = LODE_TANH},
    };
    for (size_t i = 0; i < sizeof problems / sizeof *problems; i++) {
        EVERY_LEVEL(kernels, front, { compare_cuts(kernels, problems[i], front); })
    }
}

/// A NaN stays in its row and survives every activation; infinity is no accident either.
static void test_not_finite(void **state) {
    (void)state;
    problem p = {.m = 20, .n = 45, .k = 30};
    EVERY_LEVEL(kernels, front, {
        for (lode_activation a = LODE_LINEAR; a <= LODE_TANH; a++) {
            p.activation = a;
            operands o = operands_make(kernels, &p, front);
            o.a.f32[2 * o.a_row + 3] = NAN;
            o.a.f32[5 * o.a_row + 3] = INFINITY;
            const struct lode_gemm_f32 gemm = fill(&p, &o);
            kernels->gemm(&gemm);
            for (size_t i = 0; i < p.m; i++) {
                for (size_t j = 0; j < p.n; j++) {
                    const float c = o.c.f32[i * o.c_row + j];
                    if (i == 2) {
                        assert_true(isnan(c));
                    } else if (i == 5) {
                        const float sign = o.b.f32[3 * o.b_row + j];
                        const float low = a == LODE_RELU ? 0 : a == LODE_TANH ? -1 : -INFINITY;
                        const float high = a == LODE_TANH ? 1 : INFINITY;
                        assert_true(c == (sign < 0 ? low : high));
                    } else {
                        assert_true(isfinite(c));
                    }
                }
            }
            guarded_release();
        }
    })
}

static void test_tanh(void **state) {
    (void)state;
    enum { N = 4001 };
    EVERY_LEVEL(kernels, front, {
        float *bias = guarded(N * sizeof *bias, front), *c = guarded(N * sizeof *c, front);
        for (int i = 0; i < N; i++) {
            bias[i] = (float)(i - 2000) * 0.005f * (i % 3 == 0 ? 0.01f : 1);
        }
        float a = 0, scratch[1];
        const struct lode_gemm_f32 gemm = {.m = 1,
                                           .n = N,
                                           .a = &a,
                                           .a_row = 1,
                                           .a_column = 1,
                                           .b = &a,
                                           .b_row = N,
                                           .c = c,
                                           .c_row = N,
                                           .bias = bias,
                                           .activation = LODE_TANH,
                                           .scratch = scratch};
        kernels->gemm(&gemm);
        for (int i = 0; i < N; i++) {
            check_one(c[i], tanh((double)bias[i]), 0, 4e-7, "tanh", (size_t)i);
        }
    })
}

static void test_packed_layout(void **state) {
    (void)state;
    static const size_t widths[] = {1, 7, 16, 17, 32, 33, 70};
    for (size_t w = 0; w < sizeof widths / sizeof *widths; w++) {
        const size_t n = widths[w], k = 11;
        EVERY_LEVEL(kernels, front, {
            for (int way = 0; way < 3; way++) {
                const size_t row = way == 0 ? n : way == 1 ? 1 : 2 * n;
                const size_t column = way == 0 ? 1 : way == 1 ? k : 2;
                pair b = pair_make((k - 1) * row + (n - 1) * column + 1, 1, front);
                const size_t panels = (n + kernels->panel - 1) / kernels->panel;
                float *packed = guarded(panels * kernels->panel * k * sizeof *packed, front);
                kernels->pack(k, n, b.f32, row, column, packed);
                for (size_t at = 0; at < panels * kernels->panel * k; at++) {
                    const size_t p = at / kernels->panel % k;
                    const size_t j = at / kernels->panel / k * kernels->panel + at % kernels->panel;
                    const float want = j < n ? b.f32[p * row + j * column] : 0;
                    assert_true(packed[at] == want);
                }
            }
        })
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_packed_layout), cmocka_unit_test(test_shapes),
        cmocka_unit_test(test_blocks),        cmocka_unit_test(test_cuts),
        cmocka_unit_test(test_not_finite),    cmocka_unit_test(test_tanh),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
