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
            while (width <= 4 && i + width <= length && !lode__utf8_valid(message + i, width)) width++;
            if (width > 4 || i + width > length) {
                message[i] = '?';
                width = 1;
            }
        }
        i += width;
    }
}

static void fill(lode_error *error, lode_status status, const char *format, va_list arguments)
    LODE_FORMAT(3, 0);

static void fill(lode_error *error, lode_status status, const char *format, va_list arguments) {
    if (error == NULL) return;
    error->status = status;
    (void)vsnprintf(error->message, sizeof error->message, format, arguments);
    make_printable(error->message);
}

lode_status lode__fail(lode_error *error, lode_status status, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fill(error, status, format, arguments);
    va_end(arguments);
    return status;
}

lode_status lode__fail_errno(lode_error *error, const char *format, ...) {
    const int number = errno;
    va_list arguments;
    va_start(arguments, format);
    fill(error, LODE_E_SYSTEM, format, arguments);
    va_end(arguments);
    if (error != NULL) {
        char reason[128];
        const char *text = strerror_r(number, reason, sizeof reason);
        const size_t used = strlen(error->message);
        (void)snprintf(error->message + used, sizeof error->message - used, ": %s", text);
    }
    return LODE_E_SYSTEM;
}

lode_status lode__fail_memory(lode_error *error) {
    return lode__fail(error, LODE_E_MEMORY, "out of memory");
}

lode_status lode__error_prefix(lode_error *error, lode_status status, const char *format, ...) {
    if (error == NULL || status == LODE_OK) return status;
    char rest[sizeof error->message];
    memcpy(rest, error->message, sizeof rest);
    va_list arguments;
    va_start(arguments, format);
    fill(error, status, format, arguments);
    va_end(arguments);
    const size_t used = strlen(error->message);
    (void)snprintf(error->message + used, sizeof error->message - used, "%s", rest);
    return status;
}

void lode__notice(const lode_hooks *hooks, const char *format, ...) {
    if (hooks == NULL || hooks->notice == NULL) return;
    char line[1024];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    make_printable(line);
    hooks->notice(hooks->cookie, line);
}
