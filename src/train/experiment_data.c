/// Data sets of an experiment: what `data` names, and where the files are.
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "train/experiment.h"

static const char *where(lode_experiment_plan *plan, const lode_node *node) {
    return lode__node_where(&plan->arena, node);
}

lode_status lode__experiment_check_name(lode_experiment_plan *plan, const lode_node *node,
                                        const char *what, const char *name, lode_error *error) {
    static const char legal[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-+=";
    const size_t length = strlen(name);
    if (length > 0 && length <= 100 && name[0] != '.' && strspn(name, legal) == length)
        return LODE_OK;
    return lode__fail(
        error, LODE_E_CONFIG,
        "%s: \"%.100s\" cannot name %s, because folders are called after it: expected up to 100 "
        "letters, digits and . _ - + =, not starting with a dot",
        where(plan, node), name, what);
}

const char *lode__experiment_name_of(lode_arena *arena, const char *path) {
    size_t length = strlen(path);
    while (length > 1 && path[length - 1] == '/')
        length--;
    char *copy = lode__arena_strndup(arena, path, length);
    if (copy == NULL) return NULL;
    char *base = strrchr(copy, '/') != NULL ? strrchr(copy, '/') + 1 : copy;
    static const char *const endings[] = {".gz",  ".zst", ".lode",  ".csv",
                                          ".tsv", ".txt", ".inter", ".yaml"};
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        const size_t whole = strlen(base), ending = strlen(endings[i]);
        if (whole > ending && strcmp(base + whole - ending, endings[i]) == 0)
            base[whole - ending] = 0;
    }
    return base;
}

static bool is_dataset(const char *path) {
    const size_t length = strlen(path);
    return length > 5 && strcmp(path + length - 5, ".lode") == 0;
}

lode_status lode__experiment_look(lode_arena *arena, const char *folder, const char *path,
                                  const char **found, lode_error *error) {
    if (*found != NULL || (folder != NULL && path[0] == '/')) return LODE_OK;
    char *full =
        folder != NULL ? lode__path_join(arena, folder, path) : lode__arena_strdup(arena, path);
    if (full == NULL) return lode__fail_memory(error);
    if (!lode__file_exists(full) && is_dataset(full))
        full[strlen(full) - 5] = 0; // raw logs of that name
    if (lode__file_exists(full)) *found = full;
    return LODE_OK;
}

/// Look beside the experiment's file, in $LODESTONE_DATA and in the working folder.
static lode_status find_file(lode_experiment_plan *plan, const lode_node *node, const char *what,
                             const char *path, const char **found, lode_error *error) {
    const char *shared = getenv("LODESTONE_DATA");
    const bool set = shared != NULL && *shared != 0;
    *found = NULL;
    LODE_TRY(lode__experiment_look(&plan->arena, plan->folder, path, found, error));
    if (set) LODE_TRY(lode__experiment_look(&plan->arena, shared, path, found, error));
    LODE_TRY(lode__experiment_look(&plan->arena, NULL, path, found, error));
    if (*found != NULL) return LODE_OK;
    return lode__fail(
        error, LODE_E_MISSING,
        "%s: there is no %s %s in %s, in $LODESTONE_DATA (%s) or in the working folder",
        where(plan, node), what, path, plan->folder, set ? shared : "not set");
}

typedef struct lode_data_paths {
    const char *path, *truth;
} lode_data_paths;

#define AT(member) .offset = offsetof(lode_data_paths, member)
static const lode_key path_keys[] = {
    {.name = "path", .type = LODE_KEY_TEXT, AT(path), .help = "The data set or raw logs."},
    {.name = "truth", .type = LODE_KEY_TEXT, AT(truth), .help = "A file of true items."},
    {0}};
#undef AT

/// "shop.lode", or {path: shop.lode, truth: truth.tsv}.
static lode_status read_paths(lode_experiment_plan *plan, const lode_node *node,
                              lode_data_paths *paths, lode_error *error) {
    *paths = (lode_data_paths){.path = node->text};
    if (node->kind == LODE_NODE_MAP)
        LODE_TRY(lode__config_read(&plan->arena, node, "data", path_keys, NULL, paths, error));
    if (paths->path != NULL && *paths->path != 0) return LODE_OK;
    return lode__fail(error, LODE_E_CONFIG,
                      "%s: a data set is the path of a file or folder, or {path: shop.lode, truth: "
                      "truth.tsv}",
                      where(plan, node));
}

static lode_status add_data(lode_experiment_plan *plan, const lode_node *node, const char *name,
                            lode_error *error) {
    lode_experiment_data *data = &plan->data[plan->data_count];
    lode_data_paths paths;
    LODE_TRY(read_paths(plan, node, &paths, error));
    if (name == NULL) name = lode__experiment_name_of(&plan->arena, paths.path);
    if (name == NULL) return lode__fail_memory(error);
    *data = (lode_experiment_data){.name = name};
    LODE_TRY(lode__experiment_check_name(plan, node, "a data set", name, error));
    for (size_t i = 0; i < plan->data_count; i++) {
        if (strcmp(plan->data[i].name, name) == 0) {
            return lode__fail(
                error, LODE_E_CONFIG,
                "%s: two data sets are called \"%s\": give them names, as in {name: path}",
                where(plan, node), name);
        }
    }
    LODE_TRY(find_file(plan, node, "data set", paths.path, &data->source, error));
    if (paths.truth != NULL)
        LODE_TRY(find_file(plan, node, "file of true items", paths.truth, &data->truth, error));
    if (is_dataset(data->source)) data->path = data->source;
    plan->data_names[plan->data_count++] = name;
    return LODE_OK;
}

lode_status lode__experiment_read_data(lode_experiment_plan *plan, lode_error *error) {
    const lode_node *node = plan->config.data;
    if (node == NULL) {
        return lode__fail(error, LODE_E_CONFIG,
                          "%s: data is missing: expected a list of data sets, such as [shop.lode]",
                          plan->file);
    }
    const bool single = node->kind == LODE_NODE_SCALAR;
    const size_t count = single ? 1 : lode__node_count(node);
    if (count == 0) {
        return lode__fail(error, LODE_E_CONFIG, "%s: data is empty: expected at least one data set",
                          where(plan, node));
    }
    plan->data = lode__arena_alloc(&plan->arena, count, sizeof *plan->data);
    plan->data_names = lode__arena_alloc(&plan->arena, count, sizeof *plan->data_names);
    if (plan->data == NULL || plan->data_names == NULL) return lode__fail_memory(error);
    if (single) return add_data(plan, node, NULL, error);
    for (const lode_node *child = node->child; child != NULL; child = child->next) {
        LODE_TRY(add_data(plan, child, child->key, error));
    }
    return LODE_OK;
}
