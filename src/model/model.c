#include "model/model.h"

#include <math.h>
#include <stdio.h>

static const char *const scorers[] = {"dot", "cosine", NULL};

const lode_key lode__model_keys[] = {
    {.name = "dim",
     .type = LODE_KEY_INT,
     .offset = offsetof(lode_model_options, dim),
     .fallback = "64",
     .low = 1,
     .high = 4096,
     .help = "Dimension of field embeddings."},
    {.name = "user",
     .type = LODE_KEY_NODE,
     .offset = offsetof(lode_model_options, user),
     .help = "The user tower: {tower: NAME, and its keys}; `help tower` lists them."},
    {.name = "item",
     .type = LODE_KEY_NODE,
     .offset = offsetof(lode_model_options, item),
     .help = "The item tower: {tower: NAME, and its keys}."},
    {.name = "scorer",
     .type = LODE_KEY_CHOICE,
     .offset = offsetof(lode_model_options, scorer),
     .fallback = "dot",
     .choices = scorers,
     .help = "Score of a user and an item: inner product, or cosine (objectives divide by their "
             "temperature)."},
    {.name = "init",
     .type = LODE_KEY_REAL,
     .offset = offsetof(lode_model_options, init),
     .fallback = "0.05",
     .low = 0,
     .high = 10,
     .help =
         "Standard deviation of new embedding rows; 0 = sqrt(2 / (rows + dim)), Glorot normal."},
    {0}};

static void declare_tables(lode_model_core *model) {
    for (size_t i = 0; i < model->vocabulary->count; i++) {
        lode_field *field = &model->vocabulary->fields[i];
        static const char *const sides[] = {"item", "user", "context"};
        char name[160];
        (void)snprintf(name, sizeof name, "%s.%.120s", sides[field->side], field->name);
        const double init = model->options.init > 0 ? model->options.init
                                                    : sqrt(2.0 / (double)(field->rows + field->dim));
        field->table =
            lode__param_table(model->params, name, field->rows, field->dim, LODE_INIT_NORMAL, init);
    }
}

static bool biased(const lode_model_core *model) {
    const lode_tower *item = &model->item;
    return item->type->biased != NULL && item->type->biased(item->config);
}

static lode_status declare_towers(lode_model_core *model, lode_error *error) {
    lode_tower_setting setting = {.params = model->params,
                                  .vocabulary = model->vocabulary,
                                  .history = model->history,
                                  .dim = (size_t)model->options.dim};
    setting.side = LODE_SIDE_ITEM;
    setting.prefix = "item";
    LODE_TRY(lode__tower_new(&model->item, model->options.item, &model->arena, &setting, error));
    setting.side = LODE_SIDE_USER;
    setting.prefix = "user";
    LODE_TRY(lode__tower_new(&model->user, model->options.user, &model->arena, &setting, error));
    if (biased(model)) {
        if (model->options.scorer == LODE_SCORER_COSINE) {
            return lode__fail(error, LODE_E_CONFIG,
                              "model.item.bias adds a number to scores, which model.scorer: cosine "
                              "has no place for: take scorer: dot, or bias: false");
        }
        model->user.width++;
    }
    if (model->user.width != model->item.width) {
        return lode__fail(
            error, LODE_E_CONFIG,
            "the user tower %s gives vectors of %zu numbers and the item tower %s of %zu: they "
            "must "
            "be equal (set the last of model.user.layers, or model.item.layers or model.dim)",
            model->user.type->name, model->user.width, model->item.type->name, model->item.width);
    }
    return LODE_OK;
}

lode_status lode__model_core_new(lode_model_core **out, const lode_model_options *options,
                                 size_t history, lode_vocabulary *vocabulary, uint64_t seed,
                                 lode_error *error) {
    lode_model_core *model = lode__alloc(1, sizeof *model);
    lode_status status = LODE_OK;
    if (model == NULL) {
        lode__vocabulary_free(&vocabulary);
        return lode__fail_memory(error);
    }
    model->options = *options;
    model->history = history;
    model->vocabulary = vocabulary;
    LODE_GOTO(status, lode__params_new(&model->params, LODE_F32, error), done);
    declare_tables(model);
    LODE_GOTO(status, declare_towers(model, error), done);
    status = lode__params_finish(model->params, seed, error);
done:
    if (status != LODE_OK) {
        lode__model_core_free(&model);
    } else {
        *out = model;
    }
    return status;
}

void lode__model_core_free(lode_model_core **model) {
    if (*model == NULL) return;
    lode__params_free(&(*model)->params);
    lode__vocabulary_free(&(*model)->vocabulary);
    lode__arena_release(&(*model)->arena);
    lode__free(*model);
    *model = NULL;
}

void lode__tower_apply(const lode_model_core *model, lode_side side, lode_graph *graph,
                       const lode_params *params, const lode_tower_inputs *inputs,
                       lode_tower_outputs *outputs) {
    const lode_tower *tower = side == LODE_SIDE_ITEM ? &model->item : &model->user;
    *outputs = (lode_tower_outputs){0};
    tower->type->apply(tower->state, graph, params, inputs, outputs);
    if (inputs->raw_only) return;
    if (side != LODE_SIDE_ITEM) {
        outputs->interests = lode__user_ready(model, graph, outputs->interests);
        if (outputs->interests == NULL)
            outputs->vector = lode__user_ready(model, graph, outputs->vector);
    } else if (model->options.scorer == LODE_SCORER_COSINE) {
        outputs->vector = lode__normalize(graph, outputs->vector);
    }
}

lode_tensor *lode__user_ready(const lode_model_core *model, lode_graph *graph, lode_tensor *vectors) {
    if (vectors == NULL) return NULL;
    if (biased(model))
        return lode__factors(graph, vectors, vectors->columns, LODE_FACTORS_ONE, NULL);
    return model->options.scorer == LODE_SCORER_COSINE ? lode__normalize(graph, vectors) : vectors;
}

lode_click_wants lode__model_click_wants(const lode_model_core *model) {
    const lode_tower *user = &model->user;
    return user->type->click_wants != NULL ? user->type->click_wants(user->state)
                                           : (lode_click_wants){0};
}

lode_tensor *lode__tower_query(const lode_model_core *model, lode_graph *graph,
                               const lode_tower_outputs *outputs, lode_tensor *items,
                               lode_ids *targets) {
    const lode_tower *user = &model->user;
    if (user->type->interests == NULL) return outputs->vector;
    const lode_interests *interests = user->type->interests(user->config);
    const lode_readout spec = {.hard = interests->attention == 0, .power = interests->power};
    lode_tensor *query =
        lode__readout(graph, outputs->interests, outputs->interest_lists, items, targets, &spec);
    // a mean of unit vectors is shorter than they
    const bool mixed = !spec.hard && model->options.scorer == LODE_SCORER_COSINE;
    return mixed ? lode__normalize(graph, query) : query;
}

lode_tensor *lode__tower_states(const lode_model_core *model, lode_graph *graph,
                                const lode_tower_outputs *outputs) {
    return lode__user_ready(model, graph, outputs->positions);
}
