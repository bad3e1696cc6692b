#include "search/entry.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void test_order(void **state) {
    (void)state;
    static const float rising[] = {-INFINITY, -3.4e38f, -1.0f, -1e-45f, 0.0f,
                                   1e-45f,    1.0f,     1.5f,  3.4e38f, INFINITY};
    for (size_t i = 0; i < sizeof rising / sizeof *rising; i++) {
        const lode_entry entry = lode__entry_make(rising[i], 7);
        assert_true(lode__entry_score(entry) >= rising[i] && lode__entry_score(entry) <= rising[i]);
        assert_int_equal(lode__entry_item(entry), 7);
        if (i > 0) { // a better score beats a lower index, at equal scores the lower index wins
            assert_true(entry > lode__entry_make(rising[i - 1], 0));
        }
        assert_true(lode__entry_make(rising[i], 6) > entry);
        assert_true(lode__entry_make(rising[i], UINT32_MAX - 1) < entry);
    }
    assert_true(lode__entry_make(-0.0f, 3) == lode__entry_make(0.0f, 3));
}

static int falling(const void *a, const void *b) {
    const lode_entry x = *(const lode_entry *)a, y = *(const lode_entry *)b;
    return (x < y) - (x > y);
}

enum { MOST = 2000 };

/// Several shapes of input, among them those that are hard on quickselect.
static void shape_fill(int shape, lode_entry *entries, size_t count) {
    uint32_t random = 12345;
    for (size_t i = 0; i < count; i++) {
        random = random * 1664525u + 1013904223u;
        const uint32_t at = (uint32_t)i, half = (uint32_t)(count / 2);
        const uint32_t shapes[] = {
            random >> 8, at, MOST - at, at < half ? at : MOST - at, 5, at % 2 ? at : MOST + at};
        entries[i] = lode__entry_make((float)shapes[shape], at);
    }
}

static void test_select_and_sort(void **state) {
    (void)state;
    static const size_t counts[] = {1, 2, 3, 10, 257, MOST};
    static lode_entry given[MOST], sorted[MOST], got[MOST];
    for (int shape = 0; shape < 6; shape++) {
        for (size_t c = 0; c < 6; c++) {
            const size_t count = counts[c];
            shape_fill(shape, given, count);
            memcpy(sorted, given, sizeof given);
            qsort(sorted, count, sizeof *sorted, falling);
            memcpy(got, given, sizeof given);
            lode__entries_sort(got, count);
            assert_memory_equal(got, sorted, count * sizeof *got);
            for (size_t k = 1; k <= count; k += 1 + count / 7) {
                memcpy(got, given, sizeof given);
                lode__entries_select(got, count, k);
                assert_true(got[k - 1] == sorted[k - 1]);
                qsort(got, k, sizeof *got, falling);
                assert_memory_equal(got, sorted, k * sizeof *got);
            }
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_select_and_sort),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
