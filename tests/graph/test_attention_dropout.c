/// Dropout of attention weights: gradients under a fixed mask, which weights go, that means stay, and that a graph without it
/// is the graph it was. Values are unit vectors, so that an output is the weights of its position.
#include "../support/gradcheck.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { HEADS = 2, LONGEST = 40, DIM = HEADS * LONGEST };

typedef struct dropout_options {
    const size_t *lengths;
    size_t lists, heads, d;
    bool causal, apart;
    double rate;
    uint32_t before; ///< other dropouts of the graph
} dropout_options;

typedef struct dropout_parts {
    lode_lists *lists;
    lode_tensor *output;
} dropout_parts;

static void build(gradcheck *check, const void *context) {
    const dropout_options *options = context;
    dropout_parts *parts = check->data = lode__graph_alloc(check->graph, 1, sizeof *parts);
    assert_non_null(parts);
    lode_dim *rows = gradcheck_dim(check, "rows", options->lists);
    parts->lists = gradcheck_lists(check, rows, "positions", options->lengths);
    lode_dim *positions = parts->lists->positions;
    const lode_attending how = {options->heads, options->causal, options->rate};
    check->graph->dropouts = options->before;
    check->graph->epoch = 2;
    check->graph->step = 9;
    if (options->apart) {
        lode_tensor *query = gradcheck_input(check, "query", positions, options->d);
        lode_tensor *pair = gradcheck_input(check, "key_value", positions, 2 * options->d);
        parts->output = lode__attention_of(check->graph, query, pair, parts->lists, how);
    } else {
        lode_tensor *x = gradcheck_input(check, "projections", positions, 3 * options->d);
        parts->output = lode__attention(check->graph, x, parts->lists, how);
    }
    gradcheck_sum(check, parts->output);
}

static const size_t mixed[] = {0, 1, 2, 7, 0, 20, 0, 35}, long_list[] = {3, 70, 2};

#define CASE(text, ...)                                                                            \
    {                                                                                              \
        .name = "attention dropout, " text, .build = build, .options = &(const dropout_options) {  \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }
#define MIXED .lengths = mixed, .lists = sizeof mixed / sizeof *mixed

static const gradcase cases[] = {
    CASE("one head", .d = 4, .heads = 1, .rate = 0.3, MIXED),
    CASE("two heads, causal", .d = 6, .heads = 2, .causal = true, .rate = 0.5, MIXED),
    CASE("queries apart, causal", .d = 4, .heads = 2, .causal = true, .apart = true, .rate = 0.2,
         MIXED),
    CASE("a long list", .d = 2, .heads = 1, .causal = true, .rate = 0.2, .lengths = long_list,
         .lists = 3),
};

// --- weights --------------------------------------------------------------------------------------------

static const size_t lengths[] = {LONGEST, 5, 0, LONGEST};

/// As `cases`, with values of which weights can be read; nothing is run yet.
static void open_weights(gradcheck *check, const dropout_options *options) {
    const gradcase item = {.name = "weights", .build = build, .options = options};
    gradcheck_open(check, &item, LODE_F64, NULL, true);
    lode_param *inputs = check->params->list[0];
    const dropout_parts *parts = check->data;
    for (size_t list = 0; list < options->lists; list++) {
        const size_t begin = (size_t)parts->lists->offsets[list];
        for (size_t t = 0; t < options->lengths[list]; t++) {
            double *row = (double *)inputs->value + (begin + t) * inputs->columns;
            for (size_t c = 0; c < DIM; c++)
                row[2 * DIM + c] = c % LONGEST == t ? 1.0 : 0.0;
        }
    }
    check->params->version++;
}

static const dropout_options plain = {lengths, 4, HEADS, DIM, true, false, 0.25, 0};

enum { POSITIONS = 2 * LONGEST + 5, WEIGHTS = POSITIONS * DIM };

static void run_weights(gradcheck *check, double *weights) {
    const dropout_parts *parts = check->data;
    lode__graph_forward(check->graph);
    for (size_t i = 0; i < WEIGHTS; i++)
        weights[i] = lode__tensor_get(check->graph, parts->output, i / DIM, i % DIM);
}

/// Weights of position and head, as zero or not, that differ.
static size_t unlike(const double *weights, size_t t, size_t head, const double *others,
                     size_t other_t, size_t other_head, size_t count) {
    size_t differ = 0;
    for (size_t u = 0; u < count; u++)
        differ += (weights[t * DIM + head * LONGEST + u] == 0.0) !=
                  (others[other_t * DIM + other_head * LONGEST + u] == 0.0);
    return differ;
}

static double whole[WEIGHTS], once[WEIGHTS], again[WEIGHTS];
static double sums[WEIGHTS];

static void test_weights(void **state) {
    (void)state;
    gradcheck check;
    open_weights(&check, &plain);
    check.graph->training = false;
    run_weights(&check, whole);
    check.graph->training = true;
    run_weights(&check, once);
    size_t seen = 0, gone = 0;
    for (size_t i = 0; i < WEIGHTS; i++) {
        if (whole[i] == 0.0) continue;
        seen++;
        gone += once[i] == 0.0;
        if (once[i] != 0.0) gradcheck_near(once[i], whole[i] / 0.75, 0, 1e-12, "a kept weight");
    }
    assert_int_equal(seen, HEADS * (2 * LONGEST * (LONGEST + 1) / 2 + 15));
    gradcheck_near((double)gone / (double)seen, 0.25, 4 * sqrt(0.25 * 0.75 / (double)seen), 0,
                   "share of weights that are gone");
    // Positions, heads and lists have masks of their own; steps, epochs and seeds too; and the same comes back.
    const size_t second = LONGEST + 5; // first position of the last list
    assert_true(unlike(once, 39, 0, once, 38, 0, 39) > 0);
    assert_true(unlike(once, 39, 0, once, 39, 1, 40) > 0);
    assert_true(unlike(once, 39, 0, once, second + 39, 0, 40) > 0);
    for (uint32_t i = 0; i < 3; i++) {
        check.graph->step += i == 0;
        check.graph->epoch += i == 1;
        check.graph->seed += i == 2;
        run_weights(&check, again);
        assert_true(unlike(once, 39, 0, again, 39, 0, 40) > 0);
        check.graph->step -= i == 0;
        check.graph->epoch -= i == 1;
        check.graph->seed -= i == 2;
    }
    run_weights(&check, again);
    assert_memory_equal(once, again, sizeof once);
    gradcheck_close(&check);
}

/// The mean over steps is the weight without dropout; each weight is judged by its own deviation.
static void test_mean(void **state) {
    (void)state;
    enum { STEPS = 300 };
    gradcheck check;
    open_weights(&check, &plain);
    check.graph->training = false;
    run_weights(&check, whole);
    check.graph->training = true;
    memset(sums, 0, sizeof sums);
    for (uint32_t step = 0; step < STEPS; step++) {
        check.graph->step = step;
        run_weights(&check, once);
        for (size_t i = 0; i < WEIGHTS; i++)
            sums[i] += once[i];
    }
    const double deviation = sqrt(0.25 / 0.75 / STEPS);
    for (size_t i = 0; i < WEIGHTS; i++)
        gradcheck_near(sums[i] / STEPS, whole[i], 1e-12, 5 * deviation, "mean of a weight");
    gradcheck_close(&check);
}

/// The dropouts of a graph have different masks; attention without one takes no number from those behind it.
static void test_numbers(void **state) {
    (void)state;
    gradcheck check;
    dropout_options none = plain, second = plain;
    none.rate = 0;
    second.before = 1;
    open_weights(&check, &none);
    assert_int_equal(check.graph->dropouts, 0);
    run_weights(&check, whole);
    gradcheck_close(&check);
    open_weights(&check, &plain);
    assert_int_equal(check.graph->dropouts, 1);
    run_weights(&check, once);
    check.graph->training = false;
    run_weights(&check, again);
    assert_memory_equal(whole, again, sizeof whole);
    gradcheck_close(&check);
    open_weights(&check, &second);
    run_weights(&check, again);
    assert_true(unlike(once, 39, 0, again, 39, 0, 40) > 0);
    gradcheck_close(&check);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_weights), cmocka_unit_test(test_mean),
                                       cmocka_unit_test(test_numbers)};
    const int failed = gradcheck_main("attention dropout", cases, sizeof cases / sizeof *cases);
    return failed + cmocka_run_group_tests(tests, NULL, NULL);
}
