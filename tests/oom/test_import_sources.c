/// Every allocation of importing a folder fails once: a clear status, nothing left behind. The folder holds what the
/// other sweep of import lacks: tags, an attribute map, vectors, JSON lines, a table without a header, a given split.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "alloc_fail.h"

static const struct source {
    const char *name, *text;
} sources[] = {
    {"s_train.csv", "user,item,tint,time\n1,10,red,1500000000\n1,11,\xe9t\xe9,1500000001\n"},
    {"s_test.csv", "user,item,tint,time\n2,10,blue,1500000002\n"},
    {"tags.csv", "user,item,tag\n1,10,x\n1,10,y\n2,11,x\n"},
    {"s_item2attributes.json", "{\"10\": [1, 2], \"11\": \"a\"}"},
    {"table.jsonl",
     "{\"asin\": \"10\", \"title\": \"One two\", \"l\": [[1], [1, 2]], \"o\": {\"p\": 0.5}}\n"},
    {"items.tsv", "10\tA thing of blue\t5\n11\tAnother thing of red\t6\n"},
    {"v.ids", "10\n11\n"},
    {"map.yaml", "log: {item_columns: [tint]}\n"},
};

#define SOURCES (sizeof sources / sizeof *sources)

static const char npy[] =
    "\x93NUMPY\x01\x00\x39\x00{'descr': '<f4', 'fortran_order': False, 'shape': (2, 1)}"
    "\x00\x00\x80\x3f\x00\x00\x00\x40";

typedef struct place {
    char folder[64], source[96], output[96], options[256];
} place;

static void put(const place *p, const char *name, const void *bytes, size_t length) {
    char path[160];
    (void)snprintf(path, sizeof path, "%s/%s", p->source, name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, length, file), length);
    assert_int_equal(fclose(file), 0);
}

static void take(const place *p, const char *name) {
    char path[160];
    (void)snprintf(path, sizeof path, "%s/%s", p->source, name);
    assert_int_equal(unlink(path), 0);
}

static lode_status import_folder(void *cookie, lode_error *error) {
    const place *const p = cookie;
    char *report = NULL;
    const lode_status status = lode_import(p->source, p->output, p->options, NULL, &report, error);
    assert_int_equal(report != NULL, status == LODE_OK);
    if (unlink(p->output) != 0)
        assert_int_not_equal(status, LODE_OK); // the report may fail behind it
    lode_text_free(&report);
    return status;
}

static void test_folder(void **state) {
    (void)state;
    place p = {.folder = "/tmp/lode-oom-sources-XXXXXX"};
    assert_non_null(mkdtemp(p.folder));
    (void)snprintf(p.source, sizeof p.source, "%s/in", p.folder);
    (void)snprintf(p.output, sizeof p.output, "%s/out.lode", p.folder);
    (void)snprintf(p.options, sizeof p.options, "{columns: %s/map.yaml, encoding: latin1}", p.source);
    assert_int_equal(mkdir(p.source, 0700), 0);
    for (size_t k = 0; k < SOURCES; ++k)
        put(&p, sources[k].name, sources[k].text, strlen(sources[k].text));
    put(&p, "v.npy", npy, sizeof npy - 1);
    alloc_sweep(import_folder, &p, 150);
    for (size_t k = 0; k < SOURCES; ++k)
        take(&p, sources[k].name);
    take(&p, "v.npy");
    assert_int_equal(rmdir(p.source), 0);
    assert_int_equal(rmdir(p.folder), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_folder)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
