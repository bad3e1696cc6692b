/// The bundle: a folder that holds a trained model whole (DESIGN: "what is on disk").
///
///     config.yaml         the resolved configuration, every default written out
///     vocabulary          what the rows of tables mean (model/vocabulary.h)
///     model.safetensors   weights by name; no time, path or thread count in it
///     manifest.json       versions, the data set's path and fingerprint, best metrics, finished or not
///     metrics.jsonl       one line an epoch
///     checkpoint.safetensors   weights, optimiser state and counters, while training is not finished
#ifndef LODE_TRAIN_BUNDLE_H
#define LODE_TRAIN_BUNDLE_H

#include "base/safetensors.h"
#include "train/config.h"

#define LODE_CONFIG_FILE     "config.yaml"
#define LODE_VOCABULARY_FILE "vocabulary"
#define LODE_WEIGHTS_FILE    "model.safetensors"
#define LODE_MANIFEST_FILE   "manifest.json"
#define LODE_METRICS_FILE    "metrics.jsonl"
#define LODE_CHECKPOINT_FILE "checkpoint.safetensors"

/// What the manifest says.
typedef struct lode_manifest {
    const char *data; ///< path of the data set as it was given, made absolute
    uint64_t fingerprint;
    bool finished;
    uint64_t epochs, steps, best_epoch;
    double best; ///< value of eval.valid at the best epoch; NaN without validation
} lode_manifest;

/// An opened bundle: the model with its best weights, read-only.
typedef struct lode_bundle {
    lode_config config;
    lode_manifest manifest;
    lode_model_core *model;
    char *path;
    lode_arena arena;
} lode_bundle;

LODE_CHECK lode_status lode__bundle_open(lode_bundle **out, const char *run, lode_error *error);
void lode__bundle_free(lode_bundle **bundle);
/// The data set of a bundle: `data`, or the manifest's path when NULL; it must have the manifest's fingerprint
/// unless `data` is given, when another one is reported through the hooks.
LODE_CHECK lode_status lode__bundle_data(const lode_bundle *bundle, const char *data,
                                         lode_dataset **out, const lode_hooks *hooks,
                                         lode_error *error);

LODE_CHECK lode_status lode__manifest_write(const lode_manifest *manifest, const char *run,
                                            lode_error *error);
LODE_CHECK lode_status lode__manifest_read(lode_manifest *manifest, lode_arena *arena,
                                           const char *run, lode_error *error);

/// Values of all parameters into a file, and back by name; every parameter must be there with its shape.
LODE_CHECK lode_status lode__weights_save(const lode_params *params, const char *path,
                                          lode_error *error);
LODE_CHECK lode_status lode__weights_load(lode_params *params, const char *path, lode_error *error);

/// Views of the parameters for a file; `moments` adds "NAME#first" and "NAME#second".
/// @return number of views; `views` has room for 3 a parameter
size_t lode__weight_views(const lode_params *params, bool moments, lode_arena *arena,
                          lode_tensor_view *views);
LODE_CHECK lode_status lode__weights_take(lode_params *params, bool moments,
                                          const lode_safetensors *file, const char *path,
                                          lode_error *error);

#endif
