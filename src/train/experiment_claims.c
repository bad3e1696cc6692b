/// Claims: sentences of a paper, each with a rule that is met or not by the results that are there.
///
/// Two rows are compared over the seeds that both have: their means, and a two-sided t-test paired by seed. Everything
/// is computed from result files, so an experiment that was stopped and went on says the same. A claim for several data
/// sets is one claim for each.
#include <ctype.h>
#include <math.h>
#include <string.h>

#include "train/experiment.h"
#include "train/statistics.h"
#include "train/text_grid.h"

#define NO_GROUP SIZE_MAX

typedef struct lode_claim_text {
    const char *say, *metric, *of, *over, *under;
    double ratio, at_least, at_most, significant;
    lode_node *paper;
    lode_texts data;
} lode_claim_text;

#define AT(member) .offset = offsetof(lode_claim_text, member)
const lode_key lode__experiment_claim_keys[] = {
    {.name = "say",
     .type = LODE_KEY_TEXT,
     AT(say),
     .help = "The claim in words. Beside say, metric and of it has one rule: over, under, at_least "
             "or at_most, whichever is written."},
    {.name = "metric",
     .type = LODE_KEY_TEXT,
     AT(metric),
     .help = "A column of the table (report.metrics)."},
    {.name = "of",
     .type = LODE_KEY_TEXT,
     AT(of),
     .help = "The row that the claim is of, such as ican/in_batch or popularity."},
    {.name = "over",
     .type = LODE_KEY_TEXT,
     AT(over),
     .help = "Another row: met when the mean of `of` over the seeds of both is higher and p < "
             "significant; with ratio, when it is at least so many times the other's."},
    {.name = "under",
     .type = LODE_KEY_TEXT,
     AT(under),
     .help = "The same the other way: lower and p < significant; with ratio, at most so many times "
             "the other's."},
    {.name = "ratio",
     .type = LODE_KEY_REAL,
     AT(ratio),
     .fallback = "1",
     .high = 1e9,
     .help = "Beside over or under: a bound for the ratio of the two means, in place of the test."},
    {.name = "at_least",
     .type = LODE_KEY_REAL,
     AT(at_least),
     .fallback = "0",
     .help = "Met when the mean of `of` is at least this."},
    {.name = "at_most",
     .type = LODE_KEY_REAL,
     AT(at_most),
     .fallback = "0",
     .help = "Met when it is at most this."},
    {.name = "significant",
     .type = LODE_KEY_REAL,
     AT(significant),
     .fallback = "0.05",
     .high = 1,
     .help = "The level of the test: two-sided, paired by seed."},
    {.name = "paper",
     .type = LODE_KEY_NODE,
     AT(paper),
     .help = "What the paper has, shown beside: a text or number, a list of them, or {data set: "
             "text}."},
    {.name = "data",
     .type = LODE_KEY_TEXTS,
     AT(data),
     .fallback = "[]",
     .help = "The data sets that it is judged on; by default all that have the column."},
    {0}};
#undef AT

static bool is_model(const lode_experiment_plan *plan, size_t row) {
    return row < plan->row_count;
}

static bool has_other(lode_claim_rule rule) {
    return rule != LODE_CLAIM_AT_LEAST && rule != LODE_CLAIM_AT_MOST;
}

// --- reading --------------------------------------------------------------------------------------------

/// What a message begins with: 'grid.yaml:12: a claim's KEY is'.
static lode_status find_name(lode_experiment_plan *plan, const lode_node *node, const char *key,
                             const char *name, const char *kind, const char *const *names,
                             size_t count, size_t *found, lode_error *error) {
    const char *where = lode__node_where(&plan->arena, node);
    const char *subject = lode__arena_printf(&plan->arena, "%s: a claim's %s is", where, key);
    if (subject == NULL) return lode__fail_memory(error);
    return lode__experiment_find(subject, name, kind, names, count, found, error);
}

static lode_status find_row(lode_experiment_plan *plan, const lode_node *node, const char *key,
                            const char *name, size_t *row, lode_error *error) {
    return find_name(plan, node, key, name, "row", plan->rows,
                     plan->row_count + LODE_BASELINE_NAMES, row, error);
}

static lode_status find_column(lode_experiment_plan *plan, const lode_node *node, const char *name,
                               const lode_report_column **column, lode_error *error) {
    const lode_texts *names = &plan->config.report.metrics;
    size_t at = 0;
    LODE_TRY(find_name(plan, node, "metric", name, "column of report.metrics", names->values,
                       names->count, &at, error));
    *column = &plan->columns[at];
    return LODE_OK;
}

/// The one rule that a claim has.
static lode_status read_rule(lode_experiment_plan *plan, const lode_node *node,
                             const lode_claim_text *text, lode_claim *claim, lode_error *error) {
    static const char *const names[] = {"over", "under", "at_least", "at_most"};
    const char *where = lode__node_where(&plan->arena, node);
    size_t rules = 0;
    bool has[4];
    for (size_t i = 0; i < 4; i++) {
        has[i] = lode__node_get(node, names[i]) != NULL;
        rules += has[i];
    }
    if (text->say == NULL || text->metric == NULL || text->of == NULL || rules != 1) {
        return lode__fail(error, LODE_E_CONFIG,
                          "%s: a claim has say, metric, of, and one rule: over, under, at_least or "
                          "at_most",
                          where);
    }
    const bool ratio = lode__node_get(node, "ratio") != NULL, other = has[0] || has[1];
    if (ratio && !other) {
        return lode__fail(error, LODE_E_CONFIG, "%s: ratio stands beside over or under", where);
    }
    LODE_TRY(find_column(plan, node, text->metric, &claim->column, error));
    LODE_TRY(find_row(plan, node, "of", text->of, &claim->of, error));
    claim->rule = has[2] ? LODE_CLAIM_AT_LEAST : LODE_CLAIM_AT_MOST;
    claim->bound = has[2] ? text->at_least : text->at_most;
    claim->significant = text->significant;
    if (!other) return LODE_OK;
    LODE_TRY(find_row(plan, node, has[0] ? "over" : "under", has[0] ? text->over : text->under,
                      &claim->other, error));
    claim->bound = text->ratio;
    if (has[0]) claim->rule = ratio ? LODE_CLAIM_OVER_RATIO : LODE_CLAIM_OVER;
    if (has[1]) claim->rule = ratio ? LODE_CLAIM_UNDER_RATIO : LODE_CLAIM_UNDER;
    if (claim->of != claim->other) return LODE_OK;
    return lode__fail(error, LODE_E_CONFIG, "%s: a claim compares \"%s\" with itself", where,
                      text->of);
}

static const char *print_rule(lode_arena *arena, const lode_experiment_plan *plan,
                              const lode_claim *claim) {
    const char *metric = claim->column->name, *of = plan->rows[claim->of];
    const char *other = has_other(claim->rule) ? plan->rows[claim->other] : "";
    switch (claim->rule) {
    case LODE_CLAIM_OVER:
        return lode__arena_printf(arena, "%s: %s > %s, p < %g", metric, of, other,
                                  claim->significant);
    case LODE_CLAIM_UNDER:
        return lode__arena_printf(arena, "%s: %s < %s, p < %g", metric, of, other,
                                  claim->significant);
    case LODE_CLAIM_OVER_RATIO:
        return lode__arena_printf(arena, "%s: %s / %s >= %g", metric, of, other, claim->bound);
    case LODE_CLAIM_UNDER_RATIO:
        return lode__arena_printf(arena, "%s: %s / %s <= %g", metric, of, other, claim->bound);
    case LODE_CLAIM_AT_LEAST:
        return lode__arena_printf(arena, "%s: %s >= %g", metric, of, claim->bound);
    default:
        return lode__arena_printf(arena, "%s: %s <= %g", metric, of, claim->bound);
    }
}

/// Blanks for line breaks, none at the end.
static const char *one_line(lode_arena *arena, const char *text) {
    char *line = lode__arena_strdup(arena, text);
    if (line == NULL) return NULL;
    size_t length = strlen(line);
    while (length > 0 && isspace((unsigned char)line[length - 1]))
        line[--length] = 0;
    for (size_t i = 0; i < length; i++) {
        if (iscntrl((unsigned char)line[i])) line[i] = ' ';
    }
    return line;
}

/// `paper` for one data set: a scalar, a list joined by commas, or the entry of a map.
static lode_status read_paper(lode_experiment_plan *plan, const lode_node *node, lode_claim *claim,
                              lode_error *error) {
    claim->paper = "";
    if (node != NULL && node->kind == LODE_NODE_MAP) {
        for (const lode_node *child = node->child; child != NULL; child = child->next)
            LODE_TRY(find_name(plan, child, "paper", child->key, "data set of this experiment",
                               plan->data_names, plan->data_count, NULL, error));
        node = lode__node_get(node, plan->data_names[claim->data]);
    }
    if (node == NULL) return LODE_OK;
    if (node->kind == LODE_NODE_SCALAR) claim->paper = one_line(&plan->arena, node->text);
    bool scalars = node->kind != LODE_NODE_MAP;
    const lode_node *child = node->kind == LODE_NODE_LIST ? node->child : NULL;
    for (const char *separator = ""; child != NULL && claim->paper != NULL; child = child->next) {
        scalars = scalars && child->kind == LODE_NODE_SCALAR;
        claim->paper = lode__arena_printf(&plan->arena, "%s%s%s", claim->paper, separator,
                                          scalars ? child->text : "");
        separator = ", ";
    }
    if (claim->paper == NULL) return lode__fail_memory(error);
    if (scalars) return LODE_OK;
    return lode__fail(error, LODE_E_CONFIG,
                      "%s: a claim's paper is a text, a list of texts, or {data set: text}",
                      lode__node_where(&plan->arena, node));
}

// --- rows and groups ------------------------------------------------------------------------------------

static const lode_cell *cells_of(const lode_experiment_plan *plan, size_t data, size_t row) {
    return &plan->cells[(data * plan->row_count + row) * plan->config.seeds.count];
}

/// The only group of a data set; NO_GROUP where it has several.
static size_t only_group(const lode_experiment_plan *plan, size_t data) {
    size_t found = NO_GROUP, count = 0;
    for (size_t g = 0; g < plan->group_count; g++) {
        if (plan->groups[g].data != data) continue;
        found = g;
        count++;
    }
    return count == 1 ? found : NO_GROUP;
}

/// A row of baselines must be measured: named by eval.baselines, and no run of which facts are told.
static lode_status check_baseline(lode_experiment_plan *plan, const lode_node *node,
                                  const lode_claim *claim, size_t row, size_t group,
                                  lode_error *error) {
    const char *where = lode__node_where(&plan->arena, node);
    if (claim->column->table == LODE_REPORT_RUN) {
        return lode__fail(error, LODE_E_CONFIG, "%s: %s is a fact of runs, and %s is no run", where,
                          claim->column->name, plan->rows[row]);
    }
    for (size_t i = 0; i < plan->cell_count; i++) {
        const lode_cell *cell = &plan->cells[i];
        if (cell->group != group) continue;
        if ((cell->baselines >> (row - plan->row_count) & 1) != 0) return LODE_OK;
        return lode__fail(error, LODE_E_CONFIG,
                          "%s: a claim names %s, but eval.baselines of %s does not", where,
                          plan->rows[row], cell->name);
    }
    return LODE_OK;
}

/// Rows are compared within a group; a row of baselines is that of the other row's group.
static lode_status find_groups(lode_experiment_plan *plan, const lode_node *node, lode_claim *claim,
                               lode_error *error) {
    const bool both = has_other(claim->rule);
    size_t of = NO_GROUP, other = NO_GROUP;
    if (is_model(plan, claim->of)) of = cells_of(plan, claim->data, claim->of)->group;
    if (both && is_model(plan, claim->other))
        other = cells_of(plan, claim->data, claim->other)->group;
    if (of == NO_GROUP) of = other != NO_GROUP ? other : only_group(plan, claim->data);
    if (other == NO_GROUP) other = of;
    const char *where = lode__node_where(&plan->arena, node);
    if (of == NO_GROUP) {
        return lode__fail(error, LODE_E_CONFIG,
                          "%s: %s is measured under several splits or protocols: a claim about it "
                          "names a row of the grid beside it",
                          where, plan->rows[claim->of]);
    }
    if (of != other && claim->column->table != LODE_REPORT_RUN) {
        return lode__fail(error, LODE_E_CONFIG,
                          "%s: %s and %s are measured under different splits or protocols, and %s "
                          "of one says nothing about the other",
                          where, plan->rows[claim->of], plan->rows[claim->other],
                          claim->column->name);
    }
    claim->of_group = of;
    claim->other_group = other;
    if (!is_model(plan, claim->of))
        LODE_TRY(check_baseline(plan, node, claim, claim->of, of, error));
    if (both && !is_model(plan, claim->other))
        LODE_TRY(check_baseline(plan, node, claim, claim->other, other, error));
    return LODE_OK;
}

// --- claims ---------------------------------------------------------------------------------------------

static lode_status add_claim(lode_experiment_plan *plan, const lode_node *node,
                             const lode_claim_text *text, const lode_claim *claim, size_t data,
                             lode_error *error) {
    lode_claim *added = &plan->claims[plan->claim_count++];
    *added = *claim;
    added->data = data;
    LODE_TRY(read_paper(plan, text->paper, added, error));
    return find_groups(plan, node, added, error);
}

static bool has_column(const lode_experiment_plan *plan, const lode_claim *claim, size_t data) {
    return claim->column->table != LODE_REPORT_TRUTH || plan->data[data].truth != NULL;
}

static lode_status read_claim(lode_experiment_plan *plan, const lode_node *node, lode_error *error) {
    lode_claim_text text;
    lode_claim claim = {0};
    LODE_TRY(lode__config_read(&plan->arena, node, "report.claims", lode__experiment_claim_keys,
                               NULL, &text, error));
    LODE_TRY(read_rule(plan, node, &text, &claim, error));
    claim.say = one_line(&plan->arena, text.say);
    claim.text = print_rule(&plan->arena, plan, &claim);
    if (claim.say == NULL || claim.text == NULL) return lode__fail_memory(error);
    for (size_t d = 0; text.data.count == 0 && d < plan->data_count; d++) {
        if (has_column(plan, &claim, d)) LODE_TRY(add_claim(plan, node, &text, &claim, d, error));
    }
    for (size_t i = 0; i < text.data.count; i++) {
        size_t d = 0;
        LODE_TRY(find_name(plan, node, "data", text.data.values[i], "data set of this experiment",
                           plan->data_names, plan->data_count, &d, error));
        if (!has_column(plan, &claim, d)) {
            return lode__fail(
                error, LODE_E_CONFIG, "%s: %s has no file of true items for the claim's %s",
                lode__node_where(&plan->arena, node), plan->data_names[d], claim.column->name);
        }
        LODE_TRY(add_claim(plan, node, &text, &claim, d, error));
    }
    return LODE_OK;
}

lode_status lode__experiment_read_claims(lode_experiment_plan *plan, lode_error *error) {
    const lode_node *list = plan->config.report.claims;
    if (list == NULL) return LODE_OK;
    if (list->kind != LODE_NODE_LIST) {
        return lode__fail(error, LODE_E_CONFIG,
                          "%s: report.claims is a list of maps such as {say: text, metric: hit@50, "
                          "of: ROW, over: ROW}",
                          lode__node_where(&plan->arena, list));
    }
    size_t most = 0;
    for (const lode_node *node = list->child; node != NULL; node = node->next)
        most += LODE_MAX(plan->data_count, lode__node_count(lode__node_get(node, "data")));
    plan->claims = lode__arena_alloc(&plan->arena, most, sizeof *plan->claims);
    if (plan->claims == NULL) return lode__fail_memory(error);
    for (const lode_node *node = list->child; node != NULL; node = node->next)
        LODE_TRY(read_claim(plan, node, error));
    return LODE_OK;
}

// --- verdicts -------------------------------------------------------------------------------------------

typedef struct lode_verdict {
    size_t seeds;                 ///< that all rows of the claim have
    double mean, other, ratio, p; ///< NaN where the claim or the results do not give them
    const char *text;
} lode_verdict;

static double value_of(const lode_experiment_plan *plan, const lode_claim *claim, size_t row,
                       size_t group, size_t seed) {
    if (is_model(plan, row))
        return lode__experiment_value_of(claim->column,
                                         cells_of(plan, claim->data, row)[seed].result);
    return lode__experiment_baseline_of(claim->column, plan->groups[group].baselines,
                                        plan->rows[row]);
}

static const char *decide(const lode_claim *claim, const lode_verdict *verdict) {
    bool met = false;
    if (verdict->seeds == 0) return "not measured";
    switch (claim->rule) {
    case LODE_CLAIM_OVER:
    case LODE_CLAIM_UNDER: {
        const bool over = claim->rule == LODE_CLAIM_OVER;
        const bool apart = over ? verdict->mean > verdict->other : verdict->mean < verdict->other;
        if (apart && isnan(verdict->p)) return over ? "higher, not tested" : "lower, not tested";
        met = apart && verdict->p < claim->significant;
        break;
    }
    case LODE_CLAIM_OVER_RATIO:
        met = verdict->ratio >= claim->bound;
        break;
    case LODE_CLAIM_UNDER_RATIO:
        met = verdict->ratio <= claim->bound;
        break;
    case LODE_CLAIM_AT_LEAST:
        met = verdict->mean >= claim->bound;
        break;
    case LODE_CLAIM_AT_MOST:
        met = verdict->mean <= claim->bound;
        break;
    }
    return met ? "met" : "not met";
}

/// @param a, b  [seeds] scratch
static lode_verdict judge(const lode_experiment_plan *plan, const lode_claim *claim, double *a,
                          double *b) {
    lode_verdict verdict = {.other = (double)NAN, .ratio = (double)NAN, .p = (double)NAN};
    const bool both = has_other(claim->rule);
    const bool run = is_model(plan, claim->of) || (both && is_model(plan, claim->other));
    const size_t seeds = run ? plan->config.seeds.count : 1; // baselines have one value
    for (size_t s = 0; s < seeds; s++) {
        a[verdict.seeds] = value_of(plan, claim, claim->of, claim->of_group, s);
        b[verdict.seeds] = both ? value_of(plan, claim, claim->other, claim->other_group, s) : 0.0;
        verdict.seeds += !isnan(a[verdict.seeds]) && !isnan(b[verdict.seeds]);
    }
    verdict.mean = lode__mean(a, verdict.seeds);
    if (both) {
        verdict.other = lode__mean(b, verdict.seeds);
        verdict.ratio = verdict.mean / verdict.other;
        verdict.p = lode__paired_t_test(a, b, verdict.seeds);
    }
    verdict.text = decide(claim, &verdict);
    return verdict;
}

static json_t *real_or_null(double value) {
    return isfinite(value) ? json_real(value) : json_null();
}

static json_t *verdict_json(const lode_experiment_plan *plan, const lode_claim *claim,
                            const lode_verdict *verdict) {
    const bool over = claim->rule == LODE_CLAIM_OVER || claim->rule == LODE_CLAIM_OVER_RATIO;
    json_t *json = json_object();
    (void)json_object_set_new(json, "claim", json_string(claim->say));
    (void)json_object_set_new(json, "data", json_string(plan->data_names[claim->data]));
    (void)json_object_set_new(json, "rule", json_string(claim->text));
    (void)json_object_set_new(json, "metric", json_string(claim->column->name));
    (void)json_object_set_new(json, "of", json_string(plan->rows[claim->of]));
    if (has_other(claim->rule)) {
        (void)json_object_set_new(json, over ? "over" : "under",
                                  json_string(plan->rows[claim->other]));
        (void)json_object_set_new(json, "other", real_or_null(verdict->other));
        (void)json_object_set_new(json, "ratio", real_or_null(verdict->ratio));
        (void)json_object_set_new(json, "p", real_or_null(verdict->p));
    }
    if (*claim->paper != 0) (void)json_object_set_new(json, "paper", json_string(claim->paper));
    (void)json_object_set_new(json, "mean", real_or_null(verdict->mean));
    (void)json_object_set_new(json, "seeds", json_integer((json_int_t)verdict->seeds));
    (void)json_object_set_new(json, "verdict", json_string(verdict->text));
    return json;
}

/// "0.3672", "0.3672, 0.3546", or "1.0355 = 0.3672 / 0.3546"
static const char *show_measured(lode_arena *arena, const lode_claim *claim,
                                 const lode_verdict *verdict) {
    const bool ratio = claim->rule == LODE_CLAIM_OVER_RATIO || claim->rule == LODE_CLAIM_UNDER_RATIO;
    const char *mean = lode__grid_number(arena, verdict->mean);
    const char *other = lode__grid_number(arena, verdict->other);
    const char *quotient = lode__grid_number(arena, verdict->ratio);
    if (mean == NULL || other == NULL || quotient == NULL) return NULL;
    if (verdict->seeds == 0 || !has_other(claim->rule)) return mean;
    return ratio ? lode__arena_printf(arena, "%s = %s / %s", quotient, mean, other)
                 : lode__arena_printf(arena, "%s, %s", mean, other);
}

static void put_verdict(lode_text_grid *grid, const lode_experiment_plan *plan,
                        const lode_claim *claim, const lode_verdict *verdict) {
    lode__grid_put(grid, claim->say);
    lode__grid_put(grid, plan->data_names[claim->data]);
    lode__grid_put(grid, claim->text);
    lode__grid_put(grid, claim->paper);
    lode__grid_put(grid, show_measured(grid->arena, claim, verdict));
    lode__grid_put(grid, lode__grid_probability(grid->arena, verdict->p));
    lode__grid_put(grid, lode__arena_printf(grid->arena, "%zu", verdict->seeds));
    lode__grid_put(grid, verdict->text);
}

static lode_status judge_all(lode_experiment_table *table, const lode_experiment_plan *plan,
                             lode_arena *arena, lode_error *error) {
    static const char *const heads[] = {"claim",    "data", "rule",  "paper",
                                        "measured", "p",    "seeds", "verdict"};
    const size_t columns = sizeof heads / sizeof *heads;
    lode_text_grid grid;
    double *a = lode__arena_alloc(arena, plan->config.seeds.count, sizeof *a);
    double *b = lode__arena_alloc(arena, plan->config.seeds.count, sizeof *b);
    if (a == NULL || b == NULL) return lode__fail_memory(error);
    LODE_TRY(lode__grid_new(&grid, arena, plan->claim_count + 1, columns, 4, error));
    for (size_t i = 0; i < columns; i++)
        lode__grid_put(&grid, heads[i]);
    json_t *list = json_array();
    (void)json_object_set_new(table->json, "claims", list);
    for (size_t i = 0; i < plan->claim_count; i++) {
        const lode_verdict verdict = judge(plan, &plan->claims[i], a, b);
        (void)json_array_append_new(list, verdict_json(plan, &plan->claims[i], &verdict));
        put_verdict(&grid, plan, &plan->claims[i], &verdict);
    }
    lode__text_add(&table->text, "\n");
    lode__text_add(&table->markdown, "\n#### Claims\n\n");
    return lode__grid_print(&grid, &table->text, &table->markdown, error);
}

lode_status lode__experiment_judge(lode_experiment_table *table, const lode_experiment_plan *plan,
                                   lode_error *error) {
    lode_arena arena = {0};
    if (plan->claim_count == 0) return LODE_OK;
    const lode_status status = judge_all(table, plan, &arena, error);
    lode__arena_release(&arena);
    return status;
}
