/// Cold items: items of a data set that training never saw, as the item tower sees them.
///
/// Their id is row 0 (unknown), and their columns go through the vocabulary's dictionaries like those of any item.
/// Everything comes from the data set at hand; a bundle knows nothing of them.
#include "model/vocabulary.h"

static lode_status id_codes(lode_binding *binding, lode_codes *codes, lode_error *error) {
    const size_t count = binding->cold_count;
    codes->starts = lode__arena_alloc(&binding->arena, count + 1, sizeof *codes->starts);
    codes->codes = lode__arena_alloc(&binding->arena, count, sizeof *codes->codes); // zeros: unknown
    if (codes->starts == NULL || codes->codes == NULL) return lode__fail_memory(error);
    for (size_t i = 0; i <= count; i++)
        codes->starts[i] = i;
    return LODE_OK;
}

static lode_status field_codes(lode_binding *binding, size_t number, lode_error *error) {
    const lode_field *field = &binding->vocabulary->fields[number];
    const lode_dataset *data = binding->data;
    lode_codes *codes = &binding->cold[number];
    const lode_column *column =
        field->is_id ? NULL
                     : lode__column_find(data->item_columns, data->item_column_count, field->name);
    if (column != NULL && column->type != field->type) {
        return lode__fail(error, LODE_E_MISMATCH,
                          "%s: item column %s is not of the type that the model was trained on",
                          data->file.path, field->name);
    }
    if (column != NULL) {
        return lode__column_codes(&binding->arena, column, field, binding->cold_items,
                                  binding->cold_count, codes, error);
    }
    if (!field->multi) return id_codes(binding, codes, error);
    codes->starts =
        lode__arena_alloc(&binding->arena, (size_t)binding->cold_count + 1, sizeof *codes->starts);
    return codes->starts == NULL ? lode__fail_memory(error) : LODE_OK;
}

lode_status lode__binding_cold(lode_binding *binding, lode_error *error) {
    if (binding->cold_items != NULL) return LODE_OK;
    const uint32_t items = binding->data->items.count;
    uint32_t count = 0;
    for (uint32_t item = 0; item < items; item++)
        count += binding->item_row[item] == 0;
    uint32_t *list = lode__arena_alloc(&binding->arena, count, sizeof *list);
    if (list == NULL) return lode__fail_memory(error);
    for (uint32_t item = 0; item < items; item++) {
        if (binding->item_row[item] == 0) list[binding->cold_count++] = item;
    }
    binding->cold_items = list;
    for (size_t i = 0; i < binding->vocabulary->count; i++) {
        if (binding->vocabulary->fields[i].side == LODE_SIDE_ITEM)
            LODE_TRY(field_codes(binding, i, error));
    }
    return LODE_OK;
}
