/// lodestone import: logs with item and user tables into one data set.
#include "cli/cli.h"

#include <stdlib.h>

typedef struct import_options {
    const char *output, *format, *columns, *label, *log, *temporary, *memory, *max_errors,
        *duplicates, *min_count, *core;
    cli_list sets;
    bool append, json, quiet;
} import_options;

static bool write_options(cli_text *yaml, const import_options *o) {
    cli_yaml(yaml, "format", o->format);
    cli_yaml(yaml, "columns", o->columns);
    cli_yaml(yaml, "label", o->label);
    cli_yaml(yaml, "log", o->log);
    cli_yaml(yaml, "temporary", o->temporary);
    cli_yaml(yaml, "max_errors", o->max_errors);
    cli_yaml(yaml, "append", o->append ? "true" : NULL);
    cli_yaml(yaml, "duplicates", o->duplicates);
    cli_yaml(yaml, "min_count", o->min_count);
    cli_yaml(yaml, "core", o->core);
    if (!cli_yaml_bytes(yaml, "memory", o->memory)) {
        (void)cli_wrong_usage(
            "import", "--memory takes a number of bytes such as 512M or 2G, not '%s'", o->memory);
        return false;
    }
    return cli_yaml_sets(yaml, "import", &o->sets);
}

static int run(const char *source, const import_options *o) {
    int status = CLI_USAGE;
    cli_text yaml = {0};
    if (write_options(&yaml, o)) {
        cli_screen screen;
        char *report = NULL;
        lode_error error = {0};
        cli_screen_open(&screen, o->quiet);
        const lode_status made =
            lode_import(source, o->output, yaml.bytes, &screen.hooks, &report, &error);
        cli_screen_close(&screen);
        status = made != LODE_OK ? cli_fail("import", made, &error)
                                 : cli_report("import", &report, o->json, cli_report_any);
    }
    cli_text_release(&yaml);
    return status;
}

int cli_import(int argc, char **argv) {
    import_options o = {0};
    const cli_option options[] = {
        {'o', "output", CLI_TEXT, &o.output, "FILE.lode",
         "the data set to write (required); replaced when it exists"},
        {0, "format", CLI_TEXT, &o.format, "NAME",
         "read the source as this format instead of guessing"},
        {0, "columns", CLI_TEXT, &o.columns, "FILE",
         "mapping of columns, instead of the one import chooses"},
        {0, "label", CLI_TEXT, &o.label, "CONDITION",
         "rows that meet it ('rating>3') are clicks, others exposures"},
        {0, "log", CLI_TEXT, &o.log, "FILE", "the file of the folder that holds the log"},
        {0, "tmp", CLI_TEXT, &o.temporary, "FOLDER", "for sorted runs; default: beside the output"},
        {0, "memory", CLI_TEXT, &o.memory, "SIZE", "rows held before a run is written, such as 512M"},
        {0, "max-errors", CLI_TEXT, &o.max_errors, "N",
         "bad lines to skip and count; default: the first one stops"},
        {0, "append", CLI_FLAG, &o.append, NULL,
         "add to FILE.lode: rows of both logs, values of new tables before old ones"},
        {0, "duplicates", CLI_TEXT, &o.duplicates, "WHICH",
         "keep (default), first, last or exact: which of several rows of one user and item stay"},
        {0, "min-count", CLI_TEXT, &o.min_count, "K", "remove items with fewer than K clicks"},
        {0, "core", CLI_TEXT, &o.core, "K",
         "remove users and items with fewer than K clicks until none is left (k-core)"},
        {0, "set", CLI_TEXTS, &o.sets, "KEY=VALUE", "any other key; may be repeated"},
        {0, "json", CLI_FLAG, &o.json, NULL, "print the report as JSON"},
        CLI_OPTIONS_END};
    const cli_usage usage = {
        .verb = "import",
        .arguments = "SOURCE -o FILE.lode [options]",
        .about = "Read logs with item and user tables into one data set. SOURCE is a file or a "
                 "folder of a known\n"
                 "format, or - for standard input; .gz and .zst are unpacked on the way.",
        .options = options,
        .least = 1,
        .most = 1,
        .quiet = &o.quiet,
        .keys = "import"};
    int first = 0, status = cli_parse(&usage, argc, argv, &first);
    if (status == CLI_GO) {
        status = o.output == NULL ? cli_wrong_usage("import", "where to? -o FILE.lode is missing")
                                  : run(argv[first], &o);
    }
    free(o.sets.values);
    return status;
}
