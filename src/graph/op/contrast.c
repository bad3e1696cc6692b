/// contrast: queries against their positive and negatives, without ever holding the m x r logits.
///
///     z+_i = scale <q_i, k_pos(i)> - shift+_i        z_ij = scale <q_i, k_neg(j)> - shift_j   (-inf where masked)
///
///     softmax   l_i = lse_i - z+_i,  lse_i = log([e^z+_i] + sum_j e^z_ij)       InfoNCE; sampled softmax
///               dl/dz_ij = e^(z_ij - lse_i)          dl/dz+_i = [e^(z+_i - lse_i)] - 1
///               [..] only with positive_in_denominator (SYSTEMS.md: the default for every paper)
///     bce       l_i = softplus(-z+_i) + sum_j softplus(z_ij)
///               dl/dz_ij = s(z_ij)                   dl/dz+_i = -s(-z+_i)             s(x) = 1 / (1 + e^-x)
///     bpr       l_i = mean over unmasked j of softplus(z_ij - z+_i)
///               dl/dz_ij = s(z_ij - z+_i) / count_i  dl/dz+_i = -sum_j dl/dz_ij
///
/// The value is the mean of l_i over the m queries, of w_i l_i where they have weights (divided by m, not by the sum of
/// weights: CLRec Eq. 8). A weight multiplies a query's loss and all its dl/dz. The gradients are
///
///     dq_i = each (dl/dz+_i k_pos(i) + sum_j dl/dz_ij k_neg(j)),  each = scale dL / m,    and dk likewise.
///
/// Negatives shared by all queries are in contrast_shared.c, a query's own (`shared` false) in contrast_own.c. Either
/// way each gradient row is summed by one task, over an ordered list of what pulls at it.
///
/// The logits of a query that has no negative left are its positive's alone: softmax and bpr then give 0.
#include <math.h>

#include "graph/op/contrast.h"

LODE_OP_DECLARE(contrast);

static double softplus(double x) {
    return LODE_MAX(x, 0.0) + log1p(exp(-fabs(x)));
}

void LODE_REAL(lode__contrast_positives)(const lode_contrast_op *self, size_t first, size_t rows,
                                         size_t stride, real *z) {
    const lode_vector *shift = self->spec.positive_shift;
    const real scale = (real)self->spec.scale;
    for (size_t i = 0; i < rows; i++) {
        real *positive = z + i * stride;
        *positive = scale * *positive - (shift != NULL ? (real)shift->data[first + i] : 0);
        ((real *)self->positive)[first + i] = *positive;
    }
}

static real finish_softmax(const lode_contrast_op *self, size_t query,
                           const lode_contrast_sums *sums) {
    const double positive = (double)((const real *)self->positive)[query];
    double top = (double)sums->top, sum = (double)sums->sum, own = 0.0;
    real *loss = (real *)self->loss + query, *lse = (real *)self->lse + query;
    real *derivative = (real *)self->d_positive + query;
    if (top == -(double)INFINITY && sum == 0.0) { // nothing left to contrast with
        *loss = *derivative = 0;
        *lse = (real)INFINITY;
        return 0;
    }
    double shrink = 1.0; // of what was summed below another top
    if (self->spec.positive_in_denominator) {
        if (positive > top) {
            shrink = exp(top - positive);
            top = positive;
            own = 1.0;
        } else {
            own = exp(positive - top);
        }
        sum = sum * shrink + own;
    }
    const double logarithm = log(sum);
    *loss = (real)(top - positive + logarithm);
    *lse = (real)(top + logarithm);
    *derivative = (real)(own / sum - 1.0);
    return (real)(shrink / sum);
}

real LODE_REAL(lode__contrast_finish)(const lode_contrast_op *self, size_t query, size_t counted,
                                      const lode_contrast_sums *sums) {
    const double positive = (double)((const real *)self->positive)[query];
    real *loss = (real *)self->loss + query, *derivative = (real *)self->d_positive + query;
    real factor = 1;
    switch (self->spec.kind) {
    case LODE_CONTRAST_SOFTMAX:
        factor = finish_softmax(self, query, sums);
        break;
    case LODE_CONTRAST_BCE:
        *loss = (real)(softplus(-positive) + (double)sums->loss);
        *derivative = (real)(-1.0 / (1.0 + exp(positive)));
        break;
    case LODE_CONTRAST_BPR:
        factor = counted > 0 ? 1 / (real)counted : 0;
        *loss = factor * sums->loss;
        *derivative = -factor * sums->sum;
        ((real *)self->share)[query] = factor;
        break;
    }
    if (self->spec.weight == NULL) return factor;
    const real weight = (real)self->spec.weight->data[query];
    *loss *= weight;
    *derivative *= weight;
    return factor * weight;
}

real LODE_REAL(lode__contrast_each)(const lode_contrast_op *self) {
    const real outer = *(const real *)self->output->gradient;
    return outer * (real)self->spec.scale / (real)self->spec.query->rows->size;
}

static void forward(lode_graph *graph, void *context) {
    (void)graph;
    lode_contrast_op *self = context;
    if (self->spec.shared) {
        LODE_REAL(lode__contrast_shared_forward)(self);
    } else {
        LODE_REAL(lode__contrast_own_forward)(self);
    }
    const size_t m = self->spec.query->rows->size;
    double sum = 0.0;
    for (size_t i = 0; i < m; i++)
        sum += (double)((const real *)self->loss)[i];
    *(real *)self->output->value = (real)(m > 0 ? sum / (double)m : 0.0);
}

static void backward(lode_graph *graph, void *context) {
    (void)graph;
    lode_contrast_op *self = context;
    if (self->spec.query->rows->size == 0) return;
    if (self->spec.shared) {
        LODE_REAL(lode__contrast_shared_backward)(self);
    } else {
        LODE_REAL(lode__contrast_own_backward)(self);
    }
}

const lode_op LODE_REAL(lode__op_contrast) = {"contrast", forward, backward};

#if LODE_FIRST_PASS
static void allocate_order(lode_graph *graph, lode_contrast_order *order, size_t rows,
                           size_t entries, size_t weight_size) {
    order->starts = lode__graph_alloc(graph, rows + 2, sizeof *order->starts);
    order->from = lode__graph_alloc(graph, entries, sizeof *order->from);
    if (weight_size > 0)
        lode__graph_work(graph, &order->weights, entries, weight_size, LODE_BACKWARD_ONLY);
}

static void allocate_shared(lode_graph *graph, lode_contrast_op *self, size_t size) {
    enum { COLUMNS = LODE_CONTRAST_COLUMNS };
    const lode_contrast *spec = &self->spec;
    const size_t kept = lode__stored_size(graph->precision), d = spec->query->columns;
    const size_t m = spec->query->rows->capacity, r = spec->negative->dim->capacity;
    const size_t key_blocks = (r + COLUMNS - 1) / COLUMNS, query_blocks = (m + COLUMNS - 1) / COLUMNS;
    const size_t across = lode__graph_packed(graph, d, COLUMNS);
    const size_t along = lode__graph_packed(graph, COLUMNS, d), n = spec->key->rows->capacity;
    lode_contrast_packed *keys = &self->packed_keys, *queries = &self->packed_queries;
    lode__graph_work(graph, &keys->across, key_blocks * across, kept, LODE_FORWARD_ONLY);
    if (spec->negative_shift != NULL)
        lode__graph_work(graph, &self->shift, r, size, LODE_INTO_BACKWARD);
    if (spec->masked != NULL) {
        const size_t masked = spec->masked->positions->capacity;
        allocate_order(graph, &self->mask_by_query, m, masked, 0);
        allocate_order(graph, &self->mask_by_place, r, masked, 0);
    }
    if (graph->gradients) {
        lode__graph_work(graph, &keys->along, key_blocks * along, kept, LODE_FORWARD_ONLY);
        lode__graph_work(graph, &queries->across, query_blocks * across, kept, LODE_BACKWARD_ONLY);
        lode__graph_work(graph, &queries->along, query_blocks * along, kept, LODE_BACKWARD_ONLY);
        lode__graph_work(graph, &self->pull, m * d, size, LODE_INTO_BACKWARD);
        lode__graph_work(graph, &self->d_keys, r * d, size, LODE_BACKWARD_ONLY);
        allocate_order(graph, &self->by_key, n, m, size);
        allocate_order(graph, &self->by_place, n, r, 0);
    }
    lode__graph_scratch(
        graph, (LODE_GEMM_SCRATCH + 2 * LODE_CONTRAST_ROWS * COLUMNS + LODE_TILE * d) * size);
}

static void allocate_own(lode_graph *graph, lode_contrast_op *self, size_t size) {
    const lode_contrast *spec = &self->spec;
    size_t entries;
    if (!lode__size_mul(spec->query->rows->capacity, 1 + spec->negative->width, &entries) ||
        entries > INT32_MAX) {
        graph->failed = true;
        return;
    }
    self->own_keys = lode__graph_alloc(graph, entries, sizeof *self->own_keys);
    lode__graph_work(graph, &self->own, entries, size, LODE_INTO_BACKWARD);
    lode__graph_scratch(graph, 2 * LODE_TILE * (1 + spec->negative->width) * size);
    if (graph->gradients)
        allocate_order(graph, &self->by_key, spec->key->rows->capacity, entries, size);
}

lode_tensor *lode__contrast(lode_graph *graph, const lode_contrast *contrast) {
    lode_contrast_op *self = lode__graph_alloc(graph, 1, sizeof *self);
    if (self == NULL || contrast->query == NULL || contrast->key == NULL ||
        contrast->positive == NULL || contrast->negative == NULL) {
        graph->failed = true;
        return NULL;
    }
    assert(contrast->query->columns == contrast->key->columns);
    const size_t size = lode__real_size(graph->precision);
    const size_t m = contrast->query->rows->capacity;
    self->spec = *contrast;
    self->graph = graph;
    self->output = lode__graph_tensor_wide(graph, &graph->one, 1, true);
    lode__graph_work(graph, &self->positive, m, size, LODE_INTO_BACKWARD);
    lode__graph_work(graph, &self->lse, m, size, LODE_INTO_BACKWARD);
    lode__graph_work(graph, &self->share, m, size, LODE_INTO_BACKWARD);
    lode__graph_work(graph, &self->loss, m, size, LODE_FORWARD_ONLY);
    lode__graph_work(graph, &self->d_positive, m, size, LODE_INTO_BACKWARD);
    lode__graph_reads(graph, self->spec.query, LODE_INTO_BACKWARD);
    lode__graph_reads(graph, self->spec.key, LODE_INTO_BACKWARD);
    if (contrast->shared) {
        allocate_shared(graph, self, size);
    } else {
        allocate_own(graph, self, size);
    }
    return lode__graph_add(graph, LODE_OP(graph, contrast), self, self->output);
}
#endif
