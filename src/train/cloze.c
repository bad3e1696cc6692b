#include "train/cloze.h"

size_t lode__cloze_masks(double probability, size_t length) {
    if (length < 2) return length;
    const size_t share = (size_t)(probability * (double)length + 0.5);
    return LODE_MIN(LODE_MAX(share, (size_t)1), length - 1);
}

static void find_clicks(lode_cloze_window *window, const lode_examples *examples,
                        const lode_binding *binding, const lode_state *newest) {
    const lode_log *log = &examples->split->log;
    const uint64_t longest = examples->options.history, begin = log->offsets[newest->user];
    const uint64_t end = newest->end + 1;
    window->length = 0;
    for (uint64_t at = end - begin > longest ? end - longest : begin; at < end; at++) {
        if (binding->item_row[log->item[at]] != 0) window->clicks[window->length++] = at;
    }
}

void lode__cloze_draw(lode_cloze_window *window, const lode_examples *examples,
                      const lode_binding *binding, const lode_state *newest, uint64_t seed,
                      uint64_t epoch, uint64_t example) {
    const lode_example_options *options = &examples->options;
    find_clicks(window, examples, binding, newest);
    // Examples are fewer than 2^64 and steps of a stream 2^32: the other half goes to the seed.
    lode_random random = lode__random(seed ^ (example >> 32) << 32, LODE_PURPOSE_CLOZE,
                                      (uint32_t)epoch, (uint32_t)example);
    const bool last = lode__random_real(&random) < options->mask_last;
    size_t left = last ? 0 : lode__cloze_masks(options->mask_probability, window->length);
    for (size_t i = 0; i < window->length; i++) {
        // Of those still to come, each set of `left` is as likely as any other.
        window->masked[i] = left > 0 && lode__random_below(&random, window->length - i) < left;
        left -= window->masked[i];
    }
    if (last && window->length > 0) window->masked[window->length - 1] = true;
}
