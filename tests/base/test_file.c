#include "base/file.h"

#include <signal.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "../check.h"

/// Names in the scratch folder, joined by blanks.
static const char *listing(void **state) {
    lode_arena arena = {0};
    lode_error error = {0};
    const char **names = NULL;
    size_t count = 0, used = 0;
    char *out = check_buffer();
    out[0] = 0;
    assert_ok(lode__folder_list(&arena, *state, &names, &count, &error), error);
    for (size_t i = 0; i < count; i++) {
        used += (size_t)snprintf(out + used, 4096 - used, "%s%s", i > 0 ? " " : "", names[i]);
    }
    lode__arena_release(&arena);
    return out;
}

static void assert_content(const char *path, const char *expected) {
    char *text = read_file(path, NULL);
    assert_non_null(text);
    assert_string_equal(text, expected);
    free(text);
}

static void test_write_is_invisible_until_committed(void **state) {
    const char *path = scratch_path(state, "x");
    lode_writer writer;
    lode_error error = {0};
    assert_ok(lode__file_write(path, "old", 3, &error), error);
    assert_ok(lode__writer_open(&writer, path, &error), error);
    assert_ok(lode__writer_add(&writer, "hello ", 6, &error), error);
    assert_ok(lode__writer_add(&writer, NULL, 0, &error), error);
    assert_ok(lode__writer_add(&writer, "world", 5, &error), error);
    assert_int_equal(writer.written, 11);
    assert_ok(lode__writer_patch(&writer, 6, "W", 1, &error), error);
    assert_ok(lode__writer_add(&writer, "!", 1, &error), error);
    assert_content(path, "old");
    char expected[64];
    snprintf(expected, sizeof expected, "x x.tmp.%ld", (long)getpid());
    assert_string_equal(listing(state), expected);
    assert_ok(lode__writer_commit(&writer, &error), error);
    assert_content(path, "hello World!");
    assert_string_equal(listing(state), "x");
    lode__writer_abort(&writer); // a committed writer is fine
}

static void test_abort_leaves_nothing(void **state) {
    const char *path = scratch_path(state, "x");
    lode_writer writer;
    lode_error error = {0};
    assert_ok(lode__writer_open(&writer, path, &error), error);
    assert_ok(lode__writer_add(&writer, "a", 1, &error), error);
    lode__writer_abort(&writer);
    lode__writer_abort(&writer);
    assert_string_equal(listing(state), "");
    struct stat before;
    lode_writer zero = {0};
    lode__writer_abort(&zero);
    assert_int_equal(fstat(0, &before), 0); // descriptor 0 is not the zeroed writer's
}

/// More than the buffer, in pieces of many sizes, with patches in flushed and unflushed parts.
static void test_large_writes(void **state) {
    enum { SIZE = 1500000 };
    unsigned char *bytes = malloc(SIZE);
    for (size_t i = 0; i < SIZE; i++)
        bytes[i] = (unsigned char)(i * 31 >> 3);
    const char *path = scratch_path(state, "x");
    lode_writer writer;
    lode_error error = {0};
    assert_ok(lode__writer_open(&writer, path, &error), error);
    for (size_t at = 0, piece = 1; at < SIZE; at += piece, piece = piece * 3 % 700001) {
        if (piece > SIZE - at) piece = SIZE - at;
        assert_ok(lode__writer_add(&writer, bytes + at, piece, &error), error);
        if (at + piece == SIZE) break;
    }
    assert_int_equal(writer.written, SIZE);
    static const size_t places[] = {0, 1000, 700000, SIZE - 3};
    for (size_t i = 0; i < 4; i++) {
        memcpy(bytes + places[i], "abc", 3);
        assert_ok(lode__writer_patch(&writer, places[i], "abc", 3, &error), error);
    }
    assert_ok(lode__writer_commit(&writer, &error), error);
    size_t length = 0;
    char *back = read_file(path, &length);
    assert_int_equal(length, SIZE);
    assert_memory_equal(back, bytes, SIZE);
    free(back);
    free(bytes);
}

static void test_stale_temporaries_are_removed(void **state) {
    lode_error error = {0};
    write_file(scratch_path(state, "x.tmp.1"), "", 0);        // of a crashed process
    write_file(scratch_path(state, "x.tmp.99999999"), "", 0); // of another
    write_file(scratch_path(state, "x.tmp.1a"), "", 0);       // not ours: no number
    write_file(scratch_path(state, "y.tmp.1"), "", 0);        // of another file
    write_file(scratch_path(state, "x.tmp.7"), "", 0);        // somebody is writing it
    FILE *alive = fopen(scratch_path(state, "x.tmp.7"), "r");
    assert_int_equal(flock(fileno(alive), LOCK_EX), 0);
    char own[64];
    snprintf(own, sizeof own, "x.tmp.%ld", (long)getpid()); // left by a process of our number
    write_file(scratch_path(state, own), "stale", 5);
    assert_ok(lode__file_write(scratch_path(state, "x"), "new", 3, &error), error);
    assert_content(scratch_path(state, "x"), "new");
    assert_string_equal(listing(state), "x x.tmp.1a x.tmp.7 y.tmp.1");
    fclose(alive);
}

static void test_two_writers_of_one_file(void **state) {
    lode_writer first, second;
    lode_error error = {0};
    assert_ok(lode__writer_open(&first, scratch_path(state, "x"), &error), error);
    assert_fails(lode__writer_open(&second, scratch_path(state, "x"), &error), LODE_E_EXISTS, error,
                 "already");
    lode__writer_abort(&second);
    assert_ok(lode__writer_add(&first, "1", 1, &error), error);
    assert_ok(lode__writer_commit(&first, &error), error);
    assert_string_equal(listing(state), "x");
}

/// Run in a child process, as limits cannot be lifted again. @return 0 when everything was as it should be
static int write_beyond_limit(void **state, bool at_commit) {
    const struct rlimit limit = {.rlim_cur = 300000, .rlim_max = 300000};
    static char bytes[200000];
    signal(SIGXFSZ, SIG_IGN);
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0) return 10;
    lode_writer writer;
    lode_error error = {0};
    if (lode__writer_open(&writer, scratch_path(state, "x"), &error) != LODE_OK) return 11;
    lode_status status = LODE_OK;
    for (int i = 0; i < (at_commit ? 2 : 50) && status == LODE_OK; i++) {
        status = lode__writer_add(&writer, bytes, sizeof bytes, &error);
    }
    if (at_commit) {
        if (status != LODE_OK) return 12;
        status = lode__writer_commit(&writer, &error);
    }
    lode__writer_abort(&writer);
    if (status != LODE_E_SYSTEM || error.status != status) return 13;
    if (strstr(error.message, "cannot write") == NULL || strstr(error.message, "/x") == NULL)
        return 14;
    return strstr(error.message, "File too large") == NULL ? 15 : 0;
}

static void test_disk_full(void **state) {
    for (int at_commit = 0; at_commit < 2; at_commit++) {
        write_file(scratch_path(state, "x"), "old", 3);
        const pid_t child = fork();
        if (child == 0) _exit(write_beyond_limit(state, at_commit == 1));
        int status = -1;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
        assert_string_equal(listing(state), "x");
        assert_content(scratch_path(state, "x"), "old");
    }
}

static void test_places_that_cannot_be_written(void **state) {
    lode_writer writer;
    lode_error error = {0};
    write_file(scratch_path(state, "file"), "", 0);
    assert_int_equal(mkdir(scratch_path(state, "folder"), 0777), 0);
    assert_fails(lode__writer_open(&writer, scratch_path(state, "file/x"), &error), LODE_E_SYSTEM,
                 error, "Not a directory");
    assert_fails(lode__writer_open(&writer, scratch_path(state, "none/x"), &error), LODE_E_SYSTEM,
                 error, "No such file");
    assert_fails(lode__writer_open(&writer, scratch_path(state, "folder"), &error), LODE_E_EXISTS,
                 error, "folder");
    assert_fails(lode__writer_open(&writer, scratch_path(state, "folder/"), &error), LODE_E_USAGE,
                 error, "folder");
    assert_fails(lode__writer_open(&writer, "", &error), LODE_E_USAGE, error, "");
    assert_fails(lode__writer_open(&writer, "/dev/null", &error), LODE_E_EXISTS, error, "/dev/null");
    lode__writer_abort(&writer);
    assert_string_equal(listing(state), "file folder");
    if (geteuid() != 0) {
        assert_int_equal(chmod(scratch_path(state, "folder"), 0555), 0);
        assert_fails(lode__writer_open(&writer, scratch_path(state, "folder/x"), &error),
                     LODE_E_SYSTEM, error, "Permission denied");
    }
}

/// In a child process, which is not root any more. @return 0 when everything was as it should be
static int make_in_closed(void **state) {
    lode_error error = {0};
    if (geteuid() == 0 && (setegid(65534) != 0 || seteuid(65534) != 0)) return 10;
    if (lode__folder_make(scratch_path(state, "closed/new/x"), &error) != LODE_E_SYSTEM) return 11;
    if (strstr(error.message, "Permission denied") == NULL) return 12;
    lode_writer writer;
    if (lode__writer_open(&writer, scratch_path(state, "closed/x"), &error) != LODE_E_SYSTEM)
        return 13;
    return strstr(error.message, "Permission denied") == NULL ? 14 : 0;
}

static void test_closed_folders(void **state) {
    assert_int_equal(mkdir(scratch_path(state, "closed"), 0777), 0);
    assert_int_equal(chmod(scratch_path(state, "closed"), 0555), 0);
    assert_int_equal(chmod(*state, 0755), 0);
    const pid_t child = fork();
    if (child == 0) _exit(make_in_closed(state));
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_links_are_followed(void **state) {
    lode_error error = {0};
    assert_int_equal(mkdir(scratch_path(state, "far"), 0777), 0);
    write_file(scratch_path(state, "far/target"), "old", 3);
    assert_int_equal(symlink("far/target", scratch_path(state, "x")), 0);
    assert_ok(lode__file_write(scratch_path(state, "x"), "new", 3, &error), error);
    assert_content(scratch_path(state, "far/target"), "new");
    struct stat info;
    assert_int_equal(lstat(scratch_path(state, "x"), &info), 0);
    assert_true(S_ISLNK(info.st_mode));
}

static void test_mapping(void **state) {
    lode_mapping mapping = {0};
    lode_error error = {0};
    write_file(scratch_path(state, "x"), "a\0b", 3);
    assert_ok(lode__mapping_open(&mapping, scratch_path(state, "x"), &error), error);
    assert_int_equal(mapping.size, 3);
    assert_memory_equal(mapping.data, "a\0b", 3);
    lode__mapping_close(&mapping);
    lode__mapping_close(&mapping);
    write_file(scratch_path(state, "empty"), "", 0);
    assert_ok(lode__mapping_open(&mapping, scratch_path(state, "empty"), &error), error);
    assert_int_equal(mapping.size, 0);
    assert_non_null(mapping.data);
    lode__mapping_close(&mapping);
    assert_fails(lode__mapping_open(&mapping, scratch_path(state, "none"), &error), LODE_E_MISSING,
                 error, "No such file");
    assert_fails(lode__mapping_open(&mapping, *state, &error), LODE_E_INPUT, error, "a folder");
    // A pipe that nobody writes must not stop us for ever.
    assert_int_equal(mkfifo(scratch_path(state, "pipe"), 0666), 0);
    alarm(20);
    assert_fails(lode__mapping_open(&mapping, scratch_path(state, "pipe"), &error), LODE_E_INPUT,
                 error, "pipe");
    char *text = NULL;
    size_t length = 0;
    assert_fails(lode__file_read(scratch_path(state, "pipe"), 100, &text, &length, &error),
                 LODE_E_INPUT, error, "pipe");
    alarm(0);
}

static void test_read(void **state) {
    char *text = NULL;
    size_t length = 77;
    lode_error error = {0};
    static char bytes[100000];
    memset(bytes, 'x', sizeof bytes);
    write_file(scratch_path(state, "x"), bytes, sizeof bytes);
    assert_ok(lode__file_read(scratch_path(state, "x"), sizeof bytes, &text, &length, &error), error);
    assert_int_equal(length, sizeof bytes);
    assert_memory_equal(text, bytes, sizeof bytes);
    assert_int_equal(text[length], 0);
    lode__free(text);
    text = NULL;
    assert_fails(lode__file_read(scratch_path(state, "x"), sizeof bytes - 1, &text, &length, &error),
                 LODE_E_INPUT, error, "99999");
    assert_null(text);
    write_file(scratch_path(state, "empty"), "", 0);
    assert_ok(lode__file_read(scratch_path(state, "empty"), 0, &text, &length, &error), error);
    assert_int_equal(length, 0);
    assert_string_equal(text, "");
    lode__free(text);
    assert_fails(lode__file_read(scratch_path(state, "none"), 9, &text, &length, &error),
                 LODE_E_MISSING, error, "none");
    assert_fails(lode__file_read(*state, 9, &text, &length, &error), LODE_E_INPUT, error, "folder");
    // Files whose size is not known before they are read are longer than they say.
    assert_fails(lode__file_read("/proc/self/maps", 50, &text, &length, &error), LODE_E_INPUT,
                 error, "50");
    assert_ok(lode__file_read("/proc/self/comm", 50, &text, &length, &error), error);
    assert_true(length > 0);
    lode__free(text);
}

static void test_append(void **state) {
    const char *path = scratch_path(state, "log");
    lode_error error = {0};
    assert_ok(lode__file_append(path, 0, "one\n", 4, &error), error);
    assert_ok(lode__file_append(path, 4, "two\nthree\n", 10, &error), error);
    assert_content(path, "one\ntwo\nthree\n");
    assert_ok(lode__file_append(path, 8, "x\n", 2, &error), error); // what came after is cut off
    assert_content(path, "one\ntwo\nx\n");
    assert_fails(lode__file_append(scratch_path(state, "no/log"), 0, "x", 1, &error), LODE_E_SYSTEM,
                 error, "no/log");
}

static void test_folders(void **state) {
    lode_error error = {0};
    lode_arena arena = {0};
    assert_ok(lode__folder_make(scratch_path(state, "a/b//c/"), &error), error);
    assert_true(lode__is_folder(scratch_path(state, "a/b/c")));
    assert_ok(lode__folder_make(scratch_path(state, "a/b/c"), &error), error);
    assert_ok(lode__folder_make("/", &error), error);
    write_file(scratch_path(state, "a/file"), "", 0);
    assert_fails(lode__folder_make(scratch_path(state, "a/file/d"), &error), LODE_E_EXISTS, error,
                 "not a folder");
    assert_true(lode__file_exists(scratch_path(state, "a/file")));
    assert_false(lode__is_folder(scratch_path(state, "a/file")));
    assert_false(lode__file_exists(scratch_path(state, "a/none")));
    static const char *const names[] = {"b", "a", "B", "10", "9", "\xc3\xa9"};
    for (size_t i = 0; i < 6; i++) {
        char name[16];
        snprintf(name, sizeof name, "a/b/%s", names[i]);
        write_file(scratch_path(state, name), "", 0);
    }
    static const char *const sorted[] = {"10", "9", "B", "a", "b", "c", "\xc3\xa9"};
    const char **found = NULL;
    size_t count = 0;
    assert_ok(lode__folder_list(&arena, scratch_path(state, "a/b"), &found, &count, &error), error);
    assert_int_equal(count, 7);
    for (size_t i = 0; i < 7; i++)
        assert_string_equal(found[i], sorted[i]);
    assert_ok(lode__folder_list(&arena, scratch_path(state, "a/b/c"), &found, &count, &error), error);
    assert_int_equal(count, 0);
    assert_fails(lode__folder_list(&arena, scratch_path(state, "no"), &found, &count, &error),
                 LODE_E_MISSING, error, "no");
    assert_fails(lode__folder_list(&arena, scratch_path(state, "a/file"), &found, &count, &error),
                 LODE_E_SYSTEM, error, "Not a directory");
    lode__arena_release(&arena);
}

static void test_names(void **state) {
    (void)state;
    lode_arena arena = {0};
    assert_string_equal(lode__path_join(&arena, "a", "b"), "a/b");
    assert_string_equal(lode__path_join(&arena, "a/", "b"), "a/b");
    assert_string_equal(lode__path_join(&arena, "/", "b"), "/b");
    assert_string_equal(lode__path_join(&arena, "", "b"), "b");
    assert_string_equal(lode__path_base("a/b"), "b");
    assert_string_equal(lode__path_base("b"), "b");
    assert_string_equal(lode__path_base("a/"), "");
    lode__arena_release(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        scratch_test(test_write_is_invisible_until_committed),
        scratch_test(test_abort_leaves_nothing),
        scratch_test(test_large_writes),
        scratch_test(test_stale_temporaries_are_removed),
        scratch_test(test_two_writers_of_one_file),
        scratch_test(test_disk_full),
        scratch_test(test_places_that_cannot_be_written),
        scratch_test(test_closed_folders),
        scratch_test(test_links_are_followed),
        scratch_test(test_mapping),
        scratch_test(test_read),
        scratch_test(test_append),
        scratch_test(test_folders),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
