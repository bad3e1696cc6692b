/// Training examples of a split, numbered without an array of them: one number a user, bisected.
#include <string.h>

#include "data/split.h"

lode_status lode__examples_new(lode_examples *examples, const lode_split *split,
                               uint64_t min_history, lode_error *error) {
    const lode_log *log = &split->log;
    memset(examples, 0, sizeof *examples);
    uint64_t *starts = lode__alloc((size_t)log->users + 1, sizeof *starts);
    if (!starts) {
        return lode__fail_memory(error);
    }
    uint64_t count = 0;
    for (uint32_t user = 0; user < log->users; user++) {
        const uint64_t clicks = split->train_end[user] - log->offsets[user];
        starts[user] = count;
        count += clicks > min_history ? clicks - min_history : 0;
    }
    starts[log->users] = count;
    examples->split = split;
    examples->starts = starts;
    examples->count = count;
    examples->min_history = min_history;
    return LODE_OK;
}

void lode__examples_release(lode_examples *examples) {
    lode__free(examples->starts);
    memset(examples, 0, sizeof *examples);
}

lode_state lode__example(const lode_examples *examples, uint64_t index) {
    uint32_t low = 0, high = examples->split->log.users;
    while (high - low > 1) { // starts[low] <= index < starts[high]
        const uint32_t middle = low + (high - low) / 2;
        if (examples->starts[middle] <= index) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return (lode_state){low, examples->split->log.offsets[low] + examples->min_history +
                                 (index - examples->starts[low])};
}
