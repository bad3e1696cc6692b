/// Search speed. Without arguments a short table on made-up vectors; with --serve a slave of bench/versus_*.py that
/// reads commands, one a line, and answers each with one line ("ok ...", or "error ..."):
///
///     items FILE DIM         raw float32 rows
///     queries FILE DIM
///     seen STARTS IDS        raw u64 [queries + 1] and u32: items left out for each query
///     build KIND LISTS       exact | scan | ivf; answers the seconds
///     open FILE | save FILE
///     search THREADS BATCH K EFFORT FIRST COUNT OUT
///                            queries FIRST .. FIRST + COUNT - 1 in batches; answers the seconds, and writes the
///                            ids, raw u32 [COUNT, K], to OUT
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "base/random.h"
#include "search/searcher.h"

typedef struct bench {
    lode_mapping items_file, queries_file, starts_file, seen_file;
    const float *items, *queries;
    size_t item_count, query_count, dim;
    lode_index *index;
    lode_pool *pool; ///< of `threads`
    size_t threads;
    lode_error error;
} bench;

static double now(void) {
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static bool load(bench *b, lode_mapping *file, const char *path) {
    lode__mapping_close(file);
    return lode__mapping_open(file, path, &b->error) == LODE_OK;
}

static bool load_vectors(bench *b, const char *line, bool items) {
    char path[1024];
    size_t dim;
    if (sscanf(line, "%*s %1023s %zu", path, &dim) != 2 || dim < 1) return false;
    lode_mapping *file = items ? &b->items_file : &b->queries_file;
    if (!load(b, file, path)) return false;
    const size_t count = file->size / (dim * sizeof(float));
    b->dim = dim;
    if (items) {
        b->items = (const float *)(const void *)file->data;
        b->item_count = count;
    } else {
        b->queries = (const float *)(const void *)file->data;
        b->query_count = count;
    }
    return true;
}

static bool load_seen(bench *b, const char *line) {
    char starts[1024], ids[1024];
    return sscanf(line, "%*s %1023s %1023s", starts, ids) == 2 &&
           load(b, &b->starts_file, starts) && load(b, &b->seen_file, ids);
}

static bool set_threads(bench *b, size_t threads) {
    if (threads == b->threads) return true;
    lode__pool_free(&b->pool);
    b->threads = threads;
    return lode__pool_new(&b->pool, threads, &b->error) == LODE_OK;
}

static bool build(bench *b, const char *kind, size_t lists, bool keep, double *seconds) {
    static const char *const names[LODE_INDEX_KINDS] = {"exact", "scan", "ivf"};
    lode_index_options options = {.borrow = !keep, .lists = lists, .seed = 1};
    while (options.kind < LODE_INDEX_KINDS && strcmp(names[options.kind], kind) != 0)
        options.kind++;
    if (options.kind == LODE_INDEX_KINDS || !b->items || !set_threads(b, lode__processor_count()))
        return false;
    lode__index_free(&b->index);
    const double start = now();
    const lode_status status =
        lode__index_build(&b->index, b->items, b->item_count, b->dim, &options, b->pool, &b->error);
    *seconds = now() - start;
    return status == LODE_OK;
}

typedef struct request {
    size_t threads, batch, k, effort, first, count;
    uint32_t *ids;
} request;

/// Seconds of the searches alone; negative when something failed.
static double run(bench *b, const request *r) {
    lode_searcher *searcher = NULL;
    float *scores = malloc(r->batch * r->k * sizeof *scores);
    if (!scores || !set_threads(b, r->threads) ||
        lode__searcher_new(&searcher, b->index, r->batch, r->k, b->pool, &b->error) != LODE_OK) {
        free(scores);
        return -1;
    }
    const double start = now();
    for (size_t done = 0; done < r->count; done += r->batch) {
        const size_t first = r->first + done;
        lode_excluded excluded = {NULL, NULL};
        if (b->starts_file.data) {
            excluded.starts = (const uint64_t *)(const void *)b->starts_file.data + first;
            excluded.ids = (const uint32_t *)(const void *)b->seen_file.data;
        }
        lode__searcher_search(searcher, &(lode_search){.queries = b->queries + first * b->dim,
                                                       .count = LODE_MIN(r->batch, r->count - done),
                                                       .k = r->k,
                                                       .excluded = &excluded,
                                                       .effort = r->effort,
                                                       .ids = r->ids + done * r->k,
                                                       .scores = scores});
    }
    const double seconds = now() - start;
    lode__searcher_free(&searcher);
    free(scores);
    return seconds;
}

static bool search(bench *b, const char *line, double *seconds) {
    char path[1024];
    request r;
    if (sscanf(line, "%*s %zu %zu %zu %zu %zu %zu %1023s", &r.threads, &r.batch, &r.k, &r.effort,
               &r.first, &r.count, path) != 7)
        return false;
    if (!b->index || !b->queries || r.first + r.count > b->query_count || r.batch < 1) return false;
    r.ids = malloc((r.count * r.k + 1) * sizeof *r.ids);
    if (!r.ids) return false;
    memset(r.ids, 0, r.count * r.k * sizeof *r.ids);
    *seconds = run(b, &r);
    FILE *out = fopen(path, "wb");
    const bool good = out && fwrite(r.ids, sizeof *r.ids, r.count * r.k, out) == r.count * r.k;
    if (out) (void)fclose(out);
    free(r.ids);
    return good && *seconds >= 0;
}

static bool obey(bench *b, const char *line, double *seconds) {
    char word[1024] = "", argument[1024] = "";
    size_t number = 0;
    const int found = sscanf(line, "%1023s %1023s %zu", word, argument, &number);
    if (strcmp(word, "items") == 0 || strcmp(word, "queries") == 0)
        return load_vectors(b, line, word[0] == 'i');
    if (strcmp(word, "seen") == 0) return load_seen(b, line);
    if (strcmp(word, "build") == 0) return found >= 2 && build(b, argument, number, true, seconds);
    if (strcmp(word, "save") == 0)
        return b->index && lode__index_save(b->index, argument, &b->error) == LODE_OK;
    if (strcmp(word, "open") == 0) {
        lode__index_free(&b->index);
        return lode__index_open(&b->index, argument, false, &b->error) == LODE_OK;
    }
    return strcmp(word, "search") == 0 && search(b, line, seconds);
}

static int serve(void) {
    bench b = {0};
    char line[4096];
    while (fgets(line, sizeof line, stdin)) {
        double seconds = 0;
        b.error.message[0] = 0;
        if (obey(&b, line, &seconds)) {
            printf("ok %.9f\n", seconds);
        } else {
            printf("error %s\n", b.error.message[0] ? b.error.message : "cannot do that");
        }
        (void)fflush(stdout);
    }
    lode__index_free(&b.index);
    lode__pool_free(&b.pool);
    return 0;
}

// --- the short table ------------------------------------------------------------------------------------

enum { ITEMS = 100000, QUERIES = 2048, DIM = 64, K = 100 };

static float *normal(size_t count, uint64_t seed) {
    float *x = malloc(count * DIM * sizeof *x);
    lode_random random = lode__random(seed, LODE_PURPOSE_USER, 0, 0);
    for (size_t i = 0; x && i < count * DIM; i++)
        x[i] = (float)lode__random_normal(&random);
    return x;
}

int main(int argc, char **argv) {
    if (argc > 1 && strcmp(argv[1], "--serve") == 0) return serve();
    float *items = normal(ITEMS, 1), *queries = normal(QUERIES, 2);
    uint32_t *ids = malloc((size_t)QUERIES * K * sizeof *ids);
    bench b = {
        .items = items, .queries = queries, .item_count = ITEMS, .query_count = QUERIES, .dim = DIM};
    if (!items || !queries || !ids) return 1;
    printf("search: %d normal vectors of %d, top %d, level %s\n", ITEMS, DIM, K, lode_cpu_level());
    static const char *const kinds[] = {"exact", "scan"};
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        double seconds;
        if (!build(&b, kinds[k], 0, false, &seconds)) return 1;
        for (size_t threads = 1; threads <= 2; threads++) {
            const request many = {threads, QUERIES, K, 0, 0, QUERIES, ids};
            const request single = {threads, 1, K, 0, 0, 50, ids};
            printf("  %-6s %zu threads  %8.1f us a query in a batch, %8.1f us alone\n", kinds[k],
                   threads, 1e6 * run(&b, &many) / QUERIES, 1e6 * run(&b, &single) / 50);
        }
    }
    lode__index_free(&b.index);
    lode__pool_free(&b.pool);
    free(items);
    free(queries);
    free(ids);
    return 0;
}
