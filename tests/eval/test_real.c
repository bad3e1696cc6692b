/// The baselines on MovieLens 100k (all ratings as clicks, leave-one-out, seen items left out): their hit rates
/// are known, and a change of them is a change of the split, the protocol or a baseline.
#include "eval/linear.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ROWS = 100000, USERS = 943, ITEMS = 1682 };

typedef struct row {
    uint32_t user, item, number;
    int64_t time;
} row;

typedef struct real_log {
    lode_dataset data;
    row rows[ROWS];
    uint64_t offsets[USERS + 1];
    uint32_t item[ROWS];
    int64_t time[ROWS];
} real_log;

static real_log logs;

static int row_compare(const void *a, const void *b) {
    const row *x = a, *y = b;
    if (x->user != y->user) return x->user < y->user ? -1 : 1;
    if (x->time != y->time) return x->time < y->time ? -1 : 1;
    return (x->number > y->number) - (x->number < y->number);
}

/// The number of a token in order of first appearance; tokens are numbers from 1 to `most`.
static uint32_t number_of(uint32_t *numbers, uint32_t *count, unsigned token, unsigned most) {
    assert_true(token >= 1 && token <= most);
    if (numbers[token] == 0) {
        numbers[token] = ++*count;
    }
    return numbers[token] - 1;
}

/// False when there is no such file.
static bool log_read(const char *folder) {
    static uint32_t user_numbers[USERS + 1], item_numbers[ITEMS + 1];
    char path[4096], line[256];
    snprintf(path, sizeof path, "%s/ml-100k/ml-100k.inter", folder);
    FILE *file = fopen(path, "r");
    if (!file) {
        return false;
    }
    uint32_t count = 0, users = 0, items = 0;
    assert_non_null(fgets(line, sizeof line, file)); // the header
    while (fgets(line, sizeof line, file)) {
        char *at = line;
        assert_true(count < ROWS);
        row *one = &logs.rows[count];
        const unsigned user = (unsigned)strtoul(at, &at, 10), item = (unsigned)strtoul(at, &at, 10);
        (void)strtoul(at, &at, 10); // the rating
        one->time = strtoll(at, &at, 10) * 1000;
        one->user = number_of(user_numbers, &users, user, USERS);
        one->item = number_of(item_numbers, &items, item, ITEMS);
        one->number = count++;
    }
    fclose(file);
    assert_int_equal(count, ROWS);
    qsort(logs.rows, ROWS, sizeof *logs.rows, row_compare);
    return true;
}

static void log_build(void) {
    for (uint32_t i = 0; i < ROWS; i++) {
        logs.item[i] = logs.rows[i].item;
        logs.time[i] = logs.rows[i].time;
        logs.offsets[logs.rows[i].user + 1] = i + 1;
    }
    lode_dataset *data = &logs.data;
    data->users.count = USERS;
    data->items.count = ITEMS;
    data->interactions = ROWS;
    data->offsets = logs.offsets;
    data->item = logs.item;
    data->time = logs.time;
    data->time_kind = LODE_TIME_REAL;
}

static void check_hit(const lode_cases *cases, lode_ranker *ranker, double expected) {
    static const size_t cutoff = 50;
    lode_metrics metrics;
    lode_error error = {0};
    assert_int_equal(lode__metrics_new(&metrics, &cutoff, 1, ITEMS, ITEMS, NULL, &error), LODE_OK);
    assert_int_equal(lode__evaluate(cases, ranker, true, &metrics, NULL, "eval", &error), LODE_OK);
    const double hit = lode__metrics_value(&metrics, LODE_METRIC_HIT, 0);
    if (!(fabs(hit - expected) < 0.0005)) {
        fail_msg("%s: hit@50 is %.4f, expected %.4f", ranker->name, hit, expected);
    }
    lode__metrics_release(&metrics);
    ranker->free(ranker->self);
}

static void test_movielens(void **state) {
    (void)state;
    const char *folder = getenv("LODESTONE_DATA");
    if (!folder || !log_read(folder)) {
        puts("skipped: no data");
        skip();
    }
    log_build();
    lode_split *split = NULL;
    lode_cases cases;
    lode_ranker ranker;
    lode_error error = {0};
    const lode_split_options options = {.type = LODE_SPLIT_LEAVE_ONE_OUT};
    assert_int_equal(lode__split_new(&split, &logs.data, &options, &error), LODE_OK);
    assert_int_equal(lode__cases_new(&cases, split, lode__protocol_find("leave_one_out"),
                                     LODE_PART_TEST, &error),
                     LODE_OK);
    assert_int_equal(cases.count, USERS);
    assert_int_equal(lode__ranker_popularity(&ranker, split, &error), LODE_OK);
    check_hit(&cases, &ranker, 0.1983);
    assert_int_equal(lode__ranker_item_knn(&ranker, split, 20, NULL, &error), LODE_OK);
    check_hit(&cases, &ranker, 0.3298);
    assert_int_equal(lode__ranker_item_knn(&ranker, split, 200, NULL, &error), LODE_OK);
    check_hit(&cases, &ranker, 0.2725);
    const lode_als_options als = {
        .factors = 64, .iterations = 10, .regularisation = 10, .alpha = 10, .seed = 1};
    assert_int_equal(lode__ranker_ease(&ranker, split, 200, NULL, NULL, &error), LODE_OK);
    check_hit(&cases, &ranker, 0.3955);
    assert_int_equal(lode__ranker_als(&ranker, split, &als, 50, NULL, &error), LODE_OK);
    check_hit(&cases, &ranker, 0.3955);
    lode__cases_release(&cases);
    lode__split_free(&split);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_movielens)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
