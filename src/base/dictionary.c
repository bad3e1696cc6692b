/// Tokens to dense indices: open addressing with linear probing.
///
///     slots    [- 3:"fghi" - 1:"abc" 2:"de" - -]   a power of two, at most three quarters full
///     offsets  [0 4 7 12]                          token i lies at offsets[i] .. offsets[i + 1] - 2
///     bytes    "abc\0de\0fghi\0"
///
/// What a look-up costs is the memory that it waits for. A slot therefore holds a token of up to 11 bytes
/// itself, and the hash of a longer one: most look-ups touch one cache line, whatever the number of tokens.
///
/// A failed addition leaves the dictionary as it was: all room is made before anything is changed, and
/// tokens that are known are found even when there is no memory.
#include "base/dictionary.h"

#include <string.h>
#include <xxhash.h>

enum { FIRST_SLOTS = 64, INLINE_LENGTH = 11, LONG = 255 };

/// 16 bytes. `low` holds the first 8 bytes of the token, `high` three more and the length (or LONG) on top; a
/// LONG token has its hash in `low`.
struct lode_dictionary_slot {
    uint64_t low;
    uint32_t high;
    uint32_t index; ///< + 1, 0 = free
};

typedef struct lode_dictionary_slot slot_type;

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

/// Up to 8 bytes as a number, the first one lowest.
static uint64_t load(const char *bytes, size_t length) {
    if (length == 8) {
        uint64_t all;
        memcpy(&all, bytes, sizeof all);
        return all;
    }
    if (length >= 4) {
        uint32_t head, tail;
        memcpy(&head, bytes, sizeof head);
        memcpy(&tail, bytes + length - 4, sizeof tail);
        return head | (uint64_t)tail << 8 * (length - 4);
    }
    const unsigned char *const b = (const unsigned char *)bytes;
    if (length == 0) return 0;
    return b[0] | (uint64_t)b[length / 2] << 8 * (length / 2) |
           (uint64_t)b[length - 1] << 8 * (length - 1);
}

static slot_type key_of(const char *token, size_t length) {
    if (length > INLINE_LENGTH)
        return (slot_type){.low = lode__hash(token, length, 0), .high = (uint32_t)LONG << 24};
    const size_t first = LODE_MIN(length, (size_t)8);
    return (slot_type){.low = load(token, first),
                       .high = (uint32_t)load(length > 8 ? token + 8 : token, length - first) |
                               (uint32_t)length << 24};
}

static uint64_t key_hash(const slot_type *key) {
    uint64_t hash =
        (key->low ^ key->high * UINT64_C(0x9E3779B97F4A7C15)) * UINT64_C(0xFF51AFD7ED558CCD);
    hash = (hash ^ hash >> 32) * UINT64_C(0xC4CEB9FE1A85EC53);
    return hash ^ hash >> 29;
}

/// Slot that holds the token with this key, or the free one where it would go.
static slot_type *find_slot(const lode_dictionary *dictionary, const slot_type *key,
                            const char *token, size_t length) {
    const size_t mask = dictionary->slot_count - 1;
    for (size_t at = key_hash(key) & mask;; at = (at + 1) & mask) {
        slot_type *const slot = &dictionary->slots[at];
        if (slot->index == 0) return slot;
        if (slot->low == key->low && slot->high == key->high &&
            (key->high >> 24 != LONG || token_is(dictionary, slot->index - 1, token, length)))
            return slot;
    }
}

static bool rehash(lode_dictionary *dictionary, size_t slot_count) {
    slot_type *const slots = lode__huge_alloc(slot_count, sizeof *slots);
    if (slots == NULL) return false;
    for (size_t k = 0; k < dictionary->slot_count; k++) {
        const slot_type *const old = &dictionary->slots[k];
        if (old->index == 0) continue;
        size_t at = key_hash(old) & (slot_count - 1); // all are different: the next free one
        while (slots[at].index != 0)
            at = (at + 1) & (slot_count - 1);
        slots[at] = *old;
    }
    lode__huge_free(dictionary->slots, dictionary->slot_count, sizeof *slots);
    dictionary->slots = slots;
    dictionary->slot_count = slot_count;
    return true;
}

void lode__dictionary_prefetch(const lode_dictionary *dictionary, const char *token, size_t length) {
    if (dictionary->slot_count == 0) return;
    const slot_type key = key_of(token, length);
    __builtin_prefetch(&dictionary->slots[key_hash(&key) & (dictionary->slot_count - 1)]);
}

lode_status lode__dictionary_add(lode_dictionary *dictionary, const char *token, size_t length,
                                 uint32_t *index, lode_error *error) {
    const slot_type key = key_of(token, length);
    slot_type *slot = dictionary->slot_count > 0 ? find_slot(dictionary, &key, token, length) : NULL;
    if (slot && slot->index != 0) {
        *index = slot->index - 1;
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
    slot = find_slot(dictionary, &key, token, length);
    *slot = (slot_type){key.low, key.high, dictionary->count + 1};
    *index = dictionary->count++;
    dictionary->offsets[dictionary->count] = dictionary->byte_count;
    return LODE_OK;
}

uint32_t lode__dictionary_find(const lode_dictionary *dictionary, const char *token, size_t length) {
    if (dictionary->slot_count == 0) return LODE_DICTIONARY_NONE;
    const slot_type key = key_of(token, length);
    const uint32_t found = find_slot(dictionary, &key, token, length)->index;
    return found == 0 ? LODE_DICTIONARY_NONE : found - 1;
}

void lode__dictionary_seal(lode_dictionary *dictionary) {
    lode__huge_free(dictionary->slots, dictionary->slot_count, sizeof *dictionary->slots);
    dictionary->slots = NULL;
    dictionary->slot_count = 0;
}

void lode__dictionary_release(lode_dictionary *dictionary) {
    lode__free(dictionary->bytes);
    lode__free(dictionary->offsets);
    lode__huge_free(dictionary->slots, dictionary->slot_count, sizeof *dictionary->slots);
    *dictionary = (lode_dictionary){0};
}
