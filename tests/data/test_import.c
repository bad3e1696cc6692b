#include "shelf.h"

#include <math.h>
#include <sys/wait.h>
#include <zlib.h>
#include <zstd.h>

static void recbole_round_trip(void **state) {
    shelf *s = *state;
    shelf_put(s, "a.inter",
              "user_id:token\titem_id:token\trating:float\ttimestamp:float\tdevice:token\tmood:"
              "token_seq\tx:float\n"
              "bob\tB\t3.5\t1000000300\tphone\tgood calm\t1.5\n"
              "ann\tA\t4\t1000000200\tdesk\t\t\n"
              "bob\tA\t\t1000000100\tphone\tcalm\t-2\n");
    shelf_put(s, "a.item",
              "item_id:token\tmovie_title:token_seq\tyear:token\tgenres:token_seq\tvector:float_"
              "seq\tprice:float\n"
              "A\tToy Story\t1995\tComedy Drama\t1 2.5 -3\t9.5\n"
              "C\tÀ bout\t\tDrama\t\t\n");
    shelf_put(s, "a.user", "user_id:token\tage:token\nbob\t20\nzoe\t30\n");
    lode_dataset *data = shelf_import(s, "", NULL);
    expect_log(data, "bob A 1000000100000\nbob B 1000000300000\nann A 1000000200000\n");
    assert_int_equal(data->users.count, 3);
    assert_int_equal(data->active_users, 2);
    assert_int_equal(data->items.count, 3);
    assert_int_equal(data->active_items, 2);
    assert_int_equal(data->time_kind, LODE_TIME_REAL);
    assert_null(data->behaviour);
    assert_null(data->weight);
    assert_null(data->session);
    assert_true(isnan(data->label[0]));
    assert_true(data->label[1] == 3.5f && data->label[2] == 4.0f);
    assert_int_equal(lode__token_find(&data->users, "zoe"), 2);
    assert_int_equal(lode__token_find(&data->users, "zo"), LODE_CODE_NONE);
    assert_int_equal(lode__token_find(&data->items, "C"), 2);

    const lode_column *column = lode__column_find(data->context, data->context_count, "device");
    assert_non_null(column);
    assert_string_equal(lode__token(&column->tokens, column->codes[0]), "phone");
    assert_string_equal(lode__token(&column->tokens, column->codes[2]), "desk");
    column = lode__column_find(data->context, data->context_count, "mood");
    assert_int_equal(column->type, LODE_COLUMN_TOKENS);
    assert_int_equal(column->starts[1], 1); // bob A: calm
    assert_int_equal(column->starts[2], 3); // bob B: good calm
    assert_int_equal(column->starts[3], 3); // ann A: none
    assert_string_equal(lode__token(&column->tokens, column->codes[1]), "good");
    assert_int_equal(column->codes[0], column->codes[2]);
    column = lode__column_find(data->context, data->context_count, "x");
    assert_true(column->values[0] == -2.0f && column->values[1] == 1.5f);
    assert_true(isnan(column->values[2]));

    column = lode__title_column(data);
    assert_non_null(column);
    assert_string_equal(column->name, "movie_title");
    assert_string_equal(column->bytes + column->starts[lode__token_find(&data->items, "A")],
                        "Toy Story");
    assert_string_equal(column->bytes + column->starts[lode__token_find(&data->items, "B")], "");
    assert_string_equal(column->bytes + column->starts[2], "À bout");
    column = lode__column_find(data->item_columns, data->item_column_count, "vector");
    const uint64_t a = column->starts[lode__token_find(&data->items, "A")];
    assert_true(column->values[a] == 1.0f && column->values[a + 1] == 2.5f &&
                column->values[a + 2] == -3.0f);
    column = lode__column_find(data->item_columns, data->item_column_count, "price");
    assert_true(column->values[lode__token_find(&data->items, "A")] == 9.5f);
    assert_true(isnan(column->values[lode__token_find(&data->items, "B")]));
    column = lode__column_find(data->item_columns, data->item_column_count, "year");
    assert_int_equal(column->codes[2], LODE_CODE_NONE);
    column = lode__column_find(data->user_columns, data->user_column_count, "age");
    assert_string_equal(lode__token(&column->tokens, column->codes[2]), "30");
    assert_int_equal(column->codes[lode__token_find(&data->users, "ann")], LODE_CODE_NONE);
    lode__dataset_free(&data);
    assert_null(data);
}

static void csv_folder(void **state) {
    shelf *s = *state;
    shelf_put(s, "README.txt", "no data here, 1 2 3\n");
    shelf_put(s, "ratings.csv",
              "userId,movieId,rating,timestamp\r\n1,10,4.0,1260759144\r\n2,20,2.5,1260759179\r\n");
    shelf_put(
        s,
        "movies.csv", "movieId,title,genres,cost\n10,\"Sun, The \"\"big\"\"\nfilm\",Comedy|Drama,1.5\n30,Rain,(none),2\n");
    shelf_put(
        s,
        "tags.csv", "userId,movieId,tag,timestamp\n1,10,fun,1260759144\n1,10,odd,1260759144\n9,9,x,1260759144\n");
    shelf_put(s, "links.csv", "10,0114709,862\n");
    lode_dataset *data = shelf_import(s, "", "label: 'rating>3'");
    expect_log(data, "1 10 1260759144000\n2 20 1260759179000\n");
    assert_int_equal(data->behaviour[0], LODE_CLICK);
    assert_int_equal(data->behaviour[1], LODE_EXPOSURE);
    assert_int_equal(data->items.count, 3);
    const lode_column *title = lode__title_column(data);
    assert_string_equal(title->bytes + title->starts[0], "Sun, The \"big\"\nfilm");
    const lode_column *genres =
        lode__column_find(data->item_columns, data->item_column_count, "genres");
    assert_int_equal(genres->type, LODE_COLUMN_TOKENS);
    assert_int_equal(genres->starts[1], 2);
    assert_string_equal(lode__token(&genres->tokens, genres->codes[1]), "Drama");
    const lode_column *cost = lode__column_find(data->item_columns, data->item_column_count, "cost");
    assert_int_equal(cost->type, LODE_COLUMN_FLOAT);
    assert_true(cost->values[2] == 2.0f && isnan(cost->values[1]));
    lode__dataset_free(&data);
}

static void labels(void **state) {
    shelf *s = *state;
    static const struct {
        const char *options, *clicks;
    } cases[] = {{"label: 'rating>3'", "0010"}, {"label: 'rating >= 3'", "0110"},
                 {"label: rating<3", "1000"},   {"label: rating<=3", "1100"},
                 {"label: rating==3", "0100"},  {"label: rating!=3", "1011"},
                 {"label: device==a", "1011"},  {NULL, "1111"}};
    shelf_put(s, "l.csv", "user,item,rating,device\n1,1,2,a\n1,2,3,b\n1,3,4.5,a\n1,4,,a\n");
    for (size_t k = 0; k < sizeof cases / sizeof *cases; ++k) {
        lode_dataset *data = shelf_import(s, "l.csv", cases[k].options);
        for (int row = 0; row < 4; ++row) {
            const bool click = !data->behaviour || data->behaviour[row] == LODE_CLICK;
            if (click != (cases[k].clicks[row] == '1')) fail_msg("case %zu row %d", k, row);
        }
        lode__dataset_free(&data);
    }
}

static void behaviours_weights_sessions(void **state) {
    shelf *s = *state;
    shelf_put(s, "l.tsv",
              "visitorid\titemid\ttimestamp\tevent\tweight\tsession\n"
              "7\tx\t1433221332117\tview\t1\ts1\n7\ty\t1433221332118\taddtocart\t2.5\ts1\n"
              "8\tx\t1433221332119\ttransaction\t0\ts1\n7\tx\t1433221332120\tView\t1\ts2\n");
    lode_dataset *data = shelf_import(s, "l.tsv", "");
    expect_log(data,
               "7 x 1433221332117\n7 y 1433221332118\n7 x 1433221332120\n8 x 1433221332119\n");
    static const uint8_t expected[] = {LODE_CLICK, LODE_CART, LODE_CLICK, LODE_BUY};
    assert_memory_equal(data->behaviour, expected, 4);
    assert_true(data->weight[1] == 2.5f && data->weight[3] == 0);
    // s1 of user 7 and s1 of user 8 are two sessions
    assert_int_equal(data->session[0], data->session[1]);
    assert_int_not_equal(data->session[0], data->session[2]);
    assert_int_not_equal(data->session[0], data->session[3]);
    lode__dataset_free(&data);
}

static void lines_and_lists(void **state) {
    shelf *s = *state;
    shelf_put(s, "l.txt", "1 5\n1 6\n2 5\n");
    lode_dataset *data = shelf_import(s, "l.txt", NULL);
    expect_log(data, "1 5 -1\n1 6 -1\n2 5 -1\n");
    assert_int_equal(data->time_kind, LODE_TIME_NONE);
    lode__dataset_free(&data);
    shelf_put(s, "l.txt", "1\t5\t20\n1\t6\t10\n2\t5\t0\n");
    shelf_refuse(s, "l.txt", NULL, LODE_E_INPUT, "l.txt:1:5: found the time 20");
    shelf_put(s, "l.txt", "1\t5\t2\n1\t6\t1\n2\t5\t0\n");
    data = shelf_import(s, "l.txt", NULL);
    assert_int_equal(data->time_kind, LODE_TIME_ORDER);
    expect_log(data, "1 6 1\n1 5 2\n2 5 0\n");
    lode__dataset_free(&data);
    shelf_put(s, "l.txt", "u1 5 6 7\nu2 6\nu3 7 5\n");
    data = shelf_import(s, "l.txt", NULL);
    expect_log(data, "u1 5 -1\nu1 6 -1\nu1 7 -1\nu2 6 -1\nu3 7 -1\nu3 5 -1\n");
    lode__dataset_free(&data);
}

static void times(void **state) {
    shelf *s = *state;
    static const struct {
        const char *cell;
        long long ms;
    } cases[] = {{"1506826828", 1506826828000},
                 {"1506826828.25", 1506826828250},
                 {"1.506826828e9", 1506826828000},
                 {"1506826828020", 1506826828020},
                 {"1506826828020123", 1506826828020},
                 {"2017-10-01", 1506816000000},
                 {"2017-10-01 03:00:28", 1506826828000},
                 {"2017-10-01T03:00:28.020Z", 1506826828020},
                 {"2017-10-01T05:00:28.02+02:00", 1506826828020},
                 {"2016-02-29T00:00:00Z", 1456704000000}};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; ++k) {
        char text[128];
        snprintf(text, sizeof text, "user,item,time\na,b,%s\n", cases[k].cell);
        shelf_put(s, "l.csv", text);
        lode_dataset *data = shelf_import(s, "l.csv", NULL);
        if (data->time[0] != cases[k].ms)
            fail_msg("%s: found %lld", cases[k].cell, (long long)data->time[0]);
        lode__dataset_free(&data);
    }
}

static void columns_file(void **state) {
    shelf *s = *state;
    shelf_put(s, "l.csv", "who,what,at,extra,price,note\nu1,i1,1506826828,e1,2.5,n\n");
    shelf_refuse(s, "l.csv", NULL, LODE_E_INPUT, "expected one that holds the user");
    shelf_put(
        s,
        "map.yaml", "log: {user: who, item: what, time: at, context: [extra, 'price:float'], ignore: [note]}\n");
    char options[256];
    snprintf(options, sizeof options, "columns: %s/map.yaml", s->folder);
    lode_dataset *data = shelf_import(s, "l.csv", options);
    expect_log(data, "u1 i1 1506826828000\n");
    assert_int_equal(data->context_count, 2);
    assert_int_equal(data->context[1].type, LODE_COLUMN_FLOAT);
    assert_true(data->context[1].values[0] == 2.5f);
    lode__dataset_free(&data);
    unlink(shelf_path(s, "out.lode"));
    shelf_put(s, "map.yaml", "log: {user: nobody}\n");
    shelf_refuse(s, "l.csv", options, LODE_E_CONFIG, "map.yaml:1: found the column 'nobody'");
    shelf_put(s, "map.yaml", "log: {users: who}\n");
    shelf_refuse(s, "l.csv", options, LODE_E_CONFIG, "found the key 'users'");
    shelf_put(s, "map.yaml", "logs: {user: who}\n");
    shelf_refuse(s, "l.csv", options, LODE_E_CONFIG, "found 'logs'");
}

static void table_types(void **state) {
    shelf *s = *state;
    shelf_put(s, "clicks.csv", "user,item\nu,a\nu,b\n");
    shelf_put(s, "t1.csv", "item,cat,tags\na,1,x y\n");
    shelf_put(s, "t2.csv",
              "item,cat,valid_from,valid_until\na,2,2020-01-01,2021-01-01\nb,3,2020-01-02,\n");
    shelf_put(s, "map.yaml", "item: {tags: token_seq}\n");
    char options[256];
    snprintf(options, sizeof options, "columns: %s/map.yaml", s->folder);
    lode_dataset *data = shelf_import(s, "", options);
    const lode_column *cat = lode__column_find(data->item_columns, data->item_column_count, "cat");
    assert_string_equal(lode__token(&cat->tokens, cat->codes[0]), "1"); // the first table wins
    assert_string_equal(lode__token(&cat->tokens, cat->codes[1]), "3"); // the second one fills
    const lode_column *tags = lode__column_find(data->item_columns, data->item_column_count, "tags");
    assert_int_equal(tags->type, LODE_COLUMN_TOKENS);
    assert_int_equal(tags->starts[1], 2);
    assert_non_null(data->valid);
    assert_true(data->valid[0] == 1577836800000 && data->valid[1] == 1609459200000);
    assert_true(data->valid[2] == 1577923200000 && data->valid[3] == INT64_MAX);
    lode__dataset_free(&data);
}

static void several_sets(void **state) {
    shelf *s = *state;
    shelf_put(s, "a.inter", "user_id:token\titem_id:token\n1\t2\n");
    shelf_put(s, "b.inter", "user_id:token\titem_id:token\n3\t4\n");
    shelf_put(s, "b.item", "item_id:token\tc:token\n5\tx\n");
    shelf_refuse(s, "", NULL, LODE_E_USAGE, "found several sets: a.inter, b.inter");
    lode_dataset *data = shelf_import(s, "", "log: b.inter");
    expect_log(data, "3 4 -1\n");
    assert_int_equal(data->items.count, 2);
    lode__dataset_free(&data);
    data = shelf_import(s, "b.inter", NULL); // its table comes along
    assert_int_equal(data->items.count, 2);
    lode__dataset_free(&data);
    shelf_clear(s);
    shelf_put(s, "one.txt", "1 2 3\n2 3\n");
    shelf_put(s, "two.txt", "1 2 3\n2 3\n");
    shelf_refuse(s, "", NULL, LODE_E_USAGE, "one.txt, two.txt");
    shelf_refuse(s, "", "log: three.txt", LODE_E_MISSING, "found no file 'three.txt'");
}

/// A log whose order shows every mistake of sorting: many ties, many users.
static char *shuffled_log(size_t rows) {
    char *text = test_malloc(rows * 48 + 64);
    assert_non_null(text);
    size_t at = (size_t)snprintf(text, 64, "user,item,time,n\n");
    uint32_t x = 1;
    for (size_t k = 0; k < rows; ++k) {
        x = x * 1664525 + 1013904223;
        at += (size_t)snprintf(text + at, 48, "u%u,i%u,%u,r%zu\n", x >> 26, (x >> 10) % 300,
                               1500000000 + (x >> 18) % 50, k);
    }
    return text;
}

static void spilling_changes_nothing(void **state) {
    shelf *s = *state;
    const size_t rows = 20000;
    char *text = shuffled_log(rows);
    shelf_put(s, "l.csv", text);
    test_free(text);
    lode_dataset *data = shelf_import(s, "l.csv", NULL);
    assert_int_equal(data->interactions, rows);
    const lode_column *n = &data->context[0];
    for (uint32_t u = 0; u < data->users.count; ++u)
        for (uint64_t k = data->offsets[u] + 1; k < data->offsets[u + 1]; ++k) {
            assert_true(data->time[k] >= data->time[k - 1]);
            if (data->time[k] == data->time[k - 1]) // ties in the order of input
                assert_true(n->codes[k] > n->codes[k - 1]);
        }
    const uint64_t fingerprint = data->fingerprint;
    lode__dataset_free(&data);
    size_t one, two;
    char *first = shelf_get(s, "out.lode", &one);
    lode_error error = {0};
    char *report = NULL;
    assert_int_equal(lode_import(shelf_path(s, "l.csv"), shelf_path(s, "out.lode"), "memory: 65536",
                                 NULL, &report, &error),
                     LODE_OK);
    const char *runs = strstr(report, "\"runs\": ");
    assert_non_null(runs);
    assert_true(atoi(runs + 8) > 10);
    char number[32];
    snprintf(number, sizeof number, "%016llx", (unsigned long long)fingerprint);
    assert_non_null(strstr(report, number));
    lode_text_free(&report);
    char *second = shelf_get(s, "out.lode", &two);
    assert_int_equal(one, two);
    assert_memory_equal(first, second, one);
    test_free(first);
    test_free(second);
    assert_int_equal(shelf_count(s), 2);
}

static void compressed_is_the_same(void **state) {
    shelf *s = *state;
    char *text = shuffled_log(9000);
    const size_t size = strlen(text);
    shelf_put(s, "l.csv", text);
    lode_dataset *data = shelf_import(s, "l.csv", NULL);
    const uint64_t fingerprint = data->fingerprint;
    lode__dataset_free(&data);
    gzFile gz = gzopen(shelf_path(s, "l.csv.gz"), "wb");
    assert_int_equal(gzwrite(gz, text, (unsigned)size / 2), size / 2);
    gzclose(gz);
    gz = gzopen(shelf_path(s, "l.csv.gz"), "ab"); // two members
    gzwrite(gz, text + size / 2, (unsigned)(size - size / 2));
    gzclose(gz);
    char *packed = test_malloc(ZSTD_compressBound(size));
    const size_t packed_size = ZSTD_compress(packed, ZSTD_compressBound(size), text, size, 3);
    shelf_put_bytes(s, "z", packed, packed_size); // found by its first bytes, not by its name
    test_free(packed);
    test_free(text);
    data = shelf_import(s, "l.csv.gz", NULL);
    assert_true(data->fingerprint == fingerprint);
    lode__dataset_free(&data);
    data = shelf_import(s, "z", NULL);
    assert_true(data->fingerprint == fingerprint);
    lode__dataset_free(&data);
}

static void standard_input(void **state) {
    shelf *s = *state;
    shelf_put(s, "l.csv", "\xef\xbb\xbfuser,item\n1,2\n3,4\n");
    fflush(NULL);
    const pid_t child = fork();
    if (child == 0) {
        if (!freopen(shelf_path(s, "l.csv"), "rb", stdin)) _exit(2);
        lode_error error = {0};
        _exit(lode_import("-", shelf_path(s, "out.lode"), NULL, NULL, NULL, &error) ? 1 : 0);
    }
    int result = -1;
    waitpid(child, &result, 0);
    assert_int_equal(result, 0);
    lode_error error = {0};
    lode_dataset *data = NULL;
    assert_int_equal(lode__dataset_open(&data, shelf_path(s, "out.lode"), true, &error), LODE_OK);
    expect_log(data, "1 2 -1\n3 4 -1\n");
    lode__dataset_free(&data);
}

static void keep_notice(void *cookie, const char *line) {
    char *all = cookie;
    const size_t at = strlen(all);
    snprintf(all + at, 2048 - at, "%s\n", line);
}

static void duplicates_are_kept(void **state) {
    shelf *s = *state;
    shelf_put(s, "l.csv",
              "user,item,time,session_size\na,x,1500000000,1\na,y,1500000000,1\n"
              "a,x,1500000000,1\na,x,1500000001,1\n");
    char notices[2048] = "", *report = NULL;
    const lode_hooks hooks = {.cookie = notices, .notice = keep_notice};
    lode_error error = {0};
    assert_int_equal(lode_import(shelf_path(s, "l.csv"), shelf_path(s, "out.lode"), NULL, &hooks,
                                 &report, &error),
                     LODE_OK);
    assert_non_null(strstr(report, "\"duplicates\": 1,"));
    assert_non_null(strstr(report, "\"interactions\": 4,"));
    assert_non_null(strstr(report, "\"time\": \"seconds\""));
    assert_non_null(strstr(notices, "user = user, item = item, time = time"));
    assert_non_null(strstr(notices, "column session_size is left out: it describes the session"));
    assert_non_null(strstr(notices, "1 row(s) repeat the user, item and time of another one"));
    lode_text_free(&report);
}

static int stop_at_once(void *cookie, const lode_progress *progress) {
    ++*(int *)cookie;
    assert_string_equal(progress->unit, "rows");
    return 1;
}

static void stopping(void **state) {
    shelf *s = *state;
    char *text = shuffled_log(70000);
    shelf_put(s, "l.csv", text);
    test_free(text);
    int calls = 0;
    const lode_hooks hooks = {.cookie = &calls, .progress = stop_at_once};
    lode_error error = {0};
    assert_int_equal(
        lode_import(shelf_path(s, "l.csv"), shelf_path(s, "out.lode"), NULL, &hooks, NULL, &error),
        LODE_E_STOPPED);
    assert_int_equal(calls, 1);
    assert_int_equal(shelf_count(s), 1);
}

static void max_errors(void **state) {
    shelf *s = *state;
    shelf_put(s, "l.csv",
              "user,item,time\na,b,1500000000\nbad\na,c,what\n\xff,a,1500000000\nc,d,1500000001\n");
    shelf_refuse(s, "l.csv", NULL, LODE_E_INPUT, "l.csv:3:1: found 1 field, expected 3");
    shelf_refuse(s, "l.csv", "max_errors: 2", LODE_E_INPUT, "l.csv:5:1: found byte 0xff");
    lode_dataset *data = shelf_import(s, "l.csv", "max_errors: 3");
    expect_log(data, "a b 1500000000000\nc d 1500000001000\n"); // nothing of the bad rows stays
    assert_int_equal(data->users.count, 2);
    assert_int_equal(data->items.count, 2);
    lode__dataset_free(&data);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, shelf_make, shelf_remove)

int main(void) {
    const struct CMUnitTest tests[] = {CASE(recbole_round_trip),
                                       CASE(csv_folder),
                                       CASE(labels),
                                       CASE(behaviours_weights_sessions),
                                       CASE(lines_and_lists),
                                       CASE(times),
                                       CASE(columns_file),
                                       CASE(table_types),
                                       CASE(several_sets),
                                       CASE(spilling_changes_nothing),
                                       CASE(compressed_is_the_same),
                                       CASE(standard_input),
                                       CASE(duplicates_are_kept),
                                       CASE(stopping),
                                       CASE(max_errors)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
