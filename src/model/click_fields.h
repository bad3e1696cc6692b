/// Item fields of the clicks of a history, for user towers that look at more of a click than its id.
///
/// A tower says in `declare` which fields it wants; user views then give it their codes (lode_tower_inputs.clicked), in
/// the order of the clicks. A tower that wants none has nothing of this: no inputs, no parameters, no time.
#ifndef LODE_MODEL_CLICK_FIELDS_H
#define LODE_MODEL_CLICK_FIELDS_H

#include "model/tower.h"

/// What a tower wants; part of its state.
struct lode_click_fields {
    const lode_field *fields[LODE_FIELDS]; ///< in the order of the vocabulary
    size_t count;
    bool pooled; ///< a multi-valued field has a list a user, of all its clicks' values, and not one a click
    size_t weight; ///< lode__click_rows_declare: parameter [sum of the fields' dims, d]; none where count is 0
};

/// The row of a tower's table of keys; the member is `lode_texts history_fields`.
#define LODE_HISTORY_FIELDS_KEY(config)                                                            \
    {                                                                                              \
        .name = "history_fields", .type = LODE_KEY_TEXTS,                                          \
        .offset = offsetof(config, history_fields), .fallback = "[]",                              \
        .help = "Item fields that each click of the history shows besides the id: names of "       \
                "fields.item, or auto (all but the id). Their embeddings, linear to the id's "     \
                "dimension, are added to the click's row."                                         \
    }

/// All item fields but the id.
void lode__click_fields_all(lode_click_fields *self, const lode_vocabulary *vocabulary);

/// Fields by key `history_fields` and their projection to d, the dimension of the item id.
/// @return LODE_E_CONFIG for a name that is not used as an item field, the id, a name that stands twice
LODE_CHECK lode_status lode__click_rows_declare(lode_click_fields *self, const lode_texts *names,
                                                const lode_tower_setting *setting, lode_error *error);
/// rows [positions, d] + W [e_1; ...; e_n], with e_f [positions, dim of f] the embedding of field f (multi-valued: the
/// mean of its values, none: zeros); `rows` as they are where no field is wanted.
lode_tensor *lode__click_rows_add(const lode_click_fields *self, lode_graph *graph,
                                  const lode_params *params, const lode_tower_inputs *inputs,
                                  lode_tensor *rows);
/// With `pooled`: means over the history [users, dim], one a field; an empty one gives zeros. The item id's comes first, from
/// the clicks themselves. `parts` has room for LODE_FIELDS.
/// @return their number, self->count + 1
size_t lode__click_means(const lode_click_fields *self, lode_graph *graph, const lode_params *params,
                         const lode_tower_inputs *inputs, lode_param *items, lode_part_of_row *parts);

#endif
