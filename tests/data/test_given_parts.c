// Logs that come split: by file, by column, by counts.
#include "shelf.h"

static void keep_notice(void *cookie, const char *line) {
    char *all = cookie;
    const size_t at = strlen(all);
    snprintf(all + at, 4096 - at, "%s\n", line);
}

/// The log as "user item part" lines.
static void expect_parts(const lode_dataset *data, const char *expected) {
    static const char letters[] = "rvt";
    char text[4096];
    size_t at = 0;
    assert_non_null(data->part);
    for (uint32_t u = 0; u < data->users.count; ++u)
        for (uint64_t k = data->offsets[u]; k < data->offsets[u + 1]; ++k)
            at += (size_t)snprintf(text + at, sizeof text - at, "%s %s %c\n",
                                   lode__token(&data->users, u),
                                   lode__token(&data->items, data->item[k]), letters[data->part[k]]);
    text[at] = 0;
    assert_string_equal(text, expected);
}

#define RECBOLE "user_id:token\titem_id:token\ttimestamp:float\n"

static void recbole_parts(void **state) {
    shelf *s = *state;
    shelf_put(s, "x.test.inter", RECBOLE "a\tq\t1000000300\nb\tq\t1000000400\n");
    shelf_put(s, "x.train.inter", RECBOLE "a\tp\t1000000100\nb\tp\t1000000100\n");
    shelf_put(s, "x.valid.inter", RECBOLE "a\tr\t1000000200\na\tp\t1000000100\n");
    shelf_put(s, "x.item", "item_id:token\tc:token\nz\t1\n");
    lode_dataset *data = shelf_import(s, "", NULL);
    expect_parts(data, "a p r\na p v\na r v\na q t\nb p r\nb q t\n");
    assert_int_equal(data->items.count, 4); // the table of X comes along
    lode__dataset_free(&data);
    char notices[4096] = "", *report = NULL;
    const lode_hooks hooks = {.cookie = notices, .notice = keep_notice};
    lode_error error = {0};
    assert_int_equal(
        lode_import(s->folder, shelf_path(s, "out.lode"), NULL, &hooks, &report, &error), LODE_OK);
    assert_non_null(strstr(notices, "the log came split: 2 rows train, 2 valid, 2 test"));
    assert_non_null(strstr(notices, "the split contradicts itself: 1 row(s) repeat"));
    assert_non_null(strstr(report, "\"conflicts\": 1"));
    assert_non_null(strstr(report, "\"x.valid.inter\""));
    lode_text_free(&report);
    assert_int_equal(lode_info(shelf_path(s, "out.lode"), NULL, &report, &error), LODE_OK);
    const char *parts = strstr(report, "\"parts\": {");
    assert_non_null(parts);
    assert_non_null(strstr(parts, "\"valid\": 2"));
    lode_text_free(&report);
    // one part alone is a log as any other, with the tables of its set
    data = shelf_import(s, "x.train.inter", NULL);
    assert_null(data->part);
    assert_int_equal(data->interactions, 2);
    assert_int_equal(data->items.count, 2);
    lode__dataset_free(&data);
    data = shelf_import(s, "", "log: x.test.inter"); // any part names the set
    assert_int_equal(data->interactions, 6);
    lode__dataset_free(&data);
}

static void files_of_lists(void **state) {
    shelf *s = *state;
    shelf_put(s, "train.txt", "1 10 11 12\n2 11 13\n");
    shelf_put(s, "test.txt", "1 14\n2 10\n"); // alone these would be lines
    lode_dataset *data = shelf_import(s, "", NULL);
    expect_parts(data, "1 10 r\n1 11 r\n1 12 r\n1 14 t\n2 11 r\n2 13 r\n2 10 t\n");
    lode__dataset_free(&data);
    shelf_put(s, "dev.txt", "1 15\n3 10 11\n");
    data = shelf_import(s, "", NULL);
    expect_parts(
        data, "1 10 r\n1 11 r\n1 12 r\n1 15 v\n1 14 t\n2 11 r\n2 13 r\n2 10 t\n3 10 v\n3 11 v\n");
    lode__dataset_free(&data);
    shelf_put(s, "valid.txt", "1 16\n3 10 11\n");
    shelf_refuse(s, "", NULL, LODE_E_USAGE, "found dev.txt and valid.txt, expected one file");
}

static void names_of_parts(void **state) {
    shelf *s = *state;
    shelf_put(s, "shop_train.csv", "user,item\na,p\n");
    shelf_put(s, "shop_test.csv", "user,item\na,q\n");
    shelf_put(s, "test.csv", "user,item\na,q\n"); // of no training part
    shelf_refuse(s, "", NULL, LODE_E_USAGE, "found several sets: shop_train.csv, test.csv");
    lode_dataset *data = shelf_import(s, "", "log: shop_train.csv");
    expect_parts(data, "a p r\na q t\n");
    lode__dataset_free(&data);
    unlink(shelf_path(s, "test.csv"));
    unlink(shelf_path(s, "out.lode"));
    shelf_put(s, "shop_test.csv", "user,item,more\na,q,1\n");
    shelf_refuse(s, "", NULL, LODE_E_INPUT,
                 "shop_test.csv:1:1: found the columns 'user', 'item', 'more', expected those of");
    shelf_put(s, "shop_test.csv", "user,item\na\n");
    shelf_refuse(s, "", NULL, LODE_E_INPUT, "shop_test.csv:2:1: found 1 field, expected 2");
    shelf_put(s, "shop_test.csv", "user,item\n");
    data = shelf_import(s, "", NULL);
    expect_parts(data, "a p r\n");
    lode__dataset_free(&data);
}

static void column_of_parts(void **state) {
    shelf *s = *state;
    shelf_put(s, "l.csv", "user,item,Split\na,p,train\na,q,VAL\na,r,test\nb,p,training\n");
    lode_dataset *data = shelf_import(s, "l.csv", NULL);
    expect_parts(data, "a p r\na q v\na r t\nb p r\n");
    lode__dataset_free(&data);
    unlink(shelf_path(s, "out.lode"));
    shelf_put(s, "l.csv", "user,item,part\na,p,train\na,q,morning\n");
    shelf_refuse(s, "l.csv", NULL, LODE_E_INPUT,
                 "l.csv:3:5: found 'morning', expected train, valid (val, dev) or test; if the "
                 "column is no split, put it under context");
    shelf_put(s, "map.yaml", "log: {context: [part]}\n");
    char options[256];
    snprintf(options, sizeof options, "columns: %s/map.yaml", s->folder);
    data = shelf_import(s, "l.csv", options);
    assert_null(data->part);
    assert_int_equal(data->context_count, 1);
    lode__dataset_free(&data);
    unlink(shelf_path(s, "out.lode"));
    shelf_put(s, "map.yaml", "log: {part: kind}\n");
    shelf_put(s, "l.csv", "user,item,kind\na,p,train\na,q,test\n");
    data = shelf_import(s, "l.csv", options);
    expect_parts(data, "a p r\na q t\n");
    lode__dataset_free(&data);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, shelf_make, shelf_remove)

int main(void) {
    const struct CMUnitTest tests[] = {CASE(recbole_parts), CASE(files_of_lists),
                                       CASE(names_of_parts), CASE(column_of_parts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
