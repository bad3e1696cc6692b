/// lodestone bench: what this machine can do, and how near to that the kernels come.
#include "cli/cli.h"

#include <stdlib.h>
#include <string.h>

static double number(const json_t *row, const char *key) {
    return json_number_value(json_object_get(row, key));
}

static const char *text(const json_t *row, const char *key) {
    const char *value = json_string_value(json_object_get(row, key));
    return value != NULL ? value : "-";
}

static const char *mark(const json_t *row) {
    return json_is_true(json_object_get(row, "noisy")) ? "unsteady" : "";
}

static void print_context(json_t *report) {
    const char *key;
    json_t *value;
    json_object_foreach(json_object_get(report, "machine"), key, value) {
        if (json_is_string(value))
            printf("%-10s %s\n", key, json_string_value(value));
        else
            printf("%-10s %g\n", key, json_number_value(value));
    }
    printf("%-10s %s\n", "level", text(report, "level"));
    size_t index;
    json_array_foreach(json_object_get(report, "warnings"), index, value) {
        printf("WARNING: %s\n", json_string_value(value));
    }
}

// One line a ceiling: with one thread, and with all where there are several.
static void print_ceilings(const json_t *rows) {
    cli_table table = {.columns = 6};
    const char *const heading[] = {"ceiling", "unit", "threads", "best", "median", ""};
    for (size_t i = 0; i < table.columns; i++)
        cli_cell(&table, "%s", heading[i]);
    size_t index;
    const json_t *row;
    json_array_foreach(rows, index, row) {
        cli_cell(&table, "%s", text(row, "name"));
        cli_cell(&table, "%s", text(row, "unit"));
        cli_cell(&table, "%g", number(row, "threads"));
        cli_cell(&table, "%.1f", number(row, "best"));
        cli_cell(&table, "%.1f", number(row, "median"));
        cli_cell(&table, "%s", mark(row));
    }
    printf("\n");
    cli_table_print(&table, stdout, "");
}

static void print_kernels(const json_t *rows) {
    cli_table table = {.columns = 9};
    const char *const heading[] = {"kernel", "precision", "min us", "median us", "Gop/s",
                                   "GB/s",   "bound",     "share",  ""};
    for (size_t i = 0; i < table.columns; i++)
        cli_cell(&table, "%s", heading[i]);
    size_t index;
    const json_t *row;
    json_array_foreach(rows, index, row) {
        cli_cell(&table, "%s", text(row, "name"));
        cli_cell(&table, "%s", text(row, "precision"));
        cli_cell(&table, "%.2f", 1e6 * number(row, "seconds_min"));
        cli_cell(&table, "%.2f", 1e6 * number(row, "seconds_median"));
        cli_cell(&table, "%.1f", number(row, "gops_per_second"));
        cli_cell(&table, "%.1f", number(row, "gb_per_second"));
        cli_cell(&table, "%s", text(row, "bound"));
        cli_cell(&table, "%.0f %%", 100 * number(row, "roofline_share"));
        cli_cell(&table, "%s", mark(row));
    }
    printf(
        "\nKernels in one thread; share = floor / median, the floor being the larger of operations "
        "at the peak and bytes at the bandwidth.\n\n");
    cli_table_print(&table, stdout, "");
}

static void for_people(json_t *report) {
    print_context(report);
    print_ceilings(json_object_get(report, "ceilings"));
    print_kernels(json_object_get(report, "kernels"));
}

int cli_bench(int argc, char **argv) {
    const char *only = NULL, *threads = NULL;
    bool json = false, quiet = false, quick = false;
    const cli_option options[] = {
        {0, "quick", CLI_FLAG, &quick, NULL, "shorter repeats: about 25 seconds, and noisier"},
        {0, "only", CLI_TEXT, &only, "NAME", "the kernels whose names contain this"},
        {0, "threads", CLI_TEXT, &threads, "N", "threads of the whole machine; default: all"},
        {0, "json", CLI_FLAG, &json, NULL, "print the report as JSON"},
        CLI_OPTIONS_END};
    const cli_usage usage = {.verb = "bench",
                             .arguments = "[options]",
                             .about =
                                 "Measure what this machine can do (arithmetic, bandwidth) and "
                                 "every kernel as a share of that. LODE_CPU lowers the level.",
                             .options = options,
                             .quiet = &quiet};
    int first = 0;
    const int status = cli_parse(&usage, argc, argv, &first);
    if (status != CLI_GO) return status;
    cli_text yaml = {0};
    cli_yaml(&yaml, "only", only);
    cli_yaml(&yaml, "threads", threads);
    if (quick) cli_text_add(&yaml, "quick: true\n");
    cli_screen screen;
    char *report = NULL;
    lode_error error = {0};
    cli_catch_signals();
    cli_screen_open(&screen, quiet);
    const lode_status done = lode_bench(yaml.bytes, &screen.hooks, &report, &error);
    cli_screen_close(&screen);
    cli_text_release(&yaml);
    if (done != LODE_OK) return cli_fail("bench", done, &error);
    return cli_report("bench", &report, json, for_people);
}
