/// Kernels of dropout: bits of noise, and what they leave of an array.
///
/// They stand beside the table because they give the same bits at every level: noise is whole numbers, and what is
/// kept is rounded once (twice where it is added). Element i of a piece of noise takes 16 bits of
/// lode__philox(counter = {block, counter...}, key): within each group g of 128 elements, 32 elements share word
/// w = i % 128 / 32 of the blocks 16 g .. 16 g + 15; element h = i % 32 of them has the lower (h even) or upper half
/// of block 16 g + h / 2. That is how vector registers have them.
#ifndef LODE_KERNEL_DROPOUT_H
#define LODE_KERNEL_DROPOUT_H

#include "kernel/kernel.h"

typedef struct lode_noise {
    uint32_t key[2], counter[3]; ///< words 1 .. 3 of the counter
    uint32_t threshold; ///< element i stays where its 16 bits are >= threshold (0 .. 65535)
} lode_noise;

enum { LODE_NOISE_GROUP = 128 }; ///< elements

typedef struct lode_dropout_kernels {
    /// Bit i % 32 of keep[i / 32]: element i stays. Whole groups are written.
    void (*noise)(size_t n, const lode_noise *noise, uint32_t *keep);
    /// y = scale * x where the bit is set and 0 elsewhere, or y += that. y may be x.
    void (*keep_f32)(size_t n, const uint32_t *keep, float scale, const float *x, bool add, float *y);
    void (*keep_b16)(size_t n, const uint32_t *keep, float scale, const lode_bf16 *x, bool add,
                     lode_bf16 *y);
    void (*keep_f64)(size_t n, const uint32_t *keep, double scale, const double *x, bool add,
                     double *y); ///< plain C at every level
} lode_dropout_kernels;

const lode_dropout_kernels *lode__dropout_kernels(void);
/// Of a level for tests, or NULL when this machine cannot run it.
const lode_dropout_kernels *lode__dropout_kernels_at(lode_level level);

#endif
