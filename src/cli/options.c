/// Options: a table on the verb's stack, walked over getopt_long; messages name the nearest option.
#include "cli/cli.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define MOST_OPTIONS 32

int cli_wrong_usage(const char *verb, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "lodestone%s%s: ", verb != NULL ? " " : "", verb != NULL ? verb : "");
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    return CLI_USAGE;
}

static size_t smaller(size_t a, size_t b) {
    return a < b ? a : b;
}

// Levenshtein's distance, where a swap of neighbours costs one; words over 63 bytes are far from everything.
static size_t distance(const char *a, const char *b) {
    size_t rows[3][64];
    const size_t n = strlen(a), m = strlen(b);
    if (n > 63 || m > 63) return 64;
    for (size_t j = 0; j <= m; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t *now = rows[i % 3], *before = rows[(i + 2) % 3], *earlier = rows[(i + 1) % 3];
        now[0] = i;
        for (size_t j = 1; j <= m; j++) {
            now[j] =
                smaller(smaller(before[j], now[j - 1]) + 1, before[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
                now[j] = smaller(now[j], earlier[j - 2] + 1);
            }
        }
    }
    return rows[n % 3][m];
}

const char *cli_nearest(const char *word, const char *const *names, size_t count) {
    const char *best = NULL;
    size_t least = 1 + strlen(word) / 3;
    for (size_t i = 0; i < count; i++) {
        const size_t away = distance(word, names[i]);
        if (away <= least && (best == NULL || away < least)) {
            best = names[i];
            least = away;
        }
    }
    return best;
}

static void print_option(char letter, const char *name, const char *argument, const char *help) {
    char left[64] = "";
    (void)snprintf(left, sizeof left, "%c%c%s--%s%s%s", letter != 0 ? '-' : ' ',
                   letter != 0 ? letter : ' ', letter != 0 ? ", " : "  ", name,
                   argument != NULL ? " " : "", argument != NULL ? argument : "");
    printf("  %-26s  %s\n", left, help);
}

static void print_help(const cli_usage *usage) {
    printf("usage: lodestone %s %s\n\n%s\n\n", usage->verb, usage->arguments, usage->about);
    for (const cli_option *option = usage->options; option->name != NULL; option++) {
        print_option(option->letter, option->name, option->argument, option->help);
    }
    if (usage->quiet != NULL) print_option('q', "quiet", NULL, "no progress and no notices");
    print_option('h', "help", NULL, "this text");
    char *keys = NULL;
    if (usage->keys != NULL && lode_help(usage->keys, &keys, NULL) == LODE_OK) {
        printf("\nKeys for --set:\n\n%s", keys);
    }
    lode_text_free(&keys);
}

static int unknown_option(const cli_usage *usage, const char *word) {
    const char *names[MOST_OPTIONS + 2];
    size_t count = 0;
    for (; usage->options[count].name != NULL; count++)
        names[count] = usage->options[count].name;
    names[count++] = "help";
    if (usage->quiet != NULL) names[count++] = "quiet";
    char name[64] = "";
    if (strncmp(word, "--", 2) == 0)
        (void)snprintf(name, sizeof name, "%.*s", (int)strcspn(word + 2, "="), word + 2);
    const char *nearest = name[0] != '\0' ? cli_nearest(name, names, count) : NULL;
    if (nearest != NULL) {
        return cli_wrong_usage(usage->verb, "unknown option '%s'; did you mean '--%s'?", word,
                               nearest);
    }
    return cli_wrong_usage(usage->verb, "unknown option '%s'; `lodestone %s --help` lists them",
                           word, usage->verb);
}

static int store(const cli_usage *usage, const cli_option *option, const char *value) {
    if (option->kind == CLI_FLAG) {
        *(bool *)option->value = true;
    } else if (option->kind == CLI_TEXT) {
        *(const char **)option->value = value;
    } else if (option->kind == CLI_TEXTS) {
        cli_list *list = option->value;
        list->values = cli_allocate(list->values, list->count + 1, sizeof *list->values);
        list->values[list->count++] = value;
    } else if (option->kind == CLI_YESNO) {
        const bool yes = strcmp(value, "yes") == 0 || strcmp(value, "true") == 0;
        if (!yes && strcmp(value, "no") != 0 && strcmp(value, "false") != 0) {
            return cli_wrong_usage(usage->verb, "--%s takes yes or no, not '%s'", option->name,
                                   value);
        }
        *(const char **)option->value = yes ? "yes" : "no";
    } else {
        char *end = NULL;
        const unsigned long long count = strtoull(value, &end, 10);
        if (value[0] < '0' || value[0] > '9' || *end != '\0' || count == 0 || count > UINT32_MAX) {
            return cli_wrong_usage(usage->verb, "--%s takes a whole number from 1 on, not '%s'",
                                   option->name, value);
        }
        *(size_t *)option->value = (size_t)count;
    }
    return CLI_GO;
}

// Codes of getopt_long: 1000 + the place in the table; 'h' and 'q' are common to all verbs.
static void tables_for_getopt(const cli_usage *usage, struct option *longs, char *letters) {
    size_t count = 0;
    *letters++ = ':'; // a missing argument is told apart from an unknown option
    for (const cli_option *option = usage->options; option->name != NULL && count < MOST_OPTIONS;
         option++) {
        const bool flag = option->kind == CLI_FLAG;
        longs[count] = (struct option){option->name, flag ? no_argument : required_argument, NULL,
                                       1000 + (int)count};
        if (option->letter != 0) {
            *letters++ = option->letter;
            if (!flag) *letters++ = ':';
        }
        count++;
    }
    longs[count++] = (struct option){"help", no_argument, NULL, 'h'};
    if (usage->quiet != NULL) longs[count++] = (struct option){"quiet", no_argument, NULL, 'q'};
    longs[count] = (struct option){NULL, 0, NULL, 0};
    memcpy(letters, usage->quiet != NULL ? "hq" : "h", usage->quiet != NULL ? 3 : 2);
}

static const cli_option *option_of(const cli_usage *usage, int code) {
    if (code >= 1000) return &usage->options[code - 1000];
    for (const cli_option *option = usage->options; option->name != NULL; option++) {
        if (option->letter == code) return option;
    }
    return NULL;
}

int cli_parse(const cli_usage *usage, int argc, char **argv, int *first) {
    struct option longs[MOST_OPTIONS + 3];
    char letters[2 * MOST_OPTIONS + 4];
    tables_for_getopt(usage, longs, letters);
    opterr = 0;
    optind = 1;
    for (int code; (code = getopt_long(argc, argv, letters, longs, NULL)) != -1;) {
        if (code == 'h') {
            print_help(usage);
            return CLI_DONE;
        }
        if (code == ':')
            return cli_wrong_usage(usage->verb, "option '%s' needs a value", argv[optind - 1]);
        if (code == '?') {
            char letter[3] = {'-', (char)optopt, 0};
            const bool by_letter = optopt > 0 && optopt < 128;
            return unknown_option(usage, by_letter ? letter : argv[optind - 1]);
        }
        if (code == 'q' && usage->quiet != NULL) {
            *usage->quiet = true;
            continue;
        }
        const cli_option *option = option_of(usage, code);
        if (option == NULL) return unknown_option(usage, argv[optind - 1]);
        const int status = store(usage, option, optarg);
        if (status != CLI_GO) return status;
    }
    const size_t words = (size_t)(argc - optind);
    if (words < usage->least || words > usage->most) {
        return cli_wrong_usage(usage->verb, "%s; usage: lodestone %s %s",
                               words < usage->least ? "something is missing" : "too many words",
                               usage->verb, usage->arguments);
    }
    *first = optind;
    return CLI_GO;
}
