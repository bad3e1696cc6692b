/// Every allocation of the linear baselines and of metrics over scores fails once.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "alloc_fail.h"
#include "eval/linear.h"

#define SAMPLE "tests/compat/format-1/"

typedef struct setting {
    lode_dataset *data;
    lode_split *split;
    lode_cases cases;
} setting;

static lode_status rank(const setting *own, lode_ranker *ranker, lode_error *error) {
    uint32_t list[3];
    const lode_status status = ranker->rank(ranker->self, &own->cases, 0, 1, 3, true, list, error);
    ranker->free(ranker->self);
    return status;
}

static lode_status ease(void *cookie, lode_error *error) {
    const setting *own = cookie;
    lode_ranker ranker;
    LODE_TRY(lode__ranker_ease(&ranker, own->split, 10, NULL, NULL, error));
    return rank(own, &ranker, error);
}

static lode_status als(void *cookie, lode_error *error) {
    const setting *own = cookie;
    const lode_als_options options = {
        .factors = 4, .iterations = 1, .regularisation = 1, .alpha = 1, .seed = 1};
    lode_ranker ranker;
    LODE_TRY(lode__ranker_als(&ranker, own->split, &options, 3, NULL, error));
    return rank(own, &ranker, error);
}

/// A case that cannot be added is known afterwards.
static lode_status scores(void *cookie, lode_error *error) {
    static const size_t cutoff = 2;
    static const float given[] = {1, 0, 3};
    static const bool clicked[] = {true, false, false};
    static const uint32_t category[] = {0, 1, 1};
    lode_metrics metrics;
    (void)cookie;
    lode_status status = lode__metrics_new(&metrics, &cutoff, 1, 3, 3, NULL, error);
    if (status == LODE_OK) status = lode__metrics_items(&metrics, NULL, category, 2, error);
    if (status == LODE_OK) {
        lode__metrics_add_scores(&metrics, given, clicked, 3);
        status = lode__metrics_check(&metrics, error);
    }
    lode__metrics_release(&metrics);
    return status;
}

static void test_sweeps(void **state) {
    (void)state;
    setting own = {0};
    lode_error error = {0};
    const lode_split_options options = {.type = LODE_SPLIT_LEAVE_ONE_OUT};
    assert_int_equal(lode__dataset_open(&own.data, SAMPLE "shop.lode", false, &error), LODE_OK);
    assert_int_equal(lode__split_new(&own.split, own.data, &options, &error), LODE_OK);
    assert_int_equal(lode__cases_new(&own.cases, own.split, lode__protocol_find("leave_one_out"),
                                     LODE_PART_TEST, &error),
                     LODE_OK);
    alloc_sweep(ease, &own, 5);
    alloc_sweep(als, &own, 5);
    alloc_sweep(scores, NULL, 3);
    lode__cases_release(&own.cases);
    lode__split_free(&own.split);
    lode__dataset_free(&own.data);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_sweeps)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
