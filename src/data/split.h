/// Splits: which clicks are for training, which for validation, which for the test.
///
/// Models see *clicks*: the rows of the log whose behaviour is a click, by user and time. A user's clicks are
///
///     offsets        train_end          valid_begin        valid_end          test_begin       offsets + 1
///       | training      | given             | validation       | given            | test            |
///
/// in this order, and every part may be empty. Given clicks belong to nobody's truth and to no training: they are
/// the history from which the clicks of a held-out user are to be found. Nothing after a position is visible from
/// before it: the state at `valid_begin` and `test_begin` sees all of the user's clicks in front.
#ifndef LODE_DATA_SPLIT_H
#define LODE_DATA_SPLIT_H

#include "base/config.h"
#include "data/dataset.h"

/// The clicks of a data set, by user and time (under `given`: by user, part and time). Points into the mapping
/// where nothing had to be left out or moved.
typedef struct lode_log {
    uint32_t users, items; ///< items = the whole catalogue
    const uint64_t *offsets;
    const uint32_t *item;
    const int64_t *time; ///< or NULL
    const uint64_t *row; ///< row of the data set's log of each click, for context columns; NULL = the same
} lode_log;

typedef enum lode_split_type {
    LODE_SPLIT_LEAVE_ONE_OUT,
    LODE_SPLIT_CHRONOLOGICAL,
    LODE_SPLIT_RATIO,
    LODE_SPLIT_USERS,
    LODE_SPLIT_GIVEN,
    LODE_SPLITS
} lode_split_type;

/// "leave_one_out", "chronological", ...
const char *lode__split_name(lode_split_type type);

/// What the shares of a ratio split count.
enum lode_split_of { LODE_OF_CLICKS, LODE_OF_ROWS };

typedef struct lode_split_options {
    int type;       ///< lode_split_type
    double test;    ///< share of clicks (chronological, ratio) or users for the test
    double valid;   ///< chronological: of the clicks before the test; ratio, users: of all
    double history; ///< users, given: share of a held-out user's clicks that is given
    const char *test_from; ///< chronological: ISO time or ms from which on clicks are test; overrides `test`
    const char *valid_from; ///< the same for validation
    int of;                 ///< ratio: lode_split_of
    int64_t seed;           ///< users: of the hash that draws them
    bool refit;             ///< the final model is trained on training + validation
} lode_split_options;

extern const lode_key lode__split_keys[];

/// Refuse keys that contradict each other, naming both; needs no data.
LODE_CHECK lode_status lode__split_check(const lode_split_options *options, lode_error *error);

typedef struct lode_split {
    const lode_dataset *data;
    lode_split_type type;
    enum lode_split_of of; ///< ratio: what its shares counted
    lode_log log;
    uint64_t *train_end; ///< [users] training clicks of u: log.offsets[u] .. train_end[u]
    uint64_t *valid_begin, *valid_end; ///< [users] validation: valid_begin[u] .. valid_end[u]
    uint64_t *test_begin;              ///< [users] test: test_begin[u] .. log.offsets[u + 1]
    uint64_t *valid_row,
        *test_row; ///< ratio: [users] row of the data set's log where the part begins; else NULL
    uint64_t clicks, train_clicks, valid_clicks, test_clicks;
    uint64_t given_clicks; ///< in front of held-out parts, in no part themselves
    int64_t test_time;     ///< chronological: the cut
    uint32_t *item_count;  ///< [items] training clicks of each item
    uint32_t train_items;  ///< items with at least one
    lode_arena arena;
} lode_split;

/// leave_one_out: a user with fewer than 3 clicks goes whole to training; else the last click is the test,
/// the one before it validation. chronological: by time over all users; needs times (kind real or order).
/// ratio: a user's last clicks (or rows, exposures counted) by share. users: a share of the users is held out,
/// chosen by a hash of their tokens; the first `history` of their clicks is given. given: what the log's source
/// said (data->part).
/// LODE_E_CONFIG where the data cannot serve the split, saying what is missing.
LODE_CHECK lode_status lode__split_new(lode_split **out, const lode_dataset *data,
                                       const lode_split_options *options, lode_error *error);
/// Move validation into training (refit): train_end = valid_begin = valid_end, counts redone. A held-out user of
/// the validation trains whole, given clicks included.
void lode__split_refit(lode_split *split);
void lode__split_free(lode_split **split);

/// The first click of a user at or after a row of the data set's log (of a log in order of rows).
uint64_t lode__click_at_row(const lode_log *log, uint32_t user, uint64_t row);

/// split_moment.c: the cuts of a chronological split.
LODE_CHECK lode_status lode__split_chronological(lode_split *split, const lode_split_options *options,
                                                 lode_error *error);

/// A moment of a user: everything strictly before click `end` (a position in the log) is known.
typedef struct lode_state {
    uint32_t user;
    uint64_t end;
} lode_state;

/// What a training example is (data.examples).
typedef enum lode_example_kind {
    LODE_EVERY_CLICK,   ///< every training click with the state before it
    LODE_ALL_POSITIONS, ///< a window of a user's clicks, each of which predicts the next
    LODE_RANDOM_CUT,    ///< one click of every user, drawn anew in each epoch
    LODE_LAST,          ///< the last training click of every user
    LODE_CLOZE          ///< a window of a user's clicks, of which the masked ones are to be found
} lode_example_kind;

typedef struct lode_example_options {
    int kind;             ///< lode_example_kind
    uint64_t min_history; ///< clicks with fewer before them are no target (a window has at least one)
    uint64_t history;     ///< all_positions, cloze: longest window, counted in inputs
    bool all_windows;     ///< the same: cut a long user into windows, not the last one alone
    uint64_t seed;        ///< random_cut
    double mask_probability; ///< cloze: share of a window's clicks that is masked
    double mask_last;        ///< cloze: share of the examples of which the newest click alone is
} lode_example_options;

/// Training examples, numbered 0 .. count - 1 by user and time, without an array of them. An example is a state
/// whose `end` is a training click: the state's target. Under all_positions it is a window: the up to `history`
/// clicks before `end`, of which each has the next one as its target and the newest the click at `end`. Windows of a
/// user end at the last training click, `history` clicks before it, and so on: every training click but the first is
/// a target once (of users who are longer than the window and have the last window alone, the newest ones).
/// Under cloze a window is the up to `history` clicks that end at `end` itself; it has two at least, so that an oldest
/// click that would stand alone is in none.
typedef struct lode_examples {
    const lode_split *split;
    uint64_t *starts; ///< [users + 1] number of the first example of each user
    uint64_t count;
    lode_example_options options;
} lode_examples;

LODE_CHECK lode_status lode__examples_new(lode_examples *examples, const lode_split *split,
                                          const lode_example_options *options, lode_error *error);
void lode__examples_release(lode_examples *examples);
/// Example `index` < count of an epoch; its target (all_positions: of the newest position) is item[state.end].
/// O(log users).
lode_state lode__example(const lode_examples *examples, uint64_t index, uint32_t epoch);

#endif
