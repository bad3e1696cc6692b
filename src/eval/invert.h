/// The inverse of a symmetric positive definite matrix, in place and in blocks.
#ifndef LODE_EVAL_INVERT_H
#define LODE_EVAL_INVERT_H

#include "base/memory.h"
#include "base/pool.h"
#include "eval/progress.h"

/// Overwrite the lower triangle of a [n, n] matrix by the lower triangle of its negative inverse; the upper triangle is
/// scratch and holds anything afterwards. The same bits at any thread count. LODE_E_STOPPED when the hooks ask to stop.
/// @param singular  set when a pivot is not positive, or lost in rounding: the matrix is not positive definite in float32; its contents are
///                  then undefined and the status is LODE_OK
LODE_CHECK lode_status lode__invert_negative(float *matrix, size_t n, lode_pool *pool,
                                             const lode_hooks *hooks, bool *singular,
                                             lode_error *error);

#endif
