// A made-up shop: a small world whose truth is known, as RecBole atomic files shop.item, shop.user, shop.inter, content
// vectors, and beside them what is true: shop.truth.tsv, shop.latent.tsv, shop.complements.tsv. docs/synth.md is the
// whole model.
//
// All files are made under temporary names and renamed when the last is whole, so that a run that is stopped changes
// nothing. An output that is "-" (standard output), a pipe or a device gets the log alone, as it comes.
#include "data/synth.h"

#include "data/import.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define AT(member) offsetof(lode_synth_options, member)
#define COUNT(key, least, most, preset, text)                                                      \
    {                                                                                              \
        .name = #key, .type = LODE_KEY_INT, .offset = AT(key), .fallback = preset, .low = least,   \
        .high = most, .help = text                                                                 \
    }
#define REAL(key, most, preset, text)                                                              \
    {                                                                                              \
        .name = #key, .type = LODE_KEY_REAL, .offset = AT(key), .fallback = preset, .low = 0,      \
        .high = most, .help = text                                                                 \
    }

static const char *const content_forms[] = {"npy", "column", NULL};

const lode_key lode__synth_keys[] = {
    COUNT(users, 1, 1e9, "2000", "Number of users; memory does not grow with it."),
    COUNT(items, 2, 1e8, "1000", "Number of items; about 60 bytes of memory each."),
    COUNT(interests, 1, 4096, "16",
          "Number of latent interests, about items / interests items each. Category, tags and "
          "provider "
          "tell an item's interest, with noise."),
    COUNT(
        topics, 1, 4096, "12",
        "Number of latent topics, independent of the interests. Only title and content tell them."),
    COUNT(complements, 0, 64, "4",
          "Complements of an item, all of other categories, which follow it within a session. "
          "Nothing "
          "else tells them."),
    COUNT(clicks_mean, 5, 1000, "30",
          "Mean number of clicks of a user; at least 5 each, then exponential."),
    COUNT(session_mean, 1, 100, "5", "Mean number of clicks of a session."),
    COUNT(exposures, 0, 50,
          "1", "Rows of items that were shown and not clicked, for each click; 0 = a log of clicks alone."),
    COUNT(truth, 0, 1000,
          "10", "Items of a user in shop.truth.tsv, drawn from true preferences with all items shown alike."),
    REAL(interest, 1e6, "16",
         "Strength of interests: where all items are shown alike, clicks that follow the session's "
         "interest for each that follows nothing (see noise). 0 = none do."),
    REAL(topic, 1e6, "2", "Strength of topics, in the same measure."),
    REAL(session, 1e6, "2", "Strength of complements of the click before in the same session."),
    REAL(user, 1e6, "1",
         "How much gender, age and city tilt a user's interests: user / (1 + user) of these come "
         "from "
         "that. 0 = users tell nothing."),
    REAL(bias, 10, "1",
         "Exposure bias: items are shown in proportion to popularity^bias. 0 = all alike."),
    REAL(zipf, 3, "0.8", "Popularity of the item of rank r = 1 / (r + 10)^zipf."),
    REAL(relevance, 100, "0",
         "How much the system knows of a session's interest when it chooses what to show: 1 shows "
         "as "
         "many items for that as for popularity alone."),
    REAL(noise, 1e6, "1",
         "Weight of clicks that follow nothing but what is shown, beside the strengths."),
    REAL(feature_noise, 1, "0.15",
         "Probability that category, a tag or the provider tells a random interest."),
    REAL(title_noise, 1, "0.15", "Probability that a topic word of a title tells a random topic."),
    REAL(noun_noise, 1, "0", "Probability that the noun of a title tells a random category."),
    REAL(content_noise, 1e6, "0.7",
         "Length of the noise in content vectors; the topic's centre has about 1."),
    COUNT(content_dim, 0, LODE_SYNTH_WIDEST, "0",
          "Width of the content vectors, 0 = none. Import makes an item column of them, which "
          "automatic "
          "fields include."),
    {.name = "content",
     .type = LODE_KEY_CHOICE,
     .offset = AT(content),
     .fallback = "npy",
     .choices = content_forms,
     .help =
         "Content vectors as shop.content.npy with shop.content.ids, or as the column content of "
         "shop.item."},
    COUNT(seed, 0, 9e15, "1", "Seed; the same seed gives the same files, at any number of threads."),
    COUNT(threads, 0, 256, "0", "Threads; 0 = one a processor."),
    {.name = "tables",
     .type = LODE_KEY_TEXT,
     .offset = AT(tables),
     .help = "Folder for all files but the log, when the log goes to standard output or a pipe; "
             "without "
             "it only the log is made."},
    {.name = NULL}};

static const char *const file_names[LODE_SYNTH_FILES] = {
    [LODE_SYNTH_F_ITEM] = "shop.item",
    [LODE_SYNTH_F_USER] = "shop.user",
    [LODE_SYNTH_F_CONTENT] = "shop.content.npy",
    [LODE_SYNTH_F_IDS] = "shop.content.ids",
    [LODE_SYNTH_F_LATENT] = "shop.latent.tsv",
    [LODE_SYNTH_F_COMPLEMENTS] = "shop.complements.tsv",
    [LODE_SYNTH_F_TRUTH] = "shop.truth.tsv",
    [LODE_SYNTH_F_LOG] = "shop.inter"};

static lode_status check_options(const lode_synth_options *o, lode_error *error) {
    if (o->interests > o->items)
        return lode__fail(
            error, LODE_E_CONFIG,
            "interests: found %lld for %lld items, expected no more interests than items",
            (long long)o->interests, (long long)o->items);
    if (o->topics > o->items)
        return lode__fail(error, LODE_E_CONFIG,
                          "topics: found %lld for %lld items, expected no more topics than items",
                          (long long)o->topics, (long long)o->items);
    if (o->complements >= o->items)
        return lode__fail(
            error, LODE_E_CONFIG,
            "complements: found %lld for %lld items, expected fewer complements than items",
            (long long)o->complements, (long long)o->items);
    if (o->truth > o->items)
        return lode__fail(error, LODE_E_CONFIG,
                          "truth: found %lld for %lld items, expected no more than there are items",
                          (long long)o->truth, (long long)o->items);
    if (o->noise + o->interest + o->topic <= 0)
        return lode__fail(error, LODE_E_CONFIG,
                          "noise, interest and topic are all 0: the first click of a session would "
                          "follow nothing; set one of them above 0");
    return LODE_OK;
}

// ---- files

// A pipe or device is written as it comes.
static bool is_stream(const char *path) {
    struct stat status;
    return strcmp(path, "-") == 0 ||
           (stat(path, &status) == 0 && !S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode));
}

static lode_status stream_open(lode_synth_sink *sink, const char *path, lode_error *error) {
    const bool standard = strcmp(path, "-") == 0;
    sink->name = standard ? "standard output" : path;
    sink->stream =
        standard ? fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3) : open(path, O_WRONLY | O_CLOEXEC);
    return sink->stream >= 0 ? LODE_OK : lode__fail_errno(error, "cannot write %s", sink->name);
}

lode_status lode__synth_sink_add(lode_synth_sink *sink, const void *bytes, size_t length,
                                 lode_error *error) {
    if (sink->stream < 0) return lode__writer_add(&sink->writer, bytes, length, error);
    const char *at = bytes;
    while (length > 0) {
        const ssize_t done = write(sink->stream, at, length);
        if (done < 0 && errno == EINTR) continue;
        if (done < 0 && errno == EPIPE)
            return lode__fail(error, LODE_E_SYSTEM,
                              "cannot write %s: nobody reads it any more; the log is cut",
                              sink->name);
        if (done < 0) return lode__fail_errno(error, "cannot write %s", sink->name);
        at += done;
        length -= (size_t)done;
    }
    return LODE_OK;
}

static lode_status output_open(lode_synth_output *output, const char *path,
                               const lode_synth_options *options, lode_error *error) {
    const bool stream = is_stream(path);
    const char *const folder = stream ? options->tables : path;
    if (!stream && options->tables)
        return lode__fail(
            error, LODE_E_USAGE,
            "tables: found '%s' beside the folder %s, expected it only with a log that goes "
            "to standard output or a pipe",
            options->tables, path);
    if (folder) LODE_TRY(lode__folder_make(folder, error));
    lode_arena arena = {0};
    lode_status status = LODE_OK;
    for (int k = 0; k < LODE_SYNTH_FILES && status == LODE_OK; ++k) {
        const bool vectors = k == LODE_SYNTH_F_CONTENT || k == LODE_SYNTH_F_IDS;
        const bool apart = options->content_dim > 0 && options->content == LODE_SYNTH_NPY;
        output->wanted[k] = k == LODE_SYNTH_F_LOG || (folder && (!vectors || apart));
        if (!output->wanted[k]) continue;
        if (stream && k == LODE_SYNTH_F_LOG) {
            status = stream_open(&output->files[k], path, error);
            continue;
        }
        const char *const name = lode__path_join(&arena, folder, file_names[k]);
        status = name ? lode__writer_open(&output->files[k].writer, name, error)
                      : lode__fail_memory(error);
    }
    lode__arena_release(&arena);
    return status;
}

static lode_status output_commit(lode_synth_output *output, lode_error *error) {
    for (int k = 0; k < LODE_SYNTH_FILES; ++k)
        if (output->wanted[k] && output->files[k].stream < 0)
            LODE_TRY(lode__writer_commit(&output->files[k].writer, error));
    return LODE_OK;
}

static void output_close(lode_synth_output *output) {
    for (int k = 0; k < LODE_SYNTH_FILES; ++k) {
        if (output->files[k].stream >= 0) (void)close(output->files[k].stream);
        lode__writer_abort(&output->files[k].writer);
    }
}

// ---- the verb

static lode_status write_report(const lode_synth_world *world, const lode_synth_output *output,
                                char **out, lode_error *error) {
    json_t *const files = json_array();
    for (int k = 0; k < LODE_SYNTH_FILES; ++k)
        if (output->wanted[k] && output->files[k].stream < 0)
            (void)json_array_append_new(files, json_string(file_names[k]));
    json_t *const report =
        json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "users", (json_int_t)world->options.users,
                  "items", (json_int_t)world->options.items, "interactions",
                  (json_int_t)output->clicks, "exposures", (json_int_t)output->exposures, "sessions",
                  (json_int_t)output->sessions, "truth", (json_int_t)output->truth, "files", files);
    char *const text = report ? json_dumps(report, JSON_INDENT(2)) : NULL;
    json_decref(report);
    *out = text ? lode__strdup(text) : NULL;
    free(text);
    return *out ? LODE_OK : lode__fail_memory(error);
}

// With one category, or few, there may be nothing to pair.
static void notice_complements(const lode_synth_world *world, const lode_hooks *hooks) {
    const size_t places = world->items * (size_t)world->options.complements;
    size_t missing = 0;
    for (size_t k = 0; k < places; ++k)
        missing += world->complements[k] == LODE_SYNTH_NONE;
    if (missing * 10 > places && hooks && hooks->notice)
        hooks->notice(hooks->cookie,
                      "over a tenth of all complements is missing: too few items of other "
                      "categories; raise interests or items");
}

lode_status lode_synth(const char *output, const char *options, const lode_hooks *hooks,
                       char **report, lode_error *error) {
    if (!output || !*output)
        return lode__fail(error, LODE_E_USAGE, "synth needs a folder to write to, or -");
    lode_arena arena = {0};
    lode_node *root = NULL;
    lode_synth_options o = {0};
    lode_synth_world world = {0};
    lode_synth_output files = {0};
    for (int k = 0; k < LODE_SYNTH_FILES; ++k)
        files.files[k] = (lode_synth_sink){.writer = {.descriptor = -1}, .stream = -1};
    lode_status status;
    if (!options) options = "";
    LODE_GOTO(status,
              lode__yaml_parse(&arena, options, strlen(options), "synth options", &root, error),
              done);
    LODE_GOTO(status, lode__config_read(&arena, root, "", lode__synth_keys, NULL, &o, error), done);
    LODE_GOTO(status, check_options(&o, error), done);
    LODE_GOTO(status, lode__synth_world_make(&world, &o, error), done);
    notice_complements(&world, hooks);
    LODE_GOTO(status, output_open(&files, output, &o, error), done);
    LODE_GOTO(status, lode__synth_tables_write(&world, &files, error), done);
    LODE_GOTO(status, lode__synth_log_write(&world, &files, hooks, error), done);
    LODE_GOTO(status, output_commit(&files, error), done);
    if (report) status = write_report(&world, &files, report, error);
done:
    output_close(&files);
    lode__synth_world_release(&world);
    lode__arena_release(&arena);
    return status;
}
