#include "gradcheck.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "graph/optimiser.h"

enum { SPARE = 5 }; ///< capacity beyond the size of each dimension

// Of the function's third derivative, and of doubles divided by the step.
static const double STEP = 1e-5, ABSOLUTE = 1e-8, RELATIVE = 1e-6;

// --- the test-only op ---------------------------------------------------------------------------

typedef struct weighted_sum {
    lode_tensor *x, *output;
} weighted_sum;

static double sum_weight(size_t row, size_t column) {
    return cos(1.0 + 3.7 * (double)row + 1.3 * (double)column);
}

static void sum_forward(lode_graph *graph, void *context) {
    const weighted_sum *self = context;
    double sum = 0.0;
    for (size_t row = 0; row < self->x->rows->size; row++) {
        for (size_t column = 0; column < self->x->columns; column++) {
            sum += sum_weight(row, column) * lode__tensor_get(graph, self->x, row, column);
        }
    }
    lode__real_set(self->output->elements, self->output->value, 0, sum);
}

static void sum_backward(lode_graph *graph, void *context) {
    const weighted_sum *self = context;
    const double outer = lode__real_get(self->output->elements, self->output->gradient, 0);
    const lode_precision elements = self->x->elements;
    (void)graph;
    bool add;
    void *gradient = lode__gradient(self->x, &add);
    for (size_t row = 0; row < self->x->rows->size; row++) {
        for (size_t column = 0; column < self->x->columns; column++) {
            const size_t at = row * self->x->columns + column;
            const double before = add ? lode__real_get(elements, gradient, at) : 0.0;
            lode__real_set(elements, gradient, at, before + outer * sum_weight(row, column));
        }
    }
}

static const lode_op sum_op = {"weighted_sum", sum_forward, sum_backward};

void gradcheck_sum(gradcheck *check, lode_tensor *tensor) {
    weighted_sum *self = lode__graph_alloc(check->graph, 1, sizeof *self);
    assert_non_null(self);
    assert_non_null(tensor);
    *self =
        (weighted_sum){tensor, lode__graph_tensor_wide(check->graph, &check->graph->one, 1, true)};
    lode__graph_reads(check->graph, tensor, LODE_FORWARD_ONLY);
    lode__graph_loss(check->graph, lode__graph_add(check->graph, &sum_op, self, self->output), 0.7);
}

// --- inputs -------------------------------------------------------------------------------------

lode_dim *gradcheck_dim(gradcheck *check, const char *name, size_t size) {
    lode_dim *dim = lode__graph_dim(check->graph, name, size + SPARE);
    assert_non_null(dim);
    dim->size = size;
    return dim;
}

lode_param *gradcheck_dense(gradcheck *check, const char *name, size_t rows, size_t columns) {
    const size_t number =
        lode__param_dense(check->params, name, rows, columns, LODE_INIT_NORMAL, 0.7);
    return lode__param(check->params, number);
}

lode_param *gradcheck_table(gradcheck *check, const char *name, size_t rows, size_t columns) {
    const size_t number =
        lode__param_table(check->params, name, rows, columns, LODE_INIT_NORMAL, 0.7);
    return lode__param(check->params, number);
}

lode_tensor *gradcheck_input(gradcheck *check, const char *name, lode_dim *rows, size_t columns) {
    lode_param *table = gradcheck_table(check, name, LODE_MAX(rows->size, (size_t)1), columns);
    lode_ids *ids = lode__graph_ids(check->graph, rows, 1);
    assert_non_null(ids);
    for (size_t i = 0; i < rows->size; i++)
        ids->data[i] = (int32_t)i;
    return lode__embedding(check->graph, table, ids, NULL, LODE_POOL_SUM);
}

lode_ids *gradcheck_index(gradcheck *check, lode_dim *dim, size_t width, size_t bound) {
    lode_ids *index = lode__graph_ids(check->graph, dim, width);
    assert_non_null(index);
    for (size_t i = 0; i < dim->size * width; i++) {
        index->data[i] = (int32_t)lode__random_below(&check->random, bound);
    }
    return index;
}

lode_lists *gradcheck_lists(gradcheck *check, lode_dim *rows, const char *positions,
                            const size_t *lengths) {
    size_t sum = 0, longest = 0;
    for (size_t i = 0; i < rows->size; i++) {
        sum += lengths[i];
        longest = LODE_MAX(longest, lengths[i]);
    }
    lode_dim *dim = gradcheck_dim(check, positions, sum);
    lode_lists *lists = lode__graph_lists(check->graph, rows, dim, longest);
    assert_non_null(lists);
    for (size_t i = 0; i < rows->size; i++) {
        lists->offsets[i + 1] = lists->offsets[i] + (int32_t)lengths[i];
    }
    return lists;
}

// --- running ------------------------------------------------------------------------------------

static void expect_ok(lode_status status, const lode_error *error) {
    if (status != LODE_OK) {
        fail_msg("%s", error->message);
    }
}

void gradcheck_open(gradcheck *check, const gradcase *item, lode_precision precision,
                    const void *kernels, bool apart) {
    lode_error error = {0};
    *check = (gradcheck){.random = lode__random(7, LODE_PURPOSE_USER, 0, 0)};
    const lode_precision weights = precision == LODE_BF16 ? LODE_F32 : precision;
    expect_ok(lode__params_new(&check->params, weights, &error), &error);
    expect_ok(lode__graph_new(&check->graph, precision, true, NULL, &error), &error);
    if (kernels != NULL) check->graph->kernels = kernels;
    check->graph->training = check->graph->poison = true;
    check->graph->layout.apart = apart;
    check->graph->seed = 5;
    item->build(check, item->options);
    expect_ok(lode__params_finish(check->params, 11, &error), &error);
    expect_ok(lode__params_trainable(check->params, &error), &error);
    expect_ok(lode__graph_finish(check->graph, &error), &error);
}

void gradcheck_close(gradcheck *check) {
    lode__graph_free(&check->graph);
    lode__params_free(&check->params);
}

/// NaN into all that a run must write before it reads.
static void poison(gradcheck *check) {
    memset(check->graph->layout.memory, 0xFF, check->graph->layout.bytes);
    for (size_t i = 0; i < check->params->count; i++) {
        const lode_param *param = check->params->list[i];
        if (param->gradient == NULL || param->has_gradient) continue;
        memset(param->gradient, 0xFF,
               param->rows * param->columns * lode__real_size(check->params->precision));
    }
    if (check->graph->scratch != NULL) {
        memset(check->graph->scratch, 0xFF, check->graph->scratch_size);
    }
}

double gradcheck_step(gradcheck *check) {
    poison(check);
    lode__graph_forward(check->graph);
    const double loss = lode__graph_loss_value(check->graph);
    lode__graph_backward(check->graph);
    return loss;
}

double *gradcheck_take(gradcheck *check, lode_param *param) {
    const lode_precision precision = check->params->precision;
    const size_t elements = param->rows * param->columns;
    double *out = lode__alloc(elements, sizeof *out);
    assert_non_null(out);
    if (param->store == NULL) {
        for (size_t i = 0; i < elements && param->has_gradient; i++) {
            out[i] = lode__real_get(precision, param->gradient, i);
        }
        param->has_gradient = false;
        return out;
    }
    void *dense = lode__alloc(elements, lode__real_size(precision));
    assert_non_null(dense);
    lode__store_dense_gradient(param->store, precision, dense);
    lode__store_forget(param->store);
    for (size_t i = 0; i < elements; i++)
        out[i] = lode__real_get(precision, dense, i);
    lode__free(dense);
    return out;
}

void gradcheck_near(double found, double expected, double absolute, double relative,
                    const char *what) {
    if (!isfinite(found) || !isfinite(expected) ||
        !(fabs(found - expected) <= absolute + relative * fabs(expected))) {
        fail_msg("%s: found %.12g, expected %.12g", what, found, expected);
    }
}

static double loss_at(gradcheck *check, double *element, double value) {
    *element = value;
    check->params->version++;
    lode__graph_forward(check->graph);
    return lode__graph_loss_value(check->graph);
}

/// @return the largest gradient
static double check_param(gradcheck *check, const lode_param *param, const double *gradient) {
    double largest = 0.0;
    for (size_t i = 0; i < param->rows * param->columns; i++) {
        double *element = (double *)param->value + i;
        const double before = *element;
        const double above = loss_at(check, element, before + STEP);
        const double below = loss_at(check, element, before - STEP);
        *element = before;
        char what[128];
        (void)snprintf(what, sizeof what, "gradient of %s[%zu, %zu]", param->name,
                       i / param->columns, i % param->columns);
        gradcheck_near(gradient[i], (above - below) / (2.0 * STEP), ABSOLUTE, RELATIVE, what);
        largest = fmax(largest, fabs(gradient[i]));
    }
    return largest;
}

static void take_all(gradcheck *check, double **gradients) {
    for (size_t i = 0; i < check->params->count; i++) {
        gradients[i] = gradcheck_take(check, check->params->list[i]);
    }
}

static void free_all(const gradcheck *check, double **gradients) {
    for (size_t i = 0; i < check->params->count; i++)
        lode__free(gradients[i]);
}

enum { PARAMS = 64 };

/// With memory of its own for every tensor the graph gives the same bits. Values can be verified here.
static void check_apart(const gradcase *item, double loss, double **gradients) {
    gradcheck check;
    double *found[PARAMS];
    gradcheck_open(&check, item, LODE_F64, NULL, true);
    const double loss_apart = gradcheck_step(&check);
    assert_memory_equal(&loss, &loss_apart, sizeof loss);
    if (item->verify != NULL) item->verify(&check, item->options);
    take_all(&check, found);
    for (size_t i = 0; i < check.params->count; i++) {
        const lode_param *param = check.params->list[i];
        assert_memory_equal(gradients[i], found[i], param->rows * param->columns * sizeof **found);
    }
    free_all(&check, found);
    gradcheck_close(&check);
}

void gradcheck_run(const gradcase *item) {
    gradcheck check;
    double *gradients[PARAMS], *again[PARAMS], largest = 0.0;
    gradcheck_open(&check, item, LODE_F64, NULL, false);
    assert_true(check.params->count <= PARAMS);
    const double loss = gradcheck_step(&check);
    assert_true(isfinite(loss));
    take_all(&check, gradients);
    const double loss_again = gradcheck_step(&check);
    assert_memory_equal(&loss, &loss_again, sizeof loss);
    take_all(&check, again);
    check_apart(item, loss, gradients);
    for (size_t i = 0; i < check.params->count; i++) {
        const lode_param *param = check.params->list[i];
        const size_t bytes = param->rows * param->columns * sizeof **again;
        assert_memory_equal(gradients[i], again[i], bytes);
        const double here = check_param(&check, param, gradients[i]);
        if (here == 0.0 && !item->flat) {
            fail_msg("the gradient of %s is 0 everywhere", param->name);
        }
        largest = fmax(largest, here);
    }
    if (item->flat) {
        assert_true(largest == 0.0);
    }
    free_all(&check, gradients);
    free_all(&check, again);
    gradcheck_close(&check);
}

/// How far a precision may be from double. Of a gradient: relative to the largest of its parameter, and to itself.
typedef struct closeness {
    double loss_absolute, loss_relative, absolute, of_largest, relative;
} closeness;

static const closeness close_f32 = {1e-4, 1e-5, 1e-7, 3e-5, 1e-4};
static const closeness close_bf16 = {2e-2, 1e-2, 4e-3, 5e-2, 2e-2};

static void compare_rounded(const gradcase *item, gradcheck *exact, double **expected, double loss,
                            lode_precision precision, const void *kernels) {
    const closeness *near = precision == LODE_F32 ? &close_f32 : &close_bf16;
    const double times = precision == LODE_BF16 && item->deep > 0.0 ? item->deep : 1.0;
    gradcheck check;
    double *found[PARAMS];
    gradcheck_open(&check, item, precision, kernels, false);
    lode__params_copy(check.params, exact->params);
    gradcheck_near(gradcheck_step(&check), loss, near->loss_absolute, near->loss_relative, "loss");
    take_all(&check, found);
    for (size_t i = 0; i < check.params->count; i++) {
        const lode_param *param = check.params->list[i];
        const size_t elements = param->rows * param->columns;
        double largest = 0.0;
        for (size_t e = 0; e < elements; e++)
            largest = fmax(largest, fabs(expected[i][e]));
        for (size_t e = 0; e < elements; e++) {
            gradcheck_near(found[i][e], expected[i][e],
                           times * (near->absolute + near->of_largest * largest), near->relative,
                           param->name);
        }
    }
    free_all(&check, found);
    gradcheck_close(&check);
}

void gradcheck_run_rounded(const gradcase *item, lode_precision precision) {
    gradcheck rounded, exact; // weights that all precisions hold exactly
    double *expected[PARAMS];
    gradcheck_open(&rounded, item, LODE_F32, NULL, true);
    gradcheck_open(&exact, item, LODE_F64, NULL, false);
    assert_true(exact.params->count <= PARAMS);
    lode__params_copy(exact.params, rounded.params);
    gradcheck_close(&rounded);
    const double loss = gradcheck_step(&exact);
    take_all(&exact, expected);
    for (int level = 0; level < LODE_LEVELS; level++) {
        const void *kernels = precision == LODE_F32
                                  ? (const void *)lode__kernels_at((lode_level)level)
                                  : (const void *)lode__kernels_b16_at((lode_level)level);
        if (kernels != NULL) compare_rounded(item, &exact, expected, loss, precision, kernels);
    }
    free_all(&exact, expected);
    gradcheck_close(&exact);
}

static void run_case(void **state) {
    gradcheck_run(*state);
}

static void run_case_float(void **state) {
    gradcheck_run_rounded(*state, LODE_F32);
}

static void run_case_bf16(void **state) {
    gradcheck_run_rounded(*state, LODE_BF16);
}

int gradcheck_main(const char *group, const gradcase *cases, size_t count) {
    static const struct {
        const char *suffix;
        void (*run)(void **state);
    } ways[] = {{"", run_case}, {", float", run_case_float}, {", bf16", run_case_bf16}};
    const size_t total = 3 * count;
    struct CMUnitTest *tests = lode__alloc(total, sizeof *tests);
    char(*names)[96] = lode__alloc(total, sizeof *names);
    if (tests == NULL || names == NULL) return 1;
    for (size_t i = 0; i < total; i++) {
        const gradcase *item = &cases[i / 3];
        (void)snprintf(names[i], sizeof names[i], "%s%s", item->name, ways[i % 3].suffix);
        tests[i] = (struct CMUnitTest){.name = names[i],
                                       .test_func = ways[i % 3].run,
                                       .initial_state = (void *)(uintptr_t)item};
    }
    const int failed = _cmocka_run_group_tests(group, tests, total, NULL, NULL);
    lode__free(tests);
    lode__free(names);
    return failed;
}
