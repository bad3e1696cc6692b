/// Fuzz target: any bytes as a data set; what opens can be walked through. Checksums are put right first, so
/// that the structural checks are reached.
#include "data/dataset.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "container_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds) {
    if (!holds) __builtin_trap();
}

static size_t walk_columns(const lode_column *columns, size_t count) {
    size_t sum = 0;
    for (size_t c = 0; c < count; ++c) {
        const lode_column *column = &columns[c];
        sum += strlen(column->name);
        for (uint64_t k = 0; k < column->rows; ++k) {
            const bool single = column->starts == NULL;
            const uint64_t begin = single ? k : column->starts[k];
            const uint64_t end = single ? k + 1 : column->starts[k + 1];
            if (column->type == LODE_COLUMN_TEXT) sum += strlen(column->bytes + begin);
            for (uint64_t j = begin; column->values && j < end; ++j)
                sum += column->values[j] > 0;
            for (uint64_t j = begin; column->codes && j < end; ++j)
                if (column->codes[j] != LODE_CODE_NONE)
                    sum += strlen(lode__token(&column->tokens, column->codes[j]));
        }
    }
    return sum;
}

static void walk(const lode_dataset *data) {
    size_t sum = 0;
    for (uint32_t u = 0; u < data->users.count; ++u) {
        check(lode__token_find(&data->users, lode__token(&data->users, u)) == u);
        check(data->offsets[u] <= data->offsets[u + 1]);
    }
    check(data->offsets[data->users.count] == data->interactions);
    for (uint64_t k = 0; k < data->interactions; ++k)
        sum += strlen(lode__token(&data->items, data->item[k]));
    for (uint64_t k = 0; data->part && k < data->interactions; ++k)
        check(data->part[k] < LODE_GIVEN_PARTS);
    sum += walk_columns(data->context, data->context_count);
    sum += walk_columns(data->user_columns, data->user_column_count);
    sum += walk_columns(data->item_columns, data->item_column_count);
    __asm__ volatile("" : : "r"(sum)); // keep the reads
}

static void open_bytes(const uint8_t *data, size_t size) {
    const int descriptor = memfd_create("fuzz", MFD_CLOEXEC);
    check(descriptor >= 0);
    check(write(descriptor, data, size) == (ssize_t)size);
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", descriptor);
    lode_dataset *opened = NULL;
    lode_error error = {0};
    const lode_status status = lode__dataset_open(&opened, path, true, &error);
    if (status == LODE_OK) {
        walk(opened);
    } else {
        check(status == LODE_E_FORMAT || status == LODE_E_MEMORY);
        check(error.message[0] != 0 && strchr(error.message, '\n') == NULL);
    }
    lode__dataset_free(&opened);
    (void)close(descriptor);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    open_bytes(data, size);
    uint8_t *copy = malloc(size + (size == 0));
    if (!copy) return 0;
    memcpy(copy, data, size);
    container_repair(copy, size);
    open_bytes(copy, size);
    free(copy);
    return 0;
}
