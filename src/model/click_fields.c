#include "model/click_fields.h"

#include <stdio.h>
#include <string.h>

static bool is_choice(const lode_field *field) {
    return field->side == LODE_SIDE_ITEM && !field->is_id;
}

void lode__click_fields_all(lode_click_fields *self, const lode_vocabulary *vocabulary) {
    self->count = 0;
    for (size_t i = 0; i < vocabulary->count; i++) {
        if (is_choice(&vocabulary->fields[i])) self->fields[self->count++] = &vocabulary->fields[i];
    }
}

static lode_status unknown_field(const lode_vocabulary *vocabulary, const lode_tower_setting *setting,
                                 const char *name, lode_error *error) {
    const char *names[LODE_FIELDS];
    char subject[128];
    size_t count = 0;
    for (size_t i = 0; i < vocabulary->count; i++) {
        if (is_choice(&vocabulary->fields[i])) names[count++] = vocabulary->fields[i].name;
    }
    if (count == 0) {
        return lode__fail(
            error, LODE_E_CONFIG,
            "model.%s.history_fields names %s, but section fields takes no item field "
            "of this data besides the id: leave it out, or give auto",
            setting->prefix, name);
    }
    (void)snprintf(subject, sizeof subject,
                   "model.%s.history_fields: no item field in use is called", setting->prefix);
    return lode__fail_unknown(error, LODE_E_CONFIG, subject, name, names, count);
}

/// Mark a named field in `chosen`, by number.
static lode_status choose(bool *chosen, const char *name, const lode_tower_setting *setting,
                          lode_error *error) {
    const lode_vocabulary *vocabulary = setting->vocabulary;
    if (strcmp(name, "id") == 0) {
        return lode__fail(
            error, LODE_E_CONFIG,
            "model.%s.history_fields names id, which a click's row always begins with: "
            "leave it out",
            setting->prefix);
    }
    for (size_t i = 0; i < vocabulary->count; i++) {
        if (!is_choice(&vocabulary->fields[i]) || strcmp(vocabulary->fields[i].name, name) != 0)
            continue;
        if (chosen[i]) {
            return lode__fail(error, LODE_E_CONFIG, "model.%s.history_fields: %s stands twice",
                              setting->prefix, name);
        }
        chosen[i] = true;
        return LODE_OK;
    }
    return unknown_field(vocabulary, setting, name, error);
}

static lode_status find(lode_click_fields *self, const lode_texts *names,
                        const lode_tower_setting *setting, lode_error *error) {
    bool chosen[LODE_FIELDS] = {false}, all = false;
    for (size_t i = 0; i < names->count; i++) {
        if (strcmp(names->values[i], "auto") == 0) {
            all = true;
        } else {
            LODE_TRY(choose(chosen, names->values[i], setting, error));
        }
    }
    lode__click_fields_all(self, setting->vocabulary);
    if (all) return LODE_OK;
    self->count = 0;
    for (size_t i = 0; i < setting->vocabulary->count; i++) {
        if (chosen[i]) self->fields[self->count++] = &setting->vocabulary->fields[i];
    }
    return LODE_OK;
}

lode_status lode__click_rows_declare(lode_click_fields *self, const lode_texts *names,
                                     const lode_tower_setting *setting, lode_error *error) {
    *self = (lode_click_fields){0};
    LODE_TRY(find(self, names, setting, error));
    if (self->count == 0) return LODE_OK;
    size_t width = 0;
    for (size_t i = 0; i < self->count; i++)
        width += self->fields[i]->dim;
    char name[64];
    (void)snprintf(name, sizeof name, "%s.history.fields.weight", setting->prefix);
    const size_t d = setting->vocabulary->fields[setting->vocabulary->item_id].dim;
    self->weight = lode__param_dense(setting->params, name, width, d, LODE_INIT_XAVIER, 1.0);
    return LODE_OK;
}

lode_tensor *lode__click_rows_add(const lode_click_fields *self, lode_graph *graph,
                                  const lode_params *params, const lode_tower_inputs *inputs,
                                  lode_tensor *rows) {
    if (self->count == 0) return rows;
    lode_part_of_row parts[LODE_FIELDS];
    for (size_t i = 0; i < self->count; i++) {
        const lode_field_input *input = &inputs->clicked[i];
        parts[i] = (lode_part_of_row){
            .tensor = lode__embedding(graph, lode__param(params, input->field->table), input->ids,
                                      input->lists, LODE_POOL_MEAN)};
    }
    lode_tensor *x = lode__concat(graph, parts, self->count);
    x = lode__linear(graph, x, lode__param(params, self->weight), NULL, LODE_LINEAR);
    return lode__add(graph, rows, x);
}

size_t lode__click_means(const lode_click_fields *self, lode_graph *graph,
                         const lode_params *params, const lode_tower_inputs *inputs,
                         lode_param *items, lode_part_of_row *parts) {
    parts[0] = (lode_part_of_row){
        .tensor = lode__embedding(graph, items, inputs->clicks, inputs->history, LODE_POOL_MEAN)};
    for (size_t i = 0; i < self->count; i++) {
        const lode_field_input *input = &inputs->clicked[i];
        parts[i + 1] = (lode_part_of_row){
            .tensor = lode__embedding(graph, lode__param(params, input->field->table), input->ids,
                                      input->lists != NULL ? input->lists : inputs->history,
                                      LODE_POOL_MEAN)};
    }
    return self->count + 1;
}
