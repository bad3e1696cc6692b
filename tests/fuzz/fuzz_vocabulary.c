/// Fuzz target: any bytes as the vocabulary of a bundle; what opens can be walked through.
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "container_fuzz.h"
#include "model/vocabulary.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t walk(const lode_vocabulary *vocabulary) {
    size_t sum = 0;
    for (uint32_t row = 1; row <= vocabulary->items; row++) {
        const char *title = lode__item_title(vocabulary, row);
        const char *token = lode__item_token(vocabulary, row);
        sum += strlen(token) + (title != NULL ? strlen(title) : 0);
        if (lode__item_row(vocabulary, token) != row) __builtin_trap();
    }
    for (size_t f = 0; f < vocabulary->count; f++) {
        const lode_field *field = &vocabulary->fields[f];
        sum += strlen(field->name);
        if (field->side != LODE_SIDE_ITEM) continue;
        for (uint64_t at = 0; at < field->items.starts[(size_t)vocabulary->items + 1]; at++) {
            if (field->items.codes[at] >= field->rows) __builtin_trap();
        }
    }
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    uint8_t *bytes = malloc(size + 1);
    const int descriptor = memfd_create("vocabulary", 0);
    if (bytes == NULL || descriptor < 0) abort();
    memcpy(bytes, data, size);
    container_repair(bytes, size);
    if (write(descriptor, bytes, size) != (ssize_t)size) abort();
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", descriptor);
    lode_vocabulary *vocabulary = NULL;
    lode_error error = {0};
    if (lode__vocabulary_load(&vocabulary, path, &error) == LODE_OK) {
        (void)walk(vocabulary);
        lode__vocabulary_free(&vocabulary);
    } else if (error.message[0] == 0) {
        __builtin_trap();
    }
    (void)close(descriptor);
    free(bytes);
    return 0;
}
