/// A made-up shop, imported once into a temporary folder, and small trainings on it.
#ifndef TRAIN_FIXTURE_H
#define TRAIN_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <lodestone.h>

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATH_ROOM = 512 };

/// One test program's folder; `data` is a data set in it.
typedef struct fixture {
    char folder[PATH_ROOM / 2], data[PATH_ROOM];
} fixture;

/// Small enough for many trainings in a second, with every part of a model: fields, dropout, drawn negatives.
static const char small_config[] =
    "data: {history: 6}\n"
    "model:\n"
    "  dim: 8\n"
    "  user: {tower: ican, heads: 2, feed_forward: 16, layers: [16, 8], dropout: 0.1}\n"
    "  item: {tower: mlp, layers: [16, 8]}\n"
    "objectives:\n"
    "  - {type: sampled_softmax, negatives: {count: 8, from: popularity}}\n"
    "  - {type: in_batch, weight: 0.5}\n"
    "train: {batch: 64, epochs: 3, checkpoint_every: 4, learning_rate: 0.01}\n"
    "eval: {valid: hit@10, cutoffs: [10, 20], neighbours: 5}\n";

static inline void check(lode_status status, const lode_error *error) {
    if (status != LODE_OK) fail_msg("%s: %s", lode_status_name(status), error->message);
}

static inline void path_in(const fixture *self, const char *name, char *path) {
    (void)snprintf(path, PATH_ROOM, "%s/%s", self->folder, name);
}

static inline int remove_one(const char *path, const struct stat *about, int type, struct FTW *walk) {
    (void)about;
    (void)type;
    (void)walk;
    return remove(path);
}

static inline void remove_tree(const char *path) {
    (void)nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static inline void fixture_import(const fixture *self, const char *options, const char *data) {
    char raw[PATH_ROOM];
    lode_error error = {0};
    path_in(self, "raw", raw);
    check(lode_synth(raw, options, NULL, NULL, &error), &error);
    check(lode_import(raw, data, NULL, NULL, NULL, &error), &error);
    remove_tree(raw);
}

static inline int fixture_setup(void **state) {
    fixture *self = calloc(1, sizeof *self);
    const char *base = getenv("TMPDIR");
    if (self == NULL) return -1;
    (void)snprintf(self->folder, sizeof self->folder, "%s/lodestone-train-XXXXXX",
                   base != NULL ? base : "/tmp");
    if (mkdtemp(self->folder) == NULL) return -1;
    path_in(self, "shop.lode", self->data);
    fixture_import(
        self, "{users: 80, items: 40, interests: 4, interest: 20, exposures: 0, topic: 0, session: 0, clicks_mean: 12, seed: 5}",
        self->data);
    *state = self;
    return 0;
}

static inline int fixture_teardown(void **state) {
    fixture *self = *state;
    remove_tree(self->folder);
    free(self);
    return 0;
}

/// The configuration above with settings such as "train.threads=2", ended by NULL; free with lode_text_free.
static inline char *config_with(const char *const *sets) {
    char *text = NULL;
    lode_error error = {0};
    size_t count = 0;
    while (sets != NULL && sets[count] != NULL)
        count++;
    check(lode_config_resolve(small_config, NULL, sets, count, &text, &error), &error);
    return text;
}

static inline lode_status train_small(const fixture *self, const char *run, const char *const *sets,
                                      const char *options, const lode_hooks *hooks,
                                      lode_error *error) {
    char path[PATH_ROOM];
    path_in(self, run, path);
    char *config = config_with(sets);
    const lode_status status = lode_train(self->data, path, config, options, hooks, NULL, error);
    lode_text_free(&config);
    return status;
}

typedef struct bytes {
    char *data;
    size_t size;
} bytes;

/// A file of a run, with a 0 behind its end; data is NULL when there is none.
static inline bytes read_file(const fixture *self, const char *run, const char *name) {
    char path[2 * PATH_ROOM];
    (void)snprintf(path, sizeof path, "%s/%s/%s", self->folder, run, name);
    bytes out = {0};
    FILE *file = fopen(path, "rb");
    if (file == NULL) return out;
    (void)fseek(file, 0, SEEK_END);
    out.size = (size_t)ftell(file);
    rewind(file);
    out.data = calloc(out.size + 1, 1);
    assert_non_null(out.data);
    assert_int_equal(fread(out.data, 1, out.size, file), out.size);
    (void)fclose(file);
    return out;
}

static inline void write_file(const fixture *self, const char *run, const char *name,
                              const void *data, size_t size) {
    char path[2 * PATH_ROOM];
    (void)snprintf(path, sizeof path, "%s/%s/%s", self->folder, run, name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static inline void check_same_file(const fixture *self, const char *a, const char *b,
                                   const char *name) {
    const bytes x = read_file(self, a, name), y = read_file(self, b, name);
    if (x.data == NULL || y.data == NULL)
        fail_msg("%s is missing in %s", name, x.data == NULL ? a : b);
    assert_true(x.size > 0);
    if (x.size != y.size || memcmp(x.data, y.data, x.size) != 0) {
        fail_msg("%s of %s (%zu bytes) and of %s (%zu bytes) differ", name, a, x.size, b, y.size);
    }
    free(x.data);
    free(y.data);
}

/// What a training leaves: the same bytes in both runs.
static inline void check_same_run(const fixture *self, const char *a, const char *b) {
    check_same_file(self, a, b, "model.safetensors");
    check_same_file(self, a, b, "metrics.jsonl");
    check_same_file(self, a, b, "vocabulary");
    check_same_file(self, a, b, "manifest.json");
}

/// The error is of the kind and names what the user has to know.
static inline void check_error(lode_status status, const lode_error *error, lode_status expected,
                               const char *fragment) {
    if (status != expected || error->status != expected ||
        strstr(error->message, fragment) == NULL || strchr(error->message, '\n') != NULL) {
        fail_msg("expected %s with \"%s\", not %s: %s", lode_status_name(expected), fragment,
                 lode_status_name(status), error->message);
    }
}

#endif
