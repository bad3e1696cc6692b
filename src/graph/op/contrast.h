/// What the files of the op `contrast` share: contrast.c, contrast_shared.c, contrast_own.c and contrast_order.c.
#ifndef LODE_GRAPH_OP_CONTRAST_H
#define LODE_GRAPH_OP_CONTRAST_H

#include "graph/ops.h"
#include "kernel/real.h"

/// Rows and columns of a tile of logits: in the level 1 cache, and multiples of the product tiles of every level.
enum { LODE_CONTRAST_ROWS = 84, LODE_CONTRAST_COLUMNS = 128 };

/// Entries ordered by the row they belong to, in a row in the order in which they came.
typedef struct lode_contrast_order {
    int32_t *starts; ///< [rows + 2]; row i has starts[i] .. starts[i + 1] - 1
    int32_t *from;   ///< [entries] what each came from: a query, or a place
    void *weights;   ///< [entries] reals, or NULL
} lode_contrast_order;

/// Blocks of rows in the forms in which products read them; stored.
typedef struct lode_contrast_packed {
    void *across; ///< each block as B [d, columns]
    void *along;  ///< each block as B [columns, d], or NULL
} lode_contrast_packed;

typedef struct lode_contrast_op {
    lode_contrast spec;
    lode_graph *graph;
    lode_tensor *output;
    void *positive;             ///< [m] z+
    void *lse;                  ///< [m] softmax: infinity where no negative is left
    void *share;                ///< [m] bpr: 1 / negatives that count
    void *loss;                 ///< [m]
    void *d_positive;           ///< [m] dl/dz+
    lode_contrast_order by_key; ///< queries (and weights) that pull at each key

    // shared negatives
    void *pull;                                       ///< [m, d] dl/dq
    void *shift;                                      ///< [r] of the negatives, or NULL
    lode_contrast_packed packed_keys, packed_queries; ///< forward, backward
    void *d_keys;                                     ///< [r, d] sum over queries of dl/dz q
    lode_contrast_order by_place;                     ///< keys' places in the list of negatives
    lode_contrast_order mask_by_query,
        mask_by_place; ///< places by query, queries by place; both rising

    // a query's own
    int32_t *own_keys;       ///< [m, 1 + w] the positive and the negatives
    void *own;               ///< [m, 1 + w] their dl/dz
    bool add_query, add_key; ///< of the gradients' first uses
} lode_contrast_op;

/// What one query's negatives have come to: of e^(z - top) their sum; or (bce, bpr) of the weights, and their loss.
typedef struct lode_contrast_sums {
    real top, sum, loss;
} lode_contrast_sums;

/// z+ of queries first .. first + rows - 1 from their dot products, in place.
void LODE_REAL(lode__contrast_positives)(const lode_contrast_op *self, size_t first, size_t rows,
                                         size_t stride, real *z);
/// Loss and dl/dz+ of a query; returns what its weights are to be multiplied by.
real LODE_REAL(lode__contrast_finish)(const lode_contrast_op *self, size_t query, size_t counted,
                                      const lode_contrast_sums *sums);
/// dL/dl times the scale of the logits.
real LODE_REAL(lode__contrast_each)(const lode_contrast_op *self);

void LODE_REAL(lode__contrast_shared_forward)(lode_contrast_op *self);
void LODE_REAL(lode__contrast_shared_backward)(lode_contrast_op *self);
void LODE_REAL(lode__contrast_own_forward)(lode_contrast_op *self);
void LODE_REAL(lode__contrast_own_backward)(lode_contrast_op *self);

/// Order the entries i * width + j (query i, 0 <= j < width) by ids[entry] < rows.
void LODE_REAL(lode__contrast_order)(const lode_contrast_order *order, size_t rows, size_t queries,
                                     size_t width, const int32_t *ids, const real *weights);
/// Masks both ways, as often as they are given; places from `places` on are left out.
void LODE_REAL(lode__contrast_order_masks)(const lode_contrast_op *self, size_t places);

#endif
