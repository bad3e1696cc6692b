#include "data/session_numbers.h"

#include <string.h>
#include <xxhash.h>

#define NAMED      ((uint64_t)1 << 63)
#define FIRST_ROOM ((size_t)64)

uint64_t lode__session_key(const char *name, size_t length) {
    return XXH3_64bits(name, length) | NAMED;
}

uint64_t lode__session_key_again(uint32_t number) {
    return number;
}

// The place of a key, or the free one where it belongs.
static size_t place_of(const lode_session_numbers *numbers, uint64_t key) {
    const size_t mask = numbers->capacity - 1;
    size_t place = (size_t)((key * 0x9e3779b97f4a7c15u) >> 32) & mask;
    while (numbers->numbers[place] != 0 && numbers->keys[place] != key)
        place = (place + 1) & mask;
    return place;
}

// Room for as many again.
static lode_status grow(lode_session_numbers *numbers, lode_error *error) {
    lode_session_numbers larger = *numbers;
    larger.capacity = numbers->capacity ? 2 * numbers->capacity : FIRST_ROOM;
    larger.keys = lode__alloc(larger.capacity, sizeof *larger.keys);
    larger.numbers = lode__alloc(larger.capacity, sizeof *larger.numbers);
    if (!larger.keys || !larger.numbers) {
        lode__session_numbers_release(&larger);
        return lode__fail_memory(error);
    }
    for (size_t k = 0; k < numbers->capacity; ++k) {
        if (numbers->numbers[k] == 0) continue;
        const size_t place = place_of(&larger, numbers->keys[k]);
        larger.keys[place] = numbers->keys[k];
        larger.numbers[place] = numbers->numbers[k];
    }
    lode__session_numbers_release(numbers);
    *numbers = larger;
    return LODE_OK;
}

// Forget the sessions of the user before. Much room that one user needed is not cleared for each one after.
static void forget(lode_session_numbers *numbers) {
    while (numbers->capacity > FIRST_ROOM && numbers->capacity > 16 * numbers->held)
        numbers->capacity /= 2;
    if (numbers->held > 0)
        memset(numbers->numbers, 0, numbers->capacity * sizeof *numbers->numbers);
    numbers->held = 0;
}

lode_status lode__session_number(lode_session_numbers *numbers, uint32_t user, uint64_t key,
                                 uint32_t *out, lode_error *error) {
    if (numbers->user != user) forget(numbers);
    numbers->user = user;
    if (4 * (numbers->held + 1) > 3 * numbers->capacity) LODE_TRY(grow(numbers, error));
    const size_t place = place_of(numbers, key);
    if (numbers->numbers[place] == 0) {
        if (numbers->count >= UINT32_MAX - 1)
            return lode__fail(error, LODE_E_INPUT, "found more than %u sessions", UINT32_MAX - 1);
        numbers->keys[place] = key;
        numbers->numbers[place] = ++numbers->count;
        ++numbers->held;
    }
    *out = numbers->numbers[place] - 1;
    return LODE_OK;
}

void lode__session_numbers_release(lode_session_numbers *numbers) {
    lode__free(numbers->keys);
    lode__free(numbers->numbers);
    numbers->keys = NULL;
    numbers->numbers = NULL;
    numbers->capacity = numbers->held = 0;
}
