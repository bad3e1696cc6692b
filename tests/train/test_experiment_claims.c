/// Claims of experiments: each rule worked by hand on results that are put into the plan, no training; what is refused;
/// and an experiment that was stopped says the same as one that was not.
#include <math.h>

#include "experiment_shop.h"

static const char *const grid =
    "data: {one: shop, two: {path: shop, truth: truth.csv}}\n"
    "base:\n"
    "  model: {dim: 8, user: {tower: youtubednn, layers: [8]}, item.layers: [8]}\n"
    "  train: {batch: 32, epochs: 1}\n"
    "  eval: {baselines: [popularity, item_knn]}\n"
    "grid: {row: {a: {}, b: {train.learning_rate: 0.1}, c: {train.learning_rate: 0.2}, "
    "d: {train.learning_rate: 0.3}, e: {train.learning_rate: 0.4}}}\n"
    "seeds: [1, 2, 3]\n"
    "report:\n"
    "  metrics: [hit@5, examples_per_second, truth/hit@5]\n"
    "  claims:\n";

static int set_up_truth(void **state) {
    if (set_up(state) != 0) return -1;
    char *path = text_of("%s/truth.csv", folder);
    static const char text[] = "user_id,item_id\nu1,i3\nu2,i7\n";
    const lode_status status = lode__file_write(path, text, strlen(text), NULL);
    free(path);
    return status == LODE_OK ? 0 : -1;
}

/// The plan of `grid` with claims below it.
static void plan_with(lode_experiment_plan *plan, const char *claims) {
    char *yaml = text_of("%s%s", grid, claims);
    lode_error error = {0};
    if (lode__experiment_plan(plan, yaml, yaml_path, "nowhere", NULL, &error) != LODE_OK)
        fail_msg("%s", error.message);
    free(yaml);
}

static void give(lode_experiment_plan *plan, size_t data, size_t row, size_t seed, double hit,
                 double rate) {
    lode_cell *cell = &plan->cells[(data * plan->row_count + row) * 3 + seed];
    cell->result = json_pack("{s:{s:f}, s:f, s:{s:{s:f}}, s:{s:f}}", "metrics", "hit@5", hit,
                             "examples_per_second", rate, "tables", "truth", "hit@5", hit / 2,
                             "valid", cell->valid, hit);
    assert_non_null(cell->result);
}

/// a .30 .32 .34 and b .28 .30 .33: differences .02 .02 .01, t = 5, p = 1 - 5 / sqrt(27) = .03775 (two degrees of
/// freedom); c .5 three times; d .4 at seed 2 alone; e nothing. Popularity .1, item-kNN .5.
static void give_all(lode_experiment_plan *plan) {
    static const double a[] = {.30, .32, .34}, b[] = {.28, .30, .33};
    for (size_t data = 0; data < 2; data++) {
        for (size_t s = 0; s < 3; s++) {
            give(plan, data, 0, s, a[s], 1000);
            give(plan, data, 1, s, b[s], 400);
            give(plan, data, 2, s, .5, 0);
        }
        give(plan, data, 3, 1, .4, 10);
        plan->groups[data].baselines = json_pack("{s:{s:{s:f}, s:{s:f}}}", "rows", "popularity",
                                                 "hit@5", .1, "item_knn", "hit@5", .5);
    }
}

static void judged(const char *claim, const char *verdict, double p) {
    char *claims = text_of("    - {say: it is so, metric: hit@5, data: one, %s}\n", claim);
    lode_experiment_plan plan;
    lode_experiment_table table;
    lode_error error = {0};
    plan_with(&plan, claims);
    give_all(&plan);
    assert_int_equal(lode__experiment_table(&table, &plan, &error), LODE_OK);
    const json_t *list = json_object_get(table.json, "claims"), *only = json_array_get(list, 0);
    assert_int_equal(json_array_size(list), 1);
    const char *got = json_string_value(json_object_get(only, "verdict"));
    if (strcmp(got, verdict) != 0) fail_msg("%s: %s instead of %s", claim, got, verdict);
    const json_t *got_p = json_object_get(only, "p");
    assert_true(isnan(p) ? !json_is_number(got_p)
                         : fabs(json_number_value(got_p) - p) < 1e-9 + 1e-6 * p);
    lode__experiment_table_release(&table);
    lode__experiment_plan_release(&plan);
    free(claims);
}

static void test_rules(void **state) {
    (void)state;
    const double p = 1 - 5 / sqrt(27), none = (double)NAN;
    judged("of: a, over: b", "met", p);
    judged("of: a, over: b, significant: 0.01", "not met", p);
    judged("of: a, over: b, significant: 0.038", "met", p);
    judged("of: b, over: a", "not met", p);
    judged("of: b, under: a", "met", p);
    judged("of: b, under: a, significant: 0.01", "not met", p);
    judged("of: a, under: b", "not met", p);
    judged("of: c, over: item_knn", "not met", 1); // equal: neither way
    judged("of: c, under: item_knn", "not met", 1);
    judged("of: a, over: popularity", "met", 1 - .22 / sqrt(2 * .0004 / 3 + .22 * .22));
    judged("of: popularity, under: a", "met", 1 - .22 / sqrt(2 * .0004 / 3 + .22 * .22));
    // .32 / .30333 = 1.05495
    judged("of: a, over: b, ratio: 1.054", "met", p);
    judged("of: a, over: b, ratio: 1.056", "not met", p);
    judged("of: b, under: a, ratio: 0.948", "met", p);
    judged("of: b, under: a, ratio: 0.947", "not met", p);
    judged("of: c, over: item_knn, ratio: 1", "met", 1);
    judged("of: c, under: item_knn, ratio: 1", "met", 1);
    judged("of: a, at_least: 0.3199", "met", none);
    judged("of: a, at_least: 0.3201", "not met", none);
    judged("of: a, at_most: 0.3201", "met", none);
    judged("of: a, at_most: 0.3199", "not met", none);
    judged("of: c, at_least: 0.5", "met", none);
    judged("of: c, at_most: 0.5", "met", none);
    judged("of: popularity, at_most: 0.1", "met", none);
    judged("of: popularity, at_least: 0.2", "not met", none);
    // one seed of both: no test. The other seeds of b do not count: its .30 at seed 2 does
    judged("of: d, over: b", "higher, not tested", none);
    judged("of: b, over: d", "not met", none);
    judged("of: b, under: d", "lower, not tested", none);
    judged("of: d, under: b", "not met", none);
    judged("of: d, over: b, ratio: 1.333", "met", none);
    judged("of: d, over: b, ratio: 1.334", "not met", none);
    judged("of: item_knn, over: popularity", "higher, not tested", none); // one value each
    judged("of: item_knn, over: popularity, ratio: 5", "met", none);
    judged("of: e, over: a", "not measured", none);
    judged("of: a, over: e, ratio: 1", "not measured", none);
    judged("of: e, at_most: 1", "not measured", none);
}

/// The table of verdicts: one a data set, what it shows, facts of runs and columns of other tables.
static void test_table(void **state) {
    (void)state;
    lode_experiment_plan plan;
    lode_experiment_table table;
    lode_error error = {0};
    plan_with(&plan,
              "    - {say: \"a|b\\n\", metric: hit@5, of: a, over: b, paper: {two: .4}}\n"
              "    - {say: fast, metric: examples_per_second, of: a, over: b, ratio: 2, "
              "paper: [2.3, 2.5], data: [two]}\n"
              "    - {say: true, metric: truth/hit@5, of: c, at_least: 0.25, paper: much}\n"
              "    - {say: unknown, metric: examples_per_second, of: c, at_most: 1, data: one}\n");
    assert_int_equal(plan.claim_count, 5); // only `two` has a file of true items
    give_all(&plan);
    assert_int_equal(lode__experiment_table(&table, &plan, &error), LODE_OK);
    static const char *const lines[] = {"claim    data  rule                             paper     "
                                        "               measured       p  "
                                        "seeds       verdict\n",
                                        "a|b      one   hit@5: a > b, p < 0.05                     "
                                        "         0.3200, 0.3033   0.038  "
                                        "    3           met\n",
                                        "a|b      two   hit@5: a > b, p < 0.05           .4        "
                                        "         0.3200, 0.3033   0.038  "
                                        "    3           met\n",
                                        "fast     two   examples_per_second: a / b >= 2  2.3, 2.5  "
                                        "2.5000 = 1000.0 / 400.0  <0.001  "
                                        "    3           met\n",
                                        "true     two   truth/hit@5: c >= 0.25           much      "
                                        "                 0.2500       -  "
                                        "    3           met\n",
                                        "unknown  one   examples_per_second: c <= 1                "
                                        "                      -       -  "
                                        "    0  not measured\n"};
    const char *at = strstr(table.text.data, "\nclaim ") + 1;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; at += strlen(lines[i++])) {
        if (strncmp(at, lines[i], strlen(lines[i])) != 0)
            fail_msg("\"%s\" is not in\n%s", lines[i], at);
    }
    assert_int_equal(*at, 0);
    assert_non_null(strstr(table.markdown.data, "\n#### Claims\n\n| claim "));
    assert_non_null(strstr(table.markdown.data, "\n| a\\|b     | two  | hit@5: a > b, p < 0.05 "));
    const json_t *list = json_object_get(table.json, "claims");
    static const char *const verdicts[] = {"met", "met", "met", "met", "not measured"};
    for (size_t i = 0; i < 5; i++)
        assert_string_equal(json_string_value(json_object_get(json_array_get(list, i), "verdict")),
                            verdicts[i]);
    const json_t *first = json_array_get(list, 1);
    assert_true(fabs(json_number_value(json_object_get(first, "mean")) - .32) < 1e-12);
    assert_true(fabs(json_number_value(json_object_get(first, "other")) - .91 / 3) < 1e-12);
    assert_string_equal(json_string_value(json_object_get(first, "paper")), ".4");
    assert_string_equal(json_string_value(json_object_get(first, "over")), "b");
    lode__experiment_table_release(&table);
    lode__experiment_plan_release(&plan);
}

static void test_refused(void **state) {
    (void)state;
    static const struct {
        const char *claim, *part;
    } cases[] = {
        {"say: x, metric: hit@5, of: a", "grid.yaml:11: a claim has say, metric, of, and one rule"},
        {"say: x, metric: hit@5, of: a, over: b, at_least: 3", "and one rule"},
        {"metric: hit@5, of: a, over: b", "a claim has say"},
        {"say: x, of: a, over: b", "a claim has say"},
        {"say: x, metric: hit@5, over: b", "a claim has say"},
        {"say: x, metric: hit@5, of: a, at_least: 3, ratio: 2",
         "ratio stands beside over or under"},
        {"say: x, metric: hit@5, of: a, overr: b", "did you mean \"report.claims.over\""},
        {"say: x, metric: hit@6, of: a, over: b",
         "a claim's metric is \"hit@6\", which is no column of report.metrics; did you mean "
         "\"hit@5\"?"},
        {"say: x, metric: hit@5, of: item_kn, over: b",
         "a claim's of is \"item_kn\", which is no row; did you mean \"item_knn\"?"},
        {"say: x, metric: hit@5, of: a, under: popularty",
         "a claim's under is \"popularty\", which is no row; did you mean \"popularity\"?"},
        {"say: x, metric: hit@5, of: a, over: a", "a claim compares \"a\" with itself"},
        {"say: x, metric: hit@5, of: a, over: b, data: [tow]",
         "a claim's data is \"tow\", which is no data set of this experiment"},
        {"say: x, metric: hit@5, of: a, over: b, paper: {twoo: 3}", "did you mean \"two\"?"},
        {"say: x, metric: hit@5, of: a, over: b, paper: [[1]]", "a claim's paper is a text"},
        {"say: x, metric: hit@5, of: a, over: ease", "eval.baselines of one/a/seed-1 does not"},
        {"say: x, metric: examples_per_second, of: a, over: popularity", "popularity is no run"},
        {"say: x, metric: truth/hit@5, of: a, over: b, data: [one]",
         "one has no file of true items"},
        {"say: x, metric: hit@5, of: a, over: b, significant: 2", "report.claims.significant"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *yaml = text_of("%s    - {%s}\n", grid, cases[i].claim);
        refused(yaml, NULL, LODE_E_CONFIG, cases[i].part);
        free(yaml);
    }
    char *yaml = text_of("%s    - nonsense\n", grid);
    refused(yaml, NULL, LODE_E_CONFIG, "expected a map of keys");
    free(yaml);
    refused("data: [shop]\nreport: {claims: {say: x}}\n", NULL, LODE_E_CONFIG,
            "report.claims is a list of maps");
    // rows of two protocols
    static const char *const apart =
        "data: [shop]\ngrid: {t: {last: {data.split.type: leave_one_out}, "
        "time: {data.split.type: chronological}}, r: {x: {}, y: {train.epochs: 1}}}\n"
        "report: {metrics: [hit@10, steps], claims: [{say: x, metric: %s}]}\n";
    yaml = text_of(apart, "hit@10, of: last/x, over: time/x");
    refused(yaml, NULL, LODE_E_CONFIG, "measured under different splits or protocols");
    free(yaml);
    yaml = text_of(apart, "hit@10, of: popularity, at_least: 0.1");
    refused(yaml, NULL, LODE_E_CONFIG, "popularity is measured under several splits or protocols");
    free(yaml);
    lode_experiment_plan plan;
    lode_error error = {0};
    yaml = text_of(apart, "steps, of: last/x, over: time/x}, {say: y, metric: hit@10, of: "
                          "ease, under: time/y");
    assert_int_equal(lode__experiment_plan(&plan, yaml, yaml_path, "nowhere", NULL, &error), LODE_OK);
    assert_int_equal(plan.claims[1].of_group, 1);
    lode__experiment_plan_release(&plan);
    free(yaml);
}

// Stopped and started again, the files say what they say of an experiment that was never stopped.
static void test_stop(void **state) {
    (void)state;
    static const char *const yaml =
        "data: [shop]\n"
        "base:\n"
        "  model: {dim: 8, user: {tower: youtubednn, layers: [8]}, item.layers: [8]}\n"
        "  train: {batch: 32, epochs: 1}\n"
        "grid: {rate: {slow: {train.learning_rate: 1e-3}, fast: {train.learning_rate: 1e-2}}}\n"
        "seeds: [1, 2]\n"
        "report:\n"
        "  metrics: [hit@3, tail/hit@3]\n"
        "  claims:\n"
        "    - {say: fast learns more, metric: hit@3, of: fast, over: slow, paper: .3}\n"
        "    - {say: and of the tail, metric: tail/hit@3, of: fast, over: slow, ratio: 1.01}\n"
        "    - {say: more than popularity, metric: hit@3, of: fast, over: popularity}\n";
    static const char *const files[] = {"table.txt", "table.md", "table.csv"};
    char *whole = new_output(), *pieces = new_output();
    json_decref(run(yaml, whole, "threads: 1", NULL));
    unsigned stops = 0;
    for (unsigned stop_at = 3;; stop_at += 12) {
        counter c = {.stop_at = stop_at};
        const lode_hooks hooks = {.cookie = &c, .progress = count_progress};
        lode_error error = {0};
        const lode_status status =
            lode_experiment(yaml, yaml_path, pieces, "threads: 1", &hooks, NULL, &error);
        if (status == LODE_OK) break;
        assert_int_equal(status, LODE_E_STOPPED);
        assert_true(++stops < 1000);
    }
    assert_true(stops >= 2);
    for (unsigned again = 0; again < 2; again++) { // the second time from the result files alone
        for (size_t i = 0; i < 3; i++) {
            char *wanted = read_file(whole, files[i], NULL);
            char *got = read_file(pieces, files[i], NULL);
            assert_string_equal(wanted, got);
            lode__free(wanted);
            lode__free(got);
        }
        json_t *a = read_object(whole, "table.json"), *b = read_object(pieces, "table.json");
        assert_int_equal(json_array_size(json_object_get(a, "claims")), 3);
        assert_true(json_equal(json_object_get(a, "claims"), json_object_get(b, "claims")));
        json_decref(a);
        json_decref(b);
        json_decref(run(yaml, pieces, "threads: 1", NULL));
    }
    remove_tree(whole);
    remove_tree(pieces);
    free(whole);
    free(pieces);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rules), cmocka_unit_test(test_table),
                                       cmocka_unit_test(test_refused), cmocka_unit_test(test_stop)};
    return cmocka_run_group_tests(tests, set_up_truth, tear_down);
}
