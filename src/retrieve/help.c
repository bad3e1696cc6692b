/// lode_help: documentation from the same tables of keys that configurations and options are read with.
#include <stdio.h>
#include <string.h>

#include "bench/bench.h"
#include "data/import.h"
#include "eval/definitions.h"
#include "retrieve/model.h"
#include "train/experiment.h"
#include "train/mining.h"

static const char *side_name(lode_side side) {
    return side == LODE_SIDE_ITEM ? "item" : "user";
}

static void list_topics(lode_text *text) {
    lode__text_add(
        text, "Topics:\n"
              "  config               every key of a configuration, with type, default and range\n"
              "  tower [NAME]         towers:");
    for (size_t i = 0; lode__towers[i] != NULL; i++)
        lode__text_printf(text, " %s", lode__towers[i]->name);
    lode__text_add(text, "\n  objective [NAME]     objectives:");
    for (size_t i = 0; lode__objectives[i] != NULL; i++)
        lode__text_printf(text, " %s", lode__objectives[i]->name);
    lode__text_add(text, "\n  miner [NAME]         miners:");
    for (size_t i = 0; lode__miners[i] != NULL; i++)
        lode__text_printf(text, " %s", lode__miners[i]->name);
    lode__text_add(text, "\n  protocol [NAME]      protocols:");
    for (size_t i = 0; lode__protocol_at(i) != NULL; i++)
        lode__text_printf(text, " %s", lode__protocol_at(i)->name);
    lode__text_add(
        text, "\n  metrics              what is measured, and how it is defined\n"
              "  definitions          what projects and papers mean by their metric names\n"
              "  import, synth, info, mine, eval, encode, index, bench    options of these verbs\n"
              "  experiment           keys of an experiment's file, and options of the verb\n");
}

static void help_tower(lode_text *text, const lode_tower_type *tower) {
    lode__text_printf(text, "%s tower %s\n  %s\n", side_name(tower->side), tower->name, tower->help);
    if (tower->keys->name == NULL) {
        lode__text_add(text, "  It has no keys.\n");
        return;
    }
    char prefix[32] = "model.";
    (void)strncat(prefix, side_name(tower->side), 8);
    (void)strncat(prefix, ".", 2);
    lode__text_printf(text, "\nKeys (under model.%s, beside tower: %s):\n", side_name(tower->side),
                      tower->name);
    lode__config_help(text, prefix, tower->keys);
}

static void help_objective(lode_text *text, const lode_objective_type *objective) {
    lode__text_printf(
        text,
        "objective %s\n  %s\n\nKeys (in an element of objectives, beside type: %s and weight):\n",
        objective->name, objective->help, objective->name);
    lode__config_help(text, "", objective->keys);
}

static void help_miner(lode_text *text, const lode_miner_type *miner) {
    lode__text_printf(text, "miner %s\n  %s\n\nKeys (beside miner: %s):\n", miner->name,
                      miner->help, miner->name);
    lode__config_help(text, "", miner->keys);
}

static void help_mine(lode_text *text) {
    lode__config_help(text, "", lode__mining_keys);
    lode__config_help(text, "", lode__mine_keys);
    lode__text_add(text, "\nMiners have keys of their own: help miner NAME.\n");
}

static const char *candidates_help(const lode_protocol *protocol) {
    static const char *const texts[] = {
        [LODE_CANDIDATES_ALL] = "all items with a training click",
        [LODE_CANDIDATES_CATALOGUE] = "every item of the data set",
        [LODE_CANDIDATES_UNIFORM] = "the true item among uniformly drawn ones",
        [LODE_CANDIDATES_POPULARITY] = "the true item among ones drawn by popularity",
        [LODE_CANDIDATES_EXPOSURES] = "the user's exposures of the part"};
    if (protocol->candidates == LODE_CANDIDATES_ALL && lode__protocol_encodes(protocol))
        return "all items of the log";
    return texts[protocol->candidates];
}

static void help_protocol(lode_text *text, const lode_protocol *protocol) {
    lode__text_printf(text, "protocol %s%s%s%s\n  %s\n", protocol->name,
                      protocol->alias != NULL ? " (alias " : "",
                      protocol->alias != NULL ? protocol->alias : "",
                      protocol->alias != NULL ? ")" : "", protocol->help);
    lode__text_add(text, "  data.split.type  ");
    const char *separator = "";
    for (int type = 0; type < LODE_SPLITS; type++) {
        if (!lode__protocol_fits(protocol, (lode_split_type)type)) continue;
        lode__text_printf(text, "%s%s", separator, lode__split_name((lode_split_type)type));
        separator = " or ";
    }
    lode__text_printf(text, "%s\n  history          %s\n  unseen_items     %s\n",
                      protocol->wants_refit ? ", with refit: true" : "",
                      lode__history_name(protocol->history), lode__unseen_name(protocol->unseen));
    lode__text_printf(text, "  exclude_seen     %s%s%s\n  candidates       %s: %s\n",
                      protocol->exclude_seen ? "yes" : "no",
                      protocol->sequence_keeps_seen ? ", no for towers that read histories" : "",
                      protocol->also_other_exclusion ? "; the other choice is printed too" : "",
                      lode__candidates_name(protocol->candidates), candidates_help(protocol));
    if (!lode__protocol_sampled(protocol)) return;
    lode__text_printf(text, "  negatives        %zu, without replacement, none of the user's %s\n",
                      protocol->negatives,
                      protocol->own == LODE_OWN_TRAIN ? "training items" : "own items");
    if (protocol->candidates == LODE_CANDIDATES_POPULARITY)
        lode__text_add(text, "  popularity_from  all; train is printed too\n");
    if (protocol->max_users > 0)
        lode__text_printf(text, "  max_users        %llu\n", (unsigned long long)protocol->max_users);
    lode__text_add(text, "  Full ranking of the same cases is printed too.\n");
}

static void help_metrics(lode_text *text) {
    static const char *const headings[] = {
        ("R = true items of a case, L = its list cut at K, h = how many of R stand in L.\n\n"
         "Of lists:\n"),
        "\nOf all lists together:\n",
        "\nOf the scores of given candidates (not under full ranking):\n",
        "\nOf the model's vectors (lengths made 1; drawn pairs):\n"};
    int group = -1;
    for (int pass = 0; pass < 4; pass++) {
        for (int m = 0; m < LODE_METRICS; m++) {
            const lode_metric_info *info = lode__metric_at((enum lode_metric)m);
            if ((int)info->group != pass) continue;
            if (group != pass) lode__text_add(text, headings[pass]);
            group = pass;
            char name[64];
            (void)snprintf(name, sizeof name, "%s%s", info->name, info->cutoff ? "@K" : "");
            lode__text_printf(text, "  %-22s %s\n", name, info->help);
        }
    }
}

static void help_definitions(lode_text *text) {
    lode__text_add(
        text,
        "What projects and papers mean by their metric names (eval --definitions NAME,...|all):\n");
    for (size_t i = 0; lode__definition_at(i) != NULL; i++) {
        const lode_definition *definition = lode__definition_at(i);
        lode__text_printf(text, "\n%s: %s\n", definition->name, definition->help);
        for (const lode_definition_row *row = definition->rows; row->name != NULL; row++) {
            const char *metric = lode__metric_name(row->metric);
            if (row->remark == NULL) lode__text_printf(text, "  %-18s %s\n", row->name, metric);
            if (row->remark != NULL)
                lode__text_printf(text, "  %-18s %-20s %s\n", row->name, metric, row->remark);
        }
    }
}

static void help_config(lode_text *text) {
    lode__config_help(text, "", lode__config_keys);
    lode__text_add(
        text,
        "\nTowers and objectives have keys of their own: help tower NAME, help objective NAME.\n");
}

static void help_experiment(lode_text *text) {
    lode__text_add(text, "Keys of an experiment's file:\n");
    lode__config_help(text, "", lode__experiment_keys);
    lode__text_add(text, "\nKeys of a claim (report.claims):\n");
    lode__config_help(text, "", lode__experiment_claim_keys);
    lode__text_add(text, "\nOptions:\n");
    lode__config_help(text, "", lode__experiment_option_keys);
}

/// "tower" alone lists all, "tower ican" explains one. False where the kind is another.
static bool help_registry(lode_text *text, const char *kind, const char *name, bool *found) {
    const bool tower = strcmp(kind, "tower") == 0, objective = strcmp(kind, "objective") == 0;
    const bool protocol = strcmp(kind, "protocol") == 0, miner = strcmp(kind, "miner") == 0;
    for (size_t i = 0; tower && lode__towers[i] != NULL; i++) {
        if (name == NULL) {
            lode__text_printf(text, "  %-12s (%s) %s\n", lode__towers[i]->name,
                              side_name(lode__towers[i]->side), lode__towers[i]->help);
        } else if (strcmp(lode__towers[i]->name, name) == 0) {
            help_tower(text, lode__towers[i]);
        }
    }
    for (size_t i = 0; objective && lode__objectives[i] != NULL; i++) {
        if (name == NULL) {
            lode__text_printf(text, "  %-16s %s\n", lode__objectives[i]->name,
                              lode__objectives[i]->help);
        } else if (strcmp(lode__objectives[i]->name, name) == 0) {
            help_objective(text, lode__objectives[i]);
        }
    }
    for (size_t i = 0; miner && lode__miners[i] != NULL; i++) {
        if (name == NULL) {
            lode__text_printf(text, "  %-12s %s\n", lode__miners[i]->name, lode__miners[i]->help);
        } else if (strcmp(lode__miners[i]->name, name) == 0) {
            help_miner(text, lode__miners[i]);
        }
    }
    for (size_t i = 0; protocol && lode__protocol_at(i) != NULL; i++) {
        if (name == NULL || lode__protocol_find(name) == lode__protocol_at(i))
            help_protocol(text, lode__protocol_at(i));
    }
    *found = text->length > 0;
    return tower || objective || protocol || miner;
}

static const lode_key *keys_of(const char *topic) {
    static const struct {
        const char *name;
        const lode_key *keys;
    } verbs[] = {{"import", lode__import_keys}, {"synth", lode__synth_keys},
                 {"info", lode__info_keys},     {"eval", lode__measure_keys},
                 {"encode", lode__encode_keys}, {"index", lode__index_keys},
                 {"bench", lode__bench_keys}};
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        if (strcmp(verbs[i].name, topic) == 0) return verbs[i].keys;
    }
    return NULL;
}

/// Write about the topic; false when there is no such topic.
static bool write_topic(lode_text *text, const char *topic) {
    if (*topic == 0) {
        list_topics(text);
        return true;
    }
    if (strcmp(topic, "config") == 0 || strcmp(topic, "train") == 0) {
        help_config(text);
        return true;
    }
    if (strcmp(topic, "metrics") == 0) {
        help_metrics(text);
        return true;
    }
    if (strcmp(topic, "definitions") == 0) {
        help_definitions(text);
        return true;
    }
    if (strcmp(topic, "mine") == 0) {
        help_mine(text);
        return true;
    }
    if (strcmp(topic, "experiment") == 0) {
        help_experiment(text);
        return true;
    }
    const lode_key *keys = keys_of(topic);
    if (keys != NULL) {
        lode__config_help(text, "", keys);
        if (strcmp(topic, "import") == 0) lode__import_help(text);
        return true;
    }
    char kind[16] = "";
    const size_t length = strcspn(topic, " ");
    if (length >= sizeof kind) return false;
    memcpy(kind, topic, length);
    bool found = false;
    const char *name = topic[length] == ' ' ? topic + length + 1 : NULL;
    return help_registry(text, kind, name, &found) && found;
}

lode_status lode_help(const char *topic, char **out, lode_error *error) {
    lode_text text = {0};
    if (topic == NULL) topic = "";
    if (!write_topic(&text, topic)) {
        lode__text_release(&text);
        return lode__fail(error, LODE_E_USAGE,
                          "no help on \"%s\"; `lodestone help` lists the topics", topic);
    }
    return lode__text_take(&text, out, error);
}
