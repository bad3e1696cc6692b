/// Replays files through a fuzz target where no fuzzing engine is at hand: driver FILE ...
/// A target that traps or a sanitizer that complains ends the program; the file is named beforehand.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay(const char *path) {
    FILE *file = fopen(path, "rb");
    if (file == NULL || fseek(file, 0, SEEK_END) != 0) {
        perror(path);
        return 1;
    }
    const long size = ftell(file);
    // Exactly as long as the input, so that AddressSanitizer sees a read past its end.
    uint8_t *bytes = size >= 0 ? malloc((size_t)size + (size == 0)) : NULL;
    rewind(file);
    const int failed = bytes == NULL || fread(bytes, 1, (size_t)size, file) != (size_t)size;
    (void)fclose(file);
    if (failed) {
        fprintf(stderr, "%s: cannot be read\n", path);
    } else {
        printf("%s\n", path);
        (void)fflush(stdout);
        (void)LLVMFuzzerTestOneInput(bytes, (size_t)size);
    }
    free(bytes);
    return failed;
}

int main(int argc, char **argv) {
    int failed = argc < 2;
    if (failed) fprintf(stderr, "no inputs\n");
    for (int i = 1; i < argc; i++)
        failed |= replay(argv[i]);
    return failed;
}
