#include "train/bundle.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LARGEST_CONFIG = 1 << 20, MANIFEST_VERSION = 1 };

// --- weights --------------------------------------------------------------------------------------------

static lode_tensor_view view_of(const lode_params *params, const lode_param *param,
                                const char *name, const void *data) {
    const bool single = params->precision == LODE_F32;
    return (lode_tensor_view){.name = name,
                              .dtype = single ? LODE_DTYPE_F32 : LODE_DTYPE_F64,
                              .rank = 2,
                              .shape = {param->rows, param->columns},
                              .data = data,
                              .bytes =
                                  param->rows * param->columns * lode__real_size(params->precision)};
}

size_t lode__weight_views(const lode_params *params, bool moments, lode_arena *arena,
                          lode_tensor_view *views) {
    size_t count = 0;
    for (size_t i = 0; i < params->count; i++) {
        const lode_param *param = params->list[i];
        views[count++] = view_of(params, param, param->name, param->value);
        if (!moments) continue;
        views[count++] =
            view_of(params, param, lode__arena_printf(arena, "%s#first", param->name), param->first);
        views[count++] = view_of(params, param, lode__arena_printf(arena, "%s#second", param->name),
                                 param->second);
    }
    return count;
}

lode_status lode__weights_save(const lode_params *params, const char *path, lode_error *error) {
    lode_arena arena = {0};
    lode_tensor_view *views = lode__arena_alloc(&arena, params->count, sizeof *views);
    lode_status status = LODE_E_MEMORY;
    if (views == NULL) {
        status = lode__fail_memory(error);
    } else {
        const size_t count = lode__weight_views(params, false, &arena, views);
        status = lode__safetensors_write(path, views, count, NULL, 0, error);
    }
    lode__arena_release(&arena);
    return status;
}

static lode_status take_one(const lode_params *params, const lode_param *param, const char *suffix,
                            void *to, const lode_safetensors *file, const char *path,
                            lode_error *error) {
    char name[256];
    (void)snprintf(name, sizeof name, "%s%s", param->name, suffix);
    const lode_tensor_view *found = lode__safetensors_find(file, name);
    const lode_tensor_view wanted = view_of(params, param, name, to);
    if (found == NULL) {
        return lode__fail(error, LODE_E_MISMATCH,
                          "%s has no tensor %s, which the configuration asks for", path, name);
    }
    if (found->dtype != wanted.dtype || found->bytes != wanted.bytes || found->rank != 2 ||
        found->shape[0] != param->rows || found->shape[1] != param->columns) {
        return lode__fail(error, LODE_E_MISMATCH,
                          "%s: tensor %s is %zu x %zu: the configuration asks for %zu x %zu", path,
                          name, found->shape[0], found->rank > 1 ? found->shape[1] : 1, param->rows,
                          param->columns);
    }
    memcpy(to, found->data, found->bytes);
    return LODE_OK;
}

lode_status lode__weights_take(lode_params *params, bool moments, const lode_safetensors *file,
                               const char *path, lode_error *error) {
    params->version++;
    for (size_t i = 0; i < params->count; i++) {
        lode_param *param = params->list[i];
        LODE_TRY(take_one(params, param, "", param->value, file, path, error));
        if (!moments) continue;
        LODE_TRY(take_one(params, param, "#first", param->first, file, path, error));
        LODE_TRY(take_one(params, param, "#second", param->second, file, path, error));
    }
    return LODE_OK;
}

lode_status lode__weights_load(lode_params *params, const char *path, lode_error *error) {
    lode_safetensors file;
    LODE_TRY(lode__safetensors_open(&file, path, error));
    const lode_status status = lode__weights_take(params, false, &file, path, error);
    lode__safetensors_close(&file);
    return status;
}

// --- manifest -------------------------------------------------------------------------------------------

lode_status lode__manifest_write(const lode_manifest *manifest, const char *run, lode_error *error) {
    lode_arena arena = {0};
    const char *path = lode__path_join(&arena, run, LODE_MANIFEST_FILE);
    char fingerprint[17];
    (void)snprintf(fingerprint, sizeof fingerprint, "%016llx",
                   (unsigned long long)manifest->fingerprint);
    json_t *best = isnan(manifest->best) ? json_null() : json_real(manifest->best);
    json_t *json = json_pack(
        "{s:s, s:i, s:s, s:s, s:b, s:I, s:I, s:I, s:o}", "lodestone", LODE_VERSION, "version",
        MANIFEST_VERSION, "data", manifest->data, "fingerprint", fingerprint, "finished",
        (int)manifest->finished, "epochs", (json_int_t)manifest->epochs, "steps",
        (json_int_t)manifest->steps, "best_epoch", (json_int_t)manifest->best_epoch, "best", best);
    char *text = json != NULL ? json_dumps(json, JSON_INDENT(1)) : NULL;
    json_decref(json);
    lode_status status;
    if (text == NULL || path == NULL) {
        status = lode__fail_memory(error);
    } else {
        status = lode__file_write(path, text, strlen(text), error);
    }
    free(text);
    lode__arena_release(&arena);
    return status;
}

static lode_status parse_manifest(lode_manifest *manifest, lode_arena *arena, const char *path,
                                  const char *text, size_t length, lode_error *error) {
    json_error_t problem;
    json_t *json = json_loadb(text, length, JSON_REJECT_DUPLICATES, &problem);
    if (json == NULL) {
        return lode__fail(error, LODE_E_FORMAT, "%s:%d:%d is damaged: %s", path, problem.line,
                          problem.column, problem.text);
    }
    const char *data = json_string_value(json_object_get(json, "data"));
    const char *fingerprint = json_string_value(json_object_get(json, "fingerprint"));
    const json_int_t version = json_integer_value(json_object_get(json, "version"));
    lode_status status = LODE_OK;
    if (data == NULL || fingerprint == NULL || version != MANIFEST_VERSION) {
        status = lode__fail(
            error, LODE_E_FORMAT,
            "%s is not a manifest of version %d (version, data or fingerprint are missing)", path,
            MANIFEST_VERSION);
    } else {
        const json_t *best = json_object_get(json, "best");
        *manifest = (lode_manifest){
            .data = lode__arena_strdup(arena, data),
            .fingerprint = strtoull(fingerprint, NULL, 16),
            .finished = json_is_true(json_object_get(json, "finished")),
            .epochs = (uint64_t)json_integer_value(json_object_get(json, "epochs")),
            .steps = (uint64_t)json_integer_value(json_object_get(json, "steps")),
            .best_epoch = (uint64_t)json_integer_value(json_object_get(json, "best_epoch")),
            .best = json_is_number(best) ? json_number_value(best) : (double)NAN};
        if (manifest->data == NULL) status = lode__fail_memory(error);
    }
    json_decref(json);
    return status;
}

lode_status lode__manifest_read(lode_manifest *manifest, lode_arena *arena, const char *run,
                                lode_error *error) {
    const char *path = lode__path_join(arena, run, LODE_MANIFEST_FILE);
    if (path == NULL) return lode__fail_memory(error);
    char *text = NULL;
    size_t length;
    LODE_TRY(lode__file_read(path, LARGEST_CONFIG, &text, &length, error));
    const lode_status status = parse_manifest(manifest, arena, path, text, length, error);
    lode__free(text);
    return status;
}

// --- bundle ---------------------------------------------------------------------------------------------

static lode_status load_model(lode_bundle *bundle, lode_error *error) {
    lode_arena *arena = &bundle->arena;
    const char *config = lode__path_join(arena, bundle->path, LODE_CONFIG_FILE);
    const char *words = lode__path_join(arena, bundle->path, LODE_VOCABULARY_FILE);
    const char *weights = lode__path_join(arena, bundle->path, LODE_WEIGHTS_FILE);
    if (config == NULL || words == NULL || weights == NULL) return lode__fail_memory(error);
    char *text = NULL;
    size_t length;
    LODE_TRY(lode__file_read(config, LARGEST_CONFIG, &text, &length, error));
    lode_status status = lode__config_load(&bundle->config, text, config, NULL, 0, error);
    lode__free(text);
    if (status != LODE_OK) { // contradictions between keys name no file
        const bool named = error == NULL || strstr(error->message, config) != NULL;
        return named ? status : lode__error_prefix(error, status, "%s", config);
    }
    lode_vocabulary *vocabulary = NULL;
    LODE_TRY(lode__vocabulary_load(&vocabulary, words, error));
    status = lode__model_core_new(&bundle->model, &bundle->config.model,
                                  (size_t)bundle->config.data.history, vocabulary,
                                  (uint64_t)bundle->config.train.seed, error);
    if (status != LODE_OK) return lode__error_prefix(error, status, "%s", bundle->path);
    return lode__weights_load(bundle->model->params, weights, error);
}

lode_status lode__bundle_open(lode_bundle **out, const char *run, lode_error *error) {
    if (!lode__is_folder(run)) {
        return lode__fail(error, LODE_E_MISSING,
                          "%s is no folder: expected the run folder of a training", run);
    }
    lode_bundle *bundle = lode__alloc(1, sizeof *bundle);
    if (bundle == NULL) return lode__fail_memory(error);
    bundle->path = lode__strdup(run);
    lode_status status = bundle->path == NULL ? lode__fail_memory(error) : LODE_OK;
    if (status == LODE_OK) {
        status = lode__manifest_read(&bundle->manifest, &bundle->arena, run, error);
        if (status == LODE_E_MISSING) {
            status = lode__fail(error, LODE_E_MISSING,
                                "%s holds no trained model yet (no %s): train first, or --resume",
                                run, LODE_MANIFEST_FILE);
        }
    }
    if (status == LODE_OK) status = load_model(bundle, error);
    if (status != LODE_OK) {
        lode__bundle_free(&bundle);
    } else {
        *out = bundle;
    }
    return status;
}

void lode__bundle_free(lode_bundle **bundle) {
    if (*bundle == NULL) return;
    lode__model_core_free(&(*bundle)->model);
    lode__config_release(&(*bundle)->config);
    lode__arena_release(&(*bundle)->arena);
    lode__free((*bundle)->path);
    lode__free(*bundle);
    *bundle = NULL;
}

lode_status lode__bundle_data(const lode_bundle *bundle, const char *data, lode_dataset **out,
                              const lode_hooks *hooks, lode_error *error) {
    const char *path = data != NULL ? data : bundle->manifest.data;
    const lode_status status = lode__dataset_open(out, path, false, error);
    if (status != LODE_OK) {
        return data != NULL
                   ? status
                   : lode__error_prefix(error, status,
                                        "the data set of %s (give another place with --data)",
                                        bundle->path);
    }
    if ((*out)->fingerprint == bundle->manifest.fingerprint) return LODE_OK;
    if (data != NULL) {
        lode__notice(hooks, "%s is not the data set that %s was trained on", path, bundle->path);
        return LODE_OK;
    }
    lode__dataset_free(out);
    return lode__fail(
        error,
        LODE_E_MISMATCH, "%s has changed since %s was trained on it (another fingerprint); give --data to use it all the same",
        path, bundle->path);
}
