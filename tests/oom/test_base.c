/// Every allocation of the base layer fails once.
#include "../check.h"
#include "alloc_fail.h"
#include "base/config.h"
#include "base/container.h"
#include "base/dictionary.h"
#include "base/pool.h"

static lode_status use_memory(void *cookie, lode_error *error) {
    (void)cookie;
    lode_arena arena = {0};
    void *small = lode__alloc(10, 10), *large = lode__huge_alloc(10, 1 << 20);
    uint64_t *array = NULL;
    size_t capacity = 0;
    bool fine = small != NULL && large != NULL;
    for (size_t i = 0; i < 200 && fine; i++) {
        fine = lode__arena_alloc(&arena, i % 20 == 0 ? 100000 : 1000, 1) != NULL &&
               lode__arena_printf(&arena, "%zu", i) != NULL &&
               lode__grow((void **)&array, &capacity, i + 1, sizeof *array);
        if (fine) array[i] = i;
    }
    lode__free(small);
    lode__huge_free(large, 10, 1 << 20);
    lode__free(array);
    lode__arena_release(&arena);
    return fine ? LODE_OK : lode__fail_memory(error);
}

static void test_memory(void **state) {
    (void)state;
    alloc_sweep(use_memory, NULL, 12);
}

static lode_status use_text(void *cookie, lode_error *error) {
    (void)cookie;
    lode_text text = {0};
    char *out = NULL;
    for (int i = 0; i < 1000; i++)
        lode__text_printf(&text, "%d", i);
    LODE_TRY(lode__text_take(&text, &out, error));
    assert_int_equal(strlen(out), 2890);
    lode__free(out);
    return LODE_OK;
}

static void test_text(void **state) {
    (void)state;
    alloc_sweep(use_text, NULL, 5);
}

static lode_status use_dictionary(void *cookie, lode_error *error) {
    (void)cookie;
    lode_dictionary dictionary = {0};
    lode_status status = LODE_OK;
    uint32_t index = 0, added = 0;
    for (; added < 500 && status == LODE_OK; added += status == LODE_OK) {
        char token[16];
        const int length = snprintf(token, sizeof token, "token %u", added);
        status = lode__dictionary_add(&dictionary, token, (size_t)length, &index, error);
        if (status == LODE_OK) assert_int_equal(index, added);
    }
    assert_int_equal(dictionary.count, added); // a failed addition changes nothing
    for (uint32_t i = 0; i < added; i++) {
        const char *token = lode__dictionary_token(&dictionary, i);
        lode_status again = lode__dictionary_add(&dictionary, token, strlen(token), &index, error);
        assert_int_equal(again, LODE_OK); // known tokens need no memory
        assert_int_equal(index, i);
    }
    lode__dictionary_release(&dictionary);
    return status;
}

static void test_dictionary(void **state) {
    (void)state;
    alloc_sweep(use_dictionary, NULL, 12);
}

static lode_status use_pool(void *cookie, lode_error *error) {
    (void)cookie;
    lode_pool *pool = NULL;
    LODE_TRY(lode__pool_new(&pool, 3, error));
    lode__pool_free(&pool);
    return LODE_OK;
}

static void test_pool(void **state) {
    (void)state;
    alloc_sweep(use_pool, NULL, 2);
}

/// Whatever fails, the folder holds the whole file or nothing.
static lode_status use_container(void *cookie, lode_error *error) {
    const char *path = cookie;
    lode_container_writer writer;
    lode_container container = {0};
    lode_status status = lode__container_begin(&writer, path, "TEST", 1, 2, error);
    if (status == LODE_OK) status = lode__section_write(&writer, "a", "123", 3, error);
    if (status == LODE_OK) status = lode__section_write(&writer, "b", "4", 1, error);
    if (status == LODE_OK) status = lode__container_commit(&writer, NULL, error);
    lode__container_abort(&writer);
    if (status == LODE_OK) {
        status = lode__container_open(&container, path, "TEST", 1, true, error);
        if (status == LODE_OK) assert_int_equal(container.count, 2);
        lode__container_close(&container);
    }
    unlink(path);
    return status;
}

static void test_container(void **state) {
    char path[4096];
    snprintf(path, sizeof path, "%s", scratch_path(state, "x"));
    alloc_sweep(use_container, path, 6);
    assert_int_equal(rmdir(*state), 0); // nothing was left behind
    assert_int_equal(mkdir(*state, 0700), 0);
}

static lode_status use_files(void *cookie, lode_error *error) {
    const char *folder = cookie;
    lode_arena arena = {0};
    const char **names = NULL;
    char *text = NULL;
    size_t length = 0;
    lode_status status = LODE_E_MEMORY;
    const char *path = lode__path_join(&arena, folder, "a/b");
    const char *file = lode__path_join(&arena, folder, "file");
    if (path == NULL || file == NULL) {
        (void)lode__fail_memory(error);
        goto done;
    }
    LODE_GOTO(status, lode__folder_make(path, error), done);
    LODE_GOTO(status, lode__file_write(file, "abc", 3, error), done);
    LODE_GOTO(status, lode__file_read(file, 100, &text, &length, error), done);
    LODE_GOTO(status, lode__folder_list(&arena, folder, &names, &length, error), done);
    assert_int_equal(length, 2);
done:
    lode__free(text);
    lode__arena_release(&arena);
    return status;
}

static void test_files(void **state) {
    alloc_sweep(use_files, *state, 7);
}

typedef struct options {
    const char *name;
    lode_texts fields;
    lode_ints layers;
    int64_t size;
} options;

static const lode_key option_keys[] = {
    {.name = "name", .type = LODE_KEY_TEXT, .offset = offsetof(options, name), .fallback = "run"},
    {.name = "fields", .type = LODE_KEY_TEXTS, .offset = offsetof(options, fields), .fallback = "[a, b]"},
    {.name = "layers", .type = LODE_KEY_INTS, .offset = offsetof(options, layers), .fallback = "[1, 2]"},
    {.name = "size", .type = LODE_KEY_INT, .offset = offsetof(options, size), .fallback = "1"},
    {.name = NULL},
};

/// Enough of it that the arena needs several blocks.
static lode_status use_config(void *cookie, lode_error *error) {
    const lode_text *yaml = cookie;
    lode_arena arena = {0};
    lode_node *root = NULL;
    lode_text text = {0};
    char *out = NULL;
    options read = {0};
    lode_status status;
    LODE_GOTO(status, lode__yaml_parse(&arena, yaml->data, yaml->length, "c", &root, error), done);
    LODE_GOTO(status, lode__yaml_set(&arena, root, "name=x", error), done);
    LODE_GOTO(status, lode__config_read(&arena, root, "", option_keys, NULL, &read, error), done);
    assert_string_equal(read.name, "x");
    assert_int_equal(read.fields.count, 1500);
    lode__yaml_print(&text, root);
    lode__config_write(&text, 0, option_keys, &read);
    lode__config_help(&text, "", option_keys);
    LODE_GOTO(status, lode__text_take(&text, &out, error), done);
    assert_true(strlen(out) > 10000);
done:
    lode__free(out);
    lode__text_release(&text);
    lode__arena_release(&arena);
    return status;
}

static void test_config(void **state) {
    (void)state;
    lode_text yaml = {0};
    lode__text_add(&yaml, "size: 5\nfields:\n");
    for (int i = 0; i < 1500; i++)
        lode__text_printf(&yaml, "- field-%d\n", i);
    alloc_sweep(use_config, &yaml, 10);
    lode__text_release(&yaml);
}

/// A message that cannot be completed for want of memory is still a message.
static lode_status use_wrong_config(void *cookie, lode_error *error) {
    const char *yaml = cookie;
    lode_arena arena = {0};
    lode_node *root = NULL;
    options read = {0};
    lode_status status;
    LODE_GOTO(status, lode__yaml_parse(&arena, yaml, strlen(yaml), "c", &root, error), done);
    status = lode__config_read(&arena, root, "", option_keys, NULL, &read, error);
    assert_true(status == LODE_E_CONFIG || status == LODE_E_MEMORY);
    assert_true(error->message[0] != 0);
    if (status == LODE_E_CONFIG) status = LODE_OK;
done:
    lode__arena_release(&arena);
    return status;
}

static void test_wrong_config(void **state) {
    (void)state;
    static char unknown[] = "nothing: 1\n", wrong[] = "size: x\n";
    alloc_sweep(use_wrong_config, unknown, 1);
    alloc_sweep(use_wrong_config, wrong, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memory),     cmocka_unit_test(test_text),
        cmocka_unit_test(test_dictionary), cmocka_unit_test(test_pool),
        scratch_test(test_container),      scratch_test(test_files),
        cmocka_unit_test(test_config),     cmocka_unit_test(test_wrong_config),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
