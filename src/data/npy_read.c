// The header of .npy: "\x93NUMPY", two bytes of version, the length of the rest (u16 in version 1, u32 later), then a
// Python dict as text with the keys descr, fortran_order and shape. Data begins behind it.
#include "data/npy_read.h"

#include "base/text.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define HEADER_LIMIT 65536

/// The header's text, taken apart.
typedef struct header {
    const char *path;
    char text[HEADER_LIMIT + 1];
    const char *at;
} header;

static lode_status fail(const char *path, lode_error *error, const char *what) {
    return lode__fail(error, LODE_E_FORMAT,
                      "%s: %s; expected a .npy of two dimensions, C order, little-endian float16, "
                      "float32 or float64",
                      path, what);
}

static void skip_blanks(header *h) {
    while (*h->at == ' ' || *h->at == '\n' || *h->at == '\t')
        ++h->at;
}

static bool take(header *h, const char *word) {
    skip_blanks(h);
    const size_t length = strlen(word);
    if (strncmp(h->at, word, length) != 0) return false;
    h->at += length;
    return true;
}

// A text in single or double quotes.
static bool take_text(header *h, char out[32]) {
    skip_blanks(h);
    const char quote = *h->at;
    if (quote != '\'' && quote != '"') return false;
    const char *const end = strchr(h->at + 1, quote);
    const size_t length = end ? (size_t)(end - h->at) - 1 : SIZE_MAX;
    if (length >= 32) return false;
    memcpy(out, h->at + 1, length);
    out[length] = 0;
    h->at = end + 1;
    return true;
}

static bool take_count(header *h, uint64_t *out) {
    skip_blanks(h);
    const size_t length = strspn(h->at, "0123456789");
    if (!lode__parse_u64(h->at, length, out)) return false;
    h->at += length;
    return true;
}

static bool take_shape(header *h, uint64_t shape[2], size_t *rank) {
    *rank = 0;
    if (!take(h, "(")) return false;
    while (!take(h, ")")) {
        uint64_t value;
        if (!take_count(h, &value)) return false;
        if (*rank < 2) shape[*rank] = value;
        ++*rank;
        if (!take(h, ",")) return take(h, ")");
    }
    return true;
}

static lode_status read_dict(header *h, lode_npy *out, lode_error *error) {
    char key[32], descr[32] = "";
    uint64_t shape[2] = {0};
    size_t rank = 0;
    unsigned seen = 0;
    bool fortran = false;
    if (!take(h, "{")) return fail(h->path, error, "its header is no dict");
    while (!take(h, "}")) {
        if (!take_text(h, key) || !take(h, ":"))
            return fail(h->path, error, "its header is broken");
        bool good = false;
        if (strcmp(key, "descr") == 0) {
            good = take_text(h, descr);
            seen |= 1u;
        } else if (strcmp(key, "fortran_order") == 0) {
            fortran = take(h, "True");
            good = fortran || take(h, "False");
            seen |= 2u;
        } else if (strcmp(key, "shape") == 0) {
            good = take_shape(h, shape, &rank);
            seen |= 4u;
        }
        if (!good) return fail(h->path, error, "its header is broken");
        take(h, ",");
    }
    if (seen != 7u) return fail(h->path, error, "its header lacks descr, fortran_order or shape");
    char what[96];
    const bool type =
        strcmp(descr, "<f2") == 0 || strcmp(descr, "<f4") == 0 || strcmp(descr, "<f8") == 0;
    if (!type) {
        snprintf(what, sizeof what, "it holds numbers of type '%s'", descr);
        return fail(h->path, error, what);
    }
    if (fortran) return fail(h->path, error, "it is stored in Fortran order");
    if (rank != 2 || shape[1] == 0) {
        snprintf(what, sizeof what, "it has %zu dimension(s)%s", rank,
                 rank == 2 ? " and no columns" : "");
        return fail(h->path, error, what);
    }
    out->element = (size_t)(descr[2] - '0');
    out->rows = shape[0];
    out->columns = shape[1];
    return LODE_OK;
}

static lode_status read_header(lode_npy *out, header *h, lode_error *error) {
    const unsigned char *const bytes = out->file.data;
    const size_t size = out->file.size;
    if (size < 10 || memcmp(bytes, "\x93NUMPY", 6) != 0)
        return fail(h->path, error, "it does not begin as a .npy");
    const size_t prefix = bytes[6] == 1 ? 10 : 12;
    if (bytes[6] < 1 || bytes[6] > 3 || size < prefix)
        return fail(h->path, error, "its version is not 1, 2 or 3");
    size_t length = (size_t)bytes[8] | (size_t)bytes[9] << 8;
    if (prefix == 12) length |= (size_t)bytes[10] << 16 | (size_t)bytes[11] << 24;
    if (length > HEADER_LIMIT || length > size - prefix)
        return fail(h->path, error, "its header is longer than the file or 65536 bytes");
    memcpy(h->text, bytes + prefix, length);
    h->at = h->text;
    LODE_TRY(read_dict(h, out, error));
    size_t wanted;
    if (!lode__size_mul((size_t)out->rows, (size_t)out->columns, &wanted) ||
        !lode__size_mul(wanted, out->element, &wanted) || wanted != size - prefix - length) {
        char what[160];
        snprintf(what, sizeof what,
                 "it holds %zu bytes of numbers where its header promises %llu x %llu of %zu bytes",
                 size - prefix - length, (unsigned long long)out->rows,
                 (unsigned long long)out->columns, out->element);
        return fail(h->path, error, what);
    }
    out->data = bytes + prefix + length;
    return LODE_OK;
}

lode_status lode__npy_open(lode_npy *out, const char *path, lode_error *error) {
    *out = (lode_npy){0};
    LODE_TRY(lode__mapping_open(&out->file, path, error));
    header *const h = lode__alloc(1, sizeof *h);
    lode_status status = h ? LODE_OK : lode__fail_memory(error);
    if (h) {
        h->path = path;
        status = read_header(out, h, error);
    }
    lode__free(h);
    if (status != LODE_OK) lode__npy_close(out);
    return status;
}

// IEEE half precision.
static float from_half(uint16_t bits) {
    const int exponent = bits >> 10 & 31, fraction = bits & 1023;
    float value;
    if (exponent == 31)
        value = fraction ? NAN : INFINITY;
    else
        value =
            ldexpf((float)(exponent ? fraction | 1024 : fraction), (exponent ? exponent : 1) - 25);
    return bits >> 15 ? -value : value;
}

float lode__npy_value(const lode_npy *npy, uint64_t row, uint64_t column) {
    const unsigned char *const at = npy->data + (size_t)(row * npy->columns + column) * npy->element;
    if (npy->element == 2) {
        uint16_t bits;
        memcpy(&bits, at, sizeof bits);
        return from_half(bits);
    }
    if (npy->element == 4) {
        float value;
        memcpy(&value, at, sizeof value);
        return value;
    }
    double value;
    memcpy(&value, at, sizeof value);
    if (fabs(value) > 3.4028234e38) return value < 0 ? -INFINITY : INFINITY;
    return (float)value;
}

void lode__npy_close(lode_npy *npy) {
    lode__mapping_close(&npy->file);
    *npy = (lode_npy){0};
}
