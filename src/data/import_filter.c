// Filters within an import: the rules from the options, who keeps a number, and what is said about it.
//
// Users and items that lost their rows lose their numbers too, unless a table lists them: then they stay in the
// catalogue, behind those that have rows, as if the log had never named them.
#include "data/importer.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

lode_filter_rules lode__import_rules(const lode_import_options *options) {
    return (lode_filter_rules){
        .repeats = (lode_repeats)options->duplicates,
        .min_user = (uint32_t)options->min_user_count,
        .min_item = (uint32_t)options->min_count,
        .user_core = (uint32_t)(options->user_core ? options->user_core : options->core),
        .item_core = (uint32_t)(options->item_core ? options->item_core : options->core)};
}

lode_status lode__import_list(lode_importer *importer, lode_role id, uint32_t row, lode_error *error) {
    lode_listed *const listed =
        id == LODE_ROLE_ITEM ? &importer->listed_items : &importer->listed_users;
    if (!lode__filter_active(&importer->filter.rules)) return LODE_OK;
    const size_t before = listed->capacity;
    if (!lode__grow((void **)&listed->rows, &listed->capacity, (size_t)row + 1, sizeof *listed->rows))
        return lode__fail_memory(error);
    for (size_t k = before; k < listed->capacity; ++k)
        listed->rows[k] = false;
    listed->rows[row] = true;
    return LODE_OK;
}

// ---- numbers

/// Users or items that get new numbers.
typedef struct renumbering {
    lode_dictionary *dictionary;
    const uint64_t *rows; ///< of the filtered log
    const lode_listed *listed;
    lode_builders *builders;
    uint32_t *map; ///< old number to new one, or LODE_DICTIONARY_NONE
    uint32_t *old; ///< new number to old one
    uint32_t kept;
} renumbering;

static lode_status number(renumbering *r, lode_error *error) {
    const uint32_t count = r->dictionary->count;
    r->map = lode__alloc(count, sizeof *r->map);
    r->old = lode__alloc(count, sizeof *r->old);
    if (!r->map || !r->old) return lode__fail_memory(error);
    for (int listed = 0; listed < 2; ++listed)
        for (uint32_t k = 0; k < count; ++k) {
            const bool has_rows = r->rows[k] > 0;
            const bool in_table = k < r->listed->capacity && r->listed->rows[k];
            if (listed ? has_rows || !in_table : !has_rows) continue;
            r->map[k] = r->kept;
            r->old[r->kept++] = k;
        }
    for (uint32_t k = 0; k < count; ++k)
        if (r->rows[k] == 0 && !(k < r->listed->capacity && r->listed->rows[k]))
            r->map[k] = LODE_DICTIONARY_NONE;
    return LODE_OK;
}

static lode_status renumber_tokens(renumbering *r, lode_error *error) {
    lode_dictionary kept = {0};
    for (uint32_t k = 0; k < r->kept; ++k) {
        const char *const token = lode__dictionary_token(r->dictionary, r->old[k]);
        uint32_t index;
        const lode_status status = lode__dictionary_add(&kept, token, strlen(token), &index, error);
        if (status != LODE_OK) {
            lode__dictionary_release(&kept);
            return status;
        }
    }
    lode__dictionary_release(r->dictionary);
    *r->dictionary = kept;
    return LODE_OK;
}

static lode_status renumber_columns(renumbering *r, lode_error *error) {
    for (size_t b = 0; b < r->builders->count; ++b) {
        lode_column_builder *const builder = &r->builders->list[b];
        uint32_t *const words = lode__alloc(r->kept, sizeof *words);
        if (!words) return lode__fail_memory(error);
        for (uint32_t k = 0; k < r->kept; ++k)
            words[k] = r->old[k] < builder->word_count ? builder->words[r->old[k]]
                                                       : lode__column_missing(builder);
        lode__free(builder->words);
        builder->words = words;
        builder->word_count = builder->word_capacity = r->kept;
    }
    return LODE_OK;
}

static lode_status renumber_valid(lode_importer *importer, const renumbering *r, lode_error *error) {
    if (importer->valid_count == 0) return LODE_OK;
    int64_t *const valid = lode__alloc(r->kept, 2 * sizeof *valid);
    if (!valid) return lode__fail_memory(error);
    for (uint32_t k = 0; k < r->kept; ++k) {
        const bool known = r->old[k] < importer->valid_count;
        valid[2 * k] = known ? importer->valid[2 * (size_t)r->old[k]] : INT64_MIN;
        valid[2 * k + 1] = known ? importer->valid[2 * (size_t)r->old[k] + 1] : INT64_MAX;
    }
    lode__free(importer->valid);
    importer->valid = valid;
    importer->valid_count = r->kept;
    importer->valid_capacity = 2 * (size_t)r->kept;
    return LODE_OK;
}

static lode_status renumber(lode_importer *importer, renumbering *r, uint32_t **map,
                            lode_error *error) {
    lode_status status;
    LODE_GOTO(status, number(r, error), done);
    LODE_GOTO(status, renumber_tokens(r, error), done);
    LODE_GOTO(status, renumber_columns(r, error), done);
    if (r->builders == &importer->item_columns)
        LODE_GOTO(status, renumber_valid(importer, r, error), done);
    *map = r->map;
    r->map = NULL;
done:
    lode__free(r->map);
    lode__free(r->old);
    return status;
}

// ---- what is said

static lode_status fail_empty(const lode_filter *filter, lode_error *error) {
    const lode_filter_rules *const rules = &filter->rules;
    char what[160], least[32] = "";
    if (filter->frequent.rows == 0)
        snprintf(what, sizeof what, "min_user_count %u, min_count %u", rules->min_user,
                 rules->min_item);
    else
        snprintf(what, sizeof what, "user_core %u, item_core %u", rules->user_core, rules->item_core);
    if (filter->frequent.rows > 0)
        snprintf(least, sizeof least, " in %llu rounds", (unsigned long long)filter->rounds);
    return lode__fail(
        error, LODE_E_INPUT,
        "the filters leave nothing: %s removed all %llu users and %llu items%s; ask "
        "for fewer clicks",
        what,
        (unsigned long long)(filter->frequent.rows ? filter->frequent.users : filter->distinct.users),
        (unsigned long long)(filter->frequent.rows ? filter->frequent.items : filter->distinct.items),
        least);
}

static void say_step(const lode_importer *importer, const char *what, const lode_filter_size *from,
                     const lode_filter_size *to) {
    lode__notice(importer->hooks,
                 "%s: %llu users, %llu items, %llu rows become %llu users, %llu items, %llu rows",
                 what, (unsigned long long)from->users, (unsigned long long)from->items,
                 (unsigned long long)from->rows, (unsigned long long)to->users,
                 (unsigned long long)to->items, (unsigned long long)to->rows);
}

static const char *repeats_name(lode_repeats repeats) {
    static const char *const names[] = {"keep", "first", "last", "exact"};
    return names[repeats];
}

static void say(const lode_importer *importer) {
    const lode_filter *const filter = &importer->filter;
    const lode_filter_rules *const rules = &filter->rules;
    char what[120];
    if (rules->repeats != LODE_REPEATS_KEEP) {
        snprintf(what, sizeof what, "duplicates %s", repeats_name(rules->repeats));
        say_step(importer, what, &filter->before, &filter->distinct);
    }
    if (rules->min_user > 0 || rules->min_item > 0) {
        snprintf(what, sizeof what, "clicks of a user >= %u, of an item >= %u", rules->min_user,
                 rules->min_item);
        say_step(importer, what, &filter->distinct, &filter->frequent);
    }
    if (rules->user_core > 0 || rules->item_core > 0) {
        snprintf(what, sizeof what, "core of users with %u, items with %u clicks (%llu rounds)",
                 rules->user_core, rules->item_core, (unsigned long long)filter->rounds);
        say_step(importer, what, &filter->frequent, &filter->after);
    }
}

static json_t *describe_size(const lode_filter_size *size) {
    return json_pack("{s:I, s:I, s:I}", "users", (json_int_t)size->users, "items",
                     (json_int_t)size->items, "interactions", (json_int_t)size->rows);
}

json_t *lode__import_describe_filters(const lode_importer *importer) {
    const lode_filter *const filter = &importer->filter;
    const lode_filter_rules *const rules = &filter->rules;
    if (!lode__filter_active(rules)) return json_null();
    return json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:o}", "duplicates",
                     repeats_name(rules->repeats), "min_user_count", (json_int_t)rules->min_user,
                     "min_count", (json_int_t)rules->min_item, "user_core",
                     (json_int_t)rules->user_core, "item_core", (json_int_t)rules->item_core,
                     "rounds", (json_int_t)filter->rounds, "before", describe_size(&filter->before),
                     "after_duplicates", describe_size(&filter->distinct), "after_min_count",
                     describe_size(&filter->frequent), "after", describe_size(&filter->after));
}

// ---- the whole

static lode_status read_rows(lode_importer *importer, lode_error *error) {
    lode_filter *const filter = &importer->filter;
    LODE_TRY(lode__filter_reserve(filter, importer->users.count, importer->items.count, error));
    for (const uint32_t *row;;) {
        LODE_TRY(lode__sorter_next(&importer->sorter, &row, error));
        if (!row) break;
        LODE_TRY(lode__filter_add(filter, row, error));
        if ((filter->before.rows & 0xffff) == 0)
            LODE_TRY(lode__import_progress(importer, "import: filter", filter->before.rows,
                                           importer->rows, error));
    }
    return lode__filter_finish(filter, error);
}

lode_status lode__import_filter(lode_importer *importer, lode_error *error) {
    lode_filter *const filter = &importer->filter;
    if (filter->rules.repeats == LODE_REPEATS_EXACT && importer->times.count == 0)
        return lode__fail(error, LODE_E_CONFIG,
                          "duplicates: exact compares times, and the log has none; expected first "
                          "or last");
    LODE_TRY(read_rows(importer, error));
    if (filter->after.rows == 0) return fail_empty(filter, error);
    say(importer);
    renumbering users = {.dictionary = &importer->users,
                         .rows = filter->user_rows,
                         .listed = &importer->listed_users,
                         .builders = &importer->user_columns};
    renumbering items = {.dictionary = &importer->items,
                         .rows = filter->item_rows,
                         .listed = &importer->listed_items,
                         .builders = &importer->item_columns};
    LODE_TRY(renumber(importer, &users, &importer->user_map, error));
    LODE_TRY(renumber(importer, &items, &importer->item_map, error));
    importer->rows = filter->after.rows;
    importer->log_items = (uint32_t)filter->after.items;
    for (int k = 0; k < LODE_BEHAVIOURS; ++k)
        importer->behaviours[k] = 0;
    for (int k = 0; k < LODE_GIVEN_PARTS; ++k)
        importer->parts[k] = 0;
    return LODE_OK;
}

lode_status lode__import_filtered(lode_importer *importer, const uint32_t **row, lode_error *error) {
    const lode_slots *const slots = &importer->slots;
    const uint32_t *from;
    LODE_TRY(lode__filter_next(&importer->filter, &from, error));
    *row = from ? importer->row : NULL;
    if (!from) return LODE_OK;
    uint32_t *const out = importer->row;
    memcpy(out, from, slots->words * sizeof *out);
    out[LODE_ROW_USER] = importer->user_map[out[LODE_ROW_USER]];
    out[LODE_ROW_ITEM] = importer->item_map[out[LODE_ROW_ITEM]];
    ++importer->behaviours[slots->behaviour == SIZE_MAX ? LODE_CLICK : out[slots->behaviour]];
    if (slots->part != SIZE_MAX) ++importer->parts[out[slots->part]];
    return LODE_OK;
}

void lode__import_filter_release(lode_importer *importer) {
    lode__filter_release(&importer->filter);
    lode__free(importer->listed_users.rows);
    lode__free(importer->listed_items.rows);
    lode__free(importer->user_map);
    lode__free(importer->item_map);
}
