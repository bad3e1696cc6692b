/// stack against its rows, and its gradient, which the array above has none of.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../support/gradcheck.h"

typedef struct stack_options {
    size_t above, below, d;
    bool used; ///< x has another consumer
} stack_options;

typedef struct stack_parts {
    lode_tensor *x, *output;
    float *constants;
} stack_parts;

static void build(gradcheck *check, const void *context) {
    const stack_options *options = context;
    stack_parts *parts = check->data = lode__graph_alloc(check->graph, 1, sizeof *parts);
    assert_non_null(parts);
    lode_dim *above = gradcheck_dim(check, "above", options->above);
    parts->constants =
        lode__graph_alloc(check->graph, above->capacity * options->d, sizeof *parts->constants);
    assert_non_null(parts->constants);
    for (size_t i = 0; i < options->above * options->d; i++)
        parts->constants[i] = 0.25F * (float)(i % 13) - 1;
    parts->x = gradcheck_input(check, "x", gradcheck_dim(check, "rows", options->below), options->d);
    parts->output = lode__stack(check->graph, above, parts->constants, options->d, parts->x);
    gradcheck_sum(check, lode__normalize(check->graph, parts->output));
    if (options->used) gradcheck_sum(check, parts->x);
}

static void verify(const gradcheck *check, const void *context) {
    const stack_options *options = context;
    const stack_parts *parts = check->data;
    assert_int_equal(parts->output->rows->size, options->above + options->below);
    for (size_t row = 0; row < options->above + options->below; row++) {
        for (size_t j = 0; j < options->d; j++) {
            const double wanted =
                row < options->above
                    ? (double)parts->constants[row * options->d + j]
                    : lode__tensor_get(check->graph, parts->x, row - options->above, j);
            const double got = lode__tensor_get(check->graph, parts->output, row, j);
            if (got != wanted) fail_msg("row %zu, column %zu: %g, not %g", row, j, got, wanted);
        }
    }
}

#define STACK(text, ...)                                                                           \
    {                                                                                              \
        .name = "stack, " text, .build = build, .verify = verify,                                  \
        .options = &(const stack_options) {                                                        \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }

static const gradcase cases[] = {
    STACK("a few rows", .above = 3, .below = 4, .d = 5),
    STACK("shared input", .above = 3, .below = 4, .d = 5, .used = true),
    STACK("nothing above", .above = 0, .below = 4, .d = 3),
    STACK("several tiles", .above = 130, .below = 140, .d = 2, .used = true),
};

int main(void) {
    return gradcheck_main("stack", cases, sizeof cases / sizeof *cases);
}
