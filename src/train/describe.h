/// Describing a run folder, finished or in progress: describe.c its numbers, curves.c its picture.
#ifndef LODE_TRAIN_DESCRIBE_H
#define LODE_TRAIN_DESCRIBE_H

#include <jansson.h>

#include "train/bundle.h"

#define LODE_SELECTION_FOLDER "selection"

/// Points of the log of a run; members are as long as `count`, NaN where an epoch has no such value.
typedef struct lode_curve {
    const char *name; ///< of the metric, or "loss"
    double *values;
} lode_curve;

enum { LODE_CURVES = 8 };

/// metrics.jsonl of one folder.
typedef struct lode_run_log {
    double *epochs;
    size_t count;
    lode_curve curves[LODE_CURVES]; ///< the first is the loss
    size_t curve_count;
    lode_curve losses[LODE_CURVES]; ///< of objectives, where there are several
    size_t loss_count;
} lode_run_log;

/// Read FOLDER/metrics.jsonl into the arena; no file gives an empty log, and a last line that is being written is
/// left out.
LODE_CHECK lode_status lode__run_log_read(lode_run_log *log, lode_arena *arena, const char *folder,
                                          lode_error *error);

/// The same from the text of the file; `path` is for messages.
LODE_CHECK lode_status lode__run_log_parse(lode_run_log *log, lode_arena *arena, const char *path,
                                           const char *text, size_t length, lode_error *error);

/// A run as it stands.
typedef struct lode_run_state {
    const char *path;
    bool described, selected; ///< whether there is a manifest, one of the selection
    lode_manifest manifest, selection;
    const char *valid;          ///< eval.valid
    lode_run_log log, choosing; ///< of the run, and of its selection (data.split.refit)
} lode_run_state;

/// Add the picture of a run's curves to `svg`.
LODE_CHECK lode_status lode__run_draw(const lode_run_state *run, lode_text *svg, lode_error *error);

#endif
