/// Cases: which true items are to be found from which state.
///
/// A case costs a state and two positions; nothing of the log is copied. Cases are counted first and
/// then filled in, so that nothing grows. Which true items count is one flag an item: those of a
/// slice, and those that training saw where unseen ones are dropped.
#include "base/order.h"
#include "eval/protocol.h"

#include "base/random.h"
#include "search/entry.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

enum { PURPOSE_USERS = 0x75736572, TAIL_PERCENT = 20 };

const char *lode__slice_name(lode_slice slice) {
    static const char *const names[LODE_SLICES] = {
        [LODE_SLICE_NONE] = "",
        [LODE_SLICE_COLD_ITEMS] = "cold-items",
        [LODE_SLICE_COLD_USERS] = "cold-users",
        [LODE_SLICE_TAIL] = "tail",
    };
    return names[slice];
}

/// What a walk over the users does with what it meets.
typedef struct case_walk {
    lode_cases *cases;
    const uint64_t *starts; ///< of given truth, or NULL
    const bool *slice;      ///< [items] true items of the slice; NULL = all
    bool *chosen;           ///< [users] chosen by max_users; NULL = all
    uint64_t below;         ///< states with fewer known clicks; 0 = all
    uint32_t user_with_case;
} case_walk;

static uint32_t truth_item(const lode_cases *cases, uint64_t at) {
    return cases->truth_items ? cases->truth_items[at] : cases->split->log.item[at];
}

static bool item_unseen(const lode_cases *cases, uint32_t item) {
    return cases->split->item_count[item] == 0;
}

/// Add a case if anything is left to find; with `list` NULL only count it.
static void case_add(case_walk *walk, lode_case one) {
    lode_cases *cases = walk->cases;
    const lode_log *log = &cases->split->log;
    const bool drop = cases->protocol.unseen == LODE_UNSEEN_DROP;
    uint64_t unseen = 0, kept = 0;
    if (walk->below > 0 && one.state.end - log->offsets[one.state.user] >= walk->below) {
        return;
    }
    for (uint64_t at = one.truth_begin; at < one.truth_end; at++) {
        const uint32_t item = truth_item(cases, at);
        if (walk->slice && !walk->slice[item]) {
            continue;
        }
        unseen += item_unseen(cases, item);
        kept += !drop || !item_unseen(cases, item);
    }
    cases->dropped += drop ? unseen : 0;
    if (kept == 0) {
        return;
    }
    cases->missed += cases->protocol.unseen == LODE_UNSEEN_MISS ? unseen : 0;
    cases->largest_truth = LODE_MAX(cases->largest_truth, (size_t)(one.truth_end - one.truth_begin));
    cases->users += walk->user_with_case != one.state.user;
    walk->user_with_case = one.state.user;
    if (cases->list) {
        cases->list[cases->count] = one;
    }
    cases->count++;
}

/// The rows of a user's part, for exposures.
static void part_rows(const lode_cases *cases, uint32_t user, uint64_t *begin, uint64_t *end) {
    const lode_split *split = cases->split;
    const bool test = cases->part == LODE_PART_TEST;
    *begin = test ? split->test_row[user] : split->valid_row[user];
    *end = test ? split->data->offsets[user + 1] : split->test_row[user];
}

/// Count users whose exposures cannot tell a good ranking from a bad one.
static void exposures_look(lode_cases *cases, uint32_t user, bool positives) {
    uint64_t begin, end, exposures = 0;
    part_rows(cases, user, &begin, &end);
    for (uint64_t row = begin; row < end; row++) {
        exposures += cases->split->data->behaviour[row] == LODE_EXPOSURE;
    }
    cases->without_positives += exposures > 0 && !positives;
    cases->without_negatives += exposures == 0 && positives;
}

/// Behind the last click of the user's part.
static uint64_t part_end(const lode_cases *cases, uint32_t user) {
    return cases->part == LODE_PART_TEST ? cases->split->log.offsets[user + 1]
                                         : cases->split->valid_end[user];
}

static void user_walk(case_walk *walk, uint32_t user) {
    lode_cases *cases = walk->cases;
    const lode_split *split = cases->split;
    const bool test = cases->part == LODE_PART_TEST;
    uint64_t begin = test ? split->test_begin[user] : split->valid_begin[user];
    uint64_t end = part_end(cases, user);
    if (walk->starts) {
        case_add(walk, (lode_case){{user, begin}, walk->starts[user], walk->starts[user + 1]});
        return;
    }
    const bool exposures = cases->protocol.candidates == LODE_CANDIDATES_EXPOSURES;
    if (exposures) {
        exposures_look(cases, user, end > begin);
    }
    if (exposures || cases->protocol.history == LODE_HISTORY_FROZEN) {
        case_add(walk, (lode_case){{user, begin}, begin, end});
        return;
    }
    for (uint64_t at = begin; at < end; at++) {
        case_add(walk, (lode_case){{user, at}, at, at + 1});
    }
}

static void cases_walk(case_walk *walk) {
    lode_cases *cases = walk->cases;
    cases->count = cases->largest_truth = 0;
    cases->dropped = cases->missed = cases->users = 0;
    cases->without_positives = cases->without_negatives = 0;
    walk->user_with_case = UINT32_MAX;
    for (uint32_t user = 0; user < cases->split->log.users; user++) {
        if (!walk->chosen || walk->chosen[user]) {
            user_walk(walk, user);
        }
    }
}

/// A user's place in a random order of all users: a function of the seed and the token.
static uint64_t user_place(const lode_cases *cases, uint32_t user) {
    const char *token = lode__token(&cases->split->data->users, user);
    const uint64_t hash = XXH64(token, strlen(token), 0);
    lode_random random =
        lode__random(cases->protocol.seed, PURPOSE_USERS, (uint32_t)hash, (uint32_t)(hash >> 32));
    const uint64_t high = lode__random_u32(&random); // 31 bits, then the user's number against ties
    return high >> 1 << 32 | user;
}

/// Choose max_users of the users who have cases.
static lode_status users_choose(case_walk *walk, lode_error *error) {
    lode_cases *cases = walk->cases;
    const uint32_t users = cases->split->log.users;
    const size_t wanted = (size_t)cases->protocol.max_users;
    lode_entry *places = lode__alloc((size_t)cases->users, sizeof *places);
    walk->chosen = lode__alloc(users, sizeof *walk->chosen);
    if (!places || !walk->chosen) {
        lode__free(places);
        return lode__fail_memory(error);
    }
    size_t filled = 0;
    for (size_t i = 0; i < cases->count; i++) {
        const uint32_t user = cases->list[i].state.user;
        if (i == 0 || cases->list[i - 1].state.user != user) {
            places[filled++] = user_place(cases, user);
        }
    }
    cases->unchosen_users = filled - wanted;
    lode__entries_select(places, filled, wanted);
    for (size_t i = 0; i < wanted; i++) {
        walk->chosen[(uint32_t)places[i]] = true;
    }
    lode__free(places);
    return LODE_OK;
}

static lode_status list_make(case_walk *walk, lode_error *error) {
    lode_cases *cases = walk->cases;
    lode__free(cases->list);
    cases->list = NULL;
    cases_walk(walk);
    cases->list = lode__alloc(cases->count, sizeof *cases->list);
    if (!cases->list) {
        return lode__fail_memory(error);
    }
    cases_walk(walk);
    return LODE_OK;
}

/// The flags of items: candidates of full rankings, and true items that count.
static lode_status flags_make(case_walk *walk, lode_error *error) {
    lode_cases *cases = walk->cases;
    const lode_split *split = cases->split;
    const lode_protocol *protocol = &cases->protocol;
    const bool drop = protocol->unseen == LODE_UNSEEN_DROP;
    const uint32_t items = split->log.items;
    cases->candidate = lode__alloc(items, sizeof *cases->candidate);
    cases->keep = drop || walk->slice ? lode__alloc(items, sizeof *cases->keep) : NULL;
    if (!cases->candidate || ((drop || walk->slice) && !cases->keep)) {
        return lode__fail_memory(error);
    }
    for (uint32_t item = 0; item < items; item++) {
        const bool seen = split->item_count[item] > 0;
        cases->candidate[item] = seen || protocol->candidates == LODE_CANDIDATES_CATALOGUE;
        if (cases->keep) {
            cases->keep[item] = (!walk->slice || walk->slice[item]) && (!drop || seen);
        }
    }
    if (protocol->unseen == LODE_UNSEEN_ENCODE) {
        for (uint64_t row = 0; row < split->data->interactions; row++) {
            cases->candidate[split->data->item[row]] = true;
        }
    }
    return LODE_OK;
}

static lode_status protocol_check(const lode_split *split, const lode_protocol *protocol,
                                  lode_error *error) {
    if (!lode__protocol_fits(protocol, split->type)) {
        lode_text names = {0}, proper = {0};
        lode__protocol_names(&names, split->type);
        for (int type = 0; type < LODE_SPLITS; type++) {
            if (lode__protocol_fits(protocol, (lode_split_type)type)) {
                lode__text_printf(&proper, "%s%s", proper.length > 0 ? " or " : "",
                                  lode__split_name((lode_split_type)type));
            }
        }
        const lode_status status =
            lode__fail(error, LODE_E_MISMATCH,
                       "protocol %s needs split type %s, but the data is split by %s, which fits: "
                       "%s; choose one of these, or train with data.split.type: %s",
                       protocol->name, proper.data ? proper.data : "?", lode__split_name(split->type),
                       names.data ? names.data : "?", proper.data ? proper.data : "?");
        lode__text_release(&names);
        lode__text_release(&proper);
        return status;
    }
    if (protocol->candidates != LODE_CANDIDATES_EXPOSURES) {
        return LODE_OK;
    }
    if (!split->test_row) {
        return lode__fail(error, LODE_E_MISMATCH,
                          "candidates: exposures needs split type ratio, but the data is split by "
                          "%s",
                          lode__split_name(split->type));
    }
    bool exposures = false;
    const lode_dataset *data = split->data;
    for (uint64_t row = 0; data->behaviour && row < data->interactions && !exposures; row++) {
        exposures = data->behaviour[row] == LODE_EXPOSURE;
    }
    return exposures ? LODE_OK
                     : lode__fail(error, LODE_E_MISMATCH,
                                  "protocol %s ranks exposures (shown, not clicked), and the data "
                                  "set has none; import it with labels (--label 'rating>3'), or "
                                  "choose another protocol",
                                  protocol->name);
}

static lode_status cases_build(case_walk *walk, const lode_split *split,
                               const lode_protocol *protocol, lode_part part, lode_error *error) {
    lode_cases *cases = walk->cases;
    cases->split = split;
    cases->protocol = *protocol;
    cases->part = part;
    lode_status status = protocol_check(split, protocol, error);
    if (status == LODE_OK) {
        status = flags_make(walk, error);
    }
    if (status == LODE_OK) {
        status = list_make(walk, error);
    }
    if (status == LODE_OK && protocol->max_users > 0 && cases->users > protocol->max_users) {
        status = users_choose(walk, error);
        if (status == LODE_OK) {
            status = list_make(walk, error);
        }
    }
    lode__free(walk->chosen);
    if (status != LODE_OK) {
        lode__cases_release(cases);
    }
    return status;
}

lode_status lode__cases_new(lode_cases *cases, const lode_split *split,
                            const lode_protocol *protocol, lode_part part, lode_error *error) {
    memset(cases, 0, sizeof *cases);
    case_walk walk = {.cases = cases};
    return cases_build(&walk, split, protocol, part, error);
}

lode_status lode__cases_given(lode_cases *cases, const lode_split *split,
                              const lode_protocol *protocol, const uint64_t *starts,
                              const uint32_t *items, lode_error *error) {
    memset(cases, 0, sizeof *cases);
    cases->truth_items = items;
    case_walk walk = {.cases = cases, .starts = starts};
    lode_protocol own = *protocol;
    if (own.candidates == LODE_CANDIDATES_EXPOSURES) {
        own.candidates = LODE_CANDIDATES_ALL;
    }
    return cases_build(&walk, split, &own, LODE_PART_TEST, error);
}

// ------------------------------------------------------------------------------------------------
// Slices
// ------------------------------------------------------------------------------------------------

/// Flag the least clicked items that together take at most TAIL_PERCENT of the training clicks.
static lode_status tail_flag(const lode_split *split, bool *flags, lode_error *error) {
    lode_entry *entries = lode__alloc(split->train_items, sizeof *entries);
    if (!entries) {
        return lode__fail_memory(error);
    }
    size_t count = 0;
    for (uint32_t item = 0; item < split->log.items; item++) {
        if (split->item_count[item] > 0) {
            entries[count++] = (lode_entry)split->item_count[item] << 32 | (UINT32_MAX - item);
        }
    }
    lode__entries_sort(entries, count);
    uint64_t clicks = 0;
    while (count-- > 0) {
        const uint32_t item = lode__entry_item(entries[count]);
        clicks += split->item_count[item];
        if (clicks * 100 > split->train_clicks * TAIL_PERCENT) {
            break;
        }
        flags[item] = true;
    }
    lode__free(entries);
    return LODE_OK;
}

lode_status lode__cases_slice(lode_cases *cases, const lode_split *split,
                              const lode_protocol *protocol, lode_part part, lode_slice slice,
                              uint64_t short_history, lode_error *error) {
    memset(cases, 0, sizeof *cases);
    case_walk walk = {.cases = cases};
    lode_protocol own = *protocol;
    bool *flags = lode__alloc(split->log.items, sizeof *flags);
    if (!flags) {
        return lode__fail_memory(error);
    }
    lode_status status = LODE_OK;
    if (slice == LODE_SLICE_COLD_ITEMS) {
        own.unseen = LODE_UNSEEN_ENCODE;
        for (uint32_t item = 0; item < split->log.items; item++) {
            flags[item] = split->item_count[item] == 0;
        }
    } else if (slice == LODE_SLICE_TAIL) {
        status = tail_flag(split, flags, error);
    } else if (slice == LODE_SLICE_COLD_USERS) {
        walk.below = LODE_MAX(short_history, (uint64_t)1);
    }
    walk.slice = slice == LODE_SLICE_COLD_ITEMS || slice == LODE_SLICE_TAIL ? flags : NULL;
    if (status == LODE_OK) {
        status = cases_build(&walk, split, &own, part, error);
    }
    lode__free(flags);
    return status;
}

void lode__cases_release(lode_cases *cases) {
    lode__free(cases->list);
    lode__free(cases->candidate);
    lode__free(cases->keep);
    memset(cases, 0, sizeof *cases);
}

size_t lode__case_truth(const lode_cases *cases, size_t index, uint32_t *items) {
    const lode_case *one = &cases->list[index];
    size_t count = 0, distinct = 0;
    for (uint64_t at = one->truth_begin; at < one->truth_end; at++) {
        const uint32_t item = truth_item(cases, at);
        if (!cases->keep || cases->keep[item]) {
            items[count++] = item;
        }
    }
    if (count > 1) {
        qsort(items, count, sizeof *items, lode__rising_u32);
    }
    for (size_t i = 0; i < count; i++) {
        if (distinct == 0 || items[distinct - 1] != items[i]) {
            items[distinct++] = items[i];
        }
    }
    return distinct;
}

size_t lode__cases_next(const lode_cases *cases) {
    const lode_protocol *protocol = &cases->protocol;
    if (cases->truth_items || protocol->candidates == LODE_CANDIDATES_EXPOSURES) {
        return 0;
    }
    const bool rolling = protocol->history == LODE_HISTORY_ROLLING;
    return rolling && lode__protocol_sampled(protocol) ? 1 : LODE_NEXT_CLICKS;
}

size_t lode__case_next(const lode_cases *cases, size_t index, uint32_t *items) {
    const lode_case *one = &cases->list[index];
    const size_t most = lode__cases_next(cases);
    const uint64_t end = most > 0 ? part_end(cases, one->state.user) : 0;
    size_t count = 0;
    for (uint64_t at = one->state.end; at < end && count < most; at++) {
        const uint32_t item = cases->split->log.item[at];
        if (!cases->keep || cases->keep[item]) {
            items[count++] = item;
        }
    }
    return count;
}

lode_status lode__cases_define(const lode_cases *cases, enum lode_metric metric, const char *name,
                               lode_error *error) {
    const lode_protocol *protocol = &cases->protocol;
    const size_t known = lode__cases_next(cases);
    const size_t needed = metric == LODE_METRIC_PRED1_HR   ? 1
                          : metric == LODE_METRIC_PRED5_HR ? LODE_NEXT_CLICKS
                                                           : 0;
    return known >= needed
               ? LODE_OK
               : lode__fail(error, LODE_E_CONFIG,
                            "eval.valid is %s, which protocol %s does not define with history: %s "
                            "and candidates: %s: "
                            "the %s not among what is ranked; choose another metric, such as "
                            "hit@50, or candidates: all",
                            name, protocol->name, lode__history_name(protocol->history),
                            lode__candidates_name(protocol->candidates),
                            known > 0 ? "clicks after the next are" : "next click of a state is");
}
