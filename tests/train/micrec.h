/// Trainings with MicRec's tasks on a made-up shop, and a look into them.
#ifndef TRAIN_MICREC_H
#define TRAIN_MICREC_H

#include "fixture.h"
#include "objective/item_task.h"
#include "train/trainer.h"

static const char base_config[] = "data: {history: 6}\n"
                                  "model:\n"
                                  "  dim: 8\n"
                                  "  user: {tower: youtubednn, layers: [8]}\n"
                                  "  item: {tower: mlp, layers: [16, 8]}\n"
                                  "train: {batch: 32, epochs: 2, learning_rate: 0.01}\n"
                                  "mine: {cache: none}\n"
                                  "objectives:\n";

static inline int setup(void **state) {
    if (fixture_setup(state) != 0) return -1;
    fixture *self = *state;
    path_in(self, "micrec.lode", self->data);
    fixture_import(self,
                   "{users: 200, items: 120, interests: 6, exposures: 0, clicks_mean: 12, seed: 5}",
                   self->data);
    return 0;
}

/// A training with objectives given as lines of a list, up to its first step.
typedef struct opened {
    lode_config config;
    lode_trainer *trainer;
    lode_params *before, *heads; ///< copies of the weights before the step
} opened;

static inline char *config_text(const char *objectives) {
    char *text = malloc(sizeof base_config + strlen(objectives));
    assert_non_null(text);
    (void)sprintf(text, "%s%s", base_config, objectives);
    return text;
}

static inline lode_status open_trainer(opened *it, const fixture *self, const char *objectives,
                                       const lode_hooks *hooks, lode_error *error) {
    char *text = config_text(objectives);
    *it = (opened){0};
    lode_status status = lode__config_load(&it->config, text, "test", NULL, 0, error);
    const lode_phase phase = {self->data, self->folder, 2, false};
    if (status == LODE_OK)
        status = lode__trainer_new(&it->trainer, &it->config, &phase, hooks, error);
    free(text);
    return status;
}

static inline double step(opened *it) {
    double loss;
    lode_error error = {0};
    check(lode__params_clone(&it->before, it->trainer->model->params, LODE_F32, &error), &error);
    check(lode__params_clone(&it->heads, it->trainer->heads, LODE_F32, &error), &error);
    check(lode__trainer_step(it->trainer, &loss, &error), &error);
    return loss;
}

static inline void close_trainer(opened *it) {
    lode__params_free(&it->before);
    lode__params_free(&it->heads);
    lode__trainer_free(&it->trainer);
    lode__config_release(&it->config);
}

static inline lode_item_task *task_of(const opened *it) {
    return it->trainer->objectives[0].state; // a task is the first member of every state
}

static inline bool is_masked(const lode_item_task *task, size_t anchor, size_t place) {
    const int32_t *offsets = task->masked->offsets;
    for (int32_t at = offsets[anchor]; at < offsets[anchor + 1]; at++) {
        if (task->masked_ids->data[at] == (int32_t)place) return true;
    }
    return false;
}

#endif
