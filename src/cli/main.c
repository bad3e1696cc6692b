/// lodestone VERB ...: finds the verb and runs it.
#include "cli/cli.h"

#include <errno.h>
#include <locale.h>
#include <string.h>

const cli_verb cli_verbs[] = {
    {"synth", cli_synth, "make up a shop with planted structure, as raw files"},
    {"import", cli_import, "turn logs with item and user tables into one data set"},
    {"info", cli_info, "describe a data set"},
    {"mine", cli_mine, "items that belong together: met in sessions, near, or of one kind"},
    {"train", cli_train, "train a model on a data set"},
    {"eval", cli_eval, "measure a model beside its baselines"},
    {"encode", cli_encode, "write item and user vectors as .npy"},
    {"index", cli_index, "build a bundle's index, the fastest by measurement"},
    {"recommend", cli_recommend, "candidates for users or histories"},
    {"experiment", cli_experiment, "run a grid of configurations x seeds and compare"},
    {"bench", cli_bench, "this machine's ceilings, and the kernels as shares of them"},
    {"help", cli_help, "explain a verb, a key, a tower, an objective"},
    {"version", cli_version, "print version, instruction level and compiler"},
    {NULL, NULL, NULL},
};

const cli_verb *cli_verb_find(const char *name) {
    for (const cli_verb *verb = cli_verbs; verb->name != NULL; verb++) {
        if (strcmp(verb->name, name) == 0) return verb;
    }
    return NULL;
}

static int unknown_verb(const char *name) {
    const char *names[sizeof cli_verbs / sizeof *cli_verbs];
    size_t count = 0;
    for (; cli_verbs[count].name != NULL; count++)
        names[count] = cli_verbs[count].name;
    const char *nearest = cli_nearest(name, names, count);
    if (nearest != NULL) {
        return cli_wrong_usage(NULL, "'%s' is no verb; did you mean '%s'?", name, nearest);
    }
    return cli_wrong_usage(NULL, "'%s' is no verb; `lodestone help` lists them", name);
}

int main(int argc, char **argv) {
    (void)setlocale(LC_CTYPE, "");
    const char *name = argc > 1 ? argv[1] : "";
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) name = "help";
    if (strcmp(name, "--version") == 0) name = "version";
    if (name[0] == '\0') {
        return cli_wrong_usage(NULL, "which verb? `lodestone help` lists them");
    }
    const cli_verb *verb = cli_verb_find(name);
    if (verb == NULL) return unknown_verb(name);

    int status = verb->run(argc - 1, argv + 1);
    const bool lost = ferror(stdout) != 0;
    if ((fclose(stdout) != 0 || lost) && status == CLI_DONE) {
        fprintf(stderr, "lodestone %s: the results could not be written: %s\n", verb->name,
                strerror(errno));
        status = CLI_FAILED;
    }
    return status;
}
