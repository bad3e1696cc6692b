/// Appending to a data set: as if both logs had been one, or a clear refusal; never a file that is half of each.
#include "base/error.h"
#include "lodestone.h"

#include "data/importer.h"
#include "shelf.h"

#include <math.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

static void assert_same_bytes(shelf *s, const char *a, const char *b) {
    size_t one, two;
    char *first = shelf_get(s, a, &one), *second = shelf_get(s, b, &two);
    assert_int_equal(one, two);
    assert_memory_equal(first, second, one);
    test_free(first);
    test_free(second);
}

static void import(shelf *s, const char *from, const char *to, const char *options) {
    lode_error error = {0};
    if (lode_import(shelf_path(s, from), shelf_path(s, to), options, NULL, NULL, &error) != LODE_OK)
        fail_msg("import: %s", error.message);
}

static const char log_head[] =
    "user_id:token\titem_id:token\trating:float\ttimestamp:float\tevent:token\t"
    "weight:float\tsession_id:token\tdevice:token\tmood:token_seq\tx:float\t"
    "v:float_seq\n";

/// Rows `from` .. `to` of a log in which later rows name earlier users and items again.
static void put_rows(shelf *s, const char *name, unsigned from, unsigned to) {
    static const char *const events[] = {"click", "show", "buy"};
    static const char *const moods[] = {"", "calm", "good calm", "calm good", "odd"};
    char *text = test_malloc((to - from) * 160 + 512);
    size_t at = (size_t)sprintf(text, "%s", log_head);
    for (unsigned k = from; k < to; ++k) {
        const unsigned x = k * 2654435761u >> 7;
        at += (size_t)sprintf(text + at, "u%u\ti%u\t%u\t%u\t%s\t%u.5\ts%u\td%u\t%s\t%s\t%u 0.1\n",
                              x % (7 + k / 40), x / 16 % (9 + k / 30), x % 5,
                              1500000000 + x / 64 % 50, events[x % 3], x % 4, k / 40, x / 8 % 6,
                              moods[(x / 4 + k / 30) % 5], x % 2 ? "2.25" : "", k);
    }
    shelf_put(s, name, text);
    test_free(text);
}

// Real numbers as in `v` must come through text unchanged.
static void one_log_in_two(void **state) {
    shelf *s = *state;
    put_rows(s, "all.inter", 0, 400);
    put_rows(s, "a.inter", 0, 160);
    put_rows(s, "b.inter", 160, 280);
    put_rows(s, "c.inter", 280, 400);
    import(s, "all.inter", "all.lode", NULL);
    import(s, "a.inter", "out.lode", NULL);
    import(s, "b.inter", "out.lode", "append: true");
    import(s, "c.inter", "out.lode", "append: true");
    assert_same_bytes(s, "all.lode", "out.lode");
    import(s, "a.inter", "out.lode", "memory: 65536");
    import(s, "b.inter", "out.lode", "{append: true, memory: 65536}");
    import(s, "c.inter", "out.lode", "{append: true, memory: 65536, core: 3}");
    import(s, "all.inter", "all.lode", "core: 3");
    lode_error error = {0};
    lode_dataset *one = NULL, *two = NULL;
    assert_int_equal(lode__dataset_open(&one, shelf_path(s, "all.lode"), true, &error), LODE_OK);
    assert_int_equal(lode__dataset_open(&two, shelf_path(s, "out.lode"), true, &error), LODE_OK);
    assert_true(one->fingerprint == two->fingerprint);
    assert_true(one->users.count > 3 && one->interactions < 400);
    lode__dataset_free(&one);
    lode__dataset_free(&two);
}

static void orders_and_lines(void **state) {
    shelf *s = *state;
    shelf_put(s, "all.txt", "1 5 0\n1 6 1\n2 5 2\n1 5 3\n3 9 4\n");
    shelf_put(s, "a.txt", "1 5 0\n1 6 1\n");
    shelf_put(s, "b.txt", "2 5 2\n1 5 3\n3 9 4\n");
    import(s, "all.txt", "all.lode", NULL);
    import(s, "a.txt", "out.lode", NULL);
    import(s, "b.txt", "out.lode", "append: true");
    assert_same_bytes(s, "all.lode", "out.lode");
    shelf_put(s, "all.txt", "1 5\n1 6\n2 5\n1 5\n");
    shelf_put(s, "a.txt", "1 5\n1 6\n");
    shelf_put(s, "b.txt", "2 5\n1 5\n");
    import(s, "all.txt", "all.lode", NULL);
    import(s, "a.txt", "out.lode", NULL);
    import(s, "b.txt", "out.lode", "append: true");
    assert_same_bytes(s, "all.lode", "out.lode");
}

static const char *cell(const lode_dataset *data, const char *column, const char *item) {
    static char text[128];
    const lode_column *c = lode__column_find(data->item_columns, data->item_column_count, column);
    const uint32_t row = lode__token_find(&data->items, item);
    assert_non_null(c);
    assert_int_not_equal(row, LODE_CODE_NONE);
    size_t at = 0;
    *text = 0;
    if (c->type == LODE_COLUMN_TOKEN)
        return c->codes[row] == LODE_CODE_NONE ? "" : lode__token(&c->tokens, c->codes[row]);
    if (c->type == LODE_COLUMN_TEXT) return c->bytes + c->starts[row];
    if (c->type == LODE_COLUMN_FLOAT) {
        if (!isnan(c->values[row])) sprintf(text, "%g", (double)c->values[row]);
        return text;
    }
    for (uint64_t k = c->starts[row]; k < c->starts[row + 1]; ++k)
        at += (size_t)sprintf(text + at, "%s+", lode__token(&c->tokens, c->codes[k]));
    return text;
}

static void tables(void **state) {
    shelf *s = *state;
    shelf_put(s, "log.csv", "user,item\nu,a\nu,b\n");
    shelf_put(s, "items.csv",
              "item,title,kind,tags,cost,valid_from\na,Tea pot,k1,red hot|big,1.5,\n"
              "b,Cup,k2,small|tiny,2.5,2020-01-01\nc,Jug,k1,big|old,,2020-01-01\n");
    lode_dataset *data = shelf_import(s, "", "log: log.csv");
    lode__dataset_free(&data);
    shelf_put(s, "log.csv", "user,item\nu,d\nv,c\nv,d\n");
    shelf_put(s, "items.csv",
              "item,kind,tags,cost,colour,valid_from\na,k3,,7.5,blue,2021-01-01\n"
              "b,,new|tiny,,,\nd,k1,fresh,8,green,\n");
    data = shelf_import(s, "", "{log: log.csv, append: true}");
    expect_log(data, "u a -1\nu b -1\nu d -1\nv c -1\nv d -1\n");
    static const struct {
        const char *item, *column, *expected;
    } cells[] = {
        {"a", "title", "Tea pot"}, {"a", "kind", "k3"},        {"a", "tags", "red hot+big+"},
        {"a", "cost", "7.5"},      {"a", "colour", "blue"},    {"b", "title", "Cup"},
        {"b", "kind", "k2"},       {"b", "tags", "new+tiny+"}, {"b", "cost", "2.5"},
        {"b", "colour", ""},       {"c", "title", "Jug"},      {"c", "tags", "big+old+"},
        {"c", "cost", ""},         {"d", "title", ""},         {"d", "tags", "fresh+"},
        {"d", "kind", "k1"},       {"d", "colour", "green"}};
    for (size_t k = 0; k < sizeof cells / sizeof *cells; ++k)
        assert_string_equal(cell(data, cells[k].column, cells[k].item), cells[k].expected);
    assert_true(data->valid[0] == 1609459200000); // new
    assert_true(data->valid[2] == 1577836800000); // left open by the new table
    assert_true(data->valid[2 * 3] == INT64_MIN); // d
    assert_int_equal(data->active_items, 4);
    lode__dataset_free(&data);
    // no filter, nothing new: the third time changes nothing but rows
    shelf_put(s, "log.csv", "user,item\nw,a\n");
    unlink(shelf_path(s, "items.csv"));
    data = shelf_import(s, "log.csv", "{append: true, item_core: 2}");
    expect_log(data, "u a -1\nu d -1\nv d -1\nw a -1\n"); // the old table still lists b and c
    for (size_t k = 0; k < sizeof cells / sizeof *cells; ++k)
        assert_string_equal(cell(data, cells[k].column, cells[k].item), cells[k].expected);
    assert_int_equal(data->items.count, 4);
    assert_int_equal(data->active_items, 2);
    assert_int_equal(data->users.count, 3);
    lode__dataset_free(&data);
}

static void put_vectors(shelf *s, const char *name, const float *values, unsigned rows,
                        unsigned columns) {
    char file[256] = "\x93NUMPY\x01";
    char *const head = file + 10;
    file[8] = 118;
    const int length = sprintf(head, "{'descr': '<f4', 'fortran_order': False, 'shape': (%u, %u), }",
                               rows, columns);
    memset(head + length, ' ', 118 - (size_t)length);
    head[117] = '\n';
    memcpy(file + 128, values, rows * columns * sizeof *values);
    shelf_put_bytes(s, name, file, 128 + rows * columns * sizeof *values);
}

static void expect_vectors(const lode_dataset *data, const char *expected) {
    char text[512] = "";
    const lode_column *const c = &data->item_columns[0];
    assert_int_equal(data->item_column_count, 1);
    assert_int_equal(c->type, LODE_COLUMN_FLOATS);
    for (uint32_t k = 0; k < data->items.count; ++k) {
        sprintf(text + strlen(text), "%s:", lode__token(&data->items, k));
        for (uint64_t v = c->starts[k]; v < c->starts[k + 1]; ++v)
            sprintf(text + strlen(text), " %g", (double)c->values[v]);
        strcat(text, "\n");
    }
    assert_string_equal(text, expected);
}

static void vectors(void **state) {
    shelf *s = *state;
    shelf_put(s, "log.csv", "user,item\nu,x\nu,y\nv,z\n");
    shelf_put(s, "items.ids", "y\nx\n");
    put_vectors(s, "items.npy", (const float[]){1, 2, 3, 4}, 2, 2);
    lode_dataset *data = shelf_import(s, "", NULL);
    expect_vectors(data, "x: 3 4\ny: 1 2\nz:\n");
    lode__dataset_free(&data);
    shelf_put(s, "more.csv", "user,item\nv,w\n");
    data = shelf_import(s, "more.csv", "append: true");
    expect_vectors(data, "x: 3 4\ny: 1 2\nz:\nw:\n");
    lode__dataset_free(&data);
    put_vectors(s, "items.npy", (const float[]){7, 7, 7, 8, 8, 8}, 2, 3);
    shelf_refuse(s, "", "{append: true, log: log.csv}", LODE_E_INPUT,
                 "items.npy: found vectors of width 3, expected 2 as in the data set");
    put_vectors(s, "items.npy", (const float[]){5, 6, 7, 8}, 2, 2);
    shelf_put(s, "items.ids", "z\ny\n");
    unlink(shelf_path(s, "more.csv"));
    data = shelf_import(s, "", "{append: true, duplicates: first, item_core: 1}");
    expect_vectors(data, "x: 3 4\ny: 7 8\nz: 5 6\nw:\n");
    lode__dataset_free(&data);
}

static void filled(void **state) {
    shelf *s = *state;
    shelf_put(s, "a.csv", "user,item,time,rating,event,place\nu,a,1500000000,4,show,p\n");
    shelf_put(s, "b.csv", "user,item,time,weight,shop\nu,b,1500000001000,2,q\n");
    import(s, "a.csv", "out.lode", NULL);
    lode_dataset *data = shelf_import(s, "b.csv", "append: true");
    expect_log(data, "u a 1500000000000\nu b 1500000001000\n");
    assert_true(data->label[0] == 4 && isnan(data->label[1]));
    assert_true(data->weight[0] == 1 && data->weight[1] == 2);
    assert_int_equal(data->behaviour[0], LODE_EXPOSURE);
    assert_int_equal(data->behaviour[1], LODE_CLICK);
    const lode_column *place = lode__column_find(data->context, data->context_count, "place");
    const lode_column *shop = lode__column_find(data->context, data->context_count, "shop");
    assert_int_equal(place->codes[1], LODE_CODE_NONE);
    assert_int_equal(shop->codes[0], LODE_CODE_NONE);
    assert_string_equal(lode__token(&shop->tokens, shop->codes[1]), "q");
    lode__dataset_free(&data);
}

static void refused(void **state) {
    shelf *s = *state;
    static const struct {
        const char *text, *piece;
    } cases[] = {
        {"user,item,session,price\nu,a,s,1\n", "the log has no times and the data set has them"},
        {"user,item,time,price\nu,a,1500000000,1\n", "the log has no sessions"},
        {"user,item,time,session,part\nu,a,1500000000,s,test\n",
         "the log has a column of parts (train, valid, test) and the data set has none"},
        {"user,item,time,session\nu,a,7,s\n", "b.csv:2:5: found the time 7, expected seconds"},
        {"user,item,time,session\n", "found no rows"},
        {"user,item,time,session\nu,a,when,s\n", "b.csv:2:5: found 'when'"}};
    shelf_put(s, "a.csv", "user,item,time,session,price\nu,a,1500000000,s,1\n");
    import(s, "a.csv", "out.lode", NULL);
    import(s, "a.csv", "same.lode", NULL);
    for (size_t k = 0; k < sizeof cases / sizeof *cases; ++k) {
        shelf_put(s, "b.csv", cases[k].text);
        shelf_refuse(s, "b.csv", "append: true", LODE_E_INPUT, cases[k].piece);
        assert_same_bytes(s, "out.lode", "same.lode");
    }
    shelf_put(s, "map.yaml", "log: {context: ['price:float']}\n");
    shelf_put(s, "b.csv", "user,item,time,session,price\nu,a,1500000000,s,1\n");
    char options[256];
    snprintf(options, sizeof options, "{append: true, columns: %s/map.yaml}", s->folder);
    shelf_refuse(s, "b.csv", options, LODE_E_INPUT,
                 "found column price with type float, expected token as in the data set");
    assert_same_bytes(s, "out.lode", "same.lode");
    shelf_put(s, "out.lode", "not a data set");
    shelf_refuse(s, "b.csv", "append: true", LODE_E_FORMAT, "out.lode");
    unlink(shelf_path(s, "out.lode"));
    import(s, "a.csv", "out.lode", "append: true"); // nothing there: a new one
    assert_same_bytes(s, "out.lode", "same.lode");
}

// Opening checks the sorted lists; look-ups go through them.
static void tokens_of_any_length(void **state) {
    static const char *const heads[] = {
        "",          "a",           "abcdefg",      "abcdefgh",
        "abcdefghi", "abcdefghijk", "abcdefghijkl", "abcdefgh-ijklmnopqrstuvwxyz",
        "\xc3\xa9"};
    shelf *s = *state;
    char text[16384];
    size_t at = (size_t)sprintf(text, "user,item\n");
    for (unsigned k = 0; k < 300; ++k)
        at += (size_t)sprintf(text + at, "%s%u,%u\n", heads[k * 7 % 9], k * 37 % 101 + 1, k);
    shelf_put(s, "l.csv", text);
    lode_dataset *data = shelf_import(s, "l.csv", NULL);
    lode__dataset_free(&data);
    data = shelf_import(s, "l.csv", "append: true");
    assert_int_equal(data->interactions, 600);
    for (unsigned k = 0; k < 300; ++k) {
        char token[64];
        sprintf(token, "%s%u", heads[k * 7 % 9], k * 37 % 101 + 1);
        const uint32_t user = lode__token_find(&data->users, token);
        assert_int_not_equal(user, LODE_CODE_NONE);
        assert_string_equal(lode__token(&data->users, user), token);
    }
    lode__dataset_free(&data);
}

static void keep_notice(void *cookie, const char *line) {
    char *all = cookie;
    const size_t at = strlen(all);
    snprintf(all + at, 2048 - at, "%s\n", line);
}

static void the_same_again(void **state) {
    shelf *s = *state;
    static const char *const logs[] = {
        "user,item,time\na,x,1500000000\na,y,1500000001\nb,x,1500000002\n",
        "user,item\na,x\na,y\nb,x\n"};
    static const char *const names[] = {"t.csv", "n.csv"};
    for (int k = 0; k < 2; ++k) {
        shelf_put(s, names[k], logs[k]);
        import(s, names[k], "out.lode", NULL);
        import(s, names[k], "same.lode", NULL);
        char notices[2048] = "", *report = NULL;
        const lode_hooks hooks = {.cookie = notices, .notice = keep_notice};
        lode_error error = {0};
        assert_int_equal(lode_import(shelf_path(s, names[k]), shelf_path(s, "out.lode"),
                                     "append: true", &hooks, &report, &error),
                         LODE_OK);
        assert_non_null(strstr(notices, "3 of the 3 rows that were read repeat the user, item"));
        assert_non_null(strstr(report, "\"repeats\": 3"));
        assert_non_null(strstr(report, "\"interactions\": 6"));
        lode_text_free(&report);
        import(s, names[k], "out.lode", "{append: true, duplicates: first}");
        lode_dataset *data = NULL;
        assert_int_equal(lode__dataset_open(&data, shelf_path(s, "out.lode"), true, &error), LODE_OK);
        assert_int_equal(data->interactions, 3);
        lode__dataset_free(&data);
    }
}

// Killed at any instant, import and append leave the old file or the new one, and at most a temporary file that
// the next run removes.
static void killed(void **state) {
    shelf *s = *state;
    put_rows(s, "a.inter", 0, 300);
    put_rows(s, "b.inter", 300, 4000);
    import(s, "a.inter", "old.lode", NULL);
    import(s, "a.inter", "new.lode", NULL);
    const double begun = lode__clock();
    import(s, "b.inter", "new.lode", "{append: true, memory: 65536}");
    const double whole = lode__clock() - begun;
    size_t size, old_size, new_size;
    char *old_bytes = shelf_get(s, "old.lode", &old_size),
         *new_bytes = shelf_get(s, "new.lode", &new_size);
    unsigned finished = 0, cut = 0;
    for (unsigned k = 0; k < 48; ++k) {
        const bool append = k < 36; // the last dozen writes where nothing was
        unlink(shelf_path(s, "out.lode"));
        if (append) shelf_put_bytes(s, "out.lode", old_bytes, old_size);
        fflush(NULL);
        const pid_t child = fork();
        if (child == 0) {
            lode_error error = {0};
            _exit(lode_import(shelf_path(s, "b.inter"), shelf_path(s, "out.lode"),
                              append ? "{append: true, memory: 65536}" : "memory: 65536", NULL,
                              NULL, &error) != LODE_OK);
        }
        const struct timespec wait = {0, (long)fmin(whole * 1.5e9 * (k % 36) / 36, 9e8)};
        nanosleep(&wait, NULL);
        kill(child, SIGKILL);
        int result;
        waitpid(child, &result, 0);
        if (!append && access(shelf_path(s, "out.lode"), F_OK) != 0) continue;
        char *bytes = shelf_get(s, "out.lode", &size);
        if (!append) { // whole or not there
            lode_dataset *data = NULL;
            lode_error error = {0};
            test_free(bytes);
            assert_int_equal(lode__dataset_open(&data, shelf_path(s, "out.lode"), true, &error),
                             LODE_OK);
            lode__dataset_free(&data);
            continue;
        }
        const bool is_old = size == old_size && memcmp(bytes, old_bytes, size) == 0;
        const bool is_new = size == new_size && memcmp(bytes, new_bytes, size) == 0;
        test_free(bytes);
        assert_true(is_old || is_new);
        finished += is_new;
        cut += is_old;
        assert_in_range(shelf_count(s), 5, 6);
    }
    import(s, "a.inter", "out.lode", NULL);
    assert_int_equal(shelf_count(s), 5);
    assert_true(cut > 0);
    print_message("%u killed before the end, %u after it\n", cut, finished);
    test_free(old_bytes);
    test_free(new_bytes);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, shelf_make, shelf_remove)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(one_log_in_two), CASE(orders_and_lines), CASE(tables),
        CASE(vectors),        CASE(filled),           CASE(tokens_of_any_length),
        CASE(refused),        CASE(the_same_again),   CASE(killed)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
