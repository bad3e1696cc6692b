// The registry of miners, and mining with a cache in front.
#include <string.h>

#include "base/dictionary.h"
#include "mine/cache.h"

extern const lode_miner_type lode__miner_sessions, lode__miner_titles, lode__miner_vectors,
    lode__miner_taxonomy;

const lode_miner_type *const lode__miners[] = {&lode__miner_sessions, &lode__miner_titles,
                                               &lode__miner_vectors, &lode__miner_taxonomy, NULL};

const lode_key lode__mine_keys[] = {
    {.name = "cache",
     .type = LODE_KEY_TEXT,
     .offset = offsetof(lode_mine_options, cache),
     .fallback = "auto",
     .help = "Folder where results are kept and looked for: auto = beside the data set, "
             "X.lode.cache; none = nowhere."},
    {.name = "memory",
     .type = LODE_KEY_INT,
     .offset = offsetof(lode_mine_options, memory),
     .fallback = "2147483648",
     .low = 65536,
     .high = 1e15,
     .help = "Bytes for counting. Less takes more walks over the log, and changes no result."},
    {.name = NULL}};

const lode_miner_type *lode__miner_find(const char *name) {
    for (size_t k = 0; lode__miners[k] != NULL; k++) {
        if (strcmp(lode__miners[k]->name, name) == 0) return lode__miners[k];
    }
    return NULL;
}

static lode_status unknown_miner(const char *name, lode_error *error) {
    const char *names[16];
    size_t count = 0;
    for (; lode__miners[count] != NULL; count++)
        names[count] = lode__miners[count]->name;
    return lode__fail_unknown(error, LODE_E_CONFIG, "unknown miner", name, names, count);
}

lode_status lode__miner_read(lode_miner *miner, const char *name, const lode_node *map,
                             const char *path, const char *const *skip, lode_error *error) {
    *miner = (lode_miner){0};
    const lode_miner_type *type = miner->type = lode__miner_find(name);
    if (type == NULL) return unknown_miner(name, error);
    miner->config = lode__arena_alloc(&miner->arena, 1, type->config_size);
    if (miner->config == NULL) return lode__fail_memory(error);
    return lode__config_read(&miner->arena, map, path, type->keys, skip, miner->config, error);
}

void lode__miner_release(lode_miner *miner) {
    lode__arena_release(&miner->arena);
    *miner = (lode_miner){0};
}

// ------------------------------------------------------------------------------------------------
// The cache
// ------------------------------------------------------------------------------------------------

/// Everything that the result depends on. The split is taken as it is, position by position, so that two ways
/// of writing the same cut share their results.
static lode_status key_make(lode_text *key, const lode_miner *miner, const lode_mine_input *input,
                            lode_error *error) {
    const lode_split *split = input->split;
    const uint64_t cut = lode__hash(split->train_end, split->log.users * sizeof *split->train_end, 0);
    lode__text_printf(key, "data: %016llx\nsplit: %s %016llx\nminer: %s\n",
                      (unsigned long long)input->data->fingerprint, lode__split_name(split->type),
                      (unsigned long long)cut, miner->type->name);
    lode__config_write(key, 0, miner->type->keys, miner->config);
    if (miner->type->identify != NULL)
        LODE_TRY(miner->type->identify(miner->config, input, key, error));
    return key->failed ? lode__fail_memory(error) : LODE_OK;
}

/// Where this result is kept; NULL for nowhere.
static lode_status path_make(lode_arena *arena, const lode_mine_options *options,
                             const lode_miner *miner, const lode_mine_input *input, const char *key,
                             char **out, lode_error *error) {
    *out = NULL;
    const char *folder = options->cache;
    const bool none = strcmp(folder, "none") == 0, beside = strcmp(folder, "auto") == 0;
    if (none || (beside && input->data->file.path == NULL)) return LODE_OK;
    if (beside) folder = lode__arena_printf(arena, "%s.cache", input->data->file.path);
    const uint64_t hash = lode__hash(key, strlen(key), 0);
    *out = folder != NULL ? lode__arena_printf(arena, "%s/%s-%016llx.mine", folder,
                                               miner->type->name, (unsigned long long)hash)
                          : NULL;
    return *out != NULL ? LODE_OK : lode__fail_memory(error);
}

/// True when it was found and is good.
static lode_status try_read(lode_mined *mined, const char *path, const char *key,
                            const lode_mine_input *input, lode_error *error) {
    if (path == NULL || !lode__file_exists(path)) return LODE_OK;
    lode_error problem = {0};
    const lode_status status = lode__mined_read(mined, path, key, &problem);
    if (status == LODE_E_MEMORY) return lode__fail_memory(error);
    if (status != LODE_OK) {
        lode__notice(input->hooks, "the cache is not used: %s; mining again", problem.message);
        return LODE_OK;
    }
    if (mined->items != input->data->items.count) {
        lode__container_close(&mined->file);
        *mined = (lode_mined){.arena = mined->arena};
        lode__notice(input->hooks,
                     "the cache is not used: %s has another number of items; "
                     "mining again",
                     path);
        return LODE_OK;
    }
    mined->cached = true;
    return LODE_OK;
}

static lode_status try_write(lode_mined *mined, char *path, const char *key,
                             const lode_mine_input *input, lode_error *error) {
    lode_error problem = {0};
    char *slash = strrchr(path, '/');
    *slash = '\0';
    lode_status status = lode__folder_make(path, &problem);
    *slash = '/';
    if (status == LODE_OK) status = lode__mined_write(mined, path, key, &problem);
    mined->stored = status == LODE_OK;
    if (status == LODE_E_MEMORY) return lode__fail_memory(error);
    if (status != LODE_OK)
        lode__notice(input->hooks, "what was mined is not kept: %s", problem.message);
    return LODE_OK;
}

lode_status lode__mine(lode_mined **out, const lode_miner *miner, const lode_mine_options *options,
                       lode_mine_input input, lode_error *error) {
    *out = NULL;
    lode_mined *mined = lode__alloc(1, sizeof *mined);
    if (mined == NULL) return lode__fail_memory(error);
    lode_text key = {0};
    char *path;
    lode_status status;
    input.memory = (uint64_t)options->memory;
    LODE_GOTO(status, key_make(&key, miner, &input, error), done);
    LODE_GOTO(status, path_make(&mined->arena, options, miner, &input, key.data, &path, error), done);
    LODE_GOTO(status, try_read(mined, path, key.data, &input, error), done);
    mined->stored = mined->cached;
    mined->cache_path = path;
    if (!mined->cached) {
        mined->items = input.data->items.count;
        LODE_GOTO(status, miner->type->mine(miner->config, &input, mined, error), done);
        if (path != NULL) LODE_GOTO(status, try_write(mined, path, key.data, &input, error), done);
    }
    *out = mined;
    mined = NULL;
done:
    lode__text_release(&key);
    lode__mined_free(&mined);
    return status;
}
