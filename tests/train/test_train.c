/// Training: the same bits at any number of threads, honest ends (divergence, a full disk, a folder that cannot be
/// written), nothing of validation and test inside the model, and on real data better than popularity.
#include "../races.h"
#include "fixture.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "data/split.h"
#include "train/bundle.h"
#include "train/trainer.h"

static void test_threads(void **state) {
    const fixture *self = *state;
    static const char *const towers[] = {"model.user.tower=ican",
                                         "model.user={tower: youtubednn, layers: [16, 8]}",
                                         "model.user={tower: dssm, layers: [16, 8]}"};
    for (size_t tower = 0; tower < 3; tower++) {
        for (int threads = 1; threads <= 3; threads++) {
            char run[32], number[32];
            (void)snprintf(run, sizeof run, "tower%zu-%d", tower, threads);
            (void)snprintf(number, sizeof number, "train.threads=%d", threads);
            const char *const sets[] = {towers[tower], number, NULL};
            lode_error error = {0};
            check(train_small(self, run, sets, NULL, NULL, &error), &error);
        }
        char one[32], two[32], three[32];
        (void)snprintf(one, sizeof one, "tower%zu-1", tower);
        (void)snprintf(two, sizeof two, "tower%zu-2", tower);
        (void)snprintf(three, sizeof three, "tower%zu-3", tower);
        check_same_run(self, one, two);
        check_same_run(self, one, three);
    }
    const bytes a = read_file(self, "tower0-1", "model.safetensors"),
                b = read_file(self, "tower1-1", "model.safetensors");
    assert_true(a.size != b.size || memcmp(a.data, b.data, a.size) != 0);
    free(a.data);
    free(b.data);
}

static void test_seeds(void **state) {
    const fixture *self = *state;
    lode_error error = {0};
    static const char *const sets[] = {"train.seed=2", NULL};
    check(train_small(self, "seed2", sets, NULL, NULL, &error), &error);
    check(train_small(self, "seed2-again", sets, NULL, NULL, &error), &error);
    check_same_run(self, "seed2", "seed2-again");
    const bytes a = read_file(self, "seed2", "model.safetensors"),
                b = read_file(self, "tower0-1", "model.safetensors");
    assert_int_equal(a.size, b.size);
    assert_true(memcmp(a.data, b.data, a.size) != 0);
    free(a.data);
    free(b.data);
}

/// Mean square of the item id table before the first step.
static double initial_square(const fixture *self, const char *init, size_t *rows) {
    char text[128];
    lode_error error = {0};
    lode_config config;
    lode_trainer *trainer = NULL;
    (void)snprintf(text, sizeof text, "model: {dim: 32, init: %s}\n", init);
    check(lode__config_load(&config, text, "test", NULL, 0, &error), &error);
    const lode_phase phase = {self->data, self->folder, 1, false};
    check(lode__trainer_new(&trainer, &config, &phase, NULL, &error), &error);
    const lode_param *items = lode__param_find(trainer->model->params, "item.id");
    const size_t elements = items->rows * items->columns;
    double sum = 0;
    for (size_t i = 0; i < elements; i++)
        sum += pow((double)((const float *)items->value)[i], 2);
    *rows = items->rows;
    lode__trainer_free(&trainer);
    lode__config_release(&config);
    return sum / (double)elements;
}

static void test_initial_values(void **state) {
    size_t rows;
    const double given = initial_square(*state, "0.2", &rows);
    assert_true(fabs(given / 0.04 - 1) < 0.1);
    const double glorot = initial_square(*state, "0", &rows);
    assert_true(fabs(glorot * (double)(rows + 32) / 2 - 1) < 0.1);
}

/// The loss of the first and the last line of metrics.jsonl.
static void test_loss_falls(void **state) {
    const fixture *self = *state;
    const bytes log = read_file(self, "tower0-1", "metrics.jsonl");
    double losses[3];
    char *at = log.data;
    for (size_t epoch = 0; epoch < 3; epoch++) {
        at = strstr(at, "\"loss\": ");
        assert_non_null(at);
        at += strlen("\"loss\": ");
        losses[epoch] = strtod(at, NULL);
    }
    if (!(losses[2] < losses[1] && losses[1] < losses[0] && losses[0] > 0)) {
        fail_msg("losses %g, %g, %g do not fall", losses[0], losses[1], losses[2]);
    }
    free(log.data);
}

// --- honest ends --------------------------------------------------------------------------------------

static void check_opens(const fixture *self, const char *run, uint64_t epochs_at_least) {
    char path[PATH_ROOM];
    path_in(self, run, path);
    lode_bundle *bundle = NULL;
    lode_error error = {0};
    check(lode__bundle_open(&bundle, path, &error), &error);
    assert_true(bundle->manifest.best_epoch >= epochs_at_least);
    lode__bundle_free(&bundle);
    char *report = NULL;
    check(lode_eval(path, "{baselines: false}", NULL, &report, &error), &error);
    assert_non_null(strstr(report, "hit@10"));
    lode_text_free(&report);
}

/// Steps of size 10 with a short memory of gradients (beta2) blow the weights up after some epochs; the best weights
/// of before stay.
static void test_diverged(void **state) {
    const fixture *self = *state;
    static const char *const sets[] = {"train.learning_rate=10",
                                       "train.beta2=0.5",
                                       "train.epsilon=1e-30",
                                       "train.epochs=100",
                                       "train.checkpoint_every=0",
                                       "eval.patience=0",
                                       NULL};
    lode_error error = {0};
    const lode_status status = train_small(self, "diverged", sets, NULL, NULL, &error);
    check_error(status, &error, LODE_E_DIVERGED, "train.learning_rate");
    assert_non_null(strstr(error.message, ", step "));
    printf("%s\n", error.message);
    assert_non_null(strstr(error.message, "of parameter "));
    assert_null(strstr(error.message, "(none)"));
    check_opens(self, "diverged", 1);
}

/// Runs `body` in a child process that may lower its limits; its exit status is returned.
static int in_child(const fixture *self, int (*body)(const fixture *self)) {
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) _exit(body(self));
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int files_in(const char *path, const char *part) {
    lode_arena arena = {0};
    const char **names;
    size_t count;
    int found = 0;
    if (lode__folder_list(&arena, path, &names, &count, NULL) != LODE_OK) return -1;
    for (size_t i = 0; i < count; i++)
        found += strstr(names[i], part) != NULL;
    lode__arena_release(&arena);
    return found;
}

/// 0 when a limit of `size` bytes a file ends in one clear line and leaves no temporary file.
static int with_limit(const fixture *self, const char *run, rlim_t size) {
    const struct rlimit limit = {size, size};
    (void)signal(SIGXFSZ, SIG_IGN);
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0) return 10;
    lode_error error = {0};
    const lode_status status = train_small(self, run, NULL, NULL, NULL, &error);
    if (status != LODE_E_SYSTEM || error.status != LODE_E_SYSTEM) return 11;
    if (strstr(error.message, "cannot write") == NULL ||
        strstr(error.message, "File too large") == NULL)
        return 12;
    char path[PATH_ROOM];
    path_in(self, run, path);
    return files_in(path, ".tmp.") == 0 ? 0 : 13;
}

static int full_at_once(const fixture *self) {
    return with_limit(self, "full-at-once", 64);
}

/// Room for configuration, vocabulary and weights (11 KB), not for a checkpoint (3 times that).
static int full_later(const fixture *self) {
    return with_limit(self, "full-later", 20000);
}

static void test_disk_full(void **state) {
    const fixture *self = *state;
    assert_int_equal(in_child(self, full_at_once), 0);
    assert_int_equal(in_child(self, full_later), 0);
    const bytes weights = read_file(self, "tower0-1", "model.safetensors");
    if (!(weights.size < 20000))
        fail_msg("weights of %zu bytes: raise the limit of full_later", weights.size);
    free(weights.data);
    lode_error error = {0};
    check(train_small(self, "full-later", NULL, "resume: true", NULL, &error), &error); // room again
    check_same_run(self, "full-later", "tower0-1");
}

static int take_folder_away(void *cookie, const lode_progress *progress) {
    const char *folder = cookie;
    if (strcmp(progress->task, "train") == 0 && progress->epoch == 2) (void)chmod(folder, 0555);
    return 0;
}

static int unwritable(const fixture *self) {
    char folder[PATH_ROOM];
    path_in(self, "closed", folder);
    if (geteuid() == 0 && (setegid(65534) != 0 || seteuid(65534) != 0)) return 20;
    lode_error error = {0};
    lode_status status = train_small(self, "closed/run", NULL, NULL, NULL, &error);
    if (status != LODE_E_SYSTEM || strstr(error.message, "cannot make the folder") == NULL ||
        strstr(error.message, "Permission denied") == NULL) {
        (void)fprintf(stderr, "%s\n", error.message);
        return 21;
    }
    char run[PATH_ROOM];
    path_in(self, "open/run", run);
    const lode_hooks hooks = {.cookie = run, .progress = take_folder_away};
    status = train_small(self, "open/run", NULL, NULL, &hooks, &error);
    if (status != LODE_E_SYSTEM || strstr(error.message, "cannot write") == NULL) return 22;
    (void)chmod(run, 0755);
    return 0;
}

static void test_unwritable(void **state) {
    const fixture *self = *state;
    char path[PATH_ROOM];
    path_in(self, "closed", path);
    assert_int_equal(mkdir(path, 0755), 0);
    assert_int_equal(chmod(path, 0555), 0);
    path_in(self, "open", path);
    assert_int_equal(mkdir(path, 0777), 0);
    assert_int_equal(chmod(path, 0777), 0);
    assert_int_equal(chmod(self->folder, 0755), 0);
    assert_int_equal(in_child(self, unwritable), 0);
    check_opens(self, "open/run", 1); // the first epoch's weights
}

static void test_wrong_data(void **state) {
    const fixture *self = *state;
    fixture other = *self;
    lode_error error = {0};
    path_in(self, "nothing.lode", other.data);
    check_error(train_small(&other, "none", NULL, NULL, NULL, &error), &error, LODE_E_MISSING,
                "nothing.lode");
    char path[PATH_ROOM];
    path_in(self, "none", path);
    assert_false(lode__file_exists(path)); // nothing half-made
}

// --- leaks ----------------------------------------------------------------------------------------------

/// A log in which `secret` is clicked at the end by every user, so only in test and validation; `hidden` has a tag
/// of its own. Every user has 6 ordinary clicks before.
static void plant(const fixture *self, const char *raw) {
    char path[2 * PATH_ROOM];
    (void)snprintf(path, sizeof path, "%s/plant.inter", raw);
    FILE *log = fopen(path, "w");
    assert_non_null(log);
    (void)fprintf(log, "user_id:token\titem_id:token\ttimestamp:float\tplace:token\n");
    for (int user = 0; user < 30; user++) {
        for (int click = 0; click < 6; click++) {
            (void)fprintf(log, "u%d\ti%d\t%d\thome\n", user, (user + click * click) % 20,
                          1700000000 + user * 100 + click);
        }
        (void)fprintf(log, "u%d\tsecret1\t%d\tunderground\n", user, 1700090000 + user);
        (void)fprintf(log, "u%d\tsecret2\t%d\tunderground\n", user, 1700091000 + user);
    }
    assert_int_equal(fclose(log), 0);
    (void)snprintf(path, sizeof path, "%s/plant.item", raw);
    FILE *items = fopen(path, "w");
    assert_non_null(items);
    (void)fprintf(items, "item_id:token\tkind:token\tprice:float\n");
    for (int item = 0; item < 20; item++)
        (void)fprintf(items, "i%d\tkind%d\t%d\n", item, item % 3, item);
    (void)fprintf(items, "secret1\tforbidden\t777\nsecret2\tforbidden\t888\n");
    assert_int_equal(fclose(items), 0);
    (void)self;
}

static void check_unknown(const lode_vocabulary *vocabulary) {
    assert_int_equal(vocabulary->items, 20);
    assert_int_equal(lode__item_row(vocabulary, "secret1"), 0);
    assert_int_equal(lode__item_row(vocabulary, "secret2"), 0);
    assert_int_not_equal(lode__item_row(vocabulary, "i3"), 0);
    for (size_t i = 0; i < vocabulary->count; i++) {
        const lode_field *field = &vocabulary->fields[i];
        assert_int_equal(lode__field_row(field, "forbidden"), 0);
        assert_int_equal(lode__field_row(field, "underground"), 0);
        for (uint32_t b = 0; b < field->bound_count; b++)
            assert_true(field->bounds[b] < 700.0F);
    }
}

static void check_leaks(const fixture *self, const char *run, const char *const *sets) {
    lode_error error = {0};
    check(train_small(self, run, sets, NULL, NULL, &error), &error);
    char path[PATH_ROOM];
    path_in(self, run, path);
    lode_bundle *bundle = NULL;
    check(lode__bundle_open(&bundle, path, &error), &error);
    check_unknown(bundle->model->vocabulary);
    lode_dataset *data = NULL;
    lode_split *split = NULL;
    lode_examples examples;
    check(lode__bundle_data(bundle, NULL, &data, NULL, &error), &error);
    check(lode__split_new(&split, data, &bundle->config.data.split, &error), &error);
    check(lode__examples_new(&examples, split, &(lode_example_options){.min_history = 0}, &error),
          &error);
    assert_int_equal(examples.count, 30 * 6);
    for (uint64_t i = 0; i < examples.count; i++) {
        const lode_state example = lode__example(&examples, i, 0);
        for (uint64_t at = split->log.offsets[example.user]; at <= example.end; at++) {
            assert_null(strstr(lode__token(&data->items, split->log.item[at]), "secret"));
        }
    }
    uint64_t clicks = 0;
    for (uint32_t item = 0; item < data->items.count; item++) {
        const bool secret = strstr(lode__token(&data->items, item), "secret") != NULL;
        if (secret) assert_int_equal(split->item_count[item], 0);
        clicks += split->item_count[item];
    }
    assert_int_equal(clicks, 30 * 6);
    assert_int_equal(split->train_items, 20);
    lode__examples_release(&examples);
    lode__split_free(&split);
    lode__dataset_free(&data);
    lode__bundle_free(&bundle);
    const bytes words = read_file(self, run, "vocabulary");
    static const char *const traces[] = {"secret", "forbidden", "underground"};
    for (size_t i = 0; i < 3; i++)
        assert_null(memmem(words.data, words.size, traces[i], strlen(traces[i])));
    free(words.data);
}

static void test_leak(void **state) {
    fixture self = *(const fixture *)*state;
    char raw[PATH_ROOM];
    path_in(&self, "plant", raw);
    assert_int_equal(mkdir(raw, 0755), 0);
    plant(&self, raw);
    path_in(&self, "plant.lode", self.data);
    lode_error error = {0};
    check(lode_import(raw, self.data, NULL, NULL, NULL, &error), &error);
    static const char *const one_out[] = {"fields.context=auto", "data.split.type=leave_one_out",
                                          NULL};
    check_leaks(&self, "leak1", one_out);
    static const char *const by_time[] = {
        "fields.context=auto",
        "data.split={type: chronological, test_from: 1700091000000, "
        "valid_from: 1700090000000}",
        NULL};
    check_leaks(&self, "leak2", by_time);
}

// --- real data --------------------------------------------------------------------------------------------

static double value_of(const char *report, const char *row, const char *metric) {
    const char *at = strstr(report, row);
    assert_non_null(at);
    at = strstr(at, metric);
    assert_non_null(at);
    return strtod(strchr(at, ':') + 1, NULL);
}

/// YoutubeDNN in-batch on MovieLens 100k, a few epochs.
static void test_movielens(void **state) {
    if (LOOKING_FOR_RACES)
        skip(); // minutes there; what runs beside what is the same in test_threads
    const fixture *self = *state;
    const char *folder = getenv("LODESTONE_DATA");
    if (folder == NULL) {
        puts("skipped: no data");
        skip();
    }
    char source[PATH_ROOM], data[PATH_ROOM], run[PATH_ROOM];
    (void)snprintf(source, sizeof source, "%s/ml-100k", folder);
    path_in(self, "ml-100k.lode", data);
    path_in(self, "ml-100k", run);
    lode_error error = {0};
    char *report = NULL;
    check(lode_import(source, data, NULL, NULL, NULL, &error), &error);
    check(lode_train(data, run,
                     "model: {user: {tower: youtubednn}}\n"
                     "objectives: [{type: in_batch}]\n"
                     "train: {batch: 512, epochs: 5}\n",
                     NULL, NULL, NULL, &error),
          &error);
    check(lode_eval(run, NULL, NULL, &report, &error), &error);
    const double hit = value_of(report, "\"model\"", "\"hit@50\"");
    const double popularity = value_of(report, "\"popularity\"", "\"hit@50\"");
    printf("ml-100k hit@50: %.4f, popularity %.4f\n", hit, popularity);
    assert_true(popularity > 0.197 && popularity < 0.2);
    if (!(hit >= 1.5 * popularity)) {
        fail_msg("hit@50 %.4f is below 1.5 x popularity %.4f", hit, popularity);
    }
    // Recorded: 0.390 after 5 epochs, 0.393 to 0.405 after 8; far above that something leaks.
    if (!(hit > 0.36 && hit < 0.43)) fail_msg("hit@50 %.4f was 0.390 when this was written", hit);
    lode_text_free(&report);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_threads),        cmocka_unit_test(test_seeds),
        cmocka_unit_test(test_initial_values), cmocka_unit_test(test_loss_falls),
        cmocka_unit_test(test_diverged),       cmocka_unit_test(test_disk_full),
        cmocka_unit_test(test_unwritable),     cmocka_unit_test(test_wrong_data),
        cmocka_unit_test(test_leak),           cmocka_unit_test(test_movielens)};
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
