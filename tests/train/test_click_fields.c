/// ican that looks at the fields of clicks (history_fields, rows: fields), from training to serving: the same bits at any
/// thread count and precision, a saved model that gives a user alone the vector it gives in a batch and as a list of
/// tokens without the data set, and what is refused. And the packing of fields, by hand.
#include "fixture.h"
#include "model/view.h"

static const char *const towers[] = {
    "ican, heads: 2, feed_forward: 16, layers: [16, 8], history_fields: auto",
    "ican, heads: 2, feed_forward: 16, layers: [16, 8], history_fields: [tags]",
    "ican, feed_forward: 16, layers: [16, 8], dropout: 0.1, rows: fields"};
enum { TOWERS = sizeof towers / sizeof *towers, ROOM = 8, MOST_USERS = 80, CLICKS = 128 };

static lode_status train_tower(const fixture *self, const char *run, const char *tower,
                               const char *const more[2], lode_error *error) {
    char user[160];
    (void)snprintf(user, sizeof user, "model.user={tower: %s}", tower);
    const char *const sets[] = {user, "fields.user=[]", more[0], more[1], NULL};
    return train_small(self, run, sets, NULL, NULL, error);
}

static void test_threads(void **state) {
    const fixture *self = *state;
    static const char *const precisions[] = {"train.precision=f32", "train.precision=bf16"};
    for (size_t i = 0; i < TOWERS; i++) {
        for (size_t p = 0; p < 2; p++) {
            lode_error error = {0};
            char one[16], three[24];
            (void)snprintf(one, sizeof one, "run%zu%s", i, p == 0 ? "" : "-bf16");
            (void)snprintf(three, sizeof three, "%s-3", one);
            const char *const sets[2][2] = {{precisions[p], "train.threads=1"},
                                            {precisions[p], "train.threads=3"}};
            check(train_tower(self, one, towers[i], sets[0], &error), &error);
            check(train_tower(self, three, towers[i], sets[1], &error), &error);
            check_same_run(self, one, three);
        }
    }
}

static lode_model *open_run(const fixture *self, size_t number, const char *data) {
    lode_error error = {0};
    lode_model *model = NULL;
    char name[16], path[PATH_ROOM];
    (void)snprintf(name, sizeof name, "run%zu", number);
    path_in(self, name, path);
    check(lode_model_open(&model, path, data, NULL, &error), &error);
    assert_int_equal(lode_model_dim(model), ROOM);
    return model;
}

/// Vectors of `count` queries in one batch, and the same ones one by one.
static void encode(const lode_model *model, const lode_query *queries, size_t count, float *vectors) {
    lode_error error = {0};
    lode_session *many = NULL, *single = NULL;
    float alone[ROOM];
    check(lode_session_new(&many, model, count, 1, &error), &error);
    check(lode_session_new(&single, model, 1, 1, &error), &error);
    check(lode_session_encode(many, queries, count, vectors, &error), &error);
    for (size_t i = 0; i < count; i++) {
        check(lode_session_encode(single, &queries[i], 1, alone, &error), &error);
        assert_memory_equal(alone, vectors + i * ROOM, sizeof alone);
    }
    lode_session_free(&many);
    lode_session_free(&single);
}

static void test_serving(void **state) {
    const fixture *self = *state;
    for (size_t i = 0; i < TOWERS; i++) {
        lode_model *model = open_run(self, i, self->data), *bare = open_run(self, i, NULL);
        const size_t users = lode_model_user_count(model);
        lode_query known[MOST_USERS] = {{0}}, given[MOST_USERS + 1] = {{0}};
        static const char *clicks[MOST_USERS][CLICKS];
        static float first[MOST_USERS][ROOM], second[MOST_USERS + 1][ROOM];
        assert_in_range(users, 10, MOST_USERS);
        for (size_t u = 0; u < users; u++) {
            known[u].user = lode_model_user(model, u);
            const size_t length = lode_model_history(model, known[u].user, clicks[u], CLICKS);
            assert_in_range(length, 1, CLICKS);
            given[u] = (lode_query){.history = clicks[u], .history_count = length};
        }
        encode(model, known, users, first[0]);
        encode(bare, given, users + 1, second[0]); // the last one has no clicks
        assert_memory_equal(first, second, users * sizeof first[0]);
        assert_memory_not_equal(first[0], first[1], sizeof first[0]);
        assert_memory_not_equal(first[0], second[users], sizeof first[0]);
        lode_model_free(&model);
        lode_model_free(&bare);
    }
}

/// Users that clicked items 2 and 1 (the newest first), item 1, nothing, item 3.
static const uint32_t histories[][2] = {{2, 1}, {1, 0}, {0, 0}, {3, 0}};
static const size_t lengths[] = {2, 1, 0, 1};

static size_t user_history(void *self, size_t index, size_t limit, uint32_t *rows) {
    (void)self;
    assert_true(lengths[index] <= limit);
    memcpy(rows, histories[index], lengths[index] * sizeof *rows);
    return lengths[index];
}

static lode_vocabulary *three_items(void) {
    static uint64_t one_each[] = {0, 1, 2, 3, 4}, tag_starts[] = {0, 0, 2, 3, 3};
    static uint32_t categories[] = {0, 2, 0, 1}, tags[] = {3, 1, 2};
    lode_vocabulary *self = lode__alloc(1, sizeof *self);
    assert_non_null(self);
    self->count = 3;
    self->items = 3;
    self->fields[0] = (lode_field){.name = "id", .is_id = true, .dim = 8, .longest = 1, .rows = 4};
    self->fields[1] = (lode_field){
        .name = "category", .dim = 8, .longest = 1, .rows = 3, .items = {one_each, categories}};
    self->fields[2] = (lode_field){
        .name = "tags", .multi = true, .dim = 8, .longest = 2, .rows = 4, .items = {tag_starts, tags}};
    return self;
}

static void check_numbers(const int32_t *found, const int32_t *expected, size_t count) {
    assert_memory_equal(found, expected, count * sizeof *found);
}

static void pack(const char *tower, bool by_click) {
    lode_error error = {0};
    lode_arena arena = {0};
    lode_node *root = NULL;
    lode_model_core *model = NULL;
    lode_graph *graph = NULL;
    check(lode__yaml_parse(&arena, tower, strlen(tower), "test", &root, &error), &error);
    lode_model_options options = {.dim = 8, .init = 0.1};
    options.user = lode__node_get(root, "user");
    options.item = lode__node_get(root, "item");
    check(lode__model_core_new(&model, &options, 2, three_items(), 1, &error), &error);
    check(lode__graph_new(&graph, LODE_F32, false, NULL, &error), &error);
    lode_user_view *view = lode__user_view_new(graph, model, model->params, 5);
    assert_non_null(view);
    check(lode__graph_finish(graph, &error), &error);
    const lode_user_source source = {.history = user_history};
    for (int again = 0; again < 2; again++) {
        lode__user_view_fill(view, &source, 4);
        const lode_field_input *tags = &view->inputs.clicked[view->inputs.clicked_count - 1];
        assert_string_equal(tags->field->name, "tags");
        assert_int_equal(tags->ids->dim->size, 5); // of items 2, 1, 1, 3: {2}, {3, 1}, {3, 1}, {}
        check_numbers(tags->ids->data, (const int32_t[]){2, 3, 1, 3, 1}, 5);
        if (by_click) {
            assert_int_equal(view->inputs.clicked_count, 1);
            check_numbers(tags->lists->offsets, (const int32_t[]){0, 1, 3, 5, 5}, 5);
        } else {
            const lode_field_input *category = &view->inputs.clicked[0];
            assert_int_equal(view->inputs.clicked_count, 2);
            assert_null(category->lists); // as many as clicks: pooled by the history itself
            check_numbers(category->ids->data, (const int32_t[]){0, 2, 2, 1}, 4);
            check_numbers(tags->lists->offsets, (const int32_t[]){0, 3, 5, 5, 5}, 5);
        }
        lode__graph_forward(graph);
    }
    lode__graph_free(&graph);
    lode__model_core_free(&model);
    lode__arena_release(&arena);
}

static void test_packing(void **state) {
    (void)state;
    pack("{user: {tower: ican, layers: [8], history_fields: [tags]}, item: {tower: id}}", true);
    pack("{user: {tower: ican, layers: [8], rows: fields}, item: {tower: id}}", false);
}

/// What an objective may ask of a tower follows its configuration.
static void test_gives(void **state) {
    (void)state;
    static const char *const texts[] = {"{rows: clicks}", "{rows: fields}"};
    for (size_t i = 0; i < 2; i++) {
        lode_error error = {0};
        lode_arena arena = {0};
        lode_node *part = NULL;
        lode_tower tower;
        check(lode__yaml_parse(&arena, texts[i], strlen(texts[i]), "test", &part, &error), &error);
        check(lode__tower_read(&tower, part, LODE_SIDE_USER, &arena, &error), &error);
        assert_int_equal(tower.gives, LODE_NEED_VECTOR | (i == 0 ? LODE_NEED_POSITIONS : 0));
        lode__arena_release(&arena);
    }
}

static void test_refused(void **state) {
    const fixture *self = *state;
    static const struct {
        const char *tower, *fields, *message;
    } wrong[] = {
        {"history_fields: [categry]", NULL,
         "model.user.history_fields: no item field in use is called \"categry\"; did you mean "
         "\"category\""},
        {"history_fields: [tags]", "fields.item=[id, category]",
         "no item field in use is called \"tags\"; there are: category"},
        {"history_fields: [gender]", NULL, "no item field in use is called \"gender\""},
        {"history_fields: [tags]", "fields.item=[id]",
         "names tags, but section fields takes no item field of this data besides the id"},
        {"history_fields: id", NULL,
         "history_fields names id, which a click's row always begins with"},
        {"history_fields: [tags, category, tags]", NULL, "tags stands twice"},
        {"rows: fields, history_fields: auto", NULL, "but model.user.rows is fields"},
        {"rows: fields", "fields.item=[id, {name: category, dim: 4}]",
         "rows: fields needs item fields of equal dimension, but field category has 4 and the item "
         "id 8"},
        {"rows: fields, heads: 3", NULL, "model.user.heads is 3, but the item id has 8 dimensions"}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        lode_error error = {0};
        char tower[128];
        (void)snprintf(tower, sizeof tower, "ican, layers: [16, 8], %s", wrong[i].tower);
        const char *const sets[2] = {wrong[i].fields, NULL};
        check_error(train_tower(self, "refused", tower, sets, &error), &error, LODE_E_CONFIG,
                    wrong[i].message);
    }
}

/// `auto` takes what there is, and where there is nothing it is the tower without it.
static void test_auto(void **state) {
    const fixture *self = *state;
    static const char *const only_id[] = {"fields.item=[id]", NULL};
    lode_error error = {0};
    check(train_tower(self, "auto", "ican, heads: 2, layers: [8], history_fields: [auto]", only_id,
                      &error),
          &error);
    check(train_tower(self, "plain", "ican, heads: 2, layers: [8]", only_id, &error), &error);
    check_same_file(self, "auto", "plain", "model.safetensors");
    check(train_tower(self, "one-row", "ican, layers: [8], rows: fields", only_id, &error), &error);
    static const char *const unequal[] = {"fields.item=[id, {name: category, dim: 3}]", NULL};
    check(train_tower(self, "unequal", "ican, heads: 2, layers: [8], history_fields: [category, auto]",
                      unequal, &error),
          &error);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_threads), cmocka_unit_test(test_serving),
        cmocka_unit_test(test_packing), cmocka_unit_test(test_gives),
        cmocka_unit_test(test_refused), cmocka_unit_test(test_auto)};
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
