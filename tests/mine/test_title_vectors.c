/// Vectors of titles number by number: what a term weighs, where it goes, how well terms are counted.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

#include "base/random.h"
#include "mine/title_vectors.h"

enum { DIM = 4096, PLACES = 4, MANY = 20000 };

static const double weights[LODE_TERM_KINDS] = {1, 1.5, 0.5, 0.25};

static lode_term_counts counts_make(lode_arena *arena, uint64_t terms) {
    lode_term_counts counts;
    lode_error error = {0};
    assert_int_equal(lode__term_counts_init(&counts, terms, arena, &error), LODE_OK);
    return counts;
}

static lode_title_terms title_of(uint64_t *terms, uint32_t *times, size_t count) {
    return (lode_title_terms){.terms = terms, .times = times, .count = count};
}

static void add_times(lode_term_counts *counts, uint64_t term, size_t times) {
    const lode_title_terms one = title_of(&term, NULL, 1);
    for (size_t k = 0; k < times; k++)
        lode__term_counts_add(counts, &one);
}

/// Two terms that go to eight places: the squares of each, before they are scaled, are in the ratio of their weights.
static double squares_of(const lode_term_counts *counts, uint64_t term, const float *vector) {
    float alone[DIM];
    uint32_t once = 1;
    double sum = 0;
    size_t places = 0;
    const lode_title_terms one = title_of(&term, &once, 1);
    lode__title_vector(&one, counts, weights, alone, DIM);
    for (size_t d = 0; d < DIM; d++) {
        if (alone[d] == 0) continue;
        assert_true(fabs(fabs((double)alone[d]) - 0.5) < 1e-6); // four of one size, together of length 1
        assert_true(vector[d] != 0 && (vector[d] > 0) == (alone[d] > 0));
        sum += (double)vector[d] * (double)vector[d];
        places++;
    }
    assert_int_equal(places, PLACES);
    return sum;
}

static void check_ratio(lode_term_counts *counts, uint64_t terms[2], uint32_t times[2],
                        const double wanted[2]) {
    float vector[DIM];
    const lode_title_terms both = title_of(terms, times, 2);
    lode__title_vector(&both, counts, weights, vector, DIM);
    const double a = squares_of(counts, terms[0], vector), b = squares_of(counts, terms[1], vector);
    assert_true(fabs(a + b - 1) < 1e-5);
    const double found = sqrt(a / b), ratio = wanted[0] / wanted[1];
    if (!(fabs(found - ratio) < 1e-4 * ratio)) fail_msg("the ratio is %g, not %g", found, ratio);
}

// w(kind) (1 + ln times) ln((titles + 1) / titles with it), by hand.
static void test_weights(void **state) {
    (void)state;
    lode_arena arena = {0};
    lode_term_counts counts = counts_make(&arena, 100);
    uint64_t terms[] = {(uint64_t)77 << 40 | 12 << 2 | LODE_TERM_PIECE,
                        (uint64_t)91 << 41 | 39 << 2 | LODE_TERM_WORD};
    counts.titles = 10;
    add_times(&counts, terms[0], 4);
    add_times(&counts, terms[1], 1);
    check_ratio(&counts, terms, (uint32_t[]){1, 1}, (double[]){log(11.0 / 4), 1.5 * log(11)});
    check_ratio(&counts, terms, (uint32_t[]){3, 1},
                (double[]){(1 + log(3)) * log(11.0 / 4), 1.5 * log(11)});
    add_times(&counts, terms[0], 96); // in more titles than there are, as when terms collide: in all
    check_ratio(&counts, terms, (uint32_t[]){1, 2},
                (double[]){log(11.0 / 10), 1.5 * (1 + log(2)) * log(11)});
    const uint64_t never = (uint64_t)5 << 50 | LODE_TERM_WORD; // counts as in one
    check_ratio(&counts, (uint64_t[]){never, terms[1]}, (uint32_t[]){1, 1}, (double[]){1, 1});
    lode__arena_release(&arena);
}

// Without terms, or where none weighs anything, all is 0.
static void test_nothing(void **state) {
    (void)state;
    lode_arena arena = {0};
    lode_term_counts counts = counts_make(&arena, 1);
    counts.titles = 1;
    uint64_t term = 4 | LODE_TERM_WORD;
    uint32_t once = 1;
    float vector[16];
    static const double none[LODE_TERM_KINDS] = {0};
    for (size_t count = 0; count < 2; count++) {
        const lode_title_terms terms = title_of(&term, &once, count);
        for (size_t d = 0; d < 16; d++)
            vector[d] = 7;
        lode__title_vector(&terms, &counts, none, vector, 16);
        for (size_t d = 0; d < 16; d++)
            assert_true(vector[d] <= 0 && vector[d] >= 0);
    }
    lode__arena_release(&arena);
}

// Of many terms half the signs are negative, and all places are met about alike.
static void test_places(void **state) {
    (void)state;
    enum { FEW = 64, EACH = 6000 };
    lode_arena arena = {0};
    lode_term_counts counts = counts_make(&arena, 1);
    counts.titles = 1;
    size_t met[FEW] = {0}, negative = 0, all = 0;
    for (uint64_t k = 0; k < EACH; k++) {
        uint64_t term = k * 4 + LODE_TERM_WORD;
        uint32_t once = 1;
        float vector[FEW];
        const lode_title_terms one = title_of(&term, &once, 1);
        lode__title_vector(&one, &counts, weights, vector, FEW);
        for (size_t d = 0; d < FEW; d++) {
            met[d] += vector[d] != 0;
            negative += vector[d] < 0;
            all += vector[d] != 0;
        }
    }
    const double mean = (double)all / FEW;
    assert_true(mean > 3.5 * EACH / FEW && mean <= 4.0 * EACH / FEW); // some places coincide
    for (size_t d = 0; d < FEW; d++)
        assert_true(fabs((double)met[d] - mean) < 5 * sqrt(mean));
    assert_true(fabs((double)negative / (double)all - 0.5) < 0.02);
    lode__arena_release(&arena);
}

// Each term is counted in two places, in one where they are the same; the room fits the terms that were announced.
static void test_counts(void **state) {
    (void)state;
    lode_arena arena = {0};
    lode_term_counts counts = counts_make(&arena, 1);
    uint64_t same = 1;
    while ((same & counts.mask) != ((same * 0x9e3779b97f4a7c15u) >> 32 & counts.mask))
        same++;
    add_times(&counts, same, 3);
    assert_int_equal(lode__term_count(&counts, same), 3);
    counts = counts_make(&arena, MANY);
    assert_true(counts.mask + 1 >= MANY);
    lode_random random = lode__random(3, LODE_PURPOSE_USER, 0, 0);
    uint64_t *terms = calloc(MANY, sizeof *terms);
    assert_non_null(terms);
    for (size_t k = 0; k < MANY; k++) {
        terms[k] = (uint64_t)lode__random_u32(&random) << 32 | lode__random_u32(&random);
        add_times(&counts, terms[k], 1);
    }
    size_t wrong = 0;
    for (size_t k = 0; k < MANY; k++) {
        const uint32_t found = lode__term_count(&counts, terms[k]);
        assert_true(found >= 1);
        wrong += found > 1;
    }
    if (!(wrong < MANY / 2)) fail_msg("%zu of %d terms count too often", wrong, MANY);
    free(terms);
    lode__arena_release(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_weights), cmocka_unit_test(test_nothing),
                                       cmocka_unit_test(test_places), cmocka_unit_test(test_counts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
