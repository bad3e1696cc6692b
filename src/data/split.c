/// Splits: two positions a user.
///
/// The log holds clicks only. Where the data set has nothing else it points into the mapping; else
/// the clicks are copied once, with the row that each came from. leave_one_out needs the positions
/// alone. chronological turns shares into times first: the n-th smallest time of the whole log is
/// found by bisecting over time and counting the clicks before a moment, which is one bisection a
/// user, because a user's clicks stand in time order. So no sorted copy of the times is made, and
/// clicks of one moment always fall on the same side of a cut: nothing of the test's first moment
/// is seen in training.
#include "data/split.h"

#include <math.h>
#include <string.h>

static const char *const split_types[] = {"leave_one_out", "chronological", NULL};

#define MEMBER(name) offsetof(lode_split_options, name)
const lode_key lode__split_keys[] = {
    {"type", LODE_KEY_CHOICE, MEMBER(type), "leave_one_out", 0, 0, split_types, NULL,
     "leave_one_out: each user's last click is the test, the one before it validation (users with "
     "fewer than 3 clicks only train). chronological: one moment for all users; what comes later "
     "is the test."},
    {"test", LODE_KEY_REAL, MEMBER(test), "0.1", 0, 0.99, NULL, NULL,
     "chronological: share of all clicks that are the test, the latest ones. Clicks of the same "
     "moment stay together."},
    {"valid", LODE_KEY_REAL, MEMBER(valid), "0.1", 0, 0.99, NULL, NULL,
     "chronological: share of the clicks before the test that are validation, the latest ones."},
    {"test_from", LODE_KEY_TEXT, MEMBER(test_from), NULL, 0, 0, NULL, NULL,
     "chronological: the moment from which on clicks are the test, as 2017-10-15, "
     "2017-10-15T03:00:00Z (UTC unless it ends in +hh:mm) or milliseconds since 1970 (row numbers "
     "where the times are an order only). Overrides `test`."},
    {"valid_from", LODE_KEY_TEXT, MEMBER(valid_from), NULL, 0, 0, NULL, NULL,
     "chronological: the same for validation. Overrides `valid`."},
    {"refit", LODE_KEY_BOOL, MEMBER(refit), "false", 0, 0, NULL, NULL,
     "Train the final model once more on training and validation together, for the number of "
     "epochs "
     "that was best."},
    {NULL, LODE_KEY_INT, 0, NULL, 0, 0, NULL, NULL, NULL}};
#undef MEMBER

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

static void log_compact(const lode_dataset *data, uint64_t *offsets, uint32_t *item, int64_t *time,
                        uint64_t *from) {
    uint64_t filled = 0;
    for (uint32_t user = 0; user < data->users.count; user++) {
        offsets[user] = filled;
        for (uint64_t row = data->offsets[user]; row < data->offsets[user + 1]; row++) {
            if (data->behaviour[row] != LODE_CLICK) {
                continue;
            }
            item[filled] = data->item[row];
            from[filled] = row;
            if (time) {
                time[filled] = data->time[row];
            }
            filled++;
        }
    }
    offsets[data->users.count] = filled;
}

static lode_status log_build(lode_split *split, lode_error *error) {
    const lode_dataset *data = split->data;
    lode_log *log = &split->log;
    log->users = data->users.count;
    log->items = data->items.count;
    split->clicks = clicks_of(data);
    if (split->clicks == data->interactions) {
        log->offsets = data->offsets;
        log->item = data->item;
        log->time = data->time;
        return LODE_OK;
    }
    lode_arena *arena = &split->arena;
    uint64_t *offsets = lode__arena_alloc(arena, (size_t)log->users + 1, sizeof *offsets);
    uint32_t *item = lode__arena_alloc(arena, split->clicks, sizeof *item);
    uint64_t *row = lode__arena_alloc(arena, split->clicks, sizeof *row);
    int64_t *time = data->time ? lode__arena_alloc(arena, split->clicks, sizeof *time) : NULL;
    if (!offsets || !item || !row || (data->time && !time)) {
        return lode__fail_memory(error);
    }
    log_compact(data, offsets, item, time, row);
    log->offsets = offsets;
    log->item = item;
    log->time = time;
    log->row = row;
    return LODE_OK;
}

// ------------------------------------------------------------------------------------------------
// Moments: text to milliseconds, shares to moments
// ------------------------------------------------------------------------------------------------

/// Exactly `digits` digits as a number; false when there are others.
static bool read_digits(const char **text, int digits, int *out) {
    int value = 0;
    for (int i = 0; i < digits; i++, (*text)++) {
        if (**text < '0' || **text > '9') {
            return false;
        }
        value = value * 10 + (**text - '0');
    }
    *out = value;
    return true;
}

static bool read_char(const char **text, char wanted) {
    if (**text != wanted) {
        return false;
    }
    (*text)++;
    return true;
}

/// Days from 1970-01-01 to a date of the Gregorian calendar: years begin in March, so that the leap
/// day is last.
static int64_t days_from_date(int year, int month, int day) {
    const int64_t y = month <= 2 ? year - 1 : year;
    const int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    return y * 365 + y / 4 - y / 100 + y / 400 + day_of_year - 719468;
}

static bool date_valid(int year, int month, int day) {
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (year < 1 || month < 1 || month > 12 || day < 1) {
        return false;
    }
    const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return day <= days[month - 1] + (month == 2 && leap);
}

/// "hh:mm[:ss[.fff]]" as milliseconds.
static bool read_clock(const char **text, int64_t *out) {
    int hour, minute, second = 0, fraction = 0;
    if (!read_digits(text, 2, &hour) || !read_char(text, ':') || !read_digits(text, 2, &minute)) {
        return false;
    }
    if (read_char(text, ':')) {
        if (!read_digits(text, 2, &second) ||
            (read_char(text, '.') && !read_digits(text, 3, &fraction))) {
            return false;
        }
    }
    *out = (((int64_t)hour * 60 + minute) * 60 + second) * 1000 + fraction;
    return hour < 24 && minute < 60 && second < 60;
}

/// "", "Z", "+hh:mm" or "-hh:mm" at the end: milliseconds that local time is ahead of UTC.
static bool read_zone(const char **text, int64_t *out) {
    *out = 0;
    if (read_char(text, 'Z') || !**text) {
        return !**text;
    }
    const int sign = **text == '-' ? -1 : 1;
    int hour, minute;
    if (**text != '+' && **text != '-') {
        return false;
    }
    (*text)++;
    if (!read_digits(text, 2, &hour) || !read_char(text, ':') || !read_digits(text, 2, &minute)) {
        return false;
    }
    *out = sign * ((int64_t)hour * 60 + minute) * 60000;
    return hour < 24 && minute < 60 && !**text;
}

static bool parse_iso(const char *text, int64_t *out) {
    int year, month, day;
    if (!read_digits(&text, 4, &year) || !read_char(&text, '-') || !read_digits(&text, 2, &month) ||
        !read_char(&text, '-') || !read_digits(&text, 2, &day) || !date_valid(year, month, day)) {
        return false;
    }
    int64_t clock = 0, zone = 0;
    if ((read_char(&text, 'T') || read_char(&text, ' ')) && !read_clock(&text, &clock)) {
        return false;
    }
    if (!read_zone(&text, &zone)) {
        return false;
    }
    *out = days_from_date(year, month, day) * 86400000 + clock - zone;
    return true;
}

static lode_status parse_moment(const lode_dataset *data, const char *key, const char *text,
                                int64_t *out, lode_error *error) {
    if (lode__parse_i64(text, strlen(text), out)) {
        return LODE_OK;
    }
    if (data->time_kind == LODE_TIME_ORDER) {
        return lode__fail(error, LODE_E_CONFIG,
                          "split.%s: found '%s', but the times of this data set are row numbers "
                          "(an order without dates); give a row number, or a share by `test` and "
                          "`valid`",
                          key, text);
    }
    if (!parse_iso(text, out)) {
        return lode__fail(error, LODE_E_CONFIG,
                          "split.%s: found '%s', expected a date (2017-10-15), a date and time "
                          "(2017-10-15T03:00:00Z) or milliseconds since 1970",
                          key, text);
    }
    return LODE_OK;
}

/// First position of a user's clicks whose time is >= moment.
static uint64_t position_of(const lode_log *log, uint32_t user, int64_t moment) {
    uint64_t low = log->offsets[user], high = log->offsets[user + 1];
    while (low < high) {
        const uint64_t middle = low + (high - low) / 2;
        if (log->time[middle] < moment) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/// How many clicks are before a moment.
static uint64_t clicks_before(const lode_log *log, int64_t moment) {
    uint64_t before = 0;
    for (uint32_t user = 0; user < log->users; user++) {
        before += position_of(log, user, moment) - log->offsets[user];
    }
    return before;
}

/// Earliest and latest time; false without clicks.
static bool time_range(const lode_log *log, int64_t *first, int64_t *last) {
    *first = INT64_MAX;
    *last = INT64_MIN;
    for (uint32_t user = 0; user < log->users; user++) {
        if (log->offsets[user] < log->offsets[user + 1]) {
            *first = LODE_MIN(*first, log->time[log->offsets[user]]);
            *last = LODE_MAX(*last, log->time[log->offsets[user + 1] - 1]);
        }
    }
    return *first <= *last;
}

/// The time of click `rank` (from 0) when all clicks are sorted by time: the largest moment with at
/// most `rank` clicks before it.
static int64_t time_of_rank(const lode_log *log, uint64_t rank) {
    int64_t low, high;
    if (!time_range(log, &low, &high)) {
        return INT64_MAX;
    }
    while (low < high) { // the answer stays in low .. high
        const int64_t middle = high - (int64_t)(((uint64_t)high - (uint64_t)low) / 2);
        if (clicks_before(log, middle) <= rank) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    return low;
}

// ------------------------------------------------------------------------------------------------
// The splits
// ------------------------------------------------------------------------------------------------

static void split_leave_one_out(lode_split *split) {
    const uint64_t *offsets = split->log.offsets;
    for (uint32_t user = 0; user < split->log.users; user++) {
        const uint64_t end = offsets[user + 1];
        const uint64_t held = end - offsets[user] >= 3 ? 1 : 0;
        split->train_end[user] = end - 2 * held;
        split->valid_end[user] = end - held;
    }
}

/// The moments from which on clicks are test and validation.
static lode_status cuts_find(lode_split *split, const lode_split_options *options, int64_t *test,
                             int64_t *valid, lode_error *error) {
    const lode_log *log = &split->log;
    *test = INT64_MAX;
    uint64_t before = split->clicks;
    if (options->test_from) {
        LODE_TRY(parse_moment(split->data, "test_from", options->test_from, test, error));
        before = clicks_before(log, *test);
    } else {
        const uint64_t wanted = (uint64_t)llround(options->test * (double)split->clicks);
        if (wanted > 0) {
            *test = time_of_rank(log, split->clicks - wanted);
            before = clicks_before(log, *test);
        }
    }
    *valid = *test;
    if (options->valid_from) {
        LODE_TRY(parse_moment(split->data, "valid_from", options->valid_from, valid, error));
        if (*valid > *test) {
            return lode__fail(error, LODE_E_CONFIG,
                              "split.valid_from: '%s' is after the start of the test; validation "
                              "comes before the test",
                              options->valid_from);
        }
    } else {
        const uint64_t wanted = (uint64_t)llround(options->valid * (double)before);
        if (wanted > 0) {
            *valid = time_of_rank(log, before - wanted);
        }
    }
    return LODE_OK;
}

static lode_status split_chronological(lode_split *split, const lode_split_options *options,
                                       lode_error *error) {
    if (!split->log.time || split->data->time_kind == LODE_TIME_NONE) {
        return lode__fail(error, LODE_E_CONFIG,
                          "split.type: chronological needs the time of every click, but the data "
                          "set has none; import a log with a time column, or use leave_one_out");
    }
    if (!(options->test >= 0 && options->test < 1 && options->valid >= 0 && options->valid < 1)) {
        return lode__fail(error, LODE_E_CONFIG,
                          "split: test is %g and valid is %g, expected shares from 0 to below 1",
                          options->test, options->valid);
    }
    int64_t test, valid;
    LODE_TRY(cuts_find(split, options, &test, &valid, error));
    for (uint32_t user = 0; user < split->log.users; user++) {
        split->train_end[user] = position_of(&split->log, user, valid);
        split->valid_end[user] = position_of(&split->log, user, test);
    }
    split->test_time = test;
    return LODE_OK;
}

/// Everything that follows from the positions.
static void counts_make(lode_split *split) {
    const lode_log *log = &split->log;
    split->train_clicks = split->valid_clicks = split->test_clicks = 0;
    memset(split->item_count, 0, log->items * sizeof *split->item_count);
    for (uint32_t user = 0; user < log->users; user++) {
        split->train_clicks += split->train_end[user] - log->offsets[user];
        split->valid_clicks += split->valid_end[user] - split->train_end[user];
        split->test_clicks += log->offsets[user + 1] - split->valid_end[user];
        for (uint64_t at = log->offsets[user]; at < split->train_end[user]; at++) {
            split->item_count[log->item[at]]++;
        }
    }
    split->train_items = 0;
    for (uint32_t item = 0; item < log->items; item++) {
        split->train_items += split->item_count[item] > 0;
    }
}

/// Refuse splits that nobody can want.
static lode_status split_check(const lode_split *split, const lode_split_options *options,
                               lode_error *error) {
    if (split->train_clicks == 0) {
        return lode__fail(error, LODE_E_CONFIG,
                          "split: no click is left for training, of %llu in the log; start the "
                          "test and validation later",
                          (unsigned long long)split->clicks);
    }
    if (split->test_clicks == 0 && split->type == LODE_SPLIT_LEAVE_ONE_OUT) {
        return lode__fail(error, LODE_E_CONFIG,
                          "split.type: leave_one_out needs users with at least 3 clicks, and no "
                          "user of this data set has them");
    }
    if (split->test_clicks == 0 && options->test_from) {
        return lode__fail(error, LODE_E_CONFIG,
                          "split.test_from: '%s' is after the last click; the test would be empty",
                          options->test_from);
    }
    return LODE_OK;
}

lode_status lode__split_new(lode_split **out, const lode_dataset *data,
                            const lode_split_options *options, lode_error *error) {
    *out = NULL;
    lode_split *split = lode__alloc(1, sizeof *split);
    if (!split) {
        return lode__fail_memory(error);
    }
    lode_status status;
    split->data = data;
    split->type = (lode_split_type)options->type;
    LODE_GOTO(status, log_build(split, error), fail);
    if (split->clicks == 0) {
        status = lode__fail(error, LODE_E_CONFIG,
                            "the data set has no clicks among its %llu interactions; nothing can "
                            "be trained or tested",
                            (unsigned long long)data->interactions);
        goto fail;
    }
    split->train_end = lode__arena_alloc(&split->arena, split->log.users, sizeof(uint64_t));
    split->valid_end = lode__arena_alloc(&split->arena, split->log.users, sizeof(uint64_t));
    split->item_count = lode__arena_alloc(&split->arena, split->log.items, sizeof(uint32_t));
    if (!split->train_end || !split->valid_end || !split->item_count) {
        status = lode__fail_memory(error);
        goto fail;
    }
    if (split->type == LODE_SPLIT_CHRONOLOGICAL) {
        LODE_GOTO(status, split_chronological(split, options, error), fail);
    } else {
        split_leave_one_out(split);
    }
    counts_make(split);
    LODE_GOTO(status, split_check(split, options, error), fail);
    *out = split;
    return LODE_OK;
fail:
    lode__split_free(&split);
    return status;
}

void lode__split_refit(lode_split *split) {
    memcpy(split->train_end, split->valid_end, split->log.users * sizeof *split->train_end);
    counts_make(split);
}

void lode__split_free(lode_split **split) {
    if (*split) {
        lode__arena_release(&(*split)->arena);
        lode__free(*split);
        *split = NULL;
    }
}

// ------------------------------------------------------------------------------------------------
// Examples
// ------------------------------------------------------------------------------------------------

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
