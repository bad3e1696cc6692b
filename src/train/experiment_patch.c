/// Patches of configurations: trees of which keys may be paths, laid on a tree.
#include <string.h>

#include "train/experiment.h"

static lode_node *copy_node(lode_arena *arena, const lode_node *from) {
    lode_node *copy = lode__arena_alloc(arena, 1, sizeof *copy);
    if (copy == NULL) return NULL;
    *copy = *from;
    copy->next = NULL;
    copy->child = NULL;
    lode_node **end = &copy->child;
    for (const lode_node *child = from->child; child != NULL; child = child->next) {
        *end = copy_node(arena, child);
        if (*end == NULL) return NULL;
        end = &(*end)->next;
    }
    return copy;
}

static lode_status wrong_step(lode_arena *arena, const lode_node *at, const char *step,
                              const lode_node *in, lode_error *error) {
    if (in->kind != LODE_NODE_LIST) {
        return lode__fail(error, LODE_E_CONFIG,
                          "%s: \"%s\" cannot be set: what it is set in is no map of keys",
                          lode__node_where(arena, at), at->key);
    }
    return lode__fail(
        error, LODE_E_CONFIG,
        "%s: \"%s\": \"%s\" is in a list of %zu; name an element by its number, from 0",
        lode__node_where(arena, at), at->key, step, lode__node_count(in));
}

/// The child of `in` called `step`, made where it is missing; `at` is the patch's node, for messages and lines.
static lode_status step_into(lode_arena *arena, lode_node *in, const char *step,
                             const lode_node *at, lode_node **out, lode_error *error) {
    uint64_t wanted = 0;
    const bool list = in->kind == LODE_NODE_LIST;
    if (in->kind == LODE_NODE_SCALAR || (list && !lode__parse_u64(step, strlen(step), &wanted))) {
        return wrong_step(arena, at, step, in, error);
    }
    lode_node **end = &in->child;
    for (uint64_t i = 0; *end != NULL; end = &(*end)->next, i++) {
        if (list ? i == wanted : strcmp((*end)->key, step) == 0) {
            *out = *end;
            return LODE_OK;
        }
    }
    if (list && wanted != lode__node_count(in)) return wrong_step(arena, at, step, in, error);
    lode_node *made = lode__arena_alloc(arena, 1, sizeof *made);
    if (made == NULL) return lode__fail_memory(error);
    *made = (lode_node){.kind = LODE_NODE_MAP, .file = at->file, .line = at->line};
    if (!list) made->key = step;
    *end = *out = made;
    return LODE_OK;
}

static lode_status patch_child(lode_arena *arena, lode_node *base, const lode_node *over,
                               lode_error *error) {
    char *path = lode__arena_strdup(arena, over->key);
    if (path == NULL) return lode__fail_memory(error);
    lode_node *target = base;
    for (char *dot; path != NULL; path = dot) {
        dot = strchr(path, '.');
        if (dot != NULL) *dot++ = 0;
        LODE_TRY(step_into(arena, target, path, over, &target, error));
    }
    if (over->kind == LODE_NODE_MAP) {
        if (target->kind != LODE_NODE_MAP) {
            target->kind = LODE_NODE_MAP;
            target->text = NULL;
            target->child = NULL;
        }
        return lode__experiment_patch(arena, target, over, error);
    }
    lode_node *copy = copy_node(arena, over);
    if (copy == NULL) return lode__fail_memory(error);
    copy->key = target->key;
    copy->next = target->next;
    *target = *copy;
    return LODE_OK;
}

lode_status lode__experiment_patch(lode_arena *arena, lode_node *base, const lode_node *over,
                                   lode_error *error) {
    if (over == NULL) return LODE_OK;
    for (const lode_node *child = over->child; child != NULL; child = child->next) {
        LODE_TRY(patch_child(arena, base, child, error));
    }
    return LODE_OK;
}
