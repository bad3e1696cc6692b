/// Ops over chosen rows: gather, and mask, whose draws belong to ids: values against plain formulas, and gradients.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "../support/gradcheck.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

typedef struct op_parts {
    lode_tensor *x, *output;
    lode_ids *ids;
} op_parts;

static op_parts *parts_new(gradcheck *check) {
    op_parts *parts = check->data = lode__graph_alloc(check->graph, 1, sizeof *parts);
    assert_non_null(parts);
    return parts;
}

static double value(const gradcheck *check, const lode_tensor *tensor, size_t row, size_t column) {
    return lode__tensor_get(check->graph, tensor, row, column);
}

// --- gather -------------------------------------------------------------------------------------

typedef struct gather_options {
    size_t rows, d, asked;
    size_t step; ///< ids are step * i modulo rows: all different where the two have no common divisor
    bool before, behind; ///< x has another consumer, whose gradient comes after this op's, or before
} gather_options;

static void gather_build(gradcheck *check, const void *context) {
    const gather_options *options = context;
    op_parts *parts = parts_new(check);
    parts->x = gradcheck_input(check, "x", gradcheck_dim(check, "rows", options->rows), options->d);
    lode_dim *asked = gradcheck_dim(check, "asked", options->asked);
    parts->ids = gradcheck_index(check, asked, 1, options->rows);
    for (size_t i = 0; i < options->asked; i++)
        parts->ids->data[i] = (int32_t)((i * options->step + 1) % options->rows);
    if (options->before) gradcheck_sum(check, lode__normalize(check->graph, parts->x));
    parts->output = lode__gather(check->graph, parts->x, parts->ids);
    gradcheck_sum(check, lode__normalize(check->graph, parts->output));
    if (options->behind) gradcheck_sum(check, parts->x);
}

static void gather_verify(const gradcheck *check, const void *context) {
    const gather_options *options = context;
    const op_parts *parts = check->data;
    for (size_t i = 0; i < options->asked; i++) {
        const size_t row = (i * options->step + 1) % options->rows;
        for (size_t j = 0; j < options->d; j++) {
            gradcheck_near(value(check, parts->output, i, j), value(check, parts->x, row, j), 0, 0,
                           "value");
        }
    }
}

// --- mask ---------------------------------------------------------------------------------------

typedef struct mask_options {
    size_t m, d, distinct; ///< ids are i modulo distinct
    double rate;
    uint32_t purpose;
    bool used;
} mask_options;

static void mask_build(gradcheck *check, const void *context) {
    const mask_options *options = context;
    op_parts *parts = parts_new(check);
    lode_dim *rows = gradcheck_dim(check, "rows", options->m);
    parts->x = gradcheck_input(check, "x", rows, options->d);
    parts->ids = gradcheck_index(check, rows, 1, options->distinct);
    for (size_t i = 0; i < options->m; i++)
        parts->ids->data[i] = (int32_t)(i % options->distinct);
    check->graph->epoch = 2;
    check->graph->step = 9;
    parts->output = lode__mask(check->graph, parts->x, parts->ids, options->rate, options->purpose);
    gradcheck_sum(check, parts->output);
    if (options->used) gradcheck_sum(check, parts->x);
}

/// Elements are 0 or what they were, about `rate` of them 0; rows of an id alike, rows of two not.
static void mask_verify(const gradcheck *check, const void *context) {
    const mask_options *options = context;
    const op_parts *parts = check->data;
    size_t dropped = 0, drawn = 0, unlike = 0;
    for (size_t i = 0; i < options->m; i++) {
        for (size_t j = 0; j < options->d; j++) {
            const double found = value(check, parts->output, i, j);
            if (i < options->distinct) {
                dropped += found == 0.0 ? 1 : 0;
                drawn++;
                unlike += i > 0 && (found == 0.0) != (value(check, parts->output, i - 1, j) == 0.0)
                              ? 1
                              : 0;
            } else {
                const double first = value(check, parts->output, i - options->distinct, j);
                assert_int_equal(found == 0.0, first == 0.0);
            }
            if (found != 0.0)
                gradcheck_near(found, value(check, parts->x, i, j), 0, 0, "kept value");
        }
    }
    const double spread = 4.0 * sqrt(options->rate * (1.0 - options->rate) / (double)drawn);
    gradcheck_near((double)dropped / (double)drawn, options->rate, spread, 0.0, "share of zeros");
    assert_true(unlike > 0 || options->rate == 0.0);
}

#define CASE(op, text, ...)                                                                        \
    {                                                                                              \
        .name = #op ", " text, .build = op##_build, .verify = op##_verify,                         \
        .options = &(const op##_options) {                                                         \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }

static const gradcase cases[] = {
    CASE(gather, "some rows", .rows = 7, .d = 5, .asked = 4, .step = 3),
    CASE(gather, "all rows, shared before", .rows = 7, .d = 5, .asked = 7, .step = 2, .before = true),
    CASE(gather, "shared behind", .rows = 7, .d = 5, .asked = 3, .step = 2, .behind = true),
    CASE(gather, "several tiles", .rows = 331, .d = 3, .asked = 290, .step = 10),
    CASE(mask, "few columns", .m = 40, .d = 5, .distinct = 16, .rate = 0.4, .purpose = 3),
    CASE(mask, "several groups of columns", .m = 5, .d = 150, .distinct = 3, .rate = 0.5,
         .purpose = 3),
    CASE(mask, "shared input", .m = 12, .d = 9, .distinct = 12, .rate = 0.3, .purpose = 4,
         .used = true),
    CASE(mask, "several tiles", .m = 200, .d = 3, .distinct = 150, .rate = 0.1, .purpose = 3),
    CASE(mask, "rate 0", .m = 4, .d = 5, .distinct = 4, .rate = 0.0),
};

/// The kept elements of one row of 64 as bits.
static uint64_t kept_bits(uint64_t seed, uint32_t purpose, uint32_t step, int32_t id) {
    const gradcase item = {.build = mask_build,
                           .options = &(const mask_options){
                               .m = 1, .d = 64, .distinct = 1, .rate = 0.5, .purpose = purpose}};
    gradcheck check;
    gradcheck_open(&check, &item, LODE_F64, NULL, true);
    const op_parts *parts = check.data;
    check.graph->seed = seed;
    check.graph->step = step;
    parts->ids->data[0] = id;
    lode__graph_forward(check.graph);
    uint64_t bits = 0;
    for (size_t j = 0; j < 64; j++)
        bits |= (uint64_t)(value(&check, parts->output, 0, j) != 0.0) << j;
    gradcheck_close(&check);
    return bits;
}

static void test_what_a_mask_depends_on(void **state) {
    (void)state;
    const uint64_t bits = kept_bits(1, 2, 3, 4);
    assert_true(bits == kept_bits(1, 2, 3, 4));
    assert_true(bits != kept_bits(9, 2, 3, 4));
    assert_true(bits != kept_bits(1, 9, 3, 4));
    assert_true(bits != kept_bits(1, 2, 9, 4));
    assert_true(bits != kept_bits(1, 2, 3, 9));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_what_a_mask_depends_on)};
    return gradcheck_main("chosen rows", cases, COUNT(cases)) +
           cmocka_run_group_tests(tests, NULL, NULL);
}
