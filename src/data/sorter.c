// Within a run the keys (user, time, row number) are sorted by digits of 11 bits from the lowest one up, which
// is stable: first those of the time, unless the rows came in the order of time, then those of the user. Rows
// are taken through the keys. Runs are merged by a binary heap of their first keys; equal keys come in the order
// of runs, which is the order of input.
#include "data/sorter.h"

#include <string.h>

#define MIN_ROWS ((size_t)64)
#define DIGIT    11
#define AHEAD    12 ///< rows that are asked for before they are needed

void lode__sorter_begin(lode_sorter *sorter, size_t words, size_t memory, const char *folder) {
    *sorter = (lode_sorter){.words = words};
    sorter->spool.folder = folder;
    const size_t row_bytes = 2 * words * sizeof(uint32_t) + 2 * sizeof(lode_sort_key);
    sorter->capacity = LODE_MAX(memory / row_bytes, MIN_ROWS);
    sorter->capacity = LODE_MIN(sorter->capacity, (size_t)UINT32_MAX);
}

static bool key_before(const lode_sort_key *a, const lode_sort_key *b) {
    if (a->user != b->user) return a->user < b->user;
    return a->time != b->time ? a->time < b->time : a->row < b->row;
}

// ---- sorting a block

static uint64_t digits_of(const lode_sort_key *key, bool by_user, int64_t low) {
    return by_user ? key->user : (uint64_t)key->time - (uint64_t)low;
}

// One pass: from keys to spare, which change places.
static void sort_digit(lode_sort_block *block, bool by_user, int64_t low, unsigned shift) {
    size_t starts[1 << DIGIT] = {0}, sum = 0;
    const uint64_t mask = (1u << DIGIT) - 1;
    for (size_t k = 0; k < block->count; ++k)
        ++starts[digits_of(&block->keys[k], by_user, low) >> shift & mask];
    for (size_t d = 0; d <= mask; ++d) {
        const size_t count = starts[d];
        starts[d] = sum;
        sum += count;
    }
    for (size_t k = 0; k < block->count; ++k)
        block->spare[starts[digits_of(&block->keys[k], by_user, low) >> shift & mask]++] =
            block->keys[k];
    lode_sort_key *const swap = block->keys;
    block->keys = block->spare;
    block->spare = swap;
}

static bool block_reserve(lode_sort_block *block) {
    block->keys = lode__alloc(block->count, sizeof *block->keys);
    block->spare = lode__alloc(block->count, sizeof *block->spare);
    return block->keys && block->spare;
}

static void block_release_keys(lode_sort_block *block) {
    lode__free(block->keys);
    lode__free(block->spare);
    block->keys = block->spare = NULL;
}

static void block_sort(lode_sort_block *block, size_t words) {
    bool by_time = true, sorted = true;
    int64_t low = INT64_MAX, high = INT64_MIN;
    uint32_t last_user = 0;
    for (size_t k = 0; k < block->count; ++k) {
        const uint32_t *const row = block->rows + k * words;
        const lode_sort_key key = {lode__row_time(row), row[LODE_ROW_USER], (uint32_t)k};
        block->keys[k] = key;
        low = LODE_MIN(low, key.time);
        high = LODE_MAX(high, key.time);
        last_user = LODE_MAX(last_user, key.user);
        if (k == 0) continue;
        by_time = by_time && block->keys[k - 1].time <= key.time;
        sorted = sorted && key_before(&block->keys[k - 1], &key);
    }
    if (sorted) return;
    const uint64_t span = (uint64_t)high - (uint64_t)low;
    for (unsigned shift = 0; !by_time && shift < 64 && span >> shift > 0; shift += DIGIT)
        sort_digit(block, false, low, shift);
    for (unsigned shift = 0; shift < 32 && last_user >> shift > 0; shift += DIGIT)
        sort_digit(block, true, 0, shift);
}

static const uint32_t *block_row(const lode_sort_block *block, size_t words, size_t key) {
    if (key + AHEAD < block->count)
        __builtin_prefetch(block->rows + block->keys[key + AHEAD].row * words);
    return block->rows + block->keys[key].row * words;
}

// ---- runs

// The thread: sorts the block `spill` and adds it to the spool.
static void *spill_block(void *cookie) {
    lode_sorter *const sorter = cookie;
    lode_sort_block *const block = &sorter->spill;
    const size_t bytes = sorter->words * sizeof(uint32_t);
    block_sort(block, sorter->words);
    sorter->spill_status = LODE_OK;
    for (size_t k = 0; k < block->count && sorter->spill_status == LODE_OK; ++k)
        sorter->spill_status = lode__spool_add(&sorter->spool, block_row(block, sorter->words, k),
                                               bytes, &sorter->spill_error);
    return NULL;
}

static lode_status spill_wait(lode_sorter *sorter, lode_error *error) {
    if (!sorter->running) return LODE_OK;
    pthread_join(sorter->thread, NULL);
    sorter->running = false;
    block_release_keys(&sorter->spill);
    sorter->spill.count = 0;
    if (sorter->spill_status == LODE_OK) return LODE_OK;
    return lode__fail(error, sorter->spill_status, "%s", sorter->spill_error.message);
}

// Hand the rows that were gathered to the thread.
static lode_status spill_begin(lode_sorter *sorter, lode_error *error) {
    LODE_TRY(spill_wait(sorter, error));
    if (!lode__grow((void **)&sorter->runs, &sorter->run_capacity, sorter->run_count + 1,
                    sizeof *sorter->runs))
        return lode__fail_memory(error);
    const size_t count = sorter->filling.count;
    sorter->runs[sorter->run_count++] = (lode_sort_run){.offset = sorter->spool.size, .rows = count};
    const lode_sort_block empty = sorter->spill;
    sorter->spill = sorter->filling;
    sorter->filling = empty;
    if (!block_reserve(&sorter->spill)) return lode__fail_memory(error);
    LODE_TRY(lode__spool_reserve(&sorter->spool, error)); // the thread allocates nothing
    sorter->running = pthread_create(&sorter->thread, NULL, spill_block, sorter) == 0;
    if (sorter->running) return LODE_OK;
    spill_block(sorter); // no thread to be had
    block_release_keys(&sorter->spill);
    sorter->spill.count = 0;
    if (sorter->spill_status == LODE_OK) return LODE_OK;
    return lode__fail(error, sorter->spill_status, "%s", sorter->spill_error.message);
}

lode_status lode__sorter_add(lode_sorter *sorter, const uint32_t *row, lode_error *error) {
    if (sorter->filling.count == sorter->capacity) LODE_TRY(spill_begin(sorter, error));
    lode_sort_block *const block = &sorter->filling;
    const size_t used = block->count * sorter->words;
    if (used + sorter->words > block->word_capacity) {
        const size_t most = sorter->capacity * sorter->words;
        size_t wanted = LODE_MAX(used + sorter->words, (size_t)1 << 16);
        wanted = LODE_MIN(LODE_MAX(wanted, used * 2), most);
        if (!lode__grow((void **)&block->rows, &block->word_capacity, wanted, sizeof(uint32_t)))
            return lode__fail_memory(error);
    }
    memcpy(block->rows + used, row, sorter->words * sizeof(uint32_t));
    ++block->count;
    return LODE_OK;
}

// Read the next piece of a run back.
static lode_status run_refill(lode_sorter *sorter, lode_sort_run *run, lode_error *error) {
    run->begin = 0;
    run->end = (size_t)LODE_MIN(run->rows, sorter->buffer_rows);
    const size_t bytes = run->end * sorter->words * sizeof(uint32_t);
    LODE_TRY(lode__spool_read(&sorter->spool, run->offset, run->buffer, bytes, error));
    run->offset += bytes;
    run->rows -= run->end;
    return LODE_OK;
}

static const uint32_t *run_first(const lode_sorter *sorter, size_t run) {
    return sorter->runs[run].buffer + sorter->runs[run].begin * sorter->words;
}

static lode_sort_key run_key(const lode_sorter *sorter, size_t run) {
    const uint32_t *const row = run_first(sorter, run);
    return (lode_sort_key){lode__row_time(row), row[LODE_ROW_USER], (uint32_t)run};
}

static void heap_sink(lode_sorter *sorter, size_t at) {
    lode_sort_key *const heap = sorter->heap;
    const lode_sort_key moved = heap[at];
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= sorter->heap_count) break;
        if (child + 1 < sorter->heap_count && key_before(&heap[child + 1], &heap[child])) ++child;
        if (!key_before(&heap[child], &moved)) break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = moved;
}

static void block_release(lode_sort_block *block) {
    lode__free(block->rows);
    block_release_keys(block);
    *block = (lode_sort_block){0};
}

lode_status lode__sorter_finish(lode_sorter *sorter, lode_error *error) {
    if (sorter->run_count == 0) {
        if (!block_reserve(&sorter->filling)) return lode__fail_memory(error);
        block_sort(&sorter->filling, sorter->words);
        return LODE_OK;
    }
    if (sorter->filling.count > 0) LODE_TRY(spill_begin(sorter, error));
    LODE_TRY(spill_wait(sorter, error));
    block_release(&sorter->filling);
    block_release(&sorter->spill);
    sorter->merging = true;
    sorter->buffer_rows = LODE_MAX(sorter->capacity / sorter->run_count, MIN_ROWS);
    sorter->buffer_rows = LODE_MIN(sorter->buffer_rows, (size_t)1 << 16);
    size_t rows;
    if (!lode__size_mul(sorter->buffer_rows, sorter->run_count, &rows) ||
        !lode__size_mul(rows, sorter->words, &rows))
        return lode__fail_memory(error);
    sorter->buffers = lode__alloc(rows, sizeof(uint32_t));
    sorter->heap = lode__alloc(sorter->run_count, sizeof *sorter->heap);
    if (!sorter->buffers || !sorter->heap) return lode__fail_memory(error);
    for (size_t k = 0; k < sorter->run_count; ++k) {
        sorter->runs[k].buffer = sorter->buffers + k * sorter->buffer_rows * sorter->words;
        LODE_TRY(run_refill(sorter, &sorter->runs[k], error));
        sorter->heap[k] = run_key(sorter, k);
    }
    sorter->heap_count = sorter->run_count;
    for (size_t k = sorter->heap_count / 2; k-- > 0;)
        heap_sink(sorter, k);
    return LODE_OK;
}

// Step over the row that was handed out last.
static lode_status advance(lode_sorter *sorter, lode_error *error) {
    const size_t number = sorter->heap[0].row;
    lode_sort_run *const run = &sorter->runs[number];
    if (++run->begin == run->end && run->rows > 0) LODE_TRY(run_refill(sorter, run, error));
    if (run->begin < run->end)
        sorter->heap[0] = run_key(sorter, number);
    else
        sorter->heap[0] = sorter->heap[--sorter->heap_count];
    if (sorter->heap_count > 0) heap_sink(sorter, 0);
    return LODE_OK;
}

lode_status lode__sorter_next(lode_sorter *sorter, const uint32_t **row, lode_error *error) {
    *row = NULL;
    if (!sorter->merging) {
        if (sorter->key_next < sorter->filling.count)
            *row = block_row(&sorter->filling, sorter->words, sorter->key_next++);
        return LODE_OK;
    }
    if (sorter->handed) LODE_TRY(advance(sorter, error));
    sorter->handed = sorter->heap_count > 0;
    if (sorter->handed) *row = run_first(sorter, sorter->heap[0].row);
    return LODE_OK;
}

void lode__sorter_release(lode_sorter *sorter) {
    if (sorter->running) pthread_join(sorter->thread, NULL);
    block_release(&sorter->filling);
    block_release(&sorter->spill);
    lode__free(sorter->runs);
    lode__free(sorter->heap);
    lode__free(sorter->buffers);
    lode__spool_release(&sorter->spool);
    *sorter = (lode_sorter){0};
}
