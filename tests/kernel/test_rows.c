/// Every variant of the row sums against sums of its own: edges, chosen rows, extremes, and nothing read beside them.
#include "guarded.h"
#include "kernel/rows.h"

static const uint8_t row_extremes[] = {0, 255, 255, 128};
static const int8_t query_extremes[] = {-128, 127, -127, 0};

static void check_shape(lode_rows_kernel *kernel, const char *name, size_t width, size_t count,
                        bool extremes, bool chosen, bool front) {
    const size_t table_rows = count + 3;
    uint8_t *table = guarded(table_rows * width, front);
    int8_t *query = guarded(width, front);
    uint32_t *rows = guarded(count * sizeof *rows, front);
    int32_t *sums = guarded(count * sizeof *sums, front);
    for (size_t i = 0; i < table_rows * width; i++)
        table[i] = extremes ? row_extremes[draw(4)] : (uint8_t)draw(256);
    for (size_t d = 0; d < width; d++)
        query[d] = extremes ? query_extremes[draw(4)] : (int8_t)((int)draw(256) - 128);
    for (size_t i = 0; i < count; i++)
        rows[i] = chosen ? (uint32_t)draw((uint32_t)table_rows) : (uint32_t)i;
    kernel(table, width, chosen ? rows : NULL, count, query, sums);
    for (size_t i = 0; i < count; i++) {
        int64_t sum = 0;
        for (size_t d = 0; d < width; d++)
            sum += (int64_t)table[rows[i] * width + d] * query[d];
        if (sums[i] != sum)
            fail_msg("%s: width %zu row %zu of %zu: %d", name, width, i, count, sums[i]);
    }
    guarded_release();
}

static void test_every_variant(void **state) {
    (void)state;
    static const size_t widths[] = {64, 128, 192, 1024, LODE_ROW_WIDTH};
    static const size_t counts[] = {0, 1, 2, 3, 4, 5, 7, 8, 33};
    for (lode_scan_variant variant = 0; variant < LODE_SCAN_VARIANTS; variant++) {
        lode_rows_kernel *kernel = lode__rows_at(variant);
        if (kernel == NULL) {
            printf("skipped: no %s here\n", lode__scan_name(variant));
            continue;
        }
        for (size_t w = 0; w < sizeof widths / sizeof *widths; w++) {
            for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
                for (unsigned how = 0; how < 8; how++)
                    check_shape(kernel, lode__scan_name(variant), widths[w], counts[c], how & 1,
                                how & 2, how & 4);
            }
        }
    }
}

/// The largest sum of the largest width fits.
static void test_largest(void **state) {
    (void)state;
    uint8_t *row = guarded(LODE_ROW_WIDTH, true);
    int8_t *query = guarded(LODE_ROW_WIDTH, true);
    memset(row, 255, LODE_ROW_WIDTH);
    memset(query, 127, LODE_ROW_WIDTH);
    for (lode_scan_variant variant = 0; variant < LODE_SCAN_VARIANTS; variant++) {
        lode_rows_kernel *kernel = lode__rows_at(variant);
        int32_t sum = 0;
        if (kernel == NULL) continue;
        kernel(row, LODE_ROW_WIDTH, NULL, 1, query, &sum);
        assert_int_equal(sum, 255 * 127 * LODE_ROW_WIDTH);
    }
    guarded_release();
}

static void test_chosen(void **state) {
    (void)state;
    bool known = false;
    for (lode_scan_variant variant = 0; variant < LODE_SCAN_VARIANTS; variant++)
        known = known || (lode__rows_at(variant) == lode__rows_kernel() &&
                          lode__scan_at(variant) == lode__scan_kernel());
    assert_true(known); // the variant of the scan
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_variant),
                                       cmocka_unit_test(test_largest), cmocka_unit_test(test_chosen)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
