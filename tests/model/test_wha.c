/// The wha tower alone: gradients of the whole of it in double, what each ablation must and must not change, buckets of
/// ages by hand, and moments of a log.
#include <math.h>

#include "model/click_ages.h"
#include "tower_case.h"

enum { EDGES = 3 };
static const size_t lengths[LISTS] = {3, 0, LONGEST, 1};

typedef struct wha_options {
    const char *yaml; ///< of the tower
} wha_options;

/// Every third click has no age.
static void fill_ages(gradcheck *check) {
    lode_tower_inputs *inputs = &parts.inputs;
    const size_t count = inputs->history->positions->size;
    size_t known[LISTS + LONGEST + 4];
    for (size_t at = 0; at < count; at++)
        known[at] = at % 3 != 2;
    inputs->aged = gradcheck_lists(check, inputs->history->positions, "ages", known);
    inputs->ages = gradcheck_index(check, inputs->aged->positions, 1, EDGES + 1);
}

static void fill_inputs(gradcheck *check) {
    lode_tower_inputs *inputs = &parts.inputs;
    tower_lists(check, lengths, false);
    inputs->from_oldest = gradcheck_index(check, inputs->history->positions, 1, 1);
    for (size_t list = 0; list < LISTS; list++) {
        const int32_t *offsets = inputs->history->offsets;
        for (int32_t at = offsets[list]; at < offsets[list + 1]; at++)
            inputs->from_oldest->data[at] = offsets[list + 1] - 1 - at;
    }
    fill_ages(check);
}

static void build(gradcheck *check, const void *context) {
    const wha_options *options = context;
    tower_declare(check, options->yaml);
    fill_inputs(check);
    tower_apply(check);
    gradcheck_sum(check, parts.outputs.vector);
}

#define CASE(text, keys)                                                                           \
    {                                                                                              \
        .name = "wha, " text, .build = build, .deep = 4, .options = &(const wha_options) {         \
            "{tower: wha, feed_forward: 7, time_buckets: [5, 10, 60], " keys "}"                   \
        }                                                                                          \
    }

enum { PLAIN_WHA, MEAN, CONCAT, FORWARD, NO_POSITION, PLAIN_VALUES, BARE };
static const gradcase cases[] = {
    CASE("four heads", "heads: 4"),
    CASE("mean", "merge: mean, heads: 3, activation: relu"),
    CASE("concat, two layers", "merge: concat, heads: 2, layers: [5, 4]"),
    CASE("forward", "position: forward, heads: 4"),
    CASE("no position", "position: none, heads: 4"),
    CASE("plain values", "values: plain, heads: 4"),
    {.name = "wha, no position and no time",
     .build = build,
     .deep = 4,
     .options =
         &(const wha_options){
             "{tower: wha, feed_forward: 7, time_buckets: [], position: none, heads: 4}"}},
};

static void vectors(const gradcheck *check, double out[LISTS][DIM]) {
    lode__graph_forward(check->graph);
    for (size_t list = 0; list < LISTS; list++) {
        for (size_t c = 0; c < parts.outputs.vector->columns; c++)
            out[list][c] = lode__tensor_get(check->graph, parts.outputs.vector, list, c);
    }
}

/// The greatest change of list 2's vector when its first two clicks change places.
static double change_by_order(size_t number) {
    gradcheck check;
    double before[LISTS][DIM] = {{0}}, after[LISTS][DIM] = {{0}}, most = 0;
    gradcheck_open(&check, &cases[number], LODE_F64, NULL, true);
    int32_t *clicks = parts.inputs.clicks->data + parts.inputs.history->offsets[2];
    clicks[0] = 2;
    clicks[1] = 5;
    vectors(&check, before);
    clicks[0] = 5;
    clicks[1] = 2;
    vectors(&check, after);
    for (size_t c = 0; c < DIM; c++)
        most = fmax(most, fabs(before[2][c] - after[2][c]));
    gradcheck_close(&check);
    return most;
}

static void test_order(void **state) {
    (void)state;
    assert_true(change_by_order(BARE) < 1e-14);
    const size_t ordered[] = {PLAIN_WHA, MEAN, CONCAT, FORWARD, NO_POSITION, PLAIN_VALUES};
    for (size_t i = 0; i < sizeof ordered / sizeof *ordered; i++)
        assert_true(change_by_order(ordered[i]) > 1e-6);
}

/// The ablations differ from each other on the same weights, and a user without clicks has zeros.
static void test_ablations(void **state) {
    (void)state;
    const size_t same_weights[] = {PLAIN_WHA, FORWARD, NO_POSITION, PLAIN_VALUES, BARE};
    enum { MANY = sizeof same_weights / sizeof *same_weights };
    double found[MANY][LISTS][DIM] = {{{0}}};
    for (size_t i = 0; i < MANY; i++) {
        gradcheck check;
        gradcheck_open(&check, &cases[same_weights[i]], LODE_F64, NULL, true);
        vectors(&check, found[i]);
        gradcheck_close(&check);
        for (size_t c = 0; c < DIM; c++)
            assert_true(found[i][1][c] == 0.0);
        for (size_t j = 0; j < i; j++)
            assert_memory_not_equal(found[i][2], found[j][2], sizeof found[i][2]);
    }
}

static void test_buckets(void **state) {
    (void)state;
    int64_t minutes[] = {5, 10, 60};
    const lode_ints edges = {minutes, 3};
    static const struct {
        int64_t age;
        size_t bucket;
    } list[] = {{0, 0},      {299999, 0},  {300000, 1},  {599999, 1},
                {600000, 2}, {3599999, 2}, {3600000, 3}, {INT64_MAX, 3}};
    for (size_t i = 0; i < sizeof list / sizeof *list; i++)
        assert_int_equal(lode__age_bucket(edges, list[i].age), list[i].bucket);
    assert_int_equal(lode__age_between(1000, 400), 600);
    assert_int_equal(lode__age_between(400, 1000), 0);
    assert_true(lode__age_between(INT64_MAX, INT64_MIN) == INT64_MAX);
    lode_error error = {0};
    minutes[2] = 10;
    assert_int_equal(lode__age_edges_check(edges, "key", &error), LODE_E_CONFIG);
    assert_string_equal(error.message, "key must rise: 10 stands after 10");
}

/// Clicks at 100, 200, 400, 1000 ms, of which the second is of an unknown item.
static void test_moments(void **state) {
    (void)state;
    static const uint64_t offsets[] = {0, 4};
    static const uint32_t item[] = {0, 1, 0, 0};
    static int64_t time[] = {100, 200, 400, 1000};
    uint32_t item_row[] = {1, 0};
    lode_dataset data = {.time_kind = LODE_TIME_REAL};
    const lode_binding binding = {.data = &data, .item_row = item_row};
    const lode_log log = {.users = 1, .items = 2, .offsets = offsets, .item = item, .time = time};
    const lode_state states[] = {{0, 3}, {0, 4}, {0, 0}};
    lode_log_source source = {.binding = &binding, .log = &log, .states = states};
    int64_t ages[4];
    const int64_t unknown = LODE_MOMENT_UNKNOWN;
    // the moment is that of the click to be found
    assert_int_equal(lode__log_ages(&source, 0, unknown, 4, ages), 2);
    assert_true(ages[0] == 600 && ages[1] == 900);
    assert_int_equal(lode__log_ages(&source, 0, unknown, 1, ages), 1);
    // after all clicks: the newest one's, or the request's own
    assert_int_equal(lode__log_ages(&source, 1, unknown, 4, ages), 3);
    assert_true(ages[0] == 0 && ages[1] == 600 && ages[2] == 900);
    assert_int_equal(lode__log_ages(&source, 1, 1500, 4, ages), 3);
    assert_true(ages[0] == 500 && ages[2] == 1400);
    assert_int_equal(lode__log_ages(&source, 2, unknown, 4, ages), 0);
    // truth from elsewhere: what comes next is not looked at
    source.no_context = true;
    time[3] = 5000;
    assert_int_equal(lode__log_ages(&source, 0, unknown, 4, ages), 2);
    assert_true(ages[0] == 0 && ages[1] == 300);
    data.time_kind = LODE_TIME_ORDER;
    assert_int_equal(lode__log_ages(&source, 0, unknown, 4, ages), 2);
    assert_true(ages[0] == LODE_AGE_UNKNOWN && ages[1] == LODE_AGE_UNKNOWN);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_order), cmocka_unit_test(test_ablations),
                                       cmocka_unit_test(test_buckets),
                                       cmocka_unit_test(test_moments)};
    const int failed = gradcheck_main("wha", cases, sizeof cases / sizeof *cases);
    const int own = cmocka_run_group_tests(tests, NULL, NULL);
    lode__arena_release(&parts.arena);
    return failed + own;
}
