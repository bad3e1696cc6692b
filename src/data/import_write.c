// The sorted rows are taken apart into one spool a column, and the spools become sections. The bytes depend
// on the contents of the log and tables alone: no path, no time, nothing of the machine.
#include "data/importer.h"

#include "data/dataset_limits.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK ((size_t)64 << 10)

typedef enum log_column {
    LOG_ITEM,
    LOG_TIME,
    LOG_BEHAVIOUR,
    LOG_WEIGHT,
    LOG_SESSION,
    LOG_LABEL,
    LOG_PART,
    LOG_COLUMNS
} log_column;

static const char *const section_names[LOG_COLUMNS] = {
    "log.item", "log.time", "log.behaviour", "log.weight", "log.session", "log.label", "log.part"};

/// Writing one data set.
typedef struct writing {
    lode_importer *importer;
    lode_spool spools[LOG_COLUMNS];
    bool wanted[LOG_COLUMNS];
    lode_time_kind time_kind;
    lode_repeat_window window;
    lode_session_numbers sessions;
    bool *seen; ///< [items] that have rows, when appending
} writing;

bool lode__repeat_seen(lode_repeat_window *window, const uint32_t *row, uint8_t part,
                       bool *elsewhere) {
    const int64_t time = lode__row_time(row);
    const uint32_t item = row[LODE_ROW_ITEM];
    if (window->count == 0 || window->user != row[LODE_ROW_USER] || window->time != time)
        window->count = 0;
    window->user = row[LODE_ROW_USER];
    window->time = time;
    const size_t held = LODE_MIN(window->count, (size_t)64);
    bool again = false;
    for (size_t k = 0; k < held; ++k) {
        if (window->items[k] != item) continue;
        again = true;
        if (elsewhere && window->parts[k] != part) *elsewhere = true;
    }
    window->items[window->count % 64] = item;
    window->parts[window->count++ % 64] = part;
    return again;
}

// Rows that repeat user, item and time, and those of them that stand in another part of the given split (without
// times, all rows of a user are at one time).
static void count_duplicate(writing *w, const uint32_t *row) {
    lode_importer *const importer = w->importer;
    const uint8_t part = w->wanted[LOG_PART] ? (uint8_t)row[importer->slots.part] : 0;
    bool elsewhere = false;
    const bool again = lode__repeat_seen(&w->window, row, part, &elsewhere);
    importer->duplicates += again && w->time_kind != LODE_TIME_NONE;
    importer->new_repeats += again;
    importer->part_conflicts += elsewhere;
}

static lode_status spool_row(writing *w, const uint32_t *row, lode_error *error) {
    const lode_slots *const slots = &w->importer->slots;
    const int64_t time = lode__row_time(row);
    LODE_TRY(lode__spool_add(&w->spools[LOG_ITEM], &row[LODE_ROW_ITEM], 4, error));
    if (w->wanted[LOG_TIME])
        LODE_TRY(lode__spool_add(&w->spools[LOG_TIME], &time, sizeof time, error));
    if (w->wanted[LOG_BEHAVIOUR]) {
        const uint8_t behaviour = (uint8_t)row[slots->behaviour];
        LODE_TRY(lode__spool_add(&w->spools[LOG_BEHAVIOUR], &behaviour, 1, error));
    }
    if (w->wanted[LOG_WEIGHT])
        LODE_TRY(lode__spool_add(&w->spools[LOG_WEIGHT], &row[slots->weight], 4, error));
    if (w->wanted[LOG_SESSION]) {
        const uint64_t key = row[slots->session] | (uint64_t)row[slots->session + 1] << 32;
        uint32_t number;
        LODE_TRY(lode__session_number(&w->sessions, row[LODE_ROW_USER], key, &number, error));
        LODE_TRY(lode__spool_add(&w->spools[LOG_SESSION], &number, 4, error));
    }
    if (w->wanted[LOG_LABEL])
        LODE_TRY(lode__spool_add(&w->spools[LOG_LABEL], &row[slots->label], 4, error));
    if (w->wanted[LOG_PART]) {
        const uint8_t part = (uint8_t)row[slots->part];
        LODE_TRY(lode__spool_add(&w->spools[LOG_PART], &part, 1, error));
    }
    for (size_t k = 0; k < w->importer->context.count; ++k)
        LODE_TRY(lode__spool_add(&w->importer->context.list[k].spool, &row[slots->context + k], 4,
                                 error));
    return LODE_OK;
}

static lode_status spool_rows(writing *w, lode_error *error) {
    lode_importer *const importer = w->importer;
    const bool filtered = lode__filter_active(&importer->filter.rules);
    LODE_TRY(lode__sorter_finish(&importer->sorter, error));
    if (filtered) LODE_TRY(lode__import_filter(importer, error));
    if (importer->old) w->seen = lode__alloc(importer->items.count, sizeof *w->seen);
    if (importer->old && !w->seen) return lode__fail_memory(error);
    importer->user_rows = lode__alloc(importer->users.count, sizeof *importer->user_rows);
    if (!importer->user_rows) return lode__fail_memory(error);
    uint64_t done = 0;
    for (const uint32_t *row;;) {
        LODE_TRY(filtered ? lode__import_filtered(importer, &row, error)
                          : lode__sorter_next(&importer->sorter, &row, error));
        if (!row) break;
        if (w->time_kind != LODE_TIME_NONE || w->wanted[LOG_PART] || importer->old)
            count_duplicate(w, row);
        if (importer->old) w->seen[row[LODE_ROW_ITEM]] = true;
        ++importer->user_rows[row[LODE_ROW_USER]];
        LODE_TRY(spool_row(w, row, error));
        if ((++done & 0xffff) == 0)
            LODE_TRY(lode__import_progress(importer, "import: sort", done, importer->rows, error));
    }
    importer->session_count = w->sessions.count;
    w->wanted[LOG_BEHAVIOUR] = importer->behaviours[LODE_CLICK] != importer->rows;
    importer->new_repeats -= LODE_MIN(importer->new_repeats, importer->old_repeats);
    if (!importer->old) return LODE_OK;
    importer->log_items = 0;
    for (uint32_t k = 0; k < importer->items.count; ++k)
        importer->log_items += w->seen[k];
    return LODE_OK;
}

static json_t *list_columns(lode_builders *builders) {
    json_t *const list = json_array();
    for (size_t k = 0; k < builders->count; ++k)
        json_array_append_new(list, json_pack("{s:s, s:s}", "name", builders->list[k].name, "type",
                                              lode__column_type_name(builders->list[k].use.type)));
    return list;
}

static lode_status write_meta(writing *w, lode_error *error) {
    static const char *const kinds[] = {"none", "order", "real"};
    lode_importer *const importer = w->importer;
    json_t *const meta = json_pack(
        "{s:I, s:I, s:I, s:s, s:s, s:s, s:I, s:I, s:I, s:o, s:o, s:o}", "users",
        (json_int_t)importer->users.count, "items", (json_int_t)importer->items.count,
        "interactions", (json_int_t)importer->rows, "time", kinds[w->time_kind], "time_unit",
        lode__time_unit_name(importer->times.unit), "format", importer->log.reader->name, "sessions",
        (json_int_t)importer->session_count, "duplicates", (json_int_t)importer->duplicates,
        "bad_lines", (json_int_t)lode__append_bad_lines(importer), "context",
        list_columns(&importer->context), "user_columns", list_columns(&importer->user_columns),
        "item_columns", list_columns(&importer->item_columns));
    char *const text = meta ? json_dumps(meta, JSON_COMPACT) : NULL;
    json_decref(meta);
    if (!text) return lode__fail_memory(error);
    const lode_status status =
        lode__section_write(&importer->writer, "meta", text, strlen(text), error);
    free(text);
    return status;
}

/// A token by its first 8 bytes, as a number that orders like them.
typedef struct token_key {
    uint64_t head;
    uint32_t index;
} token_key;

static bool token_before(const lode_dictionary *dictionary, const token_key *a, const token_key *b) {
    if (a->head != b->head) return a->head < b->head;
    if ((a->head & 0xff) == 0) return false; // both end within the head: there are no two alike
    return strcmp(lode__dictionary_token(dictionary, a->index) + 8,
                  lode__dictionary_token(dictionary, b->index) + 8) < 0;
}

static uint64_t token_head(const lode_dictionary *dictionary, uint32_t index) {
    const char *const token = lode__dictionary_token(dictionary, index);
    const uint64_t length = dictionary->offsets[index + 1] - dictionary->offsets[index] - 1;
    unsigned char head[8] = {0};
    memcpy(head, token, (size_t)LODE_MIN(length, (uint64_t)8));
    uint64_t value = 0;
    for (size_t k = 0; k < 8; ++k)
        value = value << 8 | head[k];
    return value;
}

static void merge_tokens(const lode_dictionary *dictionary, const token_key *from, token_key *into,
                         size_t width) {
    const size_t count = dictionary->count;
    for (size_t at = 0; at < count; at += 2 * width) {
        const size_t middle = LODE_MIN(at + width, count), end = LODE_MIN(at + 2 * width, count);
        size_t a = at, b = middle;
        for (size_t k = at; k < end; ++k) {
            const bool left =
                a < middle && (b >= end || !token_before(dictionary, &from[b], &from[a]));
            into[k] = left ? from[a++] : from[b++];
        }
    }
}

// Bottom-up merge sort of indices by their tokens.
static lode_status sort_tokens(const lode_dictionary *dictionary, uint32_t **out, lode_error *error) {
    const size_t count = dictionary->count;
    token_key *from = lode__alloc(count, sizeof *from), *into = lode__alloc(count, sizeof *into);
    uint32_t *const sorted = lode__alloc(count, sizeof *sorted);
    lode_status status = LODE_OK;
    if (!from || !into || !sorted) {
        status = lode__fail_memory(error);
        lode__free(sorted);
        goto done;
    }
    for (size_t k = 0; k < count; ++k)
        from[k] = (token_key){token_head(dictionary, (uint32_t)k), (uint32_t)k};
    for (size_t width = 1; width < count; width *= 2) {
        merge_tokens(dictionary, from, into, width);
        token_key *const swap = from;
        from = into;
        into = swap;
    }
    for (size_t k = 0; k < count; ++k)
        sorted[k] = from[k].index;
    *out = sorted;
done:
    lode__free(from);
    lode__free(into);
    return status;
}

static lode_status write_tokens(lode_importer *importer, lode_dictionary *dictionary,
                                const char *const names[3], lode_error *error) {
    LODE_TRY(lode__tokens_write(dictionary, &importer->writer, names[0], names[1], error));
    uint32_t *sorted = NULL;
    lode__dictionary_seal(dictionary);
    LODE_TRY(sort_tokens(dictionary, &sorted, error));
    const lode_status status = lode__section_write(
        &importer->writer, names[2], sorted, (size_t)dictionary->count * sizeof *sorted, error);
    lode__free(sorted);
    return status;
}

static lode_status write_offsets(lode_importer *importer, lode_error *error) {
    uint64_t offset = 0;
    LODE_TRY(lode__section_begin(&importer->writer, "log.offsets", error));
    for (uint32_t u = 0; u <= importer->users.count; ++u) {
        LODE_TRY(lode__section_add(&importer->writer, &offset, sizeof offset, error));
        if (u < importer->users.count) offset += importer->user_rows[u];
    }
    return lode__section_end(&importer->writer, error);
}

static lode_status write_spool(lode_importer *importer, const char *name, const lode_spool *spool,
                               lode_error *error) {
    unsigned char *const block = lode__alloc(BLOCK, 1);
    if (!block) return lode__fail_memory(error);
    lode_status status;
    LODE_GOTO(status, lode__section_begin(&importer->writer, name, error), done);
    for (uint64_t at = 0; at < spool->size; at += BLOCK) {
        const size_t size = (size_t)LODE_MIN((uint64_t)BLOCK, spool->size - at);
        LODE_GOTO(status, lode__spool_read(spool, at, block, size, error), done);
        LODE_GOTO(status, lode__section_add(&importer->writer, block, size, error), done);
    }
    status = lode__section_end(&importer->writer, error);
done:
    lode__free(block);
    return status;
}

static lode_status write_builders(lode_importer *importer, lode_builders *builders,
                                  const char *prefix, uint64_t rows, lode_error *error) {
    for (size_t k = 0; k < builders->count; ++k)
        LODE_TRY(lode__column_write(&builders->list[k], &importer->writer, prefix, k, rows, error));
    return LODE_OK;
}

static lode_status write_valid(lode_importer *importer, lode_error *error) {
    static const int64_t open[2] = {INT64_MIN, INT64_MAX};
    if (importer->valid_count == 0) return LODE_OK;
    LODE_TRY(lode__section_begin(&importer->writer, "item.valid", error));
    LODE_TRY(lode__section_add(&importer->writer, importer->valid,
                               importer->valid_count * sizeof open, error));
    for (size_t k = importer->valid_count; k < importer->items.count; ++k)
        LODE_TRY(lode__section_add(&importer->writer, open, sizeof open, error));
    return lode__section_end(&importer->writer, error);
}

static lode_status write_sections(writing *w, lode_error *error) {
    static const char *const user_names[3] = {"user.tokens", "user.starts", "user.sorted"};
    static const char *const item_names[3] = {"item.tokens", "item.starts", "item.sorted"};
    lode_importer *const importer = w->importer;
    const size_t columns =
        importer->context.count + importer->user_columns.count + importer->item_columns.count;
    LODE_TRY(lode__container_begin(&importer->writer, importer->output, LODE_DATA_KIND,
                                   LODE_DATA_VERSION, (uint32_t)(20 + 4 * columns), error));
    LODE_TRY(write_meta(w, error));
    LODE_TRY(write_tokens(importer, &importer->users, user_names, error));
    LODE_TRY(write_tokens(importer, &importer->items, item_names, error));
    LODE_TRY(write_offsets(importer, error));
    for (int k = 0; k < LOG_COLUMNS; ++k)
        if (w->wanted[k]) {
            LODE_TRY(write_spool(importer, section_names[k], &w->spools[k], error));
            lode__spool_release(&w->spools[k]); // its place on the disk is wanted by what comes next
        }
    LODE_TRY(write_builders(importer, &importer->context, "context", importer->rows, error));
    LODE_TRY(write_builders(importer, &importer->user_columns, "user.column", importer->users.count,
                            error));
    LODE_TRY(write_builders(importer, &importer->item_columns, "item.column", importer->items.count,
                            error));
    LODE_TRY(write_valid(importer, error));
    return lode__container_commit(&importer->writer, &importer->fingerprint, error);
}

lode_status lode__import_write(lode_importer *importer, lode_error *error) {
    writing *const w = lode__alloc(1, sizeof *w);
    if (!w) return lode__fail_memory(error);
    w->importer = importer;
    for (int k = 0; k < LOG_COLUMNS; ++k)
        w->spools[k].folder = importer->folder;
    const lode_slots *const slots = &importer->slots;
    const lode_time_unit unit = importer->times.unit;
    w->time_kind = unit == LODE_UNIT_UNKNOWN ? LODE_TIME_NONE
                   : unit == LODE_UNIT_ORDER ? LODE_TIME_ORDER
                                             : LODE_TIME_REAL;
    w->wanted[LOG_ITEM] = true;
    w->wanted[LOG_TIME] = w->time_kind != LODE_TIME_NONE;
    w->wanted[LOG_BEHAVIOUR] = importer->behaviours[LODE_CLICK] != importer->rows;
    w->wanted[LOG_WEIGHT] = slots->weight != SIZE_MAX;
    w->wanted[LOG_SESSION] = slots->session != SIZE_MAX;
    w->wanted[LOG_LABEL] = slots->label != SIZE_MAX;
    w->wanted[LOG_PART] = slots->part != SIZE_MAX;
    lode_builders *const builders[] = {&importer->context, &importer->user_columns,
                                       &importer->item_columns};
    for (size_t b = 0; b < 3; ++b)
        for (size_t k = 0; k < builders[b]->count; ++k)
            lode__column_settle(&builders[b]->list[k]);
    lode_status status;
    LODE_GOTO(status, spool_rows(w, error), done);
    importer->runs = LODE_MAX(importer->sorter.run_count, (size_t)1);
    lode__sorter_release(&importer->sorter);
    lode__spool_release(&importer->filter.rows);
    status = write_sections(w, error);
done:
    for (int k = 0; k < LOG_COLUMNS; ++k)
        lode__spool_release(&w->spools[k]);
    lode__session_numbers_release(&w->sessions);
    lode__free(w->seen);
    lode__free(w);
    return status;
}
