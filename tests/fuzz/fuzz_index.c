/// Fuzz target: any bytes as a saved index; what opens can be searched.
#include "search/searcher.h"

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

static void search(const lode_index *index) {
    enum { K = 5 };
    const size_t dim = lode__index_dim(index);
    float *query = malloc(dim * sizeof *query);
    lode_searcher *searcher = NULL;
    lode_error error = {0};
    if (query != NULL && lode__searcher_new(&searcher, index, 1, K, NULL, &error) == LODE_OK) {
        uint32_t ids[K];
        float scores[K];
        for (size_t d = 0; d < dim; d++)
            query[d] = d % 2 ? 1 : -0.5f;
        lode__searcher_search(
            searcher,
            &(lode_search){.queries = query, .count = 1, .k = K, .ids = ids, .scores = scores});
        for (size_t i = 0; i < K; i++)
            check(ids[i] == LODE_NO_ITEM || ids[i] < lode__index_size(index));
    }
    lode__searcher_free(&searcher);
    free(query);
}

static void open_bytes(const uint8_t *data, size_t size) {
    const int descriptor = memfd_create("index", MFD_CLOEXEC);
    check(descriptor >= 0 && write(descriptor, data, size) == (ssize_t)size);
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", descriptor);
    lode_index *index = NULL;
    lode_error error = {0};
    const lode_status status = lode__index_open(&index, path, true, &error);
    if (status == LODE_OK) {
        search(index);
    } else {
        check(status == LODE_E_FORMAT || status == LODE_E_MEMORY || status == LODE_E_USAGE);
        check(error.message[0] != 0 && strchr(error.message, '\n') == NULL);
    }
    lode__index_free(&index);
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
