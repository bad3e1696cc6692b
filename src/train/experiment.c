/// lode_experiment: cells one after the other, each a training and a measurement, then the table (train/experiment.h).
#include "train/experiment.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/file.h"
#include "train/bundle.h"

enum { LARGEST_RESULT = 1 << 24, LARGEST_CONFIG = 1 << 20, MOST_REMARKS = 256 };

// --- hooks ----------------------------------------------------------------------------------------------

/// Remarks that were passed on already: most are the same in every cell.
typedef struct lode_remarks {
    uint64_t seen[MOST_REMARKS];
    size_t count;
} lode_remarks;

/// The caller's hooks, with the task of the verbs below replaced by one that says which cell this is.
typedef struct lode_relay {
    const lode_hooks *hooks;
    const char *task;
    lode_remarks *remarks;
} lode_relay;

static int relay_progress(void *cookie, const lode_progress *progress) {
    lode_relay *relay = cookie;
    if (relay->hooks == NULL || relay->hooks->progress == NULL) return 0;
    lode_progress copy = *progress;
    copy.task = relay->task;
    return relay->hooks->progress(relay->hooks->cookie, &copy);
}

static void relay_notice(void *cookie, const char *line) {
    const lode_relay *relay = cookie;
    lode_remarks *remarks = relay->remarks;
    const uint64_t hash = XXH3_64bits(line, strlen(line));
    for (size_t i = 0; i < remarks->count; i++) {
        if (remarks->seen[i] == hash) return;
    }
    if (remarks->count < MOST_REMARKS) remarks->seen[remarks->count++] = hash;
    lode__notice(relay->hooks, "%s: %s", relay->task, line);
}

static lode_hooks hooks_of(lode_relay *relay) {
    return (lode_hooks){.cookie = relay, .progress = relay_progress, .notice = relay_notice};
}

// --- JSON files -----------------------------------------------------------------------------------------

/// The object in a file; NULL where there is no file or no object in it (it is then made again).
static lode_status read_json(lode_arena *arena, const char *folder, const char *name, json_t **out,
                             lode_error *error) {
    *out = NULL;
    const char *path = lode__path_join(arena, folder, name);
    if (path == NULL) return lode__fail_memory(error);
    if (!lode__file_exists(path)) return LODE_OK;
    char *text = NULL;
    size_t length;
    LODE_TRY(lode__file_read(path, LARGEST_RESULT, &text, &length, error));
    *out = json_loadb(text, length, JSON_REJECT_DUPLICATES, NULL);
    lode__free(text);
    return LODE_OK;
}

static lode_status write_json(lode_arena *arena, const char *folder, const char *name,
                              const json_t *json, lode_error *error) {
    const char *path = lode__path_join(arena, folder, name);
    char *text = json_dumps(json, JSON_INDENT(1) | JSON_REAL_PRECISION(12));
    lode_status status;
    if (path == NULL || text == NULL) {
        status = lode__fail_memory(error);
    } else {
        status = lode__file_write(path, text, strlen(text), error);
    }
    free(text);
    return status;
}

static bool has_text(const json_t *json, const char *key, const char *wanted) {
    const char *text = json_string_value(json_object_get(json, key));
    return text != NULL && strcmp(text, wanted) == 0;
}

static void print_fingerprint(char out[17], const lode_experiment_data *data) {
    (void)snprintf(out, 17, "%016llx", (unsigned long long)data->fingerprint);
}

static const char *part_name(const lode_experiment_plan *plan) {
    return plan->config.report.part == 0 ? "valid" : "test";
}

static bool is_current(const lode_experiment_plan *plan, const json_t *json, const char *key,
                       const lode_experiment_data *data) {
    char fingerprint[17];
    print_fingerprint(fingerprint, data);
    if (lode__experiment_wants_truth(plan, (size_t)(data - plan->data)) &&
        !has_text(json, "truth", data->truth_key))
        return false;
    return has_text(json, "key", key) && has_text(json, "fingerprint", fingerprint) &&
           has_text(json, "part", part_name(plan));
}

/// What is_current looks at.
static void say_current(const lode_experiment_plan *plan, json_t *json, const char *key,
                        const lode_experiment_data *data) {
    char fingerprint[17];
    print_fingerprint(fingerprint, data);
    (void)json_object_set_new(json, "key", json_string(key));
    (void)json_object_set_new(json, "fingerprint", json_string(fingerprint));
    (void)json_object_set_new(json, "part", json_string(part_name(plan)));
    if (lode__experiment_wants_truth(plan, (size_t)(data - plan->data)))
        (void)json_object_set_new(json, "truth", json_string(data->truth_key));
}

// --- what is there already ------------------------------------------------------------------------------

/// A file of baselines was measured for all columns. A row may lack some: alignment, say, is of models.
static bool was_asked(const lode_experiment_plan *plan, const json_t *file) {
    const json_t *asked = json_object_get(file, "metrics");
    for (size_t i = 0; i < plan->column_count; i++) {
        bool found = plan->columns[i].table == LODE_REPORT_RUN;
        for (size_t j = 0; j < json_array_size(asked) && !found; j++) {
            const char *name = json_string_value(json_array_get(asked, j));
            found = name != NULL && strcmp(name, plan->columns[i].name) == 0;
        }
        if (!found) return false;
    }
    return json_object_size(json_object_get(file, "rows")) > 0;
}

static const char *data_folder(lode_experiment_plan *plan, size_t data) {
    return lode__arena_printf(&plan->arena, "%s/runs/%s", plan->output, plan->data[data].name);
}

static lode_status load_baselines(lode_experiment_plan *plan, lode_experiment_group *group,
                                  lode_error *error) {
    const char *folder = data_folder(plan, group->data);
    json_t *json = NULL;
    if (folder == NULL) return lode__fail_memory(error);
    LODE_TRY(read_json(&plan->arena, folder, group->file, &json, error));
    if (is_current(plan, json, group->key, &plan->data[group->data]) && was_asked(plan, json)) {
        group->baselines = json;
    } else {
        json_decref(json);
    }
    return LODE_OK;
}

static lode_status load_result(lode_experiment_plan *plan, lode_cell *cell, lode_error *error) {
    json_t *json = NULL;
    LODE_TRY(read_json(&plan->arena, cell->folder, LODE_RESULT_FILE, &json, error));
    if (is_current(plan, json, cell->key, &plan->data[cell->data]) &&
        lode__experiment_missing(plan, cell->data, json) == NULL &&
        json_is_object(json_object_get(json, "valid"))) {
        cell->result = json;
    } else {
        json_decref(json);
    }
    return LODE_OK;
}

/// The first line of `after` that differs from `before`, but for train.threads; "" where none does.
static void first_difference(const char *before, const char *after, char *line, size_t size) {
    line[0] = 0;
    while (*after != 0) {
        const size_t a = strcspn(before, "\n"), b = strcspn(after, "\n");
        const bool threads =
            strncmp(after, "  threads:", 10) == 0 && strncmp(before, "  threads:", 10) == 0;
        if (!threads && (a != b || memcmp(before, after, a) != 0)) {
            (void)snprintf(line, size, "%.*s", (int)LODE_MIN(b, size - 1), after);
            return;
        }
        before += a + (before[a] == '\n');
        after += b + (after[b] == '\n');
    }
    if (*before != 0) (void)snprintf(line, size, "an end before \"%.60s\"", before);
}

/// Refuse a run folder of another configuration or data set before hours are spent on other cells.
static lode_status check_folder(lode_experiment_plan *plan, const lode_cell *cell, lode_error *error) {
    const char *config = lode__path_join(&plan->arena, cell->folder, LODE_CONFIG_FILE);
    const char *manifest = lode__path_join(&plan->arena, cell->folder, LODE_MANIFEST_FILE);
    const char *checkpoint = lode__path_join(&plan->arena, cell->folder, LODE_CHECKPOINT_FILE);
    if (config == NULL || manifest == NULL || checkpoint == NULL) return lode__fail_memory(error);
    if (!lode__file_exists(config)) return LODE_OK;
    if (!lode__file_exists(manifest) && !lode__file_exists(checkpoint)) return LODE_OK;
    char *text = NULL, line[128];
    size_t length;
    LODE_TRY(lode__file_read(config, LARGEST_CONFIG, &text, &length, error));
    first_difference(text, cell->config, line, sizeof line);
    lode__free(text);
    if (line[0] != 0) {
        const size_t indent = strspn(line, " ");
        return lode__fail(error, LODE_E_MISMATCH,
                          "cell %s: its configuration has changed since it was run (now \"%s\"): "
                          "remove %s to run it "
                          "again, or choose another output folder",
                          cell->name, line + indent, cell->folder);
    }
    if (!lode__file_exists(manifest)) return LODE_OK;
    lode_manifest said;
    LODE_TRY(lode__manifest_read(&said, &plan->arena, cell->folder, error));
    if (said.fingerprint == plan->data[cell->data].fingerprint) return LODE_OK;
    return lode__fail(error, LODE_E_MISMATCH,
                      "cell %s: the data set %s has changed since it was run: remove %s to run it "
                      "again, or choose "
                      "another output folder",
                      cell->name, plan->data[cell->data].path, cell->folder);
}

static bool is_chosen(const lode_experiment_plan *plan, size_t data) {
    for (size_t i = 0; i < plan->cell_count; i++) {
        if (plan->cells[i].data == data && plan->cells[i].chosen) return true;
    }
    return false;
}

static lode_status load_results(lode_experiment_plan *plan, lode_error *error) {
    for (size_t g = 0; g < plan->group_count; g++) {
        lode_experiment_group *group = &plan->groups[g];
        if (plan->data[group->data].path != NULL) LODE_TRY(load_baselines(plan, group, error));
    }
    for (size_t i = 0; i < plan->cell_count; i++) {
        lode_cell *cell = &plan->cells[i];
        if (plan->data[cell->data].path == NULL) continue;
        LODE_TRY(load_result(plan, cell, error));
        if (cell->chosen && cell->result == NULL) LODE_TRY(check_folder(plan, cell, error));
    }
    return LODE_OK;
}

// --- data sets ------------------------------------------------------------------------------------------

/// Whether OUTPUT/data/NAME.lode was imported from this source; NAME.source says from which.
static lode_status was_imported(lode_experiment_plan *plan, const char *target, const char *record,
                                const char *source, bool *yes, lode_error *error) {
    *yes = false;
    if (!lode__file_exists(target) || !lode__file_exists(record)) return LODE_OK;
    char *text = NULL;
    size_t length;
    LODE_TRY(lode__file_read(record, LARGEST_CONFIG, &text, &length, error));
    *yes = strcmp(text, source) == 0;
    lode__free(text);
    (void)plan;
    return LODE_OK;
}

static lode_status import_data(lode_experiment_plan *plan, lode_experiment_data *data,
                               bool may_import, const lode_hooks *hooks, lode_error *error) {
    lode_arena *arena = &plan->arena;
    const char *folder = lode__path_join(arena, plan->output, "data");
    const char *target = lode__arena_printf(arena, "%s/data/%s.lode", plan->output, data->name);
    const char *record = lode__arena_printf(arena, "%s/data/%s.source", plan->output, data->name);
    char *absolute = realpath(data->source, NULL);
    const char *source = lode__arena_strdup(arena, absolute != NULL ? absolute : data->source);
    free(absolute);
    lode_remarks remarks = {0};
    lode_relay relay = {.hooks = hooks,
                        .remarks = &remarks,
                        .task = lode__arena_printf(arena, "import %s", data->name)};
    if (folder == NULL || target == NULL || record == NULL || source == NULL || relay.task == NULL) {
        return lode__fail_memory(error);
    }
    bool done = false;
    LODE_TRY(was_imported(plan, target, record, source, &done, error));
    if (!done && !may_import) return LODE_OK;
    if (!done) {
        const lode_hooks own = hooks_of(&relay);
        LODE_TRY(lode__folder_make(folder, error));
        const lode_status status = lode_import(source, target, NULL, &own, NULL, error);
        if (status == LODE_E_STOPPED) return status;
        LODE_TRY(lode__error_prefix(error, status, "data set %s", data->name));
        LODE_TRY(lode__file_write(record, source, strlen(source), error));
    }
    data->path = target;
    return LODE_OK;
}

/// A hash of the file of true items, where columns are of it.
static lode_status hash_truth(lode_experiment_plan *plan, size_t d, lode_error *error) {
    lode_experiment_data *data = &plan->data[d];
    lode_mapping file;
    if (!lode__experiment_wants_truth(plan, d)) return LODE_OK;
    LODE_TRY(lode__mapping_open(&file, data->truth, error));
    const unsigned long long hash = XXH3_64bits(file.data, file.size);
    lode__mapping_close(&file);
    data->truth_key = lode__arena_printf(&plan->arena, "%016llx", hash);
    return data->truth_key != NULL ? LODE_OK : lode__fail_memory(error);
}

static lode_status open_data(lode_experiment_plan *plan, const lode_hooks *hooks, lode_error *error) {
    for (size_t d = 0; d < plan->data_count; d++) {
        lode_experiment_data *data = &plan->data[d];
        const bool may_import = is_chosen(plan, d) && !plan->options.dry_run;
        if (data->path == NULL) LODE_TRY(import_data(plan, data, may_import, hooks, error));
        LODE_TRY(hash_truth(plan, d, error));
        if (data->path == NULL) continue;
        lode_dataset *opened = NULL;
        LODE_TRY(lode__dataset_open(&opened, data->path, false, error));
        data->fingerprint = opened->fingerprint;
        lode__dataset_free(&opened);
    }
    return LODE_OK;
}

// --- a cell ---------------------------------------------------------------------------------------------

static bool needs_baselines(const lode_experiment_plan *plan, const lode_cell *cell) {
    return plan->groups[cell->group].baselines == NULL;
}

static bool needs_work(const lode_experiment_plan *plan, const lode_cell *cell) {
    return cell->result == NULL || needs_baselines(plan, cell);
}

static int rising(const void *a, const void *b) {
    const size_t x = *(const size_t *)a, y = *(const size_t *)b;
    return (x > y) - (x < y);
}

static void print_eval_options(lode_text *text, const lode_experiment_plan *plan,
                               const lode_cell *cell) {
    size_t cutoffs[LODE_CUTOFFS];
    memcpy(cutoffs, cell->cutoffs, cell->cutoff_count * sizeof *cutoffs);
    qsort(cutoffs, cell->cutoff_count, sizeof *cutoffs, rising);
    lode_node path = {
        .kind = LODE_NODE_SCALAR, .key = "data", .text = plan->data[cell->data].path, .quoted = true};
    const lode_node options = {.kind = LODE_NODE_MAP, .child = &path};
    lode__yaml_print(text, &options);
    lode__text_printf(text, "part: %s\nbaselines: %s\nthreads: %lld\ncutoffs: [", part_name(plan),
                      needs_baselines(plan, cell) ? "true" : "false",
                      (long long)plan->options.threads);
    for (size_t i = 0; i < cell->cutoff_count; i++)
        lode__text_printf(text, "%s%zu", i > 0 ? ", " : "", cutoffs[i]);
    lode__text_add(text, "]\n");
    lode__experiment_ask_columns(text, plan, cell->data);
}

static lode_status measure(lode_experiment_plan *plan, const lode_cell *cell,
                           const lode_hooks *hooks, json_t **out, lode_error *error) {
    lode_text options = {0};
    char *report = NULL;
    print_eval_options(&options, plan, cell);
    lode_status status = options.failed ? lode__fail_memory(error) : LODE_OK;
    if (status == LODE_OK) status = lode_eval(cell->folder, options.data, hooks, &report, error);
    if (status == LODE_OK) {
        *out = json_loads(report, 0, NULL);
        if (*out == NULL) status = lode__fail_memory(error);
    }
    lode_text_free(&report);
    lode__text_release(&options);
    return status;
}

static void set_copy(json_t *to, const json_t *from, const char *key) {
    json_t *value = json_object_get(from, key);
    if (value != NULL) (void)json_object_set(to, key, value);
}

static json_t *make_result(const lode_experiment_plan *plan, const lode_cell *cell,
                           const json_t *trained, const json_t *measured, const json_t *before) {
    json_t *result = json_object();
    (void)json_object_set_new(result, "cell", json_string(cell->name));
    say_current(plan, result, cell->key, &plan->data[cell->data]);
    (void)json_object_set(result, "metrics",
                          json_object_get(json_object_get(measured, "rows"), "model"));
    lode__experiment_keep_tables(result, measured, true);
    (void)json_object_set(result, "valid", json_object_get(trained, "best"));
    static const char *const facts[] = {"epochs", "best_epoch", "steps"};
    for (size_t i = 0; i < sizeof facts / sizeof *facts; i++)
        set_copy(result, trained, facts[i]);
    static const char *const details[] = {"protocol", "exclude_seen", "cases"};
    for (size_t i = 0; i < sizeof details / sizeof *details; i++)
        set_copy(result, measured, details[i]);
    // A run that was finished before and is only measured again keeps its times.
    const bool again = has_text(before, "key", cell->key) &&
                       !(json_number_value(json_object_get(trained, "seconds")) > 0);
    static const char *const times[] = {"seconds", "examples_per_second"};
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        set_copy(result, trained, times[i]);
        if (again) set_copy(result, before, times[i]);
    }
    return result;
}

static lode_status keep_baselines(lode_experiment_plan *plan, const lode_cell *cell,
                                  const json_t *measured, lode_error *error) {
    lode_experiment_group *group = &plan->groups[cell->group];
    json_t *file = json_object(), *asked = json_array(),
           *rows = json_deep_copy(json_object_get(measured, "rows"));
    for (size_t i = 0; i < plan->column_count; i++)
        (void)json_array_append_new(asked, json_string(plan->columns[i].name));
    say_current(plan, file, group->key, &plan->data[cell->data]);
    set_copy(file, measured, "protocol");
    (void)json_object_set_new(file, "metrics", asked);
    (void)json_object_del(rows, "model");
    (void)json_object_set_new(file, "rows", rows);
    lode__experiment_keep_tables(file, measured, false);
    group->baselines = file;
    const char *folder = data_folder(plan, cell->data);
    if (folder == NULL || file == NULL || rows == NULL) return lode__fail_memory(error);
    return write_json(&plan->arena, folder, group->file, file, error);
}

/// Every column is defined for the model under the cell's protocol.
static lode_status check_columns(const lode_experiment_plan *plan, const lode_cell *cell,
                                 const json_t *result, lode_error *error) {
    const lode_report_column *missing = lode__experiment_missing(plan, cell->data, result);
    if (missing == NULL) return LODE_OK;
    return lode__fail(error, LODE_E_CONFIG,
                      "report.metrics: %s is not defined under protocol %s (`lodestone help "
                      "metrics` says what it needs); leave it out",
                      missing->name, json_string_value(json_object_get(result, "protocol")));
}

static lode_status run_cell(lode_experiment_plan *plan, lode_cell *cell, const lode_hooks *hooks,
                            lode_error *error) {
    char *report = NULL;
    json_t *trained = NULL, *measured = NULL, *before = NULL, *result = NULL;
    lode_status status;
    LODE_GOTO(status, read_json(&plan->arena, cell->folder, LODE_RESULT_FILE, &before, error), done);
    LODE_GOTO(status,
              lode_train(plan->data[cell->data].path, cell->folder, cell->config, "resume: true",
                         hooks, &report, error),
              done);
    trained = json_loads(report, 0, NULL);
    if (trained == NULL) {
        status = lode__fail_memory(error);
        goto done;
    }
    LODE_GOTO(status, measure(plan, cell, hooks, &measured, error), done);
    result = make_result(plan, cell, trained, measured, before);
    if (result == NULL) {
        status = lode__fail_memory(error);
        goto done;
    }
    LODE_GOTO(status, check_columns(plan, cell, result, error), done);
    json_decref(cell->result);
    cell->result = json_incref(result);
    if (needs_baselines(plan, cell))
        LODE_GOTO(status, keep_baselines(plan, cell, measured, error), done);
    status = write_json(&plan->arena, cell->folder, LODE_RESULT_FILE, cell->result, error);
done:
    lode_text_free(&report);
    json_decref(trained);
    json_decref(measured);
    json_decref(before);
    json_decref(result);
    return status;
}

// --- the table ------------------------------------------------------------------------------------------

static lode_status write_table(lode_experiment_plan *plan, const lode_experiment_table *table,
                               lode_error *error) {
    const struct {
        const char *name;
        const lode_text *text;
    } files[] = {
        {"table.txt", &table->text}, {"table.md", &table->markdown}, {"table.csv", &table->csv}};
    LODE_TRY(lode__folder_make(plan->output, error));
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        const char *path = lode__path_join(&plan->arena, plan->output, files[i].name);
        if (path == NULL) return lode__fail_memory(error);
        LODE_TRY(lode__file_write(path, files[i].text->data, files[i].text->length, error));
    }
    return write_json(&plan->arena, plan->output, "table.json", table->json, error);
}

/// Write the table's files, and put the report together where one is asked for.
static lode_status finish_table(lode_experiment_plan *plan, char **report, lode_error *error) {
    lode_experiment_table table;
    lode_status status = lode__experiment_table(&table, plan, error);
    if (status == LODE_OK) status = write_table(plan, &table, error);
    if (status == LODE_OK && report != NULL) {
        (void)json_object_set_new(table.json, "text", json_string(table.text.data));
        (void)json_object_set_new(table.json, "markdown", json_string(table.markdown.data));
        (void)json_object_set_new(table.json, "csv", json_string(table.csv.data));
        char *text = json_dumps(table.json, JSON_INDENT(1) | JSON_REAL_PRECISION(12));
        *report = text != NULL ? lode__strdup(text) : NULL;
        free(text);
        if (*report == NULL) status = lode__fail_memory(error);
    }
    lode__experiment_table_release(&table);
    return status;
}

/// The cells and how far each is, in the report alone.
static lode_status list_cells(const lode_experiment_plan *plan, char **report, lode_error *error) {
    lode_text text = {0}, csv = {0};
    json_t *cells = json_array();
    lode__text_add(&csv, "cell,state\n");
    for (size_t i = 0; i < plan->cell_count; i++) {
        const lode_cell *cell = &plan->cells[i];
        if (!cell->chosen) continue;
        const char *state = cell->result != NULL              ? "finished"
                            : lode__file_exists(cell->folder) ? "started"
                                                              : "new";
        lode__text_printf(&text, "%-8s  %s\n", state, cell->name);
        lode__text_printf(&csv, "%s,%s\n", cell->name, state);
        (void)json_array_append_new(cells, json_pack("{s:s, s:s, s:s}", "cell", cell->name,
                                                     "folder", cell->folder, "state", state));
    }
    json_t *json =
        json_pack("{s:s, s:o, s:[], s:s?, s:s?, s:s?}", "name", plan->config.name, "cells", cells,
                  "rows", "text", text.data, "markdown", text.data, "csv", csv.data);
    char *all = json != NULL && !text.failed && !csv.failed ? json_dumps(json, JSON_INDENT(1)) : NULL;
    lode_status status = LODE_OK;
    if (report != NULL) *report = all != NULL ? lode__strdup(all) : NULL;
    if (all == NULL || (report != NULL && *report == NULL)) status = lode__fail_memory(error);
    free(all);
    json_decref(json);
    lode__text_release(&text);
    lode__text_release(&csv);
    return status;
}

// --- the whole ------------------------------------------------------------------------------------------

static lode_status run_cells(lode_experiment_plan *plan, const lode_hooks *hooks, lode_error *error) {
    size_t chosen = 0, number = 0;
    lode_remarks remarks = {0};
    for (size_t i = 0; i < plan->cell_count; i++)
        chosen += plan->cells[i].chosen;
    for (size_t i = 0; i < plan->cell_count; i++) {
        lode_cell *cell = &plan->cells[i];
        if (!cell->chosen) continue;
        number++;
        if (!needs_work(plan, cell)) continue;
        lode_relay relay = {.hooks = hooks, .remarks = &remarks};
        relay.task = lode__arena_printf(&plan->arena, "%s %zu/%zu", cell->name, number, chosen);
        if (relay.task == NULL) return lode__fail_memory(error);
        const lode_hooks own = hooks_of(&relay);
        const lode_status status = run_cell(plan, cell, &own, error);
        if (status == LODE_E_STOPPED) return status;
        LODE_TRY(lode__error_prefix(error, status, "cell %s", cell->name));
        LODE_TRY(finish_table(plan, NULL, error)); // what is known so far
    }
    return LODE_OK;
}

lode_status lode_experiment(const char *yaml, const char *name, const char *output,
                            const char *options, const lode_hooks *hooks, char **report,
                            lode_error *error) {
    lode_experiment_plan plan;
    lode_status status;
    LODE_GOTO(status, lode__experiment_plan(&plan, yaml, name, output, options, error), done);
    LODE_GOTO(status, open_data(&plan, hooks, error), done);
    LODE_GOTO(status, load_results(&plan, error), done);
    if (plan.options.dry_run) {
        status = list_cells(&plan, report, error);
        goto done;
    }
    LODE_GOTO(status, run_cells(&plan, hooks, error), done);
    status = finish_table(&plan, report, error);
done:
    lode__experiment_plan_release(&plan);
    return status;
}
