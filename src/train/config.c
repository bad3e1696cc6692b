#include "train/config.h"

#include <stdio.h>
#include <string.h>

static const char *const example_kinds[] = {"every_click", "all_positions", "random_cut",
                                            "last",        "cloze",         NULL};
static const char *const windows[] = {"last", "all", NULL};
static const char *const optimisers[] = {"lazy_adam", "adam_dense", NULL};
static const char *const precisions[] = {"f32", "bf16", NULL};
static const char *const histories[] = {"protocol", "frozen", "rolling", NULL};
static const char *const unseen_modes[] = {"protocol", "drop", "miss", "encode", NULL};
static const char *const candidate_modes[] = {"protocol",   "all",       "catalogue", "uniform",
                                              "popularity", "exposures", NULL};
static const char *const popularities[] = {"protocol", "all", "train", NULL};
static const char *const exclusions[] = {"protocol", "yes", "no", NULL};

#define AT(member) .offset = offsetof(lode_data_config, member)
static const lode_key data_keys[] = {
    {.name = "history",
     .type = LODE_KEY_INT,
     AT(history),
     .fallback = "20",
     .low = 1,
     .high = 10000,
     .help = "Most recent clicks that a user tower sees."},
    {.name = "min_history",
     .type = LODE_KEY_INT,
     AT(min_history),
     .fallback = "1",
     .low = 0,
     .high = 10000,
     .help = "Clicks with fewer clicks before them are no training examples."},
    {.name = "examples",
     .type = LODE_KEY_CHOICE,
     AT(examples),
     .fallback = "every_click",
     .choices = example_kinds,
     .help =
         "What a training example is. every_click: every training click with the state before "
         "it. all_positions: a window of a user's last data.history clicks, each of which is to "
         "find the next (SASRec); the user tower must see no click behind a position. "
         "random_cut: one click of every user, drawn anew in each epoch. last: every user's "
         "last training click. cloze: a window of a user's last data.history clicks of which some "
         "are masked and are to be found from those on both sides (BERT4Rec)."},
    {.name = "windows",
     .type = LODE_KEY_CHOICE,
     AT(windows),
     .fallback = "last",
     .choices = windows,
     .help = "all_positions, cloze: of users with more clicks than data.history the last window "
             "alone, as "
             "SASRec, or all, cut from the end."},
    {.name = "mask_probability",
     .type = LODE_KEY_REAL,
     AT(mask_probability),
     .fallback = "0.2",
     .low = 0,
     .high = 1,
     .help =
         "cloze: share of a window's clicks that is masked; one at least, all but one at most."},
    {.name = "mask_last",
     .type = LODE_KEY_REAL,
     AT(mask_last),
     .fallback = "0.0909",
     .low = 0,
     .high = 1,
     .help =
         "cloze: share of the examples in which the newest click alone is masked, as in serving "
         "(BERT4Rec's code: one of eleven)."},
    {.name = "sessions",
     .type = LODE_KEY_SECTION,
     AT(sessions),
     .keys = lode__session_keys,
     .help = "What a session is, for what is mined from sessions."},
    {.name = "split",
     .type = LODE_KEY_SECTION,
     AT(split),
     .keys = lode__split_keys,
     .help = "Which clicks are for training, validation and test."},
    {0}};
#undef AT

#define AT(member) .offset = offsetof(lode_fields_config, member)
static const lode_key fields_keys[] = {
    {.name = "item",
     .type = LODE_KEY_NODE,
     AT(item),
     .help = "auto (the id and every item column but text and vectors), or a list of columns: "
             "names, or "
             "{name, dim, max_values}."},
    {.name = "user",
     .type = LODE_KEY_NODE,
     AT(user),
     .help =
         "auto (every user column but text and vectors), or a list; \"id\" adds the user id, and "
         "\"auto\" in a "
         "list what auto would take: [id, auto]."},
    {.name = "context",
     .type = LODE_KEY_NODE,
     AT(context),
     .help = "Columns of the click that is being predicted (device, place ...): none, auto, or a "
             "list."},
    {0}};
#undef AT

#define AT(member) .offset = offsetof(lode_train_config, member)
static const lode_key train_keys[] = {
    {.name = "batch",
     .type = LODE_KEY_INT,
     AT(batch),
     .fallback = "4096",
     .low = 1,
     .high = 1 << 20,
     .help = "Examples of a step; under data.examples: all_positions and cloze, windows."},
    {.name = "epochs",
     .type = LODE_KEY_INT,
     AT(epochs),
     .fallback = "20",
     .low = 0,
     .high = 1e6,
     .help = "Passes over the training examples, at most (see eval.patience)."},
    {.name = "learning_rate",
     .type = LODE_KEY_REAL,
     AT(learning_rate),
     .fallback = "0.001",
     .low = 1e-9,
     .high = 10,
     .help = "Step size of Adam."},
    {.name = "optimiser",
     .type = LODE_KEY_CHOICE,
     AT(optimiser),
     .fallback = "lazy_adam",
     .choices = optimisers,
     .help = "lazy_adam: rows of tables that a step does not touch stay as they are "
             "(torch.optim.SparseAdam); "
             "adam_dense: every row moves in every step."},
    {.name = "beta1",
     .type = LODE_KEY_REAL,
     AT(beta1),
     .fallback = "0.9",
     .low = 0,
     .high = 0.99999,
     .help = "Of Adam."},
    {.name = "beta2",
     .type = LODE_KEY_REAL,
     AT(beta2),
     .fallback = "0.999",
     .low = 0,
     .high = 0.9999999,
     .help = "Of Adam."},
    {.name = "epsilon",
     .type = LODE_KEY_REAL,
     AT(epsilon),
     .fallback = "1e-8",
     .low = 1e-30,
     .high = 1,
     .help = "Of Adam."},
    {.name = "weight_decay",
     .type = LODE_KEY_REAL,
     AT(weight_decay),
     .fallback = "0",
     .low = 0,
     .high = 1,
     .help = "L2 added to gradients of dense weights and of touched rows."},
    {.name = "precision",
     .type = LODE_KEY_CHOICE,
     AT(precision),
     .fallback = "f32",
     .choices = precisions,
     .help =
         "Numbers in which activations and their gradients are kept. Weights, sums, optimiser and\n"
         "what is saved are f32 in any case; so are validation and eval."},
    {.name = "seed",
     .type = LODE_KEY_INT,
     AT(seed),
     .fallback = "1",
     .low = 0,
     .high = 9e15,
     .help = "Of everything random. The same seed gives the same bits, at any number of threads."},
    {.name = "threads",
     .type = LODE_KEY_INT,
     AT(threads),
     .fallback = "0",
     .low = 0,
     .high = 256,
     .help = "0 = one a processor. Changes no result."},
    {.name = "checkpoint_every",
     .type = LODE_KEY_INT,
     AT(checkpoint_every),
     .fallback = "0",
     .low = 0,
     .high = 1e12,
     .help = "Steps between checkpoints; 0 = at the end of every epoch. One is written there in "
             "any case."},
    {0}};
#undef AT

#define AT(member) .offset = offsetof(lode_eval_config, member)
static const lode_key eval_keys[] = {
    {.name = "protocol",
     .type = LODE_KEY_TEXT,
     AT(protocol),
     .fallback = "auto",
     .help = "leave_one_out, micrec ... (`help protocol`); auto takes the one of the split."},
    {.name = "valid",
     .type = LODE_KEY_TEXT,
     AT(valid),
     .fallback = "hit@50",
     .help = "The metric on validation that chooses the best epoch: hit, recall, precision, ndcg, "
             "mrr, map ... (`help metrics`, hit to pred5-hr) @ a cutoff."},
    {.name = "patience",
     .type = LODE_KEY_INT,
     AT(patience),
     .fallback = "3",
     .low = 0,
     .high = 1e6,
     .help = "Validations without a new best before training ends; 0 = never end early."},
    {.name = "every",
     .type = LODE_KEY_INT,
     AT(every),
     .fallback = "1",
     .low = 1,
     .high = 1e6,
     .help = "Epochs between validations."},
    {.name = "valid_cases",
     .type = LODE_KEY_INT,
     AT(valid_cases),
     .fallback = "20000",
     .low = 0,
     .high = 1e12,
     .help = "Validation cases used, evenly spread over all; 0 = all."},
    {.name = "cutoffs",
     .type = LODE_KEY_INTS,
     AT(cutoffs),
     .fallback = "[10, 20, 50, 100]",
     .low = 1,
     .high = 10000,
     .help = "Where lists are cut in tables."},
    {.name = "metrics",
     .type = LODE_KEY_TEXTS,
     AT(metrics),
     .fallback = "[hit, recall, precision, ndcg, mrr, coverage, diversity, popularity_index]",
     .help = "What tables show; `help metrics` lists and defines them."},
    {.name = "exclude_seen",
     .type = LODE_KEY_CHOICE,
     AT(exclude_seen),
     .fallback = "protocol",
     .choices = exclusions,
     .help = "Whether items of the user's history are left out of rankings; protocol = as the "
             "protocol says."},
    {.name = "neighbours",
     .type = LODE_KEY_INT,
     AT(neighbours),
     .fallback = "15",
     .low = 1,
     .high = 1e6,
     .help = "Neighbours of an item in the item-kNN baseline."},
    {.name = "baselines",
     .type = LODE_KEY_TEXTS,
     AT(baselines),
     .fallback = "[popularity, item_knn, linear]",
     .help = "What is measured beside the model: popularity, item_knn, ease, als, or linear (ease "
             "where eval.ease_items allows, else als; auto is the same)."},
    {.name = "ease_items",
     .type = LODE_KEY_INT,
     AT(ease_items),
     .fallback = "10000",
     .low = 1,
     .high = 1e6,
     .help = "Training items up to which EASE is fitted: its matrix takes items^2 x 4 bytes, its "
             "time grows with items^3."},
    {.name = "ease_regularisation",
     .type = LODE_KEY_REAL,
     AT(ease_regularisation),
     .fallback = "200",
     .low = 1e-6,
     .high = 1e9,
     .help = "lambda in P = (X'X + lambda I)^-1 (Steck 2019)."},
    {.name = "als_factors",
     .type = LODE_KEY_INT,
     AT(als_factors),
     .fallback = "64",
     .low = 1,
     .high = 512,
     .help = "Width of the vectors of the ALS baseline (Hu, Koren, Volinsky 2008)."},
    {.name = "als_iterations",
     .type = LODE_KEY_INT,
     AT(als_iterations),
     .fallback = "10",
     .low = 1,
     .high = 1000,
     .help = "Times that ALS solves all users and all items."},
    {.name = "als_regularisation",
     .type = LODE_KEY_REAL,
     AT(als_regularisation),
     .fallback = "10",
     .low = 1e-6,
     .high = 1e9,
     .help = "L2 of every vector of ALS."},
    {.name = "als_alpha",
     .type = LODE_KEY_REAL,
     AT(als_alpha),
     .fallback = "10",
     .low = 0,
     .high = 1e6,
     .help = "ALS trusts a click 1 + alpha times as much as a missing one."},
    {.name = "history",
     .type = LODE_KEY_CHOICE,
     AT(details.history),
     .fallback = "protocol",
     .choices = histories,
     .help = "frozen: one case a user, all true items from the state at the part's beginning. "
             "rolling: one case a click, from all clicks before it. protocol = as it says."},
    {.name = "unseen_items",
     .type = LODE_KEY_CHOICE,
     AT(details.unseen),
     .fallback = "protocol",
     .choices = unseen_modes,
     .help = "True items without a training click: drop leaves them out, miss counts them as "
             "misses, encode lets the item tower encode them from their columns (id unknown), as "
             "candidates among all items of the log."},
    {.name = "candidates",
     .type = LODE_KEY_CHOICE,
     AT(details.candidates),
     .fallback = "protocol",
     .choices = candidate_modes,
     .help = "What is ranked: all items with a training click; catalogue = every item of the data "
             "set; uniform and popularity = the true items among `negatives` drawn ones; exposures "
             "= what was shown."},
    {.name = "negatives",
     .type = LODE_KEY_INT,
     AT(details.negatives),
     .fallback = "0",
     .low = 0,
     .high = 1e6,
     .help = "Drawn candidates of a case (uniform, popularity); 0 = as the protocol says (100)."},
    {.name = "popularity_from",
     .type = LODE_KEY_CHOICE,
     AT(details.popularity_from),
     .fallback = "protocol",
     .choices = popularities,
     .help = "candidates: popularity counts clicks of all parts, or of training."},
    {.name = "max_users",
     .type = LODE_KEY_INT,
     AT(details.max_users),
     .fallback = "-1",
     .low = -1,
     .high = 4e9,
     .help = "At most so many users, drawn at random; 0 = all, -1 = as the protocol says."},
    {.name = "seed",
     .type = LODE_KEY_INT,
     AT(details.seed),
     .fallback = "1",
     .low = 0,
     .high = 9e15,
     .help = "Of drawn candidates and users. They depend on it and on the user's token alone."},
    {.name = "slices",
     .type = LODE_KEY_TEXTS,
     AT(slices),
     .fallback = "[]",
     .help = "Further tables of eval: cold-items (true items without a training click, encoded), "
             "cold-users (short histories), tail (true items among the least clicked that take 20% "
             "of the training clicks)."},
    {.name = "short_history",
     .type = LODE_KEY_INT,
     AT(short_history),
     .fallback = "5",
     .low = 1,
     .high = 1e6,
     .help = "cold-users: states with fewer known clicks than this."},
    {.name = "category",
     .type = LODE_KEY_TEXT,
     AT(category),
     .fallback = "",
     .help = "Item column (token; of a token_seq its first value) whose values category_diversity "
             "compares."},
    {0}};
#undef AT

#define AT(member) .offset = offsetof(lode_config, member)
const lode_key lode__config_keys[] = {
    {.name = "data", .type = LODE_KEY_SECTION, AT(data), .keys = data_keys, .help = "Examples and split."},
    {.name = "fields",
     .type = LODE_KEY_SECTION,
     AT(fields),
     .keys = fields_keys,
     .help = "Columns that towers use."},
    {.name = "model",
     .type = LODE_KEY_SECTION,
     AT(model),
     .keys = lode__model_keys,
     .help = "Towers and scorer."},
    {.name = "objectives",
     .type = LODE_KEY_NODE,
     AT(objectives_node),
     .help = "A list of {type, weight, keys of the type}; the default is one in_batch objective. "
             "`help objective` lists them."},
    {.name = "mine",
     .type = LODE_KEY_SECTION,
     AT(mine),
     .keys = lode__mine_keys,
     .help = "What objectives mine: cache and memory. Changes no result."},
    {.name = "train", .type = LODE_KEY_SECTION, AT(train), .keys = train_keys, .help = "The loop."},
    {.name = "eval",
     .type = LODE_KEY_SECTION,
     AT(eval),
     .keys = eval_keys,
     .help = "Validation and tables."},
    {0}};
#undef AT

static lode_status read_objectives(lode_config *config, lode_error *error) {
    lode_node type = {.kind = LODE_NODE_SCALAR, .key = "type", .text = "in_batch", .file = "default"};
    const lode_node *list = config->objectives_node;
    if (list == NULL) {
        const lode_node fallback = {.kind = LODE_NODE_MAP, .child = &type, .file = "default"};
        config->objective_count = 1;
        return lode__objective_read(&config->objectives[0], &fallback, 0, error);
    }
    const size_t count = lode__node_count(list);
    if (list->kind != LODE_NODE_LIST || count < 1 || count > LODE_OBJECTIVES) {
        return lode__fail(error, LODE_E_CONFIG,
                          "%s: objectives is a list of 1 to %d maps with the key type",
                          lode__node_where(&config->arena, list), LODE_OBJECTIVES);
    }
    for (const lode_node *node = list->child; node != NULL; node = node->next) {
        const size_t number = config->objective_count++;
        LODE_TRY(lode__objective_read(&config->objectives[number], node, number, error));
    }
    return LODE_OK;
}

static lode_status check_baselines(const lode_texts *list, lode_error *error) {
    static const char *const names[] = {"popularity", "item_knn", "linear", "auto", "ease", "als"};
    enum { NAMES = sizeof names / sizeof *names };
    for (size_t i = 0; i < list->count; i++) {
        bool known = false;
        for (size_t n = 0; n < NAMES; n++)
            known = known || strcmp(names[n], list->values[i]) == 0;
        if (known) continue;
        return lode__fail_unknown(error, LODE_E_CONFIG, "eval.baselines: unknown baseline",
                                  list->values[i], names, NAMES);
    }
    return LODE_OK;
}

static lode_status check_protocol(const lode_config *config, lode_error *error) {
    const char *name = config->eval.protocol;
    const lode_protocol *protocol = lode__protocol_find(name);
    const lode_split_type split = (lode_split_type)config->data.split.type;
    if (strcmp(name, "auto") == 0 || (protocol != NULL && lode__protocol_fits(protocol, split)))
        return LODE_OK;
    lode_text names = {0};
    lode__protocol_names(&names, protocol == NULL ? LODE_SPLITS : split);
    const char *list = names.data != NULL ? names.data : "";
    const lode_status status =
        protocol == NULL
            ? lode__fail(error, LODE_E_CONFIG,
                         "eval.protocol: unknown protocol \"%s\"; there are: auto, %s", name, list)
            : lode__fail(error, LODE_E_CONFIG,
                         "eval.protocol is %s, which does not fit data.split.type: %s (auto, %s "
                         "fit); `lodestone help protocol %s` says which split it needs",
                         name, lode__split_name(split), list, name);
    lode__text_release(&names);
    return status;
}

static lode_status check_eval(lode_config *config, lode_error *error) {
    enum lode_metric metric;
    size_t cutoff;
    const lode_eval_config *eval = &config->eval;
    if (!lode__metric_parse(eval->valid, &metric, &cutoff) || metric > LODE_METRIC_PRED5_HR ||
        cutoff > 10000) {
        return lode__fail(
            error, LODE_E_CONFIG,
            "eval.valid is %s: expected a metric from hit to pred5-hr (`help metrics`) with a "
            "cutoff of at most 10000, such as hit@50",
            eval->valid);
    }
    if (eval->cutoffs.count < 1 || eval->cutoffs.count > LODE_CUTOFFS) {
        return lode__fail(error, LODE_E_CONFIG, "eval.cutoffs has %zu numbers: expected 1 to %d",
                          eval->cutoffs.count, LODE_CUTOFFS);
    }
    for (size_t i = 1; i < eval->cutoffs.count; i++) {
        if (eval->cutoffs.values[i] <= eval->cutoffs.values[i - 1]) {
            return lode__fail(
                error, LODE_E_CONFIG, "eval.cutoffs must increase: %lld stands after %lld",
                (long long)eval->cutoffs.values[i], (long long)eval->cutoffs.values[i - 1]);
        }
    }
    for (size_t i = 0; i < eval->metrics.count; i++)
        LODE_TRY(lode__metric_check("eval.metrics", eval->metrics.values[i], error));
    LODE_TRY(check_baselines(&eval->baselines, error));
    unsigned slices;
    LODE_TRY(lode__config_slices(&eval->slices, "eval.slices", &slices, error));
    return check_protocol(config, error);
}

lode_status lode__config_slices(const lode_texts *names, const char *path, unsigned *slices,
                                lode_error *error) {
    *slices = 0;
    for (size_t i = 0; i < names->count; i++) {
        const char *known[LODE_SLICES];
        int found = LODE_SLICE_NONE;
        for (int s = LODE_SLICE_NONE + 1; s < LODE_SLICES; s++) {
            known[s - 1] = lode__slice_name((lode_slice)s);
            if (strcmp(known[s - 1], names->values[i]) == 0) found = s;
        }
        if (found == LODE_SLICE_NONE) {
            char subject[64];
            (void)snprintf(subject, sizeof subject, "%s: unknown slice", path);
            return lode__fail_unknown(error, LODE_E_CONFIG, subject, names->values[i], known,
                                      LODE_SLICES - 1);
        }
        *slices |= 1u << found;
    }
    return LODE_OK;
}

lode_protocol lode__config_protocol(const lode_eval_config *eval, const lode_split *split) {
    const lode_protocol *found = strcmp(eval->protocol, "auto") == 0
                                     ? lode__protocol_auto(split)
                                     : lode__protocol_find(eval->protocol);
    lode_protocol protocol = *found;
    lode__protocol_override(&protocol, &eval->details);
    return protocol;
}

void lode__config_valid(const lode_config *config, enum lode_metric *metric, size_t *cutoff) {
    const bool ok = lode__metric_parse(config->eval.valid, metric, cutoff);
    assert(ok);
    (void)ok;
}

static lode_status read_tree(lode_config *config, lode_error *error) {
    LODE_TRY(lode__config_read(&config->arena, config->root, "", lode__config_keys, NULL, config,
                               error));
    LODE_TRY(read_objectives(config, error));
    const lode_side sides[] = {LODE_SIDE_USER, LODE_SIDE_ITEM};
    for (size_t i = 0; i < 2; i++) {
        lode_tower tower;
        const lode_node *part = sides[i] == LODE_SIDE_USER ? config->model.user : config->model.item;
        LODE_TRY(lode__tower_read(&tower, part, sides[i], &config->arena, error));
    }
    LODE_TRY(lode__split_check(&config->data.split, error));
    return check_eval(config, error);
}

lode_status lode__config_load(lode_config *config, const char *yaml, const char *name,
                              const char *const *sets, size_t set_count, lode_error *error) {
    *config = (lode_config){0};
    if (yaml == NULL) yaml = "";
    LODE_TRY(lode__yaml_parse(&config->arena, yaml, strlen(yaml),
                              name != NULL ? name : "configuration", &config->root, error));
    for (size_t i = 0; i < set_count; i++) {
        LODE_TRY(lode__yaml_set(&config->arena, config->root, sets[i], error));
    }
    return read_tree(config, error);
}

lode_status lode__config_load_tree(lode_config *config, lode_node *root, lode_error *error) {
    *config = (lode_config){.root = root};
    return read_tree(config, error);
}

void lode__config_release(lode_config *config) {
    for (size_t i = 0; i < config->objective_count; i++)
        lode__objective_release(&config->objectives[i]);
    lode__arena_release(&config->arena);
    *config = (lode_config){0};
}

static void print_fields(lode_text *text, const lode_fields_config *fields) {
    static const struct {
        const char *name, *fallback;
    } parts[] = {{"item", "auto"}, {"user", "auto"}, {"context", "[]"}};
    const lode_node *nodes[] = {fields->item, fields->user, fields->context};
    lode__text_add(text, "fields:\n");
    for (size_t i = 0; i < 3; i++) {
        if (nodes[i] == NULL) {
            lode__text_printf(text, "  %s: %s\n", parts[i].name, parts[i].fallback);
            continue;
        }
        lode_node copy = *nodes[i];
        copy.next = NULL;
        copy.key = parts[i].name;
        lode_node map = {.kind = LODE_NODE_MAP, .child = &copy};
        lode_node outer = {.kind = LODE_NODE_MAP, .child = &map};
        map.key = "fields";
        lode_text inner = {0};
        lode__yaml_print(&inner, &outer);
        const char *body = inner.data != NULL ? strchr(inner.data, '\n') : NULL;
        if (body != NULL) lode__text_add(text, body + 1);
        lode__text_release(&inner);
    }
}

static void print_model(lode_text *text, const lode_config *config) {
    lode__text_add(text, "model:\n");
    lode__config_write(text, 2, lode__model_keys, &config->model);
    const lode_side sides[] = {LODE_SIDE_USER, LODE_SIDE_ITEM};
    for (size_t i = 0; i < 2; i++) {
        lode_arena arena = {0};
        lode_tower tower;
        const lode_node *part = sides[i] == LODE_SIDE_USER ? config->model.user : config->model.item;
        if (lode__tower_read(&tower, part, sides[i], &arena, NULL) == LODE_OK) {
            lode__text_printf(text, "  %s:\n    tower: %s\n", i == 0 ? "user" : "item",
                              tower.type->name);
            lode__config_write(text, 4, tower.type->keys, tower.config);
        } else {
            text->failed = true;
        }
        lode__arena_release(&arena);
    }
}

void lode__config_print(lode_text *text, const lode_config *config) {
    lode__text_add(text, "data:\n");
    lode__config_write(text, 2, data_keys, &config->data);
    print_fields(text, &config->fields);
    print_model(text, config);
    lode__text_add(text, "objectives:\n");
    for (size_t i = 0; i < config->objective_count; i++) {
        lode__objective_write(text, 2, &config->objectives[i]);
    }
    lode__text_add(text, "mine:\n");
    lode__config_write(text, 2, lode__mine_keys, &config->mine);
    lode__text_add(text, "train:\n");
    lode__config_write(text, 2, train_keys, &config->train);
    lode__text_add(text, "eval:\n");
    lode__config_write(text, 2, eval_keys, &config->eval);
}

lode_status lode_config_resolve(const char *yaml, const char *name, const char *const *sets,
                                size_t set_count, char **resolved, lode_error *error) {
    lode_config config;
    lode_text text = {0};
    lode_status status = lode__config_load(&config, yaml, name, sets, set_count, error);
    if (status == LODE_OK) {
        lode__config_print(&text, &config);
        status = lode__text_take(&text, resolved, error);
    }
    lode__config_release(&config);
    return status;
}

lode_precision lode__config_precision(const lode_config *config) {
    return config->train.precision == 1 ? LODE_BF16 : LODE_F32;
}

const char *lode__config_precision_name(const lode_config *config) {
    return precisions[config->train.precision];
}
