// The keys of an import, and the public verb.
#include "data/import.h"
#include "data/reader.h"

#include <string.h>

static const char *const formats[] = {"auto", "recbole", "jsonl", "movielens", "csv",
                                      "tsv",  "lines",   "lists", "counted",   NULL};
static const char *const encodings[] = {"auto", "utf8", "latin1", NULL};
static const char *const thirds[] = {"auto", "time", "weight", "rating", NULL};

// In the order of lode_repeats.
static const char *const repeats[] = {"keep", "first", "last", "exact", NULL};

#define COUNT_KEY(member, text)                                                                    \
    {                                                                                              \
        .name = #member, .type = LODE_KEY_INT, .offset = offsetof(lode_import_options, member),    \
        .fallback = "0", .low = 0, .high = 1e9, .help = text                                       \
    }

const lode_key lode__import_keys[] = {
    {.name = "format",
     .type = LODE_KEY_CHOICE,
     .offset = offsetof(lode_import_options, format),
     .fallback = "auto",
     .choices = formats,
     .help =
         "Format of the log: auto recognises it; recbole = X.inter with X.item and X.user; jsonl = "
         "one object a line; movielens = files with '::', u.item, u.user; csv (comma, semicolon, "
         "bar), tsv = with a header, or without one in a known shape; lines = 'user item [time or "
         "weight]'; lists = 'user item item ...'; counted = lists with the sizes of three parts. "
         "Files may be compressed with gzip or zstd."},
    {.name = "columns",
     .type = LODE_KEY_TEXT,
     .offset = offsetof(lode_import_options, columns),
     .help =
         "YAML file with the column mapping: log: {user: NAME, item: NAME, time: NAME, label: .., "
         "session: .., behaviour: .., weight: .., part: .., context: [..], item_columns: [..], "
         "user_columns: [..], ignore: [..], names: [columns of a file without a header]}, item: "
         "{id: NAME, COLUMN: type, names: [..], COLUMN: {npy: FILE, ids: FILE}}, user: {..}; types "
         "token, token_seq, float, float_seq, text, ignore."},
    {.name = "label",
     .type = LODE_KEY_TEXT,
     .offset = offsetof(lode_import_options, label),
     .help = "Condition on a column, such as rating>3: rows that meet it are clicks, the others "
             "exposures. Operators: > >= < <= == !=."},
    {.name = "log",
     .type = LODE_KEY_TEXT,
     .offset = offsetof(lode_import_options, log),
     .help = "Name of the file to read as the log, where a folder holds several."},
    {.name = "encoding",
     .type = LODE_KEY_CHOICE,
     .offset = offsetof(lode_import_options, encoding),
     .fallback = "auto",
     .choices = encodings,
     .help =
         "Encoding of texts: utf8 refuses anything else; latin1 reads all as ISO-8859-1; auto is "
         "utf8, but lines of MovieLens files that are not UTF-8 are read as ISO-8859-1."},
    {.name = "third",
     .type = LODE_KEY_CHOICE,
     .offset = offsetof(lode_import_options, third),
     .fallback = "auto",
     .choices = thirds,
     .help =
         "The third column of a log without a header, 'user item X'. auto: a time where a number "
         "is 1e8 or more or no user has a number twice; else (fractions, all equal, repeated) a "
         "weight."},
    {.name = "temporary",
     .type = LODE_KEY_TEXT,
     .offset = offsetof(lode_import_options, temporary),
     .help = "Folder for temporary data; by default beside the output."},
    {.name = "memory",
     .type = LODE_KEY_INT,
     .offset = offsetof(lode_import_options, memory),
     .fallback = "536870912",
     .low = 65536,
     .high = 1e15,
     .help = "Bytes of rows held before a sorted run is written to the temporary folder."},
    {.name = "max_errors",
     .type = LODE_KEY_INT,
     .offset = offsetof(lode_import_options, max_errors),
     .fallback = "0",
     .low = 0,
     .high = 1e15,
     .help = "Bad lines that are skipped and counted; with 0 the first one stops the import."},
    {.name = "max_line",
     .type = LODE_KEY_INT,
     .offset = offsetof(lode_import_options, max_line),
     .fallback = "1048576",
     .low = 256,
     .high = 1073741824,
     .help = "Bytes of the longest legal line."},
    {.name = "append",
     .type = LODE_KEY_BOOL,
     .offset = offsetof(lode_import_options, append),
     .fallback = "false",
     .help =
         "Add to the data set that stands at the output: its rows come first, new values of users "
         "and items replace old ones. Filters see the rows of both."},
    {.name = "duplicates",
     .type = LODE_KEY_CHOICE,
     .offset = offsetof(lode_import_options, duplicates),
     .fallback = "keep",
     .choices = repeats,
     .help =
         "Rows with the user, item and behaviour of another one: keep all, keep the first or the "
         "last one in time, or exact = keep one of those whose time is the same too."},
    COUNT_KEY(min_count, "Remove items with fewer clicks, counted once, after duplicates."),
    COUNT_KEY(min_user_count, "Remove users with fewer clicks, counted once, like min_count."),
    COUNT_KEY(core, "k-core: remove users and items with fewer clicks again and again, until all "
                    "that are left have as many. Runs after min_count and min_user_count."),
    COUNT_KEY(user_core, "The k of users where it differs from core; 0 = as core."),
    COUNT_KEY(item_core, "The k of items where it differs from core; 0 = as core."),
    {.name = NULL}};

void lode__import_help(lode_text *text) {
    lode__text_add(text, "\nFormats, in the order in which they are tried:\n");
    for (size_t k = 0; lode__reader_at(k); ++k)
        lode__text_printf(text, "  %-10s %s\n", lode__reader_at(k)->name, lode__reader_at(k)->help);
}

lode_status lode_import(const char *source, const char *output, const char *options,
                        const lode_hooks *hooks, char **report, lode_error *error) {
    lode_arena arena = {0};
    lode_node *root = NULL;
    lode_import_options parsed = {0};
    lode_status status;
    if (!source || !*source || !output || !*output)
        return lode__fail(error, LODE_E_USAGE, "import needs a source and an output");
    if (!options) options = "";
    LODE_GOTO(status,
              lode__yaml_parse(&arena, options, strlen(options), "import options", &root, error),
              done);
    LODE_GOTO(status, lode__config_read(&arena, root, "", lode__import_keys, NULL, &parsed, error),
              done);
    status = lode__import(source, output, &parsed, hooks, report, error);
done:
    lode__arena_release(&arena);
    return status;
}
