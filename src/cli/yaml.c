/// Texts for the library: options as YAML, whole files, presets; and memory.
#include "cli/cli.h"

#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LARGEST_CONFIG ((size_t)16 << 20)

void *cli_allocate(void *old, size_t count, size_t size) {
    void *bytes = count <= SIZE_MAX / 2 / size ? realloc(old, count * size + (count == 0)) : NULL;
    if (bytes == NULL) {
        fprintf(stderr, "lodestone: out of memory\n");
        exit(CLI_FAILED);
    }
    return bytes;
}

void cli_text_add(cli_text *text, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    va_list again;
    va_copy(again, arguments);
    const int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    const size_t need = text->length + (length > 0 ? (size_t)length : 0) + 1;
    if (need > text->capacity) {
        text->capacity = need * 2;
        text->bytes = cli_allocate(text->bytes, text->capacity, 1);
    }
    (void)vsnprintf(text->bytes + text->length, text->capacity - text->length, format, again);
    va_end(again);
    text->length = need - 1;
}

void cli_text_release(cli_text *text) {
    free(text->bytes);
    *text = (cli_text){0};
}

// A scalar that YAML reads back as it stands: letters, digits and harmless signs need no quotes.
static void yaml_scalar(cli_text *text, const char *value) {
    const char *plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./+-";
    if (value[0] != '\0' && value[strspn(value, plain)] == '\0' && strcmp(value, "-") != 0) {
        cli_text_add(text, "%s", value);
        return;
    }
    cli_text_add(text, "\"");
    for (const char *c = value; *c != '\0'; c++) {
        const unsigned char byte = (unsigned char)*c;
        if (byte == '"' || byte == '\\') {
            cli_text_add(text, "\\%c", byte);
        } else if (byte < 0x20 || byte == 0x7f) {
            cli_text_add(text, "\\x%02x", byte);
        } else {
            cli_text_add(text, "%c", byte);
        }
    }
    cli_text_add(text, "\"");
}

void cli_yaml(cli_text *text, const char *key, const char *value) {
    if (value == NULL) return;
    cli_text_add(text, "%s: ", key);
    yaml_scalar(text, value);
    cli_text_add(text, "\n");
}

void cli_yaml_list(cli_text *text, const char *key, const char *commas) {
    if (commas == NULL) return;
    cli_text_add(text, "%s: [", key);
    for (const char *at = commas; *at != '\0';) {
        const size_t length = strcspn(at, ",");
        cli_text item = {0};
        cli_text_add(&item, "%.*s", (int)length, at);
        yaml_scalar(text, item.bytes);
        cli_text_release(&item);
        at += length;
        if (*at == ',') {
            cli_text_add(text, ", ");
            at++;
        }
    }
    cli_text_add(text, "]\n");
}

bool cli_yaml_bytes(cli_text *text, const char *key, const char *value) {
    if (value == NULL) return true;
    char *end = NULL;
    const unsigned long long number = strtoull(value, &end, 10);
    int shift = 0;
    if (*end == 'K' || *end == 'k') shift = 10;
    if (*end == 'M' || *end == 'm') shift = 20;
    if (*end == 'G' || *end == 'g') shift = 30;
    if (shift != 0) end++;
    if (value[0] < '0' || value[0] > '9' || *end != '\0' || number > (UINT64_MAX >> 1) >> shift)
        return false;
    cli_text_add(text, "%s: %llu\n", key, number << shift);
    return true;
}

bool cli_yaml_sets(cli_text *text, const char *verb, const cli_list *sets) {
    for (size_t i = 0; i < sets->count; i++) {
        const char *set = sets->values[i], *equals = strchr(set, '=');
        if (equals == NULL || equals == set) {
            (void)cli_wrong_usage(verb, "--set takes key=value, not '%s'", set);
            return false;
        }
        cli_text key = {0};
        cli_text_add(&key, "%.*s", (int)(equals - set), set);
        yaml_scalar(text, key.bytes);
        cli_text_release(&key);
        cli_text_add(text, ": ");
        if (equals[1] == '[' || equals[1] == '{') {
            cli_text_add(text, "%s", equals + 1); // a flow list or map is YAML already
        } else {
            yaml_scalar(text, equals + 1);
        }
        cli_text_add(text, "\n");
    }
    return true;
}

char *cli_read_file(const char *verb, const char *path) {
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        fprintf(stderr, "lodestone %s: %s: %s\n", verb, path, strerror(errno));
        return NULL;
    }
    char *bytes = NULL;
    size_t length = 0, capacity = 0;
    for (size_t more = 1; more > 0 && length <= LARGEST_CONFIG; length += more) {
        if (length == capacity) {
            capacity = capacity * 2 + 65536;
            bytes = cli_allocate(bytes, capacity + 1, 1);
        }
        more = fread(bytes + length, 1, capacity - length, file);
    }
    const char *problem = ferror(file)              ? strerror(errno)
                          : length > LARGEST_CONFIG ? "more than 16 MB, which is no configuration"
                          : memchr(bytes, '\0', length) != NULL
                              ? "holds NUL bytes, so it is no text"
                              : NULL;
    (void)fclose(file);
    if (problem != NULL) {
        fprintf(stderr, "lodestone %s: %s: %s\n", verb, path, problem);
        free(bytes);
        return NULL;
    }
    bytes[length] = '\0';
    return bytes;
}

// Where presets lie: beside the build folder of a source tree, or where `make install` put them.
static bool preset_folder(size_t which, char *folder, size_t size) {
    static const char *const places[] = {"../presets", "../share/lodestone/presets"};
    char program[3072];
    const ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    if (length < 0 || which >= sizeof places / sizeof *places) return false;
    program[length] = '\0';
    char *slash = strrchr(program, '/');
    if (slash == NULL) return false;
    *slash = '\0';
    return snprintf(folder, size, "%s/%s", program, places[which]) < (int)size;
}

static int by_name(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void no_such_config(const char *verb, const char *name) {
    char folder[4096];
    char **names = NULL;
    size_t count = 0;
    for (size_t which = 0; preset_folder(which, folder, sizeof folder); which++) {
        DIR *entries = opendir(folder);
        for (struct dirent *entry; entries != NULL && (entry = readdir(entries)) != NULL;) {
            const size_t length = strlen(entry->d_name);
            if (length < 6 || strcmp(entry->d_name + length - 5, ".yaml") != 0) continue;
            names = cli_allocate(names, count + 1, sizeof *names);
            names[count] = cli_allocate(NULL, length, 1);
            memcpy(names[count], entry->d_name, length - 5);
            names[count++][length - 5] = '\0';
        }
        if (entries != NULL) (void)closedir(entries);
    }
    if (count > 0) qsort(names, count, sizeof *names, by_name);
    const char *nearest = cli_nearest(name, (const char *const *)names, count);
    fprintf(stderr, "lodestone %s: '%s' is no file and no preset", verb, name);
    if (nearest != NULL) {
        fprintf(stderr, "; did you mean '%s'?", nearest);
    } else {
        for (size_t i = 0; i < count; i++)
            fprintf(stderr, "%s%s", i == 0 ? "; presets: " : ", ", names[i]);
    }
    fputc('\n', stderr);
    for (size_t i = 0; i < count; i++)
        free(names[i]);
    free(names);
}

char *cli_config_path(const char *verb, const char *name) {
    cli_text path = {0};
    cli_text_add(&path, "%s", name);
    if (access(path.bytes, F_OK) == 0) return path.bytes;
    char folder[4096];
    for (size_t which = 0; strchr(name, '/') == NULL && preset_folder(which, folder, sizeof folder);
         which++) {
        path.length = 0;
        cli_text_add(&path, "%s/%s.yaml", folder, name);
        if (access(path.bytes, F_OK) == 0) return path.bytes;
    }
    no_such_config(verb, name);
    cli_text_release(&path);
    return NULL;
}
