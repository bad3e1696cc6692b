/// Tokens to dense indices in order of first appearance: 0, 1, 2, ... An open-addressing hash table over
/// one growing byte buffer. Memory is bounded by the tokens, not by how often they are looked up.
#ifndef LODE_BASE_DICTIONARY_H
#define LODE_BASE_DICTIONARY_H

#include "base/memory.h"

#define LODE_DICTIONARY_NONE UINT32_MAX

/// Zero-initialise, use, release.
typedef struct lode_dictionary {
    char *bytes; ///< the tokens, each followed by a 0 byte
    size_t byte_count, byte_capacity;
    uint64_t *offsets; ///< [count + 1] starts in `bytes`
    size_t offset_capacity;
    struct lode_dictionary_slot *slots;
    size_t slot_count;
    uint32_t count;
} lode_dictionary;

/// Index of a token, added when it is new. LODE_E_MEMORY, or LODE_E_INPUT beyond 2^32 - 2 tokens.
/// Tokens may hold any byte except 0.
LODE_CHECK lode_status lode__dictionary_add(lode_dictionary *dictionary, const char *token,
                                            size_t length, uint32_t *index, lode_error *error);
/// Index of a token, or LODE_DICTIONARY_NONE.
uint32_t lode__dictionary_find(const lode_dictionary *dictionary, const char *token, size_t length);
/// Ask for the memory that looking a token up will touch; nothing else.
void lode__dictionary_prefetch(const lode_dictionary *dictionary, const char *token, size_t length);
/// The token (0-terminated) of an index < count; valid until the next add.
const char *lode__dictionary_token(const lode_dictionary *dictionary, uint32_t index);
/// Give up finding and adding; tokens stay. Saves most of the memory.
void lode__dictionary_seal(lode_dictionary *dictionary);
void lode__dictionary_release(lode_dictionary *dictionary);

/// 64-bit hash of bytes (XXH64 with the given seed).
uint64_t lode__hash(const void *bytes, size_t length, uint64_t seed);

#endif
