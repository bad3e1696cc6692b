/// A file of true items for users, beside the log: a test set drawn from known preferences, or from another period.
///
/// Any format that import reads; the user and the item column are found by the same synonyms. Memory is bounded by
/// the file's pairs.
#include <stdlib.h>
#include <string.h>

#include "data/columns.h"
#include "train/measure.h"

enum { LONGEST_LINE = 1 << 24, LONGEST_TOKEN = 1 << 16 };

typedef struct lode_pairs {
    uint64_t *list; ///< user in the upper half, item in the lower one
    size_t count, room;
    char *token; ///< [LONGEST_TOKEN + 1]
} lode_pairs;

static uint32_t find_cell(lode_pairs *pairs, const lode_tokens *tokens, const lode_cell *cell) {
    if (cell->length > LONGEST_TOKEN) return LODE_CODE_NONE;
    memcpy(pairs->token, cell->text, cell->length);
    pairs->token[cell->length] = 0;
    return lode__token_find(tokens, pairs->token);
}

static int compare_pairs(const void *a, const void *b) {
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static lode_status read_rows(lode_truth *truth, lode_pairs *pairs, lode_table *table,
                             const lode_dataset *data, lode_error *error) {
    const size_t user_column = lode__heading_role(table, LODE_ROLE_USER);
    const size_t item_column = lode__heading_role(table, LODE_ROLE_ITEM);
    if (user_column == LODE_NO_COLUMN || item_column == LODE_NO_COLUMN) {
        return lode__fail(error, LODE_E_INPUT,
                          "%s: no %s column among %s; expected headings such as user and item",
                          table->name, user_column == LODE_NO_COLUMN ? "user" : "item",
                          lode__heading_list(table, &truth->arena));
    }
    for (;;) {
        bool end = false;
        LODE_TRY(lode__table_read(table, &end, error));
        if (end) return LODE_OK;
        truth->rows++;
        const uint32_t user = find_cell(pairs, &data->users, &table->cells[user_column]);
        const uint32_t item = find_cell(pairs, &data->items, &table->cells[item_column]);
        truth->unknown_users += user == LODE_CODE_NONE;
        truth->unknown_items += user != LODE_CODE_NONE && item == LODE_CODE_NONE;
        if (user == LODE_CODE_NONE || item == LODE_CODE_NONE) continue;
        if (!lode__grow((void **)&pairs->list, &pairs->room, pairs->count + 1, sizeof *pairs->list))
            return lode__fail_memory(error);
        pairs->list[pairs->count++] = (uint64_t)user << 32 | item;
    }
}

static lode_status keep_pairs(lode_truth *truth, const lode_pairs *pairs, uint32_t users,
                              lode_error *error) {
    truth->starts = lode__arena_alloc(&truth->arena, (size_t)users + 1, sizeof *truth->starts);
    truth->items = lode__arena_alloc(&truth->arena, pairs->count, sizeof *truth->items);
    if (truth->starts == NULL || truth->items == NULL) return lode__fail_memory(error);
    uint64_t filled = 0;
    uint32_t user = 0;
    for (size_t i = 0; i < pairs->count; i++) {
        if (i > 0 && pairs->list[i] == pairs->list[i - 1]) continue;
        for (; user < (uint32_t)(pairs->list[i] >> 32); user++)
            truth->starts[user + 1] = filled;
        truth->items[filled++] = (uint32_t)pairs->list[i];
    }
    for (; user < users; user++)
        truth->starts[user + 1] = filled;
    return LODE_OK;
}

lode_status lode__truth_read(lode_truth *truth, const char *path, const lode_dataset *data,
                             lode_error *error) {
    *truth = (lode_truth){0};
    lode_pairs pairs = {0};
    lode_table table = {0};
    lode_input *input = NULL;
    LODE_TRY(lode__input_open(&input, path, LONGEST_LINE, error));
    const lode_table_options options = {.max_line = LONGEST_LINE};
    lode_status status = lode__table_open(&table, input, &options, error);
    if (status != LODE_OK) return status;
    pairs.token = lode__alloc(LONGEST_TOKEN + 1, 1);
    status = pairs.token == NULL ? lode__fail_memory(error)
                                 : read_rows(truth, &pairs, &table, data, error);
    if (status == LODE_OK) {
        if (pairs.count > 0) qsort(pairs.list, pairs.count, sizeof *pairs.list, compare_pairs);
        status = keep_pairs(truth, &pairs, data->users.count, error);
    }
    lode__table_close(&table);
    lode__free(pairs.list);
    lode__free(pairs.token);
    if (status != LODE_OK) lode__truth_release(truth);
    return status;
}

void lode__truth_release(lode_truth *truth) {
    lode__arena_release(&truth->arena);
    *truth = (lode_truth){0};
}
