// Two stages. `source_fill` brings raw bytes from a descriptor (or from memory) into `raw`; `decode` turns
// them into text at the end of `text`. A line is searched in text[begin .. end); what is left moves to the
// front when there is no room behind it, and the buffer grows only while one line needs it.
#include "data/input.h"

#include "base/file.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#define RAW_SIZE   ((size_t)128 << 10)
#define CHUNK_SIZE ((size_t)64 << 10)

typedef enum codec { CODEC_PLAIN, CODEC_GZIP, CODEC_ZSTD } codec;

struct lode_input {
    char *name;
    int descriptor; ///< -1: memory
    const unsigned char *memory;
    size_t memory_size;
    unsigned char *raw;
    size_t raw_begin, raw_end;
    bool raw_finished; ///< no more raw bytes after raw_end
    codec codec;
    z_stream gzip;
    bool gzip_ready, inside; ///< inside: a compressed stream has begun and not ended
    ZSTD_DStream *zstd;
    char *text;
    size_t begin, end, capacity;
    bool finished, broken;
    uint64_t lines;
    size_t max_line;
    lode_encoding encoding;
    bool fallback;
    uint64_t converted;
    char *wide; ///< the line as UTF-8, where it was converted
    size_t wide_capacity;
};

static void *gzip_alloc(void *unused, unsigned count, unsigned size) {
    (void)unused;
    return lode__alloc(count, size);
}

static void gzip_free(void *unused, void *memory) {
    (void)unused;
    lode__free(memory);
}

static lode_status source_fill(lode_input *input, lode_error *error) {
    if (input->raw_begin > 0) {
        memmove(input->raw, input->raw + input->raw_begin, input->raw_end - input->raw_begin);
        input->raw_end -= input->raw_begin;
        input->raw_begin = 0;
    }
    if (input->raw_finished) return LODE_OK;
    const size_t room = RAW_SIZE - input->raw_end;
    if (input->descriptor < 0) {
        const size_t take = LODE_MIN(room, input->memory_size);
        memcpy(input->raw + input->raw_end, input->memory, take);
        input->memory += take;
        input->memory_size -= take;
        input->raw_end += take;
        input->raw_finished = input->memory_size == 0;
        return LODE_OK;
    }
    ssize_t got;
    do {
        got = read(input->descriptor, input->raw + input->raw_end, room);
    } while (got < 0 && errno == EINTR);
    if (got < 0) {
        input->broken = true;
        return lode__fail_errno(error, "cannot read %s", input->name);
    }
    input->raw_end += (size_t)got;
    input->raw_finished = got == 0;
    return LODE_OK;
}

static lode_status fail_broken(lode_input *input, lode_error *error, const char *what) {
    input->broken = true;
    return lode__fail(error, LODE_E_INPUT,
                      "%s:%llu:1: the %s data %s, expected a whole compressed file; "
                      "copy or download it again",
                      input->name, (unsigned long long)input->lines + 1,
                      input->codec == CODEC_GZIP ? "gzip" : "zstd", what);
}

// One step of inflate; *got may be 0 without being at the end.
static lode_status decode_gzip(lode_input *input, char *out, size_t room, size_t *got,
                               lode_error *error) {
    z_stream *const stream = &input->gzip;
    if (!input->inside) {
        if (inflateReset2(stream, 15 + 16) != Z_OK) return fail_broken(input, error, "is damaged");
        input->inside = true;
    }
    stream->next_in = input->raw + input->raw_begin;
    stream->avail_in = (unsigned)(input->raw_end - input->raw_begin);
    stream->next_out = (unsigned char *)out;
    stream->avail_out = (unsigned)room;
    const int code = inflate(stream, Z_NO_FLUSH);
    input->raw_begin = input->raw_end - stream->avail_in;
    *got = room - stream->avail_out;
    if (code == Z_MEM_ERROR) return lode__fail_memory(error);
    if (code == Z_STREAM_END)
        input->inside = false;
    else if (code != Z_OK && code != Z_BUF_ERROR)
        return fail_broken(input, error, "is damaged");
    return LODE_OK;
}

static lode_status decode_zstd(lode_input *input, char *out, size_t room, size_t *got,
                               lode_error *error) {
    ZSTD_inBuffer in = {input->raw, input->raw_end, input->raw_begin};
    ZSTD_outBuffer result = {out, room, 0};
    const size_t left = ZSTD_decompressStream(input->zstd, &result, &in);
    input->raw_begin = in.pos;
    *got = result.pos;
    if (ZSTD_isError(left)) return fail_broken(input, error, "is damaged");
    input->inside = left != 0;
    return LODE_OK;
}

// Append some text; *got == 0 means the end of the input.
static lode_status decode(lode_input *input, char *out, size_t room, size_t *got, lode_error *error) {
    *got = 0;
    for (;;) {
        const bool dry = input->raw_begin == input->raw_end;
        if (dry && !input->raw_finished) {
            LODE_TRY(source_fill(input, error));
            continue;
        }
        if (input->codec == CODEC_PLAIN) {
            *got = LODE_MIN(room, input->raw_end - input->raw_begin);
            memcpy(out, input->raw + input->raw_begin, *got);
            input->raw_begin += *got;
            return LODE_OK;
        }
        if (dry && !input->inside) return LODE_OK;
        const size_t before = input->raw_begin;
        LODE_TRY(input->codec == CODEC_GZIP ? decode_gzip(input, out, room, got, error)
                                            : decode_zstd(input, out, room, got, error));
        if (*got > 0) return LODE_OK;
        if (input->raw_begin == before && input->raw_finished && input->inside)
            return fail_broken(input, error, "ends in the middle");
    }
}

// More text behind `end`; sets `finished` when there is none.
static lode_status text_fill(lode_input *input, lode_error *error) {
    if (input->begin > 0 && input->capacity - input->end < CHUNK_SIZE) {
        memmove(input->text, input->text + input->begin, input->end - input->begin);
        input->end -= input->begin;
        input->begin = 0;
    }
    if (!lode__grow((void **)&input->text, &input->capacity, input->end + CHUNK_SIZE, 1))
        return lode__fail_memory(error);
    size_t got = 0;
    LODE_TRY(decode(input, input->text + input->end, input->capacity - input->end, &got, error));
    input->end += got;
    input->finished = got == 0;
    return LODE_OK;
}

static lode_status input_start(lode_input *input, lode_error *error) {
    while (input->raw_end < 4 && !input->raw_finished)
        LODE_TRY(source_fill(input, error));
    const unsigned char *const raw = input->raw;
    if (input->raw_end >= 2 && raw[0] == 0x1f && raw[1] == 0x8b) {
        input->codec = CODEC_GZIP;
        input->gzip.zalloc = gzip_alloc;
        input->gzip.zfree = gzip_free;
        if (inflateInit2(&input->gzip, 15 + 16) != Z_OK) return lode__fail_memory(error);
        input->gzip_ready = true;
    } else if (input->raw_end >= 4 && memcmp(raw, "\x28\xb5\x2f\xfd", 4) == 0) {
        input->codec = CODEC_ZSTD;
        input->zstd = ZSTD_createDStream();
        if (!input->zstd) return lode__fail_memory(error);
    }
    while (input->end < 3 && !input->finished)
        LODE_TRY(text_fill(input, error));
    if (input->end >= 3 && memcmp(input->text, "\xef\xbb\xbf", 3) == 0) input->begin = 3;
    return LODE_OK;
}

static lode_input *input_new(const char *name, size_t max_line) {
    lode_input *input = lode__alloc(1, sizeof *input);
    if (!input) return NULL;
    input->descriptor = -1;
    input->max_line = max_line;
    input->name = lode__strdup(name);
    input->raw = lode__alloc(RAW_SIZE, 1);
    if (!input->name || !input->raw) lode__input_free(&input);
    return input;
}

lode_status lode__input_open(lode_input **out, const char *path, size_t max_line, lode_error *error) {
    const bool standard = strcmp(path, "-") == 0;
    lode_input *input = input_new(standard ? "standard input" : path, max_line);
    if (!input) return lode__fail_memory(error);
    lode_status status = LODE_OK;
    input->descriptor = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (input->descriptor < 0) {
        status = lode__fail_errno(error, "cannot open %s", path);
        goto done;
    }
    status = input_start(input, error);
done:
    if (status != LODE_OK) lode__input_free(&input);
    *out = input;
    return status;
}

lode_status lode__input_memory(lode_input **out, const void *bytes, size_t size, const char *name,
                               size_t max_line, lode_error *error) {
    lode_input *input = input_new(name, max_line);
    if (!input) return lode__fail_memory(error);
    input->memory = bytes;
    input->memory_size = size;
    const lode_status status = input_start(input, error);
    if (status != LODE_OK) lode__input_free(&input);
    *out = input;
    return status;
}

void lode__input_free(lode_input **address) {
    lode_input *const input = *address;
    if (!input) return;
    *address = NULL;
    if (input->descriptor > STDIN_FILENO) close(input->descriptor);
    if (input->gzip_ready) inflateEnd(&input->gzip);
    ZSTD_freeDStream(input->zstd);
    lode__free(input->name);
    lode__free(input->raw);
    lode__free(input->text);
    lode__free(input->wide);
    lode__free(input);
}

void lode__input_encode(lode_input *input, lode_encoding encoding, bool fallback) {
    input->encoding = encoding;
    input->fallback = fallback;
}

uint64_t lode__input_converted(const lode_input *input) {
    return input->converted;
}

const char *lode__input_name(const lode_input *input) {
    return input->name;
}

uint64_t lode__input_lines(const lode_input *input) {
    return input->lines;
}

bool lode__input_broken(const lode_input *input) {
    return input->broken;
}

lode_status lode__input_peek(lode_input *input, const char **text, size_t *length, bool *whole,
                             lode_error *error) {
    while (input->end - input->begin < CHUNK_SIZE && !input->finished)
        LODE_TRY(text_fill(input, error));
    *text = input->text + input->begin;
    *length = LODE_MIN(input->end - input->begin, CHUNK_SIZE);
    *whole = input->finished && input->end - input->begin <= CHUNK_SIZE;
    return LODE_OK;
}

static bool is_ascii(const char *text, size_t length) {
    size_t at = 0;
    for (; at + 8 <= length; at += 8) {
        uint64_t word;
        memcpy(&word, text + at, 8);
        if (word & 0x8080808080808080u) return false;
    }
    for (; at < length; ++at)
        if ((unsigned char)text[at] & 0x80) return false;
    return true;
}

// Position of the first byte of the first character that is not UTF-8.
static size_t bad_byte(const char *text, size_t length) {
    size_t at = 0;
    while (at < length) {
        const unsigned char lead = (unsigned char)text[at];
        const size_t size = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
        if (size > length - at || !lode__utf8_valid(text + at, size)) break;
        at += size;
    }
    return at;
}

static lode_status check_line(const lode_input *input, const lode_line *line, lode_error *error) {
    const char *const zero = memchr(line->text, 0, line->length);
    if (zero)
        return lode__fail(error, LODE_E_INPUT,
                          "%s:%llu:%zu: found a NUL byte, expected text; "
                          "the file is damaged, binary, or UTF-16 (convert it to UTF-8)",
                          input->name, (unsigned long long)line->number,
                          (size_t)(zero - line->text) + 1);
    if (is_ascii(line->text, line->length) || lode__utf8_valid(line->text, line->length))
        return LODE_OK;
    const size_t at = bad_byte(line->text, line->length);
    return lode__fail(error, LODE_E_INPUT,
                      "%s:%llu:%zu: found byte 0x%02x, which is not UTF-8; "
                      "convert the file, or set encoding: latin1",
                      input->name, (unsigned long long)line->number, at + 1,
                      at < line->length ? (unsigned)(unsigned char)line->text[at] : 0u);
}

// ISO-8859-1 to UTF-8: every byte from 0x80 on becomes two.
static lode_status convert_line(lode_input *input, lode_line *line, lode_error *error) {
    if (!lode__grow((void **)&input->wide, &input->wide_capacity, 2 * line->length + 1, 1))
        return lode__fail_memory(error);
    size_t length = 0;
    for (size_t k = 0; k < line->length; ++k) {
        const unsigned char c = (unsigned char)line->text[k];
        if (c < 0x80) {
            input->wide[length++] = (char)c;
        } else {
            input->wide[length++] = (char)(0xc0 | c >> 6);
            input->wide[length++] = (char)(0x80 | (c & 0x3f));
        }
    }
    line->text = input->wide;
    line->length = length;
    ++input->converted;
    return LODE_OK;
}

static bool is_latin1(const lode_input *input, const lode_line *line) {
    if (input->encoding == LODE_ENCODING_UTF8) return false;
    if (input->encoding == LODE_ENCODING_LATIN1) return !is_ascii(line->text, line->length);
    return input->fallback && !is_ascii(line->text, line->length) &&
           !lode__utf8_valid(line->text, line->length);
}

// Consume up to the next line end without keeping anything.
static lode_status skip_line(lode_input *input, lode_error *error) {
    for (;;) {
        const char *const stop = memchr(input->text + input->begin, '\n', input->end - input->begin);
        if (stop) {
            input->begin = (size_t)(stop - input->text) + 1;
            return LODE_OK;
        }
        input->begin = input->end = 0;
        if (input->finished) return LODE_OK;
        LODE_TRY(text_fill(input, error));
    }
}

lode_status lode__input_line(lode_input *input, lode_line *line, bool *end, lode_error *error) {
    *end = false;
    size_t scanned = 0;
    const char *stop = NULL;
    for (;;) {
        const size_t held = input->end - input->begin;
        if (held > scanned)
            stop = memchr(input->text + input->begin + scanned, '\n', held - scanned);
        if (stop || input->finished) break;
        scanned = held;
        if (held > input->max_line) break;
        LODE_TRY(text_fill(input, error));
    }
    char *const text = input->text + input->begin;
    const size_t held = input->end - input->begin;
    if (!stop && held == 0) {
        *end = true;
        return LODE_OK;
    }
    *line = (lode_line){text, stop ? (size_t)(stop - text) : held, ++input->lines};
    if (line->length > input->max_line) {
        LODE_TRY(skip_line(input, error));
        return lode__fail(error, LODE_E_INPUT,
                          "%s:%llu:1: found a line of more than %zu bytes; is this a log? "
                          "If so, raise max_line",
                          input->name, (unsigned long long)line->number, input->max_line);
    }
    input->begin += line->length + (stop != NULL);
    if (line->length > 0 && text[line->length - 1] == '\r') --line->length;
    if (is_latin1(input, line)) LODE_TRY(convert_line(input, line, error));
    return check_line(input, line, error);
}
