/// Training examples of a split, numbered without an array of them: one number a user, bisected.
#include <string.h>

#include "base/random.h"
#include "data/split.h"

/// Examples of a user with so many training clicks.
static uint64_t count_of(const lode_example_options *options, uint64_t clicks) {
    const uint64_t least = options->min_history;
    switch ((lode_example_kind)options->kind) {
    case LODE_EVERY_CLICK:
        return clicks > least ? clicks - least : 0;
    case LODE_ALL_POSITIONS:
    case LODE_CLOZE:
        if (clicks < 2 || clicks <= least) return 0;
        return options->all_windows ? (clicks - 1 + options->history - 1) / options->history : 1;
    case LODE_RANDOM_CUT:
    case LODE_LAST:
        break;
    }
    return clicks > least ? 1 : 0;
}

lode_status lode__examples_new(lode_examples *examples, const lode_split *split,
                               const lode_example_options *options, lode_error *error) {
    const lode_log *log = &split->log;
    memset(examples, 0, sizeof *examples);
    assert((options->kind != LODE_ALL_POSITIONS && options->kind != LODE_CLOZE) ||
           options->history > 0);
    uint64_t *starts = lode__alloc((size_t)log->users + 1, sizeof *starts);
    if (!starts) {
        return lode__fail_memory(error);
    }
    uint64_t count = 0;
    for (uint32_t user = 0; user < log->users; user++) {
        starts[user] = count;
        count += count_of(options, split->train_end[user] - log->offsets[user]);
    }
    starts[log->users] = count;
    examples->split = split;
    examples->starts = starts;
    examples->count = count;
    examples->options = *options;
    return LODE_OK;
}

void lode__examples_release(lode_examples *examples) {
    lode__free(examples->starts);
    memset(examples, 0, sizeof *examples);
}

/// Position in the log of the target of a user's example `number`.
static uint64_t target_of(const lode_examples *examples, uint32_t user, uint64_t number,
                          uint32_t epoch) {
    const lode_example_options *options = &examples->options;
    const uint64_t first = examples->split->log.offsets[user] + options->min_history;
    const uint64_t end = examples->split->train_end[user];
    switch ((lode_example_kind)options->kind) {
    case LODE_EVERY_CLICK:
        break;
    case LODE_ALL_POSITIONS:
    case LODE_CLOZE:
        return end - 1 - number * options->history; // the last window first
    case LODE_RANDOM_CUT:
        // One word cuts up to 2^32 clicks; the draw depends on the user alone, not on the order.
        return first +
               ((end - first) * lode__random_at(options->seed, LODE_PURPOSE_ORDER, epoch, user, 0) >>
                32);
    case LODE_LAST:
        return end - 1;
    }
    return first + number;
}

lode_state lode__example(const lode_examples *examples, uint64_t index, uint32_t epoch) {
    uint32_t low = 0, high = examples->split->log.users;
    while (high - low > 1) { // starts[low] <= index < starts[high]
        const uint32_t middle = low + (high - low) / 2;
        if (examples->starts[middle] <= index) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return (lode_state){low, target_of(examples, low, index - examples->starts[low], epoch)};
}
