/// The ops: one builder each. Shapes are [rows, columns]; `m`, `n`, `s` stand for named dimensions.
/// See the file of the same name in op/ for formulas and sources.
#ifndef LODE_GRAPH_OPS_H
#define LODE_GRAPH_OPS_H

#include "graph/graph.h"

typedef enum lode_pooling { LODE_POOL_SUM, LODE_POOL_MEAN } lode_pooling;

/// Rows of an embedding table: [n, d] from ids [n]; with `lists`, one pooled row a list: [m, d], empty lists
/// give zeros.
lode_tensor *lode__embedding(lode_graph *graph, lode_param *table, lode_ids *ids, lode_lists *lists,
                             lode_pooling pooling);

/// y = act(x W + b): x [m, k], W [k, n], b [1, n] or NULL.
lode_tensor *lode__linear(lode_graph *graph, lode_tensor *x, lode_param *weight, lode_param *bias,
                          lode_activation activation);

/// y = x + z, or y = scale x + z; same shapes.
lode_tensor *lode__add(lode_graph *graph, lode_tensor *x, lode_tensor *z);
lode_tensor *lode__add_scaled(lode_graph *graph, lode_tensor *x, double scale, lode_tensor *z);

/// y = layer norm of x + residual (NULL = x alone), gain and bias [1, d].
lode_tensor *lode__layer_norm(lode_graph *graph, lode_tensor *x, lode_tensor *residual,
                              lode_param *gain, lode_param *bias, double epsilon);

/// How a position attends to those of its list.
typedef struct lode_attending {
    size_t heads;   ///< divides d
    bool causal;    ///< to none behind itself
    double dropout; ///< share of the attention weights that are 0 while training, 0 .. 1; 0 = none
} lode_attending;

/// Multi-head self-attention over packed lists: projections [s, 3d] (query, key, value side by side) -> [s, d].
/// Nothing else may read the projections.
lode_tensor *lode__attention(lode_graph *graph, lode_tensor *projections, lode_lists *lists,
                             lode_attending how);
/// The same of queries [s, d], and of keys and values side by side [s, 2d].
lode_tensor *lode__attention_of(lode_graph *graph, lode_tensor *query, lode_tensor *key_value,
                                lode_lists *lists, lode_attending how);

/// One part of a concatenation: a tensor [m, c], or (lists given) a packed tensor [s, c] that is flattened
/// to [m, limit * c], short lists followed by zeros.
typedef struct lode_part_of_row {
    lode_tensor *tensor;
    lode_lists *lists;
} lode_part_of_row;

#define LODE_CONCAT_PARTS 32
/// Columns side by side. One part without lists is returned as it is.
lode_tensor *lode__concat(lode_graph *graph, const lode_part_of_row *parts, size_t count);

typedef enum lode_factors_kind {
    LODE_FACTORS_ONE,   ///< [s, 1]
    LODE_FACTORS_SCORE, ///< [s, sum of p + sum of `linear`]
    LODE_FACTORS_PAIRS  ///< [s, p]
} lode_factors_kind;
/// Of F embeddings of d numbers a row, x [m, F d]: their sum s [d], and p [d], the sum of the products of all pairs
/// (Rendle 2010). `linear` [m, n]: LODE_FACTORS_SCORE only.
lode_tensor *lode__factors(lode_graph *graph, lode_tensor *x, size_t d, lode_factors_kind kind,
                           lode_tensor *linear);

/// x [m, F d] as packed lists of F = lists->limit rows: [m F, d]. A run sets the offsets of `lists` and the size of its
/// positions; its rows are those of x.
lode_tensor *lode__unfold(lode_graph *graph, lode_tensor *x, lode_lists *lists);

/// Last row of every list: x [s, d] packed -> [m, d]; empty lists give zeros.
lode_tensor *lode__last(lode_graph *graph, lode_tensor *x, lode_lists *lists);

/// The rows of each list pooled by H heads: scores [s, H], a softmax over the list a head; values [s, d] -> [m, H d].
/// Empty lists give zeros.
lode_tensor *lode__pool_heads(lode_graph *graph, lode_tensor *scores, lode_tensor *values,
                              lode_lists *lists);

typedef enum lode_merge_kind {
    LODE_MERGE_WHA, ///< weighted head aggregation: softmax over the heads' products with their mean (CLRec Eq. 15)
    LODE_MERGE_MEAN
} lode_merge_kind;
/// The heads of a row made one: x [m, H d] -> [m, d].
lode_tensor *lode__merge_heads(lode_graph *graph, lode_tensor *x, size_t heads, lode_merge_kind kind);

/// Rows of a tensor: x [n, d], ids [m] -> [m, d]. No id may stand there twice in a run.
lode_tensor *lode__gather(lode_graph *graph, lode_tensor *x, lode_ids *ids);

/// Rows of an array that needs no gradient [n, columns] (n: size of `above`) above those of x [m, columns] or NULL: a
/// tensor [n + m, columns]. The array is read when the graph runs.
lode_tensor *lode__stack(lode_graph *graph, lode_dim *above, const float *constants, size_t columns,
                         lode_tensor *x);

/// A row for every position of its list: x [m, c] -> [s, c].
lode_tensor *lode__spread(lode_graph *graph, lode_tensor *x, lode_lists *lists);

typedef struct lode_routing {
    size_t count;          ///< K, most interests of a user
    size_t iterations;     ///< 1 or more
    bool adaptive;         ///< max(1, min(K, floor(log2 clicks))) of them, else K
    bool each;             ///< x has columns for each interest, [s, K d]
    double deviation;      ///< of the logits at the start
    lode_lists *interests; ///< over the rows of the clicks' lists, limit K; a run sets offsets and size
} lode_routing;
/// Interests by dynamic routing of packed clicks x [s, d]: [interests, d]. Gradient through the last iteration alone.
lode_tensor *lode__routing(lode_graph *graph, lode_tensor *x, lode_lists *lists,
                           const lode_routing *spec);

typedef struct lode_readout {
    bool hard;    ///< the interest nearest the target, else a mean weighted by
    double power; ///< softmax of the products to this power, 1 or more
} lode_readout;
/// Label-aware attention: interests [n, d] in lists of m, key [r, d], targets [m] rows of it -> [m, d].
lode_tensor *lode__readout(lode_graph *graph, lode_tensor *interests, lode_lists *lists,
                           lode_tensor *key, lode_ids *targets, const lode_readout *spec);

/// Each element is 0 with probability `rate`, else x: a function of (seed, epoch, step, purpose, ids[row], column), in
/// every graph and not in training alone. ids [m] stand beside the rows of x [m, d]. rate 0 returns x.
lode_tensor *lode__mask(lode_graph *graph, lode_tensor *x, lode_ids *ids, double rate,
                        uint32_t purpose);

/// Each element is 0 with probability `rate`, else multiplied by 1 / (1 - rate), while graph->training;
/// a function of (seed, step, number of the dropout, element). rate 0 returns x.
lode_tensor *lode__dropout(lode_graph *graph, lode_tensor *x, double rate);

/// Rows scaled to Euclidean length 1 (rows shorter than 1e-12 are divided by that).
lode_tensor *lode__normalize(lode_graph *graph, lode_tensor *x);

typedef enum lode_contrast_kind {
    LODE_CONTRAST_SOFTMAX, ///< -log(e^z+ / (e^z+ + sum e^zk)): InfoNCE, sampled softmax
    LODE_CONTRAST_BCE,     ///< softplus(-z+) + sum softplus(zk)
    LODE_CONTRAST_BPR      ///< mean softplus(zk - z+), Rendle et al. 2009
} lode_contrast_kind;

/// Queries against a positive each and negatives, shared by all or a query's own: mean loss [1, 1].
/// Logits z = scale * <query, key> - shift. The m x r logits are never stored.
typedef struct lode_contrast {
    lode_contrast_kind kind;
    lode_tensor *query; ///< [m, d]
    lode_tensor *key;   ///< [n, d] distinct keys, of which the indices below are rows
    lode_ids *positive; ///< [m]
    lode_ids *negative; ///< shared: [r], width 1; per query: [m], width w
    bool shared;
    lode_vector *positive_shift; ///< [m] or NULL
    lode_vector *negative_shift; ///< [r] (shared) or [m * w]; or NULL
    lode_lists *masked;   ///< rows m: places in the negative list that do not count for the query;
    lode_ids *masked_ids; ///< [positions] those places. NULL = none
    lode_vector *weight;  ///< [m] finite, >= 0: the value is sum_i weight_i l_i / m; NULL = all 1
    double scale;         ///< 1 / temperature
    bool positive_in_denominator; ///< softmax only
} lode_contrast;

lode_tensor *lode__contrast(lode_graph *graph, const lode_contrast *contrast);

#endif
