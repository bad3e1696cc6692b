/// k nearest neighbours against brute force in double; ties, vectors of length 0, items that are not allowed.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "search/neighbours.h"

enum { ITEMS = 700, DIM = 9, K = 6 };

static float vectors[ITEMS * DIM];
static uint32_t ids[ITEMS * K], again[ITEMS * K];
static float scores[ITEMS * K], scores_again[ITEMS * K];

static void find(const lode_neighbours *search, size_t threads, uint32_t *to, float *values) {
    lode_pool *pool = NULL;
    lode_error error = {0};
    assert_int_equal(lode__pool_new(&pool, threads, &error), LODE_OK);
    assert_int_equal(lode__neighbours_find(search, pool, to, values, &error), LODE_OK);
    lode__pool_free(&pool);
}

static double similarity(uint32_t i, uint32_t j, bool cosine) {
    double sum = 0, a = 0, b = 0;
    for (size_t d = 0; d < DIM; d++) {
        const double x = (double)vectors[i * DIM + d], y = (double)vectors[j * DIM + d];
        sum += x * y;
        a += x * x;
        b += y * y;
    }
    return cosine ? sum / sqrt(a * b) : sum;
}

static void check(bool cosine) {
    lode_random random = lode__random(5, LODE_PURPOSE_USER, cosine, 0);
    for (size_t k = 0; k < (size_t)ITEMS * DIM; k++)
        vectors[k] = (float)lode__random_normal(&random) * (float)(1 + k / DIM % 7);
    memset(vectors + 3 * DIM, 0, DIM * sizeof *vectors); // no direction
    bool allowed[ITEMS];
    for (size_t k = 0; k < ITEMS; k++)
        allowed[k] = k % 10 != 5; // the last item of a batch and the first of the next are
    const lode_neighbours search = {
        .vectors = vectors, .items = ITEMS, .dim = DIM, .allowed = allowed, .cosine = cosine, .k = K};
    find(&search, 1, ids, scores);
    find(&search, 3, again, scores_again);
    assert_memory_equal(ids, again, sizeof ids);
    assert_memory_equal(scores, scores_again, sizeof scores);
    for (uint32_t i = 0; i < ITEMS; i++) {
        const uint32_t *list = ids + i * K;
        if (!allowed[i] || (cosine && i == 3)) {
            for (size_t k = 0; k < K; k++)
                assert_int_equal(list[k], LODE_NO_ITEM);
            continue;
        }
        for (size_t k = 0; k < K; k++) {
            assert_true(list[k] != i && list[k] < ITEMS && allowed[list[k]]);
            assert_true(!cosine || list[k] != 3);
            const double wanted = similarity(i, list[k], cosine);
            assert_true(fabs((double)scores[i * K + k] - wanted) <= 1e-5 * (1 + fabs(wanted)));
        }
        const double worst = similarity(i, list[K - 1], cosine); // none outside is better
        for (uint32_t j = 0; j < ITEMS; j++) {
            bool listed = j == i || !allowed[j] || (cosine && j == 3);
            for (size_t k = 0; k < K; k++)
                listed = listed || list[k] == j;
            if (!listed) assert_true(similarity(i, j, cosine) <= worst + 1e-5 * (1 + fabs(worst)));
        }
    }
}

static void test_brute_force(void **state) {
    (void)state;
    check(true);
    check(false);
}

static void test_ties(void **state) {
    (void)state;
    const float same[] = {1, 0, 2, 0, 3, 0, 0, 1}; // directions: three alike, one across
    const lode_neighbours search = {.vectors = same, .items = 4, .dim = 2, .cosine = true, .k = 4};
    uint32_t found[16];
    float values[16];
    find(&search, 1, found, values);
    const uint32_t wanted[] = {1, 2, 3, LODE_NO_ITEM, 0, 2, 3, LODE_NO_ITEM,
                               0, 1, 3, LODE_NO_ITEM, 0, 1, 2, LODE_NO_ITEM};
    assert_memory_equal(found, wanted, sizeof wanted);
}

static lode_status stop_at_once(void *cookie, size_t done, size_t total, lode_error *error) {
    *(size_t *)cookie = done;
    (void)total;
    return lode__fail(error, LODE_E_STOPPED, "stopped");
}

static void test_stopped(void **state) {
    (void)state;
    size_t done = 0;
    lode_error error = {0};
    const lode_neighbours search = {
        .vectors = vectors, .items = ITEMS, .dim = DIM, .k = K, .step = stop_at_once, .cookie = &done};
    assert_int_equal(lode__neighbours_find(&search, NULL, ids, scores, &error), LODE_E_STOPPED);
    assert_true(done > 0 && done < ITEMS);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_brute_force),
                                       cmocka_unit_test(test_ties), cmocka_unit_test(test_stopped)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
