/// projected: the label side of CLRec's production encoder (Zhou et al. 2021, appendix B). An item's vector is its id's
/// embedding plus a linear map of the embeddings of its other fields, the row that user tower wha has of a click, less
/// time and position:
///
///     v = e_id + W [e_1; ...; e_n]
///
/// W [sum of the fields' dims, d] is the parameter "item.fields.weight", which wha shares (share_fields).
#include "model/tower.h"

typedef struct lode_projected {
    bool fields; ///< there are others than the id
    size_t weight;
} lode_projected;

static const lode_key keys[] = {{0}};

static lode_status declare(void *state, const void *config, const lode_tower_setting *setting,
                           size_t *width, lode_error *error) {
    (void)config;
    (void)error;
    lode_projected *self = state;
    const size_t d = setting->vocabulary->fields[setting->vocabulary->item_id].dim;
    const size_t others = lode__field_width(setting->vocabulary, LODE_SIDE_ITEM) - d;
    self->fields = others > 0;
    if (self->fields) {
        self->weight = lode__param_dense(setting->params, "item.fields.weight", others, d,
                                         LODE_INIT_XAVIER, 1.0);
    }
    *width = d;
    return LODE_OK;
}

static void apply(const void *state, lode_graph *graph, const lode_params *params,
                  const lode_tower_inputs *inputs, lode_tower_outputs *outputs) {
    const lode_projected *self = state;
    lode_part_of_row parts[LODE_FIELDS];
    const size_t count = lode__field_parts(graph, params, inputs, parts); // the id's comes first
    outputs->raw_fields = lode__concat(graph, parts, count);
    if (inputs->raw_only) return;
    outputs->vector = parts[0].tensor;
    if (!self->fields) return;
    lode_tensor *x = lode__concat(graph, parts + 1, count - 1);
    x = lode__linear(graph, x, lode__param(params, self->weight), NULL, LODE_LINEAR);
    outputs->vector = lode__add(graph, parts[0].tensor, x);
}

const lode_tower_type lode__tower_projected = {
    .name = "projected",
    .help = "The item id's embedding plus a linear map of the other fields' (CLRec's label-side "
            "features).",
    .side = LODE_SIDE_ITEM,
    .gives = LODE_NEED_VECTOR | LODE_NEED_RAW_FIELDS,
    .keys = keys,
    .config_size = 0,
    .state_size = sizeof(lode_projected),
    .declare = declare,
    .apply = apply};
