#include "graph/store.h"

#include <string.h>

enum { DIGIT_BITS = 12, DIGITS = 1 << DIGIT_BITS };
enum {
    CHUNK = 16384, ///< least entries of a task of the sort
    CHUNKS_PER_THREAD = 1,
    ROWS_PER_TASK = 2048 ///< of a task that lists them
};

static_assert(LODE_SCATTERS <= 1 << LODE_SCATTER_BITS, "an entry holds the number of any scatter");

/// Most pieces of `count` entries: each is full, or the last of a row that has a full one.
static size_t most_pieces(size_t count) {
    return 2 * (count / LODE_PIECE);
}

static size_t chunks_of(size_t count) {
    return (count + CHUNK - 1) / CHUNK;
}

bool lode__store_reserve(lode_store *store, size_t capacity) {
    size_t needed;
    if (__builtin_add_overflow(store->capacity, capacity, &needed)) return false;
    if (needed >> LODE_LENGTH_BITS != 0) return false; // an entry holds the length of its list
    if (needed > store->reserved || store->segments == NULL) {
        // A failure leaves the store as it was: graphs that were built before still run.
        lode_store grown = {.reserved = needed};
        const size_t pieces = most_pieces(needed);
        grown.entries = lode__alloc(needed, sizeof *grown.entries);
        grown.entries_other = lode__alloc(needed, sizeof *grown.entries_other);
        grown.segments = lode__alloc(needed + 1, sizeof *grown.segments);
        grown.digits = lode__alloc((1 + chunks_of(needed)) * DIGITS, sizeof *grown.digits);
        grown.pieces = lode__alloc(pieces, sizeof *grown.pieces);
        grown.partial = lode__alloc(pieces * store->param->columns, sizeof(double));
        if (grown.entries == NULL || grown.entries_other == NULL || grown.segments == NULL ||
            grown.digits == NULL || grown.pieces == NULL || grown.partial == NULL) {
            lode__store_release(&grown);
            return false;
        }
        lode__store_release(store);
        grown.param = store->param;
        *store = grown;
    }
    store->capacity = needed;
    return true;
}

void lode__store_release(lode_store *store) {
    lode__free(store->entries);
    lode__free(store->entries_other);
    lode__free(store->segments);
    lode__free(store->digits);
    lode__free(store->pieces);
    lode__free(store->partial);
    store->entries = store->entries_other = NULL;
    store->segments = store->digits = NULL;
    store->pieces = NULL;
    store->partial = NULL;
    store->reserved = 0;
}

void lode__store_add_gradient(lode_store *store, const lode_scatter *scatter) {
    assert(store->scatter_count < LODE_SCATTERS);
    store->scatters[store->scatter_count++] = *scatter;
}

void lode__store_forget(lode_store *store) {
    store->scatter_count = 0;
}

/// List the entries of some rows of the current scatter, in order of arrival.
static void list_task(void *context, size_t task, size_t thread) {
    (void)thread;
    lode_store *store = context;
    const lode_scatter *scatter = store->scatter;
    const lode_lists *lists = scatter->lists;
    const size_t last = LODE_MIN((task + 1) * ROWS_PER_TASK, scatter->output->rows->size);
    const uint32_t number = (uint32_t)(scatter - store->scatters);
    for (size_t row = task * ROWS_PER_TASK; row < last; row++) {
        const size_t begin = lists != NULL ? (size_t)lists->offsets[row] : row;
        const size_t end = lists != NULL ? (size_t)lists->offsets[row + 1] : row + 1;
        const uint32_t length = scatter->mean && end > begin ? (uint32_t)(end - begin) : 1;
        for (size_t at = begin; at < end; at++) {
            store->entries[store->base + at] = (lode_entry){
                .id = (uint32_t)scatter->ids->data[at],
                .row = (uint32_t)row,
                .scatter = number & (LODE_SCATTERS - 1),
                .length = length & (((uint32_t)1 << LODE_LENGTH_BITS) - 1),
            };
        }
    }
}

static void list_entries(lode_store *store, lode_pool *pool) {
    store->count = 0;
    for (size_t s = 0; s < store->scatter_count; s++) {
        const lode_scatter *scatter = store->scatter = &store->scatters[s];
        const size_t rows = scatter->output->rows->size;
        store->base = store->count;
        lode__pool_run(pool, (rows + ROWS_PER_TASK - 1) / ROWS_PER_TASK, list_task, store);
        store->count += scatter->lists != NULL ? (size_t)scatter->lists->offsets[rows] : rows;
    }
}

static unsigned digit_of(const lode_store *store, size_t place) {
    return (store->entries[place].id >> store->shift) & ((1U << store->bits) - 1);
}

static uint32_t *digits_of(const lode_store *store, size_t chunk) {
    return store->digits + (1 + chunk) * DIGITS;
}

static void count_task(void *context, size_t task, size_t thread) {
    (void)thread;
    const lode_store *store = context;
    const size_t last = LODE_MIN((task + 1) * store->chunk, store->count);
    uint32_t *digits = digits_of(store, task);
    memset(digits, 0, ((size_t)1 << store->bits) * sizeof *digits);
    for (size_t i = task * store->chunk; i < last; i++)
        digits[digit_of(store, i)]++;
}

static void move_task(void *context, size_t task, size_t thread) {
    (void)thread;
    const lode_store *store = context;
    const size_t last = LODE_MIN((task + 1) * store->chunk, store->count);
    const uint32_t *begins = store->digits;
    uint32_t *digits = digits_of(store, task);
    for (size_t digit = 0; digit < (size_t)1 << store->bits; digit++)
        digits[digit] += begins[digit];
    for (size_t i = task * store->chunk; i < last; i++)
        store->entries_other[digits[digit_of(store, i)]++] = store->entries[i];
}

/// One pass of a stable radix sort by `bits` bits: entries of one digit go behind each other chunk by chunk.
static void sort_pass(lode_store *store, size_t chunks, lode_pool *pool) {
    const size_t digits = (size_t)1 << store->bits;
    uint32_t *totals = store->digits;
    lode__pool_run(pool, chunks, count_task, store);
    memset(totals, 0, digits * sizeof *totals);
    for (size_t chunk = 0; chunk < chunks; chunk++) {
        uint32_t *counts = digits_of(store, chunk);
        for (size_t digit = 0; digit < digits; digit++) {
            const uint32_t here = counts[digit];
            counts[digit] = totals[digit];
            totals[digit] += here;
        }
    }
    uint32_t sum = 0;
    for (size_t digit = 0; digit < digits; digit++) {
        const uint32_t here = totals[digit];
        totals[digit] = sum;
        sum += here;
    }
    lode__pool_run(pool, chunks, move_task, store);
    lode_entry *swap = store->entries;
    store->entries = store->entries_other;
    store->entries_other = swap;
}

/// As many passes as DIGIT_BITS makes necessary, of equal width. How chunks are cut changes nothing in a stable sort: few
/// and long ones keep two threads from writing to the same cache line.
static void sort_entries(lode_store *store, lode_pool *pool) {
    const size_t tasks = CHUNKS_PER_THREAD * lode__pool_threads(pool);
    store->chunk = LODE_MAX((size_t)CHUNK, (store->count + tasks - 1) / tasks);
    const size_t chunks = (store->count + store->chunk - 1) / store->chunk;
    unsigned bits = 0;
    while (bits < 32 && (store->param->rows - 1) >> bits != 0)
        bits++;
    const unsigned passes = (bits + DIGIT_BITS - 1) / DIGIT_BITS;
    for (unsigned pass = 0; pass < passes; pass++) {
        store->bits = (bits + passes - 1) / passes;
        store->shift = pass * store->bits;
        sort_pass(store, chunks, pool);
    }
}

/// Places at which a distinct id begins.
static bool begins_at(const lode_store *store, size_t place) {
    return place == 0 || store->entries[place].id != store->entries[place - 1].id;
}

static void count_begins_task(void *context, size_t task, size_t thread) {
    (void)thread;
    const lode_store *store = context;
    const size_t last = LODE_MIN((task + 1) * store->chunk, store->count);
    uint32_t count = 0;
    for (size_t i = task * store->chunk; i < last; i++)
        count += begins_at(store, i);
    store->digits[task] = count;
}

static void begin_task(void *context, size_t task, size_t thread) {
    (void)thread;
    const lode_store *store = context;
    const size_t last = LODE_MIN((task + 1) * store->chunk, store->count);
    uint32_t *segment = store->segments + store->digits[task];
    for (size_t i = task * store->chunk; i < last; i++) {
        if (begins_at(store, i)) *segment++ = (uint32_t)i;
    }
}

static void list_segments(lode_store *store, lode_pool *pool) {
    const size_t chunks = (store->count + store->chunk - 1) / store->chunk;
    lode__pool_run(pool, chunks, count_begins_task, store);
    uint32_t sum = 0;
    for (size_t chunk = 0; chunk < chunks; chunk++) {
        const uint32_t here = store->digits[chunk];
        store->digits[chunk] = sum;
        sum += here;
    }
    lode__pool_run(pool, chunks, begin_task, store);
    store->distinct = sum;
    store->segments[sum] = (uint32_t)store->count;
}

/// The last distinct id that begins at `place` or before.
static size_t segment_at(const lode_store *store, size_t place) {
    size_t low = 0, high = store->distinct;
    while (high - low > 1) {
        const size_t middle = low + (high - low) / 2;
        if (store->segments[middle] <= place) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return low;
}

/// A row of more than LODE_PIECE entries has one, and the one before it, at a multiple of LODE_PIECE: only these are asked.
static void cut_pieces(lode_store *store) {
    for (size_t place = LODE_PIECE; place < store->count; place += LODE_PIECE) {
        if (begins_at(store, place)) continue;
        const size_t segment = segment_at(store, place);
        uint32_t begin = store->segments[segment];
        const uint32_t end = store->segments[segment + 1];
        if (end - begin <= LODE_PIECE || place - begin > LODE_PIECE) continue;
        for (; begin < end; begin += LODE_PIECE)
            store->pieces[store->piece_count++] =
                (lode_piece){begin, LODE_MIN(begin + LODE_PIECE, end)};
    }
}

size_t lode__store_sort(lode_store *store, lode_pool *pool) {
    store->distinct = store->piece_count = 0;
    if (store->scatter_count == 0) return 0; // a table that no graph uses has no work space
    list_entries(store, pool);
    sort_entries(store, pool);
    list_segments(store, pool);
    cut_pieces(store);
    return store->distinct;
}

size_t lode__store_piece(const lode_store *store, uint32_t begin) {
    size_t low = 0, high = store->piece_count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (store->pieces[middle].begin < begin) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}
