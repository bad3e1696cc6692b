#include "objective/objective.h"

#include <string.h>

extern const lode_objective_type lode__objective_sampled_softmax, lode__objective_in_batch,
    lode__objective_bce, lode__objective_bpr, lode__objective_micrec_feature,
    lode__objective_micrec_semantic, lode__objective_micrec_session, lode__objective_full_softmax,
    lode__objective_clrec_contrast, lode__objective_clrec_ipw, lode__objective_clrec_user,
    lode__objective_clrec_public;

const lode_objective_type *const lode__objectives[] = {&lode__objective_sampled_softmax,
                                                       &lode__objective_in_batch,
                                                       &lode__objective_bce,
                                                       &lode__objective_bpr,
                                                       &lode__objective_micrec_feature,
                                                       &lode__objective_micrec_semantic,
                                                       &lode__objective_micrec_session,
                                                       &lode__objective_full_softmax,
                                                       &lode__objective_clrec_contrast,
                                                       &lode__objective_clrec_ipw,
                                                       &lode__objective_clrec_user,
                                                       &lode__objective_clrec_public,
                                                       NULL};

typedef struct lode_common {
    double weight;
} lode_common;

static const lode_objective_type *find(const lode_node *node, size_t number, lode_error *error) {
    const char *names[32];
    size_t count = 0;
    const lode_node *type = lode__node_get(node, "type");
    const char *wanted = type != NULL && type->kind == LODE_NODE_SCALAR ? type->text : "";
    for (; lode__objectives[count] != NULL; count++) {
        names[count] = lode__objectives[count]->name;
        if (strcmp(names[count], wanted) == 0) return lode__objectives[count];
    }
    lode_arena arena = {0};
    const char *subject = lode__arena_printf(&arena, "%s: objectives[%zu] has %s type",
                                             lode__node_where(&arena, type != NULL ? type : node),
                                             number, *wanted != 0 ? "an unknown" : "no");
    if (subject == NULL)
        (void)lode__fail_memory(error);
    else
        (void)lode__fail_unknown(error, LODE_E_CONFIG, subject, wanted, names, count);
    lode__arena_release(&arena);
    return NULL;
}

lode_status lode__objective_read(lode_objective *objective, const lode_node *node, size_t number,
                                 lode_error *error) {
    static const char *const skip[] = {"type", "weight", NULL};
    static const lode_key weight[] = {{.name = "weight",
                                       .type = LODE_KEY_REAL,
                                       .offset = offsetof(lode_common, weight),
                                       .fallback = "1",
                                       .low = 0,
                                       .high = 1e6},
                                      {0}};
    *objective = (lode_objective){0};
    objective->type = find(node, number, error);
    if (objective->type == NULL) return LODE_E_CONFIG;
    lode_arena *arena = &objective->arena;
    objective->config =
        lode__arena_alloc(arena, 1, LODE_MAX(objective->type->config_size, (size_t)1));
    objective->state = lode__arena_alloc(arena, 1, LODE_MAX(objective->type->state_size, (size_t)1));
    char *path = lode__arena_printf(arena, "objectives[%zu]", number);
    if (objective->config == NULL || objective->state == NULL || path == NULL) {
        return lode__fail_memory(error);
    }
    lode_common common;
    lode_node only = {.kind = LODE_NODE_MAP, .file = node->file, .line = node->line};
    lode_node copy;
    const lode_node *given = lode__node_get(node, "weight");
    if (given != NULL) {
        copy = *given;
        copy.next = NULL;
        only.child = &copy;
    }
    LODE_TRY(lode__config_read(arena, &only, path, weight, NULL, &common, error));
    objective->weight = common.weight;
    return lode__config_read(arena, node, path, objective->type->keys, skip, objective->config,
                             error);
}

static const char *missing(unsigned needs, unsigned gives) {
    if (needs & ~gives & LODE_NEED_RAW_FIELDS) return "raw field embeddings";
    if (needs & ~gives & LODE_NEED_POSITIONS) return "a vector for every position of the history";
    if (needs & ~gives & ~(unsigned)LODE_NEED_ONE_VECTOR) return "a vector";
    const bool several = (gives & LODE_NEED_INTERESTS) != 0;
    return several && (needs & LODE_NEED_ONE_VECTOR) ? "one vector, and not several," : NULL;
}

lode_status lode__objective_prepare(lode_objective *objective, const lode_training *training,
                                    lode_error *error) {
    const lode_tower *towers[] = {&training->model->user, &training->model->item};
    const unsigned needs[] = {objective->type->user_needs, objective->type->item_needs};
    for (size_t i = 0; i < 2; i++) {
        const char *what = missing(needs[i], towers[i]->gives);
        if (what != NULL) {
            return lode__fail(
                error, LODE_E_CONFIG,
                "objective %s needs %s of the %s tower, and tower %s does not give it",
                objective->type->name, what, i == 0 ? "user" : "item", towers[i]->type->name);
        }
    }
    return objective->type->prepare(objective->state, objective->config, training,
                                    &objective->arena, error);
}

void lode__objective_release(lode_objective *objective) {
    if (objective->type != NULL && objective->type->release != NULL && objective->state != NULL) {
        objective->type->release(objective->state);
    }
    lode__arena_release(&objective->arena);
    *objective = (lode_objective){0};
}

size_t lode__objective_bytes(const lode_objective *objective) {
    enum { MOST = 16 };
    const lode_objective_type *type = objective->type;
    lode_state_array arrays[MOST];
    size_t bytes = type->graph_bytes != NULL ? type->graph_bytes(objective->state) : 0;
    const size_t count = type->arrays != NULL ? type->arrays(objective->state, arrays, MOST) : 0;
    for (size_t i = 0; i < count; i++)
        bytes += arrays[i].bytes;
    return bytes;
}

/// Maps that someone else reads (the keys of a miner), which the table of keys leaves to its owner.
static void write_nodes(lode_text *text, int indent, const lode_key *keys, const void *config) {
    for (const lode_key *key = keys; key->name != NULL; key++) {
        const lode_node *const *place =
            (const lode_node *const *)(const void *)((const char *)config + key->offset);
        if (key->type != LODE_KEY_NODE || *place == NULL) continue;
        lode__text_printf(text, "%*s%s:\n", indent, "", key->name);
        lode_text body = {0};
        lode__yaml_print(&body, *place);
        for (const char *line = body.data; line != NULL && *line != 0;) {
            const size_t length = strcspn(line, "\n");
            lode__text_printf(text, "%*s%.*s\n", indent + 2, "", (int)length, line);
            line += length + (line[length] == '\n' ? 1 : 0);
        }
        text->failed = text->failed || body.failed;
        lode__text_release(&body);
    }
}

void lode__objective_write(lode_text *text, int indent, const lode_objective *objective) {
    static const lode_key weight[] = {
        {.name = "weight", .type = LODE_KEY_REAL, .offset = offsetof(lode_common, weight)}, {0}};
    lode__text_printf(text, "%*s- type: %s\n", indent, "", objective->type->name);
    lode__config_write(text, indent + 2, weight, &(lode_common){objective->weight});
    lode__config_write(text, indent + 2, objective->type->keys, objective->config);
    write_nodes(text, indent + 2, objective->type->keys, objective->config);
}
