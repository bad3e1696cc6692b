/// What serving takes from a model that was trained with MicRec's tasks is what it takes from its base: the same tensors of
/// the same shapes in a file of the same bytes, the same ops on as much memory, and so the same time. From the same weights
/// come the same answers, bit for bit.
#include "../train/micrec.h"

#include "retrieve/model.h"

#include <dirent.h>
#include <time.h>

enum { QUERIES = 32, LIST = 50, CLICKS = 6, WIDTH = 8, RUNS = 41, REQUESTS = 20 };

static const char base_objectives[] = "  - {type: in_batch}\n";
static const char task_objectives[] = "  - {type: in_batch}\n"
                                      "  - {type: micrec.feature, weight: 0.5}\n"
                                      "  - {type: micrec.semantic, weight: 0.3}\n"
                                      "  - {type: micrec.session, weight: 0.3}\n";

/// A tower that averages clicks, and one that attends to them.
static const char *const towers[] = {"model.user={tower: youtubednn, layers: [8]}",
                                     "model.user={tower: ican, heads: 2, layers: [8]}"};

// ------------------------------------------------------------------------------------------------
// The two bundles
// ------------------------------------------------------------------------------------------------

static void train(const fixture *self, const char *run, const char *objectives, const char *tower,
                  const char *epochs) {
    char path[PATH_ROOM], *resolved = NULL, *text = config_text(objectives);
    const char *const sets[] = {tower, epochs, "train.threads=1"};
    lode_error error = {0};
    path_in(self, run, path);
    remove_tree(path);
    check(lode_config_resolve(text, NULL, sets, 3, &resolved, &error), &error);
    check(lode_train(self->data, path, resolved, NULL, NULL, NULL, &error), &error);
    lode_text_free(&resolved);
    free(text);
}

/// A bundle that is ready to answer.
typedef struct server {
    lode_model *model;
    lode_session *session;
} server;

static void server_open(server *it, const fixture *self, const char *run) {
    char path[PATH_ROOM];
    lode_error error = {0};
    path_in(self, run, path);
    check(lode_model_open(&it->model, path, "", NULL, &error), &error);
    check(lode_session_new(&it->session, it->model, QUERIES, LIST, &error), &error);
}

static void server_close(server *it) {
    lode_session_free(&it->session);
    lode_model_free(&it->model);
}

typedef struct pair {
    server base, tasks;
} pair;

static void pair_open(pair *it, const fixture *self, const char *tower, const char *epochs) {
    train(self, "base", base_objectives, tower, epochs);
    train(self, "tasks", task_objectives, tower, epochs);
    server_open(&it->base, self, "base");
    server_open(&it->tasks, self, "tasks");
}

static void pair_close(pair *it) {
    server_close(&it->base);
    server_close(&it->tasks);
}

// ------------------------------------------------------------------------------------------------
// What is compared
// ------------------------------------------------------------------------------------------------

static void same_params(const lode_params *a, const lode_params *b) {
    size_t state_a, state_b;
    assert_int_equal(a->count, b->count);
    for (size_t k = 0; k < a->count; k++) {
        const lode_param *x = a->list[k], *y = b->list[k];
        assert_string_equal(x->name, y->name);
        assert_int_equal(x->rows, y->rows);
        assert_int_equal(x->columns, y->columns);
        assert_true((x->store == NULL) == (y->store == NULL));
    }
    assert_int_equal(a->precision, b->precision);
    assert_int_equal(lode__params_bytes(a, &state_a), lode__params_bytes(b, &state_b));
    assert_int_equal(state_a + state_b, 0); // nothing of training is held
}

static void same_graph(const lode_graph *a, const lode_graph *b) {
    assert_true(a->node_count > 0);
    assert_int_equal(a->node_count, b->node_count);
    for (size_t k = 0; k < a->node_count; k++) {
        const lode_tensor *x = a->nodes[k].output, *y = b->nodes[k].output;
        assert_string_equal(a->nodes[k].op->name, b->nodes[k].op->name);
        assert_true((x == NULL) == (y == NULL));
        if (x == NULL) continue;
        assert_int_equal(x->rows->capacity, y->rows->capacity);
        assert_int_equal(x->columns, y->columns);
        assert_int_equal(x->elements, y->elements);
    }
    assert_int_equal(a->scratch_size, b->scratch_size);
    assert_int_equal(lode__graph_bytes(a), lode__graph_bytes(b));
}

static void same_index(const lode_index *a, const lode_index *b) {
    assert_string_equal(lode__index_kind_name(a), lode__index_kind_name(b));
    assert_int_equal(lode__index_size(a), lode__index_size(b));
    assert_int_equal(lode__index_dim(a), lode__index_dim(b));
    assert_int_equal(lode__index_effort(a), lode__index_effort(b));
}

/// The names of a run's files, and the sizes of those that are served.
static void list_files(const fixture *self, const char *run, char *list, size_t room) {
    char path[PATH_ROOM];
    struct dirent **found;
    size_t at = 0;
    path_in(self, run, path);
    const int count = scandir(path, &found, NULL, alphasort);
    assert_true(count > 0);
    for (int k = 0; k < count; k++) {
        const char *name = found[k]->d_name;
        const bool served = !strcmp(name, LODE_WEIGHTS_FILE) || !strcmp(name, LODE_VOCABULARY_FILE);
        bytes file = {0};
        if (served) file = read_file(self, run, name);
        at += (size_t)snprintf(list + at, room - at, "%s %zu\n", name, file.size);
        assert_true(at < room && (!served || file.size > 0));
        free(file.data);
        free(found[k]);
    }
    free(found);
}

static void same_files(const fixture *self) {
    char base[1024], tasks[1024];
    list_files(self, "base", base, sizeof base);
    list_files(self, "tasks", tasks, sizeof tasks);
    assert_string_equal(base, tasks);
    const char *const runs[] = {"base", "tasks"};
    lode_safetensors files[2];
    for (int k = 0; k < 2; k++) {
        char path[2 * PATH_ROOM];
        lode_error error = {0};
        (void)snprintf(path, sizeof path, "%s/%s/%s", self->folder, runs[k], LODE_WEIGHTS_FILE);
        check(lode__safetensors_open(&files[k], path, &error), &error);
    }
    assert_true(files[0].count > 5);
    assert_int_equal(files[0].count, files[1].count);
    for (size_t k = 0; k < files[0].count; k++) {
        const lode_tensor_view *x = &files[0].tensors[k], *y = &files[1].tensors[k];
        assert_string_equal(x->name, y->name);
        assert_int_equal(x->dtype, y->dtype);
        assert_int_equal(x->rank, y->rank);
        assert_int_equal(x->bytes, y->bytes);
        assert_memory_equal(x->shape, y->shape, x->rank * sizeof *x->shape);
    }
    for (int k = 0; k < 2; k++)
        lode__safetensors_close(&files[k]);
}

static void same_server(const fixture *self, const pair *it) {
    const lode_encoder *a = it->base.session->encoder, *b = it->tasks.session->encoder;
    same_params(it->base.model->bundle->model->params, it->tasks.model->bundle->model->params);
    same_graph(a->user_graph, b->user_graph);
    same_graph(a->item_graph, b->item_graph);
    same_index(it->base.model->index, it->tasks.model->index);
    assert_int_equal(it->base.model->dim, it->tasks.model->dim);
    assert_int_equal(it->base.model->interests, it->tasks.model->interests);
    same_files(self);
}

// ------------------------------------------------------------------------------------------------
// Requests
// ------------------------------------------------------------------------------------------------

typedef struct answers {
    lode_candidate candidates[QUERIES * LIST];
    size_t found[QUERIES];
} answers;

/// Requests of one to six clicks.
typedef struct request {
    const char *clicks[QUERIES][CLICKS];
    lode_query queries[QUERIES];
} request;

static void request_make(request *out, const server *it) {
    const size_t items = lode_model_item_count(it->model);
    for (size_t i = 0; i < QUERIES; i++) {
        for (size_t k = 0; k < CLICKS; k++)
            out->clicks[i][k] = lode_model_item(it->model, (7 * i + 11 * k) % items);
        out->queries[i] = (lode_query){
            .history = out->clicks[i], .history_count = CLICKS - i % CLICKS, .exclude_seen = true};
    }
}

static void ask(const server *it, answers *out) {
    request own;
    lode_error error = {0};
    request_make(&own, it);
    check(lode_session_recommend(it->session, own.queries, QUERIES, LIST, out->candidates,
                                 out->found, &error),
          &error);
}

/// The part of a request that the model computes.
static void encode(const server *it, answers *out) {
    static float vectors[QUERIES * WIDTH];
    request own;
    lode_error error = {0};
    (void)out;
    assert_int_equal(lode_model_dim(it->model), WIDTH);
    request_make(&own, it);
    check(lode_session_encode(it->session, own.queries, QUERIES, vectors, &error), &error);
}

static void same_answers(const pair *it) {
    answers *both = calloc(2, sizeof *both);
    assert_non_null(both);
    ask(&it->base, &both[0]);
    ask(&it->tasks, &both[1]);
    for (size_t i = 0; i < QUERIES; i++) {
        assert_int_equal(both[0].found[i], LIST);
        assert_int_equal(both[1].found[i], LIST);
    }
    for (size_t k = 0; k < QUERIES * LIST; k++) {
        const lode_candidate *x = &both[0].candidates[k], *y = &both[1].candidates[k];
        assert_string_equal(x->item, y->item);
        assert_memory_equal(&x->score, &y->score, sizeof x->score);
    }
    free(both);
}

/// Seconds of this thread's processor, which those who run beside it do not take.
static double processor_time(void) {
    struct timespec now;
    assert_int_equal(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now), 0);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

typedef void work(const server *it, answers *out);

static double time_of(work *of, const server *it, answers *out) {
    const double begin = processor_time();
    for (int k = 0; k < REQUESTS; k++)
        of(it, out);
    return processor_time() - begin;
}

static int rising(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/// Median of the times with tasks over that without, in turns.
static double slowdown(const pair *it, work *of) {
    double times[2][RUNS];
    answers *out = calloc(1, sizeof *out);
    assert_non_null(out);
    (void)time_of(of, &it->base, out);
    (void)time_of(of, &it->tasks, out);
    for (int run = 0; run < RUNS; run++) {
        times[0][run] = time_of(of, &it->base, out);
        times[1][run] = time_of(of, &it->tasks, out);
    }
    free(out);
    for (int k = 0; k < 2; k++)
        qsort(times[k], RUNS, sizeof times[k][0], rising);
    assert_true(times[0][RUNS / 2] > 0);
    return times[1][RUNS / 2] / times[0][RUNS / 2];
}

// ------------------------------------------------------------------------------------------------
// Tests
// ------------------------------------------------------------------------------------------------

static void test_size(void **state) {
    for (size_t t = 0; t < sizeof towers / sizeof *towers; t++) {
        pair it;
        pair_open(&it, *state, towers[t], "train.epochs=0");
        same_server(*state, &it);
        same_answers(&it); // both have the initial weights
        check_same_file(*state, "base", "tasks", LODE_WEIGHTS_FILE);
        pair_close(&it);
    }
}

static void test_trained(void **state) {
    pair it;
    pair_open(&it, *state, towers[0], "train.epochs=1");
    same_server(*state, &it);
    const lode_params *a = it.base.model->bundle->model->params;
    const lode_params *b = it.tasks.model->bundle->model->params;
    const lode_param *last = a->list[a->count - 1]; // the tasks took part
    assert_true(memcmp(last->value, b->list[a->count - 1]->value,
                       last->rows * last->columns * sizeof(float)) != 0);
    work *const parts[] = {ask, encode};
    for (int k = 0; k < 2; k++) {
        const double ratio = slowdown(&it, parts[k]);
        if (!(ratio < 1.5 && ratio > 1 / 1.5))
            fail_msg("%s takes %.2f of the time that it takes with the base",
                     k == 0 ? "a request" : "encoding", ratio);
    }
    pair_close(&it);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_size), cmocka_unit_test(test_trained)};
    return cmocka_run_group_tests(tests, setup, fixture_teardown);
}
