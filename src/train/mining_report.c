// What was mined, for people: a summary, and items with their partners, titles and what they share.
#include "base/usage.h"
#include "train/mining.h"

#include <stdlib.h>
#include <string.h>

enum { SUGGESTIONS = 3, VALUES = 8 };

static uint64_t list_length(const lode_mined *mined, uint32_t item) {
    const uint64_t *starts = mined->kind == LODE_MINED_GROUPS ? mined->item_starts : mined->starts;
    return starts[item + 1] - starts[item];
}

static bool has_something(const lode_mining *mining, uint32_t item) {
    for (size_t k = 0; k < mining->part_count; k++) {
        if (list_length(mining->parts[k].mined, item) > 0) return true;
    }
    return false;
}

static const char *title_of(const lode_dataset *data, uint32_t item) {
    const lode_column *column = lode__title_column(data);
    const char *title = column != NULL ? column->bytes + column->starts[item] : "";
    return *title != 0 ? title : NULL;
}

// ------------------------------------------------------------------------------------------------
// Items to show
// ------------------------------------------------------------------------------------------------

/// Add ", did you mean ...?": items whose id is near, or whose title holds the word.
static void add_suggestions(lode_text *text, const lode_dataset *data, const char *word) {
    const char *best = NULL;
    size_t distance = LODE_MAX(strlen(word), (size_t)3) / 3 + 1, titled = 0;
    for (uint32_t item = 0; item < data->items.count && *word != 0; item++) {
        const char *token = lode__token(&data->items, item), *title = title_of(data, item);
        if (title != NULL && titled < SUGGESTIONS && strcasestr(title, word) != NULL)
            lode__text_printf(text, "%s\"%s\" (%s)", titled++ == 0 ? "; did you mean " : ", ",
                              token, title);
        const size_t found = lode__edit_distance(word, token);
        if (found < distance) {
            distance = found;
            best = token;
        }
    }
    if (titled == 0 && best != NULL) lode__text_printf(text, "; did you mean \"%s\"", best);
    if (titled > 0 || best != NULL) lode__text_add(text, "?");
}

static lode_status unknown_item(const lode_mining *mining, const char *word, lode_error *error) {
    lode_text text = {0};
    add_suggestions(&text, mining->data, word);
    const lode_status status =
        lode__fail(error, LODE_E_MISSING, "%s has no item \"%s\"%s", mining->data->file.path, word,
                   text.data != NULL ? text.data : "");
    lode__text_release(&text);
    return status;
}

lode_status lode__mining_choose(lode_mining *mining, lode_error *error) {
    const lode_mining_options *options = &mining->options;
    const uint32_t items = mining->data->items.count;
    const size_t sample = (size_t)LODE_MIN(options->sample, (int64_t)items);
    mining->shown =
        lode__arena_alloc(&mining->arena, options->show.count + sample, sizeof *mining->shown);
    if (mining->shown == NULL) return lode__fail_memory(error);
    for (size_t k = 0; k < options->show.count; k++) {
        const uint32_t item = lode__token_find(&mining->data->items, options->show.values[k]);
        if (item == LODE_CODE_NONE) return unknown_item(mining, options->show.values[k], error);
        mining->shown[mining->shown_count++] = item;
    }
    for (uint32_t at = 0; at < items && mining->shown_count < options->show.count + sample; at++) {
        const uint32_t item =
            (uint32_t)lode__permute(at, items, (uint64_t)options->seed, LODE_PURPOSE_SAMPLE, 0);
        if (has_something(mining, item)) mining->shown[mining->shown_count++] = item;
    }
    return LODE_OK;
}

// ------------------------------------------------------------------------------------------------
// One item
// ------------------------------------------------------------------------------------------------

static uint64_t codes_begin(const lode_column *column, uint32_t item) {
    return column->type == LODE_COLUMN_TOKEN ? item : column->starts[item];
}

static bool has_code(const lode_column *column, uint32_t item, uint32_t code) {
    for (uint64_t k = codes_begin(column, item); k < codes_begin(column, item + 1); k++) {
        if (column->codes[k] == code) return true;
    }
    return false;
}

/// The tokens of an item, by column; with another item only those that both have. NULL for none.
static json_t *describe_tokens(const lode_dataset *data, uint32_t item, uint32_t other) {
    json_t *map = json_object();
    for (size_t c = 0; c < data->item_column_count; c++) {
        const lode_column *column = &data->item_columns[c];
        if (column->type != LODE_COLUMN_TOKEN && column->type != LODE_COLUMN_TOKENS) continue;
        json_t *values = json_array();
        for (uint64_t k = codes_begin(column, item); k < codes_begin(column, item + 1); k++) {
            const uint32_t code = column->codes[k];
            if (code == LODE_CODE_NONE || json_array_size(values) == VALUES) continue;
            if (item == other || has_code(column, other, code))
                json_array_append_new(values, json_string(lode__token(&column->tokens, code)));
        }
        if (json_array_size(values) > 0)
            json_object_set_new(map, column->name, values);
        else
            json_decref(values);
    }
    if (json_object_size(map) > 0) return map;
    json_decref(map);
    return NULL;
}

static json_t *describe_item(const lode_mining *mining, uint32_t item) {
    json_t *map = json_object();
    json_object_set_new(map, "item", json_string(lode__token(&mining->data->items, item)));
    const char *title = title_of(mining->data, item);
    if (title != NULL) json_object_set_new(map, "title", json_string(title));
    json_object_set_new(map, "clicks", json_integer(mining->split->item_count[item]));
    return map;
}

static json_t *describe_partners(const lode_mining *mining, const lode_mined *mined, uint32_t item) {
    json_t *list = json_array();
    const uint64_t begin = mined->starts[item];
    const uint64_t end = LODE_MIN(mined->starts[item + 1], begin + (uint64_t)mining->options.shown);
    for (uint64_t at = begin; at < end; at++) {
        json_t *map = describe_item(mining, mined->partners[at]);
        if (mined->counts != NULL)
            json_object_set_new(map, "sessions", json_integer(mined->counts[at]));
        else
            json_object_set_new(map, "similarity", json_real((double)mined->similarity[at]));
        json_t *shared = describe_tokens(mining->data, item, mined->partners[at]);
        if (shared != NULL) json_object_set_new(map, "shared", shared);
        json_array_append_new(list, map);
    }
    return list;
}

/// The tokens of group numbers.
static const lode_tokens *group_tokens(const lode_mining *mining, const lode_miner *miner) {
    const lode_miner_type *type = miner->type;
    const lode_column *column =
        type->column != NULL ? type->column(miner->config, mining->data) : NULL;
    return column != NULL ? &column->tokens : NULL;
}

static json_t *describe_groups(const lode_mining *mining, const lode_mining_part *part,
                               uint32_t item) {
    const lode_mined *mined = part->mined;
    const lode_tokens *tokens = group_tokens(mining, &part->miner);
    json_t *list = json_array();
    for (uint64_t at = mined->item_starts[item]; at < mined->item_starts[item + 1]; at++) {
        const uint32_t group = mined->item_groups[at];
        const uint64_t begin = mined->group_starts[group], end = mined->group_starts[group + 1];
        json_t *map = json_object(), *members = json_array();
        if (tokens != NULL)
            json_object_set_new(map, "token", json_string(lode__token(tokens, group)));
        json_object_set_new(map, "items", json_integer((json_int_t)(end - begin)));
        for (uint64_t k = begin;
             k < end && json_array_size(members) < (size_t)mining->options.shown; k++) {
            if (mined->members[k] != item)
                json_array_append_new(members, describe_item(mining, mined->members[k]));
        }
        json_object_set_new(map, "members", members);
        json_array_append_new(list, map);
    }
    return list;
}

static json_t *describe_shown(const lode_mining *mining, const lode_mining_part *part) {
    json_t *list = json_array();
    const bool groups = part->mined->kind == LODE_MINED_GROUPS;
    for (size_t k = 0; k < mining->shown_count; k++) {
        const uint32_t item = mining->shown[k];
        json_t *map = describe_item(mining, item);
        json_t *tokens = describe_tokens(mining->data, item, item);
        if (tokens != NULL) json_object_set_new(map, "tokens", tokens);
        json_object_set_new(map, groups ? "groups" : "partners",
                            groups ? describe_groups(mining, part, item)
                                   : describe_partners(mining, part->mined, item));
        json_array_append_new(list, map);
    }
    return list;
}

// ------------------------------------------------------------------------------------------------
// The summary
// ------------------------------------------------------------------------------------------------

static void set_count(json_t *map, const char *name, uint64_t value) {
    json_object_set_new(map, name, json_integer((json_int_t)value));
}

static void describe_membership(const lode_mined *mined, json_t *out) {
    json_t *map = json_object();
    const bool filter = mined->filter != NULL;
    json_object_set_new(map, "kind", json_string(filter ? "filter" : "exact"));
    set_count(map, "pairs", mined->related_pairs);
    set_count(map, "size_bytes",
              filter ? mined->filter_blocks * 64
                     : mined->related_starts[mined->items] * 4 + ((uint64_t)mined->items + 1) * 8);
    if (filter) json_object_set_new(map, "false_rate", json_real(lode__mined_false_rate(mined)));
    json_object_set_new(out, "membership", map);
}

static void describe_found(const lode_mined *mined, json_t *out) {
    uint64_t covered = 0, total = 0, groups = 0;
    for (uint32_t item = 0; item < mined->items; item++) {
        covered += list_length(mined, item) > 0;
        total += list_length(mined, item);
    }
    set_count(out, "covered", covered);
    const double mean = covered > 0 ? (double)total / (double)covered : 0;
    if (mined->kind == LODE_MINED_GROUPS) {
        for (uint32_t group = 0; group < mined->groups; group++)
            groups += mined->group_starts[group + 1] > mined->group_starts[group];
        set_count(out, "groups", groups);
        json_object_set_new(out, "mean_groups", json_real(mean));
        json_object_set_new(out, "mean_members",
                            json_real(groups > 0 ? (double)total / (double)groups : 0));
        return;
    }
    set_count(out, "pairs", total);
    json_object_set_new(out, "mean_list", json_real(mean));
    if (mined->counts != NULL) {
        set_count(out, "sessions", mined->sessions);
        set_count(out, "too_long", mined->too_long);
    }
    if (mined->filter != NULL || mined->related_starts != NULL) describe_membership(mined, out);
}

static json_t *describe_part(const lode_mining *mining, const lode_mining_part *part) {
    const lode_mined *mined = part->mined;
    json_t *out = json_object();
    json_object_set_new(out, "miner", json_string(part->miner.type->name));
    if (strcmp(part->label, part->miner.type->name) != 0)
        json_object_set_new(out, "label", json_string(part->label));
    describe_found(mined, out);
    json_object_set_new(out, "cached", json_boolean(mined->cached));
    json_object_set_new(out, "cache", mined->stored ? json_string(mined->cache_path) : json_null());
    json_object_set_new(out, "seconds", json_real(part->seconds));
    if (!mined->cached) set_count(out, "memory_bytes", mined->memory);
    if (mined->passes > 0) set_count(out, "passes", mined->passes);
    if (mining->shown_count > 0) json_object_set_new(out, "shown", describe_shown(mining, part));
    return out;
}

lode_status lode__mining_report(const lode_mining *mining, char **report, lode_error *error) {
    json_t *out = json_object(), *miners = json_array();
    set_count(out, "train_clicks", mining->split->train_clicks);
    set_count(out, "items", mining->data->items.count);
    set_count(out, "train_items", mining->split->train_items);
    set_count(out, "peak_rss_bytes", lode__peak_resident());
    for (size_t k = 0; k < mining->part_count; k++)
        json_array_append_new(miners, describe_part(mining, &mining->parts[k]));
    json_object_set_new(out, "miners", miners);
    char *text = json_dumps(out, JSON_INDENT(1) | JSON_REAL_PRECISION(6));
    json_decref(out);
    *report = text != NULL ? lode__strdup(text) : NULL;
    free(text);
    return *report != NULL ? LODE_OK : lode__fail_memory(error);
}

// ------------------------------------------------------------------------------------------------
// All of it, as lines
// ------------------------------------------------------------------------------------------------

/// Tabs, ends of lines and backslashes inside a token are written \t, \n, \r, \\.
static void add_escaped(lode_text *text, const char *token) {
    static const char specials[] = "\t\n\r\\", letters[] = "tnr\\";
    for (size_t length; *token != 0; token += length) {
        length = strcspn(token, specials);
        lode__text_add_bytes(text, token, length);
        if (token[length] == 0) break;
        lode__text_printf(text, "\\%c", letters[strchr(specials, token[length]) - specials]);
        length++;
    }
}

static void add_line(const lode_mining *mining, lode_text *text, uint32_t item, uint64_t at) {
    const lode_mined *mined = mining->parts[0].mined;
    add_escaped(text, lode__token(&mining->data->items, item));
    lode__text_add(text, "\t");
    if (mined->kind == LODE_MINED_GROUPS) {
        const lode_tokens *tokens = group_tokens(mining, &mining->parts[0].miner);
        const uint32_t group = mined->item_groups[at];
        if (tokens != NULL) add_escaped(text, lode__token(tokens, group));
        lode__text_printf(
            text, "\t%llu\n",
            (unsigned long long)(mined->group_starts[group + 1] - mined->group_starts[group]));
        return;
    }
    add_escaped(text, lode__token(&mining->data->items, mined->partners[at]));
    if (mined->counts != NULL)
        lode__text_printf(text, "\t%u\n", mined->counts[at]);
    else
        lode__text_printf(text, "\t%.6g\n", (double)mined->similarity[at]);
}

lode_status lode__mining_export(const lode_mining *mining, lode_error *error) {
    const lode_mined *mined = mining->parts[0].mined;
    const uint64_t *starts = mined->kind == LODE_MINED_GROUPS ? mined->item_starts : mined->starts;
    lode_writer writer;
    lode_text text = {0};
    lode_status status = lode__writer_open(&writer, mining->options.output, error);
    if (status != LODE_OK) return status;
    for (uint32_t item = 0; item < mined->items && status == LODE_OK; item++) {
        text.length = 0;
        for (uint64_t at = starts[item]; at < starts[item + 1]; at++)
            add_line(mining, &text, item, at);
        if (text.failed)
            status = lode__fail_memory(error);
        else if (text.length > 0)
            status = lode__writer_add(&writer, text.data, text.length, error);
    }
    lode__text_release(&text);
    if (status == LODE_OK) return lode__writer_commit(&writer, error);
    lode__writer_abort(&writer);
    return status;
}
