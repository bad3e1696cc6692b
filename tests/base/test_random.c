#include "base/random.h"

#include "../check.h"

/// The known answers that the authors publish with Random123 (kat_vectors, philox4x32 10).
static void test_known_answers(void **state) {
    (void)state;
    static const struct {
        uint32_t counter[4], key[2], answer[4];
    } cases[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
         {0xffffffff, 0xffffffff},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint32_t out[4];
        lode__philox(cases[i].counter, cases[i].key, out);
        assert_memory_equal(out, cases[i].answer, sizeof out);
    }
}

static void test_streams_are_functions_of_their_arguments(void **state) {
    (void)state;
    static const struct {
        uint64_t seed;
        uint32_t purpose, epoch, step;
    } streams[] = {{1, 1, 1, 1}, {2, 1, 1, 1}, {1, 2, 1, 1},
                   {1, 1, 2, 1}, {1, 1, 1, 2}, {1 + (UINT64_C(1) << 32), 1, 1, 1}};
    enum { STREAMS = sizeof streams / sizeof *streams, DRAWS = 9 };
    uint32_t draws[STREAMS][DRAWS];
    for (size_t i = 0; i < STREAMS; i++) {
        lode_random random =
            lode__random(streams[i].seed, streams[i].purpose, streams[i].epoch, streams[i].step);
        lode_random again = random;
        for (size_t k = 0; k < DRAWS; k++) {
            draws[i][k] = lode__random_u32(&random);
            assert_int_equal(draws[i][k], lode__random_u32(&again));
        }
        for (size_t j = 0; j < i; j++) {
            for (size_t k = 0; k < DRAWS; k++)
                assert_int_not_equal(draws[i][k], draws[j][k]);
        }
    }
}

static void test_below_is_uniform(void **state) {
    (void)state;
    lode_random random = lode__random(5, 1, 0, 0);
    for (int i = 0; i < 100; i++)
        assert_int_equal(lode__random_below(&random, 1), 0);
    enum { CELLS = 7, DRAWS = 70000 };
    size_t counts[CELLS] = {0};
    for (int i = 0; i < DRAWS; i++) {
        const uint64_t draw = lode__random_below(&random, CELLS);
        assert_true(draw < CELLS);
        counts[draw]++;
    }
    double chi = 0;
    for (int i = 0; i < CELLS; i++) {
        const double off = (double)counts[i] - DRAWS / CELLS;
        chi += off * off / (DRAWS / CELLS);
    }
    assert_true(chi < 22.5); // 6 degrees of freedom, p = 0.001
}

/// A bound of 3/4 of the range. Without rejection some values come twice as often: a plain modulo prefers the
/// lowest third, a plain multiplication every third value.
static void test_below_has_no_bias(void **state) {
    (void)state;
    static const uint64_t bounds[] = {UINT64_C(3) << 30, UINT64_C(3) << 62};
    for (size_t b = 0; b < 2; b++) {
        lode_random random = lode__random(6, 1, 0, 0);
        size_t thirds[3] = {0}, residues[3] = {0};
        for (int i = 0; i < 60000; i++) {
            const uint64_t draw = lode__random_below(&random, bounds[b]);
            assert_true(draw < bounds[b]);
            thirds[draw / (bounds[b] / 3)]++;
            residues[draw % 3]++;
        }
        for (int i = 0; i < 3; i++) {
            assert_close((double)thirds[i], 20000, 600, 0); // 5 sigma
            assert_close((double)residues[i], 20000, 600, 0);
        }
    }
}

static void test_real_and_normal(void **state) {
    (void)state;
    enum { DRAWS = 100000 };
    lode_random random = lode__random(7, 1, 0, 0);
    double sum = 0, low = 1, high = 0;
    for (int i = 0; i < DRAWS; i++) {
        const double draw = lode__random_real(&random);
        assert_true(draw >= 0 && draw < 1);
        sum += draw;
        low = fmin(low, draw);
        high = fmax(high, draw);
    }
    assert_close(sum / DRAWS, 0.5, 0.005, 0);
    assert_true(low < 0.001 && high > 0.999);
    double mean = 0, square = 0, fourth = 0;
    for (int i = 0; i < DRAWS; i++) {
        const double draw = lode__random_normal(&random);
        assert_true(isfinite(draw));
        mean += draw / DRAWS;
        square += draw * draw / DRAWS;
        fourth += draw * draw * draw * draw / DRAWS;
    }
    assert_close(mean, 0, 0.02, 0);
    assert_close(square, 1, 0.03, 0);
    assert_close(fourth, 3, 0.25, 0);
}

static void test_random_at(void **state) {
    (void)state;
    const uint32_t base = lode__random_at(1, 2, 3, 4, 5);
    assert_int_equal(base, lode__random_at(1, 2, 3, 4, 5));
    assert_int_not_equal(base, lode__random_at(2, 2, 3, 4, 5));
    assert_int_not_equal(base, lode__random_at(1, 3, 3, 4, 5));
    assert_int_not_equal(base, lode__random_at(1, 2, 4, 4, 5));
    assert_int_not_equal(base, lode__random_at(1, 2, 3, 5, 5));
    assert_int_not_equal(base, lode__random_at(1, 2, 3, 4, 6));
    // Not the words of any stream: those have the same counters, but another key.
    for (uint32_t bit = 0; bit < 2; bit++) {
        lode_random random = lode__random(1, 2 | bit << 31, 3, 5);
        for (int i = 0; i < 40; i++)
            assert_int_not_equal(base, lode__random_u32(&random));
    }
    size_t ones = 0;
    for (uint32_t i = 0; i < 10000; i++) {
        ones += (size_t)__builtin_popcount(lode__random_at(1, 2, 3, i, 5));
    }
    assert_close((double)ones, 160000, 1500, 0); // over 5 sigma
}

static void test_permute_is_a_bijection(void **state) {
    (void)state;
    static unsigned char seen[70000];
    for (uint64_t size = 1; size < 70000; size = size < 300 ? size + 1 : size * 3 / 2 + 1) {
        for (uint32_t epoch = 0; epoch < 2; epoch++) {
            memset(seen, 0, size);
            for (uint64_t i = 0; i < size; i++) {
                const uint64_t to = lode__permute(i, size, 9, LODE_PURPOSE_ORDER, epoch);
                assert_true(to < size);
                assert_int_equal(seen[to]++, 0);
            }
        }
    }
    const uint64_t large = (UINT64_C(1) << 40) + 12345;
    assert_true(lode__permute(large - 1, large, 9, 1, 0) < large);
    assert_true(lode__permute(0, UINT64_MAX, 9, 1, 0) < UINT64_MAX);
}

static size_t same_places(uint64_t size, uint64_t seed, uint32_t purpose, uint32_t epoch) {
    size_t same = 0;
    for (uint64_t i = 0; i < size; i++) {
        same += lode__permute(i, size, 1, 1, 0) == lode__permute(i, size, seed, purpose, epoch);
    }
    return same;
}

static void test_permute_depends_on_its_key_and_mixes(void **state) {
    (void)state;
    enum { SIZE = 10000, CELLS = 10 };
    assert_int_equal(same_places(SIZE, 1, 1, 0), SIZE);
    assert_true(same_places(SIZE, 2, 1, 0) < 10); // one is expected by chance
    assert_true(same_places(SIZE, 1, 2, 0) < 10);
    assert_true(same_places(SIZE, 1, 1, 1) < 10);
    size_t counts[CELLS][CELLS] = {{0}}, ascents = 0;
    for (uint64_t i = 0; i < SIZE; i++) {
        const uint64_t to = lode__permute(i, SIZE, 1, 1, 0);
        counts[i * CELLS / SIZE][to * CELLS / SIZE]++;
        if (i > 0) ascents += to > lode__permute(i - 1, SIZE, 1, 1, 0);
    }
    double chi = 0;
    for (int a = 0; a < CELLS; a++) {
        for (int b = 0; b < CELLS; b++) {
            const double off = (double)counts[a][b] - SIZE / CELLS / CELLS;
            chi += off * off / (SIZE / CELLS / CELLS);
        }
    }
    assert_true(chi < 126); // 81 degrees of freedom, p = 0.001
    assert_close((double)ascents, SIZE / 2.0, 150, 0);
}

/// Every one of a few places is reached from position 0 about equally often over the epochs.
static void test_permute_is_fair_over_epochs(void **state) {
    (void)state;
    enum { SIZE = 11, EPOCHS = 11000 };
    size_t counts[SIZE] = {0};
    for (uint32_t epoch = 0; epoch < EPOCHS; epoch++)
        counts[lode__permute(0, SIZE, 3, 1, epoch)]++;
    double chi = 0;
    for (int i = 0; i < SIZE; i++) {
        const double off = (double)counts[i] - EPOCHS / SIZE;
        chi += off * off / (EPOCHS / SIZE);
    }
    assert_true(chi < 29.6); // 10 degrees of freedom, p = 0.001
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_answers),
        cmocka_unit_test(test_streams_are_functions_of_their_arguments),
        cmocka_unit_test(test_below_is_uniform),
        cmocka_unit_test(test_below_has_no_bias),
        cmocka_unit_test(test_real_and_normal),
        cmocka_unit_test(test_random_at),
        cmocka_unit_test(test_permute_is_a_bijection),
        cmocka_unit_test(test_permute_depends_on_its_key_and_mixes),
        cmocka_unit_test(test_permute_is_fair_over_epochs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
