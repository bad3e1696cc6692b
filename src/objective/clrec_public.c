/// clrec.public: contrast as in the code that CLRec's authors published for the public data sets (Zhou et al. 2021, 4.1).
///
///     L = mean over positions of -log( e^phi(s, y) / (e^phi(s, y) + sum over t in N of e^phi(s, t)) ),   phi = score / temperature
///
/// Every position of a window of clicks is a query, and all of a window share its negatives N: `negatives` different items
/// that the window's user never clicked in training, taken off the front of a queue of clicked items (click_fifo.h), window
/// after window; what a window's positions were to find then goes to the back. Where the queue runs empty it is filled from
/// a random stretch of the log's clicks. Nothing corrects for log q: clicks come into the queue in proportion to q.
#include "objective/click_fifo.h"
#include "objective/negatives.h"
#include "objective/queue.h"

typedef struct lode_public_options {
    int queue;
    int64_t negatives;
    int64_t capacity;
    double temperature;
} lode_public_options;

typedef struct lode_public {
    const lode_public_options *options;
    lode_training training;
    size_t windows; ///< most of a step
    lode_click_fifo fifo;
    lode_tally tally;
    uint32_t *rows; ///< [negatives] of a window
    int32_t *slots; ///< [negatives] in the item view
    // of the scene
    lode_item_view *items;
    lode_ids *targets;
    lode_ids *negative;  ///< [queries], width = negatives
    lode_lists *missing; ///< rows = queries: places without a negative
    lode_ids *missing_places;
} lode_public;

static const char *const queues[] = {"fifo", NULL};

#define AT(member) .offset = offsetof(lode_public_options, member)
static const lode_key keys[] = {
    {.name = "queue",
     .type = LODE_KEY_CHOICE,
     AT(queue),
     .fallback = "fifo",
     .choices = queues,
     .help = "fifo: negatives are taken off the front of a queue of clicked items, once."},
    {.name = "negatives",
     .type = LODE_KEY_INT,
     AT(negatives),
     .fallback = "50",
     .low = 1,
     .high = 4096,
     .help = "Items that a window's positions share as negatives, none of them its user's."},
    LODE_CAPACITY_KEY(lode_public_options, " and a window's negatives"),
    LODE_COSINE_TEMPERATURE_KEY(lode_public_options),
    {0}};
#undef AT

static lode_status check_options(const lode_public_options *options, const lode_training *training,
                                 lode_error *error) {
    if (training->examples != LODE_ALL_POSITIONS) {
        return lode__fail(error, LODE_E_CONFIG,
                          "clrec.public needs data.examples: all_positions: the positions of a "
                          "window share their negatives (clrec.contrast does without)");
    }
    if ((uint64_t)options->negatives >= training->split->train_items) {
        return lode__fail(error, LODE_E_CONFIG,
                          "clrec.public: %lld different negatives cannot be found: %u items have a "
                          "training click, one of them the positive; lower negatives",
                          (long long)options->negatives, training->split->train_items);
    }
    if (training->queries > INT32_MAX / (size_t)(options->negatives + 1)) {
        return lode__fail(error, LODE_E_CONFIG,
                          "clrec.public: %zu positions of a step with %lld negatives each are more "
                          "than 2^31 scores: lower train.batch or negatives",
                          training->queries, (long long)options->negatives);
    }
    return LODE_OK;
}

static lode_status find_capacity(const lode_public_options *options, size_t queries,
                                 size_t *capacity, lode_error *error) {
    const size_t negatives = (size_t)options->negatives;
    LODE_TRY(lode__queue_capacity("clrec.public", options->capacity, queries, capacity, error));
    if (options->capacity == 0) *capacity = LODE_MAX(*capacity, negatives);
    if (*capacity >= negatives) return LODE_OK;
    return lode__fail(error, LODE_E_CONFIG,
                      "clrec.public: capacity: %zu clicks are fewer than the %zu negatives of a "
                      "window: raise it or lower negatives",
                      *capacity, negatives);
}

static lode_status prepare(void *state, const void *config, const lode_training *training,
                           lode_arena *arena, lode_error *error) {
    lode_public *self = state;
    const lode_public_options *options = self->options = config;
    self->training = *training;
    size_t capacity;
    LODE_TRY(check_options(options, training, error));
    LODE_TRY(find_capacity(options, training->queries, &capacity, error));
    LODE_TRY(lode__click_fifo_new(&self->fifo, &self->training, capacity, arena, error));
    LODE_TRY(lode__tally_new(&self->tally, arena, error));
    self->windows = training->queries / training->model->history;
    const size_t negatives = (size_t)options->negatives;
    self->rows = lode__arena_alloc(arena, negatives, sizeof *self->rows);
    self->slots = lode__arena_alloc(arena, negatives, sizeof *self->slots);
    return self->rows == NULL || self->slots == NULL ? lode__fail_memory(error) : LODE_OK;
}

static size_t items(const void *state, size_t queries) {
    const lode_public *self = state;
    (void)queries;
    return self->windows * (size_t)self->options->negatives;
}

static lode_status build(void *state, const lode_scene *scene, double weight, lode_error *error) {
    (void)error;
    lode_public *self = state;
    lode_graph *graph = scene->graph;
    const size_t negatives = (size_t)self->options->negatives;
    lode_dim *places = lode__graph_dim(graph, "missing", scene->most * negatives);
    if (places == NULL) return LODE_OK; // graph->failed: reported when the graph is finished
    self->items = scene->items;
    self->targets = scene->targets;
    self->negative = lode__graph_ids(graph, scene->query->rows, negatives);
    self->missing = lode__graph_lists(graph, scene->query->rows, places, negatives);
    self->missing_places = lode__graph_ids(graph, places, 1);
    lode_tensor *loss =
        lode__contrast(graph, &(lode_contrast){.kind = LODE_CONTRAST_SOFTMAX,
                                               .query = scene->query,
                                               .key = scene->items->outputs.vector,
                                               .positive = scene->targets,
                                               .negative = self->negative,
                                               .masked = self->missing,
                                               .masked_ids = self->missing_places,
                                               .scale = 1.0 / self->options->temperature,
                                               .positive_in_denominator = true});
    lode__graph_loss(graph, loss, weight);
    return LODE_OK;
}

/// Negatives of queries first .. end - 1, the positions of one window; places behind the `found` do not count.
static void fill_window(lode_public *self, size_t first, size_t end, size_t found) {
    const size_t width = (size_t)self->options->negatives;
    for (size_t j = 0; j < found; j++)
        self->slots[j] = lode__item_view_slot(self->items, self->rows[j]);
    size_t at = (size_t)self->missing->offsets[first];
    for (size_t query = first; query < end; query++) {
        int32_t *negative = self->negative->data + query * width;
        for (size_t j = 0; j < width; j++)
            negative[j] = j < found ? self->slots[j] : self->targets->data[query];
        for (size_t j = found; j < width; j++)
            self->missing_places->data[at++] = (int32_t)j;
        self->missing->offsets[query + 1] = (int32_t)at;
    }
}

static lode_status draw(void *state, const lode_batch *batch, lode_error *error) {
    (void)error;
    lode_public *self = state;
    const size_t negatives = (size_t)self->options->negatives;
    lode_random random = lode__random(batch->seed, batch->purpose, batch->epoch, batch->step);
    self->missing->offsets[0] = 0;
    for (size_t first = 0, end; first < batch->count; first = end) {
        for (end = first; end < batch->count && batch->example_of[end] == batch->example_of[first];)
            end++;
        const size_t found = lode__click_fifo_take(&self->fifo, batch->states[first].user,
                                                   negatives, &random, self->rows);
        fill_window(self, first, end, found);
        for (size_t query = first; query < end; query++)
            lode__click_fifo_push(&self->fifo, batch->target_rows[query]);
        lode__tally_add(&self->tally, (double)(end - first), (double)(found * (end - first)));
    }
    self->missing_places->dim->size = (size_t)self->missing->offsets[batch->count];
    return LODE_OK;
}

static size_t arrays(void *state, lode_state_array *out, size_t capacity) {
    lode_public *self = state;
    (void)capacity;
    const size_t count = lode__tally_arrays(&self->tally, out);
    return count + lode__click_fifo_arrays(&self->fifo, out + count);
}

static lode_status restored(void *state, lode_error *error) {
    lode_public *self = state;
    return lode__click_fifo_check(&self->fifo, error);
}

static size_t figures(void *state, lode_figure *out, size_t capacity) {
    lode_public *self = state;
    (void)capacity;
    const size_t count = lode__tally_figures(&self->tally, out);
    return count + lode__click_fifo_figures(&self->fifo, out + count);
}

const lode_objective_type lode__objective_clrec_public = {
    .name = "clrec.public",
    .help =
        "Softmax of each position's next click among items taken off a queue of clicks, none of "
        "them the user's (CLRec's public code).",
    .user_needs = LODE_NEED_VECTOR,
    .item_needs = LODE_NEED_VECTOR,
    .keys = keys,
    .config_size = sizeof(lode_public_options),
    .state_size = sizeof(lode_public),
    .prepare = prepare,
    .items = items,
    .stages = {{build, draw}},
    .stage_count = 1,
    .arrays = arrays,
    .restored = restored,
    .figures = figures};
