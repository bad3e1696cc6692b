/// lodestone info: describe a data set or a run.
#include "cli/cli.h"

#include <string.h>

enum { MOST_COLUMNS = 60, LONGEST_NAME = 48 };

static void add_fact(cli_table *table, const char *name, const cli_text *value) {
    cli_cell(table, "%s", name);
    cli_cell(table, "%s", value->bytes != NULL ? value->bytes : "-");
}

static void add_number(cli_table *table, json_t *report, const char *key, const char *name) {
    const json_t *value = json_object_get(report, key);
    if (!json_is_number(value)) return;
    cli_text text = {0};
    if (json_is_integer(value)) cli_number(&text, json_number_value(value));
    if (json_is_real(value)) cli_text_add(&text, "%.4g", json_number_value(value));
    add_fact(table, name, &text);
    cli_text_release(&text);
    (void)json_object_del(report, key);
}

// "2017-10-01T03:00:00Z" without what a person does not need.
static void add_instant(cli_text *text, const char *iso) {
    if (iso != NULL && strlen(iso) >= 16) cli_text_add(text, "%.10s %.5s", iso, iso + 11);
}

static void add_time(cli_table *table, json_t *report) {
    json_t *time = json_object_get(report, "time");
    const char *kind = json_string_value(json_object_get(time, "kind"));
    cli_text text = {0};
    if (kind == NULL) return;
    if (json_object_get(time, "from") != NULL) {
        add_instant(&text, json_string_value(json_object_get(time, "from")));
        cli_text_add(&text, " to ");
        add_instant(&text, json_string_value(json_object_get(time, "until")));
        cli_text_add(&text, " UTC, %.1f days", json_number_value(json_object_get(time, "days")));
    } else {
        cli_text_add(&text, "%s", strcmp(kind, "order") == 0 ? "order only, no durations" : "none");
    }
    add_fact(table, "time", &text);
    cli_text_release(&text);
    (void)json_object_del(report, "time");
}

static void add_sessions(cli_table *table, json_t *report) {
    json_t *sessions = json_object_get(report, "sessions");
    const char *source = json_string_value(json_object_get(sessions, "source"));
    const double gap = json_number_value(json_object_get(sessions, "gap_ms"));
    cli_text text = {0};
    if (source == NULL) return;
    if (strcmp(source, "none") == 0) {
        cli_text_add(&text, "none");
    } else {
        cli_number(&text, json_number_value(json_object_get(sessions, "count")));
        cli_text_add(&text,
                     strcmp(source, "gap") == 0 ? ", by pauses" : ", by the log's session column");
        if (gap > 0) cli_text_add(&text, " of more than %g minutes", gap / 60000);
    }
    add_fact(table, "sessions", &text);
    cli_text_release(&text);
    (void)json_object_del(report, "sessions");
}

// "click 90,570, exposure 1,234"
static void add_behaviours(cli_table *table, json_t *report) {
    cli_text text = {0};
    const char *name;
    json_t *count;
    json_object_foreach(json_object_get(report, "behaviours"), name, count) {
        cli_text_add(&text, "%s%s ", text.length > 0 ? ", " : "", name);
        cli_number(&text, json_number_value(count));
    }
    add_fact(table, "behaviours", &text);
    cli_text_release(&text);
    (void)json_object_del(report, "behaviours");
}

static void add_quantiles(cli_table *table, const char *name, json_t *quantiles) {
    static const char *const keys[] = {"min", "p5", "p25", "median", "p75", "p95", "max", "mean"};
    if (json_object_size(quantiles) == 0) return;
    cli_cell(table, "%s", name);
    for (size_t k = 0; k < sizeof keys / sizeof *keys; k++) {
        const json_t *value = json_object_get(quantiles, keys[k]);
        cli_text text = {0};
        if (json_is_integer(value)) cli_number(&text, json_number_value(value));
        if (json_is_real(value)) cli_text_add(&text, "%.2f", json_number_value(value));
        cli_cell(table, "%s", text.bytes != NULL ? text.bytes : "-");
        cli_text_release(&text);
    }
}

static void print_counts(json_t *report) {
    json_t *popularity = json_object_get(report, "popularity");
    json_t *top = json_object_get(popularity, "top_share");
    cli_table table = {.columns = 9};
    static const char *const heading[] = {"interactions", "min", "5%",  "25%", "median",
                                          "75%",          "95%", "max", "mean"};
    for (size_t k = 0; k < 9; k++)
        cli_cell(&table, "%s", heading[k]);
    add_quantiles(&table, "of a user", json_object_get(report, "interactions_per_user"));
    add_quantiles(&table, "of an item", json_object_get(popularity, "interactions_per_item"));
    printf("\n");
    cli_table_print(&table, stdout, "");
    cli_table shares = {.columns = 1 + json_object_size(top)};
    const char *name;
    json_t *value;
    cli_cell(&shares, "most popular items");
    json_object_foreach(top, name, value) cli_cell(&shares, "%s", name);
    cli_cell(&shares, "their share");
    json_object_foreach(top, name, value) {
        cli_cell(&shares, "%.1f%%", 100 * json_number_value(value));
    }
    printf("\n");
    cli_table_print(&shares, stdout, "");
    (void)json_object_del(report, "popularity");
    (void)json_object_del(report, "interactions_per_user");
}

// The name, cut between two characters where it is long.
static void add_name(cli_table *table, const char *name) {
    size_t length = strlen(name);
    if (length <= LONGEST_NAME) {
        cli_cell(table, "%s", name);
        return;
    }
    length = LONGEST_NAME;
    while (length > 0 && ((unsigned char)name[length] & 0xc0) == 0x80)
        length--;
    cli_cell(table, "%.*s...", (int)length, name);
}

static void print_columns(json_t *report) {
    static const char *const tables[][2] = {
        {"context", "log"}, {"user_columns", "users"}, {"item_columns", "items"}};
    static const char *const heading[] = {"column", "of", "type", "values", "filled"};
    cli_table table = {.columns = 5};
    size_t count = 0, index, columns = 0;
    for (size_t t = 0; t < 3; t++)
        columns += json_array_size(json_object_get(report, tables[t][0]));
    for (size_t k = 0; k < 5 && columns > 0; k++)
        cli_cell(&table, "%s", heading[k]);
    for (size_t t = 0; t < 3; t++) {
        json_t *column;
        json_array_foreach(json_object_get(report, tables[t][0]), index, column) {
            const char *name = json_string_value(json_object_get(column, "name"));
            const char *type = json_string_value(json_object_get(column, "type"));
            if (count++ >= MOST_COLUMNS) continue;
            cli_text values = {0};
            if (json_object_get(column, "values") != NULL)
                cli_number(&values, json_number_value(json_object_get(column, "values")));
            add_name(&table, name != NULL ? name : "-");
            cli_cell(&table, "%s", tables[t][1]);
            cli_cell(&table, "%s", type != NULL ? type : "-");
            cli_cell(&table, "%s", values.bytes != NULL ? values.bytes : "-");
            cli_cell(&table, "%.1f%%", 100 * json_number_value(json_object_get(column, "filled")));
            cli_text_release(&values);
        }
        (void)json_object_del(report, tables[t][0]);
    }
    printf("%s", columns > 0 ? "\n" : "");
    cli_table_print(&table, stdout, "");
    if (count > MOST_COLUMNS) printf("... and %zu more (--json lists all)\n", count - MOST_COLUMNS);
}

static void print_data(json_t *report) {
    cli_table facts = {.columns = 2, .headless = true};
    add_number(&facts, report, "users", "users");
    add_number(&facts, report, "items", "items");
    add_number(&facts, report, "interactions", "interactions");
    add_number(&facts, report, "catalogue", "catalogue");
    add_number(&facts, report, "catalogue_users", "catalogue users");
    add_behaviours(&facts, report);
    add_time(&facts, report);
    add_sessions(&facts, report);
    add_number(&facts, report, "density", "density");
    cli_table_print(&facts, stdout, "");
    print_counts(report);
    print_columns(report);
    if (json_array_size(json_object_get(report, "has")) == 0) (void)json_object_del(report, "has");
    printf("\n");
    cli_report_any(report); // what is left
}

static void print_info(json_t *report) {
    if (json_object_get(report, "run") == NULL) {
        print_data(report);
    } else {
        (void)json_object_del(report, "tensors");
        cli_report_any(report);
    }
}

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
        .about =
            "Describe a data set: counts, fields, sessions, time span, popularity. Or a run "
            "folder, also\nwhile it is being trained: model, data, epochs, best metric, sizes.",
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
    return cli_report("info", &report, json, print_info);
}
