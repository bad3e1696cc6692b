/// Miner `vectors` against brute force, and what its files, columns and cache may hold; that mining stops when it is asked.
#include "../data/shelf.h"
#include "../races.h"
#include "mining.h"

#include <math.h>
#include <sys/stat.h>

#include "base/safetensors.h"

static const char log_text[] = "user_id:token\titem_id:token\ttimestamp:float\n"
                               "u1\ta\t1500000000\nu1\tb\t1500000060\nu1\tc\t1500000120\n"
                               "u1\td\t1500000180\nu1\te\t1500000240\n";
static const char item_text[] = "item_id:token\tcontent:float_seq\tbrand:token\n"
                                "a\t1 0\tp\nb\t-1 0\t\nc\t\tp\nd\t1 1\t\ne\t0 2\tq\n";

typedef struct world {
    shelf *shelf;
    lode_dataset *data;
    lode_split *split;
    mining mining;
} world;

static void world_open(world *w, void **state, const char *log, const char *items) {
    w->shelf = *state;
    shelf_clear(w->shelf);
    shelf_put(w->shelf, "log.inter", log);
    shelf_put(w->shelf, "log.item", items);
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

static void put_npy(shelf *s, const char *name, const float *data, uint64_t rows, uint64_t columns) {
    lode_npy_writer writer;
    lode_error error = {0};
    assert_int_equal(lode__npy_begin(&writer, shelf_path(s, name), rows, columns, &error), LODE_OK);
    if (rows > 0) assert_int_equal(lode__npy_add(&writer, data, rows, &error), LODE_OK);
    assert_int_equal(lode__npy_commit(&writer, &error), LODE_OK);
}

/// "b c": the tokens of an item's list.
static void expect_partners(const world *w, const lode_mined *mined, const char *token,
                            const char *wanted) {
    char text[256] = "";
    size_t at = 0;
    const uint32_t i = lode__token_find(&w->data->items, token);
    assert_true(i != LODE_CODE_NONE);
    for (uint64_t k = mined->starts[i]; k < mined->starts[i + 1]; k++)
        at += (size_t)snprintf(text + at, sizeof text - at, "%s%s", at > 0 ? " " : "",
                               lode__token(&w->data->items, mined->partners[k]));
    assert_string_equal(text, wanted);
}

// ------------------------------------------------------------------------------------------------
// Brute force
// ------------------------------------------------------------------------------------------------

// So many that a network is walked along its links: few items are looked at one by one. Where races are looked for, fewer,
// of which a network looks at all.
enum { ITEMS = LOOKING_FOR_RACES ? 1501 : 10501, DIM = 32, NEAR = 9 };

static float points[ITEMS][DIM];

/// Items i0, i1, ... and, of every third row a stranger, vectors of those that are not multiples of 5.
static void many_make(world *w, void **state) {
    char *text = test_malloc(ITEMS * 8 + 100), *ids = test_malloc(2 * ITEMS * 8);
    float *rows = test_malloc(2 * sizeof points);
    size_t at = (size_t)sprintf(text, "item_id:token\n"), end = 0, count = 0;
    lode_random random = lode__random(5, LODE_PURPOSE_USER, 0, 0);
    for (size_t i = 0; i < ITEMS; i++) {
        at += (size_t)sprintf(text + at, "i%zu\n", i);
        for (size_t d = 0; d < DIM; d++)
            points[i][d] = (float)((1 + (double)(i % 7)) * lode__random_normal(&random));
    }
    for (size_t k = 0; k < ITEMS; k++) {
        const size_t i = k * 7 % ITEMS; // in another order than the data set's
        if (i % 5 == 0) continue;
        memcpy(rows + count++ * DIM, points[i], sizeof points[i]);
        end += (size_t)sprintf(ids + end, "i%zu\n", i);
        if (count % 3 != 0) continue;
        memcpy(rows + count++ * DIM, points[i], sizeof points[i]);
        end += (size_t)sprintf(ids + end, "s%zu\n", i);
    }
    world_open(w, state, log_text, text);
    put_npy(w->shelf, "x.npy", rows, count, DIM);
    shelf_put(w->shelf, "x.ids", ids);
    test_free(text);
    test_free(ids);
    test_free(rows);
}

static double nearness(size_t i, size_t j, bool cosine) {
    double product = 0, a = 0, b = 0;
    for (size_t d = 0; d < DIM; d++) {
        const double x = (double)points[i][d], y = (double)points[j][d];
        product += x * y;
        a += x * x;
        b += y * y;
    }
    return cosine ? product / sqrt(a * b) : product;
}

static int falling(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x < y) - (x > y);
}

/// Every place of every list holds as near an item as there is one: ties within rounding may change places.
static void check_nearest(const world *w, const lode_mined *mined, bool cosine) {
    static double all[ITEMS];
    size_t number[ITEMS + 8];
    assert_true(w->data->items.count <= ITEMS + 8);
    for (uint32_t item = 0; item < mined->items; item++) {
        const char *token = lode__token(&w->data->items, item);
        number[item] = token[0] == 'i' ? strtoul(token + 1, NULL, 10) : 0;
    }
    for (uint32_t item = 0; item < mined->items; item += 61) {
        const size_t i = number[item];
        const uint64_t begin = mined->starts[item];
        assert_int_equal(mined->starts[item + 1] - begin, i % 5 == 0 ? 0 : NEAR);
        if (i % 5 == 0) continue;
        size_t count = 0;
        for (size_t j = 0; j < ITEMS; j++)
            if (j != i && j % 5 != 0) all[count++] = nearness(i, j, cosine);
        qsort(all, count, sizeof *all, falling);
        for (size_t k = 0; k < NEAR; k++) {
            const size_t j = number[mined->partners[begin + k]];
            const double off = 1e-5 * fabs(all[0]), own = nearness(i, j, cosine);
            assert_true(j != i && j % 5 != 0);
            assert_true(fabs(own - all[k]) <= off);
            assert_true(fabs(own - (double)mined->similarity[begin + k]) <= off);
        }
    }
}

/// Share of b's pairs that a has.
static double share_found(const lode_mined *a, const lode_mined *b) {
    size_t found = 0;
    for (uint32_t item = 0; item < b->items; item++)
        for (uint64_t k = b->starts[item]; k < b->starts[item + 1]; k++)
            for (uint64_t at = a->starts[item]; at < a->starts[item + 1]; at++)
                found += a->partners[at] == b->partners[k];
    return (double)found / (double)b->starts[b->items];
}

static void test_brute_force(void **state) {
    world w;
    many_make(&w, state);
    lode_mined *exact[2];
    for (int dot = 0; dot < 2; dot++) {
        char keys[600];
        snprintf(keys, sizeof keys, "{file: \"%s\", k: %d, items: catalogue, similarity: %s}",
                 shelf_path(w.shelf, "x.npy"), NEAR, dot ? "dot" : "cosine");
        exact[dot] = mining_run(&w.mining, "vectors", keys);
        check_nearest(&w, exact[dot], !dot);
    }
    char keys[600];
    snprintf(keys, sizeof keys, "{file: \"%s\", k: %d, items: catalogue, search: approximate}",
             shelf_path(w.shelf, "x.npy"), NEAR);
    lode_mined *near = mining_run(&w.mining, "vectors", keys);
    const double share = share_found(near, exact[0]);
    const bool missed = share < 1 || LOOKING_FOR_RACES;
    if (!(share > 0.9 && missed)) fail_msg("a network finds %g of the neighbours", share);
    // vectors and their copies, codes of the search, and lists
    const uint64_t own = (uint64_t)w.data->items.count * DIM * 4;
    assert_true(exact[0]->memory > 2 * own && exact[0]->memory < 5 * own);
    assert_true(exact[1]->memory > own && exact[1]->memory < exact[0]->memory);
    lode__mined_free(&near);
    lode__mined_free(&exact[0]);
    lode__mined_free(&exact[1]);
    world_close(&w);
}

// ------------------------------------------------------------------------------------------------
// Columns and files
// ------------------------------------------------------------------------------------------------

// An item without a vector is nobody's neighbour, not even where its 0 would be the largest product.
static void test_columns(void **state) {
    world w;
    world_open(&w, state, log_text, item_text);
    lode_mined *mined = mining_run(&w.mining, "vectors", "{similarity: dot, items: catalogue}");
    expect_partners(&w, mined, "b", "e a d");
    expect_partners(&w, mined, "c", "");
    expect_partners(&w, mined, "a", "d e b");
    lode__mined_free(&mined);
    world_close(&w);
    world_open(&w, state, log_text,
               "item_id:token\tone:float_seq\ttwo:float_seq\n"
               "a\t1 0\t1 0 0\nb\t1 1\t0 1 0\nc\t0 1\t1 0 1\n");
    mining_refuse(&w.mining, "vectors", "{}",
                  "which vectors? the data set has several columns of "
                  "them: one, two (column)");
    mining_refuse(&w.mining, "vectors", "{column: three}", "there are: one, two");
    mined = mining_run(&w.mining, "vectors", "{column: one, k: 1}");
    expect_partners(&w, mined, "a", "b");
    lode__mined_free(&mined);
    mined = mining_run(&w.mining, "vectors", "{column: two, k: 1}");
    expect_partners(&w, mined, "a", "c");
    lode__mined_free(&mined);
    world_close(&w);
    world_open(&w, state, log_text,
               "item_id:token\tone:float_seq\na\t9 0\nb\t9 1\nc\t9 2\nd\t9 3\ne\t9 4\n");
    mined = mining_run(&w.mining, "vectors", "{k: 100, items: catalogue}"); // all others
    expect_partners(&w, mined, "a", "b c d e");
    lode__mined_free(&mined);
    world_close(&w);
    world_open(&w, state, log_text, "item_id:token\tone:float_seq\na\t1 0\nb\t1\n");
    mining_refuse(&w.mining, "vectors", "{}", "item b has 1 numbers, items before it 2");
    world_close(&w);
    world_open(&w, state, log_text, "item_id:token\tbrand:token\na\tp\n");
    mining_refuse(&w.mining, "vectors", "{column: one}", "so none called \"one\"");
    world_close(&w);
}

static void keys_for(const world *w, char keys[1200], const char *name, const char *ids) {
    snprintf(keys, 600, "{file: \"%s\"", shelf_path(w->shelf, name));
    if (ids != NULL) snprintf(keys + strlen(keys), 600, ", ids: \"%s\"", shelf_path(w->shelf, ids));
    strcat(keys, "}");
}

static void test_ids(void **state) {
    world w;
    char keys[1200];
    const float data[] = {1, 0, 1, 1, 0, 1};
    world_open(&w, state, log_text, item_text);
    put_npy(w.shelf, "x.npy", data, 3, 2);
    put_npy(w.shelf, "vectors", data, 3, 2);
    shelf_put(w.shelf, "x.ids", "a\r\nb\r\nc\r\n"); // as Windows ends lines
    keys_for(&w, keys, "x.npy", NULL);
    lode_mined *mined = mining_run(&w.mining, "vectors", keys);
    assert_int_equal(w.mining.notice[0], 0);
    expect_partners(&w, mined, "a", "b c");
    lode__mined_free(&mined);
    shelf_put(w.shelf, "other", "c\nb\na"); // ids elsewhere, and no end of the last line
    keys_for(&w, keys, "x.npy", "other");
    mined = mining_run(&w.mining, "vectors", keys);
    expect_partners(&w, mined, "c", "b a");
    lode__mined_free(&mined);
    shelf_put(w.shelf, "vectors.ids", "b\nc\na\n"); // a name that is not X.npy
    keys_for(&w, keys, "vectors", NULL);
    mined = mining_run(&w.mining, "vectors", keys);
    expect_partners(&w, mined, "b", "c a");
    lode__mined_free(&mined);
    shelf_put(w.shelf, "other", "c\nb\nc\n");
    keys_for(&w, keys, "x.npy", "other");
    mining_refuse(&w.mining, "vectors", keys, "c comes twice, the second time in line 3");
    // one stranger twice is no matter: it is passed over
    shelf_put(w.shelf, "other", "x\nb\nx\n");
    mined = mining_run(&w.mining, "vectors", keys);
    assert_non_null(strstr(w.mining.notice, "2 of 3 vectors"));
    expect_partners(&w, mined, "b", "");
    lode__mined_free(&mined);
    world_close(&w);
}

static void test_numbers(void **state) {
    world w;
    char keys[1200];
    float data[] = {1, 0, (float)NAN, 1, 0, 1};
    world_open(&w, state, log_text, item_text);
    keys_for(&w, keys, "x.npy", NULL);
    put_npy(w.shelf, "x.npy", data, 3, 2);
    shelf_put(w.shelf, "x.ids", "a\nb\nc\n");
    mining_refuse(&w.mining, "vectors", keys, "row 2 (b) holds a number that is not finite");
    shelf_put(w.shelf, "x.ids", "a\nstranger\nc\n"); // the file is broken, whoever the row is of
    mining_refuse(&w.mining, "vectors", keys, "row 2 (stranger) holds a number that is not finite");
    put_npy(w.shelf, "x.npy", data, 0, 2); // nothing at all finds nothing
    shelf_put(w.shelf, "x.ids", "");
    lode_mined *mined = mining_run(&w.mining, "vectors", keys);
    assert_int_equal(mined->starts[mined->items], 0);
    lode__mined_free(&mined);
    world_close(&w);
}

// Another content of a file, or of its ids, is another result, though the names are the same.
static void test_cache(void **state) {
    world w;
    shelf kept = {0};
    char keys[1200];
    const float data[] = {1, 0, 1, 1, 0, 1}, other[] = {0, 1, 1, 1, 0.1f, 1};
    world_open(&w, state, log_text, item_text);
    snprintf(kept.folder, sizeof kept.folder, "%.50s/kept", w.shelf->folder);
    w.mining.cache = kept.folder;
    keys_for(&w, keys, "x.npy", NULL);
    for (int k = 0; k < 5; k++) {
        static const bool cached[] = {false, true, false, true, false};
        if (k == 0) put_npy(w.shelf, "x.npy", data, 3, 2);
        if (k == 0) shelf_put(w.shelf, "x.ids", "a\nb\nc\n");
        if (k == 2) put_npy(w.shelf, "x.npy", other, 3, 2);
        if (k == 4) shelf_put(w.shelf, "x.ids", "c\nb\na\n");
        lode_mined *mined = mining_run(&w.mining, "vectors", keys);
        assert_int_equal(mined->cached, cached[k]);
        expect_partners(&w, mined, "a", k < 2 ? "b c" : "c b");
        expect_partners(&w, mined, "b", k == 2 || k == 3 ? "c a" : "a c");
        lode__mined_free(&mined);
    }
    assert_int_equal(shelf_count(&kept), 3);
    shelf_clear(&kept);
    assert_int_equal(rmdir(kept.folder), 0);
    world_close(&w);
}

// ------------------------------------------------------------------------------------------------
// Stopping, and a column of tokens with gaps
// ------------------------------------------------------------------------------------------------

static int stop(void *cookie, const lode_progress *progress) {
    (void)cookie;
    assert_string_equal(progress->task, "mine");
    assert_true(progress->done <= progress->total);
    return 1;
}

static void test_stopped(void **state) {
    static const char *const runs[][2] = {{"sessions", "{}"}, {"vectors", "{}"}, {"titles", "{}"}};
    world w;
    world_open(
        &w, state, log_text,
        "item_id:token\ttitle:token_seq\tcontent:float_seq\na\tred bowl\t1 0\nb\tblue bowl\t0 1\n");
    w.mining.progress = stop;
    for (size_t k = 0; k < sizeof runs / sizeof *runs; k++) {
        lode_mined *mined = NULL;
        lode_error error = {0};
        const lode_status status = mining_try(&w.mining, runs[k][0], runs[k][1], &mined, &error);
        if (status != LODE_E_STOPPED) fail_msg("%s was not stopped", runs[k][0]);
        assert_null(mined);
    }
    world_close(&w);
}

// Items without a token are in no group, least of all in one together.
static void test_no_token(void **state) {
    world w;
    world_open(&w, state, log_text, item_text);
    lode_mined *mined = mining_run(&w.mining, "taxonomy", "{column: brand, items: catalogue}");
    const uint32_t a = lode__token_find(&w.data->items, "a");
    const uint32_t b = lode__token_find(&w.data->items, "b");
    const uint32_t c = lode__token_find(&w.data->items, "c");
    const uint32_t d = lode__token_find(&w.data->items, "d");
    assert_true(lode__mined_related(mined, a, c));
    assert_false(lode__mined_related(mined, b, d) || lode__mined_related(mined, a, b));
    assert_int_equal(mined->item_starts[mined->items], 2);
    assert_int_equal(mined->group_starts[mined->groups], 2);
    lode__mined_free(&mined);
    mining_refuse(&w.mining, "taxonomy", "{column: content}", "column of tokens \"content\"");
    world_close(&w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_brute_force), cmocka_unit_test(test_columns),
        cmocka_unit_test(test_ids),         cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_cache),       cmocka_unit_test(test_stopped),
        cmocka_unit_test(test_no_token)};
    return cmocka_run_group_tests(tests, shelf_make, shelf_remove);
}
