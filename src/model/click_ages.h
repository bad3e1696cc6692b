/// Ages of the clicks of a history: how long before the state's moment each was made, in buckets.
///
/// The moment of a state of the log is the time of the click that is to be found, or, where no such click is there (a
/// user after all clicks, truth from elsewhere), of the newest known one; a request may name its own ("now"). That is
/// the moment at which a recommendation is asked for: it is known then, and nothing after it is looked at. A log whose
/// times only order (lode_time_kind) has no ages, and a click without one has no bucket.
#ifndef LODE_MODEL_CLICK_AGES_H
#define LODE_MODEL_CLICK_AGES_H

#include "model/view.h"

#define LODE_AGE_UNKNOWN    (-1)
#define LODE_MOMENT_UNKNOWN INT64_MIN

/// Bucket of an age in ms, >= 0: the number of edges (minutes, rising) that are not above it.
size_t lode__age_bucket(lode_ints edges, int64_t age);
/// LODE_E_CONFIG unless edges rise. @param path  of the key
LODE_CHECK lode_status lode__age_edges_check(lode_ints edges, const char *path, lode_error *error);
/// Milliseconds between two times; 0 where `time` is not before `moment` (held-out parts that came with a log may
/// overlap).
int64_t lode__age_between(int64_t moment, int64_t time);
/// Ages of the clicks that lode__log_source gives for state `index`, in the same order.
/// @param moment  ms since 1970, or LODE_MOMENT_UNKNOWN: as above
size_t lode__log_ages(const lode_log_source *self, size_t index, int64_t moment, size_t limit,
                      int64_t *ages);

#endif
