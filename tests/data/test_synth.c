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
    assert_true(data->interactions > 500 * 50 && data->interactions < 500 * 70);
    assert_int_equal(data->time_kind, LODE_TIME_REAL);
    assert_non_null(data->session);
    assert_non_null(lode__title_column(data));
    assert_int_equal(data->user_column_count, 3);
    assert_int_equal(data->item_column_count, 5);
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

/// A file of the folder after another synth.
static char *made(shelf *s, const char *options, const char *name, size_t *length) {
    lode_error error = {0};
    shelf_clear(s);
    if (lode_synth(s->folder, options, NULL, NULL, &error) != LODE_OK)
        fail_msg("%s", error.message);
    return shelf_get(s, name, length);
}

static void same_bytes_at_any_thread_count(void **state) {
    static const char *const names[] = {"shop.inter", "shop.truth.tsv", "shop.item"};
    static const char *const threads[] = {"{users: 1500, threads: 1}", "{users: 1500, threads: 2}",
                                          "{users: 1500, threads: 5}"};
    shelf *s = *state;
    for (size_t n = 0; n < 3; ++n) {
        size_t length, other_length;
        char *const first = made(s, threads[0], names[n], &length);
        for (size_t k = 1; k < 3; ++k) {
            char *const other = made(s, threads[k], names[n], &other_length);
            assert_int_equal(length, other_length);
            assert_memory_equal(first, other, length);
            test_free(other);
        }
        test_free(first);
    }
}

/// Users 1 to 300 of a shop of 1,500 users are the shop of 300 users.
static void users_do_not_depend_on_their_number(void **state) {
    static const char *const names[] = {"shop.inter", "shop.truth.tsv", "shop.user"};
    shelf *s = *state;
    for (size_t n = 0; n < 3; ++n) {
        size_t few_length, many_length;
        char *const few = made(s, "{users: 300}", names[n], &few_length);
        char *const many = made(s, "{users: 1500}", names[n], &many_length);
        assert_true(many_length > 4 * few_length);
        assert_memory_equal(few, many, few_length);
        test_free(few);
        test_free(many);
    }
}

/// What users are does not depend on how they are shown items: one key moves one thing.
static void streams_are_apart(void **state) {
    shelf *s = *state;
    size_t length, other_length;
    char *const users = made(s, "{users: 200}", "shop.user", &length);
    char *const other =
        made(s, "{users: 200, bias: 0, session: 0, exposures: 0}", "shop.user", &other_length);
    assert_int_equal(length, other_length);
    assert_memory_equal(users, other, length);
    test_free(users);
    test_free(other);
    char *const latent = made(s, "{feature_noise: 0}", "shop.complements.tsv", &length);
    assert_true(length > 1000 * 8);
    test_free(latent);
}

/// A list of values a line: NAME (of `columns`) TAB NUMBER TAB ...
static size_t count_lines(const char *text, const char *piece) {
    size_t count = 0;
    for (const char *at = text; (at = strstr(at, piece)); ++at)
        ++count;
    return count;
}

static void exposures_as_asked(void **state) {
    shelf *s = *state;
    size_t length;
    char *none = made(s, "{users: 100, exposures: 0}", "shop.inter", &length);
    assert_null(strstr(none, "behaviour"));
    assert_null(strstr(none, "exposure"));
    test_free(none);
    char *three = made(s, "{users: 100, exposures: 3}", "shop.inter", &length);
    const size_t clicks = count_lines(three, "\tclick\n"),
                 shown = count_lines(three, "\texposure\n");
    assert_true(clicks > 100 * 20);
    if (!(shown <= 3 * clicks && shown > 2.9 * (double)clicks))
        fail_msg("%zu exposures for %zu clicks", shown, clicks);
    test_free(three);
}

static void content_as_a_column(void **state) {
    shelf *s = *state;
    lode_dataset *data = make_shop(s, "{users: 50, items: 60, content: column, content_dim: 5}");
    const lode_column *content =
        lode__column_find(data->item_columns, data->item_column_count, "content");
    assert_non_null(content);
    assert_int_equal(content->type, LODE_COLUMN_FLOATS);
    assert_int_equal(content->starts[data->items.count], 5 * (uint64_t)data->items.count);
    lode__dataset_free(&data);
    size_t length;
    char *vectors = made(s, "{users: 5, items: 60, content_dim: 5}", "shop.content.npy", &length);
    assert_int_equal(length, 128 + 60 * 5 * 4);
    assert_memory_equal(vectors, "\x93NUMPY\x01\0\x76\0{", 11);
    assert_non_null(strstr(vectors + 10, "'shape': (60, 5)"));
    assert_int_equal(vectors[127], '\n');
    test_free(vectors);
}

static void refused(shelf *s, const char *options, lode_status status, const char *piece) {
    lode_error error = {0};
    char *report = NULL;
    const lode_status found = lode_synth(s->folder, options, NULL, &report, &error);
    if (found != status || !strstr(error.message, piece))
        fail_msg("%s: expected '%s', found %s: %s", options, piece, lode_status_name(found),
                 error.message);
    assert_null(report);
    assert_int_equal(shelf_count(s), 0);
}

static void bad_options(void **state) {
    shelf *s = *state;
    lode_error error = {0};
    refused(s, "users: 0", LODE_E_CONFIG, "users");
    refused(s, "user_s: 5", LODE_E_CONFIG, "user_s");
    refused(s, "items: 0", LODE_E_CONFIG, "items");
    refused(s, "items: -3", LODE_E_CONFIG, "items");
    refused(s, "{items: 10, interests: 11}", LODE_E_CONFIG, "interests: found 11 for 10 items");
    refused(s, "{items: 10, interests: 3, topics: 12}", LODE_E_CONFIG, "topics: found 12");
    refused(s, "{items: 3, interests: 1, topics: 1, truth: 1, complements: 3}", LODE_E_CONFIG,
            "complements: found 3");
    refused(s, "{items: 9, interests: 1, topics: 1}", LODE_E_CONFIG, "truth: found 10 for 9 items");
    refused(s, "{noise: 0, interest: 0, topic: 0}", LODE_E_CONFIG, "all 0");
    refused(s, "interest: -1", LODE_E_CONFIG, "interest");
    refused(s, "feature_noise: 1.5", LODE_E_CONFIG, "feature_noise");
    refused(s, "exposures: 51", LODE_E_CONFIG, "exposures");
    refused(s, "content: text", LODE_E_CONFIG, "npy");
    refused(s, "tables: elsewhere", LODE_E_USAGE, "standard output");
    assert_int_equal(lode_synth("", NULL, NULL, NULL, &error), LODE_E_USAGE);
    assert_int_equal(lode_synth("/dev/null/x", NULL, NULL, NULL, &error), LODE_E_EXISTS);
    assert_int_equal(lode_synth("/dev/full", NULL, NULL, NULL, &error), LODE_E_SYSTEM);
    assert_non_null(strstr(error.message, "No space left"));
}

/// The smallest shops that are allowed end well.
static void tiny_shops(void **state) {
    static const char *const options[] = {
        "{users: 1, items: 2, interests: 1, topics: 1, truth: 2, complements: 1}",
        "{users: 3, items: 2, interests: 2, topics: 2, truth: 0, complements: 0, clicks_mean: 5}",
        "{users: 40, items: 30, interests: 30, topics: 30, noise: 0, session_mean: 1}",
        "{users: 40, items: 30, relevance: 100, bias: 10, zipf: 3, exposures: 50, content_dim: 0}",
        "{users: 40, items: 30, noise: 0, interest: 0, session: 1000000, clicks_mean: 1000}"};
    shelf *s = *state;
    for (size_t k = 0; k < sizeof options / sizeof *options; ++k) {
        lode_dataset *data = make_shop(s, options[k]);
        assert_true(data->interactions >= 5);
        lode__dataset_free(&data);
    }
}

static int stop_late(void *cookie, const lode_progress *progress) {
    ++*(int *)cookie;
    return progress->done > 1000;
}

/// A run that is stopped leaves the folder as it was.
static void stopped(void **state) {
    shelf *s = *state;
    size_t length, again_length;
    char *before = made(s, "{users: 100}", "shop.user", &length);
    const size_t files = shelf_count(s);
    int calls = 0;
    lode_error error = {0};
    const lode_hooks hooks = {.cookie = &calls, .progress = stop_late};
    assert_int_equal(lode_synth(s->folder, "{users: 5000, seed: 2}", &hooks, NULL, &error),
                     LODE_E_STOPPED);
    assert_true(calls >= 2);
    assert_int_equal(shelf_count(s), files);
    char *again = shelf_get(s, "shop.user", &again_length);
    assert_int_equal(length, again_length);
    assert_memory_equal(before, again, length);
    test_free(before);
    test_free(again);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, shelf_make, shelf_remove)

int main(void) {
    const struct CMUnitTest tests[] = {CASE(whole_and_seeded),
                                       CASE(same_bytes_at_any_thread_count),
                                       CASE(users_do_not_depend_on_their_number),
                                       CASE(streams_are_apart),
                                       CASE(exposures_as_asked),
                                       CASE(content_as_a_column),
                                       CASE(bad_options),
                                       CASE(tiny_shops),
                                       CASE(stopped)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
