/// routing: interests of a user by dynamic routing of clicks (B2I, Li et al., CIKM 2019, Algorithm 1; Sabour et al. 2017).
///
///     b_ij = start_ij                                   i: place of the click in its list, j: interest
///     repeat:  w_ij = softmax_j(b_ij)                   over the interests
///              z_j = sum_i w_ij x_ij
///              u_j = z_j n / (1 + n) / sqrt(n + 1e-9)   n = |z_j|^2: squash
///              b_ij += u_j . x_ij                       not after the last time
///
/// x_ij is row i of x [s, d] for every interest, or columns j d .. of x [s, K d]. `start` is a normal draw, a function of
/// (i, j) alone: the same in every step, at every thread count and when serving. An adaptive user has
/// max(1, min(K, floor(log2 clicks))) interests, the others K; output and lists are packed.
///
/// Gradient, as in the public code: the last iteration's sum and squash alone carry it; w is a constant to it.
///
///     dz = g du + 2 g' (z . du) z,  g(n) = n / (1 + n) / sqrt(n + 1e-9);  dx_ij = w_ij dz_j
#include <math.h>

#include "base/random.h"
#include "graph/ops.h"
#include "kernel/real.h"

LODE_OP_DECLARE(routing);

enum { PURPOSE = 0x4d494e44, USERS = 16 };

typedef struct lode_routing_op {
    lode_graph *graph;
    lode_tensor *x, *output;
    lode_lists *lists, *interests;
    size_t count, iterations;
    bool adaptive, add;
    double *start; ///< [longest list, K]
    void *weights; ///< [s, K]
    void *z;       ///< [interests, d]
} lode_routing_op;

static size_t interests_of(const lode_routing_op *self, size_t clicks) {
    size_t count = 0;
    while (clicks > 1 && count < self->count) {
        clicks /= 2;
        count++;
    }
    return self->adaptive ? LODE_MAX(count, (size_t)1) : self->count;
}

static double squash(double n) {
    return n / (1 + n) / sqrt(n + 1e-9);
}

static double squash_slope(double n) {
    const double root = sqrt(n + 1e-9);
    return (root - n * (1 + n) / (2 * root)) / ((1 + n) * (1 + n) * root * root);
}

static double product(size_t d, const real *a, const real *b) {
    double sum = 0;
    for (size_t c = 0; c < d; c++)
        sum += (double)a[c] * (double)b[c];
    return sum;
}

/// One user's clicks and interests.
typedef struct view {
    size_t first, length, begin, count, d, step; ///< step: from an interest's x_ij to the next one's
} view;

static view view_of(const lode_routing_op *self, size_t user) {
    const int32_t *clicks = self->lists->offsets + user, *own = self->interests->offsets + user;
    const size_t d = self->output->columns;
    return (view){(size_t)clicks[0],
                  (size_t)(clicks[1] - clicks[0]),
                  (size_t)own[0],
                  (size_t)(own[1] - own[0]),
                  d,
                  self->x->columns == d ? 0 : d};
}

/// w of a click from its logits.
static void soften(const view *at, const double *logits, real *weights) {
    double top = logits[0], sum = 0;
    for (size_t j = 1; j < at->count; j++)
        top = fmax(top, logits[j]);
    for (size_t j = 0; j < at->count; j++)
        sum += exp(logits[j] - top);
    for (size_t j = 0; j < at->count; j++)
        weights[j] = (real)(exp(logits[j] - top) / sum);
}

/// z of all interests.
static void gather(const lode_routing_op *self, const view *at, const real *weights, real *z) {
    for (size_t c = 0; c < at->count * at->d; c++)
        z[c] = 0;
    for (size_t i = 0; i < at->length; i++) {
        const stored *x = (const stored *)self->x->value + (at->first + i) * self->x->columns;
        for (size_t j = 0; j < at->count; j++) {
            const real w = weights[i * self->count + j];
            for (size_t c = 0; c < at->d; c++)
                z[j * at->d + c] += w * widen(x[j * at->step + c]);
        }
    }
}

/// b += u . x, with u in the place of z.
static void agree(const lode_routing_op *self, const view *at, real *z, double *logits) {
    for (size_t j = 0; j < at->count; j++) {
        real *u = z + j * at->d;
        const double g = squash(product(at->d, u, u));
        for (size_t c = 0; c < at->d; c++)
            u[c] = (real)(g * (double)u[c]);
    }
    for (size_t i = 0; i < at->length; i++) {
        const stored *x = (const stored *)self->x->value + (at->first + i) * self->x->columns;
        for (size_t j = 0; j < at->count; j++) {
            real sum = 0;
            for (size_t c = 0; c < at->d; c++)
                sum += z[j * at->d + c] * widen(x[j * at->step + c]);
            logits[i * self->count + j] += (double)sum;
        }
    }
}

static void route(const lode_routing_op *self, size_t user, double *logits) {
    const view at = view_of(self, user);
    real *weights = (real *)self->weights + at.first * self->count;
    real *z = (real *)self->z + at.begin * at.d;
    stored *out = (stored *)self->output->value + at.begin * at.d;
    for (size_t i = 0; i < at.length * self->count; i++)
        logits[i] = self->start[i];
    for (size_t iteration = 1;; iteration++) {
        for (size_t i = 0; i < at.length; i++)
            soften(&at, logits + i * self->count, weights + i * self->count);
        gather(self, &at, weights, z);
        if (iteration == self->iterations) break;
        agree(self, &at, z, logits);
    }
    for (size_t j = 0; j < at.count; j++) {
        const double g = squash(product(at.d, z + j * at.d, z + j * at.d));
        for (size_t c = 0; c < at.d; c++)
            out[j * at.d + c] = narrow((real)(g * (double)z[j * at.d + c]));
    }
}

static void forward_task(void *context, size_t task, size_t thread) {
    const lode_routing_op *self = context;
    const size_t last = LODE_MIN((task + 1) * USERS, self->lists->rows->size);
    for (size_t user = task * USERS; user < last; user++)
        route(self, user, lode__scratch(self->graph, thread));
}

static void forward(lode_graph *graph, void *context) {
    lode_routing_op *self = context;
    const size_t users = self->lists->rows->size;
    const int32_t *clicks = self->lists->offsets;
    int32_t *offsets = self->interests->offsets;
    offsets[0] = 0;
    for (size_t user = 0; user < users; user++) {
        const size_t length = (size_t)(clicks[user + 1] - clicks[user]);
        offsets[user + 1] = offsets[user] + (int32_t)interests_of(self, length);
    }
    self->interests->positions->size = (size_t)offsets[users];
    lode__pool_run(graph->pool, (users + USERS - 1) / USERS, forward_task, self);
}

/// dz of all interests of a user.
static void unsquash(const lode_routing_op *self, const view *at, real *dz) {
    const stored *du = (const stored *)self->output->gradient + at->begin * at->d;
    const real *z = (const real *)self->z + at->begin * at->d;
    for (size_t j = 0; j < at->count; j++, du += at->d, z += at->d, dz += at->d) {
        const double n = product(at->d, z, z), g = squash(n);
        double along = 0;
        for (size_t c = 0; c < at->d; c++)
            along += (double)z[c] * (double)widen(du[c]);
        along *= 2 * squash_slope(n);
        for (size_t c = 0; c < at->d; c++)
            dz[c] = (real)(g * (double)widen(du[c]) + along * (double)z[c]);
    }
}

static void pass_back(const lode_routing_op *self, size_t user, real *dz) {
    const view at = view_of(self, user);
    const size_t columns = self->x->columns;
    unsquash(self, &at, dz);
    for (size_t i = 0; i < at.length; i++) {
        const real *w = (const real *)self->weights + (at.first + i) * self->count;
        stored *dx = (stored *)self->x->gradient + (at.first + i) * columns;
        for (size_t column = 0; column < columns; column++) {
            const size_t c = column % at.d, own = column / at.d;
            real sum = self->add ? widen(dx[column]) : 0;
            for (size_t j = 0; j < at.count; j++)
                if (at.step == 0 || j == own) sum += w[j] * dz[j * at.d + c];
            dx[column] = narrow(sum);
        }
    }
}

static void backward_task(void *context, size_t task, size_t thread) {
    const lode_routing_op *self = context;
    const size_t last = LODE_MIN((task + 1) * USERS, self->lists->rows->size);
    for (size_t user = task * USERS; user < last; user++)
        pass_back(self, user, lode__scratch(self->graph, thread));
}

static void backward(lode_graph *graph, void *context) {
    lode_routing_op *self = context;
    if (lode__gradient(self->x, &self->add) == NULL) return;
    lode__pool_run(graph->pool, (self->lists->rows->size + USERS - 1) / USERS, backward_task, self);
}

const lode_op LODE_REAL(lode__op_routing) = {"routing", forward, backward};

#if LODE_FIRST_PASS
static double *start_of(lode_graph *graph, size_t longest, const lode_routing *spec) {
    double *start = lode__graph_alloc(graph, longest * spec->count, sizeof *start);
    for (size_t i = 0; start != NULL && i < longest; i++) {
        for (size_t j = 0; j < spec->count; j++) {
            lode_random random = lode__random(0, PURPOSE, (uint32_t)i, (uint32_t)j);
            start[i * spec->count + j] = spec->deviation * lode__random_normal(&random);
        }
    }
    return start;
}

lode_tensor *lode__routing(lode_graph *graph, lode_tensor *x, lode_lists *lists,
                           const lode_routing *spec) {
    lode_routing_op *self = lode__graph_alloc(graph, 1, sizeof *self);
    if (self == NULL || x == NULL || lists == NULL || spec->interests == NULL) {
        graph->failed = true;
        return NULL;
    }
    assert(spec->count >= 1 && spec->iterations >= 1 && x->rows == lists->positions);
    const size_t d = spec->each ? x->columns / spec->count : x->columns;
    lode_lists *interests = spec->interests;
    assert(interests->rows == lists->rows && interests->limit == spec->count);
    lode_tensor *output = lode__graph_tensor(graph, interests->positions, d, true);
    *self = (lode_routing_op){.graph = graph,
                              .x = x,
                              .output = output,
                              .lists = lists,
                              .interests = interests,
                              .count = spec->count,
                              .iterations = spec->iterations,
                              .adaptive = spec->adaptive,
                              .start = start_of(graph, lists->limit, spec)};
    if (self->start == NULL) graph->failed = true;
    const size_t size = lode__real_size(graph->precision);
    lode__graph_work(graph, &self->weights, x->rows->capacity * spec->count, size,
                     LODE_INTO_BACKWARD);
    lode__graph_work(graph, &self->z, interests->positions->capacity * d, size, LODE_INTO_BACKWARD);
    lode__graph_reads(graph, x, LODE_FORWARD_ONLY);
    lode__graph_scratch(graph, LODE_MAX(lists->limit, d) * spec->count * sizeof(double));
    return lode__graph_add(graph, LODE_OP(graph, routing), self, output);
}
#endif
