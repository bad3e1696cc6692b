/// Which kernel table runs: decided once, from CPU, operating system and LODE_CPU.
///
/// A level counts only when the CPU reports its instructions *and* the operating system saves its
/// registers (XCR0, read by xgetbv); the tiles of AMX have to be asked for besides (Linux: arch_prctl), once a
/// process and before any thread uses them. LODE_CPU=scalar|avx2|avx512|avx512bf16|amx can only lower the level.
#include "kernel/kernel.h"
#include "kernel/x86/x86.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

extern const struct lode_kernels_f32 lode__kernels_ref_f32;
extern const struct lode_kernels_f64 lode__kernels_ref_f64;
extern const struct lode_kernels_b16 lode__kernels_ref_b16;

static const char *const level_names[LODE_LEVELS] = {"scalar", "avx2", "avx512", "avx512bf16", "amx"};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static lode_level chosen;
static struct lode_kernels_b16 tables_b16[LODE_LEVELS]; // each begins as the one below

#if LODE_KERNEL_X86
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

static uint64_t read_xcr0(void) {
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

// The operating system lets this process use tiles.
static bool tiles_allowed(void) {
    const long request_permission = 0x1023, tile_data = 18; // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
    return syscall(SYS_arch_prctl, request_permission, tile_data) == 0;
}

// The highest level above AVX-512.
static lode_level probe_bf16(uint64_t saved, unsigned leaf7_ecx, unsigned leaf7_edx) {
    unsigned eax, ebx, ecx, edx;
    const unsigned vnni = 1u << 11, bf16 = 1u << 5, amx = 1u << 22 | 1u << 24; // AMX-BF16, AMX-TILE
    if (!__get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx)) return LODE_LEVEL_AVX512;
    if ((leaf7_ecx & vnni) == 0 || (eax & bf16) == 0) return LODE_LEVEL_AVX512;
    const uint64_t tiles = 0x60000;
    if ((leaf7_edx & amx) != amx || (saved & tiles) != tiles || !tiles_allowed()) {
        return LODE_LEVEL_AVX512BF16;
    }
    return LODE_LEVEL_AMX;
}

// The highest level that CPU and operating system support.
static lode_level probe(void) {
    unsigned eax, ebx, ecx, edx;
    if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx)) return LODE_LEVEL_SCALAR;
    const unsigned leaf1 = bit_FMA | bit_AVX | bit_POPCNT | bit_OSXSAVE;
    if ((ecx & leaf1) != leaf1) return LODE_LEVEL_SCALAR;
    if (!__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx)) return LODE_LEVEL_SCALAR;

    const uint64_t saved = read_xcr0();
    const uint64_t ymm = 0x06, zmm = 0xe6; // SSE and AVX; opmask and both parts of ZMM as well
    if ((saved & ymm) != ymm || (ebx & bit_AVX2) == 0) return LODE_LEVEL_SCALAR;
    const unsigned leaf7 = bit_AVX512F | bit_AVX512DQ | bit_AVX512BW | bit_AVX512VL;
    if ((saved & zmm) != zmm || (ebx & leaf7) != leaf7) return LODE_LEVEL_AVX2;
    return probe_bf16(saved, ecx, edx);
}

static const struct lode_kernels_f32 *const tables[LODE_LEVELS] = {
    &lode__kernels_ref_f32, &lode__kernels_avx2, &lode__kernels_avx512, &lode__kernels_avx512,
    &lode__kernels_avx512};

// What each level adds to the b16 table of the one below.
static void override_b16(struct lode_kernels_b16 *table, lode_level level) {
    if (level == LODE_LEVEL_AVX512BF16) lode__override_avx512bf16(table);
    if (level == LODE_LEVEL_AMX) lode__override_amx(table);
}
#else
static lode_level probe(void) {
    return LODE_LEVEL_SCALAR;
}

static const struct lode_kernels_f32 *const tables[LODE_LEVELS] = {&lode__kernels_ref_f32};

static void override_b16(struct lode_kernels_b16 *table, lode_level level) {
    (void)table, (void)level;
}
#endif

static void choose(void) {
    struct lode_kernels_b16 table = lode__kernels_ref_b16;
    for (lode_level level = 0; level < LODE_LEVELS; level++) {
        table.level = level_names[level];
        override_b16(&table, level);
        tables_b16[level] = table;
    }
    size_t level = probe();
    const char *mask = getenv("LODE_CPU");
    if (mask != NULL && mask[0] != '\0') {
        size_t allowed = LODE_LEVELS - 1;
        while (allowed > 0 && strcmp(mask, level_names[allowed]) != 0) {
            allowed--;
        }
        level = LODE_MIN(level, allowed);
    }
    chosen = (lode_level)level;
}

const struct lode_kernels_f32 *lode__kernels_f32(void) {
    pthread_once(&once, choose);
    return tables[chosen];
}

const struct lode_kernels_b16 *lode__kernels_b16(void) {
    pthread_once(&once, choose);
    return &tables_b16[chosen];
}

const struct lode_kernels_f64 *lode__kernels_f64(void) {
    return &lode__kernels_ref_f64;
}

lode_level lode__level(void) {
    pthread_once(&once, choose);
    return chosen;
}

const struct lode_kernels_f32 *lode__kernels_at(lode_level level) {
    return level <= probe() ? tables[level] : NULL;
}

const struct lode_kernels_b16 *lode__kernels_b16_at(lode_level level) {
    pthread_once(&once, choose);
    return level <= probe() ? &tables_b16[level] : NULL;
}

const char *lode__level_name(lode_level level) {
    return level < LODE_LEVELS ? level_names[level] : "unknown";
}

const char *lode_cpu_level(void) {
    pthread_once(&once, choose);
    return level_names[chosen];
}
