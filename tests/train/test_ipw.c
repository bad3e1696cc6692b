/// clrec.ipw: the loss of a step against Eq. 8 in double, weights by hand from clicks and from exposures, what it equals,
/// its bound, and what it refuses.
#include "losses.h"

#include "objective/full_softmax.h"

static uint32_t clicks_of(const opened *it, uint32_t row) {
    const lode_trainer *trainer = it->trainer;
    return trainer->split->item_count[trainer->binding->item_of[row]];
}

static void test_equation(void **state) {
    static const char *const objectives[] = {"  - {type: clrec.ipw, weight: 0.5}\n",
                                             "  - {type: clrec.ipw, power: 0.5}\n"};
    for (size_t o = 0; o < 2; o++) {
        opened it;
        lode_error error = {0};
        const double power = o == 0 ? 1 : 0.5;
        check(open_losses(&it, *state, click_config, objectives[o], &error), &error);
        const double loss = step_losses(&it);
        const uint32_t items = it.trainer->model->vocabulary->items;
        double mean = 0, total = 0;
        for (uint32_t row = 1; row <= items; row++)
            mean += pow(clicks_of(&it, row), 1 - power) / (double)it.trainer->split->train_clicks;
        for (size_t i = 0; i < it.trainer->batcher.count; i++) {
            const uint32_t positive = it.trainer->batcher.target_rows[i];
            double sum = 0;
            for (uint32_t row = 1; row <= items; row++)
                sum += exp(score_of(&it, i, row));
            total += pow(clicks_of(&it, positive), -power) / mean *
                     (log(sum) - score_of(&it, i, positive));
        }
        const double expected = total / (double)it.trainer->batcher.count;
        check_near(loss, expected * it.trainer->objectives[0].weight, 2e-6, objectives[o]);
        close_losses(&it);
    }
}

static void train_both(const fixture *self, const char *ipw) {
    lode_error error = {0};
    const char *const full[] = {"objectives=[{type: full_softmax}]", NULL};
    const char *const weighted[] = {ipw, NULL};
    check(train_small(self, "full", full, NULL, NULL, &error), &error);
    check(train_small(self, "ipw", weighted, NULL, NULL, &error), &error);
    check_same_file(self, "full", "ipw", "model.safetensors");
    for (int i = 0; i < 2; i++) {
        char path[PATH_ROOM];
        path_in(self, i == 0 ? "full" : "ipw", path);
        remove_tree(path);
    }
}

static void test_power_0(void **state) {
    train_both(*state, "objectives=[{type: clrec.ipw, power: 0}]");
    train_both(*state, "objectives=[{type: clrec.ipw, clip: 1}]");
}

typedef enum shape { ALIKE, SHOWN, GIVEN } shape;

static void row(FILE *file, shape kind, int user, int item, int time, const char *behaviour,
                const char *part) {
    (void)fprintf(file, "u%d,i%d,%d", user, item, time);
    if (kind != ALIKE) (void)fprintf(file, ",%s", behaviour);
    if (kind == GIVEN) (void)fprintf(file, ",%s", part);
    (void)fprintf(file, "\n");
}

/// ALIKE: 20 items with 4 training clicks each. SHOWN: the same clicks, and item k is shown k % 3 times more to user k.
/// What was bought, and what a user saw who clicked nothing, was not shown in that sense. GIVEN: the log says which
/// part a row is of, and rows of other parts count for nothing, even in front of the last training click.
static void import_log(fixture *self, shape kind) {
    static const char *const names[] = {"alike", "shown", "given"};
    char raw[PATH_ROOM], name[64];
    lode_error error = {0};
    (void)snprintf(name, sizeof name, "%s.csv", names[kind]);
    path_in(self, name, raw);
    FILE *file = fopen(raw, "wb");
    assert_non_null(file);
    (void)fprintf(file, "user,item,timestamp%s%s\n", kind != ALIKE ? ",behaviour" : "",
                  kind == GIVEN ? ",part" : "");
    for (int i = 0; i < 5 && kind == SHOWN; i++)
        row(file, kind, 99, i, 1400000000 + i, "exposure", "train");
    for (int user = 0; user < 20; user++) {
        const int first = 1500000000 + 10000 * user;
        for (int i = 0; i < user % 3 && kind != ALIKE; i++)
            row(file, kind, user, user, first + i, "exposure", "train");
        if (kind != ALIKE) row(file, kind, user, 0, first + 10, "buy", "train");
        if (kind == GIVEN) row(file, kind, user, 1, first + 20, "exposure", "test");
        for (int click = 0; click < 6; click++)
            row(file, kind, user, (user + click) % 20, first + 60 * (click + 1), "click",
                click < 4   ? "train"
                : click < 5 ? "valid"
                            : "test");
        // Behind the last training click: what was shown then is not counted.
        if (kind != ALIKE) row(file, kind, user, user, first + 250, "exposure", "valid");
    }
    assert_int_equal(fclose(file), 0);
    (void)snprintf(name, sizeof name, "%s.lode", names[kind]);
    path_in(self, name, self->data);
    check(lode_import(raw, self->data, NULL, NULL, NULL, &error), &error);
}

static void test_alike(void **state) {
    fixture self = *(const fixture *)*state;
    import_log(&self, ALIKE);
    train_both(&self, "objectives=[{type: clrec.ipw}]");
}

static const char given_config[] = "data: {history: 6, split: {type: given}}\n"
                                   "model:\n"
                                   "  dim: 8\n"
                                   "  user: {tower: youtubednn, layers: [8]}\n"
                                   "  item: {tower: mlp, layers: [16, 8]}\n"
                                   "train: {batch: 32, epochs: 2, learning_rate: 0.01}\n"
                                   "objectives:\n";

/// With all vectors 0 a query's loss is log 20 times its weight.
static void check_exposures(const fixture *self, const char *config) {
    static const char *const objectives[] = {"  - {type: clrec.ipw}\n",
                                             "  - {type: clrec.ipw, propensity: clicks}\n"};
    for (size_t o = 0; o < 2; o++) {
        opened it;
        lode_error error = {0};
        check(open_losses(&it, self, config, objectives[o], &error), &error);
        for (size_t p = 0; p < it.trainer->model->params->count; p++)
            clear_param(&it, it.trainer->model->params->list[p]->name);
        const double loss = step_losses(&it);
        // 7 items were shown 4 times, 7 5 times, 6 6 times, all were clicked 4 times in training
        const double mean = (7 / 4.0 + 7 / 5.0 + 6 / 6.0) / 20;
        double expected = 0;
        for (size_t i = 0; i < it.trainer->batcher.count; i++) {
            const uint32_t item = it.trainer->binding->item_of[it.trainer->batcher.target_rows[i]];
            const long k = strtol(lode__token(&it.trainer->data->items, item) + 1, NULL, 10);
            const double weight = o == 0 ? 1 / (4.0 + (double)(k % 3)) / mean : 1;
            expected += weight * log(20) / (double)it.trainer->batcher.count;
        }
        check_near(loss, expected, 1e-6, objectives[o]);
        close_losses(&it);
    }
}

static void test_exposures(void **state) {
    fixture self = *(const fixture *)*state;
    import_log(&self, SHOWN);
    check_exposures(&self, click_config);
    import_log(&self, GIVEN);
    check_exposures(&self, given_config);
}

/// The bound is met: with all vectors 0 the largest weight is what clip says, and their mean over all clicks is 1.
static void test_clip(void **state) {
    opened it;
    lode_error error = {0};
    check(open_losses(&it, *state, click_config, "  - {type: clrec.ipw, clip: 1.5, power: 2}\n",
                      &error),
          &error);
    const struct {
        lode_full_softmax full;
        const float *weight_of;
    } *state_of = it.trainer->objectives[0].state;
    double largest = 0, sum = 0;
    for (uint32_t row = 1; row <= it.trainer->model->vocabulary->items; row++) {
        const double weight = (double)state_of->weight_of[row];
        largest = fmax(largest, weight);
        sum += weight * clicks_of(&it, row);
    }
    check_near(largest, 1.5, 1e-6, "largest weight");
    check_near(sum / (double)it.trainer->split->train_clicks, 1, 1e-6, "mean weight");
    close_losses(&it);
}

static void check_refused(const fixture *self, const char *objective, const char *fragment) {
    opened it;
    lode_error error = {0};
    check_error(open_losses(&it, self, click_config, objective, &error), &error, LODE_E_CONFIG,
                fragment);
    close_losses(&it);
}

static void test_refused(void **state) {
    check_refused(*state, "  - {type: clrec.ipw, propensity: exposures}\n", "propensity: clicks");
    check_refused(*state, "  - {type: clrec.ipw, clip: 0.5}\n", "clip is 0.5");
    check_refused(*state, "  - {type: clrec.ipw, propensity: click}\n", "did you mean");
    check_refused(*state, "  - {type: clrec.ipw, power: -1}\n", "power");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equation), cmocka_unit_test(test_power_0),
        cmocka_unit_test(test_alike),    cmocka_unit_test(test_exposures),
        cmocka_unit_test(test_clip),     cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
