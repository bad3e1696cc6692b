/// Every objective with every user and item tower in every precision: 50 steps make the loss fall, or the pair is
/// refused by what it needs. And what bf16 promises: the bits of any thread count, of stop and resume, float weights.
#include <math.h>

#include "../races.h"
#include "fixture.h"
#include "train/trainer.h"

enum { STEPS = 50, PART = 10 };

/// A user tower with keys that make it another graph.
typedef struct variant {
    const lode_tower_type *tower;
    const char *keys;
} variant;

static const char *const precisions[] = {"f32", "bf16"};

/// Vectors of `width` numbers, whatever the tower makes of model.dim.
static const char *narrow_layers(const lode_tower_type *tower, int width, char room[32]) {
    room[0] = 0;
    for (const lode_key *key = tower->keys; key != NULL && key->name != NULL; key++) {
        if (strcmp(key->name, "layers") == 0) (void)snprintf(room, 32, ", layers: [%d]", width);
        if (strcmp(key->name, "width") == 0) (void)snprintf(room, 32, ", width: %d", width);
    }
    return room;
}

static char *cell_config(const lode_objective_type *objective, const char *keys,
                         const variant *of_users, const lode_tower_type *item, const char *precision) {
    const lode_tower_type *user = of_users->tower;
    char text[1024], layers[2][32], *resolved = NULL;
    lode_error error = {0};
    const bool longer = strcmp(user->name, "fm") == 0 || strcmp(item->name, "fm") == 0;
    // Weights of 1 / q make the way of a few steps depend on chance more than the precision does; a queue that
    // fills raises the loss.
    const char *steady = strcmp(objective->name, "clrec.ipw") == 0 ? ", power: 0.5" : "";
    if (strcmp(objective->name, "clrec.user") == 0) steady = ", temperature: 1, capacity: 64";
    const bool windows = strcmp(objective->name, "clrec.public") == 0; // takes nothing else
    if (windows) steady = ", temperature: 1, negatives: 8";
    const int width = longer ? 17 : 16; // fm has a column more than model.dim
    (void)snprintf(text, sizeof text,
                   "data: {history: 6, examples: %s}\nmodel:\n  dim: 16\n  user: {tower: %s%s%s}\n"
                   "  item: {tower: %s%s}\n"
                   "objectives:\n  - {type: %s%s%s}\n"
                   "train: {batch: 64, epochs: 10, learning_rate: 0.01, precision: %s}\n",
                   windows ? "all_positions" : "every_click", user->name,
                   narrow_layers(user, width, layers[0]), of_users->keys, item->name,
                   narrow_layers(item, width, layers[1]), objective->name, keys, steady, precision);
    check(lode_config_resolve(text, NULL, NULL, 0, &resolved, &error), &error);
    return resolved;
}

/// Mean loss of the first and of the last PART steps; false where the objective refuses the towers.
static bool train_cell(const fixture *self, const char *text, double *before, double *after) {
    lode_error error = {0};
    lode_config config;
    lode_trainer *trainer = NULL;
    check(lode__config_load(&config, text, "test", NULL, 0, &error), &error);
    const lode_phase phase = {self->data, self->folder, 10, false};
    const lode_status status = lode__trainer_new(&trainer, &config, &phase, NULL, &error);
    *before = *after = 0;
    if (status != LODE_OK) {
        const char *reason = strstr(error.message, "needs") != NULL ? "needs" : "must be equal";
        check_error(status, &error, LODE_E_CONFIG, reason);
        lode__config_release(&config);
        return false;
    }
    for (int step = 0; step < STEPS; step++) {
        double loss;
        check(lode__trainer_step(trainer, &loss, &error), &error);
        if (step < PART) *before += loss / PART;
        if (step >= STEPS - PART) *after += loss / PART;
        if (trainer->counters.step == trainer->steps) {
            trainer->counters.step = 0;
            trainer->counters.epoch++;
        }
    }
    lode__trainer_free(&trainer);
    lode__config_release(&config);
    return true;
}

/// One cell in both precisions: the loss falls in each, and by about as much (the way there is not the same).
static bool run_cell(const fixture *self, const lode_objective_type *objective, const char *keys,
                     const variant *user, const lode_tower_type *item) {
    double fallen[2];
    for (size_t p = 0; p < 2; p++) {
        double before, after;
        char *text = cell_config(objective, keys, user, item, precisions[p]);
        const bool legal = train_cell(self, text, &before, &after);
        lode_text_free(&text);
        if (!legal || (before == 0 && after == 0))
            return false; // refused, or left out with a notice
        if (!(after < 0.97 * before)) {
            fail_msg("%s with %s%s and %s in %s: the loss goes from %g to %g", objective->name,
                     user->tower->name, user->keys, item->name, precisions[p], before, after);
        }
        fallen[p] = before - after;
    }
    if (!(fabs(fallen[0] - fallen[1]) <= 0.4 * fallen[0])) {
        fail_msg("%s with %s%s and %s: the loss falls by %g in f32 and by %g in bf16",
                 objective->name, user->tower->name, user->keys, item->name, fallen[0], fallen[1]);
    }
    return true;
}

/// All user towers, and ican with fields of clicks. @return their number
static size_t list_users(variant *users, size_t room) {
    static const char *const more[] = {", history_fields: auto", ", rows: fields"};
    size_t count = 0;
    for (size_t i = 0; lode__towers[i] != NULL; i++) {
        if (lode__towers[i]->side != LODE_SIDE_USER) continue;
        assert_true(count + 2 < room);
        // Norms behind the residuals learn late: two blocks with dropout need more than these steps.
        const bool late = strcmp(lode__towers[i]->name, "bert4rec") == 0;
        users[count++] = (variant){lode__towers[i], late ? ", dropout: 0, blocks: 1" : ""};
    }
    for (size_t i = 0; i < 2; i++)
        users[count++] = (variant){lode__tower_find("ican", LODE_SIDE_USER), more[i]};
    return count;
}

static void test_matrix(void **state) {
    const fixture *self = *state;
    variant users[32];
    const size_t user_count = list_users(users, 32);
    size_t legal = 0, refused = 0;
    for (size_t o = 0; lode__objectives[o] != NULL; o++) {
        for (size_t u = 0; u < user_count; u++) {
            // A contrast between items never runs a user tower: one is as good as all.
            if (u > 0 && lode__objectives[o]->user_needs == 0) break;
            for (size_t i = 0; lode__towers[i] != NULL; i++) {
                const lode_tower_type *item = lode__towers[i];
                if (item->side != LODE_SIDE_ITEM) continue;
                if (LOOKING_FOR_RACES && (3 * o + u + 2 * i) % 41 != 0) continue;
                const bool plain = strcmp(item->name, "mlp") == 0 || strcmp(item->name, "id") == 0;
                if (users[u].keys[0] != 0 && !plain) continue;
                const bool fits = run_cell(self, lode__objectives[o], "", &users[u], item);
                *(fits ? &legal : &refused) += 1;
            }
        }
    }
    printf("%zu combinations in each precision, %zu refused\n", legal, refused);
    assert_true(legal >= (LOOKING_FOR_RACES ? 2 : 4 * 3 * 2));
}

/// Forms of an objective that are graphs of their own, with every user tower.
static void test_forms(void **state) {
    static const char *const forms[] = {
        ", temperature: 1, buffer: inter, capacity: 64",
        ", temperature: 1, buffer: moco, capacity: 64",
        ", temperature: 1, buffer: moco, capacity: 64, moco: strict"};
    if (LOOKING_FOR_RACES) skip(); // test_clrec has them in several threads
    const fixture *self = *state;
    const lode_objective_type *contrast = NULL;
    variant users[32];
    const size_t user_count = list_users(users, 32);
    for (size_t o = 0; lode__objectives[o] != NULL; o++) {
        if (strcmp(lode__objectives[o]->name, "clrec.contrast") == 0)
            contrast = lode__objectives[o];
    }
    assert_non_null(contrast);
    size_t legal = 0;
    for (size_t form = 0; form < sizeof forms / sizeof *forms; form++) {
        for (size_t u = 0; u < user_count; u++) {
            for (size_t i = 0; lode__towers[i] != NULL; i++) {
                const lode_tower_type *item = lode__towers[i];
                if (item->side != LODE_SIDE_ITEM || users[u].keys[0] != 0) continue;
                legal += run_cell(self, contrast, forms[form], &users[u], item);
            }
        }
    }
    printf("%zu combinations with a queue in each precision\n", legal);
    assert_true(legal >= 10);
}

/// Best validation hit@50 of a finished run, and the mean loss of its first epoch.
static double outcome(const fixture *self, const char *run, double *loss) {
    const bytes log = read_file(self, run, "metrics.jsonl");
    assert_non_null(log.data);
    double best = *loss = 0;
    for (const char *line = log.data; line != NULL && *line != 0;) {
        const char *at = strstr(line, "\"loss\": "), *hit = strstr(line, "\"hit@50\": ");
        assert_true(at != NULL && hit != NULL);
        if (*loss == 0) *loss = strtod(at + 8, NULL);
        best = fmax(best, strtod(hit + 10, NULL));
        line = strchr(line, '\n');
        if (line != NULL) line++;
    }
    free(log.data);
    return best;
}

/// Where bf16 ends, over three seeds. Measured: hit@50 .531 to .569 by level (f32 .561), and a first loss 0.1% off.
/// Later losses spread by 1.5% between seeds in either precision and say nothing.
static void test_quality(void **state) {
    if (LOOKING_FOR_RACES) skip(); // the same code as the matrix, longer
    fixture shop = *(const fixture *)*state;
    path_in(&shop, "quality.lode", shop.data);
    fixture_import(&shop, "{users: 300, items: 150, interests: 8, clicks_mean: 12, seed: 3}",
                   shop.data);
    double hit[2] = {0, 0}, loss[2] = {0, 0};
    for (int seed = 1; seed <= 3; seed++) {
        for (size_t p = 0; p < 2; p++) {
            char run[32], precision[32], number[32];
            (void)snprintf(run, sizeof run, "quality-%s-%d", precisions[p], seed);
            (void)snprintf(precision, sizeof precision, "train.precision=%s", precisions[p]);
            (void)snprintf(number, sizeof number, "train.seed=%d", seed);
            const char *const sets[] = {
                precision,      number, "train.threads=1", "train.epochs=4", "eval.valid=hit@50",
                "model.dim=16", NULL};
            lode_error error = {0};
            double first;
            check(train_small(&shop, run, sets, NULL, NULL, &error), &error);
            hit[p] += outcome(&shop, run, &first) / 3;
            loss[p] += first / 3;
        }
    }
    printf("hit@50 %.4f in f32, %.4f in bf16; first loss %.5f, %.5f\n", hit[0], hit[1], loss[0],
           loss[1]);
    assert_true(hit[0] > 0.25);
    if (!(hit[1] >= hit[0] - 0.04) || !(fabs(loss[1] - loss[0]) <= 0.004 * loss[0])) {
        fail_msg("hit@50 is %g in f32 and %g in bf16, the first loss %g and %g", hit[0], hit[1],
                 loss[0], loss[1]);
    }
}

static const char *const bf16[] = {"train.precision=bf16", "train.threads=1", NULL};

/// One, two and three threads, and a run that was stopped, leave the same bytes; f32 leaves others.
static void test_same_bits(void **state) {
    const fixture *self = *state;
    static const char *const two[] = {"train.precision=bf16", "train.threads=2", NULL};
    static const char *const three[] = {"train.precision=bf16", "train.threads=3", NULL};
    lode_error error = {0};
    check(train_small(self, "one", bf16, NULL, NULL, &error), &error);
    check(train_small(self, "two", two, NULL, NULL, &error), &error);
    check(train_small(self, "three", three, NULL, NULL, &error), &error);
    check_same_run(self, "one", "two");
    check_same_run(self, "one", "three");
    check(train_small(self, "f32", NULL, NULL, NULL, &error), &error);
    const bytes rounded = read_file(self, "one", "model.safetensors");
    const bytes full = read_file(self, "f32", "model.safetensors");
    assert_int_equal(rounded.size, full.size); // the weights are float in both
    assert_memory_not_equal(rounded.data, full.data, full.size);
    free(rounded.data);
    free(full.data);
}

static int stop_at_fifth(void *cookie, const lode_progress *progress) {
    return strcmp(progress->task, "train") == 0 && ++*(int *)cookie == 5;
}

static void test_resume(void **state) {
    const fixture *self = *state;
    lode_error error = {0};
    lode_status status = LODE_E_STOPPED;
    for (int stops = 0; status == LODE_E_STOPPED && stops < 100; stops++) {
        int calls = 0;
        const lode_hooks hooks = {.cookie = &calls, .progress = stop_at_fifth};
        status = train_small(self, "stopped", bf16, "resume: true", &hooks, &error);
    }
    check(status, &error);
    check_same_run(self, "one", "stopped");
    static const char *const changed[] = {"train.precision=f32", "train.threads=1", NULL};
    check_error(train_small(self, "stopped", changed, "resume: true", NULL, &error), &error,
                LODE_E_MISMATCH, "precision: f32");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_matrix), cmocka_unit_test(test_forms), cmocka_unit_test(test_quality),
        cmocka_unit_test(test_same_bits), cmocka_unit_test(test_resume)};
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
