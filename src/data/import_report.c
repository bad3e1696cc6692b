// What an import says in the end, as JSON: counts, the mapping that was chosen, what was skipped, filtered and appended.
#include "base/usage.h"
#include "data/importer.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static json_t *describe_columns(const lode_builders *builders) {
    json_t *const list = json_array();
    for (size_t k = 0; k < builders->count; ++k)
        json_array_append_new(list, json_pack("{s:s, s:s}", "name", builders->list[k].name, "type",
                                              lode__column_type_name(builders->list[k].use.type)));
    return list;
}

static json_t *describe_logs(const lode_plan *plan) {
    json_t *const list = json_array();
    for (size_t k = 0; k < plan->log_count; ++k) {
        json_t *const entry = json_pack("{s:s}", "file", plan->logs[k].name);
        if (plan->logs[k].part >= 0)
            json_object_set_new(entry, "part",
                                json_string(lode__part_name((lode_given)plan->logs[k].part)));
        json_array_append_new(list, entry);
    }
    return list;
}

static json_t *describe_parts(const lode_importer *importer) {
    if (importer->slots.part == SIZE_MAX) return json_null();
    return json_pack("{s:I, s:I, s:I, s:I}", "train", (json_int_t)importer->parts[LODE_GIVEN_TRAIN],
                     "valid", (json_int_t)importer->parts[LODE_GIVEN_VALID], "test",
                     (json_int_t)importer->parts[LODE_GIVEN_TEST], "conflicts",
                     (json_int_t)importer->part_conflicts);
}

static json_t *describe_files(const lode_plan_list *files, bool reasons) {
    json_t *const list = json_array();
    for (size_t k = 0; k < files->count; ++k)
        json_array_append_new(list, reasons ? json_pack("{s:s, s:s}", "file", files->files[k].name,
                                                        "reason", files->files[k].reason)
                                            : json_string(files->files[k].name));
    return list;
}

lode_status lode__import_report(const lode_importer *importer, char **out, lode_error *error) {
    json_t *const roles = json_object();
    for (int role = LODE_ROLE_USER; role <= LODE_ROLE_LOG_LAST; ++role)
        if (importer->map.role[role] != LODE_NO_COLUMN)
            json_object_set_new(roles, lode__role_name((lode_role)role),
                                json_string(importer->log.headings[importer->map.role[role]].name));
    uint64_t users = 0;
    for (uint32_t u = 0; u < importer->users.count; ++u)
        users += importer->user_rows[u] > 0;
    const double seconds = lode__clock() - importer->started;
    char fingerprint[17];
    snprintf(fingerprint, sizeof fingerprint, "%016llx", (unsigned long long)importer->fingerprint);
    json_t *const report = json_pack(
        "{s:I, s:I, s:I, s:I, s:I, s:I, s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:I, "
        "s:I, s:I, s:f, s:f, s:I}",
        "users", (json_int_t)users, "items", (json_int_t)importer->log_items, "catalogue_users",
        (json_int_t)importer->users.count, "catalogue", (json_int_t)importer->items.count,
        "interactions", (json_int_t)importer->rows, "clicks",
        (json_int_t)importer->behaviours[LODE_CLICK], "time",
        importer->times.count ? lode__time_unit_name(importer->times.unit) : "none", "format",
        importer->log.reader->name, "log", importer->plan.logs[0].name, "columns", roles, "context",
        describe_columns(&importer->context), "item_columns",
        describe_columns(&importer->item_columns), "user_columns",
        describe_columns(&importer->user_columns), "item_tables",
        describe_files(&importer->plan.item_tables, false), "user_tables",
        describe_files(&importer->plan.user_tables, false), "skipped",
        describe_files(&importer->plan.skipped, true), "bad_lines", (json_int_t)importer->errors,
        "duplicates", (json_int_t)importer->duplicates, "runs", (json_int_t)importer->runs,
        "seconds", seconds, "rows_per_second", (double)importer->new_rows / fmax(seconds, 1e-9),
        "peak_rss_bytes", (json_int_t)lode__peak_resident());
    if (!report) return lode__fail_memory(error);
    if (json_object_set_new(report, "filters", lode__import_describe_filters(importer)) != 0 ||
        json_object_set_new(report, "appended", lode__append_describe(importer)) != 0) {
        json_decref(report);
        return lode__fail_memory(error);
    }
    json_object_set(report, "notices", importer->notices);
    json_object_set_new(report, "logs", describe_logs(&importer->plan));
    json_object_set_new(report, "parts", describe_parts(importer));
    json_object_set_new(report, "fingerprint", json_string(fingerprint));
    char *const text = json_dumps(report, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
    json_decref(report);
    *out = text ? lode__strdup(text) : NULL;
    free(text);
    return *out ? LODE_OK : lode__fail_memory(error);
}
