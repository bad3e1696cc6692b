/// lode_eval under protocols: what stands in `rows` and `also`, the same at any number of threads; cold items; a file
/// of true items; what is refused.
#include <jansson.h>
#include <math.h>

#include "fixture.h"
#include "train/measure.h"

static json_t *eval(const fixture *self, const char *run, const char *options) {
    char path[PATH_ROOM];
    char *report = NULL;
    lode_error error = {0};
    path_in(self, run, path);
    check(lode_eval(path, options, NULL, &report, &error), &error);
    json_t *json = json_loads(report, 0, NULL);
    assert_non_null(json);
    lode_text_free(&report);
    return json;
}

static void train(const fixture *self, const char *run, const char *const *sets) {
    lode_error error = {0};
    check(train_small(self, run, sets, NULL, NULL, &error), &error);
}

static void refused(const fixture *self, const char *run, const char *options, lode_status expected,
                    const char *fragment) {
    char path[PATH_ROOM];
    char *report = NULL;
    lode_error error = {0};
    path_in(self, run, path);
    check_error(lode_eval(path, options, NULL, &report, &error), &error, expected, fragment);
    assert_null(report);
}

static const char *text_of(const json_t *table, const char *key) {
    const char *text = json_string_value(json_object_get(table, key));
    return text != NULL ? text : "";
}

static json_t *row_of(const json_t *report, const char *ranker) {
    return json_object_get(json_object_get(report, "rows"), ranker);
}

static const char *const few_epochs[] = {"train.epochs=1", NULL};
static const char *const by_time[] = {"train.epochs=1", "data.split.type=chronological",
                                      "data.split.test=0.9", NULL};

/// clrec: the named protocol alone in `rows`; the other count of popularity and full ranking in `also`.
static void test_clrec(void **state) {
    const fixture *self = *state;
    train(self, "one", few_epochs);
    json_t *report = eval(self, "one", "{protocol: bert4rec, cutoffs: [5], negatives: 20}");
    assert_string_equal(text_of(report, "protocol"), "clrec");
    assert_string_equal(text_of(report, "candidates"), "popularity");
    assert_string_equal(text_of(report, "popularity_from"), "all");
    assert_int_equal(json_object_size(json_object_get(report, "rows")), 4);
    json_t *also = json_object_get(report, "also");
    assert_int_equal(json_array_size(also), 2);
    assert_string_equal(text_of(json_array_get(also, 0), "popularity_from"), "train");
    assert_string_equal(text_of(json_array_get(also, 1), "candidates"), "all");
    for (size_t i = 0; i < 2; i++)
        assert_non_null(json_object_get(json_object_get(json_array_get(also, i), "rows"), "model"));
    json_t *again = eval(self, "one", "{protocol: clrec, cutoffs: [5], negatives: 20, threads: 3}");
    for (size_t i = 0; i < 2; i++) { // all but the report's memory, which is the process's
        const char *part = i == 0 ? "rows" : "also";
        assert_true(json_equal(json_object_get(report, part), json_object_get(again, part)));
    }
    json_decref(again);
    again = eval(self, "one", "{protocol: clrec, cutoffs: [5], negatives: 20, seed: 2}");
    assert_false(json_equal(json_object_get(report, "rows"), json_object_get(again, "rows")));
    json_decref(again);
    json_decref(report);
}

/// Full ranking of all protocols that fit, and none that does not.
static void test_fits(void **state) {
    const fixture *self = *state;
    static const char *const fitting[] = {"leave_one_out", "sasrec", "clrec", "recbole"};
    for (size_t i = 0; i < 4; i++) {
        char options[64];
        (void)snprintf(options, sizeof options, "{protocol: %s, negatives: 10}", fitting[i]);
        json_t *report = eval(self, "one", options);
        assert_string_equal(text_of(report, "protocol"), fitting[i]);
        json_decref(report);
    }
    refused(self, "one", "{protocol: micrec}", LODE_E_MISMATCH,
            "protocol micrec needs split type chronological, but the data is split by "
            "leave_one_out, which "
            "fits: leave_one_out, sasrec, clrec, recbole");
    refused(self, "one", "{protocol: ccl4rec}", LODE_E_MISMATCH, "needs split type ratio");
    refused(self, "one", "{candidates: exposures}", LODE_E_MISMATCH, "ratio");
    refused(self, "one", "{slices: [cold-item]}", LODE_E_CONFIG, "did you mean \"cold-items\"?");
    refused(self, "one", "{truth: nowhere.tsv}", LODE_E_SYSTEM, "nowhere.tsv");
    refused(self, "one", "{unseen_items: guess}", LODE_E_CONFIG, "unseen_items");
}

/// recbole: a tower that reads histories keeps seen items, a dssm without them does not; popularity never does.
static void test_recbole(void **state) {
    const fixture *self = *state;
    static const char *const plain[] = {"train.epochs=1", "fields.user=[id, auto]",
                                        "model.user={tower: dssm, history: false, layers: [16, 8]}",
                                        NULL};
    train(self, "plain", plain);
    for (int r = 0; r < 2; r++) {
        const char *run = r == 0 ? "one" : "plain";
        json_t *named = eval(self, run, "{protocol: recbole, cutoffs: [10]}");
        json_t *kept = eval(self, run, "{protocol: recbole, cutoffs: [10], exclude_seen: 'no'}");
        json_t *left_out = eval(self, run, "{protocol: leave_one_out, cutoffs: [10]}");
        assert_true(json_equal(row_of(named, "model"), row_of(r == 0 ? kept : left_out, "model")));
        assert_false(json_equal(row_of(kept, "model"), row_of(left_out, "model")));
        assert_true(json_equal(row_of(named, "popularity"), row_of(left_out, "popularity")));
        json_decref(named);
        json_decref(kept);
        json_decref(left_out);
    }
}

/// Every slice has a table with its name; cold items are found by the model alone.
static void test_slices(void **state) {
    const fixture *self = *state;
    train(self, "time", by_time);
    json_t *report = eval(
        self, "time", "{slices: [tail, cold-items, cold-users], short_history: 9, cutoffs: [20]}");
    json_t *also = json_object_get(report, "also");
    static const char *const names[] = {"", "cold-items", "cold-users", "tail"};
    assert_int_equal(json_array_size(also), 4); // the other exclusion first
    for (size_t i = 0; i < 4; i++)
        assert_string_equal(text_of(json_array_get(also, i), "slice"), names[i]);
    json_t *cold = json_array_get(also, 1);
    assert_string_equal(text_of(cold, "unseen_items"), "encode");
    assert_true(json_integer_value(json_object_get(cold, "cases")) ==
                json_integer_value(json_object_get(report, "dropped")));
    assert_true(json_integer_value(json_object_get(cold, "cases")) > 0);
    json_decref(report);
    report = eval(self, "time", "{unseen_items: encode, candidates: catalogue, cutoffs: [20]}");
    assert_int_equal(json_integer_value(json_object_get(report, "items")), 40);
    assert_int_equal(json_integer_value(json_object_get(report, "dropped")), 0);
    json_decref(report);
}

/// The vector of a cold item is that of an item with the same columns whose id is the unknown one.
static void test_cold_vectors(void **state) {
    const fixture *self = *state;
    char path[PATH_ROOM];
    lode_error error = {0};
    lode_bundle *bundle = NULL;
    lode_dataset *data = NULL;
    lode_binding *binding = NULL;
    lode_encoder *encoder = NULL;
    path_in(self, "time", path);
    check(lode__bundle_open(&bundle, path, &error), &error);
    check(lode__bundle_data(bundle, NULL, &data, NULL, &error), &error);
    const lode_vocabulary *words = bundle->model->vocabulary;
    check(lode__binding_new(&binding, words, data, &error), &error);
    check(lode__encoder_new(&encoder, bundle->model, bundle->model->params, 16, NULL, &error),
          &error);
    enum { ROW = 3, DIM = 8 };
    const uint32_t twin = binding->item_of[ROW]; // this item, as if training had not seen it
    binding->item_row[twin] = 0;
    check(lode__binding_cold(binding, &error), &error);
    assert_in_range(binding->cold_count, 1, 40);
    uint32_t place = 0;
    while (binding->cold_items[place] != twin)
        place++;
    static float cold[40 * DIM], known[40 * DIM];
    for (uint32_t i = 0; i < binding->cold_count; i++)
        lode__encode_cold(encoder, binding, &i, 1, cold + i * DIM);
    lode__encode_items(encoder, known);
    assert_memory_not_equal(cold + place * DIM, known + (ROW - 1) * DIM, DIM * sizeof *cold);
    const lode_param *ids = bundle->model->params->list[words->fields[words->item_id].table];
    float *rows = ids->value;
    memcpy(rows + ROW * ids->columns, rows, ids->columns * sizeof *rows);
    lode__encode_items(encoder, known);
    assert_memory_equal(cold + place * DIM, known + (ROW - 1) * DIM, DIM * sizeof *cold);
    lode__encoder_free(&encoder);
    lode__binding_free(&binding);
    lode__dataset_free(&data);
    lode__bundle_free(&bundle);
}

/// Held-out users train nothing: the vocabulary does not know them, nor items that only they clicked.
static void test_held_out_users(void **state) {
    const fixture *self = *state;
    static const char *const with_ids[] = {"train.epochs=1", "data.split.type=users",
                                           "data.split.test=0.3", "fields.user=[id, auto]", NULL};
    train(self, "users", with_ids);
    json_t *report = eval(self, "users", "{protocol: mic, cutoffs: [10]}");
    assert_string_equal(text_of(report, "history"), "frozen");
    json_decref(report);
    char path[PATH_ROOM];
    lode_error error = {0};
    lode_bundle *bundle = NULL;
    lode_dataset *data = NULL;
    lode_split *split = NULL;
    lode_binding *binding = NULL;
    path_in(self, "users", path);
    check(lode__bundle_open(&bundle, path, &error), &error);
    check(lode__bundle_data(bundle, NULL, &data, NULL, &error), &error);
    check(lode__split_new(&split, data, &bundle->config.data.split, &error), &error);
    check(lode__binding_new(&binding, bundle->model->vocabulary, data, &error), &error);
    size_t number = 0, held = 0;
    while (bundle->model->vocabulary->fields[number].side != LODE_SIDE_USER ||
           !bundle->model->vocabulary->fields[number].is_id)
        number++;
    for (uint32_t user = 0; user < data->users.count; user++) {
        const bool trains = split->train_end[user] > split->log.offsets[user];
        held += !trains;
        assert_int_equal(trains, binding->users[number].codes[user] != 0);
    }
    assert_in_range(held, 15, 50);
    for (uint32_t item = 0; item < data->items.count; item++)
        assert_int_equal(split->item_count[item] > 0, binding->item_row[item] > 0);
    lode__binding_free(&binding);
    lode__split_free(&split);
    lode__dataset_free(&data);
    lode__bundle_free(&bundle);
}

/// Unknown users and items of a file are counted; the known ones are to be found.
static void test_truth(void **state) {
    const fixture *self = *state;
    char path[PATH_ROOM], options[PATH_ROOM + 64];
    lode_error error = {0};
    lode_bundle *bundle = NULL;
    lode_dataset *data = NULL;
    path_in(self, "one", path);
    check(lode__bundle_open(&bundle, path, &error), &error);
    check(lode__bundle_data(bundle, NULL, &data, NULL, &error), &error);
    char text[512];
    const char *u = lode__token(&data->users, 3), *v = lode__token(&data->users, 1);
    const char *i = lode__token(&data->items, 5), *j = lode__token(&data->items, 6);
    const int length = snprintf(
        text, sizeof text, "user\titem\n%s\t%s\n%s\t%s\n%s\t%s\n%s\t%s\nnobody\t%s\n%s\tnothing\n",
        u, i, u, j, u, i, v, j, i, v);
    write_file(self, "one", "truth.tsv", text, (size_t)length);
    lode_truth truth;
    (void)snprintf(path, sizeof path, "%s/one/truth.tsv", self->folder);
    check(lode__truth_read(&truth, path, data, &error), &error);
    assert_int_equal(truth.rows, 6);
    assert_int_equal(truth.unknown_users, 1);
    assert_int_equal(truth.unknown_items, 1);
    assert_int_equal(truth.starts[1], 0);
    assert_int_equal(truth.starts[2], 1);
    assert_int_equal(truth.starts[data->users.count], 3);
    assert_int_equal(truth.items[0], 6);
    assert_int_equal(truth.items[1], 5);
    assert_int_equal(truth.items[2], 6);
    lode__truth_release(&truth);
    (void)snprintf(options, sizeof options, "{truth: '%s', cutoffs: [10]}", path);
    json_t *report = eval(self, "one", options);
    const json_t *table = json_array_get(json_object_get(report, "also"), 0);
    assert_string_equal(text_of(table, "truth"), "truth.tsv");
    assert_int_equal(json_integer_value(json_object_get(table, "cases")), 2);
    assert_int_equal(json_integer_value(json_object_get(table, "unknown_users")), 1);
    assert_int_equal(json_integer_value(json_object_get(table, "unknown_items")), 1);
    json_decref(report);
    write_file(self, "one", "truth.tsv", "user\tprice\na\t3\n", 15);
    refused(self, "one", options, LODE_E_INPUT, "no item column among 'user', 'price'");
    write_file(self, "one", "truth.tsv", "user\titem\nnobody\tnothing\n", 25);
    report = eval(self, "one", options); // nobody to ask about: an empty table
    table = json_array_get(json_object_get(report, "also"), 0);
    assert_int_equal(json_integer_value(json_object_get(table, "cases")), 0);
    json_decref(report);
    lode__dataset_free(&data);
    lode__bundle_free(&bundle);
}

static double number_of(const json_t *row, const char *metric) {
    const json_t *value = json_object_get(row, metric);
    if (!json_is_number(value)) fail_msg("no %s", metric);
    return json_number_value(value);
}

/// pred5-hr chooses the epoch, and eval measures what training saw; under a rolling history the next click is R.
static void test_next_clicks(void **state) {
    const fixture *self = *state;
    static const char *const sets[] = {"train.epochs=2", "data.split.type=chronological",
                                       "data.split.test=0.4", "eval.valid=pred5-hr@10", NULL};
    static const char *const rankers[] = {"model", "popularity", "item_knn", "ease"};
    static const char options[] = "{part: valid, cutoffs: [10], slices: [cold-users], "
                                  "short_history: 5, metrics: [hit, pred1-hr, pred5-hr]}";
    train(self, "next", sets);
    json_t *report = eval(self, "next", options);
    const bytes manifest = read_file(self, "next", "manifest.json");
    json_t *run = json_loads(manifest.data, 0, NULL);
    const double best = number_of(run, "best");
    assert_true(best > 0 && best < 1);
    assert_true(fabs(best - number_of(row_of(report, "model"), "pred5-hr@10")) < 1e-8);
    const json_t *also = json_object_get(report, "also");
    assert_int_equal(json_array_size(also), 2); // the other exclusion, the slice
    for (size_t t = 0; t <= json_array_size(also); t++) {
        const json_t *table = t > 0 ? json_array_get(also, t - 1) : report;
        for (size_t r = 0; r < 4; r++) {
            const json_t *row = row_of(table, rankers[r]);
            assert_true(number_of(row, "pred1-hr@10") == number_of(row, "hit@10"));
            assert_true(number_of(row, "pred5-hr@10") != number_of(row, "hit@10"));
        }
    }
    json_decref(run);
    json_decref(report);
    free(manifest.data);
    report = eval(self, "next",
                  "{cutoffs: [10], candidates: uniform, negatives: 5, metrics: "
                  "[pred1-hr, pred5-hr]}");
    assert_non_null(strstr(text_of(report, "note"), "not defined in this run: pred5-hr"));
    assert_null(strstr(text_of(report, "note"), "pred1-hr"));
    json_decref(report);
    const char *const drawn[] = {sets[0], sets[1], sets[2], sets[3], "eval.candidates=uniform",
                                 NULL};
    lode_error error = {0};
    check_error(train_small(self, "drawn", drawn, NULL, NULL, &error), &error, LODE_E_CONFIG,
                "eval.valid is pred5-hr@10, which protocol micrec does not define");
}

/// Training refuses keys that contradict each other before it reads data.
static void test_config(void **state) {
    const fixture *self = *state;
    static const struct {
        const char *a, *b, *message;
    } bad[] = {
        {"data.split.test_from=2017-01-01", NULL, "split.type is leave_one_out"},
        {"data.split.type=users", "data.split.of=rows", "split.of: rows"},
        {"data.split.test=0.6", "data.split.valid=0.5", NULL}, // shares of no ratio split: allowed
        {"data.split.type=ratio", "data.split.test=0.95", "together leave nothing"},
        {"data.split.type=users", "eval.protocol=micrec", "does not fit data.split.type: users"},
        {"data.split.history=1.5", NULL, "history"},
        {"eval.slices=[warm]", NULL, "unknown slice \"warm\""},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const char *sets[] = {bad[i].a, bad[i].b};
        char *text = NULL;
        lode_error error = {0};
        const lode_status status =
            lode_config_resolve(small_config, NULL, sets, bad[i].b != NULL ? 2 : 1, &text, &error);
        if (bad[i].message == NULL) {
            check(status, &error);
        } else {
            check_error(status, &error, LODE_E_CONFIG, bad[i].message);
        }
        lode_text_free(&text);
    }
    lode_error error = {0};
    check_error(train_small(self, "given", (const char *const[]){"data.split.type=given", NULL},
                            NULL, NULL, &error),
                &error, LODE_E_CONFIG, "import the files of all parts together");
    check_error(train_small(self, "rows",
                            (const char *const[]){"data.split.type=ratio", "data.split.of=rows",
                                                  "data.split.seed=1", NULL},
                            NULL, NULL, &error),
                &error, LODE_E_CONFIG, "--label");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clrec),        cmocka_unit_test(test_fits),
        cmocka_unit_test(test_recbole),      cmocka_unit_test(test_slices),
        cmocka_unit_test(test_cold_vectors), cmocka_unit_test(test_held_out_users),
        cmocka_unit_test(test_truth),        cmocka_unit_test(test_next_clicks),
        cmocka_unit_test(test_config),
    };
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
