/// The sasrec tower alone: gradients of the whole of it in double, causality, and the user vector as the newest position.
#include <math.h>

#include "tower_case.h"

static const size_t lengths[LISTS] = {3, 0, LONGEST, 1};

typedef struct sasrec_options {
    const char *yaml; ///< of the tower
} sasrec_options;

static void build(gradcheck *check, const void *context) {
    const sasrec_options *options = context;
    tower_declare(check, options->yaml);
    assert_int_equal(parts.tower.width, DIM);
    tower_lists(check, lengths, true);
    tower_apply(check);
    gradcheck_sum(check, parts.outputs.positions);
    gradcheck_sum(check, lode__normalize(check->graph, parts.outputs.vector));
}

/// The user vector is the newest position; a list without clicks gives zeros.
static void verify(const gradcheck *check, const void *context) {
    (void)context;
    const int32_t *offsets = parts.inputs.history->offsets;
    for (size_t list = 0; list < LISTS; list++) {
        for (size_t column = 0; column < DIM; column++) {
            const double vector = lode__tensor_get(check->graph, parts.outputs.vector, list, column);
            const size_t newest = (size_t)offsets[list + 1] - 1;
            const double expected =
                offsets[list + 1] == offsets[list]
                    ? 0.0
                    : lode__tensor_get(check->graph, parts.outputs.positions, newest, column);
            assert_true(vector == expected);
        }
    }
}

#define CASE(text, keys)                                                                           \
    {                                                                                              \
        .name = "sasrec, " text, .build = build, .verify = verify, .deep = 4,                      \
        .options = &(const sasrec_options) {                                                       \
            "{tower: sasrec, " keys "}"                                                            \
        }                                                                                          \
    }

static const gradcase cases[] = {
    CASE("norm query", "norm: query, dropout: 0"),
    CASE("norm pre", "norm: pre, dropout: 0"),
    CASE("norm post", "norm: post, dropout: 0"),
    CASE("dropout", "norm: query, dropout: 0.3"),
    CASE("dropout of weights",
         "norm: query, dropout: 0.3, attention_dropout: 0.3, output_dropout: false"),
    CASE("dropout of weights, pre", "norm: pre, dropout: 0, attention_dropout: 0.4, heads: 2"),
    CASE("two heads, wide, tanh", "heads: 2, feed_forward: 11, activation: tanh, dropout: 0"),
    CASE("one block, no scale", "blocks: 1, scale: false, dropout: 0"),
    CASE("three blocks, pre, heads", "blocks: 3, norm: pre, heads: 3, dropout: 0"),
};

static void check_causal(const gradcase *item) {
    enum { OTHER = 2, CHANGED = 3 }; // the list of five clicks, its fourth click
    gradcheck check;
    gradcheck_open(&check, item, LODE_F64, NULL, true);
    check.graph->training = false;
    double before[LONGEST + 4][DIM];
    const size_t count = (size_t)parts.inputs.history->offsets[LISTS];
    lode__graph_forward(check.graph);
    for (size_t at = 0; at < count; at++) {
        for (size_t column = 0; column < DIM; column++)
            before[at][column] = lode__tensor_get(check.graph, parts.outputs.positions, at, column);
    }
    const size_t changed = (size_t)parts.inputs.history->offsets[OTHER] + CHANGED;
    int32_t *click = &parts.inputs.clicks->data[changed];
    *click = (*click + 1) % ITEMS;
    lode__graph_forward(check.graph);
    const size_t end = (size_t)parts.inputs.history->offsets[OTHER + 1];
    for (size_t at = 0; at < count; at++) {
        bool same = true;
        for (size_t column = 0; column < DIM; column++) {
            same = same && before[at][column] ==
                               lode__tensor_get(check.graph, parts.outputs.positions, at, column);
        }
        // Earlier positions and other lists keep every bit; the click itself and later ones see it.
        assert_int_equal(same, at < changed || at >= end);
    }
    gradcheck_close(&check);
}

static void test_causal(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_causal(&cases[i]);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_causal)};
    const int failed = gradcheck_main("sasrec", cases, sizeof cases / sizeof *cases);
    const int own = cmocka_run_group_tests(tests, NULL, NULL);
    lode__arena_release(&parts.arena);
    return failed + own;
}
