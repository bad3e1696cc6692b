/// Tables of `lode_eval`: one row a ranker, the model first and the baselines below it.
#include <stdio.h>
#include <string.h>

#include "train/measure.h"

enum { ENCODE_BATCH = 512 };

lode_status lode__measure_rankers(lode_measure *measure, lode_error *error) {
    const size_t longest = measure->cutoffs[measure->cutoff_count - 1];
    LODE_TRY(lode__encoder_new(&measure->encoder, measure->bundle->model,
                               measure->bundle->model->params, ENCODE_BATCH, measure->pool, error));
    LODE_TRY(lode__ranker_model(&measure->rankers[0], measure->encoder, measure->binding, longest,
                                measure->pool, error));
    measure->ranker_count = 1;
    lode__model_ranker_refresh(&measure->rankers[0]);
    if (!measure->options.baselines) return LODE_OK;
    LODE_TRY(lode__ranker_popularity(&measure->rankers[1], measure->split, error));
    measure->ranker_count = 2;
    LODE_TRY(lode__ranker_item_knn(&measure->rankers[2], measure->split,
                                   (size_t)measure->bundle->config.eval.neighbours, measure->pool,
                                   error));
    measure->ranker_count = 3;
    return LODE_OK;
}

static bool wanted(const lode_measure *measure, enum lode_metric metric) {
    const lode_texts *list = &measure->bundle->config.eval.metrics;
    for (size_t i = 0; i < list->count; i++) {
        if (strcmp(list->values[i], lode__metric_name(metric)) == 0) return true;
    }
    return false;
}

static lode_status add_row(const lode_measure *measure, const lode_ranker *ranker, bool exclude,
                           json_t *rows, lode_error *error) {
    lode_metrics metrics;
    LODE_TRY(lode__metrics_new(&metrics, measure->cutoffs, measure->cutoff_count,
                               measure->data->items.count, measure->data->active_items,
                               measure->percentile, error));
    char task[32] = "evaluate ";
    strncat(task, ranker->name, sizeof task - strlen(task) - 1);
    const lode_status status =
        lode__evaluate(&measure->cases, ranker, exclude, &metrics, measure->hooks, task, error);
    json_t *row = json_object();
    for (int m = 0; m < LODE_METRICS && status == LODE_OK; m++) {
        for (size_t c = 0; c < measure->cutoff_count && wanted(measure, (enum lode_metric)m); c++) {
            char name[64];
            (void)snprintf(name, sizeof name, "%s@%zu", lode__metric_name((enum lode_metric)m),
                           measure->cutoffs[c]);
            const double value = lode__metrics_value(&metrics, (enum lode_metric)m, c);
            const bool whole = m == LODE_METRIC_DIVERSITY;
            (void)json_object_set_new(row, name,
                                      whole ? json_integer((json_int_t)value) : json_real(value));
        }
    }
    (void)json_object_set_new(rows, ranker->name, row);
    lode__metrics_release(&metrics);
    return status;
}

lode_status lode__measure_table(const lode_measure *measure, bool exclude, json_t *table,
                                lode_error *error) {
    json_t *rows = json_object();
    (void)json_object_set_new(table, "protocol", json_string(measure->protocol.name));
    (void)json_object_set_new(table, "part",
                              json_string(measure->options.part == 0 ? "valid" : "test"));
    (void)json_object_set_new(table, "exclude_seen", json_boolean(exclude));
    (void)json_object_set_new(table, "cases", json_integer((json_int_t)measure->cases.count));
    (void)json_object_set_new(table, "dropped", json_integer((json_int_t)measure->cases.dropped));
    (void)json_object_set_new(table, "missed", json_integer((json_int_t)measure->cases.missed));
    (void)json_object_set_new(table, "items", json_integer((json_int_t)measure->data->active_items));
    (void)json_object_set_new(table, "rows", rows);
    for (size_t i = 0; i < measure->ranker_count; i++) {
        LODE_TRY(add_row(measure, &measure->rankers[i], exclude, rows, error));
    }
    return LODE_OK;
}
