/// Fuzz target: any bytes as the attribute map beside a log; what comes out must open.
#include "data/dataset.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds) {
    if (!holds) __builtin_trap();
}

static void put(const char *path, const void *bytes, size_t size) {
    FILE *file = fopen(path, "wb");
    check(file != NULL);
    check(fwrite(bytes, 1, size, file) == size);
    check(fclose(file) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char log[] = "1 10 11\n2 12 10 11\n";
    char folder[] = "/tmp/lodestone-fuzz-XXXXXX", source[64], map[64], output[64];
    check(mkdtemp(folder) != NULL);
    (void)snprintf(source, sizeof source, "%s/A.txt", folder);
    (void)snprintf(map, sizeof map, "%s/A_item2attributes.json", folder);
    (void)snprintf(output, sizeof output, "%s/out.lode", folder);
    put(source, log, sizeof log - 1);
    put(map, data, size);
    lode_error error = {0};
    const lode_status status = lode_import(source, output, NULL, NULL, NULL, &error);
    if (status == LODE_OK) {
        lode_dataset *opened = NULL;
        check(lode__dataset_open(&opened, output, true, &error) == LODE_OK);
        check(opened->item_column_count == 1);
        lode__dataset_free(&opened);
        check(unlink(output) == 0);
    } else {
        check(status == LODE_E_INPUT || status == LODE_E_MEMORY);
        check(error.message[0] != 0 && strchr(error.message, '\n') == NULL);
    }
    check(unlink(source) == 0 && unlink(map) == 0 && rmdir(folder) == 0);
    return 0;
}
