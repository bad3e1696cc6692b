/// lodestone info: describe a data set.
#include "cli/cli.h"

int cli_info(int argc, char **argv) {
    bool json = false;
    const cli_option options[] = {{0, "json", CLI_FLAG, &json, NULL, "print the report as JSON"},
                                  CLI_OPTIONS_END};
    const cli_usage usage = {
        .verb = "info",
        .arguments = "FILE.lode [--json]",
        .about = "Describe a data set: counts, fields, sessions, time span, popularity.",
        .options = options,
        .least = 1,
        .most = 1};
    int first = 0;
    const int status = cli_parse(&usage, argc, argv, &first);
    if (status != CLI_GO) return status;
    char *report = NULL;
    lode_error error = {0};
    const lode_status read = lode_info(argv[first], NULL, &report, &error);
    if (read != LODE_OK) return cli_fail("info", read, &error);
    return cli_report("info", &report, json, cli_report_any);
}
