/// lode_mine: what miners find in the training part of a data set, as objectives would see it.
#include "train/mining.h"
#include "base/clock.h"

#include <string.h>

#define AT(member) .offset = offsetof(lode_mining_options, member)
const lode_key lode__mining_keys[] = {
    {.name = "miner",
     .type = LODE_KEY_TEXTS,
     AT(miners),
     .fallback = "[]",
     .help = "What is mined, one or several, one after the other; `lodestone help miner` lists the "
             "miners, `help miner NAME` their keys. Default: what the "
             "configuration's objectives ask, else sessions."},
    {.name = "show", .type = LODE_KEY_TEXTS, AT(show), .fallback = "[]", .help = "Items to tell about."},
    {.name = "sample",
     .type = LODE_KEY_INT,
     AT(sample),
     .fallback = "0",
     .low = 0,
     .high = 1e6,
     .help = "That many more items by chance, of those that have something to show."},
    {.name = "shown",
     .type = LODE_KEY_INT,
     AT(shown),
     .fallback = "20",
     .low = 1,
     .high = 10000,
     .help = "Partners, or members of a group, that are shown of each item at most."},
    {.name = "seed",
     .type = LODE_KEY_INT,
     AT(seed),
     .fallback = "1",
     .low = 0,
     .high = 9e15,
     .help = "Another seed, another sample."},
    {.name = "output",
     .type = LODE_KEY_TEXT,
     AT(output),
     .help = "File for all pairs as tab-separated lines: item, partner, weight; of groups: item, "
             "token, number of items with it."},
    {.name = "threads",
     .type = LODE_KEY_INT,
     AT(threads),
     .fallback = "0",
     .low = 0,
     .high = 256,
     .help = "0 = one a processor. Changes no result."},
    {0}};
#undef AT

/// Add the names of a table's keys; `names` holds them all, ended by NULL.
static void add_names(const char **names, const lode_key *keys) {
    while (*names != NULL)
        names++;
    for (; keys->name != NULL; keys++)
        *names++ = keys->name;
}

/// The names of keys that the options may have and that the miner `own` does not read.
static const char **others_of(lode_mining *mining, const lode_miner_type *own) {
    size_t most = 64;
    for (size_t k = 0; lode__miners[k] != NULL; k++)
        for (const lode_key *key = lode__miners[k]->keys; key->name != NULL; key++)
            most++;
    const char **names = lode__arena_alloc(&mining->arena, most, sizeof *names);
    if (names == NULL) return NULL;
    add_names(names, lode__mining_keys);
    add_names(names, lode__mine_keys);
    const lode_texts *asked = &mining->options.miners;
    for (size_t k = 0; own != NULL && k < asked->count; k++) {
        const lode_miner_type *type = lode__miner_find(asked->values[k]);
        bool again = type == NULL || type == own;
        for (size_t before = 0; before < k; before++)
            again = again || strcmp(asked->values[before], asked->values[k]) == 0;
        if (!again) add_names(names, type->keys);
    }
    return names;
}

static lode_status read_options(lode_mining *mining, const char *options, lode_error *error) {
    lode_arena *arena = &mining->arena;
    LODE_TRY(lode__yaml_parse(arena, options, strlen(options), "options", &mining->root, error));
    size_t most = 1, filled = 0; // keys of miners are read by them, and so are those that nobody knows
    for (const lode_node *node = mining->root->child; node != NULL; node = node->next)
        most++;
    const char **all = lode__arena_alloc(arena, most, sizeof *all);
    if (all == NULL) return lode__fail_memory(error);
    for (const lode_node *node = mining->root->child; node != NULL; node = node->next)
        all[filled++] = node->key;
    LODE_TRY(lode__config_read(arena, mining->root, "", lode__mining_keys, all, &mining->options,
                               error));
    return lode__config_read(arena, mining->root, "", lode__mine_keys, all, &mining->where, error);
}

// ------------------------------------------------------------------------------------------------
// Which miners
// ------------------------------------------------------------------------------------------------

/// Show what this miner finds, too.
/// @param keys   a map
/// @param skip   names of keys in it that someone else reads, or NULL
/// @param label  who asks; lives as long as `mining`
static lode_status add_part(lode_mining *mining, const char *label, const char *name,
                            const lode_node *keys, const char *const *skip, lode_error *error) {
    if (mining->part_count == LODE_MINING_PARTS) {
        return lode__fail(error, LODE_E_CONFIG, "more than %d miners at once", LODE_MINING_PARTS);
    }
    lode_mining_part *part = &mining->parts[mining->part_count++];
    part->label = label;
    return lode__miner_read(&part->miner, name, keys, "", skip, error);
}

/// A miner that the options name, with those of their keys that it has.
static lode_status add_named(lode_mining *mining, const char *name, lode_error *error) {
    const char **others = others_of(mining, lode__miner_find(name));
    if (others == NULL) return lode__fail_memory(error);
    return add_part(mining, name, name, mining->root, others, error);
}

/// What the configuration's objectives ask, each with the keys that it gives.
static lode_status add_asked(lode_mining *mining, lode_error *error) {
    for (size_t i = 0; i < mining->config.objective_count; i++) {
        const lode_objective *objective = &mining->config.objectives[i];
        const char *name = NULL;
        lode_node *keys = NULL;
        if (objective->type->miner == NULL) continue;
        LODE_TRY(objective->type->miner(objective->config, mining->data, &mining->arena, &name,
                                        &keys, error));
        if (name != NULL)
            LODE_TRY(add_part(mining, objective->type->name, name, keys, NULL, error));
    }
    return LODE_OK;
}

/// Options that are keys of a miner want a miner to be named.
static lode_status check_plain(const lode_mining *mining, lode_error *error) {
    const lode_key *const tables[] = {lode__mining_keys, lode__mine_keys};
    for (const lode_node *node = mining->root->child; node != NULL; node = node->next) {
        bool known = false;
        for (size_t t = 0; t < 2; t++)
            for (const lode_key *key = tables[t]; key->name != NULL; key++)
                known = known || strcmp(key->name, node->key) == 0;
        if (known) continue;
        return lode__fail(error, LODE_E_CONFIG,
                          "%s is a key of a miner: name the miner, or set the key of the objective "
                          "that asks it in the configuration",
                          node->key);
    }
    return LODE_OK;
}

static lode_status add_parts(lode_mining *mining, lode_error *error) {
    const lode_texts *asked = &mining->options.miners;
    for (size_t k = 0; k < asked->count; k++)
        LODE_TRY(add_named(mining, asked->values[k], error));
    if (mining->part_count == 0) {
        LODE_TRY(add_asked(mining, error));
        if (mining->part_count > 0) LODE_TRY(check_plain(mining, error));
    }
    if (mining->part_count == 0) LODE_TRY(add_named(mining, "sessions", error));
    if (mining->options.output != NULL && mining->part_count > 1) {
        return lode__fail(error, LODE_E_CONFIG,
                          "output takes the pairs of one miner, not of %zu; name one (miner)",
                          mining->part_count);
    }
    return LODE_OK;
}

// ------------------------------------------------------------------------------------------------
// Mining
// ------------------------------------------------------------------------------------------------

static lode_status open_data(lode_mining *mining, const char *data, lode_error *error) {
    const lode_data_config *config = &mining->config.data;
    const int64_t asked = mining->options.threads;
    const size_t threads = asked > 0 ? (size_t)asked : lode__processor_count();
    LODE_TRY(lode__pool_new(&mining->pool, LODE_MIN(threads, (size_t)256), error));
    LODE_TRY(lode__dataset_open(&mining->data, data, false, error));
    LODE_TRY(lode__split_new(&mining->split, mining->data, &config->split, error));
    if (config->split.refit) lode__split_refit(mining->split);
    return LODE_OK;
}

static lode_status run(lode_mining *mining, lode_mining_part *part, lode_error *error) {
    const lode_mine_input input = {.data = mining->data,
                                   .split = mining->split,
                                   .sessions = &mining->config.data.sessions,
                                   .pool = mining->pool,
                                   .hooks = mining->hooks};
    const double begin = lode__clock();
    LODE_TRY(lode__mine(&part->mined, &part->miner, &mining->where, input, error));
    part->seconds = lode__clock() - begin;
    return LODE_OK;
}

lode_status lode_mine(const char *data, const char *config, const char *options,
                      const lode_hooks *hooks, char **report, lode_error *error) {
    if (!data || !*data) return lode__fail(error, LODE_E_USAGE, "mine needs a data set");
    lode_mining mining = {.hooks = hooks};
    lode_status status;
    LODE_GOTO(status, read_options(&mining, options != NULL ? options : "", error), done);
    LODE_GOTO(status, lode__config_load(&mining.config, config, NULL, NULL, 0, error), done);
    LODE_GOTO(status, open_data(&mining, data, error), done);
    LODE_GOTO(status, add_parts(&mining, error), done);
    for (size_t k = 0; k < mining.part_count; k++)
        LODE_GOTO(status, run(&mining, &mining.parts[k], error), done);
    LODE_GOTO(status, lode__mining_choose(&mining, error), done);
    if (mining.options.output != NULL) LODE_GOTO(status, lode__mining_export(&mining, error), done);
    if (report != NULL) status = lode__mining_report(&mining, report, error);
done:
    for (size_t k = 0; k < mining.part_count; k++) {
        lode__mined_free(&mining.parts[k].mined);
        lode__miner_release(&mining.parts[k].miner);
    }
    lode__split_free(&mining.split);
    lode__dataset_free(&mining.data);
    lode__pool_free(&mining.pool);
    lode__config_release(&mining.config);
    lode__arena_release(&mining.arena);
    return status;
}
