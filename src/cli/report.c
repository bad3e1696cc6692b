/// A JSON report of the library for people.
#include "cli/cli.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MOST_DEPTH   6
#define MOST_METRICS 256
#define MOST_ROWS    40
#define MOST_LISTED  12

// ---- any report ----

static bool is_scalar(const json_t *value) {
    return !json_is_object(value) && !json_is_array(value);
}

static void add_real(cli_text *text, double value) {
    if (value == floor(value) && fabs(value) < 1e15) {
        cli_number(text, value);
    } else {
        cli_text_add(text, fabs(value) < 1 ? "%.4g" : "%.2f", value);
    }
}

// "peak_rss_bytes": 123456789 is shown as 117.7 MB, "seconds" with one decimal.
static void add_scalar(cli_text *text, const char *key, const json_t *value) {
    const size_t length = strlen(key);
    if (json_is_string(value)) {
        cli_text_add(text, "%s", json_string_value(value));
    } else if (json_is_number(value) && length > 6 && strcmp(key + length - 6, "_bytes") == 0) {
        cli_text_add(text, "%.1f MB", json_number_value(value) / (1 << 20));
    } else if (json_is_integer(value)) {
        cli_number(text, (double)json_integer_value(value));
    } else if (json_is_real(value)) {
        add_real(text, json_real_value(value));
    } else {
        cli_text_add(text, "%s", json_is_true(value) ? "yes" : json_is_false(value) ? "no" : "-");
    }
}

static void add_value(cli_text *text, const char *key, const json_t *value) {
    if (is_scalar(value)) {
        add_scalar(text, key, value);
        return;
    }
    if (json_is_array(value)) {
        size_t index;
        const json_t *element;
        json_array_foreach(value, index, element) {
            if (index > 0) cli_text_add(text, ", ");
            if (index == MOST_LISTED) {
                cli_text_add(text, "...");
                break;
            }
            if (is_scalar(element)) add_scalar(text, key, element);
        }
        if (json_array_size(value) > 0) return;
    }
    cli_text_add(text, "-");
}

static void words_of(cli_text *text, const char *key, const char *suffix) {
    const size_t length = strlen(key), cut = strlen(suffix);
    const bool ends = cut > 0 && length > cut && strcmp(key + length - cut, suffix) == 0;
    for (size_t i = 0; i < length - (ends ? cut : 0); i++)
        cli_text_add(text, "%c", key[i] == '_' ? ' ' : key[i]);
}

static bool is_list_of_maps(const json_t *value) {
    return json_is_array(value) && json_array_size(value) > 0 &&
           json_is_object(json_array_get(value, 0));
}

// The columns are the keys of all maps, in the order of their first appearance.
static void print_maps(json_t *list, const char *indent) {
    json_t *head = json_object(), *row, *value;
    const char *key;
    size_t index;
    json_array_foreach(list, index, row)(void) json_object_update_missing(head, row);
    cli_table table = {.columns = json_object_size(head)};
    json_object_foreach(head, key, value) {
        cli_text heading = {0};
        words_of(&heading, key, "");
        cli_cell(&table, "%s", heading.bytes != NULL ? heading.bytes : "");
        cli_text_release(&heading);
    }
    json_array_foreach(list, index, row) {
        if (index == MOST_ROWS) break;
        json_object_foreach(head, key, value) {
            cli_text cell = {0};
            add_value(&cell, key, json_object_get(row, key));
            cli_cell(&table, "%s", cell.bytes != NULL ? cell.bytes : "");
            cli_text_release(&cell);
        }
    }
    json_decref(head);
    cli_table_print(&table, stdout, indent);
    if (json_array_size(list) > MOST_ROWS) {
        printf("%s... and %zu more (--json lists all)\n", indent, json_array_size(list) - MOST_ROWS);
    }
}

static void print_map(json_t *map, size_t depth) {
    char indent[2 * MOST_DEPTH + 1] = "";
    memset(indent, ' ', 2 * depth);
    indent[2 * depth] = '\0';
    cli_table table = {.columns = 2, .headless = true};
    const char *key;
    json_t *value;
    json_object_foreach(map, key, value) {
        if (json_is_object(value) || is_list_of_maps(value)) continue;
        cli_text left = {0}, right = {0};
        words_of(&left, key, "_bytes");
        add_value(&right, key, value);
        cli_cell(&table, "%s", left.bytes != NULL ? left.bytes : "");
        cli_cell(&table, "%s", right.bytes != NULL ? right.bytes : "");
        cli_text_release(&left);
        cli_text_release(&right);
    }
    cli_table_print(&table, stdout, indent);
    json_object_foreach(map, key, value) {
        if (!json_is_object(value) && !is_list_of_maps(value)) continue;
        if (depth + 1 == MOST_DEPTH) continue;
        cli_text title = {0};
        words_of(&title, key, "");
        printf("%s%s%s\n", depth == 0 ? "\n" : "", indent, title.bytes != NULL ? title.bytes : "");
        cli_text_release(&title);
        if (json_is_object(value)) {
            print_map(value, depth + 1);
        } else {
            char deeper[2 * MOST_DEPTH + 3];
            (void)snprintf(deeper, sizeof deeper, "%s  ", indent);
            print_maps(value, deeper);
        }
    }
}

void cli_report_any(json_t *report) {
    json_object_del(report, "notices"); // they were said while the work went on
    if (json_is_object(report)) print_map(report, 0);
}

// ---- metrics ----

typedef struct metric_name {
    const char *name;
    long cutoff;
    size_t place; // among those of one cutoff: as in the report
} metric_name;

static int by_cutoff(const void *a, const void *b) {
    const metric_name *x = a, *y = b;
    if (x->cutoff != y->cutoff) return x->cutoff < y->cutoff ? -1 : 1;
    return x->place < y->place ? -1 : x->place > y->place;
}

static size_t metric_names(json_t *rows, metric_name *names) {
    size_t count = 0;
    const char *ranker, *name;
    json_t *metrics, *value;
    json_object_foreach(rows, ranker, metrics) {
        json_object_foreach(metrics, name, value) {
            bool known = !json_is_number(value) || count == MOST_METRICS;
            for (size_t i = 0; i < count && !known; i++)
                known = strcmp(names[i].name, name) == 0;
            if (known) continue;
            const char *sign = strchr(name, '@');
            names[count] = (metric_name){name, sign != NULL ? strtol(sign + 1, NULL, 10) : 0, count};
            count++;
        }
    }
    qsort(names, count, sizeof *names, by_cutoff);
    return count;
}

static void print_block(json_t *rows, const metric_name *names, size_t count) {
    cli_table table = {.columns = count + 1};
    cli_cell(&table, "%s", "");
    for (size_t i = 0; i < count; i++)
        cli_cell(&table, "%s", names[i].name);
    const char *ranker;
    json_t *metrics;
    json_object_foreach(rows, ranker, metrics) {
        cli_cell(&table, "%s", ranker);
        for (size_t i = 0; i < count; i++) {
            const json_t *value = json_object_get(metrics, names[i].name);
            const double number = json_number_value(value);
            if (!json_is_number(value)) {
                cli_cell(&table, "-");
            } else if (json_is_integer(value) || number >= 100) {
                cli_cell(&table, "%.0f", number);
            } else if (number > 1) {
                cli_cell(&table, "%.3f", number);
            } else {
                cli_cell(&table, "%.4f", number);
            }
        }
    }
    cli_table_print(&table, stdout, "");
}

void cli_report_metrics(json_t *rows) {
    metric_name names[MOST_METRICS];
    const size_t count = metric_names(rows, names);
    size_t widest = 0;
    const char *ranker;
    json_t *metrics;
    json_object_foreach(rows, ranker, metrics) {
        const size_t length = strlen(ranker);
        if (length > widest) widest = length;
    }
    // Whole cutoffs go into one block as long as its lines fit.
    for (size_t begin = 0, end = 0; begin < count; begin = end) {
        size_t width = widest;
        for (size_t next = begin; next < count;) {
            const long cutoff = names[next].cutoff;
            for (; next < count && names[next].cutoff == cutoff; next++) {
                const size_t name = strlen(names[next].name);
                width += 2 + (name < 6 ? 6 : name);
            }
            if (end > begin && width > cli_width()) break;
            end = next;
        }
        if (begin > 0) printf("\n");
        print_block(rows, names + begin, end - begin);
    }
}

// ---- either way ----

int cli_report(const char *verb, char **report, bool json, void (*people)(json_t *report)) {
    int status = CLI_DONE;
    if (json) {
        const size_t length = *report != NULL ? strlen(*report) : 0;
        printf("%s%s", *report != NULL ? *report : "",
               length > 0 && (*report)[length - 1] == '\n' ? "" : "\n");
    } else if (*report != NULL) {
        json_error_t problem;
        json_t *root = json_loads(*report, 0, &problem);
        if (root == NULL) {
            fprintf(stderr, "lodestone %s: the report is no JSON: %s\n", verb, problem.text);
            status = CLI_FAILED;
        } else {
            people(root);
            json_decref(root);
        }
    }
    lode_text_free(report);
    return status;
}

void cli_report_memory(cli_text *text, json_t *report) {
    static const char *const keys[][2] = {{"parameter_bytes", "parameters"},
                                          {"optimiser_bytes", "optimiser"},
                                          {"data_bytes", "data"},
                                          {"graph_bytes", "graphs"}};
    const double peak = json_number_value(json_object_get(report, "peak_rss_bytes"));
    double rest = peak;
    if (!(peak > 0)) return;
    cli_text_add(text, "%.1f MB:", peak / (1 << 20));
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const double bytes = json_number_value(json_object_get(report, keys[i][0]));
        cli_text_add(text, " %s %.1f,", keys[i][1], bytes / (1 << 20));
        rest -= bytes;
    }
    cli_text_add(text, " other %.1f", fmax(rest, 0) / (1 << 20));
}
