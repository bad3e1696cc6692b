/// Stopping and continuing: kill -9 at any instant, stop through the hook, and then --resume give the very bytes of
/// a run that was never interrupted. Trainings run in child processes, so that this one never has threads.
#include "fixture.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

static const char *const slow_saves[] = {"train.checkpoint_every=2", "train.threads=2", NULL};

/// Train in a child; `milliseconds` > 0 kills it then. @return its wait status
static int child_train(const fixture *self, const char *run, const char *const *sets,
                       const char *options, double milliseconds) {
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        lode_error error = {0};
        const lode_status status = train_small(self, run, sets, options, NULL, &error);
        if (status != LODE_OK) (void)fprintf(stderr, "child: %s\n", error.message);
        _exit(status == LODE_OK ? 0 : 1);
    }
    if (milliseconds > 0) {
        struct timespec wait = {.tv_nsec = (long)(milliseconds * 1e6)};
        wait.tv_sec = wait.tv_nsec / 1000000000;
        wait.tv_nsec %= 1000000000;
        while (nanosleep(&wait, &wait) != 0 && errno == EINTR)
            continue;
        assert_int_equal(kill(child, SIGKILL), 0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static double now(void) {
    struct timespec time;
    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    return 1e3 * (double)time.tv_sec + 1e-6 * (double)time.tv_nsec;
}

/// A number in 0 .. 1 of the test's own.
static double random_share(uint64_t *state) {
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (double)(*state >> 40) / (double)(1 << 24);
}

static void test_kill(void **state) {
    const fixture *self = *state;
    const double start = now();
    assert_int_equal(child_train(self, "whole", slow_saves, NULL, 0), 0);
    const double whole = now() - start;
    uint64_t random = 20;
    size_t kills = 0;
    for (size_t round = 0; round < 3; round++) {
        char run[32];
        (void)snprintf(run, sizeof run, "killed%zu", round);
        // Longer and longer lives, so that it ends: from instants in the preparation to whole trainings.
        for (double life = 0.1 * whole;; life *= 1.1) {
            const int status = child_train(self, run, slow_saves, "resume: true",
                                           0.5 + random_share(&random) * life);
            if (!WIFSIGNALED(status)) {
                assert_int_equal(status, 0);
                break;
            }
            kills++;
        }
        check_same_run(self, "whole", run);
    }
    assert_true(kills >= 6);
    printf("killed %zu times, a whole training takes %.0f ms\n", kills, whole);
}

/// Stops at the call number `at`, of task "train" or "validate".
typedef struct stopper {
    const char *task;
    int calls, at;
} stopper;

static int stop_at(void *cookie, const lode_progress *progress) {
    stopper *self = cookie;
    return strcmp(progress->task, self->task) == 0 && ++self->calls == self->at;
}

/// Train in pieces of `every` calls of a task until it is finished; then it is the run `straight`.
static void check_stops(const fixture *self, const char *straight, const char *run,
                        const char *const *sets, int every) {
    int stops = 0;
    for (;;) {
        stopper control = {.task = "train", .at = every};
        const lode_hooks hooks = {.cookie = &control, .progress = stop_at};
        lode_error error = {0};
        const lode_status status = train_small(self, run, sets, "resume: true", &hooks, &error);
        if (status == LODE_OK) break;
        check_error(status, &error, LODE_E_STOPPED, "continue with --resume");
        stops++;
        if (stops > 100) fail_msg("no progress from stop to stop");
    }
    assert_true(stops >= 2);
    check_same_run(self, straight, run);
}

static void test_stop(void **state) {
    const fixture *self = *state;
    lode_error error = {0};
    check(train_small(self, "straight", NULL, NULL, NULL, &error), &error);
    check_stops(self, "straight", "stopped1", NULL, 1);
    check_stops(self, "straight", "stopped5", NULL, 5);
    static const char *const refit[] = {"data.split.refit=true", "train.epochs=2", NULL};
    check(train_small(self, "refitted", refit, NULL, NULL, &error), &error);
    check_stops(self, "refitted", "refitted1", refit, 1);
    check_stops(self, "refitted", "refitted7", refit, 7);
    // A validation that is stopped is done again from its start: stop only the first one of each call.
    stopper control = {.task = "validate", .at = 1};
    const lode_hooks hooks = {.cookie = &control, .progress = stop_at};
    const lode_status status = train_small(self, "validating", NULL, NULL, &hooks, &error);
    check_error(status, &error, LODE_E_STOPPED, "epoch 1");
    check(train_small(self, "validating", NULL, "resume: true", NULL, &error), &error);
    check_same_run(self, "straight", "validating");
}

static void test_resume_missing(void **state) {
    const fixture *self = *state;
    lode_error error = {0};
    check(train_small(self, "anew", NULL, "resume: true", NULL, &error), &error);
    check_same_run(self, "straight", "anew");
}

static void test_resume_finished(void **state) {
    const fixture *self = *state;
    lode_error error = {0};
    char path[PATH_ROOM];
    char *report = NULL;
    path_in(self, "straight", path);
    const bytes before = read_file(self, "straight", "manifest.json");
    char *config = config_with(NULL);
    check(lode_train(self->data, path, config, "resume: true", NULL, &report, &error), &error);
    assert_non_null(strstr(report, "\"finished\": true"));
    assert_non_null(strstr(report, "hit@10"));
    const bytes after = read_file(self, "straight", "manifest.json");
    assert_int_equal(before.size, after.size);
    assert_memory_equal(before.data, after.data, before.size);
    check_same_run(self, "straight", "anew");
    assert_null(read_file(self, "straight", "checkpoint.safetensors").data);
    lode_text_free(&report);
    lode_text_free(&config);
    free(before.data);
    free(after.data);
}

static void test_refusals(void **state) {
    const fixture *self = *state;
    lode_error error = {0};
    check_error(train_small(self, "straight", NULL, NULL, NULL, &error), &error, LODE_E_EXISTS,
                "exists already: continue it with --resume");
    static const char *const changed[] = {"train.learning_rate=0.02", NULL};
    check_error(train_small(self, "straight", changed, "resume: true", NULL, &error), &error,
                LODE_E_MISMATCH, "learning_rate: 0.02");
    static const char *const threads[] = {"train.threads=2", NULL};
    check(train_small(self, "straight", threads, "resume: true", NULL, &error), &error);

    stopper control = {.task = "train", .at = 3};
    const lode_hooks hooks = {.cookie = &control, .progress = stop_at};
    check_error(train_small(self, "half", NULL, NULL, &hooks, &error), &error, LODE_E_STOPPED,
                "step 3");
    check_error(train_small(self, "half", changed, "resume: true", NULL, &error), &error,
                LODE_E_MISMATCH, "learning_rate: 0.02");
    fixture other = *self;
    path_in(self, "other.lode", other.data);
    // the same users and items, so that all tables have the same sizes, and other clicks
    fixture_import(
        self,
        "{users: 80, items: 40, interests: 4, interest: 3, exposures: 0, clicks_mean: 12, seed: 5}",
        other.data);
    const lode_status status = train_small(&other, "half", NULL, "resume: true", NULL, &error);
    assert_int_equal(status, LODE_E_MISMATCH);
    check_error(status, &error, LODE_E_MISMATCH, "another data set");
    check(train_small(self, "half", NULL, "resume: true", NULL, &error), &error);
    check_same_run(self, "straight", "half");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_kill), cmocka_unit_test(test_stop),
                                       cmocka_unit_test(test_resume_missing),
                                       cmocka_unit_test(test_resume_finished),
                                       cmocka_unit_test(test_refusals)};
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
