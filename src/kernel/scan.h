/// The scan: which items of a quantised table beat a query's bar, by integer inner products.
///
/// An item's numbers are bytes u = code + 128 with code in -127 .. 127, a query's are signed bytes of the same
/// range. Four dimensions make a group; items stand in words of 64, so that one register holds a group of
/// sixteen items and one bit of a result word belongs to one item:
///
///     items  [words][groups][64 items][4 dimensions]     queries  [groups][4 dimensions]
///
/// The sum over u * q is exact in 32 bits up to LODE_SCAN_GROUPS groups, so every variant gives the same bits
/// (vpdpbusd where there is VNNI, else 16-bit products, else plain C) and the choice is one of speed alone.
/// The 128 is the caller's business: it adds 128 * sum(q) to the bar.
#ifndef LODE_KERNEL_SCAN_H
#define LODE_KERNEL_SCAN_H

#include <stddef.h>
#include <stdint.h>

enum {
    LODE_SCAN_WORD = 64,      ///< items of a word
    LODE_SCAN_GROUPS = 16384, ///< 4 * 255 * 127 a group stays below 2^31
};

struct lode_scan {
    size_t groups; ///< at most LODE_SCAN_GROUPS
    size_t words;
    const uint8_t *items;         ///< [words][groups][64][4]
    size_t rows;                  ///< queries
    const int8_t *const *queries; ///< [rows] of [groups][4]
    const int32_t *bars;          ///< [rows]
    uint64_t *hits; ///< [rows][words] bit i of a word is set when the sum of its item i is > the bar
};

typedef void lode_scan_kernel(const struct lode_scan *args);

typedef enum lode_scan_variant {
    LODE_SCAN_PLAIN,
    LODE_SCAN_AVX2,
    LODE_SCAN_AVX512,
    LODE_SCAN_VNNI,
    LODE_SCAN_VARIANTS
} lode_scan_variant;

/// The fastest one that CPU, operating system and LODE_CPU allow.
lode_scan_kernel *lode__scan_kernel(void);
/// A variant for tests and bench, or NULL when this machine cannot run it.
lode_scan_kernel *lode__scan_at(lode_scan_variant variant);
const char *lode__scan_name(lode_scan_variant variant);

/// scores[i] = query . rows[i], one chain of multiply-adds over increasing dimensions, with the bits of the matrix
/// product of the float table in use.
typedef void lode_scores_kernel(size_t dim, const float *query, size_t count,
                                const float *const *rows, float *scores);
lode_scores_kernel *lode__scores_kernel(void);

#endif
