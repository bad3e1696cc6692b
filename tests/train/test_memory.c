/// The memory of training: every tower's graphs share it, and nothing reads what is no longer there.
#include "fixture.h"
#include "model/tower.h"
#include "train/trainer.h"

enum { STEPS = 3 };

static lode_trainer *open_trainer(const fixture *self, lode_config *config, const char *user,
                                  const char *item, const char *objectives) {
    char sets[3][PATH_ROOM];
    (void)snprintf(sets[0], PATH_ROOM, "model.user={tower: %s}", user);
    (void)snprintf(sets[1], PATH_ROOM, "model.item={tower: %s}", item);
    (void)snprintf(sets[2], PATH_ROOM, "objectives=%s", objectives);
    const char *const list[] = {sets[0], sets[1], sets[2], "model.dim=64"};
    lode_error error = {0};
    lode_trainer *trainer = NULL;
    check(lode__config_load(config, small_config, "test", list, 4, &error), &error);
    const lode_phase phase = {self->data, self->folder, 1, false};
    check(lode__trainer_new(&trainer, config, &phase, NULL, &error), &error);
    return trainer;
}

/// Train with dead memory poisoned or not; the losses of the steps go to `losses`.
static void run(const fixture *self, const char *user, const char *item, const char *objectives,
                bool poison, double *losses) {
    lode_config config;
    lode_error error = {0};
    lode_trainer *trainer = open_trainer(self, &config, user, item, objectives);
    for (size_t i = 0; i < trainer->stages; i++) {
        const lode_layout *layout = &trainer->scenes[i].graph->layout;
        assert_false(layout->apart); // every op says what it reads
        assert_true(layout->bytes < layout->spread);
        trainer->scenes[i].graph->poison = poison;
    }
    trainer->encoder->user_graph->poison = trainer->encoder->item_graph->poison = poison;
    for (int step = 0; step < STEPS; step++)
        check(lode__trainer_step(trainer, &losses[step], &error), &error);
    float *vectors =
        calloc((size_t)trainer->model->vocabulary->items * trainer->encoder->dim, sizeof *vectors);
    assert_non_null(vectors);
    lode__encode_items(trainer->encoder, vectors);
    losses[STEPS] = 0.0;
    for (size_t i = 0; i < (size_t)trainer->model->vocabulary->items * trainer->encoder->dim; i++)
        losses[STEPS] += (double)vectors[i];
    free(vectors);
    lode__trainer_free(&trainer);
    lode__config_release(&config);
}

static void compare(const fixture *self, const char *user, const char *item, const char *objectives) {
    double plain[STEPS + 1], poisoned[STEPS + 1];
    run(self, user, item, objectives, false, plain);
    run(self, user, item, objectives, true, poisoned);
    assert_memory_equal(plain, poisoned, sizeof plain);
}

static const char all_objectives[] =
    "[{type: in_batch}, {type: bce, negatives: {count: 5, scope: example}}, {type: bpr, mask: "
    "user_items}]";

static void test_towers(void **state) {
    const fixture *self = *state;
    for (size_t i = 0; lode__towers[i] != NULL; i++) {
        const lode_tower_type *type = lode__towers[i];
        const bool user = type->side == LODE_SIDE_USER;
        if (strcmp(type->name, "fm") == 0) {
            if (user) compare(self, "fm", "fm", all_objectives); // it has a column more than others
            continue;
        }
        const char *other = user ? "mlp" : strcmp(type->name, "id") == 0 ? "youtubednn" : "ican";
        compare(self, user ? type->name : other, user ? other : type->name, all_objectives);
    }
    compare(self, "ican, dropout: 0.2, blocks: 2", "mlp, dropout: 0.1, activation: tanh",
            "[{type: sampled_softmax, temperature: 0.1}]");
    compare(self, "ican, dropout: 0.2, history_fields: auto", "id", all_objectives);
    compare(self, "ican, dropout: 0.2, rows: fields", "mlp", all_objectives);
    compare(self, "wha, history_fields: auto, values: plain", "projected", all_objectives);
    compare(self, "wha, merge: concat, position: forward, time_buckets: []", "mlp", all_objectives);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_towers)};
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
