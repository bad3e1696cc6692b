/// What is more than one kernel of the table, as training and search run it, in one thread: contrastive losses with
/// their gradients, the update of a table's touched rows, the scan of quantised items.
#include "bench/bench.h"
#include "graph/ops.h"
#include "graph/optimiser.h"
#include "kernel/scan.h"

#include <math.h>
#include <string.h>

enum { WIDTH = 64 };

static void measure_case(lode_benchmark *bench, const char *name, lode_precision precision,
                         const lode_bench_work *work, void (*call)(void *), void *context) {
    const bool narrow = precision == LODE_BF16;
    lode__bench_case(bench, name, narrow ? "bf16" : "f32",
                     narrow ? bench->ceilings.b16 : bench->ceilings.f32, work, call, context);
}

// ------------------------------------------------------------------------------------------------
// Contrastive losses
// ------------------------------------------------------------------------------------------------

static const struct loss {
    const char *name;
    lode_contrast_kind kind;
    size_t m, n, r; // queries, keys, negatives
    bool own;
} losses[] = {
    {"contrast softmax, 4096 queries, 4096 keys", LODE_CONTRAST_SOFTMAX, 4096, 4096, 4096, false},
    {"contrast softmax, 4096 queries, 50 keys", LODE_CONTRAST_SOFTMAX, 4096, 4096, 50, false},
    {"contrast softmax, 4096 queries, 50 own keys", LODE_CONTRAST_SOFTMAX, 4096, 208896, 50, true},
    {"contrast bce, 4096 queries, 4096 keys", LODE_CONTRAST_BCE, 4096, 4096, 4096, false},
    {"contrast bce, 4096 queries, 50 keys", LODE_CONTRAST_BCE, 4096, 4096, 50, false},
    {"contrast bce, 4096 queries, 50 own keys", LODE_CONTRAST_BCE, 4096, 208896, 50, true},
    {"contrast bpr, 4096 queries, 4096 keys", LODE_CONTRAST_BPR, 4096, 4096, 4096, false},
    {"contrast bpr, 4096 queries, 50 keys", LODE_CONTRAST_BPR, 4096, 4096, 50, false},
    {"contrast bpr, 4096 queries, 50 own keys", LODE_CONTRAST_BPR, 4096, 208896, 50, true},
};

typedef struct contrast_call {
    lode_graph *graph;
    lode_tensor *query, *key;
} contrast_call;

static void run_contrast(void *context) {
    const contrast_call *c = context;
    c->query->written = c->key->written = false;
    lode__graph_forward(c->graph);
    lode__graph_backward(c->graph);
}

static lode_dim *dimension(lode_graph *graph, const char *name, size_t size) {
    lode_dim *dim = lode__graph_dim(graph, name, size);
    if (dim != NULL) dim->size = size;
    return dim;
}

static void fill_rows(lode_tensor *tensor, uint32_t state) {
    const double bound = sqrt(3.0 / WIDTH); // rows of length 1 or so
    for (size_t i = 0; i < tensor->rows->capacity * tensor->columns; i++) {
        state = state * 1664525 + 1013904223;
        lode__real_set(tensor->elements, tensor->value, i, bound * ((state >> 8) * 0x1p-23 - 1));
    }
}

static bool build_contrast(const struct loss *l, contrast_call *c) {
    lode_graph *graph = c->graph;
    graph->layout.apart = true; // queries and keys are nobody's output
    lode_dim *rows = dimension(graph, "queries", l->m), *keys = dimension(graph, "keys", l->n);
    lode_dim *negatives = l->own ? rows : dimension(graph, "negatives", l->r);
    if (rows == NULL || keys == NULL || negatives == NULL) return false;
    c->query = lode__graph_tensor(graph, rows, WIDTH, true);
    c->key = lode__graph_tensor(graph, keys, WIDTH, true);
    const lode_contrast spec = {.kind = l->kind,
                                .query = c->query,
                                .key = c->key,
                                .positive = lode__graph_ids(graph, rows, 1),
                                .negative = lode__graph_ids(graph, negatives, l->own ? l->r : 1),
                                .shared = !l->own,
                                .scale = 5,
                                .positive_in_denominator = true};
    if (c->query == NULL || c->key == NULL || spec.positive == NULL || spec.negative == NULL)
        return false;
    for (size_t i = 0; i < l->m; i++) {
        spec.positive->data[i] = (int32_t)(i % l->n);
    }
    // As an item view hands out rows: the first time an item is drawn it gets the next one.
    const size_t drawn = l->own ? l->m * l->r : l->r;
    for (size_t j = 0; j < drawn; j++) {
        spec.negative->data[j] = (int32_t)((l->own ? l->m + j : j) % l->n);
    }
    lode__graph_loss(graph, lode__contrast(graph, &spec), 1);
    lode__graph_keep_gradient(graph, c->query);
    lode__graph_keep_gradient(graph, c->key);
    return lode__graph_finish(graph, NULL) == LODE_OK;
}

static void contrast(lode_benchmark *bench, const struct loss *l, lode_precision precision) {
    if (!lode__bench_wants(bench, l->name)) return;
    contrast_call c = {0};
    if (lode__graph_new(&c.graph, precision, true, NULL, NULL) != LODE_OK || !build_contrast(l, &c)) {
        bench->failed = true;
    } else {
        fill_rows(c.query, 1);
        fill_rows(c.key, 2);
        const lode_bench_work work =
            lode__bench_contrast(l->m, l->n, l->r, WIDTH, l->own, lode__stored_size(precision));
        measure_case(bench, l->name, precision, &work, run_contrast, &c);
    }
    lode__graph_free(&c.graph);
}

// ------------------------------------------------------------------------------------------------
// Lazy Adam
// ------------------------------------------------------------------------------------------------

enum { TABLE = 1 << 20, IDS = 1 << 17 };

typedef struct lazy_call {
    lode_params *params;
    lode_graph *graph;
} lazy_call;

static void run_lazy_adam(void *context) {
    const lazy_call *c = context;
    const lode_optimiser adam = {LODE_LAZY_ADAM, 1e-3, 0.9, 0.999, 1e-8, 0};
    lode_graph *graph = c->graph;
    graph->nodes[0].op->backward(graph, graph->nodes[0].self);
    lode__optimise(&adam, c->params, 2, NULL);
}

static bool build_table(lazy_call *c) {
    if (lode__params_new(&c->params, LODE_F32, NULL) != LODE_OK) return false;
    const size_t number = lode__param_table(c->params, "table", TABLE, WIDTH, LODE_INIT_ZERO, 0);
    return lode__params_finish(c->params, 1, NULL) == LODE_OK &&
           lode__params_trainable(c->params, NULL) == LODE_OK &&
           lode__param(c->params, number) != NULL;
}

/// Random ids; *distinct counts the rows that they touch.
static bool build_lookup(lazy_call *c, lode_precision precision, size_t *distinct) {
    if (lode__graph_new(&c->graph, precision, true, NULL, NULL) != LODE_OK) return false;
    lode_dim *dim = dimension(c->graph, "ids", IDS);
    lode_ids *ids = dim != NULL ? lode__graph_ids(c->graph, dim, 1) : NULL;
    bool *seen = lode__alloc(TABLE, sizeof *seen);
    if (ids == NULL || seen == NULL) {
        lode__free(seen);
        return false;
    }
    uint64_t state = 1;
    for (size_t i = 0; i < IDS; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        const size_t id = (size_t)(state >> 32) % TABLE;
        ids->data[i] = (int32_t)id;
        *distinct += !seen[id];
        seen[id] = true;
    }
    lode__free(seen);
    lode__graph_loss(
        c->graph, lode__embedding(c->graph, lode__param(c->params, 0), ids, NULL, LODE_POOL_SUM), 1);
    return lode__graph_finish(c->graph, NULL) == LODE_OK;
}

static void lazy_adam(lode_benchmark *bench, lode_precision precision) {
    const char *name = "lazy Adam, 131072 random rows of 64";
    if (!lode__bench_wants(bench, name)) return;
    lazy_call c = {0};
    size_t distinct = 0;
    if (!build_table(&c) || !build_lookup(&c, precision, &distinct)) {
        bench->failed = true;
    } else {
        lode_param *table = lode__param(c.params, 0);
        const lode_tensor *output = c.graph->nodes[0].output;
        memset(table->first, 0, (size_t)TABLE * WIDTH * sizeof(float));
        memset(table->second, 0, (size_t)TABLE * WIDTH * sizeof(float));
        for (size_t i = 0; i < (size_t)IDS * WIDTH; i++) {
            lode__real_set(output->elements, output->gradient, i, 0.01 * (double)(i % 7));
        }
        const lode_bench_work work =
            lode__bench_lazy_adam(IDS, distinct, WIDTH, lode__stored_size(output->elements));
        measure_case(bench, name, precision, &work, run_lazy_adam, &c);
    }
    lode__graph_free(&c.graph);
    lode__params_free(&c.params);
}

// ------------------------------------------------------------------------------------------------
// The scan
// ------------------------------------------------------------------------------------------------

static const struct scanned {
    const char *name;
    size_t queries, words;
} scans[] = {
    {"scan, 1 query, 8192 items of 64", 1, 128},
    {"scan, 1 query, 1048576 items of 64", 1, 16384},
    {"scan, 32 queries, 1048576 items of 64", 32, 16384},
};

enum { QUERIES = 32 };

typedef struct scan_call {
    lode_scan_kernel *kernel;
    struct lode_scan scan;
} scan_call;

static void run_scan(void *context) {
    const scan_call *c = context;
    c->kernel(&c->scan);
}

static void scan(lode_benchmark *bench, const struct scanned *s) {
    if (!lode__bench_wants(bench, s->name)) return;
    const size_t bytes = s->words * LODE_SCAN_WORD * WIDTH;
    uint8_t *items = lode__bench_hold(bench, bytes, 1);
    int8_t *query = lode__bench_hold(bench, WIDTH, 1);
    const int8_t *queries[QUERIES];
    int32_t bars[QUERIES];
    for (size_t i = 0; i < QUERIES; i++) {
        queries[i] = query;
        bars[i] = INT32_MAX; // nothing passes, as nearly nothing does in a search
    }
    scan_call c = {
        .kernel = lode__scan_kernel(),
        .scan = {.groups = WIDTH / 4,
                 .words = s->words,
                 .items = items,
                 .rows = s->queries,
                 .queries = queries,
                 .bars = bars,
                 .hits = lode__bench_hold(bench, s->queries * s->words, sizeof *c.scan.hits)}};
    if (!bench->failed) {
        memset(items, 129, bytes);
        memset(query, 3, WIDTH);
        const lode_bench_work work = lode__bench_scan(s->queries, s->words, WIDTH / 4);
        lode__bench_case(bench, s->name, "int8", bench->ceilings.int8, &work, run_scan, &c);
    }
    lode__bench_let_go(bench);
}

void lode__bench_wholes(lode_benchmark *bench) {
    static const lode_precision precisions[] = {LODE_F32, LODE_BF16};
    for (size_t p = 0; p < sizeof precisions / sizeof *precisions; p++) {
        for (size_t i = 0; i < sizeof losses / sizeof *losses; i++) {
            contrast(bench, &losses[i], precisions[p]);
        }
        lazy_adam(bench, precisions[p]);
    }
    for (size_t i = 0; i < sizeof scans / sizeof *scans; i++) {
        scan(bench, &scans[i]);
    }
}
