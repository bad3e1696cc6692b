/// Tokens to dense indices: open addressing with linear probing over a table of index + 1.
///
///     slots    [0 0 3 0 1 2 0 0]           a power of two, at most three quarters full
///     offsets  [0 4 7 12]                  token i lies at offsets[i] .. offsets[i + 1] - 2
///     bytes    "abc\0de\0fghi\0"
///
/// A failed addition leaves the dictionary as it was: all room is made before anything is changed, and
/// tokens that are known are found even when there is no memory.
#include "base/dictionary.h"

#include <string.h>
#include <xxhash.h>

enum { FIRST_SLOTS = 64 };

uint64_t lode__hash(const void *bytes, size_t length, uint64_t seed) {
    return XXH64(bytes, length, seed);
}

const char *lode__dictionary_token(const lode_dictionary *dictionary, uint32_t index) {
    assert(index < dictionary->count);
    return dictionary->bytes + dictionary->offsets[index];
}

static bool token_is(const lode_dictionary *dictionary, uint32_t index, const char *token,
                     size_t length) {
    const uint64_t start = dictionary->offsets[index];
    return dictionary->offsets[index + 1] - start == length + 1 &&
           (length == 0 || memcmp(dictionary->bytes + start, token, length) == 0);
}

/// Slot that holds the token, or the free one where it would go.
static size_t find_slot(const lode_dictionary *dictionary, const char *token, size_t length) {
    size_t slot = lode__hash(token, length, 0) & (dictionary->slot_count - 1);
    while (dictionary->slots[slot] != 0 &&
           !token_is(dictionary, dictionary->slots[slot] - 1, token, length)) {
        slot = (slot + 1) & (dictionary->slot_count - 1);
    }
    return slot;
}

static bool rehash(lode_dictionary *dictionary, size_t slot_count) {
    uint32_t *slots = lode__huge_alloc(slot_count, sizeof *slots);
    if (slots == NULL) return false;
    lode__huge_free(dictionary->slots, dictionary->slot_count, sizeof *slots);
    dictionary->slots = slots;
    dictionary->slot_count = slot_count;
    for (uint32_t i = 0; i < dictionary->count; i++) {
        const uint64_t start = dictionary->offsets[i];
        const size_t length = dictionary->offsets[i + 1] - start - 1;
        slots[find_slot(dictionary, dictionary->bytes + start, length)] = i + 1;
    }
    return true;
}

lode_status lode__dictionary_add(lode_dictionary *dictionary, const char *token, size_t length,
                                 uint32_t *index, lode_error *error) {
    const uint32_t known = lode__dictionary_find(dictionary, token, length);
    if (known != LODE_DICTIONARY_NONE) {
        *index = known;
        return LODE_OK;
    }
    if (dictionary->count >= LODE_DICTIONARY_NONE - 1) {
        return lode__fail(error, LODE_E_INPUT, "more than %u different tokens in one field",
                          dictionary->count);
    }
    if (length >= SIZE_MAX / 2 - dictionary->byte_count ||
        !lode__grow((void **)&dictionary->bytes, &dictionary->byte_capacity,
                    dictionary->byte_count + length + 1, 1) ||
        !lode__grow((void **)&dictionary->offsets, &dictionary->offset_capacity,
                    (size_t)dictionary->count + 2, sizeof *dictionary->offsets) ||
        ((size_t)dictionary->count + 1 > dictionary->slot_count / 4 * 3 &&
         !rehash(dictionary, LODE_MAX(dictionary->slot_count * 2, (size_t)FIRST_SLOTS)))) {
        return lode__fail_memory(error);
    }
    if (dictionary->count == 0) dictionary->offsets[0] = 0;
    if (length > 0) memcpy(dictionary->bytes + dictionary->byte_count, token, length);
    dictionary->bytes[dictionary->byte_count + length] = 0;
    dictionary->byte_count += length + 1;
    dictionary->slots[find_slot(dictionary, token, length)] = dictionary->count + 1;
    *index = dictionary->count++;
    dictionary->offsets[dictionary->count] = dictionary->byte_count;
    return LODE_OK;
}

uint32_t lode__dictionary_find(const lode_dictionary *dictionary, const char *token, size_t length) {
    if (dictionary->slot_count == 0) return LODE_DICTIONARY_NONE;
    const uint32_t found = dictionary->slots[find_slot(dictionary, token, length)];
    return found == 0 ? LODE_DICTIONARY_NONE : found - 1;
}

void lode__dictionary_release(lode_dictionary *dictionary) {
    lode__free(dictionary->bytes);
    lode__free(dictionary->offsets);
    lode__huge_free(dictionary->slots, dictionary->slot_count, sizeof *dictionary->slots);
    *dictionary = (lode_dictionary){0};
}
