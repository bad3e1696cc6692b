/// Our models, losses and optimisers against PyTorch's, from the same weights on the same examples with the same
/// negatives (README.md). A case is trained for ten steps in double and in float, with 2 threads.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <libgen.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/safetensors.h"
#include "graph/optimiser.h"
#include "objective/negatives.h"
#include "train/config.h"

enum { PATH_ROOM = 512, MOST_TOKENS = 64 };

/// How far from PyTorch's a number may be: absolute, and relative to the largest number of its array. `trained` is for
/// weights after ten steps: Adam takes a step of full size for a gradient that is little more than rounding, and the
/// last bias of ICAN's item tower, which moves all logits of a query alike, has such gradients (8e-5 in float; other
/// weights 3e-5, other numbers 3e-6).
typedef struct tolerance {
    double absolute, relative;
} tolerance;

static const tolerance tolerances[] = {[LODE_F32] = {1e-6, 1e-5}, [LODE_F64] = {1e-12, 1e-9}};
static const tolerance trained[] = {[LODE_F32] = {2e-6, 1e-4}, [LODE_F64] = {1e-12, 1e-9}};
static const char FINAL[] = "final/";

typedef struct golden {
    const char *name;
    lode_precision precision;
    lode_safetensors file;
    lode_config config;
    lode_dataset *data;
    lode_split *split;
    lode_model_core *model;
    lode_binding *binding;
    lode_params *params;
    lode_pool *pool;
    lode_graph *graph;
    lode_scene scene;
    lode_state *states;
    uint32_t *target_rows;
    uint32_t *user_of; ///< data set's number of the file's user
    const int32_t *examples, *negatives;
    size_t steps, batch, width;
} golden;

static char folder[PATH_ROOM];

static void check(lode_status status, const lode_error *error) {
    if (status != LODE_OK) fail_msg("%s: %s", lode_status_name(status), error->message);
}

// --- the file -----------------------------------------------------------------------------------------

static const lode_tensor_view *tensor(const golden *self, const char *prefix, const char *name) {
    char whole[256];
    (void)snprintf(whole, sizeof whole, "%s%s", prefix, name);
    const lode_tensor_view *found = lode__safetensors_find(&self->file, whole);
    if (found == NULL) fail_msg("%s has no tensor %s", self->name, whole);
    return found;
}

/// Our row of each row of the file's table; rows in order for dense weights and positions.
static void map_rows(const golden *self, const lode_param *param, uint32_t *rows) {
    char key[256];
    (void)snprintf(key, sizeof key, "tokens.%s", param->name);
    const char *text = lode__safetensors_metadata(&self->file, key);
    for (uint32_t row = 0; row < param->rows; row++)
        rows[row] = row;
    if (text == NULL || *text == 0) return;
    const lode_vocabulary *vocabulary = self->model->vocabulary;
    const lode_field *field = NULL;
    for (size_t i = 0; i < vocabulary->count; i++) {
        char linear[256];
        (void)snprintf(linear, sizeof linear, "item.linear.%s", vocabulary->fields[i].name);
        if (lode__param(self->params, vocabulary->fields[i].table) == param ||
            strcmp(linear, param->name) == 0 ||
            (i == vocabulary->item_id && strcmp(param->name, "item.bias") == 0)) {
            field = &vocabulary->fields[i];
        }
    }
    assert_non_null(field);
    char *copy = strdup(text), *rest = copy, *token;
    uint32_t row = 1;
    while ((token = strsep(&rest, " ")) != NULL) {
        assert_true(row < param->rows);
        rows[row] = lode__field_row(field, token);
        if (rows[row] == 0) fail_msg("%s: %s does not know %s", self->name, param->name, token);
        row++;
    }
    assert_int_equal(row, param->rows);
    free(copy);
}

static const double *values_of(const golden *self, const char *prefix, const lode_param *param) {
    const lode_tensor_view *found = tensor(self, prefix, param->name);
    assert_int_equal(found->dtype, LODE_DTYPE_F64);
    if (found->rank != 2 || found->shape[0] != param->rows || found->shape[1] != param->columns) {
        fail_msg("%s: %s is %zu x %zu in the file, %zu x %zu here", self->name, param->name,
                 found->shape[0], found->shape[1], param->rows, param->columns);
    }
    return found->data;
}

static void take_weights(golden *self) {
    size_t expected = 0;
    for (size_t i = 0; i < self->file.count; i++)
        expected += strncmp(self->file.tensors[i].name, "init/", 5) == 0;
    assert_int_equal(self->params->count, expected);
    for (size_t i = 0; i < self->params->count; i++) {
        lode_param *param = self->params->list[i];
        const double *values = values_of(self, "init/", param);
        uint32_t rows[512];
        assert_true(param->rows <= 512);
        map_rows(self, param, rows);
        for (size_t row = 0; row < param->rows; row++) {
            for (size_t c = 0; c < param->columns; c++) {
                lode__real_set(self->precision, param->value, rows[row] * param->columns + c,
                               values[row * param->columns + c]);
            }
        }
    }
}

// --- comparing ------------------------------------------------------------------------------------------

/// Largest difference against what is allowed for the largest value; written so that NaN fails.
static void compare(const golden *self, const char *what, const char *name, const double *ours,
                    const double *theirs, size_t count) {
    double largest = 0, worst = 0;
    for (size_t i = 0; i < count; i++) {
        largest = fmax(largest, fabs(theirs[i]));
        if (!(fabs(ours[i] - theirs[i]) <= worst)) worst = fabs(ours[i] - theirs[i]);
    }
    const tolerance allowed = (what == FINAL ? trained : tolerances)[self->precision];
    if (!(worst <= allowed.absolute + allowed.relative * largest)) {
        fail_msg("%s, %s: %s %s is off by %g (largest value %g)", self->name,
                 self->precision == LODE_F64 ? "f64" : "f32", what, name, worst, largest);
    }
}

/// An array in our rows' order against the file's.
static void compare_param(const golden *self, const char *prefix, const lode_param *param,
                          const void *array) {
    const size_t count = param->rows * param->columns;
    double *ours = calloc(count, sizeof *ours);
    uint32_t rows[512];
    assert_non_null(ours);
    map_rows(self, param, rows);
    for (size_t i = 0; i < count; i++) {
        const size_t row = i / param->columns, column = i % param->columns;
        ours[i] = lode__real_get(self->precision, array, rows[row] * param->columns + column);
    }
    compare(self, prefix, param->name, ours, values_of(self, prefix, param), count);
    free(ours);
}

static void compare_gradients(const golden *self) {
    for (size_t i = 0; i < self->params->count; i++) {
        lode_param *param = self->params->list[i];
        const size_t count = param->rows * param->columns;
        if (param->store == NULL) {
            assert_true(param->has_gradient);
            compare_param(self, "gradient/", param, param->gradient);
            continue;
        }
        void *dense = calloc(count, lode__real_size(self->precision));
        assert_non_null(dense);
        lode__store_dense_gradient(param->store, self->precision, dense);
        compare_param(self, "gradient/", param, dense);
        free(dense);
    }
}

/// Vectors of the first step's examples and of their items.
static void compare_vectors(const golden *self) {
    const lode_tensor_view *users = tensor(self, "user_vectors", ""),
                           *items = tensor(self, "item_vectors", "");
    const size_t d = users->shape[1], count = self->batch * d;
    double *ours = calloc(count, sizeof *ours);
    assert_non_null(ours);
    assert_int_equal(users->shape[0], self->batch);
    for (size_t i = 0; i < count; i++) {
        ours[i] = lode__tensor_get(self->graph, self->scene.users->outputs.vector, i / d, i % d);
    }
    compare(self, "vectors of", "users", ours, users->data, count);
    for (size_t i = 0; i < count; i++) {
        ours[i] = lode__tensor_get(self->graph, self->scene.items->outputs.vector,
                                   (size_t)self->scene.targets->data[i / d], i % d);
    }
    compare(self, "vectors of", "items", ours, items->data, count);
    free(ours);
}

// --- building -------------------------------------------------------------------------------------------

static void open_case(golden *self, const char *data) {
    char path[2 * PATH_ROOM];
    lode_error error = {0};
    (void)snprintf(path, sizeof path, "%s/%s.safetensors", folder, self->name);
    check(lode__safetensors_open(&self->file, path, &error), &error);
    check(lode__config_load(&self->config, lode__safetensors_metadata(&self->file, "config"),
                            self->name, NULL, 0, &error),
          &error);
    check(lode__dataset_open(&self->data, data, true, &error), &error);
    check(lode__split_new(&self->split, self->data, &self->config.data.split, &error), &error);
    lode_vocabulary *vocabulary = NULL;
    const lode_fields_config *fields = &self->config.fields;
    check(lode__vocabulary_new(&vocabulary, self->split, fields->item, fields->user,
                               fields->context, (size_t)self->config.model.dim, NULL, &error),
          &error);
    // As in training: the item id tower leaves the other fields' tables unused.
    check(lode__model_core_new(&self->model, &self->config.model, (size_t)self->config.data.history,
                               vocabulary, 1, &error),
          &error);
    check(lode__params_clone(&self->params, self->model->params, self->precision, &error), &error);
    check(lode__params_trainable(self->params, &error), &error);
    check(lode__binding_new(&self->binding, self->model->vocabulary, self->data, &error), &error);
    const lode_tensor_view *examples = tensor(self, "examples", ""),
                           *negatives = tensor(self, "negatives", "");
    self->examples = examples->data;
    self->negatives = negatives->data;
    self->steps = examples->shape[0];
    self->batch = examples->shape[1];
    self->width = negatives->shape[1];
    assert_int_equal(self->batch, self->config.train.batch);
    self->states = calloc(self->batch, sizeof *self->states);
    self->target_rows = calloc(self->batch, sizeof *self->target_rows);
    self->user_of = calloc(self->data->users.count, sizeof *self->user_of);
    assert_true(self->states != NULL && self->target_rows != NULL && self->user_of != NULL);
    for (uint32_t user = 0; user < self->data->users.count; user++) {
        self->user_of[strtoul(lode__token(&self->data->users, user) + 1, NULL, 10)] = user;
    }
}

static void build(golden *self) {
    lode_error error = {0};
    const lode_training training = {
        .data = self->data, .split = self->split, .binding = self->binding, .model = self->model};
    size_t items = self->batch;
    check(lode__pool_new(&self->pool, 2, &error), &error);
    for (size_t i = 0; i < self->config.objective_count; i++) {
        lode_objective *objective = &self->config.objectives[i];
        check(lode__objective_prepare(objective, &training, &error), &error);
        items += objective->type->items(objective->state, self->batch);
    }
    check(lode__graph_new(&self->graph, self->precision, true, self->pool, &error), &error);
    self->graph->training = true;
    lode_scene *scene = &self->scene;
    *scene = (lode_scene){.graph = self->graph, .params = self->params, .most = self->batch};
    scene->users = lode__user_view_new(self->graph, self->model, self->params, self->batch);
    scene->items = lode__item_view_new(self->graph, self->model, self->params, items);
    assert_true(scene->users != NULL && scene->items != NULL);
    scene->query = scene->users->outputs.vector;
    scene->targets = lode__graph_ids(self->graph, scene->query->rows, 1);
    for (size_t i = 0; i < self->config.objective_count; i++) {
        const lode_objective *objective = &self->config.objectives[i];
        check(objective->type->stages[0].build(objective->state, scene, objective->weight, &error),
              &error);
    }
    lode__graph_keep(scene->users->outputs.vector);
    lode__graph_keep(scene->items->outputs.vector);
    check(lode__graph_finish(self->graph, &error), &error);
    self->graph->poison = true;
}

static void close_case(golden *self) {
    lode__graph_free(&self->graph);
    lode__pool_free(&self->pool);
    lode__params_free(&self->params);
    lode__binding_free(&self->binding);
    lode__model_core_free(&self->model);
    lode__config_release(&self->config);
    lode__split_free(&self->split);
    lode__dataset_free(&self->data);
    lode__safetensors_close(&self->file);
    free(self->states);
    free(self->target_rows);
    free(self->user_of);
}

// --- steps ----------------------------------------------------------------------------------------------

/// Examples of a step; short batches end with user -1.
static size_t gather(golden *self, size_t step) {
    lode_item_view *items = self->scene.items;
    lode__item_view_begin(items);
    const int32_t *examples = self->examples + step * self->batch * 2;
    size_t count = 0;
    for (; count < self->batch && examples[2 * count] >= 0; count++) {
        const uint32_t user = self->user_of[examples[2 * count]];
        const uint64_t end = self->split->log.offsets[user] + (uint64_t)examples[2 * count + 1];
        assert_true(end < self->split->train_end[user]);
        self->states[count] = (lode_state){user, end};
        self->target_rows[count] = self->binding->item_row[self->split->log.item[end]];
        self->scene.targets->data[count] = lode__item_view_slot(items, self->target_rows[count]);
    }
    return count;
}

/// What lode__sampled_draw does, with the file's negatives instead of random ones.
static size_t take_negatives(const golden *self, lode_sampled *sampled, const lode_batch *batch,
                             const int32_t *rows) {
    const bool shared = sampled->options->negatives.scope == 0;
    const size_t count = (size_t)sampled->options->negatives.count * (shared ? 1 : batch->count);
    uint32_t row_of[512];
    map_rows(self, lode__param(self->params, self->model->vocabulary->fields[0].table), row_of);
    if (shared) sampled->negative->dim->size = count;
    for (size_t i = 0; i < count; i++) {
        const uint32_t row = row_of[rows[i]];
        sampled->negative->data[i] = lode__item_view_slot(sampled->items, row);
        if (sampled->negative_shift != NULL) {
            sampled->negative_shift->data[i] = sampled->sampler->log_q[self->binding->item_of[row]];
        }
    }
    for (size_t i = 0; i < batch->count && sampled->positive_shift != NULL; i++) {
        sampled->positive_shift->data[i] =
            sampled->sampler->log_q[self->binding->item_of[batch->target_rows[i]]];
    }
    lode__masker_fill(&sampled->masker, batch, sampled->negative->data, count);
    return count;
}

static void run_step(golden *self, size_t step) {
    lode_error error = {0};
    const size_t count = gather(self, step);
    const lode_batch batch = {
        .count = count, .states = self->states, .target_rows = self->target_rows};
    size_t at = step * self->width;
    for (size_t i = 0; i < self->config.objective_count; i++) {
        const lode_objective *objective = &self->config.objectives[i];
        if (strcmp(objective->type->name, "in_batch") == 0 ||
            strcmp(objective->type->name, "full_softmax") == 0) {
            check(objective->type->stages[0].draw(objective->state, &batch, &error), &error);
        } else {
            at += take_negatives(self, objective->state, &batch, self->negatives + at);
        }
    }
    lode__item_view_fill(self->scene.items);
    lode_log_source source = {self->binding, &self->split->log, self->states, false};
    const lode_user_source users = lode__log_source(&source);
    lode__user_view_fill(self->scene.users, &users, count);
    lode__graph_forward(self->graph);
    lode__graph_backward(self->graph);
}

static void run_case(const char *name, lode_precision precision, const char *data) {
    golden self = {.name = name, .precision = precision};
    open_case(&self, data);
    build(&self);
    take_weights(&self);
    const lode_train_config *train = &self.config.train;
    const lode_optimiser optimiser = {(lode_optimiser_type)train->optimiser,
                                      train->learning_rate,
                                      train->beta1,
                                      train->beta2,
                                      train->epsilon,
                                      train->weight_decay};
    double losses[64];
    assert_true(self.steps == 10);
    for (size_t step = 0; step < self.steps; step++) {
        run_step(&self, step);
        losses[step] = lode__graph_loss_value(self.graph);
        if (step == 0) {
            compare(&self, "loss of", "the first step", losses, tensor(&self, "losses", "")->data, 1);
            compare_vectors(&self);
            compare_gradients(&self);
        }
        lode__optimise(&optimiser, self.params, step + 1, self.pool);
    }
    compare(&self, "losses of", "all steps", losses, tensor(&self, "losses", "")->data, self.steps);
    for (size_t i = 0; i < self.params->count; i++) {
        compare_param(&self, FINAL, self.params->list[i], self.params->list[i]->value);
    }
    close_case(&self);
}

static void test_case(void **state) {
    static const char *const names[] = {
        "ican_sampled",      "ican_in_batch",    "youtubednn_in_batch", "dssm_sampled_each",
        "youtubednn_bce",    "dssm_bpr",         "youtubednn_bpr",      "ican_two_dense",
        "fm_in_batch",       "deepfm_sampled",   "autoint_in_batch",    "ican_history_fields",
        "ican_history_tags", "ican_rows_fields", "wha_merged",          "wha_concat",
        "bert4rec_full"};
    (void)state;
    char source[2 * PATH_ROOM], data[] = "/tmp/lodestone-golden-XXXXXX";
    lode_error error = {0};
    const int file = mkstemp(data);
    assert_true(file >= 0);
    (void)close(file);
    (void)snprintf(source, sizeof source, "%s/shop", folder);
    check(lode_import(source, data, NULL, NULL, NULL, &error), &error);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        run_case(names[i], LODE_F64, data);
        run_case(names[i], LODE_F32, data);
    }
    (void)unlink(data);
}

int main(void) {
    char path[] = __FILE__;
    (void)snprintf(folder, sizeof folder, "%s", dirname(path));
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_case)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
