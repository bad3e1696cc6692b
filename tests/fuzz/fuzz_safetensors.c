/// Fuzz target: any bytes as a safetensors file. What is accepted must lie within the file.
#include "base/safetensors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds) {
    if (!holds) __builtin_trap();
}

/// Touch every byte, so that a sanitizer or the mapping's end tells.
static void check_file(const lode_safetensors *file) {
    const uintptr_t begin = (uintptr_t)file->mapping.data, end = begin + file->mapping.size;
    unsigned sum = 0;
    for (size_t i = 0; i < file->count; i++) {
        const lode_tensor_view *tensor = &file->tensors[i];
        const unsigned char *bytes = tensor->data;
        check((uintptr_t)bytes >= begin && (uintptr_t)bytes + tensor->bytes <= end);
        check(tensor->rank <= LODE_TENSOR_RANK);
        check(lode__safetensors_find(file, tensor->name) == tensor);
        for (size_t at = 0; at < tensor->bytes; at++)
            sum += bytes[at];
    }
    for (size_t i = 0; i < file->metadata_count; i++) {
        const char *key = file->metadata[2 * i];
        check(lode__safetensors_metadata(file, key) == file->metadata[2 * i + 1]);
    }
    __asm__ volatile("" : : "r"(sum)); // keep the reads
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const int descriptor = memfd_create("fuzz", MFD_CLOEXEC);
    check(descriptor >= 0);
    check(write(descriptor, data, size) == (ssize_t)size);
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", descriptor);
    lode_safetensors file;
    lode_error error = {0};
    const lode_status status = lode__safetensors_open(&file, path, &error);
    if (status == LODE_OK) {
        check_file(&file);
    } else {
        check(status == LODE_E_FORMAT || status == LODE_E_MEMORY);
        check(error.message[0] != 0 && strchr(error.message, '\n') == NULL);
    }
    lode__safetensors_close(&file);
    (void)close(descriptor);
    return 0;
}
