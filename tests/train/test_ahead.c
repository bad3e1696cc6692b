/// Gathering ahead of a step gives what gathering in the step gives, whatever steps are asked for in whatever order.
#include "fixture.h"
#include "train/trainer.h"

static lode_trainer *open_trainer(const fixture *self, lode_config *config, const char *examples,
                                  const char *tower) {
    char set[PATH_ROOM], user[PATH_ROOM];
    (void)snprintf(user, sizeof user, "model.user={tower: %s}", tower);
    (void)snprintf(set, sizeof set, "data.examples=%s", examples);
    const char *const sets[] = {set,  "fields.user=[id, gender, age]", "train.batch=100",
                                user, "model.item={tower: id}",        "objectives=[{type: bce}]"};
    lode_error error = {0};
    lode_trainer *trainer = NULL;
    check(lode__config_load(config, small_config, "test", sets, sizeof sets / sizeof *sets, &error),
          &error);
    const lode_phase phase = {self->data, self->folder, 1, false};
    check(lode__trainer_new(&trainer, config, &phase, NULL, &error), &error);
    return trainer;
}

static void expect_rows(const lode_user_source *one, const lode_user_source *other, size_t user,
                        const lode_vocabulary *vocabulary) {
    uint32_t rows[2][64];
    size_t count[2] = {one->history(one->self, user, 6, rows[0]),
                       other->history(other->self, user, 6, rows[1])};
    assert_int_equal(count[0], count[1]);
    assert_memory_equal(rows[0], rows[1], count[0] * sizeof *rows[0]);
    if (other->ages != NULL) {
        int64_t ages[2][64];
        assert_int_equal(one->ages(one->self, user, 6, ages[0]), count[0]);
        assert_int_equal(other->ages(other->self, user, 6, ages[1]), count[0]);
        assert_memory_equal(ages[0], ages[1], count[0] * sizeof *ages[0]);
    }
    for (size_t f = 0; f < vocabulary->count; f++) {
        const lode_field *field = &vocabulary->fields[f];
        if (field->side == LODE_SIDE_ITEM) continue;
        count[0] = one->values(one->self, user, f, field->longest, rows[0]);
        count[1] = other->values(other->self, user, f, field->longest, rows[1]);
        assert_int_equal(count[0], count[1]);
        assert_memory_equal(rows[0], rows[1], count[0] * sizeof *rows[0]);
    }
}

static void expect_step(const lode_trainer *trainer, lode_batcher *direct, lode_ahead *ahead,
                        uint64_t epoch, uint64_t step) {
    const lode_batcher *found = lode__ahead_take(ahead, epoch, step);
    lode__batcher_gather(direct, 1, epoch, step);
    assert_int_equal(found->count, direct->count);
    assert_int_equal(found->example_count, direct->example_count);
    assert_true(found->count > 0);
    assert_memory_equal(found->target_rows, direct->target_rows,
                        direct->count * sizeof *direct->target_rows);
    for (size_t i = 0; i < direct->count; i++) {
        assert_int_equal(found->states[i].user, direct->states[i].user);
        assert_int_equal(found->states[i].end, direct->states[i].end);
        if (direct->example_of != NULL)
            assert_int_equal(found->example_of[i], direct->example_of[i]);
    }
    lode_log_source log = {trainer->binding, &trainer->split->log, direct->example_state, false};
    const lode_user_source one = lode__log_source(&log), other = lode__ahead_source(ahead);
    for (size_t i = 0; i < direct->example_count; i++)
        expect_rows(&one, &other, i, trainer->model->vocabulary);
}

/// Steps in order through two epochs, all but the first gathered by the thread; then as a resumed run asks: somewhere else, the same again, back.
static void test_steps(void **state) {
    const fixture *self = *state;
    static const char *const kinds[] = {"every_click", "all_positions", "random_cut"};
    for (size_t i = 0; i < 6; i++) {
        lode_config config;
        lode_error error = {0};
        lode_trainer *trainer = open_trainer(self, &config, kinds[i / 2], "sasrec");
        const uint64_t steps = trainer->steps;
        lode_ahead *ahead = NULL;
        check(lode__ahead_new(&ahead, &trainer->batcher, 6, 1, steps, i % 2 == 0, &error), &error);
        lode_batcher direct = trainer->batcher;
        for (uint64_t step = 0; step < 2 * steps; step++)
            expect_step(trainer, &direct, ahead, step / steps, step % steps);
        assert_int_equal(lode__ahead_missed(ahead), i % 2 == 0 ? 1 : 2 * steps);
        expect_step(trainer, &direct, ahead, 5, steps - 1);
        expect_step(trainer, &direct, ahead, 5, steps - 1);
        expect_step(trainer, &direct, ahead, 0, 0);
        expect_step(trainer, &direct, ahead, 0, steps - 1);
        lode__ahead_free(&ahead);
        assert_null(ahead);
        lode__trainer_free(&trainer);
        lode__config_release(&config);
    }
}

static size_t older_than(const lode_user_source *source, size_t count, int64_t age) {
    size_t found = 0;
    for (size_t user = 0; user < count; user++) {
        int64_t ages[6];
        const size_t length = source->ages(source->self, user, 6, ages);
        for (size_t i = 0; i < length; i++)
            found += ages[i] > age;
    }
    return found;
}

/// A tower that wants ages gets those of its own batch; one that does not has none gathered.
static void test_ages(void **state) {
    const fixture *self = *state;
    static const char *const towers[] = {"wha, heads: 2", "wha, heads: 2, time_buckets: []"};
    static const char *const kinds[] = {"every_click", "random_cut"};
    for (size_t i = 0; i < 8; i++) {
        lode_config config;
        lode_error error = {0};
        const bool aged = i / 4 == 0;
        lode_trainer *trainer = open_trainer(self, &config, kinds[i / 2 % 2], towers[i / 4]);
        lode_ahead *ahead = NULL;
        check(lode__ahead_new(&ahead, &trainer->batcher, 6, 1, trainer->steps, i % 2 == 0, &error),
              &error);
        lode_batcher direct = trainer->batcher;
        for (uint64_t step = 0; step < trainer->steps; step++)
            expect_step(trainer, &direct, ahead, 0, step);
        const lode_user_source source = lode__ahead_source(ahead);
        assert_true((source.ages != NULL) == aged);
        if (aged) assert_true(older_than(&source, direct.example_count, 3600000) > 0);
        lode__ahead_free(&ahead);
        lode__trainer_free(&trainer);
        lode__config_release(&config);
    }
}

/// The whole loop: the same weights with the thread (two threads) and without (one).
static void test_training(void **state) {
    const fixture *self = *state;
    lode_error error = {0};
    check(train_small(self, "one", (const char *const[]){"train.threads=1", NULL}, NULL, NULL, &error),
          &error);
    check(train_small(self, "two", (const char *const[]){"train.threads=2", NULL}, NULL, NULL, &error),
          &error);
    const bytes one = read_file(self, "one", "model.safetensors"),
                two = read_file(self, "two", "model.safetensors");
    assert_true(one.size > 0 && one.size == two.size);
    assert_memory_equal(one.data, two.data, one.size);
    free(one.data);
    free(two.data);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_steps), cmocka_unit_test(test_ages),
                                       cmocka_unit_test(test_training)};
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
