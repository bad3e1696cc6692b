/// Experiments on a small made-up log: the grid, what is written, resuming, what is refused, and the numbers of the
/// table computed once more from the cells' results.
#include "train/statistics.h"

#include <math.h>

#include "experiment_shop.h"

static const char *const experiment =
    "data: [shop]\n"
    "base:\n"
    "  model: {dim: 8, item.layers: [8]}\n"
    "  train: {batch: 32, epochs: 2}\n"
    "  eval: {cutoffs: [5]}\n"
    "grid:\n"
    "  tower:\n"
    "    youtubednn: {model.user: {tower: youtubednn, layers: [8]}}\n"
    "    ican: {model.user: {tower: ican, heads: 2, feed_forward: 8, layers: [8]}}\n"
    "  train.learning_rate: [1e-3, 1e-2]\n"
    "seeds: [1, 2, 7]\n"
    "per_data: {shop: {data.history: 5}}\n"
    "report: {metrics: [hit@3, ndcg@5]}\n";
enum { ROWS = 4, SEEDS = 3, CELLS = ROWS * SEEDS };

// --- tests ----------------------------------------------------------------------------------------------

static double recomputed_p(const json_t *rows, size_t row, size_t best, const char *metric) {
    double a[SEEDS], b[SEEDS];
    for (size_t s = 0; s < SEEDS; s++) {
        const json_t *x =
            json_object_get(json_object_get(json_array_get(rows, row), "metrics"), metric);
        const json_t *y =
            json_object_get(json_object_get(json_array_get(rows, best), "metrics"), metric);
        a[s] = json_number_value(json_array_get(json_object_get(x, "values"), s));
        b[s] = json_number_value(json_array_get(json_object_get(y, "values"), s));
    }
    return lode__paired_t_test(a, b, SEEDS);
}

static void check_row(const char *output, const json_t *rows, size_t row, size_t best) {
    static const char *const towers[] = {"youtubednn", "ican"}, *const rates[] = {"1e-3", "1e-2"};
    static const int seeds[] = {1, 2, 7};
    const json_t *json = json_array_get(rows, row), *metrics = json_object_get(json, "metrics");
    assert_string_equal(json_string_value(json_object_get(json_object_get(json, "axes"), "tower")),
                        towers[row / 2]);
    assert_int_equal(json_array_size(json_object_get(json, "seeds")), SEEDS);
    static const char *const names[] = {"hit@3", "ndcg@5"};
    for (size_t m = 0; m < 2; m++) {
        double values[SEEDS];
        for (size_t s = 0; s < SEEDS; s++) {
            char *cell = text_of("%s/runs/shop/%s/%s/seed-%d", output, towers[row / 2],
                                 rates[row % 2], seeds[s]);
            json_t *result = read_object(cell, "result.json");
            const json_t *value = json_object_get(json_object_get(result, "metrics"), names[m]);
            assert_true(json_is_number(value));
            values[s] = json_number_value(value);
            assert_true(
                json_is_number(json_object_get(json_object_get(result, "valid"), "hit@50")));
            json_decref(result);
            free(cell);
        }
        const json_t *summary = json_object_get(metrics, names[m]);
        assert_true(fabs(json_number_value(json_object_get(summary, "mean")) -
                         lode__mean(values, SEEDS)) < 1e-9);
        assert_true(fabs(json_number_value(json_object_get(summary, "sd")) -
                         lode__deviation(values, SEEDS)) < 1e-9);
        const json_t *p = json_object_get(summary, "p");
        if (row == best) {
            assert_true(json_is_null(p));
        } else {
            assert_true(fabs(json_number_value(p) - recomputed_p(rows, row, best, names[m])) < 1e-6);
        }
    }
}

static size_t best_row(const json_t *rows) {
    size_t best = 0;
    double highest = -1;
    for (size_t row = 0; row < ROWS; row++) {
        const json_t *hit =
            json_object_get(json_object_get(json_array_get(rows, row), "metrics"), "hit@3");
        const double mean = json_number_value(json_object_get(hit, "mean"));
        if (mean > highest) best = row;
        highest = fmax(highest, mean);
    }
    return best;
}

static void test_grid(void **state) {
    (void)state;
    char *output = new_output();
    counter first = {0};
    const lode_hooks hooks = {.cookie = &first, .progress = count_progress};
    json_t *report = run(experiment, output, "threads: 1", &hooks),
           *rows = json_object_get(report, "rows");
    assert_string_equal(json_string_value(json_object_get(report, "name")), "grid");
    assert_string_equal(first.last, "shop/ican/1e-2/seed-7 12/12");
    assert_int_equal(json_array_size(rows), ROWS + 3);
    const size_t best = best_row(rows);
    for (size_t row = 0; row < ROWS; row++) {
        check_row(output, rows, row, best);
        assert_int_equal(json_is_true(json_object_get(json_array_get(rows, row), "reference")),
                         row == best);
    }
    static const char *const baselines[] = {"popularity", "item_knn", "ease"};
    for (size_t row = ROWS; row < ROWS + 3; row++) {
        const json_t *json = json_array_get(rows, row);
        assert_string_equal(json_string_value(json_object_get(json, "kind")), "baseline");
        assert_string_equal(json_string_value(json_object_get(json, "row")), baselines[row - ROWS]);
        assert_true(json_is_number(
            json_object_get(json_object_get(json_object_get(json, "metrics"), "hit@3"), "mean")));
    }
    static const char *const files[][2] = {
        {"table.txt", "text"}, {"table.md", "markdown"}, {"table.csv", "csv"}};
    for (size_t i = 0; i < 3; i++) {
        char *text = read_file(output, files[i][0], NULL);
        assert_string_equal(text, json_string_value(json_object_get(report, files[i][1])));
        lode__free(text);
    }
    json_t *table = read_object(output, "table.json");
    assert_true(json_equal(json_object_get(table, "rows"), rows));

    // Everything is done: the second call trains and measures nothing, and says the same.
    counter second = {0};
    const lode_hooks quiet = {.cookie = &second, .progress = count_progress};
    json_t *again = run(experiment, output, NULL, &quiet);
    assert_int_equal(second.calls, 0);
    assert_true(json_equal(again, report));
    json_decref(again);
    json_decref(table);
    json_decref(report);
    remove_tree(output);
    free(output);
}

// Two protocols in one grid: baselines of each, and rows are compared with those of their own protocol only.
static void test_protocols(void **state) {
    (void)state;
    static const char *const yaml =
        "data: [shop]\n"
        "base:\n"
        "  model: {dim: 8, user: {tower: youtubednn, layers: [8]}, item.layers: [8]}\n"
        "  train: {batch: 32, epochs: 1}\n"
        "grid:\n"
        "  protocol:\n"
        "    last: {data.split.type: leave_one_out}\n"
        "    time: {data.split: {type: chronological, test: 0.3}, eval.patience: 2}\n"
        "  rate: {slow: {train.learning_rate: 1e-3, eval.patience: 1}, fast: {train.learning_rate: "
        "1e-2}}\n"
        "seeds: [1, 2]\n"
        "report: {metrics: [hit@3]}\n";
    static const char *const expected[][3] = {
        {"last/slow", "last", "slow"}, {"last/fast", "last", "fast"}, {"popularity", "last", NULL},
        {"item_knn", "last", NULL},    {"ease", "last", NULL},        {"time/slow", "time", "slow"},
        {"time/fast", "time", "fast"}, {"popularity", "time", NULL},  {"item_knn", "time", NULL},
        {"ease", "time", NULL}};
    enum { PROTOCOL_ROWS = sizeof expected / sizeof *expected };
    char *output = new_output();
    json_t *report = run(yaml, output, "threads: 1", NULL);
    const json_t *rows = json_object_get(report, "rows");
    double popularity[2] = {0};
    unsigned references[2] = {0};
    assert_int_equal(json_array_size(rows), PROTOCOL_ROWS);
    for (size_t i = 0; i < PROTOCOL_ROWS; i++) {
        const json_t *row = json_array_get(rows, i), *axes = json_object_get(row, "axes");
        assert_string_equal(json_string_value(json_object_get(row, "row")), expected[i][0]);
        assert_string_equal(json_string_value(json_object_get(axes, "protocol")), expected[i][1]);
        const char *rate = json_string_value(json_object_get(axes, "rate"));
        assert_true(expected[i][2] == NULL ? rate == NULL : strcmp(rate, expected[i][2]) == 0);
        references[i / 5] += json_is_true(json_object_get(row, "reference"));
        const json_t *hit = json_object_get(json_object_get(row, "metrics"), "hit@3");
        if (i % 5 == 2) popularity[i / 5] = json_number_value(json_object_get(hit, "mean"));
    }
    assert_true(references[0] == 1 && references[1] == 1);
    assert_true(popularity[0] != popularity[1]);
    char *folder_of_data = text_of("%s/runs/shop", output);
    assert_true(has_file(folder_of_data, "baselines.json"));
    json_t *again = run(yaml, output, "threads: 1", NULL); // all baselines are found again
    assert_true(json_equal(again, report));
    json_decref(again);
    json_decref(report);
    free(folder_of_data);
    remove_tree(output);
    free(output);
}

// A metric that the protocol does not define is refused by name; one that only models have leaves a gap in the
// baselines and is not measured again.
static void test_undefined_metrics(void **state) {
    (void)state;
    static const char *const yaml =
        "data: [shop]\n"
        "base:\n"
        "  model: {dim: 8, user: {tower: youtubednn, layers: [8]}, item.layers: [8]}\n"
        "  train: {batch: 32, epochs: 1}\n"
        "  eval: {metrics: [hit, %s]}\n"
        "seeds: [1]\n"
        "report: {metrics: [hit@3, %s]}\n";
    char *output = new_output(), *text = text_of(yaml, "auc", "auc");
    lode_error error = {0};
    assert_int_equal(lode_experiment(text, yaml_path, output, "threads: 1", NULL, NULL, &error),
                     LODE_E_CONFIG);
    assert_non_null(strstr(error.message, "auc is not defined under protocol leave_one_out"));
    remove_tree(output);
    free(text);
    text = text_of(yaml, "alignment", "alignment");
    json_t *report = run(text, output, "threads: 1", NULL);
    const json_t *rows = json_object_get(report, "rows");
    const json_t *model = json_object_get(json_array_get(rows, 0), "metrics");
    const json_t *popularity = json_object_get(json_array_get(rows, 1), "metrics");
    assert_true(json_is_number(json_object_get(json_object_get(model, "alignment"), "mean")));
    assert_true(json_is_null(json_object_get(json_object_get(popularity, "alignment"), "mean")));
    counter second = {0};
    const lode_hooks quiet = {.cookie = &second, .progress = count_progress};
    json_t *again = run(text, output, "threads: 1", &quiet);
    assert_int_equal(second.calls, 0);
    json_decref(again);
    json_decref(report);
    remove_tree(output);
    free(text);
    free(output);
}

static void drop_seconds(json_t *report) {
    size_t i;
    json_t *row;
    json_array_foreach(json_object_get(report, "rows"), i, row) {
        (void)json_object_del(row, "seconds");
    }
}

// Stopped at any moment and started again, an experiment gives the table of one that was never stopped.
static void test_stop(void **state) {
    (void)state;
    char *whole = new_output(), *pieces = new_output();
    json_t *wanted = run(experiment, whole, "only: 1e-2/seed", NULL), *got = NULL;
    unsigned stops = 0;
    for (unsigned stop_at = 3; got == NULL; stop_at += 20) {
        counter c = {.stop_at = stop_at};
        const lode_hooks hooks = {.cookie = &c, .progress = count_progress};
        char *report = NULL;
        lode_error error = {0};
        const lode_status status = lode_experiment(experiment, yaml_path, pieces, "only: 1e-2/seed",
                                                   &hooks, &report, &error);
        if (status == LODE_E_STOPPED) {
            stops++;
            assert_null(report);
            assert_true(stops < 1000);
        } else {
            assert_int_equal(status, LODE_OK);
            got = json_loads(report, 0, NULL);
        }
        lode_text_free(&report);
    }
    assert_true(stops >= 2);
    drop_seconds(wanted);
    drop_seconds(got);
    assert_true(json_equal(json_object_get(wanted, "rows"), json_object_get(got, "rows")));
    assert_string_equal(json_string_value(json_object_get(wanted, "text")),
                        json_string_value(json_object_get(got, "text")));
    json_decref(wanted);
    json_decref(got);
    remove_tree(whole);
    remove_tree(pieces);
    free(whole);
    free(pieces);
}

static void test_dry_run(void **state) {
    (void)state;
    char *output = new_output();
    json_t *report = run(experiment, output, "dry_run: true", NULL);
    assert_int_equal(json_array_size(json_object_get(report, "cells")), CELLS);
    assert_false(lode__file_exists(output));
    json_decref(report);
    report = run(experiment, output, "only: ican/1e-3/seed-1", NULL);
    assert_int_equal(json_array_size(json_object_get(report, "rows")), 4);
    json_decref(report);
    report = run(experiment, output, "{dry_run: true, only: 'ican/1e-3,seed-7'}", NULL);
    assert_int_equal(json_array_size(json_object_get(report, "cells")), 2 + ROWS);
    json_decref(report);
    report = run(experiment, output, "{dry_run: true, only: /1e-3/}", NULL);
    const json_t *cells = json_object_get(report, "cells");
    assert_int_equal(json_array_size(cells), CELLS / 2);
    unsigned finished = 0;
    for (size_t i = 0; i < json_array_size(cells); i++) {
        const json_t *cell = json_array_get(cells, i);
        if (strcmp(json_string_value(json_object_get(cell, "state")), "finished") != 0) continue;
        finished++;
        assert_string_equal(json_string_value(json_object_get(cell, "cell")),
                            "shop/ican/1e-3/seed-1");
    }
    assert_int_equal(finished, 1);
    json_decref(report);
    remove_tree(output);
    free(output);
}

static const char *const small =
    "data: {little: shop}\nbase: {model: {dim: 4, user: {tower: youtubednn, layers: [4]}, "
    "item.layers: [4]}, "
    "train: {epochs: 1, batch: 64%s}}\nseeds: [1, 2]\nreport: {metrics: [%s], part: %s%s}\n";

static void test_changes(void **state) {
    (void)state;
    char *output = new_output();
    char *before = text_of(small, "", "hit@10", "test", ""),
         *changed = text_of(small, ", beta1: 0.8", "hit@10", "test", "");
    char *other = text_of(small, "", "mrr@4", "valid", ", compare: {baseline: item_knn}");
    json_decref(run(before, output, NULL, NULL));

    lode_error error = {0};
    assert_int_equal(lode_experiment(changed, yaml_path, output, NULL, NULL, NULL, &error),
                     LODE_E_MISMATCH);
    assert_non_null(strstr(error.message, "cell little/seed-1: "));
    assert_non_null(strstr(error.message, "\"beta1: 0.8\""));

    // Another metric and part: measured again, not trained again; threads change nothing.
    size_t length, again;
    char *model = read_file(output, "runs/little/seed-2/model.safetensors", &length);
    char *log = read_file(output, "runs/little/seed-2/metrics.jsonl", NULL);
    json_t *report = run(other, output, "threads: 2", NULL);
    const json_t *rows = json_object_get(report, "rows");
    assert_int_equal(json_array_size(rows), 4);
    assert_string_equal(json_string_value(json_object_get(json_array_get(rows, 0), "row")),
                        "model");
    assert_true(json_is_true(json_object_get(json_array_get(rows, 2), "reference")));
    const json_t *p = json_object_get(
        json_object_get(json_object_get(json_array_get(rows, 0), "metrics"), "mrr@4"), "p");
    assert_true(json_is_number(p) || json_is_null(p));
    assert_true(json_number_value(json_object_get(json_array_get(rows, 0), "seconds")) > 0);
    char *model_again = read_file(output, "runs/little/seed-2/model.safetensors", &again);
    char *log_again = read_file(output, "runs/little/seed-2/metrics.jsonl", NULL);
    assert_int_equal(length, again);
    assert_memory_equal(model, model_again, length);
    assert_string_equal(log, log_again);
    json_decref(report);
    lode__free(model);
    lode__free(model_again);
    lode__free(log);
    lode__free(log_again);

    // A damaged result is made anew from the bundle.
    char *result = text_of("%s/runs/little/seed-1/result.json", output);
    assert_int_equal(lode__file_write(result, "{\"key\": ", 8, NULL), LODE_OK);
    json_decref(run(other, output, NULL, NULL));
    json_t *json = read_object(output, "runs/little/seed-1/result.json");
    json_decref(json);

    // Another data set under the same name.
    char *path = text_of("%s/data/little.source", output);
    assert_int_equal(lode__file_write(path, "elsewhere", 9, NULL), LODE_OK);
    char *extra = text_of("%s/shop.inter", shop), *kept = read_file(shop, "shop.inter", &length);
    FILE *file = fopen(extra, "a");
    fprintf(file, "u1\ti1\t1500099999\n");
    assert_int_equal(fclose(file), 0);
    const lode_status status = lode_experiment(before, yaml_path, output, NULL, NULL, NULL, &error);
    assert_int_equal(lode__file_write(extra, kept, length, NULL), LODE_OK);
    assert_int_equal(status, LODE_E_MISMATCH);
    assert_non_null(strstr(error.message, "has changed since it was run"));
    lode__free(kept);
    free(extra);
    free(path);
    free(result);
    free(before);
    free(changed);
    free(other);
    remove_tree(output);
    free(output);
}

static void test_failing_cell(void **state) {
    (void)state;
    char *output = new_output();
    lode_error error = {0};
    const lode_status status =
        lode_experiment("data: [shop]\nbase: {model: {dim: 4, user: {tower: youtubednn, layers: "
                        "[4]}, item.layers: [4]}, train.epochs: 1}\n"
                        "grid: {fields: {good: {}, bad: {fields.user: [nosuch]}}}\nseeds: [3]\n",
                        yaml_path, output, NULL, NULL, NULL, &error);
    assert_int_equal(status, LODE_E_CONFIG);
    if (strncmp(error.message, "cell shop/bad/seed-3: ", 22) != 0) fail_msg("%s", error.message);
    assert_non_null(strstr(error.message, "nosuch"));
    assert_true(has_file(output, "runs/shop/good/seed-3/result.json"));
    assert_true(has_file(output, "table.txt")); // of what was finished
    assert_false(has_file(output, "runs/shop/bad/seed-3/result.json"));
    remove_tree(output);
    free(output);
}

static void test_refused(void **state) {
    (void)state;
    static const struct {
        const char *yaml, *part;
        lode_status status;
    } cases[] = {
        {"", "data is missing", LODE_E_CONFIG},
        {"data: []", "data is empty", LODE_E_CONFIG},
        {"data: [nosuch.lode]", "there is no data set nosuch.lode", LODE_E_MISSING},
        {"dta: [shop]", "did you mean \"data\"", LODE_E_CONFIG},
        {"data: [shop]\nreport: {metric: [hit@5]}", "did you mean \"report.metrics\"", LODE_E_CONFIG},
        {"data: [shop, shop.lode]", "two data sets are called \"shop\"", LODE_E_CONFIG},
        {"data: {a/b: shop}", "folders are called after it", LODE_E_CONFIG},
        {"data: {..: shop}", "folders are called after it", LODE_E_CONFIG},
        {"data: [shop]\ngrid: {a: {x: {train.lerning_rate: 1}}}",
         "grid.yaml:2: unknown key \"train.lerning_rate\"; did you mean \"train.learning_rate\"",
         LODE_E_CONFIG},
        {"data: [shop]\ngrid: {a: {x: 3}}", "expected a map of configuration keys", LODE_E_CONFIG},
        {"data: [shop]\ngrid: {a: {}}", "axis \"a\" has no values", LODE_E_CONFIG},
        {"data: [shop]\ngrid: {train.batch: [8, 8]}", "has the value 8 twice", LODE_E_CONFIG},
        {"data: [shop]\ngrid: {objectives: [[1]]}", "holds single values", LODE_E_CONFIG},
        {"data: [shop]\nseeds: [4, 4]", "seeds has 4 twice", LODE_E_CONFIG},
        {"data: [shop]\nseeds: []", "seeds has 0 numbers", LODE_E_CONFIG},
        {"data: [shop]\nbase: nosuch.yaml", "there is no configuration file nosuch.yaml",
         LODE_E_MISSING},
        {"data: [shop]\nper_data: {shopp: {}}", "did you mean \"shop\"", LODE_E_CONFIG},
        {"data: [shop]\nreport: {metrics: [hits@5]}", "\"hits@5\" is no metric", LODE_E_CONFIG},
        {"data: [shop]\nbase: {eval.metrics: [hit]}", "report.metrics has ndcg@10, but",
         LODE_E_CONFIG},
        {"data: [shop]\nreport: {compare: {baseline: item-knn}}", "did you mean \"item_knn\"",
         LODE_E_CONFIG},
        {"data: [shop]\nreport: {metrics: [hit@1, hit@2, hit@3, hit@4, hit@5]}",
         "more than 8 cutoffs", LODE_E_CONFIG},
        {"data: [shop]\nbase: {train: 3, train.batch: 3}", "cannot be set", LODE_E_CONFIG},
        {"data: [shop]\ngrid: {a: [1, 2], b: [1], c: [1], d: [1], e: [1], f: [1], g: [1], h: [1], "
         "i: [1]}",
         "at most 8 axes", LODE_E_CONFIG},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        refused(cases[i].yaml, NULL, cases[i].status, cases[i].part);
    }
    refused(experiment, "only: mind", LODE_E_USAGE, "no cell's name holds \"mind\"");
    refused(experiment, "only: 'ican,mind'", LODE_E_USAGE, "no cell's name holds \"mind\"");
    refused(experiment, "onyl: x", LODE_E_CONFIG, "did you mean \"only\"");
}

static void test_patch(void **state) {
    (void)state;
    static const struct {
        const char *base, *over, *wanted;
    } cases[] = {
        {"a: {b: 1, c: 2}", "a.b: 3", "a:\n  b: 3\n  c: 2\n"},
        {"a: {b: 1}", "a: {c.d: 4}", "a:\n  b: 1\n  c:\n    d: 4\n"},
        {"a: [{t: x, w: 1}]", "a.0.w: 2", "a:\n  -\n    t: x\n    w: 2\n"},
        {"a: [x]", "a.1.w: 2", "a:\n  - x\n  -\n    w: 2\n"},
        {"a: [x, y]", "a: [z]", "a:\n  - z\n"},
        {"a: 1", "a: {b: 2}", "a:\n  b: 2\n"},
        {"", "a.b.c: 'no'", "a:\n  b:\n    c: \"no\"\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        lode_arena arena = {0};
        lode_node *base = NULL, *over = NULL;
        lode_text before = {0}, text = {0}, after = {0};
        lode_error error = {0};
        assert_int_equal(
            lode__yaml_parse(&arena, cases[i].base, strlen(cases[i].base), "base", &base, &error),
            LODE_OK);
        assert_int_equal(
            lode__yaml_parse(&arena, cases[i].over, strlen(cases[i].over), "over", &over, &error),
            LODE_OK);
        lode__yaml_print(&before, over);
        assert_int_equal(lode__experiment_patch(&arena, base, over, &error), LODE_OK);
        lode__yaml_print(&text, base);
        lode__yaml_print(&after, over);
        assert_string_equal(text.data, cases[i].wanted);
        assert_string_equal(before.data, after.data);
        lode__text_release(&before);
        lode__text_release(&text);
        lode__text_release(&after);
        lode__arena_release(&arena);
    }
}

static void test_base_file(void **state) {
    (void)state;
    char *path = text_of("%s/base.yaml", folder);
    static const char text[] = "model: {user: {tower: youtubednn}}\ntrain: {epochs: 1, batsh: 3}\n";
    assert_int_equal(lode__file_write(path, text, strlen(text), NULL), LODE_OK);
    refused("data: [shop]\nbase: base.yaml\n", "dry_run: true", LODE_E_CONFIG,
            "base.yaml:2: unknown key \"train.batsh\"");
    free(path);
}

// Every preset is a whole configuration by itself; run from the repository's root.
static void test_presets(void **state) {
    (void)state;
    const char **names;
    size_t count, presets = 0;
    lode_arena arena = {0};
    lode_error error = {0};
    if (!lode__is_folder("presets")) skip();
    assert_int_equal(lode__folder_list(&arena, "presets", &names, &count, &error), LODE_OK);
    for (size_t i = 0; i < count; i++) {
        char *text = read_file("presets", names[i], NULL), *resolved = NULL, *again = NULL;
        if (lode_config_resolve(text, names[i], NULL, 0, &resolved, &error) != LODE_OK)
            fail_msg("%s", error.message);
        assert_int_equal(lode_config_resolve(resolved, names[i], NULL, 0, &again, &error), LODE_OK);
        assert_string_equal(resolved, again);
        // named after their tower, or after their objectives
        char *tower = text_of("tower: %.*s\n", (int)strcspn(names[i], ".-"), names[i]);
        char *wanted = lode__strdup(strncmp(names[i], "micrec", 6) == 0  ? "type: micrec.session\n"
                                    : strncmp(names[i], "rfm", 3) == 0   ? "type: micrec.feature\n"
                                    : strncmp(names[i], "clrec", 5) == 0 ? "type: clrec."
                                                                         : tower);
        if (strstr(resolved, wanted) == NULL) fail_msg("%s has no \"%s\"", names[i], wanted);
        free(tower);
        lode__free(wanted);
        lode_text_free(&resolved);
        lode_text_free(&again);
        lode__free(text);
        presets++;
    }
    assert_true(presets >= 3);
    lode__arena_release(&arena);
}

static void test_spine(void **state) {
    (void)state;
    if (getenv("LODESTONE_DATA") == NULL || !lode__is_folder("experiments")) {
        printf("skipped: no data\n");
        return;
    }
    char *text = read_file("experiments", "spine.yaml", NULL), *report = NULL;
    lode_error error = {0};
    if (lode_experiment(text, "experiments/spine.yaml", "nowhere", "dry_run: true", NULL, &report,
                        &error) != LODE_OK) {
        fail_msg("%s", error.message);
    }
    json_t *json = json_loads(report, 0, NULL);
    assert_int_equal(json_array_size(json_object_get(json, "cells")), 2 * 3 * 2 * 3);
    assert_false(lode__file_exists("nowhere"));
    json_decref(json);
    lode_text_free(&report);
    lode__free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_patch),
                                       cmocka_unit_test(test_refused),
                                       cmocka_unit_test(test_base_file),
                                       cmocka_unit_test(test_presets),
                                       cmocka_unit_test(test_spine),
                                       cmocka_unit_test(test_dry_run),
                                       cmocka_unit_test(test_grid),
                                       cmocka_unit_test(test_protocols),
                                       cmocka_unit_test(test_undefined_metrics),
                                       cmocka_unit_test(test_changes),
                                       cmocka_unit_test(test_failing_cell),
                                       cmocka_unit_test(test_stop)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
