#include "search/scanner.h"

#include <string.h>

enum {
    GUESS_STEP = 16, ///< blocks of which one is in the sample
    GUESS_K = 8,     ///< shorter lists find their bar soon enough
    GUESS_ROWS = 64  ///< rows a place of the list
};

bool lode__scanner_init(lode_scanner *scanner, lode_arena *arena, const lode_table *table,
                        size_t count, size_t ids, size_t k) {
    *scanner = (lode_scanner){.table = table,
                              .kernels = lode__kernels_f32(),
                              .scan = lode__scan_kernel(),
                              .groups = (table->dim + 3) / 4,
                              .ids = ids,
                              .count = count};
    assert(count <= LODE_QUESTS && LODE_WAITING % scanner->kernels->panel == 0);
    const size_t capacity = lode__best_capacity(k), code_bytes = scanner->groups * 4;
    scanner->quests = lode__arena_alloc(arena, count, sizeof *scanner->quests);
    scanner->gathered = lode__arena_alloc(arena, table->dim, LODE_WAITING * sizeof(float));
    scanner->packed = lode__arena_alloc(arena, table->dim, LODE_WAITING * sizeof(float));
    scanner->scores = lode__arena_alloc(arena, LODE_WAITING, sizeof(float));
    scanner->gemm = lode__arena_alloc(arena, LODE_GEMM_SCRATCH, sizeof(float));
    scanner->hits = lode__arena_alloc(arena, count * LODE_BLOCK_WORDS, sizeof(uint64_t));
    scanner->pointers = lode__arena_alloc(arena, count, sizeof *scanner->pointers);
    scanner->bars = lode__arena_alloc(arena, count, sizeof *scanner->bars);
    scanner->active = lode__arena_alloc(arena, 2 * count, sizeof *scanner->active);
    if (!scanner->quests || !scanner->gathered || !scanner->packed || !scanner->scores ||
        !scanner->gemm || !scanner->hits || !scanner->pointers || !scanner->bars ||
        !scanner->active)
        return false;
    for (size_t q = 0; q < count; q++) {
        lode_quest *quest = &scanner->quests[q];
        quest->codes = lode__arena_alloc(arena, code_bytes, 1);
        quest->marks = ids > 0 ? lode__arena_alloc(arena, ids / 64 + 1, sizeof(uint64_t)) : NULL;
        quest->rows = lode__arena_alloc(arena, LODE_WAITING, sizeof *quest->rows);
        quest->best.capacity = capacity;
        quest->best.entries = lode__arena_alloc(arena, capacity, sizeof(lode_entry));
        if (!quest->codes || !quest->rows || !quest->best.entries || (ids > 0 && !quest->marks))
            return false;
    }
    return true;
}

void lode__quest_begin(lode_scanner *scanner, size_t number, const float *query, size_t k,
                       const uint32_t *out, size_t out_count) {
    lode_quest *quest = &scanner->quests[number];
    quest->query = query;
    quest->waiting = 0;
    lode__best_clear(&quest->best, k, 0);
    lode__query_code(scanner->table->dim, query, &quest->coded, quest->codes);
    for (size_t i = 0; i < out_count; i++)
        if (out[i] < scanner->ids) quest->marks[out[i] / 64] |= (uint64_t)1 << (out[i] % 64);
}

// ------------------------------------------------------------------------------------------------
// Scores
// ------------------------------------------------------------------------------------------------

/// Scores of the first `n` gathered vectors, by the product that exact search uses.
static void score_gathered(lode_scanner *scanner, const float *query, size_t n, const float *from) {
    const size_t dim = scanner->table->dim;
    scanner->kernels->pack(dim, n, from, 1, dim, scanner->packed);
    const struct lode_gemm_f32 gemm = {.m = 1,
                                       .n = n,
                                       .k = dim,
                                       .a = query,
                                       .a_row = dim,
                                       .a_column = 1,
                                       .b = scanner->packed,
                                       .b_packed = true,
                                       .c = scanner->scores,
                                       .c_row = LODE_WAITING,
                                       .scratch = scanner->gemm};
    scanner->kernels->gemm(&gemm);
}

static const float *row_vector(const lode_table *table, uint32_t row) {
    return table->vectors + (table->by_id ? table->ids[row] : row) * table->dim;
}

static void push_score(lode_quest *quest, float score, uint32_t id) {
    if (score > -INFINITY) lode__best_push(&quest->best, lode__entry_make(score, id)); // not NaN
}

static void quest_score(lode_scanner *scanner, lode_quest *quest) {
    const lode_table *table = scanner->table;
    const size_t n = quest->waiting, dim = table->dim;
    if (n == 0) return;
    for (size_t i = 0; i < n; i++)
        memcpy(scanner->gathered + i * dim, row_vector(table, quest->rows[i]), dim * sizeof(float));
    score_gathered(scanner, quest->query, n, scanner->gathered);
    for (size_t i = 0; i < n; i++)
        push_score(quest, scanner->scores[i], table->ids[quest->rows[i]]);
    quest->waiting = 0;
}

static bool left_out(const lode_scanner *scanner, const lode_quest *quest, uint32_t id) {
    return (quest->marks && lode__bit(quest->marks, id)) ||
           (scanner->table->deleted && lode__bit(scanner->table->deleted, id)) ||
           (scanner->allowed && !lode__bit(scanner->allowed, id));
}

void lode__quest_take(lode_scanner *scanner, lode_quest *quest, uint32_t row) {
    const lode_table *table = scanner->table;
    if (left_out(scanner, quest, table->ids[row])) return;
    const char *vector = (const char *)row_vector(table, row);
    for (size_t at = 0; at < LODE_MIN(table->dim * sizeof(float), (size_t)512); at += 64)
        __builtin_prefetch(vector + at);
    quest->rows[quest->waiting++] = row;
    if (quest->waiting == LODE_WAITING) quest_score(scanner, quest);
}

void lode__quest_offer(lode_scanner *scanner, lode_quest *quest, const float *vectors, size_t count,
                       size_t first_id) {
    for (size_t begin = 0; begin < count; begin += LODE_WAITING) {
        const size_t n = LODE_MIN(count - begin, (size_t)LODE_WAITING);
        score_gathered(scanner, quest->query, n, vectors + begin * scanner->table->dim);
        for (size_t i = 0; i < n; i++) {
            const uint32_t id = (uint32_t)(first_id + begin + i);
            if (!left_out(scanner, quest, id)) push_score(quest, scanner->scores[i], id);
        }
    }
}

void lode__quest_end(lode_scanner *scanner, lode_quest *quest, const uint32_t *out,
                     size_t out_count) {
    quest_score(scanner, quest);
    for (size_t i = 0; i < out_count; i++)
        if (out[i] < scanner->ids) quest->marks[out[i] / 64] = 0;
}

// ------------------------------------------------------------------------------------------------
// Blocks
// ------------------------------------------------------------------------------------------------

static void take_hits(lode_scanner *scanner, lode_quest *quest, const lode_block *block,
                      const uint64_t *hits) {
    for (uint32_t begin = 0; begin < block->rows; begin += LODE_SCAN_WORD) {
        uint64_t word = hits[begin / LODE_SCAN_WORD];
        const uint32_t left = block->rows - begin;
        if (left < LODE_SCAN_WORD) word &= ((uint64_t)1 << left) - 1;
        for (; word != 0; word &= word - 1)
            lode__quest_take(scanner, quest,
                             block->first_row + begin + (uint32_t)__builtin_ctzll(word));
    }
}

void lode__quests_visit(lode_scanner *scanner, const uint32_t *quests, size_t count, size_t number) {
    const lode_table *table = scanner->table;
    const lode_block *block = &table->blocks[number];
    uint32_t *chosen = scanner->active + scanner->count;
    size_t rows = 0;
    for (size_t i = 0; i < count; i++) {
        const lode_quest *quest = &scanner->quests[quests[i]];
        const int32_t bar = lode__query_bar(&quest->coded, block, table->dim,
                                            (double)lode__best_bar(&quest->best));
        if (bar == INT32_MAX) continue;
        scanner->pointers[rows] = quest->codes;
        scanner->bars[rows] = bar;
        chosen[rows++] = quests[i];
    }
    const size_t words = lode__codes_words(block->rows);
    scanner->scan(&(struct lode_scan){
        .groups = scanner->groups,
        .words = words,
        .items = table->bytes + (size_t)block->first_word * scanner->groups * 4 * LODE_SCAN_WORD,
        .rows = rows,
        .queries = scanner->pointers,
        .bars = scanner->bars,
        .hits = scanner->hits});
    for (size_t row = 0; row < rows; row++)
        take_hits(scanner, &scanner->quests[chosen[row]], block, scanner->hits + row * words);
}

static void scan_blocks(lode_scanner *scanner, size_t count, size_t first, size_t step) {
    const lode_table *table = scanner->table;
    uint32_t *active = scanner->active;
    for (size_t block = first; block < table->count && count > 0; block += step) {
        const double norm = (double)table->blocks[block].norm;
        size_t left = 0;
        for (size_t i = 0; i < count; i++) {
            const lode_quest *quest = &scanner->quests[active[i]];
            if (!lode__query_hopeless(&quest->coded, table->dim, norm,
                                      (double)lode__best_bar(&quest->best)))
                active[left++] = active[i];
        }
        count = left;
        lode__quests_visit(scanner, active, count, block);
    }
}

/// With sampling on average `mean` of the k best in the sample, as good as always at most this many.
static size_t sample_rank(double mean) {
    return (size_t)(mean + 3 * sqrt(mean)) + 2;
}

/// Floors from a sample of the blocks: the score at a rank of the sample that is nearly always worse than the k-th
/// best of all.
static void guess_floors(lode_scanner *scanner, size_t count, size_t step) {
    for (size_t q = 0; q < count; q++) {
        lode_best *best = &scanner->quests[q].best;
        scanner->active[q] = (uint32_t)q;
        lode__best_clear(best, sample_rank((double)best->k / (double)step), 0);
    }
    scan_blocks(scanner, count, step / 2, step);
}

void lode__quests_scan(lode_scanner *scanner, size_t count, size_t k, size_t first, size_t step) {
    const bool guess = step == 1 && k >= GUESS_K && scanner->table->rows >= GUESS_ROWS * k;
    if (guess) guess_floors(scanner, count, GUESS_STEP);
    for (size_t q = 0; q < count; q++) {
        lode_best *best = &scanner->quests[q].best;
        if (guess) {
            quest_score(scanner, &scanner->quests[q]);
            lode__best_cut(best);
            lode__best_clear(best, k, best->filled == best->k ? best->worst - 1 : 0);
        }
        scanner->active[q] = (uint32_t)q;
    }
    scan_blocks(scanner, count, first, step);
    size_t again = 0;
    for (size_t q = 0; guess && q < count; q++) {
        lode_best *best = &scanner->quests[q].best;
        quest_score(scanner, &scanner->quests[q]);
        if (best->filled >= k || best->worst == 0) continue; // the guess held, or there was none
        lode__best_clear(best, k, 0);
        scanner->active[again++] = (uint32_t)q;
    }
    scan_blocks(scanner, again, first, step);
}
