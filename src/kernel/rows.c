// The plain-C row sums, and which variant runs: the scan's choice.
#include "kernel/rows.h"

#include "kernel/x86/scan_x86.h"

static void rows_plain(const uint8_t *table, size_t width, const uint32_t *rows, size_t count,
                       const int8_t *query, int32_t *sums) {
    for (size_t i = 0; i < count; i++) {
        const uint8_t *row = table + (rows ? rows[i] : i) * width;
        int32_t sum = 0;
        for (size_t d = 0; d < width; d++)
            sum += row[d] * query[d];
        sums[i] = sum;
    }
}

lode_rows_kernel *lode__rows_at(lode_scan_variant variant) {
    if (lode__scan_at(variant) == NULL) return NULL;
    switch (variant) {
#if LODE_KERNEL_X86
    case LODE_SCAN_AVX2:
        return lode__rows_avx2;
    case LODE_SCAN_AVX512:
        return lode__rows_avx512;
    case LODE_SCAN_VNNI:
        return lode__rows_vnni;
#endif
    default:
        return rows_plain;
    }
}

lode_rows_kernel *lode__rows_kernel(void) {
    lode_scan_kernel *const scan = lode__scan_kernel();
    for (size_t variant = LODE_SCAN_VARIANTS; variant-- > 0;) {
        if (lode__scan_at((lode_scan_variant)variant) == scan)
            return lode__rows_at((lode_scan_variant)variant);
    }
    return rows_plain;
}
