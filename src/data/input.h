/// Input: the lines of a text that may be compressed, from a file, standard input or memory.
///
/// gzip and zstd are recognised by their first bytes. Memory is bounded by the longest legal line.
#ifndef LODE_DATA_INPUT_H
#define LODE_DATA_INPUT_H

#include "base/memory.h"

typedef struct lode_input lode_input;

typedef struct lode_line {
    char *text; ///< may be changed in place; valid until the next call
    size_t length;
    uint64_t number; ///< 1-based
} lode_line;

/// @param path  a file, or "-" for standard input
LODE_CHECK lode_status lode__input_open(lode_input **out, const char *path, size_t max_line,
                                        lode_error *error);
/// The same over bytes that outlive the input.
LODE_CHECK lode_status lode__input_memory(lode_input **out, const void *bytes, size_t size,
                                          const char *name, size_t max_line, lode_error *error);
void lode__input_free(lode_input **input);

typedef enum lode_encoding {
    LODE_ENCODING_AUTO,  ///< UTF-8, unless the reader of a format knows better
    LODE_ENCODING_UTF8,  ///< a line of anything else is an error
    LODE_ENCODING_LATIN1 ///< every line is ISO-8859-1
} lode_encoding;

/// How lines are read from here on; AUTO is strict.
/// @param fallback  lines that are not UTF-8 are read as ISO-8859-1 instead of being refused
void lode__input_encode(lode_input *input, lode_encoding encoding, bool fallback);
/// Lines that were converted from ISO-8859-1.
uint64_t lode__input_converted(const lode_input *input);

/// What the input is called in messages.
const char *lode__input_name(const lode_input *input);
/// Lines handed out so far.
uint64_t lode__input_lines(const lode_input *input);
/// Nothing more can be read after an error (as opposed to: that line was bad, the next may be good).
bool lode__input_broken(const lode_input *input);

/// The first bytes of the text (at most about 64 KiB), without consuming them.
/// @param whole  receives true when this is the whole text
LODE_CHECK lode_status lode__input_peek(lode_input *input, const char **text, size_t *length,
                                        bool *whole, lode_error *error);

/// The next line without its end. A line that is too long, not UTF-8 or that holds a NUL byte is consumed
/// and reported as LODE_E_INPUT.
LODE_CHECK lode_status lode__input_line(lode_input *input, lode_line *line, bool *end,
                                        lode_error *error);

#endif
