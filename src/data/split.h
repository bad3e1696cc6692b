/// Splits: which clicks are for training, which for validation, which for the test.
///
/// Models see *clicks*: the rows of the log whose behaviour is a click, by user and time. Under every split
/// here a user's clicks are a training part, then a validation part, then a test part, so a split is two
/// positions a user. Nothing after a position is visible from before it.
#ifndef LODE_DATA_SPLIT_H
#define LODE_DATA_SPLIT_H

#include "base/config.h"
#include "data/dataset.h"

/// The clicks of a data set, by user and time. Points into the mapping where the log has clicks only.
typedef struct lode_log {
    uint32_t users, items; ///< items = the whole catalogue
    const uint64_t *offsets;
    const uint32_t *item;
    const int64_t *time; ///< or NULL
    const uint64_t *row; ///< row of the data set's log of each click, for context columns; NULL = the same
} lode_log;

typedef enum lode_split_type { LODE_SPLIT_LEAVE_ONE_OUT, LODE_SPLIT_CHRONOLOGICAL } lode_split_type;

typedef struct lode_split_options {
    int type;              ///< lode_split_type: leave_one_out | chronological
    double test;           ///< chronological: share of clicks for the test
    double valid;          ///< chronological: share of the clicks before the test for validation
    const char *test_from; ///< chronological: ISO time or ms from which on clicks are test; overrides `test`
    const char *valid_from; ///< the same for validation
    bool refit;             ///< the final model is trained on training + validation
} lode_split_options;

extern const lode_key lode__split_keys[];

typedef struct lode_split {
    const lode_dataset *data;
    lode_split_type type;
    lode_log log;
    uint64_t *train_end; ///< [users] training clicks of u: log.offsets[u] .. train_end[u]
    uint64_t *valid_end; ///< [users] validation: train_end[u] .. valid_end[u]; test: valid_end[u] .. offsets[u + 1]
    uint64_t clicks, train_clicks, valid_clicks, test_clicks;
    int64_t test_time;    ///< chronological: the cut
    uint32_t *item_count; ///< [items] training clicks of each item
    uint32_t train_items; ///< items with at least one
    lode_arena arena;
} lode_split;

/// leave_one_out: a user with fewer than 3 clicks goes whole to training; else the last click is the test,
/// the one before it validation. chronological: by time over all users; needs times (kind real or order).
/// LODE_E_CONFIG where the data cannot serve the split, saying what is missing.
LODE_CHECK lode_status lode__split_new(lode_split **out, const lode_dataset *data,
                                       const lode_split_options *options, lode_error *error);
/// Move validation into training (refit): train_end = valid_end, counts redone.
void lode__split_refit(lode_split *split);
void lode__split_free(lode_split **split);

/// A moment of a user: everything strictly before click `end` (a position in the log) is known.
typedef struct lode_state {
    uint32_t user;
    uint64_t end;
} lode_state;

/// Training examples, numbered 0 .. count - 1 by user and time: an example is the state before a training
/// click together with that click. Clicks with fewer than `min_history` clicks before them are left out.
typedef struct lode_examples {
    const lode_split *split;
    uint64_t *starts; ///< [users + 1] number of the first example of each user
    uint64_t count;
    uint64_t min_history;
} lode_examples;

LODE_CHECK lode_status lode__examples_new(lode_examples *examples, const lode_split *split,
                                          uint64_t min_history, lode_error *error);
void lode__examples_release(lode_examples *examples);
/// State and target position of example `index` < count; the target is item[state.end]. O(log users).
lode_state lode__example(const lode_examples *examples, uint64_t index);

#endif
