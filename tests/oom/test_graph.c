/// Every allocation of parameters, graphs, and tensor files fails once.
#include "../check.h"
#include "alloc_fail.h"
#include "base/safetensors.h"
#include "graph/ops.h"
#include "graph/optimiser.h"

enum { ROWS = 6, DIM = 4, LIMIT = 3 };

typedef struct parts {
    lode_params *params;
    lode_param *table, *weight, *bias, *gain;
    lode_dim *rows;
    lode_lists *lists, *masked;
    lode_ids *ids, *positive, *negative, *masked_ids;
    lode_vector *shift;
} parts;

static lode_param *dense(parts *all, const char *name, size_t rows, size_t columns) {
    const size_t number = lode__param_dense(all->params, name, rows, columns, LODE_INIT_NORMAL, 0.5);
    return all->params->failed ? NULL : lode__param(all->params, number);
}

static void declare(parts *all) {
    const size_t number = lode__param_table(all->params, "table", ROWS, DIM, LODE_INIT_NORMAL, 0.5);
    all->table = all->params->failed ? NULL : lode__param(all->params, number);
    all->weight = dense(all, "weight", DIM, 3 * DIM);
    all->bias = dense(all, "bias", 1, 3 * DIM);
    all->gain = dense(all, "gain", 1, LIMIT * DIM);
}

/// Every op once. Builders get NULL after a failure and must pass it on.
static void build(lode_graph *graph, parts *all) {
    lode_param *gain = all->gain;
    all->rows = lode__graph_dim(graph, "rows", ROWS);
    lode_dim *places = lode__graph_dim(graph, "places", ROWS * LIMIT);
    lode_dim *few = lode__graph_dim(graph, "few", 2);
    all->lists = lode__graph_lists(graph, all->rows, places, LIMIT);
    all->ids = lode__graph_ids(graph, places, 1);
    all->positive = lode__graph_ids(graph, all->rows, 1);
    all->negative = lode__graph_ids(graph, few, 1);
    all->shift = lode__graph_vector(graph, few);
    all->masked = lode__graph_lists(graph, all->rows, few, 1);
    all->masked_ids = lode__graph_ids(graph, few, 1);
    lode_tensor *x = lode__embedding(graph, all->table, all->ids, NULL, LODE_POOL_SUM);
    x = lode__dropout(graph, x, 0.5);
    lode_tensor *y = lode__linear(graph, x, all->weight, all->bias, LODE_TANH);
    y = lode__add(graph,
                  lode__attention(graph, y, all->lists, (lode_attending){.heads = 2, .causal = true}),
                  x);
    const lode_part_of_row list[] = {{y, all->lists}};
    y = lode__concat(graph, list, 1);
    lode_tensor *z = lode__normalize(graph, lode__layer_norm(graph, y, NULL, gain, gain, 0.1));
    lode__graph_loss(graph,
                     lode__contrast(graph, &(lode_contrast){.query = z,
                                                            .key = y,
                                                            .positive = all->positive,
                                                            .negative = all->negative,
                                                            .shared = true,
                                                            .negative_shift = all->shift,
                                                            .masked = all->masked,
                                                            .masked_ids = all->masked_ids,
                                                            .scale = 1.0}),
                     1.0);
    lode_contrast own = {.query = z, .key = y, .positive = all->positive, .scale = 1.0};
    own.negative = lode__graph_ids(graph, all->rows, 2);
    lode__graph_loss(graph, lode__contrast(graph, &own), 1.0);
}

static void run(lode_graph *graph, parts *all) {
    all->rows->size = ROWS;
    all->lists->positions->size = ROWS * LIMIT;
    for (int32_t i = 0; i <= ROWS; i++)
        all->lists->offsets[i] = i * LIMIT;
    all->negative->dim->size = 2;
    graph->training = true;
    lode__graph_forward(graph);
    assert_true(isfinite(lode__graph_loss_value(graph)));
    lode__graph_backward(graph);
    const lode_optimiser adam = {LODE_LAZY_ADAM, 0.1, 0.9, 0.999, 1e-8, 0.0};
    lode__optimise(&adam, all->params, 1, NULL);
}

/// Two graphs on one set of parameters. When the second cannot be built, the first still trains.
static lode_status use_graphs(void *cookie, lode_error *error) {
    (void)cookie;
    lode_status status;
    lode_graph *graphs[2] = {0};
    parts all[2] = {0};
    LODE_GOTO(status, lode__params_new(&all[0].params, LODE_F32, error), end);
    declare(&all[0]);
    LODE_GOTO(status, lode__params_finish(all[0].params, 1, error), end);
    LODE_GOTO(status, lode__params_trainable(all[0].params, error), end);
    for (size_t i = 0; i < 2 && status == LODE_OK; i++) {
        if (i == 1) all[1] = all[0];
        LODE_GOTO(status, lode__graph_new(&graphs[i], LODE_F32, true, NULL, error), end);
        build(graphs[i], &all[i]);
        status = lode__graph_finish(graphs[i], error);
        if (i == 0 && status != LODE_OK) goto end;
        run(graphs[0], &all[0]);
    }
    if (status == LODE_OK) run(graphs[1], &all[1]);
end:
    for (size_t i = 0; i < 2; i++)
        lode__graph_free(&graphs[i]);
    lode__params_free(&all[0].params);
    return status;
}

static void test_graphs(void **state) {
    (void)state;
    alloc_sweep(use_graphs, NULL, 30);
}

static lode_status use_clone(void *cookie, lode_error *error) {
    (void)cookie;
    parts all = {0};
    lode_params *clone = NULL;
    lode_status status;
    LODE_GOTO(status, lode__params_new(&all.params, LODE_F32, error), end);
    declare(&all);
    LODE_GOTO(status, lode__params_finish(all.params, 1, error), end);
    LODE_GOTO(status, lode__params_clone(&clone, all.params, LODE_F64, error), end);
    assert_int_equal(clone->count, all.params->count);
end:
    lode__params_free(&clone);
    lode__params_free(&all.params);
    return status;
}

static void test_clone(void **state) {
    (void)state;
    alloc_sweep(use_clone, NULL, 10);
}

/// What shared libraries allocate (the JSON tree) is not reached.
static lode_status use_safetensors(void *cookie, lode_error *error) {
    static const float data[6] = {1, 2, 3, 4, 5, 6};
    static const lode_tensor_view tensors[] = {{"a", LODE_DTYPE_F32, 2, {2, 3}, data, sizeof data},
                                               {"b", LODE_DTYPE_U8, 1, {3}, data, 3}};
    static const char *const metadata[] = {"key", "text"};
    const char *path = cookie;
    lode_safetensors file = {0};
    lode_status status = lode__safetensors_write(path, tensors, 2, metadata, 1, error);
    if (status != LODE_OK) return status;
    status = lode__safetensors_open(&file, path, error);
    if (status == LODE_OK) assert_int_equal(file.count, 2);
    if (status != LODE_OK) assert_null(file.tensors);
    lode__safetensors_close(&file);
    return status;
}

static lode_status use_npy(void *cookie, lode_error *error) {
    static const float data[6] = {1, 2, 3, 4, 5, 6};
    lode_npy_writer writer;
    LODE_TRY(lode__npy_begin(&writer, cookie, 2, 3, error));
    const lode_status status = lode__npy_add(&writer, data, 2, error);
    if (status == LODE_OK) return lode__npy_commit(&writer, error);
    lode__npy_abort(&writer);
    return status;
}

static void test_files(void **state) {
    (void)state;
    char path[] = "/tmp/lode-oom-XXXXXX";
    const int descriptor = mkstemp(path);
    assert_true(descriptor >= 0);
    (void)close(descriptor);
    alloc_sweep(use_safetensors, path, 5);
    alloc_sweep(use_npy, path, 3);
    assert_int_equal(unlink(path), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_graphs),
        cmocka_unit_test(test_clone),
        cmocka_unit_test(test_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
