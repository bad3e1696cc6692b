/// Implicit-feedback ALS: the factor model to beat where the catalogue is too large for EASE's matrix.
///
/// With Y the items' vectors, a user's vector x minimises a quadratic whose matrix is Y'Y + regularisation I + alpha sum
/// y y' and whose right side is (1 + alpha) sum y, both sums over the user's items: Y'Y is made once a half-iteration,
/// so a row costs factors^2 + items of the row x factors, times the steps of conjugate gradients. Steps begin at the
/// row's last value and only go down, so the objective falls in every half-iteration. Items are solved alike.
///
/// Y'Y is added up over fixed chunks of rows, in order; rows, and later cases, are tasks that write to places of their
/// own: the same bits at any thread count. After training only the items' vectors stay. A case's vector is solved from
/// its history, with more steps and from zero, and the items are searched exactly (search/searcher.h).
#include "eval/linear.h"
#include "eval/pairs.h"
#include "eval/progress.h"

#include <math.h>
#include <string.h>

#include "base/random.h"
#include "search/searcher.h"

enum {
    CHUNKS = 64,       ///< of the sum Y'Y
    DEPTH = 512,       ///< rows of one matrix product of a chunk
    ROWS = 64,         ///< rows of a task
    CASES = 16,        ///< cases of a task
    BATCH = 512,       ///< cases of one search
    STEPS = 3,         ///< conjugate-gradient steps of a row in training
    FOLD_STEPS = 12,   ///< and of a case's vector
    PURPOSE = 0x414c53 ///< of the first vectors
};
#define NONE UINT32_MAX

/// One thread's scratch memory: [factors] each, and columns of one history.
typedef struct worker {
    float *residual, *direction, *product, *gemm;
    uint32_t *columns; ///< [count]
    bool *seen;        ///< [count] all false between cases
} worker;

typedef struct als {
    const struct lode_kernels_f32 *kernels;
    lode_pool *pool;
    lode_arena arena, training;
    lode_als_options options;
    uint32_t count;      ///< training items
    uint32_t *column_of; ///< [items] or NONE
    uint32_t *item_of;   ///< [count]
    float *item_vectors; ///< [count, factors]
    float *user_vectors; ///< [users, factors] while training
    float *gram;         ///< [factors, factors] X'X, later Y'Y
    float *partial;      ///< [CHUNKS, factors, factors]
    double *losses;      ///< [row tasks] scratch of the objective
    lode_pairs pairs;
    worker *workers;
    lode_index *index; ///< over the items' vectors
    lode_searcher *searcher;
    float *queries, *scores; ///< [BATCH, factors], [BATCH, k]
    uint64_t *starts;        ///< [BATCH + 1] of what is left out
    uint32_t *excluded;
    size_t excluded_capacity;
    // the half-iteration in progress: rows `out` from the other side's `vectors`
    float *out;
    const float *vectors;
    size_t out_count, vector_count;
    bool users; ///< rows are users
    // the ranking in progress
    const lode_log *log;
    const lode_cases *cases;
    const lode_scoring *scoring;
    size_t begin, number;
} als;

static void als_free(void *self) {
    als *own = self;
    if (own) {
        lode__searcher_free(&own->searcher);
        lode__index_free(&own->index);
        lode__pairs_release(&own->pairs);
        lode__arena_release(&own->training);
        lode__arena_release(&own->arena);
        lode__free(own->excluded);
        lode__free(own);
    }
}

// ------------------------------------------------------------------------------------------------
// One row
// ------------------------------------------------------------------------------------------------

/// The other side's rows of one row: columns of items, or users.
typedef struct link_list {
    const uint32_t *ids;
    size_t count;
    const uint32_t *map; ///< NULL = ids are rows already
} link_list;

static const float *link_vector(const als *own, const link_list *links, size_t i) {
    const uint32_t id = links->map ? links->map[links->ids[i]] : links->ids[i];
    return own->vectors + (size_t)id * own->options.factors;
}

/// out = (Y'Y + regularisation I + alpha sum y y') x; own->gram holds Y'Y.
static void apply(const als *own, const link_list *links, const float *x, float *out) {
    const size_t f = own->options.factors;
    for (size_t i = 0; i < f; i++) {
        out[i] = (float)own->options.regularisation * x[i];
    }
    for (size_t i = 0; i < f; i++) {
        own->kernels->scale_add(f, x[i], own->gram + i * f, out);
    }
    for (size_t i = 0; i < links->count; i++) {
        const float *y = link_vector(own, links, i);
        own->kernels->scale_add(f, (float)own->options.alpha * own->kernels->dot(f, x, y), y, out);
    }
}

/// Conjugate gradients from x on.
static void solve(const als *own, worker *one, const link_list *links, size_t steps, float *x) {
    const struct lode_kernels_f32 *kernels = own->kernels;
    const size_t f = own->options.factors;
    float *r = one->residual, *p = one->direction, *product = one->product;
    apply(own, links, x, r);
    kernels->scale(f, -1, r);
    for (size_t i = 0; i < links->count; i++) {
        kernels->scale_add(f, 1 + (float)own->options.alpha, link_vector(own, links, i), r);
    }
    memcpy(p, r, f * sizeof *p);
    float square = kernels->dot(f, r, r);
    for (size_t step = 0; step < steps && square > 1e-20f; step++) {
        apply(own, links, p, product);
        const float length = square / kernels->dot(f, p, product);
        kernels->scale_add(f, length, p, x);
        kernels->scale_add(f, -length, product, r);
        const float next = kernels->dot(f, r, r);
        kernels->scale(f, next / square, p);
        kernels->add(f, r, p);
        square = next;
    }
}

static link_list row_links(const als *own, size_t row) {
    const lode_pairs *pairs = &own->pairs;
    if (own->users) {
        const uint64_t begin = pairs->user_starts[row];
        return (link_list){pairs->user_items + begin, (size_t)(pairs->user_starts[row + 1] - begin),
                           own->column_of};
    }
    const uint64_t begin = pairs->item_starts[own->item_of[row]];
    return (link_list){pairs->item_users + begin,
                       (size_t)(pairs->item_starts[own->item_of[row] + 1] - begin), NULL};
}

static void rows_task(void *context, size_t task, size_t thread) {
    als *own = context;
    const size_t end = LODE_MIN(own->out_count, (task + 1) * ROWS);
    for (size_t row = task * ROWS; row < end; row++) {
        const link_list links = row_links(own, row);
        solve(own, &own->workers[thread], &links, STEPS, own->out + row * own->options.factors);
    }
}

// ------------------------------------------------------------------------------------------------
// Training
// ------------------------------------------------------------------------------------------------

static void gram_task(void *context, size_t task, size_t thread) {
    als *own = context;
    const size_t f = own->options.factors, rows = (own->vector_count + CHUNKS - 1) / CHUNKS;
    const size_t end = LODE_MIN(own->vector_count, (task + 1) * rows);
    float *out = own->partial + task * f * f;
    memset(out, 0, f * f * sizeof *out);
    for (size_t row = task * rows; row < end; row += DEPTH) {
        const float *vectors = own->vectors + row * f;
        own->kernels->gemm(&(struct lode_gemm_f32){.m = f,
                                                   .n = f,
                                                   .k = LODE_MIN(end - row, (size_t)DEPTH),
                                                   .a = vectors,
                                                   .a_row = 1,
                                                   .a_column = f,
                                                   .b = vectors,
                                                   .b_row = f,
                                                   .c = out,
                                                   .c_row = f,
                                                   .accumulate = true,
                                                   .scratch = own->workers[thread].gemm});
    }
}

/// gram = X'X of the side that `vectors` is.
static void gram_make(als *own, const float *vectors, size_t count) {
    const size_t f = own->options.factors;
    own->vectors = vectors;
    own->vector_count = count;
    lode__pool_run(own->pool, CHUNKS, gram_task, own);
    memset(own->gram, 0, f * f * sizeof *own->gram);
    for (size_t chunk = 0; chunk < CHUNKS; chunk++) {
        own->kernels->add(f * f, own->partial + chunk * f * f, own->gram);
    }
}

static void half(als *own, bool users) {
    own->users = users;
    own->out = users ? own->user_vectors : own->item_vectors;
    own->out_count = users ? own->pairs.users : own->count;
    gram_make(own, users ? own->item_vectors : own->user_vectors,
              users ? own->count : own->pairs.users);
    lode__pool_run(own->pool, (own->out_count + ROWS - 1) / ROWS, rows_task, own);
}

/// What the users of a task add to the objective: all pairs as if unclicked, then the clicked ones set right.
static void loss_task(void *context, size_t task, size_t thread) {
    als *own = context;
    const struct lode_kernels_f32 *kernels = own->kernels;
    const size_t f = own->options.factors, end = LODE_MIN(own->out_count, (task + 1) * ROWS);
    float *product = own->workers[thread].product;
    double loss = 0;
    for (size_t row = task * ROWS; row < end; row++) {
        const float *x = own->out + row * f;
        const link_list links = row_links(own, row);
        memset(product, 0, f * sizeof *product);
        for (size_t i = 0; i < f; i++) {
            kernels->scale_add(f, x[i], own->gram + i * f, product);
        }
        loss += (double)kernels->dot(f, x, product) +
                own->options.regularisation * (double)kernels->dot(f, x, x);
        for (size_t i = 0; i < links.count; i++) {
            const double s = (double)kernels->dot(f, x, link_vector(own, &links, i));
            loss += (1 + own->options.alpha) * (1 - s) * (1 - s) - s * s;
        }
    }
    own->losses[task] = loss;
}

static double objective(als *own) {
    const size_t f = own->options.factors, tasks = (own->pairs.users + ROWS - 1) / ROWS;
    double sum = 0;
    own->users = true;
    own->out = own->user_vectors;
    own->out_count = own->pairs.users;
    gram_make(own, own->item_vectors, own->count);
    lode__pool_run(own->pool, tasks, loss_task, own);
    for (size_t task = 0; task < tasks; task++) {
        sum += own->losses[task];
    }
    for (size_t i = 0; i < own->count; i++) {
        const float *y = own->item_vectors + i * f;
        sum += own->options.regularisation * (double)own->kernels->dot(f, y, y);
    }
    return sum;
}

/// Items get the first vectors by their data-set index; users begin at 0.
static void first_vectors(als *own) {
    const size_t f = own->options.factors;
    for (size_t i = 0; i < own->count; i++) {
        lode_random random = lode__random(own->options.seed, PURPOSE, 0, own->item_of[i]);
        for (size_t d = 0; d < f; d++) {
            own->item_vectors[i * f + d] = (float)(0.1 * lode__random_normal(&random));
        }
    }
}

static lode_status als_fit(als *own, const lode_split *split, lode_error *error) {
    const size_t f = own->options.factors, users = split->log.users;
    LODE_TRY(lode__pairs_new(&own->pairs, split, error));
    own->user_vectors = lode__arena_alloc(&own->training, users, f * sizeof(float));
    own->losses = lode__arena_alloc(&own->training, users / ROWS + 1, sizeof *own->losses);
    if (!own->user_vectors || !own->losses) {
        return lode__fail_memory(error);
    }
    first_vectors(own);
    for (size_t i = 0; i < own->options.iterations; i++) {
        const lode_progress progress = {
            .task = "fit als", .unit = "sweeps", .done = i, .total = own->options.iterations};
        LODE_TRY(lode__eval_progress(own->options.hooks, &progress, 0, error));
        half(own, true);
        half(own, false);
        if (own->options.objective) {
            own->options.objective[i] = objective(own);
        }
    }
    lode__pairs_release(&own->pairs);
    lode__arena_release(&own->training);
    own->user_vectors = NULL;
    gram_make(own, own->item_vectors, own->count); // for folding in
    return LODE_OK;
}

// ------------------------------------------------------------------------------------------------
// Ranking and scoring
// ------------------------------------------------------------------------------------------------

/// The vector of a state, from its distinct known items.
static void fold_in(const als *own, worker *one, lode_state state, float *x) {
    const lode_log *log = own->log;
    link_list links = {one->columns, 0, NULL};
    for (uint64_t at = log->offsets[state.user]; at < state.end; at++) {
        const uint32_t column = own->column_of[log->item[at]];
        if (column != NONE && !one->seen[column]) {
            one->seen[column] = true;
            one->columns[links.count++] = column;
        }
    }
    for (size_t i = 0; i < links.count; i++) {
        one->seen[one->columns[i]] = false;
    }
    memset(x, 0, own->options.factors * sizeof *x);
    solve(own, one, &links, FOLD_STEPS, x);
}

static void fold_task(void *context, size_t task, size_t thread) {
    const als *own = context;
    const size_t end = LODE_MIN(own->number, (task + 1) * CASES);
    for (size_t i = task * CASES; i < end; i++) {
        fold_in(own, &own->workers[thread], own->cases->list[own->begin + i].state,
                own->queries + i * own->options.factors);
    }
}

static lode_status exclude(als *own, lode_error *error) {
    size_t filled = 0;
    own->starts[0] = 0;
    for (size_t i = 0; i < own->number; i++) {
        const lode_state state = own->cases->list[own->begin + i].state;
        const uint64_t first = own->log->offsets[state.user];
        void *grown = own->excluded;
        const bool ok = lode__grow(&grown, &own->excluded_capacity,
                                   filled + (size_t)(state.end - first), sizeof *own->excluded);
        own->excluded = grown;
        if (!ok) {
            return lode__fail_memory(error);
        }
        for (uint64_t at = first; at < state.end; at++) {
            const uint32_t column = own->column_of[own->log->item[at]];
            if (column != NONE) {
                own->excluded[filled++] = column;
            }
        }
        own->starts[i + 1] = filled;
    }
    return LODE_OK;
}

static lode_status als_rank(void *self, const lode_cases *cases, size_t begin, size_t count,
                            size_t k, bool exclude_seen, uint32_t *lists, lode_error *error) {
    als *own = self;
    own->cases = cases;
    own->log = &cases->split->log;
    for (size_t done = 0; done < count; done += BATCH) {
        own->begin = begin + done;
        own->number = LODE_MIN(count - done, (size_t)BATCH);
        lode__pool_run(own->pool, (own->number + CASES - 1) / CASES, fold_task, own);
        if (exclude_seen) {
            LODE_TRY(exclude(own, error));
        }
        const lode_excluded excluded = {exclude_seen ? own->starts : NULL, own->excluded};
        lode__searcher_search(own->searcher, &(lode_search){.queries = own->queries,
                                                            .count = own->number,
                                                            .k = k,
                                                            .excluded = &excluded,
                                                            .ids = lists + done * k,
                                                            .scores = own->scores});
    }
    for (size_t i = 0; i < count * k; i++) {
        if (lists[i] != LODE_NO_ITEM) {
            lists[i] = own->item_of[lists[i]];
        }
    }
    return LODE_OK;
}

/// Cases of one task share the thread's place among the queries: BATCH is more than there are threads.
static void score_task(void *context, size_t task, size_t thread) {
    const als *own = context;
    const size_t f = own->options.factors;
    const lode_scoring *scoring = own->scoring;
    float *x = own->queries + thread * f;
    const size_t end = LODE_MIN(scoring->count, (task + 1) * CASES);
    for (size_t g = task * CASES; g < end; g++) {
        fold_in(own, &own->workers[thread], scoring->states[g], x);
        for (uint64_t at = scoring->starts[g]; at < scoring->starts[g + 1]; at++) {
            const uint32_t column = own->column_of[scoring->items[at]];
            scoring->scores[at] =
                column == NONE ? -INFINITY
                               : own->kernels->dot(f, x, own->item_vectors + (size_t)column * f);
        }
    }
}

static lode_status als_score(void *self, const lode_cases *cases, const lode_scoring *scoring,
                             lode_error *error) {
    als *own = self;
    (void)error;
    own->log = &cases->split->log;
    own->scoring = scoring;
    lode__pool_run(own->pool, (scoring->count + CASES - 1) / CASES, score_task, own);
    return LODE_OK;
}

// ------------------------------------------------------------------------------------------------
// Making
// ------------------------------------------------------------------------------------------------

static bool workers_make(als *own) {
    const size_t threads = lode__pool_threads(own->pool), f = own->options.factors;
    lode_arena *arena = &own->arena;
    own->workers = lode__arena_alloc(arena, threads, sizeof *own->workers);
    for (size_t i = 0; own->workers && i < threads; i++) {
        worker *one = &own->workers[i];
        one->residual = lode__arena_alloc(arena, f, sizeof *one->residual);
        one->direction = lode__arena_alloc(arena, f, sizeof *one->direction);
        one->product = lode__arena_alloc(arena, f, sizeof *one->product);
        one->gemm = lode__arena_alloc(arena, LODE_GEMM_SCRATCH, sizeof *one->gemm);
        one->columns = lode__arena_alloc(arena, own->count, sizeof *one->columns);
        one->seen = lode__arena_alloc(arena, own->count, sizeof *one->seen);
        if (!one->residual || !one->direction || !one->product || !one->gemm || !one->columns ||
            !one->seen) {
            return false;
        }
    }
    return own->workers != NULL;
}

static bool als_make(als *own, const lode_split *split, size_t k) {
    const uint32_t items = split->log.items;
    const size_t f = own->options.factors, n = split->train_items;
    lode_arena *arena = &own->arena;
    own->column_of = lode__arena_alloc(arena, items, sizeof *own->column_of);
    own->item_of = lode__arena_alloc(arena, n, sizeof *own->item_of);
    own->item_vectors = lode__arena_alloc(arena, n, f * sizeof(float));
    own->gram = lode__arena_alloc(arena, f, f * sizeof(float));
    own->partial = lode__arena_alloc(arena, CHUNKS * f, f * sizeof(float));
    own->queries = lode__arena_alloc(arena, BATCH, f * sizeof(float));
    own->scores = lode__arena_alloc(arena, k, BATCH * sizeof(float));
    own->starts = lode__arena_alloc(arena, BATCH + 1, sizeof *own->starts);
    if (!own->column_of || !own->item_of || !own->item_vectors || !own->gram || !own->partial ||
        !own->queries || !own->scores || !own->starts) {
        return false;
    }
    for (uint32_t item = 0; item < items; item++) {
        own->column_of[item] = split->item_count[item] > 0 ? own->count : NONE;
        if (split->item_count[item] > 0) {
            own->item_of[own->count++] = item;
        }
    }
    return workers_make(own);
}

lode_status lode__ranker_als(lode_ranker *ranker, const lode_split *split,
                             const lode_als_options *options, size_t k, lode_pool *pool,
                             lode_error *error) {
    if (options->factors < 1 || !(options->regularisation > 0) || !(options->alpha >= 0)) {
        return lode__fail(
            error, LODE_E_CONFIG,
            "als: %zu factors, regularisation %g, alpha %g; expected 1 or more, above "
            "0, and 0 or more",
            options->factors, options->regularisation, options->alpha);
    }
    als *own = lode__alloc(1, sizeof *own);
    if (!own) {
        return lode__fail_memory(error);
    }
    own->kernels = lode__kernels_f32();
    own->pool = pool;
    own->options = *options;
    lode_status status = als_make(own, split, k) ? LODE_OK : lode__fail_memory(error);
    if (status == LODE_OK) {
        status = als_fit(own, split, error);
    }
    if (status == LODE_OK) {
        const lode_index_options scan = {.kind = LODE_INDEX_SCAN, .borrow = true};
        status = lode__index_build(&own->index, own->item_vectors, own->count, own->options.factors,
                                   &scan, pool, error);
    }
    if (status == LODE_OK) {
        status = lode__searcher_new(&own->searcher, own->index, BATCH, k, pool, error);
    }
    if (status != LODE_OK) {
        als_free(own);
        return status;
    }
    *ranker = (lode_ranker){"als", own, als_rank, als_score, als_free, 0};
    return LODE_OK;
}
