/// Eight tiles in software, after Intel's description of TDPBF16PS: the even and the odd products of a step are
/// summed apart, in increasing k, and then added to C; denormal numbers count as zeros. Any use of tiles without a
/// configuration, or of what was never loaded, ends the test.
#include "tiles.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>

#include "kernel/x86/x86.h"

#define LODE_FEATURES "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl,avx512bf16"
#define LODE_TARGET   __attribute__((target(LODE_FEATURES)))
#define LODE_INLINE   static inline __attribute__((always_inline, target(LODE_FEATURES)))

static unsigned char tiles[8][16][64];
static bool configured, loaded[8];

static void need(bool fact, const char *what) {
    if (fact) return;
    fprintf(stderr, "emulated tiles: %s\n", what);
    abort();
}

static void emulate_begin(void) {
    need(!configured, "configured twice");
    configured = true;
    memset(loaded, 0, sizeof loaded);
}

static void emulate_end(void) {
    need(configured, "released twice");
    configured = false;
}

static void emulate_load(int t, const void *from, size_t bytes) {
    need(configured, "a load without a configuration");
    for (size_t row = 0; row < 16; row++) {
        memcpy(tiles[t][row], (const unsigned char *)from + row * bytes, 64);
    }
    loaded[t] = true;
}

static void emulate_zero(int t) {
    need(configured, "a zero without a configuration");
    memset(tiles[t], 0, sizeof tiles[t]);
    loaded[t] = true;
}

static void emulate_store(int t, void *to, size_t bytes) {
    need(configured && loaded[t], "a store of nothing");
    for (size_t row = 0; row < 16; row++) {
        memcpy((unsigned char *)to + row * bytes, tiles[t][row], 64);
    }
}

static float flushed(float x) {
    return fabsf(x) < 0x1p-126f ? copysignf(0, x) : x;
}

static void widen_tile(int t, float *to) {
    for (size_t i = 0; i < 16 * 32; i++) {
        lode_bf16 x;
        memcpy(&x, &tiles[t][i / 32][i % 32 * sizeof x], sizeof x);
        to[i] = flushed(lode__bf16_widen(x));
    }
}

LODE_TARGET static void emulate_dot(int c, int a, int b) {
    need(configured && loaded[a] && loaded[b] && loaded[c], "a product of nothing");
    float x[16 * 32], y[16 * 32];
    widen_tile(a, x);
    widen_tile(b, y);
    for (size_t m = 0; m < 16; m++) {
        for (size_t n = 0; n < 16; n++) {
            float sums[2] = {0, 0}, old;
            for (size_t k = 0; k < 32; k++) {
                sums[k % 2] = fmaf(x[m * 32 + k], y[k / 2 * 32 + 2 * n + k % 2], sums[k % 2]);
            }
            memcpy(&old, &tiles[c][m][4 * n], sizeof old);
            old = flushed(old + flushed(sums[0] + sums[1]));
            memcpy(&tiles[c][m][4 * n], &old, sizeof old);
        }
    }
}

#define tiles_begin()              emulate_begin()
#define tiles_end()                emulate_end()
#define tile_zero(tile)            emulate_zero(tile)
#define tile_load(tile, from, row) emulate_load(tile, from, row)
#define tile_store(tile, to, row)  emulate_store(tile, to, row)
#define tile_dot(c, a, b)          emulate_dot(c, a, b)

enum { DEPTH = 32 };
#include "kernel/x86/body_pairs.h"

#include "kernel/x86/body_tiles.h"

const struct lode_kernels_b16 *emulated_amx(void) {
    static struct lode_kernels_b16 table;
    const struct lode_kernels_b16 *below = lode__kernels_b16_at(LODE_LEVEL_AVX512BF16);
    if (below == NULL) return NULL;
    table = *below;
    table.level = "amx on emulated tiles";
    table.panel = PANEL;
    table.depth = DEPTH;
    table.pack = pack;
    table.pack_stored = pack_stored;
    table.gemm = gemm;
    return &table;
}

bool emulated_tiles_released(void) {
    return !configured;
}
#else
const struct lode_kernels_b16 *emulated_amx(void) {
    return NULL;
}

bool emulated_tiles_released(void) {
    return true;
}
#endif
