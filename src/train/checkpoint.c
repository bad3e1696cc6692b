/// checkpoint.safetensors: one file, so that weights, optimiser state, objectives' state and counters are replaced
/// together. The counters are JSON in its metadata, reals with 17 digits so that they come back bit for bit.
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "train/trainer.h"

enum { ARRAYS = 16, CHECKPOINT_VERSION = 1 };

static size_t objective_arrays(const lode_trainer *trainer, size_t number, lode_state_array *arrays) {
    const lode_objective *objective = &trainer->objectives[number];
    if (objective->type->arrays == NULL) return 0;
    return objective->type->arrays(objective->state, arrays, ARRAYS);
}

/// NULL without memory.
static json_t *own_sums(const lode_trainer *trainer) {
    json_t *sums = json_array();
    for (size_t i = 0; i < trainer->objective_count && sums != NULL; i++) {
        if (json_array_append_new(sums, json_real(trainer->counters.own_sums[i])) != 0) {
            json_decref(sums);
            sums = NULL;
        }
    }
    return sums;
}

/// As many numbers as there are objectives?
static bool take_own_sums(const lode_trainer *trainer, const json_t *sums, double *out) {
    bool good = json_array_size(sums) == trainer->objective_count;
    for (size_t i = 0; i < trainer->objective_count && good; i++) {
        const json_t *sum = json_array_get(sums, i);
        good = json_is_number(sum);
        out[i] = json_number_value(sum);
    }
    return good;
}

static char *state_text(const lode_trainer *trainer) {
    const lode_counters *counters = &trainer->counters;
    json_t *best = isnan(counters->best) ? json_null() : json_real(counters->best);
    char fingerprint[17];
    (void)snprintf(fingerprint, sizeof fingerprint, "%016llx",
                   (unsigned long long)trainer->data->fingerprint);
    json_t *json = json_pack(
        "{s:i, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:f, s:o}", "version", CHECKPOINT_VERSION,
        "fingerprint", fingerprint, "epoch", (json_int_t)counters->epoch, "step",
        (json_int_t)counters->step, "global_step", (json_int_t)counters->global_step, "best_epoch",
        (json_int_t)counters->best_epoch, "since_best", (json_int_t)counters->since_best,
        "log_bytes", (json_int_t)counters->log_bytes, "best", best, "loss_sum", counters->loss_sum,
        "own_sums", own_sums(trainer));
    char *text = json != NULL ? json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(17)) : NULL;
    json_decref(json);
    return text;
}

lode_status lode__checkpoint_save(const lode_trainer *trainer, lode_error *error) {
    const lode_params *params = trainer->model->params;
    lode_arena arena = {0};
    lode_tensor_view *views = lode__arena_alloc(
        &arena, 3 * (params->count + trainer->heads->count) + LODE_OBJECTIVES * ARRAYS,
        sizeof *views);
    const char *path = lode__path_join(&arena, trainer->run, LODE_CHECKPOINT_FILE);
    char *state = state_text(trainer);
    lode_status status = LODE_E_MEMORY;
    if (views == NULL || path == NULL || state == NULL) {
        status = lode__fail_memory(error);
    } else {
        size_t count = lode__weight_views(params, true, &arena, views);
        count += lode__weight_views(trainer->heads, true, &arena, views + count);
        for (size_t i = 0; i < trainer->objective_count; i++) {
            lode_state_array arrays[ARRAYS];
            const size_t own = objective_arrays(trainer, i, arrays);
            for (size_t a = 0; a < own; a++) {
                views[count++] = (lode_tensor_view){
                    .name = lode__arena_printf(&arena, "objective.%zu.%s", i, arrays[a].name),
                    .dtype = LODE_DTYPE_U8,
                    .rank = 1,
                    .shape = {arrays[a].bytes},
                    .data = arrays[a].data,
                    .bytes = arrays[a].bytes};
            }
        }
        const char *const metadata[] = {"state", state};
        status = lode__safetensors_write(path, views, count, metadata, 1, error);
    }
    free(state);
    lode__arena_release(&arena);
    return status;
}

static lode_status read_state(lode_trainer *trainer, const char *text, const char *path,
                              lode_error *error) {
    json_t *json = text != NULL ? json_loads(text, JSON_REJECT_DUPLICATES, NULL) : NULL;
    lode_counters *counters = &trainer->counters;
    json_int_t values[6] = {0};
    static const char *const names[] = {"epoch",      "step",       "global_step",
                                        "best_epoch", "since_best", "log_bytes"};
    bool good =
        json != NULL && json_integer_value(json_object_get(json, "version")) == CHECKPOINT_VERSION;
    for (size_t i = 0; i < 6 && good; i++) {
        const json_t *value = json_object_get(json, names[i]);
        good = json_is_integer(value) && json_integer_value(value) >= 0;
        values[i] = json_integer_value(value);
    }
    const json_t *best = json_object_get(json, "best"), *sum = json_object_get(json, "loss_sum");
    good = good && (json_is_null(best) || json_is_number(best)) && json_is_number(sum) &&
           (uint64_t)values[1] <= trainer->steps;
    double own[LODE_OBJECTIVES] = {0};
    good = good && take_own_sums(trainer, json_object_get(json, "own_sums"), own);
    const char *given = json_string_value(json_object_get(json, "fingerprint"));
    const bool same = given != NULL && strtoull(given, NULL, 16) == trainer->data->fingerprint;
    if (good) {
        *counters =
            (lode_counters){.epoch = (uint64_t)values[0],
                            .step = (uint64_t)values[1],
                            .global_step = (uint64_t)values[2],
                            .best_epoch = (uint64_t)values[3],
                            .since_best = (uint64_t)values[4],
                            .log_bytes = (uint64_t)values[5],
                            .best = json_is_null(best) ? (double)NAN : json_number_value(best),
                            .loss_sum = json_number_value(sum)};
        memcpy(counters->own_sums, own, sizeof own);
    }
    json_decref(json);
    if (!good)
        return lode__fail(error, LODE_E_FORMAT, "%s is damaged: its counters cannot be read", path);
    if (!same) {
        return lode__fail(
            error, LODE_E_MISMATCH,
            "%s was made with another data set than %s: resume with that one, or train anew", path,
            trainer->data->file.path);
    }
    return LODE_OK;
}

static lode_status take_arrays(lode_trainer *trainer, const lode_safetensors *file,
                               const char *path, lode_error *error) {
    for (size_t i = 0; i < trainer->objective_count; i++) {
        lode_state_array arrays[ARRAYS];
        const size_t own = objective_arrays(trainer, i, arrays);
        for (size_t a = 0; a < own; a++) {
            char name[128];
            (void)snprintf(name, sizeof name, "objective.%zu.%s", i, arrays[a].name);
            const lode_tensor_view *found = lode__safetensors_find(file, name);
            if (found == NULL || found->bytes != arrays[a].bytes) {
                return lode__fail(error, LODE_E_MISMATCH, "%s: %s does not fit the configuration",
                                  path, name);
            }
            memcpy(arrays[a].data, found->data, found->bytes);
        }
        const lode_objective *objective = &trainer->objectives[i];
        if (objective->type->restored == NULL) continue;
        LODE_TRY(objective->type->restored(objective->state, error));
    }
    return LODE_OK;
}

lode_status lode__checkpoint_load(lode_trainer *trainer, lode_error *error) {
    const char *path = lode__path_join(&trainer->arena, trainer->run, LODE_CHECKPOINT_FILE);
    if (path == NULL) return lode__fail_memory(error);
    lode_safetensors file;
    LODE_TRY(lode__safetensors_open(&file, path, error));
    lode_status status = lode__weights_take(trainer->model->params, true, &file, path, error);
    if (status == LODE_OK) status = lode__weights_take(trainer->heads, true, &file, path, error);
    if (status == LODE_OK) status = take_arrays(trainer, &file, path, error);
    if (status == LODE_OK) {
        status = read_state(trainer, lode__safetensors_metadata(&file, "state"), path, error);
    }
    lode__safetensors_close(&file);
    return status;
}
