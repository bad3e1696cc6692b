/// Heads of attention over packed lists: pooling and merging against plain formulas, and gradients.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../support/gradcheck.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))
enum { MOST_HEADS = 8 };

typedef struct head_options {
    const size_t *lengths; ///< pool: of the lists
    size_t lists, m;       ///< merge: m rows
    size_t heads, d;
    lode_merge_kind kind;
    bool used; ///< the inputs have other consumers, before and after
} head_options;

typedef struct head_parts {
    lode_tensor *scores, *x, *output;
    lode_lists *lists;
} head_parts;

static head_parts *parts_new(gradcheck *check) {
    head_parts *parts = check->data = lode__graph_alloc(check->graph, 1, sizeof *parts);
    assert_non_null(parts);
    return parts;
}

static double at(const gradcheck *check, const lode_tensor *tensor, size_t row, size_t column) {
    return lode__tensor_get(check->graph, tensor, row, column);
}

static void pool_build(gradcheck *check, const void *context) {
    const head_options *options = context;
    head_parts *parts = parts_new(check);
    lode_dim *rows = gradcheck_dim(check, "rows", options->lists);
    parts->lists = gradcheck_lists(check, rows, "positions", options->lengths);
    lode_dim *positions = parts->lists->positions;
    parts->scores = gradcheck_input(check, "scores", positions, options->heads);
    parts->x = gradcheck_input(check, "x", positions, options->d);
    if (options->used) {
        gradcheck_sum(check, lode__normalize(check->graph, parts->scores));
        gradcheck_sum(check, lode__normalize(check->graph, parts->x));
    }
    parts->output = lode__pool_heads(check->graph, parts->scores, parts->x, parts->lists);
    gradcheck_sum(check, parts->output);
    if (!options->used) return;
    gradcheck_sum(check, parts->scores);
    gradcheck_sum(check, parts->x);
}

static void pool_verify(const gradcheck *check, const void *context) {
    const head_options *options = context;
    const head_parts *parts = check->data;
    for (size_t list = 0; list < options->lists; list++) {
        const size_t begin = (size_t)parts->lists->offsets[list];
        const size_t end = (size_t)parts->lists->offsets[list + 1];
        for (size_t h = 0; h < options->heads; h++) {
            double total = 0;
            for (size_t t = begin; t < end; t++)
                total += exp(at(check, parts->scores, t, h));
            for (size_t k = 0; k < options->d; k++) {
                double expected = 0;
                for (size_t t = begin; t < end; t++)
                    expected +=
                        exp(at(check, parts->scores, t, h)) / total * at(check, parts->x, t, k);
                gradcheck_near(at(check, parts->output, list, h * options->d + k), expected, 1e-12,
                               1e-12, "pooled");
            }
        }
    }
}

static void merge_build(gradcheck *check, const void *context) {
    const head_options *options = context;
    head_parts *parts = parts_new(check);
    lode_dim *rows = gradcheck_dim(check, "rows", options->m);
    parts->x = gradcheck_input(check, "x", rows, options->heads * options->d);
    if (options->used) gradcheck_sum(check, lode__normalize(check->graph, parts->x));
    parts->output = lode__merge_heads(check->graph, parts->x, options->heads, options->kind);
    gradcheck_sum(check, parts->output);
    if (options->used) gradcheck_sum(check, parts->x);
}

/// The equations as the paper has them, with the mean g written out.
static void merge_weights(const gradcheck *check, const head_options *options, size_t row,
                          double *weights) {
    const head_parts *parts = check->data;
    double total = 0;
    for (size_t k = 0; k < options->heads; k++) {
        double product = 0;
        for (size_t c = 0; c < options->d; c++) {
            double mean = 0;
            for (size_t j = 0; j < options->heads; j++)
                mean += at(check, parts->x, row, j * options->d + c) / (double)options->heads;
            product += mean * at(check, parts->x, row, k * options->d + c);
        }
        weights[k] = options->kind == LODE_MERGE_MEAN ? 1.0 : exp(product);
        total += weights[k];
    }
    for (size_t k = 0; k < options->heads; k++)
        weights[k] /= total;
}

static void merge_verify(const gradcheck *check, const void *context) {
    const head_options *options = context;
    const head_parts *parts = check->data;
    for (size_t row = 0; row < options->m; row++) {
        double weights[MOST_HEADS];
        merge_weights(check, options, row, weights);
        for (size_t c = 0; c < options->d; c++) {
            double expected = 0;
            for (size_t k = 0; k < options->heads; k++)
                expected += weights[k] * at(check, parts->x, row, k * options->d + c);
            gradcheck_near(at(check, parts->output, row, c), expected, 1e-12, 1e-12, "merged");
        }
    }
}

static const size_t few[] = {3, 0, 5, 1}, none[] = {0, 0}, empty_ends[] = {0, 2, 7, 0};
static const size_t many[] = {2, 1, 3, 0, 1, 2, 4, 1, 2, 0, 3, 1, 1, 2, 5, 1, 2, 1, 0, 1};

#define POOL(text, ...)                                                                            \
    {                                                                                              \
        .name = "pool_heads, " text, .build = pool_build, .verify = pool_verify,                   \
        .options = &(const head_options) {                                                         \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }
#define MERGE(text, ...)                                                                           \
    {                                                                                              \
        .name = "merge_heads, " text, .build = merge_build, .verify = merge_verify,                \
        .options = &(const head_options) {                                                         \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }

static const gradcase cases[] = {
    POOL("four heads", .lengths = few, .lists = COUNT(few), .heads = 4, .d = 6),
    POOL("one head", .lengths = few, .lists = COUNT(few), .heads = 1, .d = 5),
    POOL("shared", .lengths = few, .lists = COUNT(few), .heads = 3, .d = 4, .used = true),
    POOL("empty lists at the ends", .lengths = empty_ends, .lists = COUNT(empty_ends), .heads = 2,
         .d = 17),
    {.name = "pool_heads, empty lists alone",
     .build = pool_build,
     .verify = pool_verify,
     .flat = true,
     .options = &(const head_options){.lengths = none, .lists = COUNT(none), .heads = 2, .d = 3}},
    POOL("several tasks", .lengths = many, .lists = COUNT(many), .heads = 2, .d = 3),
    MERGE("wha", .m = 4, .heads = 4, .d = 6),
    MERGE("wha of one head", .m = 3, .heads = 1, .d = 5),
    MERGE("wha, shared", .m = 4, .heads = 3, .d = 17, .used = true),
    MERGE("wha, several tiles", .m = 140, .heads = 2, .d = 2),
    MERGE("mean", .m = 4, .heads = 4, .d = 6, .kind = LODE_MERGE_MEAN),
    MERGE("mean, shared", .m = 4, .heads = 3, .d = 5, .kind = LODE_MERGE_MEAN, .used = true),
};

/// Scores far beyond what exp can hold: the largest of a list takes all of it.
static void test_large_scores(void **state) {
    (void)state;
    static const size_t two[] = {3, 2};
    const head_options options = {.lengths = two, .lists = 2, .heads = 1, .d = 2};
    const gradcase item = {.name = "large", .build = pool_build, .options = &options};
    gradcheck check;
    gradcheck_open(&check, &item, LODE_F64, NULL, true);
    const head_parts *parts = check.data;
    double *scores = lode__param_find(check.params, "scores")->value;
    const double given[] = {-2000, 3000, -3000, -5000, -4000};
    for (size_t i = 0; i < COUNT(given); i++)
        scores[i] = given[i];
    check.params->version++;
    lode__graph_forward(check.graph);
    for (size_t c = 0; c < 2; c++) {
        assert_true(at(&check, parts->output, 0, c) == at(&check, parts->x, 1, c));
        assert_true(at(&check, parts->output, 1, c) == at(&check, parts->x, 4, c));
    }
    gradcheck_close(&check);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_large_scores)};
    return gradcheck_main("heads", cases, COUNT(cases)) + cmocka_run_group_tests(tests, NULL, NULL);
}
