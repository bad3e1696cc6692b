/// The bert4rec tower alone: gradients of the whole of it in double with and without masks of its own choice, what a masked
/// click keeps to itself, and that both sides are seen.
#include <math.h>

#include "tower_case.h"
enum { COUNT = 10 };
static const size_t lengths[LISTS] = {3, 1, LONGEST, 1};
/// By position of the lists above; the newest of each is the last. Plain views mask exactly those.
static const bool cloze_masks[COUNT] = {0, 1, 0, 1, 1, 0, 0, 0, 1, 0};
static const bool plain_masks[COUNT] = {0, 0, 1, 1, 0, 0, 0, 0, 1, 1};

typedef struct bert4rec_options {
    const char *yaml; ///< of the tower
    bool cloze;
} bert4rec_options;

static lode_lists *choice(gradcheck *check, const char *name, const bool *masks, bool which) {
    size_t each[COUNT];
    for (size_t at = 0; at < COUNT; at++)
        each[at] = masks[at] == which;
    return gradcheck_lists(check, parts.inputs.history->positions, name, each);
}

static void fill_inputs(gradcheck *check, bool cloze) {
    lode_tower_inputs *inputs = &parts.inputs;
    const bool *masks = cloze ? cloze_masks : plain_masks;
    tower_lists(check, lengths, true);
    lode_masked_inputs *masked = &inputs->masked;
    masked->seen_lists = choice(check, "seen", masks, false);
    masked->mask_lists = choice(check, "masks", masks, true);
    masked->seen = gradcheck_index(check, masked->seen_lists->positions, 1, ITEMS);
    masked->masks = gradcheck_index(check, masked->mask_lists->positions, 1, 1);
    if (!cloze) return;
    lode_dim *asked = gradcheck_dim(check, "masked", masked->masks->dim->size);
    masked->asked = gradcheck_index(check, asked, 1, 1);
    for (size_t at = 0, mask = 0; at < COUNT; at++)
        if (masks[at]) masked->asked->data[mask++] = (int32_t)at;
}

static void build(gradcheck *check, const void *context) {
    const bert4rec_options *options = context;
    tower_declare(check, options->yaml);
    assert_int_equal(parts.tower.width, DIM);
    fill_inputs(check, options->cloze);
    tower_apply(check);
    assert_true((parts.outputs.positions != NULL) == options->cloze);
    assert_true((parts.outputs.vector != NULL) == !options->cloze);
    gradcheck_sum(check, options->cloze ? parts.outputs.positions : parts.outputs.vector);
}

#define CASE(text, keys, with_cloze)                                                                 \
    {                                                                                                \
        .name = "bert4rec, " text, .build = build, .deep = 4, .options = &(const bert4rec_options) { \
            "{tower: bert4rec, " keys "}", with_cloze                                                \
        }                                                                                            \
    }

static const gradcase cases[] = {
    CASE("cloze", "dropout: 0", true),
    CASE("plain", "dropout: 0", false),
    CASE("cloze, dropout", "dropout: 0.3", true),
    CASE("cloze, dropout of weights", "dropout: 0.2, attention_dropout: 0.3", true),
    CASE("three heads, wide, tanh", "heads: 3, feed_forward: 11, activation: tanh, dropout: 0", true),
    CASE("one block, one head", "heads: 1, blocks: 1, dropout: 0", true),
};

/// Values of the masked positions.
static void run(gradcheck *check, double values[][DIM]) {
    lode__graph_forward(check->graph);
    for (size_t at = 0; at < parts.inputs.masked.masks->dim->size; at++) {
        for (size_t column = 0; column < DIM; column++)
            values[at][column] = lode__tensor_get(check->graph, parts.outputs.positions, at, column);
    }
}

/// A seen click changes every mask of its own list, before and behind it, and none of another.
static void test_both_sides(void **state) {
    (void)state;
    gradcheck check;
    gradcheck_open(&check, &cases[0], LODE_F64, NULL, true);
    check.graph->training = false;
    // Masks: 0 of list 0, 1 of list 1, 2 and 3 of list 2 (its positions 0 and 4). Seen: 0, 1 of list 0; 2 .. 4 of list 2.
    double before[4][DIM], after[4][DIM];
    run(&check, before);
    int32_t *click = &parts.inputs.masked.seen->data[3]; // between the two masks of list 2
    *click = (*click + 1) % ITEMS;
    run(&check, after);
    for (size_t mask = 0; mask < 4; mask++)
        assert_int_equal(memcmp(before[mask], after[mask], sizeof *before) != 0, mask >= 2);
    gradcheck_close(&check);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_both_sides)};
    const int failed = gradcheck_main("bert4rec", cases, sizeof cases / sizeof *cases);
    const int own = cmocka_run_group_tests(tests, NULL, NULL);
    lode__arena_release(&parts.arena);
    return failed + own;
}
