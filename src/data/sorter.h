/// External sort of log rows by (user, time, input order) in bounded memory.
///
/// A row is `words` 32-bit words: user, item, time (two words, low half first), then whatever else. Rows
/// are held until `memory` is used up, then sorted and spooled as a run; in the end the runs are merged.
#ifndef LODE_DATA_SORTER_H
#define LODE_DATA_SORTER_H

#include "data/spool.h"

enum { LODE_ROW_USER, LODE_ROW_ITEM, LODE_ROW_TIME, LODE_ROW_REST = 4 };

typedef struct lode_sort_run {
    uint64_t offset, rows; ///< what is left of it in the spool
    uint32_t *buffer;      ///< rows that were read back
    size_t begin, end;     ///< of the rows in the buffer
} lode_sort_run;

typedef struct lode_sort_key {
    int64_t time;
    uint32_t user, row;
} lode_sort_key;

/// Zero-initialise, begin, add ..., finish, next ..., release.
typedef struct lode_sorter {
    size_t words, capacity; ///< rows that may be held
    uint32_t *rows;
    size_t row_count, word_capacity;
    lode_sort_key *keys, *spare; ///< [row_count] while sorting
    size_t key_next;
    lode_spool spool;
    lode_sort_run *runs;
    size_t run_count, run_capacity;
    size_t *heap; ///< runs by their first row
    size_t heap_count, buffer_rows;
    uint32_t *buffers;
    size_t last; ///< run that gave the last row, or SIZE_MAX
    bool merging;
} lode_sorter;

/// @param folder  where runs go; outlives the sorter
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
