/// Sessions: the clicks of one visit, by the log's session column or by pauses.
///
/// No number a click is kept: a walk hands out one user's clicks session by session, in scratch memory of
/// the longest user. A session never spans users (import numbers sessions by user and session). Sessions of
/// the column may be interleaved in time; sessions by gap are runs of the user's clicks.
#ifndef LODE_DATA_SESSIONS_H
#define LODE_DATA_SESSIONS_H

#include "data/split.h"

typedef enum lode_session_source {
    LODE_SESSIONS_AUTO, ///< the column where there is one, else gaps
    LODE_SESSIONS_COLUMN,
    LODE_SESSIONS_GAP
} lode_session_source;

typedef struct lode_session_options {
    int source;  ///< lode_session_source
    int64_t gap; ///< ms; a pause of more than this ends a session
} lode_session_options;

extern const lode_key lode__session_keys[];

/// How the clicks of one log fall into sessions. Plain data; lives no longer than log and data set.
typedef struct lode_sessions {
    const lode_log *log;
    const uint32_t *column; ///< session of each row of the data set, or NULL = by gap
    int64_t gap;
} lode_sessions;

/// LODE_E_CONFIG where the data cannot serve the source, saying what is missing.
LODE_CHECK lode_status lode__sessions_open(lode_sessions *sessions, const lode_dataset *data,
                                           const lode_log *log, const lode_session_options *options,
                                           lode_error *error);

/// One thread's way through users. Zero-initialise, make, use, release.
typedef struct lode_session_walk {
    const lode_sessions *sessions;
    uint64_t *positions; ///< [capacity] of the user's clicks, session by session
    uint64_t *keys;      ///< [capacity] session and place, while clicks are grouped
    size_t capacity;
    size_t count, next; ///< clicks of the user; of them handed out
} lode_session_walk;

/// One session: positions in the log, rising. Valid until the next call of the walk.
typedef struct lode_visit {
    const uint64_t *positions;
    size_t count; ///< from 1 on
} lode_visit;

/// @param longest  most clicks of a user that will be walked
LODE_CHECK lode_status lode__session_walk_make(lode_session_walk *walk, const lode_sessions *sessions,
                                               size_t longest, lode_error *error);
/// Begin with the clicks begin .. end - 1 of one user: all of them, or the first ones.
void lode__session_walk_user(lode_session_walk *walk, uint64_t begin, uint64_t end);
/// The next session, or false. Sessions of the column come by their number, those by gap in time order.
bool lode__session_next(lode_session_walk *walk, lode_visit *visit);
void lode__session_walk_release(lode_session_walk *walk);

/// How many sessions all rows of a data set have (exposures and others count as well as clicks).
LODE_CHECK lode_status lode__sessions_count(const lode_dataset *data,
                                            const lode_session_options *options, uint64_t *count,
                                            lode_error *error);

#endif
