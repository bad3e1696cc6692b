/// data.examples: all_positions: windows and targets by hand, every objective on positions, masks and negatives that
/// keep clear of the user's items, the same bits at any number of threads and after a stop, and training and
/// evaluation seeing the same states.

#include "objective/negatives.h"

static const char window_config[] =
    "data: {history: 6, examples: all_positions}\n"
    "fields: {item: [id], user: []}\n"
    "model: {dim: 8, user: {tower: sasrec, heads: 2, dropout: 0.1, attention_dropout: 0.2}, item: "
    "{tower: id}}\n"
    "objectives:\n"
    "  - {type: bce, negatives: {count: 1, scope: example, avoid: user_items}, mask: none}\n"
    "train: {batch: 16, epochs: 3, checkpoint_every: 2, learning_rate: 0.01}\n"
    "eval: {valid: hit@10, cutoffs: [10, 20], neighbours: 5}\n";

#include "windows.h"

// --- by hand --------------------------------------------------------------------------------------------

static char letter(const session *self, uint32_t row) {
    return lode__item_token(self->trainer->model->vocabulary, row)[0];
}

/// The window of a user in the current batch: packed clicks, places, targets, as text.
static void window_text(const session *self, uint32_t user, char *clicks, char *targets) {
    const lode_trainer *trainer = self->trainer;
    const lode_batcher *batcher = &trainer->batcher;
    const lode_tower_inputs *inputs = &trainer->scenes[0].users->inputs;
    size_t example = 0, count = 0;
    while (example < batcher->example_count && batcher->example_state[example].user != user)
        example++;
    assert_true(example < batcher->example_count);
    const size_t first = (size_t)inputs->history->offsets[example];
    const size_t end = (size_t)inputs->history->offsets[example + 1];
    for (size_t at = first; at < end; at++, count++) {
        clicks[count] = letter(self, (uint32_t)inputs->clicks->data[at]);
        targets[count] = letter(self, batcher->target_rows[at]);
        assert_int_equal(inputs->places->data[at], end - 1 - at);
        assert_int_equal(batcher->example_of[at], example);
        assert_int_equal(batcher->states[at].user, user);
        // The state of a query ends at its target: it sees the clicks up to its position.
        const uint64_t seen = batcher->states[at].end;
        assert_int_equal(letter(self, trainer->binding->item_row[trainer->split->log.item[seen]]),
                         targets[count]);
        assert_int_equal(trainer->scenes[0].targets->data[at],
                         lode__item_view_find(trainer->scenes[0].items, batcher->target_rows[at]));
    }
    clicks[count] = targets[count] = 0;
}

static void expect_window(const session *self, uint32_t user, const char *clicks,
                          const char *targets) {
    char found_clicks[16], found_targets[16];
    window_text(self, user, found_clicks, found_targets);
    assert_string_equal(found_clicks, clicks);
    assert_string_equal(found_targets, targets);
}

static void test_by_hand(void **state) {
    const fixture *self = *state;
    char data[PATH_ROOM];
    import_letters(self, data);
    session long_windows, short_windows, all_windows;
    open_trainer(&long_windows, data, self->folder, NULL);
    (void)take_step(&long_windows);
    assert_int_equal(long_windows.trainer->batcher.example_count, 3); // user 2 has one training click
    assert_int_equal(long_windows.trainer->batcher.count, 5 + 1 + 2);
    expect_window(&long_windows, 0, "abcde", "bcdef");
    expect_window(&long_windows, 1, "b", "c");
    expect_window(&long_windows, 3, "fe", "ed");
    close_trainer(&long_windows);
    static const char *const three[] = {"data.history=3", NULL};
    open_trainer(&short_windows, data, self->folder, three);
    (void)take_step(&short_windows);
    assert_int_equal(short_windows.trainer->batcher.count, 3 + 1 + 2);
    expect_window(&short_windows, 0, "cde", "def");
    close_trainer(&short_windows);
    static const char *const all[] = {"data.history=3", "data.windows=all", NULL};
    open_trainer(&all_windows, data, self->folder, all);
    assert_int_equal(all_windows.trainer->examples.count, 4);
    (void)take_step(&all_windows);
    assert_int_equal(all_windows.trainer->batcher.count, 5 + 1 + 2); // each target once
    close_trainer(&all_windows);
}

// --- what does not go together --------------------------------------------------------------------------

static void test_refusals(void **state) {
    const fixture *self = *state;
    static const char *const ican[] = {"model.user={tower: ican, heads: 2, layers: [8]}", NULL};
    expect_refused(self, ican, "data.examples: all_positions needs a user tower");
    expect_refused(self, ican, "model.user.tower: ican");
    static const char *const pooled[] = {"model.user={tower: youtubednn, layers: [8]}", NULL};
    expect_refused(self, pooled, "model.user.tower: youtubednn");
    static const char *const shared[] = {
        "objectives=[{type: bce, negatives: {scope: batch, avoid: user_items}}]", NULL};
    expect_refused(self, shared, "negatives.avoid: user_items needs negatives.scope: example");
}

// --- every objective ------------------------------------------------------------------------------------

static const char *const objectives[] = {
    "objectives=[{type: in_batch}]",
    "objectives=[{type: in_batch, mask: user_items, log_q: false}]",
    "objectives=[{type: sampled_softmax, negatives: {count: 9, from: popularity}}]",
    "objectives=[{type: sampled_softmax, mask: user_items, negatives: {count: 4, scope: example}}]",
    "objectives=[{type: bce, negatives: {count: 2, scope: example}}]",
    "objectives=[{type: bpr, negatives: {count: 3, scope: example, avoid: user_items}}]",
    "objectives=[{type: bpr, negatives: {count: 5}}, {type: in_batch, weight: 0.5}]"};

static void test_objectives(void **state) {
    const fixture *self = *state;
    static const char *const kinds[] = {"data.examples=all_positions", "data.examples=every_click",
                                        "data.examples=random_cut", "data.examples=last"};
    static const char *const scorers[] = {"model.scorer=dot", "model.scorer=cosine"};
    for (size_t i = 0; i < sizeof objectives / sizeof *objectives; i++) {
        for (size_t kind = 0; kind < 4; kind++) {
            const char *const sets[] = {objectives[i],
                                        kinds[kind],
                                        scorers[i % 2],
                                        "train.batch=80",
                                        "train.learning_rate=0.03",
                                        NULL};
            session opened;
            open_trainer(&opened, self->data, self->folder, sets);
            double first = 0.0, last = 0.0;
            for (int step = 0; step < 20; step++) {
                opened.trainer->counters.step = 0; // the same examples and draws again
                last = take_step(&opened);
                if (step == 0) first = last;
            }
            if (!(last < 0.9 * first))
                fail_msg("%s, %s: the loss goes from %g to %g", objectives[i], kinds[kind], first,
                         last);
            close_trainer(&opened);
        }
    }
}

// --- masks and negatives --------------------------------------------------------------------------------

static bool clicked(const lode_trainer *trainer, uint32_t user, uint32_t row) {
    const lode_split *split = trainer->split;
    for (uint64_t at = split->log.offsets[user]; at < split->train_end[user]; at++) {
        if (trainer->binding->item_row[split->log.item[at]] == row) return true;
    }
    return false;
}

/// Places of the negative list that a query's mask should hold.
static bool masked(const lode_sampled *sampled, size_t query, size_t place) {
    const lode_lists *lists = sampled->masker.lists;
    for (int32_t at = lists->offsets[query]; at < lists->offsets[query + 1]; at++) {
        if ((size_t)sampled->masker.places->data[at] == place) return true;
    }
    return false;
}

static void check_masks(const fixture *self, const char *objective) {
    const char *const sets[] = {objective, NULL};
    session opened;
    open_trainer(&opened, self->data, self->folder, sets);
    (void)take_step(&opened);
    const lode_trainer *trainer = opened.trainer;
    const lode_sampled *sampled = trainer->objectives[0].state;
    const bool shared = sampled->masker.shared;
    const size_t width = (size_t)sampled->options->negatives.count;
    size_t hits = 0, count = 0;
    for (size_t query = 0; query < trainer->batcher.count; query++) {
        for (size_t place = 0; place < width; place++) {
            const size_t at = shared ? place : query * width + place;
            const uint32_t row = sampled->items->rows[sampled->negative->data[at]];
            const bool own = clicked(trainer, trainer->batcher.states[query].user, row);
            assert_int_equal(masked(sampled, query, place), own);
            hits += own;
            count++;
        }
    }
    assert_true(hits > count / 20 && hits < count); // there was something to mask, and something left
    close_trainer(&opened);
}

static void test_masks(void **state) {
    const fixture *self = *state;
    check_masks(self, "objectives=[{type: bce, mask: user_items, negatives: {count: 12}}]");
    check_masks(
        self, "objectives=[{type: bce, mask: user_items, negatives: {count: 3, scope: example}}]");
}

/// How many of a step's negatives are items of their user.
static size_t own_negatives(const fixture *self, const char *data, const char *avoid) {
    char objective[128];
    (void)snprintf(
        objective, sizeof objective,
        "objectives=[{type: bce, mask: none, negatives: {count: 2, scope: example, avoid: %s}}]",
        avoid);
    const char *const sets[] = {objective, NULL};
    session opened;
    open_trainer(&opened, data, self->folder, sets);
    (void)take_step(&opened);
    const lode_trainer *trainer = opened.trainer;
    const lode_sampled *sampled = trainer->objectives[0].state;
    size_t own = 0;
    for (size_t at = 0; at < 2 * trainer->batcher.count; at++) {
        own += clicked(trainer, trainer->batcher.states[at / 2].user,
                       sampled->items->rows[sampled->negative->data[at]]);
    }
    close_trainer(&opened);
    return own;
}

static void test_avoid(void **state) {
    const fixture *self = *state;
    assert_true(own_negatives(self, self->data, "none") > 20);
    assert_int_equal(own_negatives(self, self->data, "user_items"), 0);
    // User 0 of the letters has clicked all six items: the redraws end.
    char data[PATH_ROOM];
    path_in(self, "letters.lode", data);
    assert_int_equal(own_negatives(self, data, "user_items"), 2 * 5);
}

// --- the same states in training and evaluation ---------------------------------------------------------

static void test_states(void **state) {
    const fixture *self = *state;
    static const char *const sets[] = {"model.user.dropout=0", "model.user.attention_dropout=0",
                                       NULL};
    session opened;
    open_trainer(&opened, self->data, self->folder, sets);
    lode_trainer *trainer = opened.trainer;
    (void)take_step(&opened);
    lode__graph_forward(trainer->scenes[0].graph); // the same batch with the weights of now
    const size_t count = trainer->batcher.count;
    assert_true(count > 2 * trainer->batcher.example_count);
    lode_state *states = calloc(count, sizeof *states);
    float *vectors = calloc(count * 8, sizeof *vectors);
    assert_true(states != NULL && vectors != NULL);
    memcpy(states, trainer->batcher.states, count * sizeof *states);
    lode_log_source source = {trainer->binding, &trainer->split->log, states, false};
    const lode_user_source users = lode__log_source(&source);
    lode__encode_users(trainer->encoder, &users, count, vectors);
    const lode_lists *lists = trainer->scenes[0].users->inputs.history;
    const float *positions = trainer->scenes[0].query->value;
    size_t newest = 0;
    for (size_t example = 0; example < trainer->batcher.example_count; example++) {
        // The newest position is what evaluation encodes, bit for bit; earlier ones have other places.
        const size_t at = (size_t)lists->offsets[example + 1] - 1;
        assert_memory_equal(positions + at * 8, vectors + at * 8, 8 * sizeof *vectors);
        newest++;
        if (lists->offsets[example + 1] - lists->offsets[example] > 1)
            assert_memory_not_equal(positions + (at - 1) * 8, vectors + (at - 1) * 8,
                                    8 * sizeof *vectors);
    }
    assert_true(newest > 10);
    free(states);
    free(vectors);
    close_trainer(&opened);
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
    static const char *const sets[] = {"data.history=20", "model.dim=16",    "train.epochs=25",
                                       "train.batch=32",  "eval.patience=0", NULL};
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
        cmocka_unit_test(test_by_hand),    cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_objectives), cmocka_unit_test(test_masks),
        cmocka_unit_test(test_avoid),      cmocka_unit_test(test_states),
        cmocka_unit_test(test_threads),    cmocka_unit_test(test_resume),
        cmocka_unit_test(test_learns)};
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
