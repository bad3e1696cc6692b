/// lodestone mine: what miners find, for people and as lines.
#include "cli/cli.h"

#include <stdlib.h>
#include <string.h>

typedef struct mine_options {
    const char *config, *data, *output, *cache, *memory;
    size_t k, sample, threads;
    cli_list miners, show, sets;
    bool json, quiet;
} mine_options;

// "genres: Action, Drama; year: 1995"
static void add_tokens(cli_text *text, json_t *tokens) {
    const char *column;
    json_t *values, *value;
    json_object_foreach(tokens, column, values) {
        size_t index;
        cli_text_add(text, "%s%s: ", text->length > 0 ? "; " : "", column);
        json_array_foreach(values, index, value)
            cli_text_add(text, "%s%s", index > 0 ? ", " : "", json_string_value(value));
    }
}

static const char *text_of(const json_t *map, const char *key) {
    const char *text = json_string_value(json_object_get(map, key));
    return text != NULL ? text : "";
}

static void add_count(cli_table *table, json_t *map, const char *key) {
    cli_text number = {0};
    cli_number(&number, json_number_value(json_object_get(map, key)));
    cli_cell(table, "%s", number.bytes);
    cli_text_release(&number);
}

static void print_heading(json_t *item) {
    cli_text text = {0}, tokens = {0};
    cli_text_add(&text, "\n%s", text_of(item, "item"));
    if (json_object_get(item, "title") != NULL) cli_text_add(&text, "  %s", text_of(item, "title"));
    cli_text_add(&text, "  (");
    cli_number(&text, json_number_value(json_object_get(item, "clicks")));
    cli_text_add(&text, " clicks)");
    add_tokens(&tokens, json_object_get(item, "tokens"));
    if (tokens.length > 0) cli_text_add(&text, "  %s", tokens.bytes);
    for (char *c = text.bytes + 1; *c != '\0'; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f) *c = '?';
    }
    printf("%s\n", text.bytes);
    cli_text_release(&text);
    cli_text_release(&tokens);
}

static void print_partners(json_t *partners) {
    const bool counted = json_object_get(json_array_get(partners, 0), "sessions") != NULL;
    cli_table table = {.columns = 5};
    cli_cell(&table, "item");
    cli_cell(&table, counted ? "sessions" : "similarity");
    cli_cell(&table, "clicks");
    cli_cell(&table, "title");
    cli_cell(&table, "shared");
    size_t index;
    json_t *partner;
    json_array_foreach(partners, index, partner) {
        cli_text shared = {0};
        cli_cell(&table, "%s", text_of(partner, "item"));
        if (counted)
            add_count(&table, partner, "sessions");
        else
            cli_cell(&table, "%.4f", json_number_value(json_object_get(partner, "similarity")));
        add_count(&table, partner, "clicks");
        cli_cell(&table, "%s", text_of(partner, "title"));
        add_tokens(&shared, json_object_get(partner, "shared"));
        cli_cell(&table, "%s", shared.bytes != NULL ? shared.bytes : "");
        cli_text_release(&shared);
    }
    cli_table_print(&table, stdout, "  ");
}

static void print_groups(json_t *groups) {
    size_t index, place;
    json_t *group, *member;
    json_array_foreach(groups, index, group) {
        const double items = json_number_value(json_object_get(group, "items"));
        json_t *members = json_object_get(group, "members");
        cli_table table = {.columns = 3};
        printf("  %s, %.0f items\n", text_of(group, "token"), items);
        cli_cell(&table, "item");
        cli_cell(&table, "clicks");
        cli_cell(&table, "title");
        json_array_foreach(members, place, member) {
            cli_cell(&table, "%s", text_of(member, "item"));
            add_count(&table, member, "clicks");
            cli_cell(&table, "%s", text_of(member, "title"));
        }
        cli_table_print(&table, stdout, "    ");
    }
}

static void print_shown(json_t *shown) {
    size_t index;
    json_t *item;
    json_array_foreach(shown, index, item) {
        json_t *partners = json_object_get(item, "partners"),
               *groups = json_object_get(item, "groups");
        print_heading(item);
        if (json_array_size(partners) > 0) print_partners(partners);
        if (json_array_size(groups) > 0) print_groups(groups);
        if (json_array_size(partners) + json_array_size(groups) == 0) printf("  nothing found\n");
    }
}

static void print_report(json_t *report) {
    json_t *miners = json_incref(json_object_get(report, "miners")), *miner;
    size_t index;
    (void)json_object_del(report, "miners");
    cli_report_any(report);
    json_array_foreach(miners, index, miner) {
        json_t *shown = json_incref(json_object_get(miner, "shown"));
        (void)json_object_del(miner, "shown");
        printf("\n");
        cli_report_any(miner);
        print_shown(shown);
        json_decref(shown);
    }
    json_decref(miners);
}

// Settings with a dot are of the configuration (data.split.type=...), others of the miner; false after a message.
static bool sort_sets(const mine_options *o, cli_list *config, cli_list *miner) {
    config->values = cli_allocate(NULL, o->sets.count, sizeof *config->values);
    miner->values = cli_allocate(NULL, o->sets.count, sizeof *miner->values);
    for (size_t i = 0; i < o->sets.count; i++) {
        const char *set = o->sets.values[i];
        const size_t key = strcspn(set, "=");
        cli_list *list = memchr(set, '.', key) != NULL ? config : miner;
        list->values[list->count++] = set;
    }
    return true;
}

static int resolve(const mine_options *o, const cli_list *sets, char **resolved) {
    char *path = NULL, *text = NULL;
    int status = CLI_USAGE;
    if (o->config != NULL) {
        path = cli_config_path("mine", o->config);
        if (path == NULL) return CLI_USAGE;
        text = cli_read_file("mine", path);
        status = CLI_FAILED;
        if (text == NULL) goto done;
    }
    status = CLI_DONE;
    if (text != NULL || sets->count > 0) {
        lode_error error = {0};
        const lode_status read =
            lode_config_resolve(text, path, sets->values, sets->count, resolved, &error);
        if (read != LODE_OK) status = cli_fail("mine", read, &error);
    }
done:
    free(path);
    free(text);
    return status;
}

static void add_number(cli_text *yaml, const char *key, size_t value) {
    if (value > 0) cli_text_add(yaml, "%s: %zu\n", key, value);
}

// Words as a list; JSON is YAML, too.
static void add_list(cli_text *yaml, const char *key, const cli_list *words) {
    json_t *list = json_array();
    for (size_t i = 0; i < words->count; i++)
        (void)json_array_append_new(list, json_string(words->values[i]));
    char *text = json_dumps(list, JSON_COMPACT);
    if (words->count > 0 && text != NULL) cli_text_add(yaml, "%s: %s\n", key, text);
    free(text);
    json_decref(list);
}

// The options as YAML; false after a message.
static bool write_options(const mine_options *o, const cli_list *sets, cli_text *yaml) {
    add_list(yaml, "miner", &o->miners);
    cli_yaml(yaml, "output", o->output);
    cli_yaml(yaml, "cache", o->cache);
    add_number(yaml, "k", o->k);
    add_number(yaml, "sample", o->sample);
    add_number(yaml, "threads", o->threads);
    add_list(yaml, "show", &o->show);
    if (!cli_yaml_bytes(yaml, "memory", o->memory)) {
        (void)cli_wrong_usage(
            "mine", "--memory takes a number of bytes such as 512M or 2G, not '%s'", o->memory);
        return false;
    }
    return cli_yaml_sets(yaml, "mine", sets);
}

static int mine(const mine_options *o) {
    if (o->data == NULL) return cli_wrong_usage("mine", "in what? --data FILE.lode is missing");
    cli_list of_config = {0}, of_miner = {0};
    cli_text yaml = {0};
    char *config = NULL, *report = NULL;
    int status = CLI_USAGE;
    if (sort_sets(o, &of_config, &of_miner) && write_options(o, &of_miner, &yaml))
        status = resolve(o, &of_config, &config);
    if (status == CLI_DONE) {
        cli_screen screen;
        lode_error error = {0};
        cli_screen_open(&screen, o->quiet);
        const lode_status mined =
            lode_mine(o->data, config, yaml.bytes, &screen.hooks, &report, &error);
        cli_screen_close(&screen);
        status = mined != LODE_OK ? cli_fail("mine", mined, &error)
                                  : cli_report("mine", &report, o->json, print_report);
    }
    lode_text_free(&config);
    cli_text_release(&yaml);
    free(of_config.values);
    free(of_miner.values);
    return status;
}

int cli_mine(int argc, char **argv) {
    mine_options o = {0};
    const cli_option options[] = {
        {0, "data", CLI_TEXT, &o.data, "FILE.lode", "the data set (required)"},
        {0, "miner", CLI_TEXTS, &o.miners, "NAME",
         "sessions (default), titles, vectors, taxonomy; may be repeated; `lodestone help miner "
         "NAME` lists its keys"},
        {'k', "k", CLI_COUNT, &o.k, "N", "partners kept of each item; default: 20"},
        {'c', "config", CLI_TEXT, &o.config, "FILE",
         "configuration or preset, for its data.split and data.sessions"},
        {0, "set", CLI_TEXTS, &o.sets, "KEY=VALUE",
         "a key of the miner (window=30m), or, with a dot, of the configuration"},
        {0, "show", CLI_TEXTS, &o.show, "ITEM", "tell about an item; may be repeated"},
        {0, "sample", CLI_COUNT, &o.sample, "N", "tell about N items by chance"},
        {'o', "output", CLI_TEXT, &o.output, "FILE.tsv",
         "write all pairs: item, partner, weight (groups: item, token, items)"},
        {0, "cache", CLI_TEXT, &o.cache, "FOLDER",
         "where results are kept: auto (default) = FILE.lode.cache, none"},
        {0, "memory", CLI_TEXT, &o.memory, "BYTES", "for counting, such as 512M; default: 2G"},
        {0, "threads", CLI_COUNT, &o.threads, "N", "default: one a processor"},
        {0, "json", CLI_FLAG, &o.json, NULL, "print the report as JSON"},
        CLI_OPTIONS_END};
    const cli_usage usage = {
        .verb = "mine",
        .arguments = "--data FILE.lode [--miner NAME] [--show ITEM] [options]",
        .about =
            "Find items that belong together in the training part of a data set: items that meet "
            "in sessions,\nwhose vectors are near, or that share a token. Objectives use the "
            "same results.",
        .options = options,
        .quiet = &o.quiet,
        .keys = "mine"};
    int first = 0, status = cli_parse(&usage, argc, argv, &first);
    if (status == CLI_GO) status = mine(&o);
    free(o.sets.values);
    free(o.show.values);
    free(o.miners.values);
    return status;
}
