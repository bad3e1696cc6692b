#include "model/tower.h"

#include <string.h>

extern const lode_tower_type lode__tower_ican, lode__tower_youtubednn, lode__tower_dssm,
    lode__tower_sasrec, lode__tower_fm_user, lode__tower_deepfm_user, lode__tower_autoint_user,
    lode__tower_mlp, lode__tower_id, lode__tower_fm_item, lode__tower_deepfm_item,
    lode__tower_autoint_item, lode__tower_wha, lode__tower_projected, lode__tower_mind,
    lode__tower_bert4rec;

const lode_tower_type *const lode__towers[] = {&lode__tower_ican,
                                               &lode__tower_youtubednn,
                                               &lode__tower_dssm,
                                               &lode__tower_sasrec,
                                               &lode__tower_fm_user,
                                               &lode__tower_deepfm_user,
                                               &lode__tower_autoint_user,
                                               &lode__tower_mlp,
                                               &lode__tower_id,
                                               &lode__tower_fm_item,
                                               &lode__tower_deepfm_item,
                                               &lode__tower_autoint_item,
                                               &lode__tower_wha,
                                               &lode__tower_projected,
                                               &lode__tower_mind,
                                               &lode__tower_bert4rec,
                                               NULL};

const lode_tower_type *lode__tower_find(const char *name, lode_side side) {
    for (size_t i = 0; lode__towers[i] != NULL; i++) {
        if (lode__towers[i]->side == side && strcmp(lode__towers[i]->name, name) == 0) {
            return lode__towers[i];
        }
    }
    return NULL;
}

static lode_status unknown_tower(const lode_node *node, const char *name, lode_side side,
                                 lode_error *error) {
    const char *names[16];
    size_t count = 0;
    for (size_t i = 0; lode__towers[i] != NULL && count < 16; i++) {
        if (lode__towers[i]->side == side) names[count++] = lode__towers[i]->name;
    }
    lode_arena arena = {0};
    const char *subject =
        lode__arena_printf(&arena, "%s: unknown %s tower",
                           node != NULL ? lode__node_where(&arena, node) : "configuration",
                           side == LODE_SIDE_ITEM ? "item" : "user");
    const lode_status status =
        subject == NULL ? lode__fail_memory(error)
                        : lode__fail_unknown(error, LODE_E_CONFIG, subject, name, names, count);
    lode__arena_release(&arena);
    return status;
}

lode_status lode__tower_read(lode_tower *tower, const lode_node *part, lode_side side,
                             lode_arena *arena, lode_error *error) {
    static const char *const skip[] = {"tower", NULL};
    *tower = (lode_tower){0};
    const lode_node *name = lode__node_get(part, "tower");
    const char *wanted = side == LODE_SIDE_ITEM ? "mlp" : "ican";
    if (name != NULL && name->kind == LODE_NODE_SCALAR) wanted = name->text;
    tower->type = lode__tower_find(wanted, side);
    if (tower->type == NULL) return unknown_tower(name, wanted, side, error);
    tower->side = side;
    tower->config = lode__arena_alloc(arena, 1, LODE_MAX(tower->type->config_size, (size_t)1));
    tower->state = lode__arena_alloc(arena, 1, LODE_MAX(tower->type->state_size, (size_t)1));
    if (tower->config == NULL || tower->state == NULL) return lode__fail_memory(error);
    const char *path = side == LODE_SIDE_ITEM ? "model.item" : "model.user";
    LODE_TRY(lode__config_read(arena, part, path, tower->type->keys, skip, tower->config, error));
    tower->gives = tower->type->gives;
    if (tower->type->lacks != NULL) tower->gives &= ~tower->type->lacks(tower->config);
    tower->interests =
        tower->type->interests != NULL ? (size_t)tower->type->interests(tower->config)->count : 1;
    return LODE_OK;
}

lode_status lode__tower_new(lode_tower *tower, const lode_node *part, lode_arena *arena,
                            const lode_tower_setting *setting, lode_error *error) {
    LODE_TRY(lode__tower_read(tower, part, setting->side, arena, error));
    LODE_TRY(tower->type->declare(tower->state, tower->config, setting, &tower->width, error));
    if (tower->type->gives & LODE_NEED_RAW_FIELDS) {
        tower->raw_width = tower->type->raw_width != NULL
                               ? tower->type->raw_width(tower->state)
                               : lode__field_width(setting->vocabulary, setting->side);
    }
    return LODE_OK;
}

lode_tensor *lode__field_part(lode_graph *graph, const lode_params *params,
                              const lode_tower_inputs *inputs, size_t number) {
    const lode_field_input *input = &inputs->fields[number];
    lode_tensor *part = lode__embedding(graph, lode__param(params, input->field->table), input->ids,
                                        input->lists, LODE_POOL_MEAN);
    // fields of one width must not lose the same elements
    return lode__mask(graph, part, inputs->entities, inputs->mask,
                      inputs->purpose ^ (uint32_t)number << 24);
}

size_t lode__field_parts(lode_graph *graph, const lode_params *params,
                         const lode_tower_inputs *inputs, lode_part_of_row *parts) {
    for (size_t i = 0; i < inputs->field_count; i++) {
        parts[i] = (lode_part_of_row){.tensor = lode__field_part(graph, params, inputs, i)};
    }
    return inputs->field_count;
}

size_t lode__pooled_parts(lode_graph *graph, const lode_params *params,
                          const lode_tower_inputs *inputs, lode_param *items,
                          lode_part_of_row *parts) {
    size_t count = 0;
    if (inputs->history != NULL) {
        parts[count++] = (lode_part_of_row){
            .tensor = lode__embedding(graph, items, inputs->clicks, inputs->history, LODE_POOL_MEAN)};
    }
    return count + lode__field_parts(graph, params, inputs, parts + count);
}

lode_status lode__equal_parts(const lode_tower_setting *setting, const char *tower, size_t *count,
                              lode_error *error) {
    const lode_vocabulary *vocabulary = setting->vocabulary;
    const lode_field *item = &vocabulary->fields[vocabulary->item_id];
    *count = setting->side == LODE_SIDE_ITEM ? 0 : 1;
    for (size_t i = 0; i < vocabulary->count; i++) {
        const lode_field *field = &vocabulary->fields[i];
        if ((field->side == LODE_SIDE_ITEM) != (setting->side == LODE_SIDE_ITEM)) continue;
        if (field->dim != item->dim) {
            return lode__fail(error, LODE_E_CONFIG,
                              "the %s tower %s needs fields of equal dimension, but field %s has "
                              "%zu and the item id %zu: leave out its dim in section fields",
                              setting->prefix, tower, field->name, field->dim, item->dim);
        }
        *count += 1;
    }
    if (*count > LODE_CONCAT_PARTS) {
        return lode__fail(error, LODE_E_CONFIG, "the %s tower %s takes %d fields at most, not %zu",
                          setting->prefix, tower, LODE_CONCAT_PARTS, *count);
    }
    return LODE_OK;
}

size_t lode__field_width(const lode_vocabulary *vocabulary, lode_side side) {
    size_t width = 0;
    for (size_t i = 0; i < vocabulary->count; i++) {
        const lode_field *field = &vocabulary->fields[i];
        if ((field->side == LODE_SIDE_ITEM) == (side == LODE_SIDE_ITEM)) width += field->dim;
    }
    return width;
}

lode_status lode__check_heads(const lode_tower_setting *setting, size_t heads, size_t d,
                              const char *what, lode_error *error) {
    if (d % heads == 0) return LODE_OK;
    return lode__fail(error, LODE_E_CONFIG,
                      "model.%s.heads is %zu, but %s %zu dimensions: heads must divide them",
                      setting->prefix, heads, what, d);
}
