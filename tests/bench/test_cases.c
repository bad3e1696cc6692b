/// The cases of the bench at the level in use: each runs, within the memory that it asked for.
#include "bench/bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static size_t run(const char *only) {
    lode_benchmark bench = {.only = only,
                            .effort = {1, 0},
                            .ceilings = {.f32 = 1e9, .b16 = 1e9},
                            .ceiling_rows = json_array(),
                            .kernel_rows = json_array()};
    lode__bench_cases_f32(&bench);
    lode__bench_cases_b16(&bench);
    assert_false(bench.failed || bench.stopped);
    size_t index;
    json_t *row;
    json_array_foreach(bench.kernel_rows, index, row) {
        assert_non_null(strstr(json_string_value(json_object_get(row, "name")), only));
        assert_true(json_real_value(json_object_get(row, "seconds_min")) > 0);
    }
    const size_t count = json_array_size(bench.kernel_rows);
    json_decref(bench.ceiling_rows);
    json_decref(bench.kernel_rows);
    return count;
}

static void test_cases(void **state) {
    (void)state;
    assert_int_equal(run("attention"), 2 * 8); // four shapes, both ways, in both precisions
    assert_true(run("product") > 4);
    assert_int_equal(run("no such name"), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_cases)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
