/// The table of an experiment: means and deviations over seeds, and t-tests against one row of each group (the rows of
/// a data set under one split and protocol). An axis whose values set groups apart, such as the protocol, is shown for
/// baselines too; their names stand under the first other axis.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "train/experiment.h"
#include "train/statistics.h"
#include "train/text_grid.h"

enum { MOST_BASELINES = 8 };

/// One row: `values` holds [metrics + 1, seeds], the last line being validation; NaN where a cell has no result.
typedef struct lode_table_row {
    const char *name;
    size_t data, row, group; ///< row: of a baseline the first row of its group
    bool baseline, reference;
    size_t cells;
    double *values, *p;
    double seconds;
    const char *valid; ///< name of the validation metric; NULL for baselines
} lode_table_row;

typedef struct lode_table_work {
    const lode_experiment_plan *plan;
    lode_table_row *rows;
    size_t row_count, metrics, seeds;
    double *a, *b; ///< [seeds] scratch
    size_t *first; ///< [groups] first row
    bool *apart;   ///< [axes] it sets groups apart
    size_t name_at; ///< axis under which the names of baselines stand; axis_count: a column of their own
    lode_arena arena;
} lode_table_work;

static double number_or_nan(const json_t *value) {
    return json_is_number(value) ? json_number_value(value) : (double)NAN;
}

/// The values of metric `m` that are there, into `out`. @return how many
static size_t gather(const lode_table_work *work, const lode_table_row *row, size_t m, double *out) {
    size_t count = 0;
    for (size_t s = 0; s < work->seeds; s++) {
        const double value = row->values[m * work->seeds + s];
        if (!isnan(value)) out[count++] = value;
    }
    return row->baseline ? LODE_MIN(count, (size_t)1) : count;
}

static void take_cell(const lode_table_work *work, lode_table_row *row, const lode_cell *cell) {
    const json_t *valid = json_object_get(cell->result, "valid");
    for (size_t m = 0; m < work->metrics; m++) {
        row->values[m * work->seeds + cell->seed] =
            lode__experiment_value_of(&work->plan->columns[m], cell->result);
    }
    row->values[work->metrics * work->seeds + cell->seed] =
        number_or_nan(json_object_get(valid, cell->valid));
    row->seconds += json_number_value(json_object_get(cell->result, "seconds"));
    row->valid = cell->valid;
    row->cells++;
}

static void take_baseline(const lode_table_work *work, lode_table_row *row, const json_t *file) {
    for (size_t m = 0; m < work->metrics; m++) {
        for (size_t s = 0; s < work->seeds; s++) { // the same at every seed
            row->values[m * work->seeds + s] =
                lode__experiment_baseline_of(&work->plan->columns[m], file, row->name);
        }
    }
    row->cells = 1;
}

static lode_table_row *add_row(lode_table_work *work, size_t group, size_t number, const char *name) {
    lode_table_row *row = &work->rows[work->row_count++];
    const size_t count = (work->metrics + 1) * work->seeds;
    *row = (lode_table_row){
        .name = name, .data = work->plan->groups[group].data, .group = group, .row = number};
    row->values = lode__arena_alloc(&work->arena, count, sizeof *row->values);
    row->p = lode__arena_alloc(&work->arena, work->metrics, sizeof *row->p);
    if (row->values == NULL || row->p == NULL) return NULL;
    for (size_t i = 0; i < count; i++)
        row->values[i] = (double)NAN;
    for (size_t m = 0; m < work->metrics; m++)
        row->p[m] = (double)NAN;
    return row;
}

static lode_status add_rows(lode_table_work *work, size_t group, lode_error *error) {
    const lode_experiment_plan *plan = work->plan;
    const size_t data = plan->groups[group].data;
    for (size_t r = 0; r < plan->row_count; r++) {
        const lode_cell *cells = &plan->cells[(data * plan->row_count + r) * work->seeds];
        if (cells[0].group != group) continue;
        lode_table_row *row = add_row(work, group, r, plan->rows[r]);
        if (row == NULL) return lode__fail_memory(error);
        for (size_t s = 0; s < work->seeds; s++) {
            if (cells[s].result != NULL) take_cell(work, row, &cells[s]);
        }
        if (row->cells == 0) work->row_count--;
    }
    json_t *rows = json_object_get(plan->groups[group].baselines, "rows"), *value;
    const char *name;
    size_t count = 0;
    json_object_foreach(rows, name, value) {
        if (count++ == MOST_BASELINES) break;
        lode_table_row *row = add_row(work, group, work->first[group], name);
        if (row == NULL) return lode__fail_memory(error);
        row->baseline = true;
        take_baseline(work, row, plan->groups[group].baselines);
    }
    return LODE_OK;
}

/// The first row of each group, and which axes set groups apart: rows of one group never differ there, rows of
/// several groups do. Data sets have the same rows, so the first one tells.
static lode_status find_axes(lode_table_work *work, lode_error *error) {
    const lode_experiment_plan *plan = work->plan;
    work->apart = lode__arena_alloc(&work->arena, plan->axis_count, sizeof *work->apart);
    work->first = lode__arena_alloc(&work->arena, plan->group_count, sizeof *work->first);
    if (work->apart == NULL || work->first == NULL) return lode__fail_memory(error);
    for (size_t i = plan->cell_count; i-- > 0;)
        work->first[plan->cells[i].group] = plan->cells[i].row;
    work->name_at = plan->axis_count;
    for (size_t a = plan->axis_count; a-- > 0;) {
        bool apart = false, within = false;
        for (size_t r = 0; r < plan->row_count; r++) {
            const size_t first = work->first[plan->cells[r * work->seeds].group];
            const size_t value = lode__experiment_value(plan, first, a);
            within = within || value != lode__experiment_value(plan, r, a);
            apart = apart || value != lode__experiment_value(plan, 0, a);
        }
        work->apart[a] = apart && !within;
        if (!work->apart[a]) work->name_at = a;
    }
    return LODE_OK;
}

/// The row of rows begin .. end - 1 that the others are tested against, or NULL.
static lode_table_row *find_reference(const lode_table_work *work, size_t begin, size_t end) {
    const char *wanted = work->plan->config.report.compare.baseline;
    lode_table_row *best = NULL;
    double best_mean = 0;
    for (size_t i = begin; i < end; i++) {
        lode_table_row *row = &work->rows[i];
        const double mean = lode__mean(work->a, gather(work, row, 0, work->a));
        if (wanted != NULL && strcmp(row->name, wanted) == 0) return row;
        if (wanted != NULL || row->baseline || isnan(mean)) continue;
        if (best != NULL && !(mean > best_mean)) continue;
        best = row;
        best_mean = mean;
    }
    return best;
}

static void compare_rows(const lode_table_work *work, size_t begin, size_t end) {
    lode_table_row *reference = find_reference(work, begin, end);
    if (reference == NULL) return;
    reference->reference = true;
    for (size_t i = begin; i < end; i++) {
        lode_table_row *row = &work->rows[i];
        if (row == reference || (row->baseline && reference->baseline)) continue;
        for (size_t m = 0; m < work->metrics; m++) {
            size_t pairs = 0;
            for (size_t s = 0; s < work->seeds; s++) {
                work->a[pairs] = row->values[m * work->seeds + s];
                work->b[pairs] = reference->values[m * work->seeds + s];
                if (!isnan(work->a[pairs]) && !isnan(work->b[pairs])) pairs++;
            }
            row->p[m] = lode__paired_t_test(work->a, work->b, pairs);
        }
    }
}

// --- JSON -----------------------------------------------------------------------------------------------

static json_t *real_or_null(double value) {
    return isfinite(value) ? json_real(value) : json_null();
}

static json_t *summary(const lode_table_work *work, const lode_table_row *row, size_t m) {
    const size_t count = gather(work, row, m, work->a);
    json_t *json = json_object();
    (void)json_object_set_new(json, "mean", real_or_null(lode__mean(work->a, count)));
    (void)json_object_set_new(json, "sd", real_or_null(lode__deviation(work->a, count)));
    json_t *values = json_array();
    for (size_t i = 0; i < count; i++)
        (void)json_array_append_new(values, json_real(work->a[i]));
    if (m < work->metrics) (void)json_object_set_new(json, "p", real_or_null(row->p[m]));
    (void)json_object_set_new(json, "values", values);
    return json;
}

static json_t *row_json(const lode_table_work *work, const lode_table_row *row) {
    const lode_experiment_plan *plan = work->plan;
    json_t *json = json_object(), *metrics = json_object(), *axes = json_object(),
           *seeds = json_array();
    (void)json_object_set_new(json, "data", json_string(plan->data[row->data].name));
    (void)json_object_set_new(json, "row", json_string(row->name));
    (void)json_object_set_new(json, "kind", json_string(row->baseline ? "baseline" : "model"));
    (void)json_object_set_new(json, "reference", json_boolean(row->reference));
    (void)json_object_set_new(json, "axes", axes);
    (void)json_object_set_new(json, "seeds", seeds);
    (void)json_object_set_new(json, "metrics", metrics);
    for (size_t m = 0; m < work->metrics; m++) {
        (void)json_object_set_new(metrics, plan->columns[m].name, summary(work, row, m));
    }
    for (size_t a = 0; a < plan->axis_count; a++) {
        if (row->baseline && !work->apart[a]) continue;
        const char *value = plan->axes[a].values[lode__experiment_value(plan, row->row, a)].name;
        (void)json_object_set_new(axes, plan->axes[a].name, json_string(value));
    }
    if (row->baseline) return json;
    for (size_t s = 0; s < work->seeds; s++) {
        const lode_cell *cell =
            &plan->cells[(row->data * plan->row_count + row->row) * work->seeds + s];
        if (cell->result == NULL) continue;
        (void)json_array_append_new(seeds, json_integer((json_int_t)plan->config.seeds.values[s]));
    }
    json_t *valid = summary(work, row, work->metrics);
    (void)json_object_set_new(valid, "metric", json_string(row->valid));
    (void)json_object_set_new(json, "valid", valid);
    (void)json_object_set_new(json, "seconds", json_real(row->seconds / (double)row->cells));
    return json;
}

// --- texts ----------------------------------------------------------------------------------------------

static const char *show_summary(lode_table_work *work, const lode_table_row *row, size_t m) {
    const size_t count = gather(work, row, m, work->a);
    const char *mean = lode__grid_number(&work->arena, lode__mean(work->a, count));
    if (count < 2 || mean == NULL) return mean;
    const char *deviation = lode__grid_number(&work->arena, lode__deviation(work->a, count));
    return deviation != NULL ? lode__arena_printf(&work->arena, "%s ±%s", mean, deviation) : NULL;
}

static const char *show_p(lode_table_work *work, const lode_table_row *row, size_t m) {
    if (row->reference) return work->plan->config.report.compare.baseline != NULL ? "base" : "best";
    return lode__grid_probability(&work->arena, row->p[m]);
}

static void put_head(lode_table_work *work, lode_text_grid *grid) {
    const lode_experiment_plan *plan = work->plan;
    const char *valid = NULL;
    for (size_t i = 0; i < work->row_count && valid == NULL; i++)
        valid = work->rows[i].valid;
    lode__grid_put(grid, "data");
    for (size_t a = 0; a < plan->axis_count; a++)
        lode__grid_put(grid, plan->axes[a].name);
    if (work->name_at == plan->axis_count) lode__grid_put(grid, "row");
    lode__grid_put(grid, "seeds");
    for (size_t m = 0; m < work->metrics; m++) {
        lode__grid_put(grid, plan->columns[m].name);
        lode__grid_put(grid, "p");
    }
    lode__grid_put(grid, lode__arena_printf(&work->arena, "valid %s", valid != NULL ? valid : ""));
}

static void put_row(lode_table_work *work, lode_text_grid *grid, const lode_table_row *row) {
    const lode_experiment_plan *plan = work->plan;
    const bool baseline = row->baseline;
    lode__grid_put(grid, plan->data[row->data].name);
    for (size_t a = 0; a < plan->axis_count; a++) {
        const char *value = plan->axes[a].values[lode__experiment_value(plan, row->row, a)].name;
        lode__grid_put(grid, !baseline || work->apart[a] ? value
                             : a == work->name_at        ? row->name
                                                         : "");
    }
    if (work->name_at == plan->axis_count)
        lode__grid_put(grid, baseline || plan->axis_count == 0 ? row->name : "model");
    lode__grid_put(grid, baseline ? "" : lode__arena_printf(&work->arena, "%zu", row->cells));
    for (size_t m = 0; m < work->metrics; m++) {
        lode__grid_put(grid, show_summary(work, row, m));
        lode__grid_put(grid, show_p(work, row, m));
    }
    lode__grid_put(grid, baseline ? "" : show_summary(work, row, work->metrics));
}

static lode_status make_grid(lode_table_work *work, lode_text_grid *grid, lode_error *error) {
    const size_t axes = work->plan->axis_count, left = 1 + axes + (work->name_at == axes);
    LODE_TRY(lode__grid_new(grid, &work->arena, work->row_count + 1,
                            left + 1 + 2 * work->metrics + 1, left, error));
    put_head(work, grid);
    for (size_t i = 0; i < work->row_count; i++)
        put_row(work, grid, &work->rows[i]);
    return LODE_OK;
}

static void print_csv(const lode_table_work *work, lode_text *out, json_t *rows) {
    const lode_experiment_plan *plan = work->plan;
    lode__text_add(out, "data,row");
    for (size_t a = 0; a < plan->axis_count; a++)
        lode__text_printf(out, ",%s", plan->axes[a].name);
    lode__text_add(out, ",seeds,reference");
    for (size_t m = 0; m <= work->metrics; m++) {
        const char *name = m < work->metrics ? plan->columns[m].name : "valid";
        lode__text_printf(out, ",%s mean,%s sd", name, name);
        if (m < work->metrics) lode__text_printf(out, ",%s p", name);
    }
    lode__text_add(out, "\n");
    for (size_t i = 0; i < work->row_count; i++) {
        const lode_table_row *row = &work->rows[i];
        const json_t *json = json_array_get(rows, i);
        lode__text_printf(out, "%s,%s", plan->data[row->data].name, row->name);
        for (size_t a = 0; a < plan->axis_count; a++) {
            const char *value =
                json_string_value(json_object_get(json_object_get(json, "axes"), plan->axes[a].name));
            lode__text_printf(out, ",%s", value != NULL ? value : "");
        }
        lode__text_printf(out, ",%zu,%s", row->cells, row->reference ? "yes" : "no");
        for (size_t m = 0; m <= work->metrics; m++) {
            const json_t *cell =
                m < work->metrics
                    ? json_object_get(json_object_get(json, "metrics"), plan->columns[m].name)
                    : json_object_get(json, "valid");
            static const char *const parts[] = {"mean", "sd", "p"};
            for (size_t part = 0; part < (m < work->metrics ? 3 : 2); part++) {
                const json_t *value = json_object_get(cell, parts[part]);
                lode__text_add(out, ",");
                if (json_is_number(value)) lode__text_printf(out, "%.9g", json_number_value(value));
            }
        }
        lode__text_add(out, "\n");
    }
}

static lode_status print_texts(lode_table_work *work, lode_experiment_table *table,
                               lode_error *error) {
    const lode_experiment_plan *plan = work->plan;
    lode_text_grid grid = {0};
    LODE_TRY(make_grid(work, &grid, error));
    const char *baseline = plan->config.report.compare.baseline;
    const char *against = lode__arena_printf(
        &work->arena,
        "%s part; mean ±sd over seeds; p of a two-sided t-test, paired by seed, against %s%s",
        plan->config.report.part == 0 ? "Validation" : "Test",
        baseline != NULL ? baseline
        : work->plan->group_count > work->plan->data_count
            ? "the best row of the data set under that protocol"
            : "the best row of the data set",
        baseline != NULL ? "" : " by the first metric");
    if (against == NULL) return lode__fail_memory(error);
    lode__text_printf(&table->markdown, "### %s\n\n", plan->config.name);
    LODE_TRY(lode__grid_print(&grid, &table->text, &table->markdown, error));
    lode__text_printf(&table->text, "%s.\n", against);
    lode__text_printf(&table->markdown, "\n%s.\n", against);
    print_csv(work, &table->csv, json_object_get(table->json, "rows"));
    const bool failed = table->text.failed || table->markdown.failed || table->csv.failed;
    return failed ? lode__fail_memory(error) : LODE_OK;
}

lode_status lode__experiment_table(lode_experiment_table *table, const lode_experiment_plan *plan,
                                   lode_error *error) {
    *table = (lode_experiment_table){0};
    lode_table_work work = {
        .plan = plan, .metrics = plan->column_count, .seeds = plan->config.seeds.count};
    const size_t most = plan->data_count * plan->row_count + plan->group_count * MOST_BASELINES;
    work.rows = lode__arena_alloc(&work.arena, most, sizeof *work.rows);
    work.a = lode__arena_alloc(&work.arena, work.seeds, sizeof *work.a);
    work.b = lode__arena_alloc(&work.arena, work.seeds, sizeof *work.b);
    lode_status status = LODE_OK;
    if (work.rows == NULL || work.a == NULL || work.b == NULL) status = lode__fail_memory(error);
    if (status == LODE_OK) status = find_axes(&work, error);
    for (size_t g = 0; g < plan->group_count && status == LODE_OK; g++) {
        const size_t begin = work.row_count;
        status = add_rows(&work, g, error);
        if (status == LODE_OK) compare_rows(&work, begin, work.row_count);
    }
    if (status == LODE_OK) {
        json_t *rows = json_array();
        for (size_t i = 0; i < work.row_count; i++) {
            (void)json_array_append_new(rows, row_json(&work, &work.rows[i]));
        }
        table->json = json_pack("{s:s, s:s, s:o}", "name", plan->config.name, "part",
                                plan->config.report.part == 0 ? "valid" : "test", "rows", rows);
        status = table->json == NULL ? lode__fail_memory(error) : print_texts(&work, table, error);
        if (status == LODE_OK) status = lode__experiment_judge(table, plan, error);
    }
    lode__arena_release(&work.arena);
    return status;
}

void lode__experiment_table_release(lode_experiment_table *table) {
    json_decref(table->json);
    lode__text_release(&table->text);
    lode__text_release(&table->markdown);
    lode__text_release(&table->csv);
    *table = (lode_experiment_table){0};
}
