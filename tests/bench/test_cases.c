/// The cases of the bench at the level in use: each runs, within the memory that it asked for.
#include "bench/bench.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

/// Operations and bytes of a line, by hand.
static void check_counts(const json_t *row, const char *precision, double operations, double bytes) {
    if (strcmp(json_string_value(json_object_get(row, "precision")), precision) != 0) return;
    const double seconds = json_real_value(json_object_get(row, "seconds_median")) * 1e9;
    const double done = json_real_value(json_object_get(row, "gops_per_second")) * seconds;
    const double moved = json_real_value(json_object_get(row, "gb_per_second")) * seconds;
    assert_true(fabs(done - operations) <= 1e-9 * operations);
    assert_true(fabs(moved - bytes) <= 1e-9 * bytes);
}

static void check_row(const json_t *row) {
    const char *name = json_string_value(json_object_get(row, "name"));
    if (strcmp(name, "dropout, 4096") == 0) { // a product each; read and written, and a bit: 512 bytes
        check_counts(row, "f32", 4096, 2 * 4096 * 4 + 512);
        check_counts(row, "bf16", 4096, 2 * 4096 * 2 + 512);
    }
    if (strcmp(name, "noise of dropout, 4096") == 0) check_counts(row, "f32", 11 * 4096, 512);
    // 2^18 rows of 64, less 44, which do not make a query's 50: 262,100.
    if (strncmp(name, "gather_dot", 10) == 0)
        check_counts(row, "bf16", 2.0 * 262100 * 64, 262100.0 * 128);
    if (strncmp(name, "weighted_sum", 12) == 0)
        check_counts(row, "bf16", 2.0 * 262100 * 64, 262100.0 * 128);
    if (strncmp(name, "gather_sum", 10) == 0)
        check_counts(row, "f32", 262144.0 * 64, 262144.0 * 256);
}

static size_t run(const char *only) {
    lode_benchmark bench = {.only = only,
                            .effort = {1, 0},
                            .ceilings = {.f32 = 1e9, .b16 = 1e9, .int8 = 1e9},
                            .ceiling_rows = json_array(),
                            .kernel_rows = json_array()};
    lode__bench_cases_f32(&bench);
    lode__bench_cases_b16(&bench);
    lode__bench_wholes(&bench);
    assert_false(bench.failed || bench.stopped);
    size_t index;
    json_t *row;
    json_array_foreach(bench.kernel_rows, index, row) {
        assert_non_null(strstr(json_string_value(json_object_get(row, "name")), only));
        assert_true(json_real_value(json_object_get(row, "seconds_min")) > 0);
        check_row(row);
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
    assert_int_equal(run("50 keys"), 2 * 3); // three losses
    assert_int_equal(run("50 own keys"), 2 * 3);
    assert_int_equal(run("lazy Adam"), 2);
    assert_int_equal(run("scan"), 3);
    assert_int_equal(run("dropout"), 2 * 3); // two sizes; the noise is of no precision
    assert_int_equal(run("gather_"), 2 * 2);
    assert_int_equal(run("weighted_sum"), 2);
    assert_int_equal(run("no such name"), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_cases)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
