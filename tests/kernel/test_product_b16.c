/// Products of bfloat16. Operands are small whole numbers, whose sums are exact in float, so that values are
/// compared to the last bit with a plain loop; the bits of other numbers are compared with those of the same
/// product in pieces.
#include "guarded.h"

#include "../support/tiles.h"

typedef enum reading { ROWS, COLUMNS, GENERAL } reading;

typedef struct problem {
    size_t m, n, k;
    bool packed, accumulate, bias, wide;
    lode_activation activation;
    reading reading;
    size_t a_gap, b_gap, c_gap;
} problem;

typedef struct operands {
    size_t a_count, b_count, c_count;
    size_t a_row, a_column, b_row, c_row;
    lode_bf16 *a, *b, *c, *packed;
    float *wide, *bias, *scratch;
} operands;

static size_t strided(size_t count, size_t step, size_t width) {
    return count > 0 && width > 0 ? (count - 1) * step + width : 0;
}

/// The table of a level if its product differs from that of the level below; the last one is amx on emulated
/// tiles, whether or not this machine has real ones.
static const struct lode_kernels_b16 *table_at(size_t level) {
    if (level == LODE_LEVELS) return emulated_amx();
    const struct lode_kernels_b16 *table = lode__kernels_b16_at((lode_level)level);
    if (table == NULL || level == 0) return table;
    return table->gemm != lode__kernels_b16_at((lode_level)(level - 1))->gemm ? table : NULL;
}

#define EVERY_B16_LEVEL(kernels, front, ...)                                                       \
    for (size_t level = 0; level <= LODE_LEVELS; level++) {                                        \
        const struct lode_kernels_b16 *kernels = table_at(level);                                  \
        for (int front = 0; kernels != NULL && front < 2; front++) {                               \
            __VA_ARGS__                                                                            \
            guarded_release();                                                                     \
            assert_true(emulated_tiles_released());                                                \
        }                                                                                          \
    }

static lode_bf16 *stored_make(size_t count, bool whole, bool front) {
    lode_bf16 *x = guarded(count * sizeof *x, front);
    for (size_t i = 0; i < count; i++) {
        x[i] = lode__bf16_narrow(whole ? (float)draw(9) - 4 : (float)draw_real());
    }
    return x;
}

static float *floats_make(size_t count, bool whole, bool front) {
    float *x = guarded(count * sizeof *x, front);
    for (size_t i = 0; i < count; i++) {
        x[i] = whole ? (float)draw(9) - 4 : (float)draw_real();
    }
    return x;
}

static size_t padded(size_t n, size_t multiple) {
    return (n + multiple - 1) / multiple * multiple;
}

static operands operands_make(const struct lode_kernels_b16 *kernels, const problem *p, bool whole,
                              bool front) {
    operands o = {.b_row = p->n + p->b_gap, .c_row = p->n + p->c_gap};
    if (p->reading == ROWS) {
        o.a_row = p->k + p->a_gap;
        o.a_column = 1;
        o.a_count = strided(p->m, o.a_row, p->k);
    } else if (p->reading == COLUMNS) {
        o.a_row = 1;
        o.a_column = p->m + p->a_gap;
        o.a_count = strided(p->k, o.a_column, p->m);
    } else {
        o.a_row = 2 * p->k + 1;
        o.a_column = 2;
        o.a_count = strided(p->m, o.a_row, p->k > 0 ? 2 * p->k - 1 : 0);
    }
    o.b_count = strided(p->k, o.b_row, p->n);
    o.c_count = strided(p->m, o.c_row, p->n);
    o.a = stored_make(o.a_count, whole, front);
    o.b = stored_make(o.b_count, whole, front);
    o.c = stored_make(p->wide ? 0 : o.c_count, whole, front);
    o.wide = floats_make(p->wide ? o.c_count : 0, whole, front);
    o.bias = floats_make(p->n, whole, front);
    const size_t size =
        padded(p->n, kernels->panel) * padded(p->k, kernels->depth) * sizeof *o.packed;
    o.packed = guarded(size, front);
    memset(o.packed, 0xff, size); // NaN
    o.scratch = guarded(LODE_GEMM_SCRATCH * sizeof *o.scratch, front);
    memset(o.scratch, 0xff, LODE_GEMM_SCRATCH * sizeof *o.scratch);
    return o;
}

static struct lode_gemm_b16 fill(const problem *p, const operands *o) {
    return (struct lode_gemm_b16){
        .m = p->m,
        .n = p->n,
        .k = p->k,
        .a = o->a,
        .a_row = o->a_row,
        .a_column = o->a_column,
        .b = p->packed ? o->packed : o->b,
        .b_row = o->b_row,
        .b_packed = p->packed,
        .c = p->wide ? NULL : o->c,
        .wide = p->wide ? o->wide : NULL,
        .c_row = o->c_row,
        .accumulate = p->accumulate,
        .bias = p->bias ? o->bias : NULL,
        .activation = p->activation,
        .scratch = o->scratch,
    };
}

/// What C is to be, as floats.
static float *expected(const problem *p, const operands *o) {
    float *c = guarded(o->c_count * sizeof *c, false);
    for (size_t i = 0; i < o->c_count; i++) {
        c[i] = p->wide ? o->wide[i] : lode__bf16_widen(o->c[i]);
    }
    for (size_t i = 0; i < p->m; i++) {
        for (size_t j = 0; j < p->n; j++) {
            float *at = &c[i * o->c_row + j];
            float sum = p->accumulate ? *at : 0;
            for (size_t q = 0; q < p->k; q++) {
                sum += lode__bf16_widen(o->a[i * o->a_row + q * o->a_column]) *
                       lode__bf16_widen(o->b[q * o->b_row + j]);
            }
            sum += p->bias ? o->bias[j] : 0;
            if (p->activation == LODE_RELU) sum = fmaxf(sum, 0);
            if (p->activation == LODE_TANH) sum = tanhf(sum);
            *at = p->wide ? sum : lode__bf16_widen(lode__bf16_narrow(sum));
        }
    }
    return c;
}

/// Packed from rows, from columns or from neither, from stored numbers or from floats.
static void pack_somehow(const struct lode_kernels_b16 *kernels, const problem *p, const operands *o) {
    const size_t way = draw(3), row = way == 0 ? p->n + 1 : way == 1 ? 1 : 2 * p->n;
    const size_t column = way == 0 ? 1 : way == 1 ? p->k + 1 : 2;
    const size_t count = p->k > 0 && p->n > 0 ? (p->k - 1) * row + (p->n - 1) * column + 1 : 0;
    lode_bf16 *stored = guarded(count * sizeof *stored, false);
    float *floats = guarded(count * sizeof *floats, false);
    for (size_t q = 0; q < p->k; q++) {
        for (size_t j = 0; j < p->n; j++) {
            stored[q * row + j * column] = o->b[q * o->b_row + j];
            floats[q * row + j * column] = lode__bf16_widen(o->b[q * o->b_row + j]);
        }
    }
    if (draw(2) == 0) {
        kernels->pack(p->k, p->n, floats, row, column, o->packed);
    } else {
        kernels->pack_stored(p->k, p->n, stored, row, column, o->packed);
    }
}

static void run_problem(const struct lode_kernels_b16 *kernels, const problem *p, bool front) {
    operands o = operands_make(kernels, p, true, front);
    pack_somehow(kernels, p, &o);
    const float *want = expected(p, &o);
    const struct lode_gemm_b16 gemm = fill(p, &o);
    kernels->gemm(&gemm);
    // tanh is not exact, and may round to a neighbour
    const double error = p->activation != LODE_TANH ? 0 : p->wide ? 4e-7 : 0x1p-8;
    char what[160];
    snprintf(what, sizeof what,
             "%s m %zu n %zu k %zu packed %d reading %d wide %d accumulate %d act %d",
             kernels->level, p->m, p->n, p->k, p->packed, (int)p->reading, p->wide, p->accumulate,
             (int)p->activation);
    for (size_t i = 0; i < o.c_count; i++) {
        const float got = p->wide ? o.wide[i] : lode__bf16_widen(o.c[i]);
        check_one(got, (double)want[i], 0, error, what, i);
    }
    guarded_release();
}

static void vary(problem *p) {
    p->packed = draw(2);
    p->accumulate = draw(2);
    p->bias = draw(2);
    p->wide = draw(2);
    p->activation = (lode_activation)draw(3);
    p->reading = (reading)draw(3);
    p->a_gap = draw(3);
    p->b_gap = draw(3);
    p->c_gap = draw(3);
}

static void test_shapes(void **state) {
    (void)state;
    static const size_t ms[] = {0, 1, 7, 14, 15, 16, 17, 33, 61};
    static const size_t ns[] = {0, 1, 15, 16, 17, 32, 33, 64, 100};
    static const size_t ks[] = {0, 1, 2, 31, 32, 33, 65, 300};
    for (size_t m = 0; m < sizeof ms / sizeof *ms; m++) {
        for (size_t n = 0; n < sizeof ns / sizeof *ns; n++) {
            for (size_t k = 0; k < sizeof ks / sizeof *ks; k++) {
                problem p = {.m = ms[m], .n = ns[n], .k = ks[k]};
                EVERY_B16_LEVEL(kernels, front, {
                    vary(&p);
                    run_problem(kernels, &p, front);
                })
            }
        }
    }
}

/// Shapes with several blocks, and rows of A that crowd cache sets.
static void test_blocks(void **state) {
    (void)state;
    static const problem problems[] = {
        {.m = 150, .n = 450, .k = 300}, {.m = 61, .n = 70, .k = 1024},
        {.m = 270, .n = 70, .k = 1100}, {.m = 33, .n = 1100, .k = 64},
        {.m = 3, .n = 40, .k = 2049},   {.m = 20, .n = 300, .k = 2048},
    };
    for (size_t i = 0; i < sizeof problems / sizeof *problems; i++) {
        EVERY_B16_LEVEL(kernels, front, {
            for (int way = 0; way < 12; way++) {
                problem p = problems[i];
                vary(&p);
                p.reading = (reading)(way % 3);
                p.packed = way / 3 % 2;
                p.wide = way / 6;
                p.a_gap = 0;
                run_problem(kernels, &p, front);
            }
        })
    }
}

/// The whole product and the same product in pieces, from packed and from plain B, with A read by rows and by
/// columns, have the same bits.
static void compare_cuts(const struct lode_kernels_b16 *kernels, problem p, bool front) {
    p.packed = true;
    operands whole = operands_make(kernels, &p, false, front);
    kernels->pack_stored(p.k, p.n, whole.b, whole.b_row, 1, whole.packed);
    const size_t bytes = whole.c_count * (p.wide ? sizeof(float) : sizeof(lode_bf16));
    void *c = p.wide ? (void *)whole.wide : (void *)whole.c;
    void *start = guarded(bytes, front), *pieces = guarded(bytes, front);
    lode_bf16 *turned = guarded(p.m * p.k * sizeof *turned, front);
    memcpy(start, c, bytes);
    for (size_t i = 0; i < p.m; i++) {
        for (size_t q = 0; q < p.k; q++) {
            turned[q * p.m + i] = whole.a[i * whole.a_row + q];
        }
    }
    struct lode_gemm_b16 gemm = fill(&p, &whole);
    kernels->gemm(&gemm);

    for (int round = 0; round < 4; round++) {
        const bool packed = round % 2, transposed = round / 2;
        memcpy(pieces, start, bytes);
        for (size_t i = 0, rows; i < p.m; i += rows) {
            rows = 1 + draw(20);
            rows = LODE_MIN(rows, p.m - i);
            for (size_t j = 0, columns; j < p.n; j += columns) {
                columns = packed ? kernels->panel * (1 + draw(3)) : 1 + draw(70);
                columns = LODE_MIN(columns, p.n - j);
                gemm = fill(&p, &whole);
                gemm.m = rows;
                gemm.n = columns;
                gemm.a = transposed ? turned + i : whole.a + i * whole.a_row;
                gemm.a_row = transposed ? 1 : whole.a_row;
                gemm.a_column = transposed ? p.m : 1;
                gemm.b = packed ? whole.packed + j * padded(p.k, kernels->depth) : whole.b + j;
                gemm.b_packed = packed;
                gemm.c = p.wide ? NULL : (lode_bf16 *)pieces + i * whole.c_row + j;
                gemm.wide = p.wide ? (float *)pieces + i * whole.c_row + j : NULL;
                gemm.bias = p.bias ? whole.bias + j : NULL;
                kernels->gemm(&gemm);
            }
        }
        if (memcmp(pieces, c, bytes) != 0) {
            fail_msg("%s: m %zu n %zu k %zu wide %d differs in pieces (packed %d, transposed %d)",
                     kernels->level, p.m, p.n, p.k, p.wide, packed, transposed);
        }
    }
}

static void test_cuts(void **state) {
    (void)state;
    static const problem problems[] = {
        {.m = 61, .n = 100, .k = 600, .accumulate = true, .bias = true},
        {.m = 61, .n = 100, .k = 1024, .activation = LODE_TANH, .wide = true},
        {.m = 140, .n = 450, .k = 301, .bias = true, .activation = LODE_RELU},
        {.m = 140, .n = 200, .k = 1500, .bias = true, .activation = LODE_RELU},
        {.m = 64, .n = 1100, .k = 64, .accumulate = true, .bias = true, .activation = LODE_TANH},
    };
    for (size_t i = 0; i < sizeof problems / sizeof *problems; i++) {
        EVERY_B16_LEVEL(kernels, front, { compare_cuts(kernels, problems[i], front); })
    }
}

/// Other than whole numbers: within what the order of sums can make.
static void test_accuracy(void **state) {
    (void)state;
    problem p = {.m = 30, .n = 70, .k = 700, .wide = true, .packed = true};
    EVERY_B16_LEVEL(kernels, front, {
        operands o = operands_make(kernels, &p, false, front);
        kernels->pack_stored(p.k, p.n, o.b, o.b_row, 1, o.packed);
        const struct lode_gemm_b16 gemm = fill(&p, &o);
        kernels->gemm(&gemm);
        for (size_t i = 0; i < p.m; i++) {
            for (size_t j = 0; j < p.n; j++) {
                double sum = 0;
                for (size_t q = 0; q < p.k; q++) {
                    sum += (double)lode__bf16_widen(o.a[i * o.a_row + q]) *
                           (double)lode__bf16_widen(o.b[q * o.b_row + j]);
                }
                check_one(o.wide[i * o.c_row + j], sum, 3e-5, 0, kernels->level, i * p.n + j);
            }
        }
    })
}

/// A NaN stays in its row and survives every activation; infinity is no accident either. With an odd k, the
/// last pair must not take in what lies behind a row.
static void test_not_finite(void **state) {
    (void)state;
    problem p = {.m = 20, .n = 45, .k = 31, .bias = true};
    EVERY_B16_LEVEL(kernels, front, {
        for (int way = 0; way < 24; way++) {
            p.activation = (lode_activation)(way % 3);
            p.wide = way / 3 % 2;
            p.packed = way / 6 % 2;
            p.reading = way / 12 ? COLUMNS : ROWS;
            operands o = operands_make(kernels, &p, true, front);
            for (size_t i = 0; i < o.b_count; i++) {
                o.b[i] = lode__bf16_narrow(i % 2 ? 1 : -1);
            }
            o.a[2 * o.a_row + 3 * o.a_column] = lode__bf16_narrow(NAN);
            o.a[5 * o.a_row + 3 * o.a_column] = lode__bf16_narrow(INFINITY);
            kernels->pack_stored(p.k, p.n, o.b, o.b_row, 1, o.packed);
            const struct lode_gemm_b16 gemm = fill(&p, &o);
            kernels->gemm(&gemm);
            for (size_t i = 0; i < p.m; i++) {
                for (size_t j = 0; j < p.n; j++) {
                    const size_t at = i * o.c_row + j;
                    const float c = p.wide ? o.wide[at] : lode__bf16_widen(o.c[at]);
                    if (i == 2) {
                        assert_true(isnan(c));
                    } else if (i == 5) {
                        const float sign = lode__bf16_widen(o.b[3 * o.b_row + j]);
                        const float low = p.activation == LODE_RELU   ? 0
                                          : p.activation == LODE_TANH ? -1
                                                                      : -INFINITY;
                        const float high = p.activation == LODE_TANH ? 1 : INFINITY;
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

int main(void) {
    if (lode__kernels_b16_at(LODE_LEVEL_AMX) == NULL) {
        puts("SKIPPED: this machine has no AMX; its product runs on emulated tiles only");
    }
    if (emulated_amx() == NULL) puts("SKIPPED: no AVX512_BF16, not even emulated tiles");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shapes),     cmocka_unit_test(test_blocks),
        cmocka_unit_test(test_cuts),       cmocka_unit_test(test_accuracy),
        cmocka_unit_test(test_not_finite),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
