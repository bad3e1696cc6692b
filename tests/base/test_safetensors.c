#include "base/safetensors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/lode-safetensors-XXXXXX";
static char path[64];

static const float weight[6] = {1.0F, -2.5F, 3.0F, 0.0F, 1e30F, -0.0F};
static const double exact[2] = {0.1, -1e300};
static const int32_t small[3] = {1, -2, 2147483647};
static const int64_t large[1] = {INT64_MIN};
static const uint8_t bytes[5] = {0, 255, 7, 1, 2};

static const lode_tensor_view tensors[] = {
    {"weight", LODE_DTYPE_F32, 2, {2, 3}, weight, sizeof weight},
    {"bytes", LODE_DTYPE_U8, 1, {5}, bytes, sizeof bytes},
    {"quote \" and \\ and \n and \xc3\xa9", LODE_DTYPE_I32, 3, {1, 3, 1}, small, sizeof small},
    {"exact", LODE_DTYPE_F64, 1, {2}, exact, sizeof exact},
    {"scalar", LODE_DTYPE_I64, 0, {0}, large, sizeof large},
    {"empty", LODE_DTYPE_F32, 2, {0, 7}, weight, 0},
};
enum { TENSORS = sizeof tensors / sizeof *tensors };
static const char *const metadata[] = {"kind", "model", "notes \"", "two\nlines"};

static int folder_make(void **state) {
    (void)state;
    if (mkdtemp(folder) == NULL) return -1;
    (void)snprintf(path, sizeof path, "%s/file", folder);
    return 0;
}

static int folder_remove(void **state) {
    (void)state;
    (void)unlink(path);
    return rmdir(folder); // fails when a temporary file was left behind
}

static void file_put(const void *data, size_t length) {
    lode_error error = {0};
    if (lode__file_write(path, data, length, &error) != LODE_OK) {
        fail_msg("%s", error.message);
    }
}

static char *file_get(size_t *length) {
    char *data = NULL;
    lode_error error = {0};
    if (lode__file_read(path, 1 << 20, &data, length, &error) != LODE_OK) {
        fail_msg("%s", error.message);
    }
    return data;
}

static void file_write(void) {
    lode_error error = {0};
    if (lode__safetensors_write(path, tensors, TENSORS, metadata, 2, &error) != LODE_OK) {
        fail_msg("%s", error.message);
    }
}

static void expect_tensors(const lode_safetensors *file) {
    assert_int_equal(file->count, TENSORS);
    for (size_t i = 0; i < TENSORS; i++) {
        const lode_tensor_view *view = lode__safetensors_find(file, tensors[i].name);
        assert_non_null(view);
        assert_int_equal(view->dtype, tensors[i].dtype);
        assert_int_equal(view->rank, tensors[i].rank);
        for (size_t j = 0; j < view->rank; j++) {
            assert_int_equal(view->shape[j], tensors[i].shape[j]);
        }
        assert_int_equal(view->bytes, tensors[i].bytes);
        assert_memory_equal(view->data, tensors[i].data, view->bytes);
    }
    assert_string_equal(lode__safetensors_metadata(file, "kind"), "model");
    assert_string_equal(lode__safetensors_metadata(file, "notes \""), "two\nlines");
}

/// One line that names the file.
static void expect_message(const lode_error *error) {
    assert_int_equal(error->status, LODE_E_FORMAT);
    if (strstr(error->message, path) == NULL || strchr(error->message, '\n') != NULL) {
        fail_msg("not a clear message: '%s'", error->message);
    }
}

static void test_round_trip(void **state) {
    (void)state;
    file_write();
    lode_safetensors file;
    lode_error error = {0};
    if (lode__safetensors_open(&file, path, &error) != LODE_OK) {
        fail_msg("%s", error.message);
    }
    expect_tensors(&file);
    assert_int_equal(file.metadata_count, 2);
    assert_null(lode__safetensors_find(&file, "absent"));
    assert_null(lode__safetensors_metadata(&file, "absent"));
    for (size_t i = 0; i < file.count; i++) {
        const size_t element = file.tensors[i].dtype == LODE_DTYPE_U8 ? 1 : 4;
        assert_int_equal((uintptr_t)file.tensors[i].data % element, 0);
    }
    size_t length;
    char *first = file_get(&length);
    uint64_t header;
    memcpy(&header, first, sizeof header);
    assert_int_equal((header + sizeof header) % 64, 0);
    lode__free(first);
    lode__safetensors_close(&file);
}

static void test_same_bytes(void **state) {
    (void)state;
    size_t length, again_length;
    file_write();
    char *first = file_get(&length);
    file_write();
    char *again = file_get(&again_length);
    assert_int_equal(length, again_length);
    assert_memory_equal(first, again, length);
    lode__free(first);
    lode__free(again);
}

static void test_nothing_in_it(void **state) {
    (void)state;
    lode_safetensors file;
    lode_error error = {0};
    assert_int_equal(lode__safetensors_write(path, NULL, 0, NULL, 0, &error), LODE_OK);
    assert_int_equal(lode__safetensors_open(&file, path, &error), LODE_OK);
    assert_int_equal(file.count, 0);
    assert_int_equal(file.metadata_count, 0);
    lode__safetensors_close(&file);
}

static void test_order_is_kept(void **state) {
    (void)state;
    static const lode_tensor_view list[] = {{"b", LODE_DTYPE_F32, 1, {1}, weight, 4},
                                            {"a", LODE_DTYPE_F32, 1, {1}, weight, 4},
                                            {"c", LODE_DTYPE_I32, 1, {1}, small, 4}};
    lode_safetensors file;
    lode_error error = {0};
    assert_int_equal(lode__safetensors_write(path, list, 3, NULL, 0, &error), LODE_OK);
    assert_int_equal(lode__safetensors_open(&file, path, &error), LODE_OK);
    assert_string_equal(file.tensors[0].name, "b");
    assert_string_equal(file.tensors[1].name, "a");
    assert_string_equal(file.tensors[2].name, "c");
    lode__safetensors_close(&file);
}

static void expect_write_refused(const lode_tensor_view *list, size_t count,
                                 const char *const *pairs, size_t pair_count) {
    lode_error error = {0};
    (void)unlink(path);
    assert_int_equal(lode__safetensors_write(path, list, count, pairs, pair_count, &error),
                     LODE_E_USAGE);
    assert_non_null(strstr(error.message, "cannot write"));
    assert_false(lode__file_exists(path));
}

static void test_write_refuses(void **state) {
    (void)state;
    static const lode_tensor_view twice[] = {{"a", LODE_DTYPE_F32, 1, {1}, weight, 4},
                                             {"a", LODE_DTYPE_F32, 1, {1}, weight, 4}};
    static const lode_tensor_view reserved = {"__metadata__", LODE_DTYPE_F32, 1, {1}, weight, 4};
    static const lode_tensor_view latin = {"caf\xe9", LODE_DTYPE_F32, 1, {1}, weight, 4};
    static const char *const pairs[] = {"k", "1", "k", "2"};
    static const char *const checksum[] = {"xxh64", "1"};
    static const char *const odd[] = {"k", "\xff"};
    expect_write_refused(twice, 2, NULL, 0);
    expect_write_refused(&reserved, 1, NULL, 0);
    expect_write_refused(&latin, 1, NULL, 0);
    expect_write_refused(twice, 1, pairs, 2);
    expect_write_refused(twice, 1, checksum, 1);
    expect_write_refused(twice, 1, odd, 1);
}

static void test_missing(void **state) {
    (void)state;
    lode_safetensors file;
    lode_error error = {0};
    (void)unlink(path);
    assert_int_equal(lode__safetensors_open(&file, path, &error), LODE_E_MISSING);
    lode__safetensors_close(&file); // harmless after a failure
}

static void test_cut_at_every_length(void **state) {
    (void)state;
    size_t length;
    file_write();
    char *whole = file_get(&length);
    for (size_t cut = 0; cut < length; cut++) {
        lode_safetensors file;
        lode_error error = {0};
        file_put(whole, cut);
        if (lode__safetensors_open(&file, path, &error) != LODE_E_FORMAT) {
            fail_msg("cut to %zu bytes: accepted", cut);
        }
        expect_message(&error);
    }
    lode__free(whole);
}

/// A flipped bit is noticed or changed nothing that a reader sees.
static void test_every_bit_flipped(void **state) {
    (void)state;
    size_t length, accepted = 0;
    file_write();
    char *whole = file_get(&length);
    for (size_t bit = 0; bit < 8 * length; bit++) {
        lode_safetensors file;
        lode_error error = {0};
        whole[bit / 8] = (char)(whole[bit / 8] ^ 1 << bit % 8);
        FILE *raw = fopen(path, "w"); // not the atomic writer: thousands of syncs take long
        assert_non_null(raw);
        assert_int_equal(fwrite(whole, 1, length, raw), length);
        assert_int_equal(fclose(raw), 0);
        const lode_status status = lode__safetensors_open(&file, path, &error);
        if (status == LODE_OK) {
            expect_tensors(&file);
            accepted++;
        } else {
            expect_message(&error);
        }
        lode__safetensors_close(&file);
        whole[bit / 8] = (char)(whole[bit / 8] ^ 1 << bit % 8);
    }
    // Padding (a space, a tab and a newline differ by bits) and the checksum's own key.
    assert_true(accepted < 64 * 8);
    lode__free(whole);
}

/// A file by hand: a header and `size` zero bytes.
static void file_put_header(const char *header, size_t size) {
    char buffer[1024] = {0};
    const uint64_t length = strlen(header);
    assert_true(length + size + 8 < sizeof buffer);
    memcpy(buffer, &length, sizeof length);
    memcpy(buffer + 8, header, length);
    file_put(buffer, 8 + length + size);
}

// Headers are padded by hand so that data is aligned where that is not the point.
static const struct {
    const char *header;
    size_t size;
    const char *piece; ///< of the message; NULL: the file is fine
} by_hand[] = {
    {"{}", 0, NULL},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}  ", 8, NULL},
    {"{\"a\":{\"shape\":[],\"data_offsets\":[0,1],\"dtype\":\"U8\"}}", 1, NULL},
    {"", 0, "JSON"},
    {"[]", 0, "JSON"},
    {"7", 0, "JSON"},
    {"{}{}", 0, "JSON"},
    {"{\"a\":}", 0, "JSON"},
    {"{\"a\\u0000b\":1}", 0, "JSON"},
    {"{\"\xff\":1}", 0, "JSON"},
    {"{\"a\":1}", 0, "entry"},
    {"{\"a\":{}}", 0, "entry"},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[0,1],\"more\":1}}", 1, "entry"},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"offsets\":[0,1]}}", 1, "data_offsets"},
    {"{\"a\":{\"dtype\":8,\"shape\":[1],\"data_offsets\":[0,1]}}", 1, "dtype"},
    {"{\"a\":{\"dtype\":\"BF16\",\"shape\":[1],\"data_offsets\":[0,2]}}", 2, "BF16"},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":1,\"data_offsets\":[0,1]}}", 1, "shape"},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1,1,1,1,1],\"data_offsets\":[0,1]}}", 1, "shape"},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[-1],\"data_offsets\":[0,1]}}", 1, "whole number"},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1.0],\"data_offsets\":[0,1]}}", 1, "whole number"},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[99999999999999999999],\"data_offsets\":[0,1]}}", 1, "JSON"},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,1]}}", 1, "does not fit"},
    {"{\"a\":{\"dtype\":\"F64\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8, "does not fit"},
    // 2^62 elements of 4 bytes, and 2^32 x 2^32, are 0 bytes when multiplied without care
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904],\"data_offsets\":[0,0]}}", 0,
     "does not fit"},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,0]}}", 0,
     "does not fit"},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0]}}", 1, "data_offsets"},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[-1,0]}}", 1, "data_offsets"},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,0]}}", 1, "bytes 1 to 0"},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,2]}}", 1, "bytes 1 to 2 of 1"},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[9223372036854775806,"
     "9223372036854775807]}}",
     1, "of 1"},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,2]}}", 2, "hole"},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 2, "end at byte 1 of 2"},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},"
     "\"b\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[1,3]}}",
     3, "overlap"},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},"
     "\"b\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]}}",
     2, "overlap"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "aligned"},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]},"
     "\"a\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}",
     0, "JSON"},
    {"{\"a\":{\"dtype\":\"U8\",\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}", 0, "JSON"},
    {"{\"__metadata__\":[]}", 0, "no map"},
    {"{\"__metadata__\":{\"a\":1}}", 0, "no text"},
    {"{\"__metadata__\":{\"xxh64\":\"0000000000000001\"}}", 0, "checksum"},
    {"{\"__metadata__\":{\"xxh64\":\"\"}}", 0, "checksum"},
    {"{\"__metadata__\":{\"xxh64\":\"0000000000000000\"}}", 0, NULL},
};

static void test_hostile_headers(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof by_hand / sizeof *by_hand; i++) {
        lode_safetensors file;
        lode_error error = {0};
        file_put_header(by_hand[i].header, by_hand[i].size);
        const lode_status status = lode__safetensors_open(&file, path, &error);
        if (by_hand[i].piece == NULL && status != LODE_OK) {
            fail_msg("%s was refused: %s", by_hand[i].header, error.message);
        }
        if (by_hand[i].piece != NULL) {
            if (status == LODE_OK || strstr(error.message, by_hand[i].piece) == NULL) {
                fail_msg("%s gave: %s", by_hand[i].header, error.message);
            }
            expect_message(&error);
        }
        lode__safetensors_close(&file);
    }
}

static void test_hostile_lengths(void **state) {
    (void)state;
    static const uint64_t lengths[] = {3, 1000, UINT32_MAX, INT64_MAX, UINT64_MAX - 7, UINT64_MAX};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        char buffer[10] = "........{}";
        memcpy(buffer, &lengths[i], sizeof lengths[i]);
        file_put(buffer, sizeof buffer);
        lode_safetensors file;
        lode_error error = {0};
        assert_int_equal(lode__safetensors_open(&file, path, &error), LODE_E_FORMAT);
        expect_message(&error);
    }
}

static void test_deep_json(void **state) {
    (void)state;
    enum { DEPTH = 1 << 20 };
    char *buffer = lode__alloc(DEPTH + 8, 1);
    const uint64_t length = DEPTH;
    memcpy(buffer, &length, sizeof length);
    memset(buffer + 8, '[', DEPTH);
    memcpy(buffer + 8, "{\"a\":", 5);
    file_put(buffer, DEPTH + 8);
    lode_safetensors file;
    lode_error error = {0};
    assert_int_equal(lode__safetensors_open(&file, path, &error), LODE_E_FORMAT);
    expect_message(&error);
    lode__free(buffer);
}

static void test_npy(void **state) {
    (void)state;
    static const char text[] = "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }";
    lode_npy_writer writer;
    lode_error error = {0};
    assert_int_equal(lode__npy_begin(&writer, path, 3, 2, &error), LODE_OK);
    assert_int_equal(lode__npy_add(&writer, weight, 1, &error), LODE_OK);
    assert_int_equal(lode__npy_add(&writer, weight + 2, 2, &error), LODE_OK);
    assert_int_equal(lode__npy_commit(&writer, &error), LODE_OK);
    size_t length;
    char *file = file_get(&length);
    assert_memory_equal(file, "\x93NUMPY\x01\x00", 8);
    const size_t header = 10 + (size_t)(unsigned char)file[8] + 256 * (size_t)(unsigned char)file[9];
    assert_int_equal(header % 64, 0);
    assert_int_equal(length, header + sizeof weight);
    assert_memory_equal(file + 10, text, sizeof text - 1);
    for (size_t i = 10 + sizeof text - 1; i < header - 1; i++)
        assert_int_equal(file[i], ' ');
    assert_int_equal(file[header - 1], '\n');
    assert_memory_equal(file + header, weight, sizeof weight);
    lode__free(file);
}

static void test_npy_counts_rows(void **state) {
    (void)state;
    lode_npy_writer writer;
    lode_error error = {0};
    (void)unlink(path);
    assert_int_equal(lode__npy_begin(&writer, path, 3, 2, &error), LODE_OK);
    assert_int_equal(lode__npy_add(&writer, weight, 2, &error), LODE_OK);
    assert_int_equal(lode__npy_add(&writer, weight, 2, &error), LODE_E_USAGE);
    assert_int_equal(lode__npy_commit(&writer, &error), LODE_E_USAGE);
    assert_non_null(strstr(error.message, "2 rows"));
    assert_false(lode__file_exists(path));
    lode__npy_abort(&writer); // harmless after commit
    assert_int_equal(lode__npy_begin(&writer, path, UINT64_MAX / 4, 2, &error), LODE_E_USAGE);
    lode__npy_abort(&writer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),          cmocka_unit_test(test_same_bytes),
        cmocka_unit_test(test_nothing_in_it),       cmocka_unit_test(test_order_is_kept),
        cmocka_unit_test(test_write_refuses),       cmocka_unit_test(test_missing),
        cmocka_unit_test(test_cut_at_every_length), cmocka_unit_test(test_every_bit_flipped),
        cmocka_unit_test(test_hostile_headers),     cmocka_unit_test(test_hostile_lengths),
        cmocka_unit_test(test_deep_json),           cmocka_unit_test(test_npy),
        cmocka_unit_test(test_npy_counts_rows),
    };
    return cmocka_run_group_tests(tests, folder_make, folder_remove);
}
