/// Fuzz target: any bytes, compressed or not, as a log whose format is recognised.
#include "reader_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    return fuzz_reader(data, size, NULL);
}
