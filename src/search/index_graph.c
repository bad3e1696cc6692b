// The network of neighbours as an index. A query walks along `effort` vectors' links, and what its beam holds then is
// scored in f32; filters and deletions do not bar the way of a walk, only the end of it, so the beam is as much longer
// as they are strict. Where they leave few vectors, those are scored one by one, and the result is exact.
//
// Vectors with numbers that are not finite, or too large, are not in the network: every query scores them. A query with
// such numbers scores everything.
#include "search/index.h"
#include "search/network.h"

#include <math.h>
#include <string.h>

enum {
    BREADTH = 96, ///< beam of the walks that choose links
    EFFORT = 128,
    QUERIES = 8,    ///< of a task
    FEW = 64,       ///< as many allowed vectors times the effort, and less, are scored one by one
    STRICTEST = 16, ///< beams grow up to so many times
    SAMPLE = 256    ///< words of 64 vectors
};

typedef struct graph {
    lode_network network;
    const uint32_t *odd; ///< [odd_count] ids of vectors that are not in the network
    size_t odd_count;
    uint8_t *owned_codes;  ///< [items, width] or NULL
    uint32_t *owned_links; ///< [items, LODE_DEGREE] or NULL
} graph;

typedef struct graph_scratch {
    lode_walker *walkers; ///< [threads]
    int8_t **codes;       ///< [threads][width]
    size_t most;          ///< longest beam
    size_t effort, beam;  ///< of the search in progress
    bool few;
} graph_scratch;

// --- building ---------------------------------------------------------------------------------------------

typedef struct coding {
    const float *vectors;
    size_t dim, width;
    float step;
    const bool *odd; ///< [items]
    uint8_t *codes;
    float *extra;  ///< [items] first the squared length in steps, then the extra coordinate
    float *offset; ///< [items] -128 times the sum of the codes
    size_t items;
} coding;

enum { TASK_ITEMS = 4096 };

static void code_task(void *context, size_t task, size_t thread) {
    coding *c = context;
    const size_t end = LODE_MIN(c->items, (task + 1) * TASK_ITEMS);
    (void)thread;
    for (size_t item = task * TASK_ITEMS; item < end; item++) {
        uint8_t *row = c->codes + item * c->width;
        int64_t square = 0, sum = 0;
        memset(row, 128, c->width);
        for (size_t d = 0; d < c->dim && !c->odd[item]; d++) {
            const int code = (int)lrintf(c->vectors[item * c->dim + d] / c->step);
            row[d] = (uint8_t)(code + 128);
            square += code * code;
            sum += code;
        }
        c->extra[item] = (float)square;
        c->offset[item] = -128.0F * (float)sum;
    }
}

/// The common step, and which vectors are odd: their numbers are not finite or dwarf every sum.
static size_t survey(coding *c, bool *odd) {
    const float most = 1e18F;
    size_t odd_count = 0;
    float largest = 0;
    for (size_t item = 0; item < c->items; item++) {
        float top = 0;
        for (size_t d = 0; d < c->dim; d++) {
            const float size = fabsf(c->vectors[item * c->dim + d]);
            top = size <= top ? top : size; // NaN stays
        }
        odd[item] = !(top < most);
        odd_count += odd[item];
        if (!odd[item]) largest = LODE_MAX(largest, top);
    }
    c->step = largest > 0 ? LODE_MAX(largest / 127, 1e-30F) : 1;
    return odd_count;
}

static lode_status fill(lode_index *index, graph *own, coding *c, uint64_t seed, lode_pool *pool,
                        lode_arena *arena, lode_error *error) {
    const size_t items = index->items, width = c->width, doors = lode__network_doors(items);
    bool *odd = lode__arena_alloc(arena, items, sizeof *odd);
    c->extra = lode__arena_alloc(arena, items, sizeof *c->extra);
    c->offset = lode__arena_alloc(arena, items, sizeof *c->offset);
    uint32_t *door_ids = lode__arena_alloc(&index->arena, doors, sizeof *door_ids);
    uint8_t *door_codes = lode__arena_alloc(&index->arena, doors, width);
    own->owned_codes = lode__huge_alloc(items, width);
    own->owned_links = lode__huge_alloc(items, LODE_DEGREE * sizeof *own->owned_links);
    if (!odd || !c->extra || !c->offset || !door_ids || !door_codes || !own->owned_codes ||
        !own->owned_links)
        return lode__fail_memory(error);
    c->odd = odd;
    c->codes = own->owned_codes;
    own->odd_count = survey(c, odd);
    uint32_t *odd_ids = lode__arena_alloc(&index->arena, own->odd_count, sizeof *odd_ids);
    if (!odd_ids) return lode__fail_memory(error);
    own->odd = odd_ids;
    for (uint32_t item = 0; item < items; item++)
        if (odd[item]) *odd_ids++ = item;
    lode__pool_run(pool, (items + TASK_ITEMS - 1) / TASK_ITEMS, code_task, c);
    float length = 0;
    for (size_t item = 0; item < items; item++)
        length = LODE_MAX(length, c->extra[item]);
    for (size_t item = 0; item < items; item++)
        c->extra[item] = sqrtf(length - c->extra[item]);
    own->network =
        (lode_network){items, width, c->codes, own->owned_links, door_ids, door_codes, doors};
    const lode_network_plan plan = {.items = items,
                                    .dim = index->dim,
                                    .width = width,
                                    .codes = c->codes,
                                    .extra = c->extra,
                                    .offset = c->offset,
                                    .length = length,
                                    .seed = seed,
                                    .breadth = BREADTH};
    return lode__network_build(&plan, pool, own->owned_links, door_ids, door_codes, error);
}

/// The table that a scanner reads has the vectors in their own order, and no blocks.
static lode_status number_rows(lode_index *index, lode_error *error) {
    index->rows = lode__alloc(index->items, sizeof *index->rows);
    if (!index->rows) return lode__fail_memory(error);
    for (uint32_t row = 0; row < index->items; row++)
        index->rows[row] = row;
    index->table.rows = index->items;
    index->table.ids = index->rows;
    return LODE_OK;
}

static lode_status graph_build(lode_index *index, const float *vectors,
                               const lode_index_options *options, lode_pool *pool, lode_error *error) {
    graph *own = lode__arena_alloc(&index->arena, 1, sizeof *own);
    if (!own) return lode__fail_memory(error);
    index->state = own;
    index->effort = options->effort > 0 ? options->effort : EFFORT;
    coding c = {.vectors = vectors,
                .dim = index->dim,
                .width = lode__network_width(index->dim),
                .items = index->items};
    lode_arena arena = {0};
    lode_status status = fill(index, own, &c, options->seed, pool, &arena, error);
    lode__arena_release(&arena);
    if (status == LODE_OK) status = number_rows(index, error);
    return status == LODE_OK ? lode__index_copy(index, vectors, pool, error) : status;
}

static void graph_release(lode_index *index) {
    graph *own = index->state;
    if (!own) return;
    lode__huge_free(own->owned_codes, index->items, lode__network_width(index->dim));
    lode__huge_free(own->owned_links, index->items, LODE_DEGREE * sizeof *own->owned_links);
}

// --- files ------------------------------------------------------------------------------------------------

static lode_status graph_write(const lode_index *index, lode_container_writer *writer,
                               lode_error *error) {
    const graph *own = index->state;
    const lode_network *net = &own->network;
    LODE_TRY(lode__section_write(writer, "codes", net->codes, net->items * net->width, error));
    LODE_TRY(lode__section_write(writer, "links", net->links,
                                 net->items * LODE_DEGREE * sizeof *net->links, error));
    LODE_TRY(lode__section_write(writer, "doors", net->doors, net->door_count * sizeof *net->doors,
                                 error));
    LODE_TRY(lode__section_write(writer, "odd", own->odd, own->odd_count * sizeof *own->odd, error));
    return lode__section_write(writer, "door codes", net->door_codes, net->door_count * net->width,
                               error);
}

/// A section of ids, of any length.
static lode_status read_ids(const lode_index *index, const char *name, const uint32_t **ids,
                            size_t *count, lode_error *error) {
    const lode_section *section = lode__container_find(&index->file, name);
    if (!section || section->size % sizeof **ids != 0 ||
        section->size / sizeof **ids > (uint64_t)index->items)
        return lode__fail(error, LODE_E_FORMAT,
                          "%s is damaged: its section %s is missing or of a wrong size",
                          index->file.path, name);
    *ids = section->data;
    *count = (size_t)section->size / sizeof **ids;
    for (size_t i = 0; i < *count; i++) {
        if ((*ids)[i] >= index->items)
            return lode__fail(error, LODE_E_FORMAT,
                              "%s is damaged: its section %s names vector %u of %zu",
                              index->file.path, name, (*ids)[i], index->items);
    }
    return LODE_OK;
}

static lode_status check_links(const lode_index *index, const lode_network *net, lode_error *error) {
    for (size_t i = 0; i < net->items * LODE_DEGREE; i++) {
        if (net->links[i] >= net->items && net->links[i] != UINT32_MAX)
            return lode__fail(error, LODE_E_FORMAT,
                              "%s is damaged: vector %zu is linked to vector %u of %zu",
                              index->file.path, i / LODE_DEGREE, net->links[i], net->items);
    }
    return LODE_OK;
}

static lode_status graph_read(lode_index *index, lode_error *error) {
    graph *own = lode__arena_alloc(&index->arena, 1, sizeof *own);
    if (!own) return lode__fail_memory(error);
    index->state = own;
    lode_network *net = &own->network;
    *net = (lode_network){.items = index->items, .width = lode__network_width(index->dim)};
    if (net->width > LODE_ROW_WIDTH || index->effort < 1)
        return lode__fail(error, LODE_E_FORMAT,
                          "%s is damaged: a network of %zu numbers a vector, effort %zu",
                          index->file.path, index->dim, index->effort);
    LODE_TRY(lode__container_array(&index->file, "codes", net->width, net->items,
                                   (const void **)&net->codes, error));
    LODE_TRY(lode__container_array(&index->file, "links", LODE_DEGREE * sizeof *net->links,
                                   net->items, (const void **)&net->links, error));
    LODE_TRY(read_ids(index, "doors", &net->doors, &net->door_count, error));
    LODE_TRY(read_ids(index, "odd", &own->odd, &own->odd_count, error));
    LODE_TRY(lode__container_array(&index->file, "door codes", net->width, net->door_count,
                                   (const void **)&net->door_codes, error));
    LODE_TRY(check_links(index, net, error));
    return number_rows(index, error);
}

// --- searching --------------------------------------------------------------------------------------------

static lode_status graph_start(lode_searcher *searcher, lode_error *error) {
    const graph *own = searcher->index->state;
    lode_arena *arena = &searcher->arena;
    graph_scratch *scratch = lode__arena_alloc(arena, 1, sizeof *scratch);
    if (!scratch) return lode__fail_memory(error);
    searcher->state = scratch;
    scratch->most = LODE_MAX(LODE_MIN(own->network.items, (size_t)LODE_WALK_MOST), (size_t)1);
    scratch->walkers = lode__arena_alloc(arena, searcher->threads, sizeof *scratch->walkers);
    scratch->codes = lode__arena_alloc(arena, searcher->threads, sizeof *scratch->codes);
    if (!scratch->walkers || !scratch->codes) return lode__fail_memory(error);
    for (size_t thread = 0; thread < searcher->threads; thread++) {
        scratch->codes[thread] = lode__arena_alloc(arena, own->network.width, 1);
        if (!scratch->codes[thread] ||
            !lode__walker_init(&scratch->walkers[thread], arena, own->network.items,
                               own->network.door_count, scratch->most, false))
            return lode__fail_memory(error);
    }
    return LODE_OK;
}

static void take_all(lode_scanner *scanner, lode_quest *quest, size_t items) {
    for (size_t word = 0; word * 64 < items; word++) {
        uint64_t bits = scanner->allowed ? scanner->allowed[word] : UINT64_MAX;
        for (; bits != 0; bits &= bits - 1) {
            const size_t id = word * 64 + (size_t)__builtin_ctzll(bits);
            if (id < items) lode__quest_take(scanner, quest, (uint32_t)id);
        }
    }
}

static void take_walk(lode_searcher *searcher, size_t thread, lode_quest *quest, size_t left_out) {
    const graph *own = searcher->index->state;
    const graph_scratch *scratch = searcher->state;
    lode_scanner *scanner = &searcher->scanners[thread];
    lode_walker *walker = &scratch->walkers[thread];
    int8_t *codes = scratch->codes[thread];
    memcpy(codes, quest->codes, scanner->groups * 4); // the rest stays 0
    const lode_goal goal = {.codes = codes};
    const size_t beam = LODE_MIN(scratch->beam + left_out, scratch->most);
    lode__network_walk(&own->network, walker, &goal, LODE_MIN(scratch->effort + left_out / 2, beam),
                       beam);
    for (size_t i = 0; i < walker->count; i++)
        lode__quest_take(scanner, quest, lode__entry_item(walker->beam[i]));
    for (size_t i = 0; i < own->odd_count; i++)
        lode__quest_take(scanner, quest, own->odd[i]);
}

static void query_task(void *context, size_t task, size_t thread) {
    lode_searcher *searcher = context;
    const graph_scratch *scratch = searcher->state;
    lode_scanner *scanner = &searcher->scanners[thread];
    const size_t end = LODE_MIN(searcher->search->count, (task + 1) * QUERIES);
    for (size_t query = task * QUERIES; query < end; query++) {
        size_t left_out;
        (void)lode__search_out(searcher->search, query, &left_out);
        lode__searcher_begin(searcher, thread, 0, query);
        lode_quest *quest = &scanner->quests[0];
        if (scratch->few || !quest->coded.plain) {
            take_all(scanner, quest, searcher->index->items);
        } else {
            take_walk(searcher, thread, quest, left_out);
        }
        lode__searcher_end(searcher, thread, 0, query);
    }
}

/// About how many vectors may be returned: from words that are spread evenly.
static size_t estimate_allowed(const lode_index *index, const uint64_t *allowed) {
    const size_t words = index->items / 64, step = words / SAMPLE + 1;
    size_t count = 0, looked = 0;
    for (size_t word = 0; word < words; word += step, looked++)
        count += (size_t)__builtin_popcountll(~index->deleted[word] &
                                              (allowed ? allowed[word] : UINT64_MAX));
    return looked > 0 ? (size_t)((double)count / (double)(64 * looked) * (double)index->items)
                      : index->items;
}

static void graph_search(lode_searcher *searcher) {
    const lode_search *search = searcher->search;
    const lode_index *index = searcher->index;
    graph_scratch *scratch = searcher->state;
    const size_t allowed = estimate_allowed(index, search->allowed);
    const size_t effort =
        LODE_MIN(search->effort > 0 ? search->effort : index->effort, scratch->most);
    const size_t wanted = LODE_MAX(effort, LODE_MIN(search->k, index->items));
    const double share = (double)index->items / (double)LODE_MAX(allowed, (size_t)1);
    const double grow = LODE_MIN(share, (double)STRICTEST), most = (double)scratch->most;
    scratch->few = allowed <= FEW * effort;
    scratch->effort = (size_t)LODE_MIN((double)effort * grow, most);
    scratch->beam = (size_t)LODE_MIN((double)(wanted + wanted / 4) * grow, most);
    lode__pool_run(searcher->pool, (search->count + QUERIES - 1) / QUERIES, query_task, searcher);
}

const lode_index_class lode__index_graph = {.name = "graph",
                                            .build = graph_build,
                                            .write = graph_write,
                                            .read = graph_read,
                                            .release = graph_release,
                                            .start = graph_start,
                                            .search = graph_search};
