/// attention: multi-head self-attention over packed lists (Vaswani et al. 2017), no padding anywhere.
///
///     projections [s, 3d]: query | key | value of each position; a position sees the positions of its own list
///     y_t = sum_u softmax_u(q_t . k_u / sqrt(d / heads)) v_u     per head; `causal`: u <= t only
///
/// Forward keeps the log-sum-exp of each position and head; backward recomputes the probabilities from it.
#include "graph/ops.h"
#include "kernel/real.h"

LODE_OP_DECLARE(attention);

enum { LISTS_PER_TASK = 8 };

typedef struct lode_attention_op {
    lode_graph *graph;
    lode_tensor *projections, *output;
    lode_lists *lists;
    size_t heads;
    bool causal;
    void *lse; ///< of each list [heads, length]
} lode_attention_op;

static lode_attention arguments(const lode_attention_op *self, size_t list, size_t thread) {
    const size_t d = self->output->columns;
    const size_t begin = (size_t)self->lists->offsets[list];
    const stored *projections = (const stored *)self->projections->value + begin * 3 * d;
    return (lode_attention){.length = (size_t)self->lists->offsets[list + 1] - begin,
                            .heads = self->heads,
                            .width = d / self->heads,
                            .causal = self->causal,
                            .query = projections,
                            .key = projections + d,
                            .value = projections + 2 * d,
                            .stride = 3 * d,
                            .output = (stored *)self->output->value + begin * d,
                            .output_stride = d,
                            .lse = (real *)self->lse + begin * self->heads,
                            .scratch = lode__scratch(self->graph, thread)};
}

static void forward_task(void *context, size_t task, size_t thread) {
    const lode_attention_op *self = context;
    const lode_kernels *kernels = self->graph->kernels;
    const size_t last = LODE_MIN((task + 1) * LISTS_PER_TASK, self->lists->rows->size);
    for (size_t list = task * LISTS_PER_TASK; list < last; list++) {
        const lode_attention args = arguments(self, list, thread);
        if (args.length > 0) kernels->attention(&args);
    }
}

static void forward(lode_graph *graph, void *context) {
    lode_attention_op *self = context;
    lode__pool_run(graph->pool, (self->lists->rows->size + LISTS_PER_TASK - 1) / LISTS_PER_TASK,
                   forward_task, self);
}

static void backward_task(void *context, size_t task, size_t thread) {
    const lode_attention_op *self = context;
    const lode_kernels *kernels = self->graph->kernels;
    const size_t d = self->output->columns;
    const size_t last = LODE_MIN((task + 1) * LISTS_PER_TASK, self->lists->rows->size);
    for (size_t list = task * LISTS_PER_TASK; list < last; list++) {
        lode_attention args = arguments(self, list, thread);
        const size_t begin = (size_t)self->lists->offsets[list];
        args.d_output = (const stored *)self->output->gradient + begin * d;
        args.d_query = (stored *)self->projections->gradient + begin * 3 * d;
        args.d_key = args.d_query + d;
        args.d_value = args.d_query + 2 * d;
        if (args.length > 0) kernels->attention_backward(&args);
    }
}

static void backward(lode_graph *graph, void *context) {
    lode_attention_op *self = context;
    bool add;
    if (lode__gradient(self->projections, &add) == NULL) return;
    assert(!add); // the projections have one consumer: this op
    lode__pool_run(graph->pool, (self->lists->rows->size + LISTS_PER_TASK - 1) / LISTS_PER_TASK,
                   backward_task, self);
}

const lode_op LODE_REAL(lode__op_attention) = {"attention", forward, backward};

#if LODE_FIRST_PASS
lode_tensor *lode__attention(lode_graph *graph, lode_tensor *projections, lode_lists *lists,
                             size_t heads, bool causal) {
    lode_attention_op *self = lode__graph_alloc(graph, 1, sizeof *self);
    if (self == NULL || projections == NULL || lists == NULL) {
        graph->failed = true;
        return NULL;
    }
    assert(projections->columns % (3 * heads) == 0 && projections->rows == lists->positions);
    const size_t size = lode__real_size(graph->precision);
    lode_tensor *output =
        lode__graph_tensor(graph, projections->rows, projections->columns / 3, true);
    *self = (lode_attention_op){graph, projections, output, lists, heads, causal, NULL};
    lode__graph_work(graph, &self->lse, projections->rows->capacity * heads, size,
                     LODE_INTO_BACKWARD);
    lode__graph_reads(graph, projections, LODE_INTO_BACKWARD);
    lode__graph_scratch(
        graph, LODE_ATTENTION_SCRATCH(lists->limit, projections->columns / 3 / heads) * size);
    return lode__graph_add(graph, LODE_OP(graph, attention), self, output);
}
#endif
