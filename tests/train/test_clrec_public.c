/// clrec.public: the queue by hand, steps against the queue and the loss that the test works out itself, gradients, threads,
/// resume, wrong keys and users who have clicked everything.
#include "losses.h"

#include "objective/click_fifo.h"

static const char window_config[] =
    "data: {history: 6, examples: all_positions}\n"
    "fields: {item: [id], user: []}\n"
    "model: {dim: 8, user: {tower: sasrec, heads: 2, dropout: 0.1}, item: {tower: id}}\n"
    "objectives:\n"
    "  - {type: clrec.public, negatives: 8, temperature: 0.5}\n"
    "train: {batch: 16, epochs: 3, checkpoint_every: 2, learning_rate: 0.01}\n"
    "eval: {valid: hit@10, cutoffs: [10, 20], neighbours: 5}\n";

#include "windows.h"

// --- the queue by hand ----------------------------------------------------------------------------------

/// A queue over the training clicks of windows.h: abcdef, bc, a, fed.
typedef struct letters {
    session opened;
    lode_training training;
    lode_click_fifo fifo;
    lode_random random;
    lode_arena arena;
} letters;

static void open_letters(letters *it, const fixture *self, size_t capacity) {
    static const char *const sets[] = {"objectives=[{type: clrec.public, negatives: 2}]", NULL};
    char data[PATH_ROOM];
    lode_error error = {0};
    path_in(self, "letters.lode", data);
    if (access(data, R_OK) != 0) import_letters(self, data);
    *it = (letters){.random = lode__random(9, 1, 0, 0)};
    open_trainer(&it->opened, data, self->folder, sets);
    const lode_trainer *trainer = it->opened.trainer;
    it->training = (lode_training){
        .split = trainer->split, .binding = trainer->binding, .model = trainer->model};
    check(lode__click_fifo_new(&it->fifo, &it->training, capacity, &it->arena, &error), &error);
}

static void close_letters(letters *it) {
    close_trainer(&it->opened);
    lode__arena_release(&it->arena);
}

static char letter_of(const letters *it, uint32_t row) {
    return lode__item_token(it->opened.trainer->model->vocabulary, row)[0];
}

static void push_all(letters *it, const char *clicks) {
    for (; *clicks != 0; clicks++) {
        uint32_t row = 1;
        while (letter_of(it, row) != *clicks)
            row++;
        lode__click_fifo_push(&it->fifo, row);
    }
}

static void expect_queue(const letters *it, const char *clicks) {
    assert_int_equal(lode__click_fifo_length(&it->fifo), strlen(clicks));
    for (size_t i = 0; clicks[i] != 0; i++)
        assert_int_equal(letter_of(it, lode__click_fifo_row(&it->fifo, i)), clicks[i]);
}

static void expect_taken(letters *it, uint32_t user, size_t count, const char *taken) {
    uint32_t rows[16];
    const size_t found = lode__click_fifo_take(&it->fifo, user, count, &it->random, rows);
    assert_int_equal(found, strlen(taken));
    for (size_t i = 0; i < found; i++)
        assert_int_equal(letter_of(it, rows[i]), taken[i]);
}

static void test_order(void **state) {
    letters it;
    open_letters(&it, *state, 16);
    push_all(&it, "bcaaedfa");
    expect_taken(&it, 1, 3, "aed"); // bc are the user's, the second a is there already
    expect_queue(&it, "fa");
    push_all(&it, "bcd");
    expect_queue(&it, "fabcd");
    expect_taken(&it, 3, 3, "abc"); // f, e and d are the user's
    expect_queue(&it, "d");
    expect_taken(&it, 2, 1, "d");
    expect_queue(&it, "");
    close_letters(&it);
    open_letters(&it, *state, 4);
    push_all(&it, "abcdef"); // the front makes room
    expect_queue(&it, "cdef");
    expect_taken(&it, 2, 1, "c");
    push_all(&it, "ab");
    expect_queue(&it, "efab");
    close_letters(&it);
}

/// A stretch goes on from wherever it begins, user after user and round the end.
static void test_stretches(void **state) {
    static const char log[] = "abcdefbcafed";
    enum { LENGTH = sizeof log - 1 };
    letters it;
    bool begins[LENGTH] = {false};
    open_letters(&it, *state, 40);
    for (uint32_t step = 0; step < 200; step++) {
        it.fifo.counts[0] = it.fifo.counts[1] = 0; // empty
        it.random = lode__random(9, 1, 0, step);
        lode_random again = it.random;
        const size_t start = (size_t)lode__random_below(&again, LENGTH);
        lode__click_fifo_fill(&it.fifo, 40, &it.random);
        char expected[41] = {0};
        for (size_t i = 0; i < 40; i++)
            expected[i] = log[(start + i) % LENGTH];
        expect_queue(&it, expected);
        begins[start] = true;
    }
    for (size_t i = 0; i < LENGTH; i++)
        assert_true(begins[i]);
    // A queue that runs empty is filled by as many clicks as are asked for, again and again.
    it.fifo.counts[0] = it.fifo.counts[1] = 0;
    push_all(&it, "a");
    lode_random again = it.random;
    const size_t first = (size_t)lode__random_below(&again, LENGTH);
    uint32_t rows[6];
    const size_t found = lode__click_fifo_take(&it.fifo, 2, 5, &it.random, rows); // clicked a
    assert_int_equal(found, 5);
    size_t at = 0, place = first;
    for (size_t filled = 0; at < found; filled++, place++) {
        if (filled % 5 == 0 && filled > 0) place = (size_t)lode__random_below(&again, LENGTH);
        const char next = log[place % LENGTH];
        bool known = next == 'a';
        for (size_t i = 0; i < at; i++)
            known = known || letter_of(&it, rows[i]) == next;
        if (!known) assert_int_equal(letter_of(&it, rows[at++]), next);
    }
    close_letters(&it);
}

/// Nothing can be found for who has clicked everything: 20 clicks for each item wanted are looked at, no more.
static void test_nothing_left(void **state) {
    letters it;
    open_letters(&it, *state, 16);
    push_all(&it, "aaaaaaaa");
    expect_taken(&it, 0, 2, "");
    assert_int_equal(it.fifo.counts[1], 40);
    expect_taken(&it, 0, 7, "");
    assert_int_equal(it.fifo.counts[1], 40 + 140);
    it.fifo.counts[0] = it.fifo.counts[1] = 0;
    push_all(&it, "aaaaaaaaaaaaaaaa"); // one item, and then stretches
    uint32_t rows[5];
    const size_t found = lode__click_fifo_take(&it.fifo, 1, 4, &it.random, rows);
    assert_int_equal(found, 4); // a, d, e, f
    assert_int_equal(letter_of(&it, rows[0]), 'a');
    close_letters(&it);
}

// --- steps ----------------------------------------------------------------------------------------------

/// What the queue should hold, oldest first, and the log that fills it.
typedef struct model_queue {
    uint32_t rows[8192], log[8192];
    size_t count, clicks;
} model_queue;

static void read_log(model_queue *queue, const lode_trainer *trainer) {
    const lode_split *split = trainer->split;
    *queue = (model_queue){.count = 0};
    for (uint32_t user = 0; user < split->log.users; user++) {
        for (uint64_t at = split->log.offsets[user]; at < split->train_end[user]; at++)
            queue->log[queue->clicks++] = trainer->binding->item_row[split->log.item[at]];
    }
}

static void fill(model_queue *queue, size_t count, lode_random *random) {
    size_t at = (size_t)lode__random_below(random, queue->clicks);
    for (size_t i = 0; i < count; i++, at++)
        queue->rows[queue->count++] = queue->log[at % queue->clicks];
}

static size_t take(model_queue *queue, const opened *it, size_t query, size_t count,
                   lode_random *random, uint32_t *out) {
    size_t found = 0;
    for (size_t seen = 0; found < count && seen < 20 * count; seen++) {
        if (queue->count == 0) fill(queue, count, random);
        const uint32_t row = queue->rows[0];
        memmove(queue->rows, queue->rows + 1, --queue->count * sizeof *queue->rows);
        bool known = clicked_by(it, query, row);
        for (size_t i = 0; i < found; i++)
            known = known || out[i] == row;
        if (!known) out[found++] = row;
    }
    return found;
}

static lode_state_array array_of(const lode_trainer *trainer, const char *name) {
    lode_state_array arrays[16];
    lode_objective *objective = &trainer->objectives[0];
    const size_t count = objective->type->arrays(objective->state, arrays, 16);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(arrays[i].name, name) == 0) return arrays[i];
    }
    fail_msg("there is no array %s", name);
    return (lode_state_array){0};
}

static void expect_same_queue(const lode_trainer *trainer, const model_queue *queue) {
    const uint64_t *counts = array_of(trainer, "fifo.counts").data;
    const lode_state_array rows = array_of(trainer, "fifo.rows");
    const size_t capacity = rows.bytes / sizeof(uint32_t);
    assert_int_equal(counts[0] - counts[1], queue->count);
    for (size_t i = 0; i < queue->count; i++)
        assert_int_equal(((uint32_t *)rows.data)[(counts[1] + i) % capacity], queue->rows[i]);
}

/// Steps of {negatives: count}, window after window: the queue afterwards, and the loss.
static void check_steps(const fixture *self, const char *config, size_t count, double temperature) {
    opened it;
    char objective[128];
    lode_error error = {0};
    (void)snprintf(objective, sizeof objective,
                   "  - {type: clrec.public, negatives: %zu, temperature: %g}\n", count, temperature);
    check(open_losses(&it, self, config, objective, &error), &error);
    const lode_trainer *trainer = it.trainer;
    const lode_batcher *batcher = &trainer->batcher;
    model_queue *queue = calloc(1, sizeof *queue);
    assert_non_null(queue);
    read_log(queue, trainer);
    size_t less = 0, most = 0;
    for (uint32_t step = 0; step < 4; step++) {
        const double loss = step_losses(&it);
        lode_random random = lode__random((uint64_t)it.config.train.seed, LODE_PURPOSE_USER, 0, step);
        double total = 0;
        for (size_t first = 0, end; first < batcher->count; first = end) {
            uint32_t negatives[64];
            const size_t found = take(queue, &it, first, count, &random, negatives);
            less += found < count;
            for (end = first;
                 end < batcher->count && batcher->example_of[end] == batcher->example_of[first];
                 end++) {
                const double positive = score_of(&it, end, batcher->target_rows[end]) / temperature;
                double sum = exp(positive);
                for (size_t i = 0; i < found; i++)
                    sum += exp(score_of(&it, end, negatives[i]) / temperature);
                total += log(sum) - positive;
                queue->rows[queue->count++] = batcher->target_rows[end];
            }
        }
        check_near(loss, total / (double)batcher->count, 3e-6, objective);
        expect_same_queue(trainer, queue);
        most = LODE_MAX(most, queue->count);
    }
    printf("%zu negatives: %zu windows have fewer, the queue holds up to %zu clicks\n", count, less,
           most);
    assert_true(count < 16 ? less == 0 && most > 20 : less > 0);
    free(queue);
    close_losses(&it);
}

static void test_steps(void **state) {
    static const char cosine[] = "data: {history: 80, examples: all_positions}\n"
                                 "fields: {item: [id], user: []}\n"
                                 "model: {dim: 8, scorer: cosine, user: {tower: sasrec, heads: 2, "
                                 "dropout: 0}, item: {tower: "
                                 "id}}\n"
                                 "train: {batch: 16, epochs: 2, learning_rate: 0.01}\n"
                                 "objectives:\n";
    check_steps(*state, position_config, 8, 0.5);
    check_steps(*state, position_config, 39, 0.5); // more than most users have left
    check_steps(*state, position_config, 1, 1);
    check_steps(*state, cosine, 8, 0.07);
}

/// All scores are 0. Of the letters' 8 positions 5 are of a user who has clicked everything.
static void test_by_hand(void **state) {
    const fixture *self = *state;
    fixture of_letters = *self;
    opened it;
    lode_error error = {0};
    path_in(self, "letters.lode", of_letters.data);
    check(open_losses(&it, &of_letters, position_config,
                      "  - {type: clrec.public, negatives: 2, temperature: 0.1}\n", &error),
          &error);
    for (size_t p = 0; p < it.trainer->model->params->count; p++)
        clear_param(&it, it.trainer->model->params->list[p]->name);
    double loss;
    check(lode__trainer_step(it.trainer, &loss, &error), &error);
    check_near(loss, 3 * log(3) / 8, 1e-6, "the letters");
    lode_figure figures[8];
    const lode_objective *objective = &it.trainer->objectives[0];
    const size_t count = objective->type->figures(objective->state, figures, 8);
    assert_int_equal(count, 4);
    assert_string_equal(figures[0].name, "negatives");
    assert_true(figures[0].value == 2 * 3 / 8.0);
    assert_string_equal(figures[1].name, "queue_length");
    const uint64_t *counts = array_of(it.trainer, "fifo.counts").data;
    assert_true(figures[1].value == (double)(counts[0] - counts[1]));
    assert_string_equal(figures[2].name, "queue_distinct");
    assert_true(figures[2].value >= 1 && figures[2].value <= 6);
    assert_string_equal(figures[3].name, "queue_from_log"); // all but the 8 that were to be found
    assert_true(figures[3].value == (double)(counts[0] - 8) / (double)counts[0]);
    (void)objective->type->figures(objective->state, figures, 8);
    assert_true(figures[0].value == 0 && figures[3].value == 0); // the next epoch
    close_losses(&it);
}

// --- gradients ------------------------------------------------------------------------------------------

static double loss_with(const opened *it, float *place, float value) {
    lode_graph *graph = it->trainer->scenes[0].graph;
    *place = value;
    it->trainer->model->params->version++;
    lode__graph_forward(graph);
    return lode__graph_loss_value(graph);
}

/// The last norm's gain and bias reach every position: their gradients against differences of the loss.
static void test_gradients(void **state) {
    static const char *const names[] = {"user.norm.gain", "user.norm.bias"};
    opened it;
    lode_error error = {0};
    check(open_losses(&it, *state, position_config,
                      "  - {type: clrec.public, negatives: 30, temperature: 0.2}\n", &error),
          &error);
    for (int step = 0; step < 3; step++)
        (void)step_losses(&it);
    lode_graph *graph = it.trainer->scenes[0].graph;
    lode__graph_forward(graph); // the batch of the last step, with the weights after it
    lode__graph_backward(graph);
    for (size_t n = 0; n < 2; n++) {
        const lode_param *param = lode__param_find(it.trainer->model->params, names[n]);
        assert_true(param != NULL && param->columns == 8);
        const float *gradient = param->gradient;
        float *values = param->value;
        for (size_t i = 0; i < 8; i++) {
            const float value = values[i], h = 0.01F;
            const double above = loss_with(&it, &values[i], value + h);
            const double below = loss_with(&it, &values[i], value - h);
            values[i] = value;
            const double slope = (above - below) / (2 * (double)h);
            if (!(fabs(slope - (double)gradient[i]) <= 2e-4 + 1e-3 * fabs(slope)))
                fail_msg("%s[%zu]: the gradient is %g, the slope %g", names[n], i,
                         (double)gradient[i], slope);
        }
    }
    close_losses(&it);
}

// --- whole runs -----------------------------------------------------------------------------------------

static void test_metrics(void **state) {
    const fixture *self = *state;
    const bytes log = read_file(self, "one", "metrics.jsonl");
    assert_non_null(log.data);
    assert_non_null(strstr(log.data,
                           "\"objectives\": [{\"type\": \"clrec.public\", \"negatives\": 8, "
                           "\"queue_length\": "));
    assert_non_null(strstr(log.data, "\"queue_distinct\": "));
    assert_non_null(strstr(log.data, "\"queue_from_log\": 0."));
    free(log.data);
}

static void test_checkpoint_does_not_fit(void **state) {
    const fixture *self = *state;
    static const char *const sets[] = {
        "objectives=[{type: clrec.public, negatives: 8, capacity: 3000}]", NULL};
    session small, large;
    lode_error error = {0};
    open_trainer(&small, self->data, self->folder, NULL);
    open_trainer(&large, self->data, self->folder, sets);
    (void)take_step(&small);
    check(lode__checkpoint_save(small.trainer, &error), &error);
    check_error(lode__checkpoint_load(large.trainer, &error), &error, LODE_E_MISMATCH,
                "objective.0.fifo.rows does not fit the configuration");
    const lode_state_array rows = array_of(small.trainer, "fifo.rows");
    uint64_t *counts = array_of(small.trainer, "fifo.counts").data;
    memset(rows.data, 0, rows.bytes);
    check(lode__checkpoint_save(small.trainer, &error), &error);
    check_error(lode__checkpoint_load(small.trainer, &error), &error, LODE_E_MISMATCH,
                "the queue of the checkpoint is damaged: click 0 is of row 0 of 40");
    counts[1] = counts[0] + 1;
    check(lode__checkpoint_save(small.trainer, &error), &error);
    check_error(lode__checkpoint_load(small.trainer, &error), &error, LODE_E_MISMATCH,
                "the queue of the checkpoint is damaged: of ");
    close_trainer(&small);
    close_trainer(&large);
}

static void test_refused(void **state) {
    const fixture *self = *state;
    static const struct {
        const char *set, *fragment;
    } cases[] = {{"data.examples=every_click", "clrec.public needs data.examples: all_positions"},
                 {"objectives=[{type: clrec.public, negatives: 40}]",
                  "40 different negatives cannot be found: 40 items have a training click"},
                 {"objectives=[{type: clrec.public, negatives: 8, capacity: 95}]",
                  "95 keys are fewer than the 96 queries of a step"},
                 {"objectives=[{type: clrec.public, negatives: 39, capacity: 96}]", NULL},
                 {"train.batch=1", NULL}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *const sets[] = {cases[i].set, NULL};
        if (cases[i].fragment != NULL) {
            expect_refused(self, sets, cases[i].fragment);
            continue;
        }
        session legal;
        open_trainer(&legal, self->data, self->folder, sets);
        close_trainer(&legal);
    }
    static const char *const tight[] = {
        "objectives=[{type: clrec.public, negatives: 8, capacity: 7}]", "train.batch=1", NULL};
    expect_refused(self, tight, "7 clicks are fewer than the 8 negatives");
    static const char *const keys[] = {"negatives: 0", "negatives: 4097", "queue: lifo",
                                       "temperature: 0"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        char text[512], name[16];
        lode_config config;
        lode_error error = {0};
        (void)snprintf(text, sizeof text, "objectives: [{type: clrec.public, %s}]\n", keys[i]);
        (void)snprintf(name, sizeof name, "%.*s", (int)strcspn(keys[i], ":"), keys[i]);
        check_error(lode__config_load(&config, text, "test", NULL, 0, &error), &error,
                    LODE_E_CONFIG, name);
        lode__config_release(&config);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),        cmocka_unit_test(test_stretches),
        cmocka_unit_test(test_nothing_left), cmocka_unit_test(test_steps),
        cmocka_unit_test(test_by_hand),      cmocka_unit_test(test_gradients),
        cmocka_unit_test(test_threads),      cmocka_unit_test(test_resume),
        cmocka_unit_test(test_metrics),      cmocka_unit_test(test_checkpoint_does_not_fit),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
