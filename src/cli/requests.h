/// Requests of `recommend`: users and histories from the command line, from files and from standard input, read one
/// at a time so that a list of any length streams through.
#ifndef LODE_CLI_REQUESTS_H
#define LODE_CLI_REQUESTS_H

#include "cli/cli.h"

/// One request; what `query` points to lives in `line`, `json` and `texts`.
typedef struct cli_request {
    lode_query query;
    char *name; ///< what to call it in the output
    char *line;
    json_t *json;
    const char **texts;
    int64_t *times;
    cli_text fields;
} cli_request;

/// Where requests come from, in this order: `users`, `history`, `users_file`, `histories_file`, `sample`.
typedef struct cli_requests {
    const lode_model *model;
    cli_list users;
    const char *history;
    const char *users_file, *histories_file; ///< names; "-" is standard input
    size_t sample;                           ///< that many users of the data set, spread over it
    bool exclude_seen;

    size_t user, sampled; ///< how many of `users` and of `sample` were handed out
    bool history_done;
    FILE *file;
    const char *file_name;
    size_t line;
    char *bytes; ///< getline's
    size_t capacity;
} cli_requests;

/// The next request. @return 1, 0 at the end, -1 after a message
int cli_requests_next(cli_requests *requests, cli_request *request);
void cli_request_release(cli_request *request);
void cli_requests_release(cli_requests *requests);

#endif
