/// contrast among keys of which some give no gradient (stack): against finite differences, and the bits of what is left are
/// those of a contrast that computes all.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../support/gradcheck.h"

typedef struct detached_options {
    lode_contrast_kind kind;
    size_t queries, above, below, d;
    bool used;    ///< x has another consumer
    bool mixed;   ///< detached keys among the others, not behind them
    bool foreign; ///< positives among the detached ones, too
    bool all;     ///< compute what nobody reads
} detached_options;

/// Negatives are all keys, those of x first, as clrec.contrast has them.
static void build(gradcheck *check, const void *context) {
    const detached_options *options = context;
    const size_t keys = options->above + options->below;
    lode_graph *graph = check->graph;
    lode_dim *above = gradcheck_dim(check, "above", options->above);
    lode_dim *rows = gradcheck_dim(check, "queries", options->queries);
    float *constants = lode__graph_alloc(graph, above->capacity * options->d, sizeof *constants);
    assert_non_null(constants);
    for (size_t i = 0; i < options->above * options->d; i++)
        constants[i] = 0.25F * (float)(i * 7 % 13) - 1.5F;
    lode_tensor *x =
        gradcheck_input(check, "x", gradcheck_dim(check, "rows", options->below), options->d);
    lode_tensor *query = gradcheck_input(check, "query", rows, options->d);
    lode_tensor *key = lode__stack(graph, above, constants, options->d, x);
    if (options->all) key->detached = NULL;
    lode_ids *positive = gradcheck_index(check, rows, 1, options->foreign ? keys : options->below);
    for (size_t i = 0; i < options->queries && !options->foreign; i++)
        positive->data[i] += (int32_t)options->above;
    lode_ids *negative = lode__graph_ids(graph, gradcheck_dim(check, "negatives", keys), 1);
    for (size_t i = 0; i < keys; i++) {
        const size_t place = options->mixed ? i * 37 % keys : i;
        negative->data[i] = (int32_t)((place + options->above) % keys);
    }
    lode__graph_loss(graph,
                     lode__contrast(graph, &(lode_contrast){.kind = options->kind,
                                                            .query = query,
                                                            .key = key,
                                                            .positive = positive,
                                                            .negative = negative,
                                                            .shared = true,
                                                            .scale = 0.5,
                                                            .positive_in_denominator = true}),
                     1.3);
    if (options->used) gradcheck_sum(check, x);
}

#define DETACHED(text, ...)                                                                        \
    {                                                                                              \
        .name = "detached, " text, .build = build, .options = &(const detached_options) {          \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }

static const gradcase cases[] = {
    DETACHED("a few", .queries = 3, .above = 5, .below = 4, .d = 3),
    DETACHED("one below", .queries = 3, .above = 5, .below = 1, .d = 3),
    DETACHED("none above", .queries = 3, .above = 0, .below = 4, .d = 3),
    DETACHED("foreign positives", .queries = 9, .above = 5, .below = 4, .d = 3, .foreign = true),
    DETACHED("shared input", .queries = 3, .above = 5, .below = 4, .d = 3, .used = true),
    DETACHED("mixed", .queries = 5, .above = 40, .below = 21, .d = 2, .mixed = true),
    DETACHED("several tiles", .queries = 7, .above = 150, .below = 33, .d = 2),
    DETACHED("bpr", .kind = LODE_CONTRAST_BPR, .queries = 4, .above = 30, .below = 17, .d = 2),
};

/// Gradients of all inputs, one after the other.
static double *gradients(const detached_options *options, lode_precision precision, size_t *count) {
    const gradcase item = {.name = "bits", .build = build, .options = options};
    gradcheck check;
    double *all = NULL;
    gradcheck_open(&check, &item, precision, NULL, false);
    (void)gradcheck_step(&check);
    *count = 0;
    for (size_t p = 0; p < check.params->count; p++) {
        lode_param *param = check.params->list[p];
        const size_t size = param->rows * param->columns;
        double *taken = gradcheck_take(&check, param);
        all = realloc(all, (*count + size) * sizeof *all);
        assert_non_null(all);
        memcpy(all + *count, taken, size * sizeof *all);
        *count += size;
        lode__free(taken);
    }
    gradcheck_close(&check);
    return all;
}

/// A queue as clrec.contrast has it (2560 keys, of which 256 are the step's), and odd sizes.
static void test_bits(void **state) {
    (void)state;
    static const detached_options sizes[] = {
        {.queries = 256, .above = 2560, .below = 256, .d = 16},
        {.queries = 100, .above = 701, .below = 37, .d = 9, .mixed = true},
        {.queries = 100, .above = 701, .below = 37, .d = 9, .foreign = true, .used = true},
        {.queries = 90, .above = 300, .below = 5, .d = 7, .kind = LODE_CONTRAST_BCE}};
    static const lode_precision precisions[] = {LODE_F32, LODE_F64, LODE_BF16};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        for (size_t p = 0; p < 3; p++) {
            detached_options full = sizes[s];
            size_t count, count_full;
            full.all = true;
            double *some = gradients(&sizes[s], precisions[p], &count);
            double *all = gradients(&full, precisions[p], &count_full);
            assert_int_equal(count, count_full);
            assert_memory_equal(some, all, count * sizeof *some);
            free(some);
            free(all);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_bits)};
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    return failed + gradcheck_main("detached", cases, sizeof cases / sizeof *cases);
}
