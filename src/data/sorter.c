// Within a run the keys (user, time, row number) are sorted, bottom up and stably, and rows are taken
// through them. Runs are merged by a binary heap; equal keys come in the order of runs, which is the order
// of input.
#include "data/sorter.h"

#include <string.h>

#define MIN_ROWS ((size_t)64)

void lode__sorter_begin(lode_sorter *sorter, size_t words, size_t memory, const char *folder) {
    *sorter = (lode_sorter){.words = words, .last = SIZE_MAX};
    sorter->spool.folder = folder;
    const size_t row_bytes = words * sizeof(uint32_t) + 2 * sizeof(lode_sort_key);
    sorter->capacity = LODE_MAX(memory / row_bytes, MIN_ROWS);
    sorter->capacity = LODE_MIN(sorter->capacity, (size_t)UINT32_MAX);
}

static bool key_before(const lode_sort_key *a, const lode_sort_key *b) {
    return a->user != b->user ? a->user < b->user : a->time < b->time;
}

static void merge_halves(const lode_sort_key *from, size_t middle, size_t end, lode_sort_key *into) {
    size_t a = 0, b = middle;
    for (size_t k = 0; k < end; ++k)
        into[k] = a < middle && (b >= end || !key_before(&from[b], &from[a])) ? from[a++] : from[b++];
}

// Leaves the sorted keys in sorter->keys.
static lode_status sort_keys(lode_sorter *sorter, lode_error *error) {
    const size_t count = sorter->row_count;
    sorter->keys = lode__alloc(count, sizeof *sorter->keys);
    sorter->spare = lode__alloc(count, sizeof *sorter->spare);
    if (!sorter->keys || !sorter->spare) return lode__fail_memory(error);
    bool sorted = true;
    for (size_t k = 0; k < count; ++k) {
        const uint32_t *const row = sorter->rows + k * sorter->words;
        sorter->keys[k] = (lode_sort_key){lode__row_time(row), row[LODE_ROW_USER], (uint32_t)k};
        if (k > 0 && key_before(&sorter->keys[k], &sorter->keys[k - 1])) sorted = false;
    }
    for (size_t width = 1; !sorted && width < count; width *= 2) {
        for (size_t at = 0; at < count; at += 2 * width) {
            const size_t end = LODE_MIN(2 * width, count - at);
            merge_halves(sorter->keys + at, LODE_MIN(width, end), end, sorter->spare + at);
        }
        lode_sort_key *const swap = sorter->keys;
        sorter->keys = sorter->spare;
        sorter->spare = swap;
    }
    lode__free(sorter->spare);
    sorter->spare = NULL;
    return LODE_OK;
}

static lode_status spill(lode_sorter *sorter, lode_error *error) {
    LODE_TRY(sort_keys(sorter, error));
    if (!lode__grow((void **)&sorter->runs, &sorter->run_capacity, sorter->run_count + 1,
                    sizeof *sorter->runs))
        return lode__fail_memory(error);
    sorter->runs[sorter->run_count++] =
        (lode_sort_run){.offset = sorter->spool.size, .rows = sorter->row_count};
    const size_t bytes = sorter->words * sizeof(uint32_t);
    for (size_t k = 0; k < sorter->row_count; ++k)
        LODE_TRY(lode__spool_add(&sorter->spool, sorter->rows + sorter->keys[k].row * sorter->words,
                                 bytes, error));
    lode__free(sorter->keys);
    sorter->keys = NULL;
    sorter->row_count = 0;
    return LODE_OK;
}

lode_status lode__sorter_add(lode_sorter *sorter, const uint32_t *row, lode_error *error) {
    if (sorter->row_count == sorter->capacity) LODE_TRY(spill(sorter, error));
    const size_t used = sorter->row_count * sorter->words;
    if (used + sorter->words > sorter->word_capacity) {
        const size_t most = sorter->capacity * sorter->words;
        size_t wanted = LODE_MAX(used + sorter->words, (size_t)1 << 16);
        wanted = LODE_MIN(LODE_MAX(wanted, used * 2), most);
        if (!lode__grow((void **)&sorter->rows, &sorter->word_capacity, wanted, sizeof(uint32_t)))
            return lode__fail_memory(error);
    }
    memcpy(sorter->rows + used, row, sorter->words * sizeof(uint32_t));
    ++sorter->row_count;
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

static bool run_before(const lode_sorter *sorter, size_t a, size_t b) {
    const uint32_t *const x = run_first(sorter, a), *const y = run_first(sorter, b);
    if (x[LODE_ROW_USER] != y[LODE_ROW_USER]) return x[LODE_ROW_USER] < y[LODE_ROW_USER];
    const int64_t s = lode__row_time(x), t = lode__row_time(y);
    return s != t ? s < t : a < b;
}

static void heap_sink(lode_sorter *sorter, size_t at) {
    size_t *const heap = sorter->heap;
    const size_t moved = heap[at];
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= sorter->heap_count) break;
        if (child + 1 < sorter->heap_count && run_before(sorter, heap[child + 1], heap[child]))
            ++child;
        if (!run_before(sorter, heap[child], moved)) break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = moved;
}

lode_status lode__sorter_finish(lode_sorter *sorter, lode_error *error) {
    if (sorter->run_count == 0) return sort_keys(sorter, error);
    if (sorter->row_count > 0) LODE_TRY(spill(sorter, error));
    lode__free(sorter->rows);
    sorter->rows = NULL;
    sorter->word_capacity = 0;
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
        sorter->heap[k] = k;
    }
    sorter->heap_count = sorter->run_count;
    for (size_t k = sorter->heap_count / 2; k-- > 0;)
        heap_sink(sorter, k);
    return LODE_OK;
}

// Step over the row that was handed out last.
static lode_status advance(lode_sorter *sorter, lode_error *error) {
    lode_sort_run *const run = &sorter->runs[sorter->heap[0]];
    if (++run->begin == run->end && run->rows > 0) LODE_TRY(run_refill(sorter, run, error));
    if (run->begin == run->end) {
        sorter->heap[0] = sorter->heap[--sorter->heap_count];
        if (sorter->heap_count == 0) return LODE_OK;
    }
    heap_sink(sorter, 0);
    return LODE_OK;
}

lode_status lode__sorter_next(lode_sorter *sorter, const uint32_t **row, lode_error *error) {
    *row = NULL;
    if (!sorter->merging) {
        if (sorter->key_next < sorter->row_count)
            *row = sorter->rows + sorter->keys[sorter->key_next++].row * sorter->words;
        return LODE_OK;
    }
    if (sorter->last != SIZE_MAX) LODE_TRY(advance(sorter, error));
    if (sorter->heap_count == 0) {
        sorter->last = SIZE_MAX;
        return LODE_OK;
    }
    sorter->last = sorter->heap[0];
    *row = run_first(sorter, sorter->last);
    return LODE_OK;
}

void lode__sorter_release(lode_sorter *sorter) {
    lode__free(sorter->rows);
    lode__free(sorter->keys);
    lode__free(sorter->spare);
    lode__free(sorter->runs);
    lode__free(sorter->heap);
    lode__free(sorter->buffers);
    lode__spool_release(&sorter->spool);
    *sorter = (lode_sorter){0};
}
