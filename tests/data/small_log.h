/// Small data sets in memory for tests: rows are added user by user, in time order.
#ifndef SMALL_LOG_H
#define SMALL_LOG_H

#include "data/dataset.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define SMALL_USERS 600
#define SMALL_ITEMS 1000
#define SMALL_ROWS  30000

typedef struct small_log {
    lode_dataset data;
    uint64_t offsets[SMALL_USERS + 1];
    uint32_t item[SMALL_ROWS];
    int64_t time[SMALL_ROWS];
    uint8_t behaviour[SMALL_ROWS];
    uint8_t part[SMALL_ROWS];
    uint64_t token_starts[SMALL_USERS + 1];
    char token_bytes[SMALL_USERS * 8];
    uint64_t item_starts[SMALL_ITEMS + 1];
    char item_bytes[SMALL_ITEMS * 8];
} small_log;

/// Tokens such as u0, u1, ...
static inline void small_tokens(lode_tokens *tokens, char letter, char *bytes, uint64_t *starts) {
    for (uint32_t index = 0; index < tokens->count; index++) {
        const uint64_t at = starts[index];
        starts[index + 1] = at + (uint64_t)snprintf(bytes + at, 8, "%c%u", letter, index) + 1;
    }
    tokens->bytes = bytes;
    tokens->starts = starts;
}

static inline void small_log_init(small_log *log, uint32_t users, uint32_t items) {
    assert(users <= SMALL_USERS && items <= SMALL_ITEMS);
    memset(log, 0, sizeof *log);
    log->data.users.count = users;
    log->data.items.count = items;
    log->data.offsets = log->offsets;
    log->data.item = log->item;
    log->data.time = log->time;
    log->data.time_kind = LODE_TIME_REAL;
    small_tokens(&log->data.users, 'u', log->token_bytes, log->token_starts);
    small_tokens(&log->data.items, 'i', log->item_bytes, log->item_starts);
}

/// Users must be added in rising order.
static inline void small_log_add(small_log *log, uint32_t user, uint32_t item, int64_t time,
                                 lode_behaviour behaviour) {
    const uint64_t row = log->data.interactions++;
    assert(row < SMALL_ROWS && user < log->data.users.count && item < log->data.items.count);
    log->item[row] = item;
    log->time[row] = time;
    log->behaviour[row] = (uint8_t)behaviour;
    if (behaviour != LODE_CLICK) {
        log->data.behaviour = log->behaviour;
    }
    for (uint32_t later = user + 1; later <= log->data.users.count; later++) {
        log->offsets[later] = row + 1;
    }
}

/// The same with the part that the log's source put the row in.
static inline void small_log_add_part(small_log *log, uint32_t user, uint32_t item, int64_t time,
                                      lode_given part) {
    log->part[log->data.interactions] = (uint8_t)part;
    log->data.part = log->part;
    small_log_add(log, user, item, time, LODE_CLICK);
}

/// A small reproducible number: a linear congruential generator of the test's own.
static inline uint32_t small_random(uint64_t *state, uint32_t bound) {
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33) % bound;
}

#endif
