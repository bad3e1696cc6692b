#include "data/times.h"

#include "base/text.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define YEAR_2200_SECONDS 7258118400ll ///< later times are taken for mistakes

// Ranges of the units: below 1e8 seconds (March 1973) a number is not taken for a time.
#define SECONDS_LOW 100000000ll
#define MILLIS_LOW  100000000000ll
#define MICROS_LOW  100000000000000ll

static const char *const unit_names[] = {"unknown",      "order", "seconds", "milliseconds",
                                         "microseconds", "iso",   "date"};

const char *lode__time_unit_name(lode_time_unit unit) {
    return unit_names[unit];
}

// Days since 1970-01-01 of a date of the Gregorian calendar (years from 1 on).
static int64_t days_of(int64_t year, int64_t month, int64_t day) {
    year -= month <= 2;
    const int64_t era = year / 400, within = year - era * 400;
    const int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + within * 365 + within / 4 - within / 100 + day_of_year - 719468;
}

/// A text that is being taken apart.
typedef struct cursor {
    const char *at, *stop;
} cursor;

static bool take_digits(cursor *c, int count, int64_t *out) {
    int64_t value = 0;
    if (c->stop - c->at < count) return false;
    for (int k = 0; k < count; ++k, ++c->at) {
        if (*c->at < '0' || *c->at > '9') return false;
        value = value * 10 + (*c->at - '0');
    }
    *out = value;
    return true;
}

static bool take(cursor *c, char wanted) {
    if (c->at >= c->stop || *c->at != wanted) return false;
    ++c->at;
    return true;
}

static bool take_clock(cursor *c, int64_t *ms) {
    int64_t hour, minute, second = 0, fraction = 0;
    if (!take_digits(c, 2, &hour) || !take(c, ':') || !take_digits(c, 2, &minute)) return false;
    if (take(c, ':')) {
        if (!take_digits(c, 2, &second)) return false;
        if (take(c, '.')) {
            int64_t unit = 100, digit;
            if (!take_digits(c, 1, &digit)) return false;
            do {
                fraction += digit * unit;
                unit /= 10;
            } while (take_digits(c, 1, &digit));
        }
    }
    if (hour > 23 || minute > 59 || second > 60) return false;
    *ms = ((hour * 60 + minute) * 60 + second) * 1000 + fraction;
    return true;
}

static bool take_zone(cursor *c, int64_t *ms) {
    *ms = 0;
    if (c->stop - c->at == 4 && memcmp(c->at, " UTC", 4) == 0) c->at = c->stop;
    if (c->at == c->stop || take(c, 'Z')) return true;
    const int64_t sign = *c->at == '-' ? 1 : -1;
    if (!take(c, '+') && !take(c, '-')) return false;
    int64_t hour, minute = 0;
    if (!take_digits(c, 2, &hour)) return false;
    if (c->at < c->stop) {
        take(c, ':');
        if (!take_digits(c, 2, &minute)) return false;
    }
    *ms = sign * (hour * 60 + minute) * 60000;
    return hour <= 14 && minute <= 59;
}

bool lode__time_parse_iso(const char *text, size_t length, int64_t *out) {
    static const int64_t month_days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    cursor c = {text, text + length};
    int64_t year, month, day, clock = 0, zone = 0;
    if (!take_digits(&c, 4, &year)) return false;
    const char separator = length > 4 && text[4] == '/' ? '/' : '-';
    if (!take(&c, separator) || !take_digits(&c, 2, &month) || !take(&c, separator) ||
        !take_digits(&c, 2, &day))
        return false;
    if (year < 1 || month < 1 || month > 12 || day < 1 || day > month_days[month - 1]) return false;
    const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    if (month == 2 && day == 29 && !leap) return false;
    if (take(&c, 'T') || take(&c, ' '))
        if (!take_clock(&c, &clock) || !take_zone(&c, &zone)) return false;
    if (c.at != c.stop) return false;
    *out = days_of(year, month, day) * 86400000 + clock + zone;
    return true;
}

// Eight digits that are a date from 1970 on, 20171015.
static bool parse_date(const char *text, size_t length, int64_t *out) {
    if (length != 8) return false;
    const char iso[10] = {text[0], text[1], text[2], text[3], '-',
                          text[4], text[5], '-',     text[6], text[7]};
    return lode__time_parse_iso(iso, sizeof iso, out) && *out >= 0 && *out < YEAR_2200_SECONDS * 1000;
}

static lode_time_unit unit_of(int64_t value) {
    if (value < SECONDS_LOW) return LODE_UNIT_ORDER;
    if (value < MILLIS_LOW) return LODE_UNIT_SECONDS;
    return value < MICROS_LOW ? LODE_UNIT_MILLISECONDS : LODE_UNIT_MICROSECONDS;
}

static const char *const expected[] = {
    [LODE_UNIT_UNKNOWN] = "a time: seconds, milliseconds or microseconds since 1970, or ISO 8601",
    [LODE_UNIT_ORDER] = "a small whole number as in the lines before",
    [LODE_UNIT_SECONDS] = "seconds since 1970 as in the lines before, 1973 to 2199",
    [LODE_UNIT_MILLISECONDS] = "milliseconds since 1970 as in the lines before, 1973 to 2199",
    [LODE_UNIT_MICROSECONDS] = "microseconds since 1970 as in the lines before, 1973 to 2199",
    [LODE_UNIT_ISO] = "a time such as 2017-10-15T03:00:00Z, 1970 to 2199",
    [LODE_UNIT_DATE] = "a date such as 20171015 as in the lines before, 1970 to 2199"};

// A number in any unit; fractions are kept for seconds and milliseconds.
static const char *read_number(lode_time_unit *unit, const char *text, size_t length, int64_t *out) {
    int64_t whole;
    double real = 0;
    const bool integer = lode__parse_i64(text, length, &whole);
    if (!integer) {
        if (!lode__parse_real(text, length, &real)) return expected[*unit];
        if (!(fabs(real) < 9e15)) return expected[*unit];
        whole = (int64_t)floor(real);
    }
    if (whole < 0) return expected[*unit];
    const lode_time_unit found = unit_of(whole);
    if (*unit == LODE_UNIT_UNKNOWN) *unit = found;
    if (found != *unit) return expected[*unit];
    switch (found) {
    case LODE_UNIT_SECONDS:
        if (whole >= YEAR_2200_SECONDS) return expected[found];
        *out = integer ? whole * 1000 : (int64_t)floor(real * 1000.0);
        return NULL;
    case LODE_UNIT_MILLISECONDS:
        if (whole >= YEAR_2200_SECONDS * 1000) return expected[found];
        *out = whole;
        return NULL;
    case LODE_UNIT_MICROSECONDS:
        if (whole >= YEAR_2200_SECONDS * 1000000) return expected[found];
        *out = whole / 1000;
        return NULL;
    default:
        if (!integer && real != (double)whole) return expected[found];
        *out = whole;
        return NULL;
    }
}

const char *lode__time_read(lode_time_reader *reader, const char *text, size_t length, int64_t *out) {
    int64_t value = 0;
    lode_time_unit unit = reader->unit;
    const bool iso = length >= 8 && (text[4] == '-' || text[4] == '/');
    if (iso && (unit == LODE_UNIT_UNKNOWN || unit == LODE_UNIT_ISO)) {
        unit = LODE_UNIT_ISO;
        if (!lode__time_parse_iso(text, length, &value)) return expected[LODE_UNIT_ISO];
        if (value < 0 || value >= YEAR_2200_SECONDS * 1000) return expected[LODE_UNIT_ISO];
    } else if (unit == LODE_UNIT_DATE ||
               (unit == LODE_UNIT_UNKNOWN && parse_date(text, length, &value))) {
        unit = LODE_UNIT_DATE;
        if (!parse_date(text, length, &value)) return expected[LODE_UNIT_DATE];
    } else if (unit == LODE_UNIT_ISO) {
        return expected[LODE_UNIT_ISO];
    } else {
        const char *const wrong = read_number(&unit, text, length, &value);
        if (wrong) return wrong;
    }
    reader->unit = unit;
    if (reader->count == 0 || value < reader->low) reader->low = value;
    if (reader->count == 0 || value > reader->high) reader->high = value;
    ++reader->count;
    *out = value;
    return NULL;
}

void lode__time_format(int64_t ms, char out[32]) {
    int64_t seconds = ms / 1000 - (ms % 1000 < 0);
    int64_t days = seconds / 86400 - (seconds % 86400 < 0);
    seconds -= days * 86400;
    days += 719468;
    const int64_t era = days / 146097, within = days - era * 146097;
    const int64_t year_of_era = (within - within / 1460 + within / 36524 - within / 146096) / 365;
    const int64_t day_of_year = within - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    const int64_t shifted = (5 * day_of_year + 2) / 153;
    const int64_t month = shifted < 10 ? shifted + 3 : shifted - 9;
    snprintf(out, 32, "%04d-%02d-%02dT%02d:%02d:%02dZ",
             (int)(year_of_era + era * 400 + (month <= 2)) % 10000, (int)month % 100,
             (int)(day_of_year - (153 * shifted + 2) / 5 + 1) % 100, (int)(seconds / 3600) % 100,
             (int)(seconds / 60 % 60), (int)(seconds % 60));
}
