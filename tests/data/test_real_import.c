// Real sets, by naming their folders: users, items, rows and columns are as counted in their descriptions.
#include "shelf.h"

typedef struct real_set {
    const char *name;
    uint32_t users, items, catalogue;
    uint64_t rows;
    lode_time_kind time;
    const char *item_columns, *user_columns, *context;
    uint64_t parts[LODE_GIVEN_PARTS];
} real_set;

static const real_set sets[] = {
    {"amazon18-office",
     3231,
     3317,
     3459,
     22447,
     LODE_TIME_NONE,
     "title:text column_3:token ",
     "",
     "",
     {12715, 4866, 4866}},
    {"beauty-bert4rec", 40226, 54542, 54542, 353962, LODE_TIME_NONE, "", "", "", {0}},
    {"ml-100k",
     943,
     1682,
     1682,
     100000,
     LODE_TIME_REAL,
     "movie_title:text release_year:token class:token_seq ",
     "age:token gender:token occupation:token zip_code:token ",
     "",
     {0}},
    {"ml-latest-small",
     671,
     9066,
     9125,
     100004,
     LODE_TIME_REAL,
     "title:text genres:token_seq tag:token_seq ",
     "",
     "",
     {0}},
    {"ml1m-t80", 5400, 3662, 3662, 800261, LODE_TIME_ORDER, "class:token ", "", "", {0}},
    {"s3rec/Beauty.txt", 22363, 12101, 12101, 198502, LODE_TIME_NONE, "attributes:token_seq ", "", "", {0}},
    {"s3rec/Yelp.txt", 30431, 20033, 20033, 316354, LODE_TIME_NONE, "attributes:token_seq ", "", "", {0}},
    {"globo-news",
     322897,
     46033,
     46139,
     2988181,
     LODE_TIME_REAL,
     "category_id:token created_at_ts:token publisher_id:token words_count:token ",
     "",
     "click_environment:token click_deviceGroup:token click_os:token click_country:token "
     "click_region:token click_referrer_type:token ",
     {0}}};

// Sanitizers take too long for the large ones.
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define MOST_ROWS 250000
#else
#define MOST_ROWS UINT64_MAX
#endif

static const char *root(void) {
    const char *const path = getenv("LODESTONE_DATA");
    if (!path) {
        print_message("skipped: no data\n");
        skip();
    }
    return path;
}

static void expect_columns(const lode_column *columns, size_t count, const char *expected) {
    static const char *const types[] = {"token", "token_seq", "float", "float_seq", "text"};
    char text[1024] = "";
    for (size_t k = 0, at = 0; k < count; ++k)
        at += (size_t)snprintf(text + at, sizeof text - at, "%s:%s ", columns[k].name,
                               types[columns[k].type]);
    assert_string_equal(text, expected);
}

/// Values of all rows of an item column.
static uint64_t count_values(const lode_dataset *data, const char *name) {
    const lode_column *c = lode__column_find(data->item_columns, data->item_column_count, name);
    assert_non_null(c);
    return c->starts[data->items.count];
}

static lode_dataset *import_set(shelf *s, const char *name) {
    char path[512];
    lode_error error = {0};
    snprintf(path, sizeof path, "%s/%s", root(), name);
    if (lode_import(path, shelf_path(s, "out.lode"), NULL, NULL, NULL, &error) != LODE_OK)
        fail_msg("%s", error.message);
    lode_dataset *data = NULL;
    assert_int_equal(lode__dataset_open(&data, shelf_path(s, "out.lode"), false, &error), LODE_OK);
    return data;
}

static void every_set(void **state) {
    shelf *s = *state;
    for (size_t k = 0; k < sizeof sets / sizeof *sets; ++k) {
        const real_set *const set = &sets[k];
        if (set->rows > MOST_ROWS) continue;
        lode_dataset *data = import_set(s, set->name);
        assert_int_equal(data->active_users, set->users);
        assert_int_equal(data->active_items, set->items);
        assert_int_equal(data->items.count, set->catalogue);
        assert_int_equal(data->interactions, set->rows);
        assert_int_equal(data->time_kind, set->time);
        expect_columns(data->item_columns, data->item_column_count, set->item_columns);
        expect_columns(data->user_columns, data->user_column_count, set->user_columns);
        expect_columns(data->context, data->context_count, set->context);
        uint64_t parts[LODE_GIVEN_PARTS] = {0};
        for (uint64_t row = 0; data->part && row < data->interactions; ++row)
            ++parts[data->part[row]];
        assert_memory_equal(parts, set->parts, sizeof parts);
        // 3.72 and 4.84 attributes an item
        if (strstr(set->name, "Beauty.txt"))
            assert_int_equal(count_values(data, "attributes"), 45037);
        if (strstr(set->name, "Yelp.txt"))
            assert_int_equal(count_values(data, "attributes"), 97020);
        lode__dataset_free(&data);
    }
}

static void two_sets_of_one_folder(void **state) {
    shelf *s = *state;
    char path[512];
    lode_error error = {0};
    snprintf(path, sizeof path, "%s/s3rec", root());
    assert_int_equal(lode_import(path, shelf_path(s, "out.lode"), NULL, NULL, NULL, &error),
                     LODE_E_USAGE);
    assert_non_null(strstr(error.message, "found several sets: Beauty.txt, Yelp.txt"));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, shelf_make, shelf_remove)

int main(void) {
    const struct CMUnitTest tests[] = {CASE(every_set), CASE(two_sets_of_one_folder)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
