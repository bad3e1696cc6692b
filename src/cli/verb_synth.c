/// lodestone synth: make up a shop.
///
/// With `-o -` the log goes to standard output, so the counts go to standard error. A reader that ends first (`| head`)
/// is reported, not a reason to be killed: half-made tables are removed.
#include "cli/cli.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

/// The counts in one line on stderr, and no report any more.
static void say_counts(char **report) {
    json_t *const root = json_loads(*report, 0, NULL);
    cli_text line = {0};
    cli_number(&line, (double)json_integer_value(json_object_get(root, "interactions")));
    cli_text_add(&line, " clicks, ");
    cli_number(&line, (double)json_integer_value(json_object_get(root, "exposures")));
    cli_text_add(&line, " exposures");
    fprintf(stderr, "note: %s\n", line.bytes);
    cli_text_release(&line);
    json_decref(root);
    lode_text_free(report);
}

static int make(const char *output, const char *yaml, bool json, bool quiet) {
    const bool piped = strcmp(output, "-") == 0;
    cli_screen screen;
    char *report = NULL;
    lode_error error = {0};
    (void)signal(SIGPIPE, SIG_IGN);
    cli_screen_open(&screen, quiet);
    const lode_status made = lode_synth(output, yaml, &screen.hooks, &report, &error);
    cli_screen_close(&screen);
    if (made != LODE_OK) return cli_fail("synth", made, &error);
    if (!piped) return cli_report("synth", &report, json, cli_report_any);
    if (quiet)
        lode_text_free(&report);
    else
        say_counts(&report);
    return CLI_DONE;
}

int cli_synth(int argc, char **argv) {
    const char *output = NULL, *users = NULL, *items = NULL, *seed = NULL, *tables = NULL;
    cli_list sets = {0};
    bool json = false, quiet = false;
    const cli_option options[] = {
        {'o', "output", CLI_TEXT, &output, "FOLDER",
         "where the raw files go; - writes the log alone to standard output (required)"},
        {0, "tables", CLI_TEXT, &tables, "FOLDER",
         "with -o -: where the other files go; without it there are none"},
        {0, "users", CLI_TEXT, &users, "N", "how many users"},
        {0, "items", CLI_TEXT, &items, "N", "how many items"},
        {0, "seed", CLI_TEXT, &seed, "N", "another seed, another shop"},
        {0, "set", CLI_TEXTS, &sets, "KEY=VALUE", "any other key; may be repeated"},
        {0, "json", CLI_FLAG, &json, NULL, "print the report as JSON"},
        CLI_OPTIONS_END};
    const cli_usage usage = {.verb = "synth",
                             .arguments = "-o FOLDER|- [options]",
                             .about = "Make up a shop whose truth is known, as raw files that "
                                      "`import` reads; docs/synth.md explains it.",
                             .options = options,
                             .quiet = &quiet,
                             .keys = "synth"};
    int first = 0, status = cli_parse(&usage, argc, argv, &first);
    if (status != CLI_GO) goto done;
    if (output == NULL) {
        status = cli_wrong_usage("synth", "where to? -o FOLDER is missing");
        goto done;
    }
    if (json && strcmp(output, "-") == 0) {
        status =
            cli_wrong_usage("synth", "--json prints to standard output, where -o - puts the log");
        goto done;
    }
    cli_text yaml = {0};
    cli_yaml(&yaml, "users", users);
    cli_yaml(&yaml, "items", items);
    cli_yaml(&yaml, "seed", seed);
    status = CLI_USAGE;
    cli_yaml(&yaml, "tables", tables);
    if (cli_yaml_sets(&yaml, "synth", &sets)) status = make(output, yaml.bytes, json, quiet);
    cli_text_release(&yaml);
done:
    free(sets.values);
    return status;
}
