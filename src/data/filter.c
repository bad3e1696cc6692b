// The k-core is what is left when users and items with too few clicks are taken away again and again; it does
// not depend on the order in which they go (Seidman 1983). A round is one pass over the spool that counts the
// clicks between users and items that are still there; then everybody below the thresholds goes.
//
// Repeats: stamps[item, behaviour] remembers the user (first), the group of equal user and time (exact) or the
// number of the row (last) that had the pair last. For `last` the rows of one user wait until the user's last
// row is known; they wait in a spool, so that a user of any length fits.
#include "data/filter.h"

#include "data/sorter.h"

#include <string.h>

#define BLOCK_ROWS ((size_t)8192)

bool lode__filter_active(const lode_filter_rules *rules) {
    return rules->repeats != LODE_REPEATS_KEEP || rules->min_user > 0 || rules->min_item > 0 ||
           rules->user_core > 0 || rules->item_core > 0;
}

void lode__filter_begin(lode_filter *filter, const lode_filter_rules *rules, size_t words,
                        size_t behaviour, const char *folder) {
    *filter = (lode_filter){.rules = *rules, .words = words, .behaviour = behaviour};
    filter->rows.folder = filter->pending.folder = folder;
}

static size_t behaviours(const lode_filter *filter) {
    return filter->behaviour == SIZE_MAX ? 1 : LODE_BEHAVIOURS;
}

lode_status lode__filter_reserve(lode_filter *filter, uint32_t users, uint32_t items,
                                 lode_error *error) {
    size_t stamps = 0;
    if (filter->rules.repeats != LODE_REPEATS_KEEP &&
        !lode__size_mul(items, behaviours(filter), &stamps))
        return lode__fail_memory(error);
    filter->users = users;
    filter->items = items;
    filter->stamps = lode__alloc(stamps, sizeof *filter->stamps);
    filter->user_rows = lode__alloc(users, sizeof *filter->user_rows);
    filter->item_rows = lode__alloc(items, sizeof *filter->item_rows);
    filter->user_clicks = lode__alloc(users, sizeof *filter->user_clicks);
    filter->item_clicks = lode__alloc(items, sizeof *filter->item_clicks);
    filter->user_gone = lode__alloc(users, sizeof *filter->user_gone);
    filter->item_gone = lode__alloc(items, sizeof *filter->item_gone);
    filter->block = lode__alloc(BLOCK_ROWS * filter->words, sizeof *filter->block);
    if (!filter->stamps || !filter->user_rows || !filter->item_rows || !filter->user_clicks ||
        !filter->item_clicks || !filter->user_gone || !filter->item_gone || !filter->block)
        return lode__fail_memory(error);
    return LODE_OK;
}

// ---- repeats

static uint64_t *stamp_of(const lode_filter *filter, const uint32_t *row) {
    const size_t kinds = behaviours(filter);
    return &filter->stamps[row[LODE_ROW_ITEM] * kinds + (kinds > 1 ? row[filter->behaviour] : 0)];
}

static lode_status keep_row(lode_filter *filter, const uint32_t *row, lode_error *error) {
    return lode__spool_add(&filter->rows, row, filter->words * sizeof *row, error);
}

// The waiting rows of a user: those stay whose item was not seen in a later one.
static lode_status release_pending(lode_filter *filter, lode_error *error) {
    const size_t bytes = filter->words * sizeof(uint32_t);
    const uint64_t count = filter->pending.size / bytes, first = filter->stamp - count;
    for (uint64_t at = 0; at < count; at += BLOCK_ROWS) {
        const size_t rows = (size_t)LODE_MIN((uint64_t)BLOCK_ROWS, count - at);
        LODE_TRY(lode__spool_read(&filter->pending, at * bytes, filter->block, rows * bytes, error));
        for (size_t k = 0; k < rows; ++k) {
            const uint32_t *const row = filter->block + k * filter->words;
            if (*stamp_of(filter, row) == first + at + k + 1)
                LODE_TRY(keep_row(filter, row, error));
        }
    }
    lode__spool_clear(&filter->pending);
    return LODE_OK;
}

static void count_before(lode_filter *filter, const uint32_t *row) {
    filter->before.users += filter->user_rows[row[LODE_ROW_USER]]++ == 0;
    filter->before.items += filter->item_rows[row[LODE_ROW_ITEM]]++ == 0;
    ++filter->before.rows;
}

lode_status lode__filter_add(lode_filter *filter, const uint32_t *row, lode_error *error) {
    const lode_repeats repeats = filter->rules.repeats;
    const int64_t time = lode__row_time(row);
    const bool new_user = !filter->begun || row[LODE_ROW_USER] != filter->user;
    count_before(filter, row);
    if (repeats == LODE_REPEATS_KEEP) return keep_row(filter, row, error);
    if (repeats == LODE_REPEATS_LAST && new_user) LODE_TRY(release_pending(filter, error));
    if (new_user || (repeats == LODE_REPEATS_EXACT && time != filter->time)) ++filter->group;
    filter->begun = true;
    filter->user = row[LODE_ROW_USER];
    filter->time = time;
    uint64_t *const stamp = stamp_of(filter, row);
    if (repeats == LODE_REPEATS_LAST) {
        *stamp = ++filter->stamp;
        return lode__spool_add(&filter->pending, row, filter->words * sizeof *row, error);
    }
    if (*stamp == filter->group) return LODE_OK;
    *stamp = filter->group;
    return keep_row(filter, row, error);
}

// ---- passes over the spool

static void rewind_rows(lode_filter *filter) {
    filter->read = 0;
    filter->block_rows = filter->block_at = 0;
}

lode_status lode__filter_next(lode_filter *filter, const uint32_t **row, lode_error *error) {
    const size_t bytes = filter->words * sizeof(uint32_t);
    const uint64_t count = filter->rows.size / bytes;
    for (;;) {
        if (filter->block_at == filter->block_rows) {
            filter->block_at = 0;
            filter->block_rows = (size_t)LODE_MIN((uint64_t)BLOCK_ROWS, count - filter->read);
            if (filter->block_rows == 0) break;
            LODE_TRY(lode__spool_read(&filter->rows, filter->read * bytes, filter->block,
                                      filter->block_rows * bytes, error));
            filter->read += filter->block_rows;
        }
        const uint32_t *const next = filter->block + filter->block_at++ * filter->words;
        if (filter->user_gone[next[LODE_ROW_USER]] || filter->item_gone[next[LODE_ROW_ITEM]])
            continue;
        *row = next;
        return LODE_OK;
    }
    *row = NULL;
    return LODE_OK;
}

static void click(uint32_t *count) {
    *count += *count < UINT32_MAX;
}

static lode_status count_rows(lode_filter *filter, lode_filter_size *size, lode_error *error) {
    *size = (lode_filter_size){0};
    memset(filter->user_rows, 0, filter->users * sizeof *filter->user_rows);
    memset(filter->item_rows, 0, filter->items * sizeof *filter->item_rows);
    memset(filter->user_clicks, 0, filter->users * sizeof *filter->user_clicks);
    memset(filter->item_clicks, 0, filter->items * sizeof *filter->item_clicks);
    rewind_rows(filter);
    for (const uint32_t *row;;) {
        LODE_TRY(lode__filter_next(filter, &row, error));
        if (!row) break;
        const uint32_t user = row[LODE_ROW_USER], item = row[LODE_ROW_ITEM];
        size->users += filter->user_rows[user]++ == 0;
        size->items += filter->item_rows[item]++ == 0;
        ++size->rows;
        if (filter->behaviour != SIZE_MAX && row[filter->behaviour] != LODE_CLICK) continue;
        click(&filter->user_clicks[user]);
        click(&filter->item_clicks[item]);
    }
    return LODE_OK;
}

// Those with fewer clicks go; false when there are none.
static bool remove_rare(const uint32_t *clicks, const uint64_t *rows, bool *gone, uint32_t count,
                        uint32_t least) {
    bool any = false;
    for (uint32_t k = 0; k < count; ++k)
        if (rows[k] > 0 && clicks[k] < least) any = gone[k] = true;
    return any;
}

static bool remove_both(lode_filter *filter, uint32_t user_least, uint32_t item_least) {
    const bool users = remove_rare(filter->user_clicks, filter->user_rows, filter->user_gone,
                                   filter->users, user_least);
    const bool items = remove_rare(filter->item_clicks, filter->item_rows, filter->item_gone,
                                   filter->items, item_least);
    return users || items;
}

lode_status lode__filter_finish(lode_filter *filter, lode_error *error) {
    const lode_filter_rules *const rules = &filter->rules;
    if (rules->repeats == LODE_REPEATS_LAST) LODE_TRY(release_pending(filter, error));
    lode__free(filter->stamps);
    filter->stamps = NULL;
    LODE_TRY(count_rows(filter, &filter->after, error));
    filter->distinct = filter->after;
    if (remove_both(filter, rules->min_user, rules->min_item))
        LODE_TRY(count_rows(filter, &filter->after, error));
    filter->frequent = filter->after;
    bool changed = rules->user_core > 0 || rules->item_core > 0;
    while (changed) {
        ++filter->rounds;
        changed = remove_both(filter, rules->user_core, rules->item_core);
        if (changed) LODE_TRY(count_rows(filter, &filter->after, error));
    }
    rewind_rows(filter);
    return LODE_OK;
}

void lode__filter_release(lode_filter *filter) {
    lode__spool_release(&filter->rows);
    lode__spool_release(&filter->pending);
    lode__free(filter->stamps);
    lode__free(filter->user_rows);
    lode__free(filter->item_rows);
    lode__free(filter->user_clicks);
    lode__free(filter->item_clicks);
    lode__free(filter->user_gone);
    lode__free(filter->item_gone);
    lode__free(filter->block);
    *filter = (lode_filter){0};
}
