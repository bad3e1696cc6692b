/// The table of protocols: names, the splits that they fit, and every detail that changes numbers.
#include "eval/protocol.h"

#include <string.h>

#define FITS(split) (1u << LODE_SPLIT_##split)

enum { SAMPLED = 100, SASREC_USERS = 10000 };

static const lode_protocol protocols[] = {
    {.name = "leave_one_out",
     .splits = FITS(LEAVE_ONE_OUT),
     .unseen = LODE_UNSEEN_MISS,
     .exclude_seen = true,
     .seed = 1,
     .negatives = SAMPLED,
     .help = "Each user's last click is found among all items, from everything before it. Items "
             "the user clicked before are left out; a true item that training never saw counts as "
             "a miss."},
    {.name = "sasrec",
     .splits = FITS(LEAVE_ONE_OUT),
     .unseen = LODE_UNSEEN_MISS,
     .exclude_seen = true,
     .candidates = LODE_CANDIDATES_UNIFORM,
     .negatives = SAMPLED,
     .own = LODE_OWN_TRAIN,
     .max_users = SASREC_USERS,
     .seed = 1,
     .help = "As in SASRec's code (Kang & McAuley 2018): the last click among itself and 100 items "
             "drawn uniformly from the log that are not in the user's training part, for at most "
             "10,000 random users. Drawn without repetition and never the true item (there, one "
             "in some hundred cases differs). Full ranking is printed too."},
    {.name = "clrec",
     .alias = "bert4rec",
     .splits = FITS(LEAVE_ONE_OUT),
     .unseen = LODE_UNSEEN_MISS,
     .exclude_seen = true,
     .wants_refit = true,
     .candidates = LODE_CANDIDATES_POPULARITY,
     .negatives = SAMPLED,
     .seed = 1,
     .help =
         "As in BERT4Rec's code (Sun et al. 2019), which CLRec's public tables follow: the last "
         "click among itself and 100 items drawn by popularity without replacement, none of "
         "the user's own. Popularity is counted over all parts (popularity_from: all); with "
         "train, and under full ranking, it is printed too. The published models were trained "
         "on validation at the end (data.split.refit: true)."},
    {.name = "mic",
     .alias = "comirec",
     .splits = FITS(USERS) | FITS(GIVEN),
     .unseen = LODE_UNSEEN_DROP,
     .negatives = SAMPLED,
     .seed = 1,
     .help = "Held-out users, of whom training saw nothing: the first 80% of their clicks are "
             "given, the rest is to be found among all items, seen ones not left out (Cen et al. "
             "2020, Nie et al. 2022). Clicks on items that training never saw are dropped."},
    {.name = "micrec",
     .splits = FITS(CHRONOLOGICAL),
     .history = LODE_HISTORY_ROLLING,
     .unseen = LODE_UNSEEN_DROP,
     .also_other_exclusion = true,
     .negatives = SAMPLED,
     .seed = 1,
     .help =
         "Every click after one moment in time is found among all items, from the clicks before "
         "it (those of the test included). Items clicked before may be recommended again (the "
         "other choice is printed too); test clicks on items that training never saw are "
         "dropped."},
    {.name = "ccl4rec",
     .splits = FITS(RATIO),
     .history = LODE_HISTORY_ROLLING,
     .unseen = LODE_UNSEEN_ENCODE,
     .candidates = LODE_CANDIDATES_EXPOSURES,
     .negatives = SAMPLED,
     .seed = 1,
     .help = "Labelled exposures: what was shown to a user in the last part of the log is ranked, "
             "each from the clicks strictly before it; the clicked ones are true. An item that was "
             "shown twice counts once, as first shown, true if it was clicked at all. Needs a log "
             "with exposures (import --label) and the split ratio, best with of: rows."},
    {.name = "recbole",
     .splits = FITS(LEAVE_ONE_OUT) | FITS(RATIO) | FITS(GIVEN),
     .unseen = LODE_UNSEEN_MISS,
     .exclude_seen = true,
     .sequence_keeps_seen = true,
     .negatives = SAMPLED,
     .seed = 1,
     .help =
         "As in RecBole: full ranking of the held-out clicks; items of the history are left out "
         "for general recommenders (popularity, item_knn and towers without histories), but "
         "not for sequence models (towers that read histories)."},
};

const lode_protocol *lode__protocol_at(size_t index) {
    return index < sizeof protocols / sizeof *protocols ? &protocols[index] : NULL;
}

const lode_protocol *lode__protocol_find(const char *name) {
    for (size_t i = 0; lode__protocol_at(i); i++) {
        if (strcmp(protocols[i].name, name) == 0 ||
            (protocols[i].alias && strcmp(protocols[i].alias, name) == 0)) {
            return &protocols[i];
        }
    }
    return NULL;
}

bool lode__protocol_fits(const lode_protocol *protocol, lode_split_type split) {
    return (protocol->splits >> split & 1) != 0;
}

void lode__protocol_names(lode_text *text, lode_split_type split) {
    const char *separator = "";
    for (size_t i = 0; lode__protocol_at(i); i++) {
        if (split == LODE_SPLITS || lode__protocol_fits(&protocols[i], split)) {
            lode__text_printf(text, "%s%s", separator, protocols[i].name);
            separator = ", ";
        }
    }
}

const char *lode__history_name(lode_history_mode mode) {
    return mode == LODE_HISTORY_FROZEN ? "frozen" : "rolling";
}

const char *lode__unseen_name(lode_unseen_mode mode) {
    return mode == LODE_UNSEEN_DROP ? "drop" : mode == LODE_UNSEEN_MISS ? "miss" : "encode";
}

const char *lode__candidates_name(lode_candidate_mode mode) {
    static const char *const names[] = {"all", "catalogue", "uniform", "popularity", "exposures"};
    return names[mode];
}

void lode__protocol_override(lode_protocol *protocol, const lode_protocol_details *details) {
    if (details->history > 0) {
        protocol->history = (lode_history_mode)(details->history - 1);
    }
    if (details->unseen > 0) {
        protocol->unseen = (lode_unseen_mode)(details->unseen - 1);
    }
    if (details->candidates > 0) {
        protocol->candidates = (lode_candidate_mode)(details->candidates - 1);
    }
    if (protocol->candidates == LODE_CANDIDATES_CATALOGUE && protocol->unseen == LODE_UNSEEN_MISS) {
        protocol->unseen = LODE_UNSEEN_ENCODE; // what is a candidate can be found
    }
    if (details->negatives > 0) {
        protocol->negatives = (size_t)details->negatives;
    }
    if (details->popularity_from > 0) {
        protocol->popularity_from = details->popularity_from - 1;
    }
    if (details->max_users >= 0) {
        protocol->max_users = (uint64_t)details->max_users;
    }
    if (details->seed >= 0) {
        protocol->seed = (uint64_t)details->seed;
    }
}

bool lode__protocol_encodes(const lode_protocol *protocol) {
    return protocol->unseen == LODE_UNSEEN_ENCODE ||
           protocol->candidates == LODE_CANDIDATES_CATALOGUE;
}

bool lode__protocol_sampled(const lode_protocol *protocol) {
    return protocol->candidates == LODE_CANDIDATES_UNIFORM ||
           protocol->candidates == LODE_CANDIDATES_POPULARITY;
}

/// Whether users of held-out parts train nothing: the parts are parts of the users.
static bool users_apart(const lode_split *split) {
    uint64_t held = 0, apart = 0;
    for (uint32_t user = 0; user < split->log.users; user++) {
        const uint64_t begin = split->log.offsets[user];
        if (split->train_end[user] < split->log.offsets[user + 1]) {
            held++;
            apart += split->train_end[user] == begin;
        }
    }
    return 2 * apart > held;
}

const lode_protocol *lode__protocol_auto(const lode_split *split) {
    switch (split->type) {
    case LODE_SPLIT_CHRONOLOGICAL:
        return lode__protocol_find("micrec");
    case LODE_SPLIT_USERS:
        return lode__protocol_find("mic");
    case LODE_SPLIT_GIVEN:
        return lode__protocol_find(users_apart(split) ? "mic" : "recbole");
    case LODE_SPLIT_RATIO:
        return lode__protocol_find(split->of == LODE_OF_ROWS ? "ccl4rec" : "recbole");
    default:
        return lode__protocol_find("leave_one_out");
    }
}
