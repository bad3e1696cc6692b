#include "train/trainer.h"
#include "base/clock.h"
#include "graph/packed.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { ENCODE_BATCH = 512, WARM_UP_STEPS = 3, MOST_ITEMS = 1 << 24 };

// --- preparing ------------------------------------------------------------------------------------------

static lode_status prepare_data(lode_trainer *trainer, const lode_phase *phase, lode_error *error) {
    const lode_config *config = trainer->config;
    LODE_TRY(lode__dataset_open(&trainer->data, phase->data, false, error));
    LODE_TRY(lode__split_new(&trainer->split, trainer->data, &config->data.split, error));
    if (phase->refit) lode__split_refit(trainer->split);
    const lode_example_options options = {.kind = config->data.examples,
                                          .min_history = (uint64_t)config->data.min_history,
                                          .history = (uint64_t)config->data.history,
                                          .all_windows = config->data.windows != 0,
                                          .seed = (uint64_t)config->train.seed,
                                          .mask_probability = config->data.mask_probability,
                                          .mask_last = config->data.mask_last};
    LODE_TRY(lode__examples_new(&trainer->examples, trainer->split, &options, error));
    if (trainer->examples.count == 0) {
        return lode__fail(
            error, LODE_E_INPUT,
            "%s gives no training example: no user has more than %lld clicks in the training part "
            "(data.min_history, data.split)",
            phase->data, (long long)config->data.min_history);
    }
    if (trainer->examples.count >= (uint64_t)UINT32_MAX * (uint64_t)config->train.batch) {
        return lode__fail(
            error, LODE_E_CONFIG, "%llu examples in batches of %lld are more than 2^32 steps",
            (unsigned long long)trainer->examples.count, (long long)config->train.batch);
    }
    const uint64_t batch = (uint64_t)config->train.batch;
    trainer->steps = (trainer->examples.count + batch - 1) / batch;
    return LODE_OK;
}

static lode_status prepare_model(lode_trainer *trainer, lode_error *error) {
    const lode_config *config = trainer->config;
    lode_vocabulary *vocabulary = NULL;
    LODE_TRY(lode__vocabulary_new(&vocabulary, trainer->split, config->fields.item,
                                  config->fields.user, config->fields.context,
                                  (size_t)config->model.dim, trainer->hooks, error));
    LODE_TRY(lode__model_core_new(&trainer->model, &config->model, (size_t)config->data.history,
                                  vocabulary, (uint64_t)config->train.seed, error));
    LODE_TRY(lode__params_trainable(trainer->model->params, error));
    LODE_TRY(lode__binding_new(&trainer->binding, trainer->model->vocabulary, trainer->data, error));
    LODE_TRY(lode__batcher_new(&trainer->batcher, &trainer->examples, trainer->binding,
                               (size_t)config->train.batch, (size_t)config->data.history,
                               &trainer->arena, error));
    trainer->batcher.ages = lode__model_click_wants(trainer->model).ages;
    if (trainer->batcher.ages && trainer->data->time_kind != LODE_TIME_REAL) {
        lode__notice(trainer->hooks,
                     "the data has no times in seconds or milliseconds: clicks have no age, and "
                     "model.user.time_buckets does nothing");
    }
    return LODE_OK;
}

/// What data.examples needs of the user tower, and objectives of the positions that it trains on.
static lode_status check_examples(const lode_trainer *trainer, lode_error *error) {
    const lode_tower_type *tower = trainer->model->user.type;
    const bool both_sides = (tower->gives & LODE_NEED_CLOZE) != 0;
    if (trainer->examples.options.kind == LODE_CLOZE) {
        if (both_sides) return LODE_OK;
        return lode__fail(error, LODE_E_CONFIG,
                          "data.examples: cloze needs a user tower that finds masked clicks from "
                          "those on both sides, and model.user.tower: %s does not (bert4rec does); "
                          "or train it with data.examples: %s",
                          tower->name,
                          (tower->gives & LODE_NEED_STATES) != 0 ? "all_positions" : "every_click");
    }
    if (!trainer->batcher.positions || (tower->gives & LODE_NEED_STATES) != 0) return LODE_OK;
    return lode__fail(
        error, LODE_E_CONFIG,
        "data.examples: all_positions needs a user tower whose every position sees the "
        "clicks up to it alone, and model.user.tower: %s does not give that (sasrec "
        "does); or train it with data.examples: %s",
        tower->name, both_sides ? "cloze" : "every_click");
}

static lode_status prepare_objectives(lode_trainer *trainer, size_t *items, lode_error *error) {
    const lode_training training = {.data = trainer->data,
                                    .split = trainer->split,
                                    .binding = trainer->binding,
                                    .model = trainer->model,
                                    .sessions = &trainer->config->data.sessions,
                                    .mining = &trainer->config->mine,
                                    .sees_later = trainer->config->data.examples == LODE_CLOZE,
                                    .pool = trainer->pool,
                                    .hooks = trainer->hooks,
                                    .queries = trainer->batcher.most,
                                    .examples = trainer->config->data.examples};
    LODE_TRY(lode__params_new(&trainer->heads, LODE_F32, error));
    const size_t queries = trainer->batcher.most;
    *items = queries;
    for (size_t i = 0; i < trainer->objective_count; i++) {
        lode_objective *objective = &trainer->objectives[i];
        LODE_TRY(lode__objective_prepare(objective, &training, error));
        *items += objective->type->items(objective->state, queries);
        if (objective->type->declare == NULL) continue;
        const char *prefix = lode__arena_printf(&trainer->arena, "objectives.%zu", i);
        if (prefix == NULL) return lode__fail_memory(error);
        objective->type->declare(objective->state, &training, trainer->heads, prefix);
    }
    LODE_TRY(lode__params_finish(trainer->heads, (uint64_t)trainer->config->train.seed, error));
    LODE_TRY(lode__params_trainable(trainer->heads, error));
    *items = LODE_MIN(*items, (size_t)trainer->model->vocabulary->items + 1);
    if (*items > MOST_ITEMS) {
        return lode__fail(error, LODE_E_CONFIG,
                          "a step would encode up to %zu items: lower train.batch or "
                          "negatives.count (full_softmax "
                          "and clrec.ipw encode all there are)",
                          *items);
    }
    return LODE_OK;
}

/// The stage of an objective that runs in scene `number`: its last one goes with the gradients, those before it
/// in scenes 0, 1, ... NULL where it has none.
static const lode_stage *stage_in(const lode_trainer *trainer, const lode_objective *objective,
                                  size_t number) {
    const size_t last = objective->type->stage_count - 1;
    if (number + 1 == trainer->stages) return &objective->type->stages[last];
    return number < last ? &objective->type->stages[number] : NULL;
}

/// Of the draws of an objective's stage.
static uint32_t purpose_of(const lode_trainer *trainer, size_t number, const lode_stage *stage) {
    const size_t own = (size_t)(stage - trainer->objectives[number].type->stages);
    return LODE_PURPOSE_USER + (uint32_t)(number * LODE_STAGES + own);
}

static lode_status prepare_scene(lode_trainer *trainer, size_t number, size_t items,
                                 lode_error *error) {
    lode_scene *scene = &trainer->scenes[number];
    const bool gradients = number + 1 == trainer->stages;
    LODE_TRY(lode__graph_new(&scene->graph, lode__config_precision(trainer->config), gradients,
                             trainer->pool, error));
    lode_graph *graph = scene->graph;
    graph->training = gradients;
    graph->seed = (uint64_t)trainer->config->train.seed;
    scene->params = trainer->model->params;
    scene->heads = trainer->heads;
    scene->most = trainer->batcher.most;
    scene->users =
        trainer->examples.options.kind == LODE_CLOZE
            ? lode__user_view_cloze(graph, trainer->model, scene->params, trainer->batcher.batch,
                                    trainer->batcher.most)
            : lode__user_view_new(graph, trainer->model, scene->params, trainer->batcher.batch);
    scene->items = lode__item_view_new(graph, trainer->model, scene->params, items);
    if (scene->users != NULL && scene->items != NULL) {
        const lode_tower_outputs *outputs = &scene->users->outputs;
        const bool positions = trainer->batcher.positions;
        scene->targets = lode__graph_ids(
            graph, positions ? outputs->positions->rows : scene->users->inputs.rows, 1);
        scene->query = positions ? lode__tower_states(trainer->model, graph, outputs)
                                 : lode__tower_query(trainer->model, graph, outputs,
                                                     scene->items->outputs.vector, scene->targets);
        for (size_t i = 0;
             i < trainer->objective_count && scene->targets != NULL && scene->query != NULL; i++) {
            const lode_objective *objective = &trainer->objectives[i];
            const lode_stage *stage = stage_in(trainer, objective, number);
            if (stage == NULL) continue;
            scene->purpose = purpose_of(trainer, i, stage);
            LODE_TRY(stage->build(objective->state, scene, objective->weight, error));
            trainer->loss_end[i] = graph->loss_count;
        }
    }
    return lode__graph_finish(graph, error);
}

static lode_status prepare_graphs(lode_trainer *trainer, lode_error *error) {
    size_t items;
    LODE_TRY(prepare_objectives(trainer, &items, error));
    for (size_t i = 0; i < trainer->objective_count; i++) {
        const lode_objective_type *type = trainer->objectives[i].type;
        assert(type->stage_count >= 1 && type->stage_count <= LODE_STAGES);
        trainer->stages = LODE_MAX(trainer->stages, type->stage_count);
    }
    for (size_t number = 0; number < trainer->stages; number++) {
        LODE_TRY(prepare_scene(trainer, number, items, error));
    }
    return LODE_OK;
}

/// Keep `most` cases, evenly spread.
static void thin_cases(lode_cases *cases, size_t most) {
    if (most == 0 || cases->count <= most) return;
    for (size_t i = 0; i < most; i++) {
        cases->list[i] = cases->list[(size_t)((double)i * (double)cases->count / (double)most)];
    }
    cases->count = most;
}

static lode_status prepare_validation(lode_trainer *trainer, lode_error *error) {
    const lode_eval_config *eval = &trainer->config->eval;
    const lode_protocol protocol = lode__config_protocol(eval, trainer->split);
    LODE_TRY(lode__cases_new(&trainer->cases, trainer->split, &protocol, LODE_PART_VALID, error));
    trainer->cases.pool = trainer->pool;
    if (lode__protocol_encodes(&protocol)) LODE_TRY(lode__binding_cold(trainer->binding, error));
    thin_cases(&trainer->cases, (size_t)eval->valid_cases);
    trainer->exclude_seen = eval->exclude_seen == 0 ? protocol.exclude_seen : eval->exclude_seen == 1;
    lode__config_valid(trainer->config, &trainer->metric, &trainer->cutoff);
    LODE_TRY(lode__cases_define(&trainer->cases, trainer->metric, eval->valid, error));
    LODE_TRY(lode__encoder_new(&trainer->encoder, trainer->model, trainer->model->params,
                               ENCODE_BATCH, trainer->pool, error));
    return lode__ranker_model(&trainer->ranker, trainer->encoder, trainer->binding,
                              &(lode_ranking){.longest = trainer->cutoff}, trainer->pool, error);
}

static lode_status prepare(lode_trainer *trainer, const lode_phase *phase, lode_error *error) {
    const lode_train_config *train = &trainer->config->train;
    const size_t threads = train->threads > 0 ? (size_t)train->threads : lode__processor_count();
    LODE_TRY(lode__pool_new(&trainer->pool, LODE_MIN(threads, (size_t)256), error));
    LODE_TRY(prepare_data(trainer, phase, error));
    LODE_TRY(prepare_model(trainer, error));
    LODE_TRY(check_examples(trainer, error));
    LODE_TRY(prepare_graphs(trainer, error));
    LODE_TRY(prepare_validation(trainer, error));
    lode__vocabulary_seal(trainer->model->vocabulary); // every token has been looked up
    LODE_TRY(lode__ahead_new(&trainer->ahead, &trainer->batcher, trainer->model->history,
                             (uint64_t)train->seed, trainer->steps, threads > 1, error));
    trainer->optimiser = (lode_optimiser){.type = (lode_optimiser_type)train->optimiser,
                                          .rate = train->learning_rate,
                                          .beta1 = train->beta1,
                                          .beta2 = train->beta2,
                                          .epsilon = train->epsilon,
                                          .decay = train->weight_decay};
    return LODE_OK;
}

lode_status lode__trainer_new(lode_trainer **out, lode_config *config, const lode_phase *phase,
                              const lode_hooks *hooks, lode_error *error) {
    lode_trainer *trainer = lode__alloc(1, sizeof *trainer);
    if (trainer == NULL) return lode__fail_memory(error);
    trainer->config = config;
    trainer->hooks = hooks;
    trainer->run = phase->folder;
    trainer->epochs = phase->epochs;
    trainer->objectives = config->objectives;
    trainer->objective_count = config->objective_count;
    trainer->counters.best = trainer->validation = (double)NAN;
    const lode_status status = prepare(trainer, phase, error);
    if (status != LODE_OK) {
        lode__trainer_free(&trainer);
    } else {
        *out = trainer;
    }
    return status;
}

void lode__trainer_free(lode_trainer **trainer) {
    lode_trainer *self = *trainer;
    if (self == NULL) return;
    lode__ahead_free(&self->ahead);
    if (self->ranker.free != NULL) self->ranker.free(self->ranker.self);
    lode__encoder_free(&self->encoder);
    lode__cases_release(&self->cases);
    for (size_t i = 0; i < LODE_STAGES; i++)
        lode__graph_free(&self->scenes[i].graph);
    lode__binding_free(&self->binding);
    lode__params_free(&self->heads);
    lode__model_core_free(&self->model);
    lode__examples_release(&self->examples);
    lode__split_free(&self->split);
    lode__dataset_free(&self->data);
    lode__pool_free(&self->pool);
    lode__arena_release(&self->arena);
    lode__free(self);
    *trainer = NULL;
}

// --- one step -------------------------------------------------------------------------------------------

static lode_status draw(lode_trainer *trainer, size_t number, lode_error *error) {
    const lode_batcher *batcher = &trainer->batcher;
    const lode_counters *counters = &trainer->counters;
    const double total = (double)trainer->steps * (double)LODE_MAX(trainer->epochs, (uint64_t)1);
    for (size_t i = 0; i < trainer->objective_count; i++) {
        const lode_objective *objective = &trainer->objectives[i];
        const lode_stage *stage = stage_in(trainer, objective, number);
        if (stage == NULL) continue;
        const lode_batch batch = {.seed = (uint64_t)trainer->config->train.seed,
                                  .purpose = purpose_of(trainer, i, stage),
                                  .epoch = (uint32_t)counters->epoch,
                                  .step = (uint32_t)counters->step,
                                  .progress = (double)counters->global_step / total,
                                  .count = batcher->count,
                                  .states = batcher->states,
                                  .target_rows = batcher->target_rows,
                                  .example_of = batcher->example_of};
        LODE_TRY(stage->draw(objective->state, &batch, error));
    }
    return LODE_OK;
}

/// Fill a scene's inputs and run it forward; targets have the first slots of the item view.
static lode_status run_scene(lode_trainer *trainer, size_t number, lode_error *error) {
    lode_scene *scene = &trainer->scenes[number];
    const lode_batcher *batcher = &trainer->batcher;
    scene->graph->epoch = (uint32_t)trainer->counters.epoch;
    scene->graph->step = (uint32_t)trainer->counters.step;
    const double start = lode__clock();
    lode__item_view_begin(scene->items);
    for (size_t i = 0; i < batcher->count; i++) {
        scene->targets->data[i] = lode__item_view_slot(scene->items, batcher->target_rows[i]);
    }
    LODE_TRY(draw(trainer, number, error));
    lode__item_view_fill(scene->items);
    const lode_user_source users = lode__ahead_source(trainer->ahead);
    lode__user_view_fill(scene->users, &users, batcher->example_count);
    assert(scene->query->rows->size == batcher->count);
    trainer->input_now += lode__clock() - start;
    lode__graph_forward(scene->graph);
    return LODE_OK;
}

static bool finite_array(const float *values, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(values[i])) return false;
    }
    return true;
}

static const lode_param *not_finite_in(const lode_params *params) {
    for (size_t i = 0; i < params->count; i++) {
        const lode_param *param = params->list[i];
        if (!finite_array(param->value, param->rows * param->columns)) return param;
    }
    return NULL;
}

static const lode_param *not_finite(const lode_trainer *trainer) {
    const lode_param *broken = not_finite_in(trainer->model->params);
    return broken != NULL ? broken : not_finite_in(trainer->heads);
}

static const lode_param *broken_gradient(const lode_params *params) {
    for (size_t i = 0; i < params->count; i++) {
        const lode_param *param = params->list[i];
        if (param->gradient != NULL && !finite_array(param->gradient, param->rows * param->columns))
            return param;
    }
    return NULL;
}

/// Name the parameter that went wrong: the first whose value, else whose gradient is not finite.
static lode_status diverged(const lode_trainer *trainer, double loss, lode_error *error) {
    const lode_param *broken = not_finite(trainer);
    const char *what = broken != NULL ? "value" : "gradient";
    if (broken == NULL) broken = broken_gradient(trainer->model->params);
    if (broken == NULL) broken = broken_gradient(trainer->heads);
    const char *name = broken != NULL ? broken->name : NULL;
    return lode__fail(error, LODE_E_DIVERGED,
                      "the loss is %g at epoch %llu, step %llu (%s %s of parameter %s); lower "
                      "train.learning_rate "
                      "(it is %g), or raise the temperature of the objectives",
                      isnan(loss) ? (double)NAN : loss, // never "-nan"
                      (unsigned long long)trainer->counters.epoch + 1,
                      (unsigned long long)trainer->counters.step + 1,
                      name != NULL ? "first not finite:" : "no parameter is to blame:",
                      name != NULL ? what : "the value", name != NULL ? name : "(none)",
                      trainer->optimiser.rate);
}

/// What each objective's loss terms of the step come to, unweighted, into the sums of the epoch.
static void add_own_losses(lode_trainer *trainer, const lode_graph *graph) {
    size_t term = 0;
    for (size_t i = 0; i < trainer->objective_count; i++) {
        for (; term < trainer->loss_end[i]; term++)
            trainer->counters.own_sums[i] += lode__tensor_get(graph, graph->losses[term].value, 0, 0);
    }
}

lode_status lode__trainer_step(lode_trainer *trainer, double *loss, lode_error *error) {
    lode_counters *counters = &trainer->counters;
    const double start = lode__clock();
    trainer->batcher = *lode__ahead_take(trainer->ahead, counters->epoch, counters->step);
    trainer->input_now = lode__clock() - start;
    for (size_t number = 0; number < trainer->stages; number++) {
        LODE_TRY(run_scene(trainer, number, error));
    }
    lode_graph *graph = trainer->scenes[trainer->stages - 1].graph;
    *loss = lode__graph_loss_value(graph);
    lode__graph_backward(graph);
    if (!isfinite(*loss)) return diverged(trainer, *loss, error);
    counters->global_step++;
    lode__optimise(&trainer->optimiser, trainer->model->params, counters->global_step, trainer->pool);
    lode__optimise(&trainer->optimiser, trainer->heads, counters->global_step, trainer->pool);
    for (size_t i = 0; i < trainer->objective_count; i++) {
        const lode_objective *objective = &trainer->objectives[i];
        if (objective->type->after_step != NULL) {
            objective->type->after_step(objective->state, trainer->model->params);
        }
    }
    counters->step++;
    counters->loss_sum += *loss;
    add_own_losses(trainer, graph);
    const double seconds = lode__clock() - start;
    trainer->seconds += seconds;
    if (counters->global_step > WARM_UP_STEPS) {
        trainer->timed_seconds += seconds;
        trainer->input_seconds += trainer->input_now;
        trainer->timed_examples += trainer->batcher.count;
    }
    return LODE_OK;
}

// --- epochs ---------------------------------------------------------------------------------------------

static bool asked_to_stop(const lode_trainer *trainer, double loss) {
    const lode_hooks *hooks = trainer->hooks;
    if (hooks == NULL || hooks->progress == NULL) return false;
    const lode_counters *counters = &trainer->counters;
    const uint64_t batch = (uint64_t)trainer->config->train.batch;
    const lode_progress progress = {
        .task = "train",
        .unit = "examples",
        .done = LODE_MIN(counters->step * batch, trainer->examples.count),
        .total = trainer->examples.count,
        .rate = trainer->timed_seconds > 0 ? (double)trainer->timed_examples / trainer->timed_seconds
                                           : 0.0,
        .loss = loss,
        .epoch = counters->epoch + 1,
        .epochs = trainer->epochs};
    return hooks->progress(hooks->cookie, &progress) != 0;
}

static lode_status stop(const lode_trainer *trainer, lode_error *error) {
    LODE_TRY(lode__checkpoint_save(trainer, error));
    return lode__fail(
        error, LODE_E_STOPPED,
        "stopped at epoch %llu, step %llu of %llu; a checkpoint is in %s: continue with --resume",
        (unsigned long long)trainer->counters.epoch + 1, (unsigned long long)trainer->counters.step,
        (unsigned long long)trainer->steps, trainer->run);
}

static lode_status run_epoch(lode_trainer *trainer, lode_error *error) {
    const uint64_t every = (uint64_t)trainer->config->train.checkpoint_every;
    while (trainer->counters.step < trainer->steps) {
        double loss;
        LODE_TRY(lode__trainer_step(trainer, &loss, error));
        if (asked_to_stop(trainer, loss)) return stop(trainer, error);
        if (every > 0 && trainer->counters.global_step % every == 0) {
            LODE_TRY(lode__checkpoint_save(trainer, error));
        }
    }
    return LODE_OK;
}

static lode_status validate(lode_trainer *trainer, lode_error *error) {
    trainer->validation = (double)NAN;
    if (trainer->cases.count == 0) return LODE_OK;
    lode_metrics metrics;
    const size_t cutoffs[] = {trainer->cutoff};
    LODE_TRY(lode__metrics_new(&metrics, cutoffs, 1, trainer->data->items.count,
                               trainer->data->active_items, NULL, error));
    lode__model_ranker_refresh(&trainer->ranker);
    const lode_status status =
        lode__evaluate(&trainer->cases, &trainer->ranker, trainer->exclude_seen, &metrics,
                       trainer->hooks, "validate", error);
    if (status == LODE_OK) trainer->validation = lode__metrics_value(&metrics, trainer->metric, 0);
    lode__metrics_release(&metrics);
    return status;
}

static lode_status write_manifest(const lode_trainer *trainer, bool finished, lode_error *error) {
    const lode_manifest manifest = {.data = trainer->data->file.path,
                                    .fingerprint = trainer->data->fingerprint,
                                    .finished = finished,
                                    .epochs = trainer->counters.epoch,
                                    .steps = trainer->counters.global_step,
                                    .best_epoch = trainer->counters.best_epoch,
                                    .best = trainer->counters.best};
    return lode__manifest_write(&manifest, trainer->run, error);
}

static lode_status save_weights(const lode_trainer *trainer, lode_error *error) {
    lode_arena arena = {0};
    const char *path = lode__path_join(&arena, trainer->run, LODE_WEIGHTS_FILE);
    lode_status status = path == NULL ? lode__fail_memory(error)
                                      : lode__weights_save(trainer->model->params, path, error);
    lode__arena_release(&arena);
    return status;
}

/// After the last step of an epoch: validate, keep the best weights, log, save.
static lode_status finish_epoch(lode_trainer *trainer, lode_error *error) {
    lode_counters *counters = &trainer->counters;
    // The last step's update was seen by no loss yet.
    if (not_finite(trainer) != NULL) return diverged(trainer, (double)NAN, error);
    const uint64_t epoch = counters->epoch + 1;
    const bool last = epoch == trainer->epochs;
    const bool due = epoch % (uint64_t)trainer->config->eval.every == 0 || last;
    trainer->validation = (double)NAN;
    const lode_status status = due ? validate(trainer, error) : LODE_OK;
    if (status == LODE_E_STOPPED) return stop(trainer, error);
    LODE_TRY(status);
    counters->epoch = epoch;
    LODE_TRY(lode__epoch_log(trainer, error));
    counters->step = 0;
    counters->loss_sum = 0.0;
    memset(counters->own_sums, 0, sizeof counters->own_sums);
    const bool blind = trainer->cases.count == 0; // nothing to choose by: the latest is kept
    if (blind || (due && !(trainer->validation <= counters->best))) {
        counters->best = trainer->validation;
        counters->best_epoch = epoch;
        counters->since_best = 0;
        LODE_TRY(save_weights(trainer, error));
        LODE_TRY(write_manifest(trainer, false, error));
    } else if (due) {
        counters->since_best++;
    }
    return lode__checkpoint_save(trainer, error);
}

lode_status lode__trainer_run(lode_trainer *trainer, lode_error *error) {
    lode_counters *counters = &trainer->counters;
    const uint64_t epochs = trainer->epochs;
    const uint64_t patience = (uint64_t)trainer->config->eval.patience;
    if (epochs == 0) LODE_TRY(save_weights(trainer, error));
    while (counters->epoch < epochs && (patience == 0 || counters->since_best < patience)) {
        LODE_TRY(run_epoch(trainer, error));
        LODE_TRY(finish_epoch(trainer, error));
    }
    LODE_TRY(write_manifest(trainer, true, error));
    const char *path = lode__path_join(&trainer->arena, trainer->run, LODE_CHECKPOINT_FILE);
    if (path != NULL) (void)unlink(path); // a finished run needs none
    return LODE_OK;
}

lode_memory lode__trainer_memory(const lode_trainer *trainer) {
    lode_memory memory = lode__memory_of(trainer->model->params, trainer->encoder, trainer->data);
    size_t state;
    memory.parameters += lode__params_bytes(trainer->heads, &state);
    memory.optimiser += state;
    memory.graphs += lode__packed_bytes(trainer->heads);
    for (size_t i = 0; i < trainer->stages; i++)
        memory.graphs += lode__graph_bytes(trainer->scenes[i].graph);
    for (size_t i = 0; i < trainer->objective_count; i++)
        memory.graphs += lode__objective_bytes(&trainer->objectives[i]);
    return memory;
}
