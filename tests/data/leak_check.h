/// A checker of leaks for any split: it works from the definition of each type and the raw rows, and asks nothing
/// of the split but what it checks.
///
/// A row is *hidden* when training must not see it. What may be visible from a state is what the same user did
/// before it.
#ifndef LEAK_CHECK_H
#define LEAK_CHECK_H

#include "data/split.h"

#include <stdio.h>
#include <string.h>

/// Whether click `at` of a user must not train, as the split's type defines it.
typedef bool leak_hidden(const lode_split *split, uint32_t user, uint64_t at, const void *about);

static inline uint64_t leak_row(const lode_log *log, uint64_t at) {
    return log->row ? log->row[at] : at;
}

/// NULL, or what leaks: a hidden click that an example, its state or a count of the training sees; a state of the
/// validation or the test that sees what comes after it.
static inline const char *leak_find(const lode_split *split, leak_hidden *hidden, const void *about) {
    static uint32_t counted[4096];
    const lode_log *log = &split->log;
    lode_examples examples;
    if (log->items > 4096 ||
        lode__examples_new(&examples, split, &(lode_example_options){.min_history = 0}, NULL) !=
            LODE_OK) {
        return "the checker cannot work";
    }
    const char *found = NULL;
    memset(counted, 0, sizeof counted);
    for (uint64_t i = 0; i < examples.count && !found; i++) {
        const lode_state state = lode__example(&examples, i, 0);
        for (uint64_t at = log->offsets[state.user]; at <= state.end; at++) {
            if (hidden(split, state.user, at, about)) {
                found =
                    at == state.end ? "a hidden click is a target" : "a state sees a hidden click";
            }
            if (split->data->time && log->time[at] > log->time[state.end]) {
                found = "a state sees a later click";
            }
        }
        counted[log->item[state.end]]++;
    }
    lode__examples_release(&examples);
    if (!found && memcmp(counted, split->item_count, log->items * sizeof *counted) != 0) {
        found = "a count holds other clicks than the training's";
    }
    for (uint32_t user = 0; user < log->users && !found; user++) {
        const uint64_t begin = log->offsets[user], end = log->offsets[user + 1];
        const uint64_t cuts[] = {begin,
                                 split->train_end[user],
                                 split->valid_begin[user],
                                 split->valid_end[user],
                                 split->test_begin[user],
                                 end};
        for (int i = 0; i < 5; i++) {
            if (cuts[i] > cuts[i + 1]) {
                found = "the parts of a user overlap";
            }
        }
        for (uint64_t at = split->test_begin[user]; at < end && !found; at++) {
            for (uint64_t before = begin; before < split->test_begin[user]; before++) {
                if (leak_row(log, before) == leak_row(log, at)) {
                    found = "the state of the test sees a click of the test";
                }
            }
        }
    }
    return found;
}

#endif
