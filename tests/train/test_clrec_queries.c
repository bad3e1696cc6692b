/// clrec.contrast where queries are positions of windows, and where vectors have length 1: the loss of a step against Eq. 3
/// in double for every buffer, threads and stops; the same of clrec.ipw. What the key encoder and the queue take counts as memory.
#include <math.h>

#include "losses.h"

#include "graph/packed.h"

enum { DIM = 8, ROOM = 4096 };

/// As position_config, with windows so few that a queue of one step's room overflows within an epoch.
static const char few_windows[] = "data: {history: 80, examples: all_positions}\n"
                                  "fields: {item: [id], user: []}\n"
                                  "model: {dim: 8, user: {tower: sasrec, heads: 2, dropout: 0}, "
                                  "item: {tower: mlp, layers: [8]}}\n"
                                  "train: {batch: 4, epochs: 2, learning_rate: 0.01}\n"
                                  "objectives:\n";
static const char unit_windows[] = "data: {history: 80, examples: all_positions}\n"
                                   "fields: {item: [id], user: []}\n"
                                   "model: {dim: 8, scorer: cosine, user: {tower: sasrec, heads: "
                                   "2, dropout: 0}, item: {tower: id}}\n"
                                   "train: {batch: 4, epochs: 2, learning_rate: 0.01}\n"
                                   "objectives:\n";
static const char cosine_config[] =
    "data: {history: 6}\n"
    "model: {dim: 8, scorer: cosine, user: {tower: youtubednn, layers: [8]}, item: {tower: mlp, "
    "layers: [16, 8]}}\n"
    "train: {batch: 32, epochs: 2, learning_rate: 0.01}\n"
    "objectives:\n";

/// All keys that ever came in, the latest last, with vectors of the weights of their step.
typedef struct keys {
    uint32_t rows[ROOM];
    float vectors[ROOM][DIM];
    size_t count;
} keys;

static void add_keys(keys *all, const opened *it) {
    const lode_batcher *batcher = &it->trainer->batcher;
    assert_true(all->count + batcher->count <= ROOM);
    for (size_t i = 0; i < batcher->count; i++, all->count++) {
        const uint32_t row = batcher->target_rows[i];
        all->rows[all->count] = row;
        memcpy(all->vectors[all->count], it->items + (size_t)(row - 1) * DIM, DIM * sizeof(float));
    }
}

typedef struct terms {
    const char *config, *objective;
    size_t steps, capacity; ///< capacity 0: the step's keys
    double temperature;
    bool anew; ///< keys are encoded with the weights of this step
    bool unit; ///< vectors have length 1
} terms;

static double score(const float *query, const float *key) {
    double sum = 0;
    for (size_t i = 0; i < DIM; i++)
        sum += (double)query[i] * (double)key[i];
    return sum;
}

/// Eq. 3 with mask: same_item over the newest `capacity` keys, of which the newest `count` are the queries' own.
static double expected(const keys *all, const opened *it, const terms *of) {
    const lode_batcher *batcher = &it->trainer->batcher;
    const size_t m = batcher->count, wanted = of->capacity > 0 ? of->capacity : m;
    const size_t length = LODE_MIN(all->count, wanted), first = all->count - length;
    double total = 0;
    for (size_t q = 0; q < m; q++) {
        const float *query = it->users + q * DIM;
        const size_t own = all->count - m + q;
        double sum = 0, positive = 0;
        for (size_t k = first; k < all->count; k++) {
            const float *key =
                of->anew ? it->items + (size_t)(all->rows[k] - 1) * DIM : all->vectors[k];
            const double z = score(query, key) / of->temperature;
            if (k == own) positive = z;
            if (k == own || all->rows[k] != all->rows[own]) sum += exp(z);
        }
        total += log(sum) - positive;
    }
    return total / (double)m;
}

/// Every step's loss, until keys have been forgotten.
static void check_losses(const fixture *self, const terms *of) {
    static keys all;
    opened it;
    lode_error error = {0};
    all.count = 0;
    check(open_losses(&it, self, of->config, of->objective, &error), &error);
    for (size_t s = 0; s < of->steps; s++) {
        const double loss = step_losses(&it);
        add_keys(&all, &it);
        check_near(loss, expected(&all, &it, of), 3e-5, of->objective);
        for (size_t i = 0; of->unit && i < it.trainer->batcher.count; i++)
            check_near(score(it.users + i * DIM, it.users + i * DIM), 1, 1e-5, "length");
    }
    assert_true(of->capacity == 0 || all.count > of->capacity + it.trainer->batcher.count);
    close_losses(&it);
}

#define CONTRAST(more) "  - {type: clrec.contrast, temperature: 0.5" more "}\n"

static void test_windows(void **state) {
    static const terms all[] = {
        {few_windows, CONTRAST(""), 2, 0, 0.5, false, false},
        {few_windows, CONTRAST(", buffer: inter, capacity: 320"), 14, 320, 0.5, true, false},
        {few_windows, CONTRAST(", buffer: moco, capacity: 320, momentum: 0"), 14, 320, 0.5, false,
         false},
        {unit_windows, CONTRAST(", buffer: moco, moco: strict, capacity: 320"), 14, 320, 0.5, false,
         true},
        {unit_windows, CONTRAST(", buffer: inter, capacity: 320"), 14, 320, 0.5, true, true},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        check_losses(*state, &all[i]);
}

static void test_cosine(void **state) {
    static const terms all[] = {
        {cosine_config, "  - {type: clrec.contrast}\n", 3, 0, 0.07, false, true},
        {cosine_config, CONTRAST(", buffer: inter, capacity: 105"), 6, 105, 0.5, true, true},
        {cosine_config, CONTRAST(", buffer: moco, capacity: 105, momentum: 0"), 6, 105, 0.5, false,
         true},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        check_losses(*state, &all[i]);
}

static int stop_at_third(void *cookie, const lode_progress *progress) {
    return strcmp(progress->task, "train") == 0 && ++*(int *)cookie == 3;
}

/// Three threads, and stops after every third step, change no byte of a run.
static void check_runs(const fixture *self, const char *const *sets, size_t count) {
    static const char *const runs[] = {"one", "three", "halves"};
    lode_error error = {0};
    const char *list[8] = {0};
    assert_true(count < 7);
    memcpy(list, sets, count * sizeof *list);
    for (size_t run = 0; run < 2; run++) {
        list[count] = run == 0 ? "train.threads=1" : "train.threads=3";
        check(train_small(self, runs[run], list, NULL, NULL, &error), &error);
    }
    check_same_run(self, "one", "three");
    lode_status status = LODE_E_STOPPED;
    int stops = 0;
    for (; status == LODE_E_STOPPED && stops < 100; stops++) {
        int calls = 0;
        const lode_hooks hooks = {.cookie = &calls, .progress = stop_at_third};
        status = train_small(self, "halves", list, "resume: true", &hooks, &error);
    }
    check(status, &error);
    assert_true(stops > 2);
    check_same_run(self, "one", "halves");
    for (size_t run = 0; run < 3; run++) {
        char path[PATH_ROOM];
        path_in(self, runs[run], path);
        remove_tree(path);
    }
}

#define WINDOWS                                                                                    \
    "data={history: 20, examples: all_positions}", "fields={item: [id], user: []}",                \
        "model={dim: 8, scorer: cosine, user: {tower: sasrec, heads: 2, dropout: 0.1}, item: "     \
        "{tower: mlp, layers: [8]}}",                                                              \
        "train={batch: 8, epochs: 2, checkpoint_every: 4, learning_rate: 0.01}"

static void test_runs(void **state) {
    static const char *const windows[][5] = {
        {WINDOWS, "objectives=[{type: clrec.contrast}]"},
        {WINDOWS, "objectives=[{type: clrec.contrast, buffer: inter, capacity: 200}]"},
        {WINDOWS,
         "objectives=[{type: clrec.contrast, buffer: moco, capacity: 200, momentum: 0.7}]"},
        {WINDOWS, "objectives=[{type: clrec.ipw, mask: user_items}]"}};
    static const char *const states[] = {"train.epochs=2",
                                         "objectives=[{type: clrec.ipw, clip: 2, power: 1.5}]"};
    for (size_t i = 0; i < sizeof windows / sizeof *windows; i++)
        check_runs(*state, windows[i], 5);
    check_runs(*state, states, 2);
}

/// What objectives take beside the scenes' graphs.
static size_t beside(const fixture *self, const char *objective) {
    opened it;
    lode_error error = {0};
    check(open_losses(&it, self, cosine_config, objective, &error), &error);
    const lode_trainer *trainer = it.trainer;
    (void)step_losses(&it); // packs weights
    size_t own = lode__packed_bytes(trainer->heads) +
                 lode__memory_of(trainer->model->params, trainer->encoder, trainer->data).graphs;
    for (size_t i = 0; i < trainer->stages; i++)
        own += lode__graph_bytes(trainer->scenes[i].graph);
    const size_t all = lode__trainer_memory(trainer).graphs;
    assert_true(all >= own);
    close_losses(&it);
    return all - own;
}

static void test_memory(void **state) {
    enum {
        TALLY = 2 * sizeof(double),
        COUNTS = 2 * sizeof(uint64_t),
        KEY = sizeof(uint32_t) + sizeof(uint64_t), ///< its row, and when it came
        VECTOR = DIM * sizeof(float)
    };
    const fixture *self = *state;
    assert_int_equal(beside(self, "  - {type: in_batch}\n"), 0);
    assert_int_equal(beside(self, CONTRAST("")), TALLY);
    assert_int_equal(beside(self, CONTRAST(", buffer: inter, capacity: 100")),
                     TALLY + COUNTS + 100 * KEY);
    const size_t bank = beside(self, CONTRAST(", buffer: moco, capacity: 100, momentum: 0"));
    const size_t more = beside(self, CONTRAST(", buffer: moco, capacity: 1100, momentum: 0"));
    const size_t slow = beside(self, CONTRAST(", buffer: moco, capacity: 100, momentum: 0.5"));
    assert_int_equal(more - bank, 1000 * (KEY + VECTOR));
    // The key encoder's graph holds the two layers of up to 32 items at least, its packed weights as much as the copies.
    const size_t weights = (size_t)(16 * DIM) * sizeof(float);
    assert_true(bank > TALLY + COUNTS + 100 * (KEY + VECTOR) + 32 * (16 + DIM) * sizeof(float));
    assert_true(slow > bank + 2 * weights);
    assert_true(beside(self, "  - {type: clrec.user, capacity: 100}\n") >
                TALLY + COUNTS + 100 * (KEY + VECTOR));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_windows),
        cmocka_unit_test(test_cosine),
        cmocka_unit_test(test_runs),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
