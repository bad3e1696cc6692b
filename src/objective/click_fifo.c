#include "objective/click_fifo.h"

#include <string.h>

enum { CAME, LEFT, CAME_NOW, FROM_LOG, COUNTS };
enum { MOST_SEEN_EACH = 20 };

lode_status lode__click_fifo_new(lode_click_fifo *fifo, const lode_training *training,
                                 size_t capacity, lode_arena *arena, lode_error *error) {
    const lode_split *split = training->split;
    const size_t users = split->log.users, items = training->model->vocabulary->items;
    *fifo = (lode_click_fifo){.capacity = capacity, .training = training};
    fifo->counts = lode__arena_alloc(arena, COUNTS, sizeof *fifo->counts);
    fifo->rows = lode__arena_alloc(arena, capacity, sizeof *fifo->rows);
    fifo->starts = lode__arena_alloc(arena, users + 1, sizeof *fifo->starts);
    fifo->taken = lode__arena_alloc(arena, items + 1, sizeof *fifo->taken);
    if (fifo->counts == NULL || fifo->rows == NULL || fifo->starts == NULL || fifo->taken == NULL)
        return lode__fail_memory(error);
    for (size_t user = 0; user < users; user++)
        fifo->starts[user + 1] =
            fifo->starts[user] + (split->train_end[user] - split->log.offsets[user]);
    return LODE_OK;
}

size_t lode__click_fifo_length(const lode_click_fifo *fifo) {
    return (size_t)(fifo->counts[CAME] - fifo->counts[LEFT]);
}

uint32_t lode__click_fifo_row(const lode_click_fifo *fifo, size_t index) {
    return fifo->rows[(fifo->counts[LEFT] + index) % fifo->capacity];
}

static uint32_t pop(lode_click_fifo *fifo) {
    return fifo->rows[fifo->counts[LEFT]++ % fifo->capacity];
}

void lode__click_fifo_push(lode_click_fifo *fifo, uint32_t row) {
    if (lode__click_fifo_length(fifo) == fifo->capacity) fifo->counts[LEFT]++;
    fifo->rows[fifo->counts[CAME]++ % fifo->capacity] = row;
    fifo->counts[CAME_NOW]++;
}

/// The user of training click number `click`.
static size_t user_of(const lode_click_fifo *fifo, uint64_t click) {
    size_t low = 0, high = fifo->training->split->log.users;
    while (high - low > 1) { // starts[low] <= click < starts[high]
        const size_t middle = low + (high - low) / 2;
        *(fifo->starts[middle] <= click ? &low : &high) = middle;
    }
    return low;
}

void lode__click_fifo_fill(lode_click_fifo *fifo, size_t clicks, lode_random *random) {
    const lode_split *split = fifo->training->split;
    const uint64_t total = fifo->starts[split->log.users];
    uint64_t click = lode__random_below(random, total);
    size_t user = user_of(fifo, click);
    for (size_t i = 0; i < clicks; i++, click++) {
        if (click == total) click = 0;
        if (click < fifo->starts[user] || click >= fifo->starts[user + 1])
            user = user_of(fifo, click);
        const uint64_t at = split->log.offsets[user] + (click - fifo->starts[user]);
        const uint32_t row = fifo->training->binding->item_row[split->log.item[at]];
        assert(row > 0); // every item with a training click is a model item
        lode__click_fifo_push(fifo, row);
        fifo->counts[FROM_LOG]++;
    }
}

/// No row is taken.
static void begin(lode_click_fifo *fifo) {
    if (++fifo->now != 0) return;
    const size_t rows = (size_t)fifo->training->model->vocabulary->items + 1;
    memset(fifo->taken, 0, rows * sizeof *fifo->taken);
    fifo->now = 1;
}

size_t lode__click_fifo_take(lode_click_fifo *fifo, uint32_t user, size_t count,
                             lode_random *random, uint32_t *rows) {
    const lode_split *split = fifo->training->split;
    begin(fifo);
    for (uint64_t at = split->log.offsets[user]; at < split->train_end[user]; at++)
        fifo->taken[fifo->training->binding->item_row[split->log.item[at]]] = fifo->now;
    size_t found = 0;
    for (size_t seen = 0; found < count && seen < MOST_SEEN_EACH * count; seen++) {
        if (lode__click_fifo_length(fifo) == 0) lode__click_fifo_fill(fifo, count, random);
        const uint32_t row = pop(fifo);
        if (fifo->taken[row] == fifo->now) continue;
        fifo->taken[row] = fifo->now;
        rows[found++] = row;
    }
    return found;
}

size_t lode__click_fifo_arrays(const lode_click_fifo *fifo, lode_state_array *arrays) {
    arrays[0] = (lode_state_array){"fifo.counts", fifo->counts, COUNTS * sizeof *fifo->counts};
    arrays[1] = (lode_state_array){"fifo.rows", fifo->rows, fifo->capacity * sizeof *fifo->rows};
    return 2;
}

lode_status lode__click_fifo_check(const lode_click_fifo *fifo, lode_error *error) {
    const uint32_t items = fifo->training->model->vocabulary->items;
    const uint64_t *counts = fifo->counts;
    if (counts[CAME] - counts[LEFT] > fifo->capacity) { // wraps where more left than came
        return lode__fail(error, LODE_E_MISMATCH,
                          "the queue of the checkpoint is damaged: of %llu clicks %llu have left, "
                          "and %zu have room",
                          (unsigned long long)counts[CAME], (unsigned long long)counts[LEFT],
                          fifo->capacity);
    }
    for (size_t i = 0; i < lode__click_fifo_length(fifo); i++) {
        const uint32_t row = lode__click_fifo_row(fifo, i);
        if (row >= 1 && row <= items) continue;
        return lode__fail(error, LODE_E_MISMATCH,
                          "the queue of the checkpoint is damaged: click %zu is of row %u of %u", i,
                          row, items);
    }
    return LODE_OK;
}

size_t lode__click_fifo_figures(lode_click_fifo *fifo, lode_figure *figures) {
    uint64_t *counts = fifo->counts;
    const size_t length = lode__click_fifo_length(fifo);
    size_t distinct = 0;
    begin(fifo);
    for (size_t i = 0; i < length; i++) {
        const uint32_t row = lode__click_fifo_row(fifo, i);
        distinct += fifo->taken[row] != fifo->now;
        fifo->taken[row] = fifo->now;
    }
    const double came = (double)LODE_MAX(counts[CAME_NOW], (uint64_t)1);
    figures[0] = (lode_figure){"queue_length", (double)length};
    figures[1] = (lode_figure){"queue_distinct", (double)distinct};
    figures[2] = (lode_figure){"queue_from_log", (double)counts[FROM_LOG] / came};
    counts[CAME_NOW] = counts[FROM_LOG] = 0;
    return 3;
}
