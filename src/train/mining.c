/// lode_mine: what a miner finds in the training part of a data set, as an objective would see it.
#include "train/mining.h"
#include "base/clock.h"

#include <string.h>

#define AT(member) .offset = offsetof(lode_mining_options, member)
const lode_key lode__mining_keys[] = {
    {.name = "miner",
     .type = LODE_KEY_TEXT,
     AT(miner),
     .fallback = "sessions",
     .help =
         "What is mined; `lodestone help miner` lists the miners, `help miner NAME` their keys."},
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

/// Names of the keys of several tables, ended by NULL.
static const char **names_of(lode_arena *arena, const lode_key *const *tables, size_t count) {
    size_t total = 0;
    for (size_t t = 0; t < count; t++)
        for (const lode_key *key = tables[t]; key->name != NULL; key++)
            total++;
    const char **names = lode__arena_alloc(arena, total + 1, sizeof *names);
    total = 0;
    for (size_t t = 0; names != NULL && t < count; t++)
        for (const lode_key *key = tables[t]; key->name != NULL; key++)
            names[total++] = key->name;
    return names;
}

static lode_status read_options(lode_mining *mining, const char *options, lode_error *error) {
    lode_arena *arena = &mining->arena;
    lode_node *root = NULL;
    LODE_TRY(lode__yaml_parse(arena, options, strlen(options), "options", &root, error));
    const lode_node *node = lode__node_get(root, "miner");
    const char *name = node != NULL && node->kind == LODE_NODE_SCALAR ? node->text : "sessions";
    const lode_key *const tables[] = {lode__mining_keys, lode__mine_keys};
    const char **others = names_of(arena, tables, 2);
    if (others == NULL) return lode__fail_memory(error);
    LODE_TRY(lode__miner_read(&mining->miner, name, root, "", others, error));
    const lode_key *const all[] = {lode__mining_keys, lode__mine_keys, mining->miner.type->keys};
    others = names_of(arena, all, 3);
    if (others == NULL) return lode__fail_memory(error);
    LODE_TRY(lode__config_read(arena, root, "", lode__mining_keys, others, &mining->options, error));
    return lode__config_read(arena, root, "", lode__mine_keys, others, &mining->where, error);
}

static lode_status run(lode_mining *mining, const char *data, lode_error *error) {
    const lode_data_config *config = &mining->config.data;
    const int64_t asked = mining->options.threads;
    const size_t threads = asked > 0 ? (size_t)asked : lode__processor_count();
    LODE_TRY(lode__pool_new(&mining->pool, LODE_MIN(threads, (size_t)256), error));
    LODE_TRY(lode__dataset_open(&mining->data, data, false, error));
    LODE_TRY(lode__split_new(&mining->split, mining->data, &config->split, error));
    if (config->split.refit) lode__split_refit(mining->split);
    const lode_mine_input input = {.data = mining->data,
                                   .split = mining->split,
                                   .sessions = &config->sessions,
                                   .pool = mining->pool,
                                   .hooks = mining->hooks};
    const double begin = lode__clock();
    LODE_TRY(lode__mine(&mining->mined, &mining->miner, &mining->where, input, error));
    mining->seconds = lode__clock() - begin;
    return LODE_OK;
}

lode_status lode_mine(const char *data, const char *config, const char *options,
                      const lode_hooks *hooks, char **report, lode_error *error) {
    if (!data || !*data) return lode__fail(error, LODE_E_USAGE, "mine needs a data set");
    lode_mining mining = {.hooks = hooks};
    lode_status status;
    LODE_GOTO(status, read_options(&mining, options != NULL ? options : "", error), done);
    LODE_GOTO(status, lode__config_load(&mining.config, config, NULL, NULL, 0, error), done);
    LODE_GOTO(status, run(&mining, data, error), done);
    LODE_GOTO(status, lode__mining_choose(&mining, error), done);
    if (mining.options.output != NULL) LODE_GOTO(status, lode__mining_export(&mining, error), done);
    if (report != NULL) status = lode__mining_report(&mining, report, error);
done:
    lode__mined_free(&mining.mined);
    lode__split_free(&mining.split);
    lode__dataset_free(&mining.data);
    lode__pool_free(&mining.pool);
    lode__miner_release(&mining.miner);
    lode__config_release(&mining.config);
    lode__arena_release(&mining.arena);
    return status;
}
