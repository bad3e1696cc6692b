// The plain-C scan, and which variant runs. LODE_CPU counts through the float table: below AVX-512 it bounds
// the variant, above it VNNI is taken when the CPU has it.
#include "kernel/scan.h"

#include "kernel/kernel.h"
#include "kernel/x86/scan_x86.h"

#include <string.h>

static uint64_t scan_word(const struct lode_scan *s, const uint8_t *items, const int8_t *query,
                          int32_t bar) {
    uint64_t hits = 0;
    for (size_t i = 0; i < LODE_SCAN_WORD; i++) {
        int32_t sum = 0;
        for (size_t g = 0; g < s->groups; g++) {
            const uint8_t *u = items + (g * LODE_SCAN_WORD + i) * 4;
            for (size_t d = 0; d < 4; d++)
                sum += u[d] * query[4 * g + d];
        }
        hits |= (uint64_t)(sum > bar) << i;
    }
    return hits;
}

static void scan_plain(const struct lode_scan *s) {
    for (size_t word = 0; word < s->words; word++) {
        const uint8_t *items = s->items + word * s->groups * LODE_SCAN_WORD * 4;
        for (size_t row = 0; row < s->rows; row++)
            s->hits[row * s->words + word] = scan_word(s, items, s->queries[row], s->bars[row]);
    }
}

lode_scan_kernel *lode__scan_at(lode_scan_variant variant) {
#if LODE_KERNEL_X86
    __builtin_cpu_init();
    switch (variant) {
    case LODE_SCAN_AVX2:
        return lode__kernels_at(LODE_LEVEL_AVX2) ? lode__scan_avx2 : NULL;
    case LODE_SCAN_AVX512:
        return lode__kernels_at(LODE_LEVEL_AVX512) ? lode__scan_avx512 : NULL;
    case LODE_SCAN_VNNI:
        return lode__kernels_at(LODE_LEVEL_AVX512) && __builtin_cpu_supports("avx512vnni")
                   ? lode__scan_vnni
                   : NULL;
    default:
        break;
    }
#endif
    return variant == LODE_SCAN_PLAIN ? scan_plain : NULL;
}

lode_scan_kernel *lode__scan_kernel(void) {
    const char *level = lode__kernels_f32()->level;
    if (strcmp(level, "scalar") == 0) return scan_plain;
    size_t variant = strcmp(level, "avx2") == 0 ? LODE_SCAN_AVX2 : LODE_SCAN_VNNI;
    while (lode__scan_at((lode_scan_variant)variant) == NULL)
        variant--;
    return lode__scan_at((lode_scan_variant)variant);
}

const char *lode__scan_name(lode_scan_variant variant) {
    static const char *const names[LODE_SCAN_VARIANTS] = {"plain", "avx2", "avx512", "vnni"};
    return variant < LODE_SCAN_VARIANTS ? names[variant] : "unknown";
}

static void scores_plain(size_t dim, const float *query, size_t count, const float *const *rows,
                         float *scores) {
    for (size_t i = 0; i < count; i++) {
        float sum = 0;
        for (size_t d = 0; d < dim; d++)
            sum += query[d] * rows[i][d];
        scores[i] = sum;
    }
}

lode_scores_kernel *lode__scores_kernel(void) {
#if LODE_KERNEL_X86
    if (strcmp(lode__kernels_f32()->level, "scalar") != 0) return lode__scores_avx2;
#endif
    return scores_plain;
}
