/// lodestone synth: make up a shop.
#include "cli/cli.h"

#include <stdlib.h>

int cli_synth(int argc, char **argv) {
    const char *output = NULL, *users = NULL, *items = NULL, *seed = NULL;
    cli_list sets = {0};
    bool json = false, quiet = false;
    const cli_option options[] = {
        {'o', "output", CLI_TEXT, &output, "FOLDER", "where the raw files go (required)"},
        {0, "users", CLI_TEXT, &users, "N", "how many users"},
        {0, "items", CLI_TEXT, &items, "N", "how many items"},
        {0, "seed", CLI_TEXT, &seed, "N", "another seed, another shop"},
        {0, "set", CLI_TEXTS, &sets, "KEY=VALUE", "any other key; may be repeated"},
        {0, "json", CLI_FLAG, &json, NULL, "print the report as JSON"},
        CLI_OPTIONS_END};
    const cli_usage usage = {
        .verb = "synth",
        .arguments = "-o FOLDER [options]",
        .about = "Make up a shop with planted structure, as raw files that `import` reads.",
        .options = options,
        .quiet = &quiet,
        .keys = "synth"};
    int first = 0, status = cli_parse(&usage, argc, argv, &first);
    if (status != CLI_GO) goto done;
    if (output == NULL) {
        status = cli_wrong_usage("synth", "where to? -o FOLDER is missing");
        goto done;
    }
    cli_text yaml = {0};
    cli_yaml(&yaml, "users", users);
    cli_yaml(&yaml, "items", items);
    cli_yaml(&yaml, "seed", seed);
    status = CLI_USAGE;
    if (cli_yaml_sets(&yaml, "synth", &sets)) {
        cli_screen screen;
        char *report = NULL;
        lode_error error = {0};
        cli_screen_open(&screen, quiet);
        const lode_status made = lode_synth(output, yaml.bytes, &screen.hooks, &report, &error);
        cli_screen_close(&screen);
        status = made != LODE_OK ? cli_fail("synth", made, &error)
                                 : cli_report("synth", &report, json, cli_report_any);
    }
    cli_text_release(&yaml);
done:
    free(sets.values);
    return status;
}
