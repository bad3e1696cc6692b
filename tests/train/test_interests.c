/// Users of several vectors from training to serving: a bundle gives the trainer's vectors, one call's and encode's are
/// the same, lists are those of the largest product over the interests, the same bits at any thread count and after
/// stops, and what is one vector elsewhere is safe for K.
#include "fixture.h"
#include "retrieve/model.h"
#include "train/trainer.h"

enum { INTERESTS = 3, DIM = 8, CLICKS = 9, LONG_LIST = 12, MOST_ITEMS = 64 };

#define HARD "model.user={tower: mind, interests: 3, layers: [16, 8]}"
#define SOFT                                                                                       \
    "model.user={tower: mind, interests: 3, iterations: 2, layers: [8], attention: soft}",         \
        "model.scorer=cosine"
#define LENGTH "data.history=12" // 8 clicks make 3 interests
static const char *const hard[] = {HARD, LENGTH, "train.threads=1", NULL};
static const char *const hard_two[] = {HARD, LENGTH, "train.threads=2", NULL};
static const char *const soft[] = {SOFT, LENGTH, "train.threads=1", NULL};
static const char *const soft_two[] = {SOFT, LENGTH, "train.threads=2", NULL};

static int stop_at_second(void *cookie, const lode_progress *progress) {
    int *calls = cookie;
    return strcmp(progress->task, "train") == 0 && ++*calls == 2;
}

static void check_stops(const fixture *self, const char *straight, const char *run,
                        const char *const *sets) {
    lode_error error = {0};
    for (int stops = 0;; stops++) {
        int calls = 0;
        const lode_hooks hooks = {.cookie = &calls, .progress = stop_at_second};
        const lode_status status = train_small(self, run, sets, "resume: true", &hooks, &error);
        if (status == LODE_OK) {
            assert_true(stops >= 2);
            break;
        }
        check_error(status, &error, LODE_E_STOPPED, "continue with --resume");
        assert_in_range(stops, 0, 50);
    }
    check_same_run(self, straight, run);
}

static void test_same_bits(void **state) {
    const fixture *self = *state;
    lode_error error = {0};
    check(train_small(self, "hard", hard, NULL, NULL, &error), &error);
    check(train_small(self, "hard-2", hard_two, NULL, NULL, &error), &error);
    check_same_run(self, "hard", "hard-2");
    check_stops(self, "hard", "hard-stopped", hard);
    check(train_small(self, "soft", soft, NULL, NULL, &error), &error);
    check(train_small(self, "soft-2", soft_two, NULL, NULL, &error), &error);
    check_same_run(self, "soft", "soft-2");
    check_stops(self, "soft", "soft-stopped", soft_two);
}

static lode_model *open_model(const fixture *self, const char *run) {
    lode_error error = {0};
    lode_model *model = NULL;
    char path[PATH_ROOM];
    path_in(self, run, path);
    check(lode_model_open(&model, path, self->data, NULL, &error), &error);
    assert_int_equal(lode_model_interests(model), INTERESTS);
    assert_int_equal(lode_model_dim(model), DIM);
    return model;
}

static lode_query *all_users(const lode_model *model) {
    const size_t users = lode_model_user_count(model);
    lode_query *queries = calloc(users, sizeof *queries);
    assert_true(queries != NULL && users > 10);
    for (size_t i = 0; i < users; i++)
        queries[i] = (lode_query){.user = lode_model_user(model, i), .exclude_seen = true};
    return queries;
}

/// [count, INTERESTS, DIM] with a margin behind it that must stay as it is; free with free.
static float *encode(const lode_model *model, const lode_query *queries, size_t count) {
    enum { MARGIN = 16 };
    const size_t size = count * INTERESTS * DIM;
    lode_error error = {0};
    lode_session *session = NULL;
    float *vectors = calloc(size + MARGIN, sizeof *vectors);
    assert_non_null(vectors);
    for (size_t i = 0; i < MARGIN; i++)
        vectors[size + i] = 77;
    check(lode_session_new(&session, model, count, 1, &error), &error);
    check(lode_session_encode(session, queries, count, vectors, &error), &error);
    for (size_t i = 0; i < MARGIN; i++)
        assert_true(vectors[size + i] == 77);
    lode_session_free(&session);
    return vectors;
}

/// After the one epoch of the bundle, a trainer of the same configuration has the same vectors for all users.
static void test_trainer(void **state) {
    const fixture *self = *state;
    lode_error error = {0};
    const char *const sets[] = {HARD, LENGTH, "train.threads=1", "train.epochs=1", NULL};
    check(train_small(self, "epoch", sets, NULL, NULL, &error), &error);
    lode_config config;
    lode_trainer *trainer = NULL;
    check(lode__config_load(&config, small_config, "test", sets, 4, &error), &error);
    const lode_phase phase = {self->data, self->folder, 1, false};
    check(lode__trainer_new(&trainer, &config, &phase, NULL, &error), &error);
    for (uint64_t step = 0; step < trainer->steps; step++) {
        double loss;
        check(lode__trainer_step(trainer, &loss, &error), &error);
    }
    lode_model *model = open_model(self, "epoch");
    const size_t users = lode_model_user_count(model), batch = trainer->encoder->batch;
    const size_t width = INTERESTS * DIM;
    lode_query *queries = all_users(model);
    float *found = encode(model, queries, users);
    lode_state *states = calloc(users, sizeof *states);
    float *expected = calloc(users, width * sizeof *expected);
    assert_true(states != NULL && expected != NULL);
    assert_int_equal(trainer->encoder->interests, INTERESTS);
    for (size_t i = 0; i < users; i++) {
        const uint32_t user = lode__token_find(&trainer->data->users, queries[i].user);
        states[i] = (lode_state){user, trainer->split->log.offsets[user + 1]};
    }
    for (size_t first = 0; first < users; first += batch) {
        lode_log_source source = {trainer->binding, &trainer->split->log, states + first, false};
        const lode_user_source all = lode__log_source(&source);
        lode__encode_users(trainer->encoder, &all, LODE_MIN(batch, users - first),
                           expected + first * width);
    }
    assert_memory_equal(found, expected, users * width * sizeof *found);
    free(states);
    free(expected);
    free(found);
    free(queries);
    lode_model_free(&model);
    lode__trainer_free(&trainer);
    lode__config_release(&config);
}

/// floor(log2 clicks) interests; the others are the first one again.
static size_t different(const float *user) {
    size_t count = 1;
    for (size_t k = 1; k < INTERESTS; k++)
        count += memcmp(user + k * DIM, user, DIM * sizeof *user) != 0;
    return count;
}

static void test_histories(void **state) {
    const fixture *self = *state;
    lode_model *model = open_model(self, "hard");
    const char *clicks[CLICKS];
    lode_query queries[CLICKS + 1] = {{.history = clicks}};
    const size_t counts[CLICKS + 1] = {1, 1, 1, 1, 2, 2, 2, 2, 3, 3}, width = INTERESTS * DIM;
    for (size_t i = 0; i < CLICKS; i++) {
        clicks[i] = lode_model_item(model, 3 * i);
        queries[i + 1] = (lode_query){.history = clicks, .history_count = i + 1};
    }
    float *together = encode(model, queries, CLICKS + 1);
    for (size_t i = 0; i <= CLICKS; i++) {
        float *alone = encode(model, &queries[i], 1);
        assert_memory_equal(alone, together + i * width, width * sizeof *alone);
        assert_int_equal(different(alone), counts[i]);
        free(alone);
    }
    assert_memory_not_equal(together, together + INTERESTS * DIM, DIM * sizeof *together);
    free(together);
    lode_model_free(&model);
}

/// NumPy's header says [users, K, d], and the numbers are those of a call.
static void test_encode(void **state) {
    const fixture *self = *state;
    lode_model *model = open_model(self, "hard");
    const size_t users = lode_model_user_count(model);
    lode_query *queries = all_users(model);
    float *vectors = encode(model, queries, users);
    lode_error error = {0};
    char *report = NULL, run[PATH_ROOM], options[3 * PATH_ROOM], shape[64];
    path_in(self, "hard", run);
    (void)snprintf(options, sizeof options,
                   "users: '%s/users.npy'\nitems: '%s/items.npy'\ndata: '%s'\n", self->folder,
                   self->folder, self->data);
    check(lode_encode(run, options, NULL, &report, &error), &error);
    assert_non_null(strstr(report, "\"interests\": 3"));
    bytes file = read_file(self, ".", "users.npy");
    (void)snprintf(shape, sizeof shape, "'shape': (%zu, 3, 8)", users);
    assert_non_null(file.data);
    assert_non_null(strstr(file.data + 10, shape));
    const size_t size = users * INTERESTS * DIM * sizeof *vectors;
    assert_int_equal(file.size, 128 + size);
    assert_memory_equal(file.data + 128, vectors, size);
    free(file.data);
    file = read_file(self, ".", "items.npy");
    (void)snprintf(shape, sizeof shape, "'shape': (%zu, 8)", lode_model_item_count(model));
    assert_non_null(strstr(file.data + 10, shape));
    free(file.data);
    lode_text_free(&report);
    free(vectors);
    free(queries);
    lode_model_free(&model);
}

static size_t item_row(const lode_model *model, const char *item) {
    size_t row = 0;
    while (row < lode_model_item_count(model) && strcmp(lode_model_item(model, row), item) != 0)
        row++;
    return row;
}

/// A user's list against the largest product of any interest with each item that the user has not seen.
static void check_list(const lode_model *model, const char *user, const float *vectors,
                       const lode_candidate *list, size_t found) {
    const size_t items = lode_model_item_count(model);
    double score[MOST_ITEMS];
    bool out[MOST_ITEMS] = {false};
    const char *seen[256];
    const size_t clicks = lode_model_history(model, user, seen, 256);
    assert_true(items <= MOST_ITEMS && clicks <= 256);
    for (size_t i = 0; i < clicks; i++) {
        const size_t row = item_row(model, seen[i]);
        if (row < items) out[row] = true;
    }
    size_t left = 0;
    for (size_t item = 0; item < items; item++) {
        score[item] = -1e30;
        left += !out[item];
        for (size_t k = 0; k < INTERESTS; k++) {
            double sum = 0;
            for (size_t c = 0; c < DIM; c++)
                sum += (double)vectors[k * DIM + c] * (double)lode_model_item_vector(model, item)[c];
            score[item] = sum > score[item] ? sum : score[item];
        }
    }
    assert_int_equal(found, LODE_MIN(left, (size_t)LONG_LIST));
    for (size_t place = 0; place < found; place++) {
        const size_t row = item_row(model, list[place].item);
        double best = -1e30;
        assert_true(row < items && !out[row]);
        for (size_t item = 0; item < items; item++)
            if (!out[item] && score[item] > best) best = score[item];
        assert_true(best - score[row] < 1e-5 * (1 + best * best)); // rounding may turn neighbours
        const double error = (double)list[place].score - score[row];
        assert_true(error * error < 1e-10 * (1 + best * best));
        out[row] = true;
    }
}

/// All users, in batches of `batch`, which may be fewer than there are interests.
static void check_lists(const lode_model *model, size_t batch) {
    const size_t users = lode_model_user_count(model);
    lode_query *queries = all_users(model);
    float *vectors = encode(model, queries, users);
    lode_candidate list[7 * LONG_LIST];
    size_t found[7], several = 0;
    lode_session *session = NULL;
    lode_error error = {0};
    assert_true(batch <= 7);
    check(lode_session_new(&session, model, batch, LONG_LIST, &error), &error);
    for (size_t first = 0; first < users; first += batch) {
        const size_t count = LODE_MIN(batch, users - first);
        check(lode_session_recommend(session, queries + first, count, LONG_LIST, list, found, &error),
              &error);
        for (size_t i = 0; i < count; i++) {
            const float *user = vectors + (first + i) * INTERESTS * DIM;
            check_list(model, queries[first + i].user, user, list + i * LONG_LIST, found[i]);
            several += different(user) == INTERESTS;
        }
    }
    assert_true(several > 10);
    lode_session_free(&session);
    free(vectors);
    free(queries);
}

static void test_recommend(void **state) {
    const fixture *self = *state;
    const char *const runs[] = {"hard", "soft"};
    for (size_t i = 0; i < 2; i++) {
        lode_model *model = open_model(self, runs[i]);
        check_lists(model, 1);
        check_lists(model, 7);
        lode_model_free(&model);
    }
}

/// Through each kind of index; at this size all of them look at every item that counts.
static void test_indexes(void **state) {
    const fixture *self = *state;
    static const char *const kinds[] = {"exact", "scan", "ivf", "graph"};
    char run[PATH_ROOM], options[2 * PATH_ROOM];
    path_in(self, "hard", run);
    for (size_t i = 0; i < 4; i++) {
        lode_error error = {0};
        (void)snprintf(options, sizeof options, "type: %s\nk: 10\nrecall: 1\ndata: '%s'\n",
                       kinds[i], self->data);
        check(lode_build_index(run, options, NULL, NULL, &error), &error);
        lode_model *model = open_model(self, "hard");
        check(lode_model_use_index(model, &error), &error);
        if (i < 2) { // exact ones
            check_lists(model, 1);
            check_lists(model, 7);
        } else {
            lode_session *session = NULL;
            const lode_query query = {.user = lode_model_user(model, 0), .exclude_seen = true};
            lode_candidate list[LONG_LIST];
            size_t found;
            check(lode_session_new(&session, model, 1, LONG_LIST, &error), &error);
            check(lode_session_recommend(session, &query, 1, LONG_LIST, list, &found, &error),
                  &error);
            assert_true(found > 0);
            lode_session_free(&session);
        }
        lode_model_free(&model);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_bits), cmocka_unit_test(test_trainer),
        cmocka_unit_test(test_histories), cmocka_unit_test(test_encode),
        cmocka_unit_test(test_recommend), cmocka_unit_test(test_indexes)};
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
