/// NumPy's .npy as a matrix: two dimensions, rows one after the other, little-endian floats of 2, 4 or 8 bytes.
#ifndef LODE_DATA_NPY_READ_H
#define LODE_DATA_NPY_READ_H

#include "base/file.h"

typedef struct lode_npy {
    lode_mapping file;
    const unsigned char *data;
    uint64_t rows, columns;
    size_t element; ///< bytes: 2, 4 or 8
} lode_npy;

/// Map a file and check all of its header and its size. LODE_E_FORMAT says what was found and what is read.
LODE_CHECK lode_status lode__npy_open(lode_npy *out, const char *path, lode_error *error);
/// One number; values that float cannot hold become infinite.
float lode__npy_value(const lode_npy *npy, uint64_t row, uint64_t column);
void lode__npy_close(lode_npy *npy);

#endif
