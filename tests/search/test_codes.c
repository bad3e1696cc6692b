/// The bounds are sound: an item always passes a bar that is its own score, and tight enough to be of use. Vectors
/// are taken from corners: parallel ones (where lengths alone must not rule an item out), ones that bytes hold
/// exactly (where only rounding is left), products below the smallest normal number, lengths far apart in one block.
#include "search/codes.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint64_t random_state = 9;

static uint32_t draw(uint32_t bound) {
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(random_state >> 33) % bound;
}

static float draw_real(void) {
    return (float)draw(1000001) / 500000.0f - 1;
}

enum { ROWS = 100, MOST_DIM = 1500, MOST_BYTES = (MOST_DIM + 3) / 4 * 4 * 2 * LODE_SCAN_WORD };

typedef struct table {
    float vectors[ROWS * MOST_DIM], query[MOST_DIM];
    uint32_t ids[ROWS];
    uint8_t bytes[MOST_BYTES];
    int8_t codes[MOST_DIM + 3];
    lode_block block;
    lode_coded_query coded;
} table;

static table t;

static void code(size_t dim) {
    for (uint32_t i = 0; i < ROWS; i++)
        t.ids[i] = (i * 37 + 5) % ROWS;
    t.block = (lode_block){.rows = ROWS};
    lode__codes_fill(dim, t.vectors, t.ids, &t.block, t.bytes);
    lode__query_code(dim, t.query, &t.coded, t.codes);
}

static int32_t sum_of(size_t dim, size_t row) {
    const size_t groups = (dim + 3) / 4;
    int32_t sum = 0;
    for (size_t d = 0; d < groups * 4; d++) {
        const size_t at = (row / 64 * groups + d / 4) * 256 + row % 64 * 4 + d % 4;
        sum += t.bytes[at] * t.codes[d];
    }
    return sum;
}

/// The score as exact search rounds it at the level in use.
static float score_of(size_t dim, size_t row) {
    const float *vector = t.vectors + t.ids[row] * dim;
    float score;
    lode__scores_kernel()(dim, t.query, 1, &vector, &score);
    return score;
}

static void check_sound(size_t dim, const char *what) {
    code(dim);
    for (size_t row = 0; row < ROWS; row++) {
        const double score = (double)score_of(dim, row);
        const int32_t bar = lode__query_bar(&t.coded, &t.block, dim, score);
        if (!(sum_of(dim, row) > bar))
            fail_msg("%s, dim %zu, row %zu: score %g, sum %d, bar %d", what, dim, row, score,
                     sum_of(dim, row), bar);
        assert_false(lode__query_hopeless(&t.coded, dim, (double)t.block.norm, score));
    }
}

static const size_t dims[] = {1, 2, 3, 4, 5, 63, 64, 70, 1500};

static void test_sound(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof dims / sizeof *dims; i++) {
        const size_t dim = dims[i];
        for (int round = 0; round < 30; round++) {
            const float length = powf(10, 8 * draw_real());
            for (size_t d = 0; d < dim; d++)
                t.query[d] = draw_real() * length;
            for (size_t k = 0; k < ROWS * dim; k++)
                t.vectors[k] = draw_real() * (round % 3 ? 1 : powf(10, 3 * draw_real()));
            check_sound(dim, "random");
            for (size_t row = 0; row < ROWS; row++) {
                for (size_t d = 0; d < dim; d++)
                    t.vectors[row * dim + d] = t.query[d] * (row % 2 ? 1.1f : 0.9f);
            }
            check_sound(dim, "parallel");
        }
    }
}

/// Bytes lose nothing here; what remains is the rounding of the f32 product.
static void test_only_rounding(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof dims / sizeof *dims; i++) {
        const size_t dim = dims[i];
        for (int round = 0; round < 40; round++) {
            const float unit =
                round % 2 ? 0x1p-78f : 1; // products below the smallest number, or long sums
            for (size_t k = 0; k < ROWS * dim; k++)
                t.vectors[k] = unit * (k % dim == 0    ? 127
                                       : round % 4 > 1 ? 127
                                                       : (float)draw(255) - 127);
            for (size_t d = 0; d < dim; d++)
                t.query[d] = unit * (d == 0 ? 127 : (float)draw(255) - 127);
            check_sound(dim, "rounding");
            assert_true(t.block.slack <= 0x1p-149f && t.coded.error <= 0);
        }
    }
}

/// Most of what scores two standard deviations too little is ruled out.
static void test_useful(void **state) {
    (void)state;
    enum { DIM = 64 };
    size_t out = 0, low = 0;
    for (int round = 0; round < 50; round++) {
        for (size_t d = 0; d < DIM; d++)
            t.query[d] = draw_real();
        for (size_t k = 0; k < (size_t)ROWS * DIM; k++)
            t.vectors[k] = draw_real();
        code(DIM);
        const double deviation = t.coded.norm * (double)t.block.norm / 8;
        const int32_t bar = lode__query_bar(&t.coded, &t.block, DIM, 2 * deviation);
        for (size_t row = 0; row < ROWS; row++) {
            if ((double)score_of(DIM, row) > 1.8 * deviation) continue;
            low++;
            out += sum_of(DIM, row) <= bar;
        }
    }
    assert_true(out * 100 >= low * 99);
    assert_true(lode__query_hopeless(&t.coded, DIM, 1e-3, 1));
}

static void test_odd(void **state) {
    (void)state;
    enum { DIM = 6 };
    const float odd[] = {NAN, INFINITY, -INFINITY, 1e30f};
    for (size_t i = 0; i < 4; i++) {
        for (size_t k = 0; k < (size_t)ROWS * DIM; k++)
            t.vectors[k] = draw_real();
        for (size_t d = 0; d < DIM; d++)
            t.query[d] = draw_real();
        t.vectors[17] = odd[i];
        code(DIM);
        assert_int_equal(lode__query_bar(&t.coded, &t.block, DIM, 1e38), INT32_MIN);
        t.vectors[17] = 0;
        t.query[3] = odd[i];
        code(DIM);
        assert_false(t.coded.plain);
        assert_int_equal(lode__query_bar(&t.coded, &t.block, DIM, 1e38), INT32_MIN);
        assert_false(lode__query_hopeless(&t.coded, DIM, 1, 1e38));
    }
    memset(t.query, 0, sizeof t.query); // zero scores pass bars up to 0 and no others
    code(DIM);
    assert_int_equal(lode__query_bar(&t.coded, &t.block, DIM, 0), INT32_MIN);
    assert_int_equal(lode__query_bar(&t.coded, &t.block, DIM, 1), INT32_MAX);
    assert_int_equal(lode__query_bar(&t.coded, &t.block, DIM, (double)-INFINITY), INT32_MIN);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_sound),
                                       cmocka_unit_test(test_only_rounding),
                                       cmocka_unit_test(test_useful), cmocka_unit_test(test_odd)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
