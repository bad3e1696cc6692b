// A user's clicks stand in time order. By gap, a session is a run of them. By column, the numbers usually
// rise along the user's clicks, because import counts sessions as they appear; where they do not (two devices
// at once), the clicks are grouped by sorting (session, place).
#include "data/sessions.h"
#include "base/order.h"

#include <stdlib.h>
#include <string.h>

static const char *const sources[] = {"auto", "column", "gap", NULL};

const lode_key lode__session_keys[] = {
    {.name = "source",
     .type = LODE_KEY_CHOICE,
     .offset = offsetof(lode_session_options, source),
     .fallback = "auto",
     .choices = sources,
     .help = "column: the sessions of the log; gap: by pauses between a user's clicks; auto: the "
             "column where the log has one, else gap."},
    {.name = "gap",
     .type = LODE_KEY_DURATION,
     .offset = offsetof(lode_session_options, gap),
     .fallback = "30m",
     .low = 1,
     .high = 1e15,
     .help = "A pause of more than this ends a session, where sessions go by gap."},
    {.name = NULL}};

lode_status lode__sessions_open(lode_sessions *sessions, const lode_dataset *data,
                                const lode_log *log, const lode_session_options *options,
                                lode_error *error) {
    static const char *const times[] = {"it has no times", "its times are an order only"};
    *sessions = (lode_sessions){.log = log, .gap = options->gap};
    const bool gap_possible = data->time_kind == LODE_TIME_REAL;
    if (options->source != LODE_SESSIONS_GAP && data->session != NULL) {
        sessions->column = data->session;
        return LODE_OK;
    }
    if (options->source == LODE_SESSIONS_COLUMN) {
        return lode__fail(error, LODE_E_CONFIG,
                          "the data set has no session column, so sessions.source cannot be "
                          "column%s",
                          gap_possible ? "; its times can serve source: gap" : "");
    }
    if (gap_possible) return LODE_OK;
    if (options->source == LODE_SESSIONS_GAP) {
        return lode__fail(
            error, LODE_E_CONFIG, "sessions by gap need times in seconds or milliseconds, but %s%s",
            times[data->time_kind], data->session != NULL ? "; use source: column" : "");
    }
    return lode__fail(error, LODE_E_CONFIG,
                      "the data set has no sessions: no session column, and %s, so pauses cannot "
                      "be told",
                      times[data->time_kind]);
}

lode_status lode__session_walk_make(lode_session_walk *walk, const lode_sessions *sessions,
                                    size_t longest, lode_error *error) {
    *walk = (lode_session_walk){.sessions = sessions, .capacity = longest};
    walk->positions = lode__alloc(longest, sizeof *walk->positions);
    walk->keys = sessions->column != NULL ? lode__alloc(longest, sizeof *walk->keys) : NULL;
    if (walk->positions == NULL || (sessions->column != NULL && walk->keys == NULL)) {
        lode__session_walk_release(walk);
        return lode__fail_memory(error);
    }
    return LODE_OK;
}

void lode__session_walk_release(lode_session_walk *walk) {
    lode__free(walk->positions);
    lode__free(walk->keys);
    *walk = (lode_session_walk){0};
}

static uint32_t session_at(const lode_sessions *sessions, uint64_t position) {
    return sessions->column[sessions->log->row != NULL ? sessions->log->row[position] : position];
}

void lode__session_walk_user(lode_session_walk *walk, uint64_t begin, uint64_t end) {
    const size_t count = (size_t)(end - begin);
    assert(count <= walk->capacity && count <= UINT32_MAX);
    walk->count = count;
    walk->next = 0;
    if (walk->keys == NULL) {
        for (size_t k = 0; k < count; k++)
            walk->positions[k] = begin + k;
        return;
    }
    bool rising = true;
    for (size_t k = 0; k < count; k++) {
        walk->keys[k] = (uint64_t)session_at(walk->sessions, begin + k) << 32 | k;
        rising = rising && (k == 0 || walk->keys[k - 1] < walk->keys[k]);
    }
    if (!rising) qsort(walk->keys, count, sizeof *walk->keys, lode__rising_u64);
    for (size_t k = 0; k < count; k++)
        walk->positions[k] = begin + (uint32_t)walk->keys[k];
}

bool lode__session_next(lode_session_walk *walk, lode_visit *visit) {
    if (walk->next >= walk->count) return false;
    const size_t begin = walk->next;
    const int64_t *time = walk->sessions->log->time;
    size_t end = begin + 1;
    for (; end < walk->count; end++) {
        const bool same = walk->keys != NULL
                              ? walk->keys[end] >> 32 == walk->keys[begin] >> 32
                              : time[walk->positions[end]] - time[walk->positions[end - 1]] <=
                                    walk->sessions->gap;
        if (!same) break;
    }
    walk->next = end;
    *visit = (lode_visit){walk->positions + begin, end - begin};
    return true;
}

lode_status lode__sessions_count(const lode_dataset *data, const lode_session_options *options,
                                 uint64_t *count, lode_error *error) {
    const lode_log rows = {.users = data->users.count,
                           .items = data->items.count,
                           .offsets = data->offsets,
                           .item = data->item,
                           .time = data->time};
    lode_sessions sessions;
    lode_session_walk walk;
    lode_visit visit;
    uint64_t longest = 0;
    LODE_TRY(lode__sessions_open(&sessions, data, &rows, options, error));
    for (uint32_t user = 0; user < rows.users; user++)
        longest = LODE_MAX(longest, rows.offsets[user + 1] - rows.offsets[user]);
    LODE_TRY(lode__session_walk_make(&walk, &sessions, (size_t)longest, error));
    *count = 0;
    for (uint32_t user = 0; user < rows.users; user++) {
        lode__session_walk_user(&walk, rows.offsets[user], rows.offsets[user + 1]);
        while (lode__session_next(&walk, &visit))
            ++*count;
    }
    lode__session_walk_release(&walk);
    return LODE_OK;
}
