/// Round numbers go in steps of 1, 2 or 5 times a power of ten; times in steps that clocks and calendars have; a
/// logarithmic axis has its powers of ten, and 2 and 5 between them where it spans less than two.
#include "base/svg_axis.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define LARGEST  1e300
#define SMALLEST 1e-300
#define DAY      86400.0
/// Years are drawn within these; what lies beyond is shown as plain numbers.
#define EARLIEST -60000000000000.0
#define LATEST   250000000000000.0

static const char month_names[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

// --- texts ----------------------------------------------------------------------------------------------

/// The character at `text` and its bytes; what is no UTF-8 or not allowed in XML is '?'.
static uint32_t character(const char *text, size_t *bytes) {
    const unsigned char *s = (const unsigned char *)text;
    static const unsigned char least[] = {0xc2, 0xe0, 0xf0, 0xf5};
    *bytes = 1;
    if (s[0] < 0x80) return s[0] < 0x20 || s[0] == 0x7f ? '?' : s[0];
    size_t length = 0;
    while (length < 3 && s[0] >= least[length])
        length++;
    if (length == 0 || s[0] >= least[3]) return '?';
    for (size_t i = 1; i <= length; i++) {
        if ((s[i] & 0xc0) != 0x80) return '?';
    }
    if (!lode__utf8_valid(text, length + 1)) return '?';
    uint32_t code = s[0] & (0x3fu >> length);
    for (size_t i = 1; i <= length; i++)
        code = code << 6 | (s[i] & 0x3fu);
    *bytes = length + 1;
    return (code >= 0x80 && code < 0xa0) || (code & 0xfffe) == 0xfffe ? '?' : code;
}

/// Width in units of the letter size: that of wide sans-serif faces, so that narrower ones fit as well.
static double width_of(uint32_t code) {
    static const unsigned char percent[] = {
        // from the space on
        32, 41, 46, 84, 64, 96, 78, 28, 40, 40, 50, 84, 32, 37,  32, 34, 64, 64, 64,
        64, 64, 64, 64, 64, 64, 64, 34, 34, 84, 84, 84, 54, 100, 69, 69, 70, 78, 64,
        58, 78, 76, 30, 30, 66, 56, 87, 75, 79, 61, 79, 70, 64,  62, 74, 69, 99, 69,
        62, 69, 40, 34, 40, 84, 50, 50, 62, 64, 55, 64, 62, 36,  64, 64, 28, 28, 58,
        28, 98, 64, 62, 64, 64, 42, 53, 40, 64, 60, 82, 60, 60,  53, 64, 34, 64, 84};
    if (code >= ' ' && code < 0x7f) return percent[code - ' '] / 100.0;
    if (code == 0x2026) return 1;
    return code < 0x400 ? 0.8 : 1.1;
}

double lode__svg_width(const char *text, double size) {
    double sum = 0;
    for (size_t bytes; *text != 0; text += bytes)
        sum += width_of(character(text, &bytes));
    return sum * size;
}

static void add_character(lode_text *out, uint32_t code, const char *text, size_t bytes) {
    switch (code) {
    case '<':
        lode__text_add(out, "&lt;");
        break;
    case '>':
        lode__text_add(out, "&gt;");
        break;
    case '&':
        lode__text_add(out, "&amp;");
        break;
    case '"':
        lode__text_add(out, "&quot;");
        break;
    case '?':
        lode__text_add(out, "?");
        break;
    default:
        lode__text_add_bytes(out, text, bytes);
    }
}

void lode__svg_text(lode_text *out, const char *text, double size, double room) {
    const bool fits = lode__svg_width(text, size) <= room;
    double left = fits ? (double)INFINITY : room - width_of(0x2026) * size;
    for (size_t bytes; *text != 0; text += bytes) {
        const uint32_t code = character(text, &bytes);
        left -= width_of(code) * size;
        if (left < 0) break;
        add_character(out, code, text, bytes);
    }
    if (!fits) lode__text_add(out, "\xe2\x80\xa6");
}

// --- scales ---------------------------------------------------------------------------------------------

bool lode__axis_takes(const lode_axis *axis, double value) {
    return fabs(value) <= LARGEST && (!axis->log || value >= SMALLEST);
}

/// The smallest of 1, 2, 5 times a power of ten that is not below `least`.
static double round_step(double least) {
    const double power = pow(10, floor(log10(least)));
    static const double steps[] = {1, 2, 5, 10};
    size_t k = 0;
    while (k < 3 && steps[k] * power < least * (1 - 1e-9))
        k++;
    return steps[k] * power;
}

/// A logarithm moved to the next 1, 2 or 5 below (or above).
static double round_log(double value, bool up) {
    static const double digits[] = {0, 0.30102999566398120, 0.69897000433601880, 1};
    const double whole = floor(value + 1e-9), rest = value - whole;
    size_t k = 0;
    while (k < 3 && digits[k + (up ? 0 : 1)] < rest + (up ? -1e-9 : 1e-9))
        k++;
    return whole + digits[k];
}

/// Room around a single value, so that it stands in the middle of something.
static void widen(lode_scale *scale, double magnitude) {
    double half = scale->log ? 0.5 : scale->time ? DAY * 500 : magnitude * 0.1;
    if (!(half > SMALLEST)) half = 0.5;
    const double middle = scale->low / 2 + scale->high / 2;
    scale->low = middle - half;
    scale->high = middle + half;
}

void lode__scale_fit(lode_scale *scale, const lode_axis *axis, double low, double high, bool round) {
    scale->log = axis->log;
    scale->whole = axis->whole;
    scale->time = axis->time && low > EARLIEST && high < LATEST;
    if (!axis->log && axis->zero) {
        low = LODE_MIN(low, 0);
        high = LODE_MAX(high, 0);
        if (low == 0 && high < SMALLEST) high = 1;
    }
    scale->low = axis->log ? log10(low) : low;
    scale->high = axis->log ? log10(high) : high;
    const double magnitude = LODE_MAX(fabs(scale->low), fabs(scale->high));
    if (!(scale->high - scale->low > magnitude * 1e-9) || magnitude < SMALLEST)
        widen(scale, magnitude);
    if (!round) return;
    if (scale->log) {
        scale->low = round_log(scale->low, false);
        scale->high = round_log(scale->high, true);
    } else {
        for (int pass = 0; pass < 2; pass++) { // the wider range may want wider steps
            const double step = round_step((scale->high - scale->low) / LODE_ROUND_STEPS);
            scale->low = floor(scale->low / step + 1e-9) * step;
            scale->high = ceil(scale->high / step - 1e-9) * step;
        }
    }
}

double lode__scale_at(const lode_scale *scale, double value) {
    const double place = scale->log ? log10(value) : value;
    const double share = (place - scale->low) / (scale->high - scale->low);
    return scale->begin + LODE_MIN(LODE_MAX(share, 0), 1) * (scale->end - scale->begin);
}

// --- ticks ----------------------------------------------------------------------------------------------

/// 1200 as "1.2k", with as many decimals as steps of `step` need.
static void number_label(char *out, double value, double step) {
    static const struct {
        double unit;
        const char *suffix;
    } units[] = {{1e12, "T"}, {1e9, "G"}, {1e6, "M"}, {1e3, "k"}};
    const double size = fabs(value);
    double unit = 1;
    const char *suffix = "";
    if (size >= 1e15 || (size > 0 && step < 1e-4)) {
        (void)snprintf(out, LODE_TICK_LABEL, "%.6g", value);
        return;
    }
    for (size_t k = 0; k < sizeof units / sizeof *units && *suffix == 0; k++) {
        if (size < units[k].unit * (1 - 1e-9) || (k == 3 && size < 9999)) continue;
        unit = units[k].unit;
        suffix = units[k].suffix;
    }
    const double decimals = ceil(-log10(step / unit) - 1e-6);
    (void)snprintf(out, LODE_TICK_LABEL, "%.*f%s", decimals > 0 ? (int)LODE_MIN(decimals, 6) : 0,
                   size < step * 1e-6 ? 0.0 : value / unit, suffix);
}

static void add_tick(lode_scale *scale, double value, double step) {
    if (scale->count == LODE_TICKS) return;
    scale->ticks[scale->count] = value;
    number_label(scale->labels[scale->count++], value, step);
}

static void linear_ticks(lode_scale *scale, size_t wanted) {
    const double low = scale->log ? pow(10, scale->low) : scale->low;
    const double high = scale->log ? pow(10, scale->high) : scale->high;
    double step = round_step((high - low) / (double)wanted);
    if (scale->whole && step < 1) step = 1;
    const double first = ceil(low / step - 1e-9), last = floor(high / step + 1e-9);
    for (double k = first; k <= last && scale->count < LODE_TICKS; k++) {
        if (!scale->log || k > 0) add_tick(scale, k * step, step);
    }
}

static void log_ticks(lode_scale *scale, size_t wanted) {
    const double first = floor(scale->low), last = ceil(scale->high);
    const double span = scale->high - scale->low;
    const double stride = ceil(span / (double)wanted);
    const bool between = span < 2 && wanted > 3;
    static const double digits[] = {1, 2, 5};
    for (double k = ceil(first / stride) * stride; k <= last; k += stride) {
        for (size_t d = 0; d < (between ? 3u : 1u); d++) {
            const double place = k + log10(digits[d]);
            if (place < scale->low - 1e-9 || place > scale->high + 1e-9) continue;
            const double value = digits[d] * pow(10, k);
            add_tick(scale, value, pow(10, k));
        }
    }
    if (scale->count >= 2) return;
    scale->count = 0;
    if (span < 1.5) linear_ticks(scale, wanted);
}

/// Months of the calendar in steps of `months`.
static void calendar_ticks(lode_scale *scale, int months) {
    const time_t low = (time_t)floor(scale->low / 1000);
    struct tm at;
    if (gmtime_r(&low, &at) == NULL) return;
    int month = at.tm_year * 12 + at.tm_mon;
    month = (int)floor((double)month / months) * months;
    while (scale->count < LODE_TICKS) {
        struct tm day = {.tm_year = (int)floor(month / 12.0), .tm_mday = 1};
        day.tm_mon = month - day.tm_year * 12;
        const double value = (double)timegm(&day) * 1000;
        if (value > scale->high) break;
        month += months;
        if (value < scale->low) continue;
        char *label = scale->labels[scale->count];
        const int length =
            months < 12 ? snprintf(label, LODE_TICK_LABEL, "%s ", month_names[day.tm_mon % 12]) : 0;
        (void)snprintf(label + length, LODE_TICK_LABEL - (size_t)length, "%d", day.tm_year + 1900);
        scale->ticks[scale->count++] = value;
    }
}

static void clock_label(char *out, double ms, double step) {
    const time_t seconds = (time_t)floor(ms / 1000);
    struct tm at;
    *out = 0;
    if (gmtime_r(&seconds, &at) == NULL) return;
    const bool midnight = at.tm_hour == 0 && at.tm_min == 0 && at.tm_sec == 0;
    if (midnight || step >= DAY) {
        (void)snprintf(out, LODE_TICK_LABEL, "%s %d", month_names[at.tm_mon % 12], at.tm_mday % 32);
    } else if (step >= 60) {
        (void)snprintf(out, LODE_TICK_LABEL, "%02d:%02d", at.tm_hour % 24, at.tm_min % 60);
    } else {
        (void)snprintf(out, LODE_TICK_LABEL, "%02d:%02d:%02d", at.tm_hour % 24, at.tm_min % 60,
                       at.tm_sec % 61);
    }
}

static void time_ticks(lode_scale *scale, size_t wanted) {
    static const double steps[] = {1,    5,     15,    30,    60,  300,     900,     1800,
                                   3600, 10800, 21600, 43200, DAY, 2 * DAY, 7 * DAY, 14 * DAY};
    static const int months[] = {1, 2, 3, 6, 12, 24, 60, 120, 240, 600, 1200, 6000, 24000};
    const double span = (scale->high - scale->low) / 1000;
    size_t k = 0;
    while (k < sizeof steps / sizeof *steps && span / steps[k] > (double)wanted)
        k++;
    if (k == sizeof steps / sizeof *steps) {
        size_t m = 0;
        while (m + 1 < sizeof months / sizeof *months &&
               span / (DAY * 30.4 * months[m]) > (double)wanted)
            m++;
        calendar_ticks(scale, months[m]);
        return;
    }
    const double step = steps[k] * 1000;
    for (double at = ceil(scale->low / step); at * step <= scale->high; at++) {
        if (scale->count == LODE_TICKS) break;
        scale->ticks[scale->count] = at * step;
        clock_label(scale->labels[scale->count++], at * step, steps[k]);
    }
}

void lode__scale_tick(lode_scale *scale, size_t wanted) {
    scale->count = 0;
    if (scale->time) {
        time_ticks(scale, wanted);
    } else if (scale->log) {
        log_ticks(scale, wanted);
    } else {
        linear_ticks(scale, wanted);
    }
}
