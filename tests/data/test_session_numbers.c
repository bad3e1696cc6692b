/// Numbers of sessions against a search through everything that came before.
#include "data/session_numbers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { MOST = 5000 };

static uint32_t number_of(lode_session_numbers *numbers, uint32_t user, const char *name) {
    uint32_t out;
    lode_error error = {0};
    if (lode__session_number(numbers, user, lode__session_key(name, strlen(name)), &out, &error) !=
        LODE_OK)
        fail_msg("%s", error.message);
    return out;
}

static void test_by_hand(void **state) {
    (void)state;
    // Names and earlier numbers never share a key.
    assert_true(lode__session_key("a", 1) >> 63 == 1 && lode__session_key("b", 1) >> 63 == 1 &&
                lode__session_key("c", 1) >> 63 == 1 && lode__session_key("d", 1) >> 63 == 1);
    assert_true(lode__session_key_again(UINT32_MAX) >> 63 == 0);
    lode_session_numbers numbers = {0};
    assert_int_equal(number_of(&numbers, 0, "a"), 0);
    assert_int_equal(number_of(&numbers, 0, "b"), 1);
    assert_int_equal(number_of(&numbers, 0, "a"), 0); // interleaved
    assert_int_equal(number_of(&numbers, 7, "a"), 2); // another user's session of that name
    assert_int_equal(number_of(&numbers, 7, ""), 3);
    assert_int_equal(number_of(&numbers, 7, "a"), 2);
    uint32_t again;
    lode_error error = {0};
    assert_int_equal(lode__session_number(&numbers, 8, lode__session_key_again(2), &again, &error),
                     LODE_OK);
    assert_int_equal(again, 4);
    assert_int_equal(numbers.count, 5);
    lode__session_numbers_release(&numbers);
}

/// Users with few and with very many sessions in turn, so that room grows and shrinks.
static void test_many(void **state) {
    (void)state;
    static const uint32_t sizes[] = {1, 3, 5000, 2, 60, 1, 700, 1, 1, 4000, 9, 1};
    static uint32_t known[MOST];
    lode_session_numbers numbers = {0};
    uint32_t expected = 0;
    uint64_t random = 1;
    for (uint32_t user = 0; user < sizeof sizes / sizeof *sizes; ++user) {
        memset(known, 0xff, sizeof known);
        for (uint32_t row = 0; row < 3 * sizes[user]; ++row) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            const uint32_t session = (uint32_t)(random >> 33) % sizes[user];
            char name[16];
            snprintf(name, sizeof name, "s%u", session);
            if (known[session] == UINT32_MAX) known[session] = expected++;
            assert_int_equal(number_of(&numbers, user, name), known[session]);
        }
    }
    assert_int_equal(numbers.count, expected);
    assert_true(numbers.capacity < 1024); // of the user before the last, not of the largest
    lode__session_numbers_release(&numbers);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_by_hand), cmocka_unit_test(test_many)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
