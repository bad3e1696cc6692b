/// Filters of a log: repeats, rare users and items, k-core.
///
/// Rows come in the order of (user, time, input). Repeats are dropped as they come; what is left goes to a
/// spool, and the counts that decide about users and items are taken in passes over it. Memory is a few bytes
/// for each user and item, whatever the length of the log.
///
/// All thresholds count clicks. Users and items that are removed lose all their rows; those that have no row
/// left in the end count as removed too.
#ifndef LODE_DATA_FILTER_H
#define LODE_DATA_FILTER_H

#include "data/dataset.h"
#include "data/spool.h"

/// What happens to rows with the user, item and behaviour of another one.
typedef enum lode_repeats {
    LODE_REPEATS_KEEP,
    LODE_REPEATS_FIRST, ///< the earliest stays
    LODE_REPEATS_LAST,  ///< the latest stays
    LODE_REPEATS_EXACT  ///< of those that have the same time too, one stays
} lode_repeats;

/// Thresholds are numbers of clicks; 0 = none.
typedef struct lode_filter_rules {
    lode_repeats repeats;
    uint32_t min_user, min_item;   ///< counted once, both on the log without repeats
    uint32_t user_core, item_core; ///< again and again, until nothing changes
} lode_filter_rules;

/// Users and items with at least one row, and rows.
typedef struct lode_filter_size {
    uint64_t users, items, rows;
} lode_filter_size;

/// Zero-initialise, begin, add ..., finish, next ..., release.
typedef struct lode_filter {
    lode_filter_rules rules;
    size_t words, behaviour; ///< of a row; slot of the behaviour or SIZE_MAX
    uint32_t users, items;
    lode_spool rows, pending; ///< pending: the current user's, for LODE_REPEATS_LAST
    uint64_t *stamps;         ///< [items, behaviours] where an item was seen last
    uint64_t stamp, group;
    uint32_t user; ///< of the row before, with its time
    int64_t time;
    bool begun;
    uint64_t *user_rows, *item_rows;
    uint32_t *user_clicks, *item_clicks; ///< they stop at UINT32_MAX
    bool *user_gone, *item_gone;
    uint32_t *block; ///< of rows that were read back
    size_t block_rows, block_at;
    uint64_t read;
    lode_filter_size before, distinct, frequent,
        after;       ///< as read, without repeats, after min_*, left
    uint64_t rounds; ///< of the k-core, the last one changed nothing
} lode_filter;

bool lode__filter_active(const lode_filter_rules *rules);
/// @param words      of a row, at least LODE_ROW_REST (data/sorter.h)
/// @param behaviour  slot of the behaviour, or SIZE_MAX: all rows are clicks
/// @param folder     of temporary data; outlives the filter
void lode__filter_begin(lode_filter *filter, const lode_filter_rules *rules, size_t words,
                        size_t behaviour, const char *folder);
/// Room for users and items: before the first row.
LODE_CHECK lode_status lode__filter_reserve(lode_filter *filter, uint32_t users, uint32_t items,
                                            lode_error *error);
LODE_CHECK lode_status lode__filter_add(lode_filter *filter, const uint32_t *row, lode_error *error);
/// Decide who stays. It is not an error when nobody does (after.rows = 0).
LODE_CHECK lode_status lode__filter_finish(lode_filter *filter, lode_error *error);
/// The next row that stays, or NULL; valid until the next call.
LODE_CHECK lode_status lode__filter_next(lode_filter *filter, const uint32_t **row,
                                         lode_error *error);
void lode__filter_release(lode_filter *filter);

#endif
