/// Sessions by column and by gap, worked by hand; what a data set cannot serve.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "data/sessions.h"
#include "small_log.h"

static small_log log_of;
static uint32_t column[SMALL_ROWS];

static lode_log view_of(const lode_dataset *data) {
    return (lode_log){data->users.count, data->items.count, data->offsets,
                      data->item,        data->time,        NULL};
}

/// "0 1|2" for a user whose first two clicks are a session and whose third is another.
static void expect(const lode_sessions *sessions, uint64_t begin, uint64_t end, const char *wanted) {
    char text[256] = "";
    size_t at = 0;
    lode_session_walk walk;
    lode_visit visit;
    lode_error error = {0};
    assert_int_equal(lode__session_walk_make(&walk, sessions, 16, &error), LODE_OK);
    lode__session_walk_user(&walk, begin, end);
    while (lode__session_next(&walk, &visit)) {
        for (size_t k = 0; k < visit.count; k++)
            at += (size_t)snprintf(text + at, sizeof text - at, "%s%llu",
                                   k > 0    ? " "
                                   : at > 0 ? "|"
                                            : "",
                                   (unsigned long long)visit.positions[k]);
    }
    assert_string_equal(text, wanted);
    lode__session_walk_release(&walk);
}

static void refuse(const lode_session_options *options, const char *piece) {
    const lode_log view = view_of(&log_of.data);
    lode_sessions sessions;
    lode_error error = {0};
    assert_int_equal(lode__sessions_open(&sessions, &log_of.data, &view, options, &error),
                     LODE_E_CONFIG);
    if (strstr(error.message, piece) == NULL) fail_msg("no '%s' in: %s", piece, error.message);
}

static void test_gap(void **state) {
    (void)state;
    small_log_init(&log_of, 2, 9);
    const int64_t times[] = {0, 100, 200, 301, 301}; // a pause of exactly the gap does not end it
    for (uint32_t k = 0; k < 5; k++)
        small_log_add(&log_of, 0, k, times[k], LODE_CLICK);
    small_log_add(&log_of, 1, 5, 302, LODE_CLICK);
    const lode_log view = view_of(&log_of.data);
    lode_sessions sessions;
    lode_error error = {0};
    const lode_session_options options = {LODE_SESSIONS_AUTO, 100};
    assert_int_equal(lode__sessions_open(&sessions, &log_of.data, &view, &options, &error), LODE_OK);
    expect(&sessions, 0, 5, "0 1 2|3 4");
    expect(&sessions, 0, 2, "0 1"); // a training part
    expect(&sessions, 0, 0, "");
    expect(&sessions, 5, 6, "5"); // another user never joins
    uint64_t count = 0;
    assert_int_equal(lode__sessions_count(&log_of.data, &options, &count, &error), LODE_OK);
    assert_int_equal(count, 3);
}

static void test_column(void **state) {
    (void)state;
    small_log_init(&log_of, 1, 9);
    const uint32_t sessions_of[] = {4, 7, 4, 2, 7};
    for (uint32_t k = 0; k < 5; k++) {
        small_log_add(&log_of, 0, k, k * 1000000, LODE_CLICK);
        column[k] = sessions_of[k];
    }
    log_of.data.session = column;
    const lode_log view = view_of(&log_of.data);
    lode_sessions sessions;
    lode_error error = {0};
    lode_session_options options = {LODE_SESSIONS_AUTO, 100};
    assert_int_equal(lode__sessions_open(&sessions, &log_of.data, &view, &options, &error), LODE_OK);
    expect(&sessions, 0, 5, "3|0 2|1 4"); // interleaved: by number, rising within
    expect(&sessions, 0, 2, "0|1");
    // clicks that are not all rows: numbers are looked up by row
    const uint64_t rows[] = {0, 2, 4};
    const lode_log some = {1, 9, view.offsets, view.item, view.time, rows};
    assert_int_equal(lode__sessions_open(&sessions, &log_of.data, &some, &options, &error), LODE_OK);
    expect(&sessions, 0, 3, "0 1|2");
    options.source = LODE_SESSIONS_GAP; // times win where they are asked for
    assert_int_equal(lode__sessions_open(&sessions, &log_of.data, &view, &options, &error), LODE_OK);
    expect(&sessions, 0, 3, "0|1|2");
}

static void test_refused(void **state) {
    (void)state;
    small_log_init(&log_of, 1, 3);
    small_log_add(&log_of, 0, 1, 5, LODE_CLICK);
    refuse(&(lode_session_options){LODE_SESSIONS_COLUMN, 100}, "source: gap");
    log_of.data.time_kind = LODE_TIME_ORDER;
    refuse(&(lode_session_options){LODE_SESSIONS_COLUMN, 100}, "no session column");
    refuse(&(lode_session_options){LODE_SESSIONS_GAP, 100}, "order only");
    refuse(&(lode_session_options){LODE_SESSIONS_AUTO, 100}, "no session column");
    log_of.data.session = column;
    refuse(&(lode_session_options){LODE_SESSIONS_GAP, 100}, "use source: column");
    log_of.data.session = NULL;
    log_of.data.time_kind = LODE_TIME_NONE;
    log_of.data.time = NULL;
    refuse(&(lode_session_options){LODE_SESSIONS_AUTO, 100}, "no times");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_gap), cmocka_unit_test(test_column),
                                       cmocka_unit_test(test_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
