// The header is a Python dict as text: {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }. The three
// entries are read in whatever order they come; anything else is refused.
#include "base/npy.h"

#include "base/text.h"

#include <string.h>

enum { PREFIX = 10, LARGEST_HEADER = 1 << 16 };

static const char advice[] = "expected float32 in C order with two dimensions, as "
                             "numpy.save(path, numpy.ascontiguousarray(x, \"float32\")) writes it";

/// A text being read.
typedef struct cursor {
    const char *at, *end;
} cursor;

static bool take(cursor *c, const char *word) {
    const size_t length = strlen(word);
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\n'))
        c->at++;
    if ((size_t)(c->end - c->at) < length || memcmp(c->at, word, length) != 0) return false;
    c->at += length;
    return true;
}

static bool take_number(cursor *c, uint64_t *out) {
    while (c->at < c->end && *c->at == ' ')
        c->at++;
    const char *begin = c->at;
    while (c->at < c->end && *c->at >= '0' && *c->at <= '9')
        c->at++;
    return lode__parse_u64(begin, (size_t)(c->at - begin), out);
}

static bool take_shape(cursor *c, lode_npy *npy) {
    if (!take(c, "(") || !take_number(c, &npy->rows) || !take(c, ",") ||
        !take_number(c, &npy->columns))
        return false;
    (void)take(c, ",");
    return take(c, ")");
}

/// @return NULL, or what is wrong
static const char *parse(cursor c, lode_npy *npy) {
    unsigned seen = 0;
    if (!take(&c, "{")) return "its header is no dict";
    while (!take(&c, "}")) {
        if (take(&c, "'descr':")) {
            if (!take(&c, "'<f4'")) return "it holds no little-endian float32";
            seen |= 1;
        } else if (take(&c, "'fortran_order':")) {
            if (!take(&c, "False")) return "it is in Fortran order";
            seen |= 2;
        } else if (take(&c, "'shape':")) {
            if (!take_shape(&c, npy)) return "it does not have two dimensions";
            seen |= 4;
        } else {
            return "its header holds something unknown";
        }
        (void)take(&c, ",");
    }
    return seen == 7 ? NULL : "its header lacks descr, fortran_order or shape";
}

static const char *read_header(lode_npy *npy) {
    const unsigned char *bytes = npy->mapping.data;
    const size_t size = npy->mapping.size;
    if (size < PREFIX || memcmp(bytes, "\x93NUMPY", 6) != 0)
        return "it does not begin as a .npy file";
    if (bytes[6] < 1 || bytes[6] > 3) return "its version is none of 1, 2, 3";
    const size_t prefix = bytes[6] == 1 ? PREFIX : PREFIX + 2;
    if (size < prefix) return "it ends within its header";
    size_t length = bytes[8] | (size_t)bytes[9] << 8;
    if (bytes[6] > 1) length |= (size_t)bytes[10] << 16 | (size_t)bytes[11] << 24;
    if (length > LARGEST_HEADER || length > size - prefix) return "it ends within its header";
    const char *text = (const char *)bytes + prefix;
    const char *problem = parse((cursor){text, text + length}, npy);
    if (problem != NULL) return problem;
    size_t expected;
    if (!lode__size_mul(npy->rows, npy->columns, &expected) ||
        !lode__size_mul(expected, sizeof(float), &expected) || expected != size - prefix - length)
        return "its size does not fit its shape";
    if ((prefix + length) % sizeof(float) != 0) return "its numbers are not aligned";
    npy->data = (const float *)(const void *)(bytes + prefix + length);
    return NULL;
}

lode_status lode__npy_open(lode_npy *npy, const char *path, lode_error *error) {
    *npy = (lode_npy){0};
    LODE_TRY(lode__mapping_open(&npy->mapping, path, error));
    const char *problem = read_header(npy);
    if (problem == NULL) return LODE_OK;
    lode__npy_close(npy);
    return lode__fail(error, LODE_E_INPUT, "%s: %s; %s", path, problem, advice);
}

void lode__npy_close(lode_npy *npy) {
    lode__mapping_close(&npy->mapping);
    *npy = (lode_npy){0};
}
