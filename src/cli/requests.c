/// Reading requests: see requests.h.
#include "cli/requests.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static char *copy(const char *text) {
    const size_t size = strlen(text) + 1;
    return memcpy(cli_allocate(NULL, size, 1), text, size);
}

static int wrong(const cli_requests *requests, const char *what) {
    fprintf(stderr, "lodestone recommend: %s:%zu: %s\n", requests->file_name, requests->line, what);
    return -1;
}

static void of_user(cli_request *request, const char *user) {
    request->line = copy(user);
    request->name = copy(user);
    request->query.user = request->line;
}

// "a,b,c", oldest first
static void of_history(cli_request *request, const char *commas) {
    request->line = copy(commas);
    request->name = copy("history");
    size_t count = 0;
    request->texts = cli_allocate(NULL, 1, sizeof *request->texts); // an empty history is one too
    for (char *at = request->line; *at != '\0';) {
        char *end = at + strcspn(at, ",");
        const bool last = *end == '\0';
        *end = '\0';
        request->texts = cli_allocate(request->texts, count + 1, sizeof *request->texts);
        if (*at != '\0') request->texts[count++] = at;
        at = end + !last;
    }
    request->query.history = request->texts;
    request->query.history_count = count;
}

// A whole number becomes the text that it is written as: ids often look like numbers.
static json_t *as_text(json_t *value) {
    return json_is_integer(value) ? json_sprintf("%lld", (long long)json_integer_value(value))
                                  : json_incref(value);
}

// The texts of a JSON list.
static bool add_texts(json_t *list, const char **texts, size_t *count) {
    for (size_t i = 0; i < json_array_size(list); i++) {
        (void)json_array_set_new(list, i, as_text(json_array_get(list, i)));
        if (!json_is_string(json_array_get(list, i))) return false;
        texts[(*count)++] = json_string_value(json_array_get(list, i));
    }
    return json_is_array(list) || list == NULL;
}

static const char *read_times(cli_request *request, const json_t *list) {
    const size_t count = json_array_size(list);
    if (list == NULL) return NULL;
    if (!json_is_array(list) || count != request->query.history_count) {
        return "\"times\" must be a list as long as \"history\"";
    }
    request->times = cli_allocate(NULL, count, sizeof *request->times);
    for (size_t i = 0; i < count; i++) {
        const json_t *time = json_array_get(list, i);
        if (!json_is_integer(time))
            return "\"times\" must hold whole numbers (milliseconds since 1970)";
        request->times[i] = json_integer_value(time);
    }
    request->query.times = request->times;
    return NULL;
}

// "fields": {"name": "value" or number, ...} becomes "name=value" texts one after the other.
static const char *read_fields(cli_request *request, json_t *fields, const char **texts) {
    const char *key;
    json_t *value;
    if (fields != NULL && !json_is_object(fields)) return "\"fields\" must be a map";
    json_object_foreach(fields, key, value) {
        if (json_is_string(value)) {
            cli_text_add(&request->fields, "%s=%s%c", key, json_string_value(value), 0);
        } else if (json_is_number(value)) {
            cli_text_add(&request->fields, "%s=%.17g%c", key, json_number_value(value), 0);
        } else {
            return "a value of \"fields\" must be a text or a number";
        }
    }
    size_t count = 0;
    for (size_t at = 0; at < request->fields.length; at += strlen(request->fields.bytes + at) + 1) {
        texts[count++] = request->fields.bytes + at;
    }
    request->query.fields = texts;
    request->query.field_count = count;
    return NULL;
}

static const char *read_members(cli_request *request, json_t *root) {
    static const char *const known[] = {"id",  "user",    "history", "times",
                                        "now", "exclude", "fields"};
    const char *key;
    json_t *value;
    json_object_foreach(root, key, value) {
        bool found = false;
        for (size_t i = 0; i < sizeof known / sizeof *known; i++)
            found |= strcmp(key, known[i]) == 0;
        if (!found)
            return "a request has only the members id, user, history, times, now, exclude and "
                   "fields";
    }
    json_t *history = json_is_array(root) ? root : json_object_get(root, "history");
    json_t *exclude = json_object_get(root, "exclude"), *fields = json_object_get(root, "fields");
    const size_t most =
        json_array_size(history) + json_array_size(exclude) + json_object_size(fields);
    request->texts = cli_allocate(NULL, most, sizeof *request->texts);
    lode_query *query = &request->query;
    size_t count = 0;
    if (!add_texts(history, request->texts, &count)) return "\"history\" must be a list of texts";
    if (history != NULL) query->history = request->texts;
    query->history_count = count;
    query->exclude = request->texts + count;
    if (!add_texts(exclude, request->texts, &count)) return "\"exclude\" must be a list of texts";
    query->exclude_count = count - query->history_count;
    if (json_is_integer(json_object_get(root, "user"))) {
        (void)json_object_set_new(root, "user", as_text(json_object_get(root, "user")));
    }
    query->user = json_string_value(json_object_get(root, "user"));
    if (query->user == NULL && history == NULL)
        return "neither \"user\" nor \"history\" (both hold texts)";
    const char *problem = read_times(request, json_object_get(root, "times"));
    const json_t *now = json_object_get(root, "now");
    if (now != NULL && (!json_is_integer(now) || json_integer_value(now) <= 0))
        return "\"now\" must be a whole number above 0 (milliseconds since 1970)";
    query->now = json_integer_value(now);
    return problem != NULL ? problem : read_fields(request, fields, request->texts + count);
}

static int of_json(cli_requests *requests, cli_request *request) {
    json_error_t problem;
    request->json = json_loads(requests->bytes, JSON_REJECT_DUPLICATES, &problem);
    if (request->json == NULL) return wrong(requests, problem.text);
    const char *message = json_is_array(request->json) || json_is_object(request->json)
                              ? read_members(request, request->json)
                              : "neither a list of items nor a map";
    if (message != NULL) return wrong(requests, message);
    json_t *id_text = as_text(json_object_get(request->json, "id"));
    const char *id = json_string_value(id_text);
    if (id == NULL) id = request->query.user;
    if (id != NULL) {
        request->name = copy(id);
    } else {
        cli_text number = {0};
        cli_text_add(&number, "%zu", requests->line);
        request->name = number.bytes;
    }
    json_decref(id_text);
    return 1;
}

// The next line that is not empty, without its end. @return 1, 0 at the end of the file, -1 after a message
static int next_line(cli_requests *requests, const char *path) {
    if (requests->file == NULL) {
        requests->file_name = strcmp(path, "-") == 0 ? "standard input" : path;
        requests->file = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");
        requests->line = 0;
        if (requests->file == NULL) {
            fprintf(stderr, "lodestone recommend: %s: %s\n", path, strerror(errno));
            return -1;
        }
    }
    for (;;) {
        const ssize_t read = getline(&requests->bytes, &requests->capacity, requests->file);
        if (read < 0) {
            const bool failed = ferror(requests->file) != 0;
            if (failed)
                fprintf(stderr, "lodestone recommend: %s: %s\n", requests->file_name,
                        strerror(errno));
            if (requests->file != stdin) (void)fclose(requests->file);
            requests->file = NULL;
            return failed ? -1 : 0;
        }
        requests->line++;
        size_t length = (size_t)read;
        if (memchr(requests->bytes, '\0', length) != NULL)
            return wrong(requests, "holds a NUL byte");
        while (length > 0 && strchr("\r\n", requests->bytes[length - 1]) != NULL)
            length--;
        requests->bytes[length] = '\0';
        if (length > 0) return 1;
    }
}

static int from_file(cli_requests *requests, cli_request *request, const char **path, bool json) {
    const int found = next_line(requests, *path);
    if (found == 0) *path = NULL;
    if (found <= 0) return found;
    if (json) return of_json(requests, request);
    of_user(request, requests->bytes);
    return 1;
}

int cli_requests_next(cli_requests *requests, cli_request *request) {
    *request = (cli_request){0};
    request->query.exclude_seen = requests->exclude_seen;
    int found = 0;
    if (requests->user < requests->users.count) {
        of_user(request, requests->users.values[requests->user++]);
        return 1;
    }
    if (requests->history != NULL && !requests->history_done) {
        requests->history_done = true;
        of_history(request, requests->history);
        return 1;
    }
    if (requests->users_file != NULL)
        found = from_file(requests, request, &requests->users_file, false);
    if (found == 0 && requests->histories_file != NULL) {
        found = from_file(requests, request, &requests->histories_file, true);
    }
    const size_t users = lode_model_user_count(requests->model);
    if (found == 0 && requests->sampled < requests->sample && requests->sampled < users) {
        const size_t many = requests->sample < users ? requests->sample : users;
        of_user(request, lode_model_user(requests->model, requests->sampled++ * users / many));
        found = 1;
    }
    if (found < 0) cli_request_release(request);
    return found;
}

void cli_request_release(cli_request *request) {
    free(request->name);
    free(request->line);
    free(request->texts);
    free(request->times);
    json_decref(request->json);
    cli_text_release(&request->fields);
    *request = (cli_request){0};
}

void cli_requests_release(cli_requests *requests) {
    if (requests->file != NULL && requests->file != stdin) (void)fclose(requests->file);
    free(requests->bytes);
    free(requests->users.values);
    *requests = (cli_requests){0};
}
