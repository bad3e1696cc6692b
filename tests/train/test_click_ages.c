/// Ages of clicks from training to serving, with tower wha: the same bits at any thread count and after stops, and the
/// vector that the trainer's encoder gives a user of the log at some moment for a request of the same clicks, times and
/// "now". What a request may leave out or get wrong is here too.
#include "fixture.h"
#include "model/encoder.h"
#include "retrieve/model.h"

static const char *const towers[] = {
    "wha, heads: 2, feed_forward: 16, history_fields: auto, time_buckets: [2, 60, 600, 3000, 9000]",
    "wha, heads: 3, merge: concat, position: forward, values: plain, time_buckets: [60, 600, "
    "3000]"};
static const char *const items[] = {"projected", "mlp, layers: [16, 8]"};
enum { TOWERS = sizeof towers / sizeof *towers, DIM = 8, MOST = 400, CLICKS = 64 };
static const int64_t hour = 3600000;

static lode_status train_tower(const fixture *self, const char *run, size_t tower, const char *more,
                               const char *options, const lode_hooks *hooks, lode_error *error) {
    char user[160], item[80];
    (void)snprintf(user, sizeof user, "model.user={tower: %s}", towers[tower]);
    (void)snprintf(item, sizeof item, "model.item={tower: %s}", items[tower]);
    const char *const sets[] = {user, item, "fields.user=[]", "train.epochs=2", more, NULL};
    return train_small(self, run, sets, options, hooks, error);
}

// --- training -------------------------------------------------------------------------------------------

static int stop_at(void *cookie, const lode_progress *progress) {
    int *left = cookie;
    return strcmp(progress->task, "train") == 0 && --*left == 0;
}

static void check_stops(const fixture *self, const char *straight, size_t tower) {
    char run[32];
    (void)snprintf(run, sizeof run, "%s-stopped", straight);
    size_t stops = 0;
    for (;; stops++) {
        int left = 3;
        const lode_hooks hooks = {.cookie = &left, .progress = stop_at};
        lode_error error = {0};
        const lode_status status =
            train_tower(self, run, tower, "train.threads=2", "resume: true", &hooks, &error);
        if (status == LODE_OK) break;
        check_error(status, &error, LODE_E_STOPPED, "continue with --resume");
        assert_true(stops < 100);
    }
    assert_true(stops >= 2);
    check_same_run(self, straight, run);
}

static void test_training(void **state) {
    const fixture *self = *state;
    for (size_t i = 0; i < TOWERS; i++) {
        lode_error error = {0};
        char one[16], two[24];
        (void)snprintf(one, sizeof one, "run%zu", i);
        (void)snprintf(two, sizeof two, "%s-2", one);
        check(train_tower(self, one, i, "train.threads=1", NULL, NULL, &error), &error);
        check(train_tower(self, two, i, "train.threads=2", NULL, NULL, &error), &error);
        check_same_run(self, one, two);
        check_stops(self, one, i);
    }
}

// --- serving --------------------------------------------------------------------------------------------

/// A trained model with its data set, the same one without, and requests of their own histories.
typedef struct served {
    lode_model *model, *bare;
    lode_state states[MOST];
    lode_query queries[MOST]; ///< [count] the clicks before a state, with times and now of the click that follows
    const char *clicks[MOST][CLICKS];
    size_t count;
} served;

static void open_run(const fixture *self, size_t tower, served *out) {
    lode_error error = {0};
    char name[16], path[PATH_ROOM];
    (void)snprintf(name, sizeof name, "run%zu", tower);
    path_in(self, name, path);
    check(lode_model_open(&out->model, path, self->data, NULL, &error), &error);
    check(lode_model_open(&out->bare, path, "", NULL, &error), &error);
    assert_int_equal(lode_model_dim(out->model), DIM);
}

static void close_run(served *self) {
    lode_model_free(&self->model);
    lode_model_free(&self->bare);
}

static void add_state(served *self, uint32_t user, uint64_t end) {
    const lode_log *log = &self->model->split->log;
    const uint64_t first = log->offsets[user];
    const size_t length = (size_t)(end - first), n = self->count++;
    assert_true(n < MOST && length <= CLICKS);
    for (size_t i = 0; i < length; i++)
        self->clicks[n][i] = lode__token(&self->model->data->items, log->item[first + i]);
    self->states[n] = (lode_state){user, end};
    self->queries[n] =
        (lode_query){.history = self->clicks[n], .history_count = length, .times = log->time + first};
}

/// Every third state of every user, seen from the moment of the click that follows.
static void add_inner(served *self) {
    const lode_log *log = &self->model->split->log;
    for (uint32_t user = 0; user < log->users; user++) {
        for (uint64_t end = log->offsets[user] + 1; end < log->offsets[user + 1]; end += 3) {
            add_state(self, user, end);
            self->queries[self->count - 1].now = log->time[end];
        }
    }
    assert_true(self->count > 100);
}

static void add_whole(served *self) {
    const lode_log *log = &self->model->split->log;
    for (uint32_t user = 0; user < log->users; user++)
        add_state(self, user, log->offsets[user + 1]);
}

/// What the trainer's encoder gives for states; without `aged` it knows no age.
static void encode_log(const served *self, bool aged, float *vectors) {
    lode_error error = {0};
    lode_encoder *encoder = NULL;
    const lode_model_core *core = self->model->bundle->model;
    check(lode__encoder_new(&encoder, core, core->params, MOST, NULL, &error), &error);
    lode_log_source log = {self->model->binding, &self->model->split->log, self->states, false};
    lode_user_source source = lode__log_source(&log);
    if (!aged) source.ages = NULL;
    lode__encode_users(encoder, &source, self->count, vectors);
    lode__encoder_free(&encoder);
}

static void encode(const lode_model *model, const lode_query *queries, size_t count, float *vectors) {
    lode_error error = {0};
    lode_session *session = NULL;
    check(lode_session_new(&session, model, count, 1, &error), &error);
    check(lode_session_encode(session, queries, count, vectors, &error), &error);
    lode_session_free(&session);
}

static float expected[MOST][DIM], found[MOST][DIM];

static void expect_same(const served *self) {
    for (size_t i = 0; i < self->count; i++) {
        if (memcmp(found[i], expected[i], sizeof found[i]) != 0)
            fail_msg("state %zu: %g, not %g", i, (double)found[i][0], (double)expected[i][0]);
    }
}

static size_t differing(const served *self) {
    size_t count = 0;
    for (size_t i = 0; i < self->count; i++)
        count += memcmp(found[i], expected[i], sizeof found[i]) != 0;
    return count;
}

/// In the middle of the log the request says when it is; without times no click has an age, whatever "now" is.
static void test_moments(void **state) {
    for (size_t t = 0; t < TOWERS; t++) {
        served self = {0};
        open_run(*state, t, &self);
        add_inner(&self);
        encode_log(&self, true, expected[0]);
        encode(self.bare, self.queries, self.count, found[0]);
        expect_same(&self);
        encode(self.model, self.queries, self.count, found[0]);
        expect_same(&self);
        for (size_t i = 0; i < self.count; i++)
            self.queries[i].now += 100 * hour;
        encode(self.bare, self.queries, self.count, found[0]);
        assert_true(differing(&self) > self.count / 2);
        encode_log(&self, false, expected[0]);
        for (size_t i = 0; i < self.count; i++)
            self.queries[i].times = NULL;
        encode(self.bare, self.queries, self.count, found[0]);
        expect_same(&self);
        close_run(&self);
    }
}

/// After all clicks the moment is the newest one's, for a known user and for a history; "now" moves both alike.
static void test_known(void **state) {
    for (size_t t = 0; t < TOWERS; t++) {
        served self = {0};
        lode_query known[MOST] = {{0}};
        open_run(*state, t, &self);
        add_whole(&self);
        for (size_t i = 0; i < self.count; i++)
            known[i].user = lode_model_user(self.model, self.states[i].user);
        encode_log(&self, true, expected[0]);
        encode(self.model, known, self.count, found[0]);
        expect_same(&self);
        encode(self.bare, self.queries, self.count, found[0]);
        expect_same(&self);
        for (size_t i = 0; i < self.count; i++) {
            const lode_log *log = &self.model->split->log;
            known[i].now = self.queries[i].now = log->time[self.states[i].end - 1] + 20 * hour;
        }
        encode(self.model, known, self.count, found[0]);
        assert_true(differing(&self) > self.count / 2);
        encode(self.bare, self.queries, self.count, expected[0]);
        expect_same(&self);
        close_run(&self);
    }
}

static void test_lists(void **state) {
    served self = {0};
    open_run(*state, 0, &self);
    add_whole(&self);
    lode_error error = {0};
    lode_session *one = NULL, *other = NULL;
    check(lode_session_new(&one, self.model, 1, 5, &error), &error);
    check(lode_session_new(&other, self.bare, 1, 5, &error), &error);
    for (size_t i = 0; i < self.count; i++) {
        const lode_query known = {.user = lode_model_user(self.model, self.states[i].user)};
        lode_candidate lists[2][5];
        size_t counts[2];
        check(lode_session_recommend(one, &known, 1, 5, lists[0], &counts[0], &error), &error);
        check(lode_session_recommend(other, &self.queries[i], 1, 5, lists[1], &counts[1], &error),
              &error);
        assert_true(counts[0] == 5 && counts[1] == 5);
        for (size_t k = 0; k < 5; k++) {
            assert_string_equal(lists[0][k].item, lists[1][k].item);
            assert_true(lists[0][k].score == lists[1][k].score);
        }
    }
    lode_session_free(&one);
    lode_session_free(&other);
    close_run(&self);
}

/// A user's newest clicks with an unknown item among them, whose time must not become another click's.
static void test_unknown_items(void **state) {
    served self = {0};
    open_run(*state, 0, &self);
    add_whole(&self);
    const lode_query *whole = &self.queries[0];
    const char *history[CLICKS];
    int64_t times[CLICKS];
    size_t count = 0;
    assert_in_range(whole->history_count, 4, CLICKS / 2);
    for (size_t i = 0; i < whole->history_count; i++) {
        if (i > 0) {
            history[count] = "never seen";
            times[count++] = whole->times[i] - 1;
        }
        history[count] = whole->history[i];
        times[count++] = whole->times[i];
    }
    const lode_query mixed = {.history = history, .history_count = count, .times = times};
    encode(self.bare, whole, 1, expected[0]);
    encode(self.bare, &mixed, 1, found[0]);
    assert_memory_equal(found[0], expected[0], sizeof found[0]);
    close_run(&self);
}

/// Clicks after "now" count as clicks of now; a moment before 1970 is refused.
static void test_wrong(void **state) {
    served self = {0};
    open_run(*state, 0, &self);
    add_whole(&self);
    lode_query early = self.queries[0], cut = early;
    int64_t times[CLICKS];
    early.now = cut.now = early.times[early.history_count / 2];
    for (size_t i = 0; i < early.history_count; i++)
        times[i] = early.times[i] < early.now ? early.times[i] : early.now;
    cut.times = times;
    encode(self.bare, &cut, 1, expected[0]);
    encode(self.bare, &early, 1, found[0]);
    assert_memory_equal(found[0], expected[0], sizeof found[0]);

    lode_error error = {0};
    lode_session *session = NULL;
    check(lode_session_new(&session, self.bare, 2, 1, &error), &error);
    early.now = -1;
    const lode_query queries[] = {cut, early};
    check_error(lode_session_encode(session, queries, 2, found[0], &error), &error, LODE_E_USAGE,
                "a query's now is -1: expected milliseconds since 1970");
    lode_session_free(&session);
    close_run(&self);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_training),      cmocka_unit_test(test_moments),
        cmocka_unit_test(test_known),         cmocka_unit_test(test_lists),
        cmocka_unit_test(test_unknown_items), cmocka_unit_test(test_wrong)};
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
