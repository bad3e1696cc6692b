#include "mine/title_vectors.h"

#include <math.h>
#include <stdatomic.h>

enum { PLACES = 4, LEAST_COUNTERS = 1 << 12, MOST_COUNTERS = 1 << 26 };

lode_status lode__term_counts_init(lode_term_counts *counts, uint64_t terms, lode_arena *arena,
                                   lode_error *error) {
    uint64_t size = LEAST_COUNTERS;
    while (size < MOST_COUNTERS && size / 2 < terms)
        size *= 2;
    *counts = (lode_term_counts){.mask = size - 1};
    counts->counts = lode__arena_alloc(arena, (size_t)size, sizeof *counts->counts);
    return counts->counts != NULL ? LODE_OK : lode__fail_memory(error);
}

/// Its two counters; the lowest bits of a term are its kind and belong to the first.
static uint64_t second(uint64_t term) {
    return (term * 0x9e3779b97f4a7c15u) >> 32;
}

void lode__term_counts_add(lode_term_counts *counts, const lode_title_terms *terms) {
    for (size_t k = 0; k < terms->count; k++) {
        const uint64_t term = terms->terms[k];
        const uint64_t a = term & counts->mask, b = second(term) & counts->mask;
        atomic_fetch_add_explicit((_Atomic uint32_t *)&counts->counts[a], 1, memory_order_relaxed);
        if (a != b)
            atomic_fetch_add_explicit((_Atomic uint32_t *)&counts->counts[b], 1,
                                      memory_order_relaxed);
    }
}

uint32_t lode__term_count(const lode_term_counts *counts, uint64_t term) {
    const uint32_t a = counts->counts[term & counts->mask];
    const uint32_t b = counts->counts[second(term) & counts->mask];
    return LODE_MIN(a, b);
}

/// A 64-bit mix whose bits all depend on all of its input (the finaliser of MurmurHash3).
static uint64_t mix(uint64_t x) {
    x = (x ^ x >> 33) * 0xff51afd7ed558ccdu;
    x = (x ^ x >> 33) * 0xc4ceb9fe1a85ec53u;
    return x ^ x >> 33;
}

void lode__title_vector(const lode_title_terms *terms, const lode_term_counts *counts,
                        const double weights[LODE_TERM_KINDS], float *vector, size_t dim) {
    const uint32_t titles = (uint32_t)counts->titles;
    for (size_t d = 0; d < dim; d++)
        vector[d] = 0;
    for (size_t k = 0; k < terms->count; k++) {
        const uint64_t term = terms->terms[k];
        const uint32_t found = lode__term_count(counts, term);
        const uint32_t seen = LODE_MAX(LODE_MIN(found, titles), 1u);
        const double often = 1 + log((double)terms->times[k]);
        const double rare = log(((double)titles + 1) / (double)seen);
        const float weight = (float)(weights[term & 3] * often * rare);
        uint64_t bits = mix(term);
        for (int place = 0; place < PLACES; place++, bits >>= 16) {
            const size_t d = (size_t)((bits & 0x7fff) * dim >> 15);
            vector[d] += bits & 0x8000 ? -weight : weight;
        }
    }
    double sum = 0;
    for (size_t d = 0; d < dim; d++)
        sum += (double)vector[d] * (double)vector[d];
    const double scale = sum > 0 ? 1 / sqrt(sum) : 0;
    for (size_t d = 0; d < dim; d++)
        vector[d] = (float)((double)vector[d] * scale);
}
