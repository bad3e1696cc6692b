/// lodestone encode: vectors for any vector database.
#include "cli/cli.h"

int cli_encode(int argc, char **argv) {
    const char *data = NULL, *items = NULL, *users = NULL;
    bool json = false, quiet = false;
    const cli_option options[] = {
        {0, "items", CLI_TEXT, &items, "FILE.npy", "where the item vectors go"},
        {0, "users", CLI_TEXT, &users, "FILE.npy", "where the user vectors go"},
        {0, "data", CLI_TEXT, &data, "FILE.lode", "the data set; default: the one of the training"},
        {0, "json", CLI_FLAG, &json, NULL, "print the report as JSON"},
        CLI_OPTIONS_END};
    const cli_usage usage = {.verb = "encode",
                             .arguments = "RUN [--items FILE.npy] [--users FILE.npy] [options]",
                             .about = "Write vectors as .npy (float32); the original ids stand "
                                      "beside them, one a line (FILE.ids).",
                             .options = options,
                             .least = 1,
                             .most = 1,
                             .quiet = &quiet,
                             .keys = "encode"};
    int first = 0, status = cli_parse(&usage, argc, argv, &first);
    if (status != CLI_GO) return status;
    if (items == NULL && users == NULL) {
        return cli_wrong_usage("encode", "what? --items FILE.npy, --users FILE.npy or both");
    }
    cli_text yaml = {0};
    cli_yaml(&yaml, "items", items);
    cli_yaml(&yaml, "users", users);
    cli_yaml(&yaml, "data", data);
    cli_screen screen;
    char *report = NULL;
    lode_error error = {0};
    cli_screen_open(&screen, quiet);
    const lode_status written = lode_encode(argv[first], yaml.bytes, &screen.hooks, &report, &error);
    cli_screen_close(&screen);
    status = written != LODE_OK ? cli_fail("encode", written, &error)
                                : cli_report("encode", &report, json, cli_report_any);
    cli_text_release(&yaml);
    return status;
}
