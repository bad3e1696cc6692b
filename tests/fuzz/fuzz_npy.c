/// Fuzz target: any bytes as a .npy of vectors; what opens can be read to its last number.
#include "data/npy_read.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds) {
    if (!holds) __builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const int descriptor = memfd_create("fuzz", MFD_CLOEXEC);
    check(descriptor >= 0);
    check(write(descriptor, data, size) == (ssize_t)size);
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", descriptor);
    lode_npy npy;
    lode_error error = {0};
    const lode_status status = lode__npy_open(&npy, path, &error);
    if (status == LODE_OK) {
        unsigned sum = 0;
        for (uint64_t row = 0; row < npy.rows; ++row)
            for (uint64_t k = 0; k < npy.columns; ++k)
                sum += lode__npy_value(&npy, row, k) > 0;
        __asm__ volatile("" : : "r"(sum)); // keep the reads
        lode__npy_close(&npy);
    } else {
        check(status == LODE_E_FORMAT || status == LODE_E_MEMORY);
        check(error.message[0] != 0 && strchr(error.message, '\n') == NULL);
    }
    (void)close(descriptor);
    return 0;
}
