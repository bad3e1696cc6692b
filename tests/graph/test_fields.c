/// Ops on the fields of a row: factors against sums over pairs written out, unfold against its input.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../support/gradcheck.h"

typedef struct field_options {
    size_t m, fields, d, terms; ///< terms: linear ones
    lode_factors_kind kind;
    bool used; ///< x has another consumer, before and after
} field_options;

typedef struct field_parts {
    lode_tensor *x, *linear, *output;
    lode_lists *lists;
} field_parts;

static field_parts *begin(gradcheck *check, const field_options *options) {
    field_parts *parts = check->data = lode__graph_alloc(check->graph, 1, sizeof *parts);
    assert_non_null(parts);
    lode_dim *rows = gradcheck_dim(check, "rows", options->m);
    parts->x = gradcheck_input(check, "x", rows, options->fields * options->d);
    if (options->terms > 0) parts->linear = gradcheck_input(check, "linear", rows, options->terms);
    if (options->used) gradcheck_sum(check, lode__normalize(check->graph, parts->x));
    return parts;
}

static void end(gradcheck *check, const field_options *options, lode_tensor *output) {
    field_parts *parts = check->data;
    parts->output = output;
    gradcheck_sum(check, output);
    if (!options->used) return;
    gradcheck_sum(check, parts->x);
    if (parts->linear != NULL) gradcheck_sum(check, parts->linear);
}

static void factors_build(gradcheck *check, const void *context) {
    const field_options *options = context;
    const field_parts *parts = begin(check, options);
    end(check, options,
        lode__factors(check->graph, parts->x, options->d, options->kind, parts->linear));
}

static double at(const gradcheck *check, const lode_tensor *tensor, size_t row, size_t column) {
    return lode__tensor_get(check->graph, tensor, row, column);
}

static void factors_verify(const gradcheck *check, const void *context) {
    const field_options *options = context;
    const field_parts *parts = check->data;
    const size_t d = options->d;
    for (size_t row = 0; row < options->m; row++) {
        double score = 0;
        for (size_t k = 0; k < d; k++) {
            double sum = 0, pairs = 0;
            for (size_t f = 0; f < options->fields; f++) {
                const double own = at(check, parts->x, row, f * d + k);
                sum += own;
                for (size_t g = 0; g < f; g++)
                    pairs += own * at(check, parts->x, row, g * d + k);
            }
            score += pairs;
            gradcheck_near(at(check, parts->output, row, k), sum, 1e-12, 1e-12, "sum");
            if (options->kind == LODE_FACTORS_PAIRS)
                gradcheck_near(at(check, parts->output, row, d + k), pairs, 1e-12, 1e-12, "pairs");
        }
        for (size_t i = 0; i < options->terms; i++)
            score += at(check, parts->linear, row, i);
        if (options->kind != LODE_FACTORS_PAIRS) {
            const double last = options->kind == LODE_FACTORS_ONE ? 1.0 : score;
            gradcheck_near(at(check, parts->output, row, d), last, 1e-12, 1e-12, "last column");
        }
    }
}

static void unfold_build(gradcheck *check, const void *context) {
    const field_options *options = context;
    field_parts *parts = begin(check, options);
    lode_dim *positions =
        lode__graph_dim(check->graph, "fields", parts->x->rows->capacity * options->fields);
    parts->lists = lode__graph_lists(check->graph, parts->x->rows, positions, options->fields);
    positions->size =
        options->m * options->fields; // the op's own doing, but gradcheck_sum asks before
    end(check, options, lode__unfold(check->graph, parts->x, parts->lists));
}

static void unfold_verify(const gradcheck *check, const void *context) {
    const field_options *options = context;
    const field_parts *parts = check->data;
    const size_t d = options->d, fields = options->fields;
    assert_int_equal(parts->output->rows->size, options->m * fields);
    for (size_t row = 0; row < options->m; row++) {
        assert_int_equal(parts->lists->offsets[row + 1], (row + 1) * fields);
        for (size_t i = 0; i < fields * d; i++) {
            const double own = at(check, parts->x, row, i);
            assert_true(at(check, parts->output, row * fields + i / d, i % d) == own);
        }
    }
}

#define CASE(op, text, ...)                                                                        \
    {                                                                                              \
        .name = #op ", " text, .build = op##_build, .verify = op##_verify,                         \
        .options = &(const field_options) {                                                        \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }

static const gradcase cases[] = {
    CASE(factors, "one", .m = 4, .fields = 3, .d = 5, .kind = LODE_FACTORS_ONE),
    CASE(factors, "one, shared", .m = 4, .fields = 3, .d = 5, .kind = LODE_FACTORS_ONE, .used = true),
    CASE(factors, "score", .m = 4, .fields = 3, .d = 5, .terms = 3, .kind = LODE_FACTORS_SCORE),
    CASE(factors, "score, shared", .m = 4, .fields = 3, .d = 5, .terms = 2,
         .kind = LODE_FACTORS_SCORE, .used = true),
    CASE(factors, "score of one field", .m = 3, .fields = 1, .d = 4, .terms = 1,
         .kind = LODE_FACTORS_SCORE),
    CASE(factors, "pairs", .m = 4, .fields = 4, .d = 3, .kind = LODE_FACTORS_PAIRS),
    CASE(factors, "pairs, shared", .m = 4, .fields = 4, .d = 3, .kind = LODE_FACTORS_PAIRS,
         .used = true),
    CASE(factors, "pairs, several tiles", .m = 140, .fields = 2, .d = 2, .kind = LODE_FACTORS_PAIRS),
    CASE(unfold, "a few rows", .m = 4, .fields = 3, .d = 5),
    CASE(unfold, "shared", .m = 4, .fields = 3, .d = 5, .used = true),
    CASE(unfold, "several tiles", .m = 140, .fields = 2, .d = 2),
};

int main(void) {
    return gradcheck_main("fields", cases, sizeof cases / sizeof *cases);
}
