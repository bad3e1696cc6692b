/// Times of a log: seconds, milliseconds or microseconds since 1970, ISO 8601, dates such as 20171015, or
/// consecutive numbers.
///
/// The unit is recognised by the range of the first time and holds for the whole log.
#ifndef LODE_DATA_TIMES_H
#define LODE_DATA_TIMES_H

#include "data/dataset.h"

typedef enum lode_time_unit {
    LODE_UNIT_UNKNOWN,
    LODE_UNIT_ORDER, ///< numbers too small to be times
    LODE_UNIT_SECONDS,
    LODE_UNIT_MILLISECONDS,
    LODE_UNIT_MICROSECONDS,
    LODE_UNIT_ISO,
    LODE_UNIT_DATE ///< 20171015
} lode_time_unit;

typedef struct lode_time_reader {
    lode_time_unit unit;
    int64_t low, high; ///< of the results so far (ms, or the numbers themselves)
    uint64_t count;
    uint64_t high_line; ///< where `high` stood, kept by the caller
    size_t high_column;
} lode_time_reader;

const char *lode__time_unit_name(lode_time_unit unit);

/// @return NULL and the time in milliseconds (or the number, for LODE_UNIT_ORDER), or what was expected instead
const char *lode__time_read(lode_time_reader *reader, const char *text, size_t length, int64_t *out);

/// "2017-10-15", "2017/10/15 03:00", "2017-10-15 03:00:00.250+02:00", "2017-10-15T03:00:00 UTC", ... as ms since 1970 (UTC unless it says).
bool lode__time_parse_iso(const char *text, size_t length, int64_t *out);

/// ms since 1970 as "2017-10-15T03:00:00Z".
void lode__time_format(int64_t ms, char out[32]);

#endif
