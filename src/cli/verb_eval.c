/// lodestone eval: measure a bundle beside its baselines.
#include "cli/cli.h"

#include <stdlib.h>
#include <string.h>

// Scalars beside the rows ("protocol", "cases", ...) make the heading line.
static void print_protocol(json_t *report) {
    cli_text heading = {0};
    const char *key;
    json_t *value;
    json_object_foreach(report, key, value) {
        if (!json_is_string(value) && !json_is_integer(value) && !json_is_boolean(value)) continue;
        if (strcmp(key, "note") == 0 || strstr(key, "_bytes") != NULL) continue;
        cli_text_add(&heading, "%s", heading.length > 0 ? ", " : "");
        for (const char *c = key; *c != '\0'; c++)
            cli_text_add(&heading, "%c", *c == '_' ? ' ' : *c);
        cli_text_add(&heading, " ");
        if (json_is_string(value)) cli_text_add(&heading, "%s", json_string_value(value));
        if (json_is_integer(value)) cli_number(&heading, (double)json_integer_value(value));
        if (json_is_boolean(value))
            cli_text_add(&heading, "%s", json_is_true(value) ? "yes" : "no");
    }
    const char *note = json_string_value(json_object_get(report, "note"));
    if (heading.length > 0) printf("%s\n", heading.bytes);
    if (note != NULL) printf("note: %s\n", note);
    if (heading.length > 0 || note != NULL) printf("\n");
    cli_text_release(&heading);
    cli_report_metrics(json_object_get(report, "rows"));
}

static void print_report(json_t *report) {
    print_protocol(report);
    size_t index;
    json_t *also;
    json_array_foreach(json_object_get(report, "also"), index, also) {
        printf("\nalso: ");
        print_protocol(also);
    }
    cli_text memory = {0};
    cli_report_memory(&memory, report);
    if (memory.length > 0) printf("\nmemory: %s\n", memory.bytes);
    cli_text_release(&memory);
}

int cli_eval(int argc, char **argv) {
    const char *data = NULL, *protocol = NULL, *part = NULL, *cutoffs = NULL, *exclude = NULL;
    const char *slice = NULL, *truth = NULL, *candidates = NULL, *unseen = NULL;
    const char *definitions = NULL;
    const char *svg = NULL;
    cli_list sets = {0};
    bool json = false, plain = false, quiet = false;
    const cli_option options[] = {
        {0, "data", CLI_TEXT, &data, "FILE.lode", "the data set; default: the one of the training"},
        {0, "protocol", CLI_TEXT, &protocol, "NAME",
         "default: the configuration's; `lodestone help protocol` lists them"},
        {0, "part", CLI_TEXT, &part, "test|valid", "what to predict; default: test"},
        {0, "cutoffs", CLI_TEXT, &cutoffs, "K,K,...", "lengths of the lists, such as 10,20,50"},
        {0, "definitions", CLI_TEXT, &definitions, "NAME,...|all",
         "print the run under the metric names of projects too; `lodestone help definitions`"},
        {0, "exclude-seen", CLI_YESNO, &exclude, "yes|no",
         "leave out what the user has seen; default: the protocol's"},
        {0, "candidates", CLI_TEXT, &candidates, "WHAT",
         "what is ranked: all, catalogue, uniform, popularity, exposures; default: the protocol's"},
        {0, "unseen-items", CLI_TEXT, &unseen, "drop|miss|encode",
         "true items that training never saw; default: the protocol's"},
        {0, "slice", CLI_TEXT, &slice, "NAME,...",
         "further tables for parts of the test: cold-items, cold-users, tail"},
        {0, "truth", CLI_TEXT, &truth, "FILE",
         "a further table: the users' items in this file are to be found"},
        {0, "no-baselines", CLI_FLAG, &plain, NULL, "the model only"},
        {0, "svg", CLI_TEXT, &svg, "FILE.svg", "draw impressions by popularity and metrics as well"},
        {0, "set", CLI_TEXTS, &sets, "KEY=VALUE", "any other key; may be repeated"},
        {0, "json", CLI_FLAG, &json, NULL, "print the report as JSON"},
        CLI_OPTIONS_END};
    const cli_usage usage = {
        .verb = "eval",
        .arguments = "RUN [options]",
        .about = "Measure a trained model, with popularity, item-kNN and EASE or ALS beside it.",
        .options = options,
        .least = 1,
        .most = 1,
        .quiet = &quiet,
        .keys = "eval"};
    int first = 0, status = cli_parse(&usage, argc, argv, &first);
    if (status == CLI_GO) {
        cli_text yaml = {0};
        cli_yaml(&yaml, "data", data);
        cli_yaml(&yaml, "protocol", protocol);
        cli_yaml(&yaml, "part", part);
        cli_yaml_list(&yaml, "cutoffs", cutoffs);
        cli_yaml_list(&yaml, "definitions", definitions);
        cli_yaml(&yaml, "exclude_seen", exclude);
        cli_yaml(&yaml, "candidates", candidates);
        cli_yaml(&yaml, "unseen_items", unseen);
        cli_yaml_list(&yaml, "slices", slice);
        cli_yaml(&yaml, "truth", truth);
        cli_yaml(&yaml, "svg", svg);
        cli_yaml(&yaml, "baselines", plain ? "false" : NULL);
        status = CLI_USAGE;
        if (cli_yaml_sets(&yaml, "eval", &sets)) {
            cli_screen screen;
            char *report = NULL;
            lode_error error = {0};
            cli_screen_open(&screen, quiet);
            const lode_status measured =
                lode_eval(argv[first], yaml.bytes, &screen.hooks, &report, &error);
            cli_screen_close(&screen);
            status = measured != LODE_OK ? cli_fail("eval", measured, &error)
                                         : cli_report("eval", &report, json, print_report);
        }
        cli_text_release(&yaml);
    }
    free(sets.values);
    return status;
}
