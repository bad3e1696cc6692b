/// Exposure bias is visible: where a log was made by showing popular items, recommending popular items looks better on
/// the log's own test than on clicks from true preferences; where all items were shown alike, it looks the same.
#include "fixture.h"

#include <jansson.h>

enum { SHOPS = 2 };

typedef struct recalls {
    double logged, truth;
} recalls;

static double recall_of(const json_t *table, const char *ranker) {
    const json_t *row = json_object_get(json_object_get(table, "rows"), ranker);
    const json_t *value = json_object_get(row, "recall@20");
    assert_true(json_is_number(value));
    return json_number_value(value);
}

/// Recall@20 on both tests of a shop whose exposure is popularity^bias.
static void measure(const fixture *self, const char *bias, recalls *popularity, recalls *model) {
    char raw[PATH_ROOM], data[PATH_ROOM], run[PATH_ROOM], options[4 * PATH_ROOM];
    lode_error error = {0};
    path_in(self, "raw", raw);
    path_in(self, "bias.lode", data);
    path_in(self, "run", run);
    (void)snprintf(options, sizeof options,
                   "{users: 1200, items: 400, exposures: 0, clicks_mean: 12, seed: 3, bias: %s}",
                   bias);
    check(lode_synth(raw, options, NULL, NULL, &error), &error);
    check(lode_import(raw, data, NULL, NULL, NULL, &error), &error);
    static const char config[] = "data: {history: 8}\n"
                                 "model: {dim: 16, user: {tower: youtubednn, layers: [16]}, "
                                 "item: {tower: mlp, layers: [16]}}\n"
                                 "train: {batch: 128, epochs: 2, learning_rate: 0.01}\n"
                                 "eval: {valid: hit@20, cutoffs: [20], baselines: [popularity]}\n";
    check(lode_train(data, run, config, NULL, NULL, NULL, &error), &error);
    char *report = NULL;
    (void)snprintf(options, sizeof options, "{truth: '%s/shop.truth.tsv'}", raw);
    check(lode_eval(run, options, NULL, &report, &error), &error);
    json_t *logged = json_loads(report, 0, NULL);
    const json_t *truth = json_array_get(json_object_get(logged, "also"), 0);
    assert_string_equal(json_string_value(json_object_get(truth, "truth")), "shop.truth.tsv");
    *popularity = (recalls){recall_of(logged, "popularity"), recall_of(truth, "popularity")};
    *model = (recalls){recall_of(logged, "model"), recall_of(truth, "model")};
    json_decref(logged);
    lode_text_free(&report);
    remove_tree(run);
    remove_tree(raw);
}

static void test_bias_is_visible(void **state) {
    const fixture *self = *state;
    recalls popularity[SHOPS], model[SHOPS];
    measure(self, "0", &popularity[0], &model[0]);
    measure(self, "1", &popularity[1], &model[1]);
    for (size_t i = 0; i < SHOPS; i++) {
        print_message("bias %zu: popularity %.4f logged, %.4f true; model %.4f logged, %.4f true\n",
                      i, popularity[i].logged, popularity[i].truth, model[i].logged, model[i].truth);
    }
    // Shown alike: 20 of 400 items are .05, whoever asks.
    assert_true(popularity[0].logged < 0.08 && popularity[0].truth < 0.08);
    // Shown by popularity: the log flatters it, the truth does not.
    assert_true(popularity[1].logged > 2 * popularity[1].truth);
    assert_true(popularity[1].logged > 1.5 * popularity[0].logged);
    assert_true(popularity[1].truth < 0.08);
    // A model that follows interests keeps most of its lead where popularity loses its own.
    assert_true(model[1].truth > 2 * popularity[1].truth);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_bias_is_visible)};
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
