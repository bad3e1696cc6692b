/// Numbers for sessions while sorted rows go by: dense, in the order in which sessions first appear there.
///
/// A session belongs to one user (loggers that count per user stay apart), and rows come user by user, so only the
/// sessions of the user in hand are remembered, not the names of all. A session is known by a 64-bit key: a hash of its
/// name. Two names of one user with one key would become one session; at a million sessions of a user the chance of
/// that is one in thirty million.
#ifndef LODE_DATA_SESSION_NUMBERS_H
#define LODE_DATA_SESSION_NUMBERS_H

#include "base/memory.h"

/// Zero-initialise, number ..., release.
typedef struct lode_session_numbers {
    uint64_t *keys;    ///< [capacity, a power of two] open addressing
    uint32_t *numbers; ///< [capacity] number + 1, 0 = free
    size_t capacity, held;
    uint32_t user;  ///< whose sessions are held
    uint32_t count; ///< sessions so far
} lode_session_numbers;

/// The key of a session's name.
uint64_t lode__session_key(const char *name, size_t length);
/// The key of a number that a data set gave before; no name has it.
uint64_t lode__session_key_again(uint32_t number);

/// @param user  rows of one user come together
LODE_CHECK lode_status lode__session_number(lode_session_numbers *numbers, uint32_t user,
                                            uint64_t key, uint32_t *out, lode_error *error);
void lode__session_numbers_release(lode_session_numbers *numbers);

#endif
