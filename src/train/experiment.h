/// Experiments: a grid of configurations x data sets x seeds, run one cell at a time and compared in a table.
///
///     OUTPUT/runs/DATA/AXIS1/AXIS2/seed-S/    a bundle each, and result.json once it is measured
///     OUTPUT/runs/DATA/baselines.json         popularity, item-kNN and what else eval.baselines names
///     OUTPUT/runs/DATA/baselines-KEY.json     the same under a further split or protocol of the grid
///     OUTPUT/data/NAME.lode                   what was imported from raw logs
///     OUTPUT/table.{txt,md,csv,json}          the comparison
///
/// A cell's configuration is  base < per_data[DATA] < grid[AXIS1] < grid[AXIS2] < ... < seed,  later ones winning. A
/// stopped experiment goes on where it stopped: training from its checkpoint, finished cells from their result.json,
/// which is taken only while it belongs to the same configuration, data, file of true items and columns.
#ifndef LODE_TRAIN_EXPERIMENT_H
#define LODE_TRAIN_EXPERIMENT_H

#include <jansson.h>

#include "train/config.h"

#define LODE_RESULT_FILE    "result.json"
#define LODE_BASELINES_FILE "baselines.json"

/// Names that rows of baselines can have; they follow the grid's in lode_experiment_plan.rows.
enum { LODE_BASELINE_NAMES = 4 };

typedef struct lode_compare_config {
    const char *baseline;
} lode_compare_config;

typedef struct lode_report_config {
    lode_texts metrics;
    lode_compare_config compare;
    int part; ///< 0 valid, 1 test
    lode_node *claims;
} lode_report_config;

/// The experiment's text.
typedef struct lode_experiment_config {
    const char *name;
    lode_node *data, *base, *grid, *per_data;
    lode_ints seeds;
    lode_report_config report;
} lode_experiment_config;

typedef struct lode_experiment_options {
    int64_t threads;
    const char *only;
    bool dry_run;
} lode_experiment_options;

/// One data set: where it was found, and what it is once it is there.
typedef struct lode_experiment_data {
    const char *name;
    const char *source; ///< the data set, or raw logs
    const char *path;   ///< of the data set; NULL while it is not imported
    uint64_t fingerprint;
    const char *truth;     ///< the file of true items, or NULL
    const char *truth_key; ///< a hash of its bytes; NULL until it is needed
} lode_experiment_data;

/// Where a column is read: the named protocol's table of an evaluation, one of those beside it, or the run's facts.
enum lode_report_table {
    LODE_REPORT_OWN,
    LODE_REPORT_EXCLUDE_SEEN, ///< the other choice of exclude_seen, which protocol micrec prints
    LODE_REPORT_TRAIN_POPULARITY, ///< candidates drawn by popularity counted in training
    LODE_REPORT_FULL,             ///< all items, beside drawn candidates
    LODE_REPORT_COLD_ITEMS,
    LODE_REPORT_COLD_USERS,
    LODE_REPORT_TAIL,
    LODE_REPORT_TRUTH,
    LODE_REPORT_RUN
};

/// A column: "hit@50", "full/hit@50" or "examples_per_second".
typedef struct lode_report_column {
    const char *name;
    const char *key;         ///< what it is called in that table: "hit@50"
    int table;               ///< lode_report_table
    enum lode_metric metric; ///< not of the run's facts
    size_t cutoff;           ///< 0 = none
} lode_report_column;

/// One named value of an axis; `patch` may be NULL.
typedef struct lode_axis_value {
    const char *name;
    const lode_node *patch;
} lode_axis_value;

typedef struct lode_axis {
    const char *name;
    lode_axis_value *values;
    size_t count;
} lode_axis;

typedef struct lode_cell {
    const char *name; ///< "ml-100k/ican/in_batch/seed-1"
    const char *folder;
    size_t data, row, seed;   ///< numbers in the plan
    char *config;             ///< resolved
    const char *key;          ///< a hash of it, without train.threads
    const char *baseline_key; ///< a hash of what baselines depend on
    const char *valid;        ///< name of the validation metric
    const size_t *cutoffs;    ///< of the configuration and the report
    size_t cutoff_count;
    unsigned baselines; ///< bit i: eval.baselines may give row row_count + i
    bool chosen;        ///< by `only`
    size_t group;       ///< number in the plan
    json_t *result;     ///< result.json's contents, or NULL
} lode_cell;

/// Rows of one data set that are measured alike (one split, one protocol): they share the baselines, and only they
/// are compared with each other.
typedef struct lode_experiment_group {
    size_t data;
    const char *key;   ///< baseline_key of its cells
    const char *file;  ///< of the baselines, in OUTPUT/runs/DATA
    json_t *baselines; ///< the file's contents, or NULL
} lode_experiment_group;

/// What a claim compares, and when it is met.
typedef enum lode_claim_rule {
    LODE_CLAIM_OVER,        ///< the mean of `of` is higher, and p < significant
    LODE_CLAIM_UNDER,       ///< lower, and p < significant
    LODE_CLAIM_OVER_RATIO,  ///< mean of `of` / mean of the other row >= bound
    LODE_CLAIM_UNDER_RATIO, ///< <= bound
    LODE_CLAIM_AT_LEAST,    ///< the mean of `of` >= bound
    LODE_CLAIM_AT_MOST      ///< <= bound
} lode_claim_rule;

/// An entry of report.claims for one data set.
typedef struct lode_claim {
    const char *say;
    const char *paper; ///< what the paper has, "" = nothing
    const char *text;  ///< of the rule: "hit@50: all > none, p < 0.05"
    const lode_report_column *column;
    lode_claim_rule rule;
    double bound, significant;
    size_t data, of, other;       ///< numbers of rows; `other` only where the rule has one
    size_t of_group, other_group; ///< in which their baselines stand
} lode_claim;

typedef struct lode_experiment_plan {
    lode_experiment_config config;
    lode_experiment_options options;
    const char *file;   ///< what the text is called
    const char *folder; ///< of the text, "." where it has none
    const char *output;
    lode_experiment_data *data;
    const char **data_names; ///< [data_count]
    size_t data_count;
    lode_axis *axes;
    size_t axis_count;
    const char **rows; ///< [row_count + LODE_BASELINE_NAMES] "ican/in_batch"; "model" without axes
    size_t row_count;
    lode_report_column *columns;
    size_t column_count;
    lode_cell *cells; ///< [data, row, seed]
    size_t cell_count;
    lode_experiment_group *groups; ///< data set by data set, in the order of their first rows
    size_t group_count;
    lode_claim *claims;
    size_t claim_count;
    lode_arena arena;
} lode_experiment_plan;

extern const lode_key lode__experiment_keys[];
extern const lode_key lode__experiment_claim_keys[];
extern const lode_key lode__experiment_option_keys[];

/// Read the experiment and make out all cells; nothing is written, data sets are looked for but not opened.
/// Release in every case.
/// @param name  the text's file, or NULL
LODE_CHECK lode_status lode__experiment_plan(lode_experiment_plan *plan, const char *yaml,
                                             const char *name, const char *output,
                                             const char *options, lode_error *error);
void lode__experiment_plan_release(lode_experiment_plan *plan);

/// The number of the value of axis `axis` in row `row`.
size_t lode__experiment_value(const lode_experiment_plan *plan, size_t row, size_t axis);

/// Fail unless `name` is one of `names`: 'SUBJECT "name", which is no KIND; did you mean "near"?'.
/// @param subject  such as 'grid.yaml:3: per_data names'
/// @param found  its number, or NULL
LODE_CHECK lode_status lode__experiment_find(const char *subject, const char *name,
                                             const char *kind, const char *const *names,
                                             size_t count, size_t *found, lode_error *error);
/// Names become folders: letters, digits, and . _ - + = not at the start with a dot.
LODE_CHECK lode_status lode__experiment_check_name(lode_experiment_plan *plan,
                                                   const lode_node *node, const char *what,
                                                   const char *name, lode_error *error);

/// "NAME" of "folder/NAME.lode" or "folder/NAME.inter.gz" or "folder/NAME"; NULL without memory.
const char *lode__experiment_name_of(lode_arena *arena, const char *path);
/// Look for a file in `folder` (NULL: as it stands); *found stays as it is where nothing is, or where it is set.
LODE_CHECK lode_status lode__experiment_look(lode_arena *arena, const char *folder, const char *path,
                                             const char **found, lode_error *error);
/// Read `data`: the sets and where they are.
LODE_CHECK lode_status lode__experiment_read_data(lode_experiment_plan *plan, lode_error *error);

/// Read `report.metrics`.
LODE_CHECK lode_status lode__experiment_read_columns(lode_experiment_plan *plan, lode_error *error);
/// Refuse columns that the cell's configuration does not give, and set its cutoffs.
LODE_CHECK lode_status lode__experiment_fit_columns(lode_experiment_plan *plan, lode_cell *cell,
                                                    const lode_config *config, lode_error *error);
/// Options of lode_eval that the columns need beside part and cutoffs: slices, the file of true items.
void lode__experiment_ask_columns(lode_text *text, const lode_experiment_plan *plan, size_t data);
/// Whether a column is of true items, and the data set has a file of them.
bool lode__experiment_wants_truth(const lode_experiment_plan *plan, size_t data);

/// Keep the rows of the tables beside the named protocol's: in result.json {TABLE: row of the model}, in a baselines
/// file {TABLE: {NAME: row}}.
void lode__experiment_keep_tables(json_t *to, const json_t *measured, bool model);
/// The first column that a result was not measured for, or NULL. A table without a case has all columns, and no value.
const lode_report_column *lode__experiment_missing(const lode_experiment_plan *plan, size_t data,
                                                   const json_t *result);
/// A column's value in a result; NaN where it has none.
double lode__experiment_value_of(const lode_report_column *column, const json_t *result);
/// The same for a row of a baselines file.
double lode__experiment_baseline_of(const lode_report_column *column, const json_t *file,
                                    const char *name);

/// Read `report.claims`, once columns, cells and groups are known.
LODE_CHECK lode_status lode__experiment_read_claims(lode_experiment_plan *plan, lode_error *error);

/// Lay `over` on `base`: maps are merged, everything else is replaced; keys may be paths ("train.epochs"), and a
/// number in a path is an element of a list. `over` stays as it is.
LODE_CHECK lode_status lode__experiment_patch(lode_arena *arena, lode_node *base,
                                              const lode_node *over, lode_error *error);

/// The table of all cells with a result: {"name", "part", "rows", "claims"}, and three texts of it. Freed by the caller.
typedef struct lode_experiment_table {
    json_t *json;
    lode_text text, markdown, csv;
} lode_experiment_table;

LODE_CHECK lode_status lode__experiment_table(lode_experiment_table *table,
                                              const lode_experiment_plan *plan, lode_error *error);
void lode__experiment_table_release(lode_experiment_table *table);

/// Judge every claim by the results that are there: adds "claims" to the table's JSON, and a table of verdicts below
/// its texts. Nothing is added where there are no claims.
LODE_CHECK lode_status lode__experiment_judge(lode_experiment_table *table,
                                              const lode_experiment_plan *plan, lode_error *error);

#endif
