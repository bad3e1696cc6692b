/// The safetensors format (https://github.com/huggingface/safetensors): 8 bytes little-endian length of a JSON
/// header {"name": {"dtype", "shape", "data_offsets"}, ..., "__metadata__": {"key": "text"}}, then the tensors' bytes.
/// Weights (model.safetensors) and checkpoints are written in it, so that any framework can read them.
#ifndef LODE_BASE_SAFETENSORS_H
#define LODE_BASE_SAFETENSORS_H

#include "base/file.h"

typedef enum lode_dtype {
    LODE_DTYPE_F32,
    LODE_DTYPE_F64,
    LODE_DTYPE_I32,
    LODE_DTYPE_I64,
    LODE_DTYPE_U8
} lode_dtype;

#define LODE_TENSOR_RANK 4

typedef struct lode_tensor_view {
    const char *name;
    lode_dtype dtype;
    size_t rank;
    size_t shape[LODE_TENSOR_RANK];
    const void *data;
    size_t bytes;
} lode_tensor_view;

/// Write tensors and metadata (pairs of texts, may be NULL) in the order given, wider elements first; atomic. The
/// header is padded so that data starts at a multiple of 64; the same input gives the same bytes. Names that
/// are given twice, are not UTF-8 or are "__metadata__" (keys: "xxh64") are LODE_E_USAGE.
LODE_CHECK lode_status lode__safetensors_write(const char *path, const lode_tensor_view *tensors,
                                               size_t count, const char *const *metadata,
                                               size_t metadata_count, lode_error *error);

/// A mapped file; every offset, shape and overlap is checked on opening (hostile files are safe), and the whole
/// content against "xxh64" in the metadata, which the writer adds and the reader
/// does not list (absent is accepted: files of other programs).
typedef struct lode_safetensors {
    lode_mapping mapping;
    lode_arena arena;
    lode_tensor_view *tensors;
    size_t count;
    const char **metadata; ///< [2 * metadata_count] key, text
    size_t metadata_count;
} lode_safetensors;

LODE_CHECK lode_status lode__safetensors_open(lode_safetensors *file, const char *path,
                                              lode_error *error);
void lode__safetensors_close(lode_safetensors *file);
const lode_tensor_view *lode__safetensors_find(const lode_safetensors *file, const char *name);
const char *lode__safetensors_metadata(const lode_safetensors *file, const char *key);

/// NumPy's .npy, version 1.0, float32, C order: [rows, columns], streamed.
typedef struct lode_npy_writer {
    lode_writer file;
    uint64_t rows, columns, written;
} lode_npy_writer;

/// The same of three dimensions [rows, parts, columns], parts > 1; of one part of two.
LODE_CHECK lode_status lode__npy_begin_parts(lode_npy_writer *writer, const char *path, uint64_t rows,
                                             uint64_t parts, uint64_t columns, lode_error *error);
LODE_CHECK lode_status lode__npy_begin(lode_npy_writer *writer, const char *path, uint64_t rows,
                                       uint64_t columns, lode_error *error);
LODE_CHECK lode_status lode__npy_add(lode_npy_writer *writer, const float *data, uint64_t rows,
                                     lode_error *error);
/// Fails unless exactly the announced rows were added.
LODE_CHECK lode_status lode__npy_commit(lode_npy_writer *writer, lode_error *error);
void lode__npy_abort(lode_npy_writer *writer);

#endif
