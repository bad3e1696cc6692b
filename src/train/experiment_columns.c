/// Columns of an experiment's table: metrics of the named protocol's table, metrics of the tables that an evaluation
/// makes beside it (measure_also.c), written TABLE/METRIC, and facts of a run.
///
///     result.json     {"metrics": row, "tables": {"full": row, ...}, "truth": hash, "seconds": 61.2, ...}
///     baselines.json  {"rows": {NAME: row}, "tables": {"full": {NAME: row}, ...}, "truth": hash}
///
/// A slice without a case is kept as an empty row: it was measured, and its columns have no value.
#include <math.h>
#include <string.h>

#include "train/experiment.h"

enum { MOST_COLUMNS = 32, LARGEST_CUTOFF = 10000 };

static const char *const table_names[] = {[LODE_REPORT_OWN] = "metrics",
                                          [LODE_REPORT_EXCLUDE_SEEN] = "exclude-seen",
                                          [LODE_REPORT_TRAIN_POPULARITY] = "train-popularity",
                                          [LODE_REPORT_FULL] = "full",
                                          [LODE_REPORT_COLD_ITEMS] = "cold-items",
                                          [LODE_REPORT_COLD_USERS] = "cold-users",
                                          [LODE_REPORT_TAIL] = "tail",
                                          [LODE_REPORT_TRUTH] = "truth"};

/// All are larger than 0 once they are known.
static const char *const fact_names[] = {"seconds", "examples_per_second", "epochs", "best_epoch",
                                         "steps"};

// --- names ----------------------------------------------------------------------------------------------

static lode_status read_column(lode_experiment_plan *plan, const char *name,
                               lode_report_column *column, lode_error *error) {
    *column = (lode_report_column){.name = name, .key = name};
    const char *slash = strchr(name, '/');
    for (size_t i = 0; slash == NULL && i < sizeof fact_names / sizeof *fact_names; i++) {
        if (strcmp(name, fact_names[i]) != 0) continue;
        column->table = LODE_REPORT_RUN;
        return LODE_OK;
    }
    if (slash != NULL) {
        const char *table = lode__arena_strndup(&plan->arena, name, (size_t)(slash - name));
        const char *subject = lode__arena_printf(
            &plan->arena, "%s: report.metrics: %s: unknown table", plan->file, name);
        if (table == NULL || subject == NULL) return lode__fail_memory(error);
        for (int t = LODE_REPORT_OWN + 1; t < LODE_REPORT_RUN; t++) {
            if (strcmp(table, table_names[t]) == 0) column->table = t;
        }
        if (column->table == LODE_REPORT_OWN) {
            return lode__fail_unknown(error, LODE_E_CONFIG, subject, table, table_names + 1,
                                      LODE_REPORT_RUN - 1);
        }
        column->key = slash + 1;
    }
    if (lode__metric_parse(column->key, &column->metric, &column->cutoff) &&
        column->cutoff <= LARGEST_CUTOFF)
        return LODE_OK;
    return lode__fail(
        error, LODE_E_CONFIG,
        "%s: report.metrics: \"%s\" is no metric with a cutoff of at most %d, such as "
        "hit@50 (`help metrics`), and no fact of a run (seconds, examples_per_second, "
        "epochs, best_epoch, steps)",
        plan->file, column->key, LARGEST_CUTOFF);
}

lode_status lode__experiment_read_columns(lode_experiment_plan *plan, lode_error *error) {
    const lode_texts *names = &plan->config.report.metrics;
    if (names->count < 1 || names->count > MOST_COLUMNS) {
        return lode__fail(error, LODE_E_CONFIG, "%s: report.metrics has %zu names: expected 1 to %d",
                          plan->file, names->count, MOST_COLUMNS);
    }
    plan->columns = lode__arena_alloc(&plan->arena, names->count, sizeof *plan->columns);
    if (plan->columns == NULL) return lode__fail_memory(error);
    bool truth = false;
    for (size_t d = 0; d < plan->data_count; d++)
        truth = truth || plan->data[d].truth != NULL;
    for (size_t i = 0; i < names->count; i++) {
        LODE_TRY(read_column(plan, names->values[i], &plan->columns[i], error));
        if (plan->columns[i].table == LODE_REPORT_TRUTH && !truth) {
            return lode__fail(
                error, LODE_E_CONFIG,
                "%s: report.metrics has %s, but no data set has a file of true items: "
                "name it in data, as in {shop: {path: shop.lode, truth: truth.tsv}}",
                plan->file, names->values[i]);
        }
    }
    plan->column_count = names->count;
    return LODE_OK;
}

// --- a cell's configuration -----------------------------------------------------------------------------

/// Why an evaluation under this configuration has no such table; NULL where it has one.
static const char *why_without(int table, const lode_config *config) {
    // what users_apart() would find for a given split is left open: it decides nothing that is asked here
    const lode_split split = {.type = (lode_split_type)config->data.split.type,
                              .of = (enum lode_split_of)config->data.split.of};
    const lode_protocol protocol = lode__config_protocol(&config->eval, &split);
    switch (table) {
    case LODE_REPORT_EXCLUDE_SEEN:
        return protocol.also_other_exclusion && config->eval.exclude_seen == 0
                   ? NULL
                   : "makes one choice of exclude_seen alone";
    case LODE_REPORT_TRAIN_POPULARITY:
        return protocol.candidates == LODE_CANDIDATES_POPULARITY &&
                       protocol.popularity_from == LODE_POPULARITY_ALL
                   ? NULL
                   : "draws no candidates by popularity of all parts";
    case LODE_REPORT_FULL:
        return lode__protocol_sampled(&protocol)
                   ? NULL
                   : "draws no candidates, so that its own table is the only one";
    default:
        return NULL;
    }
}

static lode_status check_column(const lode_experiment_plan *plan, const lode_cell *cell,
                                const lode_report_column *column, const lode_config *config,
                                lode_error *error) {
    const char *name = lode__metric_name(column->metric);
    bool measured = false;
    for (size_t m = 0; m < config->eval.metrics.count; m++)
        measured = measured || strcmp(config->eval.metrics.values[m], name) == 0;
    if (!measured) {
        return lode__fail(error, LODE_E_CONFIG,
                          "%s: report.metrics has %s, but eval.metrics of %s has no %s", plan->file,
                          column->name, cell->name, name);
    }
    const char *reason = why_without(column->table, config);
    if (reason == NULL) return LODE_OK;
    return lode__fail(error, LODE_E_CONFIG,
                      "%s: report.metrics has %s, but the protocol of %s %s (eval.protocol: %s)",
                      plan->file, column->name, cell->name, reason, config->eval.protocol);
}

/// The cutoffs are the configuration's and the columns' together.
lode_status lode__experiment_fit_columns(lode_experiment_plan *plan, lode_cell *cell,
                                         const lode_config *config, lode_error *error) {
    size_t list[2 * LODE_CUTOFFS + 1], count = 0;
    for (size_t i = 0; i < config->eval.cutoffs.count; i++)
        list[count++] = (size_t)config->eval.cutoffs.values[i];
    for (size_t i = 0; i < plan->column_count; i++) {
        const lode_report_column *column = &plan->columns[i];
        if (column->table == LODE_REPORT_RUN) continue;
        LODE_TRY(check_column(plan, cell, column, config, error));
        if (column->cutoff == 0) continue; // auc and others have none
        size_t at = 0;
        while (at < count && list[at] != column->cutoff)
            at++;
        if (at == count) list[count++] = column->cutoff;
        if (count > LODE_CUTOFFS) {
            return lode__fail(
                error, LODE_E_CONFIG,
                "%s: report.metrics and eval.cutoffs together have more than %d cutoffs",
                plan->file, LODE_CUTOFFS);
        }
    }
    size_t *kept = lode__arena_alloc(&plan->arena, count, sizeof *kept);
    if (kept == NULL) return lode__fail_memory(error);
    memcpy(kept, list, count * sizeof *kept);
    cell->cutoffs = kept;
    cell->cutoff_count = count;
    return LODE_OK;
}

// --- asking ---------------------------------------------------------------------------------------------

static bool asked(const lode_experiment_plan *plan, int table) {
    for (size_t i = 0; i < plan->column_count; i++) {
        if (plan->columns[i].table == table) return true;
    }
    return false;
}

bool lode__experiment_wants_truth(const lode_experiment_plan *plan, size_t data) {
    return plan->data[data].truth != NULL && asked(plan, LODE_REPORT_TRUTH);
}

void lode__experiment_ask_columns(lode_text *text, const lode_experiment_plan *plan, size_t data) {
    const char *separator = "slices: [";
    for (int t = LODE_REPORT_COLD_ITEMS; t <= LODE_REPORT_TAIL; t++) {
        if (!asked(plan, t)) continue;
        lode__text_printf(text, "%s%s", separator, table_names[t]);
        separator = ", ";
    }
    if (*separator == ',') lode__text_add(text, "]\n");
    if (!lode__experiment_wants_truth(plan, data)) return;
    lode_node path = {
        .kind = LODE_NODE_SCALAR, .key = "truth", .text = plan->data[data].truth, .quoted = true};
    const lode_node options = {.kind = LODE_NODE_MAP, .child = &path};
    lode__yaml_print(text, &options);
}

// --- what was measured ----------------------------------------------------------------------------------

static bool differ(const json_t *a, const json_t *b, const char *key) {
    return !json_equal(json_object_get(a, key), json_object_get(b, key));
}

static bool is_table(const json_t *measured, const json_t *table, int which) {
    const char *slice = json_string_value(json_object_get(table, "slice"));
    const bool truth = json_object_get(table, "truth") != NULL;
    if (json_object_get(table, "definitions") != NULL) return false;
    if (which == LODE_REPORT_TRUTH) return truth;
    if (which >= LODE_REPORT_COLD_ITEMS)
        return slice != NULL && strcmp(slice, table_names[which]) == 0;
    if (slice != NULL || truth) return false;
    const bool candidates = differ(measured, table, "candidates");
    if (which == LODE_REPORT_FULL) return candidates;
    if (which == LODE_REPORT_TRAIN_POPULARITY)
        return !candidates && differ(measured, table, "popularity_from");
    return differ(measured, table, "exclude_seen");
}

void lode__experiment_keep_tables(json_t *to, const json_t *measured, bool model) {
    json_t *tables = json_object();
    for (int t = LODE_REPORT_OWN + 1; t < LODE_REPORT_RUN; t++) {
        size_t i;
        json_t *table;
        json_array_foreach(json_object_get(measured, "also"), i, table) {
            if (!is_table(measured, table, t)) continue;
            json_t *rows = json_copy(json_object_get(table, "rows"));
            json_t *row = json_object_get(rows, "model");
            if (model) {
                (void)json_object_set_new(tables, table_names[t],
                                          row != NULL ? json_incref(row) : json_object());
            } else {
                (void)json_object_del(rows, "model");
                (void)json_object_set(tables, table_names[t], rows);
            }
            json_decref(rows);
        }
    }
    if (json_object_size(tables) > 0) (void)json_object_set(to, "tables", tables);
    json_decref(tables);
}

static const json_t *row_of(int table, const json_t *result) {
    if (table == LODE_REPORT_RUN) return result;
    if (table == LODE_REPORT_OWN) return json_object_get(result, "metrics");
    return json_object_get(json_object_get(result, "tables"), table_names[table]);
}

const lode_report_column *lode__experiment_missing(const lode_experiment_plan *plan, size_t data,
                                                   const json_t *result) {
    for (size_t i = 0; i < plan->column_count; i++) {
        const lode_report_column *column = &plan->columns[i];
        const json_t *row = row_of(column->table, result);
        if (column->table == LODE_REPORT_TRUTH && plan->data[data].truth == NULL) continue;
        if (json_is_number(json_object_get(row, column->key))) continue;
        const bool beside = column->table > LODE_REPORT_OWN && column->table < LODE_REPORT_RUN;
        if (beside && json_is_object(row) && json_object_size(row) == 0) continue;
        return column;
    }
    return NULL;
}

double lode__experiment_value_of(const lode_report_column *column, const json_t *result) {
    const json_t *value = json_object_get(row_of(column->table, result), column->key);
    if (!json_is_number(value)) return (double)NAN;
    const double number = json_number_value(value);
    return column->table == LODE_REPORT_RUN && !(number > 0) ? (double)NAN : number;
}

double lode__experiment_baseline_of(const lode_report_column *column, const json_t *file,
                                    const char *name) {
    if (column->table == LODE_REPORT_RUN) return (double)NAN;
    const json_t *rows = column->table == LODE_REPORT_OWN ? json_object_get(file, "rows")
                                                          : row_of(column->table, file);
    const json_t *value = json_object_get(json_object_get(rows, name), column->key);
    return json_is_number(value) ? json_number_value(value) : (double)NAN;
}
