/// Vectors as bytes, with what is lost by it: the tables that the scan kernel reads, and bounds that make the
/// scan exact.
///
/// Rows (items in an order of the index's choosing) form blocks that share a scale s: x^ = s u, u in -127 ..
/// 127. A query has a scale of its own: q^ = t v. What a block knows of its rows is the largest |x - x^|
/// (`slack`) and the largest |x| (`norm`), so that for every row of it
///
///     |q . x - s t (u . v)|  <=  |q - q^| |x| + |q^| |x - x^|
///
/// and a row whose sum u . v stays below (bar - bound) / (s t) cannot reach the bar: it needs no second look.
/// The bound includes the rounding of the f32 product that gives the final score. Rows with NaN, infinite or
/// huge numbers have slack INFINITY, and queries with such numbers are not `plain`: nothing is ruled out then.
#ifndef LODE_SEARCH_CODES_H
#define LODE_SEARCH_CODES_H

#include "base/memory.h"
#include "kernel/scan.h"

/// The largest dimension of vectors that can be coded.
#define LODE_CODES_DIM (4 * (size_t)LODE_SCAN_GROUPS)

typedef struct lode_block {
    uint32_t first_word, first_row, rows; ///< rows > 0; the rest of the last word is padding
    float scale, slack, norm;
} lode_block;

/// Bytes of `rows` rows in whole words: [words][groups][64][4].
typedef struct lode_codes {
    size_t dim, groups;
    uint8_t *bytes;
    lode_block *blocks;
    size_t count, words; ///< blocks and words so far
} lode_codes;

/// Words that `rows` rows of one block take.
static inline size_t lode__codes_words(size_t rows) {
    return (rows + LODE_SCAN_WORD - 1) / LODE_SCAN_WORD;
}

/// Code the rows vectors[ids[0..rows-1] * dim ...] as block `block` (its first_word, first_row, rows are set;
/// the rest is filled in) into `bytes`, the memory of its words.
void lode__codes_fill(size_t dim, const float *vectors, const uint32_t *ids, lode_block *block,
                      uint8_t *bytes);

typedef struct lode_coded_query {
    double scale, norm, code_norm, error; ///< t, |q|, |q^|, |q - q^|
    double offset;                        ///< 128 * sum of v: what the scan's sums have too much
    bool plain; ///< all numbers finite and of a size whose products cannot overflow
} lode_coded_query;

/// @param codes  [groups * 4] receives v, padded with 0
void lode__query_code(size_t dim, const float *query, lode_coded_query *coded, int8_t *codes);

/// Can no row with norms up to `norm` reach `bar`?
bool lode__query_hopeless(const lode_coded_query *query, size_t dim, double norm, double bar);

/// The scan's bar for a block: rows that can reach a score of `bar` have a sum above it.
int32_t lode__query_bar(const lode_coded_query *query, const lode_block *block, size_t dim,
                        double bar);

/// The Euclidean length, summed in double; NaN and infinite numbers show in it.
double lode__vector_norm(size_t dim, const float *x);

#endif
