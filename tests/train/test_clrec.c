/// clrec.contrast: the loss of a step against Eq. 3 in double, the queue's order, the dial, threads, resume, wrong keys and
/// odd data.
#include <math.h>

#include "micrec.h"
#include "objective/queue.h"

/// Every key of the buffer after a step: the targets of the steps so far, newest first.
typedef struct history {
    uint32_t rows[4096];
    size_t count;
} history;

static void add_step(history *keys, const lode_batcher *batcher) {
    memmove(keys->rows + batcher->count, keys->rows, keys->count * sizeof *keys->rows);
    for (size_t i = 0; i < batcher->count; i++)
        keys->rows[i] = batcher->target_rows[batcher->count - 1 - i];
    keys->count += batcher->count;
}

typedef struct terms {
    double temperature, debias;
    bool mask, positive; ///< same_item; the positive once more beside what is left
} terms;

static double log_share(const lode_trainer *trainer, uint32_t row) {
    const uint32_t clicks = trainer->split->item_count[trainer->binding->item_of[row]];
    return log((double)clicks / (double)trainer->split->train_clicks);
}

/// Eq. 3 over keys[0 .. count - 1], with vectors of the weights before the step.
static double expected(const opened *it, const history *keys, size_t count, const terms *of) {
    lode_error error = {0};
    const lode_trainer *trainer = it->trainer;
    const lode_batcher *batcher = &trainer->batcher;
    const size_t d = trainer->model->item.width, items = trainer->model->vocabulary->items;
    lode_encoder *encoder = NULL;
    check(lode__encoder_new(&encoder, trainer->model, it->before, 64, NULL, &error), &error);
    float *item = calloc(items * d, sizeof *item), *user = calloc(batcher->count * d, sizeof *user);
    assert_true(item != NULL && user != NULL);
    lode__encode_items(encoder, item);
    lode_log_source clicks = {
        .binding = trainer->binding, .log = &trainer->split->log, .states = batcher->states};
    const lode_user_source source = lode__log_source(&clicks);
    lode__encode_users(encoder, &source, batcher->count, user);
    double total = 0;
    for (size_t q = 0; q < batcher->count; q++) {
        double sum = 0, positive = 0;
        for (size_t k = 0; k <= count; k++) { // the last is the positive
            const uint32_t row = k < count ? keys->rows[k] : batcher->target_rows[q];
            double z = 0;
            for (size_t i = 0; i < d; i++)
                z += (double)user[q * d + i] * (double)item[(row - 1) * d + i];
            z = z / of->temperature - (1 - of->debias) * log_share(trainer, row);
            const bool own = row == batcher->target_rows[q];
            if (k == count) positive = z;
            if (k < count ? !(own && of->mask) : of->positive) sum += exp(z);
        }
        total += log(sum) - positive;
    }
    free(item);
    free(user);
    lode__encoder_free(&encoder);
    return total / (double)batcher->count;
}

/// `count` steps; the last one's loss is Eq. 3 over the keys that the buffer must hold.
static void check_loss(const fixture *self, const char *objective, size_t count, size_t capacity,
                       const terms *of) {
    opened it;
    lode_error error = {0};
    history keys = {.count = 0};
    double loss = 0;
    check(open_trainer(&it, self, objective, NULL, &error), &error);
    for (size_t i = 0; i < count; i++) {
        lode__params_free(&it.before);
        lode__params_free(&it.heads);
        loss = step(&it);
        add_step(&keys, &it.trainer->batcher);
    }
    const double wanted = expected(&it, &keys, LODE_MIN(keys.count, capacity), of);
    if (!(fabs(loss - wanted) <= 2e-5 * fabs(wanted)))
        fail_msg("%sthe loss of step %zu is %.9g, not %.9g", objective, count, loss, wanted);
    close_trainer(&it);
}

static void test_loss(void **state) {
    static const terms plain = {.temperature = 0.5, .debias = 1, .mask = true, .positive = true};
    static const terms half = {.temperature = 0.07, .debias = 0.3, .mask = true, .positive = true};
    static const terms alone = {.temperature = 1, .debias = 1, .mask = true};
    static const terms literal = {.temperature = 1, .debias = 1};
    check_loss(*state, "  - {type: clrec.contrast, temperature: 0.5}\n", 2, 32, &plain);
    check_loss(*state, "  - {type: clrec.contrast, debias: 0.3}\n", 1, 32, &half);
    check_loss(*state, "  - {type: clrec.contrast, temperature: 1, denominator: negatives}\n", 1,
               32, &alone);
    check_loss(*state, "  - {type: clrec.contrast, temperature: 1, mask: none}\n", 1, 32, &literal);
    for (size_t count = 1; count <= 6; count++) { // it fills, and then forgets part of a step
        check_loss(*state,
                   "  - {type: clrec.contrast, buffer: inter, capacity: 105, temperature: 0.5}\n",
                   count, 105, &plain);
    }
}

static double one_loss(const fixture *self, const char *objective, size_t count) {
    opened it;
    lode_error error = {0};
    double loss = 0;
    check(open_trainer(&it, self, objective, NULL, &error), &error);
    for (size_t i = 0; i < count; i++)
        check(lode__trainer_step(it.trainer, &loss, &error), &error);
    close_trainer(&it);
    return loss;
}

/// The same bits: intra is in_batch, and inter with room for one step is intra.
static void test_kin(void **state) {
    const double off = one_loss(*state, "  - {type: in_batch, log_q: false}\n", 4);
    const double on = one_loss(*state, "  - {type: in_batch, log_q: true}\n", 4);
    assert_true(off != on);
    assert_true(off == one_loss(*state, "  - {type: clrec.contrast, temperature: 1}\n", 4));
    assert_true(on == one_loss(*state, "  - {type: clrec.contrast, temperature: 1, debias: 0}\n", 4));
    assert_true(off == one_loss(*state,
                                "  - {type: clrec.contrast, temperature: 1, buffer: inter, "
                                "capacity: 32}\n",
                                4));
}

static void test_queue(void **state) {
    (void)state;
    lode_arena arena = {0};
    lode_error error = {0};
    lode_queue queue;
    double mean, oldest;
    check(lode__queue_new(&queue, 3, 9, &arena, &error), &error);
    assert_int_equal(lode__queue_length(&queue), 0);
    lode__queue_ages(&queue, &mean, &oldest);
    assert_true(mean == 0 && oldest == 0);
    for (uint32_t row = 1; row <= 5; row++) {
        if (row != 5) lode__queue_step(&queue); // 4 and 5 come in one step
        lode__queue_push(&queue, row);
    }
    assert_int_equal(lode__queue_length(&queue), 3);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(queue.rows[lode__queue_place(&queue, i)], 3 + i);
    lode__queue_step(&queue);
    lode__queue_ages(&queue, &mean, &oldest);
    assert_true(fabs(mean - 4.0 / 3) < 1e-12 && oldest == 2);
    check(lode__queue_check(&queue, &error), &error);
    queue.rows[1] = 10;
    check_error(lode__queue_check(&queue, &error), &error, LODE_E_MISMATCH, "item row 10 of 9");
    lode__arena_release(&arena);
}

#define INTER                                                                                      \
    "objectives=[{type: clrec.contrast, buffer: inter, capacity: 150, temperature: 0.5}, {type: "  \
    "clrec.contrast, weight: 0.5}]"

static int stop_at_fifth(void *cookie, const lode_progress *progress) {
    return strcmp(progress->task, "train") == 0 && ++*(int *)cookie == 5;
}

static void test_threads_and_resume(void **state) {
    const fixture *self = *state;
    lode_error error = {0};
    const char *const one[] = {INTER, "train.threads=1", "train.epochs=2", NULL};
    const char *const three[] = {INTER, "train.threads=3", "train.epochs=2", NULL};
    check(train_small(self, "one", one, NULL, NULL, &error), &error);
    check(train_small(self, "three", three, NULL, NULL, &error), &error);
    check_same_run(self, "one", "three");
    lode_status status = LODE_E_STOPPED;
    int stops = 0;
    for (; status == LODE_E_STOPPED && stops < 100; stops++) {
        int calls = 0;
        const lode_hooks hooks = {.cookie = &calls, .progress = stop_at_fifth};
        status = train_small(self, "halves", one, "resume: true", &hooks, &error);
    }
    check(status, &error);
    assert_true(stops > 2);
    check_same_run(self, "one", "halves");
    const bytes log = read_file(self, "one", "metrics.jsonl");
    assert_non_null(
        strstr(log.data, "\"objectives\": [{\"type\": \"clrec.contrast\", \"negatives\": "));
    assert_non_null(strstr(log.data, "\"queue_length\": 150, \"queue_mean_age\": "));
    free(log.data);
}

/// A checkpoint that was made with another capacity, and one whose queue holds no items.
static void test_checkpoint_does_not_fit(void **state) {
    const fixture *self = *state;
    opened small, large;
    lode_error error = {0};
    check(open_trainer(&small, self, "  - {type: clrec.contrast, buffer: inter, capacity: 40}\n",
                       NULL, &error),
          &error);
    check(open_trainer(&large, self, "  - {type: clrec.contrast, buffer: inter, capacity: 41}\n",
                       NULL, &error),
          &error);
    (void)step(&small);
    check(lode__checkpoint_save(small.trainer, &error), &error);
    check_error(lode__checkpoint_load(large.trainer, &error), &error, LODE_E_MISMATCH,
                "objective.0.queue.rows does not fit the configuration");
    lode_state_array arrays[16];
    lode_objective *objective = &small.trainer->objectives[0];
    const size_t count = objective->type->arrays(objective->state, arrays, 16);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(arrays[i].name, "queue.rows") == 0) *(uint32_t *)arrays[i].data = 0;
    }
    check(lode__checkpoint_save(small.trainer, &error), &error);
    check_error(lode__checkpoint_load(small.trainer, &error), &error, LODE_E_MISMATCH,
                "the queue of the checkpoint is damaged");
    close_trainer(&small);
    close_trainer(&large);
}

static void check_refused(const fixture *self, const char *objective, const char *fragment) {
    opened it;
    lode_error error = {0};
    check_error(open_trainer(&it, self, objective, NULL, &error), &error, LODE_E_CONFIG, fragment);
    close_trainer(&it);
}

static void test_refused(void **state) {
    check_refused(*state, "  - {type: clrec.contrast, buffer: inter, capacity: 31}\n",
                  "31 keys are fewer than the 32 queries of a step");
    check_refused(*state, "  - {type: clrec.contrast, capacity: 100}\n", "capacity is for");
    check_refused(*state, "  - {type: clrec.contrast, debias: 1.5}\n", "debias");
    check_refused(*state, "  - {type: clrec.contrast, buffer: outer}\n", "buffer");
    check_refused(*state, "  - {type: clrec.contrast, mask: none, denominator: negatives}\n",
                  "the queue holds the positive");
}

/// All clicks at one moment, and (`one`) all on one item but a user's first.
static void import_odd(fixture *self, const char *name, bool one) {
    lode_error error = {0};
    char raw[PATH_ROOM], file_name[64];
    (void)snprintf(file_name, sizeof file_name, "%s.inter", name);
    path_in(self, file_name, raw);
    FILE *file = fopen(raw, "wb");
    assert_non_null(file);
    (void)fprintf(file, "user_id:token\titem_id:token\ttimestamp:float\n");
    for (int user = 0; user < 40; user++)
        for (int click = 0; click < 6; click++)
            (void)fprintf(file, "u%d\ti%d\t1500000000\n", user,
                          one && click > 0 ? 0 : (user * 7 + click * 3) % 20);
    assert_int_equal(fclose(file), 0);
    (void)snprintf(file_name, sizeof file_name, "%s.lode", name);
    path_in(self, file_name, self->data);
    check(lode_import(raw, self->data, NULL, NULL, NULL, &error), &error);
}

static void test_odd_data(void **state) {
    fixture self = *(const fixture *)*state;
    import_odd(&self, "moment", false);
    const double loss =
        one_loss(&self, "  - {type: clrec.contrast, buffer: inter, capacity: 64}\n", 3);
    assert_true(isfinite(loss) && loss > 0);
    import_odd(&self, "item", true); // nothing to contrast with; without a mask 64 equal keys
    assert_true(one_loss(&self, "  - {type: clrec.contrast}\n", 3) == 0);
    const double all =
        one_loss(&self, "  - {type: clrec.contrast, mask: none, buffer: inter, capacity: 64}\n", 3);
    assert_true(fabs(all - log(64)) < 1e-5);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_loss),
        cmocka_unit_test(test_kin),
        cmocka_unit_test(test_queue),
        cmocka_unit_test(test_threads_and_resume),
        cmocka_unit_test(test_checkpoint_does_not_fit),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_odd_data),
    };
    return cmocka_run_group_tests(tests, setup, fixture_teardown);
}
