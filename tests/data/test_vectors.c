// Vectors from .npy files: joined by ids, of every float type, and refused when anything is wrong with them.
#include "shelf.h"

#include <math.h>

/// Write a .npy of version 1 with this dict and these bytes behind it.
static void put_npy(shelf *s, const char *name, const char *dict, const void *bytes, size_t length) {
    unsigned char file[1024] = "\x93NUMPY\x01";
    const size_t size = strlen(dict);
    assert_true(10 + size + length <= sizeof file);
    file[8] = (unsigned char)(size & 255);
    file[9] = (unsigned char)(size >> 8);
    memcpy(file + 10, dict, size);
    memcpy(file + 10 + size, bytes, length);
    shelf_put_bytes(s, name, file, 10 + size + length);
}

#define DICT(type, shape) "{'descr': '" type "', 'fortran_order': False, 'shape': " shape ", }   \n"

static const float numbers[6] = {1, 2.5f, -3, 4, 0, 0.125f};

static void keep_notice(void *cookie, const char *line) {
    char *all = cookie;
    const size_t at = strlen(all);
    snprintf(all + at, 4096 - at, "%s\n", line);
}

static void put_log(shelf *s) {
    shelf_put(s, "l.csv", "user,item\nu,a\nu,b\nv,c\n");
}

// Items a, b, c: a has row 2 of three, b none, c row 1.
static void expect_vectors(const lode_dataset *data, const char *name) {
    const lode_column *c = lode__column_find(data->item_columns, data->item_column_count, name);
    assert_non_null(c);
    assert_int_equal(c->type, LODE_COLUMN_FLOATS);
    assert_int_equal(c->starts[1], 2);
    assert_int_equal(c->starts[2], 2);
    assert_int_equal(c->starts[3], 4);
    assert_memory_equal(c->values, &numbers[2], 2 * sizeof(float));
    assert_memory_equal(c->values + 2, &numbers[0], 2 * sizeof(float));
}

static void folder(void **state) {
    shelf *s = *state;
    put_log(s);
    put_npy(s, "content.npy", DICT("<f4", "(3, 2)"), numbers, sizeof numbers);
    shelf_put(s, "content.ids", "c\na\nzzz\n");
    shelf_put(s, "lone.npy", "x");
    shelf_put(s, "who.ids", "u\n");
    char said[4096] = "";
    const lode_hooks hooks = {.cookie = said, .notice = keep_notice};
    lode_error error = {0};
    assert_int_equal(lode_import(s->folder, shelf_path(s, "out.lode"), NULL, &hooks, NULL, &error),
                     LODE_OK);
    assert_non_null(
        strstr(said, "item column content of width 2: 2 of 3 items have a vector; 1 vector"));
    assert_non_null(strstr(said, "lone.npy is skipped: there is no file of its ids beside it"));
    assert_non_null(strstr(said, "who.ids is skipped: there is no .npy beside it"));
    lode_dataset *data = NULL;
    assert_int_equal(lode__dataset_open(&data, shelf_path(s, "out.lode"), true, &error), LODE_OK);
    expect_vectors(data, "content");
    assert_int_equal(data->items.count, 3);
    lode__dataset_free(&data);
    // rows follow their items when filters give these new numbers
    data = shelf_import(s, "", "min_user_count: 2");
    const lode_column *c = lode__column_find(data->item_columns, data->item_column_count, "content");
    assert_int_equal(data->items.count, 2);
    assert_int_equal(c->starts[2], 2);
    assert_true(c->values[0] == -3.0f);
    lode__dataset_free(&data);
    // ids that are users make a column of users
    shelf_put(s, "content.ids", "v\nx\ny\n");
    data = shelf_import(s, "", NULL);
    assert_int_equal(data->item_column_count, 0);
    assert_int_equal(data->user_column_count, 1);
    lode__dataset_free(&data);
}

static void types(void **state) {
    shelf *s = *state;
    double doubles[6];
    uint16_t halves[6] = {0x3c00, 0x4100, 0xc200, 0x4400, 0, 0x3000};
    for (int k = 0; k < 6; ++k)
        doubles[k] = (double)numbers[k];
    put_log(s);
    shelf_put(s, "n.ids", "c\na\nzzz\n");
    put_npy(s, "n.npy", DICT("<f8", "(3, 2)"), doubles, sizeof doubles);
    lode_dataset *data = shelf_import(s, "", NULL);
    expect_vectors(data, "n");
    lode__dataset_free(&data);
    put_npy(s, "n.npy", "{\"shape\": (3,2),\"fortran_order\":False,\"descr\":\"<f2\"}", halves,
            sizeof halves);
    data = shelf_import(s, "", NULL);
    expect_vectors(data, "n");
    lode__dataset_free(&data);
}

static void columns_file(void **state) {
    shelf *s = *state;
    char options[256];
    snprintf(options, sizeof options, "columns: %s/map.yaml", s->folder);
    put_log(s);
    put_npy(s, "n.npy", DICT("<f4", "(3, 2)"), numbers, sizeof numbers);
    shelf_put(s, "some.ids", "c\na\nzzz\n");
    shelf_put(s, "map.yaml", "item: {content: {npy: n.npy, ids: some.ids}}\n");
    lode_dataset *data = shelf_import(s, "l.csv", options);
    expect_vectors(data, "content");
    lode__dataset_free(&data);
    shelf_put(s, "names.csv", "asin,key\nx,c\ny,a\nz,zzz\n");
    shelf_put(s, "map.yaml", "item: {content: {npy: n.npy, ids: names.csv, column: key}}\n");
    data = shelf_import(s, "l.csv", options);
    expect_vectors(data, "content");
    lode__dataset_free(&data);
    unlink(shelf_path(s, "out.lode"));
    shelf_put(s, "map.yaml", "item: {content: {npy: n.npy, ids: names.csv, column: nokey}}\n");
    shelf_refuse(s, "l.csv", options, LODE_E_CONFIG, "names.csv: found no column 'nokey'");
    shelf_put(s, "map.yaml", "item: {content: {npy: n.npy}}\n");
    shelf_refuse(s, "l.csv", options, LODE_E_CONFIG, "map.yaml:1: expected {npy: FILE, ids: FILE}");
    shelf_put(s, "map.yaml", "item: {content: {npy: n.npy, ids: some.ids, more: x}}\n");
    shelf_refuse(s, "l.csv", options, LODE_E_CONFIG, "expected {npy: FILE, ids: FILE}");
    shelf_put(s, "map.yaml", "item: {content: {npy: gone.npy, ids: some.ids}}\n");
    shelf_refuse(s, "l.csv", options, LODE_E_MISSING, "gone.npy");
    shelf_put(s, "t.csv", "item,n\na,5\n");
    shelf_put(s, "n.ids", "c\na\nzzz\n");
    shelf_refuse(s, "", NULL, LODE_E_INPUT, "n.npy: found a column n in another table already");
}

static void refused(void **state) {
    shelf *s = *state;
    static const struct {
        const char *dict;
        size_t length;
        lode_status status;
        const char *piece;
    } cases[] = {
        {DICT("<f4", "(3, 2)"), 20, LODE_E_FORMAT,
         "holds 20 bytes of numbers where its header promises"},
        {DICT("<f4", "(3, 1)"), 24, LODE_E_FORMAT, "holds 24 bytes of numbers"},
        {DICT("<f4", "(6,)"), 24, LODE_E_FORMAT, "it has 1 dimension(s); expected a .npy of two"},
        {DICT("<f4", "()"), 24, LODE_E_FORMAT, "it has 0 dimension(s)"},
        {DICT("<f4", "(3, 2, 1)"), 24, LODE_E_FORMAT, "it has 3 dimension(s)"},
        {DICT("<f4", "(3, 0)"), 0, LODE_E_FORMAT, "and no columns"},
        {DICT("<i4", "(3, 2)"), 24, LODE_E_FORMAT, "it holds numbers of type '<i4'"},
        {DICT(">f4", "(3, 2)"), 24, LODE_E_FORMAT, "it holds numbers of type '>f4'"},
        {DICT("<f4", "(9223372036854775807, 9223372036854775807)"), 24, LODE_E_FORMAT, "promises"},
        {DICT("<f4", "(99999999999999999999, 2)"), 24, LODE_E_FORMAT, "its header is broken"},
        {"{'descr': '<f4', 'fortran_order': True, 'shape': (3, 2)}", 24, LODE_E_FORMAT,
         "Fortran order"},
        {"{'descr': '<f4', 'shape': (3, 2)}", 24, LODE_E_FORMAT,
         "lacks descr, fortran_order or shape"},
        {"{'descr': '<f4', 'fortran_order': Maybe, 'shape': (3, 2)}", 24, LODE_E_FORMAT, "broken"},
        {"{'descr': [('x', '<f4')], 'fortran_order': False, 'shape': (6,)}", 24, LODE_E_FORMAT,
         "broken"},
        {"{'descr': '<f4", 24, LODE_E_FORMAT, "broken"},
        {"", 24, LODE_E_FORMAT, "its header is no dict"},
        {DICT("<f4", "(2, 3)"), 24, LODE_E_INPUT, "n.ids: found 3 ids, expected 2 as rows in n.npy"}};
    put_log(s);
    shelf_put(s, "n.ids", "c\na\nzzz\n");
    for (size_t k = 0; k < sizeof cases / sizeof *cases; ++k) {
        put_npy(s, "n.npy", cases[k].dict, numbers, cases[k].length);
        shelf_refuse(s, "", NULL, cases[k].status, cases[k].piece);
    }
    shelf_put(s, "n.npy", "PK\x03\x04 an archive");
    shelf_refuse(s, "", NULL, LODE_E_FORMAT, "n.npy: it does not begin as a .npy");
    shelf_put_bytes(s, "n.npy", "\x93NUMPY\x01\x00\xff\xff{", 11);
    shelf_refuse(s, "", NULL, LODE_E_FORMAT, "its header is longer than the file");
    shelf_put_bytes(s, "n.npy", "\x93NUMPY\x09\x00\x01\x00{", 11);
    shelf_refuse(s, "", NULL, LODE_E_FORMAT, "its version is not 1, 2 or 3");
    float bad[6];
    memcpy(bad, numbers, sizeof bad);
    bad[3] = NAN;
    put_npy(s, "n.npy", DICT("<f4", "(3, 2)"), bad, sizeof bad);
    shelf_refuse(s, "", NULL, LODE_E_INPUT,
                 "n.npy: row 2 ('a'), column 2: found a number that is not finite");
    const double wide[6] = {1, 2, 3, 4, 1e300, 6};
    put_npy(s, "n.npy", DICT("<f8", "(3, 2)"), wide, sizeof wide);
    shelf_refuse(s, "", NULL, LODE_E_INPUT, "n.npy: row 3 ('zzz'), column 1");
    put_npy(s, "n.npy", DICT("<f4", "(3, 2)"), numbers, sizeof numbers);
    shelf_put(s, "n.ids", "c\na\nc\n");
    shelf_refuse(s, "", NULL, LODE_E_INPUT, "n.ids:3:1: found the id 'c' again, expected each once");
    shelf_put(s, "n.ids", "c\n\nb\n");
    shelf_refuse(s, "", NULL, LODE_E_INPUT, "n.ids:2:1: found no id");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, shelf_make, shelf_remove)

int main(void) {
    const struct CMUnitTest tests[] = {CASE(folder), CASE(types), CASE(columns_file), CASE(refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
