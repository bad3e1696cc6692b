/// Parameters: dense weights and embedding tables, by name.
///
/// A parameter set is what a model *is*: towers declare into one, graphs read one, optimisers update one,
/// checkpoints store one. A second set of the same layout (a momentum encoder, a best-so-far copy) is a clone.
/// Embedding tables are reached only through their store (store.h): weights that live elsewhere (a GPU, other
/// machines) take its place there.
#ifndef LODE_GRAPH_PARAM_H
#define LODE_GRAPH_PARAM_H

#include <pthread.h>

#include "base/memory.h"
#include "base/pool.h"
#include "kernel/kernel.h"

/// BF16 is a precision of graphs, with f32 parameters: activations and their gradients are bfloat16, everything that is
/// summed is f32.
typedef enum lode_precision { LODE_F32, LODE_F64, LODE_BF16 } lode_precision;

typedef enum lode_init {
    LODE_INIT_ZERO,
    LODE_INIT_ONE,
    LODE_INIT_NORMAL, ///< standard deviation = scale
    LODE_INIT_XAVIER  ///< uniform in +-scale * sqrt(6 / (rows + columns)), Glorot & Bengio 2010
} lode_init;

struct lode_store;
struct lode_packed;
struct lode_params;

typedef struct lode_param {
    const char *name; ///< "user.mlp.0.weight", "item.id"
    size_t rows, columns;
    lode_init init;
    double scale;
    void *value; ///< [rows, columns] in the set's precision (f32 or f64); of a table too, for files and tests
    void *gradient;             ///< dense: [rows, columns]; tables: NULL, their store collects it
    void *first, *second;       ///< Adam moments [rows, columns]; NULL until training is prepared
    bool has_gradient;          ///< dense: something was written this step
    struct lode_store *store;   ///< tables only
    struct lode_packed *packed; ///< dense: copies for matrix products (packed.h)
    struct lode_params *set;    ///< that it belongs to
} lode_param;

typedef struct lode_params {
    lode_precision precision;
    lode_param **list;
    size_t count, capacity;
    lode_arena arena;
    bool failed; ///< an allocation failed or a name was declared twice; checked once by lode__params_finish
    const char *twice;    ///< a name that was declared twice, or NULL
    bool trainable;       ///< gradients and moments exist
    uint64_t version;     ///< of the values: whoever changes them of a set that graphs use adds 1
    pthread_mutex_t lock; ///< of packed copies
    bool *borrowed;       ///< [count] a shadow: which are another set's; NULL = none
    void *block;          ///< a shadow: the values of those that are not, side by side
    size_t block_count;   ///< numbers in it
    bool *asked;          ///< [count] or NULL: lode__param marks what it is asked for
} lode_params;

LODE_CHECK lode_status lode__params_new(lode_params **out, lode_precision precision,
                                        lode_error *error);
void lode__params_free(lode_params **params);

/// Declare a dense weight [rows, columns] or an embedding table. Returns its number, in order of declaration;
/// after a failure any number.
size_t lode__param_dense(lode_params *params, const char *name, size_t rows, size_t columns,
                         lode_init init, double scale);
size_t lode__param_table(lode_params *params, const char *name, size_t rows, size_t columns,
                         lode_init init, double scale);

/// Allocate and initialise everything: each value is a function of (seed, name, position) alone.
LODE_CHECK lode_status lode__params_finish(lode_params *params, uint64_t seed, lode_error *error);
/// Add gradients and optimiser state; once, after finish.
LODE_CHECK lode_status lode__params_trainable(lode_params *params, lode_error *error);

lode_param *lode__param(const lode_params *params, size_t number);
lode_param *lode__param_find(const lode_params *params, const char *name);
/// A set of the same layout and values, without optimiser state, possibly in the other precision.
LODE_CHECK lode_status lode__params_clone(lode_params **out, const lode_params *params,
                                          lode_precision precision, lode_error *error);
/// A shadow of `params`: the same layout, whose members are those of `params` themselves, but for dense weights i with
/// own[i], which are copies (own NULL: none). `params` outlives its use, not its freeing.
LODE_CHECK lode_status lode__params_shadow(lode_params **out, const lode_params *params,
                                           const bool *own, lode_error *error);
/// Its own weights become momentum x what they are + (1 - momentum) x those of `params` (CLRec Eq. 5).
void lode__params_follow(lode_params *shadow, const lode_params *params, double momentum);
void lode__params_copy(lode_params *to, const lode_params *from);

/// Bytes of a number as it is computed with (bf16: 4), and as activations are stored (bf16: 2).
size_t lode__real_size(lode_precision precision);
size_t lode__stored_size(lode_precision precision);
/// Element `index` of an array of stored numbers.
double lode__real_get(lode_precision precision, const void *array, size_t index);
void lode__real_set(lode_precision precision, void *array, size_t index, double value);
/// Bytes of all values, and of optimiser state with gradients.
size_t lode__params_bytes(const lode_params *params, size_t *state_bytes);

#endif
