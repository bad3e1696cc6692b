/// Progress of what the evaluation does.
#ifndef LODE_EVAL_PROGRESS_H
#define LODE_EVAL_PROGRESS_H

#include "base/error.h"

/// Tell the hooks how far `task` is; LODE_E_STOPPED when they ask to stop.
/// @param seconds  since it began; 0 = say no rate
LODE_CHECK lode_status lode__eval_progress(const lode_hooks *hooks, const lode_progress *progress,
                                           double seconds, lode_error *error);

#endif
