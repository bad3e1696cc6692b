/// NumPy's .npy, version 1.0: "\x93NUMPY", bytes 1 and 0, u16 length of the rest of the header, a Python dict as
/// text, spaces and a newline up to a multiple of 64, then rows of little-endian float32.
#include <stdio.h>
#include <string.h>

#include "base/safetensors.h"

enum { HEADER = 128, PREFIX = 10 };

lode_status lode__npy_begin(lode_npy_writer *writer, const char *path, uint64_t rows,
                            uint64_t columns, lode_error *error) {
    return lode__npy_begin_parts(writer, path, rows, 1, columns, error);
}

lode_status lode__npy_begin_parts(lode_npy_writer *writer, const char *path, uint64_t rows,
                                  uint64_t parts, uint64_t columns, lode_error *error) {
    const uint64_t last = columns;
    size_t bytes;
    assert(parts >= 1);
    columns *= parts;
    *writer = (lode_npy_writer){.file = {.descriptor = -1}, .rows = rows, .columns = columns};
    if (!lode__size_mul(rows, columns, &bytes) || !lode__size_mul(bytes, sizeof(float), &bytes)) {
        return lode__fail(error, LODE_E_USAGE, "cannot write %s: %llu x %llu numbers are too many",
                          path, (unsigned long long)rows, (unsigned long long)columns);
    }
    char header[HEADER] = "\x93NUMPY\x01";
    const uint16_t rest = HEADER - PREFIX;
    memcpy(header + 8, &rest, sizeof rest);
    char middle[32] = "";
    if (parts > 1) (void)snprintf(middle, sizeof middle, "%llu, ", (unsigned long long)parts);
    const int length =
        snprintf(header + PREFIX, rest,
                 "{'descr': '<f4', 'fortran_order': False, 'shape': (%llu, %s%llu), }",
                 (unsigned long long)rows, middle, (unsigned long long)last);
    assert(length > 0 && length < rest);
    memset(header + PREFIX + length, ' ', (size_t)(rest - length - 1));
    header[HEADER - 1] = '\n';
    LODE_TRY(lode__writer_open(&writer->file, path, error));
    const lode_status status = lode__writer_add(&writer->file, header, HEADER, error);
    if (status != LODE_OK) lode__npy_abort(writer);
    return status;
}

lode_status lode__npy_add(lode_npy_writer *writer, const float *data, uint64_t rows,
                          lode_error *error) {
    if (rows > writer->rows - writer->written) {
        return lode__fail(error, LODE_E_USAGE, "cannot write %s: more than the announced %llu rows",
                          writer->file.path, (unsigned long long)writer->rows);
    }
    writer->written += rows;
    const size_t bytes = rows * writer->columns * sizeof *data;
    return bytes == 0 ? LODE_OK : lode__writer_add(&writer->file, data, bytes, error);
}

lode_status lode__npy_commit(lode_npy_writer *writer, lode_error *error) {
    if (writer->written == writer->rows) return lode__writer_commit(&writer->file, error);
    const lode_status status = lode__fail(
        error, LODE_E_USAGE, "cannot write %s: %llu rows were added, %llu were announced",
        writer->file.path, (unsigned long long)writer->written, (unsigned long long)writer->rows);
    lode__npy_abort(writer);
    return status;
}

void lode__npy_abort(lode_npy_writer *writer) {
    lode__writer_abort(&writer->file);
}
