/// Every kind of index against exact search (search/topk.h, which has tests of its own): the quantised scan and the
/// lists when all are visited must give the same bits, on vectors made to break bounds as well as on plain ones.
#include "search/searcher.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/container.h"
#include "base/memory.h"
#include "base/random.h"

#include "../races.h"

typedef enum manner {
    UNIFORM,
    INTEGERS, ///< ties in plenty
    EQUAL,    ///< all vectors the same
    ZERO,
    SKEWED,       ///< lengths over ten orders of magnitude
    HUGE_NUMBERS, ///< products overflow
    TINY,         ///< products underflow
    ODD,          ///< NaN and infinite numbers here and there
    UNIT,         ///< on the sphere
    OVERFLOWING,  ///< plain vectors, and queries so long that scores overflow
    EXACT_CODES, ///< bytes lose nothing, and products are too small to be exact: only rounding is left
    MANNERS
} manner;

typedef struct setting {
    size_t items, dim, count, k;
    manner manner;
    bool filter, exclude, remove;
    size_t append;
} setting;

static uint64_t random_state;

static uint32_t draw(uint32_t bound) {
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(random_state >> 33) % bound;
}

static float draw_real(void) {
    return (float)draw(1000001) / 500000.0f - 1;
}

static void vector_make(float *x, size_t dim, manner how) {
    const float length = how == SKEWED ? powf(10, 5 * draw_real()) : 1;
    float square = 0;
    for (size_t d = 0; d < dim; d++) {
        switch (how) {
        case INTEGERS:
            x[d] = (float)draw(3) - 1;
            break;
        case EQUAL:
            x[d] = (float)d - 1.5f;
            break;
        case ZERO:
            x[d] = 0;
            break;
        case HUGE_NUMBERS:
            x[d] = draw_real() * 1e30f;
            break;
        case TINY:
            x[d] = draw_real() * 1e-21f;
            break;
        case ODD:
            x[d] = draw(50) > 0 ? draw_real() : draw(3) == 0 ? NAN : draw(2) ? INFINITY : -INFINITY;
            break;
        case EXACT_CODES:
            x[d] = (d == 0 ? 127 : (float)draw(255) - 127) * 0x1p-78f;
            break;
        default:
            x[d] = draw_real() * length;
        }
        square += x[d] * x[d];
    }
    for (size_t d = 0; how == UNIT && d < dim; d++)
        x[d] /= sqrtf(square);
}

static float *vectors_make(size_t count, size_t dim, manner how) {
    float *x = lode__alloc(count, dim * sizeof *x);
    for (size_t i = 0; i < count; i++)
        vector_make(x + i * dim, dim, how);
    return x;
}

/// Vectors, queries, what is left out, and what exact search says.
typedef struct scene {
    setting s;
    size_t total; ///< appended vectors included
    float *vectors, *queries;
    uint64_t *allowed; ///< as the searcher wants it
    uint32_t *removed;
    size_t removed_count;
    bool *alive; ///< allowed and not removed
    uint64_t *starts;
    uint32_t *out;
    lode_excluded excluded;
    uint32_t *want_ids, *ids;
    float *want, *scores;
} scene;

static void scene_filters(scene *c) {
    c->allowed = lode__alloc(c->total / 64 + 1, sizeof *c->allowed);
    c->alive = lode__alloc(c->total, sizeof *c->alive);
    c->removed = lode__alloc(c->total + 2, sizeof *c->removed);
    c->starts = lode__alloc(c->s.count + 1, sizeof *c->starts);
    c->out = lode__alloc(c->s.count * 40, sizeof *c->out);
    for (size_t id = 0; id < c->total; id++) {
        const bool allowed = !c->s.filter || draw(4) > 0, removed = c->s.remove && draw(3) == 0;
        if (allowed) c->allowed[id / 64] |= (uint64_t)1 << (id % 64);
        if (removed) c->removed[c->removed_count++] = (uint32_t)id;
        c->alive[id] = allowed && !removed;
    }
    c->removed[c->removed_count++] = (uint32_t)c->total + 70; // ignored
    uint64_t filled = 0;
    for (size_t query = 0; query < c->s.count; query++) {
        const uint32_t wanted = c->s.exclude && c->total > 0 ? draw(40) : 0;
        for (uint32_t i = 0; i < wanted; i++, filled++)
            c->out[filled] = i % 5 == 4 ? c->out[filled - 1] : draw((uint32_t)c->total);
        c->starts[query + 1] = filled;
    }
    c->excluded = (lode_excluded){c->starts, c->out};
}

static scene scene_make(const setting *s) {
    scene c = {.s = *s, .total = s->items + s->append};
    random_state = s->items * 31 + s->dim * 7 + s->count + (uint64_t)s->manner;
    c.vectors = vectors_make(c.total, s->dim, s->manner);
    c.queries = vectors_make(s->count, s->dim, s->manner);
    for (size_t i = 0; s->manner == OVERFLOWING && i < s->count * s->dim; i++)
        c.queries[i] *= 3e38f;
    scene_filters(&c);
    const size_t places = s->count * s->k;
    c.want_ids = lode__alloc(places, sizeof *c.want_ids);
    c.ids = lode__alloc(places, sizeof *c.ids);
    c.want = lode__alloc(places, sizeof *c.want);
    c.scores = lode__alloc(places, sizeof *c.scores);
    lode_topk *topk = NULL;
    lode_error error = {0};
    assert_int_equal(
        lode__topk_new(&topk, c.vectors, c.total, s->dim, c.alive, s->count, s->k, NULL, &error),
        LODE_OK);
    lode__topk_search(topk, c.queries, s->count, s->k, &c.excluded, c.want_ids, c.want);
    lode__topk_free(&topk);
    return c;
}

static void scene_free(scene *c) {
    lode__free(c->vectors);
    lode__free(c->queries);
    lode__free(c->allowed);
    lode__free(c->alive);
    lode__free(c->removed);
    lode__free(c->starts);
    lode__free(c->out);
    lode__free(c->want_ids);
    lode__free(c->want);
    lode__free(c->ids);
    lode__free(c->scores);
}

static lode_pool *pool_make(size_t threads) {
    lode_pool *pool = NULL;
    lode_error error = {0};
    assert_int_equal(lode__pool_new(&pool, threads, &error), LODE_OK);
    return pool;
}

static lode_index *index_make(const scene *c, const lode_index_options *options) {
    lode_index *index = NULL;
    lode_error error = {0};
    assert_int_equal(
        lode__index_build(&index, c->vectors, c->s.items, c->s.dim, options, NULL, &error), LODE_OK);
    assert_int_equal(
        lode__index_append(index, c->vectors + c->s.items * c->s.dim, c->s.append, &error), LODE_OK);
    assert_int_equal(lode__index_delete(index, c->removed, c->removed_count, &error), LODE_OK);
    assert_int_equal(lode__index_size(index), c->total);
    return index;
}

/// All queries in searches of `batch`, twice: the second finds no remains of the first.
static void search_all(const scene *c, const lode_index *index, size_t threads, size_t batch,
                       size_t effort) {
    lode_pool *pool = pool_make(threads);
    lode_searcher *searcher = NULL;
    lode_error error = {0};
    assert_int_equal(lode__searcher_new(&searcher, index, batch, c->s.k + 2, pool, &error), LODE_OK);
    for (int repeat = 0; repeat < 2; repeat++) {
        memset(c->ids, 0xab, c->s.count * c->s.k * sizeof *c->ids);
        for (size_t first = 0; first < c->s.count; first += batch) {
            const lode_excluded excluded = {c->starts + first, c->out};
            const lode_search search = {.queries = c->queries + first * c->s.dim,
                                        .count = LODE_MIN(batch, c->s.count - first),
                                        .k = c->s.k,
                                        .allowed = c->s.filter ? c->allowed : NULL,
                                        .excluded = c->s.exclude ? &excluded : NULL,
                                        .effort = effort,
                                        .ids = c->ids + first * c->s.k,
                                        .scores = c->scores + first * c->s.k};
            lode__searcher_search(searcher, &search);
        }
    }
    lode__searcher_free(&searcher);
    assert_null(searcher);
    lode__pool_free(&pool);
}

static void check_same(const scene *c, const char *what) {
    for (size_t i = 0; i < c->s.count * c->s.k; i++) {
        if (c->ids[i] != c->want_ids[i] || memcmp(&c->scores[i], &c->want[i], sizeof(float)) != 0)
            fail_msg(
                "%s, manner %d, %zu x %zu: query %zu place %zu: item %u (%.9g), expected %u (%.9g)",
                what, c->s.manner, c->s.items, c->s.dim, i / c->s.k, i % c->s.k, c->ids[i],
                (double)c->scores[i], c->want_ids[i], (double)c->want[i]);
    }
}

static const lode_index_options kinds[] = {
    {.kind = LODE_INDEX_EXACT},
    {.kind = LODE_INDEX_SCAN},
    {.kind = LODE_INDEX_SCAN, .borrow = true},
    {.kind = LODE_INDEX_IVF, .lists = 7, .seed = 3},
    {.kind = LODE_INDEX_GRAPH, .seed = 3},
};

static void check_setting(const setting *s) {
    scene c = scene_make(s);
    for (size_t kind = 0; kind < sizeof kinds / sizeof *kinds; kind++) {
        lode_index *index = index_make(&c, &kinds[kind]);
        for (size_t threads = LOOKING_FOR_RACES ? 3 : 1; threads <= 3; threads++) {
            search_all(&c, index, threads, s->count, SIZE_MAX);
            check_same(&c, lode__index_kind_name(index));
        }
        search_all(&c, index, 2, 1, SIZE_MAX);
        check_same(&c, "one query at a time");
        lode__index_free(&index);
        assert_null(index);
    }
    scene_free(&c);
}

static void test_same_as_exact(void **state) {
    (void)state;
    static const setting settings[] = {
        {1, 1, 1, 1, INTEGERS, false, false, false, 0},
        {0, 4, 3, 2, UNIFORM, false, false, false, 0},
        {0, 4, 3, 5, UNIFORM, true, true, true, 9},
        {5, 3, 2, 9, INTEGERS, false, false, true, 0},
        {64, 4, 3, 10, UNIFORM, false, true, false, 1},
        {65, 5, 50, 10, UNIFORM, true, true, true, 33},
        {257, 64, 97, 30, UNIFORM, false, true, false, 0},
        {3000, 64, 49, 20, UNIFORM, true, true, true, 100},
        {3000, 63, 5, 700, UNIFORM, false, true, false, 0},
        {3000, 1, 20, 13, INTEGERS, true, true, true, 64},
        {9000, 17, 30, 10, UNIT, true, true, true, 70},
        {9000, 64, 10, 100, SKEWED, false, true, false, 0},
        {7000, 3, 40, 3000, UNIFORM, true, true, true, 0},
    };
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        if (!LOOKING_FOR_RACES || settings[i].items < 5000) check_setting(&settings[i]);
}

static void test_every_manner(void **state) {
    (void)state;
    for (manner how = 0; how < MANNERS; how++) {
        const setting large = {2100, 19, 50, 12, how, false, true, false, 3};
        const setting small = {300, 70, 3, 40, how, true, false, true, 0};
        check_setting(&large);
        check_setting(&small);
    }
}

/// One item is far from all others and the queries point away from it, in every corner of the bounds: items of huge
/// and of tiny lengths in one block, and scores that differ by one unit in the last place.
static void test_close_calls(void **state) {
    (void)state;
    setting s = {4000, 8, 20, 25, UNIFORM, false, false, false, 0};
    scene c = scene_make(&s);
    for (size_t item = 0; item < s.items; item++) {
        for (size_t d = 0; d < s.dim; d++)
            c.vectors[item * s.dim + d] = 1 + (float)draw(64) * 0x1p-23f; // a few last bits apart
    }
    lode_topk *topk = NULL;
    lode_error error = {0};
    assert_int_equal(
        lode__topk_new(&topk, c.vectors, s.items, s.dim, NULL, s.count, s.k, NULL, &error), LODE_OK);
    lode__topk_search(topk, c.queries, s.count, s.k, NULL, c.want_ids, c.want);
    lode__topk_free(&topk);
    lode_index *index = index_make(&c, &kinds[1]);
    search_all(&c, index, 2, s.count, 0);
    check_same(&c, "close calls");
    lode__index_free(&index);
    scene_free(&c);
}

// ------------------------------------------------------------------------------------------------
// Lists
// ------------------------------------------------------------------------------------------------

/// Items in clusters on the sphere, queries near items.
static scene clustered(size_t items, size_t clusters, float noise) {
    const setting s = {items, 32, 100, 10, UNIT, false, false, false, 0};
    scene c = {.s = s, .total = items};
    random_state = 77;
    float *centres = vectors_make(clusters, s.dim, UNIT);
    c.vectors = lode__alloc(items, s.dim * sizeof *c.vectors);
    c.queries = lode__alloc(s.count, s.dim * sizeof *c.queries);
    for (size_t i = 0; i < items + s.count; i++) {
        float *to = i < items ? c.vectors + i * s.dim : c.queries + (i - items) * s.dim;
        const float *centre = centres + draw((uint32_t)clusters) * s.dim;
        for (size_t d = 0; d < s.dim; d++)
            to[d] = centre[d] + noise * draw_real();
    }
    lode__free(centres);
    scene_filters(&c);
    c.want_ids = lode__alloc(s.count * s.k, sizeof *c.want_ids);
    c.ids = lode__alloc(s.count * s.k, sizeof *c.ids);
    c.want = lode__alloc(s.count * s.k, sizeof *c.want);
    c.scores = lode__alloc(s.count * s.k, sizeof *c.scores);
    lode_topk *topk = NULL;
    lode_error error = {0};
    assert_int_equal(
        lode__topk_new(&topk, c.vectors, items, s.dim, NULL, s.count, s.k, NULL, &error), LODE_OK);
    lode__topk_search(topk, c.queries, s.count, s.k, NULL, c.want_ids, c.want);
    lode__topk_free(&topk);
    return c;
}

static double recall(const scene *c) {
    size_t found = 0;
    for (size_t query = 0; query < c->s.count; query++) {
        const uint32_t *want = c->want_ids + query * c->s.k, *ids = c->ids + query * c->s.k;
        for (size_t i = 0; i < c->s.k; i++)
            for (size_t j = 0; j < c->s.k; j++)
                found += ids[i] == want[j];
    }
    return (double)found / (double)(c->s.count * c->s.k);
}

/// Few lists find nearly everything in clustered vectors, and fewer lists find less: lists are used.
static void test_lists_recall(void **state) {
    (void)state;
    scene c = clustered(20000, 100, 0.15f);
    const lode_index_options options = {.kind = LODE_INDEX_IVF, .lists = 128, .seed = 1};
    lode_index *index = index_make(&c, &options);
    assert_int_equal(lode__index_effort(index), 3);
    search_all(&c, index, 2, 100, 8);
    const double eight = recall(&c);
    search_all(&c, index, 2, 100, 1);
    const double one = recall(&c);
    search_all(&c, index, 2, 100, 128);
    check_same(&c, "all lists");
    if (!(eight >= 0.97 && one < eight && one > 0.3))
        fail_msg("recall %g of 8, %g of 1", eight, one);
    lode__index_free(&index);
    scene_free(&c);
}

/// The same index, and so the same results of little effort, from one thread and from three.
static void check_determined(size_t items, const lode_index_options *options, size_t effort,
                             double most) {
    scene c = clustered(items, 40, 0.4f);
    uint32_t *first = lode__alloc(c.s.count * c.s.k, sizeof *first);
    for (size_t threads = 1; threads <= 3; threads++) {
        lode_pool *pool = pool_make(threads);
        lode_index *index = NULL;
        lode_error error = {0};
        assert_int_equal(
            lode__index_build(&index, c.vectors, c.s.items, c.s.dim, options, pool, &error), LODE_OK);
        search_all(&c, index, threads, 13, effort);
        if (threads == 1) memcpy(first, c.ids, c.s.count * c.s.k * sizeof *first);
        assert_memory_equal(first, c.ids, c.s.count * c.s.k * sizeof *first);
        lode__index_free(&index);
        lode__pool_free(&pool);
    }
    assert_true(recall(&c) < most); // what was compared is not exact search
    lode__free(first);
    scene_free(&c);
}

static void test_lists_determined(void **state) {
    (void)state;
    const lode_index_options options = {.kind = LODE_INDEX_IVF, .lists = 60, .seed = 5};
    check_determined(6000, &options, 2, 0.9);
}

static void test_graph_determined(void **state) {
    (void)state;
    const lode_index_options options = {.kind = LODE_INDEX_GRAPH, .seed = 5};
    check_determined(3000, &options, 3, 0.99);
}

/// Walks through a small part of the network find nearly everything; shorter ones find less.
static void test_graph_recall(void **state) {
    (void)state;
    scene c = clustered(6000, 100, 0.15f);
    const lode_index_options options = {.kind = LODE_INDEX_GRAPH, .seed = 1};
    lode_index *index = index_make(&c, &options);
    search_all(&c, index, 2, 100, 32);
    const double longer = recall(&c);
    search_all(&c, index, 2, 100, 4);
    const double shorter = recall(&c);
    if (!(longer >= 0.98 && shorter < longer && shorter > 0.3))
        fail_msg("recall %g of walks of 32, %g of 4", longer, shorter);
    lode__index_free(&index);
    scene_free(&c);
}

/// What is filtered or deleted is never returned, and what is left is found all the same: by walks with longer
/// beams, or where little is left, exactly.
static void test_graph_filtered(void **state) {
    (void)state;
    for (unsigned keep = 1; keep <= (LOOKING_FOR_RACES ? 1 : 64); keep *= 4) {
        scene c = clustered(6000, 100, 0.15f);
        const lode_index_options options = {.kind = LODE_INDEX_GRAPH, .seed = 1};
        bool *alive = lode__alloc(c.s.items, sizeof *alive);
        c.s.filter = true;
        for (size_t id = 0; id < c.s.items; id++) {
            alive[id] = draw(keep) == 0;
            if (!alive[id] && id % 2) c.allowed[id / 64] &= ~((uint64_t)1 << (id % 64));
        }
        lode_error error = {0};
        lode_index *index = index_make(&c, &options);
        for (uint32_t id = 0; id < c.s.items; id += 2)
            if (!alive[id]) assert_int_equal(lode__index_delete(index, &id, 1, &error), LODE_OK);
        lode_topk *topk = NULL;
        assert_int_equal(lode__topk_new(&topk, c.vectors, c.s.items, c.s.dim, alive, c.s.count,
                                        c.s.k, NULL, &error),
                         LODE_OK);
        lode__topk_search(topk, c.queries, c.s.count, c.s.k, NULL, c.want_ids, c.want);
        lode__topk_free(&topk);
        search_all(&c, index, 2, 100, 16);
        for (size_t i = 0; i < c.s.count * c.s.k; i++)
            assert_true(c.ids[i] != LODE_NO_ITEM && alive[c.ids[i]]);
        if (!(recall(&c) >= (keep <= 4 ? 0.97 : 1)))
            fail_msg("1 of %u left: recall %g", keep, recall(&c));
        lode__free(alive);
        lode__index_free(&index);
        scene_free(&c);
    }
}

// ------------------------------------------------------------------------------------------------
// Files
// ------------------------------------------------------------------------------------------------

static char path[64];

static int make_path(void **state) {
    (void)state;
    (void)snprintf(path, sizeof path, "/tmp/test_searcher.%d.index", (int)getpid());
    return 0;
}

static int remove_path(void **state) {
    (void)state;
    (void)unlink(path);
    return 0;
}

static void test_saved(void **state) {
    (void)state;
    const setting s = {2500, 21, 30, 15, UNIFORM, true, true, true, 45};
    scene c = scene_make(&s);
    for (size_t kind = 0; kind < sizeof kinds / sizeof *kinds; kind++) {
        if (kinds[kind].borrow) continue;
        lode_error error = {0};
        lode_index *index = index_make(&c, &kinds[kind]), *opened = NULL;
        assert_int_equal(lode__index_save(index, path, &error), LODE_OK);
        assert_int_equal(lode__index_open(&opened, path, true, &error), LODE_OK);
        assert_string_equal(lode__index_kind_name(opened), lode__index_kind_name(index));
        assert_int_equal(lode__index_size(opened), c.total);
        assert_int_equal(lode__index_dim(opened), s.dim);
        assert_int_equal(lode__index_effort(opened), lode__index_effort(index));
        lode__index_free(&index);
        search_all(&c, opened, 2, s.count, SIZE_MAX);
        check_same(&c, "saved");
        assert_int_equal(lode__index_save(opened, path, &error), LODE_OK); // over what is mapped
        search_all(&c, opened, 2, s.count, SIZE_MAX);
        check_same(&c, "saved again");
        lode__index_free(&opened);
    }
    scene_free(&c);
}

/// Cut, and with bytes changed: refused with one line, never a crash.
static void test_damaged(void **state) {
    (void)state;
    const setting s = {300, 5, 1, 1, UNIFORM, false, false, false, 2};
    scene c = scene_make(&s);
    lode_error error = {0};
    lode_index *index = index_make(&c, &kinds[3]);
    assert_int_equal(lode__index_save(index, path, &error), LODE_OK);
    lode__index_free(&index);
    char *bytes;
    size_t length;
    assert_int_equal(lode__file_read(path, 1 << 20, &bytes, &length, &error), LODE_OK);
    for (size_t at = 0; at < length; at += at < 64 ? 3 : length / 60) {
        bytes[at] ^= 0x10;
        assert_int_equal(lode__file_write(path, bytes, length, &error), LODE_OK);
        bytes[at] ^= 0x10;
        assert_int_equal(lode__index_open(&index, path, true, &error), LODE_E_FORMAT);
        assert_null(index);
        assert_non_null(strstr(error.message, path));
        assert_null(strchr(error.message, '\n'));
    }
    for (size_t cut = 0; cut < length; cut += length / 20) {
        assert_int_equal(lode__file_write(path, bytes, cut, &error), LODE_OK);
        assert_int_equal(lode__index_open(&index, path, false, &error), LODE_E_FORMAT);
    }
    assert_int_equal(lode__index_open(&index, "/nowhere/x.index", false, &error), LODE_E_MISSING);
    lode__free(bytes);
    scene_free(&c);
}

/// Sound checksums around wrong structure.
static void test_wrong_structure(void **state) {
    (void)state;
    lode_error error = {0};
    lode_index *index = NULL;
    static const char *const sections[] = {"",      "vectors", "ids",   "blocks",
                                           "codes", "deleted", "blocks"};
    for (size_t wrong = 0; wrong < sizeof sections / sizeof *sections; wrong++) {
        const uint64_t meta[8] = {2, 3, 0, 0, 0x6e616373}; // "scan"
        const float vectors[6] = {1, 2, 3, 4, 5, 6};
        const uint32_t ids[2] = {wrong == 2 ? 1 : 0, 1};
        const uint32_t block[6] = {0, wrong == 6, wrong == 3 ? 1 : 2, 0, 0, 0};
        const uint64_t deleted = 0;
        static const uint8_t codes[256];
        lode_container_writer w;
        assert_int_equal(lode__container_begin(&w, path, "INDX", 1, 8, &error), LODE_OK);
        assert_int_equal(lode__section_write(&w, "meta", meta, sizeof meta, &error), LODE_OK);
        assert_int_equal(lode__section_write(&w, "vectors", vectors, wrong == 1 ? 20 : 24, &error),
                         LODE_OK);
        assert_int_equal(lode__section_write(&w, "ids", ids, sizeof ids, &error), LODE_OK);
        assert_int_equal(lode__section_write(&w, "blocks", block, sizeof block, &error), LODE_OK);
        assert_int_equal(lode__section_write(&w, "codes", codes, wrong == 4 ? 255 : 256, &error),
                         LODE_OK);
        assert_int_equal(lode__section_write(&w, "deleted", &deleted, wrong == 5 ? 0 : 8, &error),
                         LODE_OK);
        assert_int_equal(lode__section_write(&w, "tail", vectors, 0, &error), LODE_OK);
        assert_int_equal(lode__container_commit(&w, NULL, &error), LODE_OK);
        const lode_status status = lode__index_open(&index, path, true, &error);
        if (status != (wrong == 0 ? LODE_OK : LODE_E_FORMAT))
            fail_msg("wrong %s: status %d, %s", sections[wrong], status, error.message);
        lode__index_free(&index);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_as_exact),
        cmocka_unit_test(test_every_manner),
        cmocka_unit_test(test_close_calls),
        cmocka_unit_test(test_lists_recall),
        cmocka_unit_test(test_lists_determined),
        cmocka_unit_test(test_graph_recall),
        cmocka_unit_test(test_graph_determined),
        cmocka_unit_test(test_graph_filtered),
        cmocka_unit_test(test_saved),
        cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_wrong_structure),
    };
    return cmocka_run_group_tests(tests, make_path, remove_path);
}
