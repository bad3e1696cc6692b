/// lode_train: the run folder around the training loop.
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "train/trainer.h"

enum { LARGEST_CONFIG = 1 << 20 };

typedef struct lode_train_options {
    bool resume;
} lode_train_options;

const lode_key lode__train_option_keys[] = {
    {.name = "resume",
     .type = LODE_KEY_BOOL,
     .offset = offsetof(lode_train_options, resume),
     .fallback = "false",
     .help =
         "Continue the run in this folder from its checkpoint; start anew where there is none."},
    {0}};

/// A call of lode_train.
typedef struct lode_run {
    const char *data;     ///< absolute
    const char *resolved; ///< configuration as text
    bool resume;
    lode_phase phase; ///< the current one
    bool has_checkpoint, finished;
    lode_manifest manifest; ///< of the phase's bundle, once it is finished
    double seconds, timed_seconds, input_seconds;
    uint64_t timed_examples;
    lode_memory memory;
    const lode_hooks *hooks;
    lode_arena arena;
} lode_run;

/// The text without the lines of keys that change no result: train.threads, mine.cache, mine.memory.
static char *without_idle_keys(lode_arena *arena, const char *text) {
    static const char *const lines[] = {"\n  threads:", "\n  cache:", "\n  memory:"};
    char *copy = lode__arena_strdup(arena, text);
    for (size_t i = 0; i < sizeof lines / sizeof *lines && copy != NULL; i++) {
        char *line = strstr(copy, lines[i]);
        const char *end = line != NULL ? strchr(line + 1, '\n') : NULL;
        if (end != NULL) memmove(line, end, strlen(end) + 1);
    }
    return copy;
}

/// The first line in which two texts differ, for a message.
static void first_difference(const char *a, const char *b, char *line, size_t size) {
    size_t start = 0, i = 0;
    for (; a[i] != 0 && a[i] == b[i]; i++) {
        if (a[i] == '\n') start = i + 1;
    }
    const size_t length = LODE_MIN(strcspn(b + start, "\n"), size - 1);
    memcpy(line, b + start, length);
    line[length] = 0;
}

static lode_status compare_config(lode_run *run, lode_error *error) {
    const char *path = lode__path_join(&run->arena, run->phase.folder, LODE_CONFIG_FILE);
    if (path == NULL) return lode__fail_memory(error);
    char *text = NULL;
    size_t length;
    LODE_TRY(lode__file_read(path, LARGEST_CONFIG, &text, &length, error));
    const char *before = without_idle_keys(&run->arena, text);
    const char *after = without_idle_keys(&run->arena, run->resolved);
    lode_status status = LODE_OK;
    if (before == NULL || after == NULL) {
        status = lode__fail_memory(error);
    } else if (strcmp(before, after) != 0) {
        char line[128];
        first_difference(before, after, line, sizeof line);
        status = lode__fail(
            error,
            LODE_E_MISMATCH, "cannot resume %s: the configuration has changed since (now \"%s\"); it must be that of %s",
            run->phase.folder, line, path);
    }
    lode__free(text);
    return status;
}

/// What the phase's folder holds, and whether this call may use it.
static lode_status inspect_folder(lode_run *run, lode_error *error) {
    const char *folder = run->phase.folder;
    const char *config = lode__path_join(&run->arena, folder, LODE_CONFIG_FILE);
    const char *checkpoint = lode__path_join(&run->arena, folder, LODE_CHECKPOINT_FILE);
    const char *manifest = lode__path_join(&run->arena, folder, LODE_MANIFEST_FILE);
    if (config == NULL || checkpoint == NULL || manifest == NULL) return lode__fail_memory(error);
    run->has_checkpoint = run->finished = false;
    if (!lode__file_exists(config)) return LODE_OK;
    if (lode__file_exists(manifest)) {
        LODE_TRY(lode__manifest_read(&run->manifest, &run->arena, folder, error));
        run->finished = run->manifest.finished;
    }
    run->has_checkpoint = lode__file_exists(checkpoint);
    return run->finished || run->has_checkpoint ? compare_config(run, error) : LODE_OK;
}

static lode_status write_start(const lode_run *run, const lode_trainer *trainer, lode_error *error) {
    lode_arena arena = {0};
    const char *folder = run->phase.folder;
    const char *config = lode__path_join(&arena, folder, LODE_CONFIG_FILE);
    const char *vocabulary = lode__path_join(&arena, folder, LODE_VOCABULARY_FILE);
    lode_status status = config == NULL || vocabulary == NULL ? lode__fail_memory(error) : LODE_OK;
    if (status == LODE_OK) status = lode__folder_make(folder, error);
    if (status == LODE_OK)
        status = lode__vocabulary_save(trainer->model->vocabulary, vocabulary, error);
    if (status == LODE_OK)
        status = lode__file_write(config, run->resolved, strlen(run->resolved), error);
    lode__arena_release(&arena);
    return status;
}

/// Train the phase to its end, from its checkpoint if it has one; nothing to do when it is finished.
static lode_status run_phase(lode_run *run, lode_error *error) {
    LODE_TRY(inspect_folder(run, error));
    if (run->finished) return LODE_OK;
    lode_config config;
    lode_trainer *trainer = NULL;
    lode_status status = lode__config_load(&config, run->resolved, NULL, NULL, 0, error);
    if (status == LODE_OK)
        status = lode__trainer_new(&trainer, &config, &run->phase, run->hooks, error);
    if (status == LODE_OK) {
        status = run->has_checkpoint ? lode__checkpoint_load(trainer, error)
                                     : write_start(run, trainer, error);
    }
    if (status == LODE_OK) status = lode__trainer_run(trainer, error);
    if (status == LODE_OK) {
        run->seconds += trainer->seconds;
        run->timed_seconds += trainer->timed_seconds;
        run->timed_examples += trainer->timed_examples;
        run->input_seconds += trainer->input_seconds;
        run->memory = lode__trainer_memory(trainer);
        status = lode__manifest_read(&run->manifest, &run->arena, run->phase.folder, error);
    }
    lode__trainer_free(&trainer);
    lode__config_release(&config);
    return status;
}

/// data.split.refit: choose the number of epochs in FOLDER/selection, then train the bundle on training and
/// validation together. `best` receives the value of the selection.
static lode_status run_phases(lode_run *run, const lode_config *config, const char *folder,
                              double *best, lode_error *error) {
    const uint64_t epochs = (uint64_t)config->train.epochs;
    run->phase = (lode_phase){run->data, folder, epochs, false};
    if (config->data.split.refit) {
        run->phase.folder = lode__path_join(&run->arena, folder, "selection");
        if (run->phase.folder == NULL) return lode__fail_memory(error);
        LODE_TRY(run_phase(run, error));
        *best = run->manifest.best;
        run->phase = (lode_phase){run->data, folder, run->manifest.best_epoch, true};
    }
    LODE_TRY(run_phase(run, error));
    if (!config->data.split.refit) *best = run->manifest.best;
    return LODE_OK;
}

static lode_status make_report(const lode_run *run, const char *folder, const lode_config *config,
                               double best, char **report, lode_error *error) {
    if (report == NULL) return LODE_OK;
    json_t *values = json_object();
    if (!isnan(best)) (void)json_object_set_new(values, config->eval.valid, json_real(best));
    const lode_manifest *manifest = &run->manifest;
    const double rate =
        run->timed_seconds > 0 ? (double)run->timed_examples / run->timed_seconds : 0.0;
    const double share = run->timed_seconds > 0 ? run->input_seconds / run->timed_seconds : 0.0;
    json_t *json =
        json_pack("{s:s, s:s, s:f, s:f, s:f, s:o, s:I, s:I, s:I, s:b}", "run", folder, "precision",
                  lode__config_precision_name(config), "examples_per_second", rate, "input_share",
                  share, "seconds", run->seconds, "best", values, "best_epoch",
                  (json_int_t)manifest->best_epoch, "epochs", (json_int_t)manifest->epochs, "steps",
                  (json_int_t)manifest->steps, "finished", 1);
    lode__memory_report(&run->memory, json);
    char *text = json != NULL ? json_dumps(json, JSON_INDENT(1) | JSON_REAL_PRECISION(9)) : NULL;
    json_decref(json);
    if (text == NULL) return lode__fail_memory(error);
    *report = lode__strdup(text);
    free(text);
    return *report != NULL ? LODE_OK : lode__fail_memory(error);
}

static lode_status start(lode_run *run, const lode_config *config, const char *folder,
                         char **report, lode_error *error) {
    if (lode__file_exists(folder) && !run->resume) {
        return lode__fail(error, LODE_E_EXISTS,
                          "%s exists already: continue it with --resume, or choose another folder",
                          folder);
    }
    double best = (double)NAN;
    LODE_TRY(run_phases(run, config, folder, &best, error));
    return make_report(run, folder, config, best, report, error);
}

lode_status lode_train(const char *data, const char *folder, const char *config_text,
                       const char *options, const lode_hooks *hooks, char **report,
                       lode_error *error) {
    lode_run run = {.hooks = hooks};
    lode_config config = {0};
    lode_train_options chosen;
    lode_node *root = NULL;
    lode_text text = {0};
    char *absolute = realpath(data, NULL), *resolved = NULL;
    lode_status status;
    if (options == NULL) options = "";
    run.data = absolute != NULL ? absolute : data;
    LODE_GOTO(status,
              lode__yaml_parse(&run.arena, options, strlen(options), "options", &root, error), done);
    LODE_GOTO(status,
              lode__config_read(&run.arena, root, "", lode__train_option_keys, NULL, &chosen, error),
              done);
    LODE_GOTO(status, lode__config_load(&config, config_text, NULL, NULL, 0, error), done);
    lode__config_print(&text, &config);
    LODE_GOTO(status, lode__text_take(&text, &resolved, error), done);
    run.resolved = resolved;
    run.resume = chosen.resume;
    status = start(&run, &config, folder, report, error);
done:
    lode__config_release(&config);
    lode__free(resolved);
    free(absolute);
    lode__arena_release(&run.arena);
    return status;
}
