/// lodestone version.
#include "cli/cli.h"

#include <string.h>

int cli_version(int argc, char **argv) {
    static const cli_option options[] = {CLI_OPTIONS_END};
    const cli_usage usage = {.verb = "version",
                             .arguments = "",
                             .about = "Print the version, the instruction level in use (LODE_CPU "
                                      "lowers it) and the compiler.",
                             .options = options};
    int first = 0;
    const int status =
        strcmp(argv[0], "version") == 0 ? cli_parse(&usage, argc, argv, &first) : CLI_GO;
    if (status != CLI_GO) return status;
#if defined(__clang__)
    const char *compiler = __VERSION__;
#else
    const char *compiler = "gcc " __VERSION__;
#endif
    printf("lodestone %s\ncpu       %s\ncompiler  %s\n", lode_version(), lode_cpu_level(), compiler);
    return CLI_DONE;
}
