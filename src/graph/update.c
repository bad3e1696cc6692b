/// Updates of parameters, for float and double (twice compiled: parameters are never bfloat16): Adam on dense weights, on the touched rows of tables, and on
/// whole tables (graph/optimiser.h says which is which).
#include <math.h>
#include <string.h>

#include "graph/optimiser.h"
#include "kernel/real.h"

enum { ELEMENTS_PER_TASK = 16384, ROWS_PER_TASK = 256, WIDEST_ROW = 4096 };
enum {
    WORK_PER_TASK = 1024,
    ROW_WORK = 4
};                  ///< of lazy updates: entries, and what a row costs in entries
enum { AHEAD = 8 }; ///< rows that are fetched before they are needed

typedef struct lode_update {
    const lode_kernels *kernels;
    lode_adam adam, lazy; ///< lazy: SparseAdam adds epsilon to sqrt(v), before v's bias is corrected
    lode_param *param;
    size_t distinct; ///< rows touched
} lode_update;

static void dense_task(void *context, size_t task, size_t thread) {
    (void)thread;
    const lode_update *update = context;
    lode_param *param = update->param;
    const size_t first = task * ELEMENTS_PER_TASK;
    const size_t count = LODE_MIN((size_t)ELEMENTS_PER_TASK, param->rows * param->columns - first);
    update->kernels->adam(count, &update->adam, (real *)param->value + first,
                          (real *)param->first + first, (real *)param->second + first,
                          (const real *)param->gradient + first);
}

/// sum += scale * gradient row `row` of a tensor, which may be bfloat16.
static void add_row(const lode_kernels *kernels, const lode_tensor *output, size_t row, real scale,
                    real *sum) {
    const size_t d = output->columns;
#if LODE_REAL_BITS == 32
    if (output->elements == LODE_BF16) {
        lode__kernels_b16()->scale_add(d, scale, (const lode_bf16 *)output->gradient + row * d, sum);
        return;
    }
#endif
    kernels->scale_add(d, scale, (const real *)output->gradient + row * d, sum);
}

static void prefetch_gradient(const lode_store *store, uint32_t at) {
    const lode_entry *entry = &store->entries[at];
    const lode_tensor *output = store->scatters[entry->scatter].output;
    const size_t bytes = output->columns * lode__stored_size(output->elements);
    lode__fetch_ahead((const char *)output->gradient + entry->row * bytes, bytes);
}

/// Sum of the gradient rows of entries begin .. end - 1.
static void sum_entries(const lode_kernels *kernels, const lode_store *store, uint32_t begin,
                        uint32_t end, real *sum) {
    memset(sum, 0, store->param->columns * sizeof *sum);
    for (uint32_t at = begin; at < end; at++) {
        if (at + AHEAD < store->count) prefetch_gradient(store, at + AHEAD);
        const lode_entry *entry = &store->entries[at];
        const lode_tensor *output = store->scatters[entry->scatter].output;
        add_row(kernels, output, entry->row, (real)1 / (real)entry->length, sum);
    }
}

static void piece_task(void *context, size_t task, size_t thread) {
    (void)thread;
    const lode_update *update = context;
    const lode_store *store = update->param->store;
    sum_entries(update->kernels, store, store->pieces[task].begin, store->pieces[task].end,
                (real *)store->partial + task * store->param->columns);
}

/// Sum of the gradients of the i-th distinct row of this step; a long row's pieces have been summed before.
static void sum_row(const lode_kernels *kernels, const lode_store *store, size_t segment, real *sum) {
    const size_t d = store->param->columns;
    const uint32_t begin = store->segments[segment], end = store->segments[segment + 1];
    if (end - begin <= LODE_PIECE) {
        sum_entries(kernels, store, begin, end, sum);
        return;
    }
    const size_t first = lode__store_piece(store, begin);
    memset(sum, 0, d * sizeof *sum);
    for (size_t i = first; i < store->piece_count && store->pieces[i].end <= end; i++)
        kernels->add(d, (const real *)store->partial + i * d, sum);
}

static void update_row(const lode_update *update, const lode_adam *adam, size_t row,
                       const real *gradient) {
    lode_param *param = update->param;
    const size_t d = param->columns, at = row * d;
    update->kernels->adam(d, adam, (real *)param->value + at, (real *)param->first + at,
                          (real *)param->second + at, gradient);
}

static void prefetch_update(const lode_param *param, size_t row) {
    const size_t bytes = param->columns * sizeof(real);
    lode__fetch_ahead((const char *)param->value + row * bytes, bytes);
    lode__fetch_ahead((const char *)param->first + row * bytes, bytes);
    lode__fetch_ahead((const char *)param->second + row * bytes, bytes);
}

/// Row of the table that is the i-th distinct one of this step.
static size_t id_of(const lode_store *store, size_t segment) {
    return store->entries[store->segments[segment]].id;
}

/// The first distinct row with at least `work` before it: an entry each, and ROW_WORK for the update of each row.
static size_t segment_of_work(const lode_store *store, size_t work) {
    size_t low = 0, high = store->distinct;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (store->segments[middle] + ROW_WORK * middle < work) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static void lazy_task(void *context, size_t task, size_t thread) {
    (void)thread;
    const lode_update *update = context;
    const lode_store *store = update->param->store;
    real sum[WIDEST_ROW];
    const size_t last = segment_of_work(store, (task + 1) * WORK_PER_TASK);
    for (size_t segment = segment_of_work(store, task * WORK_PER_TASK); segment < last; segment++) {
        if (segment + AHEAD < store->distinct)
            prefetch_update(update->param, id_of(store, segment + AHEAD));
        sum_row(update->kernels, store, segment, sum);
        update_row(update, &update->lazy, id_of(store, segment), sum);
    }
}

/// First distinct row that is not below `row`.
static size_t first_segment(const lode_store *store, size_t distinct, size_t row) {
    size_t low = 0, high = distinct;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (id_of(store, middle) < row) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static void whole_task(void *context, size_t task, size_t thread) {
    (void)thread;
    const lode_update *update = context;
    const lode_store *store = update->param->store;
    real sum[WIDEST_ROW];
    const size_t last = LODE_MIN((task + 1) * ROWS_PER_TASK, update->param->rows);
    size_t segment = first_segment(store, update->distinct, task * ROWS_PER_TASK);
    for (size_t row = task * ROWS_PER_TASK; row < last; row++) {
        if (segment < update->distinct && id_of(store, segment) == row) {
            sum_row(update->kernels, store, segment++, sum);
        } else {
            memset(sum, 0, update->param->columns * sizeof *sum);
        }
        update_row(update, &update->adam, row, sum);
    }
}

void LODE_REAL(lode__update)(const lode_optimiser *optimiser, lode_params *params, uint64_t step,
                             lode_pool *pool);

void LODE_REAL(lode__update)(const lode_optimiser *optimiser, lode_params *params, uint64_t step,
                             lode_pool *pool) {
    lode_update update = {.kernels = LODE_REAL(lode__kernels)()};
    update.adam = (lode_adam){.rate = (real)optimiser->rate,
                              .beta1 = (real)optimiser->beta1,
                              .beta2 = (real)optimiser->beta2,
                              .epsilon = (real)optimiser->epsilon,
                              .correction1 = (real)(1.0 - pow(optimiser->beta1, (double)step)),
                              .correction2 = (real)(1.0 - pow(optimiser->beta2, (double)step)),
                              .decay = (real)optimiser->decay};
    update.lazy = update.adam;
    update.lazy.epsilon =
        (real)(optimiser->epsilon / sqrt(1.0 - pow(optimiser->beta2, (double)step)));
    for (size_t i = 0; i < params->count; i++) {
        lode_param *param = update.param = params->list[i];
        if (param->store == NULL) {
            if (!param->has_gradient) continue;
            const size_t elements = param->rows * param->columns;
            lode__pool_run(pool, (elements + ELEMENTS_PER_TASK - 1) / ELEMENTS_PER_TASK, dense_task,
                           &update);
            param->has_gradient = false;
            continue;
        }
        if (param->store->scatter_count == 0) continue;
        assert(param->columns <= WIDEST_ROW);
        update.distinct = lode__store_sort(param->store, pool);
        lode__pool_run(pool, param->store->piece_count, piece_task, &update);
        if (optimiser->type == LODE_LAZY_ADAM) {
            const size_t work = param->store->count + ROW_WORK * update.distinct;
            lode__pool_run(pool, (work + WORK_PER_TASK - 1) / WORK_PER_TASK, lazy_task, &update);
        } else {
            lode__pool_run(pool, (param->rows + ROWS_PER_TASK - 1) / ROWS_PER_TASK, whole_task,
                           &update);
        }
        lode__store_forget(param->store);
    }
}

void LODE_REAL(lode__store_dense)(lode_store *store, void *out);

void LODE_REAL(lode__store_dense)(lode_store *store, void *out) {
    const size_t distinct = lode__store_sort(store, NULL);
    lode_update update = {.kernels = LODE_REAL(lode__kernels)(), .param = store->param};
    lode__pool_run(NULL, store->piece_count, piece_task, &update);
    memset(out, 0, store->param->rows * store->param->columns * sizeof(real));
    for (size_t segment = 0; segment < distinct; segment++) {
        const size_t row = id_of(store, segment);
        sum_row(LODE_REAL(lode__kernels)(), store, segment,
                (real *)out + row * store->param->columns);
    }
}
