#include "objective/key_encoder.h"

#include <string.h>

#include "graph/packed.h"

/// Mark the weights that a side's tower reads, by building it once.
static lode_status trace(const lode_model_core *model, lode_side side, bool *asked,
                         lode_error *error) {
    lode_params *params = NULL;
    lode_graph *graph = NULL;
    lode_status status = lode__params_shadow(&params, model->params, NULL, error);
    if (status == LODE_OK) status = lode__graph_new(&graph, LODE_F32, false, NULL, error);
    if (status == LODE_OK) {
        params->asked = asked;
        if (side == LODE_SIDE_ITEM) {
            (void)lode__item_view_new(graph, model, params, 1);
        } else {
            (void)lode__user_view_new(graph, model, params, 1);
        }
        if (graph->failed) status = lode__fail_memory(error);
    }
    lode__graph_free(&graph);
    lode__params_free(&params);
    return status;
}

static lode_status check_counterparts(const lode_params *params, const bool *item, const bool *user,
                                      lode_error *error) {
    for (size_t i = 0; i < params->count; i++) {
        if (!item[i] || user[i]) continue;
        return lode__fail(
            error, LODE_E_CONFIG,
            "clrec.contrast: moco: strict needs every weight of the item tower in the "
            "user tower, and %s is not there: take model.item.tower: id with a user "
            "tower that reads the history, or moco: live",
            params->list[i]->name);
    }
    return LODE_OK;
}

lode_status lode__key_encoder_prepare(lode_key_encoder *self, const lode_model_core *model,
                                      lode_side side, double momentum, bool strict,
                                      lode_error *error) {
    const lode_params *params = model->params;
    bool *own = lode__alloc(2 * params->count, sizeof *own);
    bool *user = own != NULL ? own + params->count : NULL;
    lode_status status = own == NULL ? lode__fail_memory(error) : LODE_OK;
    assert(!strict || side == LODE_SIDE_ITEM);
    self->model = model;
    self->side = side;
    self->momentum = momentum;
    if (status == LODE_OK) status = trace(model, side, own, error);
    if (status == LODE_OK && strict) status = trace(model, LODE_SIDE_USER, user, error);
    if (status == LODE_OK && strict) status = check_counterparts(params, own, user, error);
    if (status == LODE_OK)
        status = lode__params_shadow(&self->keys, params, momentum > 0 ? own : NULL, error);
    lode__free(own);
    return status;
}

lode_status lode__key_encoder_build(lode_key_encoder *self, const lode_graph *like, size_t capacity,
                                    lode_error *error) {
    LODE_TRY(lode__graph_new(&self->graph, like->precision, false, like->pool, error));
    if (self->side == LODE_SIDE_ITEM) {
        self->view = lode__item_view_new(self->graph, self->model, self->keys, capacity);
        if (self->view != NULL) lode__graph_keep(self->view->outputs.vector);
    } else {
        self->users = lode__user_view_new(self->graph, self->model, self->keys, capacity);
        if (self->users != NULL) lode__graph_keep(self->users->outputs.vector);
        if (self->users != NULL && self->users->outputs.scores != NULL)
            lode__graph_keep(self->users->outputs.scores);
    }
    return lode__graph_finish(self->graph, error);
}

void lode__key_encoder_run(lode_key_encoder *self, const uint32_t *rows, size_t count) {
    lode__item_view_begin(self->view);
    for (size_t i = 0; i < count; i++)
        (void)lode__item_view_slot(self->view, rows[i]);
    lode__item_view_fill(self->view);
    lode__graph_forward(self->graph);
}

static void read_row(const lode_graph *graph, const lode_tensor *from, size_t row, float *vector) {
    for (size_t i = 0; i < from->columns; i++)
        vector[i] = (float)lode__tensor_get(graph, from, row, i);
}

void lode__key_encoder_vector(const lode_key_encoder *self, uint32_t row, float *vector) {
    const size_t slot = (size_t)lode__item_view_find(self->view, row);
    read_row(self->graph, self->view->outputs.vector, slot, vector);
}

void lode__key_encoder_run_users(lode_key_encoder *self, const lode_user_source *users, size_t count) {
    lode__user_view_fill(self->users, users, count);
    lode__graph_forward(self->graph);
}

void lode__key_encoder_user(const lode_key_encoder *self, size_t index, float *vector) {
    read_row(self->graph, self->users->outputs.vector, index, vector);
}

void lode__key_encoder_follow(lode_key_encoder *self, const lode_params *params) {
    lode__params_follow(self->keys, params, self->momentum);
}

size_t lode__key_encoder_arrays(const lode_key_encoder *self, lode_state_array *arrays) {
    const lode_params *copy = self->keys;
    if (copy == NULL || copy->block == NULL) return 0;
    arrays[0] = (lode_state_array){"momentum", copy->block,
                                   copy->block_count * lode__real_size(copy->precision)};
    return 1;
}

size_t lode__key_encoder_bytes(const lode_key_encoder *self) {
    return (self->graph != NULL ? lode__graph_bytes(self->graph) : 0) +
           (self->keys != NULL ? lode__packed_bytes(self->keys) : 0);
}

void lode__key_encoder_restored(lode_key_encoder *self) {
    if (self->keys != NULL) self->keys->version++;
}

void lode__key_encoder_release(lode_key_encoder *self) {
    lode__graph_free(&self->graph);
    lode__params_free(&self->keys);
}
