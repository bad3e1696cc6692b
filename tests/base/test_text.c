#include "base/text.h"

#include <locale.h>

#include "../check.h"

static void test_building(void **state) {
    (void)state;
    lode_text text = {0};
    lode_error error = {0};
    char *out = NULL;
    assert_ok(lode__text_take(&text, &out, &error), error);
    assert_string_equal(out, "");
    lode__free(out);
    for (int i = 0; i < 1000; i++) {
        lode__text_printf(&text, "%d,", i % 10);
        lode__text_add(&text, "x");
        lode__text_add_bytes(&text, "yz", 1);
        lode__text_add_bytes(&text, NULL, 0);
    }
    assert_int_equal(text.length, 4000);
    assert_int_equal(strlen(text.data), 4000);
    assert_ok(lode__text_take(&text, &out, &error), error);
    assert_null(text.data);
    assert_memory_equal(out, "0,xy1,xy2,xy", 12);
    assert_string_equal(out + 3996, "9,xy");
    lode__free(out);
    lode__text_release(&text);
}

static void test_failure_sticks(void **state) {
    (void)state;
    lode_text text = {0};
    lode_error error = {0};
    char *out = NULL;
    lode__text_add(&text, "a");
    lode__text_add_bytes(&text, "b", SIZE_MAX - 1); // cannot be granted
    assert_true(text.failed);
    lode__text_add(&text, "c");
    lode__text_printf(&text, "%d", 1);
    assert_string_equal(text.data, "a");
    assert_fails(lode__text_take(&text, &out, &error), LODE_E_MEMORY, error, "memory");
    assert_null(out);
    assert_null(text.data);
}

#define assert_no_number(parse, text)                                                              \
    do {                                                                                           \
        value = 77;                                                                                \
        assert_false(parse(text, sizeof(text) - 1, &value));                                       \
        assert_true(value == 77);                                                                  \
    } while (0)

#define assert_number(parse, text, expected)                                                       \
    do {                                                                                           \
        assert_true(parse(text, sizeof(text) - 1, &value));                                        \
        assert_true(value == (expected));                                                          \
    } while (0)

static void test_whole_numbers(void **state) {
    (void)state;
    {
        int64_t value;
        assert_number(lode__parse_i64, "0", 0);
        assert_number(lode__parse_i64, "-12", -12);
        assert_number(lode__parse_i64, "9223372036854775807", INT64_MAX);
        assert_number(lode__parse_i64, "-9223372036854775808", INT64_MIN);
        assert_true(lode__parse_i64("123456", 3, &value) && value == 123); // the length counts
        assert_no_number(lode__parse_i64, "9223372036854775808");
        assert_no_number(lode__parse_i64, "-9223372036854775809");
        assert_no_number(lode__parse_i64, "");
        assert_no_number(lode__parse_i64, "-");
        assert_no_number(lode__parse_i64, "--1");
        assert_no_number(lode__parse_i64, "-+1");
        assert_no_number(lode__parse_i64, " 1");
        assert_no_number(lode__parse_i64, "\v1");
        assert_no_number(lode__parse_i64, "1 ");
        assert_no_number(lode__parse_i64, "1.0");
        assert_no_number(lode__parse_i64, "0x10");
        assert_no_number(lode__parse_i64, "12a");
        assert_no_number(lode__parse_i64, "1\0");
    }
    uint64_t value;
    assert_number(lode__parse_u64, "18446744073709551615", UINT64_MAX);
    assert_no_number(lode__parse_u64, "18446744073709551616");
    assert_no_number(lode__parse_u64, "-1");
    assert_no_number(lode__parse_u64, "-0");
    assert_no_number(lode__parse_u64, "");
}

static void test_reals(void **state) {
    (void)state;
    double value;
    assert_number(lode__parse_real, "0.1", 0.1);
    assert_number(lode__parse_real, "-2.5e-3", -2.5e-3);
    assert_number(lode__parse_real, "1e308", 1e308);
    assert_number(lode__parse_real, ".5", 0.5);
    assert_number(lode__parse_real, "5.", 5.0);
    assert_number(lode__parse_real, "12345678901234567890", 12345678901234567890.0);
    assert_number(lode__parse_real, "0.3333333333333333148296162562473909929395", 1.0 / 3);
    assert_number(lode__parse_real, "4.9406564584124654e-324", 4.9406564584124654e-324);
    assert_no_number(lode__parse_real, "");
    assert_no_number(lode__parse_real, ".");
    assert_no_number(lode__parse_real, "-");
    assert_no_number(lode__parse_real, "e5");
    assert_no_number(lode__parse_real, "1e");
    assert_no_number(lode__parse_real, "1e+");
    assert_no_number(lode__parse_real, "1.2.3");
    assert_no_number(lode__parse_real, "1,5");
    assert_no_number(lode__parse_real, "1e999");
    assert_no_number(lode__parse_real, "nan");
    assert_no_number(lode__parse_real, "inf");
    assert_no_number(lode__parse_real, "0x1p3");
    assert_no_number(lode__parse_real, " 1");
    assert_no_number(lode__parse_real, "1 ");
}

/// A host program with a decimal comma changes nothing.
static void test_locale(void **state) {
    (void)state;
    static const char *const names[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "de_DE"};
    bool found = false;
    for (size_t i = 0; i < 4 && !found; i++)
        found = setlocale(LC_NUMERIC, names[i]) != NULL;
    double value = 0;
    lode_text text = {0};
    lode__text_printf(&text, "%g", 1.5);
    const bool parsed = lode__parse_real("2.5", 3, &value);
    setlocale(LC_NUMERIC, "C");
    assert_string_equal(text.data, "1.5");
    lode__text_release(&text);
    assert_true(parsed);
    assert_true(value == 2.5);
    if (!found) {
        print_message("skipped: no locale with a decimal comma is installed\n");
        skip();
    }
}

static void test_utf8(void **state) {
    (void)state;
    static const char *const good[] = {"",
                                       "abc",
                                       "\xc2\x80",
                                       "\xdf\xbf",
                                       "\xe0\xa0\x80",
                                       "\xed\x9f\xbf",
                                       "\xee\x80\x80",
                                       "\xef\xbf\xbf",
                                       "\xf0\x90\x80\x80",
                                       "\xf4\x8f\xbf\xbf"};
    static const char *const bad[] = {"\x80",
                                      "\xbf",
                                      "\xc0\x80",
                                      "\xc1\xbf",
                                      "\xe0\x9f\xbf",
                                      "\xed\xa0\x80",
                                      "\xf0\x8f\xbf\xbf",
                                      "\xf4\x90\x80\x80",
                                      "\xf5\x80\x80\x80",
                                      "\xff",
                                      "a\xc2",
                                      "\xe2\x82",
                                      "\xf0\x9f\x98",
                                      "\xc2"
                                      "a",
                                      "\xe2\x82"
                                      "a"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_true(lode__utf8_valid(good[i], strlen(good[i])));
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(lode__utf8_valid(bad[i], strlen(bad[i])));
    }
    assert_true(lode__utf8_valid("a\0b", 3));
    assert_true(lode__utf8_valid("ab\xc2", 2)); // the length counts
}

static void test_nearest(void **state) {
    (void)state;
    assert_int_equal(lode__edit_distance("", ""), 0);
    assert_int_equal(lode__edit_distance("", "abc"), 3);
    assert_int_equal(lode__edit_distance("abc", ""), 3);
    assert_int_equal(lode__edit_distance("kitten", "sitting"), 3);
    assert_int_equal(lode__edit_distance("ab", "ba"), 1); // a swap is one step
    assert_int_equal(lode__edit_distance("temprature", "temperature"), 1);
    char longest[65];
    memset(longest, 'a', sizeof longest);
    longest[64] = 0;
    assert_true(lode__edit_distance(longest, "a") == SIZE_MAX);
    assert_true(lode__edit_distance("a", longest) == SIZE_MAX);
    longest[63] = 0;
    assert_int_equal(lode__edit_distance(longest, longest), 0);
    static const char *const names[] = {"epochs", "temperature", "batch", "seed"};
    assert_string_equal(lode__nearest("temprature", names, 4), "temperature");
    assert_string_equal(lode__nearest("epoch", names, 4), "epochs");
    assert_null(lode__nearest("optimiser", names, 4));
    assert_null(lode__nearest("", names, 4));
    assert_null(lode__nearest("epochs", names, 0));
}

static void test_unknown(void **state) {
    (void)state;
    static const char *const names[] = {"epochs", "batch"};
    lode_error error = {0};
    assert_int_equal(lode__fail_unknown(&error, LODE_E_CONFIG, "unknown key", "epoch", names, 2),
                     LODE_E_CONFIG);
    assert_int_equal(error.status, LODE_E_CONFIG);
    assert_string_equal(error.message,
                        "unknown key \"epoch\"; did you mean \"epochs\"? There are: epochs, batch");
    (void)lode__fail_unknown(&error, LODE_E_USAGE, "train has no key", "", names, 2);
    assert_string_equal(error.message, "train has no key; there are: epochs, batch");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unknown),        cmocka_unit_test(test_building),
        cmocka_unit_test(test_failure_sticks), cmocka_unit_test(test_whole_numbers),
        cmocka_unit_test(test_reals),          cmocka_unit_test(test_locale),
        cmocka_unit_test(test_utf8),           cmocka_unit_test(test_nearest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
