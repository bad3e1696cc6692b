/// data.examples: cloze with the bert4rec tower: windows and masks by hand, how masks are drawn, no masked item among the
/// inputs of its window, a mask at the end as serving has it, what is refused, every objective, the same bits at any
/// number of threads and after a stop, and a model that learns.
#include <math.h>

static const char window_config[] =
    "data: {history: 6, examples: cloze, windows: last}\n"
    "fields: {item: [id], user: []}\n"
    "model: {dim: 8, user: {tower: bert4rec, heads: 2, dropout: 0.1, attention_dropout: 0.2}, "
    "item: {tower: id}}\n"
    "objectives:\n"
    "  - {type: in_batch, log_q: false}\n"
    "train: {batch: 16, epochs: 3, checkpoint_every: 2, learning_rate: 0.01}\n"
    "eval: {valid: hit@10, cutoffs: [10, 20], neighbours: 5}\n";

#include "windows.h"

// --- by hand --------------------------------------------------------------------------------------------

static char letter(const session *self, uint32_t row) {
    return row == 0 ? '_' : lode__item_token(self->trainer->model->vocabulary, row)[0];
}

/// What the tower's inputs show of an example ('_' = masked), and the same with the positives in their places.
static void window_text(const session *self, size_t example, char *shown, char *whole) {
    const lode_trainer *trainer = self->trainer;
    const lode_batcher *batcher = &trainer->batcher;
    const lode_tower_inputs *inputs = &trainer->scenes[0].users->inputs;
    const lode_masked_inputs *masked = &inputs->masked;
    const int32_t *offsets = inputs->history->offsets;
    size_t count = 0;
    for (int32_t at = offsets[example]; at < offsets[example + 1]; at++, count++) {
        const int32_t seen = masked->seen_lists->offsets[at], mask = masked->mask_lists->offsets[at];
        const bool is_seen = masked->seen_lists->offsets[at + 1] > seen;
        assert_int_equal(masked->mask_lists->offsets[at + 1] - mask, !is_seen);
        assert_int_equal(inputs->places->data[at], offsets[example + 1] - 1 - at);
        shown[count] = whole[count] = letter(self, is_seen ? (uint32_t)masked->seen->data[seen] : 0);
        if (is_seen) continue;
        // Query number `mask` is this position, and its state ends at the masked click.
        assert_int_equal(masked->asked->data[mask], at);
        assert_int_equal(batcher->example_of[mask], example);
        const lode_state *state = &batcher->states[mask];
        assert_int_equal(state->user, batcher->example_state[example].user);
        assert_int_equal(trainer->binding->item_row[trainer->split->log.item[state->end]],
                         batcher->target_rows[mask]);
        whole[count] = letter(self, batcher->target_rows[mask]);
        assert_int_equal(trainer->scenes[0].targets->data[mask],
                         lode__item_view_find(trainer->scenes[0].items, batcher->target_rows[mask]));
    }
    shown[count] = whole[count] = 0;
}

static size_t masks_of(const char *shown) {
    size_t count = 0;
    for (; *shown != 0; shown++)
        count += *shown == '_';
    return count;
}

/// All windows of a step: exactly those of `expected`, each with its number of masks, no positive among what is shown.
static void expect_windows(const fixture *self, const char *data, const char *const *sets,
                           const char *const *expected, const size_t *masks) {
    session opened;
    open_trainer(&opened, data, self->folder, sets);
    (void)take_step(&opened);
    const lode_batcher *batcher = &opened.trainer->batcher;
    size_t windows = 0, queries = 0;
    while (expected[windows] != NULL)
        windows++;
    assert_int_equal(opened.trainer->examples.count, windows);
    assert_int_equal(batcher->example_count, windows);
    for (size_t example = 0; example < windows; example++) {
        char shown[16], whole[16];
        window_text(&opened, example, shown, whole);
        size_t which = 0;
        while (which < windows && strcmp(expected[which], whole) != 0)
            which++;
        if (which == windows) fail_msg("unexpected window %s", whole);
        assert_int_equal(masks_of(shown), masks[which]);
        queries += masks[which];
        for (size_t i = 0; whole[i] != 0; i++) {
            if (shown[i] == '_') assert_null(strchr(shown, whole[i]));
        }
    }
    assert_int_equal(batcher->count, queries);
    close_trainer(&opened);
}

static void test_by_hand(void **state) {
    const fixture *self = *state;
    char data[PATH_ROOM];
    import_letters(self, data);
    // User 2 has one training click and so no window. Half of 6, 3 and 2 clicks; of 3 it is 1.5, so 2.
    expect_windows(self, data,
                   (const char *const[]){"data.mask_probability=0.5", "data.mask_last=0", NULL},
                   (const char *const[]){"abcdef", "bc", "fed", NULL}, (const size_t[]){3, 1, 2});
    expect_windows(self, data,
                   (const char *const[]){"data.mask_probability=1", "data.mask_last=0", NULL},
                   (const char *const[]){"abcdef", "bc", "fed", NULL}, (const size_t[]){5, 1, 2});
    expect_windows(self, data,
                   (const char *const[]){"data.mask_probability=0", "data.mask_last=0", NULL},
                   (const char *const[]){"abcdef", "bc", "fed", NULL}, (const size_t[]){1, 1, 1});
    expect_windows(self, data,
                   (const char *const[]){"data.mask_probability=1", "data.mask_last=1", NULL},
                   (const char *const[]){"abcdef", "bc", "fed", NULL}, (const size_t[]){1, 1, 1});
    // Windows of four end at the last training click; the rest of user 0 is one of two.
    expect_windows(
        self, data,
        (const char *const[]){"data.history=4", "data.windows=all", "data.mask_last=0", NULL},
        (const char *const[]){"cdef", "ab", "bc", "fed", NULL}, (const size_t[]){1, 1, 1, 1});
    // Of five: a click would stand alone, and does not.
    expect_windows(
        self, data,
        (const char *const[]){"data.history=5", "data.windows=all", "data.mask_last=0", NULL},
        (const char *const[]){"bcdef", "bc", "fed", NULL}, (const size_t[]){1, 1, 1});
    expect_windows(self, data, (const char *const[]){"data.history=4", "data.mask_last=0", NULL},
                   (const char *const[]){"cdef", "bc", "fed", NULL}, (const size_t[]){1, 1, 1});
}

static void test_counts(void **state) {
    (void)state;
    assert_int_equal(lode__cloze_masks(0.2, 0), 0);
    assert_int_equal(lode__cloze_masks(0.2, 1), 1);
    assert_int_equal(lode__cloze_masks(0.2, 2), 1);
    assert_int_equal(lode__cloze_masks(0.2, 7), 1);
    assert_int_equal(lode__cloze_masks(0.2, 8), 2); // 1.6
    assert_int_equal(lode__cloze_masks(0.2, 200), 40);
    assert_int_equal(lode__cloze_masks(0.9, 2), 1);
    assert_int_equal(lode__cloze_masks(1.0, 10), 9);
}

/// Over many epochs: the newest click alone in its share, else two of six clicks, each pair as often as any other; and
/// the same draw for the same epoch, another for another seed or example.
static void test_draws(void **state) {
    const fixture *self = *state;
    enum { EPOCHS = 6000, LENGTH = 6 };
    char data[PATH_ROOM];
    path_in(self, "letters.lode", data);
    session opened;
    open_trainer(&opened, data, self->folder,
                 (const char *const[]){"data.mask_probability=0.3", "data.mask_last=0.25", NULL});
    const lode_trainer *trainer = opened.trainer;
    lode_cloze_window window = {calloc(LENGTH, sizeof *window.clicks),
                                calloc(LENGTH, sizeof *window.masked), 0};
    assert_true(window.clicks != NULL && window.masked != NULL);
    const lode_state newest = lode__example(&trainer->examples, 0, 0);
    size_t count[1 << LENGTH] = {0}, same_seed = 0, same_example = 0;
    for (uint64_t epoch = 0; epoch < EPOCHS; epoch++) {
        size_t found[4];
        for (size_t i = 0; i < 4; i++) { // as it is, again, with another seed, as another example
            lode__cloze_draw(&window, &trainer->examples, trainer->binding, &newest, 1 + (i == 2),
                             epoch, i == 3);
            assert_int_equal(window.length, LENGTH);
            found[i] = 0;
            for (size_t at = 0; at < LENGTH; at++)
                found[i] |= (size_t)window.masked[at] << at;
        }
        assert_int_equal(found[0], found[1]);
        same_seed += found[0] == found[2];
        same_example += found[0] == found[3];
        count[found[0]]++;
    }
    size_t sum = 0;
    for (size_t set = 0; set < 1 << LENGTH; set++) {
        const bool last = set == 1 << (LENGTH - 1), pair = __builtin_popcount((unsigned)set) == 2;
        const double expected = last ? 0.25 * EPOCHS : pair ? 0.75 * EPOCHS / 15 : 0.0;
        assert_true(fabs((double)count[set] - expected) <= 5.0 * sqrt(expected));
        sum += count[set];
    }
    assert_int_equal(sum, EPOCHS);
    // By chance 1/16 + 15/400 = .1 of the draws agree.
    assert_true(same_seed < 0.15 * EPOCHS && same_example < 0.15 * EPOCHS);
    free(window.clicks);
    free(window.masked);
    close_trainer(&opened);
}

// --- the same states in training and evaluation ---------------------------------------------------------

/// Where the newest click alone is masked, a query is what evaluation encodes before that click, bit for bit.
static void test_states(void **state) {
    const fixture *self = *state;
    session opened;
    open_trainer(&opened, self->data, self->folder,
                 (const char *const[]){"model.user.dropout=0", "model.user.attention_dropout=0",
                                       "data.mask_last=1", NULL});
    lode_trainer *trainer = opened.trainer;
    (void)take_step(&opened);
    lode__graph_forward(trainer->scenes[0].graph); // the same batch with the weights of now
    const size_t count = trainer->batcher.count;
    assert_int_equal(count, 16);
    float vectors[16 * 8];
    lode_log_source source = {trainer->binding, &trainer->split->log, trainer->batcher.states, false};
    const lode_user_source users = lode__log_source(&source);
    lode__encode_users(trainer->encoder, &users, count, vectors);
    assert_memory_equal(trainer->scenes[0].query->value, vectors, count * 8 * sizeof *vectors);
    assert_memory_not_equal(vectors, vectors + 8, 8 * sizeof *vectors);
    close_trainer(&opened);
}

static const lode_param *named(const lode_params *params, const char *name) {
    for (size_t i = 0; i < params->count; i++) {
        if (strcmp(params->list[i]->name, name) == 0) return params->list[i];
    }
    fail_msg("no parameter %s", name);
    return NULL;
}

/// Masks have a row of their own, which learns; that of unknown items stays as it was drawn.
static void test_unknown_row(void **state) {
    const fixture *self = *state;
    session opened;
    open_trainer(&opened, self->data, self->folder, (const char *const[]){"train.batch=40", NULL});
    const lode_params *params = opened.trainer->model->params;
    const float *items = named(params, "item.id")->value, *mask = named(params, "user.mask")->value;
    float before[3][8];
    memcpy(before[0], items, sizeof *before);
    memcpy(before[1], items + 8, sizeof *before);
    memcpy(before[2], mask, sizeof *before);
    (void)take_step(&opened);
    (void)take_step(&opened);
    assert_memory_equal(before[0], items, sizeof *before);
    assert_memory_not_equal(before[1], items + 8, sizeof *before);
    assert_memory_not_equal(before[2], mask, sizeof *before);
    close_trainer(&opened);
}

// --- what does not go together --------------------------------------------------------------------------

static void test_refusals(void **state) {
    const fixture *self = *state;
    static const char *const sasrec[] = {"model.user={tower: sasrec}", NULL};
    expect_refused(self, sasrec, "data.examples: cloze needs a user tower");
    expect_refused(self, sasrec,
                   "model.user.tower: sasrec does not (bert4rec does); or train it with "
                   "data.examples: all_positions");
    static const char *const ican[] = {"model.user={tower: ican, heads: 2, layers: [8]}", NULL};
    expect_refused(self, ican,
                   "model.user.tower: ican does not (bert4rec does); or train it with "
                   "data.examples: every_click");
    static const char *const positions[] = {"data.examples=all_positions", NULL};
    expect_refused(self, positions, "data.examples: all_positions needs a user tower");
    expect_refused(self, positions,
                   "model.user.tower: bert4rec does not give that (sasrec does); or "
                   "train it with data.examples: cloze");
    static const char *const one[] = {"data.history=1", NULL};
    expect_refused(self, one, "data.history is 1, but model.user.tower: bert4rec needs 2 places");
    static const char *const heads[] = {"model.user.heads=3", NULL};
    expect_refused(self, heads, "model.user.heads is 3");
}

// --- every objective ------------------------------------------------------------------------------------

static const char *const objectives[] = {
    "objectives=[{type: in_batch}]", "objectives=[{type: in_batch, mask: user_items, log_q: false}]",
    "objectives=[{type: sampled_softmax, mask: user_items, negatives: {count: 4, scope: example}}]",
    "objectives=[{type: bce, negatives: {count: 2, scope: example, avoid: user_items}}]",
    "objectives=[{type: bpr, negatives: {count: 5}}, {type: in_batch, weight: 0.5}]"};

static void test_objectives(void **state) {
    const fixture *self = *state;
    static const char *const kinds[] = {"data.examples=cloze", "data.examples=every_click"};
    for (size_t i = 0; i < 2 * sizeof objectives / sizeof *objectives; i++) {
        const char *const sets[] = {objectives[i / 2],
                                    kinds[i % 2],
                                    i % 3 == 0 ? "model.scorer=cosine" : "model.scorer=dot",
                                    i % 4 < 2 ? "train.precision=f32" : "train.precision=bf16",
                                    "data.mask_probability=0.5",
                                    "train.batch=80",
                                    "model.init=0.3",
                                    NULL};
        session opened;
        open_trainer(&opened, self->data, self->folder, sets);
        double first = 0.0, last = 0.0;
        for (int step = 0; step < 30; step++) {
            const double loss = take_step(&opened);
            if (step < 5) first += loss;
            if (step >= 25) last += loss;
            opened.trainer->counters.step = 0;
            opened.trainer->counters.epoch++;
        }
        if (!(last < 0.99 * first))
            fail_msg("%s with %s: the loss goes from %g to %g", sets[0], sets[1], first, last);
        close_trainer(&opened);
    }
}

// --- whole runs -----------------------------------------------------------------------------------------

/// Interests are planted; whoever finds them from the clicks is far above popularity.
static void test_learns(void **state) {
    fixture self = *(const fixture *)*state;
    path_in(&self, "larger.lode", self.data);
    fixture_import(&self,
                   "{users: 300, items: 120, interests: 6, interest: 20, exposures: 0, topic: 0, "
                   "session: 0, clicks_mean: 20, seed: 3}",
                   self.data);
    static const char *const sets[] = {"data.history=20",
                                       "model.dim=16",
                                       "train.epochs=40",
                                       "train.batch=32",
                                       "eval.patience=0",
                                       "train.threads=1",
                                       "eval.every=10",
                                       "model.init=0.3",
                                       "data.mask_probability=0.4",
                                       "train.learning_rate=0.003",
                                       NULL};
    assert_int_equal(run(&self, "learned", sets, NULL, NULL, NULL), LODE_OK);
    char path[PATH_ROOM], *report = NULL;
    lode_error error = {0};
    path_in(&self, "learned", path);
    check(lode_eval(path, "{cutoffs: [10]}", NULL, &report, &error), &error);
    const double model = row_value(report, "model", "hit@10");
    const double popularity = row_value(report, "popularity", "hit@10");
    printf("hit@10: model %.3f, popularity %.3f\n", model, popularity);
    assert_true(model > 1.5 * popularity);
    lode_text_free(&report);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_by_hand),     cmocka_unit_test(test_counts),
        cmocka_unit_test(test_draws),       cmocka_unit_test(test_states),
        cmocka_unit_test(test_unknown_row), cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_objectives),  cmocka_unit_test(test_threads),
        cmocka_unit_test(test_resume),      cmocka_unit_test(test_learns)};
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
