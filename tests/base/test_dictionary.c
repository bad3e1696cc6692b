#include "base/dictionary.h"

#include "../check.h"

/// Known answers of XXH64 (the reference implementation's).
static void test_hash(void **state) {
    (void)state;
    assert_true(lode__hash("", 0, 0) == UINT64_C(0xEF46DB3751D8E999));
    assert_true(lode__hash("a", 1, 0) == UINT64_C(0xD24EC4F1A98C6E5B));
    assert_true(lode__hash("abc", 3, 0) == UINT64_C(0x44BC2CF5AD770999));
    assert_true(lode__hash("abc", 3, 0) != lode__hash("abc", 3, 1));
}

static void test_indices_come_in_order(void **state) {
    (void)state;
    enum { TOKENS = 20000 };
    lode_dictionary dictionary = {0};
    lode_error error = {0};
    assert_int_equal(lode__dictionary_find(&dictionary, "x", 1), LODE_DICTIONARY_NONE);
    for (uint32_t round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < TOKENS; i++) {
            char token[32];
            const int length = snprintf(token, sizeof token, "item-%u", i * 7919 % TOKENS);
            uint32_t index = 0;
            assert_ok(lode__dictionary_add(&dictionary, token, (size_t)length, &index, &error),
                      error);
            assert_int_equal(index, i);
        }
        assert_int_equal(dictionary.count, TOKENS);
    }
    for (uint32_t i = 0; i < TOKENS; i++) {
        char token[32];
        const int length = snprintf(token, sizeof token, "item-%u", i * 7919 % TOKENS);
        assert_string_equal(lode__dictionary_token(&dictionary, i), token);
        assert_int_equal(lode__dictionary_find(&dictionary, token, (size_t)length), i);
    }
    assert_int_equal(lode__dictionary_find(&dictionary, "item-", 5), LODE_DICTIONARY_NONE);
    assert_int_equal(lode__dictionary_find(&dictionary, "item-20000", 10), LODE_DICTIONARY_NONE);
    lode__dictionary_release(&dictionary);
    assert_int_equal(dictionary.count, 0);
}

static void test_odd_tokens(void **state) {
    (void)state;
    lode_dictionary dictionary = {0};
    lode_error error = {0};
    uint32_t index = 9;
    assert_ok(lode__dictionary_add(&dictionary, NULL, 0, &index, &error), error); // the empty token
    assert_int_equal(index, 0);
    assert_ok(lode__dictionary_add(&dictionary, "\xff\x01", 2, &index, &error), error);
    assert_int_equal(index, 1);
    assert_ok(lode__dictionary_add(&dictionary, "abc", 2, &index, &error), error); // the length counts
    assert_int_equal(index, 2);
    assert_string_equal(lode__dictionary_token(&dictionary, 2), "ab");
    assert_int_equal(lode__dictionary_find(&dictionary, "", 0), 0);
    assert_int_equal(lode__dictionary_find(&dictionary, "abc", 3), LODE_DICTIONARY_NONE);
    lode__dictionary_release(&dictionary);
    lode__dictionary_release(&dictionary);
}

static void test_too_many_tokens(void **state) {
    (void)state;
    lode_dictionary dictionary = {.count = UINT32_MAX - 1}; // pretended
    lode_error error = {0};
    uint32_t index = 9;
    assert_fails(lode__dictionary_add(&dictionary, "x", 1, &index, &error), LODE_E_INPUT, error,
                 "4294967294");
    assert_int_equal(index, 9);
    lode_dictionary empty = {0};
    assert_fails(lode__dictionary_add(&empty, "x", SIZE_MAX, &index, &error), LODE_E_MEMORY, error,
                 "memory");
    lode__dictionary_release(&empty);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hash),
        cmocka_unit_test(test_indices_come_in_order),
        cmocka_unit_test(test_odd_tokens),
        cmocka_unit_test(test_too_many_tokens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
