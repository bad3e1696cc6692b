/// Configurations: every default written out and read back, --set, and one clear message for each thing that is
/// wrong or contradicts another.
#include "fixture.h"

#include <sys/stat.h>

static void test_round_trip(void **state) {
    (void)state;
    char *once = config_with(NULL), *twice = NULL, *empty = NULL, *empty_again = NULL;
    lode_error error = {0};
    check(lode_config_resolve(once, "once", NULL, 0, &twice, &error), &error);
    assert_string_equal(once, twice);
    assert_non_null(strstr(once, "    dropout: 0.1\n"));
    assert_non_null(strstr(once, "  - type: in_batch\n    weight: 0.5\n"));
    assert_non_null(strstr(once, "  beta2: 0.999\n")); // a default
    check(lode_config_resolve(NULL, NULL, NULL, 0, &empty, &error), &error);
    check(lode_config_resolve(empty, NULL, NULL, 0, &empty_again, &error), &error);
    assert_string_equal(empty, empty_again);
    assert_non_null(strstr(empty, "tower: ican"));
    lode_text_free(&once);
    lode_text_free(&twice);
    lode_text_free(&empty);
    lode_text_free(&empty_again);
}

static void test_sets(void **state) {
    (void)state;
    static const char *const sets[] = {"train.epochs=5",
                                       "train.epochs=7",
                                       "objectives.1.weight=0.25",
                                       "model.user={tower: dssm, layers: [8]}",
                                       "model.item={tower: id}",
                                       "fields.user=[id, {name: age, dim: 4}]",
                                       NULL};
    char *text = config_with(sets), *again = NULL;
    lode_error error = {0};
    assert_non_null(strstr(text, "  epochs: 7\n"));
    assert_non_null(strstr(text, "    weight: 0.25\n"));
    assert_non_null(strstr(text, "    tower: dssm\n"));
    assert_non_null(strstr(text, "    tower: id\n"));
    check(lode_config_resolve(text, NULL, NULL, 0, &again, &error), &error);
    assert_string_equal(text, again);
    lode_text_free(&text);
    lode_text_free(&again);
}

typedef struct wrong {
    const char *set;
    lode_status status;
    const char *fragment;
    const char *also; ///< a second setting, or NULL
} wrong;

/// Wrong by themselves: refused when the configuration is read.
static const wrong wrong_texts[] = {
    {"train.epoch=5", LODE_E_CONFIG, "unknown key \"train.epoch\"; did you mean \"train.epochs\"",
     NULL},
    {"modle.dim=5", LODE_E_CONFIG, "did you mean \"model\"", NULL},
    {"model.user.head=5", LODE_E_CONFIG,
     "unknown key \"model.user.head\"; did you mean \"model.user.heads\"", NULL},
    {"model.user.rows=column", LODE_E_CONFIG, "model.user.rows is column: expected clicks | fields",
     NULL},
    {"model.user.history_field=auto", LODE_E_CONFIG,
     "unknown key \"model.user.history_field\"; did you mean \"model.user.history_fields\"", NULL},
    {"model.item.heads=5", LODE_E_CONFIG, "unknown key \"model.item.heads\"", NULL},
    {"objectives.0.negatives.counts=5",
     LODE_E_CONFIG, "unknown key \"objectives[0].negatives.counts\"; did you mean \"objectives[0].negatives.count\"",
     NULL},
    {"objectives.0.lgo_q=true", LODE_E_CONFIG, "did you mean \"objectives[0].log_q\"", NULL},
    {"model.user.tower=icna", LODE_E_CONFIG, "unknown user tower \"icna\"; did you mean \"ican\"",
     NULL},
    {"model.item.tower=ican", LODE_E_CONFIG, "unknown item tower \"ican\"", NULL},
    {"model.item={tower: autoint, head: 2}", LODE_E_CONFIG,
     "unknown key \"model.item.head\"; did you mean \"model.item.heads\"", NULL},
    {"model.user={tower: fm, layers: [8]}", LODE_E_CONFIG, "unknown key \"model.user.layers\"", NULL},
    {"model.item.tower=mpl", LODE_E_CONFIG, "did you mean \"mlp\"", NULL},
    {"objectives=[{type: in_bach}]", LODE_E_CONFIG,
     "unknown type \"in_bach\"; did you mean \"in_batch\"", NULL},
    {"objectives=[{weight: 1}]", LODE_E_CONFIG,
     "objectives[0] has no type; there are: sampled_softmax, in_batch", NULL},
    {"objectives=[]", LODE_E_CONFIG, "objectives is a list of 1 to 8", NULL},
    {"objectives=in_batch", LODE_E_CONFIG, "objectives is a list of 1 to 8", NULL},
    {"objectives.3.type=bpr", LODE_E_CONFIG, "beyond its end", NULL},
    {"train.batch=0", LODE_E_CONFIG, "train.batch is 0: expected 1 to 1048576", NULL},
    {"train.batch=many", LODE_E_CONFIG, "train.batch is many: expected a whole number", NULL},
    {"train.batch=1.5", LODE_E_CONFIG, "train.batch is 1.5: expected a whole number", NULL},
    {"train.batch=[1]", LODE_E_CONFIG, "train.batch is a list", NULL},
    {"train.learning_rate=fast", LODE_E_CONFIG, "train.learning_rate is fast: expected a number",
     NULL},
    {"train.learning_rate=nan", LODE_E_CONFIG, "train.learning_rate is nan", NULL},
    {"train.optimiser=adam", LODE_E_CONFIG, "expected lazy_adam", NULL},
    {"train=5", LODE_E_CONFIG, "train is 5: expected a map", NULL},
    {"data.history=0", LODE_E_CONFIG, "data.history is 0: expected 1 to 10000", NULL},
    {"data.split.type=random", LODE_E_CONFIG, "data.split.type is random: expected leave_one_out",
     NULL},
    {"eval.protocol=leave_one", LODE_E_CONFIG,
     "unknown protocol \"leave_one\"; there are: auto, leave_one_out", NULL},
    {"eval.protocol=micrec", LODE_E_CONFIG,
     "eval.protocol is micrec, which does not fit data.split.type: leave_one_out", NULL},
    {"eval.cutoffs=[10, 10]", LODE_E_CONFIG, "eval.cutoffs must increase: 10 stands after 10", NULL},
    {"eval.cutoffs=[20, 10]", LODE_E_CONFIG, "eval.cutoffs must increase: 10 stands after 20", NULL},
    {"eval.cutoffs=[]", LODE_E_CONFIG, "eval.cutoffs has 0 numbers", NULL},
    {"eval.cutoffs=[0]", LODE_E_CONFIG, "eval.cutoffs", NULL},
    {"eval.metrics=[hit, ndgc]", LODE_E_CONFIG, "unknown metric \"ndgc\"; did you mean \"ndcg\"",
     NULL},
    {"eval.valid=hits@50", LODE_E_CONFIG, "eval.valid is hits@50", NULL},
    {"eval.valid=hit", LODE_E_CONFIG, "eval.valid is hit: expected", NULL},
    {"eval.valid=coverage@50", LODE_E_CONFIG, "eval.valid is coverage@50", NULL},
    {"eval.valid=hit@20000", LODE_E_CONFIG, "eval.valid is hit@20000", NULL},
    {"train.epochs", LODE_E_USAGE, "expected key.path=value", NULL},
    {".epochs=1", LODE_E_USAGE, "an empty name in the path", NULL},
    {"model.user={tower: ican", LODE_E_CONFIG, "", NULL},
};

static void test_wrong(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof wrong_texts / sizeof *wrong_texts; i++) {
        const char *const sets[] = {wrong_texts[i].set};
        char *text = NULL;
        lode_error error = {0};
        const lode_status status =
            lode_config_resolve(small_config, "run.yaml", sets, 1, &text, &error);
        if (status == LODE_OK) fail_msg("%s was accepted", wrong_texts[i].set);
        check_error(status, &error, wrong_texts[i].status, wrong_texts[i].fragment);
        assert_null(text);
    }
}

static void test_places(void **state) {
    (void)state;
    char *text = NULL;
    lode_error error = {0};
    check_error(lode_config_resolve("train:\n  batch: 64\n  epohcs: 3\n", "run.yaml", NULL, 0,
                                    &text, &error),
                &error, LODE_E_CONFIG,
                "run.yaml:3: unknown key \"train.epohcs\"; did you mean \"train.epochs\"");
    check_error(lode_config_resolve("train:\n\tbatch: 64\n", "run.yaml", NULL, 0, &text, &error),
                &error, LODE_E_CONFIG, "run.yaml:2:");
    check_error(lode_config_resolve("- train\n", "run.yaml", NULL, 0, &text, &error), &error,
                LODE_E_CONFIG, "run.yaml:1: expected `key: value` lines");
    check_error(lode_config_resolve("train: {batch: 1}\ntrain: {batch: 2}\n", "run.yaml", NULL, 0,
                                    &text, &error),
                &error, LODE_E_CONFIG, "train");
    assert_null(text);
}

/// Wrong together with each other or with the data: refused before anything is written.
static const wrong contradictions[] = {
    {"model.user.heads=3", LODE_E_CONFIG,
     "model.user.heads is 3, but the item id has 8 dimensions: heads must divide", NULL},
    {"model.item.layers=[16, 12]",
     LODE_E_CONFIG, "the user tower ican gives vectors of 8 numbers and the item tower mlp of 12: they must be equal",
     NULL},
    {"model.user={tower: fm}", LODE_E_CONFIG,
     "the user tower fm gives vectors of 9 numbers and the item tower mlp of 8", NULL},
    {"model.item={tower: autoint, heads: 3}", LODE_E_CONFIG,
     "model.item.heads is 3, but fields have 8 dimensions: heads must divide", NULL},
    {"model.item={tower: deepfm, layers: []}", LODE_E_CONFIG,
     "model.item.layers needs 1 to 8 widths, not 0", NULL},
    {"model.user.layers=[]", LODE_E_CONFIG, "model.user.layers needs 1 to 8 widths, not 0", NULL},
    {"model.item.layers=[8, 8, 8, 8, 8, 8, 8, 8, 8]", LODE_E_CONFIG,
     "model.item.layers needs 1 to 8 widths, not 9", NULL},
    {"model.user={tower: dssm, history: false, layers: [8]}", LODE_E_CONFIG,
     "the dssm tower has no input", "fields.user=[]"},
    {"fields.user=[size]", LODE_E_CONFIG,
     "user field \"size\" is not there; the data set has: gender age", NULL},
    {"fields.item=[item_name]", LODE_E_CONFIG, "item field \"item_name\" is text", NULL},
    {"fields.context=[device]", LODE_E_CONFIG, "context field \"device\" is not there", NULL},
    {"fields.item=everything", LODE_E_CONFIG, "fields.item", NULL},
    {"fields.user=[age, age]", LODE_E_CONFIG, "age stands twice", NULL},
    {"fields.user=[id, id]", LODE_E_CONFIG, "id stands twice", NULL},
    {"data.min_history=5000", LODE_E_INPUT, "gives no training example", NULL},
    {"data.split={type: chronological, test: 0.99, valid: 0.99}", LODE_E_CONFIG,
     "no click is left for training", NULL},
};

static void test_contradictions(void **state) {
    const fixture *self = *state;
    for (size_t i = 0; i < sizeof contradictions / sizeof *contradictions; i++) {
        const wrong *one = &contradictions[i];
        const char *const sets[] = {one->set, one->also, NULL};
        lode_error error = {0};
        char run[32];
        (void)snprintf(run, sizeof run, "wrong%zu", i);
        const lode_status status = train_small(self, run, sets, NULL, NULL, &error);
        if (status == LODE_OK) fail_msg("%s was accepted", one->set);
        check_error(status, &error, one->status, one->fragment);
        char path[PATH_ROOM];
        path_in(self, run, path);
        assert_int_not_equal(access(path, F_OK), 0); // no folder was made
    }
}

/// Columns may have any name: that of a table of a tower, "id" beside the id itself.
static void test_column_names(void **state) {
    fixture self = *(const fixture *)*state;
    static const char *const files[] = {"names/names.inter", "names/names.item", "names/names.user"};
    char path[PATH_ROOM];
    path_in(&self, "names", path);
    assert_int_equal(mkdir(path, 0755), 0);
    for (size_t i = 0; i < 3; i++) {
        path_in(&self, files[i], path);
        FILE *file = fopen(path, "w");
        assert_non_null(file);
        (void)fprintf(
            file, i == 0
                      ? "user_id:token\titem_id:token\ttimestamp:float\tposition:token\tid:token\n"
                  : i == 1 ? "item_id:token\tid:token\tkind:token\n"
                           : "user_id:token\tposition:token\tid:token\tmlp:token\n");
        for (int row = 0; row < (i == 0 ? 400 : 50); row++) {
            if (i == 0) {
                (void)fprintf(file, "u%d\ti%d\t%d\t%d\tx%d\n", row / 8, row * 7 % 23,
                              1700000000 + row, row % 3, row % 5);
            } else if (i == 1) {
                (void)fprintf(file, "i%d\tx%d\tk%d\n", row, row, row % 3);
            } else {
                (void)fprintf(file, "u%d\tp%d\ty%d\tm%d\n", row, row % 3, row % 5, row % 2);
            }
        }
        assert_int_equal(fclose(file), 0);
    }
    lode_error error = {0};
    path_in(&self, "names", path);
    path_in(&self, "names.lode", self.data);
    check(lode_import(path, self.data, NULL, NULL, NULL, &error), &error);
    static const char *const sets[] = {"fields.context=auto", NULL};
    check(train_small(&self, "names-run", sets, NULL, NULL, &error), &error);
    const bytes weights = read_file(&self, "names-run", "model.safetensors");
    static const char *const tables[] = {"\"user.position\"", "\"user.id\"", "\"context.position\"",
                                         "\"item.kind\""};
    for (size_t i = 0; i < 4; i++) {
        assert_non_null(memmem(weights.data, weights.size, tables[i], strlen(tables[i])));
    }
    free(weights.data);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),     cmocka_unit_test(test_sets),
        cmocka_unit_test(test_wrong),          cmocka_unit_test(test_places),
        cmocka_unit_test(test_contradictions), cmocka_unit_test(test_column_names)};
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
