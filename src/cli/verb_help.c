/// lodestone help: verbs by themselves, everything else from the library's tables of keys.
#include "cli/cli.h"

#include <stdlib.h>
#include <string.h>

static int overview(void) {
    printf("lodestone %s: candidate generation for recommender systems\n\n"
           "usage: lodestone VERB [options]\n\n",
           lode_version());
    for (const cli_verb *verb = cli_verbs; verb->name != NULL; verb++) {
        printf("  %-12s%s\n", verb->name, verb->summary);
    }
    char *topics = NULL;
    printf("\n`lodestone help TOPIC` tells more about a verb or a topic.\n");
    if (lode_help(NULL, &topics, NULL) == LODE_OK) printf("\n%s", topics);
    lode_text_free(&topics);
    return CLI_DONE;
}

int cli_help(int argc, char **argv) {
    static const cli_option options[] = {CLI_OPTIONS_END};
    const cli_usage usage = {
        .verb = "help",
        .arguments = "[TOPIC ...]",
        .about = "Explain a verb, a key, a tower, an objective: help train, help config,\n"
                 "help tower ican, help objective in_batch.",
        .options = options,
        .most = 8};
    int first = 1,
        status = strcmp(argv[0], "help") == 0 ? cli_parse(&usage, argc, argv, &first) : CLI_GO;
    if (status != CLI_GO) return status;
    if (first == argc || strcmp(argv[0], "help") != 0) return overview();

    const cli_verb *verb = cli_verb_find(argv[first]);
    if (argc - first == 1 && verb != NULL) {
        char help[] = "--help";
        char *words[] = {argv[first], help, NULL};
        return verb->run(2, words);
    }
    cli_text topic = {0};
    for (int i = first; i < argc; i++)
        cli_text_add(&topic, "%s%s", i > first ? " " : "", argv[i]);
    char *text = NULL;
    lode_error error = {0};
    const lode_status found = lode_help(topic.bytes, &text, &error);
    if (found == LODE_OK) {
        printf("%s", text);
        status = CLI_DONE;
    } else {
        (void)cli_fail("help", found, &error);
        status = CLI_USAGE;
    }
    lode_text_free(&text);
    cli_text_release(&topic);
    return status;
}
