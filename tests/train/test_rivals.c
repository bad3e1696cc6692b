/// Towers fm, deepfm and autoint from training to serving: the same bits at any thread count, a saved model that gives a
/// user alone the vector it gives in a batch, and what they refuse.
#include "fixture.h"

static const char *const towers[] = {"fm", "deepfm, layers: [16, 8]",
                                     "autoint, heads: 2, blocks: 2, width: 8"};
enum { RIVALS = sizeof towers / sizeof *towers, ROOM = 16, MOST_USERS = 80 };

static lode_status train_rival(const fixture *self, const char *run, const char *tower,
                               const char *more, lode_error *error) {
    char user[128], item[128];
    (void)snprintf(user, sizeof user, "model.user={tower: %s}", tower);
    (void)snprintf(item, sizeof item, "model.item={tower: %s}", tower);
    const char *const sets[] = {user, item, more, NULL};
    return train_small(self, run, sets, NULL, NULL, error);
}

static void test_threads(void **state) {
    const fixture *self = *state;
    for (size_t i = 0; i < RIVALS; i++) {
        lode_error error = {0};
        char one[16], three[16];
        (void)snprintf(one, sizeof one, "rival%zu", i);
        (void)snprintf(three, sizeof three, "rival%zu-3", i);
        check(train_rival(self, one, towers[i], "train.threads=1", &error), &error);
        check(train_rival(self, three, towers[i], "train.threads=3", &error), &error);
        check_same_run(self, one, three);
    }
}

/// One query with a history of its own, one without clicks, and every user: alone as in a batch.
static void check_alone(const lode_model *model) {
    const size_t dim = lode_model_dim(model), users = lode_model_user_count(model);
    lode_error error = {0};
    const char *const clicks[] = {lode_model_item(model, 3), lode_model_item(model, 1)};
    lode_query queries[MOST_USERS + 2] = {{.history = clicks, .history_count = 2},
                                          {.history = clicks, .history_count = 0}};
    assert_in_range(users, 10, MOST_USERS);
    for (size_t i = 0; i < users; i++)
        queries[i + 2] = (lode_query){.user = lode_model_user(model, i)};
    const size_t count = users + 2;
    float *together = calloc(count, dim * sizeof *together), alone[ROOM];
    assert_true(together != NULL && dim <= ROOM);
    lode_session *many = NULL, *single = NULL;
    check(lode_session_new(&many, model, count, 1, &error), &error);
    check(lode_session_new(&single, model, 1, 1, &error), &error);
    check(lode_session_encode(many, queries, count, together, &error), &error);
    bool differ = false;
    for (size_t i = 0; i < count; i++) {
        check(lode_session_encode(single, &queries[i], 1, alone, &error), &error);
        assert_memory_equal(alone, together + i * dim, dim * sizeof *alone);
        differ = differ || memcmp(alone, together, dim * sizeof *alone) != 0;
    }
    assert_true(differ);
    lode_session_free(&many);
    lode_session_free(&single);
    free(together);
}

static void test_serving(void **state) {
    const fixture *self = *state;
    for (size_t i = 0; i < RIVALS; i++) {
        lode_error error = {0};
        lode_model *model = NULL;
        char name[16], path[PATH_ROOM];
        (void)snprintf(name, sizeof name, "rival%zu", i);
        path_in(self, name, path);
        check(lode_model_open(&model, path, self->data, NULL, &error), &error);
        assert_int_equal(lode_model_dim(model), i == 0 ? 9 : 8); // fm: model.dim + 1
        check_alone(model);
        lode_model_free(&model);
    }
}

static void test_refused(void **state) {
    const fixture *self = *state;
    lode_error error = {0};
    for (size_t i = 0; i < RIVALS; i++) {
        error = (lode_error){0};
        check_error(train_rival(self, "refused", towers[i],
                                "fields.item=[id, {name: category, dim: 4}]", &error),
                    &error, LODE_E_CONFIG,
                    "needs fields of equal dimension, but field category has 4 and the item id 8");
    }
    error = (lode_error){0};
    check_error(train_rival(self, "refused", "autoint, heads: 3, width: 8", NULL, &error), &error,
                LODE_E_CONFIG, "model.item.heads is 3");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_threads), cmocka_unit_test(test_serving),
                                       cmocka_unit_test(test_refused)};
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
