/// Put the checksums of a container right after bytes were changed, so that the checks behind them are reached.
#ifndef CONTAINER_FUZZ_H
#define CONTAINER_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <xxhash.h>

// base/container.h: header of 32 bytes, entries of 64 (name 40, offset, size, checksum).
static inline void container_repair(uint8_t *bytes, size_t size) {
    if (size < 32) return;
    uint32_t sections;
    const uint64_t whole = size;
    memcpy(&sections, bytes + 12, sizeof sections);
    memcpy(bytes + 16, &whole, sizeof whole);
    if (sections > (size - 32) / 64) return;
    for (uint32_t k = 0; k < sections; ++k) {
        uint8_t *entry = bytes + 32 + 64 * (size_t)k;
        uint64_t offset, length;
        memcpy(&offset, entry + 40, sizeof offset);
        memcpy(&length, entry + 48, sizeof length);
        if (offset > size || length > size - offset) continue;
        const uint64_t sum = XXH64(bytes + offset, (size_t)length, 0);
        memcpy(entry + 56, &sum, sizeof sum);
    }
    XXH64_state_t *state = XXH64_createState();
    if (!state) return;
    XXH64_reset(state, 0);
    XXH64_update(state, bytes, 24);
    XXH64_update(state, bytes + 32, 64 * (size_t)sections);
    const uint64_t sum = XXH64_digest(state);
    memcpy(bytes + 24, &sum, sizeof sum);
    XXH64_freeState(state);
}

#endif
