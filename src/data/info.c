// What a data set holds, in numbers.
#include "data/info.h"
#include "base/order.h"
#include "data/columns.h"
#include "data/dataset.h"
#include "data/import.h"
#include "data/sessions.h"
#include "data/times.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const lode_key lode__info_keys[] = {
    {.name = "verify",
     .type = LODE_KEY_BOOL,
     .offset = offsetof(lode_info_options, verify),
     .fallback = "true",
     .help = "Check the checksum of every section too."},
    {.name = "session_gap",
     .type = LODE_KEY_DURATION,
     .offset = offsetof(lode_info_options, session_gap),
     .fallback = "30m",
     .low = 1,
     .high = 1e15,
     .help = "A pause of more than this ends a session, where the log has times but no sessions."},
    {.name = "svg",
     .type = LODE_KEY_TEXT,
     .offset = offsetof(lode_info_options, svg),
     .help =
         "A picture to write: popularity, clicks over time, lengths of histories and sessions; of "
         "a run its curves."},
    {.name = NULL}};

static double share(uint64_t part, uint64_t whole) {
    return whole ? (double)part / (double)whole : 0;
}

// Quantiles of sorted numbers by the nearest rank.
static json_t *describe_quantiles(const uint64_t *sorted, size_t count) {
    static const struct {
        const char *name;
        double at;
    } quantiles[] = {{"min", 0},    {"p5", 0.05},  {"p25", 0.25}, {"median", 0.5},
                     {"p75", 0.75}, {"p95", 0.95}, {"max", 1}};
    json_t *const out = json_object();
    for (size_t k = 0; count > 0 && k < sizeof quantiles / sizeof *quantiles; ++k) {
        const double rank = ceil(quantiles[k].at * (double)count) - 1;
        json_object_set_new(out, quantiles[k].name,
                            json_integer((json_int_t)sorted[rank > 0 ? (size_t)rank : 0]));
    }
    return out;
}

// Share of the interactions that the most popular items take, and quantiles of the counts.
static lode_status describe_popularity(const lode_dataset *data, json_t *out, lode_error *error) {
    const size_t items = data->items.count;
    uint64_t *const counts = lode__alloc(items, sizeof *counts);
    if (!counts) return lode__fail_memory(error);
    for (uint64_t k = 0; k < data->interactions; ++k)
        ++counts[data->item[k]];
    qsort(counts, items, sizeof *counts, lode__rising_u64);
    json_t *const top = json_object();
    uint64_t sum = 0;
    size_t next = 1;
    for (size_t k = 0; k < data->active_items; ++k) {
        sum += counts[items - 1 - k];
        if (k + 1 == next) {
            char name[24];
            snprintf(name, sizeof name, "%zu", next);
            json_object_set_new(top, name, json_real(share(sum, data->interactions)));
            next *= 10;
        }
    }
    json_t *const popularity = json_object();
    json_object_set_new(popularity, "top_share", top);
    json_object_set_new(popularity, "interactions_per_item",
                        describe_quantiles(counts + items - data->active_items, data->active_items));
    json_object_set_new(out, "popularity", popularity);
    lode__free(counts);
    return LODE_OK;
}

static lode_status describe_histories(const lode_dataset *data, json_t *out, lode_error *error) {
    uint64_t *const lengths = lode__alloc(data->users.count, sizeof *lengths);
    if (!lengths) return lode__fail_memory(error);
    size_t count = 0;
    for (uint32_t u = 0; u < data->users.count; ++u) {
        const uint64_t length = data->offsets[u + 1] - data->offsets[u];
        if (length > 0) lengths[count++] = length;
    }
    qsort(lengths, count, sizeof *lengths, lode__rising_u64);
    json_t *const histories = describe_quantiles(lengths, count);
    json_object_set_new(histories, "mean", json_real(share(data->interactions, count)));
    json_object_set_new(out, "interactions_per_user", histories);
    lode__free(lengths);
    return LODE_OK;
}

static void describe_time(const lode_dataset *data, json_t *out) {
    static const char *const kinds[] = {"none", "order", "real"};
    json_t *const time = json_object();
    json_object_set_new(time, "kind", json_string(kinds[data->time_kind]));
    if (data->time_kind == LODE_TIME_REAL && data->interactions > 0) {
        int64_t low = INT64_MAX, high = INT64_MIN;
        for (uint64_t k = 0; k < data->interactions; ++k) {
            low = LODE_MIN(low, data->time[k]);
            high = LODE_MAX(high, data->time[k]);
        }
        char text[32];
        lode__time_format(low, text);
        json_object_set_new(time, "from", json_string(text));
        lode__time_format(high, text);
        json_object_set_new(time, "until", json_string(text));
        json_object_set_new(time, "from_ms", json_integer(low));
        json_object_set_new(time, "until_ms", json_integer(high));
        json_object_set_new(time, "days", json_real((double)(high - low) / 86400000.0));
    }
    json_object_set_new(out, "time", time);
}

static lode_status describe_sessions(const lode_dataset *data, const lode_info_options *options,
                                     json_t *out, lode_error *error) {
    const bool known = data->session != NULL || data->time_kind == LODE_TIME_REAL;
    const lode_session_options by = {LODE_SESSIONS_AUTO, options->session_gap};
    uint64_t count = 0;
    if (known) LODE_TRY(lode__sessions_count(data, &by, &count, error));
    const char *const source = !known ? "none" : data->session ? "column" : "gap";
    json_t *const sessions = json_object();
    if (known && !data->session)
        json_object_set_new(sessions, "gap_ms", json_integer(options->session_gap));
    json_object_set_new(sessions, "count", json_integer((json_int_t)count));
    json_object_set_new(sessions, "source", json_string(source));
    json_object_set_new(out, "sessions", sessions);
    return LODE_OK;
}

static void describe_behaviours(const lode_dataset *data, json_t *out) {
    static const char *const names[LODE_BEHAVIOURS] = {"click", "exposure", "cart", "favourite",
                                                       "buy"};
    uint64_t counts[LODE_BEHAVIOURS] = {0};
    for (uint64_t k = 0; data->behaviour && k < data->interactions; ++k)
        ++counts[data->behaviour[k]];
    if (!data->behaviour) counts[LODE_CLICK] = data->interactions;
    json_t *const behaviours = json_object();
    for (int k = 0; k < LODE_BEHAVIOURS; ++k)
        if (counts[k] > 0)
            json_object_set_new(behaviours, names[k], json_integer((json_int_t)counts[k]));
    json_object_set_new(out, "behaviours", behaviours);
}

static void describe_parts(const lode_dataset *data, json_t *out) {
    uint64_t counts[LODE_GIVEN_PARTS] = {0};
    if (!data->part) return;
    for (uint64_t k = 0; k < data->interactions; ++k)
        ++counts[data->part[k]];
    json_t *const parts = json_object();
    for (int k = 0; k < LODE_GIVEN_PARTS; ++k)
        json_object_set_new(parts, lode__part_name((lode_given)k),
                            json_integer((json_int_t)counts[k]));
    json_object_set_new(out, "parts", parts);
}

// Rows that have a value.
static uint64_t filled_rows(const lode_column *column) {
    uint64_t filled = 0;
    for (uint64_t k = 0; k < column->rows; ++k)
        switch (column->type) {
        case LODE_COLUMN_TOKEN:
            filled += column->codes[k] != LODE_CODE_NONE;
            break;
        case LODE_COLUMN_FLOAT:
            filled += !isnan(column->values[k]);
            break;
        case LODE_COLUMN_TEXT:
            filled += column->starts[k + 1] - column->starts[k] > 1;
            break;
        case LODE_COLUMN_TOKENS:
        case LODE_COLUMN_FLOATS:
            filled += column->starts[k + 1] > column->starts[k];
            break;
        }
    return filled;
}

static json_t *describe_columns(const lode_column *columns, size_t count) {
    json_t *const list = json_array();
    for (size_t k = 0; k < count; ++k) {
        const lode_column *const column = &columns[k];
        json_t *const entry = json_object();
        json_object_set_new(entry, "name", json_string(column->name));
        json_object_set_new(entry, "type", json_string(lode__column_type_name(column->type)));
        if (column->tokens.starts)
            json_object_set_new(entry, "values", json_integer(column->tokens.count));
        json_object_set_new(entry, "filled", json_real(share(filled_rows(column), column->rows)));
        json_array_append_new(list, entry);
    }
    return list;
}

lode_status lode__info_describe(const lode_dataset *data, const lode_info_options *options,
                                json_t *out, lode_error *error) {
    char fingerprint[17];
    snprintf(fingerprint, sizeof fingerprint, "%016llx", (unsigned long long)data->fingerprint);
    json_object_set_new(out, "users", json_integer(data->active_users));
    json_object_set_new(out, "items", json_integer(data->active_items));
    json_object_set_new(out, "interactions", json_integer((json_int_t)data->interactions));
    json_object_set_new(out, "catalogue", json_integer(data->items.count));
    json_object_set_new(out, "catalogue_users", json_integer(data->users.count));
    json_object_set_new(
        out, "density",
        json_real(share(data->interactions, (uint64_t)data->active_users * data->active_items)));
    json_object_set_new(out, "fingerprint", json_string(fingerprint));
    describe_behaviours(data, out);
    describe_parts(data, out);
    describe_time(data, out);
    LODE_TRY(describe_sessions(data, options, out, error));
    LODE_TRY(describe_popularity(data, out, error));
    LODE_TRY(describe_histories(data, out, error));
    const bool extra[] = {data->label != NULL, data->weight != NULL, data->session != NULL,
                          data->valid != NULL, data->part != NULL};
    static const char *const names[] = {"label", "weight", "session", "valid", "part"};
    json_t *const has = json_array();
    for (size_t k = 0; k < sizeof extra / sizeof *extra; ++k)
        if (extra[k]) json_array_append_new(has, json_string(names[k]));
    json_object_set_new(out, "has", has);
    json_object_set_new(out, "context", describe_columns(data->context, data->context_count));
    json_object_set_new(out, "user_columns",
                        describe_columns(data->user_columns, data->user_column_count));
    json_object_set_new(out, "item_columns",
                        describe_columns(data->item_columns, data->item_column_count));
    return LODE_OK;
}
