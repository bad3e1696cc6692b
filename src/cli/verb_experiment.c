/// lodestone experiment: a grid of configurations x seeds, compared.
#include "cli/cli.h"

#include <stdlib.h>
#include <string.h>

static void print_member(json_t *report, const char *key) {
    const char *text = json_string_value(json_object_get(report, key));
    if (text != NULL) fputs(text, stdout);
}
static void print_text(json_t *report) {
    print_member(report, "text");
}
static void print_markdown(json_t *report) {
    print_member(report, "markdown");
}
static void print_csv(json_t *report) {
    print_member(report, "csv");
}

// runs/NAME for experiments/NAME.yaml
static void default_folder(cli_text *folder, const char *path) {
    const char *slash = strrchr(path, '/'), *name = slash != NULL ? slash + 1 : path;
    const char *dot = strrchr(name, '.');
    cli_text_add(folder, "runs/%.*s",
                 (int)(dot != NULL && dot > name ? (size_t)(dot - name) : strlen(name)), name);
}

static int run(const char *path, const char *output, const char *yaml, bool quiet,
               void (*people)(json_t *report)) {
    char *text = cli_read_file("experiment", path);
    if (text == NULL) return CLI_FAILED;
    cli_text folder = {0};
    if (output == NULL) default_folder(&folder, path);
    cli_screen screen;
    char *report = NULL;
    lode_error error = {0};
    cli_screen_open(&screen, quiet);
    const lode_status done = lode_experiment(text, path, output != NULL ? output : folder.bytes,
                                             yaml, &screen.hooks, &report, &error);
    cli_screen_close(&screen);
    const int status = done != LODE_OK ? cli_fail("experiment", done, &error)
                                       : cli_report("experiment", &report, people == NULL, people);
    cli_text_release(&folder);
    free(text);
    return status;
}

int cli_experiment(int argc, char **argv) {
    const char *output = NULL, *format = "text", *only = NULL;
    bool quiet = false, dry = false;
    cli_list sets = {0};
    const cli_option options[] = {
        {'o', "output", CLI_TEXT, &output, "FOLDER",
         "holds the runs and the tables; default: runs/NAME"},
        {0, "format", CLI_TEXT, &format, "FORMAT", "text, markdown, csv or json; default: text"},
        {0, "only", CLI_TEXT, &only, "TEXT,...",
         "run only cells whose name holds TEXT, or one of several"},
        {0, "dry-run", CLI_FLAG, &dry, NULL, "check everything and list the cells"},
        {0, "set", CLI_TEXTS, &sets, "KEY=VALUE", "any other option; may be repeated"},
        CLI_OPTIONS_END};
    const cli_usage usage = {
        .verb = "experiment",
        .arguments = "FILE.yaml [-o FOLDER] [--format text|markdown|csv|json] [options]",
        .about = "Run a grid of configurations x seeds: a table with mean, deviation and t-test. "
                 "Runs that are\n"
                 "done already are kept, so a second start goes on where the first one stopped.",
        .options = options,
        .least = 1,
        .most = 1,
        .quiet = &quiet,
        .keys = "experiment"};
    int first = 0;
    int status = cli_parse(&usage, argc, argv, &first);
    if (status != CLI_GO) goto done;
    static const struct {
        const char *name;
        void (*print)(json_t *report);
    } formats[] = {
        {"text", print_text}, {"markdown", print_markdown}, {"csv", print_csv}, {"json", NULL}};
    cli_text yaml = {0};
    cli_yaml(&yaml, "only", only);
    cli_yaml(&yaml, "dry_run", dry ? "true" : NULL);
    status = CLI_USAGE;
    if (!cli_yaml_sets(&yaml, "experiment", &sets)) goto release;
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        if (strcmp(format, formats[i].name) != 0) continue;
        status = run(argv[first], output, yaml.bytes, quiet, formats[i].print);
        goto release;
    }
    status =
        cli_wrong_usage("experiment", "--format is text, markdown, csv or json, not '%s'", format);
release:
    cli_text_release(&yaml);
done:
    free(sets.values);
    return status;
}
