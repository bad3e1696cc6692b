/// Counter-based random numbers: Philox4x32-10 (Salmon et al., SC 2011).
///
/// A draw is a pure function of (seed, purpose, epoch, step, index): there is no state to save, threads
/// and prefetching cannot change a draw, and a new consumer does not shift the draws of the others.
/// Every consumer takes a purpose of its own from the list below (or a hash of its name).
#ifndef LODE_BASE_RANDOM_H
#define LODE_BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

enum lode_purpose {
    LODE_PURPOSE_INIT = 1, ///< initial weights, with a hash of the parameter's name
    LODE_PURPOSE_ORDER,    ///< order of the examples of an epoch
    LODE_PURPOSE_NEGATIVES,
    LODE_PURPOSE_DROPOUT,
    LODE_PURPOSE_SYNTH,
    LODE_PURPOSE_SAMPLE, ///< samples of users, of candidates
    LODE_PURPOSE_USER,   ///< first value free for hashes of names
    LODE_PURPOSE_CLOZE =
        1 << 16 ///< which clicks of a window are masked; far from those that count on from USER
};

/// One stream of random numbers; plain data, copy it freely.
typedef struct lode_random {
    uint32_t key[2];
    uint32_t counter[4];
    uint32_t block[4];
    uint32_t left; ///< unused words of `block`
} lode_random;

/// Ten rounds of Philox4x32: `out` = the block of `counter` under `key`.
void lode__philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);

/// The stream of (seed, purpose, epoch, step). Streams of different arguments do not overlap in their
/// first 2^32 blocks.
lode_random lode__random(uint64_t seed, uint32_t purpose, uint32_t epoch, uint32_t step);

uint32_t lode__random_u32(lode_random *random);
/// Uniform in 0..bound-1, without bias; bound >= 1.
uint64_t lode__random_below(lode_random *random, uint64_t bound);
/// Uniform in [0, 1), 53 bits.
double lode__random_real(lode_random *random);
/// Standard normal (Box-Muller).
double lode__random_normal(lode_random *random);

/// 32 random bits that are a function of the arguments alone: for masks by (view, id, position).
uint32_t lode__random_at(uint64_t seed, uint32_t purpose, uint32_t step, uint32_t index,
                         uint32_t sub);

/// A keyed permutation of 0..size-1 (Feistel network with cycle walking): the order of an epoch's
/// examples without an array. `position` < size; size >= 1.
uint64_t lode__permute(uint64_t position, uint64_t size, uint64_t seed, uint32_t purpose,
                       uint32_t epoch);

#endif
