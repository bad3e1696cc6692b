/// contrast against its formulas written out plainly, and its gradients.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "../support/gradcheck.h"

enum { WIDTH = 3 };

typedef enum masks {
    MASK_NONE,
    MASK_SOME,  ///< query i: places i % 5, i % 5 + 3, ... of its list: no period that a tile has
    MASK_TWICE, ///< the same, each of them twice, the last place first
    MASK_ONE_QUERY, ///< all places of query 1
    MASK_ALL
} masks;

typedef struct contrast_options {
    lode_contrast_kind kind;
    size_t m, n, r; ///< queries, keys, negatives (of each query when `own`)
    bool own, shifts, weights;
    masks masks;
    bool without_positive; ///< the positive is not in the denominator
    double scale;          ///< 0 = 1
    bool same;             ///< queries are keys too: one tensor with two uses
    bool same_key;         ///< every positive and negative is key 0
} contrast_options;

typedef struct contrast_parts {
    lode_contrast spec;
    lode_tensor *loss;
} contrast_parts;

static bool is_masked(const contrast_options *options, size_t query, size_t place) {
    switch (options->masks) {
    case MASK_NONE:
        return false;
    case MASK_SOME:
    case MASK_TWICE:
        return place >= query % 5 && (place - query % 5) % 3 == 0;
    case MASK_ONE_QUERY:
        return query == 1;
    case MASK_ALL:
        return true;
    }
    return false;
}

static lode_vector *shifts(gradcheck *check, lode_dim *dim) {
    lode_vector *vector = lode__graph_vector(check->graph, dim);
    assert_non_null(vector);
    for (size_t i = 0; i < dim->size; i++) {
        vector->data[i] = (float)lode__random_normal(&check->random);
    }
    return vector;
}

static void add_masks(gradcheck *check, const contrast_options *options, lode_contrast *spec) {
    lode_dim *rows = spec->query->rows;
    size_t *lengths = lode__graph_alloc(check->graph, options->m, sizeof *lengths);
    const size_t times = options->masks == MASK_TWICE ? 2 : 1;
    for (size_t i = 0; i < options->m; i++) {
        for (size_t j = 0; j < options->r; j++)
            lengths[i] += is_masked(options, i, j) ? times : 0;
    }
    spec->masked = gradcheck_lists(check, rows, "masked", lengths);
    spec->masked_ids = lode__graph_ids(check->graph, spec->masked->positions, 1);
    int32_t *next = spec->masked_ids->data;
    for (size_t i = 0; i < options->m; i++) {
        for (size_t j = 0; j < times * options->r; j++) {
            const size_t place = times > 1 ? options->r - 1 - j % options->r : j;
            if (is_masked(options, i, place)) *next++ = (int32_t)place;
        }
    }
}

static void build(gradcheck *check, const void *context) {
    const contrast_options *options = context;
    lode_dim *rows = gradcheck_dim(check, "queries", options->m);
    lode_dim *keys = options->same ? rows : gradcheck_dim(check, "keys", options->n);
    lode_dim *negatives = options->own ? rows : gradcheck_dim(check, "negatives", options->r);
    const size_t bound = options->same_key ? 1 : keys->size, width = options->own ? options->r : 1;
    contrast_parts *parts = check->data = lode__graph_alloc(check->graph, 1, sizeof *parts);
    lode_contrast *spec = &parts->spec;
    *spec = (lode_contrast){.kind = options->kind,
                            .query = gradcheck_input(check, "query", rows, WIDTH),
                            .positive = gradcheck_index(check, rows, 1, bound),
                            .negative = gradcheck_index(check, negatives, width, bound),
                            .shared = !options->own,
                            .scale = options->scale != 0.0 ? options->scale : 1.0,
                            .positive_in_denominator = !options->without_positive};
    spec->key = options->same ? spec->query : gradcheck_input(check, "key", keys, WIDTH);
    if (options->shifts) {
        lode_dim *all = gradcheck_dim(check, "pairs", options->r * (options->own ? options->m : 1));
        spec->positive_shift = shifts(check, rows);
        spec->negative_shift = shifts(check, all);
    }
    if (options->weights) {
        spec->weight = shifts(check, rows);
        for (size_t i = 0; i < rows->size; i++) // one of them 0
            spec->weight->data[i] = i == 1 ? 0.0F : fabsf(spec->weight->data[i]) + 0.5F;
    }
    if (options->masks != MASK_NONE) add_masks(check, options, spec);
    parts->loss = lode__contrast(check->graph, spec);
    lode__graph_loss(check->graph, parts->loss, 1.3);
}

static double logit(const gradcheck *check, const lode_contrast *spec, size_t query, size_t key) {
    double dot = 0.0;
    for (size_t c = 0; c < WIDTH; c++) {
        dot += lode__tensor_get(check->graph, spec->query, query, c) *
               lode__tensor_get(check->graph, spec->key, key, c);
    }
    return spec->scale * dot;
}

static double softplus(double x) {
    return log1p(exp(x));
}

static double loss_of_query(const gradcheck *check, const contrast_options *options,
                            const lode_contrast *spec, size_t query) {
    const float *shift = spec->positive_shift != NULL ? spec->positive_shift->data : NULL;
    double positive = logit(check, spec, query, (size_t)spec->positive->data[query]);
    if (shift != NULL) positive -= (double)shift[query];
    double exps = 0.0, pushes = 0.0, pairs = 0.0;
    size_t counted = 0;
    for (size_t j = 0; j < options->r; j++) {
        if (is_masked(options, query, j)) continue;
        const size_t at = options->own ? query * options->r + j : j;
        double z = logit(check, spec, query, (size_t)spec->negative->data[at]);
        if (spec->negative_shift != NULL) z -= (double)spec->negative_shift->data[at];
        exps += exp(z);
        pushes += softplus(z);
        pairs += softplus(z - positive);
        counted++;
    }
    switch (spec->kind) {
    case LODE_CONTRAST_SOFTMAX:
        if (counted == 0) return 0.0;
        return log(exps + (spec->positive_in_denominator ? exp(positive) : 0.0)) - positive;
    case LODE_CONTRAST_BCE:
        return softplus(-positive) + pushes;
    case LODE_CONTRAST_BPR:
        return counted == 0 ? 0.0 : pairs / (double)counted;
    }
    return (double)NAN;
}

static void verify(const gradcheck *check, const void *context) {
    const contrast_options *options = context;
    const contrast_parts *parts = check->data;
    double sum = 0.0;
    for (size_t i = 0; i < options->m; i++) {
        const double weight = options->weights ? (double)parts->spec.weight->data[i] : 1.0;
        sum += weight * loss_of_query(check, options, &parts->spec, i);
    }
    gradcheck_near(lode__tensor_get(check->graph, parts->loss, 0, 0), sum / (double)options->m,
                   1e-12, 1e-12, "loss");
}

#define SOFTMAX LODE_CONTRAST_SOFTMAX
#define BCE     LODE_CONTRAST_BCE
#define BPR     LODE_CONTRAST_BPR

#define CASE(text, ...)                                                                            \
    {                                                                                              \
        .name = text, .build = build, .verify = verify, .options = &(const contrast_options) {     \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }
#define FLAT_CASE(text, ...)                                                                       \
    {                                                                                              \
        .name = text, .build = build, .verify = verify,                                            \
        .options = &(const contrast_options){__VA_ARGS__}, .flat = true                            \
    }

/// What every kind of loss is tried with.
#define EACH_KIND(kind_name, kind_value, ...)                                                        \
    CASE(kind_name ", shared", .kind = kind_value, .m = 5, .n = 9, .r = 7, __VA_ARGS__),             \
        CASE(kind_name ", own", .kind = kind_value, .m = 5, .n = 9, .r = 4, .own = true,             \
             __VA_ARGS__),                                                                           \
        CASE(kind_name ", shared, shifts, scale", .kind = kind_value, .m = 5, .n = 9, .r = 7,        \
             .shifts = true, .scale = 2.5, __VA_ARGS__),                                             \
        CASE(kind_name ", own, shifts, scale", .kind = kind_value, .m = 5, .n = 9, .r = 4,           \
             .own = true, .shifts = true, .scale = 0.3, __VA_ARGS__),                                \
        CASE(kind_name ", shared, some masked, shifts", .kind = kind_value, .m = 6, .n = 9,          \
             .r = 7, .masks = MASK_SOME, .shifts = true, __VA_ARGS__),                               \
        CASE(kind_name ", own, some masked, shifts", .kind = kind_value, .m = 6, .n = 9, .r = 4,     \
             .own = true, .masks = MASK_SOME, .shifts = true, __VA_ARGS__),                          \
        CASE(kind_name ", shared, a query without negatives", .kind = kind_value, .m = 4, .n = 6,    \
             .r = 5, .masks = MASK_ONE_QUERY, __VA_ARGS__),                                          \
        CASE(kind_name ", own, a query without negatives", .kind = kind_value, .m = 4, .n = 6,       \
             .r = 3, .own = true, .masks = MASK_ONE_QUERY, __VA_ARGS__),                             \
        CASE(kind_name ", shared, repeated negatives", .kind = kind_value, .m = 4, .n = 2, .r = 9,   \
             __VA_ARGS__),                                                                           \
        CASE(kind_name ", own, repeated negatives", .kind = kind_value, .m = 4, .n = 2, .r = 9,      \
             .own = true, __VA_ARGS__),                                                              \
        CASE(kind_name ", shared, queries are keys", .kind = kind_value, .m = 6, .r = 5,             \
             .same = true, __VA_ARGS__),                                                             \
        CASE(kind_name ", own, queries are keys", .kind = kind_value, .m = 6, .r = 5, .own = true,   \
             .same = true, __VA_ARGS__),                                                             \
        CASE(kind_name ", one query, one negative", .kind = kind_value, .m = 1, .n = 2, .r = 1,      \
             __VA_ARGS__),                                                                           \
        CASE(kind_name ", several tiles, shifts", .kind = kind_value, .m = 70, .n = 25, .r = 261,    \
             .shifts = true, __VA_ARGS__),                                                           \
        CASE(kind_name ", several tiles, own", .kind = kind_value, .m = 141, .n = 25, .r = 5,        \
             .own = true, .shifts = true, .masks = MASK_SOME, __VA_ARGS__),                          \
        CASE(kind_name ", several tiles, some masked", .kind = kind_value, .m = 66, .n = 20,         \
             .r = 300, .masks = MASK_SOME, __VA_ARGS__),                                             \
        CASE(kind_name ", several tiles both ways, masked twice", .kind = kind_value, .m = 141,      \
             .n = 11, .r = 133, .masks = MASK_TWICE, .shifts = true, .scale = 1.5, __VA_ARGS__),     \
        CASE(kind_name ", shared, weights, some masked, shifts", .kind = kind_value, .m = 6,         \
             .n = 9, .r = 7, .weights = true, .masks = MASK_SOME, .shifts = true, __VA_ARGS__),      \
        CASE(kind_name ", own, weights, some masked, shifts", .kind = kind_value, .m = 6, .n = 9,    \
             .r = 4, .own = true, .weights = true, .masks = MASK_SOME, .shifts = true, __VA_ARGS__), \
        CASE(kind_name ", shared, weights, a query without negatives", .kind = kind_value, .m = 4,   \
             .n = 6, .r = 5, .weights = true, .masks = MASK_ONE_QUERY, __VA_ARGS__),                 \
        CASE(kind_name ", several tiles both ways, weights", .kind = kind_value, .m = 141,           \
             .n = 11, .r = 133, .weights = true, .scale = 1.5, __VA_ARGS__),                         \
        CASE(kind_name ", own, weights, several tiles", .kind = kind_value, .m = 141, .n = 25,       \
             .r = 5, .own = true, .weights = true, __VA_ARGS__),                                     \
        CASE(kind_name ", own, masked twice", .kind = kind_value, .m = 5, .n = 9, .r = 6,            \
             .own = true, .masks = MASK_TWICE, __VA_ARGS__)

static const gradcase cases[] = {
    EACH_KIND("softmax", SOFTMAX, .without_positive = false),
    EACH_KIND("softmax without positive", SOFTMAX, .without_positive = true),
    EACH_KIND("bce", BCE, .without_positive = false),
    EACH_KIND("bpr", BPR, .without_positive = false),
    CASE("softmax, several tiles a group", .kind = SOFTMAX, .m = 600, .n = 4, .r = 3),
    CASE("bpr, several tiles a group, own", .kind = BPR, .m = 600, .n = 4, .r = 2, .own = true),
    FLAT_CASE("softmax, shared, nothing to contrast with", .kind = SOFTMAX, .m = 4, .n = 5),
    FLAT_CASE("softmax, own, nothing to contrast with", .kind = SOFTMAX, .m = 4, .n = 5, .own = true),
    FLAT_CASE("softmax, shared, all masked", .kind = SOFTMAX, .m = 4, .n = 5, .r = 6,
              .masks = MASK_ALL),
    FLAT_CASE("softmax, own, all masked", .kind = SOFTMAX, .m = 4, .n = 5, .r = 6, .own = true,
              .masks = MASK_ALL),
    FLAT_CASE("softmax without positive, shared, all masked", .kind = SOFTMAX, .m = 4, .n = 5,
              .r = 6, .masks = MASK_ALL, .without_positive = true),
    FLAT_CASE("bpr, shared, nothing to contrast with", .kind = BPR, .m = 4, .n = 5),
    FLAT_CASE("bpr, own, nothing to contrast with", .kind = BPR, .m = 4, .n = 5, .own = true),
    FLAT_CASE("bpr, shared, all masked", .kind = BPR, .m = 4, .n = 5, .r = 6, .masks = MASK_ALL),
    CASE("bce, shared, nothing to contrast with", .kind = BCE, .m = 4, .n = 5),
    CASE("bce, own, nothing to contrast with", .kind = BCE, .m = 4, .n = 5, .own = true),
    CASE("bce, shared, all masked", .kind = BCE, .m = 4, .n = 5, .r = 6, .masks = MASK_ALL),
    // Positive and negative logits that are equal must not be taken for "nothing to contrast with".
    CASE("softmax, the positive among its negatives", .kind = SOFTMAX, .m = 3, .n = 1, .r = 4,
         .same_key = true, .shifts = true),
    FLAT_CASE("softmax without positive, against itself alone", .kind = SOFTMAX, .m = 3, .n = 1,
              .r = 1, .same_key = true, .without_positive = true),
};

int main(void) {
    return gradcheck_main("contrast", cases, sizeof cases / sizeof *cases);
}
