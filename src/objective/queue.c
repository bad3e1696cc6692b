#include "objective/queue.h"

enum { PUSHED, STEPS, COUNTS };
enum { LEAST_KEYS = 2560 };

lode_status lode__queue_capacity(const char *objective, int64_t given, size_t queries,
                                 size_t *capacity, lode_error *error) {
    *capacity = given > 0 ? (size_t)given : LODE_MAX(queries, (size_t)LEAST_KEYS);
    if (*capacity >= queries) return LODE_OK;
    return lode__fail(error, LODE_E_CONFIG,
                      "%s: capacity: %zu keys are fewer than the %zu queries of a step: "
                      "raise it or lower train.batch",
                      objective, *capacity, queries);
}

lode_status lode__queue_new(lode_queue *queue, size_t capacity, uint32_t items, size_t width,
                            lode_arena *arena, lode_error *error) {
    *queue = (lode_queue){.capacity = capacity, .items = items, .width = width};
    queue->counts = lode__arena_alloc(arena, COUNTS, sizeof *queue->counts);
    queue->rows = lode__arena_alloc(arena, capacity, sizeof *queue->rows);
    queue->born = lode__arena_alloc(arena, capacity, sizeof *queue->born);
    size_t numbers = 0;
    if (!lode__size_mul(capacity, width, &numbers)) return lode__fail_memory(error);
    if (width > 0) queue->vectors = lode__arena_alloc(arena, numbers, sizeof *queue->vectors);
    if (width > 0 && queue->vectors == NULL) return lode__fail_memory(error);
    if (queue->counts == NULL || queue->rows == NULL || queue->born == NULL)
        return lode__fail_memory(error);
    return LODE_OK;
}

void lode__queue_step(lode_queue *queue) {
    queue->counts[STEPS]++;
}

size_t lode__queue_push(lode_queue *queue, uint32_t row) {
    const size_t place = (size_t)(queue->counts[PUSHED]++ % queue->capacity);
    queue->rows[place] = row;
    queue->born[place] = queue->counts[STEPS];
    return place;
}

size_t lode__queue_length(const lode_queue *queue) {
    return (size_t)LODE_MIN(queue->counts[PUSHED], (uint64_t)queue->capacity);
}

size_t lode__queue_place(const lode_queue *queue, size_t index) {
    const uint64_t oldest = queue->counts[PUSHED] - lode__queue_length(queue);
    return (size_t)((oldest + index) % queue->capacity);
}

void lode__queue_ages(const lode_queue *queue, double *mean, double *oldest) {
    const size_t length = lode__queue_length(queue);
    *mean = *oldest = 0;
    for (size_t i = 0; i < length; i++) {
        const double age = (double)(queue->counts[STEPS] - queue->born[i]);
        *mean += age / (double)length;
        *oldest = LODE_MAX(*oldest, age);
    }
}

size_t lode__queue_figures(const lode_queue *queue, lode_figure *figures) {
    double mean, oldest;
    lode__queue_ages(queue, &mean, &oldest);
    figures[0] = (lode_figure){"queue_length", (double)lode__queue_length(queue)};
    figures[1] = (lode_figure){"queue_mean_age", mean};
    figures[2] = (lode_figure){"queue_max_age", oldest};
    return 3;
}

size_t lode__queue_arrays(const lode_queue *queue, lode_state_array *arrays) {
    arrays[0] = (lode_state_array){"queue.counts", queue->counts, COUNTS * sizeof *queue->counts};
    arrays[1] = (lode_state_array){"queue.rows", queue->rows, queue->capacity * sizeof *queue->rows};
    arrays[2] = (lode_state_array){"queue.born", queue->born, queue->capacity * sizeof *queue->born};
    if (queue->width == 0) return 3;
    arrays[3] = (lode_state_array){"queue.vectors", queue->vectors,
                                   queue->capacity * queue->width * sizeof *queue->vectors};
    return 4;
}

lode_status lode__queue_check(const lode_queue *queue, lode_error *error) {
    const size_t length = lode__queue_length(queue);
    for (size_t i = 0; i < length; i++) {
        if (queue->rows[i] >= 1 && queue->rows[i] <= queue->items &&
            queue->born[i] <= queue->counts[STEPS])
            continue;
        return lode__fail(error, LODE_E_MISMATCH,
                          "the queue of the checkpoint is damaged: key %zu is of row %u of %u", i,
                          queue->rows[i], queue->items);
    }
    return LODE_OK;
}

lode_status lode__tally_new(lode_tally *tally, lode_arena *arena, lode_error *error) {
    tally->sums = lode__arena_alloc(arena, 2, sizeof *tally->sums);
    return tally->sums != NULL ? LODE_OK : lode__fail_memory(error);
}

void lode__tally_add(lode_tally *tally, double queries, double negatives) {
    tally->sums[0] += queries;
    tally->sums[1] += negatives;
}

size_t lode__tally_arrays(const lode_tally *tally, lode_state_array *arrays) {
    arrays[0] = (lode_state_array){"sums", tally->sums, 2 * sizeof *tally->sums};
    return 1;
}

size_t lode__tally_figures(lode_tally *tally, lode_figure *figures) {
    figures[0] = (lode_figure){"negatives", tally->sums[1] / LODE_MAX(tally->sums[0], 1.0)};
    tally->sums[0] = tally->sums[1] = 0;
    return 1;
}
