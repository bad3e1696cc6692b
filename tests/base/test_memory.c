#include "base/memory.h"

#include "../check.h"

static bool is_zero(const void *memory, size_t length) {
    const unsigned char *bytes = memory;
    for (size_t i = 0; i < length; i++) {
        if (bytes[i] != 0) return false;
    }
    return true;
}

static void test_sizes_that_overflow_are_refused(void **state) {
    (void)state;
    size_t out = 0;
    assert_true(lode__size_mul(3, 5, &out));
    assert_int_equal(out, 15);
    assert_true(lode__size_mul(SIZE_MAX, 1, &out));
    assert_false(lode__size_mul(SIZE_MAX / 2 + 1, 2, &out));
    assert_true(out == SIZE_MAX);
    static const size_t large[][2] = {
        {SIZE_MAX, 2}, {SIZE_MAX, 1}, {SIZE_MAX / 2 + 1, 1}, {SIZE_MAX / 8 + 1, 8}};
    for (size_t i = 0; i < sizeof large / sizeof *large; i++) {
        lode_arena arena = {0};
        assert_null(lode__alloc(large[i][0], large[i][1]));
        assert_null(lode__huge_alloc(large[i][0], large[i][1]));
        assert_null(lode__arena_alloc(&arena, large[i][0], large[i][1]));
        lode__arena_release(&arena);
    }
    lode_arena arena = {0};
    assert_null(lode__arena_strndup(&arena, "x", SIZE_MAX));
    lode__arena_release(&arena);
}

static void test_alloc_gives_zeros(void **state) {
    (void)state;
    unsigned char *memory = lode__alloc(1000, 3);
    assert_non_null(memory);
    assert_true(is_zero(memory, 3000));
    memset(memory, 1, 3000);
    lode__free(memory);
    memory = lode__alloc(0, 8);
    assert_non_null(memory);
    lode__free(memory);
    lode__free(NULL);
    char *copy = lode__strdup("abc");
    assert_string_equal(copy, "abc");
    lode_text_free(&copy);
    assert_null(copy);
    lode_text_free(&copy);
    lode_text_free(NULL);
}

static void test_grow(void **state) {
    (void)state;
    uint32_t *array = NULL;
    size_t capacity = 0;
    for (uint32_t i = 0; i < 1000; i++) {
        assert_true(lode__grow((void **)&array, &capacity, i + 1, sizeof *array));
        assert_true(capacity > i);
        assert_int_equal(array[i], 0); // what was grown is zeroed
        array[i] = i + 1;
    }
    assert_true(capacity <= 2000); // doubled, not more
    for (uint32_t i = 0; i < 1000; i++)
        assert_int_equal(array[i], i + 1);
    const size_t before = capacity;
    uint32_t *const same = array;
    assert_false(lode__grow((void **)&array, &capacity, SIZE_MAX, sizeof *array));
    assert_false(lode__grow((void **)&array, &capacity, SIZE_MAX / 4, sizeof *array));
    assert_ptr_equal(array, same);
    assert_int_equal(capacity, before);
    assert_int_equal(array[999], 1000);
    lode__free(array);
}

static void test_huge(void **state) {
    (void)state;
    static const size_t sizes[] = {0, 1, 64, 100000, 4 << 20, (4 << 20) + 1, 9 << 20};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        unsigned char *memory = lode__huge_alloc(sizes[i], 1);
        assert_non_null(memory);
        const size_t alignment = sizes[i] > 4 << 20 ? (size_t)2 << 20 : LODE_CACHE_LINE;
        assert_int_equal((uintptr_t)memory % alignment, 0);
        assert_true(is_zero(memory, sizes[i]));
        memset(memory, 0xAB, sizes[i]);
        lode__huge_free(memory, sizes[i], 1);
    }
    lode__huge_free(NULL, 5, 5);
}

static void test_arena(void **state) {
    (void)state;
    enum { PIECES = 3000 };
    static unsigned char *pieces[PIECES];
    static size_t lengths[PIECES];
    lode_arena arena = {0};
    size_t sum = 0;
    for (size_t i = 0; i < PIECES; i++) {
        lengths[i] = i % 50 == 49 ? 200000 : (i * 37) % 700;
        pieces[i] = lode__arena_alloc(&arena, lengths[i], 1);
        assert_non_null(pieces[i]);
        assert_int_equal((uintptr_t)pieces[i] % LODE_CACHE_LINE, 0);
        assert_true(is_zero(pieces[i], lengths[i]));
        memset(pieces[i], (int)(i % 255) + 1, lengths[i]);
        sum += lengths[i];
    }
    for (size_t i = 0; i < PIECES; i++) { // no two pieces overlap
        for (size_t k = 0; k < lengths[i]; k++)
            assert_int_equal(pieces[i][k], i % 255 + 1);
    }
    assert_true(arena.bytes >= sum && arena.bytes <= sum + (size_t)PIECES * LODE_CACHE_LINE);
    lode__arena_release(&arena);
    assert_null(arena.last);
    assert_int_equal(arena.bytes, 0);
    assert_non_null(lode__arena_alloc(&arena, 1, 1)); // usable again
    lode__arena_release(&arena);
    lode__arena_release(&arena);
}

/// A large piece gets a block of its own; what is free in the newest block stays in use.
static void test_arena_keeps_the_free_part(void **state) {
    (void)state;
    lode_arena arena = {0};
    const unsigned char *first = lode__arena_alloc(&arena, 64, 1);
    assert_non_null(lode__arena_alloc(&arena, 1 << 20, 1));
    const unsigned char *second = lode__arena_alloc(&arena, 64, 1);
    assert_ptr_equal(second, first + 64);
    lode__arena_release(&arena);
}

static void test_arena_texts(void **state) {
    (void)state;
    lode_arena arena = {0};
    assert_string_equal(lode__arena_strdup(&arena, "abc"), "abc");
    assert_string_equal(lode__arena_strndup(&arena, "abcdef", 2), "ab");
    assert_string_equal(lode__arena_strndup(&arena, NULL, 0), "");
    assert_string_equal(lode__arena_printf(&arena, "%d-%s", 5, "x"), "5-x");
    assert_string_equal(lode__arena_printf(&arena, "%s", ""), "");
    lode__arena_release(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes_that_overflow_are_refused),
        cmocka_unit_test(test_alloc_gives_zeros),
        cmocka_unit_test(test_grow),
        cmocka_unit_test(test_huge),
        cmocka_unit_test(test_arena),
        cmocka_unit_test(test_arena_keeps_the_free_part),
        cmocka_unit_test(test_arena_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
