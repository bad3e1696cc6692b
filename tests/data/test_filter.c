/// Filters of an import, held against filters that are written the slow way over the same log.
#include "base/error.h"
#include "lodestone.h"

#include "shelf.h"

enum { ROWS = 3000, USERS = 60, ITEMS = 90 };

typedef struct slow_log {
    unsigned user[ROWS], item[ROWS], time[ROWS];
    bool exposure[ROWS], gone[ROWS];
} slow_log;

static void slow_make(slow_log *log) {
    uint32_t x = 7;
    memset(log, 0, sizeof *log);
    for (size_t k = 0; k < ROWS; ++k) {
        x = x * 1664525 + 1013904223;
        const unsigned a = (x >> 8) % 1000, b = (x >> 20) % 1000;
        log->user[k] = a * a / 1000 * a / 1000 * a / 1000 * USERS / 1000; // few rows for high numbers
        x = x * 1664525 + 1013904223;
        log->item[k] = b * b / 1000 * b / 1000 * b / 1000 * ITEMS / 1000;
        log->time[k] = 1500000000 + (x >> 20) % 40;
        log->exposure[k] = (x >> 13) % 5 == 0;
    }
}

static void slow_put(const slow_log *log, shelf *s, const char *name) {
    char *text = test_malloc(ROWS * 64);
    size_t at = (size_t)sprintf(text, "user,item,time,event,session\n");
    for (size_t k = 0; k < ROWS; ++k)
        if (!log->gone[k])
            at += (size_t)sprintf(text + at, "u%u,i%u,%u,%s,s%u\n", log->user[k], log->item[k],
                                  log->time[k], log->exposure[k] ? "show" : "click",
                                  log->time[k] / 8);
    shelf_put(s, name, text);
    test_free(text);
}

// One round: everybody below the thresholds goes; false when there was nobody.
static bool slow_round(slow_log *log, unsigned user_least, unsigned item_least) {
    unsigned users[USERS] = {0}, items[ITEMS] = {0};
    bool any = false;
    for (size_t k = 0; k < ROWS; ++k)
        if (!log->gone[k] && !log->exposure[k]) {
            ++users[log->user[k]];
            ++items[log->item[k]];
        }
    for (size_t k = 0; k < ROWS; ++k)
        if (!log->gone[k] && (users[log->user[k]] < user_least || items[log->item[k]] < item_least))
            any = log->gone[k] = true;
    return any;
}

static void slow_repeats(slow_log *log, const char *which) {
    for (size_t k = 0; k < ROWS; ++k)
        for (size_t j = 0; j < ROWS && !log->gone[k]; ++j) {
            if (j == k || log->user[j] != log->user[k] || log->item[j] != log->item[k] ||
                log->exposure[j] != log->exposure[k])
                continue;
            const bool before = log->time[j] != log->time[k] ? log->time[j] < log->time[k] : j < k;
            if (*which == 'e' ? before && log->time[j] == log->time[k] : before == (*which == 'f'))
                log->gone[k] = true;
        }
}

// The same users, and for each of them the same rows; numbers may differ.
static void assert_same(const lode_dataset *a, const lode_dataset *b) {
    assert_int_equal(a->interactions, b->interactions);
    assert_int_equal(a->users.count, b->users.count);
    assert_int_equal(a->items.count, b->items.count);
    for (uint32_t u = 0; u < a->users.count; ++u) {
        const uint32_t v = lode__token_find(&b->users, lode__token(&a->users, u));
        assert_int_not_equal(v, LODE_CODE_NONE);
        const uint64_t count = a->offsets[u + 1] - a->offsets[u];
        assert_int_equal(count, b->offsets[v + 1] - b->offsets[v]);
        for (uint64_t k = 0; k < count; ++k) {
            const uint64_t i = a->offsets[u] + k, j = b->offsets[v] + k;
            assert_string_equal(lode__token(&a->items, a->item[i]),
                                lode__token(&b->items, b->item[j]));
            assert_int_equal(a->time[i], b->time[j]);
            assert_int_equal(a->behaviour[i], b->behaviour[j]);
            if (k > 0)
                assert_int_equal(a->session[i] == a->session[i - 1],
                                 b->session[j] == b->session[j - 1]);
        }
    }
}

static void as_the_slow_way(void **state) {
    static const struct {
        const char *options, *repeats;
        unsigned min_user, min_item, user_core, item_core;
    } cases[] = {{"core: 5", "", 0, 0, 5, 5},
                 {"core: 12, memory: 65536", "", 0, 0, 12, 12},
                 {"user_core: 3, item_core: 20", "", 0, 0, 3, 20},
                 {"core: 4, item_core: 30", "", 0, 0, 4, 30},
                 {"min_count: 15", "", 0, 15, 0, 0},
                 {"min_user_count: 30, min_count: 9", "", 30, 9, 0, 0},
                 {"duplicates: first", "first", 0, 0, 0, 0},
                 {"duplicates: last", "last", 0, 0, 0, 0},
                 {"duplicates: exact", "exact", 0, 0, 0, 0},
                 {"duplicates: last, core: 6, min_count: 8, memory: 65536", "last", 0, 8, 6, 6}};
    shelf *s = *state;
    slow_log *log = test_malloc(sizeof *log);
    for (size_t c = 0; c < sizeof cases / sizeof *cases; ++c) {
        slow_make(log);
        slow_put(log, s, "all.csv");
        if (*cases[c].repeats) slow_repeats(log, cases[c].repeats);
        slow_round(log, cases[c].min_user, cases[c].min_item);
        while (slow_round(log, cases[c].user_core, cases[c].item_core)) {}
        slow_put(log, s, "kept.csv");
        char options[128];
        snprintf(options, sizeof options, "{%s}", cases[c].options);
        lode_dataset *fast = shelf_import(s, "all.csv", options);
        if (fast->interactions >= ROWS || fast->interactions < 100)
            fail_msg("%s: %llu rows", options, (unsigned long long)fast->interactions);
        lode_dataset *slow = shelf_import(s, "kept.csv", NULL);
        assert_same(fast, slow);
        lode__dataset_free(&fast);
        lode__dataset_free(&slow);
    }
    test_free(log);
}

static void keep_notice(void *cookie, const char *line) {
    char *all = cookie;
    const size_t at = strlen(all);
    snprintf(all + at, 2048 - at, "%s\n", line);
}

static void said(void **state) {
    shelf *s = *state;
    shelf_put(s, "l.csv", "user,item,time\na,x,3\na,x,1\na,y,2\nb,x,4\nb,y,5\nc,x,6\nc,z,7\nd,z,8\n");
    char notices[2048] = "", *report = NULL;
    const lode_hooks hooks = {.cookie = notices, .notice = keep_notice};
    lode_error error = {0};
    assert_int_equal(lode_import(shelf_path(s, "l.csv"), shelf_path(s, "out.lode"),
                                 "{duplicates: last, core: 2}", &hooks, &report, &error),
                     LODE_OK);
    // d has one click, so z has one left, so c has one left
    assert_non_null(strstr(notices, "duplicates last: 4 users, 3 items, 8 rows become 4 users, 3 "
                                    "items, 7 rows"));
    assert_non_null(strstr(notices, "(4 rounds): 4 users, 3 items, 7 rows become 2 users, 2 items, "
                                    "4 rows"));
    assert_non_null(strstr(report, "\"rounds\": 4"));
    assert_non_null(strstr(report, "\"interactions\": 4,"));
    assert_non_null(strstr(report, "\"clicks\": 4,"));
    assert_non_null(strstr(report, "\"users\": 2,"));
    lode_text_free(&report);
    lode_dataset *data = NULL;
    assert_int_equal(lode__dataset_open(&data, shelf_path(s, "out.lode"), true, &error), LODE_OK);
    expect_log(data, "a y 2\na x 3\nb x 4\nb y 5\n");
    lode__dataset_free(&data);
}

// Items that a table lists stay in the catalogue with their values, users likewise.
static void catalogue_stays(void **state) {
    shelf *s = *state;
    shelf_put(s, "log.csv",
              "user,item,session,where\nu1,rare,s,1\nu1,x,s,2\nu1,y,t,3\nu2,gone,u,4\n"
              "u2,x,v,5\nu2,y,w,6\nu3,x,x,7\n");
    shelf_put(s, "items.csv",
              "item,kind,valid_from\nalone,ka,2020-01-01\ny,ky,2020-01-02\n"
              "rare,kr,2020-01-03\n");
    shelf_put(s, "users.csv", "user,age\nu3,33\nu2,22\n");
    lode_dataset *data = shelf_import(s, "", "{log: log.csv, core: 2}");
    expect_log(data, "u1 x -1\nu1 y -1\nu2 x -1\nu2 y -1\n");
    static const char *const items[] = {"x", "y", "rare", "alone"};
    static const char *const kinds[] = {NULL, "ky", "kr", "ka"};
    static const int days[] = {0, 2, 3, 1};
    assert_int_equal(data->items.count, 4);
    assert_int_equal(data->active_items, 2);
    const lode_column *kind = lode__column_find(data->item_columns, data->item_column_count, "kind");
    for (uint32_t k = 0; k < 4; ++k) {
        assert_string_equal(lode__token(&data->items, k), items[k]);
        if (kinds[k])
            assert_string_equal(lode__token(&kind->tokens, kind->codes[k]), kinds[k]);
        else
            assert_int_equal(kind->codes[k], LODE_CODE_NONE);
        assert_true(data->valid[2 * k] ==
                    (days[k] ? 1577836800000 + (days[k] - 1) * 86400000ll : INT64_MIN));
    }
    assert_int_equal(data->users.count, 3);
    assert_int_equal(data->active_users, 2);
    assert_string_equal(lode__token(&data->users, 2), "u3");
    const lode_column *age = lode__column_find(data->user_columns, data->user_column_count, "age");
    assert_string_equal(lode__token(&age->tokens, age->codes[1]), "22");
    assert_string_equal(lode__token(&age->tokens, age->codes[2]), "33");
    const lode_column *where = lode__column_find(data->context, data->context_count, "where");
    assert_string_equal(lode__token(&where->tokens, where->codes[3]), "6");
    for (uint64_t k = 0; k < 4; ++k)
        assert_true(data->session[k] < 4);
    assert_int_not_equal(data->session[2], data->session[3]);
    lode__dataset_free(&data);
}

static void refused(void **state) {
    shelf *s = *state;
    shelf_put(s, "l.csv", "user,item\na,x\na,y\nb,x\n");
    shelf_refuse(s, "l.csv", "core: 3", LODE_E_INPUT,
                 "user_core 3, item_core 3 removed all 2 users and 2 items in");
    shelf_refuse(s, "l.csv", "min_count: 3", LODE_E_INPUT,
                 "min_user_count 0, min_count 3 removed all 2 users and 2 items; ask for fewer");
    shelf_refuse(s, "l.csv", "duplicates: exact", LODE_E_CONFIG, "the log has none");
    shelf_refuse(s, "l.csv", "duplicates: some", LODE_E_CONFIG, "duplicates");
    shelf_refuse(s, "l.csv", "core: -1", LODE_E_CONFIG, "core");
    shelf_refuse(s, "l.csv", "core: many", LODE_E_CONFIG, "core");
}

// A user whose rows do not fit into the buffer of a spool.
static void one_long_user(void **state) {
    shelf *s = *state;
    enum { LONG = 40000 };
    char *text = test_malloc(LONG * 32);
    size_t at = (size_t)sprintf(text, "user,item,time\n");
    for (unsigned k = 0; k < LONG; ++k)
        at += (size_t)sprintf(text + at, "u,i%u,%u\n", k % 30000, k);
    shelf_put(s, "l.csv", text);
    test_free(text);
    lode_dataset *data = shelf_import(s, "l.csv", "duplicates: last");
    assert_int_equal(data->interactions, 30000);
    assert_true(data->time[0] == 10000 && data->time[29999] == LONG - 1);
    lode__dataset_free(&data);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, shelf_make, shelf_remove)

int main(void) {
    const struct CMUnitTest tests[] = {CASE(as_the_slow_way), CASE(said), CASE(catalogue_stays),
                                       CASE(refused), CASE(one_long_user)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
