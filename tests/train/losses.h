/// A training up to its first step, and the vectors of that step in double: for losses against their equations.
#ifndef TRAIN_LOSSES_H
#define TRAIN_LOSSES_H

#include <math.h>

#include "fixture.h"
#include "train/trainer.h"

enum { MOST_QUERIES = 1024 };

static const char click_config[] = "data: {history: 6}\n"
                                   "model:\n"
                                   "  dim: 8\n"
                                   "  user: {tower: youtubednn, layers: [8]}\n"
                                   "  item: {tower: mlp, layers: [16, 8]}\n"
                                   "train: {batch: 32, epochs: 2, learning_rate: 0.01}\n"
                                   "objectives:\n";

/// Histories hold all clicks, and places are taken out before the step: a position then is what its state is alone.
static const char position_config[] =
    "data: {history: 80, examples: all_positions}\n"
    "fields: {item: [id], user: []}\n"
    "model: {dim: 8, user: {tower: sasrec, heads: 2, dropout: 0}, item: {tower: id}}\n"
    "train: {batch: 16, epochs: 2, learning_rate: 0.01}\n"
    "objectives:\n";

typedef struct opened {
    lode_config config;
    lode_trainer *trainer;
    float *users, *items; ///< [queries, d], [items, d] before the step
} opened;

static inline lode_status open_losses(opened *it, const fixture *self, const char *config,
                                      const char *objectives, lode_error *error) {
    char *text = malloc(strlen(config) + strlen(objectives) + 1);
    assert_non_null(text);
    (void)sprintf(text, "%s%s", config, objectives);
    *it = (opened){0};
    lode_status status = lode__config_load(&it->config, text, "test", NULL, 0, error);
    const lode_phase phase = {self->data, self->folder, 2, false};
    if (status == LODE_OK)
        status = lode__trainer_new(&it->trainer, &it->config, &phase, NULL, error);
    free(text);
    return status;
}

static inline void close_losses(opened *it) {
    free(it->users);
    free(it->items);
    lode__trainer_free(&it->trainer);
    lode__config_release(&it->config);
}

static inline void clear_param(const opened *it, const char *name) {
    lode_param *param = lode__param_find(it->trainer->model->params, name);
    assert_non_null(param);
    memset(param->value, 0, param->rows * param->columns * sizeof(float));
    it->trainer->model->params->version++;
}

/// One step, with the vectors of its queries and of all items before it.
static inline double step_losses(opened *it) {
    double loss;
    lode_error error = {0};
    lode_trainer *trainer = it->trainer;
    lode_params *before = NULL;
    lode_encoder *encoder = NULL;
    const lode_model_core *model = trainer->model;
    if (trainer->batcher.positions) clear_param(it, "user.history.position");
    check(lode__params_clone(&before, model->params, LODE_F32, &error), &error);
    check(lode__trainer_step(trainer, &loss, &error), &error);
    check(lode__encoder_new(&encoder, model, before, MOST_QUERIES, NULL, &error), &error);
    const size_t count = trainer->batcher.count, d = model->item.width;
    assert_in_range(count, 2, MOST_QUERIES);
    free(it->users);
    free(it->items);
    it->users = calloc(count * d, sizeof *it->users);
    it->items = calloc((size_t)model->vocabulary->items * d, sizeof *it->items);
    assert_true(it->users != NULL && it->items != NULL);
    lode_log_source log = {
        .binding = trainer->binding, .log = &trainer->split->log, .states = trainer->batcher.states};
    const lode_user_source source = lode__log_source(&log);
    lode__encode_users(encoder, &source, count, it->users);
    lode__encode_items(encoder, it->items);
    lode__encoder_free(&encoder);
    lode__params_free(&before);
    return loss;
}

/// <u_query, v_row>, in double.
static inline double score_of(const opened *it, size_t query, uint32_t row) {
    const size_t d = it->trainer->model->item.width;
    double sum = 0;
    for (size_t i = 0; i < d; i++)
        sum += (double)it->users[query * d + i] * (double)it->items[(row - 1) * d + i];
    return sum;
}

/// Did the query's user click the item in training?
static inline bool clicked_by(const opened *it, size_t query, uint32_t row) {
    const lode_split *split = it->trainer->split;
    const uint32_t user = it->trainer->batcher.states[query].user;
    for (uint64_t at = split->log.offsets[user]; at < split->train_end[user]; at++) {
        if (it->trainer->binding->item_row[split->log.item[at]] == row) return true;
    }
    return false;
}

static inline void check_near(double got, double expected, double tolerance, const char *what) {
    if (!(fabs(got - expected) <= tolerance * fabs(expected)))
        fail_msg("%s: %.9g, not %.9g", what, got, expected);
}

#endif
