/// Products of bfloat16 by the tiles of AMX (Sapphire Rapids and later): the body of body_tiles.h.
///
/// The wrappers are our own: gcc 12's intrinsics declare neither that a configuration is read whole nor that tiles
/// are loaded from and stored to memory, so that stores before them may move behind them or vanish.
/// The configuration of tiles belongs to the thread. A product loads it and releases the tiles at its end: that costs
/// little beside the smallest product, any thread may run one, and a thread that waits has no tiles to be saved.
/// The process has asked for tiles before (dispatch.c).
#include "kernel/x86/x86.h"

#if LODE_KERNEL_X86
#include <immintrin.h>
#include <math.h>

#define LODE_FEATURES "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,amx-tile,amx-bf16"
#define LODE_TARGET   __attribute__((target(LODE_FEATURES)))
#define LODE_INLINE   static inline __attribute__((always_inline, target(LODE_FEATURES)))

/// What LDTILECFG reads: palette 1, eight tiles of 16 rows x 64 bytes.
typedef struct tile_configuration {
    uint8_t palette, start_row, reserved[14];
    uint16_t bytes[16];
    uint8_t rows[16];
} tile_configuration;
_Static_assert(sizeof(tile_configuration) == 64, "as the instruction wants it");

static const tile_configuration whole_tiles __attribute__((aligned(64))) = {
    .palette = 1,
    .bytes = {64, 64, 64, 64, 64, 64, 64, 64},
    .rows = {16, 16, 16, 16, 16, 16, 16, 16},
};

#define tiles_begin()   __asm__ volatile("ldtilecfg %0" ::"m"(whole_tiles) : "memory")
#define tiles_end()     __asm__ volatile("tilerelease" ::: "memory")
#define tile_zero(tile) __asm__ volatile("tilezero %%tmm" #tile ::: "memory")
#define tile_load(tile, from, bytes)                                                               \
    __asm__ volatile("tileloadd (%0,%1,1), %%tmm" #tile ::"r"(from), "r"(bytes) : "memory")
#define tile_store(tile, to, bytes)                                                                \
    __asm__ volatile("tilestored %%tmm" #tile ", (%0,%1,1)" ::"r"(to), "r"(bytes) : "memory")
#define tile_dot(c, a, b)                                                                          \
    __asm__ volatile("tdpbf16ps %%tmm" #b ", %%tmm" #a ", %%tmm" #c ::: "memory")

enum { DEPTH = 32 };
#include "kernel/x86/body_pairs.h"

#include "kernel/x86/body_tiles.h"

void lode__override_amx(struct lode_kernels_b16 *table) {
    table->panel = PANEL;
    table->depth = DEPTH;
    table->pack = pack;
    table->pack_stored = pack_stored;
    table->gemm = gemm;
}
#endif
