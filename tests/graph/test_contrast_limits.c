/// contrast where numbers are extreme or are none, and on any number of threads.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "graph/ops.h"

typedef struct layout {
    lode_precision precision;
    lode_contrast_kind kind;
    bool own;
    size_t m, n, r, d, threads;
    float weight; ///< of every query; 0 = they have none
} layout;

typedef struct scene {
    lode_pool *pool;
    lode_graph *graph;
    lode_contrast spec;
    lode_tensor *loss;
} scene;

static lode_dim *dimension(scene *s, const char *name, size_t size) {
    lode_dim *dim = lode__graph_dim(s->graph, name, size);
    assert_non_null(dim);
    dim->size = size;
    return dim;
}

static void fill(lode_tensor *tensor, lode_random *random) {
    for (size_t i = 0; i < tensor->rows->size * tensor->columns; i++)
        lode__real_set(tensor->elements, tensor->value, i, lode__random_normal(random));
}

static void open_scene(scene *s, const layout *setup) {
    *s = (scene){0};
    lode_error error = {0};
    assert_int_equal(lode__pool_new(&s->pool, setup->threads, &error), LODE_OK);
    assert_int_equal(lode__graph_new(&s->graph, setup->precision, true, s->pool, &error), LODE_OK);
    s->graph->layout.apart = true; // queries and keys are nobody's output
    lode_dim *rows = dimension(s, "queries", setup->m), *keys = dimension(s, "keys", setup->n);
    lode_dim *negatives = setup->own ? rows : dimension(s, "negatives", setup->r);
    lode_contrast *spec = &s->spec;
    *spec =
        (lode_contrast){.kind = setup->kind,
                        .query = lode__graph_tensor(s->graph, rows, setup->d, true),
                        .key = lode__graph_tensor(s->graph, keys, setup->d, true),
                        .positive = lode__graph_ids(s->graph, rows, 1),
                        .negative = lode__graph_ids(s->graph, negatives, setup->own ? setup->r : 1),
                        .shared = !setup->own,
                        .scale = 1.0,
                        .positive_in_denominator = true};
    for (size_t i = 0; i < setup->m; i++)
        spec->positive->data[i] = (int32_t)(i % setup->n);
    for (size_t j = 0; j < (setup->own ? setup->m : 1) * setup->r; j++)
        spec->negative->data[j] = (int32_t)((j * 7 + 1) % setup->n);
    if (setup->weight > 0) {
        spec->weight = lode__graph_vector(s->graph, rows);
        assert_non_null(spec->weight);
        for (size_t i = 0; i < setup->m; i++)
            spec->weight->data[i] = setup->weight;
    }
    s->loss = lode__contrast(s->graph, spec);
    lode__graph_loss(s->graph, s->loss, 1.0);
    lode__graph_keep_gradient(s->graph, spec->query);
    lode__graph_keep_gradient(s->graph, spec->key);
    assert_int_equal(lode__graph_finish(s->graph, &error), LODE_OK);
    lode_random random = lode__random(3, LODE_PURPOSE_USER, 0, 0);
    fill(spec->query, &random);
    fill(spec->key, &random);
}

static double run_scene(scene *s) {
    s->spec.query->written = s->spec.key->written = false;
    lode__graph_forward(s->graph);
    lode__graph_backward(s->graph);
    return lode__graph_loss_value(s->graph);
}

static void close_scene(scene *s) {
    lode__graph_free(&s->graph);
    lode__pool_free(&s->pool);
}

static const lode_contrast_kind kinds[] = {LODE_CONTRAST_SOFTMAX, LODE_CONTRAST_BCE,
                                           LODE_CONTRAST_BPR};
static const lode_precision precisions[] = {LODE_F32, LODE_F64, LODE_BF16};

#define EVERY_KIND(...)                                                                            \
    for (size_t case_ = 0; case_ < 18; case_++) {                                                  \
        const lode_contrast_kind kind = kinds[case_ % 3];                                          \
        const bool own = case_ / 3 % 2 != 0;                                                       \
        const lode_precision precision = precisions[case_ / 6];                                    \
        __VA_ARGS__                                                                                \
    }

static void test_threads(void **state) {
    (void)state;
    EVERY_KIND({
        layout how = {precision, kind, own, 301, 40, own ? 3 : 290, 19, 1, 0.0F};
        scene one;
        open_scene(&one, &how);
        const double loss = run_scene(&one);
        for (how.threads = 2; how.threads <= 5; how.threads++) {
            scene many;
            open_scene(&many, &how);
            assert_true(run_scene(&many) == loss);
            const lode_tensor *pairs[][2] = {{one.spec.query, many.spec.query},
                                             {one.spec.key, many.spec.key}};
            for (int i = 0; i < 2; i++) {
                const lode_tensor *a = pairs[i][0], *b = pairs[i][1];
                assert_memory_equal(a->gradient, b->gradient,
                                    a->rows->size * a->columns * lode__stored_size(a->elements));
            }
            close_scene(&many);
        }
        close_scene(&one);
    })
}

/// Weights of 1 change no bit; weights of 4, a power of two, make loss and gradients four times as large, to the bit.
static void test_weights(void **state) {
    (void)state;
    EVERY_KIND({
        layout how = {precision, kind, own, 301, 40, own ? 3 : 290, 19, 2, 0.0F};
        scene plain;
        open_scene(&plain, &how);
        const double loss = run_scene(&plain);
        for (how.weight = 1.0F; how.weight <= 4.0F; how.weight *= 4.0F) {
            const double weight = (double)how.weight;
            scene weighted;
            open_scene(&weighted, &how);
            assert_true(run_scene(&weighted) == weight * loss);
            const lode_tensor *pairs[][2] = {{plain.spec.query, weighted.spec.query},
                                             {plain.spec.key, weighted.spec.key}};
            for (int i = 0; i < 2; i++) {
                const lode_tensor *a = pairs[i][0], *b = pairs[i][1];
                for (size_t at = 0; at < a->rows->size * a->columns; at++)
                    assert_true(lode__real_get(b->elements, b->gradient, at) ==
                                weight * lode__real_get(a->elements, a->gradient, at));
            }
            close_scene(&weighted);
        }
        close_scene(&plain);
    })
}

/// One dimension, so that logits are what is written here: query 1, keys +-10000, 9999 and 0.
static void test_extreme(void **state) {
    (void)state;
    static const double keys[] = {-10000, 10000, 9984, 0}; // bfloat16 holds them
    EVERY_KIND({
        for (int positive = 0; positive < 4; positive++) {
            scene s;
            open_scene(&s, &(layout){precision, kind, own, 1, 4, 4, 1, 1, 0.0F});
            lode__real_set(s.spec.query->elements, s.spec.query->value, 0, 1.0);
            double exps = 0.0, pushes = 0.0, pairs = 0.0;
            for (int j = 0; j < 4; j++) {
                const lode_precision elements = s.spec.key->elements;
                lode__real_set(elements, s.spec.key->value, (size_t)j, keys[j]);
            }
            const double top = lode__tensor_get(s.graph, s.spec.key, 1, 0);
            const double own_logit = lode__tensor_get(s.graph, s.spec.key, (size_t)positive, 0);
            s.spec.positive->data[0] = positive;
            for (int j = 0; j < 4; j++) {
                s.spec.negative->data[j] = j;
                const double z = lode__tensor_get(s.graph, s.spec.key, (size_t)j, 0);
                exps += exp(z - top);
                pushes += fmax(z, 0) + log1p(exp(-fabs(z)));
                pairs += (fmax(z - own_logit, 0) + log1p(exp(-fabs(z - own_logit)))) / 4;
            }
            exps += exp(own_logit - top);
            double want = top - own_logit + log(exps);
            if (kind == LODE_CONTRAST_BCE)
                want = pushes + fmax(-own_logit, 0) + log1p(exp(-fabs(own_logit)));
            if (kind == LODE_CONTRAST_BPR) want = pairs;
            const double got = run_scene(&s);
            if (!(fabs(got - want) <= 1e-6 * fabs(want)))
                fail_msg("kind %d, positive %d: loss %.9g, expected %.9g", kind, positive, got, want);
            assert_true(isfinite(lode__real_get(s.spec.query->elements, s.spec.query->gradient, 0)));
            for (size_t j = 0; j < 4; j++)
                assert_true(isfinite(lode__real_get(s.spec.key->elements, s.spec.key->gradient, j)));
            close_scene(&s);
        }
    })
}

/// A number that is none, wherever it is, comes out as a loss that is none: training stops there.
static void test_nan(void **state) {
    (void)state;
    EVERY_KIND({
        for (int where = 0; where < 4; where++) {
            scene s;
            open_scene(&s, &(layout){precision, kind, own, 150, 40, own ? 3 : 140, 5, 1, 0.0F});
            lode_tensor *tensor = where < 2 ? s.spec.query : s.spec.key;
            const double bad = where % 2 == 0 ? (double)NAN : (double)INFINITY;
            for (size_t c = 0; where % 2 != 0 && c < 5; c++) { // +infinity as a logit for some
                lode__real_set(tensor->elements, tensor->value, 7 * 5 + c, bad);
            }
            lode__real_set(tensor->elements, tensor->value, 7 * 5 + 2, bad);
            assert_false(isfinite(run_scene(&s)));
            close_scene(&s);
        }
    })
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_weights),
        cmocka_unit_test(test_extreme),
        cmocka_unit_test(test_nan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
