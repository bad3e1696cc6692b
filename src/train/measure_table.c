/// Tables of `lode_eval`: one row a ranker, the model first and the baselines below it.
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "eval/geometry.h"
#include "eval/linear.h"
#include "train/measure.h"

enum { ENCODE_BATCH = 512 };

static bool listed(const lode_measure *measure, const char *name) {
    const lode_texts *list = &measure->bundle->config.eval.baselines;
    for (size_t i = 0; i < list->count; i++) {
        if (strcmp(list->values[i], name) == 0) return true;
    }
    return false;
}

static lode_status add_ease(lode_measure *measure, bool asked, lode_error *error) {
    const lode_eval_config *eval = &measure->bundle->config.eval;
    const uint32_t items = measure->split->train_items;
    if (asked && (int64_t)items > eval->ease_items) {
        return lode__fail(
            error, LODE_E_CONFIG,
            "eval.baselines has ease, but %u training items are more than "
            "eval.ease_items %lld (its matrix takes %.3f GB); raise it, or take linear",
            items, (long long)eval->ease_items, (double)lode__ease_bytes(items) / 1e9);
    }
    LODE_TRY(lode__ranker_ease(&measure->rankers[measure->ranker_count], measure->split,
                               eval->ease_regularisation, measure->pool, measure->hooks, error));
    measure->ranker_count++;
    return LODE_OK;
}

static lode_status add_als(lode_measure *measure, size_t longest, lode_error *error) {
    const lode_eval_config *eval = &measure->bundle->config.eval;
    const lode_als_options options = {.factors = (size_t)eval->als_factors,
                                      .iterations = (size_t)eval->als_iterations,
                                      .regularisation = eval->als_regularisation,
                                      .alpha = eval->als_alpha,
                                      .hooks = measure->hooks,
                                      .seed = (uint64_t)measure->bundle->config.train.seed};
    LODE_TRY(lode__ranker_als(&measure->rankers[measure->ranker_count], measure->split, &options,
                              longest, measure->pool, error));
    measure->ranker_count++;
    return LODE_OK;
}

/// EASE where the catalogue allows its matrix, else ALS; both where both are asked for by name.
static lode_status add_linear(lode_measure *measure, size_t longest, lode_error *error) {
    const int64_t most = measure->bundle->config.eval.ease_items;
    const uint32_t items = measure->split->train_items;
    const bool either = listed(measure, "linear") || listed(measure, "auto");
    const bool fits = (int64_t)items <= most;
    const bool ease = listed(measure, "ease"), als = listed(measure, "als");
    if (either)
        (void)snprintf(measure->linear, sizeof measure->linear,
                       "the linear baseline is %s: %u training items, ease up to %lld "
                       "(eval.ease_items)",
                       fits ? "ease" : "als", items, (long long)most);
    if (ease || (either && fits)) LODE_TRY(add_ease(measure, ease, error));
    if (als || (either && !fits)) LODE_TRY(add_als(measure, longest, error));
    return LODE_OK;
}

static lode_status add_baselines(lode_measure *measure, size_t longest, lode_error *error) {
    const lode_eval_config *eval = &measure->bundle->config.eval;
    if (listed(measure, "popularity")) {
        LODE_TRY(lode__ranker_popularity(&measure->rankers[measure->ranker_count], measure->split,
                                         error));
        measure->ranker_count++;
    }
    if (listed(measure, "item_knn")) {
        LODE_TRY(lode__ranker_item_knn(&measure->rankers[measure->ranker_count], measure->split,
                                       (size_t)eval->neighbours, measure->pool, error));
        measure->ranker_count++;
    }
    return add_linear(measure, longest, error);
}

lode_status lode__measure_rankers(lode_measure *measure, lode_error *error) {
    const size_t longest = measure->cutoffs[measure->cutoff_count - 1];
    LODE_TRY(lode__encoder_new(&measure->encoder, measure->bundle->model,
                               measure->bundle->model->params, ENCODE_BATCH, measure->pool, error));
    LODE_TRY(lode__ranker_model(&measure->rankers[0], measure->encoder, measure->binding,
                                &(lode_ranking){.longest = longest}, measure->pool, error));
    measure->ranker_count = 1;
    lode__model_ranker_refresh(&measure->rankers[0]);
    return measure->options.baselines ? add_baselines(measure, longest, error) : LODE_OK;
}

static bool wanted(const lode_measure *measure, enum lode_metric metric) {
    const lode_texts *list = &measure->options.metrics;
    if (list->count == 0) list = &measure->bundle->config.eval.metrics;
    for (size_t i = 0; i < list->count; i++) {
        if (strcmp(list->values[i], lode__metric_name(metric)) == 0) return true;
    }
    return false;
}

/// The code of every item in the column eval.category, where one is named.
lode_status lode__measure_category(lode_measure *measure, lode_error *error) {
    const char *name = measure->options.category;
    if (strcmp(name, "config") == 0) name = measure->bundle->config.eval.category;
    const lode_dataset *data = measure->data;
    if (*name == 0) return LODE_OK;
    const lode_column *column = lode__column_find(data->item_columns, data->item_column_count, name);
    if (column == NULL || (column->type != LODE_COLUMN_TOKEN && column->type != LODE_COLUMN_TOKENS)) {
        return lode__fail(error, LODE_E_MISMATCH,
                          "category is \"%s\", but %s has no item column of tokens with that "
                          "name; `lodestone info` lists its columns",
                          name, data->file.path);
    }
    measure->category =
        lode__arena_alloc(&measure->arena, data->items.count, sizeof *measure->category);
    if (measure->category == NULL) return lode__fail_memory(error);
    measure->categories = column->tokens.count;
    for (uint32_t item = 0; item < data->items.count; item++) {
        measure->category[item] = UINT32_MAX;
        if (column->type == LODE_COLUMN_TOKEN) {
            measure->category[item] = column->codes[item];
        } else if (column->starts[item] < column->starts[item + 1]) {
            measure->category[item] = column->codes[column->starts[item]];
        }
    }
    return LODE_OK;
}

static void set_value(json_t *row, const char *name, bool whole, double value) {
    (void)json_object_set_new(row, name, whole ? json_integer((json_int_t)value) : json_real(value));
}

/// The wanted metrics that are defined for this run.
static json_t *values_of(const lode_measure *measure, const lode_metrics *metrics) {
    json_t *row = json_object();
    for (int m = 0; m < LODE_METRICS; m++) {
        const lode_metric_info *info = lode__metric_at((enum lode_metric)m);
        if (!wanted(measure, (enum lode_metric)m)) continue;
        for (size_t c = 0; c < (info->cutoff ? measure->cutoff_count : 1); c++) {
            const double value = lode__metrics_value(metrics, (enum lode_metric)m, c);
            char name[64];
            if (isnan(value)) continue;
            (void)snprintf(name, sizeof name, "%s@%zu", info->name, measure->cutoffs[c]);
            set_value(row, info->cutoff ? name : info->name, info->whole, value);
        }
    }
    return row;
}

lode_status lode__measure_definitions(lode_measure *measure, lode_error *error) {
    const lode_texts *names = &measure->options.definitions;
    size_t most = names->count;
    while (lode__definition_at(most) != NULL)
        most++;
    measure->definitions = lode__arena_alloc(&measure->arena, most, sizeof(const lode_definition *));
    if (measure->definitions == NULL) return lode__fail_memory(error);
    for (size_t i = 0; i < names->count; i++) {
        if (strcmp(names->values[i], "all") == 0) {
            measure->definition_count = 0;
            for (size_t d = 0; lode__definition_at(d) != NULL; d++)
                measure->definitions[measure->definition_count++] = lode__definition_at(d);
            break;
        }
        LODE_TRY(lode__definition_find(names->values[i],
                                       &measure->definitions[measure->definition_count], error));
        measure->definition_count++;
    }
    return LODE_OK;
}

/// A row under a project's names.
static json_t *defined_values(const lode_measure *measure, const lode_definition *definition,
                              const lode_metrics *metrics) {
    json_t *row = json_object();
    for (const lode_definition_row *one = definition->rows; one->name != NULL; one++) {
        const lode_metric_info *info = lode__metric_at(one->metric);
        for (size_t c = 0; c < (info->cutoff ? measure->cutoff_count : 1); c++) {
            const double value = lode__definition_value(one, metrics, c);
            char name[64];
            if (isnan(value)) continue;
            (void)snprintf(name, sizeof name, "%s@%zu", one->name, measure->cutoffs[c]);
            set_value(row, info->cutoff ? name : one->name, info->whole, value);
        }
    }
    return row;
}

static void add_impressions(const lode_metrics *metrics, const char *ranker, json_t *table) {
    lode_impressions counted;
    if (!lode__metrics_impressions(metrics, &counted)) return;
    json_t *impressions = json_object_get(table, "impressions");
    if (impressions == NULL) {
        json_t *edges = json_array(), *items = json_array();
        impressions = json_object();
        for (size_t b = 0; b < counted.buckets; b++) {
            (void)json_array_append_new(edges, json_integer((json_int_t)counted.edges[b]));
            (void)json_array_append_new(items, json_integer((json_int_t)counted.items[b]));
        }
        const size_t cutoff = metrics->cutoffs[metrics->cutoff_count - 1];
        (void)json_object_set_new(impressions, "cutoff", json_integer((json_int_t)cutoff));
        (void)json_object_set_new(impressions, "edges", edges);
        (void)json_object_set_new(impressions, "items", items);
        (void)json_object_set_new(impressions, "rows", json_object());
        (void)json_object_set_new(table, "impressions", impressions);
    }
    json_t *slots = json_array();
    for (size_t b = 0; b < counted.buckets; b++)
        (void)json_array_append_new(slots, json_integer((json_int_t)counted.slots[b]));
    (void)json_object_set_new(json_object_get(impressions, "rows"), ranker, slots);
}

/// Whether the global AUC is asked for: it keeps every candidate.
static bool needs_auc(const lode_measure *measure) {
    bool needed = wanted(measure, LODE_METRIC_AUC);
    for (size_t d = 0; d < measure->definition_count; d++) {
        for (const lode_definition_row *one = measure->definitions[d]->rows; one->name != NULL; one++)
            needed = needed || one->metric == LODE_METRIC_AUC;
    }
    return needed;
}

/// Alignment and uniformity of the model, where they are wanted.
static lode_status add_geometry(const lode_measure *measure, lode_metrics *metrics,
                                lode_error *error) {
    lode_geometry geometry;
    if (!wanted(measure, LODE_METRIC_ALIGNMENT) && !wanted(measure, LODE_METRIC_UNIFORMITY_USERS) &&
        !wanted(measure, LODE_METRIC_UNIFORMITY_ITEMS)) {
        return LODE_OK;
    }
    LODE_TRY(lode__geometry_measure(&geometry, &measure->cases, measure->encoder, measure->binding,
                                    (uint64_t)measure->bundle->config.train.seed, error));
    metrics->vectors[LODE_METRIC_ALIGNMENT - LODE_METRIC_ALIGNMENT] = geometry.alignment;
    metrics->vectors[LODE_METRIC_UNIFORMITY_USERS - LODE_METRIC_ALIGNMENT] =
        geometry.uniformity_users;
    metrics->vectors[LODE_METRIC_UNIFORMITY_ITEMS - LODE_METRIC_ALIGNMENT] =
        geometry.uniformity_items;
    return LODE_OK;
}

/// @param tables  [1 + definitions] the table, and one under each definition
static lode_status add_row(const lode_measure *measure, const lode_ranker *ranker, bool exclude,
                           json_t **tables, lode_error *error) {
    lode_metrics metrics;
    LODE_TRY(lode__metrics_new(&metrics, measure->cutoffs, measure->cutoff_count,
                               measure->data->items.count, lode__measure_items(measure),
                               measure->percentile, error));
    char task[32] = "evaluate ";
    strncat(task, ranker->name, sizeof task - strlen(task) - 1);
    lode_status status = lode__metrics_items(&metrics, measure->split->item_count,
                                             measure->category, measure->categories, error);
    metrics.skip_auc = !needs_auc(measure);
    if (status == LODE_OK)
        status =
            lode__evaluate(&measure->cases, ranker, exclude, &metrics, measure->hooks, task, error);
    if (status == LODE_OK) status = lode__metrics_check(&metrics, error);
    if (status == LODE_OK && ranker == &measure->rankers[0])
        status = add_geometry(measure, &metrics, error);
    if (status == LODE_OK) {
        (void)json_object_set_new(json_object_get(tables[0], "rows"), ranker->name,
                                  values_of(measure, &metrics));
        for (size_t d = 0; d < measure->definition_count; d++)
            (void)json_object_set_new(json_object_get(tables[d + 1], "rows"), ranker->name,
                                      defined_values(measure, measure->definitions[d], &metrics));
        add_impressions(&metrics, ranker->name, tables[0]);
    }
    lode__metrics_release(&metrics);
    return status;
}

/// Add a sentence to the table's note.
static void add_note(json_t *table, const char *sentence) {
    const char *before = json_string_value(json_object_get(table, "note"));
    lode_text text = {0};
    lode__text_printf(&text, "%s%s%s", before != NULL ? before : "", before != NULL ? "; " : "",
                      sentence);
    if (!text.failed) (void)json_object_set_new(table, "note", json_string(text.data));
    lode__text_release(&text);
}

static bool any_row_has(json_t *rows, const char *name) {
    const char *ranker;
    json_t *row;
    json_object_foreach(rows, ranker, row) {
        if (json_object_get(row, name) != NULL) return true;
    }
    return false;
}

static bool table_has(const lode_measure *measure, json_t *table, const char *name, bool cutoff) {
    json_t *rows = json_object_get(table, "rows");
    bool found = !cutoff && any_row_has(rows, name);
    for (size_t c = 0; cutoff && c < measure->cutoff_count && !found; c++) {
        char at[64];
        (void)snprintf(at, sizeof at, "%s@%zu", name, measure->cutoffs[c]);
        found = any_row_has(rows, at);
    }
    return found;
}

static void add_undefined(lode_text *text, const char *name) {
    lode__text_printf(text, "%s%s", text->length > 0 ? ", " : "not defined in this run: ", name);
}

/// Say once which wanted metrics no row has.
static void note_undefined(const lode_measure *measure, const lode_definition *definition,
                           json_t *table) {
    lode_text text = {0};
    for (int m = 0; m < LODE_METRICS && definition == NULL; m++) {
        const lode_metric_info *info = lode__metric_at((enum lode_metric)m);
        if (wanted(measure, (enum lode_metric)m) &&
            !table_has(measure, table, info->name, info->cutoff)) {
            add_undefined(&text, info->name);
        }
    }
    const lode_definition_row *one = definition != NULL ? definition->rows : NULL;
    for (; one != NULL && one->name != NULL; one++) {
        if (!table_has(measure, table, one->name, lode__metric_at(one->metric)->cutoff))
            add_undefined(&text, one->name);
    }
    if (text.length > 0 && !text.failed) add_note(table, text.data);
    lode__text_release(&text);
}

static void describe(const lode_measure *measure, bool exclude, json_t *table) {
    (void)json_object_set_new(table, "protocol", json_string(measure->protocol.name));
    (void)json_object_set_new(table, "part",
                              json_string(measure->options.part == 0 ? "valid" : "test"));
    (void)json_object_set_new(table, "exclude_seen", json_boolean(exclude));
    (void)json_object_set_new(table, "cases", json_integer((json_int_t)measure->cases.count));
    (void)json_object_set_new(table, "dropped", json_integer((json_int_t)measure->cases.dropped));
    (void)json_object_set_new(table, "missed", json_integer((json_int_t)measure->cases.missed));
    (void)json_object_set_new(table, "items", json_integer((json_int_t)lode__measure_items(measure)));
    (void)json_object_set_new(table, "rows", json_object());
}

lode_status lode__measure_table(const lode_measure *measure, bool exclude, json_t *table,
                                json_t *also, lode_error *error) {
    json_t **tables = lode__alloc(measure->definition_count + 1, sizeof(json_t *));
    const bool first = json_array_size(also) == 0; // what holds for all tables is said in the first
    lode_status status = LODE_OK;
    if (tables == NULL) return lode__fail_memory(error);
    tables[0] = table;
    for (size_t d = 0; d < measure->definition_count; d++) {
        json_t *other = json_object();
        (void)json_object_set_new(other, "definitions", json_string(measure->definitions[d]->name));
        (void)json_array_append_new(also, other);
        tables[d + 1] = other;
    }
    for (size_t t = 0; t <= measure->definition_count; t++)
        describe(measure, exclude, tables[t]);
    for (size_t i = 0; i < measure->ranker_count && status == LODE_OK; i++)
        status = add_row(measure, &measure->rankers[i], exclude, tables, error);
    if (first && *measure->linear != 0) add_note(table, measure->linear);
    for (size_t t = 0; t <= measure->definition_count && status == LODE_OK; t++)
        note_undefined(measure, t > 0 ? measure->definitions[t - 1] : NULL, tables[t]);
    lode__free(tables);
    return status;
}
