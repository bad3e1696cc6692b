// Every kind of bad input: one clear line with file, line and column, and nothing left behind.
#include "shelf.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <zlib.h>
#include <zstd.h>

typedef struct bad_input {
    const char *file, *text, *options;
    lode_status status;
    const char *piece;
} bad_input;

#define HEAD "user,item,time\n"

static const bad_input cases[] = {
    {"e.csv", "", NULL, LODE_E_INPUT, "e.csv:1:1: the file is empty, expected a log or a table"},
    {"e.csv", "\n\n\n", NULL, LODE_E_INPUT, "e.csv:1:1: the format is not recognised"},
    {"e.csv", "\n\n", "format: csv", LODE_E_INPUT, "the file holds empty lines only"},
    {"e.csv", HEAD, NULL, LODE_E_INPUT, "found no rows, expected at least one"},
    {"e.inter", "user_id:token\titem_id:token\n", NULL, LODE_E_INPUT, "found no rows"},
    // ragged
    {"r.csv", HEAD "a,b,1500000000\na,b\n", NULL, LODE_E_INPUT,
     "r.csv:3:1: found 2 fields, expected 3 as in the header; repair or remove the line"},
    {"r.csv", HEAD "a,b,1500000000,\n", NULL, LODE_E_INPUT, "r.csv:2:1: found 4 fields, expected 3"},
    {"r.inter", "user_id:token\titem_id:token\na\tb\tc\n", NULL, LODE_E_INPUT,
     "r.inter:2:1: found 3 fields, expected 2"},
    {"r.tsv", "user\titem\na\n", NULL, LODE_E_INPUT, "r.tsv:2:1: found 1 field, expected 2"},
    {"r.txt", "a b\na b c\n", "format: lines", LODE_E_INPUT,
     "r.txt:2:1: found 3 fields, expected 2 as in the first line"},
    {"r.txt", "a1 b1\na1\n", "format: lists", LODE_E_INPUT, "r.txt:2:1: found a line without items"},
    // headers
    {"h.csv", "user,item,user\n1,2,3\n", NULL, LODE_E_INPUT,
     "h.csv:1:11: found a second column 'user' in the header, expected every name once"},
    {"h.inter", "user_id:token\titem_id:token\tuser_id:token\n", NULL, LODE_E_INPUT,
     "h.inter:1:29: found a second column 'user_id'"},
    {"h.inter", "user_id:token\titem_id\n", NULL, LODE_E_INPUT,
     "h.inter:1:15: found the heading 'item_id', expected NAME:TYPE"},
    {"h.inter", "user_id:token\titem_id:int\n", NULL, LODE_E_INPUT, "h.inter:1:15: found the heading"},
    {"h.csv", "a,b\n1,2\n", NULL, LODE_E_INPUT,
     "h.csv:1:1: found the columns 'a', 'b', expected one that holds the user"},
    {"h.csv", "user,b\n1,2\n", NULL, LODE_E_INPUT, "expected one that holds the item"},
    {"h.txt", "just some prose of several words\nand more\n", NULL, LODE_E_INPUT,
     "h.txt:1:1: the format is not recognised, expected RecBole"},
    {"h.txt", "a b c d\n", "format: lines", LODE_E_INPUT, "h.txt:1:1: found 4 words, expected 'user"},
    // types
    {"t.csv", HEAD "a,b,soon\n", NULL, LODE_E_INPUT,
     "t.csv:2:5: found 'soon', expected a time: seconds, milliseconds"},
    {"t.csv", HEAD "a,b,\n", NULL, LODE_E_INPUT, "t.csv:2:5: found '', expected a time"},
    {"t.csv", "user,item,rating\na,b,good\n", NULL, LODE_E_INPUT,
     "t.csv:2:5: found 'good', expected a number"},
    {"t.csv", "user,item,rating\na,b,nan\n", NULL, LODE_E_INPUT, "t.csv:2:5: found 'nan'"},
    {"t.csv", "user,item,rating\na,b,1e300\n", NULL, LODE_E_INPUT, "t.csv:2:5: found '1e300'"},
    {"t.csv", "user,item,weight\na,b,-1\n", NULL, LODE_E_INPUT,
     "t.csv:2:5: found '-1', expected a number from 0 on"},
    {"t.csv", "user,item,event\na,b,dance\n", NULL, LODE_E_INPUT,
     "t.csv:2:5: found 'dance', expected click (view, pv), exposure"},
    {"t.csv", "user,item,rating\na,b,good\n", "label: rating>3", LODE_E_INPUT, "t.csv:2:5"},
    {"t.inter", "user_id:token\titem_id:token\tx:float\na\tb\ty\n", NULL, LODE_E_INPUT,
     "t.inter:2:5: found 'y', expected a number"},
    {"t.inter", "user_id:token\titem_id:token\tx:float_seq\na\tb\t1 y 2\n", NULL, LODE_E_INPUT,
     "t.inter:2:5: found '1 y 2', expected numbers"},
    {"t.csv", HEAD ",b,1500000000\n", NULL, LODE_E_INPUT,
     "t.csv:2:1: found no user, expected a token"},
    {"t.csv", HEAD "a,,1500000000\n", NULL, LODE_E_INPUT, "t.csv:2:3: found no item"},
    // times out of range
    {"o.csv", HEAD "a,b,1500000000\na,b,1500000000000\n", NULL, LODE_E_INPUT,
     "o.csv:3:5: found '1500000000000', expected seconds since 1970 as in the lines before"},
    {"o.csv", HEAD "a,b,1500000000\na,b,-5\n", NULL, LODE_E_INPUT, "o.csv:3:5: found '-5'"},
    {"o.csv", HEAD "a,b,1500000000\na,b,0\n", NULL, LODE_E_INPUT, "o.csv:3:5: found '0'"},
    {"o.csv", HEAD "a,b,9999999999\n", NULL, LODE_E_INPUT, "o.csv:2:5: found '9999999999'"},
    {"o.csv", HEAD "a,b,99999999999999999999999999\n", NULL, LODE_E_INPUT, "o.csv:2:5: found '9999"},
    {"o.csv", HEAD "a,b,5000000\na,c,5000001\n", NULL, LODE_E_INPUT,
     "o.csv:3:5: found the time 5000001, expected seconds"},
    {"o.csv", HEAD "a,b,2017-02-29\n", NULL, LODE_E_INPUT, "o.csv:2:5: found '2017-02-29'"},
    {"o.csv", HEAD "a,b,2017-10-01T25:00\n", NULL, LODE_E_INPUT, "o.csv:2:5: found '2017-10-01T25"},
    {"o.csv", HEAD "a,b,1969-12-31\n", NULL, LODE_E_INPUT, "o.csv:2:5: found '1969"},
    {"o.csv", HEAD "a,b,2017-10-01\na,b,1500000000\n", NULL, LODE_E_INPUT, "o.csv:3:5"},
    // text
    {"u.csv", HEAD "a,b\xe9,1500000000\n", NULL, LODE_E_INPUT,
     "u.csv:2:4: found byte 0xe9, which is not UTF-8; convert the file"},
    {"u.csv", HEAD "\xc3\xa9,\xed\xa0\x80,1500000000\n", NULL, LODE_E_INPUT,
     "u.csv:2:4: found byte 0xed"},
    {"q.csv", HEAD "a,\"b\"c,1500000000\n", NULL, LODE_E_INPUT,
     "q.csv:2:6: found 'c' after a closing quote, expected a comma"},
    {"q.csv", HEAD "a,\"b,1500000000\nx\n", NULL, LODE_E_INPUT,
     "q.csv:2:1: found a quoted field that is never closed"},
    // options
    {"p.csv", "user,item\n1,2\n", "label: rating", LODE_E_CONFIG,
     "label: found 'rating', expected COLUMN"},
    {"p.csv", "user,item\n1,2\n", "label: '>3'", LODE_E_CONFIG, "label: found '>3'"},
    {"p.csv", "user,item\n1,2\n", "label: rating>x", LODE_E_CONFIG, "label: found 'rating>x'"},
    {"p.csv", "user,item\n1,2\n", "label: rating>3", LODE_E_CONFIG,
     "label: found the column 'rating', expected one of"},
    {"p.csv", "user,item\n1,2\n", "max_eror: 3", LODE_E_CONFIG, "max_error"},
    {"p.csv", "user,item\n1,2\n", "format: xml", LODE_E_CONFIG, "xml"},
    {"p.csv", "user,item\n1,2\n", "columns: /nowhere/map.yaml", LODE_E_MISSING, "/nowhere/map.yaml"},
};

static void every_case(void **state) {
    shelf *s = *state;
    for (size_t k = 0; k < sizeof cases / sizeof *cases; ++k) {
        shelf_put(s, cases[k].file, cases[k].text);
        shelf_refuse(s, cases[k].file, cases[k].options, cases[k].status, cases[k].piece);
        shelf_clear(s);
    }
}

static void nul_bytes(void **state) {
    shelf *s = *state;
    static const char text[] = "user,item\na,b\nc\0,d\n";
    shelf_put_bytes(s, "n.csv", text, sizeof text - 1);
    shelf_refuse(s, "n.csv", NULL, LODE_E_INPUT, "n.csv:3:2: found a NUL byte, expected text");
    static const char wide[] = "\xff\xfeu\0s\0e\0r\0\n\0";
    shelf_put_bytes(s, "n.csv", wide, sizeof wide - 1);
    shelf_refuse(s, "n.csv", NULL, LODE_E_INPUT, "n.csv:1:4: found a NUL byte");
}

static void huge_lines(void **state) {
    shelf *s = *state;
    const size_t size = 3u << 20;
    char *text = test_malloc(size + 64);
    memset(text, 'x', size);
    shelf_put_bytes(s, "h.csv", text, size); // no line end at all
    shelf_refuse(s, "h.csv", "format: csv", LODE_E_INPUT,
                 "h.csv:1:1: found a line of more than 1048576 bytes");
    memcpy(text, "user,item\n1,2\n", 14);
    memcpy(text + size - 5, "\n5,6\n", 5);
    shelf_put_bytes(s, "h.csv", text, size);
    shelf_refuse(s, "h.csv", NULL, LODE_E_INPUT, "h.csv:3:1: found a line of more than");
    lode_dataset *data = shelf_import(s, "h.csv", "max_errors: 1"); // and goes on behind it
    expect_log(data, "1 2 -1\n5 6 -1\n");
    lode__dataset_free(&data);
    unlink(shelf_path(s, "out.lode"));
    memcpy(text + 14, "3,\"", 3); // a quote that never ends
    for (size_t k = 100; k < size; k += 100)
        text[k] = '\n';
    shelf_put_bytes(s, "h.csv", text, size);
    shelf_refuse(s, "h.csv", NULL, LODE_E_INPUT,
                 "h.csv:3:1: found a quoted field that is longer than max_line");
    test_free(text);
}

/// A log that does not compress to nothing.
static size_t make_log(char *text) {
    size_t at = (size_t)snprintf(text, 64, "user,item,time\n");
    uint32_t x = 7;
    for (int k = 0; k < 4000; ++k) {
        x = x * 1664525 + 1013904223;
        at += (size_t)snprintf(text + at, 64, "u%u,i%u,%u\n", x >> 20, x % 977,
                               1500000000 + (x >> 5) % 100000);
    }
    return at;
}

static void truncated_compression(void **state) {
    shelf *s = *state;
    char *text = test_malloc(400000), *packed = test_malloc(400000);
    const size_t size = make_log(text);
    gzFile gz = gzopen(shelf_path(s, "l.csv.gz"), "wb");
    gzwrite(gz, text, (unsigned)size);
    gzclose(gz);
    size_t whole;
    char *bytes = shelf_get(s, "l.csv.gz", &whole);
    for (size_t cut = 12; cut < whole; cut += whole / 7) {
        shelf_put_bytes(s, "l.csv.gz", bytes, cut);
        shelf_refuse(s, "l.csv.gz", "max_errors: 1000000", LODE_E_INPUT,
                     "the gzip data ends in the middle, expected a whole compressed file");
    }
    shelf_put_bytes(s, "l.csv.gz", bytes, whole - 1);
    shelf_refuse(s, "l.csv.gz", NULL, LODE_E_INPUT, "the gzip data ends in the middle");
    bytes[whole / 2] ^= 0x55;
    shelf_put_bytes(s, "l.csv.gz", bytes, whole);
    shelf_refuse(s, "l.csv.gz", NULL, LODE_E_INPUT, "l.csv.gz:");
    test_free(bytes);
    whole = ZSTD_compress(packed, 400000, text, size, 3);
    for (size_t cut = 5; cut < whole; cut += whole / 7) {
        shelf_put_bytes(s, "l.csv.zst", packed, cut);
        shelf_refuse(s, "l.csv.zst", NULL, LODE_E_INPUT, "the zstd data ends in the middle");
    }
    memset(packed + whole / 2, 0xff, 64);
    shelf_put_bytes(s, "l.csv.zst", packed, whole);
    shelf_refuse(s, "l.csv.zst", NULL, LODE_E_INPUT, "the zstd data is damaged");
    test_free(text);
    test_free(packed);
}

static void places(void **state) {
    shelf *s = *state;
    lode_error error = {0};
    shelf_put(s, "l.csv", "user,item\n1,2\n");
    shelf_refuse(s, "nothing.csv", NULL, LODE_E_MISSING, "nothing.csv: there is no such file");
    char output[512];
    snprintf(output, sizeof output, "%s/no/such/out.lode", s->folder);
    assert_int_not_equal(lode_import(shelf_path(s, "l.csv"), output, NULL, NULL, NULL, &error),
                         LODE_OK);
    assert_non_null(strstr(error.message, "out.lode"));
    assert_int_equal(
        lode_import(shelf_path(s, "l.csv"), shelf_path(s, "l.csv"), NULL, NULL, NULL, &error),
        LODE_E_USAGE);
    assert_non_null(strstr(error.message, "the output is the log itself"));
    assert_int_equal(lode_import(NULL, "x", NULL, NULL, NULL, &error), LODE_E_USAGE);
    lode_dataset *data = shelf_import(s, "l.csv", "temporary: /nowhere"); // small logs need none
    lode__dataset_free(&data);
}

static void places_folder(void **state) {
    shelf *s = *state;
    shelf_refuse(s, "", NULL, LODE_E_INPUT, "found no log");
    shelf_put(s, "a.json", "{}");
    shelf_refuse(s, "", NULL, LODE_E_INPUT, "a.json:1:1: found no keys, expected objects with keys");
}

static void full_disk(void **state) {
    shelf *s = *state;
    char *text = test_malloc(400000);
    shelf_put_bytes(s, "l.csv", text, make_log(text));
    test_free(text);
    // a file-size limit stands in for a full disk: writes fail with EFBIG
    struct rlimit before, limit;
    getrlimit(RLIMIT_FSIZE, &before);
    limit = before;
    limit.rlim_cur = 20000;
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &limit);
    lode_error error = {0}, spill = {0};
    const lode_status status =
        lode_import(shelf_path(s, "l.csv"), shelf_path(s, "out.lode"), NULL, NULL, NULL, &error);
    const lode_status spilled = lode_import(shelf_path(s, "l.csv"), shelf_path(s, "out.lode"),
                                            "memory: 65536", NULL, NULL, &spill);
    setrlimit(RLIMIT_FSIZE, &before);
    assert_int_equal(status, LODE_E_SYSTEM);
    assert_non_null(strstr(error.message, "File too large"));
    assert_int_equal(spilled, LODE_E_SYSTEM);
    assert_int_equal(shelf_count(s), 1);
}

// Appending and filtering on a full disk: an error that names the place, and the old data set as it was.
static void full_disk_append(void **state) {
    static const char *const options[] = {"append: true", "{append: true, memory: 65536}",
                                          "{append: true, core: 2, duplicates: last}"};
    shelf *s = *state;
    char *text = test_malloc(400000);
    shelf_put_bytes(s, "l.csv", text, make_log(text));
    test_free(text);
    lode_dataset *data = shelf_import(s, "l.csv", NULL);
    lode__dataset_free(&data);
    size_t size, now;
    char *const bytes = shelf_get(s, "out.lode", &size);
    for (size_t k = 0; k < sizeof options / sizeof *options; ++k) {
        struct rlimit before, limit;
        getrlimit(RLIMIT_FSIZE, &before);
        limit = before;
        limit.rlim_cur = 20000;
        signal(SIGXFSZ, SIG_IGN);
        setrlimit(RLIMIT_FSIZE, &limit);
        lode_error error = {0};
        const lode_status status = lode_import(shelf_path(s, "l.csv"), shelf_path(s, "out.lode"),
                                               options[k], NULL, NULL, &error);
        setrlimit(RLIMIT_FSIZE, &before);
        assert_int_equal(status, LODE_E_SYSTEM);
        assert_non_null(strstr(error.message, "File too large"));
        assert_non_null(strstr(error.message, s->folder));
        char *const after = shelf_get(s, "out.lode", &now);
        assert_int_equal(now, size);
        assert_memory_equal(after, bytes, size);
        test_free(after);
        assert_int_equal(shelf_count(s), 2);
    }
    test_free(bytes);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, shelf_make, shelf_remove)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(every_case), CASE(nul_bytes),     CASE(huge_lines), CASE(truncated_compression),
        CASE(places),     CASE(places_folder), CASE(full_disk),  CASE(full_disk_append)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
