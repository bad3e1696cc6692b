/// lode_eval: a bundle under a protocol, with baselines beside it.
#include <stdlib.h>
#include <string.h>

#include "base/svg.h"
#include "train/measure.h"

static const char *const parts[] = {"valid", "test", NULL};
static const char *const histories[] = {"config", "frozen", "rolling", NULL};
static const char *const unseen_modes[] = {"config", "drop", "miss", "encode", NULL};
static const char *const candidate_modes[] = {"config",     "all",       "catalogue", "uniform",
                                              "popularity", "exposures", NULL};
static const char *const popularities[] = {"config", "all", "train", NULL};
static const char *const exclusions[] = {"config", "yes", "no", NULL};

#define AT(member) .offset = offsetof(lode_measure_options, member)
const lode_key lode__measure_keys[] = {
    {.name = "data",
     .type = LODE_KEY_TEXT,
     AT(data),
     .help = "The data set; the default is the one that the bundle was trained on."},
    {.name = "protocol",
     .type = LODE_KEY_TEXT,
     AT(protocol),
     .fallback = "config",
     .help = "A protocol whose split is the bundle's; config takes eval.protocol."},
    {.name = "part",
     .type = LODE_KEY_CHOICE,
     AT(part),
     .fallback = "test",
     .choices = parts,
     .help = "What is predicted."},
    {.name = "cutoffs",
     .type = LODE_KEY_INTS,
     AT(cutoffs),
     .fallback = "[]",
     .low = 1,
     .high = 10000,
     .help = "Where lists are cut; the default is eval.cutoffs."},
    {.name = "metrics",
     .type = LODE_KEY_TEXTS,
     AT(metrics),
     .fallback = "[]",
     .help = "What the tables show; the default is eval.metrics. `help metrics` lists them."},
    {.name = "definitions",
     .type = LODE_KEY_TEXTS,
     AT(definitions),
     .fallback = "[]",
     .help = "Projects and papers under whose metric names the run is printed too (`help "
             "definitions`), or all."},
    {.name = "category",
     .type = LODE_KEY_TEXT,
     AT(category),
     .fallback = "config",
     .help = "Item column that category_diversity compares; config takes eval.category."},
    {.name = "exclude_seen",
     .type = LODE_KEY_CHOICE,
     AT(exclude_seen),
     .fallback = "config",
     .choices = exclusions,
     .help = "Leave out what the user has seen; config takes eval.exclude_seen, else what the "
             "protocol says."},
    {.name = "baselines",
     .type = LODE_KEY_BOOL,
     AT(baselines),
     .fallback = "true",
     .help = "Those of eval.baselines beside the model."},
    {.name = "svg",
     .type = LODE_KEY_TEXT,
     AT(svg),
     .help = "A picture to write: impressions by popularity, metrics against the length of lists."},
    {.name = "threads",
     .type = LODE_KEY_INT,
     AT(threads),
     .fallback = "0",
     .low = 0,
     .high = 256,
     .help = "0 = one a processor. Changes no result."},
    {.name = "history",
     .type = LODE_KEY_CHOICE,
     AT(details.history),
     .fallback = "config",
     .choices = histories,
     .help = "As eval.history of the configuration, which holds otherwise; so the next ones."},
    {.name = "unseen_items",
     .type = LODE_KEY_CHOICE,
     AT(details.unseen),
     .fallback = "config",
     .choices = unseen_modes,
     .help = "What becomes of true items without a training click."},
    {.name = "candidates",
     .type = LODE_KEY_CHOICE,
     AT(details.candidates),
     .fallback = "config",
     .choices = candidate_modes,
     .help = "What is ranked."},
    {.name = "negatives",
     .type = LODE_KEY_INT,
     AT(details.negatives),
     .fallback = "0",
     .low = 0,
     .high = 1e6,
     .help = "Drawn candidates of a case; 0 = as configured."},
    {.name = "popularity_from",
     .type = LODE_KEY_CHOICE,
     AT(details.popularity_from),
     .fallback = "config",
     .choices = popularities,
     .help = "Which clicks weigh candidates that are drawn by popularity."},
    {.name = "max_users",
     .type = LODE_KEY_INT,
     AT(details.max_users),
     .fallback = "-1",
     .low = -1,
     .high = 4e9,
     .help = "At most so many users, drawn at random; 0 = all, -1 = as configured."},
    {.name = "seed",
     .type = LODE_KEY_INT,
     AT(details.seed),
     .fallback = "-1",
     .low = -1,
     .high = 9e15,
     .help = "Of drawn candidates and users; -1 = as configured."},
    {.name = "slices",
     .type = LODE_KEY_TEXTS,
     AT(slices),
     .fallback = "[]",
     .help = "Further tables: cold-items, cold-users, tail; the default is eval.slices."},
    {.name = "short_history",
     .type = LODE_KEY_INT,
     AT(short_history),
     .fallback = "0",
     .low = 0,
     .high = 1e6,
     .help = "cold-users: states with fewer known clicks; 0 = eval.short_history."},
    {.name = "truth",
     .type = LODE_KEY_TEXT,
     AT(truth),
     .help = "A file of user and item pairs in any format of import: a further table in which each "
             "user's items in the file are to be found from all clicks in front of the test."},
    {0}};
#undef AT

static lode_status choose_protocol(lode_measure *measure, lode_error *error) {
    const lode_eval_config *eval = &measure->bundle->config.eval;
    const char *name = measure->options.protocol;
    if (strcmp(name, "config") == 0) name = eval->protocol;
    const bool automatic = strcmp(name, "auto") == 0;
    const lode_protocol *found =
        automatic ? lode__protocol_auto(measure->split) : lode__protocol_find(name);
    if (found == NULL) {
        const char *names[16];
        size_t count = 0;
        for (; lode__protocol_at(count) != NULL && count < 16; count++)
            names[count] = lode__protocol_at(count)->name;
        return lode__fail_unknown(error, LODE_E_USAGE, "unknown protocol", name, names, count);
    }
    measure->protocol = *found;
    lode__protocol_override(&measure->protocol, &eval->details);
    lode__protocol_override(&measure->protocol, &measure->options.details);
    int exclude = measure->options.exclude_seen;
    if (exclude == 0) exclude = eval->exclude_seen;
    if (exclude != 0) {
        measure->protocol.exclude_seen = exclude == 1;
        measure->protocol.also_other_exclusion = false;
    }
    return LODE_OK;
}

static void choose_cutoffs(lode_measure *measure) {
    lode_ints cutoffs = measure->options.cutoffs;
    if (cutoffs.count == 0) cutoffs = measure->bundle->config.eval.cutoffs;
    measure->cutoff_count = LODE_MIN(cutoffs.count, (size_t)LODE_CUTOFFS);
    for (size_t i = 0; i < measure->cutoff_count; i++)
        measure->cutoffs[i] = (size_t)cutoffs.values[i];
    for (size_t i = 1; i < measure->cutoff_count; i++) { // a handful: insertion sort, repeats dropped
        for (size_t j = i; j > 0 && measure->cutoffs[j] < measure->cutoffs[j - 1]; j--) {
            const size_t swap = measure->cutoffs[j];
            measure->cutoffs[j] = measure->cutoffs[j - 1];
            measure->cutoffs[j - 1] = swap;
        }
    }
    size_t kept = 1;
    for (size_t i = 1; i < measure->cutoff_count; i++) {
        if (measure->cutoffs[i] != measure->cutoffs[kept - 1])
            measure->cutoffs[kept++] = measure->cutoffs[i];
    }
    measure->cutoff_count = kept;
}

static lode_status check_metrics(const lode_measure *measure, lode_error *error) {
    const lode_texts *list = &measure->options.metrics;
    for (size_t i = 0; i < list->count; i++)
        LODE_TRY(lode__metric_check("metrics", list->values[i], error));
    return LODE_OK;
}

static lode_status choose_slices(lode_measure *measure, lode_error *error) {
    const lode_texts *own = &measure->options.slices;
    const bool configured = own->count == 0;
    return lode__config_slices(configured ? &measure->bundle->config.eval.slices : own,
                               configured ? "eval.slices" : "slices", &measure->slices, error);
}

static lode_status prepare(lode_measure *measure, lode_error *error) {
    const lode_config *config = &measure->bundle->config;
    const size_t threads =
        measure->options.threads > 0 ? (size_t)measure->options.threads : lode__processor_count();
    LODE_TRY(lode__pool_new(&measure->pool, LODE_MIN(threads, (size_t)256), error));
    LODE_TRY(lode__bundle_data(measure->bundle, measure->options.data, &measure->data,
                               measure->hooks, error));
    LODE_TRY(lode__split_new(&measure->split, measure->data, &config->data.split, error));
    if (config->data.split.refit && measure->options.part == 1) lode__split_refit(measure->split);
    LODE_TRY(choose_protocol(measure, error));
    choose_cutoffs(measure);
    LODE_TRY(check_metrics(measure, error));
    LODE_TRY(choose_slices(measure, error));
    LODE_TRY(lode__measure_definitions(measure, error));
    LODE_TRY(lode__binding_new(&measure->binding, measure->bundle->model->vocabulary, measure->data,
                               error));
    if (lode__protocol_encodes(&measure->protocol) ||
        (measure->slices & 1u << LODE_SLICE_COLD_ITEMS) != 0)
        LODE_TRY(lode__binding_cold(measure->binding, error));
    if (config->data.split.refit && measure->options.part == 0) {
        return lode__fail(
            error,
            LODE_E_MISMATCH, "%s was trained on its validation part (data.split.refit): measure part test, or %s/selection",
            measure->bundle->path, measure->bundle->path);
    }
    const lode_part part = measure->options.part == 0 ? LODE_PART_VALID : LODE_PART_TEST;
    LODE_TRY(lode__cases_new(&measure->cases, measure->split, &measure->protocol, part, error));
    if (measure->cases.count == 0) {
        return lode__fail(error, LODE_E_INPUT,
                          "%s has no %s case under protocol %s with split %s; `lodestone help "
                          "protocol %s` says what a case is",
                          measure->data->file.path, parts[measure->options.part],
                          measure->protocol.name, lode__split_name(measure->split->type),
                          measure->protocol.name);
    }
    const uint32_t items = measure->data->items.count;
    measure->percentile = lode__arena_alloc(&measure->arena, items, sizeof *measure->percentile);
    uint32_t *scratch = lode__arena_alloc(&measure->arena, items, sizeof *scratch);
    if (measure->percentile == NULL || scratch == NULL) return lode__fail_memory(error);
    lode__popularity_percentile(measure->split->item_count, items, scratch, measure->percentile);
    LODE_TRY(lode__measure_category(measure, error));
    return lode__measure_rankers(measure, error);
}

/// The report, and the picture if one was asked for: both or none.
static lode_status publish(const lode_measure *measure, json_t *table, char **report,
                           lode_error *error) {
    const char *path = measure->options.svg;
    char *text = json_dumps(table, JSON_INDENT(1) | JSON_REAL_PRECISION(9));
    char *copy = text != NULL ? lode__strdup(text) : NULL;
    lode_text svg = {0};
    lode_status status = copy != NULL ? LODE_OK : lode__fail_memory(error);
    if (status == LODE_OK && path != NULL) status = lode__measure_draw(table, &svg, error);
    if (status == LODE_OK && path != NULL) status = lode__svg_save(path, &svg, error);
    if (status == LODE_OK && report != NULL) {
        *report = copy;
        copy = NULL;
    }
    lode__text_release(&svg);
    lode__free(copy);
    free(text);
    return status;
}

static lode_status run(lode_measure *measure, char **report, lode_error *error) {
    LODE_TRY(prepare(measure, error));
    json_t *table = json_object(), *also = json_array();
    if (measure->protocol.wants_refit && !measure->bundle->config.data.split.refit) {
        lode__notice(measure->hooks,
                     "protocol %s was published with a last training on validation too "
                     "(data.split.refit: true), which this model did not have",
                     measure->protocol.name);
    }
    lode_status status = lode__measure_cases(measure, &measure->cases,
                                             measure->protocol.exclude_seen, table, also, error);
    if (status == LODE_OK) status = lode__measure_also(measure, also, error);
    (void)json_object_set_new(table, "also", also);
    const lode_memory memory =
        lode__memory_of(measure->bundle->model->params, measure->encoder, measure->data);
    lode__memory_report(&memory, table);
    if (status == LODE_OK) status = publish(measure, table, report, error);
    json_decref(table);
    return status;
}

lode_status lode_eval(const char *run_folder, const char *options, const lode_hooks *hooks,
                      char **report, lode_error *error) {
    lode_measure measure = {.hooks = hooks};
    lode_node *root = NULL;
    lode_status status;
    if (options == NULL) options = "";
    LODE_GOTO(status,
              lode__yaml_parse(&measure.arena, options, strlen(options), "options", &root, error),
              done);
    LODE_GOTO(status,
              lode__config_read(&measure.arena, root, "", lode__measure_keys, NULL,
                                &measure.options, error),
              done);
    if (measure.options.svg != NULL)
        LODE_GOTO(status, lode__svg_probe(measure.options.svg, error), done);
    LODE_GOTO(status, lode__bundle_open(&measure.bundle, run_folder, error), done);
    status = run(&measure, report, error);
done:
    for (size_t i = 0; i < measure.ranker_count; i++)
        measure.rankers[i].free(measure.rankers[i].self);
    lode__encoder_free(&measure.encoder);
    lode__cases_release(&measure.cases);
    lode__binding_free(&measure.binding);
    lode__split_free(&measure.split);
    lode__dataset_free(&measure.data);
    lode__pool_free(&measure.pool);
    lode__bundle_free(&measure.bundle);
    lode__arena_release(&measure.arena);
    return status;
}
