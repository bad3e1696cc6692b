/// The command-line program: one file a verb, on top of lodestone.h only.
///
/// A verb is a function that describes its options in a table on its stack, lets `cli_parse` fill its variables,
/// writes what the library should know as YAML (`cli_yaml`), calls one function of lodestone.h and prints the
/// report: as JSON where it was asked for, else as tables. Results go to stdout, talk (progress, notices, errors) to
/// stderr. Exit status: 0 done, 1 failed, 2 wrong usage or configuration.
///
///     main.c       verbs and their names            screen.c   progress, notices, signals, errors
///     options.c    option tables over getopt_long   table.c    aligned tables
///     yaml.c       YAML texts, files, presets       report.c   a JSON report for people
#ifndef LODE_CLI_CLI_H
#define LODE_CLI_CLI_H

#include <jansson.h>
#include <stdio.h>

#include "lodestone.h"

enum { CLI_DONE = 0, CLI_FAILED = 1, CLI_USAGE = 2, CLI_GO = -1 };

// ---- main.c ----

typedef struct cli_verb {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *summary;
} cli_verb;

/// Ended by a NULL name.
extern const cli_verb cli_verbs[];
const cli_verb *cli_verb_find(const char *name);

int cli_synth(int argc, char **argv);
int cli_import(int argc, char **argv);
int cli_info(int argc, char **argv);
int cli_mine(int argc, char **argv);
int cli_train(int argc, char **argv);
int cli_eval(int argc, char **argv);
int cli_encode(int argc, char **argv);
int cli_recommend(int argc, char **argv);
int cli_experiment(int argc, char **argv);
int cli_help(int argc, char **argv);
int cli_version(int argc, char **argv);

// ---- options.c ----

/// Texts that an option collected; they belong to argv.
typedef struct cli_list {
    const char **values;
    size_t count;
} cli_list;

typedef enum cli_kind {
    CLI_FLAG,  ///< bool *
    CLI_TEXT,  ///< const char **
    CLI_COUNT, ///< size_t *: a whole number from 1 on
    CLI_YESNO, ///< const char **: receives "yes" or "no"
    CLI_TEXTS  ///< cli_list *: may be given again and again
} cli_kind;

typedef struct cli_option {
    char letter; ///< or 0
    const char *name;
    cli_kind kind;
    void *value;
    const char *argument; ///< what to call the value, NULL for flags
    const char *help;
} cli_option;

#define CLI_OPTIONS_END                                                                            \
    { 0, NULL, CLI_FLAG, NULL, NULL, NULL }

typedef struct cli_usage {
    const char *verb;
    const char *arguments; ///< "SOURCE -o FILE [options]"
    const char *about;     ///< a paragraph, or several
    const cli_option *options;
    size_t least, most; ///< how many words beside the options
    bool *quiet;        ///< set by --quiet; NULL for verbs that do not talk
    const char *keys;   ///< topic of the library's help that lists further keys, or NULL
} cli_usage;

/// Fill the variables of an option table; the remaining words are argv[*first] ... argv[argc - 1].
/// @return CLI_GO, or the exit status when there is nothing more to do (--help, wrong usage)
int cli_parse(const cli_usage *usage, int argc, char **argv, int *first);

/// One line on stderr and CLI_USAGE.
int cli_wrong_usage(const char *verb, const char *format, ...) __attribute__((format(printf, 2, 3)));

/// The name of a list that is nearest to a word, or NULL when none is near.
const char *cli_nearest(const char *word, const char *const *names, size_t count);

// ---- yaml.c ----

/// A growing text; for options handed to the library. Zero-fill to start.
typedef struct cli_text {
    char *bytes;
    size_t length, capacity;
} cli_text;

void cli_text_add(cli_text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
void cli_text_release(cli_text *text);

/// Add "key: value", quoted where YAML needs it; a NULL value adds nothing.
void cli_yaml(cli_text *text, const char *key, const char *value);
/// Add "key: [a, b, c]" from "a,b,c".
void cli_yaml_list(cli_text *text, const char *key, const char *commas);
/// Add a number of bytes written as 512M, 2G, ...; false when it is none.
bool cli_yaml_bytes(cli_text *text, const char *key, const char *value);
/// Add key=value settings; false after a message when one has no '='.
bool cli_yaml_sets(cli_text *text, const char *verb, const cli_list *sets);

/// A whole file as text, or NULL after a message.
char *cli_read_file(const char *verb, const char *path);
/// A configuration file, or a preset of that name: its path, to be freed; NULL after a message.
char *cli_config_path(const char *verb, const char *name);

/// Memory that is there or ends the program with a message.
void *cli_allocate(void *old, size_t count, size_t size);

// ---- screen.c ----

/// Call once before long work: from then on SIGINT and SIGTERM ask it to stop, a second one kills.
void cli_catch_signals(void);

/// Progress and notices of one verb.
typedef struct cli_screen {
    lode_hooks hooks;
    bool quiet, terminal, drawn, announced;
    double next;    ///< seconds of the clock when the next line is due
    double started; ///< when the task that is shown began
    double share;   ///< how much of it was done then, in 0..1
    char task[64];
} cli_screen;

void cli_screen_open(cli_screen *screen, bool quiet);
void cli_screen_close(cli_screen *screen);

/// Print an error of the library. @return the exit status
int cli_fail(const char *verb, lode_status status, const lode_error *error);

// ---- table.c ----

typedef struct cli_table {
    char **cells;
    size_t columns, count, capacity;
    bool headless; ///< no heading: everything stands left
} cli_table;

/// Cells come row by row; the first row is the heading (unless `headless`). Control characters are made visible.
void cli_cell(cli_table *table, const char *format, ...) __attribute__((format(printf, 2, 3)));
/// Columns of numbers stand right. Releases the table.
void cli_table_print(cli_table *table, FILE *file, const char *indent);

/// A whole number with its thousands apart.
void cli_number(cli_text *text, double value);
/// Columns of the terminal, or 100.
size_t cli_width(void);

// ---- report.c ----

/// Print a report and free it: as it is (`json`), or through `people`, which gets it parsed.
int cli_report(const char *verb, char **report, bool json, void (*people)(json_t *report));
/// Any report: scalars as a list, maps as sections, lists of maps as tables.
void cli_report_any(json_t *report);
/// Where a run's memory was, in one line; nothing when the report does not say.
void cli_report_memory(cli_text *text, json_t *report);
/// A table of metrics, one row a ranker: {"model": {"hit@10": .1, ...}, ...}.
void cli_report_metrics(json_t *rows);

#endif
