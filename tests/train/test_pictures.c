/// Pictures of data sets, runs and evaluations, and info on run folders.
#include "../base/picture_check.h"

#include <jansson.h>

#include "base/file.h"
#include "train/measure.h"

#include "fixture.h"

static void refused(lode_status status, lode_status expected, lode_error *error, const char *piece) {
    if (status == expected && strstr(error->message, piece) != NULL) return;
    fail_msg("expected %s with \"%s\", got %s: %s", lode_status_name(expected), piece,
             lode_status_name(status), error->message);
}

static void assert_near(double value, double expected) {
    if (!(fabs(value - expected) <= 0.03)) fail_msg("%g is not %g", value, expected);
}

#define SAMPLE "tests/compat/format-1/"

static void write_text(const char *path, const char *text) {
    lode_error error = {0};
    check(lode__file_write(path, text, strlen(text), &error), &error);
}

static char *read_text(const char *path) {
    char *text = NULL;
    size_t length;
    lode_error error = {0};
    check(lode__file_read(path, 1 << 24, &text, &length, &error), &error);
    return text;
}

/// Files of the folder, so that none is left or lost.
static size_t count_files(const fixture *self) {
    lode_arena arena = {0};
    const char **names;
    size_t count;
    lode_error error = {0};
    check(lode__folder_list(&arena, self->folder, &names, &count, &error), &error);
    lode__arena_release(&arena);
    return count;
}

static json_t *info_of(const char *path, const char *options) {
    char *report = NULL;
    lode_error error = {0};
    check(lode_info(path, options, &report, &error), &error);
    json_t *json = json_loads(report, 0, NULL);
    assert_non_null(json);
    lode_text_free(&report);
    return json;
}

static void test_data(void **state) {
    const fixture *self = *state;
    char path[PATH_ROOM], options[2 * PATH_ROOM];
    path_in(self, "data.svg", path);
    (void)snprintf(options, sizeof options, "svg: %s\n", path);
    json_decref(info_of(self->data, options));
    char *svg = read_text(path);
    const check_picture *picture = check_svg(svg);
    assert_true(picture->bars >= 4);
    assert_true(picture->points > 20);
    static const char *const titles[] = {"Popularity of items", "Activity over time",
                                         "Lengths of histories", "Lengths of sessions"};
    for (size_t k = 0; k < 4; k++)
        if (strstr(svg, titles[k]) == NULL) fail_msg("no %s", titles[k]);
    lode__free(svg);
    assert_int_equal(unlink(path), 0);
}

/// Nothing is written, and nothing is lost, when the call fails.
static void test_refused(void **state) {
    const fixture *self = *state;
    char path[PATH_ROOM], options[2 * PATH_ROOM], run[PATH_ROOM];
    lode_error error = {0};
    char *report = NULL;
    path_in(self, "x.svg", path);
    path_in(self, "nowhere", run);
    (void)snprintf(options, sizeof options, "svg: %s\n", path);
    const size_t files = count_files(self);
    refused(lode_info(run, options, &report, &error), LODE_E_MISSING, &error, "nowhere");
    refused(lode_info(self->folder, options, &report, &error), LODE_E_INPUT, &error,
            "without config.yaml");
    refused(lode_eval(run, options, NULL, &report, &error), LODE_E_MISSING, &error, "nowhere");
    (void)snprintf(options, sizeof options, "svg: %s\n", self->data); // the data set is no picture
    refused(lode_info(self->data, options, &report, &error), LODE_E_EXISTS, &error, "is no SVG");
    refused(lode_eval(SAMPLE "run", options, NULL, &report, &error), LODE_E_EXISTS, &error,
            "is no SVG");
    (void)snprintf(options, sizeof options, "svg: %s/no/x.svg\n", self->folder);
    refused(lode_eval(SAMPLE "run", options, NULL, &report, &error), LODE_E_SYSTEM, &error,
            "cannot write");
    assert_null(report);
    assert_int_equal(count_files(self), files);
    json_decref(info_of(self->data, NULL)); // and it is whole
}

static void test_run(void **state) {
    const fixture *self = *state;
    char run[PATH_ROOM], path[PATH_ROOM], options[3 * PATH_ROOM];
    lode_error error = {0};
    path_in(self, "run", run);
    path_in(self, "run.svg", path);
    check(train_small(self, "run", NULL, NULL, NULL, &error), &error);
    (void)snprintf(options, sizeof options, "svg: %s\n", path);
    json_t *info = info_of(run, options);
    assert_true(json_is_true(json_object_get(info, "finished")));
    assert_int_equal(json_integer_value(json_object_get(info, "epochs")), 3);
    assert_true(json_is_real(json_object_get(json_object_get(info, "best"), "hit@10")));
    assert_int_equal(json_array_size(json_object_get(info, "objectives")), 2);
    json_int_t sum = 0;
    size_t index;
    json_t *tensor;
    json_array_foreach(json_object_get(info, "tensors"), index, tensor) {
        sum += json_integer_value(json_object_get(tensor, "rows")) *
               json_integer_value(json_object_get(tensor, "columns"));
    }
    assert_true(sum > 1000);
    assert_int_equal(json_integer_value(json_object_get(info, "parameters")), sum);
    char *svg = read_text(path);
    const check_picture *picture = check_svg(svg);
    // Three epochs: the loss, that of each of two objectives, and validation. The markers of the first line of a chart are circles;
    // those of the two others are paths too, one more in the legend.
    assert_int_equal(picture->points, 3 * 4 + 2 * (3 + 1));
    assert_non_null(strstr(svg, ">weighted sum</text>"));
    assert_non_null(strstr(svg, ">in_batch</text>"));
    assert_non_null(strstr(svg, "best epoch, "));
    lode__free(svg);
    (void)snprintf(options, sizeof options, "svg: %s\ncutoffs: [5, 10, 20]\n", path);
    check(lode_eval(run, options, NULL, NULL, &error), &error);
    svg = read_text(path);
    (void)check_svg(svg);
    assert_non_null(strstr(svg, "coverage against length of list"));
    assert_null(strstr(svg, "best epoch"));
    lode__free(svg);
    json_decref(info);
    assert_int_equal(unlink(path), 0);
}

/// data.split.refit: the curves of the selection and of the model itself, told apart.
static void test_refit(void **state) {
    const fixture *self = *state;
    char run[PATH_ROOM], path[PATH_ROOM], options[3 * PATH_ROOM];
    static const char *const sets[] = {"data.split.refit=true", "train.epochs=2", NULL};
    lode_error error = {0};
    path_in(self, "refit", run);
    path_in(self, "refit.svg", path);
    check(train_small(self, "refit", sets, NULL, NULL, &error), &error);
    (void)snprintf(options, sizeof options, "svg: %s\n", path);
    json_t *info = info_of(run, options);
    assert_int_equal(json_integer_value(json_object_get(info, "selection_epochs")), 2);
    assert_int_equal(json_object_size(json_object_get(info, "best")), 1);
    json_decref(info);
    char *svg = read_text(path);
    (void)check_svg(svg);
    assert_non_null(strstr(svg, ">selection</text>"));
    assert_non_null(strstr(svg, ">Validation</text>"));
    lode__free(svg);
    static const char *const later[] = {"config.yaml", "manifest.json", "metrics.jsonl",
                                        "model.safetensors", "vocabulary"};
    for (size_t k = 0; k < 5; k++) { // as it was while epochs were being chosen
        char file[PATH_ROOM + 32];
        (void)snprintf(file, sizeof file, "%s/%s", run, later[k]);
        assert_int_equal(unlink(file), 0);
    }
    info = info_of(run, options);
    assert_true(json_is_false(json_object_get(info, "finished")));
    assert_int_equal(json_integer_value(json_object_get(info, "epochs")), 0);
    assert_int_equal(json_integer_value(json_object_get(info, "selection_epochs")), 2);
    json_decref(info);
    svg = read_text(path);
    (void)check_svg(svg);
    assert_null(strstr(svg, ">final</text>"));
    lode__free(svg);
}

/// A run in progress: no manifest yet, and a last line that is being written.
static void test_progress(void **state) {
    const fixture *self = *state;
    char run[PATH_ROOM], file[PATH_ROOM + 32], svg_path[PATH_ROOM], options[2 * PATH_ROOM];
    lode_error error = {0};
    char *report = NULL;
    path_in(self, "going", run);
    path_in(self, "going.svg", svg_path);
    (void)snprintf(options, sizeof options, "svg: %s\n", svg_path);
    check(lode__folder_make(run, &error), &error);
    (void)snprintf(file, sizeof file, "%s/config.yaml", run);
    write_text(file, small_config);
    json_t *info = info_of(run, options); // nothing but a configuration
    assert_true(json_is_false(json_object_get(info, "finished")));
    assert_null(json_object_get(info, "best"));
    json_decref(info);
    char *svg = read_text(svg_path);
    (void)check_svg(svg);
    assert_non_null(strstr(svg, "nothing to draw"));
    lode__free(svg);
    (void)snprintf(file, sizeof file, "%s/metrics.jsonl", run);
    write_text(file, "{\"epoch\": 1, \"loss\": 4.5}\n"
                     "{\"epoch\": 2, \"loss\": 4.25, \"valid\": {\"hit@10\": 0.25, \"a\": 1}}\n"
                     "{\"epoch\": 3, \"lo");
    info = info_of(run, options);
    assert_int_equal(json_integer_value(json_object_get(info, "epochs")), 2);
    assert_near(json_number_value(json_object_get(info, "last_loss")), 4.25);
    json_decref(info);
    svg = read_text(svg_path);
    (void)check_svg(svg);
    assert_non_null(strstr(svg, ">hit@10</text>"));
    static const char *const bad[][2] = {
        {"{\"epoch\": 1, \"loss\": 4.5}\nnonsense\n", "metrics.jsonl:2: expected"},
        {"{\"epoch\": 1}\n", "metrics.jsonl:1: expected"},
        {"[]\n", "metrics.jsonl:1: expected"},
        {"\n", "metrics.jsonl:1: expected"},
        {"{\"epoch\": \"1\", \"loss\": 2}\n", "metrics.jsonl:1: expected"}};
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
        write_text(file, bad[k][0]);
        refused(lode_info(run, options, &report, &error), LODE_E_FORMAT, &error, bad[k][1]);
    }
    char *kept = read_text(svg_path); // the picture of before
    assert_string_equal(kept, svg);
    lode__free(kept);
    lode__free(svg);
}

static char *draw_table(const char *text) {
    json_error_t problem;
    json_t *table = json_loads(text, 0, &problem);
    if (table == NULL) fail_msg("%s", problem.text);
    lode_text out = {0};
    char *svg = NULL;
    lode_error error = {0};
    check(lode__measure_draw(table, &out, &error), &error);
    check(lode__text_take(&out, &svg, &error), &error);
    json_decref(table);
    return svg;
}

static void test_impressions(void **state) {
    (void)state;
    char *svg = draw_table(
        "{\"protocol\": \"leave_one_out\", \"part\": \"test\", \"cases\": 10, \"rows\":"
        " {\"model\": {\"hit@10\": 0.4, \"hit@20\": 0.5}, \"popularity\": {\"hit@10\": 0.1}},"
        " \"impressions\": {\"cutoff\": 20, \"edges\": [0, 1, 2, 4], \"items\": [0, 10, 30, 10],"
        " \"rows\": {\"model\": [0, 50, 100, 50], \"popularity\": [0, 0, 0, 200]}}}");
    const check_picture *picture = check_svg(svg);
    assert_int_equal(picture->bars,
                     9); // two rankers and the items, in the buckets from the first item on
    const double half = picture->heights[1];
    assert_near(picture->heights[0], half / 2);
    assert_near(picture->heights[5], half * 2);
    assert_near(picture->heights[6], half * 0.4);
    assert_non_null(strstr(svg, ">4+</text>"));
    assert_non_null(strstr(svg, "in lists of 20"));
    assert_non_null(strstr(svg, "model hit@20 0.5"));
    lode__free(svg);
}

static void test_tables(void **state) {
    (void)state;
    static const struct {
        const char *table, *drawn;
    } cases[] = {
        {"{\"rows\": {}}", "nothing to draw"},
        {"{}", "nothing to draw"},
        {"{\"rows\": {\"model\": {\"hit@10\": 0.5, \"auc\": 0.7, \"diversity@10\": 55}}}",
         ">auc</text>"},
        {"{\"rows\": {\"model\": {\"map@5\": 0.5, \"map@10\": 0.7}}}", ">map@K</text>"},
        {"{\"rows\": {\"model\": {\"hit@5\": 0.5, \"hit@10\": null}}}", ">Metrics</text>"},
        {"{\"rows\": {\"<a>&\": {\"hit@5\": 0.5, \"hit@10\": 0.6}}}", "&lt;a&gt;&amp;"},
        {"{\"rows\": {\"a\": {\"hit@1\": 0, \"hit@2\": 0}, \"b\": {}, \"c\": {}, \"d\": {}, \"e\": "
         "{},"
         " \"f\": {}, \"g\": {}, \"h\": {}, \"i\": {}}}",
         "hit against length"},
        {"{\"impressions\": {\"edges\": [0, 1], \"rows\": {\"m\": [0, 0]}}}", "Impressions"}};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        char *svg = draw_table(cases[k].table);
        (void)check_svg(svg);
        if (strstr(svg, cases[k].drawn) == NULL) fail_msg("%zu: no %s", k, cases[k].drawn);
        lode__free(svg);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_data),     cmocka_unit_test(test_refused),
        cmocka_unit_test(test_run),      cmocka_unit_test(test_refit),
        cmocka_unit_test(test_progress), cmocka_unit_test(test_impressions),
        cmocka_unit_test(test_tables)};
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
