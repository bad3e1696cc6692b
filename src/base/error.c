/// Statuses, messages and notices.
///
/// A message is formatted into a buffer of its own first, because an argument may point into the error that
/// is being filled. Then whatever a terminal or a log could choke on becomes '?': control characters (C0,
/// DEL, C1), the two line separators of Unicode, and bytes that are no UTF-8.
#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

const char *lode_status_name(lode_status status) {
    switch (status) {
#define LODE_STATUS_CASE(name, value, text)                                                        \
    case name:                                                                                     \
        return #name;
        LODE_STATUS_LIST(LODE_STATUS_CASE)
#undef LODE_STATUS_CASE
    }
    return "LODE_E_UNKNOWN";
}

const char *lode_status_text(lode_status status) {
    switch (status) {
#define LODE_STATUS_CASE(name, value, text)                                                        \
    case name:                                                                                     \
        return text;
        LODE_STATUS_LIST(LODE_STATUS_CASE)
#undef LODE_STATUS_CASE
    }
    return "unknown status";
}

const char *lode_version(void) {
    return LODE_VERSION;
}

enum { MESSAGE_SIZE = sizeof(((lode_error *)NULL)->message) };

/// True for a character of `width` bytes (valid UTF-8) that would not be seen, or break the line.
static bool is_control(const char *at, size_t width) {
    if (width == 2) return (unsigned char)at[0] == 0xC2 && (unsigned char)at[1] < 0xA0;
    return width == 3 && memcmp(at, "\xE2\x80", 2) == 0 && ((unsigned char)at[2] & 0xFE) == 0xA8;
}

/// One printable line: control characters and broken UTF-8 become '?'.
static void make_printable(char *message) {
    const size_t length = strlen(message);
    for (size_t i = 0; i < length; i++) {
        const unsigned char byte = (unsigned char)message[i];
        if (byte < 0x20 || byte == 0x7f) message[i] = '?';
    }
    for (size_t i = 0; i < length;) {
        size_t width = 1;
        if ((unsigned char)message[i] >= 0x80) {
            width = 2;
            while (width <= 4 && i + width <= length && !lode__utf8_valid(message + i, width))
                width++;
            if (width > 4 || i + width > length) {
                message[i] = '?';
                width = 1;
            } else if (is_control(message + i, width)) {
                memset(message + i, '?', width);
            }
        }
        i += width;
    }
}

/// Fill a message with a formatted text and, after a colon, a second one (NULL for none).
static void LODE_FORMAT(4, 0) fill(lode_error *error, lode_status status, const char *rest,
                                   const char *format, va_list arguments) {
    if (error == NULL) return;
    char text[MESSAGE_SIZE];
    (void)vsnprintf(text, sizeof text, format, arguments);
    const size_t used = strlen(text);
    if (rest != NULL) (void)snprintf(text + used, sizeof text - used, ": %s", rest);
    make_printable(text);
    memcpy(error->message, text, sizeof text);
    error->status = status;
}

lode_status lode__fail(lode_error *error, lode_status status, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fill(error, status, NULL, format, arguments);
    va_end(arguments);
    return status;
}

lode_status lode__fail_errno(lode_error *error, const char *format, ...) {
    char reason[128];
    const char *text = strerror_r(errno, reason, sizeof reason);
    va_list arguments;
    va_start(arguments, format);
    fill(error, LODE_E_SYSTEM, text, format, arguments);
    va_end(arguments);
    return LODE_E_SYSTEM;
}

lode_status lode__fail_memory(lode_error *error) {
    return lode__fail(error, LODE_E_MEMORY, "out of memory");
}

lode_status lode__error_prefix(lode_error *error, lode_status status, const char *format, ...) {
    if (error == NULL || status == LODE_OK) return status;
    char rest[MESSAGE_SIZE];
    memcpy(rest, error->message, sizeof rest);
    va_list arguments;
    va_start(arguments, format);
    fill(error, status, rest, format, arguments);
    va_end(arguments);
    return status;
}

void lode__notice(const lode_hooks *hooks, const char *format, ...) {
    if (hooks == NULL || hooks->notice == NULL) return;
    lode_error line;
    va_list arguments;
    va_start(arguments, format);
    fill(&line, LODE_OK, NULL, format, arguments);
    va_end(arguments);
    hooks->notice(hooks->cookie, line.message);
}
