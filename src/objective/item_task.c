#include "objective/item_task.h"

#include <stdio.h>
#include <string.h>

#include "model/mlp.h"

enum { MOST_REDRAWS = 100, TASK_ANCHORS = 64, WORD = 64 };

const char *const lode__item_similarities[] = {"dot", "cosine", NULL};
const char *const lode__item_anchors[] = {"batch", "catalogue", NULL};

static const char *const scopes[] = {"batch", "anchor", NULL};

#define AT(member) .offset = offsetof(lode_item_negatives, member)
const lode_key lode__item_negative_keys[] = {
    {.name = "count",
     .type = LODE_KEY_INT,
     AT(count),
     .fallback = "50",
     .low = 1,
     .high = 65536,
     .help = "Negatives of a step or of an anchor (MicRec: 10, 20, 50)."},
    {.name = "scope",
     .type = LODE_KEY_CHOICE,
     AT(scope),
     .fallback = "batch",
     .choices = scopes,
     .help = "batch: one draw shared by all anchors of a step, each masking what is related to it; "
             "anchor: a draw for each, as printed (Eq. 2 to 4)."},
    {.name = "from",
     .type = LODE_KEY_CHOICE,
     AT(from),
     .fallback = "uniform",
     .choices = lode__sampler_names,
     .help = "uniform over training items (in-batch negatives would push popular items too hard, "
             "MicRec 3.3); log_uniform; popularity: clicks^alpha."},
    {.name = "alpha",
     .type = LODE_KEY_REAL,
     AT(alpha),
     .fallback = "0.75",
     .low = 0,
     .high = 2,
     .help = "Exponent of popularity."},
    {0}};
#undef AT

lode_status lode__item_task_prepare(lode_item_task *task, const lode_item_options *options,
                                    const lode_training *training, lode_arena *arena,
                                    lode_error *error) {
    const lode_split *split = training->split;
    task->options = options;
    task->training = *training;
    if (split->train_items < 2) {
        return lode__fail(error, LODE_E_CONFIG,
                          "the training part has %u items: negatives need at least 2",
                          split->train_items);
    }
    const size_t rows = (size_t)training->model->vocabulary->items + 1;
    task->stamp = lode__arena_alloc(arena, rows, sizeof *task->stamp);
    task->negative_rows =
        lode__arena_alloc(arena, (size_t)options->negatives.count, sizeof *task->negative_rows);
    if (task->stamp == NULL || task->negative_rows == NULL) return lode__fail_memory(error);
    task->active = true;
    return lode__sampler_new(&task->sampler, (lode_sampler_type)options->negatives.from,
                             options->negatives.alpha, split->item_count, split->log.items, error);
}

void lode__item_task_release(void *state) {
    lode_item_task *task = state;
    lode__sampler_free(&task->sampler);
    lode__mined_free(&task->mined);
}

void lode__item_task_declare(lode_item_task *task, size_t width, lode_params *heads,
                             const char *prefix) {
    char name[64];
    if (task->options->projector.count == 0 || !task->active) return;
    (void)snprintf(name, sizeof name, "%s.projector", prefix);
    lode__mlp_declare(&task->projector, heads, name, width, task->options->projector, LODE_RELU);
}

static bool is_shared(const lode_item_task *task) {
    return task->options->negatives.scope == 0;
}

size_t lode__item_task_items(const void *state, size_t queries) {
    const lode_item_task *task = state;
    if (!task->active) return 0;
    const size_t count = (size_t)task->options->negatives.count;
    const size_t negatives = is_shared(task) ? count : count * queries;
    const size_t anchors = task->options->anchors == 0 ? 0 : queries;
    return anchors + (task->mined != NULL ? queries + negatives : 0);
}

static lode_tensor *project(const lode_item_task *task, const lode_scene *scene, lode_tensor *x) {
    if (task->projector.count > 0)
        x = lode__mlp_apply(&task->projector, scene->graph, scene->heads, x);
    return task->options->similarity == 0 ? x : lode__normalize(scene->graph, x);
}

static void build_inputs(lode_item_task *task, const lode_scene *scene) {
    lode_graph *graph = scene->graph;
    const size_t count = (size_t)task->options->negatives.count;
    const size_t most = LODE_MIN(scene->most, scene->items->inputs.rows->capacity);
    lode_dim *anchors = lode__graph_dim(graph, "anchors", most);
    lode_dim *places = is_shared(task) ? lode__graph_dim(graph, "negatives", count) : anchors;
    lode_dim *masked = lode__graph_dim(graph, "masked", most * count);
    if (anchors == NULL || places == NULL || masked == NULL) return; // graph->failed
    task->anchors = lode__graph_ids(graph, anchors, 1);
    task->positive = lode__graph_ids(graph, anchors, 1);
    task->negative = lode__graph_ids(graph, places, is_shared(task) ? 1 : count);
    task->masked = lode__graph_lists(graph, anchors, masked, count);
    task->masked_ids = lode__graph_ids(graph, masked, 1);
    task->anchor_rows = lode__graph_alloc(graph, most, sizeof *task->anchor_rows);
    task->related = lode__graph_alloc(graph, most * ((count + WORD - 1) / WORD), sizeof(uint64_t));
}

void lode__item_task_build(lode_item_task *task, const lode_scene *scene, lode_item_view *others,
                           lode_tensor *x, lode_tensor *y, double weight) {
    lode_graph *graph = scene->graph;
    task->view = scene->items;
    task->others = others;
    build_inputs(task, scene);
    if (task->related == NULL || graph->failed) {
        graph->failed = true;
        return;
    }
    // Vectors are narrow and most of them are used: one product for all. Raw fields are wide: anchors first.
    lode_tensor *key = project(task, scene, y);
    lode_tensor *query = x == y ? lode__gather(graph, key, task->anchors)
                                : project(task, scene, lode__gather(graph, x, task->anchors));
    lode_tensor *loss = lode__contrast(
        graph, &(lode_contrast){.kind = LODE_CONTRAST_SOFTMAX,
                                .query = query,
                                .key = key,
                                .positive = task->positive,
                                .negative = task->negative,
                                .shared = is_shared(task),
                                .masked = task->masked,
                                .masked_ids = task->masked_ids,
                                .scale = 1.0 / task->options->temperature,
                                .positive_in_denominator = task->options->denominator == 0});
    lode__graph_loss(graph, loss, weight);
}

// --- one step -------------------------------------------------------------------------------------------

/// An item that is related to the one in `row`, as a row; 0 where it has none that the model knows.
static uint32_t draw_related(const lode_item_task *task, uint32_t row, lode_random *random) {
    const lode_binding *binding = task->training.binding;
    for (int attempt = 0; attempt < MOST_REDRAWS; attempt++) {
        const uint32_t item = lode__mined_draw(task->mined, binding->item_of[row], task->by, random);
        if (item == LODE_NO_ITEM) return 0;
        const uint32_t found = binding->item_row[item];
        if (found != 0 && found != row) return found;
    }
    return 0;
}

/// Make `row` an anchor, with its positive, unless it is one or has none.
static void add_anchor(lode_item_task *task, uint32_t row, lode_random *random) {
    size_t *at = &task->anchors->dim->size;
    if (task->stamp[row] == task->now || *at == task->anchors->dim->capacity) return;
    task->stamp[row] = task->now;
    const uint32_t positive = task->mined != NULL ? draw_related(task, row, random) : row;
    if (positive == 0) return;
    task->anchor_rows[*at] = row;
    task->anchors->data[*at] = lode__item_view_slot(task->view, row);
    task->positive->data[*at] = lode__item_view_slot(task->others, positive);
    ++*at;
}

static void draw_anchors(lode_item_task *task, const lode_batch *batch, lode_random *random) {
    const uint32_t items = task->training.model->vocabulary->items;
    task->anchors->dim->size = 0;
    if (++task->now == 0) { // the mark has gone round
        memset(task->stamp, 0, ((size_t)items + 1) * sizeof *task->stamp);
        task->now = 1;
    }
    if (task->options->anchors == 0) {
        for (size_t i = 0; i < batch->count; i++)
            add_anchor(task, batch->target_rows[i], random);
        return;
    }
    size_t wanted = 0; // targets have the first slots of the view
    for (size_t i = 0; i < batch->count; i++) {
        const size_t slot = (size_t)lode__item_view_find(task->view, batch->target_rows[i]);
        wanted = LODE_MAX(wanted, slot + 1);
    }
    for (size_t i = 0; i < wanted; i++)
        add_anchor(task, 1 + (uint32_t)lode__random_below(random, items), random);
}

static bool is_related(const lode_item_task *task, uint32_t anchor, uint32_t row) {
    if (anchor == row) return true;
    const uint32_t *item_of = task->training.binding->item_of;
    return task->mined != NULL && lode__mined_related(task->mined, item_of[anchor], item_of[row]);
}

static uint32_t draw_negative(const lode_item_task *task, lode_random *random) {
    return task->training.binding->item_row[lode__sampler_draw(task->sampler, random)];
}

static size_t words_of(const lode_item_task *task) {
    return ((size_t)task->options->negatives.count + WORD - 1) / WORD;
}

static void relate_some(void *context, size_t number, size_t thread) {
    (void)thread;
    lode_item_task *task = context;
    const size_t count = (size_t)task->options->negatives.count, words = words_of(task);
    const size_t last = LODE_MIN((number + 1) * TASK_ANCHORS, task->anchors->dim->size);
    for (size_t anchor = number * TASK_ANCHORS; anchor < last; anchor++) {
        uint64_t *bits = task->related + anchor * words;
        memset(bits, 0, words * sizeof *bits);
        for (size_t j = 0; j < count; j++) {
            if (is_related(task, task->anchor_rows[anchor], task->negative_rows[j]))
                bits[j / WORD] |= (uint64_t)1 << j % WORD;
        }
    }
}

static void draw_shared(lode_item_task *task, lode_random *random) {
    const size_t count = (size_t)task->options->negatives.count;
    task->negative->dim->size = count;
    for (size_t j = 0; j < count; j++) {
        task->negative_rows[j] = draw_negative(task, random);
        task->negative->data[j] = lode__item_view_slot(task->others, task->negative_rows[j]);
    }
    const size_t anchors = task->anchors->dim->size;
    lode__pool_run(task->training.pool, (anchors + TASK_ANCHORS - 1) / TASK_ANCHORS, relate_some,
                   task);
}

/// Negatives of one anchor, drawn again while they are related; what is left related after that is masked.
static void draw_own(lode_item_task *task, size_t anchor, lode_random *random) {
    const size_t count = (size_t)task->options->negatives.count, words = words_of(task);
    uint64_t *bits = task->related + anchor * words;
    memset(bits, 0, words * sizeof *bits);
    for (size_t j = 0; j < count; j++) {
        uint32_t row = draw_negative(task, random);
        bool related = is_related(task, task->anchor_rows[anchor], row);
        for (int again = 0; again < MOST_REDRAWS && related; again++) {
            row = draw_negative(task, random);
            related = is_related(task, task->anchor_rows[anchor], row);
        }
        if (related) bits[j / WORD] |= (uint64_t)1 << j % WORD;
        task->negative->data[anchor * count + j] = lode__item_view_slot(task->others, row);
    }
}

static void fill_masks(lode_item_task *task) {
    const size_t words = words_of(task);
    size_t at = 0;
    for (size_t anchor = 0; anchor < task->anchors->dim->size; anchor++) {
        for (size_t w = 0; w < words; w++) {
            for (uint64_t bits = task->related[anchor * words + w]; bits != 0; bits &= bits - 1)
                task->masked_ids->data[at++] = (int32_t)(w * WORD) + __builtin_ctzll(bits);
        }
        task->masked->offsets[anchor + 1] = (int32_t)at;
    }
    task->masked_ids->dim->size = at;
}

void lode__item_task_draw(lode_item_task *task, const lode_batch *batch) {
    lode_random random = lode__random(batch->seed, batch->purpose, batch->epoch, batch->step);
    draw_anchors(task, batch, &random);
    if (is_shared(task)) {
        draw_shared(task, &random);
    } else {
        for (size_t anchor = 0; anchor < task->anchors->dim->size; anchor++)
            draw_own(task, anchor, &random);
    }
    fill_masks(task);
}
