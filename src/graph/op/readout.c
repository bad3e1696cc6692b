/// readout: label-aware attention, one vector of a user's interests for the item that it is to find (Li et al., CIKM
/// 2019, Eq. 9).
///
///     s_k = e_k . v                     e_k: the user's interests, v: the key of its target
///     hard:  y = e_k of the largest s_k, of equal ones the first
///     soft:  w = softmax_k(sign(s_k) |s_k|^p),  y = sum_k w_k e_k
///
/// The sign is kept so that a larger product is a larger weight at every power; for products that are not negative, and
/// for odd powers, it is the paper's pow. Powers beyond 1e30 count as that. Gradient as in the public code: of hard, to
/// the chosen interest alone; of soft, through the weights too, to the interests and to the target:
///
///     da_k = w_k (e_k . dy - y . dy),  ds_k = da_k p |s_k|^(p - 1),  de_k = w_k dy + ds_k v,  dv = sum_k ds_k e_k
#include <math.h>

#include "graph/op/contrast.h"

LODE_OP_DECLARE(readout);

typedef struct lode_readout_op {
    lode_graph *graph;
    lode_tensor *interests, *key, *output;
    lode_lists *lists;
    lode_ids *targets;
    lode_readout spec;
    void *weights;              ///< [interests] w; hard: 1 and 0
    void *scores;               ///< [interests] s forward, ds backward
    int32_t *keys;              ///< [interests] the target of each one's user
    lode_contrast_order by_key; ///< ds by target
    bool add, add_key;
} lode_readout_op;

static size_t tiles(size_t rows) {
    return (rows + LODE_TILE - 1) / LODE_TILE;
}

static double power(double s, double p) {
    return copysign(fmin(pow(fabs(s), p), 1e30), s);
}

static void weigh(const lode_readout_op *self, const real *s, real *w, size_t count) {
    size_t best = 0;
    double sum = 0;
    for (size_t k = 1; k < count; k++)
        if (s[k] > s[best]) best = k;
    if (self->spec.hard) {
        for (size_t k = 0; k < count; k++)
            w[k] = k == best;
        return;
    }
    const double top = power((double)s[best], self->spec.power);
    for (size_t k = 0; k < count; k++)
        sum += exp(power((double)s[k], self->spec.power) - top);
    for (size_t k = 0; k < count; k++)
        w[k] = (real)(exp(power((double)s[k], self->spec.power) - top) / sum);
}

static void forward_tile(void *context, size_t task, size_t thread) {
    (void)thread;
    const lode_readout_op *self = context;
    const lode_kernels *kernels = self->graph->kernels;
    const size_t d = self->output->columns;
    const size_t last = LODE_MIN((task + 1) * LODE_TILE, self->output->rows->size);
    for (size_t row = task * LODE_TILE; row < last; row++) {
        const size_t begin = (size_t)self->lists->offsets[row];
        const size_t count = (size_t)self->lists->offsets[row + 1] - begin;
        const stored *e = (const stored *)self->interests->value + begin * d;
        const stored *v = (const stored *)self->key->value + (size_t)self->targets->data[row] * d;
        real *s = (real *)self->scores + begin, *w = (real *)self->weights + begin;
        for (size_t k = 0; k < count; k++)
            s[k] = kernels->dot(d, e + k * d, v);
        weigh(self, s, w, count);
        for (size_t c = 0; c < d; c++) {
            real sum = 0;
            for (size_t k = 0; k < count; k++)
                if (w[k] != 0) sum += w[k] * widen(e[k * d + c]);
            ((stored *)self->output->value)[row * d + c] = narrow(sum);
        }
    }
}

static void forward(lode_graph *graph, void *context) {
    lode_readout_op *self = context;
    lode__pool_run(graph->pool, tiles(self->output->rows->size), forward_tile, self);
}

/// s of a user's interests becomes ds.
static void slopes(const lode_readout_op *self, size_t row, const stored *dy) {
    const size_t d = self->output->columns, begin = (size_t)self->lists->offsets[row];
    const size_t end = (size_t)self->lists->offsets[row + 1];
    const lode_kernels *kernels = self->graph->kernels;
    real *s = self->scores;
    const real *w = self->weights;
    const double p = self->spec.power;
    double mean = 0;
    if (self->spec.hard) {
        for (size_t k = begin; k < end; k++)
            s[k] = 0;
        return;
    }
    for (size_t k = begin; k < end; k++)
        mean += (double)w[k] *
                (double)kernels->dot(d, (const stored *)self->interests->value + k * d, dy);
    for (size_t k = begin; k < end; k++) {
        const double own =
            (double)kernels->dot(d, (const stored *)self->interests->value + k * d, dy);
        const double steep =
            pow(fabs((double)s[k]), p) < 1e30 ? p * pow(fabs((double)s[k]), p - 1) : 0;
        s[k] = (real)((double)w[k] * (own - mean) * steep);
    }
}

static void backward_tile(void *context, size_t task, size_t thread) {
    (void)thread;
    const lode_readout_op *self = context;
    const size_t d = self->output->columns;
    const size_t last = LODE_MIN((task + 1) * LODE_TILE, self->output->rows->size);
    for (size_t row = task * LODE_TILE; row < last; row++) {
        const stored *dy = (const stored *)self->output->gradient + row * d;
        const stored *v = (const stored *)self->key->value + (size_t)self->targets->data[row] * d;
        slopes(self, row, dy);
        const size_t end = (size_t)self->lists->offsets[row + 1];
        for (size_t k = (size_t)self->lists->offsets[row]; k < end; k++) {
            const real w = ((const real *)self->weights)[k], ds = ((const real *)self->scores)[k];
            stored *de = (stored *)self->interests->gradient + k * d;
            self->keys[k] = self->targets->data[row];
            for (size_t c = 0; c < d; c++) {
                const real value = w * widen(dy[c]) + ds * widen(v[c]);
                de[c] = narrow(self->add ? widen(de[c]) + value : value);
            }
        }
    }
}

static void key_tile(void *context, size_t task, size_t thread) {
    (void)thread;
    const lode_readout_op *self = context;
    const lode_kernels *kernels = self->graph->kernels;
    const size_t d = self->key->columns, first = task * LODE_TILE;
    kernels->weighted_sum(
        &(lode_weighted_sum){.rows = LODE_MIN((size_t)LODE_TILE, self->key->rows->size - first),
                             .n = d,
                             .starts = self->by_key.starts + first,
                             .ids = self->by_key.from,
                             .weights = self->by_key.weights,
                             .table = self->interests->value,
                             .scale = 1,
                             .add = self->add_key,
                             .out = (stored *)self->key->gradient + first * d});
}

static void backward(lode_graph *graph, void *context) {
    lode_readout_op *self = context;
    if (lode__gradient(self->interests, &self->add) == NULL) return;
    lode__pool_run(graph->pool, tiles(self->output->rows->size), backward_tile, self);
    if (self->spec.hard || lode__gradient(self->key, &self->add_key) == NULL) return;
    LODE_REAL(lode__contrast_order)
    (&self->by_key, self->key->rows->size, self->interests->rows->size, 1, self->keys, self->scores);
    lode__pool_run(graph->pool, tiles(self->key->rows->size), key_tile, self);
}

const lode_op LODE_REAL(lode__op_readout) = {"readout", forward, backward};

#if LODE_FIRST_PASS
static void plan_work(lode_graph *graph, lode_readout_op *self) {
    const size_t n = self->interests->rows->capacity, keys = self->key->rows->capacity;
    const size_t size = lode__real_size(graph->precision);
    lode_contrast_order *order = &self->by_key;
    lode__graph_work(graph, &self->weights, n, size, LODE_INTO_BACKWARD);
    lode__graph_work(graph, &self->scores, n, size, LODE_INTO_BACKWARD);
    lode__graph_work(graph, (void **)&self->keys, n, sizeof *self->keys, LODE_BACKWARD_ONLY);
    lode__graph_work(graph, (void **)&order->starts, keys + 2, sizeof *order->starts,
                     LODE_BACKWARD_ONLY);
    lode__graph_work(graph, (void **)&order->from, n, sizeof *order->from, LODE_BACKWARD_ONLY);
    lode__graph_work(graph, &order->weights, n, size, LODE_BACKWARD_ONLY);
}

lode_tensor *lode__readout(lode_graph *graph, lode_tensor *interests, lode_lists *lists,
                           lode_tensor *key, lode_ids *targets, const lode_readout *spec) {
    lode_readout_op *self = lode__graph_alloc(graph, 1, sizeof *self);
    if (self == NULL || interests == NULL || lists == NULL || key == NULL || targets == NULL) {
        graph->failed = true;
        return NULL;
    }
    assert(interests->rows == lists->positions && targets->dim == lists->rows);
    assert(interests->columns == key->columns && (spec->hard || spec->power >= 1));
    lode_tensor *output = lode__graph_tensor(graph, lists->rows, interests->columns, true);
    *self = (lode_readout_op){.graph = graph,
                              .interests = interests,
                              .key = key,
                              .output = output,
                              .lists = lists,
                              .targets = targets,
                              .spec = *spec};
    plan_work(graph, self);
    lode__graph_reads(graph, interests, LODE_INTO_BACKWARD);
    lode__graph_reads(graph, key, LODE_INTO_BACKWARD);
    return lode__graph_add(graph, LODE_OP(graph, readout), self, output);
}
#endif
