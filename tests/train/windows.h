/// Trainings whose queries are positions of windows: what tests of all_positions and of cloze have in common.
///
/// A test defines `window_config`, the configuration of all its trainings, before it includes this.
#ifndef TRAIN_WINDOWS_H
#define TRAIN_WINDOWS_H

#include <sys/stat.h>

#include "fixture.h"
#include "train/trainer.h"

typedef struct session {
    lode_config config;
    lode_trainer *trainer;
} session;

static inline lode_status try_open(session *self, const char *data, const char *folder,
                                   const char *const *sets, lode_error *error) {
    size_t count = 0;
    while (sets != NULL && sets[count] != NULL)
        count++;
    *self = (session){0};
    check(lode__config_load(&self->config, window_config, "test", sets, count, error), error);
    const lode_phase phase = {data, folder, 1, false};
    return lode__trainer_new(&self->trainer, &self->config, &phase, NULL, error);
}

static inline void close_trainer(session *self) {
    lode__trainer_free(&self->trainer);
    lode__config_release(&self->config);
}

static inline void open_trainer(session *self, const char *data, const char *folder,
                                const char *const *sets) {
    lode_error error = {0};
    check(try_open(self, data, folder, sets, &error), &error);
}

static inline double take_step(session *self) {
    lode_error error = {0};
    double loss = 0.0;
    check(lode__trainer_step(self->trainer, &loss, &error), &error);
    return loss;
}

/// Four users, nobody clicks an item twice; the last click is the test, the one before it validation, as the letters say.
static inline void import_letters(const fixture *self, char *data) {
    static const char *const users[] = {"abcdefVT", "bcVT", "aVT", "fedVT"};
    char raw[PATH_ROOM], path[2 * PATH_ROOM];
    path_in(self, "letters", raw);
    assert_int_equal(mkdir(raw, 0755), 0);
    (void)snprintf(path, sizeof path, "%s/clicks.csv", raw);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    (void)fprintf(file, "user_id,item_id,timestamp\n");
    for (size_t user = 0; user < 4; user++) {
        for (size_t i = 0; users[user][i] != 0; i++)
            (void)fprintf(file, "u%zu,%c,%zu\n", user, users[user][i], 1700000000 + 60 * i);
    }
    assert_int_equal(fclose(file), 0);
    lode_error error = {0};
    path_in(self, "letters.lode", data);
    check(lode_import(raw, data, NULL, NULL, NULL, &error), &error);
}

static inline void expect_refused(const fixture *self, const char *const *sets, const char *piece) {
    session refused;
    lode_error error = {0};
    const lode_status status = try_open(&refused, self->data, self->folder, sets, &error);
    check_error(status, &error, LODE_E_CONFIG, piece);
    close_trainer(&refused);
}

static inline lode_status run(const fixture *self, const char *name, const char *const *sets,
                              const char *options, const lode_hooks *hooks, char **report) {
    char path[PATH_ROOM];
    char *config = NULL;
    lode_error error = {0};
    size_t count = 0;
    while (sets != NULL && sets[count] != NULL)
        count++;
    path_in(self, name, path);
    check(lode_config_resolve(window_config, NULL, sets, count, &config, &error), &error);
    const lode_status status = lode_train(self->data, path, config, options, hooks, report, &error);
    lode_text_free(&config);
    if (status != LODE_OK && status != LODE_E_STOPPED) fail_msg("%s", error.message);
    return status;
}

static inline void test_threads(void **state) {
    const fixture *self = *state;
    static const char *const one[] = {"train.threads=1", NULL}, *const three[] = {"train.threads=3",
                                                                                  NULL};
    assert_int_equal(run(self, "one", one, NULL, NULL, NULL), LODE_OK);
    assert_int_equal(run(self, "three", three, NULL, NULL, NULL), LODE_OK);
    check_same_run(self, "one", "three");
}

static inline int stop_now(void *cookie, const lode_progress *progress) {
    int *calls = cookie;
    return strcmp(progress->task, "train") == 0 && ++*calls == 4;
}

static inline void test_resume(void **state) {
    const fixture *self = *state;
    int stops = 0, calls = 0;
    const lode_hooks hooks = {.cookie = &calls, .progress = stop_now};
    while (run(self, "stopped", NULL, "resume: true", &hooks, NULL) != LODE_OK) {
        calls = 0;
        assert_true(++stops < 20);
    }
    assert_true(stops >= 2);
    check_same_run(self, "one", "stopped");
}

static inline double row_value(const char *report, const char *row, const char *metric) {
    char key[32];
    (void)snprintf(key, sizeof key, "\"%s\": {", row);
    const char *at = strstr(report, key);
    assert_non_null(at);
    (void)snprintf(key, sizeof key, "\"%s\": ", metric);
    at = strstr(at, key);
    assert_non_null(at);
    return strtod(at + strlen(key), NULL);
}

#endif
