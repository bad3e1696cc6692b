/// What tests of experiments share: a folder, a small made-up shop in it, running an experiment and reading what it
/// left, and a hook that counts and stops.
#ifndef TRAIN_EXPERIMENT_SHOP_H
#define TRAIN_EXPERIMENT_SHOP_H

#include "base/file.h"
#include "train/experiment.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

static char folder[] = "/tmp/lode-experiment-XXXXXX";
static char shop[128], yaml_path[128];
static unsigned outputs;

static inline char *text_of(const char *format, ...) {
    char *text = malloc(4096);
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, 4096, format, arguments);
    va_end(arguments);
    return text;
}

static inline void remove_tree(const char *path) {
    char *command = text_of("rm -rf '%s'", path);
    assert_int_equal(system(command), 0);
    free(command);
}

static inline char *new_output(void) {
    return text_of("%s/out%u", folder, ++outputs);
}

static inline char *read_file(const char *directory, const char *name, size_t *length) {
    char *path = text_of("%s/%s", directory, name), *text = NULL;
    size_t size;
    lode_error error = {0};
    if (lode__file_read(path, 1 << 24, &text, &size, &error) != LODE_OK)
        fail_msg("%s", error.message);
    if (length != NULL) *length = size;
    free(path);
    return text;
}

static inline json_t *read_object(const char *directory, const char *name) {
    char *text = read_file(directory, name, NULL);
    json_t *json = json_loads(text, 0, NULL);
    assert_true(json_is_object(json));
    lode__free(text);
    return json;
}

static inline bool has_file(const char *directory, const char *name) {
    char *path = text_of("%s/%s", directory, name);
    const bool there = lode__file_exists(path);
    free(path);
    return there;
}

static inline json_t *run(const char *yaml, const char *output, const char *options,
                          const lode_hooks *hooks) {
    char *report = NULL;
    lode_error error = {0};
    const lode_status status =
        lode_experiment(yaml, yaml_path, output, options, hooks, &report, &error);
    if (status != LODE_OK) fail_msg("%s", error.message);
    json_t *json = json_loads(report, 0, NULL);
    assert_true(json_is_object(json));
    lode_text_free(&report);
    return json;
}

static inline void refused(const char *yaml, const char *options, lode_status wanted,
                           const char *part) {
    char *output = new_output(), *report = NULL;
    lode_error error = {0};
    const lode_status status =
        lode_experiment(yaml, yaml_path, output, options, NULL, &report, &error);
    if (status != wanted) fail_msg("status %d instead of %d: %s", status, wanted, error.message);
    if (strstr(error.message, part) == NULL) fail_msg("\"%s\" is not in: %s", part, error.message);
    assert_null(report);
    assert_false(lode__file_exists(output));
    free(output);
}

typedef struct counter {
    unsigned calls, stop_at;
    char last[256];
} counter;

static inline int count_progress(void *cookie, const lode_progress *progress) {
    counter *c = cookie;
    (void)snprintf(c->last, sizeof c->last, "%s", progress->task);
    return ++c->calls == c->stop_at;
}

// 60 users walk 7 to 9 steps around a ring of 24 items, so that the next item can be learned.
static inline int set_up(void **state) {
    (void)state;
    if (mkdtemp(folder) == NULL) return -1;
    (void)snprintf(shop, sizeof shop, "%s/shop", folder);
    (void)snprintf(yaml_path, sizeof yaml_path, "%s/grid.yaml", folder);
    if (mkdir(shop, 0777) != 0) return -1;
    char *path = text_of("%s/shop.inter", shop);
    FILE *file = fopen(path, "w");
    free(path);
    if (file == NULL) return -1;
    fprintf(file, "user_id:token\titem_id:token\ttimestamp:float\n");
    unsigned random = 12345;
    for (unsigned user = 0; user < 60; user++) {
        for (unsigned i = 0; i < 9 - user % 3; i++) {
            random = random * 1103515245u + 12345u;
            const unsigned item = (user * 5 + i + (random >> 16) % 3) % 24;
            fprintf(file, "u%u\ti%u\t%u\n", user, item, 1500000000 + 60 * i);
        }
    }
    return fclose(file);
}

static inline int tear_down(void **state) {
    (void)state;
    remove_tree(folder);
    return 0;
}

#endif
