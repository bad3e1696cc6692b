/// lodestone recommend: candidates for users or histories, in batches.
#include "cli/requests.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BATCH         256
#define BATCH_CELLS   200000 // candidates that one batch may hold
#define SHOWN_HISTORY 10000
#define TITLE_WIDTH   38

typedef struct recommend_options {
    const char *run, *data, *format;
    size_t k;
    bool titles, show_history, skip_unknown, index, quiet;
} recommend_options;

/// One run of the verb: the model, room for a batch, and its answers.
typedef struct recommender {
    const recommend_options *options;
    lode_model *model;
    lode_session *session;
    size_t batch, done, skipped;
    cli_request *requests;      ///< [batch]
    lode_query *queries;        ///< [batch]
    lode_candidate *candidates; ///< [batch, k]
    size_t *found;              ///< [batch]
    const char **history;       ///< [SHOWN_HISTORY]
    void (*print)(struct recommender *recommender, const cli_request *request,
                  const lode_candidate *candidates, size_t found);
} recommender;

// What the user did, oldest first, into recommender->history.
static size_t history_of(recommender *r, const cli_request *request) {
    const lode_query *query = &request->query;
    if (query->history == NULL) {
        const size_t known = lode_model_history(r->model, query->user, r->history, SHOWN_HISTORY);
        return known < SHOWN_HISTORY ? known : SHOWN_HISTORY;
    }
    const size_t count = query->history_count < SHOWN_HISTORY ? query->history_count : SHOWN_HISTORY;
    for (size_t i = 0; i < count; i++)
        r->history[i] = query->history[query->history_count - count + i];
    return count;
}

// ---- tab-separated lines ----

// Tabs and ends of lines inside a value are written as \t, \n, \r, and a backslash as two.
static void print_escaped(const char *text) {
    static const char specials[] = "\t\n\r\\", letters[] = "tnr\\";
    for (; *text != '\0'; text++) {
        const char *special = strchr(specials, *text);
        if (special != NULL) {
            printf("\\%c", letters[special - specials]);
        } else {
            putchar(*text);
        }
    }
}

static void print_tsv(recommender *r, const cli_request *request, const lode_candidate *candidates,
                      size_t found) {
    const size_t past = r->options->show_history ? history_of(r, request) : 0;
    for (size_t i = 0; i < past + found; i++) {
        const char *item = i < past ? r->history[i] : candidates[i - past].item;
        print_escaped(request->name);
        if (i < past) {
            printf("\thistory\t");
        } else {
            printf("\t%zu\t", i - past + 1);
        }
        print_escaped(item);
        if (i < past) {
            printf("\t");
        } else {
            printf("\t%.6g", (double)candidates[i - past].score);
        }
        if (r->options->titles) {
            const char *title = lode_model_item_title(r->model, item);
            printf("\t");
            print_escaped(title != NULL ? title : "");
        }
        printf("\n");
    }
}

// ---- JSON lines ----

static json_t *json_item(const recommender *r, const char *item) {
    json_t *map = json_object();
    json_object_set_new(map, "item", json_string(item));
    const char *title = r->options->titles ? lode_model_item_title(r->model, item) : NULL;
    if (title != NULL) json_object_set_new(map, "title", json_string(title));
    return map;
}

static void print_jsonl(recommender *r, const cli_request *request,
                        const lode_candidate *candidates, size_t found) {
    json_t *line = json_object(), *items = json_array();
    json_object_set_new(line, "id", json_string(request->name));
    if (r->options->show_history) {
        json_t *history = json_array();
        const size_t past = history_of(r, request);
        for (size_t i = 0; i < past; i++)
            json_array_append_new(history, json_item(r, r->history[i]));
        json_object_set_new(line, "history", history);
    }
    for (size_t i = 0; i < found; i++) {
        json_t *item = json_item(r, candidates[i].item);
        json_object_set_new(item, "score", json_real((double)candidates[i].score));
        json_array_append_new(items, item);
    }
    json_object_set_new(line, "items", items);
    (void)json_dumpf(line, stdout, JSON_COMPACT | JSON_REAL_PRECISION(7));
    printf("\n");
    json_decref(line);
}

// ---- for people ----

// The title where it is wanted and known, else the token; cut to TITLE_WIDTH characters.
static void title_cell(const recommender *r, cli_table *table, const char *item) {
    const char *title =
        r->options->titles && item[0] != '\0' ? lode_model_item_title(r->model, item) : NULL;
    const char *shown = title != NULL ? title : item;
    size_t characters = 0, bytes = 0;
    for (; shown[bytes] != '\0'; bytes++) {
        const bool begins = ((unsigned char)shown[bytes] & 0xc0) != 0x80;
        if (begins && characters == TITLE_WIDTH - 1) break;
        characters += begins;
    }
    cli_cell(table, "%.*s%s", (int)bytes, shown, shown[bytes] != '\0' ? "\u2026" : "");
}

static void print_text(recommender *r, const cli_request *request, const lode_candidate *candidates,
                       size_t found) {
    const bool beside = r->options->show_history;
    const size_t past = beside ? history_of(r, request) : 0;
    const size_t rows =
        past > found && beside ? (past < r->options->k ? past : r->options->k) : found;
    cli_table table = {.columns = beside ? 4 : 3};
    if (beside) cli_cell(&table, "history, newest first");
    cli_cell(&table, "%s", "");
    cli_cell(&table, "recommended");
    cli_cell(&table, "score");
    for (size_t i = 0; i < rows; i++) {
        if (beside) title_cell(r, &table, i < past ? r->history[past - 1 - i] : "");
        if (i < found) {
            cli_cell(&table, "%zu", i + 1);
            title_cell(r, &table, candidates[i].item);
            cli_cell(&table, "%.4f", (double)candidates[i].score);
        } else {
            for (size_t j = 0; j < 3; j++)
                cli_cell(&table, "%s", "");
        }
    }
    printf("%s%s", r->done > 0 ? "\n" : "", request->query.user != NULL ? "user " : "");
    print_escaped(request->name);
    if (beside) printf(": %zu clicked before", past);
    printf("\n");
    cli_table_print(&table, stdout, "  ");
}

// ---- the loop ----

static void print_answer(recommender *r, size_t which) {
    r->print(r, &r->requests[which], r->candidates + which * r->options->k, r->found[which]);
    r->done++;
}

// A batch with an unknown user in it is answered one by one where unknown users are to be skipped.
static int answer(recommender *r, size_t count) {
    const size_t k = r->options->k;
    lode_error error = {0};
    lode_status status =
        lode_session_recommend(r->session, r->queries, count, k, r->candidates, r->found, &error);
    if (status == LODE_OK) {
        for (size_t i = 0; i < count; i++)
            print_answer(r, i);
        return CLI_DONE;
    }
    if (status != LODE_E_MISSING || !r->options->skip_unknown)
        return cli_fail("recommend", status, &error);
    for (size_t i = 0; i < count; i++) {
        status = lode_session_recommend(r->session, &r->queries[i], 1, k, r->candidates + i * k,
                                        &r->found[i], &error);
        if (status == LODE_OK) {
            print_answer(r, i);
        } else if (status == LODE_E_MISSING) {
            r->skipped++;
        } else {
            return cli_fail("recommend", status, &error);
        }
    }
    return CLI_DONE;
}

static int answer_all(recommender *r, cli_requests *requests, cli_screen *screen) {
    int status = CLI_DONE;
    for (int more = 1; more == 1 && status == CLI_DONE;) {
        size_t count = 0;
        while (count < r->batch && (more = cli_requests_next(requests, &r->requests[count])) == 1) {
            r->queries[count] = r->requests[count].query;
            count++;
        }
        if (more < 0) status = CLI_FAILED;
        if (count > 0 && more >= 0) status = answer(r, count);
        for (size_t i = 0; i < count; i++)
            cli_request_release(&r->requests[i]);
        const lode_progress progress = {
            .task = "recommend", .unit = "users", .done = r->done, .loss = (double)NAN};
        if (isatty(STDOUT_FILENO) != 1 && screen->hooks.progress(screen, &progress) != 0)
            status = CLI_FAILED;
    }
    if (r->skipped > 0 && !screen->quiet)
        fprintf(stderr, "note: unknown users skipped: %zu\n", r->skipped);
    return status;
}

// Histories need no data set, so a bundle whose data set is gone still answers them.
static lode_status open_model(recommender *r, const cli_requests *requests, const lode_hooks *hooks,
                              lode_error *error) {
    const recommend_options *o = r->options;
    const bool users =
        requests->users.count > 0 || requests->users_file != NULL || requests->sample > 0;
    lode_status status = lode_model_open(&r->model, o->run, o->data, hooks, error);
    if (status == LODE_E_MISSING && o->data == NULL && !users) {
        lode_error second = {0};
        if (lode_model_open(&r->model, o->run, "", hooks, &second) == LODE_OK) {
            hooks->notice(hooks->cookie,
                          "the data set of the training is not there: no titles, no known users");
            status = LODE_OK;
        }
    }
    if (status == LODE_OK && o->index) status = lode_model_use_index(r->model, error);
    return status;
}

static int run(const recommend_options *o, cli_requests *requests) {
    recommender r = {.options = o, .print = print_tsv};
    if (strcmp(o->format, "jsonl") == 0) r.print = print_jsonl;
    if (strcmp(o->format, "text") == 0) r.print = print_text;
    r.batch = o->k * BATCH <= BATCH_CELLS ? BATCH : BATCH_CELLS / o->k;
    cli_screen screen;
    lode_error error = {0};
    cli_screen_open(&screen, o->quiet);
    lode_status opened = open_model(&r, requests, &screen.hooks, &error);
    if (opened == LODE_OK) opened = lode_session_new(&r.session, r.model, r.batch, o->k, &error);
    int status = CLI_FAILED;
    if (opened == LODE_OK) {
        r.requests = cli_allocate(NULL, r.batch, sizeof *r.requests);
        r.queries = cli_allocate(NULL, r.batch, sizeof *r.queries);
        r.candidates = cli_allocate(NULL, r.batch * o->k, sizeof *r.candidates);
        r.found = cli_allocate(NULL, r.batch, sizeof *r.found);
        r.history = cli_allocate(NULL, SHOWN_HISTORY, sizeof *r.history);
        requests->model = r.model;
        status = answer_all(&r, requests, &screen);
    }
    cli_screen_close(&screen);
    if (opened != LODE_OK) status = cli_fail("recommend", opened, &error);
    free(r.requests);
    free(r.queries);
    free(r.candidates);
    free(r.found);
    free(r.history);
    lode_session_free(&r.session);
    lode_model_free(&r.model);
    return status;
}

static int check(recommend_options *o, const cli_requests *requests) {
    if (requests->users.count == 0 && requests->users_file == NULL && requests->history == NULL &&
        requests->histories_file == NULL && requests->sample == 0) {
        return cli_wrong_usage(
            "recommend", "for whom? --user ID, --users FILE, --history 'a,b,c', --histories FILE "
                         "or --sample N");
    }
    if (o->format == NULL) o->format = o->show_history ? "text" : "tsv";
    if (strcmp(o->format, "tsv") != 0 && strcmp(o->format, "jsonl") != 0 &&
        strcmp(o->format, "text") != 0) {
        return cli_wrong_usage("recommend", "--format is tsv, jsonl or text, not '%s'", o->format);
    }
    if (o->k > 10000) return cli_wrong_usage("recommend", "-k is 1 to 10000, not %zu", o->k);
    return CLI_GO;
}

int cli_recommend(int argc, char **argv) {
    recommend_options o = {.k = 10};
    cli_requests requests = {0};
    const char *exclude = "yes";
    const cli_option options[] = {
        {0, "user", CLI_TEXTS, &requests.users, "ID", "a user of the data set; may be repeated"},
        {0, "users", CLI_TEXT, &requests.users_file, "FILE",
         "such users, one a line; - reads standard input"},
        {0, "history", CLI_TEXT, &requests.history, "A,B,C",
         "anyone who clicked these items, oldest first"},
        {0, "histories", CLI_TEXT, &requests.histories_file,
         "FILE", "JSON lines: [\"a\", \"b\"] or {\"id\", \"history\", \"times\", \"now\", \"exclude\", \"fields\"}"},
        {0, "sample", CLI_COUNT, &requests.sample, "N", "N users of the data set, to look at"},
        {'k', "count", CLI_COUNT, &o.k, "N", "length of the lists; default: 10"},
        {0, "exclude-seen", CLI_YESNO, &exclude, "yes|no",
         "leave out what is in the history; default: yes"},
        {0, "index", CLI_FLAG, &o.index, NULL,
         "search through the bundle's index (see: index); default: exactly"},
        {0, "titles", CLI_FLAG, &o.titles, NULL, "print titles too"},
        {0, "show-history", CLI_FLAG, &o.show_history, NULL, "print the history too"},
        {0, "format", CLI_TEXT, &o.format, "FORMAT", "tsv (user, rank, item, score), jsonl or text"},
        {0, "skip-unknown", CLI_FLAG, &o.skip_unknown, NULL, "go on where a user is not known"},
        {0, "data", CLI_TEXT, &o.data, "FILE.lode", "the data set; default: the one of the training"},
        CLI_OPTIONS_END};
    const cli_usage usage = {
        .verb = "recommend",
        .arguments = "RUN (--user ID | --users FILE | --history A,B,C | ...) [-k N] [options]",
        .about = "Candidates for users of the data set or for histories never seen.",
        .options = options,
        .least = 1,
        .most = 1,
        .quiet = &o.quiet};
    int first = 0, status = cli_parse(&usage, argc, argv, &first);
    if (status == CLI_GO) status = check(&o, &requests);
    if (status == CLI_GO) {
        o.run = argv[first];
        requests.exclude_seen = strcmp(exclude, "yes") == 0;
        status = run(&o, &requests);
    }
    cli_requests_release(&requests);
    return status;
}
