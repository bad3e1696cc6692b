// Appending: the data set that is there goes through the sorter before the new log, as if its rows stood in
// front of the log's. Its tokens get their numbers first, so that numbers and dictionaries come out as if both
// logs had been one; a row's place among equal times is that of input, old rows first.
//
// What the file does not hold cannot be compared: the names of sessions. A session whose rows are spread over
// both logs is counted as two.
#include "data/importer.h"

#include "base/file.h"

#include <math.h>
#include <string.h>

lode_status lode__append_open(lode_importer *importer, const char *output, lode_error *error) {
    if (!importer->options->append) return LODE_OK;
    if (!lode__file_exists(output)) {
        lode__notice(importer->hooks, "%s is not there yet: append begins a new data set", output);
        return LODE_OK;
    }
    return lode__dataset_open(&importer->old, output, true, error);
}

// ---- do they go together?

static lode_status must_agree(const lode_importer *importer, const char *what, bool old, bool new,
                              lode_error *error) {
    if (old == new) return LODE_OK;
    return lode__fail(error, LODE_E_INPUT,
                      "%s: the log has %s %s and the data set has %s, expected both alike; map the "
                      "columns in a columns file, or import both logs together",
                      importer->log.name, new ? "a column of" : "no", what, new ? "none" : "them");
}

static void say_filled(const lode_importer *importer, const char *what, bool old, bool new,
                       const char *value) {
    if (old == new) return;
    lode__notice(importer->hooks, "the %s no %s: its rows get %s", old ? "log has" : "data set has",
                 what, value);
}

lode_status lode__append_check(const lode_importer *importer, lode_error *error) {
    const lode_dataset *const old = importer->old;
    const size_t *const role = importer->map.role;
    if (!old) return LODE_OK;
    LODE_TRY(must_agree(importer, "times", old->time_kind != LODE_TIME_NONE,
                        role[LODE_ROLE_TIME] != LODE_NO_COLUMN, error));
    LODE_TRY(must_agree(importer, "sessions", old->session != NULL,
                        role[LODE_ROLE_SESSION] != LODE_NO_COLUMN, error));
    LODE_TRY(must_agree(importer, "parts (train, valid, test)", old->part != NULL,
                        importer->slots.part != SIZE_MAX, error));
    say_filled(importer, "labels", old->label != NULL, role[LODE_ROLE_LABEL] != LODE_NO_COLUMN,
               "none");
    say_filled(importer, "weights", old->weight != NULL, role[LODE_ROLE_WEIGHT] != LODE_NO_COLUMN,
               "1");
    for (size_t k = 0; k < importer->context.count; ++k) {
        const char *const name = importer->context.list[k].name;
        say_filled(importer, name, k < old->context_count,
                   importer->context_column[k] != LODE_NO_COLUMN, "missing values");
    }
    return LODE_OK;
}

// ---- columns

static lode_status adopt_columns(lode_builders *builders, const lode_builders *context,
                                 const lode_column *columns, size_t count, lode_error *error) {
    for (size_t k = 0; k < count; ++k) {
        const lode_use use = {.keep = true, .type = columns[k].type};
        lode_column_builder *builder;
        LODE_TRY(lode__builders_add(builders, columns[k].name, use, &builder, error));
        LODE_TRY(lode__column_adopt(builder, &columns[k], error));
        const bool table = builders != context && columns[k].rows < LODE_OLD_ROW;
        if (table && columns[k].type == LODE_COLUMN_FLOATS) builder->old = &columns[k];
    }
    return LODE_OK;
}

lode_status lode__append_columns(lode_importer *importer, lode_error *error) {
    const lode_dataset *const old = importer->old;
    const lode_builders *const context = &importer->context;
    if (!old) return LODE_OK;
    LODE_TRY(adopt_columns(&importer->context, context, old->context, old->context_count, error));
    LODE_TRY(adopt_columns(&importer->user_columns, context, old->user_columns,
                           old->user_column_count, error));
    return adopt_columns(&importer->item_columns, context, old->item_columns,
                         old->item_column_count, error);
}

// Values of the tables that were read for this append stand; the old ones fill what is missing.
static lode_status fill_columns(lode_importer *importer, lode_role id, lode_builders *builders,
                                const lode_column *columns, size_t count, lode_error *error) {
    for (size_t k = 0; k < count; ++k) {
        lode_column_builder *const builder = &builders->list[k];
        const uint32_t missing = lode__column_missing(builder);
        const uint64_t differing = builder->differing;
        for (uint32_t row = 0; row < columns[k].rows; ++row) {
            uint32_t word;
            LODE_TRY(lode__column_recode(builder, &columns[k], row, &word, error));
            if (word == missing) continue;
            LODE_TRY(lode__column_set(builder, row, word, error));
            LODE_TRY(lode__import_list(importer, id, row, error));
        }
        builder->differing = differing; // that new values replace old ones is what append is for
    }
    return LODE_OK;
}

static lode_status fill_valid(lode_importer *importer, lode_error *error) {
    const lode_dataset *const old = importer->old;
    for (uint32_t item = 0; old->valid && item < old->items.count; ++item) {
        const bool known = item < importer->valid_count;
        int64_t ends[2] = {INT64_MIN, INT64_MAX};
        if (known) memcpy(ends, importer->valid + 2 * (size_t)item, sizeof ends);
        if (ends[0] != INT64_MIN || ends[1] != INT64_MAX) continue;
        LODE_TRY(lode__import_set_valid(importer, item, old->valid + 2 * (size_t)item, error));
        if (old->valid[2 * (size_t)item] != INT64_MIN || old->valid[2 * (size_t)item + 1] != INT64_MAX)
            LODE_TRY(lode__import_list(importer, LODE_ROLE_ITEM, item, error));
    }
    return LODE_OK;
}

lode_status lode__append_tables(lode_importer *importer, lode_error *error) {
    const lode_dataset *const old = importer->old;
    if (!old) return LODE_OK;
    LODE_TRY(fill_columns(importer, LODE_ROLE_USER, &importer->user_columns, old->user_columns,
                          old->user_column_count, error));
    LODE_TRY(fill_columns(importer, LODE_ROLE_ITEM, &importer->item_columns, old->item_columns,
                          old->item_column_count, error));
    return fill_valid(importer, error);
}

// ---- rows

static lode_status adopt_tokens(lode_dictionary *dictionary, const lode_tokens *tokens,
                                lode_error *error) {
    for (uint32_t k = 0; k < tokens->count; ++k) {
        const size_t length = (size_t)(tokens->starts[k + 1] - tokens->starts[k]) - 1;
        uint32_t index;
        LODE_TRY(lode__dictionary_add(dictionary, lode__token(tokens, k), length, &index, error));
    }
    return LODE_OK;
}

// Entities without rows are there because a table listed them.
static lode_status list_silent(lode_importer *importer, lode_error *error) {
    const lode_dataset *const old = importer->old;
    bool *const seen = lode__alloc(old->items.count, sizeof *seen);
    if (!seen) return lode__fail_memory(error);
    for (uint64_t k = 0; k < old->interactions; ++k)
        seen[old->item[k]] = true;
    lode_status status = LODE_OK;
    for (uint32_t k = 0; k < old->items.count && status == LODE_OK; ++k)
        if (!seen[k]) status = lode__import_list(importer, LODE_ROLE_ITEM, k, error);
    for (uint32_t u = 0; u < old->users.count && status == LODE_OK; ++u)
        if (old->offsets[u] == old->offsets[u + 1])
            status = lode__import_list(importer, LODE_ROLE_USER, u, error);
    lode__free(seen);
    return status;
}

static void float_word(uint32_t *word, float value) {
    memcpy(word, &value, sizeof value);
}

// Row k of the data set in the words of the sorter.
static lode_status old_row(lode_importer *importer, uint32_t user, uint64_t k, lode_error *error) {
    const lode_dataset *const old = importer->old;
    const lode_slots *const slots = &importer->slots;
    uint32_t *const row = importer->row;
    const uint64_t time = old->time ? (uint64_t)old->time[k] : 0;
    row[LODE_ROW_USER] = user;
    row[LODE_ROW_ITEM] = old->item[k];
    row[LODE_ROW_TIME] = (uint32_t)time;
    row[LODE_ROW_TIME + 1] = (uint32_t)(time >> 32);
    if (slots->behaviour != SIZE_MAX)
        row[slots->behaviour] = old->behaviour ? old->behaviour[k] : LODE_CLICK;
    if (slots->weight != SIZE_MAX)
        float_word(&row[slots->weight], old->weight ? old->weight[k] : 1.0f);
    if (slots->label != SIZE_MAX) float_word(&row[slots->label], old->label ? old->label[k] : NAN);
    if (slots->session != SIZE_MAX) {
        const uint64_t key = lode__session_key_again(old->session[k]);
        row[slots->session] = (uint32_t)key;
        row[slots->session + 1] = (uint32_t)(key >> 32);
    }
    if (slots->part != SIZE_MAX) {
        row[slots->part] = old->part[k];
        ++importer->parts[old->part[k]];
    }
    for (size_t c = 0; c < importer->context.count; ++c) {
        uint32_t *const word = &row[slots->context + c];
        if (c < old->context_count)
            LODE_TRY(
                lode__column_recode(&importer->context.list[c], &old->context[c], k, word, error));
        else
            *word = lode__column_missing(&importer->context.list[c]);
    }
    ++importer->behaviours[slots->behaviour == SIZE_MAX ? LODE_CLICK : row[slots->behaviour]];
    return LODE_OK;
}

static void adopt_times(lode_importer *importer) {
    const lode_dataset *const old = importer->old;
    lode_time_reader *const times = &importer->times;
    if (old->time_kind != LODE_TIME_ORDER) return; // real times may come in another unit
    times->unit = LODE_UNIT_ORDER;
    times->count = old->interactions;
    times->low = INT64_MAX;
    for (uint64_t k = 0; k < old->interactions; ++k) {
        times->low = LODE_MIN(times->low, old->time[k]);
        times->high = LODE_MAX(times->high, old->time[k]);
    }
}

lode_status lode__append_rows(lode_importer *importer, lode_error *error) {
    const lode_dataset *const old = importer->old;
    if (!old) return LODE_OK;
    LODE_TRY(adopt_tokens(&importer->users, &old->users, error));
    LODE_TRY(adopt_tokens(&importer->items, &old->items, error));
    if (lode__filter_active(&importer->filter.rules)) LODE_TRY(list_silent(importer, error));
    lode_repeat_window window = {0};
    for (uint32_t u = 0; u < old->users.count; ++u) {
        for (uint64_t k = old->offsets[u]; k < old->offsets[u + 1]; ++k) {
            LODE_TRY(old_row(importer, u, k, error));
            importer->old_repeats += lode__repeat_seen(&window, importer->row, 0, NULL);
            LODE_TRY(lode__sorter_add(&importer->sorter, importer->row, error));
            if ((++importer->rows & 0xffff) == 0)
                LODE_TRY(lode__import_progress(importer, "import: data set", importer->rows,
                                               old->interactions, error));
        }
    }
    importer->old_rows = importer->rows;
    adopt_times(importer);
    return LODE_OK;
}

// ---- afterwards

static uint64_t old_bad_lines(const lode_dataset *old) {
    const lode_section *const section = lode__container_find(&old->file, "meta");
    json_t *const meta = json_loadb(section->data, (size_t)section->size, 0, NULL);
    const json_int_t found = json_integer_value(json_object_get(meta, "bad_lines"));
    json_decref(meta);
    return found > 0 ? (uint64_t)found : 0;
}

uint64_t lode__append_bad_lines(const lode_importer *importer) {
    return importer->errors + (importer->old ? old_bad_lines(importer->old) : 0);
}

void lode__append_say(const lode_importer *importer) {
    if (!importer->old || importer->new_repeats == 0) return;
    lode__notice(importer->hooks,
                 "%llu of the %llu rows that were read repeat the user, item%s of another one; if "
                 "this log was appended before, import again or use duplicates",
                 (unsigned long long)importer->new_repeats, (unsigned long long)importer->new_rows,
                 importer->old->time ? " and time" : "");
}

json_t *lode__append_describe(const lode_importer *importer) {
    const lode_dataset *const old = importer->old;
    if (!old) return json_null();
    return json_pack("{s:I, s:I, s:I, s:I, s:I}", "rows_before", (json_int_t)importer->old_rows,
                     "rows", (json_int_t)importer->new_rows, "users_before",
                     (json_int_t)old->active_users, "items_before", (json_int_t)old->active_items,
                     "repeats", (json_int_t)importer->new_repeats);
}
