/// What the kinds of indexes share, and what a kind brings: one static table each, in index_NAME.c.
#ifndef LODE_SEARCH_INDEX_H
#define LODE_SEARCH_INDEX_H

#include "base/container.h"
#include "search/scanner.h"
#include "search/searcher.h"

typedef struct lode_index_class {
    const char *name;
    /// After the common part is set up; index->state is the kind's own.
    lode_status (*build)(lode_index *index, const float *vectors, const lode_index_options *options,
                         lode_pool *pool, lode_error *error);
    /// Sections of the kind, or NULL.
    lode_status (*write)(const lode_index *index, lode_container_writer *writer, lode_error *error);
    lode_status (*read)(lode_index *index, lode_error *error);
    void (*release)(lode_index *index); ///< or NULL
    /// Scratch of the kind in the searcher's arena, or NULL.
    lode_status (*start)(lode_searcher *searcher, lode_error *error);
    void (*stop)(lode_searcher *searcher); ///< or NULL
    void (*search)(lode_searcher *searcher);
} lode_index_class;

extern const lode_index_class lode__index_exact, lode__index_scan, lode__index_ivf, lode__index_graph;

struct lode_index {
    const lode_index_class *class;
    size_t items, dim;
    bool borrowed;
    lode_table table; ///< vectors, and for the kinds that scan, their codes
    lode_arena arena; ///< small memory
    float *vectors;   ///< owned [items, dim] in the order of the table, or NULL
    uint8_t *bytes;   ///< owned, or NULL
    size_t bytes_size;
    lode_block *blocks; ///< owned, or NULL
    uint32_t *rows;     ///< owned [items] id of each row, or NULL
    uint64_t *deleted;  ///< owned [deleted_words]
    size_t deleted_words;
    float *tail; ///< owned [tail_count, dim]
    size_t tail_count, tail_capacity;
    size_t effort;
    void *state;
    lode_container file; ///< open when the index was read
};

struct lode_searcher {
    const lode_index *index;
    lode_pool *pool;
    size_t batch, k_limit, threads;
    lode_arena arena;
    lode_scanner *scanners;    ///< [threads]
    void *state;               ///< of the kind
    const lode_search *search; ///< in progress
    // for queries of several vectors (search_interests.c)
    size_t interests;  ///< most vectors a query
    uint32_t *own_ids; ///< [batch, k_limit]
    float *own_scores;
    lode_entry *entries; ///< [threads, interests * k_limit]
};

/// A search of queries of several vectors.
void lode__search_interests(lode_searcher *searcher, const lode_search *search);

/// The left-out list of a query.
const uint32_t *lode__search_out(const lode_search *search, size_t query, size_t *count);
/// The list length of the search, within 1 .. the number of vectors.
size_t lode__searcher_k(const lode_searcher *searcher);
/// Begin query `query` of the search as quest `number` of a thread's scanner.
void lode__searcher_begin(lode_searcher *searcher, size_t thread, size_t number, size_t query);
/// Its appended vectors, its last scores, and its list into the search's ids and scores.
void lode__searcher_end(lode_searcher *searcher, size_t thread, size_t number, size_t query);

/// Rows in the order of falling norms (those with odd numbers first), in blocks: index->table and what it needs.
/// `group` [items] cuts them into consecutive groups first (then blocks do not span two), or NULL.
/// @param starts  [groups + 1] receives the first block of each group, or NULL
LODE_CHECK lode_status lode__index_code(lode_index *index, const float *vectors,
                                        const uint32_t *group, size_t groups, uint32_t *starts,
                                        lode_pool *pool, lode_error *error);
/// An owned copy of the vectors in the order of the table's rows.
LODE_CHECK lode_status lode__index_copy(lode_index *index, const float *vectors, lode_pool *pool,
                                        lode_error *error);
LODE_CHECK lode_status lode__index_write_codes(const lode_index *index,
                                               lode_container_writer *writer, lode_error *error);
LODE_CHECK lode_status lode__index_read_codes(lode_index *index, lode_error *error);

#endif
