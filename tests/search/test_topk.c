/// Exact top-k against a reference that sorts all scores. The reference scores come from one matrix
/// product over everything, whose bits do not depend on tiles by the kernels' contract; integer
/// vectors are checked against plain sums as well, and give ties in plenty.
#include "search/topk.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"

typedef struct setting {
    size_t items, dim, count, k;
    bool integers, filter, exclude;
} setting;

static uint64_t random_state;

static uint32_t draw(uint32_t bound) {
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(random_state >> 33) % bound;
}

static float *vectors_make(size_t count, size_t dim, bool integers) {
    float *x = lode__alloc(count, dim * sizeof *x);
    for (size_t i = 0; i < count * dim; i++) {
        x[i] = integers ? (float)draw(3) - 1 : (float)draw(1000000) / 500000.0f - 1;
    }
    return x;
}

/// All scores [count, items].
static float *scores_make(const float *queries, size_t count, const float *vectors, size_t items,
                          size_t dim) {
    const struct lode_kernels_f32 *kernels = lode__kernels_f32();
    const size_t padded = (items + kernels->panel - 1) / kernels->panel * kernels->panel;
    float *packed = lode__alloc(padded, dim * sizeof *packed);
    float *scratch = lode__alloc(LODE_GEMM_SCRATCH, sizeof *scratch);
    float *scores = lode__alloc(count * items, sizeof *scores);
    kernels->pack(dim, items, vectors, 1, dim, packed);
    const struct lode_gemm_f32 gemm = {.m = count,
                                       .n = items,
                                       .k = dim,
                                       .a = queries,
                                       .a_row = dim,
                                       .a_column = 1,
                                       .b = packed,
                                       .b_packed = true,
                                       .c = scores,
                                       .c_row = items,
                                       .scratch = scratch};
    kernels->gemm(&gemm);
    lode__free(scratch);
    lode__free(packed);
    return scores;
}

static const float *sort_scores;

static int better(const void *a, const void *b) {
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    if (sort_scores[x] > sort_scores[y]) return -1;
    if (sort_scores[x] < sort_scores[y]) return 1;
    return (x > y) - (x < y);
}

/// Check one query's list against its scores; items with `out` set are left out.
static void check_list(const float *scores, const bool *out, size_t items, size_t k,
                       const uint32_t *ids, const float *got) {
    uint32_t *order = lode__alloc(items, sizeof *order);
    size_t left = 0;
    for (size_t item = 0; item < items; item++) {
        if (!out[item] && scores[item] > -INFINITY) {
            order[left++] = (uint32_t)item;
        }
    }
    sort_scores = scores;
    qsort(order, left, sizeof *order, better);
    for (size_t rank = 0; rank < k; rank++) {
        if (rank >= left) {
            assert_int_equal(ids[rank], LODE_NO_ITEM);
            assert_true(isinf(got[rank]) && got[rank] < 0);
            continue;
        }
        if (ids[rank] != order[rank]) {
            fail_msg("rank %zu: item %u, expected %u", rank, ids[rank], order[rank]);
        }
        assert_true(got[rank] >= scores[order[rank]] && got[rank] <= scores[order[rank]]);
    }
    lode__free(order);
}

/// What is left out: some items of all queries, and per query a list in any order with repeats.
typedef struct filters {
    bool *allowed;
    uint64_t *starts;
    uint32_t *ids;
    lode_excluded excluded;
} filters;

static filters filters_make(const setting *s) {
    filters f = {0};
    f.allowed = lode__alloc(s->items, sizeof *f.allowed);
    f.starts = lode__alloc(s->count + 1, sizeof *f.starts);
    f.ids = lode__alloc(s->count * 40, sizeof *f.ids);
    uint64_t filled = 0;
    for (size_t item = 0; item < s->items; item++) {
        f.allowed[item] = !s->filter || draw(4) > 0;
    }
    for (size_t query = 0; query < s->count; query++) {
        const uint32_t wanted = s->exclude ? draw(40) : 0;
        for (uint32_t i = 0; i < wanted; i++) {
            f.ids[filled] = i % 5 == 4 ? f.ids[filled - 1] : draw((uint32_t)s->items);
            filled++;
        }
        f.starts[query + 1] = filled;
    }
    f.excluded = (lode_excluded){f.starts, f.ids};
    return f;
}

static void filters_release(filters *f) {
    lode__free(f->allowed);
    lode__free(f->starts);
    lode__free(f->ids);
}

static void check_all(const setting *s, const filters *f, const float *scores, const uint32_t *ids,
                      const float *got) {
    bool *out = lode__alloc(s->items, sizeof *out);
    for (size_t query = 0; query < s->count; query++) {
        for (size_t item = 0; item < s->items; item++) {
            out[item] = !f->allowed[item];
        }
        for (uint64_t at = f->starts[query]; at < f->starts[query + 1]; at++) {
            out[f->ids[at]] = true;
        }
        check_list(scores + query * s->items, out, s->items, s->k, ids + query * s->k,
                   got + query * s->k);
    }
    lode__free(out);
}

static void search(const setting *s, const filters *f, const float *vectors, const float *queries,
                   size_t threads, uint32_t *ids, float *scores) {
    lode_pool *pool = NULL;
    lode_topk *topk = NULL;
    lode_error error = {0};
    assert_int_equal(lode__pool_new(&pool, threads, &error), LODE_OK);
    assert_int_equal(lode__topk_new(&topk, vectors, s->items, s->dim, s->filter ? f->allowed : NULL,
                                    s->count + 3, s->k + 2, pool, &error),
                     LODE_OK);
    for (int repeat = 0; repeat < 2; repeat++) { // the second search finds no remains of the first
        memset(ids, 0xab, s->count * s->k * sizeof *ids);
        lode__topk_search(topk, queries, s->count, s->k, s->exclude ? &f->excluded : NULL, ids,
                          scores);
    }
    lode__topk_free(&topk);
    assert_null(topk);
    lode__pool_free(&pool);
}

static void check_setting(const setting *s) {
    random_state = s->items * 31 + s->dim * 7 + s->count;
    float *vectors = vectors_make(s->items, s->dim, s->integers);
    float *queries = vectors_make(s->count, s->dim, s->integers);
    filters f = filters_make(s);
    float *scores = scores_make(queries, s->count, vectors, s->items, s->dim);
    const size_t entries = s->count * s->k;
    uint32_t *ids = lode__alloc(entries, sizeof *ids), *more = lode__alloc(entries, sizeof *more);
    float *got = lode__alloc(entries, sizeof *got), *again = lode__alloc(entries, sizeof *again);
    if (s->integers && s->items > 0) { // the reference itself, against plain sums
        const size_t query = s->count - 1, item = s->items - 1;
        float sum = 0;
        for (size_t d = 0; d < s->dim; d++) {
            sum += queries[query * s->dim + d] * vectors[item * s->dim + d];
        }
        assert_true(fabsf(scores[query * s->items + item] - sum) < 0.5f);
    }
    search(s, &f, vectors, queries, 1, ids, got);
    check_all(s, &f, scores, ids, got);
    for (size_t threads = 2; threads <= 3; threads++) {
        search(s, &f, vectors, queries, threads, more, again);
        assert_memory_equal(ids, more, entries * sizeof *ids);
        assert_memory_equal(got, again, entries * sizeof *got);
    }
    lode__free(again);
    lode__free(got);
    lode__free(more);
    lode__free(ids);
    lode__free(scores);
    filters_release(&f);
    lode__free(queries);
    lode__free(vectors);
}

static void test_against_reference(void **state) {
    (void)state;
    static const setting settings[] = {
        {1, 1, 1, 1, true, false, false},      {1, 3, 40, 5, false, false, false},
        {5, 3, 2, 9, true, false, false},      {511, 64, 33, 10, false, true, true},
        {512, 65, 5, 600, false, false, true}, {513, 3, 70, 50, true, true, true},
        {4096, 1, 33, 7, true, false, true},   {4097, 64, 3, 100, false, true, true},
        {9000, 65, 40, 50, false, true, true}, {9000, 3, 70, 300, true, true, true},
        {9000, 64, 32, 20, true, false, true}, {13000, 1, 1, 13000, true, true, true},
        {5000, 1, 33, 1, true, false, false},  {20000, 2, 2, 1, true, true, false},
    };
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
        check_setting(&settings[i]);
    }
}

/// A query's result must not depend on the queries beside it: few and many take different ways.
static void test_batch_independent(void **state) {
    (void)state;
    enum { COUNT = 100, K = 20, ITEMS = 6000, DIM = 19 };
    const setting all = {ITEMS, DIM, COUNT, K, false, false, false};
    random_state = 5;
    float *vectors = vectors_make(ITEMS, DIM, false), *queries = vectors_make(COUNT, DIM, false);
    filters none = filters_make(&all);
    static uint32_t ids[COUNT * K], one_ids[K];
    static float scores[COUNT * K], one_scores[K];
    search(&all, &none, vectors, queries, 2, ids, scores);
    for (size_t query = 0; query < COUNT; query += 9) {
        const setting one = {ITEMS, DIM, 1, K, false, false, false};
        search(&one, &none, vectors, queries + query * DIM, 2, one_ids, one_scores);
        assert_memory_equal(one_ids, ids + query * K, sizeof one_ids);
        assert_memory_equal(one_scores, scores + query * K, sizeof one_scores);
    }
    filters_release(&none);
    lode__free(queries);
    lode__free(vectors);
}

enum { FEW = 40, ODD_ITEMS = 700, ODD_K = 12 };

static void odd_search(float *vectors, float *queries, const bool *allowed,
                       const lode_excluded *excluded, size_t count, uint32_t *ids, float *scores) {
    lode_topk *topk = NULL;
    lode_error error = {0};
    assert_int_equal(lode__topk_new(&topk, vectors, ODD_ITEMS, 2, allowed, FEW, ODD_K, NULL, &error),
                     LODE_OK);
    lode__topk_search(topk, queries, count, ODD_K, excluded, ids, scores);
    lode__topk_free(&topk);
}

/// NaN is never returned, +INFINITY is best, -INFINITY is as good as left out; -0 and 0 are alike.
static void test_odd_scores(void **state) {
    (void)state;
    float vectors[ODD_ITEMS * 2], queries[FEW * 2];
    uint32_t ids[FEW * ODD_K];
    float scores[FEW * ODD_K];
    for (size_t count = 1; count <= FEW; count += FEW - 1) {
        for (size_t item = 0; item < ODD_ITEMS; item++) {
            vectors[2 * item] = item % 3 == 0 ? NAN : item % 3 == 1 ? -INFINITY : -1;
            vectors[2 * item + 1] = 0;
        }
        vectors[2 * 600] = INFINITY;
        vectors[2 * 650] = 0.0f;
        vectors[2 * 651] = -0.0f;
        vectors[2 * 649] = -0.0f;
        for (size_t query = 0; query < FEW; query++) {
            queries[2 * query] = 1;
            queries[2 * query + 1] = 0;
        }
        odd_search(vectors, queries, NULL, NULL, count, ids, scores);
        static const uint32_t first[] = {600, 649, 650, 651, 2, 5, 8, 11, 14, 17, 20, 23};
        assert_memory_equal(ids + (count - 1) * ODD_K, first, sizeof first);
        assert_true(isinf(scores[0]) && scores[0] > 0);
        queries[2 * (count - 1)] = NAN;
        odd_search(vectors, queries, NULL, NULL, count, ids, scores);
        for (size_t rank = 0; rank < ODD_K; rank++) {
            assert_int_equal(ids[(count - 1) * ODD_K + rank], LODE_NO_ITEM);
        }
    }
}

static void test_everything_left_out(void **state) {
    (void)state;
    float vectors[ODD_ITEMS * 2], queries[FEW * 2];
    static uint32_t ids[FEW * ODD_K], all[FEW * ODD_ITEMS];
    static float scores[FEW * ODD_K];
    static bool allowed[ODD_ITEMS];
    uint64_t starts[FEW + 1] = {0};
    for (size_t i = 0; i < ODD_ITEMS * 2; i++) {
        vectors[i] = (float)i;
    }
    for (size_t query = 0; query < FEW; query++) {
        queries[2 * query] = queries[2 * query + 1] = 1;
        uint64_t filled = starts[query];
        for (uint32_t item = 0; item < ODD_ITEMS; item++) {
            if (query != 1 || item != 17) { // query 1 keeps one item
                all[filled++] = item;
            }
        }
        starts[query + 1] = filled;
    }
    const lode_excluded excluded = {starts, all};
    for (size_t count = 2; count <= FEW; count += FEW - 2) {
        odd_search(vectors, queries, NULL, &excluded, count, ids, scores);
        for (size_t i = 0; i < count * ODD_K; i++) {
            assert_int_equal(ids[i], i == ODD_K ? 17 : LODE_NO_ITEM);
        }
        odd_search(vectors, queries, allowed, NULL, count, ids, scores);
        for (size_t i = 0; i < count * ODD_K; i++) {
            assert_int_equal(ids[i], LODE_NO_ITEM);
        }
    }
    allowed[123] = true;
    odd_search(vectors, queries, allowed, NULL, FEW, ids, scores);
    assert_int_equal(ids[0], 123);
    assert_int_equal(ids[1], LODE_NO_ITEM);
    allowed[123] = false;
}

static void test_empty(void **state) {
    (void)state;
    lode_topk *topk = NULL;
    lode_error error = {0};
    const float nothing[1] = {0};
    uint32_t ids[3] = {1, 2, 3};
    float scores[3] = {1, 2, 3};
    assert_int_equal(lode__topk_new(&topk, nothing, 0, 4, NULL, 1, 3, NULL, &error), LODE_OK);
    const float query[4] = {1, 1, 1, 1};
    lode__topk_search(topk, query, 0, 3, NULL, ids, scores); // no query: nothing is written
    assert_int_equal(ids[0], 1);
    lode__topk_search(topk, query, 1, 3, NULL, ids, scores);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(ids[i], LODE_NO_ITEM);
        assert_true(isinf(scores[i]));
    }
    lode__topk_free(&topk);
    lode__topk_free(&topk);
    assert_int_equal(lode__topk_new(&topk, nothing, 1, SIZE_MAX / 8, NULL, 1, 3, NULL, &error),
                     LODE_E_MEMORY);
    assert_null(topk);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_reference),
        cmocka_unit_test(test_batch_independent),
        cmocka_unit_test(test_odd_scores),
        cmocka_unit_test(test_everything_left_out),
        cmocka_unit_test(test_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
