/// factors: the sums that a factorisation machine is made of (Rendle, ICDM 2010, Eq. 5). x [m, F d] holds F embeddings
/// e_1 ... e_F of d numbers a row.
///
///     s_k = sum_f e_fk                                p_k = (s_k^2 - sum_f e_fk^2) / 2 = sum_{f < g} e_fk e_gk
///     y = [s, 1]                                      LODE_FACTORS_ONE    [m, d + 1]
///     y = [s, sum_k p_k + sum_f w_f]                  LODE_FACTORS_SCORE  [m, d + 1], w [m, n] the linear terms
///     y = [s, p]                                      LODE_FACTORS_PAIRS  [m, 2d]
///     de_fk = dy_k + dp_k (s_k - e_fk)                dw_f = dy_d
#include "graph/ops.h"
#include "kernel/real.h"

LODE_OP_DECLARE(factors);

typedef struct lode_factors {
    lode_graph *graph;
    lode_tensor *x, *linear, *output;
    size_t d;
    lode_factors_kind kind;
    bool add[2];
} lode_factors;

static real column_sum(const lode_factors *self, const stored *x, size_t k, real *pairs) {
    real sum = 0, squares = 0;
    for (size_t at = k; at < self->x->columns; at += self->d) {
        const real value = widen(x[at]);
        sum += value;
        squares += value * value;
    }
    *pairs = (sum * sum - squares) / 2;
    return sum;
}

static void forward_row(const lode_factors *self, size_t row) {
    const size_t d = self->d;
    const stored *x = (const stored *)self->x->value + row * self->x->columns;
    stored *y = (stored *)self->output->value + row * self->output->columns;
    real score = 0;
    for (size_t k = 0; k < d; k++) {
        real pairs;
        y[k] = narrow(column_sum(self, x, k, &pairs));
        score += pairs;
        if (self->kind == LODE_FACTORS_PAIRS) y[d + k] = narrow(pairs);
    }
    if (self->kind == LODE_FACTORS_PAIRS) return;
    if (self->kind == LODE_FACTORS_ONE) {
        y[d] = narrow(1);
        return;
    }
    const size_t n = self->linear->columns;
    const stored *linear = (const stored *)self->linear->value + row * n;
    for (size_t i = 0; i < n; i++)
        score += widen(linear[i]);
    y[d] = narrow(score);
}

static void forward_tile(void *context, size_t task, size_t thread) {
    (void)thread;
    const lode_factors *self = context;
    const size_t last = LODE_MIN((task + 1) * LODE_TILE, self->output->rows->size);
    for (size_t row = task * LODE_TILE; row < last; row++)
        forward_row(self, row);
}

static void forward(lode_graph *graph, void *context) {
    lode_factors *self = context;
    lode__pool_run(graph->pool, (self->output->rows->size + LODE_TILE - 1) / LODE_TILE,
                   forward_tile, self);
}

static void put(stored *to, real value, bool add) {
    *to = narrow(add ? widen(*to) + value : value);
}

static void backward_row(const lode_factors *self, size_t row) {
    const size_t d = self->d, columns = self->x->columns;
    const stored *dy = (const stored *)self->output->gradient + row * self->output->columns;
    stored *dx = self->x->gradient;
    for (size_t k = 0; k < d && dx != NULL; k++) {
        if (self->kind == LODE_FACTORS_ONE) {
            for (size_t at = k; at < columns; at += d)
                put(&dx[row * columns + at], widen(dy[k]), self->add[0]);
            continue;
        }
        const stored *x = (const stored *)self->x->value + row * columns;
        real pairs;
        const real sum = column_sum(self, x, k, &pairs);
        const real d_pairs = widen(dy[self->kind == LODE_FACTORS_PAIRS ? d + k : d]);
        for (size_t at = k; at < columns; at += d) {
            const real value = widen(dy[k]) + d_pairs * (sum - widen(x[at]));
            put(&dx[row * columns + at], value, self->add[0]);
        }
    }
    if (self->linear == NULL || self->linear->gradient == NULL) return;
    const size_t n = self->linear->columns;
    for (size_t i = 0; i < n; i++)
        put((stored *)self->linear->gradient + row * n + i, widen(dy[d]), self->add[1]);
}

static void backward_tile(void *context, size_t task, size_t thread) {
    (void)thread;
    const lode_factors *self = context;
    const size_t last = LODE_MIN((task + 1) * LODE_TILE, self->output->rows->size);
    for (size_t row = task * LODE_TILE; row < last; row++)
        backward_row(self, row);
}

static void backward(lode_graph *graph, void *context) {
    lode_factors *self = context;
    (void)lode__gradient(self->x, &self->add[0]);
    if (self->linear != NULL) (void)lode__gradient(self->linear, &self->add[1]);
    lode__pool_run(graph->pool, (self->output->rows->size + LODE_TILE - 1) / LODE_TILE,
                   backward_tile, self);
}

const lode_op LODE_REAL(lode__op_factors) = {"factors", forward, backward};

#if LODE_FIRST_PASS
lode_tensor *lode__factors(lode_graph *graph, lode_tensor *x, size_t d, lode_factors_kind kind,
                           lode_tensor *linear) {
    lode_factors *self = lode__graph_alloc(graph, 1, sizeof *self);
    const bool scores = kind == LODE_FACTORS_SCORE;
    if (self == NULL || x == NULL || (scores && linear == NULL)) {
        graph->failed = true;
        return NULL;
    }
    assert(d > 0 && x->columns % d == 0 && (!scores || linear->rows == x->rows));
    const size_t columns = kind == LODE_FACTORS_PAIRS ? 2 * d : d + 1;
    lode_tensor *output = lode__graph_tensor(graph, x->rows, columns, true);
    *self = (lode_factors){
        .graph = graph, .x = x, .linear = linear, .output = output, .d = d, .kind = kind};
    lode__graph_reads(graph, x, kind == LODE_FACTORS_ONE ? LODE_FORWARD_ONLY : LODE_INTO_BACKWARD);
    if (scores) lode__graph_reads(graph, linear, LODE_FORWARD_ONLY);
    return lode__graph_add(graph, LODE_OP(graph, factors), self, output);
}
#endif
