/// Fuzz target: any bytes as a log of format movielens.
#include "reader_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    return fuzz_reader(data, size, "movielens");
}
