/// Whole training steps: the same bits at any number of threads, sizes that change between runs, graphs that share
/// parameters, the store's sort, and the optimisers against Adam by hand.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../support/gradcheck.h"
#include "graph/optimiser.h"

enum { ITEMS = 150, DIM = 16, HEADS = 2, LIMIT = 20, USERS = 300, PLACES = USERS * LIMIT };

static const lode_optimiser lazy = {
    .type = LODE_LAZY_ADAM, .rate = 0.01, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8};

static void expect_ok(lode_status status, const lode_error *error) {
    if (status != LODE_OK) {
        fail_msg("%s", error->message);
    }
}

// --- a small sequence model ---------------------------------------------------------------------

typedef struct tiny_model {
    lode_params *params;
    lode_graph *graph;
    lode_lists *lists;
    lode_ids *clicks, *items, *positive, *negative;
    lode_lists *masked;
    lode_ids *masked_ids;
} tiny_model;

static lode_tensor *model_users(tiny_model *model, lode_param *table) {
    lode_graph *graph = model->graph;
    lode_params *params = model->params;
    lode_param *project = lode__param(params, lode__param_dense(params, "project", table->columns,
                                                                3 * DIM, LODE_INIT_XAVIER, 1.0));
    lode_param *gain =
        lode__param(params, lode__param_dense(params, "gain", 1, DIM, LODE_INIT_ONE, 0));
    lode_param *bias =
        lode__param(params, lode__param_dense(params, "bias", 1, DIM, LODE_INIT_ZERO, 0));
    lode_param *out = lode__param(
        params, lode__param_dense(params, "out", LIMIT * DIM, DIM, LODE_INIT_XAVIER, 1.0));
    lode_param *shift =
        lode__param(params, lode__param_dense(params, "shift", 1, DIM, LODE_INIT_ZERO, 0));
    lode_tensor *x = lode__embedding(graph, table, model->clicks, NULL, LODE_POOL_SUM);
    x = lode__dropout(graph, x, 0.1);
    lode_tensor *attended =
        lode__attention(graph, lode__linear(graph, x, project, NULL, LODE_LINEAR), model->lists,
                        (lode_attending){.heads = HEADS, .causal = true});
    x = lode__layer_norm(graph, attended, x, gain, bias, 1e-5);
    const lode_part_of_row parts[] = {{x, model->lists}};
    return lode__linear(graph, lode__concat(graph, parts, 1), out, shift, LODE_TANH);
}

static void model_build(tiny_model *model) {
    lode_graph *graph = model->graph;
    lode_param *table = lode__param(model->params, lode__param_table(model->params, "items", ITEMS,
                                                                     DIM, LODE_INIT_NORMAL, 0.3));
    lode_dim *users = lode__graph_dim(graph, "users", USERS);
    lode_dim *places = lode__graph_dim(graph, "places", PLACES);
    lode_dim *keys = lode__graph_dim(graph, "keys", ITEMS);
    lode_dim *negatives = lode__graph_dim(graph, "negatives", USERS);
    lode_dim *masked = lode__graph_dim(graph, "masked", USERS);
    model->lists = lode__graph_lists(graph, users, places, LIMIT);
    model->clicks = lode__graph_ids(graph, places, 1);
    model->items = lode__graph_ids(graph, keys, 1);
    model->positive = lode__graph_ids(graph, users, 1);
    model->negative = lode__graph_ids(graph, negatives, 1);
    model->masked = lode__graph_lists(graph, users, masked, 1);
    model->masked_ids = lode__graph_ids(graph, masked, 1);
    const lode_contrast contrast = {
        .kind = LODE_CONTRAST_SOFTMAX,
        .query = model_users(model, table),
        .key = lode__embedding(graph, table, model->items, NULL, LODE_POOL_SUM),
        .positive = model->positive,
        .negative = model->negative,
        .shared = true,
        .masked = model->masked,
        .masked_ids = model->masked_ids,
        .scale = 2.0,
        .positive_in_denominator = true};
    lode__graph_loss(graph, lode__contrast(graph, &contrast), 1.0);
}

static void model_close(tiny_model *model) {
    lode__graph_free(&model->graph);
    lode__params_free(&model->params);
}

static lode_status model_open(tiny_model *model, lode_pool *pool, lode_error *error) {
    *model = (tiny_model){0};
    lode_status status;
    LODE_GOTO(status, lode__params_new(&model->params, LODE_F32, error), end);
    LODE_GOTO(status, lode__graph_new(&model->graph, LODE_F32, true, pool, error), end);
    model_build(model);
    LODE_GOTO(status, lode__params_finish(model->params, 3, error), end);
    LODE_GOTO(status, lode__params_trainable(model->params, error), end);
    LODE_GOTO(status, lode__graph_finish(model->graph, error), end);
    model->graph->training = true;
    model->graph->seed = 21;
end:
    if (status != LODE_OK) model_close(model);
    return status;
}

/// In-batch negatives: each user's own positive is masked. List lengths 0..LIMIT.
static void model_fill(tiny_model *model, size_t users, uint32_t batch) {
    lode_random random = lode__random(1, LODE_PURPOSE_USER, 0, batch);
    size_t places = 0;
    for (size_t user = 0; user < users; user++) {
        const size_t length = (size_t)lode__random_below(&random, LIMIT + 1);
        for (size_t i = 0; i < length; i++) {
            model->clicks->data[places++] = (int32_t)lode__random_below(&random, ITEMS);
        }
        model->lists->offsets[user + 1] = (int32_t)places;
        model->positive->data[user] = (int32_t)lode__random_below(&random, ITEMS);
        model->negative->data[user] = model->positive->data[user];
        model->masked->offsets[user + 1] = (int32_t)user + 1;
        model->masked_ids->data[user] = (int32_t)user;
    }
    for (size_t i = 0; i < ITEMS; i++)
        model->items->data[i] = (int32_t)(ITEMS - 1 - i);
    model->lists->rows->size = model->negative->dim->size = model->masked->positions->size = users;
    model->lists->positions->size = places;
    model->items->dim->size = ITEMS;
    model->graph->step = batch;
}

static double model_step(tiny_model *model, size_t users, uint32_t batch, uint64_t step) {
    model_fill(model, users, batch);
    lode__graph_forward(model->graph);
    const double loss = lode__graph_loss_value(model->graph);
    lode__graph_backward(model->graph);
    lode__optimise(&lazy, model->params, step, model->graph->pool);
    return loss;
}

static void expect_same(const lode_params *a, const lode_params *b) {
    for (size_t i = 0; i < a->count; i++) {
        const lode_param *one = a->list[i], *other = b->list[i];
        const size_t bytes = one->rows * one->columns * lode__real_size(a->precision);
        assert_memory_equal(one->value, other->value, bytes);
        assert_memory_equal(one->first, other->first, bytes);
        assert_memory_equal(one->second, other->second, bytes);
    }
}

// --- threads and sizes --------------------------------------------------------------------------

static void train(tiny_model *model, lode_pool *pool) {
    lode_error error = {0};
    expect_ok(model_open(model, pool, &error), &error);
    double first = 0.0, last = 0.0;
    for (uint64_t step = 0; step < 5; step++) {
        last = model_step(model, USERS, 0, step + 1);
        if (step == 0) first = last;
    }
    assert_true(isfinite(last) && last < first); // it learns, so that equal bits mean something
}

static void test_threads(void **state) {
    (void)state;
    tiny_model alone;
    train(&alone, NULL);
    for (size_t threads = 1; threads <= 3; threads++) {
        lode_pool *pool = NULL;
        lode_error error = {0};
        expect_ok(lode__pool_new(&pool, threads, &error), &error);
        tiny_model other;
        train(&other, pool);
        expect_same(alone.params, other.params);
        model_close(&other);
        lode__pool_free(&pool);
    }
    model_close(&alone);
}

/// A run does not remember the sizes and contents of the runs before it.
static void test_sizes_change(void **state) {
    (void)state;
    tiny_model fresh, used;
    lode_error error = {0};
    expect_ok(model_open(&fresh, NULL, &error), &error);
    expect_ok(model_open(&used, NULL, &error), &error);
    static const size_t sizes[] = {USERS, 1, 0, 131, 7};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        model_fill(&used, sizes[i], 100 + (uint32_t)i);
        lode__graph_forward(used.graph);
        assert_true(isfinite(lode__graph_loss_value(used.graph)));
        lode__graph_backward(used.graph);
        for (size_t p = 0; p < used.params->count; p++) {
            lode__free(gradcheck_take(&(gradcheck){.params = used.params}, used.params->list[p]));
        }
    }
    const double loss = model_step(&fresh, 200, 3, 1), again = model_step(&used, 200, 3, 1);
    assert_memory_equal(&loss, &again, sizeof loss);
    expect_same(fresh.params, used.params);
    model_close(&fresh);
    model_close(&used);
}

static void test_size_zero(void **state) {
    (void)state;
    tiny_model model;
    lode_error error = {0};
    expect_ok(model_open(&model, NULL, &error), &error);
    lode_params *before = NULL;
    expect_ok(lode__params_clone(&before, model.params, LODE_F32, &error), &error);
    assert_true(model_step(&model, 0, 0, 1) == 0.0);
    for (size_t i = 0; i < before->count; i++) {
        const lode_param *param = before->list[i];
        assert_memory_equal(param->value, model.params->list[i]->value,
                            param->rows * param->columns * sizeof(float));
    }
    lode__params_free(&before);
    model_close(&model);
}

// --- two graphs on one set of parameters --------------------------------------------------------

static void shared_part(gradcheck *check, lode_param *table, lode_param *weight, size_t rows) {
    lode_dim *dim = gradcheck_dim(check, "rows", rows);
    lode_ids *ids = gradcheck_index(check, dim, 1, table->rows);
    lode_tensor *x = lode__embedding(check->graph, table, ids, NULL, LODE_POOL_SUM);
    gradcheck_sum(check, lode__linear(check->graph, x, weight, NULL, LODE_TANH));
}

/// Two graphs run in one step add up to one graph with both parts.
static void test_two_graphs(void **state) {
    (void)state;
    lode_error error = {0};
    gradcheck check = {.random = lode__random(1, LODE_PURPOSE_USER, 0, 0)};
    expect_ok(lode__params_new(&check.params, LODE_F64, &error), &error);
    lode_param *table = gradcheck_table(&check, "table", 6, 3);
    lode_param *weight = gradcheck_dense(&check, "weight", 3, 2);
    lode_graph *graphs[3];
    for (size_t i = 0; i < 3; i++) {
        expect_ok(lode__graph_new(&graphs[i], LODE_F64, true, NULL, &error), &error);
        check.graph = graphs[i];
        check.random = lode__random(1, LODE_PURPOSE_USER, 0, 0);
        if (i != 1) shared_part(&check, table, weight, 4);
        check.random = lode__random(2, LODE_PURPOSE_USER, 0, 0);
        if (i != 0) shared_part(&check, table, weight, 7);
        expect_ok(lode__graph_finish(graphs[i], &error), &error);
    }
    expect_ok(lode__params_finish(check.params, 1, &error), &error);
    expect_ok(lode__params_trainable(check.params, &error), &error);
    double *gradients[2][2];
    for (size_t round = 0; round < 2; round++) {
        for (size_t i = 0; i < 3; i++) {
            if ((i == 2) != (round == 1)) continue;
            lode__graph_forward(graphs[i]);
            lode__graph_backward(graphs[i]);
        }
        gradients[round][0] = gradcheck_take(&check, table);
        gradients[round][1] = gradcheck_take(&check, weight);
    }
    for (size_t i = 0; i < 18; i++) {
        gradcheck_near(gradients[0][0][i], gradients[1][0][i], 1e-13, 1e-12, "table");
    }
    for (size_t i = 0; i < 6; i++) {
        gradcheck_near(gradients[0][1][i], gradients[1][1][i], 1e-13, 1e-12, "weight");
        assert_true(gradients[0][1][i] != 0.0);
    }
    for (size_t i = 0; i < 4; i++)
        lode__free(gradients[i / 2][i % 2]);
    for (size_t i = 0; i < 3; i++)
        lode__graph_free(&graphs[i]);
    lode__params_free(&check.params);
}

// --- the store's sort ---------------------------------------------------------------------------

/// Ids that agree in one digit of the radix sort and differ in another, each several times.
static void test_sort(void **state) {
    (void)state;
    static const int32_t ids[] = {5,       2053,    5, 4194309, 2053, 7, 5,
                                  4194309, 4196357, 0, 7,       2053, 0, 4196357};
    static const uint32_t sorted[] = {0, 5, 7, 2053, 4194309, 4196357};
    static const uint32_t counts[] = {2, 3, 2, 3, 2, 2};
    enum { IDS = sizeof ids / sizeof *ids, DISTINCT = sizeof sorted / sizeof *sorted };
    lode_error error = {0};
    lode_params *params = NULL;
    lode_graph *graph = NULL;
    expect_ok(lode__params_new(&params, LODE_F32, &error), &error);
    expect_ok(lode__graph_new(&graph, LODE_F32, true, NULL, &error), &error);
    lode_param *table =
        lode__param(params, lode__param_table(params, "t", 1 << 23, 1, LODE_INIT_ZERO, 0));
    lode_ids *index = lode__graph_ids(graph, lode__graph_dim(graph, "n", IDS), 1);
    lode_tensor *output = lode__embedding(graph, table, index, NULL, LODE_POOL_SUM);
    assert_non_null(output);
    memcpy(index->data, ids, sizeof ids);
    index->dim->size = IDS;
    lode__store_add_gradient(table->store, &(lode_scatter){.ids = index, .output = output});
    assert_int_equal(lode__store_sort(table->store, NULL), DISTINCT);
    const lode_store *store = table->store;
    for (size_t i = 0; i < DISTINCT; i++) {
        const uint32_t begin = store->segments[i], end = store->segments[i + 1];
        assert_int_equal(end - begin, counts[i]);
        for (uint32_t at = begin; at < end; at++) {
            assert_int_equal(store->entries[at].id, sorted[i]);
            assert_int_equal(ids[store->entries[at].row], sorted[i]);
            assert_true(at == begin ||
                        store->entries[at - 1].row < store->entries[at].row); // order of arrival
        }
    }
    lode__graph_free(&graph);
    lode__params_free(&params);
}

// --- rows that very many ids name -------------------------------------------------------------

enum { CROWD = 40000, CROWD_ROWS = 3000, CROWD_DIM = 5 };

typedef struct crowd {
    lode_params *params;
    lode_graph *graph;
    lode_param *table;
    lode_ids *ids;
    lode_tensor *output;
} crowd;

/// Id 7 comes as often as all others together; ids 0, 1, 2 come at least 255, 256, 257 times, the last one at least twice
/// that; the rest at random.
static int32_t crowd_id(size_t i) {
    lode_random random = lode__random(9, LODE_PURPOSE_USER, 0, (uint32_t)i);
    if (i % 2 == 0) return 7;
    for (size_t id = 0, before = 0; id < 4; id++) {
        before += id == 3 ? 2 * LODE_PIECE + 1 : LODE_PIECE - 1 + id;
        if (i / 2 < before) return id == 3 ? CROWD_ROWS - 1 : (int32_t)id;
    }
    return 8 + (int32_t)lode__random_below(&random, CROWD_ROWS - 8);
}

static void crowd_open(crowd *self, lode_pool *pool) {
    lode_error error = {0};
    expect_ok(lode__params_new(&self->params, LODE_F64, &error), &error);
    expect_ok(lode__graph_new(&self->graph, LODE_F64, true, pool, &error), &error);
    self->table = lode__param(self->params, lode__param_table(self->params, "t", CROWD_ROWS,
                                                              CROWD_DIM, LODE_INIT_NORMAL, 1.0));
    self->ids = lode__graph_ids(self->graph, lode__graph_dim(self->graph, "n", CROWD), 1);
    self->output = lode__embedding(self->graph, self->table, self->ids, NULL, LODE_POOL_SUM);
    lode__graph_loss(self->graph, self->output, 1.0);
    expect_ok(lode__params_finish(self->params, 1, &error), &error);
    expect_ok(lode__params_trainable(self->params, &error), &error);
    expect_ok(lode__graph_finish(self->graph, &error), &error);
    self->ids->dim->size = CROWD;
    for (size_t i = 0; i < CROWD; i++)
        self->ids->data[i] = crowd_id(i);
    lode__store_add_gradient(self->table->store,
                             &(lode_scatter){.ids = self->ids, .output = self->output});
    for (size_t i = 0; i < (size_t)CROWD * CROWD_DIM; i++)
        ((double *)self->output->gradient)[i] = cos((double)i);
}

static void crowd_close(crowd *self) {
    lode__graph_free(&self->graph);
    lode__params_free(&self->params);
}

static void expect_sorted(const lode_store *store, const lode_ids *ids, size_t distinct) {
    size_t covered = 0;
    for (size_t i = 0; i < distinct; i++) {
        const uint32_t begin = store->segments[i], end = store->segments[i + 1];
        assert_true(i == 0 || store->entries[begin].id > store->entries[begin - 1].id);
        for (uint32_t at = begin; at < end; at++) {
            assert_int_equal(store->entries[at].id, store->entries[begin].id);
            assert_int_equal(ids->data[store->entries[at].row], store->entries[at].id);
            assert_true(at == begin || store->entries[at - 1].row < store->entries[at].row);
        }
        if (end - begin <= LODE_PIECE) continue;
        for (size_t p = lode__store_piece(store, begin); covered < end; p++) {
            assert_int_equal(store->pieces[p].begin, covered < begin ? begin : covered);
            covered = store->pieces[p].end;
        }
        assert_int_equal(covered, end);
    }
    assert_int_equal(store->segments[distinct], CROWD);
}

/// Adam's first step is `rate` against the sign of the gradient, in every touched row and in no other.
static void expect_first_step(const crowd *self, const double *before, const double *gradient) {
    const double *after = self->table->value;
    for (size_t i = 0; i < (size_t)CROWD_ROWS * CROWD_DIM; i++) {
        const double g = gradient[i], step = g == 0 ? 0 : g > 0 ? -lazy.rate : lazy.rate;
        if (fabs(g) > 1e-2 || g == 0) gradcheck_near(after[i] - before[i], step, 1e-6, 0, "step");
    }
}

/// Sorting, sums of long rows and updates: the same at any number of threads, and right.
static void test_crowd(void **state) {
    (void)state;
    crowd first;
    for (size_t threads = 1; threads <= 3; threads++) {
        lode_pool *pool;
        lode_error error = {0};
        crowd self;
        expect_ok(lode__pool_new(&pool, threads, &error), &error);
        crowd_open(&self, pool);
        expect_sorted(self.table->store, self.ids, lode__store_sort(self.table->store, pool));
        double *expected = calloc((size_t)CROWD_ROWS * CROWD_DIM, sizeof *expected);
        double *found = calloc((size_t)CROWD_ROWS * CROWD_DIM, sizeof *found);
        assert_true(expected != NULL && found != NULL);
        for (size_t i = 0; i < CROWD; i++) {
            for (size_t c = 0; c < CROWD_DIM; c++)
                expected[(size_t)crowd_id(i) * CROWD_DIM + c] += cos((double)(i * CROWD_DIM + c));
        }
        lode__store_dense_gradient(self.table->store, LODE_F64, found);
        for (size_t i = 0; i < (size_t)CROWD_ROWS * CROWD_DIM; i++)
            gradcheck_near(found[i], expected[i], 1e-9, 1e-9, "sum of a row");
        memcpy(found, self.table->value, (size_t)CROWD_ROWS * CROWD_DIM * sizeof *found);
        lode__optimise(&lazy, self.params, 1, pool);
        expect_first_step(&self, found, expected);
        free(expected);
        free(found);
        if (threads == 1) {
            first = self;
        } else {
            expect_same(first.params, self.params);
            crowd_close(&self);
        }
        lode__pool_free(&pool);
    }
    crowd_close(&first);
}

/// The gradient of a mean over 3 is a third in every bit of a double.
static void test_mean_in_double(void **state) {
    (void)state;
    static const size_t lengths[] = {3, 3};
    lode_error error = {0};
    gradcheck check = {.random = lode__random(1, LODE_PURPOSE_USER, 0, 0)};
    expect_ok(lode__params_new(&check.params, LODE_F64, &error), &error);
    expect_ok(lode__graph_new(&check.graph, LODE_F64, true, NULL, &error), &error);
    lode_param *tables[2] = {gradcheck_table(&check, "sum", 6, 2),
                             gradcheck_table(&check, "mean", 6, 2)};
    lode_lists *lists =
        gradcheck_lists(&check, gradcheck_dim(&check, "rows", 2), "positions", lengths);
    lode_ids *ids = lode__graph_ids(check.graph, lists->positions, 1);
    for (int32_t i = 0; i < 6; i++)
        ids->data[i] = i;
    gradcheck_sum(&check, lode__embedding(check.graph, tables[0], ids, lists, LODE_POOL_SUM));
    gradcheck_sum(&check, lode__embedding(check.graph, tables[1], ids, lists, LODE_POOL_MEAN));
    expect_ok(lode__graph_finish(check.graph, &error), &error);
    expect_ok(lode__params_finish(check.params, 1, &error), &error);
    expect_ok(lode__params_trainable(check.params, &error), &error);
    (void)gradcheck_step(&check);
    double *sum = gradcheck_take(&check, tables[0]), *mean = gradcheck_take(&check, tables[1]);
    for (size_t i = 0; i < 12; i++)
        gradcheck_near(3.0 * mean[i], sum[i], 0.0, 1e-15, "mean");
    lode__free(sum);
    lode__free(mean);
    gradcheck_close(&check);
}

// --- optimisers ---------------------------------------------------------------------------------

enum { ROWS = 5, COLUMNS = 2, STEPS = 4 };

typedef struct moments {
    double value, first, second;
} moments;

/// Kingma & Ba 2015, algorithm 1.
/// `sparse`: as torch.optim.SparseAdam does it, epsilon beside the uncorrected root.
static void adam_by_hand(moments *m, const lode_optimiser *adam, bool sparse, double gradient,
                         int step) {
    gradient += adam->decay * m->value;
    m->first = adam->beta1 * m->first + (1.0 - adam->beta1) * gradient;
    m->second = adam->beta2 * m->second + (1.0 - adam->beta2) * gradient * gradient;
    const double first = m->first / (1.0 - pow(adam->beta1, step));
    const double second = m->second / (1.0 - pow(adam->beta2, step));
    const double epsilon =
        sparse ? adam->epsilon / sqrt(1.0 - pow(adam->beta2, step)) : adam->epsilon;
    m->value -= adam->rate * first / (sqrt(second) + epsilon);
}

typedef struct optimiser_check {
    gradcheck check;
    lode_param *table, *weight;
    lode_ids *ids;
    moments rows[ROWS * COLUMNS], dense[COLUMNS];
} optimiser_check;

static void optimiser_open(optimiser_check *self) {
    lode_error error = {0};
    gradcheck *check = &self->check;
    *self = (optimiser_check){.check.random = lode__random(1, LODE_PURPOSE_USER, 0, 0)};
    expect_ok(lode__params_new(&check->params, LODE_F64, &error), &error);
    expect_ok(lode__graph_new(&check->graph, LODE_F64, true, NULL, &error), &error);
    self->table = gradcheck_table(check, "table", ROWS, COLUMNS);
    self->weight = gradcheck_dense(check, "weight", COLUMNS, 1);
    self->ids = gradcheck_index(check, gradcheck_dim(check, "ids", 4), 1, ROWS);
    lode_tensor *x = lode__embedding(check->graph, self->table, self->ids, NULL, LODE_POOL_SUM);
    gradcheck_sum(check, lode__linear(check->graph, x, self->weight, NULL, LODE_TANH));
    expect_ok(lode__graph_finish(check->graph, &error), &error);
    expect_ok(lode__params_finish(check->params, 1, &error), &error);
    expect_ok(lode__params_trainable(check->params, &error), &error);
    for (size_t i = 0; i < ROWS * COLUMNS; i++)
        self->rows[i].value = ((double *)self->table->value)[i];
    for (size_t i = 0; i < COLUMNS; i++)
        self->dense[i].value = ((double *)self->weight->value)[i];
}

static void expect_moments(const lode_param *param, size_t at, const moments *expected) {
    gradcheck_near(((double *)param->value)[at], expected->value, 1e-13, 1e-10, "value");
    gradcheck_near(((double *)param->first)[at], expected->first, 1e-15, 1e-10, "first moment");
    gradcheck_near(((double *)param->second)[at], expected->second, 1e-17, 1e-10, "second moment");
}

/// Row 4 is never touched; rows 1 and 3 rest for a step or more.
static const int32_t step_ids[STEPS][4] = {{0, 1, 1, 3}, {0, 2, 2, 2}, {3, 3, 0, 0}, {1, 2, 0, 1}};

static bool is_touched(int step, size_t row) {
    for (size_t i = 0; i < 4; i++) {
        if (step_ids[step][i] == (int32_t)row) return true;
    }
    return false;
}

/// Gradients by a first run, whose scatter lists are forgotten; then the same run again and an update.
static void optimiser_step(optimiser_check *self, const lode_optimiser *optimiser, int step) {
    memcpy(self->ids->data, step_ids[step], sizeof step_ids[step]);
    (void)gradcheck_step(&self->check);
    double *rows = gradcheck_take(&self->check, self->table);
    double *dense = gradcheck_take(&self->check, self->weight);
    (void)gradcheck_step(&self->check);
    lode__optimise(optimiser, self->check.params, (uint64_t)step + 1, NULL);
    for (size_t i = 0; i < ROWS * COLUMNS; i++) {
        const bool moves = optimiser->type == LODE_ADAM_DENSE || is_touched(step, i / COLUMNS);
        const moments before = self->rows[i];
        if (moves)
            adam_by_hand(&self->rows[i], optimiser, optimiser->type == LODE_LAZY_ADAM, rows[i],
                         step + 1);
        expect_moments(self->table, i, &self->rows[i]);
        if (moves && is_touched(step, i / COLUMNS))
            assert_true(before.value != self->rows[i].value);
    }
    for (size_t i = 0; i < COLUMNS; i++) {
        adam_by_hand(&self->dense[i], optimiser, false, dense[i], step + 1);
        expect_moments(self->weight, i, &self->dense[i]);
    }
    lode__free(rows);
    lode__free(dense);
}

static void copy_state(const lode_param *param, double out[3][ROWS * COLUMNS]) {
    memcpy(out[0], param->value, sizeof out[0]);
    memcpy(out[1], param->first, sizeof out[1]);
    memcpy(out[2], param->second, sizeof out[2]);
}

static void test_lazy_adam(void **state) {
    (void)state;
    lode_optimiser adam = lazy;
    adam.epsilon = 1e-3; // large enough to show where it is added
    optimiser_check self;
    optimiser_open(&self);
    for (int step = 0; step < STEPS; step++) {
        double before[3][ROWS * COLUMNS], after[3][ROWS * COLUMNS];
        copy_state(self.table, before);
        optimiser_step(&self, &adam, step);
        copy_state(self.table, after);
        for (size_t row = 0; row < ROWS; row++) {
            if (is_touched(step, row)) continue;
            for (size_t part = 0; part < 3; part++) {
                assert_memory_equal(before[part] + row * COLUMNS, after[part] + row * COLUMNS,
                                    COLUMNS * sizeof(double));
            }
        }
    }
    gradcheck_close(&self.check);
}

/// The first step of Adam is the rate, in the direction against the gradient, whatever its size.
static void test_first_step(void **state) {
    (void)state;
    optimiser_check self;
    optimiser_open(&self);
    double before[3][ROWS * COLUMNS];
    copy_state(self.table, before);
    optimiser_step(&self, &lazy, 0);
    for (size_t i = 0; i < 2 * COLUMNS; i++) { // rows 0 and 1
        const double moved = ((double *)self.table->value)[i] - before[0][i];
        gradcheck_near(fabs(moved), lazy.rate, 0.0, 1e-4, "first step");
        assert_true(moved * ((double *)self.table->first)[i] < 0.0);
    }
    gradcheck_close(&self.check);
}

/// A row that rested takes its next step with the correction of the global step, not of its own second.
static void test_global_step(void **state) {
    (void)state;
    moments row = {.value = 1.0};
    const double beta = lazy.beta1;
    adam_by_hand(&row, &lazy, true, 0.5, 100);
    const double expected = lazy.rate * (1.0 - beta) / (1.0 - pow(beta, 100)) /
                            sqrt((1.0 - lazy.beta2) / (1.0 - pow(lazy.beta2, 100)));
    gradcheck_near(1.0 - row.value, expected, 0.0, 1e-6, "by hand");
    optimiser_check self;
    optimiser_open(&self);
    const double before = ((double *)self.table->value)[0];
    memcpy(self.ids->data, step_ids[0], sizeof step_ids[0]);
    (void)gradcheck_step(&self.check);
    lode__optimise(&lazy, self.check.params, 100, NULL);
    gradcheck_near(fabs(((double *)self.table->value)[0] - before), expected, 0.0, 1e-4,
                   "late first step");
    gradcheck_close(&self.check);
}

static void test_adam_dense(void **state) {
    (void)state;
    lode_optimiser dense = lazy;
    dense.type = LODE_ADAM_DENSE;
    dense.epsilon = 1e-3;
    optimiser_check self;
    optimiser_open(&self);
    double before[3][ROWS * COLUMNS];
    for (int step = 0; step < STEPS; step++) {
        copy_state(self.table, before);
        optimiser_step(&self, &dense, step);
        const size_t resting = 3 * COLUMNS; // row 3, touched in step 0, moves on in step 1
        if (step == 1) assert_true(((double *)self.table->value)[resting] != before[0][resting]);
    }
    const size_t never = 4 * COLUMNS; // without gradient, moments or decay there is nothing to move
    assert_true(((double *)self.table->value)[never] == self.rows[never].value);
    gradcheck_close(&self.check);
}

static void test_decay(void **state) {
    (void)state;
    lode_optimiser decay = lazy;
    decay.decay = 0.1;
    for (int type = 0; type < 2; type++) {
        decay.type = (lode_optimiser_type)type;
        optimiser_check self;
        optimiser_open(&self);
        const double never = ((double *)self.table->value)[4 * COLUMNS];
        for (int step = 0; step < STEPS; step++)
            optimiser_step(&self, &decay, step);
        const double now = ((double *)self.table->value)[4 * COLUMNS];
        if (decay.type == LODE_ADAM_DENSE) assert_true(fabs(now) < fabs(never));
        if (decay.type == LODE_LAZY_ADAM) assert_true(now == never);
        gradcheck_close(&self.check);
    }
}

/// What got no gradient this step stays, moments included.
static void test_nothing_to_do(void **state) {
    (void)state;
    optimiser_check self;
    optimiser_open(&self);
    optimiser_step(&self, &lazy, 0);
    double before[3][ROWS * COLUMNS], after[3][ROWS * COLUMNS];
    copy_state(self.table, before);
    const moments weight = {((double *)self.weight->value)[0], ((double *)self.weight->first)[0],
                            ((double *)self.weight->second)[0]};
    lode__optimise(&lazy, self.check.params, 2, NULL);
    copy_state(self.table, after);
    assert_memory_equal(before, after, sizeof before);
    assert_true(((double *)self.weight->value)[0] == weight.value);
    assert_true(((double *)self.weight->first)[0] == weight.first);
    gradcheck_close(&self.check);
}

// --- parameters ---------------------------------------------------------------------------------

/// A row's first values depend on seed, name and place alone; clones hold the same values.
static void test_initial_values(void **state) {
    (void)state;
    lode_error error = {0};
    lode_params *sets[3] = {0}, *clone = NULL;
    for (size_t i = 0; i < 3; i++) {
        expect_ok(lode__params_new(&sets[i], LODE_F64, &error), &error);
        if (i == 1) (void)lode__param_dense(sets[i], "other", 3, 3, LODE_INIT_XAVIER, 1.0);
        if (i == 1) (void)lode__param_table(sets[i], "second", 9, 3, LODE_INIT_NORMAL, 0.5);
        (void)lode__param_table(sets[i], "table", i == 1 ? 9 : 4, 3, LODE_INIT_NORMAL, 0.5);
        expect_ok(lode__params_finish(sets[i], i == 2 ? 8 : 7, &error), &error);
    }
    const double *values[3];
    for (size_t i = 0; i < 3; i++)
        values[i] = lode__param_find(sets[i], "table")->value;
    assert_memory_equal(values[0], values[1], 12 * sizeof(double));
    for (size_t i = 0; i < 12; i++) {
        assert_true(values[0][i] != values[2][i]);
        assert_true(i == 0 || values[0][i] != values[0][i - 1]);
    }
    const double *second = lode__param_find(sets[1], "second")->value;
    for (size_t i = 0; i < 12; i++)
        assert_true(second[i] != values[1][i]);
    const double *xavier = lode__param_find(sets[1], "other")->value;
    for (size_t i = 0; i < 9; i++)
        assert_true(xavier[i] != 0.0 && fabs(xavier[i]) <= 1.0);
    expect_ok(lode__params_clone(&clone, sets[1], LODE_F32, &error), &error);
    const lode_param *copy = lode__param_find(clone, "table");
    assert_non_null(copy->store);
    assert_null(lode__param_find(clone, "other")->store);
    for (size_t i = 0; i < 27; i++)
        assert_true(((float *)copy->value)[i] == (float)values[1][i]);
    lode__params_free(&clone);
    for (size_t i = 0; i < 3; i++)
        lode__params_free(&sets[i]);
}

static void test_name_declared_twice(void **state) {
    (void)state;
    lode_error error = {0};
    lode_params *params = NULL;
    expect_ok(lode__params_new(&params, LODE_F32, &error), &error);
    (void)lode__param_dense(params, "w", 2, 2, LODE_INIT_ONE, 0);
    (void)lode__param_table(params, "w", 2, 2, LODE_INIT_ONE, 0);
    assert_int_not_equal(lode__params_finish(params, 1, &error), LODE_OK);
    lode__params_free(&params);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_sizes_change),
        cmocka_unit_test(test_size_zero),
        cmocka_unit_test(test_two_graphs),
        cmocka_unit_test(test_sort),
        cmocka_unit_test(test_crowd),
        cmocka_unit_test(test_mean_in_double),
        cmocka_unit_test(test_lazy_adam),
        cmocka_unit_test(test_first_step),
        cmocka_unit_test(test_global_step),
        cmocka_unit_test(test_adam_dense),
        cmocka_unit_test(test_decay),
        cmocka_unit_test(test_nothing_to_do),
        cmocka_unit_test(test_initial_values),
        cmocka_unit_test(test_name_declared_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
