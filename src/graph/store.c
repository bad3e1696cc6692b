#include "graph/store.h"

#include <string.h>

enum { DIGIT_BITS = 11, DIGITS = 1 << DIGIT_BITS };
enum {
    CHUNK = 16384,
    ROWS_PER_TASK = 2048
}; ///< entries of a task of the sort, rows of one that lists them

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
    if (needed > store->reserved || store->segments == NULL) {
        // A failure leaves the store as it was: graphs that were built before still run.
        lode_store grown = {.reserved = needed};
        const size_t pieces = most_pieces(needed);
        grown.id = lode__alloc(needed, sizeof *grown.id);
        grown.order = lode__alloc(needed, sizeof *grown.order);
        grown.id_other = lode__alloc(needed, sizeof *grown.id_other);
        grown.order_other = lode__alloc(needed, sizeof *grown.order_other);
        grown.entries = lode__alloc(needed, sizeof *grown.entries);
        grown.segments = lode__alloc(needed + 1, sizeof *grown.segments);
        grown.digits = lode__alloc(chunks_of(needed) * DIGITS, sizeof *grown.digits);
        grown.pieces = lode__alloc(pieces, sizeof *grown.pieces);
        grown.partial = lode__alloc(pieces * store->param->columns, sizeof(double));
        if (grown.id == NULL || grown.order == NULL || grown.id_other == NULL ||
            grown.order_other == NULL || grown.entries == NULL || grown.segments == NULL ||
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
    lode__free(store->id);
    lode__free(store->order);
    lode__free(store->id_other);
    lode__free(store->order_other);
    lode__free(store->entries);
    lode__free(store->segments);
    lode__free(store->digits);
    lode__free(store->pieces);
    lode__free(store->partial);
    store->id = store->order = store->id_other = store->order_other = store->segments = NULL;
    store->digits = NULL;
    store->pieces = NULL;
    store->partial = NULL;
    store->entries = NULL;
    store->reserved = 0;
}

void lode__store_add_gradient(lode_store *store, const lode_scatter *scatter) {
    assert(store->scatter_count < LODE_SCATTERS);
    store->scatters[store->scatter_count++] = *scatter;
}

void lode__store_forget(lode_store *store) {
    store->scatter_count = 0;
}

/// List (id, gradient row, divisor) of some rows of the current scatter, in order of arrival.
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
            const size_t to = store->base + at;
            store->id[to] = (uint32_t)scatter->ids->data[at];
            store->order[to] = (uint32_t)to;
            store->entries[to] = (lode_entry){number, (uint32_t)row, length};
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
    return (store->id[place] >> store->shift) & (DIGITS - 1);
}

static void count_task(void *context, size_t task, size_t thread) {
    (void)thread;
    const lode_store *store = context;
    const size_t last = LODE_MIN((task + 1) * CHUNK, store->count);
    uint32_t *digits = store->digits + task * DIGITS;
    memset(digits, 0, DIGITS * sizeof *digits);
    for (size_t i = task * CHUNK; i < last; i++)
        digits[digit_of(store, i)]++;
}

static void move_task(void *context, size_t task, size_t thread) {
    (void)thread;
    const lode_store *store = context;
    const size_t last = LODE_MIN((task + 1) * CHUNK, store->count);
    uint32_t *digits = store->digits + task * DIGITS;
    for (size_t i = task * CHUNK; i < last; i++) {
        const uint32_t to = digits[digit_of(store, i)]++;
        store->id_other[to] = store->id[i];
        store->order_other[to] = store->order[i];
    }
}

/// One pass of a stable radix sort by `DIGIT_BITS` bits: entries of one digit go behind each other chunk by chunk.
static void sort_pass(lode_store *store, lode_pool *pool) {
    const size_t chunks = chunks_of(store->count);
    lode__pool_run(pool, chunks, count_task, store);
    uint32_t sum = 0;
    for (size_t digit = 0; digit < DIGITS; digit++) {
        for (size_t chunk = 0; chunk < chunks; chunk++) {
            uint32_t *place = &store->digits[chunk * DIGITS + digit];
            const uint32_t here = *place;
            *place = sum;
            sum += here;
        }
    }
    lode__pool_run(pool, chunks, move_task, store);
    uint32_t *swap = store->id;
    store->id = store->id_other;
    store->id_other = swap;
    swap = store->order;
    store->order = store->order_other;
    store->order_other = swap;
}

static void cut_pieces(lode_store *store, uint32_t begin, uint32_t end) {
    if (end - begin <= LODE_PIECE) return;
    for (; begin < end; begin += LODE_PIECE) {
        store->pieces[store->piece_count++] = (lode_piece){begin, LODE_MIN(begin + LODE_PIECE, end)};
    }
}

size_t lode__store_sort(lode_store *store, lode_pool *pool) {
    store->distinct = store->piece_count = 0;
    if (store->scatter_count == 0) return 0; // a table that no graph uses has no work space
    list_entries(store, pool);
    for (store->shift = 0; store->shift < 32 && (store->param->rows - 1) >> store->shift != 0;
         store->shift += DIGIT_BITS) {
        sort_pass(store, pool);
    }
    uint32_t begin = 0;
    for (uint32_t i = 0; i < store->count; i++) {
        if (i > 0 && store->id[i] == store->id[i - 1]) continue;
        cut_pieces(store, begin, i);
        store->segments[store->distinct++] = begin = i;
    }
    cut_pieces(store, begin, (uint32_t)store->count);
    store->segments[store->distinct] = (uint32_t)store->count;
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
