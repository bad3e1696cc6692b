#include "model/click_ages.h"

size_t lode__age_bucket(lode_ints edges, int64_t age) {
    const int64_t minutes = age / 60000;
    size_t bucket = 0;
    while (bucket < edges.count && edges.values[bucket] <= minutes)
        bucket++;
    return bucket;
}

lode_status lode__age_edges_check(lode_ints edges, const char *path, lode_error *error) {
    for (size_t i = 1; i < edges.count; i++) {
        if (edges.values[i] > edges.values[i - 1]) continue;
        return lode__fail(error, LODE_E_CONFIG, "%s must rise: %lld stands after %lld", path,
                          (long long)edges.values[i], (long long)edges.values[i - 1]);
    }
    return LODE_OK;
}

int64_t lode__age_between(int64_t moment, int64_t time) {
    if (moment <= time) return 0;
    const uint64_t age = (uint64_t)moment - (uint64_t)time;
    return age > INT64_MAX ? INT64_MAX : (int64_t)age;
}

/// LODE_MOMENT_UNKNOWN where the log cannot say.
static int64_t moment_of(const lode_log_source *self, const lode_state *state) {
    const lode_log *log = self->log;
    const uint64_t first = log->offsets[state->user];
    if (!self->no_context && state->end < log->offsets[state->user + 1])
        return log->time[state->end];
    return state->end > first ? log->time[state->end - 1] : LODE_MOMENT_UNKNOWN;
}

size_t lode__log_ages(const lode_log_source *self, size_t index, int64_t moment, size_t limit,
                      int64_t *ages) {
    const lode_state *state = &self->states[index];
    const lode_log *log = self->log;
    const lode_dataset *data = self->binding->data;
    const bool known = log->time != NULL && data != NULL && data->time_kind == LODE_TIME_REAL;
    const uint64_t first = log->offsets[state->user];
    size_t count = 0;
    if (known && moment == LODE_MOMENT_UNKNOWN) moment = moment_of(self, state);
    for (uint64_t at = state->end; at-- > first && count < limit;) {
        if (self->binding->item_row[log->item[at]] == 0) continue;
        ages[count++] = known ? lode__age_between(moment, log->time[at]) : LODE_AGE_UNKNOWN;
    }
    return count;
}
