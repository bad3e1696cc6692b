/// Vectors and taxonomy on real data sets, and the cache: it is used, it gives the same bytes, and what is
/// damaged or foreign in it is not.
#include "../data/shelf.h"
#include "mining.h"

#include <math.h>
#include <sys/stat.h>

#include "base/safetensors.h"
#include "mine/cache.h"

static const char log_text[] = "user_id:token\titem_id:token\ttimestamp:float\n"
                               "u1\ta\t1500000000\nu1\tb\t1500000060\nu1\tc\t1500000120\n"
                               "u1\td\t1500000180\nu1\ta\t1500000240\n"
                               "u2\ta\t1500000000\nu2\tb\t1500000060\nu2\td\t1500000120\n"
                               "u2\tc\t1500900000\nu2\te\t1500900060\n"; // e is only in the test
static const char item_text[] = "item_id:token\tkinds:token_seq\tbrand:token\tcontent:float_seq\n"
                                "a\tx y x\tp\t1 0\n"
                                "b\tx\tp\t2 0.1\n"
                                "c\ty z\tq\t0 1\n"
                                "d\t\tp\t\n"
                                "e\tx y z\tq\t1 0\n";

typedef struct world {
    shelf *shelf;
    lode_dataset *data;
    lode_split *split;
    mining mining;
} world;

static void world_open(world *w, void **state) {
    w->shelf = *state;
    shelf_put(w->shelf, "log.inter", log_text);
    shelf_put(w->shelf, "log.item", item_text);
    w->data = shelf_import(w->shelf, "", NULL);
    lode_error error = {0};
    const lode_split_options options = {.type = LODE_SPLIT_LEAVE_ONE_OUT};
    assert_int_equal(lode__split_new(&w->split, w->data, &options, &error), LODE_OK);
    w->mining = (mining){.data = w->data, .split = w->split, .sessions = {0, 1800000}};
}

static void world_close(world *w) {
    lode__split_free(&w->split);
    lode__dataset_free(&w->data);
    shelf_clear(w->shelf);
}

static uint32_t item(const world *w, const char *token) {
    const uint32_t found = lode__token_find(&w->data->items, token);
    assert_true(found != LODE_CODE_NONE);
    return found;
}

/// "b c": the tokens of an item's list.
static void expect_partners(const world *w, const lode_mined *mined, const char *token,
                            const char *wanted) {
    char text[128] = "";
    size_t at = 0;
    const uint32_t i = item(w, token);
    for (uint64_t k = mined->starts[i]; k < mined->starts[i + 1]; k++)
        at += (size_t)snprintf(text + at, sizeof text - at, "%s%s", at > 0 ? " " : "",
                               lode__token(&w->data->items, mined->partners[k]));
    assert_string_equal(text, wanted);
}

static void test_vectors(void **state) {
    world w;
    world_open(&w, state);
    lode_mined *mined = mining_run(&w.mining, "vectors", "{}");
    expect_partners(&w, mined, "a", "b c"); // d has no vector, e no training click
    expect_partners(&w, mined, "c", "b a");
    expect_partners(&w, mined, "d", "");
    assert_true(fabs((double)mined->similarity[mined->starts[item(&w, "a")]] - 2 / sqrt(4.01)) < 1e-6);
    assert_true(lode__mined_related(mined, item(&w, "a"), item(&w, "b")));
    assert_false(lode__mined_related(mined, item(&w, "a"), item(&w, "d")));
    lode__mined_free(&mined);
    mined = mining_run(&w.mining, "vectors", "{k: 1, similarity: dot, items: catalogue}");
    expect_partners(&w, mined, "a", "b"); // 2 against e's 1
    expect_partners(&w, mined, "e", "b");
    assert_true(lode__mined_related(mined, item(&w, "b"), item(&w, "e"))); // through e's list
    lode__mined_free(&mined);
    mining_refuse(&w.mining, "vectors", "{column: contents}", "there are: content");
    mining_refuse(&w.mining, "vectors", "{k: 0}", "1 to 10000");
    mining_refuse(&w.mining, "vectors", "{similarity: l2}", "cosine | dot");
    mining_refuse(&w.mining, "vectors", "{items: all}", "train | catalogue");
    mining_refuse(&w.mining, "vectors", "{column: content, file: x.npy}", "not from both");
    mining_refuse(&w.mining, "vectors", "{file: /nowhere/x.npy}", "/nowhere/x.npy");
    world_close(&w);
}

static void put_npy(shelf *s, const char *name, const float *data, uint64_t rows, uint64_t columns) {
    lode_npy_writer writer;
    lode_error error = {0};
    assert_int_equal(lode__npy_begin(&writer, shelf_path(s, name), rows, columns, &error), LODE_OK);
    assert_int_equal(lode__npy_add(&writer, data, rows, &error), LODE_OK);
    assert_int_equal(lode__npy_commit(&writer, &error), LODE_OK);
}

static void test_vectors_file(void **state) {
    world w;
    world_open(&w, state);
    char keys[600];
    float data[] = {0,    1, 9, 9,
                    0.1f, 1, 1, 0}; // rows of c, of an item that is not there, of d and a
    put_npy(w.shelf, "x.npy", data, 4, 2);
    shelf_put(w.shelf, "x.ids", "c\nnobody\nd\na\n");
    snprintf(keys, sizeof keys, "{file: \"%s\"}", shelf_path(w.shelf, "x.npy"));
    lode_mined *mined = mining_run(&w.mining, "vectors", keys);
    assert_non_null(strstr(w.mining.notice, "1 of 4 vectors"));
    expect_partners(&w, mined, "a", "d c");
    expect_partners(&w, mined, "b", "");
    lode__mined_free(&mined);
    shelf_put(w.shelf, "x.ids", "c\nnobody\nd\na\nb\n");
    mining_refuse(&w.mining, "vectors", keys, "more ids");
    shelf_put(w.shelf, "x.ids", "c\nnobody\nd");
    mining_refuse(&w.mining, "vectors", keys, "fewer ids");
    shelf_put(w.shelf, "x.ids", "c\nc\nd\na\n");
    mining_refuse(&w.mining, "vectors", keys, "c comes twice");
    shelf_put(w.shelf, "x.ids", "c\nnobody\nd\na\n");
    data[5] = (float)NAN;
    put_npy(w.shelf, "x.npy", data, 4, 2);
    mining_refuse(&w.mining, "vectors", keys, "row 3 (d)");
    shelf_put(w.shelf, "x.npy", "\x93NUMPY\x01");
    mining_refuse(&w.mining, "vectors", keys, "expected a .npy");
    unlink(shelf_path(w.shelf, "x.ids"));
    mining_refuse(&w.mining, "vectors", keys, "x.ids");
    world_close(&w);
}

// Vectors that point nowhere, that are too long for float, that nobody knows; k above what there is.
static void test_vectors_odd(void **state) {
    world w;
    world_open(&w, state);
    char keys[3][600];
    static const char *const how[] = {"k: 10000", "similarity: dot", "k: 3, search: approximate"};
    float data[] = {0, 0, 1, 0, 1, 1, 3e38f, 3e38f};
    for (int k = 0; k < 3; k++)
        snprintf(keys[k], sizeof keys[k], "{file: \"%s\", %s}", shelf_path(w.shelf, "x.npy"), how[k]);
    put_npy(w.shelf, "x.npy", data, 4, 2);
    shelf_put(w.shelf, "x.ids", "a\nb\nc\nd\n");
    lode_mined *mined = mining_run(&w.mining, "vectors", keys[0]);
    expect_partners(&w, mined, "a", ""); // a vector of length 0 is near to none
    expect_partners(&w, mined, "b", "c d");
    expect_partners(&w, mined, "c", "d b"); // long vectors keep their direction
    lode__mined_free(&mined);
    mined = mining_run(&w.mining, "vectors", keys[2]);
    expect_partners(&w, mined, "c", "d b");
    expect_partners(&w, mined, "a", "");
    lode__mined_free(&mined);
    mined = mining_run(&w.mining, "vectors", keys[1]);
    expect_partners(&w, mined, "a", "b c d"); // as products all are 0
    expect_partners(&w, mined, "c", "b a");   // and that with d overflows
    lode__mined_free(&mined);
    shelf_put(w.shelf, "x.ids", "v\nw\nx\ny\n");
    mining_refuse(&w.mining, "vectors", keys[0], "none of the 4 ids");
    shelf_put(w.shelf, "x.ids", "");
    mining_refuse(&w.mining, "vectors", keys[0], "fewer ids");
    shelf_put(w.shelf, "x.ids", "a\nb\nc\nd\n");
    data[3] = -INFINITY;
    put_npy(w.shelf, "x.npy", data, 4, 2);
    mining_refuse(&w.mining, "vectors", keys[0], "row 2 (b) holds a number that is not finite");
    put_npy(w.shelf, "x.npy", data, 4, 0);
    mining_refuse(&w.mining, "vectors", keys[0], "no columns");
    mining_refuse(&w.mining, "vectors", "{search: quick}", "exact | approximate");
    world_close(&w);
    shelf_put(w.shelf, "log.inter", log_text);
    shelf_put(w.shelf, "log.item", "item_id:token\tcontent:float_seq\na\t1 0\nb\t2 1 3\nc\t\n");
    w.data = shelf_import(w.shelf, "", NULL);
    lode_error error = {0};
    const lode_split_options options = {.type = LODE_SPLIT_LEAVE_ONE_OUT};
    assert_int_equal(lode__split_new(&w.split, w.data, &options, &error), LODE_OK);
    w.mining = (mining){.data = w.data, .split = w.split, .sessions = {0, 1800000}};
    mining_refuse(&w.mining, "vectors", "{}", "item b has 3 numbers, items before it 2");
    world_close(&w);
}

static void expect_group(const world *w, const lode_mined *mined, const char *token,
                         const char *wanted) {
    char text[128] = "";
    size_t at = 0;
    const lode_column *kinds =
        lode__column_find(w->data->item_columns, w->data->item_column_count, "kinds");
    for (uint32_t g = 0; g < kinds->tokens.count; g++) {
        if (strcmp(lode__token(&kinds->tokens, g), token) != 0) continue;
        for (uint64_t k = mined->group_starts[g]; k < mined->group_starts[g + 1]; k++)
            at += (size_t)snprintf(text + at, sizeof text - at, "%s%s", at > 0 ? " " : "",
                                   lode__token(&w->data->items, mined->members[k]));
    }
    assert_string_equal(text, wanted);
}

static void test_taxonomy(void **state) {
    world w;
    world_open(&w, state);
    mining_refuse(&w.mining, "taxonomy", "{}", "kinds, brand");
    mining_refuse(&w.mining, "taxonomy", "{column: kind}", "did you mean \"kinds\"?");
    mining_refuse(&w.mining, "taxonomy", "{column: kinds, largest: -1}", "0 to");
    lode_mined *mined = mining_run(&w.mining, "taxonomy", "{column: kinds}");
    expect_group(&w, mined, "x", "a b"); // e has no training click; a's x comes once
    expect_group(&w, mined, "y", "a c");
    expect_group(&w, mined, "z", ""); // one item is no group
    lode_random random = lode__random(3, LODE_PURPOSE_USER, 0, 0);
    size_t seen[5] = {0};
    for (int k = 0; k < 4000; k++)
        seen[lode__mined_draw(mined, item(&w, "a"), LODE_DRAW_UNIFORM, &random)]++;
    assert_true(seen[item(&w, "b")] > 1800 && seen[item(&w, "c")] > 1800);
    assert_int_equal(lode__mined_draw(mined, item(&w, "d"), LODE_DRAW_UNIFORM, &random),
                     LODE_NO_ITEM);
    assert_true(lode__mined_related(mined, item(&w, "c"), item(&w, "a")));
    assert_false(lode__mined_related(mined, item(&w, "c"), item(&w, "b")));
    lode__mined_free(&mined);
    mined = mining_run(&w.mining, "taxonomy", "{column: kinds, items: catalogue, largest: 2}");
    expect_group(&w, mined, "x", ""); // three items
    expect_group(&w, mined, "z", "c e");
    lode__mined_free(&mined);
    mined = mining_run(&w.mining, "taxonomy", "{column: brand, items: catalogue}");
    memset(seen, 0, sizeof seen);
    for (int k = 0; k < 3000; k++)
        seen[lode__mined_draw(mined, item(&w, "b"), LODE_DRAW_WEIGHTED, &random)]++;
    assert_true(seen[item(&w, "a")] > 1300 && seen[item(&w, "d")] > 1300);
    assert_int_equal(seen[item(&w, "b")] + seen[item(&w, "c")] + seen[item(&w, "e")], 0);
    lode__mined_free(&mined);
    world_close(&w);
}

/// The only file of the cache.
static void cache_file(const world *w, char path[1024]) {
    char folder[512];
    snprintf(folder, sizeof folder, "%s.cache", w->data->file.path);
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    path[0] = 0;
    for (const struct dirent *e; (e = readdir(dir));) {
        if (e->d_name[0] == '.') continue;
        assert_int_equal(path[0], 0);
        snprintf(path, 1024, "%s/%s", folder, e->d_name);
    }
    closedir(dir);
    assert_true(path[0] != 0);
}

static void cache_remove(const world *w) {
    char path[1024];
    cache_file(w, path);
    assert_int_equal(unlink(path), 0);
    snprintf(path, sizeof path, "%s.cache", w->data->file.path);
    assert_int_equal(rmdir(path), 0);
}

static void test_cache(void **state) {
    static const char *const runs[][2] = {{"sessions", "{}"},
                                          {"sessions", "{membership: 8, k: 3}"},
                                          {"vectors", "{}"},
                                          {"taxonomy", "{column: kinds}"}};
    world w;
    world_open(&w, state);
    w.mining.cache = "auto";
    for (size_t k = 0; k < sizeof runs / sizeof *runs; k++) {
        lode_mined *fresh = mining_run(&w.mining, runs[k][0], runs[k][1]);
        assert_true(!fresh->cached && fresh->stored);
        assert_true((fresh->filter != NULL) == (k == 1));
        lode_mined *cached = mining_run(&w.mining, runs[k][0], runs[k][1]);
        assert_true(cached->cached);
        expect_same(fresh, cached);
        lode__mined_free(&fresh);
        lode__mined_free(&cached);
        cache_remove(&w);
    }
    world_close(&w);
}

// Other keys, another split, another notion of a session and another data set do not find what is there.
static void test_cache_keys(void **state) {
    world w;
    world_open(&w, state);
    char folder[512];
    snprintf(folder, sizeof folder, "%s/kept", w.shelf->folder);
    w.mining.cache = folder;
    lode_mined *mined;
    for (int k = 0; k < 5; k++) {
        if (k == 2) w.mining.sessions.gap = 1000;
        if (k == 3) lode__split_refit(w.split);
        if (k == 4) w.data->fingerprint++;
        mined = mining_run(&w.mining, "sessions", k == 1 ? "{window: 30m}" : "{}");
        assert_false(mined->cached);
        assert_true(mined->stored);
        lode__mined_free(&mined);
    }
    mined = mining_run(&w.mining, "sessions", "{}");
    assert_true(mined->cached);
    lode__mined_free(&mined);
    DIR *dir = opendir(folder);
    size_t files = 0;
    for (const struct dirent *e; (e = readdir(dir));) {
        if (e->d_name[0] == '.') continue;
        char path[1024];
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        assert_int_equal(unlink(path), 0);
        files++;
    }
    closedir(dir);
    assert_int_equal(files, 5);
    assert_int_equal(rmdir(folder), 0);
    world_close(&w);
}

static void test_cache_damaged(void **state) {
    world w;
    world_open(&w, state);
    char path[1024];
    w.mining.cache = "auto";
    lode_mined *fresh = mining_run(&w.mining, "sessions", "{}"), *again;
    cache_file(&w, path);
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    fseek(file, -3, SEEK_END);
    fputc('!', file);
    fclose(file);
    again = mining_run(&w.mining, "sessions", "{}");
    assert_non_null(strstr(w.mining.notice, "mining again"));
    assert_false(again->cached);
    expect_same(fresh, again);
    lode__mined_free(&again);
    again = mining_run(&w.mining, "sessions", "{}"); // it was put right
    assert_true(again->cached);
    // good, but of something else: as if another key had the same hash
    lode_error error = {0};
    assert_int_equal(lode__mined_write(again, path, "another key", &error), LODE_OK);
    lode__mined_free(&again);
    again = mining_run(&w.mining, "sessions", "{}");
    assert_false(again->cached);
    assert_non_null(strstr(w.mining.notice, "something else"));
    lode__mined_free(&again);
    assert_int_equal(truncate(path, 100), 0);
    again = mining_run(&w.mining, "sessions", "{}");
    assert_false(again->cached);
    lode__mined_free(&again);
    lode__mined_free(&fresh);
    cache_remove(&w);
    shelf_put(w.shelf, "file", "");
    char under[600];
    snprintf(under, sizeof under, "%s/below", shelf_path(w.shelf, "file"));
    w.mining.cache = under; // no folder can be made there
    again = mining_run(&w.mining, "sessions", "{}");
    assert_false(again->stored);
    assert_non_null(strstr(w.mining.notice, "not kept"));
    lode__mined_free(&again);
    world_close(&w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),      cmocka_unit_test(test_vectors_file),
        cmocka_unit_test(test_vectors_odd),  cmocka_unit_test(test_taxonomy),
        cmocka_unit_test(test_cache),        cmocka_unit_test(test_cache_keys),
        cmocka_unit_test(test_cache_damaged)};
    return cmocka_run_group_tests(tests, shelf_make, shelf_remove);
}
