/// Where the memory of a training or a measurement is: what every run reports beside its peak.
///
/// The peak cannot be less than parameters + optimiser + data touched. What else there is are graphs, which grow with
/// the batch and not with the model, and in `other` the rest: vocabulary, split, item vectors of validation, the
/// program itself.
#ifndef LODE_TRAIN_MEMORY_H
#define LODE_TRAIN_MEMORY_H

#include <jansson.h>

#include "data/dataset.h"
#include "model/encoder.h"

typedef struct lode_memory {
    uint64_t parameters; ///< weights
    uint64_t optimiser;  ///< moments, and gradients of dense weights
    uint64_t graphs; ///< values, gradients, work space, inputs and packed weights; key encoders', and what objectives keep from step to step (queues, momentum copies)
    uint64_t data;   ///< pages of the data set that were touched
} lode_memory;

/// Count parameters, the encoder's graphs (NULL = none) and the data set.
lode_memory lode__memory_of(lode_params *params, const lode_encoder *encoder,
                            const lode_dataset *data);
/// Add parameter_bytes, optimiser_bytes, graph_bytes, data_bytes and peak_rss_bytes.
void lode__memory_report(const lode_memory *memory, json_t *report);

#endif
