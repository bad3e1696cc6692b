/// Fuzz target: any bytes as a cache of mining; what opens can be asked anything.
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "container_fuzz.h"
#include "mine/cache.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void ask(const lode_mined *mined) {
    lode_random random = lode__random(1, LODE_PURPOSE_USER, 0, 0);
    const uint32_t items = LODE_MIN(mined->items, 64U);
    for (uint32_t i = 0; i < items; i++) {
        for (int how = LODE_DRAW_UNIFORM; how <= LODE_DRAW_WEIGHTED; how++) {
            const uint32_t drawn = lode__mined_draw(mined, i, (lode_mined_draw)how, &random);
            if (drawn != LODE_NO_ITEM && drawn >= mined->items) __builtin_trap();
        }
        for (uint32_t j = 0; j < items; j++) {
            if (lode__mined_related(mined, i, j) != lode__mined_related(mined, j, i))
                __builtin_trap();
        }
    }
    if (!(lode__mined_false_rate(mined) <= 1)) __builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    uint8_t *bytes = malloc(size + 1);
    const int descriptor = memfd_create("mined", 0);
    if (bytes == NULL || descriptor < 0) abort();
    memcpy(bytes, data, size);
    container_repair(bytes, size);
    if (write(descriptor, bytes, size) != (ssize_t)size) abort();
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", descriptor);
    lode_mined mined = {0};
    lode_error error = {0};
    if (lode__mined_read(&mined, path, NULL, &error) == LODE_OK) {
        ask(&mined);
        lode__container_close(&mined.file);
    } else if (error.message[0] == 0) {
        __builtin_trap();
    }
    (void)close(descriptor);
    free(bytes);
    return 0;
}
