/// Fuzz target: any bytes as a log that is imported; what comes out must open, and nothing else may be left.
#include "data/dataset.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds) {
    if (!holds) __builtin_trap();
}

// What was imported can be appended to itself, and has no new rows then.
static void append_again(const char *source, const char *output, uint64_t rows) {
    static const char *const options[] = {
        "{append: true, max_errors: 3, memory: 65536, max_line: 4096}",
        "{append: true, max_errors: 3, memory: 65536, max_line: 4096, duplicates: last}"};
    for (uint64_t k = 0; k < 2; ++k) {
        lode_error error = {0};
        lode_dataset *opened = NULL;
        const lode_status status = lode_import(source, output, options[k], NULL, NULL, &error);
        if (status == LODE_E_MEMORY) return;
        check(status == LODE_OK);
        check(lode__dataset_open(&opened, output, true, &error) == LODE_OK);
        check(k ? opened->interactions <= rows : opened->interactions == 2 * rows);
        lode__dataset_free(&opened);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const int descriptor = memfd_create("fuzz", MFD_CLOEXEC);
    check(descriptor >= 0);
    check(write(descriptor, data, size) == (ssize_t)size);
    char folder[] = "/tmp/lodestone-fuzz-XXXXXX", source[64], output[64];
    check(mkdtemp(folder) != NULL);
    (void)snprintf(source, sizeof source, "/proc/self/fd/%d", descriptor);
    (void)snprintf(output, sizeof output, "%s/out.lode", folder);
    lode_error error = {0};
    char *report = NULL;
    const lode_status status = lode_import(
        source, output, "{max_errors: 3, memory: 65536, max_line: 4096}", NULL, &report, &error);
    if (status == LODE_OK) {
        lode_dataset *opened = NULL;
        check(report != NULL);
        check(lode__dataset_open(&opened, output, true, &error) == LODE_OK);
        check(opened->interactions > 0 && opened->active_users > 0 && opened->active_items > 0);
        const uint64_t rows = opened->interactions;
        lode__dataset_free(&opened);
        append_again(source, output, rows);
        check(unlink(output) == 0);
    } else {
        check(status == LODE_E_INPUT || status == LODE_E_MEMORY);
        check(error.message[0] != 0 && strchr(error.message, '\n') == NULL);
    }
    lode_text_free(&report);
    check(rmdir(folder) == 0); // nothing is left in it
    (void)close(descriptor);
    return 0;
}
