/// What an experiment is made of: its keys, its data sets, its axes, and every cell with its configuration.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/file.h"
#include "train/experiment.h"

enum { LARGEST_CONFIG = 1 << 20, MOST_AXES = 8, MOST_CELLS = 100000 };

#define AT(member) .offset = offsetof(lode_compare_config, member)
static const lode_key compare_keys[] = {{.name = "baseline",
                                         .type = LODE_KEY_TEXT,
                                         AT(baseline),
                                         .help =
                                             "The row that every other is tested against, such as "
                                             "ican/in_batch, popularity or item_knn; the default "
                                             "is the row with the best mean of the first metric."},
                                        {0}};
#undef AT

#define AT(member) .offset = offsetof(lode_report_config, member)
static const char *const parts[] = {"valid", "test", NULL};
static const lode_key report_keys[] = {
    {.name = "metrics",
     .type = LODE_KEY_TEXTS,
     AT(metrics),
     .fallback = "[hit@50, ndcg@10]",
     .help = "Columns of the table; the first one chooses the best row. hit@50 is the protocol's, "
             "TABLE/hit@50 that of another table of the evaluation: full (all items, beside drawn "
             "candidates), train-popularity (drawn by popularity in training), exclude-seen "
             "(protocol micrec), cold-items, cold-users, tail, truth (a data set's file of true "
             "items). Facts of a run: seconds, examples_per_second, epochs, best_epoch, steps."},
    {.name = "compare",
     .type = LODE_KEY_SECTION,
     AT(compare),
     .keys = compare_keys,
     .help = "Two-sided t-tests, paired by seed."},
    {.name = "part",
     .type = LODE_KEY_CHOICE,
     AT(part),
     .fallback = "test",
     .choices = parts,
     .help = "What is predicted."},
    {.name = "claims",
     .type = LODE_KEY_NODE,
     AT(claims),
     .help = "A list of maps, each a sentence and the rule by which it is met; their keys stand "
             "below."},
    {0}};
#undef AT

#define AT(member) .offset = offsetof(lode_experiment_config, member)
const lode_key lode__experiment_keys[] = {
    {.name = "name",
     .type = LODE_KEY_TEXT,
     AT(name),
     .help = "What to call the experiment; the default is its file's name."},
    {.name = "data",
     .type = LODE_KEY_NODE,
     AT(data),
     .help =
         "A list of data sets or raw logs, or a map {name: path}; in place of a path, {path: "
         "shop.lode, truth: truth.tsv} names a file of true items too. Looked for beside the "
         "experiment's file, in $LODESTONE_DATA and in the working folder; \"x.lode\" also "
         "finds a folder or file x of raw logs, which is imported once into OUTPUT/data/x.lode."},
    {.name = "base",
     .type = LODE_KEY_NODE,
     AT(base),
     .help = "The configuration that all cells share: a map, or the path of a configuration file."},
    {.name = "grid",
     .type = LODE_KEY_NODE,
     AT(grid),
     .help = "Axes: {axis: {value: patch}}, a patch being a map of configuration keys or key "
             "paths; or {key.path: "
             "[values]}."},
    {.name = "seeds",
     .type = LODE_KEY_INTS,
     AT(seeds),
     .fallback = "[1, 2, 3]",
     .high = 9e15,
     .help = "Values of train.seed; the rows of the table are means over them."},
    {.name = "per_data",
     .type = LODE_KEY_NODE,
     AT(per_data),
     .help = "{data set: patch} laid on the base, below the grid."},
    {.name = "report", .type = LODE_KEY_SECTION, AT(report), .keys = report_keys, .help = "The table."},
    {0}};
#undef AT

#define AT(member) .offset = offsetof(lode_experiment_options, member)
const lode_key lode__experiment_option_keys[] = {
    {.name = "threads",
     .type = LODE_KEY_INT,
     AT(threads),
     .fallback = "0",
     .high = 256,
     .help = "Overrides train.threads; 0 = as configured. Changes no result."},
    {.name = "only",
     .type = LODE_KEY_TEXT,
     AT(only),
     .help = "Run only cells whose name holds this text, or one of several joined by commas; the "
             "table shows all that are finished."},
    {.name = "dry_run",
     .type = LODE_KEY_BOOL,
     AT(dry_run),
     .fallback = "false",
     .help = "Check everything and list the cells; train and write nothing."},
    {0}};
#undef AT

static const char *where(lode_experiment_plan *plan, const lode_node *node) {
    return lode__node_where(&plan->arena, node);
}

// --- axes -----------------------------------------------------------------------------------------------

/// A value of a list axis: the patch {axis: value}.
static lode_status list_value(lode_experiment_plan *plan, const lode_node *axis,
                              const lode_node *node, lode_axis_value *value, lode_error *error) {
    if (node->kind != LODE_NODE_SCALAR) {
        return lode__fail(
            error, LODE_E_CONFIG,
            "%s: a list of an axis holds single values; give others names: {name: {%s: ...}}",
            where(plan, node), axis->key);
    }
    lode_node *nodes = lode__arena_alloc(&plan->arena, 2, sizeof *nodes);
    if (nodes == NULL) return lode__fail_memory(error);
    nodes[0] = (lode_node){
        .kind = LODE_NODE_MAP, .child = &nodes[1], .file = node->file, .line = node->line};
    nodes[1] = *node;
    nodes[1].key = axis->key;
    nodes[1].next = NULL;
    *value = (lode_axis_value){node->text, &nodes[0]};
    return LODE_OK;
}

static lode_status map_value(lode_experiment_plan *plan, const lode_node *node,
                             lode_axis_value *value, lode_error *error) {
    const bool empty = node->kind == LODE_NODE_SCALAR && *node->text == 0;
    if (node->kind != LODE_NODE_MAP && !empty) {
        return lode__fail(error, LODE_E_CONFIG,
                          "%s: \"%s\" is %s: expected a map of configuration keys", where(plan, node),
                          node->key, node->kind == LODE_NODE_LIST ? "a list" : node->text);
    }
    *value = (lode_axis_value){node->key, empty ? NULL : node};
    return LODE_OK;
}

static lode_status read_axis(lode_experiment_plan *plan, const lode_node *node, lode_error *error) {
    lode_axis *axis = &plan->axes[plan->axis_count++];
    *axis = (lode_axis){.name = node->key, .count = lode__node_count(node)};
    if (node->kind == LODE_NODE_SCALAR || axis->count == 0) {
        return lode__fail(
            error, LODE_E_CONFIG,
            "%s: axis \"%s\" has no values: expected {name: {key: value, ...}, ...}, or a list of "
            "values of the key path that the axis is called after",
            where(plan, node), node->key);
    }
    axis->values = lode__arena_alloc(&plan->arena, axis->count, sizeof *axis->values);
    if (axis->values == NULL) return lode__fail_memory(error);
    size_t i = 0;
    for (const lode_node *child = node->child; child != NULL; child = child->next, i++) {
        LODE_TRY(node->kind == LODE_NODE_LIST ? list_value(plan, node, child, &axis->values[i], error)
                                              : map_value(plan, child, &axis->values[i], error));
        LODE_TRY(lode__experiment_check_name(plan, child, "a value of an axis",
                                             axis->values[i].name, error));
        for (size_t j = 0; j < i; j++) {
            if (strcmp(axis->values[i].name, axis->values[j].name) == 0) {
                return lode__fail(error, LODE_E_CONFIG, "%s: axis \"%s\" has the value %s twice",
                                  where(plan, child), node->key, axis->values[i].name);
            }
        }
    }
    return LODE_OK;
}

size_t lode__experiment_value(const lode_experiment_plan *plan, size_t row, size_t axis) {
    for (size_t a = plan->axis_count; a-- > axis + 1;)
        row /= plan->axes[a].count;
    return row % plan->axes[axis].count;
}

static lode_status name_rows(lode_experiment_plan *plan, lode_error *error) {
    static const char *const baselines[LODE_BASELINE_NAMES] = {"popularity", "item_knn", "ease",
                                                               "als"};
    plan->rows =
        lode__arena_alloc(&plan->arena, plan->row_count + LODE_BASELINE_NAMES, sizeof *plan->rows);
    if (plan->rows == NULL) return lode__fail_memory(error);
    memcpy(plan->rows + plan->row_count, baselines, sizeof baselines);
    for (size_t row = 0; row < plan->row_count; row++) {
        plan->rows[row] = plan->axis_count == 0 ? "model" : NULL;
        for (size_t a = 0; a < plan->axis_count; a++) {
            const char *value = plan->axes[a].values[lode__experiment_value(plan, row, a)].name;
            plan->rows[row] =
                a == 0 ? value : lode__arena_printf(&plan->arena, "%s/%s", plan->rows[row], value);
            if (plan->rows[row] == NULL) return lode__fail_memory(error);
        }
    }
    return LODE_OK;
}

static lode_status read_grid(lode_experiment_plan *plan, lode_error *error) {
    const lode_node *grid = plan->config.grid;
    const size_t count = lode__node_count(grid);
    if (grid != NULL && (grid->kind != LODE_NODE_MAP || count > MOST_AXES)) {
        return lode__fail(error, LODE_E_CONFIG, "%s: grid is a map of at most %d axes",
                          where(plan, grid), MOST_AXES);
    }
    plan->axes = lode__arena_alloc(&plan->arena, count, sizeof *plan->axes);
    if (plan->axes == NULL) return lode__fail_memory(error);
    plan->row_count = 1;
    for (const lode_node *node = grid != NULL ? grid->child : NULL; node != NULL; node = node->next) {
        LODE_TRY(read_axis(plan, node, error));
        plan->row_count *= plan->axes[plan->axis_count - 1].count;
        if (plan->row_count > MOST_CELLS) break;
    }
    const size_t others = plan->data_count * plan->config.seeds.count;
    if (plan->row_count > MOST_CELLS || plan->row_count * others > MOST_CELLS) {
        return lode__fail(error, LODE_E_CONFIG, "%s: more than %d cells", plan->file, MOST_CELLS);
    }
    plan->cell_count = plan->row_count * others;
    return name_rows(plan, error);
}

// --- checks ---------------------------------------------------------------------------------------------

static lode_status check_seeds(const lode_experiment_plan *plan, lode_error *error) {
    const lode_ints *seeds = &plan->config.seeds;
    if (seeds->count < 1 || seeds->count > 1000) {
        return lode__fail(error, LODE_E_CONFIG, "%s: seeds has %zu numbers: expected 1 to 1000",
                          plan->file, seeds->count);
    }
    for (size_t i = 0; i < seeds->count; i++) {
        for (size_t j = 0; j < i; j++) {
            if (seeds->values[i] == seeds->values[j]) {
                return lode__fail(error, LODE_E_CONFIG, "%s: seeds has %lld twice", plan->file,
                                  (long long)seeds->values[i]);
            }
        }
    }
    return LODE_OK;
}

lode_status lode__experiment_find(const char *subject, const char *name, const char *kind,
                                  const char *const *names, size_t count, size_t *found,
                                  lode_error *error) {
    for (size_t i = 0; i < count; i++) {
        if (strcmp(names[i], name) != 0) continue;
        if (found != NULL) *found = i;
        return LODE_OK;
    }
    const char *nearest = lode__nearest(name, names, count);
    return lode__fail(error, LODE_E_CONFIG, "%s \"%s\", which is no %s; %s \"%s\"%s", subject, name,
                      kind, nearest != NULL ? "did you mean" : "one is called",
                      nearest != NULL ? nearest : names[0], nearest != NULL ? "?" : "");
}

static lode_status check_names(lode_experiment_plan *plan, lode_error *error) {
    const char *baseline = plan->config.report.compare.baseline;
    const char *subject =
        lode__arena_printf(&plan->arena, "%s: report.compare.baseline is", plan->file);
    if (subject == NULL) return lode__fail_memory(error);
    if (baseline != NULL) {
        LODE_TRY(lode__experiment_find(subject, baseline, "row", plan->rows,
                                       plan->row_count + LODE_BASELINE_NAMES, NULL, error));
    }
    const lode_node *node = plan->config.per_data;
    if (node != NULL && node->kind != LODE_NODE_MAP) {
        return lode__fail(error, LODE_E_CONFIG,
                          "%s: per_data is a map {data set: {key: value, ...}}", where(plan, node));
    }
    for (node = node != NULL ? node->child : NULL; node != NULL; node = node->next) {
        lode_axis_value value;
        subject = lode__arena_printf(&plan->arena, "%s: per_data names", where(plan, node));
        if (subject == NULL) return lode__fail_memory(error);
        LODE_TRY(map_value(plan, node, &value, error));
        LODE_TRY(lode__experiment_find(subject, node->key, "data set of this experiment",
                                       plan->data_names, plan->data_count, NULL, error));
    }
    return LODE_OK;
}

// --- cells ----------------------------------------------------------------------------------------------

/// The base as a tree: inline, or a file's.
static lode_status read_base(lode_experiment_plan *plan, const lode_node **out, lode_error *error) {
    const lode_node *node = plan->config.base;
    *out = node;
    if (node == NULL || node->kind == LODE_NODE_MAP) return LODE_OK;
    if (node->kind == LODE_NODE_LIST || *node->text == 0) {
        return lode__fail(
            error, LODE_E_CONFIG,
            "%s: base is a map of configuration keys, or the path of a configuration file",
            where(plan, node));
    }
    const char *path = NULL;
    LODE_TRY(lode__experiment_look(&plan->arena, plan->folder, node->text, &path, error));
    LODE_TRY(lode__experiment_look(&plan->arena, NULL, node->text, &path, error));
    if (path == NULL) {
        return lode__fail(error, LODE_E_MISSING,
                          "%s: there is no configuration file %s in %s or in the working folder",
                          where(plan, node), node->text, plan->folder);
    }
    char *text = NULL;
    size_t length;
    lode_node *root = NULL;
    LODE_TRY(lode__file_read(path, LARGEST_CONFIG, &text, &length, error));
    const lode_status status = lode__yaml_parse(&plan->arena, text, length, path, &root, error);
    lode__free(text);
    *out = root;
    return status;
}

static lode_status set_train(lode_experiment_plan *plan, lode_node *tree, const char *key,
                             int64_t number, lode_error *error) {
    lode_node value = {.kind = LODE_NODE_SCALAR, .key = key, .file = plan->file};
    const lode_node patch = {.kind = LODE_NODE_MAP, .child = &value};
    value.text = lode__arena_printf(&plan->arena, "%lld", (long long)number);
    if (value.text == NULL) return lode__fail_memory(error);
    return lode__experiment_patch(&plan->arena, tree, &patch, error);
}

/// A number for the lines of a text from `begin` (NULL: its start) to `end` (NULL: its end), without those of `without`
/// (ended by NULL): keys, indented as they stand in a section.
static const char *key_of(lode_arena *arena, const char *text, const char *begin, const char *end,
                          const char *const *without) {
    const char *at = begin != NULL ? strstr(text, begin) : text;
    if (at == NULL) at = text;
    const char *stop = end != NULL ? strstr(at, end) : NULL;
    if (stop == NULL) stop = text + strlen(text);
    XXH64_hash_t hash = 0;
    while (at < stop) {
        const char *line_end = memchr(at, '\n', (size_t)(stop - at));
        const char *next = line_end != NULL ? line_end + 1 : stop;
        bool left_out = false;
        for (size_t i = 0; without[i] != NULL && !left_out; i++)
            left_out = strncmp(at, without[i], strlen(without[i])) == 0;
        if (!left_out) hash = XXH3_64bits_withSeed(at, (size_t)(next - at), hash);
        at = next;
    }
    return lode__arena_printf(arena, "%016llx", (unsigned long long)hash);
}

/// Which rows of baselines an evaluation can give: the linear one is either of two.
static unsigned baselines_of(const lode_experiment_plan *plan, const lode_eval_config *eval) {
    unsigned given = 0;
    for (size_t i = 0; i < eval->baselines.count; i++) {
        const char *name = eval->baselines.values[i];
        const bool linear = strcmp(name, "linear") == 0 || strcmp(name, "auto") == 0;
        for (size_t b = 0; b < LODE_BASELINE_NAMES; b++) {
            const char *row = plan->rows[plan->row_count + b];
            const bool is_linear = strcmp(row, "ease") == 0 || strcmp(row, "als") == 0;
            if (strcmp(name, row) == 0 || (linear && is_linear)) given |= 1u << b;
        }
    }
    return given;
}

static lode_status resolve_cell(lode_experiment_plan *plan, lode_cell *cell, const lode_node *base,
                                lode_error *error) {
    lode_node *tree = lode__arena_alloc(&plan->arena, 1, sizeof *tree);
    if (tree == NULL) return lode__fail_memory(error);
    *tree = (lode_node){.kind = LODE_NODE_MAP, .file = plan->file, .line = 1};
    LODE_TRY(lode__experiment_patch(&plan->arena, tree, base, error));
    LODE_TRY(lode__experiment_patch(
        &plan->arena, tree, lode__node_get(plan->config.per_data, plan->data[cell->data].name),
        error));
    for (size_t a = 0; a < plan->axis_count; a++) {
        const size_t value = lode__experiment_value(plan, cell->row, a);
        LODE_TRY(lode__experiment_patch(&plan->arena, tree, plan->axes[a].values[value].patch, error));
    }
    LODE_TRY(set_train(plan, tree, "train.seed", plan->config.seeds.values[cell->seed], error));
    if (plan->options.threads > 0)
        LODE_TRY(set_train(plan, tree, "train.threads", plan->options.threads, error));

    lode_config config;
    lode_text text = {0};
    lode_status status = lode__config_load_tree(&config, tree, error);
    if (status == LODE_OK) status = lode__experiment_fit_columns(plan, cell, &config, error);
    if (status == LODE_OK) {
        cell->baselines = baselines_of(plan, &config.eval);
        lode__config_print(&text, &config);
        cell->config = text.failed ? NULL : lode__arena_strdup(&plan->arena, text.data);
        cell->valid = lode__arena_strdup(&plan->arena, config.eval.valid);
        if (cell->config == NULL || cell->valid == NULL) status = lode__fail_memory(error);
    }
    lode__text_release(&text);
    lode__config_release(&config);
    LODE_TRY(status);
    // What changes no result, and what changes neither the cases nor the baselines.
    static const char *const idle[] = {"  threads:", NULL};
    static const char *const of_training[] = {
        "  valid:", "  patience:", "  every:", "  valid_cases:", NULL};
    cell->key = key_of(&plan->arena, cell->config, NULL, NULL, idle);
    const char *split = key_of(&plan->arena, cell->config, "\n  split:", "\nfields:", idle);
    const char *eval = key_of(&plan->arena, cell->config, "\neval:", NULL, of_training);
    if (cell->key == NULL || split == NULL || eval == NULL) return lode__fail_memory(error);
    cell->baseline_key = lode__arena_printf(&plan->arena, "%s%s", split, eval);
    return cell->baseline_key != NULL ? LODE_OK : lode__fail_memory(error);
}

/// The group of a cell, made where it is the first of its kind. Groups of a data set stand together, because cells do.
static lode_status find_group(lode_experiment_plan *plan, lode_cell *cell, lode_error *error) {
    bool first = true;
    for (cell->group = 0; cell->group < plan->group_count; cell->group++) {
        const lode_experiment_group *group = &plan->groups[cell->group];
        if (group->data != cell->data) continue;
        if (strcmp(group->key, cell->baseline_key) == 0) return LODE_OK;
        first = false;
    }
    lode_experiment_group *group = &plan->groups[plan->group_count++];
    *group = (lode_experiment_group){.data = cell->data, .key = cell->baseline_key};
    group->file = first ? LODE_BASELINES_FILE
                        : lode__arena_printf(&plan->arena, "baselines-%s.json", cell->baseline_key);
    return group->file != NULL ? LODE_OK : lode__fail_memory(error);
}

/// Choose the cells whose names hold one of the texts of `only`, each of which must choose some.
static lode_status choose_cells(lode_experiment_plan *plan, lode_error *error) {
    const char *next = plan->options.only;
    for (size_t i = 0; i < plan->cell_count; i++)
        plan->cells[i].chosen = next == NULL;
    while (next != NULL) {
        const char *comma = strchr(next, ',');
        const size_t length = comma != NULL ? (size_t)(comma - next) : strlen(next);
        const char *text = lode__arena_strndup(&plan->arena, next, length);
        bool any = false;
        if (text == NULL) return lode__fail_memory(error);
        for (size_t i = 0; i < plan->cell_count; i++) {
            const bool holds = length > 0 && strstr(plan->cells[i].name, text) != NULL;
            plan->cells[i].chosen = plan->cells[i].chosen || holds;
            any = any || holds;
        }
        if (!any) {
            return lode__fail(error, LODE_E_USAGE,
                              "no cell's name holds \"%s\"; they are called like %s", text,
                              plan->cells[0].name);
        }
        next = comma != NULL ? comma + 1 : NULL;
    }
    return LODE_OK;
}

static lode_status make_cells(lode_experiment_plan *plan, lode_error *error) {
    const lode_node *base = NULL;
    LODE_TRY(read_base(plan, &base, error));
    plan->cells = lode__arena_alloc(&plan->arena, plan->cell_count, sizeof *plan->cells);
    plan->groups = lode__arena_alloc(&plan->arena, plan->cell_count, sizeof *plan->groups);
    if (plan->cells == NULL || plan->groups == NULL) return lode__fail_memory(error);
    const size_t seeds = plan->config.seeds.count;
    for (size_t i = 0; i < plan->cell_count; i++) {
        lode_cell *cell = &plan->cells[i];
        *cell = (lode_cell){.seed = i % seeds,
                            .row = i / seeds % plan->row_count,
                            .data = i / seeds / plan->row_count};
        cell->name = lode__arena_printf(&plan->arena, "%s/%s%sseed-%lld", plan->data[cell->data].name,
                                        plan->axis_count > 0 ? plan->rows[cell->row] : "",
                                        plan->axis_count > 0 ? "/" : "",
                                        (long long)plan->config.seeds.values[cell->seed]);
        if (cell->name == NULL) return lode__fail_memory(error);
        cell->folder = lode__arena_printf(&plan->arena, "%s/runs/%s", plan->output, cell->name);
        if (cell->folder == NULL) return lode__fail_memory(error);
        LODE_TRY(resolve_cell(plan, cell, base, error));
        LODE_TRY(find_group(plan, cell, error));
    }
    return choose_cells(plan, error);
}

// --- the whole ------------------------------------------------------------------------------------------

static lode_status place(lode_experiment_plan *plan, const char *name, const char *output,
                         lode_error *error) {
    plan->file = lode__arena_strdup(&plan->arena, name != NULL ? name : "experiment");
    plan->output = lode__arena_strdup(&plan->arena, output);
    if (plan->file == NULL || plan->output == NULL) return lode__fail_memory(error);
    const char *slash = name != NULL ? strrchr(name, '/') : NULL;
    plan->folder = slash == NULL   ? "."
                   : slash == name ? "/"
                                   : lode__arena_strndup(&plan->arena, name, (size_t)(slash - name));
    return plan->folder != NULL ? LODE_OK : lode__fail_memory(error);
}

lode_status lode__experiment_plan(lode_experiment_plan *plan, const char *yaml, const char *name,
                                  const char *output, const char *options, lode_error *error) {
    *plan = (lode_experiment_plan){0};
    lode_node *root = NULL;
    if (options == NULL) options = "";
    LODE_TRY(place(plan, name, output, error));
    LODE_TRY(lode__yaml_parse(&plan->arena, options, strlen(options), "options", &root, error));
    LODE_TRY(lode__config_read(&plan->arena, root, "", lode__experiment_option_keys, NULL,
                               &plan->options, error));
    LODE_TRY(lode__yaml_parse(&plan->arena, yaml, strlen(yaml), plan->file, &root, error));
    LODE_TRY(lode__config_read(&plan->arena, root, "", lode__experiment_keys, NULL, &plan->config,
                               error));
    if (plan->config.name == NULL)
        plan->config.name = lode__experiment_name_of(&plan->arena, plan->file);
    if (plan->config.name == NULL) return lode__fail_memory(error);
    LODE_TRY(check_seeds(plan, error));
    LODE_TRY(lode__experiment_read_data(plan, error));
    LODE_TRY(lode__experiment_read_columns(plan, error));
    LODE_TRY(read_grid(plan, error));
    LODE_TRY(check_names(plan, error));
    LODE_TRY(make_cells(plan, error));
    return lode__experiment_read_claims(plan, error);
}

void lode__experiment_plan_release(lode_experiment_plan *plan) {
    for (size_t i = 0; i < plan->cell_count && plan->cells != NULL; i++)
        json_decref(plan->cells[i].result);
    for (size_t i = 0; i < plan->group_count; i++)
        json_decref(plan->groups[i].baselines);
    lode__arena_release(&plan->arena);
    *plan = (lode_experiment_plan){0};
}
