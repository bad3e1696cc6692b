#include "model/encoder.h"

#include <string.h>

static lode_tensor *user_vectors(const lode_encoder *encoder) {
    const lode_tower_outputs *outputs = &encoder->users->outputs;
    return outputs->interests != NULL ? outputs->interests : outputs->vector;
}

lode_status lode__encoder_new(lode_encoder **out, const lode_model_core *model,
                              const lode_params *params, size_t batch, lode_pool *pool,
                              lode_error *error) {
    lode_encoder *encoder = lode__alloc(1, sizeof *encoder);
    if (encoder == NULL) return lode__fail_memory(error);
    encoder->model = model;
    encoder->batch = batch;
    encoder->dim = model->item.width;
    encoder->interests = model->user.interests;
    lode_status status;
    LODE_GOTO(status, lode__graph_new(&encoder->item_graph, LODE_F32, false, pool, error), done);
    LODE_GOTO(status, lode__graph_new(&encoder->user_graph, LODE_F32, false, pool, error), done);
    encoder->items = lode__item_view_new(encoder->item_graph, model, params, batch);
    encoder->users = lode__user_view_new(encoder->user_graph, model, params, batch);
    if (encoder->items != NULL) lode__graph_keep(encoder->items->outputs.vector);
    if (encoder->users != NULL) lode__graph_keep(user_vectors(encoder));
    LODE_GOTO(status, lode__graph_finish(encoder->item_graph, error), done);
    LODE_GOTO(status, lode__graph_finish(encoder->user_graph, error), done);
done:
    if (status != LODE_OK) {
        lode__encoder_free(&encoder);
    } else {
        *out = encoder;
    }
    return status;
}

void lode__encoder_free(lode_encoder **encoder) {
    if (*encoder == NULL) return;
    lode__graph_free(&(*encoder)->item_graph);
    lode__graph_free(&(*encoder)->user_graph);
    lode__free(*encoder);
    *encoder = NULL;
}

void lode__encode_items(lode_encoder *encoder, float *vectors) {
    const uint32_t items = encoder->model->vocabulary->items;
    for (uint32_t first = 1; first <= items; first += (uint32_t)encoder->batch) {
        const uint32_t count = LODE_MIN((uint32_t)encoder->batch, items - first + 1);
        lode__item_view_begin(encoder->items);
        for (uint32_t i = 0; i < count; i++)
            (void)lode__item_view_slot(encoder->items, first + i);
        lode__item_view_fill(encoder->items);
        lode__graph_forward(encoder->item_graph);
        memcpy(vectors + (size_t)(first - 1) * encoder->dim, encoder->items->outputs.vector->value,
               count * encoder->dim * sizeof *vectors);
    }
}

void lode__encode_rows(lode_encoder *encoder, const uint32_t *rows, size_t count, float *vectors) {
    const size_t dim = encoder->dim;
    lode__item_view_begin(encoder->items);
    for (size_t i = 0; i < count; i++)
        (void)lode__item_view_slot(encoder->items, rows[i]);
    lode__item_view_fill(encoder->items);
    lode__graph_forward(encoder->item_graph);
    const float *found = encoder->items->outputs.vector->value;
    for (size_t i = 0; i < count; i++) {
        const size_t slot = (size_t)lode__item_view_find(encoder->items, rows[i]);
        memcpy(vectors + i * dim, found + slot * dim, dim * sizeof *vectors);
    }
}

void lode__encode_cold(lode_encoder *encoder, const lode_binding *binding, const uint32_t *numbers,
                       size_t count, float *vectors) {
    lode__item_view_fill_codes(encoder->items, binding->cold, numbers, count);
    lode__graph_forward(encoder->item_graph);
    memcpy(vectors, encoder->items->outputs.vector->value, count * encoder->dim * sizeof *vectors);
}

void lode__encode_users(lode_encoder *encoder, const lode_user_source *source, size_t count,
                        float *vectors) {
    lode__user_view_fill(encoder->users, source, count);
    lode__graph_forward(encoder->user_graph);
    const size_t dim = encoder->dim, most = encoder->interests;
    const lode_lists *lists = encoder->users->outputs.interest_lists;
    const float *found = user_vectors(encoder)->value;
    for (size_t user = 0; user < count; user++) {
        const size_t begin = lists != NULL ? (size_t)lists->offsets[user] : user;
        const size_t end = lists != NULL ? (size_t)lists->offsets[user + 1] : user + 1;
        for (size_t k = 0; k < most; k++, vectors += dim) {
            const size_t from = begin + k < end ? begin + k : begin;
            memcpy(vectors, found + from * dim, dim * sizeof *vectors);
        }
    }
}
