// A log that came split: as several files of one format (X.train.inter, X.valid.inter, X.test.inter) or with a
// column that names the part of each row. The files are read one after the other, as if they were one.
#include "data/importer.h"

#include <string.h>

// The next file must have the columns of the first one.
static lode_status check_same(const lode_importer *importer, const lode_table *next,
                              lode_error *error) {
    const lode_table *const log = &importer->log;
    bool same = next->heading_count == log->heading_count;
    for (size_t k = 0; same && k < log->heading_count; ++k)
        same = strcmp(next->headings[k].name, log->headings[k].name) == 0 &&
               next->headings[k].type == log->headings[k].type;
    if (same) return LODE_OK;
    lode_arena arena = {0};
    const lode_status status = lode__fail(
        error, LODE_E_INPUT, "%s:1:1: found the columns %s, expected those of %s: %s", next->name,
        lode__heading_list(next, &arena), log->name, lode__heading_list(log, &arena));
    lode__arena_release(&arena);
    return status;
}

lode_status lode__import_next_log(lode_importer *importer, bool *end, lode_error *error) {
    const lode_plan *const plan = &importer->plan;
    *end = importer->log_next >= plan->log_count;
    if (*end) lode__import_say_file(importer, &importer->log);
    if (*end) return LODE_OK;
    lode_table next;
    importer->request.reader = importer->log.reader; // a short part may look like another format
    const lode_status opened =
        lode__import_open(importer, plan->logs[importer->log_next].path, "log", &next, error);
    importer->request.reader = importer->reader;
    if (opened != LODE_OK) return opened;
    const lode_status status = check_same(importer, &next, error);
    if (status != LODE_OK) {
        lode__table_close(&next);
        return status;
    }
    lode__import_close(importer, &importer->log);
    importer->log = next;
    ++importer->log_next;
    return LODE_OK;
}

lode_status lode__import_part(const lode_importer *importer, uint32_t *word, lode_error *error) {
    const size_t column = importer->map.role[LODE_ROLE_PART];
    int part = importer->log_next > 0 ? importer->plan.logs[importer->log_next - 1].part : -1;
    if (column != LODE_NO_COLUMN) {
        const lode_cell *const cell = &importer->log.cells[column];
        const int said = lode__part_of(cell->text, cell->length);
        if (said < 0)
            return lode__import_fail_cell(
                &importer->log, cell,
                "train, valid (val, dev) or test; if the column is no split, put it under context "
                "or ignore in a columns file",
                error);
        if (part >= 0 && said != part)
            return lode__import_fail_cell(&importer->log, cell,
                                          "the part that the file's name says", error);
        part = said;
    }
    *word = (uint32_t)LODE_MAX(part, 0);
    return LODE_OK;
}

void lode__import_say_parts(const lode_importer *importer) {
    if (importer->slots.part == SIZE_MAX) return;
    lode__notice(importer->hooks, "the log came split: %llu rows train, %llu valid, %llu test",
                 (unsigned long long)importer->parts[LODE_GIVEN_TRAIN],
                 (unsigned long long)importer->parts[LODE_GIVEN_VALID],
                 (unsigned long long)importer->parts[LODE_GIVEN_TEST]);
    if (importer->part_conflicts > 0)
        lode__notice(
            importer->hooks,
            "the split contradicts itself: %llu row(s) repeat the user%s of a row of another "
            "part; they are kept",
            (unsigned long long)importer->part_conflicts,
            importer->times.count ? ", item and time" : " and item");
}
