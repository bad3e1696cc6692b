/// Fuzz target: any bytes as a configuration; what is accepted is written out and read back to the same text.
#include <lodestone.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *text = malloc(size + 1), *resolved = NULL, *again = NULL;
    if (text == NULL) return 0;
    memcpy(text, data, size);
    text[size] = 0;
    const char *const sets[] = {"train.seed=7", text};
    if (lode_config_resolve(text, "fuzz", sets, 1, &resolved, NULL) == LODE_OK) {
        if (lode_config_resolve(resolved, "resolved", NULL, 0, &again, NULL) != LODE_OK ||
            strcmp(resolved, again) != 0) {
            __builtin_trap();
        }
    }
    lode_text_free(&resolved);
    lode_text_free(&again);
    if (lode_config_resolve(NULL, NULL, sets, 2, &resolved, NULL) == LODE_OK)
        lode_text_free(&resolved);
    free(text);
    return 0;
}
