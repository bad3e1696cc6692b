#include "shelf.h"

#include <math.h>

static lode_dataset *make_shop(shelf *s, const char *options) {
    lode_error error = {0};
    shelf_clear(s);
    if (lode_synth(s->folder, options, NULL, NULL, &error) != LODE_OK)
        fail_msg("%s", error.message);
    return shelf_import(s, "", NULL);
}

static void whole_and_seeded(void **state) {
    shelf *s = *state;
    lode_dataset *data = make_shop(s, "{users: 500, items: 300}");
    assert_int_equal(data->active_users, 500);
    assert_int_equal(data->items.count, 300);
    assert_true(data->interactions > 500 * 25 && data->interactions < 500 * 35);
    assert_int_equal(data->time_kind, LODE_TIME_REAL);
    assert_non_null(data->session);
    assert_non_null(lode__title_column(data));
    assert_int_equal(data->user_column_count, 2);
    assert_int_equal(data->item_column_count, 4);
    for (uint32_t u = 0; u < data->users.count; ++u)
        assert_true(data->offsets[u + 1] - data->offsets[u] >= 5);
    const uint64_t fingerprint = data->fingerprint;
    lode__dataset_free(&data);
    data = make_shop(s, "{users: 500, items: 300, seed: 1}");
    assert_true(data->fingerprint == fingerprint);
    lode__dataset_free(&data);
    data = make_shop(s, "{users: 500, items: 300, seed: 2}");
    assert_true(data->fingerprint != fingerprint);
    lode__dataset_free(&data);
}

/// Share of neighbouring clicks of a user whose items have the same category.
static double same_category(const lode_dataset *data) {
    const lode_column *category =
        lode__column_find(data->item_columns, data->item_column_count, "category");
    uint64_t same = 0, pairs = 0;
    for (uint32_t u = 0; u < data->users.count; ++u)
        for (uint64_t k = data->offsets[u] + 1; k < data->offsets[u + 1]; ++k, ++pairs)
            same += category->codes[data->item[k]] == category->codes[data->item[k - 1]];
    return (double)same / (double)pairs;
}

static void strength_plants_structure(void **state) {
    shelf *s = *state;
    lode_dataset *data = make_shop(s, "{strength: 0}");
    const double without = same_category(data);
    lode__dataset_free(&data);
    data = make_shop(s, NULL);
    const double with = same_category(data);
    lode__dataset_free(&data);
    if (!(without < 0.15)) fail_msg("strength 0: %g", without);
    if (!(with > 0.35)) fail_msg("strength 1: %g", with);
}

static void bad_options(void **state) {
    shelf *s = *state;
    lode_error error = {0};
    assert_int_equal(lode_synth(s->folder, "users: 0", NULL, NULL, &error), LODE_E_CONFIG);
    assert_int_equal(lode_synth(s->folder, "user: 5", NULL, NULL, &error), LODE_E_CONFIG);
    assert_int_equal(lode_synth("", NULL, NULL, NULL, &error), LODE_E_USAGE);
    assert_int_equal(shelf_count(s), 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, shelf_make, shelf_remove)

int main(void) {
    const struct CMUnitTest tests[] = {CASE(whole_and_seeded), CASE(strength_plants_structure),
                                       CASE(bad_options)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
