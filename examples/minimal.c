/// The whole C interface on a small made-up log: import, configure, train, measure, open, ask, export.
///
///     cc minimal.c $(pkg-config --cflags --libs lodestone) -o minimal && ./minimal FOLDER
///
/// A bookshop sells crime, poetry and travel, ten books each, and a reader stays with one kind. The program writes
/// that log into FOLDER (default: here) and everything that becomes of it too. It checks what it prints: exit status
/// 1 means that something came out wrong. `make check` runs it.
#include <lodestone.h>

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KINDS = 3, BOOKS = 10, READERS = 60, CLICKS = 6, SHOWN = 5, PATH_ROOM = 1024 };

static const char *const kinds[KINDS] = {"crime", "poetry", "travel"};

static const char config[] = "data: {history: 5}\n"
                             "model:\n"
                             "  dim: 16\n"
                             "  user: {tower: ican, heads: 2, feed_forward: 32, layers: [32, 16]}\n"
                             "  item: {tower: mlp, layers: [32, 16]}\n"
                             "objectives:\n"
                             "  - {type: in_batch}\n"
                             "train: {batch: 64, epochs: 30, learning_rate: 0.01}\n"
                             "eval: {valid: ndcg@5, cutoffs: [5, 10], neighbours: 5}\n";

// ---- talk ----

static void check(lode_status status, const lode_error *error) {
    if (status == LODE_OK) return;
    fprintf(stderr, "%s: %s\n", lode_status_name(status), error->message);
    exit(1);
}

static void expect(bool holds, const char *what) {
    if (holds) return;
    fprintf(stderr, "expected: %s\n", what);
    exit(1);
}

/// Hooks are called from the thread that called the verb; a non-zero return asks it to stop cleanly.
static int on_progress(void *cookie, const lode_progress *progress) {
    unsigned long *calls = cookie;
    ++*calls;
    (void)progress; // task, done, total, rate, loss, epoch
    return 0;
}

static void on_notice(void *cookie, const char *line) {
    (void)cookie;
    printf("  note: %s\n", line);
}

static void join(char path[PATH_ROOM], const char *folder, const char *name) {
    const int length = snprintf(path, PATH_ROOM, "%s/%s", folder, name);
    expect(length > 0 && length < PATH_ROOM, "a shorter folder name");
}

// ---- the log ----

static FILE *create(const char *folder, const char *name) {
    char path[PATH_ROOM];
    join(path, folder, name);
    FILE *file = fopen(path, "w");
    expect(file != NULL, "a folder that can be written to");
    return file;
}

/// The books of a kind in some order.
static void shuffle(int books[BOOKS], uint32_t *state) {
    for (int i = 0; i < BOOKS; i++) {
        *state = *state * 1664525U + 1013904223U;
        const int j = (int)(*state >> 16) % (i + 1);
        books[i] = books[j];
        books[j] = i;
    }
}

/// log.csv: one line a click; books.csv: what is known of the books. Their headings say what the columns are.
static void write_shop(const char *folder) {
    FILE *file = create(folder, "books.csv");
    fprintf(file, "book_id,title,kind\n");
    for (int kind = 0; kind < KINDS; kind++) {
        for (int book = 0; book < BOOKS; book++) {
            fprintf(file, "%s-%d,The %s book no. %d,%s\n", kinds[kind], book, kinds[kind], book,
                    kinds[kind]);
        }
    }
    expect(fclose(file) == 0, "room for books.csv");
    file = create(folder, "log.csv");
    fprintf(file, "user_id,book_id,timestamp\n");
    uint32_t state = 1;
    for (int reader = 0; reader < READERS; reader++) {
        int books[BOOKS];
        shuffle(books, &state);
        for (int click = 0; click < CLICKS; click++) {
            fprintf(file, "reader-%d,%s-%d,%d\n", reader, kinds[reader % KINDS], books[click],
                    1700000000 + click * 3600 + reader);
        }
    }
    expect(fclose(file) == 0, "room for log.csv");
}

// ---- verbs ----

/// Reports are JSON; a program would parse them. Here: the number behind the first `key` after `from`.
static double number_after(const char *report, const char *from, const char *key) {
    const char *at = strstr(report, from);
    if (at != NULL) at = strstr(at, key);
    expect(at != NULL, key);
    return strtod(at + strlen(key), NULL);
}

static void import_shop(const char *folder, const char *data, const lode_hooks *hooks) {
    lode_error error = {0};
    char *report = NULL;
    check(lode_import(folder, data, "max_errors: 0\n", hooks, &report, &error), &error);
    const double clicks = number_after(report, "{", "\"interactions\":");
    printf("imported %.0f clicks\n", clicks);
    expect((int)clicks == READERS * CLICKS, "a click a line");
    lode_text_free(&report);

    check(lode_info(data, NULL, &report, &error), &error);
    expect((int)number_after(report, "{", "\"items\":") == KINDS * BOOKS, "every book was clicked");
    lode_text_free(&report);
}

static void train_model(const char *data, const char *run, const lode_hooks *hooks) {
    lode_error error = {0};
    char *resolved = NULL, *report = NULL;

    // A key that does not exist is refused by name; nothing was trained or written.
    const char *const wrong[] = {"train.epoch=3"};
    const lode_status status = lode_config_resolve(config, "minimal", wrong, 1, &resolved, &error);
    expect(status == LODE_E_CONFIG, "an unknown key to be refused");
    printf("refused: %s\n", error.message);

    const char *const sets[] = {"train.seed=7", "train.threads=1"};
    check(lode_config_resolve(config, "minimal", sets, 2, &resolved, &error), &error);
    expect(strstr(resolved, "seed: 7") != NULL, "the seed in the whole configuration");
    // `resume: true` starts anew where nothing is, goes on where a run was stopped, and leaves a finished run alone.
    check(lode_train(data, run, resolved, "resume: true\n", hooks, &report, &error), &error);
    printf("trained: best ndcg@5 on validation %.3f\n",
           number_after(report, "\"best\"", "\"ndcg@5\":"));
    lode_text_free(&report);
    lode_text_free(&resolved);
}

static void measure_model(const char *run, const lode_hooks *hooks) {
    lode_error error = {0};
    char *report = NULL;
    check(lode_eval(run, "part: test\n", hooks, &report, &error), &error);
    const double model = number_after(report, "\"model\"", "\"hit@5\":");
    const double popularity = number_after(report, "\"popularity\"", "\"hit@5\":");
    printf("measured: hit@5 of the model %.3f, of popularity %.3f\n", model, popularity);
    expect(model > popularity, "the model above popularity");
    lode_text_free(&report);
}

static void export_vectors(const char *folder, const char *run, const lode_hooks *hooks) {
    lode_error error = {0};
    char options[3 * PATH_ROOM];
    (void)snprintf(options, sizeof options, "items: '%s/items.npy'\nusers: '%s/users.npy'\n",
                   folder, folder);
    check(lode_encode(run, options, hooks, NULL, &error), &error); // a report that nobody wants: NULL
    char path[PATH_ROOM], line[256];
    join(path, folder, "items.ids");
    FILE *file = fopen(path, "r");
    expect(file != NULL, "items.ids beside items.npy");
    int lines = 0;
    while (fgets(line, sizeof line, file) != NULL)
        lines++;
    (void)fclose(file);
    printf("exported %d item vectors\n", lines);
    expect(lines == KINDS * BOOKS, "a vector a book");
}

// ---- candidates ----

static bool is_kind(const char *item, const char *kind) {
    return strncmp(item, kind, strlen(kind)) == 0;
}

/// The row of an item among the model's, or its count.
static size_t item_row(const lode_model *model, const char *item) {
    size_t row = 0;
    while (row < lode_model_item_count(model) && strcmp(lode_model_item(model, row), item) != 0)
        row++;
    return row;
}

/// A score is the inner product of the two vectors that the model gives out; of users with several, the largest.
static void check_score(const lode_model *model, const float *user, const lode_candidate *candidate) {
    const size_t row = item_row(model, candidate->item);
    expect(row < lode_model_item_count(model), "candidates among the model's items");
    const float *item = lode_model_item_vector(model, row);
    double best = -INFINITY;
    for (size_t k = 0; k < lode_model_interests(model); k++) {
        double sum = 0;
        for (size_t i = 0; i < lode_model_dim(model); i++)
            sum += (double)*user++ * (double)item[i];
        best = fmax(best, sum);
    }
    expect(fabs(best - (double)candidate->score) <= 1e-4 * (1 + fabs(best)),
           "scores that are inner products");
}

static void print_candidates(const lode_model *model, const char *whom, const lode_candidate *list,
                             size_t found) {
    printf("%s\n", whom);
    for (size_t i = 0; i < found; i++) {
        const char *title = lode_model_item_title(model, list[i].item);
        printf("  %zu  %-10s %-24s %.3f\n", i + 1, list[i].item, title != NULL ? title : "",
               (double)list[i].score);
    }
}

static size_t count_kind(const lode_candidate *list, size_t found, const char *kind) {
    size_t count = 0;
    for (size_t i = 0; i < found; i++)
        count += is_kind(list[i].item, kind);
    return count;
}

/// One call answers a batch: a reader of the log, and a history that the log does not hold.
static void ask(const lode_model *model, lode_session *session) {
    lode_error error = {0};
    const char *const history[] = {"poetry-2", "poetry-5", "no-such-book", "poetry-9"}; // oldest first
    const char *const sold_out[] = {"poetry-0"};
    const lode_query queries[2] = {{.user = "reader-0", .exclude_seen = true},
                                   {.history = history,
                                    .history_count = 4,
                                    .exclude = sold_out,
                                    .exclude_count = 1,
                                    .exclude_seen = true}};
    lode_candidate list[2][SHOWN];
    size_t found[2];
    check(lode_session_recommend(session, queries, 2, SHOWN, list[0], found, &error), &error);
    print_candidates(model, "for reader-0, who reads crime:", list[0], found[0]);
    print_candidates(model, "for someone new, who read three books of poetry:", list[1], found[1]);

    const char *seen[CLICKS];
    expect(lode_model_history(model, "reader-0", seen, CLICKS) == CLICKS, "the clicks of reader-0");
    for (size_t i = 0; i < found[0]; i++) {
        for (size_t s = 0; s < CLICKS; s++)
            expect(strcmp(list[0][i].item, seen[s]) != 0, "nothing seen before");
    }
    // Four crime books are left for reader-0, six of poetry for the other: lists of five must hold most of them.
    expect(found[0] == SHOWN && count_kind(list[0], SHOWN, "crime") >= 3, "crime for reader-0");
    expect(found[1] == SHOWN && count_kind(list[1], SHOWN, "poetry") >= 4, "poetry for the other");
    for (size_t i = 0; i < SHOWN; i++)
        expect(strcmp(list[1][i].item, sold_out[0]) != 0, "nothing sold out");

    const size_t width = lode_model_interests(model) * lode_model_dim(model); // of a user
    float *vectors = calloc(2 * width, sizeof *vectors);
    expect(vectors != NULL, "memory");
    check(lode_session_encode(session, queries, 2, vectors, &error), &error);
    check_score(model, vectors, &list[0][0]);
    check_score(model, vectors + width, &list[1][0]);
    free(vectors);

    const lode_query stranger = {.user = "nobody"};
    expect(lode_session_recommend(session, &stranger, 1, SHOWN, list[0], found, &error) ==
               LODE_E_MISSING,
           "an unknown user to be refused");
}

static void recommend(const char *run) {
    lode_error error = {0};
    lode_model *model = NULL;     // read-only: all threads share it
    lode_session *session = NULL; // one thread's scratch memory
    check(lode_model_open(&model, run, NULL, NULL, &error), &error);
    check(lode_session_new(&session, model, 2, SHOWN, &error), &error);
    ask(model, session);
    lode_session_free(&session);
    lode_model_free(&model);
}

int main(int argc, char **argv) {
    const char *folder = argc > 1 ? argv[1] : ".";
    char data[PATH_ROOM], run[PATH_ROOM];
    join(data, folder, "books.lode");
    join(run, folder, "run");
    unsigned long calls = 0;
    const lode_hooks hooks = {&calls, on_progress, on_notice};

    printf("lodestone %s on %s\n", lode_version(), lode_cpu_level());
    write_shop(folder);
    import_shop(folder, data, &hooks);
    train_model(data, run, &hooks);
    measure_model(run, &hooks);
    export_vectors(folder, run, &hooks);
    recommend(run);
    expect(calls > 0, "progress to be told");
    return 0;
}
