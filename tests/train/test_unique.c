/// negatives.unique: the loss of a step against its equation with draws that the test makes itself, all items as
/// full_softmax, the same bits at any number of threads and after a stop, and what it refuses.
#include "losses.h"

/// A step's negatives, drawn again: the sampler's draws without repeats, and how many it took.
typedef struct drawn {
    uint32_t items[64];
    double draws;
} drawn;

static void draw_again(const lode_sampler *sampler, size_t count, lode_random *random, drawn *out) {
    size_t found = 0;
    for (out->draws = 0; found < count; out->draws++) {
        const uint32_t item = lode__sampler_draw(sampler, random);
        bool known = false;
        for (size_t i = 0; i < found; i++)
            known = known || out->items[i] == item;
        if (!known) out->items[found++] = item;
    }
}

/// s(u, v) / tau less the logarithm of how often the item is expected among the draws.
static double logit(const opened *it, size_t query, uint32_t row, const lode_sampler *sampler,
                    double draws) {
    const double p = exp((double)sampler->log_q[it->trainer->binding->item_of[row]]);
    const double correction = draws > 0 ? log(1 - pow(1 - p, draws)) : 0;
    return score_of(it, query, row) / 0.5 - correction;
}

/// Losses of three steps of {temperature: .5, negatives: {count: 9, ...}} for one `from`.
static void check_loss(const fixture *self, lode_sampler_type from, bool shared, bool log_q) {
    enum { COUNT = 9 };
    opened it;
    char objective[256];
    lode_error error = {0};
    lode_sampler *sampler = NULL;
    (void)snprintf(objective, sizeof objective,
                   "  - {type: sampled_softmax, temperature: 0.5, log_q: %s, negatives: {count: 9, "
                   "from: %s, scope: %s, unique: true}}\n",
                   log_q ? "true" : "false", lode__sampler_names[from], shared ? "batch" : "example");
    check(open_losses(&it, self, click_config, objective, &error), &error);
    const lode_trainer *trainer = it.trainer;
    const lode_split *split = trainer->split;
    check(lode__sampler_new(&sampler, from, 0.75, split->item_count, split->log.items, &error),
          &error);
    for (uint32_t step = 0; step < 3; step++) {
        const double loss = step_losses(&it);
        lode_random random = lode__random((uint64_t)it.config.train.seed, LODE_PURPOSE_USER, 0, step);
        drawn list = {.draws = 0};
        double total = 0;
        for (size_t q = 0; q < trainer->batcher.count; q++) {
            if (q == 0 || !shared) draw_again(sampler, COUNT, &random, &list);
            const uint32_t target = trainer->batcher.target_rows[q];
            const double draws = log_q ? list.draws : 0;
            const double positive = logit(&it, q, target, sampler, draws);
            double sum = exp(positive);
            for (size_t i = 0; i < COUNT; i++) {
                const uint32_t row = trainer->binding->item_row[list.items[i]];
                if (row != target) sum += exp(logit(&it, q, row, sampler, draws));
            }
            total += log(sum) - positive;
        }
        check_near(loss, total / (double)trainer->batcher.count, 3e-6, objective);
    }
    lode__sampler_free(&sampler);
    close_losses(&it);
}

static void test_loss(void **state) {
    for (int from = LODE_SAMPLER_UNIFORM; from <= LODE_SAMPLER_POPULARITY; from++) {
        check_loss(*state, (lode_sampler_type)from, true, true);
        check_loss(*state, (lode_sampler_type)from, false, true);
    }
    check_loss(*state, LODE_SAMPLER_POPULARITY, true, false);
}

static double third_loss(const fixture *self, const char *objective) {
    opened it;
    lode_error error = {0};
    double loss = 0;
    check(open_losses(&it, self, click_config, objective, &error), &error);
    for (int step = 0; step < 3; step++)
        check(lode__trainer_step(it.trainer, &loss, &error), &error);
    close_losses(&it);
    return loss;
}

/// All items are what full_softmax sees, wherever they come from; log q of what is always there is 0.
static void test_all_items(void **state) {
    const double full = third_loss(*state, "  - {type: full_softmax, temperature: 0.5}\n");
    static const char *const from[] = {"uniform", "log_uniform", "popularity"};
    for (size_t i = 0; i < 3; i++) {
        char objective[160];
        (void)snprintf(objective, sizeof objective,
                       "  - {type: sampled_softmax, temperature: 0.5, negatives: {count: 40, from: "
                       "%s, unique: true}}\n",
                       from[i]);
        check_near(third_loss(*state, objective), full, 2e-5, objective);
    }
}

static int stop_at_fifth(void *cookie, const lode_progress *progress) {
    return strcmp(progress->task, "train") == 0 && ++*(int *)cookie == 5;
}

static void test_threads_and_resume(void **state) {
    const fixture *self = *state;
    static const char objectives[] =
        "objectives=[{type: sampled_softmax, negatives: {count: 9, from: log_uniform, unique: "
        "true}}, {type: bce, weight: 0.5, negatives: {count: 4, scope: example, unique: true}}, "
        "{type: bpr, negatives: {count: 5, from: popularity, unique: true}}]";
    const char *const one[] = {objectives, "train.threads=1", "train.epochs=2", NULL};
    const char *const three[] = {objectives, "train.threads=3", "train.epochs=2", NULL};
    lode_error error = {0};
    check(train_small(self, "one", one, NULL, NULL, &error), &error);
    check(train_small(self, "three", three, NULL, NULL, &error), &error);
    check_same_run(self, "one", "three");
    lode_status status = LODE_E_STOPPED;
    int stops = 0;
    for (; status == LODE_E_STOPPED && stops < 100; stops++) {
        int calls = 0;
        const lode_hooks hooks = {.cookie = &calls, .progress = stop_at_fifth};
        status = train_small(self, "halves", one, "resume: true", &hooks, &error);
    }
    check(status, &error);
    assert_true(stops > 2);
    check_same_run(self, "one", "halves");
}

static void check_refused(const fixture *self, const char *objective, const char *fragment) {
    opened it;
    lode_error error = {0};
    check_error(open_losses(&it, self, click_config, objective, &error), &error, LODE_E_CONFIG,
                fragment);
    close_losses(&it);
}

static void test_refused(void **state) {
    check_refused(*state, "  - {type: sampled_softmax, negatives: {count: 41, unique: true}}\n",
                  "negatives.unique: 41 different items cannot be drawn: only 40");
    check_refused(
        *state,
        "  - {type: bce, negatives: {count: 2, scope: example, avoid: user_items, unique: "
        "true}}\n",
        "negatives.unique and negatives.avoid");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_loss),
        cmocka_unit_test(test_all_items),
        cmocka_unit_test(test_threads_and_resume),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
