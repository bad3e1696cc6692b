/// What `lodestone bench` counts: operations, bytes, floors, and the shape of its report. (What a machine reaches is no test.)
#include "bench/bench.h"

#include <math.h>

#include "../check.h"

static void assert_near(double value, double expected) {
    if (fabs(value - expected) <= 1e-12 * fabs(expected)) return;
    fail_msg("%.17g, expected %.17g", value, expected);
}

static const lode_bench_ceilings machine = {.f32 = 100e9,
                                            .holds = {1000, 100000, 10000000, SIZE_MAX},
                                            .read = {80e9, 40e9, 20e9, 10e9},
                                            .copy = {60e9, 30e9, 15e9, 5e9},
                                            .update = {64e9, 32e9, 16e9, 8e9},
                                            .rows = 2e9,
                                            .update_rows = 3e9};

static void test_a_product_is_counted_by_hand(void **state) {
    (void)state;
    // C[2,3] = A[2,5] B[5,3]: 30 multiply-adds; 10 + 15 operands, 6 results.
    lode_bench_work work = lode__bench_product(2, 3, 5, 4, 4, false);
    assert_near(work.operations, 60);
    assert_near(work.read, 100);
    assert_near(work.written, 24);
    assert_int_equal(work.pattern, LODE_BENCH_STREAM);
    work = lode__bench_product(2, 3, 5, 2, 4, true);
    assert_near(work.operations, 60);
    assert_near(work.read, 50 + 24);
    assert_near(work.written, 24);
    assert_int_equal(work.pattern, LODE_BENCH_UPDATE);
}

static void test_attention_is_counted_by_hand(void **state) {
    (void)state;
    // 3 positions, 2 heads of 4: 9 pairs, 6 of them causal; scores and sums are 2 products of 8 columns.
    lode_bench_work work = lode__bench_attention(3, 2, 4, false, false, 4);
    assert_near(work.operations, 2 * 2 * 9 * 8 + LODE_BENCH_EXP * 9 * 2);
    assert_near(work.read, 3 * 24 * 4);
    assert_near(work.written, 24 * 4);
    work = lode__bench_attention(3, 2, 4, true, true, 2);
    assert_near(work.operations, 2 * 5 * 6 * 8 + LODE_BENCH_EXP * 6 * 2);
    assert_near(work.read, 5 * 24 * 2);
    assert_near(work.written, 3 * 24 * 2);
}

static void test_contrastive_losses_are_counted_by_hand(void **state) {
    (void)state;
    // 3 queries, 5 keys of 4 columns; a positive and 2 negatives each: 9 pairs. 8 rows of 4 columns are 32 numbers,
    // read forward and backward; their gradients are written. Logits twice, two gradients: 4 products.
    lode_bench_work work = lode__bench_contrast(3, 5, 2, 4, false, 4);
    assert_near(work.operations, 4 * 2 * 9 * 4 + 2 * LODE_BENCH_EXP * 9);
    assert_near(work.read, 2 * 32 * 4);
    assert_near(work.written, 32 * 4);
    assert_int_equal(work.pattern, LODE_BENCH_STREAM);
    // With keys of their own (9 of them) logits are kept: 3 products, an exponential a pair.
    work = lode__bench_contrast(3, 9, 2, 4, true, 2);
    assert_near(work.operations, 3 * 2 * 9 * 4 + LODE_BENCH_EXP * 9);
    assert_near(work.read, 2 * 48 * 2);
    assert_near(work.written, 48 * 2);
}

static void test_random_rows_are_counted_by_hand(void **state) {
    (void)state;
    lode_bench_work work = lode__bench_gather(7, 4, 2); // 28 numbers
    assert_near(work.operations, 56);
    assert_near(work.read, 56);
    assert_near(work.written, 0);
    assert_int_equal(work.pattern, LODE_BENCH_RANDOM);
    // 7 gradient rows of 4 columns in bfloat16 and their ids touch 5 rows: 20 numbers, each with two moments.
    work = lode__bench_lazy_adam(7, 5, 4, 2);
    assert_near(work.operations, 2 * 28 + 12 * 20);
    assert_near(work.read, 7 * 4 + 28 * 2 + 3 * 20 * 4);
    assert_near(work.written, 3 * 20 * 4);
    assert_int_equal(work.pattern, LODE_BENCH_RANDOM_UPDATE);
}

static void test_a_scan_is_counted_by_hand(void **state) {
    (void)state;
    // 3 queries of 2 groups (8 bytes) and a bar of 4; 5 words are 320 items of 8 bytes; a query's hits are 5 words of 8.
    const lode_bench_work work = lode__bench_scan(3, 5, 2);
    assert_near(work.operations, 2 * 3 * 320 * 8);
    assert_near(work.read, 320 * 8 + 3 * (8 + 4));
    assert_near(work.written, 3 * 5 * 8);
}

static void test_a_peak_is_known_for_what_kernels_compute_with(void **state) {
    (void)state;
#if defined(__x86_64__)
    const lode_bench_effort effort = {1, 0};
    lode_pool *pool = NULL;
    lode_error error = {0};
    assert_ok(lode__pool_new(&pool, 2, &error), error);
    for (size_t a = 0; a < LODE_BENCH_ARITHMETICS; a++) {
        assert_true(lode__bench_peak((lode_bench_arithmetic)a, NULL, &effort) > 1e6);
        assert_true(lode__bench_peak((lode_bench_arithmetic)a, pool, &effort) > 1e6);
    }
    lode__pool_free(&pool);
#endif
}

static void test_a_floor_is_the_larger_of_two_times(void **state) {
    (void)state;
    bool arithmetic = false;
    lode_bench_work work = {.operations = 1e9, .read = 500, .written = 100};
    assert_near(lode__bench_floor(&machine, machine.f32, &work, &arithmetic), 0.01);
    assert_true(arithmetic);
    work.operations = 1;
    assert_near(lode__bench_floor(&machine, machine.f32, &work, &arithmetic), 1e-8);
    assert_false(arithmetic);
    work.written = 0;
    assert_near(lode__bench_floor(&machine, machine.f32, &work, &arithmetic), 500 / 80e9);
    work.pattern = LODE_BENCH_UPDATE;
    assert_near(lode__bench_floor(&machine, machine.f32, &work, &arithmetic), 500 / 64e9);
    work.pattern = LODE_BENCH_RANDOM;
    assert_near(lode__bench_floor(&machine, machine.f32, &work, &arithmetic), 500 / 2e9);
    work.pattern = LODE_BENCH_RANDOM_UPDATE;
    work.written = 100;
    assert_near(lode__bench_floor(&machine, machine.f32, &work, &arithmetic), 600 / 3e9);
}

static void test_bytes_are_charged_to_the_memory_that_holds_them(void **state) {
    (void)state;
    static const struct {
        double bytes, speed;
    } cases[] = {{1000, 80e9}, {1001, 40e9},    {100000, 40e9}, {100001, 20e9},
                 {1e7, 20e9},  {1e7 + 1, 10e9}, {1e15, 10e9}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bool arithmetic;
        const lode_bench_work work = {.read = cases[i].bytes};
        const double floor = lode__bench_floor(&machine, machine.f32, &work, &arithmetic);
        assert_true(fabs(floor * cases[i].speed / cases[i].bytes - 1) < 1e-12);
    }
}

static void test_an_unknown_ceiling_bounds_nothing(void **state) {
    (void)state;
    bool arithmetic;
    const lode_bench_ceilings nothing = {.holds = {1, 2, 3, SIZE_MAX}};
    const lode_bench_work work = {.operations = 1e9, .read = 1e9, .written = 1};
    assert_near(lode__bench_floor(&nothing, 0, &work, &arithmetic), 0);
}

static void test_a_summary_orders_its_passes(void **state) {
    (void)state;
    double odd[] = {5, 1, 4, 2, 3}, even[] = {4, 1, 3, 2}, one[] = {7};
    lode_bench_timing t = lode__bench_summary(odd, 5);
    assert_near(t.best, 1);
    assert_near(t.median, 3);
    assert_near(t.worst, 5);
    assert_near(lode__bench_spread(&t), 4.0 / 3);
    t = lode__bench_summary(even, 4);
    assert_near(t.median, 2.5);
    t = lode__bench_summary(one, 1);
    assert_near(t.median, 7);
    assert_near(lode__bench_spread(&t), 0);
}

static void count_call(void *context) {
    ++*(size_t *)context;
}

static void test_a_measurement_repeats_short_calls(void **state) {
    (void)state;
    size_t calls = 0;
    const lode_bench_effort effort = {3, 1e-4};
    const lode_bench_timing t = lode__bench_measure(&effort, count_call, &calls);
    assert_true(calls > 3 * 10); // a call takes far below a tenth of a pass
    assert_true(t.best >= 0 && t.best <= t.median && t.median <= t.worst);
    assert_true(t.median < 1e-4);
}

// ------------------------------------------------------------------------------------------------
// The report
// ------------------------------------------------------------------------------------------------

static double real_of(const json_t *row, const char *key) {
    assert_true(json_is_real(json_object_get(row, key)));
    return json_real_value(json_object_get(row, key));
}

static void check_kernel(const json_t *row) {
    const double share = real_of(row, "roofline_share"), floor = real_of(row, "floor_seconds");
    const double median = real_of(row, "seconds_median");
    assert_true(real_of(row, "seconds_min") > 0 && real_of(row, "seconds_min") <= median);
    assert_true(floor > 0 && fabs(share - floor / median) <= 1e-4 * share);
    const char *bound = json_string_value(json_object_get(row, "bound"));
    assert_true(strcmp(bound, "arithmetic") == 0 || strcmp(bound, "bytes") == 0);
    assert_non_null(strstr(json_string_value(json_object_get(row, "name")), "one row"));
}

static void test_the_report_has_every_part(void **state) {
    (void)state;
    char *report = NULL;
    lode_error error = {0};
    assert_ok(lode_bench("{quick: true, threads: 1, memory: 8, only: one row}", NULL, &report, &error),
              error);
    json_t *const root = json_loads(report, 0, NULL);
    lode_text_free(&report);
    static const char *const texts[] = {"commit", "version", "compiler", "flags", "processor"};
    const json_t *machine_row = json_object_get(root, "machine");
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        assert_true(json_is_string(json_object_get(machine_row, texts[i])));
    }
    assert_int_equal(json_integer_value(json_object_get(machine_row, "threads")), 1);
    assert_string_equal(json_string_value(json_object_get(root, "level")), lode_cpu_level());
    assert_true(json_is_array(json_object_get(root, "warnings")));
    size_t index;
    const json_t *row;
    assert_true(json_array_size(json_object_get(root, "ceilings")) >= 10);
    json_array_foreach(json_object_get(root, "ceilings"), index, row) {
        assert_true(real_of(row, "best") > 0);
        assert_true(real_of(row, "median") <= real_of(row, "best"));
        assert_int_equal(json_integer_value(json_object_get(row, "threads")), 1);
    }
    const json_t *kernels = json_object_get(root, "kernels");
    assert_int_equal(json_array_size(kernels), 2);
    json_array_foreach(kernels, index, row) {
        assert_string_equal(json_string_value(json_object_get(row, "precision")),
                            index ? "bf16" : "f32");
        check_kernel(row);
    }
    json_decref(root);
}

static int stop_at_once(void *cookie, const lode_progress *progress) {
    ++*(size_t *)cookie;
    assert_string_equal(progress->task, "bench");
    return 1;
}

static void test_it_stops_on_request_and_refuses_unknown_keys(void **state) {
    (void)state;
    size_t asked = 0;
    const lode_hooks hooks = {.cookie = &asked, .progress = stop_at_once};
    char *report = NULL;
    lode_error error = {0};
    assert_int_equal(lode_bench("{quick: true, threads: 1, memory: 8}", &hooks, &report, &error),
                     LODE_E_STOPPED);
    assert_null(report);
    assert_true(asked > 0);
    assert_int_equal(lode_bench("{quik: true}", NULL, &report, &error), LODE_E_CONFIG);
    assert_non_null(strstr(error.message, "quick"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_product_is_counted_by_hand),
        cmocka_unit_test(test_attention_is_counted_by_hand),
        cmocka_unit_test(test_contrastive_losses_are_counted_by_hand),
        cmocka_unit_test(test_random_rows_are_counted_by_hand),
        cmocka_unit_test(test_a_scan_is_counted_by_hand),
        cmocka_unit_test(test_a_peak_is_known_for_what_kernels_compute_with),
        cmocka_unit_test(test_a_floor_is_the_larger_of_two_times),
        cmocka_unit_test(test_bytes_are_charged_to_the_memory_that_holds_them),
        cmocka_unit_test(test_an_unknown_ceiling_bounds_nothing),
        cmocka_unit_test(test_a_summary_orders_its_passes),
        cmocka_unit_test(test_a_measurement_repeats_short_calls),
        cmocka_unit_test(test_the_report_has_every_part),
        cmocka_unit_test(test_it_stops_on_request_and_refuses_unknown_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
