/// Every allocation of import, evaluation and candidates fails once: a clear status, nothing left behind.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "alloc_fail.h"
#include "base/memory.h"

#define SAMPLE "tests/compat/format-1/"

static lode_status import_lines(void *cookie, lode_error *error) {
    char *report = NULL;
    const char *const *paths = cookie;
    const lode_status status = lode_import(paths[0], paths[1], NULL, NULL, &report, error);
    lode_text_free(&report);
    return status;
}

static lode_status import_filtered(void *cookie, lode_error *error) {
    char *report = NULL;
    const char *const *paths = cookie;
    const lode_status status =
        lode_import(paths[0], paths[1], "{core: 2, duplicates: last}", NULL, &report, error);
    lode_text_free(&report);
    return status;
}

// Onto what import_filtered left there.
static lode_status import_appended(void *cookie, lode_error *error) {
    char *report = NULL;
    const char *const *paths = cookie;
    const lode_status status =
        lode_import(paths[0], paths[1], "{append: true, duplicates: last}", NULL, &report, error);
    lode_text_free(&report);
    return status;
}

static lode_status import_spilled(void *cookie, lode_error *error) {
    const char *const *paths = cookie;
    return lode_import(paths[0], paths[1], "memory: 65536", NULL, NULL, error);
}

static lode_status resolve(void *cookie, lode_error *error) {
    (void)cookie;
    static const char *const sets[] = {"objectives.0.type=bpr", "fields.user=[id, auto]"};
    char *text = NULL;
    const lode_status status =
        lode_config_resolve("train: {epochs: 3}\n", "x.yaml", sets, 2, &text, error);
    lode_text_free(&text);
    return status;
}

static lode_status recommend(void *cookie, lode_error *error) {
    (void)cookie;
    lode_model *model = NULL;
    lode_session *session = NULL;
    lode_candidate found[3];
    size_t count;
    const lode_query query = {.user = "u1", .exclude_seen = false};
    lode_status status = lode_model_open(&model, SAMPLE "run", SAMPLE "shop.lode", NULL, error);
    if (status == LODE_OK) status = lode_session_new(&session, model, 1, 3, error);
    if (status == LODE_OK)
        status = lode_session_recommend(session, &query, 1, 3, found, &count, error);
    lode_session_free(&session);
    lode_model_free(&model);
    return status;
}

static lode_status mine(void *cookie, lode_error *error) {
    char *report = NULL;
    const lode_status status =
        lode_mine(SAMPLE "shop.lode", "data: {sessions: {gap: 1h}}\n", cookie, NULL, &report, error);
    lode_text_free(&report);
    return status;
}

static lode_status measure(void *cookie, lode_error *error) {
    (void)cookie;
    char *report = NULL;
    const lode_status status =
        lode_eval(SAMPLE "run", "data: " SAMPLE "shop.lode\nthreads: 1\n", NULL, &report, error);
    lode_text_free(&report);
    return status;
}

// Drawn candidates, slices with cold items, and a file of true items.
static lode_status measure_all(void *cookie, lode_error *error) {
    char *report = NULL, options[256];
    (void)snprintf(options, sizeof options,
                   "{data: %s, threads: 1, protocol: clrec, max_users: 5, negatives: 3, truth: %s, "
                   "slices: [cold-items, cold-users, tail]}",
                   SAMPLE "shop.lode", (const char *)cookie);
    const lode_status status = lode_eval(SAMPLE "run", options, NULL, &report, error);
    lode_text_free(&report);
    return status;
}

/// info or eval with a picture: both the report and the picture, or none of them.
typedef struct drawing {
    const char *path, *picture; ///< eval when `path` is NULL
} drawing;

static lode_status draw(void *cookie, lode_error *error) {
    const drawing *self = cookie;
    char *report = NULL, options[256];
    (void)snprintf(options, sizeof options, "svg: %s\n", self->picture);
    if (self->path == NULL)
        strcat(options, "data: " SAMPLE "shop.lode\nthreads: 1\nbaselines: false\n");
    const lode_status status = self->path != NULL
                                   ? lode_info(self->path, options, &report, error)
                                   : lode_eval(SAMPLE "run", options, NULL, &report, error);
    assert_int_equal(unlink(self->picture) == 0, status == LODE_OK);
    assert_int_equal(report != NULL, status == LODE_OK);
    lode_text_free(&report);
    return status;
}

static void test_draw(void **state) {
    (void)state;
    char folder[] = "/tmp/lode-oom-draw-XXXXXX", picture[64];
    assert_non_null(mkdtemp(folder));
    (void)snprintf(picture, sizeof picture, "%s/a.svg", folder);
    drawing data = {SAMPLE "shop.lode", picture}, run = {SAMPLE "run", picture};
    drawing measured = {NULL, picture};
    alloc_sweep(draw, &data, 20);
    alloc_sweep(draw, &run, 20);
    alloc_sweep(draw, &measured, 20);
    assert_int_equal(rmdir(folder), 0);
}

static void clear(const char *folder) {
    static const char *const files[] = {"config.yaml",       "vocabulary",
                                        "manifest.json",     "metrics.jsonl",
                                        "model.safetensors", "checkpoint.safetensors"};
    char path[128];
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", folder, files[i]);
        (void)unlink(path);
    }
    (void)rmdir(folder); // fails, and so does the next training, if anything else was left there
}

static lode_status train_with(const char *config, void *cookie, lode_error *error) {
    char *report = NULL;
    const lode_status status =
        lode_train(SAMPLE "shop.lode", cookie, config, NULL, NULL, &report, error);
    lode_text_free(&report);
    clear(cookie);
    return status;
}

static lode_status train(void *cookie, lode_error *error) {
    static const char config[] =
        "data: {history: 3}\n"
        "model:\n"
        "  dim: 2\n"
        "  user: {tower: ican, heads: 1, feed_forward: 4, layers: [2]}\n"
        "  item: {tower: mlp, layers: [2]}\n"
        "objectives: [{type: in_batch}, {type: bpr, negatives: {count: 2}}]\n"
        "train: {epochs: 1, batch: 512, threads: 1}\n";
    return train_with(config, cookie, error);
}

static lode_status train_windows(void *cookie, lode_error *error) {
    static const char config[] =
        "data: {history: 3, examples: all_positions}\n"
        "model: {dim: 2, user: {tower: sasrec, blocks: 1}, item: {tower: id}}\n"
        "objectives:\n"
        "  - {type: clrec.public, negatives: 2}\n"
        "  - {type: sampled_softmax, negatives: {count: 2, unique: true}}\n"
        "train: {epochs: 1, batch: 512, threads: 1}\n";
    return train_with(config, cookie, error);
}

static void test_train(void **state) {
    (void)state;
    char folder[] = "/tmp/lode-oom-run-XXXXXX";
    assert_non_null(mkdtemp(folder));
    assert_int_equal(rmdir(folder), 0);
    alloc_sweep(train, folder, 100);
    alloc_sweep(train_windows, folder, 100);
}

static lode_status make_shop(void *cookie, lode_error *error) {
    static const char *const files[] = {"shop.item",
                                        "shop.user",
                                        "shop.inter",
                                        "shop.latent.tsv",
                                        "shop.complements.tsv",
                                        "shop.truth.tsv",
                                        "shop.content.npy",
                                        "shop.content.ids"};
    char *report = NULL, path[128];
    const lode_status status = lode_synth(
        cookie, "{users: 40, items: 20, interests: 4, topics: 2, content_dim: 2, threads: 1}", NULL,
        &report, error);
    lode_text_free(&report);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", (const char *)cookie, files[i]);
        (void)unlink(path);
    }
    // a temporary file that was left behind keeps the folder from being removed
    if (rmdir(cookie) != 0 && status != LODE_E_MEMORY)
        fail_msg("%s is not empty", (const char *)cookie);
    return status;
}

static void test_synth(void **state) {
    (void)state;
    char folder[] = "/tmp/lode-oom-shop-XXXXXX";
    assert_non_null(mkdtemp(folder));
    assert_int_equal(rmdir(folder), 0);
    alloc_sweep(make_shop, folder, 40);
    assert_int_equal(access(folder, F_OK), -1);
}

static void test_import(void **state) {
    (void)state;
    char log[] = "/tmp/lode-oom-log-XXXXXX", data[64];
    const int descriptor = mkstemp(log);
    assert_true(descriptor >= 0);
    static const char lines[] =
        "user_id,item_id,timestamp,rating\nu1,a,1500000000,5\nu1,b,1500000100,3\n"
        "u2,a,1500000200,4\nu2,c,1500000300,1\nu1,c,1500000400,2\n";
    assert_int_equal(write(descriptor, lines, strlen(lines)), strlen(lines));
    (void)close(descriptor);
    (void)snprintf(data, sizeof data, "%s.lode", log);
    const char *paths[] = {log, data};
    alloc_sweep(import_lines, paths, 20);
    alloc_sweep(import_filtered, paths, 30);
    alloc_sweep(import_appended, paths, 40);
    assert_int_equal(unlink(data), 0);
    assert_int_equal(unlink(log), 0);
}

// More rows than `memory` holds: runs, a thread that sorts them, and their merge.
static void test_import_spilled(void **state) {
    (void)state;
    char log[] = "/tmp/lode-oom-log-XXXXXX", data[64];
    const int descriptor = mkstemp(log);
    assert_true(descriptor >= 0);
    FILE *const file = fdopen(descriptor, "w");
    assert_non_null(file);
    (void)fprintf(file, "user,item,time\n");
    for (unsigned k = 0; k < 2500; k++)
        (void)fprintf(file, "u%u,i%u,%u\n", k * 7 % 50, k * 11 % 30, 1500000000 + k * 13 % 99);
    assert_int_equal(fclose(file), 0);
    (void)snprintf(data, sizeof data, "%s.lode", log);
    const char *paths[] = {log, data};
    alloc_sweep(import_spilled, paths, 40);
    assert_int_equal(unlink(data), 0);
    assert_int_equal(unlink(log), 0);
}

static void test_resolve(void **state) {
    (void)state;
    alloc_sweep(resolve, NULL, 10);
}

static void test_recommend(void **state) {
    (void)state;
    alloc_sweep(recommend, NULL, 20);
}

static void test_mine(void **state) {
    (void)state;
    char folder[] = "/tmp/lode-oom-mine-XXXXXX", options[256], path[256];
    char sessions[] = "miner: sessions\ncache: none\nthreads: 1\nsample: 2\nk: 3\n";
    char taxonomy[] = "miner: taxonomy\ncolumn: category\ncache: none\nthreads: 1\nsample: 2\n";
    char titles[] = "miner: titles\ncache: none\nthreads: 1\nsample: 2\n";
    alloc_sweep(mine, sessions, 10);
    alloc_sweep(mine, taxonomy, 10);
    alloc_sweep(mine, titles, 10);
    assert_non_null(mkdtemp(folder));
    (void)snprintf(options, sizeof options,
                   "cache: %s\nthreads: 1\nmembership: 8\noutput: %s/pairs.tsv\n", folder, folder);
    alloc_sweep(mine, options, 10);
    (void)snprintf(path, sizeof path, "%s/pairs.tsv", folder);
    assert_int_equal(unlink(path), 0);
    size_t kept = 0;
    DIR *entries = opendir(folder);
    assert_non_null(entries);
    for (const struct dirent *entry; (entry = readdir(entries)) != NULL;) {
        if (entry->d_name[0] == '.') continue;
        (void)snprintf(path, sizeof path, "%s/%.200s", folder, entry->d_name);
        assert_int_equal(unlink(path), 0);
        kept++;
    }
    (void)closedir(entries);
    assert_int_equal(kept, 1);
    assert_int_equal(rmdir(folder), 0);
}

static void test_measure(void **state) {
    (void)state;
    alloc_sweep(measure, NULL, 20);
    char truth[] = "/tmp/lode-oom-truth-XXXXXX";
    const int descriptor = mkstemp(truth);
    assert_true(descriptor >= 0);
    static const char lines[] = "user,item\nu1,i1\nu2,i2\nnobody,i1\n";
    assert_int_equal(write(descriptor, lines, strlen(lines)), strlen(lines));
    (void)close(descriptor);
    alloc_sweep(measure_all, truth, 60);
    assert_int_equal(unlink(truth), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_synth),          cmocka_unit_test(test_import),
        cmocka_unit_test(test_import_spilled), cmocka_unit_test(test_resolve),
        cmocka_unit_test(test_recommend),      cmocka_unit_test(test_measure),
        cmocka_unit_test(test_draw),           cmocka_unit_test(test_mine),
        cmocka_unit_test(test_train)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
