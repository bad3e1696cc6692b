/// Miner `taxonomy`: items that share a token of a column (category, tag, brand, ...).
///
/// A token used by two items or more is a group. Pairs are never listed: the structure is the column turned
/// round (group -> items beside item -> groups), so that a member is drawn in O(1) however large the group.
/// By default only items with a training click are members, as models know no others.
#include <stdlib.h>
#include <string.h>

#include "base/order.h"
#include "mine/mine.h"

static const char *const scopes[] = {"train", "catalogue", NULL};

typedef struct taxonomy_config {
    const char *column;
    int items;
    int64_t largest;
} taxonomy_config;

#define AT(member) .offset = offsetof(taxonomy_config, member)
static const lode_key keys[] = {
    {.name = "column",
     .type = LODE_KEY_TEXT,
     AT(column),
     .help = "Item column of type token or token_seq; by default the only one."},
    {.name = "items",
     .type = LODE_KEY_CHOICE,
     AT(items),
     .fallback = "train",
     .choices = scopes,
     .help = "train: items with a training click; catalogue: all."},
    {.name = "largest",
     .type = LODE_KEY_INT,
     AT(largest),
     .fallback = "0",
     .low = 0,
     .high = 4e9,
     .help = "Groups with more items are left out, as too general; 0 = none is."},
    {0}};
#undef AT

typedef struct grouping {
    const taxonomy_config *config;
    const lode_mine_input *input;
    lode_mined *mined;
    const lode_column *column;
    uint64_t *item_starts, *group_starts;
    uint32_t *item_groups, *members;
} grouping;

static lode_status column_find(const taxonomy_config *config, const lode_dataset *data,
                               const lode_column **out, lode_error *error) {
    const char *wanted = config->column;
    const char *names[64];
    lode_text list = {0};
    size_t count = 0;
    *out = NULL;
    for (size_t k = 0; k < data->item_column_count; k++) {
        const lode_column *column = &data->item_columns[k];
        if (column->type != LODE_COLUMN_TOKEN && column->type != LODE_COLUMN_TOKENS) continue;
        lode__text_printf(&list, "%s%s", count > 0 ? ", " : "", column->name);
        if (count < 64) names[count] = column->name;
        count++;
        if (wanted == NULL || strcmp(column->name, wanted) == 0) *out = column;
    }
    lode_status status = LODE_OK;
    if (count == 0) {
        status = lode__fail(error, LODE_E_CONFIG,
                            "the data set has no item column of tokens (token or token_seq) to "
                            "group items by");
    } else if (wanted == NULL && count > 1) {
        status =
            lode__fail(error, LODE_E_CONFIG, "group by which column? the data set has %s (column)",
                       list.data != NULL ? list.data : "");
    } else if (*out == NULL) {
        status = lode__fail_unknown(error, LODE_E_CONFIG, "the data set has no item column of tokens",
                                    wanted, names, LODE_MIN(count, (size_t)64));
    }
    lode__text_release(&list);
    return status;
}

/// The distinct tokens of each item, rising, and how many items each has, in group_starts[token + 1].
static void items_fill(grouping *g) {
    const lode_column *column = g->column;
    const bool one = column->type == LODE_COLUMN_TOKEN;
    uint64_t filled = 0;
    for (uint32_t item = 0; item < g->mined->items; item++) {
        const uint64_t begin = one ? item : column->starts[item];
        const uint64_t count = one ? 1 : column->starts[item + 1] - begin;
        g->item_starts[item] = filled;
        if (g->config->items == 0 && g->input->split->item_count[item] == 0) continue;
        uint32_t *own = g->item_groups + filled;
        if (count > 0) memcpy(own, column->codes + begin, (size_t)count * sizeof *own);
        if (count > 1) qsort(own, (size_t)count, sizeof *own, lode__rising_u32);
        uint32_t distinct = 0;
        for (uint64_t k = 0; k < count; k++) {
            if (own[k] == LODE_CODE_NONE || (distinct > 0 && own[distinct - 1] == own[k])) continue;
            own[distinct++] = own[k];
        }
        for (uint32_t k = 0; k < distinct; k++)
            g->group_starts[own[k] + 1]++;
        filled += distinct;
    }
    g->item_starts[g->mined->items] = filled;
}

static bool group_kept(const grouping *g, uint64_t size) {
    return size >= 2 && (g->config->largest == 0 || size <= (uint64_t)g->config->largest);
}

/// Take the tokens that are no groups out of the items' lists.
static void items_filter(grouping *g) {
    uint64_t filled = 0, begin = 0;
    for (uint32_t item = 0; item < g->mined->items; item++) {
        const uint64_t end = g->item_starts[item + 1];
        for (uint64_t k = begin; k < end; k++) {
            const uint32_t group = g->item_groups[k];
            if (group_kept(g, g->group_starts[group + 1])) g->item_groups[filled++] = group;
        }
        begin = end;
        g->item_starts[item + 1] = filled;
    }
}

/// Turn the lists round; `cursor` [groups].
static void groups_fill(grouping *g, uint64_t *cursor) {
    for (uint32_t group = 0; group < g->mined->groups; group++) {
        const uint64_t size = g->group_starts[group + 1];
        cursor[group] = g->group_starts[group];
        g->group_starts[group + 1] = cursor[group] + (group_kept(g, size) ? size : 0);
    }
    for (uint32_t item = 0; item < g->mined->items; item++) {
        for (uint64_t k = g->item_starts[item]; k < g->item_starts[item + 1]; k++)
            g->members[cursor[g->item_groups[k]]++] = item;
    }
}

static lode_status mine(const void *config, const lode_mine_input *input, lode_mined *mined,
                        lode_error *error) {
    grouping g = {.config = config, .input = input, .mined = mined};
    mined->kind = LODE_MINED_GROUPS;
    LODE_TRY(column_find(g.config, input->data, &g.column, error));
    const size_t codes = g.column->type == LODE_COLUMN_TOKEN
                             ? (size_t)g.column->rows
                             : (size_t)g.column->starts[g.column->rows];
    lode_arena *arena = &mined->arena, scratch = {0};
    mined->groups = g.column->tokens.count;
    g.item_starts = lode__arena_alloc(arena, (size_t)mined->items + 1, sizeof *g.item_starts);
    g.group_starts = lode__arena_alloc(arena, (size_t)mined->groups + 1, sizeof *g.group_starts);
    g.item_groups = lode__arena_alloc(arena, codes, sizeof *g.item_groups);
    g.members = lode__arena_alloc(arena, codes, sizeof *g.members);
    uint64_t *cursor = lode__arena_alloc(&scratch, mined->groups, sizeof *cursor);
    lode_status status = LODE_OK;
    if (!g.item_starts || !g.group_starts || !g.item_groups || !g.members || !cursor) {
        status = lode__fail_memory(error);
    } else {
        items_fill(&g);
        items_filter(&g);
        groups_fill(&g, cursor);
        mined->item_starts = g.item_starts;
        mined->group_starts = g.group_starts;
        mined->item_groups = g.item_groups;
        mined->members = g.members;
        mined->memory = 8 * ((uint64_t)mined->items + 2 * (uint64_t)mined->groups + codes);
    }
    lode__arena_release(&scratch);
    return status;
}

static const lode_column *column_of(const void *config, const lode_dataset *data) {
    const lode_column *column = NULL;
    return column_find(config, data, &column, NULL) == LODE_OK ? column : NULL;
}

const lode_miner_type lode__miner_taxonomy = {
    .name = "taxonomy",
    .help = "Items that share a token of a column (category, tag, brand, ...), as groups.",
    .keys = keys,
    .config_size = sizeof(taxonomy_config),
    .mine = mine,
    .column = column_of};
