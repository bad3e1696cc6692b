/// The plain-C kernels of dropout, and the choice among levels.
#include "kernel/dropout.h"

#include "base/random.h"
#include "kernel/x86/dropout.h"
#include "kernel/x86/x86.h"

enum { BLOCKS = 16 }; ///< of a group

static void noise_group(const lode_noise *noise, uint32_t group, uint32_t keep[4]) {
    memset(keep, 0, 4 * sizeof *keep);
    for (uint32_t block = 0; block < BLOCKS; block++) {
        const uint32_t counter[4] = {group * BLOCKS + block, noise->counter[0], noise->counter[1],
                                     noise->counter[2]};
        uint32_t words[4];
        lode__philox(counter, noise->key, words);
        for (int w = 0; w < 4; w++) {
            const uint32_t low = (words[w] & 0xffff) >= noise->threshold;
            const uint32_t high = (words[w] >> 16) >= noise->threshold;
            keep[w] |= (low | high << 1) << 2 * block;
        }
    }
}

static void noise_ref(size_t n, const lode_noise *noise, uint32_t *keep) {
    for (size_t group = 0; group * LODE_NOISE_GROUP < n; group++)
        noise_group(noise, (uint32_t)group, keep + 4 * group);
}

#define LODE_KEPT(keep, i) ((keep)[(i) / 32] >> (i) % 32 & 1)

static void keep_f32(size_t n, const uint32_t *keep, float scale, const float *x, bool add, float *y) {
    for (size_t i = 0; i < n; i++) {
        const float value = LODE_KEPT(keep, i) ? scale * x[i] : 0.0F;
        y[i] = add ? y[i] + value : value;
    }
}

static void keep_f64(size_t n, const uint32_t *keep, double scale, const double *x, bool add,
                     double *y) {
    for (size_t i = 0; i < n; i++) {
        const double value = LODE_KEPT(keep, i) ? scale * x[i] : 0.0;
        y[i] = add ? y[i] + value : value;
    }
}

static void keep_b16(size_t n, const uint32_t *keep, float scale, const lode_bf16 *x, bool add,
                     lode_bf16 *y) {
    for (size_t i = 0; i < n; i++) {
        const float value = LODE_KEPT(keep, i) ? scale * lode__bf16_widen(x[i]) : 0.0F;
        y[i] = lode__bf16_narrow(add ? lode__bf16_widen(y[i]) + value : value);
    }
}

#if LODE_KERNEL_X86
static const lode_dropout_kernels tables[] = {
    {noise_ref, keep_f32, keep_b16, keep_f64},
    {lode__noise_avx2, lode__keep_f32_avx2, keep_b16, keep_f64},
    {lode__noise_avx512, lode__keep_f32_avx512, lode__keep_b16_avx512, keep_f64}};
#else
static const lode_dropout_kernels tables[] = {{noise_ref, keep_f32, keep_b16, keep_f64}};
#endif

static const lode_dropout_kernels *table_of(lode_level level) {
    const size_t most = sizeof tables / sizeof *tables - 1;
    return &tables[LODE_MIN((size_t)level, most)];
}

const lode_dropout_kernels *lode__dropout_kernels(void) {
    return table_of(lode__level());
}

const lode_dropout_kernels *lode__dropout_kernels_at(lode_level level) {
    return lode__kernels_at(level) != NULL ? table_of(level) : NULL;
}
