/// A temporary folder for tests of files, with importing of texts.
#ifndef SHELF_H
#define SHELF_H

#include "data/dataset.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

typedef struct shelf {
    char folder[64];
    char path[4][512]; ///< of the last four names, so that they can be used in one call
    unsigned next;
} shelf;

static inline int shelf_make(void **state) {
    shelf *s = test_calloc(1, sizeof *s);
    snprintf(s->folder, sizeof s->folder, "/tmp/lodestone-test-XXXXXX");
    *state = s;
    return mkdtemp(s->folder) ? 0 : -1;
}

/// Number of files in the folder.
static inline size_t shelf_count(const shelf *s) {
    DIR *dir = opendir(s->folder);
    size_t count = 0;
    for (const struct dirent *e; (e = readdir(dir));)
        count += e->d_name[0] != '.';
    closedir(dir);
    return count;
}

static inline const char *shelf_path(shelf *s, const char *name) {
    char *const path = s->path[s->next++ % 4];
    const size_t head = strlen(s->folder), tail = strlen(name);
    assert_true(head + 1 + tail < sizeof s->path[0]);
    memcpy(path, s->folder, head);
    path[head] = '/';
    memcpy(path + head + 1, name, tail + 1);
    return path;
}

static inline void shelf_clear(shelf *s) {
    DIR *dir = opendir(s->folder);
    for (const struct dirent *e; (e = readdir(dir));)
        if (e->d_name[0] != '.') unlink(shelf_path(s, e->d_name));
    closedir(dir);
}

static inline int shelf_remove(void **state) {
    shelf *s = *state;
    shelf_clear(s);
    const int failed = rmdir(s->folder);
    test_free(s);
    return failed;
}

static inline void shelf_put_bytes(shelf *s, const char *name, const void *bytes, size_t length) {
    FILE *file = fopen(shelf_path(s, name), "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, length, file), length);
    assert_int_equal(fclose(file), 0);
}

static inline void shelf_put(shelf *s, const char *name, const char *text) {
    shelf_put_bytes(s, name, text, strlen(text));
}

static inline char *shelf_get(shelf *s, const char *name, size_t *length) {
    FILE *file = fopen(shelf_path(s, name), "rb");
    assert_non_null(file);
    fseek(file, 0, SEEK_END);
    *length = (size_t)ftell(file);
    rewind(file);
    char *bytes = test_malloc(*length + 1);
    assert_int_equal(fread(bytes, 1, *length, file), *length);
    bytes[*length] = 0;
    fclose(file);
    return bytes;
}

/// Import NAME ("" = the folder) into out.lode and open that.
static inline lode_dataset *shelf_import(shelf *s, const char *name, const char *options) {
    lode_error error = {0};
    if (lode_import(*name ? shelf_path(s, name) : s->folder, shelf_path(s, "out.lode"), options,
                    NULL, NULL, &error) != LODE_OK)
        fail_msg("import: %s", error.message);
    lode_dataset *data = NULL;
    if (lode__dataset_open(&data, shelf_path(s, "out.lode"), true, &error) != LODE_OK)
        fail_msg("open: %s", error.message);
    return data;
}

/// Import must fail with a message that holds `piece`, and leave nothing behind.
static inline void shelf_refuse(shelf *s, const char *name, const char *options,
                                lode_status expected, const char *piece) {
    const size_t before = shelf_count(s);
    lode_error error = {0};
    char *report = NULL;
    const lode_status status = lode_import(*name ? shelf_path(s, name) : s->folder,
                                           shelf_path(s, "out.lode"), options, NULL, &report, &error);
    if (status != expected || !strstr(error.message, piece))
        fail_msg("expected %s with '%s', found %s: %s", lode_status_name(expected), piece,
                 lode_status_name(status), error.message);
    assert_null(report);
    assert_null(strchr(error.message, '\n'));
    assert_int_equal(shelf_count(s), before);
}

/// The log as text: "user item time\n" a row, in the order of the data set.
static inline void expect_log(const lode_dataset *data, const char *expected) {
    char text[4096];
    size_t at = 0;
    for (uint32_t u = 0; u < data->users.count; ++u)
        for (uint64_t k = data->offsets[u]; k < data->offsets[u + 1]; ++k)
            at += (size_t)snprintf(text + at, sizeof text - at, "%s %s %lld\n",
                                   lode__token(&data->users, u),
                                   lode__token(&data->items, data->item[k]),
                                   data->time ? (long long)data->time[k] : -1ll);
    text[at] = 0;
    assert_string_equal(text, expected);
}

#endif
