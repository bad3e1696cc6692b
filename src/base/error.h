/// Errors are values: a status that is returned, and one sentence for a person.
///
/// Three kinds of failure, three tools. A mistake of ours is an assert. Bad data, a bad configuration, a
/// file operation that fails: a status with a sentence. No memory: LODE_E_MEMORY, unwound cleanly.
#ifndef LODE_BASE_ERROR_H
#define LODE_BASE_ERROR_H

#include <assert.h>

#include <lodestone.h>

#define LODE_FORMAT(at, from) __attribute__((format(printf, at, from)))
#define LODE_MAX(a, b)        ((a) > (b) ? (a) : (b))
#define LODE_MIN(a, b)        ((a) < (b) ? (a) : (b))

/// Return the status of `call` to the caller unless it is LODE_OK.
#define LODE_TRY(call)                                                                             \
    do {                                                                                           \
        const lode_status lode_try_status = (call);                                                \
        if (lode_try_status != LODE_OK) return lode_try_status;                                    \
    } while (0)

/// The same for functions with one exit: keeps the status in `status` and jumps to `label`.
#define LODE_GOTO(status, call, label)                                                             \
    do {                                                                                           \
        (status) = (call);                                                                         \
        if ((status) != LODE_OK) goto label;                                                       \
    } while (0)

/// Fill `error` (may be NULL) and return `status`. Invalid UTF-8 and control characters that came in with
/// an argument are shown as '?', so that a message is always one printable line.
lode_status lode__fail(lode_error *error, lode_status status, const char *format, ...)
    LODE_FORMAT(3, 4);

/// The same with the text of errno appended: "...: No such file or directory".
lode_status lode__fail_errno(lode_error *error, const char *format, ...) LODE_FORMAT(2, 3);

/// LODE_E_MEMORY with a fixed message.
lode_status lode__fail_memory(lode_error *error);

/// Put "context: " before the message of an error that is being passed up; returns its status.
lode_status lode__error_prefix(lode_error *error, lode_status status, const char *format, ...)
    LODE_FORMAT(3, 4);

/// Send a remark through the hooks (may be NULL).
void lode__notice(const lode_hooks *hooks, const char *format, ...) LODE_FORMAT(2, 3);

#endif
