/// Every variant of the scan against sums of its own, at edges and extremes. The bars are taken from the sums,
/// so that a sum that is wrong by one shows.
#include "guarded.h"
#include "kernel/scan.h"

static const uint8_t item_extremes[] = {1, 255, 128, 0};
static const int8_t query_extremes[] = {-127, 127, 0, -128};

typedef struct shape {
    size_t groups, words, rows;
    int how; ///< 0 random, 1 extremes
} shape;

typedef struct scene {
    struct lode_scan scan;
    uint8_t *items;
    int8_t *queries;
    const int8_t **pointers;
    int32_t *bars;
    uint64_t *hits;
} scene;

static scene scene_make(const shape *s, bool front) {
    const size_t bytes = s->groups * 4;
    scene c = {.items = guarded(s->words * bytes * LODE_SCAN_WORD, front),
               .queries = guarded(s->rows * bytes, front),
               .pointers = guarded(s->rows * sizeof(int8_t *), front),
               .bars = guarded(s->rows * sizeof(int32_t), front),
               .hits = guarded(s->rows * s->words * sizeof(uint64_t), front)};
    for (size_t i = 0; i < s->words * bytes * LODE_SCAN_WORD; i++)
        c.items[i] = s->how == 1 ? item_extremes[draw(4)] : (uint8_t)draw(256);
    for (size_t i = 0; i < s->rows * bytes; i++)
        c.queries[i] = s->how == 1 ? query_extremes[draw(4)] : (int8_t)((int)draw(256) - 128);
    for (size_t r = 0; r < s->rows; r++)
        c.pointers[r] = c.queries + r * bytes;
    memset(c.hits, 0xa5, s->rows * s->words * sizeof *c.hits);
    c.scan = (struct lode_scan){s->groups, s->words, c.items, s->rows, c.pointers, c.bars, c.hits};
    return c;
}

static int32_t sum_of(const scene *c, size_t row, size_t item) {
    const size_t groups = c->scan.groups, word = item / LODE_SCAN_WORD;
    int64_t sum = 0;
    for (size_t d = 0; d < groups * 4; d++) {
        const size_t at = ((word * groups + d / 4) * LODE_SCAN_WORD + item % LODE_SCAN_WORD) * 4;
        sum += (int64_t)c->items[at + d % 4] * c->queries[row * groups * 4 + d];
    }
    assert_true(sum >= INT32_MIN && sum <= INT32_MAX);
    return (int32_t)sum;
}

static void check_hits(const scene *c, const char *name) {
    for (size_t row = 0; row < c->scan.rows; row++) {
        for (size_t item = 0; item < c->scan.words * LODE_SCAN_WORD; item++) {
            const uint64_t word = c->hits[row * c->scan.words + item / LODE_SCAN_WORD];
            const bool got = word >> (item % LODE_SCAN_WORD) & 1;
            if (got != (sum_of(c, row, item) > c->bars[row]))
                fail_msg("%s: row %zu item %zu: %d", name, row, item, got);
        }
    }
}

static void test_every_variant(void **state) {
    (void)state;
    static const shape shapes[] = {{1, 1, 1, 0},  {1, 2, 6, 1},   {16, 3, 7, 0}, {16, 1, 12, 1},
                                   {17, 2, 5, 0}, {2, 5, 8, 1},   {0, 1, 2, 0},  {3, 0, 2, 0},
                                   {3, 2, 0, 0},  {400, 1, 9, 1}, {5, 1, 3, 0},  {5, 1, 4, 0},
                                   {5, 1, 10, 0}, {5, 1, 11, 1}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        for (int front = 0; front < 2; front++) {
            for (lode_scan_variant v = 0; v < LODE_SCAN_VARIANTS; v++) {
                lode_scan_kernel *kernel = lode__scan_at(v);
                if (kernel == NULL) continue;
                scene c = scene_make(&shapes[i], front);
                for (size_t r = 0; r < shapes[i].rows; r++) // exactly an item's sum, or one less
                    c.bars[r] = shapes[i].words == 0 ? 0 : sum_of(&c, r, draw(64)) - (int32_t)draw(2);
                kernel(&c.scan);
                check_hits(&c, lode__scan_name(v));
                for (size_t r = 0; r < shapes[i].rows; r++)
                    c.bars[r] = r % 2 ? INT32_MIN : INT32_MAX;
                kernel(&c.scan);
                check_hits(&c, lode__scan_name(v));
                guarded_release();
            }
        }
    }
}

/// The largest sums that the contract allows stay within 32 bits.
static void test_largest(void **state) {
    (void)state;
    static uint8_t items[(size_t)LODE_SCAN_GROUPS * 4 * LODE_SCAN_WORD];
    static int8_t query[LODE_SCAN_GROUPS * 4];
    memset(items, 255, sizeof items);
    const int8_t *pointer = query;
    for (int negative = 0; negative < 2; negative++) {
        memset(query, negative ? -127 : 127, sizeof query);
        const int32_t most = 4 * 255 * 127 * LODE_SCAN_GROUPS, sum = negative ? -most : most;
        for (lode_scan_variant v = 0; v < LODE_SCAN_VARIANTS; v++) {
            lode_scan_kernel *kernel = lode__scan_at(v);
            for (int32_t below = 0; kernel != NULL && below < 2; below++) {
                const int32_t bar = sum - below;
                uint64_t hits = 5;
                kernel(&(struct lode_scan){LODE_SCAN_GROUPS, 1, items, 1, &pointer, &bar, &hits});
                assert_true(hits == (below ? UINT64_MAX : 0));
            }
        }
    }
}

/// The bits of the matrix product of the level in use, at every count and dimension, rows in any place.
static void test_scores(void **state) {
    (void)state;
    const struct lode_kernels_f32 *kernels = lode__kernels_f32();
    static const size_t dims[] = {0, 1, 7, 8, 9, 63, 64, 65, 130};
    for (size_t i = 0; i < sizeof dims / sizeof *dims; i++) {
        for (size_t count = 0; count <= 35; count++) {
            enum { MOST = 64 };
            const size_t dim = dims[i];
            const bool front = count % 2;
            const float *rows[MOST];
            pair query = pair_make(dim, 1, front), all = pair_make(dim * MOST, 1, front);
            float *packed = guarded(dim * MOST * sizeof *packed, front);
            float *scores = guarded(count * sizeof *scores, front), want[MOST], scratch[1];
            for (size_t r = 0; r < count; r++)
                rows[r] = all.f32 + r * 29 % MOST * dim;
            lode__scores_kernel()(dim, query.f32, count, rows, scores);
            kernels->pack(dim, MOST, all.f32, 1, dim, packed);
            const struct lode_gemm_f32 gemm = {.m = 1,
                                               .n = MOST,
                                               .k = dim,
                                               .a = query.f32,
                                               .a_row = dim,
                                               .a_column = 1,
                                               .b = packed,
                                               .b_packed = true,
                                               .c = want,
                                               .c_row = MOST,
                                               .scratch = scratch};
            kernels->gemm(&gemm);
            for (size_t r = 0; r < count; r++)
                assert_memory_equal(&scores[r], &want[r * 29 % MOST], sizeof(float));
            guarded_release();
        }
    }
}

static void test_choice(void **state) {
    (void)state;
    assert_non_null(lode__scan_kernel());
    assert_non_null(lode__scan_at(LODE_SCAN_PLAIN));
    assert_null(lode__scan_at(LODE_SCAN_VARIANTS));
    if (strcmp(lode__kernels_f32()->level, "scalar") == 0)
        assert_true(lode__scan_kernel() == lode__scan_at(LODE_SCAN_PLAIN));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_variant),
                                       cmocka_unit_test(test_largest),
                                       cmocka_unit_test(test_scores), cmocka_unit_test(test_choice)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
