/// `bias: true` of the item tower id: with every kind of user tower vectors end in 1 and in the bias, training moves it, and
/// lists, indexes and evaluation are those of u . e + b; the same bits at any thread count and after stops.
#include <math.h>

#include "fixture.h"
#include "train/trainer.h"

enum { DIM = 8, MOST_ITEMS = 64 };

#define BIASED "model.item={tower: id, bias: true}"
#define PLAIN  "fields={item: [id], user: []}"

/// A user tower with what it is trained by: users as they are, positions, masked clicks, interests, two kinds of queued users.
static const char *const variants[][4] = {
    {"model.user={tower: youtubednn, layers: [8]}", "data.examples=every_click",
     "objectives=[{type: in_batch}]"},
    {"model.user={tower: sasrec, heads: 2}", "data.examples=all_positions",
     "objectives=[{type: bce, negatives: {count: 2, scope: example}}]"},
    {"model.user={tower: bert4rec, heads: 2, blocks: 1, dropout: 0}", "data.examples=cloze",
     "objectives=[{type: full_softmax}]"},
    {"model.user={tower: mind, interests: 3, layers: [8]}", "data.examples=every_click",
     "objectives=[{type: sampled_softmax, negatives: {count: 8}}]"},
    {"model.user={tower: wha, heads: 2}", "data.examples=every_click",
     "objectives=[{type: in_batch}, {type: clrec.user, capacity: 200, store: attention}]"},
    {"model.user={tower: wha, heads: 2}", "data.examples=every_click",
     "objectives=[{type: in_batch}, {type: clrec.user, capacity: 200}]"}};
enum { VARIANTS = sizeof variants / sizeof *variants };

typedef struct opened {
    lode_config config;
    lode_trainer *trainer;
} opened;

static lode_status try_open(opened *self, const fixture *at, const char *const *sets, size_t count,
                            lode_error *error) {
    *self = (opened){0};
    check(lode__config_load(&self->config, small_config, "test", sets, count, error), error);
    const lode_phase phase = {at->data, at->folder, 1, false};
    return lode__trainer_new(&self->trainer, &self->config, &phase, NULL, error);
}

static void close_trainer(opened *self) {
    lode__trainer_free(&self->trainer);
    lode__config_release(&self->config);
}

static const float *bias_of(const lode_trainer *trainer) {
    const lode_params *params = trainer->model->params;
    for (size_t i = 0; i < params->count; i++) {
        const lode_param *param = params->list[i];
        if (strcmp(param->name, "item.bias") != 0) continue;
        assert_int_equal(param->rows, trainer->model->vocabulary->items + 1);
        assert_int_equal(param->columns, 1);
        return param->value;
    }
    fail_msg("no item.bias");
    return NULL;
}

static void check_variant(const fixture *self, const char *const *variant) {
    const char *const sets[] = {BIASED,     PLAIN,      variant[0],
                                variant[1], variant[2], "train.learning_rate=0.03"};
    opened open;
    lode_error error = {0};
    check(try_open(&open, self, sets, sizeof sets / sizeof *sets, &error), &error);
    lode_trainer *trainer = open.trainer;
    assert_int_equal(trainer->model->item.width, DIM + 1);
    assert_int_equal(trainer->model->user.width, DIM + 1);
    assert_int_equal(trainer->scenes[0].query->columns, DIM + 1);
    const float *bias = bias_of(trainer);
    const uint32_t items = trainer->model->vocabulary->items;
    for (uint32_t row = 0; row <= items; row++)
        assert_true(bias[row] == 0);
    double first = 0, last = 0;
    for (int step = 0; step < 30; step++) {
        double loss;
        trainer->counters.step = 0;
        check(lode__trainer_step(trainer, &loss, &error), &error);
        if (step < 5) first += loss;
        if (step >= 25) last += loss;
    }
    if (!(last < 0.95 * first)) fail_msg("%s: the loss goes from %g to %g", sets[2], first, last);
    size_t moved = 0;
    for (uint32_t row = 1; row <= items; row++)
        moved += fabsf(bias[row]) > 0.01F;
    assert_true(bias[0] == 0 && moved > items / 4);
    // Encoded for evaluation and serving: embedding and bias; what the tower says and 1.
    float vectors[MOST_ITEMS * (DIM + 1)], users[3 * (DIM + 1)];
    assert_true(items <= MOST_ITEMS && trainer->encoder->interests <= 3);
    lode__encode_items(trainer->encoder, vectors);
    for (uint32_t row = 1; row <= items; row++)
        assert_true(vectors[(row - 1) * (DIM + 1) + DIM] == bias[row]);
    const lode_state state = {0, trainer->split->train_end[0]};
    lode_log_source source = {trainer->binding, &trainer->split->log, &state, false};
    const lode_user_source one = lode__log_source(&source);
    lode__encode_users(trainer->encoder, &one, 1, users);
    for (size_t k = 0; k < trainer->encoder->interests; k++)
        assert_true(users[k * (DIM + 1) + DIM] == 1);
    close_trainer(&open);
}

static void test_towers(void **state) {
    for (size_t i = 0; i < VARIANTS; i++)
        check_variant(*state, variants[i]);
}

static void test_refused(void **state) {
    const char *const cosine[] = {BIASED, PLAIN, variants[0][0], "model.scorer=cosine"};
    opened open;
    lode_error error = {0};
    const lode_status status = try_open(&open, *state, cosine, 4, &error);
    check_error(status, &error, LODE_E_CONFIG, "model.item.bias");
    close_trainer(&open);
}

// --- lists ----------------------------------------------------------------------------------------------

#define RUN                                                                                        \
    BIASED, PLAIN, "model.user={tower: bert4rec, heads: 2, blocks: 1, dropout: 0.1}",              \
        "data.examples=cloze", "objectives=[{type: full_softmax}]"
static const char *const one_thread[] = {RUN, "train.threads=1", NULL};
static const char *const three_threads[] = {RUN, "train.threads=3", NULL};

static int stop_now(void *cookie, const lode_progress *progress) {
    int *calls = cookie;
    return strcmp(progress->task, "train") == 0 && ++*calls == 2;
}

static void test_same_bits(void **state) {
    const fixture *self = *state;
    lode_error error = {0};
    check(train_small(self, "one", one_thread, NULL, NULL, &error), &error);
    check(train_small(self, "three", three_threads, NULL, NULL, &error), &error);
    check_same_run(self, "one", "three");
    int calls = 0, stops = 0;
    const lode_hooks hooks = {.cookie = &calls, .progress = stop_now};
    while (train_small(self, "stopped", one_thread, "resume: true", &hooks, &error) != LODE_OK) {
        assert_int_equal(error.status, LODE_E_STOPPED);
        calls = 0;
        assert_true(++stops < 50);
    }
    assert_true(stops >= 2);
    check_same_run(self, "one", "stopped");
}

/// The best items of each user by u . e + b, worked out here, exactly and through an index.
static void check_lists(const lode_model *model) {
    enum { LIST = 5 };
    lode_error error = {0};
    lode_session *session = NULL;
    check(lode_session_new(&session, model, 1, LIST, &error), &error);
    size_t upset = 0; // users whose list would be another one without the biases
    for (size_t user = 0; user < lode_model_user_count(model); user++) {
        const lode_query query = {.user = lode_model_user(model, user)};
        lode_candidate found[LIST];
        size_t count;
        float u[DIM + 1];
        check(lode_session_encode(session, &query, 1, u, &error), &error);
        check(lode_session_recommend(session, &query, 1, LIST, found, &count, &error), &error);
        assert_int_equal(count, LIST);
        assert_true(u[DIM] == 1);
        double best = (double)-INFINITY, best_plain = (double)-INFINITY;
        size_t top = 0, top_plain = 0;
        for (size_t item = 0; item < lode_model_item_count(model); item++) {
            const float *v = lode_model_item_vector(model, item);
            double plain = 0;
            for (size_t c = 0; c < DIM; c++)
                plain += (double)u[c] * (double)v[c];
            const double score = plain + (double)v[DIM];
            if (score > best) top = item;
            if (plain > best_plain) top_plain = item;
            best = fmax(best, score);
            best_plain = fmax(best_plain, plain);
        }
        assert_string_equal(found[0].item, lode_model_item(model, top));
        assert_true(fabs((double)found[0].score - best) < 1e-5);
        upset += top != top_plain;
    }
    assert_true(upset > 0);
    lode_session_free(&session);
}

static void test_lists(void **state) {
    const fixture *self = *state;
    lode_error error = {0};
    lode_model *model = NULL;
    char run[PATH_ROOM], *report = NULL;
    const char *const sets[] = {RUN, "train.epochs=20", "train.learning_rate=0.03", NULL};
    check(train_small(self, "lists", sets, NULL, NULL, &error), &error);
    path_in(self, "lists", run);
    check(lode_model_open(&model, run, self->data, NULL, &error), &error);
    assert_int_equal(lode_model_dim(model), DIM + 1);
    check_lists(model);
    lode_model_free(&model);
    check(lode_build_index(run, "{type: scan, k: 10}", NULL, NULL, &error), &error);
    check(lode_model_open(&model, run, self->data, NULL, &error), &error);
    check(lode_model_use_index(model, &error), &error);
    check_lists(model);
    lode_model_free(&model);
    check(lode_eval(run, "{cutoffs: [10]}", NULL, &report, &error), &error);
    lode_text_free(&report);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_towers), cmocka_unit_test(test_refused),
                                       cmocka_unit_test(test_same_bits),
                                       cmocka_unit_test(test_lists)};
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
