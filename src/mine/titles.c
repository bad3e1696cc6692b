/// Miner `titles`: items whose titles are alike, from the data set alone.
///
/// Titles become vectors (title_vectors.h), and neighbours are found as the miner `vectors` finds them. It stands in for the
/// sentence embeddings of a language model (MicRec 3.4), which come in through `vectors` where one has them.
///
/// Titles that have the same terms ("The Matrix", "MATRIX, the" but for pairs of words) are searched once, as one title: the list of
/// an item begins with the items of the same title, at similarity 1 and in their order, and a title that is found gives
/// all of its items, ties by lower item. So many items with one title cost as much as one. Two titles are taken for the same when the
/// 64-bit hashes of their terms are.
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/dictionary.h"
#include "mine/nearest.h"
#include "mine/title_vectors.h"

enum { BLOCK = 256 };

static const char *const scopes[] = {"train", "catalogue", NULL};

typedef struct titles_config {
    const char *column;
    int64_t k, dim, longest;
    lode_ints pieces;
    double least, piece_weight, word_weight, pair_weight, number_weight;
    int items, search;
} titles_config;

#define AT(member) .offset = offsetof(titles_config, member)
static const lode_key keys[] = {
    {.name = "k",
     .type = LODE_KEY_INT,
     AT(k),
     .fallback = "20",
     .low = 1,
     .high = 10000,
     .help = "Neighbours kept of each item."},
    {.name = "column",
     .type = LODE_KEY_TEXT,
     AT(column),
     .help = "Item column of type text; by default the title (called title or name, or ending in "
             "_title or _name), else the only one."},
    {.name = "dim",
     .type = LODE_KEY_INT,
     AT(dim),
     .fallback = "256",
     .low = 16,
     .high = 4096,
     .help = "Numbers of a title's vector: similarities are wrong by about 1 / sqrt(dim)."},
    {.name = "pieces",
     .type = LODE_KEY_INTS,
     AT(pieces),
     .fallback = "[3, 5]",
     .low = 2,
     .high = 9,
     .help = "Shortest and longest pieces of words that are terms, in letters; [] = words alone."},
    {.name = "piece_weight",
     .type = LODE_KEY_REAL,
     AT(piece_weight),
     .fallback = "1",
     .low = 0,
     .high = 1000,
     .help = "Weight of a piece of a word."},
    {.name = "word_weight",
     .type = LODE_KEY_REAL,
     AT(word_weight),
     .fallback = "1.5",
     .low = 0,
     .high = 1000,
     .help = "Weight of a word."},
    {.name = "pair_weight",
     .type = LODE_KEY_REAL,
     AT(pair_weight),
     .fallback = "0.5",
     .low = 0,
     .high = 1000,
     .help = "Weight of two words that follow each other; 0 = these are no terms."},
    {.name = "number_weight",
     .type = LODE_KEY_REAL,
     AT(number_weight),
     .fallback = "0.5",
     .low = 0,
     .high = 1000,
     .help = "Weight of a number."},
    {.name = "longest",
     .type = LODE_KEY_INT,
     AT(longest),
     .fallback = "4096",
     .low = 16,
     .high = 1e6,
     .help = "Bytes of a title that are read; what follows is left out, with a notice."},
    {.name = "min_similarity",
     .type = LODE_KEY_REAL,
     AT(least),
     .fallback = "0",
     .low = -1,
     .high = 1,
     .help = "Neighbours that are less similar are left out of the lists."},
    {.name = "items",
     .type = LODE_KEY_CHOICE,
     AT(items),
     .fallback = "train",
     .choices = scopes,
     .help =
         "train: items with a training click have neighbours and are neighbours; catalogue: all."},
    {.name = "search",
     .type = LODE_KEY_CHOICE,
     AT(search),
     .fallback = "exact",
     .choices = lode__nearest_searches,
     .help = "exact, or approximate: through a network of neighbours, for very many titles."},
    {0}};
#undef AT

typedef struct mining_titles {
    const titles_config *config;
    const lode_mine_input *input;
    lode_mined *mined;
    const lode_column *column;
    double weights[LODE_TERM_KINDS];
    lode_title_terms *terms; ///< [threads]
    lode_term_counts counts;

    // Titles are numbered by their first item. members[begins[t]] .. are the items of title t, rising.
    uint32_t titles;
    uint64_t *signature; ///< [items] hash of the terms
    bool *has;           ///< [items] it has a title that says something
    uint32_t *title_of;  ///< [items] or UINT32_MAX
    uint32_t *begins;    ///< [titles + 1]
    uint32_t *members;
    float *vectors;              ///< [titles, dim]
    bool *spoken;                ///< [titles] its vector is not 0
    _Atomic uint64_t term_count; ///< of all titles together
    _Atomic uint64_t cut;        ///< titles that are longer than is read
    lode_arena scratch;
} mining_titles;

// ------------------------------------------------------------------------------------------------
// The column
// ------------------------------------------------------------------------------------------------

static lode_status column_find(const titles_config *config, const lode_dataset *data,
                               const lode_column **out, lode_error *error) {
    const char *wanted = config->column, *names[64];
    const lode_column *only = NULL;
    lode_text list = {0};
    size_t count = 0;
    *out = wanted == NULL ? lode__title_column(data) : NULL;
    for (size_t k = 0; k < data->item_column_count; k++) {
        const lode_column *column = &data->item_columns[k];
        if (column->type != LODE_COLUMN_TEXT) continue;
        lode__text_printf(&list, "%s%s", count > 0 ? ", " : "", column->name);
        if (count < 64) names[count] = column->name;
        count++;
        only = column;
        if (wanted != NULL && strcmp(column->name, wanted) == 0) *out = column;
    }
    if (*out == NULL && wanted == NULL && count == 1) *out = only;
    lode_status status = LODE_OK;
    if (count == 0) {
        status = lode__fail(error, LODE_E_CONFIG,
                            "the data set has no item column of texts (text) to read titles from");
    } else if (*out == NULL && wanted == NULL) {
        status = lode__fail(error, LODE_E_CONFIG,
                            "which titles? the data set has several columns of texts: %s (column)",
                            list.data != NULL ? list.data : "");
    } else if (*out == NULL) {
        status = lode__fail_unknown(error, LODE_E_CONFIG, "the data set has no item column of texts",
                                    wanted, names, LODE_MIN(count, (size_t)64));
    }
    lode__text_release(&list);
    return status;
}

// ------------------------------------------------------------------------------------------------
// Which titles there are
// ------------------------------------------------------------------------------------------------

static void read_title(const mining_titles *m, uint32_t item, lode_title_terms *terms) {
    const uint64_t begin = m->column->starts[item], end = m->column->starts[item + 1];
    lode__title_terms_read(terms, m->column->bytes + begin, (size_t)(end - begin - 1));
}

static void sign(void *context, size_t task, size_t thread) {
    mining_titles *m = context;
    lode_title_terms *terms = &m->terms[thread];
    const size_t end = LODE_MIN((size_t)m->mined->items, (task + 1) * BLOCK);
    for (size_t item = task * BLOCK; item < end; item++) {
        if (m->config->items == 0 && m->input->split->item_count[item] == 0) continue;
        read_title(m, (uint32_t)item, terms);
        const uint64_t times = lode__hash(terms->times, terms->count * sizeof *terms->times, 0);
        m->has[item] = terms->count > 0;
        m->signature[item] = lode__hash(terms->terms, terms->count * sizeof *terms->terms, times);
        atomic_fetch_add_explicit(&m->term_count, terms->count, memory_order_relaxed);
        if (terms->cut) atomic_fetch_add_explicit(&m->cut, 1, memory_order_relaxed);
    }
}

typedef struct signed_item {
    uint64_t signature;
    uint32_t item;
} signed_item;

static int by_signature(const void *a, const void *b) {
    const signed_item *x = a, *y = b;
    if (x->signature != y->signature) return x->signature < y->signature ? -1 : 1;
    return (x->item > y->item) - (x->item < y->item);
}

/// Set first[item] to the first item with the same title.
static lode_status find_first(mining_titles *m, uint32_t *first, lode_error *error) {
    lode_arena arena = {0};
    size_t count = 0;
    signed_item *list = lode__arena_alloc(&arena, m->mined->items, sizeof *list);
    if (list == NULL) return lode__fail_memory(error);
    for (uint32_t item = 0; item < m->mined->items; item++) {
        if (m->has[item]) list[count++] = (signed_item){m->signature[item], item};
    }
    qsort(list, count, sizeof *list, by_signature);
    for (size_t k = 0; k < count; k++) {
        const bool same = k > 0 && list[k - 1].signature == list[k].signature;
        first[list[k].item] = same ? first[list[k - 1].item] : list[k].item;
    }
    lode__arena_release(&arena);
    return LODE_OK;
}

static lode_status group(mining_titles *m, lode_error *error) {
    const uint32_t items = m->mined->items;
    uint32_t *first = lode__arena_alloc(&m->scratch, items, sizeof *first);
    m->title_of = lode__arena_alloc(&m->scratch, items, sizeof *m->title_of);
    m->begins = lode__arena_alloc(&m->scratch, (size_t)items + 2, sizeof *m->begins);
    m->members = lode__arena_alloc(&m->scratch, items, sizeof *m->members);
    if (!first || !m->title_of || !m->begins || !m->members) return lode__fail_memory(error);
    LODE_TRY(find_first(m, first, error));
    uint32_t *const ends =
        m->begins + 1; // where the next member goes; in the end where the title ends
    for (uint32_t item = 0; item < items; item++) {
        if (!m->has[item]) continue;
        m->title_of[item] = first[item] == item ? m->titles++ : m->title_of[first[item]];
        ends[m->title_of[item] + 1]++;
    }
    for (uint32_t title = 0; title < m->titles; title++)
        ends[title + 1] += ends[title];
    for (uint32_t item = 0; item < items; item++) {
        if (m->has[item]) m->members[ends[m->title_of[item]]++] = item;
    }
    return LODE_OK;
}

// ------------------------------------------------------------------------------------------------
// Vectors
// ------------------------------------------------------------------------------------------------

static void count_terms(void *context, size_t task, size_t thread) {
    mining_titles *m = context;
    const size_t end = LODE_MIN((size_t)m->titles, (task + 1) * BLOCK);
    for (size_t title = task * BLOCK; title < end; title++) {
        read_title(m, m->members[m->begins[title]], &m->terms[thread]);
        lode__term_counts_add(&m->counts, &m->terms[thread]);
    }
}

static void make_vectors(void *context, size_t task, size_t thread) {
    mining_titles *m = context;
    const size_t dim = (size_t)m->config->dim;
    const size_t end = LODE_MIN((size_t)m->titles, (task + 1) * BLOCK);
    for (size_t title = task * BLOCK; title < end; title++) {
        float *vector = m->vectors + title * dim;
        read_title(m, m->members[m->begins[title]], &m->terms[thread]);
        lode__title_vector(&m->terms[thread], &m->counts, m->weights, vector, dim);
        for (size_t d = 0; d < dim; d++)
            m->spoken[title] = m->spoken[title] || vector[d] != 0;
    }
}

static void run(mining_titles *m, size_t count, lode_task *task) {
    lode__pool_run(m->input->pool, (count + BLOCK - 1) / BLOCK, task, m);
}

static lode_status read_all(mining_titles *m, lode_error *error) {
    const titles_config *config = m->config;
    const lode_term_options options = {
        .shortest = config->pieces.count > 0 ? (size_t)config->pieces.values[0] : 0,
        .longest = config->pieces.count > 0 ? (size_t)config->pieces.values[1] : 0,
        .pairs = config->pair_weight > 0,
        .bytes = (size_t)config->longest};
    const size_t threads = lode__pool_threads(m->input->pool);
    m->terms = lode__arena_alloc(&m->scratch, threads, sizeof *m->terms);
    m->signature = lode__arena_alloc(&m->scratch, m->mined->items, sizeof *m->signature);
    m->has = lode__arena_alloc(&m->scratch, m->mined->items, sizeof *m->has);
    if (!m->terms || !m->signature || !m->has) return lode__fail_memory(error);
    for (size_t thread = 0; thread < threads; thread++)
        LODE_TRY(lode__title_terms_init(&m->terms[thread], &options, &m->scratch, error));
    run(m, m->mined->items, sign);
    if (m->cut > 0) {
        lode__notice(m->input->hooks, "of %llu titles only the first %lld bytes are read (longest)",
                     (unsigned long long)m->cut, (long long)config->longest);
    }
    LODE_TRY(group(m, error));
    LODE_TRY(lode__term_counts_init(&m->counts, m->term_count, &m->scratch, error));
    run(m, m->titles, count_terms);
    m->counts.titles = m->titles;
    size_t numbers;
    if (!lode__size_mul(m->titles, (size_t)config->dim, &numbers)) return lode__fail_memory(error);
    m->vectors = lode__arena_alloc(&m->scratch, numbers, sizeof *m->vectors);
    m->spoken = lode__arena_alloc(&m->scratch, m->titles, sizeof *m->spoken);
    if (!m->vectors || !m->spoken) return lode__fail_memory(error);
    run(m, m->titles, make_vectors);
    return LODE_OK;
}

// ------------------------------------------------------------------------------------------------
// Lists
// ------------------------------------------------------------------------------------------------

/// What was found among titles, and the list of an item while it is made.
typedef struct lists {
    const mining_titles *m;
    const uint32_t *ids;  ///< [titles, k]
    const float *scores;  ///< [titles, k]
    size_t k;             ///< of them
    size_t most, filled;  ///< of an item's list
    uint32_t *items;      ///< [most]
    float *similarity;    ///< [most]
    uint32_t *run, *both; ///< [most]
} lists;

/// The items of title `title` but `self`, joined with `count` items of `run`, rising, at most `room`.
static size_t join(lists *l, uint32_t title, uint32_t self, size_t count, size_t room) {
    const uint32_t *at = l->m->members + l->m->begins[title];
    const uint32_t *const end = l->m->members + l->m->begins[title + 1];
    size_t taken = 0, filled = 0;
    while (filled < room && (taken < count || at < end)) {
        if (at < end && *at == self) {
            at++;
        } else if (taken < count && (at == end || l->run[taken] < *at)) {
            l->both[filled++] = l->run[taken++];
        } else {
            l->both[filled++] = *at++;
        }
    }
    uint32_t *const swap = l->run;
    l->run = l->both;
    l->both = swap;
    return filled;
}

static void append(lists *l, size_t count, float similarity) {
    memcpy(l->items + l->filled, l->run, count * sizeof *l->items);
    for (size_t k = 0; k < count; k++)
        l->similarity[l->filled++] = similarity;
}

static void list_make(lists *l, uint32_t item) {
    l->filled = 0;
    if (!l->m->has[item]) return;
    const uint32_t title = l->m->title_of[item];
    const uint32_t *ids = l->ids + title * l->k;
    const float *scores = l->scores + title * l->k;
    append(l, join(l, title, item, 0, l->most), 1);
    for (size_t at = 0, next; at < l->k && l->filled < l->most; at = next) {
        const float score = scores[at];
        size_t count = 0;
        if (ids[at] == LODE_NO_ITEM || !((double)score >= l->m->config->least)) break;
        for (next = at; next < l->k && ids[next] != LODE_NO_ITEM && scores[next] <= score &&
                        scores[next] >= score;
             next++)
            count = join(l, ids[next], item, count, l->most - l->filled);
        append(l, count, LODE_MIN(score, 1));
    }
}

static lode_status lists_make(lists *l, lode_error *error) {
    lode_mined *mined = l->m->mined;
    lode_arena *arena = &mined->arena;
    lode_arena scratch = {0};
    lode_status status = LODE_OK;
    uint64_t *starts = lode__arena_alloc(arena, (size_t)mined->items + 1, sizeof *starts);
    l->items = lode__arena_alloc(&scratch, l->most, sizeof *l->items);
    l->similarity = lode__arena_alloc(&scratch, l->most, sizeof *l->similarity);
    l->run = lode__arena_alloc(&scratch, l->most, sizeof *l->run);
    l->both = lode__arena_alloc(&scratch, l->most, sizeof *l->both);
    if (!starts || !l->items || !l->similarity || !l->run || !l->both) {
        status = lode__fail_memory(error);
        goto done;
    }
    for (uint32_t item = 0; item < mined->items; item++) {
        list_make(l, item);
        starts[item + 1] = starts[item] + l->filled;
    }
    uint32_t *partners = lode__arena_alloc(arena, (size_t)starts[mined->items], sizeof *partners);
    float *similarity = lode__arena_alloc(arena, (size_t)starts[mined->items], sizeof *similarity);
    if (!partners || !similarity) {
        status = lode__fail_memory(error);
        goto done;
    }
    for (uint32_t item = 0; item < mined->items; item++) {
        list_make(l, item);
        memcpy(partners + starts[item], l->items, l->filled * sizeof *partners);
        memcpy(similarity + starts[item], l->similarity, l->filled * sizeof *similarity);
    }
    mined->starts = starts;
    mined->partners = partners;
    mined->similarity = similarity;
done:
    lode__arena_release(&scratch);
    return status;
}

static lode_status mine_all(mining_titles *m, lode_error *error) {
    const titles_config *config = m->config;
    LODE_TRY(column_find(config, m->input->data, &m->column, error));
    LODE_TRY(read_all(m, error));
    const lode_neighbours search = {.vectors = m->vectors,
                                    .items = m->titles,
                                    .dim = (size_t)config->dim,
                                    .allowed = m->spoken,
                                    .k = (size_t)config->k};
    uint32_t *ids;
    float *scores;
    lists l = {.m = m, .most = (size_t)LODE_MIN(config->k, (int64_t)m->mined->items)};
    LODE_TRY(lode__mine_nearest(search, config->search, m->input, &m->scratch, &ids, &scores, &l.k,
                                error));
    l.ids = ids;
    l.scores = scores;
    m->mined->memory = m->scratch.bytes + (uint64_t)m->titles * (uint64_t)config->dim;
    return lists_make(&l, error);
}

static lode_status mine(const void *config, const lode_mine_input *input, lode_mined *mined,
                        lode_error *error) {
    mining_titles m = {.config = config, .input = input, .mined = mined};
    m.weights[LODE_TERM_PIECE] = m.config->piece_weight;
    m.weights[LODE_TERM_WORD] = m.config->word_weight;
    m.weights[LODE_TERM_PAIR] = m.config->pair_weight;
    m.weights[LODE_TERM_NUMBER] = m.config->number_weight;
    mined->kind = LODE_MINED_PAIRS;
    const lode_status status = mine_all(&m, error);
    lode__arena_release(&m.scratch);
    return status;
}

static lode_status identify(const void *config, const lode_mine_input *input, lode_text *key,
                            lode_error *error) {
    (void)input;
    lode__text_printf(key, "terms: 1\n"); // another number when the same title gives other terms
    const lode_ints *pieces = &((const titles_config *)config)->pieces;
    if (pieces->count == 0) return LODE_OK;
    if (pieces->count == 2 && pieces->values[0] <= pieces->values[1]) return LODE_OK;
    return lode__fail(error, LODE_E_CONFIG,
                      "pieces are two lengths, the shorter first, as in [3, 5], or [] for none");
}

const lode_miner_type lode__miner_titles = {
    .name = "titles",
    .help = "Items with similar titles: TF-IDF of words and pieces of words, projected to vectors.",
    .keys = keys,
    .config_size = sizeof(titles_config),
    .identify = identify,
    .mine = mine};
