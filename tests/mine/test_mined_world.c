/// Miners on a made-up shop, against what was planted in it: items that meet in sessions complement each other far
/// above chance, items with near content or titles share their topic, and without the session signal nothing is found.
#include "../data/shelf.h"
#include "mining.h"

typedef struct world {
    lode_dataset *data;
    lode_split *split;
} world;

static void check(lode_status status, const lode_error *error) {
    if (status != LODE_OK) fail_msg("%s: %s", lode_status_name(status), error->message);
}

static void world_make(world *w, shelf *s, const char *options) {
    lode_error error = {0};
    shelf_clear(s);
    check(lode_synth(s->folder, options, NULL, NULL, &error), &error);
    check(lode_import(s->folder, shelf_path(s, "out.lode"), NULL, NULL, NULL, &error), &error);
    check(lode__dataset_open(&w->data, shelf_path(s, "out.lode"), true, &error), &error);
    check(lode__split_new(&w->split, w->data, &(lode_split_options){0}, &error), &error);
}

static void world_free(world *w) {
    lode__split_free(&w->split);
    lode__dataset_free(&w->data);
}

/// Share of the planted pairs (lines "item<TAB>complement" after a heading) that are in some item's list, and how
/// many listed pairs there are.
static double planted_share(world *w, shelf *s, const lode_mined *mined) {
    size_t length, planted = 0, found = 0;
    char *text = shelf_get(s, "shop.complements.tsv", &length);
    char *line = strchr(text, '\n');
    while (line != NULL && line[1] != 0) {
        char *const tab = strchr(++line, '\t'), *const end = strchr(line, '\n');
        assert_true(tab != NULL && end != NULL && tab < end);
        *tab = *end = 0;
        const uint32_t i = lode__token_find(&w->data->items, line);
        const uint32_t j = lode__token_find(&w->data->items, tab + 1);
        assert_true(i != LODE_CODE_NONE && j != LODE_CODE_NONE);
        bool listed = false;
        for (uint64_t at = mined->starts[i]; at < mined->starts[i + 1]; at++)
            listed = listed || mined->partners[at] == j;
        found += listed;
        planted++;
        line = end[1] != 0 ? end : NULL;
        if (line != NULL) *line = '\n';
    }
    test_free(text);
    assert_true(planted > 100);
    return (double)found / (double)planted;
}

static double share_with(shelf *s, const char *options) {
    world w;
    world_make(&w, s, options);
    mining m = {.data = w.data, .split = w.split, .sessions = {0, 1800000}};
    lode_mined *mined = mining_run(&m, "sessions", "{k: 5}");
    const double share = planted_share(&w, s, mined);
    lode__mined_free(&mined);
    world_free(&w);
    return share;
}

static void test_complements(void **state) {
    const double chance = 5.0 / 399;
    const double with = share_with(
        *state, "{users: 1500, items: 400, complements: 2, session: 10, bias: 0, seed: 3}");
    const double without = share_with(
        *state, "{users: 1500, items: 400, complements: 2, session: 0, bias: 0, seed: 3}");
    if (!(with > 20 * chance && with > 0.5)) fail_msg("found only %g of the complements", with);
    if (!(without < 3 * chance)) fail_msg("found %g where nothing was planted", without);
}

/// The topic of each item by its token, from shop.latent.tsv.
static uint32_t topic_of(const char *text, const char *token) {
    char wanted[64];
    const int length = snprintf(wanted, sizeof wanted, "\n%s\t", token);
    const char *at = strstr(text, wanted);
    assert_non_null(at);
    at = strchr(at + length, '\t'); // item, interest, topic
    assert_non_null(at);
    return (uint32_t)strtoul(at + 1, NULL, 10);
}

static void test_content(void **state) {
    world w;
    shelf *s = *state;
    size_t length, same = 0, total = 0;
    world_make(
        &w, s, "{users: 300, items: 400, topics: 20, content_dim: 16, content_noise: 0.5, seed: 3}");
    char keys[600];
    snprintf(keys, sizeof keys, "{k: 5, file: \"%s\"}", shelf_path(s, "shop.content.npy"));
    mining m = {.data = w.data, .split = w.split, .sessions = {0, 1800000}};
    lode_mined *mined = mining_run(&m, "vectors", keys);
    char *latent = shelf_get(s, "shop.latent.tsv", &length);
    for (uint32_t i = 0; i < mined->items; i++) {
        const uint32_t topic = topic_of(latent, lode__token(&w.data->items, i));
        for (uint64_t at = mined->starts[i]; at < mined->starts[i + 1]; at++) {
            same += topic_of(latent, lode__token(&w.data->items, mined->partners[at])) == topic;
            total++;
        }
    }
    test_free(latent);
    assert_true(total > 1000);
    if (same * 10 < total * 9) fail_msg("%zu of %zu neighbours share the topic", same, total);
    lode__mined_free(&mined);
    world_free(&w);
}

/// Share of the neighbours by title that share the topic, five an item.
static double title_precision(shelf *s, const char *options) {
    world w;
    size_t length, same = 0, total = 0;
    world_make(&w, s, options);
    mining m = {.data = w.data, .split = w.split, .sessions = {0, 1800000}};
    lode_mined *mined = mining_run(&m, "titles", "{k: 5}");
    char *latent = shelf_get(s, "shop.latent.tsv", &length);
    for (uint32_t i = 0; i < mined->items; i++) {
        const uint32_t topic = topic_of(latent, lode__token(&w.data->items, i));
        for (uint64_t at = mined->starts[i]; at < mined->starts[i + 1]; at++) {
            same += topic_of(latent, lode__token(&w.data->items, mined->partners[at])) == topic;
            total++;
        }
    }
    test_free(latent);
    lode__mined_free(&mined);
    world_free(&w);
    assert_true(total > 1000);
    return (double)same / (double)total;
}

// Titles tell topics; with title_noise 1 every word of a topic is of one by chance, and nothing is to be found.
static void test_titles(void **state) {
    const double chance = 1.0 / 12;
    const double with =
        title_precision(*state, "{users: 300, items: 600, topics: 12, title_noise: 0.15, seed: 3}");
    const double without =
        title_precision(*state, "{users: 300, items: 600, topics: 12, title_noise: 1, seed: 3}");
    if (!(with > 0.6)) fail_msg("only %g of the neighbours share the topic", with);
    if (!(without < 1.5 * chance && without > chance / 1.5))
        fail_msg("%g share the topic where titles tell nothing", without);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_complements),
                                       cmocka_unit_test(test_content), cmocka_unit_test(test_titles)};
    return cmocka_run_group_tests(tests, shelf_make, shelf_remove);
}
