/// Philox4x32-10, the streams cut out of it, and a keyed permutation.
///
/// A stream of (seed, purpose, epoch, step) is the sequence of blocks
///
///     philox(counter = {block number, purpose, epoch, step}, key = seed)
///
/// so that different arguments share no block. Single draws (lode__random_at) and the round keys of the
/// permutation use counters of the same kind under keys of their own.
#include "base/random.h"

#include <math.h>

#define KEY_AT      0x5AD1C4E7U ///< separates lode__random_at from the streams
#define KEY_PERMUTE 0xC3A5F29BU ///< and the permutation from both

void lode__philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]) {
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    uint32_t k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; round++) {
        const uint64_t a = (uint64_t)0xD2511F53U * c0;
        const uint64_t b = (uint64_t)0xCD9E8D57U * c2;
        const uint32_t n0 = (uint32_t)(b >> 32) ^ c1 ^ k0;
        const uint32_t n2 = (uint32_t)(a >> 32) ^ c3 ^ k1;
        c0 = n0;
        c1 = (uint32_t)b;
        c2 = n2;
        c3 = (uint32_t)a;
        k0 += 0x9E3779B9U;
        k1 += 0xBB67AE85U;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

lode_random lode__random(uint64_t seed, uint32_t purpose, uint32_t epoch, uint32_t step) {
    return (lode_random){.key = {(uint32_t)seed, (uint32_t)(seed >> 32)},
                         .counter = {0, purpose, epoch, step}};
}

uint32_t lode__random_u32(lode_random *random) {
    if (random->left == 0) {
        lode__philox(random->counter, random->key, random->block);
        random->counter[0]++;
        random->left = 4;
    }
    return random->block[--random->left];
}

static uint64_t random_u64(lode_random *random) {
    const uint64_t high = lode__random_u32(random);
    return high << 32 | lode__random_u32(random);
}

/// Lemire, "Fast random integer generation in an interval", 2019.
uint64_t lode__random_below(lode_random *random, uint64_t bound) {
    if (bound <= UINT32_MAX) {
        const uint32_t small = (uint32_t)bound;
        uint64_t product = (uint64_t)lode__random_u32(random) * small;
        if ((uint32_t)product < small) {
            const uint32_t threshold = (0U - small) % small;
            while ((uint32_t)product < threshold) {
                product = (uint64_t)lode__random_u32(random) * small;
            }
        }
        return product >> 32;
    }
    const uint64_t threshold = (0U - bound) % bound;
    uint64_t draw = random_u64(random);
    while (draw < threshold)
        draw = random_u64(random);
    return draw % bound;
}

double lode__random_real(lode_random *random) {
    return (double)(random_u64(random) >> 11) * 0x1p-53;
}

double lode__random_normal(lode_random *random) {
    const double radius = sqrt(-2.0 * log(1.0 - lode__random_real(random)));
    return radius * cos(6.283185307179586 * lode__random_real(random));
}

uint32_t lode__random_at(uint64_t seed, uint32_t purpose, uint32_t step, uint32_t index,
                         uint32_t sub) {
    const uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32) ^ KEY_AT};
    const uint32_t counter[4] = {index, purpose, step, sub};
    uint32_t block[4];
    lode__philox(counter, key, block);
    return block[0];
}

enum { ROUNDS = 8 };

/// One pass through a Feistel network over `low + high` bits: an invertible map of 0 .. 2^(low + high) - 1.
static uint64_t feistel(uint64_t value, unsigned low, unsigned high, const uint32_t keys[ROUNDS]) {
    uint64_t left = value >> low, right = value & (((uint64_t)1 << low) - 1);
    unsigned left_bits = high, right_bits = low;
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t mixed = (right + keys[round]) * 0x9E3779B97F4A7C15U;
        mixed ^= mixed >> 29;
        mixed *= 0xBF58476D1CE4E5B9U;
        mixed ^= mixed >> 32;
        const uint64_t next = (left ^ mixed) & (((uint64_t)1 << left_bits) - 1);
        left = right;
        right = next;
        const unsigned bits = left_bits;
        left_bits = right_bits;
        right_bits = bits;
    }
    return left << right_bits | right;
}

uint64_t lode__permute(uint64_t position, uint64_t size, uint64_t seed, uint32_t purpose,
                       uint32_t epoch) {
    if (size <= 1) return 0;
    const unsigned bits = 64U - (unsigned)__builtin_clzll(size - 1);
    const unsigned low = bits / 2, high = bits - low;
    const uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32) ^ KEY_PERMUTE};
    const uint32_t first[4] = {0, purpose, epoch, 0}, second[4] = {1, purpose, epoch, 0};
    uint32_t keys[ROUNDS];
    lode__philox(first, key, keys);
    lode__philox(second, key, keys + 4);
    uint64_t value = position;
    do {
        value = feistel(value, low, high, keys);
    } while (value >= size); // cycle walking: the walk from inside comes back inside
    return value;
}
