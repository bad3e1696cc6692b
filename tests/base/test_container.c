#include "base/container.h"

#include "../check.h"
#include "base/dictionary.h"

/// Three sections: 5 numbers, nothing, and 1 MB in pieces.
static uint64_t sample_write(const char *path) {
    static const uint32_t numbers[5] = {1, 2, 3, 4, 5};
    static unsigned char bytes[1000000];
    lode_container_writer writer;
    lode_error error = {0};
    uint64_t fingerprint = 0;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)(i * 7 >> 2);
    assert_ok(lode__container_begin(&writer, path, "TEST", 2, 5, &error), error);
    assert_ok(lode__section_write(&writer, "numbers", numbers, sizeof numbers, &error), error);
    assert_ok(lode__section_write(&writer, "nothing", NULL, 0, &error), error);
    assert_ok(lode__section_begin(&writer, "a/bytes/39-characters-are-the-most-5678", &error), error);
    for (size_t i = 0; i < sizeof bytes; i += 1000) {
        assert_ok(lode__section_add(&writer, bytes + i, 1000, &error), error);
    }
    assert_ok(lode__section_end(&writer, &error), error);
    assert_ok(lode__container_commit(&writer, &fingerprint, &error), error);
    lode__container_abort(&writer);
    return fingerprint;
}

static void test_round_trip(void **state) {
    const char *path = scratch_path(state, "x");
    const uint64_t fingerprint = sample_write(path);
    lode_container container;
    lode_error error = {0};
    assert_ok(lode__container_open(&container, path, "TEST", 3, true, &error), error);
    assert_int_equal(container.count, 3);
    assert_true(lode__container_fingerprint(&container) == fingerprint);
    const void *data = NULL;
    assert_ok(lode__container_array(&container, "numbers", 4, 5, &data, &error), error);
    assert_int_equal(((const uint32_t *)data)[4], 5);
    assert_ok(lode__container_array(&container, "nothing", 8, 0, &data, &error), error);
    const lode_section *section =
        lode__container_find(&container, "a/bytes/39-characters-are-the-most-5678");
    assert_non_null(section);
    assert_int_equal(section->size, 1000000);
    assert_int_equal(((const unsigned char *)section->data)[999999], (999999 * 7 >> 2) & 255);
    assert_true(section->checksum == lode__hash(section->data, section->size, 0));
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal((uintptr_t)container.sections[i].data % 64, 0);
    }
    assert_null(lode__container_find(&container, "none"));
    assert_fails(lode__container_array(&container, "none", 4, 5, &data, &error), LODE_E_FORMAT,
                 error, "none is missing");
    assert_fails(lode__container_array(&container, "numbers", 4, 6, &data, &error), LODE_E_FORMAT,
                 error, "20 bytes");
    assert_fails(lode__container_array(&container, "numbers", 4, UINT64_MAX / 2, &data, &error),
                 LODE_E_FORMAT, error, "numbers");
    // 20 modulo 2^64
    assert_fails(
        lode__container_array(&container, "numbers", 4, (UINT64_C(1) << 62) + 5, &data, &error),
        LODE_E_FORMAT, error, "numbers");
    lode__container_close(&container);
    lode__container_close(&container);
}

/// The bytes of the format as the header describes it, put together by hand.
static void test_layout(void **state) {
    unsigned char file[192] = "LODETEST";
    file[8] = 1;                 // version
    file[12] = 1;                // sections
    file[16] = 131;              // size of the file
    memcpy(file + 32, "abc", 3); // the table
    file[72] = 128;              // offset
    file[80] = 3;                // size
    const uint64_t content = lode__hash("xyz", 3, 0);
    memcpy(file + 88, &content, 8);
    unsigned char summed[24 + 64];
    memcpy(summed, file, 24);
    memcpy(summed + 24, file + 32, 64);
    const uint64_t table = lode__hash(summed, sizeof summed, 0);
    memcpy(file + 24, &table, 8);
    memcpy(file + 128, "xyz", 3);
    lode_container_writer writer;
    lode_error error = {0};
    const char *path = scratch_path(state, "x");
    assert_ok(lode__container_begin(&writer, path, "TEST", 1, 1, &error), error);
    assert_ok(lode__section_write(&writer, "abc", "xyz", 3, &error), error);
    assert_ok(lode__container_commit(&writer, NULL, &error), error);
    size_t length = 0;
    char *written = read_file(path, &length);
    assert_int_equal(length, 131);
    assert_memory_equal(written, file, 131);
    free(written);
}

static lode_status open_bytes(void **state, const char *bytes, size_t length, bool verify,
                              lode_error *error) {
    const char *path = scratch_path(state, "changed");
    lode_container container;
    write_file(path, bytes, length);
    const lode_status status = lode__container_open(&container, path, "TEST", 2, verify, error);
    lode__container_close(&container);
    return status;
}

static void test_damage_is_found(void **state) {
    lode_error error = {0};
    const char *path = scratch_path(state, "x");
    lode_container_writer writer;
    assert_ok(lode__container_begin(&writer, path, "TEST", 1, 2, &error), error);
    assert_ok(lode__section_write(&writer, "abc", "xyz", 3, &error), error);
    assert_ok(lode__section_write(&writer, "def", "12345", 5, &error), error);
    assert_ok(lode__container_commit(&writer, NULL, &error), error);
    size_t length = 0;
    char *bytes = read_file(path, &length);
    assert_ok(open_bytes(state, bytes, length, true, &error), error);
    // Every byte counts when all is verified; else those of the header and the table.
    const size_t table_end = 32 + 2 * 64;
    for (size_t at = 0; at < length; at++) {
        bytes[at] ^= 0x10;
        const lode_status careful = open_bytes(state, bytes, length, true, &error);
        const lode_status quick = open_bytes(state, bytes, length, false, &error);
        assert_int_equal(careful, LODE_E_FORMAT);
        assert_int_equal(quick, at >= table_end ? LODE_OK : LODE_E_FORMAT);
        bytes[at] ^= 0x10;
    }
    for (size_t cut = 0; cut < length; cut++) {
        assert_int_equal(open_bytes(state, bytes, cut, true, &error), LODE_E_FORMAT);
    }
    char longer[300] = {0};
    memcpy(longer, bytes, length);
    assert_fails(open_bytes(state, longer, length + 1, true, &error), LODE_E_FORMAT, error, "cut");
    free(bytes);
}

/// A table whose checksum is right and whose content is not.
static lode_status open_forged(void **state, size_t at, uint64_t value, uint32_t sections,
                               lode_error *error) {
    unsigned char file[256] = "LODETEST";
    const uint64_t size = sizeof file, offset = 192, bytes = 3;
    file[8] = 1;
    memcpy(file + 12, &sections, 4);
    memcpy(file + 16, &size, 8);
    for (size_t entry = 32; entry < 160; entry += 64) {
        memcpy(file + entry, "abc", 3);
        memcpy(file + entry + 40, &offset, 8);
        memcpy(file + entry + 48, &bytes, 8);
    }
    if (at == 32) {
        memset(file + 32, 'n', 40); // a name without an end
    } else {
        memcpy(file + at, &value, 8);
    }
    unsigned char summed[24 + 128];
    memcpy(summed, file, 24);
    memcpy(summed + 24, file + 32, 128);
    const uint64_t table = lode__hash(summed, 24 + 64 * LODE_MIN(sections, 2), 0);
    memcpy(file + 24, &table, 8);
    return open_bytes(state, (const char *)file, sizeof file, false, error);
}

static void test_forged_tables(void **state) {
    lode_error error = {0};
    assert_ok(open_forged(state, 72, 192, 2, &error), error);
    static const struct {
        size_t at;
        uint64_t value;
    } wrong[] = {{32, 0},
                 {72, 0},
                 {72, 64},
                 {72, 200},
                 {72, 256 + 64},
                 {72, UINT64_MAX},
                 {72, UINT64_MAX - 63},
                 {80, 65},
                 {80, UINT64_MAX},
                 {80, UINT64_MAX - 191},
                 {136, 1 << 20},
                 {144, 1 << 20}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_fails(open_forged(state, wrong[i].at, wrong[i].value, 2, &error), LODE_E_FORMAT,
                     error, "damaged");
    }
    static const uint32_t many[] = {4, 5000, 1 << 26, UINT32_MAX};
    for (size_t i = 0; i < 4; i++) {
        assert_fails(open_forged(state, 72, 192, many[i], &error), LODE_E_FORMAT, error, "damaged");
    }
}

static void test_other_files(void **state) {
    lode_container container;
    lode_error error = {0};
    const char *path = scratch_path(state, "x");
    sample_write(path);
    assert_fails(lode__container_open(&container, path, "DATA", 2, false, &error), LODE_E_FORMAT,
                 error, "kind TEST: expected DATA");
    assert_fails(lode__container_open(&container, path, "TEST", 1, false, &error), LODE_E_FORMAT,
                 error, "version 2");
    assert_fails(lode__container_open(&container, scratch_path(state, "no"), "TEST", 1, false, &error),
                 LODE_E_MISSING, error, "no");
    assert_fails(open_bytes(state, "user,item\n1,2\n", 14, false, &error), LODE_E_FORMAT, error,
                 "not a lodestone file");
    assert_fails(open_bytes(state, "", 0, false, &error), LODE_E_FORMAT, error, "not a lodestone");
}

static void test_fingerprint_follows_content(void **state) {
    static const char *const names[] = {"a", "a", "b"}, *const contents[] = {"x", "y", "x"};
    uint64_t fingerprints[3];
    for (size_t i = 0; i < 3; i++) {
        lode_container_writer writer;
        lode_error error = {0};
        assert_ok(lode__container_begin(&writer, scratch_path(state, "x"), "TEST", 1, 1, &error),
                  error);
        assert_ok(lode__section_write(&writer, names[i], contents[i], 1, &error), error);
        assert_ok(lode__container_commit(&writer, &fingerprints[i], &error), error);
    }
    assert_true(fingerprints[0] != fingerprints[1] && fingerprints[0] != fingerprints[2] &&
                fingerprints[1] != fingerprints[2]);
}

static void test_abort_leaves_nothing(void **state) {
    lode_container_writer writer;
    lode_error error = {0};
    assert_ok(lode__container_begin(&writer, scratch_path(state, "x"), "TEST", 1, 1, &error), error);
    assert_ok(lode__section_begin(&writer, "a", &error), error);
    lode__container_abort(&writer);
    lode__container_abort(&writer);
    assert_fails(lode__container_begin(&writer, scratch_path(state, "no/x"), "TEST", 1, 1, &error),
                 LODE_E_SYSTEM, error, "no/x");
    assert_int_equal(rmdir(*state), 0); // empty
    assert_int_equal(mkdir(*state, 0700), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        scratch_test(test_round_trip),           scratch_test(test_layout),
        scratch_test(test_damage_is_found),      scratch_test(test_forged_tables),
        scratch_test(test_other_files),          scratch_test(test_fingerprint_follows_content),
        scratch_test(test_abort_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
