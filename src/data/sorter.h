/// External sort of log rows by (user, time, input order) in bounded memory.
///
/// A row is `words` 32-bit words: user, item, time (two words, low half first), then whatever else. Rows
/// are held until half of `memory` is used up, then sorted and spooled as a run by a thread of the sorter's own
/// while the next ones come in; in the end the runs are merged. Runs are cut by the number of rows alone, so that
/// the order does not depend on the thread.
#ifndef LODE_DATA_SORTER_H
#define LODE_DATA_SORTER_H

#include "data/spool.h"

#include <pthread.h>

enum { LODE_ROW_USER, LODE_ROW_ITEM, LODE_ROW_TIME, LODE_ROW_REST = 4 };

typedef struct lode_sort_run {
    uint64_t offset, rows; ///< what is left of it in the spool
    uint32_t *buffer;      ///< rows that were read back
    size_t begin, end;     ///< of the rows in the buffer
} lode_sort_run;

typedef struct lode_sort_key {
    int64_t time;
    uint32_t user, row; ///< row: number of a row, or of a run while merging
} lode_sort_key;

/// Rows that are being sorted.
typedef struct lode_sort_block {
    uint32_t *rows;
    size_t count, word_capacity;
    lode_sort_key *keys, *spare; ///< [count]
} lode_sort_block;

/// Zero-initialise, begin, add ..., finish, next ..., release.
typedef struct lode_sorter {
    size_t words, capacity;         ///< rows that may be held
    lode_sort_block filling, spill; ///< the second one belongs to the thread while that runs
    bool running;
    pthread_t thread;
    lode_status spill_status; ///< of the thread
    lode_error spill_error;
    size_t key_next;
    lode_spool spool;
    lode_sort_run *runs;
    size_t run_count, run_capacity;
    lode_sort_key *heap; ///< first rows of the runs
    size_t heap_count, buffer_rows;
    uint32_t *buffers;
    bool merging, handed; ///< handed: the first row of the heap was given out
} lode_sorter;

/// @param folder  where runs go; outlives the sorter. A sorter must not move between add and finish.
void lode__sorter_begin(lode_sorter *sorter, size_t words, size_t memory, const char *folder);
LODE_CHECK lode_status lode__sorter_add(lode_sorter *sorter, const uint32_t *row, lode_error *error);
LODE_CHECK lode_status lode__sorter_finish(lode_sorter *sorter, lode_error *error);
/// The next row in order, or NULL; valid until the next call.
LODE_CHECK lode_status lode__sorter_next(lode_sorter *sorter, const uint32_t **row,
                                         lode_error *error);
void lode__sorter_release(lode_sorter *sorter);

static inline int64_t lode__row_time(const uint32_t *row) {
    return (int64_t)((uint64_t)row[LODE_ROW_TIME] | (uint64_t)row[LODE_ROW_TIME + 1] << 32);
}

#endif
