/// The AVX-512 level on bfloat16: avx512.c once more, with widening loads and rounding stores (body_storage.h).
#define LODE_STORED_BF16
#include "kernel/x86/avx512.c"
