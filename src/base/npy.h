/// Reading NumPy's .npy: a matrix of float32 in C order, mapped. Hostile files are safe.
#ifndef LODE_BASE_NPY_H
#define LODE_BASE_NPY_H

#include "base/file.h"

typedef struct lode_npy {
    lode_mapping mapping;
    const float *data; ///< [rows, columns], aligned to 4 bytes; values are not checked
    uint64_t rows, columns;
} lode_npy;

/// Versions 1 to 3; LODE_E_INPUT for other types, orders and ranks, saying how to convert them.
LODE_CHECK lode_status lode__npy_open(lode_npy *npy, const char *path, lode_error *error);
void lode__npy_close(lode_npy *npy);

#endif
