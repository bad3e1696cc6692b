/// Speed of the contrastive losses on this machine: forward and backward of one `contrast` op, queries and keys given.
///
/// The roofline is what the arithmetic alone would take: 2 m r d operations forward and 3 x 2 m r d backward (the
/// logits once more, the gradients of queries and of keys) at the peak of this level's multiply-adds on registers, and
/// 2 m r exponentials at the rate at which the level's exp works on an array in the level 1 cache. Own negatives are
/// compared with bytes instead: what must at least be read and written. Beside the speed stand the loss and the largest
/// error of sampled query gradients against double.
///
///     bench_contrast [rounds [threads [f32 | bf16 [workload]]]]        all workloads, at 1 thread, in f32
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/random.h"
#include "bench/bench.h"
#include "graph/ops.h"
#include "lodestone.h"
#include "measure.h"

enum { SAMPLED = 16 };

/// exp of one core, in elements a second.
static double peak_exps(const struct lode_kernels_f32 *kernels) {
    static float x[2048];
    double best = 0.0;
    for (int pass = 0; pass < 20; pass++) {
        const double start = lode__clock();
        for (int i = 0; i < 500; i++)
            (void)kernels->exp_sum(2048, 1.0F, x);
        best = fmax(best, 500.0 * 2048.0 / (lode__clock() - start));
    }
    return best;
}

typedef struct workload {
    const char *name;
    lode_contrast_kind kind;
    size_t m, n, r, d; ///< queries, keys, negatives (of each query when `own`), width
    bool own;
    double scale;
} workload;

static const workload workloads[] = {
    {"in-batch", LODE_CONTRAST_SOFTMAX, 4096, 4096, 4096, 64, false, 5.0},
    {"in-batch wide", LODE_CONTRAST_SOFTMAX, 4096, 4096, 512, 128, false, 5.0},
    {"shared 50", LODE_CONTRAST_SOFTMAX, 4096, 4096, 50, 64, false, 5.0},
    {"shared bce", LODE_CONTRAST_BCE, 4096, 4096, 4096, 64, false, 5.0},
    {"shared bpr", LODE_CONTRAST_BPR, 4096, 4096, 4096, 64, false, 5.0},
    {"own 50", LODE_CONTRAST_SOFTMAX, 4096, 208896, 50, 64, true, 5.0},
    {"positions bce", LODE_CONTRAST_BCE, 100000, 3400, 1, 64, true, 1.0},
    {"positions bpr", LODE_CONTRAST_BPR, 100000, 3400, 1, 64, true, 1.0},
    {"catalogue", LODE_CONTRAST_SOFTMAX, 2560, 54542, 54542, 50, false, 1.0},
};

typedef struct scene {
    const workload *work;
    lode_precision precision;
    lode_pool *pool;
    lode_graph *graph;
    lode_contrast spec;
    lode_tensor *loss;
} scene;

static void die(const char *what) {
    fprintf(stderr, "bench_contrast: %s\n", what);
    exit(1);
}

static void fill_rows(lode_tensor *tensor, lode_random *random) {
    const size_t d = tensor->columns;
    double x[256];
    for (size_t i = 0; i < tensor->rows->capacity; i++) {
        double squares = 0.0;
        for (size_t c = 0; c < d; c++) {
            x[c] = lode__random_normal(random);
            squares += x[c] * x[c];
        }
        for (size_t c = 0; c < d; c++)
            lode__real_set(tensor->elements, tensor->value, i * d + c, x[c] / sqrt(squares));
    }
}

static lode_dim *dimension(scene *s, const char *name, size_t size) {
    lode_dim *dim = lode__graph_dim(s->graph, name, size);
    if (dim == NULL) die("no memory");
    dim->size = size;
    return dim;
}

static void open_scene(scene *s, const workload *work, lode_precision precision, size_t threads) {
    *s = (scene){.work = work, .precision = precision};
    lode_error error = {0};
    if (lode__pool_new(&s->pool, threads, &error) != LODE_OK ||
        lode__graph_new(&s->graph, precision, true, s->pool, &error) != LODE_OK) {
        die("no memory");
    }
    s->graph->layout.apart = true; // queries and keys are nobody's output
    lode_dim *rows = dimension(s, "queries", work->m), *keys = dimension(s, "keys", work->n);
    lode_dim *negatives = work->own ? rows : dimension(s, "negatives", work->r);
    lode_contrast *spec = &s->spec;
    *spec = (lode_contrast){.kind = work->kind,
                            .query = lode__graph_tensor(s->graph, rows, work->d, true),
                            .key = lode__graph_tensor(s->graph, keys, work->d, true),
                            .positive = lode__graph_ids(s->graph, rows, 1),
                            .negative = lode__graph_ids(s->graph, negatives, work->own ? work->r : 1),
                            .shared = !work->own,
                            .scale = work->scale,
                            .positive_in_denominator = true};
    if (spec->query == NULL || spec->key == NULL || spec->positive == NULL || spec->negative == NULL)
        die("no memory");
    for (size_t i = 0; i < work->m; i++)
        spec->positive->data[i] = (int32_t)(i % work->n);
    // As an item view hands out rows: the first time an item is drawn it gets the next one.
    const size_t drawn = work->own ? work->m * work->r : work->r;
    for (size_t j = 0; j < drawn; j++)
        spec->negative->data[j] = (int32_t)((work->own ? work->m + j : j) % work->n);
    s->loss = lode__contrast(s->graph, spec);
    lode__graph_loss(s->graph, s->loss, 1.0);
    lode__graph_keep_gradient(s->graph, spec->query);
    lode__graph_keep_gradient(s->graph, spec->key);
    if (lode__graph_finish(s->graph, &error) != LODE_OK) die("no memory");
    lode_random random = lode__random(1, 7, 0, 0);
    fill_rows(spec->query, &random);
    fill_rows(spec->key, &random);
}

static void close_scene(scene *s) {
    lode__graph_free(&s->graph);
    lode__pool_free(&s->pool);
}

static double key_of(const scene *s, size_t key, size_t column) {
    return lode__tensor_get(s->graph, s->spec.key, key, column);
}

static double logit(const scene *s, size_t query, size_t key) {
    double sum = 0.0;
    for (size_t c = 0; c < s->work->d; c++)
        sum += lode__tensor_get(s->graph, s->spec.query, query, c) * key_of(s, key, c);
    return s->work->scale * sum;
}

/// Largest error of the gradients of SAMPLED queries, relative to their largest element.
static double gradient_error(const scene *s) {
    const workload *w = s->work;
    double worst = 0.0, largest = 0.0;
    for (size_t sample = 0; sample < SAMPLED; sample++) {
        const size_t i = sample * (w->m / SAMPLED);
        const size_t positive = (size_t)s->spec.positive->data[i];
        const double z = logit(s, i, positive);
        double want[256] = {0}, sum = exp(z), lost = 0.0;
        for (size_t j = 0; j < w->r; j++) {
            const size_t at = (size_t)s->spec.negative->data[w->own ? i * w->r + j : j];
            const double other = logit(s, i, at);
            double weight = exp(other);
            sum += weight;
            if (w->kind == LODE_CONTRAST_BCE) weight = 1.0 / (1.0 + exp(-other));
            if (w->kind == LODE_CONTRAST_BPR) weight = 1.0 / (1.0 + exp(z - other)) / (double)w->r;
            lost += weight;
            for (size_t c = 0; c < w->d; c++)
                want[c] += weight * key_of(s, at, c);
        }
        const double share = w->kind == LODE_CONTRAST_SOFTMAX ? 1.0 / sum : 1.0;
        double own = exp(z) / sum - 1.0;
        if (w->kind == LODE_CONTRAST_BCE) own = -1.0 / (1.0 + exp(z));
        if (w->kind == LODE_CONTRAST_BPR) own = -lost;
        for (size_t c = 0; c < w->d; c++) {
            const double full =
                (want[c] * share + own * key_of(s, positive, c)) * w->scale / (double)w->m;
            const double got =
                lode__real_get(s->spec.query->elements, s->spec.query->gradient, i * w->d + c);
            worst = fmax(worst, fabs(got - full));
            largest = fmax(largest, fabs(full));
        }
    }
    return worst / largest;
}

static void bench(const workload *work, lode_precision precision, size_t threads, size_t rounds,
                  double flops, double exps) {
    scene s;
    open_scene(&s, work, precision, threads);
    double forward[99], backward[99];
    for (size_t round = 0; round <= rounds; round++) { // the first one warms up
        s.spec.query->written = s.spec.key->written = false;
        const double start = lode__clock();
        lode__graph_forward(s.graph);
        const double middle = lode__clock();
        lode__graph_backward(s.graph);
        const size_t at = round > 0 ? round - 1 : 0;
        forward[at] = middle - start;
        backward[at] = lode__clock() - middle;
    }
    qsort(forward, rounds, sizeof *forward, by_value);
    qsort(backward, rounds, sizeof *backward, by_value);
    const double f = forward[rounds / 2], b = backward[rounds / 2];
    const double pairs = (double)work->m * (double)work->r, d = (double)work->d;
    const double floor = (8.0 * pairs * d / flops + 2.0 * pairs / exps) / (double)threads;
    printf("%-14s m %6zu r %4zu d %3zu  %zu threads  forward %7.2f ms (min %7.2f)  backward %7.2f "
           "ms (min %7.2f)  ",
           work->name, work->m, work->r, work->d, threads, 1e3 * f, 1e3 * forward[0], 1e3 * b,
           1e3 * backward[0]);
    if (work->own) {
        // once: queries and keys read forward; queries and keys read, both gradients written (and fetched) backward
        const double bytes = (double)lode__stored_size(precision) * d *
                             ((double)work->m * 4.0 + (double)work->n * 4.0);
        printf("%6.1f GB/s  ", 1e-9 * bytes / (f + b));
    } else {
        printf("%6.1f GFLOP/s %5.2f Gexp/s %3.0f %% of the roofline  ", 8e-9 * pairs * d / (f + b),
               2e-9 * pairs / (f + b), 100.0 * floor / (f + b));
    }
    printf("loss %.6f  gradient error %.1e  graph %zu MiB\n", lode__graph_loss_value(s.graph),
           gradient_error(&s), lode__graph_bytes(s.graph) >> 20);
    close_scene(&s);
}

int main(int count, char **arguments) {
    const size_t rounds = count > 1 ? (size_t)atoi(arguments[1]) : 9;
    if (rounds < 1 || rounds > 99) die("1 to 99 rounds");
    const size_t threads = count > 2 ? (size_t)atoi(arguments[2]) : 1;
    const bool bf16 = count > 3 && strcmp(arguments[3], "bf16") == 0;
    const struct lode_kernels_f32 *kernels = lode__kernels_f32();
    const lode_bench_effort effort = {15, 0.01};
    const double flops = lode__bench_peak(bf16 ? LODE_BENCH_B16 : LODE_BENCH_F32, NULL, &effort);
    const double exps = peak_exps(kernels);
    printf("level %s, %s, compiler " __VERSION__
           ", median of %zu; one core: %.1f GFLOP/s, %.2f Gexp/s\n",
           lode_cpu_level(), bf16 ? "bf16" : "f32", rounds, 1e-9 * flops, 1e-9 * exps);
    for (size_t i = 0; i < sizeof workloads / sizeof *workloads; i++) {
        if (count <= 4 || strcmp(arguments[4], workloads[i].name) == 0)
            bench(&workloads[i], bf16 ? LODE_BF16 : LODE_F32, threads, rounds, flops, exps);
    }
    return 0;
}
