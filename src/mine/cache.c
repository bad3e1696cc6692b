// Reading trusts nothing: all checksums, then every offset, number and order, so that objectives may index
// without checks.
#include "mine/cache.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

// ------------------------------------------------------------------------------------------------
// Writing
// ------------------------------------------------------------------------------------------------

static lode_status write_meta(lode_container_writer *writer, const lode_mined *mined,
                              lode_error *error) {
    json_t *meta =
        json_pack("{s:i, s:I, s:I, s:I, s:I, s:I}", "kind", (int)mined->kind, "items",
                  (json_int_t)mined->items, "groups", (json_int_t)mined->groups, "sessions",
                  (json_int_t)mined->sessions, "too_long", (json_int_t)mined->too_long,
                  "related_pairs", (json_int_t)mined->related_pairs);
    char *text = meta != NULL ? json_dumps(meta, JSON_COMPACT) : NULL;
    json_decref(meta);
    if (text == NULL) return lode__fail_memory(error);
    const lode_status status = lode__section_write(writer, "meta", text, strlen(text), error);
    free(text);
    return status;
}

static lode_status write_arrays(lode_container_writer *writer, const lode_mined *mined,
                                lode_error *error) {
    const uint64_t rows = (uint64_t)mined->items + 1;
    const uint64_t pairs = mined->starts != NULL ? mined->starts[mined->items] : 0;
    const uint64_t related = mined->related_starts != NULL ? mined->related_starts[mined->items] : 0;
    const uint64_t members = mined->group_starts != NULL ? mined->group_starts[mined->groups] : 0;
    const struct {
        const char *name;
        const void *data;
        uint64_t count, element;
    } arrays[] = {{"pair.starts", mined->starts, rows, 8},
                  {"pair.items", mined->partners, pairs, 4},
                  {"pair.counts", mined->counts, pairs, 4},
                  {"pair.similarity", mined->similarity, pairs, 4},
                  {"related.starts", mined->related_starts, rows, 8},
                  {"related.items", mined->related, related, 4},
                  {"related.filter", mined->filter, mined->filter_blocks, 64},
                  {"group.starts", mined->group_starts, (uint64_t)mined->groups + 1, 8},
                  {"group.items", mined->members, members, 4},
                  {"item.starts", mined->item_starts, rows, 8},
                  {"item.groups", mined->item_groups, members, 4}};
    for (size_t k = 0; k < sizeof arrays / sizeof *arrays; k++) {
        if (arrays[k].data == NULL) continue;
        LODE_TRY(lode__section_write(writer, arrays[k].name, arrays[k].data,
                                     (size_t)(arrays[k].count * arrays[k].element), error));
    }
    return LODE_OK;
}

lode_status lode__mined_write(const lode_mined *mined, const char *path, const char *key,
                              lode_error *error) {
    lode_container_writer writer;
    lode_status status;
    LODE_TRY(lode__container_begin(&writer, path, LODE_MINE_KIND, LODE_MINE_VERSION, 16, error));
    LODE_GOTO(status, lode__section_write(&writer, "key", key, strlen(key), error), fail);
    LODE_GOTO(status, write_meta(&writer, mined, error), fail);
    LODE_GOTO(status, write_arrays(&writer, mined, error), fail);
    return lode__container_commit(&writer, NULL, error);
fail:
    lode__container_abort(&writer);
    return status;
}

// ------------------------------------------------------------------------------------------------
// Reading
// ------------------------------------------------------------------------------------------------

static lode_status damaged(const lode_mined *mined, const char *section, const char *what,
                           lode_error *error) {
    return lode__fail(error, LODE_E_FORMAT, "%s is damaged: section %s %s", mined->file.path,
                      section, what);
}

static lode_status read_meta(lode_mined *mined, lode_error *error) {
    const lode_section *section = lode__container_find(&mined->file, "meta");
    if (section == NULL) return damaged(mined, "meta", "is missing", error);
    json_error_t problem;
    json_t *meta = json_loadb(section->data, (size_t)section->size, JSON_REJECT_DUPLICATES, &problem);
    if (meta == NULL && json_error_code(&problem) == json_error_out_of_memory)
        return lode__fail_memory(error);
    static const char *const names[] = {"kind",     "items",    "groups",
                                        "sessions", "too_long", "related_pairs"};
    int64_t values[6];
    bool good = json_is_object(meta);
    for (size_t k = 0; k < 6 && good; k++) {
        const json_t *value = json_object_get(meta, names[k]);
        values[k] = json_integer_value(value);
        good = json_is_integer(value) && values[k] >= 0;
    }
    good = good && values[0] <= LODE_MINED_GROUPS && values[1] < LODE_NO_ITEM &&
           values[2] < UINT32_MAX;
    json_decref(meta);
    if (!good) return damaged(mined, "meta", "does not hold what it must", error);
    mined->kind = (lode_mined_kind)values[0];
    mined->items = (uint32_t)values[1];
    mined->groups = (uint32_t)values[2];
    mined->sessions = (uint64_t)values[3];
    mined->too_long = (uint64_t)values[4];
    mined->related_pairs = (uint64_t)values[5];
    return LODE_OK;
}

/// Offsets of `rows` rows that rise from 0, by at least `least`.
static lode_status read_starts(const lode_mined *mined, const char *name, uint64_t rows,
                               uint64_t least, const uint64_t **out, lode_error *error) {
    const void *found;
    LODE_TRY(lode__container_array(&mined->file, name, 8, rows + 1, &found, error));
    const uint64_t *starts = *out = found;
    bool good = starts[0] == 0;
    for (uint64_t k = 0; k < rows && good; k++)
        good = starts[k + 1] >= starts[k] && starts[k + 1] - starts[k] >= least;
    return good ? LODE_OK : damaged(mined, name, "holds offsets out of order", error);
}

/// Numbers of rows: below `limit`; `rising` = strictly, within each row, from above the row's number if `above`.
static lode_status read_numbers(const lode_mined *mined, const char *name, const uint64_t *starts,
                                uint64_t rows, uint32_t limit, const uint32_t **out,
                                lode_error *error) {
    const void *found;
    LODE_TRY(lode__container_array(&mined->file, name, 4, starts[rows], &found, error));
    const uint32_t *numbers = *out = found;
    for (uint64_t k = 0; k < starts[rows]; k++) {
        if (numbers[k] >= limit) return damaged(mined, name, "holds a wrong number", error);
    }
    return LODE_OK;
}

static lode_status check_rising(const lode_mined *mined, const char *name, const uint64_t *starts,
                                uint64_t rows, const uint32_t *numbers, bool above,
                                lode_error *error) {
    for (uint64_t row = 0; row < rows; row++) {
        for (uint64_t k = starts[row]; k < starts[row + 1]; k++) {
            const bool first = k == starts[row];
            if ((!first && numbers[k] <= numbers[k - 1]) || (first && above && numbers[k] <= row))
                return damaged(mined, name, "is out of order", error);
        }
    }
    return LODE_OK;
}

static lode_status read_weights(lode_mined *mined, lode_error *error) {
    const uint64_t pairs = mined->starts[mined->items];
    const void *found;
    for (uint64_t item = 0; item < mined->items; item++) {
        for (uint64_t k = mined->starts[item]; k < mined->starts[item + 1]; k++) {
            if (mined->partners[k] == item)
                return damaged(mined, "pair.items", "pairs an item with itself", error);
        }
    }
    if (lode__container_find(&mined->file, "pair.counts") != NULL) {
        LODE_TRY(lode__container_array(&mined->file, "pair.counts", 4, pairs, &found, error));
        mined->counts = found;
        return LODE_OK;
    }
    LODE_TRY(lode__container_array(&mined->file, "pair.similarity", 4, pairs, &found, error));
    mined->similarity = found;
    for (uint64_t k = 0; k < pairs; k++) {
        if (!isfinite(mined->similarity[k]))
            return damaged(mined, "pair.similarity", "holds a number that is not finite", error);
    }
    return LODE_OK;
}

static lode_status read_related(lode_mined *mined, lode_error *error) {
    const lode_section *filter = lode__container_find(&mined->file, "related.filter");
    if (filter != NULL) {
        mined->filter = filter->data;
        mined->filter_blocks = filter->size / 64;
        return filter->size > 0 && filter->size % 64 == 0 && mined->filter_blocks <= UINT32_MAX
                   ? LODE_OK
                   : damaged(mined, "related.filter", "has a wrong size", error);
    }
    if (lode__container_find(&mined->file, "related.starts") == NULL) return LODE_OK;
    LODE_TRY(read_starts(mined, "related.starts", mined->items, 0, &mined->related_starts, error));
    LODE_TRY(read_numbers(mined, "related.items", mined->related_starts, mined->items, mined->items,
                          &mined->related, error));
    return check_rising(mined, "related.items", mined->related_starts, mined->items, mined->related,
                        true, error);
}

static lode_status read_groups(lode_mined *mined, lode_error *error) {
    const uint32_t items = mined->items, groups = mined->groups;
    LODE_TRY(read_starts(mined, "group.starts", groups, 0, &mined->group_starts, error));
    LODE_TRY(read_numbers(mined, "group.items", mined->group_starts, groups, items, &mined->members,
                          error));
    LODE_TRY(check_rising(mined, "group.items", mined->group_starts, groups, mined->members, false,
                          error));
    LODE_TRY(read_starts(mined, "item.starts", items, 0, &mined->item_starts, error));
    LODE_TRY(read_numbers(mined, "item.groups", mined->item_starts, items, groups,
                          &mined->item_groups, error));
    for (uint64_t k = 0; k < mined->item_starts[items]; k++) {
        const uint32_t group = mined->item_groups[k];
        if (mined->group_starts[group + 1] - mined->group_starts[group] < 2)
            return damaged(mined, "item.groups", "names a group of fewer than 2 items", error);
    }
    return check_rising(mined, "item.groups", mined->item_starts, items, mined->item_groups, false,
                        error);
}

static lode_status read_all(lode_mined *mined, const char *key, lode_error *error) {
    const lode_section *own = lode__container_find(&mined->file, "key");
    if (own == NULL) return damaged(mined, "key", "is missing", error);
    if (key != NULL && (own->size != strlen(key) || memcmp(own->data, key, strlen(key)) != 0)) {
        return lode__fail(error, LODE_E_MISMATCH, "%s was mined from something else",
                          mined->file.path);
    }
    LODE_TRY(read_meta(mined, error));
    if (mined->kind == LODE_MINED_GROUPS) return read_groups(mined, error);
    LODE_TRY(read_starts(mined, "pair.starts", mined->items, 0, &mined->starts, error));
    LODE_TRY(read_numbers(mined, "pair.items", mined->starts, mined->items, mined->items,
                          &mined->partners, error));
    LODE_TRY(read_weights(mined, error));
    return read_related(mined, error);
}

lode_status lode__mined_read(lode_mined *mined, const char *path, const char *key, lode_error *error) {
    LODE_TRY(lode__container_open(&mined->file, path, LODE_MINE_KIND, LODE_MINE_VERSION, true, error));
    const lode_status status = read_all(mined, key, error);
    if (status != LODE_OK) {
        lode__container_close(&mined->file);
        *mined = (lode_mined){.arena = mined->arena, .cache_path = mined->cache_path};
    }
    return status;
}
