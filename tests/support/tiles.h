/// The matrix product of the level amx on tiles that are made of memory.
#ifndef LODE_TESTS_SUPPORT_TILES_H
#define LODE_TESTS_SUPPORT_TILES_H

#include "kernel/kernel.h"

/// A b16 table with the product of the level amx on emulated tiles, or NULL on a machine without AVX512_BF16,
/// which the rest of that level needs. Not for more than one thread.
const struct lode_kernels_b16 *emulated_amx(void);
/// Whether every product has given its tiles back.
bool emulated_tiles_released(void);

#endif
