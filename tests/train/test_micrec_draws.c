/// What MicRec's tasks draw: anchors, positives, negatives and masks; what is left out of items.
#include <math.h>

#include "micrec.h"

// --- draws ----------------------------------------------------------------------------------------------

static size_t distinct_targets(const opened *it) {
    const lode_batcher *batcher = &it->trainer->batcher;
    size_t count = 0;
    for (size_t i = 0; i < batcher->count; i++) {
        size_t before = 0;
        while (before < i && batcher->target_rows[before] != batcher->target_rows[i])
            before++;
        count += before == i ? 1 : 0;
    }
    return count;
}

static void check_draws(const fixture *self, const char *objective) {
    opened it;
    lode_error error = {0};
    check(open_trainer(&it, self, objective, NULL, &error), &error);
    (void)step(&it);
    const lode_item_task *task = task_of(&it);
    const uint32_t *item_of = it.trainer->binding->item_of;
    const size_t count = (size_t)task->options->negatives.count;
    size_t related = 0, free_places = 0;
    assert_in_range(task->anchors->dim->size, 1, distinct_targets(&it));
    for (size_t anchor = 0; anchor < task->anchors->dim->size; anchor++) {
        const uint32_t row = task->anchor_rows[anchor], item = item_of[row];
        const uint32_t positive = task->others->rows[task->positive->data[anchor]];
        for (size_t before = 0; before < anchor; before++)
            assert_int_not_equal(task->anchor_rows[before], row);
        assert_int_equal(task->view->rows[task->anchors->data[anchor]], row);
        assert_int_equal(positive == row, task->mined == NULL);
        if (task->mined != NULL)
            assert_true(lode__mined_related(task->mined, item, item_of[positive]));
        for (size_t j = 0; j < count; j++) {
            const bool shared = task->options->negatives.scope == 0;
            const int32_t slot = task->negative->data[shared ? j : anchor * count + j];
            const uint32_t other = task->others->rows[slot];
            const bool met =
                other == row ||
                (task->mined != NULL && lode__mined_related(task->mined, item, item_of[other]));
            assert_int_equal(met, is_masked(task, anchor, j));
            related += met ? 1 : 0;
            free_places += met ? 0 : 1;
        }
    }
    assert_true(free_places > 0);
    if (task->options->negatives.scope == 0)
        assert_true(related > 0); // else the masks were not tried
    close_trainer(&it);
}

static void test_negatives_are_not_related(void **state) {
    check_draws(*state, "  - {type: micrec.feature, negatives: {count: 100}}\n");
    check_draws(*state, "  - {type: micrec.feature, negatives: {count: 20, scope: anchor}}\n");
    check_draws(*state, "  - {type: micrec.session}\n");
    check_draws(*state, "  - {type: micrec.session, negatives: {count: 100}}\n");
    check_draws(*state, "  - {type: micrec.session, anchors: catalogue}\n");
    check_draws(*state, "  - {type: micrec.session, negatives: {count: 7, scope: anchor}}\n");
    check_draws(*state, "  - {type: micrec.semantic, positives: taxonomy, column: category}\n");
    check_draws(*state, "  - {type: micrec.semantic, positives: taxonomy, column: tags, draw: "
                        "weighted, negatives: {count: 7, scope: anchor}}\n");
}

/// The first partner alone with k: 1, nobody with a window of nothing; sessions draw by counts, meanings alike.
static void test_keys_reach_the_miner(void **state) {
    opened it;
    lode_error error = {0};
    check(open_trainer(&it, *state, "  - {type: micrec.session, k: 1}\n", NULL, &error), &error);
    const lode_mined *mined = task_of(&it)->mined;
    for (uint32_t item = 0; item < mined->items; item++)
        assert_in_range(mined->starts[item + 1] - mined->starts[item], 0, 1);
    assert_int_equal(task_of(&it)->by, LODE_DRAW_WEIGHTED);
    close_trainer(&it);
    check(open_trainer(&it, *state, "  - {type: micrec.session, window: 0}\n", NULL, &error), &error);
    assert_false(task_of(&it)->active);
    close_trainer(&it);
    check(open_trainer(&it, *state, "  - {type: micrec.semantic, positives: taxonomy, column: tags}\n",
                       NULL, &error),
          &error);
    assert_int_equal(task_of(&it)->by, LODE_DRAW_UNIFORM);
    close_trainer(&it);
}

/// The view has room for what the tasks add to it, where the catalogue does not limit it.
static void test_room(void **state) {
    fixture self = *(const fixture *)*state;
    lode_error error = {0};
    path_in(&self, "wide.lode", self.data);
    fixture_import(&self, "{users: 400, items: 3000, interests: 6, exposures: 0, zipf: 0, seed: 5}",
                   self.data);
    static const char *const tasks[] = {
        "  - {type: micrec.session, anchors: catalogue, negatives: {count: 9, scope: anchor}}\n",
        "  - {type: micrec.session, negatives: {count: 3}}\n",
        "  - {type: micrec.feature, anchors: catalogue, negatives: {count: 9, scope: anchor}}\n"};
    for (size_t i = 0; i < sizeof tasks / sizeof *tasks; i++) {
        opened it;
        check(open_trainer(&it, &self, tasks[i], NULL, &error), &error);
        (void)step(&it);
        const lode_item_view *view = task_of(&it)->view;
        assert_true(view->inputs.rows->capacity < it.trainer->model->vocabulary->items);
        assert_in_range(view->count, 32, view->inputs.rows->capacity);
        close_trainer(&it);
    }
}

/// Anchors of the catalogue are drawn from all items, not from the batch.
static void test_catalogue(void **state) {
    opened it;
    lode_error error = {0};
    check(open_trainer(&it, *state, "  - {type: micrec.feature, anchors: catalogue}\n", NULL, &error),
          &error);
    (void)step(&it);
    const lode_item_task *task = task_of(&it);
    const size_t targets = distinct_targets(&it);
    size_t outside = 0;
    for (size_t anchor = 0; anchor < task->anchors->dim->size; anchor++)
        outside += (size_t)task->anchors->data[anchor] >= targets ? 1 : 0;
    assert_in_range(task->anchors->dim->size, targets / 2, targets);
    assert_true(outside > task->anchors->dim->size / 4);
    close_trainer(&it);
}

// --- what is left out -----------------------------------------------------------------------------------

/// Bits of the fields that a slot kept, and how many values of its fields with several.
static uint32_t kept_of(const lode_item_view *view, size_t slot, size_t *values, size_t *of) {
    uint32_t kept = 0;
    for (size_t i = 0; i < view->inputs.field_count; i++) {
        const lode_field_input *input = &view->inputs.fields[i];
        const lode_codes *codes = &input->field->items;
        const uint32_t row = view->rows[slot];
        const size_t count = (size_t)(input->lists->offsets[slot + 1] - input->lists->offsets[slot]);
        if (count == 0) continue;
        kept |= 1u << i;
        if (!input->field->multi) continue;
        *values += count;
        *of += (size_t)(codes->starts[row + 1] - codes->starts[row]);
    }
    return kept;
}

/// Shares of fields and of values that stay in one step of a task; `bits` receives the fields of slot 0.
static void shares(const fixture *self, const char *objective, int steps, double *fields,
                   double *share, uint64_t *bits) {
    opened it;
    lode_error error = {0};
    check(open_trainer(&it, self, objective, NULL, &error), &error);
    size_t kept = 0, possible = 0, values = 0, of = 0;
    *bits = 0;
    for (int i = 0; i < steps; i++) {
        double loss;
        check(lode__trainer_step(it.trainer, &loss, &error), &error);
        const lode_item_view *view = task_of(&it)->others;
        for (size_t slot = 0; slot < view->count; slot++) {
            const uint32_t own = kept_of(view, slot, &values, &of);
            assert_true(own != 0);
            kept += (size_t)__builtin_popcount(own);
            possible += view->inputs.field_count;
            *bits = *bits * 31 + own;
        }
    }
    *fields = (double)kept / (double)possible;
    *share = (double)values / (double)of;
    close_trainer(&it);
}

static void test_what_is_left_out(void **state) {
    double fields, values;
    uint64_t first, second;
    shares(*state, "  - {type: micrec.feature, ratio: 0.5, drop: [field]}\n", 4, &fields, &values,
           &first);
    // of 5 fields half stay, and one where none would: .5 + .5^5 / 5
    assert_true(fabs(fields - (0.5 + pow(0.5, 5) / 5)) < 0.04);
    assert_true(values == 1.0);
    shares(*state, "  - {type: micrec.feature, ratio: 0.5, drop: [field]}\n", 4, &fields, &values,
           &second);
    assert_true(first == second);
    shares(*state, "  - {type: micrec.feature, ratio: 0.3, drop: [categorical]}\n", 4, &fields,
           &values, &second);
    assert_true(fields == 1.0);
    assert_true(fabs(values - (0.7 + pow(0.3, 3) / 3)) < 0.05); // three tags, of which one stays
    assert_true(first != second);
}

/// Two views of the same items in opposite orders, built for a purpose each; columns of `raw_fields` after a run.
typedef struct two_views {
    lode_graph *graph;
    lode_item_view *view[2];
} two_views;

enum { VIEWED = 40 };

static void run_views(two_views *it, const opened *model, lode_augment augment, uint32_t other) {
    lode_error error = {0};
    check(lode__graph_new(&it->graph, LODE_F32, false, NULL, &error), &error);
    for (int v = 0; v < 2; v++) {
        if (v == 1) augment.purpose = other;
        it->view[v] = lode__item_view_augmented(
            it->graph, model->trainer->model, model->trainer->model->params, VIEWED, &augment, true);
        assert_non_null(it->view[v]);
        lode__graph_keep(it->view[v]->outputs.raw_fields);
    }
    check(lode__graph_finish(it->graph, &error), &error);
    for (uint32_t i = 0; i < VIEWED; i++) {
        (void)lode__item_view_slot(it->view[0], 1 + i);
        (void)lode__item_view_slot(it->view[1], VIEWED - i);
    }
    lode__item_view_fill(it->view[0]);
    lode__item_view_fill(it->view[1]);
    lode__graph_forward(it->graph);
}

static size_t unlike_rows(const two_views *it) {
    const lode_tensor *raw[] = {it->view[0]->outputs.raw_fields, it->view[1]->outputs.raw_fields};
    const size_t width = raw[0]->columns;
    size_t unlike = 0;
    for (size_t i = 0; i < VIEWED; i++) {
        const float *one = (const float *)raw[0]->value + i * width;
        unlike += memcmp(one, (const float *)raw[1]->value + (VIEWED - 1 - i) * width,
                         width * sizeof *one) != 0;
    }
    return unlike;
}

static void test_masks_belong_to_items(void **state) {
    opened it;
    lode_error error = {0};
    check(open_trainer(&it, *state, "  - {type: micrec.feature}\n", NULL, &error), &error);
    two_views views;
    const lode_augment all = {.field = 0.5, .categorical = 0.5, .element = 0.5, .purpose = 7};
    run_views(&views, &it, all, 7);
    assert_int_equal(unlike_rows(&views), 0);
    lode__graph_free(&views.graph);
    run_views(&views, &it, all, 8);
    assert_true(unlike_rows(&views) > VIEWED / 2);
    lode__graph_free(&views.graph);
    // elements alone: about half of them, and not the same ones in two fields of one width
    run_views(&views, &it, (lode_augment){.element = 0.5, .purpose = 7}, 7);
    const lode_tensor *raw = views.view[0]->outputs.raw_fields;
    size_t zeros = 0, unlike = 0;
    for (size_t i = 0; i < VIEWED * raw->columns; i++)
        zeros += ((const float *)raw->value)[i] == 0 ? 1 : 0;
    for (size_t i = 0; i < VIEWED; i++)
        for (size_t j = 0; j < 8; j++)
            unlike += (lode__tensor_get(views.graph, raw, i, j) == 0) !=
                      (lode__tensor_get(views.graph, raw, i, 8 + j) == 0);
    assert_in_range(zeros, VIEWED * raw->columns * 4 / 10, VIEWED * raw->columns * 6 / 10);
    assert_true(unlike > VIEWED);
    lode__graph_free(&views.graph);
    close_trainer(&it);
}

/// Two feature tasks leave different things out; elements are dropped where that is asked for; projectors learn.
static void test_tasks_are_apart(void **state) {
    opened it;
    lode_error error = {0};
    check(open_trainer(&it, *state,
                       "  - {type: micrec.feature}\n  - {type: micrec.feature, drop: [element]}\n",
                       NULL, &error),
          &error);
    (void)step(&it);
    const lode_item_task *other = it.trainer->objectives[1].state;
    const lode_augment *first = &task_of(&it)->others->augment, *second = &other->others->augment;
    assert_int_not_equal(first->purpose, second->purpose);
    assert_true(first->field == 0.5 && first->categorical == 0.5 && first->element == 0);
    assert_true(second->field == 0 && second->categorical == 0 && second->element == 0.5);
    for (size_t i = 0; i < it.heads->count; i++) {
        const lode_param *before = it.heads->list[i], *after = it.trainer->heads->list[i];
        assert_true(memcmp(before->value, after->value,
                           before->rows * before->columns * sizeof(float)) != 0);
    }
    close_trainer(&it);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_negatives_are_not_related),
        cmocka_unit_test(test_keys_reach_the_miner),
        cmocka_unit_test(test_room),
        cmocka_unit_test(test_catalogue),
        cmocka_unit_test(test_what_is_left_out),
        cmocka_unit_test(test_masks_belong_to_items),
        cmocka_unit_test(test_tasks_are_apart),
    };
    return cmocka_run_group_tests(tests, setup, fixture_teardown);
}
