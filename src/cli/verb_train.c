/// lodestone train: train a model and write its bundle.
#include "cli/cli.h"

#include <stdlib.h>
#include <unistd.h>

typedef struct train_options {
    const char *config, *data, *run;
    cli_list sets;
    bool resume, show, json, quiet;
} train_options;

static void print_report(json_t *report) {
    cli_table facts = {.columns = 2, .headless = true};
    static const char *const keys[][2] = {
        {"run", "written to"},  {"precision", "precision"},
        {"epochs", "epochs"},   {"best_epoch", "best epoch"},
        {"steps", "steps"},     {"examples_per_second", "examples/s"},
        {"seconds", "seconds"}, {"peak_rss_bytes", "peak memory"}};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const json_t *value = json_object_get(report, keys[i][0]);
        if (value == NULL) continue;
        cli_cell(&facts, "%s", keys[i][1]);
        if (json_is_string(value)) {
            cli_cell(&facts, "%s", json_string_value(value));
        } else if (i == 7) {
            cli_text memory = {0};
            cli_report_memory(&memory, report);
            cli_cell(&facts, "%s", memory.bytes);
            cli_text_release(&memory);
        } else if (i == 6) {
            cli_cell(&facts, "%.1f", json_number_value(value));
        } else {
            cli_text number = {0};
            cli_number(&number, json_number_value(value));
            cli_cell(&facts, "%s", number.bytes);
            cli_text_release(&number);
        }
    }
    cli_cell(&facts, "curves");
    cli_cell(&facts, "lodestone info %s --svg curves.svg",
             json_string_value(json_object_get(report, "run")));
    cli_table_print(&facts, stdout, "");
    json_t *best = json_object_get(report, "best");
    if (json_object_size(best) > 0) {
        json_t *rows = json_pack("{sO}", "best, on validation", best);
        printf("\n");
        if (rows != NULL) cli_report_metrics(rows);
        json_decref(rows);
    }
}

// RUN/config.yaml, when a run that is there is to go on; the caller frees.
static char *config_of_run(const train_options *o) {
    cli_text path = {0};
    if (!o->resume || o->run == NULL) return NULL;
    cli_text_add(&path, "%s/config.yaml", o->run);
    if (access(path.bytes, R_OK) != 0) cli_text_release(&path);
    return path.bytes;
}

// The whole configuration: file, preset or that of the run, with its settings; NULL where the library's defaults do.
static int resolve(const train_options *o, char **resolved) {
    char *path = NULL, *text = NULL;
    int status = CLI_USAGE;
    if (o->config != NULL) {
        path = cli_config_path("train", o->config);
        if (path == NULL) goto done;
    } else {
        path = config_of_run(o);
    }
    if (path != NULL) {
        text = cli_read_file("train", path);
        status = CLI_FAILED;
        if (text == NULL) goto done;
    }
    status = CLI_DONE;
    if (text != NULL || o->sets.count > 0 || o->show) {
        lode_error error = {0};
        const lode_status read =
            lode_config_resolve(text, path, o->sets.values, o->sets.count, resolved, &error);
        if (read != LODE_OK) status = cli_fail("train", read, &error);
    }
done:
    free(path);
    free(text);
    return status;
}

static int train(const train_options *o) {
    if (!o->show && o->data == NULL)
        return cli_wrong_usage("train", "on what? --data FILE.lode is missing");
    if (!o->show && o->run == NULL)
        return cli_wrong_usage("train", "where to? -o FOLDER is missing");
    char *config = NULL;
    int status = resolve(o, &config);
    if (status == CLI_DONE && o->show) printf("%s", config);
    if (status == CLI_DONE && !o->show) {
        cli_screen screen;
        char *report = NULL;
        lode_error error = {0};
        cli_screen_open(&screen, o->quiet);
        const lode_status trained =
            lode_train(o->data, o->run, config, o->resume ? "resume: true\n" : NULL, &screen.hooks,
                       &report, &error);
        cli_screen_close(&screen);
        status = trained != LODE_OK ? cli_fail("train", trained, &error)
                                    : cli_report("train", &report, o->json, print_report);
    }
    lode_text_free(&config);
    return status;
}

int cli_train(int argc, char **argv) {
    train_options o = {0};
    const cli_option options[] = {
        {'c', "config", CLI_TEXT, &o.config, "FILE",
         "configuration, or the name of a preset; default: all defaults"},
        {0, "data", CLI_TEXT, &o.data, "FILE.lode", "the data set (required)"},
        {'o', "output", CLI_TEXT, &o.run, "FOLDER", "the bundle to write (required)"},
        {0, "set", CLI_TEXTS, &o.sets, "KEY=VALUE",
         "change a key, such as train.epochs=5; may be repeated"},
        {0, "resume", CLI_FLAG, &o.resume, NULL, "go on where a run was stopped"},
        {0, "show-config", CLI_FLAG, &o.show, NULL, "print the whole configuration and stop"},
        {0, "json", CLI_FLAG, &o.json, NULL, "print the report as JSON"},
        CLI_OPTIONS_END};
    const cli_usage usage = {.verb = "train",
                             .arguments = "[-c CONFIG] --data FILE.lode -o FOLDER [options]",
                             .about = "Train a model. `lodestone help config` lists every key of a "
                                      "configuration. Control-C finishes\n"
                                      "the step and saves; --resume goes on from there.",
                             .options = options,
                             .quiet = &o.quiet};
    int first = 0, status = cli_parse(&usage, argc, argv, &first);
    if (status == CLI_GO) status = train(&o);
    free(o.sets.values);
    return status;
}
