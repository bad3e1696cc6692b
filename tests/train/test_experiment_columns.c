/// Columns of experiments that are not of the protocol's own table: the same numbers as lode_eval gives, measured again
/// without training where they are missing, and refused before anything is trained where there cannot be any.
#include <math.h>

#include "experiment_shop.h"

static const char *const sampled =
    "data: [{path: shop, truth: truth.csv}]\n"
    "base:\n"
    "  data.history: 5\n"
    "  model: {dim: 8, user: {tower: youtubednn, layers: [8]}, item.layers: [8]}\n"
    "  train: {batch: 32, epochs: 2}\n"
    "  eval: {protocol: clrec, negatives: 8, cutoffs: [4], short_history: 8, baselines: "
    "[popularity]}\n"
    "seeds: [1]\n"
    "report: {metrics: [%s]}\n";

static void write_truth(const char *text) {
    char *path = text_of("%s/truth.csv", folder);
    assert_int_equal(lode__file_write(path, text, strlen(text), NULL), LODE_OK);
    free(path);
}

static const json_t *metric_of(const json_t *report, size_t row, const char *column) {
    const json_t *rows = json_object_get(report, "rows");
    return json_object_get(json_object_get(json_array_get(rows, row), "metrics"), column);
}

static double mean_of(const json_t *report, size_t row, const char *column) {
    const json_t *mean = json_object_get(metric_of(report, row, column), "mean");
    return json_is_number(mean) ? json_number_value(mean) : (double)NAN;
}

/// The tables of an evaluation by what they say of themselves, in the order in which they are made.
static double evaluated(const json_t *evaluation, size_t table, const char *row) {
    const json_t *from =
        table == 0 ? evaluation : json_array_get(json_object_get(evaluation, "also"), table - 1);
    const json_t *value =
        json_object_get(json_object_get(json_object_get(from, "rows"), row), "ndcg@3");
    return json_is_number(value) ? json_number_value(value) : (double)NAN;
}

static json_t *evaluate(const char *output) {
    char *cell = text_of("%s/runs/shop/seed-1", output), *report = NULL;
    char *options =
        text_of("{data: %s/data/shop.lode, cutoffs: [3], threads: 1, truth: %s/truth.csv, "
                "slices: [cold-items, cold-users, tail]}",
                output, folder);
    lode_error error = {0};
    if (lode_eval(cell, options, NULL, &report, &error) != LODE_OK) fail_msg("%s", error.message);
    json_t *json = json_loads(report, 0, NULL);
    lode_text_free(&report);
    free(cell);
    free(options);
    return json;
}

static bool same(double a, double b) {
    return isnan(a) ? isnan(b) : fabs(a - b) < 1e-9;
}

static void test_tables(void **state) {
    (void)state;
    static const char *const columns[] = {"ndcg@3",
                                          "train-popularity/ndcg@3",
                                          "full/ndcg@3",
                                          "cold-items/ndcg@3",
                                          "cold-users/ndcg@3",
                                          "tail/ndcg@3",
                                          "truth/ndcg@3"};
    enum { COLUMNS = sizeof columns / sizeof *columns };
    write_truth("user_id,item_id\nu1,i3\nu2,i7\nu2,i8\nu9,i1\nu30,i20\nu31,i20\nu32,i3\nu40,i9\n");
    char *output = new_output();
    char *yaml =
        text_of(sampled, "ndcg@3, train-popularity/ndcg@3, full/ndcg@3, cold-items/ndcg@3, "
                         "cold-users/ndcg@3, tail/ndcg@3, truth/ndcg@3, seconds, "
                         "examples_per_second, epochs, best_epoch, steps");
    json_t *report = run(yaml, output, "threads: 1", NULL), *evaluation = evaluate(output);
    assert_int_equal(json_array_size(json_object_get(evaluation, "also")), COLUMNS - 1);
    for (size_t c = 0; c < COLUMNS; c++) {
        const double model = evaluated(evaluation, c, "model");
        const double popularity = evaluated(evaluation, c, "popularity");
        assert_int_equal(isnan(model), c == 3); // every item is clicked in training
        for (size_t other = 0; other < c; other++)
            assert_true(c == 3 || other == 3 || model != evaluated(evaluation, other, "model") ||
                        popularity != evaluated(evaluation, other, "popularity"));
        if (!same(mean_of(report, 0, columns[c]), model) ||
            !same(mean_of(report, 1, columns[c]), popularity))
            fail_msg("%s: %g %g instead of %g %g", columns[c], mean_of(report, 0, columns[c]),
                     mean_of(report, 1, columns[c]), model, popularity);
    }
    char *cell = text_of("%s/runs/shop/seed-1", output);
    json_t *result = read_object(cell, "result.json");
    assert_int_equal(json_object_size(json_object_get(result, "tables")), COLUMNS - 1);
    json_decref(result);
    free(cell);
    const json_t *rows = json_object_get(report, "rows");
    assert_true(same(mean_of(report, 0, "seconds"),
                     json_number_value(json_object_get(json_array_get(rows, 0), "seconds"))));
    assert_true(mean_of(report, 0, "examples_per_second") > 0);
    assert_true(same(mean_of(report, 0, "epochs"), 2));
    assert_true(isnan(mean_of(report, 1, "seconds")));
    const char *text = json_string_value(json_object_get(report, "text"));
    assert_non_null(strstr(text, "  train-popularity/ndcg@3  "));

    // All of it is found again, the slice without a case too.
    counter again = {0};
    const lode_hooks hooks = {.cookie = &again, .progress = count_progress};
    json_t *second = run(yaml, output, "threads: 1", &hooks);
    assert_int_equal(again.calls, 0);
    assert_true(json_equal(second, report));
    json_decref(second);
    json_decref(evaluation);
    json_decref(report);
    remove_tree(output);
    free(yaml);
    free(output);
}

/// How often a measurement and a training asked back.
static counter counted(const char *yaml, const char *output) {
    counter c = {0};
    const lode_hooks hooks = {.cookie = &c, .progress = count_progress};
    json_decref(run(yaml, output, "threads: 1", &hooks));
    return c;
}

static void test_again(void **state) {
    (void)state;
    write_truth("user_id,item_id\nu1,i3\nu2,i7\n");
    char *output = new_output(), *cell = text_of("%s/runs/shop/seed-1", output);
    char *own = text_of(sampled, "hit@3, seconds"),
         *more = text_of(sampled, "hit@3, full/hit@3, truth/hit@3");
    json_decref(run(own, output, "threads: 1", NULL));
    size_t length, length_again;
    char *model = read_file(cell, "model.safetensors", &length);
    char *log = read_file(cell, "metrics.jsonl", NULL);
    json_t *before = read_object(cell, "result.json");

    // A result as it was written before there were other tables is still one.
    json_t *old = json_deep_copy(before);
    assert_int_equal(json_object_del(old, "tables"), 0);
    char *path = text_of("%s/result.json", cell), *old_text = json_dumps(old, 0);
    assert_int_equal(lode__file_write(path, old_text, strlen(old_text), NULL), LODE_OK);
    assert_int_equal(counted(own, output).calls, 0);

    // More columns: measured again, not trained again, and times stay those of the training.
    assert_true(counted(more, output).calls > 0);
    json_t *after = read_object(cell, "result.json");
    assert_true(json_equal(json_object_get(before, "seconds"), json_object_get(after, "seconds")));
    assert_true(json_equal(json_object_get(before, "metrics"), json_object_get(after, "metrics")));
    assert_true(json_is_number(
        json_object_get(json_object_get(json_object_get(after, "tables"), "truth"), "hit@3")));
    char *model_again = read_file(cell, "model.safetensors", &length_again);
    char *log_again = read_file(cell, "metrics.jsonl", NULL);
    assert_int_equal(length, length_again);
    assert_memory_equal(model, model_again, length);
    assert_string_equal(log, log_again);
    assert_int_equal(counted(more, output).calls, 0);
    assert_int_equal(counted(own, output).calls, 0);

    // A result without the tables, beside baselines that have them, is made whole.
    json_t *part = json_deep_copy(after);
    assert_int_equal(json_object_del(part, "tables"), 0);
    char *part_text = json_dumps(part, 0);
    assert_int_equal(lode__file_write(path, part_text, strlen(part_text), NULL), LODE_OK);
    assert_true(counted(more, output).calls > 0);
    json_decref(part);
    free(part_text);
    json_t *whole = read_object(cell, "result.json");
    assert_true(json_equal(whole, after));
    json_decref(whole);

    // Another file of true items under the same name.
    write_truth("user_id,item_id\nu1,i3\nu2,i8\n");
    assert_int_equal(counted(own, output).calls, 0);
    assert_true(counted(more, output).calls > 0);
    assert_int_equal(counted(more, output).calls, 0);

    json_decref(before);
    json_decref(after);
    json_decref(old);
    free(old_text);
    lode__free(model);
    lode__free(model_again);
    lode__free(log);
    lode__free(log_again);
    remove_tree(output);
    free(path);
    free(own);
    free(more);
    free(cell);
    free(output);
}

// Protocol micrec has a second choice of exclude_seen; a data set without true items has a gap in that column.
static void test_time(void **state) {
    (void)state;
    write_truth("user_id,item_id\nu1,i3\nu2,i7\n");
    char *output = new_output();
    json_t *report =
        run("data: {plain: shop, true: {path: shop, truth: truth.csv}}\n"
            "base:\n"
            "  data: {history: 5, split: {type: chronological, test: 0.2}}\n"
            "  model: {dim: 8, user: {tower: youtubednn, layers: [8]}, item.layers: [8]}\n"
            "  train: {batch: 32, epochs: 1}\n"
            "  eval.baselines: [popularity]\n"
            "seeds: [1]\n"
            "report: {metrics: [hit@3, exclude-seen/hit@3, truth/hit@3]}\n",
            output, "threads: 1", NULL);
    assert_true(mean_of(report, 0, "exclude-seen/hit@3") != mean_of(report, 0, "hit@3"));
    assert_true(isnan(mean_of(report, 0, "truth/hit@3")));
    assert_false(isnan(mean_of(report, 2, "truth/hit@3")));
    assert_false(isnan(mean_of(report, 3, "truth/hit@3")));
    json_decref(report);
    remove_tree(output);
    free(output);
}

static void test_refused(void **state) {
    (void)state;
    static const struct {
        const char *yaml, *part;
        lode_status status;
    } cases[] = {
        {"data: [shop]\nreport: {metrics: [ful/hit@5]}",
         "grid.yaml: report.metrics: ful/hit@5: unknown table \"ful\"; did you mean \"full\"? "
         "There "
         "are: exclude-seen, train-popularity, full, cold-items, cold-users, tail, truth",
         LODE_E_CONFIG},
        {"data: [shop]\nreport: {metrics: [tail/hits@5]}", "\"hits@5\" is no metric", LODE_E_CONFIG},
        {"data: [shop]\nreport: {metrics: [hit@5, second]}", "and no fact of a run (seconds,",
         LODE_E_CONFIG},
        {"data: [shop]\nreport: {metrics: [tail/seconds]}", "\"seconds\" is no metric", LODE_E_CONFIG},
        {"data: [shop]\nreport: {metrics: [full/hit@5]}",
         "report.metrics has full/hit@5, but the protocol of shop/seed-1 draws no candidates, so "
         "that its own table is the only one (eval.protocol: auto)",
         LODE_E_CONFIG},
        {"data: [shop]\nbase: {eval.protocol: sasrec}\nreport: {metrics: [full/hit@5, "
         "train-popularity/hit@5]}",
         "report.metrics has train-popularity/hit@5, but the protocol of shop/seed-1 draws no "
         "candidates by popularity of all parts (eval.protocol: sasrec)",
         LODE_E_CONFIG},
        {"data: [shop]\nbase: {eval: {protocol: clrec, popularity_from: train}}\n"
         "report: {metrics: [full/hit@5, train-popularity/hit@5]}",
         "report.metrics has train-popularity/hit@5, but", LODE_E_CONFIG},
        {"data: [shop]\nreport: {metrics: [exclude-seen/hit@5]}",
         "makes one choice of exclude_seen alone", LODE_E_CONFIG},
        {"data: [shop]\nbase: {data.split.type: chronological, eval.exclude_seen: yes}\n"
         "report: {metrics: [exclude-seen/hit@5]}",
         "makes one choice of exclude_seen alone", LODE_E_CONFIG},
        {"data: [shop]\nreport: {metrics: [truth/hit@5]}", "no data set has a file of true items",
         LODE_E_CONFIG},
        {"data: [shop]\nreport: {metrics: [tail/auc]}",
         "report.metrics has tail/auc, but eval.metrics of shop/seed-1 has no auc", LODE_E_CONFIG},
        {"data: {shop: {path: shop, truth: nosuch.tsv}}",
         "there is no file of true items nosuch.tsv", LODE_E_MISSING},
        {"data: {shop: {path: shop, thruth: truth.csv}}", "did you mean \"data.truth\"",
         LODE_E_CONFIG},
        {"data: {shop: {truth: truth.csv}}", "a data set is the path of a file or folder, or",
         LODE_E_CONFIG},
        {"data: {shop: [shop]}", "a data set is the path of a file or folder, or", LODE_E_CONFIG},
    };
    write_truth("user_id,item_id\nu1,i3\n");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        refused(cases[i].yaml, NULL, cases[i].status, cases[i].part);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_refused), cmocka_unit_test(test_tables),
                                       cmocka_unit_test(test_again), cmocka_unit_test(test_time)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
