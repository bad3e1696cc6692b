/// Small text helpers: a string builder, strict number parsing, the nearest name of a list.
#ifndef LODE_BASE_TEXT_H
#define LODE_BASE_TEXT_H

#include "base/memory.h"

/// A growing string; always terminated once something was added. After a failed growth `failed` is set
/// and further additions do nothing, so that only the end needs a check. Zero-initialise.
typedef struct lode_text {
    char *data;
    size_t length, capacity;
    bool failed;
} lode_text;

void lode__text_add(lode_text *text, const char *piece);
void lode__text_add_bytes(lode_text *text, const void *bytes, size_t length);
void lode__text_printf(lode_text *text, const char *format, ...) LODE_FORMAT(2, 3);
/// Hand the string to the caller (free with lode__free), leaving the builder empty. "" when nothing was added.
LODE_CHECK lode_status lode__text_take(lode_text *text, char **out, lode_error *error);
void lode__text_release(lode_text *text);

/// Strict: the whole text is one finite number in range, no blanks. False leaves *out alone.
bool lode__parse_i64(const char *text, size_t length, int64_t *out);
bool lode__parse_u64(const char *text, size_t length, uint64_t *out);
bool lode__parse_real(const char *text, size_t length, double *out);

/// True for well-formed UTF-8 (no overlong forms, no surrogates, at most U+10FFFF).
bool lode__utf8_valid(const char *text, size_t length);

/// Damerau-Levenshtein distance over bytes, for names under 64 bytes; longer ones give SIZE_MAX.
size_t lode__edit_distance(const char *a, const char *b);

/// The name nearest to `given`, or NULL when none is near (distance over a third of the length).
const char *lode__nearest(const char *given, const char *const *names, size_t count);

/// 'SUBJECT "given"; did you mean "near"? There are: a, b, c' as an error; an empty `given` is not shown.
/// @param subject  what is unknown, such as "eval.baselines: unknown baseline"
lode_status lode__fail_unknown(lode_error *error, lode_status status, const char *subject,
                               const char *given, const char *const *names, size_t count);

#endif
