/// What the parts of `lode_mine` share: mining.c reads options and mines; mining_report.c tells what was found.
#ifndef LODE_TRAIN_MINING_H
#define LODE_TRAIN_MINING_H

#include <jansson.h>

#include "mine/mine.h"
#include "train/config.h"

enum { LODE_MINING_PARTS = 16 };

typedef struct lode_mining_options {
    const char *output;
    lode_texts miners, show;
    int64_t sample, shown, seed, threads;
} lode_mining_options;

extern const lode_key lode__mining_keys[];

/// A miner and what it found.
typedef struct lode_mining_part {
    const char *label; ///< who asks for it; the miner's name where it is --miner
    lode_miner miner;
    lode_mined *mined;
    double seconds;
} lode_mining_part;

typedef struct lode_mining {
    lode_mining_options options;
    lode_mine_options where;
    lode_config config;
    lode_node *root; ///< the options as they were given
    lode_dataset *data;
    lode_split *split;
    lode_pool *pool;
    const lode_hooks *hooks;
    lode_mining_part parts[LODE_MINING_PARTS]; ///< in the order in which they are shown
    size_t part_count;
    uint32_t *shown; ///< items to show
    size_t shown_count;
    lode_arena arena;
} lode_mining;

/// The items of `show`, and `sample` more by chance among those of which some miner has something to show.
LODE_CHECK lode_status lode__mining_choose(lode_mining *mining, lode_error *error);
/// The report as JSON text; free with lode__free.
LODE_CHECK lode_status lode__mining_report(const lode_mining *mining, char **report,
                                           lode_error *error);
/// Write the first part's pairs (item, partner, weight) or groups (item, token, items of it) as tab-separated lines.
LODE_CHECK lode_status lode__mining_export(const lode_mining *mining, lode_error *error);

#endif
