/// Damaged run folders: every file cut anywhere and with any byte changed is refused with one clear line, or (where
/// a changed text is still a valid one) accepted; nothing crashes, nothing is written. The binary files carry
/// checksums, so that every change of them must be found.
#include "fixture.h"

#include "base/file.h"
#include "train/bundle.h"

static int stop_in_epoch_two(void *cookie, const lode_progress *progress) {
    (void)cookie;
    return strcmp(progress->task, "train") == 0 && progress->epoch == 2;
}

/// "run": finished; "half": stopped after the first epoch, with a checkpoint.
static int setup(void **state) {
    if (fixture_setup(state) != 0) return -1;
    const fixture *self = *state;
    lode_error error = {0};
    const lode_hooks hooks = {.progress = stop_in_epoch_two};
    check(train_small(self, "run", NULL, NULL, NULL, &error), &error);
    check_error(train_small(self, "half", NULL, NULL, &hooks, &error), &error, LODE_E_STOPPED,
                "epoch 2");
    return 0;
}

static lode_status open_run(const fixture *self, const char *run, lode_error *error) {
    char path[PATH_ROOM];
    path_in(self, run, path);
    lode_bundle *bundle = NULL;
    *error = (lode_error){0};
    const lode_status status = lode__bundle_open(&bundle, path, error);
    lode__bundle_free(&bundle);
    return status;
}

static lode_status resume_half(const fixture *self, lode_error *error) {
    *error = (lode_error){0};
    const lode_hooks hooks = {.progress =
                                  stop_in_epoch_two}; // stops after one more step where it begins
    return train_small(self, "half", NULL, "resume: true", &hooks, error);
}

/// One line that names the file.
static void check_refusal(lode_status status, const lode_error *error, const char *name,
                          const char *what, size_t at) {
    if (status == LODE_OK) fail_msg("%s %s %zu was accepted", name, what, at);
    if (status == LODE_E_MEMORY || error->message[0] == 0 || strchr(error->message, '\n') != NULL ||
        strstr(error->message, name) == NULL) {
        fail_msg("%s %s %zu: %s: %s", name, what, at, lode_status_name(status), error->message);
    }
}

typedef struct damage {
    const char *run, *name;
    bool checked;      ///< has a checksum: every change must be found
    size_t cuts, bits; ///< how many places are tried, evenly spread
} damage;

static lode_status try_run(const fixture *self, const damage *one, lode_error *error) {
    return strcmp(one->run, "half") == 0 ? resume_half(self, error) : open_run(self, one->run, error);
}

static void check_damage(const fixture *self, const damage *one) {
    const bytes whole = read_file(self, one->run, one->name);
    assert_true(whole.size > 0);
    lode_error error;
    for (size_t i = 0; i < one->cuts; i++) {
        const size_t size = whole.size * i / one->cuts;
        write_file(self, one->run, one->name, whole.data, size);
        const lode_status status = try_run(self, one, &error);
        // A text may be whole without its last lines; then it must be a configuration that fits the weights.
        if (one->checked || status != LODE_OK) {
            check_refusal(status, &error, one->checked ? one->name : one->run, "cut at", size);
        }
    }
    for (size_t i = 0; i < one->bits; i++) {
        const size_t at = whole.size * i / one->bits;
        char *byte = &whole.data[at], kept = *byte;
        *byte = (char)(*byte ^ (1 << (i % 8)));
        write_file(self, one->run, one->name, whole.data, whole.size);
        *byte = kept;
        const lode_status status = try_run(self, one, &error);
        if (one->checked || status != LODE_OK) {
            check_refusal(status, &error, one->checked ? one->name : one->run, "changed at", at);
        }
    }
    write_file(self, one->run, one->name, whole.data, whole.size);
    free(whole.data);
}

static void test_weights(void **state) {
    check_damage(*state, &(damage){"run", "model.safetensors", true, 200, 600});
    lode_error error;
    check(open_run(*state, "run", &error), &error);
}

static void test_vocabulary(void **state) {
    check_damage(*state, &(damage){"run", "vocabulary", true, 200, 600});
    lode_error error;
    check(open_run(*state, "run", &error), &error);
}

static void test_manifest(void **state) {
    const bytes whole = read_file(*state, "run", "manifest.json");
    check_damage(*state, &(damage){"run", "manifest.json", false, whole.size, 8 * whole.size});
    lode_error error;
    check(open_run(*state, "run", &error), &error);
    free(whole.data);
}

static void test_config(void **state) {
    const bytes whole = read_file(*state, "run", "config.yaml");
    check_damage(*state, &(damage){"run", "config.yaml", false, whole.size, whole.size});
    lode_error error;
    check(open_run(*state, "run", &error), &error);
    free(whole.data);
}

static void test_checkpoint(void **state) {
    const fixture *self = *state;
    const bytes whole = read_file(self, "half", "checkpoint.safetensors");
    check_damage(self, &(damage){"half", "checkpoint.safetensors", true, 60, 200});
    const bytes after = read_file(self, "half", "checkpoint.safetensors");
    assert_int_equal(after.size, whole.size);
    assert_memory_equal(after.data, whole.data, whole.size);
    lode_error error = {0};
    check(train_small(self, "half", NULL, "resume: true", NULL, &error), &error);
    check_same_run(self, "run", "half");
    free(whole.data);
    free(after.data);
}

static void test_missing_files(void **state) {
    const fixture *self = *state;
    static const char *const names[] = {"model.safetensors", "vocabulary", "config.yaml",
                                        "manifest.json"};
    lode_error error;
    for (size_t i = 0; i < 4; i++) {
        char from[PATH_ROOM + 64], to[PATH_ROOM + 64];
        (void)snprintf(from, sizeof from, "%s/run/%s", self->folder, names[i]);
        (void)snprintf(to, sizeof to, "%s/run/away", self->folder);
        assert_int_equal(rename(from, to), 0);
        const lode_status status = open_run(self, "run", &error);
        assert_int_equal(status, LODE_E_MISSING);
        check_refusal(status, &error, names[i], "missing", 0);
        assert_int_equal(rename(to, from), 0);
    }
    check_error(open_run(self, "nowhere", &error), &error, LODE_E_MISSING, "nowhere is no folder");
    check_error(open_run(self, "shop.lode", &error), &error, LODE_E_MISSING,
                "shop.lode is no folder");
}

/// Parts of two runs do not make one.
static void test_mixed(void **state) {
    const fixture *self = *state;
    lode_error error = {0};
    static const char *const sets[] = {"model.user.feed_forward=12", NULL};
    check(train_small(self, "wider", sets, NULL, NULL, &error), &error);
    const bytes mine = read_file(self, "run", "model.safetensors"),
                other = read_file(self, "wider", "model.safetensors");
    write_file(self, "run", "model.safetensors", other.data, other.size);
    check_error(open_run(self, "run", &error), &error, LODE_E_MISMATCH,
                "feed_forward.0.weight is 8 x 12");
    write_file(self, "run", "model.safetensors", mine.data, mine.size);
    check(open_run(self, "run", &error), &error);
    free(mine.data);
    free(other.data);
}

/// The data set behind a bundle: moved, replaced, given.
static void test_data(void **state) {
    const fixture *self = *state;
    char moved[PATH_ROOM], run[PATH_ROOM], options[2 * PATH_ROOM];
    lode_error error = {0};
    path_in(self, "run", run);
    path_in(self, "moved.lode", moved);
    assert_int_equal(rename(self->data, moved), 0);
    check_error(lode_eval(run, NULL, NULL, NULL, &error), &error, LODE_E_MISSING, "--data");
    (void)snprintf(options, sizeof options, "{data: %s}", moved);
    check(lode_eval(run, options, NULL, NULL, &error), &error);
    fixture_import(self, "{users: 80, items: 40, interests: 4, clicks_mean: 12, seed: 9}",
                   self->data);
    check_error(lode_eval(run, NULL, NULL, NULL, &error), &error, LODE_E_MISMATCH,
                "another fingerprint");
    assert_int_equal(rename(moved, self->data), 0);
    check(lode_eval(run, NULL, NULL, NULL, &error), &error);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_weights),    cmocka_unit_test(test_vocabulary),
        cmocka_unit_test(test_manifest),   cmocka_unit_test(test_config),
        cmocka_unit_test(test_checkpoint), cmocka_unit_test(test_missing_files),
        cmocka_unit_test(test_mixed),      cmocka_unit_test(test_data)};
    return cmocka_run_group_tests(tests, setup, fixture_teardown);
}
