// The common part of all indexes: making and freeing, deletions, the side list of appended vectors, files; and the
// common part of searchers.
#include "search/index.h"

#include <math.h>
#include <string.h>

enum { FORMAT = 1, SECTIONS = 16 };

static const lode_index_class *const classes[LODE_INDEX_KINDS] = {
    &lode__index_exact, &lode__index_scan, &lode__index_ivf, &lode__index_graph};

typedef struct index_meta {
    uint64_t items, dim, effort, tail;
    char kind[32];
} index_meta;
_Static_assert(sizeof(index_meta) == 64, "the section meta has 64 bytes");

static lode_index *index_new(const lode_index_class *class, size_t items, size_t dim) {
    lode_index *index = lode__alloc(1, sizeof *index);
    if (!index) return NULL;
    index->class = class;
    index->items = items;
    index->dim = dim;
    index->table.dim = dim;
    index->deleted_words = items / 64 + 1;
    index->deleted = lode__alloc(index->deleted_words, sizeof *index->deleted);
    index->table.deleted = index->deleted;
    if (!index->deleted) lode__index_free(&index);
    return index;
}

lode_status lode__index_build(lode_index **out, const float *vectors, size_t items, size_t dim,
                              const lode_index_options *options, lode_pool *pool, lode_error *error) {
    assert(options->kind < LODE_INDEX_KINDS && items < LODE_NO_ITEM);
    *out = NULL;
    lode_index_kind kind = options->kind;
    if (dim < 1) return lode__fail(error, LODE_E_USAGE, "an index of vectors without numbers");
    if (dim > LODE_CODES_DIM) kind = LODE_INDEX_EXACT;
    lode_index *index = index_new(classes[kind], items, dim);
    if (!index) return lode__fail_memory(error);
    index->borrowed = options->borrow && kind != LODE_INDEX_IVF;
    const lode_status status = index->class->build(index, vectors, options, pool, error);
    if (status != LODE_OK) {
        lode__index_free(&index);
        return status;
    }
    *out = index;
    return LODE_OK;
}

void lode__index_free(lode_index **out) {
    lode_index *index = *out;
    if (!index) return;
    if (index->class->release) index->class->release(index);
    lode__huge_free(index->vectors, index->items * index->dim, sizeof *index->vectors);
    lode__huge_free(index->bytes, index->bytes_size, 1);
    lode__free(index->blocks);
    lode__free(index->rows);
    lode__free(index->deleted);
    lode__free(index->tail);
    lode__arena_release(&index->arena);
    lode__container_close(&index->file);
    lode__free(index);
    *out = NULL;
}

size_t lode__index_size(const lode_index *index) {
    return index->items + index->tail_count;
}

size_t lode__index_dim(const lode_index *index) {
    return index->dim;
}

bool lode__index_holds(const lode_index *index, const float *vectors, size_t items, size_t dim) {
    if (index->items != items || index->dim != dim || index->tail_count > 0) return false;
    const lode_table *table = &index->table;
    for (size_t row = 0; row < items; row++) {
        const size_t id = table->ids != NULL && !table->by_id ? table->ids[row] : row;
        if (memcmp(table->vectors + row * dim, vectors + id * dim, dim * sizeof *vectors) != 0)
            return false;
    }
    return true;
}

const char *lode__index_kind_name(const lode_index *index) {
    return index->class->name;
}

size_t lode__index_effort(const lode_index *index) {
    return index->effort;
}

void lode__index_set_effort(lode_index *index, size_t effort) {
    index->effort = effort;
}

lode_status lode__index_delete(lode_index *index, const uint32_t *ids, size_t count,
                               lode_error *error) {
    (void)error;
    for (size_t i = 0; i < count; i++) {
        if (ids[i] < lode__index_size(index))
            index->deleted[ids[i] / 64] |= (uint64_t)1 << (ids[i] % 64);
    }
    return LODE_OK;
}

lode_status lode__index_append(lode_index *index, const float *vectors, size_t count,
                               lode_error *error) {
    if (count == 0) return LODE_OK;
    size_t numbers, words = index->deleted_words;
    const size_t total = index->tail_count + count;
    if (index->items + total >= LODE_NO_ITEM)
        return lode__fail(error, LODE_E_USAGE, "an index holds fewer than 2^32 vectors");
    if (!lode__size_mul(total, index->dim, &numbers) ||
        !lode__grow((void **)&index->tail, &index->tail_capacity, numbers, sizeof *index->tail) ||
        !lode__grow((void **)&index->deleted, &words, (index->items + total) / 64 + 1,
                    sizeof *index->deleted))
        return lode__fail_memory(error);
    if (words > index->deleted_words)
        memset(index->deleted + index->deleted_words, 0,
               (words - index->deleted_words) * sizeof *index->deleted);
    index->deleted_words = words;
    index->table.deleted = index->deleted;
    memcpy(index->tail + index->tail_count * index->dim, vectors,
           count * index->dim * sizeof *vectors);
    index->tail_count = total;
    return LODE_OK;
}

// ------------------------------------------------------------------------------------------------
// Files
// ------------------------------------------------------------------------------------------------

static lode_status write_sections(const lode_index *index, lode_container_writer *writer,
                                  lode_error *error) {
    index_meta meta = {
        .items = index->items, .dim = index->dim, .effort = index->effort, .tail = index->tail_count};
    const size_t row = index->dim * sizeof(float), bits = lode__index_size(index) / 64 + 1;
    strncpy(meta.kind, index->class->name, sizeof meta.kind - 1);
    LODE_TRY(lode__section_write(writer, "meta", &meta, sizeof meta, error));
    LODE_TRY(lode__section_write(writer, "vectors", index->table.vectors, index->items * row, error));
    LODE_TRY(lode__section_write(writer, "deleted", index->deleted, bits * sizeof(uint64_t), error));
    LODE_TRY(lode__section_write(writer, "tail", index->tail, index->tail_count * row, error));
    return index->class->write ? index->class->write(index, writer, error) : LODE_OK;
}

lode_status lode__index_save(const lode_index *index, const char *path, lode_error *error) {
    assert(!index->borrowed);
    lode_container_writer writer;
    LODE_TRY(lode__container_begin(&writer, path, "INDX", FORMAT, SECTIONS, error));
    const lode_status status = write_sections(index, &writer, error);
    if (status != LODE_OK) {
        lode__container_abort(&writer);
        return status;
    }
    return lode__container_commit(&writer, NULL, error);
}

static const lode_index_class *find_class(const char *name) {
    for (size_t kind = 0; kind < LODE_INDEX_KINDS; kind++) {
        if (strcmp(classes[kind]->name, name) == 0) return classes[kind];
    }
    return NULL;
}

static lode_status read_common(lode_index **out, lode_container *file, lode_error *error) {
    const index_meta *meta;
    LODE_TRY(lode__container_array(file, "meta", sizeof *meta, 1, (const void **)&meta, error));
    const bool named = memchr(meta->kind, 0, sizeof meta->kind) != NULL;
    const lode_index_class *class = named ? find_class(meta->kind) : NULL;
    if (!class)
        return lode__fail(error, LODE_E_FORMAT,
                          "%s holds an index of kind \"%.*s\", which is not known", file->path,
                          named ? (int)sizeof meta->kind : 0, meta->kind);
    if (meta->items >= LODE_NO_ITEM || meta->tail >= LODE_NO_ITEM - meta->items || meta->dim < 1 ||
        meta->dim > UINT32_MAX)
        return lode__fail(error, LODE_E_FORMAT, "%s is damaged: %llu vectors of %llu numbers",
                          file->path, (unsigned long long)meta->items, (unsigned long long)meta->dim);
    const void *vectors, *deleted, *tail;
    const size_t row = (size_t)meta->dim * sizeof(float);
    const size_t bits = (size_t)(meta->items + meta->tail) / 64 + 1;
    LODE_TRY(lode__container_array(file, "vectors", row, meta->items, &vectors, error));
    LODE_TRY(lode__container_array(file, "deleted", sizeof(uint64_t), bits, &deleted, error));
    LODE_TRY(lode__container_array(file, "tail", row, meta->tail, &tail, error));
    lode_index *index = index_new(class, (size_t)meta->items, (size_t)meta->dim);
    *out = index;
    if (!index) return lode__fail_memory(error);
    index->effort = (size_t)meta->effort;
    index->table.vectors = vectors;
    LODE_TRY(lode__index_append(index, tail, (size_t)meta->tail, error));
    memcpy(index->deleted, deleted, bits * sizeof(uint64_t));
    return LODE_OK;
}

lode_status lode__index_open(lode_index **out, const char *path, bool verify, lode_error *error) {
    lode_container file;
    lode_index *index = NULL;
    *out = NULL;
    LODE_TRY(lode__container_open(&file, path, "INDX", FORMAT, verify, error));
    lode_status status = read_common(&index, &file, error);
    if (index) {
        index->file = file;
    } else {
        lode__container_close(&file);
    }
    if (status == LODE_OK && index->class->read) status = index->class->read(index, error);
    if (status != LODE_OK) {
        lode__index_free(&index);
        return status;
    }
    *out = index;
    return LODE_OK;
}

// ------------------------------------------------------------------------------------------------
// Searchers
// ------------------------------------------------------------------------------------------------

static lode_status searcher_init(lode_searcher *searcher, lode_error *error) {
    const lode_index *index = searcher->index;
    searcher->scanners =
        lode__arena_alloc(&searcher->arena, searcher->threads, sizeof *searcher->scanners);
    if (!searcher->scanners) return lode__fail_memory(error);
    for (size_t thread = 0; thread < searcher->threads; thread++) {
        const size_t quests = LODE_MIN(LODE_MAX(searcher->batch, 1), (size_t)LODE_QUESTS);
        const size_t ids = lode__index_size(index);
        if (!lode__scanner_init(&searcher->scanners[thread], &searcher->arena, &index->table,
                                quests, ids, LODE_MIN(searcher->k_limit, ids)))
            return lode__fail_memory(error);
    }
    return index->class->start ? index->class->start(searcher, error) : LODE_OK;
}

lode_status lode__searcher_new(lode_searcher **out, const lode_index *index, size_t batch, size_t k,
                               lode_pool *pool, lode_error *error) {
    *out = NULL;
    lode_searcher *searcher = lode__alloc(1, sizeof *searcher);
    if (!searcher) return lode__fail_memory(error);
    searcher->index = index;
    searcher->pool = pool;
    searcher->batch = batch;
    searcher->k_limit = k;
    searcher->threads = lode__pool_threads(pool);
    const lode_status status = searcher_init(searcher, error);
    if (status != LODE_OK) {
        lode__searcher_free(&searcher);
        return status;
    }
    *out = searcher;
    return LODE_OK;
}

void lode__searcher_free(lode_searcher **out) {
    lode_searcher *searcher = *out;
    if (!searcher) return;
    if (searcher->index->class->stop) searcher->index->class->stop(searcher);
    lode__arena_release(&searcher->arena);
    lode__free(searcher);
    *out = NULL;
}

void lode__searcher_search(lode_searcher *searcher, const lode_search *search) {
    const bool several = search->interests > 1;
    assert((several || search->count <= searcher->batch) && search->k <= searcher->k_limit);
    if (search->count == 0 || search->k == 0) return;
    searcher->search = search;
    for (size_t thread = 0; thread < searcher->threads; thread++)
        searcher->scanners[thread].allowed = search->allowed;
    if (several) {
        lode__search_interests(searcher, search);
    } else {
        searcher->index->class->search(searcher);
    }
}

const uint32_t *lode__search_out(const lode_search *search, size_t query, size_t *count) {
    const lode_excluded *excluded = search->excluded;
    *count = 0;
    if (!excluded || !excluded->starts) return NULL;
    query /= LODE_MAX(search->interests, (size_t)1);
    *count = (size_t)(excluded->starts[query + 1] - excluded->starts[query]);
    return excluded->ids + excluded->starts[query];
}

size_t lode__searcher_k(const lode_searcher *searcher) {
    const size_t ids = lode__index_size(searcher->index);
    return LODE_MAX(LODE_MIN(searcher->search->k, ids), (size_t)1);
}

void lode__searcher_begin(lode_searcher *searcher, size_t thread, size_t number, size_t query) {
    const lode_search *search = searcher->search;
    size_t count;
    const uint32_t *out = lode__search_out(search, query, &count);
    lode__quest_begin(&searcher->scanners[thread], number,
                      search->queries + query * searcher->index->dim, lode__searcher_k(searcher),
                      search->floors ? search->floors[query / LODE_MAX(search->interests, (size_t)1)]
                                     : -INFINITY,
                      out, count);
}

void lode__searcher_end(lode_searcher *searcher, size_t thread, size_t number, size_t query) {
    const lode_search *search = searcher->search;
    const lode_index *index = searcher->index;
    lode_scanner *scanner = &searcher->scanners[thread];
    lode_quest *quest = &scanner->quests[number];
    size_t count;
    const uint32_t *out = lode__search_out(search, query, &count);
    lode__quest_offer(scanner, quest, index->tail, index->tail_count, index->items);
    lode__quest_end(scanner, quest, out, count);
    lode__best_write(&quest->best, search->k, search->ids + query * search->k,
                     search->scores + query * search->k);
}
