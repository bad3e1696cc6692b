/// Tables beside the named protocol: the other choice of exclude_seen, the other count of popularity, full ranking
/// beside sampled candidates, slices, and a file of true items.
#include <string.h>

#include "train/measure.h"

static void set_count(json_t *table, const char *name, uint64_t count) {
    (void)json_object_set_new(table, name, json_integer((json_int_t)count));
}

/// The details under which a table was made.
static void set_details(const lode_cases *cases, json_t *table) {
    const lode_protocol *protocol = &cases->protocol;
    (void)json_object_set_new(table, "history", json_string(lode__history_name(protocol->history)));
    (void)json_object_set_new(table, "unseen_items",
                              json_string(lode__unseen_name(protocol->unseen)));
    (void)json_object_set_new(table, "candidates",
                              json_string(lode__candidates_name(protocol->candidates)));
    if (lode__protocol_sampled(protocol)) set_count(table, "negatives", protocol->negatives);
    if (protocol->candidates == LODE_CANDIDATES_POPULARITY) {
        const bool train = protocol->popularity_from == LODE_POPULARITY_TRAIN;
        (void)json_object_set_new(table, "popularity_from", json_string(train ? "train" : "all"));
    }
    if (protocol->sequence_keeps_seen)
        (void)json_object_set_new(table, "sequence_models_keep_seen", json_true());
    if (cases->unchosen_users > 0) set_count(table, "users", cases->users);
    if (protocol->candidates == LODE_CANDIDATES_EXPOSURES) {
        set_count(table, "without_positives", cases->without_positives);
        set_count(table, "without_negatives", cases->without_negatives);
    }
}

/// Say where a protocol could not be followed to the letter.
static lode_status remark(const lode_measure *measure, const lode_cases *cases, lode_error *error) {
    if (!lode__protocol_sampled(&cases->protocol)) return LODE_OK;
    lode_drawer *drawer = NULL;
    uint64_t few = 0;
    LODE_TRY(lode__drawer_new(&drawer, cases, 1, error));
    const lode_status status = lode__drawer_short(drawer, &few, error);
    lode__drawer_free(&drawer);
    if (status == LODE_OK && few > 0) {
        lode__notice(measure->hooks,
                     "%llu of %zu cases have fewer than %zu items that may be drawn: all of these "
                     "are ranked",
                     (unsigned long long)few, cases->count, cases->protocol.negatives);
    }
    return status;
}

lode_status lode__measure_cases(const lode_measure *measure, const lode_cases *cases, bool exclude,
                                json_t *table, json_t *also, lode_error *error) {
    lode_measure view = *measure; // the same rankers, other cases
    view.cases = *cases;
    view.cases.pool = measure->pool;
    view.protocol = cases->protocol;
    LODE_TRY(remark(&view, &view.cases, error));
    LODE_TRY(lode__measure_table(&view, exclude, table, also, error));
    set_details(cases, table);
    return LODE_OK;
}

/// A table of cases that are released; `name` and `value` say what it is.
static lode_status add_cases(const lode_measure *measure, lode_cases *cases, json_t *also,
                             const char *name, const char *value, json_t **added, lode_error *error) {
    json_t *table = json_object();
    lode_status status = LODE_OK;
    if (name != NULL) (void)json_object_set_new(table, name, json_string(value));
    (void)json_array_append_new(also, table);
    if (cases->count > 0) {
        lode_measure view = *measure; // definitions are of the named protocol
        const lode_protocol *named = &measure->protocol;
        if (name != NULL || cases->protocol.candidates != named->candidates ||
            cases->protocol.popularity_from != named->popularity_from)
            view.definition_count = 0;
        status = lode__measure_cases(&view, cases, cases->protocol.exclude_seen, table, also, error);
    } else {
        lode__notice(measure->hooks, "%s %s has no case", name != NULL ? name : "the protocol",
                     value != NULL ? value : cases->protocol.name);
        (void)json_object_set_new(table, "protocol", json_string(cases->protocol.name));
        set_count(table, "cases", 0);
        (void)json_object_set_new(table, "rows", json_object());
        set_details(cases, table);
    }
    if (added != NULL) *added = table;
    lode__cases_release(cases);
    return status;
}

/// The named protocol's cases under another detail.
static lode_status add_variant(const lode_measure *measure, const lode_protocol *protocol,
                               json_t *also, lode_error *error) {
    lode_cases cases;
    LODE_TRY(lode__cases_new(&cases, measure->split, protocol, measure->cases.part, error));
    return add_cases(measure, &cases, also, NULL, NULL, NULL, error);
}

static lode_status add_slices(const lode_measure *measure, json_t *also, lode_error *error) {
    const int64_t bound = measure->options.short_history > 0
                              ? measure->options.short_history
                              : measure->bundle->config.eval.short_history;
    for (int slice = LODE_SLICE_NONE + 1; slice < LODE_SLICES; slice++) {
        lode_cases cases;
        if ((measure->slices >> slice & 1) == 0) continue;
        LODE_TRY(lode__cases_slice(&cases, measure->split, &measure->protocol, measure->cases.part,
                                   (lode_slice)slice, (uint64_t)bound, error));
        LODE_TRY(add_cases(measure, &cases, also, "slice", lode__slice_name((lode_slice)slice),
                           NULL, error));
    }
    return LODE_OK;
}

static lode_status add_truth(const lode_measure *measure, json_t *also, lode_error *error) {
    lode_truth truth;
    lode_cases cases;
    json_t *table = NULL;
    const char *path = measure->options.truth;
    LODE_TRY(lode__truth_read(&truth, path, measure->data, error));
    const char *name = strrchr(path, '/') != NULL ? strrchr(path, '/') + 1 : path;
    if (truth.unknown_users > 0 || truth.unknown_items > 0) {
        lode__notice(
            measure->hooks,
            "%s: %llu of %llu rows are of users that the data set does not have, %llu more "
            "of items that it does not have; they are left out",
            name, (unsigned long long)truth.unknown_users, (unsigned long long)truth.rows,
            (unsigned long long)truth.unknown_items);
    }
    lode_status status = lode__cases_given(&cases, measure->split, &measure->protocol, truth.starts,
                                           truth.items, error);
    if (status == LODE_OK) status = add_cases(measure, &cases, also, "truth", name, &table, error);
    if (status == LODE_OK) {
        set_count(table, "unknown_users", truth.unknown_users);
        set_count(table, "unknown_items", truth.unknown_items);
    }
    lode__truth_release(&truth);
    return status;
}

lode_status lode__measure_also(const lode_measure *measure, json_t *also, lode_error *error) {
    lode_protocol other = measure->protocol;
    if (other.also_other_exclusion) {
        other.exclude_seen = !other.exclude_seen;
        LODE_TRY(add_variant(measure, &other, also, error));
    }
    other = measure->protocol;
    if (other.candidates == LODE_CANDIDATES_POPULARITY &&
        other.popularity_from == LODE_POPULARITY_ALL) {
        other.popularity_from = LODE_POPULARITY_TRAIN;
        LODE_TRY(add_variant(measure, &other, also, error));
    }
    if (lode__protocol_sampled(&other)) {
        other.candidates = LODE_CANDIDATES_ALL;
        LODE_TRY(add_variant(measure, &other, also, error));
    }
    LODE_TRY(add_slices(measure, also, error));
    return measure->options.truth != NULL ? add_truth(measure, also, error) : LODE_OK;
}
