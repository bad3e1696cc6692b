/// lode_info: a data set or a run folder, told apart by what lies at the path.
#include "train/describe.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/svg.h"
#include "data/import.h"
#include "data/info.h"

enum { LARGEST_CONFIG = 1 << 20 };

static void put_count(json_t *out, const char *key, uint64_t value) {
    (void)json_object_set_new(out, key, json_integer((json_int_t)value));
}

static json_t *number_or_null(double value) {
    return isfinite(value) ? json_real(value) : json_null();
}

// --- parts of a run -------------------------------------------------------------------------------------

static const char *name_in(const lode_node *part, const char *key, const char *fallback) {
    const lode_node *found = lode__node_get(part, key);
    return found != NULL && found->text != NULL ? found->text : fallback;
}

static void describe_config(const lode_config *config, json_t *out) {
    json_t *model = json_object();
    (void)json_object_set_new(model, "user_tower",
                              json_string(name_in(config->model.user, "tower", "ican")));
    (void)json_object_set_new(model, "item_tower",
                              json_string(name_in(config->model.item, "tower", "mlp")));
    (void)json_object_set_new(
        model, "scorer", json_string(config->model.scorer == LODE_SCORER_COSINE ? "cosine" : "dot"));
    put_count(model, "dim", (uint64_t)config->model.dim);
    put_count(model, "history", (uint64_t)config->data.history);
    (void)json_object_set_new(out, "model", model);
    json_t *objectives = json_array();
    for (size_t i = 0; i < config->objective_count; i++) {
        (void)json_array_append_new(objectives, json_pack("{s:s, s:f}", "type",
                                                          config->objectives[i].type->name,
                                                          "weight", config->objectives[i].weight));
    }
    (void)json_object_set_new(out, "objectives", objectives);
}

static lode_status describe_weights(const char *path, json_t *out, lode_error *error) {
    if (!lode__file_exists(path)) return LODE_OK;
    lode_safetensors file;
    LODE_TRY(lode__safetensors_open(&file, path, error));
    json_t *list = json_array();
    uint64_t sum = 0;
    for (size_t i = 0; i < file.count; i++) {
        const lode_tensor_view *tensor = &file.tensors[i];
        const uint64_t rows = tensor->rank > 0 ? tensor->shape[0] : 1;
        const uint64_t columns = tensor->rank > 1 ? tensor->shape[1] : 1;
        sum += rows * columns;
        (void)json_array_append_new(list,
                                    json_pack("{s:s, s:I, s:I}", "name", tensor->name, "rows",
                                              (json_int_t)rows, "columns", (json_int_t)columns));
    }
    put_count(out, "parameters", sum);
    (void)json_object_set_new(out, "tensors", list);
    lode__safetensors_close(&file);
    return LODE_OK;
}

static lode_status describe_files(const char *folder, lode_arena *arena, json_t *out,
                                  lode_error *error) {
    const char **names;
    size_t count;
    LODE_TRY(lode__folder_list(arena, folder, &names, &count, error));
    json_t *list = json_array();
    (void)json_object_set_new(out, "files", list);
    for (size_t i = 0; i < count; i++) {
        struct stat info;
        const char *path = lode__path_join(arena, folder, names[i]);
        if (path == NULL) return lode__fail_memory(error);
        if (stat(path, &info) != 0 || !S_ISREG(info.st_mode)) continue;
        (void)json_array_append_new(
            list, json_pack("{s:s, s:I}", "name", names[i], "bytes", (json_int_t)info.st_size));
    }
    return LODE_OK;
}

static void describe_progress(const lode_run_state *run, json_t *out) {
    const lode_manifest *best = run->selected ? &run->selection : &run->manifest;
    (void)json_object_set_new(out, "run", json_string(run->path));
    (void)json_object_set_new(out, "finished",
                              json_boolean(run->described && run->manifest.finished));
    if (run->selected || run->described) {
        char fingerprint[17];
        (void)snprintf(fingerprint, sizeof fingerprint, "%016llx",
                       (unsigned long long)best->fingerprint);
        (void)json_object_set_new(out, "data", json_string(best->data));
        (void)json_object_set_new(out, "fingerprint", json_string(fingerprint));
        put_count(out, "best_epoch", best->best_epoch);
        json_t *values = json_object();
        if (!isnan(best->best))
            (void)json_object_set_new(values, run->valid, json_real(best->best));
        (void)json_object_set_new(out, "best", values);
    }
    put_count(out, "epochs", run->log.count);
    if (run->described) put_count(out, "steps", run->manifest.steps);
    if (run->log.count > 0) {
        (void)json_object_set_new(out, "last_loss",
                                  number_or_null(run->log.curves[0].values[run->log.count - 1]));
    }
    if (run->choosing.count > 0) put_count(out, "selection_epochs", run->choosing.count);
}

// --- a run ----------------------------------------------------------------------------------------------

/// The manifest of a folder, when it has one.
static lode_status find_manifest(lode_manifest *manifest, bool *found, lode_arena *arena,
                                 const char *folder, lode_error *error) {
    const char *path = lode__path_join(arena, folder, LODE_MANIFEST_FILE);
    if (path == NULL) return lode__fail_memory(error);
    *found = lode__file_exists(path);
    return *found ? lode__manifest_read(manifest, arena, folder, error) : LODE_OK;
}

/// The configuration: that of the run, or while epochs are being chosen that of the selection.
static lode_status find_config(lode_config *config, lode_arena *arena, const char *folder,
                               const char *selection, lode_error *error) {
    const char *path = lode__path_join(arena, folder, LODE_CONFIG_FILE);
    const char *other = lode__path_join(arena, selection, LODE_CONFIG_FILE);
    if (path == NULL || other == NULL) return lode__fail_memory(error);
    if (!lode__file_exists(path)) path = other;
    if (!lode__file_exists(path)) {
        return lode__fail(error, LODE_E_INPUT,
                          "%s is a folder without %s: expected a data set (X.lode) or the folder "
                          "of a training; `lodestone import` makes a data set of raw logs",
                          folder, LODE_CONFIG_FILE);
    }
    char *text = NULL;
    size_t length;
    LODE_TRY(lode__file_read(path, LARGEST_CONFIG, &text, &length, error));
    const lode_status status = lode__config_load(config, text, path, NULL, 0, error);
    lode__free(text);
    return status;
}

/// Check what a container holds against its checksums.
static lode_status check_vocabulary(const char *path, lode_error *error) {
    if (!lode__file_exists(path)) return LODE_OK;
    lode_vocabulary *vocabulary = NULL;
    LODE_TRY(lode__vocabulary_load(&vocabulary, path, error));
    lode__vocabulary_free(&vocabulary);
    return LODE_OK;
}

static lode_status info_run(const char *folder, const lode_info_options *options, lode_arena *arena,
                            json_t *out, lode_text *svg, lode_error *error) {
    lode_run_state run = {.path = folder};
    lode_config config = {0};
    const char *selection = lode__path_join(arena, folder, LODE_SELECTION_FOLDER);
    const char *weights = lode__path_join(arena, folder, LODE_WEIGHTS_FILE);
    const char *words = lode__path_join(arena, folder, LODE_VOCABULARY_FILE);
    if (selection == NULL || weights == NULL || words == NULL) return lode__fail_memory(error);
    lode_status status;
    LODE_GOTO(status, find_config(&config, arena, folder, selection, error), done);
    run.valid = config.eval.valid;
    LODE_GOTO(status, find_manifest(&run.manifest, &run.described, arena, folder, error), done);
    LODE_GOTO(status, lode__run_log_read(&run.log, arena, folder, error), done);
    if (config.data.split.refit) {
        LODE_GOTO(status, find_manifest(&run.selection, &run.selected, arena, selection, error),
                  done);
        LODE_GOTO(status, lode__run_log_read(&run.choosing, arena, selection, error), done);
    }
    if (options->verify) LODE_GOTO(status, check_vocabulary(words, error), done);
    describe_progress(&run, out);
    describe_config(&config, out);
    LODE_GOTO(status, describe_weights(weights, out, error), done);
    LODE_GOTO(status, describe_files(folder, arena, out, error), done);
    if (options->svg != NULL) status = lode__run_draw(&run, svg, error);
done:
    lode__config_release(&config);
    return status;
}

// --- either ---------------------------------------------------------------------------------------------

static lode_status info_data(const char *path, const lode_info_options *options, json_t *out,
                             lode_text *svg, lode_error *error) {
    lode_dataset *data = NULL;
    LODE_TRY(lode__dataset_open(&data, path, options->verify, error));
    lode_status status = lode__info_describe(data, options, out, error);
    if (status == LODE_OK && options->svg != NULL)
        status = lode__info_draw(data, options, svg, error);
    lode__dataset_free(&data);
    return status;
}

lode_status lode_info(const char *path, const char *options, char **report, lode_error *error) {
    if (!path || !*path)
        return lode__fail(error, LODE_E_USAGE, "info needs a data set or a run folder");
    lode_arena arena = {0};
    lode_node *root = NULL;
    lode_info_options parsed = {0};
    json_t *const out = json_object();
    char *text = NULL, *copy = NULL;
    lode_text svg = {0};
    lode_status status;
    if (!options) options = "";
    LODE_GOTO(status,
              lode__yaml_parse(&arena, options, strlen(options), "info options", &root, error), done);
    LODE_GOTO(status, lode__config_read(&arena, root, "", lode__info_keys, NULL, &parsed, error),
              done);
    if (parsed.svg != NULL) LODE_GOTO(status, lode__svg_probe(parsed.svg, error), done);
    if (lode__is_folder(path)) {
        LODE_GOTO(status, info_run(path, &parsed, &arena, out, &svg, error), done);
    } else {
        LODE_GOTO(status, info_data(path, &parsed, out, &svg, error), done);
    }
    text = json_dumps(out, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
    copy = text ? lode__strdup(text) : NULL;
    if (!copy) status = lode__fail_memory(error);
    if (status == LODE_OK && parsed.svg != NULL) status = lode__svg_save(parsed.svg, &svg, error);
    if (status == LODE_OK && report != NULL) {
        *report = copy;
        copy = NULL;
    }
done:
    lode__text_release(&svg);
    lode__free(copy);
    free(text);
    json_decref(out);
    lode__arena_release(&arena);
    return status;
}
