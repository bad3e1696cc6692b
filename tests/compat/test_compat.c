/// One sample of each format version must load for ever, and still mean the same. Run from the top of the source tree.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <lodestone.h>
#include <math.h>
#include <string.h>

#define FOLDER "tests/compat/format-1/"

static void test_data_set(void **state) {
    (void)state;
    lode_error error = {0};
    char *report = NULL;
    if (lode_info(FOLDER "shop.lode", NULL, &report, &error) != LODE_OK)
        fail_msg("%s", error.message);
    assert_non_null(strstr(report, "\"interactions\": 536"));
    assert_non_null(strstr(report, "\"fingerprint\": \"b0b74bf89ad41532\""));
    lode_text_free(&report);
}

static void test_bundle(void **state) {
    (void)state;
    lode_error error = {0};
    lode_model *model = NULL;
    lode_session *session = NULL;
    if (lode_model_open(&model, FOLDER "run", FOLDER "shop.lode", NULL, &error) != LODE_OK) {
        fail_msg("%s", error.message);
    }
    assert_int_equal(lode_session_new(&session, model, 2, 3, &error), LODE_OK);
    const char *const history[] = {"i1", "i2"};
    const lode_query queries[] = {{.user = "u1"},
                                  {.history = history, .history_count = 2, .exclude_seen = true}};
    lode_candidate found[2][3];
    size_t counts[2];
    if (lode_session_recommend(session, queries, 2, 3, found[0], counts, &error) != LODE_OK) {
        fail_msg("%s", error.message);
    }
    // What format 1's program printed when it wrote the sample; levels differ in the last digits.
    static const struct {
        const char *item;
        float score;
    } expected[2][2] = {{{"i8", 0.0360295F}, {"i7", -0.00244342F}},
                        {{"i8", 0.111768F}, {"i7", -0.00953448F}}};
    for (int q = 0; q < 2; q++) {
        assert_int_equal(counts[q], 3);
        for (int place = 0; place < 2; place++) {
            assert_string_equal(found[q][place].item, expected[q][place].item);
            assert_true(fabsf(found[q][place].score - expected[q][place].score) <= 1e-4F);
        }
    }
    lode_session_free(&session);
    lode_model_free(&model);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_data_set),
                                       cmocka_unit_test(test_bundle)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
