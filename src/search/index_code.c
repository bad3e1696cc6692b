// Coding an index's vectors into blocks, and the sections of a file that hold them.
//
// Rows are ordered by group, then by falling norm, so that a block's scale suits its rows and the norm of a block
// can end a search. Sorting is by one 64-bit key an item within a group: the norm's bits and the id.
#include "search/index.h"

#include <math.h>
#include <string.h>

typedef struct coding {
    lode_index *index;
    const float *vectors;
    const uint32_t *group;
    lode_entry *keys; ///< [items]
    uint64_t *starts; ///< [groups + 1] of rows
    size_t groups;
    lode_arena arena;
} coding;

enum { TASK_ITEMS = 4096 };

static void key_task(void *context, size_t task, size_t thread) {
    coding *c = context;
    const size_t end = LODE_MIN(c->index->items, (task + 1) * TASK_ITEMS), dim = c->index->dim;
    (void)thread;
    for (size_t item = task * TASK_ITEMS; item < end; item++) {
        const float norm = (float)lode__vector_norm(dim, c->vectors + item * dim);
        c->keys[item] = lode__entry_make(norm < INFINITY ? norm : INFINITY, (uint32_t)item);
    }
}

static void sort_task(void *context, size_t task, size_t thread) {
    const coding *c = context;
    const size_t count = (size_t)(c->starts[task + 1] - c->starts[task]);
    (void)thread;
    lode__entries_sort(c->keys + c->starts[task], count);
}

/// Keys group by group, in the order of items.
static lode_status spread(coding *c, lode_error *error) {
    const size_t items = c->index->items;
    lode_entry *sorted = lode__arena_alloc(&c->arena, items, sizeof *sorted);
    uint64_t *next = lode__arena_alloc(&c->arena, c->groups + 1, sizeof *next);
    if (!sorted || !next) return lode__fail_memory(error);
    for (size_t i = 0; i < items; i++)
        c->starts[(c->group ? c->group[i] : 0) + 1]++;
    for (size_t g = 0; g < c->groups; g++)
        c->starts[g + 1] += c->starts[g];
    memcpy(next, c->starts, (c->groups + 1) * sizeof *next);
    for (size_t i = 0; i < items; i++)
        sorted[next[c->group ? c->group[i] : 0]++] = c->keys[i];
    c->keys = sorted;
    return LODE_OK;
}

/// Rows of the block that begins at `row`: within the group, and not odd ones and others together.
static uint32_t block_rows(const coding *c, uint64_t row, uint64_t end) {
    const bool odd = isinf(lode__entry_score(c->keys[row]));
    uint32_t rows = 1;
    while (rows < LODE_BLOCK_ROWS && row + rows < end &&
           isinf(lode__entry_score(c->keys[row + rows])) == odd)
        rows++;
    return rows;
}

/// Lay the blocks out; with NULL blocks only count them.
static void lay_out(const coding *c, lode_block *blocks, uint32_t *first, size_t *count,
                    size_t *words) {
    *count = *words = 0;
    for (size_t g = 0; g < c->groups; g++) {
        if (first) first[g] = (uint32_t)*count;
        for (uint64_t row = c->starts[g]; row < c->starts[g + 1];) {
            const uint32_t rows = block_rows(c, row, c->starts[g + 1]);
            if (blocks)
                blocks[*count] = (lode_block){
                    .first_word = (uint32_t)*words, .first_row = (uint32_t)row, .rows = rows};
            *words += lode__codes_words(rows);
            row += rows;
            (*count)++;
        }
    }
    if (first) first[c->groups] = (uint32_t)*count;
}

static void fill_task(void *context, size_t task, size_t thread) {
    const coding *c = context;
    lode_index *index = c->index;
    lode_block *block = &index->blocks[task];
    const size_t word_bytes = (index->dim + 3) / 4 * 4 * LODE_SCAN_WORD;
    (void)thread;
    lode__codes_fill(index->dim, c->vectors, index->rows + block->first_row, block,
                     index->bytes + block->first_word * word_bytes);
}

static lode_status code(coding *c, uint32_t *first, lode_pool *pool, lode_error *error) {
    lode_index *index = c->index;
    lode_table *table = &index->table;
    size_t bytes;
    c->keys = lode__arena_alloc(&c->arena, index->items, sizeof *c->keys);
    c->starts = lode__arena_alloc(&c->arena, c->groups + 2, sizeof *c->starts);
    if (!c->keys || !c->starts) return lode__fail_memory(error);
    lode__pool_run(pool, (index->items + TASK_ITEMS - 1) / TASK_ITEMS, key_task, c);
    LODE_TRY(spread(c, error));
    lode__pool_run(pool, c->groups, sort_task, c);
    lay_out(c, NULL, NULL, &table->count, &table->words);
    if (!lode__size_mul(table->words, (index->dim + 3) / 4 * 4 * LODE_SCAN_WORD, &bytes))
        return lode__fail_memory(error);
    index->blocks = lode__alloc(table->count, sizeof *index->blocks);
    index->rows = lode__alloc(index->items, sizeof *index->rows);
    index->bytes = lode__huge_alloc(bytes, 1);
    index->bytes_size = bytes;
    if (!index->blocks || !index->rows || !index->bytes) return lode__fail_memory(error);
    lay_out(c, index->blocks, first, &table->count, &table->words);
    for (size_t row = 0; row < index->items; row++)
        index->rows[row] = lode__entry_item(c->keys[row]);
    lode__pool_run(pool, table->count, fill_task, c);
    table->rows = index->items;
    table->blocks = index->blocks;
    table->bytes = index->bytes;
    table->ids = index->rows;
    table->vectors = c->vectors;
    table->by_id = true;
    return LODE_OK;
}

lode_status lode__index_code(lode_index *index, const float *vectors, const uint32_t *group,
                             size_t groups, uint32_t *starts, lode_pool *pool, lode_error *error) {
    coding c = {.index = index, .vectors = vectors, .group = group, .groups = groups};
    const lode_status status = code(&c, starts, pool, error);
    lode__arena_release(&c.arena);
    return status;
}

static void copy_task(void *context, size_t task, size_t thread) {
    const coding *c = context;
    const lode_index *index = c->index;
    const size_t end = LODE_MIN(index->items, (task + 1) * TASK_ITEMS), dim = index->dim;
    (void)thread;
    for (size_t row = task * TASK_ITEMS; row < end; row++)
        memcpy(index->vectors + row * dim,
               c->vectors + (index->rows ? index->rows[row] : row) * dim, dim * sizeof(float));
}

lode_status lode__index_copy(lode_index *index, const float *vectors, lode_pool *pool,
                             lode_error *error) {
    coding c = {.index = index, .vectors = vectors};
    size_t numbers;
    if (!lode__size_mul(index->items, index->dim, &numbers)) return lode__fail_memory(error);
    index->vectors = lode__huge_alloc(numbers, sizeof *index->vectors);
    if (!index->vectors) return lode__fail_memory(error);
    lode__pool_run(pool, (index->items + TASK_ITEMS - 1) / TASK_ITEMS, copy_task, &c);
    index->table.vectors = index->vectors;
    index->table.by_id = false;
    return LODE_OK;
}

// ------------------------------------------------------------------------------------------------
// Files
// ------------------------------------------------------------------------------------------------

lode_status lode__index_write_codes(const lode_index *index, lode_container_writer *writer,
                                    lode_error *error) {
    const lode_table *table = &index->table;
    const size_t bytes = table->words * ((index->dim + 3) / 4) * 4 * LODE_SCAN_WORD;
    LODE_TRY(lode__section_write(writer, "blocks", table->blocks,
                                 table->count * sizeof *table->blocks, error));
    LODE_TRY(lode__section_write(writer, "ids", table->ids, index->items * sizeof *table->ids, error));
    return lode__section_write(writer, "codes", table->bytes, bytes, error);
}

static lode_status check_blocks(const lode_index *index, lode_error *error) {
    const lode_table *table = &index->table;
    uint64_t row = 0, word = 0;
    bool sound = true;
    for (size_t b = 0; b < table->count && sound; b++) {
        const lode_block *block = &table->blocks[b];
        sound = block->first_row == row && block->first_word == word && block->rows > 0 &&
                block->rows <= LODE_BLOCK_ROWS && block->scale >= 0 && block->slack >= 0 &&
                block->norm >= 0 && block->scale < INFINITY;
        row += block->rows;
        word += lode__codes_words(block->rows);
    }
    if (!sound || row != index->items)
        return lode__fail(error, LODE_E_FORMAT, "%s is damaged: its blocks do not hold %zu vectors",
                          index->file.path, index->items);
    return LODE_OK;
}

/// Every id once.
static lode_status check_ids(const lode_index *index, lode_error *error) {
    uint64_t *seen = lode__alloc(index->items / 64 + 1, sizeof *seen);
    if (!seen) return lode__fail_memory(error);
    bool sound = true;
    for (size_t row = 0; row < index->items && sound; row++) {
        const uint32_t id = index->table.ids[row];
        sound = id < index->items && !lode__bit(seen, id);
        if (sound) seen[id / 64] |= (uint64_t)1 << (id % 64);
    }
    lode__free(seen);
    return sound ? LODE_OK
                 : lode__fail(error, LODE_E_FORMAT,
                              "%s is damaged: its ids are not 0 to %zu, each once",
                              index->file.path, index->items - 1);
}

lode_status lode__index_read_codes(lode_index *index, lode_error *error) {
    lode_table *table = &index->table;
    if (index->dim > LODE_CODES_DIM)
        return lode__fail(error, LODE_E_FORMAT, "%s is damaged: %zu dimensions are more than %zu",
                          index->file.path, index->dim, LODE_CODES_DIM);
    const lode_section *blocks = lode__container_find(&index->file, "blocks");
    if (blocks == NULL || blocks->size % sizeof *table->blocks != 0)
        return lode__fail(error, LODE_E_FORMAT, "%s is damaged: it has no section of blocks",
                          index->file.path);
    table->rows = index->items;
    table->count = blocks->size / sizeof *table->blocks;
    table->blocks = blocks->data;
    LODE_TRY(check_blocks(index, error));
    for (size_t b = 0; b < table->count; b++)
        table->words += lode__codes_words(table->blocks[b].rows);
    LODE_TRY(lode__container_array(&index->file, "ids", sizeof *table->ids, index->items,
                                   (const void **)&table->ids, error));
    LODE_TRY(check_ids(index, error));
    return lode__container_array(&index->file, "codes", (index->dim + 3) / 4 * 4 * LODE_SCAN_WORD,
                                 table->words, (const void **)&table->bytes, error);
}
