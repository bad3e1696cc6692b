/// Random rows of a large table: what an embedding look-up and a lazy Adam update reach, beside plain loops that move what
/// the work cannot but move, with software prefetch at its best distance: the ceiling. For a look-up they copy the rows
/// out; for bags they read one number of each cache line; for lazy Adam they move the sort's entries twice, then touch
/// value, moments and gradient, one number of each cache line, with the table's rows in order and the gradient's not.
///
///     bench_rows [ROWS]     default 8388608 rows of 64 floats: a table of 2 GiB, moments of 4 GiB
///
/// GB/s count the bytes that are touched: once for what is read or written, twice for what is updated. Medians of PASSES.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/random.h"
#include "base/usage.h"
#include "graph/ops.h"
#include "graph/optimiser.h"

enum { DIM = 64, IDS = 1 << 18, BAG = 16, PASSES = 5, IDS_PER_TASK = 2048 };
enum {
    SORT_BYTES = 12,
    SORT_PASSES = 2
}; ///< an entry of the sort; times that all of them must move

static const size_t ROW_BYTES = DIM * sizeof(float);

typedef struct bench {
    lode_params *params;
    lode_param *table;
    lode_graph *rows_graph, *bags_graph;
    lode_ids *rows_ids, *bags_ids;
    lode_pool *pool;
    int32_t *ids;
    int32_t *sorted, *places; ///< ids in order, and where each stands in `ids`
    char *moved;              ///< [2, SORT_BYTES * IDS]
    size_t distance;
    uint64_t *sums; ///< a task each, so that nothing is optimised away
} bench;

static void check(lode_status status, const lode_error *error) {
    if (status == LODE_OK) return;
    fprintf(stderr, "bench_rows: %s\n", error->message);
    exit(1);
}

static int by_value(const void *x, const void *y) {
    const double a = *(const double *)x, b = *(const double *)y;
    return (a > b) - (a < b);
}

static double median(void (*call)(bench *), bench *self) {
    double seconds[PASSES];
    call(self);
    for (size_t pass = 0; pass < PASSES; pass++) {
        const double start = lode__clock();
        call(self);
        seconds[pass] = lode__clock() - start;
    }
    qsort(seconds, PASSES, sizeof *seconds, by_value);
    return seconds[PASSES / 2];
}

static float *row_at(void *array, int32_t row) {
    return (float *)array + (size_t)row * DIM;
}

static void prefetch(void *array, int32_t row) {
    lode__fetch_ahead(row_at(array, row), ROW_BYTES);
}

static void read_task(void *context, size_t task, size_t thread) {
    (void)thread;
    const bench *self = context;
    const int32_t *ids = self->ids + task * IDS_PER_TASK;
    uint64_t sum = 0;
    for (size_t i = 0; i < IDS_PER_TASK; i++) {
        if (task * IDS_PER_TASK + i + self->distance < IDS)
            prefetch(self->table->value, ids[i + self->distance]);
        const char *row = (const char *)row_at(self->table->value, ids[i]);
        for (size_t at = 0; at < ROW_BYTES; at += LODE_CACHE_LINE) {
            uint64_t word;
            memcpy(&word, row + at, sizeof word);
            sum ^= word;
        }
    }
    self->sums[task] ^= sum;
}

static const lode_tensor *output_of(const bench *self) {
    return self->rows_graph->nodes[0].output;
}

static void copy_task(void *context, size_t task, size_t thread) {
    (void)thread;
    const bench *self = context;
    const size_t first = task * IDS_PER_TASK;
    for (size_t i = first; i < first + IDS_PER_TASK; i++) {
        if (i + self->distance < IDS) prefetch(self->table->value, self->ids[i + self->distance]);
        char *to = (char *)row_at(output_of(self)->value, (int32_t)i);
        const char *from = (const char *)row_at(self->table->value, self->ids[i]);
        for (size_t at = 0; at < ROW_BYTES; at += LODE_CACHE_LINE)
            memcpy(to + at, from + at, LODE_CACHE_LINE);
    }
}

/// Value and two moments in the order of the table, each with its gradient row: one number of each cache line.
static void write_task(void *context, size_t task, size_t thread) {
    (void)thread;
    const bench *self = context;
    void *const arrays[] = {self->table->value, self->table->first, self->table->second};
    const size_t first = task * IDS_PER_TASK;
    for (size_t i = first; i < first + IDS_PER_TASK; i++) {
        const size_t ahead = i + self->distance;
        for (size_t a = 0; ahead < IDS && a < 3; a++)
            prefetch(arrays[a], self->sorted[ahead]);
        if (ahead < IDS) prefetch(output_of(self)->gradient, self->places[ahead]);
        const float *gradient = row_at(output_of(self)->gradient, self->places[i]);
        for (size_t a = 0; a < 3; a++) {
            float *row = row_at(arrays[a], self->sorted[i]);
            for (size_t c = 0; c < DIM; c += LODE_CACHE_LINE / sizeof *row)
                row[c] += gradient[c];
        }
    }
}

static void move_task(void *context, size_t task, size_t thread) {
    (void)thread;
    const bench *self = context;
    const size_t bytes = (size_t)IDS_PER_TASK * SORT_BYTES, all = (size_t)IDS * SORT_BYTES;
    memcpy(self->moved + all + task * bytes, self->moved + task * bytes, bytes);
}

static void read_rows(bench *self) {
    lode__pool_run(self->pool, IDS / IDS_PER_TASK, read_task, self);
}

static void copy_rows(bench *self) {
    lode__pool_run(self->pool, IDS / IDS_PER_TASK, copy_task, self);
}

static void write_rows(bench *self) {
    for (size_t pass = 0; pass < SORT_PASSES; pass++)
        lode__pool_run(self->pool, IDS / IDS_PER_TASK, move_task, self);
    lode__pool_run(self->pool, IDS / IDS_PER_TASK, write_task, self);
}

static void look_up(bench *self) {
    lode__graph_forward(self->rows_graph);
}

static void sum_bags(bench *self) {
    lode__graph_forward(self->bags_graph);
}

static void update(bench *self) {
    const lode_optimiser adam = {LODE_LAZY_ADAM, 1e-3, 0.9, 0.999, 1e-8, 0.0};
    lode_graph *graph = self->rows_graph;
    graph->nodes[0].op->backward(graph, graph->nodes[0].self);
    lode__optimise(&adam, self->params, 2, self->pool);
}

static void sort_ids(bench *self) {
    lode_graph *graph = self->rows_graph;
    graph->nodes[0].op->backward(graph, graph->nodes[0].self);
    (void)lode__store_sort(self->table->store, self->pool);
    lode__store_forget(self->table->store);
}

static void build(bench *self) {
    lode_error error = {0};
    check(lode__graph_new(&self->rows_graph, LODE_F32, true, self->pool, &error), &error);
    check(lode__graph_new(&self->bags_graph, LODE_F32, true, self->pool, &error), &error);
    lode_dim *all = lode__graph_dim(self->rows_graph, "ids", IDS);
    self->rows_ids = lode__graph_ids(self->rows_graph, all, 1);
    lode__graph_loss(
        self->rows_graph,
        lode__embedding(self->rows_graph, self->table, self->rows_ids, NULL, LODE_POOL_SUM), 1.0);
    lode_dim *bags = lode__graph_dim(self->bags_graph, "bags", IDS / BAG);
    lode_dim *places = lode__graph_dim(self->bags_graph, "ids", IDS);
    lode_lists *lists = lode__graph_lists(self->bags_graph, bags, places, BAG);
    self->bags_ids = lode__graph_ids(self->bags_graph, places, 1);
    lode__graph_loss(
        self->bags_graph,
        lode__embedding(self->bags_graph, self->table, self->bags_ids, lists, LODE_POOL_MEAN), 1.0);
    check(lode__graph_finish(self->rows_graph, &error), &error);
    check(lode__graph_finish(self->bags_graph, &error), &error);
    all->size = places->size = IDS;
    bags->size = IDS / BAG;
    for (size_t i = 0; i <= IDS / BAG; i++)
        lists->offsets[i] = (int32_t)(i * BAG);
    memcpy(self->rows_ids->data, self->ids, IDS * sizeof *self->ids);
    memcpy(self->bags_ids->data, self->ids, IDS * sizeof *self->ids);
    const lode_tensor *output = output_of(self);
    for (size_t i = 0; i < (size_t)IDS * DIM; i++)
        ((float *)output->gradient)[i] = 0.01F * (float)(i % 7);
}

/// GB/s of the plain loop at its best distance.
static double ceiling(bench *self, const char *name, void (*call)(bench *), double bytes) {
    static const size_t distances[] = {2, 4, 8, 16, 32, 64};
    double best = 0;
    printf("  %-28s", name);
    for (size_t i = 0; i < sizeof distances / sizeof *distances; i++) {
        self->distance = distances[i];
        const double rate = bytes * 1e-9 / median(call, self);
        printf("  %zu: %.1f", distances[i], rate);
        best = LODE_MAX(best, rate);
    }
    printf("  GB/s at prefetch distances: ceiling %.1f\n", best);
    return best;
}

static void line(bench *self, const char *name, void (*call)(bench *), double bytes, double limit) {
    const double seconds = median(call, self), rate = bytes * 1e-9 / seconds;
    printf("  %-28s %6.1f ns a row  %5.1f GB/s", name, seconds * 1e9 / IDS, rate);
    if (limit > 0) printf("  %3.0f %% of the ceiling", 100 * rate / limit);
    printf("\n");
}

static void run(bench *self, size_t threads) {
    lode_error error = {0};
    const double once = (double)IDS * (double)ROW_BYTES;
    check(lode__pool_new(&self->pool, threads, &error), &error);
    build(self);
    printf("%zu threads, level %s\n", threads, lode__kernels_f32()->level);
    const double copying = ceiling(self, "copy random rows", copy_rows, 2 * once);
    line(self, "look-up", look_up, 2 * once, copying);
    const double reading = ceiling(self, "read random rows", read_rows, once);
    line(self, "mean of bags of 16", sum_bags, once, reading);
    const double sorted = (double)IDS * 2 * SORT_PASSES * SORT_BYTES;
    const double writing = ceiling(self, "move, update 3 rows", write_rows, 7 * once + sorted);
    line(self, "sort of the ids", sort_ids, sorted, 0);
    line(self, "lazy Adam, sort included", update, 7 * once + sorted, writing);
    lode__graph_free(&self->rows_graph);
    lode__graph_free(&self->bags_graph);
    lode__pool_free(&self->pool);
}

static int by_id(const void *x, const void *y) {
    const uint64_t a = *(const uint64_t *)x, b = *(const uint64_t *)y;
    return (a > b) - (a < b);
}

static bool sort_places(bench *self) {
    uint64_t *keys = calloc(IDS, sizeof *keys);
    if (keys == NULL) return false;
    for (size_t i = 0; i < IDS; i++)
        keys[i] = (uint64_t)self->ids[i] << 32 | i;
    qsort(keys, IDS, sizeof *keys, by_id);
    for (size_t i = 0; i < IDS; i++) {
        self->sorted[i] = (int32_t)(keys[i] >> 32);
        self->places[i] = (int32_t)(keys[i] & UINT32_MAX);
    }
    free(keys);
    return true;
}

int main(int count, char **arguments) {
    const size_t rows = count > 1 ? strtoull(arguments[1], NULL, 10) : (size_t)1 << 23;
    if (rows < 1 || rows > INT32_MAX) {
        fprintf(stderr, "bench_rows: expected 1 to %d rows\n", INT32_MAX);
        return 2;
    }
    bench self = {0};
    lode_error error = {0};
    check(lode__params_new(&self.params, LODE_F32, &error), &error);
    self.table =
        lode__param(self.params, lode__param_table(self.params, "t", rows, DIM, LODE_INIT_ZERO, 0));
    check(lode__params_finish(self.params, 1, &error), &error);
    check(lode__params_trainable(self.params, &error), &error);
    memset(self.table->first, 0, rows * ROW_BYTES);
    memset(self.table->second, 0, rows * ROW_BYTES);
    uint64_t huge;
    const uint64_t resident = lode__resident(self.table->value, rows * ROW_BYTES, &huge);
    printf("random rows of %zu x %d floats (%.2f GiB), compiler " __VERSION__
           ", medians of %d; %.0f %% in huge pages\n",
           rows, DIM, (double)(rows * ROW_BYTES) / (double)(1 << 30), PASSES,
           resident > 0 ? 100.0 * (double)huge / (double)resident : 0.0);
    self.ids = calloc(IDS, sizeof *self.ids);
    self.sums = calloc(IDS / IDS_PER_TASK, sizeof *self.sums);
    self.sorted = calloc(IDS, sizeof *self.sorted);
    self.places = calloc(IDS, sizeof *self.places);
    self.moved = calloc(2 * (size_t)IDS, SORT_BYTES);
    if (self.ids == NULL || self.sums == NULL || self.sorted == NULL || self.places == NULL ||
        self.moved == NULL) {
        return 1;
    }
    lode_random random = lode__random(1, LODE_PURPOSE_USER, 0, 0);
    for (size_t i = 0; i < IDS; i++)
        self.ids[i] = (int32_t)lode__random_below(&random, rows);
    if (!sort_places(&self)) return 1;
    for (size_t threads = 1; threads <= LODE_MIN(lode__processor_count(), (size_t)2); threads++)
        run(&self, threads);
    free(self.ids);
    free(self.sorted);
    free(self.places);
    free(self.moved);
    free(self.sums);
    lode__params_free(&self.params);
    return 0;
}
