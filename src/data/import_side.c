// What a row of the log says beside the click: columns about its item and its user, and whose row it is when the
// log names no user.
#include "data/importer.h"

#include <stdio.h>
#include <string.h>

lode_status lode__import_side_prepare(lode_importer *importer, lode_error *error) {
    const lode_table *const log = &importer->log;
    importer->side_column = lode__arena_alloc(&importer->arena, log->heading_count, sizeof(size_t));
    if (!importer->side_column) return lode__fail_memory(error);
    for (size_t k = 0; k < log->heading_count; ++k) {
        const lode_use *const use = &importer->map.uses[k];
        if (!use->keep || use->about == LODE_ABOUT_ROW) continue;
        lode_builders *const builders =
            use->about == LODE_ABOUT_ITEM ? &importer->item_columns : &importer->user_columns;
        const char *const name = lode__arena_strdup(&importer->arena, log->headings[k].name);
        if (!name) return lode__fail_memory(error);
        lode_column_builder *builder;
        LODE_TRY(lode__builders_add(builders, name, *use, &builder, error));
        LODE_TRY(lode__import_same_type(importer, log, builder, use, error));
        importer->side_column[k] = (size_t)(builder - builders->list);
    }
    return LODE_OK;
}

static lode_column_builder *side_builder(lode_importer *importer, size_t column) {
    const bool item = importer->map.uses[column].about == LODE_ABOUT_ITEM;
    lode_builders *const builders = item ? &importer->item_columns : &importer->user_columns;
    return &builders->list[importer->side_column[column]];
}

lode_status lode__import_side_check(lode_importer *importer, lode_error *error) {
    for (size_t k = 0; k < importer->log.heading_count; ++k) {
        const lode_use *const use = &importer->map.uses[k];
        if (!use->keep || use->about == LODE_ABOUT_ROW) continue;
        const lode_cell *const cell = &importer->log.cells[k];
        const char *const expected = lode__column_check(side_builder(importer, k), cell);
        if (expected) return lode__import_fail_cell(&importer->log, cell, expected, error);
    }
    return LODE_OK;
}

lode_status lode__import_side_add(lode_importer *importer, lode_error *error) {
    for (size_t k = 0; k < importer->log.heading_count; ++k) {
        const lode_use *const use = &importer->map.uses[k];
        if (!use->keep || use->about == LODE_ABOUT_ROW) continue;
        lode_column_builder *const builder = side_builder(importer, k);
        uint32_t word;
        LODE_TRY(lode__column_encode(builder, &importer->log.cells[k], &word, error));
        LODE_TRY(lode__column_set(
            builder, importer->row[use->about == LODE_ABOUT_ITEM ? LODE_ROW_ITEM : LODE_ROW_USER],
            word, error));
    }
    return LODE_OK;
}

static void say_differing(const lode_importer *importer, const lode_builders *builders,
                          const char *whose) {
    for (size_t k = 0; k < builders->count; ++k)
        if (builders->list[k].differing > 0)
            lode__notice(
                importer->hooks,
                "column %s: %llu row(s) give an %s another value than the first one, which "
                "stays",
                builders->list[k].name, (unsigned long long)builders->list[k].differing, whose);
}

void lode__import_side_say(const lode_importer *importer) {
    say_differing(importer, &importer->item_columns, "item");
    say_differing(importer, &importer->user_columns, "owner");
    if (importer->anonymous > 0)
        lode__notice(importer->hooks,
                     "%llu row(s) name no user; their sessions count as users session:ID",
                     (unsigned long long)importer->anonymous);
}

// What logs write where a user is not known.
static bool is_nobody(const lode_cell *cell) {
    static const char *const words[] = {"NA", "N/A", "null", "NULL", "None", "nan", "NaN", "\\N"};
    for (size_t k = 0; k < sizeof words / sizeof *words; ++k)
        if (strlen(words[k]) == cell->length && memcmp(words[k], cell->text, cell->length) == 0)
            return true;
    return cell->length == 0;
}

lode_status lode__import_user(lode_importer *importer, lode_cell *user, lode_error *error) {
    const size_t column = importer->map.role[LODE_ROLE_USER],
                 sessions = importer->map.role[LODE_ROLE_SESSION];
    *user = importer->log.cells[column];
    if (sessions == LODE_NO_COLUMN || sessions == column || !is_nobody(user)) return LODE_OK;
    const lode_cell *const session = &importer->log.cells[sessions];
    if (session->length == 0) return LODE_OK; // said where sessions are checked
    static const char head[] = "session:";
    const size_t length = sizeof head - 1 + session->length;
    if (!lode__grow((void **)&importer->session_user, &importer->session_user_capacity, length, 1))
        return lode__fail_memory(error);
    memcpy(importer->session_user, head, sizeof head - 1);
    memcpy(importer->session_user + sizeof head - 1, session->text, session->length);
    *user = (lode_cell){importer->session_user, length, user->column};
    return LODE_OK;
}
