/// The picture of a data set. What is drawn has a bounded number of points, whatever the size of the log: ranks at
/// distances that grow with the rank, days or weeks, lengths in powers of two.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/svg.h"
#include "data/info.h"
#include "data/times.h"

enum { MOST_RANKS = 4096, MOST_CHARTS = 4, POWERS = 64 };

#define HOUR 3600000LL
#define DAY  (24 * HOUR)

/// The charts and what they point to.
typedef struct info_picture {
    const lode_dataset *data;
    int64_t session_gap;
    const char *what; ///< "clicks", or "interactions" where there are others too
    lode_chart charts[MOST_CHARTS];
    size_t count;
    lode_arena arena;
} info_picture;

/// How many values lie in [2^k, 2^(k + 1)).
typedef struct power_counts {
    double edges[POWERS + 1], counts[POWERS];
    size_t used;
} power_counts;

static void count_power(power_counts *powers, uint64_t value) {
    if (value == 0) return;
    const size_t k = (size_t)(63 - __builtin_clzll(value));
    powers->counts[k] += 1;
    powers->used = LODE_MAX(powers->used, k + 1);
}

static int greater_first(const void *a, const void *b) {
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x < y) - (x > y);
}

static lode_status add_popularity(info_picture *picture, lode_error *error) {
    const lode_dataset *data = picture->data;
    double *const ranks = lode__arena_alloc(&picture->arena, MOST_RANKS, sizeof *ranks);
    double *const clicks = lode__arena_alloc(&picture->arena, MOST_RANKS, sizeof *clicks);
    uint32_t *const counts = lode__alloc(data->items.count, sizeof *counts);
    const char *const label = lode__arena_printf(&picture->arena, "%s of the item", picture->what);
    if (ranks == NULL || clicks == NULL || counts == NULL || label == NULL) {
        lode__free(counts);
        return lode__fail_memory(error);
    }
    for (uint64_t k = 0; k < data->interactions; ++k)
        counts[data->item[k]] += counts[data->item[k]] != UINT32_MAX;
    if (data->items.count > 0) qsort(counts, data->items.count, sizeof *counts, greater_first);
    size_t points = 0;
    for (size_t rank = 1; rank <= data->active_items && points < MOST_RANKS;) {
        ranks[points] = (double)rank;
        clicks[points++] = counts[rank - 1];
        if (rank == data->active_items) break;
        rank = LODE_MIN(LODE_MAX(rank + 1, rank + rank / 64), (size_t)data->active_items);
    }
    lode__free(counts);
    picture->charts[picture->count++] =
        (lode_chart){.kind = LODE_CHART_LINE,
                     .title = "Popularity of items",
                     .x = {.label = "rank of the item", .log = true},
                     .y = {.label = label, .log = true},
                     .series = {{.x = ranks, .y = clicks, .count = points}},
                     .series_count = 1};
    return LODE_OK;
}

/// The length of a bin that gives at most some hundreds of them, and its name.
static int64_t choose_bin(int64_t span, const char **name) {
    static const struct {
        int64_t longest, bin;
        const char *name;
    } bins[] = {{4 * HOUR, HOUR / 60, "minute"},
                {8 * DAY, HOUR, "hour"},
                {730 * DAY, DAY, "day"},
                {3650 * DAY, 7 * DAY, "week"}};
    for (size_t k = 0; k < sizeof bins / sizeof *bins; k++) {
        *name = bins[k].name;
        if (span <= bins[k].longest) return bins[k].bin;
    }
    *name = "30 days";
    return 30 * DAY;
}

static lode_status add_activity(info_picture *picture, lode_error *error) {
    const lode_dataset *data = picture->data;
    if (data->time_kind != LODE_TIME_REAL || data->interactions == 0) return LODE_OK;
    int64_t low = INT64_MAX, high = INT64_MIN;
    for (uint64_t k = 0; k < data->interactions; ++k) {
        low = LODE_MIN(low, data->time[k]);
        high = LODE_MAX(high, data->time[k]);
    }
    const char *name;
    const int64_t bin = choose_bin(high - low, &name);
    const int64_t origin = low - (low % bin + bin) % bin;
    const size_t bins = (size_t)((high - origin) / bin) + 1;
    double *const times = lode__arena_alloc(&picture->arena, bins, sizeof *times);
    double *const counts = lode__arena_alloc(&picture->arena, bins, sizeof *counts);
    const char *const label = lode__arena_printf(&picture->arena, "%s per %s", picture->what, name);
    char from[32], until[32];
    lode__time_format(low, from);
    lode__time_format(high, until);
    const char *const span = lode__arena_printf(&picture->arena, "%.10s to %.10s, UTC", from, until);
    if (times == NULL || counts == NULL || label == NULL || span == NULL)
        return lode__fail_memory(error);
    for (size_t b = 0; b < bins; b++)
        times[b] = (double)(origin + (int64_t)b * bin);
    for (uint64_t k = 0; k < data->interactions; ++k)
        counts[(data->time[k] - origin) / bin] += 1;
    picture->charts[picture->count++] =
        (lode_chart){.kind = LODE_CHART_LINE,
                     .title = "Activity over time",
                     .x = {.label = span, .time = true},
                     .y = {.label = label, .zero = true, .whole = true},
                     .series = {{.x = times, .y = counts, .count = bins}},
                     .series_count = 1};
    return LODE_OK;
}

static lode_status add_histogram(info_picture *picture, power_counts *powers, const char *title,
                                 const char *owner, const char *counted, lode_error *error) {
    size_t first = 0;
    for (size_t k = 0; k <= POWERS; k++)
        powers->edges[k] = ldexp(1, (int)k);
    while (first < powers->used && powers->counts[first] == 0)
        first++;
    const char *const label =
        lode__arena_printf(&picture->arena, "%s of a %s, in powers of two", picture->what, owner);
    if (label == NULL) return lode__fail_memory(error);
    picture->charts[picture->count++] = (lode_chart){.kind = LODE_CHART_HISTOGRAM,
                                                     .title = title,
                                                     .x = {.label = label, .log = true},
                                                     .y = {.label = counted, .whole = true},
                                                     .series = {{.x = powers->edges + first,
                                                                 .y = powers->counts + first,
                                                                 .count = powers->used - first}},
                                                     .series_count = 1};
    return LODE_OK;
}

static lode_status add_histories(info_picture *picture, lode_error *error) {
    const lode_dataset *data = picture->data;
    power_counts *const powers = lode__arena_alloc(&picture->arena, 1, sizeof *powers);
    if (powers == NULL) return lode__fail_memory(error);
    for (uint32_t u = 0; u < data->users.count; ++u)
        count_power(powers, data->offsets[u + 1] - data->offsets[u]);
    return add_histogram(picture, powers, "Lengths of histories", "user", "users", error);
}

static lode_status count_sessions(const info_picture *picture, power_counts *powers,
                                  lode_error *error) {
    const lode_dataset *data = picture->data;
    uint32_t most = 0;
    for (uint64_t k = 0; data->session != NULL && k < data->interactions; ++k)
        most = LODE_MAX(most, data->session[k]);
    uint64_t *const lengths = lode__alloc((size_t)most + 1, sizeof *lengths);
    if (lengths == NULL) return lode__fail_memory(error);
    for (uint64_t k = 0; data->session != NULL && k < data->interactions; ++k)
        ++lengths[data->session[k]];
    for (size_t s = 0; s <= most; s++)
        count_power(powers, lengths[s]);
    lode__free(lengths);
    for (uint32_t u = 0; data->session == NULL && u < data->users.count; ++u) {
        uint64_t length = 0;
        for (uint64_t k = data->offsets[u]; k < data->offsets[u + 1]; ++k) {
            const bool begins =
                k == data->offsets[u] || data->time[k] - data->time[k - 1] > picture->session_gap;
            if (begins) count_power(powers, length);
            length = begins ? 1 : length + 1;
        }
        count_power(powers, length);
    }
    return LODE_OK;
}

static lode_status add_sessions(info_picture *picture, lode_error *error) {
    const lode_dataset *data = picture->data;
    if (data->session == NULL && data->time_kind != LODE_TIME_REAL) return LODE_OK;
    power_counts *const powers = lode__arena_alloc(&picture->arena, 1, sizeof *powers);
    if (powers == NULL) return lode__fail_memory(error);
    LODE_TRY(count_sessions(picture, powers, error));
    return add_histogram(picture, powers, "Lengths of sessions", "session", "sessions", error);
}

lode_status lode__info_draw(const lode_dataset *data, const lode_info_options *options,
                            lode_text *svg, lode_error *error) {
    info_picture picture = {.data = data,
                            .session_gap = options->session_gap,
                            .what = data->behaviour != NULL ? "interactions" : "clicks"};
    lode_status status;
    LODE_GOTO(status, add_popularity(&picture, error), done);
    LODE_GOTO(status, add_activity(&picture, error), done);
    LODE_GOTO(status, add_histories(&picture, error), done);
    LODE_GOTO(status, add_sessions(&picture, error), done);
    const char *const description = lode__arena_printf(
        &picture.arena, "A data set of %u users, %u items and %llu %s.", data->active_users,
        data->active_items, (unsigned long long)data->interactions, picture.what);
    if (description == NULL) {
        status = lode__fail_memory(error);
        goto done;
    }
    const lode_picture whole = {.title = "Data set",
                                .description = description,
                                .charts = picture.charts,
                                .count = picture.count};
    lode__svg_draw(svg, &whole);
done:
    lode__arena_release(&picture.arena);
    return status;
}
