/// Training curves: loss and validation of every epoch, the best one marked.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/svg.h"
#include "train/describe.h"

enum { LARGEST_LOG = 64 << 20 };

static lode_status bad_line(const char *path, size_t number, const char *why, lode_error *error) {
    return lode__fail(error, LODE_E_FORMAT,
                      "%s:%zu: expected {\"epoch\": N, \"loss\": X, ...}, a line an epoch: %s",
                      path, number, why);
}

/// The curve of a name among `count`, made on first use; NULL when there are too many, or no memory.
static lode_curve *curve_of(lode_curve *curves, size_t *count, lode_arena *arena, const char *name,
                            size_t lines) {
    for (size_t k = 0; k < *count; k++) {
        if (strcmp(curves[k].name, name) == 0) return &curves[k];
    }
    if (*count == LODE_CURVES) return NULL;
    lode_curve curve = {lode__arena_strdup(arena, name),
                        lode__arena_alloc(arena, lines, sizeof(double))};
    if (curve.name == NULL || curve.values == NULL) return NULL;
    for (size_t i = 0; i < lines; i++)
        curve.values[i] = (double)NAN;
    curves[*count] = curve;
    return &curves[(*count)++];
}

/// The numbers of an object at point `at` of the curves of their names; those of which there are too many are left out.
static lode_status take_object(lode_curve *curves, size_t *count, lode_arena *arena, json_t *object,
                               size_t at, size_t lines, lode_error *error) {
    const char *name;
    const json_t *value;
    json_object_foreach(object, name, value) {
        lode_curve *curve = curve_of(curves, count, arena, name, lines);
        if (curve != NULL && json_is_number(value)) curve->values[at] = json_number_value(value);
        if (curve == NULL && *count < LODE_CURVES) return lode__fail_memory(error);
    }
    return LODE_OK;
}

static lode_status take_line(lode_run_log *log, lode_arena *arena, const json_t *line, size_t lines,
                             lode_error *error) {
    const size_t at = log->count++;
    log->epochs[at] = json_number_value(json_object_get(line, "epoch"));
    log->curves[0].values[at] = json_number_value(json_object_get(line, "loss"));
    LODE_TRY(take_object(log->curves, &log->curve_count, arena, json_object_get(line, "valid"), at,
                         lines, error));
    return take_object(log->losses, &log->loss_count, arena, json_object_get(line, "losses"), at,
                       lines, error);
}

lode_status lode__run_log_parse(lode_run_log *log, lode_arena *arena, const char *path,
                                const char *text, size_t length, lode_error *error) {
    *log = (lode_run_log){0};
    size_t lines = 0, number = 0;
    for (size_t i = 0; i < length; i++)
        lines += text[i] == '\n';
    log->epochs = lode__arena_alloc(arena, lines, sizeof *log->epochs);
    if (log->epochs == NULL || curve_of(log->curves, &log->curve_count, arena, "loss", lines) == NULL)
        return lode__fail_memory(error);
    for (const char *end; (end = memchr(text, '\n', length)) != NULL;) {
        json_error_t problem;
        json_t *line = json_loadb(text, (size_t)(end - text), JSON_REJECT_DUPLICATES, &problem);
        number++;
        if (line == NULL) return bad_line(path, number, problem.text, error);
        lode_status status = LODE_OK;
        if (!json_is_number(json_object_get(line, "epoch")) ||
            !json_is_number(json_object_get(line, "loss"))) {
            status = bad_line(path, number, "one of them is missing", error);
        } else {
            status = take_line(log, arena, line, lines, error);
        }
        json_decref(line);
        LODE_TRY(status);
        length -= (size_t)(end + 1 - text);
        text = end + 1;
    }
    return LODE_OK;
}

lode_status lode__run_log_read(lode_run_log *log, lode_arena *arena, const char *folder,
                               lode_error *error) {
    *log = (lode_run_log){0};
    const char *path = lode__path_join(arena, folder, LODE_METRICS_FILE);
    if (path == NULL) return lode__fail_memory(error);
    if (!lode__file_exists(path)) return LODE_OK;
    char *text = NULL;
    size_t length;
    LODE_TRY(lode__file_read(path, LARGEST_LOG, &text, &length, error));
    const lode_status status = lode__run_log_parse(log, arena, path, text, length, error);
    lode__free(text);
    return status;
}

/// Each objective's own loss beside their sum.
static void add_losses(lode_chart *chart, const lode_run_log *log) {
    for (size_t k = 0; k < log->loss_count && chart->series_count < LODE_SERIES; k++) {
        chart->series[chart->series_count++] =
            (lode_series){log->losses[k].name, log->epochs, log->losses[k].values, log->count};
    }
}

static void add_series(lode_chart *chart, const lode_run_log *log, size_t curve, const char *name) {
    if (curve >= log->curve_count || chart->series_count == LODE_SERIES) return;
    chart->series[chart->series_count++] =
        (lode_series){name, log->epochs, log->curves[curve].values, log->count};
}

lode_status lode__run_draw(const lode_run_state *run, lode_text *svg, lode_error *error) {
    lode_arena arena = {0};
    lode_chart charts[2] = {
        {.kind = LODE_CHART_LINE,
         .title = "Loss",
         .x = {.label = "epoch", .whole = true},
         .y = {.label = "loss"}},
        {.kind = LODE_CHART_LINE, .title = "Validation", .x = {.label = "epoch", .whole = true}}};
    const bool twice = run->choosing.count > 0; // a selection, then the model itself
    const lode_run_log *validated = twice ? &run->choosing : &run->log;
    const lode_manifest *best = run->selected ? &run->selection : &run->manifest;
    const bool known = (run->selected || run->described) && best->best_epoch > 0;
    const bool several = !twice && run->log.loss_count > 0;
    if (run->log.count > 0)
        add_series(&charts[0], &run->log, 0, twice ? "final" : several ? "weighted sum" : NULL);
    if (several) add_losses(&charts[0], &run->log);
    if (twice) add_series(&charts[0], &run->choosing, 0, "selection");
    const bool single = validated->curve_count == 2;
    for (size_t k = 1; k < validated->curve_count; k++)
        add_series(&charts[1], validated, k, single ? NULL : validated->curves[k].name);
    charts[1].y.label = single ? validated->curves[1].name : "metric";
    const char *mark =
        !known ? NULL
        : isnan(best->best)
            ? lode__arena_printf(&arena, "last epoch, %llu", (unsigned long long)best->best_epoch)
            : lode__arena_printf(&arena, "best epoch, %llu: %s %.4f",
                                 (unsigned long long)best->best_epoch, run->valid, best->best);
    const char *description =
        lode__arena_printf(&arena, "Training curves of %zu epochs%s%s.", run->log.count,
                           mark != NULL ? "; " : "", mark != NULL ? mark : "");
    lode_status status = LODE_OK;
    if (description == NULL || (known && mark == NULL)) {
        status = lode__fail_memory(error);
    } else {
        for (size_t k = 0; k < 2; k++) {
            charts[k].mark = mark;
            charts[k].mark_at = (double)best->best_epoch;
        }
        const lode_picture picture = {.title = "Training curves",
                                      .description = description,
                                      .charts = charts,
                                      .count = charts[1].series_count > 0 ? 2 : 1};
        lode__svg_draw(svg, &picture);
    }
    lode__arena_release(&arena);
    return status;
}
