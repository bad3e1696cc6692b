/// lodestone info: describe a data set or a run.
#include "cli/cli.h"

int cli_info(int argc, char **argv) {
    bool json = false;
    const char *svg = NULL;
    const cli_option options[] = {{0, "svg", CLI_TEXT, &svg, "FILE.svg",
                                   "draw it as well: popularity, time, lengths; or curves"},
                                  {0, "json", CLI_FLAG, &json, NULL, "print the report as JSON"},
                                  CLI_OPTIONS_END};
    const cli_usage usage = {
        .verb = "info",
        .arguments = "FILE.lode|RUN [options]",
        .about = "Describe a data set: counts, fields, sessions, time span, popularity. Or a run "
                 "folder, also "
                 "while it is\nbeing trained: model, data, epochs, best metric, sizes.",
        .options = options,
        .least = 1,
        .most = 1};
    int first = 0;
    const int status = cli_parse(&usage, argc, argv, &first);
    if (status != CLI_GO) return status;
    char *report = NULL;
    lode_error error = {0};
    cli_text yaml = {0};
    cli_yaml(&yaml, "svg", svg);
    const lode_status read = lode_info(argv[first], yaml.bytes, &report, &error);
    cli_text_release(&yaml);
    if (read != LODE_OK) return cli_fail("info", read, &error);
    return cli_report("info", &report, json, cli_report_any);
}
