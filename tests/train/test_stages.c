/// Objectives with stages: a forward-only stage sees the batch before the one that learns, and changes nothing else.
#include "fixture.h"
#include "train/trainer.h"

extern const lode_objective_type lode__objective_in_batch;

enum { STEPS = 5 };

/// What the forward-only stage of the objective under test saw; one test at a time.
static struct {
    const lode_scene *early, *late;
    size_t draws[2];
} seen;

static lode_status early_build(void *state, const lode_scene *scene, double weight,
                               lode_error *error) {
    (void)state, (void)weight, (void)error;
    assert_false(scene->graph->gradients);
    seen.early = scene;
    lode__graph_keep(scene->users->outputs.vector);
    return LODE_OK;
}

static lode_status early_draw(void *state, const lode_batch *batch, lode_error *error) {
    (void)state, (void)error;
    assert_int_equal(seen.draws[0], seen.draws[1]);
    assert_true(batch->count > 0);
    seen.draws[0]++;
    return LODE_OK;
}

static lode_status late_build(void *state, const lode_scene *scene, double weight, lode_error *error) {
    seen.late = scene;
    lode__graph_keep(scene->users->outputs.vector);
    return lode__objective_in_batch.stages[0].build(state, scene, weight, error);
}

static lode_status late_draw(void *state, const lode_batch *batch, lode_error *error) {
    assert_int_equal(seen.draws[0], seen.draws[1] + 1); // the early stage has drawn, and has run
    seen.draws[1]++;
    assert_int_equal(seen.early->users->inputs.rows->size, batch->count);
    return lode__objective_in_batch.stages[0].draw(state, batch, error);
}

static const char plain_config[] = "data: {history: 6}\n"
                                   "model:\n"
                                   "  dim: 8\n"
                                   "  user: {tower: youtubednn, layers: [8]}\n"
                                   "  item: {tower: mlp, layers: [8]}\n"
                                   "objectives:\n"
                                   "  - {type: in_batch}\n"
                                   "  - {type: sampled_softmax, negatives: {count: 8}}\n"
                                   "train: {batch: 32}\n";

/// Train a few steps; `type` replaces that of the first objective. The weights after them go to `params`.
static void train(const fixture *self, const lode_objective_type *type, lode_params **params) {
    lode_error error = {0};
    lode_config config;
    lode_trainer *trainer = NULL;
    check(lode__config_load(&config, plain_config, "test", NULL, 0, &error), &error);
    config.objectives[0].type = type;
    const lode_phase phase = {self->data, self->folder, 1, false};
    check(lode__trainer_new(&trainer, &config, &phase, NULL, &error), &error);
    for (int step = 0; step < STEPS; step++) {
        double loss;
        check(lode__trainer_step(trainer, &loss, &error), &error);
        if (type->stage_count == 1) continue;
        const lode_tensor *early = seen.early->users->outputs.vector,
                          *late = seen.late->users->outputs.vector;
        const size_t count = seen.early->users->inputs.rows->size;
        assert_memory_equal(early->value, late->value, count * early->columns * sizeof(float));
    }
    check(lode__params_clone(params, trainer->model->params, LODE_F32, &error), &error);
    lode__trainer_free(&trainer);
    lode__config_release(&config);
}

static void test_forward_stage(void **state) {
    const fixture *self = *state;
    lode_objective_type staged = lode__objective_in_batch;
    staged.stages[0] = (lode_stage){early_build, early_draw};
    staged.stages[1] = (lode_stage){late_build, late_draw};
    staged.stage_count = 2;
    lode_params *with = NULL, *without = NULL;
    train(self, &staged, &with);
    assert_int_equal(seen.draws[0], STEPS);
    assert_int_equal(seen.draws[1], STEPS);
    train(self, &lode__objective_in_batch, &without);
    for (size_t i = 0; i < with->count; i++) {
        const lode_param *param = with->list[i];
        assert_memory_equal(param->value, without->list[i]->value,
                            param->rows * param->columns * sizeof(float));
    }
    lode__params_free(&with);
    lode__params_free(&without);
}

/// State of an objective that counts its steps, with the name that the checkpoint knows it by.
static struct {
    uint64_t steps;
    float history[STEPS];
} counted;

static void count_step(void *state, const lode_params *params) {
    (void)state;
    counted.history[counted.steps++] = *(const float *)params->list[0]->value;
}

static size_t counted_arrays(void *state, lode_state_array *arrays, size_t capacity) {
    (void)state;
    assert_true(capacity >= 2);
    arrays[0] = (lode_state_array){"steps", &counted.steps, sizeof counted.steps};
    arrays[1] = (lode_state_array){"history", counted.history, sizeof counted.history};
    return 2;
}

/// Declared state goes through a checkpoint and comes back.
static void test_state(void **state) {
    const fixture *self = *state;
    lode_error error = {0};
    lode_config config;
    lode_trainer *trainer = NULL;
    lode_objective_type counting = lode__objective_in_batch;
    counting.after_step = count_step;
    counting.arrays = counted_arrays;
    const lode_phase phase = {self->data, self->folder, 1, false};
    check(lode__config_load(&config, plain_config, "test", NULL, 0, &error), &error);
    config.objectives[0].type = &counting;
    check(lode__trainer_new(&trainer, &config, &phase, NULL, &error), &error);
    double loss;
    for (int step = 0; step < 3; step++)
        check(lode__trainer_step(trainer, &loss, &error), &error);
    check(lode__checkpoint_save(trainer, &error), &error);
    float before[STEPS];
    memcpy(before, counted.history, sizeof before);
    check(lode__trainer_step(trainer, &loss, &error), &error);
    assert_int_equal(counted.steps, 4);
    check(lode__checkpoint_load(trainer, &error), &error);
    assert_int_equal(counted.steps, 3);
    assert_memory_equal(counted.history, before, sizeof before);
    assert_int_equal(trainer->counters.global_step, 3);
    counting.arrays = NULL; // a configuration whose objective has no such state does not mind it
    check(lode__checkpoint_load(trainer, &error), &error);
    lode__trainer_free(&trainer);
    lode__config_release(&config);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_forward_stage),
                                       cmocka_unit_test(test_state)};
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
