/// full_softmax: the loss of a step against the equation in double, by hand where all scores are 0, and the same bits at
/// any number of threads and after a stop.
#include "losses.h"

#include "objective/full_softmax.h"

static double expected_loss(const opened *it) {
    const lode_full_softmax *state = it->trainer->objectives[0].state;
    const lode_full_options *options = state->options;
    const uint32_t items = it->trainer->model->vocabulary->items;
    double total = 0;
    for (size_t i = 0; i < it->trainer->batcher.count; i++) {
        const uint32_t positive = it->trainer->batcher.target_rows[i];
        double sum = 0;
        for (uint32_t row = 1; row <= items; row++) {
            if (row == positive ? options->denominator != 0
                                : options->mask != 0 && clicked_by(it, i, row)) {
                continue;
            }
            sum += exp(score_of(it, i, row) / options->temperature);
        }
        total += log(sum) - score_of(it, i, positive) / options->temperature;
    }
    return total / (double)it->trainer->batcher.count;
}

static void check_loss(const fixture *self, const char *config, const char *objective) {
    opened it;
    lode_error error = {0};
    check(open_losses(&it, self, config, objective, &error), &error);
    for (int step = 0; step < 2; step++) { // the second meets what the first left behind
        const double loss = step_losses(&it);
        check_near(loss, expected_loss(&it) * it.trainer->objectives[0].weight, 2e-6, objective);
    }
    close_losses(&it);
}

static void test_losses(void **state) {
    static const char *const objectives[] = {
        "  - {type: full_softmax}\n", "  - {type: full_softmax, temperature: 0.02, weight: 0.3}\n",
        "  - {type: full_softmax, temperature: 0.1, mask: user_items}\n",
        "  - {type: full_softmax, temperature: 0.1, denominator: negatives}\n",
        "  - {type: full_softmax, temperature: 0.1, mask: user_items, denominator: negatives}\n"};
    for (size_t i = 0; i < sizeof objectives / sizeof *objectives; i++) {
        check_loss(*state, click_config, objectives[i]);
        check_loss(*state, position_config, objectives[i]);
    }
}

/// All scores are 0: every item that counts adds 1.
static double loss_of_zeros(const fixture *self, const char *objective, double *left_by_hand) {
    opened it;
    lode_error error = {0};
    check(open_losses(&it, self, position_config, objective, &error), &error);
    for (size_t p = 0; p < it.trainer->model->params->count; p++)
        clear_param(&it, it.trainer->model->params->list[p]->name);
    const double loss = step_losses(&it);
    const uint32_t items = it.trainer->model->vocabulary->items;
    *left_by_hand = 0;
    for (size_t i = 0; i < it.trainer->batcher.count; i++) {
        double left = items;
        for (uint32_t row = 1; row <= items; row++)
            left -= clicked_by(&it, i, row) && row != it.trainer->batcher.target_rows[i];
        *left_by_hand += log(left) / (double)it.trainer->batcher.count;
    }
    assert_int_equal(items, 40);
    close_losses(&it);
    return loss;
}

static void test_by_hand(void **state) {
    const fixture *self = *state;
    double left;
    check_near(loss_of_zeros(self, "  - {type: full_softmax}\n", &left), log(40), 1e-6, "all");
    check_near(loss_of_zeros(self, "  - {type: full_softmax, denominator: negatives}\n", &left),
               log(39), 1e-6, "negatives");
    const double masked = loss_of_zeros(self, "  - {type: full_softmax, mask: user_items}\n", &left);
    assert_true(left < log(40) - 0.1);
    check_near(masked, left, 1e-6, "user_items");
}

/// Everyone clicked everything in training: with mask: user_items nothing is left to contrast with.
static void test_nothing_left(void **state) {
    enum { USERS = 8, ITEMS = 6 };
    fixture self = *(const fixture *)*state;
    opened it;
    lode_error error = {0};
    char raw[PATH_ROOM];
    path_in(&self, "all.csv", raw);
    FILE *file = fopen(raw, "wb");
    assert_non_null(file);
    (void)fprintf(file, "user,item,timestamp\n");
    for (int user = 0; user < USERS; user++)
        for (int click = 0; click < ITEMS + 2; click++)
            (void)fprintf(file, "u%d,i%d,%d\n", user, (user + click) % ITEMS,
                          1500000000 + 60 * click);
    assert_int_equal(fclose(file), 0);
    path_in(&self, "all.lode", self.data);
    check(lode_import(raw, self.data, NULL, NULL, NULL, &error), &error);
    check(open_losses(&it, &self, click_config, "  - {type: full_softmax, mask: user_items}\n",
                      &error),
          &error);
    assert_int_equal(it.trainer->model->vocabulary->items, ITEMS);
    assert_true(step_losses(&it) == 0);
    close_losses(&it);
}

#define SEVERAL                                                                                    \
    "objectives=[{type: full_softmax, mask: user_items}, {type: sampled_softmax, negatives: "      \
    "{count: 5}}]"

static void test_threads(void **state) {
    const fixture *self = *state;
    lode_error error = {0};
    const char *const one[] = {SEVERAL, "train.threads=1", NULL};
    const char *const three[] = {SEVERAL, "train.threads=3", NULL};
    check(train_small(self, "one", one, NULL, NULL, &error), &error);
    check(train_small(self, "three", three, NULL, NULL, &error), &error);
    check_same_run(self, "one", "three");
}

typedef struct stopper {
    uint64_t steps, at;
} stopper;

static int stop_at(void *cookie, const lode_progress *progress) {
    stopper *self = cookie;
    return strcmp(progress->task, "train") == 0 && ++self->steps == self->at ? 1 : 0;
}

static void test_resume(void **state) {
    const fixture *self = *state;
    lode_error error = {0};
    const char *const sets[] = {SEVERAL, NULL};
    stopper stop = {0, 5};
    const lode_hooks hooks = {.progress = stop_at, .cookie = &stop};
    check(train_small(self, "whole", sets, NULL, NULL, &error), &error);
    assert_int_equal(train_small(self, "halves", sets, NULL, &hooks, &error), LODE_E_STOPPED);
    check(train_small(self, "halves", sets, "resume: true", NULL, &error), &error);
    check_same_run(self, "whole", "halves");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_losses),       cmocka_unit_test(test_by_hand),
        cmocka_unit_test(test_nothing_left), cmocka_unit_test(test_threads),
        cmocka_unit_test(test_resume),
    };
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
