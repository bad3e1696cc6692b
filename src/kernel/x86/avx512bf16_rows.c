/// Row kernels of the levels from AVX512_BF16 on: those of avx512_b16.c, rounding by the processor's own instruction.
#define LODE_STORED_BF16
#define LODE_NARROWING
#include "kernel/x86/avx512.c"
