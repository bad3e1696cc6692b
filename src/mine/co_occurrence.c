/// Miner `sessions`: items that are clicked in one session.
///
/// Two items co-occur in a session when some click of the one and some click of the other are no more than
/// `window` apart (MicRec 3.4: one hour); a pair counts once a session, whichever way round. For each item
/// the k partners with the highest counts are kept, ties by lower item, and beside them the membership: the
/// whole relation, so that negatives "never co-occurred".
///
/// Counting n clicks exactly in bounded memory. The log is walked 1 + P times, session by session:
///
///     walk 0      degree[i] = pairs that i is the anchor of, repeats over sessions counted
///     walk p      the anchors of block p: each anchor has a row of room for its partners, one u32 a pair,
///                 or, where the degree is larger than the catalogue, a count an item
///     after it    each row is counted out, its best k kept, its partners above i added to the membership
///
/// Blocks are cut so that their rows fit `memory`; so memory buys walks and never accuracy, and nothing is
/// spilled to disk: a walk reads the log in order, at the speed of the page cache or the disk, where sorting
/// pairs outside would write and read each of them several times. Sessions are cheap to walk again: an anchor
/// outside the block costs nothing but its place in the session.
///
/// Threads walk runs of users and claim places of a row by an atomic counter. The order within a row depends
/// on chance, what is counted does not: the same bytes at any thread count and memory.
#include <stdatomic.h>
#include <string.h>

#include "mine/mine.h"
#include "mine/visit_pairs.h"
#include "search/entry.h"

enum { USERS = 1024, ANCHORS = 64, STEP = 64, PASSES = 1000 };

typedef struct sessions_config {
    int64_t k, window, min_count, longest, membership;
} sessions_config;

#define AT(member) .offset = offsetof(sessions_config, member)
static const lode_key keys[] = {
    {.name = "k",
     .type = LODE_KEY_INT,
     AT(k),
     .fallback = "20",
     .low = 1,
     .high = 10000,
     .help = "Partners kept of each item: those with the highest counts."},
    {.name = "window",
     .type = LODE_KEY_DURATION,
     AT(window),
     .fallback = "1h",
     .low = 0,
     .high = 1e15,
     .help = "Two clicks of a session are a pair when they are no further apart than this. Without "
             "times the whole session counts."},
    {.name = "min_count",
     .type = LODE_KEY_INT,
     AT(min_count),
     .fallback = "1",
     .low = 1,
     .high = 1e9,
     .help = "Pairs that met in fewer sessions are not listed (they stay related for negatives)."},
    {.name = "longest",
     .type = LODE_KEY_INT,
     AT(longest),
     .fallback = "10000",
     .low = 2,
     .high = 1e6,
     .help =
         "Sessions of more clicks are left out, with a notice: programs, not people. A session's "
         "pairs grow with the square of its length."},
    {.name = "membership",
     .type = LODE_KEY_INT,
     AT(membership),
     .fallback = "268435456",
     .low = 1,
     .high = 1e12,
     .help = "Bytes for the whole relation, which negatives are checked against: exact lists while "
             "4 bytes a pair fit, else a filter of this size that takes a few unrelated pairs for "
             "related."},
    {0}};
#undef AT

/// One thread's scratch memory.
typedef struct worker {
    lode_session_walk walk;
    lode_pair_finder finder;
    uint32_t *counts;          ///< [items] all 0 between rows
    uint32_t *touched, *spare; ///< [items]
    lode_entry *entries;       ///< [items]
} worker;

typedef struct counting {
    const sessions_config *config;
    const lode_mine_input *input;
    lode_mined *mined;
    lode_sessions sessions;
    size_t threads;
    worker *workers;
    _Atomic uint64_t *degree; ///< [items]
    _Atomic uint64_t visits, too_long;
    size_t base; ///< first task of the step in progress

    // the block of anchors in progress
    uint32_t first, last;
    uint64_t *row_starts;     ///< [items + 1] of the block's rows in `rows`
    _Atomic uint64_t *filled; ///< [items] places of a row that are claimed
    _Atomic uint32_t *rows;   ///< partners or counts
    uint64_t row_capacity;
    bool counting_degrees;

    // results
    uint64_t *starts;  ///< [items + 1] room of each list, then the lists themselves
    uint32_t *lengths; ///< [items]
    uint32_t *partners, *counts;
    uint64_t *related_starts; ///< [items + 1]
    uint32_t *related;
    size_t related_capacity;
    uint64_t related_count;
    uint64_t *filter;
    uint64_t filter_blocks;
    lode_arena scratch;
} counting;

static bool is_dense(const counting *c, uint32_t item) {
    return c->degree[item] >= c->mined->items;
}

/// u32 places of an anchor's row.
static uint64_t row_room(const counting *c, uint32_t item) {
    return is_dense(c, item) ? c->mined->items : c->degree[item];
}

// ------------------------------------------------------------------------------------------------
// Walking the log
// ------------------------------------------------------------------------------------------------

static void take_pairs(counting *c, uint32_t anchor, const uint32_t *partners, uint32_t count) {
    if (c->counting_degrees) {
        atomic_fetch_add_explicit(&c->degree[anchor], count, memory_order_relaxed);
        return;
    }
    _Atomic uint32_t *row = c->rows + c->row_starts[anchor];
    if (is_dense(c, anchor)) {
        for (uint32_t k = 0; k < count; k++)
            atomic_fetch_add_explicit(&row[partners[k]], 1, memory_order_relaxed);
        return;
    }
    row += atomic_fetch_add_explicit(&c->filled[anchor], count, memory_order_relaxed);
    for (uint32_t k = 0; k < count; k++)
        atomic_store_explicit(&row[k], partners[k], memory_order_relaxed);
}

static void walk_task(void *context, size_t task, size_t thread) {
    counting *c = context;
    worker *own = &c->workers[thread];
    const lode_split *split = c->input->split;
    const uint64_t users = split->log.users, begin = (c->base + task) * USERS;
    const uint64_t end = LODE_MIN(users, begin + USERS);
    uint64_t visits = 0, too_long = 0;
    for (uint64_t user = begin; user < end; user++) {
        lode_visit visit;
        lode__session_walk_user(&own->walk, split->log.offsets[user], split->train_end[user]);
        while (lode__session_next(&own->walk, &visit)) {
            visits++;
            if (visit.count > (uint64_t)c->config->longest) {
                too_long++;
                continue;
            }
            if (visit.count < 2 || lode__pair_finder_visit(&own->finder, &visit) < 2) continue;
            uint32_t anchor, count;
            while ((count = lode__pair_finder_next(&own->finder, &visit, c->first, c->last,
                                                   &anchor)) > 0)
                take_pairs(c, anchor, own->finder.partners, count);
        }
    }
    if (!c->counting_degrees) return;
    atomic_fetch_add_explicit(&c->visits, visits, memory_order_relaxed);
    atomic_fetch_add_explicit(&c->too_long, too_long, memory_order_relaxed);
}

static lode_status walk(counting *c, double share, double shares, lode_error *error) {
    const lode_log *log = &c->input->split->log;
    const size_t tasks = ((size_t)log->users + USERS - 1) / USERS;
    const lode_hooks *hooks = c->input->hooks;
    for (c->base = 0; c->base < tasks; c->base += STEP) {
        const size_t count = LODE_MIN(tasks - c->base, (size_t)STEP);
        lode__pool_run(c->input->pool, count, walk_task, c);
        const uint64_t users = LODE_MIN((uint64_t)log->users, (c->base + count) * USERS);
        lode__dataset_forget(c->input->data);
        if (hooks == NULL || hooks->progress == NULL) continue;
        const lode_progress progress = {
            .task = "mine",
            .unit = "clicks",
            .done = (uint64_t)(share * (double)c->input->split->clicks) + log->offsets[users],
            .total = (uint64_t)(shares * (double)c->input->split->clicks),
            .loss = __builtin_nan("")};
        if (hooks->progress(hooks->cookie, &progress) != 0)
            return lode__fail(error, LODE_E_STOPPED, "mining was stopped");
    }
    return LODE_OK;
}

// ------------------------------------------------------------------------------------------------
// Counting rows out
// ------------------------------------------------------------------------------------------------

/// Distinct partners of an anchor into `touched`, their counts into own->counts; returns how many.
static uint32_t row_count(counting *c, worker *own, uint32_t anchor) {
    const _Atomic uint32_t *row = c->rows + c->row_starts[anchor];
    uint32_t met = 0;
    if (is_dense(c, anchor)) {
        for (uint32_t j = 0; j < c->mined->items; j++) {
            own->counts[j] = atomic_load_explicit(&row[j], memory_order_relaxed);
            if (own->counts[j] > 0) own->touched[met++] = j;
        }
        return met;
    }
    const uint64_t count = c->degree[anchor];
    for (uint64_t k = 0; k < count; k++) {
        const uint32_t j = atomic_load_explicit(&row[k], memory_order_relaxed);
        if (own->counts[j]++ == 0) own->touched[met++] = j;
    }
    return met;
}

/// Rising; by insertion while few, else by bytes from the lowest on. `spare` [count], `limit` above all values.
static void sort_numbers(uint32_t *values, uint32_t *spare, size_t count, uint32_t limit) {
    uint32_t *from = values, *to = spare;
    for (size_t k = 1; count <= 64 && k < count; k++) {
        const uint32_t moved = values[k];
        size_t at = k;
        for (; at > 0 && values[at - 1] > moved; at--)
            values[at] = values[at - 1];
        values[at] = moved;
    }
    for (int shift = 0; count > 64 && shift < 32 && limit >> shift > 0; shift += 8) {
        size_t starts[257] = {0};
        for (size_t k = 0; k < count; k++)
            starts[(from[k] >> shift & 255) + 1]++;
        for (int byte = 0; byte < 256; byte++)
            starts[byte + 1] += starts[byte];
        for (size_t k = 0; k < count; k++)
            to[starts[from[k] >> shift & 255]++] = from[k];
        uint32_t *const swap = from;
        from = to;
        to = swap;
    }
    if (from != values) memcpy(values, from, count * sizeof *values);
}

/// The partners above the anchor, rising, into the front of its row (and from there to the membership).
static void keep_related(counting *c, worker *own, uint32_t anchor, uint32_t met) {
    _Atomic uint32_t *row = c->rows + c->row_starts[anchor];
    uint32_t above = 0;
    for (uint32_t k = 0; k < met; k++) {
        if (own->touched[k] > anchor) own->touched[above++] = own->touched[k];
    }
    if (above > 1 && !is_dense(c, anchor))
        sort_numbers(own->touched, own->spare, above, c->mined->items);
    for (uint32_t k = 0; k < above; k++) {
        atomic_store_explicit(&row[k], own->touched[k], memory_order_relaxed);
        if (c->filter != NULL)
            lode__related_add(c->filter, c->filter_blocks, anchor, own->touched[k]);
    }
    c->filled[anchor] = above;
}

static void row_finish(counting *c, worker *own, uint32_t anchor) {
    const uint32_t met = row_count(c, own, anchor);
    const size_t room = (size_t)(c->starts[anchor + 1] - c->starts[anchor]);
    size_t count = 0;
    for (uint32_t k = 0; k < met; k++) {
        const uint32_t j = own->touched[k];
        if (own->counts[j] >= (uint64_t)c->config->min_count)
            own->entries[count++] = (uint64_t)own->counts[j] << 32 | (UINT32_MAX - j);
        own->counts[j] = 0;
    }
    if (count > room) lode__entries_select(own->entries, count, room);
    count = LODE_MIN(count, room);
    if (count > 1) lode__entries_sort(own->entries, count);
    for (size_t k = 0; k < count; k++) {
        c->partners[c->starts[anchor] + k] = UINT32_MAX - (uint32_t)own->entries[k];
        c->counts[c->starts[anchor] + k] = (uint32_t)(own->entries[k] >> 32);
    }
    c->lengths[anchor] = (uint32_t)count;
    keep_related(c, own, anchor, met);
}

static void rows_task(void *context, size_t task, size_t thread) {
    counting *c = context;
    const uint64_t begin = (uint64_t)c->first + task * ANCHORS;
    const uint64_t end = LODE_MIN((uint64_t)c->last, begin + ANCHORS);
    for (uint64_t anchor = begin; anchor < end; anchor++)
        row_finish(c, &c->workers[thread], (uint32_t)anchor);
}

/// From exact lists to a filter: all pairs so far go into it.
static lode_status to_filter(counting *c, lode_error *error) {
    c->filter_blocks = LODE_MIN((uint64_t)c->config->membership / 64, (uint64_t)UINT32_MAX);
    c->filter_blocks = LODE_MAX(c->filter_blocks, 1);
    c->filter = lode__arena_alloc(&c->mined->arena, c->filter_blocks, 64);
    if (c->filter == NULL) return lode__fail_memory(error);
    uint32_t item = 0;
    for (uint64_t at = 0; at < c->related_count; at++) {
        while (c->related_starts[item + 1] <= at)
            item++;
        lode__related_add(c->filter, c->filter_blocks, item, c->related[at]);
    }
    lode__free(c->related);
    c->related = NULL;
    return LODE_OK;
}

static lode_status gather_related(counting *c, lode_error *error) {
    for (uint32_t anchor = c->first; anchor < c->last; anchor++) {
        const uint64_t count = c->filled[anchor];
        c->mined->related_pairs += count;
        if (c->filter != NULL) continue;
        if (!lode__grow((void **)&c->related, &c->related_capacity,
                        (size_t)(c->related_count + count), sizeof *c->related))
            return lode__fail_memory(error);
        const _Atomic uint32_t *row = c->rows + c->row_starts[anchor];
        for (uint64_t k = 0; k < count; k++)
            c->related[c->related_count + k] = atomic_load_explicit(&row[k], memory_order_relaxed);
        c->related_count += count;
        c->related_starts[anchor + 1] = c->related_count;
        if (c->related_count * sizeof *c->related <= (uint64_t)c->config->membership) continue;
        for (uint32_t rest = anchor + 1; rest < c->mined->items; rest++)
            c->related_starts[rest + 1] = c->related_count;
        LODE_TRY(to_filter(c, error));
        for (uint32_t rest = anchor + 1; rest < c->last; rest++) {
            row = c->rows + c->row_starts[rest];
            for (uint64_t k = 0; k < c->filled[rest]; k++)
                lode__related_add(c->filter, c->filter_blocks, rest,
                                  atomic_load_explicit(&row[k], memory_order_relaxed));
        }
    }
    return LODE_OK;
}

// ------------------------------------------------------------------------------------------------
// Planning
// ------------------------------------------------------------------------------------------------

/// Cut the next block of anchors from `first` on; false when there are none left.
static bool block_next(counting *c) {
    const uint32_t items = c->mined->items;
    c->first = c->last;
    uint64_t used = 0;
    for (; c->last < items; c->last++) {
        const uint64_t room = row_room(c, c->last);
        if (used > 0 && used + room > c->row_capacity) break;
        c->row_starts[c->last] = used;
        used += room;
    }
    return c->first < items;
}

static uint32_t blocks_count(counting *c) {
    uint32_t blocks = 0;
    for (c->first = c->last = 0; block_next(c);)
        blocks++;
    c->first = c->last = 0;
    return blocks;
}

/// Rows get what is left of the memory; at least the largest of them fits.
static lode_status rows_plan(counting *c, lode_error *error) {
    const uint64_t items = c->mined->items;
    const uint64_t fixed = items * (4 * 8 + c->threads * 20), memory = c->input->memory;
    uint64_t largest = 1, total = 0;
    for (uint32_t item = 0; item < items; item++) {
        largest = LODE_MAX(largest, row_room(c, item));
        total += row_room(c, item);
    }
    c->row_capacity = LODE_MAX((memory > fixed ? memory - fixed : 0) / sizeof *c->rows, largest);
    c->row_capacity = LODE_MIN(c->row_capacity, LODE_MAX(total, 1));
    c->mined->passes = blocks_count(c);
    if (c->mined->passes > PASSES) {
        return lode__fail(error, LODE_E_CONFIG,
                          "memory of %llu bytes would take %u walks over the log; give at least "
                          "%llu (memory)",
                          (unsigned long long)memory, c->mined->passes,
                          (unsigned long long)(fixed + total * sizeof *c->rows / (PASSES / 2)));
    }
    c->rows = lode__huge_alloc((size_t)c->row_capacity, sizeof *c->rows);
    c->mined->memory = fixed + c->row_capacity * sizeof *c->rows;
    return c->rows != NULL ? LODE_OK : lode__fail_memory(error);
}

static lode_status lists_plan(counting *c, lode_error *error) {
    const uint32_t items = c->mined->items;
    lode_arena *arena = &c->mined->arena;
    uint64_t total = 0;
    for (uint32_t item = 0; item < items; item++) {
        const uint64_t most = LODE_MIN(c->degree[item], (uint64_t)items - 1);
        c->starts[item] = total;
        total += LODE_MIN(most, (uint64_t)c->config->k);
    }
    c->starts[items] = total;
    c->partners = lode__arena_alloc(arena, total, sizeof *c->partners);
    c->counts = lode__arena_alloc(arena, total, sizeof *c->counts);
    c->mined->memory += total * 8;
    return c->partners && c->counts ? LODE_OK : lode__fail_memory(error);
}

/// Close the gaps between lists.
static void lists_compact(counting *c) {
    uint64_t filled = 0;
    for (uint32_t item = 0; item < c->mined->items; item++) {
        const uint64_t begin = c->starts[item];
        memmove(c->partners + filled, c->partners + begin, c->lengths[item] * sizeof(uint32_t));
        memmove(c->counts + filled, c->counts + begin, c->lengths[item] * sizeof(uint32_t));
        c->starts[item] = filled;
        filled += c->lengths[item];
    }
    c->starts[c->mined->items] = filled;
}

static lode_status workers_make(counting *c, lode_error *error) {
    const lode_split *split = c->input->split;
    const size_t items = c->mined->items;
    uint64_t longest = 1;
    for (uint32_t user = 0; user < split->log.users; user++)
        longest = LODE_MAX(longest, split->train_end[user] - split->log.offsets[user]);
    c->workers = lode__arena_alloc(&c->scratch, c->threads, sizeof *c->workers);
    if (c->workers == NULL) return lode__fail_memory(error);
    const bool timed = c->input->data->time_kind == LODE_TIME_REAL;
    const size_t most = (size_t)LODE_MIN(longest, (uint64_t)c->config->longest);
    for (size_t thread = 0; thread < c->threads; thread++) {
        worker *own = &c->workers[thread];
        LODE_TRY(lode__session_walk_make(&own->walk, &c->sessions, (size_t)longest, error));
        LODE_TRY(lode__pair_finder_make(&own->finder, &split->log, timed, c->config->window, most,
                                        error));
        own->counts = lode__arena_alloc(&c->scratch, items, sizeof *own->counts);
        own->touched = lode__arena_alloc(&c->scratch, items, sizeof *own->touched);
        own->spare = lode__arena_alloc(&c->scratch, items, sizeof *own->spare);
        own->entries = lode__arena_alloc(&c->scratch, items, sizeof *own->entries);
        if (!own->counts || !own->touched || !own->spare || !own->entries)
            return lode__fail_memory(error);
    }
    return LODE_OK;
}

static lode_status make(counting *c, lode_error *error) {
    const size_t items = c->mined->items;
    c->threads = lode__pool_threads(c->input->pool);
    LODE_TRY(lode__sessions_open(&c->sessions, c->input->data, &c->input->split->log,
                                 c->input->sessions, error));
    LODE_TRY(workers_make(c, error));
    c->degree = lode__arena_alloc(&c->scratch, items, sizeof *c->degree);
    c->filled = lode__arena_alloc(&c->scratch, items, sizeof *c->filled);
    c->row_starts = lode__arena_alloc(&c->scratch, items + 1, sizeof *c->row_starts);
    c->lengths = lode__arena_alloc(&c->scratch, items, sizeof *c->lengths);
    c->starts = lode__arena_alloc(&c->mined->arena, items + 1, sizeof *c->starts);
    c->related_starts = lode__arena_alloc(&c->mined->arena, items + 1, sizeof *c->related_starts);
    return c->degree && c->filled && c->row_starts && c->lengths && c->starts && c->related_starts
               ? LODE_OK
               : lode__fail_memory(error);
}

static lode_status count_blocks(counting *c, lode_error *error) {
    double done = 1;
    while (block_next(c)) {
        for (uint32_t item = c->first; item < c->last; item++)
            c->filled[item] = 0;
        memset(c->rows, 0, (size_t)c->row_capacity * sizeof *c->rows);
        LODE_TRY(walk(c, done++, c->mined->passes + 1, error));
        lode__pool_run(c->input->pool, (size_t)(c->last - c->first + ANCHORS - 1) / ANCHORS,
                       rows_task, c);
        LODE_TRY(gather_related(c, error));
    }
    return LODE_OK;
}

static lode_status finish(counting *c, lode_error *error) {
    lode_mined *mined = c->mined;
    lists_compact(c);
    mined->starts = c->starts;
    mined->partners = c->partners;
    mined->counts = c->counts;
    mined->sessions = c->visits;
    mined->too_long = c->too_long;
    if (c->filter != NULL) {
        mined->filter = c->filter;
        mined->filter_blocks = c->filter_blocks;
        mined->memory += c->filter_blocks * 64;
        return LODE_OK;
    }
    uint32_t *related = lode__arena_alloc(&mined->arena, (size_t)c->related_count, sizeof *related);
    if (related == NULL) return lode__fail_memory(error);
    if (c->related_count > 0)
        memcpy(related, c->related, (size_t)c->related_count * sizeof *related);
    mined->related_starts = c->related_starts;
    mined->related = related;
    mined->memory += 2 * c->related_count * sizeof *related;
    return LODE_OK;
}

static void release(counting *c) {
    for (size_t thread = 0; c->workers != NULL && thread < c->threads; thread++) {
        lode__session_walk_release(&c->workers[thread].walk);
        lode__pair_finder_release(&c->workers[thread].finder);
    }
    if (c->rows != NULL) lode__huge_free(c->rows, (size_t)c->row_capacity, sizeof *c->rows);
    lode__free(c->related);
    lode__arena_release(&c->scratch);
}

static lode_status mine(const void *config, const lode_mine_input *input, lode_mined *mined,
                        lode_error *error) {
    counting c = {.config = config, .input = input, .mined = mined};
    lode_status status;
    mined->kind = LODE_MINED_PAIRS;
    LODE_GOTO(status, make(&c, error), done);
    if (input->data->time_kind != LODE_TIME_REAL) {
        lode__notice(input->hooks, "the log has no times in seconds or milliseconds: all items of "
                                   "a session are pairs, however far apart");
    }
    c.counting_degrees = true;
    c.last = mined->items;
    LODE_GOTO(status, walk(&c, 0, 2, error), done);
    c.counting_degrees = false;
    LODE_GOTO(status, rows_plan(&c, error), done);
    LODE_GOTO(status, lists_plan(&c, error), done);
    LODE_GOTO(status, count_blocks(&c, error), done);
    LODE_GOTO(status, finish(&c, error), done);
    if (mined->too_long > 0) {
        lode__notice(input->hooks,
                     "%llu of %llu sessions have more than %lld clicks and were left "
                     "out (longest)",
                     (unsigned long long)mined->too_long, (unsigned long long)mined->sessions,
                     (long long)c.config->longest);
    }
done:
    release(&c);
    return status;
}

// What a session is changes what is found.
static lode_status identify(const void *config, const lode_mine_input *input, lode_text *key,
                            lode_error *error) {
    (void)config;
    (void)error;
    lode__text_add(key, "sessions:\n");
    lode__config_write(key, 2, lode__session_keys, input->sessions);
    return LODE_OK;
}

const lode_miner_type lode__miner_sessions = {
    .name = "sessions",
    .help =
        "Items that are clicked in one session within a window of time: for each item the k "
        "that it meets in most sessions, with the number of sessions (data.sessions says what a "
        "session is).",
    .keys = keys,
    .config_size = sizeof(sessions_config),
    .identify = identify,
    .mine = mine};
