/// Every op but contrast: values against plain formulas, and gradients.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "../support/gradcheck.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

/// What `verify` needs of any op.
typedef struct op_parts {
    lode_tensor *x, *z, *output;
    lode_param *weight, *bias;
    lode_ids *ids;
    lode_lists *lists;
} op_parts;

static op_parts *parts_new(gradcheck *check) {
    op_parts *parts = check->data = lode__graph_alloc(check->graph, 1, sizeof *parts);
    assert_non_null(parts);
    return parts;
}

static double value(const gradcheck *check, const lode_tensor *tensor, size_t row, size_t column) {
    return lode__tensor_get(check->graph, tensor, row, column);
}

static double weight(const lode_param *param, size_t row, size_t column) {
    return ((const double *)param->value)[row * param->columns + column];
}

static void expect(const gradcheck *check, const op_parts *parts, size_t row, size_t column,
                   double expected) {
    gradcheck_near(value(check, parts->output, row, column), expected, 1e-12, 1e-12, "value");
}

// --- embedding ----------------------------------------------------------------------------------

typedef struct embedding_options {
    size_t rows, ids; ///< of the table; looked up (without lists)
    const size_t *lengths;
    size_t lists;
    lode_pooling pooling;
    bool twice; ///< a second use of the table, without lists
} embedding_options;

static void embedding_build(gradcheck *check, const void *context) {
    const embedding_options *options = context;
    op_parts *parts = parts_new(check);
    parts->weight = gradcheck_table(check, "table", options->rows, 3);
    lode_dim *dim;
    if (options->lengths != NULL) {
        lode_dim *rows = gradcheck_dim(check, "rows", options->lists);
        parts->lists = gradcheck_lists(check, rows, "positions", options->lengths);
        dim = parts->lists->positions;
    } else {
        dim = gradcheck_dim(check, "rows", options->ids);
    }
    parts->ids = gradcheck_index(check, dim, 1, options->rows);
    parts->output =
        lode__embedding(check->graph, parts->weight, parts->ids, parts->lists, options->pooling);
    gradcheck_sum(check, parts->output);
    if (options->twice) {
        lode_dim *others = gradcheck_dim(check, "others", 4);
        lode_ids *ids = gradcheck_index(check, others, 1, options->rows);
        lode_tensor *second = lode__embedding(check->graph, parts->weight, ids, NULL, LODE_POOL_SUM);
        gradcheck_sum(check, lode__normalize(check->graph, second));
    }
}

static void embedding_verify(const gradcheck *check, const void *context) {
    const embedding_options *options = context;
    const op_parts *parts = check->data;
    for (size_t row = 0; row < parts->output->rows->size; row++) {
        const size_t begin = parts->lists != NULL ? (size_t)parts->lists->offsets[row] : row;
        const size_t end = parts->lists != NULL ? (size_t)parts->lists->offsets[row + 1] : row + 1;
        for (size_t column = 0; column < 3; column++) {
            double sum = 0.0;
            for (size_t at = begin; at < end; at++) {
                sum += weight(parts->weight, (size_t)parts->ids->data[at], column);
            }
            const bool mean = options->lengths != NULL && options->pooling == LODE_POOL_MEAN;
            expect(check, parts, row, column,
                   mean && end > begin ? sum / (double)(end - begin) : sum);
        }
    }
}

static const size_t few_lists[] = {2, 0, 1, 5, 0};
static const size_t no_lists[] = {0, 0, 0};

#define EMBEDDING(text, ...)                                                                       \
    {                                                                                              \
        .name = "embedding, " text, .build = embedding_build, .verify = embedding_verify,          \
        .options = &(const embedding_options) {                                                    \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }
#define FEW_LISTS .lengths = few_lists, .lists = COUNT(few_lists)

// --- linear -------------------------------------------------------------------------------------

typedef struct linear_options {
    size_t m, k, n;
    bool bias;
    lode_activation activation;
    bool shared; ///< weights and input are used a second time
} linear_options;

static void linear_build(gradcheck *check, const void *context) {
    const linear_options *options = context;
    op_parts *parts = parts_new(check);
    lode_dim *rows = gradcheck_dim(check, "rows", options->m);
    parts->x = gradcheck_input(check, "x", rows, options->k);
    parts->weight = gradcheck_dense(check, "weight", options->k, options->n);
    parts->bias = options->bias ? gradcheck_dense(check, "bias", 1, options->n) : NULL;
    parts->output =
        lode__linear(check->graph, parts->x, parts->weight, parts->bias, options->activation);
    gradcheck_sum(check, parts->output);
    if (options->shared) {
        lode_tensor *second =
            lode__linear(check->graph, parts->x, parts->weight, parts->bias, LODE_TANH);
        gradcheck_sum(check, lode__normalize(check->graph, second));
    }
}

static double activate(lode_activation activation, double x) {
    switch (activation) {
    case LODE_LINEAR:
        return x;
    case LODE_RELU:
        return x > 0.0 ? x : 0.0;
    case LODE_TANH:
        return tanh(x);
    case LODE_GELU:
        return 0.5 * x * (1.0 + tanh(sqrt(2.0 / acos(-1.0)) * (x + 0.044715 * x * x * x)));
    }
    return (double)NAN;
}

static void linear_verify(const gradcheck *check, const void *context) {
    const linear_options *options = context;
    const op_parts *parts = check->data;
    for (size_t i = 0; i < options->m; i++) {
        for (size_t j = 0; j < options->n; j++) {
            double sum = parts->bias != NULL ? weight(parts->bias, 0, j) : 0.0;
            for (size_t p = 0; p < options->k; p++) {
                sum += value(check, parts->x, i, p) * weight(parts->weight, p, j);
            }
            expect(check, parts, i, j, activate(options->activation, sum));
        }
    }
}

#define LINEAR(text, ...)                                                                          \
    {                                                                                              \
        .name = "linear, " text, .build = linear_build, .verify = linear_verify,                   \
        .options = &(const linear_options) {                                                       \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }

// --- add ----------------------------------------------------------------------------------------

typedef struct add_options {
    size_t m;
    bool same;    ///< x + x
    bool used;    ///< x has another consumer
    double scale; ///< 0 = 1
} add_options;

static double add_scale(const add_options *options) {
    return options->scale != 0.0 ? options->scale : 1.0;
}

static void add_build(gradcheck *check, const void *context) {
    const add_options *options = context;
    op_parts *parts = parts_new(check);
    lode_dim *rows = gradcheck_dim(check, "rows", options->m);
    parts->x = gradcheck_input(check, "x", rows, 3);
    parts->z = options->same ? parts->x : gradcheck_input(check, "z", rows, 3);
    parts->output = lode__add_scaled(check->graph, parts->x, add_scale(options), parts->z);
    gradcheck_sum(check, lode__normalize(check->graph, parts->output));
    if (options->used) gradcheck_sum(check, parts->x);
}

static void add_verify(const gradcheck *check, const void *context) {
    const op_parts *parts = check->data;
    const add_options *options = context;
    for (size_t i = 0; i < options->m; i++) {
        for (size_t j = 0; j < 3; j++) {
            const double scaled = add_scale(options) * value(check, parts->x, i, j);
            expect(check, parts, i, j, scaled + value(check, parts->z, i, j));
        }
    }
}

#define ADD(text, ...)                                                                             \
    {                                                                                              \
        .name = "add, " text, .build = add_build, .verify = add_verify,                            \
        .options = &(const add_options) {                                                          \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }

// --- layer_norm ---------------------------------------------------------------------------------

typedef struct norm_options {
    size_t m, d;
    bool residual, same; ///< x + residual; x + x
    bool used;           ///< the inputs have another consumer
    double epsilon;
    bool fixed_gain; ///< of spread `gain`, which may be 0
    double gain;
} norm_options;

static void norm_build(gradcheck *check, const void *context) {
    const norm_options *options = context;
    op_parts *parts = parts_new(check);
    lode_dim *rows = gradcheck_dim(check, "rows", options->m);
    parts->x = gradcheck_input(check, "x", rows, options->d);
    if (options->residual) parts->z = gradcheck_input(check, "residual", rows, options->d);
    if (options->same) parts->z = parts->x;
    if (options->fixed_gain) {
        parts->weight =
            lode__param(check->params, lode__param_dense(check->params, "gain", 1, options->d,
                                                         LODE_INIT_NORMAL, options->gain));
    } else {
        parts->weight = gradcheck_dense(check, "gain", 1, options->d);
    }
    parts->bias = gradcheck_dense(check, "bias", 1, options->d);
    parts->output = lode__layer_norm(check->graph, parts->x, parts->z, parts->weight, parts->bias,
                                     options->epsilon);
    gradcheck_sum(check, parts->output);
    if (options->used) gradcheck_sum(check, parts->x);
    if (options->used && options->residual) gradcheck_sum(check, parts->z);
}

static void norm_verify(const gradcheck *check, const void *context) {
    const norm_options *options = context;
    const op_parts *parts = check->data;
    const double d = (double)options->d;
    for (size_t i = 0; i < options->m; i++) {
        double s[64], mean = 0.0, variance = 0.0;
        for (size_t j = 0; j < options->d; j++) {
            s[j] = value(check, parts->x, i, j) +
                   (parts->z != NULL ? value(check, parts->z, i, j) : 0.0);
            mean += s[j] / d;
        }
        for (size_t j = 0; j < options->d; j++)
            variance += (s[j] - mean) * (s[j] - mean) / d;
        for (size_t j = 0; j < options->d; j++) {
            const double normal = (s[j] - mean) / sqrt(variance + options->epsilon);
            expect(check, parts, i, j,
                   normal * weight(parts->weight, 0, j) + weight(parts->bias, 0, j));
        }
    }
}

#define NORM(text, ...)                                                                            \
    {                                                                                              \
        .name = "layer_norm, " text, .build = norm_build, .verify = norm_verify,                   \
        .options = &(const norm_options) {                                                         \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }

// --- attention ----------------------------------------------------------------------------------

typedef struct attention_options {
    size_t d, heads;
    bool causal;
    const size_t *lengths;
    size_t lists;
    bool apart; ///< queries are a tensor of their own
} attention_options;

static void attention_build(gradcheck *check, const void *context) {
    const attention_options *options = context;
    op_parts *parts = parts_new(check);
    lode_dim *rows = gradcheck_dim(check, "rows", options->lists);
    parts->lists = gradcheck_lists(check, rows, "positions", options->lengths);
    const lode_attending how = {.heads = options->heads, .causal = options->causal};
    if (options->apart) {
        parts->z = gradcheck_input(check, "query", parts->lists->positions, options->d);
        parts->x = gradcheck_input(check, "key_value", parts->lists->positions, 2 * options->d);
        parts->output = lode__attention_of(check->graph, parts->z, parts->x, parts->lists, how);
    } else {
        parts->x = gradcheck_input(check, "projections", parts->lists->positions, 3 * options->d);
        parts->z = parts->x;
        parts->output = lode__attention(check->graph, parts->x, parts->lists, how);
    }
    gradcheck_sum(check, parts->output);
}

static double score(const gradcheck *check, const attention_options *options, size_t head,
                    size_t query, size_t key) {
    const op_parts *parts = check->data;
    const size_t width = options->d / options->heads;
    double dot = 0.0;
    for (size_t c = head * width; c < (head + 1) * width; c++) {
        dot += value(check, parts->z, query, c) *
               value(check, parts->x, key, parts->x->columns - 2 * options->d + c);
    }
    return exp(dot / sqrt((double)width));
}

static void attention_verify(const gradcheck *check, const void *context) {
    const attention_options *options = context;
    const op_parts *parts = check->data;
    for (size_t list = 0; list < options->lists; list++) {
        const size_t begin = (size_t)parts->lists->offsets[list];
        const size_t end = (size_t)parts->lists->offsets[list + 1];
        for (size_t t = begin; t < end; t++) {
            for (size_t c = 0; c < options->d; c++) {
                const size_t head = c / (options->d / options->heads);
                double sum = 0.0, all = 0.0;
                for (size_t u = begin; u < (options->causal ? t + 1 : end); u++) {
                    const double share = score(check, options, head, t, u);
                    sum += share * value(check, parts->x, u, parts->x->columns - options->d + c);
                    all += share;
                }
                expect(check, parts, t, c, sum / all);
            }
        }
    }
}

static const size_t mixed_lengths[] = {0, 1, 2, 7, 0, 20, 0};
static const size_t one_length[] = {3}, one_long[] = {1, 70, 2};

#define ATTENTION(text, ...)                                                                       \
    {                                                                                              \
        .name = "attention, " text, .build = attention_build, .verify = attention_verify,          \
        .options = &(const attention_options) {                                                    \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }
#define MIXED .lengths = mixed_lengths, .lists = COUNT(mixed_lengths)

// --- last ---------------------------------------------------------------------------------------

typedef struct last_options {
    const size_t *lengths; ///< of 5 rows
    bool used, before; ///< x has another consumer, that runs backward before this op, or after it
} last_options;

static void last_build(gradcheck *check, const void *context) {
    const last_options *options = context;
    op_parts *parts = parts_new(check);
    lode_dim *rows = gradcheck_dim(check, "rows", 5);
    parts->lists = gradcheck_lists(check, rows, "positions", options->lengths);
    parts->x = gradcheck_input(check, "x", parts->lists->positions, 3);
    if (options->used) gradcheck_sum(check, lode__normalize(check->graph, parts->x));
    parts->output = lode__last(check->graph, parts->x, parts->lists);
    gradcheck_sum(check, parts->output);
    if (options->before) gradcheck_sum(check, parts->x);
}

static void last_verify(const gradcheck *check, const void *context) {
    (void)context;
    const op_parts *parts = check->data;
    const int32_t *offsets = parts->lists->offsets;
    for (size_t row = 0; row < 5; row++) {
        for (size_t column = 0; column < 3; column++) {
            const bool empty = offsets[row] == offsets[row + 1];
            expect(check, parts, row, column,
                   empty ? 0.0 : value(check, parts->x, (size_t)offsets[row + 1] - 1, column));
        }
    }
}

static const size_t ends_empty[] = {2, 0, 4, 1, 0}, long_list[] = {1, 140, 0, 130, 3};

#define LAST(text, ...)                                                                            \
    {                                                                                              \
        .name = "last, " text, .build = last_build, .verify = last_verify,                         \
        .options = &(const last_options) {                                                         \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }

// --- concat -------------------------------------------------------------------------------------

typedef struct concat_options {
    const size_t *lengths; ///< of 5 rows; NULL = no list part
    bool list_first;
    bool used;  ///< the parts have other consumers, before and after
    bool twice; ///< one tensor is two parts
} concat_options;

static void concat_build(gradcheck *check, const void *context) {
    const concat_options *options = context;
    op_parts *parts = parts_new(check);
    lode_dim *rows = gradcheck_dim(check, "rows", 5);
    parts->x = gradcheck_input(check, "x", rows, 3);
    lode_part_of_row list[3] = {{parts->x, NULL}};
    size_t count = 1;
    if (options->twice) list[count++] = (lode_part_of_row){parts->x, NULL};
    if (options->lengths != NULL) {
        parts->lists = gradcheck_lists(check, rows, "positions", options->lengths);
        parts->z = gradcheck_input(check, "packed", parts->lists->positions, 2);
        list[count++] = (lode_part_of_row){parts->z, parts->lists};
    } else {
        parts->z = gradcheck_input(check, "z", rows, 2);
        list[count++] = (lode_part_of_row){parts->z, NULL};
    }
    if (options->list_first) {
        const lode_part_of_row last = list[count - 1];
        list[count - 1] = list[0];
        list[0] = last;
    }
    if (options->used) gradcheck_sum(check, lode__normalize(check->graph, parts->z));
    parts->output = lode__concat(check->graph, list, count);
    gradcheck_sum(check, parts->output);
    if (options->used) gradcheck_sum(check, parts->x);
}

static double concat_value(const gradcheck *check, const op_parts *parts, size_t row, size_t column,
                           bool packed) {
    if (!packed) return value(check, parts->x, row, column);
    if (parts->lists == NULL) return value(check, parts->z, row, column);
    const size_t at = (size_t)parts->lists->offsets[row] + column / 2;
    return at < (size_t)parts->lists->offsets[row + 1] ? value(check, parts->z, at, column % 2) : 0.0;
}

static void concat_verify(const gradcheck *check, const void *context) {
    const concat_options *options = context;
    const op_parts *parts = check->data;
    const size_t wide = parts->lists != NULL ? 2 * parts->lists->limit : 2;
    const size_t plain = options->twice ? 6 : 3;
    assert_int_equal(parts->output->columns, plain + wide);
    for (size_t row = 0; row < 5; row++) {
        for (size_t column = 0; column < plain + wide; column++) {
            const size_t of_list = options->list_first ? column : column - plain;
            const bool packed = options->list_first ? column < wide : column >= plain;
            const size_t of_plain = options->list_first ? column - wide : column;
            expect(check, parts, row, column,
                   concat_value(check, parts, row, packed ? of_list : of_plain % 3, packed));
        }
    }
}

static const size_t five_lengths[] = {2, 0, 4, 1, 3};

#define CONCAT(text, ...)                                                                          \
    {                                                                                              \
        .name = "concat, " text, .build = concat_build, .verify = concat_verify,                   \
        .options = &(const concat_options) {                                                       \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }

// --- normalize and dropout ----------------------------------------------------------------------

typedef struct row_options {
    size_t m, d;
    bool used; ///< x has another consumer
    double rate;
} row_options;

static void normalize_build(gradcheck *check, const void *context) {
    const row_options *options = context;
    op_parts *parts = parts_new(check);
    parts->x = gradcheck_input(check, "x", gradcheck_dim(check, "rows", options->m), options->d);
    parts->output = lode__normalize(check->graph, parts->x);
    gradcheck_sum(check, parts->output);
    if (options->used) gradcheck_sum(check, parts->x);
}

static void normalize_verify(const gradcheck *check, const void *context) {
    const row_options *options = context;
    const op_parts *parts = check->data;
    for (size_t i = 0; i < options->m; i++) {
        double squares = 0.0;
        for (size_t j = 0; j < options->d; j++) {
            squares += value(check, parts->x, i, j) * value(check, parts->x, i, j);
        }
        for (size_t j = 0; j < options->d; j++) {
            expect(check, parts, i, j, value(check, parts->x, i, j) / sqrt(squares));
        }
    }
}

static void dropout_build(gradcheck *check, const void *context) {
    const row_options *options = context;
    op_parts *parts = parts_new(check);
    parts->x = gradcheck_input(check, "x", gradcheck_dim(check, "rows", options->m), options->d);
    check->graph->epoch = 2;
    check->graph->step = 9;
    parts->output = lode__dropout(check->graph, parts->x, options->rate);
    gradcheck_sum(check, parts->output);
    if (options->used) gradcheck_sum(check, parts->x);
}

/// Elements are 0 or scaled, about `rate` of them 0; rows differ, and tiles.
static void dropout_verify(const gradcheck *check, const void *context) {
    const row_options *options = context;
    const op_parts *parts = check->data;
    size_t dropped = 0, unlike = 0, tiles_unlike = 0;
    for (size_t i = 0; i < options->m; i++) {
        for (size_t j = 0; j < options->d; j++) {
            const bool zero = value(check, parts->output, i, j) == 0.0;
            dropped += zero ? 1 : 0;
            if (i >= LODE_TILE) {
                const double first = value(check, parts->output, i - LODE_TILE, j);
                tiles_unlike += zero != (first == 0.0) ? 1 : 0;
            }
            unlike += i > 0 && zero != (value(check, parts->output, i - 1, j) == 0.0) ? 1 : 0;
            if (!zero)
                expect(check, parts, i, j, value(check, parts->x, i, j) / (1.0 - options->rate));
        }
    }
    const double all = (double)(options->m * options->d);
    const double spread = 4.0 * sqrt(options->rate * (1.0 - options->rate) / all);
    gradcheck_near((double)dropped / all, options->rate, spread, 0.0, "share of zeros");
    assert_true(unlike > 0 || options->rate == 0.0);
    assert_true(tiles_unlike > 0 || options->m <= LODE_TILE);
}

#define ROWS(op, text, ...)                                                                        \
    {                                                                                              \
        .name = #op ", " text, .build = op##_build, .verify = op##_verify,                         \
        .options = &(const row_options) {                                                          \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }

static const gradcase cases[] = {
    EMBEDDING("one id a row, repeated", .rows = 4, .ids = 9),
    EMBEDDING("a table of one row", .rows = 1, .ids = 3),
    EMBEDDING("more rows than one radix digit", .rows = 2100, .ids = 40),
    EMBEDDING("several tiles", .rows = 7, .ids = 300),
    EMBEDDING("sum of lists", .rows = 6, FEW_LISTS, .pooling = LODE_POOL_SUM),
    EMBEDDING("mean of lists", .rows = 6, FEW_LISTS, .pooling = LODE_POOL_MEAN),
    EMBEDDING("repeated ids in a list", .rows = 2, FEW_LISTS, .pooling = LODE_POOL_MEAN),
    EMBEDDING("two uses of a table", .rows = 5, .ids = 6, .twice = true),
    EMBEDDING("two uses, one in lists", .rows = 5, FEW_LISTS, .pooling = LODE_POOL_MEAN,
              .twice = true),
    {.name = "embedding, empty lists only",
     .build = embedding_build,
     .verify = embedding_verify,
     .options =
         &(const embedding_options){
             .rows = 3, .lengths = no_lists, .lists = 3, .pooling = LODE_POOL_MEAN},
     .flat = true},
    LINEAR("no bias", .m = 5, .k = 4, .n = 3),
    LINEAR("bias", .m = 5, .k = 4, .n = 3, .bias = true),
    LINEAR("bias, relu", .m = 5, .k = 4, .n = 3, .bias = true, .activation = LODE_RELU),
    LINEAR("no bias, relu", .m = 5, .k = 4, .n = 3, .activation = LODE_RELU),
    LINEAR("bias, tanh", .m = 5, .k = 4, .n = 3, .bias = true, .activation = LODE_TANH),
    LINEAR("one by one", .m = 1, .k = 1, .n = 1, .bias = true),
    LINEAR("bias, gelu", .m = 5, .k = 4, .n = 3, .bias = true, .activation = LODE_GELU),
    LINEAR("gelu, several tiles", .m = 150, .k = 3, .n = 5, .shared = true, .activation = LODE_GELU),
    LINEAR("wider than a panel", .m = 3, .k = 19, .n = 37, .bias = true, .activation = LODE_TANH),
    LINEAR("several tiles", .m = 150, .k = 3, .n = 5, .bias = true, .activation = LODE_TANH),
    LINEAR("several chunks", .m = 1100, .k = 1, .n = 2, .bias = true, .activation = LODE_TANH),
    LINEAR("shared input and weights", .m = 4, .k = 3, .n = 3, .bias = true, .shared = true),
    ADD("two tensors", .m = 4),
    ADD("a tensor with itself", .m = 4, .same = true),
    ADD("shared input", .m = 4, .used = true),
    ADD("with itself, shared", .m = 4, .same = true, .used = true),
    ADD("several tiles", .m = 130),
    ADD("scaled", .m = 4, .scale = -2.5),
    ADD("scaled, shared", .m = 4, .used = true, .scale = 3.0),
    ADD("scaled, with itself", .m = 130, .same = true, .scale = 0.5),
    LAST("lists", .lengths = ends_empty),
    LAST("shared", .lengths = ends_empty, .used = true),
    LAST("shared, used before", .lengths = ends_empty, .before = true),
    LAST("several tiles", .lengths = long_list),
    NORM("alone", .m = 4, .d = 5, .epsilon = 1e-5),
    NORM("residual", .m = 4, .d = 5, .residual = true, .epsilon = 1e-5),
    NORM("residual is x", .m = 4, .d = 5, .same = true, .epsilon = 1e-5),
    NORM("shared inputs", .m = 4, .d = 5, .residual = true, .used = true, .epsilon = 1e-5),
    NORM("gain 0", .m = 4, .d = 5, .used = true, .epsilon = 1e-5, .fixed_gain = true),
    NORM("tiny gain", .m = 4, .d = 5, .residual = true, .used = true, .epsilon = 1e-5,
         .fixed_gain = true, .gain = 1e-12),
    NORM("large epsilon", .m = 3, .d = 19, .epsilon = 0.5),
    NORM("several tiles", .m = 150, .d = 3, .residual = true, .epsilon = 0.1),
    ATTENTION("one head", .d = 4, .heads = 1, MIXED),
    ATTENTION("two heads", .d = 4, .heads = 2, MIXED),
    ATTENTION("four heads", .d = 4, .heads = 4, MIXED),
    ATTENTION("one head, causal", .d = 4, .heads = 1, .causal = true, MIXED),
    ATTENTION("two heads, causal", .d = 6, .heads = 2, .causal = true, MIXED),
    ATTENTION("four heads, causal", .d = 4, .heads = 4, .causal = true, MIXED),
    ATTENTION("one list, odd width", .d = 5, .heads = 1, .lengths = one_length, .lists = 1),
    ATTENTION("queries apart", .d = 4, .heads = 2, .apart = true, MIXED),
    ATTENTION("queries apart, causal", .d = 3, .heads = 1, .causal = true, .apart = true, MIXED),
    ATTENTION("a long list", .d = 2, .heads = 1, .causal = true, .lengths = one_long, .lists = 3),
    CONCAT("two tensors", .lengths = NULL),
    CONCAT("two tensors, shared", .used = true),
    CONCAT("lists", .lengths = five_lengths),
    CONCAT("lists first", .lengths = five_lengths, .list_first = true),
    CONCAT("lists, shared", .lengths = five_lengths, .used = true),
    CONCAT("a tensor twice", .twice = true, .used = true),
    ROWS(normalize, "a few rows", .m = 4, .d = 5),
    ROWS(normalize, "shared input", .m = 4, .d = 5, .used = true),
    ROWS(normalize, "several tiles", .m = 130, .d = 2),
    ROWS(dropout, "a few rows", .m = 10, .d = 5, .rate = 0.4),
    ROWS(dropout, "shared input", .m = 10, .d = 5, .rate = 0.4, .used = true),
    ROWS(dropout, "several tiles", .m = 200, .d = 3, .rate = 0.1),
    ROWS(dropout, "rate 0", .m = 4, .d = 5, .rate = 0.0),
};

int main(void) {
    return gradcheck_main("ops", cases, COUNT(cases));
}
