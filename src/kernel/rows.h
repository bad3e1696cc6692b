/// Integer inner products of a query with chosen rows of a byte table: what a walk over a graph asks for.
///
/// The numbers are those of the scan (kernel/scan.h): rows hold u = code + 128, queries signed bytes. Rows are
/// `width` bytes, a multiple of LODE_ROW_UNIT, so that at 64 dimensions a row is one cache line. Sums are exact in
/// 32 bits up to LODE_ROW_WIDTH bytes, so every variant gives the same bits.
#ifndef LODE_KERNEL_ROWS_H
#define LODE_KERNEL_ROWS_H

#include "kernel/scan.h"

enum { LODE_ROW_UNIT = 64, LODE_ROW_WIDTH = 4 * LODE_SCAN_GROUPS };

/// sums[i] = sum over d of table[rows[i] * width + d] * query[d]; rows NULL means 0 .. count - 1.
typedef void lode_rows_kernel(const uint8_t *table, size_t width, const uint32_t *rows,
                              size_t count, const int8_t *query, int32_t *sums);

/// The fastest one that CPU, operating system and LODE_CPU allow; variants as of the scan.
lode_rows_kernel *lode__rows_kernel(void);
/// A variant for tests and bench, or NULL when this machine cannot run it.
lode_rows_kernel *lode__rows_at(lode_scan_variant variant);

#endif
