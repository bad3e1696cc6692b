/// Strings that grow, numbers that are checked, names that are nearly right.
///
/// Numbers are read and written in the C locale whatever the host program has set: glibc's newlocale for
/// "C" hands out a constant, so asking for it costs nothing and cannot fail.
#include "base/text.h"

#include <ctype.h>
#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LONGEST_NUMBER = 63, LONGEST_NAME = 64 };

static locale_t c_locale(void) {
    return newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

static bool reserve(lode_text *text, size_t more) {
    if (text->failed || more > SIZE_MAX - text->length - 1 ||
        !lode__grow((void **)&text->data, &text->capacity, text->length + more + 1, 1)) {
        text->failed = true;
        return false;
    }
    return true;
}

void lode__text_add_bytes(lode_text *text, const void *bytes, size_t length) {
    if (!reserve(text, length)) return;
    if (length > 0) memcpy(text->data + text->length, bytes, length);
    text->length += length;
    text->data[text->length] = 0;
}

void lode__text_add(lode_text *text, const char *piece) {
    lode__text_add_bytes(text, piece, strlen(piece));
}

void lode__text_printf(lode_text *text, const char *format, ...) {
    const locale_t before = uselocale(c_locale());
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    const int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (length < 0) text->failed = true;
    if (length >= 0 && reserve(text, (size_t)length)) {
        (void)vsnprintf(text->data + text->length, (size_t)length + 1, format, again);
        text->length += (size_t)length;
    }
    va_end(again);
    (void)uselocale(before);
}

lode_status lode__text_take(lode_text *text, char **out, lode_error *error) {
    if (!reserve(text, 0)) {
        lode__text_release(text);
        return lode__fail_memory(error);
    }
    text->data[text->length] = 0;
    *out = text->data;
    *text = (lode_text){0};
    return LODE_OK;
}

void lode__text_release(lode_text *text) {
    lode__free(text->data);
    *text = (lode_text){0};
}

/// Copy to a terminated buffer; false for empty or overlong texts and for leading blanks, which strto* skip.
static bool number_text(const char *text, size_t length, char out[LONGEST_NUMBER + 1]) {
    if (length == 0 || length > LONGEST_NUMBER || memchr(text, 0, length) != NULL) return false;
    if (isspace((unsigned char)text[0])) return false;
    memcpy(out, text, length);
    out[length] = 0;
    return true;
}

/// Up to 18 plain digits, which is what most numbers are; false for anything else.
static bool plain_digits(const char *text, size_t length, uint64_t *out) {
    if (length == 0 || length > 18) return false;
    uint64_t value = 0;
    for (size_t k = 0; k < length; k++) {
        const unsigned digit = (unsigned)(unsigned char)text[k] - '0';
        if (digit > 9) return false;
        value = value * 10 + digit;
    }
    *out = value;
    return true;
}

bool lode__parse_i64(const char *text, size_t length, int64_t *out) {
    uint64_t plain;
    if (plain_digits(text, length, &plain)) {
        *out = (int64_t)plain;
        return true;
    }
    char copy[LONGEST_NUMBER + 1], *end;
    if (!number_text(text, length, copy)) return false;
    errno = 0;
    const long long value = strtoll(copy, &end, 10);
    if (errno != 0 || *end != 0 || end == copy) return false;
    *out = value;
    return true;
}

bool lode__parse_u64(const char *text, size_t length, uint64_t *out) {
    if (plain_digits(text, length, out)) return true;
    char copy[LONGEST_NUMBER + 1], *end;
    if (!number_text(text, length, copy) || copy[0] == '-') return false;
    errno = 0;
    const unsigned long long value = strtoull(copy, &end, 10);
    if (errno != 0 || *end != 0 || end == copy) return false;
    *out = value;
    return true;
}

bool lode__parse_real(const char *text, size_t length, double *out) {
    uint64_t plain;
    if (length <= 15 && plain_digits(text, length, &plain)) { // below 2^53: exact
        *out = (double)plain;
        return true;
    }
    char copy[LONGEST_NUMBER + 1], *end;
    if (!number_text(text, length, copy)) return false;
    for (const char *c = copy; *c != 0; c++) {
        if (strchr("0123456789+-.eE", *c) == NULL) return false; // no hexadecimal, inf or nan
    }
    const double value = strtod_l(copy, &end, c_locale());
    if (*end != 0 || end == copy || !isfinite(value)) return false;
    *out = value;
    return true;
}

bool lode__utf8_valid(const char *text, size_t length) {
    const unsigned char *bytes = (const unsigned char *)text;
    for (size_t i = 0; i < length;) {
        const unsigned char lead = bytes[i];
        if (lead < 0x80) {
            i++;
            continue;
        }
        const size_t width = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
        if (lead < 0xC2 || lead > 0xF4 || width > length - i) return false;
        uint32_t point = lead & (0x7FU >> width);
        for (size_t k = 1; k < width; k++) {
            if ((bytes[i + k] & 0xC0) != 0x80) return false;
            point = point << 6 | (bytes[i + k] & 0x3FU);
        }
        const uint32_t least = width == 2 ? 0x80 : width == 3 ? 0x800 : 0x10000;
        if (point < least || point > 0x10FFFF || (point >= 0xD800 && point <= 0xDFFF)) return false;
        i += width;
    }
    return true;
}

size_t lode__edit_distance(const char *a, const char *b) {
    const size_t n = strlen(a), m = strlen(b);
    if (n >= LONGEST_NAME || m >= LONGEST_NAME) return SIZE_MAX;
    size_t rows[3][LONGEST_NAME + 1];
    for (size_t j = 0; j <= m; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t *now = rows[i % 3];
        const size_t *last = rows[(i - 1) % 3], *before = rows[(i + 1) % 3];
        now[0] = i;
        for (size_t j = 1; j <= m; j++) {
            const size_t cost = a[i - 1] != b[j - 1];
            now[j] = LODE_MIN(LODE_MIN(last[j] + 1, now[j - 1] + 1), last[j - 1] + cost);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
                now[j] = LODE_MIN(now[j], before[j - 2] + 1);
            }
        }
    }
    return rows[n % 3][m];
}

const char *lode__nearest(const char *given, const char *const *names, size_t count) {
    const char *best = NULL;
    size_t best_distance = LODE_MAX(strlen(given), (size_t)3) / 3 + 1;
    for (size_t i = 0; i < count; i++) {
        const size_t distance = lode__edit_distance(given, names[i]);
        if (distance < best_distance) {
            best_distance = distance;
            best = names[i];
        }
    }
    return best;
}

lode_status lode__fail_unknown(lode_error *error, lode_status status, const char *subject,
                               const char *given, const char *const *names, size_t count) {
    const char *nearest = lode__nearest(given, names, count);
    lode_text list = {0};
    if (nearest != NULL) lode__text_printf(&list, "; did you mean \"%s\"? There are: ", nearest);
    if (nearest == NULL) lode__text_add(&list, "; there are: ");
    for (size_t i = 0; i < count; i++)
        lode__text_printf(&list, "%s%s", i > 0 ? ", " : "", names[i]);
    const char *quote = *given != 0 ? "\"" : "";
    (void)lode__fail(error, status, "%s%s%s%s%s%s", subject, *given != 0 ? " " : "", quote, given,
                     quote, list.failed ? "" : list.data);
    lode__text_release(&list);
    return status;
}
