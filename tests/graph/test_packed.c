/// Packed copies of weights: one for all graphs of a precision, made again when the values change, and made once when
/// many threads come first at the same time.
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "graph/ops.h"
#include "graph/packed.h"

enum { ROWS = 3, INPUTS = 150, OUTPUTS = 130, THREADS = 4 };

/// y = x W with x of ones, so that y is W's column sums.
typedef struct product {
    lode_graph *graph;
    lode_tensor *y;
} product;

static void expect_ok(lode_status status, const lode_error *error) {
    if (status != LODE_OK) fail_msg("%s", error->message);
}

static lode_params *weights(void) {
    lode_error error = {0};
    lode_params *params = NULL;
    expect_ok(lode__params_new(&params, LODE_F32, &error), &error);
    (void)lode__param_table(params, "ones", 1, INPUTS, LODE_INIT_ONE, 1);
    (void)lode__param_dense(params, "weight", INPUTS, OUTPUTS, LODE_INIT_NORMAL, 1);
    expect_ok(lode__params_finish(params, 1, &error), &error);
    return params;
}

static product build(lode_params *params, lode_precision precision) {
    lode_error error = {0};
    product p = {0};
    expect_ok(lode__graph_new(&p.graph, precision, false, NULL, &error), &error);
    lode_dim *rows = lode__graph_dim(p.graph, "rows", ROWS);
    lode_ids *ids = lode__graph_ids(p.graph, rows, 1);
    lode_tensor *x = lode__embedding(p.graph, lode__param(params, 0), ids, NULL, LODE_POOL_SUM);
    p.y = lode__linear(p.graph, x, lode__param(params, 1), NULL, LODE_LINEAR);
    lode__graph_keep(p.y);
    expect_ok(lode__graph_finish(p.graph, &error), &error);
    rows->size = ROWS;
    return p;
}

static void check_product(product p, const lode_params *params) {
    const float *weight = lode__param(params, 1)->value;
    const double slack = p.graph->precision == LODE_F32 ? 1e-3 : 0.3;
    lode__graph_forward(p.graph);
    for (size_t j = 0; j < OUTPUTS; j++) {
        double sum = 0;
        for (size_t i = 0; i < INPUTS; i++)
            sum += (double)weight[i * OUTPUTS + j];
        const double found = lode__tensor_get(p.graph, p.y, ROWS - 1, j);
        if (!(fabs(found - sum) <= slack)) fail_msg("column %zu is %g, not %g", j, found, sum);
    }
}

static void test_shared_and_fresh(void **state) {
    (void)state;
    lode_params *params = weights(), *other = weights();
    product first = build(params, LODE_F32);
    const size_t bytes = lode__packed_bytes(params);
    assert_true(bytes >= INPUTS * OUTPUTS * sizeof(float));
    product second = build(params, LODE_F32);
    assert_int_equal(lode__packed_bytes(params), bytes);
    product rounded = build(params, LODE_BF16);
    assert_true(lode__packed_bytes(params) >= bytes + bytes / 2);
    assert_true(lode__packed_bytes(params) < 2 * bytes);
    for (int round = 0; round < 3; round++) {
        check_product(first, params);
        check_product(rounded, params);
        check_product(second, params);
        float *values = lode__param(other, 1)->value;
        for (size_t i = 0; i < INPUTS * OUTPUTS; i++)
            values[i] = -1.5f * values[i];
        lode__params_copy(params, other);
    }
    lode__graph_free(&first.graph);
    lode__graph_free(&second.graph);
    lode__graph_free(&rounded.graph);
    lode__params_free(&params);
    lode__params_free(&other);
}

typedef struct reader {
    lode_params *params;
    product p;
    double found;
} reader;

static void *read_model(void *context) {
    reader *self = context;
    self->p = build(self->params, LODE_F32);
    lode__graph_forward(self->p.graph);
    self->found = lode__tensor_get(self->p.graph, self->p.y, 0, OUTPUTS - 1);
    return NULL;
}

static void test_threads(void **state) {
    (void)state;
    for (int round = 0; round < 20; round++) {
        lode_params *params = weights();
        pthread_t threads[THREADS];
        reader readers[THREADS];
        for (size_t i = 0; i < THREADS; i++) {
            readers[i] = (reader){.params = params};
            assert_int_equal(pthread_create(&threads[i], NULL, read_model, &readers[i]), 0);
        }
        for (size_t i = 0; i < THREADS; i++)
            assert_int_equal(pthread_join(threads[i], NULL), 0);
        for (size_t i = 0; i < THREADS; i++) {
            assert_true(readers[i].found == readers[0].found);
            check_product(readers[i].p, params);
            lode__graph_free(&readers[i].p.graph);
        }
        lode__params_free(&params);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_shared_and_fresh),
                                       cmocka_unit_test(test_threads)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
