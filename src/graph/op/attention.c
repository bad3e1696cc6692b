/// attention: multi-head self-attention over packed lists (Vaswani et al. 2017), no padding anywhere.
///
///     projections [s, 3d]: query | key | value of each position; or query [s, d] and key | value [s, 2d]
///     y_t = sum_u softmax_u(q_t . k_u / sqrt(d / heads)) v_u     per head; `causal`: u <= t only
///
/// With dropout each weight (softmax) becomes 0 with probability `rate`, and the others are divided by 1 - rate (Vaswani et
/// al. 2017, as their code and BERT's have it). Which, is a function of (seed, epoch, step, number among the graph's
/// dropouts, list, head, query, key), as in op dropout; backward reads it again, a bit a weight: drawing it twice costs more.
///
/// A position sees the positions of its own list. Forward keeps the log-sum-exp of each position and head; backward
/// recomputes the probabilities from it. Work grows with the square of a list's length, so that long lists are tasks
/// of their own.
#include "base/random.h"
#include "graph/ops.h"
#include "kernel/dropout.h"
#include "kernel/real.h"

LODE_OP_DECLARE(attention);

enum {
    LISTS_PER_TASK = 8,
    SHORT = 64
}; ///< lists that may be longer than that are tasks of their own

typedef struct lode_attention_op {
    lode_graph *graph;
    lode_tensor *query; ///< NULL: the first third of `projections`
    lode_tensor *projections, *output;
    lode_lists *lists;
    lode_attending how;
    void *lse;       ///< of each list [heads, length]
    uint32_t number; ///< among the dropouts of its graph, where it has one
    void *keep;      ///< bits of weights, list by list
} lode_attention_op;

/// Words that a list's bits have room for: `each` a position and head, and what fills up the last group of noise.
enum { GROUP_WORDS = LODE_NOISE_GROUP / 32 };

static size_t words_each(const lode_attention_op *self) {
    return (self->lists->limit + 31) / 32;
}

static uint32_t *keep_of(const lode_attention_op *self, size_t list) {
    if (self->keep == NULL || !self->graph->training) return NULL;
    const size_t begin = (size_t)self->lists->offsets[list];
    return (uint32_t *)self->keep + begin * self->how.heads * words_each(self) +
           list * (GROUP_WORDS - 1);
}

static void draw_list(const lode_attention_op *self, size_t list, size_t length) {
    const lode_graph *graph = self->graph;
    const uint64_t key = graph->seed ^ ((uint64_t)self->number << 32 | (uint64_t)list);
    const size_t words = self->how.heads * lode__keep_words(length, self->how.causal);
    lode__dropout_kernels()->noise(
        32 * words,
        &(lode_noise){.key = {(uint32_t)key, (uint32_t)(key >> 32)},
                      .counter = {LODE_PURPOSE_DROPOUT, graph->epoch, graph->step},
                      .threshold = (uint32_t)(self->how.dropout * 65536.0)},
        keep_of(self, list));
}

static lode_attention arguments(const lode_attention_op *self, size_t list, size_t thread) {
    const size_t d = self->output->columns, stride = self->projections->columns;
    const size_t begin = (size_t)self->lists->offsets[list];
    const stored *projections = (const stored *)self->projections->value + begin * stride;
    const lode_tensor *query = self->query;
    return (lode_attention){.length = (size_t)self->lists->offsets[list + 1] - begin,
                            .heads = self->how.heads,
                            .width = d / self->how.heads,
                            .causal = self->how.causal,
                            .query = query != NULL ? (const stored *)query->value + begin * d
                                                   : projections,
                            .query_stride = query != NULL ? d : stride,
                            .key = projections + stride - 2 * d,
                            .value = projections + stride - d,
                            .stride = stride,
                            .output = (stored *)self->output->value + begin * d,
                            .output_stride = d,
                            .lse = (real *)self->lse + begin * self->how.heads,
                            .scratch = lode__scratch(self->graph, thread),
                            .keep = keep_of(self, list),
                            .keep_scale = (real)(1.0 / (1.0 - self->how.dropout))};
}

static size_t lists_per_task(const lode_attention_op *self) {
    return self->lists->limit > SHORT ? 1 : LISTS_PER_TASK;
}

static void run(lode_attention_op *self, lode_task *task) {
    const size_t each = lists_per_task(self);
    lode__pool_run(self->graph->pool, (self->lists->rows->size + each - 1) / each, task, self);
}

static void forward_task(void *context, size_t task, size_t thread) {
    const lode_attention_op *self = context;
    const lode_kernels *kernels = self->graph->kernels;
    const size_t each = lists_per_task(self);
    const size_t last = LODE_MIN((task + 1) * each, self->lists->rows->size);
    for (size_t list = task * each; list < last; list++) {
        const lode_attention args = arguments(self, list, thread);
        if (args.length == 0) continue;
        if (args.keep != NULL) draw_list(self, list, args.length);
        kernels->attention(&args);
    }
}

static void forward(lode_graph *graph, void *context) {
    (void)graph;
    run(context, forward_task);
}

static void backward_task(void *context, size_t task, size_t thread) {
    const lode_attention_op *self = context;
    const lode_kernels *kernels = self->graph->kernels;
    const size_t d = self->output->columns, stride = self->projections->columns;
    const size_t each = lists_per_task(self);
    const size_t last = LODE_MIN((task + 1) * each, self->lists->rows->size);
    for (size_t list = task * each; list < last; list++) {
        lode_attention args = arguments(self, list, thread);
        const size_t begin = (size_t)self->lists->offsets[list];
        stored *projections = (stored *)self->projections->gradient + begin * stride;
        args.d_output = (const stored *)self->output->gradient + begin * d;
        args.d_query =
            self->query != NULL ? (stored *)self->query->gradient + begin * d : projections;
        args.d_key = projections + stride - 2 * d;
        args.d_value = projections + stride - d;
        if (args.length > 0) kernels->attention_backward(&args);
    }
}

static void backward(lode_graph *graph, void *context) {
    (void)graph;
    lode_attention_op *self = context;
    bool add, add_query = false;
    if (lode__gradient(self->projections, &add) == NULL) return;
    if (self->query != NULL) (void)lode__gradient(self->query, &add_query);
    assert(!add && !add_query); // the projections have one consumer: this op
    run(self, backward_task);
}

const lode_op LODE_REAL(lode__op_attention) = {"attention", forward, backward};

#if LODE_FIRST_PASS
static lode_tensor *attend(lode_graph *graph, const lode_attention_op *parts, size_t d) {
    lode_attention_op *self = lode__graph_alloc(graph, 1, sizeof *self);
    if (self == NULL) return NULL;
    *self = *parts;
    const lode_tensor *projections = self->projections;
    const size_t heads = self->how.heads;
    assert(d % heads == 0 && projections->rows == self->lists->positions);
    const size_t size = lode__real_size(graph->precision);
    self->graph = graph;
    self->output = lode__graph_tensor(graph, projections->rows, d, true);
    lode__graph_work(graph, &self->lse, projections->rows->capacity * heads, size,
                     LODE_INTO_BACKWARD);
    if (self->how.dropout > 0.0 && graph->gradients) {
        self->number = graph->dropouts++;
        const size_t words = projections->rows->capacity * heads * words_each(self) +
                             self->lists->rows->capacity * (GROUP_WORDS - 1);
        lode__graph_work(graph, &self->keep, words, sizeof(uint32_t), LODE_INTO_BACKWARD);
    }
    lode__graph_reads(graph, self->query, LODE_INTO_BACKWARD);
    lode__graph_reads(graph, self->projections, LODE_INTO_BACKWARD);
    lode__graph_scratch(graph, LODE_ATTENTION_SCRATCH(self->lists->limit, d / heads) * size);
    return lode__graph_add(graph, LODE_OP(graph, attention), self, self->output);
}

lode_tensor *lode__attention(lode_graph *graph, lode_tensor *projections, lode_lists *lists,
                             lode_attending how) {
    if (projections == NULL || lists == NULL) {
        graph->failed = true;
        return NULL;
    }
    assert(projections->columns % 3 == 0);
    const lode_attention_op parts = {.projections = projections, .lists = lists, .how = how};
    return attend(graph, &parts, projections->columns / 3);
}

lode_tensor *lode__attention_of(lode_graph *graph, lode_tensor *query, lode_tensor *key_value,
                                lode_lists *lists, lode_attending how) {
    if (query == NULL || key_value == NULL || lists == NULL) {
        graph->failed = true;
        return NULL;
    }
    assert(query->rows == key_value->rows && key_value->columns == 2 * query->columns);
    const lode_attention_op parts = {
        .query = query, .projections = key_value, .lists = lists, .how = how};
    return attend(graph, &parts, query->columns);
}
#endif
