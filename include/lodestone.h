/// lodestone: candidate generation for recommender systems.
///
/// This header is the whole public interface; the command-line program uses nothing else. It has three
/// parts: statuses and small types; *verbs* (import, train, eval, ...), which work on files and take
/// their options as YAML text, so that no struct ever grows; and *handles* for candidates at run time.
///
///     lode_error error = {0};
///     char *report = NULL;
///     if (lode_import("logs/", "shop.lode", NULL, NULL, &report, &error) != LODE_OK)
///         fprintf(stderr, "%s\n", error.message);
///     lode_text_free(&report);
///
/// Conventions. Every function that can fail returns a lode_status (0 is success) and, where it is given
/// one, fills a lode_error with one sentence that a person can act on; the error is untouched on success.
/// Strings are UTF-8. The library never prints, exits or aborts on bad input, and has no mutable global
/// state; handles may be used from several threads where their comment says so.
/// Files and folders given to the verbs may be hostile; struct arguments may not.
#ifndef LODESTONE_H
#define LODESTONE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define LODE_API   __attribute__((visibility("default")))
#define LODE_CHECK __attribute__((warn_unused_result))
#else
#define LODE_API
#define LODE_CHECK
#endif

#define LODE_VERSION "0.1.0"

// ------------------------------------------------------------------------------------------------
// Statuses
// ------------------------------------------------------------------------------------------------

/// X(name, value, text): the one list of statuses.
#define LODE_STATUS_LIST(X)                                                                        \
    X(LODE_OK, 0, "success")                                                                       \
    X(LODE_E_MEMORY, -1, "out of memory")                                                          \
    X(LODE_E_SYSTEM, -2, "the operating system refused a file or thread operation")                \
    X(LODE_E_INPUT, -3, "a log, table or list holds something that cannot be read")                \
    X(LODE_E_FORMAT, -4, "a file of ours is damaged or of another version")                        \
    X(LODE_E_CONFIG, -5, "a configuration key or value is wrong")                                  \
    X(LODE_E_USAGE, -6, "a call or command line is wrong")                                         \
    X(LODE_E_MISSING, -7, "something that was asked for is not there")                             \
    X(LODE_E_EXISTS, -8, "something is in the way and is not overwritten")                         \
    X(LODE_E_MISMATCH, -9, "two things that must fit do not")                                      \
    X(LODE_E_STOPPED, -10, "stopped on request")                                                   \
    X(LODE_E_DIVERGED, -11, "training produced a number that is not finite")

typedef enum lode_status {
#define LODE_STATUS_ENUM(name, value, text) name = value,
    LODE_STATUS_LIST(LODE_STATUS_ENUM)
#undef LODE_STATUS_ENUM
} lode_status;

/// What went wrong, for a person: what was found, where, what was expected, what to do.
typedef struct lode_error {
    lode_status status;
    char message[1024];
} lode_error;

/// The name ("LODE_E_INPUT") and the general text of a status; never NULL.
LODE_API const char *lode_status_name(lode_status status);
LODE_API const char *lode_status_text(lode_status status);

/// "0.1.0"
LODE_API const char *lode_version(void);

/// The instruction level in use: "scalar", "avx2", "avx512", "avx512bf16", "amx"; LODE_CPU masks it.
LODE_API const char *lode_cpu_level(void);

/// Free a text that a verb returned and set the pointer to NULL; NULL is accepted.
LODE_API void lode_text_free(char **text);

// ------------------------------------------------------------------------------------------------
// Hooks
// ------------------------------------------------------------------------------------------------

/// How far a long piece of work is. `total` is 0 where it is not known; `loss` is NaN outside training.
typedef struct lode_progress {
    const char *task; ///< "import", "train", "eval", ...
    const char *unit; ///< what `done`, `total` and `rate` count: "rows", "examples", "users", ...
    uint64_t done, total;
    double rate; ///< units per second, recent
    double loss;
    uint64_t epoch, epochs; ///< 0 outside training
} lode_progress;

/// Callbacks into the caller; every member may be NULL. They are called from the calling thread only.
typedef struct lode_hooks {
    void *cookie;
    /// A non-zero return asks the work to stop cleanly; the verb then returns LODE_E_STOPPED.
    int (*progress)(void *cookie, const lode_progress *progress);
    /// A remark that is no error: a key that was skipped, a mapping that was chosen. One line, no newline.
    void (*notice)(void *cookie, const char *line);
} lode_hooks;

// ------------------------------------------------------------------------------------------------
// Verbs. `options` is YAML text of a flat map (NULL or "" for none); `lode_help` lists the keys.
// `report` receives one JSON document to be freed with lode_text_free; it may be NULL.
// Outputs are written to a temporary name and renamed: they appear whole or not at all.
// ------------------------------------------------------------------------------------------------

/// Read logs with item and user tables into one binary data set.
/// @param source  a file or folder of a known format, or "-" for standard input
/// @param output  the data set to write, by custom "X.lode"; replaced when it exists
LODE_API LODE_CHECK lode_status lode_import(const char *source, const char *output,
                                            const char *options, const lode_hooks *hooks,
                                            char **report, lode_error *error);

/// Make a shop whose truth is known, as raw files: a log with tables, and beside them what is true (docs/synth.md).
/// @param output  a folder; or "-" (standard output), a pipe or a device, which gets the log alone as it is made
LODE_API LODE_CHECK lode_status lode_synth(const char *output, const char *options,
                                           const lode_hooks *hooks, char **report, lode_error *error);

/// Describe a data set: counts, fields, sessions, time span, popularity. Or a run folder, finished or in progress:
/// data, model, epochs, best metric, sizes.
/// @param path  a data set or a run folder; the option `svg: FILE` draws it too (popularity, time, lengths; curves)
LODE_API LODE_CHECK lode_status lode_info(const char *path, const char *options, char **report,
                                          lode_error *error);

/// Merge a configuration text with `key.path=value` settings, check every key and write every default out.
/// @param yaml      configuration text, or NULL for all defaults
/// @param name      what to call that text in messages (a file name), or NULL
/// @param sets      [set_count] settings such as "train.epochs=5"; later ones win
/// @param resolved  receives the complete configuration as YAML text; free with lode_text_free
LODE_API LODE_CHECK lode_status lode_config_resolve(const char *yaml, const char *name,
                                                    const char *const *sets, size_t set_count,
                                                    char **resolved, lode_error *error);

/// Find items that belong together (clicked in one session, near by titles or vectors, sharing a token), in the
/// training part of a data set, and tell about some of them. Options: the miners, their keys, what to show.
/// @param config  configuration text, for its data.split and data.sessions, or NULL for all defaults
LODE_API LODE_CHECK lode_status lode_mine(const char *data, const char *config, const char *options,
                                          const lode_hooks *hooks, char **report, lode_error *error);

/// Train a model and write the bundle `run`. Options: `resume: true` continues a run that was stopped.
/// @param config  configuration text (need not be resolved), or NULL for all defaults
LODE_API LODE_CHECK lode_status lode_train(const char *data, const char *run, const char *config,
                                           const char *options, const lode_hooks *hooks,
                                           char **report, lode_error *error);

/// Measure a bundle and the baselines beside it. The option `svg: FILE` draws the report too.
LODE_API LODE_CHECK lode_status lode_eval(const char *run, const char *options,
                                          const lode_hooks *hooks, char **report, lode_error *error);

/// Write item and user vectors as .npy (float32) with the original ids beside them (.ids, one a line): [items, dim] and
/// [users, dim], or [users, K, dim] of a model with lode_model_interests K > 1.
LODE_API LODE_CHECK lode_status lode_encode(const char *run, const char *options,
                                            const lode_hooks *hooks, char **report,
                                            lode_error *error);

/// Build the index of a bundle, RUN/index: the fastest kind that finds enough, measured with its users' vectors.
LODE_API LODE_CHECK lode_status lode_build_index(const char *run, const char *options,
                                                 const lode_hooks *hooks, char **report,
                                                 lode_error *error);

/// Run a grid of configurations x seeds and compare them; continues where it stopped.
/// @param yaml    the experiment's text; `name` is what to call it in messages, or NULL
/// @param output  the folder that holds the runs and the tables
LODE_API LODE_CHECK lode_status lode_experiment(const char *yaml, const char *name,
                                                const char *output, const char *options,
                                                const lode_hooks *hooks, char **report,
                                                lode_error *error);

/// Measure this machine's ceilings (arithmetic by instruction level, bandwidth) and every kernel as a share of its
/// roofline. The report warns where the machine was too busy for the numbers to mean much.
LODE_API LODE_CHECK lode_status lode_bench(const char *options, const lode_hooks *hooks,
                                           char **report, lode_error *error);

/// Documentation of a topic: "config", "train", "tower ican", "objective in_batch", "import", ...
/// @param topic  NULL or "" lists the topics
LODE_API LODE_CHECK lode_status lode_help(const char *topic, char **text, lode_error *error);

// ------------------------------------------------------------------------------------------------
// Candidates at run time
// ------------------------------------------------------------------------------------------------

/// A trained model with its encoded items. Read-only after opening: shared by any number of threads.
typedef struct lode_model lode_model;

/// One thread's scratch memory for a model; nothing is allocated per query.
typedef struct lode_session lode_session;

/// One request. Either `user` is a user of the data set that the model was opened with (the history and
/// fields are then looked up), or `history` is given: items by token, oldest first, unknown ones ignored.
typedef struct lode_query {
    const char *user;           ///< token of a known user, or NULL
    const char *const *history; ///< [history_count] item tokens, oldest first; overrides the looked-up one
    size_t history_count;
    const int64_t *times; ///< [history_count] click times, ms since 1970, or NULL
    /// [field_count] user or context fields as "name=value", or NULL
    const char *const *fields;
    size_t field_count;
    const char *const *exclude; ///< [exclude_count] items that must not be recommended
    size_t exclude_count;
    bool exclude_seen; ///< also leave out what is in the history
    /// ms since 1970, the moment that ages of clicks count from; 0 = that of the newest click. Clicks after it count as
    /// clicks of that moment, and a history without `times` has no ages. LODE_E_USAGE when negative.
    int64_t now;
} lode_query;

/// One recommended item; `item` belongs to the model and lives as long as it does.
typedef struct lode_candidate {
    const char *item;
    float score;
} lode_candidate;

/// Open a bundle.
/// @param data  the data set for queries by `user`; NULL takes the manifest's, "" opens without one
LODE_API LODE_CHECK lode_status lode_model_open(lode_model **out, const char *run, const char *data,
                                                const lode_hooks *hooks, lode_error *error);
LODE_API void lode_model_free(lode_model **model);
/// Search through the index that lode_build_index made in the bundle, from the next session on. Without it search is
/// exact. LODE_E_MISSING when there is none, LODE_E_INPUT when it was made for other vectors.
LODE_API LODE_CHECK lode_status lode_model_use_index(lode_model *model, lode_error *error);

/// Numbers of one vector. A user may have several: room for users is count * interests * dim.
LODE_API size_t lode_model_dim(const lode_model *model);
/// Vectors a user: 1, or K of a tower of several interests; an item's score is then the largest over them.
LODE_API size_t lode_model_interests(const lode_model *model);
LODE_API size_t lode_model_item_count(const lode_model *model);
/// Token, and vector [dim], of item `index` in 0..item_count-1; they belong to the model.
LODE_API const char *lode_model_item(const lode_model *model, size_t index);
LODE_API const float *lode_model_item_vector(const lode_model *model, size_t index);
/// The item's title or name, or NULL where the data set has none.
LODE_API const char *lode_model_item_title(const lode_model *model, const char *item);
/// Users of the data set the model was opened with (0 without one), and their tokens.
LODE_API size_t lode_model_user_count(const lode_model *model);
LODE_API const char *lode_model_user(const lode_model *model, size_t index);
/// The known clicks of a user, oldest first. @return how many there are; at most `capacity` are written.
LODE_API size_t lode_model_history(const lode_model *model, const char *user, const char **items,
                                   size_t capacity);

/// @param batch  the largest number of queries of one call, 1..4096
/// @param k      the largest number of candidates a query, 1..10000
LODE_API LODE_CHECK lode_status lode_session_new(lode_session **out, const lode_model *model,
                                                 size_t batch, size_t k, lode_error *error);
LODE_API void lode_session_free(lode_session **session);

/// The best `k` items for each query, best first, ties by item order.
/// @param candidates  [count, k]
/// @param found       [count] how many of each row are filled
LODE_API LODE_CHECK lode_status lode_session_recommend(lode_session *session,
                                                       const lode_query *queries, size_t count,
                                                       size_t k, lode_candidate *candidates,
                                                       size_t *found, lode_error *error);

/// User vectors [count, dim] of the queries; where lode_model_interests is K > 1, [count, K, dim]. A user with fewer
/// interests has the first one again in place of the missing.
LODE_API LODE_CHECK lode_status lode_session_encode(lode_session *session, const lode_query *queries,
                                                    size_t count, float *vectors, lode_error *error);

#ifdef __cplusplus
}
#endif
#endif
