/// clrec.user: the loss of a step in double over a queue that the test keeps, which clicks a key holds, Eq. 5 by hand,
/// the mask, threads, resume, users without a next click, wrong keys.
#include "losses.h"

enum { ROOM = 8192 };

/// The keys of the steps so far, newest first.
typedef struct kept {
    uint32_t users[ROOM];
    float *vectors; ///< [ROOM, d]
    size_t count;
} kept;

/// What the test takes the key of a query to be: clicks [begin, end) of a user.
typedef struct key_clicks {
    const lode_trainer *trainer;
    const lode_state *queries;
    uint64_t next;
} key_clicks;

static uint64_t end_of(const key_clicks *self, size_t index) {
    const lode_state *query = &self->queries[index];
    const uint64_t last = self->trainer->split->train_end[query->user];
    return query->end + self->next < last ? query->end + self->next : last;
}

static size_t key_history(void *context, size_t index, size_t limit, uint32_t *rows) {
    const key_clicks *self = context;
    size_t count = 0;
    for (uint64_t at = end_of(self, index); at-- > self->queries[index].end;)
        rows[count++] = self->trainer->binding->item_row[self->trainer->split->log.item[at]];
    assert_in_range(count, 1, limit);
    return count;
}

static size_t key_ages(void *context, size_t index, size_t limit, int64_t *ages) {
    const key_clicks *self = context;
    const int64_t *time = self->trainer->split->log.time;
    const uint64_t end = end_of(self, index);
    size_t count = 0;
    for (uint64_t at = end; at-- > self->queries[index].end;)
        ages[count++] = time[end - 1] - time[at];
    assert_in_range(count, 1, limit);
    return count;
}

static size_t key_values(void *context, size_t index, size_t number, size_t limit, uint32_t *rows) {
    const key_clicks *self = context;
    const lode_binding *binding = self->trainer->binding;
    const lode_codes *codes = &binding->users[number];
    const uint32_t user = self->queries[index].user;
    size_t count = 0;
    rows[0] = 0;
    if (binding->vocabulary->fields[number].side != LODE_SIDE_USER) return 1;
    for (uint64_t c = codes->starts[user]; c < codes->starts[user + 1] && count < limit; c++)
        rows[count++] = codes->codes[c];
    return count;
}

/// Vectors of the step's keys with the weights `params`, in front of those kept.
static void keep_step(kept *keys, const opened *it, const lode_params *params, uint64_t next) {
    lode_error error = {0};
    const lode_trainer *trainer = it->trainer;
    const lode_batcher *batcher = &trainer->batcher;
    const size_t m = batcher->count, d = trainer->model->user.width;
    lode_encoder *encoder = NULL;
    key_clicks clicks = {trainer, batcher->states, next};
    const lode_user_source source = {&clicks, key_history, key_values, key_ages};
    assert_true(keys->count + m <= ROOM);
    float *fresh = calloc(m * d, sizeof *fresh);
    assert_non_null(fresh);
    check(lode__encoder_new(&encoder, trainer->model, params, MOST_QUERIES, NULL, &error), &error);
    lode__encode_users(encoder, &source, m, fresh);
    lode__encoder_free(&encoder);
    memmove(keys->users + m, keys->users, keys->count * sizeof *keys->users);
    memmove(keys->vectors + m * d, keys->vectors, keys->count * d * sizeof *keys->vectors);
    for (size_t i = 0; i < m; i++) {
        keys->users[m - 1 - i] = batcher->states[i].user;
        memcpy(keys->vectors + (m - 1 - i) * d, fresh + i * d, d * sizeof *fresh);
    }
    keys->count += m;
    free(fresh);
}

typedef struct terms {
    double momentum;
    uint64_t next;
    bool mask;
    size_t capacity;
} terms;

/// Eq. 3 over the newest `capacity` keys, at temperature .5. @param negatives  mean number a query
static double expected(const kept *keys, const opened *it, const terms *of, double *negatives) {
    const lode_batcher *batcher = &it->trainer->batcher;
    const size_t m = batcher->count, d = it->trainer->model->user.width;
    const size_t length = LODE_MIN(keys->count, of->capacity);
    double total = 0;
    *negatives = 0;
    for (size_t q = 0; q < m; q++) {
        double sum = 0, positive = 0;
        for (size_t k = 0; k < length; k++) {
            const bool own = k == m - 1 - q;
            double z = 0;
            for (size_t i = 0; i < d; i++)
                z += (double)it->users[q * d + i] * (double)keys->vectors[k * d + i] / 0.5;
            if (own) positive = z;
            const bool masked = of->mask && keys->users[k] == batcher->states[q].user;
            if (!masked) *negatives += 1.0 / (double)m;
            if (own || !masked) sum += exp(z);
        }
        total += log(sum) - positive;
    }
    return total / (double)m;
}

/// Eq. 5 in double: tables as they are, other weights averaged.
static void follow(lode_params *keys, const lode_params *live, double momentum) {
    for (size_t p = 0; p < keys->count; p++) {
        lode_param *param = keys->list[p];
        const double stays = param->store == NULL ? momentum : 0;
        float *slow = param->value;
        const float *fast = live->list[p]->value;
        for (size_t e = 0; e < param->rows * param->columns; e++)
            slow[e] = (float)(stays * (double)slow[e] + (1 - stays) * (double)fast[e]);
    }
    keys->version++;
}

/// Losses of `count` steps, each against Eq. 3 over keys that the test made itself, and the number of negatives.
static void check_losses(const fixture *self, const char *config, const char *objective,
                         const terms *of, size_t count) {
    opened it;
    lode_error error = {0};
    lode_params *key_params = NULL;
    double negatives, sum = 0, queries = 0;
    check(open_losses(&it, self, config, objective, &error), &error);
    const lode_trainer *trainer = it.trainer;
    kept *keys = calloc(1, sizeof *keys);
    assert_non_null(keys);
    keys->vectors = calloc(ROOM * trainer->model->user.width, sizeof *keys->vectors);
    assert_non_null(keys->vectors);
    check(lode__params_clone(&key_params, trainer->model->params, LODE_F32, &error), &error);
    for (size_t s = 0; s < count; s++) {
        if (trainer->batcher.positions) { // as step_losses takes the live ones out
            lode_param *places = lode__param_find(key_params, "user.history.position");
            memset(places->value, 0, places->rows * places->columns * sizeof(float));
            key_params->version++;
        }
        const double loss = step_losses(&it);
        keep_step(keys, &it, key_params, of->next);
        check_near(loss, expected(keys, &it, of, &negatives), 2e-5, objective);
        sum += negatives * (double)trainer->batcher.count;
        queries += (double)trainer->batcher.count;
        follow(key_params, trainer->model->params, of->momentum);
    }
    lode_figure figures[8];
    lode_objective *objectives = trainer->objectives;
    assert_int_equal(objectives[0].type->figures(objectives[0].state, figures, 8), 4);
    assert_string_equal(figures[0].name, "negatives");
    check_near(figures[0].value, sum / queries, 1e-9, "negatives");
    assert_true(figures[1].value == (double)LODE_MIN(keys->count, of->capacity));
    assert_int_equal(objectives[0].type->figures(objectives[0].state, figures, 8), 4);
    assert_true(figures[0].value == 0); // an epoch at a time
    lode__params_free(&key_params);
    free(keys->vectors);
    free(keys);
    close_losses(&it);
}

#define USER(more) "  - {type: clrec.user, temperature: 0.5, " more "}\n"

static void test_loss(void **state) {
    static const terms bank = {0, 5, true, 2560}, slow = {0.6, 5, true, 70},
                       still = {1, 2, true, 70}, bare = {0.999, 5, false, 70};
    check_losses(*state, click_config, USER("momentum: 0"), &bank, 3);
    check_losses(*state, click_config, USER("momentum: 0.6, capacity: 70"), &slow, 5);
    check_losses(*state, click_config, USER("momentum: 1, capacity: 70, next: 2"), &still, 4);
    check_losses(*state, click_config, USER("mask: none, capacity: 70"), &bare, 4);
}

static const char aged_config[] =
    "data: {history: 6, examples: random_cut}\n"
    "model:\n"
    "  dim: 8\n"
    "  user: {tower: wha, heads: 2, feed_forward: 8, time_buckets: [60, 1000, 10000, 100000]}\n"
    "  item: {tower: id}\n"
    "train: {batch: 32, epochs: 2, learning_rate: 0.01, threads: 1}\n"
    "objectives:\n";

/// More queries than are encoded at once.
static const char wide_config[] = "data: {history: 6}\n"
                                  "model: {dim: 8}\n"
                                  "train: {batch: 700, epochs: 2, learning_rate: 0.01}\n"
                                  "objectives:\n";

/// Ages of a key's clicks count from its newest; positions of a window are queries of their own.
static void test_other_examples(void **state) {
    static const terms aged = {0.9, 4, true, 40}, positions = {0, 5, true, 2560};
    check_losses(*state, aged_config, USER("momentum: 0.9, capacity: 40, next: 4"), &aged, 2);
    check_losses(*state, position_config, USER("momentum: 0"), &positions, 2);
    check_losses(*state, wide_config, USER("momentum: 0"), &positions, 1);
}

typedef enum change { NOTHING, HELD_OUT, TRAINING } change;

static double loss_after(const fixture *self, change what) {
    opened it;
    lode_error error = {0};
    double loss = 0;
    check(open_losses(&it, self, aged_config, USER("capacity: 300"), &error), &error);
    lode_split *split = it.trainer->split;
    const uint64_t clicks = split->log.offsets[split->log.users];
    uint32_t *item = calloc(clicks, sizeof *item);
    int64_t *time = calloc(clicks, sizeof *time);
    assert_true(item != NULL && time != NULL);
    memcpy(item, split->log.item, clicks * sizeof *item);
    memcpy(time, split->log.time, clicks * sizeof *time);
    for (uint32_t user = 0; user < split->log.users && what != NOTHING; user++) {
        const uint64_t end = split->train_end[user];
        const uint64_t first = what == HELD_OUT ? end : end - 1;
        const uint64_t last = what == HELD_OUT ? split->log.offsets[user + 1] : end;
        for (uint64_t at = first; at < last; at++) {
            item[at] = (item[at] + 1) % split->log.items;
            time[at] += 864000000;
        }
    }
    split->log.item = item;
    split->log.time = time;
    for (int i = 0; i < 4; i++)
        check(lode__trainer_step(it.trainer, &loss, &error), &error);
    close_losses(&it);
    free(item);
    free(time);
    return loss;
}

/// What was held out may be anything.
static void test_training_part_only(void **state) {
    const double loss = loss_after(*state, NOTHING);
    assert_true(isfinite(loss) && loss > 0);
    assert_true(loss == loss_after(*state, HELD_OUT));
    assert_true(loss != loss_after(*state, TRAINING));
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

/// Eq. 5 by hand over the dense weights of the user tower and no others.
static void test_momentum(void **state) {
    opened it;
    lode_error error = {0};
    lode_params *before = NULL;
    check(open_losses(&it, *state, click_config, USER("momentum: 0.75"), &error), &error);
    check(lode__params_clone(&before, it.trainer->model->params, LODE_F32, &error), &error);
    (void)step_losses(&it);
    const lode_state_array copy = array_of(&it, "momentum");
    const lode_params *now = it.trainer->model->params;
    size_t at = 0, moved = 0;
    for (size_t p = 0; p < now->count; p++) {
        const lode_param *param = now->list[p];
        if (param->store != NULL || strncmp(param->name, "user.", 5) != 0) continue;
        for (size_t e = 0; e < param->rows * param->columns; e++, at++) {
            const double old = (double)((float *)before->list[p]->value)[e];
            const double new = (double)((float *)param->value)[e];
            const double got = (double)((float *)copy.data)[at];
            assert_true(fabs(got - (0.75 * old + 0.25 * new)) <= 1e-7);
            moved += fabs(new - old) > 1e-6;
        }
    }
    assert_true(moved > 0);
    assert_int_equal(at * sizeof(float), copy.bytes);
    lode__params_free(&before);
    close_losses(&it);
    check(open_losses(&it, *state, click_config, USER("momentum: 0"), &error), &error);
    assert_null(array_of(&it, "momentum").data);
    close_losses(&it);
}

static int stop_at_fifth(void *cookie, const lode_progress *progress) {
    return strcmp(progress->task, "train") == 0 && ++*(int *)cookie == 5;
}

/// The bytes of one thread, of three, and of a run that was stopped. @param sets  [7], the first two to be set here
static void check_runs(const fixture *self, const char **sets, const char *const names[3]) {
    lode_error error = {0};
    sets[0] = "train.epochs=2";
    sets[1] = "train.threads=3";
    check(train_small(self, names[1], sets, NULL, NULL, &error), &error);
    sets[1] = "train.threads=1";
    check(train_small(self, names[0], sets, NULL, NULL, &error), &error);
    check_same_run(self, names[0], names[1]);
    lode_status status = LODE_E_STOPPED;
    int stops = 0;
    for (; status == LODE_E_STOPPED && stops < 100; stops++) {
        int calls = 0;
        const lode_hooks hooks = {.cookie = &calls, .progress = stop_at_fifth};
        status = train_small(self, names[2], sets, "resume: true", &hooks, &error);
    }
    check(status, &error);
    assert_true(stops > 2);
    check_same_run(self, names[0], names[2]);
}

static void test_threads_and_resume(void **state) {
    const fixture *self = *state;
    static const char *const names[] = {"one", "three", "halves"}, *const others[] = {"one-a",
                                                                                      "three-a",
                                                                                      "halves-a"};
    const char *vectors[] = {NULL, NULL,
                             "objectives=[{type: clrec.user, capacity: 150, temperature: 0.5, "
                             "momentum: 0.5}, {type: in_batch}]",
                             NULL};
    const char *attention[] = {NULL,
                               NULL,
                               "objectives=[{type: clrec.user, capacity: 150, temperature: 0.5, "
                               "momentum: 0.5, store: attention}, {type: in_batch}]",
                               "model.user={tower: wha, heads: 2, feed_forward: 8}",
                               "model.item={tower: id}",
                               "fields.user=[]",
                               NULL};
    check_runs(self, vectors, names);
    check_runs(self, attention, others);
    const bytes log = read_file(self, "one", "metrics.jsonl");
    assert_non_null(
        strstr(log.data, "\"objectives\": [{\"type\": \"clrec.user\", \"negatives\": "));
    assert_non_null(strstr(log.data, "\"queue_length\": 150, \"queue_mean_age\": "));
    free(log.data);
}

#define PLAIN(scorer)                                                                              \
    "data: {history: 6}\nfields: {item: [id], user: []}\n"                                         \
    "model: {dim: 8, scorer: " scorer ", user: {tower: wha, heads: 2, feed_forward: 8, "           \
    "position: none, time_buckets: []}, item: {tower: id}}\n"                                      \
    "train: {batch: 32, epochs: 2, learning_rate: 0.01}\nobjectives:\n"

/// wha of two heads over rows of the item table `table` [items, 8], by the definition (CLRec Eq. 14 and 15).
static void merge_by_hand(const float *table, const uint32_t *rows, size_t count,
                          const float *scores, bool cosine, double *vector) {
    double head[2][8] = {{0}}, mean[8], product[2] = {0}, length = 0;
    for (size_t h = 0; h < 2; h++) {
        double sum = 0;
        for (size_t t = 0; t < count; t++)
            sum += exp((double)scores[2 * t + h]);
        for (size_t t = 0; t < count; t++) {
            const double share = exp((double)scores[2 * t + h]) / sum;
            for (size_t i = 0; i < 8; i++)
                head[h][i] += share * (double)table[(rows[t] - 1) * 8 + i];
        }
    }
    for (size_t i = 0; i < 8; i++) {
        mean[i] = (head[0][i] + head[1][i]) / 2;
        product[0] += head[0][i] * mean[i];
        product[1] += head[1][i] * mean[i];
    }
    const double first = 1 / (1 + exp(product[1] - product[0]));
    for (size_t i = 0; i < 8; i++) {
        vector[i] = first * head[0][i] + (1 - first) * head[1][i];
        length += vector[i] * vector[i];
    }
    for (size_t i = 0; i < 8 && cosine; i++)
        vector[i] /= sqrt(length);
}

/// Vectors [capacity, 8] of the queue from what it holds and today's item table.
static void queue_by_hand(const opened *it, const float *table, size_t length, bool cosine,
                          double *vectors) {
    const uint32_t *counts = array_of(it, "heads.counts").data;
    const uint32_t *rows = array_of(it, "heads.rows").data;
    const float *scores = array_of(it, "heads.scores").data;
    assert_true(counts != NULL && rows != NULL && scores != NULL);
    for (size_t k = 0; k < length; k++) {
        assert_in_range(counts[k], 1, 5);
        merge_by_hand(table, rows + 5 * k, counts[k], scores + 10 * k, cosine, vectors + 8 * k);
    }
}

/// A step's keys are what the encoder makes of them, and the loss is Eq. 3 over the queue with today's item table.
static void check_attention(const fixture *self, const char *config, bool cosine) {
    enum { CAPACITY = 70 };
    opened it;
    lode_error error = {0};
    lode_params *key_params = NULL, *table = NULL;
    check(open_losses(&it, self, config, USER("store: attention, momentum: 0.6, capacity: 70"),
                      &error),
          &error);
    const lode_trainer *trainer = it.trainer;
    kept *keys = calloc(1, sizeof *keys);
    double *vectors = calloc(CAPACITY * 8, sizeof *vectors);
    assert_true(keys != NULL && vectors != NULL);
    keys->vectors = calloc(ROOM * 8, sizeof *keys->vectors);
    assert_non_null(keys->vectors);
    check(lode__params_clone(&key_params, trainer->model->params, LODE_F32, &error), &error);
    for (size_t s = 0; s < 4; s++) {
        lode__params_free(&table);
        check(lode__params_clone(&table, trainer->model->params, LODE_F32, &error), &error);
        const double loss = step_losses(&it);
        keep_step(keys, &it, key_params, 5);
        const size_t m = trainer->batcher.count, length = LODE_MIN(keys->count, (size_t)CAPACITY);
        const lode_param *items = lode__param_find(table, "item.id");
        assert_non_null(items);
        queue_by_hand(&it, (float *)items->value + 8, length, cosine, vectors);
        const uint32_t *users = array_of(&it, "queue.rows").data;
        double total = 0;
        for (size_t q = 0; q < m; q++) {
            const size_t own = (keys->count - m + q) % CAPACITY;
            double sum = 0, positive = 0;
            for (size_t i = 0; i < 8; i++) {
                const double made = (double)keys->vectors[(m - 1 - q) * 8 + i];
                assert_true(fabs(vectors[8 * own + i] - made) <= 1e-5);
            }
            for (size_t k = 0; k < length; k++) {
                double z = 0;
                for (size_t i = 0; i < 8; i++)
                    z += (double)it.users[q * 8 + i] * vectors[8 * k + i] / 0.5;
                if (k == own) positive = z;
                if (k == own || users[k] - 1 != trainer->batcher.states[q].user) sum += exp(z);
            }
            total += log(sum) - positive;
        }
        check_near(loss, total / (double)m, 2e-5, config);
        follow(key_params, trainer->model->params, 0.6);
    }
    lode__params_free(&table);
    lode__params_free(&key_params);
    free(keys->vectors);
    free(keys);
    free(vectors);
    close_losses(&it);
}

/// Rows of the item table that a step changes, the queue holding all of the epoch's keys.
static size_t moved_items(const fixture *self, const char *objective) {
    opened it;
    lode_error error = {0};
    lode_params *before = NULL;
    double loss;
    check(open_losses(&it, self, PLAIN("dot"), objective, &error), &error);
    for (int i = 0; i < 8; i++)
        check(lode__trainer_step(it.trainer, &loss, &error), &error);
    check(lode__params_clone(&before, it.trainer->model->params, LODE_F32, &error), &error);
    check(lode__trainer_step(it.trainer, &loss, &error), &error);
    const lode_param *old = lode__param_find(before, "item.id"),
                     *new = lode__param_find(it.trainer->model->params, "item.id");
    size_t moved = 0;
    for (size_t row = 0; row < old->rows; row++)
        moved += memcmp((float *)old->value + 8 * row, (float *)new->value + 8 * row,
                        8 * sizeof(float)) != 0;
    lode__params_free(&before);
    close_losses(&it);
    return moved;
}

static void test_attention(void **state) {
    fixture self = *(const fixture *)*state;
    check_attention(&self, PLAIN("dot"), false);
    check_attention(&self, PLAIN("cosine"), true);
    path_in(&self, "wide.lode", self.data);
    fixture_import(&self, "{users: 80, items: 400, interests: 4, clicks_mean: 12, seed: 5}",
                   self.data);
    const size_t vectors = moved_items(&self, USER("mask: none"));
    const size_t attention = moved_items(&self, USER("store: attention"));
    if (attention < vectors + 40)
        fail_msg("a step moves %zu items, %zu with vectors in the queue", attention, vectors);
}

/// A checkpoint whose queue holds no items.
static void test_damaged(void **state) {
    opened it;
    lode_error error = {0};
    check(open_losses(&it, *state, PLAIN("dot"), USER("store: attention"), &error), &error);
    (void)step_losses(&it);
    check(lode__checkpoint_save(it.trainer, &error), &error);
    check(lode__checkpoint_load(it.trainer, &error), &error);
    uint32_t *rows = array_of(&it, "heads.rows").data;
    rows[0] = it.trainer->model->vocabulary->items + 1;
    check(lode__checkpoint_save(it.trainer, &error), &error);
    check_error(lode__checkpoint_load(it.trainer, &error), &error, LODE_E_MISMATCH,
                "the queue of the checkpoint is damaged: the clicks of key 0");
    for (int i = 0; i < 6; i++)
        rows[i] = 1;
    *(uint32_t *)array_of(&it, "heads.counts").data = 6;
    check(lode__checkpoint_save(it.trainer, &error), &error);
    check_error(lode__checkpoint_load(it.trainer, &error), &error, LODE_E_MISMATCH,
                "the clicks of key 0");
    close_losses(&it);
}

/// Of `users` users with `clicks` clicks each, the last two of which are held out.
static void import_log(fixture *self, const char *name, int users, int clicks) {
    lode_error error = {0};
    char raw[PATH_ROOM], file_name[64];
    (void)snprintf(file_name, sizeof file_name, "%s.inter", name);
    path_in(self, file_name, raw);
    FILE *file = fopen(raw, "wb");
    assert_non_null(file);
    (void)fprintf(file, "user_id:token\titem_id:token\ttimestamp:float\n");
    for (int user = 0; user < users; user++)
        for (int click = 0; click < clicks; click++)
            (void)fprintf(file, "u%d\ti%d\t%d\n", user, (user * 7 + click * 3) % 20,
                          1500000000 + 1000 * click);
    assert_int_equal(fclose(file), 0);
    (void)snprintf(file_name, sizeof file_name, "%s.lode", name);
    path_in(self, file_name, self->data);
    check(lode_import(raw, self->data, NULL, NULL, NULL, &error), &error);
}

static double last_loss(const fixture *self, const char *objective) {
    opened it;
    lode_error error = {0};
    double loss = 0;
    check(open_losses(&it, self, click_config, objective, &error), &error);
    for (int i = 0; i < 12; i++) {
        check(lode__trainer_step(it.trainer, &loss, &error), &error);
        if (it.trainer->counters.step != it.trainer->steps) continue;
        it.trainer->counters.step = 0;
        it.trainer->counters.epoch++;
    }
    close_losses(&it);
    return loss;
}

static void test_few_clicks(void **state) {
    fixture self = *(const fixture *)*state;
    static const terms one = {0, 5, true, 2560};
    import_log(&self, "short", 90, 4); // two training clicks: a key is the positive alone
    check_losses(&self, click_config, USER("momentum: 0"), &one, 2);
    assert_true(last_loss(&self, USER("next: 5")) == last_loss(&self, USER("next: 1")));
    // Every key is the user's own, and there are more of them than LODE_MASKED.
    import_log(&self, "lonely", 1, 400);
    assert_true(last_loss(&self, USER("mask: user")) == 0);
    assert_true(last_loss(&self, USER("capacity: 64")) == 0); // nothing else in the queue
    assert_true(last_loss(&self, USER("mask: none")) > 1);
}

static void check_refused(const fixture *self, const char *config, const char *objective,
                          const char *fragment) {
    opened it;
    lode_error error = {0};
    check_error(open_losses(&it, self, config, objective, &error), &error, LODE_E_CONFIG, fragment);
    close_losses(&it);
}

static void test_refused(void **state) {
    static const char last_config[] = "data: {history: 6, examples: last}\nmodel: {dim: 8}\n"
                                      "objectives:\n";
    static const char cloze_config[] =
        "data: {history: 6, examples: cloze}\nmodel: {dim: 8, user: "
        "{tower: bert4rec, heads: 2, blocks: 1}, item: {tower: id}}\n"
        "train: {batch: 32}\nobjectives:\n";
    check_refused(*state, cloze_config, USER("next: 2"), "data.examples: cloze shows them");
    check_refused(*state,
                  "data: {history: 6}\nmodel: {dim: 8, user: {tower: mind, layers: [8]}, item: "
                  "{tower: id}}\ntrain: {batch: 32}\nobjectives:\n",
                  USER("next: 2"), "needs one vector, and not several, of the user tower");
    check_refused(*state, click_config, USER("capacity: 31"),
                  "clrec.user: capacity: 31 keys are fewer than the 32 queries of a step");
    check_refused(*state, click_config, USER("momentum: 1.01"), "momentum");
    check_refused(*state, click_config, USER("next: 0"), "next");
    check_refused(*state, click_config, USER("mask: user_items"), "mask");
    check_refused(*state, click_config, USER("next: 7"), "more than the data.history: 6");
    check_refused(*state, click_config, USER("store: attention"), "youtubednn as configured is not");
    check_refused(*state, aged_config, USER("store: attention"), "fields.user: []");
    check_refused(*state, last_config, USER("next: 5"), "data.examples: last leaves no click");
    opened it;
    lode_error error = {0};
    check(open_losses(&it, *state, last_config, USER("next: 1"), &error), &error);
    close_losses(&it);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_loss),
        cmocka_unit_test(test_other_examples),
        cmocka_unit_test(test_training_part_only),
        cmocka_unit_test(test_momentum),
        cmocka_unit_test(test_threads_and_resume),
        cmocka_unit_test(test_attention),
        cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_few_clicks),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
