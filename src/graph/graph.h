/// The graph: tensors, named dimensions and reverse mode over a small set of fused ops.
///
/// A graph is built once for a capacity and run many times. Dimensions are named and independent ("examples",
/// "positions", "items"): each has a capacity, fixed when the graph is built, and a size, set before every run.
/// All memory is allocated when the graph is finished; a run allocates nothing.
///
///     lode_dim *examples = lode__graph_dim(graph, "examples", 4096);
///     lode_tensor *x = lode__embedding(graph, table, ids, NULL, LODE_POOL_NONE);
///     x = lode__linear(graph, x, weight, bias, LODE_RELU);
///     ...
///     lode__graph_loss(graph, loss, 1.0);
///     LODE_TRY(lode__graph_finish(graph, error));
///     each step: set sizes, fill inputs, lode__graph_forward(graph), lode__graph_backward(graph)
///
/// Builders return NULL after a failure and accept NULL inputs, so that only finish needs a check.
///
/// An op is one file in op/: an essay with shapes and formulas, forward, backward, and its builder. The file is
/// compiled for float, for double and for bfloat16 (kernel/real.h); a graph is of one precision. Gradients are
/// checked in double by finite differences (tests/graph).
///
/// Memory. Values, gradients and work space of ops share one piece of memory (layout.h): a builder says, before it
/// adds its op, which tensors the op reads and until when, and lode__graph_finish sets the pointers. After a run
/// only losses and tensors that were kept (lode__graph_keep) still hold their values. A graph with an op that
/// declares nothing shares nothing.
///
/// Gradients. `value` of a tensor is overwritten by its op; `gradient` is overwritten by the first consumer that
/// runs backward and added to by the others: lode__gradient() says which. Ops whose output nobody
/// differentiated are skipped.
#ifndef LODE_GRAPH_GRAPH_H
#define LODE_GRAPH_GRAPH_H

#include "base/pool.h"
#include "graph/layout.h"
#include "graph/param.h"

typedef struct lode_graph lode_graph;

typedef struct lode_dim {
    const char *name;
    size_t capacity;
    size_t size; ///< of the current run, <= capacity
} lode_dim;

/// [rows, columns], row-major, of the graph's precision; a *wide* one (losses, scalars) is f32 in a bf16 graph.
typedef struct lode_tensor {
    lode_dim *rows;
    size_t columns;
    lode_precision elements;  ///< of value and gradient
    void *value;              ///< set when the graph is finished, like gradient
    void *gradient;           ///< NULL when nothing needs it
    bool written;             ///< gradient holds something in this backward run
    const lode_dim *detached; ///< of so many rows, the first, the gradient is read by nobody and may
                              ///< stay undefined; NULL = none
    lode_block *value_block, *gradient_block;
} lode_tensor;

/// Integer input: row numbers of a table or tensor; filled by the caller before a run.
typedef struct lode_ids {
    lode_dim *dim;
    size_t width;  ///< numbers a row (1, or negatives an example)
    int32_t *data; ///< [capacity * width]
} lode_ids;

/// Real-valued input that needs no gradient: corrections, weights.
typedef struct lode_vector {
    lode_dim *dim;
    float *data; ///< [capacity]
} lode_vector;

/// Packed variable-length lists: row r owns positions offsets[r] .. offsets[r + 1] - 1.
typedef struct lode_lists {
    lode_dim *rows, *positions;
    int32_t *offsets; ///< [rows capacity + 1]
    size_t limit;     ///< longest list
} lode_lists;

/// What an op is at run time; one constant per precision.
typedef struct lode_op {
    const char *name;
    void (*forward)(lode_graph *graph, void *self);
    void (*backward)(lode_graph *graph, void *self); ///< NULL: no gradient passes
} lode_op;

typedef struct lode_op_node {
    const lode_op *op;
    void *self; ///< the op's own struct
    lode_tensor *output;
} lode_op_node;

typedef struct lode_loss_term {
    lode_tensor *value; ///< [1, 1]
    double weight;
} lode_loss_term;

struct lode_graph {
    lode_precision precision;
    bool gradients; ///< built for training: tensors have gradients
    bool training;  ///< of the current run: dropout is on
    uint64_t seed;  ///< of dropout
    uint32_t epoch, step;
    uint32_t dropouts; ///< built so far; a mask depends on the number of its own
    lode_pool *pool;
    const void *kernels; ///< lode_kernels of the precision
    lode_arena arena;
    struct lode_huge *huge; ///< large blocks, freed with the graph
    lode_op_node *nodes;
    size_t node_count, node_capacity;
    lode_loss_term *losses;
    size_t loss_count, loss_capacity;
    lode_dim one;        ///< the dimension of scalars
    size_t scratch_size; ///< bytes a thread, the most any op asked for
    unsigned char *scratch;
    lode_layout layout; ///< of values, gradients and work space
    bool declared;      ///< the op that is being built has said something of what it reads
    bool poison;        ///< tests: fill memory with NaN whenever it is dead
    bool failed, finished;
};

/// @param pool       borrowed; NULL runs on the caller's thread
/// @param gradients  false for inference: no gradient memory
LODE_CHECK lode_status lode__graph_new(lode_graph **out, lode_precision precision, bool gradients,
                                       lode_pool *pool, lode_error *error);
void lode__graph_free(lode_graph **graph);

/// Names must outlive the graph (string constants).
lode_dim *lode__graph_dim(lode_graph *graph, const char *name, size_t capacity);
lode_ids *lode__graph_ids(lode_graph *graph, lode_dim *dim, size_t width);
lode_vector *lode__graph_vector(lode_graph *graph, lode_dim *dim);
lode_lists *lode__graph_lists(lode_graph *graph, lode_dim *rows, lode_dim *positions, size_t limit);

/// `value` [1, 1] times `weight` is added to what backward differentiates.
void lode__graph_loss(lode_graph *graph, lode_tensor *value, double weight);

/// The tensor's value is read after a run: by a caller, by an objective's later stage.
void lode__graph_keep(lode_tensor *tensor);

/// Lay out and allocate all memory; LODE_E_MEMORY if anything failed while building.
LODE_CHECK lode_status lode__graph_finish(lode_graph *graph, lode_error *error);

void lode__graph_forward(lode_graph *graph);
/// Sum of weight x value of all losses after a forward run.
double lode__graph_loss_value(const lode_graph *graph);
/// Gradients of the summed losses into tensors, dense parameters (added to what earlier graphs of the step wrote)
/// and the lists of the stores, until the optimiser takes them.
void lode__graph_backward(lode_graph *graph);

/// Bytes allocated for the graph: inputs, values, gradients, work space.
size_t lode__graph_bytes(const lode_graph *graph);

double lode__tensor_get(const lode_graph *graph, const lode_tensor *tensor, size_t row,
                        size_t column);

// --- for ops ------------------------------------------------------------------------------------

/// What an op needs when. Declared while it is being built, before lode__graph_add.
typedef enum lode_life {
    LODE_FORWARD_ONLY, ///< nothing is remembered
    LODE_BACKWARD_ONLY, ///< written and read backward; of a tensor: the op's own output, read backward
    LODE_INTO_BACKWARD ///< written or read forward, and read again backward
} lode_life;

/// The op reads the tensor's value, and writes or adds to its gradient backward.
void lode__graph_reads(lode_graph *graph, lode_tensor *tensor, lode_life life);
/// The gradient of an output is read when all of backward has run: by the optimiser.
void lode__graph_keep_gradient(lode_graph *graph, lode_tensor *output);
/// Forward works with output over x; backward with x's gradient over the output's. Whether it comes to that is
/// decided by who else reads them.
void lode__graph_value_over(lode_graph *graph, lode_tensor *output, lode_tensor *x);
void lode__graph_gradient_over(lode_graph *graph, lode_tensor *x, lode_tensor *output);
/// Work space of the op, contents undefined at first; *place is set when the graph is finished.
void lode__graph_work(lode_graph *graph, void **place, size_t count, size_t size, lode_life life);

/// Memory that lives with the graph, zeroed.
void *lode__graph_alloc(lode_graph *graph, size_t count, size_t size);
lode_tensor *lode__graph_tensor(lode_graph *graph, lode_dim *rows, size_t columns, bool gradient);
lode_tensor *lode__graph_tensor_wide(lode_graph *graph, lode_dim *rows, size_t columns,
                                     bool gradient);
/// Elements (stored) of a packed [k, n].
size_t lode__graph_packed(const lode_graph *graph, size_t k, size_t n);
/// Add an op's node with its struct; returns `output`.
lode_tensor *lode__graph_add(lode_graph *graph, const lode_op *op, void *self, lode_tensor *output);
/// Ask for at least `bytes` of scratch memory a thread.
void lode__graph_scratch(lode_graph *graph, size_t bytes);
void *lode__scratch(const lode_graph *graph, size_t thread);

/// The gradient to write, and whether to add (true) or overwrite (false); NULL when none is needed.
void *lode__gradient(lode_tensor *tensor, bool *add);
void *lode__param_gradient(lode_param *param, bool *add);

/// Rows of a parallel task; fixed, so that results do not depend on the thread count.
#define LODE_TILE 128

#define LODE_OP(graph, name)                                                                       \
    ((graph)->precision == LODE_F32   ? &lode__op_##name##_f32                                     \
     : (graph)->precision == LODE_F64 ? &lode__op_##name##_f64                                     \
                                      : &lode__op_##name##_b16)
#define LODE_OP_DECLARE(name)                                                                      \
    extern const lode_op lode__op_##name##_f32, lode__op_##name##_f64, lode__op_##name##_b16

#endif
