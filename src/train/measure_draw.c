/// The picture of a table of `lode_eval`: what is shown to whom (impressions by popularity), and how metrics grow
/// with the length of lists. It is drawn from the report itself, so it shows what was reported and nothing else.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/svg.h"
#include "train/measure.h"

enum { MOST_CHARTS = 4, MOST_CUTOFFS = 32, MOST_BASES = 3 };

/// The charts and what they point to.
typedef struct measure_picture {
    json_t *table, *rows;
    lode_chart charts[MOST_CHARTS];
    size_t count;
    const char *bases[MOST_BASES]; ///< "hit", "ndcg", ...: what is drawn against cutoffs
    size_t base_count;
    double cutoffs[MOST_CUTOFFS]; ///< increasing
    size_t cutoff_count;
    lode_arena arena;
} measure_picture;

// --- metrics --------------------------------------------------------------------------------------------

/// The value of BASE@CUTOFF, NaN where it is not reported.
static double value_at(json_t *row, const char *base, double cutoff) {
    const char *name;
    const json_t *value;
    const size_t length = strlen(base);
    json_object_foreach(row, name, value) {
        if (strncmp(name, base, length) != 0 || name[length] != '@') continue;
        if (strtod(name + length + 1, NULL) == cutoff && json_is_number(value))
            return json_number_value(value);
    }
    return (double)NAN;
}

static void note_cutoff(measure_picture *picture, double cutoff) {
    size_t at = 0;
    while (at < picture->cutoff_count && picture->cutoffs[at] < cutoff)
        at++;
    if (at < picture->cutoff_count && picture->cutoffs[at] == cutoff) return;
    if (picture->cutoff_count == MOST_CUTOFFS) return;
    memmove(picture->cutoffs + at + 1, picture->cutoffs + at,
            (picture->cutoff_count++ - at) * sizeof *picture->cutoffs);
    picture->cutoffs[at] = cutoff;
}

static bool has_base(const measure_picture *picture, const char *base) {
    for (size_t i = 0; i < picture->base_count; i++) {
        if (strcmp(picture->bases[i], base) == 0) return true;
    }
    return false;
}

/// Choose hit, ndcg and coverage, or what there is instead of them, and collect the cutoffs.
static lode_status choose_bases(measure_picture *picture, lode_error *error) {
    static const char *const preferred[] = {"hit", "ndcg", "coverage"};
    json_t *row = json_object_iter_value(json_object_iter(picture->rows));
    const char *name;
    const json_t *value;
    for (size_t pass = 0; pass < 2; pass++) {
        json_object_foreach(row, name, value) {
            const char *sign = strchr(name, '@');
            if (sign == NULL || !json_is_number(value)) continue;
            char *base = lode__arena_strndup(&picture->arena, name, (size_t)(sign - name));
            if (base == NULL) return lode__fail_memory(error);
            bool wanted = pass == 1;
            for (size_t i = 0; i < 3; i++)
                wanted = wanted || strcmp(preferred[i], base) == 0;
            if (!wanted) continue;
            note_cutoff(picture, strtod(sign + 1, NULL));
            if (!has_base(picture, base) && picture->base_count < MOST_BASES)
                picture->bases[picture->base_count++] = base;
        }
        if (picture->base_count > 0) break;
    }
    return LODE_OK;
}

/// One chart a metric: its value for every ranker, against the length of the list.

static lode_status add_lines(measure_picture *picture, lode_error *error) {
    for (size_t b = 0; b < picture->base_count && picture->count < MOST_CHARTS; b++) {
        const char *title =
            lode__arena_printf(&picture->arena, "%s against length of list", picture->bases[b]);
        lode_chart chart = {.kind = LODE_CHART_LINE,
                            .title = title,
                            .x = {.label = "K, items in the list", .log = true},
                            .y = {.zero = true}};
        chart.y.label = lode__arena_printf(&picture->arena, "%s@K", picture->bases[b]);
        const char *ranker;
        json_t *row;
        json_object_foreach(picture->rows, ranker, row) {
            double *values = lode__arena_alloc(&picture->arena, MOST_CUTOFFS, sizeof *values);
            if (values == NULL) return lode__fail_memory(error);
            for (size_t c = 0; c < picture->cutoff_count; c++)
                values[c] = value_at(row, picture->bases[b], picture->cutoffs[c]);
            if (chart.series_count == LODE_SERIES) break;
            chart.series[chart.series_count++] =
                (lode_series){ranker, picture->cutoffs, values, picture->cutoff_count};
        }
        if (title == NULL || chart.y.label == NULL) return lode__fail_memory(error);
        picture->charts[picture->count++] = chart;
    }
    return LODE_OK;
}

/// With one cutoff, or with metrics that have none: one group of bars a metric.
static lode_status add_bars(measure_picture *picture, lode_error *error) {
    json_t *first = json_object_iter_value(json_object_iter(picture->rows));
    const size_t most = LODE_MIN(json_object_size(first), (size_t)LODE_CHART_BARS);
    const char **names = lode__arena_alloc(&picture->arena, most, sizeof *names);
    if (names == NULL) return lode__fail_memory(error);
    size_t count = 0;
    const char *name, *ranker;
    json_t *value, *row;
    json_object_foreach(first, name, value) {
        if (count < most && json_is_real(value) && json_number_value(value) <= 1)
            names[count++] = name;
    }
    lode_chart chart = {
        .kind = LODE_CHART_BAR, .title = "Metrics", .y = {.zero = true}, .groups = names};
    json_object_foreach(picture->rows, ranker, row) {
        double *values = lode__arena_alloc(&picture->arena, most, sizeof *values);
        if (values == NULL) return lode__fail_memory(error);
        for (size_t i = 0; i < count; i++) {
            const json_t *found = json_object_get(row, names[i]);
            values[i] = json_is_number(found) ? json_number_value(found) : (double)NAN;
        }
        if (chart.series_count == LODE_SERIES) break;
        chart.series[chart.series_count++] = (lode_series){ranker, NULL, values, count};
    }
    picture->charts[picture->count++] = chart;
    return LODE_OK;
}

// --- impressions ----------------------------------------------------------------------------------------

/// Buckets are named by their lower ends; the last one has no upper end.
static lode_status name_buckets(measure_picture *picture, const json_t *edges, size_t first,
                                const char **names, size_t count, lode_error *error) {
    for (size_t b = 0; b < count; b++) {
        const long long low = json_integer_value(json_array_get(edges, first + b));
        names[b] = lode__arena_printf(&picture->arena, b + 1 == count ? "%lld+" : "%lld", low);
        if (names[b] == NULL) return lode__fail_memory(error);
    }
    return LODE_OK;
}

static lode_status add_shares(measure_picture *picture, lode_chart *chart, const char *name,
                              const json_t *counts, size_t first, lode_error *error) {
    const size_t all = json_array_size(counts), left = all > first ? all - first : 0;
    const size_t count = LODE_MIN(left, (size_t)LODE_CHART_BARS);
    double sum = 0, *shares = lode__arena_alloc(&picture->arena, count, sizeof *shares);
    if (shares == NULL) return lode__fail_memory(error);
    for (size_t b = 0; b < count; b++)
        sum += shares[b] = json_number_value(json_array_get(counts, first + b));
    for (size_t b = 0; b < count && sum > 0; b++)
        shares[b] /= sum;
    if (chart->series_count < LODE_SERIES)
        chart->series[chart->series_count++] = (lode_series){name, NULL, shares, count};
    return LODE_OK;
}

/// Where the places in lists go: by popularity of the items, with the share that each bucket has of the items.
static lode_status add_impressions(measure_picture *picture, lode_error *error) {
    const json_t *impressions = json_object_get(picture->table, "impressions");
    const json_t *edges = json_object_get(impressions, "edges");
    const json_t *items = json_object_get(impressions, "items");
    const size_t buckets = json_array_size(edges);
    size_t first = 0; // that holds an item
    while (first + 1 < buckets && json_number_value(json_array_get(items, first)) == 0)
        first++;
    const size_t count = LODE_MIN(buckets - first, (size_t)LODE_CHART_BARS);
    if (count == 0) return LODE_OK;
    const char **names = lode__arena_alloc(&picture->arena, count, sizeof *names);
    if (names == NULL) return lode__fail_memory(error);
    LODE_TRY(name_buckets(picture, edges, first, names, count, error));
    const char *label =
        lode__arena_printf(&picture->arena, "share of the places in lists of %lld",
                           (long long)json_integer_value(json_object_get(impressions, "cutoff")));
    if (label == NULL) return lode__fail_memory(error);
    lode_chart chart = {.kind = LODE_CHART_BAR,
                        .title = "Impressions by popularity",
                        .x = {.label = "clicks of the item in training, from ... on"},
                        .y = {.label = label},
                        .groups = names};
    const char *ranker;
    json_t *counts;
    json_object_foreach(json_object_get(impressions, "rows"), ranker, counts) {
        if (chart.series_count + 1 == LODE_SERIES) break;
        LODE_TRY(add_shares(picture, &chart, ranker, counts, first, error));
    }
    LODE_TRY(add_shares(picture, &chart, "share of items", items, first, error));
    picture->charts[picture->count++] = chart;
    return LODE_OK;
}

// --- picture --------------------------------------------------------------------------------------------

static const char *text_of(const json_t *table, const char *key) {
    const char *text = json_string_value(json_object_get(table, key));
    return text != NULL ? text : "";
}

static lode_status draw(measure_picture *picture, lode_text *svg, lode_error *error) {
    LODE_TRY(add_impressions(picture, error));
    LODE_TRY(choose_bases(picture, error));
    if (picture->cutoff_count > 1) {
        LODE_TRY(add_lines(picture, error));
    } else {
        LODE_TRY(add_bars(picture, error));
    }
    lode_text words = {0};
    lode__text_printf(&words, "Protocol %s, part %s, %lld cases. %s",
                      text_of(picture->table, "protocol"), text_of(picture->table, "part"),
                      (long long)json_integer_value(json_object_get(picture->table, "cases")),
                      picture->cutoff_count > 0 ? "At the longest list:" : "");
    const char *ranker;
    json_t *row;
    json_object_foreach(picture->rows, ranker, row) {
        for (size_t b = 0; b < picture->base_count; b++) {
            const double cutoff = picture->cutoffs[picture->cutoff_count - 1];
            lode__text_printf(&words, " %s %s@%.0f %.4f;", ranker, picture->bases[b], cutoff,
                              value_at(row, picture->bases[b], cutoff));
        }
    }
    char *description = NULL;
    LODE_TRY(lode__text_take(&words, &description, error));
    const lode_picture whole = {.title = "Evaluation",
                                .description = description,
                                .charts = picture->charts,
                                .count = picture->count};
    lode__svg_draw(svg, &whole);
    lode__free(description);
    return LODE_OK;
}

lode_status lode__measure_draw(json_t *table, lode_text *svg, lode_error *error) {
    measure_picture picture = {.table = table, .rows = json_object_get(table, "rows")};
    const lode_status status = draw(&picture, svg, error);
    lode__arena_release(&picture.arena);
    return status;
}
