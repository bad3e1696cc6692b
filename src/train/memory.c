#include "train/memory.h"

#include "base/usage.h"

lode_memory lode__memory_of(const lode_params *params, const lode_encoder *encoder,
                            const lode_dataset *data) {
    size_t state;
    lode_memory memory = {.parameters = lode__params_bytes(params, &state)};
    memory.optimiser = state;
    const lode_mapping *mapping = &data->file.mapping;
    memory.data = lode__resident(mapping->data, mapping->size, NULL);
    if (encoder != NULL) {
        memory.graphs =
            lode__graph_bytes(encoder->user_graph) + lode__graph_bytes(encoder->item_graph);
    }
    return memory;
}

static void add(json_t *report, const char *key, uint64_t bytes) {
    (void)json_object_set_new(report, key, json_integer((json_int_t)bytes));
}

void lode__memory_report(const lode_memory *memory, json_t *report) {
    add(report, "parameter_bytes", memory->parameters);
    add(report, "optimiser_bytes", memory->optimiser);
    add(report, "graph_bytes", memory->graphs);
    add(report, "data_bytes", memory->data);
    add(report, "peak_rss_bytes", lode__peak_resident());
}
