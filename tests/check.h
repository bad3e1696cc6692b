/// Small helpers for C tests; include "../check.h" instead of cmocka.h.
#ifndef LODE_TESTS_CHECK_H
#define LODE_TESTS_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ftw.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <lodestone.h>

/// Fails with the error's message unless `status` is LODE_OK.
#define assert_ok(status, error) check_ok(status, &(error), __FILE__, __LINE__)

static inline void check_ok(lode_status status, const lode_error *error, const char *file, int line) {
    if (status == LODE_OK) return;
    print_error("%s: %s\n", lode_status_name(status), error->message);
    _fail(file, line);
}

/// Fails unless `status` is the expected one, the error holds it too and its message holds `piece`.
#define assert_fails(status, expected, error, piece)                                               \
    check_fails(status, expected, &(error), piece, __FILE__, __LINE__)

static inline void check_fails(lode_status status, lode_status expected, const lode_error *error,
                               const char *piece, const char *file, int line) {
    if (status == expected && error->status == expected && strstr(error->message, piece) != NULL) {
        return;
    }
    print_error("expected %s with \"%s\", got %s: %s\n", lode_status_name(expected), piece,
                lode_status_name(status), error->message);
    _fail(file, line);
}

/// Fails unless |a - b| <= absolute + relative * |b|; NaN and infinity on either side fail.
#define assert_close(a, b, absolute, relative)                                                     \
    check_close(a, b, absolute, relative, __FILE__, __LINE__)

static inline void check_close(double a, double b, double absolute, double relative,
                               const char *file, int line) {
    if (isfinite(a) && isfinite(b) && fabs(a - b) <= absolute + relative * fabs(b)) return;
    print_error("%.17g is not close to %.17g\n", a, b);
    _fail(file, line);
}

/// One of eight buffers in turn, so that several paths can be at hand at once.
static inline char *check_buffer(void) {
    static char buffers[8][4096];
    static unsigned turn;
    return buffers[turn++ % 8];
}

/// A fresh folder under $TMPDIR (or /tmp). To be given to cmocka as setup: *state is its path.
static inline int scratch_setup(void **state) {
    const char *parent = getenv("TMPDIR");
    char path[4096];
    snprintf(path, sizeof path, "%s/lode-test-XXXXXX",
             parent != NULL && *parent != 0 ? parent : "/tmp");
    if (mkdtemp(path) == NULL) return -1;
    *state = strdup(path);
    return *state == NULL ? -1 : 0;
}

static inline int check_remove(const char *path, const struct stat *info, int kind,
                               struct FTW *where) {
    (void)info, (void)kind, (void)where;
    return remove(path);
}

/// Removes the scratch folder with everything in it; fails when it is gone already.
static inline int scratch_teardown(void **state) {
    const int result = nftw(*state, check_remove, 16, FTW_DEPTH | FTW_PHYS);
    free(*state);
    *state = NULL;
    return result;
}

/// A test with a scratch folder of its own.
#define scratch_test(function)                                                                     \
    cmocka_unit_test_setup_teardown(function, scratch_setup, scratch_teardown)

/// "scratch folder/name"; good until the eighth call after this one.
static inline const char *scratch_path(void **state, const char *name) {
    char *path = check_buffer();
    snprintf(path, 4096, "%s/%s", (const char *)*state, name);
    return path;
}

/// The bytes of a file with a 0 after them, to be freed; NULL when it cannot be read.
static inline char *read_file(const char *path, size_t *length) {
    FILE *file = fopen(path, "rb");
    if (file == NULL) return NULL;
    size_t size = 0, room = 4096;
    char *text = malloc(room + 1);
    while (text != NULL) {
        const size_t got = fread(text + size, 1, room - size, file);
        size += got;
        if (got == 0) break;
        if (size < room) continue;
        room *= 2;
        char *grown = realloc(text, room + 1);
        if (grown == NULL) free(text);
        text = grown;
    }
    fclose(file);
    if (text != NULL) text[size] = 0;
    if (length != NULL) *length = size;
    return text;
}

/// Writes a text as a file; fails the test when that is not possible.
static inline void write_file(const char *path, const void *bytes, size_t length) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, length, file), length);
    assert_int_equal(fclose(file), 0);
}

/// Where a data set lies; without LODESTONE_DATA, or without that file, the test is skipped,
/// audibly.
static inline const char *test_data(const char *path) {
    const char *folder = getenv("LODESTONE_DATA");
    char *full = check_buffer();
    if (folder != NULL && *folder != 0) {
        snprintf(full, 4096, "%s/%s", folder, path);
        if (access(full, R_OK) == 0) return full;
    }
    print_message("skipped: no data (%s in the folder that LODESTONE_DATA names)\n", path);
    skip();
    return full;
}

#endif
