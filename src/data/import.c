// The log, row by row: cells are checked, tokens numbered, and what remains of a row goes to the sorter as a
// few 32-bit words. Nothing of a bad row is kept.
#include "data/importer.h"

#include "base/text.h"
#include "data/dataset_limits.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define NO_SLOT SIZE_MAX

typedef enum operation { OP_GE, OP_LE, OP_EQ, OP_NE, OP_GT, OP_LT } operation;

static const struct behaviour_name {
    const char *name;
    lode_behaviour behaviour;
} behaviour_names[] = {{"click", LODE_CLICK},
                       {"view", LODE_CLICK},
                       {"pv", LODE_CLICK},
                       {"clk", LODE_CLICK},
                       {"watch", LODE_CLICK},
                       {"exposure", LODE_EXPOSURE},
                       {"impression", LODE_EXPOSURE},
                       {"show", LODE_EXPOSURE},
                       {"cart", LODE_CART},
                       {"addtocart", LODE_CART},
                       {"add_to_cart", LODE_CART},
                       {"fav", LODE_FAVOURITE},
                       {"favourite", LODE_FAVOURITE},
                       {"favorite", LODE_FAVOURITE},
                       {"like", LODE_FAVOURITE},
                       {"buy", LODE_BUY},
                       {"purchase", LODE_BUY},
                       {"transaction", LODE_BUY},
                       {"order", LODE_BUY}};

lode_status lode__import_fail_cell(const lode_table *table, const lode_cell *cell,
                                   const char *expected, lode_error *error) {
    return lode__table_fail(table, table->line, cell->column, error, "found '%.*s', expected %s",
                            (int)LODE_MIN(cell->length, (size_t)40), cell->text, expected);
}

lode_status lode__import_forgive(lode_importer *importer, const lode_table *table,
                                 lode_status status, const lode_error *problem, lode_error *error) {
    if (status == LODE_OK) return LODE_OK;
    const uint64_t allowed = (uint64_t)importer->options->max_errors;
    if (status != LODE_E_INPUT || lode__input_broken(table->input) || importer->errors >= allowed) {
        if (status == LODE_E_INPUT && allowed > 0 && importer->errors >= allowed)
            return lode__fail(error, status, "%s (the bad line after %llu that max_errors allows)",
                              problem->message, (unsigned long long)allowed);
        return lode__fail(error, status, "%s", problem->message);
    }
    if (++importer->errors <= 5) lode__notice(importer->hooks, "skipped: %s", problem->message);
    return LODE_OK;
}

lode_status lode__builders_add(lode_builders *builders, const char *name, lode_use use,
                               lode_column_builder **out, lode_error *error) {
    for (size_t k = 0; k < builders->count; ++k)
        if (strcmp(builders->list[k].name, name) == 0) {
            *out = &builders->list[k];
            return LODE_OK;
        }
    if (builders->count >= LODE_COLUMNS_MAX)
        return lode__fail(error, LODE_E_INPUT, "found more than %d columns in all tables",
                          LODE_COLUMNS_MAX);
    if (!lode__grow((void **)&builders->list, &builders->capacity, builders->count + 1,
                    sizeof *builders->list))
        return lode__fail_memory(error);
    *out = &builders->list[builders->count++];
    **out = (lode_column_builder){.name = name, .use = use};
    return LODE_OK;
}

lode_status lode__import_progress(lode_importer *importer, const char *task, uint64_t done,
                                  uint64_t total, lode_error *error) {
    const lode_hooks *const hooks = importer->hooks;
    if (!hooks || !hooks->progress) return LODE_OK;
    const double now = lode__clock(), spent = now - importer->started;
    if (now - importer->reported < 0.1 && done != total) return LODE_OK;
    importer->reported = now;
    const lode_progress progress = {.task = task,
                                    .unit = "rows",
                                    .done = done,
                                    .total = total,
                                    .rate = spent > 0 ? (double)done / spent : 0,
                                    .loss = (double)NAN};
    return hooks->progress(hooks->cookie, &progress)
               ? lode__fail(error, LODE_E_STOPPED, "the import was stopped; nothing was written")
               : LODE_OK;
}

// ---- preparing

static lode_status read_condition(lode_importer *importer, lode_error *error) {
    static const char *const signs[] = {">=", "<=", "==", "!=", ">", "<"};
    const char *const text = importer->options->label;
    if (!text || !*text) return LODE_OK;
    for (size_t k = 0; k < sizeof signs / sizeof *signs; ++k) {
        const char *const found = strstr(text, signs[k]);
        if (!found) continue;
        const char *name_end = found, *value = found + strlen(signs[k]);
        while (name_end > text && name_end[-1] == ' ')
            --name_end;
        while (*value == ' ')
            ++value;
        if (name_end == text || !*value) break;
        lode_condition *const condition = &importer->condition;
        condition->name = lode__arena_strndup(&importer->arena, text, (size_t)(name_end - text));
        condition->value = value;
        condition->operation = (int)k;
        if (!condition->name) return lode__fail_memory(error);
        double number;
        if (condition->operation != OP_EQ && condition->operation != OP_NE &&
            !lode__parse_real(value, strlen(value), &number))
            break;
        return LODE_OK;
    }
    return lode__fail(error, LODE_E_CONFIG,
                      "label: found '%s', expected COLUMN, one of > >= < <= == !=, and a number, "
                      "such as 'rating>3'",
                      text);
}

static lode_status read_columns_file(lode_importer *importer, lode_error *error) {
    const char *const path = importer->options->columns;
    if (!path) return LODE_OK;
    char *text = NULL;
    size_t length = 0;
    lode_node *root = NULL;
    LODE_TRY(lode__file_read(path, (size_t)1 << 20, &text, &length, error));
    const lode_status status = lode__yaml_parse(&importer->arena, text, length, path, &root, error);
    lode__free(text);
    if (status != LODE_OK) return status;
    importer->columns = root;
    for (const lode_node *node = root->child; node; node = node->next) {
        const bool known = strcmp(node->key, "log") == 0 || strcmp(node->key, "item") == 0 ||
                           strcmp(node->key, "user") == 0;
        if (!known || node->kind != LODE_NODE_MAP)
            return lode__fail(error, LODE_E_CONFIG,
                              "%s: found '%s', expected the maps log, item and user",
                              lode__node_where(&importer->arena, node), node->key);
    }
    return LODE_OK;
}

static size_t take_slot(lode_slots *slots, bool wanted) {
    return wanted ? slots->words++ : NO_SLOT;
}

static bool has_role(const lode_importer *importer, lode_role role) {
    return importer->map.role[role] != LODE_NO_COLUMN;
}

static lode_status prepare_context(lode_importer *importer, lode_error *error) {
    const lode_table *const log = &importer->log;
    const size_t most = importer->context.count + log->heading_count;
    importer->context_column = lode__arena_alloc(&importer->arena, most, sizeof(size_t));
    if (!importer->context_column) return lode__fail_memory(error);
    for (size_t k = 0; k < most; ++k)
        importer->context_column[k] = LODE_NO_COLUMN;
    for (size_t k = 0; k < log->heading_count; ++k) {
        if (!importer->map.uses[k].keep || importer->map.uses[k].about != LODE_ABOUT_ROW) continue;
        lode_column_builder *builder;
        LODE_TRY(lode__builders_add(&importer->context, log->headings[k].name,
                                    importer->map.uses[k], &builder, error));
        LODE_TRY(lode__import_same_type(importer, log, builder, &importer->map.uses[k], error));
        importer->context_column[builder - importer->context.list] = k;
    }
    for (size_t k = 0; k < importer->context.count; ++k)
        importer->context.list[k].spool.folder = importer->folder;
    importer->slots.context = importer->slots.words;
    importer->slots.words += importer->context.count;
    return LODE_OK;
}

// Say which column became what.
static void notice_mapping(const lode_importer *importer) {
    lode_text text = {0};
    for (int role = LODE_ROLE_USER; role <= LODE_ROLE_LOG_LAST; ++role)
        if (has_role(importer, (lode_role)role))
            lode__text_printf(&text, "%s%s = %s", text.length ? ", " : "",
                              lode__role_name((lode_role)role),
                              importer->log.headings[importer->map.role[role]].name);
    for (size_t k = 0; k < importer->context.count; ++k)
        lode__text_printf(&text, "%s%s", k ? ", " : "; context: ", importer->context.list[k].name);
    const lode_builders *const sides[] = {&importer->item_columns, &importer->user_columns};
    for (size_t s = 0; s < 2; ++s)
        for (size_t k = 0; k < sides[s]->count; ++k)
            lode__text_printf(&text, "%s%s",
                              k   ? ", "
                              : s ? "; of users: "
                                  : "; of items: ",
                              sides[s]->list[k].name);
    if (!text.failed)
        lode__notice(importer->hooks, "%s (%s): %s", importer->log.name, importer->log.reader->name,
                     text.data);
    lode__text_release(&text);
}

static lode_status open_log(lode_importer *importer, lode_error *error) {
    LODE_TRY(lode__import_open(importer, importer->plan.log, "log", &importer->log, error));
    importer->log_next = 1;
    const lode_map_request request = {&importer->log, importer->columns, importer->hooks,
                                      &importer->arena};
    LODE_TRY(lode__map_log(&importer->map, &request, error));
    LODE_TRY(read_condition(importer, error));
    lode_condition *const condition = &importer->condition;
    if (condition->name) {
        condition->column = lode__heading_find(&importer->log, condition->name);
        if (condition->column == LODE_NO_COLUMN)
            return lode__fail(error, LODE_E_CONFIG,
                              "label: found the column '%s', expected one of %s: %s",
                              condition->name, importer->log.name,
                              lode__heading_list(&importer->log, &importer->arena));
    }
    lode_slots *const slots = &importer->slots;
    slots->words = LODE_ROW_REST;
    const lode_dataset *const old = importer->old;
    slots->behaviour = take_slot(slots, condition->name || (old && old->behaviour) ||
                                            has_role(importer, LODE_ROLE_BEHAVIOUR));
    slots->weight = take_slot(slots, (old && old->weight) || has_role(importer, LODE_ROLE_WEIGHT));
    slots->session = take_slot(slots, has_role(importer, LODE_ROLE_SESSION));
    if (slots->session != NO_SLOT) ++slots->words; // a key of two words
    slots->label = take_slot(slots, (old && old->label) || has_role(importer, LODE_ROLE_LABEL));
    slots->part =
        take_slot(slots, importer->plan.logs[0].part >= 0 || has_role(importer, LODE_ROLE_PART));
    LODE_TRY(lode__append_columns(importer, error));
    LODE_TRY(prepare_context(importer, error));
    LODE_TRY(lode__import_side_prepare(importer, error));
    importer->row = lode__arena_alloc(&importer->arena, slots->words, sizeof *importer->row);
    if (!importer->row) return lode__fail_memory(error);
    lode__sorter_begin(&importer->sorter, slots->words, (size_t)importer->options->memory,
                       importer->folder);
    const lode_filter_rules rules = lode__import_rules(importer->options);
    lode__filter_begin(&importer->filter, &rules, slots->words, slots->behaviour, importer->folder);
    notice_mapping(importer);
    return lode__append_check(importer, error);
}

// ---- rows

static const lode_cell *role_cell(const lode_importer *importer, lode_role role) {
    return &importer->log.cells[importer->map.role[role]];
}

// A number as f32 bits; an empty cell gives NaN.
static lode_status read_number(const lode_importer *importer, const lode_cell *cell, double low,
                               uint32_t *word, lode_error *error) {
    double value = 0;
    if (cell->length > 0 &&
        (!lode__parse_real(cell->text, cell->length, &value) || value < low || fabs(value) > 3.4e38))
        return lode__import_fail_cell(&importer->log, cell,
                                      low < 0 ? "a number" : "a number from 0 on", error);
    const float bits = cell->length > 0 ? (float)value : NAN;
    memcpy(word, &bits, sizeof *word);
    return LODE_OK;
}

static lode_status read_behaviour(const lode_importer *importer, uint32_t *word, lode_error *error) {
    const lode_cell *const cell = role_cell(importer, LODE_ROLE_BEHAVIOUR);
    for (size_t k = 0; k < sizeof behaviour_names / sizeof *behaviour_names; ++k) {
        const char *const name = behaviour_names[k].name;
        if (strlen(name) == cell->length && strncasecmp(name, cell->text, cell->length) == 0) {
            *word = (uint32_t)behaviour_names[k].behaviour;
            return LODE_OK;
        }
    }
    return lode__import_fail_cell(
        &importer->log, cell,
        "click (view, pv), exposure (impression, show), cart (addtocart), "
        "favourite (fav, like) or buy (purchase, transaction); if the "
        "column is something else, put it under context in a columns file",
        error);
}

static bool compare(operation op, double a, double b) {
    switch (op) {
    case OP_GE:
        return a >= b;
    case OP_LE:
        return a <= b;
    case OP_EQ:
        return a == b;
    case OP_NE:
        return a != b;
    case OP_GT:
        return a > b;
    case OP_LT:
        return a < b;
    }
    return false;
}

// Rows that do not meet the condition are exposures.
static lode_status read_label(const lode_importer *importer, uint32_t *word, lode_error *error) {
    const lode_condition *const condition = &importer->condition;
    const lode_cell *const cell = &importer->log.cells[condition->column];
    const size_t length = strlen(condition->value);
    double found, wanted;
    bool met;
    if (lode__parse_real(cell->text, cell->length, &found) &&
        lode__parse_real(condition->value, length, &wanted)) {
        met = compare((operation)condition->operation, found, wanted);
    } else if (condition->operation == OP_EQ || condition->operation == OP_NE) {
        const bool same = cell->length == length && memcmp(cell->text, condition->value, length) == 0;
        met = same == (condition->operation == OP_EQ);
    } else if (cell->length == 0) {
        met = false;
    } else {
        return lode__import_fail_cell(&importer->log, cell, "a number for the label", error);
    }
    if (!met) *word = LODE_EXPOSURE;
    return LODE_OK;
}

static lode_status check_token(const lode_importer *importer, lode_role role, lode_error *error) {
    const lode_cell *const cell = role_cell(importer, role);
    if (cell->length > 0) return LODE_OK;
    return lode__table_fail(&importer->log, importer->log.line, cell->column, error,
                            "found no %s, expected a token", lode__role_name(role));
}

// Milliseconds that a coarse time leaves out: diginetica's date with its timeframe.
static lode_status add_offset(const lode_importer *importer, int64_t *time, lode_error *error) {
    const lode_cell *const cell = role_cell(importer, LODE_ROLE_OFFSET);
    int64_t offset = 0;
    if (cell->length > 0 && (!lode__parse_i64(cell->text, cell->length, &offset) || offset < 0 ||
                             offset > 864000000 || *time > LODE_TIME_LIMIT - offset))
        return lode__import_fail_cell(&importer->log, cell, "milliseconds of at most ten days",
                                      error);
    *time += offset;
    return LODE_OK;
}

static void float_word(uint32_t *word, float value) {
    memcpy(word, &value, sizeof value);
}

// Everything that may be wrong with a row, before anything of it is kept.
static lode_status check_row(lode_importer *importer, lode_error *error) {
    uint32_t *const row = importer->row;
    const lode_slots *const slots = &importer->slots;
    int64_t time = 0;
    if (importer->user.length == 0) LODE_TRY(check_token(importer, LODE_ROLE_USER, error));
    LODE_TRY(check_token(importer, LODE_ROLE_ITEM, error));
    if (slots->session != NO_SLOT) LODE_TRY(check_token(importer, LODE_ROLE_SESSION, error));
    if (slots->label != NO_SLOT) float_word(&row[slots->label], NAN);
    if (slots->weight != NO_SLOT) float_word(&row[slots->weight], 1.0f);
    if (has_role(importer, LODE_ROLE_LABEL))
        LODE_TRY(read_number(importer, role_cell(importer, LODE_ROLE_LABEL), -3.5e38,
                             &row[slots->label], error));
    if (has_role(importer, LODE_ROLE_WEIGHT)) {
        const lode_cell *const cell = role_cell(importer, LODE_ROLE_WEIGHT);
        if (cell->length == 0)
            return lode__import_fail_cell(&importer->log, cell, "a number from 0 on", error);
        LODE_TRY(read_number(importer, cell, 0, &row[slots->weight], error));
    }
    if (slots->part != NO_SLOT) LODE_TRY(lode__import_part(importer, &row[slots->part], error));
    if (slots->behaviour != NO_SLOT) row[slots->behaviour] = LODE_CLICK;
    if (has_role(importer, LODE_ROLE_BEHAVIOUR))
        LODE_TRY(read_behaviour(importer, &row[slots->behaviour], error));
    if (importer->condition.name) LODE_TRY(read_label(importer, &row[slots->behaviour], error));
    for (size_t k = 0; k < importer->context.count; ++k) {
        if (importer->context_column[k] == LODE_NO_COLUMN) continue;
        const lode_cell *const cell = &importer->log.cells[importer->context_column[k]];
        const char *const expected = lode__column_check(&importer->context.list[k], cell);
        if (expected) return lode__import_fail_cell(&importer->log, cell, expected, error);
    }
    LODE_TRY(lode__import_side_check(importer, error));
    if (has_role(importer, LODE_ROLE_TIME)) { // last: it remembers what it has seen
        const lode_cell *const cell = role_cell(importer, LODE_ROLE_TIME);
        const int64_t high = importer->times.high;
        const bool first = importer->times.count == 0;
        const char *const expected =
            lode__time_read(&importer->times, cell->text, cell->length, &time);
        if (expected) return lode__import_fail_cell(&importer->log, cell, expected, error);
        if (first || time > high) {
            importer->times.high_line = importer->log.line;
            importer->times.high_column = cell->column;
        }
    }
    if (has_role(importer, LODE_ROLE_OFFSET)) LODE_TRY(add_offset(importer, &time, error));
    row[LODE_ROW_TIME] = (uint32_t)(uint64_t)time;
    row[LODE_ROW_TIME + 1] = (uint32_t)((uint64_t)time >> 32);
    return LODE_OK;
}

static void put_session(const lode_importer *importer, uint32_t *row) {
    const lode_cell *const cell = role_cell(importer, LODE_ROLE_SESSION);
    const uint64_t key = lode__session_key(cell->text, cell->length);
    row[importer->slots.session] = (uint32_t)key;
    row[importer->slots.session + 1] = (uint32_t)(key >> 32);
}

static lode_status add_row(lode_importer *importer, lode_error *error) {
    uint32_t *const row = importer->row;
    LODE_TRY(lode__import_user(importer, &importer->user, error));
    const lode_cell *const user = &importer->user;
    const lode_cell *const item = role_cell(importer, LODE_ROLE_ITEM);
    lode__dictionary_prefetch(&importer->users, user->text, user->length);
    lode__dictionary_prefetch(&importer->items, item->text, item->length);
    LODE_TRY(check_row(importer, error));
    LODE_TRY(lode__dictionary_add(&importer->users, user->text, user->length, &row[LODE_ROW_USER],
                                  error));
    LODE_TRY(lode__dictionary_add(&importer->items, item->text, item->length, &row[LODE_ROW_ITEM],
                                  error));
    if (importer->slots.session != NO_SLOT) put_session(importer, row);
    for (size_t k = 0; k < importer->context.count; ++k) {
        uint32_t *const word = &row[importer->slots.context + k];
        const size_t column = importer->context_column[k];
        if (column == LODE_NO_COLUMN)
            *word = lode__column_missing(&importer->context.list[k]);
        else
            LODE_TRY(lode__column_encode(&importer->context.list[k], &importer->log.cells[column],
                                         word, error));
    }
    LODE_TRY(lode__import_side_add(importer, error));
    LODE_TRY(lode__sorter_add(&importer->sorter, row, error));
    importer->anonymous += user->text == importer->session_user;
    if (importer->slots.part != NO_SLOT) ++importer->parts[row[importer->slots.part]];
    ++importer->behaviours[importer->slots.behaviour == NO_SLOT ? LODE_CLICK
                                                                : row[importer->slots.behaviour]];
    ++importer->rows;
    return LODE_OK;
}

static lode_status check_times(const lode_importer *importer, lode_error *error) {
    const lode_time_reader *const times = &importer->times;
    if (times->unit != LODE_UNIT_ORDER) return LODE_OK;
    const bool real = importer->old && importer->old->time_kind == LODE_TIME_REAL;
    const uint64_t span = (uint64_t)(times->high - times->low);
    if (!real && times->low <= 1 && span < importer->rows + importer->errors) return LODE_OK;
    return lode__table_fail(&importer->log, times->high_line, times->high_column, error,
                            "found the time %lld, expected seconds, milliseconds or microseconds "
                            "since 1970 (from 1973 on)%s; if it is "
                            "no time, put it under ignore in a columns file",
                            (long long)times->high,
                            real ? " as in the data set" : ", or consecutive numbers from 0 or 1");
}

static lode_status read_log(lode_importer *importer, lode_error *error) {
    for (bool end = false;;) {
        lode_error problem = {0};
        lode_status status = lode__table_read(&importer->log, &end, &problem);
        if (status == LODE_OK && end) {
            LODE_TRY(lode__import_next_log(importer, &end, error));
            if (end) break;
            continue;
        }
        if (status == LODE_OK) status = add_row(importer, &problem);
        LODE_TRY(lode__import_forgive(importer, &importer->log, status, &problem, error));
        if ((importer->rows & 0xffff) == 0)
            LODE_TRY(lode__import_progress(importer, "import", importer->rows, 0, error));
    }
    importer->new_rows = importer->rows - importer->old_rows;
    if (importer->new_rows == 0)
        return lode__fail(error, LODE_E_INPUT, "%s:%llu:1: found no %srows, expected at least one",
                          importer->log.name, (unsigned long long)importer->log.line,
                          importer->errors ? "good " : "");
    importer->log_items = importer->items.count;
    return check_times(importer, error);
}

// ---- the whole

// The output must not be the log itself.
static lode_status check_output(const lode_importer *importer, const char *output, lode_error *error) {
    struct stat a, b;
    if (strcmp(importer->plan.log, "-") == 0 || stat(importer->plan.log, &a) != 0 ||
        stat(output, &b) != 0)
        return LODE_OK;
    if (a.st_dev != b.st_dev || a.st_ino != b.st_ino) return LODE_OK;
    return lode__fail(error, LODE_E_USAGE, "%s: the output is the log itself; name another file",
                      output);
}

static lode_status prepare(lode_importer *importer, const char *source, const char *output,
                           lode_error *error) {
    const char *const slash = strrchr(output, '/');
    importer->folder = importer->options->temporary;
    if (!importer->folder && !slash) importer->folder = ".";
    if (!importer->folder)
        importer->folder = slash == output ? "/"
                                           : lode__arena_strndup(&importer->arena, output,
                                                                 (size_t)(slash - output));
    if (!importer->folder) return lode__fail_memory(error);
    if (importer->options->format > 0)
        importer->reader = lode__reader_find(lode__import_keys[0].choices[importer->options->format]);
    LODE_TRY(read_columns_file(importer, error));
    importer->request =
        (lode_plan_request){source,          importer->options, importer->reader, importer->columns,
                            importer->hooks, &importer->arena};
    LODE_TRY(lode__plan_make(&importer->plan, &importer->request, error));
    LODE_TRY(check_output(importer, output, error));
    LODE_TRY(lode__append_open(importer, output, error));
    LODE_TRY(open_log(importer, error));
    importer->output = output;
    lode_writer probe; // an output that cannot be written is found now, not after an hour
    LODE_TRY(lode__writer_open(&probe, output, error));
    lode__writer_abort(&probe);
    return LODE_OK;
}

static void builders_release(lode_builders *builders) {
    for (size_t k = 0; k < builders->count; ++k)
        lode__column_release(&builders->list[k]);
    lode__free(builders->list);
}

static void importer_free(lode_importer *importer) {
    lode__container_abort(&importer->writer);
    if (importer->log.input) lode__table_close(&importer->log);
    lode__sorter_release(&importer->sorter);
    lode__import_filter_release(importer);
    lode__dataset_free(&importer->old);
    builders_release(&importer->context);
    builders_release(&importer->user_columns);
    builders_release(&importer->item_columns);
    lode__dictionary_release(&importer->users);
    lode__dictionary_release(&importer->items);
    lode__free(importer->user_rows);
    lode__free(importer->valid);
    lode__free(importer->session_user);
    json_decref(importer->notices);
    lode__arena_release(&importer->arena);
    lode__free(importer);
}

lode_status lode__import(const char *source, const char *output, const lode_import_options *options,
                         const lode_hooks *hooks, char **report, lode_error *error) {
    lode_importer *const importer = lode__alloc(1, sizeof *importer);
    if (!importer) return lode__fail_memory(error);
    importer->options = options;
    importer->started = lode__clock();
    char *text = NULL;
    lode_status status;
    LODE_GOTO(status, lode__import_listen(importer, hooks, error), done);
    LODE_GOTO(status, prepare(importer, source, output, error), done);
    LODE_GOTO(status, lode__append_rows(importer, error), done);
    LODE_GOTO(status, read_log(importer, error), done);
    LODE_GOTO(status, lode__import_tables(importer, error), done);
    LODE_GOTO(status, lode__append_tables(importer, error), done);
    LODE_GOTO(status, lode__import_write(importer, error), done);
    lode__append_say(importer);
    if (importer->duplicates > 0 && !importer->old)
        lode__notice(importer->hooks,
                     "%llu row(s) repeat the user, item and time of another one; they are kept",
                     (unsigned long long)importer->duplicates);
    lode__import_say_parts(importer);
    lode__import_side_say(importer);
    if (report) LODE_GOTO(status, lode__import_report(importer, &text, error), done);
    if (report) *report = text;
done:
    importer_free(importer);
    return status;
}
