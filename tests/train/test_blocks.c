/// The model's ranker block by block: the lists and scores of one block that holds everything, ties and cold items too.
#include "eval/model_ranker.h"
#include "fixture.h"
#include "train/bundle.h"

enum { BATCH = 4, K = 12, CASES = 1300 };

typedef struct scene {
    lode_bundle *bundle;
    lode_dataset *data;
    lode_split *split;
    lode_binding *binding;
    lode_encoder *encoder;
    lode_pool *pool;
    lode_cases cases;
} scene;

/// More users than one search takes, and items that the bundle's vocabulary does not have.
static void scene_open(const fixture *self, const char *name, const char *user, scene *own) {
    const char *const epoch[] = {"train.epochs=1", user, NULL};
    char run[PATH_ROOM], data[PATH_ROOM];
    lode_error error = {0};
    path_in(self, name, run);
    path_in(self, "many.lode", data);
    check(train_small(self, name, epoch, NULL, NULL, &error), &error);
    if (access(data, F_OK) != 0)
        fixture_import(self, "{users: 1300, items: 61, exposures: 0, clicks_mean: 5, seed: 8}", data);
    check(lode__bundle_open(&own->bundle, run, &error), &error);
    check(lode__bundle_data(own->bundle, data, &own->data, NULL, &error), &error);
    check(lode__split_new(&own->split, own->data, &own->bundle->config.data.split, &error), &error);
    check(lode__binding_new(&own->binding, own->bundle->model->vocabulary, own->data, &error),
          &error);
    check(lode__binding_cold(own->binding, &error), &error);
    assert_true(own->binding->cold_count > BATCH);
    check(lode__pool_new(&own->pool, 2, &error), &error);
    check(lode__encoder_new(&own->encoder, own->bundle->model, own->bundle->model->params, BATCH,
                            own->pool, &error),
          &error);
    lode_protocol protocol = *lode__protocol_find("leave_one_out");
    lode__protocol_override(
        &protocol, &(lode_protocol_details){
                       .candidates = LODE_CANDIDATES_CATALOGUE + 1, .max_users = -1, .seed = -1});
    check(lode__cases_new(&own->cases, own->split, &protocol, LODE_PART_TEST, &error), &error);
    assert_int_equal(own->cases.count, CASES);
}

static void scene_close(scene *own) {
    lode__cases_release(&own->cases);
    lode__encoder_free(&own->encoder);
    lode__pool_free(&own->pool);
    lode__binding_free(&own->binding);
    lode__split_free(&own->split);
    lode__dataset_free(&own->data);
    lode__bundle_free(&own->bundle);
}

/// Lists of all cases, and the scores of every item for the first ones.
static void rank_all(const scene *own, size_t room, bool exclude, uint32_t *lists, float *scores) {
    enum { GROUPS = 50 };
    const lode_ranking ranking = {.longest = K, .room = room};
    const size_t items = own->data->items.count;
    lode_ranker ranker;
    lode_error error = {0};
    uint32_t *every = calloc(GROUPS * items, sizeof *every);
    uint64_t starts[GROUPS + 1];
    lode_state states[GROUPS];
    for (size_t g = 0; g <= GROUPS; g++)
        starts[g] = g * items;
    for (size_t g = 0; g < GROUPS; g++) {
        states[g] = own->cases.list[g].state;
        for (size_t i = 0; i < items; i++)
            every[g * items + i] = (uint32_t)((i + g) % items);
    }
    const lode_scoring scoring = {states, starts, every, GROUPS, scores};
    check(lode__ranker_model(&ranker, own->encoder, own->binding, &ranking, own->pool, &error),
          &error);
    for (int turn = 0; turn < 2;
         turn++) { // what one kind of work leaves behind, the other must not take
        check(ranker.rank(ranker.self, &own->cases, 0, CASES, K, exclude, lists, &error), &error);
        check(ranker.score(ranker.self, &own->cases, &scoring, &error), &error);
        lode__model_ranker_refresh(&ranker);
    }
    ranker.free(ranker.self);
    free(every);
}

static void compare(const scene *own, bool exclude) {
    static const size_t rooms[] = {1, 2 * 12 * 8 * sizeof(float), 2 * 24 * 8 * sizeof(float)};
    const size_t score_bytes = 50 * own->data->items.count * sizeof(float);
    uint32_t *whole = calloc(CASES, K * sizeof *whole), *lists = calloc(CASES, K * sizeof *lists);
    float *want = malloc(score_bytes), *scores = malloc(score_bytes);
    assert_true(whole != NULL && lists != NULL && want != NULL && scores != NULL);
    rank_all(own, 0, exclude, whole, want);
    for (size_t r = 0; r < sizeof rooms / sizeof *rooms; r++) {
        memset(lists, 0x55, CASES * K * sizeof *lists);
        memset(scores, 0x55, score_bytes);
        rank_all(own, rooms[r], exclude, lists, scores);
        assert_memory_equal(lists, whole, CASES * K * sizeof *lists);
        assert_memory_equal(scores, want, score_bytes);
    }
    free(whole);
    free(lists);
    free(want);
    free(scores);
}

static void test_blocks(void **state) {
    scene own = {0};
    scene_open(*state, "run", NULL, &own);
    compare(&own, true);
    compare(&own, false);
    lode_params *params = own.bundle->model->params;
    for (size_t p = 0; p < params->count; p++) // everything is equally good
        memset(params->list[p]->value, 0,
               params->list[p]->rows * params->list[p]->columns * sizeof(float));
    params->version++;
    compare(&own, true);
    scene_close(&own);
}

/// Of users with several vectors: the same, and scores are the largest product over them.
static void test_interests(void **state) {
    enum { DIM = 8, INTERESTS = 3 };
    scene own = {0};
    scene_open(*state, "interests",
               "model.user={tower: mind, interests: 3, adaptive: false, layers: [8]}", &own);
    compare(&own, true);
    compare(&own, false);
    const size_t items = own.data->items.count, known = own.binding->vocabulary->items;
    uint32_t *lists = calloc(CASES, K * sizeof *lists);
    float *scores = calloc(50 * items, sizeof *scores),
          *vectors = calloc(known * DIM, sizeof *vectors);
    assert_true(lists != NULL && scores != NULL && vectors != NULL);
    rank_all(&own, 0, true, lists, scores);
    lode__encode_items(own.encoder, vectors);
    for (size_t g = 0; g < BATCH; g++) {
        float user[INTERESTS][DIM];
        lode_state of_case = own.cases.list[g].state;
        lode_log_source source = {own.binding, &own.cases.split->log, &of_case, false};
        const lode_user_source users = lode__log_source(&source);
        lode__encode_users(own.encoder, &users, 1, user[0]);
        for (size_t i = 0; i < items; i++) {
            const size_t item = (i + g) % items;
            const uint32_t row = own.binding->item_row[item];
            double most = -1e30;
            for (size_t k = 0; k < INTERESTS && row != 0; k++) {
                double sum = 0;
                for (size_t c = 0; c < DIM; c++)
                    sum += (double)user[k][c] * (double)vectors[(row - 1) * DIM + c];
                most = LODE_MAX(most, sum);
            }
            const double error = (double)scores[g * items + i] - most;
            assert_true(row == 0 || error * error < 1e-10 * (1 + most * most));
        }
    }
    free(lists);
    free(scores);
    free(vectors);
    scene_close(&own);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_blocks),
                                       cmocka_unit_test(test_interests)};
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
