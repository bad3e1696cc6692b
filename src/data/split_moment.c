/// The cuts of a chronological split: text to milliseconds, shares to moments.
///
/// The n-th smallest time of the whole log is found by bisecting over time and counting the clicks
/// before a moment, which is one bisection a user, because a user's clicks stand in time order. So
/// no sorted copy of the times is made, and clicks of one moment always fall on the same side of a
/// cut: nothing of the test's first moment is seen in training.
#include <math.h>
#include <string.h>

#include "data/split.h"
#include "data/times.h"

// ------------------------------------------------------------------------------------------------
// Moments: text to milliseconds, shares to moments
// ------------------------------------------------------------------------------------------------

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
    if (!lode__time_parse_iso(text, strlen(text), out)) {
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
                              "split.valid_from: '%s' is after the start of the test (%s%s); "
                              "validation comes before the test",
                              options->valid_from,
                              options->test_from ? "split.test_from: " : "by the share split.test",
                              options->test_from ? options->test_from : "");
        }
    } else {
        const uint64_t wanted = (uint64_t)llround(options->valid * (double)before);
        if (wanted > 0) {
            *valid = time_of_rank(log, before - wanted);
        }
    }
    return LODE_OK;
}

lode_status lode__split_chronological(lode_split *split, const lode_split_options *options,
                                      lode_error *error) {
    if (!split->log.time || split->data->time_kind == LODE_TIME_NONE) {
        return lode__fail(error, LODE_E_CONFIG,
                          "split.type: chronological needs the time of every click, but the data "
                          "set has none; import a log with a time column, or use leave_one_out");
    }
    int64_t test, valid;
    LODE_TRY(cuts_find(split, options, &test, &valid, error));
    for (uint32_t user = 0; user < split->log.users; user++) {
        split->train_end[user] = split->valid_begin[user] = position_of(&split->log, user, valid);
        split->valid_end[user] = split->test_begin[user] = position_of(&split->log, user, test);
    }
    split->test_time = test;
    return LODE_OK;
}
