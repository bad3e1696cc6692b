#include "base/error.h"

#include <errno.h>

#include "../check.h"

static void test_every_status_has_a_name_and_a_text(void **state) {
    (void)state;
#define CHECK_STATUS(name, value, text)                                                            \
    assert_string_equal(lode_status_name(name), #name);                                            \
    assert_string_equal(lode_status_text(name), text);
    LODE_STATUS_LIST(CHECK_STATUS)
    assert_non_null(lode_status_name((lode_status)77));
    assert_non_null(lode_status_text((lode_status)77));
    assert_string_equal(lode_version(), LODE_VERSION);
}

static void test_fail_fills_the_error(void **state) {
    (void)state;
    lode_error error = {0};
    assert_int_equal(lode__fail(&error, LODE_E_INPUT, "row %d of %s", 7, "log"), LODE_E_INPUT);
    assert_int_equal(error.status, LODE_E_INPUT);
    assert_string_equal(error.message, "row 7 of log");
    assert_int_equal(lode__fail(NULL, LODE_E_FORMAT, "nobody listens"), LODE_E_FORMAT);
    assert_int_equal(lode__fail_memory(&error), LODE_E_MEMORY);
    assert_int_equal(error.status, LODE_E_MEMORY);
}

static void test_messages_are_one_printable_line(void **state) {
    (void)state;
    static const struct {
        const char *given, *shown;
    } cases[] = {
        {"a\nb\tc\x1b[31m\x7f", "a?b?c?[31m?"},
        {"caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80", "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80"},
        {"\xff\xfe", "??"},
        {"\xc0\xaf", "??"},      // overlong
        {"\xed\xa0\x80", "???"}, // surrogate
        {"a\xc2\x9b"
         "b\xc2\xa0"
         "c",
         "a??b\xc2\xa0"
         "c"}, // C1 control; no-break space stays
        {"a\xe2\x80\xa8"
         "b\xe2\x80\xa9"
         "c",
         "a???b???c"}, // line separators of Unicode
        {"cut\xe2\x82", "cut??"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        lode_error error = {0};
        assert_int_equal(lode__fail(&error, LODE_E_INPUT, "%s", cases[i].given), LODE_E_INPUT);
        assert_string_equal(error.message, cases[i].shown);
    }
}

static void test_long_messages_are_cut(void **state) {
    (void)state;
    char given[3000];
    for (size_t i = 0; i + 1 < sizeof given; i += 2)
        memcpy(given + i, "\xc3\xa9", 2);
    given[2998] = 0;
    lode_error error = {0};
    assert_int_equal(lode__fail(&error, LODE_E_INPUT, "x%s", given), LODE_E_INPUT);
    assert_int_equal(strlen(error.message), sizeof error.message - 1);
    assert_int_equal(lode__fail(&error, LODE_E_INPUT, "%s", given), LODE_E_INPUT);
    assert_int_equal(error.message[sizeof error.message - 2], '?'); // half a character
    assert_int_equal(lode__error_prefix(&error, LODE_E_INPUT, "%s", given), LODE_E_INPUT);
    assert_int_equal(strlen(error.message), sizeof error.message - 1);
}

static void test_errno_and_prefix(void **state) {
    (void)state;
    lode_error error = {0};
    errno = ENOENT;
    assert_int_equal(lode__fail_errno(&error, "cannot read %s", "x"), LODE_E_SYSTEM);
    assert_string_equal(error.message, "cannot read x: No such file or directory");
    assert_int_equal(lode__error_prefix(&error, LODE_E_MISSING, "table %d", 3), LODE_E_MISSING);
    assert_int_equal(error.status, LODE_E_MISSING);
    assert_string_equal(error.message, "table 3: cannot read x: No such file or directory");
    // An argument may point into the error itself.
    assert_int_equal(lode__fail(&error, LODE_E_INPUT, "<%s>", error.message), LODE_E_INPUT);
    assert_string_equal(error.message, "<table 3: cannot read x: No such file or directory>");
    assert_int_equal(lode__error_prefix(&error, LODE_OK, "nothing"), LODE_OK);
    assert_string_equal(error.message, "<table 3: cannot read x: No such file or directory>");
    assert_int_equal(lode__error_prefix(NULL, LODE_E_INPUT, "nobody"), LODE_E_INPUT);
}

static void remember(void *cookie, const char *line) {
    snprintf(cookie, 64, "%s", line);
}

static void test_notice(void **state) {
    (void)state;
    char heard[64] = "";
    const lode_hooks hooks = {.cookie = heard, .notice = remember}, deaf = {0};
    lode__notice(&hooks, "skipped %s\n", "x");
    assert_string_equal(heard, "skipped x?");
    lode__notice(&deaf, "nobody");
    lode__notice(NULL, "nobody");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_status_has_a_name_and_a_text),
        cmocka_unit_test(test_fail_fills_the_error),
        cmocka_unit_test(test_messages_are_one_printable_line),
        cmocka_unit_test(test_long_messages_are_cut),
        cmocka_unit_test(test_errno_and_prefix),
        cmocka_unit_test(test_notice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
