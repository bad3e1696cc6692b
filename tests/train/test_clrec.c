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

/// What metrics.jsonl says of a step: its keys less those of the query's own item, or all of them; the next epoch is new.
static void test_figures(void **state) {
    static const char *const objectives[] = {"  - {type: clrec.contrast}\n",
                                             "  - {type: clrec.contrast, mask: none}\n"};
    for (size_t o = 0; o < 2; o++) {
        opened it;
        lode_error error = {0};
        lode_figure figures[8];
        check(open_trainer(&it, *state, objectives[o], NULL, &error), &error);
        (void)step(&it);
        const lode_batcher *batcher = &it.trainer->batcher;
        const size_t m = batcher->count;
        double counted = 0, copies = 0;
        for (size_t q = 0; q < m; q++) {
            for (size_t k = 0; k < m; k++) {
                const bool own = batcher->target_rows[k] == batcher->target_rows[q];
                counted += !own || o == 1;
                copies += own && k != q;
            }
        }
        assert_true(copies > 0); // an item that counts more than once
        const lode_objective *objective = &it.trainer->objectives[0];
        for (int time = 0; time < 2; time++) {
            assert_int_equal(objective->type->figures(objective->state, figures, 8), 1);
            assert_string_equal(figures[0].name, "negatives");
            assert_true(fabs(figures[0].value - (time == 0 ? counted / (double)m : 0)) < 1e-9);
        }
        close_trainer(&it);
    }
}

static void test_queue(void **state) {
    (void)state;
    lode_arena arena = {0};
    lode_error error = {0};
    lode_queue queue;
    double mean, oldest;
    check(lode__queue_new(&queue, 3, 9, 0, &arena, &error), &error);
    assert_int_equal(lode__queue_length(&queue), 0);
    lode__queue_ages(&queue, &mean, &oldest);
    assert_true(mean == 0 && oldest == 0);
    for (uint32_t row = 1; row <= 5; row++) {
        if (row != 5) lode__queue_step(&queue); // 4 and 5 come in one step
        (void)lode__queue_push(&queue, row);
    }
    assert_int_equal(lode__queue_length(&queue), 3);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(queue.rows[lode__queue_place(&queue, i)], 3 + i);
    lode__queue_step(&queue);
    lode__queue_ages(&queue, &mean, &oldest);
    assert_true(fabs(mean - 4.0 / 3) < 1e-12 && oldest == 2);
    check(lode__queue_check(&queue, &error), &error);
    queue.rows[1] = 10;
    check_error(lode__queue_check(&queue, &error), &error, LODE_E_MISMATCH, "row 10 of 9");
    lode__arena_release(&arena);
}

/// Vectors of all items as a key encoder with the weights `params` gives them.
static float *item_vectors(const opened *it, const lode_params *params) {
    lode_error error = {0};
    const lode_model_core *model = it->trainer->model;
    lode_encoder *encoder = NULL;
    check(lode__encoder_new(&encoder, model, params, 64, NULL, &error), &error);
    float *out = calloc((size_t)model->vocabulary->items * model->item.width, sizeof *out);
    assert_non_null(out);
    lode__encode_items(encoder, out);
    lode__encoder_free(&encoder);
    return out;
}

static lode_state_array array_of(const opened *it, const char *name) {
    lode_state_array arrays[16];
    lode_objective *objective = &it->trainer->objectives[0];
    const size_t count = objective->type->arrays(objective->state, arrays, 16);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(arrays[i].name, name) == 0) return arrays[i];
    }
    return (lode_state_array){0};
}

/// What the key encoder must be: the live tables, and dense item weights averaged over the steps in double.
static void follow(lode_params *keys, const lode_params *live, double momentum) {
    for (size_t p = 0; p < keys->count; p++) {
        lode_param *param = keys->list[p];
        const bool copied = param->store == NULL;
        for (size_t e = 0; e < param->rows * param->columns; e++) {
            const double old = copied ? momentum * (double)((float *)param->value)[e] : 0;
            const double share = copied ? 1 - momentum : 1;
            ((float *)param->value)[e] =
                (float)(old + share * (double)((float *)live->list[p]->value)[e]);
        }
    }
    keys->version++;
}

/// Loss of the last of `count` steps with vectors that the test queues itself: Eq. 3 over `capacity` keys of which the
/// latest step's are live (or, `strict`, as queued), and Eq. 5 from step to step.
static void check_moco(const fixture *self, const char *objective, double momentum, bool strict) {
    enum { CAPACITY = 70, COUNT = 4, ROOM = 4096 };
    opened it;
    lode_error error = {0};
    lode_params *key_params = NULL;
    history keys = {.count = 0};
    float *queued = NULL;
    double loss = 0;
    check(open_trainer(&it, self, objective, NULL, &error), &error);
    const lode_trainer *trainer = it.trainer;
    const size_t d = trainer->model->item.width;
    queued = calloc(ROOM * d, sizeof *queued);
    assert_non_null(queued);
    check(lode__params_clone(&key_params, trainer->model->params, LODE_F32, &error), &error);
    for (size_t s = 0; s < COUNT; s++) {
        lode__params_free(&it.before);
        lode__params_free(&it.heads);
        float *vectors = item_vectors(&it, key_params);
        loss = step(&it);
        add_step(&keys, &trainer->batcher);
        const size_t m = trainer->batcher.count;
        memmove(queued + m * d, queued, (keys.count - m) * d * sizeof *queued);
        for (size_t i = 0; i < m; i++)
            memcpy(queued + i * d, vectors + (keys.rows[i] - 1) * d, d * sizeof *queued);
        free(vectors);
        follow(key_params, trainer->model->params, momentum);
    }
    float *live = item_vectors(&it, it.before);
    const size_t m = trainer->batcher.count, length = LODE_MIN(keys.count, (size_t)CAPACITY);
    lode_encoder *encoder = NULL;
    check(lode__encoder_new(&encoder, trainer->model, it.before, 64, NULL, &error), &error);
    float *user = calloc(m * d, sizeof *user);
    assert_non_null(user);
    lode_log_source clicks = {
        .binding = trainer->binding, .log = &trainer->split->log, .states = trainer->batcher.states};
    const lode_user_source source = lode__log_source(&clicks);
    lode__encode_users(encoder, &source, m, user);
    double total = 0;
    for (size_t q = 0; q < m; q++) {
        double sum = 0, positive = 0;
        for (size_t k = 0; k < length; k++) {
            const float *key = k < m && !strict ? live + (keys.rows[k] - 1) * d : queued + k * d;
            double z = 0;
            for (size_t i = 0; i < d; i++)
                z += (double)user[q * d + i] * (double)key[i] / 0.5;
            if (k == m - 1 - q) positive = z;
            if (k == m - 1 - q || keys.rows[k] != trainer->batcher.target_rows[q]) sum += exp(z);
        }
        total += log(sum) - positive;
    }
    total /= (double)m;
    if (!(fabs(loss - total) <= 2e-5 * fabs(total)))
        fail_msg("%sthe loss is %.9g, not %.9g", objective, loss, total);
    free(live);
    free(user);
    free(queued);
    lode__encoder_free(&encoder);
    lode__params_free(&key_params);
    close_trainer(&it);
}

static void test_moco(void **state) {
#define MOCO(more)                                                                                 \
    "  - {type: clrec.contrast, buffer: moco, capacity: 70, temperature: 0.5, " more "}\n"
    check_moco(*state, MOCO("momentum: 0"), 0, false);
    check_moco(*state, MOCO("momentum: 0.6"), 0.6, false);
    check_moco(*state, MOCO("momentum: 1"), 1, false);
    const double intra = one_loss(*state, "  - {type: clrec.contrast, temperature: 0.5}\n", 4);
    const double one = one_loss(
        *state, "  - {type: clrec.contrast, buffer: moco, capacity: 32, temperature: 0.5}\n", 4);
    if (!(fabs(intra - one) <= 1e-5 * intra))
        fail_msg("intra %.9g, moco of a step %.9g", intra, one);
}

/// An id tower: nothing but tables, so nothing to copy, and strict is legal.
static void test_strict(void **state) {
    const fixture *self = *state;
    static const char id[] = "user: {tower: youtubednn, layers: [8]}\n"
                             "  item: {tower: id}\n"
                             "objectives:\n"
                             "  - {type: clrec.contrast, buffer: moco, moco: strict, capacity: 70, "
                             "temperature: 0.5, momentum: 0.9}\n";
    opened it;
    lode_error error = {0};
    char text[1024];
    (void)snprintf(text, sizeof text, "data: {history: 6}\nmodel:\n  dim: 8\n  %s%s", id,
                   "train: {batch: 32, epochs: 2, learning_rate: 0.01}\n");
    it = (opened){0};
    check(lode__config_load(&it.config, text, "test", NULL, 0, &error), &error);
    const lode_phase phase = {self->data, self->folder, 2, false};
    check(lode__trainer_new(&it.trainer, &it.config, &phase, NULL, &error), &error);
    assert_null(array_of(&it, "momentum").data);
    for (int i = 0; i < 4; i++) {
        lode__params_free(&it.before);
        lode__params_free(&it.heads);
        assert_true(isfinite(step(&it)));
    }
    // What was queued this step are the vectors of the weights before it.
    float *vectors = item_vectors(&it, it.before);
    const lode_state_array rows = array_of(&it, "queue.rows"),
                           kept = array_of(&it, "queue.vectors");
    const lode_state_array born = array_of(&it, "queue.born");
    size_t fresh = 0;
    for (size_t i = 0; i < 70; i++) {
        if (((uint64_t *)born.data)[i] != 4) continue;
        fresh++;
        assert_memory_equal((float *)kept.data + 8 * i,
                            vectors + 8 * (((uint32_t *)rows.data)[i] - 1), 8 * sizeof *vectors);
    }
    assert_int_equal(fresh, 32);
    free(vectors);
    close_trainer(&it);
}

/// Eq. 5 by hand, and that a momentum copy is state of the checkpoint.
static void test_momentum(void **state) {
    opened it;
    lode_error error = {0};
    check(open_trainer(&it, *state, MOCO("momentum: 0.75"), NULL, &error), &error);
    (void)step(&it);
    const lode_state_array copy = array_of(&it, "momentum");
    const lode_params *now = it.trainer->model->params;
    size_t at = 0;
    for (size_t p = 0; p < now->count; p++) {
        const lode_param *param = now->list[p];
        if (param->store != NULL || strncmp(param->name, "item.", 5) != 0) continue;
        for (size_t e = 0; e < param->rows * param->columns; e++, at++) {
            const double wanted = 0.75 * (double)((float *)it.before->list[p]->value)[e] +
                                  0.25 * (double)((float *)param->value)[e];
            assert_true(fabs((double)((float *)copy.data)[at] - wanted) <= 1e-7);
        }
    }
    assert_int_equal(at * sizeof(float), copy.bytes);
    close_trainer(&it);
}

#define INTER                                                                                      \
    "objectives=[{type: clrec.contrast, buffer: inter, capacity: 150, temperature: 0.5}, {type: "  \
    "clrec.contrast, weight: 0.5}]"

static int stop_at_fifth(void *cookie, const lode_progress *progress) {
    return strcmp(progress->task, "train") == 0 && ++*(int *)cookie == 5;
}

static void check_runs(const fixture *self, const char *objectives, const char *first,
                       const char *second, const char *third) {
    lode_error error = {0};
    const char *const one[] = {objectives, "train.threads=1", "train.epochs=2", NULL};
    const char *const three[] = {objectives, "train.threads=3", "train.epochs=2", NULL};
    check(train_small(self, first, one, NULL, NULL, &error), &error);
    check(train_small(self, second, three, NULL, NULL, &error), &error);
    check_same_run(self, first, second);
    lode_status status = LODE_E_STOPPED;
    int stops = 0;
    for (; status == LODE_E_STOPPED && stops < 100; stops++) {
        int calls = 0;
        const lode_hooks hooks = {.cookie = &calls, .progress = stop_at_fifth};
        status = train_small(self, third, one, "resume: true", &hooks, &error);
    }
    check(status, &error);
    assert_true(stops > 2);
    check_same_run(self, first, third);
}

static void test_threads_and_resume(void **state) {
    const fixture *self = *state;
    check_runs(self, INTER, "one", "three", "halves");
    check_runs(self,
               "objectives=[{type: clrec.contrast, buffer: moco, capacity: 150, temperature: 0.5, "
               "momentum: 0.5}]",
               "moco-one", "moco-three", "moco-halves");
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

/// A training that goes back to a checkpoint of its own repeats its steps: nothing packed of the key encoder is left over.
static void test_back_to_checkpoint(void **state) {
    opened it;
    lode_error error = {0};
    double losses[2][3];
    check(open_trainer(&it, *state, MOCO("momentum: 0.5"), NULL, &error), &error);
    for (int i = 0; i < 2; i++)
        check(lode__trainer_step(it.trainer, &losses[0][0], &error), &error);
    check(lode__checkpoint_save(it.trainer, &error), &error);
    for (int time = 0; time < 2; time++) {
        if (time > 0) check(lode__checkpoint_load(it.trainer, &error), &error);
        for (int i = 0; i < 3; i++)
            check(lode__trainer_step(it.trainer, &losses[time][i], &error), &error);
    }
    assert_memory_equal(losses[0], losses[1], sizeof losses[0]);
    close_trainer(&it);
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
    check_refused(*state, "  - {type: clrec.contrast, buffer: moco, capacity: 31}\n",
                  "31 keys are fewer than the 32 queries of a step");
    check_refused(*state, "  - {type: clrec.contrast, momentum: 1.01}\n", "momentum");
    check_refused(*state, "  - {type: clrec.contrast, momentum: -0.1}\n", "momentum");
    check_refused(*state, "  - {type: clrec.contrast, buffer: moco, moco: strict}\n", "item.");
    check_refused(*state, "  - {type: clrec.contrast, capacity: 100}\n", "capacity is for");
    check_refused(*state, "  - {type: clrec.contrast, debias: 1.5}\n", "debias");
    check_refused(*state, "  - {type: clrec.contrast, buffer: outer}\n", "buffer");
    check_refused(*state, "  - {type: clrec.contrast, mask: none, denominator: negatives}\n",
                  "the queue holds the positive");
}

/// All clicks at one moment, and (`one`) all on one item but a user's first.
static void import_odd(fixture *self, const char *name, int users, bool one) {
    lode_error error = {0};
    char raw[PATH_ROOM], file_name[64];
    (void)snprintf(file_name, sizeof file_name, "%s.inter", name);
    path_in(self, file_name, raw);
    FILE *file = fopen(raw, "wb");
    assert_non_null(file);
    (void)fprintf(file, "user_id:token\titem_id:token\ttimestamp:float\n");
    for (int user = 0; user < users; user++)
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
    import_odd(&self, "moment", 40, false);
    const double loss =
        one_loss(&self, "  - {type: clrec.contrast, buffer: inter, capacity: 64}\n", 3);
    assert_true(isfinite(loss) && loss > 0);
    import_odd(&self, "item", 40, true); // nothing to contrast with; without a mask 64 equal keys
    assert_true(one_loss(&self, "  - {type: clrec.contrast}\n", 3) == 0);
    const double all =
        one_loss(&self, "  - {type: clrec.contrast, mask: none, buffer: inter, capacity: 64}\n", 3);
    assert_true(fabs(all - log(64)) < 1e-5);
    import_odd(&self, "copies", 200, true); // more copies of the positive than other masks hold
    assert_true(one_loss(&self, "  - {type: clrec.contrast, buffer: moco, capacity: 640}\n", 16) == 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_loss),
        cmocka_unit_test(test_kin),
        cmocka_unit_test(test_queue),
        cmocka_unit_test(test_figures),
        cmocka_unit_test(test_moco),
        cmocka_unit_test(test_strict),
        cmocka_unit_test(test_momentum),
        cmocka_unit_test(test_threads_and_resume),
        cmocka_unit_test(test_checkpoint_does_not_fit),
        cmocka_unit_test(test_back_to_checkpoint),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_odd_data),
    };
    return cmocka_run_group_tests(tests, setup, fixture_teardown);
}
