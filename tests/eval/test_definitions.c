/// Definitions of projects: the golden test (K = 4, ten items) under the name that each of them gives to a formula.
#include "eval/definitions.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct {
    const char *project, *name;
    double expected;
} golden[] = {
    {"recbole", "recall", .466667},
    {"recbole", "hit", .666667},
    {"recbole", "precision", .25},
    {"recbole", "ndcg", .361857},
    {"recbole", "mrr", .444444},
    {"recbole", "map", .25},
    {"recbole", "itemcoverage", .636364},
    {"comirec", "recall", .466667},
    {"comirec", "ndcg", .473240},
    {"comirec", "hitrate", .666667},
    {"mic", "ndcg", .473240},
    {"implicit", "precision", .428571},
    {"implicit", "ndcg", .361857},
    {"implicit", "map", .25},
    {"tzrec", "hitrate", .375},
    {"tzrec", "recall", .375},
    {"torch_rechub", "hit", .375},
    {"selfrec", "hit_ratio", .375},
    {"libreco", "map", .388889},
    {"libreco", "ndcg", .473240},
    {"gorse", "map", .222222},
    {"gorse", "hr", .666667},
    {"bars", "recall", .466667},
    {"recommenders", "ndcg", .361857},
    {"tfrs", "top_k_accuracy", .375},
    {"ccl4rec", "f1", .325581},
    {"sasrec", "hr", .666667},
    {"clrec", "hr", .666667},
    {"clrec", "pred1-hr", .5},
    {"clrec", "pred5-hr", .533333},
    {"clrec", "diversity", 7},
};

static const lode_definition_row *row_find(const char *project, const char *name) {
    const lode_definition *definition = NULL;
    lode_error error = {0};
    assert_int_equal(lode__definition_find(project, &definition, &error), LODE_OK);
    for (const lode_definition_row *row = definition->rows; row->name; row++) {
        if (strcmp(row->name, name) == 0) {
            return row;
        }
    }
    fail_msg("%s has no %s", project, name);
    return NULL;
}

static void test_golden(void **state) {
    (void)state;
    static const uint32_t truth[] = {1, 2, 3, 4, 5, 6, 2, 7};
    static const uint32_t again[] = {7, 9, 9};
    static const size_t starts[] = {0, 5, 6}, counts[] = {5, 1, 2}, cutoff = 4;
    static const uint32_t lists[3][4] = {{1, 9, 3, 8}, {7, 8, 6, 9}, {0, 1, 3, 9}};
    lode_metrics metrics;
    lode_error error = {0};
    assert_int_equal(lode__metrics_new(&metrics, &cutoff, 1, 10, 10, NULL, &error), LODE_OK);
    for (int i = 0; i < 3; i++) {
        lode__metrics_add(&metrics, lists[i], 4, truth + starts[i], counts[i]);
        if (i != 1) { // of the first case 1, 2, 3, 4, 5 come next, of the third 7, 9, 9
            lode__metrics_add_next(&metrics, lists[i], 4, i ? again : truth, i ? 3 : 5, false);
        }
    }
    for (size_t i = 0; i < sizeof golden / sizeof *golden; i++) {
        const lode_definition_row *row = row_find(golden[i].project, golden[i].name);
        const double got = lode__definition_value(row, &metrics, 0);
        if (!(fabs(got - golden[i].expected) <= 1e-6)) {
            fail_msg("%s %s: %.6f, expected %.6f", golden[i].project, golden[i].name, got,
                     golden[i].expected);
        }
    }
    assert_int_equal(metrics.items, 10); // the padding item is the project's alone
    lode__metrics_release(&metrics);
}

static void test_names(void **state) {
    (void)state;
    const lode_definition *definition = NULL;
    lode_error error = {0};
    for (size_t i = 0; lode__definition_at(i); i++) {
        assert_int_equal(lode__definition_find(lode__definition_at(i)->name, &definition, &error),
                         LODE_OK);
        assert_ptr_equal(definition, lode__definition_at(i));
        assert_non_null(definition->rows->name);
        for (const lode_definition_row *row = definition->rows; row->name; row++) {
            assert_ptr_equal(row_find(definition->name, row->name), row); // once each
        }
    }
    assert_int_equal(lode__definition_find("recbol", &definition, &error), LODE_E_USAGE);
    assert_non_null(strstr(error.message, "\"recbole\""));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_golden), cmocka_unit_test(test_names)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
