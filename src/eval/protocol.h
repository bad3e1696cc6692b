/// Protocols: the cases of a test, and everything about them that changes numbers. A protocol has a name and
/// fixes its split and details; nothing is mixed silently.
#ifndef LODE_EVAL_PROTOCOL_H
#define LODE_EVAL_PROTOCOL_H

#include "base/text.h"
#include "data/split.h"
#include "eval/metrics.h"
#include "search/topk.h"

typedef enum lode_history_mode { LODE_HISTORY_FROZEN, LODE_HISTORY_ROLLING } lode_history_mode;
typedef enum lode_unseen_mode {
    LODE_UNSEEN_DROP,
    LODE_UNSEEN_MISS,
    LODE_UNSEEN_ENCODE
} lode_unseen_mode;

/// What is ranked.
typedef enum lode_candidate_mode {
    LODE_CANDIDATES_ALL, ///< items with a training click; with `encode` all with an interaction
    LODE_CANDIDATES_CATALOGUE,  ///< every item of the data set
    LODE_CANDIDATES_UNIFORM,    ///< the true items and some drawn ones, every item of the log alike
    LODE_CANDIDATES_POPULARITY, ///< the same, in proportion to clicks
    LODE_CANDIDATES_EXPOSURES   ///< what the log says was shown to the user in the part
} lode_candidate_mode;

/// Which items of a user are never drawn as negatives (true items never are).
enum lode_own { LODE_OWN_ALL, LODE_OWN_TRAIN };

enum lode_popularity_from { LODE_POPULARITY_ALL, LODE_POPULARITY_TRAIN };

/// A protocol fixes the splits that it fits and every detail; keys of section `eval` override details one by one.
typedef struct lode_protocol {
    const char *name, *alias; ///< alias: or NULL
    unsigned splits;          ///< bit 1 << lode_split_type of those it fits, the proper one lowest
    lode_history_mode history;
    lode_unseen_mode unseen;
    bool exclude_seen;
    bool sequence_keeps_seen; ///< exclude_seen does not hold for models whose user tower reads histories
    bool also_other_exclusion; ///< print the other choice of exclude_seen too
    bool wants_refit;          ///< published with a last training on training + validation
    lode_candidate_mode candidates;
    size_t negatives;    ///< drawn ones of a case
    int own;             ///< lode_own
    int popularity_from; ///< lode_popularity_from
    uint64_t max_users;  ///< at most so many users, drawn at random; 0 = all
    uint64_t seed;       ///< of drawn users and candidates
    const char *help;
} lode_protocol;

/// Details of a protocol that keys override; the first value of each means: as the protocol says.
typedef struct lode_protocol_details {
    int history;         ///< 0, or lode_history_mode + 1
    int unseen;          ///< 0, or lode_unseen_mode + 1
    int candidates;      ///< 0, or lode_candidate_mode + 1
    int64_t negatives;   ///< 0, or how many
    int popularity_from; ///< 0, or lode_popularity_from + 1
    int64_t max_users;   ///< -1, or how many (0 = all)
    int64_t seed;        ///< -1, or the seed
} lode_protocol_details;

/// candidates: catalogue turns unseen: miss into encode, since what is a candidate can be found.
void lode__protocol_override(lode_protocol *protocol, const lode_protocol_details *details);
/// "frozen", "miss", "catalogue" ...: the words that keys use.
const char *lode__history_name(lode_history_mode mode);
const char *lode__unseen_name(lode_unseen_mode mode);
const char *lode__candidates_name(lode_candidate_mode mode);

/// By name or alias, or NULL; `index` for walking the list until NULL.
const lode_protocol *lode__protocol_find(const char *name);
const lode_protocol *lode__protocol_at(size_t index);
bool lode__protocol_fits(const lode_protocol *protocol, lode_split_type split);
/// Names of the protocols that fit a split, or with LODE_SPLITS of all, separated by ", ".
void lode__protocol_names(lode_text *text, lode_split_type split);
/// What `auto` means for a split: leave_one_out; micrec for chronological; mic for held-out users (as given, too);
/// ccl4rec for a ratio of rows; recbole for the rest.
const lode_protocol *lode__protocol_auto(const lode_split *split);
/// Whether items without a training click are to be encoded.
bool lode__protocol_encodes(const lode_protocol *protocol);
bool lode__protocol_sampled(const lode_protocol *protocol);

typedef enum lode_part { LODE_PART_VALID, LODE_PART_TEST } lode_part;

/// One case: predict the items at truth_begin .. truth_end (positions in the log, or in `truth_items`) from the
/// state.
typedef struct lode_case {
    lode_state state;
    uint64_t truth_begin, truth_end;
} lode_case;

typedef struct lode_cases {
    const lode_split *split;
    lode_protocol protocol;
    lode_part part;
    lode_case *list;
    size_t count;
    uint64_t dropped; ///< test clicks left out because their item is unseen (LODE_UNSEEN_DROP)
    uint64_t missed;  ///< test clicks on unseen items that count as misses
    size_t largest_truth;
    bool *candidate; ///< [items] what full rankings may hold; others score -INFINITY among given candidates
    bool *keep; ///< [items] true items that count (a slice, LODE_UNSEEN_DROP); NULL = all
    uint64_t without_positives,
        without_negatives;       ///< exposures: users without a case; cases without a negative
    uint64_t users;              ///< with a case
    uint64_t unchosen_users;     ///< left out by max_users
    const uint32_t *truth_items; ///< NULL = the log's
    lode_pool *pool;             ///< for the work between rankings; the caller's, or NULL
} lode_cases;

/// Build the cases of a part. An item is unseen when it has no training click. With LODE_UNSEEN_DROP such
/// truth clicks are removed (frozen: kept in the range but skipped by lode__case_truth).
/// LODE_E_MISMATCH where the protocol is for another split or the data lacks what it needs, saying which.
LODE_CHECK lode_status lode__cases_new(lode_cases *cases, const lode_split *split,
                                       const lode_protocol *protocol, lode_part part,
                                       lode_error *error);
void lode__cases_release(lode_cases *cases);
/// Distinct true items of a case, without dropped ones. @return their number (>= 1)
size_t lode__case_truth(const lode_cases *cases, size_t index, uint32_t *items);
/// How many of the clicks behind a state may stand in its list: LODE_NEXT_CLICKS; 1 where the candidates are one true
/// click and drawn items (rolling); 0 where a list is no state's (exposures) or the truth has no order (given).
size_t lode__cases_next(const lode_cases *cases);
/// The user's clicks from the case's state on, in their order, within the part: the first lode__cases_next of those
/// whose item counts (cases->keep). A click that repeats an item is one more.
/// @param items  [LODE_NEXT_CLICKS] output
/// @return how many: fewer than lode__cases_next where the part ends, but 1 at least if that is
size_t lode__case_next(const lode_cases *cases, size_t index, uint32_t *items);
/// LODE_E_CONFIG for pred1-hr and pred5-hr where lode__cases_next is too small for them.
/// @param name  what eval.valid says, for the message
LODE_CHECK lode_status lode__cases_define(const lode_cases *cases, enum lode_metric metric,
                                          const char *name, lode_error *error);

/// Slices of a test, measured apart.
typedef enum lode_slice {
    LODE_SLICE_NONE,
    LODE_SLICE_COLD_ITEMS, ///< true items without a training click, encoded from their features
    LODE_SLICE_COLD_USERS, ///< states with fewer known clicks than a bound
    LODE_SLICE_TAIL, ///< true items among the least clicked that together take 20% of the training clicks
    LODE_SLICES
} lode_slice;

/// "cold-items", "cold-users", "tail"; "" for none.
const char *lode__slice_name(lode_slice slice);
/// The cases of a slice. cold-items sets unseen to LODE_UNSEEN_ENCODE. It may be empty.
/// @param short_history  bound of cold-users
LODE_CHECK lode_status lode__cases_slice(lode_cases *cases, const lode_split *split,
                                         const lode_protocol *protocol, lode_part part,
                                         lode_slice slice, uint64_t short_history, lode_error *error);

/// Cases from given truth: user u's items are items[starts[u]] .. items[starts[u + 1] - 1], to be found from all of
/// u's clicks in front of the test. Users without items have no case.
/// @param starts, items  [users + 1] and data-set items; must outlive the cases
LODE_CHECK lode_status lode__cases_given(lode_cases *cases, const lode_split *split,
                                         const lode_protocol *protocol, const uint64_t *starts,
                                         const uint32_t *items, lode_error *error);

/// Draws of negatives for cases, each a function of (seed, the user's token, the case's number among the user's).
typedef struct lode_drawer lode_drawer;

/// @param threads  how many may draw at once
LODE_CHECK lode_status lode__drawer_new(lode_drawer **out, const lode_cases *cases, size_t threads,
                                        lode_error *error);
void lode__drawer_free(lode_drawer **drawer);
/// How many cases have fewer eligible items than negatives are wanted: all of these are ranked.
LODE_CHECK lode_status lode__drawer_short(lode_drawer *drawer, uint64_t *count, lode_error *error);
/// Distinct negatives of a case, without its true items and the user's own (protocol.own).
/// @param truth  [truths] the true items
/// @param items  [protocol.negatives] output
/// @return how many: fewer than wanted only where all eligible items are taken
size_t lode__drawer_draw(lode_drawer *drawer, size_t thread, size_t index, const uint32_t *truth,
                         size_t truths, uint32_t *items);

/// Given candidates to score: group g is the items items[starts[g]] .. items[starts[g + 1] - 1] as seen from
/// states[g]. Items are data-set items; any of the catalogue may stand there, those without a training click too.
typedef struct lode_scoring {
    const lode_state *states; ///< [count]
    const uint64_t *starts;   ///< [count + 1]
    const uint32_t *items;    ///< [starts[count]]
    size_t count;
    float *scores; ///< [starts[count]] output, never NaN; -INFINITY for what cannot be scored
} lode_scoring;

/// Something that ranks: a model, popularity, item-kNN.
typedef struct lode_ranker {
    const char *name;
    void *self;
    /// Lists [count, k] for cases begin .. begin + count - 1, padded with LODE_NO_ITEM. Only items of
    /// cases->candidate may stand there. `exclude_seen` leaves out the items of log.offsets[user] .. state.end.
    lode_status (*rank)(void *self, const lode_cases *cases, size_t begin, size_t count, size_t k,
                        bool exclude_seen, uint32_t *lists, lode_error *error);
    /// Scores of given candidates, whatever order they stand in; NULL = this ranker cannot.
    lode_status (*score)(void *self, const lode_cases *cases, const lode_scoring *scoring,
                         lode_error *error);
    void (*free)(void *self);
    size_t batch; ///< cases that it likes to rank at once; 0 = any number
} lode_ranker;

/// Popularity: items by training clicks, most clicked first, ties by lower index.
LODE_CHECK lode_status lode__ranker_popularity(lode_ranker *ranker, const lode_split *split,
                                               lode_error *error);
/// Item-kNN: score(j) = sum over distinct history items i of s(i, j), s = c_ij / sqrt(c_i c_j) over users of the
/// training part, kept for the `neighbours` most similar j of each i; history = the whole known one.
/// Memory is bounded by items x neighbours and one row of counts a thread.
LODE_CHECK lode_status lode__ranker_item_knn(lode_ranker *ranker, const lode_split *split,
                                             size_t neighbours, lode_pool *pool, lode_error *error);

/// Rank all cases in batches and add up the metrics, over all candidates or the given ones, as the protocol says.
/// Given candidates are sorted by score; ties are broken against the true item; what cannot be scored is not listed. `progress` goes to the hooks as task `task`.
/// LODE_E_STOPPED when the hooks ask to stop.
LODE_CHECK lode_status lode__evaluate(const lode_cases *cases, const lode_ranker *ranker,
                                      bool exclude_seen, lode_metrics *metrics,
                                      const lode_hooks *hooks, const char *task, lode_error *error);

#endif
