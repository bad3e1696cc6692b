/// Titles as dense unit vectors: weighted terms (title_terms.h) through a sparse random projection.
///
/// A term t of a title weighs  w(kind) (1 + ln times) idf(t),  idf(t) = ln((titles + 1) / titles with t).  It adds its
/// weight, with signs, to four of `dim` places; places and signs are read off the term's hash, so the projection needs
/// no memory. The cosine of two vectors is that of the weighted terms with an error of about 1 / sqrt(dim) (Achlioptas
/// 2003; Kane & Nelson 2014).
///
/// In how many titles a term stands is counted in a table of counters, two a term (a count-min sketch, Cormode &
/// Muthukrishnan 2005): collisions make a rare term a little less rare, and the sums do not depend on their order.
#ifndef LODE_MINE_TITLE_VECTORS_H
#define LODE_MINE_TITLE_VECTORS_H

#include "mine/title_terms.h"

typedef struct lode_term_counts {
    uint32_t *counts; ///< [mask + 1]
    uint64_t mask;
    uint64_t titles; ///< that were added, below 2^32
} lode_term_counts;

/// Counters for that many terms, those of a title counted apart from another's; in the arena.
LODE_CHECK lode_status lode__term_counts_init(lode_term_counts *counts, uint64_t terms,
                                              lode_arena *arena, lode_error *error);
/// Add the terms of a title; from several threads at once, too. `titles` is the caller's to set.
void lode__term_counts_add(lode_term_counts *counts, const lode_title_terms *terms);
/// Titles with the term, or some more.
uint32_t lode__term_count(const lode_term_counts *counts, uint64_t term);

/// The vector of a title, [dim], of length 1; of length 0 where no term weighs anything.
void lode__title_vector(const lode_title_terms *terms, const lode_term_counts *counts,
                        const double weights[LODE_TERM_KINDS], float *vector, size_t dim);

#endif
