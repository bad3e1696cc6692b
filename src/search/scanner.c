#include "search/scanner.h"

#include <string.h>

enum {
    GUESS_BLOCKS = 2, ///< blocks of which one gives a word to the sample
    GUESS_K = 8,      ///< shorter lists find their bar soon enough
    GUESS_SPARE = 16, ///< entries of a sample's list past its rank: cut often, it keeps its bar close
    GUESS_ROWS = 64   ///< rows a place of the list
};

bool lode__scanner_init(lode_scanner *scanner, lode_arena *arena, const lode_table *table,
                        size_t count, size_t ids, size_t k) {
    *scanner = (lode_scanner){.table = table,
                              .scan = lode__scan_kernel(),
                              .score = lode__scores_kernel(),
                              .groups = (table->dim + 3) / 4,
                              .ids = ids,
                              .count = count};
    assert(count <= LODE_QUESTS);
    const size_t capacity = lode__best_capacity(k), code_bytes = scanner->groups * 4;
    scanner->quests = lode__arena_alloc(arena, count, sizeof *scanner->quests);
    scanner->hits = lode__arena_alloc(arena, count * LODE_BLOCK_WORDS, sizeof(uint64_t));
    scanner->pointers = lode__arena_alloc(arena, count, sizeof *scanner->pointers);
    scanner->bars = lode__arena_alloc(arena, count, sizeof *scanner->bars);
    scanner->active = lode__arena_alloc(arena, 2 * count, sizeof *scanner->active);
    if (!scanner->quests || !scanner->hits || !scanner->pointers || !scanner->bars || !scanner->active)
        return false;
    for (size_t q = 0; q < count; q++) {
        lode_quest *quest = &scanner->quests[q];
        quest->codes = lode__arena_alloc(arena, code_bytes, 1);
        quest->marks = ids > 0 ? lode__arena_alloc(arena, ids / 64 + 1, sizeof(uint64_t)) : NULL;
        quest->ids = lode__arena_alloc(arena, LODE_WAITING, sizeof *quest->ids);
        quest->vectors = lode__arena_alloc(arena, LODE_WAITING, sizeof *quest->vectors);
        quest->best.capacity = capacity;
        quest->best.entries = lode__arena_alloc(arena, capacity, sizeof(lode_entry));
        if (!quest->codes || !quest->ids || !quest->vectors || !quest->best.entries ||
            (ids > 0 && !quest->marks))
            return false;
    }
    return true;
}

void lode__quest_begin(lode_scanner *scanner, size_t number, const float *query, size_t k,
                       float floor, const uint32_t *out, size_t out_count) {
    lode_quest *quest = &scanner->quests[number];
    quest->query = query;
    quest->waiting = 0;
    quest->floor = floor > -INFINITY ? lode__entry_make(floor, 0) : 0;
    lode__best_clear(&quest->best, k, quest->floor);
    lode__query_code(scanner->table->dim, query, &quest->coded, quest->codes);
    for (size_t i = 0; i < out_count; i++)
        if (out[i] < scanner->ids) quest->marks[out[i] / 64] |= (uint64_t)1 << (out[i] % 64);
}

// ------------------------------------------------------------------------------------------------
// Scores
// ------------------------------------------------------------------------------------------------

static const float *row_vector(const lode_table *table, uint32_t row) {
    return table->vectors + (table->by_id ? table->ids[row] : row) * table->dim;
}

static void quest_score(lode_scanner *scanner, lode_quest *quest) {
    float scores[LODE_WAITING];
    scanner->score(scanner->table->dim, quest->query, quest->waiting, quest->vectors, scores);
    for (size_t i = 0; i < quest->waiting; i++) {
        if (scores[i] > -INFINITY) // not NaN
            lode__best_push(&quest->best, lode__entry_make(scores[i], quest->ids[i]));
    }
    quest->waiting = 0;
}

static bool left_out(const lode_scanner *scanner, const lode_quest *quest, uint32_t id) {
    return (quest->marks && lode__bit(quest->marks, id)) ||
           (scanner->table->deleted && lode__bit(scanner->table->deleted, id)) ||
           (scanner->allowed && !lode__bit(scanner->allowed, id));
}

static void quest_add(lode_scanner *scanner, lode_quest *quest, uint32_t id, const float *vector) {
    if (left_out(scanner, quest, id)) return;
    const size_t bytes = LODE_MIN(scanner->table->dim * sizeof(float), (size_t)1024);
    for (size_t at = 0; at < bytes; at += LODE_CACHE_LINE)
        __builtin_prefetch((const char *)vector + at);
    quest->ids[quest->waiting] = id;
    quest->vectors[quest->waiting++] = vector;
    if (quest->waiting == LODE_WAITING) quest_score(scanner, quest);
}

void lode__quest_take(lode_scanner *scanner, lode_quest *quest, uint32_t row) {
    quest_add(scanner, quest, scanner->table->ids[row], row_vector(scanner->table, row));
}

void lode__quest_offer(lode_scanner *scanner, lode_quest *quest, const float *vectors, size_t count,
                       size_t first_id) {
    for (size_t i = 0; i < count; i++)
        quest_add(scanner, quest, (uint32_t)(first_id + i), vectors + i * scanner->table->dim);
}

void lode__quest_end(lode_scanner *scanner, lode_quest *quest, const uint32_t *out, size_t out_count) {
    quest_score(scanner, quest);
    for (size_t i = 0; i < out_count; i++)
        if (out[i] < scanner->ids) quest->marks[out[i] / 64] = 0;
}

// ------------------------------------------------------------------------------------------------
// Blocks
// ------------------------------------------------------------------------------------------------

static void take_hits(lode_scanner *scanner, lode_quest *quest, const lode_block *block,
                      lode_visit visit, const uint64_t *hits) {
    for (size_t w = 0; w < visit.words; w++) {
        uint64_t word = hits[w];
        if (word == 0) continue;
        const uint32_t begin = (uint32_t)(visit.first + w) * LODE_SCAN_WORD;
        const uint32_t left = block->rows - begin;
        if (left < LODE_SCAN_WORD) word &= ((uint64_t)1 << left) - 1;
        for (; word != 0; word &= word - 1)
            lode__quest_take(scanner, quest,
                             block->first_row + begin + (uint32_t)__builtin_ctzll(word));
    }
}

void lode__quests_visit(lode_scanner *scanner, const uint32_t *quests, size_t count,
                        lode_visit visit) {
    const lode_table *table = scanner->table;
    const lode_block *block = &table->blocks[visit.block];
    uint32_t *chosen = scanner->active + scanner->count;
    size_t rows = 0;
    for (size_t i = 0; i < count; i++) {
        const lode_quest *quest = &scanner->quests[quests[i]];
        const int32_t bar =
            lode__query_bar(&quest->coded, block, table->dim, (double)lode__best_bar(&quest->best));
        if (bar == INT32_MAX) continue;
        scanner->pointers[rows] = quest->codes;
        scanner->bars[rows] = bar;
        chosen[rows++] = quests[i];
    }
    const size_t word_bytes = scanner->groups * 4 * LODE_SCAN_WORD;
    if (visit.words == 0) visit.words = lode__codes_words(block->rows) - visit.first;
    scanner->scan(
        &(struct lode_scan){.groups = scanner->groups,
                            .words = visit.words,
                            .items = table->bytes + (block->first_word + visit.first) * word_bytes,
                            .rows = rows,
                            .queries = scanner->pointers,
                            .bars = scanner->bars,
                            .hits = scanner->hits});
    for (size_t row = 0; row < rows; row++)
        take_hits(scanner, &scanner->quests[chosen[row]], block, visit,
                  scanner->hits + row * visit.words);
}

/// Drop those of the first `count` active quests that have no hope in the block.
static size_t keep_hopeful(lode_scanner *scanner, size_t count, size_t block) {
    const lode_table *table = scanner->table;
    const double norm = (double)table->blocks[block].norm;
    uint32_t *active = scanner->active;
    size_t left = 0;
    for (size_t i = 0; i < count; i++) {
        const lode_quest *quest = &scanner->quests[active[i]];
        if (!lode__query_hopeless(&quest->coded, table->dim, norm,
                                  (double)lode__best_bar(&quest->best)))
            active[left++] = active[i];
    }
    return left;
}

static void scan_blocks(lode_scanner *scanner, size_t count, size_t first, size_t step) {
    for (size_t block = first; block < scanner->table->count && count > 0; block += step) {
        count = keep_hopeful(scanner, count, block);
        lode__quests_visit(scanner, scanner->active, count, (lode_visit){block, 0, 0});
    }
}

/// With `mean` of the k best in a sample on average, nearly never as many as this.
static size_t sample_rank(double mean) {
    return (size_t)(mean + 2.5 * sqrt(mean)) + 2;
}

/// Floors from a sample, one word of every other block: the score at a rank of the sample that is nearly always
/// worse than the k-th best of all.
static void guess_floors(lode_scanner *scanner, size_t count, size_t k) {
    const lode_table *table = scanner->table;
    const size_t rank = sample_rank((double)k / (GUESS_BLOCKS * LODE_BLOCK_WORDS));
    const size_t capacity = scanner->quests[0].best.capacity;
    size_t left = 0;
    for (size_t q = 0; q < count; q++) {
        if (scanner->quests[q].floor != 0) continue; // a better one, from elsewhere
        scanner->active[left++] = (uint32_t)q;
        lode__best_clear(&scanner->quests[q].best, rank, 0);
        scanner->quests[q].best.capacity = LODE_MIN(rank + GUESS_SPARE, capacity);
    }
    for (size_t block = 1, turn = 0; block < table->count; block += GUESS_BLOCKS, turn++) {
        const size_t words = lode__codes_words(table->blocks[block].rows);
        left = keep_hopeful(scanner, left, block);
        lode__quests_visit(scanner, scanner->active, left, (lode_visit){block, turn % words, 1});
    }
    for (size_t q = 0; q < count; q++) {
        lode_best *best = &scanner->quests[q].best;
        scanner->active[q] = (uint32_t)q;
        if (scanner->quests[q].floor != 0) continue;
        quest_score(scanner, &scanner->quests[q]);
        lode__best_cut(best);
        best->capacity = capacity;
        lode__best_clear(best, k, best->filled == rank ? best->worst - 1 : 0);
    }
}

void lode__quests_scan(lode_scanner *scanner, size_t count, size_t k, size_t first, size_t step) {
    const bool guess = step == 1 && k >= GUESS_K && scanner->table->rows >= GUESS_ROWS * k;
    for (size_t q = 0; q < count; q++)
        scanner->active[q] = (uint32_t)q;
    if (guess) guess_floors(scanner, count, k);
    scan_blocks(scanner, count, first, step);
    if (!guess) return;
    size_t again = 0;
    for (size_t q = 0; q < count; q++) {
        lode_best *best = &scanner->quests[q].best;
        if (scanner->quests[q].floor != 0) continue; // nothing was guessed
        quest_score(scanner, &scanner->quests[q]);
        if (best->filled >= k || best->worst == 0) continue; // the guess held, or there was none
        lode__best_clear(best, k, 0);
        scanner->active[again++] = (uint32_t)q;
    }
    scan_blocks(scanner, again, first, step);
}
