/// Comparisons for qsort: rising.
#ifndef LODE_BASE_ORDER_H
#define LODE_BASE_ORDER_H

/// Of uint32_t.
int lode__rising_u32(const void *a, const void *b);
/// Of uint64_t.
int lode__rising_u64(const void *a, const void *b);

#endif
