/// The own loss of each of several objectives in metrics.jsonl: its name, that the weighted sum is the loss, that it is what the
/// objective alone has, and that a stop leaves no trace.
#include <jansson.h>
#include <math.h>

#include "fixture.h"

static const char three[] = "objectives=[{type: in_batch, weight: 0.5}, {type: sampled_softmax, "
                            "weight: 2, negatives: {count: 8}}, "
                            "{type: in_batch, weight: 0, temperature: 0.5}]";

static const double weights[] = {0.5, 2, 0};
static const char *const names[] = {"in_batch#1", "sampled_softmax", "in_batch#2"};

static void train(const fixture *self, const char *run, const char *const *sets) {
    lode_error error = {0};
    check(train_small(self, run, sets, NULL, NULL, &error), &error);
}

/// Line `number` of a run's metrics.jsonl.
static json_t *line_of(const fixture *self, const char *run, size_t number) {
    const bytes log = read_file(self, run, "metrics.jsonl");
    assert_non_null(log.data);
    const char *at = log.data;
    for (; number > 0; number--)
        at = strchr(at, '\n') + 1;
    json_t *line = json_loadb(at, (size_t)(strchr(at, '\n') - at), 0, NULL);
    assert_non_null(line);
    free(log.data);
    return line;
}

static double number_in(const json_t *object, const char *name) {
    const json_t *value = json_object_get(object, name);
    if (!json_is_number(value)) fail_msg("no number %s", name);
    return json_number_value(value);
}

static void near(double found, double expected) {
    if (!(fabs(found - expected) <= 1e-6 * fabs(expected)))
        fail_msg("%.9g is not %.9g", found, expected);
}

static void test_sum(void **state) {
    const fixture *self = *state;
    const char *const sets[] = {three, NULL};
    train(self, "three", sets);
    double before = 0.0;
    for (size_t epoch = 0; epoch < 3; epoch++) {
        json_t *line = line_of(self, "three", epoch);
        const json_t *losses = json_object_get(line, "losses");
        assert_int_equal(json_object_size(losses), 3);
        double sum = 0.0;
        for (size_t i = 0; i < 3; i++)
            sum += weights[i] * number_in(losses, names[i]);
        near(number_in(line, "loss"), sum);
        // Not trained, but there; and an epoch's own, not of all so far.
        assert_true(number_in(losses, names[2]) > 0);
        if (epoch > 0) assert_true(number_in(losses, names[1]) < before);
        before = number_in(losses, names[1]);
        json_decref(line);
    }
}

/// Before anything is learnt, in the one step of an epoch, the loss is that of the objective alone; which has no `losses`.
static void test_alone(void **state) {
    const fixture *self = *state;
    const char *const all[] = {three, "train.batch=10000", "train.epochs=1", NULL};
    const char *const one[] = {"objectives=[{type: in_batch}]", "train.batch=10000",
                               "train.epochs=1", NULL};
    const char *const colder[] = {"objectives=[{type: in_batch, temperature: 0.5}]",
                                  "train.batch=10000", "train.epochs=1", NULL};
    train(self, "step", all);
    train(self, "alone", one);
    train(self, "colder", colder);
    json_t *line = line_of(self, "step", 0), *alone = line_of(self, "alone", 0);
    json_t *cold = line_of(self, "colder", 0);
    assert_int_equal((int)number_in(line, "steps"), 1);
    const json_t *losses = json_object_get(line, "losses");
    near(number_in(losses, names[0]), number_in(alone, "loss"));
    near(number_in(losses, names[2]), number_in(cold, "loss"));
    assert_null(json_object_get(alone, "losses"));
    json_decref(line);
    json_decref(alone);
    json_decref(cold);
}

static int stop_now(void *cookie, const lode_progress *progress) {
    int *calls = cookie;
    return strcmp(progress->task, "train") == 0 && ++*calls == 3;
}

static void test_resume(void **state) {
    const fixture *self = *state;
    const char *const sets[] = {three, "train.threads=2", NULL};
    int stops = 0, calls = 0;
    lode_error error = {0};
    const lode_hooks hooks = {.cookie = &calls, .progress = stop_now};
    while (train_small(self, "stopped", sets, "resume: true", &hooks, &error) != LODE_OK) {
        assert_int_equal(error.status, LODE_E_STOPPED);
        calls = 0;
        assert_true(++stops < 100);
    }
    assert_true(stops > 3);
    check_same_run(self, "three", "stopped");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_sum), cmocka_unit_test(test_alone),
                                       cmocka_unit_test(test_resume)};
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
