/// Splits: a few positions a user.
///
/// The log holds clicks only. Where the data set has nothing else it points into the mapping; else
/// the clicks are copied once, with the row that each came from. Under `given` they are copied too
/// when the parts of some user do not follow one another in time: a user's training clicks then
/// stand first, so that no state of the training sees a held-out click.
///
/// leave_one_out, ratio and given need positions alone, users a hash of the tokens, chronological
/// the moments of split_moment.c.
#include "data/split.h"

#include <math.h>
#include <string.h>
#include <xxhash.h>

static const char *const split_types[] = {[LODE_SPLIT_LEAVE_ONE_OUT] = "leave_one_out",
                                          [LODE_SPLIT_CHRONOLOGICAL] = "chronological",
                                          [LODE_SPLIT_RATIO] = "ratio",
                                          [LODE_SPLIT_USERS] = "users",
                                          [LODE_SPLIT_GIVEN] = "given",
                                          [LODE_SPLITS] = NULL};
static const char *const share_kinds[] = {"clicks", "rows", NULL};

const char *lode__split_name(lode_split_type type) {
    return split_types[type];
}

#define MEMBER(name) offsetof(lode_split_options, name)
const lode_key lode__split_keys[] = {
    {"type", LODE_KEY_CHOICE, MEMBER(type), "leave_one_out", 0, 0, split_types, NULL,
     "leave_one_out: each user's last click is the test, the one before it validation (users with "
     "fewer than 3 clicks only train). chronological: one moment for all users; what comes later "
     "is the test. ratio: each user's last clicks, by share. users: a share of the users is held "
     "out; none of their clicks trains, the first ones (`history`) are given and the rest is to "
     "be found. given: as the log's source was split (import the parts together)."},
    {"test", LODE_KEY_REAL, MEMBER(test), "0.1", 0, 0.99, NULL, NULL,
     "chronological: share of all clicks that are the test, the latest ones; clicks of the same "
     "moment stay together. ratio: share of each user's clicks (or rows, see `of`), the last ones, "
     "rounded down, but at least one while another one stays for training. "
     "users: share of the users."},
    {"valid", LODE_KEY_REAL, MEMBER(valid), "0.1", 0, 0.99, NULL, NULL,
     "chronological: share of the clicks before the test that are validation, the latest ones. "
     "ratio: share of each user's clicks (or rows), those right before the test. users: share of "
     "the users."},
    {"test_from", LODE_KEY_TEXT, MEMBER(test_from), NULL, 0, 0, NULL, NULL,
     "chronological: the moment from which on clicks are the test, as 2017-10-15, "
     "2017-10-15T03:00:00Z (UTC unless it ends in +hh:mm) or milliseconds since 1970 (row numbers "
     "where the times are an order only). Overrides `test`."},
    {"valid_from", LODE_KEY_TEXT, MEMBER(valid_from), NULL, 0, 0, NULL, NULL,
     "chronological: the same for validation. Overrides `valid`."},
    {"of", LODE_KEY_CHOICE, MEMBER(of), "clicks", 0, 0, share_kinds, NULL,
     "ratio: what the shares count: clicks, or rows (clicks and exposures; needs a log with "
     "exposures)."},
    {"history", LODE_KEY_REAL, MEMBER(history), "0.8", 0, 0.99, NULL, NULL,
     "users, given: share of the clicks of a held-out user that is given, the first ones, rounded "
     "down."},
    {"seed", LODE_KEY_INT, MEMBER(seed), "1", 0, 9e15, NULL, NULL,
     "users: of the hash that chooses them; the choice depends on the user's token alone."},
    {"refit", LODE_KEY_BOOL, MEMBER(refit), "false", 0, 0, NULL, NULL,
     "Train the final model once more on training and validation together, for the number of "
     "epochs that was best."},
    {NULL, LODE_KEY_INT, 0, NULL, 0, 0, NULL, NULL, NULL}};
#undef MEMBER

// ------------------------------------------------------------------------------------------------
// Keys that contradict each other
// ------------------------------------------------------------------------------------------------

static bool share_bad(double share) {
    return !(share >= 0 && share < 1);
}

lode_status lode__split_check(const lode_split_options *options, lode_error *error) {
    const lode_split_type type = (lode_split_type)options->type;
    const char *moment = options->test_from    ? "test_from"
                         : options->valid_from ? "valid_from"
                                               : NULL;
    if (moment && type != LODE_SPLIT_CHRONOLOGICAL) {
        return lode__fail(error, LODE_E_CONFIG,
                          "split.%s is a moment for all users, but split.type is %s; set "
                          "split.type: chronological, or leave split.%s out",
                          moment, split_types[type], moment);
    }
    if (options->of == LODE_OF_ROWS && type != LODE_SPLIT_RATIO) {
        return lode__fail(error, LODE_E_CONFIG,
                          "split.of: rows counts the shares of split.type: ratio, but split.type "
                          "is %s; leave split.of out",
                          split_types[type]);
    }
    if (share_bad(options->test) || share_bad(options->valid)) {
        return lode__fail(error, LODE_E_CONFIG,
                          "split.test is %g and split.valid is %g, expected shares from 0 to "
                          "below 1",
                          options->test, options->valid);
    }
    if (share_bad(options->history)) {
        return lode__fail(error, LODE_E_CONFIG,
                          "split.history is %g, expected a share from 0 to below 1: something of "
                          "a held-out user must be left to find",
                          options->history);
    }
    if ((type == LODE_SPLIT_RATIO || type == LODE_SPLIT_USERS) &&
        options->test + options->valid >= 1 - 1e-9) {
        return lode__fail(error, LODE_E_CONFIG,
                          "split.test (%g) and split.valid (%g) together leave nothing for "
                          "training; lower one of them",
                          options->test, options->valid);
    }
    return LODE_OK;
}

// ------------------------------------------------------------------------------------------------
// The log of clicks
// ------------------------------------------------------------------------------------------------

static uint64_t clicks_of(const lode_dataset *data) {
    if (!data->behaviour) {
        return data->interactions;
    }
    uint64_t clicks = 0;
    for (uint64_t row = 0; row < data->interactions; row++) {
        clicks += data->behaviour[row] == LODE_CLICK;
    }
    return clicks;
}

static int part_of(const lode_dataset *data, uint64_t row) {
    return data->part ? data->part[row] : LODE_GIVEN_TRAIN;
}

static bool is_click(const lode_dataset *data, uint64_t row) {
    return !data->behaviour || data->behaviour[row] == LODE_CLICK;
}

/// Whether the parts of every user follow one another: training, validation, test.
static bool parts_in_order(const lode_dataset *data) {
    for (uint32_t user = 0; user < data->users.count; user++) {
        int last = LODE_GIVEN_TRAIN;
        for (uint64_t row = data->offsets[user]; row < data->offsets[user + 1]; row++) {
            if (!is_click(data, row)) {
                continue;
            }
            if (part_of(data, row) < last) {
                return false;
            }
            last = part_of(data, row);
        }
    }
    return true;
}

/// Where a copy of the clicks goes.
typedef struct click_copy {
    uint64_t *offsets, *row;
    uint32_t *item;
    int64_t *time;
    bool by_part; ///< a user's parts one after the other
} click_copy;

static uint64_t copy_user(const lode_dataset *data, click_copy *to, uint32_t user, int part,
                          uint64_t filled) {
    for (uint64_t row = data->offsets[user]; row < data->offsets[user + 1]; row++) {
        if (!is_click(data, row) || (to->by_part && part_of(data, row) != part)) {
            continue;
        }
        to->item[filled] = data->item[row];
        to->row[filled] = row;
        if (to->time) {
            to->time[filled] = data->time[row];
        }
        filled++;
    }
    return filled;
}

static void log_copy(const lode_dataset *data, click_copy *to) {
    uint64_t filled = 0;
    for (uint32_t user = 0; user < data->users.count; user++) {
        to->offsets[user] = filled;
        for (int part = 0; part < (to->by_part ? LODE_GIVEN_PARTS : 1); part++) {
            filled = copy_user(data, to, user, part, filled);
        }
    }
    to->offsets[data->users.count] = filled;
}

static lode_status log_build(lode_split *split, lode_error *error) {
    const lode_dataset *data = split->data;
    lode_log *log = &split->log;
    log->users = data->users.count;
    log->items = data->items.count;
    split->clicks = clicks_of(data);
    const bool by_part = split->type == LODE_SPLIT_GIVEN && !parts_in_order(data);
    if (split->clicks == data->interactions && !by_part) {
        log->offsets = data->offsets;
        log->item = data->item;
        log->time = data->time;
        return LODE_OK;
    }
    lode_arena *arena = &split->arena;
    click_copy copy = {.by_part = by_part};
    copy.offsets = lode__arena_alloc(arena, (size_t)log->users + 1, sizeof *copy.offsets);
    copy.item = lode__arena_alloc(arena, split->clicks, sizeof *copy.item);
    copy.row = lode__arena_alloc(arena, split->clicks, sizeof *copy.row);
    copy.time = data->time ? lode__arena_alloc(arena, split->clicks, sizeof *copy.time) : NULL;
    if (!copy.offsets || !copy.item || !copy.row || (data->time && !copy.time)) {
        return lode__fail_memory(error);
    }
    log_copy(data, &copy);
    log->offsets = copy.offsets;
    log->item = copy.item;
    log->time = copy.time;
    log->row = copy.row;
    return LODE_OK;
}

// ------------------------------------------------------------------------------------------------
// The splits
// ------------------------------------------------------------------------------------------------

/// The parts of a user's clicks follow one another without given ones.
static void user_cut(lode_split *split, uint32_t user, uint64_t valid, uint64_t test) {
    split->train_end[user] = split->valid_begin[user] = valid;
    split->valid_end[user] = split->test_begin[user] = test;
}

static void split_leave_one_out(lode_split *split) {
    const uint64_t *offsets = split->log.offsets;
    for (uint32_t user = 0; user < split->log.users; user++) {
        const uint64_t end = offsets[user + 1];
        const uint64_t held = end - offsets[user] >= 3 ? 1 : 0;
        user_cut(split, user, end - 2 * held, end - held);
    }
}

/// A share of n, rounded down (0.8 of 5 is 4, whatever the last bit of 0.8 says).
static uint64_t share_of(double share, uint64_t n) {
    return (uint64_t)floor(share * (double)n + 1e-9);
}

/// How many of a user's n clicks or rows are test and validation: at least one where the share is not 0 and
/// another one stays for training.
static void user_shares(const lode_split_options *options, uint64_t n, uint64_t *test,
                        uint64_t *valid) {
    *test = share_of(options->test, n);
    *valid = share_of(options->valid, n);
    if (*test == 0 && options->test > 0 && n > *valid + 1) {
        *test = 1;
    }
    if (*valid == 0 && options->valid > 0 && n > *test + 1) {
        *valid = 1;
    }
}

static bool is_labelled(const lode_dataset *data, uint64_t row) {
    return is_click(data, row) || data->behaviour[row] == LODE_EXPOSURE;
}

/// The row of the log at which a user's last `last` labelled rows begin.
static uint64_t row_of_last(const lode_dataset *data, uint32_t user, uint64_t last) {
    uint64_t row = data->offsets[user + 1];
    while (last > 0 && row > data->offsets[user]) {
        last -= is_labelled(data, --row);
    }
    return row;
}

uint64_t lode__click_at_row(const lode_log *log, uint32_t user, uint64_t row) {
    uint64_t low = log->offsets[user], high = log->offsets[user + 1];
    while (low < high) {
        const uint64_t middle = low + (high - low) / 2;
        if ((log->row ? log->row[middle] : middle) < row) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/// By rows: the last rows of each user, exposures among them.
static void ratio_rows(lode_split *split, uint32_t user, const lode_split_options *options) {
    const lode_dataset *data = split->data;
    uint64_t rows = 0;
    for (uint64_t row = data->offsets[user]; row < data->offsets[user + 1]; row++) {
        rows += is_labelled(data, row);
    }
    uint64_t test, valid;
    user_shares(options, rows, &test, &valid);
    split->valid_row[user] = row_of_last(data, user, test + valid);
    split->test_row[user] = row_of_last(data, user, test);
    user_cut(split, user, lode__click_at_row(&split->log, user, split->valid_row[user]),
             lode__click_at_row(&split->log, user, split->test_row[user]));
}

/// By clicks: a part begins right after the last click in front of it, so that an exposure between two parts
/// belongs to the later one.
static void ratio_clicks(lode_split *split, uint32_t user, const lode_split_options *options) {
    const lode_log *log = &split->log;
    const uint64_t begin = log->offsets[user], end = log->offsets[user + 1], clicks = end - begin;
    uint64_t test, valid;
    user_shares(options, clicks, &test, &valid);
    user_cut(split, user, end - test - valid, end - test);
    const uint64_t cuts[] = {end - test - valid, end - test};
    uint64_t *const rows[] = {&split->valid_row[user], &split->test_row[user]};
    for (int i = 0; i < 2; i++) {
        const uint64_t before = cuts[i] - 1; // only read where there is a click before
        *rows[i] = cuts[i] == begin ? split->data->offsets[user]
                   : cuts[i] == end ? split->data->offsets[user + 1]
                                    : (log->row ? log->row[before] : before) + 1;
    }
}

static lode_status split_ratio(lode_split *split, const lode_split_options *options,
                               lode_error *error) {
    const lode_dataset *data = split->data;
    bool exposures = false;
    for (uint64_t row = 0; data->behaviour && row < data->interactions && !exposures; row++) {
        exposures = data->behaviour[row] == LODE_EXPOSURE;
    }
    if (options->of == LODE_OF_ROWS && !exposures) {
        return lode__fail(error, LODE_E_CONFIG,
                          "split.of: rows counts exposures (shown, not clicked), and the data set "
                          "has none; import it with labels (--label 'rating>3') or use split.of: "
                          "clicks");
    }
    split->valid_row = lode__arena_alloc(&split->arena, split->log.users, sizeof(uint64_t));
    split->test_row = lode__arena_alloc(&split->arena, split->log.users, sizeof(uint64_t));
    if (!split->valid_row || !split->test_row) {
        return lode__fail_memory(error);
    }
    for (uint32_t user = 0; user < split->log.users; user++) {
        if (options->of == LODE_OF_ROWS) {
            ratio_rows(split, user, options);
        } else {
            ratio_clicks(split, user, options);
        }
    }
    return LODE_OK;
}

static void split_users(lode_split *split, const lode_split_options *options) {
    const lode_log *log = &split->log;
    for (uint32_t user = 0; user < log->users; user++) {
        const uint64_t begin = log->offsets[user], end = log->offsets[user + 1];
        const char *token = lode__token(&split->data->users, user);
        const uint64_t hash = XXH64(token, strlen(token), (uint64_t)options->seed);
        const double place = (double)(hash >> 11) * 0x1p-53; // uniform in [0, 1)
        const uint64_t given = begin + share_of(options->history, end - begin);
        if (place < options->test) {
            user_cut(split, user, begin, begin);
            split->test_begin[user] = given;
        } else if (place < options->test + options->valid) {
            user_cut(split, user, begin, end);
            split->valid_begin[user] = given;
        } else {
            user_cut(split, user, end, end);
        }
    }
}

static lode_status split_given(lode_split *split, const lode_split_options *options,
                               lode_error *error) {
    const lode_log *log = &split->log;
    if (!split->data->part) {
        return lode__fail(error, LODE_E_CONFIG,
                          "split.type: given takes the parts that a log came in, and this data set "
                          "came in one piece; import the files of all parts together "
                          "(X.train, X.valid, X.test), or choose another split.type");
    }
    for (uint32_t user = 0; user < log->users; user++) {
        const uint64_t begin = log->offsets[user], end = log->offsets[user + 1];
        uint64_t cut[LODE_GIVEN_PARTS] = {begin, begin, begin}; // the end of each part
        for (uint64_t at = begin; at < end; at++) {
            cut[part_of(split->data, log->row ? log->row[at] : at)] = at + 1;
        }
        cut[LODE_GIVEN_VALID] = LODE_MAX(cut[LODE_GIVEN_VALID], cut[LODE_GIVEN_TRAIN]);
        user_cut(split, user, cut[LODE_GIVEN_TRAIN], cut[LODE_GIVEN_VALID]);
        if (cut[LODE_GIVEN_TRAIN] > begin) {
            continue;
        }
        if (cut[LODE_GIVEN_VALID] > begin) {
            split->valid_begin[user] =
                begin + share_of(options->history, cut[LODE_GIVEN_VALID] - begin);
        } else {
            split->test_begin[user] = begin + share_of(options->history, end - begin);
        }
    }
    return LODE_OK;
}

/// Everything that follows from the positions.
static void counts_make(lode_split *split) {
    const lode_log *log = &split->log;
    split->train_clicks = split->valid_clicks = split->test_clicks = 0;
    memset(split->item_count, 0, log->items * sizeof *split->item_count);
    for (uint32_t user = 0; user < log->users; user++) {
        split->train_clicks += split->train_end[user] - log->offsets[user];
        split->valid_clicks += split->valid_end[user] - split->valid_begin[user];
        split->test_clicks += log->offsets[user + 1] - split->test_begin[user];
        for (uint64_t at = log->offsets[user]; at < split->train_end[user]; at++) {
            split->item_count[log->item[at]]++;
        }
    }
    split->given_clicks =
        split->clicks - split->train_clicks - split->valid_clicks - split->test_clicks;
    split->train_items = 0;
    for (uint32_t item = 0; item < log->items; item++) {
        split->train_items += split->item_count[item] > 0;
    }
}

/// Refuse splits that nobody can want.
static lode_status split_look(const lode_split *split, const lode_split_options *options,
                              lode_error *error) {
    if (split->train_clicks == 0) {
        return lode__fail(error, LODE_E_CONFIG,
                          "split: no click is left for training, of %llu in the log; start the "
                          "test and validation later, or make split.test and split.valid smaller",
                          (unsigned long long)split->clicks);
    }
    if (split->test_clicks > 0) {
        return LODE_OK;
    }
    if (split->type == LODE_SPLIT_LEAVE_ONE_OUT) {
        return lode__fail(error, LODE_E_CONFIG,
                          "split.type: leave_one_out needs users with at least 3 clicks, and no "
                          "user of this data set has them");
    }
    if (options->test_from) {
        return lode__fail(error, LODE_E_CONFIG,
                          "split.test_from: '%s' is after the last click; the test would be empty",
                          options->test_from);
    }
    if (split->type == LODE_SPLIT_RATIO && options->test > 0) {
        return lode__fail(error, LODE_E_CONFIG,
                          "split.type: ratio needs users with at least 2 clicks, and no user of "
                          "this data set has them");
    }
    return LODE_OK;
}

static lode_status positions_make(lode_split *split, const lode_split_options *options,
                                  lode_error *error) {
    switch (split->type) {
    case LODE_SPLIT_CHRONOLOGICAL:
        return lode__split_chronological(split, options, error);
    case LODE_SPLIT_RATIO:
        return split_ratio(split, options, error);
    case LODE_SPLIT_USERS:
        split_users(split, options);
        return LODE_OK;
    case LODE_SPLIT_GIVEN:
        return split_given(split, options, error);
    default:
        split_leave_one_out(split);
        return LODE_OK;
    }
}

static lode_status split_build(lode_split *split, const lode_split_options *options,
                               lode_error *error) {
    LODE_TRY(lode__split_check(options, error));
    LODE_TRY(log_build(split, error));
    if (split->clicks == 0) {
        return lode__fail(error, LODE_E_CONFIG,
                          "the data set has no clicks among its %llu interactions; nothing can "
                          "be trained or tested",
                          (unsigned long long)split->data->interactions);
    }
    uint64_t **const positions[] = {&split->train_end, &split->valid_begin, &split->valid_end,
                                    &split->test_begin};
    for (size_t i = 0; i < sizeof positions / sizeof *positions; i++) {
        *positions[i] = lode__arena_alloc(&split->arena, split->log.users, sizeof(uint64_t));
        if (!*positions[i]) {
            return lode__fail_memory(error);
        }
    }
    split->item_count = lode__arena_alloc(&split->arena, split->log.items, sizeof(uint32_t));
    if (!split->item_count) {
        return lode__fail_memory(error);
    }
    lode__dataset_forget(split->data);
    LODE_TRY(positions_make(split, options, error));
    lode__dataset_forget(split->data);
    counts_make(split);
    lode__dataset_forget(split->data);
    return split_look(split, options, error);
}

lode_status lode__split_new(lode_split **out, const lode_dataset *data,
                            const lode_split_options *options, lode_error *error) {
    *out = NULL;
    lode_split *split = lode__alloc(1, sizeof *split);
    if (!split) {
        return lode__fail_memory(error);
    }
    split->data = data;
    split->type = (lode_split_type)options->type;
    split->of = (enum lode_split_of)options->of;
    const lode_status status = split_build(split, options, error);
    if (status != LODE_OK) {
        lode__split_free(&split);
    }
    *out = split;
    return status;
}

void lode__split_refit(lode_split *split) {
    const size_t bytes = split->log.users * sizeof *split->train_end;
    memcpy(split->train_end, split->valid_end, bytes);
    memcpy(split->valid_begin, split->valid_end, bytes);
    counts_make(split);
}

void lode__split_free(lode_split **split) {
    if (*split) {
        lode__arena_release(&(*split)->arena);
        lode__free(*split);
        *split = NULL;
    }
}
