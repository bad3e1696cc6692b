/// Examples of a step come from a keyed permutation of all; nothing is shuffled in memory.
///
/// Under all_positions an example is a window: the last `history` known clicks before its state's end, in order of
/// time, exactly those that the user view packs. Position p has the next known click as its positive, the newest
/// position the click at `end`:
///
///     clicks    c1  c2  c3 ... cn | e          positions   1   2  ...  n
///     state           ^ end of query 2         positives   c2  c3 ...  e
///
/// Under cloze (cloze.h) the window has the click at its state's end for its newest one; queries are its masked clicks,
/// in order of time, each with itself as its positive and the state that ends there.
#include "train/batcher.h"

static lode_status new_windows(lode_batcher *batcher, lode_arena *arena, lode_error *error) {
    const size_t history = batcher->history;
    lode_cloze_window *window = &batcher->window;
    window->clicks = lode__arena_alloc(arena, history, sizeof *window->clicks);
    window->masked = lode__arena_alloc(arena, history, sizeof *window->masked);
    batcher->window_rows =
        lode__arena_alloc(arena, batcher->batch, history * sizeof *batcher->window_rows);
    batcher->window_lengths =
        lode__arena_alloc(arena, batcher->batch, sizeof *batcher->window_lengths);
    const bool good = window->clicks != NULL && window->masked != NULL &&
                      batcher->window_rows != NULL && batcher->window_lengths != NULL;
    return good ? LODE_OK : lode__fail_memory(error);
}

lode_status lode__batcher_new(lode_batcher *batcher, const lode_examples *examples,
                              const lode_binding *binding, size_t batch, size_t history,
                              lode_arena *arena, lode_error *error) {
    const bool cloze = examples->options.kind == LODE_CLOZE;
    const bool positions = cloze || examples->options.kind == LODE_ALL_POSITIONS;
    *batcher = (lode_batcher){.examples = examples,
                              .binding = binding,
                              .positions = positions,
                              .batch = batch,
                              .history = history};
    if (!lode__size_mul(batch, positions ? history : 1, &batcher->most) || batcher->most > INT32_MAX) {
        return lode__fail(error, LODE_E_CONFIG,
                          "train.batch: %zu windows of data.history: %zu clicks are more than 2^31 "
                          "positions",
                          batch, history);
    }
    if (cloze)
        batcher->most = batch * lode__cloze_masks(examples->options.mask_probability, history);
    batcher->example_state = lode__arena_alloc(arena, batch, sizeof *batcher->example_state);
    batcher->states = batcher->example_state;
    batcher->target_rows = lode__arena_alloc(arena, batcher->most, sizeof *batcher->target_rows);
    if (positions) {
        batcher->states = lode__arena_alloc(arena, batcher->most, sizeof *batcher->states);
        batcher->example_of = lode__arena_alloc(arena, batcher->most, sizeof *batcher->example_of);
        if (batcher->example_of == NULL) return lode__fail_memory(error);
    }
    if (cloze) LODE_TRY(new_windows(batcher, arena, error));
    const bool good =
        batcher->example_state != NULL && batcher->states != NULL && batcher->target_rows != NULL;
    return good ? LODE_OK : lode__fail_memory(error);
}

/// Clicks of a window: positions in the log from the newest back, unknown items left out.
static size_t window_length(const lode_batcher *batcher, const lode_state *end) {
    const lode_log *log = &batcher->examples->split->log;
    size_t length = 0;
    for (uint64_t at = end->end; at-- > log->offsets[end->user] && length < batcher->history;) {
        length += batcher->binding->item_row[log->item[at]] != 0;
    }
    return length;
}

static void add_window(lode_batcher *batcher, size_t example) {
    const lode_log *log = &batcher->examples->split->log;
    const lode_state *newest = &batcher->example_state[example];
    const size_t length = window_length(batcher, newest), first = batcher->count;
    uint64_t target = newest->end;
    for (size_t query = first + length; query-- > first;) {
        batcher->states[query] = (lode_state){newest->user, target};
        batcher->target_rows[query] = batcher->binding->item_row[log->item[target]];
        batcher->example_of[query] = (uint32_t)example;
        do {
            target--;
        } while (batcher->binding->item_row[log->item[target]] == 0);
    }
    batcher->count = first + length;
}

static void add_cloze(lode_batcher *batcher, size_t example, uint64_t number, uint64_t seed,
                      uint64_t epoch) {
    lode_cloze_window *window = &batcher->window;
    const lode_state *newest = &batcher->example_state[example];
    const uint32_t *item = batcher->examples->split->log.item;
    lode__cloze_draw(window, batcher->examples, batcher->binding, newest, seed, epoch, number);
    uint32_t *rows = batcher->window_rows + example * batcher->history;
    batcher->window_lengths[example] = (uint32_t)window->length;
    for (size_t i = 0; i < window->length; i++) {
        const uint32_t row = batcher->binding->item_row[item[window->clicks[i]]];
        rows[i] = window->masked[i] ? 0 : row;
        if (!window->masked[i]) continue;
        const size_t query = batcher->count++;
        batcher->states[query] = (lode_state){newest->user, window->clicks[i]};
        batcher->target_rows[query] = row;
        batcher->example_of[query] = (uint32_t)example;
    }
}

size_t lode__batcher_history(const lode_batcher *batcher, size_t index, size_t limit, uint32_t *rows) {
    if (batcher->window_rows == NULL) {
        lode_log_source log = {batcher->binding, &batcher->examples->split->log,
                               batcher->example_state, false};
        const lode_user_source source = lode__log_source(&log);
        return source.history(source.self, index, limit, rows);
    }
    const uint32_t *window = batcher->window_rows + index * batcher->history;
    const size_t length = batcher->window_lengths[index], count = LODE_MIN(length, limit);
    for (size_t i = 0; i < count; i++)
        rows[i] = window[length - 1 - i];
    return count;
}

void lode__batcher_gather(lode_batcher *batcher, uint64_t seed, uint64_t epoch, uint64_t step) {
    const uint64_t total = batcher->examples->count, first = step * batcher->batch;
    const lode_log *log = &batcher->examples->split->log;
    batcher->example_count = (size_t)LODE_MIN((uint64_t)batcher->batch, total - first);
    batcher->count = 0;
    for (size_t i = 0; i < batcher->example_count; i++) {
        const uint64_t example =
            lode__permute(first + i, total, seed, LODE_PURPOSE_ORDER, (uint32_t)epoch);
        batcher->example_state[i] = lode__example(batcher->examples, example, (uint32_t)epoch);
        if (batcher->window_rows != NULL) {
            add_cloze(batcher, i, example, seed, epoch);
        } else if (batcher->positions) {
            add_window(batcher, i);
        } else {
            const uint32_t item = log->item[batcher->example_state[i].end];
            batcher->target_rows[batcher->count++] = batcher->binding->item_row[item];
        }
    }
}
