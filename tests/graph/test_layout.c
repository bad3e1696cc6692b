/// Where graphs put their memory: blocks that are alive together never overlap, little is wasted, an op may work in
/// place only where nobody minds.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../support/gradcheck.h"

enum { BLOCKS = 200, MOMENTS = 60, ROUNDS = 20 };

typedef struct shelf {
    lode_layout layout;
    lode_arena arena;
    void *places[BLOCKS];
} shelf;

static lode_block *put(shelf *self, size_t bytes, uint32_t first, uint32_t last) {
    void **place = &self->places[self->layout.count];
    lode_block *block = lode__layout_block(&self->layout, &self->arena, place, bytes);
    assert_non_null(block);
    lode__layout_need(block, first);
    lode__layout_need(block, last);
    return block;
}

static void shelf_close(shelf *self) {
    lode__layout_release(&self->layout);
    lode__arena_release(&self->arena);
}

/// Sizes and lives as towers have them: many small ones, few large ones, most of them short.
static void fill(shelf *self, uint32_t round) {
    lode_random random = lode__random(3, LODE_PURPOSE_USER, 0, round);
    for (size_t i = 0; i < BLOCKS; i++) {
        const size_t bytes = 1 + (size_t)lode__random_below(&random, (uint64_t)1 << (i % 16));
        const uint32_t first = (uint32_t)lode__random_below(&random, MOMENTS);
        const uint32_t length = (uint32_t)lode__random_below(&random, i % 4 == 0 ? MOMENTS : 6);
        (void)put(self, bytes, first, LODE_MIN(first + length, (uint32_t)MOMENTS));
    }
}

static void expect_apart(const lode_layout *layout) {
    for (size_t i = 0; i < layout->count; i++) {
        const lode_block *a = layout->blocks[i];
        assert_true(a->offset % LODE_CACHE_LINE == 0 && a->offset + a->bytes <= layout->bytes);
        assert_ptr_equal(*a->place, (unsigned char *)layout->memory + a->offset);
        for (size_t j = 0; j < i; j++) {
            const lode_block *b = layout->blocks[j];
            if (a->last < b->first || b->last < a->first) continue;
            assert_true(a->offset + a->bytes <= b->offset || b->offset + b->bytes <= a->offset);
        }
    }
}

/// The largest sum of what is alive at one moment.
static size_t least_bytes(const lode_layout *layout) {
    size_t most = 0;
    for (uint32_t moment = 0; moment <= MOMENTS; moment++) {
        size_t sum = 0;
        for (size_t i = 0; i < layout->count; i++) {
            const lode_block *block = layout->blocks[i];
            if (block->first <= moment && moment <= block->last) sum += block->bytes;
        }
        most = LODE_MAX(most, sum);
    }
    return most;
}

static void test_packing(void **state) {
    (void)state;
    for (uint32_t round = 0; round < ROUNDS; round++) {
        shelf one = {0}, other = {0};
        fill(&one, round);
        fill(&other, round);
        assert_true(lode__layout_place(&one.layout) && lode__layout_place(&other.layout));
        expect_apart(&one.layout);
        const size_t least = least_bytes(&one.layout);
        assert_true(one.layout.bytes >= least && (double)one.layout.bytes < 1.2 * (double)least);
        assert_true(2 * one.layout.bytes < one.layout.spread);
        for (size_t i = 0; i < BLOCKS; i++) {
            assert_int_equal(one.layout.blocks[i]->offset, other.layout.blocks[i]->offset);
        }
        shelf_close(&one);
        shelf_close(&other);
    }
}

static void test_nothing_shared(void **state) {
    (void)state;
    shelf self = {0};
    fill(&self, 0);
    self.layout.apart = true;
    assert_true(lode__layout_place(&self.layout));
    assert_int_equal(self.layout.bytes, self.layout.spread);
    expect_apart(&self.layout);
    shelf_close(&self);
}

static void test_nobody_needs_it(void **state) {
    (void)state;
    shelf self = {0};
    void *place = NULL;
    assert_non_null(lode__layout_block(&self.layout, &self.arena, &place, 1 << 20));
    assert_true(lode__layout_place(&self.layout));
    assert_null(place);
    assert_int_equal(self.layout.bytes, 0);
    shelf_close(&self);
}

/// Gaps of 8 and of 6 lines: two lines go into the smaller one.
static void test_smallest_gap(void **state) {
    (void)state;
    enum { LINE = LODE_CACHE_LINE };
    shelf self = {0};
    (void)put(&self, 10 * LINE, 0, 9);
    (void)put(&self, 8 * LINE, 0, 3);
    (void)put(&self, 7 * LINE, 0, 9);
    lode_block *gap = put(&self, 6 * LINE, 0, 3);
    (void)put(&self, 5 * LINE, 0, 9);
    lode_block *last = put(&self, 2 * LINE, 5, 9);
    assert_true(lode__layout_place(&self.layout));
    assert_int_equal(gap->offset, 25 * LINE);
    assert_ptr_equal(*last->place, *gap->place);
    shelf_close(&self);
}

static void test_wishes(void **state) {
    (void)state;
    shelf self = {0};
    lode_block *x = put(&self, 100, 0, 3), *y = put(&self, 100, 3, 5), *z = put(&self, 90, 5, 9);
    lode_block *second = put(&self, 100, 3, 4); // x is taken already
    lode_block *large = put(&self, 101, 9, 10); // does not fit
    lode_block *early = put(&self, 100, 2, 4);  // x is still read then
    lode_block *under = put(&self, 100, 20, 22),
               *tight = put(&self, 100, 21, 23); // one moment too early
    lode_block *const wishes[][2] = {{z, y},     {y, x},     {second, x},
                                     {large, z}, {early, x}, {tight, under}};
    for (size_t i = 0; i < sizeof wishes / sizeof *wishes; i++) {
        assert_true(lode__layout_wish(&self.layout, wishes[i][0], wishes[i][1]));
    }
    assert_true(lode__layout_place(&self.layout));
    assert_ptr_equal(*y->place, *x->place);
    assert_ptr_equal(*z->place, *x->place);
    assert_ptr_not_equal(*second->place, *x->place);
    assert_ptr_not_equal(*large->place, *x->place);
    assert_ptr_not_equal(*early->place, *x->place);
    assert_ptr_not_equal(*tight->place, *under->place);
    assert_int_equal(x->last, 9);
    shelf_close(&self);
}

static bool is_poisoned(const lode_block *block) {
    const unsigned char *bytes = *block->place;
    size_t count = 0;
    for (size_t i = 0; i < block->bytes; i++)
        count += bytes[i] == 0xFF;
    assert_true(count == 0 || count == block->bytes);
    return count > 0;
}

static void test_poison(void **state) {
    (void)state;
    shelf self = {0};
    lode_block *a = put(&self, 10, 0, 2), *b = put(&self, 20, 2, 4), *over = put(&self, 20, 4, 6);
    assert_true(lode__layout_wish(&self.layout, over, b));
    assert_true(lode__layout_place(&self.layout));
    lode__layout_poison(&self.layout, 2, true);
    assert_true(!is_poisoned(a) && is_poisoned(b));
    memset(*b->place, 1, b->bytes);
    lode__layout_poison(&self.layout, 2, false);
    assert_true(is_poisoned(a) && !is_poisoned(b));
    lode__layout_poison(&self.layout, 4, true); // `over` is b's memory: being written first is no death
    lode__layout_poison(&self.layout, 4, false);
    assert_false(is_poisoned(b));
    lode__layout_poison(&self.layout, 6, false);
    assert_true(is_poisoned(b));
    shelf_close(&self);
}

// --- graphs -------------------------------------------------------------------------------------

static lode_param *square(gradcheck *check, const char *name) {
    return gradcheck_dense(check, name, 4, 4);
}

/// A value that is read twice forward, one that its own op reads backward, gradients that come from two sides, a
/// sum of something with itself: in-place work is legal in some places only.
static void web_build(gradcheck *check, const void *context) {
    (void)context;
    lode_graph *graph = check->graph;
    lode_dim *rows = gradcheck_dim(check, "rows", 3);
    lode_tensor *x = gradcheck_input(check, "x", rows, 4), *z = gradcheck_input(check, "z", rows, 4);
    lode_tensor *sum = lode__add(graph, x, z);
    lode_tensor *bent = lode__linear(graph, sum, square(check, "a"), NULL, LODE_TANH);
    lode_tensor *kept = lode__dropout(graph, bent, 0.3);
    lode_tensor *twice = lode__add(graph, kept, kept);
    lode_tensor *other = lode__add(graph, sum, bent);
    lode_tensor *norm = lode__layer_norm(graph, twice, other, gradcheck_dense(check, "gain", 1, 4),
                                         gradcheck_dense(check, "bias", 1, 4), 1e-3);
    lode_tensor *line = lode__linear(graph, norm, square(check, "b"), NULL, LODE_LINEAR);
    lode_tensor *again = lode__add(graph, lode__dropout(graph, line, 0.2), norm);
    gradcheck_sum(check, lode__normalize(graph, lode__add(graph, again, x)));
    gradcheck_sum(check, twice);
}

/// A long chain of ops that can all work in place needs one tensor each way, and what they remember.
static void test_chain_in_place(void **state) {
    (void)state;
    lode_error error = {0};
    lode_graph *graph;
    lode_params *params;
    assert_int_equal(lode__params_new(&params, LODE_F32, &error), LODE_OK);
    assert_int_equal(lode__graph_new(&graph, LODE_F32, true, NULL, &error), LODE_OK);
    lode_dim *rows = lode__graph_dim(graph, "rows", 1000);
    lode_param *table =
        lode__param(params, lode__param_table(params, "t", 10, 64, LODE_INIT_NORMAL, 1.0));
    lode_tensor *x =
        lode__embedding(graph, table, lode__graph_ids(graph, rows, 1), NULL, LODE_POOL_SUM);
    for (int i = 0; i < 10; i++)
        x = lode__dropout(graph, x, 0.5);
    lode__graph_loss(graph, x, 1.0);
    assert_int_equal(lode__graph_finish(graph, &error), LODE_OK);
    const size_t one = 1000 * 64 * sizeof(float);
    const size_t bits = 10 * (1024 * 64 / 8); // of ten masks, in whole tiles
    assert_int_equal(graph->layout.spread, 22 * one + bits);
    assert_int_equal(graph->layout.bytes, 2 * one + bits);
    lode__graph_free(&graph);
    lode__params_free(&params);
}

static void quiet_forward(lode_graph *graph, void *self) {
    (void)graph, (void)self;
}

/// An op that does not say what it reads: nothing is shared, so that nothing can go wrong.
static void test_undeclared(void **state) {
    (void)state;
    static const lode_op quiet = {"quiet", quiet_forward, NULL};
    for (int declare = 0; declare < 2; declare++) {
        lode_error error = {0};
        gradcheck check = {0};
        assert_int_equal(lode__params_new(&check.params, LODE_F32, &error), LODE_OK);
        assert_int_equal(lode__graph_new(&check.graph, LODE_F32, true, NULL, &error), LODE_OK);
        lode_tensor *x = gradcheck_input(&check, "x", gradcheck_dim(&check, "rows", 3), 4);
        lode_tensor *output = lode__graph_tensor(check.graph, x->rows, 4, true);
        if (declare == 1) lode__graph_reads(check.graph, x, LODE_FORWARD_ONLY);
        gradcheck_sum(&check, lode__graph_add(check.graph, &quiet, &check, output));
        assert_int_equal(lode__graph_finish(check.graph, &error), LODE_OK);
        const lode_layout *layout = &check.graph->layout;
        assert_int_equal(layout->bytes < layout->spread, declare);
        gradcheck_close(&check);
    }
}

static void test_web(void **state) {
    (void)state;
    const gradcase web = {.name = "web", .build = web_build};
    gradcheck_run(&web);
    gradcheck_run_rounded(&web, LODE_F32);
    gradcheck_run_rounded(&web, LODE_BF16);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_smallest_gap),
        cmocka_unit_test(test_packing),
        cmocka_unit_test(test_nothing_shared),
        cmocka_unit_test(test_nobody_needs_it),
        cmocka_unit_test(test_wishes),
        cmocka_unit_test(test_poison),
        cmocka_unit_test(test_web),
        cmocka_unit_test(test_chain_in_place),
        cmocka_unit_test(test_undeclared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
