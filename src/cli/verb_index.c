/// lodestone index: the index of a bundle, chosen by measurement.
#include "cli/cli.h"

static void print_people(json_t *report) {
    cli_table table = {.columns = 6};
    size_t number;
    json_t *trial;
    cli_cell(&table, "index");
    cli_cell(&table, "effort");
    cli_cell(&table, "recall@%d", (int)json_integer_value(json_object_get(report, "k")));
    cli_cell(&table, "ms a query");
    cli_cell(&table, "build s");
    cli_cell(&table, " ");
    json_array_foreach(json_object_get(report, "tried"), number, trial) {
        const json_int_t effort = json_integer_value(json_object_get(trial, "effort"));
        cli_cell(&table, "%s", json_string_value(json_object_get(trial, "index")));
        if (effort > 0) {
            cli_cell(&table, "%lld", (long long)effort);
        } else {
            cli_cell(&table, "-");
        }
        cli_cell(&table, "%.4f", json_real_value(json_object_get(trial, "recall")));
        cli_cell(&table, "%.3f", json_real_value(json_object_get(trial, "milliseconds")));
        cli_cell(&table, "%.1f", json_real_value(json_object_get(trial, "build_seconds")));
        cli_cell(&table, "%s", json_is_true(json_object_get(trial, "chosen")) ? "chosen" : "");
    }
    printf("%lld items of %lld numbers, %lld users as queries, one thread\n",
           (long long)json_integer_value(json_object_get(report, "items")),
           (long long)json_integer_value(json_object_get(report, "dim")),
           (long long)json_integer_value(json_object_get(report, "queries")));
    cli_table_print(&table, stdout, "  ");
}

int cli_index(int argc, char **argv) {
    const char *data = NULL, *type = NULL, *recall = NULL;
    size_t k = 0;
    bool json = false, quiet = false;
    cli_list sets = {0};
    const cli_option options[] = {
        {0, "type", CLI_TEXT, &type, "TYPE", "auto (default), exact, scan, ivf or graph"},
        {0, "recall", CLI_TEXT, &recall, "R", "how many of the best k it must find, default .99"},
        {'k', "count", CLI_COUNT, &k, "N", "candidates a query, default 100"},
        {0, "data", CLI_TEXT, &data, "FILE.lode",
         "the data set of the users; default: the one of the training"},
        {0, "set", CLI_TEXTS, &sets, "KEY=VALUE", "any other key, again and again"},
        {0, "json", CLI_FLAG, &json, NULL, "print the report as JSON"},
        CLI_OPTIONS_END};
    const cli_usage usage = {
        .verb = "index",
        .arguments = "RUN [options]",
        .about = "Build the index of a bundle, RUN/index: the fastest way to search its items "
                 "that finds enough, measured with the vectors of its users.",
        .options = options,
        .least = 1,
        .most = 1,
        .quiet = &quiet,
        .keys = "index"};
    int first = 0, status = cli_parse(&usage, argc, argv, &first);
    if (status != CLI_GO) return status;
    cli_text yaml = {0};
    cli_yaml(&yaml, "type", type);
    cli_yaml(&yaml, "recall", recall);
    if (k > 0) cli_text_add(&yaml, "k: %zu\n", k);
    cli_yaml(&yaml, "data", data);
    if (!cli_yaml_sets(&yaml, "index", &sets)) return CLI_USAGE;
    cli_screen screen;
    char *report = NULL;
    lode_error error = {0};
    cli_catch_signals();
    cli_screen_open(&screen, quiet);
    const lode_status made =
        lode_build_index(argv[first], yaml.bytes, &screen.hooks, &report, &error);
    cli_screen_close(&screen);
    status = made != LODE_OK ? cli_fail("index", made, &error)
                             : cli_report("index", &report, json, print_people);
    cli_text_release(&yaml);
    return status;
}
